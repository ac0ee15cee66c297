//! `/v1/providers/{name}/keys`: the signing keys of a provider.

use assay_token::lifecycle::Purpose;
use assay_verify::UnixTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::providers::named;
use crate::answer::Answer;
use crate::auth::Permission;
use crate::clock::unix_time;
use crate::front::Exchange;
use crate::maa::members::Members;
use crate::maa::refusal;
use crate::problem::Problem;
use crate::registry::KeyChange;

/// The body of `POST /v1/providers/{name}/keys:rotate`; an empty one will do.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Rotation {
    purpose: Option<Purpose>,
    emergency: bool,
}

/// All keys, with their states and times.
pub(super) async fn list(exchange: &Exchange<'_>) -> Result<Answer, Problem> {
    let provider = named(exchange, Permission::Read).await?;
    let time = |seconds: u64| -> UnixTime { unix_time(seconds) };
    let keys: Vec<Value> = provider
        .keys
        .records()
        .iter()
        .map(|key| {
            json!({
                "kid": key.kid,
                "purpose": key.purpose,
                "algorithm": key.algorithm,
                "state": key.state,
                "createdAt": time(key.created).to_string(),
                "publishAt": time(key.publish_at).to_string(),
                "activateAt": time(key.activate_at).to_string(),
                "retireAt": time(key.retire_at).to_string(),
            })
        })
        .collect();
    Answer::of(&json!({"keys": keys}))
}

/// A new key now: published first and used later, or in an emergency used at once with the others revoked.
pub(super) async fn rotate(mut exchange: Exchange<'_>) -> Result<Answer, Problem> {
    let name = exchange.parameter(0).to_owned();
    let principal = exchange.require(&name, Permission::Admin).await?;
    let body = exchange.body().await?;
    let wanted = read(&body)?;
    let purpose = wanted.purpose.unwrap_or(Purpose::AttestationToken);
    if !matches!(purpose, Purpose::AttestationToken | Purpose::ManagementResult) {
        return Err(Problem::invalid_parameter(
            "key-purpose",
            "Keys of that purpose belong to the service. Send `attestation-token` or `management-result`.",
        ));
    }
    let registry = &exchange.app.registry;
    changed(registry.rotate_key(&principal.actor(), &name, purpose, wanted.emergency).await)
}

/// Takes a key out of the key set at once: its tokens no longer verify.
pub(super) async fn revoke(exchange: &Exchange<'_>) -> Result<Answer, Problem> {
    let (name, kid) = (exchange.parameter(0), exchange.parameter(1));
    let principal = exchange.require(name, Permission::Admin).await?;
    let provider = exchange.app.registry.provider(name).ok_or_else(crate::front::unknown_provider)?;
    let record = provider.keys.records().iter().find(|key| key.kid == kid);
    let purpose = record.map_or(Purpose::AttestationToken, |key| key.purpose);
    changed(exchange.app.registry.revoke_key(&principal.actor(), name, purpose, kid).await)
}

fn read(body: &[u8]) -> Result<Rotation, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(Rotation::default());
    }
    Members::parse(body)?;
    serde_json::from_slice(body).map_err(|error| {
        let problem: String = error.to_string().chars().take(200).collect();
        let message =
            format!("The rotation cannot be read: {problem}. Send `purpose` and `emergency`, or nothing.");
        Problem::invalid_parameter("json-shape", message)
    })
}

fn changed(change: Result<KeyChange, crate::registry::RegistryError>) -> Result<Answer, Problem> {
    let change = change.map_err(|error| refusal::registry(&error))?;
    Answer::of(&json!({"created": change.created, "signing": change.signing}))
}
