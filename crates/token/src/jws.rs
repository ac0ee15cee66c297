//! The compact serialization of RFC 7515, taken apart and not yet judged.

use assay_json::Limits as JsonLimits;
use serde_json::{Map, Value};

use crate::error::shown;
use crate::{Algorithm, PublicKey, TokenError, base64url};

/// What one JWS may cost its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the whole text. Azure's tokens have 3 to 10 kB; one that repeats the events of a measured boot
    /// a few hundred.
    pub max_bytes: usize,
    /// Most bytes of the decoded header. A chain of 6 certificates of 5.5 kB in base64 fits.
    pub max_header_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 1 << 20, max_header_bytes: 1 << 16 }
    }
}

/// A JWS in its parts. Nothing in it has been verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Jws<'a> {
    signing_input: &'a str,
    header: Map<String, Value>,
    algorithm: String,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// Takes a token apart: three parts of unpadded base64url, a header without duplicate keys. Payload and signature
/// may be empty.
///
/// # Errors
/// [`TokenError::TooLarge`], [`TokenError::PartCount`], [`TokenError::Base64`], [`TokenError::Json`],
/// [`TokenError::HeaderMember`], and [`TokenError::HeaderUnsupported`] for `crit` and for `b64` other than `true`.
pub fn parse<'a>(text: &'a str, limits: &Limits) -> Result<Jws<'a>, TokenError> {
    parse_with(text, limits, base64url::decode_strict)
}

/// As [`parse`], but each part may be padded or in the standard alphabet, as uploaded policies sometimes are.
///
/// # Errors
/// As [`parse`].
pub fn parse_lenient<'a>(text: &'a str, limits: &Limits) -> Result<Jws<'a>, TokenError> {
    parse_with(text, limits, base64url::decode_lenient)
}

fn parse_with<'a>(
    text: &'a str,
    limits: &Limits,
    decode: impl Fn(&str) -> Result<Vec<u8>, TokenError>,
) -> Result<Jws<'a>, TokenError> {
    if text.len() > limits.max_bytes {
        return Err(TokenError::TooLarge { part: "token", limit: limits.max_bytes });
    }
    let parts: Vec<_> = text.split('.').take(5).collect();
    let [header, payload, signature] = *parts.as_slice() else {
        return Err(TokenError::PartCount { found: parts.len() });
    };
    let header = decode(header).map_err(base64url::named("header"))?;
    let header = parse_header(&header, limits)?;
    let algorithm = header.get("alg").and_then(Value::as_str).map(str::to_owned);
    Ok(Jws {
        signing_input: text.rsplit_once('.').map(|(input, _)| input).unwrap_or_default(),
        algorithm: algorithm.ok_or(TokenError::HeaderMember { name: "alg" })?,
        payload: decode(payload).map_err(base64url::named("payload"))?,
        signature: decode(signature).map_err(base64url::named("signature"))?,
        header,
    })
}

fn parse_header(header: &[u8], limits: &Limits) -> Result<Map<String, Value>, TokenError> {
    if header.len() > limits.max_header_bytes {
        return Err(TokenError::TooLarge { part: "header", limit: limits.max_header_bytes });
    }
    let header: Map<String, Value> =
        assay_json::from_slice(header, &JsonLimits::bytes(limits.max_header_bytes))
            .map_err(|error| TokenError::Json { part: "header", error })?;
    for name in ["kid", "typ"] {
        if header.get(name).is_some_and(|member| !member.is_string()) {
            return Err(TokenError::HeaderMember { name });
        }
    }
    // Whoever sends `crit` demands that its members are understood; we understand none (RFC 7515 section 4.1.11).
    if header.contains_key("crit") {
        return Err(TokenError::HeaderUnsupported { name: "crit" });
    }
    // RFC 7797: an unencoded payload. Without `crit` it is not even allowed.
    if header.get("b64").is_some_and(|member| *member != Value::Bool(true)) {
        return Err(TokenError::HeaderUnsupported { name: "b64" });
    }
    Ok(header)
}

impl Jws<'_> {
    /// The bytes that the signature covers, as received.
    #[must_use]
    pub const fn signing_input(&self) -> &str {
        self.signing_input
    }

    /// All header members.
    #[must_use]
    pub const fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The header's `alg` as it stands there, `none` included.
    #[must_use]
    pub fn algorithm_name(&self) -> &str {
        &self.algorithm
    }

    /// The header's `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// The decoded payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The decoded signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The algorithm, if it is among those allowed.
    ///
    /// # Errors
    /// [`TokenError::Unsecured`] for `none`, else [`TokenError::AlgorithmNotAllowed`].
    pub fn algorithm(&self, allowed: &[Algorithm]) -> Result<Algorithm, TokenError> {
        let algorithm: Algorithm = self.algorithm.parse()?;
        if allowed.contains(&algorithm) {
            Ok(algorithm)
        } else {
            Err(TokenError::AlgorithmNotAllowed { algorithm: shown(&self.algorithm) })
        }
    }

    /// Verifies the signature with a key that the caller chose by other means than this text, and says with which
    /// algorithm. Claims are not looked at.
    ///
    /// # Errors
    /// As [`Jws::algorithm`] and [`PublicKey::verify`]; [`TokenError::SignatureMissing`].
    pub fn verify(&self, key: &PublicKey, allowed: &[Algorithm]) -> Result<Algorithm, TokenError> {
        let algorithm = self.algorithm(allowed)?;
        if self.signature.is_empty() {
            return Err(TokenError::SignatureMissing);
        }
        key.verify(algorithm, self.signing_input.as_bytes(), &self.signature)?;
        Ok(algorithm)
    }

    pub(crate) fn into_parts(self) -> (Map<String, Value>, Vec<u8>, Vec<u8>) {
        (self.header, self.payload, self.signature)
    }
}
