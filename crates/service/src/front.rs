//! The front door: what happens to every request before and after its handler.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use assay_appraisal::AttestationType;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use tokio::time::Instant;

use crate::answer::{Answer, RequestId, respond};
use crate::app::App;
use crate::auth::{AuthError, Caller, Permission, Principal};
use crate::identity::{self, Reply};
use crate::limits::{ProcessorBudget, Rate, RateLimiter, Share, Shares, Source, retry_after};
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::registry::ProviderSnapshot;
use crate::router::{self, Endpoint, Matched, NoRoute, Route, Scope};
use crate::server::Service;
use crate::upstream::Asker;
use crate::{body, log, maa, v1};

/// One provider gets as much as this many sources: a crowd at one does not starve the others.
const SOURCES_PER_PROVIDER: u32 = 50;
/// Bytes that somebody unknown may send to be attested: real requests have 10 to 100 KiB.
const ANONYMOUS_BODY: usize = 1024 * 1024;
/// Questions whether the service is ready, for each source: whoever balances load asks all the time.
const READINESS: Rate = Rate { requests: 200, period: Duration::from_secs(1), burst: 1000 };
/// Attestations at once for each core: they wait for the disk together.
const ATTESTATIONS_PER_CORE: usize = 64;

/// Answers every request of the main listener.
pub(crate) struct Front {
    pub(crate) app: Arc<App>,
    pub(crate) metrics: Metrics,
    pub(crate) processor: ProcessorBudget,
    bodies: Arc<Shares>,
    sources: RateLimiter<Source>,
    readiness: RateLimiter<Source>,
    drafts: RateLimiter<Source>,
    challenges: RateLimiter<Source>,
    providers: RateLimiter<u64>,
    hasher: RandomState,
    started: Instant,
    stopping: AtomicBool,
}

impl fmt::Debug for Front {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Front").field("stopping", &self.stopping).finish_non_exhaustive()
    }
}

/// What handlers get.
pub(crate) struct Exchange<'a> {
    pub(crate) front: &'a Front,
    pub(crate) app: &'a App,
    pub(crate) parts: &'a Parts,
    pub(crate) parameters: [Option<Cow<'a, str>>; 2],
    pub(crate) source: Source,
    body: &'a mut Incoming,
    /// The body's memory, as long as it is worked on.
    share: Share,
    /// Whether everybody may send a body here.
    anonymous: bool,
    outcome: &'a OnceLock<&'static str>,
}

/// What is known of a request when it is answered.
#[derive(Default)]
struct Seen {
    route: Option<&'static Route>,
    provider: Option<Arc<ProviderSnapshot>>,
    /// The kind of evidence, on the attest route.
    kind: Option<AttestationType>,
    /// What was decided about it.
    outcome: OnceLock<&'static str>,
}

impl Seen {
    /// What a path tells, before anything can go wrong: whoever is turned away is counted and logged under the route.
    fn note(&mut self, found: &Matched<'_>) {
        self.route = Some(found.route);
        if found.route.endpoint == Endpoint::Attest
            && let [Some(name), _] = &found.parameters
        {
            self.kind = AttestationType::from_name(name);
        }
    }
}

impl Front {
    /// A front door for this service.
    #[must_use]
    pub(crate) fn new(app: Arc<App>) -> Self {
        let limits = &app.config.limits;
        let second = Duration::from_secs(1);
        let rate =
            Rate { requests: limits.requests_per_second_per_source, period: second, burst: limits.burst };
        let drafts = limits.drafts_per_minute_per_source;
        let drafts = Rate { requests: drafts, period: second.saturating_mul(60), burst: drafts };
        let crowd = Rate {
            requests: rate.requests.saturating_mul(SOURCES_PER_PROVIDER),
            burst: rate.burst.saturating_mul(SOURCES_PER_PROVIDER),
            ..rate
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            metrics: Metrics::default(),
            processor: ProcessorBudget::new(cores.saturating_mul(ATTESTATIONS_PER_CORE)),
            bodies: body::memory(limits.body_bytes, app.config.plain_http),
            sources: RateLimiter::new(rate),
            readiness: RateLimiter::new(READINESS),
            drafts: RateLimiter::new(drafts),
            challenges: RateLimiter::new(rate),
            providers: RateLimiter::new(crowd),
            hasher: RandomState::new(),
            started: Instant::now(),
            stopping: AtomicBool::new(false),
            app,
        }
    }

