//! Every document that is held, by subject and evaluation. Nothing on it ever goes backwards.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use assay_verify::UnixTime;
use assay_verify::intel::single::EvaluationNumber;

use crate::document::{Content, Document};
use crate::subject::{Selection, Subject, Track};

/// Evaluations of one subject: Intel keeps about ten, and this service whatever it ever got of them.
const MAX_VERSIONS: usize = 64;
/// Subjects: there are a few hundred families of platforms, of two architectures.
const MAX_SUBJECTS: usize = 4096;

/// A document and where it comes from.
#[derive(Clone, Debug)]
pub struct Held {
    /// The document.
    pub document: Arc<Document>,
    /// When upstream last said that there is no newer one.
    pub checked: UnixTime,
    /// Who gave it, for explanations.
    pub source: Arc<str>,
}

/// Genuine documents, immutable: a change makes another shelf, so that readers never wait.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    subjects: BTreeMap<Subject, Versions>,
}

/// The versions of one subject.
#[derive(Clone, Debug, Default)]
struct Versions {
    /// By evaluation number; 0 where there are none.
    held: BTreeMap<u32, Held>,
    /// Which number each track stands at.
    tracks: BTreeMap<Track, u32>,
}

/// What a document that was put on the shelf turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// One that was not there.
    New,
    /// The one that was there.
    Confirmed,
}

/// Why a genuine document does not replace the one that is held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Backwards {
    /// It is older.
    #[error("it was issued at {found}, and one of {held} is held")]
    Older {
        /// The date of the one that is held.
        held: UnixTime,
        /// The date of the one that came.
        found: UnixTime,
    },
    /// It has the same date and says something else.
    #[error("it differs from the one that is held, of the same date {issued}")]
    Differs {
        /// The date of both.
        issued: UnixTime,
    },
    /// The track stood at a later evaluation before.
    #[error("{held} is the evaluation of what is held, and this one is of {found}")]
    LowerNumber {
        /// The number of the track.
        held: u32,
        /// The number of the one that came.
        found: u32,
    },
    /// It takes something back that the list which is held revokes.
    #[error("it does not name everything that the list of {held} revokes")]
    Unrevokes {
        /// The date of the list that is held.
        held: UnixTime,
    },
    /// There is no room for another subject or version.
    #[error("there is no room for it")]
    Full,
}

impl Backwards {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Older { .. } => "older-document",
            Self::Differs { .. } => "same-date-other-content",
            Self::LowerNumber { .. } => "evaluation-went-back",
            Self::Unrevokes { .. } => "revocation-taken-back",
            Self::Full => "shelf-full",
        }
    }
}

impl Shelf {
    /// The version that is meant.
    #[must_use]
    pub fn get(&self, subject: Subject, selection: Selection) -> Option<&Held> {
        let versions = self.subjects.get(&subject)?;
        let number = match selection {
            _ if !subject.is_numbered() => 0,
            Selection::Number(number) => number,
            Selection::Track(track) => *versions.tracks.get(&track)?,
        };
        versions.held.get(&number)
    }

    /// Every version of every subject, with the tracks that stand at it.
    pub fn iter(&self) -> impl Iterator<Item = (Subject, Vec<Track>, &Held)> {
        self.subjects.iter().flat_map(|(subject, versions)| {
            versions.held.iter().map(|(number, held)| {
                let at = versions.tracks.iter().filter(|(_, at)| *at == number).map(|(track, _)| *track);
                (*subject, at.collect(), held)
            })
        })
    }

    /// Every version of one subject, the lowest number first.
    pub fn versions(&self, subject: Subject) -> impl Iterator<Item = &Held> {
        self.subjects.get(&subject).into_iter().flat_map(|versions| versions.held.values())
    }

