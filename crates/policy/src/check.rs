//! What the grammar cannot say: versions, identifiers, functions, names, and what an author most likely did
//! not mean.
//!
//! Errors are what makes a policy unusable: version, arity, unknown functions and identifiers, orderings that
//! have no meaning, read-only and reserved names. Everything else is a warning.

mod action;
mod condition;
mod property;

use std::collections::{HashMap, HashSet};

use crate::diagnostic::{Code, Severity, Sink, shown};
use crate::span::Span;
use crate::suggest::nearest;
use crate::syntax::{Condition, Expr, ExprKind, Name, Rule, SectionKind, Tree, Verb, Version};
use crate::value::ValueKind;
use crate::vocabulary::Vocabulary;

/// Checks a whole tree, also one with syntax errors, as far as it goes.
pub(crate) fn check(tree: &Tree<'_>, vocabulary: &Vocabulary<'_>, sink: &mut Sink) {
    if let Some((Version::V1_2, place)) = tree.version {
        // The rules of 1.2 change what the checks below must say, so they come with its evaluation.
        let message = "evaluation of version 1.2 is not in this release";
        let help = "versions 1.0 and 1.1 are evaluated";
        return sink.report_with_help(Code::VersionUnsupported, place, message, help);
    }
    let made = Made::default();
    let mut checker = Checker { tree, vocabulary, sink, made, properties: HashMap::new() };
    checker.check_configuration_version();
    for kind in SectionKind::ALL {
        for (index, rule) in tree.rules(kind).iter().enumerate() {
            checker.rule(kind, index, rule);
        }
    }
    checker.check_decision();
}

/// Claim types that the rules checked so far can have put into the incoming set.
#[derive(Default)]
struct Made<'t> {
    types: HashSet<&'t str>,
    /// A rule computes the type of its claim, so that every type is possible.
    anything: bool,
}

impl Made<'_> {
    fn may_be(&self, name: &str) -> bool {
        self.anything || self.types.contains(name)
    }
}

struct Checker<'t, 'a, 's> {
    tree: &'t Tree<'a>,
    vocabulary: &'t Vocabulary<'t>,
    sink: &'s mut Sink,
    made: Made<'t>,
    /// Properties set without condition, with their first value.
    properties: HashMap<&'t str, &'t ExprKind<'a>>,
}

