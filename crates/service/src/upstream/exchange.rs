//! One question to a server and what its status says.

use std::time::Duration;

use assay_collateral::upstream::UpstreamError;
use assay_verify::UnixTime;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Method, StatusCode};
use jiff::fmt::rfc2822::DateTimeParser;

use crate::clock::Clock;
use crate::egress::{Client, EgressError, OutgoingRequest, Response};
use crate::simulated_vendors::InProcess;

/// Longest wait that is believed; a server that asks for more is asked again after this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// Intel's codes are words such as `InvalidRequestSyntax`.
const ERROR_CODE_MAX: usize = 64;
/// Intel's messages are a sentence or two.
const ERROR_MESSAGE_MAX: usize = 512;

/// How questions reach who answers them.
#[derive(Clone)]
pub(super) enum Way {
    /// Over a network.
    Egress(Client),
    /// In this process; addresses are without scheme and host.
    Simulated(InProcess),
}

/// Sends questions to one server.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) way: Way,
    /// For one question, name resolution included.
    pub(super) timeout: Duration,
    /// For dates in `Retry-After`.
    pub(super) clock: Clock,
    /// Statuses that mean: there is no such thing.
    pub(super) unknown: &'static [u16],
}

/// A question.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) url: &'a str,
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// Sent by `POST`.
    pub(super) body: Option<Body<'a>>,
    /// Largest answer.
    pub(super) limit: usize,
}

/// What goes along with a question.
#[derive(Clone, Copy)]
pub(super) struct Body<'a> {
    pub(super) media_type: &'static str,
    pub(super) bytes: &'a [u8],
}

impl<'a> Body<'a> {
    pub(super) const fn json(text: &'a str) -> Self {
        Self { media_type: "application/json", bytes: text.as_bytes() }
    }

    pub(super) const fn octets(bytes: &'a [u8]) -> Self {
        Self { media_type: "application/octet-stream", bytes }
    }
}

impl<'a> Question<'a> {
    pub(super) const fn get(url: &'a str, limit: usize) -> Self {
        Self { url, headers: &[], body: None, limit }
    }
}

impl Exchange {
    /// Sends a question; only an answer of status 200 is one.
    pub(super) async fn ask(&self, question: Question<'_>) -> Result<Response, UpstreamError> {
        let answer = self.answer(question).await?;
        judge(answer.status, &answer.headers, self.unknown, self.clock.now())?;
        Ok(answer)
    }

    /// Passes something on. That the server looked at it and does not take it is an answer, too, and says why.
    pub(super) async fn pass_on(
        &self,
        question: Question<'_>,
        taken: StatusCode,
    ) -> Result<Response, UpstreamError> {
        let answer = self.answer(question).await?;
        let status = answer.status.as_u16();
        if answer.status == taken {
            return Ok(answer);
        }
        if let 400 | 404 | 413 | 415 = status {
            let (code, message) = (error_code(&answer.headers), error_message(&answer.headers));
            return Err(UpstreamError::Declined { status, code, message });
        }
        judge(answer.status, &answer.headers, &[], self.clock.now())?;
        Err(bad(format!("the status {status} is none that it should have")))
    }

    async fn answer(&self, question: Question<'_>) -> Result<Response, UpstreamError> {
        let mut headers = question.headers.to_vec();
        let (method, body) = match question.body {
            None => (Method::GET, Bytes::new()),
            Some(Body { media_type, bytes }) => {
                headers.push(("content-type", media_type));
                (Method::POST, Bytes::copy_from_slice(bytes))
            }
        };
        let request = OutgoingRequest { method, url: question.url, headers: &headers, body };
        self.send(request, question.limit).await
    }

    async fn send(&self, request: OutgoingRequest<'_>, limit: usize) -> Result<Response, UpstreamError> {
        match &self.way {
            Way::Egress(client) => {
                let client = client.clone().with_bounds(limit, self.timeout);
                client.send(request).await.map_err(not_answered)
            }
            Way::Simulated(vendors) => {
                let answer = vendors.send(request).await;
                let problem = "the simulation was interrupted".to_owned();
                let answer = answer.ok_or(UpstreamError::Unavailable { problem })?;
                if answer.body.len() > limit { Err(too_large(limit)) } else { Ok(answer) }
            }
        }
    }
}

