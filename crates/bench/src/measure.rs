//! Rounds in turns; of each contender the quickest round counts.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::Failure;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Rounds of each contender.
    pub(crate) rounds: u32,
    /// A round repeats its work until it takes this long, so that the clock's grain does not show.
    pub(crate) round_time: Duration,
    /// Requests of each round with a running service.
    pub(crate) requests: u32,
    /// Rounds with a running service, and starts of one.
    pub(crate) service_rounds: u32,
}

impl Plan {
    /// What `make bench` does.
    pub(crate) const DEFAULT: Self =
        Self { rounds: 200, round_time: Duration::from_millis(2), requests: 4000, service_rounds: 7 };
    /// A smoke test.
    pub(crate) const QUICK: Self =
        Self { rounds: 3, round_time: Duration::from_micros(200), requests: 64, service_rounds: 1 };
}

/// One round: this many calls, the time that they took, and whether each gave what it had to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    elapsed: Duration,
    correct: bool,
}

/// Times `calls` calls. What a call gives is `None` if it is wrong; it is dropped within the time, as a caller would.
pub(crate) fn timed<T>(calls: u32, mut call: impl FnMut() -> Option<T>) -> Round {
    let mut correct = true;
    let start = Instant::now();
    for _ in 0..calls {
        correct &= black_box(call()).is_some();
    }
    let elapsed = Instant::now().saturating_duration_since(start);
    Round { elapsed, correct }
}

/// Something that is measured.
pub(crate) struct Contender<'a> {
    name: &'static str,
    round: Box<dyn FnMut(u32) -> Round + 'a>,
    /// Most calls in a round, for work that needs something new for each call.
    most_calls: u32,
}

impl<'a> Contender<'a> {
    /// Work that can be repeated without end.
    pub(crate) fn new<T>(name: &'static str, mut call: impl FnMut() -> Option<T> + 'a) -> Self {
        Self { name, round: Box::new(move |calls| timed(calls, &mut call)), most_calls: u32::MAX }
    }

    /// Work that is prepared for each round, outside its time. It is given the number of calls.
    pub(crate) fn prepared(
        name: &'static str,
        most_calls: u32,
        round: impl FnMut(u32) -> Round + 'a,
    ) -> Self {
        Self { name, round: Box::new(round), most_calls }
    }

    fn round(&mut self, calls: u32) -> Result<Duration, Failure> {
        let Round { elapsed, correct } = (self.round)(calls);
        if correct { Ok(elapsed) } else { Err(format!("{} gave a wrong result", self.name).into()) }
    }

    /// How many calls fill a round.
    fn calibrate(&mut self, plan: Plan) -> Result<u32, Failure> {
        let mut calls = 1;
        while calls < self.most_calls && self.round(calls)? < plan.round_time {
            calls = calls.saturating_mul(2).min(self.most_calls);
        }
        Ok(calls)
    }
}

/// Runs the contenders in turns. Gives microseconds per call of each one's quickest round.
///
/// # Errors
/// A call gave a wrong result.
pub(crate) fn interleave<const N: usize>(
    plan: Plan,
    mut contenders: [Contender<'_>; N],
) -> Result<[f64; N], Failure> {
    let mut calls = [0; N];
    for (calls, contender) in calls.iter_mut().zip(&mut contenders) {
        *calls = contender.calibrate(plan)?;
    }
    let mut best = [f64::INFINITY; N];
    for _ in 0..plan.rounds {
        for ((contender, calls), best) in contenders.iter_mut().zip(calls).zip(&mut best) {
            *best = best.min(per_call(contender.round(calls)?, calls));
        }
    }
    Ok(best)
}

fn per_call(elapsed: Duration, calls: u32) -> f64 {
    micros(elapsed) / f64::from(calls)
}

/// Microseconds.
pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quickest_round_counts_and_work_takes_time() {
        let mut calls = 0_u32;
        let slow = Contender::new("slow", || {
            calls += 1;
            std::thread::sleep(Duration::from_micros(500));
            Some(())
        });
        let [slow, quick] = interleave(Plan::QUICK, [slow, Contender::new("quick", || Some(()))]).unwrap();
        assert!(slow >= 500.0 && quick < slow, "{slow} {quick}");
        assert!(calls >= Plan::QUICK.rounds);
    }

    #[test]
    fn a_wrong_result_gives_no_number() {
        let mut calls = 0;
        let seldom_wrong = Contender::new("it", || {
            calls += 1;
            (calls != 3).then_some(())
        });
        let error = interleave(Plan { rounds: 50, ..Plan::QUICK }, [seldom_wrong]).unwrap_err();
        assert_eq!(error.to_string(), "it gave a wrong result");
    }

    #[test]
    fn prepared_work_gets_no_more_calls_than_it_can_do() {
        let limited = Contender::prepared("limited", 4, |calls| {
            assert!(calls <= 4);
            timed(calls, || Some(()))
        });
        assert!(interleave(Plan::QUICK, [limited]).is_ok());
    }
}
