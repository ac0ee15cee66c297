//! The registered claims of RFC 7519 against what the verifier expects.

use serde_json::{Map, Value};

use crate::TokenError;
use crate::error::shown;
use crate::verify::Expectations;

const SECONDS: &str = "a whole number of seconds since 1970";

/// Adds every broken rule to `failures`.
pub(crate) fn check(claims: &Map<String, Value>, expect: &Expectations<'_>, failures: &mut Vec<TokenError>) {
    check_exp(claims, expect, failures);
    check_nbf(claims, expect, failures);
    check_iat(claims, expect, failures);
    if let Some(expected) = expect.issuer {
        check_issuer(claims, expected, failures);
    }
    if let Some(expected) = expect.audience {
        check_audience(claims, expected, failures);
    }
}

fn check_exp(claims: &Map<String, Value>, expect: &Expectations<'_>, failures: &mut Vec<TokenError>) {
    match time(claims, "exp") {
        Ok(Some(exp)) if expect.now >= exp.saturating_add(expect.leeway) => {
            failures.push(TokenError::Expired { exp, now: expect.now });
        }
        Ok(Some(_)) => {}
        // A token that never ends cannot be withdrawn.
        Ok(None) => failures.push(TokenError::ClaimMissing { name: "exp" }),
        Err(error) => failures.push(error),
    }
}

fn check_nbf(claims: &Map<String, Value>, expect: &Expectations<'_>, failures: &mut Vec<TokenError>) {
    match time(claims, "nbf") {
        Ok(Some(nbf)) if nbf > expect.now.saturating_add(expect.leeway) => {
            failures.push(TokenError::NotYetValid { nbf, now: expect.now });
        }
        Ok(_) => {}
        Err(error) => failures.push(error),
    }
}

fn check_iat(claims: &Map<String, Value>, expect: &Expectations<'_>, failures: &mut Vec<TokenError>) {
    let Expectations { now, leeway, max_age, .. } = *expect;
    match (time(claims, "iat"), max_age) {
        (Ok(Some(iat)), _) if iat > now.saturating_add(leeway) => {
            failures.push(TokenError::IssuedInFuture { iat, now });
        }
        (Ok(Some(iat)), Some(max_age)) if now > iat.saturating_add(max_age).saturating_add(leeway) => {
            failures.push(TokenError::TooOld { iat, max_age, now });
        }
        (Ok(None), Some(_)) => failures.push(TokenError::ClaimMissing { name: "iat" }),
        (Ok(_), _) => {}
        (Err(error), _) => failures.push(error),
    }
}

fn check_issuer(claims: &Map<String, Value>, expected: &str, failures: &mut Vec<TokenError>) {
    match claims.get("iss") {
        Some(Value::String(actual)) if actual == expected => {}
        Some(Value::String(actual)) => {
            failures.push(TokenError::Issuer { expected: shown(expected), actual: shown(actual) });
        }
        Some(_) => failures.push(TokenError::ClaimType { name: "iss", expected: "a string" }),
        None => failures.push(TokenError::ClaimMissing { name: "iss" }),
    }
}

/// RFC 7519 section 4.1.3: one string, or a list of them of which one must be ours.
fn check_audience(claims: &Map<String, Value>, expected: &[&str], failures: &mut Vec<TokenError>) {
    let malformed = TokenError::ClaimType { name: "aud", expected: "a string or a list of strings" };
    let actual: Option<Vec<&str>> = match claims.get("aud") {
        None => return failures.push(TokenError::ClaimMissing { name: "aud" }),
        Some(Value::String(one)) => Some(vec![one]),
        Some(Value::Array(list)) => list.iter().map(Value::as_str).collect(),
        Some(_) => None,
    };
    match actual {
        None => failures.push(malformed),
        Some(actual) if actual.iter().any(|one| expected.contains(one)) => {}
        Some(actual) => failures.push(TokenError::Audience { actual: shown(&actual.join(",")) }),
    }
}

/// RFC 7519 allows fractions; Azure's clients and we do not.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, TokenError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    value.as_u64().map(Some).ok_or(TokenError::ClaimType { name, expected: SECONDS })
}
