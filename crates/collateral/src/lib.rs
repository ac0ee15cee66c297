//! The hardware identity service: vendor collateral, held only when verified.
//!
//! [`CollateralFolder`] keeps the collateral of some folders in memory. Whoever fills the folders is not trusted: a set is held
//! only if its signatures lead to a trust anchor, and it never replaces a newer one. Dates are judged at each use, so that an
//! expired set is found and the report can say that it expired.
//!
//! No network here; the clock is not read.

mod amd;
pub mod baseline;
pub mod bundle;
pub mod document;
pub mod filed;
mod files;
mod folder;
pub mod pck;
pub mod preview;
mod sets;
pub mod shelf;
pub mod state;
pub mod subject;
pub mod upstream;

pub use files::{FileProblem, Limits};
pub use folder::{CollateralFolder, Entry, Reload};
