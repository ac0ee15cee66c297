//! A change: what is written together, or not at all.

use crate::catalog::{
    BLOB_MAX, CHANGE_BYTES_MAX, CHANGE_PARTS_MAX, CHANGE_RECORDS_MAX, HOLDER_MAX, LEASE_MAX, RECORD_MAX,
    TIME_MAX,
};
use crate::id::Hasher;
use crate::{ChainName, ChangeId, Digest, HeadName, RecordId, Revision, StoreError};

/// One transaction: documents, heads that come to name them, and the records that tell of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Names the change. Sent again with the same content, it is answered with the first outcome and done once only.
    pub id: ChangeId,
    /// Documents to keep. One that is there already stays as it is.
    pub blobs: Vec<Vec<u8>>,
    /// Heads to move; each must stand where the change expects it.
    pub heads: Vec<HeadChange>,
    /// Records to append, in this order.
    pub records: Vec<NewRecord>,
}

/// A compare-and-swap of one head.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeadChange {
    /// Which head.
    pub name: HeadName,
    /// The revision it must have now; `None`: it must not exist.
    pub expected: Option<Revision>,
    /// The document it shall name; `None` removes the head.
    pub digest: Option<Digest>,
}

/// A record to append to a chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewRecord {
    /// Which chain; the first record begins it.
    pub chain: ChainName,
    /// Names the record. The same record again is answered with the first receipt, another one is refused.
    pub id: RecordId,
    /// When it happened, in unix seconds. A record sent again keeps its first time.
    pub time: u64,
    /// Canonical JSON. The store keeps these bytes and does not read them.
    pub body: Vec<u8>,
}

/// What a change did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The new revision of each head, in the order of the change; `None` where the head was removed.
    pub heads: Vec<Option<Revision>>,
    /// Where each record stands, in the order of the change.
    pub records: Vec<RecordReceipt>,
}

/// Where a record stands in its chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordReceipt {
    /// The record.
    pub id: RecordId,
    /// Its place in the chain; the first is 1.
    pub sequence: u64,
    /// Its hash, which covers all records before it.
    pub hash: Digest,
}

impl Change {
    /// An empty change.
    #[must_use]
    pub const fn new(id: ChangeId) -> Self {
        Self { id, blobs: Vec::new(), heads: Vec::new(), records: Vec::new() }
    }

    /// A change that only appends one record; the record's identifier is enough to do it once only.
    #[must_use]
    pub fn of_record(record: NewRecord) -> Self {
        let mut change = Self::new(ChangeId::from_bytes(*record.id.as_bytes()));
        change.records.push(record);
        change
    }

    /// Adds a document and returns its address.
    pub fn put_blob(&mut self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&bytes);
        self.blobs.push(bytes);
        digest
    }

    /// Adds a head to move to a document, or to remove.
    pub fn set_head(&mut self, name: HeadName, expected: Option<Revision>, digest: Option<Digest>) {
        self.heads.push(HeadChange { name, expected, digest });
    }

    /// The bytes this change keeps in memory while it waits, roughly.
    pub(crate) fn weight(&self) -> usize {
        let blobs = self.blobs.iter().map(Vec::len);
        let records = self.records.iter().map(|record| record.body.len().saturating_add(256));
        let bytes = blobs.chain(records).fold(1024_usize, usize::saturating_add);
        bytes.saturating_add(self.heads.len().saturating_mul(256))
    }

    /// What can be said about the change without looking into the store.
    pub(crate) fn validate(&self) -> Result<(), StoreError> {
        within("list of documents", self.blobs.len(), CHANGE_PARTS_MAX)?;
        within("list of heads", self.heads.len(), CHANGE_PARTS_MAX)?;
        within("list of records", self.records.len(), CHANGE_RECORDS_MAX)?;
        let mut bytes = 0_usize;
        for blob in &self.blobs {
            within("document", blob.len(), BLOB_MAX)?;
            bytes = bytes.saturating_add(blob.len());
        }
        for record in &self.records {
            within("record", record.body.len(), RECORD_MAX)?;
            valid_time(record.time)?;
            bytes = bytes.saturating_add(record.body.len());
        }
        within("change", bytes, CHANGE_BYTES_MAX)?;
        if self.heads.iter().any(|head| head.expected.is_none() && head.digest.is_none()) {
            return Err(StoreError::InvalidChange { rule: "a head that must not exist cannot be removed" });
        }
        if repeats(self.heads.iter().map(|head| &head.name)) {
            return Err(StoreError::InvalidChange { rule: "a head may be changed once only" });
        }
        if repeats(self.records.iter().map(|record| &record.id)) {
            return Err(StoreError::InvalidChange { rule: "a record may be appended once only" });
        }
        Ok(())
    }

    /// Whether the change must be remembered to be done once only. Documents and records are recognised by themselves.
    pub(crate) const fn is_remembered(&self) -> bool {
        !self.heads.is_empty()
    }

    /// Tells this change from any other, times excepted: a retry may carry a later one.
    pub(crate) fn fingerprint(&self) -> Digest {
        let mut hasher = Hasher::default();
        hasher.raw(b"assay-store change v1\0");
        hasher.field(&concatenated(self.blobs.iter().map(|blob| Digest::of(blob))));
        for head in &self.heads {
            hasher.field(b"head");
            hasher.field(head.name.as_str().as_bytes());
            hasher.field(head.expected.as_ref().map_or(&[][..], |revision| revision.as_bytes()));
            hasher.field(head.digest.as_ref().map_or(&[][..], |digest| digest.as_bytes()));
        }
        for record in &self.records {
            hasher.field(b"record");
            hasher.field(record.chain.as_str().as_bytes());
            hasher.raw(record.id.as_bytes());
            hasher.field(&record.body);
        }
        hasher.finish()
    }
}

/// A wish for a lease.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LeaseRequest {
    pub(crate) name: HeadName,
    pub(crate) holder: String,
    /// From when until when; `None` gives the lease back.
    pub(crate) term: Option<(u64, u64)>,
}

impl LeaseRequest {
    pub(crate) fn validate(&self) -> Result<(), StoreError> {
        within("name of the holder", self.holder.len(), HOLDER_MAX)?;
        let Some((now, until)) = self.term else { return Ok(()) };
        valid_time(until)?;
        match until.checked_sub(now) {
            None | Some(0) => Err(StoreError::InvalidChange { rule: "a lease must end after now" }),
            Some(length) if length > LEASE_MAX => {
                Err(StoreError::InvalidChange { rule: "a lease may last a day at most" })
            }
            Some(_) => Ok(()),
        }
    }
}

fn within(what: &'static str, actual: usize, limit: usize) -> Result<(), StoreError> {
    if actual > limit { Err(StoreError::TooLarge { what, limit, actual }) } else { Ok(()) }
}

const fn valid_time(time: u64) -> Result<(), StoreError> {
    if time > TIME_MAX {
        return Err(StoreError::InvalidChange { rule: "times end with the year 9999" });
    }
    Ok(())
}

fn repeats<T: Ord>(items: impl Iterator<Item = T>) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    items.into_iter().any(|item| !seen.insert(item))
}

fn concatenated(digests: impl Iterator<Item = Digest>) -> Vec<u8> {
    digests.flat_map(|digest| *digest.as_bytes()).collect()
}
