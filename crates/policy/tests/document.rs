//! What `docs/policy-language.md` shows is true.

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

use assay_policy::limits::{MAX_CLAIMS, MAX_CONDITIONS, MAX_DEPTH, MAX_DIAGNOSTICS, MAX_RULES, MAX_STEPS};
use assay_policy::{ClaimSet, EvalError, Issuer, Limits, Policy, Vocabulary, compile, evaluate};
use serde_json::{Value as Json, json};

const DOCUMENT: &str = include_str!("../../../docs/policy-language.md");

/// The fenced blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let opening = format!("```{language}\n");
    DOCUMENT.split(opening.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

fn policies() -> Vec<Policy> {
    blocks("policy")
        .into_iter()
        .map(|text| {
            let compiled = compile(text, &Vocabulary::UNTYPED);
            assert_eq!(compiled.diagnostics, [], "{text}");
            compiled.policy.unwrap()
        })
        .collect()
}

fn claims(json: &Json, issuer: Issuer) -> ClaimSet {
    ClaimSet::from_json_object(json, issuer).unwrap()
}

#[test]
fn the_examples_do_what_is_said() {
    let policies = policies();
    let [first, alternatives, identifier] = policies.as_slice() else { panic!("{}", policies.len()) };
    let decide = |policy, claims: &ClaimSet| evaluate(policy, claims, &Limits::default()).unwrap();

    let shown: Json = serde_json::from_str(blocks("json")[0]).unwrap();
    let evaluation = decide(first, &claims(&shown, Issuer::AttestationService));
    assert_eq!(evaluation.decision.name(), "permit");
    assert_eq!(Json::Object(evaluation.issued_json()), json!({"svn": 3, "reviewed": true}));

    let service = claims(&shown, Issuer::AttestationService);
    assert_eq!(decide(alternatives, &service).decision.name(), "permit");
    assert_eq!(decide(alternatives, &ClaimSet::new()).decision.name(), "deny");

    let mut both = claims(&json!({"build": [4, 5]}), Issuer::AttestationService);
    assert_eq!(decide(identifier, &both).decision.name(), "deny");
    for claim in &claims(&json!({"approved-build": [5, 6]}), Issuer::CustomClaim) {
        both.push(claim.clone());
    }
    assert_eq!(decide(identifier, &both).decision.name(), "permit");
}

#[test]
fn the_limits_are_those_in_force() {
    assert_eq!((MAX_RULES, MAX_CONDITIONS, MAX_DEPTH), (10_000, 64, 64));
    assert_eq!((MAX_CLAIMS, MAX_STEPS, MAX_DIAGNOSTICS), (100_000, 2_000_000, 100));
    for row in [
        "| text | 1 MiB |",
        "| rules | 10,000 |",
        "| conditions in a rule | 64 |",
        "| claims, incoming and made | 100,000 |",
    ] {
        assert!(DOCUMENT.contains(row), "{row}");
    }
}

#[test]
fn the_evaluation_errors_are_listed() {
    let (line, claim, limit) = (1, String::new(), 1);
    let errors = [
        EvalError::ClaimsNotAnObject,
        EvalError::NumberNotAnInteger { claim: claim.clone() },
        EvalError::TooManyClaims { limit },
        EvalError::BudgetExceeded { limit: 1 },
        EvalError::OutputTooLarge { limit },
        EvalError::TypeNotString { line, kind: "" },
        EvalError::TypeNotSingle { line },
        EvalError::ValueTypeMismatch { line, declared: "", found: "" },
        EvalError::ReservedClaim { line, claim: claim.clone() },
        EvalError::ReadOnlyClaim { line, claim },
    ];
    let table = DOCUMENT.split_once("## Errors of an evaluation").unwrap().1;
    let listed: Vec<&str> =
        table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(listed, errors.each_ref().map(EvalError::code));
    assert!(errors.iter().all(|error| error.help().is_some()));
}
