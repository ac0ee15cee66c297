//! Private keys in this process's memory.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
};
use zeroize::Zeroizing;

use crate::crypto::Curve;
use crate::{Algorithm, PublicKey, Signer, TokenError};

/// A private key in memory, for one algorithm.
pub struct SoftwareKey {
    algorithm: Algorithm,
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
}

/// How a key of an algorithm is made.
enum Recipe {
    Rsa(&'static dyn RsaEncoding),
    Ec(&'static EcdsaSigningAlgorithm, Curve),
}

const fn recipe(algorithm: Algorithm) -> Recipe {
    match algorithm {
        Algorithm::Rs256 => Recipe::Rsa(&RSA_PKCS1_SHA256),
        Algorithm::Ps256 => Recipe::Rsa(&RSA_PSS_SHA256),
        Algorithm::Es256 => Recipe::Ec(&ECDSA_P256_SHA256_FIXED_SIGNING, Curve::P256),
        Algorithm::Es384 => Recipe::Ec(&ECDSA_P384_SHA384_FIXED_SIGNING, Curve::P384),
    }
}

impl SoftwareKey {
    /// Makes a new random key: RSA of 2048 bits, or on the curve of the algorithm.
    ///
    /// # Errors
    /// [`TokenError::Crypto`] if the system gives no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<Self, TokenError> {
        let failed = |_| TokenError::Crypto { operation: "generate key" };
        match recipe(algorithm) {
            Recipe::Rsa(encoding) => {
                Self::rsa(algorithm, RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?, encoding)
            }
            Recipe::Ec(signing, curve) => {
                Self::ec(algorithm, EcdsaKeyPair::generate(signing).map_err(failed)?, curve)
            }
        }
    }

    /// Reads a key from PKCS #8 in DER.
    ///
    /// # Errors
    /// [`TokenError::KeyMalformed`] for anything but a consistent key of the algorithm's type;
    /// [`TokenError::KeySize`] for RSA keys outside 2048 to 8192 bits.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, TokenError> {
        let malformed = |_| TokenError::KeyMalformed { reason: "not a PKCS #8 private key of the algorithm" };
        match recipe(algorithm) {
            Recipe::Rsa(encoding) => {
                Self::rsa(algorithm, RsaKeyPair::from_pkcs8(pkcs8).map_err(malformed)?, encoding)
            }
            Recipe::Ec(signing, curve) => {
                Self::ec(algorithm, EcdsaKeyPair::from_pkcs8(signing, pkcs8).map_err(malformed)?, curve)
            }
        }
    }

    /// The private key as PKCS #8 in DER, wiped when dropped.
    ///
    /// # Errors
    /// [`TokenError::Crypto`] if the library cannot encode the key.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        let failed = |_| TokenError::Crypto { operation: "export key" };
        match &self.pair {
            Pair::Rsa(pair, _) => {
                let document: Pkcs8V1Der<'static> = pair.as_der().map_err(failed)?;
                Ok(Zeroizing::new(document.as_ref().to_vec()))
            }
            Pair::Ec(pair) => Ok(Zeroizing::new(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec())),
        }
    }

    fn rsa(
        algorithm: Algorithm,
        pair: RsaKeyPair,
        encoding: &'static dyn RsaEncoding,
    ) -> Result<Self, TokenError> {
        let public = PublicKey::from_pkcs1(pair.public_key().as_ref())?;
        Ok(Self { algorithm, pair: Pair::Rsa(pair, encoding), public })
    }

    fn ec(algorithm: Algorithm, pair: EcdsaKeyPair, curve: Curve) -> Result<Self, TokenError> {
        let public = PublicKey::from_point(curve, pair.public_key().as_ref())?;
        Ok(Self { algorithm, pair: Pair::Ec(pair), public })
    }
}

impl Signer for SoftwareKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        let failed = |_| TokenError::Crypto { operation: "sign" };
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &SystemRandom::new(), message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Pair::Ec(pair) => Ok(pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SoftwareKey({}, [redacted])", self.algorithm)
    }
}
