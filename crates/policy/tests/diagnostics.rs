//! Every diagnostic: which text gives it, and exactly where.

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

use std::collections::BTreeSet;

use assay_policy::limits::{MAX_CONDITIONS, MAX_DEPTH, MAX_RULES, MAX_TEXT_BYTES};
use assay_policy::{
    Allowed, CODES, ClaimDef, PropertyDef, PropertySection, Severity, ValueKind, Vocabulary, compile,
};

const VOCABULARY: Vocabulary<'static> = Vocabulary {
    incoming: &[
        ClaimDef::new("x-ms-sgx-is-debuggable", ValueKind::Boolean),
        ClaimDef::new("x-ms-sgx-svn", ValueKind::Integer),
        ClaimDef::hex("x-ms-sgx-mrsigner", 8),
        ClaimDef::new("x-ms-runtime", ValueKind::Json),
        ClaimDef::new("tee", ValueKind::String),
        ClaimDef { name: "pcrs", kind: ValueKind::String, read_only: true, hex_digits: None },
    ],
    reserved: &["iss", "exp", "cnf"],
    reserved_prefixes: &["x-ms-", "x-assay-"],
    reserved_exceptions: &["x-ms-mine"],
    properties: &[
        PropertyDef {
            name: "x-ms-sgx-tcbidentifier",
            kind: ValueKind::String,
            section: PropertySection::Configuration,
            allowed: Allowed::OneOf(&["azuredefault", "11"]),
        },
        PropertyDef {
            name: "required_pcr_mask",
            kind: ValueKind::Integer,
            section: PropertySection::Configuration,
            allowed: Allowed::Any,
        },
        PropertyDef {
            name: "report_validity_in_minutes",
            kind: ValueKind::Integer,
            section: PropertySection::Issuance,
            allowed: Allowed::Between(1, 525_600),
        },
    ],
};

