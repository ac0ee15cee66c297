//! Literals, `c.value` and function calls.

use super::{Abandoned, Parsed, Parser};
use crate::diagnostic::{Code, shown};
use crate::lexer::{Token, TokenKind, unquote};
use crate::limits::MAX_DEPTH;
use crate::span::Span;
use crate::syntax::{Expr, ExprKind, Name, Property};

impl<'a> Parser<'a, '_> {
    /// An expression inside `depth` function calls.
    pub(super) fn expression(&mut self, depth: usize) -> Parsed<Expr<'a>> {
        let token = self.peek();
        let kind = match token.kind {
            TokenKind::String => {
                self.bump();
                ExprKind::String(unquote(token.span.of(self.text)))
            }
            TokenKind::Integer => {
                self.bump();
                self.integer(token)
            }
            TokenKind::Decimal => {
                self.bump();
                let message = format!("`{}` is not an integer", shown(token.span.of(self.text)));
                let help = "the language has no fractions";
                self.sink.report_with_help(Code::InvalidNumber, token.span, message, help);
                ExprKind::Invalid
            }
            TokenKind::Placeholder => {
                self.bump();
                let message = format!("`{}` is a placeholder", shown(token.span.of(self.text)));
                let help = "put the value in its place";
                self.sink.report_with_help(Code::Placeholder, token.span, message, help);
                ExprKind::Invalid
            }
            TokenKind::Word => return self.word_expression(depth),
            TokenKind::LeftParenthesis => {
                let message = "a value cannot stand in parentheses";
                self.unsupported(token.span, message, "write the value alone");
                return Err(Abandoned);
            }
            _ => return self.fail("a value"),
        };
        Ok(Expr { span: token.span, kind })
    }

    fn integer(&mut self, token: Token) -> ExprKind<'a> {
        let written = token.span.of(self.text);
        if let Ok(number) = written.parse() {
            return ExprKind::Integer(number);
        }
        // What holds other characters than digits was reported by the lexer.
        if written.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("`{}` does not fit into 64 bits", shown(written));
            let help = format!("integers go from {} to {}", i64::MIN, i64::MAX);
            self.sink.report_with_help(Code::IntegerOutOfRange, token.span, message, help);
        }
        ExprKind::Invalid
    }

    fn word_expression(&mut self, depth: usize) -> Parsed<Expr<'a>> {
        let token = self.bump();
        let name = Name { text: token.span.of(self.text), span: token.span };
        let kind = match self.peek().kind {
            TokenKind::Dot => self.property_access(name)?,
            TokenKind::LeftParenthesis => self.call(name, depth)?,
            _ => ExprKind::Boolean(self.boolean(token, name.text)?),
        };
        Ok(Expr { span: token.span.to(self.previous()), kind })
    }

    fn boolean(&mut self, token: Token, word: &str) -> Parsed<bool> {
        for (keyword, truth) in [("true", true), ("false", false)] {
            if word.eq_ignore_ascii_case(keyword) {
                self.check_case(token, keyword);
                return Ok(truth);
            }
        }
        let message = format!("expected a value, found `{}`", shown(word));
        let help =
            format!("for text write `\"{0}\"`, for the value of a claim write `{0}.value`", shown(word));
        self.sink.report_with_help(Code::Syntax, token.span, message, help);
        Err(Abandoned)
    }

    fn property_access(&mut self, name: Name<'a>) -> Parsed<ExprKind<'a>> {
        self.bump();
        // An unknown property is reported; its place in a tree that is refused does not matter.
        let property = self.property()?.unwrap_or(Property::Value);
        Ok(ExprKind::Property(name, property))
    }

    fn call(&mut self, name: Name<'a>, depth: usize) -> Parsed<ExprKind<'a>> {
        let inner = depth.saturating_add(1);
        if inner > MAX_DEPTH {
            return self.too_deep(name.span);
        }
        self.bump();
        let mut arguments = Vec::new();
        if !self.eat(TokenKind::RightParenthesis) {
            loop {
                arguments.push(self.expression(inner)?);
                if self.eat(TokenKind::RightParenthesis) {
                    break;
                }
                self.expect(TokenKind::Comma, "`,` or `)`")?;
            }
        }
        Ok(ExprKind::Call(name, arguments))
    }

    fn too_deep<T>(&mut self, place: Span) -> Parsed<T> {
        let message = format!("function calls are nested more than {MAX_DEPTH} deep");
        self.sink.report(Code::LimitExceeded, place, message);
        Err(Abandoned)
    }
}
