//! `POST /v1/appraisals`: the judgement of `assay verify`, with every check, to readers of the provider.

use assay_appraisal::verdict::{JudgeCollateral, JudgeInput, JudgeSnp, judge};
use assay_appraisal::{AttestationType, Beside, DataType, EvidenceKind};
use assay_verify::intel::{Collateral, RawCollateral};

use crate::answer::Answer;
use crate::app::App;
use crate::auth::Permission;
use crate::endorsements::Sources;
use crate::front::Exchange;
use crate::maa::members::Members;
use crate::maa::{attached, decode, refusal, unknown_kind, unsupported};
use crate::problem::Problem;
use crate::registry::ProviderSnapshot;

/// Judges evidence without issuing anything.
pub(crate) async fn appraise(
    mut exchange: Exchange<'_>,
    provider: &ProviderSnapshot,
) -> Result<Answer, Problem> {
    exchange.require(provider.id.as_str(), Permission::Read).await?;
    let body = exchange.body().await?;
    let members = Members::parse_large(&body)?;
    let app = exchange.app;
    let kind = kind(&members)?;
    let evidence = evidence(kind, &members)?.ok_or_else(|| {
        let message = "The member `evidence` is missing. Send the evidence in it, as base64url.";
        Problem::invalid_parameter("evidence-missing", message)
    })?;
    let (runtime_data, runtime_data_type) = data(&members, "runtimeData")?;
    let (init_time_data, _) = data(&members, "initTimeData")?;
    let (challenge, policy) = (members.non_empty("challenge")?, members.non_empty("policy")?);
    let raw = collateral(kind, &members)?;
    let (vek, chain) = (certificates(kind, &members, "vek")?, certificates(kind, &members, "chain")?);
    let _turn =
        exchange.front.processor.enter().await.ok_or_else(|| Problem::too_many("at this moment", 1))?;
    if is_amd(kind) {
        app.look_for_silicon();
    }
    let trust = app.trust.current();
    let checked = raw.map(|raw| Collateral::verify(&raw, &trust.anchors));
    if let Some(collateral) = checked.as_ref().and_then(|checked| checked.collateral.as_ref()) {
        check_age(app, collateral)?;
    }
    let sources = Sources::new(app, provider.id.as_str());
    let input = JudgeInput {
        kind,
        evidence: &evidence,
        beside: Beside { vek: vek.as_deref(), chain: chain.as_deref() },
        runtime_data: runtime_data.as_deref(),
        runtime_data_type,
        init_time_data: init_time_data.as_deref(),
        nonce: None,
        challenge: challenge.as_deref(),
        challenges: Some(&app.challenges),
        collateral: checked.as_ref().map_or(JudgeCollateral::Source(&sources), JudgeCollateral::Checked),
        snp: JudgeSnp::Service { trust: &trust.snp, held: &sources },
        policy: policy.as_deref(),
        baseline: Some(&provider.baseline),
        now: app.clock.now(),
        anchors: &trust.anchors,
    };
    // Only readers come here, so nothing is kept back.
    let mut verdict = judge(&input).map_err(|refused| refusal::refused(&refused, None, true))?;
    if let Some(error) = &mut verdict.error {
        error.help = refusal::help(error.code, error.help);
    }
    Answer::of(&verdict)
}

/// As the command line names kinds, or as Azure's routes do.
fn kind(members: &Members<'_>) -> Result<EvidenceKind, Problem> {
    let name = members.non_empty("kind")?.ok_or_else(|| {
        let message = "The member `kind` is missing. Send `sgx`, `open-enclave`, `snp` or `azure-cvm`.";
        Problem::invalid_parameter("kind-missing", message)
    })?;
    let name = name.to_ascii_lowercase();
    if let Some(kind) = EvidenceKind::from_name(&name) {
        return Ok(kind);
    }
    match (name.as_str(), AttestationType::from_name(&name)) {
        (_, Some(AttestationType::SgxEnclave)) => Ok(EvidenceKind::Sgx),
        (_, Some(AttestationType::OpenEnclave)) => Ok(EvidenceKind::OpenEnclave),
        (_, Some(AttestationType::SevSnpVm)) => Ok(EvidenceKind::Snp),
        ("tdx", _) | (_, Some(AttestationType::TdxVm)) => Err(unsupported("TdxVm")),
        (_, Some(AttestationType::Tpm)) => Err(unsupported("Tpm")),
        (name, None) => Err(Problem {
            status: http::StatusCode::BAD_REQUEST,
            code: "InvalidParameter",
            ..unknown_kind(name)
        }),
    }
}

const fn is_amd(kind: EvidenceKind) -> bool {
    matches!(kind, EvidenceKind::Snp | EvidenceKind::AzureCvm)
}

/// The evidence: base64url of the bytes, or, where its form is JSON, the object itself.
fn evidence(kind: EvidenceKind, members: &Members<'_>) -> Result<Option<Vec<u8>>, Problem> {
    match members.get("evidence").filter(|raw| is_amd(kind) && raw.get().starts_with('{')) {
        Some(raw) => Ok(Some(raw.get().as_bytes().to_vec())),
        None => bytes(members, "evidence"),
    }
}

/// Certificates beside the evidence: PEM as it is, or base64url of DER.
fn certificates(
    kind: EvidenceKind,
    members: &Members<'_>,
    name: &'static str,
) -> Result<Option<Vec<u8>>, Problem> {
    let Some(text) = members.non_empty(name)? else { return Ok(None) };
    if !is_amd(kind) {
        let message = format!("The member `{name}` belongs to `snp` and `azure-cvm`. Leave it out.");
        return Err(Problem::invalid_parameter(name, message));
    }
    if text.trim_start().starts_with("-----BEGIN") {
        return Ok(Some(text.as_bytes().to_vec()));
    }
    decode(name, &text).map(Some)
}

/// base64url of the bytes, or the object of the attest routes, which also says what they are.
fn data(members: &Members<'_>, name: &'static str) -> Result<(Option<Vec<u8>>, Option<DataType>), Problem> {
    if members.get(name).is_some_and(|raw| raw.get().starts_with('{')) {
        let data = attached(members, name)?;
        return Ok(data.map(|data| (data.data, data.data_type)).unzip());
    }
    Ok((bytes(members, name)?, None))
}

fn bytes(members: &Members<'_>, name: &str) -> Result<Option<Vec<u8>>, Problem> {
    members.non_empty(name)?.map(|text| decode(name, &text)).transpose()
}

fn collateral(kind: EvidenceKind, members: &Members<'_>) -> Result<Option<RawCollateral>, Problem> {
    let Some(raw) = members.get("collateral") else { return Ok(None) };
    if is_amd(kind) {
        let message =
            "The member `collateral` belongs to `sgx` and `open-enclave`. Send a certificate as `vek`.";
        return Err(Problem::invalid_parameter("collateral", message));
    }
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
    let Some(held) = app.collateral.0.newer_than(given) else {
        if !app.identity.has_newer_part(given) {
            return Ok(());
        }
        let message = "A part of the collateral is older than what the hardware identity service holds. Leave `collateral` out, \
                       or judge offline with `assay verify`.";
        return Err(Problem::invalid_parameter("collateral-older", message));
    };
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
