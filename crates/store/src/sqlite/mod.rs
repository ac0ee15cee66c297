//! The store in one SQLite file: one writing thread, a few reading connections, and other processes beside it.

mod backup;
mod connection;
mod migrations;
mod queue;
mod read;
mod transaction;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use backup::CheckReport;
use queue::Job;
use read::Readers;
use writer::Writer;

use crate::change::LeaseRequest;
use crate::{
    ChainName, ChainTip, Change, ChangeMark, Digest, Head, HeadName, Page, Receipt, Record, RecordId, Store,
    StoreError,
};

/// How a SQLite store is to be run. The default suits one node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SqliteOptions {
    /// Requests that may wait to be written before `store-busy`; 64 MiB of them at most in any case.
    pub queue: usize,
    /// Connections for reading that are kept open.
    pub readers: usize,
    /// How long to wait for another process that has the database locked before `store-busy`.
    pub busy_timeout: Duration,
    /// Most pages of 4096 bytes that the database may have before `store-full`; `None`: as many as the disk takes.
    pub max_pages: Option<u32>,
    /// How long a commit waits for company once the one before it was shared: under load more decisions share
    /// one write to disk, and a lone writer never waits.
    pub gather: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            queue: 4096,
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            max_pages: None,
            gather: Duration::from_millis(1),
        }
    }
}

/// A [`Store`] in a folder of its own. Several processes may have it open at once.
pub struct SqliteStore {
    /// Before `readers`, so that it is dropped first: what waits is written while the store is whole.
    writer: Option<Writer>,
    readers: Readers,
}

impl SqliteStore {
    /// Opens the store in a folder, or begins one there; an older database is upgraded. The folder is closed to other users
    /// of the machine (mode 0700), the files as well (0600).
    ///
    /// # Errors
    /// `not-a-store` for a folder or database of something else, `newer-database`, `migration-changed`, `store-busy`, `store-io`.
    pub fn open(directory: &Path, options: &SqliteOptions) -> Result<Self, StoreError> {
        let (connection, path) = connection::open_writer(directory, options.busy_timeout, options.max_pages)?;
        let writer = Writer::start(connection, options.queue, options.gather)?;
        let readers = Readers::new(path, options.busy_timeout, options.readers);
        Ok(Self { writer: Some(writer), readers })
    }

    /// Opens a database file, or a backup, for reading only; also while a service writes to it.
    ///
    /// # Errors
    /// `older-database`, `newer-database`, `migration-changed`, `not-a-store`, `store-corrupt`, `store-io`.
    pub fn open_read_only(file: &Path) -> Result<Self, StoreError> {
        if !file.is_file() {
            return Err(StoreError::NotAStore { path: file.display().to_string() });
        }
        let options = SqliteOptions::default();
        let readers = Readers::new(file.to_owned(), options.busy_timeout, options.readers);
        readers.with(|connection| migrations::require_current(connection, migrations::KNOWN, file))?;
        Ok(Self { writer: None, readers })
    }

    /// The database file in a store's folder.
    #[must_use]
    pub fn file_in(directory: &Path) -> PathBuf {
        directory.join(connection::FILE)
    }

    /// Checks a backup, and begins a store with it in a folder that has none. Where the check finds faults, nothing is
    /// written and the report says which.
    ///
    /// # Errors
    /// `file-exists` where there is a store already, and those of [`SqliteStore::open_read_only`].
    pub fn restore(backup: &Path, directory: &Path) -> Result<CheckReport, StoreError> {
        backup::restore(backup, directory)
    }

    /// Reads everything: the file's structure, every document against its digest, every head, every chain.
    ///
    /// # Errors
    /// Only where the check itself cannot go on; what it finds is in the report.
    pub fn check(&self) -> Result<CheckReport, StoreError> {
        backup::check(self, &self.readers)
    }

    /// How many transactions this handle has committed; with many submitters fewer than there were changes.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::commits)
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        self.writer.as_ref().ok_or(StoreError::ReadOnly)
    }

    fn lease(&self, request: LeaseRequest) -> Result<bool, StoreError> {
        request.validate()?;
        let (answer, receipt) = Receipt::pair();
        self.writer()?.push(Job::Lease(request, answer))?;
        receipt.wait()
    }
}

impl Store for SqliteStore {
    fn submit(&self, change: Change) -> Result<Receipt, StoreError> {
        change.validate()?;
        let (answer, receipt) = Receipt::pair();
        self.writer()?.push(Job::Change(change, answer))?;
        Ok(receipt)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.readers.with(|connection| read::blob(connection, digest))
    }

    fn head(&self, name: &HeadName) -> Result<Option<Head>, StoreError> {
        self.readers.with(|connection| read::head(connection, name))
    }

    fn heads(
        &self,
        below: Option<&HeadName>,
        after: Option<&HeadName>,
        limit: usize,
    ) -> Result<Page<Head, HeadName>, StoreError> {
        self.readers.with(|connection| read::heads(connection, below, after, limit))
    }

    fn record(&self, id: &RecordId) -> Result<Option<Record>, StoreError> {
        let record = self.readers.with(|connection| read::record(connection, id))?;
        if record.as_ref().is_some_and(|record| record.computed_hash() != record.hash) {
            return Err(StoreError::Corrupt { what: "record", name: id.to_string() });
        }
        Ok(record)
    }

    fn records(&self, chain: &ChainName, sequence: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.readers.with(|connection| read::records(connection, chain, sequence, limit))
    }

    fn chains(
        &self,
        after: Option<&ChainName>,
        limit: usize,
    ) -> Result<Page<ChainName, ChainName>, StoreError> {
        self.readers.with(|connection| read::chains(connection, after, limit))
    }

    fn chain_tip(&self, chain: &ChainName) -> Result<Option<ChainTip>, StoreError> {
        self.readers.with(|connection| read::tip(connection, chain))
    }

    fn acquire_lease(&self, name: &HeadName, holder: &str, now: u64, until: u64) -> Result<bool, StoreError> {
        self.lease(LeaseRequest { name: name.clone(), holder: holder.to_owned(), term: Some((now, until)) })
    }

    fn release_lease(&self, name: &HeadName, holder: &str) -> Result<bool, StoreError> {
        self.lease(LeaseRequest { name: name.clone(), holder: holder.to_owned(), term: None })
    }

    fn poll_changes(&self, since: ChangeMark) -> Result<Option<ChangeMark>, StoreError> {
        let mark = ChangeMark(self.readers.with(read::mark)?);
        Ok((mark != since).then_some(mark))
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        backup::copy(&self.readers, to)
    }
}
