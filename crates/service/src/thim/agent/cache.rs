//! What was fetched, on disk: it outlives a restart and the absence of the central service.
//!
//! Whoever can write into the folder is not believed: what is read is verified as if it came from the network. Names hold
//! a hash of what the document is about, and no platform's identity.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use assay_verify::{UnixTime, sha256};

use crate::files::{self, FileError};

/// Largest document: a VCEK has 1.4 KiB, a PCK certificate with its chain 6.
pub(super) const MAX_DOCUMENT: usize = 64 * 1024;

/// A folder of documents, for this user alone.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Makes the folder where it is missing.
    pub(super) fn open(folder: &Path) -> Result<Self, FileError> {
        files::private_folder(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// A document and when it was written; `None` where there is none that can be read.
    pub(super) fn read(&self, name: &str) -> Option<(Vec<u8>, UnixTime)> {
        let path = self.folder.join(name);
        if !path.exists() {
            return None;
        }
        let limit = u64::try_from(MAX_DOCUMENT).unwrap_or(u64::MAX);
        let bytes = files::read_private(&path, limit).map_err(|error| {
            tracing::warn!(%error, "a document in the cache is not used");
        });
        let written = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok()?;
        let written = written.duration_since(UNIX_EPOCH).ok()?.as_secs();
        Some((bytes.ok()?, crate::clock::unix_time(written)))
    }

    /// Replaces a document as a whole; durable when this returns.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        files::write_private(&self.folder.join(name), bytes)?;
        // The new name is on disk only when the folder is.
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| FileError::io(&self.folder, "written", &error))
    }
}

/// A file name for a document: what it is, and a hash of what it is about.
pub(super) fn name(kind: &str, about: &[&[u8]]) -> String {
    let parts: Vec<&[u8]> = [kind.as_bytes()].into_iter().chain(about.iter().copied()).collect();
    let digest = hex::encode(sha256(&parts));
    format!("{kind}-{}", digest.get(..32).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn documents_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(&folder.path().join("cache")).unwrap();
        assert_eq!(cache.read("vcek-1"), None);
        cache.write("vcek-1", b"old").unwrap();
        cache.write("vcek-1", b"new").unwrap();
        let (bytes, written) = cache.read("vcek-1").unwrap();
        assert_eq!(bytes, b"new");
        assert!(written.0 > 1_700_000_000);
        let path = folder.path().join("cache/vcek-1");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(folder.path().join("cache")).unwrap().permissions().mode() & 0o777, 0o700);
        // Others may have written it.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(cache.read("vcek-1"), None);
        assert_eq!(fs::read_dir(folder.path().join("cache")).unwrap().count(), 1, "no partial file is left");
    }

    #[test]
    fn names_tell_documents_apart_and_platforms_nothing() {
        let one = name("vcek", &[&[0xab; 64], &[1]]);
        assert_ne!(one, name("vcek", &[&[0xab; 64], &[2]]));
        assert_ne!(one, name("pck", &[&[0xab; 64], &[1]]));
        assert!(one.starts_with("vcek-") && one.len() == 37 && !one.contains("abab"), "{one}");
    }
}
