//! What is believed without proof, and the type that says something was proved.

use std::ops::Deref;
use std::sync::Arc;

use assay_evidence::snp::{Product, SigningKey};

use crate::crypto::sha256;
use crate::intel::{INTEL_SGX_ROOT_CERTIFICATES, INTEL_SGX_ROOT_KEY};
use crate::snp::AmdAuthority;
use crate::time::UnixTime;
use crate::x509::P256Certificate;

/// Who vouches for a trust anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnchorOrigin {
    /// The hardware vendor; built in.
    Vendor,
    /// The operator of this service configured it.
    Operator,
    /// Simulated silicon; only ever trusted in development.
    Simulated,
}

impl AnchorOrigin {
    /// The name used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vendor => "vendor",
            Self::Operator => "operator",
            Self::Simulated => "simulated",
        }
    }
}

/// The root keys that verification may end at.
///
/// Roots are pinned by public key: Intel re-issued its root certificate with the same key, and certificates that carry
/// Intel's name and another key exist. AMD's are pinned with the authorities below them.
#[derive(Clone, Debug)]
pub struct TrustAnchors {
    intel: Vec<([u8; 65], AnchorOrigin)>,
    /// SHA-256 of root certificates whose exact bytes are known, so that their own signature says nothing new.
    intel_certificates: Vec<[u8; 32]>,
    amd: Vec<Arc<AmdAuthority>>,
    id: [u8; 32],
}

impl TrustAnchors {
    /// The vendors' own roots and nothing else.
    #[must_use]
    pub fn vendor() -> Self {
        let intel = vec![(INTEL_SGX_ROOT_KEY, AnchorOrigin::Vendor)];
        Self::of(intel, INTEL_SGX_ROOT_CERTIFICATES.to_vec(), AmdAuthority::vendor().to_vec())
    }

    /// Adds an Intel-style root by its uncompressed P-256 public key.
    #[must_use]
    pub fn with_intel_root(mut self, public_key: [u8; 65], origin: AnchorOrigin) -> Self {
        self.intel.push((public_key, origin));
        Self::of(self.intel, self.intel_certificates, self.amd)
    }

    /// Adds an Intel-style root by its certificate, DER: its key is believed, and these bytes for what they say.
    ///
    /// # Errors
    /// What is wrong with the certificate.
    pub fn with_intel_root_certificate(
        mut self,
        der: &[u8],
        origin: AnchorOrigin,
    ) -> Result<Self, &'static str> {
        self.intel.push((P256Certificate::parse(der)?.public_key, origin));
        self.intel_certificates.push(sha256(&[der]));
        Ok(Self::of(self.intel, self.intel_certificates, self.amd))
    }

    /// Adds an authority that issues endorsement keys as AMD's do.
    #[must_use]
    pub fn with_amd_authority(mut self, authority: AmdAuthority) -> Self {
        self.amd.push(Arc::new(authority));
        Self::of(self.intel, self.intel_certificates, self.amd)
    }

    /// Names this set of anchors; part of every cache key.
    #[must_use]
    pub const fn id(&self) -> &[u8; 32] {
        &self.id
    }

    pub(crate) fn intel_origin(&self, public_key: &[u8; 65]) -> Option<AnchorOrigin> {
        self.intel.iter().find(|(key, _)| key == public_key).map(|(_, origin)| *origin)
    }

    pub(crate) fn intel_roots(&self) -> &[([u8; 65], AnchorOrigin)] {
        &self.intel
    }

    pub(crate) fn has_intel_certificate(&self, der: &[u8]) -> bool {
        self.intel_certificates.contains(&sha256(&[der]))
    }

    pub(crate) fn amd(&self) -> &[Arc<AmdAuthority>] {
        &self.amd
    }

    /// The authority above a product's keys of this kind. Where simulated silicon is believed, it is that one's.
    #[must_use]
    pub fn amd_authority(&self, product: Product, issues: SigningKey) -> Option<&AmdAuthority> {
        let of = |authority: &&Arc<AmdAuthority>| authority.product == product && authority.issues == issues;
        self.amd.iter().filter(of).max_by_key(|authority| authority.origin).map(AsRef::as_ref)
    }

    /// Whether these are the bytes of an authority's or its root's certificate.
    pub(crate) fn has_amd_certificate(&self, der: &[u8]) -> bool {
        self.amd.iter().any(|authority| authority.has_certificate(der))
    }

    fn of(
        intel: Vec<([u8; 65], AnchorOrigin)>,
        intel_certificates: Vec<[u8; 32]>,
        amd: Vec<Arc<AmdAuthority>>,
    ) -> Self {
        let keys = intel.iter().flat_map(|(key, origin)| [&key[..], origin.as_str().as_bytes()]);
        let hashes = intel_certificates.iter().chain(amd.iter().map(|authority| &authority.id));
        let parts: Vec<&[u8]> = keys.chain(hashes.map(|hash| &hash[..])).collect();
        let id = sha256(&parts);
        Self { intel, intel_certificates, amd, id }
    }
}

/// A value that passed verification. The only way to get one is the check itself.
#[derive(Clone, Debug)]
pub struct Verified<T> {
    value: T,
    origin: AnchorOrigin,
    at: UnixTime,
}

impl<T> Verified<T> {
    /// Only verifiers in this crate call this, after their last check.
    pub(crate) const fn new(value: T, origin: AnchorOrigin, at: UnixTime) -> Self {
        Self { value, origin, at }
    }

    /// The least trustworthy origin among the anchors that verification ended at.
    #[must_use]
    pub const fn origin(&self) -> AnchorOrigin {
        self.origin
    }

    /// The time verification was made for.
    #[must_use]
    pub const fn at(&self) -> UnixTime {
        self.at
    }
}

impl<T> Verified<T> {
    /// The value with something added to it by the verifier that calls this.
    pub(crate) fn map<U>(self, map: impl FnOnce(T) -> U) -> Verified<U> {
        Verified { value: map(self.value), origin: self.origin, at: self.at }
    }

    /// A part of the value: what vouches for the whole vouches for it.
    pub(crate) fn part<U>(&self, part: impl FnOnce(&T) -> Option<U>) -> Option<Verified<U>> {
        part(&self.value).map(|value| Verified { value, origin: self.origin, at: self.at })
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
