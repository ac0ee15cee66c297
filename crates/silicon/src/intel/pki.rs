//! Certificates and revocation lists in the shape of Intel's (RFC 5280; the profile specification named in
//! `pck_extension`). Templates are plain data, so that a defect can change any part of one before it is signed.

use super::spec::Ca;
use crate::asn1;
use crate::error::SiliconError;
use crate::keys::SigningKey;
use crate::x509::{
    self, AUTHORITY_KEY_ID, COMMON_NAME, COUNTRY, CRL_NUMBER, EC_PUBLIC_KEY, LOCALITY, ORGANIZATION,
    PRIME256V1, STATE, SUBJECT_KEY_ID, distribution_point, relative_name,
};
pub(super) use crate::x509::{BASIC_CONSTRAINTS, Extension, KEY_USAGE, Window, pem};

pub(super) const ROOT_CN: &str = "Intel SGX Root CA";
pub(super) const TCB_SIGNER_CN: &str = "Intel SGX TCB Signing";
pub(super) const PCK_CN: &str = "Intel SGX PCK Certificate";
pub(super) const ROOT_CRL_URL: &str = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";

// Object identifiers, encoded; the dotted form stands beside each.
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]; // 1.2.840.10045.4.3.2
const REASON_CODE: &[u8] = &[0x55, 0x1d, 0x15]; // 2.5.29.21

/// RFC 5280, section 5.3.1: key compromise, the reason in all of Intel's lists.
const KEY_COMPROMISE: u8 = 1;

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

/// The key id of a point.
pub(super) fn key_id(public_key: &[u8; 65]) -> [u8; 20] {
    x509::key_id(public_key)
}

pub(super) fn authority_key_id(public_key: &[u8; 65]) -> Extension {
    let value = asn1::sequence(&[asn1::context_primitive(0, &key_id(public_key))]);
    Extension::new(AUTHORITY_KEY_ID, false, value)
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

fn signature_algorithm() -> Vec<u8> {
    asn1::sequence(&[asn1::oid(ECDSA_WITH_SHA256)])
}

fn signed(body: Vec<u8>, key: &SigningKey) -> Result<Vec<u8>, SiliconError> {
    let signature = asn1::bits(0, &key.sign_der(&body)?);
    Ok(asn1::sequence(&[body, signature_algorithm(), signature]))
}
