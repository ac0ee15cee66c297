//! Verification of tokens.

use assay_json::Limits as JsonLimits;
use serde_json::{Map, Value};

use crate::error::shown;
use crate::jws::{Jws, Limits, parse};
use crate::{Algorithm, Jwks, PublicKey, TokenError, claims};

/// What a verifier knows before it sees the token. Times are unix seconds.
#[derive(Debug, Clone, Copy)]
pub struct Expectations<'a> {
    /// The exact `iss`. `None` leaves it unchecked: then whoever signs with a key of the set is believed.
    pub issuer: Option<&'a str>,
    /// The names that the verifier goes by; the token's `aud` must have one of them. `None` leaves it unchecked
    /// (attestation tokens have no `aud`).
    pub audience: Option<&'a [&'a str]>,
    /// The header's `typ`, compared without case. `None` leaves it unchecked.
    pub token_type: Option<&'a str>,
    /// The time.
    pub now: u64,
    /// Seconds by which clocks may differ.
    pub leeway: u64,
    /// The algorithms accepted here.
    pub algorithms: &'a [Algorithm],
    /// Greatest age in seconds by `iat`, which is then required.
    pub max_age: Option<u64>,
}

impl Expectations<'_> {
    /// Everything unchecked but signature, algorithm and times, without leeway.
    #[must_use]
    pub const fn at(now: u64) -> Self {
        Self {
            issuer: None,
            audience: None,
            token_type: None,
            now,
            leeway: 0,
            algorithms: &Algorithm::ALL,
            max_age: None,
        }
    }
}

/// A token whose signature, algorithm and claims have been checked: only [`verify`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedToken {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    algorithm: Algorithm,
    kid: String,
}

/// Verifies a token against a key set and what is expected of it.
///
/// The key is the one of the set that the header's `kid` names; `jku`, `x5u`, `jwk` and `x5c` in the header are the
/// sender's own words and never followed. `exp` is required; `nbf` and `iat` are checked where present.
///
/// # Errors
/// Every failing check, in the order: text, type, algorithm, key, signature, claims. `alg: none` is always
/// [`TokenError::Unsecured`].
pub fn verify(token: &str, keys: &Jwks, expect: &Expectations<'_>) -> Result<VerifiedToken, Vec<TokenError>> {
    let limits = Limits::default();
    let jws = parse(token, &limits).map_err(|error| vec![error])?;
    let mut failures = Vec::new();
    keep(&mut failures, check_type(&jws, expect));
    let algorithm = keep(&mut failures, jws.algorithm(expect.algorithms));
    let kid = keep(&mut failures, jws.kid().map(str::to_owned).ok_or(TokenError::KidMissing));
    if let Some(kid) = &kid {
        keep(&mut failures, check_signature(&jws, keys, kid, algorithm));
    }
    let claims = keep(&mut failures, read_claims(&jws, &limits));
    if let Some(claims) = &claims {
        claims::check(claims, expect, &mut failures);
    }
    match (algorithm, kid, claims) {
        (Some(algorithm), Some(kid), Some(claims)) if failures.is_empty() => {
            let (header, _, _) = jws.into_parts();
            Ok(VerifiedToken { header, claims, algorithm, kid })
        }
        _ => Err(failures),
    }
}

impl VerifiedToken {
    /// The claims.
    #[must_use]
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// All header members. Those besides `alg`, `kid` and `typ` were covered by the signature and not interpreted.
    #[must_use]
    pub const fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The algorithm of the signature.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name of the key that signed.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

fn keep<T>(failures: &mut Vec<TokenError>, result: Result<T, TokenError>) -> Option<T> {
    result.map_err(|error| failures.push(error)).ok()
}

fn check_type(jws: &Jws<'_>, expect: &Expectations<'_>) -> Result<(), TokenError> {
    let Some(expected) = expect.token_type else { return Ok(()) };
    let actual = jws.header().get("typ").and_then(Value::as_str).unwrap_or_default();
    if actual.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(TokenError::Type { expected: shown(expected), actual: shown(actual) })
}

/// Looks the key up even where the algorithm was refused, so that both faults are reported.
fn check_signature(
    jws: &Jws<'_>,
    keys: &Jwks,
    kid: &str,
    algorithm: Option<Algorithm>,
) -> Result<(), TokenError> {
    let entry = keys.find(kid)?;
    let Some(algorithm) = algorithm else { return Ok(()) };
    let key: &PublicKey = entry.key_for(algorithm)?;
    jws.verify(key, &[algorithm]).map(|_| ())
}

fn read_claims(jws: &Jws<'_>, limits: &Limits) -> Result<Map<String, Value>, TokenError> {
    assay_json::from_slice(jws.payload(), &JsonLimits::bytes(limits.max_bytes))
        .map_err(|error| TokenError::Json { part: "payload", error })
}
