//! What stands between the service and one upstream: it is asked once for equal questions, no more often than it bears,
//! again when it failed in passing, and not at all while it is broken.
//!
//! Each part is a state machine of its own that is given the time.

mod backoff;
mod breaker;
mod bucket;
mod fingerprint;
mod unknown;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use assay_collateral::upstream::{Fetched, Upstream, UpstreamError, Wanted};
use tokio::time::Instant;

pub use breaker::BreakerState;

use super::counters::UpstreamCounters;
use crate::flight::Flights;
use crate::limits::{Rate, RateLimiter, Source};
use crate::random;
use breaker::Breaker;
use bucket::Bucket;
use fingerprint::{Fingerprint, Salt};
use unknown::UnknownMemory;

/// The longest wait within one question; an upstream that asks for more is left alone meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How long an upstream is left alone that does not say how long.
const DEFAULT_PAUSE: Duration = Duration::from_secs(30);

/// On whose behalf an upstream is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// The service itself, an operator, or a platform that is registered.
    Own,
    /// Anybody, and where the request came from: strangers have half of the questions, one source half of what flows in, and
    /// what goes wrong for them closes nothing for the others.
    Stranger(Source),
}

/// Who answers for questions: those of all strangers are one in everything but their budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    Own,
    Stranger,
}

impl Asker {
    pub(crate) const fn standing(self) -> Standing {
        match self {
            Self::Own => Standing::Own,
            Self::Stranger(_) => Standing::Stranger,
        }
    }

    /// Whether it is anybody.
    pub(crate) const fn is_stranger(self) -> bool {
        matches!(self, Self::Stranger(_))
    }
}

impl Standing {
    /// How many questions may be under way before one more is turned away.
    const fn most_under_way(self) -> usize {
        match self {
            Self::Own => MOST_UNDER_WAY,
            Self::Stranger => MOST_UNDER_WAY / 2,
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Own => Self::Stranger,
            Self::Stranger => Self::Own,
        }
    }
}

/// One upstream at this moment.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamState<'a> {
    /// What is counted, and its name.
    pub counters: &'a UpstreamCounters,
    /// Whether the service's own questions are asked.
    pub breaker: BreakerState,
    /// Whether those of strangers are.
    pub breaker_of_strangers: BreakerState,
    /// How many questions could be asked at once; nothing without a limit.
    pub questions_left: Option<u64>,
    /// How long it is still left alone because it said so; zero if it did not.
    pub throttled_for: Duration,
}

/// Bounds for one upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// For one attempt.
    pub timeout: Duration,
    /// Attempts after the first one.
    pub retries: u32,
    /// Time in which one more question may be asked; zero for no limit.
    pub interval: Duration,
    /// Questions at once.
    pub burst: u32,
    /// Whether it is left alone when it fails, and not asked again at once for what it does not know. Files are neither
    /// tired by questions nor gone for long.
    pub is_remote: bool,
}

/// Questions under way at once: what waits beyond this would only wait.
const MOST_UNDER_WAY: usize = 256;

type Outcome = Result<Fetched, UpstreamError>;

/// One upstream, guarded.
#[derive(Debug)]
pub struct Guarded {
    shared: Arc<Shared>,
    flights: Flights<(Fingerprint, Standing), Outcome>,
}

struct Shared {
    upstream: Box<dyn Upstream>,
    bounds: Bounds,
    counters: Arc<UpstreamCounters>,
    gates: Mutex<Gates>,
    sources: RateLimiter<Source>,
    salt: Salt,
    started: Instant,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shape = f.debug_struct("Shared");
        shape.field("upstream", &self.upstream).field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

/// What decides whether a question is asked.
struct Gates {
    bucket: Bucket,
    own: Breaker,
    strangers: Breaker,
    unknown: UnknownMemory,
}

impl Guarded {
    /// Guards an upstream.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn new(upstream: Box<dyn Upstream>, bounds: Bounds) -> Result<Self, random::NoRandomness> {
        let gates = Gates {
            bucket: Bucket::new(bounds.interval, bounds.burst),
            own: Breaker::default(),
            strangers: Breaker::default(),
            unknown: UnknownMemory::default(),
        };
        let shared = Shared {
            counters: Arc::new(UpstreamCounters::new(upstream.name())),
            upstream,
            bounds,
            gates: Mutex::new(gates),
            sources: RateLimiter::new(share_of_a_source(&bounds)),
            salt: Salt(random::bytes()?),
            started: Instant::now(),
        };
        Ok(Self { shared: Arc::new(shared), flights: Flights::default() })
    }

