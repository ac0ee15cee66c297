//! `GET /v1/providers/{name}/audit/records/{id}`: one decision record, with its place in the chain.

use std::sync::Arc;

use serde_json::json;

use super::providers::named;
use crate::answer::Answer;
use crate::audit::{AuditError, find};
use crate::auth::Permission;
use crate::front::Exchange;
use crate::problem::{Problem, sentences};

/// The id is that of the record, or the `jti` of the token.
pub(super) async fn record(exchange: &Exchange<'_>) -> Result<Answer, Problem> {
    let provider = named(exchange, Permission::Read).await?;
    let (store, id) = (Arc::clone(&exchange.app.store), exchange.parameter(1).to_owned());
    let found = tokio::task::spawn_blocking(move || find(store.as_ref(), &id)).await;
    let (record, envelope) = found.map_err(|_| Problem::internal())?.map_err(|error| problem(&error))?;
    // Another provider's decisions are none of this one's readers' business.
    if envelope.record.provider != provider.id.as_str() {
        return Err(unknown());
    }
    Answer::of(&json!({
        "record": envelope.record,
        "documents": envelope.blobs,
        "chain": record.chain.as_str(),
        "sequence": record.sequence,
        "previous": record.prev.to_string(),
        "hash": record.hash.to_string(),
    }))
}

fn problem(error: &AuditError) -> Problem {
    match error {
        AuditError::Id { .. } => {
            let help = "send the id of the record, or the `jti` of the token";
            Problem::invalid_parameter("record-id", sentences(&error.to_string(), help))
        }
        AuditError::Unknown { .. } => unknown(),
        AuditError::Store(_) | AuditError::Unreadable { .. } | AuditError::File(_) => {
            tracing::error!(%error, "a decision record could not be read");
            Problem::internal()
        }
    }
}

fn unknown() -> Problem {
    let message =
        "This provider has no decision of that id. Send the id of the record, or the `jti` of the token.";
    Problem::not_found("record-unknown", message)
}
