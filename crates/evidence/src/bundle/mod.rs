//! SEV-SNP evidence as guests' tools and clouds hand it out: the bare report, binary forms around it, and JSON.
//!
//! Nothing is judged here. What a document says beside report, certificates and endorsements is left aside, but for what a
//! caller could take for checked: that is named in [`Bundle::unread`].

mod certificates_json;
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
    /// What the host's certificate table has besides.
    pub others: Vec<OtherEntry>,
    /// Endorsements of the launched image (COSE).
    pub endorsements: Vec<Vec<u8>>,
    /// Parts that prove something and are not read, such as `tpm_quote`.
    pub unread: Vec<&'static str>,
}

/// An entry of a certificate table that is no certificate of the chain: a revocation list, or what a host adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherEntry {
    /// [`OtherEntry::CRL`], a GUID, or what a document says.
    pub name: String,
    /// Its bytes.
    pub data: Vec<u8>,
}

impl OtherEntry {
    /// The name of a revocation list.
    pub const CRL: &'static str = "CRL";
}

/// What a certificate table, or a document like it, holds.
#[derive(Debug, Default)]
struct Chain {
    /// DER: the endorsement key's first.
    certificates: Vec<Vec<u8>>,
    others: Vec<OtherEntry>,
}

impl Chain {
    fn of(certificates: Vec<Vec<u8>>) -> Self {
        Self { certificates, others: Vec::new() }
    }

    fn of_table(table: &CertificateTable<'_>) -> Self {
        let order = [TableEntry::Vcek, TableEntry::Vlek, TableEntry::Ask, TableEntry::Ark];
        let of = |kind| table.entries.iter().filter(move |(found, _)| *found == kind);
        let found = order.into_iter().flat_map(of).map(|(_, certificate)| certificate.to_vec());
        let others = table.entries.iter().filter_map(|(kind, data)| {
            let name = match kind {
                TableEntry::Crl => OtherEntry::CRL.to_owned(),
                TableEntry::Other(guid) => guid_text(guid),
                _ => return None,
            };
            Some(OtherEntry { name, data: data.to_vec() }).filter(|entry| !entry.data.is_empty())
        });
        Self {
            certificates: found.filter(|certificate| !certificate.is_empty()).collect(),
            others: others.collect(),
        }
    }

    /// Hosts choose their tables: nothing is revoked by their lists, and nobody shall think that it was looked at.
    fn unread(&self) -> impl Iterator<Item = &'static str> + use<> {
        let has = |is_crl| self.others.iter().any(|entry| (entry.name == OtherEntry::CRL) == is_crl);
        let names =
            [(has(true), "the host's revocation list"), (has(false), "the host's other table entries")];
        names.into_iter().filter_map(|(is_there, name)| is_there.then_some(name))
    }
}

fn guid_text(guid: &[u8; 16]) -> String {
    let digits = hex::encode(guid);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits.get(part).unwrap_or_default());
    parts.join("-")
}

impl Bundle {
    fn bare(body: Body) -> Self {
        Self {
            body,
            certificates: Vec::new(),
            others: Vec::new(),
            endorsements: Vec::new(),
            unread: Vec::new(),
        }
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
                let chain = Chain::of_table(&CertificateTable::parse(table)?);
                let unread = chain.unread().collect();
                let Chain { certificates, others } = chain;
                Ok(Self { certificates, others, unread, ..Self::bare(Body::Snp(report.to_vec())) })
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
    let chain = match bytes.trim_ascii_start().first() {
        None => Chain::default(),
        Some(b'-') => pem_certificates(bytes)?,
        Some(b'{') => certificates_json::document_of(bytes)?,
        Some(&DER_SEQUENCE) => Chain::of(vec![bytes.to_vec()]),
        Some(_) => Chain::of_table(&CertificateTable::parse(bytes)?),
    };
    Ok(chain.certificates)
}

fn pem_certificates(text: &[u8]) -> Result<Chain, ParseError> {
    let read = pem::certificates(text).map(Chain::of);
    read.map_err(|problem| document(format!("the certificates: {problem}")))
}

fn document(problem: impl Into<String>) -> ParseError {
    ParseError::Document { problem: problem.into() }
}
