//! Any bytes as an endorsement key certificate and as a revocation list: no panic, and nothing that AMD did not sign is
//! accepted.
#![no_main]

use assay_verify::TrustAnchors;
use assay_verify::snp::{AmdCrl, verify_vek};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let anchors = TrustAnchors::vendor();
    let errors = verify_vek(bytes, &anchors).expect_err("AMD did not issue this");
    assert!(!errors.is_empty());
    errors.iter().for_each(|error| assert!(!error.to_string().is_empty()));
    AmdCrl::verify_file(bytes, &anchors).expect_err("AMD did not sign this");
});
