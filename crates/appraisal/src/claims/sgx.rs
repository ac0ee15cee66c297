//! Claims of SGX enclaves, with and without Open Enclave.

use std::sync::Arc;

use assay_policy::{ClaimSet, Value as PolicyValue, ValueKind};
use assay_verify::claims::SgxClaims;
use serde_json::{Value, json};

use super::{ClaimInfo, FRESHNESS, add, both, incoming, legacy, measured, only_out};
use crate::Freshness;
use crate::hexadecimal::hexadecimal;
use crate::request::Attached;

/// Claims of SGX enclaves, with and without Open Enclave.
pub const SGX_CLAIMS: &[ClaimInfo] = &[
    both("x-ms-attestation-type", ValueKind::String, "the kind of hardware: `sgx`"),
    both(
        "x-ms-sgx-is-debuggable",
        ValueKind::Boolean,
        "whether the enclave can be debugged; its memory is then not secret",
    ),
    both("x-ms-sgx-product-id", ValueKind::Integer, "product id that the enclave's author chose"),
    both("x-ms-sgx-svn", ValueKind::Integer, "security version of the enclave"),
    measured("x-ms-sgx-mrenclave", 64, "measurement of the enclave's code and data"),
    measured("x-ms-sgx-mrsigner", 64, "hash of the key that signed the enclave"),
    measured("x-ms-sgx-report-data", 128, "the 64 bytes that the enclave put into its report"),
    both(
        "x-ms-sgx-collateral",
        ValueKind::Json,
        "SHA-256 digests of the evidence and of the collateral that judged it",
    ),
    ClaimInfo {
        alias_of: Some("x-ms-sgx-collateral"),
        ..only_out("maa-attestationcollateral", ValueKind::Json, "older name of `x-ms-sgx-collateral`")
    },
    both("x-ms-sgx-ehd", ValueKind::String, "runtime data of type Binary, base64url"),
    ClaimInfo {
        alias_of: Some("x-ms-sgx-ehd"),
        ..only_out("maa-ehd", ValueKind::String, "older name of `x-ms-sgx-ehd`")
    },
    ClaimInfo {
        alias_of: Some("x-ms-sgx-ehd"),
        ..only_out("aas-ehd", ValueKind::String, "older name of `x-ms-sgx-ehd`")
    },
    both("x-ms-runtime", ValueKind::Json, "runtime data of type JSON; the report data is its hash"),
    both("x-ms-inittime", ValueKind::Json, "init-time data; the configuration id is its hash"),
    measured("x-ms-sgx-config-id", 128, "configuration id; enclaves with KSS only"),
    both(
        "x-ms-sgx-config-svn",
        ValueKind::Integer,
        "security version of the configuration; enclaves with KSS only",
    ),
    measured("x-ms-sgx-isv-extended-product-id", 32, "extended product id; enclaves with KSS only"),
    measured("x-ms-sgx-isv-family-id", 32, "family id; enclaves with KSS only"),
    legacy("$is-debuggable", "x-ms-sgx-is-debuggable", ValueKind::Boolean),
    legacy("$product-id", "x-ms-sgx-product-id", ValueKind::Integer),
    legacy("$sgx-mrsigner", "x-ms-sgx-mrsigner", ValueKind::String),
    legacy("$sgx-mrenclave", "x-ms-sgx-mrenclave", ValueKind::String),
    legacy("$svn", "x-ms-sgx-svn", ValueKind::Integer),
    legacy("$tee", "x-ms-attestation-type", ValueKind::String),
    both(
        "x-assay-tcb-status",
        ValueKind::String,
        "what the vendor says of the platform's TCB, such as `UpToDate`",
    ),
    both(
        "x-assay-tcb-eval-number",
        ValueKind::Integer,
        "number of the TCB evaluation that judged the platform",
    ),
    both(
        "x-assay-advisories",
        ValueKind::String,
        "security advisories that apply to the platform; a list in tokens",
    ),
    FRESHNESS,
];

