//! Documents of Intel's one by one, as they are published, cached and handed on.
//!
//! A quote is judged with a whole set ([`super::Collateral`]). Who caches and serves gets one document at a time, in the
//! envelope of Intel's service, `{"tcbInfo":{...},"signature":"..."}` (PCS API, version 4), and must know that it is
//! genuine before anybody else sees it. As in a set, everything is checked here that does not depend on time.

use std::sync::Arc;

use assay_evidence::pem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::chain::{
    COLLATERAL_RULES, CaChain, ChainFailure, PckCa, VerifiedPck, read_pck_chain, verify_ca_once,
    verify_pck_chain, wrong_name,
};
use super::qe_identity::QeIdentity;
use super::tcb_info::{MAX_ID, TcbInfo, date};
use crate::cache::ChainCache;
use crate::crypto::{P256Key, Scheme, SignatureKey, sha256};
use crate::error::{CertificateRole, Document, VerifyError};
use crate::time::{UnixTime, Window};
use crate::trust::{AnchorOrigin, TrustAnchors};
use crate::x509::{Crl, common_name};

/// Largest document: Intel's TCB info has about 20 KiB, and clients take no more than 64 KiB with its chain.
pub const MAX_DOCUMENT_SIZE: usize = 256 * 1024;
/// Evaluation numbers of one document: Intel publishes about three a year and withdraws old ones.
const MAX_NUMBERS: usize = 256;

/// The name in the root's certificate.
const ROOT_NAME: &str = "Intel SGX Root CA";

/// What is wrong with a document; all that can be said.
pub type Refused = Vec<VerifyError>;

/// Which architecture a document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tee {
    /// Software Guard Extensions.
    Sgx,
    /// Trust Domain Extensions.
    Tdx,
}

impl Tee {
    /// `sgx` or `tdx`, as in Intel's paths.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sgx => "sgx",
            Self::Tdx => "tdx",
        }
    }

    const fn id(self) -> &'static str {
        match self {
            Self::Sgx => "SGX",
            Self::Tdx => "TDX",
        }
    }
}

/// An enclave of Intel's with a published identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Enclave {
    /// The quoting enclave of SGX.
    Qe,
    /// The quote verification enclave.
    Qve,
    /// The quote appraisal enclave.
    Qae,
    /// The quoting enclave of TDX.
    TdQe,
}

impl Enclave {
    /// Every enclave.
    pub const ALL: [Self; 4] = [Self::Qe, Self::Qve, Self::Qae, Self::TdQe];

    /// The `id` of its identity.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Qe => "QE",
            Self::Qve => "QVE",
            Self::Qae => "QAE",
            Self::TdQe => "TD_QE",
        }
    }
}

/// The certificates above a document, verified to a pinned root.
#[derive(Clone, Debug)]
pub struct Issuer(Arc<CaChain>);

impl Issuer {
    /// From when until when all certificates of the chain are valid.
    #[must_use]
    pub fn window(&self) -> Window {
        let (own, root) = (self.0.window, self.0.root_window);
        Window { from: own.from.max(root.from), until: own.until.min(root.until) }
    }

    /// Who vouches for the root.
    #[must_use]
    pub fn origin(&self) -> AnchorOrigin {
        self.0.origin
    }
}

/// TCB info by itself.
#[derive(Clone, Debug)]
pub struct VerifiedTcbInfo {
    /// What it is about.
    pub tee: Tee,
    /// Its content.
    pub info: TcbInfo,
    /// Who signed it.
    pub issuer: Issuer,
}

/// The identity of an enclave by itself.
#[derive(Clone, Debug)]
pub struct VerifiedIdentity {
    /// Whose it is.
    pub enclave: Enclave,
    /// Its content.
    pub identity: QeIdentity,
    /// Who signed it.
    pub issuer: Issuer,
}

/// One evaluation of the TCB that Intel still publishes documents for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationNumber {
    /// `tcbEvaluationDataNumber`.
    pub number: u32,
    /// When the recovery event became public that led to it.
    pub recovery_event: UnixTime,
    /// The date that platforms must reach to be up to date under it.
    pub tcb_date: UnixTime,
}

/// Intel's list of evaluation numbers.
#[derive(Clone, Debug)]
pub struct VerifiedNumbers {
    /// What it is about.
    pub tee: Tee,
    /// Its dates.
    pub window: Window,
    /// As the document has them.
    pub numbers: Vec<EvaluationNumber>,
    /// Who signed it.
    pub issuer: Issuer,
}

