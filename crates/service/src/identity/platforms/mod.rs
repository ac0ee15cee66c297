//! Platforms of Intel's that registered, and their PCK certificates.
//!
//! ```text
//! head collateral/platform/{sha-256 of its ids}   sealed under the master key: {"format":1,"qe_id":..,"manifest":..,"pcks":..}
//! ```
//!
//! What identifies a platform (QE ID, PPID, manifest, and the certificates, which carry the PPID) is only stored sealed, and
//! never logged. Nothing of a platform is stored for who merely asks, unless the vendor answered with its genuine
//! certificates.

mod record;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use assay_collateral::pck::{PckCertificate, PckError, PckSet, PlatformId, RawTcb};
use assay_collateral::shelf::Shelf;
use assay_collateral::subject::{Selection, Subject};
use assay_collateral::upstream::{Fetched, PckRequest, RawPcks, Wanted};
use assay_store::{Digest, Store, StoreError};
use assay_token::wrap::MasterKey;
use assay_verify::cache::ChainCache;
use assay_verify::intel::single::Tee;
use assay_verify::{UnixTime, sha256};

use record::{FORMAT, PckRecord, Record, with_question};

use super::library::{Library, MOST_UNDER_WAY, Mode, NotServed, Refreshed, not_served};
use super::reply::Refusal;
use super::sealed::{PLATFORMS, Sealed};
use crate::clock::Clock;
use crate::flight::Flights;
use crate::trust::TrustHolder;
use crate::upstream::{Asker, Chain};

const LABEL: &[u8] = b"assay platform name v1\0";
/// Platforms held in memory, at about 30 KiB each with all their certificates; the others are in the store.
const MAX_IN_MEMORY: usize = 2048;

pub use record::{Listed, Registration};

type Key = [u8; 32];

/// What came of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// Its certificates are here.
    Ready,
    /// It waits for its certificates to be brought.
    Waiting,
}

/// The certificate that a platform uses now.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    pub(crate) certificate: PckCertificate,
    pub(crate) set: Arc<PckSet>,
}

/// What is known of a platform.
pub(crate) struct Known {
    /// Whether it waits for certificates.
    pub(crate) waiting: bool,
    pub(crate) has_manifest: bool,
    pub(crate) set: Option<Arc<PckSet>>,
}

/// A platform in memory, and the stored document that it was read from.
#[derive(Clone)]
struct Held {
    digest: Digest,
    record: Arc<Record>,
    set: Option<Arc<PckSet>>,
}

/// Every platform that is known.
pub struct Platforms {
    sealed: Sealed,
    upstream: Arc<Chain>,
    library: Arc<Library>,
    trust: Arc<TrustHolder>,
    cache: Arc<ChainCache>,
    clock: Clock,
    mode: Mode,
    memory: Mutex<HashMap<Key, Held>>,
    /// Of platforms that nobody registered, by what they sent.
    passing: Mutex<HashMap<Key, Arc<PckSet>>>,
    flights: Flights<(Key, Asker), Result<(), NotServed>>,
}

impl std::fmt::Debug for Platforms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platforms").field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// What platforms are built on, beside what the library is.
pub(super) struct Parts {
    pub(super) store: Arc<dyn Store>,
    pub(super) master: Arc<MasterKey>,
    pub(super) upstream: Arc<Chain>,
    pub(super) library: Arc<Library>,
    pub(super) trust: Arc<TrustHolder>,
    pub(super) cache: Arc<ChainCache>,
    pub(super) clock: Clock,
    pub(super) mode: Mode,
}