    /// Whether requests are welcome.
    pub(crate) fn is_ready(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed) && self.app.is_ready()
    }

    /// From now on the service says that it is not ready.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    async fn dispatch(
        &self,
        parts: &Parts,
        body: &mut Incoming,
        source: Source,
        seen: &mut Seen,
    ) -> Result<Answer, Problem> {
        let found = router::find(&parts.method, parts.uri.path());
        if let Ok(found) = &found {
            seen.note(found);
        }
        // Whoever asks for attestations from the same address does not make the service look as if it were down.
        let readiness = found.as_ref().is_ok_and(|found| found.route.endpoint == Endpoint::Ready);
        let limiter = if readiness { &self.readiness } else { &self.sources };
        self.take(limiter, source, "from this address")?;
        check_head(parts)?;
        if readiness {
            return v1::ready(self);
        }
        let Matched { route, prefix, parameters } = found.map_err(no_route)?;
        let share = self.bodies.share(source);
        let anonymous = route.endpoint == Endpoint::Attest;
        let (app, outcome) = (&*self.app, &seen.outcome);
        let exchange =
            Exchange { front: self, app, parts, parameters, source, body, share, anonymous, outcome };
        match route.scope {
            Scope::Service => v1::service(route.endpoint, exchange).await,
            Scope::Provider => {
                let provider = self.provider(parts, prefix.as_deref())?;
                seen.provider = Some(Arc::clone(&provider));
                let key = self.hasher.hash_one(provider.id.as_str());
                self.take(&self.providers, key, "for this provider")?;
                if route.versioned {
                    maa::check_version(parts.uri.query())?;
                }
                match route.endpoint {
                    Endpoint::Appraise => v1::appraise(exchange, &provider).await,
                    endpoint => maa::answer(endpoint, exchange, &provider).await,
                }
            }
        }
    }

    /// The vendors' routes have answers of their own kind: too many requests are an empty 503, which their clients retry.
    async fn vendors_route(
        &self,
        parts: &Parts,
        path: identity::Path<'_>,
        source: Source,
        body: &mut Incoming,
    ) -> Reply {
        if self.take(&self.sources, source, "from this address").is_err() {
            return Reply::passing();
        }
        let mut share = self.bodies.share(source);
        let body = match path.takes_body() && parts.method == http::Method::POST {
            true => {
                let time = Duration::from_secs(self.app.config.limits.body_timeout_seconds.into());
                match body::read(body, identity::MAX_BODY, time, &mut share).await {
                    Ok(body) => Some(body),
                    Err(problem) if problem.status == StatusCode::PAYLOAD_TOO_LARGE => None,
                    // It came too slowly, broke off, or there is no room for it now.
                    Err(_) => return Reply::passing(),
                }
            }
            false => None,
        };
        let asked = identity::Asked {
            body,
            method: &parts.method,
            path,
            query: parts.uri.query(),
            headers: &parts.headers,
            asker: Asker::Stranger(source),
        };
        if path.is_amds() {
            self.app.look_for_silicon();
        }
        identity::answer(&self.app.identity, asked).await
    }

    fn record_vendors_route(
        &self,
        parts: &Parts,
        route: Option<&'static str>,
        reply: &Reply,
        id: &RequestId,
        since: Instant,
    ) {
        let took = Instant::now().saturating_duration_since(since);
        self.metrics.request(route, reply.status.as_u16(), took.as_secs_f64());
        log::request(&log::RequestLine {
            method: parts.method.as_str(),
            route,
            provider: None,
            kind: None,
            outcome: None,
            status: reply.status,
            code: None,
            reason: None,
            id: id.as_str(),
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        });
    }

    fn take<K: Copy + Eq + std::hash::Hash>(
        &self,
        limiter: &RateLimiter<K>,
        key: K,
        whose: &str,
    ) -> Result<(), Problem> {
        let now = Instant::now().saturating_duration_since(self.started);
        limiter.take(key, now).map_err(|wait| Problem::too_many(whose, retry_after(wait)))
    }

    /// The provider that host and path name together. An unknown one is never the default.
    fn provider(&self, parts: &Parts, prefix: Option<&str>) -> Result<Arc<ProviderSnapshot>, Problem> {
        let registry = &self.app.registry;
        let name = match (self.host_label(parts)?, prefix) {
            (Some(host), Some(prefix)) if !host.eq_ignore_ascii_case(prefix) => return Err(misdirected()),
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => {
                return registry.default_provider().ok_or_else(|| {
                    let message =
                        "There is no default provider. Name one: `/providers/{name}` before the path.";
                    Problem::not_found("provider-unknown", message)
                });
            }
        };
        registry.provider(name).ok_or_else(unknown_provider)
    }

    /// The label in front of the service's domain, if the request's host has one.
    fn host_label<'p>(&self, parts: &'p Parts) -> Result<Option<&'p str>, Problem> {
        let Some(domain) = &self.app.config.service_domain else { return Ok(None) };
        let header = || parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let Some(host) = parts.uri.authority().map(http::uri::Authority::as_str).or_else(header) else {
            return Ok(None);
        };
        let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
        // A name with its root is the same name (RFC 1034, section 3.1).
        let host = host.strip_suffix('.').unwrap_or(host);
        let Some(end) = host.len().checked_sub(domain.len()) else { return Ok(None) };
        match host.split_at_checked(end) {
            Some((label, tail)) if tail.eq_ignore_ascii_case(domain) => match label.strip_suffix('.') {
                Some(label) if label.contains('.') => Err(unknown_provider()),
                label => Ok(label),
            },
            _ => Ok(None),
        }
    }

    fn record(
        &self,
        parts: &Parts,
        seen: &Seen,
        result: &Result<Answer, Problem>,
        id: &RequestId,
        since: Instant,
    ) {
        let took = Instant::now().saturating_duration_since(since);
        let (status, problem) = match result {
            Ok(answer) => (answer.status, None),
            Err(problem) => (problem.status, Some(problem)),
        };
        let route = seen.route.map(|route| route.path);
        self.metrics.request(route, status.as_u16(), took.as_secs_f64());
        log::request(&log::RequestLine {
            method: parts.method.as_str(),
            route,
            provider: seen.provider.as_ref().map(|provider| provider.id.as_str()),
            kind: seen.kind.map(AttestationType::as_str),
            outcome: seen.outcome.get().copied(),
            status,
            code: problem.map(|problem| problem.code),
            reason: problem.and_then(|problem| problem.reason),
            id: id.as_str(),
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        });
    }
}

