//! Pure Rust, for WebAssembly; compiled in tests too, so that both backends are compared.

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p384::ecdsa::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::Scheme;
use super::rsa::{Padding, RsaKey};

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

/// A public key for one signature scheme.
#[derive(Debug)]
pub(super) struct Key {
    scheme: Scheme,
    key: AnyKey,
}

#[derive(Debug)]
enum AnyKey {
    P256(VerifyingKey),
    P384(Box<p384::ecdsa::VerifyingKey>),
    Rsa(Box<RsaKey>),
}

impl Key {
    pub(super) fn new(scheme: Scheme, key: &[u8]) -> Option<Self> {
        // Compressed points do not occur in certificates of the vendors, and the other backend takes none either.
        let point = || (key.first() == Some(&4)).then_some(key);
        let key = match scheme {
            Scheme::EcdsaP256Sha256 | Scheme::EcdsaP256Sha384 | Scheme::EcdsaP256Sha256Fixed => {
                AnyKey::P256(VerifyingKey::from_sec1_bytes(point()?).ok()?)
            }
            Scheme::EcdsaP384Sha256 | Scheme::EcdsaP384Sha384 | Scheme::EcdsaP384Sha384Fixed => {
                AnyKey::P384(Box::new(p384::ecdsa::VerifyingKey::from_sec1_bytes(point()?).ok()?))
            }
            _ => AnyKey::Rsa(Box::new(RsaKey::from_pkcs1(key)?)),
        };
        Some(Self { scheme, key })
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let hash = hash_of(self.scheme, message);
        match &self.key {
            AnyKey::P256(key) => {
                let parsed = match self.scheme {
                    Scheme::EcdsaP256Sha256Fixed => Signature::from_slice(signature),
                    _ => Signature::from_der(signature),
                };
                parsed.is_ok_and(|signature| key.verify_prehash(&hash, &signature).is_ok())
            }
            AnyKey::P384(key) => {
                let parsed = match self.scheme {
                    Scheme::EcdsaP384Sha384Fixed => p384::ecdsa::Signature::from_slice(signature),
                    _ => p384::ecdsa::Signature::from_der(signature),
                };
                parsed.is_ok_and(|signature| key.verify_prehash(&hash, &signature).is_ok())
            }
            AnyKey::Rsa(key) => key.verify(padding(self.scheme), &hash, signature),
        }
    }
}

fn padding(scheme: Scheme) -> Padding {
    match scheme {
        Scheme::RsaPkcs1Sha256 | Scheme::RsaPkcs1Sha384 | Scheme::RsaPkcs1Sha512 => Padding::Pkcs1,
        _ => Padding::Pss,
    }
}

fn hash_of(scheme: Scheme, message: &[u8]) -> Vec<u8> {
    match scheme.hash_length() {
        32 => sha256(&[message]).to_vec(),
        48 => sha384(&[message]).to_vec(),
        _ => sha512(&[message]).to_vec(),
    }
}

pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    digest::<Sha256>(parts).into()
}

pub(super) fn sha384(parts: &[&[u8]]) -> [u8; 48] {
    digest::<Sha384>(parts).into()
}

pub(super) fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    digest::<Sha512>(parts).into()
}

fn digest<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut hash = D::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize()
}
