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
/// Items in the message or in its protected header, counted before they are read: reading one costs 70 ns, and 64 KiB can hold
/// 65,536. Real endorsements have 8 and 21.
const MAX_ITEMS: usize = 1024;
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

    pub(super) fn into_inner(self) -> CoseSign1 {
        self.inner
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
    ///
    /// ES512 (-36) is left out: no real endorsement has it, and nothing here verifies P-521 on targets without `aws-lc-rs`.
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
    if has_more_items(bytes, MAX_ITEMS) {
        return Err(UvmError::Cose { problem: "it has too many items" });
    }
    let read = from_reader_with_recursion_limit(&mut bytes, MAX_DEPTH);
    let problem = match read {
        Ok(item) if bytes.is_empty() => return Ok(item),
        Ok(_) => "something stands after it",
        Err(CborError::RecursionLimitExceeded) => "it is nested too deeply",
        Err(_) => "it is not CBOR",
    };
    Err(UvmError::Cose { problem })
}

/// Counts heads (RFC 8949, section 3), which stand one after another however items are nested. What is no CBOR ends the count,
/// as it ends the reading.
fn has_more_items(mut bytes: &[u8], limit: usize) -> bool {
    for _ in 0..limit {
        match after_head(bytes) {
            Some(rest) if !rest.is_empty() => bytes = rest,
            _ => return false,
        }
    }
    true
}

/// What stands after a head, and after the content of a string.
fn after_head(bytes: &[u8]) -> Option<&[u8]> {
    const BYTE_STRING: u8 = 2;
    const TEXT_STRING: u8 = 3;
    let (first, rest) = bytes.split_first()?;
    let (major_type, information) = (first >> 5, first & 0x1f);
    let (argument, rest) = rest.split_at_checked(match information {
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => 0,
    })?;
    let length = match (major_type, information) {
        (BYTE_STRING | TEXT_STRING, 0..24) => usize::from(information),
        (BYTE_STRING | TEXT_STRING, 24..28) => {
            let mut length = [0; 8];
            let start = length.len().checked_sub(argument.len())?;
            length.get_mut(start..)?.copy_from_slice(argument);
            usize::try_from(u64::from_be_bytes(length)).ok()?
        }
        _ => 0,
    };
    rest.get(length..)
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
    let is_counter_signature = |label: &Value| COUNTER_SIGNATURES.map(Value::from).contains(label);
    if labels.iter().any(|(label, _)| is_counter_signature(label)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_counted_whatever_they_are_nested_in() {
        // Examples of RFC 8949, appendix A, and how many heads they have.
        for (item, heads) in [
            ("00", 1),
            ("1b000000e8d4a51000", 1),
            ("f93c00", 1),
            ("fb3ff199999999999a", 1),
            ("f8ff", 1),
            ("c11a514b67b0", 2),
            ("4401020304", 1),
            ("581900000000000000000000000000000000000000000000000000", 1),
            ("5f42010243030405ff", 4),
            ("7f657374726561646d696e67ff", 4),
            ("8301820203820405", 8),
            ("9f018202039f0405ffff", 10),
            ("bf61610161629f0203ffff", 9),
            ("a26161016162820203", 7),
        ] {
            let bytes = hex::decode(item).unwrap();
            assert!(has_more_items(&[&bytes[..], &[0]].concat(), heads), "{item}");
            assert!(!has_more_items(&bytes, heads), "{item}");
        }
        for odd in ["", "18", "19ff", "4100", "41", "5bffffffffffffffff", "5a00000002ff"] {
            assert!(!has_more_items(&hex::decode(odd).unwrap(), 1), "{odd}");
        }
    }
}
