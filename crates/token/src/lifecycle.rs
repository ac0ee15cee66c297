//! The life of signing keys, as pure functions over their records.
//!
//! ```text
//!            publish_before            max_age             token_life + overlap
//! (Create) -> Published -> (Activate) -> Active -> (StopSigning) -> Retiring -> (Retire) -> Retired
//!                 \____________________________ revoke _________________________/
//!                                                 |
//!                                              Revoked: out of the key set at once
//! ```
//!
//! A **ring** is the keys of one signer domain, provider and purpose. The caller stores the records, calls [`plan`]
//! now and then (and after a revocation), carries the transitions out in their order with [`apply`] (making a key for each
//! [`Transition::Create`]), signs with [`signing_key`] and publishes [`published`].
//!
//! What holds, whatever the times of the calls: once a ring has had an active key it keeps one, after every single
//! transition; a key signs only after it was published for `publish_before` (clients of Azure Attestation fetch the
//! key set once and never again), except where the ring has no other: its first key, and the one that follows an
//! emergency revocation; and a key stays published until the last token it signed has expired, unless revoked.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::shown;
use crate::{Algorithm, TokenError};

const HOUR: u64 = 3600;

/// What a key signs. Keys are per purpose, so that a signature of one kind can never pass for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Attestation results.
    AttestationToken,
    /// Answers of policy and certificate management.
    ManagementResult,
    /// Challenges that evidence must contain.
    Challenge,
    /// Administrators' bearer tokens.
    Administration,
}

impl Purpose {
    /// The name in records and wrapped keys.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AttestationToken => "attestation-token",
            Self::ManagementResult => "management-result",
            Self::Challenge => "challenge",
            Self::Administration => "administration",
        }
    }
}

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// In the key set, not yet signing.
    Published,
    /// In the key set and signing.
    Active,
    /// In the key set for the sake of tokens that are still valid.
    Retiring,
    /// Gone.
    Retired,
    /// Taken out of the key set in an emergency; its tokens no longer verify.
    Revoked,
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Published => "published",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        })
    }
}

/// What is known of a key besides its private half. Times are unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The signer domain: one deployment, or a group of equally measured instances.
    pub domain: String,
    /// The provider whose tokens it signs.
    pub provider: String,
    /// Its name in the key set.
    pub kid: String,
    /// What it signs.
    pub purpose: Purpose,
    /// How it signs.
    pub algorithm: Algorithm,
    /// Where it is in its life.
    pub state: State,
    /// When it was made.
    pub created: u64,
    /// From when on it is in the key set.
    pub publish_at: u64,
    /// When it starts to sign: planned while `Published`, afterwards the time it did.
    pub activate_at: u64,
    /// When it stops to sign: planned until `Retiring`, afterwards the time it did.
    pub retire_at: u64,
    /// When the last token it may have signed expires; 0 while that is open.
    pub last_token_expiry: u64,
}

/// How keys rotate. Times are seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationPolicy {
    /// How long a key is published before it signs.
    pub publish_before: u64,
    /// How long a key signs.
    pub max_age: u64,
    /// How long a token is valid.
    pub token_life: u64,
    /// How long after [`Transition::StopSigning`] another process may still sign with the key.
    pub overlap: u64,
}

impl Default for RotationPolicy {
    /// 24 hours of publication (clients keep key sets), tokens of 8 hours (as Azure Attestation's), 90 days of use (a
    /// quarter, so that rotation is rehearsed often), 5 minutes for processes and clocks to follow.
    fn default() -> Self {
        Self { publish_before: 24 * HOUR, max_age: 90 * 24 * HOUR, token_life: 8 * HOUR, overlap: HOUR / 12 }
    }
}

impl RotationPolicy {
    /// As the default, without waiting between publication and use: for `--dev` only.
    #[must_use]
    pub fn dev() -> Self {
        Self { publish_before: 0, ..Self::default() }
    }

