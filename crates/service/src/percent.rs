//! Percent-encoding (RFC 3986, section 2.1) as the vendors' clients write and read it.

use std::borrow::Cow;

/// Encodes all but the unreserved characters. Never `+` for a space: Intel's client would keep it.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len().saturating_add(64));
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            push_escaped(&mut encoded, byte);
        }
    }
    encoded
}

/// By hand: it is done to each line of each chain that is given out, and formatting takes ten times as long.
fn push_escaped(text: &mut String, byte: u8) {
    let digit = |half: u8| char::from_digit(half.into(), 16).map(|digit| digit.to_ascii_uppercase());
    text.push('%');
    text.extend([digit(byte.div_euclid(16)), digit(byte.rem_euclid(16))].into_iter().flatten());
}

/// The converse; `None` for text that ends within an escape, has a bad one, or is not UTF-8. A plus sign stands for itself.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut decoded = [0];
        hex::decode_to_slice([rest.next()?, rest.next()?], &mut decoded).ok()?;
        bytes.extend(decoded);
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(encode("-----BEGIN A-----\na+/=\n"), "-----BEGIN%20A-----%0Aa%2B%2F%3D%0A");
        assert_eq!(encode("\u{0}\u{ff}"), "%00%C3%BF");
        for text in ["", "plain", "a b\n%+ä", "100%"] {
            assert_eq!(decode(&encode(text)).unwrap(), text);
        }
        assert_eq!(decode("a+b"), Some(Cow::Borrowed("a+b")));
    }

    #[test]
    fn what_is_not_encoded_correctly() {
        for bad in ["%", "%0", "%g0", "a%", "%ff"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
