//! The self-signed certificate of a signing key, in the shape of Azure Attestation's:
//! version 3, one common name, `CA:FALSE`, subject and authority key identifiers in this order.
//!
//! It is encoded here and not by a certificate library so that any [`Signer`] can make one, hardware included, for
//! every algorithm: the libraries at hand sign only with keys of their own or know no RSASSA-PSS.

use std::time::Duration;

use der::asn1::{Any, AnyRef, BitStringRef, Ia5String, ObjectIdentifier, OctetString, SetOfVec, UintRef};
use der::{DateTime, Decode, Encode, Sequence, Tag};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, SubjectAltName, SubjectKeyIdentifier};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use crate::certificate::{
    ECDSA_WITH_SHA256, ECDSA_WITH_SHA384, PSS_SHA256_PARAMETERS, RSASSA_PSS, SHA256_WITH_RSA,
};
use crate::{Algorithm, Signer, TokenError, sha256};

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const SUBJECT_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");

/// `ub-common-name` of X.520, in characters.
const COMMON_NAME_CHARS: usize = 64;
/// Readable part of a shortened common name; with `~` and 16 hexadecimal digits it fills the 64 characters.
const SHORTENED_CHARS: usize = 47;
/// Longer than any URL that browsers and proxies handle alike.
const MAX_NAME_BYTES: usize = 2048;

/// Makes the self-signed certificate of a signing key, in DER. Times are unix seconds.
///
/// The common name is the provider's issuer URL, as UTF8String. X.520 allows 64 characters; a longer name (ASCII
/// only) is shortened to its first 47 characters, `~` and 16 hexadecimal digits of its SHA-256, and stands in full
/// as a URI in the subject alternative name. The serial number is a hash over the key and the begin of validity:
/// positive, and not repeated among certificates of one name.
///
/// # Errors
/// [`TokenError::CommonName`], [`TokenError::Validity`], and whatever the signer fails with.
pub fn self_signed_certificate(
    signer: &dyn Signer,
    common_name: &str,
    not_before: u64,
    not_after: u64,
) -> Result<Vec<u8>, TokenError> {
    let (subject_name, full_name) = names(common_name)?;
    let validity = validity(not_before, not_after)?;
    let spki = signer.public_key().spki_der();
    let serial = serial(spki, not_before);
    let parts = Parts { signer, spki, subject_name: &subject_name, full_name, validity, serial: &serial };
    let tbs = parts.tbs().map_err(encoding)?;
    let signature = certificate_signature(signer, &tbs)?;
    assemble(signer.algorithm(), &tbs, &signature).map_err(encoding)
}

struct Parts<'a> {
    signer: &'a dyn Signer,
    spki: &'a [u8],
    subject_name: &'a str,
    /// The name in full, where the subject has it shortened.
    full_name: Option<&'a str>,
    validity: Validity,
    serial: &'a [u8],
}

/// `TBSCertificate` of RFC 5280 section 4.1 with the members that we write.
#[derive(Sequence)]
struct Tbs<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial: UintRef<'a>,
    signature: AlgorithmIdentifierRef<'a>,
    issuer: Vec<SetOfVec<AttributeTypeAndValue>>,
    validity: Validity,
    subject: Vec<SetOfVec<AttributeTypeAndValue>>,
    spki: SubjectPublicKeyInfoRef<'a>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Extensions,
}

#[derive(Sequence)]
struct Signed<'a> {
    tbs: AnyRef<'a>,
    algorithm: AlgorithmIdentifierRef<'a>,
    signature: BitStringRef<'a>,
}

/// `Ecdsa-Sig-Value` of RFC 3279 section 2.2.3.
#[derive(Sequence)]
struct EcdsaSignature<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

impl Parts<'_> {
    fn tbs(&self) -> der::Result<Vec<u8>> {
        let name = vec![SetOfVec::from_iter([AttributeTypeAndValue {
            oid: COMMON_NAME,
            value: Any::new(Tag::Utf8String, self.subject_name.as_bytes())?,
        }])?];
        Tbs {
            version: 2,
            serial: UintRef::new(self.serial)?,
            signature: algorithm_identifier(self.signer.algorithm())?,
            issuer: name.clone(),
            validity: self.validity,
            subject: name,
            spki: SubjectPublicKeyInfoRef::from_der(self.spki)?,
            extensions: self.extensions()?,
        }
        .to_der()
    }

    fn extensions(&self) -> der::Result<Extensions> {
        // RFC 7093 section 2, method 1, over the SPKI.
        let key_id = OctetString::new(sha256(self.spki).get(..20).unwrap_or_default())?;
        let authority = AuthorityKeyIdentifier {
            key_identifier: Some(key_id.clone()),
            authority_cert_issuer: None,
            authority_cert_serial_number: None,
        };
        let constraints = BasicConstraints { ca: false, path_len_constraint: None };
        let mut extensions = vec![
            extension(BASIC_CONSTRAINTS, &constraints)?,
            extension(SUBJECT_KEY_ID, &SubjectKeyIdentifier(key_id))?,
            extension(AUTHORITY_KEY_ID, &authority)?,
        ];
        if let Some(name) = self.full_name {
            let uri = GeneralName::UniformResourceIdentifier(Ia5String::new(name)?);
            extensions.push(extension(SUBJECT_ALT_NAME, &SubjectAltName(vec![uri]))?);
        }
        Ok(extensions)
    }
}

