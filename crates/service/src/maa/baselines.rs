//! `GET /tcbbaselines/{type}` (maa-wire.md, section 1.11): which baselines a policy may name.

use assay_appraisal::{AZURE_DEFAULT, AttestationType, KNOWN_BASELINES};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::auth::Permission;
use crate::front::Exchange;
use crate::problem::Problem;
use crate::registry::ProviderSnapshot;

/// The identifiers and their evaluation numbers. Release dates and the versions of Intel's software belong to Azure's own
/// catalogue and are left out.
pub(super) async fn answer(exchange: &Exchange<'_>, provider: &ProviderSnapshot) -> Result<Answer, Problem> {
    exchange.require(provider.id.as_str(), Permission::Read).await?;
    if super::kind(exchange)? == AttestationType::Tpm {
        return Err(Problem::invalid_parameter(
            "no-baselines",
            "TPMs have no TCB baselines. Ask for `/tcbbaselines/SgxEnclave`.",
        ));
    }
    let default = (AZURE_DEFAULT, provider.baseline.minimum_evaluation_number);
    let entries = std::iter::once(default).chain(KNOWN_BASELINES);
    let entries: Vec<Value> = entries
        .map(|(name, number)| json!({"tcbIdentifier": name, "tcbEvaluationDataNumber": number}))
        .collect();
    Answer::of(&json!({"tcbBaselines": entries}))
}
