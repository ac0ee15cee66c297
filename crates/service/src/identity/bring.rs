//! `PUT platformcollateral`: certificates and documents that somebody with a connection to Intel brought.
//!
//! All of it is verified like what upstreams give, and nothing goes backwards. What is refused is named; the rest is taken.

use std::collections::BTreeMap;

use assay_collateral::document::RawDocument;
use assay_collateral::pck::PlatformId;
use assay_collateral::subject::{Selection, Subject, Track};
use assay_collateral::upstream::RawPcks;
use assay_evidence::pem;
use assay_verify::intel::PckCa;
use assay_verify::intel::single::{Enclave, Tee};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::HardwareIdentity;
use super::administration::PlatformBody;
use super::reply::{Refusal, Reply};
use crate::percent;

const SOURCE: &str = "administrator";
/// Messages about what was refused.
const MAX_PROBLEMS: usize = 50;
/// Members of one body: a fleet of a thousand platforms with twenty certificates each.
const MAX_ITEMS: usize = 2_000_000;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(default)]
    platforms: Vec<PlatformBody>,
    #[serde(borrow)]
    collaterals: Collaterals<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Collaterals<'a> {
    pck_certs: Vec<PckCerts>,
    #[serde(borrow)]
    tcbinfos: Vec<BTreeMap<String, &'a RawValue>>,
    pckcacrl: PckCaCrl,
    #[serde(borrow)]
    qeidentity: Option<&'a RawValue>,
    #[serde(borrow)]
    qeidentity_early: Option<&'a RawValue>,
    #[serde(borrow)]
    tdqeidentity: Option<&'a RawValue>,
    #[serde(borrow)]
    tdqeidentity_early: Option<&'a RawValue>,
    #[serde(borrow)]
    qveidentity: Option<&'a RawValue>,
    #[serde(borrow)]
    qveidentity_early: Option<&'a RawValue>,
    certificates: BTreeMap<String, Value>,
    rootcacrl: Option<String>,
}

#[derive(Deserialize)]
struct PckCerts {
    qe_id: String,
    pce_id: String,
    certs: Vec<Cert>,
}

#[derive(Deserialize)]
struct Cert {
    /// PEM, percent-encoded or not.
    cert: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PckCaCrl {
    processor_crl: Option<String>,
    platform_crl: Option<String>,
}

/// What was taken, and what was not.
#[derive(Default)]
struct Outcome {
    taken: usize,
    refused: usize,
    /// Of the first of them.
    problems: Vec<String>,
}

impl Outcome {
    fn note(&mut self, what: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.taken = self.taken.saturating_add(1),
            Err(problem) => {
                self.refused = self.refused.saturating_add(1);
                if self.problems.len() < MAX_PROBLEMS {
                    self.problems.push(format!("{what}: {problem}"));
                }
            }
        }
    }
}

/// Takes in a body of PCCS's administration tool.
pub(super) async fn platform_collateral(identity: &HardwareIdentity, body: &Bytes) -> Result<Reply, Refusal> {
    let body = parse(body)?;
    let mut outcome = Outcome::default();
    documents(identity, &body.collaterals, &mut outcome).await;
    for (position, platform) in body.platforms.iter().enumerate() {
        let registered = match platform.registration() {
            Ok(registration) => identity.platforms.remember(registration).await.map_err(|_| "not kept"),
            Err(_) => Err("malformed"),
        };
        outcome.note(&format!("platforms[{position}]"), registered.map_err(str::to_owned));
    }
    for (position, certs) in body.collaterals.pck_certs.iter().enumerate() {
        let brought = pcks(identity, certs, &body.collaterals.certificates).await;
        outcome.note(&format!("pck_certs[{position}]"), brought);
    }
    let Outcome { taken, refused, problems } = outcome;
    let answer = json!({"taken": taken, "refusedCount": refused, "refused": problems});
    if refused == 0 {
        return Ok(Reply::of("application/json", answer.to_string()));
    }
    tracing::warn!(taken, refused, "collateral was brought, and refused in part");
    Err(Refusal::Integrity(answer.to_string()))
}

fn parse(body: &[u8]) -> Result<Body<'_>, Refusal> {
    let limits = assay_json::Limits { max_items: MAX_ITEMS, ..assay_json::Limits::bytes(body.len()) };
    let malformed = Refusal::Malformed("The body is not `{\"platforms\":[...],\"collaterals\":{...}}`.");
    assay_json::check(body, &limits).map_err(|_| malformed.clone())?;
    serde_json::from_slice(body).map_err(|_| malformed)
}

