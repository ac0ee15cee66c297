//! `assay collateral`: what vendors vouch for, and those who ask for it.

mod qcnl;

use std::process::ExitCode;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;

/// Work with vendors' collateral and its clients
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: point the quote provider library of a node at a service:
  assay collateral qcnl-config --url https://assay.example > /etc/sgx_default_qcnl.conf")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    QcnlConfig(qcnl::Arguments),
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    match &arguments.action {
        Action::QcnlConfig(arguments) => qcnl::run(arguments, output),
    }
}
