//! The configuration: a TOML file, then `ASSAY_*` variables over it, then the command line.
//!
//! Everything is checked before anything starts, and an error names the line of the file or the variable.

mod administration;
mod build;
mod collateral;
mod environment;
mod error;
mod print;
mod raw;
mod snp;
mod token;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use assay_appraisal::{Baseline, SnpTrust};
use assay_token::Algorithm;
use assay_verify::UnixTime;

use crate::egress::AllowEntry;
use crate::keys::MasterKeySource;

pub use administration::AdministrationConfig;
pub(crate) use build::{is_below, tcb_statuses};
pub(crate) use collateral::SIMULATED;
pub use collateral::{CollateralConfig, CollateralMode, NetworkConfig, UpstreamConfig, UpstreamSource};
pub use error::{ConfigError, Origin, Problem};
pub use token::TokenDigest;

/// Largest configuration file: a hundred issuers with all their roles take a tenth of it.
const FILE_MAX: u64 = 1024 * 1024;

/// The whole configuration, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Development mode: simulated silicon is trusted, everything signed says so.
    pub dev: bool,
    /// Where HTTPS is served, or plain HTTP behind a proxy.
    pub listen: SocketAddr,
    /// The address that clients use, without a slash at its end: the issuer of the default provider.
    pub public_url: String,
    /// Providers are also reached by a host label directly under this domain.
    pub service_domain: Option<String>,
    /// Where the service keeps its files.
    pub data_dir: PathBuf,
    /// Certificate chain and private key, PEM.
    pub tls: TlsFiles,
    /// Whether plain HTTP is served, for a proxy that has the certificate; the files are not read then.
    pub plain_http: bool,
    /// Where health and metrics are served, if at all.
    pub operations_listen: Option<SocketAddr>,
    /// The token for metrics; without one only this machine may read them.
    pub metrics_token: Option<TokenDigest>,
    /// Folders with vendor collateral.
    pub collateral_dirs: Vec<PathBuf>,
    /// Where documents come from that are not held.
    pub collateral: CollateralConfig,
    /// The folder of the database.
    pub store_dir: PathBuf,
    /// Signing keys.
    pub keys: KeysConfig,
    /// Who is believed about callers.
    pub auth: AuthConfig,
    /// Budgets.
    pub limits: LimitsConfig,
    /// What platforms must meet where a provider says nothing else.
    pub baseline: Baseline,
    /// What is demanded of SEV-SNP evidence.
    pub snp: SnpTrust,
    /// Whether a decision is on disk before it is answered.
    pub audit_durable: bool,
    /// The log.
    pub log: LogConfig,
    /// The provider at the root.
    pub default_provider: DefaultProviderConfig,
    /// Outgoing requests.
    pub egress: EgressConfig,
    /// The clock.
    pub clock: ClockConfig,
    /// Whether `public_url` was derived from `listen`.
    pub(crate) public_url_derived: bool,
}

/// The files of the TLS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain, leaf first.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// How signing keys are kept and rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysConfig {
    /// Where the master key comes from; under `--dev` a file that is made.
    pub master_key: MasterKeySource,
    /// How long a key signs.
    pub rotation_days: u32,
    /// How long a key is published before it signs.
    pub publish_before_hours: u32,
}

/// Who is believed about callers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthConfig {
    /// OpenID Connect issuers.
    pub issuers: Vec<IssuerConfig>,
}

/// One OpenID Connect issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerConfig {
    /// The exact `iss` of its tokens; discovery is below it.
    pub issuer: String,
    /// A token must be for one of these.
    pub audiences: Vec<String>,
    /// The claim with the roles: a string or a list.
    pub roles_claim: String,
    /// Extra roots to trust for this issuer's server, PEM.
    pub ca_file: Option<PathBuf>,
    /// What roles allow.
    pub roles: Vec<RoleConfig>,
}

/// What one role allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleConfig {
    /// The role as it stands in the token.
    pub value: String,
    /// The provider, or `*` for all.
    pub provider: String,
    /// What the role allows there.
    pub grants: Grant,
}

