//! Why silicon could not be simulated.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A failure of the simulation itself. Broken evidence is no failure: it is what [`crate::intel::Defect`] asks for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SiliconError {
    /// The cryptographic library refused an operation.
    #[error("the cryptographic library could not {operation}")]
    Crypto {
        /// What was attempted, such as `sign`.
        operation: &'static str,
    },
    /// A time that no certificate can carry.
    #[error("`{seconds}` is not a time that a certificate can carry")]
    TimeOutOfRange {
        /// Unix seconds.
        seconds: i64,
    },
    /// A field of a specification has a value that nothing can be made from.
    #[error("{field} cannot be `{value}`")]
    InvalidSpec {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// A name that is none of the known ones.
    #[error("`{name}` is not a known {what}")]
    UnknownName {
        /// What was looked for, such as `TCB status`.
        what: &'static str,
        /// The name given.
        name: String,
    },
    /// The folder of the simulated vendor could not be used.
    #[error("could not {operation} `{}`: {reason}", path.display())]
    Folder {
        /// What was attempted, such as `read`.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: io::ErrorKind,
    },
    /// The stored vendor is not what this program wrote.
    #[error("`{}` does not hold a simulated vendor: {reason}", path.display())]
    CorruptFolder {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl SiliconError {
    /// A stable name of the error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Crypto { .. } => "simulation-crypto-failed",
            Self::TimeOutOfRange { .. } => "simulation-time-out-of-range",
            Self::InvalidSpec { .. } => "simulation-spec-invalid",
            Self::UnknownName { .. } => "simulation-name-unknown",
            Self::Folder { .. } => "simulation-folder-unusable",
            Self::CorruptFolder { .. } => "simulation-folder-corrupt",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Crypto { .. } => "this is a fault of the machine or of this program; please report it",
            Self::TimeOutOfRange { .. } => "give a time between the years 1950 and 9000",
            Self::InvalidSpec { .. } => "see the documentation of the field for the values it can have",
            Self::UnknownName { .. } => "see the documentation for the names that are known",
            Self::Folder { .. } => "give a folder that this user may read and write",
            Self::CorruptFolder { .. } => {
                "remove the file to have a new vendor made; evidence of the old one is then no longer trusted"
            }
        }
    }

    /// Wraps an I/O error with what was attempted.
    pub(crate) fn folder(operation: &'static str, path: &Path, error: &io::Error) -> Self {
        Self::Folder { operation, path: path.to_owned(), reason: error.kind() }
    }
}
