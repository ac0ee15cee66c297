//! Which roots are believed besides the vendors'.

use std::path::Path;

use assay_appraisal::SnpTrust;
use assay_evidence::bundle;
use assay_evidence::snp::Product;
use assay_silicon::amd::Amd;
use assay_silicon::intel::Intel;
use assay_silicon::uvm::UvmSigner;
use assay_verify::snp::AmdAuthority;
use assay_verify::uvm::Issuer;
use assay_verify::{AnchorOrigin, TrustAnchors};
use x509_cert::Certificate;
use x509_cert::der::{Decode, DecodePem};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::commands::simulate::silicon_folder;
use crate::failure::Failure;
use crate::input;

/// The vendors' roots, and those that the caller named.
pub(in crate::commands) fn anchors(
    root: Option<&Path>,
    data: Option<&Path>,
) -> Result<TrustAnchors, Failure> {
    let mut anchors = TrustAnchors::vendor();
    if let Some(path) = root {
        anchors = with_named(anchors, &input::read(path)?)
            .map_err(|problem| Failure::new(format!("`{}` {problem}", path.display())))?;
    }
    match data {
        Some(data) => with_simulated(anchors, data),
        None => Ok(anchors),
    }
}

/// Who is believed on images: Microsoft, and the simulated signer of a data folder, if it has one.
pub(in crate::commands) fn snp_trust(data: Option<&Path>) -> Result<SnpTrust, Failure> {
    let mut trust = SnpTrust::default();
    let signer = data.map(|data| UvmSigner::load(&silicon_folder(data))).transpose()?;
    if let Some(signer) = signer.flatten() {
        let (did, feed) = (signer.did(), signer.feed().to_owned());
        // As a service under `--dev` says it.
        let issuer = Issuer {
            did,
            feed,
            minimum_svn: 0,
            status: "simulated-uvm".to_owned(),
            origin: AnchorOrigin::Simulated,
        };
        trust.image_issuers = trust.image_issuers.with(issuer);
        trust.time_stamp_authorities.push(signer.time_stamp_authority());
    }
    Ok(trust)
}

/// Adds the vendors that a folder simulates. To ask for them must not make one, as evidence of it cannot exist.
fn with_simulated(mut anchors: TrustAnchors, data: &Path) -> Result<TrustAnchors, Failure> {
    let silicon = silicon_folder(data);
    let has_intel = silicon.join("intel").join("vendor.json").is_file();
    let amd = Amd::load(&silicon)?;
    if !has_intel && amd.is_none() {
        let failure = Failure::new(format!("`{}` has no simulated hardware", data.display()));
        return Err(failure.help("`assay simulate` and `assay serve --dev` make it"));
    }
    if has_intel {
        let root = Intel::load_or_generate(&silicon, crate::commands::now().0)?.root_public_key();
        anchors = anchors.with_intel_root(root, AnchorOrigin::Simulated);
    }
    for known in amd.iter().flat_map(Amd::authorities) {
        let authority =
            AmdAuthority::from_certificates(&known.intermediate, &known.root, AnchorOrigin::Simulated);
        let authority = authority.map_err(|problem| {
            Failure::new(format!("the simulated AMD of `{}` is broken: {problem}", data.display()))
        })?;
        anchors = anchors.with_amd_authority(authority);
    }
    Ok(anchors)
}

/// Adds what a file of the operator holds: Intel's kind of root, or AMD's authorities with theirs.
fn with_named(anchors: TrustAnchors, bytes: &[u8]) -> Result<TrustAnchors, String> {
    let certificates = bundle::certificates(bytes).unwrap_or_default();
    let named: Vec<(String, &[u8])> =
        certificates.iter().filter_map(|der| Some((common_name(der)?, der.as_slice()))).collect();
    if named.iter().any(|(name, _)| name.starts_with("ARK-") || name.starts_with("SEV-")) {
        return with_amd(anchors, &named)
            .map_err(|problem| format!("holds no authority of AMD's: {problem}"));
    }
    Ok(anchors.with_intel_root(root_key(bytes)?, AnchorOrigin::Operator))
}

/// Every intermediate certificate, with the root of its product. Certificates of endorsement keys may stand in the same file.
fn with_amd(mut anchors: TrustAnchors, named: &[(String, &[u8])]) -> Result<TrustAnchors, &'static str> {
    let mut found = false;
    for (name, intermediate) in named {
        let Some(product) = product(name) else { continue };
        let root = named.iter().find(|(root, _)| root.strip_prefix("ARK-") == Some(product));
        let (_, root) = root.ok_or("the root (`ARK-...`) of an intermediate certificate is missing")?;
        let authority = AmdAuthority::from_certificates(intermediate, root, AnchorOrigin::Operator)?;
        anchors = anchors.with_amd_authority(authority);
        found = true;
    }
    if found { Ok(anchors) } else { Err("the intermediate certificate (`SEV-...`) is missing") }
}

/// The product that an intermediate certificate of this name issues for: `SEV-Milan` VCEKs, `SEV-VLEK-Milan` VLEKs.
fn product(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("SEV-")?;
    let product = rest.strip_prefix("VLEK-").unwrap_or(rest);
    Product::from_name(product).map(|_| product)
}

fn common_name(der: &[u8]) -> Option<String> {
    let certificate = Certificate::from_der(der).ok()?;
    let name = certificate.tbs_certificate().subject().common_name().ok()??;
    Some(name.value().into_owned())
}

/// The P-256 point in a certificate or public key.
fn root_key(bytes: &[u8]) -> Result<[u8; 65], &'static str> {
    let key = key_info(bytes).ok_or("is neither a certificate nor a public key, PEM or DER")?;
    key.subject_public_key
        .raw_bytes()
        .try_into()
        .map_err(|_| "does not hold an uncompressed P-256 public key")
}

fn key_info(bytes: &[u8]) -> Option<SubjectPublicKeyInfoOwned> {
    let of = |certificate: Certificate| certificate.tbs_certificate().subject_public_key_info().clone();
    let der =
        || Certificate::from_der(bytes).map(of).or_else(|_| SubjectPublicKeyInfoOwned::from_der(bytes)).ok();
    let pem =
        || Certificate::from_pem(bytes).map(of).or_else(|_| SubjectPublicKeyInfoOwned::from_pem(bytes)).ok();
    der().or_else(pem)
}
