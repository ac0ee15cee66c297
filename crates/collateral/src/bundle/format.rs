//! The content of a bundle, and its one way to be written.

use std::collections::BTreeSet;
use std::fmt;

use assay_verify::{UnixTime, sha256};

use super::wire::{WireBundle, WireDocument, WirePlatform};
use super::{BundleError, MAX_DOCUMENTS, MAX_ISSUER, MAX_PLATFORMS, MAX_VEKS, wire};
use crate::document::RawDocument;
use crate::pck::{MAX_CERTIFICATES, PlatformId};
use crate::shelf::Shelf;
use crate::subject::{Subject, Track};

/// What a bundle says. Nothing in it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Who made it, in the words of whoever did: for people.
    pub issuer: String,
    /// Which of its signer's bundles it is; it only rises.
    pub sequence: u64,
    /// When it was made.
    pub created: UnixTime,
    /// What it carries.
    pub entries: Entries,
}

/// What a bundle carries, in the order in which it is written.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// Documents of vendors.
    pub documents: Vec<DocumentEntry>,
    /// VEK certificates of AMD's, DER.
    pub veks: Vec<Vec<u8>>,
    /// Platforms with their PCK certificates.
    pub platforms: Vec<PlatformEntry>,
}

/// A document and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentEntry {
    /// The name of its subject, as [`Subject::path`] has it; it may be one that this version does not know.
    pub path: String,
    /// Its evaluation, where it has one.
    pub number: Option<u32>,
    /// The tracks that stand at it.
    pub tracks: Vec<Track>,
    /// The document.
    pub raw: RawDocument,
}

/// A platform and its certificates, PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct PlatformEntry {
    /// Which platform.
    pub id: PlatformId,
    /// One for each TCB level.
    pub pcks: Vec<String>,
    /// The authority and the root.
    pub chain: String,
}

impl fmt::Debug for Entries {
    /// Certificates say which chip or platform they are of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (veks, platforms) = (self.veks.len(), self.platforms.len());
        let mut shape = f.debug_struct("Entries");
        shape.field("documents", &self.documents).field("veks", &veks).field("platforms", &platforms);
        shape.finish()
    }
}

impl fmt::Debug for PlatformEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformEntry").field("name", &self.id.hashed()).finish_non_exhaustive()
    }
}

impl Bundle {
    /// Reads the content of a bundle; [`super::MAX_CONTENT`] bytes at most.
    ///
    /// # Errors
    /// [`BundleError`]
    pub fn read(content: &[u8]) -> Result<Self, BundleError> {
        wire::check_version(content)?;
        let wire: WireBundle = wire::typed(content)?;
        let malformed = |path: &str, problem| BundleError::Malformed { path: path.to_owned(), problem };
        if wire.issuer.len() > MAX_ISSUER || wire.issuer.chars().any(char::is_control) {
            return Err(malformed("issuer", "it is too long, or not printable"));
        }
        // What is before 1970 is a mistake, and before the year 0 it could not be written again.
        let created = UnixTime::parse_rfc3339(&wire.created).filter(|time| time.0 >= 0);
        let created = created.ok_or_else(|| malformed("created", "it is not an RFC 3339 time after 1970"))?;
        let entries = Entries::from_wire(wire.documents, wire.veks, wire.platforms)?;
        Ok(Self { issuer: wire.issuer, sequence: wire.sequence, created, entries })
    }

    /// The content as it is signed: the same bundle always has the same bytes.
    ///
    /// # Errors
    /// [`BundleError::TooLarge`] or [`BundleError::TooMany`], and whatever else [`Self::read`] would refuse it for.
    pub fn write(&self) -> Result<String, BundleError> {
        let (documents, veks, platforms) = self.entries.clone().sorted().to_wire();
        let text = wire::text(&WireBundle {
            version: super::VERSION,
            issuer: self.issuer.clone(),
            sequence: self.sequence,
            created: self.created.to_string(),
            documents,
            veks,
            platforms,
        });
        // What would be refused is better refused where it can still be fetched again.
        Self::read(text.as_bytes()).map(|_| text)
    }
}

