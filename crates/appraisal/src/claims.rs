//! The one table of claims: JSON name, type, meaning, kinds of evidence. Tokens, the policy checker and `docs/claims.md` are
//! made from it.

use std::sync::{Arc, LazyLock};

use assay_policy::{
    Allowed, Claim, ClaimDef, ClaimSet, Issuer, PropertyDef, PropertySection, Value as PolicyValue,
    ValueKind, Vocabulary,
};
use assay_verify::claims::SgxClaims;
use serde_json::{Value, json};

use crate::request::Attached;
use crate::{AZURE_DEFAULT, AttestationType, Freshness};

/// One claim that Assay knows.
#[derive(Debug)]
pub struct ClaimInfo {
    /// Its name in tokens and policies.
    pub name: &'static str,
    /// Its type.
    pub kind: ValueKind,
    /// Number of lower-case hexadecimal digits, for measurements.
    pub hex_digits: Option<usize>,
    /// Whether a policy can read it.
    pub incoming: bool,
    /// Whether a token can carry it.
    pub outgoing: bool,
    /// The claim whose value it repeats.
    pub alias_of: Option<&'static str>,
    /// What it says.
    pub meaning: &'static str,
}

const fn both(name: &'static str, kind: ValueKind, meaning: &'static str) -> ClaimInfo {
    ClaimInfo { name, kind, hex_digits: None, incoming: true, outgoing: true, alias_of: None, meaning }
}

const fn measured(name: &'static str, digits: usize, meaning: &'static str) -> ClaimInfo {
    ClaimInfo { hex_digits: Some(digits), ..both(name, ValueKind::String, meaning) }
}

const fn only_out(name: &'static str, kind: ValueKind, meaning: &'static str) -> ClaimInfo {
    ClaimInfo { incoming: false, ..both(name, kind, meaning) }
}

const fn legacy(name: &'static str, of: &'static str, kind: ValueKind) -> ClaimInfo {
    ClaimInfo { outgoing: false, alias_of: Some(of), ..both(name, kind, "older name for policies") }
}

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
    both(
        "x-assay-freshness",
        ValueKind::String,
        "`challenge`: bound to a challenge of this service; `caller-bound`: bound to the caller's nonce; `unbound`: neither",
    ),
];

/// Claims of every token, whatever the evidence.
pub const COMMON_CLAIMS: &[ClaimInfo] = &[
    only_out("iss", ValueKind::String, "the provider that issued the token"),
    only_out("iat", ValueKind::Integer, "when it was issued, in seconds since 1970"),
    only_out("nbf", ValueKind::Integer, "from when it is valid: 5 seconds before `iat`"),
    only_out("exp", ValueKind::Integer, "until when it is valid: 8 hours after `iat`"),
    only_out("jti", ValueKind::String, "names the token; its first half names the decision record"),
    only_out("nonce", ValueKind::String, "what the caller sent as `nonce`; an echo, see `x-assay-freshness`"),
    only_out("x-ms-ver", ValueKind::String, "`1.0`"),
    only_out("x-ms-policy-hash", ValueKind::String, "digest of the policy that permitted the token"),
    only_out("x-ms-policy-signer", ValueKind::Json, "JWK of who signed the policy, if it was signed"),
    only_out(
        "x-assay-draft",
        ValueKind::Boolean,
        "the policy was a draft of the caller's: not an attestation",
    ),
    only_out("x-assay-dev", ValueKind::Boolean, "made by a service in development mode"),
    only_out(
        "x-assay-anchor",
        ValueKind::String,
        "`operator`: the root is one that the operator added, not the vendor's",
    ),
    only_out("x-assay-simulated", ValueKind::Boolean, "the evidence is of simulated silicon"),
];

/// Every claim that Assay knows.
pub fn all() -> impl Iterator<Item = &'static ClaimInfo> {
    COMMON_CLAIMS.iter().chain(SGX_CLAIMS)
}

/// Names no policy may issue: registered JWT claims and aliases that only the service writes (RFC 7519 section 4.1, RFC 7800).
const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "cnf",
    "nonce",
    "rp_data",
    "ver",
    "policy_hash",
    "policy_signer",
    // What tokens of other kinds of evidence say under their own names.
    "attester_tcb_status",
    "dbgstat",
    "intuse",
    "secureboot",
];
const RESERVED_PREFIXES: &[&str] = &["x-ms-", "x-assay-", "maa-", "aas-", "eat_", "tdx_"];