impl Platforms {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { store, master, upstream, library, trust, cache, clock, mode } = parts;
        let (memory, passing, flights) = (Mutex::default(), Mutex::default(), Flights::default());
        let sealed = Sealed { store, master, kind: PLATFORMS };
        Self { sealed, upstream, library, trust, cache, clock, mode, memory, passing, flights }
    }

    /// The certificate for what a platform runs now.
    ///
    /// # Errors
    /// 461 for a platform that is not known, 462 where it has no certificate for this TCB, and 503 where that cannot be said now.
    pub(crate) async fn certificate(
        self: &Arc<Self>,
        asked: &Registration,
        raw: RawTcb,
    ) -> Result<Selected, Refusal> {
        let known = self.look_up(asked.id).await?;
        let mut fallback = None;
        if let Some(set) = known.as_ref().and_then(|held| held.set.clone()) {
            fallback = self.select(&set, raw).await?;
            // Intel's list has a certificate for every TCB; one from another cache was for the TCB that was asked for.
            if set.is_whole() || fallback.as_ref().is_some_and(|selected| selected.certificate.is_for(&raw)) {
                return fallback.ok_or(Refusal::NoCertificate);
            }
        }
        let request = match &known {
            Some(held) => with_question(&held.record, asked),
            // Nothing binds the QE ID of who merely asks to his PPID: what comes is for this question, and leaves no trace.
            None if asked.encrypted_ppid.is_some() => return self.pass_by(asked, raw).await,
            None => return Err(Refusal::PlatformUnknown),
        };
        if self.mode == Mode::Offline {
            return fallback.ok_or(Refusal::NoCertificate);
        }
        match self.fetch(Registration { raw_tcb: Some(raw), ..request }, Asker::Stranger).await {
            Ok(()) => {}
            Err(_) if fallback.is_some() => return fallback.ok_or(Refusal::NoCertificate),
            Err(NotServed::Unknown | NotServed::NotHeld) => return Err(Refusal::NoCertificate),
            Err(_) => return Err(Refusal::Passing),
        }
        let set = self.look_up(asked.id).await?.and_then(|held| held.set);
        let selected = match set {
            Some(set) => self.select(&set, raw).await?,
            None => None,
        };
        selected.ok_or(Refusal::NoCertificate)
    }

    /// The certificate of a platform that nobody registered, by the PPID that it sent along.
    async fn pass_by(&self, asked: &Registration, raw: RawTcb) -> Result<Selected, Refusal> {
        let key = passing_key(asked);
        let known = self.passing.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let set = match known {
            Some(set) => set,
            None => self.pass_on(asked).await?,
        };
        let certificate = self.choose(&set, raw).await?;
        let mut passing = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        if passing.len() >= MAX_IN_MEMORY {
            passing.clear();
        }
        passing.insert(key, Arc::clone(&set));
        Ok(Selected { certificate, set })
    }

    /// Certificates of a platform that is not stored: what PCS answers by encrypted PPID or manifest.
    pub(crate) async fn pass_on(&self, asked: &Registration) -> Result<Arc<PckSet>, Refusal> {
        if self.mode != Mode::Lazy {
            return Err(Refusal::PlatformUnknown);
        }
        match self.ask(asked, Asker::Stranger).await {
            Ok(set) => Ok(Arc::new(set)),
            Err(NotServed::Unknown | NotServed::NotHeld) => Err(Refusal::PlatformUnknown),
            Err(_) => Err(Refusal::Passing),
        }
    }

    /// Registers a platform: what it told is durable when this returns, and where upstream can be asked, so are its
    /// certificates.
    ///
    /// # Errors
    /// Nothing was kept with 500; with 404 and 503 the platform is kept, and waits.
    pub(crate) async fn register(
        self: &Arc<Self>,
        registration: Registration,
    ) -> Result<Registered, Refusal> {
        let asked = registration.clone();
        self.change(registration.id, move |record, now| {
            record.learn(&asked);
            record.registered = now.0;
            record.waiting = record.pcks.is_none();
        })
        .await?;
        if self.mode == Mode::Offline || self.upstream.is_empty() {
            return Ok(Registered::Waiting);
        }
        let id = registration.id;
        match self.fetch(registration, Asker::Own).await {
            Ok(()) => {}
            // Files say nothing about what Intel has; somebody may bring it.
            Err(_) if self.upstream.is_local() => return Ok(Registered::Waiting),
            Err(NotServed::Unknown) => {
                return Err(Refusal::NotFound(
                    "The platform is registered here, and Intel has no certificates for it. Register it with Intel, with \
                     its manifest where its keys are not kept there."
                        .to_owned(),
                ));
            }
            Err(_) => return Err(Refusal::Passing),
        }
        if let Some(set) = self.look_up(id).await?.and_then(|held| held.set) {
            self.prefetch(&set).await;
        }
        Ok(Registered::Ready)
    }

    /// Keeps what is told of a platform, without asking anybody.
    pub(crate) async fn remember(self: &Arc<Self>, registration: Registration) -> Result<(), Refusal> {
        let id = registration.id;
        self.change(id, move |record, _| {
            record.learn(&registration);
            record.waiting = record.pcks.is_none();
        })
        .await
    }

    /// Takes in certificates that somebody with a connection to Intel brought.
    pub(crate) async fn bring(self: &Arc<Self>, id: PlatformId, raw: RawPcks) -> Result<(), BringError> {
        let set = self.verify(&raw, id).map_err(BringError::Pck)?;
        self.keep(id, set, Some(Registration::nothing(id))).await.map_err(BringError::Store)
    }

    /// What is known of a platform, for explanations.
    pub(crate) async fn known(self: &Arc<Self>, id: PlatformId) -> Result<Option<Known>, Refusal> {
        let held = self.look_up(id).await?;
        Ok(held.map(|Held { record, set, .. }| Known {
            waiting: record.waiting,
            has_manifest: record.manifest.is_some(),
            set,
        }))
    }

    /// Every platform that can be read; `work` sees each.
    pub(crate) fn for_each(&self, mut work: impl FnMut(Listed)) -> Result<(), StoreError> {
        self.sealed.for_each(|_, text| {
            if let Some(listed) = read(text).and_then(|record| record.listed()) {
                work(listed);
            }
        })
    }

    /// Every platform with certificates, and what it ran last.
    pub(crate) fn for_each_set(
        &self,
        mut work: impl FnMut(PlatformId, &PckSet, Option<RawTcb>),
    ) -> Result<(), StoreError> {
        self.sealed.for_each(|_, text| {
            let Some(record) = read(text) else { return };
            if let (Some(registration), Some(set)) = (record.registration(), self.set_of(&record)) {
                work(registration.id, &set, registration.raw_tcb);
            }
        })
    }

    /// The certificates of every platform that has some, as they were stored.
    pub(super) fn for_each_raw(&self, mut work: impl FnMut(PlatformId, RawPcks)) -> Result<(), StoreError> {
        self.sealed.for_each(|_, text| {
            let Some(record) = read(text) else { return };
            if let (Some(id), Some(PckRecord { certificates, chain, .. })) = (record.id(), record.pcks) {
                work(id, RawPcks { certificates, chain });
            }
        })
    }

    /// The documents that order certificates.
    pub(super) fn shelf(&self) -> Arc<Shelf> {
        Arc::clone(&self.library.shelf())
    }

    /// After a TCB recovery: asks for the certificates of platforms anew whose last were fetched under an earlier
    /// evaluation. Platforms whose keys Intel does not keep are asked for with their manifest. Gives how many were asked for.
    pub(crate) async fn refresh(self: &Arc<Self>) -> Result<Refreshed, StoreError> {
        self.refresh_where(|fetched_under, current| fetched_under < current).await
    }

    /// Asks for the certificates of all platforms anew.
    pub(crate) async fn refresh_all(self: &Arc<Self>) -> Result<Refreshed, StoreError> {
        self.refresh_where(|_, _| true).await
    }

    async fn refresh_where(
        self: &Arc<Self>,
        counts: fn(Option<u32>, Option<u32>) -> bool,
    ) -> Result<Refreshed, StoreError> {
        if self.mode == Mode::Offline || self.upstream.is_empty() {
            return Ok(Refreshed::default());
        }
        let platforms = Arc::clone(self);
        let outdated = tokio::task::spawn_blocking(move || platforms.outdated(counts)).await;
        let outdated = outdated.map_err(|error| StoreError::Io { cause: error.to_string() })??;
        let mut done: usize = 0;
        for registration in &outdated {
            // What failed stays outdated, and is tried again with the next pass. One that Intel no longer answers for
            // holds up nobody; where upstream is in trouble, the others would fail as well.
            match self.fetch(registration.clone(), Asker::Own).await {
                Ok(()) => done = done.saturating_add(1),
                Err(NotServed::Passing { .. }) => break,
                Err(_) => {}
            }
        }
        Ok(Refreshed { wanted: outdated.len(), done, ..Refreshed::default() })
    }

    fn outdated(
        &self,
        counts: fn(Option<u32>, Option<u32>) -> bool,
    ) -> Result<Vec<Registration>, StoreError> {
        let mut outdated = Vec::new();
        self.sealed.for_each(|_, text| {
            let Some(record) = read(text) else { return };
            let Some(set) = self.set_of(&record) else { return };
            let fetched_under = record.pcks.as_ref().and_then(|pcks| pcks.evaluation);
            if counts(fetched_under, self.evaluation(set.fmspc())) {
                outdated.extend(record.registration());
            }
        })?;
        Ok(outdated)
    }

    /// The evaluation number of a family's newest TCB info on the shelf.
    fn evaluation(&self, fmspc: [u8; 6]) -> Option<u32> {
        let shelf = self.library.shelf();
        let of = |tee| {
            let subject = Subject::TcbInfo { tee, fmspc };
            shelf.versions(subject).filter_map(|held| held.document.evaluation_number).max()
        };
        of(Tee::Sgx).max(of(Tee::Tdx))
    }

    /// What a verifier of this platform's quotes will ask for next.
    async fn prefetch(&self, set: &PckSet) {
        let fmspc = set.fmspc();
        for subject in
            [Subject::TcbInfo { tee: Tee::Sgx, fmspc }, Subject::PckCrl(set.ca()), Subject::RootCrl]
        {
            if self.library.held(subject, Selection::default()).is_none() {
                self.library.bring(subject, Selection::default()).await;
            }
        }
    }

    /// The certificate of a set for a TCB.
    ///
    /// # Errors
    /// 462 where it has none.
    pub(crate) async fn choose(&self, set: &Arc<PckSet>, raw: RawTcb) -> Result<PckCertificate, Refusal> {
        let selected = self.select(set, raw).await?;
        selected.map(|selected| selected.certificate).ok_or(Refusal::NoCertificate)
    }

    async fn select(&self, set: &Arc<PckSet>, raw: RawTcb) -> Result<Option<Selected>, Refusal> {
        let subject = Subject::TcbInfo { tee: Tee::Sgx, fmspc: set.fmspc() };
        // Whose levels order the certificates; those of a platform that was registered are fetched in every mode but offline.
        if self.library.held(subject, Selection::default()).is_none() {
            self.library.bring(subject, Selection::default()).await;
        }
        let served = self.library.document(subject, Selection::default()).await?;
        let Some(info) = served.document.tcb_info() else { return Err(Refusal::Internal) };
        let Some(certificate) = set.select(&raw, info) else { return Ok(None) };
        let window = certificate.verified.window();
        let revoked = [Subject::RootCrl, Subject::PckCrl(set.ca())].into_iter().any(|subject| {
            let list = self.library.held(subject, Selection::default());
            list.is_some_and(|list| {
                list.document.crl().is_some_and(|crl| crl.revokes_pck(&certificate.verified))
            })
        });
        let now = self.clock.now();
        if revoked || now < window.from || now > window.until {
            tracing::warn!(revoked, "the PCK certificate of a platform is revoked or not valid now");
            return Ok(None);
        }
        Ok(Some(Selected { certificate: certificate.clone(), set: Arc::clone(set) }))
    }

    /// Asks upstream for a platform's certificates and keeps them; once for all who ask at the same time.
    async fn fetch(self: &Arc<Self>, registration: Registration, asker: Asker) -> Result<(), NotServed> {
        let (platforms, key) = (Arc::clone(self), key(registration.id));
        let work = || async move {
            let set = platforms.ask(&registration, asker).await?;
            // Who merely asks tells nothing that is believed of a platform that is known.
            let told = (asker == Asker::Own).then(|| registration.clone());
            let kept = platforms.keep(registration.id, set, told).await;
            kept.map_err(|error| {
                tracing::error!(%error, "PCK certificates were not kept");
                NotServed::Passing { code: "store" }
            })
        };
        let Some(waiter) = self.flights.join((key, asker), MOST_UNDER_WAY, work) else {
            return Err(NotServed::Passing { code: "too-many-questions" });
        };
        waiter.wait().await.unwrap_or(Err(NotServed::Passing { code: "interrupted" }))
    }

    /// A platform's certificates from upstream, verified.
    async fn ask(&self, asked: &Registration, asker: Asker) -> Result<PckSet, NotServed> {
        if self.upstream.is_empty() {
            return Err(NotServed::NotHeld);
        }
        let Registration { id, encrypted_ppid, manifest, raw_tcb } = asked.clone();
        let wanted = Wanted::Pcks(PckRequest { id, encrypted_ppid, manifest, raw_tcb });
        let mut refused = None;
        let accept = |source: &str, fetched| {
            let Fetched::Pcks(raw) = fetched else { return Err("other-kind".to_owned()) };
            self.verify(&raw, id).map_err(|error| {
                tracing::warn!(source, code = error.code(), "PCK certificates were refused");
                refused = Some(error.code().to_owned());
                error.code().to_owned()
            })
        };
        let found = self.upstream.ask(&wanted, asker, accept).await;
        found.map(|found| found.value).map_err(|failures| {
            tracing::warn!(%failures, "no PCK certificates came");
            refused.map_or_else(|| not_served(&failures), |code| NotServed::Refused { code })
        })
    }

    fn verify(&self, raw: &RawPcks, id: PlatformId) -> Result<PckSet, PckError> {
        let trust = self.trust.current();
        PckSet::verify(&raw.certificates, &raw.chain, id.pce_id, &trust.anchors, &self.cache)
    }

    /// Keeps the certificates of a platform. Those of another platform take the place of what is held only if whoever may
    /// register says so; a single one is added to those of other TCBs.
    async fn keep(
        self: &Arc<Self>,
        id: PlatformId,
        set: PckSet,
        told: Option<Registration>,
    ) -> Result<(), StoreError> {
        let before = self.look_up(id).await.map_err(|_| StoreError::Busy)?.and_then(|held| held.set);
        let set = match before {
            Some(before) if !before.is_of_same_platform(&set) && told.is_none() => {
                tracing::warn!(
                    "certificates of another platform came for one that is known; they are not kept"
                );
                return Err(StoreError::InvalidChange { rule: "a platform keeps its PPID" });
            }
            Some(before) if !set.is_whole() => set.with_others_of(&before),
            _ => set,
        };
        let pems: Vec<String> = set.certificates().iter().map(|pck| pck.pem.to_string()).collect();
        let (chain, evaluation) = (set.chain.to_string(), self.evaluation(set.fmspc()));
        let fmspc = hex::encode(set.fmspc());
        let keep = move |record: &mut Record, now: UnixTime| {
            if let Some(told) = &told {
                record.learn(told);
            }
            record.waiting = false;
            let (fmspc, certificates, chain) = (fmspc.clone(), Vec::clone(&pems), chain.clone());
            record.pcks = Some(PckRecord { fmspc, certificates, chain, fetched: now.0, evaluation });
        };
        self.change(id, keep).await.map_err(|_| StoreError::Busy)
    }

    /// Changes what is stored of a platform; durable when this returns.
    async fn change(
        self: &Arc<Self>,
        id: PlatformId,
        work: impl Fn(&mut Record, UnixTime) + Send + 'static,
    ) -> Result<(), Refusal> {
        let platforms = Arc::clone(self);
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
        work: impl Fn(&mut Record, UnixTime),
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.sealed.change(&key(id), |before| {
            let mut record = match before {
                None => Record::new(id, now),
                Some(text) => read(text).ok_or(StoreError::InvalidChange {
                    rule: "what is stored of a platform is of a format that this release knows",
                })?,
            };
            work(&mut record, now);
            serde_json::to_vec(&record)
                .map_err(|_| StoreError::InvalidChange { rule: "a platform has a JSON form" })
        })
    }

    /// What is known of a platform, from memory if it is what the store has.
    async fn look_up(self: &Arc<Self>, id: PlatformId) -> Result<Option<Held>, Refusal> {
        let platforms = Arc::clone(self);
        let found = tokio::task::spawn_blocking(move || platforms.look_up_blocking(id)).await;
        found.map_err(|_| Refusal::Internal)?.map_err(|error| {
            tracing::error!(%error, "a platform was not read");
            Refusal::Passing
        })
    }

    fn look_up_blocking(&self, id: PlatformId) -> Result<Option<Held>, StoreError> {
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
    fn set_of(&self, record: &Record) -> Option<PckSet> {
        let pcks = record.pcks.as_ref()?;
        let raw = RawPcks { certificates: pcks.certificates.clone(), chain: pcks.chain.clone() };
        let refused =
            |error: PckError| tracing::warn!(code = error.code(), "stored PCK certificates are not used");
        self.verify(&raw, record.id()?).map_err(refused).ok()
    }
}

/// A record, if it is one that this release knows.
fn read(text: &[u8]) -> Option<Record> {
    serde_json::from_slice::<Record>(text).ok().filter(|record| record.format == FORMAT)
}

/// Why certificates that were brought are not taken.
#[derive(Debug, thiserror::Error)]
pub enum BringError {
    /// They are not genuine, or not of one platform.
    #[error("{0}")]
    Pck(PckError),
    /// They could not be kept.
    #[error("{0}")]
    Store(StoreError),
}

/// Names a question of a platform that nobody registered.
fn passing_key(asked: &Registration) -> Key {
    let ppid = asked.encrypted_ppid.as_deref().unwrap_or_default();
    let raw = asked.raw_tcb.map(|raw| (raw.cpu_svn, raw.pce_svn.to_le_bytes())).unwrap_or_default();
    sha256(&[LABEL, &asked.id.qe_id, &asked.id.pce_id, ppid, &raw.0, &raw.1])
}

fn key(id: PlatformId) -> Key {
    sha256(&[LABEL, &id.qe_id, &id.pce_id])
}
