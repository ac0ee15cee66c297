//! Why one entry of a bundle is not taken.

use assay_verify::error::CertificateRole;
use assay_verify::{UnixTime, VerifyError, Window};

use crate::document::DocumentError;
use crate::pck::PckError;
use crate::shelf::Backwards;
use crate::subject::Track;

/// An entry that is not taken. Platforms and chips are named by hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedEntry {
    /// Which.
    pub path: String,
    /// Why.
    pub error: EntryError,
}

/// Why an entry is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// It is about something that this version does not know.
    #[error("its subject is not known")]
    UnknownSubject,
    /// Only documents that are evaluated anew have a number, and those must.
    #[error("its evaluation number is missing, or it must not have one")]
    Number,
    /// The document is not what it should be.
    #[error("{0}")]
    Document(#[from] DocumentError),
    /// What is held is newer.
    #[error("{0}")]
    Backwards(#[from] Backwards),
    /// What is held is newer, as far as a track goes.
    #[error("the track `{}` stays where it is: {error}", .track.as_str())]
    Track {
        /// Which track.
        track: Track,
        /// Why.
        error: Backwards,
    },
    /// A VEK certificate is not genuine.
    #[error("it is not genuine: {}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Vek(Vec<VerifyError>),
    /// The certificates of a platform are not what they should be.
    #[error("{0}")]
    Pck(#[from] PckError),
    /// A list of its issuer, or of the root above, withdrew it.
    #[error("it was revoked")]
    Revoked,
    /// A certificate is not valid at this time.
    #[error("{0}")]
    Dates(VerifyError),
}

impl EntryError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownSubject => "unknown-subject",
            Self::Number => "entry-number",
            Self::Document(error) => error.code(),
            Self::Backwards(error) | Self::Track { error, .. } => error.code(),
            Self::Vek(errors) => errors.first().map_or("not-genuine", VerifyError::code),
            Self::Pck(error) => error.code(),
            Self::Revoked => "certificate-revoked",
            Self::Dates(error) => error.code(),
        }
    }
}

/// Whether a certificate may be used now.
pub(super) const fn check_dates(
    role: CertificateRole,
    window: Window,
    now: UnixTime,
) -> Result<(), EntryError> {
    let Window { from, until } = window;
    if now.0 < from.0 {
        return Err(EntryError::Dates(VerifyError::CertificateNotYetValid { role, from }));
    }
    if now.0 > until.0 {
        return Err(EntryError::Dates(VerifyError::CertificateExpired { role, until }));
    }
    Ok(())
}
