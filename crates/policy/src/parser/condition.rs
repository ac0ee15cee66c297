//! `c:[type=="x", value==1] && [...]`

use super::{Abandoned, Parsed, Parser};
use crate::diagnostic::{Code, Severity, shown};
use crate::lexer::TokenKind;
use crate::limits::MAX_CONDITIONS;
use crate::suggest::nearest;
use crate::syntax::{Condition, ExprKind, Name, Operator, Property, Test, Verb};

const OR_HELP: &str = "write one rule for each alternative";

impl<'a> Parser<'a, '_> {
    /// The conditions of a rule; none if the rule begins with `=>`.
    pub(super) fn conditions(&mut self) -> Parsed<Vec<Condition<'a>>> {
        let mut conditions = Vec::new();
        if self.peek().kind == TokenKind::Arrow {
            return Ok(conditions);
        }
        loop {
            if conditions.len() >= MAX_CONDITIONS {
                let message = format!("the rule has more than {MAX_CONDITIONS} conditions");
                self.sink.report(Code::LimitExceeded, self.peek().span, message);
                return Err(Abandoned);
            }
            conditions.push(self.condition()?);
            let next = self.peek();
            match next.kind {
                TokenKind::And => {
                    self.bump();
                }
                TokenKind::Bars => {
                    self.unsupported(next.span, "there is no `||` in the language", OR_HELP);
                    return Err(Abandoned);
                }
                TokenKind::Word => return self.fail_at_connective(),
                _ => return Ok(conditions),
            }
        }
    }

    fn fail_at_connective<T>(&mut self) -> Parsed<T> {
        let word = self.word().unwrap_or("");
        if word.eq_ignore_ascii_case("or") {
            let message = format!("there is no `{}` in the language", shown(word));
            self.unsupported(self.peek().span, message, OR_HELP);
        } else {
            self.expected_with_help("`&&` or `=>`", "join conditions with `&&`");
        }
        Err(Abandoned)
    }

    fn condition(&mut self) -> Parsed<Condition<'a>> {
        let start = self.peek().span;
        let negated = self.eat(TokenKind::Not).then_some(start);
        let binding = self.binding()?;
        if let Some(name) = binding.filter(|_| negated.is_some()) {
            // [P]: a negated condition holds because there is no claim, so it binds none.
            let message = format!("`{}` cannot be bound by a condition with `!`", shown(name.text));
            self.sink.report_with_help(Code::NegatedIdentifier, name.span, message, "remove the identifier");
        }
        self.opening_bracket()?;
        let mut tests = Vec::with_capacity(2);
        loop {
            tests.extend(self.test()?);
            match self.peek().kind {
                TokenKind::Comma => {
                    self.bump();
                }
                TokenKind::RightBracket => {
                    self.bump();
                    break;
                }
                TokenKind::And => {
                    self.expected_with_help("`,` or `]`", "tests of one claim are separated by `,`");
                    return Err(Abandoned);
                }
                TokenKind::Bars => {
                    self.unsupported(self.peek().span, "there is no `||` in the language", OR_HELP);
                    return Err(Abandoned);
                }
                _ => return self.fail("`,` or `]`"),
            }
        }
        Ok(Condition { span: start.to(self.previous()), negated, binding, tests })
    }

    /// `c:` if it is there.
    fn binding(&mut self) -> Parsed<Option<Name<'a>>> {
        let Some(text) = self.word() else { return Ok(None) };
        let span = self.peek().span;
        if self.peek_at(1).kind != TokenKind::Colon {
            self.report_foreign_word(text);
            return Err(Abandoned);
        }
        self.bump();
        self.bump();
        Ok(Some(Name { text, span }))
    }

    /// A condition that begins with a word: most likely a construct of AD FS claim rules.
    fn report_foreign_word(&mut self, word: &str) {
        let span = self.peek().span;
        let help = match word.to_ascii_lowercase().as_str() {
            "exists" => "a condition `[...]` already asks whether such a claim exists",
            "not" => "version 1.2 writes `![...]` for \"there is no such claim\"",
            "count" => "the number of claims cannot be tested",
            _ if self.peek_at(1).kind == TokenKind::LeftBracket => {
                let help = "an identifier is followed by `:`";
                return self.expected_with_help("a condition such as `[type==\"name\"]`", help);
            }
            _ if Verb::ALL.iter().any(|verb| verb.keyword() == word) => {
                return self.expected_with_help("a condition or `=>`", "before an action stands `=>`");
            }
            _ => return self.expected("a rule such as `[type==\"name\"] => permit();`"),
        };
        let message = format!("there is no `{}` in the language", shown(word));
        self.unsupported(span, message, help);
    }

    fn opening_bracket(&mut self) -> Parsed<()> {
        if self.eat(TokenKind::LeftBracket) {
            return Ok(());
        }
        if self.peek().kind == TokenKind::LeftParenthesis {
            let help = "conditions are joined by `&&` only; write one rule for each alternative";
            self.unsupported(self.peek().span, "conditions cannot stand in parentheses", help);
            return Err(Abandoned);
        }
        self.fail("a condition such as `[type==\"name\"]`")
    }

    /// `property operator operand`; none if the property is unknown, which is reported.
    fn test(&mut self) -> Parsed<Option<Test<'a>>> {
        let start = self.peek().span;
        let property = self.property()?;
        let known = !matches!(self.peek().kind, TokenKind::Matches | TokenKind::NotMatches);
        let operator = self.operator()?;
        let mut operand = self.expression(0)?;
        if !known {
            // A regular expression: what it is compared with says nothing.
            operand.kind = ExprKind::Invalid;
        }
        let span = start.to(self.previous());
        Ok(property.map(|property| Test { span, property, operator, operand }))
    }

    /// The name of a claim's property; an unknown one is reported and gives none.
    pub(super) fn property(&mut self) -> Parsed<Option<Property>> {
        let Some(word) = self.word() else {
            return self.fail("`type`, `value`, `valueType` or `issuer`");
        };
        let token = self.bump();
        let known = Property::ALL.into_iter().find(|property| property.keyword().eq_ignore_ascii_case(word));
        if let Some(property) = known {
            self.check_case(token, property.keyword());
            return Ok(known);
        }
        let names = Property::ALL.map(Property::keyword);
        let near = if self.sink.is_full(Severity::Error) { None } else { nearest(word, names) };
        let help = near.map_or_else(
            || "a claim has `type`, `value`, `valueType` and `issuer`".to_owned(),
            |name| format!("did you mean `{name}`?"),
        );
        let message = format!("a claim has no property `{}`", shown(word));
        self.sink.report_with_help(Code::UnknownClaimProperty, token.span, message, help);
        Ok(None)
    }

    fn operator(&mut self) -> Parsed<Operator> {
        let token = self.peek();
        let operator = match token.kind {
            TokenKind::Equal => Operator::Equal,
            TokenKind::NotEqual => Operator::NotEqual,
            TokenKind::Less => Operator::Less,
            TokenKind::LessOrEqual => Operator::LessOrEqual,
            TokenKind::Greater => Operator::Greater,
            TokenKind::GreaterOrEqual => Operator::GreaterOrEqual,
            TokenKind::Assign => {
                let help = "write `==`";
                self.sink.report_with_help(Code::SingleEquals, token.span, "`=` does not compare", help);
                Operator::Equal
            }
            TokenKind::Matches | TokenKind::NotMatches => {
                let message = format!("there is no `{}` in the language", token.span.of(self.text));
                let help = "compare whole values with `==`; there are no regular expressions";
                self.unsupported(token.span, message, help);
                Operator::Equal
            }
            TokenKind::Arrow => {
                self.expected_with_help("a comparison", "\"greater or equal\" is written `>=`");
                return Err(Abandoned);
            }
            _ => return self.fail("a comparison such as `==`"),
        };
        self.bump();
        Ok(operator)
    }
}
