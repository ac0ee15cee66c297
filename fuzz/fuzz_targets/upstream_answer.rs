//! Any bytes as what an upstream answers, the first line as its header with a chain: no panic, and what is accepted keeps the
//! bounds.
#![no_main]

use assay_service::upstream::read_answers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (header, body) = data.split_at(end);
    let _ = read_answers(header, body.strip_prefix(b"\n").unwrap_or(body));
});
