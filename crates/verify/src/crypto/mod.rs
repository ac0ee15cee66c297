//! The one seam to cryptography, chosen by target: `aws-lc-rs` natively, pure Rust for WebAssembly.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(any(test, target_arch = "wasm32"))]
mod pure;
#[cfg(any(test, target_arch = "wasm32"))]
mod rsa;

#[cfg(not(target_arch = "wasm32"))]
use native as backend;
#[cfg(target_arch = "wasm32")]
use pure as backend;

pub(crate) use backend::P256Key;

/// A signature scheme: key type, padding, hash and encoding. ECDSA signatures are DER unless the name says `Fixed`, which is
/// `r || s`, big-endian. RSA keys have 2048 to 8192 bits, and the salt of PSS is as long as the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    EcdsaP256Sha256,
    EcdsaP256Sha384,
    EcdsaP384Sha256,
    EcdsaP384Sha384,
    EcdsaP256Sha256Fixed,
    EcdsaP384Sha384Fixed,
    RsaPkcs1Sha256,
    RsaPkcs1Sha384,
    RsaPkcs1Sha512,
    RsaPssSha256,
    RsaPssSha384,
    RsaPssSha512,
}

impl Scheme {
    /// Bytes of the hash.
    #[cfg(any(test, target_arch = "wasm32"))]
    const fn hash_length(self) -> usize {
        match self {
            Self::EcdsaP256Sha256
            | Self::EcdsaP384Sha256
            | Self::EcdsaP256Sha256Fixed
            | Self::RsaPkcs1Sha256
            | Self::RsaPssSha256 => 32,
            Self::EcdsaP256Sha384
            | Self::EcdsaP384Sha384
            | Self::EcdsaP384Sha384Fixed
            | Self::RsaPkcs1Sha384
            | Self::RsaPssSha384 => 48,
            Self::RsaPkcs1Sha512 | Self::RsaPssSha512 => 64,
        }
    }
}

/// A public key, read once, for signatures of one scheme.
#[derive(Debug)]
pub(crate) struct SignatureKey {
    scheme: Scheme,
    key: backend::Key,
}

impl SignatureKey {
    /// Takes what a `SubjectPublicKeyInfo` holds: the uncompressed point, or `RSAPublicKey` as DER. `None` if it is no such key.
    pub(crate) fn new(scheme: Scheme, key: &[u8]) -> Option<Self> {
        backend::Key::new(scheme, key).map(|key| Self { scheme, key })
    }

    pub(crate) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify(message, signature)
    }
}

/// SHA-256 over the concatenation of `parts`.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    backend::sha256(parts)
}

/// SHA-384 over the concatenation of `parts`.
#[must_use]
pub(crate) fn sha384(parts: &[&[u8]]) -> [u8; 48] {
    backend::sha384(parts)
}

/// SHA-512 over the concatenation of `parts`.
#[must_use]
pub(crate) fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    backend::sha512(parts)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "tests")]
mod tests {
    use super::{Scheme, native, pure};

