//! Private keys, and data that must not be read, at rest: AES-256-GCM under a master key, bound to where they belong.
//!
//! ```text
//! "AKW" 01 | id of the master key (8) | nonce (12) | ciphertext | tag (16)
//! ```
//!
//! The associated data are the text `assay key wrap v1`, a NUL byte, and, each after its length as 8 bytes in big
//! endian: the first four bytes of the envelope, the id of the master key, the provider, the key id, the purpose. So
//! a wrapped key that is copied into the record of another provider, or of another purpose, does not open. Not in
//! builds for `wasm32`.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::lifecycle::Purpose;
use crate::{TokenError, sha256};

/// Three letters and the version of the envelope.
const MAGIC: [u8; 4] = *b"AKW\x01";
const ID_BYTES: usize = 8;
const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
/// Keeps ids and bindings of this use apart from any other use of the same bytes.
const ID_LABEL: &[u8] = b"assay master key id v1\0";
const AAD_LABEL: &[u8] = b"assay key wrap v1\0";
const DATA_MAGIC: [u8; 4] = *b"ADS\x01";
const DATA_LABEL: &[u8] = b"assay data seal v1\0";

/// The key under which private keys are wrapped; wiped when dropped.
pub struct MasterKey {
    bytes: Zeroizing<[u8; KEY_BYTES]>,
    id: [u8; ID_BYTES],
}

/// Where a wrapped key belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The provider of its record.
    pub provider: &'a str,
    /// Its name in the key set.
    pub kid: &'a str,
    /// What it signs.
    pub purpose: Purpose,
}

impl MasterKey {
    /// Takes 32 bytes, which should come from a random generator.
    ///
    /// # Errors
    /// [`TokenError::MasterKeyLength`]; [`TokenError::MasterKeyZero`], as an empty disk would give them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let key: &[u8; KEY_BYTES] =
            bytes.try_into().map_err(|_| TokenError::MasterKeyLength { found: bytes.len() })?;
        if key.iter().all(|byte| *byte == 0) {
            return Err(TokenError::MasterKeyZero);
        }
        let hashed = Zeroizing::new([ID_LABEL, key].concat());
        let mut id = [0; ID_BYTES];
        for (to, from) in id.iter_mut().zip(sha256(&hashed)) {
            *to = from;
        }
        Ok(Self { bytes: Zeroizing::new(*key), id })
    }

    /// Makes a new random one.
    ///
    /// # Errors
    /// [`TokenError::Crypto`] if the system gives no randomness.
    pub fn generate() -> Result<Self, TokenError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice())
            .map_err(|_| TokenError::Crypto { operation: "generate master key" })?;
        Self::from_bytes(bytes.as_slice())
    }

    /// The key itself, to be written where the operator keeps it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    /// Its public name in hexadecimal: the first 8 bytes of SHA-256 over a label and the key.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(self.id)
    }

    fn cipher(&self) -> Result<RandomizedNonceKey, TokenError> {
        RandomizedNonceKey::new(&AES_256_GCM, self.bytes.as_slice())
            .map_err(|_| TokenError::Crypto { operation: "set up cipher" })
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MasterKey({}, [redacted])", self.id())
    }
}

/// The id of the master key that an envelope was made under, in hexadecimal; to choose among several.
///
/// # Errors
/// [`TokenError::EnvelopeMalformed`].
pub fn master_key_id(envelope: &[u8]) -> Result<String, TokenError> {
    open_envelope(envelope, &MAGIC).map(|envelope| hex::encode(envelope.id))
}

/// Wraps a private key under a random nonce.
///
/// # Errors
/// [`TokenError::Crypto`] if the system gives no randomness.
pub fn wrap(master: &MasterKey, plaintext: &[u8], binding: &Binding<'_>) -> Result<Vec<u8>, TokenError> {
    encrypt(master, plaintext, &MAGIC, aad(&master.id, binding))
}

/// Seals data that is no key, such as what identifies a platform, bound to what it is and where it belongs.
///
/// # Errors
/// [`TokenError::Crypto`] if the system gives no randomness.
pub fn seal(master: &MasterKey, plaintext: &[u8], purpose: &str, name: &str) -> Result<Vec<u8>, TokenError> {
    encrypt(master, plaintext, &DATA_MAGIC, data_aad(&master.id, purpose, name))
}

