//! `assay config`.

use std::path::PathBuf;
use std::process::ExitCode;

use assay_service::config::{Config, ConfigError, Overrides};
use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;
use crate::remote::TOKEN_VARIABLE;

/// Every setting, commented.
const EXAMPLE: &str = include_str!("config-example.toml");

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
    Check(CheckArguments),
    Example(ExampleArguments),
}

/// Print the effective configuration without secrets: exit code 78 when it cannot be used
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what the service would use, with a setting from the environment:
  ASSAY_LISTEN=127.0.0.1:8443 assay config check --config assay.toml")]
struct CheckArguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "ASSAY_CONFIG")]
    config: Option<PathBuf>,
    /// Check for development mode
    #[arg(long)]
    dev: bool,
    /// Folder where the service keeps its files
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Print a commented configuration with every setting
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: start a configuration:\n  assay config example > assay.toml")]
struct ExampleArguments {}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    match &arguments.action {
        Action::Check(arguments) => {
            let overrides =
                Overrides { dev: arguments.dev, data_dir: arguments.data.clone(), ..Overrides::default() };
            let config = Config::load(arguments.config.as_deref(), environment(), &overrides)?;
            output.data(&config.to_redacted_toml());
        }
        Action::Example(ExampleArguments {}) => output.data(EXAMPLE),
    }
    Ok(ExitCode::SUCCESS)
}

/// The process's environment as the service reads it. The caller's bearer token is no setting of the service.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).filter(|(name, _)| name != TOKEN_VARIABLE)
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let lines: Vec<String> = error.lines().iter().map(|line| crate::style::visible(line)).collect();
        match lines.as_slice() {
            [single] => Self::configuration(single.as_str()),
            several => {
                Self::configuration(format!("the configuration cannot be used:\n  {}", several.join("\n  ")))
            }
        }
    }
}
