//! Any bytes as an SEV-SNP report: no panic, what is read is what was given, and a report without a certificate is not genuine.
#![no_main]

use assay_evidence::bundle::{Body, Bundle};
use assay_evidence::snp::{Product, Report, SIGNED_SIZE};
use assay_verify::cache::ChainCache;
use assay_verify::snp::{Context, Crls, Evidence, Opened, Requirements, VlekProviders};
use assay_verify::uvm::TrustedIssuers;
use assay_verify::{Binding, TrustAnchors, UnixTime};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(report) = Report::parse(bytes) {
        assert_eq!(&report.bytes()[..], bytes);
        assert_eq!(&report.signed()[..], &bytes[..SIGNED_SIZE]);
        assert!(report.nonzero_reserved().all(|(offset, _)| offset < bytes.len()));
        for product in Product::ALL {
            let _ = report.reported_tcb.read(product.tcb_layout()).0.to_string();
        }
        // Nobody who sends a bare report gets another one verified.
        assert_eq!(Bundle::parse(bytes).unwrap().body, Body::Snp(bytes.to_vec()));
    }
    let (anchors, cache, issuers) = (TrustAnchors::vendor(), ChainCache::new(0), TrustedIssuers::default());
    let requirements = Requirements {
        crls: Crls::NotGiven,
        vlek_providers: VlekProviders::Warn(&[]),
        image_issuers: &issuers,
        time_stamp_authorities: &[],
    };
    let context = Context { anchors: &anchors, now: UnixTime(1_800_000_000), requirements };
    let evidence = Evidence { report: bytes, certificates: &[], endorsements: &[] };
    let verification = Opened::new(evidence, &anchors, &cache).verify(None, &Binding::default(), &context);
    assert!(verification.claims.is_none(), "nothing is genuine without a certificate");
    assert!(verification.report.has_failed());
});
