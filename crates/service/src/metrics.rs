//! What is counted, for Prometheus. No identifiers of platforms or callers; every label has a bounded set of values.

mod identity;
mod state;

use assay_appraisal::{AttestationType, Refusal, RefusalClass};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::app::App;

/// Upper bounds in seconds: a warm attestation takes half a millisecond, a slow body up to the body timeout.
const SECONDS: [f64; 11] = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0];
/// The label of requests that belong to no route.
const NONE: &str = "unknown";

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    route: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct AttestationLabels {
    kind: &'static str,
    provider: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CodeLabels {
    code: &'static str,
}

/// The counters of the HTTP side.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    attestations: Family<AttestationLabels, Counter>,
    refusals: Family<CodeLabels, Counter>,
    limited: Counter,
    seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("assay"),
            requests: Family::default(),
            attestations: Family::default(),
            refusals: Family::default(),
            limited: Counter::default(),
            seconds: Histogram::new(SECONDS),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests by route and class of status", self.requests.clone());
        let help = "Attestations by kind of evidence, provider and outcome";
        registry.register("attestations", help, self.attestations.clone());
        registry.register(
            "refusals",
            "Attestations without a token, by code of the cause",
            self.refusals.clone(),
        );
        registry.register("rate_limited", "Requests answered with 429", self.limited.clone());
        let help = "Time from the end of a request's head to its answer";
        registry.register("request_seconds", help, self.seconds.clone());
    }

    /// A request was answered.
    pub(crate) fn request(&self, route: Option<&'static str>, status: u16, seconds: f64) {
        let class = match status {
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        let labels = RequestLabels { route: route.unwrap_or(NONE), status: class };
        self.requests.get_or_create(&labels).inc();
        self.seconds.observe(seconds);
        if status == 429 {
            self.limited.inc();
        }
    }

    /// An attestation was decided. Gives the name of the outcome.
    pub(crate) fn attestation(
        &self,
        kind: AttestationType,
        provider: &str,
        refusal: Option<&Refusal>,
    ) -> &'static str {
        let outcome = match refusal.map(Refusal::class) {
            None => "permitted",
            Some(RefusalClass::Denied) => "denied",
            Some(RefusalClass::Baseline) => "below-baseline",
            Some(RefusalClass::PolicyEvaluation) => "policy-error",
            Some(
                RefusalClass::Evidence
                | RefusalClass::Request
                | RefusalClass::DraftPolicy
                | RefusalClass::NotSupported,
            ) => "refused",
        };
        let labels = AttestationLabels { kind: kind.as_str(), provider: provider.to_owned(), outcome };
        self.attestations.get_or_create(&labels).inc();
        if let Some(refusal) = refusal {
            self.refusals.get_or_create(&CodeLabels { code: refusal.code() }).inc();
        }
        outcome
    }

    /// The page, with what the service counts and holds at this moment.
    pub(crate) fn page(&self, app: &App) -> String {
        let mut page = String::new();
        // Writing into a string does not fail.
        let _ = encode_registry(&mut page, &self.registry);
        let _ = encode_registry(&mut page, &state::registry(app));
        let _ = encode_eof(&mut page);
        page
    }
}
