//! AMD's revocation lists: a root lists the authorities below it that it withdrew.

use assay_evidence::pem;
use assay_evidence::snp::Product;

use super::SnpError;
use super::authority::AmdAuthority;
use super::vek::VerifiedVek;
use crate::crypto::sha256;
use crate::time::{UnixTime, Window};
use crate::trust::TrustAnchors;
use crate::x509::Crl;

/// A revocation list that a pinned root signed. Dates are judged at each use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmdCrl {
    /// The product whose root signed it.
    pub product: Product,
    /// When it was issued, and until when the next one is due.
    pub window: Window,
    /// SHA-256 of the list.
    pub digest: [u8; 32],
    der: Vec<u8>,
    /// Serial numbers, sorted.
    revoked: Vec<Vec<u8>>,
    /// SHA-256 of the certificate of the root that signed.
    root: [u8; 32],
    anchors: [u8; 32],
}

impl AmdCrl {
    /// Verifies a list, DER.
    ///
    /// # Errors
    /// [`SnpError::CrlMalformed`] or [`SnpError::CrlSignature`].
    pub fn verify(der: &[u8], anchors: &TrustAnchors) -> Result<Self, SnpError> {
        let list = Crl::parse(der).map_err(|problem| SnpError::CrlMalformed { problem })?;
        let signed = |authority: &&std::sync::Arc<AmdAuthority>| {
            authority.root_subject == list.issuer && list.is_signed_by(&authority.root_key)
        };
        let authority = anchors.amd().iter().find(signed).ok_or(SnpError::CrlSignature)?;
        Ok(Self {
            product: authority.product,
            window: list.validity,
            digest: sha256(&[der]),
            der: der.to_vec(),
            revoked: list.revoked.iter().map(|serial| serial.to_vec()).collect(),
            root: *authority.root_id(),
            anchors: *anchors.id(),
        })
    }

    /// Verifies a list in a file, DER or PEM.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_file(bytes: &[u8], anchors: &TrustAnchors) -> Result<Self, SnpError> {
        if bytes.trim_ascii_start().first() != Some(&b'-') {
            return Self::verify(bytes, anchors);
        }
        let problem = "it is PEM, but not of a revocation list";
        let der = pem::revocation_list(bytes).map_err(|_| SnpError::CrlMalformed { problem })?;
        Self::verify(&der, anchors)
    }

    /// The list as it was received.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether the list speaks of this authority.
    pub(super) fn is_of(&self, authority: &AmdAuthority, anchors: &TrustAnchors) -> bool {
        self.root == *authority.root_id() && self.anchors == *anchors.id()
    }

    /// Whether the other list adds nothing to this one: it is of the same root, not newer, and names nothing that this one
    /// does not. AMD publishes lists of one root in several places; each of them may name an authority of its own.
    #[must_use]
    pub fn supersedes(&self, other: &Self) -> bool {
        self.root == other.root
            && self.anchors == other.anchors
            && self.window.from >= other.window.from
            && other.revoked.iter().all(|serial| self.revoked.binary_search(serial).is_ok())
    }

    /// Whether the root withdrew the authority that issued this certificate.
    #[must_use]
    pub fn revokes(&self, vek: &VerifiedVek) -> bool {
        self.root == *vek.authority.root_id() && self.anchors == vek.anchors && self.lists(&vek.authority)
    }

    pub(super) fn lists(&self, authority: &AmdAuthority) -> bool {
        self.revoked.binary_search(&authority.serial).is_ok()
    }

    pub(super) fn check_dates(&self, now: UnixTime) -> Result<(), SnpError> {
        let Window { from, until } = self.window;
        if now < from {
            return Err(SnpError::CrlNotYetValid { from });
        }
        // `nextUpdate` is when the next list is there at the latest (RFC 5280, section 5.1.2.5).
        if now >= until { Err(SnpError::CrlExpired { until }) } else { Ok(()) }
    }
}
