//! The metadata service's requests at the central service: for nodes that ask it directly, and so must say which they are.
//! On a node `assay agent thim` answers them for that node alone.

use assay_collateral::pck::{PckCertificate, PckSet};
use assay_evidence::snp::TcbVersion;
use assay_verify::snp::{VekCertificate, VekKey};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::platforms::Selected;
use super::query::Query;
use super::reply::{Refusal, Reply};
use super::{HardwareIdentity, kds, pckcert};
use crate::percent;
use crate::thim::answer::{self, AmdCertification, CACHE_SECONDS};
use crate::thim::guard;
use crate::upstream::Asker;

const JSON: &str = "application/json; charset=utf-8";

/// `/metadata/THIM/amd/certification?chipId=..&tcb=..`: both as a report has them.
pub(super) async fn amd(
    identity: &HardwareIdentity,
    headers: &HeaderMap,
    query: &Query<'_>,
    asker: Asker,
) -> Reply {
    match guard::check_metadata(headers) {
        Ok(()) => told(try_amd(identity, query, asker).await),
        Err(refusal) => error(StatusCode::BAD_REQUEST, &refusal.to_string()),
    }
}

/// `/metadata/THIM/sgx/certification/{v}/pckcert`: as for PCCS, in Azure's form and with Intel's headers.
pub(super) async fn sgx(
    identity: &HardwareIdentity,
    headers: &HeaderMap,
    query: &Query<'_>,
    asker: Asker,
) -> Reply {
    match guard::check_metadata(headers) {
        Ok(()) => told(try_sgx(identity, query, asker).await),
        Err(refusal) => error(StatusCode::BAD_REQUEST, &refusal.to_string()),
    }
}

/// Errors are JSON here; what clients retry stays empty.
pub(super) fn told(result: Result<Reply, Refusal>) -> Reply {
    let refusal = match result {
        Ok(reply) => return reply,
        Err(refusal) => refusal,
    };
    let reply = Reply::from(refusal);
    match reply.status.as_u16() {
        500.. => reply,
        status => {
            let sentence = String::from_utf8_lossy(&reply.body).into_owned();
            // Azure's service knows nothing of the statuses of PCCS.
            let status = if status > 429 { 404 } else { status };
            error(StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND), &sentence)
        }
    }
}

fn error(status: StatusCode, sentence: &str) -> Reply {
    Reply { status, ..Reply::of(JSON, answer::error(sentence)) }
}

async fn try_amd(identity: &HardwareIdentity, query: &Query<'_>, asker: Asker) -> Result<Reply, Refusal> {
    // Each name has one order: `tcb` are bytes of a report, `tcbm` is the number that the answer has, too.
    let reported_tcb = match (query.hex::<8>("tcb")?, query.get("tcbm")?) {
        (Some(tcb), None) => Some(tcb),
        (None, Some(tcbm)) => Some(kds::number_of(tcbm)?),
        _ => None,
    };
    let (Some(chip), Some(reported_tcb)) = (query.get("chipId")?, reported_tcb) else {
        return Err(Refusal::Malformed(
            "This service answers for many machines: name one with `chipId` and `tcbm`, or run `assay agent thim` on it.",
        ));
    };
    let wanted = VekKey { reported_tcb, ..kds::chip_of(chip)? };
    let found: VekCertificate = identity.veks.get_for(&wanted, asker).await?;
    let [intermediate, root] = found.vek.authority().certificates();
    let certification = AmdCertification {
        vcek: &found.der,
        intermediate,
        root,
        reported_tcb: TcbVersion(reported_tcb),
        cache_seconds: CACHE_SECONDS,
    };
    Ok(Reply::of(JSON, certification.to_json()))
}

/// Azure's form of a PCK certificate: JSON, with Intel's headers beside it. Azure's client reads the body, Intel's the headers.
pub(super) fn azure_form(certificate: &PckCertificate, set: &PckSet) -> Reply {
    let body = json!({
        "pckCert": &*certificate.pem,
        "sgx-Tcbm": certificate.tcbm(),
        "sgx-Pck-Certificate-Issuer-Chain": percent::encode(&set.chain),
        "cacheMaxAge": CACHE_SECONDS.to_string(),
    });
    let reply = pckcert::reply(certificate, set);
    Reply { body: Bytes::from(body.to_string()), ..reply }.with("content-type", JSON)
}

async fn try_sgx(identity: &HardwareIdentity, query: &Query<'_>, asker: Asker) -> Result<Reply, Refusal> {
    let Selected { certificate, set, .. } = pckcert::select(identity, query, asker).await?;
    Ok(azure_form(&certificate, &set))
}