    /// Whether it is asked over a network.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.shared.bounds.is_remote
    }

    /// The name of the upstream.
    #[must_use]
    pub fn name(&self) -> &str {
        self.shared.upstream.name()
    }

    /// What is wrong with the upstream that no answer says.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.shared.upstream.problem()
    }

    /// What is counted.
    #[must_use]
    pub fn counters(&self) -> &UpstreamCounters {
        &self.shared.counters
    }

    /// What is counted, and what is thought of the upstream now.
    #[must_use]
    pub fn state(&self) -> UpstreamState<'_> {
        let (now, gates) = (self.shared.now(), self.shared.gates());
        UpstreamState {
            counters: &self.shared.counters,
            breaker: gates.own.state(now),
            breaker_of_strangers: gates.strangers.state(now),
            questions_left: gates.bucket.left(now),
            throttled_for: gates.own.paused_for(now),
        }
    }

    /// Asks, or waits with those who asked the same. A caller that stops waiting stops nobody else.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn ask(&self, wanted: &Wanted, asker: Asker) -> Result<Fetched, UpstreamError> {
        if !self.shared.upstream.offers(wanted) {
            return Err(UpstreamError::NotOffered);
        }
        let _waiting = self.shared.counters.wait();
        let question = self.shared.salt.of(wanted);
        let standing = asker.standing();
        // Whoever has less may have been turned away where the other is not.
        if let Some(others) = self.flights.find(&(question, standing.other())) {
            let answer = landed(others.wait().await);
            if !matches!(answer, Err(UpstreamError::NotAsked { .. })) {
                return answer;
            }
        }
        let shared = &self.shared;
        let work = || Arc::clone(shared).fetch(wanted.clone(), question, asker);
        match self.flights.join((question, standing), standing.most_under_way(), work) {
            Some(waiter) => landed(waiter.wait().await),
            None => Err(shared.turned_away("too many questions are under way")),
        }
    }
}

fn landed(answer: Option<Outcome>) -> Outcome {
    let lost = || UpstreamError::Unavailable { problem: "the question was lost in this service".to_owned() };
    answer.unwrap_or_else(|| Err(lost()))
}

