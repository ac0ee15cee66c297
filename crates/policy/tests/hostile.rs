//! Whatever the text: no panic, bounded answers, places inside the text.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

use assay_policy::limits::{MAX_DIAGNOSTICS, MAX_TEXT_BYTES};
use assay_policy::{
    ClaimDef, ClaimSet, Issuer, Limits, Position, Severity, ValueKind, Vocabulary, compile, evaluate,
};
use proptest::prelude::*;

const TYPED: Vocabulary<'static> = Vocabulary {
    incoming: &[ClaimDef::new("a", ValueKind::Integer), ClaimDef::hex("m", 4)],
    reserved: &["exp"],
    reserved_prefixes: &["x-"],
    reserved_exceptions: &[],
    properties: &[],
};

/// What holds for every text.
fn check(text: &str) {
    for vocabulary in [&Vocabulary::UNTYPED, &TYPED] {
        let compiled = compile(text, vocabulary);
        assert!(compiled.diagnostics.len() <= MAX_DIAGNOSTICS + 1);
        let errors = compiled.diagnostics.iter().any(|found| found.severity == Severity::Error);
        assert_eq!(compiled.policy.is_none(), errors);
        for found in &compiled.diagnostics {
            assert!(text.get(found.span.clone()).is_some(), "{found:?} is not a part of the text");
            assert_eq!(found.start, position(text, found.span.start));
            assert_eq!(found.end, position(text, found.span.end));
            assert!(found.message.len() < 1_000 && !found.message.contains('\n'), "{found:?}");
        }
        if let Some(policy) = compiled.policy {
            let claims = serde_json::json!({"a": [1, 2], "m": "00ff", "s": "x"});
            let claims = ClaimSet::from_json_object(&claims, Issuer::AttestationService).unwrap();
            let first = evaluate(&policy, &claims, &Limits::default());
            assert_eq!(first, evaluate(&policy, &claims, &Limits::default()));
        }
    }
}

/// The obvious way to count lines and columns.
fn position(text: &str, offset: usize) -> Position {
    let mut position = Position { line: 1, column: 1 };
    for (index, character) in text.char_indices().take_while(|(index, _)| *index < offset) {
        if character == '\n' {
            position = Position { line: position.line + 1, column: 1 };
        } else if index > 0 || character != '\u{feff}' {
            position.column += 1;
        }
    }
    position
}

/// Pieces that make nearly correct policies.
const PIECES: &[&str] = &[
    "version=1.0;",
    "version=1.1;",
    "version=1.2;",
    "version",
    "configurationrules{",
    "authorizationrules{",
    "issuancerules{",
    "Issuancerules{",
    "authrules{",
    "};",
    "}",
    "{",
    ";",
    ",",
    ".",
    ":",
    "(",
    ")",
    "[",
    "]",
    "=>",
    "=",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "&&",
    "||",
    "!",
    "=~",
    "type",
    "value",
    "valueType",
    "issuer",
    "claim",
    "c",
    "c:",
    "c.value",
    "\"a\"",
    "\"",
    "\"\\",
    "'",
    "\u{201c}",
    "\u{201d}",
    "1",
    "-1",
    "0x1F",
    "1.0",
    "true",
    "True",
    "false",
    "permit()",
    "deny()",
    "issue(",
    "add(",
    "issueproperty(",
    "claim=c",
    "type=\"a\"",
    "value=c.value",
    "<name>",
    "// x\n",
    "/*",
    "*/",
    "\n",
    "\r\n",
    "\u{feff}",
    "\u{a0}",
    "ä",
    "NOT",
    "EXISTS",
    "JmesPath(",
    "#",
    "=> permit();",
    "[type==\"a\"] => deny();",
    "c:[type==\"a\", value>=1] => issue(type=\"b\", value=c.value);",
];

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![prop::sample::select(PIECES).prop_map(str::to_owned), "\\PC{0,3}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn arbitrary_text_is_answered(text in "(?s).{0,200}") {
        check(&text);
    }

    #[test]
    fn nearly_correct_policies_are_answered(pieces in prop::collection::vec(piece(), 0..60)) {
        check(&pieces.concat());
        check(&pieces.join(" "));
        check(&format!("version=1.1; authorizationrules {{ {} }};", pieces.join(" ")));
    }
}

/// Texts of the largest size that ask for quadratic work where a careless reader would do it.
#[test]
fn texts_of_the_largest_size_are_answered() {
    let repeat = |piece: &str| piece.repeat(MAX_TEXT_BYTES / piece.len());
    let filled = |head: &str, piece: &str| {
        let room = MAX_TEXT_BYTES - head.len();
        format!("{head}{}", piece.repeat(room / piece.len()))
    };
    let open = "version=1.1; authorizationrules {";
    for text in [
        repeat("\u{201c}\n"),
        repeat("'"),
        repeat("\""),
        repeat("<a"),
        repeat("/*"),
        repeat("{"),
        repeat(";"),
        repeat("\u{a0}"),
        filled(open, "!"),
        filled(open, "=>permit()"),
        filled(open, "=>permit();"),
        filled(open, "[value=c.value]=>x();"),
        filled(open, "[typ=\"abcdefgh\"]&&"),
        filled(&format!("{open}=>add(type=\"a\",value="), "NegateBool("),
        filled(&format!("{open}["), "value==1,"),
        filled(open, "[type==\"abcdefgh\"]=>add(type=\"x\",value=1);"),
        filled(open, "authorizationrules{};"),
    ] {
        let compiled = compile(&text, &TYPED);
        assert!(compiled.policy.is_none());
        assert!(compiled.diagnostics.len() <= MAX_DIAGNOSTICS + 1);
    }
}
