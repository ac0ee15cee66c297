//! A program and claims to a decision (Azure Attestation, "Policy"; `docs/policy-language.md`).
//!
//! - A condition holds if at least one claim of the incoming set passes all its tests; its identifier stands
//!   for all claims that do. A rule fires once, however many claims match.
//! - A rule reads the set as it was when the rule began; what it makes is seen by later rules.
//! - All authorization rules are evaluated. Any `deny` denies, whatever its place; no `permit` denies.
//! - Issuance rules run only after a permit.

mod compare;
mod output;

use std::ops::Range;
use std::sync::Arc;

use self::compare::{Exhausted, Steps, compare, equal_values, term};
use self::output::Grouped;
pub use self::output::{Decision, DenyReason, Evaluation, RuleRef};
use crate::error::EvalError;
use crate::limits::Limits;
use crate::policy::Policy;
use crate::program::{Action, Condition, Guard, Operand, Rule, Slot, Target, TypeOperand};
use crate::syntax::{Property, SectionKind};
use crate::trace::Recorder;
use crate::value::{Claim, ClaimSet, Issuer, Value, ValueKind};

/// Evaluates a policy over claims.
///
/// Configuration rules run again here, over the full set: what they set is reported in
/// [`Evaluation::properties`]. What steers verification is [`Policy::configuration`], which runs before it.
///
/// # Errors
/// A budget is exceeded, or a rule computes a claim that it may not make. The caller refuses in both cases.
/// If a rule has denied, later errors do not hide it: the answer is the denial.
pub fn evaluate(policy: &Policy, incoming: &ClaimSet, limits: &Limits) -> Result<Evaluation, EvalError> {
    run(policy, incoming, limits, &mut Unobserved)
}

/// As [`evaluate`], and records for every rule whether it fired, and if not, why.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_traced(
    policy: &Policy,
    incoming: &ClaimSet,
    limits: &Limits,
) -> Result<Evaluation, EvalError> {
    let mut recorder = Recorder::new(policy.text());
    let mut evaluation = run(policy, incoming, limits, &mut recorder)?;
    evaluation.trace = Some(recorder.into_trace());
    Ok(evaluation)
}

/// The properties that the configuration rules set, as claims.
pub(crate) fn configuration(policy: &Policy, incoming: &ClaimSet) -> Result<Vec<Claim>, EvalError> {
    let mut machine = Machine::new(policy, incoming, &Limits::default())?;
    let program = policy.program();
    machine.section(SectionKind::Configuration, &program.configuration, &mut Unobserved)?;
    let claims = machine.properties.into_entries().into_iter().flat_map(|(claim_type, values)| {
        values.into_iter().map(move |value| Claim {
            claim_type: Arc::clone(&claim_type),
            value,
            issuer: Issuer::AttestationPolicy,
        })
    });
    Ok(claims.collect())
}

/// Is told of every rule after it was evaluated. The fast path observes nothing.
pub(crate) trait Observer {
    fn rule(&mut self, section: SectionKind, rule: &Rule, outcome: Outcome<'_>);
}

/// What became of a rule.
pub(crate) struct Outcome<'m> {
    /// Index of the first condition that did not hold; none if the rule fired.
    pub(crate) failed: Option<usize>,
    /// The set as it is after the rule.
    pub(crate) claims: &'m Claims<'m>,
    /// Number in `claims` of the first claim the rule has made.
    pub(crate) first_made: usize,
    /// Numbers of the claims that the rule has copied.
    pub(crate) copied: &'m [usize],
}

struct Unobserved;

impl Observer for Unobserved {
    fn rule(&mut self, _: SectionKind, _: &Rule, _: Outcome<'_>) {}
}

fn run<O: Observer>(
    policy: &Policy,
    incoming: &ClaimSet,
    limits: &Limits,
    observer: &mut O,
) -> Result<Evaluation, EvalError> {
    let program = policy.program();
    let mut machine = Machine::new(policy, incoming, limits)?;
    machine.section(SectionKind::Configuration, &program.configuration, observer)?;
    let decision = machine.authorize(policy, observer)?;
    if matches!(decision, Decision::Permit { .. }) {
        machine.section(SectionKind::Issuance, &program.issuance, observer)?;
    }
    Ok(Evaluation {
        decision,
        issued: machine.issued.into_entries(),
        properties: machine.properties.into_entries(),
        trace: None,
    })
}

/// The incoming set: what the caller gave, and behind it what rules have added.
pub(crate) struct Claims<'a> {
    base: &'a [Claim],
    added: Vec<Held>,
}

