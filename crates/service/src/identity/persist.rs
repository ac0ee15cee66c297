//! Documents in the store.
//!
//! ```text
//! head collateral/document/{subject}/{number}  {"format":1,"body":digest,"chain":PEM,"tracks":["standard"],"checked":time,"source":name}
//! blob of that digest                          the document, byte for byte
//! ```
//!
//! What is read is verified again: the store is not trusted to be genuine, only to be durable.

use std::sync::Arc;

use assay_collateral::document::RawDocument;
use assay_collateral::shelf::Held;
use assay_collateral::subject::{Subject, Track};
use assay_store::{
    Change, ChangeId, ChangeMark, Digest, Head, HeadName, Revision, Store, StoreError, catalog,
};
use assay_verify::UnixTime;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::random;

const FORMAT: u32 = 1;
const DOCUMENTS: &str = "collateral/document";

/// What stands beside a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    format: u32,
    /// SHA-256 of the document.
    body: String,
    chain: Option<String>,
    tracks: Vec<String>,
    /// Unix seconds.
    checked: i64,
    source: String,
}

/// A stored document, unverified.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) subject: Subject,
    pub(super) raw: RawDocument,
    pub(super) tracks: Vec<Track>,
    pub(super) checked: UnixTime,
    pub(super) source: Arc<str>,
}

/// The part of the store that is the hardware identity service's.
#[derive(Clone)]
pub(super) struct Archive {
    store: Arc<dyn Store>,
}

impl Archive {
    pub(super) const fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The state of the store, if it is another one.
    pub(super) fn changes_since(&self, mark: ChangeMark) -> Result<Option<ChangeMark>, StoreError> {
        self.store.poll_changes(mark)
    }

    /// The names of all stored documents, with their revisions, which tell whether one changed.
    pub(super) fn documents(&self) -> Result<Vec<Head>, StoreError> {
        let folder = HeadName::new(DOCUMENTS)?;
        let (mut heads, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.heads(Some(&folder), after.as_ref(), catalog::PAGE_MAX)?;
            heads.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(heads);
            }
        }
    }

    /// Reads a document; `None` for an entry that is not one, or not one this release knows.
    pub(super) fn read(&self, head: &Head) -> Result<Option<Stored>, StoreError> {
        let Some(subject) = subject_of(&head.name) else { return Ok(None) };
        let Some(entry) = self.store.blob(&head.digest)? else { return Ok(None) };
        let Ok(entry) = serde_json::from_slice::<Entry>(&entry) else { return Ok(None) };
        let Ok(body) = entry.body.parse::<Digest>() else { return Ok(None) };
        let Some(body) = self.store.blob(&body)? else { return Ok(None) };
        if entry.format != FORMAT {
            return Ok(None);
        }
        Ok(Some(Stored {
            subject,
            raw: RawDocument { body: Bytes::from(body), chain: entry.chain },
            tracks: entry.tracks.iter().filter_map(|name| Track::from_name(name)).collect(),
            checked: UnixTime(entry.checked),
            source: entry.source.into(),
        }))
    }

    /// Where a document is stored.
    pub(super) fn name(subject: Subject, number: u32) -> Result<HeadName, StoreError> {
        HeadName::new(&format!("{DOCUMENTS}/{}/{number}", subject.path()))
    }

    /// Writes a document in the place of the one that was read; durable when this returns.
    ///
    /// # Errors
    /// `head-conflict` if somebody else wrote meanwhile.
    pub(super) fn write(
        &self,
        name: &HeadName,
        held: &Held,
        tracks: &[Track],
        expected: Option<Revision>,
    ) -> Result<(), StoreError> {
        let document = &held.document;
        let mut change = Change::new(change_id()?);
        let body = change.put_blob(document.body.to_vec());
        let entry = Entry {
            format: FORMAT,
            body: body.to_string(),
            chain: document.chain.as_deref().map(str::to_owned),
            tracks: tracks.iter().map(|track| track.as_str().to_owned()).collect(),
            checked: held.checked.0,
            source: held.source.to_string(),
        };
        let entry = serde_json::to_vec(&entry)
            .map_err(|_| StoreError::InvalidChange { rule: "an entry has a JSON form" })?;
        let digest = change.put_blob(entry);
        change.set_head(name.clone(), expected, Some(digest));
        self.store.commit(change).map(drop)
    }
}

fn subject_of(name: &HeadName) -> Option<Subject> {
    let path = name.as_str().strip_prefix(DOCUMENTS)?.strip_prefix('/')?;
    Subject::from_path(path.rsplit_once('/')?.0)
}

pub(crate) fn change_id() -> Result<ChangeId, StoreError> {
    let id = random::bytes().map_err(|error| StoreError::Io { cause: error.to_string() })?;
    Ok(ChangeId::from_bytes(id))
}
