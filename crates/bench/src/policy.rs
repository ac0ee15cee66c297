//! Policies: eight rules over twenty claims, beside the same rules in Rego.

use std::sync::Arc;

use assay_appraisal::AttestationType;
use assay_appraisal::claims::vocabulary;
use assay_policy::{ClaimSet, Decision, Issuer, Limits, Policy, compile, evaluate};
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{CompiledPolicy, Engine, Value};
use serde_json::json;

use crate::Failure;
use crate::measure::{Contender, Plan, interleave};
use crate::report::{Goal, Row};

const EVAL: &str = "policy-eval";
const PARSE: &str = "policy-parse";
pub(crate) const CASES: [&str; 2] = [EVAL, PARSE];

const TEXT: &str = include_str!("policy.assay");
const REGO: &str = include_str!("policy.rego");
const REGO_RULE: &str = "data.bench.decision";

pub(crate) fn rows(plan: Plan) -> Result<Vec<Row>, Failure> {
    Ok(vec![eval(plan)?, parse(plan)?])
}

/// Twenty claims: an array is a claim with several values.
fn claims() -> serde_json::Value {
    json!({
        "x-ms-attestation-type": "sgx",
        "x-ms-sgx-is-debuggable": false,
        "x-ms-sgx-product-id": 1,
        "x-ms-sgx-svn": 3,
        "x-ms-sgx-mrenclave": "e1".repeat(32),
        "x-ms-sgx-mrsigner": "51".repeat(32),
        "x-ms-sgx-report-data": "0d".repeat(64),
        "x-ms-sgx-collateral": {"quotehash": "aa".repeat(32), "tcbinfohash": "bb".repeat(32)},
        "x-ms-sgx-config-id": "00".repeat(64),
        "x-ms-sgx-config-svn": 0,
        "x-ms-sgx-isv-extended-product-id": "00".repeat(16),
        "x-ms-sgx-isv-family-id": "00".repeat(16),
        "x-ms-runtime": {"keys": [{"kty": "EC", "crv": "P-256", "kid": "enclave-key"}]},
        "x-ms-inittime": {"mode": "strict"},
        "x-assay-tcb-status": "UpToDate",
        "x-assay-tcb-eval-number": 17,
        "x-assay-freshness": "caller-bound",
        "x-assay-advisories": ["INTEL-SA-00001", "INTEL-SA-00002", "INTEL-SA-00003"],
    })
}

fn eval(plan: Plan) -> Result<Row, Failure> {
    let policy = compiled().ok_or("the policy does not compile")?;
    let claims = claims();
    let set = ClaimSet::from_json_object(&claims, Issuer::AttestationService)?;
    if set.len() != 20 {
        return Err(format!("there are {} claims, not 20", set.len()).into());
    }
    let mut machine = Rego::new(&claims)?;
    let interpreter = Rego::new(&claims)?;
    let issued = serde_json::Value::Object(decide(&policy, &set).ok_or("the policy does not permit")?);
    for decision in [machine.execute(), interpreter.interpret()] {
        if issued != serde_json::to_value(decision.ok_or("Rego does not permit")?)? {
            return Err("the two policies issue different claims".into());
        }
    }
    let limits = Limits::default();
    let assay = Contender::new("assay", || {
        let evaluation = evaluate(&policy, &set, &limits).ok()?;
        matches!(evaluation.decision, Decision::Permit { .. }).then_some(evaluation)
    });
    let machine = Contender::new("regorus, virtual machine", || machine.execute());
    let interpreter = Contender::new("regorus, interpreter", || interpreter.interpret());
    let [assay, machine, interpreter] = interleave(plan, [assay, machine, interpreter])?;
    Ok(Row::new(EVAL, "us", assay)
        .beside(
            "regorus 0.14.1, the same rules in Rego, compiled once; the quicker of its interpreter and its virtual machine",
            machine.min(interpreter),
        )
        .promised(&[Goal::AtMost(5.0), Goal::Ratio(5.0)]))
}

fn parse(plan: Plan) -> Result<Row, Failure> {
    let engine = Engine::new();
    let assay = Contender::new("assay", compiled);
    let peer = Contender::new("regorus", || {
        let mut engine = engine.clone();
        engine.add_policy("bench.rego".to_owned(), REGO.to_owned()).ok()?;
        Some(engine)
    });
    let [assay, peer] = interleave(plan, [assay, peer])?;
    Ok(Row::new(PARSE, "us", assay)
        .beside("regorus 0.14.1 parses the same rules in Rego; Assay also checks names and types", peer))
}

fn compiled() -> Option<Policy> {
    compile(TEXT, &vocabulary(AttestationType::SgxEnclave)).policy
}

fn decide(policy: &Policy, claims: &ClaimSet) -> Option<serde_json::Map<String, serde_json::Value>> {
    let evaluation = evaluate(policy, claims, &Limits::default()).ok()?;
    matches!(evaluation.decision, Decision::Permit { .. }).then(|| evaluation.issued_json())
}

/// The peer, ready to decide: compiled once, input converted once.
struct Rego {
    interpreted: CompiledPolicy,
    machine: RegoVM,
    input: Value,
}

impl Rego {
    fn new(claims: &serde_json::Value) -> Result<Self, Failure> {
        let mut engine = Engine::new();
        engine.add_policy("bench.rego".to_owned(), REGO.to_owned())?;
        let interpreted = engine.compile_with_entrypoint(&Arc::from(REGO_RULE))?;
        let mut machine = RegoVM::new();
        machine.load_program(Compiler::compile_from_policy(&interpreted, &[REGO_RULE])?);
        machine.set_data(Value::new_object())?;
        Ok(Self { interpreted, machine, input: Value::from(claims.clone()) })
    }

    /// What its interpreter issues; `None` if it does not permit.
    fn interpret(&self) -> Option<Value> {
        let decision = self.interpreted.eval_with_input(self.input.clone()).ok()?;
        decision.as_object().is_ok().then_some(decision)
    }

    /// What its virtual machine issues; `None` if it does not permit.
    fn execute(&mut self) -> Option<Value> {
        self.machine.set_input(self.input.clone());
        let decision = self.machine.execute_entry_point_by_index(0).ok()?;
        decision.as_object().is_ok().then_some(decision)
    }
}
