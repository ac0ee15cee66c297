//! A collateral set: everything a quote is judged with, verified once and then held by its digest.
//!
//! Whatever does not depend on time is checked here: chains to the pinned root, signatures over the exact bytes, document
//! kinds, and the revocation of the signers by the set's own root CRL. Dates are checked at each use.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::PlatformKey;
use super::chain::{COLLATERAL_RULES, CaChain, ChainFailure, PckCa, verify_ca_once, wrong_name};
use super::qe_identity::QeIdentity;
use super::rule;
use super::single::{CrlIssuer, VerifiedCrl};
use super::tcb_info::TcbInfo;
use crate::cache::ChainCache;
use crate::crypto::{P256Key, Scheme, SignatureKey, sha256};
use crate::error::{CertificateRole, Document, VerifyError};
use crate::report::{Check, CheckDef, Outcome, Report};
use crate::time::{UnixTime, Window};
use crate::trust::{AnchorOrigin, TrustAnchors};
use crate::x509::Crl;
use assay_evidence::pem;

/// Largest collateral set accepted. Real sets have 15 to 25 KiB.
pub const MAX_COLLATERAL_SIZE: usize = 1024 * 1024;

/// A collateral set as it is carried, with the field names of Intel's quote collateral version 3.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct RawCollateral {
    /// PEM: PCK CA, root.
    pub pck_crl_issuer_chain: String,
    /// Hexadecimal of DER.
    pub root_ca_crl: String,
    /// Hexadecimal of DER.
    pub pck_crl: String,
    /// PEM: TCB signer, root.
    pub tcb_info_issuer_chain: String,
    /// The exact signed JSON.
    pub tcb_info: String,
    /// Hexadecimal of `r || s`.
    pub tcb_info_signature: String,
    /// PEM: TCB signer, root.
    pub qe_identity_issuer_chain: String,
    /// The exact signed JSON.
    pub qe_identity: String,
    /// Hexadecimal of `r || s`.
    pub qe_identity_signature: String,
}

impl RawCollateral {
    /// Reads the JSON form.
    ///
    /// # Errors
    /// What is wrong with the JSON.
    pub fn from_json(text: &[u8]) -> Result<Self, assay_json::JsonError> {
        assay_json::from_slice(text, &assay_json::Limits::bytes(MAX_COLLATERAL_SIZE))
    }

    /// Names this set: SHA-256 over every document, signature and chain, each with its length in front.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let fields = [
            &self.pck_crl_issuer_chain,
            &self.root_ca_crl,
            &self.pck_crl,
            &self.tcb_info_issuer_chain,
            &self.tcb_info,
            &self.tcb_info_signature,
            &self.qe_identity_issuer_chain,
            &self.qe_identity,
            &self.qe_identity_signature,
        ];
        let lengths = fields.map(|field| u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        let parts: Vec<&[u8]> =
            lengths.iter().zip(fields).flat_map(|(length, field)| [&length[..], field.as_bytes()]).collect();
        sha256(&parts)
    }
}

/// A verified collateral set. Dates still have to be checked at each use.
#[derive(Debug)]
pub struct Collateral {
    /// Names the set.
    pub digest: [u8; 32],
    /// The platform's TCB levels.
    pub tcb_info: TcbInfo,
    /// The quoting enclave's identity and levels.
    pub qe_identity: QeIdentity,
    /// Digests for the `x-ms-sgx-collateral` claim.
    pub hashes: CollateralHashes,
    /// What the root revoked: serials, sorted.
    pub(crate) root_revoked: Vec<Vec<u8>>,
    /// What the PCK CA revoked: serials, sorted.
    pub(crate) pck_revoked: Vec<Vec<u8>>,
    pub(crate) pck_crl_ca: Arc<CaChain>,
    ca_kind: PckCa,
    windows: Vec<(Dated, Window)>,
    origin: AnchorOrigin,
}

/// SHA-256 digests of the documents, as the token shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollateralHashes {
    /// The TCB info issuer chain: PEM with 64 columns, and a NUL. Reproduces the recorded values of Azure Attestation.
    pub tcb_info_certificates: [u8; 32],
    /// The root CA CRL, DER.
    pub root_crl: [u8; 32],
    /// The signed TCB info.
    pub tcb_info: [u8; 32],
    /// The QE identity issuer chain, like `tcb_info_certificates`.
    pub qe_identity_certificates: [u8; 32],
    /// The signed QE identity.
    pub qe_identity: [u8; 32],
}

