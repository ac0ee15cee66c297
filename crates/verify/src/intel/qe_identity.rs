//! Enclave identity, version 2 (Intel PCS API, "Get Enclave Identity"): what the quoting enclave must be.

use assay_evidence::sgx::ReportBody;
use serde::Deserialize;

use super::tcb::TcbStatus;
use super::tcb_info::{MAX_ID, date, fixed_hex};
use crate::error::{Document, VerifyError};
use crate::time::{UnixTime, Window};

/// What Intel says of its quoting enclave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QeIdentity {
    /// `QE`, `QVE` or `TD_QE`.
    pub id: String,
    /// Structure version.
    pub version: u32,
    /// From issue to next update.
    pub window: Window,
    /// Number of the TCB evaluation it belongs to.
    pub evaluation_number: u32,
    /// What `miscselect` must be under its mask; bytes in the order of the report.
    pub misc_select: [u8; 4],
    /// Which bits of `miscselect` count.
    pub misc_select_mask: [u8; 4],
    /// What the attributes must be under their mask.
    pub attributes: [u8; 16],
    /// Which bits of the attributes count.
    pub attributes_mask: [u8; 16],
    /// Hash of the key that signed the enclave.
    pub mr_signer: [u8; 32],
    /// Product id.
    pub isv_prod_id: u16,
    /// The levels in the document's order, highest first.
    pub levels: Vec<QeLevel>,
}

/// One level of the quoting enclave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QeLevel {
    /// What the security version must be at least.
    pub isv_svn: u16,
    /// When the level was current.
    pub date: UnixTime,
    /// What Intel says of it; `Err` holds a status that is not known.
    pub status: Result<TcbStatus, String>,
    /// Security advisories that apply.
    pub advisories: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawIdentity {
    id: String,
    version: u32,
    issue_date: String,
    next_update: String,
    tcb_evaluation_data_number: u32,
    miscselect: String,
    miscselect_mask: String,
    attributes: String,
    attributes_mask: String,
    mrsigner: String,
    isvprodid: u16,
    tcb_levels: Vec<RawLevel>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLevel {
    tcb: RawTcb,
    tcb_date: String,
    tcb_status: String,
    #[serde(rename = "advisoryIDs", default)]
    advisory_ids: Vec<String>,
}

#[derive(Deserialize)]
struct RawTcb {
    isvsvn: u16,
}

impl QeIdentity {
    /// Reads the signed bytes.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let raw: RawIdentity = assay_json::from_slice(text, &assay_json::Limits::default())
            .map_err(|error| error.to_string())?;
        Ok(Self {
            window: Window { from: date(&raw.issue_date)?, until: date(&raw.next_update)? },
            evaluation_number: raw.tcb_evaluation_data_number,
            misc_select: hex_field("miscselect", &raw.miscselect)?,
            misc_select_mask: hex_field("miscselectMask", &raw.miscselect_mask)?,
            attributes: hex_field("attributes", &raw.attributes)?,
            attributes_mask: hex_field("attributesMask", &raw.attributes_mask)?,
            mr_signer: hex_field("mrsigner", &raw.mrsigner)?,
            isv_prod_id: raw.isvprodid,
            levels: raw.tcb_levels.into_iter().map(RawLevel::read).collect::<Result<_, _>>()?,
            id: raw.id,
            version: raw.version,
        })
    }

    /// Whether this document describes the SGX quoting enclave.
    pub(crate) fn check_kind(&self) -> Result<(), VerifyError> {
        let document = Document::QeIdentity;
        if self.id != "QE" {
            return Err(VerifyError::CollateralKind {
                document,
                found: self.id.chars().take(MAX_ID).collect(),
                expected: "QE",
            });
        }
        if self.version != 2 {
            return Err(VerifyError::CollateralVersion { document, found: self.version });
        }
        Ok(())
    }

    /// Every way in which a report is not of this enclave.
    pub(crate) fn mismatches(&self, report: &ReportBody) -> Vec<VerifyError> {
        let misc_select = masked(&report.misc_select.to_le_bytes(), &self.misc_select_mask);
        let attributes = masked(&report.attributes, &self.attributes_mask);
        let fields: [(&'static str, &[u8], &[u8]); 3] = [
            ("miscselect", &misc_select, &self.misc_select),
            ("attributes", &attributes, &self.attributes),
            ("mrsigner", &report.mr_signer, &self.mr_signer),
        ];
        let mut errors: Vec<VerifyError> = fields
            .into_iter()
            .filter(|(_, found, expected)| found != expected)
            .map(|(field, found, expected)| mismatch(field, hex::encode(found), hex::encode(expected)))
            .collect();
        if report.isv_prod_id != self.isv_prod_id {
            errors.push(mismatch("isvprodid", report.isv_prod_id.to_string(), self.isv_prod_id.to_string()));
        }
        errors
    }

    /// The first level, in the document's order, that a security version reaches.
    #[must_use]
    pub fn level_of(&self, isv_svn: u16) -> Option<&QeLevel> {
        self.levels.iter().find(|level| isv_svn >= level.isv_svn)
    }
}

impl RawLevel {
    fn read(self) -> Result<QeLevel, String> {
        Ok(QeLevel {
            isv_svn: self.tcb.isvsvn,
            date: date(&self.tcb_date)?,
            status: TcbStatus::from_name(&self.tcb_status).ok_or(self.tcb_status),
            advisories: self.advisory_ids,
        })
    }
}

const fn mismatch(field: &'static str, found: String, expected: String) -> VerifyError {
    VerifyError::QeIdentityMismatch { field, found, expected }
}

fn hex_field<const N: usize>(name: &str, text: &str) -> Result<[u8; N], String> {
    fixed_hex(text).ok_or_else(|| format!("`{name}` is not {N} bytes of hexadecimal"))
}

fn masked<const N: usize>(value: &[u8; N], mask: &[u8; N]) -> [u8; N] {
    let mut result = *value;
    result.iter_mut().zip(mask).for_each(|(byte, mask)| *byte &= mask);
    result
}
