//! What is found, in the shape of a policy's diagnostics.

use std::ops::Range;

use assay_policy::{Diagnostic, Position, Severity};

/// More are not reported: a file has a dozen settings.
const MAX_FINDINGS: usize = 100;

/// Defines every code once: its variant, severity and name.
macro_rules! codes {
    ($($variant:ident $severity:ident $name:literal)+) => {
        /// A kind of finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Code { $($variant),+ }

        impl Code {
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),+ }
            }
        }
    };
}

codes! {
    Syntax Error "syntax"
    NoSettings Error "no-settings"
    UrlInvalid Error "url-invalid"
    UrlNoSlash Error "url-trailing-slash"
    UrlPath Error "url-path"
    UrlVersion Error "url-version"
    ApiVersionUnknown Error "api-version-unknown"
    MetadataHeader Error "metadata-header-missing"
    UrlMissing Warning "url-missing"
    UrlPlain Warning "url-not-https"
    UrlOld Warning "url-version-old"
    UrlVersionsDiffer Warning "url-versions-differ"
    ApiVersionMissing Warning "api-version-missing"
    ValueType Warning "value-ignored"
    ValueRange Warning "value-range"
    UnknownKey Warning "unknown-key"
    KeyCase Warning "key-case"
    DuplicateKey Warning "duplicate-key"
    LineIgnored Warning "line-ignored"
    CommentInValue Warning "comment-in-value"
    OldForm Warning "old-form"
    Insecure Warning "certificate-not-checked"
    SecureByDefault Warning "certificate-checked-by-default"
    NoRetries Warning "no-retries"
    RetryDelayZero Warning "retry-delay-zero"
    LocalFirst Warning "local-pck-url-first"
    CacheWeek Warning "cache-week"
    LocalCacheOnly Warning "local-cache-only"
}

/// Collects findings.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

#[derive(Debug)]
struct Finding {
    code: Code,
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

impl Findings {
    /// Adds a finding with what to do about it.
    pub(super) fn add(
        &mut self,
        code: Code,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(code, span, message.into(), Some(help.into()));
    }

    /// Adds a finding that says all.
    pub(super) fn note(&mut self, code: Code, span: &Range<usize>, message: impl Into<String>) {
        self.push(code, span, message.into(), None);
    }

    fn push(&mut self, code: Code, span: &Range<usize>, message: String, help: Option<String>) {
        if self.0.len() < MAX_FINDINGS {
            self.0.push(Finding { code, span: span.clone(), message, help });
        }
    }

    /// With lines and columns, in the order of the text.
    pub(super) fn located(mut self, text: &str) -> Vec<Diagnostic> {
        self.0.sort_by_key(|finding| (finding.span.start, finding.code.severity() == Severity::Warning));
        let locate = |finding: Finding| Diagnostic {
            severity: finding.code.severity(),
            code: finding.code.name(),
            message: finding.message,
            help: finding.help,
            start: position(text, finding.span.start),
            end: position(text, finding.span.end),
            span: finding.span,
        };
        self.0.into_iter().map(locate).collect()
    }
}

/// Line and column from 1, the column in characters.
fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or(before);
    let count = |number: usize| u32::try_from(number.saturating_add(1)).unwrap_or(u32::MAX);
    Position {
        line: count(before.bytes().filter(|byte| *byte == b'\n').count()),
        column: count(line.chars().count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_explains_every_code() {
        let manual = include_str!("../../../../../../docs/hardware-identity.md");
        for code in Code::ALL {
            let severity = if code.severity() == Severity::Error { "| error |" } else { "| warning |" };
            let named = format!("`{}`", code.name());
            let row = manual.lines().find(|line| line.starts_with("| `") && line.contains(&named));
            assert!(row.is_some_and(|row| row.contains(severity)), "{named} {severity}");
        }
    }
}
