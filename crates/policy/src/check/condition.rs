//! Conditions that can never hold, or hold for more than their author thinks.

use super::{Checker, literal_kind, literal_text};
use crate::diagnostic::{Code, Severity, shown};
use crate::span::Span;
use crate::suggest::nearest;
use crate::syntax::{Argument, Condition, ExprKind, Operator, Property, SectionKind, Test};
use crate::value::{Issuer, ValueKind};
use crate::vocabulary::ClaimDef;

/// Where a rule stands: its section, and its number in it.
type Place = (SectionKind, usize);

impl<'t, 'a> Checker<'t, 'a, '_> {
    /// Strings and booleans have no order.
    pub(super) fn check_ordering(&mut self, test: &Test<'a>) {
        if !test.operator.is_ordering() {
            return;
        }
        let help = "`<`, `<=`, `>` and `>=` compare integers";
        if test.property != Property::Value {
            let message = format!("`{}` has no order", test.property.keyword());
            return self.sink.report_with_help(Code::OrderingOperand, test.span, message, help);
        }
        let Some(kind @ (ValueKind::String | ValueKind::Boolean)) = literal_kind(&test.operand) else {
            return;
        };
        let message = format!("a {} has no order", kind.name());
        self.sink.report_with_help(Code::OrderingOperand, test.operand.span, message, help);
    }

    pub(super) fn lint_condition(&mut self, place: Place, condition: &'t Condition<'a>) {
        if condition.tests.iter().all(|test| test.property != Property::Type) && !condition.tests.is_empty() {
            let help = "add `type==\"name\"`";
            let message = "the condition matches claims of every type";
            self.sink.report_with_help(Code::ConditionWithoutType, condition.span, message, help);
        }
        for test in &condition.tests {
            self.lint_fixed_property(test);
        }
        if is_contradiction(&condition.tests) {
            let message = "the tests of this condition exclude each other";
            self.sink.report(Code::NeverMatches, condition.span, message);
        }
        self.lint_claim(place, condition);
    }

    /// `type`, `valueType` and `issuer` are strings, and the last two have few values.
    fn lint_fixed_property(&mut self, test: &Test<'a>) {
        let keyword = test.property.keyword();
        let span = test.operand.span;
        if test.property == Property::Value || test.operator.is_ordering() {
            return;
        }
        if let Some(kind @ (ValueKind::Integer | ValueKind::Boolean)) = literal_kind(&test.operand) {
            let message = format!("`{keyword}` is a String; it is compared with a {}", kind.name());
            return self.sink.report(Code::LiteralType, span, message);
        }
        let Some(text) = literal_text(&test.operand) else { return };
        let names: &[&str] = match test.property {
            Property::Issuer => &Issuer::ALL.map(Issuer::name),
            Property::ValueType => {
                &[ValueKind::String.name(), ValueKind::Integer.name(), ValueKind::Boolean.name()]
            }
            Property::Type | Property::Value => return,
        };
        if names.contains(&text) || self.sink.is_full(Severity::Warning) {
            return;
        }
        let message = format!("`{keyword}` is never `{}`", shown(text));
        let help = match nearest(text, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of `{}`", names.join("`, `")),
        };
        self.sink.report_with_help(Code::NeverMatches, span, message, help);
    }

    /// What is known about the claim that the condition names.
    fn lint_claim(&mut self, place: Place, condition: &'t Condition<'a>) {
        let Some((name, span)) = compared_text(condition, Property::Type) else { return };
        let issuer = compared_text(condition, Property::Issuer).map(|(issuer, _)| issuer);
        let made = self.made.may_be(name);
        let definition = self.vocabulary.claim(name);
        match issuer {
            // What clients send is not in any table.
            Some(issuer) if issuer == Issuer::CustomClaim.name() => return,
            Some(issuer) if issuer == Issuer::AttestationPolicy.name() => {
                if !made {
                    self.report_unmade(place, name, span);
                }
                return;
            }
            _ => {}
        }
        let from_service = issuer == Some(Issuer::AttestationService.name());
        match definition {
            Some(definition) if !made || from_service => self.lint_values(definition, condition),
            Some(_) => {}
            None if !self.vocabulary.is_typed() || (made && !from_service) => {}
            None => self.report_unknown(place, name, span),
        }
    }

    fn report_unmade(&mut self, place: Place, name: &str, span: Span) {
        let message = format!("no earlier rule makes a claim `{}`", shown(name));
        let help = self
            .made_later(place, name)
            .then_some("a later rule does, but rules see only what earlier ones have made")
            .map(str::to_owned);
        self.sink.push(Code::NeverMatches, span, message, help);
    }

    fn report_unknown(&mut self, place: Place, name: &str, span: Span) {
        if self.sink.is_full(Severity::Warning) {
            return self.sink.report(Code::UnknownClaim, span, "");
        }
        let known = self.vocabulary.incoming.iter().map(|claim| claim.name);
        let help = if self.made_later(place, name) {
            Some("a later rule makes it, but rules see only what earlier ones have made".to_owned())
        } else {
            let near = nearest(name, known.chain(self.made.types.iter().copied()));
            near.map(|near| format!("did you mean `{}`?", shown(near)))
        };
        let message = format!("evidence of this type has no claim `{}`", shown(name));
        self.sink.push(Code::UnknownClaim, span, message, help);
    }

    /// Whether a rule behind `place` makes a claim of this type.
    fn made_later(&self, place: Place, name: &str) -> bool {
        if self.sink.is_full(Severity::Warning) {
            return false;
        }
        let (section, index) = place;
        SectionKind::ALL.into_iter().filter(|kind| *kind >= section).any(|kind| {
            let passed = if kind == section { index } else { 0 };
            self.tree.rules(kind).iter().skip(passed).any(|rule| match &rule.action.argument {
                Argument::Make(make) => literal_text(&make.claim_type) == Some(name),
                Argument::None | Argument::Copy(_) => false,
            })
        })
    }

    fn lint_values(&mut self, definition: &ClaimDef<'_>, condition: &Condition<'a>) {
        for test in condition.tests.iter().filter(|test| test.property == Property::Value) {
            let Some(kind) = literal_kind(&test.operand) else { continue };
            if kind != definition.kind {
                self.report_literal_type(definition, test, kind);
            } else if let (Some(digits), Some(text)) = (definition.hex_digits, literal_text(&test.operand)) {
                self.lint_hex(definition.name, digits, text, test.operand.span);
            }
        }
    }

    fn report_literal_type(&mut self, definition: &ClaimDef<'_>, test: &Test<'a>, kind: ValueKind) {
        // [P]: nothing is converted, `==` and orderings do not hold, `!=` does.
        let outcome = if test.operator == Operator::NotEqual { "always" } else { "never" };
        let (name, claim, literal) = (definition.name, definition.kind.name(), kind.name());
        let message =
            format!("`{name}` is of the type {claim}; the comparison with a {literal} {outcome} holds");
        let help = match (&test.operand.kind, definition.kind) {
            (ExprKind::String(text), ValueKind::Boolean | ValueKind::Integer) => {
                Some(format!("without quotes: `{}`", shown(text)))
            }
            (ExprKind::Integer(number), ValueKind::String) => Some(format!("in quotes: `\"{number}\"`")),
            (ExprKind::Boolean(truth), ValueKind::String) => Some(format!("in quotes: `\"{truth}\"`")),
            _ => None,
        };
        self.sink.push(Code::LiteralType, test.operand.span, message, help);
    }

    fn lint_hex(&mut self, name: &str, digits: usize, text: &str, span: Span) {
        let is_hex = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let message = format!("`{name}` has lower-case digits, and comparison tells cases apart");
            let help = format!("write `\"{}\"`", text.to_ascii_lowercase());
            self.sink.report_with_help(Code::UpperCaseHex, span, message, help);
        } else if !is_hex {
            let message = format!("`{name}` always has {digits} hexadecimal digits");
            self.sink.report(Code::NeverMatches, span, message);
        }
    }
}

