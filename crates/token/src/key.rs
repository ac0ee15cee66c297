//! Public keys as others show them: SPKI, certificate, JWK.

use der::asn1::{BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode, Encode, Sequence};
use serde_json::{Map, Value};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use crate::certificate::Certificate;
use crate::crypto::{self, Curve, Hash, KeyMaterial, Scheme};
use crate::error::shown;
use crate::jwk::certificates_from_jwk;
use crate::{Algorithm, TokenError, base64url};

/// NIST SP 800-131A: smaller RSA keys give less than 112 bits of strength.
const RSA_MIN_BITS: usize = 2048;
/// What `aws-lc-rs` verifies at most; the time grows with the square of the size.
const RSA_MAX_BITS: usize = 8192;
/// Real exponents are 3 or 65537; large ones only cost time.
const RSA_EXPONENT_BYTES: usize = 4;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// A public key that Assay can verify with: RSA of 2048 to 8192 bits, P-256 or P-384.
///
/// A value has been checked: the RSA numbers are plausible, the point lies on its curve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    material: KeyMaterial,
    spki: Vec<u8>,
}

/// `RSAPublicKey` of RFC 8017, appendix A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    /// [`TokenError::KeyMalformed`], [`TokenError::KeyUnsupported`] or [`TokenError::KeySize`].
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, TokenError> {
        let info = SubjectPublicKeyInfoRef::from_der(spki)
            .map_err(|_| TokenError::KeyMalformed { reason: "not a SubjectPublicKeyInfo" })?;
        let bits = info
            .subject_public_key
            .as_bytes()
            .ok_or(TokenError::KeyMalformed { reason: "the bit string has unused bits" })?;
        match info.algorithm.oid {
            RSA_ENCRYPTION => Self::from_pkcs1(bits),
            EC_PUBLIC_KEY => {
                let curve = info.algorithm.parameters_oid();
                Self::from_point(curve_of(&curve.map_err(|_| explicit_curve())?)?, bits)
            }
            other => Err(TokenError::KeyUnsupported { kind: other.to_string() }),
        }
    }

    /// Takes the key of a certificate in DER; the certificate itself is not judged.
    ///
    /// # Errors
    /// [`TokenError::CertificateMalformed`], or as [`PublicKey::from_spki_der`].
    pub fn from_certificate_der(certificate: &[u8]) -> Result<Self, TokenError> {
        Ok(Certificate::parse(certificate)?.into_key())
    }

    /// Reads a JWK: the first certificate of `x5c`, or `n` and `e`, or `crv`, `x` and `y`. Where several are there,
    /// they must agree.
    ///
    /// # Errors
    /// [`TokenError::KeyMismatch`] if they do not, and whatever the parts are refused for.
    pub fn from_jwk(jwk: &Value) -> Result<Self, TokenError> {
        let certificates = certificates_from_jwk(jwk)?;
        let certified = certificates.first().map(|leaf| Self::from_certificate_der(leaf)).transpose()?;
        let kty = jwk.get("kty").map(|kty| kty.as_str().unwrap_or_default());
        let plain = plain_key(jwk, kty)?;
        if let (Some(certified), Some(kty)) = (&certified, kty)
            && certified.kty() != kty
        {
            return Err(TokenError::KeyMismatch);
        }
        match (plain, certified) {
            (Some(plain), Some(certified)) if plain != certified => Err(TokenError::KeyMismatch),
            (Some(key), _) | (None, Some(key)) => Ok(key),
            (None, None) => Err(TokenError::KeyMalformed { reason: "the JWK has no key" }),
        }
    }

    /// The `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The plain members of a JWK: `kty`, `n`, `e` or `kty`, `crv`, `x`, `y`.
    #[must_use]
    pub fn jwk_members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        let mut put = |name: &str, value: String| members.insert(name.into(), Value::String(value));
        put("kty", self.kty().into());
        match &self.material {
            KeyMaterial::Rsa { modulus, exponent, .. } => {
                put("n", base64url::encode(modulus));
                put("e", base64url::encode(exponent));
            }
            KeyMaterial::Ec { curve, point } => {
                let (x, y) = point.get(1..).unwrap_or_default().split_at(curve.bytes());
                put("crv", curve.name().into());
                put("x", base64url::encode(x));
                put("y", base64url::encode(y));
            }
        }
        members
    }

    /// The algorithms this key can verify; the first is the usual one for its type.
    #[must_use]
    pub const fn algorithms(&self) -> &'static [Algorithm] {
        match &self.material {
            KeyMaterial::Rsa { .. } => &[Algorithm::Rs256, Algorithm::Ps256],
            KeyMaterial::Ec { curve: Curve::P256, .. } => &[Algorithm::Es256],
            KeyMaterial::Ec { curve: Curve::P384, .. } => &[Algorithm::Es384],
        }
    }

    /// Verifies a signature over the message; ECDSA signatures are `r || s`.
    ///
    /// # Errors
    /// [`TokenError::AlgorithmMismatch`] if the key is of another type, [`TokenError::BadSignature`], and in builds
    /// for `wasm32` [`TokenError::AlgorithmUnavailable`] for RSA.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), TokenError> {
        if !self.algorithms().contains(&algorithm) {
            return Err(self.mismatch(algorithm.as_str()));
        }
        let scheme = match algorithm {
            Algorithm::Rs256 => Scheme::Pkcs1(Hash::Sha256),
            Algorithm::Ps256 => Scheme::PssSha256,
            Algorithm::Es256 | Algorithm::Es384 => Scheme::EcdsaFixed,
        };
        self.verify_scheme(scheme, message, signature)
    }

    pub(crate) fn verify_scheme(
        &self,
        scheme: Scheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        crypto::verify(&self.material, scheme, message, signature)
    }

    pub(crate) fn mismatch(&self, algorithm: &str) -> TokenError {
        let key = match &self.material {
            KeyMaterial::Rsa { .. } => "RSA",
            KeyMaterial::Ec { curve, .. } => curve.name(),
        };
        TokenError::AlgorithmMismatch { algorithm: shown(algorithm), key }
    }

    /// From `RSAPublicKey` in DER.
    pub(crate) fn from_pkcs1(pkcs1: &[u8]) -> Result<Self, TokenError> {
        let numbers = RsaPublicKey::from_der(pkcs1)
            .map_err(|_| TokenError::KeyMalformed { reason: "not an RSA public key" })?;
        Self::from_rsa(numbers.modulus.as_bytes(), numbers.exponent.as_bytes())
    }

    /// From an uncompressed point.
    pub(crate) fn from_point(curve: Curve, point: &[u8]) -> Result<Self, TokenError> {
        if point.first() != Some(&4) || point.len() != curve.bytes().saturating_mul(2).saturating_add(1) {
            return Err(TokenError::KeyMalformed { reason: "not an uncompressed point of the curve's size" });
        }
        crypto::check_point(curve, point)?;
        let oid = match curve {
            Curve::P256 => SECP256R1,
            Curve::P384 => SECP384R1,
        };
        let algorithm = AlgorithmIdentifierRef { oid: EC_PUBLIC_KEY, parameters: Some((&oid).into()) };
        let spki = encode_spki(algorithm, point).map_err(encoding)?;
        Ok(Self { material: KeyMaterial::Ec { curve, point: point.to_vec() }, spki })
    }

    /// From the numbers of an RSA key, without leading zeros.
    fn from_rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, TokenError> {
        check_rsa(modulus, exponent)?;
        let numbers = RsaPublicKey {
            modulus: UintRef::new(modulus).map_err(encoding)?,
            exponent: UintRef::new(exponent).map_err(encoding)?,
        };
        let pkcs1 = numbers.to_der().map_err(encoding)?;
        let null = Some(der::asn1::AnyRef::NULL);
        let algorithm = AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: null };
        let spki = encode_spki(algorithm, &pkcs1).map_err(encoding)?;
        let material = KeyMaterial::Rsa { pkcs1, modulus: modulus.to_vec(), exponent: exponent.to_vec() };
        Ok(Self { material, spki })
    }

    #[cfg(test)]
    pub(crate) const fn material(&self) -> &KeyMaterial {
        &self.material
    }

    const fn kty(&self) -> &'static str {
        match &self.material {
            KeyMaterial::Rsa { .. } => "RSA",
            KeyMaterial::Ec { .. } => "EC",
        }
    }
}

