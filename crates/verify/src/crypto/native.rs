//! `aws-lc-rs`.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ParsedPublicKey};

/// A P-256 public key that signs quotes and documents: signatures are `r || s`.
#[derive(Debug)]
pub(crate) struct P256Key(ParsedPublicKey);

impl P256Key {
    /// Takes the uncompressed point; `None` if it is not on the curve.
    pub(crate) fn new(point: &[u8; 65]) -> Option<Self> {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok().map(Self)
    }

    /// Checks `r || s` over SHA-256 of the message.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

/// A P-256 public key that signs certificates and CRLs: signatures are DER.
#[derive(Debug)]
pub(crate) struct CertificateKey(ParsedPublicKey);

impl CertificateKey {
    /// Takes the uncompressed point; `None` if it is not on the curve.
    pub(crate) fn new(point: &[u8; 65]) -> Option<Self> {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).ok().map(Self)
    }

    /// Checks a DER signature over SHA-256 of the message.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
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