/// The claims that verified SGX evidence brings into a policy.
pub(crate) fn sgx_incoming(claims: &SgxClaims, attached: &Attached, freshness: Freshness) -> ClaimSet {
    let mut set = incoming(SGX_CLAIMS, values(claims, freshness), attached_claims(attached));
    for claim in SGX_CLAIMS.iter().filter(|claim| claim.incoming && !claim.outgoing) {
        let original = claim.alias_of.and_then(|name| scalar(claims, name));
        if let Some(value) = original {
            add(&mut set, claim.name, value);
        }
    }
    set
}

/// What attached data becomes in an enclave's token: JSON, or the bytes under three names.
pub(crate) fn attached_claims(attached: &Attached) -> Vec<(&'static str, Arc<Value>)> {
    let mut claims = attached.json_claims();
    if let Some(held) = &attached.held {
        let held: Arc<Value> = Arc::new(held.as_str().into());
        claims.extend(["x-ms-sgx-ehd", "maa-ehd", "aas-ehd"].map(|name| (name, Arc::clone(&held))));
    }
    claims
}

/// The claims of verified SGX evidence for the token.
pub(crate) fn sgx_service_claims(claims: &SgxClaims, freshness: Freshness) -> Vec<(&'static str, Value)> {
    let mut values = values(claims, freshness);
    values.push(("maa-attestationcollateral", collateral_claim(claims)));
    values
}

fn values(claims: &SgxClaims, freshness: Freshness) -> Vec<(&'static str, Value)> {
    let report = &claims.report;
    let mut values = vec![
        ("x-ms-attestation-type", json!("sgx")),
        ("x-ms-sgx-is-debuggable", json!(report.is_debuggable())),
        ("x-ms-sgx-product-id", json!(report.isv_prod_id)),
        ("x-ms-sgx-svn", json!(report.isv_svn)),
        ("x-ms-sgx-mrenclave", json!(hexadecimal(report.mr_enclave))),
        ("x-ms-sgx-mrsigner", json!(hexadecimal(report.mr_signer))),
        ("x-ms-sgx-report-data", json!(hexadecimal(report.report_data))),
        ("x-ms-sgx-collateral", collateral_claim(claims)),
        ("x-assay-tcb-status", json!(claims.tcb.status.as_str())),
        ("x-assay-tcb-eval-number", json!(claims.tcb.evaluation_number)),
        ("x-assay-advisories", json!(claims.tcb.advisories)),
        ("x-assay-freshness", json!(freshness.as_str())),
    ];
    if report.has_kss() {
        values.extend([
            ("x-ms-sgx-config-id", json!(hexadecimal(report.config_id))),
            ("x-ms-sgx-config-svn", json!(report.config_svn)),
            ("x-ms-sgx-isv-extended-product-id", json!(hexadecimal(report.isv_ext_prod_id))),
            ("x-ms-sgx-isv-family-id", json!(hexadecimal(report.isv_family_id))),
        ]);
    }
    values
}

fn collateral_claim(claims: &SgxClaims) -> Value {
    let hashes = &claims.collateral_hashes;
    json!({
        "qeidcertshash": hexadecimal(hashes.qe_identity_certificates),
        "qeidcrlhash": hexadecimal(hashes.root_crl),
        "qeidhash": hexadecimal(hashes.qe_identity),
        "quotehash": hexadecimal(claims.evidence_hash),
        "tcbinfocertshash": hexadecimal(hashes.tcb_info_certificates),
        "tcbinfocrlhash": hexadecimal(hashes.root_crl),
        "tcbinfohash": hexadecimal(hashes.tcb_info),
    })
}

/// The scalar claims that have an older name.
fn scalar(claims: &SgxClaims, name: &str) -> Option<PolicyValue> {
    let report = &claims.report;
    Some(match name {
        "x-ms-attestation-type" => PolicyValue::from("sgx"),
        "x-ms-sgx-is-debuggable" => PolicyValue::from(report.is_debuggable()),
        "x-ms-sgx-product-id" => PolicyValue::from(i64::from(report.isv_prod_id)),
        "x-ms-sgx-svn" => PolicyValue::from(i64::from(report.isv_svn)),
        "x-ms-sgx-mrenclave" => PolicyValue::from(hexadecimal(report.mr_enclave).as_str()),
        "x-ms-sgx-mrsigner" => PolicyValue::from(hexadecimal(report.mr_signer).as_str()),
        _ => return None,
    })
}
