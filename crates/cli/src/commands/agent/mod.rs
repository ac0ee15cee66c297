//! `assay agent`: what runs on the nodes of a fleet.

mod thim;

use std::process::ExitCode;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;

/// Run on a node what its guests ask for
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: a node gives its guests the certificates of its processor:
  assay agent thim --upstream https://assay.example --cache /var/cache/assay-agent-thim")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Thim(thim::Arguments),
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    match &arguments.action {
        Action::Thim(arguments) => thim::run(arguments, output),
    }
}
