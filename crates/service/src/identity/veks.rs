//! VCEK certificates: fetched once, verified, and kept for as long as they are valid, as the certificate of a chip and TCB
//! never changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use assay_collateral::upstream::{Fetched, VcekName, Wanted};
use assay_evidence::snp::{Product, SigningKey, TcbVersion};
use assay_store::{Store, StoreError};
use assay_token::wrap::MasterKey;
use assay_verify::snp::{VekCertificate, VekKey, VerifiedVek, verify_vek};
use assay_verify::{TrustAnchors, UnixTime, sha256};

use super::library::{MOST_UNDER_WAY, Mode, NotServed, not_served};
use super::sealed::{Sealed, VCEKS};
use crate::clock::Clock;
use crate::flight::Flights;
use crate::trust::TrustHolder;
use crate::upstream::{Asker, Chain};

/// Certificates held in memory, at about 3 KiB each; the others are in the store.
const MAX_IN_MEMORY: usize = 16_384;
/// Certificates that are kept of one chip: one for each firmware that it ever reports.
const MAX_TCBS: usize = 64;
/// The part of a name that is the chip's.
const CHIP_DIGEST: usize = 16;
/// Keeps these names apart from other digests of the same bytes.
const LABEL: &[u8] = b"assay vcek name v1\0";

type Key = [u8; 32];

/// Every VCEK that is known.
pub struct Veks {
    sealed: Sealed,
    upstream: Arc<Chain>,
    trust: Arc<TrustHolder>,
    clock: Clock,
    mode: Mode,
    memory: Mutex<HashMap<Key, VekCertificate>>,
    flights: Flights<Key, Result<VekCertificate, NotServed>>,
}

impl std::fmt::Debug for Veks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Veks").field("in_memory", &self.in_memory()).finish_non_exhaustive()
    }
}

impl Veks {
    pub(super) fn new(
        store: Arc<dyn Store>,
        master: Arc<MasterKey>,
        upstream: Arc<Chain>,
        trust: Arc<TrustHolder>,
        clock: Clock,
        mode: Mode,
    ) -> Self {
        let (memory, flights) = (Mutex::default(), Flights::default());
        Self { sealed: Sealed { store, master, kind: VCEKS }, upstream, trust, clock, mode, memory, flights }
    }

