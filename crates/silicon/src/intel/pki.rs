//! Certificates and revocation lists in the shape of Intel's (RFC 5280; the profile specification named in
//! `pck_extension`). Templates are plain data, so that a defect can change any part of one before it is signed.

use aws_lc_rs::digest;
use base64::prelude::{BASE64_STANDARD, Engine};

use super::spec::Ca;
use crate::asn1;
use crate::error::SiliconError;
use crate::keys::SigningKey;

pub(super) const ROOT_CN: &str = "Intel SGX Root CA";
pub(super) const TCB_SIGNER_CN: &str = "Intel SGX TCB Signing";
pub(super) const PCK_CN: &str = "Intel SGX PCK Certificate";
pub(super) const ROOT_CRL_URL: &str = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";

// Object identifiers, encoded; the dotted form stands beside each.
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]; // 1.2.840.10045.4.3.2
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]; // 1.2.840.10045.2.1
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]; // 1.2.840.10045.3.1.7
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03]; // 2.5.4.3
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a]; // 2.5.4.10
const LOCALITY: &[u8] = &[0x55, 0x04, 0x07]; // 2.5.4.7
const STATE: &[u8] = &[0x55, 0x04, 0x08]; // 2.5.4.8
const COUNTRY: &[u8] = &[0x55, 0x04, 0x06]; // 2.5.4.6
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e]; // 2.5.29.14
pub(super) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f]; // 2.5.29.15
pub(super) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13]; // 2.5.29.19
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14]; // 2.5.29.20
const REASON_CODE: &[u8] = &[0x55, 0x1d, 0x15]; // 2.5.29.21
const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 0x1f]; // 2.5.29.31
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23]; // 2.5.29.35

/// RFC 5280, section 5.3.1: key compromise, the reason in all of Intel's lists.
const KEY_COMPROMISE: u8 = 1;

/// An X.509 extension.
#[derive(Clone, Debug)]
pub(super) struct Extension {
    pub(super) oid: Vec<u8>,
    pub(super) critical: bool,
    /// The content of the octet string.
    pub(super) value: Vec<u8>,
}

impl Extension {
    pub(super) fn new(oid: &[u8], critical: bool, value: Vec<u8>) -> Self {
        Self { oid: oid.to_vec(), critical, value }
    }

    fn encode(&self) -> Vec<u8> {
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
pub(super) struct Window {
    pub(super) from: i64,
    pub(super) to: i64,
}

/// A certificate before it is signed.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) serial: [u8; 20],
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) validity: Window,
    pub(super) public_key: [u8; 65],
    pub(super) extensions: Vec<Extension>,
}

/// Who issues a certificate or a list: name and public key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Issuer<'a> {
    pub(super) name: &'a str,
    pub(super) public_key: &'a [u8; 65],
}

impl Template {
    /// The root, which issues itself.
    pub(super) fn root(key: &[u8; 65], validity: Window) -> Self {
        let issuer = Issuer { name: ROOT_CN, public_key: key };
        Self::new(ROOT_CN, key, issuer, validity, ROOT_CRL_URL, Role::Authority { path_length: 1 })
    }

    /// A certification authority under the root.
    pub(super) fn pck_ca(ca: Ca, key: &[u8; 65], root: &[u8; 65], validity: Window) -> Self {
        let issuer = Issuer { name: ROOT_CN, public_key: root };
        Self::new(ca.common_name(), key, issuer, validity, ROOT_CRL_URL, Role::Authority { path_length: 0 })
    }

    /// The signer of TCB information and enclave identities.
    pub(super) fn tcb_signer(key: &[u8; 65], root: &[u8; 65], validity: Window) -> Self {
        let issuer = Issuer { name: ROOT_CN, public_key: root };
        Self::new(TCB_SIGNER_CN, key, issuer, validity, ROOT_CRL_URL, Role::Signer)
    }

