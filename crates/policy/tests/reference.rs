//! The evaluator against a second one, written to be obvious: whole sets are copied, nothing is resolved or
//! shared, and it reads its own tree rather than the text.

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

use std::fmt::Write as _;

use assay_policy::{
    Claim, ClaimSet, Decision, DenyReason, Issuer, Limits, Severity, Value, Vocabulary, compile, evaluate,
    evaluate_traced,
};
use proptest::prelude::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const PROPERTIES: [&str; 4] = ["type", "value", "valueType", "issuer"];

#[derive(Clone, Debug)]
enum Expr {
    Literal(Value),
    /// Property of the claims that the condition with this number binds.
    Bound(usize, &'static str),
}

#[derive(Clone, Debug)]
struct Test {
    property: &'static str,
    operator: &'static str,
    operand: Expr,
}

#[derive(Clone, Debug)]
enum Action {
    Permit,
    Deny,
    Copy(&'static str, usize),
    Make(&'static str, String, Expr),
}

#[derive(Clone, Debug)]
struct Rule {
    conditions: Vec<Vec<Test>>,
    action: Action,
}

#[derive(Clone, Debug)]
struct Policy {
    configuration: Vec<Rule>,
    authorization: Vec<Rule>,
    issuance: Vec<Rule>,
}

// ---- printing ----

fn print_expr(expr: &Expr) -> String {
    match expr {
        Expr::Literal(Value::String(text)) => {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        }
        Expr::Literal(Value::Integer(number)) => number.to_string(),
        Expr::Literal(Value::Boolean(truth)) => truth.to_string(),
        Expr::Literal(Value::Json(_)) => panic!("not a literal"),
        Expr::Bound(number, property) => format!("i{number}.{property}"),
    }
}

fn print_rule(rule: &Rule) -> String {
    let conditions: Vec<String> = rule
        .conditions
        .iter()
        .enumerate()
        .map(|(number, tests)| {
            let tests: Vec<String> = tests
                .iter()
                .map(|test| format!("{} {} {}", test.property, test.operator, print_expr(&test.operand)))
                .collect();
            format!("i{number}:[{}]", tests.join(", "))
        })
        .collect();
    let action = match &rule.action {
        Action::Permit => "permit()".to_owned(),
        Action::Deny => "deny()".to_owned(),
        Action::Copy(verb, number) => format!("{verb}(claim = i{number})"),
        Action::Make(verb, name, value) => format!("{verb}(type=\"{name}\", value={})", print_expr(value)),
    };
    format!("  {} => {action};\n", conditions.join("\n  && "))
}

fn print(policy: &Policy) -> String {
    let mut text = "version=1.1;\n".to_owned();
    for (name, rules) in [
        ("configurationrules", &policy.configuration),
        ("authorizationrules", &policy.authorization),
        ("issuancerules", &policy.issuance),
    ] {
        let rules: String = rules.iter().map(print_rule).collect();
        write!(text, "{name} {{\n{rules}}};\n").unwrap();
    }
    text
}

// ---- the reference ----

fn read(claim: &Claim, property: &str) -> Value {
    match property {
        "type" => Value::String(claim.claim_type.clone()),
        "value" => claim.value.clone(),
        "valueType" => Value::from(match claim.value {
            Value::String(_) => "String",
            Value::Integer(_) => "Integer",
            Value::Boolean(_) => "Boolean",
            Value::Json(_) => "JSON",
        }),
        "issuer" => Value::from(match claim.issuer {
            Issuer::AttestationService => "AttestationService",
            Issuer::AttestationPolicy => "AttestationPolicy",
            Issuer::CustomClaim => "CustomClaim",
        }),
        other => panic!("{other}"),
    }
}

fn values(expr: &Expr, bound: &[Vec<Claim>]) -> Vec<Value> {
    match expr {
        Expr::Literal(value) => vec![value.clone()],
        Expr::Bound(number, property) => bound[*number].iter().map(|claim| read(claim, property)).collect(),
    }
}

fn holds(left: &Value, operator: &str, right: &Value) -> bool {
    match (operator, left, right) {
        ("==", _, _) => left == right,
        ("!=", _, _) => left != right,
        ("<", Value::Integer(left), Value::Integer(right)) => left < right,
        ("<=", Value::Integer(left), Value::Integer(right)) => left <= right,
        (">", Value::Integer(left), Value::Integer(right)) => left > right,
        (">=", Value::Integer(left), Value::Integer(right)) => left >= right,
        _ => false,
    }
}

/// The claims bound by each condition, if all conditions hold.
fn matches(rule: &Rule, set: &[Claim]) -> Option<Vec<Vec<Claim>>> {
    let mut bound: Vec<Vec<Claim>> = Vec::new();
    for tests in &rule.conditions {
        let passes = |claim: &&Claim| {
            tests.iter().all(|test| {
                let right = values(&test.operand, &bound);
                right.iter().any(|right| holds(&read(claim, test.property), test.operator, right))
            })
        };
        let found: Vec<Claim> = set.iter().filter(passes).cloned().collect();
        if found.is_empty() {
            return None;
        }
        bound.push(found);
    }
    Some(bound)
}

type Groups = Vec<(String, Vec<Value>)>;

fn group(groups: &mut Groups, claim: &Claim) {
    let name = claim.claim_type.to_string();
    if !groups.iter().any(|(known, _)| *known == name) {
        groups.push((name.clone(), Vec::new()));
    }
    let (_, values) = groups.iter_mut().find(|(known, _)| *known == name).unwrap();
    if !values.contains(&claim.value) {
        values.push(claim.value.clone());
    }
}

#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// Section and number of the deciding rule, and whether it permits.
    decision: Option<(bool, usize)>,
    issued: Groups,
    properties: Groups,
    /// Which rules fired, in the order of evaluation.
    fired: Vec<bool>,
}

fn run(rules: &[Rule], set: &mut Vec<Claim>, outcome: &mut Outcome) {
    for (number, rule) in rules.iter().enumerate() {
        let bound = matches(rule, set);
        outcome.fired.push(bound.is_some());
        let Some(bound) = bound else { continue };
        let (verb, claims) = match &rule.action {
            Action::Permit => {
                outcome.decision = outcome.decision.or(Some((true, number)));
                continue;
            }
            Action::Deny => {
                if !matches!(outcome.decision, Some((false, _))) {
                    outcome.decision = Some((false, number));
                }
                continue;
            }
            Action::Copy(verb, number) => (verb, bound[*number].clone()),
            Action::Make(verb, name, value) => {
                let make = |value| Claim {
                    claim_type: name.as_str().into(),
                    value,
                    issuer: Issuer::AttestationPolicy,
                };
                (verb, values(value, &bound).into_iter().map(make).collect())
            }
        };
        for claim in claims {
            match *verb {
                "issue" => group(&mut outcome.issued, &claim),
                "issueproperty" => group(&mut outcome.properties, &claim),
                _ => {}
            }
            // A set: what it has already changes nothing.
            if !set.contains(&claim) {
                set.push(claim);
            }
        }
    }
}

fn reference(policy: &Policy, incoming: &[Claim]) -> Outcome {
    let mut set = incoming.to_vec();
    let mut outcome = Outcome::default();
    run(&policy.configuration, &mut set, &mut outcome);
    run(&policy.authorization, &mut set, &mut outcome);
    if matches!(outcome.decision, Some((true, _))) {
        run(&policy.issuance, &mut set, &mut outcome);
    }
    outcome
}

// ---- random policies and claims ----

fn literal() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (-1_i64..4).prop_map(Value::from),
        2 => any::<bool>().prop_map(Value::from),
        4 => prop::sample::select(vec!["a", "b", "x", "x\"\\", "ä", "Integer", "AttestationService"])
            .prop_map(Value::from),
    ]
}

