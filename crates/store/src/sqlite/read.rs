//! The reading half of the SQL, and the connections that readers share.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::connection;
use crate::apply::Lease;
use crate::catalog::{PAGE_BYTES, PAGE_MAX};
use crate::{
    ChainName, ChainTip, ChangeId, Digest, Head, HeadName, Page, Record, RecordId, Revision, StoreError,
};

/// Idle connections for reading; one more is opened when all are in use.
pub(super) struct Readers {
    path: PathBuf,
    timeout: Duration,
    keep: usize,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) const fn new(path: PathBuf, timeout: Duration, keep: usize) -> Self {
        Self { path, timeout, keep, idle: Mutex::new(Vec::new()) }
    }

    /// Reads with a connection of its own for the time of the call. After an error the connection is not used again.
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connection::open_reader(&self.path, self.timeout)?,
        };
        let value = read(&connection)?;
        let mut idle = self.lock();
        if idle.len() < self.keep {
            idle.push(connection);
        }
        Ok(value)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn blob(connection: &Connection, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT body FROM blobs WHERE digest = ?1")?;
    let bytes: Option<Vec<u8>> =
        statement.query_row(params![digest.as_bytes()], |row| row.get(0)).optional()?;
    match bytes {
        Some(bytes) if Digest::of(&bytes) != *digest => {
            Err(StoreError::Corrupt { what: "document", name: digest.to_string() })
        }
        bytes => Ok(bytes),
    }
}

pub(super) fn has_blob(connection: &Connection, digest: &Digest) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM blobs WHERE digest = ?1")?;
    Ok(statement.exists(params![digest.as_bytes()])?)
}

pub(super) fn head(connection: &Connection, name: &HeadName) -> Result<Option<Head>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT name, digest, revision FROM heads WHERE name = ?1")?;
    let mut rows = statement.query(params![name.as_str()])?;
    rows.next()?.map(head_of).transpose()
}

pub(super) fn heads(
    connection: &Connection,
    below: Option<&HeadName>,
    after: Option<&HeadName>,
    limit: usize,
) -> Result<Page<Head, HeadName>, StoreError> {
    // `0` is the character that follows `/`, DEL one behind all that names may have.
    let (from, to) = below.map_or_else(
        || (String::new(), "\u{7f}".to_owned()),
        |folder| (format!("{folder}/"), format!("{folder}0")),
    );
    let sql = "SELECT name, digest, revision FROM heads WHERE name > ?1 AND name >= ?2 AND name < ?3 ORDER BY name LIMIT ?4";
    let mut statement = connection.prepare_cached(sql)?;
    let (limit, fetch) = page_limits(limit);
    let mut rows = statement.query(params![after.map_or("", HeadName::as_str), from, to, fetch])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(head_of(row)?);
    }
    Ok(page(items, limit, |head| head.name.clone()))
}

pub(super) fn record(connection: &Connection, id: &RecordId) -> Result<Option<Record>, StoreError> {
    let sql = "SELECT chain, sequence, id, time, prev, hash, body FROM records WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![id.as_bytes()])?;
    rows.next()?.map(record_of).transpose()
}

pub(super) fn records(
    connection: &Connection,
    chain: &ChainName,
    sequence: u64,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let sql = "SELECT chain, sequence, id, time, prev, hash, body FROM records
               WHERE chain = ?1 AND sequence >= ?2 ORDER BY sequence";
    let mut statement = connection.prepare_cached(sql)?;
    let Ok(sequence) = to_sql(sequence) else { return Ok(Vec::new()) };
    let (limit, _) = page_limits(limit);
    let mut rows = statement.query(params![chain.as_str(), sequence])?;
    let (mut records, mut bytes) = (Vec::new(), 0_usize);
    while records.len() < limit && bytes < PAGE_BYTES {
        let Some(row) = rows.next()? else { break };
        let record = record_of(row)?;
        bytes = bytes.saturating_add(record.body.len());
        records.push(record);
    }
    Ok(records)
}

