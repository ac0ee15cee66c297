//! `POST /v1/appraisals`: the judgement of `assay verify`, with every check, to readers of the provider.

use assay_appraisal::verdict::{JudgeCollateral, JudgeInput, judge};
use assay_appraisal::{AttestationType, DataType};
use assay_verify::intel::{Collateral, RawCollateral};

use crate::answer::Answer;
use crate::app::App;
use crate::auth::Permission;
use crate::front::Exchange;
use crate::maa::members::Members;
use crate::maa::{attached, decode, refusal, unknown_kind};
use crate::problem::Problem;
use crate::registry::ProviderSnapshot;

/// Judges evidence without issuing anything.
pub(crate) async fn appraise(
    mut exchange: Exchange<'_>,
    provider: &ProviderSnapshot,
) -> Result<Answer, Problem> {
    exchange.require(provider.id.as_str(), Permission::Read).await?;
    let body = exchange.body().await?;
    let members = Members::parse(&body)?;
    let app = exchange.app;
    let kind = kind(&members)?;
    let evidence = bytes(&members, "evidence")?.ok_or_else(|| {
        let message = "The member `evidence` is missing. Send the evidence in it, as base64url.";
        Problem::invalid_parameter("evidence-missing", message)
    })?;
    let (runtime_data, runtime_data_type) = runtime_data(&members)?;
    let (challenge, policy) = (members.non_empty("challenge")?, members.non_empty("policy")?);
    let raw = collateral(&members)?;
    let _turn =
        exchange.front.processor.enter().await.ok_or_else(|| Problem::too_many("at this moment", 1))?;
    let checked = raw.map(|raw| Collateral::verify(&raw, &app.anchors));
    if let Some(collateral) = checked.as_ref().and_then(|checked| checked.collateral.as_ref()) {
        check_age(app, collateral)?;
    }
    let input = JudgeInput {
        kind,
        evidence: &evidence,
        runtime_data: runtime_data.as_deref(),
        runtime_data_type,
        nonce: None,
        challenge: challenge.as_deref(),
        challenges: Some(&app.challenges),
        collateral: checked
            .as_ref()
            .map_or(JudgeCollateral::Source(&app.collateral), JudgeCollateral::Checked),
        policy: policy.as_deref(),
        now: app.clock.now(),
        anchors: &app.anchors,
    };
    // Only readers come here, so nothing is kept back.
    let mut verdict = judge(&input).map_err(|refused| refusal::refused(&refused, None, true))?;
    if let Some(error) = &mut verdict.error {
        error.help = refusal::help(error.code, error.help);
    }
    Answer::of(&verdict)
}

/// As the command line names kinds, or as Azure's routes do.
fn kind(members: &Members<'_>) -> Result<AttestationType, Problem> {
    let name = members.non_empty("kind")?.ok_or_else(|| {
        let message = "The member `kind` is missing. Send `sgx` or `open-enclave`.";
        Problem::invalid_parameter("kind-missing", message)
    })?;
    match name.to_ascii_lowercase().as_str() {
        "sgx" => Ok(AttestationType::SgxEnclave),
        "open-enclave" => Ok(AttestationType::OpenEnclave),
        "snp" | "azure-cvm" => Err(unknown_kind("SevSnpVm")),
        "tdx" => Err(unknown_kind("TdxVm")),
        name => AttestationType::from_name(name).ok_or_else(|| Problem {
            status: http::StatusCode::BAD_REQUEST,
            code: "InvalidParameter",
            ..unknown_kind(name)
        }),
    }
}

/// base64url of the bytes, or the object of the attest routes, which also says what they are.
fn runtime_data(members: &Members<'_>) -> Result<(Option<Vec<u8>>, Option<DataType>), Problem> {
    const NAME: &str = "runtimeData";
    if members.get(NAME).is_some_and(|raw| raw.get().starts_with('{')) {
        let data = attached(members, NAME)?;
        return Ok(data.map(|data| (data.data, data.data_type)).unzip());
    }
    Ok((bytes(members, NAME)?, None))
}

fn bytes(members: &Members<'_>, name: &str) -> Result<Option<Vec<u8>>, Problem> {
    members.non_empty(name)?.map(|text| decode(name, &text)).transpose()
}

fn collateral(members: &Members<'_>) -> Result<Option<RawCollateral>, Problem> {
    let Some(raw) = members.get("collateral") else { return Ok(None) };
    RawCollateral::from_json(raw.get().as_bytes()).map(Some).map_err(|error| {
        let message = format!(
            "The member `collateral` is refused: {error}. Send the members of Intel's quote collateral version 3."
        );
        Problem::invalid_parameter("collateral", message)
    })
}

/// Collateral of callers may in no part be older than what the service holds for the platforms: with the TCB info of last
/// year a platform that is out of date since would still look well, with its revocation lists one that was revoked.
fn check_age(app: &App, given: &Collateral) -> Result<(), Problem> {
    let Some(held) = app.collateral.0.newer_than(given) else { return Ok(()) };
    let message = format!(
        "A part of the collateral (TCB evaluation {}, TCB info of {}) is older than what the service holds (TCB evaluation \
         {}, TCB info of {}): TCB info, QE identity and both revocation lists count. Leave `collateral` out, or judge \
         offline with `assay verify`.",
        given.evaluation_number(),
        given.tcb_info.window.from,
        held.evaluation_number,
        held.issued
    );
    Err(Problem::invalid_parameter("collateral-older", message))
}
