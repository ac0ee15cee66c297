//! Simulated AMD: processors with SEV-SNP, their attestation reports, and the certificates that vouch for them.
//!
//! ```no_run
//! use assay_silicon::amd::{Amd, ChipSpec, ReportSpec};
//!
//! let now = 1_780_000_000; // unix seconds
//! let mut amd = Amd::new(now);
//! let chip = amd.chip(&ChipSpec::default(), now)?; // makes two RSA-4096 keys: seconds
//! let report = chip.report(&ReportSpec { report_data: [7; 64], ..ReportSpec::default() })?;
//! assert_eq!(report.len(), 1184);
//! # Ok::<(), assay_silicon::SiliconError>(())
//! ```
//!
//! The shapes are those of AMD's certificates and of reports as of 2026. No VLEK and no revocation list of AMD's was at
//! hand: these follow AMD's documents.

mod certificate_table;
mod chip;
mod defects;
mod device;
mod fleet;
mod keys;
mod pki;
mod report;
mod spec;
mod storage;
mod vek;
mod vendor;

pub use certificate_table::certificate_table;
pub use chip::Chip;
pub use defects::{Defect, Sample};
pub use device::{Form, SimulateOptions, Simulated, simulate};
pub use spec::{
    ChipSpec, POLICY_DEBUG, POLICY_MIGRATE_MA, POLICY_RESERVED_ONE, POLICY_SMT, Product, ReportSpec, Tcb,
    VekKind,
};
pub use vendor::{Amd, Authority};

pub(crate) use fleet::find;
