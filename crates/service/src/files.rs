//! Files and folders for their owner alone.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Bits that let the group or others do anything.
const FOREIGN: u32 = 0o077;

/// A file or folder that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` {problem}", path.display())]
pub struct FileError {
    /// Which.
    pub path: PathBuf,
    /// What is wrong, as the end of a sentence.
    pub problem: String,
}

impl FileError {
    pub(crate) fn new(path: &Path, problem: impl Into<String>) -> Self {
        Self { path: path.to_owned(), problem: problem.into() }
    }

    pub(crate) fn io(path: &Path, verb: &str, error: &io::Error) -> Self {
        Self::new(path, format!("cannot be {verb}: {error}"))
    }
}

/// Makes a folder for its owner alone. An empty one that is there is closed to others; one with anything in it that others
/// may enter is refused, as closing it could lock someone out of what is his.
pub(crate) fn private_folder(path: &Path) -> Result<(), FileError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| FileError::io(path, "made", &error))?;
    let empty = fs::read_dir(path).map_err(|error| FileError::io(path, "read", &error))?.next().is_none();
    if empty {
        let closed = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
        closed.map_err(|error| FileError::io(path, "closed to others", &error))?;
    }
    check_private(path)
}

/// Refuses a file or folder that the group or others may use.
pub(crate) fn check_private(path: &Path) -> Result<(), FileError> {
    let metadata = fs::metadata(path).map_err(|error| FileError::io(path, "read", &error))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & FOREIGN == 0 {
        return Ok(());
    }
    let owner = metadata.uid();
    let wanted = if metadata.is_dir() { "0700" } else { "0600" };
    Err(FileError::new(
        path,
        format!(
            "has the mode {mode:04o}, which lets others than its owner (user {owner}) use it; it must be {wanted}"
        ),
    ))
}

/// Reads a file that only its owner may read, of at most `limit` bytes.
pub(crate) fn read_private(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    check_private(path)?;
    read(path, limit)
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let cannot = |error: io::Error| FileError::io(path, "read", &error);
    if fs::metadata(path).map_err(cannot)?.len() > limit {
        return Err(FileError::new(path, format!("is larger than {limit} bytes")));
    }
    fs::read(path).map_err(cannot)
}

/// Replaces a file as a whole, durable when this returns; readable by its owner alone.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), FileError> {
    write(path, content, 0o600, None)
}

/// As [`write_private`], for whoever owns the folder: root may write into the folder of a service, which must read it.
pub(crate) fn write_for_folder(folder: &Path, path: &Path, content: &[u8]) -> Result<(), FileError> {
    let owner = fs::metadata(folder).map_err(|error| FileError::io(folder, "read", &error))?;
    write(path, content, 0o600, Some((owner.uid(), owner.gid())))
}

/// Writes a file that must not be there yet; readable by its owner alone.
pub(crate) fn create_private(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()));
    written.map_err(|error| FileError::io(path, "written", &error))
}

/// Makes what was renamed in a folder last.
pub(crate) fn sync_folder(path: &Path) -> Result<(), FileError> {
    let synced = fs::File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|error| FileError::io(path, "made durable", &error))
}

/// Replaces a file as a whole; everybody who may enter its folder may read it.
pub(crate) fn write_public(path: &Path, content: &[u8]) -> Result<(), FileError> {
    write(path, content, 0o644, None)
}

fn write(path: &Path, content: &[u8], mode: u32, owner: Option<(u32, u32)>) -> Result<(), FileError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let attempt = || -> io::Result<()> {
        // One left by a crash may have another mode.
        if partial.exists() {
            fs::remove_file(&partial)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&partial)?;
        if let Some((user, group)) =
            owner.filter(|(user, _)| file.metadata().is_ok_and(|own| own.uid() != *user))
        {
            fchown(&file, Some(user), Some(group))?;
        }
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    attempt().map_err(|error| FileError::io(path, "written", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write_private(&path, b"x").unwrap();
        assert_eq!(read_private(&path, 10).unwrap(), b"x");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let owner = fs::metadata(&path).unwrap().uid();
        let problem = format!(
            "has the mode 0640, which lets others than its owner (user {owner}) use it; it must be 0600"
        );
        assert_eq!(read_private(&path, 10), Err(FileError { path: path.clone(), problem }));
    }

    #[test]
    fn files_have_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        write_public(&path, b"12345").unwrap();
        assert_eq!(read(&path, 4), Err(FileError::new(&path, "is larger than 4 bytes")));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }
}
