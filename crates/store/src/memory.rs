//! A store without a disk, for the tests of other crates. It also plays the ways in which a real one fails.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::apply::{self, Lease, Transaction};
use crate::catalog::{PAGE_BYTES, PAGE_MAX};
use crate::change::LeaseRequest;
use crate::{
    ChainName, ChainTip, Change, ChangeId, ChangeMark, Digest, Head, HeadName, Page, Receipt, Record,
    RecordId, Store, StoreError,
};

/// Keeps everything in memory. Clones share one state, as processes share a file.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    blobs: BTreeMap<Digest, Vec<u8>>,
    heads: BTreeMap<HeadName, Head>,
    records: BTreeMap<ChainName, BTreeMap<u64, Record>>,
    tips: BTreeMap<ChainName, ChainTip>,
    /// Where each record stands.
    places: BTreeMap<RecordId, (ChainName, u64)>,
    changes: BTreeMap<ChangeId, Digest>,
    leases: BTreeMap<HeadName, Lease>,
    mark: u64,
    refusal: Option<StoreError>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Plays a store in trouble: every write is refused with this error until `None` is set.
    pub fn refuse_writes(&self, refusal: Option<StoreError>) {
        self.lock().refusal = refusal;
    }

    /// Plays a damaged disk: replaces the bytes of a document behind the store's back.
    pub fn damage_blob(&self, digest: &Digest, bytes: Vec<u8>) {
        self.lock().blobs.insert(*digest, bytes);
    }

    /// Plays an intruder: rewrites the records of a chain, by sequence, behind the store's back.
    pub fn tamper(&self, chain: &ChainName, edit: impl FnOnce(&mut BTreeMap<u64, Record>)) {
        edit(self.lock().records.entry(chain.clone()).or_default());
    }

    /// A panic in a test's closure leaves nothing half-done that matters to a fake.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease(&self, request: &LeaseRequest) -> Result<bool, StoreError> {
        request.validate()?;
        let mut state = self.lock();
        state.refusal.clone().map_or_else(|| apply::lease(&mut *state, request), Err)
    }
}

impl Store for MemoryStore {
    fn submit(&self, change: Change) -> Result<Receipt, StoreError> {
        change.validate()?;
        let mut state = self.lock();
        let answer = state.refusal.clone().map_or_else(|| apply::change(&mut *state, &change), Err);
        let (acknowledgement, receipt) = Receipt::pair();
        acknowledgement.send(answer);
        Ok(receipt)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(bytes) = self.lock().blobs.get(digest).cloned() else { return Ok(None) };
        if Digest::of(&bytes) != *digest {
            return Err(StoreError::Corrupt { what: "document", name: digest.to_string() });
        }
        Ok(Some(bytes))
    }

    fn head(&self, name: &HeadName) -> Result<Option<Head>, StoreError> {
        Ok(self.lock().heads.get(name).cloned())
    }

    fn heads(
        &self,
        below: Option<&HeadName>,
        after: Option<&HeadName>,
        limit: usize,
    ) -> Result<Page<Head, HeadName>, StoreError> {
        let state = self.lock();
        let heads = state.heads.range((start(after), Bound::Unbounded)).map(|(_, head)| head.clone());
        let heads = heads.filter(|head| below.is_none_or(|folder| head.name.is_below(folder)));
        Ok(page(heads, limit, |head| head.name.clone()))
    }

    fn record(&self, id: &RecordId) -> Result<Option<Record>, StoreError> {
        let Some(record) = self.lock().record(id)? else { return Ok(None) };
        if record.computed_hash() != record.hash {
            return Err(StoreError::Corrupt { what: "record", name: id.to_string() });
        }
        Ok(Some(record))
    }

    fn records(&self, chain: &ChainName, sequence: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        let state = self.lock();
        let Some(records) = state.records.get(chain) else { return Ok(Vec::new()) };
        let mut bytes = 0_usize;
        let fits = |record: &&Record| {
            let fits = bytes < PAGE_BYTES;
            bytes = bytes.saturating_add(record.body.len());
            fits
        };
        let page = records.range(sequence..).map(|(_, record)| record).take_while(fits);
        Ok(page.take(limit.clamp(1, PAGE_MAX)).cloned().collect())
    }

