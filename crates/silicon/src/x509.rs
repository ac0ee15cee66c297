//! What certificates and revocation lists of every vendor have in common (RFC 5280).

use aws_lc_rs::digest;
use base64::prelude::{BASE64_STANDARD, Engine};

use crate::asn1;

// Object identifiers, encoded; the dotted form stands beside each.
pub(crate) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]; // 1.2.840.10045.2.1
pub(crate) const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]; // 1.2.840.10045.3.1.7
pub(crate) const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03]; // 2.5.4.3
pub(crate) const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a]; // 2.5.4.10
pub(crate) const LOCALITY: &[u8] = &[0x55, 0x04, 0x07]; // 2.5.4.7
pub(crate) const STATE: &[u8] = &[0x55, 0x04, 0x08]; // 2.5.4.8
pub(crate) const COUNTRY: &[u8] = &[0x55, 0x04, 0x06]; // 2.5.4.6
pub(crate) const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e]; // 2.5.29.14
pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f]; // 2.5.29.15
pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13]; // 2.5.29.19
pub(crate) const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14]; // 2.5.29.20
pub(crate) const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 0x1f]; // 2.5.29.31
pub(crate) const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23]; // 2.5.29.35

/// An X.509 extension.
#[derive(Clone, Debug)]
pub(crate) struct Extension {
    pub(crate) oid: Vec<u8>,
    pub(crate) critical: bool,
    /// The content of the octet string.
    pub(crate) value: Vec<u8>,
}

impl Extension {
    pub(crate) fn new(oid: &[u8], critical: bool, value: Vec<u8>) -> Self {
        Self { oid: oid.to_vec(), critical, value }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut parts = vec![asn1::oid(&self.oid)];
        if self.critical {
            parts.push(asn1::boolean(true));
        }
        parts.push(asn1::octets(&self.value));
        asn1::sequence(&parts)
    }
}

/// First and last second of a validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// RFC 5280, section 4.2.1.2, method 1: SHA-1 of the public key, the content of its bit string.
pub(crate) fn key_id(public_key: &[u8]) -> [u8; 20] {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, public_key);
    // SHA-1 is 20 bytes; zeros would be a key id that matches nothing.
    hash.as_ref().try_into().unwrap_or_default()
}

pub(crate) fn distribution_point(url: &str) -> Extension {
    // DistributionPoint { distributionPoint [0] { fullName [0] { uniformResourceIdentifier [6] } } }
    let full_name = asn1::context(0, &asn1::context(0, &asn1::context_primitive(6, url.as_bytes())));
    Extension::new(CRL_DISTRIBUTION_POINTS, false, asn1::sequence(&[asn1::sequence(&[full_name])]))
}

/// One part of a name.
pub(crate) fn relative_name(oid: &[u8], value: Vec<u8>) -> Vec<u8> {
    asn1::set(&asn1::sequence(&[asn1::oid(oid), value]))
}

/// PEM (RFC 7468) of certificates, one after the other, each with a final newline.
pub(crate) fn pem<C: AsRef<[u8]>>(certificates: &[C]) -> String {
    certificates.iter().map(|der| pem_block("CERTIFICATE", der.as_ref())).collect()
}

/// PEM of one structure, with a final newline.
pub(crate) fn pem_block(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for (index, character) in text.chars().enumerate() {
        if index > 0 && index.is_multiple_of(64) {
            out.push('\n');
        }
        out.push(character);
    }
    out.push_str(&format!("\n-----END {label}-----\n"));
    out
}
