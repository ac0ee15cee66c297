//! Is the evidence genuine?
//!
//! Typed evidence, collateral, trust anchors and a time go in; a [`Report`] of every check comes out and, only if no check
//! failed, a [`Verified`] value. Pure and synchronous: no clock, network, storage, environment or logging.
//!
//! **Trusted:** [`TrustAnchors`] and the time. **Not trusted:** evidence, collateral and every certificate chain, whoever
//! brings them. Signatures are checked over the bytes received, never over a re-encoding.

mod binding;
pub mod cache;
pub mod claims;
mod crypto;
pub mod error;
pub mod hcl;
pub mod intel;
pub mod report;
pub mod sgx;
pub mod snp;
mod time;
mod trust;
pub mod uvm;
mod x509;

pub use binding::Binding;
pub use crypto::sha256;
pub use error::VerifyError;
pub use report::{Check, CheckDef, Outcome, Report};
pub use time::{UnixTime, Window};
pub use trust::{AnchorOrigin, TrustAnchors, Verified};
