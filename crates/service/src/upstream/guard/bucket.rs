//! How many questions an upstream gets, and how many of them strangers may cause.

use std::time::Duration;

use super::Standing;

/// A token bucket in the form of the generic cell rate algorithm. Times are since the start of the service.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Time in which one question's worth flows in; zero without a limit.
    interval: Duration,
    /// Time in which an empty bucket fills.
    depth: Duration,
    full_at: Duration,
}

impl Bucket {
    pub(super) fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, depth: interval.saturating_mul(burst.max(1)), full_at: Duration::ZERO }
    }

    /// Takes one question's worth. Strangers find only the upper half in it, so that they never take what the service's
    /// own platforms need; one question they always have.
    ///
    /// # Errors
    /// How long to wait until there is enough.
    pub(super) fn take(&mut self, asker: Standing, now: Duration) -> Result<(), Duration> {
        let depth = match asker {
            Standing::Own => self.depth,
            Standing::Stranger => self.depth.checked_div(2).unwrap_or_default().max(self.interval),
        };
        let next = self.full_at.max(now).saturating_add(self.interval);
        let over = next.saturating_sub(now).saturating_sub(depth);
        if over.is_zero() {
            self.full_at = next;
            return Ok(());
        }
        Err(over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_burst_and_then_one_after_the_other() {
        let mut bucket = Bucket::new(seconds(10), 10);
        assert!((0..10).all(|_| bucket.take(Standing::Own, seconds(0)).is_ok()));
        assert_eq!(bucket.take(Standing::Own, seconds(0)), Err(seconds(10)));
        assert_eq!(bucket.take(Standing::Own, seconds(4)), Err(seconds(6)));
        assert_eq!(bucket.take(Standing::Own, seconds(10)), Ok(()));
        assert_eq!(bucket.take(Standing::Own, seconds(10)), Err(seconds(10)));
    }

    #[test]
    fn strangers_have_half_of_it() {
        let mut bucket = Bucket::new(seconds(10), 10);
        assert!((0..5).all(|_| bucket.take(Standing::Stranger, seconds(0)).is_ok()));
        assert_eq!(bucket.take(Standing::Stranger, seconds(0)), Err(seconds(10)));
        assert!((0..5).all(|_| bucket.take(Standing::Own, seconds(0)).is_ok()));
        assert_eq!(bucket.take(Standing::Own, seconds(0)), Err(seconds(10)));
        assert_eq!(
            bucket.take(Standing::Stranger, seconds(10)),
            Err(seconds(50)),
            "not before half is there again"
        );
        assert_eq!(bucket.take(Standing::Stranger, seconds(60)), Ok(()));
    }

    #[test]
    fn the_smallest_bucket_has_one_for_everybody() {
        let mut bucket = Bucket::new(seconds(1), 0);
        assert_eq!(bucket.take(Standing::Stranger, seconds(0)), Ok(()));
        assert_eq!(bucket.take(Standing::Own, seconds(0)), Err(seconds(1)));
        let mut endless = Bucket::new(Duration::ZERO, 1);
        assert!((0..1000).all(|_| endless.take(Standing::Stranger, seconds(0)).is_ok()));
    }
}
