//! The simulated vendors over HTTPS on this machine, and for clients in the same process: transports for
//! [`assay_silicon::upstream`], which says what they answer.
//!
//! `GET /requests` says how often what was asked for, so that tests can see what a client fetches and what it has cached.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use assay_silicon::upstream::{VendorAnswer, VendorRequest, VendorService};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;

use crate::clock::Clock;
use crate::egress::{self, OutgoingRequest};
use crate::server::{HangUp, Limits, Listener, ServeError, Server, ServerCertificate, Service};

/// A platform manifest in hexadecimal has up to 112884 digits (Intel, *PCS API*, version 4).
const MAX_BODY: usize = 256 * 1024;
const BODY_TIME: Duration = Duration::from_secs(20);
/// Routes that are counted each for itself. There are 25; others are no routes.
const MAX_ROUTES: usize = 64;
const OTHER: &str = "other";
const COUNTS: &str = "/requests";

const LIMITS: Limits = Limits {
    connections: 256,
    header_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(60),
    drain_timeout: Duration::from_secs(5),
};

/// The vendors in the time of a clock, for clients in the same process.
#[derive(Clone, Debug)]
pub(crate) struct InProcess {
    vendors: Arc<VendorService>,
    clock: Clock,
}

impl InProcess {
    pub(crate) fn new(vendors: impl Into<Arc<VendorService>>, clock: Clock) -> Self {
        Self { vendors: vendors.into(), clock }
    }

    /// Answers a question whose address is a path and a query, without scheme and host; `None` if the work was interrupted.
    pub(crate) async fn send(&self, question: OutgoingRequest<'_>) -> Option<egress::Response> {
        let (path, query) = question.url.split_once('?').unwrap_or((question.url, ""));
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let request = VendorRequest {
            method: question.method.as_str().to_owned(),
            headers: question.headers.iter().map(owned).collect(),
            body: question.body.to_vec(),
            ..VendorRequest::get(path, query)
        };
        let (head, body) = sent(self.answer(request).await?).into_parts();
        Some(egress::Response { status: head.status, headers: head.headers, body })
    }

    /// Signatures and keys take from a millisecond to seconds.
    async fn answer(&self, request: VendorRequest) -> Option<VendorAnswer> {
        let (vendors, now) = (Arc::clone(&self.vendors), self.clock.now());
        tokio::task::spawn_blocking(move || vendors.answer(&request, now.0)).await.ok()
    }
}

/// The vendors, and how often each route was asked.
#[derive(Debug)]
pub struct SimulatedVendors {
    vendors: InProcess,
    counts: Mutex<BTreeMap<String, u64>>,
}

impl SimulatedVendors {
    /// The vendors in the time of this clock.
    #[must_use]
    pub fn new(vendors: impl Into<Arc<VendorService>>, clock: Clock) -> Self {
        Self { vendors: InProcess::new(vendors, clock), counts: Mutex::default() }
    }

    /// Serves until `stop` ends; running answers then have five seconds.
    ///
    /// # Errors
    /// [`ServeError::Tls`], before anything is served.
    pub async fn serve(
        self,
        listener: Listener,
        certificate: &Arc<ServerCertificate>,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        Server::secure(listener, certificate, Arc::new(self), LIMITS)?.run(stop).await;
        Ok(())
    }

    fn count(&self, route: String) {
        // A thread that panicked has left a count too low.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = counts.len() < MAX_ROUTES || counts.contains_key(&route);
        let count = counts.entry(if known { route } else { OTHER.to_owned() }).or_default();
        *count = count.saturating_add(1);
    }

    fn counts(&self) -> Response<Full<Bytes>> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        // Maps with text for names are always JSON.
        let mut response = Response::new(Full::from(serde_json::to_vec(&*counts).unwrap_or_default()));
        response.headers_mut().insert(CONTENT_TYPE, const { HeaderValue::from_static("application/json") });
        response
    }
}

impl Service for SimulatedVendors {
    async fn answer(&self, request: Request<Incoming>, _: IpAddr) -> Response<Full<Bytes>> {
        if request.uri().path() == COUNTS && request.method() == Method::GET {
            return self.counts();
        }
        let request = match received(request).await {
            Ok(request) => request,
            Err(status) => return bare(status),
        };
        self.count(request.route());
        let Some(answer) = self.vendors.answer(request).await else {
            return bare(StatusCode::INTERNAL_SERVER_ERROR);
        };
        tokio::time::sleep(Duration::from_millis(answer.delay_ms)).await;
        sent(answer).map(Full::new)
    }
}

/// The request with its whole body; the status is 413 for one that is too large or cut off, 408 for one that is too slow.
async fn received(request: Request<Incoming>) -> Result<VendorRequest, StatusCode> {
    let (head, body) = request.into_parts();
    let body = tokio::time::timeout(BODY_TIME, Limited::new(body, MAX_BODY).collect()).await;
    let body = body.map_err(|_| StatusCode::REQUEST_TIMEOUT)?.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    Ok(VendorRequest {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: headers(&head.headers),
        body: body.to_bytes().to_vec(),
    })
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn sent(answer: VendorAnswer) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    if answer.hang_up {
        response.extensions_mut().insert(HangUp);
    }
    response
}

fn bare(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
