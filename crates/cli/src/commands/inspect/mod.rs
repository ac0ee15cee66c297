//! `assay inspect`: decodes without judging.

mod certificate;
mod sgx;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use super::kind::KindParser;
use crate::document::Node;
use crate::failure::Failure;
use crate::input;
use crate::output::{Format, Output};

/// What can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sgx,
    OpenEnclave,
    Certificate,
    Token,
}

const KINDS: KindParser<Kind> = KindParser {
    known: &[
        ("sgx", Kind::Sgx),
        ("open-enclave", Kind::OpenEnclave),
        ("certificate", Kind::Certificate),
        ("token", Kind::Token),
    ],
    later: &["tdx", "snp", "azure-cvm", "tpm", "vbs", "hcl-report", "event-log"],
};

/// Decode evidence, a certificate or a token, without judging it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what a quote says:
  assay inspect sgx evidence/evidence.bin --format text

Example: the chain of a server:
  assay inspect certificate chain.pem")]
pub(crate) struct Arguments {
    /// What the file holds
    #[arg(value_parser = KINDS)]
    kind: Kind,
    /// The file; `-` is standard input
    file: PathBuf,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let bytes = input::read(&arguments.file)?;
    let unreadable = |problem: String| Failure::new(format!("`{}`: {problem}", arguments.file.display()));
    let tree = match arguments.kind {
        Kind::Sgx => sgx::quote(&bytes),
        Kind::OpenEnclave => sgx::open_enclave(&bytes),
        Kind::Certificate => certificate::certificates(&bytes),
        Kind::Token => token::decode(&bytes),
    };
    show(&tree.map_err(unreadable)?, arguments.format, output)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a decoded document in the format asked for.
pub(crate) fn show(tree: &Node, format: Option<Format>, output: &mut Output) -> Result<(), Failure> {
    match output.format(format) {
        Format::Json => output.json(tree)?,
        Format::Text => output.data(&tree.to_text(output.style)),
    }
    Ok(())
}