/// Opens what [`seal`] made.
///
/// # Errors
/// As [`unwrap`].
pub fn open_sealed(
    master: &MasterKey,
    envelope: &[u8],
    purpose: &str,
    name: &str,
) -> Result<Zeroizing<Vec<u8>>, TokenError> {
    decrypt(master, &open_envelope(envelope, &DATA_MAGIC)?, data_aad(&master.id, purpose, name))
}

fn encrypt(
    master: &MasterKey,
    plaintext: &[u8],
    magic: &[u8; 4],
    aad: Vec<u8>,
) -> Result<Vec<u8>, TokenError> {
    // Room for the tag from the start: growing would leave a copy of the plaintext behind.
    let mut sealed = Vec::with_capacity(plaintext.len().saturating_add(TAG_BYTES));
    sealed.extend_from_slice(plaintext);
    let nonce = master
        .cipher()?
        .seal_in_place_append_tag(Aad::from(aad), &mut sealed)
        .map_err(|_| TokenError::Crypto { operation: "wrap key" })?;
    Ok([&magic[..], &master.id, nonce.as_ref(), &sealed].concat())
}

/// Opens an envelope.
///
/// # Errors
/// [`TokenError::EnvelopeMalformed`], [`TokenError::WrongMasterKey`], and [`TokenError::EnvelopeRejected`] if the
/// envelope was altered or made for another binding.
pub fn unwrap(
    master: &MasterKey,
    envelope: &[u8],
    binding: &Binding<'_>,
) -> Result<Zeroizing<Vec<u8>>, TokenError> {
    decrypt(master, &open_envelope(envelope, &MAGIC)?, aad(&master.id, binding))
}

fn decrypt(
    master: &MasterKey,
    envelope: &Envelope<'_>,
    aad: Vec<u8>,
) -> Result<Zeroizing<Vec<u8>>, TokenError> {
    let Envelope { id, nonce, sealed } = *envelope;
    if id != master.id {
        return Err(TokenError::WrongMasterKey { expected: hex::encode(id), given: master.id() });
    }
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| TokenError::EnvelopeMalformed)?;
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let length = master
        .cipher()?
        .open_in_place(nonce, Aad::from(aad), buffer.as_mut_slice())
        .map_err(|_| TokenError::EnvelopeRejected)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

/// Wraps again under a new master key: the rotation of master keys.
///
/// # Errors
/// As [`unwrap`] and [`wrap`].
pub fn rewrap(
    old: &MasterKey,
    new: &MasterKey,
    envelope: &[u8],
    binding: &Binding<'_>,
) -> Result<Vec<u8>, TokenError> {
    wrap(new, &unwrap(old, envelope, binding)?, binding)
}

struct Envelope<'a> {
    id: &'a [u8],
    nonce: &'a [u8],
    sealed: &'a [u8],
}

fn open_envelope<'a>(envelope: &'a [u8], magic: &[u8; 4]) -> Result<Envelope<'a>, TokenError> {
    let parts = || {
        let rest = envelope.strip_prefix(magic)?;
        let (id, rest) = rest.split_at_checked(ID_BYTES)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        (sealed.len() >= TAG_BYTES).then_some(Envelope { id, nonce, sealed })
    };
    parts().ok_or(TokenError::EnvelopeMalformed)
}

/// Every field with its length before it, so that no two bindings give the same bytes.
fn aad(id: &[u8], binding: &Binding<'_>) -> Vec<u8> {
    let Binding { provider, kid, purpose } = *binding;
    fields(AAD_LABEL, &[&MAGIC, id, provider.as_bytes(), kid.as_bytes(), purpose.as_str().as_bytes()])
}

fn data_aad(id: &[u8], purpose: &str, name: &str) -> Vec<u8> {
    fields(DATA_LABEL, &[&DATA_MAGIC, id, purpose.as_bytes(), name.as_bytes()])
}

fn fields(label: &[u8], fields: &[&[u8]]) -> Vec<u8> {
    let mut aad = label.to_vec();
    for field in fields {
        aad.extend_from_slice(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        aad.extend_from_slice(field);
    }
    aad
}
