//! `aws-lc-rs`.

use aws_lc_rs::digest::{Algorithm, Context, SHA256, SHA384, SHA512};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
};

use super::Scheme;

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

/// A public key for one signature scheme.
#[derive(Debug)]
pub(super) struct Key(ParsedPublicKey);

impl Key {
    pub(super) fn new(scheme: Scheme, key: &[u8]) -> Option<Self> {
        ParsedPublicKey::new(algorithm(scheme), key).ok().map(Self)
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

fn algorithm(scheme: Scheme) -> &'static dyn VerificationAlgorithm {
    match scheme {
        Scheme::EcdsaP256Sha256 => &ECDSA_P256_SHA256_ASN1,
        Scheme::EcdsaP256Sha384 => &ECDSA_P256_SHA384_ASN1,
        Scheme::EcdsaP384Sha256 => &ECDSA_P384_SHA256_ASN1,
        Scheme::EcdsaP384Sha384 => &ECDSA_P384_SHA384_ASN1,
        Scheme::EcdsaP256Sha256Fixed => &ECDSA_P256_SHA256_FIXED,
        Scheme::EcdsaP384Sha384Fixed => &ECDSA_P384_SHA384_FIXED,
        Scheme::RsaPkcs1Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Scheme::RsaPkcs1Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        Scheme::RsaPkcs1Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        // The salt is as long as the hash: neither shorter nor longer ones verify.
        Scheme::RsaPssSha256 => &RSA_PSS_2048_8192_SHA256,
        Scheme::RsaPssSha384 => &RSA_PSS_2048_8192_SHA384,
        Scheme::RsaPssSha512 => &RSA_PSS_2048_8192_SHA512,
    }
}

pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    digest(&SHA256, parts)
}

pub(super) fn sha384(parts: &[&[u8]]) -> [u8; 48] {
    digest(&SHA384, parts)
}

pub(super) fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    digest(&SHA512, parts)
}

fn digest<const N: usize>(algorithm: &'static Algorithm, parts: &[&[u8]]) -> [u8; N] {
    let mut context = Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    let digest = context.finish();
    let mut out = [0; N];
    // The digest is N bytes by definition; `zip` states it without a panic.
    out.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    out
}
