//! What an upstream said it does not know, so that it is not asked again at once.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use assay_collateral::upstream::UpstreamError;

use super::fingerprint::Fingerprint;

/// How long it is remembered: a platform that was just registered is found a little later.
const KEEP: Duration = Duration::from_secs(600);
/// Most questions remembered: 3 MB. Whoever asks for ever new chips pushes out the oldest.
const MOST: usize = 10_000;

/// Questions without an answer. Times are since the start of the service.
#[derive(Debug, Default)]
pub(super) struct UnknownMemory {
    entries: HashMap<Fingerprint, (Duration, UpstreamError)>,
    /// The oldest first.
    order: VecDeque<(Duration, Fingerprint)>,
}

impl UnknownMemory {
    /// What was said to this question, if it was said lately.
    pub(super) fn find(&self, question: Fingerprint, now: Duration) -> Option<UpstreamError> {
        let (until, error) = self.entries.get(&question)?;
        (now < *until).then(|| error.clone())
    }

    pub(super) fn remember(&mut self, question: Fingerprint, error: UpstreamError, now: Duration) {
        while self.order.len() >= MOST || self.order.front().is_some_and(|(until, _)| *until <= now) {
            self.forget_oldest();
        }
        let until = now.saturating_add(KEEP);
        self.entries.insert(question, (until, error));
        self.order.push_back((until, question));
    }

    fn forget_oldest(&mut self) {
        let Some((until, question)) = self.order.pop_front() else { return };
        // It may have been said again since.
        if self.entries.get(&question).is_some_and(|(newest, _)| *newest == until) {
            self.entries.remove(&question);
        }
    }
}

#[cfg(test)]
mod tests {
    use assay_collateral::subject::Selection;
    use assay_collateral::subject::Subject;
    use assay_collateral::upstream::Wanted;

    use super::super::fingerprint::Salt;
    use super::*;

    const ERROR: UpstreamError = UpstreamError::Unknown { status: 404, detail: None };

    fn question(number: u32) -> Fingerprint {
        Salt([0; 32]).of(&Wanted::Document(Subject::RootCrl, Selection::Number(number)))
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn it_forgets_after_ten_minutes() {
        let mut memory = UnknownMemory::default();
        memory.remember(question(1), ERROR, seconds(5));
        assert_eq!(memory.find(question(1), seconds(604)), Some(ERROR));
        assert_eq!(memory.find(question(1), seconds(605)), None);
        assert_eq!(memory.find(question(2), seconds(5)), None);
        memory.remember(question(1), ERROR, seconds(300));
        memory.remember(question(2), ERROR, seconds(605));
        assert_eq!(memory.find(question(1), seconds(899)), Some(ERROR), "said again, kept again");
        assert_eq!((memory.entries.len(), memory.order.len()), (2, 2));
        memory.remember(question(3), ERROR, seconds(5000));
        assert_eq!((memory.entries.len(), memory.order.len()), (1, 1));
    }

    #[test]
    fn the_newest_ten_thousand_are_kept() {
        let mut memory = UnknownMemory::default();
        for number in 0..10_001 {
            memory.remember(question(number), ERROR, seconds(1));
        }
        assert_eq!((memory.entries.len(), memory.order.len()), (10_000, 10_000));
        assert_eq!(memory.find(question(0), seconds(1)), None);
        assert_eq!(memory.find(question(1), seconds(1)), Some(ERROR));
        assert_eq!(memory.find(question(10_000), seconds(1)), Some(ERROR));
    }
}
