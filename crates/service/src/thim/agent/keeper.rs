//! Keeps one document at hand: from the cache, from the central service, and anew when it is due.
//!
//! One task per document asks, one request at a time; those who want the document wait for it or get the last one. So no
//! guest can make the agent ask, however often it comes.

use std::sync::Arc;
use std::time::Duration;

use assay_verify::{TrustAnchors, UnixTime};
use tokio::sync::watch;
use tokio::time::Instant;

use super::cache::Cache;
use super::document::Document;
use super::upstream::{FetchError, Upstream, pause};
use crate::clock::Clock;
use crate::random;

/// Even a document that is good for years is looked at once a day.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// A document that was verified, with what it is about.
pub(super) struct Held<D: Document> {
    pub(super) identity: D::Identity,
    pub(super) document: D,
    fetched: UnixTime,
}

/// What there is now.
pub(super) enum State<D: Document> {
    /// It is being asked for.
    Waiting,
    /// There is none, and it is asked for again then.
    Failed(Instant),
    /// Here it is.
    Ready(Arc<Held<D>>),
}

/// What every keeper works with.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) upstream: Upstream,
    pub(super) cache: Option<Cache>,
    pub(super) anchors: Arc<TrustAnchors>,
    pub(super) clock: Clock,
}

/// The task behind one document.
pub(super) struct Keeper<D: Document> {
    tools: Tools,
    state: watch::Sender<State<D>>,
    failures: u32,
}

impl<D: Document> Keeper<D> {
    /// A keeper, and where to look for what it has.
    pub(super) fn new(tools: Tools) -> (Self, watch::Receiver<State<D>>) {
        let (state, receiver) = watch::channel(State::Waiting);
        (Self { tools, state, failures: 0 }, receiver)
    }

    /// Works until nobody says any more what the machine is.
    pub(super) async fn run(mut self, mut identity: watch::Receiver<D::Identity>) {
        loop {
            let wanted = identity.borrow_and_update().clone();
            self.turn_to(&wanted);
            let pause = tokio::select! {
                pause = self.refresh(&wanted) => Some(pause),
                changed = identity.changed() => if changed.is_err() { return } else { None },
            };
            let Some(pause) = pause else {
                self.failures = 0;
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = identity.changed() => if changed.is_err() { return },
            }
        }
    }

    fn held(&self) -> Option<Arc<Held<D>>> {
        match &*self.state.borrow() {
            State::Ready(held) => Some(Arc::clone(held)),
            State::Waiting | State::Failed(_) => None,
        }
    }

    /// What is held about another machine, or is not valid any more, is not served for a moment longer.
    fn turn_to(&self, wanted: &D::Identity) {
        let now = self.tools.clock.now();
        let held = self.held();
        if held.as_ref().is_some_and(|held| held.identity == *wanted && is_valid(&held.document, now)) {
            return;
        }
        if let Some(held) = self.cached(wanted, now) {
            tracing::info!(document = D::NAME, "taken from the cache");
            self.state.send_replace(State::Ready(Arc::new(held)));
        } else if held.is_some() {
            self.state.send_replace(State::Waiting);
        }
    }

    fn cached(&self, wanted: &D::Identity, now: UnixTime) -> Option<Held<D>> {
        let (kept, fetched) = self.tools.cache.as_ref()?.read(&D::file(wanted))?;
        match self.open(&kept, wanted, now) {
            Ok(document) => Some(Held { identity: wanted.clone(), document, fetched }),
            Err(problem) => {
                tracing::warn!(document = D::NAME, problem, "a document in the cache is not used");
                None
            }
        }
    }

    fn open(&self, kept: &[u8], wanted: &D::Identity, now: UnixTime) -> Result<D, String> {
        let document = D::open(kept, wanted, &self.tools.anchors)?;
        if is_valid(&document, now) {
            return Ok(document);
        }
        Err("it is not valid at this time".to_owned())
    }

    /// Asks for the document if that is due, and says when to look again.
    async fn refresh(&mut self, wanted: &D::Identity) -> Duration {
        let now = self.tools.clock.now();
        if let Some(left) = self.held().and_then(|held| not_due_for(&held, now)) {
            return left.min(LONGEST_SLEEP);
        }
        match self.fetch(wanted, now).await {
            Ok(held) => {
                tracing::info!(document = D::NAME, "fetched and verified");
                let left = not_due_for(&held, now).unwrap_or(LONGEST_SLEEP);
                self.state.send_replace(State::Ready(Arc::new(held)));
                self.failures = 0;
                left.min(LONGEST_SLEEP)
            }
            Err(error) => self.note(&error),
        }
    }

    async fn fetch(&self, wanted: &D::Identity, now: UnixTime) -> Result<Held<D>, FetchError> {
        let response = self.tools.upstream.get(&D::path(wanted), now).await?;
        let kept = D::pack(&response).map_err(FetchError::Unusable)?;
        let document = self.open(&kept, wanted, now).map_err(FetchError::Unusable)?;
        if let Some(cache) = self.tools.cache.clone() {
            let name = D::file(wanted);
            // Writing waits for the disk.
            let written = tokio::task::spawn_blocking(move || cache.write(&name, &kept)).await;
            if let Ok(Err(error)) = written {
                tracing::warn!(document = D::NAME, %error, "the cache does not have it");
            }
        }
        Ok(Held { identity: wanted.clone(), document, fetched: now })
    }

    fn note(&mut self, error: &FetchError) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let [jitter] = random::bytes::<1>().unwrap_or_default();
        let pause = pause(self.failures, error, jitter);
        let (seconds, served) = (pause.as_secs(), self.held().is_some());
        tracing::warn!(document = D::NAME, %error, served, retry_seconds = seconds, "not fetched");
        if !served {
            let now = Instant::now();
            self.state.send_replace(State::Failed(now.checked_add(pause).unwrap_or(now)));
        }
        pause
    }
}

fn is_valid(document: &impl Document, now: UnixTime) -> bool {
    let window = document.window();
    window.from <= now && now <= window.until
}

/// How long a document need not be asked for; `None` when it is due.
fn not_due_for<D: Document>(held: &Held<D>, now: UnixTime) -> Option<Duration> {
    let end = held.document.window().until.0;
    let due = match D::REFRESH {
        Some(refresh) => {
            let refresh = i64::try_from(refresh.as_secs()).unwrap_or(i64::MAX);
            // A file from the future, of a clock that was wrong, must not stay for ever.
            held.fetched.0.min(now.0).saturating_add(refresh).min(end)
        }
        None => end,
    };
    let left = u64::try_from(due.saturating_sub(now.0)).ok().filter(|left| *left > 0)?;
    Some(Duration::from_secs(left))
}

/// Waits for the document, for as long as it is being asked for and at most this long. Without one: how long to wait.
pub(super) async fn wait<D: Document>(
    state: &watch::Receiver<State<D>>,
    longest: Duration,
) -> Result<Arc<Held<D>>, Duration> {
    let mut state = state.clone();
    let known = tokio::time::timeout(longest, state.wait_for(|state| !matches!(state, State::Waiting))).await;
    match known {
        Ok(Ok(state)) => match &*state {
            State::Ready(held) => Ok(Arc::clone(held)),
            State::Failed(until) => Err(until.saturating_duration_since(Instant::now())),
            State::Waiting => Err(longest),
        },
        _ => Err(longest),
    }
}

#[cfg(test)]
mod tests;
