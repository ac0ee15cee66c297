//! What an endorsement says: who signed it for which feed, when, and which image of which security version.
//!
//! The older form has its claims in headers of its own and JSON as payload. The newer one (ContainerPlat 0.2.10 and later)
//! has CWT claims (RFC 9597) and the measurement itself as payload, declared as a hash (RFC 9995).
//!
//! Other readers try the newer form and fall back to the older one. Nobody here does: a message with both is refused, even if
//! they agree. No real endorsement has both, the payload can be that of one only, and two names of an issuer are an invitation
//! to readers who look at different ones.

use assay_json::Limits;
use coset::Label;
use coset::cbor::Value;
use serde_json::json;

use super::cose::Message;
use super::error::UvmError;
use super::hash::Hash;
use crate::time::UnixTime;

const SVN: &str = "x-ms-sevsnpvm-guestsvn";
const SVN_INT: &str = "x-ms-sevsnpvm-guestsvn-int";
const MEASUREMENT: &str = "x-ms-sevsnpvm-launchmeasurement";
/// Header parameter `CWT Claims` (RFC 9597, section 2).
const CWT_CLAIMS: i64 = 15;
/// Header parameters of a payload that is a hash: its algorithm, and the content type of what was hashed (RFC 9995; before
/// that draft-ietf-cose-hash-envelope).
const PAYLOAD_HASH_ALGORITHM: i64 = 258;
const PREIMAGE_CONTENT_TYPE: i64 = 259;
/// CWT claims (RFC 8392, section 4).
const CWT_ISSUER: i64 = 1;
const CWT_SUBJECT: i64 = 2;
const CWT_ISSUED_AT: i64 = 6;
/// CBOR tag of seconds since 1970 (RFC 8949, section 3.4.2).
const TAG_EPOCH: u64 = 1;
/// Microsoft's JSON has 200 bytes; reading 64 KiB of members takes 2.5 ms, and nobody has signed them yet.
const MAX_PAYLOAD_SIZE: usize = 4 * 1024;
/// The registered claims are fewer than this, and comparing each with each stays cheap.
const MAX_CLAIMS: usize = 64;

/// Who signed, and when.
pub(super) struct Claims {
    pub(super) issuer: String,
    pub(super) feed: String,
    pub(super) signed_at: Option<UnixTime>,
}

/// What is endorsed.
pub(super) struct Image {
    pub(super) svn: u64,
    pub(super) measurement: [u8; 48],
    pub(super) payload: serde_json::Value,
}

/// What could be read, and what is wrong with the rest.
pub(super) struct Content {
    pub(super) claims: Option<Claims>,
    pub(super) image: Option<Image>,
    pub(super) problems: Vec<UvmError>,
}

/// Reads the newer form if there are CWT claims, else the older one.
pub(super) fn read(message: &Message) -> Content {
    // Its absence is reported with the envelope.
    let payload = message.payload();
    let (claims, image) = match message.protected(&Label::Int(CWT_CLAIMS)) {
        Some(_) if header(message, "iss").is_some() || header(message, "feed").is_some() => {
            return Content { claims: None, image: None, problems: vec![UvmError::BothForms] };
        }
        Some(claims) => (cwt_claims(claims), payload.map(|payload| cwt_image(message, claims, payload))),
        None => (legacy_claims(message), payload.map(|payload| legacy_image(message, payload))),
    };
    let mut problems = Vec::new();
    let claims = claims.map_err(|problem| problems.push(content(problem))).ok();
    let image = image.and_then(|image| image.map_err(|problem| problems.push(content(problem))).ok());
    Content { claims, image, problems }
}

fn content(problem: impl Into<String>) -> UvmError {
    UvmError::Content { problem: problem.into() }
}

fn header<'a>(message: &'a Message, name: &str) -> Option<&'a Value> {
    message.protected(&Label::Text(name.to_owned()))
}

fn legacy_claims(message: &Message) -> Result<Claims, &'static str> {
    let signed_at = match header(message, "signingtime") {
        None => None,
        Some(Value::Tag(TAG_EPOCH, value)) => Some(seconds(value).ok_or("`signingtime` is no time")?),
        Some(_) => return Err("`signingtime` is no time"),
    };
    Ok(Claims {
        issuer: text(header(message, "iss")).ok_or("there is no `iss`")?,
        feed: text(header(message, "feed")).ok_or("there is no `feed`")?,
        signed_at,
    })
}

