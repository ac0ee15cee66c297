//! Making a key: the pair, its certificate, its wrapped private half.

use assay_token::lifecycle::{KeyRecord, Purpose, Schedule};
use assay_token::wrap::{Binding, MasterKey, wrap};
use assay_token::{Algorithm, Signer, SoftwareKey, TokenError, key_id, self_signed_certificate};

use super::DOMAIN;

const DAY: u64 = 24 * 60 * 60;
/// Certificates say who published a key; how long it is used is the key set's affair. Azure's run until 2050.
const CERTIFICATE_LIFE: u64 = 30 * 365 * DAY;

/// A key that was just made and is not stored yet.
pub(crate) struct MadeKey {
    pub(crate) record: KeyRecord,
    pub(crate) certificate: Vec<u8>,
    pub(crate) wrapped: Vec<u8>,
}

/// Makes a key. `issuer` becomes the common name of its certificate.
pub(crate) fn make_key(
    master: &MasterKey,
    provider: &str,
    purpose: Purpose,
    algorithm: Algorithm,
    issuer: &str,
    schedule: Schedule,
    now: u64,
) -> Result<MadeKey, TokenError> {
    let key = SoftwareKey::generate(algorithm)?;
    let kid = key_id(key.public_key().spki_der());
    // A day of slack for verifiers whose clock is behind.
    let begin = now.saturating_sub(DAY);
    let certificate = self_signed_certificate(&key, issuer, begin, begin.saturating_add(CERTIFICATE_LIFE))?;
    let binding = Binding { provider, kid: &kid, purpose };
    let wrapped = wrap(master, &key.to_pkcs8()?, &binding)?;
    let record = KeyRecord::new((DOMAIN, provider, purpose), &kid, algorithm, schedule, now);
    Ok(MadeKey { record, certificate, wrapped })
}
