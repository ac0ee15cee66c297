//! What an operator demands of SEV-SNP evidence beyond signatures, and what it says of images.

use std::sync::Arc;

use assay_evidence::snp::Report as SnpReport;
use assay_verify::AnchorOrigin;
use assay_verify::claims::SnpClaims;
use assay_verify::snp::{AmdCrl, CrlMode, Crls, Requirements, VlekProviders};
use assay_verify::uvm::{Issuer, MICROSOFT_TIME_STAMP_PCA_2010, TrustedIssuers};
use serde::{Deserialize, Serialize};

/// The demands of a service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SnpTrust {
    /// How much AMD's revocation lists matter.
    pub crl_mode: CrlMode,
    /// Providers whose VLEKs are good, as AMD's certificates name them: `CN=cc-us-east-2.amazonaws.com`.
    pub vlek_providers: Vec<String>,
    /// Who may endorse images of containers' utility VMs.
    pub image_issuers: TrustedIssuers,
    /// Who may say when that was: SHA-256 of their public keys (`SubjectPublicKeyInfo`).
    pub time_stamp_authorities: Vec<[u8; 32]>,
    /// Images that the operator calls compliant.
    pub compliant: Vec<CompliantImage>,
}

/// An image, by what its reports say of it. Every field that is set must be equal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CompliantImage {
    /// Launch measurement, 96 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<String>,
    /// Digest of the key that signed the id block, 96 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_key_digest: Option<String>,
    /// The lowest security version of the guest.
    #[serde(default)]
    pub minimum_guest_svn: u32,
    /// The value of `x-ms-compliance-status`.
    pub status: String,
}

impl Default for SnpTrust {
    fn default() -> Self {
        Self {
            crl_mode: CrlMode::default(),
            vlek_providers: Vec::new(),
            image_issuers: TrustedIssuers::default(),
            time_stamp_authorities: vec![MICROSOFT_TIME_STAMP_PCA_2010],
            compliant: Vec::new(),
        }
    }
}

impl SnpTrust {
    /// What a service demands, with the revocation lists that it holds.
    pub(crate) fn requirements<'a>(&'a self, crls: &'a [Arc<AmdCrl>]) -> Requirements<'a> {
        Requirements {
            crls: Crls::Held(self.crl_mode, crls),
            vlek_providers: VlekProviders::Only(&self.vlek_providers),
            image_issuers: &self.image_issuers,
            time_stamp_authorities: &self.time_stamp_authorities,
        }
    }

    /// The compliance status: of the image's issuer if it was endorsed, else of the operator's list.
    ///
    /// The measurement says nothing of the guest policy or of who asked for the report: a good image that the host can read,
    /// or below which something else runs, is not compliant.
    pub(crate) fn compliance<'a>(&'a self, claims: &'a SnpClaims) -> Option<&'a str> {
        let SnpReport { policy, vmpl, .. } = &claims.report;
        if policy.is_debug_allowed() || policy.is_migration_allowed() || *vmpl != 0 {
            return None;
        }
        let endorsed = claims.image.as_ref().and_then(|image| image.status.as_deref());
        endorsed.or_else(|| {
            let listed = self.compliant.iter().find(|image| image.is(claims));
            listed.map(|image| image.status.as_str())
        })
    }

    /// The demands as decision records keep them.
    #[must_use]
    pub fn to_record(&self) -> SnpTrustRecord {
        SnpTrustRecord {
            crl: self.crl_mode.as_str().to_owned(),
            vlek_providers: self.vlek_providers.clone(),
            image_issuers: self.image_issuers.issuers().iter().map(IssuerRecord::of).collect(),
            time_stamp_authorities: self.time_stamp_authorities.iter().map(hex::encode).collect(),
            compliant: self.compliant.clone(),
        }
    }
}

impl CompliantImage {
    fn is(&self, claims: &SnpClaims) -> bool {
        let report = &claims.report;
        let same = |expected: &Option<String>, found: &[u8; 48]| {
            expected.as_ref().is_none_or(|expected| expected.eq_ignore_ascii_case(&hex::encode(found)))
        };
        // An entry that names nothing is no image.
        (self.measurement.is_some() || self.id_key_digest.is_some())
            && same(&self.measurement, &report.measurement)
            && same(&self.id_key_digest, &report.id_key_digest)
            && report.guest_svn >= self.minimum_guest_svn
    }
}

/// [`SnpTrust`] in a decision record.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SnpTrustRecord {
    /// `require`, `soft-fail` or `off`.
    pub crl: String,
    /// Providers of VLEKs.
    pub vlek_providers: Vec<String>,
    /// Who may endorse images.
    pub image_issuers: Vec<IssuerRecord>,
    /// SHA-256 of public keys, in hexadecimal.
    pub time_stamp_authorities: Vec<String>,
    /// Images that the operator calls compliant.
    pub compliant: Vec<CompliantImage>,
}

/// An issuer of endorsements in a decision record.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IssuerRecord {
    /// The name, a did:x509.
    pub did: String,
    /// The kind of image.
    pub feed: String,
    /// Images below this security version are refused.
    pub minimum_svn: u64,
    /// The value of `x-ms-compliance-status`; empty if there is none.
    pub status: String,
    /// Who says that it is believed: `vendor`, `operator` or `simulated`.
    pub origin: String,
}

impl IssuerRecord {
    fn of(issuer: &Issuer) -> Self {
        Self {
            did: issuer.did.clone(),
            feed: issuer.feed.clone(),
            minimum_svn: issuer.minimum_svn,
            status: issuer.status.clone(),
            origin: issuer.origin.as_str().to_owned(),
        }
    }
}

impl From<IssuerRecord> for Issuer {
    fn from(record: IssuerRecord) -> Self {
        let IssuerRecord { did, feed, minimum_svn, status, origin } = record;
        let known = [AnchorOrigin::Vendor, AnchorOrigin::Operator];
        // What nobody knows counts least.
        let origin =
            known.into_iter().find(|known| known.as_str() == origin).unwrap_or(AnchorOrigin::Simulated);
        Self { did, feed, minimum_svn, status, origin }
    }
}

impl SnpTrustRecord {
    /// The demands again. What cannot be read demands the most, which then shows as a difference.
    #[must_use]
    pub fn to_trust(&self) -> SnpTrust {
        let mode = CrlMode::ALL.into_iter().find(|(_, name)| *name == self.crl);
        let issuers = self.image_issuers.iter().cloned().map(Issuer::from).collect();
        let authority = |text: &String| {
            let mut hash = [0; 32];
            hex::decode_to_slice(text, &mut hash).ok().map(|()| hash)
        };
        SnpTrust {
            crl_mode: mode.map_or(CrlMode::Require, |(mode, _)| mode),
            vlek_providers: self.vlek_providers.clone(),
            image_issuers: TrustedIssuers::new(issuers),
            time_stamp_authorities: self.time_stamp_authorities.iter().filter_map(authority).collect(),
            compliant: self.compliant.clone(),
        }
    }
}
