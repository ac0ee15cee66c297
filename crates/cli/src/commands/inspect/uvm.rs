//! Endorsements of utility VM images: COSE_Sign1 messages, with their claims in either of the two published forms.

use assay_token::base64url;
use assay_verify::UnixTime;
use assay_verify::uvm::{self, MAX_ENDORSEMENT_SIZE};
use coset::cbor::Value;
use coset::iana::EnumI64;
use coset::{ContentType, Header, Label, RegisteredLabelWithPrivate};
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{Decode, Reader, SliceReader};

use super::certificate;
use crate::document::Node;

/// COSE header parameters: the chain (RFC 9360), CWT claims (RFC 9597), the standard's time-stamp (RFC 9921).
const X5CHAIN: Label = Label::Int(33);
const CWT_CLAIMS: Label = Label::Int(15);
const RFC3161_CTT: Label = Label::Int(270);
/// CWT claims (RFC 8392, section 4): issuer, subject, issued at.
const CWT_NAMES: [(i64, &str); 3] = [(1, "issuer"), (2, "feed"), (6, "signed_at")];
/// The older form's own headers.
const LEGACY_NAMES: [(&str, &str); 3] = [("iss", "issuer"), ("feed", "feed"), ("signingtime", "signed_at")];
/// SHA-384: a payload that is the launch measurement itself.
const MEASUREMENT_SIZE: usize = 48;

/// A message, or base64 of one as clouds hand it out.
pub(super) fn endorsement(bytes: &[u8]) -> Result<Node, String> {
    let text = std::str::from_utf8(bytes).ok().and_then(|text| base64url::decode_lenient(text.trim()).ok());
    message(text.as_deref().unwrap_or(bytes))
}

/// A message inside of other evidence; one that cannot be read is shown as it is.
pub(super) fn shown(bytes: &[u8]) -> Node {
    message(bytes).unwrap_or_else(|problem| {
        Node::section([("problem", Node::from(problem)), ("data", Node::hex(bytes))])
    })
}

fn message(bytes: &[u8]) -> Result<Node, String> {
    // By the verifier's own reader, which bounds what hostile bytes can cost.
    let message = uvm::open(bytes).map_err(|error| error.to_string())?;
    let protected = &message.protected.header;
    let node = Node::section([
        ("kind", Node::from("uvm")),
        ("verified", Node::from(false)),
        ("size", Node::from(bytes.len())),
        ("algorithm", Node::from(algorithm(protected))),
        ("content_type", Node::from(content_type(protected))),
    ]);
    let node = claims(node, protected);
    let payload = message.payload.as_deref().unwrap_or_default();
    let stamp = [Label::Text("timestamp".to_owned()), RFC3161_CTT];
    let stamp = stamp.iter().find_map(|label| find(&message.unprotected, label)?.as_bytes());
    Ok(node
        .with("payload", shown_payload(payload))
        .with("time_stamp", stamp.map_or(Node::Scalar(serde_json::Value::Null), |token| time_stamp(token)))
        .with("certificates", Node::List(certificates(find(protected, &X5CHAIN))))
        .with("signature", Node::hex(&message.signature)))
}

/// Issuer, feed, security version and time, from where the form has them.
fn claims(node: Node, protected: &Header) -> Node {
    let Some(claims) = find(protected, &CWT_CLAIMS).and_then(Value::as_map) else {
        let of = |(label, name)| Some((name, find(protected, &Label::Text(String::from(label)))?));
        return LEGACY_NAMES
            .into_iter()
            .filter_map(of)
            .fold(node, |node, (name, value)| node.with(name, scalar(value)));
    };
    let named = |label: &Value| match (label.as_integer(), label.as_text()) {
        (Some(number), _) => {
            CWT_NAMES.iter().find(|(known, _)| i128::from(*known) == number.into()).map(|(_, name)| *name)
        }
        (None, Some("svn")) => Some("svn"),
        _ => None,
    };
    let known = claims.iter().filter_map(|(label, value)| Some((named(label)?, value)));
    known.fold(node, |node, (name, value)| match (name, number(value)) {
        ("signed_at", Some(seconds)) => node.with(name, UnixTime(seconds).to_string()),
        _ => node.with(name, scalar(value)),
    })
}

