//! How signed documents come in a request's body: the SDKs send the bare JWS as `text/plain`, the
//! command line a JSON string, and since 2025 requests about signers are an object. What counts is the first character,
//! not the content type, which clients get wrong.

use std::borrow::Cow;

use super::members::{Members, json_problem};
use crate::problem::Problem;

/// A policy document: a bare JWS or a JSON string. White space around it does not belong to it.
///
/// # Errors
/// 400 `InvalidParameter` for an empty body, text that is not UTF-8, or broken JSON. Whether it is a JWS is for the registry
/// to say.
pub(crate) fn policy(body: &[u8]) -> Result<Cow<'_, str>, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| {
        Problem::invalid_parameter("not-utf-8", "The request body is not UTF-8. Send a JWS, as `text/plain`.")
    })?;
    let text = text.trim();
    match text.as_bytes() {
        [] => Err(Problem::invalid_parameter(
            "body-empty",
            "The request body is empty. Send a JWS, as `text/plain`.",
        )),
        [b'"', ..] => {
            let limits = assay_json::Limits::bytes(usize::MAX);
            assay_json::from_slice(text.as_bytes(), &limits)
                .map(Cow::Owned)
                .map_err(|error| json_problem(&error))
        }
        _ => Ok(Cow::Borrowed(text)),
    }
}

/// A request about a signer: as a policy document, or in the member `name` of an object.
///
/// # Errors
/// As [`policy`]; also if the object lacks the member.
pub(crate) fn signer<'a>(body: &'a [u8], name: &str) -> Result<Cow<'a, str>, Problem> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return policy(body);
    }
    Members::parse(body)?.non_empty(name)?.ok_or_else(|| {
        let message = format!("The member `{name}` is missing. Send the signed request in it, as a JWS.");
        Problem::invalid_parameter("signer-request-missing", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_the_same_document() {
        assert_eq!(policy(b"a.b.c").unwrap(), "a.b.c");
        assert_eq!(policy(b" a.b.c\r\n").unwrap(), "a.b.c");
        assert_eq!(policy(br#""a.b.c""#).unwrap(), "a.b.c");
        assert_eq!(
            signer(br#"{"PolicyCertificateToAdd":"a.b.c"}"#, "policyCertificateToAdd").unwrap(),
            "a.b.c"
        );
        assert_eq!(signer(b"\"a.b.c\"", "x").unwrap(), "a.b.c");
    }

    #[test]
    fn what_is_no_document() {
        let reason = |body: &[u8]| signer(body, "m").unwrap_err().reason.unwrap();
        assert_eq!(reason(b""), "body-empty");
        assert_eq!(reason(b" \n"), "body-empty");
        assert_eq!(reason(b"\xff"), "not-utf-8");
        assert_eq!(reason(b"\"a"), "json-syntax");
        assert_eq!(reason(b"{}"), "signer-request-missing");
        assert_eq!(reason(b"{"), "json-syntax");
    }
}
