//! The report that the paravisor of an Azure-style confidential VM keeps in its vTPM (NV index 0x01400001).
//!
//! Microsoft, `HwVmReport.h` of the confidential VM guest attestation client, and six real reports. All integers are
//! little-endian:
//!
//! ```text
//!    0    4 "HCLA"                      1216  4 size of what follows from here on: 20 + n
//!    4    4 version: 1 (SNP), 2 (TDX)   1220  4 version: 1
//!    8    4 report size                 1224  4 type of the hardware report: 2 SNP, 4 TDX
//!   12    4 request type                1228  4 hash: 1 SHA-256, 2 SHA-384, 3 SHA-512
//!   16    4 status                      1232  4 n, size of the runtime claims
//!   20   12 reserved                    1236  n runtime claims (JSON), whose hash is the report data
//!   32 1184 hardware report                     then zeros
//! ```
//!
//! The header in front of the hardware report is not measured, and the published description of its fields contradicts the
//! real ones, so nothing follows from it but the signature. A TDREPORT has 1024 of the 1184 bytes.

use crate::ParseError;
use crate::cursor::Cursor;
use crate::error::LengthRule;
use crate::snp::REPORT_SIZE;

/// `HCLA`.
pub const SIGNATURE: [u8; 4] = *b"HCLA";
/// Largest report accepted. Real ones have 2048 or 2600 bytes; an NV index can hold a little more.
pub const MAX_SIZE: usize = 16 * 1024;
/// Size of a TDREPORT.
pub const TD_REPORT_SIZE: usize = 1024;

const HARDWARE_OFFSET: usize = 32;
const DATA_HEADER_SIZE: usize = 20;
const DATA_VERSION: u32 = 1;
const TYPE_SNP: u32 = 2;
const TYPE_TDX: u32 = 4;

/// A paravisor's report.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// Version in the header, which is not measured.
    pub version: u32,
    /// Request type in the header, which is not measured: 2 in all real reports.
    pub request_type: u32,
    /// Status in the header, which is not measured.
    pub status: u32,
    /// The hardware's report, not parsed yet.
    pub hardware: Hardware<'a>,
    /// The hash by which the hardware report binds the runtime claims.
    pub hash: HashType,
    /// The runtime claims, exactly as they were hashed.
    pub runtime_claims: &'a [u8],
}

/// The hardware's report inside.
#[derive(Clone, Copy, Debug)]
pub enum Hardware<'a> {
    /// An SEV-SNP attestation report.
    Snp(&'a [u8; REPORT_SIZE]),
    /// A TDREPORT: authenticated for its own machine only, so others need a quote made from it.
    Tdx(&'a [u8; TD_REPORT_SIZE]),
}

/// How the runtime claims are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashType {
    /// 32 bytes, then zeros.
    Sha256,
    /// 48 bytes, then zeros.
    Sha384,
    /// All 64 bytes.
    Sha512,
}

impl Hardware<'_> {
    /// What the hardware report binds.
    #[must_use]
    pub fn report_data(&self) -> [u8; 64] {
        let found = match self {
            Self::Snp(report) => report.get(0x50..0x90),
            // TDREPORT: REPORTMACSTRUCT begins the report, REPORTDATA stands at 128 (Intel TDX module ABI, section 4.5).
            Self::Tdx(report) => report.get(128..192),
        };
        found.and_then(|data| data.try_into().ok()).unwrap_or([0; 64])
    }
}

impl<'a> Report<'a> {
    /// Reads a report, with or without the zeros after it.
    ///
    /// # Errors
    /// A [`ParseError`] naming the first rule broken.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        if bytes.len() > MAX_SIZE {
            return Err(ParseError::TooLarge { size: bytes.len(), limit: MAX_SIZE });
        }
        let mut cursor = Cursor::new(bytes);
        let signature = cursor.array::<4>("HCL signature")?;
        if *signature != SIGNATURE {
            let found = u32::from_be_bytes(*signature);
            return Err(ParseError::UnknownValue { field: "HCL signature", found });
        }
        let version = cursor.u32("HCL version")?;
        let _report_size = cursor.u32("HCL report size")?;
        let request_type = cursor.u32("HCL request type")?;
        let status = cursor.u32("HCL status")?;
        let _reserved = cursor.slice(HARDWARE_OFFSET.saturating_sub(20), "HCL header")?;
        let area = cursor.array::<REPORT_SIZE>("hardware report")?;
        let (report_type, hash, size) = read_data_header(&mut cursor)?;
        let hardware = hardware(report_type, area)?;
        let runtime_claims = cursor.slice(size, "runtime claims")?;
        refuse_trailing(&cursor)?;
        Ok(Self { version, request_type, status, hardware, hash, runtime_claims })
    }
}

/// Where the hardware's report stands in a paravisor's, of whatever kind it is.
pub(crate) fn hardware_area(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(HARDWARE_OFFSET..)?.get(..REPORT_SIZE)
}

