//! Any bytes as a revocation list in a collateral set: no panic, and nothing that Intel did not sign is accepted.
#![no_main]

use assay_verify::TrustAnchors;
use assay_verify::intel::{Collateral, RawCollateral};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let list: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let empty = String::new();
    let raw = RawCollateral {
        pck_crl_issuer_chain: empty.clone(),
        root_ca_crl: list.clone(),
        pck_crl: list,
        tcb_info_issuer_chain: empty.clone(),
        tcb_info: empty.clone(),
        tcb_info_signature: empty.clone(),
        qe_identity_issuer_chain: empty.clone(),
        qe_identity: empty.clone(),
        qe_identity_signature: empty,
    };
    assert!(Collateral::verify(&raw, &TrustAnchors::vendor()).collateral.is_none());
});
