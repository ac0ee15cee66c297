//! `assay backup` and `assay restore`.

use std::path::PathBuf;
use std::process::ExitCode;

use assay_service::backup::{self as service, BackupError};

use super::config::Place;
use crate::failure::{Failure, NOT_GOOD};
use crate::output::Output;

/// Write a consistent copy of a service's data to a file, while it runs
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: of a service under --dev:
  assay backup --data assay-dev backup.db

Keep the master key apart from the copy: signing keys in it are wrapped under that key.")]
pub(crate) struct BackupArguments {
    #[command(flatten)]
    place: Place,
    /// The new file
    file: PathBuf,
}

/// Put a copy back into an empty data folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: into a folder for --dev, with the master key of the old one:
  assay restore backup.db --data assay-new
  cp assay-dev/dev/master.key assay-new/dev/")]
pub(crate) struct RestoreArguments {
    /// The copy
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn backup(arguments: &BackupArguments, output: &Output) -> Result<ExitCode, Failure> {
    let config = arguments.place.load()?;
    let _progress = output.progress("copying the database");
    let backup = service::backup(&config, &arguments.file)?;
    output.talk(format!("wrote `{}`; {}", backup.file.display(), backup.keep));
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn restore(arguments: &RestoreArguments, output: &Output) -> Result<ExitCode, Failure> {
    let config = arguments.place.load()?;
    let _progress = output.progress("checking and copying the database");
    let report = service::restore(&arguments.file, &config)?;
    output.talk(format!(
        "restored {} documents and {} records in {} chains to `{}`",
        report.blobs,
        report.records,
        report.chains,
        config.store_dir.display()
    ));
    output.talk(format!("the master key must be at hand: {}", config.keys.master_key.describe()));
    Ok(ExitCode::SUCCESS)
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            BackupError::Store(error) => failure.help(error.help()),
            BackupError::Folder(_) => {
                failure.help("for a production service, give its configuration with `--config`")
            }
            BackupError::Damaged(_) => Self { exit: NOT_GOOD, ..failure },
        }
    }
}
