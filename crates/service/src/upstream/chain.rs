//! Upstreams in the order in which they are asked.

use std::fmt;

use assay_collateral::upstream::{Fetched, UpstreamError, Wanted};

use super::guard::{Asker, BreakerState, Guarded, UpstreamState};

/// The configured upstreams: the first that gives something usable is the one.
#[derive(Debug, Default)]
pub struct Chain {
    upstreams: Vec<Guarded>,
    is_local: bool,
}

/// What was found, and who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T> {
    /// What the caller made of the answer.
    pub value: T,
    /// The name of the upstream.
    pub source: String,
}

/// Why no upstream gave anything usable; in the order in which they were asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures(pub Vec<Failure>);

/// Why one upstream gave nothing usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its name.
    pub upstream: String,
    /// Why.
    pub error: UpstreamError,
}

impl Chain {
    /// Upstreams, the first one first.
    #[must_use]
    pub const fn new(upstreams: Vec<Guarded>) -> Self {
        Self { upstreams, is_local: false }
    }

    /// Upstreams of which none needs a network, so that they may be asked where a network may not.
    #[must_use]
    pub const fn local(upstreams: Vec<Guarded>) -> Self {
        Self { upstreams, is_local: true }
    }

    /// Whether none needs a network, and there are some.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.is_local && !self.upstreams.is_empty()
    }

    /// Whether there is nobody to ask.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.upstreams.is_empty()
    }

    /// Asks one after the other until `accept` takes an answer. `accept` verifies it; what it refuses counts as a bad
    /// answer with its reason, so that one broken mirror does not stand before the next.
    ///
    /// It takes as long as every upstream may take with its retries. A caller that has less time stops waiting: the
    /// question goes on, and who asks again finds it under way.
    ///
    /// # Errors
    /// [`Failures`], one of each upstream.
    pub async fn ask<T>(
        &self,
        wanted: &Wanted,
        asker: Asker,
        mut accept: impl FnMut(&str, Fetched) -> Result<T, String>,
    ) -> Result<Found<T>, Failures> {
        let mut failures = Vec::new();
        for upstream in &self.upstreams {
            let source = upstream.name().to_owned();
            let fetched = upstream.ask(wanted, asker).await;
            let accepted = fetched.and_then(|fetched| {
                accept(&source, fetched).map_err(|problem| {
                    let error = UpstreamError::BadAnswer { problem };
                    upstream.counters().failed(error.code());
                    error
                })
            });
            match accepted {
                Ok(value) => return Ok(Found { value, source }),
                Err(error) => failures.push(Failure { upstream: source, error }),
            }
        }
        Err(Failures(failures))
    }

    /// Every upstream, the first one first.
    pub fn iter(&self) -> impl Iterator<Item = &Guarded> {
        self.upstreams.iter()
    }

    /// Whether nobody could be reached: none said anything, and none was left alone because questions were spent or it asked
    /// for patience. What strangers can bring about is none of these.
    #[must_use]
    pub fn is_away(&self, failures: &Failures) -> bool {
        let mut said = self.upstreams.iter().filter_map(|upstream| {
            let failure = failures.0.iter().find(|failure| failure.upstream == upstream.name())?;
            match &failure.error {
                UpstreamError::NotOffered => None,
                // That a folder does not have it says nothing about the vendor.
                UpstreamError::Unknown { .. } if !upstream.is_remote() => None,
                UpstreamError::Unavailable { .. } => Some(true),
                UpstreamError::NotAsked { .. } => {
                    let state = upstream.state();
                    Some(state.breaker != BreakerState::Closed && state.throttled_for.is_zero())
                }
                _ => Some(false),
            }
        });
        said.next() == Some(true) && said.all(|away| away)
    }

    /// Counters and state of every upstream, for metrics.
    pub fn states(&self) -> impl Iterator<Item = UpstreamState<'_>> {
        self.upstreams.iter().map(Guarded::state)
    }
}

impl Failures {
    /// Whether a little later there may be an answer: else nobody has it.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.0.iter().any(|failure| failure.error.is_passing())
    }

    /// The code of the failure that says most: of what may pass first, then of what an upstream knows of it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        let errors = || self.0.iter().map(|failure| &failure.error);
        let passing = errors().find(|error| error.is_passing());
        let offered = || errors().find(|error| **error != UpstreamError::NotOffered);
        passing.or_else(offered).map_or("upstream-not-offered", UpstreamError::code)
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no upstream is configured");
        }
        for (position, Failure { upstream, error }) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}`{upstream}`: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failures {}
