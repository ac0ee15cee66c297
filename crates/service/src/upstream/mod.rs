//! Upstreams: who is asked for vendor documents and certificates that are not held.
//!
//! [`build`] makes a [`Chain`] of the configured ones. What they give is unverified: [`Chain::ask`] hands it to its caller,
//! who says whether it is genuine, and goes on to the next where it is not.

mod bundle;
mod chain;
mod counters;
mod exchange;
mod folder;
mod guard;
mod intel;
mod kds;
mod pccs;
mod pcs;
mod read;
mod registration;
mod secret;
mod simulated;

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use assay_collateral::upstream::Upstream;

pub use chain::{Chain, Failure, Failures, Found};
pub use counters::UpstreamCounters;
pub use folder::{document_files, vcek_file};
pub(crate) use guard::Standing;
#[cfg(test)]
pub(crate) use guard::stranger;
pub use guard::{Asker, Bounds, BreakerState, Guarded, UpstreamState};

use crate::bundle::{PinnedSigner, Sequences, SignedBundleError};
use crate::clock::Clock;
use crate::config::{CollateralMode, Config, UpstreamConfig, UpstreamSource};
use crate::dev::DevFolder;
use crate::egress::{Client, EgressError, EgressPolicy, Roots};
use crate::files::{self, FileError};
use crate::random::NoRandomness;
use bundle::SignedFile;
use exchange::{Exchange, Way};
use folder::Folder;
use kds::Kds;
use pccs::Pccs;
use pcs::Pcs;
use secret::Secret;
use simulated::Simulated;

/// PEM of a few hundred authorities.
const CA_FILE_MAX: u64 = 4 * 1024 * 1024;
/// Of what is asked without a network of its own. The time is for a few files, which may be on one.
const LOCAL_BOUNDS: Bounds = Bounds {
    timeout: Duration::from_secs(10),
    retries: 0,
    interval: Duration::ZERO,
    burst: 1,
    is_remote: false,
};

/// Why an upstream cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamSetupError {
    /// A file.
    #[error("the upstream `{upstream}`: {error}")]
    File {
        /// The name of the upstream.
        upstream: String,
        /// Which file, and what is wrong.
        error: FileError,
    },
    /// The client.
    #[error("the upstream `{upstream}`: {error}")]
    Egress {
        /// The name of the upstream.
        upstream: String,
        /// What is wrong.
        error: EgressError,
    },
    /// An address that is never connected to.
    #[error("the upstream `{upstream}`: `{address}` is not public, and `egress.allow` does not name it")]
    NotPublic {
        /// The name of the upstream.
        upstream: String,
        /// Host and port.
        address: String,
    },
    /// The key of the signer of a bundle.
    #[error("the upstream `{upstream}`: {error}")]
    Signer {
        /// The name of the upstream.
        upstream: String,
        /// What is wrong.
        error: SignedBundleError,
    },
    /// No randomness.
    #[error("{0}")]
    Random(NoRandomness),
}

impl UpstreamSetupError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "upstream-file",
            Self::Egress { .. } => "upstream-client",
            Self::NotPublic { .. } => "upstream-not-public",
            Self::Signer { .. } => "upstream-signer",
            Self::Random(_) => "no-randomness",
        }
    }

    /// What the operator can do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::File { .. } => "correct the file, its owner or its mode; keys need the mode 0600",
            Self::Egress { .. } => "correct the file of certification authorities",
            Self::NotPublic { .. } => {
                "add it to `allow` of `[egress]`, such as `allow = [\"10.0.0.7:8081\"]`"
            }
            Self::Signer { .. } => {
                "give in `signer` the public half of the key that signs the bundles, the file that ends in `.jwk`"
            }
            Self::Random(_) => "start again",
        }
    }
}

/// The configured upstreams, in their order, and under `--dev` the simulated vendors after them. In the mode `offline` those
/// that need a network are left out, and so is what stands for such. Of bundles it is remembered in `sequences` how far they came.
///
/// # Errors
/// [`UpstreamSetupError`] for the first one whose files cannot be used.
pub fn build(config: &Config, clock: &Clock, sequences: &Sequences) -> Result<Chain, UpstreamSetupError> {
    let offline = config.collateral.mode == CollateralMode::Offline;
    let used = |upstream: &&UpstreamConfig| !offline || !upstream.source.needs_network();
    let upstreams = config.collateral.upstreams.iter().filter(used);
    let mut guarded =
        upstreams.map(|upstream| one(config, upstream, clock, sequences)).collect::<Result<Vec<_>, _>>()?;
    if config.dev && !offline {
        let silicon = DevFolder::new(&config.data_dir).silicon();
        let simulated = Box::new(Simulated::of_folder(&silicon, clock));
        guarded.push(Guarded::new(simulated, LOCAL_BOUNDS).map_err(UpstreamSetupError::Random)?);
    }
    Ok(if offline { Chain::local(guarded) } else { Chain::new(guarded) })
}

