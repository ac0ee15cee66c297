//! Any bytes as an Open Enclave report: no panic, and the quote lies within the bytes.
#![no_main]

use assay_evidence::open_enclave::Report;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(report) = Report::parse(bytes) {
        assert!(report.quote.len() + 16 <= bytes.len());
    }
});
