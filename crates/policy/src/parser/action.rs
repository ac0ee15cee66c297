//! `permit()`, `issue(type="x", value=c.value)` and the like.

use super::{Abandoned, Parsed, Parser};
use crate::diagnostic::{Code, Severity, shown};
use crate::lexer::{Token, TokenKind};
use crate::span::Span;
use crate::suggest::nearest;
use crate::syntax::{Action, Argument, Expr, Make, Name, Property, SectionKind, Verb};

/// The arguments as written, before it is known whether they fit together.
#[derive(Default)]
struct Arguments<'a> {
    copy: Option<Name<'a>>,
    claim_type: Option<Expr<'a>>,
    value: Option<Expr<'a>>,
    value_type: Option<Expr<'a>>,
    issuer: Option<Expr<'a>>,
    /// An argument was reported as unknown, so that a missing one is no news.
    faulty: bool,
}

impl<'a> Parser<'a, '_> {
    pub(super) fn action(&mut self, section: SectionKind) -> Parsed<Action<'a>> {
        let (verb, token) = self.verb()?;
        let allowed = self.check_section(verb, token, section);
        self.expect(TokenKind::LeftParenthesis, "`(`")?;
        let arguments = self.arguments()?;
        let span = token.span.to(self.previous());
        let argument = match verb {
            Verb::Permit | Verb::Deny => self.no_argument(verb, arguments, span),
            Verb::Add | Verb::Issue | Verb::IssueProperty => {
                self.claim_argument(verb, arguments, span, allowed)
            }
        };
        Ok(Action { verb, argument: argument.unwrap_or(Argument::None) })
    }

    fn verb(&mut self) -> Parsed<(Verb, Token)> {
        let Some(word) = self.word() else {
            return self.fail("an action such as `permit()`");
        };
        let token = self.bump();
        let known = Verb::ALL.into_iter().find(|verb| verb.keyword().eq_ignore_ascii_case(word));
        if let Some(verb) = known {
            self.check_case(token, verb.keyword());
            return Ok((verb, token));
        }
        let near = if self.sink.is_full(Severity::Error) {
            None
        } else {
            nearest(word, Verb::ALL.map(Verb::keyword))
        };
        let help = if word.eq_ignore_ascii_case("addproperty") {
            "properties are made by `issueproperty`".to_owned()
        } else if let Some(name) = near {
            format!("did you mean `{name}`?")
        } else {
            "the actions are `permit`, `deny`, `add`, `issue` and `issueproperty`".to_owned()
        };
        let message = format!("there is no action `{}`", shown(word));
        self.sink.report_with_help(Code::UnknownAction, token.span, message, help);
        Err(Abandoned)
    }

    /// Which actions stand where.
    fn check_section(&mut self, verb: Verb, token: Token, section: SectionKind) -> bool {
        if verb.belongs_in(section) {
            return true;
        }
        let help = match (section, verb) {
            (SectionKind::Authorization, Verb::Issue) => {
                "use `add` here; what a token carries is issued in `issuancerules`"
            }
            (SectionKind::Authorization, _) => "use it in `configurationrules` or `issuancerules`",
            (_, Verb::Permit | Verb::Deny) => "use it in `authorizationrules`",
            _ => "`configurationrules` can only use `issueproperty`",
        };
        let message = format!("`{}` cannot stand in `{}`", verb.keyword(), section.keyword());
        self.sink.report_with_help(Code::ActionNotAllowed, token.span, message, help);
        false
    }

    /// Everything up to and including `)`.
    fn arguments(&mut self) -> Parsed<Arguments<'a>> {
        let mut arguments = Arguments::default();
        if self.eat(TokenKind::RightParenthesis) {
            return Ok(arguments);
        }
        loop {
            self.argument(&mut arguments)?;
            if self.eat(TokenKind::RightParenthesis) {
                return Ok(arguments);
            }
            self.expect(TokenKind::Comma, "`,` or `)`")?;
        }
    }

    fn argument(&mut self, arguments: &mut Arguments<'a>) -> Parsed<()> {
        let target = self.peek();
        let assigned = matches!(self.peek_at(1).kind, TokenKind::Assign | TokenKind::Equal);
        if !assigned {
            return self.positional_argument(arguments);
        }
        if self.word().is_some_and(|word| word.eq_ignore_ascii_case("claim")) {
            self.check_case(target, "claim");
            self.bump();
            self.assignment_operator();
            return self.copied_claim(target, arguments);
        }
        let property = self.property()?;
        self.assignment_operator();
        let value = self.expression(0)?;
        let slot = match property {
            Some(Property::Type) => &mut arguments.claim_type,
            Some(Property::Value) => &mut arguments.value,
            Some(Property::ValueType) => &mut arguments.value_type,
            Some(Property::Issuer) => &mut arguments.issuer,
            None => {
                arguments.faulty = true;
                return Ok(());
            }
        };
        if slot.is_some() {
            self.report_duplicate(target);
        }
        *slot = Some(value);
        Ok(())
    }

    fn assignment_operator(&mut self) {
        if self.peek().kind == TokenKind::Equal {
            self.report_double_equals();
        } else {
            self.bump();
        }
    }

    fn copied_claim(&mut self, target: Token, arguments: &mut Arguments<'a>) -> Parsed<()> {
        let Some(text) = self.word() else { return self.fail("an identifier") };
        let name = Name { text, span: self.bump().span };
        if self.peek().kind == TokenKind::Dot {
            let help = format!("`claim={}` copies the whole claim", shown(text));
            self.expected_with_help("`)`", help);
            return Err(Abandoned);
        }
        if arguments.copy.is_some() {
            self.report_duplicate(target);
        }
        arguments.copy = Some(name);
        Ok(())
    }

    fn report_duplicate(&mut self, target: Token) {
        let message = format!("`{}` is given twice", target.span.of(self.text));
        self.sink.report(Code::DuplicateArgument, target.span, message);
    }

    /// `issue("X", ...)`: one of Microsoft's samples has it. It can only mean the type.
    fn positional_argument(&mut self, arguments: &mut Arguments<'a>) -> Parsed<()> {
        if !matches!(
            self.peek().kind,
            TokenKind::String | TokenKind::Integer | TokenKind::Word | TokenKind::Placeholder
        ) {
            return self.fail("an argument such as `type=\"name\"`");
        }
        let value = self.expression(0)?;
        let written = shown(value.span.of(self.text));
        let name = if arguments.claim_type.is_none() { "type" } else { "value" };
        let message = format!("the argument `{written}` has no name");
        let help = format!("did you mean `{name}={written}`?");
        self.sink.report_with_help(Code::PositionalArgument, value.span, message, help);
        arguments.faulty = true;
        Ok(())
    }

    fn no_argument(&mut self, verb: Verb, arguments: Arguments<'a>, span: Span) -> Option<Argument<'a>> {
        let Arguments { copy, claim_type, value, value_type, issuer, faulty } = arguments;
        let any = [&claim_type, &value, &value_type, &issuer].into_iter().any(Option::is_some);
        if any || copy.is_some() || faulty {
            let message = format!("`{}` takes no argument", verb.keyword());
            let help = format!("write `{}()`", verb.keyword());
            self.sink.report_with_help(Code::UnexpectedArgument, span, message, help);
        }
        None
    }

    fn claim_argument(
        &mut self,
        verb: Verb,
        arguments: Arguments<'a>,
        span: Span,
        allowed: bool,
    ) -> Option<Argument<'a>> {
        let Arguments { copy, claim_type, value, value_type, issuer, faulty } = arguments;
        if let Some(name) = copy {
            let made = [&claim_type, &value, &value_type, &issuer].into_iter().flatten().next();
            if let Some(other) = made {
                let help = "either copy a claim, or give `type` and `value`";
                let message = "`claim` cannot be combined with other arguments";
                self.sink.report_with_help(Code::UnexpectedArgument, other.span, message, help);
            }
            return Some(Argument::Copy(name));
        }
        match (claim_type, value) {
            (Some(claim_type), Some(value)) => {
                Some(Argument::Make(Box::new(Make { claim_type, value, value_type, issuer })))
            }
            (claim_type, _) => {
                if !faulty && allowed {
                    let missing = if claim_type.is_none() { "type" } else { "value" };
                    let message = format!("`{}` needs a `{missing}`", verb.keyword());
                    let help = format!("write `{}(type=\"name\", value=true)`", verb.keyword());
                    self.sink.report_with_help(Code::MissingArgument, span, message, help);
                }
                None
            }
        }
    }
}
