//! Listening, TLS, connections and their limits, and the orderly end.
//!
//! HTTP/1.1 and HTTP/2 over TLS (chosen by ALPN), HTTP/1.1 without. A client may be slow only for so long: for the TLS
//! handshake, for a request's head, and for silence between requests there is a time limit here; for the body the
//! reader of the body has one. The number of connections is bounded; beyond it the kernel's queue waits.

mod connection;
mod tls;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub use tls::{ServerCertificate, TlsError};

use connection::{Surroundings, told};

/// How long the accept loop pauses when the system has no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// Answers one request of a client at this address. It never fails: a failure is an answer as well.
    fn answer(
        &self,
        request: Request<Incoming>,
        source: IpAddr,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// How long clients may take, and how many there may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// For the TLS handshake, and from the end of one request's answer to the end of the next one's head.
    pub header_timeout: Duration,
    /// For an HTTP/2 connection without requests.
    pub idle_timeout: Duration,
    /// For running requests after the server was told to stop.
    pub drain_timeout: Duration,
}

/// Why a server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, foreign or forbidden.
    #[error("cannot listen on `{address}`: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system refuses to deliver signals.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
}

/// A socket that listens; clients may already connect, and wait until [`Server::run`].
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens. Port 0 takes a free one; [`Listener::address`] says which.
    ///
    /// # Errors
    /// [`ServeError::Bind`].
    pub async fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Bind { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// The address it really listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves one listener.
pub struct Server<S> {
    listener: Listener,
    tls: Option<TlsAcceptor>,
    service: Arc<S>,
    limits: Limits,
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shape = formatter.debug_struct("Server");
        shape.field("address", &self.listener.address).field("tls", &self.tls.is_some());
        shape.finish_non_exhaustive()
    }
}

impl<S: Service> Server<S> {
    /// With TLS.
    ///
    /// # Errors
    /// [`ServeError::Tls`].
    pub fn secure(
        listener: Listener,
        certificate: &Arc<ServerCertificate>,
        service: Arc<S>,
        limits: Limits,
    ) -> Result<Self, ServeError> {
        let tls = Some(TlsAcceptor::from(certificate.server_config()?));
        Ok(Self { listener, tls, service, limits })
    }

    /// Without TLS.
    pub const fn plain(listener: Listener, service: Arc<S>, limits: Limits) -> Self {
        Self { listener, tls: None, service, limits }
    }

    /// Serves until `stop` ends, then lets running requests finish within the drain timeout.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let (drain, draining) = watch::channel(false);
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let surroundings = Surroundings { service: self.service, limits: self.limits, draining };
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = stop.as_mut() => break,
                accepted = accept(&self.listener.socket, &places) => accepted,
            };
            if let Some((stream, peer, place)) = accepted {
                let (tls, surroundings) = (self.tls.clone(), surroundings.clone());
                connections.spawn(async move {
                    greet(stream, peer.ip(), tls, surroundings).await;
                    drop(place);
                });
            }
            // Those that have ended, so that the set does not grow.
            while connections.try_join_next().is_some() {}
        }
        drop(self.listener);
        // Nobody listens only if there is no connection.
        let _ = drain.send(true);
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(self.limits.drain_timeout, all).await.is_err() {
            tracing::warn!(
                open = connections.len(),
                "requests still ran when the time to stop was up; cut off"
            );
        }
    }
}

async fn accept(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// The handshake, then requests.
async fn greet<S: Service>(
    stream: TcpStream,
    source: IpAddr,
    tls: Option<TlsAcceptor>,
    surroundings: Surroundings<S>,
) {
    // Answers are small and complete: waiting to fill packets only delays them.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return surroundings.serve(stream, source, false).await;
    };
    let mut draining = surroundings.draining.clone();
    let handshake = tokio::time::timeout(surroundings.limits.header_timeout, tls.accept(stream));
    let stream = tokio::select! {
        stream = handshake => stream,
        () = told(&mut draining) => return,
    };
    match stream {
        Ok(Ok(stream)) => {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            surroundings.serve(stream, source, http2).await;
        }
        Ok(Err(error)) => tracing::debug!(target: "assay::connection", %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(target: "assay::connection", "TLS handshake took too long"),
    }
}
