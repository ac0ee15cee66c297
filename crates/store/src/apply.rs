//! What a change does, written once for every kind of store.

use crate::change::LeaseRequest;
use crate::{
    ChainName, ChainTip, Change, ChangeId, Digest, Head, HeadChange, HeadName, NewRecord, Outcome, Record,
    RecordId, RecordReceipt, Revision, StoreError,
};

/// What a kind of store must be able to do inside one transaction.
pub(crate) trait Transaction {
    fn change(&mut self, id: &ChangeId) -> Result<Option<Digest>, StoreError>;
    fn remember_change(&mut self, id: &ChangeId, fingerprint: &Digest) -> Result<(), StoreError>;
    fn has_blob(&mut self, digest: &Digest) -> Result<bool, StoreError>;
    fn put_blob(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError>;
    fn head(&mut self, name: &HeadName) -> Result<Option<Head>, StoreError>;
    fn put_head(&mut self, head: &Head) -> Result<(), StoreError>;
    fn remove_head(&mut self, name: &HeadName) -> Result<(), StoreError>;
    fn record(&mut self, id: &RecordId) -> Result<Option<Record>, StoreError>;
    fn tip(&mut self, chain: &ChainName) -> Result<Option<ChainTip>, StoreError>;
    /// Appends a record and moves the tip of its chain to it.
    fn append(&mut self, record: &Record) -> Result<(), StoreError>;
    /// Moves the mark that tells other nodes of changed heads.
    fn move_mark(&mut self) -> Result<(), StoreError>;
    fn lease(&mut self, name: &HeadName) -> Result<Option<Lease>, StoreError>;
    fn put_lease(&mut self, name: &HeadName, lease: &Lease) -> Result<(), StoreError>;
    fn remove_lease(&mut self, name: &HeadName) -> Result<(), StoreError>;
}

/// Who holds a lease, and until when (unix seconds).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Lease {
    pub(crate) holder: String,
    pub(crate) until: u64,
}

/// Does a change, or finds that it was done before. All checks come before the first write, so that a store without
/// roll-back can use this too.
pub(crate) fn change<T: Transaction>(transaction: &mut T, change: &Change) -> Result<Outcome, StoreError> {
    if change.is_remembered()
        && let Some(fingerprint) = transaction.change(&change.id)?
    {
        return repeat(transaction, change, &fingerprint);
    }
    let blobs: Vec<Digest> = change.blobs.iter().map(|blob| Digest::of(blob)).collect();
    for head in &change.heads {
        check_head(transaction, head, &blobs)?;
    }
    let known = known_records(transaction, change)?;

    for (digest, bytes) in blobs.iter().zip(&change.blobs) {
        transaction.put_blob(digest, bytes)?;
    }
    let heads = change
        .heads
        .iter()
        .map(|head| write_head(transaction, &change.id, head))
        .collect::<Result<_, _>>()?;
    let mut records = Vec::with_capacity(change.records.len());
    for (record, known) in change.records.iter().zip(known) {
        records.push(if let Some(receipt) = known { receipt } else { append(transaction, record)? });
    }
    if change.is_remembered() {
        transaction.remember_change(&change.id, &change.fingerprint())?;
        transaction.move_mark()?;
    }
    Ok(Outcome { heads, records })
}

/// Grants a lease that is free, over, or already the holder's; or gives it back. Says whether it did.
pub(crate) fn lease<T: Transaction>(transaction: &mut T, request: &LeaseRequest) -> Result<bool, StoreError> {
    let current = transaction.lease(&request.name)?;
    let is_own = current.as_ref().is_some_and(|lease| lease.holder == request.holder);
    let Some((now, until)) = request.term else {
        if is_own {
            transaction.remove_lease(&request.name)?;
        }
        return Ok(is_own);
    };
    let is_free = current.is_none_or(|lease| lease.until <= now);
    if is_own || is_free {
        transaction.put_lease(&request.name, &Lease { holder: request.holder.clone(), until })?;
        return Ok(true);
    }
    Ok(false)
}

/// Answers a change that was done before as it was answered then.
fn repeat<T: Transaction>(
    transaction: &mut T,
    change: &Change,
    fingerprint: &Digest,
) -> Result<Outcome, StoreError> {
    if *fingerprint != change.fingerprint() {
        return Err(StoreError::ChangeConflict { change: change.id });
    }
    let heads = change.heads.iter().map(|head| new_revision(&change.id, head)).collect();
    let mut records = Vec::with_capacity(change.records.len());
    for new in &change.records {
        let record = transaction.record(&new.id)?;
        let missing = || StoreError::Corrupt { what: "record", name: new.id.to_string() };
        records.push(record.ok_or_else(missing)?.receipt());
    }
    Ok(Outcome { heads, records })
}

fn check_head<T: Transaction>(
    transaction: &mut T,
    head: &HeadChange,
    blobs: &[Digest],
) -> Result<(), StoreError> {
    let actual = transaction.head(&head.name)?.map(|head| head.revision);
    if actual != head.expected {
        return Err(StoreError::Conflict { head: head.name.clone(), actual });
    }
    if let Some(digest) = head.digest
        && !blobs.contains(&digest)
        && !transaction.has_blob(&digest)?
    {
        return Err(StoreError::NotFound { what: "document", name: digest.to_string() });
    }
    Ok(())
}

/// The receipts of records that were appended before. An act that moves heads needs records of its own.
fn known_records<T: Transaction>(
    transaction: &mut T,
    change: &Change,
) -> Result<Vec<Option<RecordReceipt>>, StoreError> {
    let mut known = Vec::with_capacity(change.records.len());
    for new in &change.records {
        let record = transaction.record(&new.id)?;
        let is_same = |record: &Record| record.chain == new.chain && record.body == new.body;
        if record.as_ref().is_some_and(|record| change.is_remembered() || !is_same(record)) {
            return Err(StoreError::RecordConflict { record: new.id });
        }
        known.push(record.map(|record| record.receipt()));
    }
    Ok(known)
}

fn write_head<T: Transaction>(
    transaction: &mut T,
    change: &ChangeId,
    head: &HeadChange,
) -> Result<Option<Revision>, StoreError> {
    let revision = new_revision(change, head);
    match (head.digest, revision) {
        (Some(digest), Some(revision)) => {
            transaction.put_head(&Head { name: head.name.clone(), digest, revision })?;
        }
        _ => transaction.remove_head(&head.name)?,
    }
    Ok(revision)
}

fn new_revision(change: &ChangeId, head: &HeadChange) -> Option<Revision> {
    head.digest.map(|_| Revision::of(change, &head.name))
}

fn append<T: Transaction>(transaction: &mut T, new: &NewRecord) -> Result<RecordReceipt, StoreError> {
    let record = Record::behind(transaction.tip(&new.chain)?, new)?;
    transaction.append(&record)?;
    Ok(record.receipt())
}