    /// How many certificates are in memory.
    pub fn in_memory(&self) -> usize {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What is held for a report, without asking anybody. Blocks for as long as the store reads.
    pub(crate) fn held_for(&self, wanted: &VekKey) -> Option<VekCertificate> {
        let names = names(wanted);
        names.iter().find_map(|name| self.held(&key(name), &self.trust.current().anchors, name))
    }

    /// The certificate of a chip and TCB, from memory, the store, or upstream.
    ///
    /// # Errors
    /// [`NotServed`].
    pub async fn get(self: &Arc<Self>, name: &VcekName, asker: Asker) -> Result<VekCertificate, NotServed> {
        let (veks, name, key) = (Arc::clone(self), name.clone(), key(name));
        if let Some(known) = self.in_memory_for(&key) {
            return Ok(known);
        }
        let work = || async move { veks.find(name, key, asker).await };
        let Some(waiter) = self.flights.join(key, MOST_UNDER_WAY, work) else {
            return Err(NotServed::Passing { code: "too-many-questions" });
        };
        waiter.wait().await.unwrap_or(Err(NotServed::Passing { code: "interrupted" }))
    }

    /// Keeps a genuine certificate that somebody brought; whether it is of a chip. Durable when this returns. Blocks.
    ///
    /// # Errors
    /// The store.
    pub(crate) fn bring(&self, held: &VekCertificate) -> Result<bool, StoreError> {
        let product = held.vek.product();
        let chip = held.vek.chip_id().and_then(|chip| chip.get(..product.chip_id_size()));
        let Some(hwid) = chip.filter(|_| held.vek.kind() == SigningKey::Vcek) else { return Ok(false) };
        let key = key(&VcekName { product, hwid: hwid.to_vec(), tcb: held.vek.tcb });
        self.sealed.change(&key, |_| Ok(held.der.to_vec()))?;
        self.remember(key, held.clone());
        Ok(true)
    }

    /// Every certificate that is stored, DER. Blocks.
    ///
    /// # Errors
    /// The store.
    pub(crate) fn for_each(&self, mut work: impl FnMut(&[u8])) -> Result<(), StoreError> {
        self.sealed.for_each(|_, der| work(der))
    }

    /// For a report: of all names that it could mean.
    ///
    /// # Errors
    /// [`NotServed`]: what may pass before what is not known.
    pub(crate) async fn get_for(
        self: &Arc<Self>,
        wanted: &VekKey,
        asker: Asker,
    ) -> Result<VekCertificate, NotServed> {
        let mut worst = NotServed::Unknown;
        for name in names(wanted) {
            match self.get(&name, asker).await {
                Ok(found) => return Ok(found),
                // That it is not of one product says nothing where another one could not be asked about.
                Err(NotServed::Unknown) => {}
                Err(error) => worst = error,
            }
        }
        Err(worst)
    }

    async fn find(
        self: Arc<Self>,
        name: VcekName,
        key: Key,
        asker: Asker,
    ) -> Result<VekCertificate, NotServed> {
        let (veks, stored_name) = (Arc::clone(&self), name.clone());
        let stored = tokio::task::spawn_blocking(move || {
            let anchors = veks.trust.current().anchors.clone();
            veks.held(&key, &anchors, &stored_name)
        });
        if let Ok(Some(stored)) = stored.await {
            return Ok(stored);
        }
        if self.mode != Mode::Lazy || self.upstream.is_empty() {
            return Err(NotServed::NotHeld);
        }
        let anchors = self.trust.current().anchors.clone();
        let mut refused = None;
        let accept = |source: &str, fetched| {
            let Fetched::Vcek(der) = fetched else { return Err("other-kind".to_owned()) };
            verified(&name, &der, &anchors, self.clock.now()).map(|_| der).inspect_err(|code| {
                tracing::warn!(source, product = %name.product, code, "a VCEK certificate was refused");
                refused = Some(code.clone());
            })
        };
        let found = self.upstream.ask(&Wanted::Vcek(name.clone()), asker, accept).await;
        let der = found.map(|found| found.value).map_err(|failures| {
            tracing::warn!(product = %name.product, %failures, "no VCEK certificate came");
            refused.map_or_else(|| not_served(&failures), |code| NotServed::Refused { code })
        })?;
        let keep = tokio::task::spawn_blocking(move || self.take(&name, &key, &der));
        keep.await.unwrap_or(Err(NotServed::Passing { code: "interrupted" }))
    }

    /// Verifies a certificate that came, and makes it durable before anybody gets it.
    fn take(&self, name: &VcekName, key: &Key, der: &[u8]) -> Result<VekCertificate, NotServed> {
        let anchors = self.trust.current().anchors.clone();
        let verified =
            verified(name, der, &anchors, self.clock.now()).map_err(|code| NotServed::Refused { code })?;
        self.keep(key, der).map_err(|error| {
            tracing::error!(%error, "a VCEK certificate was not kept");
            NotServed::Passing { code: "store" }
        })?;
        self.remember(*key, verified.clone());
        Ok(verified)
    }

    /// AMD certifies any TCB of a chip for anybody who knows its id, so that one chip must not fill the store.
    fn keep(&self, key: &Key, der: &[u8]) -> Result<(), StoreError> {
        let chip = key.get(..CHIP_DIGEST).unwrap_or(key);
        if self.sealed.head(key)?.is_none() && self.sealed.count_below(chip, MAX_TCBS)? >= MAX_TCBS {
            tracing::warn!("a VCEK certificate is not kept: there are too many of its chip");
            return Ok(());
        }
        self.sealed.change(key, |_| Ok(der.to_vec()))
    }

    fn held(&self, key: &Key, anchors: &TrustAnchors, name: &VcekName) -> Option<VekCertificate> {
        if let Some(known) = self.in_memory_for(key) {
            return Some(known);
        }
        let stored =
            self.sealed.head(key).and_then(|head| head.map(|head| self.sealed.open(&head)).transpose());
        let der = stored
            .map_err(|error| tracing::error!(%error, "a VCEK certificate was not read"))
            .ok()?
            .flatten()?;
        let verified = verified(name, &der, anchors, self.clock.now())
            .map_err(|code| tracing::warn!(code, "a stored VCEK certificate is not used"))
            .ok()?;
        self.remember(*key, verified.clone());
        Some(verified)
    }

    fn in_memory_for(&self, key: &Key) -> Option<VekCertificate> {
        let known = self.memory.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        known.filter(|known| check_dates(&known.vek, self.clock.now()).is_ok())
    }

    fn remember(&self, key: Key, vek: VekCertificate) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= MAX_IN_MEMORY {
            // The store has them all.
            memory.clear();
        }
        memory.insert(key, vek);
    }
}

