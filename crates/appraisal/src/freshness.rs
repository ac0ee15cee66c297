//! Whether evidence was made for this conversation.
//!
//! A nonce in the request proves nothing by itself; it counts only where the evidence is bound to it, that is inside the
//! runtime data whose hash is the report data, or hashed into the report data directly.

use assay_verify::hcl::{is_in_user_data, user_data};
use assay_verify::{UnixTime, sha256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::evidence::EvidenceClaims;
use crate::request::Attached;
use crate::{AttachedData, ChallengeCheck, DataType, Refusal, Request};

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

    /// Judges a request whose evidence was verified, by what it is bound to.
    ///
    /// Only what the token echoes, the nonce, can make it caller-bound; anything else could be picked out of old evidence.
    ///
    /// # Errors
    /// The caller names a challenge, and it does not make the evidence fresh: whoever relies on one must not get less
    /// without a word.
    pub(crate) fn of(
        request: &Request,
        bound: &Bound<'_>,
        challenges: &dyn ChallengeCheck,
        now: UnixTime,
    ) -> Result<Self, Refusal> {
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

/// What verified evidence is bound to.
pub(crate) struct Bound<'a> {
    data: Option<&'a AttachedData>,
    /// The same data, if it is JSON.
    json: Option<&'a Value>,
    /// The guest's own data, which a paravisor's claims bind.
    beside: Option<&'a [u8]>,
    report_data: &'a [u8; 64],
}

impl<'a> Bound<'a> {
    pub(crate) fn new(request: &'a Request, attached: &'a Attached, claims: &'a EvidenceClaims) -> Self {
        Self {
            data: request.runtime_data.as_ref(),
            json: attached.runtime.as_deref(),
            beside: None,
            report_data: claims.report_data(),
        }
    }

    /// With data that verification found bound by the claims of a paravisor.
    pub(crate) fn beside(self, data: Option<&'a [u8]>) -> Self {
        Self { beside: data, ..self }
    }

    /// In JSON a text is carried as a whole value, so that no piece of other members passes for it.
    fn carries(&self, text: &str) -> bool {
        self.beside.is_some_and(|data| holds(data, text)) || self.data_carries(text)
    }

    fn data_carries(&self, text: &str) -> bool {
        match (self.json, self.data) {
            (Some(json), _) => has_value(json, text) || has_user_data_of(json, text),
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

/// As in runtime data: in JSON as a whole value, else as it is.
fn holds(data: &[u8], text: &str) -> bool {
    let attached = AttachedData { data: data.to_vec(), data_type: DataType::Json };
    match attached.json() {
        Ok(Some(json)) => has_value(&json, text),
        _ => memchr::memmem::find(data, text.as_bytes()).is_some(),
    }
}

/// Guests hand 64 bytes to their paravisor, which shows them in its claims: too few for a challenge, enough for its hash. A
/// member of that name in other runtime data is as bound as the rest of it.
fn has_user_data_of(json: &Value, text: &str) -> bool {
    user_data(json).is_some_and(|data| is_in_user_data(&data, text.as_bytes()))
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
