//! What is believed without proof, and the type that says something was proved.

use std::ops::Deref;

use crate::crypto::sha256;
use crate::intel::{INTEL_SGX_ROOT_CERTIFICATES, INTEL_SGX_ROOT_KEY};
use crate::time::UnixTime;
use crate::x509::P256Certificate;

/// Who vouches for a trust anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnchorOrigin {
    /// The hardware vendor; built in.
    Vendor,
    /// The operator of this service configured it.
    Operator,
    /// Simulated silicon; only ever trusted in development.
    Simulated,
}

impl AnchorOrigin {
    /// The name used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vendor => "vendor",
            Self::Operator => "operator",
            Self::Simulated => "simulated",
        }
    }
}

/// The root keys that verification may end at.
///
/// Roots are pinned by public key: Intel re-issued its root certificate with the same key, and certificates that carry
/// Intel's name and another key exist.
#[derive(Clone, Debug)]
pub struct TrustAnchors {
    intel: Vec<([u8; 65], AnchorOrigin)>,
    /// SHA-256 of root certificates whose exact bytes are known, so that their own signature says nothing new.
    intel_certificates: Vec<[u8; 32]>,
    id: [u8; 32],
}

impl TrustAnchors {
    /// The vendors' own roots and nothing else.
    #[must_use]
    pub fn vendor() -> Self {
        Self::of(vec![(INTEL_SGX_ROOT_KEY, AnchorOrigin::Vendor)], INTEL_SGX_ROOT_CERTIFICATES.to_vec())
    }

    /// Adds an Intel-style root by its uncompressed P-256 public key.
    #[must_use]
    pub fn with_intel_root(mut self, public_key: [u8; 65], origin: AnchorOrigin) -> Self {
        self.intel.push((public_key, origin));
        Self::of(self.intel, self.intel_certificates)
    }

    /// Adds an Intel-style root by its certificate, DER: its key is believed, and these bytes for what they say.
    ///
    /// # Errors
    /// What is wrong with the certificate.
    pub fn with_intel_root_certificate(
        mut self,
        der: &[u8],
        origin: AnchorOrigin,
    ) -> Result<Self, &'static str> {
        self.intel.push((P256Certificate::parse(der)?.public_key, origin));
        self.intel_certificates.push(sha256(&[der]));
        Ok(Self::of(self.intel, self.intel_certificates))
    }

    /// Names this set of anchors; part of every cache key.
    #[must_use]
    pub const fn id(&self) -> &[u8; 32] {
        &self.id
    }

    pub(crate) fn intel_origin(&self, public_key: &[u8; 65]) -> Option<AnchorOrigin> {
        self.intel.iter().find(|(key, _)| key == public_key).map(|(_, origin)| *origin)
    }

    pub(crate) fn has_intel_certificate(&self, der: &[u8]) -> bool {
        self.intel_certificates.contains(&sha256(&[der]))
    }

    fn of(intel: Vec<([u8; 65], AnchorOrigin)>, intel_certificates: Vec<[u8; 32]>) -> Self {
        let keys = intel.iter().flat_map(|(key, origin)| [&key[..], origin.as_str().as_bytes()]);
        let parts: Vec<&[u8]> = keys.chain(intel_certificates.iter().map(|hash| &hash[..])).collect();
        let id = sha256(&parts);
        Self { intel, intel_certificates, id }
    }
}

/// A value that passed verification. The only way to get one is the check itself.
#[derive(Clone, Debug)]
pub struct Verified<T> {
    value: T,
    origin: AnchorOrigin,
    at: UnixTime,
}

impl<T> Verified<T> {
    /// Only verifiers in this crate call this, after their last check.
    pub(crate) const fn new(value: T, origin: AnchorOrigin, at: UnixTime) -> Self {
        Self { value, origin, at }
    }

    /// The least trustworthy origin among the anchors that verification ended at.
    #[must_use]
    pub const fn origin(&self) -> AnchorOrigin {
        self.origin
    }

    /// The time verification was made for.
    #[must_use]
    pub const fn at(&self) -> UnixTime {
        self.at
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