    #[test]
    fn both_backends_hash_alike() {
        let parts: [&[u8]; 3] = [b"a", b"", b"bc"];
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(native::sha256(&parts)), expected);
        assert_eq!(hex::encode(pure::sha256(&parts)), expected);
    }

    #[test]
    fn both_backends_agree_on_signatures_and_their_flips() {
        use aws_lc_rs::rand::SystemRandom;
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point: [u8; 65] = pair.public_key().as_ref().try_into().unwrap();
        let signature: [u8; 64] =
            pair.sign(&SystemRandom::new(), b"message").unwrap().as_ref().try_into().unwrap();
        let (fast, slow) = (native::P256Key::new(&point).unwrap(), pure::P256Key::new(&point).unwrap());
        assert!(fast.verify(b"message", &signature) && slow.verify(b"message", &signature));
        for bit in 0..512 {
            let mut flipped = signature;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!fast.verify(b"message", &flipped) && !slow.verify(b"message", &flipped), "bit {bit}");
        }
        for zero in [0..32, 32..64, 0..64] {
            let mut broken = signature;
            broken[zero].fill(0);
            assert!(!fast.verify(b"message", &broken) && !slow.verify(b"message", &broken));
        }
    }

    #[test]
    fn both_backends_agree_on_der_signatures() {
        use aws_lc_rs::rand::SystemRandom;
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let point: [u8; 65] = pair.public_key().as_ref().try_into().unwrap();
        let signature = pair.sign(&SystemRandom::new(), b"message").unwrap();
        let scheme = Scheme::EcdsaP256Sha256;
        let (fast, slow) =
            (native::Key::new(scheme, &point).unwrap(), pure::Key::new(scheme, &point).unwrap());
        assert!(fast.verify(b"message", signature.as_ref()) && slow.verify(b"message", signature.as_ref()));
        assert!(!fast.verify(b"massage", signature.as_ref()) && !slow.verify(b"massage", signature.as_ref()));
        for bit in 0..signature.as_ref().len() * 8 {
            let mut flipped = signature.as_ref().to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!fast.verify(b"message", &flipped) && !slow.verify(b"message", &flipped), "bit {bit}");
        }
    }

    #[test]
    fn both_backends_refuse_points_off_the_curve() {
        let mut point = [7_u8; 65];
        point[0] = 4;
        assert!(native::P256Key::new(&point).is_none());
        assert!(pure::P256Key::new(&point).is_none());
        assert!(native::P256Key::new(&[0; 65]).is_none());
        assert!(pure::P256Key::new(&[0; 65]).is_none());
    }

    /// Every bit of a signature, and of the first and last bytes of an RSA one, with both backends.
    fn compare(scheme: Scheme, key: &[u8], signature: &[u8]) {
        let (fast, slow) = (native::Key::new(scheme, key).unwrap(), pure::Key::new(scheme, key).unwrap());
        assert!(fast.verify(b"message", signature), "{scheme:?}");
        assert!(slow.verify(b"message", signature), "{scheme:?}");
        assert!(!fast.verify(b"massage", signature) && !slow.verify(b"massage", signature), "{scheme:?}");
        let edges = (0..signature.len()).filter(|at| *at < 2 || at + 2 >= signature.len() || at % 97 == 0);
        for at in edges {
            for bit in 0..8 {
                let mut flipped = signature.to_vec();
                flipped[at] ^= 1 << bit;
                assert!(!fast.verify(b"message", &flipped), "{scheme:?} {at} {bit}");
                assert!(!slow.verify(b"message", &flipped), "{scheme:?} {at} {bit}");
            }
        }
        for broken in [&signature[1..], &[&[0], signature].concat(), &[signature, &[0]].concat(), &[]] {
            assert!(!fast.verify(b"message", broken) && !slow.verify(b"message", broken), "{scheme:?}");
        }
    }

    #[test]
    fn both_backends_agree_on_p384() {
        use aws_lc_rs::rand::SystemRandom;
        use aws_lc_rs::signature::{
            ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
        };
        for (signing, scheme) in [
            (&ECDSA_P384_SHA384_ASN1_SIGNING, Scheme::EcdsaP384Sha384),
            (&ECDSA_P384_SHA384_FIXED_SIGNING, Scheme::EcdsaP384Sha384Fixed),
        ] {
            let pair = EcdsaKeyPair::generate(signing).unwrap();
            let signature = pair.sign(&SystemRandom::new(), b"message").unwrap();
            compare(scheme, pair.public_key().as_ref(), signature.as_ref());
        }
    }

    #[test]
    fn both_backends_agree_on_rsa() {
        use aws_lc_rs::rand::SystemRandom;
        use aws_lc_rs::rsa::KeySize;
        use aws_lc_rs::signature::{
            KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
            RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
        };
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let schemes: [(&dyn RsaEncoding, Scheme); 6] = [
            (&RSA_PKCS1_SHA256, Scheme::RsaPkcs1Sha256),
            (&RSA_PKCS1_SHA384, Scheme::RsaPkcs1Sha384),
            (&RSA_PKCS1_SHA512, Scheme::RsaPkcs1Sha512),
            (&RSA_PSS_SHA256, Scheme::RsaPssSha256),
            (&RSA_PSS_SHA384, Scheme::RsaPssSha384),
            (&RSA_PSS_SHA512, Scheme::RsaPssSha512),
        ];
        for (encoding, scheme) in schemes {
            let mut signature = vec![0; 256];
            pair.sign(encoding, &SystemRandom::new(), b"message", &mut signature).unwrap();
            compare(scheme, pair.public_key().as_ref(), &signature);
            for (_, other) in schemes.iter().filter(|(_, other)| *other != scheme) {
                let key = pair.public_key().as_ref();
                let (fast, slow) =
                    (native::Key::new(*other, key).unwrap(), pure::Key::new(*other, key).unwrap());
                assert!(!fast.verify(b"message", &signature) && !slow.verify(b"message", &signature));
            }
        }
    }

    /// The private exponent and the modulus of a key, big-endian.
    fn numbers(pkcs8: &[u8]) -> (Vec<u8>, Vec<u8>) {
        use der::asn1::UintRef;
        use der::{AnyRef, Decode};
        let read = |der: &[u8], skip: usize, take: usize| -> Vec<Vec<u8>> {
            let any = AnyRef::from_der(der).unwrap();
            any.sequence(|reader| {
                let fields =
                    (0..skip + take).map(|_| AnyRef::decode(reader)).collect::<Result<Vec<_>, _>>()?;
                while !der::Reader::is_finished(reader) {
                    AnyRef::decode(reader)?;
                }
                Ok::<_, der::Error>(fields.iter().skip(skip).map(|field| field.value().to_vec()).collect())
            })
            .unwrap()
        };
        let key = read(pkcs8, 2, 1).remove(0);
        let mut fields = read(&key, 1, 3).into_iter();
        let unsigned = |field: Vec<u8>| {
            let der = [&[2, 0x82, (field.len() >> 8) as u8, field.len() as u8][..], &field].concat();
            UintRef::from_der(&der).map(|number| number.as_bytes().to_vec()).unwrap_or(field)
        };
        let (modulus, _, private) = (fields.next().unwrap(), fields.next(), fields.next().unwrap());
        (unsigned(private), unsigned(modulus))
    }

    /// A PSS signature of `message` with SHA-384 and a salt of this length, made by hand: the library makes one length only.
    fn pss_with_salt(length: usize, private: &[u8], modulus: &[u8]) -> Vec<u8> {
        use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
        use crypto_bigint::{BoxedUint, Odd};
        let (salt, hash) = (vec![0x5a; length], native::sha384(&[b"message"]));
        let digest = native::sha384(&[&[0; 8], &hash, &salt]);
        let size = modulus.len();
        let mut block = [vec![0; size - 48 - 2 - length], vec![1], salt].concat();
        block.iter_mut().zip(super::rsa::mgf1(&digest, size - 49)).for_each(|(byte, mask)| *byte ^= mask);
        block[0] &= 0x7f;
        let encoded = [&block[..], &digest, &[0xbc]].concat();
        let bits = u32::try_from(size * 8).unwrap();
        let number = |bytes: &[u8]| BoxedUint::from_be_slice(bytes, bits).unwrap();
        let params = BoxedMontyParams::new_vartime(Odd::new(number(modulus)).unwrap());
        let signed = BoxedMontyForm::new(number(&encoded), &params).pow(&number(private)).retrieve();
        signed.to_be_bytes().to_vec()
    }

    #[test]
    fn a_salt_of_any_other_length_is_refused_by_both_backends() {
        use aws_lc_rs::encoding::AsDer;
        use aws_lc_rs::rsa::KeySize;
        use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let (private, modulus) = numbers(pair.as_der().unwrap().as_ref());
        let key = pair.public_key().as_ref();
        let scheme = Scheme::RsaPssSha384;
        let (fast, slow) = (native::Key::new(scheme, key).unwrap(), pure::Key::new(scheme, key).unwrap());
        for length in [0, 20, 32, 47, 48, 49, 64] {
            let signature = pss_with_salt(length, &private, &modulus);
            assert_eq!(fast.verify(b"message", &signature), length == 48, "{length}");
            assert_eq!(slow.verify(b"message", &signature), length == 48, "{length}");
        }
    }
}
