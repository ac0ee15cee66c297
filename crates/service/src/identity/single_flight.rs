//! The same question at the same time is asked once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

type Waiting<V> = watch::Receiver<Option<V>>;

/// Questions under way.
#[derive(Debug)]
pub(super) struct Flights<K, V> {
    waiting: Arc<Mutex<HashMap<K, Waiting<V>>>>,
}

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self { waiting: Arc::default() }
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Waits for the answer of `question`, or of an equal one that is under way. Whoever stops waiting stops nobody else.
    /// `None` if the work was lost.
    pub(super) async fn join(&self, key: K, question: impl Future<Output = V> + Send + 'static) -> Option<V> {
        let mut receiver = self.take_off(key, question);
        let answer = receiver.wait_for(Option::is_some).await.ok()?;
        answer.clone()
    }

    fn take_off(&self, key: K, question: impl Future<Output = V> + Send + 'static) -> Waiting<V> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(receiver) = waiting.get(&key) {
            return receiver.clone();
        }
        let (sender, receiver) = watch::channel(None);
        waiting.insert(key.clone(), receiver.clone());
        let landing = Landing { waiting: Arc::clone(&self.waiting), key };
        tokio::spawn(async move {
            let answer = question.await;
            // First out of the list, then the answer: who comes in between asks anew.
            drop(landing);
            let _ = sender.send(Some(answer));
        });
        receiver
    }
}

/// Takes a question off the list, also when its task panics.
struct Landing<K: Eq + Hash, V> {
    waiting: Arc<Mutex<HashMap<K, Waiting<V>>>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn equal_questions_share_an_answer() {
        let (flights, asked) = (Flights::<u8, u32>::default(), Arc::new(AtomicU32::new(0)));
        let ask = |key| {
            let asked = Arc::clone(&asked);
            flights.join(key, async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                asked.fetch_add(1, Ordering::Relaxed)
            })
        };
        let (one, same, other) = tokio::join!(ask(1), ask(1), ask(2));
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        assert!(ask(1).await.is_some());
        assert_eq!(asked.load(Ordering::Relaxed), 3, "an answer is not kept");
    }

    #[tokio::test]
    async fn who_stops_waiting_stops_nobody_else() {
        let flights = Flights::<u8, u8>::default();
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            7
        };
        let impatient = tokio::time::timeout(Duration::from_millis(1), flights.join(1, slow())).await;
        assert!(impatient.is_err());
        assert_eq!(flights.join(1, async { 8 }).await, Some(7), "the first question is still under way");
    }

    #[tokio::test]
    async fn lost_work_ends_the_wait() {
        let flights = Flights::<u8, u8>::default();
        assert_eq!(flights.join(1, async { panic!("lost") }).await, None);
        assert_eq!(flights.join(1, async { 2 }).await, Some(2));
    }
}
