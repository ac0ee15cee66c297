//! The durable state of the service behind one small trait: [`Store`].
//!
//! - **Blobs** are immutable documents, addressed by their SHA-256 digest and checked against it whenever they are read.
//! - **Heads** are names that point at a blob, such as `policy/contoso/tpm`. They move by compare-and-swap only.
//! - **Records** are appended to hash-chained logs: see [`Record::computed_hash`].
//! - A **change** writes some of each in one transaction, and is done once however often it is sent.
//! - A **lease** lets one of many nodes do background work on a head.
//!
//! No identifier is a counter that two regions would have to agree on: changes and records are named by random bits of the caller.
//! The clock and randomness are the caller's, too. [`SqliteStore`] keeps all of it in one file; [`MemoryStore`] is for tests.
//!
//! The attest path never waits for a write: [`Store::submit`] returns at once with a [`Receipt`], which is a future.

pub mod catalog;
pub mod memory;

mod apply;
mod chain;
mod change;
mod error;
mod id;
mod receipt;
mod sqlite;

use std::path::Path;

pub use catalog::{ChainName, HeadName};
pub use chain::{ChainCheck, ChainTip, Record, VerifiedChain};
pub use change::{Change, HeadChange, NewRecord, Outcome, RecordReceipt};
pub use error::{ChainFault, StoreError};
pub use id::{ChangeId, Digest, RecordId, Revision};
pub use memory::MemoryStore;
pub use receipt::{Acknowledgement, Receipt};
pub use sqlite::{CheckReport, SqliteOptions, SqliteStore};

/// A mutable name and what it points at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// The name.
    pub name: HeadName,
    /// The document it names.
    pub digest: Digest,
    /// What the next change must expect.
    pub revision: Revision,
}

/// Part of a listing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page<T, C> {
    /// The entries, in the order of their names.
    pub items: Vec<T>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<C>,
}

/// The state of all heads together, to be compared with an earlier one only. The default is that of a new store.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct ChangeMark(u64);

/// Durable state: few verbs, the same for one node with a file and for many nodes with a database server.
///
/// Calls block; from async code use them where blocking is allowed, or await the [`Receipt`] of [`Store::submit`]. Every method
/// can answer `store-io`, `store-busy` and `store-corrupt` besides the errors it names.
pub trait Store: Send + Sync {
    /// Hands in a change and returns at once. The receipt answers when the change is durable, or refused as a whole.
    ///
    /// # Errors
    /// At once: `invalid-change`, `too-large`, `store-read-only`, and `store-busy` when too much is waiting. By the receipt:
    /// `head-conflict`, `change-conflict`, `record-conflict`, `not-found` for a head that would name no document, `store-full`.
    /// Only success is remembered: a refused change that is sent again is decided anew.
    fn submit(&self, change: Change) -> Result<Receipt, StoreError>;

    /// A document, if it is there.
    ///
    /// # Errors
    /// `store-corrupt` when the bytes do not match the digest.
    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError>;

    /// A head, if it exists.
    ///
    /// # Errors
    /// Only those of every method.
    fn head(&self, name: &HeadName) -> Result<Option<Head>, StoreError>;

    /// Heads below a name (all of them with `None`), by whole segments, in the order of their names, starting behind `after`.
    /// `limit` is brought into `1..=`[`catalog::PAGE_MAX`].
    ///
    /// Pages are read one by one: who needs them to belong together compares [`Store::poll_changes`] before and after.
    ///
    /// # Errors
    /// Only those of every method.
    fn heads(
        &self,
        below: Option<&HeadName>,
        after: Option<&HeadName>,
        limit: usize,
    ) -> Result<Page<Head, HeadName>, StoreError>;

    /// A record, if it is there; its content was checked against its hash.
    ///
    /// # Errors
    /// `store-corrupt` when it was altered.
    fn record(&self, id: &RecordId) -> Result<Option<Record>, StoreError>;

