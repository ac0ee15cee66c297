//! What a machine without a network needs for weeks, in one document.
//!
//! A bundle carries what vendors signed and nothing else: documents, VEK certificates, and PCK certificates of platforms. It
//! never carries roots, policies, providers or keys, so whoever makes one can withhold or delay, and can make nobody believe
//! anything. Whoever reads one verifies all of it again to the vendors' roots ([`Examination`]); the only way from a bundle
//! to a shelf is [`Examination::accept`].
//!
//! Who signs bundles, and that their sequence rises, is looked at before any of this, by whoever holds the keys.

mod entry_error;
mod error;
mod examine;
mod format;
mod gather;
mod imported;
mod sets;
mod wire;

pub use entry_error::{EntryError, RefusedEntry};
pub use error::BundleError;
pub use examine::{Examination, Import, TakenEntry, Terms};
pub use format::{Bundle, DocumentEntry, Entries, PlatformEntry};
pub use gather::{Gathered, gather};
pub use imported::Imported;
pub use sets::sets;

/// Version of the format.
pub const VERSION: u32 = 1;
/// Largest content: 200 families with two architectures in two evaluations have 20 MiB, and a VEK certificate 2 KiB.
pub const MAX_CONTENT: usize = 32 * 1024 * 1024;
/// As many subjects as a shelf holds.
pub const MAX_DOCUMENTS: usize = 4096;
/// One for each chip and TCB of a fleet; so many fill half of a bundle.
pub const MAX_VEKS: usize = 10_000;
/// With the twenty certificates that a platform has, so many fill a bundle.
pub const MAX_PLATFORMS: usize = 1000;
/// Longest name of an issuer.
pub const MAX_ISSUER: usize = 128;
