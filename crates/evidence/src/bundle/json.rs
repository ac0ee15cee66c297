//! JSON documents around evidence.
//!
//! | members | who writes it |
//! |---|---|
//! | `SnpReport`, `VcekCertChain`, `Endorsements` | clients of Azure Attestation |
//! | `evidence`, `endorsements`, `uvm_endorsements` | `attest/combined` of Azure's confidential container sidecar |
//! | `attestation`, `platformCertificates`, `uvmEndorsements` | Azure clean rooms |
//! | `outblob`, `auxblob` | Linux, `configfs-tsm`, as tools wrap its files |
//! | `attestation_report`, `cert_chain` | the guest components of Confidential Containers, and tools like them |
//! | `hcl_report` or `report`, `vcek` | the same on Azure's confidential VMs |
//! | `hclReport` | Azure clean rooms on confidential VMs |
//!
//! Each may stand inside of `evidence`, `report`, `snpCACI` or `snpCvm`. Bytes are base64 of either alphabet, hexadecimal, or a list
//! of numbers.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::report_json;
use super::{Body, Bundle, MAX_SIZE, document, table_certificates};
use crate::ParseError;
use crate::hcl;
use crate::pem;
use crate::snp::CertificateTable;

type Members = Map<String, Value>;

/// Objects inside each other that are looked through.
const MAX_WRAPPERS: usize = 3;
const LIMITS: assay_json::Limits = assay_json::Limits::bytes(MAX_SIZE);
const WRAPPERS: [&str; 4] = ["evidence", "report", "snpCACI", "snpCvm"];
/// Proofs of a virtual TPM or another guest: a caller could think that they were checked.
const UNREAD: [&str; 5] = ["quote", "tpm_quote", "tpmQuote", "td_quote", "aikCert"];
/// Names of the hardware's report, the first that is there counts.
const BODIES: [&str; 8] = [
    "SnpReport",
    "attestation_report",
    "outblob",
    "hcl_report",
    "hclReport",
    "attestation",
    "evidence",
    "report",
];
const CERTIFICATES: [&str; 5] = ["VcekCertChain", "cert_chain", "auxblob", "platformCertificates", "vcek"];
/// Names certificates in the sidecar's form, and the image's endorsements in Azure's.
const SIDECAR_CERTIFICATES: [&str; 1] = ["endorsements"];
const ENDORSEMENTS: [&str; 2] = ["uvm_endorsements", "uvmEndorsements"];

pub(super) fn parse(bytes: &[u8]) -> Result<Bundle, ParseError> {
    let text = assay_json::parse(bytes, &LIMITS).map_err(|error| document(error.to_string()))?;
    let Value::Object(members) = text else { return Err(document("it is not an object")) };
    let (members, around) = unwrap(&members)?;
    let body = body(members)?;
    let certificates = match certificates_member(members)? {
        Some(value) => certificates(value)?,
        // Clean rooms put them beside the evidence.
        None => around.map_or_else(|| Ok(Vec::new()), optional_certificates)?,
    };
    let unread = UNREAD.into_iter().filter(|name| members.get(*name).is_some_and(|value| !value.is_null()));
    Ok(Bundle { body, certificates, endorsements: endorsements(members)?, unread: unread.collect() })
}

/// A document of certificates alone: the answer of a metadata service.
pub(super) fn certificates_document(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ParseError> {
    let text = assay_json::parse(bytes, &LIMITS).map_err(|error| document(error.to_string()))?;
    certificates(&text)
}

/// Looks through objects that only wrap the evidence. Gives the innermost, and the one around it.
fn unwrap(members: &Members) -> Result<(&Members, Option<&Members>), ParseError> {
    let (mut inner, mut around) = (members, None);
    for _ in 0..=MAX_WRAPPERS {
        // An object under the name of the report itself is the report (a struct), not a wrapper.
        let wrapped = WRAPPERS.iter().find_map(|name| inner.get(*name).and_then(Value::as_object));
        match wrapped {
            Some(next) => (inner, around) = (next, Some(inner)),
            None => return Ok((inner, around)),
        }
    }
    Err(document("the evidence is wrapped too often"))
}

fn body(members: &Members) -> Result<Body, ParseError> {
    let Some(value) = find(members, &BODIES)? else {
        return Err(document("it has no member that holds a report"));
    };
    let bytes = match value {
        Value::Object(report) => return report_json::parse(report).map(Body::Snp),
        value => bytes(value)?,
    };
    Ok(if bytes.starts_with(&hcl::SIGNATURE) { Body::Hcl(bytes) } else { Body::Snp(bytes) })
}

/// The first of these members that says something. Names count in any case, as Azure takes them; two that differ in case only
/// are refused, as readers could take different ones.
fn find<'a>(members: &'a Members, names: &[&str]) -> Result<Option<&'a Value>, ParseError> {
    for name in names {
        let mut found = members.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let first = found.next();
        if found.next().is_some() {
            return Err(document(format!("the member `{name}` occurs twice")));
        }
        let said = first.map(|(_, value)| value).filter(|value| !is_empty(value));
        if said.is_some() {
            return Ok(said);
        }
    }
    Ok(None)
}

