//! PCK certificates as PCCS and PCS serve them.

use std::sync::Arc;

use assay_collateral::pck::{PckCertificate, PckSet, PlatformId, RawTcb};
use assay_verify::intel::{PckCa, is_at_least};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pcs::Version;
use super::platforms::{Registration, Selected};
use super::query::Query;
use super::reply::{Refusal, Reply};
use super::{HardwareIdentity, thim};
use crate::percent;
use crate::upstream::Asker;

const PEM: &str = "application/x-pem-file";
/// The version of Azure's interface in which certificates come as JSON.
const AZURE_API_VERSION: &str = "2021-07-22-preview";
/// On certificates that stand in while no vendor can be asked: other caches must not keep them.
pub(crate) const LEARNED: &str = "x-assay-learned";
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
    let Selected { certificate, set, is_learned } = select(identity, query, asker).await?;
    // Azure's client says so, and reads JSON from whatever cache it is pointed to.
    let is_azure = query.get("api-version")?.is_some_and(|version| version == AZURE_API_VERSION);
    let reply = if is_azure { thim::azure_form(&certificate, &set) } else { reply(&certificate, &set) };
    Ok(if is_learned { reply.with(LEARNED, "true") } else { reply })
}

/// The certificate that a query means, with those of its platform.
pub(super) async fn select(
    identity: &HardwareIdentity,
    query: &Query<'_>,
    asker: Asker,
) -> Result<Selected, Refusal> {
    let raw = raw_tcb(query)?;
    let pce_id = query.required_hex::<2>("pceid")?;
    let encrypted_ppid = encrypted_ppid(query)?;
    // A QE ID of zeros names nobody.
    let Some(qe_id) = query.hex::<16>("qeid")?.filter(|qe_id| *qe_id != [0; 16]) else {
        let missing = Refusal::Malformed("`qeid` is missing, and so is `encrypted_ppid`.");
        let asked = anonymous(pce_id, Some(encrypted_ppid.ok_or(missing)?), None, Some(raw));
        let set = pass_on(identity, &asked, asker).await?;
        let certificate = choose(identity, &set, raw, asker).await?;
        return Ok(Selected { certificate, set, is_learned: false });
    };
    let asked =
        Registration { id: PlatformId { qe_id, pce_id }, encrypted_ppid, manifest: None, raw_tcb: Some(raw) };
    identity.platforms.certificate(&asked, raw, asker).await
}

/// The certificates of a platform that is named as PCS has it.
///
/// # Errors
/// 404 for one that is not known: 461 is PCCS's, and PCS's clients do not know it.
async fn pass_on(
    identity: &HardwareIdentity,
    asked: &Registration,
    asker: Asker,
) -> Result<Arc<PckSet>, Refusal> {
    identity.platforms.pass_on(asked, asker).await.map_err(as_pcs)
}

async fn choose(
    identity: &HardwareIdentity,
    set: &Arc<PckSet>,
    raw: RawTcb,
    asker: Asker,
) -> Result<PckCertificate, Refusal> {
    identity.platforms.choose(set, raw, asker).await.map_err(as_pcs)
}

fn as_pcs(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::PlatformUnknown => Refusal::NotFound("The platform is not known.".to_owned()),
        Refusal::NoCertificate => {
            Refusal::NotFound("The platform has no PCK certificate for this TCB.".to_owned())
        }
        other => other,
    }
}

/// Which of a platform's certificates are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// All.
    All,
    /// Those that it can have with the CPUSVN of the request, whatever its PCESVN.
    OfConfiguration,
}

/// `pckcerts` and `pckcerts/config`: every certificate of a platform, or of one configuration of it.
pub(super) async fn certificates(
    identity: &HardwareIdentity,
    version: Version,
    which: Which,
    query: &Query<'_>,
    asker: Asker,
) -> Result<Reply, Refusal> {
    let pce_id = query.required_hex::<2>("pceid")?;
    let encrypted_ppid = encrypted_ppid(query)?.ok_or(Refusal::Malformed("`encrypted_ppid` is missing."))?;
    let cpu_svn = match which {
        Which::All => None,
        Which::OfConfiguration => Some(query.required_hex::<16>("cpusvn")?),
    };
    let asked = anonymous(pce_id, Some(encrypted_ppid), None, None);
    listing(&*pass_on(identity, &asked, asker).await?, version, cpu_svn)
}

