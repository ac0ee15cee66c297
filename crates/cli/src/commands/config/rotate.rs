//! `assay config rotate-master-key`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use assay_service::clock::seconds;
use assay_service::dev;
use assay_service::keys::{MasterKeySource, RewrapError, rotate_master_key};
use assay_store::{SqliteOptions, SqliteStore, StoreError};
use assay_token::wrap::MasterKey;

use super::Place;
use crate::commands::now;
use crate::failure::{Failure, NOT_GOOD};
use crate::output::Output;

/// Wrap the signing keys in the store under another master key; the service must be stopped
///
/// Signing keys stay the same, and so do tokens. Where it was interrupted, the same command does the rest.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: of a service that was stopped:
  (umask 077 && openssl rand -hex 32 > new.key)
  assay config rotate-master-key --config assay.toml --old /etc/assay/master.key --new new.key
  mv new.key /etc/assay/master.key

Older copies of the keys stay in the store and in backups, under the old master key. If that one became known to
others, rotate the signing keys as well: `assay provider rotate-key NAME --emergency`.")]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// File with the master key until now
    #[arg(long, value_name = "FILE")]
    old: PathBuf,
    /// File with the master key from now on
    #[arg(long, value_name = "FILE")]
    new: PathBuf,
}

pub(super) fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let config = arguments.place.load()?;
    let (old, new) = (master_key(&arguments.old)?, master_key(&arguments.new)?);
    let file = SqliteStore::file_in(&config.store_dir);
    if !file.exists() {
        // Opening would begin an empty one.
        return Err(StoreError::NotAStore { path: file.display().to_string() }.into());
    }
    dev::check_folder(&config).map_err(|error| Failure::new(error.to_string()))?;
    let store = SqliteStore::open(&config.store_dir, &SqliteOptions::default())?;
    let done = rotate_master_key(&store, &old, &new, seconds(now()))?;
    output.talk(format!("wrapped {} keys of {} owners under the new master key", done.keys, done.owners));
    output.talk(format!(
        "before the service starts, put it in the place of the old one: {}",
        config.keys.master_key.describe()
    ));
    Ok(ExitCode::SUCCESS)
}

fn master_key(path: &Path) -> Result<MasterKey, Failure> {
    MasterKeySource::File(path.to_owned())
        .read()
        .map_err(|error| Failure::new(format!("`{}`: {error}", path.display())))
}

impl From<RewrapError> for Failure {
    fn from(error: RewrapError) -> Self {
        let failure = Self::new(error.to_string()).help(error.help());
        match error {
            RewrapError::Key { .. } | RewrapError::Damaged { .. } => Self { exit: NOT_GOOD, ..failure },
            _ => failure,
        }
    }
}
