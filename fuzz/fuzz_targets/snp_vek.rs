//! Any bytes as an endorsement key certificate and as a revocation list: no panic, and nothing that AMD did not sign is
//! accepted. The extensions are also read as those of every product and kind, whoever issued the certificate.
#![no_main]

use assay_evidence::snp::{Product, SigningKey};
use assay_verify::TrustAnchors;
use assay_verify::snp::{AmdCrl, VekExtensions, verify_vek};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let anchors = TrustAnchors::vendor();
    let errors = verify_vek(bytes, &anchors).expect_err("AMD did not issue this");
    assert!(!errors.is_empty());
    errors.iter().for_each(|error| assert!(!error.to_string().is_empty()));
    for product in [Product::Milan, Product::Genoa, Product::Turin] {
        for kind in [SigningKey::Vcek, SigningKey::Vlek] {
            if let Ok(extensions) = VekExtensions::parse(bytes, product, kind) {
                assert_eq!(extensions.provider.is_some(), kind == SigningKey::Vlek);
                assert_eq!(extensions.tcb.fmc.is_some(), product == Product::Turin);
            }
        }
    }
    AmdCrl::verify_file(bytes, &anchors).expect_err("AMD did not sign this");
});
