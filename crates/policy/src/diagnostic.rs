//! What is wrong with a policy text, where, and what to do about it.

use std::ops::Range;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::limits::MAX_DIAGNOSTICS;
use crate::span::{Locator, Position, Span};

/// Whether a policy can be used in spite of a diagnostic.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The text is not a policy.
    Error,
    /// The policy can be used, but probably does not do what its author means.
    Warning,
}

/// One finding.
///
/// It serialises as `{"severity","code","message","help","line","column","end_line","end_column"}`, the shape
/// of `assay policy check --format json`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Stable name; [`CODES`] explains each.
    pub code: &'static str,
    /// One sentence, lower case, user input in backticks.
    pub message: String,
    /// What to write instead, where that can be guessed.
    pub help: Option<String>,
    /// Byte range in the text, on character boundaries; empty where something is missing.
    pub span: Range<usize>,
    /// Where the range begins.
    pub start: Position,
    /// Where the range ends (exclusive).
    pub end: Position,
}

impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shape = serializer.serialize_struct("Diagnostic", 8)?;
        shape.serialize_field("severity", &self.severity)?;
        shape.serialize_field("code", self.code)?;
        shape.serialize_field("message", &self.message)?;
        shape.serialize_field("help", &self.help)?;
        shape.serialize_field("line", &self.start.line)?;
        shape.serialize_field("column", &self.start.column)?;
        shape.serialize_field("end_line", &self.end.line)?;
        shape.serialize_field("end_column", &self.end.column)?;
        shape.end()
    }
}

/// Defines every code once: its variant, severity, name and explanation.
macro_rules! codes {
    ($($variant:ident $severity:ident $name:literal $why:literal)+) => {
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(crate) enum Code { $($variant),+ }

        impl Code {
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            pub(crate) const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),+ }
            }
        }

        /// Every code that a [`Diagnostic`] can have, with its explanation.
        pub const CODES: &[(&str, &str)] = &[$(($name, $why)),+];
    };
}

