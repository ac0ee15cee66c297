//! Whose data a command works on, beside the service or without it.

use std::path::{Path, PathBuf};

use assay_service::config::{Config, Overrides};

use super::operator_environment;
use crate::commands::simulate::DEFAULT_DATA;
use crate::failure::Failure;

/// Whose data it is.
#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Place {
    /// Configuration of the service; without it, the folder is one of --dev
    #[arg(long, value_name = "FILE", env = "ASSAY_CONFIG")]
    config: Option<PathBuf>,
    /// Data folder of the service
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Place {
    pub(in crate::commands) fn load(&self) -> Result<Config, Failure> {
        let dev = self.config.is_none();
        let data_dir = match (&self.data, dev) {
            (None, true) => Some(Path::new(DEFAULT_DATA).to_owned()),
            (data, _) => data.clone(),
        };
        let overrides = Overrides { dev, data_dir, ..Overrides::default() };
        Ok(Config::load(self.config.as_deref(), operator_environment(), &overrides)?)
    }
}
