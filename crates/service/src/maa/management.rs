//! Policies and policy signers. Every answer is a signed token with the result (Azure Attestation REST API reference, "Policy" and "Policy Certificates").

use serde_json::{Map, Value, json};

use super::{document, refusal};
use crate::answer::Answer;
use crate::auth::Permission;
use crate::front::Exchange;
use crate::problem::Problem;
use crate::registry::{ProviderSnapshot, SignerChange};

/// `GET /policies/{type}`: the document exactly as it was set.
pub(super) async fn get_policy(
    exchange: &Exchange<'_>,
    provider: &ProviderSnapshot,
) -> Result<Answer, Problem> {
    exchange.require(provider.id.as_str(), Permission::Read).await?;
    let policy = provider.policy(super::kind(exchange)?).ok_or_else(Problem::internal)?;
    result(exchange, provider, [("x-ms-policy", policy.jws().into())])
}

/// `PUT /policies/{type}`
pub(super) async fn set_policy(
    mut exchange: Exchange<'_>,
    provider: &ProviderSnapshot,
) -> Result<Answer, Problem> {
    let principal = exchange.require(provider.id.as_str(), Permission::Write).await?;
    let kind = super::kind(&exchange)?;
    let body = exchange.body().await?;
    let document = document::policy(&body)?;
    let registry = &exchange.app.registry;
    let change = registry.set_policy(&principal.actor(), provider.id.as_str(), kind, &document).await;
    let change = change.map_err(|error| refusal::registry(&error))?;
    let token_hash = Some(("x-ms-policy-token-hash", change.token_hash.into()));
    let signer = change.signer.map(|signer| ("x-ms-policy-signer", signer));
    let updated = [("x-ms-policy-result", "Updated".into())];
    result(&exchange, provider, updated.into_iter().chain(token_hash).chain(signer))
}

/// `POST /policies/{type}:reset`. The recorded answers, to signed requests too, have neither token hash nor signer.
pub(super) async fn reset_policy(
    mut exchange: Exchange<'_>,
    provider: &ProviderSnapshot,
) -> Result<Answer, Problem> {
    let principal = exchange.require(provider.id.as_str(), Permission::Delete).await?;
    let kind = super::kind(&exchange)?;
    let body = exchange.body().await?;
    let document = document::policy(&body)?;
    let registry = &exchange.app.registry;
    let change = registry.reset_policy(&principal.actor(), provider.id.as_str(), kind, &document).await;
    change.map_err(|error| refusal::registry(&error))?;
    result(&exchange, provider, [("x-ms-policy-result", "Removed".into())])
}

/// `GET /certificates`
pub(super) async fn list_signers(
    exchange: &Exchange<'_>,
    provider: &ProviderSnapshot,
) -> Result<Answer, Problem> {
    exchange.require(provider.id.as_str(), Permission::Read).await?;
    let keys: Vec<&Value> = provider.signers.iter().map(|signer| &signer.jwk).collect();
    result(exchange, provider, [("x-ms-policy-certificates", json!({"keys": keys}))])
}

/// `POST /certificates:add`
pub(super) async fn add_signer(
    mut exchange: Exchange<'_>,
    provider: &ProviderSnapshot,
) -> Result<Answer, Problem> {
    let principal = exchange.require(provider.id.as_str(), Permission::Write).await?;
    let body = exchange.body().await?;
    let request = document::signer(&body, "policyCertificateToAdd")?;
    let registry = &exchange.app.registry;
    let change = registry.add_signer(&principal.actor(), provider.id.as_str(), &request).await;
    signer_result(&exchange, provider, change.map_err(|error| refusal::registry(&error))?)
}

/// `POST /certificates:remove`
pub(super) async fn remove_signer(
    mut exchange: Exchange<'_>,
    provider: &ProviderSnapshot,
) -> Result<Answer, Problem> {
    let principal = exchange.require(provider.id.as_str(), Permission::Delete).await?;
    let body = exchange.body().await?;
    let request = document::signer(&body, "policyCertificateToRemove")?;
    let registry = &exchange.app.registry;
    let change = registry.remove_signer(&principal.actor(), provider.id.as_str(), &request).await;
    signer_result(&exchange, provider, change.map_err(|error| refusal::registry(&error))?)
}

fn signer_result(
    exchange: &Exchange<'_>,
    provider: &ProviderSnapshot,
    change: SignerChange,
) -> Result<Answer, Problem> {
    let present = if change.present { "IsPresent" } else { "IsAbsent" };
    let claims = [
        ("x-ms-certificate-thumbprint", change.thumbprint.into()),
        ("x-ms-policycertificates-result", present.into()),
    ];
    result(exchange, provider, claims)
}

fn result<'n>(
    exchange: &Exchange<'_>,
    provider: &ProviderSnapshot,
    claims: impl IntoIterator<Item = (&'n str, Value)>,
) -> Result<Answer, Problem> {
    let claims: Map<String, Value> =
        claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let token = provider.sign_result(claims, exchange.app.clock.now()).map_err(|error| {
        tracing::error!(%error, provider = %provider.id, "a result could not be signed");
        Problem::internal()
    })?;
    Ok(Answer::token(&token))
}
