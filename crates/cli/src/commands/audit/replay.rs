//! `assay audit replay`: decides again, from an exported decision and its request, with the function that the service uses.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use assay_appraisal::{
    AttachedData, AttestationType, DataType, DecisionRecord, LookedUpPck, RawAmd, RawEndorsements,
    RawIntelWithPck, ReplayInputs, Request, replay,
};
use assay_evidence::bundle;
use assay_service::audit;
use assay_store::{Digest, Record};
use assay_token::base64url;
use serde_json::{Value, json};

use crate::commands::verify::anchors;
use crate::document::Node;
use crate::failure::{Failure, NOT_GOOD};
use crate::input;
use crate::output::{Format, Output};

/// Make an exported decision again: exit code 0 when it comes out the same, 1 when not
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: a decision on simulated evidence:
  assay audit export \"$JTI\" --out decision --data assay-dev
  assay audit replay decision --request evidence/request.json --trust-data assay-dev")]
pub(super) struct Arguments {
    /// Folder with the exported decision
    folder: PathBuf,
    /// The body of the attest request, which only its sender has
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// VEK certificate, DER or PEM, if the service took it from its own folder: the record names it by its digest only
    #[arg(long, value_name = "FILE")]
    vek: Option<PathBuf>,
    /// PCK certificate with the chain above it, PEM, if the quote carried none: the record names it by its digest only
    #[arg(long, value_name = "FILE")]
    pck: Option<PathBuf>,
    /// Another root to believe: its certificate or public key, PEM or DER
    #[arg(long, value_name = "FILE")]
    trust_root: Option<PathBuf>,
    /// Believe the simulated hardware of this data folder, too
    #[arg(long, value_name = "DIR")]
    trust_data: Option<PathBuf>,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let record: DecisionRecord = json_file(&arguments.folder.join("record.json"))?;
    let sealed = is_sealed(&arguments.folder, &record)?;
    let request = read_request(record.kind, &arguments.request)?;
    let policy = optional(&arguments.folder.join("policy.txt"), input::read_text)?;
    let endorsements = optional(&arguments.folder.join("collateral.json"), json_file::<RawEndorsements>)?;
    let vek = vek(arguments.vek.as_deref(), endorsements.as_ref())?;
    let pck = pck(arguments.pck.as_deref(), endorsements.as_ref())?;
    let signer = optional(&arguments.folder.join("policy-signer.json"), json_file::<Value>)?;
    let replayed = replay(
        &record,
        &ReplayInputs {
            request: &request,
            policy: policy.as_deref(),
            policy_signer: signer.as_ref(),
            endorsements: endorsements.as_ref(),
            vek: vek.as_deref(),
            pck: pck.as_deref(),
            anchors: &anchors(arguments.trust_root.as_deref(), arguments.trust_data.as_deref())?,
        },
    );
    let good = sealed && replayed.is_same();
    let answer = json!({
        "same": replayed.is_same(),
        "sealed": sealed,
        "decision": record.id,
        "outcome": record.outcome,
        "differences": replayed.differences,
        "assumed": replayed.assumed,
    });
    crate::commands::inspect::show(&Node::from(answer), arguments.format, output)?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(NOT_GOOD) })
}

/// The certificate that the record names, DER. Without it, nothing could be decided again.
fn vek(file: Option<&Path>, endorsements: Option<&RawEndorsements>) -> Result<Option<Vec<u8>>, Failure> {
    let Some(RawEndorsements::Amd(RawAmd { vek_sha256: Some(named), .. })) = endorsements else {
        return Ok(None);
    };
    let Some(path) = file else {
        let failure = Failure::new(format!(
            "the service took the VEK certificate from its folder; its SHA-256 is {named}, and the record does not hold it"
        ));
        return Err(failure.help("give it with `--vek FILE`"));
    };
    let certificates = bundle::certificates(&input::read(path)?)
        .map_err(|error| Failure::new(format!("`{}` cannot be read: {error}", path.display())))?;
    let first = certificates.into_iter().next().unwrap_or_default();
    if hex::encode(assay_verify::sha256(&[&first])) != *named {
        let problem =
            format!("`{}` is another VEK certificate than the record names ({named})", path.display());
        return Err(Failure::new(problem));
    }
    Ok(Some(first))
}

