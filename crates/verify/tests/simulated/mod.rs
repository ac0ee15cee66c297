//! The simulated AMD of the tests, shared by all of them: its keys take seconds to make.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::path::Path;
use std::sync::Arc;

use assay_silicon::amd::{Amd, Sample, VekKind};
use assay_verify::cache::ChainCache;
use assay_verify::snp::{
    AmdAuthority, AmdCrl, Context, CrlMode, Crls, Evidence, Opened, Requirements, SnpError, Verification,
    VlekProviders,
};
use assay_verify::uvm::TrustedIssuers;
use assay_verify::{AnchorOrigin, Binding, TrustAnchors, UnixTime, VerifyError};

pub const NOW: i64 = 1_780_000_000;
/// The provider of every simulated VLEK.
pub const PROVIDER: &str = "CN=cc-simulated.example";

pub fn vendor() -> Amd {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("silicon");
    let make = |amd: &mut Amd| {
        let pairs = assay_silicon::amd::Product::ALL.into_iter().flat_map(|p| VekKind::ALL.map(|k| (p, k)));
        pairs.into_iter().try_for_each(|(product, kind)| amd.require(product, kind))
    };
    Amd::update(&folder, NOW, make).unwrap().0
}

pub fn anchors(amd: &Amd) -> TrustAnchors {
    amd.authorities().into_iter().fold(TrustAnchors::vendor(), |anchors, authority| {
        let (intermediate, root) = (&authority.intermediate, &authority.root);
        let authority = AmdAuthority::from_certificates(intermediate, root, AnchorOrigin::Simulated);
        anchors.with_amd_authority(authority.unwrap())
    })
}

pub struct Judge {
    pub anchors: TrustAnchors,
    pub cache: ChainCache,
    pub issuers: TrustedIssuers,
    pub providers: Vec<String>,
}

impl Judge {
    pub fn of(amd: &Amd) -> Self {
        Self {
            anchors: anchors(amd),
            cache: ChainCache::default(),
            issuers: TrustedIssuers::default(),
            providers: vec![assay_silicon::amd::ChipSpec::default().csp_id],
        }
    }

    /// With the sample's own revocation list, which must be there.
    pub fn verify(&self, sample: &Sample) -> Verification {
        self.verify_bound(sample, &Binding::default())
    }

    pub fn verify_bound(&self, sample: &Sample, binding: &Binding<'_>) -> Verification {
        let certificates = [vec![sample.vek.clone()], sample.chain.clone()].concat();
        let evidence = Evidence { report: &sample.report, certificates: &certificates, endorsements: &[] };
        let crl: Result<AmdCrl, SnpError> = AmdCrl::verify(&sample.crl, &self.anchors);
        let (held, refused) = match crl {
            Ok(crl) => (vec![Arc::new(crl)], None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let crls = refused.as_ref().map_or(Crls::Held(CrlMode::Require, &held), Crls::Refused);
        let requirements = Requirements {
            crls,
            vlek_providers: VlekProviders::Only(&self.providers),
            image_issuers: &self.issuers,
            time_stamp_authorities: &[],
        };
        let context = Context { anchors: &self.anchors, now: UnixTime(NOW), requirements };
        Opened::new(evidence, &self.anchors, &self.cache).verify(None, binding, &context)
    }
}

pub fn codes(verification: &Verification) -> Vec<&'static str> {
    verification.report.errors().map(VerifyError::code).collect()
}
