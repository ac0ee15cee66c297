//! Time-stamp tokens (RFC 3161, section 2.4.2): the parts of CMS `SignedData` (RFC 5652, section 5) that they use.
//!
//! Only reading; the rules are in `time_stamp`. A token is strict DER, has one signer, and that one is named by issuer and
//! serial number.

use der::asn1::ObjectIdentifier;
use der::{AnyRef, Decode, Reader, SliceReader, Tag, TagNumber, Tagged};

use super::hash::{Hash, plain_algorithm};
use super::limits::{MAX_CERTIFICATE_SIZE, MAX_CERTIFICATES};
use crate::time::UnixTime;
use crate::x509::Certificate;

/// What is wrong with a token, as a part of a sentence.
pub(super) type Problem = &'static str;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
/// The first byte of the field `[0]` of a `SignerInfo`.
const SIGNED_ATTRIBUTES: u8 = 0xa0;
/// Microsoft's signers sign three or four attributes.
const MAX_ATTRIBUTES: usize = 16;

/// A token, read but not verified.
pub(super) struct Token<'a> {
    /// `TSTInfo`, DER: what is signed, by way of its hash.
    pub(super) content: &'a [u8],
    pub(super) info: Info<'a>,
    pub(super) certificates: Vec<(&'a [u8], Certificate<'a>)>,
    pub(super) signer: Signer<'a>,
}

/// What the authority states.
pub(super) struct Info<'a> {
    pub(super) imprint_hash: Hash,
    pub(super) imprint: &'a [u8],
    pub(super) time: UnixTime,
}

/// The one signer.
pub(super) struct Signer<'a> {
    /// Content of the issuer's name, and serial number.
    pub(super) issuer: &'a [u8],
    pub(super) serial: &'a [u8],
    pub(super) hash: Hash,
    /// What is signed: the attributes as a `SET OF`.
    pub(super) signed_bytes: Vec<u8>,
    /// Attribute `messageDigest`.
    pub(super) digest: &'a [u8],
    /// The first certificate of `signingCertificateV2`: hash algorithm, and hash.
    pub(super) certificate: Option<(Hash, &'a [u8])>,
    pub(super) signature: &'a [u8],
}

/// The next value, and what is wrong if there is none.
fn next<'a>(reader: &mut SliceReader<'a>, problem: Problem) -> Result<AnyRef<'a>, Problem> {
    AnyRef::decode(reader).map_err(|_| problem)
}

/// The content of a value with this tag.
fn content_of<'a>(value: AnyRef<'a>, tag: Tag, problem: Problem) -> Result<SliceReader<'a>, Problem> {
    if value.tag() != tag {
        return Err(problem);
    }
    SliceReader::new(value.value()).map_err(|_| problem)
}

fn bytes_of<'a>(value: AnyRef<'a>, tag: Tag, problem: Problem) -> Result<&'a [u8], Problem> {
    if value.tag() == tag { Ok(value.value()) } else { Err(problem) }
}

fn oid(reader: &mut SliceReader<'_>, problem: Problem) -> Result<ObjectIdentifier, Problem> {
    ObjectIdentifier::decode(reader).map_err(|_| problem)
}

const fn field(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}

fn finished(reader: &SliceReader<'_>, problem: Problem) -> Result<(), Problem> {
    if reader.is_finished() { Ok(()) } else { Err(problem) }
}

