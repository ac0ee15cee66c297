//! Keys of simulated vendors and platforms that are not of one vendor alone, and randomness.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement::{self, PrivateKey};
use aws_lc_rs::digest;
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair};

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

    /// The key that follows from a secret and what it is for; see [`derived_pair`].
    pub(crate) fn derived(secret: &Secret, purpose: &[u8]) -> Result<Self, SiliconError> {
        let curve = Curve {
            signing: &ECDSA_P256_SHA256_FIXED_SIGNING,
            agreement: &agreement::ECDH_P256,
            digest: &digest::SHA256,
        };
        Self::new(derived_pair(&curve, secret, purpose)?)
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

/// What the keys of a platform or chip follow from.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    pub(crate) fn generate() -> Result<Self, SiliconError> {
        random().map(Self)
    }

    /// Reads one back from [`Self::to_hex`].
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    pub(crate) fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// What a key on a curve is derived with; the digest is as long as a private key.
pub(crate) struct Curve {
    pub(crate) signing: &'static EcdsaSigningAlgorithm,
    pub(crate) agreement: &'static agreement::Algorithm,
    pub(crate) digest: &'static digest::Algorithm,
}

/// The key pair that follows from a secret and what it is for. Hardware derives its certified keys from a fused secret and
/// its security versions in the same way, so a vendor that knows the secret can certify every one of them.
pub(crate) fn derived_pair(
    curve: &Curve,
    secret: &Secret,
    purpose: &[u8],
) -> Result<EcdsaKeyPair, SiliconError> {
    // Less than one in four thousand million digests is not a private key of P-256; the next one then is.
    let pairs = (0..4_u8).filter_map(|attempt| {
        let scalar = digest::digest(curve.digest, &[&secret.0[..], &[attempt], purpose].concat());
        let private = PrivateKey::from_private_key(curve.agreement, scalar.as_ref()).ok()?;
        let public = private.compute_public_key().ok()?;
        let (private, public) = (scalar.as_ref(), public.as_ref());
        EcdsaKeyPair::from_private_key_and_public_key(curve.signing, private, public).ok()
    });
    pairs.into_iter().next().ok_or(SiliconError::Crypto { operation: "derive a key" })
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
