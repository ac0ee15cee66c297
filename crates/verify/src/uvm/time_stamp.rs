//! When an endorsement was signed, by the word of a time-stamp authority (RFC 3161).
//!
//! The token stands in the unprotected header: whoever passes the endorsement on can take it away or put another one
//! there. So a good token is proof of the time, and a bad one is no more than none at all. It is read only when the rest of the
//! endorsement is proven, and what it may cost is bounded.

use coset::Label;
use coset::cbor::Value;
use der::asn1::ObjectIdentifier;

use super::chain::{KNOWN_EXTENSIONS, authority_problems, is_signed_by};
use super::cms::{Problem, Signer, Token};
use super::cose::Message;
use super::did::usages;
use super::hash::Hash;
use super::limits::accepts;
use crate::crypto::{Scheme, SignatureKey, sha256};
use crate::time::UnixTime;
use crate::x509::{Certificate, DIGITAL_SIGNATURE, PublicKey};

/// The key of `Microsoft Time-Stamp PCA 2010` (SHA-256 of its `SubjectPublicKeyInfo`), which issues the certificates of
/// Microsoft's time-stamp service. Seen in the tokens of two real endorsements of ContainerPlat, of 2023-02-08 (version 22)
/// and 2023-04-20 (version 100): both carry the PCA's certificate of 2021-09-30, valid until 2030-09-30.
pub const MICROSOFT_TIME_STAMP_PCA_2010: [u8; 32] = [
    0x18, 0xe9, 0xef, 0xf9, 0x71, 0x92, 0x44, 0x32, 0x08, 0x4b, 0xef, 0xfb, 0x0e, 0x36, 0xcc, 0x29, 0xa5,
    0x25, 0x2c, 0x9d, 0x4e, 0xae, 0x8f, 0x74, 0x1e, 0x68, 0xbc, 0xc3, 0x6e, 0x33, 0xc2, 0x0d,
];
/// What Microsoft's signing tool calls the header; the imprint is of the signature's bytes alone, seen in the same two.
const TIMESTAMP: &str = "timestamp";
/// `3161-ctt` (RFC 9921, section 3.1): the imprint is of the signature as CBOR. Its sister 269 (`3161-ttc`) stamps the
/// payload before it is signed, which says nothing of when it was.
const RFC3161_CTT: i64 = 270;
/// Signatures verified in one token's chain, valid or not; Microsoft's need one. With the token's own there are 8 at most.
const MAX_CHAIN_SIGNATURES: u8 = 7;
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");

/// What the unprotected header says of the time of signing.
pub(super) enum TimeStamp {
    /// There is no time-stamp.
    Absent,
    /// There is one, which proves nothing.
    Unusable(Problem),
    /// A trusted authority saw the signature at this time.
    At(UnixTime),
}

/// Looks for a token, and verifies it.
pub(super) fn verify(message: &Message, authorities: &[[u8; 32]], now: UnixTime) -> TimeStamp {
    let signature = message.signature();
    let ours = message.unprotected(&Label::Text(TIMESTAMP.to_owned()));
    let (header, stamped) = match (ours, message.unprotected(&Label::Int(RFC3161_CTT))) {
        (Some(token), _) => (token, signature.to_vec()),
        (None, Some(token)) => (token, cbor_bytes(signature)),
        (None, None) => return TimeStamp::Absent,
    };
    let Value::Bytes(token) = header else {
        return TimeStamp::Unusable("it is no byte string");
    };
    match check(token, &stamped, authorities, now) {
        Ok(time) => TimeStamp::At(time),
        Err(problem) => TimeStamp::Unusable(problem),
    }
}

fn check(token: &[u8], stamped: &[u8], authorities: &[[u8; 32]], now: UnixTime) -> Result<UnixTime, Problem> {
    let token = Token::parse(token)?;
    if token.info.imprint_hash.of(stamped) != token.info.imprint {
        return Err("it is for another signature");
    }
    if token.info.time > now {
        return Err("its time is after the time of verification");
    }
    let (der, certificate) = signer_certificate(&token)?;
    let key = check_signer(&token.signer, der, certificate, token.content)?;
    check_chain(&token, certificate, authorities)?;
    check_signature(&token.signer, key)?;
    Ok(token.info.time)
}

/// The signer is a time-stamp authority, and what it signed is the statement. Its RSA key.
fn check_signer<'a>(
    signer: &Signer<'_>,
    der: &[u8],
    certificate: &Certificate<'a>,
    content: &[u8],
) -> Result<&'a [u8], Problem> {
    if signer.hash.of(content) != signer.digest {
        return Err("its signer signed another statement");
    }
    if signer.certificate.is_some_and(|(hash, value)| hash.of(der) != value) {
        return Err("its signer named another certificate");
    }
    // RFC 3161, section 2.3: for time-stamps and for nothing else. Microsoft does not mark it critical.
    if usages(certificate).is_none_or(|usages| usages != [TIME_STAMPING]) {
        return Err("its signer's certificate is not for time-stamps alone");
    }
    if certificate.key_usage(DIGITAL_SIGNATURE) == Some(false) {
        return Err("its signer's key may not sign documents");
    }
    match certificate.public_key {
        PublicKey::Rsa(key) if accepts(&certificate.public_key) => Ok(key),
        PublicKey::Rsa(_) => Err("its signer's key is not accepted"),
        _ => Err("its signer's key is no RSA key"),
    }
}

