//! What of a bundle can be believed, and what an import of it would change.

use std::collections::BTreeSet;
use std::sync::Arc;

use assay_evidence::snp::Product;
use assay_verify::cache::ChainCache;
use assay_verify::error::CertificateRole;
use assay_verify::intel::PckCa;
use assay_verify::snp::{VekCertificate, verify_vek};
use assay_verify::{TrustAnchors, UnixTime};

use super::entry_error::check_dates;
use super::format::vek_label;
use super::{BundleError, DocumentEntry, Entries, EntryError, PlatformEntry, RefusedEntry};
use crate::document::{Content, Document, DocumentError, Trust};
use crate::pck::{PckSet, PlatformId};
use crate::shelf::{Held, Placed, Shelf};
use crate::subject::{Selection, Subject, amd_lists};

/// What a bundle is judged with.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The roots. A bundle has none.
    pub anchors: &'a TrustAnchors,
    /// Chains verified before.
    pub cache: &'a ChainCache,
    /// The time.
    pub now: UnixTime,
    /// Where the entries come from, for explanations.
    pub source: &'a str,
}

/// An entry that can be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenEntry {
    /// Which.
    pub path: String,
    /// Whether it was there before.
    pub placed: Placed,
    /// When the vendor issued it.
    pub issued: UnixTime,
    /// Until when it can be used.
    pub expires: UnixTime,
}

/// What becomes of what is held when a bundle is imported.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// What was on the shelf before, and what came.
    pub shelf: Shelf,
    /// VEK certificates that came.
    pub veks: Vec<VekCertificate>,
    /// Platforms that came.
    pub platforms: Vec<(PlatformId, PckSet)>,
    /// What was taken.
    pub taken: Vec<TakenEntry>,
    /// What was not.
    pub refused: Vec<RefusedEntry>,
    /// What was held, and is gone because a list that came revokes its signer.
    pub dropped: Vec<String>,
}

/// A bundle's entries, each verified to the vendors' roots.
#[derive(Clone, Debug, Default)]
pub struct Examination {
    import: Import,
    /// Genuine lists in the bundle that are valid now.
    lists: BTreeSet<Subject>,
    missing: BTreeSet<String>,
}

impl Import {
    /// Until when everything that was taken can be used, and what expires then.
    #[must_use]
    pub fn lasts_until(&self) -> Option<&TakenEntry> {
        self.taken.iter().min_by_key(|entry| entry.expires)
    }
}

impl Examination {
    /// Verifies everything, beside what is held.
    #[must_use]
    pub fn new(entries: &Entries, held: &Shelf, terms: &Terms<'_>) -> Self {
        let import = Import { shelf: held.clone(), ..Import::default() };
        let mut examination = Self { import, ..Self::default() };
        let mut documents: Vec<&DocumentEntry> = entries.documents.iter().collect();
        // Lists first, as they judge the rest; lower evaluations before higher ones, so that tracks only rise.
        documents.sort_by_key(|entry| (entry.subject().map_or(u8::MAX, rank), entry.number));
        documents.into_iter().for_each(|entry| examination.document(entry, terms));
        examination.drop_revoked();
        entries.veks.iter().for_each(|der| examination.vek(der, terms));
        entries.platforms.iter().for_each(|platform| examination.platform(platform, terms));
        examination
    }

    /// What an import would do.
    #[must_use]
    pub const fn import(&self) -> &Import {
        &self.import
    }

    /// What there is after the import.
    ///
    /// # Errors
    /// [`BundleError::ListsMissing`] or [`BundleError::NothingTaken`]: nothing may be taken then.
    pub fn accept(self) -> Result<Import, BundleError> {
        if !self.missing.is_empty() {
            return Err(BundleError::ListsMissing { lists: self.missing.into_iter().collect() });
        }
        if self.import.taken.is_empty() { Err(BundleError::NothingTaken) } else { Ok(self.import) }
    }

