//! What can be wrong with a JSON document.

use serde_json::error::Category;

/// Longest piece of a caller's key that an error repeats.
const KEY_CHARS: usize = 64;
/// Longest description of a typed mismatch; `serde` repeats the offending value in it.
const SHAPE_CHARS: usize = 200;

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text has more bytes than allowed.
    #[error("the JSON document is larger than {limit} bytes")]
    TooLarge {
        /// Most bytes allowed.
        limit: usize,
    },
    /// Arrays and objects stand too deep inside each other.
    #[error("the JSON document is nested deeper than {limit} levels")]
    TooDeep {
        /// Most levels allowed.
        limit: usize,
    },
    /// The document has too many values.
    #[error("the JSON document has more than {limit} values")]
    TooManyItems {
        /// Most values allowed.
        limit: usize,
    },
    /// One object has the same key twice.
    #[error("the key `{key}` stands twice in one JSON object")]
    DuplicateKey {
        /// The key after unescaping, cut to 64 characters.
        key: String,
    },
    /// A key that `serde_json` would treat as an instruction to itself.
    #[error("the key `{key}` is reserved")]
    ReservedKey {
        /// The key after unescaping, cut to 64 characters.
        key: String,
    },
    /// Not JSON, not UTF-8, cut short, or a number that no `f64` can hold.
    #[error("not valid JSON at line {line}, column {column}")]
    Syntax {
        /// Line of the text, from 1.
        line: usize,
        /// Column in bytes; 0 where the line has only begun.
        column: usize,
    },
    /// Something other than white space follows the document.
    #[error("unexpected data after the JSON document at line {line}, column {column}")]
    TrailingData {
        /// Line of the text, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
    },
    /// Acceptable JSON that has not the expected members or types.
    #[error("the JSON document has not the expected form: {message}")]
    Shape {
        /// What was expected and where, cut to 200 characters.
        message: String,
    },
}

impl JsonError {
    /// A stable name in kebab-case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "json-too-large",
            Self::TooDeep { .. } => "json-too-deep",
            Self::TooManyItems { .. } => "json-too-many-items",
            Self::DuplicateKey { .. } => "json-duplicate-key",
            Self::ReservedKey { .. } => "json-reserved-key",
            Self::Syntax { .. } => "json-syntax",
            Self::TrailingData { .. } => "json-trailing-data",
            Self::Shape { .. } => "json-shape",
        }
    }

    /// What the sender can do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "Send a smaller document.",
            Self::TooDeep { .. } => "Flatten the document.",
            Self::TooManyItems { .. } => "Split the document or leave out what is not needed.",
            Self::DuplicateKey { .. } => {
                "Readers disagree about which of two equal keys counts, so remove one of them."
            }
            Self::ReservedKey { .. } => {
                "Rename the key; names that start with `$serde_json::private::` are refused."
            }
            Self::Syntax { .. } => {
                "Check the text with a JSON validator; it must be UTF-8 without a byte order mark."
            }
            Self::TrailingData { .. } => "Send exactly one JSON document.",
            Self::Shape { .. } => "Compare names and types of the members with the documentation.",
        }
    }

    pub(crate) fn duplicate(key: &str) -> Self {
        Self::DuplicateKey { key: key.chars().take(KEY_CHARS).collect() }
    }

    pub(crate) fn reserved(key: &str) -> Self {
        Self::ReservedKey { key: key.chars().take(KEY_CHARS).collect() }
    }

    /// The error of a reader that only looks at syntax.
    pub(crate) fn from_syntax(error: &serde_json::Error) -> Self {
        Self::Syntax { line: error.line(), column: error.column() }
    }

    /// The error of a reader that expects certain types.
    pub(crate) fn from_typed(error: &serde_json::Error) -> Self {
        match error.classify() {
            Category::Data => Self::Shape { message: error.to_string().chars().take(SHAPE_CHARS).collect() },
            Category::Io | Category::Syntax | Category::Eof => Self::from_syntax(error),
        }
    }
}
