//! Answers guests, as the metadata service of Azure does.
//!
//! Errors are JSON with one sentence. On Intel's route what can be tried again is an empty 503, because Intel's library
//! retries nothing else and puts the body of a failed attempt in front of the next one's (qcnl, `network_wrapper`).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, SERVER};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::time::Instant;

use super::document::{Pck, Vcek};
use super::keeper::{State, wait};
use crate::answer::RequestId;
use crate::clock::Clock;
use crate::limits::{Rate, RateLimiter, Source, retry_after};
use crate::log;
use crate::server::Service;
use crate::thim::answer;
use crate::thim::guard::{self, Refusal};

/// Requests of one source: a guest asks once when it starts, and some tools ask for every report.
const RATE: Rate = Rate { requests: 20, period: Duration::from_secs(1), burst: 200 };
/// How long a guest waits for a document that is being fetched; the clients of Azure wait longer.
const PATIENCE: Duration = Duration::from_secs(5);
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

const AMD: &str = "/metadata/THIM/amd/certification";
const INTEL: [&str; 2] =
    ["/metadata/THIM/sgx/certification/v3/pckcert", "/metadata/THIM/sgx/certification/v4/pckcert"];
const READY: &str = "/readyz";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Amd,
    Pckcert,
    Ready,
}

impl Route {
    /// Azure's service takes paths in any case of letters.
    fn of(path: &str) -> Option<Self> {
        match path {
            path if path.eq_ignore_ascii_case(AMD) => Some(Self::Amd),
            path if INTEL.iter().any(|known| path.eq_ignore_ascii_case(known)) => Some(Self::Pckcert),
            READY => Some(Self::Ready),
            _ => None,
        }
    }

    /// As the log has it.
    const fn label(self) -> &'static str {
        match self {
            Self::Amd => AMD,
            Self::Pckcert => "/metadata/THIM/sgx/certification/{version}/pckcert",
            Self::Ready => READY,
        }
    }
}

/// What becomes a response.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    body: Bytes,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log.
    reason: Option<&'static str>,
}

impl Answer {
    const fn good(body: Bytes) -> Self {
        Self { status: StatusCode::OK, body, headers: Vec::new(), reason: None }
    }

    fn problem(status: StatusCode, reason: &'static str, sentence: &str) -> Self {
        Self { status, body: answer::error(sentence), headers: Vec::new(), reason: Some(reason) }
    }

    fn later(self, wait: Duration) -> Self {
        self.with(RETRY_AFTER, HeaderValue::from(retry_after(wait)))
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::problem(StatusCode::BAD_REQUEST, refusal.code(), &refusal.to_string())
    }
}

/// Answers every request of the agent's listener.
pub(super) struct Front {
    own: SocketAddr,
    clock: Clock,
    vcek: Option<watch::Receiver<State<Vcek>>>,
    pck: Option<watch::Receiver<State<Pck>>>,
    sources: RateLimiter<Source>,
    started: Instant,
}

impl Front {
    /// A front at this address. A document without a keeper is not this machine's.
    pub(super) fn new(
        own: SocketAddr,
        clock: Clock,
        vcek: Option<watch::Receiver<State<Vcek>>>,
        pck: Option<watch::Receiver<State<Pck>>>,
    ) -> Self {
        Self { own, clock, vcek, pck, sources: RateLimiter::new(RATE), started: Instant::now() }
    }

    async fn judge(&self, parts: &Parts, source: IpAddr) -> Answer {
        let route = Route::of(parts.uri.path());
        let now = Instant::now().saturating_duration_since(self.started);
        if let Err(wait) = self.sources.take(Source::from(source), now) {
            return too_many(route, wait);
        }
        if let Err(refusal) =
            guard::check_direct(&parts.headers).and_then(|()| guard::check_host(parts, self.own))
        {
            return refusal.into();
        }
        if route == Some(Route::Ready) {
            return self.readiness(parts, source);
        }
        if let Err(refusal) = guard::check_metadata(&parts.headers) {
            return refusal.into();
        }
        let Some(route) = route else {
            return Answer::problem(StatusCode::NOT_FOUND, "route-unknown", "Not found");
        };
        if parts.method != Method::GET {
            return method_not_allowed();
        }
        match route {
            Route::Amd => self.amd().await,
            Route::Pckcert => self.pckcert(parts.uri.query().unwrap_or_default()).await,
            Route::Ready => self.readiness(parts, source),
        }
    }

