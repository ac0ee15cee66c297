//! Deciding and committing a change, with its administrative record, in one transaction.

use std::sync::{Arc, PoisonError};

use assay_store::{ChainName, Change, ChangeId, Digest, HeadName, NewRecord, RecordId, StoreError};
use assay_verify::UnixTime;
use serde_json::{Map, Value, json};

use super::{Actor, Inner, Registry, RegistryError, Snapshot};
use crate::clock::{seconds, unix_time};

/// Another process that wins this often changes faster than we can read.
const ATTEMPTS: usize = 8;

/// The chain that tells what was done to a provider.
pub(crate) fn administration_chain(provider: &str) -> Result<ChainName, StoreError> {
    ChainName::join(&["administration", provider])
}

/// A change in the making. It always ends in a record.
pub(super) struct Draft {
    change: Change,
    digests: Map<String, Value>,
    now: u64,
}

impl Draft {
    pub(super) fn new(now: u64) -> Result<Self, RegistryError> {
        let change = Change::new(ChangeId::from_bytes(crate::random::bytes()?));
        Ok(Self { change, digests: Map::new(), now })
    }

    /// Keeps a document and lets a head name it. The head must stand where the snapshot has it.
    pub(super) fn put(&mut self, snapshot: &Snapshot, head: HeadName, document: Vec<u8>) {
        let digest = self.change.put_blob(document);
        self.digests.insert(head.to_string(), digest.to_string().into());
        let expected = snapshot.heads.get(&head).map(|head| head.revision);
        self.change.set_head(head, expected, Some(digest));
    }

    /// Removes a head, if it is there.
    pub(super) fn remove(&mut self, snapshot: &Snapshot, head: HeadName) {
        if let Some(known) = snapshot.heads.get(&head) {
            self.digests.insert(head.to_string(), Value::Null);
            self.change.set_head(head, Some(known.revision), None);
        }
    }

    pub(super) fn blob(&mut self, bytes: Vec<u8>) {
        self.change.put_blob(bytes);
    }

    pub(super) const fn now(&self) -> u64 {
        self.now
    }

    /// A digest that the record shall name besides those of the documents.
    pub(super) fn note(&mut self, name: &str, digest: Digest) {
        self.digests.insert(name.to_owned(), digest.to_string().into());
    }

    /// Adds the record of what is done.
    pub(super) fn record(
        mut self,
        actor: &Actor,
        act: &str,
        provider: &str,
    ) -> Result<Change, RegistryError> {
        let body = json!({
            "act": act,
            "actor": { "kind": actor.kind, "subject": actor.subject },
            "digests": self.digests,
            "format": 1,
            "provider": provider,
            "time": unix_time(self.now).to_string(),
        });
        self.change.records.push(NewRecord {
            chain: administration_chain(provider)?,
            id: RecordId::from_bytes(crate::random::bytes()?),
            time: self.now,
            body: assay_json::to_canonical(&body).into_bytes(),
        });
        Ok(self.change)
    }
}

/// What a decision came to: something to commit, or nothing to do.
pub(super) type Decision<T> = Result<(Option<Change>, T), RegistryError>;

impl Registry {
    /// Decides and commits where blocking is allowed.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        decide: impl Fn(&Inner, &Snapshot, UnixTime) -> Decision<T> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let inner = Arc::clone(&self.inner);
        let task = tokio::task::spawn_blocking(move || inner.change(decide));
        task.await.map_err(|_| RegistryError::Stopping)?
    }
}

impl Inner {
    /// Decides on the newest state and commits; decides again where someone else was faster. The change is in the
    /// snapshot when this returns.
    pub(super) fn change<T>(
        &self,
        decide: impl Fn(&Self, &Snapshot, UnixTime) -> Decision<T>,
    ) -> Result<T, RegistryError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..ATTEMPTS {
            if self.store.poll_changes(self.snapshot.load().mark)?.is_some() {
                self.load()?;
            }
            let snapshot = self.snapshot.load_full();
            let (change, result) = decide(self, &snapshot, self.clock.now())?;
            let Some(change) = change else { return Ok(result) };
            match self.store.commit(change) {
                Ok(_) => {
                    self.load()?;
                    return Ok(result);
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RegistryError::Conflict)
    }

    pub(super) fn now(&self) -> u64 {
        seconds(self.clock.now())
    }
}
