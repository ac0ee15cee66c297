//! Which roots are believed besides the vendors'.

use std::path::Path;

use assay_silicon::intel::Intel;
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
        let key = root_key(&input::read(path)?);
        let key = key.map_err(|problem| Failure::new(format!("`{}` {problem}", path.display())))?;
        anchors = anchors.with_intel_root(key, AnchorOrigin::Operator);
    }
    if let Some(data) = data {
        anchors = anchors.with_intel_root(simulated_root(data)?, AnchorOrigin::Simulated);
    }
    Ok(anchors)
}

/// The root of a folder's simulated vendor. To ask for it must not make a vendor, as evidence of it cannot exist.
fn simulated_root(data: &Path) -> Result<[u8; 65], Failure> {
    let folder = silicon_folder(data);
    if !folder.join("intel").join("vendor.json").is_file() {
        let failure = Failure::new(format!("`{}` has no simulated hardware", data.display()));
        return Err(failure.help("`assay simulate` and `assay serve --dev` make it"));
    }
    Ok(Intel::load_or_generate(&folder, crate::commands::now().0)?.root_public_key())
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
