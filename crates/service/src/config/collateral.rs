//! The section `collateral`: how documents come to the service that it does not hold.

use std::path::PathBuf;

use toml::{Table, Value};

use super::administration::{self, AdministrationConfig};
use super::build::{Problems, within};
use super::raw::{OneOrMany, Optional, RawCollateral, RawUpstream, Setting};
use super::{Config, Origin};

/// Longest list of upstreams: vendors, regional caches and mirrors.
const MAX_UPSTREAMS: usize = 16;
/// Most addresses of one upstream.
const MAX_URLS: usize = 8;
const MAX_NAME: usize = 32;
/// What the simulated vendors of `--dev` are called in explanations, logs and metrics.
pub(crate) const SIMULATED: &str = "simulated";
/// Intel's documents last 30 days.
const REFRESH_HOURS_MAX: u32 = 24 * 30;
/// A service holds 64 versions of a document; Intel evaluates two or three times a year.
const ARCHIVE_MAX: u32 = 60;
const TIMEOUT_MAX: u32 = 120;
const RETRIES_MAX: u32 = 6;
const BURST_MAX: u32 = 10_000;
const RATE_MIN: f64 = 0.001;
const RATE_MAX: f64 = 1000.0;

const INTEL: &str = "https://api.trustedservices.intel.com";
const INTEL_ROOT_CRL: &str = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";
const AMD: &str = "https://kdsintf.amd.com";

/// When upstreams are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CollateralMode {
    /// When something is missing, and to refresh what is held.
    #[default]
    Lazy,
    /// For platforms that were registered, and to refresh what is held.
    Registration,
    /// Never over a network.
    Offline,
}

impl CollateralMode {
    const ALL: [Self; 3] = [Self::Lazy, Self::Registration, Self::Offline];

    /// The name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lazy => "lazy",
            Self::Registration => "registration",
            Self::Offline => "offline",
        }
    }
}

/// How documents come to the service that it does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct CollateralConfig {
    /// When upstreams are asked.
    pub mode: CollateralMode,
    /// Whether documents are served that have expired because no upstream gave newer ones.
    pub serve_expired: bool,
    /// After how long what is held is asked for again.
    pub refresh_hours: u32,
    /// How many evaluations before the standard one are given out, by their number, also when they have expired.
    pub archive_evaluations: u32,
    /// Who is asked, the first one first.
    pub upstreams: Vec<UpstreamConfig>,
    /// Where platforms register and collateral is brought, if anywhere.
    pub administration: Option<AdministrationConfig>,
}

/// One upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamConfig {
    /// Its name in explanations, logs and metrics.
    pub name: String,
    /// What it is, and where.
    pub source: UpstreamSource,
    /// How it is asked; means nothing for a folder.
    pub network: NetworkConfig,
}

/// What an upstream is, and where. Addresses are without a slash at their end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamSource {
    /// Intel's service.
    Pcs {
        /// Its address.
        url: String,
        /// Where the list of Intel's root is.
        root_crl_url: String,
        /// Where the registration service is.
        registration_url: String,
        /// The file with the subscription key; certificates of platforms and added packages need one.
        key_file: Option<PathBuf>,
    },
    /// A cache that speaks like Intel's service: PCCS or another Assay.
    Pccs {
        /// Its address.
        url: String,
        /// The file with the user token.
        key_file: Option<PathBuf>,
    },
    /// AMD's service and mirrors of it.
    Kds {
        /// Their addresses.
        urls: Vec<String>,
    },
    /// An offline mirror.
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// A bundle that an operator signed.
    Bundle {
        /// The file; one that is put in its place later is read when it is there.
        path: PathBuf,
        /// The file with the public key of whoever must have signed it.
        signer: PathBuf,
    },
}

impl UpstreamSource {
    /// The addresses of servers.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        let urls: Vec<&String> = match self {
            Self::Pcs { url, root_crl_url, registration_url, .. } => {
                vec![url, root_crl_url, registration_url]
            }
            Self::Pccs { url, .. } => vec![url],
            Self::Kds { urls } => urls.iter().collect(),
            Self::Folder { .. } | Self::Bundle { .. } => Vec::new(),
        };
        urls.into_iter().map(String::as_str)
    }

    /// The name in the configuration.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Pcs { .. } => "pcs",
            Self::Pccs { .. } => "pccs",
            Self::Kds { .. } => "kds",
            Self::Folder { .. } => "folder",
            Self::Bundle { .. } => "bundle",
        }
    }

    /// Whether it is asked over a network.
    #[must_use]
    pub const fn needs_network(&self) -> bool {
        !matches!(self, Self::Folder { .. } | Self::Bundle { .. })
    }
}

