//! Any bytes as the SGX extension of a PCK certificate: no panic.
#![no_main]

use assay_verify::intel::PckExtension;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = PckExtension::parse(bytes);
});