impl Shared {
    fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.started)
    }

    fn gates(&self) -> MutexGuard<'_, Gates> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turned_away(&self, reason: &'static str) -> UpstreamError {
        let error = UpstreamError::NotAsked { reason };
        self.counters.failed(error.code());
        error
    }

    /// Asks until there is an answer, or no hope of one.
    async fn fetch(self: Arc<Self>, wanted: Wanted, question: Fingerprint, asker: Asker) -> Outcome {
        if let Some(known) = self.gates().unknown.find(question, self.now()) {
            return Err(known);
        }
        let mut failures: u32 = 0;
        let mut last = None;
        loop {
            if let Err(turned_away) = self.enter(asker).await {
                // Why the first attempt failed says more than why there is no second one.
                return Err(last.unwrap_or(turned_away));
            }
            let answer = self.attempt(&wanted).await;
            self.note(&answer, &wanted, question, asker);
            let Err(error) = answer else { return answer };
            failures = failures.saturating_add(1);
            match self.wait_before_retry(&error, failures) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(error),
            }
            last = Some(error);
        }
    }

    /// Waits for a turn. Strangers do not wait: their questions would pile up.
    async fn enter(&self, asker: Asker) -> Result<(), UpstreamError> {
        const SPENT: &str = "this service has spent its questions";
        let give_up = self.now().saturating_add(self.bounds.timeout);
        if let Asker::Stranger(source) = asker
            && self.sources.take(source, self.now()).is_err()
        {
            return Err(self.turned_away("this source has spent its share of the questions"));
        }
        loop {
            let wait = match self.gates().enter(asker.standing(), self.now()) {
                Ok(()) => return Ok(()),
                Err(Refusal::Wait(wait)) => wait,
                Err(Refusal::LeftAlone(reason)) => return Err(self.turned_away(reason)),
            };
            if asker.is_stranger() || self.now().saturating_add(wait) > give_up {
                return Err(self.turned_away(SPENT));
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(&self, wanted: &Wanted) -> Outcome {
        self.counters.asked.increment();
        let timeout = self.bounds.timeout;
        let late = |_| {
            let problem = format!("it did not answer within {} seconds", timeout.as_secs());
            Err(UpstreamError::Unavailable { problem })
        };
        tokio::time::timeout(timeout, self.upstream.fetch(wanted)).await.unwrap_or_else(late)
    }

    /// Keeps what an answer teaches about the upstream.
    fn note(&self, answer: &Outcome, wanted: &Wanted, question: Fingerprint, asker: Asker) {
        match answer {
            Ok(_) => self.counters.answered.increment(),
            Err(error) => {
                self.counters.failed(error.code());
                let (upstream, code, about) = (self.upstream.name(), error.code(), label(wanted));
                tracing::debug!(upstream, code, about, %error, "upstream gave nothing");
            }
        }
        if !self.bounds.is_remote {
            return;
        }
        let now = self.now();
        let mut gates = self.gates();
        match answer {
            // What is gone does not come back.
            Err(
                error @ (UpstreamError::Unknown { .. } | UpstreamError::NotOffered | UpstreamError::Gone),
            ) => {
                gates.unknown.remember(question, error.clone(), now);
                gates.answered();
            }
            Err(UpstreamError::Throttled { retry_after }) => {
                gates.answered();
                gates.pause(now.saturating_add(retry_after.unwrap_or(DEFAULT_PAUSE)));
            }
            Err(UpstreamError::Unavailable { .. } | UpstreamError::BadAnswer { .. }) => {
                gates.failed(asker.standing(), now);
            }
            _ => gates.answered(),
        }
    }

    /// How long to wait before the next attempt, if there is to be one.
    fn wait_before_retry(&self, error: &UpstreamError, failures: u32) -> Option<Duration> {
        if failures > self.bounds.retries || !error.is_passing() {
            return None;
        }
        if let UpstreamError::Throttled { retry_after } = error {
            return retry_after.filter(|wait| *wait <= LONGEST_WAIT);
        }
        // Without randomness, everybody waits the longest.
        let chance = random::bytes().map_or(u16::MAX, u16::from_le_bytes);
        Some(backoff::delay(failures, chance))
    }
}

/// As much at once as all strangers have, so that one new verifier gets everything for a new platform; in the long run half of
/// what flows in, so that whoever asks for random chips leaves the other half to the others.
fn share_of_a_source(bounds: &Bounds) -> Rate {
    Rate { requests: 1, period: bounds.interval.saturating_mul(2), burst: bounds.burst.div_euclid(2).max(1) }
}

/// Somebody, by the last part of an address.
#[cfg(test)]
pub(crate) fn stranger(number: u8) -> Asker {
    Asker::Stranger(Source::from(std::net::IpAddr::from([192, 0, 2, number])))
}

/// Why a question is not asked now.
enum Refusal {
    /// There is a turn after this time.
    Wait(Duration),
    /// Nobody asks.
    LeftAlone(&'static str),
}

impl Gates {
    /// A question is counted only if it is asked, so the breaker is looked at before the bucket.
    fn enter(&mut self, asker: Standing, now: Duration) -> Result<(), Refusal> {
        if let Some(reason) = self.breaker(asker).refusal(now) {
            return Err(Refusal::LeftAlone(reason));
        }
        self.bucket.take(asker, now).map_err(Refusal::Wait)?;
        self.breaker(asker).enter(now);
        Ok(())
    }

    const fn breaker(&mut self, asker: Standing) -> &mut Breaker {
        match asker {
            Standing::Own => &mut self.own,
            Standing::Stranger => &mut self.strangers,
        }
    }

    fn answered(&mut self) {
        self.own.answered();
        self.strangers.answered();
    }

    /// A question of a stranger may be made to fail, so that it closes the way for strangers alone.
    fn failed(&mut self, asker: Standing, now: Duration) {
        self.strangers.failed(now);
        if asker == Standing::Own {
            self.own.failed(now);
        }
    }

    fn pause(&mut self, until: Duration) {
        self.own.pause(until);
        self.strangers.pause(until);
    }
}

/// What a question is about, for the log: never which platform.
fn label(wanted: &Wanted) -> String {
    match wanted {
        Wanted::Document(subject, _) => subject.path(),
        Wanted::Families => "intel/families".to_owned(),
        Wanted::Pcks(_) => "intel/pck".to_owned(),
        Wanted::Registration(_) => "intel/registration".to_owned(),
        Wanted::Vcek(name) => format!("amd/vcek/{}", name.product.as_str()),
    }
}

#[cfg(test)]
mod tests;