/// How an upstream is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkConfig {
    /// Extra roots to trust, PEM.
    pub ca_file: Option<PathBuf>,
    /// For one question.
    pub timeout_seconds: u32,
    /// Questions after the first one that failed in passing.
    pub retries: u32,
    /// Questions in the long run.
    pub requests_per_second: f64,
    /// Questions at once.
    pub burst: u32,
}

pub(super) fn build(problems: &mut Problems, raw: RawCollateral) -> CollateralConfig {
    let hours = |hours| within("refresh_hours", hours, 1, REFRESH_HOURS_MAX);
    CollateralConfig {
        mode: problems.checked(raw.mode, |name| mode(&name)).unwrap_or_default(),
        serve_expired: raw.serve_expired.is_some_and(|serve| serve.value),
        refresh_hours: problems.checked(raw.refresh_hours, hours).unwrap_or(24),
        archive_evaluations: problems
            .checked(raw.archive_evaluations, |count| within("archive_evaluations", count, 0, ARCHIVE_MAX))
            .unwrap_or(0),
        upstreams: upstreams(problems, raw.upstreams),
        administration: administration::build(problems, raw.administration),
    }
}

fn mode(name: &str) -> Result<CollateralMode, String> {
    let known = CollateralMode::ALL.into_iter().find(|mode| mode.as_str() == name);
    known.ok_or_else(|| {
        format!("`{name}` is not a mode of collateral; the modes are `lazy`, `registration` and `offline`")
    })
}

fn upstreams(problems: &mut Problems, raw: Vec<RawUpstream>) -> Vec<UpstreamConfig> {
    if let Some(more) = raw.get(MAX_UPSTREAMS) {
        problems.add(more.kind.origin.clone(), format!("there are more than {MAX_UPSTREAMS} upstreams"));
    }
    let mut upstreams: Vec<UpstreamConfig> = Vec::new();
    for one in raw.into_iter().take(MAX_UPSTREAMS) {
        let origin = one.name.as_ref().map_or(&one.kind, |name| name).origin.clone();
        let Some(upstream) = upstream(problems, one) else { continue };
        if upstreams.iter().any(|other| other.name == upstream.name) {
            let name = &upstream.name;
            problems
                .add(origin, format!("two upstreams have the name `{name}`; give each a `name` of its own"));
        }
        upstreams.push(upstream);
    }
    upstreams
}

fn upstream(problems: &mut Problems, raw: RawUpstream) -> Option<UpstreamConfig> {
    let kind = Kind::from_name(problems, &raw.kind)?;
    unused(problems, kind, &raw);
    let usual = kind.usual_network();
    let mut number = |name, setting, default, min, max| {
        problems.checked(setting, |value| within(name, value, min, max)).unwrap_or(default)
    };
    let network = NetworkConfig {
        ca_file: raw.ca_file.map(|file| file.value.into()),
        timeout_seconds: number(
            "timeout_seconds",
            raw.timeout_seconds,
            usual.timeout_seconds,
            1,
            TIMEOUT_MAX,
        ),
        retries: number("retries", raw.retries, usual.retries, 0, RETRIES_MAX),
        burst: number("burst", raw.burst, usual.burst, 1, BURST_MAX),
        requests_per_second: problems
            .checked(raw.requests_per_second, |rate| within("requests_per_second", rate, RATE_MIN, RATE_MAX))
            .unwrap_or(usual.requests_per_second),
    };
    let name = problems.checked(raw.name, |name| check_name(&name).map(|()| name));
    let key_file = raw.key_file.map(|file| file.value.into());
    let root_crl_url = problems.checked(raw.root_crl_url, |url| address(&url));
    let registration_url = problems.checked(raw.registration_url, |url| server(&url));
    let source = match kind {
        Kind::Folder => UpstreamSource::Folder {
            path: needed(problems, &raw.kind.origin, raw.path, "folder", "`path`, the folder")?,
        },
        Kind::Bundle => {
            let path = needed(problems, &raw.kind.origin, raw.path, "bundle", "`path`, the file");
            let signer = "`signer`, the file with the public key of whoever signs it";
            let signer = needed(problems, &raw.kind.origin, raw.signer, "bundle", signer);
            UpstreamSource::Bundle { path: path?, signer: signer? }
        }
        remote => {
            let places = Places { url: raw.url, root_crl_url, registration_url };
            remote.server(problems, raw.kind.origin, places, key_file)?
        }
    };
    Some(UpstreamConfig { name: name.unwrap_or_else(|| kind.name().to_owned()), source, network })
}

