//! Folders of collateral, held in memory and looked at again when they change.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use assay_verify::intel::{Collateral, PlatformKey, RawCollateral};
use assay_verify::{TrustAnchors, UnixTime};

use crate::files::{self, FileProblem, Limits, Listing};
use crate::sets::{Fit, Set, Sets};

const MIXED: &str =
    "it is newer in one part and older in another than the set held for its family; it is not used";

/// Verified collateral from files: `*.json`, each one set in the format of [`RawCollateral`] or a list of such sets.
///
/// Finding never waits for [`CollateralFolder::reload`].
#[derive(Debug)]
pub struct CollateralFolder {
    dirs: Vec<PathBuf>,
    anchors: TrustAnchors,
    limits: Limits,
    sets: ArcSwap<Sets>,
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
        Self { dirs, anchors, limits, sets: ArcSwap::default(), seen: Mutex::default() }
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
        let held = self.sets.load();
        let (sets, problems) = self.read(&listing, &held);
        drop(held);
        let newest = sets.best().map(|set| set.collateral.newest_issue()).max();
        seen.newest_vendor_date = seen.newest_vendor_date.max(newest);
        self.sets.store(Arc::new(sets));
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

    fn read(&self, listing: &Listing, held: &Sets) -> (Sets, BTreeSet<FileProblem>) {
        // What was best stays best until something newer comes: an old file, or none, rolls nothing back.
        let mut sets = Sets::default();
        for set in held.best() {
            sets.add(set.clone());
        }
        let mut problems: BTreeSet<FileProblem> = listing.problems.iter().cloned().collect();
        for path in listing.files.keys() {
            let (found, broken) = files::read(path, &self.limits);
            problems.extend(broken);
            for (number, raw) in found {
                let mut problem =
                    |text| problems.insert(FileProblem { path: path.clone(), set: number, problem: text });
                if sets.len() >= self.limits.sets {
                    problem(format!("more than {} sets; this one is not held", self.limits.sets));
                    break;
                }
                match self.verify(raw, held) {
                    Ok(set) => {
                        if sets.add(set) == Fit::Mixed {
                            problem(MIXED.to_owned());
                        }
                    }
                    Err(text) => drop(problem(text)),
                }
            }
        }
        (sets, problems)
    }

    /// A set that is held already was verified against the same anchors.
    fn verify(&self, raw: RawCollateral, held: &Sets) -> Result<Set, String> {
        match held.by_digest(&raw.digest()) {
            Some(set) => Ok(set.clone()),
            None => Set::verify(raw, &self.anchors),
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