impl Service for Front {
    async fn answer(&self, request: Request<Incoming>, source: IpAddr) -> Response<Full<Bytes>> {
        let since = Instant::now();
        let (parts, mut body) = request.into_parts();
        let id = RequestId::of(&parts.headers);
        let source = Source::from(source);
        if let Some(path) = identity::find(parts.uri.path()) {
            let reply = self.vendors_route(&parts, path, source, &mut body).await;
            self.record_vendors_route(&parts, path.label(), &reply, &id, since);
            if !body.is_end_stream() && !parts.headers.contains_key(EXPECT) {
                body::discard(body);
            }
            return for_method(&parts.method, reply.into_response(id.as_str()));
        }
        let mut seen = Seen::default();
        let result = self.dispatch(&parts, &mut body, source, &mut seen).await;
        self.record(&parts, &seen, &result, &id, since);
        // Who waits for `100 Continue` has sent nothing yet; who was too slow is not waited for.
        let slow = result.as_ref().is_err_and(|problem| problem.status == StatusCode::REQUEST_TIMEOUT);
        if !body.is_end_stream() && !slow && !parts.headers.contains_key(EXPECT) {
            body::discard(body);
        }
        for_method(&parts.method, respond(result, id, parts.version))
    }
}

/// Without the body where the head alone was asked for: over HTTP/2 nobody else leaves it out (RFC 9110, section 9.3.2).
fn for_method(method: &Method, mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    if *method == Method::HEAD {
        if let Some(length) = response.body().size_hint().exact() {
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        *response.body_mut() = Full::default();
    }
    response
}

impl Exchange<'_> {
    /// The whole body.
    pub(crate) async fn body(&mut self) -> Result<Bytes, Problem> {
        let limit = self.body_limit().await;
        let time = Duration::from_secs(self.app.config.limits.body_timeout_seconds.into());
        body::read(self.body, limit, time, &mut self.share).await
    }

    /// Who is calling is looked at only if it matters.
    async fn body_limit(&self) -> usize {
        let limit = self.app.config.limits.body_bytes;
        let small = body::announced(self.body).is_some_and(|length| length <= ANONYMOUS_BODY);
        if !self.anonymous || small || matches!(self.caller().await, Caller::Bearer(_)) {
            return limit;
        }
        limit.min(ANONYMOUS_BODY)
    }

    /// What an attestation came to, for the log.
    pub(crate) fn tell_outcome(&self, outcome: &'static str) {
        // It is told once.
        let _ = self.outcome.set(outcome);
    }

    /// The parameter of the path at this place; routes have as many as their handlers ask for.
    pub(crate) fn parameter(&self, place: usize) -> &str {
        self.parameters.get(place).and_then(Option::as_deref).unwrap_or_default()
    }

    /// Who is calling, as far as it is known; a bad token is an anonymous caller, as on Azure's anonymous routes.
    pub(crate) async fn caller(&self) -> Caller {
        self.authenticate().await.unwrap_or(Caller::Anonymous)
    }

    /// Who is calling, if that is somebody who may do this with the provider; `*` asks for all providers.
    ///
    /// # Errors
    /// 401 in every other case, also for a good token without the role.
    pub(crate) async fn require(&self, provider: &str, permission: Permission) -> Result<Principal, Problem> {
        let caller = self.identified().await?;
        let may = self.app.auth.may(&caller, provider, permission);
        match caller {
            Caller::Bearer(principal) if may => Ok(principal),
            Caller::Bearer(_) => Err(Problem::unauthorized(
                "Bearer error=\"insufficient_scope\"",
                format!(
                    "The bearer token has no role that allows this. It needs one that grants `{}`.",
                    permission.needs().as_str()
                ),
            )),
            Caller::Anonymous => Err(bearer_needed()),
        }
    }

    /// Who is calling.
    ///
    /// # Errors
    /// 401 for a bad token.
    pub(crate) async fn identified(&self) -> Result<Caller, Problem> {
        self.authenticate().await.map_err(bad_token)
    }

    async fn authenticate(&self) -> Result<Caller, AuthError> {
        let header = self.parts.headers.get(AUTHORIZATION);
        self.app.auth.authenticate(header, self.app.clock.now()).await
    }

    /// Takes from the budget for draft policies.
    pub(crate) fn take_draft(&self) -> Result<(), Problem> {
        self.front.take(&self.front.drafts, self.source, "with draft policies from this address")
    }

    /// Takes from the budget for challenges.
    pub(crate) fn take_challenge(&self) -> Result<(), Problem> {
        self.front.take(&self.front.challenges, self.source, "for challenges from this address")
    }
}

