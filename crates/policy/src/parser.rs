//! Tokens to a tree, by recursive descent (Azure Attestation, "Claim rule grammar").
//!
//! After an error the parser goes on at the next `;` or `}`, so that one run reports everything. All three
//! versions share this grammar; what a version lacks is refused by `check`.

mod action;
mod condition;
mod expression;

use crate::diagnostic::{Code, Severity, Sink, shown};
use crate::lexer::{self, Token, TokenKind};
use crate::limits::MAX_RULES;
use crate::span::Span;
use crate::suggest::nearest;
use crate::syntax::{Rule, Section, SectionKind, Tree, Version};

/// Parses the whole text. The tree is complete only if the sink has no error afterwards.
pub(crate) fn parse<'a>(text: &'a str, sink: &mut Sink) -> Tree<'a> {
    let tokens = lexer::tokens(text, sink);
    let mut parser = Parser { text, tokens, at: 0, sink, rules: 0 };
    let mut tree = Tree { version: parser.version(), ..Tree::default() };
    parser.sections(&mut tree);
    tree
}

/// What was being parsed is given up; the reason is in the sink.
struct Abandoned;

type Parsed<T> = Result<T, Abandoned>;

struct Parser<'a, 's> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    sink: &'s mut Sink,
    rules: usize,
}

