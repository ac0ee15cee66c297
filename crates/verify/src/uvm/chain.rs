//! The certificates of the signer, leaf first, as the protected header carries them (RFC 9360, section 2).
//!
//! No root is pinned here. What the chain proves is which authority stands behind the leaf; whether that one is believed
//! is for the issuer's name (`did`) and the list of trusted issuers.

use coset::Label;
use coset::cbor::Value;
use der::asn1::ObjectIdentifier;

use super::cose::Message;
use super::error::UvmError;
use super::hash::Hash;
use super::limits::{CERTIFICATE_TOO_LARGE, MAX_CERTIFICATE_SIZE, MAX_CERTIFICATES, accepts};
use crate::time::UnixTime;
use crate::x509::{Certificate, DIGITAL_SIGNATURE, KEY_CERT_SIGN};

/// Header parameters of RFC 9360.
const X5CHAIN: Label = Label::Int(33);
const X5T: Label = Label::Int(34);
pub(super) const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
pub(super) const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const CERTIFICATE_POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32");
/// What may be critical beside what every chain knows: the issuer's name or the time-stamp rules judge the first two, and
/// policies bind nobody who demands none (RFC 5280, section 6.1.1, `any-policy`).
pub(super) const KNOWN_EXTENSIONS: &[ObjectIdentifier] =
    &[EXTENDED_KEY_USAGE, SUBJECT_ALT_NAME, CERTIFICATE_POLICIES];

const KEY_NOT_ACCEPTED: &str = "its RSA key has more than 4096 bits, or an exponent other than 65537";

/// The chain, read but not verified.
pub(super) struct Chain<'a> {
    pub(super) leaf: Certificate<'a>,
    /// From the one that issued the leaf upwards, with their bytes.
    pub(super) authorities: Vec<(&'a [u8], Certificate<'a>)>,
    leaf_der: &'a [u8],
    thumbprint: Option<&'a Value>,
}

impl<'a> Chain<'a> {
    pub(super) fn read(message: &'a Message) -> Result<Self, Vec<UvmError>> {
        let ders = certificates(message.protected(&X5CHAIN)).map_err(|error| vec![error])?;
        let mut problems = Vec::new();
        let mut read = Vec::with_capacity(ders.len());
        for (index, der) in ders.into_iter().enumerate() {
            let parsed = match der.len() {
                0..=MAX_CERTIFICATE_SIZE => Certificate::parse(der),
                _ => Err(CERTIFICATE_TOO_LARGE),
            };
            match parsed {
                Ok(certificate) => read.push((der, certificate)),
                Err(problem) => problems.push(UvmError::CertificateMalformed { index, problem }),
            }
        }
        let mut read = read.into_iter();
        match (read.next(), problems.is_empty()) {
            (Some((leaf_der, leaf)), true) => {
                Ok(Self { leaf, leaf_der, authorities: read.collect(), thumbprint: message.protected(&X5T) })
            }
            _ => Err(problems),
        }
    }

    /// Every rule on the chain but for signatures, which cost more than all others, and dates, which need the time of signing.
    pub(super) fn check(&self) -> Vec<UvmError> {
        let mut problems = check_leaf(&self.leaf);
        if self.thumbprint.is_some_and(|value| !is_thumbprint(value, self.leaf_der)) {
            problems.push(UvmError::Thumbprint);
        }
        for (index, (certificate, (_, issuer))) in self.certificates().zip(&self.authorities).enumerate() {
            if certificate.issuer != issuer.subject {
                problems.push(UvmError::CertificateIssuer { index });
            }
        }
        for (below, (_, authority)) in self.authorities.iter().enumerate() {
            problems.extend(check_authority(below, authority));
        }
        for (index, certificate) in self.certificates().enumerate() {
            if !accepts(&certificate.public_key) {
                problems.push(UvmError::CertificateConstraints { index, problem: KEY_NOT_ACCEPTED });
            }
        }
        problems
    }

    pub(super) fn has_accepted_keys(&self) -> bool {
        self.certificates().all(|certificate| accepts(&certificate.public_key))
    }

    /// The first signature that is not valid, from an authority (0 is the one that issued the leaf) downwards, and above it
    /// only if all below are: those keys are known to be its own, and each one above is whoever's it likes to be.
    pub(super) fn check_signatures(&self, authority: usize) -> Option<UvmError> {
        let issuers = self.authorities.iter().map(|(_, issuer)| issuer);
        let links: Vec<_> = self.certificates().zip(issuers).enumerate().collect();
        let (below, above) = links.split_at_checked(authority.saturating_add(1)).unwrap_or((&links, &[]));
        let mut links = below.iter().rev().chain(above);
        let (index, _) = links.find(|(_, (certificate, issuer))| !is_signed_by(certificate, issuer))?;
        Some(UvmError::CertificateSignature { index: *index })
    }

