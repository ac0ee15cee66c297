//! Reading collateral files: hostile ones, too.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use assay_verify::intel::{MAX_COLLATERAL_SIZE, RawCollateral};
use serde_json::Value;

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
}

impl Default for Limits {
    fn default() -> Self {
        Self { files: 1000, file_bytes: 32 * 1024 * 1024, sets_per_file: 1000, sets: 4000 }
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
        if hidden || path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        if listing.files.len() >= limits.files {
            return Err(format!("there are more than {} files; the others are not read", limits.files));
        }
        // Gone again since the folder was listed: the next look will tell.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_file() {
            listing.files.insert(path, Stamp { size: metadata.len(), modified: metadata.modified().ok() });
        }
    }
    Ok(())
}

/// The sets of a file: one, or a bundle in a list.
pub(crate) fn read(path: &Path, limits: &Limits) -> (Vec<(usize, RawCollateral)>, Vec<FileProblem>) {
    let problem = |set, problem| FileProblem { path: path.to_owned(), set, problem };
    let text = match read_bounded(path, limits.file_bytes) {
        Ok(text) => text,
        Err(message) => return (Vec::new(), vec![problem(0, message)]),
    };
    if text.trim_ascii_start().first() != Some(&b'[') {
        return match RawCollateral::from_json(&text) {
            Ok(set) => (vec![(0, set)], Vec::new()),
            Err(error) => (Vec::new(), vec![problem(0, format!("it is not collateral: {error}"))]),
        };
    }
    let bundle = assay_json::parse(&text, &assay_json::Limits::bytes(text.len()));
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
