//! Platforms of Intel's that registered, and their PCK certificates.
//!
//! ```text
//! head collateral/platform/{sha-256 of its ids}   sealed under the master key: {"format":1,"qe_id":..,"manifest":..,"pcks":..}
//! ```
//!
//! What identifies a platform (QE ID, PPID, manifest, and the certificates, which carry the PPID) is only stored sealed, and
//! never logged. Of a platform that merely asks, what the vendor answered is stored apart (`learned.rs`).

mod kept;
mod learned;
mod quotes;
mod record;
mod told;
mod unregistered;

use std::collections::{BTreeSet, HashMap};
use std::mem::Discriminant;
use std::sync::{Arc, Mutex};

use assay_collateral::pck::{PckCertificate, PckError, PckSet, PlatformId, RawTcb};
use assay_collateral::shelf::Shelf;
use assay_collateral::subject::{Selection, Subject};
use assay_collateral::upstream::{Fetched, PckRequest, RawPcks, Wanted};
use assay_store::{Digest, Store, StoreError};
use assay_token::wrap::MasterKey;
use assay_verify::cache::ChainCache;
use assay_verify::intel::single::Tee;
use assay_verify::{UnixTime, sha256};

use kept::{KeepError, read};
use learned::Learned;
use record::{Record, with_question};

use super::library::{Library, MOST_UNDER_WAY, Mode, NotServed, RETRY_AFTER, Served, not_served};
use super::refresh::Refreshed;
use super::reply::Refusal;
use super::sealed::{PLATFORMS, Sealed};
use crate::clock::Clock;
use crate::flight::Flights;
use crate::trust::TrustHolder;
use crate::upstream::{Asker, Chain};

const LABEL: &[u8] = b"assay platform name v1\0";
/// Platforms held in memory, at about 30 KiB each with all their certificates; the others are in the store.
const MAX_IN_MEMORY: usize = 2048;

pub(crate) use quotes::PckChains;
pub use record::{Listed, Registration};

type Key = [u8; 32];
/// Who asks for the same for the same reason waits together. Another cache gives the certificate of the TCB that was asked for.
type Question = (Key, Option<RawTcb>, Discriminant<Reason>);

/// What came of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// Its certificates are here.
    Ready,
    /// It waits for its certificates to be brought.
    Waiting,
}

/// Why certificates are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// Whoever may register says which platform it is.
    Registration,
    /// There may be newer ones.
    Refresh,
    /// Somebody asks, who may be anybody.
    Question(Asker),
}

impl Reason {
    const fn asker(self) -> Asker {
        match self {
            Self::Registration | Self::Refresh => Asker::Own,
            Self::Question(asker) => asker,
        }
    }
}

