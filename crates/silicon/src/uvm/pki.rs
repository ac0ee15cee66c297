//! Certificates in the shape of those that Microsoft signs images and times with. Templates are plain data, so that a
//! defect can change any part of one before it is signed.

use super::keys::Key;
use crate::asn1;
use crate::error::SiliconError;
use crate::keys::random;
use crate::x509::{
    AUTHORITY_KEY_ID, BASIC_CONSTRAINTS, COMMON_NAME, COUNTRY, Extension, KEY_USAGE, ORGANIZATION,
    SUBJECT_KEY_ID, Window, key_id, relative_name,
};

pub(super) const ROOT_CN: &str = "Assay Simulated Supply Chain Root CA";
pub(super) const CA_CN: &str = "Assay Simulated Image Signing CA";
pub(super) const LEAF_CN: &str = "Assay Simulated ContainerPlat";
pub(super) const PCA_CN: &str = "Assay Simulated Time-Stamp PCA";
pub(super) const TSA_CN: &str = "Assay Simulated Time-Stamp Service";
const TSA_ROOT_CN: &str = "Assay Simulated Time-Stamp Root";
pub(super) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25]; // 2.5.29.37
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11]; // 2.5.29.17
/// 1.3.6.1.4.1.57264.1.1
const FULCIO_ISSUER: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01, 0x01];
/// 1.3.6.1.4.1.311.76.59.1.2, which Microsoft's names of image signers demand.
pub(super) const UVM_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x4c, 0x3b, 0x01, 0x02];
/// 1.3.6.1.4.1.311.76.59.1.1, which real leaves have as well.
const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x4c, 0x3b, 0x01, 0x01];
/// 1.3.6.1.5.5.7.3.8
pub(super) const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];
const DAY: i64 = 24 * 60 * 60;
const YEAR: i64 = 365 * DAY;

/// A certificate before it is signed.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) serial: [u8; 16],
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) validity: Window,
    pub(super) key: Key,
    pub(super) extensions: Vec<Extension>,
}

/// Keys that may sign certificates and lists: bits 5 and 6.
fn authority_usage() -> Extension {
    Extension::new(KEY_USAGE, true, asn1::bits(1, &[0b0000_0110]))
}

/// Keys that may sign documents: bit 0.
fn signer_usage() -> Extension {
    Extension::new(KEY_USAGE, true, asn1::bits(7, &[0b1000_0000]))
}

pub(super) fn constraints(ca: bool, path_length: Option<u8>) -> Extension {
    let mut parts = Vec::new();
    if ca {
        parts.push(asn1::boolean(true));
    }
    parts.extend(path_length.map(|most| asn1::unsigned(&[most])));
    Extension::new(BASIC_CONSTRAINTS, true, asn1::sequence(&parts))
}

pub(super) fn purposes(oids: &[&[u8]]) -> Extension {
    let oids: Vec<Vec<u8>> = oids.iter().map(|oid| asn1::oid(oid)).collect();
    Extension::new(EXTENDED_KEY_USAGE, false, asn1::sequence(&oids))
}

/// A name of each kind that a did:x509 can ask for (RFC 5280, section 4.2.1.6).
pub(super) fn alternative_names() -> Extension {
    let names = asn1::sequence(&[
        asn1::context_primitive(1, b"signer@example.com"),
        asn1::context_primitive(2, b"example.com"),
        asn1::context_primitive(6, b"https://example.com/signer"),
    ]);
    Extension::new(SUBJECT_ALT_NAME, false, names)
}

/// The text itself, without any DER around it.
pub(super) fn fulcio_issuer() -> Extension {
    Extension::new(FULCIO_ISSUER, false, b"https://accounts.example.com".to_vec())
}

impl Template {
    /// The root, which issues itself.
    pub(super) fn root(key: &Key, created: i64) -> Result<Self, SiliconError> {
        let extensions = vec![authority_usage(), constraints(true, None)];
        Self::new((ROOT_CN, key), (ROOT_CN, key), years(created, 25), extensions)
    }

