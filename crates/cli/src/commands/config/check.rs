//! `assay config check`: everything that `assay serve` would refuse, without serving.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use assay_service::app;
use assay_service::auth::Authenticator;
use assay_service::bundle::Sequences;
use assay_service::clock::Clock;
use assay_service::config::{Config, Overrides};
use assay_service::counters::Counters;
use assay_service::keys::{self, MasterKeySource, RewrapError};
use assay_service::server::ServerCertificate;
use assay_service::upstream;
use assay_store::{MemoryStore, SqliteStore};
use assay_token::wrap::MasterKey;

use super::{CREDENTIALS, operator_environment, unusable};
use crate::failure::Failure;
use crate::output::Output;
use crate::style::visible;

/// Print the effective configuration without secrets: exit code 78 when it cannot be used
///
/// The files it names are read as well: certificate and key, the master key, certification authorities. Run it as the
/// user that runs the service.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what the service would use, with a setting from the environment:
  ASSAY_LISTEN=127.0.0.1:8443 assay config check --config assay.toml

A systemd credential is there for the service alone, so a master key that comes as one is checked when the service starts.")]
pub(super) struct Arguments {
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

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let overrides =
        Overrides { dev: arguments.dev, data_dir: arguments.data.clone(), ..Overrides::default() };
    let config = Config::load(arguments.config.as_deref(), operator_environment(), &overrides)?;
    let problems = problems(&config, output);
    if !problems.is_empty() {
        return Err(unusable(&problems));
    }
    output.data(&config.to_redacted_toml());
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with the files that the configuration names, all of it.
fn problems(config: &Config, output: &Output) -> Vec<String> {
    let mut problems = Vec::new();
    if !config.plain_http
        && !is_made(config, &config.tls.cert)
        && let Err(error) = ServerCertificate::load(&config.tls.cert, &config.tls.key)
    {
        problems.push(visible(&error.to_string()));
    }
    problems.extend(master_key_problem(config, output));
    // It reads every file of certification authorities.
    if let Err(error) = Authenticator::new(config, None, Clock::system(), Arc::new(Counters::default())) {
        problems.push(visible(&error.to_string()));
    }
    // It reads keys of upstreams and of signers, and authorities. What a store remembers is not looked at.
    let sequences = Sequences::new(Arc::new(MemoryStore::new()));
    if let Err(error) = upstream::build(config, &Clock::system(), &sequences) {
        problems.push(visible(&error.to_string()));
    }
    if let Err(error) = app::bundle_signer(config) {
        problems.push(visible(&app::StartError::BundleSigner(error).to_string()));
    }
    problems
}

fn master_key_problem(config: &Config, output: &Output) -> Option<String> {
    match &config.keys.master_key {
        MasterKeySource::Credential(path) if std::env::var_os(CREDENTIALS).is_none() => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            output.talk(format!(
                "the master key was not checked: systemd gives the credential `{}` to the service alone",
                visible(&name)
            ));
            return None;
        }
        MasterKeySource::File(path) if is_made(config, path) => return None,
        _ => {}
    }
    match config.keys.master_key.read() {
        Ok(master) => check_master_key(config, &master).err().map(|error| visible(&error.to_string())),
        Err(error) => Some(visible(&error.to_string())),
    }
}

/// Under `--dev` the service makes what is missing in its folder.
fn is_made(config: &Config, path: &Path) -> bool {
    config.dev && path.starts_with(&config.data_dir) && !path.exists()
}

/// Whether the keys in the store, if there is one, are wrapped under this master key.
pub(in crate::commands) fn check_master_key(config: &Config, master: &MasterKey) -> Result<(), RewrapError> {
    let file = SqliteStore::file_in(&config.store_dir);
    if !file.exists() {
        return Ok(());
    }
    match SqliteStore::open_read_only(&file) {
        Ok(store) => keys::check_master_key(&store, master),
        // An older database is upgraded by the start of the service, which reports everything else.
        Err(_) => Ok(()),
    }
}