/// What has a window of validity in a set.
#[derive(Clone, Copy, Debug)]
enum Dated {
    Document(Document),
    Certificate(CertificateRole),
}

/// What came of verifying a set.
#[derive(Debug)]
pub struct CollateralVerification {
    /// The checks, in order.
    pub checks: Vec<Check>,
    /// The set, if every check passed.
    pub collateral: Option<Collateral>,
}

impl Collateral {
    /// Verifies a set against the pinned roots, for any time.
    #[must_use]
    pub fn verify(raw: &RawCollateral, anchors: &TrustAnchors) -> CollateralVerification {
        // Large enough that a chain which occurs twice in the set is verified once.
        Self::verify_with(raw, anchors, &ChainCache::new(8))
    }

    /// Like [`Self::verify`]; CA chains that `cache` holds, from a quote or an earlier set, are not verified again.
    #[must_use]
    pub fn verify_with(
        raw: &RawCollateral,
        anchors: &TrustAnchors,
        cache: &ChainCache,
    ) -> CollateralVerification {
        let mut report = Report::with_capacity(10);
        let collateral = Documents::read(raw, &mut report)
            .and_then(|documents| documents.verify(raw, anchors, cache, &mut report))
            .filter(|_| !report.has_failed());
        CollateralVerification { checks: report.checks().to_vec(), collateral }
    }

    /// The platforms that this set is for.
    #[must_use]
    pub const fn platform(&self) -> PlatformKey {
        PlatformKey { fmspc: self.tcb_info.fmspc, ca: self.ca_kind }
    }

    /// The origin of the root that every chain of the set ends at.
    #[must_use]
    pub const fn origin(&self) -> AnchorOrigin {
        self.origin
    }

    /// When the vendor issued a document of the set; `None` for the chains, whose certificates have dates of their own.
    #[must_use]
    pub fn issued(&self, document: Document) -> Option<UnixTime> {
        let of = |dated: &Dated| matches!(dated, Dated::Document(found) if *found == document);
        self.windows.iter().find(|(dated, _)| of(dated)).map(|(_, window)| window.from)
    }

    /// Whether a list comes from an authority of this set, so that its dates can be compared with those of the set's own.
    #[must_use]
    pub fn shares_authority(&self, list: &VerifiedCrl) -> bool {
        match list.of {
            CrlIssuer::Root => list.is_signed_by(&self.pck_crl_ca.root_key),
            CrlIssuer::Pck(ca) => ca == self.ca_kind && list.is_signed_by(&self.pck_crl_ca.public_key),
        }
    }

    /// The lower of the two TCB evaluation numbers.
    #[must_use]
    pub fn evaluation_number(&self) -> u32 {
        self.tcb_info.evaluation_number.min(self.qe_identity.evaluation_number)
    }

    /// The earliest issue date of anything in the set.
    #[must_use]
    pub fn earliest_issue(&self) -> UnixTime {
        self.windows.iter().map(|(_, window)| window.from).min().unwrap_or(UnixTime(i64::MIN))
    }

    /// The earliest expiry of anything in the set.
    #[must_use]
    pub fn earliest_expiration(&self) -> UnixTime {
        self.windows.iter().map(|(_, window)| window.until).min().unwrap_or(UnixTime(i64::MIN))
    }

    /// The newest date a vendor put on anything here: the time is at least this.
    #[must_use]
    pub fn newest_issue(&self) -> UnixTime {
        self.windows.iter().map(|(_, window)| window.from).max().unwrap_or(UnixTime(i64::MIN))
    }

    pub(crate) fn check_dates(&self, now: UnixTime, report: &mut Report) {
        let before = report.errors().count();
        for (dated, window) in &self.windows {
            if let Some(error) = out_of_window(*dated, *window, now) {
                report.fail(&rule::COLLATERAL_DATES, error);
            }
        }
        if report.errors().count() == before {
            report.pass(&rule::COLLATERAL_DATES);
        }
    }

