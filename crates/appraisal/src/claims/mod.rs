//! The one table of claims: JSON name, type, meaning, kinds of evidence. Tokens, the policy checker and `docs/claims.md` are
//! made from it.

mod sgx;
mod snp;
mod tdx;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use assay_policy::{
    Allowed, Claim, ClaimDef, ClaimSet, Issuer, PropertyDef, PropertySection, Value as PolicyValue,
    ValueKind, Vocabulary,
};
use serde_json::Value;

use crate::{AZURE_DEFAULT, AttestationType};

pub use sgx::SGX_CLAIMS;
pub(crate) use sgx::{attached_claims as sgx_attached, sgx_incoming, sgx_service_claims};
pub use snp::SNP_CLAIMS;
pub(crate) use snp::{snp_incoming, snp_service_claims};
pub use tdx::TDX_CLAIMS;

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

/// Every kind of evidence can be fresh.
const FRESHNESS: ClaimInfo = both(
    "x-assay-freshness",
    ValueKind::String,
    "`challenge`: bound to a challenge of this service; `caller-bound`: bound to the caller's `nonce`, whose age only the caller knows; `unbound`: neither",
);

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
        "`operator`: the operator, and not the vendor, vouches for a root or for an image's signer",
    ),
    only_out("x-assay-simulated", ValueKind::Boolean, "the evidence is of simulated silicon"),
];

/// Every table with its title.
const TABLES: [(&str, &[ClaimInfo]); 4] = [
    ("Every token", COMMON_CLAIMS),
    ("SGX enclaves (`SgxEnclave`, `OpenEnclave`)", SGX_CLAIMS),
    ("SEV-SNP virtual machines (`SevSnpVm`)", SNP_CLAIMS),
    ("TDX virtual machines (`TdxVm`): for policies; attestation comes with a later release", TDX_CLAIMS),
];

/// Every claim that Assay knows.
pub fn all() -> impl Iterator<Item = &'static ClaimInfo> {
    TABLES.into_iter().flat_map(|(_, table)| table)
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

static SGX_INCOMING: LazyLock<Vec<ClaimDef<'static>>> = LazyLock::new(|| definitions(SGX_CLAIMS));
static SNP_INCOMING: LazyLock<Vec<ClaimDef<'static>>> = LazyLock::new(|| definitions(SNP_CLAIMS));
static TDX_INCOMING: LazyLock<Vec<ClaimDef<'static>>> = LazyLock::new(|| definitions(TDX_CLAIMS));

/// What the policy checker knows of the claims of a table.
fn definitions(table: &'static [ClaimInfo]) -> Vec<ClaimDef<'static>> {
    let incoming = table.iter().filter(|claim| claim.incoming);
    incoming
        .map(|claim| match claim.hex_digits {
            Some(digits) => ClaimDef::hex(claim.name, digits),
            None => ClaimDef::new(claim.name, claim.kind),
        })
        .collect()
}

/// What the policy checker knows of a kind of evidence.
#[must_use]
pub fn vocabulary(kind: AttestationType) -> Vocabulary<'static> {
    let (incoming, properties): (&[ClaimDef<'_>], &[PropertyDef<'_>]) = match kind {
        AttestationType::SgxEnclave | AttestationType::OpenEnclave => (&SGX_INCOMING, SGX_PROPERTIES),
        AttestationType::SevSnpVm => (&SNP_INCOMING, &[]),
        AttestationType::TdxVm => (&TDX_INCOMING, &[]),
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

/// The claims that verified evidence brings into a policy: what the service says of it, and the data that came along. A list is
/// one claim with several values.
fn incoming(
    table: &[ClaimInfo],
    values: Vec<(&'static str, Value)>,
    attached: Vec<(&'static str, Arc<Value>)>,
) -> ClaimSet {
    let mut set = ClaimSet::with_capacity(40);
    for (name, value) in values {
        match value {
            Value::Array(items) => items.into_iter().for_each(|item| add(&mut set, name, policy_value(item))),
            value => add(&mut set, name, policy_value(value)),
        }
    }
    for (name, value) in attached {
        if table.iter().any(|claim| claim.incoming && claim.name == name) {
            add(&mut set, name, attached_value(value));
        }
    }
    set
}

fn add(set: &mut ClaimSet, name: &'static str, value: PolicyValue) {
    set.push(Claim { claim_type: interned(name), value, issuer: Issuer::AttestationService });
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
    static NAMES: LazyLock<HashMap<&'static str, Arc<str>>> =
        LazyLock::new(|| all().map(|claim| (claim.name, Arc::from(claim.name))).collect());
    NAMES.get(name).map_or_else(|| Arc::from(name), Arc::clone)
}

/// The table as Markdown, for `docs/claims.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(MARKDOWN_HEAD);
    for (title, claims) in TABLES {
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
<!-- Made from the table in crates/appraisal/src/claims; a test compares. To write it anew:\n     \
ASSAY_UPDATE_DOCS=1 cargo test -p assay-appraisal --test documents -->\n\n\
What a policy can read and a token can carry. Names and types are those of Azure Attestation; the `x-assay-` ones are \
Assay's own. No policy can issue, in any case of letters, a claim of \"Every token\" or a name that begins with `x-ms-`, \
`x-assay-`, `maa-`, `aas-`, `eat_` or `tdx_`.\n";
