//! Any bytes as SEV-SNP evidence of any form, and as a file of certificates: no panic, and nothing gets larger than what came.
#![no_main]

use assay_evidence::bundle::{Body, Bundle, certificates};
use assay_evidence::snp::REPORT_SIZE;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let fits = |part: &Vec<u8>| part.len() <= bytes.len();
    if let Ok(bundle) = Bundle::parse(bytes) {
        let (Body::Snp(body) | Body::Hcl(body)) = &bundle.body;
        // A report that came as a struct is written anew.
        assert!(fits(body) || body.len() == REPORT_SIZE);
        assert!(bundle.certificates.iter().chain(&bundle.endorsements).all(fits));
    }
    if let Ok(found) = certificates(bytes) {
        assert!(found.iter().all(fits));
    }
});
