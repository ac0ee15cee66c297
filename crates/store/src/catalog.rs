//! Names of heads and chains, and how large things may be. What the documents mean is for those who store them.

use std::fmt;
use std::str::FromStr;

use crate::StoreError;

/// Longest name of a head or chain, in bytes: room for three segments of 63, the longest DNS label (RFC 1035, 2.3.4).
pub const NAME_MAX: usize = 200;
/// Longest name of a lease's holder, in bytes.
pub const HOLDER_MAX: usize = 200;
/// Largest blob: a policy text may have 1 MiB and grows by base64 twice inside its signed form; collateral is far below.
pub const BLOB_MAX: usize = 4 * 1024 * 1024;
/// Largest record body: digests and checks of one decision take a few KiB; claims of an event log some tens.
pub const RECORD_MAX: usize = 256 * 1024;
/// Most blobs, and most head changes, in one change: an act on every policy type of a provider with room to spare.
pub const CHANGE_PARTS_MAX: usize = 64;
/// Most records in one change.
pub const CHANGE_RECORDS_MAX: usize = 256;
/// Most bytes of blobs and records in one change.
pub const CHANGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most entries in one page of a listing.
pub const PAGE_MAX: usize = 1000;
/// A page of records ends once it holds this many bytes, though it always holds one record.
pub const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Longest lease, in seconds: a node that died must not block work for longer than a day.
pub const LEASE_MAX: u64 = 24 * 60 * 60;
/// Last time a record or lease may carry, in unix seconds: the end of the year 9999, the last that RFC 3339 can write.
pub const TIME_MAX: u64 = 253_402_300_799;

/// Heads of providers: `provider/{name}`.
pub const PROVIDER: &str = "provider";
/// Heads of policies: `policy/{provider}/{type}`.
pub const POLICY: &str = "policy";
/// Heads of key records: `keys/{provider}`.
pub const KEYS: &str = "keys";
/// Heads of signer sets: `signers/{provider}`.
pub const SIGNERS: &str = "signers";
/// Heads of collateral sets: `collateral/...`.
pub const COLLATERAL: &str = "collateral";

/// The one rule for names.
const RULE: &str = "at most 200 bytes of `a`-`z`, `0`-`9`, `-` and `.`, in segments separated by `/`; a segment is not empty and \
                    does not begin with `.`";

/// Declares a kind of name; kinds differ so that a chain is not taken for a head.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(String);

        impl $name {
            /// Takes a whole name.
            ///
            /// # Errors
            /// `invalid-name`.
            pub fn new(text: &str) -> Result<Self, StoreError> {
                if text.len() > NAME_MAX || !text.split('/').all(is_segment) {
                    return Err(StoreError::InvalidName { name: shortened(text), rule: RULE });
                }
                Ok(Self(text.to_owned()))
            }

            /// Joins segments with `/`. A segment that has a `/` in it is refused, so that a caller's text cannot reach
            /// into someone else's names.
            ///
            /// # Errors
            /// `invalid-name`.
            pub fn join(segments: &[&str]) -> Result<Self, StoreError> {
                if let Some(bad) = segments.iter().find(|segment| !is_segment(segment)) {
                    return Err(StoreError::InvalidName { name: shortened(bad), rule: RULE });
                }
                Self::new(&segments.join("/"))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = StoreError;

            fn from_str(text: &str) -> Result<Self, StoreError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

name!(
    /// The name of a head or of a lease: a path such as `policy/contoso/sgx-enclave`.
    HeadName
);
name!(
    /// The name of a chain of records, such as `decisions/contoso`.
    ChainName
);

impl HeadName {
    /// Whether this name lies below `folder`, by whole segments: `policy/ab` is not below `policy/a`.
    #[must_use]
    pub fn is_below(&self, folder: &Self) -> bool {
        self.0.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// The head of a provider.
///
/// # Errors
/// `invalid-name`.
pub fn provider(name: &str) -> Result<HeadName, StoreError> {
    HeadName::join(&[PROVIDER, name])
}

/// The head of a provider's policy for one type of attestation, written in lower case.
///
/// # Errors
/// `invalid-name`.
pub fn policy(provider: &str, attestation_type: &str) -> Result<HeadName, StoreError> {
    HeadName::join(&[POLICY, provider, attestation_type])
}

/// The head of a provider's key records.
///
/// # Errors
/// `invalid-name`.
pub fn keys(provider: &str) -> Result<HeadName, StoreError> {
    HeadName::join(&[KEYS, provider])
}

/// The head of a provider's signer set.
///
/// # Errors
/// `invalid-name`.
pub fn signers(provider: &str) -> Result<HeadName, StoreError> {
    HeadName::join(&[SIGNERS, provider])
}

/// Dots are refused in front so that no name reads as `.` or `..` where it becomes a file name.
fn is_segment(segment: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(allowed)
}

/// The beginning of a text from outside, for a message.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_have_one_rule() {
        let longest = "a".repeat(NAME_MAX);
        for good in ["a", "provider/contoso", "policy/c-1/sgx.v2/x", longest.as_str()] {
            assert_eq!(HeadName::new(good).unwrap().as_str(), good);
        }
        let too_long = "a".repeat(NAME_MAX + 1);
        let bad = [
            "", "/", "a/", "/a", "a//b", "A", "a b", "a_b", "a%", "ä", "..", "a/../b", ".a", "a\0", &too_long,
        ];
        for bad in bad {
            let expected = StoreError::InvalidName { name: shortened(bad), rule: RULE };
            assert_eq!(HeadName::new(bad), Err(expected.clone()), "{bad}");
            assert_eq!(ChainName::new(bad), Err(expected), "{bad}");
        }
    }

    #[test]
    fn a_segment_cannot_reach_elsewhere() {
        assert_eq!(policy("contoso", "tpm").unwrap().as_str(), "policy/contoso/tpm");
        let expected = StoreError::InvalidName { name: "a/b".to_owned(), rule: RULE };
        assert_eq!(provider("a/b"), Err(expected));
        let (folder, inside) = (HeadName::new("policy/a").unwrap(), HeadName::new("policy/a/x").unwrap());
        assert!(inside.is_below(&folder));
        assert!(!HeadName::new("policy/ab/x").unwrap().is_below(&folder));
        assert!(!folder.is_below(&folder));
    }
}
