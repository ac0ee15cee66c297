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
use super::limits::MAX_ITEMS;
use crate::x509::Certificate;

/// Microsoft's names have about 100 bytes; 2 KiB hold a policy on every part of a certificate's name.
const MAX_DID_SIZE: usize = 2048;
/// Microsoft's names have one policy.
const MAX_POLICIES: usize = 8;
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

/// What a name says of a chain.
pub(super) struct Resolved {
    /// Every reason why the name does not stand for the chain.
    pub(super) problems: Vec<UvmError>,
    /// Which of the chain's authorities it names; 0 is the one that issued the leaf.
    pub(super) authority: Option<usize>,
}

pub(super) fn check(did: &str, chain: &Chain<'_>) -> Resolved {
    let did = match Did::parse(did) {
        Ok(did) => did,
        Err(problem) => {
            return Resolved { problems: vec![UvmError::DidMalformed { problem }], authority: None };
        }
    };
    // Not the leaf: whoever holds a certificate could name himself by its fingerprint.
    let is_pinned = |der: &[u8]| URL_SAFE_NO_PAD.encode(did.hash.of(der)) == did.fingerprint;
    let authority = chain.authorities.iter().position(|(der, _)| is_pinned(der));
    let mut problems = Vec::new();
    if authority.is_none() {
        problems.push(UvmError::DidFingerprint);
    }
    let leaf = Leaf::read(&chain.leaf);
    problems.extend(did.policies.iter().filter_map(|(name, value)| leaf.check_policy(name, value)));
    Resolved { problems, authority }
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
        let policies: Option<Vec<_>> =
            parts.take(MAX_POLICIES.saturating_add(1)).map(|part| part.split_once(':')).collect();
        let policies = policies.ok_or("a policy of it has no value")?;
        if policies.len() > MAX_POLICIES {
            return Err("it has too many policies");
        }
        if policies.is_empty() {
            return Err("it has no policy");
        }
        Ok(Self { hash, fingerprint, policies })
    }
}

/// What the leaf says of itself, read once for all policies. `None` is what is not there or cannot be read; it fulfils none.
struct Leaf<'a> {
    usages: Option<Vec<ObjectIdentifier>>,
    subject: Option<Vec<Attribute<'a>>>,
    alternative_names: Option<Vec<AnyRef<'a>>>,
    fulcio_issuer: Option<&'a [u8]>,
}

/// A part of a name, with its value if that is text.
type Attribute<'a> = (ObjectIdentifier, Option<&'a str>);

impl<'a> Leaf<'a> {
    fn read(leaf: &Certificate<'a>) -> Self {
        Self {
            usages: usages(leaf),
            subject: attributes(leaf.subject),
            alternative_names: alternative_names(leaf),
            fulcio_issuer: leaf.extension(&FULCIO_ISSUER),
        }
    }

    /// `None` if the leaf fulfils the policy.
    fn check_policy(&self, name: &str, value: &str) -> Option<UvmError> {
        let (policy, holds) = match name {
            "eku" => ("eku", self.has_usage(value)),
            "subject" => ("subject", self.has_subject(value)),
            "san" => ("san", self.has_alternative_name(value)),
            "fulcio-issuer" => ("fulcio-issuer", self.is_of_fulcio_issuer(value)),
            other => {
                return Some(UvmError::DidPolicyUnknown { policy: other.chars().take(MAX_NAME).collect() });
            }
        };
        // `None` is what cannot be read, which is not fulfilled.
        if holds == Some(true) { None } else { Some(UvmError::DidPolicy { policy }) }
    }

    fn has_usage(&self, value: &str) -> Option<bool> {
        // Written again, as a number with a zero before it would be the same identifier and another name.
        let wanted = ObjectIdentifier::new(value).ok().filter(|wanted| wanted.to_string() == value)?;
        Some(self.usages.as_ref()?.contains(&wanted))
    }

    /// `key:value:key:value`, each of them once in the policy and once in the subject.
    fn has_subject(&self, value: &str) -> Option<bool> {
        let subject = self.subject.as_ref()?;
        let mut seen = Vec::new();
        let mut parts = value.split(':');
        while let Some(key) = parts.next() {
            let (id, wanted) = (attribute_id(key)?, percent_decoded(parts.next()?)?);
            // More than the subject can have, which also bounds the search for what was seen.
            if seen.contains(&id) || seen.len() >= MAX_ITEMS {
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

    /// `type:value` (RFC 5280, section 4.2.1.6, `GeneralName`).
    fn has_alternative_name(&self, value: &str) -> Option<bool> {
        let (kind, value) = value.split_once(':')?;
        let number = match kind {
            "email" => 1,
            "dns" => 2,
            "uri" => 6,
            _ => return None,
        };
        let wanted = percent_decoded(value)?;
        let tag = Tag::ContextSpecific { constructed: false, number: TagNumber(number) };
        let mut names = self.alternative_names.as_ref()?.iter();
        Some(names.any(|name| name.tag() == tag && name.value() == wanted.as_bytes()))
    }

    fn is_of_fulcio_issuer(&self, value: &str) -> Option<bool> {
        Some(self.fulcio_issuer? == format!("https://{}", percent_decoded(value)?).as_bytes())
    }
}

/// The purposes of `extKeyUsage` (RFC 5280, section 4.2.1.12).
pub(super) fn usages(certificate: &Certificate<'_>) -> Option<Vec<ObjectIdentifier>> {
    let mut usages = Vec::new();
    let mut reader = items(certificate.extension(&EXTENDED_KEY_USAGE)?)?;
    while !reader.is_finished() {
        push(&mut usages, ObjectIdentifier::decode(&mut reader).ok()?)?;
    }
    Some(usages)
}

fn alternative_names<'a>(leaf: &Certificate<'a>) -> Option<Vec<AnyRef<'a>>> {
    let mut names = Vec::new();
    let mut reader = items(leaf.extension(&SUBJECT_ALT_NAME)?)?;
    while !reader.is_finished() {
        push(&mut names, AnyRef::decode(&mut reader).ok()?)?;
    }
    Some(names)
}

/// `None` for more than there may be.
fn push<T>(items: &mut Vec<T>, item: T) -> Option<()> {
    (items.len() < MAX_ITEMS).then(|| items.push(item))
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
fn attributes(name: &[u8]) -> Option<Vec<Attribute<'_>>> {
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
            push(&mut attributes, (id, text))?;
        }
    }
    Some(attributes)
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
        let many = format!("did:x509:0:sha256:abc{}", "::eku:1.2.3".repeat(MAX_POLICIES));
        assert_eq!(Did::parse(&many).unwrap().policies.len(), 8);
        assert_eq!(Did::parse(&(many + "::eku:1.2.3")).map(|_| ()), Err("it has too many policies"));
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