/// Verifies that a certificate is genuine, valid now, and the one that was asked for.
fn verified(
    name: &VcekName,
    der: &[u8],
    anchors: &TrustAnchors,
    now: UnixTime,
) -> Result<VekCertificate, String> {
    let vek = verify_vek(der, anchors)
        .map_err(|errors| errors.first().map_or("not-genuine", |error| error.code()).to_owned())?;
    check_dates(&vek, now)?;
    if is_of(&vek, name) {
        Ok(VekCertificate { vek: Arc::new(vek), der: der.into() })
    } else {
        Err("vcek-of-another-chip-or-tcb".to_owned())
    }
}

/// AMD's certificates are valid for seven years.
fn check_dates(vek: &VerifiedVek, now: UnixTime) -> Result<(), &'static str> {
    let window = vek.window();
    match () {
        () if now < window.from => Err("certificate-not-yet-valid"),
        () if now > window.until => Err("certificate-expired"),
        () => Ok(()),
    }
}

fn is_of(vek: &VerifiedVek, name: &VcekName) -> bool {
    vek.kind() == SigningKey::Vcek
        && vek.product() == name.product
        && vek.tcb == name.tcb
        && vek.chip_id().is_some_and(|chip| *chip == padded(&name.hwid))
}

fn padded(hwid: &[u8]) -> [u8; 64] {
    let mut chip = [0; 64];
    for (to, from) in chip.iter_mut().zip(hwid) {
        *to = *from;
    }
    chip
}

fn key(name: &VcekName) -> Key {
    let fmc = name.tcb.fmc.map_or([0, 0], |fmc| [1, fmc]);
    let others = [name.tcb.boot_loader, name.tcb.tee, name.tcb.snp, name.tcb.microcode];
    let mut key = sha256(&[LABEL, name.product.as_str().as_bytes(), &padded(&name.hwid)]);
    let tcb = sha256(&[LABEL, &fmc, &others]);
    // Certificates of one chip stand together, so that they can be counted.
    for (to, from) in key.iter_mut().skip(CHIP_DIGEST).zip(tcb) {
        *to = from;
    }
    key
}

/// What a report could mean: one of version 2 does not name its product, and Milan and Genoa write alike.
fn names(wanted: &VekKey) -> Vec<VcekName> {
    if wanted.kind != SigningKey::Vcek || wanted.chip_id == [0; 64] {
        return Vec::new();
    }
    let product = |product: &Product| wanted.product.is_none_or(|named| named == *product);
    Product::ALL
        .into_iter()
        .filter(product)
        .filter_map(|product| {
            let (chip, rest) = wanted.chip_id.split_at_checked(product.chip_id_size())?;
            let (tcb, reserved_zero) = TcbVersion(wanted.reported_tcb).read(product.tcb_layout());
            let fits = reserved_zero && rest.iter().all(|byte| *byte == 0);
            fits.then(|| VcekName { product, hwid: chip.to_vec(), tcb })
        })
        .collect()
}
