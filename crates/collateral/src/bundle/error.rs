//! Why a bundle is not taken.

use assay_json::JsonError;

/// Why a bundle, or an imported one, is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It is not JSON, or has members that bundles do not have.
    #[error("it is no bundle: {0}")]
    Json(JsonError),
    /// It is of a version that is not known.
    #[error("it is of version {found}, and version {} is known", super::VERSION)]
    Version {
        /// The version on it.
        found: u32,
    },
    /// An entry has a form that no writer gives it.
    #[error("`{path}` is malformed: {problem}")]
    Malformed {
        /// Which member or entry.
        path: String,
        /// What is wrong, one sentence.
        problem: &'static str,
    },
    /// It has more entries than are accepted.
    #[error("it has {found} {what}, and {limit} are accepted")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// How many are accepted.
        limit: usize,
    },
    /// It is larger than bundles are.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// Bytes accepted.
        limit: usize,
    },
    /// Two entries speak of the same thing.
    #[error("`{path}` is in it twice")]
    Twice {
        /// Which.
        path: String,
    },
    /// It does not carry the revocation lists that what it carries is judged with.
    #[error("valid revocation lists are missing in it: {}", .lists.join(", "))]
    ListsMissing {
        /// Which.
        lists: Vec<String>,
    },
    /// Nothing in it can be used.
    #[error("nothing in it can be used")]
    NothingTaken,
}

impl BundleError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "bundle-json",
            Self::Version { .. } => "bundle-version",
            Self::Malformed { .. } => "bundle-malformed",
            Self::TooMany { .. } => "bundle-too-many-entries",
            Self::TooLarge { .. } => "bundle-too-large",
            Self::Twice { .. } => "bundle-duplicate-entry",
            Self::ListsMissing { .. } => "bundle-lists-missing",
            Self::NothingTaken => "bundle-nothing-usable",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::Malformed { .. } | Self::Twice { .. } => "Export it again with `assay`.",
            Self::Version { .. } => "Export and import with the same version of `assay`.",
            Self::TooMany { what: "signers", .. } => {
                "Import into a new folder: this one remembers as many signers as it can."
            }
            Self::TooMany { .. } | Self::TooLarge { .. } => {
                "Export less at once: leave families or chips out."
            }
            Self::ListsMissing { .. } => {
                "Fetch current revocation lists on the connected machine, then export again."
            }
            Self::NothingTaken => "Look at what each entry was refused for.",
        }
    }
}
