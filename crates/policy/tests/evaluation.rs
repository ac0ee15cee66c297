//! What policies mean: conditions, actions, decisions, errors and traces.

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

use std::sync::Arc;

use assay_policy::{
    Claim, ClaimDef, ClaimSet, Decision, DenyReason, EvalError, Evaluation, Issuer, Limits, Policy,
    SectionKind, Value, ValueKind, Version, Vocabulary, compile, evaluate, evaluate_traced,
};
use serde_json::{Value as Json, json};

fn policy_for(text: &str, vocabulary: &Vocabulary<'_>) -> Policy {
    let compiled = compile(text, vocabulary);
    compiled.policy.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
}

fn policy(text: &str) -> Policy {
    policy_for(text, &Vocabulary::UNTYPED)
}

fn claims(json: &Json) -> ClaimSet {
    ClaimSet::from_json_object(json, Issuer::AttestationService).unwrap()
}

fn try_rules(authorization: &str, issuance: &str, incoming: &Json) -> Result<Evaluation, EvalError> {
    let text =
        format!("version=1.1; authorizationrules {{ {authorization} }}; issuancerules {{ {issuance} }};");
    evaluate(&policy(&text), &claims(incoming), &Limits::default())
}

fn decide(authorization: &str, incoming: &Json) -> Decision {
    try_rules(authorization, "", incoming).unwrap().decision
}

/// Whether one condition holds.
fn holds(condition: &str, incoming: &Json) -> bool {
    decide(&format!("{condition} => permit();"), incoming).name() == "permit"
}

fn issued(rules: &str, incoming: &Json) -> Json {
    Json::Object(try_rules("=> permit();", rules, incoming).unwrap().issued_json())
}

#[test]
fn a_condition_asks_for_at_least_one_claim() {
    let incoming = json!({"a": [1, 2, 3], "b": "x"});
    assert!(holds("[type==\"a\"]", &incoming));
    assert!(!holds("[type==\"c\"]", &incoming));
    assert!(holds("[type==\"a\", value==2]", &incoming));
    assert!(!holds("[type==\"a\", value==4]", &incoming));
    // The tests of one condition are about one claim.
    assert!(holds("[type==\"a\", value>1, value<3]", &incoming));
    assert!(!holds("[type==\"a\", value>2, value<3]", &incoming));
    // All conditions must hold, each for a claim of its own.
    assert!(holds("[type==\"a\", value>2] && [type==\"a\", value<2]", &incoming));
    assert!(!holds("[type==\"a\"] && [type==\"c\"]", &incoming));
}

#[test]
fn comparison_converts_nothing() {
    let incoming = json!({"n": 1, "s": "1", "t": true, "o": {"n": 1}});
    for (name, literals) in
        [("n", ["1", "\"1\"", "true"]), ("s", ["\"1\"", "1", "true"]), ("t", ["true", "1", "\"1\""])]
    {
        let [own, other, third] = literals;
        assert!(holds(&format!("[type==\"{name}\", value=={own}]"), &incoming));
        assert!(!holds(&format!("[type==\"{name}\", value!={own}]"), &incoming));
        for foreign in [other, third] {
            assert!(!holds(&format!("[type==\"{name}\", value=={foreign}]"), &incoming), "{name} {foreign}");
            assert!(holds(&format!("[type==\"{name}\", value!={foreign}]"), &incoming), "{name} {foreign}");
        }
    }
    for literal in ["1", "true", "\"{\\\"n\\\":1}\""] {
        assert!(!holds(&format!("[type==\"o\", value=={literal}]"), &incoming));
        assert!(holds(&format!("[type==\"o\", value!={literal}]"), &incoming));
    }
    assert!(!holds("[type==\"s\", value>=0]", &incoming));
    assert!(!holds("[type==\"t\", value>=0]", &incoming));
}