/// A file or folder without which an upstream is nothing.
fn needed(
    problems: &mut Problems,
    origin: &Origin,
    setting: Optional<String>,
    kind: &str,
    what: &str,
) -> Option<PathBuf> {
    if setting.is_none() {
        problems.add(origin.clone(), format!("an upstream of the kind `{kind}` needs {what}"));
    }
    setting.map(|setting| setting.value.into())
}

/// Settings that mean nothing for this kind were meant for another.
fn unused(problems: &mut Problems, kind: Kind, raw: &RawUpstream) {
    let origin = |setting: &Optional<String>| setting.as_ref().map(|setting| setting.origin.clone());
    let local = matches!(kind, Kind::Folder | Kind::Bundle);
    let settings = [
        ("url", raw.url.as_ref().map(|url| url.origin.clone()), local),
        ("root_crl_url", origin(&raw.root_crl_url), kind != Kind::Pcs),
        ("registration_url", origin(&raw.registration_url), kind != Kind::Pcs),
        ("path", origin(&raw.path), !local),
        ("signer", origin(&raw.signer), kind != Kind::Bundle),
        ("key_file", origin(&raw.key_file), kind == Kind::Kds || local),
        ("ca_file", origin(&raw.ca_file), local),
        ("timeout_seconds", raw.timeout_seconds.as_ref().map(|setting| setting.origin.clone()), local),
        ("retries", raw.retries.as_ref().map(|setting| setting.origin.clone()), local),
        (
            "requests_per_second",
            raw.requests_per_second.as_ref().map(|setting| setting.origin.clone()),
            local,
        ),
        ("burst", raw.burst.as_ref().map(|setting| setting.origin.clone()), local),
    ];
    for (name, origin, is_unused) in settings {
        if let Some(origin) = origin.filter(|_| is_unused) {
            problems
                .add(origin, format!("`{name}` means nothing for an upstream of the kind `{}`", kind.name()));
        }
    }
}

/// Where an upstream is, as it was written.
struct Places {
    url: Optional<OneOrMany>,
    root_crl_url: Option<String>,
    registration_url: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pcs,
    Pccs,
    Kds,
    Folder,
    Bundle,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Pcs, Self::Pccs, Self::Kds, Self::Folder, Self::Bundle];

    const fn name(self) -> &'static str {
        match self {
            Self::Pcs => "pcs",
            Self::Pccs => "pccs",
            Self::Kds => "kds",
            Self::Folder => "folder",
            Self::Bundle => "bundle",
        }
    }

    fn from_name(problems: &mut Problems, setting: &Setting<String>) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == setting.value);
        if found.is_none() {
            let message = format!(
                "`{}` is not a kind of upstream; the kinds are `pcs`, `pccs`, `kds`, `folder` and `bundle`",
                setting.value
            );
            problems.add(setting.origin.clone(), message);
        }
        found
    }

    /// AMD publishes no limit; one certificate in ten seconds from one address was seen to be borne (issues of open-source
    /// verifiers). Intel's service bears far more than ten questions a second.
    const fn usual_network(self) -> NetworkConfig {
        let requests_per_second = match self {
            Self::Kds => 0.1,
            _ => 10.0,
        };
        NetworkConfig { ca_file: None, timeout_seconds: 20, retries: 3, requests_per_second, burst: 10 }
    }

    /// Upstreams over a network.
    fn server(
        self,
        problems: &mut Problems,
        origin: Origin,
        places: Places,
        key_file: Option<PathBuf>,
    ) -> Option<UpstreamSource> {
        let Places { url, root_crl_url, registration_url } = places;
        let has_url = url.is_some();
        let mut urls = problems.checked(url, |urls| servers(self, urls.into_vec())).unwrap_or_default();
        match self {
            Self::Pcs => {
                let url = urls.pop().unwrap_or_else(|| INTEL.to_owned());
                let root_crl_url = root_crl_url.unwrap_or_else(|| INTEL_ROOT_CRL.to_owned());
                // Intel has both on one server.
                let registration_url = registration_url.unwrap_or_else(|| url.clone());
                Some(UpstreamSource::Pcs { url, root_crl_url, registration_url, key_file })
            }
            Self::Pccs => {
                if !has_url {
                    problems
                        .add(origin, "an upstream of the kind `pccs` needs `url`, the address of the cache");
                }
                Some(UpstreamSource::Pccs { url: urls.pop()?, key_file })
            }
            Self::Kds => {
                Some(UpstreamSource::Kds { urls: if has_url { urls } else { vec![AMD.to_owned()] } })
            }
            Self::Folder | Self::Bundle => None,
        }
    }
}

