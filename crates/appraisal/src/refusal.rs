//! Why there is no token.

use assay_policy::{Diagnostic, EvalError};
use assay_verify::VerifyError;
use thiserror::Error;

/// Why a request did not lead to a token.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum Refusal {
    /// The evidence is not genuine. The first error explains best; the report has them all.
    #[error("{0}")]
    Evidence(VerifyError),
    /// The platform is genuine but below the baseline.
    #[error("the platform does not meet the baseline: {found}, but {demanded} is demanded")]
    Baseline {
        /// What was found.
        found: String,
        /// What is demanded.
        demanded: String,
    },
    /// The policy denies.
    #[error("the policy denies this evidence")]
    Denied,
    /// The policy could not be evaluated.
    #[error("the policy could not be evaluated: {0}")]
    PolicyEvaluation(EvalError),
    /// The draft policy cannot be used.
    #[error("the draft policy is not valid")]
    DraftPolicy(Vec<Diagnostic>),
    /// Runtime or init-time data is declared JSON and is not.
    #[error("the {data} is declared JSON, but {problem}")]
    DataNotJson {
        /// `runtime data` or `init-time data`.
        data: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The challenge that came beside the evidence is not one of this service, or has expired.
    #[error("the member `challenge` is not a challenge of this service, or it has expired")]
    ChallengeNotOurs,
    /// The challenge that came beside the evidence is not inside it.
    #[error("the evidence is not bound to the challenge that came with it")]
    ChallengeNotBound,
    /// This kind of evidence is for a later release.
    #[error("attestation of `{kind}` is not supported yet")]
    NotSupported {
        /// The kind asked for.
        kind: &'static str,
    },
}

/// What family a refusal belongs to, for mapping it to a wire's codes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RefusalClass {
    /// The request contradicts itself.
    Request,
    /// The evidence is not genuine.
    Evidence,
    /// The platform is too old.
    Baseline,
    /// The policy said no.
    Denied,
    /// The policy could not say.
    PolicyEvaluation,
    /// The draft policy is broken.
    DraftPolicy,
    /// Not built yet.
    NotSupported,
}

impl Refusal {
    /// The stable name of this refusal.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Evidence(error) => error.code(),
            Self::Baseline { .. } => "below-baseline",
            Self::Denied => "policy-denied",
            Self::PolicyEvaluation(error) => error.code(),
            Self::DraftPolicy(_) => "draft-policy",
            Self::DataNotJson { .. } => "data-not-json",
            Self::ChallengeNotOurs => "challenge-not-ours",
            Self::ChallengeNotBound => "challenge-not-bound",
            Self::NotSupported { .. } => "not-supported",
        }
    }

    /// The family of this refusal.
    #[must_use]
    pub const fn class(&self) -> RefusalClass {
        match self {
            Self::Evidence(_) => RefusalClass::Evidence,
            Self::Baseline { .. } => RefusalClass::Baseline,
            Self::Denied => RefusalClass::Denied,
            Self::PolicyEvaluation(_) => RefusalClass::PolicyEvaluation,
            Self::DraftPolicy(_) => RefusalClass::DraftPolicy,
            Self::DataNotJson { .. } | Self::ChallengeNotOurs | Self::ChallengeNotBound => {
                RefusalClass::Request
            }
            Self::NotSupported { .. } => RefusalClass::NotSupported,
        }
    }

    /// One sentence for the caller.
    #[must_use]
    pub fn message(&self) -> String {
        self.to_string()
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Evidence(error) => error.help(),
            Self::Baseline { .. } => {
                "update the platform, or ask the operator which baseline this provider has"
            }
            Self::Denied => "a reader of the provider can see which rule decided",
            Self::PolicyEvaluation(error) => error.help().unwrap_or("correct the policy"),
            Self::DraftPolicy(_) => "correct the policy; `assay policy check` shows every error",
            Self::DataNotJson { .. } => "send `dataType` Binary, or JSON without duplicate members",
            Self::ChallengeNotOurs => "ask for a new one at `/v1/challenges`, and use it within five minutes",
            Self::ChallengeNotBound => {
                "put the challenge into the runtime data whose hash is the report data, or leave it out"
            }
            Self::NotSupported { .. } => {
                "this release attests SGX enclaves, with and without Open Enclave, and SEV-SNP virtual machines"
            }
        }
    }
}