    /// A PCK certificate without its SGX extension. `serial` is random; those of authorities are their key ids, as
    /// Intel's are.
    pub(super) fn pck(ca: Ca, key: &[u8; 65], issuer: &[u8; 65], validity: Window, serial: [u8; 20]) -> Self {
        let issuer = Issuer { name: ca.common_name(), public_key: issuer };
        let url = format!(
            "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca={}&encoding=der",
            ca.name()
        );
        Self { serial, ..Self::new(PCK_CN, key, issuer, validity, &url, Role::Signer) }
    }

    fn new(
        cn: &str,
        key: &[u8; 65],
        issuer: Issuer<'_>,
        validity: Window,
        crl_url: &str,
        role: Role,
    ) -> Self {
        Self {
            serial: key_id(key),
            issuer: issuer.name.to_owned(),
            subject: cn.to_owned(),
            validity,
            public_key: *key,
            extensions: vec![
                authority_key_id(issuer.public_key),
                distribution_point(crl_url),
                Extension::new(SUBJECT_KEY_ID, false, asn1::octets(&key_id(key))),
                Extension::new(KEY_USAGE, true, role.key_usage()),
                Extension::new(BASIC_CONSTRAINTS, true, role.basic_constraints()),
            ],
        }
    }

    /// Replaces the value of every extension with this identifier.
    pub(super) fn set_extension(&mut self, oid: &[u8], value: &[u8]) {
        for extension in self.extensions.iter_mut().filter(|extension| extension.oid == oid) {
            extension.value = value.to_vec();
        }
    }

    /// The certificate, DER.
    pub(super) fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, SiliconError> {
        let extensions: Vec<Vec<u8>> = self.extensions.iter().map(Extension::encode).collect();
        let body = asn1::sequence(&[
            asn1::context(0, &asn1::unsigned(&[2])), // version 3
            asn1::unsigned(&self.serial),
            signature_algorithm(),
            name(&self.issuer),
            asn1::sequence(&[asn1::time(self.validity.from)?, asn1::time(self.validity.to)?]),
            name(&self.subject),
            asn1::sequence(&[
                asn1::sequence(&[asn1::oid(EC_PUBLIC_KEY), asn1::oid(PRIME256V1)]),
                asn1::bits(0, &self.public_key),
            ]),
            asn1::context(3, &asn1::sequence(&extensions)),
        ]);
        signed(body, key)
    }
}

/// What a certificate may be used for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// Issues certificates and lists.
    Authority {
        /// How many authorities may stand below it.
        path_length: u8,
    },
    /// Signs data.
    Signer,
}

impl Role {
    pub(super) fn key_usage(self) -> Vec<u8> {
        match self {
            // keyCertSign and cRLSign: bits 5 and 6.
            Self::Authority { .. } => asn1::bits(1, &[0b0000_0110]),
            // digitalSignature and nonRepudiation: bits 0 and 1.
            Self::Signer => asn1::bits(6, &[0b1100_0000]),
        }
    }

    pub(super) fn basic_constraints(self) -> Vec<u8> {
        match self {
            Self::Authority { path_length } => {
                asn1::sequence(&[asn1::boolean(true), asn1::unsigned(&[path_length])])
            }
            Self::Signer => asn1::sequence(&[]),
        }
    }
}

/// A revocation list before it is signed.
#[derive(Clone, Debug)]
pub(super) struct CrlTemplate {
    pub(super) issuer: String,
    pub(super) issuer_key: [u8; 65],
    pub(super) validity: Window,
    /// Grows with every list of this issuer.
    pub(super) number: u64,
    pub(super) revoked: Vec<[u8; 20]>,
    /// Beside the number and the key id of the issuer.
    pub(super) more_extensions: Vec<Extension>,
}

