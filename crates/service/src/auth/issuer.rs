//! One OpenID Connect issuer: its discovery document, its key set, and when to fetch them again.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use assay_token::{Algorithm, Expectations, Jwks, TokenError, VerifiedToken, verify};
use assay_verify::UnixTime;
use serde::Deserialize;
use tokio::sync::{Mutex, MutexGuard};

use super::{AuthError, described};
use crate::clock::{Clock, seconds};
use crate::config::IssuerConfig;
use crate::counters::Counters;
use crate::egress::{Client, Response};

/// How long a key set is used without a look at a newer one.
const FRESH: u64 = 15 * 60;
/// How long it is used when the issuer does not answer: its outage is not ours, a withdrawn key is gone within a day.
const STALE: u64 = 24 * 60 * 60;
/// A token with an unknown key makes us look, but no flood of such tokens makes us flood the issuer.
const RETRY: u64 = 30;
/// Asymmetric ones only: `none` and HMAC are how tokens are forged (RFC 8725, sections 2.1 and 2.2).
const ALGORITHMS: [Algorithm; 4] = [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384];
/// Discovery documents have 2 to 10 kB.
const DISCOVERY_MAX: usize = 256 * 1024;

pub(super) struct Issuer {
    pub(super) config: IssuerConfig,
    client: Client,
    keys: ArcSwapOption<Keys>,
    /// When a fetch was last tried; the lock makes many waiting requests one fetch.
    pub(super) attempt: Mutex<Option<u64>>,
}

struct Keys {
    jwks: Jwks,
    fetched: u64,
}

/// The part of a discovery document that matters here (OpenID Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Issuer {
    pub(super) fn new(config: IssuerConfig, client: Client) -> Self {
        Self { config, client, keys: ArcSwapOption::empty(), attempt: Mutex::new(None) }
    }

    pub(super) async fn verify(
        &self,
        token: &str,
        now: UnixTime,
        leeway: u64,
        clock: &Clock,
        counters: &Counters,
    ) -> Result<VerifiedToken, AuthError> {
        let audiences: Vec<&str> = self.config.audiences.iter().map(String::as_str).collect();
        let expectations = Expectations {
            issuer: Some(&self.config.issuer),
            audience: Some(&audiences),
            leeway,
            algorithms: &ALGORITHMS,
            ..Expectations::at(seconds(now))
        };
        let keys = self.keys(clock, counters).await?;
        match verify(token, &keys.jwks, &expectations) {
            Ok(token) => Ok(token),
            Err(errors) if is_unknown_key(&errors) => {
                let newer = self.fetch_again(keys.fetched, clock, counters).await;
                let keys = newer.unwrap_or(keys);
                verify(token, &keys.jwks, &expectations).map_err(|errors| described(&errors))
            }
            Err(errors) => Err(described(&errors)),
        }
    }

    /// The key set, fetched when there is none or it is old.
    async fn keys(&self, clock: &Clock, counters: &Counters) -> Result<Arc<Keys>, AuthError> {
        let held = self.keys.load_full();
        let age = |keys: &Keys| clock.now_seconds().saturating_sub(keys.fetched);
        if let Some(keys) = held.as_ref().filter(|keys| age(keys) < FRESH) {
            return Ok(Arc::clone(keys));
        }
        let fetched = held.as_ref().map_or(0, |keys| keys.fetched);
        let usable = held.filter(|keys| age(keys) < STALE);
        let newer = match (self.attempt.try_lock(), &usable) {
            (Ok(attempt), _) => self.fetch_once(attempt, fetched, clock, counters).await,
            // Someone else is fetching: who has keys that will do does not wait for the issuer.
            (Err(_), Some(_)) => None,
            (Err(_), None) => self.fetch_again(fetched, clock, counters).await,
        };
        newer.or(usable).ok_or(AuthError::Unavailable)
    }

    /// Waits until nobody else is fetching, and fetches then if that is still needed.
    async fn fetch_again(&self, seen: u64, clock: &Clock, counters: &Counters) -> Option<Arc<Keys>> {
        self.fetch_once(self.attempt.lock().await, seen, clock, counters).await
    }

    /// Fetches the key set unless someone else just did, or it was tried within the last half minute.
    async fn fetch_once(
        &self,
        mut attempt: MutexGuard<'_, Option<u64>>,
        seen: u64,
        clock: &Clock,
        counters: &Counters,
    ) -> Option<Arc<Keys>> {
        if let Some(keys) = self.keys.load_full().filter(|keys| keys.fetched > seen) {
            return Some(keys);
        }
        let now = clock.now_seconds();
        if attempt.is_some_and(|last| now.saturating_sub(last) < RETRY) {
            return None;
        }
        *attempt = Some(now);
        match self.fetch().await {
            Ok(jwks) => {
                counters.issuer_fetches.increment();
                let keys = Arc::new(Keys { jwks, fetched: now });
                self.keys.store(Some(Arc::clone(&keys)));
                Some(keys)
            }
            Err(problem) => {
                counters.issuer_failures.increment();
                tracing::warn!(issuer = %self.config.issuer, %problem, "key set not fetched");
                None
            }
        }
    }

    async fn fetch(&self) -> Result<Jwks, String> {
        let address =
            format!("{}/.well-known/openid-configuration", self.config.issuer.trim_end_matches('/'));
        let answer = self.get(&address).await?;
        let limits = assay_json::Limits::bytes(DISCOVERY_MAX);
        let discovery: Discovery = assay_json::from_slice(&answer.body, &limits)
            .map_err(|error| format!("the discovery document is refused: {error}"))?;
        // Section 4.3: the document must speak of the issuer it was asked for.
        if discovery.issuer != self.config.issuer {
            return Err(format!(
                "the discovery document is of `{}`",
                discovery.issuer.chars().take(80).collect::<String>()
            ));
        }
        let keys = self.get(&discovery.jwks_uri).await?;
        Jwks::from_json(&keys.body).map_err(|error| format!("the key set is refused: {error}"))
    }

    async fn get(&self, address: &str) -> Result<Response, String> {
        let answer = self.client.get(address, &[("accept", "application/json")]).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status == http::StatusCode::OK {
            return Ok(answer);
        }
        Err(format!("the answer has the status {}", answer.status.as_u16()))
    }
}

fn is_unknown_key(errors: &[TokenError]) -> bool {
    errors.iter().any(|error| matches!(error, TokenError::KidUnknown { .. }))
}
