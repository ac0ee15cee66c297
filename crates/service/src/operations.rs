//! The operators' listener: `/healthz`, `/readyz` and `/metrics`, away from everything that strangers can reach.
//!
//! Metrics have a token of their own; without one only this machine may read them.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::config::TokenDigest;
use crate::front::Front;
use crate::server::Service;

const TEXT: &str = "text/plain; charset=utf-8";
/// What Prometheus asks for of pages in the OpenMetrics form.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers for operators.
#[derive(Debug)]
pub(crate) struct Operations(pub(crate) Arc<Front>);

impl Service for Operations {
    async fn answer(&self, request: Request<Incoming>, source: IpAddr) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return page(StatusCode::METHOD_NOT_ALLOWED, TEXT, "use GET\n");
        }
        match request.uri().path() {
            // The process runs and answers: all that a restart could better.
            "/healthz" => page(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" if self.0.is_ready() => page(StatusCode::OK, TEXT, "ready\n"),
            "/readyz" => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "not ready\n"),
            "/metrics" => match may_read(self.0.app.config.metrics_token.as_ref(), request.headers(), source)
            {
                Ok(()) => page(StatusCode::OK, METRICS, self.0.metrics.page(&self.0.app)),
                Err((status, sentence)) => page(status, TEXT, sentence),
            },
            _ => page(StatusCode::NOT_FOUND, TEXT, "there are /healthz, /readyz and /metrics\n"),
        }
    }
}

/// Whether somebody may read the metrics, and if not, what there is to do.
fn may_read(
    token: Option<&TokenDigest>,
    headers: &HeaderMap,
    source: IpAddr,
) -> Result<(), (StatusCode, &'static str)> {
    let Some(token) = token else {
        let sentence =
            "only this machine: set `operations.metrics_token_sha512` to read metrics from elsewhere\n";
        let is_near = source.to_canonical().is_loopback();
        return if is_near { Ok(()) } else { Err((StatusCode::FORBIDDEN, sentence)) };
    };
    let given = headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if given.is_some_and(|given| token.is_of(given)) {
        return Ok(());
    }
    Err((
        StatusCode::UNAUTHORIZED,
        "`Authorization: Bearer` with the token for metrics is missing or wrong\n",
    ))
}

fn page(status: StatusCode, content_type: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-512 of `secret`.
    const SECRET: &str = "bd2b1aaf7ef4f09be9f52ce2d8d599674d81aa9d6a4421696dc4d93dd0619d68\
        2ce56b4d64a9ef097761ced99e0f67265b5f76085e5b0ee7ca4696b2ad6fe2b2";

    #[test]
    fn metrics_are_for_this_machine_or_for_who_has_the_token() {
        let token = TokenDigest::parse(SECRET).unwrap();
        let headers = |text: Option<&str>| -> HeaderMap {
            text.iter().map(|text| (AUTHORIZATION, HeaderValue::from_str(text).unwrap())).collect()
        };
        let status = |token: Option<&TokenDigest>, text: Option<&str>, source: &str| {
            may_read(token, &headers(text), source.parse().unwrap()).err().map(|(status, _)| status.as_u16())
        };
        for near in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(status(None, None, near), None, "{near}");
            assert_eq!(status(Some(&token), None, near), Some(401), "{near}");
        }
        for far in ["10.0.0.1", "fe80::1", "192.0.2.1"] {
            assert_eq!(status(None, Some("Bearer secret"), far), Some(403), "{far}");
            assert_eq!(status(Some(&token), Some("Bearer secret"), far), None, "{far}");
        }
        for wrong in ["secret", "Bearer", "Bearer ", "Bearer Secret", "Basic secret", "Bearer secret2"] {
            assert_eq!(status(Some(&token), Some(wrong), "127.0.0.1"), Some(401), "{wrong}");
        }
    }
}