/// Who issues a revocation list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CrlIssuer {
    /// Intel's root.
    Root,
    /// The authority of PCK certificates.
    Pck(PckCa),
}

/// A revocation list by itself.
#[derive(Clone, Debug)]
pub struct VerifiedCrl {
    /// Who issued it.
    pub of: CrlIssuer,
    /// Its dates.
    pub window: Window,
    /// SHA-256 of the list.
    pub digest: [u8; 32],
    /// Serial numbers, sorted.
    revoked: Vec<Vec<u8>>,
    /// The key of the issuer.
    issuer_key: [u8; 65],
    origin: AnchorOrigin,
}

impl VerifiedCrl {
    /// Who vouches for the root above it.
    #[must_use]
    pub const fn origin(&self) -> AnchorOrigin {
        self.origin
    }

    /// Whether the root withdrew the signer of a document.
    #[must_use]
    pub fn revokes(&self, issuer: &Issuer) -> bool {
        self.of == CrlIssuer::Root && self.issuer_key == issuer.0.root_key && self.lists(&issuer.0.serial)
    }

    /// Whether a platform's certificate, or the authority above it, is withdrawn by this list.
    #[must_use]
    pub fn revokes_pck(&self, pck: &VerifiedPck) -> bool {
        match self.of {
            CrlIssuer::Root => self.issuer_key == pck.ca.root_key && self.lists(&pck.ca.serial),
            CrlIssuer::Pck(_) => self.issuer_key == pck.ca.public_key && self.lists(&pck.serial),
        }
    }

    pub(super) fn is_signed_by(&self, key: &[u8; 65]) -> bool {
        self.issuer_key == *key
    }

    /// How many certificates it names.
    #[must_use]
    pub fn count(&self) -> usize {
        self.revoked.len()
    }

    /// Whether everything that the other list names stands in this one.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.revoked.iter().all(|serial| self.lists(serial))
    }

    fn new(der: &[u8], crl: &Crl<'_>, of: CrlIssuer, issuer_key: &[u8; 65], origin: AnchorOrigin) -> Self {
        Self {
            of,
            window: crl.validity,
            digest: sha256(&[der]),
            revoked: crl.revoked.iter().map(|serial| serial.to_vec()).collect(),
            issuer_key: *issuer_key,
            origin,
        }
    }

    fn lists(&self, serial: &[u8]) -> bool {
        self.revoked.binary_search_by(|revoked| revoked.as_slice().cmp(serial)).is_ok()
    }
}

/// What stood in an envelope, signed as it should be.
struct Opened<'a> {
    text: &'a str,
    issuer: Issuer,
}

/// Verifies the answer of `tcb`: TCB info of version 3, or of version 2 for SGX.
///
/// # Errors
/// Every rule that it breaks.
pub fn verify_tcb_info(
    body: &[u8],
    chain: &str,
    anchors: &TrustAnchors,
    cache: &ChainCache,
) -> Result<VerifiedTcbInfo, Refused> {
    let document = Document::TcbInfo;
    let Opened { text, issuer } = open(body, "tcbInfo", document, chain, anchors, cache)?;
    let info = TcbInfo::parse(text.as_bytes())
        .map_err(|problem| vec![VerifyError::CollateralMalformed { document, problem }])?;
    let tee = match (info.version, info.id.as_deref()) {
        (2, None) | (3, Some("SGX")) => Tee::Sgx,
        (3, Some("TDX")) => Tee::Tdx,
        (2 | 3, id) => return Err(vec![kind(document, id.unwrap_or("nothing"), "SGX or TDX")]),
        (found, _) => return Err(vec![VerifyError::CollateralVersion { document, found }]),
    };
    Ok(VerifiedTcbInfo { tee, info, issuer })
}

/// Verifies the answer of `qe/identity`, `qve/identity` or `qae/identity`.
///
/// # Errors
/// Every rule that it breaks.
pub fn verify_identity(
    body: &[u8],
    chain: &str,
    anchors: &TrustAnchors,
    cache: &ChainCache,
) -> Result<VerifiedIdentity, Refused> {
    let document = Document::QeIdentity;
    let Opened { text, issuer } = open(body, "enclaveIdentity", document, chain, anchors, cache)?;
    let identity = QeIdentity::parse(text.as_bytes())
        .map_err(|problem| vec![VerifyError::CollateralMalformed { document, problem }])?;
    let named = Enclave::ALL.into_iter().find(|enclave| enclave.id() == identity.id);
    let enclave = named.ok_or_else(|| vec![kind(document, &identity.id, "QE, QVE, QAE or TD_QE")])?;
    if identity.version != 2 {
        return Err(vec![VerifyError::CollateralVersion { document, found: identity.version }]);
    }
    Ok(VerifiedIdentity { enclave, identity, issuer })
}