/// Last of all signatures, when the key is known to be a time-stamp authority's.
fn check_signature(signer: &Signer<'_>, key: &[u8]) -> Result<(), Problem> {
    let scheme = match signer.hash {
        Hash::Sha256 => Scheme::RsaPkcs1Sha256,
        Hash::Sha384 => Scheme::RsaPkcs1Sha384,
        Hash::Sha512 => Scheme::RsaPkcs1Sha512,
    };
    let key = SignatureKey::new(scheme, key).ok_or("its signer's key is not accepted")?;
    if key.verify(&signer.signed_bytes, signer.signature) {
        Ok(())
    } else {
        Err("its signature is not valid")
    }
}

fn signer_certificate<'a, 'b>(token: &'b Token<'a>) -> Result<&'b (&'a [u8], Certificate<'a>), Problem> {
    let signer = &token.signer;
    let mut certificates = token.certificates.iter();
    let is_signer = |(_, certificate): &&(&[u8], Certificate<'_>)| {
        certificate.issuer == signer.issuer && certificate.serial == signer.serial
    };
    certificates.find(is_signer).ok_or("it does not carry its signer's certificate")
}

/// From the signer's certificate up to one with a pinned key, all valid at the stated time. What is above that one does not
/// matter.
fn check_chain(token: &Token<'_>, signer: &Certificate<'_>, authorities: &[[u8; 32]]) -> Result<(), Problem> {
    const NOT_KNOWN: Problem = "its signer's authority is not known";
    let issuers = possible_issuers(token, authorities).ok_or(NOT_KNOWN)?;
    let mut certificate = signer;
    check_certificate(certificate, token.info.time)?;
    let mut budget = 0..MAX_CHAIN_SIGNATURES;
    // Each step goes to another certificate, so there are at most as many as there are certificates.
    for below in 0..token.certificates.len() {
        let is_issuer = |(other, _): &&(&Certificate<'_>, bool)| {
            other.subject == certificate.issuer && budget.next().is_some() && is_signed_by(certificate, other)
        };
        let (issuer, is_pinned) = issuers.iter().find(is_issuer).ok_or(NOT_KNOWN)?;
        check_certificate(issuer, token.info.time)?;
        if !authority_problems(below, issuer).is_empty() {
            return Err("an authority of its signer may not issue certificates");
        }
        if *is_pinned {
            return Ok(());
        }
        certificate = issuer;
    }
    Err(NOT_KNOWN)
}

/// The certificates that may have issued others, those with a pinned key first; `None` if there is none of these, so that no
/// signature has to be verified to know it.
fn possible_issuers<'a, 'b>(
    token: &'b Token<'a>,
    authorities: &[[u8; 32]],
) -> Option<Vec<(&'b Certificate<'a>, bool)>> {
    let certificates = token.certificates.iter().map(|(_, certificate)| certificate);
    let accepted = certificates.filter(|certificate| accepts(&certificate.public_key));
    let is_pinned = |it: &Certificate<'_>| authorities.contains(&sha256(&[it.public_key_info]));
    let mut issuers: Vec<_> = accepted.map(|certificate| (certificate, is_pinned(certificate))).collect();
    issuers.sort_by_key(|(_, is_pinned)| !is_pinned);
    issuers.first().is_some_and(|(_, is_pinned)| *is_pinned).then_some(issuers)
}

fn check_certificate(certificate: &Certificate<'_>, at: UnixTime) -> Result<(), Problem> {
    if certificate.unknown_critical_extension(KNOWN_EXTENSIONS).is_some() {
        return Err("a certificate of its chain has a critical extension that is not known");
    }
    if at < certificate.validity.from || at > certificate.validity.until {
        return Err("a certificate of its chain was not valid at its time");
    }
    Ok(())
}

/// The bytes as a CBOR byte string with the shortest head (RFC 9921, section 3.1; RFC 8949, section 4.2.1).
fn cbor_bytes(bytes: &[u8]) -> Vec<u8> {
    const BYTE_STRING: u8 = 0x40;
    let length = bytes.len();
    let head = match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..24), _) => vec![BYTE_STRING | short],
        (Ok(length), _) => vec![BYTE_STRING | 24, length],
        (_, Ok(length)) => [&[BYTE_STRING | 25][..], &length.to_be_bytes()].concat(),
        // Longer than any endorsement.
        _ => Vec::new(),
    };
    [&head, bytes].concat()
}
