//! Platforms that nobody registered: the vendor answers for them, and what it answered stands in while it cannot be asked.

use std::sync::{Arc, PoisonError};

use assay_collateral::pck::{PckSet, PlatformId, RawTcb};
use assay_verify::sha256;

use super::super::library::{Mode, NotServed};
use super::super::reply::Refusal;
use super::{Key, LABEL, MAX_IN_MEMORY, Platforms, Registration, Selected};
use crate::upstream::Asker;

/// An answer is given again for so many seconds: as long as clients keep it.
const LIFE: i64 = 24 * 60 * 60;

impl Platforms {
    /// The certificate of a platform that nobody registered, by the PPID that it sent along.
    pub(super) async fn pass_by(
        self: &Arc<Self>,
        asked: &Registration,
        raw: RawTcb,
        asker: Asker,
    ) -> Result<Selected, Refusal> {
        let key = passing_key(asked);
        if let Some(set) = self.passing(&key) {
            let certificate = self.choose(&set, raw, asker).await?;
            return Ok(Selected { certificate, set, is_learned: false });
        }
        let (set, is_fresh) = match self.ask_for(asked, asker).await {
            Ok(set) => (Arc::new(set), true),
            Err(NotServed::Unknown) => return Err(Refusal::PlatformUnknown),
            Err(error @ (NotServed::Away | NotServed::NotHeld)) => {
                (self.learned(asked.id, &error).await?, false)
            }
            // The vendor is there: that it was not asked, or said something else, is no reason to guess.
            Err(error) => return Err(refusal(&error)),
        };
        let certificate = self.choose(&set, raw, asker).await?;
        if is_fresh {
            self.learn(asked.id, &set).await;
            self.remember_passing(key, &set);
        }
        Ok(Selected { certificate, set, is_learned: !is_fresh })
    }

    /// Certificates of a platform that is not stored: what PCS answers by encrypted PPID or manifest.
    pub(crate) async fn pass_on(&self, asked: &Registration, asker: Asker) -> Result<Arc<PckSet>, Refusal> {
        self.ask_for(asked, asker).await.map(Arc::new).map_err(|error| refusal(&error))
    }

    async fn ask_for(&self, asked: &Registration, asker: Asker) -> Result<PckSet, NotServed> {
        match self.mode {
            Mode::Lazy => self.ask(asked, asker).await,
            Mode::Registration => Err(NotServed::Unknown),
            Mode::Offline => Err(NotServed::NotHeld),
        }
    }

    /// What was learned before, if it is of one platform.
    async fn learned(self: &Arc<Self>, id: PlatformId, error: &NotServed) -> Result<Arc<PckSet>, Refusal> {
        let platforms = Arc::clone(self);
        let found = tokio::task::spawn_blocking(move || {
            let raw = platforms.learned.find(id)?;
            Ok::<_, assay_store::StoreError>(raw.map(|raw| platforms.verify(&raw, id)))
        });
        match found.await {
            Ok(Ok(Some(Ok(set)))) => Ok(Arc::new(set)),
            Ok(Ok(None)) => Err(refusal(error)),
            Ok(Ok(Some(Err(error)))) => {
                tracing::warn!(code = error.code(), "learned PCK certificates are not used");
                Err(Refusal::Passing)
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "learned PCK certificates were not read");
                Err(Refusal::Passing)
            }
            Err(_) => Err(Refusal::Internal),
        }
    }

    /// Nobody waits for it in vain: what the vendor said is given out, kept or not.
    async fn learn(self: &Arc<Self>, id: PlatformId, set: &Arc<PckSet>) {
        let (platforms, set) = (Arc::clone(self), Arc::clone(set));
        let kept = tokio::task::spawn_blocking(move || platforms.learned.keep(id, &set));
        if let Ok(Err(error)) = kept.await {
            tracing::warn!(%error, "PCK certificates of a platform that is not registered were not kept");
        }
    }

    fn passing(&self, key: &Key) -> Option<Arc<PckSet>> {
        let now = self.clock.now();
        let passing = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, set) = passing.get(key).filter(|(since, _)| now.0.saturating_sub(since.0) < LIFE)?;
        Some(Arc::clone(set))
    }

    fn remember_passing(&self, key: Key, set: &Arc<PckSet>) {
        let mut passing = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        if passing.len() >= MAX_IN_MEMORY {
            passing.clear();
        }
        passing.insert(key, (self.clock.now(), Arc::clone(set)));
    }
}

const fn refusal(error: &NotServed) -> Refusal {
    match error {
        NotServed::Unknown | NotServed::NotHeld => Refusal::PlatformUnknown,
        _ => Refusal::Passing,
    }
}

/// Names a question of a platform that nobody registered.
fn passing_key(asked: &Registration) -> Key {
    let ppid = asked.encrypted_ppid.as_deref().unwrap_or_default();
    let raw = asked.raw_tcb.map(|raw| (raw.cpu_svn, raw.pce_svn.to_le_bytes())).unwrap_or_default();
    sha256(&[LABEL, &asked.id.qe_id, &asked.id.pce_id, ppid, &raw.0, &raw.1])
}
