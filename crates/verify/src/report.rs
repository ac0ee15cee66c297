//! What was checked, and what came of it.

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::error::VerifyError;

/// A rule that verification checks. The tables of these are the list of what Assay checks.
#[derive(Debug, PartialEq, Eq)]
pub struct CheckDef {
    /// Stable name, such as `sgx.quote-signature`.
    pub id: &'static str,
    /// What holds when the check passes.
    pub title: &'static str,
    /// Where the rule is written.
    pub reference: &'static str,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The rule holds.
    Pass,
    /// The rule is broken: the evidence is not genuine.
    Fail,
    /// The rule holds in a way that policy should judge (debug, TCB status).
    Warn,
    /// The rule could not or need not be checked.
    Skipped,
}

impl Outcome {
    /// The name used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Skipped => "skipped",
        }
    }
}

/// One rule and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The rule.
    pub rule: &'static CheckDef,
    /// What came of it.
    pub outcome: Outcome,
    /// One sentence about this evidence.
    pub detail: Cow<'static, str>,
    /// What was demanded, where it can be shown.
    pub expected: Option<String>,
    /// What was found, where it can be shown.
    pub actual: Option<String>,
    /// Set when the outcome is [`Outcome::Fail`], unless whoever added the check keeps its error elsewhere.
    pub error: Option<VerifyError>,
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", self.rule.id)?;
        map.serialize_entry("outcome", self.outcome.as_str())?;
        if let Some(error) = &self.error {
            map.serialize_entry("code", error.code())?;
        }
        map.serialize_entry("detail", &self.detail)?;
        if let Some(expected) = &self.expected {
            map.serialize_entry("expected", expected)?;
        }
        if let Some(actual) = &self.actual {
            map.serialize_entry("actual", actual)?;
        }
        map.serialize_entry("reference", self.rule.reference)?;
        map.end()
    }
}

/// Every check of a verification, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    checks: Vec<Check>,
}

impl Report {
    pub(crate) fn with_capacity(checks: usize) -> Self {
        Self { checks: Vec::with_capacity(checks) }
    }

    /// The checks in the order they were made.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    pub(crate) fn into_checks(self) -> Vec<Check> {
        self.checks
    }

    /// The errors of all failed checks, in order.
    pub fn errors(&self) -> impl Iterator<Item = &VerifyError> {
        self.checks.iter().filter_map(|check| check.error.as_ref())
    }

    /// The error that explains the rejection best: the first one, as later checks build on earlier ones.
    #[must_use]
    pub fn first_error(&self) -> Option<&VerifyError> {
        self.errors().next()
    }

    /// Whether any check failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.first_error().is_some()
    }

    /// Records the outcome of a check, and hands on what it produced.
    pub(crate) fn check<T>(&mut self, rule: &'static CheckDef, result: Result<T, VerifyError>) -> Option<T> {
        match result {
            Ok(value) => {
                self.pass(rule);
                Some(value)
            }
            Err(error) => {
                self.fail(rule, error);
                None
            }
        }
    }

    pub(crate) fn pass(&mut self, rule: &'static CheckDef) {
        self.add(rule, Outcome::Pass, Cow::Borrowed(rule.title), None);
    }

    pub(crate) fn note(
        &mut self,
        rule: &'static CheckDef,
        outcome: Outcome,
        detail: impl Into<Cow<'static, str>>,
    ) {
        self.add(rule, outcome, detail.into(), None);
    }

    pub(crate) fn fail(&mut self, rule: &'static CheckDef, error: VerifyError) {
        let detail = Cow::Owned(error.to_string());
        self.add(rule, Outcome::Fail, detail, Some(error));
    }

    /// Sets what was expected and found for the check added last.
    pub(crate) fn compare(&mut self, expected: impl Into<String>, actual: impl Into<String>) {
        if let Some(check) = self.checks.last_mut() {
            check.expected = Some(expected.into());
            check.actual = Some(actual.into());
        }
    }

    /// Gives every rule an outcome: those that could not be reached because of a failure are skipped, not silent.
    pub(crate) fn skip_missing(&mut self, tables: &[&'static [&'static CheckDef]]) {
        if !self.has_failed() {
            return;
        }
        for rule in tables.iter().copied().flatten() {
            if self.checks.iter().all(|check| check.rule != *rule) {
                self.note(rule, Outcome::Skipped, "a check that it builds on failed");
            }
        }
    }

    /// Brings the checks into the order of a table, in which they are explained; others stay behind them. They are made in
    /// another order where one needs what a later one finds.
    pub(crate) fn order(&mut self, table: &'static [&'static CheckDef]) {
        let place = |check: &Check| {
            table.iter().position(|rule| std::ptr::eq(*rule, check.rule)).unwrap_or(table.len())
        };
        self.checks.sort_by_cached_key(place);
    }

    pub(crate) fn extend(&mut self, checks: impl IntoIterator<Item = Check>) {
        self.checks.extend(checks);
    }

    fn add(
        &mut self,
        rule: &'static CheckDef,
        outcome: Outcome,
        detail: Cow<'static, str>,
        error: Option<VerifyError>,
    ) {
        let (expected, actual) = error.as_ref().map_or((None, None), expected_and_actual);
        self.checks.push(Check { rule, outcome, detail, expected, actual, error });
    }
}

/// The two values an error compares, for those that do.
fn expected_and_actual(error: &VerifyError) -> (Option<String>, Option<String>) {
    match error {
        VerifyError::FmspcMismatch { found, expected }
        | VerifyError::PceIdMismatch { found, expected }
        | VerifyError::QeIdentityMismatch { found, expected, .. } => {
            (Some(expected.clone()), Some(found.clone()))
        }
        VerifyError::CollateralKind { found, expected, .. } => {
            (Some((*expected).to_owned()), Some(found.clone()))
        }
        _ => (None, None),
    }
}
