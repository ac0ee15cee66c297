//! Brings a database to the version of this release, or refuses it.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};

use crate::{Digest, StoreError};

/// "ASSY": tells our databases from those of others (SQLite, "Database File Format", 1.3.18).
const APPLICATION_ID: i32 = 0x4153_5359;

/// One step. Its version is its place in the list, counted from 1.
pub(super) struct Migration {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

/// All steps, oldest first.
pub(super) const KNOWN: &[Migration] =
    &[Migration { name: "0001_initial", sql: include_str!("../../migrations/sqlite/0001_initial.sql") }];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (
    version INTEGER NOT NULL PRIMARY KEY CHECK (version > 0),
    name    TEXT    NOT NULL,
    hash    BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT";

/// Applies the steps that are missing, all in one transaction.
pub(super) fn run(connection: &mut Connection, known: &[Migration], path: &Path) -> Result<(), StoreError> {
    refuse_foreign(connection, path)?;
    if applied(connection, known)? == known.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    refuse_foreign(&transaction, path)?;
    let done = applied(&transaction, known)?;
    transaction.execute_batch(TABLE)?;
    for (version, migration) in (1_u32..).zip(known).skip(done) {
        transaction.execute_batch(migration.sql)?;
        let hash = Digest::of(migration.sql.as_bytes());
        transaction.execute(
            "INSERT INTO migrations (version, name, hash) VALUES (?1, ?2, ?3)",
            params![version, migration.name, hash.as_bytes()],
        )?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(transaction.commit()?)
}

/// Accepts a database only as it is after the last step; for those who may not change it.
pub(super) fn require_current(
    connection: &Connection,
    known: &[Migration],
    path: &Path,
) -> Result<(), StoreError> {
    refuse_foreign(connection, path)?;
    let done = applied(connection, known)?;
    if done < known.len() {
        return Err(StoreError::OlderDatabase { found: version(done), known: version(known.len()) });
    }
    Ok(())
}

/// A file that has tables, but not ours, is left alone.
pub(super) fn refuse_foreign(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let not_ours = || StoreError::NotAStore { path: path.display().to_string() };
    let is_empty = "SELECT count(*) = 0 FROM sqlite_schema";
    let is_empty: bool = match connection.query_row(is_empty, [], |row| row.get(0)) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => return Err(not_ours()),
        other => other?,
    };
    let id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if id == APPLICATION_ID || (is_empty && id == 0) {
        return Ok(());
    }
    Err(not_ours())
}

/// How many steps were applied, after comparing each with ours.
fn applied(connection: &Connection, known: &[Migration]) -> Result<usize, StoreError> {
    let exists = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'";
    if connection.query_row(exists, [], |_| Ok(())).optional()?.is_none() {
        return Ok(0);
    }
    let mut statement = connection.prepare("SELECT version, hash FROM migrations ORDER BY version")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, [u8; 32]>(1)?)))?;
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    if let Some((found, _)) = rows.last()
        && *found > version(known.len())
    {
        return Err(StoreError::NewerDatabase { found: *found, known: version(known.len()) });
    }
    for ((expected, migration), (found, hash)) in (1_u32..).zip(known).zip(&rows) {
        if *found != expected || Digest::of(migration.sql.as_bytes()).as_bytes() != hash {
            return Err(StoreError::MigrationChanged { version: expected });
        }
    }
    Ok(rows.len())
}

fn version(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const ONE: Migration =
        Migration { name: "0001_one", sql: "CREATE TABLE one (a TEXT); INSERT INTO one VALUES ('kept')" };
    const TWO: Migration =
        Migration { name: "0002_two", sql: "ALTER TABLE one ADD COLUMN b TEXT DEFAULT 'new'" };
    const FAILING: Migration =
        Migration { name: "0003_three", sql: "CREATE TABLE three (a TEXT); SELECT nonsense" };

    fn migrate(connection: &mut Connection, known: &[Migration]) -> Result<(), StoreError> {
        run(connection, known, Path::new("x.db"))
    }

    #[test]
    fn an_old_database_is_upgraded_once() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &[ONE]).unwrap();
        let older = StoreError::OlderDatabase { found: 1, known: 2 };
        assert_eq!(require_current(&connection, &[ONE, TWO], Path::new("x.db")), Err(older));
        migrate(&mut connection, &[ONE, TWO]).unwrap();
        migrate(&mut connection, &[ONE, TWO]).unwrap();
        require_current(&connection, &[ONE, TWO], Path::new("x.db")).unwrap();
        let row: (String, String) =
            connection.query_row("SELECT a, b FROM one", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(row, ("kept".to_owned(), "new".to_owned()));
    }

    #[test]
    fn newer_and_changed_databases_are_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &[ONE, TWO]).unwrap();
        assert_eq!(migrate(&mut connection, &[ONE]), Err(StoreError::NewerDatabase { found: 2, known: 1 }));
        let changed = Migration { name: ONE.name, sql: "CREATE TABLE one (a TEXT)" };
        let expected = Err(StoreError::MigrationChanged { version: 1 });
        assert_eq!(migrate(&mut connection, &[changed, TWO]), expected);
        connection.execute("DELETE FROM migrations WHERE version = 1", []).unwrap();
        assert_eq!(migrate(&mut connection, &[ONE, TWO]), expected);
    }

    #[test]
    fn a_failing_step_leaves_nothing_behind() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &[ONE]).unwrap();
        let error = migrate(&mut connection, &[ONE, TWO, FAILING]).unwrap_err();
        assert_eq!(error.code(), "store-io");
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 2);
        require_current(&connection, &[ONE], Path::new("x.db")).unwrap();
    }

    #[test]
    fn the_database_of_another_program_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (a TEXT)").unwrap();
        assert_eq!(migrate(&mut connection, &[ONE]), Err(StoreError::NotAStore { path: "x.db".to_owned() }));
    }
}
