//! When an endorsement was signed, by the word of a time-stamp authority (RFC 3161).
//!
//! The token stands in the unprotected header: whoever passes the endorsement on can take it away or put another one
//! there. So a good token is proof of the time, and a bad one is no more than none at all.

use coset::Label;
use coset::cbor::Value;
use der::asn1::ObjectIdentifier;

use super::chain::{KNOWN_EXTENSIONS, authority_problems, is_signed_by};
use super::cms::{Problem, Token};
use super::cose::Message;
use super::did::usages;
use super::hash::Hash;
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
    check_signature(&token)?;
    check_chain(&token, authorities)?;
    if token.info.time > now {
        return Err("its time is after the time of verification");
    }
    Ok(token.info.time)
}

/// The signer signed the statement, and is a time-stamp authority.
fn check_signature(token: &Token<'_>) -> Result<(), Problem> {
    let (der, certificate) = signer_certificate(token)?;
    let signer = &token.signer;
    if signer.hash.of(token.content) != signer.digest {
        return Err("its signer signed another statement");
    }
    if signer.certificate.is_some_and(|(hash, value)| hash.of(der) != value) {
        return Err("its signer named another certificate");
    }
    let scheme = match signer.hash {
        Hash::Sha256 => Scheme::RsaPkcs1Sha256,
        Hash::Sha384 => Scheme::RsaPkcs1Sha384,
        Hash::Sha512 => Scheme::RsaPkcs1Sha512,
    };
    let PublicKey::Rsa(key) = certificate.public_key else {
        return Err("its signer's key is no RSA key");
    };
    let key = SignatureKey::new(scheme, key).ok_or("its signer's key is not accepted")?;
    if !key.verify(&signer.signed_bytes, signer.signature) {
        return Err("its signature is not valid");
    }
    // RFC 3161, section 2.3: for time-stamps and for nothing else. Microsoft does not mark it critical.
    if usages(certificate).is_none_or(|usages| usages != [TIME_STAMPING]) {
        return Err("its signer's certificate is not for time-stamps alone");
    }
    if certificate.key_usage(DIGITAL_SIGNATURE) == Some(false) {
        return Err("its signer's key may not sign documents");
    }
    Ok(())
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
fn check_chain(token: &Token<'_>, authorities: &[[u8; 32]]) -> Result<(), Problem> {
    let mut certificate = &signer_certificate(token)?.1;
    check_certificate(certificate, token.info.time)?;
    // Each step goes to another certificate, so there are at most as many as there are certificates.
    for below in 0..token.certificates.len() {
        let issuer = token
            .certificates
            .iter()
            .map(|(_, other)| other)
            .find(|other| other.subject == certificate.issuer && is_signed_by(certificate, other))
            .ok_or("its signer's authority is not known")?;
        check_certificate(issuer, token.info.time)?;
        if !authority_problems(below, issuer).is_empty() {
            return Err("an authority of its signer may not issue certificates");
        }
        if authorities.contains(&sha256(&[issuer.public_key_info])) {
            return Ok(());
        }
        certificate = issuer;
    }
    Err("its signer's authority is not known")
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