/// Verifies the answer of `tcbevaluationdatanumbers`.
///
/// # Errors
/// Every rule that it breaks.
pub fn verify_evaluation_numbers(
    body: &[u8],
    chain: &str,
    anchors: &TrustAnchors,
    cache: &ChainCache,
) -> Result<VerifiedNumbers, Refused> {
    let document = Document::EvaluationNumbers;
    let Opened { text, issuer } = open(body, "tcbEvaluationDataNumbers", document, chain, anchors, cache)?;
    let malformed = |problem| vec![VerifyError::CollateralMalformed { document, problem }];
    let raw: RawNumbers = assay_json::from_slice(text.as_bytes(), &assay_json::Limits::default())
        .map_err(|error| malformed(error.to_string()))?;
    if raw.version != 1 {
        return Err(vec![VerifyError::CollateralVersion { document, found: raw.version }]);
    }
    let tee = [Tee::Sgx, Tee::Tdx].into_iter().find(|tee| tee.id() == raw.id);
    let tee = tee.ok_or_else(|| vec![kind(document, &raw.id, "SGX or TDX")])?;
    if raw.numbers.len() > MAX_NUMBERS {
        return Err(malformed("it has too many numbers".to_owned()));
    }
    let read = || -> Result<_, String> {
        let window = Window { from: date(&raw.issue_date)?, until: date(&raw.next_update)? };
        let numbers = raw.numbers.iter().map(RawNumber::read).collect::<Result<Vec<_>, String>>()?;
        Ok((window, numbers))
    };
    let (window, numbers) = read().map_err(malformed)?;
    Ok(VerifiedNumbers { tee, window, numbers, issuer })
}

/// Verifies the list of a PCK authority, DER, with the chain that came with it.
///
/// # Errors
/// Every rule that it breaks.
pub fn verify_pck_crl(
    der: &[u8],
    chain: &str,
    anchors: &TrustAnchors,
    cache: &ChainCache,
) -> Result<(VerifiedCrl, Issuer), Refused> {
    let document = Document::PckCrl;
    let issuer = verify_chain(CertificateRole::PckCa, "PCK CRL issuer chain", chain, anchors, cache)?;
    let name = &issuer.0.common_name;
    let ca = PckCa::from_common_name(name).ok_or_else(|| vec![wrong_name(CertificateRole::PckCa, name)])?;
    let crl = read_crl(der, document)?;
    if crl.issuer != issuer.0.subject {
        return Err(vec![VerifyError::CrlIssuer { document }]);
    }
    let key = &issuer.0.public_key;
    if !is_signed(&crl, key) {
        return Err(vec![VerifyError::CollateralSignature { document }]);
    }
    Ok((VerifiedCrl::new(der, &crl, CrlIssuer::Pck(ca), key, issuer.origin()), issuer))
}

/// Verifies the list of Intel's root, DER. It comes without certificates, and needs none: the root's key is pinned.
///
/// # Errors
/// Every rule that it breaks.
pub fn verify_root_crl(der: &[u8], anchors: &TrustAnchors) -> Result<VerifiedCrl, Refused> {
    let document = Document::RootCrl;
    let crl = read_crl(der, document)?;
    if common_name(crl.issuer) != Some(ROOT_NAME) {
        return Err(vec![VerifyError::CrlIssuer { document }]);
    }
    let signed = |(key, _): &&([u8; 65], AnchorOrigin)| is_signed(&crl, key);
    let (key, origin) = anchors
        .intel_roots()
        .iter()
        .find(signed)
        .ok_or_else(|| vec![VerifyError::CollateralSignature { document }])?;
    Ok(VerifiedCrl::new(der, &crl, CrlIssuer::Root, key, *origin))
}

/// Verifies a platform's certificate with the chain above it.
///
/// # Errors
/// Every rule that it breaks.
pub fn verify_pck(
    certificate: &str,
    chain: &str,
    anchors: &TrustAnchors,
    cache: &ChainCache,
) -> Result<VerifiedPck, Refused> {
    let whole = format!("{}\n{chain}", certificate.trim_end());
    let chain = read_pck_chain(whole.as_bytes()).map_err(errors)?;
    verify_pck_chain(&chain, anchors, cache).map_err(errors)
}

