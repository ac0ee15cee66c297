//! Bundles into a folder of collateral, as a whole or not at all.

use std::fs::{File, OpenOptions};
use std::path::Path;

use assay_collateral::bundle::{Bundle, Examination, Import, Imported, MAX_CONTENT, RefusedEntry, Terms};

use super::{MAX_FILE, PinnedSigner, SignedBundleError, open};
use crate::files::{self, FileError};

/// What an import did.
#[derive(Clone, Debug)]
pub struct ImportedBundle {
    /// The bundle.
    pub bundle: Bundle,
    /// What was taken and what was not.
    pub import: Import,
    /// What earlier imports left that is not genuine under the roots of this one, and is gone now.
    pub lost: Vec<RefusedEntry>,
}

/// Takes a bundle into a folder. One file is replaced, and nothing else is touched, so whoever reads the folder sees what
/// was there before or all that came.
///
/// # Errors
/// [`SignedBundleError`]; the folder is as it was.
pub fn import(
    file: &str,
    signer: &PinnedSigner,
    dir: &Path,
    terms: &Terms<'_>,
) -> Result<ImportedBundle, SignedBundleError> {
    let _lock = lock(dir)?;
    let path = dir.join(Imported::FILE_NAME);
    let before = left(&path)?;
    let bundle = open(file, signer, before.last_sequence(signer.name()), terms.now)?;
    let (held, lost) = before.shelf(terms);
    let import = Examination::new(&bundle.entries, &held, terms).accept()?;
    let after = before.after(signer.name(), bundle.sequence, &import).write()?;
    // Certificates of chips name them.
    files::write_for_folder(dir, &path, after.as_bytes())?;
    files::sync_folder(dir)?;
    Ok(ImportedBundle { bundle, import, lost })
}

/// Reads a bundle's file, of at most [`MAX_FILE`] bytes.
///
/// # Errors
/// [`SignedBundleError::File`], also where it is not text.
pub fn read_file(path: &Path) -> Result<String, SignedBundleError> {
    let bytes = files::read(path, u64::try_from(MAX_FILE).unwrap_or(u64::MAX))?;
    String::from_utf8(bytes).map_err(|_| FileError::new(path, "is not text").into())
}

/// Writes a bundle's file as a whole.
///
/// # Errors
/// [`SignedBundleError::File`]
pub fn write_file(path: &Path, file: &str) -> Result<(), SignedBundleError> {
    Ok(files::write_public(path, format!("{file}\n").as_bytes())?)
}

fn left(path: &Path) -> Result<Imported, SignedBundleError> {
    if !path.try_exists().map_err(|error| FileError::io(path, "read", &error))? {
        return Ok(Imported::default());
    }
    let text = files::read(path, u64::try_from(MAX_CONTENT).unwrap_or(u64::MAX))?;
    Imported::read(&text).map_err(SignedBundleError::Left)
}

/// Two imports at once would both begin with what was there before.
fn lock(dir: &Path) -> Result<File, FileError> {
    std::fs::create_dir_all(dir).map_err(|error| FileError::io(dir, "made", &error))?;
    let path = dir.join(".import.lock");
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(&path);
    let file = file.and_then(|file| file.lock().map(|()| file));
    file.map_err(|error| FileError::io(&path, "locked", &error))
}
