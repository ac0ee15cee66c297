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

    /// How many questions the service itself could ask at once; nothing without a limit.
    pub(super) fn left(&self, now: Duration) -> Option<u64> {
        let free = self.depth.saturating_sub(self.full_at.saturating_sub(now));
        let count = free.as_nanos().checked_div(self.interval.as_nanos())?;
        Some(u64::try_from(count).unwrap_or(u64::MAX))
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
    fn what_is_left_is_told() {
        let mut bucket = Bucket::new(seconds(10), 3);
        assert_eq!(bucket.left(seconds(0)), Some(3));
        bucket.take(Standing::Own, seconds(0)).unwrap();
        bucket.take(Standing::Own, seconds(0)).unwrap();
        let left = [0, 9, 10, 20, 1000].map(|now| bucket.left(seconds(now)));
        assert_eq!(left, [Some(1), Some(1), Some(2), Some(3), Some(3)]);
        assert_eq!(Bucket::new(Duration::ZERO, 1).left(seconds(0)), None, "without a limit");
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
