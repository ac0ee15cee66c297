//! What the core counts; the metrics page reads these.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Numbers that only grow, by name; the names are a small, fixed set.
#[derive(Debug, Default)]
pub struct Named(Mutex<BTreeMap<&'static str, u64>>);

impl Named {
    /// Adds one.
    pub fn increment(&self, name: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(name).or_default();
        *count = count.saturating_add(1);
    }

    /// The numbers that are not zero.
    #[must_use]
    pub fn get(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Sets the number.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds `difference`, which may be negative.
    pub fn add(&self, difference: i64) {
        self.0.fetch_add(difference, Ordering::Relaxed);
    }

    /// The number.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything the core counts. What attestations came to is counted by the HTTP side, with labels.
#[derive(Debug, Default)]
pub struct Counters {
    /// Answers for draft policies.
    pub drafts: Counter,
    /// Decision records written.
    pub records: Counter,
    /// Decision records that could not be written.
    pub record_failures: Counter,
    /// Times the registry was read again because something changed.
    pub registry_reloads: Counter,
    /// Times the registry could not be read.
    pub registry_failures: Counter,
    /// Collateral sets held.
    pub collateral_sets: Gauge,
    /// VEK certificates of AMD's platforms held.
    pub vek_certificates: Gauge,
    /// Collateral files that cannot be used.
    pub collateral_problems: Gauge,
    /// Seconds by which the clock stands behind the newest verified vendor date; 0 when it does not.
    pub clock_behind_seconds: Gauge,
    /// Key sets fetched from issuers of bearer tokens.
    pub issuer_fetches: Counter,
    /// Fetches that failed.
    pub issuer_failures: Counter,
}
