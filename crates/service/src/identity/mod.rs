//! The hardware identity service: the vendors' certificates and documents for a fleet of machines, in the forms in which
//! Intel's PCS and PCCS, AMD's key distribution service and Azure's caches give them.
//!
//! ```text
//! request -> routes -> pcs | kds -> library | veks -> shelf | store | upstream -> verify -> store -> shelf -> reply
//! ```

mod kds;
pub mod library;
mod pcs;
mod persist;
mod query;
mod reply;
mod routes;
mod single_flight;
pub mod veks;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use assay_collateral::subject::{Selection, Subject};
use assay_collateral::upstream::{Family, Fetched, Upstream, Wanted};
use assay_verify::UnixTime;

use crate::clock::Clock;

use library::{Foundation, Library, LibraryOptions, Mode};
use reply::Refusal;
use veks::Veks;

pub(crate) use reply::Reply;
pub(crate) use routes::{Asked, Path, answer, find};

/// Intel's list of families changes with new processors.
const FAMILIES_LIFE: i64 = 24 * 60 * 60;

/// Everything that the vendors' routes answer from.
#[derive(Debug)]
pub struct HardwareIdentity {
    /// Documents.
    pub library: Arc<Library>,
    /// Certificates of AMD's chips.
    pub veks: Arc<Veks>,
    upstream: Option<Arc<dyn Upstream>>,
    clock: Clock,
    families: Mutex<Option<(UnixTime, Arc<[Family]>)>>,
}

impl HardwareIdentity {
    pub(crate) fn new(foundation: Foundation, options: LibraryOptions) -> Self {
        let Foundation { store, upstream, trust, clock, .. } = &foundation;
        let veks = Veks::new(Arc::clone(store), upstream.clone(), Arc::clone(trust), options.mode);
        let (upstream, clock) = (upstream.clone(), clock.clone());
        let library = Arc::new(Library::new(foundation, options));
        Self { library, veks: Arc::new(veks), upstream, clock, families: Mutex::default() }
    }

    /// The time.
    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// What is meant by who names no version.
    pub(crate) fn default_selection(&self) -> Selection {
        Selection::default()
    }

    /// The families of Intel's platforms: those that Intel lists, and those whose documents are held. Intel does not sign
    /// its list; it is a directory, and whoever asks for a family's documents gets signed ones.
    async fn families(&self) -> Result<Arc<[Family]>, Refusal> {
        let now = self.now();
        let listed = self.families.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, families)) = &listed
            && now.0.saturating_sub(at.0) < FAMILIES_LIFE
        {
            return Ok(Arc::clone(families));
        }
        let mut families = self.held_families();
        if let (Some(upstream), Mode::Lazy) = (&self.upstream, self.library.options().mode)
            && let Ok(Fetched::Families(found)) = upstream.fetch(&Wanted::Families).await
        {
            families.retain(|held| found.iter().all(|family| family.fmspc != held.fmspc));
            families.extend(found);
            let families: Arc<[Family]> = families.into_iter().collect();
            *self.families.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((now, Arc::clone(&families)));
            return Ok(families);
        }
        Ok(listed.map_or_else(|| families.into_iter().collect(), |(_, families)| families))
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
