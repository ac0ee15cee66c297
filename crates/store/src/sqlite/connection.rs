//! Opening the database, the same way for every connection, and who may read its files.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::migrations;
use crate::StoreError;

/// The database inside a store's folder; `-wal` and `-shm` files stand beside it while it is in use.
pub(super) const FILE: &str = "assay.db";

/// Statements kept prepared per connection; there are fewer than that.
const STATEMENTS: usize = 32;

/// Opens for writing, makes the folder and the file where there are none, and brings the database up to date.
pub(super) fn open_writer(
    directory: &Path,
    timeout: Duration,
    max_pages: Option<u32>,
) -> Result<(Connection, PathBuf), StoreError> {
    prepare_directory(directory)?;
    let path = directory.join(FILE);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&path, flags)?;
    // Before the first statement: SQLite gives the files beside it the mode of the database.
    restrict(&path, 0o600)?;
    configure(&connection, timeout)?;
    migrations::refuse_foreign(&connection, &path)?;
    enter_wal_mode(&connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A page of an index changes with every record: the longer the log, the fewer times it is copied (16 MiB).
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    // The file that commits go to shrinks again after a burst.
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    migrations::run(&mut connection, migrations::KNOWN, &path)?;
    if let Some(pages) = max_pages {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    sync_directory(directory)?;
    Ok((connection, path))
}

/// Opens a database, or a backup of one, for reading only. It must be of the version that this release knows.
pub(super) fn open_reader(path: &Path, timeout: Duration) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection, timeout)?;
    Ok(connection)
}

fn configure(connection: &Connection, timeout: Duration) -> Result<(), StoreError> {
    connection.busy_timeout(timeout)?;
    // A backup may come from anywhere: its schema must not run functions or write to itself (SQLite, "Defense Against The
    // Dark Arts", 1).
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Write-ahead logging lets readers and one writer of several processes work at once. The switch needs the file alone and does
/// not always wait for it, hence the few attempts.
fn enter_wal_mode(connection: &Connection) -> Result<(), StoreError> {
    for _ in 0..50 {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => return Err(StoreError::Io { cause: format!("journal mode is `{mode}`, not `wal`") }),
            Err(error) => match StoreError::from(error) {
                StoreError::Busy => std::thread::sleep(Duration::from_millis(20)),
                other => return Err(other),
            },
        }
    }
    Err(StoreError::Busy)
}

/// The folder is the store's alone. A folder full of other things that others may enter is refused, not closed to them.
fn prepare_directory(directory: &Path) -> Result<(), StoreError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let is_open = fs::metadata(directory)?.permissions().mode() & 0o077 != 0;
    // In this order: another process may be making the database right now.
    if is_open && fs::read_dir(directory)?.next().is_some() && !directory.join(FILE).exists() {
        return Err(StoreError::NotAStore { path: directory.display().to_string() });
    }
    restrict(directory, 0o700)
}

/// By name: opening and closing the file would drop the locks that SQLite holds on it in this process (SQLite, "How To Corrupt
/// An SQLite Database File", 2.2).
fn restrict(path: &Path, mode: u32) -> Result<(), StoreError> {
    let permissions = fs::metadata(path)?.permissions();
    if permissions.mode() & 0o7777 != mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Makes the names of new files in a folder durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    Ok(fs::File::open(directory)?.sync_all()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// What makes an acknowledgement mean "on the disk": nothing that a test can see from outside short of pulling the plug.
    #[test]
    fn commits_are_synced() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, _) = open_writer(folder.path(), Duration::from_secs(1), None).unwrap();
        let number =
            |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!((mode.as_str(), number("synchronous"), number("foreign_keys")), ("wal", 2, 1));
    }
}
