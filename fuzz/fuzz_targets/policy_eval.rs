//! A policy, a NUL byte, and claims as JSON: no panic, the same answer every time and with a trace, and
//! nothing issued unless permitted.
#![no_main]

use assay_policy::{
    ClaimDef, ClaimSet, Evaluation, Issuer, Limits, ValueKind, Vocabulary, compile, evaluate, evaluate_traced,
};
use libfuzzer_sys::fuzz_target;

/// Read-only and reserved names, so that the checks of computed names run.
const GUARDED: Vocabulary<'static> = Vocabulary {
    incoming: &[ClaimDef { name: "pcrs", kind: ValueKind::String, read_only: true, hex_digits: None }],
    reserved: &["exp"],
    reserved_prefixes: &["x-"],
    reserved_exceptions: &["x-free"],
    properties: &[],
};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some((text, claims)) = text.split_once('\0') else { return };
    let Ok(claims) = assay_json::parse(claims.as_bytes(), &assay_json::Limits::default()) else { return };
    let Ok(claims) = ClaimSet::from_json_object(&claims, Issuer::AttestationService) else { return };
    let limits = Limits { claims: 1_000, steps: 100_000, output_bytes: 64 * 1024 };
    for vocabulary in [&Vocabulary::UNTYPED, &GUARDED] {
        let Some(policy) = compile(text, vocabulary).policy else { continue };
        let plain = evaluate(&policy, &claims, &limits);
        let traced = evaluate_traced(&policy, &claims, &limits);
        assert_eq!(plain, traced.map(|evaluation| Evaluation { trace: None, ..evaluation }));
        let Ok(evaluation) = plain else { continue };
        assert!(evaluation.decision.name() == "permit" || evaluation.issued.is_empty());
        assert!(evaluation.issued.iter().all(|(_, values)| !values.is_empty()));
        assert_eq!(evaluation.issued_json().len(), evaluation.issued.len());
    }
});
