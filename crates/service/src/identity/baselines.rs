//! Pinned evaluations: which of Intel's evaluations counts, from when, for whom.
//!
//! ```text
//! head collateral/pins                 [pin, ...]
//! chain administration/hardware-identity  one record for each change, in the same transaction
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use assay_collateral::baseline::{Effective, Pins, effective};
use assay_collateral::preview::{KnownPlatform, Preview, Tally};
use assay_store::{Change, Digest, HeadName, NewRecord, RecordId, Store, StoreError};
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
    held: ArcSwap<Held>,
    writing: Mutex<()>,
}

/// The pins, and the stored document that they were read from.
#[derive(Default)]
struct Held {
    pins: Arc<Pins>,
    version: Option<Digest>,
}

/// Why pins are not set.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum SetError {
    /// They are not those any more that whoever sets them saw.
    #[error("the pins were changed meanwhile")]
    Changed,
    /// The store.
    #[error("{0}")]
    Store(StoreError),
}

impl From<StoreError> for SetError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl std::fmt::Debug for Baselines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Baselines").field("pins", &self.held.load().pins.all().len()).finish_non_exhaustive()
    }
}

impl Baselines {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, held: ArcSwap::default(), writing: Mutex::default() }
    }

    /// Reads what the store has, if it is not what was read last. Blocks.
    ///
    /// # Errors
    /// The store cannot be read, or what it has are no pins; then everything stays as it is.
    pub(super) fn load(&self) -> Result<(), StoreError> {
        let Some(head) = self.store.head(&HeadName::new(HEAD)?)? else { return Ok(()) };
        let version = Some(head.digest);
        if self.held.load().version == version {
            return Ok(());
        }
        let Some(text) = self.store.blob(&head.digest)? else { return Ok(()) };
        let pins = Pins::from_json(&text).map_err(|error| StoreError::Io { cause: error.to_string() })?;
        self.held.store(Arc::new(Held { pins: Arc::new(pins), version }));
        Ok(())
    }

    /// All pins.
    pub(crate) fn pins(&self) -> Arc<Pins> {
        Arc::clone(&self.held.load().pins)
    }

    /// What names the pins as they are now.
    pub(crate) fn version(&self) -> String {
        version_of(self.held.load().version.as_ref())
    }

    /// What counts for a provider, or for the fleet.
    pub(crate) fn effective(&self, provider: Option<&str>, now: UnixTime) -> Effective {
        effective(&self.held.load().pins, provider, now)
    }

    /// Sets the pins; they and the record of it are durable when this returns, and count from then on. With `expected` only
    /// where they still have this version. Blocks.
    ///
    /// # Errors
    /// [`SetError`]; then everything is as it was.
    pub(crate) fn set(
        &self,
        actor: &Actor,
        pins: Pins,
        expected: Option<&str>,
        now: UnixTime,
    ) -> Result<(), SetError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let name = HeadName::new(HEAD)?;
        for _ in 0..ATTEMPTS {
            let before = self.store.head(&name)?;
            let found = version_of(before.as_ref().map(|head| &head.digest));
            if expected.is_some_and(|expected| expected != found) {
                return Err(SetError::Changed);
            }
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
                    self.held.store(Arc::new(Held { pins: Arc::new(pins), version: Some(digest) }));
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy.into())
    }
}

fn version_of(digest: Option<&Digest>) -> String {
    digest.map_or_else(|| "none".to_owned(), Digest::to_string)
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
