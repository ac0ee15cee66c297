//! `GET /v1/collateral` and `POST /v1/collateral/explain`: what the hardware identity service holds, and why a client gets
//! what it gets. Identifiers come in the body, not in an address that logs would keep.

use assay_collateral::pck::{PlatformId, RawTcb};
use assay_collateral::subject::Selection;
use assay_evidence::snp::{Product, SigningKey};
use assay_verify::intel::single::Tee;
use assay_verify::snp::VekKey;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::auth::Permission;
use crate::front::Exchange;
use crate::identity::HardwareIdentity;
use crate::identity::explain::{self, Explanation};
use crate::identity::inventory::{Held, Missing};
use crate::maa::members::Members;
use crate::problem::Problem;
use crate::upstream::Guarded;

/// Everything that is held, what is missing, and who is asked.
pub(super) async fn list(exchange: &Exchange<'_>) -> Result<Answer, Problem> {
    exchange.require("*", Permission::Read).await?;
    let identity = &exchange.app.identity;
    let in_use = identity.selections_in_use();
    let documents: Vec<Value> =
        identity.library.inventory().iter().map(|held| shown(held, identity, &in_use)).collect();
    let failures: Vec<Value> = identity
        .library
        .failures()
        .into_iter()
        .map(|(subject, failure)| json!({"subject": subject.path(), "at": failure.at.to_string(), "code": failure.code}))
        .collect();
    let missing = identity.missing(&in_use);
    Answer::of(&json!({
        "evaluatedAt": identity.now().to_string(),
        "mode": identity.mode().as_str(),
        "archiveEvaluations": identity.library.options().archive_evaluations,
        "upstreams": identity.upstream().iter().map(upstream).collect::<Vec<Value>>(),
        "documents": documents,
        "missing": missing.iter().map(lacking).collect::<Vec<Value>>(),
        "failures": failures,
    }))
}

fn shown(held: &Held, identity: &HardwareIdentity, in_use: &[Selection]) -> Value {
    let tracks: Vec<&str> = held.tracks.iter().map(|track| track.as_str()).collect();
    let number = held.document.evaluation_number.map(Selection::Number);
    json!({
        "subject": held.subject.path(),
        "tcbEvaluationDataNumber": held.document.evaluation_number,
        "tracks": tracks,
        "state": held.state.as_str(),
        "inUse": held.is_in_use(in_use),
        "archived": number.is_some_and(|number| identity.library.is_archived(held.subject, number)),
        "issued": held.document.window.from.to_string(),
        "expires": held.document.expires.to_string(),
        "checked": held.checked.to_string(),
        "source": &*held.source,
    })
}

fn lacking(missing: &Missing) -> Value {
    let (number, track) = match missing.selection.filter(|_| missing.subject.is_numbered()) {
        Some(Selection::Number(number)) => (Some(number), None),
        Some(Selection::Track(track)) => (None, Some(track.as_str())),
        None => (None, None),
    };
    json!({
        "subject": missing.subject.path(),
        "tcbEvaluationDataNumber": number,
        "track": track,
        "reason": missing.reason,
    })
}

fn upstream(upstream: &Guarded) -> Value {
    let counters = upstream.counters();
    json!({
        "name": upstream.name(),
        "state": upstream.state().breaker.as_str(),
        "asked": counters.asked.get(),
        "answered": counters.answered.get(),
        "failures": counters.failures(),
        "problem": upstream.problem(),
    })
}

/// Explains one platform, family or chip.
pub(super) async fn explain(mut exchange: Exchange<'_>) -> Result<Answer, Problem> {
    exchange.require("*", Permission::Read).await?;
    let body = exchange.body().await?;
    let members = Members::parse(&body)?;
    let identity = &exchange.app.identity;
    let explanation: Explanation = if members.get("qeId").is_some() {
        let id = PlatformId {
            qe_id: required(&members, "qeId")?,
            pce_id: bytes(&members, "pceId")?.unwrap_or_default(),
        };
        let raw = match (bytes(&members, "cpuSvn")?, bytes::<2>(&members, "pceSvn")?) {
            (Some(cpu_svn), Some(pce_svn)) => Some(RawTcb { cpu_svn, pce_svn: u16::from_le_bytes(pce_svn) }),
            _ => None,
        };
        explain::platform(identity, id, raw).await.map_err(|_| Problem::internal())?
    } else if members.get("fmspc").is_some() {
        explain::family(identity, tee(&members)?, required(&members, "fmspc")?)
    } else if members.get("chipId").is_some() {
        explain::chip(identity, &chip(&members)?)
    } else {
        let message = "Name what to explain: `qeId` (with `pceId`, `cpuSvn`, `pceSvn`), `fmspc` (with `tee`), or `chipId` (with `tcb`).";
        return Err(Problem::invalid_parameter("subject-missing", message));
    };
    Answer::of(&explanation)
}

fn tee(members: &Members<'_>) -> Result<Tee, Problem> {
    match members.non_empty("tee")?.as_deref() {
        None | Some("sgx") => Ok(Tee::Sgx),
        Some("tdx") => Ok(Tee::Tdx),
        Some(_) => {
            Err(Problem::invalid_parameter("tee", "The member `tee` is unknown. Send `sgx` or `tdx`."))
        }
    }
}

/// A chip id and a TCB as a report has them: both as bytes in their order there.
fn chip(members: &Members<'_>) -> Result<VekKey, Problem> {
    let product = match members.non_empty("product")? {
        None => None,
        Some(name) => Some(Product::from_name(&name).ok_or_else(|| {
            Problem::invalid_parameter(
                "product",
                "The member `product` is unknown. Send `Milan`, `Genoa` or `Turin`.",
            )
        })?),
    };
    Ok(VekKey {
        product,
        kind: SigningKey::Vcek,
        chip_id: required(members, "chipId")?,
        reported_tcb: required(members, "tcb")?,
    })
}

fn required<const N: usize>(members: &Members<'_>, name: &str) -> Result<[u8; N], Problem> {
    bytes(members, name)?.ok_or_else(|| {
        Problem::invalid_parameter(
            "member-missing",
            format!("The member `{name}` is missing. Send {N} bytes of hexadecimal."),
        )
    })
}

fn bytes<const N: usize>(members: &Members<'_>, name: &str) -> Result<Option<[u8; N]>, Problem> {
    let Some(text) = members.non_empty(name)? else { return Ok(None) };
    let mut bytes = [0; N];
    hex::decode_to_slice(text.as_ref(), &mut bytes).map(|()| Some(bytes)).map_err(|_| {
        let message = format!("The member `{name}` is not {N} bytes of hexadecimal. Send exactly {N} bytes.");
        Problem::invalid_parameter("hexadecimal", message)
    })
}
