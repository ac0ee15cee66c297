//! The body of an attestation token.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use assay_verify::AnchorOrigin;
use serde_json::{Value, json};

use crate::evidence::EvidenceClaims;
use crate::hexadecimal::hexadecimal;
use crate::request::Attached;
use crate::{ActivePolicy, Freshness, Moment, Provider, Request, SnpTrust};

/// How long an attestation token lives, in seconds (Azure Attestation: 8 hours, fixed).
pub const TOKEN_LIFE: i64 = 8 * 60 * 60;
/// How long an answer to a draft policy lives.
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
    pub(crate) attached: &'a Attached,
    pub(crate) provider: &'a Provider<'a>,
    pub(crate) policy: &'a ActivePolicy,
    pub(crate) claims: &'a EvidenceClaims,
    pub(crate) trust: &'a SnpTrust,
    pub(crate) issued: serde_json::Map<String, Value>,
    pub(crate) freshness: Freshness,
    pub(crate) moment: &'a Moment,
}

impl Parts<'_> {
    /// Writes the body. Claims of the service are added last, so none of the policy's can stand in their place.
    pub(crate) fn write(mut self) -> TokenBody {
        let draft = self.request.draft_policy.is_some();
        let token_id = hexadecimal(self.moment.token_id);
        let issued = std::mem::take(&mut self.issued);
        let mut body: BTreeMap<Cow<'_, str>, Arc<Value>> =
            issued.into_iter().map(|(name, value)| (Cow::Owned(name), Arc::new(value))).collect();
        let evidence = self.claims.service_claims(self.freshness, self.trust);
        let service = evidence.into_iter().chain(self.common(draft, &token_id));
        body.extend(service.map(|(name, value)| (Cow::Borrowed(name), Arc::new(value))));
        body.extend(
            self.claims
                .attached_claims(self.attached)
                .into_iter()
                .map(|(name, value)| (Cow::Borrowed(name), value)),
        );
        // A map of strings to JSON values always has a JSON form.
        let payload = serde_json::to_string(&body).unwrap_or_default();
        TokenBody { payload, draft, token_id }
    }

    fn common(&self, draft: bool, token_id: &str) -> Vec<(&'static str, Value)> {
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
        claims.extend(draft.then_some(("x-assay-draft", json!(true))));
        claims.extend(self.provider.development.then_some(("x-assay-dev", json!(true))));
        claims.extend(origin_claim(self.claims.origin()));
        claims
    }
}

/// Whoever vouches for the root is not the vendor: the token says so.
pub(crate) fn origin_claim(origin: AnchorOrigin) -> Option<(&'static str, Value)> {
    match origin {
        AnchorOrigin::Vendor => None,
        AnchorOrigin::Operator => Some(("x-assay-anchor", json!(origin.as_str()))),
        AnchorOrigin::Simulated => Some(("x-assay-simulated", json!(true))),
    }
}
