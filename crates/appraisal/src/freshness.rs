//! Whether evidence was made for this conversation.
//!
//! A nonce in the request proves nothing by itself; it counts only where the evidence is bound to it, that is inside the
//! runtime data whose hash is the report data, or hashed into the report data directly.

use assay_verify::{UnixTime, sha256};
use serde::{Deserialize, Serialize};

use crate::{ChallengeCheck, Request};

/// A challenge is a JWS of a few hundred bytes; a longer text is not one of ours.
const MAX_CHALLENGE: usize = 2048;
/// Shorter nonces could occur in runtime data by chance.
const MIN_NONCE: usize = 8;

/// How fresh evidence is; the value of `x-assay-freshness`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Freshness {
    /// Bound to a challenge of this service that has not expired.
    Challenge,
    /// Bound to a nonce that the caller sent along; how fresh that is, the caller knows.
    CallerBound,
    /// Bound to nothing that tells its age.
    Unbound,
}

impl Freshness {
    /// The claim's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Challenge => "challenge",
            Self::CallerBound => "caller-bound",
            Self::Unbound => "unbound",
        }
    }

    /// Judges a request whose evidence was verified: `report_data` is the verified one, and runtime data is bound by it.
    pub(crate) fn of(
        request: &Request,
        report_data: &[u8; 64],
        challenges: &dyn ChallengeCheck,
        now: UnixTime,
    ) -> Self {
        let bound = Bound {
            runtime_data: request.runtime_data.as_ref().map(|data| data.data.as_slice()),
            report_data,
        };
        let in_request = [request.challenge.as_deref(), request.nonce.as_deref()];
        let in_data = bound.embedded_challenge();
        let candidates = in_request.into_iter().flatten().chain(in_data.as_deref());
        let is_challenge =
            |text: &str| text.len() <= MAX_CHALLENGE && bound.carries(text) && challenges.is_ours(text, now);
        if candidates.into_iter().any(is_challenge) {
            return Self::Challenge;
        }
        let nonce =
            in_request.into_iter().flatten().any(|nonce| nonce.len() >= MIN_NONCE && bound.carries(nonce));
        if nonce { Self::CallerBound } else { Self::Unbound }
    }
}

/// What the evidence is bound to.
struct Bound<'a> {
    runtime_data: Option<&'a [u8]>,
    report_data: &'a [u8; 64],
}

impl Bound<'_> {
    fn carries(&self, text: &str) -> bool {
        match self.runtime_data {
            Some(data) => contains(data, text.as_bytes()),
            None => self.hash_is_report_data(text),
        }
    }

    fn hash_is_report_data(&self, text: &str) -> bool {
        let (first, second) = self.report_data.split_at(32);
        first == sha256(&[text.as_bytes()]) && second.iter().all(|byte| *byte == 0)
    }

    /// The member `challenge` or `nonce` of runtime data that is a JSON object: how clients of Azure's wire, which has no
    /// field for it, bring a challenge.
    fn embedded_challenge(&self) -> Option<String> {
        let data = self.runtime_data?;
        let json = assay_json::parse(data, &assay_json::Limits::default()).ok()?;
        let member = json.get("challenge").or_else(|| json.get("nonce"))?;
        member.as_str().map(str::to_owned)
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && haystack.windows(needle.len()).any(|window| window == needle)
}
