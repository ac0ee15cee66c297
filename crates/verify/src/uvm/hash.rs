//! The three hashes that endorsements, their issuers' names and time-stamps may use, by each of their names.

use der::asn1::ObjectIdentifier;
use der::{AnyRef, Decode, Reader, SliceReader, Tag, Tagged};

use crate::crypto::{sha256, sha384, sha512};

/// A hash of the SHA-2 family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// The name in a did:x509 (version 0, `ca-fingerprint-alg`).
    pub(super) fn from_did(name: &str) -> Option<Self> {
        match name {
            "sha256" => Some(Self::Sha256),
            "sha384" => Some(Self::Sha384),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The COSE algorithm (RFC 9054, section 5).
    pub(super) const fn from_cose(algorithm: i128) -> Option<Self> {
        match algorithm {
            -16 => Some(Self::Sha256),
            -43 => Some(Self::Sha384),
            -44 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// An `AlgorithmIdentifier` whose parameters are NULL or absent (RFC 5754, section 2).
    pub(super) fn from_identifier(identifier: AnyRef<'_>) -> Option<Self> {
        const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
        const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
        const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
        match plain_algorithm(identifier)? {
            SHA256 => Some(Self::Sha256),
            SHA384 => Some(Self::Sha384),
            SHA512 => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(super) fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => sha256(&[bytes]).to_vec(),
            Self::Sha384 => sha384(&[bytes]).to_vec(),
            Self::Sha512 => sha512(&[bytes]).to_vec(),
        }
    }
}

/// The object identifier of an `AlgorithmIdentifier` whose parameters are NULL or absent.
pub(super) fn plain_algorithm(identifier: AnyRef<'_>) -> Option<ObjectIdentifier> {
    if identifier.tag() != Tag::Sequence {
        return None;
    }
    let mut reader = SliceReader::new(identifier.value()).ok()?;
    let oid = ObjectIdentifier::decode(&mut reader).ok()?;
    if !reader.is_finished() && AnyRef::decode(&mut reader).ok()?.tag() != Tag::Null {
        return None;
    }
    reader.is_finished().then_some(oid)
}
