//! Why the library has nothing to give, or takes nothing in.

use assay_collateral::document::DocumentError;
use assay_collateral::shelf::Backwards;
use assay_collateral::upstream::UpstreamError;
use assay_store::StoreError;
use assay_verify::UnixTime;

use crate::upstream::Failures;

/// Why there is nothing to give out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    /// It is not held, and upstream is not asked in this mode.
    #[error("it is not held, and no upstream is asked")]
    NotHeld,
    /// No upstream knows it.
    #[error("the vendor does not know it")]
    Unknown,
    /// Upstream no longer has this version.
    #[error("the vendor no longer publishes this version")]
    Gone,
    /// What is held has expired.
    #[error("what is held expired at {expired}")]
    Expired {
        /// When.
        expired: UnixTime,
    },
    /// It could not be had now.
    #[error("it cannot be had at this moment ({code})")]
    Passing {
        /// Why.
        code: &'static str,
    },
    /// Nobody who could be asked can be reached.
    #[error("no vendor can be reached")]
    Away,
    /// What came was not genuine, or older than what was held before.
    #[error("what came from upstream was refused ({code})")]
    Refused {
        /// Why.
        code: String,
    },
}

impl NotServed {
    /// A stable code.
    pub(super) fn code(&self) -> String {
        match self {
            Self::Passing { code } => (*code).to_owned(),
            Self::Refused { code } => code.clone(),
            Self::Away => "upstream-away".to_owned(),
            Self::NotHeld => "not-held".to_owned(),
            Self::Unknown => "unknown".to_owned(),
            Self::Gone => "gone".to_owned(),
            Self::Expired { .. } => "expired".to_owned(),
        }
    }
}

/// Why a document was not taken in.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TakeError {
    /// It is not genuine or not valid.
    #[error("{0}")]
    Document(DocumentError),
    /// It would take something back.
    #[error("{0}")]
    Backwards(Backwards),
    /// It could not be made durable.
    #[error("{0}")]
    Store(StoreError),
    /// The work was interrupted.
    #[error("the work was interrupted")]
    Interrupted,
}

impl TakeError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::Document(error) => error.code().to_owned(),
            Self::Backwards(error) => error.code().to_owned(),
            Self::Store(error) => error.code().to_owned(),
            Self::Interrupted => "interrupted".to_owned(),
        }
    }
}

/// The last failure of asking for a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: UnixTime,
    /// What happened.
    pub code: String,
}

/// What comes of failures of all upstreams.
pub(super) fn not_served(failures: &Failures) -> NotServed {
    let has = |error: fn(&UpstreamError) -> bool| failures.0.iter().any(|failure| error(&failure.error));
    let gone = has(|error| *error == UpstreamError::Gone);
    // An access key that is missing says nothing about what was asked for; the operator will mend it.
    let keyless = has(|error| matches!(error, UpstreamError::Unauthorized { .. }));
    match (failures.is_passing() || keyless, gone) {
        (true, _) => NotServed::Passing { code: failures.code() },
        (false, true) => NotServed::Gone,
        (false, false) => NotServed::Unknown,
    }
}
