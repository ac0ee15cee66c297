//! The key that signs bundles, and the key that an importer pins.

use std::path::Path;

use assay_token::{Algorithm, PublicKey, Signer, SoftwareKey, base64url, sha256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::SignedBundleError;
use crate::files;

/// A private key as PEM has under 400 bytes, a JWK under 300; certificates may stand beside them.
const MAX_KEY_FILE: u64 = 64 * 1024;
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Es256, Algorithm::Es384];

/// The one key whose bundles are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedSigner {
    key: PublicKey,
    name: String,
}

impl PinnedSigner {
    /// Reads a JWK (RFC 7517).
    ///
    /// # Errors
    /// [`SignedBundleError::Key`] or [`SignedBundleError::KeyType`]; a private key is refused, as it has no business here.
    pub fn from_jwk(text: &[u8]) -> Result<Self, SignedBundleError> {
        let limits = assay_json::Limits::bytes(usize::try_from(MAX_KEY_FILE).unwrap_or(usize::MAX));
        let jwk: Map<String, Value> = assay_json::from_slice(text, &limits)
            .map_err(|error| unusable(format!("it is no JWK: {error}")))?;
        if jwk.contains_key("d") {
            return Err(unusable("it is a private key; pin the public one"));
        }
        if jwk.get("use").is_some_and(|purpose| purpose != "sig") {
            return Err(unusable("it is not for signatures"));
        }
        let key = PublicKey::from_jwk(&Value::Object(jwk)).map_err(|error| unusable(error.to_string()))?;
        check_type(&key)?;
        Ok(Self { name: thumbprint(&key), key })
    }

    /// Reads a JWK file.
    ///
    /// # Errors
    /// As [`Self::from_jwk`], and [`SignedBundleError::File`].
    pub fn read(path: &Path) -> Result<Self, SignedBundleError> {
        Self::from_jwk(&files::read(path, MAX_KEY_FILE)?)
    }

    /// The thumbprint of the key: what people compare.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// The thumbprint of a key (RFC 7638): base64url of SHA-256 over its required members.
#[must_use]
pub fn thumbprint(key: &PublicKey) -> String {
    let members = assay_json::to_canonical(&Value::Object(key.jwk_members()));
    base64url::encode(&sha256(members.as_bytes()))
}

/// The public half as the JWK that importers pin.
#[must_use]
pub fn public_jwk(key: &PublicKey) -> String {
    let mut members = key.jwk_members();
    members.insert("kid".into(), thumbprint(key).into());
    members.insert("use".into(), "sig".into());
    assay_json::to_canonical(&Value::Object(members))
}

/// Reads a private key: PKCS #8, PEM, which only its owner may read.
///
/// # Errors
/// [`SignedBundleError::File`], [`SignedBundleError::Key`] or [`SignedBundleError::KeyType`].
pub fn read_key(path: &Path) -> Result<SoftwareKey, SignedBundleError> {
    let text = Zeroizing::new(files::read_private(path, MAX_KEY_FILE)?);
    let der = PrivatePkcs8KeyDer::from_pem_slice(&text)
        .map_err(|_| unusable("it is no private key in PKCS #8 as PEM"))?;
    let keys = ALGORITHMS.into_iter();
    let mut keys =
        keys.filter_map(|algorithm| SoftwareKey::from_pkcs8(algorithm, der.secret_pkcs8_der()).ok());
    keys.next().ok_or(SignedBundleError::KeyType)
}

/// Makes a key of P-256 and writes it for its owner alone. A file that is there is never written over.
///
/// # Errors
/// [`SignedBundleError::File`], or [`SignedBundleError::Key`] if there is no randomness.
pub fn write_key(path: &Path) -> Result<PublicKey, SignedBundleError> {
    let failed = |error: assay_token::TokenError| unusable(error.to_string());
    let key = SoftwareKey::generate(Algorithm::Es256).map_err(failed)?;
    let pem = pem(&key.to_pkcs8().map_err(failed)?);
    files::create_private(path, pem.as_bytes())?;
    Ok(key.public_key().clone())
}

fn pem(der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(String::from("-----BEGIN PRIVATE KEY-----\n"));
    for (column, character) in body.chars().enumerate() {
        if column > 0 && column.is_multiple_of(64) {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    text
}

pub(super) fn check_type(key: &PublicKey) -> Result<(), SignedBundleError> {
    let fits = key.algorithms().iter().all(|algorithm| ALGORITHMS.contains(algorithm));
    if fits { Ok(()) } else { Err(SignedBundleError::KeyType) }
}

fn unusable(problem: impl Into<String>) -> SignedBundleError {
    SignedBundleError::Key { problem: problem.into() }
}
