//! SGX quotes, version 3 (layout: `assay_evidence::sgx`), field by field, so that a defect can change any of them before
//! they are signed.

use assay_evidence::sgx::{INTEL_QE_VENDOR_ID, REPORT_BODY_SIZE};

use super::pki;
use super::platform::Platform;
use super::spec::{CertificationType, Kss, QuoteSpec, with_flags};
use crate::error::SiliconError;
use crate::keys::{SigningKey, random};
use crate::runtime_data;

/// The header (48 bytes).
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) version: u16,
    pub(super) attestation_key_type: u16,
    pub(super) reserved: u32,
    pub(super) qe_svn: u16,
    pub(super) pce_svn: u16,
    pub(super) qe_vendor_id: [u8; 16],
    pub(super) qe_id: [u8; 16],
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        [
            &self.version.to_le_bytes()[..],
            &self.attestation_key_type.to_le_bytes(),
            &self.reserved.to_le_bytes(),
            &self.qe_svn.to_le_bytes(),
            &self.pce_svn.to_le_bytes(),
            &self.qe_vendor_id,
            &self.qe_id,
            &[0; 4],
        ]
        .concat()
    }
}

/// A report body (384 bytes).
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) cpu_svn: [u8; 16],
    pub(super) misc_select: u32,
    /// Must be zero.
    pub(super) reserved1: [u8; 12],
    pub(super) isv_ext_prod_id: [u8; 16],
    pub(super) attributes: [u8; 16],
    pub(super) mr_enclave: [u8; 32],
    pub(super) mr_signer: [u8; 32],
    pub(super) config_id: [u8; 64],
    pub(super) isv_prod_id: u16,
    pub(super) isv_svn: u16,
    pub(super) config_svn: u16,
    pub(super) isv_family_id: [u8; 16],
    pub(super) report_data: [u8; 64],
}

impl Report {
    fn encode(&self) -> Vec<u8> {
        let bytes = [
            &self.cpu_svn[..],
            &self.misc_select.to_le_bytes(),
            &self.reserved1,
            &self.isv_ext_prod_id,
            &self.attributes,
            &self.mr_enclave,
            &[0; 32],
            &self.mr_signer,
            &[0; 32],
            &self.config_id,
            &self.isv_prod_id.to_le_bytes(),
            &self.isv_svn.to_le_bytes(),
            &self.config_svn.to_le_bytes(),
            &[0; 42],
            &self.isv_family_id,
            &self.report_data,
        ]
        .concat();
        debug_assert_eq!(bytes.len(), REPORT_BODY_SIZE, "the layout of a report body");
        bytes
    }
}

/// A quote before it is signed.
#[derive(Clone, Debug)]
pub(super) struct QuoteDraft {
    pub(super) header: Header,
    pub(super) report: Report,
    /// Signs header and report.
    pub(super) attestation_key: SigningKey,
    /// Stands in the quote as the attestation key.
    pub(super) attestation_point: [u8; 64],
    pub(super) qe_report: Report,
    /// Signs the report of the quoting enclave.
    pub(super) pck_key: SigningKey,
    pub(super) qe_auth_data: Vec<u8>,
    /// Type number and data; from the platform and the specification when `None`.
    pub(super) certification_data: Option<(u16, Vec<u8>)>,
    pub(super) certification: CertificationType,
    padding: usize,
}

impl QuoteDraft {
    /// A genuine quote of a platform.
    pub(super) fn new(platform: &Platform, spec: &QuoteSpec) -> Result<Self, SiliconError> {
        let mut draft = Self {
            header: header(platform),
            report: enclave_report(platform, spec),
            attestation_key: platform.attestation_key.clone(),
            attestation_point: platform.attestation_key.point(),
            qe_report: qe_report(platform),
            pck_key: platform.pck_key.clone(),
            qe_auth_data: spec.qe_auth_data.clone(),
            certification_data: None,
            certification: spec.certification,
            padding: spec.padding,
        };
        draft.bind();
        Ok(draft)
    }

    /// Puts the hash of the attestation key and the authentication data into the report of the quoting enclave.
    pub(super) fn bind(&mut self) {
        self.qe_report.report_data =
            runtime_data::digest_and_zeros(&[&self.attestation_point, &self.qe_auth_data[..]].concat());
    }

