//! The hardware identity service: what it holds, whom it asks, and which evaluation counts.
//!
//! Names of upstreams and providers are the operator's; kinds, states and codes are fixed. Nothing names a machine.

use assay_collateral::state::State;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::app::App;
use crate::upstream::{BreakerState, UpstreamState};

/// The label of what counts for every provider without pins of its own.
const FLEET: &str = "*";

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct StateLabels {
    state: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct DocumentLabels {
    subject: String,
    number: u32,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct UpstreamLabels {
    upstream: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct BreakerLabels {
    upstream: String,
    asker: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct FailureLabels {
    upstream: String,
    code: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct BaselineLabels {
    provider: String,
}

pub(super) fn register(registry: &mut Registry, app: &App) {
    documents(registry, app);
    expired(registry, app);
    Upstreams::of(app.identity.upstreams()).register(registry);
    baselines(registry, app);
}

/// Evaluations that nobody gets who does not name them.
const OTHER: &str = "other";

/// Documents of the hardware identity service. Subjects are vendors' and families' names, of which there are a few hundred.
fn documents(registry: &mut Registry, app: &App) {
    let now = app.clock.now().0;
    let states = Family::<StateLabels, Gauge>::default();
    for state in State::ALL.map(State::as_str).into_iter().chain([OTHER]) {
        states.get_or_create(&StateLabels { state }).set(0);
    }
    let in_use = app.identity.selections_in_use();
    let expiry = Family::<DocumentLabels, Gauge>::default();
    for held in app.identity.library.inventory() {
        // That an earlier evaluation has expired is nothing to be woken for.
        if !held.is_in_use(&in_use) {
            states.get_or_create(&StateLabels { state: OTHER }).inc();
            continue;
        }
        states.get_or_create(&StateLabels { state: held.state.as_str() }).inc();
        let number = held.document.evaluation_number.unwrap_or(0);
        let labels = DocumentLabels { subject: held.subject.path(), number };
        expiry.get_or_create(&labels).set(held.document.expires.0.saturating_sub(now));
    }
    let failures = Gauge::<i64>::default();
    failures.set(i64::try_from(app.identity.library.failures().len()).unwrap_or(i64::MAX));
    let help = "Vendors' documents held, by state; of evaluations that do not count, `other`";
    registry.register("identity_documents", help, states);
    let help = "Time until a vendor's document expires; negative when it has";
    registry.register("identity_document_expiry_seconds", help, expiry);
    let help = "Documents that the last question to upstream did not bring";
    registry.register("identity_failures", help, failures);
}

/// With `serve_expired`, and of archives.
fn expired(registry: &mut Registry, app: &App) {
    let served = Family::<KindLabels, Counter>::default();
    for (kind, count) in app.identity.expired_served.get() {
        served.get_or_create(&KindLabels { kind }).inc_by(count);
    }
    let help = "Documents that were given out although they had expired, by kind";
    registry.register("identity_expired_served", help, served);
}

/// One line of each for every upstream.
#[derive(Default)]
struct Upstreams {
    breakers: Family<BreakerLabels, Gauge>,
    questions_left: Family<UpstreamLabels, Gauge>,
    throttled: Family<UpstreamLabels, Gauge>,
    asked: Family<UpstreamLabels, Counter>,
    answered: Family<UpstreamLabels, Counter>,
    failures: Family<FailureLabels, Counter>,
}

impl Upstreams {
    fn of<'a>(states: impl Iterator<Item = UpstreamState<'a>>) -> Self {
        let upstreams = Self::default();
        states.for_each(|state| upstreams.add(&state));
        upstreams
    }

    fn add(&self, state: &UpstreamState<'_>) {
        let upstream = &state.counters.name;
        let labels = UpstreamLabels { upstream: upstream.clone() };
        for (asker, breaker) in [("own", state.breaker), ("stranger", state.breaker_of_strangers)] {
            for known in BreakerState::ALL {
                let labels = BreakerLabels { upstream: upstream.clone(), asker, state: known.as_str() };
                self.breakers.get_or_create(&labels).set((known == breaker).into());
            }
        }
        if let Some(left) = state.questions_left {
            self.questions_left.get_or_create(&labels).set(i64::try_from(left).unwrap_or(i64::MAX));
        }
        // Rounded up: zero says that it is asked.
        let throttled = state.throttled_for.as_millis().div_ceil(1000);
        self.throttled.get_or_create(&labels).set(i64::try_from(throttled).unwrap_or(i64::MAX));
        self.asked.get_or_create(&labels).inc_by(state.counters.asked.get());
        self.answered.get_or_create(&labels).inc_by(state.counters.answered.get());
        for (code, count) in state.counters.failures() {
            self.failures.get_or_create(&FailureLabels { upstream: upstream.clone(), code }).inc_by(count);
        }
    }

    fn register(self, registry: &mut Registry) {
        let help = "Whether an upstream is asked: 1 for the state that it is in";
        registry.register("identity_upstream_state", help, self.breakers);
        let help = "Questions that an upstream could be asked at once; upstreams without a limit have none";
        registry.register("identity_upstream_questions_left", help, self.questions_left);
        let help = "How long an upstream is left alone because it said so";
        registry.register("identity_upstream_throttled_seconds", help, self.throttled);
        registry.register("identity_upstream_asked", "Questions sent, every attempt counted", self.asked);
        registry.register("identity_upstream_answered", "Answers, before they are verified", self.answered);
        let help = "Attempts that came to nothing, and answers that were refused, by code";
        registry.register("identity_upstream_failures", help, self.failures);
    }
}

/// Of the fleet, and of each provider with pins of its own. Nothing where no pin has begun: then Intel's track counts.
fn baselines(registry: &mut Registry, app: &App) {
    let (now, baselines) = (app.identity.now(), app.identity.baselines());
    let [number, effective, grace, expiry] = <[Family<BaselineLabels, Gauge>; 4]>::default();
    let pins = baselines.pins();
    let mut providers: Vec<Option<&str>> = pins.all().iter().map(|pin| pin.provider.as_deref()).collect();
    providers.sort_unstable();
    providers.dedup();
    for provider in providers {
        let found = baselines.effective(provider, now);
        let labels = BaselineLabels { provider: provider.unwrap_or(FLEET).to_owned() };
        if let Some(pin) = &found.pin {
            number.get_or_create(&labels).set(pin.number.into());
            effective.get_or_create(&labels).set(pin.from.0);
        }
        if let Some((_, until)) = found.also {
            grace.get_or_create(&labels).set(until.0);
        }
        if let Some((_, until)) = found.next {
            expiry.get_or_create(&labels).set(until.0);
        }
    }
    registry.register("identity_baseline_number", "The evaluation that is pinned now", number);
    let help = "Since when the pinned evaluation counts, in unix time";
    registry.register("identity_baseline_effective_timestamp_seconds", help, effective);
    let help = "Until when evidence is also judged by what counted before, in unix time";
    registry.register("identity_baseline_grace_until_timestamp_seconds", help, grace);
    let help = "When the next pin takes the place of what counts now, in unix time";
    registry.register("identity_baseline_expiry_timestamp_seconds", help, expiry);
}
