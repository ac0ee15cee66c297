//! Backup and restore of a data folder.
//!
//! A backup is one file: a consistent copy of the database, made while the service runs. Signing keys are in it, wrapped.
//! The master key is not: whoever has both can sign as the service, so they are kept apart. To restore, the master key must be
//! at hand where the configuration says; under `--dev` that is a copy of `dev/master.key`.

use std::path::{Path, PathBuf};

use assay_store::{CheckReport, SqliteStore, Store, StoreError};

use crate::config::Config;
use crate::dev::{self, FolderError};
use crate::registry::{RegistryError, check_mark};

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
    check_kind(file, config)?;
    dev::check_folder(config).map_err(BackupError::Folder)?;
    let report = SqliteStore::restore(file, &config.store_dir).map_err(BackupError::Store)?;
    if report.faults.is_empty() { Ok(report) } else { Err(BackupError::Damaged(report.faults)) }
}

/// A backup of `--dev` is restored under `--dev` only, and the other way round. Other trouble with it, damage above all, is
/// left to the restoring, which finds and reports all of it.
fn check_kind(file: &Path, config: &Config) -> Result<(), BackupError> {
    let store = SqliteStore::open_read_only(file).map_err(BackupError::Store)?;
    match check_mark(&store, config.dev) {
        Err(RegistryError::Development) => {
            Err(BackupError::Folder(FolderError::Development(file.to_owned())))
        }
        Err(RegistryError::Production) => Err(BackupError::Folder(FolderError::Production(file.to_owned()))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use assay_store::SqliteOptions;
    use assay_token::wrap::MasterKey;

    use super::*;
    use crate::clock::Clock;
    use crate::config::Overrides;
    use crate::registry::Registry;

    #[test]
    fn a_backup_of_dev_is_not_restored_into_production() {
        let folder = tempfile::tempdir().unwrap();
        let config = |dev: bool, name: &str| {
            let data = folder.path().join(name);
            let text = format!(
                "listen = \"127.0.0.1:0\"\npublic_url = \"https://a.example.org\"\ndata_dir = \"{}\"\n\
                 default_provider.signing_algorithm = \"ES256\"\n[tls]\ncert = \"c\"\nkey = \"k\"",
                data.display()
            );
            let master = [("ASSAY_MASTER_KEY".to_owned(), "07".repeat(32))];
            Config::from_text(None, &text, master, &Overrides { dev, ..Overrides::default() }).unwrap()
        };
        let born = config(true, "born");
        let store = SqliteStore::open(&born.store_dir, &SqliteOptions::default()).unwrap();
        let master = Arc::new(MasterKey::from_bytes(&[7; 32]).unwrap());
        drop(Registry::open(Arc::new(store), master, &born, Clock::system(), Arc::default()).unwrap());
        let file = folder.path().join("backup");
        backup(&born, &file).unwrap();
        let there = config(false, "there");
        let refused = restore(&file, &there).unwrap_err();
        assert_eq!(refused, BackupError::Folder(FolderError::Development(file.clone())));
        assert!(!there.data_dir.exists());
        assert!(restore(&file, &config(true, "here")).is_ok());
    }
}