impl<'a> Parser<'a, '_> {
    fn version(&mut self) -> Option<(Version, Span)> {
        let keyword = self.peek();
        let word = self.word();
        if word.is_none_or(|word| !word.eq_ignore_ascii_case("version")) {
            let help = "begin with `version=1.0;` or `version=1.1;`";
            self.sink.report_with_help(
                Code::VersionMissing,
                keyword.span,
                "the policy names no version",
                help,
            );
            if self.peek_at(1).kind == TokenKind::Assign {
                // A misspelt `version`: the rest of it is no section.
                self.synchronize();
            }
            return None;
        }
        self.check_case(keyword, "version");
        self.bump();
        match self.peek().kind {
            TokenKind::Assign => self.bump(),
            TokenKind::Equal => self.report_double_equals(),
            _ => {
                self.expected("`=`");
                self.synchronize();
                return None;
            }
        };
        let version = self.version_number();
        if self.semicolon("the version").is_err() {
            self.synchronize();
        }
        version
    }

    fn version_number(&mut self) -> Option<(Version, Span)> {
        let token = self.peek();
        if !matches!(token.kind, TokenKind::Decimal | TokenKind::Integer | TokenKind::String) {
            self.expected("a version such as `1.0`");
            return None;
        }
        self.bump();
        let written = token.span.of(self.text);
        let version = Version::from_text(written).filter(|_| token.kind == TokenKind::Decimal);
        if version.is_none() {
            let message = format!("there is no version `{}` of the policy language", shown(written));
            let help = "the versions are 1.0, 1.1 and 1.2, written without quotes";
            self.sink.report_with_help(Code::VersionUnknown, token.span, message, help);
        }
        version.map(|version| (version, token.span))
    }

    fn sections(&mut self, tree: &mut Tree<'a>) {
        let mut last = None;
        let mut guessed = false;
        loop {
            match self.peek().kind {
                TokenKind::End => break,
                TokenKind::Word => guessed |= self.section(tree, &mut last),
                _ => {
                    self.expected("a section such as `authorizationrules`");
                    self.skip_to_section();
                }
            }
        }
        if tree.authorization.is_none() && !guessed {
            // Without it nothing could be permitted ([P]: required).
            let help = "add `authorizationrules { => permit(); };` with your conditions";
            let place = self.previous().after();
            self.sink.report_with_help(
                Code::MissingSection,
                place,
                "the policy has no `authorizationrules`",
                help,
            );
        }
    }

    /// One section. True if its keyword is unknown, so that a missing section is no news.
    fn section(&mut self, tree: &mut Tree<'a>, last: &mut Option<SectionKind>) -> bool {
        let keyword = self.bump();
        let kind = self.section_kind(keyword);
        let Some(kind) = kind else {
            self.skip_to_section();
            return true;
        };
        let rules = self.rules(kind);
        if tree.section_mut(kind).is_some() {
            let message = format!("`{}` is given twice", kind.keyword());
            self.sink.report_with_help(
                Code::DuplicateSection,
                keyword.span,
                message,
                "put all its rules into one section",
            );
        } else {
            *tree.section_mut(kind) = Some(Section { keyword: keyword.span, rules });
            self.check_order(keyword.span, kind, *last);
            *last = (*last).max(Some(kind));
        }
        false
    }

    fn section_kind(&mut self, keyword: Token) -> Option<SectionKind> {
        let word = keyword.span.of(self.text);
        if word.eq_ignore_ascii_case("version") {
            self.sink.report(Code::Syntax, keyword.span, "the version is given twice");
            return None;
        }
        let same = SectionKind::ALL.into_iter().find(|kind| kind.keyword().eq_ignore_ascii_case(word));
        if let Some(kind) = same {
            self.check_case(keyword, kind.keyword());
            return Some(kind);
        }
        let names = SectionKind::ALL.map(SectionKind::keyword);
        let near = if self.sink.is_full(Severity::Error) { None } else { nearest(word, names) };
        let message = format!("there is no section `{}`", shown(word));
        let help = match near {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the sections are `{}`", names.join("`, `")),
        };
        self.sink.report_with_help(Code::UnknownSection, keyword.span, message, help);
        // The rules in it are checked as those of the section it was most likely meant to be.
        SectionKind::ALL.into_iter().find(|kind| Some(kind.keyword()) == near)
    }

    /// [P]: the order of all samples is enforced.
    fn check_order(&mut self, place: Span, kind: SectionKind, last: Option<SectionKind>) {
        let Some(last) = last.filter(|last| kind < *last) else { return };
        let message = format!("`{}` must stand before `{}`", kind.keyword(), last.keyword());
        let help = "the order is `configurationrules`, `authorizationrules`, `issuancerules`";
        self.sink.report_with_help(Code::SectionOrder, place, message, help);
    }

    /// `{ rules };`
    fn rules(&mut self, section: SectionKind) -> Vec<Rule<'a>> {
        let mut rules = Vec::new();
        let opening = self.peek().span;
        if !self.eat(TokenKind::LeftBrace) {
            self.expected("`{`");
            self.skip_to_section();
            return rules;
        }
        loop {
            match self.peek().kind {
                TokenKind::RightBrace => {
                    self.bump();
                    if self.semicolon("a section").is_err() {
                        self.skip_to_section();
                    }
                    break;
                }
                TokenKind::End => {
                    let message = format!("the `{{` of `{}` is never closed", section.keyword());
                    self.sink.report_with_help(Code::Syntax, opening, message, "end the section with `};`");
                    break;
                }
                TokenKind::Semicolon => {
                    self.expected("a rule or `}`");
                    self.bump();
                }
                TokenKind::Word if self.is_at_section() => {
                    self.expected("`}`");
                    break;
                }
                _ => match self.rule(section) {
                    Ok(rule) => rules.push(rule),
                    Err(Abandoned) => self.synchronize(),
                },
            }
        }
        rules
    }

    fn rule(&mut self, section: SectionKind) -> Parsed<Rule<'a>> {
        let start = self.peek().span;
        self.count_rule(start)?;
        let conditions = self.conditions()?;
        self.arrow()?;
        let action = self.action(section)?;
        self.semicolon("a rule")?;
        Ok(Rule { span: start.to(self.previous()), conditions, action })
    }

    fn count_rule(&mut self, place: Span) -> Parsed<()> {
        self.rules = self.rules.saturating_add(1);
        if self.rules <= MAX_RULES {
            return Ok(());
        }
        let message = format!("the policy has more than {MAX_RULES} rules");
        self.sink.report(Code::LimitExceeded, place, message);
        // Nothing behind this place is read.
        self.at = self.tokens.len().saturating_sub(1);
        Err(Abandoned)
    }

    fn arrow(&mut self) -> Parsed<()> {
        let token = self.peek();
        match token.kind {
            TokenKind::Arrow => {
                self.bump();
                Ok(())
            }
            TokenKind::GreaterOrEqual | TokenKind::Assign | TokenKind::Equal => {
                self.expected_with_help("`=>`", "between conditions and action stands `=>`");
                Err(Abandoned)
            }
            _ => self.fail("`&&` or `=>`"),
        }
    }

    /// Takes `;`. If something else follows that can begin afresh, only the semicolon is missing.
    fn semicolon(&mut self, after: &str) -> Parsed<()> {
        if self.eat(TokenKind::Semicolon) {
            return Ok(());
        }
        let next = self.peek();
        let fresh = match next.kind {
            TokenKind::End
            | TokenKind::RightBrace
            | TokenKind::Arrow
            | TokenKind::LeftBracket
            | TokenKind::Not => true,
            TokenKind::Word => self.peek_at(1).kind == TokenKind::Colon || self.is_at_section(),
            _ => false,
        };
        if !fresh {
            return self.fail("`;`");
        }
        let place = self.previous().after();
        let message = format!("the `;` behind {after} is missing");
        self.sink.report_with_help(Code::MissingSemicolon, place, message, "add `;`");
        Ok(())
    }

    /// Goes behind the next `;`, or to the next `}` or section.
    fn synchronize(&mut self) {
        loop {
            match self.peek().kind {
                TokenKind::End | TokenKind::RightBrace => return,
                TokenKind::Semicolon => {
                    self.bump();
                    return;
                }
                TokenKind::Word if self.is_at_section() => return,
                _ => self.bump(),
            };
        }
    }

    /// Skips at least one token, up to the next section.
    fn skip_to_section(&mut self) {
        loop {
            if self.peek().kind == TokenKind::End || self.is_at_section() {
                return;
            }
            self.bump();
        }
    }

    /// At `authorizationrules {` and the like, in whatever case.
    fn is_at_section(&self) -> bool {
        self.peek_at(1).kind == TokenKind::LeftBrace
            && self.word().is_some_and(|word| {
                SectionKind::ALL.iter().any(|kind| kind.keyword().eq_ignore_ascii_case(word))
            })
    }

    fn peek(&self) -> Token {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Token {
        let last = self.tokens.last().copied();
        let token = self.tokens.get(self.at.saturating_add(ahead)).copied().or(last);
        token.unwrap_or(Token { kind: TokenKind::End, span: Span::default() })
    }

    /// The next token if it is a word.
    fn word(&self) -> Option<&'a str> {
        let token = self.peek();
        (token.kind == TokenKind::Word).then(|| token.span.of(self.text))
    }

    fn bump(&mut self) -> Token {
        let token = self.peek();
        if token.kind != TokenKind::End {
            self.at = self.at.saturating_add(1);
        }
        token
    }

    fn eat(&mut self, kind: TokenKind) -> bool {
        let found = self.peek().kind == kind;
        if found {
            self.bump();
        }
        found
    }

    /// The place of the token taken last.
    fn previous(&self) -> Span {
        let before = self.at.checked_sub(1).and_then(|index| self.tokens.get(index));
        before.map_or_else(Span::default, |token| token.span)
    }

    fn expect(&mut self, kind: TokenKind, what: &str) -> Parsed<Token> {
        let token = self.peek();
        if token.kind == kind { Ok(self.bump()) } else { self.fail(what) }
    }

    fn fail<T>(&mut self, what: &str) -> Parsed<T> {
        self.expected(what);
        Err(Abandoned)
    }

    fn expected(&mut self, what: &str) {
        let (span, message) = self.expectation(what);
        self.sink.report(Code::Syntax, span, message);
    }

    fn expected_with_help(&mut self, what: &str, help: impl Into<String>) {
        let (span, message) = self.expectation(what);
        self.sink.report_with_help(Code::Syntax, span, message, help);
    }

    fn expectation(&self, what: &str) -> (Span, String) {
        let token = self.peek();
        let found = match token.kind {
            TokenKind::End => "the end of the policy".to_owned(),
            _ => format!("`{}`", shown(token.span.of(self.text))),
        };
        (token.span, format!("expected {what}, found {found}"))
    }

    /// [P]: keywords are case-sensitive; a word that differs in case only is named.
    fn check_case(&mut self, token: Token, keyword: &str) {
        let written = token.span.of(self.text);
        if written != keyword {
            let message = format!("`{}` is written `{keyword}`", shown(written));
            let help = format!("did you mean `{keyword}`?");
            self.sink.report_with_help(Code::KeywordCase, token.span, message, help);
        }
    }

    /// Takes a `==` that should be `=`.
    fn report_double_equals(&mut self) -> Token {
        let token = self.bump();
        self.sink.report_with_help(
            Code::SingleEquals,
            token.span,
            "`==` compares; here a value is assigned",
            "write `=`",
        );
        token
    }

    fn unsupported(&mut self, span: Span, message: impl Into<String>, help: &str) {
        self.sink.report_with_help(Code::UnsupportedSyntax, span, message, help);
    }
}