/// The string that `property` must equal, and its place.
pub(super) fn compared_text<'t>(condition: &'t Condition<'_>, property: Property) -> Option<(&'t str, Span)> {
    condition
        .tests
        .iter()
        .filter(|test| test.property == property && test.operator == Operator::Equal)
        .find_map(|test| literal_text(&test.operand).map(|text| (text, test.operand.span)))
}

/// Whether no single claim can pass all tests: two different equals, or bounds that leave no integer.
fn is_contradiction(tests: &[Test<'_>]) -> bool {
    let mut equals = tests.iter().filter(|test| test.operator == Operator::Equal);
    let differs = |one: &Test<'_>, other: &Test<'_>| {
        one.property == other.property && literals_differ(&one.operand.kind, &other.operand.kind)
    };
    let first =
        |property| tests.iter().find(|test| test.operator == Operator::Equal && test.property == property);
    let unequal = equals.any(|test| first(test.property).is_some_and(|first| differs(first, test)));
    let (lowest, highest) = bounds(tests);
    unequal || lowest > highest
}

fn literals_differ(one: &ExprKind<'_>, other: &ExprKind<'_>) -> bool {
    let is_literal = |kind: &ExprKind<'_>| {
        matches!(kind, ExprKind::String(_) | ExprKind::Integer(_) | ExprKind::Boolean(_))
    };
    is_literal(one) && is_literal(other) && !is_same_literal(one, other)
}

/// Whether both are literals of the same type and value.
pub(super) fn is_same_literal(one: &ExprKind<'_>, other: &ExprKind<'_>) -> bool {
    match (one, other) {
        (ExprKind::String(one), ExprKind::String(other)) => one == other,
        (ExprKind::Integer(one), ExprKind::Integer(other)) => one == other,
        (ExprKind::Boolean(one), ExprKind::Boolean(other)) => one == other,
        _ => false,
    }
}

/// The integers that pass all tests of the value; wider than `i64` so that strict bounds cannot overflow.
fn bounds(tests: &[Test<'_>]) -> (i128, i128) {
    let mut lowest = i128::MIN;
    let mut highest = i128::MAX;
    for test in tests.iter().filter(|test| test.property == Property::Value) {
        let ExprKind::Integer(number) = test.operand.kind else { continue };
        let number = i128::from(number);
        match test.operator {
            Operator::Equal => {
                lowest = lowest.max(number);
                highest = highest.min(number);
            }
            Operator::Less => highest = highest.min(number.saturating_sub(1)),
            Operator::LessOrEqual => highest = highest.min(number),
            Operator::Greater => lowest = lowest.max(number.saturating_add(1)),
            Operator::GreaterOrEqual => lowest = lowest.max(number),
            Operator::NotEqual => {}
        }
    }
    (lowest.max(i128::from(i64::MIN)), highest.min(i128::from(i64::MAX)))
}
