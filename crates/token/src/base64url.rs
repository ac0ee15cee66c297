//! base64url (RFC 4648 section 5) as it comes over the wire.
//!
//! Both decoders refuse white space, foreign characters and non-zero trailing bits: otherwise one value has several
//! spellings, and a signature over the text could be moved to another text.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_PAD_INDIFFERENT, URL_SAFE, URL_SAFE_NO_PAD};

use crate::TokenError;

/// Unpadded, in the URL alphabet.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads exactly what [`encode`] writes.
///
/// # Errors
/// [`TokenError::Base64`] for padding, another alphabet, or anything that is not base64url.
pub fn decode_strict(text: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Base64 { part: "value" })
}

/// Also accepts correct padding and the standard alphabet, as clients of Azure Attestation send them (the Go sidecar
/// pads, the 2025 example uses `+/`).
///
/// # Errors
/// [`TokenError::Base64`] for wrong padding and anything that is in neither alphabet.
pub fn decode_lenient(text: &str) -> Result<Vec<u8>, TokenError> {
    let engine = if text.ends_with('=') { &URL_SAFE } else { &URL_SAFE_NO_PAD };
    let decoded = if text.contains('+') || text.contains('/') {
        engine.decode(text.replace('+', "-").replace('/', "_"))
    } else {
        engine.decode(text)
    };
    decoded.map_err(|_| TokenError::Base64 { part: "value" })
}

/// Standard base64 with padding: the form of `x5c` (RFC 7515 section 4.1.6) and of our key ids.
pub(crate) fn encode_standard(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn decode_standard(text: &str) -> Result<Vec<u8>, TokenError> {
    STANDARD_PAD_INDIFFERENT.decode(text).map_err(|_| TokenError::Base64 { part: "x5c" })
}

/// Names the part of the message that was not base64url.
pub(crate) fn named(part: &'static str) -> impl Fn(TokenError) -> TokenError {
    move |_| TokenError::Base64 { part }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const REFUSED: TokenError = TokenError::Base64 { part: "value" };

    #[test]
    fn both_ways() {
        assert_eq!(encode(&[0xfb, 0xff, 0xfe]), "-__-");
        assert_eq!(decode_strict("-__-").unwrap(), [0xfb, 0xff, 0xfe]);
        assert_eq!(decode_strict("").unwrap(), b"");
    }

    #[test]
    fn what_only_the_lenient_decoder_accepts() {
        for text in ["+//+", "-_/+", "YQ==", "YWI="] {
            assert_eq!(decode_strict(text), Err(REFUSED), "{text}");
            assert!(decode_lenient(text).is_ok(), "{text}");
        }
        assert_eq!(decode_lenient("YQ==").unwrap(), b"a");
        assert_eq!(decode_lenient("YQ").unwrap(), b"a");
    }

    #[test]
    fn what_no_decoder_accepts() {
        // Partial padding, padding alone, a lone character, trailing bits, white space, foreign characters.
        for text in ["YQ=", "=", "==", "Y", "YR", "YWJ", "YQ==\n", "Y Q", "Y.Q", "YQ==YQ==", "Yé", "YWJj===="]
        {
            assert_eq!(decode_strict(text), Err(REFUSED), "{text}");
            assert_eq!(decode_lenient(text), Err(REFUSED), "{text}");
        }
    }
}