/// The common name, and the full name if it had to be shortened.
fn names(common_name: &str) -> Result<(String, Option<&str>), TokenError> {
    let refuse = |reason| Err(TokenError::CommonName { reason });
    if common_name.is_empty() {
        return refuse("it is empty");
    }
    if common_name.chars().any(char::is_control) {
        return refuse("it has control characters");
    }
    if common_name.chars().count() <= COMMON_NAME_CHARS {
        return Ok((common_name.to_owned(), None));
    }
    if common_name.len() > MAX_NAME_BYTES {
        return refuse("it is longer than 2048 bytes");
    }
    if !common_name.is_ascii() {
        return refuse("it is longer than 64 characters and not ASCII");
    }
    let beginning = common_name.get(..SHORTENED_CHARS).unwrap_or_default();
    let digest = hex::encode(sha256(common_name.as_bytes()).get(..8).unwrap_or_default());
    Ok((format!("{beginning}~{digest}"), Some(common_name)))
}

fn validity(not_before: u64, not_after: u64) -> Result<Validity, TokenError> {
    let time = |seconds| DateTime::from_unix_duration(Duration::from_secs(seconds)).map(Time::from).ok();
    match (time(not_before), time(not_after)) {
        (Some(begin), Some(end)) if not_before < not_after => Ok(Validity::new(begin, end)),
        _ => Err(TokenError::Validity { not_before, not_after }),
    }
}

/// 16 bytes (RFC 5280 allows 20), positive, never zero.
fn serial(spki: &[u8], not_before: u64) -> Vec<u8> {
    let digest = sha256(&[spki, &not_before.to_be_bytes()].concat());
    let mut serial = digest.get(..16).unwrap_or_default().to_vec();
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    serial
}

fn extension(oid: ObjectIdentifier, value: &impl Encode) -> der::Result<Extension> {
    Ok(Extension { extn_id: oid, critical: false, extn_value: OctetString::new(value.to_der()?)? })
}

fn algorithm_identifier(algorithm: Algorithm) -> der::Result<AlgorithmIdentifierRef<'static>> {
    let (oid, parameters) = match algorithm {
        Algorithm::Rs256 => (SHA256_WITH_RSA, Some(AnyRef::NULL)),
        Algorithm::Ps256 => (RSASSA_PSS, Some(AnyRef::from_der(PSS_SHA256_PARAMETERS)?)),
        Algorithm::Es256 => (ECDSA_WITH_SHA256, None),
        Algorithm::Es384 => (ECDSA_WITH_SHA384, None),
    };
    Ok(AlgorithmIdentifierRef { oid, parameters })
}

/// Signatures in certificates are those of tokens, but for the encoding of ECDSA's two numbers.
fn certificate_signature(signer: &dyn Signer, tbs: &[u8]) -> Result<Vec<u8>, TokenError> {
    let signature = signer.sign(tbs)?;
    match signer.algorithm() {
        Algorithm::Rs256 | Algorithm::Ps256 => Ok(signature),
        Algorithm::Es256 | Algorithm::Es384 => {
            let (r, s) = signature.split_at(signature.len().checked_div(2).unwrap_or_default());
            let encode = || EcdsaSignature { r: UintRef::new(r)?, s: UintRef::new(s)? }.to_der();
            encode().map_err(encoding)
        }
    }
}

fn assemble(algorithm: Algorithm, tbs: &[u8], signature: &[u8]) -> der::Result<Vec<u8>> {
    Signed {
        tbs: AnyRef::from_der(tbs)?,
        algorithm: algorithm_identifier(algorithm)?,
        signature: BitStringRef::from_bytes(signature)?,
    }
    .to_der()
}

fn encoding(_: der::Error) -> TokenError {
    TokenError::Crypto { operation: "encode certificate" }
}
