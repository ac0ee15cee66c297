//! Tokens and policy documents: header and payload of a JWS. The signature is not looked at.

use assay_token::{Jws, Limits, base64url, parse_lenient};
use assay_verify::UnixTime;
use serde_json::Value;

use crate::document::Node;

/// Claims that are points in time (RFC 7519 section 4.1).
const TIMES: [(&str, &str); 3] = [("iat", "issued"), ("nbf", "not_before"), ("exp", "expires")];

/// A JWS in compact form.
pub(super) fn decode(text: &str) -> Result<Node, String> {
    let jws = parse_lenient(text, &Limits::default()).map_err(|error| error.to_string())?;
    let payload = json_payload(&jws);
    let node = Node::section([
        ("kind", Node::from("token")),
        ("verified", Node::from(false)),
        ("signed", Node::from(!jws.signature().is_empty())),
        ("header", Node::from(Value::Object(jws.header().clone()))),
    ]);
    let Some(claims) = payload else {
        return Ok(node
            .with("payload", Node::hex(jws.payload()))
            .with("signature", Node::hex(jws.signature())));
    };
    let times = times(&claims);
    let policy = policy_text(&claims);
    let mut node = node.with("claims", claims);
    if let Some(times) = times {
        node = node.with("times", times);
    }
    if let Some(policy) = policy {
        node = node.with("policy", policy);
    }
    Ok(node.with("signature", Node::hex(jws.signature())))
}

fn json_payload(jws: &Jws<'_>) -> Option<Value> {
    let limits = assay_json::Limits::bytes(Limits::default().max_bytes);
    assay_json::parse(jws.payload(), &limits).ok()
}

fn times(claims: &Value) -> Option<Node> {
    let time = |(claim, name): (&str, &str)| {
        let seconds = claims.get(claim)?.as_i64()?;
        Some((name.to_owned(), Node::from(UnixTime(seconds).to_string())))
    };
    let times: Vec<_> = TIMES.into_iter().filter_map(time).collect();
    (!times.is_empty()).then_some(Node::Section(times))
}

/// The text in a policy document (Azure Attestation, "Set policy").
fn policy_text(claims: &Value) -> Option<Node> {
    let encoded = claims.get("AttestationPolicy")?.as_str()?;
    let text = base64url::decode_lenient(encoded).ok()?;
    Some(Node::from(String::from_utf8(text).ok()?))
}
