//! Certificates in JSON: text, bytes, lists and objects of them.

use serde_json::{Map, Value};

use super::json::{self, LIMITS, bytes, member, refuse_twins};
use super::{Chain, OtherEntry, document, pem_certificates};
use crate::ParseError;
use crate::snp::CertificateTable;

/// Names in an object of certificates, in the order in which the chain has them: of a metadata service, of the guest
/// components of Confidential Containers, and of go-sev-guest.
const NAMED: [&str; 11] = [
    "vcekCert",
    "vcek",
    "vcek_cert",
    "vlekCert",
    "vlek",
    "vlek_cert",
    "certificateChain",
    "ask",
    "askCert",
    "ask_cert",
    "asvk",
];
const ROOTS: [&str; 3] = ["ark", "arkCert", "ark_cert"];
/// What go-sev-guest shows of a table besides certificates of the chain.
const OTHERS: [&str; 3] = ["firmwareCert", "firmware_cert", "extras"];

/// A document of certificates alone: the answer of a metadata service.
pub(super) fn document_of(text: &[u8]) -> Result<Chain, ParseError> {
    let text = assay_json::parse(text, &LIMITS).map_err(|error| document(error.to_string()))?;
    chain(&text)
}

pub(super) fn chain(value: &Value) -> Result<Chain, ParseError> {
    match value {
        Value::String(text) if text.trim_start().starts_with('-') => pem_certificates(text.as_bytes()),
        Value::String(_) => encoded(&bytes(value)?),
        Value::Array(entries) if entries.first().is_some_and(Value::is_object) => table(entries),
        Value::Array(_) => encoded(&bytes(value)?),
        Value::Object(members) => named(members),
        _ => Err(document("the certificates are neither text nor a list")),
    }
}

/// What base64 of certificates holds: PEM, DER, a certificate table, or the JSON of a metadata service.
fn encoded(bytes: &[u8]) -> Result<Chain, ParseError> {
    match bytes.trim_ascii_start().first() {
        Some(b'-') => pem_certificates(bytes),
        Some(b'{') => document_of(bytes),
        Some(0x30) => Ok(Chain::of(vec![bytes.to_vec()])),
        _ => CertificateTable::parse(bytes).map(|table| Chain::of_table(&table)),
    }
}

/// A list of `{cert_type, data}`; the endorsement key's certificate comes first.
fn table(entries: &[Value]) -> Result<Chain, ParseError> {
    let (mut chain, mut rest) = (Chain::default(), Vec::new());
    for entry in entries {
        let kind = entry.get("cert_type").unwrap_or(&Value::Null);
        let data = entry.get("data").ok_or_else(|| document("a certificate has no `data`"))?;
        match kind.as_str() {
            Some("VCEK" | "VLEK") => chain.certificates.push(bytes(data)?),
            Some("ASK" | "ARK" | "ASVK") => rest.push(bytes(data)?),
            // Revocation lists and what hosts add: not certificates of the chain.
            other => {
                let name = other.map_or_else(|| kind.to_string(), str::to_owned);
                chain.others.push(OtherEntry { name, data: bytes(data)? });
            }
        }
    }
    chain.certificates.append(&mut rest);
    Ok(chain)
}

/// `{vcek, ask, ark}`, `{vcekCert, certificateChain}` of a metadata service, `{vcekCert, askCert, arkCert}` of go-sev-guest.
fn named(members: &Map<String, Value>) -> Result<Chain, ParseError> {
    refuse_twins(members)?;
    let mut found = Chain::default();
    for value in NAMED.iter().chain(&ROOTS).filter_map(|name| member(members, name)) {
        let mut next = chain(value)?;
        found.certificates.append(&mut next.certificates);
        found.others.append(&mut next.others);
    }
    if found.certificates.is_empty() {
        return Err(document("the certificates are not named in a known way"));
    }
    for (name, value) in OTHERS.iter().filter_map(|name| Some((*name, member(members, name)?))) {
        // By GUID, what else stands in the table.
        let by_guid = value.as_object().map(|extras| extras.iter().map(|(guid, data)| (guid.clone(), data)));
        let entries = by_guid.map_or_else(|| vec![(name.to_owned(), value)], Iterator::collect);
        for (name, value) in entries {
            found.others.push(OtherEntry { name, data: json::bytes(value)? });
        }
    }
    Ok(found)
}
