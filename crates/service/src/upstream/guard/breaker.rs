//! When an upstream is left alone: after failures in a row, and when it says so itself.

use std::time::Duration;

/// Failures in a row after which an upstream counts as broken.
const FAILURES: u32 = 5;
/// How long it is then left alone, and how long one question has to show that it works again.
const REST: Duration = Duration::from_secs(30);

/// What is thought of an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakerState {
    /// It is asked.
    #[default]
    Closed,
    /// One question will show, or shows, whether it works again.
    HalfOpen,
    /// It is not asked.
    Open,
}

impl BreakerState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Closed, Self::HalfOpen, Self::Open];

    /// The name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

/// Counts failures in a row. Times are since the start of the service.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// While it is broken: until when nobody asks.
    open_until: Option<Duration>,
    /// One question is under way to try it.
    probing: bool,
    /// It asked to be left alone until then.
    paused_until: Duration,
}

impl Breaker {
    /// Why nobody may ask now, if that is so.
    pub(super) fn refusal(&self, now: Duration) -> Option<&'static str> {
        if now < self.paused_until {
            return Some("it asked to wait");
        }
        self.open_until.is_some_and(|until| now < until).then_some("it failed too often just now")
    }

    /// Somebody asks, whom [`Self::refusal`] did not stop. Of a broken upstream he is the only one: if he gets lost, the
    /// next may ask a rest later.
    pub(super) fn enter(&mut self, now: Duration) {
        if self.open_until.is_some() {
            self.probing = true;
            self.open_until = Some(now.saturating_add(REST));
        }
    }

    /// It answered, whatever it said.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
        self.open_until = None;
        self.probing = false;
    }

    /// It failed.
    pub(super) fn failed(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        if self.probing || self.failures >= FAILURES {
            self.open_until = Some(now.saturating_add(REST));
            self.probing = false;
        }
    }

    /// It asked to be left alone.
    pub(super) fn pause(&mut self, until: Duration) {
        self.paused_until = self.paused_until.max(until);
    }

    /// How long it is still to be left alone because it said so.
    pub(super) const fn paused_for(&self, now: Duration) -> Duration {
        self.paused_until.saturating_sub(now)
    }

    pub(super) fn state(&self, now: Duration) -> BreakerState {
        match self.open_until {
            _ if now < self.paused_until => BreakerState::Open,
            None => BreakerState::Closed,
            Some(until) if now < until && !self.probing => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKEN: Option<&str> = Some("it failed too often just now");

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn broken_at(now: u64) -> Breaker {
        let mut breaker = Breaker::default();
        (0..5).for_each(|_| breaker.failed(seconds(now)));
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it() {
        let mut breaker = Breaker::default();
        (0..4).for_each(|_| breaker.failed(seconds(1)));
        assert_eq!((breaker.refusal(seconds(1)), breaker.state(seconds(1))), (None, BreakerState::Closed));
        breaker.answered();
        (0..4).for_each(|_| breaker.failed(seconds(1)));
        assert_eq!(breaker.refusal(seconds(1)), None, "an answer in between counts");
        breaker.failed(seconds(2));
        assert_eq!((breaker.refusal(seconds(31)), breaker.state(seconds(31))), (BROKEN, BreakerState::Open));
        assert_eq!(
            (breaker.refusal(seconds(32)), breaker.state(seconds(32))),
            (None, BreakerState::HalfOpen)
        );
    }

    #[test]
    fn one_question_tries_it() {
        let mut breaker = broken_at(0);
        breaker.enter(seconds(30));
        assert_eq!(breaker.refusal(seconds(31)), BROKEN, "the others wait for its answer");
        assert_eq!(breaker.state(seconds(31)), BreakerState::HalfOpen);
        breaker.failed(seconds(40));
        assert_eq!((breaker.refusal(seconds(69)), breaker.refusal(seconds(70))), (BROKEN, None));
        breaker.enter(seconds(70));
        breaker.answered();
        assert_eq!((breaker.refusal(seconds(70)), breaker.state(seconds(70))), (None, BreakerState::Closed));
        breaker.failed(seconds(71));
        assert_eq!(breaker.refusal(seconds(71)), None, "counting begins anew");
    }

    #[test]
    fn a_question_that_got_lost_does_not_close_it_for_ever() {
        let mut breaker = broken_at(0);
        breaker.enter(seconds(30));
        assert_eq!((breaker.refusal(seconds(59)), breaker.refusal(seconds(60))), (BROKEN, None));
    }

    #[test]
    fn who_asks_to_wait_is_left_alone() {
        let mut breaker = Breaker::default();
        breaker.pause(seconds(100));
        breaker.pause(seconds(50));
        assert_eq!(breaker.refusal(seconds(99)), Some("it asked to wait"));
        assert_eq!(
            (breaker.paused_for(seconds(40)), breaker.paused_for(seconds(101))),
            (seconds(60), seconds(0))
        );
        assert_eq!(
            (breaker.state(seconds(99)), breaker.state(seconds(100))),
            (BreakerState::Open, BreakerState::Closed)
        );
        assert_eq!(breaker.refusal(seconds(100)), None);
    }
}
