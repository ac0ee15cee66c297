//! The simulated vendors as online services: what a client of Intel's provisioning certification service (PCS, version 4),
//! Intel's registration service and AMD's key distribution service (KDS) gets for an answer, without HTTP and without a
//! clock.
//!
//! ```
//! use assay_silicon::upstream::{VendorRequest, VendorService};
//!
//! let folder = tempfile::tempdir()?;
//! let vendors = VendorService::of_folder(folder.path());
//! let request = VendorRequest::get("/sgx/certification/v4/tcb", "fmspc=53494D000002");
//! let answer = vendors.answer(&request, 1_780_000_000); // unix seconds
//! assert_eq!(answer.status, 200);
//! assert!(answer.header("TCB-Info-Issuer-Chain").is_some());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Everything verifies to the roots of the folder, and what other processes revoke, make or register there is heeded by the
//! next answer. Documents and lists are issued at midnight (UTC) of the day of the question; as long as the service lives
//! they are the same bytes all day. Clients are tested for what vendors do on bad days with a [`Fault`].

mod fault;
mod kds;
mod message;
mod pck;
mod pcs;
mod registration;
mod reply;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::amd::{Amd, Product, VekKind};
use crate::error::SiliconError;
use crate::intel::Intel;

pub use fault::{Fault, FaultOrder};
pub use message::{VendorAnswer, VendorRequest};

use fault::Circumstances;
use reply::{Failure, Refusal, Reply};

const DAY: i64 = 24 * 60 * 60;
/// How many documents are kept to be the same bytes all day. There are about 40 in a day.
const KEPT: usize = 256;

/// The services of the simulated vendors of a folder.
pub struct VendorService {
    dir: PathBuf,
    /// The key that requests for PCK certificates must have.
    api_key: Option<String>,
    /// Seconds between two requests for VCEKs.
    vcek_interval: i64,
    makes_authorities: bool,
    faults: Mutex<Vec<Arc<FaultOrder>>>,
    memory: Mutex<Memory>,
}

/// What the service remembers from one request to the next.
#[derive(Debug, Default)]
struct Memory {
    documents: HashMap<String, Reply>,
    /// Vendors whose roots nobody trusts.
    strange_intel: Option<Intel>,
    strange_amd: Option<Amd>,
    /// Unix seconds of the last request for a VCEK that was answered.
    last_vcek: Option<i64>,
}

/// Without the key.
impl fmt::Debug for VendorService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shape = formatter.debug_struct("VendorService");
        shape.field("dir", &self.dir).field("faults", &self.faults).finish_non_exhaustive()
    }
}

impl VendorService {
    /// The services of the vendors in `dir`, the folder of [`Intel::load_or_generate`] and [`Amd::update`]. Vendors and
    /// authorities that are not there yet are made when they are first needed.
    #[must_use]
    pub fn of_folder(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            api_key: None,
            vcek_interval: 0,
            makes_authorities: true,
            faults: Mutex::default(),
            memory: Mutex::default(),
        }
    }

    /// Demands this subscription key for PCK certificates and for packages that are added.
    #[must_use]
    pub fn with_api_key(self, key: &str) -> Self {
        Self { api_key: Some(key.to_owned()), ..self }
    }

    /// Answers one request for a VCEK in so many seconds, and others with 429, as AMD's service does to each address.
    #[must_use]
    pub fn with_vcek_interval(self, seconds: u32) -> Self {
        Self { vcek_interval: seconds.into(), ..self }
    }

    /// Makes no authorities of AMD's, which takes seconds: a product that nobody has simulated in the folder is not there.
    #[must_use]
    pub fn with_made_authorities_only(self) -> Self {
        Self { makes_authorities: false, ..self }
    }

    /// Goes wrong as ordered. Of several faults that a request could have it gets the first.
    #[must_use]
    pub fn with_faults(self, faults: Vec<FaultOrder>) -> Self {
        self.order(faults);
        self
    }

    /// Goes wrong as ordered from now on, in the place of what was ordered before.
    pub fn order(&self, faults: Vec<FaultOrder>) {
        let faults = faults.into_iter().map(Arc::new).collect();
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// The first fault that strikes a request.
    fn fault(&self, request: &VendorRequest) -> Option<Arc<FaultOrder>> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().find(|order| order.strikes(request)).cloned()
    }

    /// Answers as the vendors do at `now` (unix seconds). A failure of the simulation is the status 500 with the
    /// `Error-Code` of the [`SiliconError`].
    ///
    /// The first request for a product of AMD's makes its authorities, which takes seconds.
    #[must_use]
    pub fn answer(&self, request: &VendorRequest, now: i64) -> VendorAnswer {
        let followed = request.after_redirect();
        let fault = self.fault(request);
        let request = followed.as_ref().unwrap_or(request);
        let Some(order) = fault else {
            return self.reply(request, &Circumstances::at(now)).into_answer();
        };
        order.perform(request, now, |circumstances| self.reply(request, circumstances))
    }

    fn reply(&self, request: &VendorRequest, circumstances: &Circumstances) -> Reply {
        let view = View { service: self, circumstances };
        let reply = match request.path.split('/').nth(1) {
            Some("sgx") if request.path.starts_with("/sgx/registration/") => {
                registration::reply(&view, request)
            }
            Some("vcek" | "vlek") => kds::reply(&view, request),
            _ => pcs::reply(&view, request),
        };
        reply.unwrap_or_else(Failure::into_reply)
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        // A thread that panicked has left a document too few, which is made again.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The service as one request sees it.
struct View<'a> {
    service: &'a VendorService,
    circumstances: &'a Circumstances,
}

impl View<'_> {
    fn dir(&self) -> &Path {
        &self.service.dir
    }

    fn intel(&self) -> Result<Intel, SiliconError> {
        let now = self.circumstances.now;
        if !self.circumstances.strange_root {
            return Intel::load_or_generate(self.dir(), now);
        }
        let mut memory = self.service.memory();
        let known = memory.strange_intel.take().map_or_else(|| Intel::generate(now), Ok)?;
        Ok(memory.strange_intel.insert(known).clone())
    }

    /// A vendor that has the authorities for a kind of key of a product.
    fn amd(&self, product: Product, kind: VekKind) -> Result<Amd, Failure> {
        let now = self.circumstances.now;
        if self.circumstances.strange_root {
            let mut memory = self.service.memory();
            let strange = memory.strange_amd.get_or_insert_with(|| Amd::new(now));
            strange.require(product, kind)?;
            return Ok(strange.clone());
        }
        let has = |amd: &Amd| amd.authorities().iter().any(|it| (it.product, it.kind) == (product, kind));
        match Amd::load(self.dir())?.filter(has) {
            Some(amd) => Ok(amd),
            None if !self.service.makes_authorities => Err(Refusal::NOT_FOUND.into()),
            None => Ok(Amd::update(self.dir(), now, |amd| amd.require(product, kind))?.0),
        }
    }

    /// The reply that was made for the same question today, or a new one. `name` says all that the question depends on
    /// besides the circumstances.
    fn kept(&self, name: &str, make: impl FnOnce() -> Result<Reply, Failure>) -> Result<Reply, Failure> {
        let key = format!("{name} {:?}", self.circumstances.issue());
        if let Some(reply) = self.service.memory().documents.get(&key) {
            return Ok(reply.clone());
        }
        let reply = make()?;
        let mut memory = self.service.memory();
        if memory.documents.len() >= KEPT {
            memory.documents.clear();
        }
        // Of two that were made at the same time the first one counts.
        Ok(memory.documents.entry(key).or_insert(reply).clone())
    }
}
