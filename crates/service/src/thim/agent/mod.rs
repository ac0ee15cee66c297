//! The daemon on a node: fetches the certificates of its own processor from a central service, verifies and keeps them,
//! and gives them to guests at a link-local address.
//!
//! ```text
//! identity (configfs-tsm, a report, Intel's tool)  ->  central service or cache  ->  verify  ->  serve
//! ```
//!
//! Trusted: the trust anchors, the clock, and what the machine says of itself. Not trusted: the central service, the cache
//! and whoever asks. A certificate is served only if the vendor issued it for this chip and this TCB.

mod address;
mod cache;
mod document;
mod error;
mod front;
mod identity;
mod keeper;
mod pckid;
mod tsm;
mod upstream;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use assay_verify::TrustAnchors;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::server::{Limits, Listener, ServeError, Server};

use cache::Cache;
use document::Document;
use front::Front;
use keeper::{Keeper, State, Tools};

pub use address::{DEFAULT_ADDRESS, bind, is_answered};
pub use error::{AgentError, IdentityError};
pub use identity::{SnpIdentity, SnpSource};
pub use pckid::{SgxIdentity, SgxSource};
pub use tsm::TSM_FOLDER;
pub use upstream::Upstream;

/// How often the machine is asked what it is: after an update of its firmware its keys are others.
pub const REREAD: Duration = Duration::from_secs(5 * 60);

/// One source has 64 of the connections, and all processes of a node with the address are one source.
const LIMITS: Limits = Limits {
    connections: 1024,
    header_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(60),
    drain_timeout: Duration::from_secs(10),
};

/// What the agent serves, and from where.
#[derive(Clone)]
pub struct AgentConfig {
    /// The SEV-SNP processor, if this machine has one.
    pub snp: Option<SnpSource>,
    /// The SGX platform, if this machine is one.
    pub sgx: Option<SgxSource>,
    /// The central service.
    pub upstream: Upstream,
    /// The folder of the cache.
    pub cache: Option<PathBuf>,
    /// Who is believed.
    pub anchors: TrustAnchors,
    /// How often the machine is asked what it is.
    pub reread: Duration,
}

/// Serves until `stop` ends, then lets running requests finish. SIGHUP asks the machine at once what it is, and
/// the central service for what is missing.
///
/// # Errors
/// [`AgentError::Identity`] and [`AgentError::Cache`] before anything is served.
pub async fn serve(
    config: AgentConfig,
    listener: Listener,
    clock: Clock,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), AgentError> {
    let cache = config.cache.as_deref().map(Cache::open).transpose().map_err(AgentError::Cache)?;
    let tools =
        Tools { upstream: config.upstream, cache, anchors: Arc::new(config.anchors), clock: clock.clone() };
    let mut tasks = JoinSet::new();
    let vcek = match config.snp {
        Some(source) => Some(keep(move || source.read(), &tools, config.reread, &mut tasks).await?),
        None => None,
    };
    let pck = match config.sgx {
        Some(source) => Some(keep(move || source.read(), &tools, config.reread, &mut tasks).await?),
        None => None,
    };
    tracing::info!(listen = %listener.address(), "serving");
    let front = Front::new(listener.address(), clock, vcek, pck);
    Server::direct(listener, Arc::new(front), LIMITS)
        .run(async {
            stop.await;
            tracing::info!("stopping: running requests may finish");
        })
        .await;
    tasks.shutdown().await;
    Ok(())
}

/// Reads what the machine is, and keeps its document from now on.
async fn keep<D: Document>(
    read: impl Fn() -> Result<D::Identity, IdentityError> + Clone + Send + 'static,
    tools: &Tools,
    reread: Duration,
    tasks: &mut JoinSet<()>,
) -> Result<watch::Receiver<State<D>>, AgentError> {
    let hangup =
        signal(SignalKind::hangup()).map_err(|error| AgentError::Serve(ServeError::Signals(error)))?;
    let first = read_apart(read.clone()).await?;
    let (identity, known) = watch::channel(first);
    let (keeper, state) = Keeper::<D>::new(tools.clone());
    tasks.spawn(keeper.run(known));
    tasks.spawn(watch_machine::<D>(read, identity, reread, hangup));
    Ok(state)
}

/// Tells the keeper when the machine is not what it was. At a hangup the keeper hears of it in any case, so that it does not
/// wait any longer to ask again for what it could not get.
async fn watch_machine<D: Document>(
    read: impl Fn() -> Result<D::Identity, IdentityError> + Clone + Send + 'static,
    identity: watch::Sender<D::Identity>,
    reread: Duration,
    mut hangup: Signal,
) {
    loop {
        let asked = tokio::select! {
            () = tokio::time::sleep(reread) => false,
            received = hangup.recv() => if received.is_none() { return } else { true },
        };
        match read_apart(read.clone()).await {
            Ok(now) => {
                let changed = *identity.borrow() != now;
                if changed || asked {
                    identity.send_replace(now);
                }
                if changed {
                    tracing::info!(document = D::NAME, "the machine's TCB or identity is another one now");
                }
            }
            Err(error) => {
                tracing::warn!(document = D::NAME, code = error.code(), %error, "the machine was not asked anew");
            }
        }
    }
}

/// The kernel may take its time.
async fn read_apart<T: Send + 'static>(
    read: impl Fn() -> Result<T, IdentityError> + Send + 'static,
) -> Result<T, IdentityError> {
    match tokio::task::spawn_blocking(read).await {
        Ok(result) => result,
        Err(error) => Err(IdentityError::Report(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