struct Held {
    claim: Claim,
    /// Taken from a read-only claim, under whatever name.
    read_only: bool,
}

impl Claims<'_> {
    pub(crate) fn len(&self) -> usize {
        self.base.len().saturating_add(self.added.len())
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Claim> {
        match number.checked_sub(self.base.len()) {
            None => self.base.get(number),
            Some(behind) => self.added.get(behind).map(|held| &held.claim),
        }
    }

    fn is_read_only(&self, number: usize, guard: Option<&Guard>) -> bool {
        let Some(guard) = guard else { return false };
        match number.checked_sub(self.base.len()) {
            None => self.base.get(number).is_some_and(|claim| guard.is_read_only(&claim.claim_type)),
            Some(behind) => self.added.get(behind).is_some_and(|held| held.read_only),
        }
    }
}

/// The claims that the conditions of the current rule have bound: the numbers of all slots one after another.
#[derive(Default)]
struct Bindings {
    numbers: Vec<usize>,
    ends: Vec<usize>,
}

impl Bindings {
    fn clear(&mut self) {
        self.numbers.clear();
        self.ends.clear();
    }

    fn range(&self, slot: Slot) -> Range<usize> {
        let before = slot.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        before.unwrap_or(0)..self.ends.get(slot).copied().unwrap_or(0)
    }

    fn of(&self, slot: Slot) -> &[usize] {
        self.numbers.get(self.range(slot)).unwrap_or(&[])
    }
}

/// Claims for which room is made in advance.
const EXPECTED_MADE: usize = 16;

struct Machine<'a> {
    claims: Claims<'a>,
    bindings: Bindings,
    steps: Steps,
    limits: Limits,
    /// What may still be issued, in bytes of JSON.
    output_left: usize,
    guard: Option<&'a Guard>,
    issued: Grouped,
    properties: Grouped,
}

impl<'a> Machine<'a> {
    fn new(policy: &'a Policy, incoming: &'a ClaimSet, limits: &Limits) -> Result<Self, EvalError> {
        if incoming.len() > limits.claims {
            return Err(EvalError::TooManyClaims { limit: limits.claims });
        }
        // Most rules make one claim; room for them at once saves growing in steps.
        let expected = policy.program().issuance.len().min(EXPECTED_MADE);
        Ok(Self {
            claims: Claims { base: incoming.as_slice(), added: Vec::with_capacity(expected) },
            bindings: Bindings::default(),
            steps: Steps::new(limits.steps),
            limits: *limits,
            output_left: limits.output_bytes,
            guard: policy.program().guard.as_ref(),
            issued: Grouped::with_capacity(expected),
            properties: Grouped::default(),
        })
    }

    fn section<O: Observer>(
        &mut self,
        section: SectionKind,
        rules: &[Rule],
        observer: &mut O,
    ) -> Result<(), EvalError> {
        rules.iter().try_for_each(|rule| self.rule(section, rule, observer).map(|_| ()))
    }

    /// Runs every authorization rule and then decides: deny overrides permit, and without a permit the
    /// answer is a denial (Azure Attestation, "Decision rule").
    fn authorize<O: Observer>(&mut self, policy: &Policy, observer: &mut O) -> Result<Decision, EvalError> {
        let (mut permit, mut deny, mut error) = (None, None, None);
        for rule in &policy.program().authorization {
            match (self.rule(SectionKind::Authorization, rule, observer), &rule.action) {
                (Ok(true), Action::Permit) => permit = permit.or(Some(rule)),
                (Ok(true), Action::Deny) => deny = deny.or(Some(rule)),
                (Ok(_), _) => {}
                (Err(exhausted @ EvalError::BudgetExceeded { .. }), _) => {
                    error = error.or(Some(exhausted));
                    break;
                }
                (Err(failure), _) => error = error.or(Some(failure)),
            }
        }
        match (deny, error, permit) {
            (Some(rule), _, _) => Ok(Decision::Deny { reason: DenyReason::Rule(policy.rule_ref(rule)) }),
            (None, Some(error), _) => Err(error),
            (None, None, Some(rule)) => Ok(Decision::Permit { rule: policy.rule_ref(rule) }),
            (None, None, None) => Ok(Decision::Deny { reason: DenyReason::NoPermit }),
        }
    }

