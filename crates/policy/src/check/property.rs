//! Properties that rules set with `issueproperty`.

use super::condition::is_same_literal;
use super::{Checker, literal_kind, literal_text};
use crate::diagnostic::{Code, Severity, shown};
use crate::span::Span;
use crate::suggest::nearest;
use crate::syntax::{Expr, ExprKind, Make, Rule, SectionKind};
use crate::vocabulary::{Allowed, PropertyDef};

impl<'t, 'a> Checker<'t, 'a, '_> {
    pub(super) fn property(&mut self, section: SectionKind, rule: &Rule<'a>, make: &'t Make<'a>) {
        let Some(name) = literal_text(&make.claim_type) else { return };
        if rule.conditions.is_empty() {
            self.check_conflict(name, &make.value);
        }
        let known = self.vocabulary.property(name);
        match known {
            Some(property) if property.section.kind() != section => {
                let message =
                    format!("the property `{name}` is set in `{}`", property.section.kind().keyword());
                self.sink.report(Code::UnknownProperty, make.claim_type.span, message);
            }
            Some(property) => self.check_property_value(property, &make.value),
            None if self.vocabulary.is_typed() || !self.vocabulary.properties.is_empty() => {
                self.report_unknown_property(name, make.claim_type.span);
            }
            None => {}
        }
    }

    fn report_unknown_property(&mut self, name: &str, place: Span) {
        if self.vocabulary.is_reserved(name) || self.sink.is_full(Severity::Warning) {
            // A reserved name was reported as an error.
            return;
        }
        let near = nearest(name, self.vocabulary.properties.iter().map(|property| property.name));
        let message = format!("there is no property `{}` for evidence of this type", shown(name));
        let help = near.map(|near| format!("did you mean `{near}`?"));
        self.sink.push(Code::UnknownProperty, place, message, help);
    }

    fn check_property_value(&mut self, property: &PropertyDef<'_>, value: &Expr<'a>) {
        let Some(kind) = literal_kind(value) else { return };
        let (name, wanted) = (property.name, property.kind);
        if kind != wanted {
            let message =
                format!("the property `{name}` is of the type {}, not {}", wanted.name(), kind.name());
            let help = match &value.kind {
                ExprKind::Integer(number) if wanted.name() == "String" => {
                    Some(format!("in quotes: `\"{number}\"`"))
                }
                ExprKind::String(text) => Some(format!("without quotes: `{}`", shown(text))),
                _ => None,
            };
            return self.sink.push(Code::PropertyType, value.span, message, help);
        }
        let help = match (&value.kind, property.allowed) {
            (ExprKind::String(text), Allowed::OneOf(names)) if !names.contains(&text.as_ref()) => {
                format!("the values are `{}`", names.join("`, `"))
            }
            (ExprKind::Integer(number), Allowed::Between(lowest, highest))
                if !(lowest..=highest).contains(number) =>
            {
                format!("the values go from {lowest} to {highest}")
            }
            _ => return,
        };
        let message = format!("the property `{name}` cannot have this value");
        self.sink.report_with_help(Code::PropertyValue, value.span, message, help);
    }

    /// [P]: one property has one value.
    fn check_conflict(&mut self, name: &'t str, value: &'t Expr<'a>) {
        if literal_kind(value).is_none() || self.sink.is_full(Severity::Warning) {
            return;
        }
        let first = *self.properties.entry(name).or_insert(&value.kind);
        if !is_same_literal(first, &value.kind) {
            let message = format!("the property `{}` already has another value", shown(name));
            self.sink.report(Code::PropertyConflict, value.span, message);
        }
    }
}
