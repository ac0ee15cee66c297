//! Real quotes of Intel hardware, with the collateral of their time and the results that Intel's rules give.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests"
)]

use std::path::PathBuf;

use assay_verify::cache::ChainCache;
use assay_verify::intel::{Collateral, RawCollateral};
use assay_verify::sgx::{Binding, CollateralInput, Context, Format, Opened, Verification};
use assay_verify::{TrustAnchors, UnixTime};
use serde_json::Value;

fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("ASSAY_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: set ASSAY_VECTORS to the folder of real evidence to run this test");
    }
    folder
}

fn read(folder: &std::path::Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn verify(quote: &[u8], collateral: Option<&[u8]>, at: i64) -> Verification {
    let (anchors, cache) = (TrustAnchors::vendor(), ChainCache::new(0));
    let context = Context { anchors: &anchors, now: UnixTime(at), cache: &cache };
    let collateral = collateral.map(|json| Collateral::verify(&RawCollateral::from_json(json).unwrap(), &anchors));
    let input = collateral.as_ref().map_or(CollateralInput::Missing, CollateralInput::Fresh);
    Opened::new(quote, Format::Quote, &anchors, &cache).verify(input, &Binding::default(), &context)
}

fn codes(verification: &Verification) -> Vec<&'static str> {
    let mut codes: Vec<_> = verification.report.errors().map(assay_verify::VerifyError::code).collect();
    codes.dedup();
    codes
}

fn sgx_vectors(folder: &std::path::Path) -> Vec<Value> {
    let all: Value = serde_json::from_slice(&read(folder, "intel-expected.json")).unwrap();
    let sgx: Vec<_> = all["vectors"].as_array().unwrap().iter().filter(|v| v["tee"] == "sgx").cloned().collect();
    assert!(sgx.len() >= 15, "the vectors are incomplete");
    sgx
}

#[test]
fn every_pair_has_the_status_of_the_reference_rule_inside_its_window_and_fails_outside() {
    let Some(folder) = vectors() else { return };
    let mut pairs = 0;
    for vector in sgx_vectors(&folder) {
        let quote = read(&folder, vector["file"].as_str().unwrap());
        for pair in vector["collateral"].as_array().into_iter().flatten() {
            let name = pair["file"].as_str().unwrap();
            let collateral = read(&folder, name);
            let (from, to) = (pair["valid_from"].as_i64().unwrap(), pair["valid_to"].as_i64().unwrap());

            let inside = verify(&quote, Some(&collateral), from + (to - from) / 2);
            assert_eq!(codes(&inside), Vec::<&str>::new(), "{name}");
            let claims = inside.claims.expect("genuine");
            let expected = &pair["reference_qvl_rule"];
            assert_eq!(claims.tcb.status.as_str(), expected["status"], "{name}");
            assert_eq!(claims.tcb.platform_status.as_str(), expected["platform_status"], "{name}");
            assert_eq!(claims.tcb.qe_status.as_str(), expected["qe_status"], "{name}");
            assert_eq!(serde_json::json!(claims.tcb.advisories), expected["advisory_ids"], "{name}");
            assert_eq!(claims.tcb.evaluation_number, pair["tcb_eval"].as_u64().unwrap() as u32, "{name}");
            assert_eq!(hex::encode(claims.report.mr_enclave), vector["mrenclave"], "{name}");
            assert_eq!(claims.report.is_debuggable(), vector["debug"].as_bool().unwrap(), "{name}");

            for (at, code) in [(from - 86_400, "collateral-not-yet-valid"), (to + 86_400, "collateral-expired")] {
                let outside = verify(&quote, Some(&collateral), at);
                assert!(outside.claims.is_none(), "{name} at {at}");
                assert_eq!(codes(&outside), [code], "{name} at {at}");
            }
            // The very first and last second are inside.
            for at in [from, to] {
                assert_eq!(codes(&verify(&quote, Some(&collateral), at)), Vec::<&str>::new(), "{name} at {at}");
            }
            pairs += 1;
        }
    }
    assert!(pairs >= 10, "only {pairs} pairs");
}
