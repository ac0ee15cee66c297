//! Challenges: signed and stateless, so that any node of the deployment knows them again.

use assay_appraisal::ChallengeCheck;
use assay_token::lifecycle::Purpose;
use assay_token::{Algorithm, Expectations, Header, TokenError, issue, verify};
use assay_verify::UnixTime;
use serde_json::json;

use crate::clock::{Clock, seconds};
use crate::random::{self, NoRandomness};
use crate::registry::Registry;

/// Long enough for a slow enclave to start, short enough to mean "now".
const LIFE: u64 = 300;
/// Tells challenges from every other token of the service.
const TYPE: &str = "assay-challenge";

/// Gives out challenges and recognises them.
#[derive(Clone)]
pub struct Challenges {
    registry: Registry,
    clock: Clock,
    issuer: String,
}

/// A challenge to put inside evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The text.
    pub text: String,
    /// When it ceases to count.
    pub expires: UnixTime,
}

/// Why there is no challenge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// The key cannot be used.
    #[error("the challenge key cannot be used: {0}")]
    Key(TokenError),
    /// The system gives no randomness.
    #[error("{0}")]
    Random(NoRandomness),
}

impl Challenges {
    pub(crate) const fn new(registry: Registry, clock: Clock, issuer: String) -> Self {
        Self { registry, clock, issuer }
    }

    /// A new challenge.
    ///
    /// # Errors
    /// [`ChallengeError`].
    pub fn issue(&self) -> Result<Challenge, ChallengeError> {
        let now = self.clock.now_seconds();
        let expires = now.saturating_add(LIFE);
        let random: [u8; 16] = random::bytes().map_err(ChallengeError::Random)?;
        let payload = json!({ "exp": expires, "iat": now, "iss": self.issuer, "jti": hex::encode(random) });
        let keys = self.registry.deployment_keys();
        let key = keys.signing_key(Purpose::Challenge, now).map_err(ChallengeError::Key)?;
        let header = Header { kid: key.kid, jku: "", typ: TYPE, x5c: &[] };
        let text =
            issue(&header, &assay_json::to_canonical(&payload), key.signer).map_err(ChallengeError::Key)?;
        Ok(Challenge { text, expires: crate::clock::unix_time(expires) })
    }
}

impl ChallengeCheck for Challenges {
    fn is_ours(&self, challenge: &str, now: UnixTime) -> bool {
        let expectations = Expectations {
            issuer: Some(&self.issuer),
            token_type: Some(TYPE),
            algorithms: &[Algorithm::Es256],
            max_age: Some(LIFE),
            ..Expectations::at(seconds(now))
        };
        verify(challenge, self.registry.deployment_keys().challenge_jwks(), &expectations).is_ok()
    }
}
