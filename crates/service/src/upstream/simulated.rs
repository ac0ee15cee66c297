//! The simulated vendors of `--dev` in this process, read by the very clients that read the real ones.
//!
//! What `assay simulate` makes while the service runs is found by the next question. Authorities of AMD's are not made
//! here: that takes seconds, and whoever simulates a chip has made them.

use std::path::Path;

use assay_collateral::upstream::{Answer, Upstream, Wanted};
use assay_silicon::upstream::VendorService;

use super::exchange::{Exchange, Way};
use super::kds::{self, Kds};
use super::pcs::{self, Pcs};
use super::{Bounds, LOCAL_BOUNDS};
use crate::clock::Clock;
use crate::config::SIMULATED;
use crate::simulated_vendors::InProcess;

const ROOT_CRL: &str = "/IntelSGXRootCA.der";

/// Simulated Intel and simulated AMD.
#[derive(Debug)]
pub(super) struct Simulated {
    intel: Pcs,
    amd: Kds,
}

impl Simulated {
    /// The vendors of a folder of simulated silicon, in the time of this clock.
    pub(super) fn of_folder(folder: &Path, clock: &Clock) -> Self {
        let vendors = VendorService::of_folder(folder).with_made_authorities_only();
        let way = Way::Simulated(InProcess::new(vendors, clock.clone()));
        let Bounds { timeout, .. } = LOCAL_BOUNDS;
        let exchange = |unknown| Exchange { way: way.clone(), timeout, clock: clock.clone(), unknown };
        let name = || SIMULATED.to_owned();
        Self {
            intel: Pcs {
                name: name(),
                base: String::new(),
                root_crl_url: ROOT_CRL.to_owned(),
                registration_url: String::new(),
                key: None,
                exchange: exchange(pcs::UNKNOWN),
            },
            amd: Kds { name: name(), bases: vec![String::new()], exchange: exchange(kds::UNKNOWN) },
        }
    }

    fn vendor(&self, wanted: &Wanted) -> &dyn Upstream {
        if self.amd.offers(wanted) { &self.amd } else { &self.intel }
    }
}

impl Upstream for Simulated {
    fn name(&self) -> &str {
        SIMULATED
    }

    fn offers(&self, wanted: &Wanted) -> bool {
        self.vendor(wanted).offers(wanted)
    }

    fn fetch<'a>(&'a self, wanted: &'a Wanted) -> Answer<'a> {
        self.vendor(wanted).fetch(wanted)
    }
}
