//! The folder of a simulated vendor: made for its owner alone, changed by one process at a time, and replaced file by
//! file as a whole, so that a reader needs no lock.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::SiliconError;

/// A folder while this process alone may change it. The lock ends with the value, and with the process.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock of a folder, which is made if there is none.
    pub(crate) fn of(dir: &Path) -> Result<Self, SiliconError> {
        make_private(dir)?;
        let path = dir.join("lock");
        let file = private_file()
            .truncate(false)
            .open(&path)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|error| SiliconError::folder("lock", &path, &error))?;
        Ok(Self { _file: file })
    }
}

/// Makes a folder, and those above it, for the owner alone.
pub(crate) fn make_private(dir: &Path) -> Result<(), SiliconError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| SiliconError::folder("create", dir, &error))
}

/// The JSON of a file; `None` if there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, SiliconError> {
    match fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map(Some).map_err(|error| corrupt(path, error.to_string()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SiliconError::folder("read", path, &error)),
    }
}

/// The file is not what this program wrote.
pub(crate) fn corrupt(path: &Path, reason: String) -> SiliconError {
    SiliconError::CorruptFolder { path: path.to_owned(), reason }
}

/// Replaces a file by the JSON of a value.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), SiliconError> {
    let json = serde_json::to_vec_pretty(value).map_err(io::Error::from);
    let mut bytes = json.map_err(|error| SiliconError::folder("write", path, &error))?;
    bytes.push(b'\n');
    write(path, &bytes)
}

/// Replaces a file as a whole: a reader sees the old one or the new one. Only the holder of the lock calls this, so the
/// name of the temporary file can be the same every time.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), SiliconError> {
    let temporary = path.with_extension("tmp");
    let write = || -> io::Result<()> {
        let mut file = private_file().truncate(true).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| SiliconError::folder("write", path, &error))
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).mode(0o600);
    options
}