    /// What is not wrong but worth knowing.
    pub(crate) fn check_consistency(&self, report: &mut Report) {
        let (tcb, qe) = (self.tcb_info.evaluation_number, self.qe_identity.evaluation_number);
        if tcb == qe {
            report.pass(&rule::EVALUATION_NUMBERS);
        } else {
            let detail = format!("the TCB info is of evaluation {tcb}, the QE identity of {qe}");
            report.note(&rule::EVALUATION_NUMBERS, Outcome::Warn, detail);
        }
        if self.tcb_info.is_ordered() {
            report.pass(&rule::TCB_LEVEL_ORDER);
        } else {
            report.note(&rule::TCB_LEVEL_ORDER, Outcome::Warn, "a TCB level stands below a lower one");
        }
    }
}

fn out_of_window(dated: Dated, window: Window, now: UnixTime) -> Option<VerifyError> {
    let (from, until) = (window.from, window.until);
    match dated {
        Dated::Document(document) if now < from => {
            Some(VerifyError::CollateralNotYetValid { document, from })
        }
        Dated::Document(document) if now > until => Some(VerifyError::CollateralExpired { document, until }),
        Dated::Certificate(role) if now < from => Some(VerifyError::CertificateNotYetValid { role, from }),
        Dated::Certificate(role) if now > until => Some(VerifyError::CertificateExpired { role, until }),
        _ => None,
    }
}

/// The documents of a set, decoded but not believed.
struct Documents {
    root_crl: Vec<u8>,
    pck_crl: Vec<u8>,
    tcb_info: TcbInfo,
    tcb_info_signature: [u8; 64],
    qe_identity: QeIdentity,
    qe_identity_signature: [u8; 64],
    pck_crl_chain: Vec<Vec<u8>>,
    tcb_info_chain: Vec<Vec<u8>>,
    qe_identity_chain: Vec<Vec<u8>>,
}

impl Documents {
    fn read(raw: &RawCollateral, report: &mut Report) -> Option<Self> {
        let mut failed = false;
        let mut broken = |document, problem: String| {
            failed = true;
            report.fail(&rule::COLLATERAL_READABLE, VerifyError::CollateralMalformed { document, problem });
        };
        let root_crl = read_crl(&raw.root_ca_crl).map_err(|e| broken(Document::RootCrl, e)).ok();
        let pck_crl = read_crl(&raw.pck_crl).map_err(|e| broken(Document::PckCrl, e)).ok();
        let tcb_info = TcbInfo::parse(raw.tcb_info.as_bytes()).map_err(|e| broken(Document::TcbInfo, e)).ok();
        let tcb_info_signature =
            signature(&raw.tcb_info_signature).map_err(|e| broken(Document::TcbInfo, e)).ok();
        let qe_identity =
            QeIdentity::parse(raw.qe_identity.as_bytes()).map_err(|e| broken(Document::QeIdentity, e)).ok();
        let qe_identity_signature =
            signature(&raw.qe_identity_signature).map_err(|e| broken(Document::QeIdentity, e)).ok();
        let mut chain = |document, text: &str| {
            pem::certificates(text.as_bytes()).map_err(|problem| broken(document, problem.to_owned())).ok()
        };
        let pck_crl_chain = chain(Document::PckCrlChain, &raw.pck_crl_issuer_chain);
        let tcb_info_chain = chain(Document::TcbInfoChain, &raw.tcb_info_issuer_chain);
        let qe_identity_chain = chain(Document::QeIdentityChain, &raw.qe_identity_issuer_chain);
        if !failed {
            report.pass(&rule::COLLATERAL_READABLE);
        }
        Some(Self {
            root_crl: root_crl?,
            pck_crl: pck_crl?,
            tcb_info: tcb_info?,
            tcb_info_signature: tcb_info_signature?,
            qe_identity: qe_identity?,
            qe_identity_signature: qe_identity_signature?,
            pck_crl_chain: pck_crl_chain?,
            tcb_info_chain: tcb_info_chain?,
            qe_identity_chain: qe_identity_chain?,
        })
    }