#[test]
fn strings_are_compared_byte_by_byte() {
    let incoming = json!({"s": "aB\"c\\d", "u": "ä"});
    assert!(holds("[type==\"s\", value==\"aB\\\"c\\\\d\"]", &incoming));
    assert!(!holds("[type==\"s\", value==\"ab\\\"c\\\\d\"]", &incoming));
    assert!(!holds("[type==\"S\"]", &incoming));
    assert!(holds("[type==\"u\", value==\"ä\"]", &incoming));
    // The same letter, composed otherwise.
    assert!(!holds("[type==\"u\", value==\"a\u{308}\"]", &incoming));
}

#[test]
fn integers_are_compared_as_numbers_at_the_limits_too() {
    let incoming = json!({"n": i64::MIN, "m": i64::MAX, "z": -1});
    assert!(holds("[type==\"n\", value==-9223372036854775808]", &incoming));
    assert!(holds("[type==\"m\", value==9223372036854775807, value>-1]", &incoming));
    assert!(holds("[type==\"z\", value<0, value>=-1, value<=-1, value!=1]", &incoming));
    assert!(!holds("[type==\"z\", value<-1]", &incoming));
    assert!(!holds("[type==\"z\", value>-1]", &incoming));
}

#[test]
fn all_four_properties_can_be_tested() {
    let incoming = json!({"n": 1, "s": "x", "b": false, "o": {}});
    assert!(holds("[valueType==\"Integer\", type==\"n\"]", &incoming));
    assert!(holds("[valueType==\"String\", value==\"x\"]", &incoming));
    assert!(holds("[valueType==\"Boolean\", type!=\"n\"]", &incoming));
    assert!(!holds("[type==\"o\", valueType==\"String\"]", &incoming));
    assert!(holds("[type==\"n\", issuer==\"AttestationService\"]", &incoming));
    assert!(!holds("[type==\"n\", issuer==\"CustomClaim\"]", &incoming));
    assert!(holds("[type==\"n\", issuer!=\"CustomClaim\"]", &incoming));
}

#[test]
fn an_identifier_stands_for_all_claims_that_matched() {
    let incoming = json!({"a": [1, 2, 3], "b": [3, 4], "c": [9], "name": "b"});
    assert!(holds("x:[type==\"a\"] && [type==\"b\", value==x.value]", &incoming));
    assert!(!holds("x:[type==\"a\"] && [type==\"c\", value==x.value]", &incoming));
    // One fitting value is enough, for every operator.
    assert!(
        holds("x:[type==\"a\"] && [type==\"b\", value<x.value]", &incoming)
            == incoming["b"][0].lt_any(&[1, 2, 3])
    );
    assert!(holds("x:[type==\"a\"] && [type==\"b\", value!=x.value]", &incoming));
    assert!(holds("x:[type==\"c\"] && [type==\"b\", value<x.value]", &incoming));
    assert!(!holds("x:[type==\"a\", value>2] && [type==\"b\", value<x.value]", &incoming));
    assert!(holds("x:[type==\"name\"] && [type==x.value, value==4]", &incoming));
    assert!(holds("x:[type==\"a\"] && [type==\"c\", issuer==x.issuer, valueType==x.valueType]", &incoming));
    assert!(!holds("x:[type==\"name\"] && [type==\"a\", valueType==x.valueType]", &incoming));
}

trait LessThanAny {
    fn lt_any(&self, others: &[i64]) -> bool;
}

impl LessThanAny for Json {
    fn lt_any(&self, others: &[i64]) -> bool {
        others.iter().any(|other| self.as_i64().unwrap() < *other)
    }
}

