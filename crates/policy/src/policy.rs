//! Text to a policy that can be evaluated.

use std::sync::Arc;

use crate::check::check;
use crate::diagnostic::{Code, Diagnostic, Sink};
use crate::error::EvalError;
use crate::eval::{RuleRef, configuration};
use crate::limits::MAX_TEXT_BYTES;
use crate::lower::lower;
use crate::parser::parse;
use crate::program::{Program, Rule};
use crate::span::Span;
use crate::syntax::Version;
use crate::value::{Claim, ClaimSet};
use crate::vocabulary::Vocabulary;

/// A policy that was parsed and checked without errors. [`compile`] is the only way to get one.
#[derive(Debug)]
pub struct Policy {
    text: Arc<str>,
    version: Version,
    program: Program,
}

/// What [`compile`] found.
#[derive(Debug)]
pub struct Compiled {
    /// The policy; `None` if and only if a diagnostic is an error.
    pub policy: Option<Policy>,
    /// Everything found, in the order of the text; typographic quotes before all others.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses and checks a policy against what is known about one attestation type.
///
/// All findings are reported in one run, at most [`crate::limits::MAX_DIAGNOSTICS`] of them.
pub fn compile(text: &str, vocabulary: &Vocabulary<'_>) -> Compiled {
    let mut sink = Sink::default();
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("the policy is longer than {MAX_TEXT_BYTES} bytes");
        sink.report(Code::LimitExceeded, Span::default(), message);
        return Compiled { policy: None, diagnostics: sink.into_diagnostics(text) };
    }
    let tree = parse(text, &mut sink);
    check(&tree, vocabulary, &mut sink);
    let policy = match tree.version {
        Some((version, _)) if !sink.has_errors() => {
            lower(&tree, text, vocabulary).map(|program| Policy { text: Arc::from(text), version, program })
        }
        _ => None,
    };
    Compiled { policy, diagnostics: sink.into_diagnostics(text) }
}

impl Policy {
    /// The text it was made from, byte for byte.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The version of the language it names.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Evaluates the configuration rules alone, as is needed before evidence is verified: over the claims
    /// that are known without judging it. Gives the properties they set.
    ///
    /// # Errors
    /// As [`crate::evaluate`], within the default limits.
    pub fn configuration(&self, incoming: &ClaimSet) -> Result<Vec<Claim>, EvalError> {
        configuration(self, incoming)
    }

    pub(crate) const fn program(&self) -> &Program {
        &self.program
    }

    pub(crate) fn rule_ref(&self, rule: &Rule) -> RuleRef {
        let text = Arc::from(rule.span.of(&self.text));
        RuleRef { line: rule.start.line, column: rule.start.column, text }
    }
}
