//! What Intel said of a platform beside its certificates. Manifests that its registration service took are kept with the
//! platform, sealed as everything of it is, so that Intel can be asked with them again.

use std::sync::Arc;

use assay_collateral::pck::PlatformId;
use assay_collateral::upstream::RawPcks;
use assay_store::StoreError;

use super::super::reply::Refusal;
use super::Platforms;
use super::kept::read;
use super::record::Record;

impl Platforms {
    /// Keeps a manifest with the platform of this PPID, as Intel named it; durable when this returns. Whoever sent it may say
    /// which platform it is, which counts for one that has no certificates yet. Whether a platform was known.
    ///
    /// # Errors
    /// 500 where it could not be kept.
    pub(crate) async fn keep_manifest(
        self: &Arc<Self>,
        ppid: [u8; 16],
        named: Option<PlatformId>,
        manifest: &[u8],
    ) -> Result<bool, Refusal> {
        let platforms = Arc::clone(self);
        let found = tokio::task::spawn_blocking(move || platforms.of_ppid(ppid, named)).await;
        let found = found.map_err(|_| Refusal::Internal)?.map_err(|error| {
            tracing::error!(%error, "platforms were not read");
            Refusal::Internal
        })?;
        let Some(id) = found else { return Ok(false) };
        let manifest = hex::encode(manifest);
        self.change(id, move |record, _| record.manifest = Some(manifest.clone())).await?;
        Ok(true)
    }

    /// Remembers of a platform that is known that Intel has nothing for it.
    pub(super) async fn note_unavailable(self: &Arc<Self>, id: PlatformId) {
        // A folder or a bundle says nothing about what Intel has.
        if self.upstream.is_local() {
            return;
        }
        if let Ok(Some(_)) = self.look_up(id).await {
            // That it could not be noted is in the log; the next question finds out again.
            let _ = self.change(id, |record, _| record.not_available = true).await;
        }
    }

    /// The platform that Intel calls so. One that was named is it unless its certificates say otherwise.
    fn of_ppid(&self, ppid: [u8; 16], named: Option<PlatformId>) -> Result<Option<PlatformId>, StoreError> {
        if let Some(id) = named {
            let Some(held) = self.look_up_blocking(id)? else { return Ok(None) };
            let other = self.ppid(&held.record).is_some_and(|known| known != ppid);
            if other {
                tracing::warn!("a manifest is of another platform than was said; it is not kept");
            }
            return Ok((!other).then_some(id));
        }
        let mut found = None;
        self.sealed.for_each(|_, text| {
            if let Some(record) = read(text).filter(|_| found.is_none())
                && self.ppid(&record) == Some(ppid)
            {
                found = record.id();
            }
        })?;
        Ok(found)
    }

    /// What the certificates of a platform call it: all of them alike, so that one tells.
    fn ppid(&self, record: &Record) -> Option<[u8; 16]> {
        let pcks = record.pcks.as_ref()?;
        let certificates = pcks.certificates.first().cloned().into_iter().collect();
        let raw = RawPcks { certificates, chain: pcks.chain.clone(), incomplete: false, is_list: false };
        let set = self.verify(&raw, record.id()?).ok()?;
        set.certificates().first().map(|pck| pck.verified.extension.ppid)
    }
}
