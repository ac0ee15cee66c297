//! Certificates and revocation lists in the shape of AMD's, byte for byte, including where it is not that of RFC 5280.
//! Templates are plain data, so that a defect can change any part of one before it is signed.

use super::keys::{ChipKey, RsaKey, Scheme};
use super::spec::{Product, VekKind};
use crate::asn1;
use crate::error::SiliconError;
use crate::x509::{
    self, AUTHORITY_KEY_ID, BASIC_CONSTRAINTS, COMMON_NAME, COUNTRY, CRL_NUMBER, EC_PUBLIC_KEY, Extension,
    KEY_USAGE, LOCALITY, ORGANIZATION, PRIME256V1, STATE, SUBJECT_KEY_ID, Window, distribution_point,
    relative_name,
};

// Object identifiers, encoded; the dotted form stands beside each.
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]; // 1.2.840.113549.1.1.1
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08]; // 1.2.840.113549.1.1.8
const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a]; // 1.2.840.113549.1.1.10
const SHA384_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c]; // 1.2.840.113549.1.1.12
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01]; // 2.16.840.1.101.3.4.2.1
const SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02]; // 2.16.840.1.101.3.4.2.2
const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22]; // 1.3.132.0.34
const ORGANIZATIONAL_UNIT: &[u8] = &[0x55, 0x04, 0x0b]; // 2.5.4.11

/// What a certificate says about its signature, and how it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    /// RSASSA-PSS with SHA-384 and a salt of 48, the trailer field written though it is the default: all authorities,
    /// lists, and endorsement keys of 2022 and 2023.
    PssTrailer,
    /// The same without the trailer field: endorsement keys of 2026.
    Pss,
    /// The same, but the parameters say that the salt has 32 bytes.
    PssSalt32,
    /// RSASSA-PSS with SHA-256 and a salt of 32.
    Pss256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Pkcs1,
}

impl Signature {
    fn algorithm(self) -> Vec<u8> {
        let trailer = asn1::context(3, &asn1::unsigned(&[1]));
        match self {
            Self::PssTrailer => pss(SHA384, 48, trailer),
            Self::Pss => pss(SHA384, 48, vec![]),
            Self::PssSalt32 => pss(SHA384, 32, vec![]),
            Self::Pss256 => pss(SHA256, 32, vec![]),
            Self::Pkcs1 => asn1::sequence(&[asn1::oid(SHA384_WITH_RSA), asn1::null()]),
        }
    }

    const fn scheme(self) -> Scheme {
        match self {
            Self::PssTrailer | Self::Pss | Self::PssSalt32 => Scheme::Pss384,
            Self::Pss256 => Scheme::Pss256,
            Self::Pkcs1 => Scheme::Pkcs1,
        }
    }
}

/// RFC 4055, section 3.1.
fn pss(hash: &[u8], salt: u8, trailer: Vec<u8>) -> Vec<u8> {
    let hash = asn1::sequence(&[asn1::oid(hash), asn1::null()]);
    let mask = asn1::sequence(&[asn1::oid(MGF1), hash.clone()]);
    let parameters = [
        asn1::context(0, &hash),
        asn1::context(1, &mask),
        asn1::context(2, &asn1::unsigned(&[salt])),
        trailer,
    ];
    asn1::sequence(&[asn1::oid(RSASSA_PSS), asn1::sequence(&parameters)])
}

/// A certificate before it is signed. Names are common names: the rest of AMD's names is always the same.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// Big-endian.
    pub(super) serial: Vec<u8>,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) validity: Window,
    /// SubjectPublicKeyInfo, DER.
    pub(super) public_key: Vec<u8>,
    pub(super) extensions: Vec<Extension>,
    pub(super) signature: Signature,
}

impl Template {
    /// The root of a product, which issues itself.
    pub(super) fn ark(product: Product, key: &RsaKey, validity: Window) -> Self {
        let name = ark_name(product);
        let extensions = vec![
            // keyCertSign and cRLSign: bits 5 and 6.
            Extension::new(KEY_USAGE, true, asn1::bits(1, &[0b0000_0110])),
            subject_key_id(key),
            Extension::new(BASIC_CONSTRAINTS, true, asn1::sequence(&[asn1::boolean(true)])),
            crl_url(product, VekKind::Vcek),
        ];
        let serial = vec![generation(product), 0, 0];
        Self::authority(serial, &name, &name, key, extensions, validity)
    }

