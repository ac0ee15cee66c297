//! The one thread that writes: it groups what waits into a transaction, commits, and answers after the commit is on the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::queue::{Job, Queue, Tried};
use super::transaction::SqliteTransaction;
use crate::StoreError;

/// The handle of the writing thread. Dropping it writes what waits, then ends the thread.
pub(super) struct Writer {
    queue: Arc<Queue>,
    commits: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, limit: usize, gather: Duration) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue::new(limit));
        let commits = Arc::new(AtomicU64::new(0));
        let work = (Arc::clone(&queue), Arc::clone(&commits));
        let thread = std::thread::Builder::new().name("assay-store".to_owned()).spawn(move || {
            let (queue, commits) = work;
            // Whatever ends this thread, nobody waits for it for ever.
            let _guard = Abandon(&queue);
            write(&connection, &queue, gather, &commits);
        })?;
        Ok(Self { queue, commits, thread: Some(thread) })
    }

    pub(super) fn push(&self, job: Job) -> Result<(), StoreError> {
        self.queue.push(job)
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
        let Some(thread) = self.thread.take() else { return };
        // A task woken by the writing thread may drop the last handle there; a thread cannot wait for itself.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the store's writing thread panicked");
        }
    }
}

struct Abandon<'a>(&'a Queue);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn write(connection: &Connection, queue: &Queue, gather: Duration, commits: &AtomicU64) {
    let mut shared = false;
    while queue.wait() {
        if shared {
            // Others write at this moment, so more will come; a commit costs as much for ten of them as for one.
            std::thread::sleep(gather);
        }
        let begun = execute(connection, "BEGIN IMMEDIATE");
        // Only now: while another process had the lock, more may have come to share this transaction.
        let jobs = queue.take_group();
        shared = jobs.len() > 1;
        let (tried, outcome) = match begun {
            Ok(()) => write_group(connection, jobs),
            Err(error) => {
                refuse(jobs, &error);
                (Vec::new(), Err(error))
            }
        };
        match &outcome {
            Ok(()) => {
                commits.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::error!(
                    code = error.code(),
                    cause = error.cause(),
                    "nothing could be written to the store"
                );
            }
        }
        tried.into_iter().for_each(|tried| tried.answer(&outcome));
    }
}

/// Runs each request for itself inside the open transaction, and commits. A refused request leaves the others alone; a
/// store in trouble fails all of them, and all are undone.
fn write_group(connection: &Connection, jobs: Vec<Job>) -> (Vec<Tried>, Result<(), StoreError>) {
    let mut tried = Vec::with_capacity(jobs.len());
    let mut jobs = jobs.into_iter();
    let mut outcome = Ok(());
    while outcome.is_ok()
        && let Some(job) = jobs.next()
    {
        let (job, result) = write_one(connection, job);
        tried.extend(job);
        outcome = result;
    }
    let outcome = outcome.and_then(|()| execute(connection, "COMMIT"));
    if let Err(error) = &outcome {
        // It may be gone already: some errors make SQLite roll back by itself.
        if !connection.is_autocommit()
            && let Err(second) = execute(connection, "ROLLBACK")
        {
            tracing::error!(cause = second.cause(), "a transaction could not be rolled back");
        }
        refuse(jobs, error);
    }
    (tried, outcome)
}

/// The second part is an error where the whole transaction is lost.
fn write_one(connection: &Connection, job: Job) -> (Option<Tried>, Result<(), StoreError>) {
    if let Err(error) = execute(connection, "SAVEPOINT request") {
        job.fail(error.clone());
        return (None, Err(error));
    }
    let tried = job.run(&mut SqliteTransaction(connection));
    let error = tried.error().cloned();
    let undone = if error.is_some() { execute(connection, "ROLLBACK TO request") } else { Ok(()) };
    let closed = undone.and_then(|()| execute(connection, "RELEASE request"));
    let outcome = match error {
        // The first error says more than those that follow from it.
        Some(error) if error.is_of_the_store() => Err(error),
        _ => closed,
    };
    (Some(tried), outcome)
}

fn refuse(jobs: impl IntoIterator<Item = Job>, error: &StoreError) {
    jobs.into_iter().for_each(|job| job.fail(error.clone()));
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
