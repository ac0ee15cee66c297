//! The checked policy in the form that is evaluated: names resolved, nothing borrowed.

use std::sync::Arc;

use crate::span::{Position, Span};
use crate::syntax::{Operator, Property};
use crate::value::{Value, ValueKind};

#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) configuration: Box<[Rule]>,
    pub(crate) authorization: Box<[Rule]>,
    pub(crate) issuance: Box<[Rule]>,
    /// Present only if a rule can meet a name that was unknown when the policy was checked.
    pub(crate) guard: Option<Guard>,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) span: Span,
    pub(crate) start: Position,
    pub(crate) conditions: Box<[Condition]>,
    pub(crate) action: Action,
}

#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) span: Span,
    /// Whether a later part of the rule refers to the claims: only then are all of them looked for.
    /// Bound conditions are numbered from 0 within a rule; that number is the [`Slot`].
    pub(crate) binds: bool,
    /// The literal that `type` must equal, if there is such a test: nearly every condition has one, and it
    /// sorts out nearly every claim.
    pub(crate) claim_type: Option<Arc<str>>,
    /// The other tests. Tests have no effects, so their order does not matter.
    pub(crate) tests: Box<[Test]>,
}

pub(crate) type Slot = usize;

#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) property: Property,
    pub(crate) operator: Operator,
    pub(crate) operand: Operand,
}

/// Version 1.2 adds function calls here.
#[derive(Debug)]
pub(crate) enum Operand {
    Literal(Value),
    /// A property of the claims that an earlier condition of the rule has bound.
    Bound(Slot, Property),
}

#[derive(Debug)]
pub(crate) enum Action {
    Permit,
    Deny,
    Copy { target: Target, source: Slot },
    Make { target: Target, claim_type: TypeOperand, value: Operand, value_type: Option<ValueKind> },
}

/// Where a claim goes besides the incoming set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    Nowhere,
    Outgoing,
    Properties,
}

#[derive(Debug)]
pub(crate) enum TypeOperand {
    /// Checked against the vocabulary when the policy was compiled.
    Literal(Arc<str>),
    Bound(Slot, Property),
}

/// The vocabulary's restrictions, for names that are known only when a rule fires.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) reserved: Box<[Box<str>]>,
    pub(crate) prefixes: Box<[Box<str>]>,
    pub(crate) exceptions: Box<[Box<str>]>,
    pub(crate) properties: Box<[Box<str>]>,
    pub(crate) read_only: Box<[Box<str>]>,
}

impl Guard {
    /// Whether `name` is refused as the type of a claim made for `target`.
    pub(crate) fn is_reserved(&self, name: &str, target: Target) -> bool {
        let exempt = contains(&self.exceptions, name)
            || (target == Target::Properties && contains(&self.properties, name));
        !exempt
            && (self.reserved.iter().any(|known| known.eq_ignore_ascii_case(name))
                || self.prefixes.iter().any(|prefix| begins_with(name, prefix)))
    }

    pub(crate) fn is_read_only(&self, name: &str) -> bool {
        contains(&self.read_only, name)
    }
}

/// Whether `name` begins so, in any case: some readers of tokens do not tell cases apart.
pub(crate) fn begins_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn contains(names: &[Box<str>], name: &str) -> bool {
    names.iter().any(|known| known.as_ref() == name)
}