    fn verify(
        self,
        raw: &RawCollateral,
        anchors: &TrustAnchors,
        cache: &ChainCache,
        report: &mut Report,
    ) -> Option<Collateral> {
        let chains = Chains::verify(&self, anchors, cache, report)?;
        let root_crl = Crl::parse(&self.root_crl).ok()?;
        let pck_crl = Crl::parse(&self.pck_crl).ok()?;
        let root = &chains.tcb_info;
        check_crl(&root_crl, Document::RootCrl, &root.root_subject, &root.root_key, report);
        check_crl(&pck_crl, Document::PckCrl, &chains.pck_crl.subject, &chains.pck_crl.public_key, report);
        check_signed(raw.tcb_info.as_bytes(), &self.tcb_info_signature, Document::TcbInfo, root, report);
        report.check(&rule::TCB_INFO_KIND, self.tcb_info.check_kind());
        let qe_signer = &chains.qe_identity;
        check_signed(
            raw.qe_identity.as_bytes(),
            &self.qe_identity_signature,
            Document::QeIdentity,
            qe_signer,
            report,
        );
        report.check(&rule::QE_IDENTITY_KIND, self.qe_identity.check_kind());
        chains.check_revocation(&root_crl, report);
        let ca_kind = report.check(&rule::PCK_CRL_CA, chains.pck_ca_kind())?;
        let windows = self.windows(&chains, root_crl.validity, pck_crl.validity);
        Some(Collateral {
            digest: raw.digest(),
            hashes: self.hashes(raw),
            root_revoked: root_crl.revoked.iter().map(|serial| serial.to_vec()).collect(),
            pck_revoked: pck_crl.revoked.iter().map(|serial| serial.to_vec()).collect(),
            origin: chains.origin(),
            pck_crl_ca: chains.pck_crl,
            ca_kind,
            windows,
            tcb_info: self.tcb_info,
            qe_identity: self.qe_identity,
        })
    }

    fn windows(&self, chains: &Chains, root_crl: Window, pck_crl: Window) -> Vec<(Dated, Window)> {
        let mut windows = vec![
            (Dated::Document(Document::TcbInfo), self.tcb_info.window),
            (Dated::Document(Document::QeIdentity), self.qe_identity.window),
            (Dated::Document(Document::RootCrl), root_crl),
            (Dated::Document(Document::PckCrl), pck_crl),
        ];
        for (role, chain) in chains.by_role() {
            windows.push((Dated::Certificate(role), chain.window));
            windows.push((Dated::Certificate(CertificateRole::Root), chain.root_window));
        }
        windows
    }

    fn hashes(&self, raw: &RawCollateral) -> CollateralHashes {
        CollateralHashes {
            tcb_info_certificates: chain_digest(&self.tcb_info_chain),
            root_crl: sha256(&[&self.root_crl]),
            tcb_info: sha256(&[raw.tcb_info.as_bytes()]),
            qe_identity_certificates: chain_digest(&self.qe_identity_chain),
            qe_identity: sha256(&[raw.qe_identity.as_bytes()]),
        }
    }
}

/// The three issuer chains, verified.
struct Chains {
    pck_crl: Arc<CaChain>,
    tcb_info: Arc<CaChain>,
    qe_identity: Arc<CaChain>,
}

impl Chains {
    fn verify(
        documents: &Documents,
        anchors: &TrustAnchors,
        cache: &ChainCache,
        report: &mut Report,
    ) -> Option<Self> {
        let signer = CertificateRole::TcbSigner;
        let chains = [
            verify_chain(
                CertificateRole::PckCa,
                "PCK CRL issuer chain",
                &documents.pck_crl_chain,
                anchors,
                cache,
            ),
            verify_chain(signer, "TCB info issuer chain", &documents.tcb_info_chain, anchors, cache),
            verify_chain(signer, "QE identity issuer chain", &documents.qe_identity_chain, anchors, cache),
        ];
        if chains.iter().all(Result::is_ok) {
            report.pass(&rule::COLLATERAL_CHAINS);
        }
        let [pck_crl, tcb_info, qe_identity] = chains.map(|chain| {
            chain
                .map_err(|failures| failures.into_iter().for_each(|(rule, error)| report.fail(rule, error)))
                .ok()
        });
        let chains = Self { pck_crl: pck_crl?, tcb_info: tcb_info?, qe_identity: qe_identity? };
        // The one root CRL of the set must be able to revoke every certificate in it.
        let root = chains.tcb_info.root_key;
        if chains.by_role().iter().any(|(_, chain)| chain.root_key != root) {
            report.fail(&rule::COLLATERAL_CHAINS, VerifyError::CollateralRoots);
            return None;
        }
        Some(chains)
    }

    fn by_role(&self) -> [(CertificateRole, &Arc<CaChain>); 3] {
        let signer = CertificateRole::TcbSigner;
        [(CertificateRole::PckCa, &self.pck_crl), (signer, &self.tcb_info), (signer, &self.qe_identity)]
    }

