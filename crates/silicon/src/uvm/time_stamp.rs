//! Tokens of a simulated time-stamp authority, in the shape of Microsoft's (RFC 3161, section 2.4.2).

use aws_lc_rs::digest::{self, SHA256};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::UvmSigner;
use super::keys::{Key, RSA_ENCRYPTION};
use super::pki::Template;
use crate::asn1;
use crate::error::SiliconError;
use crate::keys::random;

// Object identifiers, encoded; the dotted form stands beside each.
pub(super) const SHA256_OID: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01]; // 2.16.840.1.101.3.4.2.1
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02]; // 1.2.840.113549.1.7.2
pub(super) const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04]; // 1.2.840.113549.1.9.16.1.4
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03]; // 1.2.840.113549.1.9.3
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04]; // 1.2.840.113549.1.9.4
pub(super) const SIGNING_CERTIFICATE: &[u8] =
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0c]; // 1.2.840.113549.1.9.16.2.12
pub(super) const SIGNING_CERTIFICATE_V2: &[u8] =
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f]; // 1.2.840.113549.1.9.16.2.47
const POLICY: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8d, 0x1f, 0x02]; // 1.3.6.1.4.1.99999.2, in a range nobody uses

/// A token before it is signed.
pub(super) struct StampDraft {
    pub(super) stamped: Vec<u8>,
    pub(super) time: i64,
    pub(super) version: u8,
    pub(super) imprint_hash: Vec<u8>,
    /// At the end of `TSTInfo`.
    pub(super) more_info: Vec<u8>,
    pub(super) pca: Template,
    pub(super) tsa: Template,
    /// Signs the certificate of the service.
    pub(super) tsa_issuer: Key,
    /// Signs the token.
    pub(super) token_key: Key,
    pub(super) carries_certificates: bool,
    pub(super) content_type: Vec<u8>,
    pub(super) signing_certificate: Vec<u8>,
    /// Flips a bit of what the attributes say of the content, of the certificate, or of the signature.
    pub(super) wrong_digest: bool,
    pub(super) wrong_certificate: bool,
    pub(super) wrong_signature: bool,
    pub(super) signers: usize,
    pub(super) has_attributes: bool,
    /// After the token.
    pub(super) trailing: Vec<u8>,
}

impl StampDraft {
    pub(super) fn new(signer: &UvmSigner, stamped: &[u8], time: i64) -> Result<Self, SiliconError> {
        Ok(Self {
            stamped: stamped.to_vec(),
            time,
            version: 1,
            imprint_hash: SHA256_OID.to_vec(),
            more_info: Vec::new(),
            pca: Template::pca(&signer.pca_key, signer.created)?,
            tsa: Template::tsa(&signer.tsa_key, &signer.pca_key, time)?,
            tsa_issuer: signer.pca_key.clone(),
            token_key: signer.tsa_key.clone(),
            carries_certificates: true,
            content_type: TST_INFO.to_vec(),
            signing_certificate: SIGNING_CERTIFICATE_V2.to_vec(),
            wrong_digest: false,
            wrong_certificate: false,
            wrong_signature: false,
            signers: 1,
            has_attributes: true,
            trailing: Vec::new(),
        })
    }

    /// The token, DER.
    pub(super) fn finish(&self) -> Result<Vec<u8>, SiliconError> {
        let info = self.info()?;
        let certificate = self.tsa.sign(&self.tsa_issuer)?;
        let pca = self.pca.sign(&self.pca.key)?;
        let signer = self.signer_info(&info, &certificate)?;
        let content = asn1::sequence(&[asn1::oid(TST_INFO), asn1::context(0, &asn1::octets(&info))]);
        let mut parts = vec![asn1::unsigned(&[3]), asn1::set(&sha256_identifier()), content];
        if self.carries_certificates {
            parts.push(asn1::context(0, &[certificate, pca].concat()));
        }
        parts.push(asn1::set(&signer.repeat(self.signers)));
        let token = asn1::sequence(&[asn1::oid(SIGNED_DATA), asn1::context(0, &asn1::sequence(&parts))]);
        Ok([token, self.trailing.clone()].concat())
    }

    fn info(&self) -> Result<Vec<u8>, SiliconError> {
        let hash = asn1::sequence(&[asn1::oid(&self.imprint_hash), asn1::null()]);
        Ok(asn1::sequence(&[
            asn1::unsigned(&[self.version]),
            asn1::oid(POLICY),
            asn1::sequence(&[hash, asn1::octets(&sha256(&self.stamped))]),
            asn1::unsigned(&random::<6>()?),
            generalized_time(self.time)?,
            self.more_info.clone(),
        ]))
    }

    fn signer_info(&self, info: &[u8], certificate: &[u8]) -> Result<Vec<u8>, SiliconError> {
        let digest = flipped_if(self.wrong_digest, sha256(info));
        let named = flipped_if(self.wrong_certificate, sha256(certificate));
        let id = asn1::sequence(&[asn1::sequence(&[asn1::sequence(&[asn1::octets(&named)])])]);
        let attribute = |oid: &[u8], value: Vec<u8>| asn1::sequence(&[asn1::oid(oid), asn1::set(&value)]);
        let attributes = [
            attribute(CONTENT_TYPE, asn1::oid(&self.content_type)),
            attribute(MESSAGE_DIGEST, asn1::octets(&digest)),
            attribute(&self.signing_certificate, id),
        ]
        .concat();
        // Without attributes the content itself is signed (RFC 5652, section 5.4).
        let signed = if self.has_attributes { asn1::set(&attributes) } else { info.to_vec() };
        let signature = flipped_if(self.wrong_signature, self.token_key.sign_der(&signed)?);
        let mut parts = vec![
            asn1::unsigned(&[1]),
            asn1::sequence(&[self.tsa.issuer_name(), asn1::unsigned(&self.tsa.serial)]),
            sha256_identifier(),
        ];
        if self.has_attributes {
            parts.push(asn1::context(0, &attributes));
        }
        parts.push(asn1::sequence(&[asn1::oid(RSA_ENCRYPTION), asn1::null()]));
        parts.push(asn1::octets(&signature));
        Ok(asn1::sequence(&parts))
    }
}

fn sha256_identifier() -> Vec<u8> {
    asn1::sequence(&[asn1::oid(SHA256_OID), asn1::null()])
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&SHA256, bytes).as_ref().to_vec()
}

fn flipped_if(wrong: bool, mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(last) = bytes.last_mut().filter(|_| wrong) {
        *last ^= 1;
    }
    bytes
}

/// With a fraction, as Microsoft's have, of a quarter of a second.
fn generalized_time(seconds: i64) -> Result<Vec<u8>, SiliconError> {
    const GENERALIZED_TIME: u8 = 0x18;
    let timestamp = Timestamp::from_second(seconds).map_err(|_| SiliconError::TimeOutOfRange { seconds })?;
    let date = TimeZone::UTC.to_datetime(timestamp);
    Ok(asn1::tlv(GENERALIZED_TIME, date.strftime("%Y%m%d%H%M%S.25Z").to_string().as_bytes()))
}
