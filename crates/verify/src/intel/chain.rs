//! The chains that end at Intel's root: PCK -> CA -> root, and signer -> root.
//!
//! The shape is fixed, so there is no path building: exactly these certificates in exactly this order. Everything here is
//! independent of time, so that a success can be cached; dates and revocation are checked at each use.

use std::sync::Arc;

use der::asn1::ObjectIdentifier;

use super::pck::{PckExtension, SGX_EXTENSION};
use super::rule;
use crate::cache::ChainCache;
use crate::crypto::{P256Key, Scheme, SignatureKey, sha256};
use crate::error::{CertificateRole, VerifyError};
use crate::report::CheckDef;
use crate::time::Window;
use crate::trust::{AnchorOrigin, TrustAnchors};
use crate::x509::{CRL_SIGN, DIGITAL_SIGNATURE, KEY_CERT_SIGN, P256Certificate};
use assay_evidence::pem;

/// A rule that a chain breaks. Several can be broken at once, and all are reported.
pub(crate) type ChainFailure = (&'static CheckDef, VerifyError);

/// Longest name quoted in an error.
const MAX_NAME: usize = 64;

/// Which of Intel's two CAs issued a PCK certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PckCa {
    /// `Intel SGX PCK Processor CA`: client and single-package platforms.
    Processor,
    /// `Intel SGX PCK Platform CA`: multi-package platforms.
    Platform,
}

impl PckCa {
    /// The name used in Intel's API (`ca=processor`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Platform => "platform",
        }
    }

    pub(super) fn from_common_name(name: &str) -> Option<Self> {
        match name {
            "Intel SGX PCK Processor CA" => Some(Self::Processor),
            "Intel SGX PCK Platform CA" => Some(Self::Platform),
            _ => None,
        }
    }
}

/// A certificate directly under the root, with the root: verified but for time and revocation.
#[derive(Debug)]
pub(crate) struct CaChain {
    pub(crate) subject: Vec<u8>,
    pub(crate) common_name: String,
    pub(crate) public_key: [u8; 65],
    pub(crate) serial: Vec<u8>,
    pub(crate) window: Window,
    pub(crate) root_window: Window,
    pub(crate) origin: AnchorOrigin,
    /// Content of the root's name: the issuer of the root CRL.
    pub(crate) root_subject: Vec<u8>,
    pub(crate) root_key: [u8; 65],
    /// Names the set of anchors that it was verified against.
    pub(crate) anchors: [u8; 32],
}

/// A PCK certificate whose chain was verified but for time and revocation, which are checked at each use.
#[derive(Debug)]
pub struct VerifiedPck {
    pub(crate) key: P256Key,
    pub(crate) serial: Vec<u8>,
    pub(crate) window: Window,
    pub(crate) ca: Arc<CaChain>,
    /// Which CA issued it.
    pub ca_kind: PckCa,
    /// What it says of the platform.
    pub extension: PckExtension,
}

impl VerifiedPck {
    /// From when to when the certificate is valid; its authority's and the root's times are not in it.
    #[must_use]
    pub const fn window(&self) -> Window {
        self.window
    }
}

/// Verifies a PCK certificate with its chain, PEM, leaf first, but for dates and revocation.
///
/// # Errors
/// Every rule that the chain breaks.
pub fn verify_pck(pem: &[u8], anchors: &TrustAnchors) -> Result<VerifiedPck, Vec<VerifyError>> {
    let verified =
        read_pck_chain(pem).and_then(|chain| verify_pck_chain(&chain, anchors, &ChainCache::new(0)));
    verified.map_err(|failures| failures.into_iter().map(|(_, error)| error).collect())
}

/// The three certificates of a PCK chain, DER.
pub(crate) struct PckChain {
    pub(crate) leaf: Vec<u8>,
    pub(crate) ca: Vec<u8>,
    pub(crate) root: Vec<u8>,
}

/// Takes a PEM chain apart, leaf first.
pub(crate) fn read_pck_chain(pem: &[u8]) -> Result<PckChain, Vec<ChainFailure>> {
    let name = "PCK certificate chain";
    let ders = pem::certificates(pem)
        .map_err(|problem| vec![(&rule::PCK_CHAIN, VerifyError::ChainMalformed { chain: name, problem })])?;
    <[Vec<u8>; 3]>::try_from(ders).map(|[leaf, ca, root]| PckChain { leaf, ca, root }).map_err(|ders| {
        vec![(&rule::PCK_CHAIN, VerifyError::ChainLength { chain: name, found: ders.len(), expected: 3 })]
    })
}

