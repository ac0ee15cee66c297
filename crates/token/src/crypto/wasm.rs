//! The backend for `wasm32`: pure Rust, ECDSA only. Its tests run natively beside the other backend.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::{Curve, Hash, KeyMaterial, Scheme};
use crate::TokenError;

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(super) fn verify(
    key: &KeyMaterial,
    scheme: Scheme,
    message: &[u8],
    signature: &[u8],
) -> Result<(), TokenError> {
    let KeyMaterial::Ec { curve, point } = key else {
        return Err(TokenError::AlgorithmUnavailable { algorithm: "RSA" });
    };
    let valid = match curve {
        Curve::P256 => p256_verify(point, scheme, message, signature),
        Curve::P384 => p384_verify(point, scheme, message, signature),
    };
    valid.ok_or(TokenError::BadSignature)
}

pub(super) fn check_point(curve: Curve, point: &[u8]) -> Result<(), TokenError> {
    let valid = match curve {
        Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
        Curve::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
    };
    if valid { Ok(()) } else { Err(TokenError::KeyMalformed { reason: "not a point on the curve" }) }
}

fn p256_verify(point: &[u8], scheme: Scheme, message: &[u8], signature: &[u8]) -> Option<()> {
    use p256::ecdsa::{Signature, VerifyingKey};
    let (signature, hash) = match scheme {
        Scheme::EcdsaFixed => (Signature::from_slice(signature).ok()?, Hash::Sha256),
        Scheme::EcdsaDer(hash) => (Signature::from_der(signature).ok()?, hash),
        Scheme::Pkcs1(_) | Scheme::PssSha256 => return None,
    };
    VerifyingKey::from_sec1_bytes(point).ok()?.verify_prehash(&digest(hash, message), &signature).ok()
}

fn p384_verify(point: &[u8], scheme: Scheme, message: &[u8], signature: &[u8]) -> Option<()> {
    use p384::ecdsa::{Signature, VerifyingKey};
    let (signature, hash) = match scheme {
        Scheme::EcdsaFixed => (Signature::from_slice(signature).ok()?, Hash::Sha384),
        Scheme::EcdsaDer(hash) => (Signature::from_der(signature).ok()?, hash),
        Scheme::Pkcs1(_) | Scheme::PssSha256 => return None,
    };
    VerifyingKey::from_sec1_bytes(point).ok()?.verify_prehash(&digest(hash, message), &signature).ok()
}

fn digest(hash: Hash, message: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Sha256 => Sha256::digest(message).to_vec(),
        Hash::Sha384 => Sha384::digest(message).to_vec(),
        Hash::Sha512 => Sha512::digest(message).to_vec(),
    }
}
