//! Any bytes as an SGX quote: no panic, and what is read lies within the bytes.
#![no_main]

use assay_evidence::sgx::Quote;
use assay_verify::cache::ChainCache;
use assay_verify::sgx::{CollateralInput, Context, Format, Opened};
use assay_verify::{Binding, TrustAnchors};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(quote) = Quote::parse(bytes) {
        assert!(quote.bytes.len() <= bytes.len());
        assert!(bytes[quote.bytes.len()..].iter().all(|byte| *byte == 0));
    }
    let (anchors, cache) = (TrustAnchors::vendor(), ChainCache::new(0));
    let context = Context { anchors: &anchors, now: assay_verify::UnixTime(1_800_000_000), cache: &cache };
    let opened = Opened::new(bytes, Format::Quote, &anchors, &cache);
    let verification = opened.verify(CollateralInput::Missing, &Binding::default(), &context);
    assert!(verification.claims.is_none(), "nothing is genuine without collateral");
    assert!(verification.report.has_failed());
});
