//! The answer to a submitted change, waited for by a thread or by a task of any async runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::{Outcome, StoreError};

/// The answer to come for a change: a future, or something to [`wait`](Receipt::wait) for.
///
/// Dropping it does not undo the change. After it gave its answer, polling again gives `store-closed`.
#[derive(Debug)]
#[must_use = "a change is not durable before its receipt says so"]
pub struct Receipt<T = Outcome> {
    slot: Arc<Slot<T>>,
}

/// The other end of a [`Receipt`], held by the store. Dropped without an answer, it answers `store-closed`.
#[derive(Debug)]
pub struct Acknowledgement<T = Outcome> {
    slot: Arc<Slot<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    state: Mutex<State<T>>,
    answered: Condvar,
}

#[derive(Debug)]
enum State<T> {
    Waiting(Option<Waker>),
    Answered(Result<T, StoreError>),
    Taken,
}

impl<T> Receipt<T> {
    /// Both ends.
    pub fn pair() -> (Acknowledgement<T>, Self) {
        let slot = Arc::new(Slot { state: Mutex::new(State::Waiting(None)), answered: Condvar::new() });
        (Acknowledgement { slot: Arc::clone(&slot) }, Self { slot })
    }

    /// Blocks until the change is durable or refused.
    ///
    /// # Errors
    /// What the store answers; `store-closed` if it went away.
    pub fn wait(self) -> Result<T, StoreError> {
        let mut state = self.slot.lock();
        loop {
            if let Some(answer) = state.take() {
                return answer;
            }
            state = self.slot.answered.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Future for Receipt<T> {
    type Output = Result<T, StoreError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.lock();
        if let Some(answer) = state.take() {
            return Poll::Ready(answer);
        }
        *state = State::Waiting(Some(context.waker().clone()));
        Poll::Pending
    }
}

impl<T> Acknowledgement<T> {
    /// Gives the answer.
    pub fn send(self, answer: Result<T, StoreError>) {
        self.slot.answer(answer);
    }
}

impl<T> Drop for Acknowledgement<T> {
    fn drop(&mut self) {
        self.slot.answer(Err(StoreError::Closed));
    }
}

impl<T> Slot<T> {
    /// A panic elsewhere leaves this state whole, so that a poisoned lock means nothing here.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first answer counts.
    fn answer(&self, answer: Result<T, StoreError>) {
        let mut state = self.lock();
        let State::Waiting(waker) = &mut *state else { return };
        let waker = waker.take();
        *state = State::Answered(answer);
        drop(state);
        self.answered.notify_all();
        // Woken without the lock: a waker may run the task at once.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> State<T> {
    fn take(&mut self) -> Option<Result<T, StoreError>> {
        if matches!(self, Self::Waiting(_)) {
            return None;
        }
        match std::mem::replace(self, Self::Taken) {
            Self::Answered(answer) => Some(answer),
            Self::Waiting(_) | Self::Taken => Some(Err(StoreError::Closed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_task_is_woken_once_and_gets_the_first_answer() {
        let (acknowledgement, mut receipt) = Receipt::pair();
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        assert_eq!(Pin::new(&mut receipt).poll(&mut context), Poll::Pending);
        assert_eq!(Pin::new(&mut receipt).poll(&mut context), Poll::Pending);
        acknowledgement.send(Ok(7));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(Pin::new(&mut receipt).poll(&mut context), Poll::Ready(Ok(7)));
        assert_eq!(Pin::new(&mut receipt).poll(&mut context), Poll::Ready(Err(StoreError::Closed)));
    }

    #[test]
    fn a_lost_store_answers_closed() {
        let (acknowledgement, receipt) = Receipt::<u8>::pair();
        let waiting = std::thread::spawn(|| receipt.wait());
        drop(acknowledgement);
        assert!(matches!(waiting.join(), Ok(Err(StoreError::Closed))));
    }
}
