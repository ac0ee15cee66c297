//! Any text: no panic, a policy exactly if there is no error, places on character boundaries inside the text.
#![no_main]

use assay_policy::limits::MAX_DIAGNOSTICS;
use assay_policy::{
    Allowed, ClaimDef, PropertyDef, PropertySection, Severity, ValueKind, Vocabulary, compile,
};
use libfuzzer_sys::fuzz_target;

const TYPED: Vocabulary<'static> = Vocabulary {
    incoming: &[
        ClaimDef::new("x-ms-sgx-is-debuggable", ValueKind::Boolean),
        ClaimDef::new("x-ms-sgx-svn", ValueKind::Integer),
        ClaimDef::hex("x-ms-sgx-mrsigner", 64),
        ClaimDef { name: "pcrs", kind: ValueKind::String, read_only: true, hex_digits: None },
    ],
    reserved: &["exp", "iss"],
    reserved_prefixes: &["x-ms-", "x-assay-"],
    reserved_exceptions: &[],
    properties: &[PropertyDef {
        name: "x-ms-sgx-tcbidentifier",
        kind: ValueKind::String,
        section: PropertySection::Configuration,
        allowed: Allowed::OneOf(&["azuredefault", "11"]),
    }],
};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for vocabulary in [&Vocabulary::UNTYPED, &TYPED] {
        let compiled = compile(text, vocabulary);
        assert!(compiled.diagnostics.len() <= MAX_DIAGNOSTICS + 1);
        let refused = compiled.diagnostics.iter().any(|found| found.severity == Severity::Error);
        assert_eq!(compiled.policy.is_none(), refused);
        for found in &compiled.diagnostics {
            assert!(text.get(found.span.clone()).is_some());
            assert!(found.start <= found.end && found.start.line >= 1 && found.start.column >= 1);
        }
        if let Some(policy) = compiled.policy {
            assert_eq!(policy.text(), text);
        }
    }
});
