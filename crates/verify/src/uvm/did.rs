//! `did:x509`, version 0: an issuer's name that says which authority must stand above the leaf certificate, and what the
//! leaf must say of itself (microsoft/did-x509, `specification.md`).
//!
//! Resolving needs nothing but the chain. Anything that is not understood refuses the name.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::asn1::ObjectIdentifier;
use der::{AnyRef, Decode, Reader, SliceReader, Tag, TagNumber, Tagged};

use super::chain::{Chain, EXTENDED_KEY_USAGE, SUBJECT_ALT_NAME};
use super::error::UvmError;
use super::hash::Hash;
use crate::x509::Certificate;

/// Microsoft's names have about 100 bytes; 2 KiB hold a policy on every part of a certificate's name.
const MAX_DID_SIZE: usize = 2048;
/// Longest policy name quoted in an error.
const MAX_NAME: usize = 64;
/// Fulcio's first form of the issuer extension: the text itself, without any DER around it.
const FULCIO_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");

/// The parts of a name.
struct Did<'a> {
    hash: Hash,
    fingerprint: &'a str,
    policies: Vec<(&'a str, &'a str)>,
}

/// Every reason why the name does not stand for this chain.
pub(super) fn check(did: &str, chain: &Chain<'_>) -> Vec<UvmError> {
    let did = match Did::parse(did) {
        Ok(did) => did,
        Err(problem) => return vec![UvmError::DidMalformed { problem }],
    };
    let mut problems = Vec::new();
    // Not the leaf: whoever holds a certificate could name himself by its fingerprint.
    let is_pinned = |der: &[u8]| URL_SAFE_NO_PAD.encode(did.hash.of(der)) == did.fingerprint;
    if !chain.authorities.iter().any(|(der, _)| is_pinned(der)) {
        problems.push(UvmError::DidFingerprint);
    }
    problems.extend(did.policies.iter().filter_map(|(name, value)| check_policy(name, value, &chain.leaf)));
    problems
}

