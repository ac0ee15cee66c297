//! Any text as a token, as a policy document and as a key set: no panic, and nothing verifies.
#![no_main]

use assay_token::{Expectations, Jwks, Limits, open_policy_jws, parse, parse_lenient, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // What stands before the first line feed is a key set, the rest a token.
    let (set, token) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (data.get(..end).unwrap_or_default(), data.get(end..).unwrap_or_default()),
        None => (&b"{\"keys\":[]}"[..], data),
    };
    let Ok(token) = std::str::from_utf8(token) else { return };
    let token = token.trim_start_matches('\n');
    let keys = Jwks::from_json(set).unwrap_or_default();
    let limits = Limits::default();
    if let Ok(jws) = parse(token, &limits) {
        let lenient = parse_lenient(token, &limits);
        assert_eq!(lenient.as_ref(), Ok(&jws), "the lenient reader reads all that the strict one reads");
        let alone = verify(token, &Jwks::default(), &Expectations::at(0));
        assert!(alone.is_err(), "a token verifies without any key");
    }
    let _ = verify(token, &keys, &Expectations::at(1_300_000_000));
    if let Ok(document) = open_policy_jws(token, &limits) {
        if let Ok(proof) = document.verify_signature() {
            assert!(!document.is_unsecured());
            assert!(proof.signed_by(&[], 0).is_err(), "somebody is trusted although nobody is");
        }
    }
});
