//! SEV-SNP evidence as guests' tools and clouds hand it out: the bare report, binary forms around it, and JSON.
//!
//! Nothing is judged here. What a document says beside report, certificates and endorsements is left aside, but for what a
//! caller could take for checked: that is named in [`Bundle::unread`].

mod json;
mod report_json;

use crate::ParseError;
use crate::hcl;
use crate::pem;
use crate::snp::{CertificateTable, REPORT_SIZE, TableEntry};

/// Largest document accepted. A report as a list of numbers in JSON has 6 KiB, a paravisor's 12, certificates 6 each; a
/// virtual TPM's event log, which some tools add, under 256.
pub const MAX_SIZE: usize = 1024 * 1024;
/// Header of the guest device's answer (AMD 56860, table 22): status, size, reserved.
const RESPONSE_HEADER: [u8; 32] =
    [0, 0, 0, 0, 0xa0, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The hardware's evidence in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// An SEV-SNP report.
    Snp(Vec<u8>),
    /// A paravisor's report.
    Hcl(Vec<u8>),
}

/// Evidence with what came along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The hardware's evidence.
    pub body: Body,
    /// Certificates, DER: the endorsement key's first, if it is there at all.
    pub certificates: Vec<Vec<u8>>,
    /// Endorsements of the launched image (COSE).
    pub endorsements: Vec<Vec<u8>>,
    /// Parts that prove something and are not read, such as `tpm_quote`.
    pub unread: Vec<&'static str>,
}

impl Bundle {
    fn bare(body: Body) -> Self {
        Self { body, certificates: Vec::new(), endorsements: Vec::new(), unread: Vec::new() }
    }

    /// Reads evidence in any of the known forms.
    ///
    /// # Errors
    /// A [`ParseError`] for a document that is none of them. The report itself is not looked at.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        if bytes.len() > MAX_SIZE {
            return Err(ParseError::TooLarge { size: bytes.len(), limit: MAX_SIZE });
        }
        if bytes.starts_with(&hcl::SIGNATURE) {
            return Ok(Self::bare(Body::Hcl(bytes.to_vec())));
        }
        if bytes.trim_ascii_start().first() == Some(&b'{') {
            return json::parse(bytes);
        }
        let bytes = bytes.strip_prefix(&RESPONSE_HEADER).unwrap_or(bytes);
        match bytes.split_at_checked(REPORT_SIZE) {
            // An extended report: the host's certificates behind it.
            Some((report, table)) if !table.is_empty() => {
                let table = CertificateTable::parse(table)?;
                Ok(Self {
                    certificates: table_certificates(&table),
                    ..Self::bare(Body::Snp(report.to_vec()))
                })
            }
            // Too short ones, too: how short, the report's own rules say.
            _ => Ok(Self::bare(Body::Snp(bytes.to_vec()))),
        }
    }
}

/// Reads a file of certificates: PEM, one DER certificate, or a certificate table.
///
/// # Errors
/// [`ParseError::Document`], or as [`CertificateTable::parse`].
pub fn certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ParseError> {
    const DER_SEQUENCE: u8 = 0x30;
    match bytes.trim_ascii_start().first() {
        None => Ok(Vec::new()),
        Some(b'-') => {
            pem::certificates(bytes).map_err(|problem| document(format!("the certificates: {problem}")))
        }
        Some(b'{') => json::certificates_document(bytes),
        Some(&DER_SEQUENCE) => Ok(vec![bytes.to_vec()]),
        Some(_) => CertificateTable::parse(bytes).map(|table| table_certificates(&table)),
    }
}

/// The endorsement key's certificate first.
fn table_certificates(table: &CertificateTable<'_>) -> Vec<Vec<u8>> {
    let order = [TableEntry::Vcek, TableEntry::Vlek, TableEntry::Ask, TableEntry::Ark];
    let of = |kind| table.entries.iter().filter(move |(found, _)| *found == kind);
    let found = order.into_iter().flat_map(of).map(|(_, certificate)| certificate.to_vec());
    found.filter(|certificate| !certificate.is_empty()).collect()
}

fn document(problem: impl Into<String>) -> ParseError {
    ParseError::Document { problem: problem.into() }
}