/// A platform that is named by its manifest, and what it says of its TCB.
struct WithManifest {
    asked: Registration,
    cpu_svn: Option<[u8; 16]>,
    /// As it is in memory.
    pce_svn: Option<[u8; 2]>,
}

/// A body with a manifest, as PCS takes it.
#[derive(Deserialize)]
struct ManifestBody {
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
    let WithManifest { asked, cpu_svn, pce_svn } = read_manifest(body)?;
    let missing = || Refusal::Malformed("`cpusvn` or `pcesvn` is missing.");
    let (cpu_svn, pce_svn) = cpu_svn.zip(pce_svn).ok_or_else(missing)?;
    let raw = RawTcb { cpu_svn, pce_svn: u16::from_le_bytes(pce_svn) };
    let set = pass_on(identity, &asked, asker).await?;
    choose(identity, &set, raw, asker).await.map(|pck| reply(&pck, &set))
}

/// `POST pckcerts` and `POST pckcerts/config`.
pub(super) async fn certificates_for_manifest(
    identity: &HardwareIdentity,
    version: Version,
    which: Which,
    body: &Bytes,
    asker: Asker,
) -> Result<Reply, Refusal> {
    let WithManifest { asked, cpu_svn, .. } = read_manifest(body)?;
    let cpu_svn = match (which, cpu_svn) {
        (Which::All, _) => None,
        (Which::OfConfiguration, Some(cpu_svn)) => Some(cpu_svn),
        (Which::OfConfiguration, None) => return Err(Refusal::Malformed("`cpusvn` is missing.")),
    };
    listing(&*pass_on(identity, &asked, asker).await?, version, cpu_svn)
}

fn read_manifest(body: &Bytes) -> Result<WithManifest, Refusal> {
    let malformed = |_| Refusal::Malformed("The body is not `{\"platformManifest\",\"pceid\",...}`.");
    let body: ManifestBody =
        assay_json::from_slice(body, &assay_json::Limits::default()).map_err(malformed)?;
    let digits = |_| Refusal::Malformed("A member of the body is not hexadecimal of the right length.");
    let manifest = hex::decode(&body.manifest).map_err(digits)?;
    if manifest.is_empty() || manifest.len() > MAX_MANIFEST {
        return Err(Refusal::Malformed("The platform manifest is empty or too large."));
    }
    let mut pce_id = [0; 2];
    hex::decode_to_slice(&body.pceid, &mut pce_id).map_err(digits)?;
    let (mut cpu_svn, mut pce_svn) = ([0; 16], [0; 2]);
    let cpu_svn = body.cpusvn.map(|text| hex::decode_to_slice(text, &mut cpu_svn).map(|()| cpu_svn));
    let pce_svn = body.pcesvn.map(|text| hex::decode_to_slice(text, &mut pce_svn).map(|()| pce_svn));
    let (cpu_svn, pce_svn) = (cpu_svn.transpose().map_err(digits)?, pce_svn.transpose().map_err(digits)?);
    let raw_tcb = cpu_svn
        .zip(pce_svn)
        .map(|(cpu_svn, pce_svn)| RawTcb { cpu_svn, pce_svn: u16::from_le_bytes(pce_svn) });
    Ok(WithManifest { asked: anonymous(pce_id, None, Some(manifest), raw_tcb), cpu_svn, pce_svn })
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
    read_encrypted_ppid(query.get("encrypted_ppid")?.unwrap_or_default())
}

/// Of one that is empty or of zeros there is nothing to ask Intel with.
pub(super) fn read_encrypted_ppid(text: &str) -> Result<Option<Vec<u8>>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
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

/// Every certificate, or those that a platform of this CPUSVN can use. For TCB type 0, the only one, the bytes of CPUSVN are
/// the components (Intel, *PCS API*, "Get TCB Info", `tcbType`).
fn listing(set: &PckSet, version: Version, cpu_svn: Option<[u8; 16]>) -> Result<Reply, Refusal> {
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
    let fits = |pck: &&PckCertificate| {
        cpu_svn.is_none_or(|cpu_svn| is_at_least(&cpu_svn, &pck.verified.extension.components))
    };
    let entries: Vec<Value> = set.certificates().iter().filter(fits).map(entry).collect();
    if entries.is_empty() {
        return Err(as_pcs(Refusal::NoCertificate));
    }
    Ok(with_set(Reply::of("application/json", json!(entries).to_string()), set))
}
