//! What an evaluation gives.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::compare::{Exhausted, Steps, equal_values};
use crate::trace::Trace;
use crate::value::Value;

/// The outcome of a policy over claims.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Permit or deny, and which rule decided.
    pub decision: Decision,
    /// Claims for the token: distinct values in the order in which they were first issued. Empty on denial.
    pub issued: Vec<(Arc<str>, Vec<Value>)>,
    /// Properties that `issueproperty` set, likewise.
    pub properties: Vec<(Arc<str>, Vec<Value>)>,
    /// What became of each rule; only from [`crate::evaluate_traced`].
    pub trace: Option<Trace>,
}

impl Evaluation {
    /// The issued claims as token members: one value as it is, several as an array.
    pub fn issued_json(&self) -> Map<String, Json> {
        members(&self.issued)
    }

    /// The properties in the shape of [`Self::issued_json`].
    pub fn properties_json(&self) -> Map<String, Json> {
        members(&self.properties)
    }
}

fn members(groups: &[(Arc<str>, Vec<Value>)]) -> Map<String, Json> {
    let member = |(claim_type, values): &(Arc<str>, Vec<Value>)| {
        let json = match values.as_slice() {
            [single] => single.to_json(),
            several => Json::Array(several.iter().map(Value::to_json).collect()),
        };
        (claim_type.as_ref().to_owned(), json)
    };
    groups.iter().map(member).collect()
}

/// Whether a token may be issued.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// A rule permits and none denies.
    Permit {
        /// The first rule that permits.
        rule: RuleRef,
    },
    /// The evidence is refused.
    Deny {
        /// Why.
        reason: DenyReason,
    },
}

impl Decision {
    /// `permit` or `deny`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Permit { .. } => "permit",
            Self::Deny { .. } => "deny",
        }
    }

    /// The rule that decided; none if nothing permits.
    pub const fn rule(&self) -> Option<&RuleRef> {
        match self {
            Self::Permit { rule } | Self::Deny { reason: DenyReason::Rule(rule) } => Some(rule),
            Self::Deny { reason: DenyReason::NoPermit } => None,
        }
    }
}

/// Why evidence is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DenyReason {
    /// This rule denies; the first one, if several do.
    Rule(RuleRef),
    /// No rule permits.
    NoPermit,
}

/// A rule of the policy text.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RuleRef {
    /// Line where it begins, from 1.
    pub line: u32,
    /// Column where it begins, from 1, in characters.
    pub column: u32,
    /// Its exact text, from the first condition (or `=>`) to the semicolon.
    pub text: Arc<str>,
}

/// Claims by type in the order of their first occurrence, without equal values.
#[derive(Default)]
pub(super) struct Grouped {
    entries: Vec<(Arc<str>, Vec<Value>)>,
    /// Where each type stands in `entries`, from the moment when they are many.
    index: HashMap<Arc<str>, usize>,
}

impl Grouped {
    /// Up to so many types a linear search is quicker than hashing.
    const LINEAR: usize = 16;

    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { entries: Vec::with_capacity(capacity), index: HashMap::new() }
    }

    pub(super) fn push(
        &mut self,
        claim_type: &Arc<str>,
        value: Value,
        steps: &mut Steps,
    ) -> Result<(), Exhausted> {
        let place = self.place(claim_type);
        let Some((_, values)) = place.and_then(|place| self.entries.get_mut(place)) else {
            self.open(claim_type, value);
            return Ok(());
        };
        for known in values.iter() {
            if equal_values(known, &value, steps)? {
                return Ok(());
            }
        }
        values.push(value);
        Ok(())
    }

    fn place(&self, claim_type: &str) -> Option<usize> {
        if self.entries.len() <= Self::LINEAR {
            self.entries.iter().position(|(known, _)| known.as_ref() == claim_type)
        } else {
            self.index.get(claim_type).copied()
        }
    }

    fn open(&mut self, claim_type: &Arc<str>, value: Value) {
        let place = self.entries.len();
        self.entries.push((Arc::clone(claim_type), vec![value]));
        if place == Self::LINEAR {
            let numbered = self.entries.iter().enumerate();
            self.index = numbered.map(|(place, (known, _))| (Arc::clone(known), place)).collect();
        } else if place > Self::LINEAR {
            self.index.insert(Arc::clone(claim_type), place);
        }
    }

    pub(super) fn into_entries(self) -> Vec<(Arc<str>, Vec<Value>)> {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grouping_is_the_same_below_and_above_the_linear_limit() {
        let mut grouped = Grouped::default();
        let mut steps = Steps::new(1_000_000);
        for round in 0..3_i64 {
            for number in 0..40 {
                let claim_type: Arc<str> = Arc::from(format!("t{number}"));
                assert_eq!(grouped.push(&claim_type, Value::Integer(round / 2), &mut steps), Ok(()));
            }
        }
        let entries = grouped.into_entries();
        assert_eq!(entries.len(), 40);
        for (number, (claim_type, values)) in entries.iter().enumerate() {
            assert_eq!(claim_type.as_ref(), format!("t{number}"));
            assert_eq!(values, &[Value::Integer(0), Value::Integer(1)]);
        }
    }
}
