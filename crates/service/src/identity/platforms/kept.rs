//! What is stored of a platform, and how it changes: each change is decided on what the store has at that moment.

use std::sync::{Arc, PoisonError};

use assay_collateral::pck::{PckError, PckSet, PlatformId};
use assay_collateral::upstream::RawPcks;
use assay_store::StoreError;
use assay_verify::UnixTime;

use super::super::reply::Refusal;
use super::record::{FORMAT, PckRecord, Record};
use super::{Held, MAX_IN_MEMORY, Platforms, Registration, key};

/// Why certificates that came are not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    /// They name another platform than what is held.
    #[error("they are of another platform")]
    OtherPlatform,
    /// They could not be written.
    #[error("{0}")]
    Store(StoreError),
}

const OTHER_PLATFORM: StoreError = StoreError::InvalidChange { rule: "a platform keeps its PPID" };

impl Platforms {
    /// Keeps the certificates of a platform beside what is held of it; durable when this returns. Those of another platform
    /// take its place only where somebody who may says so, with what he `told`.
    pub(super) async fn keep(
        self: &Arc<Self>,
        id: PlatformId,
        set: PckSet,
        told: Option<Registration>,
    ) -> Result<(), KeepError> {
        let platforms = Arc::clone(self);
        let keep = move || platforms.keep_blocking(id, &set, told.as_ref());
        let kept = tokio::task::spawn_blocking(keep).await;
        let kept = kept.unwrap_or_else(|error| Err(StoreError::Io { cause: error.to_string() }));
        kept.map_err(|error| match error {
            error if error == OTHER_PLATFORM => KeepError::OtherPlatform,
            error => KeepError::Store(error),
        })
    }

    fn keep_blocking(
        &self,
        id: PlatformId,
        set: &PckSet,
        told: Option<&Registration>,
    ) -> Result<(), StoreError> {
        self.change_blocking(id, |record, now| {
            let set = match self.set_of(record) {
                Some(held) if told.is_none() && !held.is_of_same_platform(set) => return Err(OTHER_PLATFORM),
                Some(held) => set.clone().renewing(&held),
                None => set.clone(),
            };
            if let Some(told) = told {
                record.learn(told);
            }
            (record.waiting, record.not_available) = (false, set.incomplete);
            record.pcks = Some(PckRecord {
                fmspc: hex::encode(set.fmspc()),
                certificates: set.certificates().iter().map(|pck| pck.pem.to_string()).collect(),
                chain: set.chain.to_string(),
                fetched: now.0,
                evaluation: self.evaluation(set.fmspc()),
                is_list: set.is_list,
            });
            Ok(())
        })
    }

    /// Changes what is stored of a platform; durable when this returns.
    pub(super) async fn change(
        self: &Arc<Self>,
        id: PlatformId,
        work: impl Fn(&mut Record, UnixTime) + Send + 'static,
    ) -> Result<(), Refusal> {
        let platforms = Arc::clone(self);
        let work = move |record: &mut Record, now| {
            work(record, now);
            Ok(())
        };
        let change = move || platforms.change_blocking(id, work);
        let changed = tokio::task::spawn_blocking(change).await.map_err(|_| Refusal::Internal)?;
        changed.map_err(|error| {
            tracing::error!(%error, "a platform was not kept");
            Refusal::Internal
        })
    }

    fn change_blocking(
        &self,
        id: PlatformId,
        work: impl Fn(&mut Record, UnixTime) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.sealed.change(&key(id), |before| {
            let mut record = match before {
                None => Record::new(id, now),
                Some(text) => read(text).ok_or(StoreError::InvalidChange {
                    rule: "what is stored of a platform is of a format that this release knows",
                })?,
            };
            work(&mut record, now)?;
            serde_json::to_vec(&record)
                .map_err(|_| StoreError::InvalidChange { rule: "a platform has a JSON form" })
        })
    }

    /// What is known of a platform, from memory if it is what the store has.
    pub(super) async fn look_up(self: &Arc<Self>, id: PlatformId) -> Result<Option<Held>, Refusal> {
        let platforms = Arc::clone(self);
        let found = tokio::task::spawn_blocking(move || platforms.look_up_blocking(id)).await;
        found.map_err(|_| Refusal::Internal)?.map_err(|error| {
            tracing::error!(%error, "a platform was not read");
            Refusal::Passing
        })
    }

    pub(super) fn look_up_blocking(&self, id: PlatformId) -> Result<Option<Held>, StoreError> {
        let key = key(id);
        let Some(head) = self.sealed.head(&key)? else { return Ok(None) };
        let known = self.memory.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known.filter(|known| known.digest == head.digest) {
            return Ok(Some(known));
        }
        let text = self.sealed.open(&head)?;
        let Some(record) = text.and_then(|text| read(&text)) else { return Ok(None) };
        let set = self.set_of(&record).map(Arc::new);
        let held = Held { digest: head.digest, record: Arc::new(record), set };
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= MAX_IN_MEMORY {
            memory.clear();
        }
        memory.insert(key, held.clone());
        Ok(Some(held))
    }

    /// The stored certificates, verified again.
    pub(super) fn set_of(&self, record: &Record) -> Option<PckSet> {
        let pcks = record.pcks.as_ref()?;
        let (certificates, chain) = (pcks.certificates.clone(), pcks.chain.clone());
        let raw = RawPcks { certificates, chain, incomplete: record.not_available, is_list: pcks.is_list };
        let refused =
            |error: PckError| tracing::warn!(code = error.code(), "stored PCK certificates are not used");
        self.verify(&raw, record.id()?).map_err(refused).ok()
    }
}

/// A record, if it is one that this release knows.
pub(super) fn read(text: &[u8]) -> Option<Record> {
    serde_json::from_slice::<Record>(text).ok().filter(|record| record.format == FORMAT)
}
