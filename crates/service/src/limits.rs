//! Who may ask for how much: budgets per source and per provider, shares of what is scarce, and the processor's queue.
//!
//! Budgets are token buckets in the form of the generic cell rate algorithm: each key has one number, the time at which
//! its bucket is full again. Time is an argument (time since the service started), so that tests need no clock. Memory
//! is bounded: when a table is full of keys whose buckets are not full, newcomers share one bucket, so that whoever
//! comes from ever new addresses limits the newcomers and not those already known.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Tables are split so that requests on several cores seldom wait for each other.
const SHARDS: usize = 16;
/// Most keys in one table: 65,536 times about 50 bytes are 3 MB.
const MAX_KEYS: usize = 65_536;
/// How long a request may queue for the processor before it is told to come back.
const LONGEST_QUEUE: Duration = Duration::from_secs(1);

/// Where a request comes from: an IPv4 address, or the upper half of an IPv6 address, because one subscriber has all
/// of the lower half.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Source(u64, bool);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(u64::from(address.to_bits()), false),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                let upper = [a, b, c, d].iter().fold(0, |sum: u64, part| (sum << 16) | u64::from(*part));
                Self(upper, true)
            }
        }
    }
}

impl Source {
    /// This machine: `127.0.0.0/8` or `::1`.
    const fn is_loopback(self) -> bool {
        let Self(bits, six) = self;
        if six { bits == 0 } else { bits >> 24 == 127 }
    }
}

/// How fast a bucket fills and how much it holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Rate {
    /// Requests per `period` in the long run; 0 means no limit.
    pub(crate) requests: u32,
    /// What `requests` counts over.
    pub(crate) period: Duration,
    /// Requests at once.
    pub(crate) burst: u32,
}

/// Buckets of one rate, one per key.
#[derive(Debug)]
pub(crate) struct RateLimiter<K> {
    shards: [Mutex<Shard<K>>; SHARDS],
    hasher: RandomState,
    /// Time in which one request's worth flows into the bucket; `None` without a limit.
    interval: Option<Duration>,
    /// Time in which an empty bucket fills.
    depth: Duration,
    max_keys: usize,
}

#[derive(Debug)]
struct Shard<K> {
    /// When each bucket is full again.
    full_at: HashMap<K, Duration>,
    /// The bucket of those who found no place.
    newcomers: Duration,
}

impl<K: Copy + Eq + Hash> RateLimiter<K> {
    /// Full buckets for everybody.
    #[must_use]
    pub(crate) fn new(rate: Rate) -> Self {
        Self::with_capacity(rate, MAX_KEYS)
    }

    fn with_capacity(rate: Rate, max_keys: usize) -> Self {
        let interval = rate.period.checked_div(rate.requests);
        let shard = || Mutex::new(Shard { full_at: HashMap::new(), newcomers: Duration::ZERO });
        Self {
            shards: std::array::from_fn(|_| shard()),
            hasher: RandomState::new(),
            interval,
            depth: interval.unwrap_or_default().saturating_mul(rate.burst.max(1)),
            max_keys: max_keys.div_ceil(SHARDS),
        }
    }

