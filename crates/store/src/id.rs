//! Identifiers: opaque bytes of fixed length, written as lower-case hex.

use std::fmt;
use std::str::FromStr;

use crate::catalog::shortened;
use crate::{HeadName, StoreError};

/// Declares an identifier of `$size` bytes with one spelling: `2 * $size` lower-case hex digits.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $size:literal, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name([u8; $size]);

        impl $name {
            /// Takes the bytes as they are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $size]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = StoreError;

            fn from_str(text: &str) -> Result<Self, StoreError> {
                let mut bytes = [0; $size];
                // One spelling per identifier, so that upper case cannot make a second one.
                let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
                if !lower || hex::decode_to_slice(text, &mut bytes).is_err() {
                    return Err(StoreError::InvalidName { name: shortened(text), rule: $rule });
                }
                Ok(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

identifier!(
    /// The SHA-256 digest of a document, which is its address.
    Digest, 32, "64 lower-case hex digits"
);
identifier!(
    /// The state of a head: an opaque token that never comes again.
    Revision, 16, "32 lower-case hex digits"
);
identifier!(
    /// Names a record: 128 random bits chosen by the caller.
    RecordId, 16, "32 lower-case hex digits"
);
identifier!(
    /// Names a change: 128 random bits chosen by the caller, the same ones when it sends the change again.
    ChangeId, 16, "32 lower-case hex digits"
);

impl Digest {
    /// What the first record of a chain has as the hash of the record before it.
    pub const ZERO: Self = Self([0; 32]);

    /// The digest of a document.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.raw(bytes);
        hasher.finish()
    }
}

impl Revision {
    /// The revision that a change gives to a head.
    ///
    /// It is derived, so that a change sent again is answered with the same tokens without storing them. The change's 128
    /// random bits make it as unpredictable and as unlikely to repeat as a random token.
    pub(crate) fn of(change: &ChangeId, head: &HeadName) -> Self {
        let mut hasher = Hasher::default();
        hasher.raw(b"assay-store revision v1\0");
        hasher.raw(change.as_bytes());
        hasher.field(head.as_str().as_bytes());
        let mut revision = [0; 16];
        for (to, from) in revision.iter_mut().zip(hasher.finish().as_bytes()) {
            *to = *from;
        }
        Self(revision)
    }
}

/// SHA-256 over fields; those of variable length are preceded by their length, so that no two lists of fields collide.
pub(crate) struct Hasher(aws_lc_rs::digest::Context);

impl Default for Hasher {
    fn default() -> Self {
        Self(aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256))
    }
}

impl Hasher {
    /// Adds bytes of a length that the format fixes.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds a number as 8 bytes, most significant first.
    pub(crate) fn number(&mut self, number: u64) {
        self.raw(&number.to_be_bytes());
    }

    /// Adds bytes of any length, after their length.
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        // No platform has lengths of more than 64 bits.
        self.number(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.raw(bytes);
    }

    /// The digest of all that was added.
    pub(crate) fn finish(self) -> Digest {
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(self.0.finish().as_ref()) {
            *to = *from;
        }
        Digest(digest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn digest_is_sha256_and_has_one_spelling() {
        // FIPS 180-4 example: SHA-256 of "abc".
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), text);
        assert_eq!(text.parse::<Digest>().unwrap(), Digest::of(b"abc"));
        let rule = "64 lower-case hex digits";
        for bad in [text.to_uppercase(), text.replace('b', "g"), text.trim_end_matches('d').to_owned()] {
            let name = shortened(&bad);
            assert_eq!(bad.parse::<Digest>(), Err(StoreError::InvalidName { name, rule }));
        }
    }

    #[test]
    fn revisions_differ_by_change_and_head() {
        let (one, two) = (ChangeId::from_bytes([1; 16]), ChangeId::from_bytes([2; 16]));
        let (a, b) = (HeadName::new("a").unwrap(), HeadName::new("b").unwrap());
        assert_eq!(Revision::of(&one, &a), Revision::of(&one, &a));
        assert_ne!(Revision::of(&one, &a), Revision::of(&two, &a));
        assert_ne!(Revision::of(&one, &a), Revision::of(&one, &b));
    }
}
