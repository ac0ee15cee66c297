//! `POST /attest/Tpm`: JSON in base64url in JSON (Azure Attestation REST API reference, "Attest Tpm"). The first leg of the protocol is here; the
//! second, which carries the evidence, is answered with a plain refusal.

use std::borrow::Cow;

use assay_token::base64url;
use serde_json::json;

use super::body::decode;
use super::members::Members;
use crate::problem::Problem;

/// What a client asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Message {
    /// `{"payload":{"type":"aikcert"}}`: give me a challenge.
    Init,
    /// `{"payload":{"request":"<JWS>"}}`: here is the evidence.
    Evidence,
}

/// Reads `{"data":"<base64url of the message>"}`.
///
/// # Errors
/// 400 `InvalidParameter` that says which member of which layer is missing or malformed.
pub(crate) fn parse(body: &[u8]) -> Result<Message, Problem> {
    let members = Members::parse(body)?;
    let data = members.non_empty("data")?.ok_or_else(|| {
        missing("The member `data` is missing. Send the message in it, as base64url of its JSON.")
    })?;
    read(&decode("data", &data)?)
}

fn read(message: &[u8]) -> Result<Message, Problem> {
    let members = Members::parse(message)
        .map_err(|problem| Problem { message: format!("Inside `data`: {}", problem.message), ..problem })?;
    let payload = members.object("payload")?.ok_or_else(|| {
        missing(r#"The message has no `payload`. Send `{"payload":{"type":"aikcert"}}` to begin."#)
    })?;
    match (payload.text("type")?.map(Cow::into_owned), payload.text("request")?) {
        (Some(kind), None) if kind == "aikcert" => Ok(Message::Init),
        (None, Some(_)) => Ok(Message::Evidence),
        (Some(_), Some(_)) => Err(Problem::invalid_parameter(
            "contradictory-members",
            "The payload has `type` and `request`. Send `type` to begin and `request` to attest.",
        )),
        _ => Err(missing(
            r#"The payload asks for nothing known. Send `{"payload":{"type":"aikcert"}}` to begin."#,
        )),
    }
}

fn missing(message: &str) -> Problem {
    Problem::invalid_parameter("tpm-message", message)
}

/// The answer to [`Message::Init`].
pub(crate) fn init_answer(challenge: &[u8; 16], service_context: &str) -> Vec<u8> {
    let inner =
        json!({"payload": {"challenge": base64url::encode(challenge), "service_context": service_context}});
    json!({"data": base64url::encode(inner.to_string().as_bytes())}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(message: &str) -> Result<Message, Problem> {
        parse(json!({"Data": base64url::encode(message.as_bytes())}).to_string().as_bytes())
    }

    #[test]
    fn both_legs_are_told_apart() {
        assert_eq!(wrapped(r#"{"payload":{"type":"aikcert"}}"#), Ok(Message::Init));
        let with_metadata = r#"{"metadata":{"os_ver":"10.0"},"payload":{"type":"aikcert"}}"#;
        assert_eq!(wrapped(with_metadata), Ok(Message::Init));
        assert_eq!(wrapped(r#"{"payload":{"request":"a.b.c"}}"#), Ok(Message::Evidence));
    }

    #[test]
    fn every_layer_can_be_wrong() {
        let reason = |result: Result<Message, Problem>| result.unwrap_err().reason.unwrap();
        assert_eq!(reason(parse(b"{}")), "tpm-message");
        assert_eq!(reason(parse(br#"{"data":"!"}"#)), "base64");
        assert_eq!(reason(wrapped("{")), "json-syntax");
        assert_eq!(reason(wrapped("{}")), "tpm-message");
        assert_eq!(reason(wrapped(r#"{"payload":{}}"#)), "tpm-message");
        assert_eq!(reason(wrapped(r#"{"payload":{"type":"other"}}"#)), "tpm-message");
        assert_eq!(
            reason(wrapped(r#"{"payload":{"type":"aikcert","request":"x"}}"#)),
            "contradictory-members"
        );
    }

    #[test]
    fn the_answer_has_the_recorded_shape() {
        let answer: serde_json::Value = serde_json::from_slice(&init_answer(&[0; 16], "ctx")).unwrap();
        let inner = base64url::decode_strict(answer["data"].as_str().unwrap()).unwrap();
        assert_eq!(
            String::from_utf8(inner).unwrap(),
            r#"{"payload":{"challenge":"AAAAAAAAAAAAAAAAAAAAAA","service_context":"ctx"}}"#
        );
    }
}
