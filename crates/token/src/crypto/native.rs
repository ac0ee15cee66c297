//! The native backend: `aws-lc-rs`.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self as lc, ParsedPublicKey, UnparsedPublicKey, VerificationAlgorithm};

use super::{Curve, Hash, KeyMaterial, Scheme};
use crate::TokenError;

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut output = [0; 32];
    // The lengths agree by definition of the algorithm.
    output.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    output
}

/// For thumbprints only, where the wire demands it; nothing rests on its strength.
pub(crate) fn sha1(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec()
}

pub(super) fn verify(
    key: &KeyMaterial,
    scheme: Scheme,
    message: &[u8],
    signature: &[u8],
) -> Result<(), TokenError> {
    let (algorithm, bytes): (&'static dyn VerificationAlgorithm, &[u8]) = match key {
        KeyMaterial::Rsa { pkcs1, .. } => (rsa(scheme)?, pkcs1),
        KeyMaterial::Ec { curve, point } => (ecdsa(*curve, scheme)?, point),
    };
    UnparsedPublicKey::new(algorithm, bytes).verify(message, signature).map_err(|_| TokenError::BadSignature)
}

pub(super) fn check_point(curve: Curve, point: &[u8]) -> Result<(), TokenError> {
    ParsedPublicKey::new(ecdsa(curve, Scheme::EcdsaFixed)?, point)
        .map(|_| ())
        .map_err(|_| TokenError::KeyMalformed { reason: "not a point on the curve" })
}

fn rsa(scheme: Scheme) -> Result<&'static lc::RsaParameters, TokenError> {
    match scheme {
        Scheme::Pkcs1(Hash::Sha256) => Ok(&lc::RSA_PKCS1_2048_8192_SHA256),
        Scheme::Pkcs1(Hash::Sha384) => Ok(&lc::RSA_PKCS1_2048_8192_SHA384),
        Scheme::Pkcs1(Hash::Sha512) => Ok(&lc::RSA_PKCS1_2048_8192_SHA512),
        Scheme::PssSha256 => Ok(&lc::RSA_PSS_2048_8192_SHA256),
        Scheme::EcdsaFixed | Scheme::EcdsaDer(_) => Err(TokenError::BadSignature),
    }
}

fn ecdsa(curve: Curve, scheme: Scheme) -> Result<&'static lc::EcdsaVerificationAlgorithm, TokenError> {
    match (curve, scheme) {
        (Curve::P256, Scheme::EcdsaFixed) => Ok(&lc::ECDSA_P256_SHA256_FIXED),
        (Curve::P384, Scheme::EcdsaFixed) => Ok(&lc::ECDSA_P384_SHA384_FIXED),
        (Curve::P256, Scheme::EcdsaDer(Hash::Sha256)) => Ok(&lc::ECDSA_P256_SHA256_ASN1),
        (Curve::P256, Scheme::EcdsaDer(Hash::Sha384)) => Ok(&lc::ECDSA_P256_SHA384_ASN1),
        (Curve::P256, Scheme::EcdsaDer(Hash::Sha512)) => Ok(&lc::ECDSA_P256_SHA512_ASN1),
        (Curve::P384, Scheme::EcdsaDer(Hash::Sha256)) => Ok(&lc::ECDSA_P384_SHA256_ASN1),
        (Curve::P384, Scheme::EcdsaDer(Hash::Sha384)) => Ok(&lc::ECDSA_P384_SHA384_ASN1),
        (Curve::P384, Scheme::EcdsaDer(Hash::Sha512)) => Ok(&lc::ECDSA_P384_SHA512_ASN1),
        (_, Scheme::Pkcs1(_) | Scheme::PssSha256) => Err(TokenError::BadSignature),
    }
}
