//! Who may vouch for images.

use super::error::UvmError;
use crate::trust::AnchorOrigin;

/// Longest name quoted in an error.
const MAX_QUOTED: usize = 256;
/// The authority is `Microsoft SCD Products RSA CA`'s root, `Microsoft Supply Chain RSA Root CA 2022`; what follows is the
/// purpose that the leaf certificate must have.
const ACI_DID: &str =
    "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.3.6.1.4.1.311.76.59.1.2";
const AKS_DID: &str =
    "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.3.6.1.4.1.311.76.59.1.5";

/// Someone who may vouch for the images of one feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The name, a did:x509; compared as a whole.
    pub did: String,
    /// The kind of image.
    pub feed: String,
    /// Images below this security version are refused.
    pub minimum_svn: u64,
    /// The value of `x-ms-compliance-status`; empty if there is none.
    pub status: String,
    /// Who says that it is believed.
    pub origin: AnchorOrigin,
}

/// The issuers that are believed. [`Default`] is those of Microsoft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuers(Vec<Issuer>);

/// Why no issuer of the list will do.
pub(super) enum Unsuitable {
    /// None has this name and feed.
    Unknown,
    /// All that have demand at least this version.
    Below(u64),
}

impl TrustedIssuers {
    /// These and no others.
    #[must_use]
    pub const fn new(issuers: Vec<Issuer>) -> Self {
        Self(issuers)
    }

    /// These and one more.
    #[must_use]
    pub fn with(mut self, issuer: Issuer) -> Self {
        self.0.push(issuer);
        self
    }

    /// All of them.
    #[must_use]
    pub fn issuers(&self) -> &[Issuer] {
        &self.0
    }

    /// Whether anybody of this name may vouch for the feed.
    pub(super) fn has(&self, did: &str, feed: &str) -> bool {
        self.0.iter().any(|issuer| issuer.did == did && issuer.feed == feed)
    }

    pub(super) fn find(&self, did: &str, feed: &str, svn: u64) -> Result<&Issuer, Unsuitable> {
        let named = || self.0.iter().filter(|issuer| issuer.did == did && issuer.feed == feed);
        match (named().find(|issuer| svn >= issuer.minimum_svn), named().map(|i| i.minimum_svn).min()) {
            (Some(issuer), _) => Ok(issuer),
            (None, Some(minimum)) => Err(Unsuitable::Below(minimum)),
            (None, None) => Err(Unsuitable::Unknown),
        }
    }
}

impl Default for TrustedIssuers {
    /// Microsoft's two: container instances and confidential containers of Kubernetes. Minimums as in CCF's default join
    /// policy (`ccf::pal::UVMEndorsements`).
    fn default() -> Self {
        let issuer = |did: &str, feed: &str, minimum_svn, status: &str| Issuer {
            did: did.to_owned(),
            feed: feed.to_owned(),
            minimum_svn,
            status: status.to_owned(),
            origin: AnchorOrigin::Vendor,
        };
        Self(vec![
            issuer(ACI_DID, "ContainerPlat-AMD-UVM", 100, "azure-compliant-uvm"),
            issuer(AKS_DID, "ConfAKS-AMD-UVM", 1, "azure-signed-katacc-uvm"),
        ])
    }
}

/// The error for an issuer that is not in the list.
pub(super) fn untrusted(issuer: &str, feed: &str) -> UvmError {
    let quoted = |text: &str| text.chars().filter(|c| !c.is_control()).take(MAX_QUOTED).collect();
    UvmError::IssuerUntrusted { issuer: quoted(issuer), feed: quoted(feed) }
}
