//! The Open Enclave remote report: a 16-byte header in front of an SGX quote.
//!
//! `u32 version = 1, u32 type = 2, u64 size` (little-endian), then the quote of exactly that size (Open Enclave SDK,
//! `include/openenclave/internal/report.h`).

use crate::cursor::Cursor;
use crate::error::{LengthRule, ParseError};
use crate::sgx;

/// Size of the header in bytes.
pub const HEADER_SIZE: usize = 16;
const VERSION: u32 = 1;
/// `OE_REPORT_TYPE_SGX_REMOTE`; local reports (type 1) are MAC'd for one machine and are no evidence elsewhere.
const TYPE_SGX_REMOTE: u32 = 2;

/// An Open Enclave remote report.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The quote inside, not parsed yet. Padding after it is gone.
    pub quote: &'a [u8],
}

impl<'a> Report<'a> {
    /// Reads the header and checks that it describes what follows.
    ///
    /// # Errors
    /// A [`ParseError`] naming the first rule broken.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let limit = sgx::MAX_QUOTE_SIZE.saturating_add(HEADER_SIZE);
        if bytes.len() > limit {
            return Err(ParseError::TooLarge { size: bytes.len(), limit });
        }
        let mut cursor = Cursor::new(bytes);
        let version = cursor.u32("report version")?;
        if version != VERSION {
            return Err(ParseError::UnsupportedVersion { format: "Open Enclave report", found: version });
        }
        let report_type = cursor.u32("report type")?;
        if report_type != TYPE_SGX_REMOTE {
            return Err(ParseError::BadField {
                field: "report type",
                found: u64::from(report_type),
                expected: u64::from(TYPE_SGX_REMOTE),
            });
        }
        let size = cursor.u64("report size")?;
        // A size beyond the address space cannot be there either.
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let quote = cursor.slice(size, "quote").map_err(|_| ParseError::BadLength {
            field: "report size",
            found: size,
            expected: LengthRule::AtMost(bytes.len().saturating_sub(HEADER_SIZE)),
        })?;
        sgx::refuse_trailing(&cursor)?;
        Ok(Self { quote })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(version: u32, kind: u32, size: u64, body: &[u8]) -> Vec<u8> {
        [&version.to_le_bytes()[..], &kind.to_le_bytes(), &size.to_le_bytes(), body].concat()
    }

    #[test]
    fn header_is_read_and_padding_dropped() {
        let bytes = report(1, 2, 3, &[7, 8, 9, 0, 0]);
        assert_eq!(Report::parse(&bytes).unwrap().quote, [7, 8, 9]);
    }

    #[test]
    fn each_broken_header_field_has_its_error() {
        let cases = [
            (
                report(2, 2, 0, &[]),
                ParseError::UnsupportedVersion { format: "Open Enclave report", found: 2 },
            ),
            (report(1, 1, 0, &[]), ParseError::BadField { field: "report type", found: 1, expected: 2 }),
            (
                report(1, 2, 4, &[1, 2, 3]),
                ParseError::BadLength { field: "report size", found: 4, expected: LengthRule::AtMost(3) },
            ),
            (
                report(1, 2, u64::MAX, &[1]),
                ParseError::BadLength {
                    field: "report size",
                    found: usize::MAX,
                    expected: LengthRule::AtMost(1),
                },
            ),
            (report(1, 2, 2, &[1, 2, 0, 3]), ParseError::TrailingData { offset: 18, count: 2 }),
            (
                vec![1, 0, 0, 0, 2, 0],
                ParseError::Truncated { field: "report type", offset: 4, needed: 4, available: 2 },
            ),
        ];
        for (bytes, error) in cases {
            assert_eq!(Report::parse(&bytes).unwrap_err(), error);
        }
    }
}
