//! `assay serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use assay_service::app::{App, StartError};
use assay_service::config::{Config, Overrides};
use assay_service::dev::DevFolder;
use assay_service::keys::RewrapError;
use assay_service::serve::{Listeners, serve, stop_signal};
use assay_service::server::ServeError;
use tokio::runtime::{Builder, Runtime};

use super::config::{check_master_key, environment};
use crate::failure::Failure;
use crate::output::Output;
use crate::remote::recorded_url_file;

/// Run the service: exit code 78 when the configuration cannot be used
///
/// SIGTERM and SIGINT let running requests finish; SIGHUP reads certificate and key anew.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: for development, with a certificate, a token and simulated hardware of its own:
  assay serve --dev --data assay-dev --listen 127.0.0.1:8443

Example: in production:
  assay config example > assay.toml
  assay serve --config assay.toml"
)]
pub(crate) struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "ASSAY_CONFIG")]
    config: Option<PathBuf>,
    /// Development: no configuration needed, simulated hardware is trusted, everything signed says so
    #[arg(long)]
    dev: bool,
    /// Folder where the service keeps its files; `assay-dev` under --dev
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address and port of HTTPS; port 0 takes a free one under --dev
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Address and port of health and metrics
    #[arg(long, value_name = "ADDR:PORT")]
    operations_listen: Option<SocketAddr>,
    /// Time to start from, RFC 3339; under --dev only
    #[arg(long, value_name = "TIME")]
    test_clock: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let config = Config::load(arguments.config.as_deref(), environment(), &arguments.overrides())?;
    assay_service::log::init(&config.log).map_err(Failure::configuration)?;
    check_keys(&config)?;
    runtime()?
        .block_on(async {
            let stop = stop_signal()?;
            let listeners = Listeners::bind(&config).await?;
            let operations = listeners.operations_address();
            let app = App::start(config.bound_to(listeners.address())).await?;
            announce(&app, operations, output)?;
            Ok(serve(app, listeners, stop).await?)
        })
        .map(|()| ExitCode::SUCCESS)
}

/// Another master key is said to be one. The start of the service would only find keys that it cannot open. Whatever else is
/// wrong, it reports itself.
fn check_keys(config: &Config) -> Result<(), Failure> {
    let Ok(master) = config.keys.master_key.read() else { return Ok(()) };
    match check_master_key(config, &master) {
        Err(error @ RewrapError::OtherMasterKey { .. }) => {
            Err(Failure::configuration(error.to_string()).help(error.help()))
        }
        _ => Ok(()),
    }
}

/// A runtime for the service, with a thread for each processor.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let runtime = Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::new(format!("could not start: {error}")))
}

impl Arguments {
    fn overrides(&self) -> Overrides {
        Overrides {
            dev: self.dev,
            data_dir: self.data.clone(),
            listen: self.listen,
            operations_listen: self.operations_listen,
            test_clock: self.test_clock.clone(),
        }
    }
}

/// Says where everything is. In production standard error is the log, which machines read.
fn announce(app: &Arc<App>, operations: Option<SocketAddr>, output: &Output) -> Result<(), Failure> {
    let config = &app.config;
    if !config.dev {
        tracing::info!(listen = %config.listen, issuer = config.public_url, "serving");
        return Ok(());
    }
    let folder = DevFolder::new(&config.data_dir);
    // Other commands then find the service by its folder alone.
    let file = recorded_url_file(&config.data_dir);
    std::fs::write(&file, format!("{}\n", config.public_url))
        .map_err(|error| Failure::file("write", &file, error))?;
    output.talk(format!(
        "assay {} serves at {} ({})",
        env!("CARGO_PKG_VERSION"),
        config.public_url,
        config.listen
    ));
    output.talk(format!("  issuer               {}", config.public_url));
    output.talk(format!("  authority to trust   {}", folder.ca_certificate().display()));
    output.talk(format!("  administrator token  {}", folder.admin_token().display()));
    output.talk(format!("  data folder          {}", config.data_dir.display()));
    if let Some(address) = operations {
        output.talk(format!("  health and metrics   http://{address}"));
    }
    if app.clock.is_test() {
        output.talk(format!("  test clock           {}", app.clock.now()));
    }
    output.talk("development mode: simulated hardware is trusted, and everything signed says so");
    Ok(())
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let failure = Self::new(error.to_string()).help(error.help());
        match error {
            StartError::Folder(_)
            | StartError::MasterKey(_)
            | StartError::Auth(_)
            | StartError::BundleSigner(_) => Self { exit: crate::failure::BAD_CONFIGURATION, ..failure },
            _ => failure,
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Tls(_) => Self::configuration(error.to_string()),
            ServeError::Bind { .. } => Self::new(error.to_string()).help("give another port with `--listen`"),
            ServeError::Signals(_) => Self::new(error.to_string()),
        }
    }
}
