//! `assay policy hash`.

use std::process::ExitCode;

use crate::document::Node;
use crate::failure::Failure;
use crate::output::{Format, Output};

/// Print the hashes by which tokens and answers name a policy
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: compare with `x-ms-policy-hash` of a token:\n  assay policy hash policy.txt"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: super::Source,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let raw = crate::input::read_text(&arguments.source.file)?;
    let (text, document) = if raw.trim_start().starts_with("eyJ") {
        let document = raw.trim().to_owned();
        let text = super::inner_text(&document);
        let text = text
            .map_err(|problem| Failure::new(format!("`{}`: {problem}", arguments.source.file.display())))?;
        (text, document)
    } else {
        let document = super::unsigned_document(&raw);
        (raw, document)
    };
    let policy_hash = assay_appraisal::policy_hash(&text);
    let token_hash = assay_token::base64url::encode(&assay_token::sha256(document.as_bytes()));
    match output.format(arguments.format) {
        Format::Json => output.json(&Node::section([
            ("x-ms-policy-hash", Node::from(policy_hash)),
            ("x-ms-policy-token-hash", Node::from(token_hash)),
            ("document", Node::from(document)),
        ]))?,
        Format::Text => {
            output.line(&format!("x-ms-policy-hash:       {policy_hash}"));
            output.line(&format!("x-ms-policy-token-hash: {token_hash}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}
