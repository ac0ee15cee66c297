//! What is counted of each upstream.

use std::collections::BTreeMap;

use crate::counters::{Counter, Gauge, Named};

/// Counters of one upstream.
#[derive(Debug)]
pub struct UpstreamCounters {
    /// Its name.
    pub name: String,
    /// Questions sent, every attempt counted.
    pub asked: Counter,
    /// Answers, before anybody verified them.
    pub answered: Counter,
    /// Those who wait for an answer now.
    pub waiting: Gauge,
    /// By code: a small, fixed set.
    failures: Named,
}

impl UpstreamCounters {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            asked: Counter::default(),
            answered: Counter::default(),
            waiting: Gauge::default(),
            failures: Named::default(),
        }
    }

    /// Attempts that came to nothing, by the code of the reason.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<&'static str, u64> {
        self.failures.get()
    }

    pub(super) fn failed(&self, code: &'static str) {
        self.failures.increment(code);
    }

    /// One more waits until the value is dropped.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.waiting.add(1);
        Waiting(&self.waiting)
    }
}

/// Somebody who waits, also one that goes away.
pub(super) struct Waiting<'a>(&'a Gauge);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}