impl<'a> Token<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, Problem> {
        const NOT_SIGNED_DATA: Problem = "it is not CMS signed data";
        let outer = AnyRef::from_der(der).map_err(|_| NOT_SIGNED_DATA)?;
        let mut outer = content_of(outer, Tag::Sequence, NOT_SIGNED_DATA)?;
        if oid(&mut outer, NOT_SIGNED_DATA)? != SIGNED_DATA {
            return Err(NOT_SIGNED_DATA);
        }
        let explicit = bytes_of(next(&mut outer, NOT_SIGNED_DATA)?, field(0), NOT_SIGNED_DATA)?;
        finished(&outer, NOT_SIGNED_DATA)?;
        let body = AnyRef::from_der(explicit).map_err(|_| NOT_SIGNED_DATA)?;
        let mut body = content_of(body, Tag::Sequence, NOT_SIGNED_DATA)?;
        let version = next(&mut body, NOT_SIGNED_DATA)?;
        let hashes = next(&mut body, NOT_SIGNED_DATA)?;
        if version.tag() != Tag::Integer || hashes.tag() != Tag::Set {
            return Err(NOT_SIGNED_DATA);
        }
        let content = encapsulated(next(&mut body, NOT_SIGNED_DATA)?)?;
        let (mut certificates, mut field_or_signers) = (Vec::new(), next(&mut body, NOT_SIGNED_DATA)?);
        if field_or_signers.tag() == field(0) {
            certificates = read_certificates(field_or_signers.value())?;
            field_or_signers = next(&mut body, NOT_SIGNED_DATA)?;
        }
        // Revocation lists: whoever made the token chose them, so they say nothing.
        if field_or_signers.tag() == field(1) {
            field_or_signers = next(&mut body, NOT_SIGNED_DATA)?;
        }
        finished(&body, NOT_SIGNED_DATA)?;
        let signer = single_signer(field_or_signers)?;
        Ok(Self { content, info: Info::parse(content)?, certificates, signer })
    }
}

/// The bytes of `TSTInfo` in `EncapsulatedContentInfo`.
fn encapsulated(value: AnyRef<'_>) -> Result<&[u8], Problem> {
    const NO_CONTENT: Problem = "it states no time";
    let mut reader = content_of(value, Tag::Sequence, NO_CONTENT)?;
    if oid(&mut reader, NO_CONTENT)? != TST_INFO {
        return Err(NO_CONTENT);
    }
    let explicit = bytes_of(next(&mut reader, NO_CONTENT)?, field(0), NO_CONTENT)?;
    finished(&reader, NO_CONTENT)?;
    let octets = AnyRef::from_der(explicit).map_err(|_| NO_CONTENT)?;
    bytes_of(octets, Tag::OctetString, NO_CONTENT)
}

fn read_certificates(set: &[u8]) -> Result<Vec<(&[u8], Certificate<'_>)>, Problem> {
    const NOT_READABLE: Problem = "its certificates cannot be read";
    let mut reader = SliceReader::new(set).map_err(|_| NOT_READABLE)?;
    let mut certificates = Vec::new();
    while !reader.is_finished() {
        if certificates.len() >= MAX_CERTIFICATES {
            return Err("it has too many certificates");
        }
        let der = reader.tlv_bytes().map_err(|_| NOT_READABLE)?;
        if der.len() > MAX_CERTIFICATE_SIZE {
            return Err("it has a certificate of more than 8 KiB");
        }
        certificates.push((der, Certificate::parse(der).map_err(|_| NOT_READABLE)?));
    }
    Ok(certificates)
}