#[test]
fn deny_overrides_permit_whatever_the_order() {
    let incoming = json!({"a": 1});
    let rule = |decision: &Decision| decision.rule().map(|rule| rule.text.as_ref().to_owned());
    for rules in [
        "=> permit(); [type==\"a\"] => deny();",
        "[type==\"a\"] => deny(); => permit();",
        "=> permit(); [type==\"a\"] => deny(); => permit();",
    ] {
        let decision = decide(rules, &incoming);
        assert_eq!(decision.name(), "deny");
        assert_eq!(rule(&decision).as_deref(), Some("[type==\"a\"] => deny();"));
    }
    assert_eq!(decide("", &incoming), Decision::Deny { reason: DenyReason::NoPermit });
    assert_eq!(
        decide("[type==\"b\"] => permit(); [type==\"b\"] => deny();", &incoming),
        Decision::Deny { reason: DenyReason::NoPermit }
    );
    // The first rule that decides is named.
    let decision = decide("[type==\"b\"] => permit(); [type==\"a\"] => permit(); => permit();", &incoming);
    assert_eq!(rule(&decision).as_deref(), Some("[type==\"a\"] => permit();"));
}

#[test]
fn the_deciding_rule_is_quoted_exactly() {
    let text = "version=1.0;\nauthorizationrules {\n  // ä\n  [type==\"a\",\n   value==1]  =>deny( ) ;\n};";
    let evaluation = evaluate(&policy(text), &claims(&json!({"a": 1})), &Limits::default()).unwrap();
    let rule = evaluation.decision.rule().unwrap();
    assert_eq!((rule.line, rule.column), (4, 3));
    assert_eq!(rule.text.as_ref(), "[type==\"a\",\n   value==1]  =>deny( ) ;");
}

#[test]
fn what_a_rule_adds_is_seen_by_later_rules_only() {
    let incoming = json!({"a": 1});
    let add = "[type==\"a\"] => add(type=\"b\", value=1);";
    assert_eq!(decide(&format!("{add} [type==\"b\"] => permit();"), &incoming).name(), "permit");
    assert_eq!(decide(&format!("[type==\"b\"] => permit(); {add}"), &incoming).name(), "deny");
    // A rule that matches what it makes does not run on its own output.
    assert_eq!(
        issued(
            "c:[type==\"a\"] => issue(type=\"a\", value=2); c:[type==\"a\"] => issue(type=\"out\", value=c.value);",
            &incoming
        ),
        json!({"a": 2, "out": [1, 2]})
    );
    // Issuance rules see what authorization rules have added, with the policy as its issuer.
    let evaluation = try_rules(
        "=> add(type=\"b\", value=7); => permit();",
        "c:[type==\"b\", issuer==\"AttestationPolicy\"] => issue(type=\"out\", value=c.value);",
        &incoming,
    );
    assert_eq!(Json::Object(evaluation.unwrap().issued_json()), json!({"out": 7}));
}

#[test]
fn nothing_is_issued_on_denial() {
    let evaluation = try_rules("", "=> issue(type=\"a\", value=1);", &json!({})).unwrap();
    assert_eq!(evaluation.issued, []);
}

#[test]
fn issuing_gives_one_claim_per_distinct_value() {
    let incoming = json!({"a": [1, 1, "1", true, 1], "o": [{"k": 1}, {"k": 1}, {"k": 2}]});
    assert_eq!(
        issued("c:[type==\"a\"] => issue(type=\"b\", value=c.value);", &incoming),
        json!({"b": [1, "1", true]})
    );
    assert_eq!(
        issued("c:[type==\"o\"] => issue(type=\"b\", value=c.value);", &incoming),
        json!({"b": [{"k": 1}, {"k": 2}]})
    );
    // Several rules for one type: an array in the order of first sight, without repetition.
    assert_eq!(
        issued(
            "=> issue(type=\"b\", value=true); => issue(type=\"b\", value=2); => issue(type=\"b\", value=true);",
            &incoming
        ),
        json!({"b": [true, 2]})
    );
    assert_eq!(
        issued("=> issue(type=\"b\", value=true); => issue(type=\"b\", value=true);", &incoming),
        json!({"b": true})
    );
}

