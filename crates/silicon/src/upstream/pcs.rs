//! Intel's provisioning certification service, version 4 (Intel, *PCS API*): documents, lists and the root.

use serde_json::json;

use super::View;
use super::message::{Query, VendorRequest};
use super::pck;
use super::reply::{Content, Failure, Refusal, Reply};
use crate::intel::{Ca, EARLY, EVALUATIONS, QeIdentitySpec, STANDARD};

pub(super) fn reply(view: &View<'_>, request: &VendorRequest) -> Result<Reply, Failure> {
    let query = Query::parse(&request.query);
    match (request.method.as_str(), request.path.as_str()) {
        (_, path) if path.starts_with("/sgx/certification/v4/pckcert") => pck::reply(view, request),
        ("GET", "/sgx/certification/v4/pckcrl") => pck_crl(view, &query),
        ("GET", "/sgx/certification/v4/tcb") => tcb(view, &query, false),
        ("GET", "/tdx/certification/v4/tcb") => tcb(view, &query, true),
        ("GET", "/sgx/certification/v4/qe/identity") => identity(view, &query, Enclave::Qe),
        ("GET", "/sgx/certification/v4/qve/identity") => identity(view, &query, Enclave::Qve),
        ("GET", "/sgx/certification/v4/qae/identity") => identity(view, &query, Enclave::Qae),
        ("GET", "/tdx/certification/v4/qe/identity") => identity(view, &query, Enclave::TdQe),
        ("GET", "/sgx/certification/v4/tcbevaluationdatanumbers") => numbers(view, false),
        ("GET", "/tdx/certification/v4/tcbevaluationdatanumbers") => numbers(view, true),
        ("GET", "/sgx/certification/v4/fmspcs") => fmspcs(&query),
        ("GET", "/IntelSGXRootCA.der") => root_crl(view),
        ("GET", "/IntelSGXRootCA.cer") => {
            Ok(Reply::of(Content::Certificate(view.intel()?.root_certificate_der().to_vec())))
        }
        _ => Err(Refusal::NOT_FOUND.into()),
    }
}

/// Enclaves of Intel's with a published identity.
#[derive(Clone, Copy, Debug)]
enum Enclave {
    Qe,
    Qve,
    Qae,
    TdQe,
}

impl Enclave {
    fn spec(self) -> QeIdentitySpec {
        match self {
            Self::Qe => QeIdentitySpec::default(),
            Self::Qve => QeIdentitySpec::qve(),
            Self::Qae => QeIdentitySpec::qae(),
            Self::TdQe => QeIdentitySpec::td_qe(),
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Qe => Self::Qve,
            Self::Qve => Self::Qae,
            Self::Qae => Self::TdQe,
            Self::TdQe => Self::Qe,
        }
    }
}

