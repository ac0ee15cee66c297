//! Reports from the kernel: `configfs-tsm` (Linux, Documentation/ABI/testing/configfs-tsm).
//!
//! An entry is a folder that one makes; the kernel fills it with `inblob` (report data to write), `outblob` (the report),
//! `provider` and `generation`, which counts the writes, so that one sees whether somebody else wrote in between.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::IdentityError;

/// Where the kernel has it.
pub const TSM_FOLDER: &str = "/sys/kernel/config/tsm/report";
/// The agent's own entry. One that a killed agent left behind is used again.
const ENTRY: &str = "assay-agent-thim";
/// What the kernel calls an SEV-SNP guest.
const PROVIDER: &str = "sev_guest";
/// Largest attribute; a report has 1184 bytes.
const MAX_ATTRIBUTE: u64 = 64 * 1024;
/// How often it is tried when somebody else writes.
const ATTEMPTS: u32 = 3;

/// Asks the kernel for a report. Its report data is zero: only what it says of the machine is wanted.
pub(super) fn report(folder: &Path) -> Result<Vec<u8>, IdentityError> {
    let entry = Entry::open(folder)?;
    let provider = String::from_utf8_lossy(&entry.read("provider")?).trim().to_owned();
    if provider != PROVIDER {
        let shown = provider.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(IdentityError::Provider(shown));
    }
    for _ in 0..ATTEMPTS {
        entry.write("inblob", &[0; 64])?;
        let before = entry.read("generation")?;
        let report = entry.read("outblob")?;
        if entry.read("generation")? == before {
            return Ok(report);
        }
    }
    Err(IdentityError::Contended)
}

/// An entry; the kernel takes it away with the folder.
struct Entry(PathBuf);

impl Entry {
    fn open(folder: &Path) -> Result<Self, IdentityError> {
        let path = folder.join(ENTRY);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Self(path)),
            Err(error) => Err(IdentityError::io(&path, "made", &error)),
        }
    }

    /// In one piece, as the kernel wants it; never makes a file.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), IdentityError> {
        let path = self.0.join(name);
        let written = OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write_all(bytes));
        written.map_err(|error| IdentityError::io(&path, "written", &error))
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, IdentityError> {
        let path = self.0.join(name);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_ATTRIBUTE).read_to_end(&mut bytes));
        read.map(|_| bytes).map_err(|error| IdentityError::io(&path, "read", &error))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // Where it cannot be taken away it is used again the next time.
        let _ = fs::remove_dir(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's folder with the agent's entry filled.
    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let entry = folder.path().join(ENTRY);
        fs::create_dir(&entry).unwrap();
        for (name, content) in files {
            fs::write(entry.join(name), content).unwrap();
        }
        folder
    }

    const FILES: [(&str, &[u8]); 4] =
        [("inblob", b""), ("outblob", b"a report"), ("provider", b"sev_guest\n"), ("generation", b"1\n")];

    #[test]
    fn a_report_is_asked_for_with_64_bytes() {
        let folder = folder(&FILES);
        assert_eq!(report(folder.path()).unwrap(), b"a report");
        assert_eq!(fs::read(folder.path().join(ENTRY).join("inblob")).unwrap(), [0; 64]);
    }

    #[test]
    fn what_is_missing_is_named() {
        for name in ["inblob", "outblob", "provider", "generation"] {
            let present: Vec<_> = FILES.into_iter().filter(|(file, _)| *file != name).collect();
            let folder = folder(&present);
            let Err(IdentityError::File { path, .. }) = report(folder.path()) else { panic!("{name}") };
            assert!(path.ends_with(name), "{}", path.display());
        }
        let nowhere = tempfile::tempdir().unwrap().path().join("tsm");
        assert_eq!(report(&nowhere).unwrap_err().code(), "identity-file");
    }

    #[test]
    fn other_guests_have_no_such_report() {
        let mut files = FILES;
        files[2].1 = b"tdx_guest\n";
        assert_eq!(report(folder(&files).path()), Err(IdentityError::Provider("tdx_guest".to_owned())));
    }
}