/// Verifies a PCK chain; what is above the leaf may have been verified earlier.
pub(crate) fn verify_pck_chain(
    chain: &PckChain,
    anchors: &TrustAnchors,
    cache: &ChainCache,
) -> Result<VerifiedPck, Vec<ChainFailure>> {
    let mut failures = Vec::new();
    let leaf = read(CertificateRole::Pck, &chain.leaf, &rule::PCK_CHAIN, &mut failures);
    let ca = verify_ca_once(CertificateRole::PckCa, &chain.ca, &chain.root, anchors, PCK_RULES, cache);
    let (leaf, ca) = match (leaf, ca) {
        (Some(leaf), Ok(ca)) => (leaf, ca),
        (leaf, Err(mut of_ca)) => {
            failures.append(&mut of_ca);
            // The leaf's own rules hold or break whatever is above it.
            failures.extend(leaf.iter().flat_map(check_pck_alone));
            return Err(failures);
        }
        (None, Ok(_)) => return Err(failures),
    };
    failures.extend(check_pck_alone(&leaf));
    failures.extend(check_issued_by(
        CertificateRole::Pck,
        &leaf,
        &ca.subject,
        &ca.public_key,
        &rule::PCK_SIGNATURES,
    ));
    assemble(leaf, ca, failures)
}

fn assemble(
    leaf: P256Certificate<'_>,
    ca: Arc<CaChain>,
    mut failures: Vec<ChainFailure>,
) -> Result<VerifiedPck, Vec<ChainFailure>> {
    let ca_kind = PckCa::from_common_name(&ca.common_name);
    if ca_kind.is_none() {
        failures.push((&rule::PCK_ROLES, wrong_name(CertificateRole::PckCa, &ca.common_name)));
    }
    let extension = PckExtension::of(&leaf).map_err(|problem| VerifyError::PckExtension { problem });
    let key = P256Key::new(&leaf.public_key).ok_or(VerifyError::CertificateMalformed {
        role: CertificateRole::Pck,
        problem: "its public key is not a point on P-256",
    });
    match (ca_kind, extension, key, failures.is_empty()) {
        (Some(ca_kind), Ok(extension), Ok(key), true) => Ok(VerifiedPck {
            key,
            serial: leaf.serial.to_vec(),
            window: leaf.validity,
            ca,
            ca_kind,
            extension,
        }),
        (_, extension, key, _) => {
            failures.extend(extension.err().map(|error| (&rule::PCK_EXTENSION, error)));
            failures.extend(key.err().map(|error| (&rule::PCK_CHAIN, error)));
            Err(failures)
        }
    }
}

/// Under which rules failures of a certificate below the root are reported.
#[derive(Clone, Copy)]
pub(crate) struct ChainRules {
    readable: &'static CheckDef,
    root: &'static CheckDef,
    signatures: &'static CheckDef,
    roles: &'static CheckDef,
}

const PCK_RULES: ChainRules = ChainRules {
    readable: &rule::PCK_CHAIN,
    root: &rule::PCK_ROOT,
    signatures: &rule::PCK_SIGNATURES,
    roles: &rule::PCK_ROLES,
};

/// The rules for the chains that come with collateral.
pub(crate) const COLLATERAL_RULES: ChainRules = ChainRules {
    readable: &rule::COLLATERAL_CHAINS,
    root: &rule::COLLATERAL_CHAINS,
    signatures: &rule::COLLATERAL_CHAINS,
    roles: &rule::COLLATERAL_CHAINS,
};

/// Verifies a certificate that the root issued directly, unless that was done before for the same bytes, anchors and role.
pub(crate) fn verify_ca_once(
    role: CertificateRole,
    certificate: &[u8],
    root: &[u8],
    anchors: &TrustAnchors,
    rules: ChainRules,
    cache: &ChainCache,
) -> Result<Arc<CaChain>, Vec<ChainFailure>> {
    let purpose = role.to_string();
    let key =
        sha256(&[b"intel-ca", purpose.as_bytes(), anchors.id(), &sha256(&[certificate]), &sha256(&[root])]);
    if let Some(known) = cache.ca(&key) {
        return Ok(known);
    }
    let verified = verify_ca(role, certificate, root, anchors, rules)?;
    cache.keep_ca(key, Arc::clone(&verified));
    Ok(verified)
}

/// Verifies a certificate that the root issued directly, together with the root.
fn verify_ca(
    role: CertificateRole,
    certificate: &[u8],
    root: &[u8],
    anchors: &TrustAnchors,
    rules: ChainRules,
) -> Result<Arc<CaChain>, Vec<ChainFailure>> {
    let mut failures = Vec::new();
    let known_root = anchors.has_intel_certificate(root);
    let root = read(CertificateRole::Root, root, rules.readable, &mut failures);
    let certificate = read(role, certificate, rules.readable, &mut failures);
    let (Some(root), Some(certificate)) = (root, certificate) else { return Err(failures) };
    // Rule: the root is pinned by its key, not by its name or bytes.
    let origin = anchors.intel_origin(&root.public_key);
    if origin.is_none() {
        failures.push((rules.root, VerifyError::UntrustedRoot { role }));
    }
    // The root's own signature makes its dates and constraints the root's words; a certificate that is pinned byte for
    // byte needs no signature for that.
    let root_role = CertificateRole::Root;
    if !known_root {
        failures.extend(check_issued_by(root_role, &root, root.subject, &root.public_key, rules.signatures));
    }
    failures.extend(check_ca(root_role, &root, rules.roles));
    failures.extend(check_issued_by(role, &certificate, root.subject, &root.public_key, rules.signatures));
    failures.extend(match role {
        CertificateRole::TcbSigner => check_signer(&certificate, rules.roles),
        _ => check_ca(role, &certificate, rules.roles),
    });
    let Some(origin) = origin.filter(|_| failures.is_empty()) else { return Err(failures) };
    Ok(Arc::new(CaChain {
        subject: certificate.subject.to_vec(),
        common_name: certificate.common_name().unwrap_or_default().to_owned(),
        public_key: certificate.public_key,
        serial: certificate.serial.to_vec(),
        window: certificate.validity,
        root_window: root.validity,
        origin,
        root_subject: root.subject.to_vec(),
        root_key: root.public_key,
        anchors: *anchors.id(),
    }))
}