impl Entries {
    /// Everything that stands on a shelf, in the order of the format.
    #[must_use]
    pub fn of_shelf(shelf: &Shelf) -> Self {
        let entry = |(subject, tracks, held): (Subject, Vec<Track>, &crate::shelf::Held)| DocumentEntry {
            path: subject.path(),
            number: held.document.evaluation_number.filter(|_| subject.is_numbered()),
            tracks: if subject.is_numbered() { tracks } else { Vec::new() },
            raw: held.document.raw(),
        };
        Self { documents: shelf.iter().map(entry).collect(), ..Self::default() }.sorted()
    }

    /// Whether it carries nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.veks.is_empty() && self.platforms.is_empty()
    }

    /// In the one order of the format, each certificate once.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.documents.sort_by(|a, b| (&a.path, a.number).cmp(&(&b.path, b.number)));
        self.documents.iter_mut().for_each(|entry| entry.tracks.sort_unstable());
        self.veks.sort_unstable();
        self.veks.dedup();
        self.platforms.sort_by_key(|platform| platform.id);
        self
    }

    pub(super) fn from_wire(
        documents: Vec<WireDocument>,
        veks: Vec<String>,
        platforms: Vec<WirePlatform>,
    ) -> Result<Self, BundleError> {
        limit("documents", documents.len(), MAX_DOCUMENTS)?;
        limit("VEK certificates", veks.len(), MAX_VEKS)?;
        limit("platforms", platforms.len(), MAX_PLATFORMS)?;
        let entries = Self {
            documents: documents.into_iter().map(WireDocument::read).collect::<Result<_, _>>()?,
            veks: veks.iter().map(|text| wire::der("veks", text)).collect::<Result<_, _>>()?,
            platforms: platforms.into_iter().map(WirePlatform::read).collect::<Result<_, _>>()?,
        };
        entries.check_single()?;
        Ok(entries)
    }

    pub(super) fn to_wire(&self) -> (Vec<WireDocument>, Vec<String>, Vec<WirePlatform>) {
        (
            self.documents.iter().map(WireDocument::of).collect(),
            self.veks.iter().map(|der| wire::base64(der)).collect(),
            self.platforms.iter().map(WirePlatform::of).collect(),
        )
    }

    /// Of two entries for one thing, readers that disagree would take different ones.
    fn check_single(&self) -> Result<(), BundleError> {
        let (mut versions, mut tracks) = (BTreeSet::new(), BTreeSet::new());
        for entry in &self.documents {
            let path = || entry.label();
            if !versions.insert((&entry.path, entry.number)) {
                return Err(BundleError::Twice { path: path() });
            }
            if !entry.tracks.iter().all(|track| tracks.insert((&entry.path, *track))) {
                return Err(BundleError::Twice { path: path() });
            }
        }
        let mut platforms = BTreeSet::new();
        for platform in &self.platforms {
            limit("certificates of one platform", platform.pcks.len(), MAX_CERTIFICATES)?;
            if !platforms.insert(platform.id) {
                return Err(BundleError::Twice { path: platform.label() });
            }
        }
        Ok(())
    }
}

impl DocumentEntry {
    /// What it is about; `None` for a subject that this version does not know, or that is written in another way.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        Subject::from_path(&self.path).filter(|subject| subject.path() == self.path)
    }

    /// The subject, and the evaluation where there is one: `intel/identity/qe@17`.
    #[must_use]
    pub fn label(&self) -> String {
        match self.number {
            Some(number) => format!("{}@{number}", self.path),
            None => self.path.clone(),
        }
    }
}

impl PlatformEntry {
    /// Names the platform by a hash.
    #[must_use]
    pub fn label(&self) -> String {
        format!("intel/platform/{}", self.id.hashed())
    }
}

/// Names a VEK certificate by a hash: the certificate of a chip says which chip it is.
pub(super) fn vek_label(der: &[u8]) -> String {
    let digest = hex::encode(sha256(&[der]));
    format!("amd/vek/{}", digest.get(..16).unwrap_or_default())
}

const fn limit(what: &'static str, found: usize, limit: usize) -> Result<(), BundleError> {
    if found > limit { Err(BundleError::TooMany { what, found, limit }) } else { Ok(()) }
}
