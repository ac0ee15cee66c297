//! A simulated signer of utility VM images, as Microsoft's is for confidential containers, with a time-stamp authority of its
//! own.
//!
//! ```
//! use assay_silicon::uvm::{EndorsementSpec, UvmSigner};
//!
//! let now = 1_780_000_000; // unix seconds
//! let signer = UvmSigner::generate(now)?;
//! let endorsement = signer.endorsement(&EndorsementSpec::new([7; 48], 100), now)?;
//! assert_eq!(endorsement.first(), Some(&0xd2)); // COSE_Sign1
//! # Ok::<(), assay_silicon::SiliconError>(())
//! ```
//!
//! The shapes are those of the endorsements of ContainerPlat, 2023 to 2026: certificates, headers, payload and token.

mod cbor;
mod defects;
mod keys;
mod message;
mod pki;
mod storage;
mod time_stamp;

use aws_lc_rs::digest::{self, SHA256};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};

use crate::error::SiliconError;
use cbor::Cbor;
use keys::{Key, Kind};
use message::{ChainDraft, Draft};
use pki::Template;
use time_stamp::StampDraft;

pub use defects::Defect;

/// What Microsoft's container instances call their images.
const FEED: &str = "ContainerPlat-AMD-UVM";
/// Header parameter `3161-ctt` (RFC 9921, section 3.1), whose time-stamp is of the signature as CBOR.
const RFC3161_CTT: Cbor = Cbor::Int(270);

/// How an endorsement carries its claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Headers of its own, and JSON as payload.
    Legacy,
    /// CWT claims, and the measurement as payload.
    Cwt,
}

/// How an endorsement is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// ECDSA with P-384 and SHA-384.
    Es384,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384, as Microsoft's.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 5] = [Self::Es256, Self::Es384, Self::Ps256, Self::Ps384, Self::Ps512];

    const fn number(self) -> i64 {
        match self {
            Self::Es256 => -7,
            Self::Es384 => -35,
            Self::Ps256 => -37,
            Self::Ps384 => -38,
            Self::Ps512 => -39,
        }
    }

    const fn key_kind(self) -> Kind {
        match self {
            Self::Es256 => Kind::P256,
            Self::Es384 => Kind::P384,
            Self::Ps256 | Self::Ps384 | Self::Ps512 => Kind::Rsa2048,
        }
    }
}

/// What an endorsement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndorsementSpec {
    /// The launch measurement of the image.
    pub measurement: [u8; 48],
    /// The image's security version.
    pub svn: u64,
    /// The kind of image.
    pub feed: String,
    /// How the claims are carried.
    pub form: Form,
    /// How it is signed. Leaves for other algorithms than ES384 have a key of their own each time.
    pub algorithm: Algorithm,
    /// Whether it carries a time-stamp.
    pub time_stamped: bool,
    /// Whether the time-stamp stands in the standard's header (RFC 9921) instead of Microsoft's.
    pub standard_header: bool,
    /// Policies of the signer's name other than the leaf's purpose, such as `san:dns:example.com`. The leaf then has the
    /// alternative names `signer@example.com`, `example.com` and `https://example.com/signer`, and
    /// `https://accounts.example.com` as its Fulcio issuer.
    pub policies: Option<String>,
    /// Whether the protected header is a map of indefinite length, which a reader that encodes it again writes otherwise.
    pub indefinite_length: bool,
    /// Unix seconds that the signer writes; `None` is the time it is made.
    pub signed_at: Option<i64>,
}

impl EndorsementSpec {
    /// The older form, signed with ES384 and time-stamped.
    #[must_use]
    pub fn new(measurement: [u8; 48], svn: u64) -> Self {
        Self {
            measurement,
            svn,
            feed: FEED.to_owned(),
            form: Form::Legacy,
            algorithm: Algorithm::Es384,
            time_stamped: true,
            standard_header: false,
            policies: None,
            indefinite_length: false,
            signed_at: None,
        }
    }
}

/// A signer of images: root, CA and leaf with P-384 keys, and a time-stamp authority with RSA keys.
#[derive(Clone, Debug)]
pub struct UvmSigner {
    created: i64,
    root_key: Key,
    ca_key: Key,
    leaf_key: Key,
    pca_key: Key,
    tsa_key: Key,
    /// The root's certificate, DER; the signer's name has its hash.
    root: Vec<u8>,
}

impl UvmSigner {
    /// Makes a signer with new keys. `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`SiliconError::Crypto`], and [`SiliconError::TimeOutOfRange`] for a time that certificates cannot carry.
    pub fn generate(now: i64) -> Result<Self, SiliconError> {
        let root_key = Key::generate(Kind::P384)?;
        Ok(Self {
            created: now,
            root: Template::root(&root_key, now)?.sign(&root_key)?,
            root_key,
            ca_key: Key::generate(Kind::P384)?,
            leaf_key: Key::generate(Kind::P384)?,
            pca_key: Key::generate(Kind::Rsa2048)?,
            tsa_key: Key::generate(Kind::Rsa2048)?,
        })
    }

    /// The signer's name: a did:x509 of its root and its purpose.
    #[must_use]
    pub fn did(&self) -> String {
        did_of(&self.root)
    }

    /// The kind of image that the signer vouches for.
    #[must_use]
    pub const fn feed(&self) -> &'static str {
        FEED
    }

    /// The key of the time-stamp authority: SHA-256 of its `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn time_stamp_authority(&self) -> [u8; 32] {
        let hash = digest::digest(&SHA256, &self.pca_key.public_key_info());
        // SHA-256 is 32 bytes; zeros would be an authority that nobody has.
        hash.as_ref().try_into().unwrap_or_default()
    }

    /// An endorsement, made at `now` (Unix seconds) with certificates that are valid for a year from then.
    ///
    /// # Errors
    /// As [`Self::generate`].
    pub fn endorsement(&self, spec: &EndorsementSpec, now: i64) -> Result<Vec<u8>, SiliconError> {
        let mut chain = ChainDraft::new(self, spec.algorithm, now)?;
        if let Some(policies) = &spec.policies {
            chain.rename(policies);
        }
        let mut signed = Draft::new(&chain, spec)?.sign()?;
        if spec.time_stamped {
            let (label, stamped) = match spec.standard_header {
                true => (RFC3161_CTT, Cbor::Bytes(signed.signature.clone()).encode()),
                false => (Cbor::text("timestamp"), signed.signature.clone()),
            };
            let token = StampDraft::new(self, &stamped, now)?.finish()?;
            signed.unprotected.push((label, Cbor::Bytes(token)));
        }
        Ok(signed.encode())
    }

    /// An endorsement that breaks one rule. Where the defect is in one form, a time-stamp or an algorithm, the endorsement
    /// has that whatever `spec` says.
    ///
    /// # Errors
    /// As [`Self::generate`].
    pub fn broken(&self, defect: Defect, spec: &EndorsementSpec, now: i64) -> Result<Vec<u8>, SiliconError> {
        defect.apply(self, spec, now)
    }
}

fn did_of(authority: &[u8]) -> String {
    let fingerprint = BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&SHA256, authority));
    format!("did:x509:0:sha256:{fingerprint}::eku:1.3.6.1.4.1.311.76.59.1.2")
}