    fn refuse(&mut self, path: String, error: EntryError) {
        self.import.refused.push(RefusedEntry { path, error });
    }

    fn document(&mut self, entry: &DocumentEntry, terms: &Terms<'_>) {
        match self.verify(entry, terms) {
            Ok(document) => self.put(entry, document, terms),
            Err(error) => self.refuse(entry.label(), error),
        }
    }

    fn verify(&self, entry: &DocumentEntry, terms: &Terms<'_>) -> Result<Document, EntryError> {
        let root_crl = self.import.shelf.get(Subject::RootCrl, Selection::default());
        let root_crl = root_crl.and_then(|held| held.document.crl());
        let trust = Trust { anchors: terms.anchors, cache: terms.cache, root_crl };
        let document = verify_entry(entry, &trust)?;
        document.check_dates(terms.now)?;
        Ok(document)
    }

    fn put(&mut self, entry: &DocumentEntry, document: Document, terms: &Terms<'_>) {
        let document = Arc::new(document);
        let subject = document.subject;
        let held = Held { document, checked: terms.now, source: terms.source.into() };
        let (issued, expires) = (held.document.window.from, held.document.expires);
        // An older list than the one that is held says as well that its issuer's lists were thought of.
        self.note_lists(subject);
        let mut placed = None;
        if entry.tracks.is_empty() {
            match self.import.shelf.put(held, selection(entry)) {
                Ok(found) => placed = Some(found),
                Err(error) => self.refuse(entry.label(), error.into()),
            }
        } else {
            for track in &entry.tracks {
                match self.import.shelf.put(held.clone(), Selection::Track(*track)) {
                    Ok(found) => placed = placed.or(Some(found)),
                    Err(error) => self.refuse(entry.label(), EntryError::Track { track: *track, error }),
                }
            }
        }
        if let Some(placed) = placed {
            self.need_lists(subject);
            self.import.taken.push(TakenEntry { path: entry.label(), placed, issued, expires });
        }
    }

    fn note_lists(&mut self, subject: Subject) {
        if matches!(subject, Subject::RootCrl | Subject::PckCrl(_) | Subject::AmdCrl(_)) {
            self.lists.insert(subject);
        }
    }

    /// What a document cannot be used without. Lists come first, so all that will be there are there.
    fn need_lists(&mut self, subject: Subject) {
        match subject {
            Subject::RootCrl | Subject::AmdCrl(_) => {}
            Subject::TcbInfo { .. } | Subject::TcbInfoV2 { .. } => {
                self.need(Subject::RootCrl);
                // TCB info does not say which authority certifies its platforms.
                let (one, other) = (Subject::PckCrl(PckCa::Processor), Subject::PckCrl(PckCa::Platform));
                if !self.lists.contains(&one) && !self.lists.contains(&other) {
                    self.missing.insert(format!("{one} or {other}"));
                }
            }
            Subject::Identity(_) | Subject::EvaluationNumbers(_) | Subject::PckCrl(_) => {
                self.need(Subject::RootCrl);
            }
        }
    }

    fn need(&mut self, list: Subject) {
        if !self.lists.contains(&list) {
            self.missing.insert(list.path());
        }
    }

    /// AMD publishes the list of a root beside the certificates of each of its two authorities; one will do.
    fn need_amd(&mut self, product: Product) {
        let mut lists = amd_lists().filter(|list| of_product(*list, product));
        if !lists.any(|list| self.lists.contains(&list)) {
            let names: Vec<String> =
                amd_lists().filter(|list| of_product(*list, product)).map(Subject::path).collect();
            self.missing.insert(names.join(" or "));
        }
    }

    fn drop_revoked(&mut self) {
        for (subject, number) in self.import.shelf.drop_revoked() {
            let path = if subject.is_numbered() { format!("{subject}@{number}") } else { subject.path() };
            self.import.dropped.push(path);
        }
    }