fn read<'a>(
    role: CertificateRole,
    der: &'a [u8],
    rule: &'static CheckDef,
    failures: &mut Vec<ChainFailure>,
) -> Option<P256Certificate<'a>> {
    P256Certificate::parse(der)
        .map_err(|problem| failures.push((rule, VerifyError::CertificateMalformed { role, problem })))
        .ok()
}

fn check_issued_by(
    role: CertificateRole,
    certificate: &P256Certificate<'_>,
    issuer_name: &[u8],
    issuer_key: &[u8; 65],
    rule: &'static CheckDef,
) -> Vec<ChainFailure> {
    let mut failures = Vec::new();
    if certificate.issuer != issuer_name {
        failures.push((rule, VerifyError::IssuerMismatch { role }));
    }
    if !SignatureKey::new(Scheme::EcdsaP256Sha256, issuer_key)
        .is_some_and(|key| certificate.is_signed_by(&key))
    {
        failures.push((rule, VerifyError::CertificateSignature { role }));
    }
    failures
}

/// A CA may sign certificates and revocation lists.
fn check_ca(
    role: CertificateRole,
    certificate: &P256Certificate<'_>,
    rule: &'static CheckDef,
) -> Vec<ChainFailure> {
    let mut failures = check_extensions(role, certificate, &[], rule);
    let mut constraint =
        |problem| failures.push((rule, VerifyError::CertificateConstraints { role, problem }));
    match certificate.basic_constraints() {
        Ok(constraints) if !constraints.ca => constraint("it is not a CA"),
        Ok(constraints) if role == CertificateRole::Root && constraints.path_length == Some(0) => {
            constraint("it allows no CA below it");
        }
        Ok(_) => {}
        Err(problem) => constraint(problem),
    }
    if certificate.key_usage(KEY_CERT_SIGN) != Some(true) {
        constraint("its key may not sign certificates");
    }
    if certificate.key_usage(CRL_SIGN) != Some(true) {
        constraint("its key may not sign revocation lists");
    }
    failures
}

/// The TCB signer signs documents and nothing else.
fn check_signer(certificate: &P256Certificate<'_>, rule: &'static CheckDef) -> Vec<ChainFailure> {
    let role = CertificateRole::TcbSigner;
    let mut failures = check_end_entity(role, certificate, &[], rule);
    let name = certificate.common_name().unwrap_or_default();
    if name != "Intel SGX TCB Signing" {
        failures.push((rule, wrong_name(role, name)));
    }
    failures
}

/// What must hold of a PCK certificate whoever issued it.
fn check_pck_alone(certificate: &P256Certificate<'_>) -> Vec<ChainFailure> {
    let role = CertificateRole::Pck;
    let mut failures = check_end_entity(role, certificate, &[SGX_EXTENSION], &rule::PCK_ROLES);
    // Intel writes exactly this name; early certificates add words after it.
    let name = certificate.common_name().unwrap_or_default();
    if !name.contains("Intel SGX PCK Certificate") {
        failures.push((&rule::PCK_ROLES, wrong_name(role, name)));
    }
    failures
}

fn check_end_entity(
    role: CertificateRole,
    certificate: &P256Certificate<'_>,
    known: &[ObjectIdentifier],
    rule: &'static CheckDef,
) -> Vec<ChainFailure> {
    let mut failures = check_extensions(role, certificate, known, rule);
    let mut constraint =
        |problem| failures.push((rule, VerifyError::CertificateConstraints { role, problem }));
    match certificate.basic_constraints() {
        Ok(constraints) if constraints.ca => constraint("it is a CA"),
        Ok(_) => {}
        Err(problem) => constraint(problem),
    }
    if certificate.key_usage(DIGITAL_SIGNATURE) != Some(true) {
        constraint("its key may not sign documents");
    }
    failures
}

fn check_extensions(
    role: CertificateRole,
    certificate: &P256Certificate<'_>,
    known: &[ObjectIdentifier],
    rule: &'static CheckDef,
) -> Vec<ChainFailure> {
    let unknown = certificate.unknown_critical_extension(known);
    unknown
        .map(|oid| (rule, VerifyError::UnknownCriticalExtension { role, oid: oid.to_string() }))
        .into_iter()
        .collect()
}

pub(super) fn wrong_name(role: CertificateRole, name: &str) -> VerifyError {
    VerifyError::CertificateName {
        role,
        found: name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect(),
    }
}
