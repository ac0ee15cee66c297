//! Policy documents as Microsoft's SDKs make and sign them (Azure Attestation REST API reference, "Policy - Set").
//!
//! Their headers cannot be taken at their word: Python writes `"alg": "RSA256"`, which does not exist, and puts the
//! certificate into `jwk`; others use `x5c`. So the certificate is taken from where it stands, and the algorithm
//! follows from the type of its key.

use serde_json::{Map, Value};

use crate::certificate::{Certificate, find_trusted};
use crate::jwk::{certificates_from_jwk, decode_x5c, x5c};
use crate::jws::{Limits, parse_lenient};
use crate::{Algorithm, PublicKey, TokenError, base64url, sha256};

/// A policy document or management request, taken apart and not verified.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyJws {
    raw: String,
    header: Map<String, Value>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    /// DER, leaf first.
    chain: Option<Vec<Vec<u8>>>,
}

/// Proof that the signature over a document verifies with the key of this certificate: only
/// [`PolicyJws::verify_signature`] makes one. It does not say that anybody trusts the signer; ask
/// [`VerifiedSignature::signed_by`].
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedSignature {
    chain: Vec<Vec<u8>>,
    key: PublicKey,
    algorithm: Algorithm,
    subject: String,
}

/// Takes a document apart. Padded base64 is accepted; an empty payload is one (that is how a reset is asked for).
///
/// # Errors
/// As [`crate::parse`]; [`TokenError::UnsecuredWithSignature`], [`TokenError::SignatureMissing`], and
/// [`TokenError::SignerMismatch`] if `x5c` and `jwk` name different signers.
pub fn open_policy_jws(raw: &str, limits: &Limits) -> Result<PolicyJws, TokenError> {
    let jws = parse_lenient(raw, limits)?;
    let unsecured = jws.algorithm_name() == "none";
    match (unsecured, jws.signature().is_empty()) {
        (true, false) => return Err(TokenError::UnsecuredWithSignature),
        (false, true) => return Err(TokenError::SignatureMissing),
        (true, true) | (false, false) => {}
    }
    let (header, payload, signature) = jws.into_parts();
    let chain = if unsecured { None } else { chain(&header)? };
    Ok(PolicyJws { raw: raw.to_owned(), header, payload, signature, chain })
}

impl PolicyJws {
    /// Whether the document is unsigned (`alg: none`).
    #[must_use]
    pub const fn is_unsecured(&self) -> bool {
        self.signature.is_empty()
    }

    /// The text as received.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// All header members.
    #[must_use]
    pub const fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The decoded payload, empty for a reset.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signer's certificates as the header gives them, DER, leaf first.
    #[must_use]
    pub fn certificates(&self) -> Option<&[Vec<u8>]> {
        self.chain.as_deref()
    }

    /// `x-ms-policy-token-hash`: base64url of SHA-256 over the text as received.
    #[must_use]
    pub fn token_hash(&self) -> String {
        base64url::encode(&sha256(self.raw.as_bytes()))
    }

    /// Verifies the signature with the key of the first certificate.
    ///
    /// # Errors
    /// [`TokenError::Unsecured`], [`TokenError::CertificateMissing`], [`TokenError::AlgorithmMismatch`] if `alg` is
    /// not one that this type of key goes by, [`TokenError::BadSignature`], and whatever the certificate is refused
    /// for.
    pub fn verify_signature(&self) -> Result<VerifiedSignature, TokenError> {
        if self.is_unsecured() {
            return Err(TokenError::Unsecured);
        }
        let chain = self.chain.as_ref().ok_or(TokenError::CertificateMissing)?;
        let leaf = Certificate::parse(chain.first().ok_or(TokenError::CertificateMissing)?)?;
        let key = leaf.key().clone();
        self.check_jwk(&key)?;
        let algorithm = self.algorithm(&key)?;
        let (message, _) = self.raw.rsplit_once('.').unwrap_or_default();
        key.verify(algorithm, message.as_bytes(), &self.signature)?;
        Ok(VerifiedSignature { chain: chain.clone(), key, algorithm, subject: leaf.subject() })
    }

    /// The header's `jwk`, if there is one, may not name another key than the certificate.
    fn check_jwk(&self, key: &PublicKey) -> Result<(), TokenError> {
        match self.header.get("jwk") {
            Some(jwk) if PublicKey::from_jwk(jwk)? != *key => Err(TokenError::SignerMismatch),
            _ => Ok(()),
        }
    }

    /// By the type of the key; the header may only choose between the two ways of RSA.
    fn algorithm(&self, key: &PublicKey) -> Result<Algorithm, TokenError> {
        let name = self.header.get("alg").and_then(Value::as_str).unwrap_or_default();
        // The name that Microsoft's Python SDK and documentation use.
        let standard = if name == "RSA256" { "RS256" } else { name };
        let named = key.algorithms().iter().find(|algorithm| algorithm.as_str() == standard);
        named.copied().ok_or_else(|| key.mismatch(name))
    }
}

impl VerifiedSignature {
    /// The certificate of the key that signed, DER.
    #[must_use]
    pub fn leaf_der(&self) -> &[u8] {
        self.chain.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// All certificates of the header, DER, leaf first. Only the first has been used so far.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The key that signed.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The algorithm that verified.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Subject of the signer's certificate, for people.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The signer as a JWK with `kty` and `x5c`: `x-ms-policy-signer` of attestation tokens.
    #[must_use]
    pub fn signer_jwk(&self) -> Value {
        let mut members = self.key.jwk_members();
        members.retain(|name, _| name == "kty");
        members.insert("x5c".into(), x5c(&self.chain));
        Value::Object(members)
    }

    /// The certificate of the trusted set (DER each) that vouches for the signer at the time `now`.
    ///
    /// That is the signer's own certificate, equal byte for byte, whose dates are then not checked: it was pinned by
    /// hand, and the documentation does not say that it ceases to count. Or it is a certificate with `CA:TRUE` to
    /// which the header's chain leads, at most 6 certificates, every one of them valid at `now`.
    ///
    /// # Errors
    /// [`TokenError::SignerNotTrusted`] if nothing leads there; for a chain that does but breaks a rule
    /// [`TokenError::CertificateExpired`], [`TokenError::CertificateNotYetValid`], [`TokenError::NotAnIssuer`],
    /// [`TokenError::KeyUsage`] or [`TokenError::CriticalExtension`].
    pub fn signed_by<'t>(&self, trusted: &'t [Vec<u8>], now: u64) -> Result<&'t [u8], TokenError> {
        find_trusted(&self.chain, trusted, now)
    }
}

/// The certificates in `x5c` or in `jwk.x5c`; if both are there, with the same leaf.
fn chain(header: &Map<String, Value>) -> Result<Option<Vec<Vec<u8>>>, TokenError> {
    let direct = decode_x5c(header.get("x5c"))?;
    let inner = header.get("jwk").map_or_else(|| Ok(Vec::new()), certificates_from_jwk)?;
    match (direct.first(), inner.first()) {
        (Some(one), Some(other)) if one != other => Err(TokenError::SignerMismatch),
        (Some(_), _) => Ok(Some(direct)),
        (None, Some(_)) => Ok(Some(inner)),
        (None, None) => Ok(None),
    }
}
