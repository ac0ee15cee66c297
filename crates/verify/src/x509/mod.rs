//! Certificates and revocation lists as Intel and AMD issue them: a strict reading of the parts verification needs.
//!
//! RFC 5280 sections 4.1 and 5.1. Raw bytes of what is signed are kept, names are compared by their encoding (all the
//! vendors' certificates in one chain are encoded by one tool), and a critical extension that is not understood refuses the
//! certificate. Intel's chains have ECDSA with P-256 and SHA-256 only, AMD's RSASSA-PSS with SHA-384.

use der::asn1::{GeneralizedTime, ObjectIdentifier, UtcTime};
use der::{AnyRef, Decode, Reader, SliceReader, Tag, TagNumber, Tagged};

use crate::crypto::SignatureKey;
use crate::time::{UnixTime, Window};

mod algorithm;
mod crl;

pub(crate) use algorithm::{PublicKey, SignatureAlgorithm};
pub(crate) use crl::Crl;

/// Bits of `keyUsage` (RFC 5280 section 4.2.1.3).
pub(crate) const DIGITAL_SIGNATURE: u8 = 0;
pub(crate) const KEY_CERT_SIGN: u8 = 5;
pub(crate) const CRL_SIGN: u8 = 6;
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const SUBJECT_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// A certificate has 5 to 7 extensions; the bound only stops nonsense.
const MAX_EXTENSIONS: usize = 32;
const NO_KEY: Malformed = "its public key is not readable";

/// What is wrong with a certificate or CRL, as a sentence for the report.
pub(crate) type Malformed = &'static str;

/// A certificate, read but not verified.
#[derive(Debug)]
pub(crate) struct Certificate<'a> {
    signed: Signed<'a>,
    /// Content of the issuer's name.
    pub(crate) issuer: &'a [u8],
    /// Content of the subject's name.
    pub(crate) subject: &'a [u8],
    pub(crate) serial: &'a [u8],
    pub(crate) validity: Window,
    pub(crate) public_key: PublicKey<'a>,
    /// `SubjectPublicKeyInfo`, DER.
    pub(crate) public_key_info: &'a [u8],
    extensions: Vec<Extension<'a>>,
}

#[derive(Debug)]
struct Extension<'a> {
    id: ObjectIdentifier,
    critical: bool,
    value: &'a [u8],
}

/// A certificate of a chain in which only ECDSA with P-256 and SHA-256 occurs.
#[derive(Debug)]
pub(crate) struct P256Certificate<'a> {
    certificate: Certificate<'a>,
    /// The uncompressed point.
    pub(crate) public_key: [u8; 65],
}

impl<'a> P256Certificate<'a> {
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, Malformed> {
        let certificate = Certificate::parse(der)?;
        if certificate.algorithm() != SignatureAlgorithm::EcdsaSha256 {
            return Err("it is not signed with ECDSA and SHA-256");
        }
        match certificate.public_key {
            PublicKey::P256(point) => Ok(Self { public_key: *point, certificate }),
            _ => Err("its public key is not on P-256"),
        }
    }
}

impl<'a> std::ops::Deref for P256Certificate<'a> {
    type Target = Certificate<'a>;

    fn deref(&self) -> &Certificate<'a> {
        &self.certificate
    }
}

/// `basicConstraints`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BasicConstraints {
    pub(crate) ca: bool,
    pub(crate) path_length: Option<u8>,
}

impl<'a> Certificate<'a> {
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, Malformed> {
        let signed = signed(der)?;
        let body = AnyRef::from_der(signed.body).map_err(|_| "its body is not DER")?;
        body.sequence(|reader| Self::read(reader, signed))
            .map_err(|_: der::Error| "its body is not as RFC 5280 demands")?
    }

    fn read<'r>(
        reader: &mut (impl Reader<'a> + 'r),
        signed: Signed<'a>,
    ) -> Result<Result<Self, Malformed>, der::Error> {
        let version = AnyRef::decode(reader)?;
        let serial = AnyRef::decode(reader)?;
        let algorithm = AnyRef::decode(reader)?;
        let issuer = AnyRef::decode(reader)?;
        let validity =
            AnyRef::decode(reader)?.sequence(|times| Ok::<_, der::Error>((time(times)?, time(times)?)))?;
        let subject = AnyRef::decode(reader)?;
        let key = reader.tlv_bytes()?;
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
        Ok(Self::assemble(signed, [version, serial, algorithm, issuer, subject], key, validity, extensions))
    }

    fn assemble(
        signed: Signed<'a>,
        [version, serial, algorithm, issuer, subject]: [AnyRef<'a>; 5],
        public_key_info: &'a [u8],
        (from, until): (UnixTime, UnixTime),
        extensions: Option<&'a [u8]>,
    ) -> Result<Self, Malformed> {
        if !field_is(version, 0) || version.value() != [2, 1, 2] {
            return Err("it is not an X.509 version 3 certificate");
        }
        if !signed.names(algorithm) {
            return Err("its body names another signature algorithm than its signature");
        }
        if serial.tag() != Tag::Integer || issuer.tag() != Tag::Sequence || subject.tag() != Tag::Sequence {
            return Err("its body is not as RFC 5280 demands");
        }
        Ok(Self {
            signed,
            issuer: issuer.value(),
            subject: subject.value(),
            serial: serial.value(),
            validity: Window { from, until },
            public_key: PublicKey::parse(AnyRef::from_der(public_key_info).map_err(|_| NO_KEY)?)?,
            public_key_info,
            extensions: read_extensions(extensions.unwrap_or_default())?,
        })
    }

    /// How it is signed.
    pub(crate) const fn algorithm(&self) -> SignatureAlgorithm {
        self.signed.algorithm
    }

    /// Whether `key` signed this certificate, in the way that the certificate says.
    pub(crate) fn is_signed_by(&self, key: &SignatureKey) -> bool {
        self.signed.is_signed_by(key)
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

/// A signed structure taken apart.
#[derive(Clone, Copy, Debug)]
struct Signed<'a> {
    /// The bytes that are signed.
    body: &'a [u8],
    algorithm: SignatureAlgorithm,
    /// `AlgorithmIdentifier`, DER.
    algorithm_bytes: AnyRef<'a>,
    signature: &'a [u8],
}

impl Signed<'_> {
    /// RFC 5280 section 4.1.1.2: the body and the signature name the same algorithm.
    fn names(&self, algorithm: AnyRef<'_>) -> bool {
        algorithm == self.algorithm_bytes
    }

    fn is_signed_by(&self, key: &SignatureKey) -> bool {
        self.algorithm.is_of(key.scheme()) && key.verify(self.body, self.signature)
    }
}

/// Splits `SEQUENCE { body, algorithm, signature }`, and nothing after it.
fn signed(der: &[u8]) -> Result<Signed<'_>, Malformed> {
    let outer = AnyRef::from_der(der).map_err(|_| "it is not DER")?;
    let (body, algorithm_bytes, signature) = outer
        .sequence(|reader| {
            Ok::<_, der::Error>((reader.tlv_bytes()?, AnyRef::decode(reader)?, AnyRef::decode(reader)?))
        })
        .map_err(|_| "it is not a signed structure")?;
    let algorithm = SignatureAlgorithm::parse(algorithm_bytes)?;
    match (signature.tag(), signature.value().split_first()) {
        (Tag::BitString, Some((0, signature))) => Ok(Signed { body, algorithm, algorithm_bytes, signature }),
        _ => Err("its signature is not readable"),
    }
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