/// Verifies the chain of a TCB signer or a PCK authority alone.
///
/// # Errors
/// Every rule that it breaks.
pub fn verify_issuer(
    role: CertificateRole,
    chain: &str,
    anchors: &TrustAnchors,
    cache: &ChainCache,
) -> Result<Issuer, Refused> {
    verify_chain(role, "issuer chain", chain, anchors, cache)
}

fn open<'a>(
    body: &'a [u8],
    member: &'static str,
    document: Document,
    chain: &str,
    anchors: &TrustAnchors,
    cache: &ChainCache,
) -> Result<Opened<'a>, Refused> {
    let issuer = verify_chain(CertificateRole::TcbSigner, "issuer chain", chain, anchors, cache)?;
    let malformed = |problem: String| vec![VerifyError::CollateralMalformed { document, problem }];
    let (text, signature) = envelope(body, member).map_err(malformed)?;
    let key = P256Key::new(&issuer.0.public_key);
    if !key.is_some_and(|key| key.verify(text.as_bytes(), &signature)) {
        return Err(vec![VerifyError::CollateralSignature { document }]);
    }
    Ok(Opened { text, issuer })
}

/// Takes an envelope apart, unverified: the exact signed bytes, and `r || s`. One with anything else in it is none.
///
/// # Errors
/// A sentence about what is wrong.
pub fn envelope<'a>(body: &'a [u8], member: &'static str) -> Result<(&'a str, [u8; 64]), String> {
    assay_json::check(body, &assay_json::Limits::bytes(MAX_DOCUMENT_SIZE))
        .map_err(|error| error.to_string())?;
    let members: std::collections::BTreeMap<&str, &'a RawValue> =
        serde_json::from_slice(body).map_err(|_| "it is not an object".to_owned())?;
    let text = members.get(member).ok_or_else(|| format!("it has no member `{member}`"))?;
    let signature = members.get("signature").ok_or("it has no member `signature`")?;
    if members.len() != 2 {
        return Err(format!("it has members beside `{member}` and `signature`"));
    }
    let mut bytes = [0; 64];
    let digits: &str = serde_json::from_str(signature.get()).map_err(|_| "`signature` is not a text")?;
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| "`signature` is not 64 bytes of hexadecimal")?;
    Ok((text.get(), bytes))
}

fn verify_chain(
    role: CertificateRole,
    chain: &'static str,
    text: &str,
    anchors: &TrustAnchors,
    cache: &ChainCache,
) -> Result<Issuer, Refused> {
    let ders = pem::certificates(text.as_bytes())
        .map_err(|problem| vec![VerifyError::ChainMalformed { chain, problem }])?;
    let [certificate, root] = ders.as_slice() else {
        return Err(vec![VerifyError::ChainLength { chain, found: ders.len(), expected: 2 }]);
    };
    verify_ca_once(role, certificate, root, anchors, COLLATERAL_RULES, cache).map(Issuer).map_err(errors)
}

fn read_crl(der: &[u8], document: Document) -> Result<Crl<'_>, Refused> {
    let malformed =
        |problem: &str| vec![VerifyError::CollateralMalformed { document, problem: problem.to_owned() }];
    Crl::parse(der).map_err(malformed)
}

fn is_signed(crl: &Crl<'_>, key: &[u8; 65]) -> bool {
    SignatureKey::new(Scheme::EcdsaP256Sha256, key).is_some_and(|key| crl.is_signed_by(&key))
}

fn errors(failures: Vec<ChainFailure>) -> Refused {
    failures.into_iter().map(|(_, error)| error).collect()
}

fn kind(document: Document, found: &str, expected: &'static str) -> VerifyError {
    VerifyError::CollateralKind { document, found: found.chars().take(MAX_ID).collect(), expected }
}

/// As `tcbevaluationdatanumbers` of the PCS API has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawNumbers {
    id: String,
    version: u32,
    issue_date: String,
    next_update: String,
    #[serde(rename = "tcbEvalNumbers")]
    numbers: Vec<RawNumber>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawNumber {
    tcb_evaluation_data_number: u32,
    tcb_recovery_event_date: String,
    tcb_date: String,
}

impl RawNumber {
    fn read(&self) -> Result<EvaluationNumber, String> {
        Ok(EvaluationNumber {
            number: self.tcb_evaluation_data_number,
            recovery_event: date(&self.tcb_recovery_event_date)?,
            tcb_date: date(&self.tcb_date)?,
        })
    }
}
