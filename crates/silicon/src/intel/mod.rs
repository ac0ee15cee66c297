//! Simulated Intel: SGX platforms, their quotes, and the collateral that vouches for them.
//!
//! ```
//! use assay_silicon::intel::{CollateralSpec, Intel, PlatformSpec, QuoteSpec};
//!
//! let now = 1_780_000_000; // unix seconds
//! let intel = Intel::generate(now)?;
//! let platform = intel.platform(&PlatformSpec::default(), now)?;
//! let quote = platform.quote(&QuoteSpec { report_data: [7; 64], ..QuoteSpec::default() })?;
//! let collateral = intel.collateral(&CollateralSpec::default(), now)?;
//! assert!(quote.len() > 4000 && collateral.tcb_info.contains("UpToDate"));
//! # Ok::<(), assay_silicon::SiliconError>(())
//! ```
//!
//! The shapes are those of Intel's production certificates, revocation lists and documents as of 2026.

mod collateral;
mod defects;
mod device;
mod documents;
mod fleet;
mod pck_extension;
mod pck_id;
mod pki;
mod platform;
mod published;
mod quote;
mod recovery;
mod spec;
mod storage;
mod vendor;

pub use collateral::Collateral;
pub use defects::{Defect, Sample};
pub use device::{Kind, SimulateOptions, Simulated, simulate};
pub use fleet::Registration;
pub use pck_id::PckId;
pub use platform::Platform;
pub use quote::open_enclave_report;
pub use spec::{
    Ca, CertificationType, CollateralSpec, Configuration, Kss, PlatformSpec, QeIdentitySpec, QeLevel, QeSpec,
    QuoteSpec, SgxType, TcbLevel, TcbStatus,
};
pub use vendor::Intel;

pub(crate) use fleet::{Known, find, register};
pub(crate) use pck_id::{AddRequest, Name, NotAManifest};
pub(crate) use published::SignedDocument;
pub(crate) use recovery::{EARLY, EVALUATIONS, STANDARD, levels};