    /// The issuer of one kind of endorsement key: the ASK or the ASVK.
    pub(super) fn intermediate(
        product: Product,
        kind: VekKind,
        key: &RsaKey,
        ark: &RsaKey,
        validity: Window,
    ) -> Self {
        let extensions = vec![
            subject_key_id(key),
            authority_key_id(ark),
            Extension::new(
                BASIC_CONSTRAINTS,
                true,
                asn1::sequence(&[asn1::boolean(true), asn1::unsigned(&[0])]),
            ),
            // keyCertSign: bit 5. AMD writes one unused bit where DER has two.
            Extension::new(KEY_USAGE, true, asn1::bits(1, &[0b0000_0100])),
            crl_url(product, kind),
        ];
        let subject = intermediate_name(product, kind);
        Self::authority(
            intermediate_serial(product, kind),
            &ark_name(product),
            &subject,
            key,
            extensions,
            validity,
        )
    }

    fn authority(
        serial: Vec<u8>,
        issuer: &str,
        subject: &str,
        key: &RsaKey,
        extensions: Vec<Extension>,
        validity: Window,
    ) -> Self {
        Self {
            serial,
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            validity,
            public_key: rsa_public_key(key),
            extensions,
            signature: Signature::PssTrailer,
        }
    }

    /// An endorsement key. Its serial number is zero, which RFC 5280 does not allow, and it has no extensions but
    /// AMD's own.
    pub(super) fn vek(
        product: Product,
        kind: VekKind,
        key: &ChipKey,
        extensions: Vec<Extension>,
        validity: Window,
    ) -> Self {
        Self {
            serial: vec![0],
            issuer: intermediate_name(product, kind),
            subject: kind.common_name().to_owned(),
            validity,
            public_key: chip_public_key(key),
            extensions,
            signature: Signature::Pss,
        }
    }

    /// The certificate, DER.
    pub(super) fn sign(&self, key: &RsaKey) -> Result<Vec<u8>, SiliconError> {
        let extensions: Vec<Vec<u8>> = self.extensions.iter().map(Extension::encode).collect();
        let body = asn1::sequence(&[
            asn1::context(0, &asn1::unsigned(&[2])), // version 3
            asn1::unsigned(&self.serial),
            self.signature.algorithm(),
            name(&self.issuer),
            asn1::sequence(&[asn1::time(self.validity.from)?, asn1::time(self.validity.to)?]),
            name(&self.subject),
            self.public_key.clone(),
            asn1::context(3, &asn1::sequence(&extensions)),
        ]);
        signed(body, self.signature, key)
    }
}

/// A revocation list before it is signed.
///
/// No list of AMD's was at hand: names and the signature are as in the certificates of its issuer, the rest is what RFC
/// 5280 asks of a list.
#[derive(Clone, Debug)]
pub(super) struct CrlTemplate {
    pub(super) issuer: String,
    /// Key id of the issuer.
    pub(super) issuer_key: [u8; 20],
    pub(super) validity: Window,
    pub(super) number: u64,
    /// Serial numbers, big-endian.
    pub(super) revoked: Vec<Vec<u8>>,
}

impl CrlTemplate {
    /// The list, DER.
    pub(super) fn sign(&self, key: &RsaKey) -> Result<Vec<u8>, SiliconError> {
        let date = asn1::time(self.validity.from)?;
        let mut parts = vec![
            asn1::unsigned(&[1]), // version 2
            Signature::PssTrailer.algorithm(),
            name(&self.issuer),
            date.clone(),
            asn1::time(self.validity.to)?,
        ];
        // RFC 5280, section 5.1.2.6: the list of entries is absent when there are none.
        if !self.revoked.is_empty() {
            let entry = |serial: &Vec<u8>| asn1::sequence(&[asn1::unsigned(serial), date.clone()]);
            parts.push(asn1::sequence(&self.revoked.iter().map(entry).collect::<Vec<_>>()));
        }
        let authority = asn1::sequence(&[asn1::context_primitive(0, &self.issuer_key)]);
        let extensions = [
            Extension::new(AUTHORITY_KEY_ID, false, authority).encode(),
            Extension::new(CRL_NUMBER, false, asn1::unsigned(&self.number.to_be_bytes())).encode(),
        ];
        parts.push(asn1::context(0, &asn1::sequence(&extensions)));
        signed(asn1::sequence(&parts), Signature::PssTrailer, key)
    }
}

