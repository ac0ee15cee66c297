//! Pinned evaluations: which of Intel's evaluations counts, from when, for whom.
//!
//! ```text
//! head collateral/pins                 {"pins":[...]}
//! chain administration/hardware-identity  one record for each change, in the same transaction
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use assay_collateral::baseline::{Effective, Pins, effective};
use assay_collateral::preview::{KnownPlatform, Preview, Tally};
use assay_store::{Change, HeadName, NewRecord, RecordId, Store, StoreError};
use assay_verify::UnixTime;
use assay_verify::intel::single::Tee;
use serde_json::json;

use super::persist::change_id;
use super::platforms::Platforms;
use crate::clock::seconds;
use crate::random;
use crate::registry::Actor;
use crate::registry::administration_chain;

const HEAD: &str = "collateral/pins";
const CHAIN: &str = "hardware-identity";
const ATTEMPTS: usize = 4;

/// The pins of this service.
pub(crate) struct Baselines {
    store: Arc<dyn Store>,
    pins: ArcSwap<Pins>,
    writing: Mutex<()>,
}

impl std::fmt::Debug for Baselines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Baselines").field("pins", &self.pins.load().all().len()).finish_non_exhaustive()
    }
}

impl Baselines {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, pins: ArcSwap::default(), writing: Mutex::default() }
    }

    /// Reads what the store has. Blocks.
    ///
    /// # Errors
    /// The store cannot be read, or what it has are no pins; then everything stays as it is.
    pub(super) fn load(&self) -> Result<(), StoreError> {
        let Some(head) = self.store.head(&HeadName::new(HEAD)?)? else { return Ok(()) };
        let Some(text) = self.store.blob(&head.digest)? else { return Ok(()) };
        let pins = Pins::from_json(&text).map_err(|error| StoreError::Io { cause: error.to_string() })?;
        self.pins.store(Arc::new(pins));
        Ok(())
    }

    /// All pins.
    pub(crate) fn pins(&self) -> Arc<Pins> {
        self.pins.load_full()
    }

    /// What counts for a provider, or for the fleet.
    pub(crate) fn effective(&self, provider: Option<&str>, now: UnixTime) -> Effective {
        effective(&self.pins.load(), provider, now)
    }

    /// Sets the pins; they and the record of it are durable when this returns, and count from then on. Blocks.
    pub(crate) fn set(&self, actor: &Actor, pins: Pins, now: UnixTime) -> Result<(), StoreError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let name = HeadName::new(HEAD)?;
        for _ in 0..ATTEMPTS {
            let before = self.store.head(&name)?;
            let mut change = Change::new(change_id()?);
            let digest = change.put_blob(pins.to_json().into_bytes());
            change.set_head(name.clone(), before.map(|head| head.revision), Some(digest));
            let body = json!({
                "act": "set-baselines",
                "actor": { "kind": actor.kind, "subject": actor.subject },
                "digests": { HEAD: digest.to_string() },
                "format": 1,
                "provider": CHAIN,
                "time": now.to_string(),
            });
            let id = random::bytes().map_err(|error| StoreError::Io { cause: error.to_string() })?;
            change.records.push(NewRecord {
                chain: administration_chain(CHAIN)?,
                id: RecordId::from_bytes(id),
                time: seconds(now),
                body: assay_json::to_canonical(&body).into_bytes(),
            });
            match self.store.commit(change) {
                Ok(_) => {
                    self.pins.store(Arc::new(pins));
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }
}

/// What becomes of the platforms that are known here if another evaluation counts. Reads every platform, keeps none.
pub(crate) fn preview(platforms: &Platforms, before: u32, after: u32) -> Result<Tally, StoreError> {
    let shelf = platforms.shelf();
    let preview = Preview::of_shelf(&shelf, Tee::Sgx, before, after);
    let mut tally = Tally::default();
    platforms.for_each_set(|id, pcks, raw_tcb| {
        tally.add(&preview.judge(&KnownPlatform { id, pcks, raw_tcb }));
    })?;
    Ok(tally)
}
