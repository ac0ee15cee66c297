//! Certificates and revocation lists as Intel and AMD issue them: a strict reading of the parts verification needs.
//!
//! RFC 5280 sections 4.1 and 5.1. Raw bytes of what is signed are kept, names are compared by their encoding (all the
//! vendors' certificates in one chain are encoded by one tool), and a critical extension that is not understood refuses the
//! certificate. Only ECDSA with P-256 and SHA-256 occurs in Intel's chains.

use der::asn1::{GeneralizedTime, ObjectIdentifier, UtcTime};
use der::{AnyRef, Decode, Reader, SliceReader, Tag, TagNumber, Tagged};

use crate::crypto::CertificateKey;
use crate::time::{UnixTime, Window};

/// `AlgorithmIdentifier` content: OID ecdsa-with-SHA256 (RFC 5758 section 3.2), no parameters.
const ECDSA_SHA256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// `AlgorithmIdentifier` content: OID ecPublicKey, curve prime256v1 (RFC 5480 section 2.1.1).
const EC_P256: &[u8] = &[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07,
];
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const SUBJECT_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// A certificate has 5 to 7 extensions; the bound only stops nonsense.
const MAX_EXTENSIONS: usize = 32;
/// Intel's platform CRL of 2026 lists 60 certificates in 3.3 KiB. 256 KiB hold about 6000 entries.
pub(crate) const MAX_CRL_SIZE: usize = 256 * 1024;

/// What is wrong with a certificate or CRL, as a sentence for the report.
pub(crate) type Malformed = &'static str;

/// A certificate, read but not verified.
#[derive(Debug)]
pub(crate) struct Certificate<'a> {
    /// The bytes that are signed.
    tbs: &'a [u8],
    signature: &'a [u8],
    /// Content of the issuer's name.
    pub(crate) issuer: &'a [u8],
    /// Content of the subject's name.
    pub(crate) subject: &'a [u8],
    pub(crate) serial: &'a [u8],
    pub(crate) validity: Window,
    /// The uncompressed P-256 point.
    pub(crate) public_key: [u8; 65],
    extensions: Vec<Extension<'a>>,
}

#[derive(Debug)]
struct Extension<'a> {
    id: ObjectIdentifier,
    critical: bool,
    value: &'a [u8],
}

/// `basicConstraints`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<u8>,
}

impl<'a> Certificate<'a> {
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, Malformed> {
        let (tbs, signature) = signed(der)?;
        let body = AnyRef::from_der(tbs).map_err(|_| "its body is not DER")?;
        body.sequence(|reader| Self::read(reader, tbs, signature))
            .map_err(|_: der::Error| "its body is not as RFC 5280 demands")?
    }