    /// Takes one request's worth out of the key's bucket.
    ///
    /// # Errors
    /// How long to wait until there is enough in it.
    pub(crate) fn take(&self, key: K, now: Duration) -> Result<(), Duration> {
        let Some(interval) = self.interval else { return Ok(()) };
        let mut shard = self.shard(&key);
        let full_at = shard.bucket(key, now, self.max_keys);
        let next = (*full_at).max(now).saturating_add(interval);
        let over = next.saturating_sub(now).saturating_sub(self.depth);
        if over.is_zero() {
            *full_at = next;
            return Ok(());
        }
        Err(over)
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K>> {
        let index = usize::try_from(self.hasher.hash_one(key) % 16).unwrap_or(0);
        let [first, ..] = &self.shards;
        // Counts are all a shard holds: a panic elsewhere cannot have left it half done.
        self.shards.get(index).unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> Shard<K> {
    fn bucket(&mut self, key: K, now: Duration, max_keys: usize) -> &mut Duration {
        if !self.full_at.contains_key(&key) && self.full_at.len() >= max_keys {
            // Full buckets say nothing that a new one would not.
            self.full_at.retain(|_, full_at| *full_at > now);
            if self.full_at.len() >= max_keys {
                return &mut self.newcomers;
            }
        }
        self.full_at.entry(key).or_insert(Duration::ZERO)
    }
}

/// Something scarce, of which one source may only have a part.
#[derive(Debug)]
pub(crate) struct Shares {
    whole: usize,
    each: usize,
    loopback: usize,
    taken: Mutex<Taken>,
}

/// What is taken now. There is an entry for each source that has something.
#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_source: HashMap<Source, usize>,
}

impl Shares {
    /// `whole` together, `each` for one source, and `loopback` for this machine, where the proxy in front may run.
    #[must_use]
    pub(crate) fn new(whole: usize, each: usize, loopback: usize) -> Arc<Self> {
        Arc::new(Self { whole, each, loopback, taken: Mutex::default() })
    }

    /// A share of this source, with nothing in it yet.
    pub(crate) fn share(self: &Arc<Self>, source: Source) -> Share {
        Share { shares: Arc::clone(self), source, amount: 0 }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // Counts are all it holds: a panic elsewhere cannot have left them half done.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one connection or request has; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<Shares>,
    source: Source,
    amount: usize,
}

impl Share {
    /// Grows to this amount. Whether there was enough left; if not, nothing changes.
    #[must_use]
    pub(crate) fn grow_to(&mut self, amount: usize) -> bool {
        let more = amount.saturating_sub(self.amount);
        if more == 0 {
            return true;
        }
        let most = if self.source.is_loopback() { self.shares.loopback } else { self.shares.each };
        let mut taken = self.shares.taken();
        let all = taken.all.saturating_add(more);
        let own = taken.by_source.get(&self.source).copied().unwrap_or(0).saturating_add(more);
        if all > self.shares.whole || own > most {
            return false;
        }
        taken.all = all;
        taken.by_source.insert(self.source, own);
        self.amount = amount;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        taken.all = taken.all.saturating_sub(self.amount);
        if let Entry::Occupied(mut own) = taken.by_source.entry(self.source) {
            let left = own.get().saturating_sub(self.amount);
            if left == 0 {
                own.remove();
            } else {
                own.insert(left);
            }
        }
    }
}

/// Whole seconds for `Retry-After`, at least one.
#[must_use]
pub(crate) fn retry_after(wait: Duration) -> u32 {
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    u32::try_from(seconds.max(1)).unwrap_or(u32::MAX)
}

/// How many attestations run at once, and how many may wait for their turn.
#[derive(Debug)]
pub(crate) struct ProcessorBudget {
    running: Semaphore,
    waiting: AtomicUsize,
    longest_queue: usize,
}

impl ProcessorBudget {
    /// `running` at once, and as many in the queue.
    #[must_use]
    pub(crate) fn new(running: usize) -> Self {
        Self {
            running: Semaphore::new(running.max(1)),
            waiting: AtomicUsize::new(0),
            longest_queue: running.max(1),
        }
    }

    /// Waits for a turn, at most one second; `None` if the queue is full or too slow.
    pub(crate) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(permit) = self.running.try_acquire() {
            return Some(permit);
        }
        let _place = Place::take(&self.waiting, self.longest_queue)?;
        tokio::time::timeout(LONGEST_QUEUE, self.running.acquire()).await.ok()?.ok()
    }
}

/// A place in the queue, given back when dropped, also by a caller that went away.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, longest: usize) -> Option<Self> {
        let place = Self(waiting);
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        (before < longest).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { requests: 10, period: Duration::from_secs(1), burst: 3 };

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_bucket_holds_a_burst_and_refills() {
        let limiter = RateLimiter::new(RATE);
        for _ in 0..3 {
            assert_eq!(limiter.take(1, millis(0)), Ok(()));
        }
        assert_eq!(limiter.take(1, millis(0)), Err(millis(100)));
        assert_eq!(limiter.take(1, millis(40)), Err(millis(60)));
        assert_eq!(limiter.take(2, millis(40)), Ok(()), "another key has its own bucket");
        assert_eq!(limiter.take(1, millis(100)), Ok(()));
        assert_eq!(limiter.take(1, millis(100)), Err(millis(100)));
    }

    #[test]
    fn no_rate_is_no_limit() {
        let limiter = RateLimiter::new(Rate { requests: 0, ..RATE });
        assert!((0..1000).all(|_| limiter.take(1, millis(0)).is_ok()));
    }

    #[test]
    fn a_full_table_limits_newcomers_together_and_forgets_full_buckets() {
        let limiter = RateLimiter::with_capacity(RATE, 0);
        let shard = RateLimiter::with_capacity(RATE, 16);
        // Without any place, all keys of a shard share its one bucket of three.
        let allowed = (0..16_000_u64).filter(|key| limiter.take(*key, millis(0)).is_ok()).count();
        assert_eq!(allowed, 3 * SHARDS);
        for key in 0..16_000_u64 {
            let _ = shard.take(key, millis(0));
        }
        let held = |limiter: &RateLimiter<u64>| -> usize {
            limiter.shards.iter().map(|shard| shard.lock().unwrap().full_at.len()).sum()
        };
        assert_eq!(held(&shard), 16);
        // A second later all buckets are full, so there is room again.
        assert_eq!(shard.take(99_999, millis(1000)), Ok(()));
        assert_eq!(held(&shard), 16);
    }

    #[test]
    fn sources_are_addresses_or_half_addresses() {
        let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        // An IPv6 prefix with the number of an IPv4 address is another source.
        assert_ne!(source("0:0:c000:201::"), source("192.0.2.1"));
    }

    #[test]
    fn one_source_gets_its_share_and_gives_it_back() {
        let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        let shares = Shares::new(10, 4, 8);
        let share = |text: &str, amount: usize| {
            let mut share = shares.share(source(text));
            share.grow_to(amount).then_some(share)
        };
        let mut first = share("2001:db8::1", 3).unwrap();
        assert!(first.grow_to(2), "it has that already");
        assert!(share("2001:db8::2", 2).is_none(), "the same subscriber");
        assert!(first.grow_to(4));
        assert!(!first.grow_to(5));
        let second = share("127.0.0.1", 6).unwrap();
        assert!(share("192.0.2.1", 1).is_none(), "nothing is left");
        drop(first);
        assert!(share("192.0.2.1", 4).is_some());
        assert!(share("127.0.0.1", 3).is_none());
        assert!(share("127.0.0.2", 2).is_some() && share("::1", 2).is_some());
        drop(second);
        assert_eq!(shares.taken().all, 0);
        assert_eq!(shares.taken().by_source.len(), 0);
    }

    #[test]
    fn waits_round_up() {
        assert_eq!(retry_after(millis(1)), 1);
        assert_eq!(retry_after(millis(1000)), 1);
        assert_eq!(retry_after(millis(1001)), 2);
        assert_eq!(retry_after(Duration::ZERO), 1);
    }

    #[tokio::test]
    async fn the_queue_is_short_and_gives_up() {
        let budget = ProcessorBudget::new(1);
        let running = budget.enter().await.unwrap();
        let (first, second) = tokio::join!(budget.enter(), budget.enter());
        assert!(first.is_none(), "waited a second in vain");
        assert!(second.is_none(), "no place in the queue");
        assert_eq!(budget.waiting.load(Ordering::Relaxed), 0);
        drop(running);
        assert!(budget.enter().await.is_some());
    }
}
