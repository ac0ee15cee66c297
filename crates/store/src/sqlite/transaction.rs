//! The writing half of the SQL.

use rusqlite::{Connection, params};

use super::read::{self, to_sql};
use crate::apply::{Lease, Transaction};
use crate::{ChainName, ChainTip, ChangeId, Digest, Head, HeadName, Record, RecordId, StoreError};

/// The open transaction of the writing connection.
pub(super) struct SqliteTransaction<'a>(pub(super) &'a Connection);

impl SqliteTransaction<'_> {
    fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Result<(), StoreError> {
        self.0.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }
}

impl Transaction for SqliteTransaction<'_> {
    fn change(&mut self, id: &ChangeId) -> Result<Option<Digest>, StoreError> {
        read::change(self.0, id)
    }

    fn remember_change(&mut self, id: &ChangeId, fingerprint: &Digest) -> Result<(), StoreError> {
        let sql = "INSERT INTO changes (id, fingerprint) VALUES (?1, ?2)";
        self.execute(sql, params![id.as_bytes(), fingerprint.as_bytes()])
    }

    fn has_blob(&mut self, digest: &Digest) -> Result<bool, StoreError> {
        read::has_blob(self.0, digest)
    }

    fn put_blob(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO blobs (digest, body) VALUES (?1, ?2) ON CONFLICT (digest) DO NOTHING";
        self.execute(sql, params![digest.as_bytes(), bytes])
    }

    fn head(&mut self, name: &HeadName) -> Result<Option<Head>, StoreError> {
        read::head(self.0, name)
    }

    fn put_head(&mut self, head: &Head) -> Result<(), StoreError> {
        let sql = "INSERT INTO heads (name, digest, revision) VALUES (?1, ?2, ?3)
                   ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, revision = excluded.revision";
        self.execute(sql, params![head.name.as_str(), head.digest.as_bytes(), head.revision.as_bytes()])
    }

    fn remove_head(&mut self, name: &HeadName) -> Result<(), StoreError> {
        self.execute("DELETE FROM heads WHERE name = ?1", params![name.as_str()])
    }

    fn record(&mut self, id: &RecordId) -> Result<Option<Record>, StoreError> {
        read::record(self.0, id)
    }

    fn tip(&mut self, chain: &ChainName) -> Result<Option<ChainTip>, StoreError> {
        read::tip(self.0, chain)
    }

    fn append(&mut self, record: &Record) -> Result<(), StoreError> {
        let sequence = to_sql(record.sequence)?;
        let sql = "INSERT INTO records (chain, sequence, id, time, prev, hash, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        self.execute(
            sql,
            params![
                record.chain.as_str(),
                sequence,
                record.id.as_bytes(),
                to_sql(record.time)?,
                record.prev.as_bytes(),
                record.hash.as_bytes(),
                record.body,
            ],
        )?;
        let sql = "INSERT INTO chains (name, sequence, hash) VALUES (?1, ?2, ?3)
                   ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash";
        self.execute(sql, params![record.chain.as_str(), sequence, record.hash.as_bytes()])
    }

    fn move_mark(&mut self) -> Result<(), StoreError> {
        self.execute("UPDATE mark SET value = value + 1", [])
    }

    fn lease(&mut self, name: &HeadName) -> Result<Option<Lease>, StoreError> {
        read::lease(self.0, name)
    }

    fn put_lease(&mut self, name: &HeadName, lease: &Lease) -> Result<(), StoreError> {
        let sql = "INSERT INTO leases (name, holder, until) VALUES (?1, ?2, ?3)
                   ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until";
        self.execute(sql, params![name.as_str(), lease.holder, to_sql(lease.until)?])
    }

    fn remove_lease(&mut self, name: &HeadName) -> Result<(), StoreError> {
        self.execute("DELETE FROM leases WHERE name = ?1", params![name.as_str()])
    }
}
