//! Keys of simulated vendors and platforms that are not of one vendor alone, and randomness.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use crate::asn1;
use crate::error::SiliconError;

/// A P-256 key that signs with SHA-256.
#[derive(Clone)]
pub(crate) struct SigningKey {
    pair: Arc<EcdsaKeyPair>,
    /// The uncompressed point: 0x04, x, y.
    public: [u8; 65],
}

impl SigningKey {
    /// Makes a new key.
    pub(crate) fn generate() -> Result<Self, SiliconError> {
        let failed = SiliconError::Crypto { operation: "generate a key" };
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| failed)?;
        Self::new(pair)
    }

    /// Reads a key back from [`Self::to_pkcs8`].
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, SiliconError> {
        let failed = SiliconError::Crypto { operation: "read a key" };
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_| failed)?;
        Self::new(pair)
    }

    fn new(pair: EcdsaKeyPair) -> Result<Self, SiliconError> {
        let failed = SiliconError::Crypto { operation: "read a public key" };
        let public = pair.public_key().as_ref().try_into().map_err(|_| failed)?;
        Ok(Self { pair: Arc::new(pair), public })
    }

    /// The private key, PKCS#8.
    pub(crate) fn to_pkcs8(&self) -> Result<Vec<u8>, SiliconError> {
        let failed = SiliconError::Crypto { operation: "export a key" };
        Ok(self.pair.to_pkcs8v1().map_err(|_| failed)?.as_ref().to_vec())
    }

    /// The uncompressed point: 0x04, x, y.
    pub(crate) const fn public(&self) -> &[u8; 65] {
        &self.public
    }

    /// The point as quotes have it: x, y.
    pub(crate) fn point(&self) -> [u8; 64] {
        let [_, point @ ..] = self.public;
        point
    }

    /// Signs; `r || s`, as in quotes and in Intel's JSON documents.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64], SiliconError> {
        let failed = SiliconError::Crypto { operation: "sign" };
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| failed.clone())?;
        signature.as_ref().try_into().map_err(|_| failed)
    }

    /// Signs; `SEQUENCE { r, s }`, as in certificates.
    pub(crate) fn sign_der(&self, message: &[u8]) -> Result<Vec<u8>, SiliconError> {
        let signature = self.sign(message)?;
        let (r, s) = signature.split_at(32);
        Ok(asn1::sequence(&[asn1::unsigned(r), asn1::unsigned(s)]))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", hex::encode(self.public))
    }
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SiliconError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| SiliconError::Crypto { operation: "draw random bytes" })?;
    Ok(bytes)
}

/// The modulus of a new RSA key of 2048 bits, big-endian. Its private half is gone.
pub(crate) fn rsa_2048_modulus() -> Result<Vec<u8>, SiliconError> {
    let failed = SiliconError::Crypto { operation: "generate an RSA key" };
    let pair = rsa::KeyPair::generate(KeySize::Rsa2048).map_err(|_| failed.clone())?;
    // RSAPublicKey: the headers of the sequence (4 bytes) and of the modulus (4 bytes), a zero that keeps it positive.
    let modulus = pair.public_key().as_ref().get(9..).and_then(|rest| rest.first_chunk::<256>());
    Ok(modulus.ok_or(failed)?.to_vec())
}