/// The certificate that a platform uses now.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    pub(crate) certificate: PckCertificate,
    pub(crate) set: Arc<PckSet>,
    /// Whether the vendor could not be asked, and it is what he said earlier of whoever was asked for with this QE ID.
    pub(crate) is_learned: bool,
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
    passing: Mutex<HashMap<Key, (UnixTime, Arc<PckSet>)>>,
    /// Of the same, for when nobody can be asked.
    learned: Learned,
    flights: Flights<Question, Result<(), NotServed>>,
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
        let learned = Learned::new(&store, &master);
        let sealed = Sealed { store, master, kind: PLATFORMS };
        Self { learned, sealed, upstream, library, trust, cache, clock, mode, memory, passing, flights }
    }

    /// The certificate for what a platform runs now.
    ///
    /// # Errors
    /// 461 for a platform that is not known, 462 where it has no certificate for this TCB, and 503 where that cannot be said now.
    pub(crate) async fn certificate(
        self: &Arc<Self>,
        asked: &Registration,
        raw: RawTcb,
        asker: Asker,
    ) -> Result<Selected, Refusal> {
        let known = self.look_up(asked.id).await?;
        let mut fallback = None;
        if let Some(set) = known.as_ref().and_then(|held| held.set.clone()) {
            fallback = self.select(&set, raw, asker).await?;
            // Intel's list has a certificate for every TCB; one from another cache was for the TCB that was asked for.
            if set.is_whole() || fallback.as_ref().is_some_and(|selected| selected.certificate.is_for(&raw)) {
                return fallback.ok_or(Refusal::NoCertificate);
            }
        }
        let request = match &known {
            Some(held) => with_question(&held.record, asked),
            // Nothing binds the QE ID of who merely asks to his PPID: what comes is for this question, and leaves no trace.
            None if asked.encrypted_ppid.is_some() => return self.pass_by(asked, raw, asker).await,
            None => return Err(Refusal::PlatformUnknown),
        };
        if self.mode == Mode::Offline {
            return fallback.ok_or(Refusal::NoCertificate);
        }
        let is_nameless = request.encrypted_ppid.is_none() && request.manifest.is_none();
        match self.fetch(Registration { raw_tcb: Some(raw), ..request }, Reason::Question(asker)).await {
            Ok(()) => {}
            Err(_) if fallback.is_some() => return fallback.ok_or(Refusal::NoCertificate),
            // It registered with nothing that Intel could be asked with.
            Err(_) if is_nameless && asked.encrypted_ppid.is_some() => {
                return self.pass_by(asked, raw, asker).await;
            }
            Err(NotServed::Unknown | NotServed::NotHeld) => return Err(Refusal::NoCertificate),
            Err(_) => return Err(Refusal::Passing),
        }
        let set = self.look_up(asked.id).await?.and_then(|held| held.set);
        let selected = match set {
            Some(set) => self.select(&set, raw, asker).await?,
            None => None,
        };
        selected.ok_or(Refusal::NoCertificate)
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
        match self.fetch(registration, Reason::Registration).await {
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
        let set = self.verify(&raw, id).and_then(|set| set.valid_at(self.clock.now()));
        let set = set.map_err(BringError::Pck)?;
        let kept = self.keep(id, set, Some(Registration::nothing(id))).await;
        kept.map_err(|error| match error {
            KeepError::Store(error) => BringError::Store(error),
            KeepError::OtherPlatform => BringError::Pck(PckError::Mixed),
        })
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
            if let (Some(id), Some(pcks)) = (record.id(), record.pcks) {
                let (certificates, chain) = (pcks.certificates, pcks.chain);
                work(
                    id,
                    RawPcks { certificates, chain, incomplete: record.not_available, is_list: pcks.is_list },
                );
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
        self.refresh_where(|_, fetched_under, current| fetched_under < current).await
    }

    /// Asks for the certificates of all platforms anew, or for those of some families.
    pub(crate) async fn refresh_all(
        self: &Arc<Self>,
        of: Option<BTreeSet<[u8; 6]>>,
    ) -> Result<Refreshed, StoreError> {
        self.refresh_where(move |fmspc, _, _| of.as_ref().is_none_or(|of| of.contains(&fmspc))).await
    }

    async fn refresh_where(
        self: &Arc<Self>,
        counts: impl Fn([u8; 6], Option<u32>, Option<u32>) -> bool + Send + 'static,
    ) -> Result<Refreshed, StoreError> {
        if self.mode == Mode::Offline || self.upstream.is_empty() {
            return Ok(Refreshed::default());
        }
        let platforms = Arc::clone(self);
        let outdated = tokio::task::spawn_blocking(move || platforms.outdated(counts)).await;
        let outdated = outdated.map_err(|error| StoreError::Io { cause: error.to_string() })??;
        let (mut done, mut older): (usize, usize) = (0, 0);
        for registration in &outdated {
            // What failed stays outdated, and is tried again with the next pass. One that Intel no longer answers for, or for
            // which it gives nothing usable, holds up nobody; where upstream is in trouble, the others would fail as well.
            match self.fetch(registration.clone(), Reason::Refresh).await {
                Ok(()) => done = done.saturating_add(1),
                // A folder or a bundle need not have every platform: what is held stays.
                Err(NotServed::Unknown | NotServed::NotHeld) if self.upstream.is_local() => {
                    older = older.saturating_add(1);
                }
                Err(NotServed::Away) => break,
                Err(NotServed::Passing { code }) if code != "upstream-bad-answer" => break,
                Err(_) => {}
            }
        }
        Ok(Refreshed { wanted: outdated.len(), done, older, ..Refreshed::default() })
    }

    fn outdated(
        &self,
        counts: impl Fn([u8; 6], Option<u32>, Option<u32>) -> bool,
    ) -> Result<Vec<Registration>, StoreError> {
        let mut outdated = Vec::new();
        self.sealed.for_each(|_, text| {
            let Some(record) = read(text) else { return };
            let fetched_under = record.pcks.as_ref().and_then(|pcks| pcks.evaluation);
            let Some(fmspc) = record.fmspc() else { return };
            if counts(fmspc, fetched_under, self.evaluation(fmspc)) {
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
    pub(crate) async fn choose(
        &self,
        set: &Arc<PckSet>,
        raw: RawTcb,
        asker: Asker,
    ) -> Result<PckCertificate, Refusal> {
        let selected = self.select(set, raw, asker).await?;
        selected.map(|selected| selected.certificate).ok_or(Refusal::NoCertificate)
    }

    async fn select(
        &self,
        set: &Arc<PckSet>,
        raw: RawTcb,
        asker: Asker,
    ) -> Result<Option<Selected>, Refusal> {
        let subject = Subject::TcbInfo { tee: Tee::Sgx, fmspc: set.fmspc() };
        // Whose levels order the certificates; those of a platform that was registered are fetched in every mode but offline.
        let held = self.library.held(subject, Selection::default());
        let now = self.clock.now().0;
        let failed = self.library.failure(subject, Selection::default());
        let failed_just_now = failed.is_some_and(|failure| now.saturating_sub(failure.at.0) < RETRY_AFTER);
        // In that mode strangers' questions lead nowhere by themselves; one a minute is asked for them.
        let may_bring = asker == Asker::Own || (self.mode == Mode::Registration && !failed_just_now);
        if held.is_none() && may_bring {
            self.library.bring(subject, Selection::default()).await;
        }
        let served = self.library.document(subject, Selection::default(), asker).await?;
        let Some(info) = served.document.tcb_info() else { return Err(Refusal::Internal) };
        let usable = self.usable(set);
        if usable.certificates().len() < set.certificates().len() {
            tracing::warn!("PCK certificates of a platform are revoked or not valid now");
        }
        let chosen = usable.select(&raw, info).cloned();
        Ok(chosen.map(|certificate| Selected { certificate, set: Arc::clone(set), is_learned: false }))
    }

    /// The certificates that are valid now and not revoked.
    fn usable(&self, set: &PckSet) -> PckSet {
        let (now, lists) = (self.clock.now(), [Subject::RootCrl, Subject::PckCrl(set.ca())]);
        let lists = lists.map(|subject| self.library.held(subject, Selection::default()));
        let revokes = |served: &Served, pck: &PckCertificate| {
            served.document.crl().is_some_and(|list| list.revokes_pck(&pck.verified))
        };
        set.only(|pck| pck.is_valid_at(now) && !lists.iter().flatten().any(|list| revokes(list, pck)))
    }

    /// Asks upstream for a platform's certificates and keeps them; once for all who ask at the same time.
    async fn fetch(self: &Arc<Self>, registration: Registration, reason: Reason) -> Result<(), NotServed> {
        let platforms = Arc::clone(self);
        let question = (key(registration.id), registration.raw_tcb, std::mem::discriminant(&reason));
        let work = || async move { platforms.fetch_now(registration, reason).await };
        let Some(waiter) = self.flights.join(question, MOST_UNDER_WAY, work) else {
            return Err(NotServed::Passing { code: "too-many-questions" });
        };
        waiter.wait().await.unwrap_or(Err(NotServed::Passing { code: "interrupted" }))
    }

    /// Certificates of another platform take the place of what is held only when whoever may register says that it is
    /// another one: not when a vendor mixes them up.
    async fn fetch_now(
        self: &Arc<Self>,
        registration: Registration,
        reason: Reason,
    ) -> Result<(), NotServed> {
        let set = match self.ask(&registration, reason.asker()).await {
            Err(NotServed::Unknown) if reason.asker() == Asker::Own => {
                self.note_unavailable(registration.id).await;
                return Err(NotServed::Unknown);
            }
            answer => answer?,
        };
        // Who merely asks tells nothing that is believed of a platform that is known.
        let told = (reason == Reason::Registration).then(|| registration.clone());
        self.keep(registration.id, set, told).await.map_err(|error| match error {
            KeepError::OtherPlatform => {
                tracing::warn!(
                    "certificates of another platform came for one that is known; they are not kept"
                );
                NotServed::Refused { code: "pck-other-platform".to_owned() }
            }
            KeepError::Store(error) => {
                tracing::error!(%error, "PCK certificates were not kept");
                NotServed::Passing { code: "store" }
            }
        })
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
            self.verify(&raw, id).and_then(|set| set.valid_at(self.clock.now())).map_err(|error| {
                tracing::warn!(source, code = error.code(), "PCK certificates were refused");
                refused = Some(error.code().to_owned());
                error.code().to_owned()
            })
        };
        let found = self.upstream.ask(&wanted, asker, accept).await;
        found.map(|found| found.value).map_err(|failures| {
            tracing::warn!(%failures, "no PCK certificates came");
            match refused {
                Some(code) => NotServed::Refused { code },
                None if self.upstream.is_away(&failures) => NotServed::Away,
                None => not_served(&failures),
            }
        })
    }

    fn verify(&self, raw: &RawPcks, id: PlatformId) -> Result<PckSet, PckError> {
        let trust = self.trust.current();
        let mut set = PckSet::verify(&raw.certificates, &raw.chain, id.pce_id, &trust.anchors, &self.cache)?;
        (set.incomplete, set.is_list) = (raw.incomplete, raw.is_list);
        Ok(set)
    }
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

fn key(id: PlatformId) -> Key {
    sha256(&[LABEL, &id.qe_id, &id.pce_id])
}