    /// The authority under the root.
    pub(super) fn ca(key: &Key, root: &Key, created: i64) -> Result<Self, SiliconError> {
        let extensions = vec![authority_usage(), constraints(true, Some(0))];
        Self::new((CA_CN, key), (ROOT_CN, root), years(created, 20), extensions)
    }

    /// The signer of images.
    pub(super) fn leaf(key: &Key, ca: &Key, now: i64) -> Result<Self, SiliconError> {
        let extensions =
            vec![signer_usage(), purposes(&[CODE_SIGNING, UVM_SIGNING]), constraints(false, None)];
        Self::new((LEAF_CN, key), (CA_CN, ca), years(now, 1), extensions)
    }

    /// The authority of the time-stamp service. Tokens do not carry the root above it, so any key may sign it.
    pub(super) fn pca(key: &Key, created: i64) -> Result<Self, SiliconError> {
        let extensions = vec![authority_usage(), purposes(&[TIME_STAMPING]), constraints(true, None)];
        Self::new((PCA_CN, key), (TSA_ROOT_CN, key), years(created, 25), extensions)
    }

    /// The time-stamp service. Like Microsoft's it has no key usage, and its purpose is not critical.
    pub(super) fn tsa(key: &Key, pca: &Key, now: i64) -> Result<Self, SiliconError> {
        let extensions = vec![constraints(false, None), purposes(&[TIME_STAMPING])];
        Self::new((TSA_CN, key), (PCA_CN, pca), years(now, 1), extensions)
    }

    fn new(
        (subject, key): (&str, &Key),
        (issuer, issuer_key): (&str, &Key),
        validity: Window,
        mut extensions: Vec<Extension>,
    ) -> Result<Self, SiliconError> {
        let subject_id = asn1::octets(&key_id(key.public()));
        let authority_id = asn1::sequence(&[asn1::context_primitive(0, &key_id(issuer_key.public()))]);
        extensions.push(Extension::new(SUBJECT_KEY_ID, false, subject_id));
        extensions.push(Extension::new(AUTHORITY_KEY_ID, false, authority_id));
        Ok(Self {
            serial: random()?,
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            validity,
            key: key.clone(),
            extensions,
        })
    }

    /// Puts an extension in the place of the one with the same identifier.
    pub(super) fn set(&mut self, extension: Extension) {
        self.remove(&extension.oid);
        self.extensions.push(extension);
    }

    pub(super) fn remove(&mut self, oid: &[u8]) {
        self.extensions.retain(|extension| extension.oid != oid);
    }

    /// The content of the issuer's name is that of the issuer's subject.
    pub(super) fn issuer_name(&self) -> Vec<u8> {
        name(&self.issuer)
    }

    /// The certificate, DER.
    pub(super) fn sign(&self, key: &Key) -> Result<Vec<u8>, SiliconError> {
        let extensions: Vec<Vec<u8>> = self.extensions.iter().map(Extension::encode).collect();
        let body = asn1::sequence(&[
            asn1::context(0, &asn1::unsigned(&[2])), // version 3
            asn1::unsigned(&self.serial),
            key.der_algorithm(),
            self.issuer_name(),
            asn1::sequence(&[asn1::time(self.validity.from)?, asn1::time(self.validity.to)?]),
            name(&self.subject),
            self.key.public_key_info(),
            asn1::context(3, &asn1::sequence(&extensions)),
        ]);
        let signature = asn1::bits(0, &key.sign_der(&body)?);
        Ok(asn1::sequence(&[body, key.der_algorithm(), signature]))
    }
}

/// From the day before, so that clocks that differ a little agree on it.
const fn years(from: i64, years: i64) -> Window {
    Window { from: from.saturating_sub(DAY), to: from.saturating_add(years.saturating_mul(YEAR)) }
}

fn name(cn: &str) -> Vec<u8> {
    asn1::sequence(&[
        relative_name(COUNTRY, asn1::printable("US")),
        relative_name(ORGANIZATION, asn1::printable("Assay")),
        relative_name(COMMON_NAME, asn1::printable(cn)),
    ])
}