fn servers(kind: Kind, urls: Vec<String>) -> Result<Vec<String>, String> {
    if kind == Kind::Kds && !(1..=MAX_URLS).contains(&urls.len()) {
        return Err(format!("`url` of the kind `kds` must have 1 to {MAX_URLS} addresses"));
    }
    if kind != Kind::Kds && urls.len() != 1 {
        return Err(format!("`url` of the kind `{}` must be one address", kind.name()));
    }
    urls.iter().map(|url| server(url)).collect()
}

/// The address of a server, to which the paths of its API are added.
fn server(text: &str) -> Result<String, String> {
    let url = address(text)?;
    let url = url.trim_end_matches('/');
    if ["/certification", "/registration", "/vcek/", "/vlek/"].iter().any(|path| url.contains(path)) {
        return Err(format!(
            "`{text}` has a path of the API; give the address of the server alone, such as `https://pccs.example.org:8081`"
        ));
    }
    Ok(url.to_owned())
}

fn address(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is not an https address such as `https://pccs.example.org:8081`");
    let uri: http::Uri = text.parse().map_err(|_| wrong())?;
    let authority = uri.authority().ok_or_else(wrong)?;
    let plain = uri.scheme_str() == Some("https") && uri.query().is_none() && !text.contains('#');
    if plain && !authority.as_str().contains('@') { Ok(text.to_owned()) } else { Err(wrong()) }
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name == SIMULATED {
        return Err(format!("`{name}` is the name of the simulated vendors of `--dev`; give it another one"));
    }
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(format!("`{name}` is not a name of an upstream: 1 to {MAX_NAME} small letters, digits and hyphens"))
}

/// The section for people, as it could be given again. Of keys it has the files alone.
pub(super) fn to_toml(config: &Config) -> Value {
    let collateral = &config.collateral;
    let dirs = config.collateral_dirs.iter().map(|dir| path(dir));
    let mut table = Table::new();
    let mut put = |name: &str, value: Value| table.insert(name.to_owned(), value);
    put("dir", Value::Array(dirs.collect()));
    put("mode", collateral.mode.as_str().into());
    put("serve_expired", collateral.serve_expired.into());
    put("refresh_hours", i64::from(collateral.refresh_hours).into());
    put("archive_evaluations", i64::from(collateral.archive_evaluations).into());
    if !collateral.upstreams.is_empty() {
        put("upstreams", Value::Array(collateral.upstreams.iter().map(upstream_to_toml).collect()));
    }
    if let Some(administration) = &collateral.administration {
        put("administration", administration::to_toml(administration));
    }
    Value::Table(table)
}

fn path(path: &std::path::Path) -> Value {
    Value::String(path.display().to_string())
}

fn upstream_to_toml(upstream: &UpstreamConfig) -> Value {
    let mut table = Table::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            table.insert(name.to_owned(), value);
        }
    };
    let file = |file: &Option<PathBuf>| file.as_deref().map(path);
    put("kind", Some(upstream.source.kind().into()));
    put("name", Some(upstream.name.clone().into()));
    match &upstream.source {
        UpstreamSource::Pcs { url, root_crl_url, registration_url, key_file } => {
            put("url", Some(url.clone().into()));
            put("root_crl_url", Some(root_crl_url.clone().into()));
            put("registration_url", Some(registration_url.clone().into()));
            put("key_file", file(key_file));
        }
        UpstreamSource::Pccs { url, key_file } => {
            put("url", Some(url.clone().into()));
            put("key_file", file(key_file));
        }
        UpstreamSource::Kds { urls } => put("url", Some(urls.clone().into())),
        UpstreamSource::Folder { path: folder } => {
            put("path", Some(path(folder)));
            return Value::Table(table);
        }
        UpstreamSource::Bundle { path: bundle, signer } => {
            put("path", Some(path(bundle)));
            put("signer", Some(path(signer)));
            return Value::Table(table);
        }
    }
    let network = &upstream.network;
    put("ca_file", file(&network.ca_file));
    put("timeout_seconds", Some(i64::from(network.timeout_seconds).into()));
    put("retries", Some(i64::from(network.retries).into()));
    put("requests_per_second", Some(network.requests_per_second.into()));
    put("burst", Some(i64::from(network.burst).into()));
    Value::Table(table)
}
