//! The body of an attestation token.

use std::collections::BTreeMap;

use assay_verify::claims::SgxClaims;
use assay_verify::{AnchorOrigin, Verified};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::claims::sgx_service_claims;
use crate::{ActivePolicy, Freshness, Moment, Provider, Request};

/// How long an attestation token lives, in seconds (Azure Attestation: 8 hours, fixed).
pub const TOKEN_LIFE: i64 = 8 * 60 * 60;
/// How long an answer to a draft policy lives (rule 17).
const DRAFT_LIFE: i64 = 5 * 60;
/// Tokens are valid a little before they are made: some clients allow their clock no slack at all.
const NOT_BEFORE_SLACK: i64 = 5;

/// What is to be signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenBody {
    /// Canonical JSON: compact, members sorted.
    pub payload: String,
    /// The answer to a draft policy: not to be signed.
    pub draft: bool,
    /// The `jti` claim.
    pub token_id: String,
}

/// Everything the body says, gathered from the steps before.
pub(crate) struct Parts<'a> {
    pub(crate) request: &'a Request,
    pub(crate) provider: &'a Provider<'a>,
    pub(crate) policy: &'a ActivePolicy,
    pub(crate) claims: &'a Verified<SgxClaims>,
    pub(crate) issued: serde_json::Map<String, Value>,
    pub(crate) freshness: Freshness,
    pub(crate) moment: &'a Moment,
}

impl Parts<'_> {
    /// Writes the body. Claims of the service cannot be overwritten by those of the policy.
    pub(crate) fn write(self) -> TokenBody {
        let draft = self.request.draft_policy.is_some();
        let token_id = hex::encode(self.moment.token_id);
        let mut body: BTreeMap<String, Value> = BTreeMap::new();
        body.extend(self.issued.clone());
        body.extend(sgx_service_claims(self.claims, self.freshness));
        body.extend(self.attached_claims());
        body.extend(self.common_claims(draft, &token_id));
        // A map of strings to JSON values always has a JSON form.
        let payload = serde_json::to_string(&body).unwrap_or_default();
        TokenBody { payload, draft, token_id }
    }

    fn common_claims(&self, draft: bool, token_id: &str) -> Vec<(String, Value)> {
        let now = self.moment.now.0;
        let life = if draft { DRAFT_LIFE } else { TOKEN_LIFE };
        let mut claims = vec![
            ("iss", json!(self.provider.issuer)),
            ("iat", json!(now)),
            ("nbf", json!(now.saturating_sub(NOT_BEFORE_SLACK))),
            ("exp", json!(now.saturating_add(life))),
            ("jti", json!(token_id)),
            ("x-ms-ver", json!("1.0")),
            ("x-ms-policy-hash", json!(self.policy.hash())),
        ];
        claims.extend(self.policy.signer().map(|signer| ("x-ms-policy-signer", signer.clone())));
        claims.extend(self.request.nonce.as_ref().map(|nonce| ("nonce", json!(nonce))));
        if draft {
            claims.push(("x-assay-draft", json!(true)));
        }
        if self.provider.development {
            claims.push(("x-assay-dev", json!(true)));
        }
        if self.claims.origin() == AnchorOrigin::Simulated {
            claims.push(("x-assay-simulated", json!(true)));
        }
        claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Runtime and init-time data, which verification has bound to the evidence.
    fn attached_claims(&self) -> Vec<(String, Value)> {
        attached_claims(self.request)
    }
}

/// JSON data goes in as JSON; opaque runtime data as base64url under its three names.
pub(crate) fn attached_claims(request: &Request) -> Vec<(String, Value)> {
    let mut claims = Vec::new();
    if let Some(data) = &request.runtime_data {
        match data.json() {
            Some(json) => claims.push(("x-ms-runtime".to_owned(), json)),
            None => {
                let encoded = URL_SAFE_NO_PAD.encode(&data.data);
                let names = ["x-ms-sgx-ehd", "maa-ehd", "aas-ehd"];
                claims.extend(names.map(|name| (name.to_owned(), json!(encoded))));
            }
        }
    }
    if let Some(data) = &request.init_time_data {
        let value = data.json().unwrap_or_else(|| json!(URL_SAFE_NO_PAD.encode(&data.data)));
        claims.push(("x-ms-inittime".to_owned(), value));
    }
    claims
}
