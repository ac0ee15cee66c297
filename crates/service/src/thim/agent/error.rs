//! Why the agent cannot run, or does not know its own machine.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::egress::EgressError;
use crate::files::FileError;
use crate::server::ServeError;

/// Why the agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Somebody answers there already.
    #[error("somebody answers at `{0}` already")]
    Occupied(SocketAddr),
    /// No interface has the address.
    #[error("no network interface of this machine has the address `{0}`")]
    AddressMissing(SocketAddr),
    /// Ports below 1024 are for the privileged.
    #[error("this process may not listen on `{0}`")]
    NotPermitted(SocketAddr),
    /// An address that other machines reach.
    #[error("`{0}` is every address of this machine, and the answers are for this machine alone")]
    EveryAddress(SocketAddr),
    /// Simulated hardware is for this machine's own tests.
    #[error("`{0}` is not a loopback address, and simulated hardware is served nowhere else")]
    NotLoopback(SocketAddr),
    /// The socket or the signals.
    #[error(transparent)]
    Serve(ServeError),
    /// What the machine is.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The folder of the cache.
    #[error("the cache cannot be used: {0}")]
    Cache(FileError),
    /// The central service's address.
    #[error("the address of the central service cannot be used: {0}")]
    Upstream(EgressError),
}

impl AgentError {
    /// The stable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Occupied(_) => "address-occupied",
            Self::AddressMissing(_) => "address-missing",
            Self::NotPermitted(_) => "address-not-permitted",
            Self::EveryAddress(_) => "address-unspecified",
            Self::NotLoopback(_) => "address-not-loopback",
            Self::Serve(_) => "serve",
            Self::Identity(error) => error.code(),
            Self::Cache(_) => "cache",
            Self::Upstream(_) => "upstream-address",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::Occupied(_) => {
                "in a cloud that is its own metadata service, which guests need; give another address with `--listen`"
                    .to_owned()
            }
            Self::AddressMissing(address) => {
                let (ip, bits) = (address.ip(), if address.is_ipv4() { 32 } else { 128 });
                format!("add it first: `ip addr add {ip}/{bits} dev lo`")
            }
            Self::NotPermitted(_) => {
                "give it CAP_NET_BIND_SERVICE, as the systemd unit does, or a port from 1024 on".to_owned()
            }
            Self::EveryAddress(_) | Self::NotLoopback(_) => {
                "give one address with `--listen`, such as `127.0.0.1:8080`".to_owned()
            }
            Self::Upstream(_) => "it is `https://`, a host, and a port if it is not 443".to_owned(),
            Self::Cache(_) => "give a folder of this user alone with `--cache`".to_owned(),
            Self::Identity(error) => return error.help().map(str::to_owned),
            Self::Serve(_) => return None,
        };
        Some(help)
    }
}

impl AgentError {
    /// What the system says about an address, in words that help.
    pub(super) fn bind(error: ServeError) -> Self {
        match error {
            ServeError::Bind { address, source } => match source.kind() {
                io::ErrorKind::AddrNotAvailable => Self::AddressMissing(address),
                io::ErrorKind::AddrInUse => Self::Occupied(address),
                io::ErrorKind::PermissionDenied => Self::NotPermitted(address),
                _ => Self::Serve(ServeError::Bind { address, source }),
            },
            other => Self::Serve(other),
        }
    }
}

/// Why the machine's identity is not known. Nothing here says what it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A file or folder.
    #[error("`{}` {problem}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong, as the end of a sentence.
        problem: String,
    },
    /// The kernel reports for another kind of guest.
    #[error("this kernel's reports come from `{0}`, not from SEV-SNP")]
    Provider(String),
    /// Somebody else used the same entry at the same time.
    #[error("somebody else asks for reports through the same entry")]
    Contended,
    /// Not a report.
    #[error("the attestation report cannot be used: {0}")]
    Report(String),
    /// The processor is not named.
    #[error("a report of version 2 does not say which processor it is of")]
    ProductUnknown,
    /// The processor is another one.
    #[error("the report is of a {found}, not of a {expected}")]
    ProductDiffers {
        /// What the report says.
        found: &'static str,
        /// What the caller said.
        expected: &'static str,
    },
    /// The host hides the chip.
    #[error("the host leaves the chip's id out of its reports")]
    ChipMasked,
    /// Reports are signed with the provider's key.
    #[error(
        "reports of this machine are signed with a key that its provider loaded (VLEK), not with the chip's own"
    )]
    ProviderKey,
    /// Bytes that must be zero are not.
    #[error("{0} has bytes that a {1} does not have")]
    Reserved(&'static str, &'static str),
    /// Not a line of Intel's tool.
    #[error("`{}` is not the output of Intel's PCK ID retrieval tool: {problem}", path.display())]
    PckId {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl IdentityError {
    pub(super) fn io(path: &Path, verb: &str, error: &io::Error) -> Self {
        Self::File { path: path.to_owned(), problem: format!("cannot be {verb}: {error}") }
    }

    /// The stable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "identity-file",
            Self::Provider(_) => "identity-provider",
            Self::Contended => "identity-contended",
            Self::Report(_) => "identity-report",
            Self::ProductUnknown => "identity-product-unknown",
            Self::ProductDiffers { .. } => "identity-product-differs",
            Self::ChipMasked => "identity-chip-masked",
            Self::ProviderKey => "identity-provider-key",
            Self::Reserved(..) => "identity-reserved",
            Self::PckId { .. } => "identity-pckid",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> Option<&'static str> {
        match self {
            Self::File { .. } => Some(
                "reports need Linux 6.7 with configfs mounted, and root; elsewhere give `--report`, or `--product`, `--chip-id` and `--tcb`",
            ),
            Self::Provider(_) => Some("this machine has no VCEK; for SGX and TDX give `--pckid` alone"),
            Self::ProductUnknown | Self::ProductDiffers { .. } => Some("say with `--product` which it is"),
            Self::ChipMasked => Some("ask the host's operator for `--product`, `--chip-id` and `--tcb`"),
            Self::ProviderKey => Some("such a key's certificate comes from the provider, with the report"),
            Self::PckId { .. } => Some("make it with `PCKIDRetrievalTool -f pckid.csv`"),
            Self::Contended | Self::Report(_) | Self::Reserved(..) => None,
        }
    }
}
