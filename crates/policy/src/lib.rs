//! The Azure Attestation policy language: text to tree to decision.
//!
//! A policy decides over the claims of verified evidence and says what the token carries:
//!
//! ```text
//! text -> lexer -> parser -> syntax -> check -> lower -> program -> eval -> Evaluation
//! ```
//!
//! [`compile`] makes a [`Policy`], the only thing that [`evaluate`] takes, so a text with an error is never
//! evaluated. Versions 1.0 and 1.1 are complete; of 1.2 the whole grammar is parsed, and `check` refuses it.
//! The crate knows no claim: the caller lends it a [`Vocabulary`] for one attestation type.
//!
//! Trusted: the vocabulary and the limits. Not trusted: the policy text and every claim. No I/O, no clock.
//! Where Microsoft's documents are silent, the choice is marked `[P]`; `docs/policy-language.md` lists
//! them all for authors.
//!
//! ```
//! use assay_policy::{Claim, ClaimSet, Issuer, Limits, Vocabulary, compile, evaluate};
//!
//! let text = r#"
//! version=1.0;
//! authorizationrules { [type=="x-ms-sgx-is-debuggable", value==false] => permit(); };
//! issuancerules { c:[type=="x-ms-sgx-svn"] => issue(type="svn", value=c.value); };
//! "#;
//! let policy = compile(text, &Vocabulary::UNTYPED).policy.ok_or("not a policy")?;
//! let claims = serde_json::json!({"x-ms-sgx-is-debuggable": false, "x-ms-sgx-svn": 2});
//! let claims = ClaimSet::from_json_object(&claims, Issuer::AttestationService)?;
//! let evaluation = evaluate(&policy, &claims, &Limits::default())?;
//! assert_eq!(evaluation.decision.name(), "permit");
//! assert_eq!(evaluation.issued_json()["svn"], 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod diagnostic;
mod error;
mod eval;
mod lexer;
pub mod limits;
mod lower;
mod parser;
mod policy;
mod program;
mod span;
mod suggest;
mod syntax;
mod trace;
mod value;
mod vocabulary;

pub use diagnostic::{CODES, Diagnostic, Severity};
pub use error::EvalError;
pub use eval::{Decision, DenyReason, Evaluation, RuleRef, evaluate, evaluate_traced};
pub use limits::Limits;
pub use policy::{Compiled, Policy, compile};
pub use span::Position;
pub use suggest::nearest;
pub use syntax::{SectionKind, Version};
pub use trace::{Trace, TraceClaim, TraceCondition, TraceEntry};
pub use value::{Claim, ClaimSet, Issuer, Value, ValueKind};
pub use vocabulary::{Allowed, ClaimDef, PropertyDef, PropertySection, Vocabulary};
