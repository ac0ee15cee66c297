//! `assay inspect`: decodes without judging.

mod amd;
mod certificate;
mod hcl;
mod sgx;
mod snp;
mod token;
mod uvm;

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
    Snp,
    HclReport,
    Uvm,
    Certificate,
    Token,
}

const KINDS: KindParser<Kind> = KindParser {
    known: &[
        ("sgx", Kind::Sgx),
        ("open-enclave", Kind::OpenEnclave),
        ("snp", Kind::Snp),
        // The evidence of such a machine is its paravisor's report.
        ("azure-cvm", Kind::HclReport),
        ("hcl-report", Kind::HclReport),
        ("uvm", Kind::Uvm),
        ("certificate", Kind::Certificate),
        ("token", Kind::Token),
    ],
    later: &["tdx", "tpm", "vbs", "event-log"],
};

/// Decode evidence, endorsements, certificates or tokens, without judging them
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what a quote says:
  assay inspect sgx evidence/evidence.bin --format text

Example: what a confidential VM's report says, and the certificates with it:
  assay inspect snp report.bin --format text

Example: what the paravisor of a confidential VM on Azure says of the machine:
  assay inspect hcl-report hcl-report.bin

Example: who endorsed the image of a confidential container:
  assay inspect uvm uvm-endorsement.cose

Example: the chain of a server, or the chip and TCB that an endorsement key is for:
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
        Kind::Snp => snp::evidence(&input::read(file)?),
        Kind::HclReport => hcl::evidence(&input::read(file)?),
        Kind::Uvm => uvm::endorsement(&input::read(file)?),
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
