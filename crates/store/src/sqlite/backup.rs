//! Copies of the database, and the proof that one is whole.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rusqlite::Connection;

use super::SqliteStore;
use super::connection::{FILE, sync_directory};
use super::read::{self, Readers};
use crate::{ChainName, Digest, HeadName, Store, StoreError};

/// Most faults that a report lists.
const FAULTS: usize = 100;

/// What a check of the whole store saw. It is sound when there are no faults.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use]
pub struct CheckReport {
    /// Documents read and compared with their digests.
    pub blobs: u64,
    /// Heads whose documents were looked for.
    pub heads: u64,
    /// Chains checked.
    pub chains: u64,
    /// Records in the chains that hold together.
    pub records: u64,
    /// All that is wrong, up to 100 findings.
    pub faults: Vec<StoreError>,
}

impl CheckReport {
    fn fault(&mut self, fault: StoreError) {
        if self.faults.len() < FAULTS {
            self.faults.push(fault);
        }
    }

    /// A stage that finds damage has its finding noted, and the other stages go on; other errors end the check.
    fn note<T>(&mut self, result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(fault) if fault.is_damage() => {
                self.fault(fault);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Writes what one moment holds to a new file, readable by its owner only. It has its name once it is complete.
pub(super) fn copy(readers: &Readers, to: &Path) -> Result<(), StoreError> {
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    // Asked again before the renaming; here, so that no large copy is made in vain.
    refuse_existing(to)?;
    create_new(partial)?;
    let copied = readers.with(|connection| copy_into(connection, partial)).and_then(|()| {
        refuse_existing(to)?;
        Ok(fs::rename(partial, to)?)
    });
    if copied.is_err()
        && let Err(error) = fs::remove_file(partial)
    {
        tracing::warn!(cause = %error, "an incomplete backup could not be removed");
    }
    copied?;
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_directory(directory.unwrap_or_else(|| Path::new(".")))
}

/// Puts a copy in the place of a store that does not exist yet, after checking it.
pub(super) fn restore(backup: &Path, directory: &Path) -> Result<CheckReport, StoreError> {
    let source = SqliteStore::open_read_only(backup)?;
    let report = source.check()?;
    if report.faults.is_empty() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        source.backup(&directory.join(FILE))?;
    }
    Ok(report)
}

/// Reads everything once.
pub(super) fn check(store: &SqliteStore, readers: &Readers) -> Result<CheckReport, StoreError> {
    let mut report = CheckReport::default();
    let checked = readers.with(|connection| check_file(connection, &mut report));
    report.note(checked)?;
    let checked = readers.with(|connection| check_blobs(connection, &mut report));
    report.note(checked)?;
    let checked = check_heads(store, &mut report);
    report.note(checked)?;
    let chains = report.note(readers.with(all_chains))?;
    for chain in chains.into_iter().flatten() {
        report.chains = report.chains.saturating_add(1);
        let verified = report.note(store.verify_chain(&chain, None))?;
        report.records = report.records.saturating_add(verified.map_or(0, |verified| verified.checked()));
    }
    Ok(report)
}

fn refuse_existing(path: &Path) -> Result<(), StoreError> {
    // Not followed: a dangling link is in the way, too.
    if fs::symlink_metadata(path).is_ok() {
        return Err(StoreError::Exists { path: path.display().to_string() });
    }
    Ok(())
}

fn create_new(to: &Path) -> Result<(), StoreError> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(StoreError::Exists { path: to.display().to_string() })
        }
        Err(error) => Err(error.into()),
    }
}

/// `VACUUM INTO` reads in one transaction and accepts an empty file to write to; it leaves syncing to us (SQLite, "VACUUM", 3).
fn copy_into(connection: &Connection, to: &Path) -> Result<(), StoreError> {
    let Some(target) = to.to_str() else {
        return Err(StoreError::Io { cause: "the path of the copy is not UTF-8".to_owned() });
    };
    connection.execute("VACUUM INTO ?1", [target])?;
    Ok(fs::File::open(to)?.sync_all()?)
}

fn check_file(connection: &Connection, report: &mut CheckReport) -> Result<(), StoreError> {
    let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let cause: String = row.get(0)?;
        if cause != "ok" {
            report.fault(StoreError::DatabaseCorrupt { cause });
        }
    }
    Ok(())
}

fn check_blobs(connection: &Connection, report: &mut CheckReport) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT digest, body FROM blobs")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        report.blobs = report.blobs.saturating_add(1);
        let digest = Digest::from_bytes(row.get(0)?);
        if Digest::of(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?) != digest {
            report.fault(StoreError::Corrupt { what: "document", name: digest.to_string() });
        }
    }
    Ok(())
}

fn check_heads(store: &SqliteStore, report: &mut CheckReport) -> Result<(), StoreError> {
    let mut after: Option<HeadName> = None;
    loop {
        let page = store.heads(None, after.as_ref(), crate::catalog::PAGE_MAX)?;
        for head in page.items {
            report.heads = report.heads.saturating_add(1);
            if !store.readers.with(|connection| read::has_blob(connection, &head.digest))? {
                report.fault(StoreError::NotFound { what: "document", name: head.digest.to_string() });
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// From both tables: a chain whose tip was removed must be found, too.
fn all_chains(connection: &Connection) -> Result<Vec<ChainName>, StoreError> {
    let mut statement =
        connection.prepare("SELECT name FROM chains UNION SELECT DISTINCT chain FROM records")?;
    let mut rows = statement.query([])?;
    let mut chains = Vec::new();
    while let Some(row) = rows.next()? {
        chains.push(read::chain_name(&row.get::<_, String>(0)?)?);
    }
    Ok(chains)
}
