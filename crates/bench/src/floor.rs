//! What signatures cost: the cryptography alone, on keys and messages like those of the real work.

use assay_token::Algorithm;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RsaEncoding, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::Failure;

/// Header and report body: what the attestation key signs.
const QUOTE_BODY: usize = 432;
/// What an endorsement key signs of an SEV-SNP report.
const REPORT_BODY: usize = 672;
/// What an authority signs of an endorsement key certificate.
const VEK_BODY: usize = 768;
/// Different signatures, so that nothing can be learnt from one call for the next.
const SIGNATURES: usize = 64;

/// Verifications of P-256 signatures, each of another message and all by one key, as quotes of one platform are.
///
/// The key is taken from its bytes each time, as a quote brings it.
pub(crate) struct P256 {
    point: Vec<u8>,
    signed: Vec<(Vec<u8>, Vec<u8>)>,
    next: usize,
}

impl P256 {
    pub(crate) fn new() -> Result<Self, Failure> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let random = SystemRandom::new();
        let signed = (0..SIGNATURES).map(|number| {
            let message: Vec<u8> = number.to_le_bytes().into_iter().cycle().take(QUOTE_BODY).collect();
            let signature = pair.sign(&random, &message)?.as_ref().to_vec();
            Ok::<_, Failure>((message, signature))
        });
        let signed = signed.collect::<Result<_, _>>()?;
        Ok(Self { point: pair.public_key().as_ref().to_vec(), signed, next: 0 })
    }

    /// Verifies so many signatures.
    pub(crate) fn verify(&mut self, count: usize) -> Option<()> {
        for _ in 0..count {
            let (message, signature) = self.signed.get(self.next)?;
            self.next = self.next.checked_add(1).filter(|next| *next < self.signed.len()).unwrap_or(0);
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point);
            key.verify(message, signature).ok()?;
        }
        Some(())
    }
}

/// Verifications of P-384 signatures, each of another report and all by one key, as reports of one chip are.
pub(crate) struct P384 {
    point: Vec<u8>,
    /// A known chip's key was read before.
    key: ParsedPublicKey,
    signed: Vec<(Vec<u8>, Vec<u8>)>,
    next: usize,
}

impl P384 {
    pub(crate) fn new() -> Result<Self, Failure> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING)?;
        let random = SystemRandom::new();
        let signed = (0..SIGNATURES).map(|number| {
            let message: Vec<u8> = number.to_le_bytes().into_iter().cycle().take(REPORT_BODY).collect();
            let signature = pair.sign(&random, &message)?.as_ref().to_vec();
            Ok::<_, Failure>((message, signature))
        });
        let signed = signed.collect::<Result<_, _>>()?;
        let point = pair.public_key().as_ref().to_vec();
        let key = ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &point)?;
        Ok(Self { point, key, signed, next: 0 })
    }

    /// Verifies a signature of a key that is known.
    pub(crate) fn verify(&mut self) -> Option<()> {
        let (message, signature) = self.signed.get(self.next)?;
        self.next = self.next.checked_add(1).filter(|next| *next < self.signed.len()).unwrap_or(0);
        self.key.verify_sig(message, signature).ok()
    }

    /// The same with a key that was not seen before.
    pub(crate) fn verify_of_new_key(&mut self) -> Option<()> {
        self.key = ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &self.point).ok()?;
        self.verify()
    }
}

/// Verification of an authority's signature of an endorsement key certificate: RSA-4096, PSS. The authority is known.
pub(crate) struct VekSignature {
    key: ParsedPublicKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl VekSignature {
    pub(crate) fn new() -> Result<Self, Failure> {
        let pair = RsaKeyPair::generate(KeySize::Rsa4096)?;
        let key = ParsedPublicKey::new(&RSA_PSS_2048_8192_SHA384, pair.public_key().as_ref())?;
        let (message, mut signature) = (vec![7; VEK_BODY], vec![0; pair.public_modulus_len()]);
        pair.sign(&RSA_PSS_SHA384, &SystemRandom::new(), &message, &mut signature)?;
        Ok(Self { key, message, signature })
    }

    pub(crate) fn verify(&self) -> Option<()> {
        self.key.verify_sig(&self.message, &self.signature).ok()
    }
}

/// A key of a token's algorithm, without any of what makes a token.
pub(crate) struct TokenKey {
    pair: Pair,
    public: Vec<u8>,
    verification: &'static dyn VerificationAlgorithm,
}

enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
}

impl TokenKey {
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self, Failure> {
        let rsa = |encoding, verification| {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
            let public = pair.public_key().as_ref().to_vec();
            Ok(Self { pair: Pair::Rsa(pair, encoding), public, verification })
        };
        let ec = |signing, verification| {
            let pair = EcdsaKeyPair::generate(signing)?;
            let public = pair.public_key().as_ref().to_vec();
            Ok(Self { pair: Pair::Ec(pair), public, verification })
        };
        match algorithm {
            Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Ps256 => rsa(&RSA_PSS_SHA256, &RSA_PSS_2048_8192_SHA256),
            Algorithm::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P256_SHA256_FIXED),
            Algorithm::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING, &ECDSA_P384_SHA384_FIXED),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Pair::Ec(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
        }
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        UnparsedPublicKey::new(self.verification, &self.public).verify(message, signature).ok()
    }
}
