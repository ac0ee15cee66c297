//! What waits to be written: bounded in number and in bytes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::apply::{self, Transaction};
use crate::catalog::CHANGE_BYTES_MAX;
use crate::change::LeaseRequest;
use crate::{Acknowledgement, Change, Outcome, StoreError};

/// Most requests in one transaction: beyond 200 rows the cost of the commit no longer shows (about 6 us a row against 180 us).
const GROUP: usize = 200;
/// Most bytes that wait, and about the most that one transaction takes.
const WAITING_BYTES: usize = CHANGE_BYTES_MAX.saturating_mul(4);
const GROUP_BYTES: usize = CHANGE_BYTES_MAX;

/// A request and where its answer goes.
pub(super) enum Job {
    Change(Change, Acknowledgement),
    Lease(LeaseRequest, Acknowledgement<bool>),
}

/// A request that was tried; its answer counts only once the transaction is durable.
pub(super) enum Tried {
    Change(Result<Outcome, StoreError>, Acknowledgement),
    Lease(Result<bool, StoreError>, Acknowledgement<bool>),
}

impl Job {
    pub(super) fn run<T: Transaction>(self, transaction: &mut T) -> Tried {
        match self {
            Self::Change(change, answer) => Tried::Change(apply::change(transaction, &change), answer),
            Self::Lease(request, answer) => Tried::Lease(apply::lease(transaction, &request), answer),
        }
    }

    pub(super) fn fail(self, error: StoreError) {
        match self {
            Self::Change(_, answer) => answer.send(Err(error)),
            Self::Lease(_, answer) => answer.send(Err(error)),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Change(change, _) => change.weight(),
            Self::Lease(..) => 1024,
        }
    }
}

impl Tried {
    pub(super) const fn error(&self) -> Option<&StoreError> {
        match self {
            Self::Change(Err(error), _) | Self::Lease(Err(error), _) => Some(error),
            Self::Change(Ok(_), _) | Self::Lease(Ok(_), _) => None,
        }
    }

    /// Answers: as found, or, when the transaction came to nothing, with the reason for that.
    pub(super) fn answer(self, committed: &Result<(), StoreError>) {
        match (self, committed.clone()) {
            (Self::Change(result, answer), committed) => answer.send(committed.and(result)),
            (Self::Lease(result, answer), committed) => answer.send(committed.and(result)),
        }
    }
}

/// A queue with one reader, the writing thread.
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    limit: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    weight: usize,
    is_closed: bool,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), arrived: Condvar::new(), limit: limit.max(1) }
    }

    /// Adds a request, or refuses it where too much waits.
    pub(super) fn push(&self, job: Job) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(StoreError::Closed);
        }
        let weight = state.weight.saturating_add(job.weight());
        if state.jobs.len() >= self.limit || (weight > WAITING_BYTES && !state.jobs.is_empty()) {
            return Err(StoreError::Busy);
        }
        state.weight = weight;
        state.jobs.push_back(job);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// Blocks until something waits: true; false once the queue is closed and empty.
    pub(super) fn wait(&self) -> bool {
        let state = self.lock();
        let idle = |state: &mut State| state.jobs.is_empty() && !state.is_closed;
        let state = self.arrived.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        !state.jobs.is_empty()
    }

    /// Takes what waits, as much as one transaction should have.
    pub(super) fn take_group(&self) -> Vec<Job> {
        let mut state = self.lock();
        let mut group = Vec::new();
        let mut bytes = 0_usize;
        while group.len() < GROUP && bytes < GROUP_BYTES {
            let Some(job) = state.jobs.pop_front() else { break };
            bytes = bytes.saturating_add(job.weight());
            group.push(job);
        }
        state.weight = state.weight.saturating_sub(bytes);
        group
    }

    /// Takes no more requests; those that wait are still written.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_all();
    }

    /// Drops what waits, which answers each with `store-closed`.
    pub(super) fn abandon(&self) {
        self.close();
        let jobs = std::mem::take(&mut self.lock().jobs);
        drop(jobs);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
