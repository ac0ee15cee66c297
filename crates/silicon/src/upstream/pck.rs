//! PCK certificates (Intel, *PCS API*, "Get/Post PCK Certificate" and "Get PCK Certificates").
//!
//! A platform of one package is found by its encrypted PPID. One of several packages is, too, once its manifest went to the
//! registration service; its manifest names it at any time, and if that was not registered before, its keys are not kept:
//! it is then never found by its PPID, and its certificates say so (`CachedKeys`).

use serde::Deserialize;

use super::View;
use super::message::{Query, VendorRequest, hex_bytes};
use super::reply::{Content, Failure, PckEntry, Refusal, Reply, tcbm};
use crate::intel::{EARLY, Known, Name, NotAManifest, Registration, TcbLevel, find, levels, register};

/// Digits of a manifest that Intel takes (*PCS API*, version 4).
const MANIFEST_DIGITS: std::ops::RangeInclusive<usize> = 16_862..=112_884;

pub(super) const INVALID_SYNTAX: Refusal =
    Refusal::coded("InvalidRequestSyntax", "The request could not be understood.");
pub(super) const INVALID_MANIFEST: Refusal =
    Refusal::coded("InvalidPlatformManifest", "The platform manifest could not be authenticated.");
pub(super) const PACKAGE_NOT_FOUND: Refusal =
    Refusal::coded("PackageNotFound", "A package of the platform manifest is not known.");

/// What a request is for: every certificate, or one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The one of the highest TCB level that the machine has.
    One,
    /// All that the platform can have, as it was made.
    All,
    /// All that it can have with this CPUSVN.
    AllOfConfiguration,
}

/// A platform, and the TCB it says it has.
struct Asked {
    known: Known,
    cpu_svn: Option<[u8; 16]>,
    pce_svn: Option<u16>,
}

pub(super) fn reply(view: &View<'_>, request: &VendorRequest) -> Result<Reply, Failure> {
    let wanted = match request.path.as_str() {
        "/sgx/certification/v4/pckcert" => Wanted::One,
        "/sgx/certification/v4/pckcerts" => Wanted::All,
        "/sgx/certification/v4/pckcerts/config" => Wanted::AllOfConfiguration,
        _ => return Err(Refusal::NOT_FOUND.into()),
    };
    authorize(view, request)?;
    let mut asked = match request.method.as_str() {
        "GET" => by_ppid(view, request, wanted)?,
        "POST" => by_manifest(view, request, wanted)?,
        _ => return Err(Refusal::NOT_FOUND.into()),
    };
    if view.circumstances.other_document {
        asked.known = asked.known.other();
    }
    match wanted {
        Wanted::One => one(view, &asked),
        Wanted::All | Wanted::AllOfConfiguration => all(view, &asked),
    }
}

/// The subscription key, if this service wants one.
pub(super) fn authorize(view: &View<'_>, request: &VendorRequest) -> Result<(), Refusal> {
    let given = request.header("Ocp-Apim-Subscription-Key");
    match &view.service.api_key {
        Some(key) if given != Some(key.as_str()) => Err(Refusal::UNAUTHORIZED),
        _ => Ok(()),
    }
}

fn by_ppid(view: &View<'_>, request: &VendorRequest, wanted: Wanted) -> Result<Asked, Failure> {
    if !matches!(request.header("PPID-Encryption-Key"), None | Some("RSA-3072")) {
        return Err(Refusal::BAD_REQUEST.into());
    }
    let query = Query::parse(&request.query);
    let encrypted = query.hex::<384>("encrypted_ppid")?;
    let pce_id = query.hex::<2>("pceid")?;
    let cpu_svn = (wanted != Wanted::All).then(|| query.hex("cpusvn")).transpose()?;
    let pce_svn = (wanted == Wanted::One).then(|| query.hex("pcesvn")).transpose()?;
    let name = Name::of_encrypted_ppid(&encrypted).ok_or(Refusal::NOT_FOUND)?;
    let by_ppid = |known: &Known| {
        let registered = matches!(known.registration, Registration::NotNeeded | Registration::Direct);
        registered && known.spec.pce_id == pce_id
    };
    let known = find(view.dir(), name)?.filter(by_ppid).ok_or(Refusal::NOT_FOUND)?;
    Ok(Asked { known, cpu_svn, pce_svn: pce_svn.map(u16::from_le_bytes) })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    platform_manifest: String,
    cpusvn: Option<String>,
    pcesvn: Option<String>,
    pceid: String,
}

