//! Several writers at once, each with a handle of its own.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use assay_store::{Change, Receipt, Revision, StoreError};

use super::{Backend, append, chain, change_id, head, length, point, record, revision_of};

pub fn one_of_two_writers_wins_each_round(backend: &dyn Backend) {
    let stores = [backend.open(), backend.open()];
    let mut revision: Option<Revision> = None;
    for round in 0..25 {
        // Two threads on each of two handles.
        let results: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|n: u64| {
                    let store = &stores[usize::try_from(n % 2).unwrap()];
                    let mut change = point(round * 4 + n, "policy/a/tpm", revision, &format!("{round} {n}"));
                    change.records.push(record("administration", round * 4 + n));
                    scope.spawn(move || store.commit(change))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let winners: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
        assert_eq!(winners.len(), 1, "round {round}: {results:?}");
        revision = revision_of(winners[0]);
        let lost = StoreError::Conflict { head: head("policy/a/tpm"), actual: revision };
        assert_eq!(results.iter().filter(|result| result.as_ref().err() == Some(&lost)).count(), 3);
        assert_eq!(length(&*stores[0], "administration"), round + 1, "the losers left no record");
    }
    assert_eq!(stores[1].verify_chain(&chain("administration"), None).unwrap().checked(), 25);
}

pub fn a_chain_with_two_writers_stays_whole(backend: &dyn Backend) {
    const EACH: u64 = 60;
    let sequences: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|n: u64| {
                scope.spawn(move || {
                    let store = backend.open();
                    let append = |i| store.append_wait(record("decisions/a", n * EACH + i)).unwrap().sequence;
                    (0..EACH).map(append).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let distinct: BTreeSet<u64> = sequences.iter().copied().collect();
    assert_eq!(distinct, (1..=4 * EACH).collect());
    assert_eq!(backend.open().verify_chain(&chain("decisions/a"), None).unwrap().checked(), 4 * EACH);
}

pub fn one_change_sent_by_many_is_done_once(backend: &dyn Backend) {
    let mut change = point(1, "provider/a", None, "one");
    change.records.push(record("administration", 1));
    let outcomes: Vec<_> = thread::scope(|scope| {
        let send = || backend.open().commit(change.clone()).unwrap();
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    assert_eq!(length(&*backend.open(), "administration"), 1);
}

pub fn a_receipt_is_a_future(backend: &dyn Backend) {
    let store = backend.open();
    let receipts: Vec<Receipt> =
        (1..=50).map(|n| store.submit(Change::of_record(record("decisions/a", n))).unwrap()).collect();
    for (n, receipt) in (1..).zip(receipts) {
        assert_eq!(block_on(receipt).unwrap().records[0].sequence, n);
    }
    let refused = store.submit(point(1, "provider/a", Some(Revision::from_bytes([1; 16])), "x")).unwrap();
    assert_eq!(block_on(refused), super::conflict("provider/a", None));
    // Dropped unanswered: the change is done all the same, before what was handed in after it.
    drop(store.submit(Change::of_record(record("decisions/a", 51))).unwrap());
    assert_eq!(store.commit(Change::new(change_id(2))).unwrap().records, []);
    assert_eq!(length(&*store, "decisions/a"), 51);
}

pub fn a_chain_is_checked_while_it_grows(backend: &dyn Backend) {
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let store = backend.open();
            (1..=200).for_each(|n| append(&*store, "decisions/a", n));
        });
        let store = backend.open();
        while !writer.is_finished() {
            store.verify_chain(&chain("decisions/a"), None).unwrap();
        }
    });
    assert_eq!(backend.open().verify_chain(&chain("decisions/a"), None).unwrap().checked(), 200);
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor there is: proof that no particular one is needed.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
