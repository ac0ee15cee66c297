//! Folders of collateral, held in memory and looked at again when they change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use assay_verify::intel::{Collateral, PlatformKey, RawCollateral};
use assay_verify::snp::{AmdCrl, VekCertificate, VekKey};
use assay_verify::{TrustAnchors, UnixTime};

use crate::amd::{AmdDocument, AmdHeld};
use crate::bundle::{self, DocumentEntry, Imported};
use crate::files::{self, FileProblem, Limits, Listing};
use crate::sets::{Fit, Set, Sets};
use crate::subject::Subject;

const MIXED: &str =
    "it is newer in one part and older in another than the set held for its family; it is not used";

/// Verified collateral from files. Of Intel: `*.json`, each one set in the format of [`RawCollateral`] or a list of such sets. Of
/// AMD: VEK certificates and revocation lists, DER or PEM (`*.der`, `*.crt`, `*.cer`, `*.pem`, `*.crl`), and the JSON of metadata services.
/// Of both: what imports of bundles left ([`Imported`]).
///
/// Finding never waits for [`CollateralFolder::reload`].
#[derive(Debug)]
pub struct CollateralFolder {
    dirs: Vec<PathBuf>,
    anchors: ArcSwap<TrustAnchors>,
    limits: Limits,
    sets: ArcSwap<Sets>,
    amd: ArcSwap<AmdHeld>,
    imported: ArcSwap<Vec<DocumentEntry>>,
    seen: Mutex<Seen>,
}

/// What the last look at the folders found.
#[derive(Debug, Default)]
struct Seen {
    /// `None` before the first look.
    listing: Option<Listing>,
    problems: BTreeSet<FileProblem>,
    newest_vendor_date: Option<UnixTime>,
}

/// What came of looking at the folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// Whether anything was different from the last look.
    pub changed: bool,
    /// Everything that cannot be used, old problems included.
    pub problems: Vec<FileProblem>,
    /// The problems that the look before did not have: these are worth a line in the log.
    pub new_problems: Vec<FileProblem>,
}

/// One set that is held as the best for its platform family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The platform family.
    pub platform: PlatformKey,
    /// Names the set.
    pub digest: [u8; 32],
    /// The lower of its two TCB evaluation data numbers.
    pub evaluation_number: u32,
    /// When its TCB info was issued.
    pub issued: UnixTime,
    /// When the first of its parts expires.
    pub expires: UnixTime,
}

impl CollateralFolder {
    /// Folders to look at; nothing is read before the first [`CollateralFolder::reload`].
    #[must_use]
    pub fn open(dirs: Vec<PathBuf>, anchors: TrustAnchors) -> Self {
        Self::with_limits(dirs, anchors, Limits::default())
    }

    /// As [`CollateralFolder::open`], with other limits.
    #[must_use]
    pub fn with_limits(dirs: Vec<PathBuf>, anchors: TrustAnchors, limits: Limits) -> Self {
        let anchors = ArcSwap::from_pointee(anchors);
        let (sets, amd, imported) = (ArcSwap::default(), ArcSwap::default(), ArcSwap::default());
        Self { dirs, anchors, limits, sets, amd, imported, seen: Mutex::default() }
    }

    /// Believes other roots from now on, and verifies everything again under them. Blocks.
    pub fn believe(&self, anchors: TrustAnchors) -> Reload {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sets = Sets::default();
        for set in self.sets.load().best() {
            if let Ok(set) = Set::verify(RawCollateral::clone(&set.raw), &anchors) {
                sets.add(set);
            }
        }
        self.amd.store(Arc::new(self.amd.load().under(&anchors)));
        self.sets.store(Arc::new(sets));
        self.anchors.store(Arc::new(anchors));
        seen.listing = None;
        drop(seen);
        self.reload()
    }

    /// Looks at the folders, and reads the files anew if a name, size or time of change differs from the last look. Blocks.
    ///
    /// A set that was held stays, also when its file is gone, until a newer one for the same family comes.
    pub fn reload(&self) -> Reload {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let listing = files::list(&self.dirs, &self.limits);
        if seen.listing.as_ref() == Some(&listing) {
            return Reload { problems: seen.problems.iter().cloned().collect(), ..Reload::default() };
        }
        let mut reading = Reading::new(self, &listing);
        reading.read(&listing);
        let Reading { sets, amd, imported, problems, .. } = reading;
        let newest = sets.best().map(|set| set.collateral.newest_issue()).max();
        seen.newest_vendor_date = seen.newest_vendor_date.max(newest).max(amd.newest_issue());
        self.sets.store(Arc::new(sets));
        self.amd.store(Arc::new(amd));
        self.imported.store(Arc::new(imported));
        let new_problems = problems.difference(&seen.problems).cloned().collect();
        seen.problems = problems;
        seen.listing = Some(listing);
        Reload { changed: true, problems: seen.problems.iter().cloned().collect(), new_problems }
    }

    /// The best set for a platform family, expired or not.
    #[must_use]
    pub fn find(&self, platform: &PlatformKey) -> Option<Arc<Collateral>> {
        self.sets.load().find(platform).map(|set| Arc::clone(&set.collateral))
    }

    /// The best set for the family of another one, if any part of that one is older.
    #[must_use]
    pub fn newer_than(&self, given: &Collateral) -> Option<Entry> {
        self.sets.load().newer_than(given).map(Entry::of)
    }

    /// The VEK certificates that fit a report, valid now or not; those that are valid longest first.
    #[must_use]
    pub fn find_veks(&self, key: &VekKey) -> Vec<VekCertificate> {
        self.amd.load().find(key)
    }

    /// AMD's revocation lists: the newest of each root, and older ones that name what the newest does not.
    #[must_use]
    pub fn amd_crls(&self) -> Vec<Arc<AmdCrl>> {
        self.amd.load().crls().to_vec()
    }