type Found = (&'static str, u32, u32);

fn diagnose(text: &str) -> Vec<Found> {
    let compiled = compile(text, &VOCABULARY);
    let errors = compiled.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    assert_eq!(compiled.policy.is_none(), errors, "{text}");
    compiled.diagnostics.iter().map(|found| (found.code, found.start.line, found.start.column)).collect()
}

/// Authorization rules with one rule per line from line 2, and a permit at the end.
fn authorization(rules: &str) -> String {
    format!("version=1.1; authorizationrules {{\n{rules}\n=> permit(); }};")
}

/// Issuance rules from line 2.
fn issuance(rules: &str) -> String {
    format!("version=1.1; authorizationrules {{ => permit(); }}; issuancerules {{\n{rules}\n}};")
}

/// Configuration rules from line 2.
fn configuration(rules: &str) -> String {
    format!("version=1.1; configurationrules {{\n{rules}\n}}; authorizationrules {{ => permit(); }};")
}

const REST: &str = " authorizationrules { => permit(); };";

/// Text and what it must give; the table test below asserts both, and that every code occurs.
fn cases() -> Vec<(String, Vec<Found>)> {
    let mut cases = lexical();
    cases.extend(structure());
    cases.extend(rules());
    cases.extend(actions());
    cases.extend(names());
    cases.extend(lints());
    cases.extend(limits());
    cases
}

fn lexical() -> Vec<(String, Vec<Found>)> {
    vec![
        (authorization("[type==\"tee\u{201d}] => deny();"), vec![("curly-quote", 2, 12)]),
        (authorization("[type==\u{201c}tee\u{201d}] => deny();"), vec![("curly-quote", 2, 8)]),
        // It stands first, even before what begins earlier in the text.
        (
            "version=1.0; authorizationrules { [type==\"tee\u{201d}] => permit();".to_owned(),
            vec![("curly-quote", 1, 46), ("syntax", 1, 33)],
        ),
        (authorization("[type=='tee'] => deny();"), vec![("single-quoted-string", 2, 8)]),
        // The quote that is missing is found at the next one, which opens a string that never ends.
        (authorization("[type==\"tee] => deny();"), vec![("unterminated-string", 2, 8), ("syntax", 3, 1)]),
        (
            authorization("[type==\"tee] => deny();\n[type==\"tee\"] => deny();"),
            vec![("newline-in-string", 2, 8), ("syntax", 3, 9), ("unterminated-string", 3, 12)],
        ),
        (authorization("[type==\"tee\", value==\"a\\n\"] => deny();"), vec![("invalid-escape", 2, 24)]),
        (authorization("[type==\"x-ms-sgx-svn\", value==1.5] => deny();"), vec![("invalid-number", 2, 31)]),
        (authorization("[type==\"x-ms-sgx-svn\", value==12ab] => deny();"), vec![("invalid-number", 2, 31)]),
        (authorization("[type==\"x-ms-sgx-svn\", value==0xFFFFFF] => deny();"), vec![("hex-literal", 2, 31)]),
        (
            authorization("[type==\"x-ms-sgx-svn\", value==9223372036854775808] => deny();"),
            vec![("integer-out-of-range", 2, 31)],
        ),
        (authorization("/* a */ => deny();"), vec![("block-comment", 2, 1), ("unreachable", 3, 1)]),
        (
            authorization("[type==\"tee\"] & [type==\"tee\"] => deny();"),
            vec![("invalid-character", 2, 15), ("syntax", 2, 17)],
        ),
        (authorization("ä[type==\"tee\"] => deny();"), vec![("invalid-character", 2, 1)]),
        (authorization("\"ä\" \u{a0}"), vec![("syntax", 2, 1), ("invalid-character", 2, 5)]),
    ]
}

fn structure() -> Vec<(String, Vec<Found>)> {
    vec![
        (String::new(), vec![("version-missing", 1, 1), ("missing-section", 1, 1)]),
        (REST.to_owned(), vec![("version-missing", 1, 2)]),
        (format!("versoin=1.0;{REST}"), vec![("version-missing", 1, 1)]),
        (format!("Version=1.0;{REST}"), vec![("keyword-case", 1, 1)]),
        (format!("version==1.0;{REST}"), vec![("single-equals", 1, 8)]),
        (format!("version 1.0;{REST}"), vec![("syntax", 1, 9)]),
        (format!("version=;{REST}"), vec![("syntax", 1, 9)]),
        (format!("version=1.3;{REST}"), vec![("version-unknown", 1, 9)]),
        (format!("version=1;{REST}"), vec![("version-unknown", 1, 9)]),
        (format!("version=\"1.0\";{REST}"), vec![("version-unknown", 1, 9)]),
        (format!("version=1.2;{REST}"), vec![("version-unsupported", 1, 9)]),
        (format!("version=1.0{REST}"), vec![("missing-semicolon", 1, 12)]),
        (format!("version=1.0;;{REST}"), vec![("syntax", 1, 13)]),
        (format!("version=1.0;{REST} version=1.1;"), vec![("syntax", 1, 51)]),
        ("version=1.0;".to_owned(), vec![("missing-section", 1, 13)]),
        ("version=1.0;\nauthorizationrules { => permit(); }".to_owned(), vec![("missing-semicolon", 2, 36)]),
        ("version=1.0;\nauthorizationrules { => permit();".to_owned(), vec![("syntax", 2, 20)]),
        ("version=1.0;\nauthorizationrules => permit();".to_owned(), vec![("syntax", 2, 20)]),
        (
            "version=1.0;\nauthorizationrules { => permit();\nissuancerules {};".to_owned(),
            vec![("syntax", 3, 1)],
        ),
        ("version=1.0;\nauthizationrules { => permit(); };".to_owned(), vec![("unknown-section", 2, 1)]),
        ("version=1.0;\nrules { => permit(); };".to_owned(), vec![("unknown-section", 2, 1)]),
        ("version=1.0;\nAuthorizationRules { => permit(); };".to_owned(), vec![("keyword-case", 2, 1)]),
        (
            "version=1.0;\nissuancerules {};\nauthorizationrules { => permit(); };".to_owned(),
            vec![("section-order", 3, 1)],
        ),
        (format!("version=1.0;{REST}\n{REST}"), vec![("duplicate-section", 2, 2)]),
        (
            "version=1.0;\nconfigurationrules {};\nauthorizationrules { => permit(); };".to_owned(),
            vec![("version-feature", 2, 1)],
        ),
        (authorization(";"), vec![("syntax", 2, 1)]),
    ]
}

fn rules() -> Vec<(String, Vec<Found>)> {
    let svn = "[type==\"x-ms-sgx-svn\"";
    vec![
        (authorization("[type=\"tee\"] => deny();"), vec![("single-equals", 2, 6)]),
        (authorization("[type==\"tee\"] => deny()"), vec![("missing-semicolon", 2, 24)]),
        (
            authorization("[type==\"tee\"] => deny()\n[type==\"tee\"] => deny();"),
            vec![("missing-semicolon", 2, 24)],
        ),
        (authorization("[type==\"tee\"] => deny() x;"), vec![("syntax", 2, 25)]),
        (authorization("[type==\"tee\"] deny();"), vec![("syntax", 2, 15)]),
        (authorization("[type==\"tee\"] = deny();"), vec![("syntax", 2, 15)]),
        (authorization("permit();"), vec![("syntax", 2, 1)]),
        (authorization("c[type==\"tee\"] => deny();"), vec![("syntax", 2, 1)]),
        (authorization("[] => deny();"), vec![("syntax", 2, 2)]),
        (authorization("[type==\"tee\",] => deny();"), vec![("syntax", 2, 14)]),
        (authorization("[type==\"tee\" value==\"a\"] => deny();"), vec![("syntax", 2, 14)]),
        (authorization("[type==\"tee\" && value==\"a\"] => deny();"), vec![("syntax", 2, 14)]),
        (authorization("[type==tee] => deny();"), vec![("syntax", 2, 8)]),
        (authorization("[type==] => deny();"), vec![("syntax", 2, 8)]),
        (authorization(&format!("{svn}, value=>5] => deny();")), vec![("syntax", 2, 29)]),
        (authorization("[type=~\"t.*\"] => deny();"), vec![("unsupported-syntax", 2, 6)]),
        (authorization("[type!~\"t.*\"] => deny();"), vec![("unsupported-syntax", 2, 6)]),
        (authorization("[type==\"tee\"] || [type==\"tee\"] => deny();"), vec![("unsupported-syntax", 2, 15)]),
        (authorization("[type==\"tee\" || type==\"a\"] => deny();"), vec![("unsupported-syntax", 2, 14)]),
        (authorization("[type==\"tee\"] OR [type==\"tee\"] => deny();"), vec![("unsupported-syntax", 2, 15)]),
        (authorization("[type==\"tee\"] AND [type==\"tee\"] => deny();"), vec![("syntax", 2, 15)]),
        (authorization("EXISTS([type==\"tee\"]) => deny();"), vec![("unsupported-syntax", 2, 1)]),
        (authorization("NOT EXISTS([type==\"tee\"]) => deny();"), vec![("unsupported-syntax", 2, 1)]),
        (authorization("COUNT([type==\"tee\"]) => deny();"), vec![("unsupported-syntax", 2, 1)]),
        (authorization("([type==\"tee\"]) => deny();"), vec![("unsupported-syntax", 2, 1)]),
        (authorization(&format!("{svn}, value==(5)] => deny();")), vec![("unsupported-syntax", 2, 31)]),
        (authorization(&format!("{svn}, value==<svn>] => deny();")), vec![("placeholder", 2, 31)]),
        (authorization("[Type==\"tee\"] => deny();"), vec![("keyword-case", 2, 2)]),
        (
            authorization("[type==\"x-ms-sgx-is-debuggable\", value==TRUE] => deny();"),
            vec![("keyword-case", 2, 41)],
        ),
        (authorization("[typ==\"tee\"] => deny();"), vec![("unknown-claim-property", 2, 2)]),
        (authorization("[type==\"tee\", name==\"a\"] => deny();"), vec![("unknown-claim-property", 2, 15)]),
        (authorization("![type==\"tee\"] => deny();"), vec![("version-feature", 2, 1)]),
        (
            authorization("!c:[type==\"tee\"] => deny();"),
            vec![("version-feature", 2, 1), ("negated-identifier", 2, 2)],
        ),
        (authorization("[type==\"tee\", value<\"a\"] => deny();"), vec![("ordering-operand", 2, 21)]),
        (
            authorization("[type==\"x-ms-sgx-is-debuggable\", value>=true] => deny();"),
            vec![("ordering-operand", 2, 41)],
        ),
        (authorization("[type==\"tee\", issuer>\"a\"] => deny();"), vec![("ordering-operand", 2, 15)]),
        // One run reports the errors of all rules.
        (
            authorization("[type=\"tee\"] => deny()\n[typ==\"tee\"] => deny();\n=> allow();"),
            vec![
                ("single-equals", 2, 6),
                ("missing-semicolon", 2, 23),
                ("unknown-claim-property", 3, 2),
                ("unknown-action", 4, 4),
            ],
        ),
    ]
}

fn actions() -> Vec<(String, Vec<Found>)> {
    vec![
        (authorization("[type==\"tee\"] => Deny();"), vec![("keyword-case", 2, 18)]),
        (authorization("[type==\"tee\"] => allow();"), vec![("unknown-action", 2, 18)]),
        (issuance("=> addproperty(type=\"a\", value=1);"), vec![("unknown-action", 2, 4)]),
        (authorization("[type==\"tee\"] => deny;"), vec![("syntax", 2, 22)]),
        (authorization("[type==\"tee\"] => deny(claim=1);"), vec![("syntax", 2, 29)]),
        (authorization("[type==\"tee\"] => deny(value=1);"), vec![("unexpected-argument", 2, 18)]),
        (authorization("=> issue(type=\"a\", value=1);"), vec![("action-not-allowed", 2, 4)]),
        (authorization("=> issueproperty(type=\"a\", value=1);"), vec![("action-not-allowed", 2, 4)]),
        (issuance("=> permit();"), vec![("action-not-allowed", 2, 4)]),
        (configuration("=> add(type=\"a\", value=1);"), vec![("action-not-allowed", 2, 4)]),
        (issuance("=> issue(\"a\", value=true);"), vec![("positional-argument", 2, 10)]),
        (issuance("=> issue(type=\"a\");"), vec![("missing-argument", 2, 4)]),
        (issuance("=> issue();"), vec![("missing-argument", 2, 4)]),
        (issuance("=> issue(type=\"a\", value=1, value=2);"), vec![("duplicate-argument", 2, 29)]),
        (issuance("c:[type==\"tee\"] => issue(claim=c, claim=c);"), vec![("duplicate-argument", 2, 35)]),
        (issuance("c:[type==\"tee\"] => issue(claim=c, value=1);"), vec![("unexpected-argument", 2, 41)]),
        (issuance("c:[type==\"tee\"] => issue(claim=c.value);"), vec![("syntax", 2, 33)]),
        (issuance("c:[type==\"tee\"] => issue(claim==c);"), vec![("single-equals", 2, 31)]),
        (issuance("=> issue(type==\"a\", value=1);"), vec![("single-equals", 2, 14)]),
        (issuance("=> issue(name=\"a\", value=1);"), vec![("unknown-claim-property", 2, 10)]),
        (issuance("=> issue(type=5, value=1);"), vec![("claim-type", 2, 15)]),
        (
            issuance("=> issue(type=\"a\", value=1, issuer=\"AttestationService\");"),
            vec![("issuer-assignment", 2, 36)],
        ),
        (issuance("=> issue(type=\"a\", value=1, valueType=\"Integer\");"), vec![]),
        (
            issuance("=> issue(type=\"a\", value=1, valueType=\"String\");"),
            vec![("value-type-mismatch", 2, 39)],
        ),
        (issuance("=> issue(type=\"a\", value=1, valueType=\"Set\");"), vec![("value-type-mismatch", 2, 39)]),
        (
            issuance("c:[type==\"tee\"] => issue(type=\"a\", value=c.type, valueType=\"Integer\");"),
            vec![("value-type-mismatch", 2, 60)],
        ),
    ]
}

fn names() -> Vec<(String, Vec<Found>)> {
    vec![
        (issuance("=> issue(claim=c);"), vec![("unknown-identifier", 2, 16)]),
        (
            issuance("c1:[type==\"tee\"] => issue(type=\"a\", value=cl.value);"),
            vec![("unknown-identifier", 2, 43)],
        ),
        (
            issuance("c:[type==\"tee\", value==c.value] => issue(claim=c);"),
            vec![("unknown-identifier", 2, 24)],
        ),
        (
            issuance("[type==\"tee\", value==c.value] && c:[type==\"tee\"] => issue(claim=c);"),
            vec![("unknown-identifier", 2, 22)],
        ),
        // An identifier lives in one rule.
        (
            issuance("c:[type==\"tee\"] => issue(claim=c);\n=> issue(claim=c);"),
            vec![("unknown-identifier", 3, 16)],
        ),
        (
            issuance("c:[type==\"tee\"] && c:[type==\"tee\"] => issue(claim=c);"),
            vec![("duplicate-identifier", 2, 20)],
        ),
        (
            issuance("c:[type==\"tee\"] => issue(type=\"a\", value=JmesPath(c.value, \"a\"));"),
            vec![("version-feature", 2, 42)],
        ),
        (
            issuance("=> issue(type=\"a\", value=NegateBool(true, JsonToClaimValue()));"),
            vec![
                ("version-feature", 2, 26),
                ("function-arity", 2, 26),
                ("version-feature", 2, 43),
                ("function-arity", 2, 43),
            ],
        ),
        (issuance("=> issue(type=\"a\", value=NegateBol(true));"), vec![("unknown-function", 2, 26)]),
        (issuance("=> issue(type=\"exp\", value=1);"), vec![("reserved-claim", 2, 15)]),
        (issuance("=> add(type=\"x-assay-dev\", value=true);"), vec![("reserved-claim", 2, 13)]),
        (issuance("=> issue(type=\"x-ms-mine\", value=1);"), vec![]),
        (issuance("c:[type==\"x-ms-sgx-svn\"] => issue(claim=c);"), vec![("reserved-claim", 2, 41)]),
        (issuance("c:[type==\"x-ms-sgx-svn\"] => add(claim=c);"), vec![]),
        (issuance("=> issueproperty(type=\"iss\", value=1);"), vec![("reserved-claim", 2, 23)]),
        (
            configuration("=> issueproperty(type=\"x-ms-sgx-tcbidentifer\", value=\"11\");"),
            vec![("reserved-claim", 2, 23)],
        ),
        (issuance("c:[type==\"pcrs\"] => issue(claim=c);"), vec![("read-only-claim", 2, 33)]),
        (
            issuance("c:[type==\"pcrs\"] => issue(type=\"a\", value=c.value);"),
            vec![("read-only-claim", 2, 43)],
        ),
        (issuance("c:[type==\"pcrs\"] => issue(type=\"a\", value=c.issuer);"), vec![]),
        (issuance("c:[type==\"pcrs\"] => add(type=\"a\", value=c.value);"), vec![]),
        (issuance("=> add(type=\"pcrs\", value=\"\");"), vec![("read-only-claim", 2, 13)]),
    ]
}

fn lints() -> Vec<(String, Vec<Found>)> {
    let deny = |condition: &str| authorization(&format!("{condition} => deny();"));
    vec![
        (deny("[value==true]"), vec![("condition-without-type", 2, 1)]),
        (deny("[type==\"x-ms-sgx-mrsinger\"]"), vec![("unknown-claim", 2, 8)]),
        (deny("[type==\"anything\", issuer==\"CustomClaim\"]"), vec![]),
        (deny("[type==\"a\", issuer==\"AttestationPolicy\"]"), vec![("never-matches", 2, 8)]),
        (authorization("=> add(type=\"a\", value=1);\n[type==\"a\"] => deny();"), vec![]),
        (authorization("[type==\"a\"] => deny();\n=> add(type=\"a\", value=1);"), vec![("unknown-claim", 2, 8)]),
        (authorization("c:[type==\"tee\"] => add(type=c.value, value=1);\n[type==\"a\"] => deny();"), vec![]),
        (authorization("=> add(type=\"a\", value=1);\n[type==\"a\", issuer==\"AttestationService\"] => deny();"), vec![
            ("unknown-claim", 3, 8),
        ]),
        (deny("[type==\"x-ms-sgx-svn\", value==\"1\"]"), vec![("literal-type", 2, 31)]),
        (deny("[type==\"x-ms-sgx-svn\", value!=true]"), vec![("literal-type", 2, 31)]),
        (deny("[type==\"tee\", value>1]"), vec![("literal-type", 2, 21)]),
        (deny("[type==\"x-ms-runtime\", value==\"{}\"]"), vec![("literal-type", 2, 31)]),
        (deny("[type==5]"), vec![("literal-type", 2, 8)]),
        (deny("[type==\"tee\", issuer==\"AttestationServices\"]"), vec![("never-matches", 2, 23)]),
        (deny("[type==\"tee\", valueType==\"Bool\"]"), vec![("never-matches", 2, 26)]),
        (deny("[type==\"tee\", type==\"x-ms-sgx-svn\"]"), vec![("never-matches", 2, 1)]),
        (deny("[type==\"x-ms-sgx-svn\", value>5, value<=5]"), vec![("never-matches", 2, 1)]),
        (deny("[type==\"x-ms-sgx-svn\", value>4, value<=5]"), vec![]),
        (deny("[type==\"x-ms-sgx-mrsigner\", value==\"0123abCD\"]"), vec![("upper-case-hex", 2, 36)]),
        (deny("[type==\"x-ms-sgx-mrsigner\", value==\"0123ab\"]"), vec![("never-matches", 2, 36)]),
        (deny("[type==\"x-ms-sgx-mrsigner\", value==\"0123abcd\"]"), vec![]),
        (deny("[type==\"tee\", value==\"a\nb\"]"), vec![("newline-in-string", 2, 22)]),
        (configuration("[type==\"tee\"] => issueproperty(type=\"required_pcr_mask\", value=15);"), vec![
            ("conditional-configuration", 2, 1),
        ]),
        (configuration("=> issueproperty(type=\"required_pcr_msk\", value=15);"), vec![("unknown-property", 2, 23)]),
        (configuration("=> issueproperty(type=\"report_validity_in_minutes\", value=15);"), vec![
            ("unknown-property", 2, 23),
        ]),
        (configuration("=> issueproperty(type=\"x-ms-sgx-tcbidentifier\", value=11);"), vec![("property-type", 2, 55)]),
        (configuration("=> issueproperty(type=\"x-ms-sgx-tcbidentifier\", value=\"99\");"), vec![
            ("property-value", 2, 55),
        ]),
        (issuance("=> issueproperty(type=\"report_validity_in_minutes\", value=525601);"), vec![
            ("property-value", 2, 59),
        ]),
        (
            configuration(
                "=> issueproperty(type=\"required_pcr_mask\", value=15);\n=> issueproperty(type=\"required_pcr_mask\", value=7);",
            ),
            vec![("property-conflict", 3, 50)],
        ),
        (authorization("=> deny();"), vec![("unreachable", 3, 1)]),
        ("version=1.0; authorizationrules { => deny(); }; issuancerules {};".to_owned(), vec![]),
        (
            "version=1.0; authorizationrules { => deny(); }; issuancerules { => issue(type=\"a\", value=1); };"
                .to_owned(),
            vec![("unreachable", 1, 65)],
        ),
        ("version=1.0;\nauthorizationrules {};".to_owned(), vec![("never-permits", 2, 1)]),
    ]
}

fn limits() -> Vec<(String, Vec<Found>)> {
    let many_conditions = vec!["[type==\"tee\"]"; MAX_CONDITIONS + 1].join("&&\n");
    let deep = format!("{}1{}", "NegateBool(".repeat(MAX_DEPTH + 1), ")".repeat(MAX_DEPTH + 1));
    let rules = "[type==\"tee\"] => deny();\n".repeat(MAX_RULES + 1);
    vec![
        (" ".repeat(MAX_TEXT_BYTES + 1), vec![("limit-exceeded", 1, 1)]),
        (authorization(&format!("{many_conditions} => deny();")), vec![("limit-exceeded", 66, 1)]),
        (
            format!(
                "version=1.2; authorizationrules {{ => permit(); }}; issuancerules {{ => issue(type=\"a\", value=\n{deep}); }};"
            ),
            vec![("version-unsupported", 1, 9), ("limit-exceeded", 2, 705)],
        ),
        (
            format!("version=1.0; authorizationrules {{\n{rules}}};"),
            vec![("syntax", 1, 33), ("limit-exceeded", 10_002, 1)],
        ),
        (authorization(&"=> x();\n".repeat(150)), {
            let mut expected: Vec<Found> = (2..102).map(|line| ("unknown-action", line, 4)).collect();
            expected.push(("too-many-diagnostics", 101, 4));
            expected
        }),
    ]
}

#[test]
fn every_case_gives_exactly_its_diagnostics() {
    let mut seen = BTreeSet::new();
    let mut failures = Vec::new();
    for (text, expected) in cases() {
        let found = diagnose(&text);
        seen.extend(found.iter().map(|(code, _, _)| *code));
        if found != expected {
            let text: String = text.chars().take(300).collect();
            failures.push(format!("{text}\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    assert!(failures.is_empty(), "{}\n{} cases", failures.join("\n"), failures.len());
    let all: BTreeSet<&str> = CODES.iter().map(|(code, _)| *code).collect();
    assert_eq!(seen, all, "a code without a case");
}

/// Messages and help are part of the product: the ones an author meets most are fixed here.
const MESSAGES: &[(&str, &str, Option<&str>)] = &[
    (
        "version=1.0; authorizationrules { [type=\"tee\"] => permit(); };",
        "`=` does not compare",
        Some("write `==`"),
    ),
    (
        "version=1.0; authorizationrules { => issue(type=\"a\", value=1); => permit(); };",
        "`issue` cannot stand in `authorizationrules`",
        Some("use `add` here; what a token carries is issued in `issuancerules`"),
    ),
    (
        "version=1.0; configurationrules {}; authorizationrules { => permit(); };",
        "`configurationrules` needs version 1.1",
        Some("write `version=1.1;` in the first line"),
    ),
    (
        "version=1.0; authorizationrules { ![type==\"tee\"] => permit(); };",
        "`!` needs version 1.2; this build evaluates 1.0 and 1.1",
        None,
    ),
    (
        "version=1.2; authorizationrules { => permit(); };",
        "evaluation of version 1.2 is not in this release",
        Some("versions 1.0 and 1.1 are evaluated"),
    ),
    (
        "version=1.0; authorizationrules { [type==\"x-ms-sgx-mrsinger\"] => permit(); };",
        "evidence of this type has no claim `x-ms-sgx-mrsinger`",
        Some("did you mean `x-ms-sgx-mrsigner`?"),
    ),
    (
        "version=1.0; authorizationrules { => permit(); }; Issuancerules {};",
        "`Issuancerules` is written `issuancerules`",
        Some("did you mean `issuancerules`?"),
    ),
    (
        "version=1.0; authorizationrules { => permit(); }; issuancerules { => issue(\"X\", value=1); };",
        "the argument `\"X\"` has no name",
        Some("did you mean `type=\"X\"`?"),
    ),
    (
        "version=1.0; authorizationrules { [type==\"x-ms-sgx-svn\", value==0xFF] => permit(); };",
        "`0xFF` is hexadecimal; integers are decimal",
        Some("write `255`"),
    ),
    (
        "version=1.0; authorizationrules { [type==\"x-ms-sgx-mrsigner\", value==\"0123ABCD\"] => permit(); };",
        "`x-ms-sgx-mrsigner` has lower-case digits, and comparison tells cases apart",
        Some("write `\"0123abcd\"`"),
    ),
    (
        "version=1.1; configurationrules { => issueproperty(type=\"x-ms-sgx-tcbidentifer\", value=\"11\"); }; authorizationrules { => permit(); };",
        "`x-ms-sgx-tcbidentifer` is a name of the service",
        Some("did you mean the property `x-ms-sgx-tcbidentifier`?"),
    ),
];

#[test]
fn messages_and_help() {
    for (text, message, help) in MESSAGES {
        let compiled = compile(text, &VOCABULARY);
        let found: Vec<(&str, Option<&str>)> =
            compiled.diagnostics.iter().map(|d| (d.message.as_str(), d.help.as_deref())).collect();
        assert_eq!(found, [(*message, *help)], "{text}");
    }
}

#[test]
fn spans_cover_what_is_meant() {
    let text = "version=1.0; authorizationrules { [type==\"ä\", value==tru] => permit(); };";
    let compiled = compile(text, &Vocabulary::UNTYPED);
    let found = &compiled.diagnostics[0];
    assert_eq!(&text[found.span.clone()], "tru");
    assert_eq!((found.start.column, found.end.column), (54, 57));
}

#[test]
fn an_untyped_check_knows_no_claims() {
    let text = "version=1.1; configurationrules { => issueproperty(type=\"whatever\", value=1); };
        authorizationrules { [type==\"nobody-knows\", value==\"ABCDEF\"] => permit(); };
        issuancerules { => issue(type=\"exp\", value=1); };";
    assert_eq!(compile(text, &Vocabulary::UNTYPED).diagnostics, []);
}
