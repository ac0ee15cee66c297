//! Both backends over the same inputs: what one accepts the other must accept, with the same error otherwise.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use super::{Curve, Hash, KeyMaterial, Scheme, native, wasm};
use crate::{Algorithm, Signer, SoftwareKey, TokenError};

/// Verifies with both and gives their common answer.
fn both(key: &KeyMaterial, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), TokenError> {
    let answers =
        [native::verify(key, scheme, message, signature), wasm::verify(key, scheme, message, signature)];
    assert_eq!(answers[0], answers[1], "{key:?} {scheme:?} {message:?} {signature:?}");
    answers[0].clone()
}

fn ec_key(curve: Curve) -> (SoftwareKey, KeyMaterial) {
    let algorithm = match curve {
        Curve::P256 => Algorithm::Es256,
        Curve::P384 => Algorithm::Es384,
    };
    let signer = SoftwareKey::generate(algorithm).unwrap();
    let material = signer.public_key().material().clone();
    (signer, material)
}

#[test]
fn hashes_agree() {
    for length in [0, 1, 55, 56, 63, 64, 65, 1000] {
        let bytes = vec![0xa5; length];
        assert_eq!(native::sha256(&bytes), wasm::sha256(&bytes));
    }
    // FIPS 180-2, appendix B.1.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(hex::encode(wasm::sha256(b"abc")), abc);
}

#[test]
fn every_bit_of_a_signature_counts() {
    for curve in [Curve::P256, Curve::P384] {
        let (signer, key) = ec_key(curve);
        let signature = signer.sign(b"message").unwrap();
        assert_eq!(both(&key, Scheme::EcdsaFixed, b"message", &signature), Ok(()));
        assert_eq!(both(&key, Scheme::EcdsaFixed, b"massage", &signature), Err(TokenError::BadSignature));
        for bit in 0..signature.len() * 8 {
            let mut broken = signature.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(both(&key, Scheme::EcdsaFixed, b"message", &broken), Err(TokenError::BadSignature));
        }
    }
}

#[test]
fn malformed_signatures() {
    for curve in [Curve::P256, Curve::P384] {
        let (signer, key) = ec_key(curve);
        let good = signer.sign(b"m").unwrap();
        let half = curve.bytes();
        let zero = vec![0; half];
        let broken: [Vec<u8>; 8] = [
            vec![],
            good[..half].to_vec(),
            good[..good.len() - 1].to_vec(),
            [&good[..], &[0]].concat(),
            [&[0], &good[..]].concat(),
            [&zero[..], &good[half..]].concat(),
            [&good[..half], &zero[..]].concat(),
            vec![0xff; half * 2],
        ];
        for signature in broken {
            assert_eq!(both(&key, Scheme::EcdsaFixed, b"m", &signature), Err(TokenError::BadSignature));
            for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
                assert_eq!(
                    both(&key, Scheme::EcdsaDer(hash), b"m", &signature),
                    Err(TokenError::BadSignature)
                );
            }
        }
        // The right numbers in the other encoding.
        assert_eq!(both(&key, Scheme::EcdsaDer(Hash::Sha256), b"m", &good), Err(TokenError::BadSignature));
        assert_eq!(both(&key, Scheme::Pkcs1(Hash::Sha256), b"m", &good), Err(TokenError::BadSignature));
        assert_eq!(both(&key, Scheme::PssSha256, b"m", &good), Err(TokenError::BadSignature));
    }
}

#[test]
fn signatures_of_certificates() {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
    };
    for (curve, hash, algorithm) in [
        (Curve::P256, Hash::Sha256, &ECDSA_P256_SHA256_ASN1_SIGNING),
        (Curve::P384, Hash::Sha384, &ECDSA_P384_SHA384_ASN1_SIGNING),
    ] {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let key = KeyMaterial::Ec { curve, point: pair.public_key().as_ref().to_vec() };
        let signature = pair.sign(&SystemRandom::new(), b"tbs").unwrap();
        assert_eq!(both(&key, Scheme::EcdsaDer(hash), b"tbs", signature.as_ref()), Ok(()));
        let mut broken = signature.as_ref().to_vec();
        *broken.last_mut().unwrap() ^= 1;
        assert_eq!(both(&key, Scheme::EcdsaDer(hash), b"tbs", &broken), Err(TokenError::BadSignature));
        assert_eq!(
            both(&key, Scheme::EcdsaDer(Hash::Sha512), b"tbs", signature.as_ref()),
            Err(TokenError::BadSignature)
        );
    }
}

#[test]
fn points() {
    for curve in [Curve::P256, Curve::P384] {
        let (_, KeyMaterial::Ec { point, .. }) = ec_key(curve) else { panic!("an EC key") };
        assert_eq!(native::check_point(curve, &point), Ok(()));
        assert_eq!(wasm::check_point(curve, &point), Ok(()));
        let refused = Err(TokenError::KeyMalformed { reason: "not a point on the curve" });
        for byte in [1, point.len() - 1] {
            let mut off_curve = point.clone();
            off_curve[byte] ^= 1;
            assert_eq!(native::check_point(curve, &off_curve), refused);
            assert_eq!(wasm::check_point(curve, &off_curve), refused);
        }
        assert_eq!(native::check_point(curve, &[0]), refused);
        assert_eq!(wasm::check_point(curve, &[0]), refused);
    }
}

#[test]
fn rsa_is_native_only() {
    let signer = SoftwareKey::generate(Algorithm::Rs256).unwrap();
    let signature = signer.sign(b"message").unwrap();
    let key = signer.public_key().material();
    assert_eq!(native::verify(key, Scheme::Pkcs1(Hash::Sha256), b"message", &signature), Ok(()));
    assert_eq!(
        wasm::verify(key, Scheme::Pkcs1(Hash::Sha256), b"message", &signature),
        Err(TokenError::AlgorithmUnavailable { algorithm: "RSA" })
    );
}