    /// How many evaluations that are held lie between this one and the one at which the standard track stands, that one
    /// counted; 0 for that one and those above it. `None` where it is not held, or no track says what is earlier.
    #[must_use]
    pub fn behind(&self, subject: Subject, number: u32) -> Option<u32> {
        let versions = self.subjects.get(&subject)?;
        let standard = *versions.tracks.get(&Track::Standard)?;
        versions.held.get(&number)?;
        let later = versions.held.keys().filter(|other| **other > number && **other <= standard).count();
        u32::try_from(later).ok()
    }

    /// Puts a document on the shelf, as what upstream gave for this selection.
    ///
    /// # Errors
    /// [`Backwards`]: the shelf is as it was.
    pub fn put(&mut self, held: Held, selection: Selection) -> Result<Placed, Backwards> {
        let document = &held.document;
        let subject = document.subject;
        let number = document.evaluation_number.filter(|_| subject.is_numbered()).unwrap_or(0);
        if !self.subjects.contains_key(&subject) && self.subjects.len() >= MAX_SUBJECTS {
            return Err(Backwards::Full);
        }
        let versions = self.subjects.get(&subject);
        if let (Some(versions), Selection::Track(track)) = (versions, selection)
            && let Some(at) = versions.tracks.get(&track).filter(|at| number < **at)
            // A track that upstream never brought on again was put there by mistake, or by a mirror that lied about it.
            && versions.held.get(at).is_some_and(|before| held.checked <= before.document.expires)
        {
            return Err(Backwards::LowerNumber { held: *at, found: number });
        }
        let before = versions.and_then(|versions| versions.held.get(&number));
        let placed = before.map_or(Ok(Placed::New), |before| compare(&before.document, document))?;
        let versions = self.subjects.entry(subject).or_default();
        if versions.held.len() >= MAX_VERSIONS && !versions.held.contains_key(&number) {
            return Err(Backwards::Full);
        }
        versions.held.insert(number, held);
        if let Selection::Track(track) = selection {
            versions.tracks.insert(track, number);
        }
        Ok(placed)
    }

    /// Takes away what a list of Intel's root has come to revoke; gives what it took.
    pub fn drop_revoked(&mut self) -> Vec<(Subject, u32)> {
        let list = self.get(Subject::RootCrl, Selection::default()).map(|held| Arc::clone(&held.document));
        let Some(list) = list.as_ref().and_then(|document| document.crl()) else { return Vec::new() };
        let mut dropped = Vec::new();
        for (subject, versions) in &mut self.subjects {
            versions.held.retain(|number, held| {
                let revoked = held.document.is_revoked_by(list);
                if revoked {
                    dropped.push((*subject, *number));
                }
                !revoked
            });
        }
        dropped
    }

    /// How many documents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.subjects.values().map(|versions| versions.held.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Confirmed => "confirmed",
        })
    }
}

/// A document of the same subject and number replaces another if it is newer, and takes back no revocation.
fn compare(held: &Document, found: &Document) -> Result<Placed, Backwards> {
    if held.digest == found.digest {
        return Ok(Placed::Confirmed);
    }
    let (before, after) = (held.window.from, found.window.from);
    if after < before {
        return Err(Backwards::Older { held: before, found: after });
    }
    if after == before {
        return Err(Backwards::Differs { issued: after });
    }
    match (&held.content, &found.content) {
        // Evaluations are numbered upwards, so the last one of a list is never above that of the next.
        (Content::EvaluationNumbers(old), Content::EvaluationNumbers(new)) => {
            let last = |numbers: &[EvaluationNumber]| numbers.iter().map(|one| one.number).max().unwrap_or(0);
            let (held, found) = (last(old), last(new));
            if found < held { Err(Backwards::LowerNumber { held, found }) } else { Ok(Placed::New) }
        }
        // Certificates leave a list of AMD's root only when they have expired, and its authorities live for decades.
        (Content::AmdCrl(old), Content::AmdCrl(new)) if !new.supersedes(old) => {
            Err(Backwards::Unrevokes { held: before })
        }
        _ => Ok(Placed::New),
    }
}
