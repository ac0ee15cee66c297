//! Any bytes as a paravisor's report: no panic, what is read lies within the bytes, and nothing is genuine without a
//! certificate.
#![no_main]

use assay_evidence::hcl::Report;
use assay_verify::cache::ChainCache;
use assay_verify::hcl::Opened;
use assay_verify::snp::{Context, Crls, Requirements, VlekProviders};
use assay_verify::uvm::TrustedIssuers;
use assay_verify::{Binding, TrustAnchors, UnixTime};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let claims = Report::parse(bytes).ok().map(|report| report.runtime_claims);
    if let Some(claims) = claims {
        let begin = claims.as_ptr().addr() - bytes.as_ptr().addr();
        assert!(bytes[begin + claims.len()..].iter().all(|byte| *byte == 0));
    }
    let (anchors, cache, issuers) = (TrustAnchors::vendor(), ChainCache::new(0), TrustedIssuers::default());
    let requirements = Requirements {
        crls: Crls::NotGiven,
        vlek_providers: VlekProviders::Warn(&[]),
        image_issuers: &issuers,
        time_stamp_authorities: &[],
    };
    let context = Context { anchors: &anchors, now: UnixTime(1_800_000_000), requirements };
    let binding = Binding { runtime_data: claims, nonce: Some(b"nonce"), ..Binding::default() };
    let verification = Opened::new(bytes, &[], &anchors, &cache).verify(None, &binding, &context);
    assert!(verification.claims.is_none(), "nothing is genuine without a certificate");
    assert!(verification.report.has_failed());
});
