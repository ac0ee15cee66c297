//! Simulated silicon: vendors, platforms and evidence, good and broken in every named way.
//!
//! Nothing here is trusted by default. A simulated vendor has random keys, made anew for each folder; a service trusts
//! them only in development mode, and only those of its own folder. What is made here has the exact shape of the real
//! thing (certificates, revocation lists, JSON documents, quotes), so that every rule of a verifier can be tested,
//! including those that no real evidence breaks.
//!
//! One module per vendor: [`intel`]. The clock is an argument everywhere.

mod asn1;
mod error;
pub mod intel;
mod keys;

pub use error::SiliconError;