#[test]
fn claim_properties_can_be_issued() {
    let incoming = json!({"a": [1, 2], "b": "x"});
    assert_eq!(
        issued(
            "c:[value!=\"none\"] => issue(type=\"types\", value=c.type); \
             c:[type==\"a\"] => issue(type=\"kinds\", value=c.valueType); \
             c:[type==\"a\"] => issue(type=c.type, value=c.issuer); \
             c:[type==\"b\"] => issue(type=c.value, value=5, valueType=\"Integer\");",
            &incoming
        ),
        json!({"types": ["a", "b"], "kinds": "Integer", "a": "AttestationService", "x": 5})
    );
}

#[test]
fn a_copy_keeps_type_value_and_issuer() {
    let incoming = json!({"a": [1, {"k": [1]}], "b": "x"});
    assert_eq!(issued("c:[type==\"a\"] => issue(claim=c);", &incoming), json!({"a": [1, {"k": [1]}]}));
    assert_eq!(
        issued("c:[value!=\"none\"] => issue(claim=c);", &incoming),
        json!({"a": [1, {"k": [1]}], "b": "x"})
    );
    let evaluation = try_rules(
        "c:[type==\"a\"] => add(claim=c); [type==\"a\", issuer==\"AttestationPolicy\"] => permit();",
        "",
        &incoming,
    );
    assert_eq!(evaluation.unwrap().decision.name(), "deny");
}

