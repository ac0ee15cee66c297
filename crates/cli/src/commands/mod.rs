//! One module per command.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod collateral;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod inspect;
mod kind;
pub(crate) mod policy;
pub(crate) mod provider;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod token;
pub(crate) mod verify;

use std::process::ExitCode;

use assay_service::clock::Clock;
use assay_verify::UnixTime;

use crate::arguments::Command;
use crate::failure::Failure;
use crate::output::Output;

/// Carries out a command.
pub(crate) fn run(command: Command, output: &mut Output) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(arguments) => serve::run(&arguments, output),
        Command::Demo(arguments) => demo::run(&arguments, output),
        Command::Verify(arguments) => verify::run(&arguments, output),
        Command::Inspect(arguments) => inspect::run(&arguments, output),
        Command::Policy(arguments) => policy::run(&arguments, output),
        Command::Token(arguments) => token::run(&arguments, output),
        Command::Simulate(arguments) => simulate::run(&arguments, output),
        Command::Provider(arguments) => provider::run(&arguments, output),
        Command::Collateral(arguments) => collateral::run(&arguments, output),
        Command::Audit(arguments) => audit::run(&arguments, output),
        Command::Config(arguments) => config::run(&arguments, output),
        Command::Backup(arguments) => backup::backup(&arguments, output),
        Command::Restore(arguments) => backup::restore(&arguments, output),
        Command::Completions(arguments) => completions::run(&arguments, output),
    }
}

/// The time of the system.
fn now() -> UnixTime {
    Clock::system().now()
}
