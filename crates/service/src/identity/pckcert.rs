//! PCK certificates as PCCS and PCS serve them.

use std::sync::Arc;

use assay_collateral::pck::{PckCertificate, PckSet, PlatformId, RawTcb};
use assay_verify::intel::PckCa;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pcs::Version;
use super::platforms::Registration;
use super::query::Query;
use super::reply::{Refusal, Reply};
use super::{HardwareIdentity, thim};
use crate::percent;
use crate::upstream::Asker;

const PEM: &str = "application/x-pem-file";
/// The version of Azure's interface in which certificates come as JSON.
const AZURE_API_VERSION: &str = "2021-07-22-preview";
/// Of an RSA-3072 key.
const ENCRYPTED_PPID: usize = 384;
/// Largest manifest (Intel's client, `PLATFORM_MANIFEST_SIZE`).
pub(super) const MAX_MANIFEST: usize = 53_000;

/// `pckcert`: by QE ID for nodes, as PCCS and Azure's cache have it; by encrypted PPID, as PCS has it.
pub(super) async fn certificate(
    identity: &HardwareIdentity,
    query: &Query<'_>,
    asker: Asker,
) -> Result<Reply, Refusal> {
    let (certificate, set) = select(identity, query, asker).await?;
    // Azure's client says so, and reads JSON from whatever cache it is pointed to.
    let is_azure = query.get("api-version")?.is_some_and(|version| version == AZURE_API_VERSION);
    Ok(if is_azure { thim::azure_form(&certificate, &set) } else { reply(&certificate, &set) })
}

/// The certificate that a query means, with those of its platform.
pub(super) async fn select(
    identity: &HardwareIdentity,
    query: &Query<'_>,
    asker: Asker,
) -> Result<(PckCertificate, Arc<PckSet>), Refusal> {
    let raw = raw_tcb(query)?;
    let pce_id = query.required_hex::<2>("pceid")?;
    let encrypted_ppid = encrypted_ppid(query)?;
    // A QE ID of zeros names nobody.
    let Some(qe_id) = query.hex::<16>("qeid")?.filter(|qe_id| *qe_id != [0; 16]) else {
        let missing = Refusal::Malformed("`qeid` is missing, and so is `encrypted_ppid`.");
        let asked = anonymous(pce_id, Some(encrypted_ppid.ok_or(missing)?), None, Some(raw));
        let set = identity.platforms.pass_on(&asked, asker).await?;
        return identity.platforms.choose(&set, raw, asker).await.map(|pck| (pck, set));
    };
    let asked =
        Registration { id: PlatformId { qe_id, pce_id }, encrypted_ppid, manifest: None, raw_tcb: Some(raw) };
    let selected = identity.platforms.certificate(&asked, raw, asker).await?;
    Ok((selected.certificate, selected.set))
}

/// `pckcerts`: every certificate of a platform.
pub(super) async fn certificates(
    identity: &HardwareIdentity,
    version: Version,
    query: &Query<'_>,
    asker: Asker,
) -> Result<Reply, Refusal> {
    let pce_id = query.required_hex::<2>("pceid")?;
    let encrypted_ppid = encrypted_ppid(query)?.ok_or(Refusal::Malformed("`encrypted_ppid` is missing."))?;
    let asked = anonymous(pce_id, Some(encrypted_ppid), None, None);
    Ok(listing(&*identity.platforms.pass_on(&asked, asker).await?, version))
}

/// A body with a manifest, as PCS takes it.
#[derive(Deserialize)]
struct WithManifest {
    #[serde(rename = "platformManifest")]
    manifest: String,
    pceid: String,
    cpusvn: Option<String>,
    pcesvn: Option<String>,
}

/// `POST pckcert`: for a platform whose keys Intel does not keep.
pub(super) async fn certificate_for_manifest(
    identity: &HardwareIdentity,
    body: &Bytes,
    asker: Asker,
) -> Result<Reply, Refusal> {
    let (asked, raw) = read_manifest(body)?;
    let raw = raw.ok_or(Refusal::Malformed("`cpusvn` or `pcesvn` is missing."))?;
    let set = identity.platforms.pass_on(&asked, asker).await?;
    identity.platforms.choose(&set, raw, asker).await.map(|pck| reply(&pck, &set))
}

/// `POST pckcerts`.
pub(super) async fn certificates_for_manifest(
    identity: &HardwareIdentity,
    version: Version,
    body: &Bytes,
    asker: Asker,
) -> Result<Reply, Refusal> {
    let (asked, _) = read_manifest(body)?;
    Ok(listing(&*identity.platforms.pass_on(&asked, asker).await?, version))
}