codes! {
    LimitExceeded Error "limit-exceeded" "the text is longer, deeper or has more rules than is allowed"
    InvalidCharacter Error "invalid-character" "a character that means nothing in the language"
    CurlyQuote Error "curly-quote" "a typographic quotation mark, usually from a word processor or a web page"
    SingleQuotedString Error "single-quoted-string" "a string in single quotes; only double quotes make strings"
    UnterminatedString Error "unterminated-string" "a string that is never closed"
    InvalidEscape Error "invalid-escape" "a backslash in a string before anything but `\"` or `\\`"
    InvalidNumber Error "invalid-number" "a number that is not a decimal integer"
    HexLiteral Error "hex-literal" "a hexadecimal number; the language has decimal integers only"
    IntegerOutOfRange Error "integer-out-of-range" "an integer that does not fit into 64 bits with sign"
    BlockComment Error "block-comment" "a comment in `/* */`; comments begin with `//`"
    Syntax Error "syntax" "the text does not follow the grammar"
    MissingSemicolon Error "missing-semicolon" "a rule, section or version without `;` at its end"
    SingleEquals Error "single-equals" "`=` where `==` compares, or `==` where `=` assigns"
    UnsupportedSyntax Error "unsupported-syntax" "an operator or keyword of another language, such as `=~`, `||`, `EXISTS` or parentheses"
    KeywordCase Error "keyword-case" "a keyword in the wrong case"
    UnknownSection Error "unknown-section" "a section that the language does not have"
    UnknownAction Error "unknown-action" "an action that the language does not have"
    UnknownClaimProperty Error "unknown-claim-property" "a claim has `type`, `value`, `valueType` and `issuer`, nothing else"
    Placeholder Error "placeholder" "a placeholder in angle brackets that was not filled in"
    PositionalArgument Error "positional-argument" "an argument without its name"
    MissingArgument Error "missing-argument" "an action without a claim, or a claim without `type` or `value`"
    DuplicateArgument Error "duplicate-argument" "an argument given twice"
    UnexpectedArgument Error "unexpected-argument" "an argument that the action does not take"
    ClaimType Error "claim-type" "a claim type that is not a string"
    ActionNotAllowed Error "action-not-allowed" "an action in a section where it may not stand"
    SectionOrder Error "section-order" "a section behind one that must follow it"
    DuplicateSection Error "duplicate-section" "a section given twice"
    MissingSection Error "missing-section" "no `authorizationrules`"
    NegatedIdentifier Error "negated-identifier" "an identifier on a condition with `!`, which binds no claim"
    VersionMissing Error "version-missing" "the text does not begin with `version=`"
    VersionUnknown Error "version-unknown" "a version that the language does not have"
    VersionUnsupported Error "version-unsupported" "version 1.2, which this release parses but does not evaluate"
    VersionFeature Error "version-feature" "something that needs a later version than the policy names"
    UnknownIdentifier Error "unknown-identifier" "an identifier that no earlier condition of the rule binds"
    DuplicateIdentifier Error "duplicate-identifier" "an identifier bound twice in one rule"
    UnknownFunction Error "unknown-function" "a function that the language does not have"
    FunctionArity Error "function-arity" "a function called with the wrong number of arguments"
    OrderingOperand Error "ordering-operand" "`<`, `<=`, `>` or `>=` on something that is not an integer"
    IssuerAssignment Error "issuer-assignment" "a rule that claims another issuer than the policy"
    ValueTypeMismatch Error "value-type-mismatch" "a `valueType` in an action that is not the type of the value"
    ReservedClaim Error "reserved-claim" "a rule that makes a claim under a name of the service"
    ReadOnlyClaim Error "read-only-claim" "a rule that makes or issues a claim which may only be read"
    TooManyDiagnostics Warning "too-many-diagnostics" "more was found than is reported"
    NewlineInString Warning "newline-in-string" "a string over several lines, often one that was meant to end earlier"
    ConditionWithoutType Warning "condition-without-type" "a condition that matches claims of every type"
    UnknownClaim Warning "unknown-claim" "a claim type that evidence of this kind does not have and no earlier rule makes"
    LiteralType Warning "literal-type" "a comparison with a value of another type than the claim has"
    NeverMatches Warning "never-matches" "a condition that no claim can satisfy"
    UpperCaseHex Warning "upper-case-hex" "a measurement in upper case; the claims have lower case"
    ConditionalConfiguration Warning "conditional-configuration" "a configuration rule with a condition, decided before evidence is verified"
    Unreachable Warning "unreachable" "a rule without effect, because an unconditional `deny()` decides"
    NeverPermits Warning "never-permits" "no rule permits, so that every attestation is denied"
    UnknownProperty Warning "unknown-property" "a property that evidence of this kind does not have in this section"
    PropertyType Warning "property-type" "a property with a value of the wrong type"
    PropertyValue Warning "property-value" "a property with a value that it cannot take"
    PropertyConflict Warning "property-conflict" "a property set to two different values"
}

#[derive(Debug)]
struct Report {
    code: Code,
    span: Span,
    message: String,
    help: Option<String>,
}

/// Collects findings. Errors and warnings are bounded apart, so that warnings never crowd out an error.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    errors: Vec<Report>,
    warnings: Vec<Report>,
    dropped: usize,
}

impl Sink {
    pub(crate) fn report(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.push(code, span, message.into(), None);
    }

    pub(crate) fn report_with_help(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(code, span, message.into(), Some(help.into()));
    }

    pub(crate) fn push(&mut self, code: Code, span: Span, message: String, help: Option<String>) {
        let reports = self.reports(code.severity());
        if reports.len() >= MAX_DIAGNOSTICS {
            self.dropped = self.dropped.saturating_add(1);
        } else if !reports.iter().any(|known| known.code == code && known.span == span) {
            reports.push(Report { code, span, message, help });
        }
    }

