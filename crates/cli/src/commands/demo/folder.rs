//! A temporary folder that goes away with its owner.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// How many names are tried.
const ATTEMPTS: u32 = 100;

/// A folder of this process alone.
pub(super) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    pub(super) fn new() -> Result<Self, Failure> {
        let parent = std::env::temp_dir();
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            let path = parent.join(format!("assay-demo-{}-{attempt}", std::process::id()));
            // Creation fails where something has the name already, so nobody can prepare a folder for us.
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) => last = Some(Failure::file("create", &path, error)),
            }
        }
        Err(last.unwrap_or_else(|| Failure::new("there is no place for a temporary folder")))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Whoever empties the temporary folder of the system takes what could not be removed.
        let _ = fs::remove_dir_all(&self.0);
    }
}