/// The chain that the record names. Without it, nothing could be decided again.
fn pck(file: Option<&Path>, endorsements: Option<&RawEndorsements>) -> Result<Option<String>, Failure> {
    let Some(RawEndorsements::IntelWithPck(RawIntelWithPck { pck_sha256: named, .. })) = endorsements else {
        return Ok(None);
    };
    let Some(path) = file else {
        let failure = Failure::new(format!(
            "the quote carried no PCK certificate, and the service had it; its name is {named}, and the record does not hold it"
        ));
        return Err(failure
            .help("give it with the chain above it, `--pck FILE`: the service answers `pckcert` with both"));
    };
    let chain = input::read_text(path)?;
    if hex::encode(LookedUpPck::new(chain.as_str().into()).digest) != *named {
        let path = path.display();
        return Err(Failure::new(format!(
            "`{path}` is another PCK certificate chain than the record names ({named})"
        )));
    }
    Ok(Some(chain))
}

/// Whether the hash of the exported record covers this very decision. Whoever noted the hash, or that of a later record,
/// knows then that it is what the service wrote.
fn is_sealed(folder: &Path, record: &DecisionRecord) -> Result<bool, Failure> {
    let place: Value = json_file(&folder.join("chain.json"))?;
    let Some(sealed) = sealed_record(&place) else { return Ok(false) };
    let body: Value = serde_json::from_slice(&sealed.body).unwrap_or_default();
    let record = serde_json::to_value(record).unwrap_or_default();
    Ok(sealed.computed_hash() == sealed.hash
        && body.get("record") == Some(&record)
        && documents_match(folder, &body))
}

fn sealed_record(place: &Value) -> Option<Record> {
    let text = |name: &str| place.get(name).and_then(Value::as_str);
    let number = |name: &str| place.get(name).and_then(Value::as_u64);
    Some(Record {
        chain: text("chain")?.parse().ok()?,
        sequence: number("sequence")?,
        id: text("id")?.parse().ok()?,
        time: number("time")?,
        prev: text("prev")?.parse().ok()?,
        hash: text("hash")?.parse().ok()?,
        body: text("body")?.as_bytes().to_vec(),
    })
}

/// Whether policy, signer and collateral are the documents that the record names.
fn documents_match(folder: &Path, body: &Value) -> bool {
    audit::EXPORTED.into_iter().all(|(kind, file)| {
        let named = body.pointer(&format!("/blobs/{kind}")).and_then(Value::as_str);
        let found = input::read(&folder.join(file)).ok().map(|bytes| Digest::of(&bytes).to_string());
        named == found.as_deref()
    })
}

fn optional<T>(path: &Path, read: impl FnOnce(&Path) -> Result<T, Failure>) -> Result<Option<T>, Failure> {
    if path.exists() { read(path).map(Some) } else { Ok(None) }
}

fn json_file<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let limits = assay_json::Limits::bytes(assay_verify::intel::MAX_COLLATERAL_SIZE);
    assay_json::from_slice(&input::read(path)?, &limits)
        .map_err(|error| Failure::new(format!("`{}` cannot be read: {error}", path.display())))
}

/// The body of an attest request, which the service has accepted.
fn read_request(kind: AttestationType, path: &Path) -> Result<Request, Failure> {
    let body = assay_json::parse(&input::read(path)?, &assay_json::Limits::bytes(input::MAX_INPUT));
    let unusable =
        |problem: &str| Failure::new(format!("`{}` is not an attest request: {problem}", path.display()));
    let body = body.map_err(|error| unusable(&error.to_string()))?;
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let evidence = text(&body, "quote").or_else(|| text(&body, "report"));
    let evidence = evidence.and_then(|text| base64url::decode_lenient(&text).ok());
    Ok(Request {
        kind,
        evidence: evidence.ok_or_else(|| unusable("it has no evidence"))?,
        runtime_data: attached(body.get("runtimeData")),
        init_time_data: attached(body.get("initTimeData")),
        // Azure's clients send a number, too.
        nonce: body.get("nonce").and_then(|nonce| match nonce {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }),
        challenge: text(&body, "challenge"),
        draft_policy: text(&body, "draftPolicyForAttestation"),
    })
}

fn attached(data: Option<&Value>) -> Option<AttachedData> {
    let text = |name: &str| data?.get(name)?.as_str();
    let is_json = text("dataType").is_some_and(|kind| kind.eq_ignore_ascii_case("JSON"));
    Some(AttachedData {
        data: base64url::decode_lenient(text("data").filter(|text| !text.is_empty())?).ok()?,
        data_type: if is_json { DataType::Json } else { DataType::Binary },
    })
}