/// What a caller may do with a provider; each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// Read policies, signers and decisions.
    Reader,
    /// Also change policies and signers.
    Contributor,
    /// Also make and delete providers, and rotate keys.
    Admin,
}

impl Grant {
    /// The name in configurations and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Contributor => "contributor",
            Self::Admin => "admin",
        }
    }
}

/// Budgets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Largest request body.
    pub body_bytes: usize,
    /// Requests each source may send per second, on average.
    pub requests_per_second_per_source: u32,
    /// Requests each source may send at once.
    pub burst: u32,
    /// Draft evaluations each source may ask for per minute.
    pub drafts_per_minute_per_source: u32,
    /// Seconds for the headers of a request.
    pub header_timeout_seconds: u32,
    /// Seconds for the body of a request.
    pub body_timeout_seconds: u32,
    /// Seconds that a connection may idle.
    pub idle_timeout_seconds: u32,
    /// Connections at once.
    pub connections: usize,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Its form.
    pub format: LogFormat,
    /// A level, or directives such as `info,assay_service=debug`.
    pub level: String,
}

/// The provider at the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultProviderConfig {
    /// Whether there is one.
    pub enabled: bool,
    /// Whether its policies can be set; else it is of the shared kind.
    pub writable: bool,
    /// How its tokens are signed.
    pub signing_algorithm: Algorithm,
}

/// Outgoing requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressConfig {
    /// Addresses that are not public but may be connected to.
    pub allow: Vec<AllowEntry>,
    /// Extra roots to trust, PEM.
    pub ca_file: Option<PathBuf>,
}

/// The clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClockConfig {
    /// Refuse to start when the clock stands behind the newest verified vendor date.
    pub refuse_behind: bool,
    /// Under `--dev`: the time that a test clock starts with.
    pub test_start: Option<UnixTime>,
}

/// What the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--dev`.
    pub dev: bool,
    /// `--data`.
    pub data_dir: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--operations-listen`.
    pub operations_listen: Option<SocketAddr>,
    /// `--test-clock`, RFC 3339.
    pub test_clock: Option<String>,
}

impl Config {
    /// Loads the configuration: the file, if there is one, then the variables of `environment` that begin with `ASSAY_`,
    /// then `overrides`.
    ///
    /// # Errors
    /// Every problem found, each with its place.
    pub fn load(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let text = match path {
            None => String::new(),
            Some(path) => read(path)?,
        };
        let name = path.map(|path| path.display().to_string());
        Self::from_text(name.as_deref(), &text, environment, overrides)
    }

    /// As [`Config::load`], with the text of the file; `name` is what errors call it.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_text(
        name: Option<&str>,
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let failed = |problems| ConfigError::new(name, text, problems);
        let mut raw = raw::parse(text).map_err(|problem| failed(vec![problem]))?;
        let environment = environment::apply(&mut raw, environment).map_err(failed)?;
        build::build(raw, environment, overrides).map_err(failed)
    }

    /// Says where the service really listens: with `--dev` and port 0 the derived public URL follows it.
    #[must_use]
    pub fn bound_to(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        if self.public_url_derived {
            self.public_url = dev_url(address);
        }
        self
    }

    /// The effective configuration as TOML, secrets left out.
    #[must_use]
    pub fn to_redacted_toml(&self) -> String {
        print::to_toml(self)
    }
}

fn dev_url(address: SocketAddr) -> String {
    format!("https://localhost:{}", address.port())
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let name = path.display().to_string();
    let failed = |message: String| {
        ConfigError::new(Some(&name), "", vec![Problem { origin: Origin::File(None), message }])
    };
    let bytes = crate::files::read(path, FILE_MAX).map_err(|error| failed(error.problem))?;
    String::from_utf8(bytes).map_err(|_| failed("is not UTF-8 text".to_owned()))
}

#[cfg(test)]
mod tests;
