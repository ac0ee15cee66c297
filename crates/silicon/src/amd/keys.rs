//! The keys of a simulated AMD: RSA-4096 for its authorities, P-384 for its chips.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement::ECDH_P384;
use aws_lc_rs::digest::SHA384;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA384, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RsaEncoding,
};

use super::spec::Tcb;
use crate::error::SiliconError;
use crate::keys::{Curve, Secret, SigningKey, derived_pair};

/// How an RSA key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// RSASSA-PSS with SHA-384, MGF1 with SHA-384, and a salt of 48 bytes: AMD's.
    Pss384,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256, and a salt of 32 bytes.
    Pss256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Pkcs1,
}

/// An RSA key of an authority.
#[derive(Clone)]
pub(super) struct RsaKey {
    pair: Arc<RsaKeyPair>,
}

impl RsaKey {
    /// Makes a new key of 4096 bits; takes seconds.
    pub(super) fn generate() -> Result<Self, SiliconError> {
        let failed = SiliconError::Crypto { operation: "generate an RSA key" };
        let pair = RsaKeyPair::generate(KeySize::Rsa4096).map_err(|_| failed)?;
        Ok(Self { pair: Arc::new(pair) })
    }

    /// Reads a key back from [`Self::to_pkcs8`].
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, SiliconError> {
        let failed = SiliconError::Crypto { operation: "read an RSA key" };
        let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| failed)?;
        Ok(Self { pair: Arc::new(pair) })
    }

    /// The private key, PKCS#8.
    pub(super) fn to_pkcs8(&self) -> Result<Vec<u8>, SiliconError> {
        let failed = SiliconError::Crypto { operation: "export an RSA key" };
        let der: Pkcs8V1Der<'_> = self.pair.as_der().map_err(|_| failed)?;
        Ok(der.as_ref().to_vec())
    }

    /// RSAPublicKey, DER: modulus and exponent.
    pub(super) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    pub(super) fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, SiliconError> {
        let encoding: &'static dyn RsaEncoding = match scheme {
            Scheme::Pss384 => &RSA_PSS_SHA384,
            Scheme::Pss256 => &RSA_PSS_SHA256,
            Scheme::Pkcs1 => &RSA_PKCS1_SHA384,
        };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let signed = self.pair.sign(encoding, &SystemRandom::new(), message, &mut signature);
        signed.map_err(|_| SiliconError::Crypto { operation: "sign with an RSA key" })?;
        Ok(signature)
    }
}

impl fmt::Debug for RsaKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RsaKey")
    }
}

/// A key that signs reports.
#[derive(Clone)]
pub(super) enum ChipKey {
    /// On P-384, with SHA-384: AMD's.
    P384(Arc<EcdsaKeyPair>),
    /// On P-256, with SHA-256.
    P256(SigningKey),
}

impl ChipKey {
    /// The key that follows from a chip's secret and its security versions.
    pub(super) fn derived(secret: &Secret, tcb: Tcb) -> Result<Self, SiliconError> {
        let curve =
            Curve { signing: &ECDSA_P384_SHA384_FIXED_SIGNING, agreement: &ECDH_P384, digest: &SHA384 };
        let Tcb { fmc, boot_loader, tee, snp, microcode } = tcb;
        let pair = derived_pair(&curve, secret, &[fmc, boot_loader, tee, snp, microcode])?;
        Ok(Self::P384(Arc::new(pair)))
    }

    /// The uncompressed point: 0x04, x, y.
    pub(super) fn public(&self) -> &[u8] {
        match self {
            Self::P384(pair) => pair.public_key().as_ref(),
            Self::P256(key) => key.public(),
        }
    }

    /// `r || s`, big-endian.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SiliconError> {
        let pair = match self {
            Self::P384(pair) => pair,
            Self::P256(key) => return Ok(key.sign(message)?.to_vec()),
        };
        let failed = SiliconError::Crypto { operation: "sign" };
        Ok(pair.sign(&SystemRandom::new(), message).map_err(|_| failed)?.as_ref().to_vec())
    }
}

impl fmt::Debug for ChipKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ChipKey({})", hex::encode(self.public()))
    }
}