fn expr(conditions: usize) -> BoxedStrategy<Expr> {
    let literal = literal().prop_map(Expr::Literal);
    if conditions == 0 {
        return literal.boxed();
    }
    let bound = (0..conditions, prop::sample::select(&PROPERTIES[..]))
        .prop_map(|(number, property)| Expr::Bound(number, property));
    prop_oneof![2 => literal, 2 => bound].boxed()
}

fn test(conditions: usize) -> BoxedStrategy<Test> {
    let name = prop::sample::select(&NAMES[..]).prop_map(|name| Test {
        property: "type",
        operator: "==",
        operand: Expr::Literal(Value::from(name)),
    });
    let equality = prop::sample::select(vec!["==", "!="]);
    let any = (prop::sample::select(&PROPERTIES[..]), equality, expr(conditions))
        .prop_map(|(property, operator, operand)| Test { property, operator, operand });
    let order = (prop::sample::select(vec!["<", "<=", ">", ">="]), expr(conditions), -1_i64..4).prop_map(
        |(operator, operand, number)| {
            // A literal must be an integer here; anything else is an error of the policy.
            let operand = match operand {
                Expr::Literal(_) => Expr::Literal(Value::from(number)),
                bound => bound,
            };
            Test { property: "value", operator, operand }
        },
    );
    prop_oneof![5 => name, 3 => any, 2 => order].boxed()
}

