//! The hardware identity service: the vendors' certificates and documents for a fleet of machines, in the forms in which
//! Intel's PCS and PCCS, AMD's key distribution service and Azure's caches give them.
//!
//! ```text
//! request -> routes -> pcs | kds -> library | veks -> shelf | store | upstream -> verify -> store -> shelf -> reply
//! ```

pub mod administration;
pub(crate) mod baselines;
mod bring;
mod bundles;
pub(crate) mod explain;
pub(crate) mod inventory;
mod kds;
pub mod library;
pub(crate) mod operator;
pub mod options;
pub mod outcome;
mod pckcert;
mod pcs;
mod persist;
pub mod platforms;
mod policies;
mod query;
pub mod refresh;
mod registration;
mod reply;
mod routes;
pub(crate) mod sealed;
mod sets;
mod thim;
pub mod veks;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use assay_collateral::document::Content;
use assay_collateral::preview::Tally;
use assay_collateral::state::State;
use assay_collateral::subject::{Selection, Subject, amd_lists};
use assay_collateral::upstream::{Family, Fetched, Wanted};
use assay_store::StoreError;
use assay_verify::UnixTime;
use assay_verify::cache::ChainCache;
use assay_verify::error::Document as Part;
use assay_verify::intel::single::Tee;
use assay_verify::intel::{Collateral, PlatformKey, RawCollateral};
use assay_verify::snp::AmdCrl;
use http::HeaderMap;

use crate::clock::Clock;
use crate::counters::Named;
use crate::upstream::{Asker, Chain, Failures, UpstreamState};

use assay_token::wrap::MasterKey;
use baselines::Baselines;
use library::{Foundation, Library, LibraryOptions, Mode, NotServed, Served};
use platforms::{Parts, Platforms};
use policies::Policies;
use refresh::Refreshed;
use reply::Refusal;
use sets::Sets;
use veks::Veks;

pub(crate) use pckcert::LEARNED;
pub(crate) use persist::change_id;
pub(crate) use reply::Reply;
pub(crate) use routes::{Asked, Path, answer, find};

/// A manifest in hexadecimal, and what stands around it.
pub(crate) const MAX_BODY: usize = 128 * 1024;

/// Intel's list of families changes with new processors.
const FAMILIES_LIFE: i64 = 24 * 60 * 60;

/// Everything that the vendors' routes answer from.
#[derive(Debug)]
pub struct HardwareIdentity {
    /// Documents.
    pub library: Arc<Library>,
    /// Certificates of AMD's chips.
    pub veks: Arc<Veks>,
    /// Intel's platforms.
    pub platforms: Arc<Platforms>,
    policies: Arc<Policies>,
    upstream: Arc<Chain>,
    clock: Clock,
    families: Mutex<Option<(UnixTime, Arc<[Family]>)>>,
    sets: Sets,
    baselines: Arc<Baselines>,
    cache: Arc<ChainCache>,
    /// Documents that were given out although they had expired, by kind.
    pub(crate) expired_served: Named,
    configured: Mode,
    /// Held while a bundle is taken in.
    importing: tokio::sync::Mutex<()>,
}

impl HardwareIdentity {
    pub(crate) fn new(foundation: Foundation, master: Arc<MasterKey>, options: LibraryOptions) -> Self {
        let Foundation { store, upstream, trust, cache, clock } = foundation.clone();
        let configured = options.mode;
        let options = LibraryOptions { mode: configured.with(&upstream), ..options };
        let mode = options.mode;
        let veks = Veks::new(
            Arc::clone(&store),
            Arc::clone(&master),
            Arc::clone(&upstream),
            Arc::clone(&trust),
            clock.clone(),
            mode,
        );
        let baselines = Arc::new(Baselines::new(Arc::clone(&store)));
        let policies = Arc::new(Policies::new(Arc::clone(&store)));
        let library = Arc::new(Library::new(foundation, options));
        let parts = Parts {
            store,
            master,
            upstream: Arc::clone(&upstream),
            library: Arc::clone(&library),
            trust,
            cache: Arc::clone(&cache),
            clock: clock.clone(),
            mode,
        };
        let platforms = Arc::new(Platforms::new(parts));
        Self {
            library,
            veks: Arc::new(veks),
            platforms,
            policies,
            upstream,
            clock,
            families: Mutex::default(),
            sets: Sets::default(),
            baselines,
            cache,
            expired_served: Named::default(),
            configured,
            importing: tokio::sync::Mutex::default(),
        }
    }