pub(super) fn chains(
    connection: &Connection,
    after: Option<&ChainName>,
    limit: usize,
) -> Result<Page<ChainName, ChainName>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT name FROM chains WHERE name > ?1 ORDER BY name LIMIT ?2")?;
    let (limit, fetch) = page_limits(limit);
    let mut rows = statement.query(params![after.map_or("", ChainName::as_str), fetch])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(chain_name(&row.get::<_, String>(0)?)?);
    }
    Ok(page(items, limit, ChainName::clone))
}

pub(super) fn tip(connection: &Connection, chain: &ChainName) -> Result<Option<ChainTip>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT sequence, hash FROM chains WHERE name = ?1")?;
    let tip =
        statement.query_row(params![chain.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    tip.map(|(sequence, hash)| Ok(ChainTip { sequence: from_sql(sequence)?, hash: Digest::from_bytes(hash) }))
        .transpose()
}

pub(super) fn mark(connection: &Connection) -> Result<u64, StoreError> {
    from_sql(connection.prepare_cached("SELECT value FROM mark")?.query_row([], |row| row.get(0))?)
}

pub(super) fn change(connection: &Connection, id: &ChangeId) -> Result<Option<Digest>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT fingerprint FROM changes WHERE id = ?1")?;
    Ok(statement.query_row(params![id.as_bytes()], |row| row.get(0)).optional()?.map(Digest::from_bytes))
}

pub(super) fn lease(connection: &Connection, name: &HeadName) -> Result<Option<Lease>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT holder, until FROM leases WHERE name = ?1")?;
    let lease =
        statement.query_row(params![name.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    lease.map(|(holder, until)| Ok(Lease { holder, until: from_sql(until)? })).transpose()
}

/// SQLite's integers are signed; nothing that is counted here gets near their end.
pub(super) fn to_sql(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::InvalidChange { rule: "numbers end with 63 bits" })
}

pub(super) fn chain_name(text: &str) -> Result<ChainName, StoreError> {
    ChainName::new(text).map_err(|_| StoreError::DatabaseCorrupt { cause: format!("chain name `{text}`") })
}

fn from_sql(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number)
        .map_err(|_| StoreError::DatabaseCorrupt { cause: format!("negative number {number}") })
}

fn head_of(row: &Row<'_>) -> Result<Head, StoreError> {
    let text: String = row.get(0)?;
    let name = HeadName::new(&text)
        .map_err(|_| StoreError::DatabaseCorrupt { cause: format!("head name `{text}`") })?;
    let (Ok(digest), Ok(revision)) = (row.get(1), row.get(2)) else {
        return Err(StoreError::Corrupt { what: "head", name: text });
    };
    Ok(Head { name, digest: Digest::from_bytes(digest), revision: Revision::from_bytes(revision) })
}

fn record_of(row: &Row<'_>) -> Result<Record, StoreError> {
    let (chain, sequence): (String, i64) = (row.get(0)?, row.get(1)?);
    let read = || -> Result<Record, StoreError> {
        Ok(Record {
            chain: chain_name(&chain)?,
            sequence: from_sql(sequence)?,
            id: RecordId::from_bytes(row.get(2)?),
            time: from_sql(row.get(3)?)?,
            prev: Digest::from_bytes(row.get(4)?),
            hash: Digest::from_bytes(row.get(5)?),
            body: row.get(6)?,
        })
    };
    read().map_err(|_| StoreError::Corrupt { what: "record", name: format!("{chain} {sequence}") })
}

/// The size of a page, and how many rows show whether another one follows.
fn page_limits(limit: usize) -> (usize, i64) {
    let limit = limit.clamp(1, PAGE_MAX);
    (limit, i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX))
}

fn page<T, C>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> C) -> Page<T, C> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(cursor) } else { None };
    Page { items, next }
}