/// `ARK-Milan`.
pub(super) fn ark_name(product: Product) -> String {
    format!("ARK-{}", product.vendor_name())
}

/// `SEV-Milan` or `SEV-VLEK-Milan`.
pub(super) fn intermediate_name(product: Product, kind: VekKind) -> String {
    match kind {
        VekKind::Vcek => format!("SEV-{}", product.vendor_name()),
        VekKind::Vlek => format!("SEV-VLEK-{}", product.vendor_name()),
    }
}

/// Generation, then what the authority issues, then which of them it is: Genoa's ASK is the third.
pub(super) fn intermediate_serial(product: Product, kind: VekKind) -> Vec<u8> {
    match (product, kind) {
        (Product::Genoa, VekKind::Vcek) => vec![2, 0, 2],
        (_, VekKind::Vcek) => vec![generation(product), 0, 1],
        (_, VekKind::Vlek) => vec![generation(product), 1, 1],
    }
}

/// The first byte of the serial numbers of a product's authorities.
const fn generation(product: Product) -> u8 {
    match product {
        Product::Milan => 1,
        Product::Genoa => 2,
        Product::Turin => 3,
    }
}

/// The key id of an authority.
pub(super) fn key_id(key: &RsaKey) -> [u8; 20] {
    x509::key_id(key.public())
}

pub(super) fn subject_key_id(key: &RsaKey) -> Extension {
    Extension::new(SUBJECT_KEY_ID, false, asn1::octets(&key_id(key)))
}

pub(super) fn authority_key_id(key: &RsaKey) -> Extension {
    let value = asn1::sequence(&[asn1::context_primitive(0, &key_id(key))]);
    Extension::new(AUTHORITY_KEY_ID, false, value)
}

fn crl_url(product: Product, kind: VekKind) -> Extension {
    let (kind, product) = (kind.name(), product.vendor_name());
    distribution_point(&format!("https://kdsintf.amd.com/{kind}/v1/{product}/crl"))
}

/// SubjectPublicKeyInfo, DER.
pub(super) fn rsa_public_key(key: &RsaKey) -> Vec<u8> {
    let algorithm = asn1::sequence(&[asn1::oid(RSA_ENCRYPTION), asn1::null()]);
    asn1::sequence(&[algorithm, asn1::bits(0, key.public())])
}

/// SubjectPublicKeyInfo, DER.
pub(super) fn chip_public_key(key: &ChipKey) -> Vec<u8> {
    let curve = match key {
        ChipKey::P384(_) => SECP384R1,
        ChipKey::P256(_) => PRIME256V1,
    };
    let algorithm = asn1::sequence(&[asn1::oid(EC_PUBLIC_KEY), asn1::oid(curve)]);
    asn1::sequence(&[algorithm, asn1::bits(0, key.public())])
}

/// AMD's names differ in their common name only.
fn name(cn: &str) -> Vec<u8> {
    asn1::sequence(&[
        relative_name(ORGANIZATIONAL_UNIT, asn1::utf8("Engineering")),
        relative_name(COUNTRY, asn1::printable("US")),
        relative_name(LOCALITY, asn1::utf8("Santa Clara")),
        relative_name(STATE, asn1::utf8("CA")),
        relative_name(ORGANIZATION, asn1::utf8("Advanced Micro Devices")),
        relative_name(COMMON_NAME, asn1::utf8(cn)),
    ])
}

fn signed(body: Vec<u8>, signature: Signature, key: &RsaKey) -> Result<Vec<u8>, SiliconError> {
    let value = asn1::bits(0, &key.sign(signature.scheme(), &body)?);
    Ok(asn1::sequence(&[body, signature.algorithm(), value]))
}