    /// When upstreams are asked, as configured.
    pub(crate) const fn mode(&self) -> Mode {
        self.configured
    }

    /// Who is asked for what is not held.
    pub(crate) fn upstream(&self) -> &Chain {
        &self.upstream
    }

    /// An answer with a document: says for how long it is good, and counts it where it is not any more.
    fn dated(&self, reply: Reply, served: &Served, asked: &HeaderMap) -> Reply {
        if served.state == State::Expired {
            self.expired_served.increment(served.document.subject.kind());
        }
        reply.dated(served, self.now(), asked)
    }

    /// Everybody who can be asked, as it stands now.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = UpstreamState<'_>> {
        self.upstream.states()
    }

    /// Whether anybody can be asked.
    pub(crate) fn has_upstream(&self) -> bool {
        !self.upstream.is_empty()
    }

    /// The time.
    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// What is meant by who names no version.
    pub(crate) fn default_selection(&self) -> Selection {
        self.baselines.effective(None, self.now()).counts
    }

    /// What evidence for a provider is judged by: in a grace period the former evaluation, while nodes get the new one.
    pub(crate) fn judging_selection(&self, provider: &str) -> Selection {
        let effective = self.baselines.effective(Some(provider), self.now());
        effective.also.map_or(effective.counts, |(former, _)| former)
    }

    /// Pinned evaluations.
    pub(crate) fn baselines(&self) -> Arc<Baselines> {
        Arc::clone(&self.baselines)
    }

    /// Reads what other instances wrote. Blocks.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn load(&self) -> Result<(), StoreError> {
        // Each remembers what it read: what one could not read now is read the next time, whatever the other did.
        self.library.load()?;
        self.baselines.load()
    }

    /// TCB info of SGX families that are held.
    pub(crate) fn families_held(&self) -> BTreeSet<Subject> {
        let of_sgx = |subject: &Subject| matches!(subject, Subject::TcbInfo { tee: Tee::Sgx, .. });
        self.library.shelf().iter().map(|(subject, _, _)| subject).filter(of_sgx).collect()
    }

    /// What becomes of the known platforms if another evaluation counts.
    pub(crate) async fn preview(&self, before: u32, after: u32) -> Result<Tally, StoreError> {
        let platforms = Arc::clone(&self.platforms);
        let work = move || baselines::preview(&platforms, before, after);
        let made = tokio::task::spawn_blocking(work).await;
        made.map_err(|error| StoreError::Io { cause: error.to_string() })?
    }

    /// The collateral of a family, from the documents that are held.
    pub(crate) fn set(&self, platform: &PlatformKey, selection: Selection) -> Option<Arc<Collateral>> {
        let trust = self.library.trust();
        self.sets.find(&self.library.shelf(), platform, selection, &trust.anchors, &self.cache)
    }

    /// Whether a list that is held is newer than that of a set: what it revokes must count.
    pub(crate) fn has_newer_lists(&self, set: &Collateral) -> bool {
        let lists = [(Subject::RootCrl, Part::RootCrl), (Subject::PckCrl(set.platform().ca), Part::PckCrl)];
        lists.into_iter().any(|(subject, part)| {
            let held = self.library.held(subject, Selection::default());
            held.is_some_and(|held| match &held.document.content {
                // Beside the vendor's there may be simulated authorities, whose lists say nothing about the vendor's.
                Content::Crl(list) if set.shares_authority(list) => {
                    set.issued(part).is_none_or(|issued| issued < list.window.from)
                }
                _ => false,
            })
        })
    }

    /// Whether any part of a set is older than what is held of the same authority.
    pub(crate) fn has_newer_part(&self, set: &Collateral) -> bool {
        let root = self.library.held(Subject::RootCrl, Selection::default());
        let is_others = root.and_then(|root| root.document.crl().map(|list| !set.shares_authority(list)));
        if is_others == Some(true) {
            return false;
        }
        let Some(held) = self.set(&set.platform(), Selection::default()) else {
            return self.has_newer_lists(set);
        };
        let parts = [Part::TcbInfo, Part::QeIdentity, Part::RootCrl, Part::PckCrl];
        parts.into_iter().any(|part| set.issued(part) < held.issued(part))
    }

    /// Asks for everything anew, or for what is of some families: for documents, or with `certs` for the certificates of
    /// platforms, as PCCS has it.
    async fn refresh_all(
        &self,
        what: Option<&str>,
        of: Option<BTreeSet<[u8; 6]>>,
    ) -> Result<Refreshed, Refusal> {
        match what {
            None if of.is_some() => Ok(self.library.refresh_all(of.as_ref()).await),
            None => {
                let held = self.library.refresh_all(None).await;
                let missing = self.missing(&self.selections_in_use());
                let missing = missing.into_iter().map(|one| (one.subject, one.selection.unwrap_or_default()));
                Ok(held.and(self.library.ask_for(missing.collect()).await))
            }
            Some("certs") => self.platforms.refresh_all(of).await.map_err(|error| {
                tracing::error!(%error, "PCK certificates were not refreshed");
                Refusal::Internal
            }),
            Some(_) => Err(Refusal::Malformed("`type` must be `certs`, or absent.")),
        }
    }

    /// The documents of a set that was put together here.
    pub(crate) fn raw_set(&self, digest: &[u8; 32]) -> Option<Arc<RawCollateral>> {
        self.sets.raw(digest)
    }

    /// Asks upstream for what a set of this family lacks, or for what of it has expired.
    ///
    /// # Errors
    /// [`NotServed`]: the first that cannot be had.
    pub(crate) async fn bring_set(
        &self,
        platform: &PlatformKey,
        selection: Selection,
        asker: Asker,
    ) -> Result<(), NotServed> {
        for subject in sets::subjects(platform) {
            let selection = if subject.is_numbered() { selection } else { Selection::default() };
            self.library.document(subject, selection, asker).await?;
        }
        Ok(())
    }

    /// Every list of AMD's that is held.
    pub(crate) fn amd_crls(&self) -> Vec<Arc<AmdCrl>> {
        let shelf = self.library.shelf();
        let list = |subject| match &shelf.get(subject, Selection::default())?.document.content {
            Content::AmdCrl(list) => Some(Arc::clone(list)),
            _ => None,
        };
        amd_lists().filter_map(list).collect()
    }

    /// The families of Intel's platforms: those that Intel lists, and those whose documents are held. Intel does not sign
    /// its list; it is a directory, and whoever asks for a family's documents gets signed ones.
    async fn families(&self, asker: Asker) -> Result<Arc<[Family]>, Refusal> {
        let now = self.now();
        let listed = self.families.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, families)) = &listed
            && now.0.saturating_sub(at.0) < FAMILIES_LIFE
        {
            return Ok(Arc::clone(families));
        }
        let mut families = self.held_families();
        let listing = |_: &str, fetched| match fetched {
            Fetched::Families(found) => Ok(found),
            _ => Err("other-kind".to_owned()),
        };
        let found = match self.library.options().mode {
            Mode::Lazy => self.upstream.ask(&Wanted::Families, asker, listing).await,
            Mode::Registration | Mode::Offline => Err(Failures::default()),
        };
        match (found, listed) {
            (Ok(found), _) => {
                families.retain(|held| found.value.iter().all(|family| family.fmspc != held.fmspc));
                families.extend(found.value);
                let families: Arc<[Family]> = families.into_iter().collect();
                let mut listed = self.families.lock().unwrap_or_else(PoisonError::into_inner);
                *listed = Some((now, Arc::clone(&families)));
                Ok(families)
            }
            (Err(_), Some((_, families))) => Ok(families),
            // An empty list would say that Intel has no families.
            (Err(failures), None) if families.is_empty() && failures.is_passing() => Err(Refusal::Passing),
            (Err(_), None) => Ok(families.into_iter().collect()),
        }
    }

    fn held_families(&self) -> BTreeSet<Family> {
        let shelf = self.library.shelf();
        let of = |subject| match subject {
            Subject::TcbInfo { fmspc, .. } => Some(Family { fmspc, platform: "unknown".to_owned() }),
            _ => None,
        };
        shelf.iter().filter_map(|(subject, _, _)| of(subject)).collect()
    }
}

#[cfg(test)]
mod tests;
