//! Backup and restore of a data folder.
//!
//! A backup is one file: a consistent copy of the database, made while the service runs. Signing keys are in it, wrapped.
//! The master key is not: whoever has both can sign as the service, so they are kept apart. To restore, the master key must be
//! at hand where the configuration says; under `--dev` that is a copy of `dev/master.key`.

use std::path::{Path, PathBuf};

use assay_store::{CheckReport, SqliteStore, Store, StoreError};

use crate::config::Config;
use crate::dev::{self, FolderError};

/// What a backup is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The file.
    pub file: PathBuf,
    /// What must be kept besides it, for people.
    pub keep: String,
}

/// Why there is no backup, or nothing was restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// The store.
    #[error("{0}")]
    Store(StoreError),
    /// The data folder.
    #[error("{0}")]
    Folder(FolderError),
    /// The backup is damaged; nothing was written.
    #[error("the backup is damaged, nothing was restored: {}", describe(.0))]
    Damaged(Vec<StoreError>),
}

fn describe(faults: &[StoreError]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Copies the database of a service, running or not, to a new file. Blocks.
///
/// # Errors
/// [`BackupError`].
pub fn backup(config: &Config, out: &Path) -> Result<Backup, BackupError> {
    let store =
        SqliteStore::open_read_only(&SqliteStore::file_in(&config.store_dir)).map_err(BackupError::Store)?;
    store.backup(out).map_err(BackupError::Store)?;
    let keep = format!(
        "keep the master key ({}) apart from this file: signing keys are wrapped under it, and the backup is useless without it",
        config.keys.master_key.describe()
    );
    Ok(Backup { file: out.to_owned(), keep })
}

/// Checks a backup and puts it into a data folder that has no database yet. Blocks.
///
/// # Errors
/// [`BackupError`].
pub fn restore(file: &Path, config: &Config) -> Result<CheckReport, BackupError> {
    dev::check_folder(config).map_err(BackupError::Folder)?;
    let report = SqliteStore::restore(file, &config.store_dir).map_err(BackupError::Store)?;
    if report.faults.is_empty() { Ok(report) } else { Err(BackupError::Damaged(report.faults)) }
}
