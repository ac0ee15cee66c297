//! Why a command could not do its work. A judgement that is not good is no failure: it is an exit code with data.

use std::fmt::Display;
use std::path::Path;

/// Not done: usage, unreadable input, unreachable service.
pub(crate) const NOT_DONE: u8 = 2;
/// Done and not good: rejected, denied, refused.
pub(crate) const NOT_GOOD: u8 = 1;
/// `EX_CONFIG` of BSD's `sysexits.h`.
pub(crate) const BAD_CONFIGURATION: u8 = 78;

/// What to say on standard error, and how to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: u8,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Failure {
    /// The command was not carried out.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { exit: NOT_DONE, message: message.into(), help: None }
    }

    /// The command was carried out, and refused.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { exit: NOT_GOOD, ..Self::new(message) }
    }

    /// The configuration cannot be used.
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self { exit: BAD_CONFIGURATION, ..Self::new(message) }
    }

    /// A file or folder could not be used. `doing` is a verb such as `read`.
    pub(crate) fn file(doing: &str, path: &Path, error: impl Display) -> Self {
        Self::new(format!("could not {doing} `{}`: {error}", path.display()))
    }

    /// Adds what to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<assay_silicon::SiliconError> for Failure {
    fn from(error: assay_silicon::SiliconError) -> Self {
        Self::new(error.to_string()).help(error.help())
    }
}