const TCB_IDENTIFIERS: &[&str] = &[AZURE_DEFAULT, "10", "11", "12", "13", "14", "15"];
const SGX_PROPERTIES: &[PropertyDef<'static>] = &[PropertyDef {
    name: TCB_IDENTIFIER,
    kind: ValueKind::String,
    section: PropertySection::Configuration,
    allowed: Allowed::OneOf(TCB_IDENTIFIERS),
}];
/// The property by which a policy names its baseline.
pub const TCB_IDENTIFIER: &str = "x-ms-sgx-tcbidentifier";

static SGX_INCOMING: LazyLock<Vec<ClaimDef<'static>>> = LazyLock::new(|| {
    let incoming = SGX_CLAIMS.iter().filter(|claim| claim.incoming);
    incoming
        .map(|claim| match claim.hex_digits {
            Some(digits) => ClaimDef::hex(claim.name, digits),
            None => ClaimDef::new(claim.name, claim.kind),
        })
        .collect()
});

/// What the policy checker knows of a kind of evidence.
#[must_use]
pub fn vocabulary(kind: AttestationType) -> Vocabulary<'static> {
    let (incoming, properties): (&[ClaimDef<'_>], &[PropertyDef<'_>]) = match kind {
        AttestationType::SgxEnclave | AttestationType::OpenEnclave => (&SGX_INCOMING, SGX_PROPERTIES),
        AttestationType::Tpm => (&[], &[]),
    };
    Vocabulary { incoming, properties, ..untyped_vocabulary() }
}

/// What the policy checker knows of every kind of evidence: which names are reserved, and the properties of any kind. The
/// claims that policies read are not checked.
#[must_use]
pub const fn untyped_vocabulary() -> Vocabulary<'static> {
    Vocabulary {
        incoming: &[],
        reserved: RESERVED,
        reserved_prefixes: RESERVED_PREFIXES,
        reserved_exceptions: &[],
        properties: SGX_PROPERTIES,
    }
}

/// The claims that verified SGX evidence brings into a policy.
pub(crate) fn sgx_incoming(claims: &SgxClaims, attached: &Attached, freshness: Freshness) -> ClaimSet {
    let mut set = ClaimSet::with_capacity(32);
    let mut add = |name: &'static str, value: PolicyValue| {
        set.push(Claim { claim_type: interned(name), value, issuer: Issuer::AttestationService });
    };
    for (name, value) in sgx_values(claims, freshness) {
        match value {
            Value::Array(items) => items.into_iter().for_each(|item| add(name, policy_value(item))),
            value => add(name, policy_value(value)),
        }
    }
    for (name, value) in attached.claims() {
        if SGX_CLAIMS.iter().any(|claim| claim.incoming && claim.name == name) {
            add(name, attached_value(value));
        }
    }
    for claim in SGX_CLAIMS.iter().filter(|claim| claim.incoming && !claim.outgoing) {
        let original = claim.alias_of.and_then(|name| scalar(claims, name));
        if let Some(value) = original {
            add(claim.name, value);
        }
    }
    set
}

/// The claims of verified SGX evidence for the token.
pub(crate) fn sgx_service_claims(claims: &SgxClaims, freshness: Freshness) -> Vec<(&'static str, Value)> {
    let mut values = sgx_values(claims, freshness);
    values.push(("maa-attestationcollateral", collateral_claim(claims)));
    values
}

fn sgx_values(claims: &SgxClaims, freshness: Freshness) -> Vec<(&'static str, Value)> {
    let report = &claims.report;
    let mut values = vec![
        ("x-ms-attestation-type", json!("sgx")),
        ("x-ms-sgx-is-debuggable", json!(report.is_debuggable())),
        ("x-ms-sgx-product-id", json!(report.isv_prod_id)),
        ("x-ms-sgx-svn", json!(report.isv_svn)),
        ("x-ms-sgx-mrenclave", json!(hex::encode(report.mr_enclave))),
        ("x-ms-sgx-mrsigner", json!(hex::encode(report.mr_signer))),
        ("x-ms-sgx-report-data", json!(hex::encode(report.report_data))),
        ("x-ms-sgx-collateral", collateral_claim(claims)),
        ("x-assay-tcb-status", json!(claims.tcb.status.as_str())),
        ("x-assay-tcb-eval-number", json!(claims.tcb.evaluation_number)),
        ("x-assay-advisories", json!(claims.tcb.advisories)),
        ("x-assay-freshness", json!(freshness.as_str())),
    ];
    if report.has_kss() {
        values.extend([
            ("x-ms-sgx-config-id", json!(hex::encode(report.config_id))),
            ("x-ms-sgx-config-svn", json!(report.config_svn)),
            ("x-ms-sgx-isv-extended-product-id", json!(hex::encode(report.isv_ext_prod_id))),
            ("x-ms-sgx-isv-family-id", json!(hex::encode(report.isv_family_id))),
        ]);
    }
    values
}

