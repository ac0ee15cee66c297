//! Assay's own interface, described by `/openapi.json`: appraisals without a token, challenges, and the administration of
//! providers and keys.

mod appraisals;
mod audit;
mod baselines;
mod collateral;
mod keys;
mod providers;

use serde_json::json;

use crate::answer::{Answer, OPENAPI};
use crate::front::{Exchange, Front};
use crate::problem::Problem;
use crate::router::Endpoint;

pub(crate) use appraisals::appraise;

/// Answers a route that belongs to the service and not to one provider.
pub(crate) async fn service(endpoint: Endpoint, exchange: Exchange<'_>) -> Result<Answer, Problem> {
    match endpoint {
        Endpoint::Challenge => challenge(&exchange),
        Endpoint::ListProviders => providers::list(&exchange).await,
        Endpoint::CreateProvider => providers::create(exchange).await,
        Endpoint::GetProvider => providers::get(&exchange).await,
        Endpoint::DeleteProvider => providers::delete(&exchange).await,
        Endpoint::ListKeys => keys::list(&exchange).await,
        Endpoint::RotateKey => keys::rotate(exchange).await,
        Endpoint::RevokeKey => keys::revoke(&exchange).await,
        Endpoint::AuditRecord => audit::record(&exchange).await,
        Endpoint::ListBaselines => baselines::list(&exchange).await,
        Endpoint::SetBaselines => baselines::set(exchange).await,
        Endpoint::PreviewBaseline => baselines::preview(exchange).await,
        Endpoint::ListCollateral => collateral::list(&exchange).await,
        Endpoint::ExplainCollateral => collateral::explain(exchange).await,
        Endpoint::OpenApi => Ok(Answer::json(OPENAPI.clone())),
        // The dispatcher keeps the others to itself.
        _ => Err(Problem::internal()),
    }
}

/// `GET /readyz`
pub(crate) fn ready(front: &Front) -> Result<Answer, Problem> {
    if front.is_ready() {
        return Ok(Answer::json(r#"{"status":"ready"}"#));
    }
    Err(Problem::unavailable(
        "not-ready",
        "The service is starting, stopping or in trouble. Try again in a moment.",
    ))
}

/// `POST /v1/challenges`
fn challenge(exchange: &Exchange<'_>) -> Result<Answer, Problem> {
    exchange.take_challenge()?;
    let issued = exchange.app.challenges.issue().map_err(|error| {
        tracing::error!(%error, "no challenge could be made");
        Problem::internal()
    })?;
    Answer::of(&json!({"challenge": issued.text, "expiresAt": issued.expires.to_string()}))
}