/// For the fuzzer: any bytes as such a body, with all that is read of it before anything is verified.
pub(super) fn read_any(bytes: &[u8]) {
    let Ok(body) = parse(bytes) else { return };
    for platform in &body.platforms {
        let _ = platform.registration();
    }
    let Collaterals { pck_certs, tcbinfos, certificates, rootcacrl, .. } = &body.collaterals;
    for ca in [PckCa::Processor, PckCa::Platform] {
        let _ = pck_chain(certificates, ca);
    }
    for cert in pck_certs.iter().flat_map(|certs| &certs.certs) {
        let _ = percent::decode(&cert.cert);
    }
    let _ = rootcacrl.as_deref().map(list_der);
    for text in tcbinfos.iter().flat_map(BTreeMap::values) {
        let compact = compacted(text.get());
        debug_assert_eq!(compacted(&compact), compact, "there is no white space left");
        let same =
            serde_json::from_str::<Value>(&compact).ok() == serde_json::from_str::<Value>(text.get()).ok();
        debug_assert!(same, "white space between parts says nothing");
    }
}

/// Lists first: they decide about the rest.
async fn documents(identity: &HardwareIdentity, brought: &Collaterals<'_>, outcome: &mut Outcome) {
    let standard = Selection::default();
    if let Some(list) = &brought.rootcacrl {
        outcome.note("rootcacrl", take_list(identity, Subject::RootCrl, list, None).await);
    }
    let lists = [
        (PckCa::Processor, &brought.pckcacrl.processor_crl),
        (PckCa::Platform, &brought.pckcacrl.platform_crl),
    ];
    for (ca, list) in lists {
        let Some(list) = list else { continue };
        let chain = pck_chain(&brought.certificates, ca);
        outcome.note(ca.as_str(), take_list(identity, Subject::PckCrl(ca), list, chain).await);
    }
    let early = Selection::Track(Track::Early);
    let identities = [
        (Enclave::Qe, brought.qeidentity, standard),
        (Enclave::Qe, brought.qeidentity_early, early),
        (Enclave::TdQe, brought.tdqeidentity, standard),
        (Enclave::TdQe, brought.tdqeidentity_early, early),
        (Enclave::Qve, brought.qveidentity, standard),
        (Enclave::Qve, brought.qveidentity_early, early),
    ];
    let chain = chain(&brought.certificates, &["SGX-Enclave-Identity-Issuer-Chain"]);
    for (enclave, text, selection) in identities {
        let Some(text) = text else { continue };
        let taken = take_json(identity, Subject::Identity(enclave), selection, text, chain.clone()).await;
        outcome.note(enclave.id(), taken);
    }
    for info in &brought.tcbinfos {
        tcb_info(identity, info, &brought.certificates, outcome).await;
    }
}

/// One family: `fmspc`, and its documents by architecture and track.
async fn tcb_info(
    identity: &HardwareIdentity,
    info: &BTreeMap<String, &RawValue>,
    certificates: &BTreeMap<String, Value>,
    outcome: &mut Outcome,
) {
    let mut fmspc = [0; 6];
    let named = info.get("fmspc").and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    if named.is_none_or(|text| hex::decode_to_slice(text, &mut fmspc).is_err()) {
        return outcome.note("tcbinfos", Err("`fmspc` is missing or malformed".to_owned()));
    }
    let chain = chain(certificates, &["TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain"]);
    let early = Selection::Track(Track::Early);
    let rows = [
        ("sgx_tcbinfo", Tee::Sgx, Selection::default()),
        ("sgx_tcbinfo_early", Tee::Sgx, early),
        ("tdx_tcbinfo", Tee::Tdx, Selection::default()),
        ("tdx_tcbinfo_early", Tee::Tdx, early),
    ];
    for (name, tee, selection) in rows {
        let Some(text) = info.get(name).filter(|raw| raw.get() != "null") else { continue };
        let taken =
            take_json(identity, Subject::TcbInfo { tee, fmspc }, selection, text, chain.clone()).await;
        outcome.note(name, taken);
    }
}

/// A document as an object or as a text that holds one. Tools that write JSON anew may have added white space, which
/// Intel's documents have not; the signature tells whether taking it out gives what Intel signed.
async fn take_json(
    identity: &HardwareIdentity,
    subject: Subject,
    selection: Selection,
    text: &RawValue,
    chain: Option<String>,
) -> Result<(), String> {
    let inner: Option<String> = serde_json::from_str(text.get()).ok();
    let body = inner.unwrap_or_else(|| text.get().to_owned());
    let compact = compacted(&body);
    let raw = RawDocument { body: body.into(), chain };
    let first = identity.library.take(subject, selection, raw.clone(), SOURCE).await;
    let Err(error) = first else { return Ok(()) };
    let again = RawDocument { body: compact.into(), ..raw };
    let second = identity.library.take(subject, selection, again, SOURCE).await;
    second.map(drop).map_err(|_| format!("{}: {error}", error.code()))
}