    /// Evaluates one rule; whether it fired.
    fn rule<O: Observer>(
        &mut self,
        section: SectionKind,
        rule: &Rule,
        observer: &mut O,
    ) -> Result<bool, EvalError> {
        self.bindings.clear();
        let first_made = self.claims.len();
        let failed = self.first_failing(&rule.conditions)?;
        if failed.is_none() {
            self.act(rule)?;
        }
        let copied = match rule.action {
            Action::Copy { source, .. } if failed.is_none() => self.bindings.of(source),
            _ => &[],
        };
        observer.rule(section, rule, Outcome { failed, claims: &self.claims, first_made, copied });
        Ok(failed.is_none())
    }

    fn first_failing(&mut self, conditions: &[Condition]) -> Result<Option<usize>, EvalError> {
        for (index, condition) in conditions.iter().enumerate() {
            if !self.condition(condition).map_err(|Exhausted| self.exhausted())? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    fn condition(&mut self, condition: &Condition) -> Result<bool, Exhausted> {
        let Self { claims, bindings, steps, .. } = self;
        let claim_type = condition.claim_type.as_deref();
        steps.charge_scan(claims.len(), claim_type)?;
        let mut found = false;
        let added = claims.added.iter().map(|held| &held.claim);
        for (number, claim) in claims.base.iter().chain(added).enumerate() {
            if claim_type.is_some_and(|wanted| wanted != claim.claim_type.as_ref()) {
                continue;
            }
            if passes(condition, claim, claims, bindings, steps)? {
                if !condition.binds {
                    return Ok(true);
                }
                found = true;
                bindings.numbers.push(number);
            }
        }
        if condition.binds {
            bindings.ends.push(bindings.numbers.len());
        }
        Ok(found)
    }

    fn act(&mut self, rule: &Rule) -> Result<(), EvalError> {
        match &rule.action {
            Action::Permit | Action::Deny => Ok(()),
            Action::Copy { target, source } => self.copy(rule, *target, *source),
            Action::Make { target, claim_type, value, value_type } => {
                let claim_type = self.claim_type(rule, *target, claim_type)?;
                match value {
                    Operand::Literal(value) => self.emit(*target, claim_type, value.clone(), false),
                    Operand::Bound(slot, property) => {
                        self.make_each(rule, *target, &claim_type, (*slot, *property), *value_type)
                    }
                }
            }
        }
    }

    /// A copy keeps its issuer, so the incoming set has it already and does not change [P].
    fn copy(&mut self, rule: &Rule, target: Target, source: Slot) -> Result<(), EvalError> {
        if target == Target::Nowhere {
            return Ok(());
        }
        for position in self.bindings.range(source) {
            let Some((number, claim)) = self.bound(position) else { break };
            let Claim { claim_type, value, .. } = claim.clone();
            if self.claims.is_read_only(number, self.guard) {
                return Err(read_only(rule, &claim_type));
            }
            if self.guard.is_some_and(|guard| guard.is_reserved(&claim_type, target)) {
                return Err(reserved(rule, &claim_type));
            }
            self.deliver(target, &claim_type, value)?;
        }
        Ok(())
    }

    /// The number and the claim at a position in the list of bound claims.
    fn bound(&self, position: usize) -> Option<(usize, &Claim)> {
        let number = self.bindings.numbers.get(position).copied()?;
        self.claims.get(number).map(|claim| (number, claim))
    }

    fn claim_type(
        &mut self,
        rule: &Rule,
        target: Target,
        operand: &TypeOperand,
    ) -> Result<Arc<str>, EvalError> {
        let (slot, property) = match operand {
            TypeOperand::Literal(name) => return Ok(Arc::clone(name)),
            TypeOperand::Bound(slot, property) => (*slot, *property),
        };
        let line = rule.start.line;
        let mut single: Option<Value> = None;
        for position in self.bindings.range(slot) {
            let Some((_, claim)) = self.bound(position) else { break };
            let value = property_value(claim, property);
            match &single {
                None => single = Some(value),
                Some(first) => {
                    if !self.same(first, &value)? {
                        return Err(EvalError::TypeNotSingle { line });
                    }
                }
            }
        }
        let name = match single {
            Some(Value::String(name)) => name,
            other => {
                let kind = other.map_or("", |value| value.kind().name());
                return Err(EvalError::TypeNotString { line, kind });
            }
        };
        if let Some(guard) = self.guard {
            if guard.is_read_only(&name) {
                return Err(read_only(rule, &name));
            }
            if guard.is_reserved(&name, target) {
                return Err(reserved(rule, &name));
            }
        }
        Ok(name)
    }

    /// One claim for each distinct value of the bound claims.
    fn make_each(
        &mut self,
        rule: &Rule,
        target: Target,
        claim_type: &Arc<str>,
        (slot, property): (Slot, Property),
        value_type: Option<ValueKind>,
    ) -> Result<(), EvalError> {
        let first = self.claims.added.len();
        for position in self.bindings.range(slot) {
            let Some((number, claim)) = self.bound(position) else { break };
            let value = property_value(claim, property);
            let taken = property == Property::Value && self.claims.is_read_only(number, self.guard);
            if taken && target != Target::Nowhere {
                return Err(read_only(rule, &claim.claim_type));
            }
            check_value_type(rule, value_type, &value)?;
            if !self.is_made_since(first, &value)? {
                self.emit(target, Arc::clone(claim_type), value, taken)?;
            }
        }
        Ok(())
    }

    fn is_made_since(&mut self, first: usize, value: &Value) -> Result<bool, EvalError> {
        let Self { claims, steps, .. } = self;
        for held in claims.added.get(first..).unwrap_or(&[]) {
            match equal_values(&held.claim.value, value, steps) {
                Ok(false) => {}
                Ok(true) => return Ok(true),
                Err(Exhausted) => return Err(self.exhausted()),
            }
        }
        Ok(false)
    }

    /// Adds a claim to the incoming set and delivers it.
    fn emit(
        &mut self,
        target: Target,
        claim_type: Arc<str>,
        value: Value,
        read_only: bool,
    ) -> Result<(), EvalError> {
        if self.claims.len() >= self.limits.claims {
            return Err(EvalError::TooManyClaims { limit: self.limits.claims });
        }
        self.deliver(target, &claim_type, value.clone())?;
        let claim = Claim { claim_type, value, issuer: Issuer::AttestationPolicy };
        self.claims.added.push(Held { claim, read_only });
        Ok(())
    }

    fn deliver(&mut self, target: Target, claim_type: &Arc<str>, value: Value) -> Result<(), EvalError> {
        if target == Target::Nowhere {
            return Ok(());
        }
        // Names, quotes and separators count too, so that many small claims are bounded like few large ones.
        let overhead = claim_type.len().saturating_add(6);
        let left = self.output_left.checked_sub(overhead).and_then(|left| value.charge(left));
        self.output_left = left.ok_or(EvalError::OutputTooLarge { limit: self.limits.output_bytes })?;
        let group = match target {
            Target::Nowhere => return Ok(()),
            Target::Outgoing => &mut self.issued,
            Target::Properties => &mut self.properties,
        };
        group.push(claim_type, value, &mut self.steps).map_err(|Exhausted| self.exhausted())
    }

    fn same(&mut self, one: &Value, other: &Value) -> Result<bool, EvalError> {
        equal_values(one, other, &mut self.steps).map_err(|Exhausted| self.exhausted())
    }

    const fn exhausted(&self) -> EvalError {
        EvalError::BudgetExceeded { limit: self.limits.steps }
    }
}

/// Whether one claim of the right type passes the other tests of a condition.
fn passes(
    condition: &Condition,
    claim: &Claim,
    claims: &Claims<'_>,
    bindings: &Bindings,
    steps: &mut Steps,
) -> Result<bool, Exhausted> {
    for test in &condition.tests {
        let left = term(claim, test.property);
        let holds = match &test.operand {
            Operand::Literal(value) => compare(left, test.operator, value.into(), steps)?,
            Operand::Bound(slot, property) => {
                // With several values it is enough that one fits [P].
                let mut any = false;
                for bound in bindings.of(*slot).iter().filter_map(|&number| claims.get(number)) {
                    any = compare(left, test.operator, term(bound, *property), steps)?;
                    if any {
                        break;
                    }
                }
                any
            }
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

fn property_value(claim: &Claim, property: Property) -> Value {
    match property {
        Property::Type => Value::String(Arc::clone(&claim.claim_type)),
        Property::Value => claim.value.clone(),
        Property::ValueType => Value::from(claim.value.kind().name()),
        Property::Issuer => Value::from(claim.issuer.name()),
    }
}

fn check_value_type(rule: &Rule, declared: Option<ValueKind>, value: &Value) -> Result<(), EvalError> {
    match declared {
        Some(kind) if kind != value.kind() => Err(EvalError::ValueTypeMismatch {
            line: rule.start.line,
            declared: kind.name(),
            found: value.kind().name(),
        }),
        _ => Ok(()),
    }
}

fn read_only(rule: &Rule, claim: &str) -> EvalError {
    EvalError::ReadOnlyClaim { line: rule.start.line, claim: claim.to_owned() }
}

fn reserved(rule: &Rule, claim: &str) -> EvalError {
    EvalError::ReservedClaim { line: rule.start.line, claim: claim.to_owned() }
}
