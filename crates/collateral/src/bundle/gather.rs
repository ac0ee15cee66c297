//! What folders of collateral hold, one document at a time.

use std::sync::Arc;

use assay_verify::UnixTime;
use assay_verify::intel::single::envelope;

use super::{Entries, EntryError, RefusedEntry, Terms};
use crate::CollateralFolder;
use crate::document::{Document, DocumentError, Trust};
use crate::filed::{Filed, documents};
use crate::shelf::{Backwards, Held, Shelf};
use crate::subject::{Selection, Track};

/// What a folder has for a bundle.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// What it has.
    pub entries: Entries,
    /// What could not be used.
    pub refused: Vec<RefusedEntry>,
}

/// Takes everything out of a folder that was looked at before. What has expired stays behind: nobody could use it.
///
/// Sets do not say which track they were fetched from; they are taken to be of the standard one, as Intel's service answers
/// where nothing else is asked for.
#[must_use]
pub fn gather(folder: &CollateralFolder, terms: &Terms<'_>) -> Gathered {
    let mut gathered = Gathered::default();
    let mut usable = Vec::new();
    for filed in documents(folder) {
        let trust = Trust { anchors: terms.anchors, cache: terms.cache, root_crl: None };
        let verified = Document::verify(filed.subject, &filed.raw, &trust);
        match verified.and_then(|document| document.check_dates(terms.now).map(|()| document)) {
            Ok(document) => usable.push((document, filed.tracks)),
            Err(error) => gathered.refuse(&filed, error),
        }
    }
    // The same document comes with each family: older copies before newer ones, so that these replace them.
    usable.sort_by_key(|(document, _)| (document.evaluation_number, document.window.from));
    let mut shelf = Shelf::default();
    for (document, tracks) in usable {
        gathered.put(&mut shelf, document, &tracks, terms);
    }
    shelf.drop_revoked();
    let veks = folder.veks().into_iter().map(|held| held.der.to_vec()).collect();
    gathered.entries = Entries { veks, ..Entries::of_shelf(&shelf) }.sorted();
    gathered
}

impl Gathered {
    fn refuse(&mut self, filed: &Filed, error: DocumentError) {
        let refused = RefusedEntry { path: filed.subject.path(), error: EntryError::Document(error) };
        // A list of the root that is in every set is not worth a line for each.
        if !self.refused.contains(&refused) {
            self.refused.push(refused);
        }
    }

    fn put(&mut self, shelf: &mut Shelf, document: Document, tracks: &[Track], terms: &Terms<'_>) {
        let (path, number) = (document.subject.path(), document.evaluation_number);
        let document = Arc::new(document);
        let held = Held { document, checked: UnixTime(0), source: terms.source.into() };
        let by_number = number.map_or_else(Selection::default, Selection::Number);
        let placed = shelf.put(held.clone(), by_number).and_then(|_| {
            tracks.iter().try_for_each(|track| shelf.put(held.clone(), Selection::Track(*track)).map(|_| ()))
        });
        let before = shelf.get(held.document.subject, by_number);
        match placed {
            Ok(()) | Err(Backwards::Older { .. }) => {}
            Err(Backwards::Differs { .. })
                if before.is_some_and(|before| is_same_text(&before.document, &held.document)) => {}
            Err(error) => self.refused.push(RefusedEntry { path, error: error.into() }),
        }
    }
}

/// Whether two envelopes hold the same signed text: a set does not keep the envelope that its documents came in.
fn is_same_text(one: &Document, other: &Document) -> bool {
    ["tcbInfo", "enclaveIdentity"].into_iter().any(|member| {
        match (envelope(&one.body, member), envelope(&other.body, member)) {
            (Ok((one, _)), Ok((other, _))) => one == other,
            _ => false,
        }
    })
}
