//! The one seam to cryptography, chosen by target: `aws-lc-rs` natively, pure Rust for WebAssembly.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(any(test, target_arch = "wasm32"))]
mod pure;

#[cfg(not(target_arch = "wasm32"))]
use native as backend;
#[cfg(target_arch = "wasm32")]
use pure as backend;

pub(crate) use backend::{CertificateKey, P256Key};

/// SHA-256 over the concatenation of `parts`.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    backend::sha256(parts)
}

#[cfg(test)]
mod tests {
    use super::{native, pure};

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
        let (fast, slow) =
            (native::CertificateKey::new(&point).unwrap(), pure::CertificateKey::new(&point).unwrap());
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
}
