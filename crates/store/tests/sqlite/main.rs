//! SQLite does what every store does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::string_slice,
    unreachable_pub,
    reason = "tests"
)]

#[path = "../conformance/mod.rs"]
mod conformance;
mod crash;
mod files;
mod writer;

use assay_store::{ChainName, Digest, SqliteOptions, SqliteStore, Store};
use conformance::{Backend, Tampering, conformance};
use rusqlite::{Connection, params};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn store(&self, options: &SqliteOptions) -> SqliteStore {
        SqliteStore::open(self.0.path(), options).unwrap()
    }

    /// A connection of another program: the tests' intruder, or one that keeps the database locked.
    fn foreign(&self) -> Connection {
        Connection::open(SqliteStore::file_in(self.0.path())).unwrap()
    }

    fn fresh() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn intrude(&self) -> Connection {
        let connection = self.foreign();
        connection
            .execute_batch(
                "DROP TRIGGER IF EXISTS blobs_stay; DROP TRIGGER IF EXISTS records_stay;
                 DROP TRIGGER IF EXISTS records_remain",
            )
            .unwrap();
        connection
    }
}

impl Backend for Folder {
    fn open(&self) -> Box<dyn Store> {
        Box::new(self.store(&SqliteOptions::default()))
    }

    fn damage_blob(&self, digest: &Digest) {
        let sql = "UPDATE blobs SET body = CAST(body || ' ' AS BLOB) WHERE digest = ?1";
        assert_eq!(self.intrude().execute(sql, params![digest.as_bytes()]).unwrap(), 1);
    }

    fn tamper(&self, chain: &ChainName, tampering: Tampering) {
        let connection = self.intrude();
        let run = |sql: &str, sequence: u64| {
            let sequence = i64::try_from(sequence).unwrap();
            assert_eq!(connection.execute(sql, params![chain.as_str(), sequence]).unwrap(), 1);
        };
        let place = |from, to: u64| {
            run(&format!("UPDATE records SET sequence = {to} WHERE chain = ?1 AND sequence = ?2"), from)
        };
        match tampering {
            Tampering::AlterBody(n) => {
                run(
                    "UPDATE records SET body = CAST(body || ' ' AS BLOB) WHERE chain = ?1 AND sequence = ?2",
                    n,
                );
            }
            Tampering::AlterTime(n) => {
                run("UPDATE records SET time = time + 1 WHERE chain = ?1 AND sequence = ?2", n)
            }
            Tampering::Remove(n) => run("DELETE FROM records WHERE chain = ?1 AND sequence = ?2", n),
            Tampering::Swap(a, b) => {
                place(a, 1_000_000);
                place(b, a);
                place(1_000_000, b);
            }
            Tampering::Relink(n) => {
                let mut record = self.open().records(chain, n, 1).unwrap().remove(0);
                record.prev = Digest::of(b"elsewhere");
                let sql = "UPDATE records SET prev = ?1, hash = ?2 WHERE id = ?3";
                let hash = record.computed_hash();
                let values = params![record.prev.as_bytes(), hash.as_bytes(), record.id.as_bytes()];
                assert_eq!(connection.execute(sql, values).unwrap(), 1);
            }
        }
    }
}

conformance!(Folder::fresh());
