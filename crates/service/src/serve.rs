//! The service on its sockets, from the first connection to the orderly end.
//!
//! ```text
//! let listeners = Listeners::bind(&config).await?;              // port 0 becomes a real port
//! let app = App::start(config.bound_to(listeners.address())).await?;
//! serve(app, listeners, stop_signal()?).await?;
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::App;
use crate::config::Config;
use crate::front::Front;
use crate::identity::administration::Administration;
use crate::operations::Operations;
use crate::server::{Limits, Listener, ServeError, Server, ServerCertificate};

/// How long running requests may take after the signal to stop; orchestrators kill after thirty seconds.
const DRAIN: Duration = Duration::from_secs(10);
/// Connections of operators at once.
const OPERATORS: usize = 64;

/// The sockets of the service.
#[derive(Debug)]
pub struct Listeners {
    main: Listener,
    operations: Option<Listener>,
    administration: Option<Listener>,
}

impl Listeners {
    /// Listens where the configuration says. Clients may connect from now on; they are answered by [`serve`].
    ///
    /// # Errors
    /// [`ServeError::Bind`].
    pub async fn bind(config: &Config) -> Result<Self, ServeError> {
        let main = Listener::bind(config.listen).await?;
        let operations = match config.operations_listen {
            Some(address) => Some(Listener::bind(address).await?),
            None => None,
        };
        let administration = match &config.collateral.administration {
            Some(administration) => Some(Listener::bind(administration.listen).await?),
            None => None,
        };
        Ok(Self { main, operations, administration })
    }

    /// Where the service is really reached.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.main.address()
    }

    /// Where platforms really register.
    #[must_use]
    pub fn administration_address(&self) -> Option<SocketAddr> {
        self.administration.as_ref().map(Listener::address)
    }

    /// Where operators really reach it.
    #[must_use]
    pub fn operations_address(&self) -> Option<SocketAddr> {
        self.operations.as_ref().map(Listener::address)
    }
}

/// Serves until `stop` ends, then lets running requests finish, ten seconds at most. SIGHUP reads certificate and key anew.
///
/// # Errors
/// [`ServeError::Tls`] and [`ServeError::Signals`], before anything is served.
pub async fn serve(
    app: Arc<App>,
    listeners: Listeners,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let limits = limits(&app.config);
    let tls = &app.config.tls;
    let certificate = match app.config.plain_http {
        true => None,
        false => Some(ServerCertificate::load(&tls.cert, &tls.key)?),
    };
    let administration = administration(&app, listeners.administration, certificate.as_ref(), limits)?;
    let front = Arc::new(Front::new(app));
    let main = match &certificate {
        Some(certificate) => Server::secure(listeners.main, certificate, Arc::clone(&front), limits)?,
        None => Server::plain(listeners.main, Arc::clone(&front), limits),
    };
    let (stopping, stopped) = watch::channel(false);
    let reload = tokio::spawn(reload_on_hangup(certificate, hangup()?));
    let operations = listeners.operations.map(|listener| {
        let limits = Limits { connections: OPERATORS, ..limits };
        let operations = Server::plain(listener, Arc::new(Operations(Arc::clone(&front))), limits);
        tokio::spawn(operations.run(ended(stopped.clone())))
    });
    let administration = administration.map(|server| tokio::spawn(server.run(ended(stopped))));
    main.run(async {
        stop.await;
        front.stop();
        tracing::info!("stopping: running requests may finish");
    })
    .await;
    // Operators see to the last moment that the service is not ready.
    let _ = stopping.send(true);
    for server in [operations, administration].into_iter().flatten() {
        let _ = server.await;
    }
    reload.abort();
    Ok(())
}

/// Registration and administration, where they are configured, with the service's own certificate.
fn administration(
    app: &Arc<App>,
    listener: Option<Listener>,
    certificate: Option<&Arc<ServerCertificate>>,
    limits: Limits,
) -> Result<Option<Server<Administration>>, ServeError> {
    let (Some(listener), Some(config)) = (listener, &app.config.collateral.administration) else {
        return Ok(None);
    };
    let service = Arc::new(Administration::new(Arc::clone(app), config.tokens.clone()));
    Ok(Some(match certificate {
        Some(certificate) => Server::secure(listener, certificate, service, limits)?,
        None => Server::plain(listener, service, limits),
    }))
}

/// Ends at SIGTERM or SIGINT.
///
/// # Errors
/// [`ServeError::Signals`].
pub fn stop_signal() -> Result<impl Future<Output = ()> + Send, ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
        }
    })
}

fn hangup() -> Result<tokio::signal::unix::Signal, ServeError> {
    signal(SignalKind::hangup()).map_err(ServeError::Signals)
}

/// Without a certificate the signal is ignored: by itself it would end the process.
async fn reload_on_hangup(
    certificate: Option<Arc<ServerCertificate>>,
    mut hangup: tokio::signal::unix::Signal,
) {
    while hangup.recv().await.is_some() {
        let Some(certificate) = &certificate else { continue };
        let certificate = Arc::clone(certificate);
        match tokio::task::spawn_blocking(move || certificate.reload()).await {
            Ok(Ok(())) => tracing::info!("certificate and key were read anew"),
            Ok(Err(error)) => tracing::error!(%error, "the old certificate is served on"),
            Err(error) => tracing::error!(%error, "certificate and key were not read"),
        }
    }
}

async fn ended(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

fn limits(config: &Config) -> Limits {
    let seconds = |count: u32| Duration::from_secs(count.into());
    Limits {
        connections: config.limits.connections,
        header_timeout: seconds(config.limits.header_timeout_seconds),
        idle_timeout: seconds(config.limits.idle_timeout_seconds),
        drain_timeout: DRAIN,
    }
}