    fn chains(
        &self,
        after: Option<&ChainName>,
        limit: usize,
    ) -> Result<Page<ChainName, ChainName>, StoreError> {
        let state = self.lock();
        let chains = state.tips.range((start(after), Bound::Unbounded)).map(|(chain, _)| chain.clone());
        Ok(page(chains, limit, ChainName::clone))
    }

    fn chain_tip(&self, chain: &ChainName) -> Result<Option<ChainTip>, StoreError> {
        self.lock().tip(chain)
    }

    fn acquire_lease(&self, name: &HeadName, holder: &str, now: u64, until: u64) -> Result<bool, StoreError> {
        self.lease(&LeaseRequest { name: name.clone(), holder: holder.to_owned(), term: Some((now, until)) })
    }

    fn release_lease(&self, name: &HeadName, holder: &str) -> Result<bool, StoreError> {
        self.lease(&LeaseRequest { name: name.clone(), holder: holder.to_owned(), term: None })
    }

    fn poll_changes(&self, since: ChangeMark) -> Result<Option<ChangeMark>, StoreError> {
        let mark = ChangeMark(self.lock().mark);
        Ok((mark != since).then_some(mark))
    }
}

impl Transaction for State {
    fn change(&mut self, id: &ChangeId) -> Result<Option<Digest>, StoreError> {
        Ok(self.changes.get(id).copied())
    }

    fn remember_change(&mut self, id: &ChangeId, fingerprint: &Digest) -> Result<(), StoreError> {
        self.changes.insert(*id, *fingerprint);
        Ok(())
    }

    fn has_blob(&mut self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.blobs.contains_key(digest))
    }

    fn put_blob(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        self.blobs.entry(*digest).or_insert_with(|| bytes.to_vec());
        Ok(())
    }

    fn head(&mut self, name: &HeadName) -> Result<Option<Head>, StoreError> {
        Ok(self.heads.get(name).cloned())
    }

    fn put_head(&mut self, head: &Head) -> Result<(), StoreError> {
        self.heads.insert(head.name.clone(), head.clone());
        Ok(())
    }

    fn remove_head(&mut self, name: &HeadName) -> Result<(), StoreError> {
        self.heads.remove(name);
        Ok(())
    }

    fn record(&mut self, id: &RecordId) -> Result<Option<Record>, StoreError> {
        let Some((chain, sequence)) = self.places.get(id) else { return Ok(None) };
        Ok(self.records.get(chain).and_then(|records| records.get(sequence)).cloned())
    }

    fn tip(&mut self, chain: &ChainName) -> Result<Option<ChainTip>, StoreError> {
        Ok(self.tips.get(chain).copied())
    }

    fn append(&mut self, record: &Record) -> Result<(), StoreError> {
        self.records.entry(record.chain.clone()).or_default().insert(record.sequence, record.clone());
        self.places.insert(record.id, (record.chain.clone(), record.sequence));
        self.tips.insert(record.chain.clone(), record.tip());
        Ok(())
    }

    fn move_mark(&mut self) -> Result<(), StoreError> {
        self.mark = self.mark.wrapping_add(1);
        Ok(())
    }

    fn lease(&mut self, name: &HeadName) -> Result<Option<Lease>, StoreError> {
        Ok(self.leases.get(name).cloned())
    }

    fn put_lease(&mut self, name: &HeadName, lease: &Lease) -> Result<(), StoreError> {
        self.leases.insert(name.clone(), lease.clone());
        Ok(())
    }

    fn remove_lease(&mut self, name: &HeadName) -> Result<(), StoreError> {
        self.leases.remove(name);
        Ok(())
    }
}

fn start<T>(after: Option<&T>) -> Bound<&T> {
    after.map_or(Bound::Unbounded, Bound::Excluded)
}

fn page<T, C>(mut items: impl Iterator<Item = T>, limit: usize, cursor: impl Fn(&T) -> C) -> Page<T, C> {
    let taken: Vec<T> = items.by_ref().take(limit.clamp(1, PAGE_MAX)).collect();
    let next = items.next().and(taken.last().map(cursor));
    Page { items: taken, next }
}
