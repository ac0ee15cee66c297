//! Answers on the vendors' routes. They are not like those of the rest of the service: Intel's client joins the bodies of
//! answers that it retries, takes the first header of a name, and knows 200 as the only success.

use assay_collateral::document::Document;
use assay_collateral::state::State;
use assay_verify::UnixTime;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, RETRY_AFTER, SERVER, WARNING,
};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;

use super::library::{NotServed, Served};
use crate::percent;

/// Intel's services name each answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const ERROR_CODE: HeaderName = HeaderName::from_static("error-code");
const ERROR_MESSAGE: HeaderName = HeaderName::from_static("error-message");
/// Longest time that a cache between keeps an answer: as Azure's client caps it.
const MAX_AGE: i64 = 24 * 60 * 60;
/// When a client may come again after something that passes.
const PASSING_SECONDS: u32 = 5;

/// An answer on a vendor's route.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why there is nothing to give, as the vendors' clients understand it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400: the request is malformed.
    Malformed(&'static str),
    /// 401: a token is missing or wrong.
    Unauthorized,
    /// 404: there is no such thing, or none is held.
    NotFound(String),
    /// 405.
    Method(&'static str),
    /// 410: this version is no longer there.
    Gone(String),
    /// 413: the request is too large.
    TooLarge,
    /// 415: the body is of another kind.
    MediaType(&'static str),
    /// 460 of Intel's PCCS: what was brought is not genuine, in part or whole; JSON that says which.
    Integrity(String),
    /// 461 of Intel's PCCS: the platform is not known.
    PlatformUnknown,
    /// 462 of Intel's PCCS: the platform is known, and has no certificate for this TCB.
    NoCertificate,
    /// 501: this service, as it is configured, does not do that; says what to do instead.
    NotOffered(&'static str),
    /// 502: the vendor did not give all that was asked for; says how much.
    Upstream(String),
    /// 503, without a body and without any header of data: the client comes again.
    Passing,
    /// 500, likewise.
    Internal,
}

impl Reply {
    /// 200.
    pub(crate) fn of(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { status: StatusCode::OK, headers, body: body.into() }
    }

    /// JSON with any status.
    pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Self {
        Self { status, ..Self::of("application/json", value.to_string()) }
    }

    /// 503, empty: come again.
    pub(crate) fn passing() -> Self {
        Refusal::Passing.into()
    }

    /// What the vendor says of something that it does not take, in its own words.
    pub(crate) fn declined(status: StatusCode, code: &str, message: &str) -> Self {
        let reply = Self::of("text/plain; charset=utf-8", message.to_owned());
        Self { status, ..reply.with("error-code", code).with("error-message", message) }
    }

    /// Adds a header; one that cannot be sent is left out.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            self.headers.insert(name, value);
        }
        self
    }

    /// Adds the chain of a document's signer, if it has one.
    pub(crate) fn with_chain(mut self, name: &'static str, document: &Document) -> Self {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes())
            && let Some(chain) = document.chain_in_header(percent::encode)
            && let Ok(chain) = HeaderValue::from_maybe_shared(chain)
        {
            self.headers.insert(name, chain);
        }
        self
    }

    /// Says how long the answer is good for, and names it, for caches between.
    pub(crate) fn dated(mut self, served: &Served, now: UnixTime, asked: &HeaderMap) -> Self {
        let left = served.document.expires.0.saturating_sub(now.0).max(0);
        let age = left.div_euclid(2).min(MAX_AGE);
        let max_age = HeaderValue::from_str(&format!("max-age={age}"));
        self.headers.extend(max_age.ok().map(|max_age| (CACHE_CONTROL, max_age)));
        let tag = tag_of(&served.document.digest);
        if asked.get_all(IF_NONE_MATCH).iter().any(|given| names(given.as_bytes(), &tag)) {
            self.status = StatusCode::NOT_MODIFIED;
            self.body = Bytes::new();
        }
        self.headers.extend(HeaderValue::from_bytes(&tag).ok().map(|tag| (ETAG, tag)));
        if served.state == State::Expired {
            // RFC 7234, section 5.5: a cache says that what it gives is stale.
            self.headers.insert(WARNING, HeaderValue::from_static("110 assay \"Response is Stale\""));
        }
        self
    }

    pub(crate) fn into_response(self, id: &str) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        let headers = response.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static("assay"));
        if let Ok(id) = HeaderValue::from_str(id) {
            headers.insert(REQUEST_ID, id);
        }
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response
    }
}

/// Whether a condition is for this tag: by weak comparison, in a list, or as `*` (RFC 9110, section 13.1.2).
fn names(condition: &[u8], tag: &[u8]) -> bool {
    condition.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(|given| {
        let given = given.strip_prefix(b"W/").unwrap_or(given);
        given == tag || given == b"*"
    })
}

/// The digest in quotes (RFC 9110, section 8.8.3).
fn tag_of(digest: &[u8; 32]) -> [u8; 66] {
    let mut tag = [b'"'; 66];
    let written = tag.get_mut(1..65).map(|digits| hex::encode_to_slice(digest, digits));
    debug_assert_eq!(written, Some(Ok(())), "32 bytes are 64 digits");
    tag
}