impl<'a> Did<'a> {
    fn parse(did: &'a str) -> Result<Self, &'static str> {
        if did.len() > MAX_DID_SIZE {
            return Err("it is too long");
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_%:".contains(&byte);
        if !did.bytes().all(allowed) {
            return Err("it has a character that may not stand in it");
        }
        let rest = did.strip_prefix("did:x509:").ok_or("it does not begin with `did:x509:`")?;
        let rest = rest.strip_prefix("0:").ok_or("its version is not 0")?;
        let mut parts = rest.split("::");
        let authority = parts.next().and_then(|part| part.split_once(':'));
        let (hash, fingerprint) = authority.ok_or("it has no fingerprint")?;
        let hash = Hash::from_did(hash).ok_or("its fingerprint's hash is not known")?;
        let policies: Option<Vec<_>> = parts.map(|part| part.split_once(':')).collect();
        let policies = policies.ok_or("a policy of it has no value")?;
        if policies.is_empty() {
            return Err("it has no policy");
        }
        Ok(Self { hash, fingerprint, policies })
    }
}

/// `None` if the leaf fulfils the policy.
fn check_policy(name: &str, value: &str, leaf: &Certificate<'_>) -> Option<UvmError> {
    let (policy, holds) = match name {
        "eku" => ("eku", has_usage(leaf, value)),
        "subject" => ("subject", has_subject(leaf, value)),
        "san" => ("san", has_alternative_name(leaf, value)),
        "fulcio-issuer" => ("fulcio-issuer", is_of_fulcio_issuer(leaf, value)),
        other => return Some(UvmError::DidPolicyUnknown { policy: other.chars().take(MAX_NAME).collect() }),
    };
    // `None` is what cannot be read, which is not fulfilled.
    if holds == Some(true) { None } else { Some(UvmError::DidPolicy { policy }) }
}

fn has_usage(leaf: &Certificate<'_>, value: &str) -> Option<bool> {
    Some(usages(leaf)?.iter().any(|usage| usage.to_string() == value))
}

/// The purposes of `extKeyUsage` (RFC 5280, section 4.2.1.12).
pub(super) fn usages(certificate: &Certificate<'_>) -> Option<Vec<ObjectIdentifier>> {
    let mut usages = Vec::new();
    let mut reader = items(certificate.extension(&EXTENDED_KEY_USAGE)?)?;
    while !reader.is_finished() {
        usages.push(ObjectIdentifier::decode(&mut reader).ok()?);
    }
    Some(usages)
}

/// `key:value:key:value`, each of them once in the policy and once in the subject.
fn has_subject(leaf: &Certificate<'_>, value: &str) -> Option<bool> {
    let subject = attributes(leaf.subject)?;
    let mut seen = Vec::new();
    let mut parts = value.split(':');
    while let Some(key) = parts.next() {
        let (id, wanted) = (attribute_id(key)?, percent_decoded(parts.next()?)?);
        if seen.contains(&id) {
            return None;
        }
        let mut found = subject.iter().filter(|(other, _)| *other == id);
        if found.next()?.1 != Some(wanted.as_str()) || found.next().is_some() {
            return Some(false);
        }
        seen.push(id);
    }
    Some(true)
}

/// The labels that the specification has, and dotted identifiers for all others.
fn attribute_id(key: &str) -> Option<ObjectIdentifier> {
    let dotted = match key {
        "CN" => "2.5.4.3",
        "L" => "2.5.4.7",
        "ST" => "2.5.4.8",
        "O" => "2.5.4.10",
        "OU" => "2.5.4.11",
        "C" => "2.5.4.6",
        "STREET" => "2.5.4.9",
        dotted => dotted,
    };
    ObjectIdentifier::new(dotted).ok()
}

/// The attributes in the content of a `Name`; `None` for a value that is not of a kind of UTF-8.
fn attributes(name: &[u8]) -> Option<Vec<(ObjectIdentifier, Option<&str>)>> {
    let mut attributes = Vec::new();
    let mut names = SliceReader::new(name).ok()?;
    while !names.is_finished() {
        let set = AnyRef::decode(&mut names).ok().filter(|set| set.tag() == Tag::Set)?;
        let mut set = SliceReader::new(set.value()).ok()?;
        while !set.is_finished() {
            let attribute = AnyRef::decode(&mut set).ok()?;
            let (id, value) = attribute
                .sequence(|r| Ok::<_, der::Error>((ObjectIdentifier::decode(r)?, AnyRef::decode(r)?)))
                .ok()?;
            let is_text = matches!(value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String);
            let text = std::str::from_utf8(value.value()).ok().filter(|_| is_text);
            attributes.push((id, text));
        }
    }
    Some(attributes)
}

/// `type:value` (RFC 5280, section 4.2.1.6, `GeneralName`).
fn has_alternative_name(leaf: &Certificate<'_>, value: &str) -> Option<bool> {
    let (kind, value) = value.split_once(':')?;
    let number = match kind {
        "email" => 1,
        "dns" => 2,
        "uri" => 6,
        _ => return None,
    };
    let wanted = percent_decoded(value)?;
    let tag = Tag::ContextSpecific { constructed: false, number: TagNumber(number) };
    let mut names = items(leaf.extension(&SUBJECT_ALT_NAME)?)?;
    let mut found = false;
    while !names.is_finished() {
        let name = AnyRef::decode(&mut names).ok()?;
        found |= name.tag() == tag && name.value() == wanted.as_bytes();
    }
    Some(found)
}

fn is_of_fulcio_issuer(leaf: &Certificate<'_>, value: &str) -> Option<bool> {
    let issuer = leaf.extension(&FULCIO_ISSUER)?;
    Some(issuer == format!("https://{}", percent_decoded(value)?).as_bytes())
}

/// RFC 3986, section 2.1. What is not percent-encoded is a letter, a digit, `-`, `.` or `_`, and there is something.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut decoded = [0];
                hex::decode_to_slice([rest.next()?, rest.next()?], &mut decoded).ok()?;
                let [byte] = decoded;
                byte
            }
            b':' => return None,
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

/// The items of a `SEQUENCE`.
fn items(der: &[u8]) -> Option<SliceReader<'_>> {
    let sequence = AnyRef::from_der(der).ok().filter(|value| value.tag() == Tag::Sequence)?;
    SliceReader::new(sequence.value()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_strictly() {
        let did = Did::parse("did:x509:0:sha256:abc_-::eku:1.2.3::subject:C:US:O:A%20B").unwrap();
        assert_eq!((did.hash, did.fingerprint), (Hash::Sha256, "abc_-"));
        assert_eq!(did.policies, [("eku", "1.2.3"), ("subject", "C:US:O:A%20B")]);
        let long = format!("did:x509:0:sha256:abc::eku:{}", "1".repeat(MAX_DID_SIZE));
        for (odd, problem) in [
            ("did:web:example.com", "it does not begin with `did:x509:`"),
            ("did:x509:1:sha256:abc::eku:1.2.3", "its version is not 0"),
            ("did:x509:00:sha256:abc::eku:1.2.3", "its version is not 0"),
            ("did:x509:0:sha1:abc::eku:1.2.3", "its fingerprint's hash is not known"),
            ("did:x509:0:sha256::eku:1.2.3", "it has no fingerprint"),
            ("did:x509:0:sha256:abc", "it has no policy"),
            ("did:x509:0:sha256:abc::", "a policy of it has no value"),
            ("did:x509:0:sha256:abc::eku", "a policy of it has no value"),
            ("did:x509:0:sha256:abc::eku:1.2.3#0", "it has a character that may not stand in it"),
            ("did:x509:0:sha256:abc::eku:1.2.3?a", "it has a character that may not stand in it"),
            ("did:x509:0:sha256:abc::eku:1.2.3 ", "it has a character that may not stand in it"),
            (&long, "it is too long"),
        ] {
            assert_eq!(Did::parse(odd).map(|_| ()), Err(problem), "{odd}");
        }
    }

    #[test]
    fn percent_encoding_is_decoded_strictly() {
        assert_eq!(percent_decoded("a%20b%C3%a4").as_deref(), Some("a b\u{e4}"));
        assert_eq!(percent_decoded("https%3A%2F%2Fx").as_deref(), Some("https://x"));
        for odd in ["", "%", "%2", "%2x", "%ff", "a:b", "%+1"] {
            assert_eq!(percent_decoded(odd), None, "{odd}");
        }
    }
}