fn by_manifest(view: &View<'_>, request: &VendorRequest, wanted: Wanted) -> Result<Asked, Failure> {
    if request.media_type() != Some("application/json") {
        return Err(Refusal::BAD_REQUEST.into());
    }
    let body: Body = serde_json::from_slice(&request.body).map_err(|_| INVALID_SYNTAX)?;
    if !MANIFEST_DIGITS.contains(&body.platform_manifest.len()) {
        return Err(INVALID_SYNTAX.into());
    }
    let manifest = hex::decode(&body.platform_manifest).map_err(|_| INVALID_SYNTAX)?;
    let pce_id = hex_bytes::<2>(&body.pceid)?;
    let cpu_svn = wanted_member(body.cpusvn.as_deref(), wanted != Wanted::All)?;
    let pce_svn = wanted_member(body.pcesvn.as_deref(), wanted == Wanted::One)?;
    let name = name_of(&manifest)?;
    if find(view.dir(), name)?.ok_or(PACKAGE_NOT_FOUND)?.spec.pce_id != pce_id {
        return Err(Refusal::NOT_FOUND.into());
    }
    let known = register(view.dir(), name, registration_with_request)?.ok_or(PACKAGE_NOT_FOUND)??;
    Ok(Asked { known, cpu_svn, pce_svn: pce_svn.map(u16::from_le_bytes) })
}

/// The platform that a manifest names.
pub(super) fn name_of(manifest: &[u8]) -> Result<Name, Refusal> {
    Name::of_manifest(manifest).map_err(|error| match error {
        NotAManifest::Foreign => INVALID_SYNTAX,
        NotAManifest::Damaged => INVALID_MANIFEST,
    })
}

/// How a platform is registered after its manifest came with a request for certificates.
const fn registration_with_request(before: Registration) -> Result<Registration, Refusal> {
    match before {
        // A platform of one package has no manifest.
        Registration::NotNeeded => Err(INVALID_MANIFEST),
        Registration::Direct => Ok(Registration::Direct),
        Registration::Missing | Registration::Indirect => Ok(Registration::Indirect),
    }
}

/// A member that must be there exactly if it is wanted.
fn wanted_member<const N: usize>(text: Option<&str>, wanted: bool) -> Result<Option<[u8; N]>, Failure> {
    match (text, wanted) {
        (Some(text), true) => hex_bytes(text).map(Some),
        (None, false) => Ok(None),
        _ => Err(INVALID_SYNTAX.into()),
    }
}

/// The certificate of the highest level that the machine's TCB reaches.
fn one(view: &View<'_>, asked: &Asked) -> Result<Reply, Failure> {
    let levels = levels(view.circumstances.number(EARLY));
    let level = levels.iter().find(|level| asked.reaches(level)).ok_or(Refusal::NOT_FOUND)?;
    let certificate = view.intel()?.certify(&asked.known, level, view.circumstances.pck_issue())?;
    let reply = Reply::of(Content::PemCertificates(vec![certificate]))
        .with_header("SGX-TCBm", tcbm(&level.components, level.pce_svn));
    with_issuer(view, reply, &asked.known)
}

/// One entry for each level, highest first.
fn all(view: &View<'_>, asked: &Asked) -> Result<Reply, Failure> {
    let intel = view.intel()?;
    let entry = |level: &TcbLevel| -> Result<PckEntry, Failure> {
        let certify = || intel.certify(&asked.known, level, view.circumstances.pck_issue());
        let certificate = asked.reaches(level).then(certify).transpose()?;
        Ok(PckEntry { components: level.components, pce_svn: level.pce_svn, certificate })
    };
    let levels = levels(view.circumstances.number(EARLY));
    let entries = levels.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    with_issuer(view, Reply::of(Content::PckEntries(entries)), &asked.known)
}

fn with_issuer(view: &View<'_>, reply: Reply, known: &Known) -> Result<Reply, Failure> {
    let ca = known.spec.ca;
    let reply = reply.with_chain("SGX-PCK-Certificate-Issuer-Chain", &view.intel()?.authority_chain(ca));
    let reply = reply.with_header("SGX-PCK-Certificate-CA-Type", ca.name());
    Ok(reply.with_header("SGX-FMSPC", hex::encode_upper(known.spec.fmspc)))
}

impl Asked {
    /// What the machine says counts, also above the TCB that it was made with: its firmware may have been updated since.
    fn reaches(&self, level: &TcbLevel) -> bool {
        let cpu_svn = self.cpu_svn.unwrap_or(self.known.spec.cpu_svn_components);
        let pce_svn = self.pce_svn.unwrap_or(self.known.spec.pce_svn);
        pce_svn >= level.pce_svn && cpu_svn.iter().zip(&level.components).all(|(has, least)| has >= least)
    }
}