fn one(
    config: &Config,
    upstream: &UpstreamConfig,
    clock: &Clock,
    sequences: &Sequences,
) -> Result<Guarded, UpstreamSetupError> {
    let name = upstream.name.clone();
    let exchange = |unknown| exchange(config, upstream, clock, unknown);
    let secret = |file: &Option<std::path::PathBuf>| read_secret(&name, file.as_deref());
    let client: Box<dyn Upstream> = match &upstream.source {
        UpstreamSource::Pcs { url, root_crl_url, registration_url, key_file } => Box::new(Pcs {
            base: url.clone(),
            root_crl_url: root_crl_url.clone(),
            registration_url: registration_url.clone(),
            key: secret(key_file)?,
            exchange: exchange(pcs::UNKNOWN)?,
            name,
        }),
        UpstreamSource::Pccs { url, key_file } => Box::new(Pccs {
            base: url.clone(),
            token: secret(key_file)?,
            exchange: exchange(pccs::UNKNOWN)?,
            name,
        }),
        UpstreamSource::Kds { urls } => {
            Box::new(Kds { bases: urls.clone(), exchange: exchange(kds::UNKNOWN)?, name })
        }
        UpstreamSource::Folder { path } => Box::new(Folder { name, path: path.clone() }),
        UpstreamSource::Bundle { path, signer } => {
            let signer = PinnedSigner::read(signer)
                .map_err(|error| UpstreamSetupError::Signer { upstream: name.clone(), error })?;
            Box::new(SignedFile::new(name, path.clone(), signer, sequences.clone(), clock.clone()))
        }
    };
    Guarded::new(client, bounds(upstream)).map_err(UpstreamSetupError::Random)
}

fn bounds(upstream: &UpstreamConfig) -> Bounds {
    if !upstream.source.needs_network() {
        return LOCAL_BOUNDS;
    }
    let network = &upstream.network;
    let mirrors = match &upstream.source {
        UpstreamSource::Kds { urls } => u32::try_from(urls.len()).unwrap_or(u32::MAX),
        _ => 1,
    };
    Bounds {
        timeout: seconds(network.timeout_seconds).saturating_mul(mirrors),
        retries: network.retries,
        // The configuration bounds it, so that this never fails.
        interval: Duration::try_from_secs_f64(network.requests_per_second.recip())
            .unwrap_or(Duration::from_secs(1)),
        burst: network.burst,
        is_remote: true,
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(count.into())
}

fn exchange(
    config: &Config,
    upstream: &UpstreamConfig,
    clock: &Clock,
    unknown: &'static [u16],
) -> Result<Exchange, UpstreamSetupError> {
    let failed = |error| UpstreamSetupError::Egress { upstream: upstream.name.clone(), error };
    let with_file = |roots: Roots, file: &Path| {
        let pem = files::read(file, CA_FILE_MAX)
            .map_err(|error| UpstreamSetupError::File { upstream: upstream.name.clone(), error })?;
        roots.with_pem(&pem).map_err(failed)
    };
    let mut roots = Roots::web();
    for file in [&config.egress.ca_file, &upstream.network.ca_file].into_iter().flatten() {
        roots = with_file(roots, file)?;
    }
    let policy = EgressPolicy { allow: config.egress.allow.clone(), ..EgressPolicy::default() };
    check_addresses(upstream, &policy)?;
    let client = Client::new(policy, roots).map_err(failed)?;
    let timeout = seconds(upstream.network.timeout_seconds);
    Ok(Exchange { way: Way::Egress(client), timeout, clock: clock.clone(), unknown })
}

/// Whether addresses that are written out may be connected to: where names lead is seen when they are asked.
fn check_addresses(upstream: &UpstreamConfig, policy: &EgressPolicy) -> Result<(), UpstreamSetupError> {
    for url in upstream.source.urls() {
        let Ok(uri) = url.parse::<http::Uri>() else { continue };
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(443);
        let ip = match host {
            "localhost" => Some(IpAddr::from(std::net::Ipv4Addr::LOCALHOST)),
            written => written.parse().ok(),
        };
        if ip.is_some_and(|ip| !policy.permits(host, port, ip)) {
            let address = format!("{}:{port}", uri.host().unwrap_or_default());
            return Err(UpstreamSetupError::NotPublic { upstream: upstream.name.clone(), address });
        }
    }
    Ok(())
}

fn read_secret(upstream: &str, file: Option<&Path>) -> Result<Option<Secret>, UpstreamSetupError> {
    let failed = |error| UpstreamSetupError::File { upstream: upstream.to_owned(), error };
    file.map(Secret::read).transpose().map_err(failed)
}

/// For the fuzzer: reads any bytes as each of the answers that upstreams give, `header` as their header with a chain.
/// What is accepted keeps the bounds, which is checked where debug assertions are on; gives how many readers accept it.
#[must_use]
pub fn read_answers(header: &[u8], body: &[u8]) -> usize {
    read::any(header, body)
}

#[cfg(test)]
mod tests;
