//! The seam to the cryptographic library: one implementation per target, the same functions in each.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(any(test, target_arch = "wasm32"))]
mod wasm;

#[cfg(not(target_arch = "wasm32"))]
use native as backend;
#[cfg(target_arch = "wasm32")]
use wasm as backend;

use crate::TokenError;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::sha1;

/// The curves that tokens and certificates use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
}

impl Curve {
    /// Size of a coordinate.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    /// The name in a JWK (RFC 7518 section 6.2.1.1).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }
}

/// A public key in the form that both libraries take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyMaterial {
    /// `RSAPublicKey` of RFC 8017 in DER, and its numbers without leading zeros.
    Rsa { pkcs1: Vec<u8>, modulus: Vec<u8>, exponent: Vec<u8> },
    /// An uncompressed point, `04 || x || y`.
    Ec { curve: Curve, point: Vec<u8> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// How a signature is made and encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// RSASSA-PKCS1-v1_5.
    Pkcs1(Hash),
    /// RSASSA-PSS with SHA-256 throughout and 32 bytes of salt.
    PssSha256,
    /// ECDSA with the hash of the curve's size, as `r || s` (JWS).
    EcdsaFixed,
    /// ECDSA as a DER sequence (X.509).
    EcdsaDer(Hash),
}

/// SHA-256 of the bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    backend::sha256(bytes)
}

/// `BadSignature` unless `signature` is one of `key` over `message`; also for a scheme of another key type, which
/// callers rule out before.
pub(crate) fn verify(
    key: &KeyMaterial,
    scheme: Scheme,
    message: &[u8],
    signature: &[u8],
) -> Result<(), TokenError> {
    backend::verify(key, scheme, message, signature)
}

/// Refuses encodings that are not of a point on the curve.
pub(crate) fn check_point(curve: Curve, point: &[u8]) -> Result<(), TokenError> {
    backend::check_point(curve, point)
}

#[cfg(test)]
mod tests;