    /// Whether further findings of this severity are only counted: then a search for similar names is
    /// wasted, and hostile text could ask for a million of them.
    pub(crate) fn is_full(&self, severity: Severity) -> bool {
        match severity {
            Severity::Error => self.errors.len() >= MAX_DIAGNOSTICS,
            Severity::Warning => self.warnings.len() >= MAX_DIAGNOSTICS,
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    fn reports(&mut self, severity: Severity) -> &mut Vec<Report> {
        match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        }
    }

    /// The findings in the order of the text, typographic quotes before all others, errors before warnings at
    /// the same place.
    pub(crate) fn into_diagnostics(self, text: &str) -> Vec<Diagnostic> {
        let found = self.errors.len().saturating_add(self.warnings.len()).saturating_add(self.dropped);
        let mut reports: Vec<Report> =
            self.errors.into_iter().chain(self.warnings).take(MAX_DIAGNOSTICS).collect();
        let left_out = found.saturating_sub(reports.len());
        // A typographic quote makes errors all over the text, so it is told first [P].
        reports.sort_by_key(|report| (report.code != Code::CurlyQuote, report.span.start));
        if left_out > 0 {
            let last = reports.last().map_or_else(Span::default, |report| report.span);
            reports.push(Report {
                code: Code::TooManyDiagnostics,
                span: last,
                message: format!("{left_out} more findings are not shown"),
                help: None,
            });
        }
        let mut locator = Locator::new(text);
        reports.into_iter().map(|report| diagnostic(report, &mut locator)).collect()
    }
}

fn diagnostic(report: Report, locator: &mut Locator<'_>) -> Diagnostic {
    let start = locator.locate(report.span.start);
    // The next finding may begin inside this one, so the end is looked up by a copy.
    let end = locator.clone().locate(report.span.end);
    Diagnostic {
        severity: report.code.severity(),
        code: report.code.name(),
        message: report.message,
        help: report.help,
        span: report.span.start..report.span.end,
        start,
        end,
    }
}

/// User input fit for a message: one line, short, without characters that reorder or hide text.
pub(crate) fn shown(input: &str) -> String {
    const LONGEST: usize = 60;
    let mut characters = input.chars().map(|character| if is_visible(character) { character } else { ' ' });
    let mut shown: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        shown.push_str("...");
    }
    shown
}

fn is_visible(character: char) -> bool {
    // Bidirectional and zero-width controls can make a message read as something else (Unicode TR 36).
    let misleading = matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    !character.is_control() && !misleading
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/policy-language.md");

    #[test]
    fn the_document_lists_exactly_the_codes() {
        let table = DOCUMENT.split_once("<!-- codes -->").unwrap().1.split_once("<!-- /codes -->").unwrap().0;
        let listed: Vec<String> =
            table.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
        let expected: Vec<String> = Code::ALL
            .iter()
            .zip(CODES)
            .map(|(code, (name, why))| {
                let severity = if code.severity() == Severity::Error { "error" } else { "warning" };
                format!("| `{name}` | {severity} | {why} |").replace("`||`", "`\\|\\|`")
            })
            .collect();
        assert_eq!(listed, expected);
    }

    #[test]
    fn codes_are_unique_and_in_kebab_case() {
        for (index, (name, _)) in CODES.iter().enumerate() {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
            assert!(!CODES.iter().skip(index + 1).any(|(other, _)| other == name), "{name}");
        }
    }

    #[test]
    fn warnings_do_not_crowd_out_an_error() {
        let mut sink = Sink::default();
        for offset in 0..300 {
            sink.report(Code::Unreachable, Span::new(offset, offset), "w");
        }
        sink.report(Code::Syntax, Span::new(400, 400), "e");
        let diagnostics = sink.into_diagnostics(&" ".repeat(500));
        assert_eq!(diagnostics.len(), MAX_DIAGNOSTICS + 1);
        assert_eq!(diagnostics.iter().filter(|d| d.severity == Severity::Error).count(), 1);
        let last = diagnostics.last().unwrap();
        assert_eq!(
            (last.code, last.message.as_str()),
            ("too-many-diagnostics", "201 more findings are not shown")
        );
    }

    #[test]
    fn the_json_shape_is_fixed() {
        let mut sink = Sink::default();
        sink.report_with_help(Code::Syntax, Span::new(2, 4), "m", "h");
        let json = serde_json::to_string(&sink.into_diagnostics("a\nbc")).unwrap();
        assert_eq!(
            json,
            r#"[{"severity":"error","code":"syntax","message":"m","help":"h","line":2,"column":1,"end_line":2,"end_column":3}]"#
        );
    }

    #[test]
    fn shown_input_is_short_and_harmless() {
        assert_eq!(shown("a\nb\u{202e}c"), "a b c");
        assert_eq!(shown(&"x".repeat(61)), format!("{}...", "x".repeat(60)));
    }
}