    /// Which certificates were not valid at a time.
    pub(super) fn check_dates(&self, at: UnixTime) -> Vec<UvmError> {
        let judge = |(index, certificate): (usize, &Certificate<'_>)| {
            let window = certificate.validity;
            if at < window.from {
                Some(UvmError::CertificateNotYetValid { index, from: window.from })
            } else if at > window.until {
                Some(UvmError::CertificateExpired { index, until: window.until })
            } else {
                None
            }
        };
        self.certificates().enumerate().filter_map(judge).collect()
    }

    fn certificates(&self) -> impl Iterator<Item = &Certificate<'a>> {
        std::iter::once(&self.leaf).chain(self.authorities.iter().map(|(_, certificate)| certificate))
    }
}

/// The certificates of `x5chain`; a single one is not in an array.
fn certificates(header: Option<&Value>) -> Result<Vec<&[u8]>, UvmError> {
    let malformed = |problem| UvmError::ChainMalformed { problem };
    let certificates: Vec<&[u8]> = match header {
        None => return Err(malformed("there is none in the protected header")),
        Some(Value::Bytes(single)) => vec![single],
        Some(Value::Array(items)) => {
            let items: Option<Vec<&[u8]>> =
                items.iter().map(|item| item.as_bytes().map(Vec::as_slice)).collect();
            items.ok_or(malformed("a certificate is no byte string"))?
        }
        Some(_) => return Err(malformed("it is no list of byte strings")),
    };
    // A leaf alone has nobody who vouches for it.
    if (2..=MAX_CERTIFICATES).contains(&certificates.len()) {
        Ok(certificates)
    } else {
        Err(UvmError::ChainLength { found: certificates.len(), limit: MAX_CERTIFICATES })
    }
}

/// `[hash algorithm, hash]`; a hash that is not known is not a match.
fn is_thumbprint(value: &Value, leaf: &[u8]) -> bool {
    let Some([algorithm, hash]) = value.as_array().map(Vec::as_slice) else { return false };
    let Some(algorithm) = algorithm.as_integer().and_then(|number| Hash::from_cose(number.into())) else {
        return false;
    };
    hash.as_bytes().is_some_and(|hash| *hash == algorithm.of(leaf))
}

fn check_leaf(leaf: &Certificate<'_>) -> Vec<UvmError> {
    let mut problems: Vec<_> = check_extensions(0, leaf).into_iter().collect();
    let mut constraint = |problem| problems.push(UvmError::CertificateConstraints { index: 0, problem });
    match leaf.basic_constraints() {
        Ok(constraints) if constraints.ca => constraint("it is a CA"),
        Ok(_) => {}
        Err(problem) => constraint(problem),
    }
    // did:x509 would do without the extension; Microsoft's leaves have it.
    if leaf.key_usage(DIGITAL_SIGNATURE) != Some(true) {
        constraint("its key may not sign documents");
    }
    problems
}

/// `below` counts the authorities between this one and the leaf.
fn check_authority(below: usize, authority: &Certificate<'_>) -> Vec<UvmError> {
    let index = below.saturating_add(1);
    let mut problems: Vec<_> = check_extensions(index, authority).into_iter().collect();
    problems.extend(
        authority_problems(below, authority)
            .into_iter()
            .map(|problem| UvmError::CertificateConstraints { index, problem }),
    );
    problems
}

/// Why a certificate may not issue others (RFC 5280, sections 4.2.1.3 and 4.2.1.9).
pub(super) fn authority_problems(below: usize, authority: &Certificate<'_>) -> Vec<&'static str> {
    let mut problems = Vec::new();
    match authority.basic_constraints() {
        Ok(constraints) if !constraints.ca => problems.push("it is not a CA"),
        Ok(constraints) if constraints.path_length.is_some_and(|most| usize::from(most) < below) => {
            problems.push("it allows fewer authorities below it");
        }
        Ok(_) => {}
        Err(problem) => problems.push(problem),
    }
    if authority.key_usage(KEY_CERT_SIGN) != Some(true) {
        problems.push("its key may not sign certificates");
    }
    problems
}

fn check_extensions(index: usize, certificate: &Certificate<'_>) -> Option<UvmError> {
    let unknown = certificate.unknown_critical_extension(KNOWN_EXTENSIONS)?;
    Some(UvmError::CriticalExtension { index, oid: unknown.to_string() })
}

/// Whether the key of one certificate signed another.
pub(super) fn is_signed_by(certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> bool {
    let key = issuer.public_key.for_signatures(certificate.algorithm());
    key.is_some_and(|key| certificate.is_signed_by(&key))
}
