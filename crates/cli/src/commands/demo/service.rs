//! The service of the demonstration, in this process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use assay_service::app::App;
use assay_service::config::{Config, LogConfig, LogFormat, Overrides};
use assay_service::serve::{Listeners, serve, stop_signal};
use assay_service::server::ServeError;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::commands::serve::runtime;
use crate::failure::Failure;
use crate::output::Output;

/// How long the service may take to end.
const END: Duration = Duration::from_secs(5);

/// A service that runs until it is stopped.
pub(super) struct RunningService {
    runtime: Runtime,
    issuer: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ServeError>>,
}

impl RunningService {
    /// Starts a service under `--dev` on a free port.
    pub(super) fn start(folder: &Path, output: &Output) -> Result<Self, Failure> {
        let _progress = output.progress("starting the service");
        let overrides = Overrides {
            dev: true,
            data_dir: Some(folder.to_owned()),
            listen: Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)),
            ..Overrides::default()
        };
        // Nothing of the surroundings: the demonstration is the same everywhere.
        let config = Config::load(None, [], &overrides)?;
        let log = LogConfig { format: LogFormat::Text, level: "error".to_owned() };
        assay_service::log::init(&log).map_err(Failure::configuration)?;
        let runtime = runtime()?;
        let (app, listeners) = runtime.block_on(async {
            let listeners = Listeners::bind(&config).await?;
            let app = App::start(config.bound_to(listeners.address())).await?;
            Ok::<_, Failure>((app, listeners))
        })?;
        let issuer = app.config.public_url.clone();
        let (stop, stopped) = oneshot::channel();
        let task = runtime.spawn(serve(app, listeners, async {
            // An error means that the sender is gone, which is as good a reason to stop.
            let _ = stopped.await;
        }));
        Ok(Self { runtime, issuer, stop, task })
    }

    /// The address, which is the issuer of the tokens.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Waits for SIGINT or SIGTERM.
    pub(super) fn wait_for_interrupt(&self) -> Result<(), Failure> {
        self.runtime.block_on(async {
            stop_signal()?.await;
            Ok(())
        })
    }

    /// Stops the service and waits for its end.
    pub(super) fn stop(self) -> Result<(), Failure> {
        // A service that ended by itself listens no more; its result says why.
        let _ = self.stop.send(());
        let ended = self.runtime.block_on(async { tokio::time::timeout(END, self.task).await });
        self.runtime.shutdown_timeout(END);
        match ended {
            Ok(Ok(result)) => Ok(result?),
            Ok(Err(error)) => Err(Failure::new(format!("the service failed: {error}"))),
            Err(_) => Err(Failure::new("the service did not end in time")),
        }
    }
}
