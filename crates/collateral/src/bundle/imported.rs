//! What imports left in a folder: one file, so that an import happens as a whole or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use assay_verify::UnixTime;
use serde::{Deserialize, Serialize};

use super::examine::{rank, selection, verify_entry};
use super::wire::{self, WireDocument};
use super::{BundleError, DocumentEntry, Entries, Import, RefusedEntry, Terms};
use crate::document::Trust;
use crate::shelf::{Held, Shelf};
use crate::subject::Selection;

const FORMAT: &str = "assay-imported-collateral/1";
/// Signers whose last sequence is remembered: operators change keys now and then.
const MAX_SIGNERS: usize = 64;

/// The documents and VEK certificates that imports left, and the last sequence of each signer. Like anything in a folder of
/// collateral it is not trusted: it is verified again by whoever reads it.
///
/// Platforms are not in it: a folder serves no PCK certificates, and their identifiers have no place in one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// By the name of the signer's key.
    sequences: BTreeMap<String, u64>,
    entries: Entries,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WireImported {
    format: String,
    sequences: BTreeMap<String, u64>,
    documents: Vec<WireDocument>,
    veks: Vec<String>,
}

impl Imported {
    /// The name of the file in its folder.
    pub const FILE_NAME: &'static str = "imported.json";

    /// Whether a file of collateral is one of these.
    #[must_use]
    pub fn is_one(text: &[u8]) -> bool {
        let start = text.get(..text.len().min(128)).unwrap_or_default();
        start.windows(FORMAT.len()).any(|window| window == FORMAT.as_bytes())
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`BundleError`]
    pub fn read(text: &[u8]) -> Result<Self, BundleError> {
        let wire: WireImported = wire::typed(text)?;
        if wire.format != FORMAT {
            let problem = "it is of another version";
            return Err(BundleError::Malformed { path: "format".to_owned(), problem });
        }
        let found = wire.sequences.len();
        if found > MAX_SIGNERS {
            return Err(BundleError::TooMany { what: "signers", found, limit: MAX_SIGNERS });
        }
        let entries = Entries::from_wire(wire.documents, wire.veks, Vec::new())?;
        Ok(Self { sequences: wire.sequences, entries })
    }

    /// The file.
    ///
    /// # Errors
    /// [`BundleError::TooLarge`] or [`BundleError::TooMany`]: it would not be read.
    pub fn write(&self) -> Result<String, BundleError> {
        let (documents, veks, _) = self.entries.to_wire();
        let (format, sequences) = (FORMAT.to_owned(), self.sequences.clone());
        let text = wire::text(&WireImported { format, sequences, documents, veks });
        Self::read(text.as_bytes()).map(|_| text)
    }

    /// The sequence of the last bundle that was taken from a signer.
    #[must_use]
    pub fn last_sequence(&self, signer: &str) -> Option<u64> {
        self.sequences.get(signer).copied()
    }

    /// What it holds.
    #[must_use]
    pub const fn entries(&self) -> &Entries {
        &self.entries
    }

    /// The documents that are genuine, whatever their dates: what came before is compared with them.
    #[must_use]
    pub fn shelf(&self, terms: &Terms<'_>) -> (Shelf, Vec<RefusedEntry>) {
        let (mut shelf, mut refused) = (Shelf::default(), Vec::new());
        let mut documents: Vec<&DocumentEntry> = self.entries.documents.iter().collect();
        documents.sort_by_key(|entry| (entry.subject().map_or(u8::MAX, rank), entry.number));
        let trust = Trust { anchors: terms.anchors, cache: terms.cache, root_crl: None };
        for entry in documents {
            match verify_entry(entry, &trust) {
                Ok(document) => {
                    let (document, source) = (Arc::new(document), terms.source.into());
                    let held = Held { document, checked: UnixTime(0), source };
                    refused.extend(put(&mut shelf, entry, &held));
                }
                Err(error) => refused.push(RefusedEntry { path: entry.label(), error }),
            }
        }
        shelf.drop_revoked();
        (shelf, refused)
    }

    /// What there is after another import. VEK certificates stay; revocation lists judge them at each use.
    #[must_use]
    pub fn after(&self, signer: &str, sequence: u64, import: &Import) -> Self {
        let mut sequences = self.sequences.clone();
        sequences.insert(signer.to_owned(), sequence);
        let mut entries = Entries::of_shelf(&import.shelf);
        entries.veks.clone_from(&self.entries.veks);
        entries.veks.extend(import.veks.iter().map(|held| held.der.to_vec()));
        Self { sequences, entries: entries.sorted() }
    }
}

fn put(shelf: &mut Shelf, entry: &DocumentEntry, held: &Held) -> Option<RefusedEntry> {
    let mut selections: Vec<Selection> = entry.tracks.iter().map(|track| Selection::Track(*track)).collect();
    if selections.is_empty() {
        selections.push(selection(entry));
    }
    let placed = selections.into_iter().try_for_each(|at| shelf.put(held.clone(), at).map(|_| ()));
    placed.err().map(|error| RefusedEntry { path: entry.label(), error: error.into() })
}