#[test]
fn properties_are_kept_apart_and_visible() {
    let text = "version=1.1;
        configurationrules { => issueproperty(type=\"mask\", value=15); };
        authorizationrules { [type==\"mask\", value==15, issuer==\"AttestationPolicy\"] => permit(); };
        issuancerules { => issueproperty(type=\"omit_x5c\", value=true); [type==\"omit_x5c\"] => issue(type=\"seen\", value=1); };";
    let policy = policy(text);
    let evaluation = evaluate(&policy, &ClaimSet::new(), &Limits::default()).unwrap();
    assert_eq!(evaluation.decision.name(), "permit");
    assert_eq!(Json::Object(evaluation.properties_json()), json!({"mask": 15, "omit_x5c": true}));
    assert_eq!(Json::Object(evaluation.issued_json()), json!({"seen": 1}));
    let expected =
        Claim { claim_type: Arc::from("mask"), value: Value::from(15), issuer: Issuer::AttestationPolicy };
    assert_eq!(policy.configuration(&ClaimSet::new()), Ok(vec![expected]));
    assert_eq!(policy.version(), Version::V1_1);
    assert_eq!(policy.text(), text);
}

const GUARDED: Vocabulary<'static> = Vocabulary {
    incoming: &[
        ClaimDef::new("a", ValueKind::String),
        ClaimDef { name: "pcrs", kind: ValueKind::String, read_only: true, hex_digits: None },
    ],
    reserved: &["exp"],
    reserved_prefixes: &["x-ms-"],
    reserved_exceptions: &["x-ms-free"],
    properties: &[],
};

fn guarded(rules: &str, incoming: &Json) -> Result<Json, EvalError> {
    let text = format!("version=1.1; authorizationrules {{ => permit(); }}; issuancerules {{ {rules} }};");
    let evaluation = evaluate(&policy_for(&text, &GUARDED), &claims(incoming), &Limits::default());
    evaluation.map(|evaluation| Json::Object(evaluation.issued_json()))
}

#[test]
fn names_that_are_computed_are_refused_when_they_are_known() {
    let reserved = |claim: &str| Err(EvalError::ReservedClaim { line: 1, claim: claim.to_owned() });
    let read_only = |claim: &str| Err(EvalError::ReadOnlyClaim { line: 1, claim: claim.to_owned() });
    let by_value = "c:[type==\"a\"] => issue(type=c.value, value=1);";
    assert_eq!(guarded(by_value, &json!({"a": "fine"})), Ok(json!({"fine": 1})));
    assert_eq!(guarded(by_value, &json!({"a": "x-ms-free"})), Ok(json!({"x-ms-free": 1})));
    assert_eq!(guarded(by_value, &json!({"a": "exp"})), reserved("exp"));
    assert_eq!(guarded(by_value, &json!({"a": "x-ms-ver"})), reserved("x-ms-ver"));
    // Some readers of tokens do not tell cases apart.
    assert_eq!(guarded(by_value, &json!({"a": "X-Ms-Ver"})), reserved("X-Ms-Ver"));
    assert_eq!(guarded(by_value, &json!({"a": "EXP"})), reserved("EXP"));
    assert_eq!(guarded(by_value, &json!({"a": "pcrs"})), read_only("pcrs"));
    let by_add = "c:[type==\"a\"] => add(type=c.value, value=1);";
    assert_eq!(guarded(by_add, &json!({"a": "exp"})), reserved("exp"));

    let copy = "c:[issuer==\"AttestationService\"] => issue(claim=c);";
    assert_eq!(guarded(copy, &json!({"a": "x"})), Ok(json!({"a": "x"})));
    assert_eq!(guarded(copy, &json!({"x-ms-b": "x"})), reserved("x-ms-b"));
    assert_eq!(guarded(copy, &json!({"pcrs": "x"})), read_only("pcrs"));
    assert_eq!(
        guarded("c:[issuer==\"AttestationService\"] => add(claim=c);", &json!({"pcrs": "x"})),
        Ok(json!({}))
    );
}

#[test]
fn a_read_only_value_stays_read_only_under_another_name() {
    let incoming = json!({"pcrs": "secret", "a": "x"});
    let read_only = |claim: &str| Err(EvalError::ReadOnlyClaim { line: 1, claim: claim.to_owned() });
    assert_eq!(
        guarded("c:[value==\"secret\"] => issue(type=\"out\", value=c.value);", &incoming),
        read_only("pcrs")
    );
    let laundered = "c:[type==\"pcrs\"] => add(type=\"b\", value=c.value); d:[type==\"b\"] => issue(type=\"out\", value=d.value);";
    assert_eq!(guarded(laundered, &incoming), read_only("b"));
    let twice = "c:[type==\"pcrs\"] => add(type=\"b\", value=c.value); d:[type==\"b\"] => issue(claim=d);";
    assert_eq!(guarded(twice, &incoming), read_only("b"));
    // Its outcome may be issued.
    let outcome = "[type==\"pcrs\", value==\"secret\"] => issue(type=\"out\", value=true);";
    assert_eq!(guarded(outcome, &incoming), Ok(json!({"out": true})));
}

#[test]
fn computed_types_must_be_one_string() {
    let incoming = json!({"n": 5, "s": ["p", "q"], "same": ["p", "p"]});
    let evaluate =
        |rules: &str| try_rules("=> permit();", rules, &incoming).map(|e| Json::Object(e.issued_json()));
    assert_eq!(
        evaluate("c:[type==\"n\"] => issue(type=c.value, value=1);"),
        Err(EvalError::TypeNotString { line: 1, kind: "Integer" })
    );
    assert_eq!(
        evaluate("c:[type==\"s\"] => issue(type=c.value, value=1);"),
        Err(EvalError::TypeNotSingle { line: 1 })
    );
    assert_eq!(evaluate("c:[type==\"same\"] => issue(type=c.value, value=1);"), Ok(json!({"p": 1})));
    assert_eq!(
        evaluate("c:[type==\"s\"] => issue(type=\"t\", value=c.value, valueType=\"Integer\");"),
        Err(EvalError::ValueTypeMismatch { line: 1, declared: "Integer", found: "String" })
    );
    assert_eq!(
        evaluate("c:[type==\"n\"] => issue(type=\"t\", value=c.value, valueType=\"Integer\");"),
        Ok(json!({"t": 5}))
    );
}

/// An error in a later rule must not turn a deny into a different answer, and never into a permit.
#[test]
fn an_error_in_authorization_refuses_but_never_hides_a_deny() {
    let incoming = json!({"n": 5});
    let faulty = "c:[type==\"n\"] => add(type=c.value, value=1);";
    let deny = "[type==\"n\"] => deny();";
    for rules in
        [format!("{deny} {faulty}"), format!("{faulty} {deny}"), format!("{faulty} => permit(); {deny}")]
    {
        assert_eq!(decide(&rules, &incoming).name(), "deny", "{rules}");
    }
    assert_eq!(
        try_rules(&format!("=> permit(); {faulty}"), "", &incoming),
        Err(EvalError::TypeNotString { line: 1, kind: "Integer" })
    );
}

#[test]
fn budgets_are_errors_that_a_deny_precedes() {
    let incoming = claims(&json!({"a": [1, 2, 3, 4], "b": 1}));
    let run = |rules: &str, limits: Limits| {
        let text = format!("version=1.0; authorizationrules {{ {rules} }};");
        evaluate(&policy(&text), &incoming, &limits).map(|evaluation| evaluation.decision.name())
    };
    let steps = |steps| Limits { steps, ..Limits::default() };
    let permit = "[type==\"b\"] => permit();";
    assert_eq!(run(permit, steps(5)), Ok("permit"));
    assert_eq!(run(permit, steps(4)), Err(EvalError::BudgetExceeded { limit: 4 }));
    assert_eq!(run(&format!("=> deny(); {permit}"), steps(4)), Ok("deny"));
    assert_eq!(run(&format!("{permit} => permit();"), steps(4)), Err(EvalError::BudgetExceeded { limit: 4 }));

    let bytes = |output_bytes| Limits { output_bytes, ..Limits::default() };
    let copy = |to: &str| format!("c:[type==\"j\"] => issue(type=\"{to}\", value=c.value);");
    let copies = policy(&format!(
        "version=1.0; authorizationrules{{=> permit();}}; issuancerules{{{}{}}};",
        copy("a"),
        copy("b")
    ));
    let big = claims(&json!({"j": {"member": "x".repeat(1000)}}));
    assert_eq!(evaluate(&copies, &big, &bytes(1500)), Err(EvalError::OutputTooLarge { limit: 1500 }));
    assert!(evaluate(&copies, &big, &bytes(2200)).is_ok());

    let some = |claims| Limits { claims, ..Limits::default() };
    assert_eq!(run("=> permit();", some(4)), Err(EvalError::TooManyClaims { limit: 4 }));
    assert_eq!(run("=> permit();", some(5)), Ok("permit"));
    let copy = "c:[type==\"a\"] => add(type=\"x\", value=c.value); => permit();";
    assert_eq!(run(copy, some(8)), Err(EvalError::TooManyClaims { limit: 8 }));
    assert_eq!(run(copy, some(9)), Ok("permit"));
    // Equal values make one claim.
    let kinds = "c:[type==\"a\"] => add(type=\"x\", value=c.valueType); => permit();";
    assert_eq!(run(kinds, some(6)), Ok("permit"));
}

/// A policy that doubles its claims with every rule meets the limit on claims, not the end of memory.
#[test]
fn doubling_claims_is_stopped() {
    let rules: String = (0..64)
        .map(|number| {
            let next = number + 1;
            format!("c:[type==\"t\", value!={number}] => add(type=\"t\", value=c.value); => add(type=\"t\", value={next});")
        })
        .collect();
    let text = format!("version=1.0; authorizationrules {{ {rules} }};");
    let limits = Limits { claims: 200, ..Limits::default() };
    let outcome = evaluate(&policy(&text), &claims(&json!({"t": [100, 101, 102]})), &limits);
    assert_eq!(outcome, Err(EvalError::TooManyClaims { limit: 200 }));
}

#[test]
fn errors_have_codes_and_help() {
    let error =
        try_rules("=> permit();", "c:[type==\"n\"] => issue(type=c.value, value=1);", &json!({"n": 5}));
    let error = error.unwrap_err();
    assert_eq!(error.code(), "type-not-string");
    assert_eq!(
        error.to_string(),
        "the rule on line 1 makes a claim whose type is of the kind Integer, not String"
    );
    assert_eq!(error.help(), Some("use a string for the claim type"));
}

#[test]
fn claims_come_from_json() {
    let set = claims(&json!({"a": [1, "x", {"k": 1}, null, [2]], "b": null, "c": {}, "d": true}));
    let read: Vec<(&str, Json)> = set.iter().map(|c| (c.claim_type.as_ref(), c.value.to_json())).collect();
    assert_eq!(
        read,
        [
            ("a", json!(1)),
            ("a", json!("x")),
            ("a", json!({"k": 1})),
            ("a", json!([2])),
            ("c", json!({})),
            ("d", json!(true))
        ]
    );
    let fail = |json: Json| ClaimSet::from_json_object(&json, Issuer::CustomClaim).unwrap_err();
    assert_eq!(fail(json!([])), EvalError::ClaimsNotAnObject);
    assert_eq!(fail(json!({"a": 1.5})), EvalError::NumberNotAnInteger { claim: "a".to_owned() });
    assert_eq!(fail(json!({"a": [u64::MAX]})), EvalError::NumberNotAnInteger { claim: "a".to_owned() });
    assert_eq!(fail(json!({"a": vec![0; 100_001]})), EvalError::TooManyClaims { limit: 100_000 });
}

#[test]
fn a_trace_says_what_happened_to_each_rule() {
    let text = "version=1.0;
authorizationrules {
  [type==\"a\"] && [type==\"svn\", value>=5] => permit();
  => permit();
};
issuancerules {
  c:[type==\"a\"] => issue(claim=c);
  c:[type==\"svn\"] => issue(type=\"svn2\", value=c.value);
};";
    let incoming = claims(&json!({"a": "x", "svn": [1, 2, 3, 4]}));
    let policy = policy(text);
    let evaluation = evaluate_traced(&policy, &incoming, &Limits::default()).unwrap();
    let plain = evaluate(&policy, &incoming, &Limits::default()).unwrap();
    assert_eq!(plain.trace, None);
    assert_eq!(Evaluation { trace: None, ..evaluation.clone() }, plain);
    let trace = evaluation.trace.unwrap();
    assert_eq!(trace.entries[1].section, SectionKind::Authorization);
    let service =
        |name: &str, value: i64| json!({"type": name, "value": value, "issuer": "AttestationService"});
    let made = |value: i64| json!({"type": "svn2", "value": value, "issuer": "AttestationPolicy"});
    let entry = |section: &str, line: u32, text: &str, produced: Json| {
        json!({"section": section, "line": line, "column": 3, "text": text, "fired": true, "failed": null,
            "nearest": [], "produced": produced})
    };
    let expected = json!([
        {"section": "authorizationrules", "line": 3, "column": 3,
            "text": "[type==\"a\"] && [type==\"svn\", value>=5] => permit();", "fired": false,
            "failed": {"line": 3, "column": 18, "text": "[type==\"svn\", value>=5]"},
            "nearest": [service("svn", 1), service("svn", 2), service("svn", 3)], "produced": []},
        entry("authorizationrules", 4, "=> permit();", json!([])),
        entry("issuancerules", 7, "c:[type==\"a\"] => issue(claim=c);",
            json!([{"type": "a", "value": "x", "issuer": "AttestationService"}])),
        entry("issuancerules", 8, "c:[type==\"svn\"] => issue(type=\"svn2\", value=c.value);",
            json!([made(1), made(2), made(3), made(4)])),
    ]);
    assert_eq!(serde_json::to_value(&trace).unwrap(), expected);
}

#[test]
fn policies_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&policy("version=1.0; authorizationrules { => permit(); };"));
}