    async fn amd(&self) -> Answer {
        let Some(vcek) = &self.vcek else {
            let sentence = "Not found. This machine has no SEV-SNP certificate";
            return Answer::problem(StatusCode::NOT_FOUND, "thim-no-snp", sentence);
        };
        match wait(vcek, PATIENCE).await {
            Ok(held) => Answer::good(held.document.answer(self.clock.now()).to_json()),
            Err(wait) => {
                let sentence = "The certificate is not available yet. Try again later";
                let answer = Answer::problem(StatusCode::SERVICE_UNAVAILABLE, "thim-not-available", sentence);
                answer.later(wait)
            }
        }
    }

    async fn pckcert(&self, query: &str) -> Answer {
        let Some(pck) = &self.pck else {
            let sentence = "Not found. This machine has no SGX certificate";
            return Answer::problem(StatusCode::NOT_FOUND, "thim-no-sgx", sentence);
        };
        let held = match wait(pck, PATIENCE).await {
            Ok(held) => held,
            Err(wait) => return empty_unavailable("thim-not-available", wait),
        };
        if !held.identity.is_meant_by(query) {
            let sentence = "Not found. The query must name the QE ID and the TCB of this machine";
            return Answer::problem(StatusCode::NOT_FOUND, "thim-other-platform", sentence);
        }
        let (certification, seconds) = held.document.answer(self.clock.now());
        let mut answer = Answer::good(certification.to_json());
        answer.headers = certification.headers();
        match HeaderValue::try_from(format!("max-age={seconds}")) {
            Ok(age) => answer.with(CACHE_CONTROL, age),
            Err(_) => answer,
        }
    }

    /// Only this machine may ask.
    fn readiness(&self, parts: &Parts, source: IpAddr) -> Answer {
        let source = source.to_canonical();
        if !source.is_loopback() && source != self.own.ip().to_canonical() {
            return Answer::problem(StatusCode::NOT_FOUND, "route-unknown", "Not found");
        }
        if parts.method != Method::GET {
            return method_not_allowed();
        }
        if is_ready(self.vcek.as_ref()) && is_ready(self.pck.as_ref()) {
            return Answer::good(Bytes::from_static(b"{\"status\":\"ready\"}"));
        }
        let sentence = "Not every certificate is there yet";
        Answer::problem(StatusCode::SERVICE_UNAVAILABLE, "not-ready", sentence)
    }
}

fn is_ready<D: super::document::Document>(state: Option<&watch::Receiver<State<D>>>) -> bool {
    state.is_none_or(|state| matches!(*state.borrow(), State::Ready(_)))
}

fn method_not_allowed() -> Answer {
    let answer = Answer::problem(StatusCode::METHOD_NOT_ALLOWED, "method", "Method not allowed. Use GET");
    answer.with(ALLOW, HeaderValue::from_static("GET"))
}

fn too_many(route: Option<Route>, wait: Duration) -> Answer {
    match route {
        Some(Route::Pckcert) => empty_unavailable("rate", wait),
        _ => {
            let sentence = "Too many requests. Try again later";
            Answer::problem(StatusCode::TOO_MANY_REQUESTS, "rate", sentence).later(wait)
        }
    }
}

fn empty_unavailable(reason: &'static str, wait: Duration) -> Answer {
    let (status, body) = (StatusCode::SERVICE_UNAVAILABLE, Bytes::new());
    Answer { status, body, headers: Vec::new(), reason: Some(reason) }.later(wait)
}

impl Service for Front {
    async fn answer(&self, request: Request<Incoming>, source: IpAddr) -> Response<Full<Bytes>> {
        let begun = Instant::now();
        let (parts, _) = request.into_parts();
        let id = RequestId::of(&parts.headers);
        let answer = self.judge(&parts, source).await;
        let micros = Instant::now().saturating_duration_since(begun).as_micros();
        log::request(&log::RequestLine {
            method: parts.method.as_str(),
            route: Route::of(parts.uri.path()).map(Route::label),
            provider: None,
            kind: None,
            outcome: None,
            status: answer.status,
            code: None,
            reason: answer.reason,
            id: id.as_str(),
            micros: u64::try_from(micros).unwrap_or(u64::MAX),
        });
        respond(answer, &id)
    }
}

fn respond(answer: Answer, id: &RequestId) -> Response<Full<Bytes>> {
    let has_body = !answer.body.is_empty();
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(SERVER, const { HeaderValue::from_static("assay") });
    if has_body {
        headers.insert(CONTENT_TYPE, JSON);
    }
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    headers.extend(answer.headers);
    response
}