fn collateral_claim(claims: &SgxClaims) -> Value {
    let hashes = &claims.collateral_hashes;
    json!({
        "qeidcertshash": hex::encode(hashes.qe_identity_certificates),
        "qeidcrlhash": hex::encode(hashes.root_crl),
        "qeidhash": hex::encode(hashes.qe_identity),
        "quotehash": hex::encode(claims.evidence_hash),
        "tcbinfocertshash": hex::encode(hashes.tcb_info_certificates),
        "tcbinfocrlhash": hex::encode(hashes.root_crl),
        "tcbinfohash": hex::encode(hashes.tcb_info),
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
        "x-ms-sgx-mrenclave" => PolicyValue::from(hex::encode(report.mr_enclave).as_str()),
        "x-ms-sgx-mrsigner" => PolicyValue::from(hex::encode(report.mr_signer).as_str()),
        _ => return None,
    })
}

/// Attached data is one claim whatever it is; only text can be compared.
fn attached_value(value: Arc<Value>) -> PolicyValue {
    match value.as_ref() {
        Value::String(text) => PolicyValue::from(text.as_str()),
        _ => PolicyValue::Json(value),
    }
}

fn policy_value(value: Value) -> PolicyValue {
    match value {
        Value::String(text) => PolicyValue::from(text.as_str()),
        Value::Bool(truth) => PolicyValue::from(truth),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => PolicyValue::from(integer),
            None => PolicyValue::Json(Arc::new(Value::Number(number))),
        },
        other => PolicyValue::Json(Arc::new(other)),
    }
}

/// Claim names are few and known, so each is allocated once and shared.
fn interned(name: &'static str) -> Arc<str> {
    static NAMES: LazyLock<Vec<Arc<str>>> =
        LazyLock::new(|| SGX_CLAIMS.iter().map(|claim| Arc::from(claim.name)).collect());
    NAMES.iter().find(|known| known.as_ref() == name).map_or_else(|| Arc::from(name), Arc::clone)
}

/// The table as Markdown, for `docs/claims.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(MARKDOWN_HEAD);
    for (title, claims) in
        [("Every token", COMMON_CLAIMS), ("SGX enclaves (`SgxEnclave`, `OpenEnclave`)", SGX_CLAIMS)]
    {
        text.push_str(&format!(
            "\n## {title}\n\n| claim | type | in policies | in tokens | meaning |\n|---|---|---|---|---|\n"
        ));
        for claim in claims {
            let mark = |yes: bool| if yes { "yes" } else { "-" };
            let alias = claim.alias_of.map(|of| format!(" (same as `{of}`)")).unwrap_or_default();
            let digits = claim.hex_digits.map(|n| format!(", {n} hexadecimal digits")).unwrap_or_default();
            text.push_str(&format!(
                "| `{}` | {}{digits} | {} | {} | {}{alias} |\n",
                claim.name,
                claim.kind.name(),
                mark(claim.incoming),
                mark(claim.outgoing),
                claim.meaning
            ));
        }
    }
    text
}

const MARKDOWN_HEAD: &str = "# Claims\n\n\
<!-- Made from the table in crates/appraisal/src/claims.rs; a test compares. To write it anew:\n     \
ASSAY_UPDATE_DOCS=1 cargo test -p assay-appraisal --test documents -->\n\n\
What a policy can read and a token can carry. Names and types are those of Azure Attestation; the `x-assay-` ones are \
Assay's own. No policy can issue, in any case of letters, a claim of \"Every token\" or a name that begins with `x-ms-`, \
`x-assay-`, `maa-`, `aas-`, `eat_` or `tdx_`.\n";
