//! The only reader of the system's clock. Everything else is given the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use assay_verify::UnixTime;

/// Tells the time: the system's, or under `--dev` a test clock that ticks on from a given moment.
#[derive(Clone, Debug)]
pub struct Clock {
    test: Option<TestClock>,
}

#[derive(Clone, Debug)]
struct TestClock {
    start: UnixTime,
    since: Instant,
    /// Seconds by which a test moved it on.
    #[cfg(test)]
    ahead: std::sync::Arc<std::sync::atomic::AtomicI64>,
}

impl TestClock {
    #[cfg(test)]
    fn ahead(&self) -> i64 {
        self.ahead.load(std::sync::atomic::Ordering::Relaxed)
    }

    #[cfg(not(test))]
    const fn ahead(&self) -> i64 {
        0
    }
}

impl Clock {
    /// The clock of the system.
    #[must_use]
    pub const fn system() -> Self {
        Self { test: None }
    }

    /// A test clock: it shows `start` now and goes on at the usual pace.
    #[must_use]
    pub fn fixed_offset(start: UnixTime) -> Self {
        let since = Instant::now();
        Self {
            test: Some(TestClock {
                start,
                since,
                #[cfg(test)]
                ahead: std::sync::Arc::default(),
            }),
        }
    }

    /// Moves a test clock and all its clones on.
    #[cfg(test)]
    pub(crate) fn advance(&self, seconds: i64) {
        if let Some(test) = &self.test {
            test.ahead.fetch_add(seconds, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Whether this is a test clock.
    #[must_use]
    pub const fn is_test(&self) -> bool {
        self.test.is_some()
    }

    /// The time. A system clock before 1970 shows 1970.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        UnixTime(i64::try_from(self.since_epoch().as_secs()).unwrap_or(i64::MAX))
    }

    /// The time in milliseconds, for names that are to stand in the order in which they were given.
    #[must_use]
    pub(crate) fn now_milliseconds(&self) -> u64 {
        u64::try_from(self.since_epoch().as_millis()).unwrap_or(u64::MAX)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one file that reads the clock")]
    fn since_epoch(&self) -> Duration {
        let Some(test) = &self.test else {
            return SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        };
        let elapsed = Instant::now().saturating_duration_since(test.since);
        let start = Duration::from_secs(seconds(UnixTime(test.start.0.saturating_add(test.ahead()))));
        start.saturating_add(elapsed)
    }

    /// The time as the token and store crates count it.
    #[must_use]
    pub fn now_seconds(&self) -> u64 {
        seconds(self.now())
    }
}

/// Unix seconds without a sign; times before 1970 become 0.
#[must_use]
pub fn seconds(time: UnixTime) -> u64 {
    u64::try_from(time.0).unwrap_or(0)
}

/// The converse of [`seconds`].
#[must_use]
pub fn unix_time(seconds: u64) -> UnixTime {
    UnixTime(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_clock_starts_where_it_is_told() {
        let clock = Clock::fixed_offset(UnixTime(1_600_000_000));
        assert!((1_600_000_000..1_600_000_060).contains(&clock.now().0));
        assert!(clock.is_test() && !Clock::system().is_test());
        assert!(Clock::system().now_seconds() > 1_700_000_000);
    }

    #[test]
    fn times_before_1970_are_zero_seconds() {
        assert_eq!(seconds(UnixTime(-5)), 0);
        assert_eq!(unix_time(7), UnixTime(7));
    }
}