impl Refusal {
    const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::Unauthorized => 401,
            Self::NotFound(_) => 404,
            Self::Method(_) => 405,
            Self::Gone(_) => 410,
            Self::TooLarge => 413,
            Self::MediaType(_) => 415,
            Self::Integrity(_) => 460,
            Self::PlatformUnknown => 461,
            Self::NoCertificate => 462,
            Self::Internal => 500,
            Self::NotOffered(_) => 501,
            Self::Upstream(_) => 502,
            Self::Passing => 503,
        }
    }

    const fn content_type(&self) -> &'static str {
        match self {
            Self::Integrity(_) => "application/json",
            _ => "text/plain; charset=utf-8",
        }
    }

    /// `Error-Message`: what fits into a header.
    fn message(&self) -> &str {
        match self {
            Self::Integrity(_) => "Not all of it was taken. The body says what was not, and why.",
            _ => self.sentence(),
        }
    }

    /// A sentence for people; Intel's clients look at the status alone.
    fn sentence(&self) -> &str {
        match self {
            Self::Malformed(sentence) | Self::MediaType(sentence) | Self::NotOffered(sentence) => sentence,
            Self::NotFound(sentence)
            | Self::Gone(sentence)
            | Self::Integrity(sentence)
            | Self::Upstream(sentence) => sentence,
            Self::Unauthorized => "The token is missing or wrong.",
            Self::Method(_) => "This path does not have that method.",
            Self::TooLarge => "The request is too large.",
            Self::PlatformUnknown => {
                "The platform is not known. Register it, or ask `POST /v1/collateral/explain` what is missing."
            }
            Self::NoCertificate => "The platform has no PCK certificate for this TCB.",
            Self::Internal | Self::Passing => "",
        }
    }

    /// `Error-Code`, with the names of Intel's PCS.
    const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "InvalidRequestSyntax",
            Self::Unauthorized => "Unauthorized",
            Self::NotFound(_) => "NotFound",
            Self::Method(_) => "MethodNotAllowed",
            Self::Gone(_) => "Gone",
            Self::TooLarge => "RequestTooLarge",
            Self::MediaType(_) => "UnsupportedMediaType",
            Self::Integrity(_) => "IntegrityError",
            Self::PlatformUnknown => "PlatformUnknown",
            Self::NoCertificate => "CertificateUnavailable",
            Self::Internal => "InternalError",
            Self::NotOffered(_) => "NotOffered",
            Self::Upstream(_) => "UpstreamError",
            Self::Passing => "ServiceUnavailable",
        }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let mut headers = HeaderMap::with_capacity(4);
        let sentence = refusal.sentence().to_owned();
        if sentence.is_empty() {
            // Nothing that a client could take for data of the answer after it.
            headers.insert(RETRY_AFTER, HeaderValue::from(PASSING_SECONDS));
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(refusal.content_type()));
            headers.insert(ERROR_CODE, HeaderValue::from_static(refusal.code()));
            let message = HeaderValue::from_str(refusal.message());
            headers.extend(message.ok().map(|message| (ERROR_MESSAGE, message)));
        }
        if let Refusal::Method(methods) = &refusal {
            headers.insert(http::header::ALLOW, HeaderValue::from_static(methods));
        }
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, headers, body: sentence.into() }
    }
}

impl From<NotServed> for Refusal {
    fn from(error: NotServed) -> Self {
        match error {
            NotServed::NotHeld => {
                Self::NotFound("It is not held here, and no vendor is asked in this mode.".to_owned())
            }
            NotServed::Unknown => Self::NotFound("The vendor does not know it.".to_owned()),
            NotServed::Gone => {
                Self::Gone("The vendor no longer publishes this evaluation. Ask for a later one.".to_owned())
            }
            // The client comes again, and until then the refresh may have succeeded.
            NotServed::Away
            | NotServed::Expired { .. }
            | NotServed::Passing { .. }
            | NotServed::Refused { .. } => Self::Passing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_retries_has_nothing_that_it_could_take_for_data() {
        for refusal in [Refusal::Passing, Refusal::Internal] {
            let reply = Reply::from(refusal);
            assert!(reply.body.is_empty());
            let names: Vec<&str> = reply.headers.keys().map(HeaderName::as_str).collect();
            assert_eq!(names, ["retry-after"]);
        }
    }

    #[test]
    fn conditions_name_tags_in_several_forms() {
        let tag = b"\"ab\"";
        for given in ["\"ab\"", "W/\"ab\"", "\"cd\", \"ab\"", "\"cd\",W/\"ab\"", "*"] {
            assert!(names(given.as_bytes(), tag), "{given}");
        }
        for given in ["", "ab", "\"cd\"", "\"ab", "W/"] {
            assert!(!names(given.as_bytes(), tag), "{given}");
        }
    }

    #[test]
    fn the_others_say_why() {
        let rows = [
            (Refusal::Malformed("No."), 400, "InvalidRequestSyntax"),
            (Refusal::NotFound("No.".to_owned()), 404, "NotFound"),
            (Refusal::Gone("No.".to_owned()), 410, "Gone"),
            (Refusal::PlatformUnknown, 461, "PlatformUnknown"),
            (Refusal::NoCertificate, 462, "CertificateUnavailable"),
        ];
        for (refusal, status, code) in rows {
            let reply = Reply::from(refusal);
            assert_eq!(
                (reply.status.as_u16(), &reply.headers[ERROR_CODE]),
                (status, &HeaderValue::from_static(code))
            );
            assert!(!reply.body.is_empty());
        }
    }
}
