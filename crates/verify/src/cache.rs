//! Remembers PCK chains and VEK certificates whose signatures were verified, so that a platform seen before costs less.
//!
//! Only successes of time-independent checks are kept, under a key that covers every certificate byte, the set of trust
//! anchors and the purpose. Dates, revocation, TCB and binding are judged at every use.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::intel::{CaChain, VerifiedPck};
use crate::snp::VerifiedVek;

type Key = [u8; 32];

/// A bounded memory of verified chains. Sharing it between threads is what it is for.
#[derive(Debug)]
pub struct ChainCache {
    pck: Mutex<TwoGenerations<Arc<VerifiedPck>>>,
    ca: Mutex<TwoGenerations<Arc<CaChain>>>,
    vek: Mutex<TwoGenerations<Arc<VerifiedVek>>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl ChainCache {
    /// 8192 platforms at about 1 KiB each.
    pub const DEFAULT_CAPACITY: usize = 8192;

    /// A cache for up to `capacity` platforms; 0 remembers nothing.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            pck: Mutex::new(TwoGenerations::new(capacity)),
            // There are two genuine CAs and a handful of root issues; the rest is for simulated ones.
            ca: Mutex::new(TwoGenerations::new(capacity.min(64))),
            vek: Mutex::new(TwoGenerations::new(capacity)),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// How often a PCK chain or VEK certificate was found, and how often not.
    #[must_use]
    pub fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    pub(crate) fn pck(&self, key: &Key) -> Option<Arc<VerifiedPck>> {
        self.counted(lock(&self.pck).get(key))
    }

    fn counted<T>(&self, found: Option<T>) -> Option<T> {
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    pub(crate) fn keep_pck(&self, key: Key, pck: Arc<VerifiedPck>) {
        lock(&self.pck).insert(key, pck);
    }

    pub(crate) fn vek(&self, key: &Key) -> Option<Arc<VerifiedVek>> {
        self.counted(lock(&self.vek).get(key))
    }

    pub(crate) fn keep_vek(&self, key: Key, vek: Arc<VerifiedVek>) {
        lock(&self.vek).insert(key, vek);
    }

    pub(crate) fn ca(&self, key: &Key) -> Option<Arc<CaChain>> {
        lock(&self.ca).get(key)
    }

    pub(crate) fn keep_ca(&self, key: Key, ca: Arc<CaChain>) {
        lock(&self.ca).insert(key, ca);
    }
}

impl Default for ChainCache {
    fn default() -> Self {
        Self::new(Self::DEFAULT_CAPACITY)
    }
}

/// A poisoned lock only means that another thread stopped between two map operations; every state of the maps is sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two maps: when the young one is full it becomes the old one, whose entries live on only if they are used again.
#[derive(Debug)]
struct TwoGenerations<V> {
    young: HashMap<Key, V>,
    old: HashMap<Key, V>,
    half: usize,
}

impl<V: Clone> TwoGenerations<V> {
    fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: capacity.div_ceil(2) }
    }

    fn get(&mut self, key: &Key) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.insert(*key, value.clone());
        Some(value)
    }

    fn insert(&mut self, key: Key, value: V) {
        if self.half == 0 {
            return;
        }
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_recent_entries_stay() {
        let mut cache = TwoGenerations::new(8);
        let key = |n: u8| [n; 32];
        for n in 0..100 {
            cache.insert(key(n), n);
            assert_eq!(cache.get(&key(0)), Some(0), "used at every step, so never forgotten");
            assert!(cache.young.len() + cache.old.len() <= 8);
        }
        assert_eq!(cache.get(&key(99)), Some(99));
        assert_eq!(cache.get(&key(50)), None);
    }

    #[test]
    fn capacity_zero_remembers_nothing() {
        let mut cache = TwoGenerations::new(0);
        cache.insert([1; 32], 1);
        assert_eq!(cache.get(&[1; 32]), None);
    }
}
