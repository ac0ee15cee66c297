//! `assay policy eval`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use assay_policy::{
    ClaimSet, Decision, EvalError, Evaluation, Issuer, Limits, Policy, Severity, evaluate_traced,
};
use serde_json::{Value, json};

use crate::failure::{Failure, NOT_GOOD};
use crate::input;
use crate::output::{Format, Output};
use crate::style::{Mark, visible};

/// Evaluate a policy over claims: exit code 0 when it permits, 1 when it denies
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: does the policy let this enclave in?
  echo '{\"x-ms-sgx-is-debuggable\": false, \"x-ms-sgx-svn\": 2}' > claims.json
  assay policy eval policy.txt --claims claims.json --format json

In CLAIMS, an array is a claim with several values, and an object is a JSON claim.")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: super::Source,
    /// File with a JSON object of claims; `-` is standard input
    #[arg(long, value_name = "CLAIMS")]
    claims: PathBuf,
    #[command(flatten)]
    options: super::Options,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let path = &arguments.source.file;
    if input::is_stdin(path) && input::is_stdin(&arguments.claims) {
        return Err(Failure::new("policy and claims cannot both come from standard input"));
    }
    let text = super::read_policy(path)?;
    let policy = usable(&text, path, arguments, output)?;
    let claims = read_claims(&arguments.claims)?;
    let result = evaluate_traced(&policy, &claims, &Limits::default());
    let permitted = matches!(&result, Ok(Evaluation { decision: Decision::Permit { .. }, .. }));
    let answer = answer(&result);
    match output.format(arguments.options.format) {
        Format::Json => output.json(&answer)?,
        Format::Text => explain(&result, &answer, output),
    }
    Ok(if permitted { ExitCode::SUCCESS } else { ExitCode::from(NOT_GOOD) })
}

fn usable(text: &str, path: &Path, arguments: &Arguments, output: &Output) -> Result<Policy, Failure> {
    let compiled = super::compile(text, arguments.options.kind);
    if let Some(policy) = compiled.policy {
        return Ok(policy);
    }
    let errors: Vec<_> =
        compiled.diagnostics.into_iter().filter(|found| found.severity == Severity::Error).collect();
    output.talk(super::check::render(text, path, &errors, output.talk_style()));
    Err(Failure::new(format!("`{}` is not a policy that can be evaluated", path.display())))
}

fn read_claims(path: &Path) -> Result<ClaimSet, Failure> {
    let json = assay_json::parse(&input::read(path)?, &assay_json::Limits::default());
    let json = json.map_err(|error| Failure::new(format!("`{}`: {error}", path.display())))?;
    ClaimSet::from_json_object(&json, Issuer::AttestationService).map_err(|error| {
        let failure = Failure::new(format!("`{}`: {error}", path.display()));
        failure.help(error.help().unwrap_or("correct the claims"))
    })
}

/// The JSON form. An evaluation that fails permits nothing, so it is a denial with an error.
fn answer(result: &Result<Evaluation, EvalError>) -> Value {
    match result {
        Ok(evaluation) => json!({
            "decision": evaluation.decision.name(),
            "issued": evaluation.issued_json(),
            "properties": evaluation.properties_json(),
            "rule": evaluation.decision.rule().map(|rule| json!({
                "line": rule.line, "column": rule.column, "text": rule.text.as_ref()
            })),
            "trace": evaluation.trace,
        }),
        Err(error) => json!({
            "decision": "deny",
            "issued": {},
            "properties": {},
            "rule": null,
            "trace": [],
            "error": {"code": error.code(), "message": error.to_string(), "help": error.help()},
        }),
    }
}

fn explain(result: &Result<Evaluation, EvalError>, answer: &Value, output: &mut Output) {
    let style = output.style;
    let evaluation = match result {
        Ok(evaluation) => evaluation,
        Err(error) => {
            output.line(&format!("{} deny: {}", style.mark(Mark::Bad), visible(&error.to_string())));
            return;
        }
    };
    let mark = match evaluation.decision {
        Decision::Permit { .. } => Mark::Good,
        Decision::Deny { .. } => Mark::Bad,
    };
    let why = match evaluation.decision.rule() {
        Some(rule) => format!("line {}: {}", rule.line, visible(&rule.text)),
        None => "no rule permits".to_owned(),
    };
    output.line(&format!("{} {} ({why})", style.mark(mark), evaluation.decision.name()));
    for entry in evaluation.trace.iter().flat_map(|trace| &trace.entries) {
        let (mark, why) = match &entry.failed {
            None => (Mark::Good, "fired".to_owned()),
            Some(condition) => (Mark::Skipped, format!("{} does not hold", visible(&condition.text))),
        };
        output.line(&format!("  {} line {}: {why}", style.mark(mark), entry.line));
    }
    for (name, value) in answer.get("issued").and_then(Value::as_object).into_iter().flatten() {
        output.line(&format!("  {} = {}", visible(name), visible(&value.to_string())));
    }
}