    fn vek(&mut self, der: &[u8], terms: &Terms<'_>) {
        let path = vek_label(der);
        match self.verify_vek(der, terms) {
            Ok(held) => {
                self.need_amd(held.vek.product());
                let window = held.vek.window();
                let (issued, expires) = (window.from, window.until);
                self.import.taken.push(TakenEntry { path, placed: Placed::New, issued, expires });
                self.import.veks.push(held);
            }
            Err(error) => self.refuse(path, error),
        }
    }

    fn verify_vek(&self, der: &[u8], terms: &Terms<'_>) -> Result<VekCertificate, EntryError> {
        let vek = verify_vek(der, terms.anchors).map_err(EntryError::Vek)?;
        check_dates(CertificateRole::Vek, vek.window(), terms.now)?;
        let lists = amd_lists().filter_map(|list| self.import.shelf.get(list, Selection::default()));
        let revokes =
            |held: &Held| matches!(&held.document.content, Content::AmdCrl(list) if list.revokes(&vek));
        if lists.into_iter().any(revokes) {
            return Err(EntryError::Revoked);
        }
        Ok(VekCertificate { vek: Arc::new(vek), der: der.into() })
    }

    fn platform(&mut self, entry: &PlatformEntry, terms: &Terms<'_>) {
        match self.verify_platform(entry, terms) {
            Ok(set) => {
                self.need(Subject::RootCrl);
                self.need(Subject::PckCrl(set.ca()));
                let windows = set.certificates().iter().map(|pck| pck.verified.window());
                let (issued, expires) = windows.fold((UnixTime(i64::MIN), UnixTime(i64::MAX)), |all, one| {
                    (all.0.max(one.from), all.1.min(one.until))
                });
                let placed = Placed::New;
                self.import.taken.push(TakenEntry { path: entry.label(), placed, issued, expires });
                self.import.platforms.push((entry.id, set));
            }
            Err(error) => self.refuse(entry.label(), error),
        }
    }

    fn verify_platform(&self, entry: &PlatformEntry, terms: &Terms<'_>) -> Result<PckSet, EntryError> {
        let set = PckSet::verify(&entry.pcks, &entry.chain, entry.id.pce_id, terms.anchors, terms.cache)?;
        let lists = [Subject::RootCrl, Subject::PckCrl(set.ca())];
        let lists: Vec<&Held> =
            lists.into_iter().filter_map(|list| self.import.shelf.get(list, Selection::default())).collect();
        for pck in set.certificates() {
            check_dates(CertificateRole::Pck, pck.verified.window(), terms.now)?;
            let crls = lists.iter().filter_map(|held| held.document.crl());
            if crls.into_iter().any(|crl| crl.revokes_pck(&pck.verified)) {
                return Err(EntryError::Revoked);
            }
        }
        Ok(set)
    }
}

/// Verifies a document of an entry, whatever its dates are.
pub(super) fn verify_entry(entry: &DocumentEntry, trust: &Trust<'_>) -> Result<Document, EntryError> {
    let subject = entry.subject().ok_or(EntryError::UnknownSubject)?;
    if subject.is_numbered() != entry.number.is_some() {
        return Err(EntryError::Number);
    }
    let document = Document::verify(subject, &entry.raw, trust)?;
    match (entry.number, document.evaluation_number) {
        (Some(wanted), Some(found)) if wanted != found => {
            Err(DocumentError::OtherNumber { wanted, found }.into())
        }
        _ => Ok(document),
    }
}

/// Where a document goes that no track stands at.
pub(super) fn selection(entry: &DocumentEntry) -> Selection {
    entry.number.map_or_else(Selection::default, Selection::Number)
}

/// The order in which documents are looked at: each is judged by those before it.
pub(super) const fn rank(subject: Subject) -> u8 {
    match subject {
        Subject::RootCrl => 0,
        Subject::PckCrl(_) | Subject::AmdCrl(_) => 1,
        _ => 2,
    }
}

fn of_product(list: Subject, product: Product) -> bool {
    matches!(list, Subject::AmdCrl(key) if key.product == product)
}
