//! How tests look at what simulated AMD makes.
#![allow(dead_code, reason = "not every test file looks at everything")]

use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED, RSA_PSS_2048_8192_SHA384, UnparsedPublicKey, VerificationAlgorithm,
};
use der::{Decode, Encode};
use x509_cert::certificate::{CertificateInner, Rfc5280};
use x509_cert::crl::CertificateList;
use x509_cert::ext::Extension;

/// AMD's certificates have the serial number zero, which the profile of RFC 5280 allows on reading.
pub(crate) type Certificate = CertificateInner<Rfc5280>;

pub(crate) fn certificate(der: &[u8]) -> Certificate {
    let read = Certificate::from_der(der).unwrap();
    assert_eq!(read.to_der().unwrap(), der, "it is DER");
    read
}

pub(crate) fn public_key(der: &[u8]) -> Vec<u8> {
    let info = certificate(der).tbs_certificate().subject_public_key_info().clone();
    info.subject_public_key.raw_bytes().to_vec()
}

fn verifies(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
}

/// What a signed structure signs, and its signature: of certificates and of lists.
pub(crate) fn signed_parts(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (_, content, _) = tlv(der);
    let (_, body, rest) = tlv(content);
    let body_size = content.len() - rest.len();
    assert!(body.len() < body_size);
    let (_, _, rest) = tlv(rest);
    let (tag, signature, rest) = tlv(rest);
    assert_eq!((tag, rest.len()), (3, 0));
    (content[..body_size].to_vec(), signature[1..].to_vec())
}

/// Whether a certificate or list is signed by this issuer with RSASSA-PSS, SHA-384 and a salt of 48 bytes.
pub(crate) fn signs_certificate(issuer: &[u8], signed: &[u8]) -> bool {
    let (body, signature) = signed_parts(signed);
    verifies(&RSA_PSS_2048_8192_SHA384, &public_key(issuer), &body, &signature)
}

pub(crate) fn crl(der: &[u8]) -> CertificateList {
    CertificateList::from_der(der).unwrap()
}

pub(crate) fn signs_crl(issuer: &[u8], list: &[u8]) -> bool {
    let names_match = crl(list).tbs_cert_list.issuer == *certificate(issuer).tbs_certificate().subject();
    names_match && signs_certificate(issuer, list)
}

/// Whether the endorsement key signs the report.
pub(crate) fn signs_report(vek: &[u8], report: &[u8]) -> bool {
    if report.len() != 0x4a0 {
        return false;
    }
    let big_endian = |at: usize| report[at..at + 48].iter().rev().copied().collect::<Vec<u8>>();
    let signature = [big_endian(0x2a0), big_endian(0x2e8)].concat();
    verifies(&ECDSA_P384_SHA384_FIXED, &public_key(vek), &report[..0x2a0], &signature)
}

/// Tag, content, and what follows.
fn tlv(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (size, start) = match usize::from(der[1]) {
        short @ 0..0x80 => (short, 2),
        long => {
            let count = long - 0x80;
            (der[2..2 + count].iter().fold(0, |sum, b| sum * 256 + usize::from(*b)), 2 + count)
        }
    };
    (der[0], &der[start..start + size], &der[start + size..])
}

/// Object identifiers whose octet string differs from certificate to certificate: key ids and HWID.
const VARYING: [&str; 3] = ["551d0e", "551d23", "2b060104019c780104"];

/// Every value of a structure, in order, with its depth: keys, signatures, times, key ids and HWID by length alone.
pub(crate) fn outline(der: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    walk(der, 0, &mut lines, &mut String::new());
    lines
}

fn walk(mut der: &[u8], depth: usize, lines: &mut Vec<String>, identifier: &mut String) {
    while !der.is_empty() {
        let (tag, content, rest) = tlv(der);
        let varies = match tag {
            0x03 => content.len() > 8,
            0x04 => VARYING.contains(&identifier.as_str()),
            0x17 => true,
            _ => false,
        };
        if tag == 0x06 {
            *identifier = hex::encode(content);
        }
        match (tag & 0x20, varies) {
            (0x20, _) => {
                lines.push(format!("{depth}: {tag:02x}"));
                walk(content, depth + 1, lines, identifier);
            }
            (_, true) => lines.push(format!("{depth}: {tag:02x} of {} bytes", content.len())),
            (_, false) => lines.push(format!("{depth}: {tag:02x} {}", hex::encode(content))),
        }
        der = rest;
    }
}

/// The extensions of a certificate.
pub(crate) fn extensions(der: &[u8]) -> Vec<Extension> {
    certificate(der).tbs_certificate().extensions().unwrap().clone()
}