/// 401 for a caller who sent no token.
pub(crate) fn bearer_needed() -> Problem {
    let message = "This route needs a bearer token. Send it as `Authorization: Bearer <token>`.";
    Problem::unauthorized("Bearer", message)
}

fn bad_token(error: AuthError) -> Problem {
    if error == AuthError::Unavailable {
        let message = "The keys of the token's issuer cannot be fetched now. Try again in a moment.";
        return Problem::unavailable("issuer-unavailable", message);
    }
    let message = format!(
        "The bearer token is refused: {error}. Send a valid one from an issuer this service accepts."
    );
    Problem::unauthorized(error.challenge(), message)
}

/// Heads that another program on the way may read otherwise than this one are refused.
fn check_head(parts: &Parts) -> Result<(), Problem> {
    let count = |name| parts.headers.get_all(name).iter().count();
    let hosts = count(HOST);
    // RFC 9112, section 3.2. HTTP/2 has `:authority` in its place.
    if hosts > 1 || (hosts == 0 && parts.version == Version::HTTP_11) {
        let message = "The request has no Host header, or more than one. Send one.";
        return Err(Problem::invalid_parameter("host-header", message));
    }
    if count(AUTHORIZATION) > 1 {
        return Err(bad_token(AuthError::Header));
    }
    let mut codings = parts.headers.get_all(CONTENT_ENCODING).iter();
    if codings.all(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    let message = "The body has a content coding, and this service takes none. Send it as it is.";
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Err(Problem::new(status, "UnsupportedMediaType", message).because("content-encoding"))
}

fn no_route(problem: NoRoute) -> Problem {
    match problem {
        NoRoute::Method(allow) => Problem::method_not_allowed(allow),
        NoRoute::Path => Problem::not_found(
            "route-unknown",
            "There is no such route. `/openapi.json` describes all of them.",
        ),
    }
}

pub(crate) fn unknown_provider() -> Problem {
    Problem::not_found(
        "provider-unknown",
        "There is no such provider. Check its name, or ask the operator for it.",
    )
}

/// 421, as the answer would be that of another provider than one of the two names.
fn misdirected() -> Problem {
    let message = "The host names another provider than the path. Use one of the two alone.";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "MisdirectedRequest", message)
        .because("provider-contradiction")
}
