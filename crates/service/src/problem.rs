//! What a caller is told when something is wrong: Azure's error envelope, with Azure's codes.
//!
//! ```json
//! {"error":{"code":"InvalidParameter","message":"What is wrong. What would be right.",
//!           "details":[{"code":"missing-semicolon","message":"...","target":"line 2, column 1"}],
//!           "innererror":{"code":"quote-signature"}}}
//! ```
//!
//! `details` and `innererror` are those of Azure's data planes of 2025, left out when empty;
//! `innererror.code` is the stable kebab-case name that Assay gives the cause.

use http::StatusCode;
use serde::Serialize;

/// An answer that is not a success.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// Azure's code, also in the header `x-ms-error-code`.
    pub(crate) code: &'static str,
    /// Sentences: what is wrong, and what would be right.
    pub(crate) message: String,
    /// Assay's name for the cause.
    pub(crate) reason: Option<&'static str>,
    /// The single findings, where there are several.
    pub(crate) details: Vec<Detail>,
    /// What a header adds, for some statuses.
    pub(crate) extra: Option<Extra>,
}

/// What a header of the answer says besides.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Extra {
    /// 405: `Allow`, the methods that the route has.
    Allow(String),
    /// 401: `WWW-Authenticate`.
    Authenticate(String),
    /// 429 and 503: `Retry-After`, seconds.
    RetryAfter(u32),
}

/// One of several findings.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Detail {
    /// The stable name of the finding.
    pub(crate) code: String,
    /// One sentence.
    pub(crate) message: String,
    /// Where it is, for people: `line 2, column 1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
}

impl Problem {
    /// A problem of any kind.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), reason: None, details: Vec::new(), extra: None }
    }

    /// 400 `InvalidParameter`: something in the request is missing, contradictory or wrong.
    pub(crate) fn invalid_parameter(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidParameter", message).because(reason)
    }

    /// 401 `Unauthorized`: no bearer, a bad one, or one without the role. Azure answers all three alike.
    /// `challenge` is the value of `WWW-Authenticate`.
    pub(crate) fn unauthorized(challenge: impl Into<String>, message: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message);
        Self { extra: Some(Extra::Authenticate(challenge.into())), ..problem }
    }

    /// 404 `NotFound`.
    pub(crate) fn not_found(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).because(reason)
    }

    /// 405 `MethodNotAllowed`; `allow` is the value of the header of that name.
    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let message = format!("This route does not have that method. Use {allow}.");
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
        Self { extra: Some(Extra::Allow(allow)), ..problem.because("method") }
    }

    /// 408 `RequestTimeout`: the body did not arrive in time.
    pub(crate) fn timed_out(seconds: u64) -> Self {
        let message =
            format!("The request body did not arrive within {seconds} seconds. Send it without pauses.");
        Self::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeout", message).because("body-timeout")
    }

    /// 409 `Conflict`.
    pub(crate) fn conflict(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", message).because(reason)
    }

    /// 413 `RequestEntityTooLarge`.
    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("The request body is larger than {limit} bytes. Send at most that many.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message).because("body-too-large")
    }

    /// 415 `UnsupportedMediaType`; `expected` is the content type that would be right.
    pub(crate) fn unsupported_media_type(expected: &'static str) -> Self {
        let message = format!("The body has another content type than this route takes. Send `{expected}`.");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message).because("content-type")
    }

    /// 429 `TooManyRequests`; `whose` names the exhausted budget.
    pub(crate) fn too_many(whose: &str, seconds: u32) -> Self {
        let unit = if seconds == 1 { "second" } else { "seconds" };
        let message = format!("Too many requests {whose}. Try again in {seconds} {unit}.");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        Self { extra: Some(Extra::RetryAfter(seconds)), ..problem.because("rate-limited") }
    }

    /// 503 `ServiceUnavailable`: right now it cannot be done.
    pub(crate) fn unavailable(reason: &'static str, message: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message);
        Self { extra: Some(Extra::RetryAfter(5)), ..problem.because(reason) }
    }

    /// 500 `InternalError`. The cause belongs into the log, under the request id, and nowhere else.
    pub(crate) fn internal() -> Self {
        let message =
            "The service failed to answer. Its log has the cause under this request id; try again later.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// Names the cause.
    #[must_use]
    pub(crate) const fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Adds the single findings.
    #[must_use]
    pub(crate) fn with_details(mut self, details: Vec<Detail>) -> Self {
        self.details = details;
        self
    }

    /// The envelope as JSON.
    #[must_use]
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let error = Body {
            code: self.code,
            message: &self.message,
            details: &self.details,
            innererror: self.reason.map(|code| Inner { code }),
        };
        // Strings and arrays of strings always have a JSON form.
        serde_json::to_vec(&Envelope { error }).unwrap_or_default()
    }
}

/// Joins what is wrong and what would be right into sentences: crates of the workspace keep both in lower case and
/// without a full stop.
#[must_use]
pub(crate) fn sentences(message: &str, help: &str) -> String {
    let mut text = String::with_capacity(message.len().saturating_add(help.len()).saturating_add(4));
    for part in [message, help] {
        let mut rest = part.trim().chars();
        let Some(first) = rest.next() else { continue };
        if !text.is_empty() {
            text.push(' ');
        }
        text.extend(first.to_uppercase());
        text.push_str(rest.as_str());
        if !text.ends_with(['.', '?', '!']) {
            text.push('.');
        }
    }
    text
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "<[Detail]>::is_empty")]
    details: &'a [Detail],
    #[serde(skip_serializing_if = "Option::is_none")]
    innererror: Option<Inner>,
}

#[derive(Serialize)]
struct Inner {
    code: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_envelope_has_code_and_message_only() {
        let problem = Problem::unauthorized("Bearer", "No.");
        assert_eq!(
            String::from_utf8(problem.to_json()).unwrap(),
            r#"{"error":{"code":"Unauthorized","message":"No."}}"#
        );
    }

    #[test]
    fn cause_and_findings_stand_inside() {
        let detail = Detail { code: "a".to_owned(), message: "b".to_owned(), target: None };
        let problem = Problem::invalid_parameter("why", "m").with_details(vec![detail]);
        assert_eq!(
            String::from_utf8(problem.to_json()).unwrap(),
            r#"{"error":{"code":"InvalidParameter","message":"m","details":[{"code":"a","message":"b"}],"innererror":{"code":"why"}}}"#
        );
    }

    #[test]
    fn one_second_is_not_seconds() {
        let message = |seconds| Problem::too_many("from here", seconds).message;
        assert_eq!(message(1), "Too many requests from here. Try again in 1 second.");
        assert_eq!(message(2), "Too many requests from here. Try again in 2 seconds.");
    }

    #[test]
    fn sentences_are_sentences() {
        assert_eq!(sentences("the key `a` is bad", "Send `b`."), "The key `a` is bad. Send `b`.");
        assert_eq!(sentences("one", ""), "One.");
        assert_eq!(sentences("`x` is", "do y"), "`x` is. Do y.");
    }
}