impl CrlTemplate {
    /// The list, DER.
    pub(super) fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, SiliconError> {
        let date = asn1::time(self.validity.from)?;
        let mut parts = vec![
            asn1::unsigned(&[1]), // version 2
            signature_algorithm(),
            name(&self.issuer),
            date.clone(),
            asn1::time(self.validity.to)?,
        ];
        // RFC 5280, section 5.1.2.6: the list of entries is absent when there are none.
        if !self.revoked.is_empty() {
            let entries: Vec<Vec<u8>> =
                self.revoked.iter().map(|serial| revoked_entry(serial, &date)).collect();
            parts.push(asn1::sequence(&entries));
        }
        let number = Extension::new(CRL_NUMBER, false, asn1::unsigned(&self.number.to_be_bytes()));
        let known = [number, authority_key_id(&self.issuer_key)];
        let extensions: Vec<Vec<u8>> =
            known.iter().chain(&self.more_extensions).map(Extension::encode).collect();
        parts.push(asn1::context(0, &asn1::sequence(&extensions)));
        signed(asn1::sequence(&parts), key)
    }
}

/// Intel dates every entry with the list itself.
fn revoked_entry(serial: &[u8; 20], date: &[u8]) -> Vec<u8> {
    let reason = Extension::new(REASON_CODE, false, asn1::enumerated(KEY_COMPROMISE));
    asn1::sequence(&[asn1::unsigned(serial), date.to_vec(), asn1::sequence(&[reason.encode()])])
}

/// RFC 5280, section 4.2.1.2, method 1: SHA-1 of the public key.
pub(super) fn key_id(public_key: &[u8; 65]) -> [u8; 20] {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, public_key);
    // SHA-1 is 20 bytes; zeros would be a key id that matches nothing.
    hash.as_ref().try_into().unwrap_or_default()
}

pub(super) fn authority_key_id(public_key: &[u8; 65]) -> Extension {
    let value = asn1::sequence(&[asn1::context_primitive(0, &key_id(public_key))]);
    Extension::new(AUTHORITY_KEY_ID, false, value)
}

fn distribution_point(url: &str) -> Extension {
    // DistributionPoint { distributionPoint [0] { fullName [0] { uniformResourceIdentifier [6] } } }
    let full_name = asn1::context(0, &asn1::context(0, &asn1::context_primitive(6, url.as_bytes())));
    Extension::new(CRL_DISTRIBUTION_POINTS, false, asn1::sequence(&[asn1::sequence(&[full_name])]))
}

/// Intel's names differ in their common name only.
fn name(cn: &str) -> Vec<u8> {
    asn1::sequence(&[
        relative_name(COMMON_NAME, asn1::utf8(cn)),
        relative_name(ORGANIZATION, asn1::utf8("Intel Corporation")),
        relative_name(LOCALITY, asn1::utf8("Santa Clara")),
        relative_name(STATE, asn1::utf8("CA")),
        relative_name(COUNTRY, asn1::printable("US")),
    ])
}

fn relative_name(oid: &[u8], value: Vec<u8>) -> Vec<u8> {
    asn1::set(&asn1::sequence(&[asn1::oid(oid), value]))
}

fn signature_algorithm() -> Vec<u8> {
    asn1::sequence(&[asn1::oid(ECDSA_WITH_SHA256)])
}

fn signed(body: Vec<u8>, key: &SigningKey) -> Result<Vec<u8>, SiliconError> {
    let signature = asn1::bits(0, &key.sign_der(&body)?);
    Ok(asn1::sequence(&[body, signature_algorithm(), signature]))
}

/// PEM (RFC 7468) of certificates, one after the other, each with a final newline.
pub(super) fn pem<C: AsRef<[u8]>>(certificates: &[C]) -> String {
    certificates.iter().map(|der| pem_block(der.as_ref())).collect()
}

fn pem_block(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    for (index, character) in text.chars().enumerate() {
        if index > 0 && index.is_multiple_of(64) {
            out.push('\n');
        }
        out.push(character);
    }
    out.push_str("\n-----END CERTIFICATE-----\n");
    out
}