impl<'t, 'a> Checker<'t, 'a, '_> {
    fn check_configuration_version(&mut self) {
        let Some((Version::V1_0, _)) = self.tree.version else { return };
        let Some(section) = &self.tree.configuration else { return };
        let message = "`configurationrules` needs version 1.1";
        let help = "write `version=1.1;` in the first line";
        self.sink.report_with_help(Code::VersionFeature, section.keyword, message, help);
    }

    fn rule(&mut self, section: SectionKind, index: usize, rule: &'t Rule<'a>) {
        for (number, condition) in rule.conditions.iter().enumerate() {
            self.condition(rule, number, condition);
            self.lint_condition((section, index), condition);
        }
        if section == SectionKind::Configuration
            && let Some(first) = rule.conditions.first()
        {
            // Configuration is needed before the evidence is judged ([P], two phases).
            let message = "whether this configuration applies is decided before evidence is verified";
            let help = "set the property without a condition";
            self.sink.report_with_help(Code::ConditionalConfiguration, first.span, message, help);
        }
        self.action(section, rule);
    }

    /// Names, functions and operators of one condition. Identifiers must come from conditions before
    /// it [P].
    fn condition(&mut self, rule: &'t Rule<'a>, number: usize, condition: &'t Condition<'a>) {
        if let Some(place) = condition.negated {
            self.needs_later_version("`!`", place);
        }
        let earlier = rule.conditions.get(..number).unwrap_or(&[]);
        for test in &condition.tests {
            self.references(rule, earlier, &test.operand);
            self.check_ordering(test);
        }
        let Some(name) = &condition.binding else { return };
        if find(earlier, name.text).is_some() {
            let message = format!("`{}` is bound twice", shown(name.text));
            let help = "use another identifier; it is valid in this rule only";
            self.sink.report_with_help(Code::DuplicateIdentifier, name.span, message, help);
        }
    }

    /// Checks identifiers and functions in an expression that may use the conditions in `scope`.
    fn references(&mut self, rule: &'t Rule<'a>, scope: &'t [Condition<'a>], expression: &'t Expr<'a>) {
        match &expression.kind {
            ExprKind::String(_) | ExprKind::Integer(_) | ExprKind::Boolean(_) | ExprKind::Invalid => {}
            ExprKind::Property(name, _) => self.identifier(rule, scope, name),
            ExprKind::Call(name, arguments) => {
                self.function(name, arguments.len());
                for argument in arguments {
                    self.references(rule, scope, argument);
                }
            }
        }
    }

    fn identifier(&mut self, rule: &'t Rule<'a>, scope: &'t [Condition<'a>], name: &Name<'a>) {
        if find(scope, name.text).is_some() {
            return;
        }
        if self.sink.is_full(Severity::Error) {
            return self.sink.report(Code::UnknownIdentifier, name.span, "");
        }
        let known = scope.iter().filter_map(|condition| condition.binding.as_ref()).map(|bound| bound.text);
        let help = if find(&rule.conditions, name.text).is_some() {
            Some("it can be used only behind the condition that binds it".to_owned())
        } else {
            let near = nearest(name.text, known);
            near.map(|near| format!("did you mean `{}`?", shown(near))).or_else(|| {
                Some(format!("bind it in a condition of this rule: `{}:[type==\"name\"]`", shown(name.text)))
            })
        };
        let message = format!("no condition before this place binds `{}`", shown(name.text));
        self.sink.push(Code::UnknownIdentifier, name.span, message, help);
    }

    /// The six functions of 1.2, whose syntax is reserved here.
    fn function(&mut self, name: &Name<'a>, arguments: usize) {
        const FUNCTIONS: [(&str, usize); 6] = [
            ("JmesPath", 2),
            ("JsonToClaimValue", 1),
            ("IsSubsetOf", 2),
            ("AppendString", 2),
            ("NegateBool", 1),
            ("ContainsOnlyValue", 2),
        ];
        let Some((known, arity)) = FUNCTIONS.into_iter().find(|(known, _)| *known == name.text) else {
            let near = if self.sink.is_full(Severity::Error) {
                None
            } else {
                nearest(name.text, FUNCTIONS.map(|(known, _)| known))
            };
            let message = format!("there is no function `{}`", shown(name.text));
            let help = near.map(|near| format!("did you mean `{near}`?"));
            return self.sink.push(Code::UnknownFunction, name.span, message, help);
        };
        self.needs_later_version(&format!("`{known}`"), name.span);
        if arguments != arity {
            let plural = if arity == 1 { "argument" } else { "arguments" };
            let message = format!("`{known}` takes {arity} {plural}, not {arguments}");
            self.sink.report(Code::FunctionArity, name.span, message);
        }
    }

    /// [P]: a feature of a later version is an error that names the version.
    fn needs_later_version(&mut self, what: &str, place: Span) {
        let message = format!("{what} needs version 1.2; this build evaluates 1.0 and 1.1");
        self.sink.report(Code::VersionFeature, place, message);
    }

    /// Whether anything can be permitted, and what an unconditional `deny()` leaves without effect.
    fn check_decision(&mut self) {
        let Some(section) = &self.tree.authorization else { return };
        let always_denies =
            section.rules.iter().any(|rule| rule.action.verb == Verb::Deny && rule.conditions.is_empty());
        let mut permits = section.rules.iter().filter(|rule| rule.action.verb == Verb::Permit);
        let first_permit = permits.next();
        if always_denies {
            let idle = first_permit.or_else(|| self.tree.rules(SectionKind::Issuance).first());
            if let Some(rule) = idle {
                let message = "this rule has no effect: another rule denies without condition";
                let help = "a deny overrides every permit, wherever it stands";
                self.sink.report_with_help(Code::Unreachable, rule.span, message, help);
            }
        } else if first_permit.is_none() && !self.sink.has_errors() {
            let message = "no rule permits, so every attestation is denied";
            let help = "add a rule with `permit()`, or write `=> deny();` to say so";
            self.sink.report_with_help(Code::NeverPermits, section.keyword, message, help);
        }
    }
}

/// The condition that binds `name`.
fn find<'t, 'a>(conditions: &'t [Condition<'a>], name: &str) -> Option<&'t Condition<'a>> {
    let binds =
        |condition: &&Condition<'_>| condition.binding.as_ref().is_some_and(|bound| bound.text == name);
    conditions.iter().find(binds)
}

/// The text of a string literal.
fn literal_text<'t>(expression: &'t Expr<'_>) -> Option<&'t str> {
    match &expression.kind {
        ExprKind::String(text) => Some(text),
        _ => None,
    }
}

/// The kind of a literal.
fn literal_kind(expression: &Expr<'_>) -> Option<ValueKind> {
    match expression.kind {
        ExprKind::String(_) => Some(ValueKind::String),
        ExprKind::Integer(_) => Some(ValueKind::Integer),
        ExprKind::Boolean(_) => Some(ValueKind::Boolean),
        ExprKind::Property(..) | ExprKind::Call(..) | ExprKind::Invalid => None,
    }
}
