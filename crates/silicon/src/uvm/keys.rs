//! The keys of a simulated image signer (ECDSA, or RSA for leaves of that kind) and of its time-stamp authority (RSA).

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
};

use super::Algorithm;
use crate::asn1;
use crate::error::SiliconError;
use crate::x509::{EC_PUBLIC_KEY, PRIME256V1};

const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22]; // 1.3.132.0.34
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]; // 1.2.840.10045.4.3.2
const ECDSA_WITH_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03]; // 1.2.840.10045.4.3.3
pub(super) const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]; // 1.2.840.113549.1.1.1
const RSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b]; // 1.2.840.113549.1.1.11

/// What kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    P256,
    P384,
    Rsa2048,
}

#[derive(Clone)]
pub(super) enum Key {
    P256(Arc<EcdsaKeyPair>),
    P384(Arc<EcdsaKeyPair>),
    Rsa(Arc<RsaKeyPair>),
}

impl Key {
    pub(super) fn generate(kind: Kind) -> Result<Self, SiliconError> {
        let failed = |_| SiliconError::Crypto { operation: "generate a key" };
        Ok(match kind {
            Kind::P256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
                Self::P256(Arc::new(pair))
            }
            Kind::P384 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(failed)?;
                Self::P384(Arc::new(pair))
            }
            Kind::Rsa2048 => Self::Rsa(Arc::new(RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?)),
        })
    }

    /// Reads a key back from [`Self::to_pkcs8`].
    pub(super) fn from_pkcs8(kind: Kind, der: &[u8]) -> Result<Self, SiliconError> {
        let failed = |_| SiliconError::Crypto { operation: "read a key" };
        Ok(match kind {
            Kind::P256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(failed)?;
                Self::P256(Arc::new(pair))
            }
            Kind::P384 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, der).map_err(failed)?;
                Self::P384(Arc::new(pair))
            }
            Kind::Rsa2048 => Self::Rsa(Arc::new(RsaKeyPair::from_pkcs8(der).map_err(failed)?)),
        })
    }

    /// The private key, PKCS#8.
    pub(super) fn to_pkcs8(&self) -> Result<Vec<u8>, SiliconError> {
        let failed = |_| SiliconError::Crypto { operation: "export a key" };
        match self {
            Self::P256(pair) | Self::P384(pair) => Ok(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()),
            Self::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                Ok(der.as_ref().to_vec())
            }
        }
    }

    /// The content of the bit string in [`Self::public_key_info`].
    pub(super) fn public(&self) -> &[u8] {
        match self {
            Self::P256(pair) | Self::P384(pair) => pair.public_key().as_ref(),
            Self::Rsa(pair) => pair.public_key().as_ref(),
        }
    }

    /// `SubjectPublicKeyInfo`, DER.
    pub(super) fn public_key_info(&self) -> Vec<u8> {
        let algorithm = match self {
            Self::P256(_) => [asn1::oid(EC_PUBLIC_KEY), asn1::oid(PRIME256V1)],
            Self::P384(_) => [asn1::oid(EC_PUBLIC_KEY), asn1::oid(SECP384R1)],
            Self::Rsa(_) => [asn1::oid(RSA_ENCRYPTION), asn1::null()],
        };
        asn1::sequence(&[asn1::sequence(&algorithm), asn1::bits(0, self.public())])
    }

    /// `AlgorithmIdentifier` of [`Self::sign_der`].
    pub(super) fn der_algorithm(&self) -> Vec<u8> {
        asn1::sequence(&match self {
            Self::P256(_) => vec![asn1::oid(ECDSA_WITH_SHA256)],
            Self::P384(_) => vec![asn1::oid(ECDSA_WITH_SHA384)],
            Self::Rsa(_) => vec![asn1::oid(RSA_WITH_SHA256), asn1::null()],
        })
    }

    /// Signs as certificates and time-stamps are signed: ECDSA as `SEQUENCE { r, s }`, RSA with PKCS #1 v1.5 and SHA-256.
    pub(super) fn sign_der(&self, message: &[u8]) -> Result<Vec<u8>, SiliconError> {
        match self {
            Self::P256(pair) | Self::P384(pair) => {
                let signature = sign_fixed(pair, message)?;
                let (r, s) = signature.split_at(signature.len() / 2);
                Ok(asn1::sequence(&[asn1::unsigned(r), asn1::unsigned(s)]))
            }
            Self::Rsa(pair) => sign_rsa(pair, &RSA_PKCS1_SHA256, message),
        }
    }

    /// Signs as COSE does: ECDSA as `r || s`, RSA with PSS and the algorithm's hash.
    pub(super) fn sign_cose(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, SiliconError> {
        match self {
            Self::P256(pair) | Self::P384(pair) => sign_fixed(pair, message),
            Self::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    Algorithm::Ps512 => &RSA_PSS_SHA512,
                    _ => &RSA_PSS_SHA384,
                };
                sign_rsa(pair, encoding, message)
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({})", hex::encode(self.public()))
    }
}

fn sign_fixed(pair: &EcdsaKeyPair, message: &[u8]) -> Result<Vec<u8>, SiliconError> {
    let signature = pair.sign(&SystemRandom::new(), message);
    Ok(signature.map_err(|_| SiliconError::Crypto { operation: "sign" })?.as_ref().to_vec())
}

fn sign_rsa(
    pair: &RsaKeyPair,
    encoding: &'static dyn RsaEncoding,
    message: &[u8],
) -> Result<Vec<u8>, SiliconError> {
    let mut signature = vec![0; pair.public_modulus_len()];
    let signed = pair.sign(encoding, &SystemRandom::new(), message, &mut signature);
    signed.map_err(|_| SiliconError::Crypto { operation: "sign with an RSA key" })?;
    Ok(signature)
}