    /// Records of a chain from `sequence` on, as they are stored: [`ChainCheck`] says whether they hold together.
    /// `limit` is brought into `1..=`[`catalog::PAGE_MAX`], and large records make a page end earlier; an empty page is the end.
    ///
    /// # Errors
    /// Only those of every method.
    fn records(&self, chain: &ChainName, sequence: u64, limit: usize) -> Result<Vec<Record>, StoreError>;

    /// The names of all chains, starting behind `after`; `limit` as for [`Store::heads`].
    ///
    /// # Errors
    /// Only those of every method.
    fn chains(
        &self,
        after: Option<&ChainName>,
        limit: usize,
    ) -> Result<Page<ChainName, ChainName>, StoreError>;

    /// The last record of a chain, if it has one.
    ///
    /// # Errors
    /// Only those of every method.
    fn chain_tip(&self, chain: &ChainName) -> Result<Option<ChainTip>, StoreError>;

    /// Lets `holder` alone work on `name` until a time (unix seconds): true when it has the lease now. The same holder may
    /// extend it. A lease keeps work from being done twice; what keeps it *correct* is the compare-and-swap at its end,
    /// since a slow node may outlive its lease.
    ///
    /// # Errors
    /// `invalid-change` when the term does not lie ahead or is longer than [`catalog::LEASE_MAX`], `too-large`, `store-read-only`.
    fn acquire_lease(&self, name: &HeadName, holder: &str, now: u64, until: u64) -> Result<bool, StoreError>;

    /// Gives a lease back: true when `holder` had it.
    ///
    /// # Errors
    /// `too-large`, `store-read-only`.
    fn release_lease(&self, name: &HeadName, holder: &str) -> Result<bool, StoreError>;

    /// The new mark if any head was changed since the one given, by whichever process; cheap enough for several times a second.
    /// Read the mark first and the heads after it: then no change is missed.
    ///
    /// # Errors
    /// Only those of every method.
    fn poll_changes(&self, since: ChangeMark) -> Result<Option<ChangeMark>, StoreError>;

    /// Writes a consistent copy to a new file while the store is in use. It is complete and durable when this returns.
    ///
    /// # Errors
    /// `file-exists`, `store-full`; `store-unsupported` where the database has tools of its own for this.
    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let _ = to;
        Err(StoreError::Unsupported { verb: "backup to a file" })
    }

    /// Hands in a change and waits until it is durable.
    ///
    /// # Errors
    /// Those of [`Store::submit`] and its receipt.
    fn commit(&self, change: Change) -> Result<Outcome, StoreError> {
        self.submit(change)?.wait()
    }

    /// Appends one record and waits until it is durable.
    ///
    /// # Errors
    /// Those of [`Store::submit`] and its receipt.
    fn append_wait(&self, record: NewRecord) -> Result<RecordReceipt, StoreError> {
        let outcome = self.commit(Change::of_record(record))?;
        let missing =
            || StoreError::Io { cause: "a change with one record had no receipt for it".to_owned() };
        outcome.records.into_iter().next().ok_or_else(missing)
    }

    /// Keeps a document and waits until it is durable.
    ///
    /// # Errors
    /// Those of [`Store::submit`] and its receipt.
    fn put_blob(&self, bytes: Vec<u8>) -> Result<Digest, StoreError> {
        // Never remembered: a document alone is recognised by its digest.
        let mut change = Change::new(ChangeId::from_bytes([0; 16]));
        let digest = change.put_blob(bytes);
        self.commit(change)?;
        Ok(digest)
    }

    /// Checks every record of a chain up to its tip. With `noted`, a tip that the caller kept elsewhere, that record must
    /// still be there and the check starts behind it: so a store that was rolled back is found out.
    ///
    /// # Errors
    /// `chain-broken` with the first record that is wrong or missing.
    fn verify_chain(&self, chain: &ChainName, noted: Option<ChainTip>) -> Result<VerifiedChain, StoreError> {
        chain::verify(self, chain, noted)
    }
}
