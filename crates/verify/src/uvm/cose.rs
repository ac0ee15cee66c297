//! The envelope: COSE_Sign1 (RFC 9052, sections 3 and 4.2).
//!
//! What is signed are the bytes of the protected header as they were received; they are kept and never encoded again.
//!
//! Both headers are read under a limit of depth, and screened before they are given meaning: a counter-signature has headers
//! of its own in a byte string, which begins a new item, so readers that follow it nest as deep as the sender likes.

use coset::cbor::Value;
use coset::cbor::de::{Error as CborError, from_reader_with_recursion_limit};
use coset::iana::EnumI64;
use coset::{
    AsCborValue, ContentType, CoseError, CoseSign1, Header, Label, ProtectedHeader,
    RegisteredLabelWithPrivate,
};

use super::error::UvmError;
use crate::crypto::Scheme;

/// Real endorsements have 11 KiB, half of it certificates and half a time-stamp; chains may grow to a few times that.
pub const MAX_ENDORSEMENT_SIZE: usize = 64 * 1024;
/// COSE_Sign1 (RFC 9052, section 4.2).
const TAG_COSE_SIGN1: u64 = 18;
/// Real endorsements have 7 protected headers and 1 unprotected one.
const MAX_HEADERS: usize = 64;
/// Real endorsements have 3 levels: tag, array and map; or map, map of claims and tag in the protected header.
const MAX_DEPTH: usize = 16;
/// Counter-signatures, full and abbreviated: RFC 8152, table 3, and RFC 9338, table 1. Nobody here would verify them, and what
/// they would vouch for is not asked.
const COUNTER_SIGNATURES: [i64; 4] = [7, 9, 11, 12];

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
        let [protected, unprotected, payload, signature] = parts(decode(bytes)?)?;
        let inner = CoseSign1 {
            protected: protected_header(protected.into_bytes().map_err(|_| wrong_kind())?)?,
            unprotected: header(unprotected)?,
            payload: match payload {
                Value::Null => None,
                payload => Some(payload.into_bytes().map_err(|_| wrong_kind())?),
            },
            signature: signature.into_bytes().map_err(|_| wrong_kind())?,
        };
        Ok(Self { inner })
    }

    /// What else is wrong with the envelope.
    pub(super) fn problems(&self) -> Vec<UvmError> {
        let (protected, unprotected) = (&self.inner.protected.header, &self.inner.unprotected);
        let mut problems = Vec::new();
        // RFC 9052, section 3: a label should not stand in both headers.
        let others: Vec<Label> = labels(unprotected).collect();
        if labels(protected).any(|label| others.contains(&label)) {
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

/// One item and nothing after it.
fn decode(mut bytes: &[u8]) -> Result<Value, UvmError> {
    let read = from_reader_with_recursion_limit(&mut bytes, MAX_DEPTH);
    let problem = match read {
        Ok(item) if bytes.is_empty() => return Ok(item),
        Ok(_) => "something stands after it",
        Err(CborError::RecursionLimitExceeded) => "it is nested too deeply",
        Err(_) => "it is not CBOR",
    };
    Err(UvmError::Cose { problem })
}

fn parts(message: Value) -> Result<[Value; 4], UvmError> {
    let message = match message {
        Value::Tag(TAG_COSE_SIGN1, inner) => *inner,
        other => other,
    };
    message.into_array().ok().and_then(|parts| parts.try_into().ok()).ok_or_else(wrong_kind)
}

/// Keeps the bytes, which are what is signed. None stand for no headers (RFC 9052, section 3).
fn protected_header(bytes: Vec<u8>) -> Result<ProtectedHeader, UvmError> {
    let header = if bytes.is_empty() { Header::default() } else { header(decode(&bytes)?)? };
    Ok(ProtectedHeader { original_data: Some(bytes), header })
}

/// Gives a header its meaning. Without counter-signatures nothing in it is decoded again.
fn header(header: Value) -> Result<Header, UvmError> {
    let labels = header.as_map().ok_or_else(wrong_kind)?;
    if labels.len() > MAX_HEADERS {
        return Err(UvmError::Cose { problem: "it has too many headers" });
    }
    if COUNTER_SIGNATURES.map(Value::from).iter().any(|number| labels.iter().any(|(label, _)| label == number)) {
        return Err(UvmError::Cose { problem: "it has a counter-signature, which is not accepted" });
    }
    Header::from_cbor_value(header).map_err(|error| malformed(&error))
}

const fn wrong_kind() -> UvmError {
    UvmError::Cose { problem: "a part of it is not of the kind that should stand there" }
}

fn malformed(error: &CoseError) -> UvmError {
    match error {
        CoseError::DuplicateMapKey => UvmError::DuplicateLabel,
        CoseError::UnregisteredIanaValue | CoseError::UnregisteredIanaNonPrivateValue => {
            UvmError::Cose { problem: "a header has a value that is not registered" }
        }
        _ => wrong_kind(),
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
