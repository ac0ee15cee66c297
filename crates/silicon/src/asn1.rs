//! A writer for DER (ITU-T X.690), small enough to write forms that a strict encoder would refuse.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::error::SiliconError;

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT_IDENTIFIER: u8 = 0x06;
const ENUMERATED: u8 = 0x0a;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// Context-specific, constructed, number 0.
const CONTEXT: u8 = 0xa0;
/// Context-specific, primitive, number 0.
const CONTEXT_PRIMITIVE: u8 = 0x80;

/// Tag, length, content.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag][..], &length(content.len()), content].concat()
}

/// X.690 section 8.1.3: one byte below 128, else the number of length bytes and the bytes.
fn length(size: usize) -> Vec<u8> {
    match u8::try_from(size) {
        Ok(short) if short < 0x80 => vec![short],
        _ => {
            let bytes: Vec<u8> = size.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
            let count = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
            [&[0x80 | count][..], &bytes].concat()
        }
    }
}

pub(crate) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

pub(crate) fn set(part: &[u8]) -> Vec<u8> {
    tlv(SET, part)
}

pub(crate) fn boolean(value: bool) -> Vec<u8> {
    tlv(BOOLEAN, &[if value { 0xff } else { 0 }])
}

/// An unsigned integer from its big-endian bytes: no leading zeros but the one that keeps it positive.
pub(crate) fn unsigned(big_endian: &[u8]) -> Vec<u8> {
    let mut content: Vec<u8> = big_endian.iter().copied().skip_while(|b| *b == 0).collect();
    if content.first().is_none_or(|first| *first >= 0x80) {
        content.insert(0, 0);
    }
    tlv(INTEGER, &content)
}

pub(crate) fn enumerated(value: u8) -> Vec<u8> {
    tlv(ENUMERATED, &[value])
}

pub(crate) fn octets(content: &[u8]) -> Vec<u8> {
    tlv(OCTET_STRING, content)
}

/// A bit string whose last byte has `unused` bits to ignore.
pub(crate) fn bits(unused: u8, content: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[unused][..], content].concat())
}

/// An object identifier whose content is already encoded.
pub(crate) fn oid(encoded: &[u8]) -> Vec<u8> {
    tlv(OBJECT_IDENTIFIER, encoded)
}

pub(crate) fn utf8(text: &str) -> Vec<u8> {
    tlv(UTF8_STRING, text.as_bytes())
}

pub(crate) fn printable(text: &str) -> Vec<u8> {
    tlv(PRINTABLE_STRING, text.as_bytes())
}

pub(crate) fn ia5(text: &str) -> Vec<u8> {
    tlv(IA5_STRING, text.as_bytes())
}

pub(crate) fn null() -> Vec<u8> {
    tlv(NULL, &[])
}

/// `[number]` around a whole value, or around the content of a constructed one.
pub(crate) fn context(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(CONTEXT | number, content)
}

/// `[number] IMPLICIT` around the content of a primitive value.
pub(crate) fn context_primitive(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(CONTEXT_PRIMITIVE | number, content)
}

/// RFC 5280, section 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050.
pub(crate) fn time(seconds: i64) -> Result<Vec<u8>, SiliconError> {
    let timestamp = timestamp(seconds)?;
    let date = TimeZone::UTC.to_datetime(timestamp);
    Ok(match date.year() {
        1950..=2049 => tlv(UTC_TIME, date.strftime("%y%m%d%H%M%SZ").to_string().as_bytes()),
        _ => tlv(GENERALIZED_TIME, date.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes()),
    })
}

/// The same date and time some years later.
pub(crate) fn years_after(seconds: i64, years: i64) -> Result<i64, SiliconError> {
    let out_of_range = |_| SiliconError::TimeOutOfRange { seconds };
    let start = timestamp(seconds)?.to_zoned(TimeZone::UTC);
    let end = start.checked_add(jiff::Span::new().try_years(years).map_err(out_of_range)?);
    Ok(end.map_err(out_of_range)?.timestamp().as_second())
}

/// RFC 3339 with a `Z`, as Intel's JSON documents have it.
pub(crate) fn rfc3339(seconds: i64) -> Result<String, SiliconError> {
    Ok(timestamp(seconds)?.to_string())
}

fn timestamp(seconds: i64) -> Result<Timestamp, SiliconError> {
    Timestamp::from_second(seconds).map_err(|_| SiliconError::TimeOutOfRange { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_shortest_form() {
        assert_eq!(tlv(4, &[7; 127]).get(..2), Some(&[4, 127][..]));
        assert_eq!(tlv(4, &[7; 128]).get(..3), Some(&[4, 0x81, 128][..]));
        assert_eq!(tlv(4, &[7; 256]).get(..4), Some(&[4, 0x82, 1, 0][..]));
    }

    #[test]
    fn integers_are_minimal_and_positive() {
        assert_eq!(unsigned(&[]), [2, 1, 0]);
        assert_eq!(unsigned(&[0, 0]), [2, 1, 0]);
        assert_eq!(unsigned(&[0, 127]), [2, 1, 127]);
        assert_eq!(unsigned(&[255]), [2, 2, 0, 255]);
        assert_eq!(unsigned(&[1, 0]), [2, 2, 1, 0]);
    }

    #[test]
    fn times_change_their_form_in_2050() {
        assert_eq!(time(2_524_607_999).unwrap(), [&[0x17, 13][..], b"491231235959Z"].concat());
        assert_eq!(time(2_524_608_000).unwrap(), [&[0x18, 15][..], b"20500101000000Z"].concat());
        assert_eq!(time(i64::MAX).unwrap_err(), SiliconError::TimeOutOfRange { seconds: i64::MAX });
        assert_eq!(rfc3339(1_749_028_772).unwrap(), "2025-06-04T09:19:32Z");
    }
}
