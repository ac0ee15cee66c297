//! What a certificate may cost, of a signer's chain and of a time-stamp's: both are written by whoever sends them.
//!
//! The longest RSA keys that the crypto room takes cost 100 times what Microsoft's do: twice the modulus, and an exponent of
//! 33 bits whose bits are all set.

use der::asn1::UintRef;
use der::{AnyRef, Decode};

use crate::x509::PublicKey;

/// Microsoft's chains have 3 certificates, leaf, CA and root, and its time-stamps 2; more than this is no chain but an attempt
/// to make us work.
pub(super) const MAX_CERTIFICATES: usize = 8;
/// Microsoft's certificates have 1.5 to 2 KiB.
pub(super) const MAX_CERTIFICATE_SIZE: usize = 8 * 1024;
pub(super) const CERTIFICATE_TOO_LARGE: &str = "it has more than 8 KiB";
/// Purposes, names or attributes of one certificate: Microsoft's leaves have 2 purposes and 5 attributes.
pub(super) const MAX_ITEMS: usize = 32;
/// Microsoft's keys have 3072 and 4096 bits.
const MAX_MODULUS_SIZE: usize = 4096 / 8;
/// 65537, which all keys of the real chains have; no other one is needed.
const EXPONENT: [u8; 3] = [1, 0, 1];

/// Whether verifying with the key is cheap.
pub(super) fn accepts(key: &PublicKey<'_>) -> bool {
    match key {
        PublicKey::P256(_) | PublicKey::P384(_) => true,
        PublicKey::Rsa(key) => is_rsa_accepted(key).unwrap_or(false),
    }
}

/// `None` if it is no `RSAPublicKey` (RFC 8017, appendix A.1.1).
fn is_rsa_accepted(key: &[u8]) -> Option<bool> {
    let read = |key: AnyRef<'_>| {
        key.sequence(|reader| {
            let (modulus, exponent) = (UintRef::decode(reader)?, UintRef::decode(reader)?);
            Ok::<_, der::Error>(
                modulus.as_bytes().len() <= MAX_MODULUS_SIZE && exponent.as_bytes() == EXPONENT,
            )
        })
    };
    AnyRef::from_der(key).and_then(read).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa(modulus: usize, exponent: &[u8]) -> Vec<u8> {
        let tlv = |tag: u8, content: &[u8]| {
            [&[tag, 0x82][..], &u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
        };
        let modulus = tlv(2, &[&[0], &vec![0xff; modulus][..]].concat());
        let length = u8::try_from(exponent.len()).unwrap();
        tlv(0x30, &[&modulus[..], &[2, length], exponent].concat())
    }

    #[test]
    fn large_keys_and_odd_exponents_are_not_accepted() {
        for (modulus, exponent, accepted) in [
            (256, &[1, 0, 1][..], true),
            (512, &[1, 0, 1], true),
            (513, &[1, 0, 1], false),
            (1024, &[1, 0, 1], false),
            (512, &[3], false),
            (512, &[1, 0, 3], false),
            (512, &[1, 0xff, 0xff, 0xff, 0xff], false),
        ] {
            let key = rsa(modulus, exponent);
            assert_eq!(accepts(&PublicKey::Rsa(&key)), accepted, "{modulus} {exponent:?}");
            assert!(!accepts(&PublicKey::Rsa(&[&key[..], &[0]].concat())));
        }
        assert!(!accepts(&PublicKey::Rsa(&[])));
    }
}