fn is_empty(value: &Value) -> bool {
    value.is_null()
        || value.as_str().is_some_and(str::is_empty)
        || value.as_array().is_some_and(Vec::is_empty)
}

fn certificates_member(members: &Members) -> Result<Option<&Value>, ParseError> {
    match find(members, &CERTIFICATES)? {
        None if find(members, &["SnpReport"])?.is_none() => find(members, &SIDECAR_CERTIFICATES),
        found => Ok(found),
    }
}

fn optional_certificates(members: &Members) -> Result<Vec<Vec<u8>>, ParseError> {
    certificates_member(members)?.map_or_else(|| Ok(Vec::new()), certificates)
}

fn certificates(value: &Value) -> Result<Vec<Vec<u8>>, ParseError> {
    match value {
        Value::String(text) if text.trim_start().starts_with('-') => pem_certificates(text.as_bytes()),
        Value::String(_) => encoded_certificates(&bytes(value)?),
        Value::Array(entries) if entries.first().is_some_and(Value::is_object) => table(entries),
        Value::Array(_) => encoded_certificates(&bytes(value)?),
        Value::Object(named) => named_certificates(named),
        _ => Err(document("the certificates are neither text nor a list")),
    }
}

/// What base64 of certificates holds: PEM, DER, a certificate table, or the JSON of a metadata service.
fn encoded_certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ParseError> {
    match bytes.trim_ascii_start().first() {
        Some(b'-') => pem_certificates(bytes),
        Some(b'{') => certificates_document(bytes),
        Some(0x30) => Ok(vec![bytes.to_vec()]),
        _ => CertificateTable::parse(bytes).map(|table| table_certificates(&table)),
    }
}

fn pem_certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, ParseError> {
    pem::certificates(text).map_err(|problem| document(format!("the certificates: {problem}")))
}

/// A list of `{cert_type, data}`; the endorsement key's certificate comes first.
fn table(entries: &[Value]) -> Result<Vec<Vec<u8>>, ParseError> {
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for entry in entries {
        let kind = entry.get("cert_type").and_then(Value::as_str).unwrap_or_default();
        let data = entry.get("data").ok_or_else(|| document("a certificate has no `data`"))?;
        let list = if matches!(kind, "VCEK" | "VLEK") { &mut first } else { &mut rest };
        match kind {
            "VCEK" | "VLEK" | "ASK" | "ARK" | "ASVK" => list.push(bytes(data)?),
            // Revocation lists and what hosts add: not certificates of the chain.
            _ => {}
        }
    }
    first.append(&mut rest);
    Ok(first)
}

/// `{vcek, ask, ark}`, or `{vcekCert, certificateChain}` of a metadata service.
fn named_certificates(members: &Members) -> Result<Vec<Vec<u8>>, ParseError> {
    let mut found = Vec::new();
    for name in ["vcekCert", "certificateChain", "vcek", "vlek", "ask", "asvk", "ark"] {
        if let Some(value) = find(members, &[name])? {
            found.extend(certificates(value)?);
        }
    }
    if found.is_empty() { Err(document("the certificates are not named in a known way")) } else { Ok(found) }
}

/// Endorsements of the image: a message, or Azure's `{"Uvm": [message]}`.
fn endorsements(members: &Members) -> Result<Vec<Vec<u8>>, ParseError> {
    if let Some(message) = find(members, &ENDORSEMENTS)? {
        return Ok(vec![bytes(message)?]);
    }
    // The sidecar's `endorsements` are certificates; Azure's belong to its own form.
    if find(members, &["SnpReport"])?.is_none() {
        return Ok(Vec::new());
    }
    let Some(value) = find(members, &["Endorsements"])? else { return Ok(Vec::new()) };
    let text = assay_json::parse(&bytes(value)?, &LIMITS)
        .map_err(|error| document(format!("`Endorsements` is not JSON: {error}")))?;
    let Value::Object(named) = text else { return Err(document("`Endorsements` is not an object")) };
    match find(&named, &["Uvm"])? {
        Some(Value::Array(messages)) => messages.iter().map(bytes).collect(),
        Some(_) => Err(document("`Uvm` is not a list")),
        None => Ok(Vec::new()),
    }
}

/// Bytes in any of the ways in which JSON carries them.
pub(super) fn bytes(value: &Value) -> Result<Vec<u8>, ParseError> {
    match value {
        Value::String(text) => {
            decode(text).ok_or_else(|| document("a text is neither base64 nor hexadecimal"))
        }
        Value::Array(numbers) => {
            let byte = |number: &Value| number.as_u64().and_then(|number| u8::try_from(number).ok());
            let all: Option<Vec<u8>> = numbers.iter().map(byte).collect();
            all.ok_or_else(|| document("a list has members that are not bytes"))
        }
        _ => Err(document("bytes are neither text nor a list of numbers")),
    }
}

/// Base64 of either alphabet, padded or not, with line breaks; or an even number of hexadecimal digits and nothing else.
fn decode(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
    if let Ok(bytes) = hex::decode(text) {
        return Some(bytes);
    }
    let standard = |character| match character {
        '-' => '+',
        '_' => '/',
        other => other,
    };
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).map(standard).collect();
    ENGINE.decode(compact).ok()
}
