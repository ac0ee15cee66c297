//! Whether evidence was made for this conversation.
//!
//! A nonce in the request proves nothing by itself; it counts only where the evidence is bound to it, that is inside the
//! runtime data whose hash is the report data, or hashed into the report data directly.

use assay_verify::{UnixTime, sha256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::request::Attached;
use crate::{AttachedData, ChallengeCheck, Refusal, Request};

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
    ///
    /// Only what the token echoes, the nonce, can make it caller-bound; anything else could be picked out of old evidence.
    ///
    /// # Errors
    /// The caller names a challenge, and it does not make the evidence fresh: whoever relies on one must not get less
    /// without a word.
    pub(crate) fn of(
        request: &Request,
        attached: &Attached,
        report_data: &[u8; 64],
        challenges: &dyn ChallengeCheck,
        now: UnixTime,
    ) -> Result<Self, Refusal> {
        let bound =
            Bound { data: request.runtime_data.as_ref(), json: attached.runtime.as_deref(), report_data };
        // Whether it is ours is asked first: that costs one signature, however long the data is.
        let ours = |text: &str| is_text(text) && challenges.is_ours(text, now);
        if let Some(challenge) = &request.challenge {
            return match ours(challenge) {
                false => Err(Refusal::ChallengeNotOurs),
                true if !bound.carries(challenge) => Err(Refusal::ChallengeNotBound),
                true => Ok(Self::Challenge),
            };
        }
        let nonce = request.nonce.as_deref().filter(|nonce| is_text(nonce));
        let embedded = bound.embedded();
        let mut candidates = nonce.into_iter().chain(embedded.iter().flatten().map(String::as_str));
        if candidates.any(|text| ours(text) && bound.carries(text)) {
            return Ok(Self::Challenge);
        }
        Ok(if nonce.is_some_and(|nonce| bound.carries(nonce)) { Self::CallerBound } else { Self::Unbound })
    }
}

fn is_text(text: &str) -> bool {
    (MIN_NONCE..=MAX_CHALLENGE).contains(&text.len())
}

/// What the evidence is bound to.
struct Bound<'a> {
    data: Option<&'a AttachedData>,
    /// The same data, if it is JSON.
    json: Option<&'a Value>,
    report_data: &'a [u8; 64],
}

impl Bound<'_> {
    /// In JSON a text is carried as a whole value, so that no piece of other members passes for it.
    fn carries(&self, text: &str) -> bool {
        match (self.json, self.data) {
            (Some(json), _) => has_value(json, text),
            (None, Some(data)) => memchr::memmem::find(&data.data, text.as_bytes()).is_some(),
            (None, None) => self.hash_is_report_data(text),
        }
    }

    fn hash_is_report_data(&self, text: &str) -> bool {
        let (first, second) = self.report_data.split_at(32);
        first == sha256(&[text.as_bytes()]) && second.iter().all(|byte| *byte == 0)
    }

    /// The members `challenge` and `nonce` of JSON runtime data: how clients of Azure's wire, which has no field for it,
    /// bring a challenge.
    fn embedded(&self) -> [Option<String>; 2] {
        // Many send JSON as Binary, so that its bytes come back in the token.
        let binary = self.data.filter(|_| self.json.is_none()).and_then(AttachedData::guess_json);
        let json = self.json.or(binary.as_ref());
        ["challenge", "nonce"]
            .map(|name| json.and_then(|json| json.get(name)).and_then(Value::as_str).map(str::to_owned))
    }
}

/// Whether a string or number somewhere in JSON is this text. Depth is bounded where the JSON was read.
fn has_value(json: &Value, text: &str) -> bool {
    match json {
        Value::String(string) => string == text,
        Value::Number(number) => number.to_string() == text,
        Value::Array(items) => items.iter().any(|item| has_value(item, text)),
        Value::Object(members) => members.values().any(|value| has_value(value, text)),
        Value::Null | Value::Bool(_) => false,
    }
}
