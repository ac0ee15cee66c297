//! The envelope: COSE_Sign1 (RFC 9052, sections 3 and 4.2).
//!
//! What is signed are the bytes of the protected header as they were received; they are kept and never encoded again.

use coset::cbor::Value;
use coset::iana::EnumI64;
use coset::{
    CborSerializable, ContentType, CoseError, CoseSign1, Header, Label, RegisteredLabelWithPrivate,
    TaggedCborSerializable,
};

use super::error::UvmError;
use crate::crypto::Scheme;

/// Real endorsements have 11 KiB, half of it certificates and half a time-stamp; chains may grow to a few times that.
pub const MAX_ENDORSEMENT_SIZE: usize = 64 * 1024;
/// The major type of tags, in the first byte of an item (RFC 8949, section 3.1).
const MAJOR_TYPE_TAG: u8 = 6;
/// Real endorsements have 7 protected headers and 1 unprotected one.
const MAX_HEADERS: usize = 64;

/// A COSE_Sign1 message, read but not verified.
pub(super) struct Message {
    inner: CoseSign1,
}

impl Message {
    /// Reads the whole of the bytes; tag 18 may be there or not.
    pub(super) fn open(bytes: &[u8]) -> Result<Self, UvmError> {
        if bytes.len() > MAX_ENDORSEMENT_SIZE {
            return Err(UvmError::TooLarge { size: bytes.len(), limit: MAX_ENDORSEMENT_SIZE });
        }
        let tagged = bytes.first().is_some_and(|first| first >> 5 == MAJOR_TYPE_TAG);
        let read = if tagged { CoseSign1::from_tagged_slice(bytes) } else { CoseSign1::from_slice(bytes) };
        let inner = read.map_err(|error| malformed(&error))?;
        if inner.protected.header.rest.len().max(inner.unprotected.rest.len()) > MAX_HEADERS {
            return Err(UvmError::Cose { problem: "it has too many headers" });
        }
        match inner.protected.original_data {
            Some(_) => Ok(Self { inner }),
            None => Err(UvmError::Cose { problem: "its protected header is not there" }),
        }
    }

    /// What else is wrong with the envelope.
    pub(super) fn problems(&self) -> Vec<UvmError> {
        let (protected, unprotected) = (&self.inner.protected.header, &self.inner.unprotected);
        let mut problems = Vec::new();
        // RFC 9052, section 3: a label should not stand in both headers.
        if labels(protected).any(|label| labels(unprotected).any(|other| other == label)) {
            problems.push(UvmError::DuplicateLabel);
        }
        if !protected.crit.is_empty() || !unprotected.crit.is_empty() {
            problems.push(UvmError::CriticalHeader);
        }
        if self.inner.payload.is_none() {
            problems.push(UvmError::Detached);
        }
        problems.extend(self.scheme().err());
        problems
    }

    /// The signature scheme that the protected header names (RFC 9053, section 2.1; RFC 8230, section 2).
    pub(super) fn scheme(&self) -> Result<Scheme, UvmError> {
        let found = match &self.inner.protected.header.alg {
            Some(RegisteredLabelWithPrivate::Assigned(algorithm)) => Some(algorithm.to_i64()),
            Some(RegisteredLabelWithPrivate::PrivateUse(number)) => Some(*number),
            _ => None,
        };
        match found {
            Some(-37) => Ok(Scheme::RsaPssSha256),
            Some(-38) => Ok(Scheme::RsaPssSha384),
            Some(-39) => Ok(Scheme::RsaPssSha512),
            Some(-7) => Ok(Scheme::EcdsaP256Sha256Fixed),
            Some(-35) => Ok(Scheme::EcdsaP384Sha384Fixed),
            other => {
                let found = other.map_or_else(|| "none".to_owned(), |number| number.to_string());
                Err(UvmError::Algorithm { found })
            }
        }
    }

    /// A protected header beside the common ones.
    pub(super) fn protected(&self, label: &Label) -> Option<&Value> {
        find(&self.inner.protected.header, label)
    }

    /// An unprotected header beside the common ones.
    pub(super) fn unprotected(&self, label: &Label) -> Option<&Value> {
        find(&self.inner.unprotected, label)
    }

    /// The protected content type, if it is text.
    pub(super) fn content_type(&self) -> Option<&str> {
        match &self.inner.protected.header.content_type {
            Some(ContentType::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn payload(&self) -> Option<&[u8]> {
        self.inner.payload.as_deref()
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.inner.signature
    }

    /// The `Sig_structure`, with the protected header's bytes as they were received.
    pub(super) fn signed_bytes(&self) -> Vec<u8> {
        self.inner.tbs_data(&[])
    }
}

fn malformed(error: &CoseError) -> UvmError {
    UvmError::Cose {
        problem: match error {
            CoseError::DuplicateMapKey => return UvmError::DuplicateLabel,
            CoseError::DecodeFailed(_) => "it is not CBOR",
            CoseError::ExtraneousData => "something stands after it",
            CoseError::UnregisteredIanaValue | CoseError::UnregisteredIanaNonPrivateValue => {
                "a header has a value that is not registered"
            }
            _ => "a part of it is not of the kind that should stand there",
        },
    }
}

/// The labels of a header: the common ones that can occur in a signed message, and all others.
fn labels(header: &Header) -> impl Iterator<Item = Label> {
    let common = [
        (1, header.alg.is_some()),
        (2, !header.crit.is_empty()),
        (3, header.content_type.is_some()),
        (4, !header.key_id.is_empty()),
        (5, !header.iv.is_empty()),
        (6, !header.partial_iv.is_empty()),
        (7, !header.counter_signatures.is_empty()),
    ];
    let common = common.into_iter().filter(|(_, present)| *present).map(|(label, _)| Label::Int(label));
    common.chain(header.rest.iter().map(|(label, _)| label.clone()))
}

fn find<'a>(header: &'a Header, label: &Label) -> Option<&'a Value> {
    header.rest.iter().find(|(other, _)| other == label).map(|(_, value)| value)
}
