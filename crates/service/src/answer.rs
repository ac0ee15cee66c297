//! Successful answers, and how answers of every kind become HTTP responses.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, SERVER,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, Response, StatusCode, Version};
use http_body_util::Full;
use serde::Serialize;

use crate::problem::{Extra, Problem};
use crate::random;

/// Always this, also for key sets: one SDK does not parse `application/jwk+json`.
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const SERVICE_VERSION: HeaderName = HeaderName::from_static("x-ms-maa-service-version");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-ms-error-code");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// The value of `x-ms-maa-service-version`: Assay's version and a fourth number, as Azure's has four (`1.10.01623.0002`).
const VERSION: HeaderValue = HeaderValue::from_static(concat!(
    env!("CARGO_PKG_VERSION_MAJOR"),
    ".",
    env!("CARGO_PKG_VERSION_MINOR"),
    ".",
    env!("CARGO_PKG_VERSION_PATCH"),
    ".0"
));

/// A success.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// For 201: where the new thing is.
    pub(crate) location: Option<String>,
}

impl Answer {
    /// 200 with a document that is JSON already.
    pub(crate) fn json(body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, body: body.into(), location: None }
    }

    /// 200 with a value as JSON.
    pub(crate) fn of(value: &impl Serialize) -> Result<Self, Problem> {
        serde_json::to_vec(value).map(Self::json).map_err(|error| {
            tracing::error!(%error, "an answer has no JSON form");
            Problem::internal()
        })
    }

    /// 200 with `{"token": ...}`. A token is base64url and dots: nothing to escape.
    pub(crate) fn token(token: &str) -> Self {
        Self::json(["{\"token\":\"", token, "\"}"].concat())
    }

    /// 204.
    pub(crate) const fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: Bytes::new(), location: None }
    }
}

/// Names a request: in the answer's `x-ms-request-id`, in the log, and nowhere else.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// The caller's `traceparent` if it is well formed, else a new one without a parent (W3C Trace Context, section 3.2).
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(&TRACE_PARENT).filter(|value| is_trace_parent(value.as_bytes()));
        Self(given.cloned().unwrap_or_else(Self::fresh))
    }

    fn fresh() -> HeaderValue {
        // Without randomness nothing can be signed either; the id then is the one that the standard calls invalid.
        let id = random::bytes::<16>().unwrap_or_default();
        let mut text = *b"00-................................-0000000000000000-00";
        let written = text.get_mut(3..35).map(|digits| hex::encode_to_slice(id, digits));
        debug_assert_eq!(written, Some(Ok(())), "16 bytes are 32 digits");
        HeaderValue::from_bytes(&text).unwrap_or(const { HeaderValue::from_static("-") })
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// W3C Trace Context, section 3.2: version, trace id, parent id and flags in lower-case hexadecimal; ids of zeros and the
/// version `ff` are invalid.
fn is_trace_parent(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let mut parts = text.split('-');
    let mut next = |length: usize| {
        parts.next().is_some_and(|part| {
            part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let shaped = next(2) && next(32) && next(16) && next(2) && parts.next().is_none();
    let zeros = |part: Option<&str>| part.is_some_and(|part| part.bytes().all(|byte| byte == b'0'));
    let mut parts = text.split('-').skip(1);
    shaped && !text.starts_with("ff") && !zeros(parts.next()) && !zeros(parts.next())
}

/// Writes the response. `version` is the request's: HTTP/2 has no `Connection`.
pub(crate) fn respond(
    result: Result<Answer, Problem>,
    id: RequestId,
    version: Version,
) -> Response<Full<Bytes>> {
    let (parts, problem) = match result {
        Ok(answer) => ((answer.status, answer.body, answer.location), None),
        Err(problem) => ((problem.status, problem.to_json().into(), None), Some(problem)),
    };
    let (status, body, location) = parts;
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(8);
    if status != StatusCode::NO_CONTENT {
        headers.insert(CONTENT_TYPE, JSON);
    }
    headers.insert(SERVER, const { HeaderValue::from_static("assay") });
    headers.insert(SERVICE_VERSION, VERSION);
    headers.insert(REQUEST_ID, id.0);
    // Tokens and errors are for whoever asked, this time.
    headers.insert(CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
    insert_text(headers, LOCATION, location);
    if let Some(problem) = problem {
        insert_problem(headers, problem, version);
    }
    response
}

fn insert_problem(headers: &mut HeaderMap, problem: Problem, version: Version) {
    headers.insert(ERROR_CODE, HeaderValue::from_static(problem.code));
    match problem.extra {
        Some(Extra::Allow(methods)) => insert_text(headers, ALLOW, Some(methods)),
        Some(Extra::Authenticate(challenge)) => insert_text(headers, WWW_AUTHENTICATE, Some(challenge)),
        Some(Extra::RetryAfter(seconds)) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        None => (),
    }
    // Whoever sends too slowly is not listened to any longer.
    if problem.status == StatusCode::REQUEST_TIMEOUT && version < Version::HTTP_2 {
        headers.insert(CONNECTION, const { HeaderValue::from_static("close") });
    }
}

fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: Option<String>) {
    headers.extend(text.and_then(|text| HeaderValue::try_from(text).ok()).map(|value| (name, value)));
}

/// The OpenAPI document, without the cost of copying it for every request.
pub(crate) static OPENAPI: LazyLock<Bytes> =
    LazyLock::new(|| Bytes::from_static(include_bytes!("openapi.json")));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_parents() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_trace_parent(good.as_bytes()));
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333g-01",
        ] {
            assert!(!is_trace_parent(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn ids_are_the_callers_or_new() {
        let mut headers = HeaderMap::new();
        let fresh = RequestId::of(&headers);
        assert!(fresh.as_str().starts_with("00-") && fresh.as_str().ends_with("-0000000000000000-00"));
        assert_eq!(fresh.as_str().len(), 55);
        assert_ne!(fresh.as_str(), RequestId::of(&headers).as_str());
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.insert("traceparent", HeaderValue::from_static(parent));
        assert_eq!(RequestId::of(&headers).as_str(), parent);
    }
}