    fn read<'r>(
        reader: &mut (impl Reader<'a> + 'r),
        tbs: &'a [u8],
        signature: &'a [u8],
    ) -> Result<Result<Self, Malformed>, der::Error> {
        let version = AnyRef::decode(reader)?;
        let serial = AnyRef::decode(reader)?;
        let algorithm = AnyRef::decode(reader)?;
        let issuer = AnyRef::decode(reader)?;
        let validity =
            AnyRef::decode(reader)?.sequence(|times| Ok::<_, der::Error>((time(times)?, time(times)?)))?;
        let subject = AnyRef::decode(reader)?;
        let key = AnyRef::decode(reader)?;
        let mut extensions = None;
        while !reader.is_finished() {
            let field = AnyRef::decode(reader)?;
            // [1] and [2] (unique ids) are obsolete and never issued; [3] are the extensions.
            if extensions.is_none() && field_is(field, 3) {
                extensions = Some(field.value());
            } else {
                return Ok(Err("it has a field after its public key that is not known"));
            }
        }
        Ok(Self::assemble(
            tbs,
            signature,
            [version, serial, algorithm, issuer, subject, key],
            validity,
            extensions,
        ))
    }

    fn assemble(
        tbs: &'a [u8],
        signature: &'a [u8],
        [version, serial, algorithm, issuer, subject, key]: [AnyRef<'a>; 6],
        (from, until): (UnixTime, UnixTime),
        extensions: Option<&'a [u8]>,
    ) -> Result<Self, Malformed> {
        if !field_is(version, 0) || version.value() != [2, 1, 2] {
            return Err("it is not an X.509 version 3 certificate");
        }
        if !is_ecdsa_sha256(algorithm) {
            return Err("it is not signed with ECDSA and SHA-256");
        }
        if serial.tag() != Tag::Integer || issuer.tag() != Tag::Sequence || subject.tag() != Tag::Sequence {
            return Err("its body is not as RFC 5280 demands");
        }
        Ok(Self {
            tbs,
            signature,
            issuer: issuer.value(),
            subject: subject.value(),
            serial: serial.value(),
            validity: Window { from, until },
            public_key: p256_point(key)?,
            extensions: read_extensions(extensions.unwrap_or_default())?,
        })
    }

    /// Whether `key` signed this certificate.
    pub(crate) fn is_signed_by(&self, key: &CertificateKey) -> bool {
        key.verify(self.tbs, self.signature)
    }

    /// The value of an extension.
    pub(crate) fn extension(&self, id: &ObjectIdentifier) -> Option<&'a [u8]> {
        self.extensions.iter().find(|e| e.id == *id).map(|e| e.value)
    }

    pub(crate) fn basic_constraints(&self) -> Result<BasicConstraints, Malformed> {
        let Some(value) = self.extension(&BASIC_CONSTRAINTS) else {
            return Ok(BasicConstraints { ca: false, path_length: None });
        };
        let broken = "its basicConstraints are not readable";
        let sequence = AnyRef::from_der(value).map_err(|_| broken)?;
        sequence
            .sequence(|reader| {
                let ca = if reader.is_finished() { false } else { bool::decode(reader)? };
                let path_length = if reader.is_finished() { None } else { Some(u8::decode(reader)?) };
                Ok::<_, der::Error>(BasicConstraints { ca, path_length })
            })
            .map_err(|_| broken)
    }

    /// The `keyUsage` bits, bit 0 (`digitalSignature`) first; `None` without the extension.
    pub(crate) fn key_usage(&self, bit: u8) -> Option<bool> {
        let value = AnyRef::from_der(self.extension(&KEY_USAGE)?).ok()?;
        // BIT STRING content: number of unused bits, then the bits from the most significant one on.
        let (_, bits) = value.value().split_first()?;
        let byte = bits.get(usize::from(bit.checked_div(8)?)).copied().unwrap_or_default();
        Some(value.tag() == Tag::BitString && byte & (0x80_u8 >> (bit % 8)) != 0)
    }

    /// The first critical extension that is neither understood here nor named by the caller.
    pub(crate) fn unknown_critical_extension(&self, known: &[ObjectIdentifier]) -> Option<ObjectIdentifier> {
        let understood =
            [BASIC_CONSTRAINTS, KEY_USAGE, SUBJECT_KEY_ID, AUTHORITY_KEY_ID, CRL_DISTRIBUTION_POINTS];
        self.extensions
            .iter()
            .find(|e| e.critical && !understood.contains(&e.id) && !known.contains(&e.id))
            .map(|e| e.id)
    }

    /// The subject's common name.
    pub(crate) fn common_name(&self) -> Option<&'a str> {
        common_name(self.subject)
    }
}

/// A revocation list, read but not verified.
#[derive(Debug)]
pub(crate) struct Crl<'a> {
    tbs: &'a [u8],
    signature: &'a [u8],
    /// Content of the issuer's name.
    pub(crate) issuer: &'a [u8],
    pub(crate) validity: Window,
    /// Serial numbers, sorted.
    pub(crate) revoked: Vec<&'a [u8]>,
}

