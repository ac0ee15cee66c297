//! Signing keys: the set of a provider, ready to sign and to publish.
//!
//! ```text
//! head keys/{provider}  ->  {"format":1,"keys":[{"record":{...},"certificate":base64,"wrapped":digest}]}
//! blob {digest}         ->  the private half, wrapped under the master key for provider, key id and purpose
//! ```
//!
//! Keys of the deployment (challenges, administration) are kept likewise under `deployment/keys`, and never published
//! in a provider's key set.

mod document;
mod make;
mod master;
mod rewrap;
mod rotation;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use assay_token::lifecycle::{self, KeyRecord, Purpose, State};
use assay_token::{Jwk, Jwks, Signer, TokenError};

pub(crate) use document::{KEYS_MAX, KeyDocument, StoredKey};
pub(crate) use make::{MadeKey, make_key};
pub(crate) use master::load_or_generate;
pub use master::{MasterKeyError, MasterKeySource};
pub use rewrap::{RewrapError, Rewrapped, check_master_key, rotate_master_key};
pub(crate) use rotation::{Ring, advance, rotate_now};

/// The provider name under which the keys of the deployment itself are bound.
pub(crate) const DEPLOYMENT: &str = "deployment";
/// The signer domain: later an instance, or a group of equally measured ones.
pub(crate) const DOMAIN: &str = "deployment";
/// What a provider's keys are for, published together: clients of Azure Attestation verify tokens and policy results
/// with the one key set at `/certs`.
pub(crate) const PROVIDER_PURPOSES: [Purpose; 2] = [Purpose::AttestationToken, Purpose::ManagementResult];
/// What the deployment's own keys are for.
pub(crate) const DEPLOYMENT_PURPOSES: [Purpose; 2] = [Purpose::Challenge, Purpose::Administration];

/// The keys of a provider, or of the deployment.
#[derive(Default)]
pub struct KeySet {
    records: Vec<KeyRecord>,
    certificates: HashMap<String, Vec<u8>>,
    signers: HashMap<String, Arc<dyn Signer>>,
    /// Made once: every request may ask for it.
    challenge_jwks: OnceLock<Jwks>,
}

/// The key to sign with.
#[derive(Clone, Copy, Debug)]
pub struct SigningKey<'a> {
    /// Its name in the key set.
    pub kid: &'a str,
    /// Its private half.
    pub signer: &'a dyn Signer,
}

impl KeySet {
    pub(crate) fn new(
        records: Vec<KeyRecord>,
        certificates: HashMap<String, Vec<u8>>,
        signers: HashMap<String, Arc<dyn Signer>>,
    ) -> Self {
        Self { records, certificates, signers, challenge_jwks: OnceLock::new() }
    }

    /// What is known of every key, retired and revoked ones included.
    #[must_use]
    pub fn records(&self) -> &[KeyRecord] {
        &self.records
    }

    /// The records of one purpose: a ring in the words of [`lifecycle`].
    #[must_use]
    pub fn ring(&self, purpose: Purpose) -> Vec<KeyRecord> {
        self.records.iter().filter(|record| record.purpose == purpose).cloned().collect()
    }

    /// The certificate of a key, DER.
    #[must_use]
    pub fn certificate(&self, kid: &str) -> Option<&[u8]> {
        self.certificates.get(kid).map(Vec::as_slice)
    }

    /// The key to sign with for a purpose at `now` (unix seconds).
    ///
    /// # Errors
    /// [`TokenError::NoSigningKey`].
    pub fn signing_key(&self, purpose: Purpose, now: u64) -> Result<SigningKey<'_>, TokenError> {
        let newest = |by: u64| {
            self.records
                .iter()
                .filter(|key| key.purpose == purpose && key.state == State::Active && key.activate_at <= by)
                .max_by_key(|key| (key.activate_at, &key.kid))
        };
        // As `lifecycle::signing_key`, without copying the ring; the test below holds the two together.
        let record = newest(now).or_else(|| newest(u64::MAX)).ok_or(TokenError::NoSigningKey)?;
        let signer = self.signers.get(&record.kid).ok_or(TokenError::NoSigningKey)?;
        Ok(SigningKey { kid: &record.kid, signer: signer.as_ref() })
    }

    /// The keys to publish at `now` (unix seconds), those for attestation tokens first.
    ///
    /// # Errors
    /// As [`Jwk::new`], for a set that was tampered with.
    pub fn jwks(&self, now: u64) -> Result<Jwks, TokenError> {
        self.entries(lifecycle::published(&self.records, now))
    }

    /// The keys to verify challenges with: all that were not revoked, as challenges say themselves when they expire. Of a
    /// set that was tampered with there are none.
    pub fn challenge_jwks(&self) -> &Jwks {
        self.challenge_jwks.get_or_init(|| {
            let usable = |key: &&KeyRecord| key.purpose == Purpose::Challenge && key.state != State::Revoked;
            let keys = self.entries(self.records.iter().filter(usable).collect());
            keys.unwrap_or_else(|_| Jwks::new(Vec::new()))
        })
    }

    fn entries(&self, mut published: Vec<&KeyRecord>) -> Result<Jwks, TokenError> {
        published.sort_by_key(|record| (record.purpose, record.created));
        let entry = |record: &&KeyRecord| {
            let certificate = self.certificates.get(&record.kid).ok_or(TokenError::CertificateMissing)?;
            let key = assay_token::PublicKey::from_certificate_der(certificate)?;
            Jwk::new(&record.kid, key, record.algorithm, vec![certificate.clone()])
        };
        Ok(Jwks::new(published.iter().map(entry).collect::<Result<_, _>>()?))
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("records", &self.records).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
