//! Collateral: revocation lists, TCB information and the identity of the quoting enclave, with who signed each.

use serde::{Deserialize, Serialize};

use super::documents::{self, TcbInfoForm};
use super::pki::{self, CrlTemplate, ROOT_CN, Window};
use super::spec::{Ca, CollateralSpec};
use super::vendor::{DAY, Intel};
use crate::error::SiliconError;
use crate::keys::SigningKey;

/// Some clocks are behind, so collateral is issued a little before it is made.
const ISSUED_BEFORE: i64 = 60 * 60;
/// As Intel's documents and lists.
pub(super) const LIFE: i64 = 30 * DAY;

/// The collateral of a quote, with the field names of Intel's quote collateral, version 3: what `assay verify
/// --collateral` reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collateral {
    /// PEM: the authority of the PCK certificate, then the root.
    pub pck_crl_issuer_chain: String,
    /// Hex of DER.
    pub root_ca_crl: String,
    /// Hex of DER.
    pub pck_crl: String,
    /// PEM: the signer, then the root.
    pub tcb_info_issuer_chain: String,
    /// The exact bytes that are signed: JSON.
    pub tcb_info: String,
    /// Hex of `r || s`.
    pub tcb_info_signature: String,
    /// PEM: the signer, then the root.
    pub qe_identity_issuer_chain: String,
    /// The exact bytes that are signed: JSON.
    pub qe_identity: String,
    /// Hex of `r || s`.
    pub qe_identity_signature: String,
}

/// A revocation list before it is signed, and who signs it.
#[derive(Clone, Debug)]
pub(super) struct CrlDraft {
    pub(super) template: CrlTemplate,
    pub(super) key: SigningKey,
}

/// A JSON document before it is signed.
#[derive(Clone, Debug)]
pub(super) struct DocumentDraft {
    pub(super) dates: Window,
    /// DER, signer first.
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) key: SigningKey,
    /// A last change to the text before it is signed.
    pub(super) edit: fn(String) -> String,
}

/// Collateral before it is signed.
#[derive(Clone, Debug)]
pub(super) struct CollateralDraft {
    pub(super) spec: CollateralSpec,
    /// DER: the authority, then the root.
    pub(super) pck_crl_chain: Vec<Vec<u8>>,
    pub(super) root_crl: CrlDraft,
    pub(super) pck_crl: CrlDraft,
    pub(super) tcb_info: DocumentDraft,
    pub(super) tcb_info_form: TcbInfoForm,
    pub(super) qe_identity: DocumentDraft,
}

impl CollateralDraft {
    /// Genuine collateral.
    pub(super) fn new(intel: &Intel, spec: &CollateralSpec, now: i64) -> Result<Self, SiliconError> {
        let from = spec.issue.unwrap_or_else(|| now.saturating_sub(ISSUED_BEFORE));
        let dates = Window { from, to: spec.next_update.unwrap_or_else(|| from.saturating_add(LIFE)) };
        let root = &intel.root.certificate;
        let document = DocumentDraft {
            dates,
            chain: vec![intel.tcb_signer.certificate.clone(), root.clone()],
            key: intel.tcb_signer.key.clone(),
            edit: |text| text,
        };
        Ok(Self {
            spec: spec.clone(),
            pck_crl_chain: vec![intel.authority(spec.ca).certificate.clone(), root.clone()],
            root_crl: root_crl(intel, dates),
            pck_crl: pck_crl(intel, spec.ca, dates),
            tcb_info: document.clone(),
            tcb_info_form: TcbInfoForm::default(),
            qe_identity: document,
        })
    }

    /// Signs everything.
    pub(super) fn finish(&self) -> Result<Collateral, SiliconError> {
        let tcb_info = documents::tcb_info(&self.spec, self.tcb_info.dates, self.tcb_info_form)?;
        let tcb_info = (self.tcb_info.edit)(tcb_info);
        let qe_identity = documents::qe_identity(&self.spec, self.qe_identity.dates)?;
        let qe_identity = (self.qe_identity.edit)(qe_identity);
        Ok(Collateral {
            pck_crl_issuer_chain: pki::pem(&self.pck_crl_chain),
            root_ca_crl: hex::encode(self.root_crl.template.sign(&self.root_crl.key)?),
            pck_crl: hex::encode(self.pck_crl.template.sign(&self.pck_crl.key)?),
            tcb_info_issuer_chain: pki::pem(&self.tcb_info.chain),
            tcb_info_signature: hex::encode(self.tcb_info.key.sign(tcb_info.as_bytes())?),
            tcb_info,
            qe_identity_issuer_chain: pki::pem(&self.qe_identity.chain),
            qe_identity_signature: hex::encode(self.qe_identity.key.sign(qe_identity.as_bytes())?),
            qe_identity,
        })
    }
}

/// The list of the root.
pub(super) fn root_crl(intel: &Intel, validity: Window) -> CrlDraft {
    let key = intel.root.key.clone();
    let template = crl(ROOT_CN, &key, intel.revision, &intel.revoked.by_root, validity);
    CrlDraft { template, key }
}

/// The list of a PCK authority.
pub(super) fn pck_crl(intel: &Intel, ca: Ca, validity: Window) -> CrlDraft {
    let key = intel.authority(ca).key.clone();
    let template = crl(ca.common_name(), &key, intel.revision, intel.revoked_by(ca), validity);
    CrlDraft { template, key }
}

fn crl(issuer: &str, key: &SigningKey, revision: u64, revoked: &[[u8; 20]], validity: Window) -> CrlTemplate {
    CrlTemplate {
        issuer: issuer.to_owned(),
        issuer_key: *key.public(),
        validity,
        number: revision.saturating_add(1),
        revoked: revoked.to_vec(),
        more_extensions: vec![],
    }
}
