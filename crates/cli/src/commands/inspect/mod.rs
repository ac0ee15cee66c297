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
  assay inspect certificate chain.pem

Example: the token in the answer of an attest route:
  assay inspect token answer.json")]
pub(crate) struct Arguments {
    /// What the file holds
    #[arg(value_parser = KINDS)]
    kind: Kind,
    /// The file; `-` is standard input. For `token` also the token itself, or a file with the answer of an attest route
    file: PathBuf,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let file = &arguments.file;
    let tree = match arguments.kind {
        Kind::Sgx => sgx::quote(&input::read(file)?),
        Kind::OpenEnclave => sgx::open_enclave(&input::read(file)?),
        Kind::Certificate => certificate::certificates(&input::read(file)?),
        Kind::Token => token::decode(&input::token(file)?),
    };
    let tree = tree.map_err(|problem| Failure::new(format!("{}: {problem}", named(arguments))))?;
    show(&tree, arguments.format, output)?;
    Ok(ExitCode::SUCCESS)
}

/// What the input is called in an error. A token in the argument is not repeated: it may be secret, and is long.
fn named(arguments: &Arguments) -> String {
    match arguments.kind {
        Kind::Token if input::token_in(&arguments.file).is_some() => "the token".to_owned(),
        _ => format!("`{}`", arguments.file.display()),
    }
}

/// Writes a decoded document in the format asked for.
pub(crate) fn show(tree: &Node, format: Option<Format>, output: &mut Output) -> Result<(), Failure> {
    match output.format(format) {
        Format::Json => output.json(tree)?,
        Format::Text => output.data(&tree.to_text(output.style)),
    }
    Ok(())
}