    /// At least a second, or rotation would never come to rest.
    fn retire_at(&self, activate_at: u64) -> u64 {
        activate_at.saturating_add(self.max_age.max(1))
    }
}

/// When a new key is to be published, used and retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// From when on it is in the key set.
    pub publish_at: u64,
    /// When it starts to sign.
    pub activate_at: u64,
    /// When it stops to sign.
    pub retire_at: u64,
}

/// One step in the life of a ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// Make a key and store its record, `Published`, with these times.
    Create(Schedule),
    /// Let the key sign.
    Activate {
        /// The key.
        kid: String,
        /// When it shall stop.
        retire_at: u64,
    },
    /// Let the key no longer sign.
    StopSigning {
        /// The key.
        kid: String,
        /// When the last token it may have signed expires.
        last_token_expiry: u64,
    },
    /// Take the key out of the key set; its private half can be destroyed.
    Retire {
        /// The key.
        kid: String,
    },
}

/// The steps that are due at `now`, to be carried out in this order, for the keys of one ring. An empty ring gets
/// its first key; calling again after carrying them out gives what follows, and at last nothing.
///
/// # Errors
/// [`TokenError::MixedRing`].
pub fn plan(keys: &[KeyRecord], policy: &RotationPolicy, now: u64) -> Result<Vec<Transition>, TokenError> {
    check_ring(keys)?;
    let mut steps = Vec::new();
    let active = newest_active(keys, u64::MAX);
    let successor =
        keys.iter().filter(|key| key.state == State::Published).min_by_key(|key| (key.activate_at, &key.kid));
    let promoted = match (active, successor) {
        // Nothing signs: no waiting, the first that is there serves.
        (None, Some(successor)) => Some(successor),
        (None, None) => {
            steps.push(Transition::Create(schedule(now, now, policy)));
            None
        }
        (Some(_), Some(successor)) => Some(successor).filter(|key| is_due(key, policy, now)),
        (Some(active), None) => {
            if active.retire_at <= now.saturating_add(policy.publish_before) {
                let ripe = now.saturating_add(policy.publish_before);
                steps.push(Transition::Create(schedule(now, ripe.max(active.retire_at), policy)));
            }
            None
        }
    };
    if let Some(key) = promoted {
        steps.push(Transition::Activate { kid: key.kid.clone(), retire_at: policy.retire_at(now) });
    }
    // Only after its successor signs does a key stop, so that no moment is without one.
    let signs = promoted.or(active).map(|key| &key.kid);
    let superseded = keys.iter().filter(|key| key.state == State::Active && Some(&key.kid) != signs);
    steps.extend(superseded.map(|key| stop(key, policy, now)));
    steps.extend(
        keys.iter()
            .filter(|key| key.state == State::Retiring && key.last_token_expiry <= now)
            .map(|key| Transition::Retire { kid: key.kid.clone() }),
    );
    Ok(steps)
}

/// Carries out one step on the records. [`Transition::Create`] is the caller's part: see [`KeyRecord::new`].
///
/// # Errors
/// [`TokenError::KidUnknown`], [`TokenError::IllegalTransition`]: another process was faster, plan again.
pub fn apply(keys: &mut [KeyRecord], step: &Transition, now: u64) -> Result<(), TokenError> {
    match step {
        Transition::Create(_) => Ok(()),
        Transition::Activate { kid, retire_at } => {
            let key = change(keys, kid, State::Published, State::Active)?;
            key.activate_at = now;
            key.retire_at = *retire_at;
            Ok(())
        }
        Transition::StopSigning { kid, last_token_expiry } => {
            let key = change(keys, kid, State::Active, State::Retiring)?;
            key.retire_at = now;
            key.last_token_expiry = *last_token_expiry;
            Ok(())
        }
        Transition::Retire { kid } => change(keys, kid, State::Retiring, State::Retired).map(|_| ()),
    }
}

