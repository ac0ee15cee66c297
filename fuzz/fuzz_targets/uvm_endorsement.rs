//! Any bytes as the endorsement of an image (COSE, did:x509, time-stamp): no panic, and nothing that no trusted issuer signed
//! is accepted.
#![no_main]

use assay_verify::UnixTime;
use assay_verify::uvm::{Input, MICROSOFT_TIME_STAMP_PCA_2010, TrustedIssuers, verify_alone};
use libfuzzer_sys::fuzz_target;

/// That of the corpus.
const MEASUREMENT: [u8; 48] = [0x5e; 48];

fuzz_target!(|bytes: &[u8]| {
    let input = Input {
        endorsement: bytes,
        measurement: &MEASUREMENT,
        issuers: &TrustedIssuers::default(),
        time_stamp_authorities: &[MICROSOFT_TIME_STAMP_PCA_2010],
        now: UnixTime(1_800_000_000),
    };
    let (report, claims) = verify_alone(&input);
    assert!(claims.is_none(), "no trusted issuer signed this");
    assert!(report.has_failed());
    report.errors().for_each(|error| assert!(!error.to_string().is_empty()));
});