impl<'a> Crl<'a> {
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, Malformed> {
        if der.len() > MAX_CRL_SIZE {
            return Err("it is too large");
        }
        let (tbs, signature) = signed(der)?;
        let body = AnyRef::from_der(tbs).map_err(|_| "its body is not DER")?;
        body.sequence(|reader| Self::read(reader, tbs, signature))
            .map_err(|_: der::Error| "its body is not as RFC 5280 demands")?
    }

    fn read<'r>(
        reader: &mut (impl Reader<'a> + 'r),
        tbs: &'a [u8],
        signature: &'a [u8],
    ) -> Result<Result<Self, Malformed>, der::Error> {
        if u8::decode(reader)? != 1 {
            return Ok(Err("it is not an X.509 version 2 list"));
        }
        if !is_ecdsa_sha256(AnyRef::decode(reader)?) {
            return Ok(Err("it is not signed with ECDSA and SHA-256"));
        }
        let issuer = AnyRef::decode(reader)?;
        let from = time(reader)?;
        // RFC 5280 section 5.1.2.5: conforming issuers always include it, and without it a list never expires.
        let until = time(reader)?;
        let (mut revoked, mut extensions) = (None, None);
        while !reader.is_finished() {
            let field = AnyRef::decode(reader)?;
            if field.tag() == Tag::Sequence && revoked.is_none() && extensions.is_none() {
                revoked = Some(revoked_serials(field)?);
            } else if field_is(field, 0) && extensions.replace(field).is_none() {
                if let Err(problem) = check_crl_extensions(field.value()) {
                    return Ok(Err(problem));
                }
            } else {
                return Ok(Err("it has a field that is not known"));
            }
        }
        let mut revoked = revoked.unwrap_or_default();
        revoked.sort_unstable();
        Ok(Ok(Self { tbs, signature, issuer: issuer.value(), validity: Window { from, until }, revoked }))
    }

    /// Whether `key` signed this list.
    pub(crate) fn is_signed_by(&self, key: &CertificateKey) -> bool {
        key.verify(self.tbs, self.signature)
    }
}

/// Splits `SEQUENCE { body, algorithm, signature }`, and nothing after it, into body and signature.
fn signed(der: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let outer = AnyRef::from_der(der).map_err(|_| "it is not DER")?;
    let (tbs, algorithm, signature) = outer
        .sequence(|reader| {
            Ok::<_, der::Error>((reader.tlv_bytes()?, AnyRef::decode(reader)?, AnyRef::decode(reader)?))
        })
        .map_err(|_| "it is not a signed structure")?;
    if !is_ecdsa_sha256(algorithm) {
        return Err("it is not signed with ECDSA and SHA-256");
    }
    match (signature.tag(), signature.value().split_first()) {
        (Tag::BitString, Some((0, bytes))) => Ok((tbs, bytes)),
        _ => Err("its signature is not readable"),
    }
}

fn is_ecdsa_sha256(algorithm: AnyRef<'_>) -> bool {
    algorithm.tag() == Tag::Sequence && algorithm.value() == ECDSA_SHA256
}

/// Whether a field is the constructed, context-specific one of this number.
fn field_is(field: AnyRef<'_>, number: u32) -> bool {
    field.tag() == (Tag::ContextSpecific { constructed: true, number: TagNumber(number) })
}

fn time<'a>(reader: &mut impl Reader<'a>) -> Result<UnixTime, der::Error> {
    let field = AnyRef::decode(reader)?;
    let since_epoch = match field.tag() {
        Tag::UtcTime => field.decode_as::<UtcTime>()?.to_unix_duration(),
        _ => field.decode_as::<GeneralizedTime>()?.to_unix_duration(),
    };
    UnixTime::from_duration(since_epoch).ok_or_else(|| Tag::GeneralizedTime.value_error().into())
}

