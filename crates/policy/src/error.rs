//! Why an evaluation could not be carried out.

/// An evaluation that has no decision. Callers treat it as a refusal: nothing is issued.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EvalError {
    /// The claims came as JSON that is not an object.
    #[error("the claims are not a JSON object")]
    ClaimsNotAnObject,
    /// A JSON number that is not an integer of 64 bits.
    #[error("the number in claim `{claim}` is not a signed 64-bit integer")]
    NumberNotAnInteger {
        /// The claim's name.
        claim: String,
    },
    /// More claims, incoming and produced, than the limit.
    #[error("more than {limit} claims")]
    TooManyClaims {
        /// The limit in force.
        limit: usize,
    },
    /// The policy compares more than the limit allows.
    #[error("the evaluation took more than {limit} steps")]
    BudgetExceeded {
        /// The limit in force.
        limit: u64,
    },
    /// The rules issue more than the limit allows.
    #[error("the policy issues more than {limit} bytes of claims")]
    OutputTooLarge {
        /// The limit in force.
        limit: usize,
    },
    /// A computed claim type is not text.
    #[error("the rule on line {line} makes a claim whose type is of the kind {kind}, not String")]
    TypeNotString {
        /// Line of the rule.
        line: u32,
        /// The kind found.
        kind: &'static str,
    },
    /// A computed claim type has several values.
    #[error("the rule on line {line} makes a claim whose type has several values")]
    TypeNotSingle {
        /// Line of the rule.
        line: u32,
    },
    /// `valueType` in an action is not the type of the value.
    #[error(
        "the rule on line {line} declares the value type {declared}, but the value is of the kind {found}"
    )]
    ValueTypeMismatch {
        /// Line of the rule.
        line: u32,
        /// What the rule declares.
        declared: &'static str,
        /// What the value is.
        found: &'static str,
    },
    /// A rule makes or issues a claim under a name that belongs to the service.
    #[error("the rule on line {line} makes the claim `{claim}`, a name reserved for the service")]
    ReservedClaim {
        /// Line of the rule.
        line: u32,
        /// The claim's name.
        claim: String,
    },
    /// A rule issues a claim, or a value taken from one, that may only be read.
    #[error("the rule on line {line} issues the claim `{claim}`, which is read-only")]
    ReadOnlyClaim {
        /// Line of the rule.
        line: u32,
        /// The claim's name.
        claim: String,
    },
}

impl EvalError {
    /// Stable name of this error for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ClaimsNotAnObject => "claims-not-an-object",
            Self::NumberNotAnInteger { .. } => "number-not-an-integer",
            Self::TooManyClaims { .. } => "too-many-claims",
            Self::BudgetExceeded { .. } => "budget-exceeded",
            Self::OutputTooLarge { .. } => "output-too-large",
            Self::TypeNotString { .. } => "type-not-string",
            Self::TypeNotSingle { .. } => "type-not-single",
            Self::ValueTypeMismatch { .. } => "value-type-mismatch",
            Self::ReservedClaim { .. } => "reserved-claim",
            Self::ReadOnlyClaim { .. } => "read-only-claim",
        }
    }

    /// What the author of the policy or of the claims can do about it.
    pub const fn help(&self) -> Option<&'static str> {
        match self {
            Self::ClaimsNotAnObject => Some("write an object with one member for each claim"),
            Self::NumberNotAnInteger { .. } => Some("write it as a string if it must be kept"),
            Self::TooManyClaims { .. } => Some("send fewer claims, or make rules copy fewer"),
            Self::BudgetExceeded { .. } => Some("name a claim type in every condition and use fewer rules"),
            Self::OutputTooLarge { .. } => Some("issue fewer claims, and copy large ones once only"),
            Self::TypeNotString { .. } => Some("use a string for the claim type"),
            Self::TypeNotSingle { .. } => {
                Some("bind claims of one type only, or copy them with `claim=` and the identifier")
            }
            Self::ValueTypeMismatch { .. } => Some("leave `valueType` out; it follows from the value"),
            Self::ReservedClaim { .. } => Some("issue it under a name of your own"),
            Self::ReadOnlyClaim { .. } => Some("compare it in a condition and issue the outcome"),
        }
    }
}
