//! `assay policy set|get|reset`: the policies of a running service, over Azure's own routes.

use std::process::ExitCode;

use assay_appraisal::AttestationType;
use assay_token::{Limits, parse};
use http::Method;
use serde_json::Value;

use crate::commands::provider::name;
use crate::document::Node;
use crate::failure::Failure;
use crate::input;
use crate::output::{Format, Output};
use crate::remote::{Body, ServiceArguments};

/// The stable version that every SDK since 2022 sends.
const API_VERSION: &str = "api-version=2022-08-01";
/// An unsigned document without a payload asks for a reset.
const UNSIGNED_RESET: &str = "eyJhbGciOiJub25lIn0..";

/// Where the policy is.
#[derive(Debug, clap::Args)]
struct Target {
    /// Kind of evidence: SgxEnclave, OpenEnclave or Tpm
    #[arg(value_name = "TYPE", value_parser = super::attestation_type)]
    kind: AttestationType,
    /// The provider; the one at the root unless given
    #[arg(long, value_name = "NAME", value_parser = name)]
    provider: Option<String>,
    #[command(flatten)]
    service: ServiceArguments,
}

/// Set the policy of a provider
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: for the default provider of a service under --dev:
  assay policy set SgxEnclave policy.txt --url https://localhost:8443 --data assay-dev")]
pub(super) struct SetArguments {
    #[command(flatten)]
    target: Target,
    /// File with the policy, as text or as a signed document
    file: std::path::PathBuf,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

/// Print the policy of a provider
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: of the default provider of a service under --dev:
  assay policy get SgxEnclave --url https://localhost:8443 --data assay-dev")]
pub(super) struct GetArguments {
    #[command(flatten)]
    target: Target,
    /// Print the document as it was set, not the text inside
    #[arg(long)]
    document: bool,
}

/// Go back to the default policy
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: for the default provider of a service under --dev:
  assay policy reset SgxEnclave --url https://localhost:8443 --data assay-dev")]
pub(super) struct ResetArguments {
    #[command(flatten)]
    target: Target,
    /// Signed document with an empty payload; isolated providers want one
    file: Option<std::path::PathBuf>,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

pub(super) fn set(arguments: &SetArguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let text = input::read_text(&arguments.file)?;
    let document = if text.trim_start().starts_with("eyJ") { text } else { super::unsigned_document(&text) };
    let result = arguments.target.call(Method::PUT, "", Body::Text(document.trim()))?;
    crate::commands::inspect::show(&Node::from(result), arguments.format, output)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn get(arguments: &GetArguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let result = arguments.target.call(Method::GET, "", Body::None)?;
    let document = result.get("x-ms-policy").and_then(Value::as_str);
    let document = document.ok_or_else(|| Failure::new("the service's answer holds no policy"))?;
    if arguments.document {
        output.line(document);
    } else {
        let text = super::inner_text(document);
        output
            .data(&text.map_err(|problem| {
                Failure::new(format!("the service's policy cannot be read: {problem}"))
            })?);
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn reset(arguments: &ResetArguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let document = match &arguments.file {
        Some(file) => input::read_text(file)?,
        None => UNSIGNED_RESET.to_owned(),
    };
    let result = arguments.target.call(Method::POST, ":reset", Body::Text(document.trim()))?;
    crate::commands::inspect::show(&Node::from(result), arguments.format, output)?;
    Ok(ExitCode::SUCCESS)
}

impl Target {
    /// Gives the claims of the answer. They are believed because the connection is secure, so the signature, which is
    /// for those who see the token later, is not checked.
    fn call(&self, method: Method, action: &str, body: Body<'_>) -> Result<Value, Failure> {
        let prefix = self.provider.as_deref().filter(|name| !name.eq_ignore_ascii_case("default"));
        let prefix = prefix.map(|name| format!("/providers/{name}")).unwrap_or_default();
        let path = format!("{prefix}/policies/{}{action}?{API_VERSION}", self.kind.as_str());
        let answer = self.service.connect()?.send_json(method, &path, body)?;
        let unreadable =
            |problem: String| Failure::new(format!("the service's answer cannot be read: {problem}"));
        let token = answer.get("token").and_then(Value::as_str);
        let token = token.ok_or_else(|| unreadable("it holds no token".to_owned()))?;
        let jws = parse(token, &Limits::default()).map_err(|error| unreadable(error.to_string()))?;
        let limits = assay_json::Limits::bytes(Limits::default().max_bytes);
        assay_json::parse(jws.payload(), &limits).map_err(|error| unreadable(error.to_string()))
    }
}