/// The key id that Azure Attestation gives to self-signed keys: padded standard base64 of SHA-256 over the PEM form
/// of the SPKI (64 columns, LF, final LF) and a NUL byte. The same hash is what the
/// evidence inside a signing certificate binds.
#[must_use]
pub fn key_id(spki_der: &[u8]) -> String {
    let base64 = base64url::encode_standard(spki_der);
    let mut pem = String::from("-----BEGIN PUBLIC KEY-----");
    for (column, character) in base64.chars().enumerate() {
        if column.is_multiple_of(64) {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str("\n-----END PUBLIC KEY-----\n\0");
    base64url::encode_standard(&crypto::sha256(pem.as_bytes()))
}

/// The key of the plain members; `None` if there are none of them.
fn plain_key(jwk: &Value, kty: Option<&str>) -> Result<Option<PublicKey>, TokenError> {
    match kty {
        Some("RSA") if jwk.get("n").or_else(|| jwk.get("e")).is_some() => {
            PublicKey::from_rsa(&number(jwk, "n")?, &number(jwk, "e")?).map(Some)
        }
        Some("EC") if jwk.get("x").or_else(|| jwk.get("y")).is_some() => {
            let curve = match jwk.get("crv").and_then(Value::as_str) {
                Some("P-256") => Curve::P256,
                Some("P-384") => Curve::P384,
                other => return Err(TokenError::KeyUnsupported { kind: shown(other.unwrap_or_default()) }),
            };
            let (x, y) = (number(jwk, "x")?, number(jwk, "y")?);
            if x.len() != y.len() {
                return Err(TokenError::KeyMalformed { reason: "coordinates of different sizes" });
            }
            PublicKey::from_point(curve, &[&[4][..], &x, &y].concat()).map(Some)
        }
        // Microsoft's Python SDK sends `x5c` alone, without `kty`.
        None | Some("RSA" | "EC") => Ok(None),
        Some(other) => Err(TokenError::KeyUnsupported { kind: shown(other) }),
    }
}

fn number(jwk: &Value, name: &str) -> Result<Vec<u8>, TokenError> {
    let text = jwk.get(name).and_then(Value::as_str);
    base64url::decode_strict(
        text.ok_or(TokenError::KeyMalformed { reason: "a member of the JWK is missing" })?,
    )
    .map_err(base64url::named("key"))
}

/// The library checks primes of private keys; of public ones only this much can be known.
fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), TokenError> {
    let leading = modulus.first().map_or(0, |byte| byte.leading_zeros());
    if leading == 8 || exponent.first() == Some(&0) {
        return Err(TokenError::KeyMalformed { reason: "a number with leading zeros" });
    }
    let unused = usize::try_from(leading).unwrap_or_default();
    let bits = modulus.len().saturating_mul(8).saturating_sub(unused);
    if !(RSA_MIN_BITS..=RSA_MAX_BITS).contains(&bits) {
        return Err(TokenError::KeySize { bits, min: RSA_MIN_BITS, max: RSA_MAX_BITS });
    }
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    let fits = exponent.len() <= RSA_EXPONENT_BYTES && exponent != [1];
    if odd(modulus) && odd(exponent) && fits {
        Ok(())
    } else {
        Err(TokenError::KeyMalformed { reason: "implausible RSA numbers" })
    }
}

fn curve_of(oid: &ObjectIdentifier) -> Result<Curve, TokenError> {
    match *oid {
        SECP256R1 => Ok(Curve::P256),
        SECP384R1 => Ok(Curve::P384),
        other => Err(TokenError::KeyUnsupported { kind: other.to_string() }),
    }
}

/// Curves given by their numbers have been a way to forge signatures (CVE-2020-0601).
const fn explicit_curve() -> TokenError {
    TokenError::KeyMalformed { reason: "the curve must be named by its identifier" }
}

fn encode_spki(algorithm: AlgorithmIdentifierRef<'_>, key: &[u8]) -> der::Result<Vec<u8>> {
    SubjectPublicKeyInfoRef { algorithm, subject_public_key: BitStringRef::from_bytes(key)? }.to_der()
}

fn encoding(_: der::Error) -> TokenError {
    TokenError::Crypto { operation: "encode key" }
}