/// Which evaluation a request is for. `update` and a number exclude each other; the numbers before the published ones are
/// gone, those after them not there yet.
fn evaluation(view: &View<'_>, query: &Query<'_>) -> Result<u32, Failure> {
    let update = query.optional("update")?;
    let number = query.optional("tcbEvaluationDataNumber")?;
    let number = match (update, number) {
        (None | Some("standard"), None) => return Ok(view.circumstances.number(STANDARD)),
        (Some("early"), None) => return Ok(view.circumstances.number(EARLY)),
        (None, Some(number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => number,
        _ => return Err(Refusal::BAD_REQUEST.into()),
    };
    let number: u32 = number.parse().map_err(|_| Refusal::BAD_REQUEST)?;
    match EVALUATIONS.iter().map(|evaluation| evaluation.number).min() {
        _ if EVALUATIONS.iter().any(|evaluation| evaluation.number == number) => Ok(number),
        Some(oldest) if number < oldest => Err(Refusal::GONE.into()),
        _ => Err(Refusal::NOT_FOUND.into()),
    }
}

fn tcb(view: &View<'_>, query: &Query<'_>, tdx: bool) -> Result<Reply, Failure> {
    let fmspc = query.hex::<6>("fmspc")?;
    let number = evaluation(view, query)?;
    // Only servers have trust domains.
    let known = |ca: &Ca| ca.simulated_fmspc() == fmspc && !(tdx && *ca == Ca::Processor);
    let ca = Ca::ALL.into_iter().find(known).ok_or(Refusal::NOT_FOUND)?;
    let ca = if view.circumstances.other_document { ca.other() } else { ca };
    let intel = view.intel()?;
    view.kept(&format!("tcb {ca:?} {tdx} {number} {}", intel.revision()), || {
        let document = intel.tcb_info(ca, tdx, number, view.circumstances.intel_issue())?;
        Ok(Reply::of(Content::Signed(document))
            .with_chain("TCB-Info-Issuer-Chain", &intel.tcb_signer_chain()))
    })
}

fn identity(view: &View<'_>, query: &Query<'_>, enclave: Enclave) -> Result<Reply, Failure> {
    let number = evaluation(view, query)?;
    let enclave = if view.circumstances.other_document { enclave.other() } else { enclave };
    let intel = view.intel()?;
    view.kept(&format!("identity {enclave:?} {number} {}", intel.revision()), || {
        let issued = view.circumstances.intel_issue();
        let document = intel.enclave_identity(enclave.spec(), number, issued)?;
        let chain = intel.tcb_signer_chain();
        Ok(Reply::of(Content::Signed(document)).with_chain("SGX-Enclave-Identity-Issuer-Chain", &chain))
    })
}

fn numbers(view: &View<'_>, tdx: bool) -> Result<Reply, Failure> {
    let tdx = tdx != view.circumstances.other_document;
    let (intel, newest) = (view.intel()?, view.circumstances.number(EARLY));
    view.kept(&format!("numbers {tdx} {newest} {}", intel.revision()), || {
        let document = intel.evaluation_numbers(tdx, newest, view.circumstances.intel_issue())?;
        let chain = intel.tcb_signer_chain();
        Ok(Reply::of(Content::Signed(document))
            .with_chain("TCB-Evaluation-Data-Numbers-Issuer-Chain", &chain))
    })
}

fn pck_crl(view: &View<'_>, query: &Query<'_>) -> Result<Reply, Failure> {
    let name = query.required("ca")?;
    let ca = Ca::ALL.into_iter().find(|ca| ca.name() == name).ok_or(Refusal::BAD_REQUEST)?;
    let content = match query.optional("encoding")? {
        None | Some("pem") => Content::PemCrl,
        Some("der") => Content::Crl,
        Some(_) => return Err(Refusal::BAD_REQUEST.into()),
    };
    let ca = if view.circumstances.other_document { ca.other() } else { ca };
    let intel = view.intel()?;
    let kept = view.kept(&format!("pckcrl {ca:?} {}", intel.revision()), || {
        let der = intel.pck_crl_der(ca, view.circumstances.intel_issue())?;
        Ok(Reply::of(Content::Crl(der)).with_chain("SGX-PCK-CRL-Issuer-Chain", &intel.authority_chain(ca)))
    })?;
    // Both encodings are of the same list.
    match kept.content {
        Content::Crl(der) => Ok(Reply { content: content(der), ..kept }),
        _ => Ok(kept),
    }
}

fn root_crl(view: &View<'_>) -> Result<Reply, Failure> {
    let intel = view.intel()?;
    let issued = view.circumstances.intel_issue();
    if view.circumstances.other_document {
        return Ok(Reply::of(Content::Crl(intel.pck_crl_der(Ca::Platform, issued)?)));
    }
    view.kept(&format!("root {}", intel.revision()), || {
        Ok(Reply::of(Content::Crl(intel.root_crl_der(issued)?)))
    })
}

fn fmspcs(query: &Query<'_>) -> Result<Reply, Failure> {
    let wanted = query.optional("platform")?.unwrap_or("all");
    if !["all", "client", "E3", "E5"].contains(&wanted) {
        return Err(Refusal::BAD_REQUEST.into());
    }
    let class = |ca: Ca| match ca {
        Ca::Processor => "E3",
        Ca::Platform => "E5",
    };
    let entry = |ca: Ca| json!({"platform": class(ca), "fmspc": hex::encode_upper(ca.simulated_fmspc())});
    let listed = Ca::ALL.into_iter().filter(|ca| wanted == "all" || wanted == class(*ca)).map(entry);
    Ok(Reply::of(Content::Json(serde_json::Value::from_iter(listed).to_string())))
}