fn legacy_image(message: &Message, payload: &[u8]) -> Result<Image, String> {
    if message.content_type() != Some("application/json") {
        return Err("its content type is not `application/json`".to_owned());
    }
    let limits = Limits::bytes(MAX_PAYLOAD_SIZE);
    let payload = assay_json::parse(payload, &limits).map_err(|error| error.to_string())?;
    let svn = payload.get(SVN).and_then(svn).ok_or(format!("`{SVN}` is no security version"))?;
    if payload.get(SVN_INT).is_some_and(|int| int.as_u64() != Some(svn)) {
        return Err(format!("`{SVN_INT}` is not `{SVN}`"));
    }
    let mut measurement = [0; 48];
    payload
        .get(MEASUREMENT)
        .and_then(serde_json::Value::as_str)
        .and_then(|text| hex::decode_to_slice(text, &mut measurement).ok())
        .ok_or(format!("`{MEASUREMENT}` is not 48 bytes in hexadecimal"))?;
    Ok(Image { svn, measurement, payload })
}

/// A security version: a number, or its digits as a string.
fn svn(value: &serde_json::Value) -> Option<u64> {
    match value {
        serde_json::Value::String(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok()
        }
        other => other.as_u64(),
    }
}

fn cwt_claims(claims: &Value) -> Result<Claims, &'static str> {
    let claims = unique_claims(claims)?;
    let signed_at = match claim(claims, CWT_ISSUED_AT) {
        None => None,
        Some(value) => Some(seconds(value).ok_or("the CWT claim `iat` is no time")?),
    };
    Ok(Claims {
        issuer: text(claim(claims, CWT_ISSUER)).ok_or("there is no CWT claim `iss`")?,
        feed: text(claim(claims, CWT_SUBJECT)).ok_or("there is no CWT claim `sub`")?,
        signed_at,
    })
}

fn cwt_image(message: &Message, claims: &Value, payload: &[u8]) -> Result<Image, String> {
    let preimage = message.protected(&Label::Int(PREIMAGE_CONTENT_TYPE)).and_then(Value::as_text);
    if preimage != Some("application/octet-stream") {
        return Err("its preimage content type is not `application/octet-stream`".to_owned());
    }
    if let Some(algorithm) = message.protected(&Label::Int(PAYLOAD_HASH_ALGORITHM)) {
        let hash = algorithm.as_integer().and_then(|number| Hash::from_cose(number.into()));
        // The launch measurement is a SHA-384 (AMD 56860, section 8.17.2).
        if hash != Some(Hash::Sha384) {
            return Err("its payload is not a SHA-384 hash".to_owned());
        }
    }
    let measurement: [u8; 48] =
        payload.try_into().map_err(|_| "its payload is not a measurement of 48 bytes")?;
    // A map with a claim twice is refused with the claims.
    let svn = claims.as_map().and_then(|claims| {
        let svn = claims.iter().find(|(label, _)| label.as_text() == Some("svn"));
        svn.and_then(|(_, value)| u64::try_from(value.as_integer()?).ok())
    });
    let svn = svn.ok_or("there is no CWT claim `svn`")?;
    // Members as in the older form, for the readers of claims.
    let payload = json!({ SVN: svn.to_string(), MEASUREMENT: hex::encode(measurement) });
    Ok(Image { svn, measurement, payload })
}

/// Claims of a map in which each label stands once.
fn unique_claims(claims: &Value) -> Result<&[(Value, Value)], &'static str> {
    let claims = claims.as_map().ok_or("the CWT claims are not a map")?;
    if claims.len() > MAX_CLAIMS {
        return Err("there are too many CWT claims");
    }
    let repeated =
        claims.iter().enumerate().any(|(at, (label, _))| claims.iter().take(at).any(|(l, _)| l == label));
    if repeated { Err("a CWT claim stands there twice") } else { Ok(claims) }
}

fn claim(claims: &[(Value, Value)], label: i64) -> Option<&Value> {
    claims.iter().find(|(other, _)| *other == Value::from(label)).map(|(_, value)| value)
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_text).map(ToOwned::to_owned)
}

fn seconds(value: &Value) -> Option<UnixTime> {
    i64::try_from(value.as_integer()?).ok().map(UnixTime)
}
