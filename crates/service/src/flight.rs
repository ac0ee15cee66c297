//! Equal questions at the same time are asked once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Answers under way, by question.
#[derive(Debug)]
pub(crate) struct Flights<K, T> {
    in_air: Arc<Mutex<InAir<K, T>>>,
}

type InAir<K, T> = HashMap<K, watch::Receiver<Option<T>>>;

/// Someone who waits for an answer. Whether he waits until it comes changes nothing for the others.
#[derive(Debug)]
pub(crate) struct Waiter<T>(watch::Receiver<Option<T>>);

impl<T: Clone> Waiter<T> {
    /// The answer; nothing if the work was lost.
    pub(crate) async fn wait(mut self) -> Option<T> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone())
    }
}

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self { in_air: Arc::default() }
    }
}

impl<K, T> Flights<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Waits with those who asked the same before, if there are any.
    pub(crate) fn find(&self, question: &K) -> Option<Waiter<T>> {
        lock(&self.in_air).get(question).cloned().map(Waiter)
    }

    /// Joins those who asked the same before, or begins the work, which goes on without the caller; nothing if `most`
    /// are under way.
    pub(crate) fn join<F>(&self, question: K, most: usize, work: impl FnOnce() -> F) -> Option<Waiter<T>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut in_air = lock(&self.in_air);
        if let Some(before) = in_air.get(&question) {
            return Some(Waiter(before.clone()));
        }
        if in_air.len() >= most {
            return None;
        }
        let (announce, waiter) = watch::channel(None);
        in_air.insert(question.clone(), waiter.clone());
        drop(in_air);
        let landing = Landing { in_air: Arc::clone(&self.in_air), question };
        let work = work();
        tokio::spawn(async move {
            let answer = work.await;
            drop(landing);
            announce.send_replace(Some(answer));
        });
        Some(Waiter(waiter))
    }
}

/// Takes a question off the table, also when the work panicked.
struct Landing<K: Eq + Hash, T> {
    in_air: Arc<Mutex<InAir<K, T>>>,
    question: K,
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        lock(&self.in_air).remove(&self.question);
    }
}

/// A panic elsewhere cannot have left the table half done.
fn lock<K, T>(in_air: &Mutex<InAir<K, T>>) -> MutexGuard<'_, InAir<K, T>> {
    in_air.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    #[derive(Default)]
    struct Work {
        begun: Arc<AtomicU32>,
        ended: Arc<AtomicU32>,
    }

    impl Work {
        fn slow(&self) -> impl Future<Output = u32> + Send + use<> {
            let (begun, ended) = (Arc::clone(&self.begun), Arc::clone(&self.ended));
            async move {
                let number = begun.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                ended.fetch_add(1, Ordering::SeqCst);
                number
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn equal_questions_are_one() {
        let (flights, work) = (Flights::default(), Work::default());
        let waiters: Vec<_> =
            (0..50).map(|_| flights.join("a", 10, || work.slow()).unwrap().wait()).collect();
        let other = flights.join("b", 10, || work.slow()).unwrap();
        for waiter in waiters {
            assert_eq!(waiter.await, Some(0));
        }
        assert_eq!((other.wait().await, work.begun.load(Ordering::SeqCst)), (Some(1), 2));
        assert!(flights.find(&"a").is_none(), "the next one asks anew");
        assert_eq!(flights.join("a", 10, || work.slow()).unwrap().wait().await, Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_takes_nobody_along() {
        let (flights, work) = (Flights::default(), Work::default());
        let first = flights.join("a", 10, || work.slow()).unwrap();
        let second = flights.find(&"a").unwrap();
        let left = tokio::time::timeout(Duration::from_millis(10), first.wait()).await;
        assert!(left.is_err());
        assert_eq!((second.wait().await, work.ended.load(Ordering::SeqCst)), (Some(0), 1));
    }

    #[tokio::test]
    async fn lost_work_is_told_and_can_be_tried_again() {
        let flights: Flights<&str, u32> = Flights::default();
        let lost = flights.join("a", 10, || async { panic!("a panic of this test") }).unwrap();
        assert_eq!(lost.wait().await, None);
        assert_eq!(flights.join("a", 10, || async { 7 }).unwrap().wait().await, Some(7));
    }

    #[tokio::test]
    async fn questions_under_way_are_bounded() {
        let flights: Flights<usize, u32> = Flights::default();
        let waiting: Vec<_> = (0..10).map(|key| flights.join(key, 10, std::future::pending)).collect();
        assert!(waiting.iter().all(Option::is_some));
        assert!(flights.join(10, 10, std::future::pending).is_none());
        assert!(flights.join(0, 10, std::future::pending).is_some(), "waiting with others is free");
    }
}
