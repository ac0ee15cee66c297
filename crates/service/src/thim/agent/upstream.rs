//! The central service: what is asked of it, and how soon again.

use std::time::Duration;

use assay_verify::UnixTime;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

use super::cache::MAX_DOCUMENT;
use super::error::AgentError;
use crate::egress::{self, Client, EgressError, EgressPolicy, Response, Roots};

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest of these pauses. AMD's service throttles for minutes.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// After an answer that says that there is no such document.
const ABSENT_PAUSE: Duration = Duration::from_secs(10 * 60);
/// The service may ask for a longer one, up to this.
const LONGEST_WISH: Duration = Duration::from_secs(60 * 60);

/// A service with the shape of AMD's and Intel's, such as another Assay.
#[derive(Clone)]
pub struct Upstream {
    client: Client,
    base: String,
}

/// Why there is no document. The text names no platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchError {
    /// No answer.
    #[error("{0}")]
    Exchange(EgressError),
    /// Another answer.
    #[error("the central service answered with status {status}")]
    Status {
        /// The status.
        status: u16,
        /// How long it wants to be left alone.
        wish: Option<Duration>,
    },
    /// An answer that cannot be used.
    #[error("the central service's answer cannot be used: {0}")]
    Unusable(String),
}

impl Upstream {
    /// `base` is `https://host` or `https://host:port`. It may lead into private networks: the operator chose it.
    ///
    /// # Errors
    /// [`AgentError::Upstream`].
    pub fn new(base: &str, roots: Roots, timeout: Duration) -> Result<Self, AgentError> {
        let base = base.trim_end_matches('/').to_owned();
        egress::check_url(&base).map_err(AgentError::Upstream)?;
        let policy = EgressPolicy { allow_loopback: true, allow_private: true, ..EgressPolicy::default() };
        let client = Client::new(policy, roots).map_err(AgentError::Upstream)?;
        Ok(Self { client: client.with_bounds(MAX_DOCUMENT, timeout), base })
    }

    /// Asks once. Only 200 is an answer.
    pub(super) async fn get(&self, path: &str, now: UnixTime) -> Result<Response, FetchError> {
        let url = format!("{}{path}", self.base);
        let response = self.client.get(&url, &[]).await.map_err(|error| match error {
            // The address tells of which platform a document is.
            EgressError::Url { rule, .. } => FetchError::Unusable(rule.to_owned()),
            other => FetchError::Exchange(other),
        })?;
        if response.status == StatusCode::OK {
            return Ok(response);
        }
        let wish = wish(&response.headers, now);
        Err(FetchError::Status { status: response.status.as_u16(), wish })
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
fn wish(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second();
            u64::try_from(date.saturating_sub(now.0)).unwrap_or(0)
        }
    };
    Some(Duration::from_secs(seconds).min(LONGEST_WISH))
}

/// How long to wait after the failure of this number, from 1. `jitter` is random, so that a fleet that lost its service does
/// not come back as one.
pub(super) fn pause(attempt: u32, error: &FetchError, jitter: u8) -> Duration {
    let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
    let grown = FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
    let (least, wish) = match error {
        // 461 and 462: the platform or its certificate is not known (Intel PCCS API).
        FetchError::Status { status: 404 | 461 | 462, wish } => (ABSENT_PAUSE, *wish),
        FetchError::Status { wish, .. } => (grown, *wish),
        FetchError::Exchange(_) | FetchError::Unusable(_) => (grown, None),
    };
    let least = least.max(wish.unwrap_or_default());
    let more = least.saturating_mul(u32::from(jitter)).checked_div(1024).unwrap_or_default();
    least.saturating_add(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn status(status: u16, wish: Option<u64>) -> FetchError {
        FetchError::Status { status, wish: wish.map(Duration::from_secs) }
    }

    #[test]
    fn pauses_grow_and_follow_wishes() {
        let cases = [
            (1, status(503, None), 0, 1),
            (2, status(503, None), 0, 2),
            (5, status(500, None), 0, 16),
            (9, status(500, None), 0, 256),
            (10, status(500, None), 0, 300),
            (u32::MAX, FetchError::Unusable(String::new()), 0, 300),
            (1, status(429, Some(40)), 0, 40),
            (8, status(429, Some(40)), 0, 128),
            (1, status(404, None), 0, 600),
            (1, status(461, None), 0, 600),
            (1, status(404, Some(900)), 0, 900),
            (9, status(503, None), 128, 288),
        ];
        for (attempt, error, jitter, seconds) in cases {
            assert_eq!(pause(attempt, &error, jitter), SECOND * seconds, "{attempt} {error:?}");
        }
        let most = pause(1, &status(404, None), 255);
        assert!(most > SECOND * 700 && most < SECOND * 750, "{most:?}");
    }

    #[test]
    fn wishes_are_seconds_or_dates() {
        let wish = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            super::wish(&headers, UnixTime(1_784_110_000))
        };
        assert_eq!(wish("7"), Some(SECOND * 7));
        assert_eq!(wish("999999"), Some(LONGEST_WISH));
        // 1784110400
        assert_eq!(wish("Wed, 15 Jul 2026 10:13:20 GMT"), Some(SECOND * 400));
        assert_eq!(wish("Wed, 15 Jul 2020 10:13:20 GMT"), Some(Duration::ZERO));
        assert_eq!(wish("soon"), None);
        assert_eq!(super::wish(&HeaderMap::new(), UnixTime(0)), None);
    }

    #[test]
    fn the_central_service_is_named_by_https() {
        for bad in ["http://assay.example", "assay.example", "https://u:p@assay.example", ""] {
            let made = Upstream::new(bad, Roots::none(), SECOND);
            assert!(matches!(made.err(), Some(AgentError::Upstream(_))), "{bad}");
        }
        assert!(Upstream::new("https://assay.example:8443/", Roots::none(), SECOND).is_ok());
    }
}
