//! Why bytes do not have the shape they should have.

use thiserror::Error;

/// A layout rule that the bytes break. Offsets and sizes are in bytes, from the start of the evidence or of the part of it that
/// the message names.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParseError {
    /// A field reaches past the end of the evidence.
    #[error("the evidence ends early: {field} needs {needed} bytes at offset {offset}, {available} are left")]
    Truncated {
        /// The field being read.
        field: &'static str,
        /// Where it starts.
        offset: usize,
        /// Its size.
        needed: usize,
        /// What is left.
        available: usize,
    },
    /// The evidence is larger than anything its kind can be.
    #[error("the evidence is {size} bytes long, at most {limit} are accepted")]
    TooLarge {
        /// Size received.
        size: usize,
        /// Size accepted.
        limit: usize,
    },
    /// The version is not one this parser knows.
    #[error("{format} version {found} is not supported")]
    UnsupportedVersion {
        /// The format, such as `quote`.
        format: &'static str,
        /// The version found.
        found: u32,
    },
    /// The attestation key type is not ECDSA P-256.
    #[error("attestation key type {found} is not supported")]
    UnsupportedKeyType {
        /// The type found.
        found: u16,
    },
    /// A length field contradicts another one, or exceeds its limit.
    #[error("{field} is {found} bytes long, {expected} were expected")]
    BadLength {
        /// The field whose length is wrong.
        field: &'static str,
        /// The length found.
        found: usize,
        /// What would be right.
        expected: LengthRule,
    },
    /// A list is longer than any real one.
    #[error("the {field} has more than {limit} entries")]
    TooManyEntries {
        /// The list.
        field: &'static str,
        /// How many are accepted.
        limit: usize,
    },
    /// Certification data of a type that does not exist or cannot occur here.
    #[error("certification data type {found} is not known")]
    UnknownCertificationData {
        /// The type found.
        found: u16,
    },
    /// A field has a value its format does not allow.
    #[error("{field} is {found}, {expected} was expected")]
    BadField {
        /// The field.
        field: &'static str,
        /// The value found.
        found: u64,
        /// The only value allowed.
        expected: u64,
    },
    /// A field has a value of which nobody knows what it means.
    #[error("{field} is {found:#x}, which is not known")]
    UnknownValue {
        /// The field.
        field: &'static str,
        /// The value found.
        found: u32,
    },
    /// A document around the evidence is not one that is known, or contradicts itself.
    #[error("the document around the evidence cannot be read: {problem}")]
    Document {
        /// What is wrong with it.
        problem: String,
    },
    /// Bytes follow the evidence that are not padding.
    #[error("{count} bytes follow the evidence from offset {offset}, and they are not all zero")]
    TrailingData {
        /// Where the evidence ends.
        offset: usize,
        /// How many bytes follow.
        count: usize,
    },
    /// Bytes between the parts of the evidence, or behind them, that belong to none and are not padding.
    #[error(
        "{count} bytes of the {field} from its offset {offset} on belong to no entry, and they are not all zero"
    )]
    StrayData {
        /// What they stand in; the offset counts from its start.
        field: &'static str,
        /// Where they begin.
        offset: usize,
        /// How many they are.
        count: usize,
    },
    /// Two parts of the evidence have bytes in common.
    #[error("two entries of the {field} share the byte at its offset {offset}")]
    Overlap {
        /// What they stand in; the offset counts from its start.
        field: &'static str,
        /// The first byte of both.
        offset: usize,
    },
}

/// Which versions there are of a format.
const fn unsupported(format: &str) -> &'static str {
    match format.as_bytes() {
        b"SEV-SNP report" => {
            "reports of versions 2 to 5 are known; bytes of a later one may mean something else"
        }
        b"runtime data" => "the paravisor's runtime data is of version 1",
        _ => "an SGX quote is version 3; an Open Enclave report starts with a 16-byte header",
    }
}

/// What a length should have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthRule {
    /// Exactly this many bytes.
    Exactly(usize),
    /// This many bytes or fewer.
    AtMost(usize),
}

impl std::fmt::Display for LengthRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(n) => write!(f, "exactly {n}"),
            Self::AtMost(n) => write!(f, "at most {n}"),
        }
    }
}

impl ParseError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "evidence-truncated",
            Self::TooLarge { .. } => "evidence-too-large",
            Self::UnsupportedVersion { .. } => "unsupported-version",
            Self::UnsupportedKeyType { .. } => "unsupported-key-type",
            Self::BadLength { .. } | Self::TooManyEntries { .. } => "bad-length",
            Self::UnknownCertificationData { .. } => "unknown-certification-data",
            Self::BadField { .. } | Self::UnknownValue { .. } => "bad-field",
            Self::Document { .. } => "evidence-document",
            Self::TrailingData { .. } => "trailing-data",
            Self::StrayData { .. } => "stray-data",
            Self::Overlap { .. } => "overlapping-entries",
        }
    }

    /// What the sender can do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "send the whole evidence, as the platform's library returned it",
            Self::TooLarge { .. } => "send the evidence alone, without other data around it",
            Self::UnsupportedVersion { format, .. } => unsupported(format),
            Self::UnsupportedKeyType { .. } => {
                "only ECDSA with P-256 (type 2) is in use; EPID quotes cannot be verified any more"
            }
            Self::BadLength { .. }
            | Self::TooManyEntries { .. }
            | Self::BadField { .. }
            | Self::UnknownValue { .. } => "the bytes were changed or cut after the evidence was made",
            Self::UnknownCertificationData { .. } => {
                "configure the quoting library to embed the PCK certificate chain (type 5)"
            }
            Self::Document { .. } => {
                "send the bare report, or the JSON that the guest's tool writes; docs/snp.md lists the forms"
            }
            Self::TrailingData { .. } => "only zero bytes may follow the evidence",
            Self::StrayData { .. } | Self::Overlap { .. } => {
                "send the host's certificate table as it is (`auxblob`), or the bare report and its certificates beside it"
            }
        }
    }
}