    fn pck_ca_kind(&self) -> Result<PckCa, VerifyError> {
        let name = &self.pck_crl.common_name;
        PckCa::from_common_name(name).ok_or_else(|| wrong_name(CertificateRole::PckCa, name))
    }

    fn check_revocation(&self, root_crl: &Crl<'_>, report: &mut Report) {
        let mut good = true;
        for (role, chain) in self.by_role() {
            if root_crl.revoked.binary_search(&chain.serial.as_slice()).is_ok() {
                good = false;
                report.fail(&rule::COLLATERAL_REVOCATION, VerifyError::CertificateRevoked { role });
            }
        }
        if good {
            report.pass(&rule::COLLATERAL_REVOCATION);
        }
    }

    fn origin(&self) -> AnchorOrigin {
        let [a, b, c] = self.by_role().map(|(_, chain)| chain.origin);
        a.max(b).max(c)
    }
}

fn verify_chain(
    role: CertificateRole,
    chain: &'static str,
    ders: &[Vec<u8>],
    anchors: &TrustAnchors,
    cache: &ChainCache,
) -> Result<Arc<CaChain>, Vec<ChainFailure>> {
    let [certificate, root] = ders else {
        let error = VerifyError::ChainLength { chain, found: ders.len(), expected: 2 };
        return Err(vec![(&rule::COLLATERAL_CHAINS, error)]);
    };
    verify_ca_once(role, certificate, root, anchors, COLLATERAL_RULES, cache)
}

fn check_crl(crl: &Crl<'_>, document: Document, issuer: &[u8], key: &[u8; 65], report: &mut Report) {
    let rule: &'static CheckDef = match document {
        Document::RootCrl => &rule::COLLATERAL_ROOT_CRL,
        _ => &rule::COLLATERAL_PCK_CRL,
    };
    if crl.issuer != issuer {
        report.fail(rule, VerifyError::CrlIssuer { document });
    } else if SignatureKey::new(Scheme::EcdsaP256Sha256, key).is_some_and(|key| crl.is_signed_by(&key)) {
        report.pass(rule);
    } else {
        report.fail(rule, VerifyError::CollateralSignature { document });
    }
}

fn check_signed(
    text: &[u8],
    signature: &[u8; 64],
    document: Document,
    signer: &CaChain,
    report: &mut Report,
) {
    let rule: &'static CheckDef = match document {
        Document::TcbInfo => &rule::TCB_INFO_SIGNATURE,
        _ => &rule::QE_IDENTITY_SIGNATURE,
    };
    let genuine = P256Key::new(&signer.public_key).is_some_and(|key| key.verify(text, signature));
    let result = if genuine { Ok(()) } else { Err(VerifyError::CollateralSignature { document }) };
    report.check(rule, result);
}

fn read_crl(hexadecimal: &str) -> Result<Vec<u8>, String> {
    let der = hex::decode(hexadecimal.trim()).map_err(|_| "it is not hexadecimal".to_owned())?;
    Crl::parse(&der).map_err(str::to_owned)?;
    Ok(der)
}

fn signature(hexadecimal: &str) -> Result<[u8; 64], String> {
    let mut bytes = [0; 64];
    hex::decode_to_slice(hexadecimal.trim(), &mut bytes)
        .map(|()| bytes)
        .map_err(|_| "its signature is not 64 bytes of hexadecimal".to_owned())
}

/// The digest of a chain as Azure Attestation forms it: of the PEM text as a C string, so with its NUL.
fn chain_digest(ders: &[Vec<u8>]) -> [u8; 32] {
    sha256(&[pem::encode(ders.iter().map(Vec::as_slice)).as_bytes(), &[0]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_digest_of_the_issuer_chain_is_reproduced() {
        let Some(folder) = std::env::var_os("ASSAY_VECTORS") else {
            eprintln!("SKIPPED: set ASSAY_VECTORS to the folder of real evidence to run this test");
            return;
        };
        let file = std::path::Path::new(&folder).join("collateral/tcb_signing_1.pem");
        let chain = pem::certificates(&std::fs::read(file).unwrap()).unwrap();
        // `tcbinfocertshash` and `qeidcertshash` of every token in maa/exchanges, recorded in July 2021.
        let recorded = "a64d649198507d8b57e33f63ab266838f43f327bd4aacc78510b6976ed046e10";
        assert_eq!(hex::encode(chain_digest(&chain)), recorded);
    }
}
