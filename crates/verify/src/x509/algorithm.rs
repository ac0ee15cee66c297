//! Signature algorithms and public keys as certificates name them (RFC 5480, RFC 5758, RFC 4055).

use der::asn1::ObjectIdentifier;
use der::{AnyRef, Decode, Reader, SliceReader, Tag, Tagged};

use super::{Malformed, field_is};
use crate::crypto::{Scheme, SignatureKey};

const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const RSA_PKCS1_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_PKCS1_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_PKCS1_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const PRIME256V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const NOT_READABLE: Malformed = "its signature algorithm is not readable";
const NOT_KNOWN: Malformed = "it is signed with an algorithm that is not accepted";
const BAD_PSS: Malformed = "its RSASSA-PSS parameters are not those of one hash throughout";

/// A signature algorithm of a certificate, with its parameters judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureAlgorithm {
    EcdsaSha256,
    EcdsaSha384,
    RsaPkcs1Sha256,
    RsaPkcs1Sha384,
    RsaPkcs1Sha512,
    /// MGF1 with the same hash, and a salt as long as the hash.
    RsaPssSha256,
    RsaPssSha384,
    RsaPssSha512,
}

impl SignatureAlgorithm {
    /// Reads an `AlgorithmIdentifier`.
    pub(crate) fn parse(identifier: AnyRef<'_>) -> Result<Self, Malformed> {
        let (oid, parameters) = algorithm(identifier).ok_or(NOT_READABLE)?;
        // ECDSA has no parameters (RFC 5758 section 3.2), PKCS #1 v1.5 has NULL (RFC 4055 section 5).
        let (known, fits) = match oid {
            ECDSA_SHA256 => (Self::EcdsaSha256, parameters.is_none()),
            ECDSA_SHA384 => (Self::EcdsaSha384, parameters.is_none()),
            RSA_PKCS1_SHA256 => (Self::RsaPkcs1Sha256, is_null(parameters)),
            RSA_PKCS1_SHA384 => (Self::RsaPkcs1Sha384, is_null(parameters)),
            RSA_PKCS1_SHA512 => (Self::RsaPkcs1Sha512, is_null(parameters)),
            RSA_PSS => return parameters.and_then(pss).ok_or(BAD_PSS),
            _ => return Err(NOT_KNOWN),
        };
        if fits { Ok(known) } else { Err(NOT_READABLE) }
    }

    /// Whether a key for this scheme verifies it.
    pub(crate) const fn is_of(self, scheme: Scheme) -> bool {
        matches!(
            (self, scheme),
            (Self::EcdsaSha256, Scheme::EcdsaP256Sha256 | Scheme::EcdsaP384Sha256)
                | (Self::EcdsaSha384, Scheme::EcdsaP256Sha384 | Scheme::EcdsaP384Sha384)
                | (Self::RsaPkcs1Sha256, Scheme::RsaPkcs1Sha256)
                | (Self::RsaPkcs1Sha384, Scheme::RsaPkcs1Sha384)
                | (Self::RsaPkcs1Sha512, Scheme::RsaPkcs1Sha512)
                | (Self::RsaPssSha256, Scheme::RsaPssSha256)
                | (Self::RsaPssSha384, Scheme::RsaPssSha384)
                | (Self::RsaPssSha512, Scheme::RsaPssSha512)
        )
    }
}

