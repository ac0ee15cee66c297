//! The explanation of a decision, rule by rule.

use std::sync::Arc;

use serde::Serialize;

use crate::eval::{Claims, Observer, Outcome};
use crate::program::{Condition, Rule};
use crate::span::{Locator, Span};
use crate::syntax::SectionKind;
use crate::value::{Claim, Value};

/// One entry for each rule that was evaluated, in their order. Issuance rules are absent on denial.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Trace {
    /// The entries.
    pub entries: Vec<TraceEntry>,
}

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceEntry {
    /// The section of the rule.
    pub section: SectionKind,
    /// Line where the rule begins, from 1.
    pub line: u32,
    /// Column where it begins, from 1.
    pub column: u32,
    /// Its exact text.
    pub text: String,
    /// Whether all its conditions held.
    pub fired: bool,
    /// The first condition that did not hold.
    pub failed: Option<TraceCondition>,
    /// Claims of the type that this condition asks for, which failed another of its tests; at most three.
    pub nearest: Vec<TraceClaim>,
    /// Claims that the rule has made or copied.
    pub produced: Vec<TraceClaim>,
}

/// A condition in the policy text.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct TraceCondition {
    /// Line where it begins, from 1.
    pub line: u32,
    /// Column where it begins, from 1.
    pub column: u32,
    /// Its exact text.
    pub text: String,
}

/// A claim as the trace shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceClaim {
    /// Its type.
    #[serde(rename = "type")]
    pub claim_type: Arc<str>,
    /// Its value.
    pub value: Value,
    /// The name of its issuer.
    pub issuer: &'static str,
}

impl From<&Claim> for TraceClaim {
    fn from(claim: &Claim) -> Self {
        Self {
            claim_type: Arc::clone(&claim.claim_type),
            value: claim.value.clone(),
            issuer: claim.issuer.name(),
        }
    }
}

/// Most claims shown for a condition that did not hold.
const NEAREST: usize = 3;

pub(crate) struct Recorder<'a> {
    text: &'a str,
    locator: Locator<'a>,
    trace: Trace,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, locator: Locator::new(text), trace: Trace::default() }
    }

    pub(crate) fn into_trace(self) -> Trace {
        self.trace
    }

    fn source(&self, span: Span) -> String {
        span.of(self.text).to_owned()
    }
}

impl Observer for Recorder<'_> {
    fn rule(&mut self, section: SectionKind, rule: &Rule, outcome: Outcome<'_>) {
        let failed = outcome.failed.and_then(|index| rule.conditions.get(index));
        let made = outcome.first_made..outcome.claims.len();
        let produced = outcome.copied.iter().copied().chain(made);
        let start = self.locator.locate(rule.span.start);
        let entry = TraceEntry {
            section,
            line: start.line,
            column: start.column,
            text: self.source(rule.span),
            fired: outcome.failed.is_none(),
            failed: failed.map(|condition| {
                let start = self.locator.locate(condition.span.start);
                TraceCondition { line: start.line, column: start.column, text: self.source(condition.span) }
            }),
            nearest: failed.map_or_else(Vec::new, |condition| nearest(condition, outcome.claims)),
            produced: produced
                .filter_map(|number| outcome.claims.get(number))
                .map(TraceClaim::from)
                .collect(),
        };
        self.trace.entries.push(entry);
    }
}

/// The condition was compared with every claim already, so this at most doubles the work it was charged for.
fn nearest(condition: &Condition, claims: &Claims<'_>) -> Vec<TraceClaim> {
    let Some(asked) = &condition.claim_type else { return Vec::new() };
    (0..claims.len())
        .filter_map(|number| claims.get(number))
        .filter(|claim| claim.claim_type == *asked)
        .take(NEAREST)
        .map(TraceClaim::from)
        .collect()
}