fn conditions() -> BoxedStrategy<Vec<Vec<Test>>> {
    (0_usize..4)
        .prop_flat_map(|count| {
            let each: Vec<_> = (0..count).map(|number| prop::collection::vec(test(number), 1..4)).collect();
            each
        })
        .boxed()
}

fn rule(verbs: &'static [&'static str], decides: bool) -> BoxedStrategy<Rule> {
    conditions()
        .prop_flat_map(move |conditions| {
            let count = conditions.len();
            let verb = || prop::sample::select(verbs);
            let make = (verb(), prop::sample::select(&NAMES[..]), expr(count))
                .prop_map(|(verb, name, value)| Action::Make(verb, name.to_owned(), value));
            let mut actions = vec![make.boxed()];
            if count > 0 {
                actions
                    .push((verb(), 0..count).prop_map(|(verb, number)| Action::Copy(verb, number)).boxed());
            }
            if decides {
                actions.push(Just(Action::Permit).boxed());
                actions.push(Just(Action::Permit).boxed());
                actions.push(Just(Action::Deny).boxed());
            }
            prop::strategy::Union::new(actions)
                .prop_map(move |action| Rule { conditions: conditions.clone(), action })
        })
        .boxed()
}

fn policy() -> impl Strategy<Value = Policy> {
    let section = |verbs, decides, most| prop::collection::vec(rule(verbs, decides), 0..most);
    (
        section(&["issueproperty"], false, 2),
        section(&["add"], true, 6),
        section(&["add", "issue", "issueproperty"], false, 6),
    )
        .prop_map(|(configuration, authorization, issuance)| Policy {
            configuration,
            authorization,
            issuance,
        })
}

fn incoming() -> impl Strategy<Value = Vec<Claim>> {
    let json = prop::sample::select(vec!["{}", "{\"k\":1}", "[1]"])
        .prop_map(|text| Value::Json(std::sync::Arc::new(serde_json::from_str(text).unwrap())));
    let issuer = prop::sample::select(vec![
        Issuer::AttestationService,
        Issuer::AttestationService,
        Issuer::CustomClaim,
    ]);
    let value = prop_oneof![6 => literal(), 1 => json];
    let claim = (prop::sample::select(&NAMES[..]), value, issuer).prop_map(|(name, value, issuer)| Claim {
        claim_type: name.into(),
        value,
        issuer,
    });
    prop::collection::vec(claim, 0..8)
}

fn groups(groups: Vec<(std::sync::Arc<str>, Vec<Value>)>) -> Groups {
    groups.into_iter().map(|(name, values)| (name.to_string(), values)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3_000) })]

    #[test]
    fn the_evaluator_agrees_with_the_reference(policy in policy(), incoming in incoming()) {
        let text = print(&policy);
        let compiled = compile(&text, &Vocabulary::UNTYPED);
        let errors: Vec<_> =
            compiled.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
        prop_assert!(errors.is_empty(), "{text}\n{errors:?}");
        let compiled = compiled.policy.unwrap();
        let set: ClaimSet = incoming.iter().cloned().collect();

        let traced = evaluate_traced(&compiled, &set, &Limits::default()).unwrap();
        let plain = evaluate(&compiled, &set, &Limits::default()).unwrap();
        prop_assert_eq!(&plain.decision, &traced.decision);
        prop_assert_eq!(&plain.issued, &traced.issued);
        prop_assert_eq!(&plain.properties, &traced.properties);

        let expected = reference(&policy, &incoming);
        let decision = match &plain.decision {
            Decision::Permit { rule } => Some((true, rule)),
            Decision::Deny { reason: DenyReason::Rule(rule) } => Some((false, rule)),
            Decision::Deny { reason: DenyReason::NoPermit } => None,
        };
        let decision = decision.map(|(permits, rule)| (permits, rule.text.to_string()));
        let expected_decision = expected.decision.map(|(permits, number)| {
            (permits, print_rule(&policy.authorization[number]).trim().to_owned())
        });
        prop_assert_eq!(decision, expected_decision, "{}", text);
        prop_assert_eq!(groups(plain.issued), expected.issued, "{}", text);
        prop_assert_eq!(groups(plain.properties), expected.properties, "{}", text);
        let fired: Vec<bool> = traced.trace.unwrap().entries.iter().map(|entry| entry.fired).collect();
        prop_assert_eq!(fired, expected.fired, "{}", text);
    }
}