fn read_manifest(body: &Bytes) -> Result<(Registration, Option<RawTcb>), Refusal> {
    let malformed = |_| Refusal::Malformed("The body is not `{\"platformManifest\",\"pceid\",...}`.");
    let body: WithManifest =
        assay_json::from_slice(body, &assay_json::Limits::default()).map_err(malformed)?;
    let digits = |_| Refusal::Malformed("A member of the body is not hexadecimal of the right length.");
    let manifest = hex::decode(&body.manifest).map_err(digits)?;
    if manifest.is_empty() || manifest.len() > MAX_MANIFEST {
        return Err(Refusal::Malformed("The platform manifest is empty or too large."));
    }
    let mut pce_id = [0; 2];
    hex::decode_to_slice(&body.pceid, &mut pce_id).map_err(digits)?;
    let raw = match (&body.cpusvn, &body.pcesvn) {
        (Some(cpu), Some(pce)) => {
            let (mut cpu_svn, mut pce_svn) = ([0; 16], [0; 2]);
            hex::decode_to_slice(cpu, &mut cpu_svn).map_err(digits)?;
            hex::decode_to_slice(pce, &mut pce_svn).map_err(digits)?;
            Some(RawTcb { cpu_svn, pce_svn: u16::from_le_bytes(pce_svn) })
        }
        _ => None,
    };
    Ok((anonymous(pce_id, None, Some(manifest), raw), raw))
}

/// A platform that did not say who it is.
fn anonymous(
    pce_id: [u8; 2],
    encrypted_ppid: Option<Vec<u8>>,
    manifest: Option<Vec<u8>>,
    raw_tcb: Option<RawTcb>,
) -> Registration {
    Registration { id: PlatformId { qe_id: [0; 16], pce_id }, encrypted_ppid, manifest, raw_tcb }
}

/// CPUSVN, and PCESVN in the order of its bytes in memory.
fn raw_tcb(query: &Query<'_>) -> Result<RawTcb, Refusal> {
    let cpu_svn = query.required_hex::<16>("cpusvn")?;
    let pce_svn = u16::from_le_bytes(query.required_hex::<2>("pcesvn")?);
    Ok(RawTcb { cpu_svn, pce_svn })
}

/// Intel's client sends zeros where it has none.
fn encrypted_ppid(query: &Query<'_>) -> Result<Option<Vec<u8>>, Refusal> {
    let Some(text) = query.get("encrypted_ppid")?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let bytes = hex::decode(text).ok().filter(|bytes| bytes.len() == ENCRYPTED_PPID);
    let bytes = bytes.ok_or(Refusal::Malformed("`encrypted_ppid` is not 768 hexadecimal digits."))?;
    Ok(Some(bytes).filter(|bytes| bytes.iter().any(|byte| *byte != 0)))
}

pub(super) fn reply(certificate: &PckCertificate, set: &PckSet) -> Reply {
    with_set(Reply::of(PEM, certificate.pem.to_string()), set).with("SGX-TCBm", &certificate.tcbm())
}

fn with_set(reply: Reply, set: &PckSet) -> Reply {
    reply
        .with("SGX-PCK-Certificate-Issuer-Chain", &percent::encode(&set.chain))
        .with("SGX-FMSPC", &hex::encode_upper(set.fmspc()))
        .with("SGX-PCK-Certificate-CA-Type", ca_name(set.ca()))
}

const fn ca_name(ca: PckCa) -> &'static str {
    ca.as_str()
}

fn listing(set: &PckSet, version: Version) -> Reply {
    let entry = |pck: &PckCertificate| {
        let own = &pck.verified.extension;
        let mut tcb = match version {
            Version::V3 => (1_u8..)
                .zip(own.components)
                .map(|(number, svn)| (format!("sgxtcbcomp{number:02}svn"), json!(svn)))
                .collect(),
            Version::V4 => {
                let components: Vec<Value> = own.components.iter().map(|svn| json!({"svn": svn})).collect();
                serde_json::Map::from_iter([("sgxtcbcomponents".to_owned(), json!(components))])
            }
        };
        tcb.insert("pcesvn".to_owned(), json!(own.pce_svn));
        json!({"tcb": tcb, "tcbm": pck.tcbm(), "cert": percent::encode(&pck.pem)})
    };
    let entries: Vec<Value> = set.certificates().iter().map(entry).collect();
    with_set(Reply::of("application/json", json!(entries).to_string()), set)
}
