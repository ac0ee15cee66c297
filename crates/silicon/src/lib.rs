//! Simulated silicon: vendors, platforms and evidence, good and broken in every named way.
//!
//! Nothing here is trusted by default. A simulated vendor has random keys, made anew for each folder; a service trusts
//! them only in development mode, and only those of its own folder. What is made here has the exact shape of the real
//! thing (certificates, revocation lists, JSON documents, quotes), so that every rule of a verifier can be tested,
//! including those that no real evidence breaks.
//!
//! One module per vendor, [`intel`] and [`amd`], and one for what Azure's paravisor puts around a hardware report,
//! [`hcl`]; [`upstream`] answers as the vendors' online services do. The clock is an argument everywhere.

pub mod amd;
mod asn1;
mod error;
mod folder;
pub mod hcl;
pub mod intel;
mod keys;
mod runtime_data;
mod table;
mod td_report;
pub mod upstream;
pub mod uvm;
mod x509;

pub use error::SiliconError;
