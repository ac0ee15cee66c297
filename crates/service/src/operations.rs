//! The operators' listener: `/healthz`, `/readyz` and `/metrics`, away from everything that strangers can reach.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::front::Front;
use crate::server::Service;

const TEXT: &str = "text/plain; charset=utf-8";
/// What Prometheus asks for of pages in the OpenMetrics form.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers for operators.
#[derive(Debug)]
pub(crate) struct Operations(pub(crate) Arc<Front>);

impl Service for Operations {
    async fn answer(&self, request: Request<Incoming>, _: IpAddr) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return page(StatusCode::METHOD_NOT_ALLOWED, TEXT, "use GET\n");
        }
        match request.uri().path() {
            // The process runs and answers: all that a restart could better.
            "/healthz" => page(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" if self.0.is_ready() => page(StatusCode::OK, TEXT, "ready\n"),
            "/readyz" => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "not ready\n"),
            "/metrics" => page(StatusCode::OK, METRICS, self.0.metrics.page(&self.0.app)),
            _ => page(StatusCode::NOT_FOUND, TEXT, "there are /healthz, /readyz and /metrics\n"),
        }
    }
}

fn page(status: StatusCode, content_type: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
