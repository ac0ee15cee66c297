//! Tokens that are configured by their digest, so that the configuration does not hold them.

use std::fmt;

use aws_lc_rs::{constant_time, digest};

/// SHA-512 of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenDigest([u8; 64]);

impl TokenDigest {
    /// 128 hexadecimal digits, as Intel's PCCS keeps tokens.
    ///
    /// # Errors
    /// What is expected. The text is never repeated: somebody may have put the token itself there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut bytes = [0; 64];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| {
            "a token is given by its SHA-512, 128 hexadecimal digits: `printf %s TOKEN | sha512sum`"
                .to_owned()
        })?;
        Ok(Self(bytes))
    }

    /// Whether this is the token; compares digests in a time that does not depend on them.
    #[must_use]
    pub fn is_of(&self, token: &[u8]) -> bool {
        let given = digest::digest(&digest::SHA512, token);
        constant_time::verify_slices_are_equal(&self.0, given.as_ref()).is_ok()
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_fits() {
        let digest = TokenDigest::parse(&hex::encode(digest::digest(&digest::SHA512, b"secret"))).unwrap();
        assert!(digest.is_of(b"secret"));
        for other in [&b""[..], b"secre", b"secret ", b"Secret"] {
            assert!(!digest.is_of(other));
        }
        assert_eq!(format!("{digest:?}"), "TokenDigest(..)");
        let error = TokenDigest::parse("secret").unwrap_err();
        assert!(error.contains("SHA-512") && !error.contains("secret"), "{error}");
    }
}
