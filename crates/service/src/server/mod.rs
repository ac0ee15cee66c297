//! Listening, TLS, connections and their limits, and the orderly end.
//!
//! HTTP/1.1 and HTTP/2 over TLS (chosen by ALPN), HTTP/1.1 without. A client may be slow only for so long: for the TLS
//! handshake, for a request's head, and for silence between requests there is a time limit here; for the body the
//! reader of the body has one. The number of connections is bounded; beyond it the kernel's queue waits. One source has
//! only a part of them; what it opens beyond is closed at once.

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
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

pub use tls::{ServerCertificate, TlsError};

use crate::limits::{Share, Shares, Source};

use connection::{Surroundings, told};

/// How long the accept loop pauses when the system has no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// One source has a sixteenth of the connections, so that it takes many to keep others out.
const SOURCES: usize = 16;
/// But at least as many as two browsers open; and as many are kept for others when this machine has all the rest.
const FEW: usize = 16;

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// Answers one request of a client at this address. It never fails: a failure is an answer as well.
    fn answer(
        &self,
        request: Request<Incoming>,
        source: IpAddr,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// In the extensions of a response: it is not sent, and its connection is closed (of HTTP/2, its stream).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the connection is closed without an answer")]
pub struct HangUp;

/// How long clients may take, and how many there may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// From the start of a connection, handshake included, to the end of its first request's head; under HTTP/1.1 also from
    /// the end of one request's answer to the end of the next one's head.
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

    /// A socket that listens already.
    #[cfg(test)]
    pub(crate) fn of(socket: TcpListener) -> Self {
        let address = socket.local_addr().unwrap();
        Self { socket, address }
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
    /// Whether a proxy in front is the source of everything.
    behind_proxy: bool,
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
        Ok(Self { listener, tls, service, limits, behind_proxy: false })
    }

    /// Without TLS, for a proxy in front, which is the source of everything, and limits its clients itself.
    pub const fn plain(listener: Listener, service: Arc<S>, limits: Limits) -> Self {
        Self { listener, tls: None, service, limits, behind_proxy: true }
    }

    /// Without TLS, for clients on this machine and its link: each has only its part of the connections.
    pub const fn direct(listener: Listener, service: Arc<S>, limits: Limits) -> Self {
        Self { listener, tls: None, service, limits, behind_proxy: false }
    }

    /// Serves until `stop` ends, then lets running requests finish within the drain timeout.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let (drain, draining) = watch::channel(false);
        let places = Places::new(self.limits.connections, self.behind_proxy);
        let surroundings = Surroundings { service: self.service, limits: self.limits, draining };
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = stop.as_mut() => break,
                accepted = accept(&self.listener.socket, &places) => accepted,
            };
            if let Some((stream, source, place)) = accepted {
                let (tls, surroundings) = (self.tls.clone(), surroundings.clone());
                connections.spawn(async move {
                    greet(stream, source, tls, surroundings).await;
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

/// What there is room for.
struct Places {
    all: Arc<Semaphore>,
    sources: Arc<Shares>,
}

impl Places {
    fn new(connections: usize, behind_proxy: bool) -> Self {
        let loopback = connections.saturating_sub(FEW).max(FEW);
        let part = connections.checked_div(SOURCES).unwrap_or(0).max(FEW);
        let each = if behind_proxy { loopback } else { part };
        Self { all: Arc::new(Semaphore::new(connections)), sources: Shares::new(connections, each, loopback) }
    }
}

/// The room of one connection.
type Place = (OwnedSemaphorePermit, Share);

async fn accept(socket: &TcpListener, places: &Places) -> Option<(TcpStream, IpAddr, Place)> {
    let place = Arc::clone(&places.all).acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, peer)) => {
            let mut share = places.sources.share(Source::from(peer.ip()));
            if !share.grow_to(1) {
                tracing::debug!(target: "assay::connection", "too many connections from one address");
                return None;
            }
            Some((stream, peer.ip(), (place, share)))
        }
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
    let first_head_within = surroundings.limits.header_timeout;
    let accepted = Instant::now();
    let Some(tls) = tls else {
        return surroundings.serve(stream, source, false, first_head_within).await;
    };
    let mut draining = surroundings.draining.clone();
    let handshake = tokio::time::timeout(first_head_within, tls.accept(stream));
    let stream = tokio::select! {
        stream = handshake => stream,
        () = told(&mut draining) => return,
    };
    match stream {
        Ok(Ok(stream)) => {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let left = first_head_within.saturating_sub(accepted.elapsed());
            surroundings.serve(stream, source, http2, left).await;
        }
        Ok(Err(error)) => tracing::debug!(target: "assay::connection", %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(target: "assay::connection", "TLS handshake took too long"),
    }
}
