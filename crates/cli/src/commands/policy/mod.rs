//! `assay policy`: check, evaluate and hash policies here; set, get and reset them at a service.

mod check;
mod eval;
mod hash;
mod manage;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use assay_appraisal::AttestationType;
use assay_appraisal::claims::{untyped_vocabulary, vocabulary};
use assay_policy::Compiled;
use assay_token::{Limits, base64url, open_policy_jws};
use clap::Subcommand;

use crate::failure::Failure;
use crate::input;
use crate::output::{Format, Output};

pub(super) use check::render;

/// Check, try and manage attestation policies
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: find every mistake in a policy:\n  assay policy check policy.txt --type SgxEnclave"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Check(check::Arguments),
    Eval(eval::Arguments),
    Hash(hash::Arguments),
    Set(manage::SetArguments),
    Get(manage::GetArguments),
    Reset(manage::ResetArguments),
}

/// A policy to work on without a service.
#[derive(Debug, clap::Args)]
struct Source {
    /// File with the policy, as text or as the JWS that is uploaded; `-` is standard input
    file: PathBuf,
}

/// What kind of evidence the policy is for, and how to answer.
#[derive(Debug, clap::Args)]
struct Options {
    /// Kind of evidence: SgxEnclave, OpenEnclave or Tpm. Without it, names of claims that a policy
    /// reads are not checked
    #[arg(long = "type", value_name = "TYPE", value_parser = attestation_type)]
    kind: Option<AttestationType>,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    match &arguments.action {
        Action::Check(arguments) => check::run(arguments, output),
        Action::Eval(arguments) => eval::run(arguments, output),
        Action::Hash(arguments) => hash::run(arguments, output),
        Action::Set(arguments) => manage::set(arguments, output),
        Action::Get(arguments) => manage::get(arguments, output),
        Action::Reset(arguments) => manage::reset(arguments, output),
    }
}

fn attestation_type(name: &str) -> Result<AttestationType, String> {
    let names = AttestationType::ALL.map(AttestationType::as_str).join(", ");
    AttestationType::from_name(name).ok_or_else(|| format!("expected one of {names}"))
}

fn compile(text: &str, kind: Option<AttestationType>) -> Compiled {
    let vocabulary = kind.map_or_else(untyped_vocabulary, vocabulary);
    assay_policy::compile(text, &vocabulary)
}

/// Reads a policy text, or the text inside a policy document.
pub(super) fn read_policy(path: &Path) -> Result<String, Failure> {
    let text = input::read_text(path)?;
    // A policy begins with `version`, so this can only be the base64 of `{"`.
    if !text.trim_start().starts_with("eyJ") {
        return Ok(text);
    }
    inner_text(text.trim()).map_err(|problem| Failure::new(format!("`{}`: {problem}", path.display())))
}

/// The policy text in a document (Azure Attestation, "Set policy").
fn inner_text(document: &str) -> Result<String, String> {
    let document = open_policy_jws(document, &Limits::default()).map_err(|error| error.to_string())?;
    let limits = assay_json::Limits::bytes(Limits::default().max_bytes);
    let payload = assay_json::parse(document.payload(), &limits).map_err(|error| error.to_string())?;
    let encoded = payload.get("AttestationPolicy").and_then(serde_json::Value::as_str);
    let encoded = encoded.ok_or("its payload has no text `AttestationPolicy`")?;
    let text = base64url::decode_lenient(encoded).map_err(|error| error.to_string())?;
    String::from_utf8(text).map_err(|_| "the policy inside is not UTF-8".to_owned())
}

/// A policy as an unsigned document, in the form that Microsoft's SDKs upload.
pub(super) fn unsigned_document(text: &str) -> String {
    let payload = serde_json::json!({"AttestationPolicy": base64url::encode(text.as_bytes())}).to_string();
    format!("{UNSIGNED_HEADER}.{}.", base64url::encode(payload.as_bytes()))
}

/// base64url of `{"alg":"none"}`.
const UNSIGNED_HEADER: &str = "eyJhbGciOiJub25lIn0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsigned_document_carries_its_text() {
        let text = "version=1.0; authorizationrules{=> permit();}; issuancerules{};";
        let document = unsigned_document(text);
        assert_eq!(inner_text(&document), Ok(text.to_owned()));
        assert_eq!(
            inner_text("eyJhbGciOiJub25lIn0.e30."),
            Err("its payload has no text `AttestationPolicy`".to_owned())
        );
    }
}
