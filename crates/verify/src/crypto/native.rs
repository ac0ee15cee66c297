//! `aws-lc-rs`.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ParsedPublicKey, UnparsedPublicKey,
};

/// A P-256 public key, known to be a point on the curve.
#[derive(Debug)]
pub(crate) struct P256Key {
    parsed: ParsedPublicKey,
    point: [u8; 65],
}

impl P256Key {
    /// Takes the uncompressed point; `None` if it is not on the curve.
    pub(crate) fn new(point: &[u8; 65]) -> Option<Self> {
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?;
        Some(Self { parsed, point: *point })
    }

    /// Checks `r || s` over SHA-256 of the message.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }

    /// Checks a DER signature, as certificates and CRLs carry it.
    pub(crate) fn verify_der(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point).verify(message, signature).is_ok()
    }
}

pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let digest = context.finish();
    let mut out = [0; 32];
    // The digest of SHA-256 is 32 bytes by definition; `zip` states it without a panic.
    out.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    out
}
