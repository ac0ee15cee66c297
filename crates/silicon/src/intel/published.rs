//! Single documents and lists, as Intel's services give them out.

use super::collateral::{LIFE, pck_crl, root_crl};
use super::documents::{self, TcbInfoForm};
use super::pki::Window;
use super::recovery::{EVALUATIONS, levels};
use super::spec::{Ca, CollateralSpec, PlatformSpec, QeIdentitySpec, TcbStatus};
use super::vendor::Intel;
use crate::error::SiliconError;

/// A signed document, apart: as sent it is `{"MEMBER":TEXT,"signature":"SIGNATURE"}`.
#[derive(Clone, Debug)]
pub(crate) struct SignedDocument {
    pub(crate) member: &'static str,
    /// The exact bytes that are signed: JSON.
    pub(crate) text: String,
    /// Hex of `r || s`.
    pub(crate) signature: String,
}

impl Intel {
    /// The TCB information for the simulated platforms of an authority.
    pub(crate) fn tcb_info(
        &self,
        ca: Ca,
        tdx: bool,
        number: u32,
        issued: i64,
    ) -> Result<SignedDocument, SiliconError> {
        let spec = CollateralSpec { tcb_levels: levels(number), ..evaluated(ca, number) };
        let form = TcbInfoForm { tdx, ..TcbInfoForm::default() };
        self.signed("tcbInfo", documents::tcb_info(&spec, life(issued), form)?)
    }

    /// The identity of one of Intel's enclaves.
    pub(crate) fn enclave_identity(
        &self,
        qe_identity: QeIdentitySpec,
        number: u32,
        issued: i64,
    ) -> Result<SignedDocument, SiliconError> {
        let spec = CollateralSpec { qe_identity, ..evaluated(Ca::Platform, number) };
        self.signed("enclaveIdentity", documents::qe_identity(&spec, life(issued))?)
    }

    /// The numbers of the evaluations that are published, up to the newest.
    pub(crate) fn evaluation_numbers(
        &self,
        tdx: bool,
        newest: u32,
        issued: i64,
    ) -> Result<SignedDocument, SiliconError> {
        let published: Vec<_> = EVALUATIONS.into_iter().filter(|known| known.number <= newest).collect();
        let text = documents::evaluation_numbers(&published, life(issued), tdx)?;
        self.signed("tcbEvaluationDataNumbers", text)
    }

    /// The revocation list of a PCK authority, DER.
    pub(crate) fn pck_crl_der(&self, ca: Ca, issued: i64) -> Result<Vec<u8>, SiliconError> {
        let draft = pck_crl(self, ca, life(issued));
        draft.template.sign(&draft.key)
    }

    /// The root's revocation list, DER.
    pub(crate) fn root_crl_der(&self, issued: i64) -> Result<Vec<u8>, SiliconError> {
        let draft = root_crl(self, life(issued));
        draft.template.sign(&draft.key)
    }

    /// Grows with every revocation.
    pub(crate) const fn revision(&self) -> u64 {
        self.revision
    }

    /// The root's certificate, DER.
    pub(crate) fn root_certificate_der(&self) -> &[u8] {
        &self.root.certificate
    }

    /// DER: the signer of TCB information, then the root.
    pub(crate) fn tcb_signer_chain(&self) -> [&[u8]; 2] {
        [&self.tcb_signer.certificate, &self.root.certificate]
    }

    /// DER: a PCK authority, then the root.
    pub(crate) fn authority_chain(&self, ca: Ca) -> [&[u8]; 2] {
        [&self.authority(ca).certificate, &self.root.certificate]
    }

    fn signed(&self, member: &'static str, text: String) -> Result<SignedDocument, SiliconError> {
        let signature = hex::encode(self.tcb_signer.key.sign(text.as_bytes())?);
        Ok(SignedDocument { member, text, signature })
    }
}

fn evaluated(ca: Ca, evaluation_number: u32) -> CollateralSpec {
    let platform = PlatformSpec::new(ca, TcbStatus::UpToDate);
    CollateralSpec { evaluation_number, ..CollateralSpec::for_platform(&platform) }
}

const fn life(from: i64) -> Window {
    Window { from, to: from.saturating_add(LIFE) }
}
