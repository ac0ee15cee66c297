//! `assay config`.

mod check;
mod place;
mod rotate;

use std::process::ExitCode;

use assay_service::config::ConfigError;
use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;
use crate::remote::TOKEN_VARIABLE;

pub(super) use check::check_master_key;
pub(super) use place::Place;

/// Every setting, commented.
const EXAMPLE: &str = include_str!("../config-example.toml");

/// Check and explain the configuration of the service
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: start a configuration, and check it:
  assay config example > assay.toml
  assay config check --config assay.toml")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Check(check::Arguments),
    Example(ExampleArguments),
    RotateMasterKey(rotate::Arguments),
}

/// Print a commented configuration with every setting
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: start a configuration:\n  assay config example > assay.toml")]
struct ExampleArguments {}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    match &arguments.action {
        Action::Check(arguments) => check::run(arguments, output),
        Action::Example(ExampleArguments {}) => {
            output.data(EXAMPLE);
            Ok(ExitCode::SUCCESS)
        }
        Action::RotateMasterKey(arguments) => rotate::run(arguments, output),
    }
}

/// The process's environment as the service reads it. The caller's bearer token is no setting of the service.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).filter(|(name, _)| name != TOKEN_VARIABLE)
}

/// Set by systemd, for the service alone (systemd.exec(5), "Credentials").
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Where systemd puts the credentials of the unit in `deploy/systemd` (systemd.exec(5), "Credentials").
const UNIT_CREDENTIALS: &str = "/run/credentials/assay.service";

/// As [`environment`], for commands that an operator runs beside the service: there systemd gives no credentials, so the
/// place where the service finds them is filled in.
fn operator_environment() -> impl Iterator<Item = (String, String)> {
    let missing = std::env::var_os(CREDENTIALS).is_none();
    let place = missing.then(|| (CREDENTIALS.to_owned(), UNIT_CREDENTIALS.to_owned()));
    environment().chain(place)
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let lines: Vec<String> = error.lines().iter().map(|line| crate::style::visible(line)).collect();
        unusable(&lines)
    }
}

/// A configuration that cannot be used, with one line per problem.
fn unusable(lines: &[String]) -> Failure {
    match lines {
        [single] => Failure::configuration(single.as_str()),
        several => {
            Failure::configuration(format!("the configuration cannot be used:\n  {}", several.join("\n  ")))
        }
    }
}
