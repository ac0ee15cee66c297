//! What folders of collateral hold, one document at a time.

use std::sync::Arc;

use assay_evidence::snp::SigningKey;
use assay_verify::UnixTime;
use assay_verify::intel::single::{Enclave, envelope};
use assay_verify::intel::{PlatformKey, RawCollateral};
use bytes::Bytes;

use super::{Entries, EntryError, RefusedEntry, Terms};
use crate::CollateralFolder;
use crate::document::{Document, DocumentError, RawDocument, Trust};
use crate::shelf::{Backwards, Held, Shelf};
use crate::subject::{AmdCrlKey, Selection, Subject, Track};

/// What a folder has for a bundle.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// What it has.
    pub entries: Entries,
    /// What could not be used.
    pub refused: Vec<RefusedEntry>,
}

/// A document, before it is believed, and the tracks that stand at it.
struct Found {
    subject: Subject,
    raw: RawDocument,
    tracks: Vec<Track>,
}

/// Takes everything out of a folder that was looked at before. What has expired stays behind: nobody could use it.
///
/// Sets do not say which track they were fetched from; they are taken to be of the standard one, as Intel's service answers
/// where nothing else is asked for.
#[must_use]
pub fn gather(folder: &CollateralFolder, terms: &Terms<'_>) -> Gathered {
    let mut gathered = Gathered::default();
    let mut documents = Vec::new();
    for found in found(folder) {
        let trust = Trust { anchors: terms.anchors, cache: terms.cache, root_crl: None };
        let verified = Document::verify(found.subject, &found.raw, &trust);
        match verified.and_then(|document| document.check_dates(terms.now).map(|()| document)) {
            Ok(document) => documents.push((document, found.tracks)),
            Err(error) => gathered.refuse(&found, error),
        }
    }
    // The same document comes with each family: older copies before newer ones, so that these replace them.
    documents.sort_by_key(|(document, _)| (document.evaluation_number, document.window.from));
    let mut shelf = Shelf::default();
    for (document, tracks) in documents {
        gathered.put(&mut shelf, document, &tracks, terms);
    }
    shelf.drop_revoked();
    let veks = folder.veks().into_iter().map(|held| held.der.to_vec()).collect();
    gathered.entries = Entries { veks, ..Entries::of_shelf(&shelf) }.sorted();
    gathered
}

impl Gathered {
    fn refuse(&mut self, found: &Found, error: DocumentError) {
        let refused = RefusedEntry { path: found.subject.path(), error: EntryError::Document(error) };
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

fn found(folder: &CollateralFolder) -> Vec<Found> {
    let mut found = Vec::new();
    // As it came, a document is better than one that was put together again.
    for entry in folder.imported_documents().iter() {
        if let Some(subject) = entry.subject() {
            found.push(Found { subject, raw: entry.raw.clone(), tracks: entry.tracks.clone() });
        }
    }
    for entry in folder.inventory() {
        if let Some(raw) = folder.raw(&entry.digest) {
            found.extend(of_set(&raw, entry.platform));
        }
    }
    found.extend(amd(folder));
    found
}

fn of_set(set: &RawCollateral, platform: PlatformKey) -> Vec<Found> {
    let standard = vec![Track::Standard];
    let document = |subject, body: Bytes, chain: Option<&String>, tracks: &[Track]| Found {
        subject,
        raw: RawDocument { body, chain: chain.cloned() },
        tracks: tracks.to_vec(),
    };
    let tcb_info = Subject::of_sgx_tcb_info(&set.tcb_info, platform.fmspc);
    let der = |digits: &String| Bytes::from(hex::decode(digits.trim()).unwrap_or_default());
    vec![
        document(Subject::RootCrl, der(&set.root_ca_crl), None, &[]),
        document(Subject::PckCrl(platform.ca), der(&set.pck_crl), Some(&set.pck_crl_issuer_chain), &[]),
        document(
            tcb_info,
            signed("tcbInfo", &set.tcb_info, &set.tcb_info_signature),
            Some(&set.tcb_info_issuer_chain),
            &standard,
        ),
        document(
            Subject::Identity(Enclave::Qe),
            signed("enclaveIdentity", &set.qe_identity, &set.qe_identity_signature),
            Some(&set.qe_identity_issuer_chain),
            &standard,
        ),
    ]
}

/// The envelope of Intel's service around the exact signed text.
fn signed(member: &str, text: &str, signature: &str) -> Bytes {
    format!("{{\"{member}\":{text},\"signature\":\"{}\"}}", signature.trim()).into()
}

/// A file does not say beside which authority a list was published. Of two of one root the older stands in the first place:
/// it names what the newer does not, or it would not be held any more.
fn amd(folder: &CollateralFolder) -> Vec<Found> {
    let mut lists = folder.amd_crls();
    lists.sort_by_key(|list| (list.product.as_str(), list.window.from));
    let (mut found, mut before) = (Vec::new(), None);
    for list in lists {
        let kind = if before == Some(list.product) { SigningKey::Vlek } else { SigningKey::Vcek };
        before = Some(list.product);
        let subject = Subject::AmdCrl(AmdCrlKey { product: list.product, kind });
        let raw = RawDocument { body: Bytes::copy_from_slice(list.der()), chain: None };
        found.push(Found { subject, raw, tracks: Vec::new() });
    }
    found
}
