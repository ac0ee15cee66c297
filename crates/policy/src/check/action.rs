//! What rules make: names they may not use, and arguments that contradict the value.

use super::condition::compared_text;
use super::{Checker, find, literal_kind, literal_text};
use crate::diagnostic::{Code, Severity, shown};
use crate::span::Span;
use crate::suggest::nearest;
use crate::syntax::{Argument, Expr, ExprKind, Make, Name, Property, Rule, SectionKind, Verb};
use crate::value::ValueKind;

impl<'t, 'a> Checker<'t, 'a, '_> {
    pub(super) fn action(&mut self, section: SectionKind, rule: &'t Rule<'a>) {
        match &rule.action.argument {
            Argument::None => {}
            Argument::Copy(name) => self.copy(rule, name),
            Argument::Make(make) => {
                self.make(rule, make);
                if rule.action.verb == Verb::IssueProperty && section != SectionKind::Authorization {
                    self.property(section, rule, make);
                }
            }
        }
    }

    fn copy(&mut self, rule: &'t Rule<'a>, name: &'t Name<'a>) {
        self.identifier(rule, &rule.conditions, name);
        if rule.action.verb == Verb::Add {
            // The copy keeps type, value and issuer [P]: nothing is forged.
            return;
        }
        let source = find(&rule.conditions, name.text);
        let Some((copied, _)) = source.and_then(|source| compared_text(source, Property::Type)) else {
            return;
        };
        self.check_read_only(copied, name.span);
        self.check_reserved(rule.action.verb, copied, name.span);
    }

    fn make(&mut self, rule: &'t Rule<'a>, make: &'t Make<'a>) {
        let verb = rule.action.verb;
        let expressions =
            [Some(&make.claim_type), Some(&make.value), make.value_type.as_ref(), make.issuer.as_ref()];
        for expression in expressions.into_iter().flatten() {
            self.references(rule, &rule.conditions, expression);
        }
        self.claim_type(verb, &make.claim_type);
        if let Some(issuer) = &make.issuer {
            // [P]: another issuer would defeat the rules that test it.
            let message = "a claim made by a rule has the issuer `AttestationPolicy`";
            self.sink.report_with_help(Code::IssuerAssignment, issuer.span, message, "remove `issuer`");
        }
        if let Some(declared) = &make.value_type {
            self.value_type(declared, &make.value);
        }
        if matches!(verb, Verb::Issue | Verb::IssueProperty) {
            self.issued_value(rule, &make.value);
        }
    }

    fn claim_type(&mut self, verb: Verb, claim_type: &'t Expr<'a>) {
        if let Some(name) = literal_text(claim_type) {
            if self.vocabulary.is_read_only(name) {
                self.check_read_only(name, claim_type.span);
            } else {
                self.check_reserved(verb, name, claim_type.span);
            }
            self.made.types.insert(name);
        } else if let Some(kind) = literal_kind(claim_type) {
            let message = format!("the type of a claim is a String, not a {}", kind.name());
            self.sink.report_with_help(Code::ClaimType, claim_type.span, message, "put the name in quotes");
        } else {
            self.made.anything = true;
        }
    }

    /// [P]: names of the service are refused, those of its properties excepted.
    fn check_reserved(&mut self, verb: Verb, name: &str, place: Span) {
        let property = verb == Verb::IssueProperty;
        if !self.vocabulary.is_reserved(name) || (property && self.vocabulary.property(name).is_some()) {
            return;
        }
        let message = format!("`{}` is a name of the service", shown(name));
        let search = property && !self.sink.is_full(Severity::Error);
        let known = self.vocabulary.properties.iter().map(|known| known.name).filter(|_| search);
        let help = match nearest(name, known) {
            Some(near) => format!("did you mean the property `{near}`?"),
            None => "choose a name of your own".to_owned(),
        };
        self.sink.report_with_help(Code::ReservedClaim, place, message, help);
    }

    fn check_read_only(&mut self, name: &str, place: Span) {
        if self.vocabulary.is_read_only(name) {
            let message = format!("the claim `{}` is read-only", shown(name));
            let help = "compare it in a condition, and issue the outcome under a name of your own";
            self.sink.report_with_help(Code::ReadOnlyClaim, place, message, help);
        }
    }

    /// [P]: the value of a read-only claim is read-only under any name.
    fn issued_value(&mut self, rule: &'t Rule<'a>, value: &'t Expr<'a>) {
        let ExprKind::Property(name, Property::Value) = &value.kind else { return };
        let source = find(&rule.conditions, name.text);
        if let Some((claim, _)) = source.and_then(|source| compared_text(source, Property::Type)) {
            self.check_read_only(claim, value.span);
        }
    }

    /// [P]: `valueType` may only repeat what follows from the value.
    fn value_type(&mut self, declared: &Expr<'a>, value: &Expr<'a>) {
        let Some(kind) = literal_text(declared).and_then(ValueKind::from_name) else {
            let message = "`valueType` is not one of `\"String\"`, `\"Integer\"` and `\"Boolean\"`";
            let help = "remove `valueType`; it follows from the value";
            return self.sink.report_with_help(Code::ValueTypeMismatch, declared.span, message, help);
        };
        let found = match (literal_kind(value), &value.kind) {
            (Some(found), _) => found,
            (None, ExprKind::Property(_, Property::Type | Property::ValueType | Property::Issuer)) => {
                ValueKind::String
            }
            // Known when the rule fires.
            (None, _) => return,
        };
        if found != kind {
            let message = format!("the value is of the type {}, not {}", found.name(), kind.name());
            let help = "remove `valueType`; it follows from the value";
            self.sink.report_with_help(Code::ValueTypeMismatch, declared.span, message, help);
        }
    }
}