/// `SignerInfos` with one `SignerInfo`.
fn single_signer(signers: AnyRef<'_>) -> Result<Signer<'_>, Problem> {
    const NOT_ONE: Problem = "it does not have exactly one signer";
    let mut reader = content_of(signers, Tag::Set, NOT_ONE)?;
    let signer = next(&mut reader, NOT_ONE)?;
    finished(&reader, NOT_ONE)?;
    Signer::parse(signer)
}

impl<'a> Signer<'a> {
    fn parse(value: AnyRef<'a>) -> Result<Self, Problem> {
        const NOT_READABLE: Problem = "its signer cannot be read";
        let mut reader = content_of(value, Tag::Sequence, NOT_READABLE)?;
        let version = next(&mut reader, NOT_READABLE)?;
        let mut name = content_of(next(&mut reader, NOT_READABLE)?, Tag::Sequence, NOT_READABLE)?;
        let issuer = bytes_of(next(&mut name, NOT_READABLE)?, Tag::Sequence, NOT_READABLE)?;
        let serial = bytes_of(next(&mut name, NOT_READABLE)?, Tag::Integer, NOT_READABLE)?;
        finished(&name, NOT_READABLE)?;
        // RFC 5652, section 5.3: version 1 goes with issuer and serial number.
        if bytes_of(version, Tag::Integer, NOT_READABLE)? != [1] {
            return Err(NOT_READABLE);
        }
        let hash = Hash::from_identifier(next(&mut reader, NOT_READABLE)?);
        let hash = hash.ok_or("it is signed with a hash that is not accepted")?;
        let attributes = reader.tlv_bytes().map_err(|_| NOT_READABLE)?;
        if attributes.first() != Some(&SIGNED_ATTRIBUTES) {
            return Err("it has no signed attributes");
        }
        check_algorithm(next(&mut reader, NOT_READABLE)?, hash)?;
        let signature = bytes_of(next(&mut reader, NOT_READABLE)?, Tag::OctetString, NOT_READABLE)?;
        // Unsigned attributes say nothing.
        if !reader.is_finished() {
            bytes_of(next(&mut reader, NOT_READABLE)?, field(1), NOT_READABLE)?;
        }
        finished(&reader, NOT_READABLE)?;
        let (signed_bytes, Attributes { digest, certificate }) = signed_attributes(attributes)?;
        Ok(Self { issuer, serial, hash, signed_bytes, digest, certificate, signature })
    }
}

/// RSASSA-PKCS1-v1_5 with the signer's hash (RFC 5754, section 3.2).
fn check_algorithm(identifier: AnyRef<'_>, hash: Hash) -> Result<(), Problem> {
    match (plain_algorithm(identifier), hash) {
        (Some(RSA_ENCRYPTION), _)
        | (Some(RSA_SHA256), Hash::Sha256)
        | (Some(RSA_SHA384), Hash::Sha384)
        | (Some(RSA_SHA512), Hash::Sha512) => Ok(()),
        _ => Err("it is signed with an algorithm that is not accepted"),
    }
}

/// The signed attributes that matter.
struct Attributes<'a> {
    digest: &'a [u8],
    certificate: Option<(Hash, &'a [u8])>,
}

/// RFC 5652, section 5.4: signed is not the field `[0]` but the same content as a `SET OF`.
fn signed_attributes(der: &[u8]) -> Result<(Vec<u8>, Attributes<'_>), Problem> {
    const NOT_READABLE: Problem = "its signed attributes cannot be read";
    const SET_OF: u8 = 0x31;
    let value = AnyRef::from_der(der).map_err(|_| NOT_READABLE)?;
    let mut reader = content_of(value, field(0), NOT_READABLE)?;
    let mut found: Vec<(ObjectIdentifier, AnyRef<'_>)> = Vec::new();
    while !reader.is_finished() {
        let mut attribute = content_of(next(&mut reader, NOT_READABLE)?, Tag::Sequence, NOT_READABLE)?;
        let id = oid(&mut attribute, NOT_READABLE)?;
        let mut values = content_of(next(&mut attribute, NOT_READABLE)?, Tag::Set, NOT_READABLE)?;
        let value = next(&mut values, NOT_READABLE)?;
        finished(&attribute, NOT_READABLE)?;
        // RFC 5652, sections 11.1 and 11.2: one value, and no attribute twice.
        finished(&values, NOT_READABLE)?;
        if found.len() >= MAX_ATTRIBUTES || found.iter().any(|(other, _)| *other == id) {
            return Err("it has a signed attribute twice, or too many");
        }
        found.push((id, value));
    }
    let attribute = |id| found.iter().find(|(other, _)| *other == id).map(|(_, value)| *value);
    let content_type = attribute(CONTENT_TYPE).and_then(|value| value.decode_as::<ObjectIdentifier>().ok());
    if content_type != Some(TST_INFO) {
        return Err("its signer did not sign the kind of its content");
    }
    let digest = attribute(MESSAGE_DIGEST).ok_or("its signer did not sign the hash of its content")?;
    let digest = bytes_of(digest, Tag::OctetString, NOT_READABLE)?;
    let certificate = match (attribute(SIGNING_CERTIFICATE_V2), attribute(SIGNING_CERTIFICATE)) {
        (Some(value), _) => Some(signing_certificate(value)?),
        // The first version of the attribute has SHA-1 hashes, which prove nothing any more (RFC 5816).
        (None, Some(_)) => return Err("it names its signer's certificate by a SHA-1 hash"),
        (None, None) => None,
    };
    let signed_bytes = [&[SET_OF], der.get(1..).unwrap_or_default()].concat();
    Ok((signed_bytes, Attributes { digest, certificate }))
}

/// The first `ESSCertIDv2` (RFC 5035, section 4), which is the signer's.
fn signing_certificate(value: AnyRef<'_>) -> Result<(Hash, &[u8]), Problem> {
    const NOT_READABLE: Problem = "the name of its signer's certificate cannot be read";
    let mut outer = content_of(value, Tag::Sequence, NOT_READABLE)?;
    let mut ids = content_of(next(&mut outer, NOT_READABLE)?, Tag::Sequence, NOT_READABLE)?;
    let mut id = content_of(next(&mut ids, NOT_READABLE)?, Tag::Sequence, NOT_READABLE)?;
    let first = next(&mut id, NOT_READABLE)?;
    // The hash algorithm is left out when it is SHA-256.
    let (hash, value) = match first.tag() {
        Tag::OctetString => (Some(Hash::Sha256), first),
        _ => (Hash::from_identifier(first), next(&mut id, NOT_READABLE)?),
    };
    Ok((hash.ok_or(NOT_READABLE)?, bytes_of(value, Tag::OctetString, NOT_READABLE)?))
}

impl<'a> Info<'a> {
    fn parse(der: &'a [u8]) -> Result<Self, Problem> {
        const NOT_READABLE: Problem = "its statement cannot be read";
        let outer = AnyRef::from_der(der).map_err(|_| NOT_READABLE)?;
        let mut reader = content_of(outer, Tag::Sequence, NOT_READABLE)?;
        if bytes_of(next(&mut reader, NOT_READABLE)?, Tag::Integer, NOT_READABLE)? != [1] {
            return Err("its statement has a version that is not known");
        }
        let _policy = oid(&mut reader, NOT_READABLE)?;
        let mut imprint = content_of(next(&mut reader, NOT_READABLE)?, Tag::Sequence, NOT_READABLE)?;
        let hash = Hash::from_identifier(next(&mut imprint, NOT_READABLE)?);
        let imprint_hash = hash.ok_or("its imprint is made with a hash that is not accepted")?;
        let value = bytes_of(next(&mut imprint, NOT_READABLE)?, Tag::OctetString, NOT_READABLE)?;
        finished(&imprint, NOT_READABLE)?;
        let _serial = bytes_of(next(&mut reader, NOT_READABLE)?, Tag::Integer, NOT_READABLE)?;
        let time = bytes_of(next(&mut reader, NOT_READABLE)?, Tag::GeneralizedTime, NOT_READABLE)?;
        let time = generalized_time(time).ok_or("its time cannot be read")?;
        // Accuracy, ordering, nonce and the authority's name change nothing; an extension might.
        while !reader.is_finished() {
            if next(&mut reader, NOT_READABLE)?.tag() == field(1) {
                return Err("its statement has extensions");
            }
        }
        Ok(Self { imprint_hash, imprint: value, time })
    }
}

/// `YYYYMMDDhhmmss[.s...]Z` (RFC 3161, section 2.4.2). The fraction, which certificates cannot have, is dropped.
fn generalized_time(text: &[u8]) -> Option<UnixTime> {
    let text = std::str::from_utf8(text).ok()?;
    let (seconds, zone) = text.split_at_checked(14)?;
    let (date, time) = seconds.split_at_checked(8)?;
    let (year, day) = date.split_at_checked(4)?;
    let (month, day) = day.split_at_checked(2)?;
    let (hour, minute) = time.split_at_checked(2)?;
    let (minute, second) = minute.split_at_checked(2)?;
    // The reader of RFC 3339 checks the digits; a zone other than `Z` is not DER.
    let zone = zone.ends_with('Z').then_some(zone)?;
    UnixTime::parse_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_fractions() {
        assert_eq!(generalized_time(b"20230208054223.572Z"), Some(UnixTime(1_675_834_943)));
        assert_eq!(generalized_time(b"20230208054223Z"), Some(UnixTime(1_675_834_943)));
        for odd in [
            "20230208054223",
            "20230208054223+0100",
            "2023020805422Z",
            "20230208054223.Z",
            "",
            "20231308054223Z",
        ] {
            assert_eq!(generalized_time(odd.as_bytes()), None, "{odd}");
        }
    }
}