/// What a `SubjectPublicKeyInfo` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey<'a> {
    /// An uncompressed point.
    P256(&'a [u8; 65]),
    /// An uncompressed point.
    P384(&'a [u8; 97]),
    /// `RSAPublicKey`, DER.
    Rsa(&'a [u8]),
}

impl<'a> PublicKey<'a> {
    pub(crate) fn parse(info: AnyRef<'a>) -> Result<Self, Malformed> {
        const NOT_READABLE: Malformed = "its public key is not readable";
        const NOT_KNOWN: Malformed = "its public key is of a kind that is not accepted";
        let (identifier, bits) = info
            .sequence(|reader| Ok::<_, der::Error>((AnyRef::decode(reader)?, AnyRef::decode(reader)?)))
            .map_err(|_| NOT_READABLE)?;
        let (oid, parameters) = algorithm(identifier).ok_or(NOT_READABLE)?;
        let key = match bits.value().split_first() {
            Some((0, key)) if bits.tag() == Tag::BitString => key,
            _ => return Err(NOT_READABLE),
        };
        match (oid, curve(parameters)) {
            (EC_PUBLIC_KEY, Some(PRIME256V1)) => point(key).map(Self::P256).ok_or(NOT_KNOWN),
            (EC_PUBLIC_KEY, Some(SECP384R1)) => point(key).map(Self::P384).ok_or(NOT_KNOWN),
            // RFC 4055 section 1.2: the same key type for both paddings, with NULL.
            (RSA_ENCRYPTION, None) if is_null(parameters) => Ok(Self::Rsa(key)),
            _ => Err(NOT_KNOWN),
        }
    }

    /// The content of the key's bit string.
    pub(crate) const fn bytes(&self) -> &'a [u8] {
        match self {
            Self::P256(point) => *point,
            Self::P384(point) => *point,
            Self::Rsa(key) => key,
        }
    }

    /// The key, ready for signatures of this algorithm; `None` if a key of this kind does not make such.
    pub(crate) fn for_signatures(&self, algorithm: SignatureAlgorithm) -> Option<SignatureKey> {
        use SignatureAlgorithm as A;
        let scheme = match (self, algorithm) {
            (Self::P256(_), A::EcdsaSha256) => Scheme::EcdsaP256Sha256,
            (Self::P256(_), A::EcdsaSha384) => Scheme::EcdsaP256Sha384,
            (Self::P384(_), A::EcdsaSha256) => Scheme::EcdsaP384Sha256,
            (Self::P384(_), A::EcdsaSha384) => Scheme::EcdsaP384Sha384,
            (Self::Rsa(_), A::RsaPkcs1Sha256) => Scheme::RsaPkcs1Sha256,
            (Self::Rsa(_), A::RsaPkcs1Sha384) => Scheme::RsaPkcs1Sha384,
            (Self::Rsa(_), A::RsaPkcs1Sha512) => Scheme::RsaPkcs1Sha512,
            (Self::Rsa(_), A::RsaPssSha256) => Scheme::RsaPssSha256,
            (Self::Rsa(_), A::RsaPssSha384) => Scheme::RsaPssSha384,
            (Self::Rsa(_), A::RsaPssSha512) => Scheme::RsaPssSha512,
            _ => return None,
        };
        SignatureKey::new(scheme, self.bytes())
    }
}

/// The identifier and, if there are any, the parameters of an `AlgorithmIdentifier`.
fn algorithm(identifier: AnyRef<'_>) -> Option<(ObjectIdentifier, Option<AnyRef<'_>>)> {
    if identifier.tag() != Tag::Sequence {
        return None;
    }
    let mut reader = SliceReader::new(identifier.value()).ok()?;
    let oid = ObjectIdentifier::decode(&mut reader).ok()?;
    let parameters = if reader.is_finished() { None } else { Some(AnyRef::decode(&mut reader).ok()?) };
    reader.is_finished().then_some((oid, parameters))
}

fn is_null(parameters: Option<AnyRef<'_>>) -> bool {
    parameters.is_some_and(|parameters| parameters.tag() == Tag::Null)
}

fn curve(parameters: Option<AnyRef<'_>>) -> Option<ObjectIdentifier> {
    parameters?.decode_as().ok()
}

/// A point with both coordinates.
fn point<const N: usize>(key: &[u8]) -> Option<&[u8; N]> {
    key.try_into().ok().filter(|point: &&[u8; N]| point.first() == Some(&4))
}

/// `RSASSA-PSS-params` (RFC 4055 section 3.1), accepted only with one hash throughout and a salt of its length. The defaults are
/// SHA-1 and 20 bytes, so all but the trailer must be there; AMD writes the trailer in some certificates and not in others.
fn pss(parameters: AnyRef<'_>) -> Option<SignatureAlgorithm> {
    if parameters.tag() != Tag::Sequence {
        return None;
    }
    let mut reader = SliceReader::new(parameters.value()).ok()?;
    let hash = hash(explicit(&mut reader, 0)?)?;
    let (mask, mask_hash) = algorithm(explicit(&mut reader, 1)?)?;
    let salt: u8 = explicit(&mut reader, 2)?.decode_as().ok()?;
    if !reader.is_finished() {
        let trailer: u8 = explicit(&mut reader, 3)?.decode_as().ok()?;
        if trailer != 1 || !reader.is_finished() {
            return None;
        }
    }
    let (algorithm, length) = match hash {
        SHA256 => (SignatureAlgorithm::RsaPssSha256, 32),
        SHA384 => (SignatureAlgorithm::RsaPssSha384, 48),
        SHA512 => (SignatureAlgorithm::RsaPssSha512, 64),
        _ => return None,
    };
    (mask == MGF1 && self::hash(mask_hash?)? == hash && salt == length).then_some(algorithm)
}

/// The value inside the next field, which must have this number.
fn explicit<'a>(reader: &mut SliceReader<'a>, number: u32) -> Option<AnyRef<'a>> {
    let field = AnyRef::decode(reader).ok().filter(|field| field_is(*field, number))?;
    AnyRef::from_der(field.value()).ok()
}

/// The identifier of a hash; its parameters are NULL or absent (RFC 4055 section 2.1).
fn hash(identifier: AnyRef<'_>) -> Option<ObjectIdentifier> {
    let (oid, parameters) = algorithm(identifier)?;
    (parameters.is_none() || is_null(parameters)).then_some(oid)
}