/// Type of the hardware report, hash, and size of the runtime claims.
fn read_data_header(cursor: &mut Cursor<'_>) -> Result<(u32, HashType, usize), ParseError> {
    let data_size = cursor.u32("runtime data size")?;
    let version = cursor.u32("runtime data version")?;
    if version != DATA_VERSION {
        return Err(ParseError::UnsupportedVersion { format: "runtime data", found: version });
    }
    let report_type = cursor.u32("report type")?;
    let hash_type = cursor.u32("hash type")?;
    let size = cursor.u32("runtime claims size")?;
    let hash = match hash_type {
        1 => HashType::Sha256,
        2 => HashType::Sha384,
        3 => HashType::Sha512,
        found => return Err(ParseError::UnknownValue { field: "hash type", found }),
    };
    let to_usize = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let (data_size, size) = (to_usize(data_size), to_usize(size));
    let expected = size.saturating_add(DATA_HEADER_SIZE);
    if data_size != expected {
        let expected = LengthRule::Exactly(expected);
        return Err(ParseError::BadLength { field: "runtime data", found: data_size, expected });
    }
    Ok((report_type, hash, size))
}

fn hardware(report_type: u32, area: &[u8; REPORT_SIZE]) -> Result<Hardware<'_>, ParseError> {
    match report_type {
        TYPE_SNP => Ok(Hardware::Snp(area)),
        TYPE_TDX => {
            let (report, rest) = area.split_first_chunk().ok_or(ParseError::Truncated {
                field: "TDREPORT",
                offset: HARDWARE_OFFSET,
                needed: TD_REPORT_SIZE,
                available: area.len(),
            })?;
            if rest.iter().any(|byte| *byte != 0) {
                let offset = HARDWARE_OFFSET.saturating_add(TD_REPORT_SIZE);
                return Err(ParseError::TrailingData { offset, count: rest.len() });
            }
            Ok(Hardware::Tdx(report))
        }
        found => Err(ParseError::UnknownValue { field: "report type", found }),
    }
}

fn refuse_trailing(cursor: &Cursor<'_>) -> Result<(), ParseError> {
    let rest = cursor.rest();
    if rest.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    Err(ParseError::TrailingData { offset: cursor.offset(), count: rest.len() })
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;

    fn report(report_type: u32, hash: u32, claims: &[u8]) -> Vec<u8> {
        let size = u32::try_from(claims.len()).unwrap();
        let mut bytes = [&b"HCLA"[..], &1_u32.to_le_bytes(), &[0; 24], &[9; REPORT_SIZE]].concat();
        for number in [size + 20, 1, report_type, hash, size] {
            bytes.extend(number.to_le_bytes());
        }
        [&bytes[..], claims].concat()
    }

    #[test]
    fn claims_are_read_and_padding_dropped() {
        let bytes = [report(2, 1, b"{}"), vec![0; 100]].concat();
        let parsed = Report::parse(&bytes).unwrap();
        assert_eq!((parsed.runtime_claims, parsed.hash), (&b"{}"[..], HashType::Sha256));
        assert!(matches!(parsed.hardware, Hardware::Snp(area) if area == &[9; REPORT_SIZE]));
        assert_eq!(parsed.hardware.report_data(), [9; 64]);
    }

    #[test]
    fn each_broken_field_has_its_error() {
        let change = |at: usize, bytes: &[u8]| {
            let mut report = report(2, 1, b"{}");
            report[at..at + bytes.len()].copy_from_slice(bytes);
            report
        };
        let mut tdx = report(4, 1, b"{}");
        assert_eq!(Report::parse(&tdx).unwrap_err().code(), "trailing-data");
        tdx[32 + 1024..32 + 1184].fill(0);
        assert!(matches!(Report::parse(&tdx).unwrap().hardware, Hardware::Tdx(_)));
        let cases = [
            (change(0, b"HCLB"), "bad-field"),
            (change(1216, &[23]), "bad-length"),
            (change(1220, &[2]), "unsupported-version"),
            (change(1224, &[3]), "bad-field"),
            (change(1228, &[0]), "bad-field"),
            (change(1228, &[4]), "bad-field"),
            (change(1232, &[3]), "bad-length"),
            (
                [change(1216, &[23])[..1232].to_vec(), vec![3, 0, 0, 0, b'{', b'}']].concat(),
                "evidence-truncated",
            ),
            ([report(2, 1, b"{}"), vec![0, 1]].concat(), "trailing-data"),
            (report(2, 1, b"{}")[..1235].to_vec(), "evidence-truncated"),
            (Vec::new(), "evidence-truncated"),
            (vec![0; MAX_SIZE + 1], "evidence-too-large"),
        ];
        for (number, (bytes, code)) in cases.into_iter().enumerate() {
            assert_eq!(Report::parse(&bytes).unwrap_err().code(), code, "case {number}");
        }
    }
}