/// The key of the ring to sign with at `now`: the one activated last. While it was activated in the future (this
/// clock is behind), the one before it, if that still signs.
///
/// # Errors
/// [`TokenError::NoSigningKey`], [`TokenError::MixedRing`].
pub fn signing_key(keys: &[KeyRecord], now: u64) -> Result<&KeyRecord, TokenError> {
    check_ring(keys)?;
    newest_active(keys, now).or_else(|| newest_active(keys, u64::MAX)).ok_or(TokenError::NoSigningKey)
}

/// The keys that belong into the key set at `now`. Keys of several rings may be given: a provider publishes those of
/// its attestation tokens and management results together.
#[must_use]
pub fn published(keys: &[KeyRecord], now: u64) -> Vec<&KeyRecord> {
    let belongs = |key: &&KeyRecord| match key.state {
        State::Published => key.publish_at <= now,
        State::Active | State::Retiring => true,
        // Retired by a clock that was ahead.
        State::Retired => key.last_token_expiry > now,
        State::Revoked => false,
    };
    keys.iter().filter(belongs).collect()
}

impl KeyRecord {
    /// The record of a key that was just made, to be stored as `Published`.
    #[must_use]
    pub fn new(
        (domain, provider, purpose): (&str, &str, Purpose),
        kid: &str,
        algorithm: Algorithm,
        schedule: Schedule,
        now: u64,
    ) -> Self {
        Self {
            domain: domain.to_owned(),
            provider: provider.to_owned(),
            kid: kid.to_owned(),
            purpose,
            algorithm,
            state: State::Published,
            created: now,
            publish_at: schedule.publish_at,
            activate_at: schedule.activate_at,
            retire_at: schedule.retire_at,
            last_token_expiry: 0,
        }
    }

    /// Emergency: the key leaves the key set at once and for ever, and with it every token it signed. [`plan`] then
    /// puts another in its place without waiting.
    pub const fn revoke(&mut self, now: u64) {
        if !matches!(self.state, State::Revoked) {
            self.state = State::Revoked;
            self.retire_at = now;
        }
    }

    fn ring(&self) -> (&str, &str, Purpose) {
        (&self.domain, &self.provider, self.purpose)
    }
}

fn check_ring(keys: &[KeyRecord]) -> Result<(), TokenError> {
    let rings = keys.iter().map(KeyRecord::ring);
    let same = rings.clone().zip(rings.skip(1)).all(|(one, next)| one == next);
    if same { Ok(()) } else { Err(TokenError::MixedRing) }
}

fn newest_active(keys: &[KeyRecord], now: u64) -> Option<&KeyRecord> {
    keys.iter()
        .filter(|key| key.state == State::Active && key.activate_at <= now)
        .max_by_key(|key| (key.activate_at, &key.kid))
}

fn schedule(publish_at: u64, activate_at: u64, policy: &RotationPolicy) -> Schedule {
    Schedule { publish_at, activate_at, retire_at: policy.retire_at(activate_at) }
}

/// Its time has come, and it has been published long enough even if the policy changed since.
const fn is_due(key: &KeyRecord, policy: &RotationPolicy, now: u64) -> bool {
    key.activate_at <= now && key.publish_at.saturating_add(policy.publish_before) <= now
}

fn stop(key: &KeyRecord, policy: &RotationPolicy, now: u64) -> Transition {
    let last_token_expiry = now.saturating_add(policy.overlap).saturating_add(policy.token_life);
    Transition::StopSigning { kid: key.kid.clone(), last_token_expiry }
}

fn change<'k>(
    keys: &'k mut [KeyRecord],
    kid: &str,
    from: State,
    to: State,
) -> Result<&'k mut KeyRecord, TokenError> {
    let key = keys
        .iter_mut()
        .find(|key| key.kid == kid)
        .ok_or_else(|| TokenError::KidUnknown { kid: shown(kid) })?;
    if key.state != from {
        return Err(TokenError::IllegalTransition { kid: shown(kid), from: key.state, to });
    }
    key.state = to;
    Ok(key)
}
