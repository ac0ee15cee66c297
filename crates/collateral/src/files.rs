//! Reading collateral files: hostile ones, too.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use assay_verify::intel::{MAX_COLLATERAL_SIZE, RawCollateral};
use serde_json::Value;

use crate::amd;

/// Largest file of AMD's: a revocation list, or a VEK certificate with its chain, has a few KiB.
const AMD_FILE_BYTES: u64 = 256 * 1024;

/// What the folders may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most files in all folders together. There are a few hundred platform families, with two authorities each.
    pub files: usize,
    /// Largest file: a bundle of all families with 25 KiB each.
    pub file_bytes: u64,
    /// Most sets in one file.
    pub sets_per_file: usize,
    /// Most sets held.
    pub sets: usize,
    /// Most files of AMD's in all folders together: one for each chip and TCB of a fleet, and a few lists.
    pub amd_files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { files: 1000, file_bytes: 32 * 1024 * 1024, sets_per_file: 1000, sets: 4000, amd_files: 20_000 }
    }
}

/// A file, or a part of it, that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileProblem {
    /// The file or folder.
    pub path: PathBuf,
    /// Which set of a bundle, counted from 1; 0 for the whole file.
    pub set: usize,
    /// What is wrong, one sentence.
    pub problem: String,
}

impl std::fmt::Display for FileProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.set {
            0 => write!(f, "`{}`: {}", self.path.display(), self.problem),
            set => write!(f, "`{}`, set {set}: {}", self.path.display(), self.problem),
        }
    }
}

/// What tells whether a file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
}

/// Every file and its stamp, and the folders that cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) files: BTreeMap<PathBuf, Stamp>,
    pub(crate) amd: BTreeMap<PathBuf, Stamp>,
    pub(crate) problems: Vec<FileProblem>,
}

pub(crate) fn list(dirs: &[PathBuf], limits: &Limits) -> Listing {
    let mut listing = Listing::default();
    for dir in dirs {
        if let Err(problem) = list_one(dir, limits, &mut listing) {
            listing.problems.push(FileProblem { path: dir.clone(), set: 0, problem });
        }
    }
    listing
}

fn list_one(dir: &Path, limits: &Limits, listing: &mut Listing) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("the folder cannot be read: {error}");
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let Some(extension) = path.extension().filter(|_| !hidden) else { continue };
        let (files, limit) = match extension.to_str() {
            Some("json") => (&mut listing.files, limits.files),
            Some(extension) if amd::EXTENSIONS.contains(&extension) => (&mut listing.amd, limits.amd_files),
            _ => continue,
        };
        if files.len() >= limit {
            return Err(format!("there are more than {limit} files; the others are not read"));
        }
        // Gone again since the folder was listed: the next look will tell.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_file() {
            files.insert(path, Stamp { size: metadata.len(), modified: metadata.modified().ok() });
        }
    }
    Ok(())
}

/// A file of AMD's.
pub(crate) fn read_amd(path: &Path) -> Result<Vec<u8>, String> {
    read_bounded(path, AMD_FILE_BYTES)
}

/// Whether JSON is the answer of a cloud's metadata service with AMD's certificates.
pub(crate) fn is_metadata_answer(text: &[u8]) -> bool {
    text.len() < 64 * 1024 && text.windows(10).any(|window| window.eq_ignore_ascii_case(b"\"vcekcert\""))
}

/// Reads a file of collateral.
///
/// # Errors
/// Why it cannot be read.
pub(crate) fn read_text(path: &Path, limits: &Limits) -> Result<Vec<u8>, FileProblem> {
    let problem = |problem| FileProblem { path: path.to_owned(), set: 0, problem };
    read_bounded(path, limits.file_bytes).map_err(problem)
}

/// The sets of a file: one, or a bundle in a list.
pub(crate) fn sets(
    path: &Path,
    text: &[u8],
    limits: &Limits,
) -> (Vec<(usize, RawCollateral)>, Vec<FileProblem>) {
    let problem = |set, problem| FileProblem { path: path.to_owned(), set, problem };
    if text.trim_ascii_start().first() != Some(&b'[') {
        return match RawCollateral::from_json(text) {
            Ok(set) => (vec![(0, set)], Vec::new()),
            Err(error) => (Vec::new(), vec![problem(0, format!("it is not collateral: {error}"))]),
        };
    }
    let bundle = assay_json::parse(text, &assay_json::Limits::bytes(text.len()));
    let Ok(Value::Array(items)) = bundle else {
        return (Vec::new(), vec![problem(0, "it is not a list of collateral sets".to_owned())]);
    };
    let (mut sets, mut problems) = (Vec::new(), Vec::new());
    if items.len() > limits.sets_per_file {
        problems.push(problem(
            0,
            format!("it has more than {} sets; the others are not read", limits.sets_per_file),
        ));
    }
    for (position, item) in items.into_iter().take(limits.sets_per_file).enumerate() {
        let number = position.saturating_add(1);
        match from_item(item) {
            Ok(set) => sets.push((number, set)),
            Err(message) => problems.push(problem(number, message)),
        }
    }
    (sets, problems)
}

fn from_item(item: Value) -> Result<RawCollateral, String> {
    if item.to_string().len() > MAX_COLLATERAL_SIZE {
        return Err(format!("it is larger than {MAX_COLLATERAL_SIZE} bytes"));
    }
    serde_json::from_value(item).map_err(|error| format!("it is not collateral: {error}"))
}

/// Reads no more than the limit, whatever the file's size was when it was listed.
fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("it cannot be read: {error}");
    let file = File::open(path).map_err(failed)?;
    let mut text = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut text).map_err(failed)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > limit {
        return Err(format!("it is larger than {limit} bytes"));
    }
    Ok(text)
}