    /// How many VEK certificates are held.
    #[must_use]
    pub fn vek_count(&self) -> usize {
        self.amd.load().vek_count()
    }

    /// Every VEK certificate that is held, in no order.
    #[must_use]
    pub fn veks(&self) -> Vec<VekCertificate> {
        self.amd.load().veks().cloned().collect()
    }

    /// The documents that imports of bundles left. Only the sets that they make up have been verified.
    #[must_use]
    pub fn imported_documents(&self) -> Arc<Vec<DocumentEntry>> {
        self.imported.load_full()
    }

    /// The bytes that a set was made from.
    #[must_use]
    pub fn raw(&self, digest: &[u8; 32]) -> Option<Arc<RawCollateral>> {
        self.sets.load().by_digest(digest).map(|set| Arc::clone(&set.raw))
    }

    /// The best set of every family, in the order of the families.
    #[must_use]
    pub fn inventory(&self) -> Vec<Entry> {
        let sets = self.sets.load();
        let mut entries: Vec<Entry> = sets.best().map(Entry::of).collect();
        entries.sort_by_key(|entry| (entry.platform.fmspc, entry.platform.ca));
        entries
    }

    /// The newest date that a vendor put on anything verified here: it cannot be earlier than that. It never goes back while
    /// this value lives.
    #[must_use]
    pub fn newest_vendor_date(&self) -> Option<UnixTime> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).newest_vendor_date
    }
}

/// One look at the folders.
struct Reading<'a> {
    anchors: Arc<TrustAnchors>,
    limits: &'a Limits,
    held: Arc<Sets>,
    held_amd: Arc<AmdHeld>,
    sets: Sets,
    amd: AmdHeld,
    imported: Vec<DocumentEntry>,
    problems: BTreeSet<FileProblem>,
}

impl<'a> Reading<'a> {
    /// What was best stays best until something newer comes: an old file, or none, rolls nothing back.
    fn new(folder: &'a CollateralFolder, listing: &Listing) -> Self {
        let (held, held_amd) = (folder.sets.load_full(), folder.amd.load_full());
        let mut sets = Sets::default();
        for set in held.best() {
            sets.add(set.clone());
        }
        let problems = listing.problems.iter().cloned().collect();
        let amd = held_amd.kept();
        Self {
            anchors: folder.anchors.load_full(),
            limits: &folder.limits,
            held,
            held_amd,
            sets,
            amd,
            imported: Vec::new(),
            problems,
        }
    }

    fn read(&mut self, listing: &Listing) {
        for path in listing.files.keys() {
            match files::read_text(path, self.limits) {
                Ok(text) if files::is_metadata_answer(&text) => self.add_amd(path, &text),
                Ok(text) if Imported::is_one(&text) => self.add_imported(path, &text),
                Ok(text) => {
                    let (found, broken) = files::sets(path, &text, self.limits);
                    self.problems.extend(broken);
                    self.add_sets(path, found);
                }
                Err(problem) => drop(self.problems.insert(problem)),
            }
        }
        for path in listing.amd.keys() {
            match files::read_amd(path) {
                Ok(bytes) => self.add_amd(path, &bytes),
                Err(problem) => self.problem(path, 0, problem),
            }
        }
    }

    fn problem(&mut self, path: &Path, set: usize, problem: String) {
        self.problems.insert(FileProblem { path: path.to_owned(), set, problem });
    }

    /// Sets are put together from the documents, and verified like any other.
    fn add_imported(&mut self, path: &Path, text: &[u8]) {
        let imported = match Imported::read(text) {
            Ok(imported) => imported,
            Err(error) => return self.problem(path, 0, error.to_string()),
        };
        let entries = imported.entries();
        let sets = bundle::sets(&entries.documents);
        self.add_sets(path, (1..).zip(sets).collect());
        let is_list = |entry: &&DocumentEntry| matches!(entry.subject(), Some(Subject::AmdCrl(_)));
        let lists = entries.documents.iter().filter(is_list).map(|entry| &entry.raw.body[..]);
        lists.chain(entries.veks.iter().map(Vec::as_slice)).for_each(|der| self.add_amd(path, der));
        self.imported.extend(entries.documents.iter().cloned());
    }

    fn add_sets(&mut self, path: &Path, found: Vec<(usize, RawCollateral)>) {
        for (number, raw) in found {
            let limit = self.limits.sets;
            if self.sets.len() >= limit {
                return self.problem(path, number, format!("more than {limit} sets; this one is not held"));
            }
            match self.verify(raw).map(|set| self.sets.add(set)) {
                Ok(Fit::Mixed) => self.problem(path, number, MIXED.to_owned()),
                Ok(_) => {}
                Err(text) => self.problem(path, number, text),
            }
        }
    }

    /// A set that is held already was verified against the same anchors.
    fn verify(&self, raw: RawCollateral) -> Result<Set, String> {
        match self.held.by_digest(&raw.digest()) {
            Some(set) => Ok(set.clone()),
            None => Set::verify(raw, &self.anchors),
        }
    }

    fn add_amd(&mut self, path: &Path, bytes: &[u8]) {
        let known = self.held_amd.known(bytes);
        match known.map_or_else(|| AmdDocument::read(bytes, &self.anchors), Ok) {
            Ok(document) => self.amd.add_file(bytes, document),
            Err(problem) => self.problem(path, 0, problem),
        }
    }
}

impl Entry {
    fn of(set: &Set) -> Self {
        Self {
            platform: set.platform,
            digest: set.collateral.digest,
            evaluation_number: set.collateral.evaluation_number(),
            issued: set.collateral.tcb_info.window.from,
            expires: set.collateral.earliest_expiration(),
        }
    }
}
