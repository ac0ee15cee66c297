//! A checked tree to a program.

use std::sync::Arc;

use crate::program::{Action, Condition, Operand, Program, Rule, Slot, Target, Test, TypeOperand};
use crate::span::Locator;
use crate::syntax::{self, Argument, Expr, ExprKind, Operator, Property, SectionKind, Tree, Verb};
use crate::value::{Value, ValueKind};
use crate::vocabulary::Vocabulary;

/// `None` only for a tree that `check` has refused.
pub(crate) fn lower(tree: &Tree<'_>, text: &str, vocabulary: &Vocabulary<'_>) -> Option<Program> {
    let mut locator = Locator::new(text);
    let mut section = |kind| -> Option<Box<[Rule]>> {
        tree.rules(kind).iter().map(|rule| lower_rule(rule, &mut locator)).collect()
    };
    let configuration = section(SectionKind::Configuration)?;
    let authorization = section(SectionKind::Authorization)?;
    let issuance = section(SectionKind::Issuance)?;
    let reads_only = vocabulary.incoming.iter().any(|claim| claim.read_only);
    let sections = [&configuration, &authorization, &issuance];
    let guarded =
        sections.into_iter().flat_map(|rules| rules.iter()).any(|rule| needs_guard(&rule.action, reads_only));
    let guard = guarded.then(|| vocabulary.guard());
    Some(Program { configuration, authorization, issuance, guard })
}

/// Whether the action can meet a reserved name or a read-only value that the check could not see.
const fn needs_guard(action: &Action, reads_only: bool) -> bool {
    match action {
        Action::Permit | Action::Deny => false,
        Action::Copy { target, .. } => !matches!(target, Target::Nowhere),
        Action::Make { claim_type, value, .. } => {
            matches!(claim_type, TypeOperand::Bound(..))
                || (reads_only && matches!(value, Operand::Bound(..)))
        }
    }
}

fn lower_rule(rule: &syntax::Rule<'_>, locator: &mut Locator<'_>) -> Option<Rule> {
    let scope = Scope::of(rule);
    let conditions: Option<Box<[Condition]>> =
        rule.conditions.iter().map(|condition| lower_condition(condition, &scope)).collect();
    Some(Rule {
        span: rule.span,
        start: locator.locate(rule.span.start),
        conditions: conditions?,
        action: lower_action(&rule.action, &scope)?,
    })
}

fn lower_condition(condition: &syntax::Condition<'_>, scope: &Scope<'_>) -> Option<Condition> {
    if condition.negated.is_some() {
        return None;
    }
    let mut claim_type = None;
    let mut tests = Vec::with_capacity(condition.tests.len());
    for test in &condition.tests {
        match (test.property, test.operator, scope.operand(&test.operand)?) {
            (Property::Type, Operator::Equal, Operand::Literal(Value::String(name)))
                if claim_type.is_none() =>
            {
                claim_type = Some(name);
            }
            (property, operator, operand) => tests.push(Test { property, operator, operand }),
        }
    }
    let binds = condition.binding.as_ref().is_some_and(|name| scope.slot(name.text).is_some());
    Some(Condition { span: condition.span, binds, claim_type, tests: tests.into_boxed_slice() })
}

fn lower_action(action: &syntax::Action<'_>, scope: &Scope<'_>) -> Option<Action> {
    let target = match action.verb {
        Verb::Permit => return Some(Action::Permit),
        Verb::Deny => return Some(Action::Deny),
        Verb::Add => Target::Nowhere,
        Verb::Issue => Target::Outgoing,
        Verb::IssueProperty => Target::Properties,
    };
    match &action.argument {
        Argument::None => None,
        Argument::Copy(name) => Some(Action::Copy { target, source: scope.slot(name.text)? }),
        Argument::Make(make) => {
            let claim_type = match scope.operand(&make.claim_type)? {
                Operand::Literal(Value::String(name)) => TypeOperand::Literal(name),
                Operand::Literal(_) => return None,
                Operand::Bound(slot, property) => TypeOperand::Bound(slot, property),
            };
            let value_type = make.value_type.as_ref().and_then(|declared| match &declared.kind {
                ExprKind::String(name) => ValueKind::from_name(name),
                _ => None,
            });
            Some(Action::Make { target, claim_type, value: scope.operand(&make.value)?, value_type })
        }
    }
}

/// The identifiers of one rule that something refers to, in the order of their conditions.
struct Scope<'a> {
    names: Vec<&'a str>,
}

impl<'a> Scope<'a> {
    fn of(rule: &syntax::Rule<'a>) -> Self {
        let mut used = Vec::new();
        for test in rule.conditions.iter().flat_map(|condition| &condition.tests) {
            note_use(&test.operand, &mut used);
        }
        match &rule.action.argument {
            Argument::None => {}
            Argument::Copy(name) => used.push(name.text),
            Argument::Make(make) => {
                note_use(&make.claim_type, &mut used);
                note_use(&make.value, &mut used);
            }
        }
        let bound = rule.conditions.iter().filter_map(|condition| condition.binding.as_ref());
        Self { names: bound.map(|name| name.text).filter(|name| used.contains(name)).collect() }
    }

    fn slot(&self, name: &str) -> Option<Slot> {
        self.names.iter().position(|known| *known == name)
    }

    fn operand(&self, expression: &Expr<'_>) -> Option<Operand> {
        Some(match &expression.kind {
            ExprKind::String(text) => Operand::Literal(Value::String(Arc::from(text.as_ref()))),
            ExprKind::Integer(number) => Operand::Literal(Value::Integer(*number)),
            ExprKind::Boolean(truth) => Operand::Literal(Value::Boolean(*truth)),
            ExprKind::Property(name, property) => Operand::Bound(self.slot(name.text)?, *property),
            ExprKind::Call(..) | ExprKind::Invalid => return None,
        })
    }
}

fn note_use<'a>(expression: &Expr<'a>, used: &mut Vec<&'a str>) {
    if let ExprKind::Property(name, _) = &expression.kind
        && !used.contains(&name.text)
    {
        used.push(name.text);
    }
}
