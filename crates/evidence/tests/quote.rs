//! The quote parser against cuts, wrong lengths and arbitrary bytes: the exact error, and never a panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

use assay_evidence::ParseError;
use assay_evidence::sgx::{CertificationData, MAX_QE_AUTH_SIZE, MAX_QUOTE_SIZE, Quote};
use proptest::prelude::*;

const SIGNATURE_DATA: usize = 436;
const QE_AUTH_LENGTH: usize = SIGNATURE_DATA + 64 + 64 + 384 + 64;
/// Size of [`Sample::USUAL`].
const TOTAL: usize = QE_AUTH_LENGTH + 2 + 32 + 2 + 4 + 700;

/// A quote with bytes in every field that are not zero, so that no cut looks like padding and no shift like a length.
struct Sample {
    qe_auth: usize,
    certification: usize,
}

impl Sample {
    const USUAL: Self = Self { qe_auth: 32, certification: 700 };

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0xee; QE_AUTH_LENGTH];
        bytes[0..2].copy_from_slice(&3_u16.to_le_bytes());
        bytes[2..4].copy_from_slice(&2_u16.to_le_bytes());
        bytes.extend_from_slice(&u16::try_from(self.qe_auth).unwrap().to_le_bytes());
        bytes.resize(bytes.len() + self.qe_auth, 0xee);
        bytes.extend_from_slice(&5_u16.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(self.certification).unwrap().to_le_bytes());
        bytes.resize(bytes.len() + self.certification, 0xee);
        let length = u32::try_from(bytes.len() - SIGNATURE_DATA).unwrap();
        bytes[432..436].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    fn certification_length(&self) -> usize {
        QE_AUTH_LENGTH + 2 + self.qe_auth + 2
    }

    fn with_u32(&self, offset: usize, value: u32) -> Vec<u8> {
        let mut bytes = self.bytes();
        bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        bytes
    }

    fn with_u16(&self, offset: usize, value: u16) -> Vec<u8> {
        let mut bytes = self.bytes();
        bytes[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
        bytes
    }
}

fn error(bytes: &[u8]) -> ParseError {
    Quote::parse(bytes).map(|_| ()).unwrap_err()
}

fn message(bytes: &[u8]) -> String {
    error(bytes).to_string()
}

/// Where a cut is noticed: in the header each field by itself, then the signed part as a whole.
fn cut_field(cut: usize, total: usize) -> (&'static str, usize, usize) {
    let header = [
        ("version", 0, 2),
        ("attestation key type", 2, 2),
        ("reserved", 4, 4),
        ("QE SVN", 8, 2),
        ("PCE SVN", 10, 2),
        ("QE vendor id", 12, 16),
        ("user data", 28, 20),
    ];
    let found = header.into_iter().find(|(_, offset, size)| cut < offset + size);
    match found {
        Some(field) => field,
        None if cut < 432 => ("header and report body", 0, 432),
        None if cut < SIGNATURE_DATA => ("signature data length", 432, 4),
        None => ("signature data", SIGNATURE_DATA, total - SIGNATURE_DATA),
    }
}

fn assert_every_cut(sample: &Sample) {
    let bytes = sample.bytes();
    for cut in 0..bytes.len() {
        let (field, offset, needed) = cut_field(cut, bytes.len());
        let expected = ParseError::Truncated { field, offset, needed, available: cut - offset };
        assert_eq!(error(&bytes[..cut]), expected, "cut at {cut}");
    }
}

#[test]
fn the_sample_is_a_quote() {
    let bytes = Sample::USUAL.bytes();
    let quote = Quote::parse(&bytes).unwrap();
    assert_eq!((quote.bytes, quote.qe_auth_data), (&bytes[..], &[0xee; 32][..]));
    assert_eq!(quote.certification, CertificationData::PckChain(&[0xee; 700]));
    assert!(!quote.report.reserved_is_zero);
}

#[test]
fn a_cut_at_any_offset_names_the_field_that_is_missing() {
    assert_every_cut(&Sample::USUAL);
    assert_every_cut(&Sample { qe_auth: 0, certification: 1 });
}

#[test]
fn one_byte_more_or_less_in_a_length_is_refused() {
    let sample = Sample::USUAL;
    let (bytes, place) = (sample.bytes(), sample.certification_length());
    let (total, length) = (bytes.len(), u32::try_from(bytes.len() - SIGNATURE_DATA).unwrap());
    let cases = [
        (sample.with_u32(432, length + 1), "signature data needs 1317 bytes at offset 436, 1316 are left"),
        (
            sample.with_u32(432, length - 1),
            "1 bytes follow the evidence from offset 1751, and they are not all zero",
        ),
        (sample.with_u32(place, 701), "certification data needs 701 bytes at offset"),
        (sample.with_u32(place, 699), "signature data is 1316 bytes long, exactly 1315 were expected"),
        // Type and length are then read one byte beside their place: the bytes around 700 make another number.
        (sample.with_u16(QE_AUTH_LENGTH, 33), "certification data needs 3992977410 bytes at offset"),
        (sample.with_u16(QE_AUTH_LENGTH, 31), "certification data needs 179200 bytes at offset"),
    ];
    assert_eq!(total, TOTAL);
    for (number, (bytes, expected)) in cases.iter().enumerate() {
        assert!(message(bytes).contains(expected), "case {number}: {}", message(bytes));
    }
}