/// JSON without white space between its parts.
fn compacted(text: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    text.chars()
        .filter(|character| {
            let keep = inside || !character.is_ascii_whitespace();
            match character {
                '"' if !escaped => inside = !inside,
                _ => {}
            }
            escaped = inside && *character == '\\' && !escaped;
            keep
        })
        .collect()
}

async fn take_list(
    identity: &HardwareIdentity,
    subject: Subject,
    text: &str,
    chain: Option<String>,
) -> Result<(), String> {
    let raw = RawDocument { body: list_der(text)?.into(), chain };
    let taken = identity.library.take(subject, Selection::default(), raw, SOURCE).await;
    taken.map(drop).map_err(|error| format!("{}: {error}", error.code()))
}

/// A list as PEM or in hexadecimal.
fn list_der(text: &str) -> Result<Vec<u8>, String> {
    match text.trim_start().starts_with('-') {
        true => pem::revocation_list(text.as_bytes()).map_err(str::to_owned),
        false => hex::decode(text.trim()).map_err(|_| "it is neither PEM nor hexadecimal".to_owned()),
    }
}

async fn pcks(
    identity: &HardwareIdentity,
    certs: &PckCerts,
    certificates: &BTreeMap<String, Value>,
) -> Result<(), String> {
    let malformed = |_| "an id is not hexadecimal of the right length".to_owned();
    let (mut qe_id, mut pce_id) = ([0; 16], [0; 2]);
    hex::decode_to_slice(&certs.qe_id, &mut qe_id).map_err(malformed)?;
    hex::decode_to_slice(&certs.pce_id, &mut pce_id).map_err(malformed)?;
    let decoded = |cert: &Cert| percent::decode(&cert.cert).map(std::borrow::Cow::into_owned);
    let pems: Option<Vec<String>> = certs
        .certs
        .iter()
        // What Intel has no certificate for stands in its list, too.
        .filter(|cert| cert.cert.contains("BEGIN"))
        .map(decoded)
        .collect();
    let pems = pems.ok_or("a certificate is not percent-encoded")?;
    let id = PlatformId { qe_id, pce_id };
    let mut last = "there is no issuer chain for its certificates".to_owned();
    for ca in [PckCa::Platform, PckCa::Processor] {
        let Some(chain) = pck_chain(certificates, ca) else { continue };
        let raw = RawPcks {
            certificates: pems.clone(),
            chain,
            incomplete: pems.len() < certs.certs.len(),
            is_list: certs.certs.len() > 1,
        };
        match identity.platforms.bring(id, raw).await {
            Ok(()) => return Ok(()),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

fn chain(certificates: &BTreeMap<String, Value>, names: &[&str]) -> Option<String> {
    let found =
        certificates.iter().find(|(name, _)| names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted)))?;
    found.1.as_str().and_then(percent::decode).map(std::borrow::Cow::into_owned)
}

fn pck_chain(certificates: &BTreeMap<String, Value>, ca: PckCa) -> Option<String> {
    let (_, chains) = certificates
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("SGX-PCK-Certificate-Issuer-Chain"))?;
    let text = match chains {
        Value::Object(by_ca) => {
            by_ca.iter().find(|(name, _)| name.eq_ignore_ascii_case(ca.as_str()))?.1.as_str()?
        }
        other => other.as_str()?,
    };
    percent::decode(text).map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::{compacted, parse};

    /// Without seeds that are read the fuzzer would see nothing but refusals.
    #[test]
    fn the_fuzzers_seeds_are_bodies() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/platform_body");
        let read = |name: &str| std::fs::read(format!("{folder}/{name}")).unwrap();
        let collateral = read("collateral");
        let body = parse(&collateral).unwrap_or_else(|_| panic!("the seed is refused"));
        assert_eq!((body.platforms.len(), body.collaterals.tcbinfos.len()), (1, 1));
        assert_eq!((body.collaterals.pck_certs.len(), body.collaterals.rootcacrl.is_some()), (1, true));
        assert!(body.platforms.iter().all(|platform| platform.registration().is_ok()));
        assert!(parse(&read("collateral_empty")).is_ok());
        super::read_any(&collateral);
    }

    #[test]
    fn white_space_inside_of_texts_stays() {
        let text = "{ \"a b\" : [ 1,\n 2 ], \"c\": \" \\\" d \\\\\" }";
        assert_eq!(compacted(text), "{\"a b\":[1,2],\"c\":\" \\\" d \\\\\"}");
    }
}
