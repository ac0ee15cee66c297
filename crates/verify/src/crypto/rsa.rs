//! RSA signature verification for targets without `aws-lc-rs` (RFC 8017 sections 8.1.2 and 8.2.2). Public values only, so
//! nothing here has to run in constant time.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd, Resize};
use der::asn1::UintRef;
use der::{AnyRef, Decode};

use super::pure::{sha256, sha384, sha512};

/// Modulus sizes, in bits: the same as of the native backend.
const MIN_BITS: u32 = 2048;
const MAX_BITS: u32 = 8192;

/// How the hash stands in the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// EMSA-PKCS1-v1_5.
    Pkcs1,
    /// EMSA-PSS with MGF1 of the same hash and a salt as long as the hash.
    Pss,
}

/// An RSA public key.
#[derive(Debug)]
pub(super) struct RsaKey {
    modulus: BoxedMontyParams,
    exponent: BoxedUint,
    bits: u32,
}

impl RsaKey {
    /// Reads `RSAPublicKey`, DER (RFC 8017 appendix A.1.1).
    pub(super) fn from_pkcs1(der: &[u8]) -> Option<Self> {
        let (modulus, exponent) = AnyRef::from_der(der)
            .and_then(|key| key.sequence(|r| Ok::<_, der::Error>((UintRef::decode(r)?, UintRef::decode(r)?))))
            .ok()?;
        let exponent = exponent.as_bytes();
        // An exponent of 33 bits is the largest that the native backend takes.
        if exponent.len() > 5 || exponent.last().is_none_or(|last| last % 2 == 0) || exponent == [1] {
            return None;
        }
        let value = BoxedUint::from_be_slice_vartime(modulus.as_bytes());
        let bits = value.bits_vartime();
        if !(MIN_BITS..=MAX_BITS).contains(&bits) {
            return None;
        }
        let modulus = BoxedMontyParams::new_vartime(Option::<Odd<BoxedUint>>::from(Odd::new(value))?);
        Some(Self { modulus, exponent: BoxedUint::from_be_slice_vartime(exponent), bits })
    }

    pub(super) fn verify(&self, padding: Padding, hash: &[u8], signature: &[u8]) -> bool {
        let length = usize::try_from(self.bits.div_ceil(8)).unwrap_or(usize::MAX);
        let encoded = self.open(signature, length);
        encoded.is_some_and(|encoded| match padding {
            Padding::Pkcs1 => pkcs1(hash, length).is_some_and(|expected| expected == encoded),
            Padding::Pss => self.is_pss(&encoded, hash),
        })
    }

    /// `s ^ e mod n`, as long as the modulus.
    fn open(&self, signature: &[u8], length: usize) -> Option<Vec<u8>> {
        if signature.len() != length {
            return None;
        }
        let modulus = self.modulus.modulus();
        let signature = BoxedUint::from_be_slice_vartime(signature);
        if signature.cmp_vartime(modulus.as_ref()).is_ge() {
            return None;
        }
        let signature = signature.resize(modulus.bits_precision());
        let opened = BoxedMontyForm::new(signature, &self.modulus).pow(&self.exponent).retrieve();
        let bytes = opened.to_be_bytes();
        bytes.get(bytes.len().checked_sub(length)?..).map(<[u8]>::to_vec)
    }

    /// RFC 8017 section 9.1.2, with a salt as long as the hash.
    fn is_pss(&self, encoded: &[u8], hash: &[u8]) -> bool {
        let bits = self.bits.saturating_sub(1);
        let length = usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX);
        // A modulus of 8k+1 bits gives one byte more than the encoding has, and it is zero.
        let Some((lead, encoded)) =
            encoded.len().checked_sub(length).and_then(|at| encoded.split_at_checked(at))
        else {
            return false;
        };
        let at = length.checked_sub(hash.len().saturating_add(1));
        let Some((masked, rest)) = at.and_then(|at| encoded.split_at_checked(at)) else { return false };
        let Some((trailer, digest)) = rest.split_last() else { return false };
        let unused = length.saturating_mul(8).saturating_sub(usize::try_from(bits).unwrap_or_default());
        let mask = 0xff_u8.checked_shr(u32::try_from(unused).unwrap_or(8)).unwrap_or_default();
        let high_bits = masked.first().is_none_or(|first| first & !mask != 0);
        if lead.iter().any(|byte| *byte != 0) || *trailer != 0xbc || high_bits {
            return false;
        }
        let mut block: Vec<u8> = masked.iter().zip(mgf1(digest, masked.len())).map(|(a, b)| a ^ b).collect();
        if let Some(first) = block.first_mut() {
            *first &= mask;
        }
        let Some((padding, salt)) =
            block.len().checked_sub(hash.len()).and_then(|at| block.split_at_checked(at))
        else {
            return false;
        };
        let Some((one, zeros)) = padding.split_last() else { return false };
        *one == 1 && zeros.iter().all(|byte| *byte == 0) && hash_like(hash, &[&[0; 8], hash, salt]) == digest
    }
}

/// EMSA-PKCS1-v1_5 of a hash (RFC 8017 section 9.2).
fn pkcs1(hash: &[u8], length: usize) -> Option<Vec<u8>> {
    // The last arc of the hash's identifier under 2.16.840.1.101.3.4.2.
    let arc = match hash.len() {
        32 => 1,
        48 => 2,
        _ => 3,
    };
    let size = u8::try_from(hash.len()).ok()?;
    let algorithm = [0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, arc, 0x05, 0x00];
    let info = [&[0x30, size.checked_add(17)?][..], &algorithm, &[0x04, size], hash].concat();
    let padding = length.checked_sub(info.len().checked_add(3)?)?;
    Some([&[0, 1][..], &vec![0xff; padding], &[0], &info].concat())
}

/// The mask generation function of RFC 8017, appendix B.2.1.
pub(super) fn mgf1(seed: &[u8], length: usize) -> Vec<u8> {
    let mut mask = Vec::with_capacity(length.saturating_add(64));
    for counter in 0_u32.. {
        if mask.len() >= length {
            break;
        }
        mask.extend_from_slice(&hash_like(seed, &[seed, &counter.to_be_bytes()]));
    }
    mask.truncate(length);
    mask
}

/// The hash whose digests are as long as `like`.
fn hash_like(like: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    match like.len() {
        32 => sha256(parts).to_vec(),
        48 => sha384(parts).to_vec(),
        _ => sha512(parts).to_vec(),
    }
}