/// `SubjectPublicKeyInfo` of a P-256 key in uncompressed form.
fn p256_point(key: AnyRef<'_>) -> Result<[u8; 65], Malformed> {
    let not_p256 = "its public key is not on P-256";
    let (algorithm, bits) = key
        .sequence(|reader| Ok::<_, der::Error>((AnyRef::decode(reader)?, AnyRef::decode(reader)?)))
        .map_err(|_| "its public key is not readable")?;
    if algorithm.value() != EC_P256 {
        return Err(not_p256);
    }
    match bits.value().split_first() {
        Some((0, point)) if bits.tag() == Tag::BitString && point.first() == Some(&4) => {
            point.try_into().map_err(|_| not_p256)
        }
        _ => Err(not_p256),
    }
}

fn read_extensions(explicit: &[u8]) -> Result<Vec<Extension<'_>>, Malformed> {
    if explicit.is_empty() {
        return Ok(Vec::new());
    }
    let sequence = AnyRef::from_der(explicit).map_err(|_| "its extensions are not readable")?;
    let mut extensions: Vec<Extension<'_>> = Vec::with_capacity(8);
    sequence
        .sequence(|reader| {
            while !reader.is_finished() && extensions.len() <= MAX_EXTENSIONS {
                extensions.push(AnyRef::decode(reader)?.sequence(read_extension)?);
            }
            Ok::<_, der::Error>(())
        })
        .map_err(|_| "its extensions are not readable")?;
    if extensions.len() > MAX_EXTENSIONS {
        return Err("it has too many extensions");
    }
    let repeated =
        extensions.iter().enumerate().any(|(i, e)| extensions.iter().take(i).any(|other| other.id == e.id));
    // RFC 5280 section 4.2: more than one instance of an extension is not allowed.
    if repeated { Err("it has the same extension twice") } else { Ok(extensions) }
}

fn read_extension<'a>(reader: &mut SliceReader<'a>) -> Result<Extension<'a>, der::Error> {
    let id = ObjectIdentifier::decode(reader)?;
    let next = AnyRef::decode(reader)?;
    let (critical, value) = match next.tag() {
        Tag::Boolean => (next.decode_as::<bool>()?, AnyRef::decode(reader)?),
        _ => (false, next),
    };
    if value.tag() != Tag::OctetString {
        return Err(value.tag().value_error().into());
    }
    Ok(Extension { id, critical, value: value.value() })
}

fn revoked_serials(list: AnyRef<'_>) -> Result<Vec<&[u8]>, der::Error> {
    list.sequence(|reader| {
        let mut serials = Vec::new();
        while !reader.is_finished() {
            // Serial number and date; entry extensions (the reason) change nothing: listed is revoked.
            let serial = AnyRef::decode(reader)?.sequence(|entry| {
                let serial = AnyRef::decode(entry)?;
                let _date = time(entry)?;
                if !entry.is_finished() {
                    let _extensions = AnyRef::decode(entry)?;
                }
                Ok::<_, der::Error>(serial)
            })?;
            if serial.tag() != Tag::Integer {
                return Err(serial.tag().value_error().into());
            }
            serials.push(serial.value());
        }
        Ok::<_, der::Error>(serials)
    })
}

/// Critical extensions of a CRL change its meaning (partial lists, lists for others), so none is accepted unread.
fn check_crl_extensions(explicit: &[u8]) -> Result<(), Malformed> {
    let known = [CRL_NUMBER, AUTHORITY_KEY_ID];
    let unknown = read_extensions(explicit)?.iter().any(|e| e.critical && !known.contains(&e.id));
    if unknown { Err("it has a critical extension that is not known") } else { Ok(()) }
}

/// The common name in the content of a `Name`.
pub(crate) fn common_name(name: &[u8]) -> Option<&str> {
    let mut reader = SliceReader::new(name).ok()?;
    while !reader.is_finished() {
        let set = AnyRef::decode(&mut reader).ok()?;
        let attribute = AnyRef::from_der(set.value()).ok()?;
        let (id, value) = attribute
            .sequence(|r| Ok::<_, der::Error>((ObjectIdentifier::decode(r)?, AnyRef::decode(r)?)))
            .ok()?;
        if id == COMMON_NAME {
            return std::str::from_utf8(value.value()).ok();
        }
    }
    None
}