    /// Signs and puts together.
    pub(super) fn finish(&self, platform: &Platform) -> Result<Vec<u8>, SiliconError> {
        let signed = [self.header.encode(), self.report.encode()].concat();
        let qe_report = self.qe_report.encode();
        let (kind, data) = match &self.certification_data {
            Some((kind, data)) => (*kind, data.clone()),
            None => certification_data(platform, self.certification)?,
        };
        let auth = [
            &self.attestation_key.sign(&signed)?[..],
            &self.attestation_point,
            &qe_report,
            &self.pck_key.sign(&qe_report)?,
            &u16::try_from(self.qe_auth_data.len()).map_err(|_| too_long(&self.qe_auth_data))?.to_le_bytes(),
            &self.qe_auth_data,
            &kind.to_le_bytes(),
            &length32(&data)?,
            &data,
        ]
        .concat();
        Ok([&signed[..], &length32(&auth)?, &auth, &vec![0; self.padding]].concat())
    }
}

fn header(platform: &Platform) -> Header {
    Header {
        version: 3,
        attestation_key_type: 2,
        reserved: 0,
        qe_svn: platform.spec.qe.isv_svn,
        pce_svn: platform.spec.pce_svn,
        qe_vendor_id: INTEL_QE_VENDOR_ID,
        qe_id: platform.qe_id,
    }
}

fn enclave_report(platform: &Platform, spec: &QuoteSpec) -> Report {
    let none = Kss { config_id: [0; 64], config_svn: 0, isv_ext_prod_id: [0; 16], isv_family_id: [0; 16] };
    let kss = spec.kss.unwrap_or(none);
    Report {
        cpu_svn: spec.cpu_svn.unwrap_or(platform.spec.cpu_svn_components),
        misc_select: spec.misc_select,
        reserved1: [0; 12],
        isv_ext_prod_id: kss.isv_ext_prod_id,
        attributes: with_flags(spec.attributes, spec.debug, spec.kss.is_some()),
        mr_enclave: spec.mr_enclave,
        mr_signer: spec.mr_signer,
        config_id: kss.config_id,
        isv_prod_id: spec.isv_prod_id,
        isv_svn: spec.isv_svn,
        config_svn: kss.config_svn,
        isv_family_id: kss.isv_family_id,
        report_data: spec.report_data,
    }
}

fn qe_report(platform: &Platform) -> Report {
    let qe = &platform.spec.qe;
    Report {
        cpu_svn: platform.spec.cpu_svn_components,
        misc_select: qe.misc_select,
        reserved1: [0; 12],
        isv_ext_prod_id: [0; 16],
        attributes: with_flags(qe.attributes, qe.debug, false),
        // No rule looks at the measurement of the quoting enclave.
        mr_enclave: [0x9e; 32],
        mr_signer: qe.mr_signer,
        config_id: [0; 64],
        isv_prod_id: qe.isv_prod_id,
        isv_svn: qe.isv_svn,
        config_svn: 0,
        isv_family_id: [0; 16],
        report_data: [0; 64],
    }
}

/// Type number and data that name or carry the PCK certificate.
pub(super) fn certification_data(
    platform: &Platform,
    certification: CertificationType,
) -> Result<(u16, Vec<u8>), SiliconError> {
    let pem = |certificates: &[Vec<u8>]| {
        // Intel's library ends its PEM with a NUL.
        [pki::pem(certificates).into_bytes(), vec![0]].concat()
    };
    Ok(match certification {
        CertificationType::PpidClear => (1, with_raw_tcb(platform, &platform.identity.ppid)),
        CertificationType::PpidRsa2048 => (2, with_raw_tcb(platform, &random::<256>()?)),
        CertificationType::PpidRsa3072 => (3, with_raw_tcb(platform, &platform.pck_id(false).encrypted_ppid)),
        CertificationType::PckCertificate => (4, pem(platform.chain.get(..1).unwrap_or_default())),
        CertificationType::PckChain => (5, pem(&platform.chain)),
    })
}

fn with_raw_tcb(platform: &Platform, ppid: &[u8]) -> Vec<u8> {
    let spec = &platform.spec;
    [ppid, &spec.cpu_svn_components, &spec.pce_svn.to_le_bytes(), &spec.pce_id].concat()
}

fn length32(data: &[u8]) -> Result<[u8; 4], SiliconError> {
    Ok(u32::try_from(data.len()).map_err(|_| too_long(data))?.to_le_bytes())
}

fn too_long(data: &[u8]) -> SiliconError {
    SiliconError::InvalidSpec { field: "the length of a field of the quote", value: data.len().to_string() }
}

/// Puts the header of an Open Enclave remote report (version 1, type 2, size) in front of a quote.
#[must_use]
pub fn open_enclave_report(quote: &[u8]) -> Vec<u8> {
    let size = u64::try_from(quote.len()).unwrap_or(u64::MAX);
    [&1_u32.to_le_bytes()[..], &2_u32.to_le_bytes(), &size.to_le_bytes(), quote].concat()
}