fn find<'a>(header: &'a Header, label: &Label) -> Option<&'a Value> {
    header.rest.iter().find(|(other, _)| other == label).map(|(_, value)| value)
}

fn algorithm(header: &Header) -> String {
    match &header.alg {
        Some(RegisteredLabelWithPrivate::Assigned(known)) => format!("{known:?} ({})", known.to_i64()),
        Some(RegisteredLabelWithPrivate::PrivateUse(number)) => number.to_string(),
        Some(RegisteredLabelWithPrivate::Text(name)) => name.clone(),
        None => "none".to_owned(),
    }
}

fn content_type(header: &Header) -> String {
    match &header.content_type {
        Some(ContentType::Text(text)) => text.clone(),
        Some(ContentType::Assigned(known)) => known.to_i64().to_string(),
        None => "none".to_owned(),
    }
}

fn number(value: &Value) -> Option<i64> {
    i64::try_from(value.as_integer()?).ok()
}

/// A text, a number, or a time (CBOR tag 1: seconds since 1970).
fn scalar(value: &Value) -> Node {
    match value {
        Value::Text(text) => Node::from(text.as_str()),
        Value::Integer(_) => number(value).map_or(Node::Scalar(serde_json::Value::Null), Node::from),
        Value::Bytes(bytes) => Node::hex(bytes),
        Value::Tag(1, inner) => match number(inner) {
            Some(seconds) => Node::from(UnixTime(seconds).to_string()),
            None => Node::from("unreadable"),
        },
        _ => Node::from("unreadable"),
    }
}

/// JSON, or the measurement itself.
fn shown_payload(payload: &[u8]) -> Node {
    let limits = assay_json::Limits::bytes(MAX_ENDORSEMENT_SIZE);
    if assay_json::check(payload, &limits).is_ok()
        && let Ok(json) = serde_json::from_slice(payload)
    {
        return json;
    }
    match payload.len() {
        MEASUREMENT_SIZE => Node::section([("measurement", Node::hex(payload))]),
        _ => Node::hex(payload),
    }
}

fn certificates(chain: Option<&Value>) -> Vec<Node> {
    match chain {
        Some(Value::Bytes(der)) => vec![certificate::one(der)],
        Some(Value::Array(chain)) => {
            chain.iter().filter_map(Value::as_bytes).map(|der| certificate::one(der)).collect()
        }
        _ => Vec::new(),
    }
}

/// A time-stamp token: what its authority says of the time, in the words of the token.
fn time_stamp(token: &[u8]) -> Node {
    let time = time_of(token).and_then(|time| String::from_utf8(time).ok());
    let node = Node::section([("size", Node::from(token.len()))]);
    node.with("time", time.map_or(Node::Scalar(serde_json::Value::Null), Node::from))
        .with("sha256", Node::hex(assay_token::sha256(token)))
}

/// `genTime` in the token's `TSTInfo` (RFC 3161, section 2.4.2), inside of `SignedData` (RFC 5652, section 5.1). Real ones
/// have fractions of seconds, so it stays text.
fn time_of(token: &[u8]) -> Option<Vec<u8>> {
    let content_info = members(AnyRef::from_der(token).ok()?.value())?;
    let signed_data = members(members(content_info.get(1)?.value())?.first()?.value())?;
    let encapsulated = members(signed_data.get(2)?.value())?;
    let content = members(encapsulated.get(1)?.value())?.first()?.value();
    let information = members(AnyRef::from_der(content).ok()?.value())?;
    Some(information.get(4)?.value().to_vec())
}

/// What a constructed value holds.
fn members(content: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(content).ok()?;
    let mut members = Vec::new();
    while !reader.is_finished() {
        members.push(AnyRef::decode(&mut reader).ok()?);
    }
    Some(members)
}
