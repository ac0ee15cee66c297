//! `GET /tcbbaselines/{type}`: which baselines a policy may name.

use assay_appraisal::{AZURE_DEFAULT, AttestationType, KNOWN_BASELINES};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::auth::Permission;
use crate::front::Exchange;
use crate::problem::Problem;
use crate::registry::ProviderSnapshot;

/// The identifiers, their evaluation numbers, and which one the policy in force names. Release dates and the versions of Intel's software belong to Azure's own
/// catalogue and are left out.
pub(super) async fn answer(exchange: &Exchange<'_>, provider: &ProviderSnapshot) -> Result<Answer, Problem> {
    exchange.require(provider.id.as_str(), Permission::Read).await?;
    let kind = super::kind(exchange)?;
    // What is demanded of SEV-SNP platforms has no name: it stands in the provider's baseline.
    if matches!(kind, AttestationType::SevSnpVm | AttestationType::Tpm) {
        return Err(Problem::invalid_parameter(
            "no-baselines",
            "This type has no named TCB baselines. Ask for `/tcbbaselines/SgxEnclave`.",
        ));
    }
    let named = provider.policy(kind).and_then(|policy| policy.active.baseline());
    let selected = named.as_deref().unwrap_or(AZURE_DEFAULT);
    let default = (AZURE_DEFAULT, provider.baseline.minimum_evaluation_number);
    let entries = std::iter::once(default).chain(KNOWN_BASELINES);
    let entries: Vec<Value> = entries
        .map(|(name, number)| {
            json!({
                "tcbIdentifier": name,
                "tcbEvaluationDataNumber": number,
                "isSelectedTcb": name == selected,
            })
        })
        .collect();
    Answer::of(&json!({"tcbBaselines": entries}))
}