fn too_large(limit: usize) -> UpstreamError {
    bad(format!("it is larger than {limit} bytes"))
}

fn not_answered(error: EgressError) -> UpstreamError {
    match error {
        EgressError::TooLarge { limit, .. } => too_large(limit),
        // The text of this error repeats the address, which names the platform.
        EgressError::Url { rule, .. } => {
            UpstreamError::Unavailable { problem: format!("its address cannot be used: {rule}") }
        }
        other => UpstreamError::Unavailable { problem: other.to_string() },
    }
}

pub(super) fn bad(problem: impl Into<String>) -> UpstreamError {
    UpstreamError::BadAnswer { problem: problem.into() }
}

/// What a status says (Intel, *PCS API v4*; RFC 9110, section 15).
fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    unknown: &[u16],
    now: UnixTime,
) -> Result<(), UpstreamError> {
    match status.as_u16() {
        200 => Ok(()),
        status if unknown.contains(&status) => {
            Err(UpstreamError::Unknown { status, detail: error_code(headers) })
        }
        410 => Err(UpstreamError::Gone),
        status @ (401 | 403) => Err(UpstreamError::Unauthorized { status }),
        429 => Err(UpstreamError::Throttled { retry_after: retry_after(headers, now) }),
        status @ 500..=599 => {
            Err(UpstreamError::Unavailable { problem: format!("it answers with the status {status}") })
        }
        status @ 300..=399 => {
            Err(bad(format!("the status {status} leads elsewhere, and nothing follows it")))
        }
        status => Err(bad(format!("the status {status} is none that it should have"))),
    }
}

/// `Error-Code`, if it is a word: it goes to logs and callers.
fn error_code(headers: &HeaderMap) -> Option<String> {
    let code = headers.get("error-code")?.to_str().ok()?;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let usable = (1..=ERROR_CODE_MAX).contains(&code.len()) && code.bytes().all(is_word);
    usable.then(|| code.to_owned())
}

/// `Error-Message`, if it is a short line of plain text: it goes to callers.
fn error_message(headers: &HeaderMap) -> Option<String> {
    let message = headers.get("error-message")?.to_str().ok()?;
    let usable = (1..=ERROR_MESSAGE_MAX).contains(&message.len()) && message.bytes().all(|byte| byte >= b' ');
    usable.then(|| message.to_owned())
}

/// Seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        // More digits than a number has are a long wait, too.
        text.parse().unwrap_or(u64::MAX)
    } else {
        let date = DateTimeParser::new().parse_timestamp(text).ok()?;
        u64::try_from(date.as_second().saturating_sub(now.0)).unwrap_or(0)
    };
    Some(Duration::from_secs(wait).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn waits_are_seconds_or_dates_and_bounded() {
        let now = UnixTime(784_111_777);
        let cases = [
            ("0", Some(0)),
            ("120", Some(120)),
            ("3601", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Some(0)),
            ("Mon, 07 Nov 1994 08:49:37 GMT", Some(3600)),
            ("-1", None),
            ("", None),
            ("soon", None),
        ];
        for (text, expected) in cases {
            let found = retry_after(&headers("retry-after", text), now);
            assert_eq!(found, expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn only_words_are_codes() {
        let long = "a".repeat(65);
        for (text, good) in [("InvalidRequestSyntax", true), ("a b", false), ("<x>", false), (&long, false)] {
            let expected = good.then(|| text.to_owned());
            assert_eq!(error_code(&headers("error-code", text)), expected, "{text}");
        }
    }

    #[test]
    fn addresses_stay_out_of_errors() {
        let error = EgressError::Url { url: "https://kds/vcek/v1/Milan/0011".to_owned(), rule: "too long" };
        let expected =
            UpstreamError::Unavailable { problem: "its address cannot be used: too long".to_owned() };
        assert_eq!(not_answered(error), expected);
    }
}