#[test]
fn only_one_length_of_the_authentication_data_fits() {
    let sample = Sample::USUAL;
    for length in (0..=u16::MAX).filter(|length| *length != 32) {
        let found = error(&sample.with_u16(QE_AUTH_LENGTH, length));
        let length = usize::from(length);
        if length > MAX_QE_AUTH_SIZE {
            let expected =
                format!("QE authentication data is {length} bytes long, at most 1024 were expected");
            assert_eq!(found.to_string(), expected);
        } else {
            assert!(matches!(found, ParseError::Truncated { .. }), "{length}: {found:?}");
        }
    }
}

#[test]
fn only_zero_bytes_may_follow() {
    let bytes = Sample::USUAL.bytes();
    for count in [1, 2, 1000] {
        let mut padded = bytes.clone();
        padded.resize(bytes.len() + count, 0);
        assert_eq!(Quote::parse(&padded).unwrap().bytes, bytes);
        *padded.last_mut().unwrap() = 1;
        assert_eq!(error(&padded), ParseError::TrailingData { offset: bytes.len(), count });
    }
    let mut huge = bytes;
    huge.resize(MAX_QUOTE_SIZE, 0);
    assert!(Quote::parse(&huge).is_ok());
    huge.push(0);
    assert_eq!(error(&huge), ParseError::TooLarge { size: MAX_QUOTE_SIZE + 1, limit: MAX_QUOTE_SIZE });
}

#[test]
fn other_versions_key_types_and_certification_types_are_refused() {
    let sample = Sample::USUAL;
    for value in 0..=u16::MAX {
        if value != 3 {
            let expected = ParseError::UnsupportedVersion { format: "quote", found: value.into() };
            assert_eq!(error(&sample.with_u16(0, value)), expected);
        }
        if value != 2 {
            assert_eq!(error(&sample.with_u16(2, value)), ParseError::UnsupportedKeyType { found: value });
        }
        let bytes = sample.with_u16(sample.certification_length() - 2, value);
        match (value, Quote::parse(&bytes)) {
            (1..=5 | 7, Ok(quote)) => assert_eq!(quote.certification.type_number(), value),
            (_, Err(found)) => assert_eq!(found, ParseError::UnknownCertificationData { found: value }),
            (_, Ok(_)) => panic!("type {value} was accepted"),
        }
    }
}

proptest! {
    // There is no source file beside which failures could be kept; proptest prints the smallest one.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_other_length_of_the_signature_data_is_refused(length: u32, near in 0_u32..4000) {
        let bytes = Sample::USUAL.bytes();
        let right = bytes.len() - SIGNATURE_DATA;
        for length in [length, near] {
            let found = length as usize;
            if found == right {
                continue;
            }
            let expected = if found > right {
                let (field, offset) = ("signature data", SIGNATURE_DATA);
                ParseError::Truncated { field, offset, needed: found, available: right }
            } else {
                ParseError::TrailingData { offset: SIGNATURE_DATA + found, count: right - found }
            };
            prop_assert_eq!(error(&Sample::USUAL.with_u32(432, length)), expected);
        }
    }

    #[test]
    fn any_other_length_of_the_certification_data_is_refused(length: u32, near in 0_u32..1400) {
        let sample = Sample::USUAL;
        for length in [length, near] {
            let found = length as usize;
            if found == sample.certification {
                continue;
            }
            let expected = if found > sample.certification {
                format!("the evidence ends early: certification data needs {found} bytes at offset ")
            } else {
                let whole = sample.bytes().len() - SIGNATURE_DATA;
                let rest = whole - sample.certification + found;
                format!("signature data is {whole} bytes long, exactly {rest} were expected")
            };
            let message = message(&sample.with_u32(sample.certification_length(), length));
            prop_assert!(message.starts_with(&expected), "{message}");
        }
    }

    #[test]
    fn quotes_of_any_shape_are_read_back(qe_auth in 0..=MAX_QE_AUTH_SIZE, certification in 1_usize..20_000) {
        let bytes = Sample { qe_auth, certification }.bytes();
        let quote = Quote::parse(&bytes).unwrap();
        prop_assert_eq!(quote.qe_auth_data.len(), qe_auth);
        let expected = vec![0xee; certification];
        prop_assert_eq!(quote.certification, CertificationData::PckChain(&expected));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let _ = Quote::parse(&bytes);
        // Most of them fail at the version, so once more behind a good head.
        let mut behind = Sample::USUAL.bytes();
        behind.truncate(SIGNATURE_DATA);
        behind[432..].copy_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
        behind.extend_from_slice(&bytes);
        if let Ok(quote) = Quote::parse(&behind) {
            prop_assert_eq!(quote.bytes, &behind[..]);
        }
    }

    #[test]
    fn a_changed_byte_never_panics(offset in 0..TOTAL, value: u8) {
        let mut bytes = Sample::USUAL.bytes();
        bytes[offset] = value;
        let is_length = |place: usize, size: usize| (place..place + size).contains(&offset);
        let sample = Sample::USUAL;
        let place = sample.certification_length();
        let matters = offset < 4 || is_length(432, 4) || is_length(QE_AUTH_LENGTH, 2) || is_length(place - 2, 6);
        if !matters {
            // Values are for the verifier: the shape stays.
            prop_assert!(Quote::parse(&bytes).is_ok());
        } else {
            let _ = Quote::parse(&bytes);
        }
    }
}
