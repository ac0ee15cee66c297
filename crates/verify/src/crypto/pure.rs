//! Pure Rust, for WebAssembly; compiled in tests too, so that both backends are compared.

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

/// A P-256 public key that signs quotes and documents: signatures are `r || s`.
#[derive(Debug)]
pub(crate) struct P256Key(VerifyingKey);

impl P256Key {
    /// Takes the uncompressed point; `None` if it is not on the curve.
    pub(crate) fn new(point: &[u8; 65]) -> Option<Self> {
        VerifyingKey::from_sec1_bytes(point).ok().map(Self)
    }

    /// Checks `r || s` over SHA-256 of the message.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

/// A P-256 public key that signs certificates and CRLs: signatures are DER.
#[derive(Debug)]
pub(crate) struct CertificateKey(VerifyingKey);

impl CertificateKey {
    /// Takes the uncompressed point; `None` if it is not on the curve.
    pub(crate) fn new(point: &[u8; 65]) -> Option<Self> {
        VerifyingKey::from_sec1_bytes(point).ok().map(Self)
    }

    /// Checks a DER signature over SHA-256 of the message.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_der(signature).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}
