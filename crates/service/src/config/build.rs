//! From what was written to what is used: defaults, and every rule that spans more than one value.

use std::net::SocketAddr;
use std::path::PathBuf;

use assay_appraisal::{Baseline, SnpBaseline};
use assay_token::Algorithm;
use assay_verify::UnixTime;
use assay_verify::intel::TcbStatus;

use super::collateral;
use super::environment::FromEnvironment;
use super::raw::{OneOrMany, Optional, Raw, RawIssuer, RawKeys, RawLimits, RawTls, Setting};
use super::snp;
use super::{
    AuthConfig, ClockConfig, Config, DefaultProviderConfig, EgressConfig, Grant, IssuerConfig, KeysConfig,
    LimitsConfig, LogConfig, LogFormat, Origin, Overrides, Problem, RoleConfig, TlsFiles, dev_url,
};
use crate::egress::AllowEntry;
use crate::keys::MasterKeySource;
use crate::registry::check_name;

/// Where `--dev` listens unless told otherwise.
const DEV_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8443);
const DEV_DATA: &str = "assay-dev";
/// A policy document may have 4 MiB in the store; evidence with event logs stays below (policy text 1 MiB, base64 twice).
const BODY_BYTES: usize = 4 * 1024 * 1024;
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A key older than two years was forgotten, not configured.
const ROTATION_DAYS_MAX: u32 = 730;
const PUBLISH_HOURS_MAX: u32 = 24 * 30;
const TIMEOUT_MAX: u32 = 3600;

/// Collects problems so that all are reported at once.
#[derive(Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, origin: Origin, message: impl Into<String>) {
        self.0.push(Problem { origin, message: message.into() });
    }

    fn absent(&mut self, message: impl Into<String>) {
        self.add(Origin::Absent, message);
    }

    /// The checked value of a setting; a problem leaves nothing.
    pub(super) fn checked<T, U>(
        &mut self,
        setting: Optional<T>,
        check: impl FnOnce(T) -> Result<U, String>,
    ) -> Option<U> {
        let Setting { value, origin } = setting?;
        match check(value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.add(origin, message);
                None
            }
        }
    }
}

pub(crate) fn build(
    mut raw: Raw,
    environment: FromEnvironment,
    overrides: &Overrides,
) -> Result<Config, Vec<Problem>> {
    let mut problems = Problems::default();
    let dev = overrides.dev;
    let data_dir = data_dir(&mut problems, raw.data_dir, overrides);
    let listen = listen(&mut problems, raw.listen, overrides);
    let public_url_derived = raw.public_url.is_none() && dev;
    let public_url = public_url(&mut problems, raw.public_url, listen, dev);
    let operations_listen = overrides
        .operations_listen
        .or_else(|| problems.checked(raw.operations.listen, |text| address(&text)));
    let config = Config {
        dev,
        listen,
        service_domain: problems.checked(raw.service_domain, |text| domain(&text)),
        plain_http: raw.tls.disabled.as_ref().is_some_and(|disabled| disabled.value),
        tls: tls(&mut problems, raw.tls, listen, public_url_derived, &data_dir, dev),
        operations_listen,
        metrics_token: problems
            .checked(raw.operations.metrics_token_sha512, |text| super::TokenDigest::parse(&text)),
        collateral_dirs: collateral_dirs(raw.collateral.dir.take(), &data_dir),
        collateral: collateral::build(&mut problems, raw.collateral),
        store_dir: raw.store.path.map_or_else(|| data_dir.join("store"), |path| PathBuf::from(path.value)),
        keys: keys(&mut problems, raw.keys, &environment, &data_dir, dev),
        auth: AuthConfig { issuers: issuers(&mut problems, raw.auth.issuers, &public_url) },
        limits: limits(&mut problems, raw.limits),
        baseline: baseline(
            &mut problems,
            raw.baseline.accepted_tcb_statuses,
            raw.baseline.minimum_evaluation_number,
            raw.baseline.snp,
        ),
        snp: snp::build(&mut problems, raw.snp),
        audit_durable: raw.audit.durable.is_none_or(|durable| durable.value),
        log: LogConfig {
            format: raw
                .log
                .format
                .map_or(if dev { LogFormat::Text } else { LogFormat::Json }, |format| format.value),
            level: raw.log.level.map_or_else(|| "info".to_owned(), |level| level.value),
        },
        default_provider: DefaultProviderConfig {
            enabled: raw.default_provider.enabled.is_none_or(|enabled| enabled.value),
            writable: raw.default_provider.writable.map_or(dev, |writable| writable.value),
            signing_algorithm: raw
                .default_provider
                .signing_algorithm
                .map_or(Algorithm::Rs256, |name| name.value),
        },
        egress: EgressConfig {
            allow: problems.checked(raw.egress.allow, |entries| allow(&entries)).unwrap_or_default(),
            ca_file: raw.egress.ca_file.map(|path| PathBuf::from(path.value)),
        },
        clock: ClockConfig {
            refuse_behind: raw.clock.refuse_behind.is_some_and(|refuse| refuse.value),
            test_start: test_clock(&mut problems, environment.test_clock, overrides),
        },
        public_url_derived,
        data_dir,
        public_url,
    };
    if problems.0.is_empty() { Ok(config) } else { Err(problems.0) }
}

fn data_dir(problems: &mut Problems, setting: Optional<String>, overrides: &Overrides) -> PathBuf {
    if let Some(path) = &overrides.data_dir {
        return path.clone();
    }
    match setting {
        Some(setting) => PathBuf::from(setting.value),
        None => {
            if !overrides.dev {
                problems.absent("`data_dir` is missing: the folder where the service keeps its files");
            }
            PathBuf::from(DEV_DATA)
        }
    }
}

fn listen(problems: &mut Problems, setting: Optional<String>, overrides: &Overrides) -> SocketAddr {
    let origin = setting.as_ref().map(|setting| setting.origin.clone());
    let (origin, listen) = match overrides.listen {
        Some(listen) => (Origin::CommandLine("--listen"), Some(listen)),
        None => (origin.unwrap_or(Origin::Absent), problems.checked(setting, |text| address(&text))),
    };
    match listen {
        Some(listen) => {
            // Whatever runs under --dev believes simulated hardware.
            if overrides.dev && !listen.ip().is_loopback() {
                problems.add(origin, "with `--dev` the service listens on a loopback address only");
            }
            listen
        }
        None => {
            if !overrides.dev && origin == Origin::Absent {
                problems.absent("`listen` is missing: the address and port to serve HTTPS on");
            }
            DEV_LISTEN
        }
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address and port such as `0.0.0.0:443`"))
}

fn public_url(problems: &mut Problems, setting: Optional<String>, listen: SocketAddr, dev: bool) -> String {
    let missing = setting.is_none();
    let url = problems.checked(setting, |text| base_url(&text));
    if missing && !dev {
        problems
            .absent("`public_url` is missing: the https address that clients use, which becomes the issuer");
    }
    url.unwrap_or_else(|| dev_url(listen))
}

/// `https://host[:port]` and nothing behind it: the issuer is compared as a text.
pub(crate) fn base_url(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is not an address such as `https://attest.example.org`, without a path");
    let uri: http::Uri = text.parse().map_err(|_| wrong())?;
    let host = uri.host().ok_or_else(wrong)?;
    let port = uri.port_u16();
    let canonical = match port {
        Some(port) => format!("https://{host}:{port}"),
        None => format!("https://{host}"),
    };
    if canonical != text || host.to_ascii_lowercase() != host {
        return Err(wrong());
    }
    Ok(canonical)
}

fn domain(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(inner) && !label.starts_with('-')
    };
    if text.len() <= 253 && text.contains('.') && text.split('.').all(label) {
        return Ok(text.to_owned());
    }
    Err(format!("`{text}` is not a domain name such as `attest.example.org`, in lower case"))
}

fn tls(
    problems: &mut Problems,
    raw: RawTls,
    listen: SocketAddr,
    public_url_derived: bool,
    data_dir: &std::path::Path,
    dev: bool,
) -> TlsFiles {
    if let Some(disabled) = raw.disabled.filter(|disabled| disabled.value) {
        let proxied = raw.behind_proxy.is_some_and(|proxied| proxied.value);
        if !proxied && !listen.ip().is_loopback() {
            // Tokens and evidence would cross the network in the clear.
            problems.add(
                disabled.origin.clone(),
                "`tls.disabled` needs a loopback address in `listen`, or `tls.behind_proxy = true`",
            );
        }
        if public_url_derived {
            problems
                .add(disabled.origin, "`tls.disabled` needs `public_url`: the https address of the proxy");
        }
        for file in [raw.cert, raw.key].into_iter().flatten() {
            problems.add(file.origin, "`tls.disabled` leaves no use for `tls.cert` and `tls.key`");
        }
        return TlsFiles { cert: PathBuf::new(), key: PathBuf::new() };
    }
    match (raw.cert, raw.key) {
        (Some(cert), Some(key)) => TlsFiles { cert: cert.value.into(), key: key.value.into() },
        (None, None) => {
            if !dev {
                problems.absent(
                    "`tls.cert` and `tls.key` are missing: the PEM files of the server's certificate",
                );
            }
            TlsFiles { cert: data_dir.join("tls/server.pem"), key: data_dir.join("tls/server.key") }
        }
        (Some(one), None) => {
            problems.add(one.origin, "`tls.cert` needs `tls.key` beside it");
            TlsFiles { cert: one.value.into(), key: PathBuf::new() }
        }
        (None, Some(one)) => {
            problems.add(one.origin, "`tls.key` needs `tls.cert` beside it");
            TlsFiles { cert: PathBuf::new(), key: one.value.into() }
        }
    }
}

fn collateral_dirs(setting: Optional<OneOrMany>, data_dir: &std::path::Path) -> Vec<PathBuf> {
    match setting {
        Some(setting) => setting.value.into_vec().into_iter().map(PathBuf::from).collect(),
        None => vec![data_dir.join("collateral")],
    }
}

fn keys(
    problems: &mut Problems,
    raw: RawKeys,
    environment: &FromEnvironment,
    data_dir: &std::path::Path,
    dev: bool,
) -> KeysConfig {
    let default_hours = if dev { 0 } else { 24 };
    let days = |days| within("rotation_days", days, 1, ROTATION_DAYS_MAX);
    let hours = |hours| within("publish_before_hours", hours, 0, PUBLISH_HOURS_MAX);
    let rotation_days = problems.checked(raw.rotation_days, days).unwrap_or(90);
    let origin = raw.publish_before_hours.as_ref().map(|setting| setting.origin.clone());
    let publish_before_hours = problems.checked(raw.publish_before_hours, hours).unwrap_or(default_hours);
    if let Some(origin) = origin.filter(|_| !dev && publish_before_hours < 24) {
        // Clients fetch the key set once and keep it.
        problems.add(origin, "`publish_before_hours` must be at least 24 outside `--dev`");
    }
    if publish_before_hours >= rotation_days.saturating_mul(24) {
        problems.absent("`keys.publish_before_hours` must be shorter than `keys.rotation_days`");
    }
    let named = raw.master_key_file.is_some() || raw.master_key_credential.is_some();
    let master_key = master_key(problems, raw.master_key_file, raw.master_key_credential, environment);
    let dev_key = || MasterKeySource::File(data_dir.join("dev/master.key"));
    if master_key.is_none() && !named && !dev {
        problems.absent(
            "there is no master key: set `keys.master_key_file`, `keys.master_key_credential` or the variable ASSAY_MASTER_KEY",
        );
    }
    KeysConfig { master_key: master_key.unwrap_or_else(dev_key), rotation_days, publish_before_hours }
}

fn master_key(
    problems: &mut Problems,
    file: Optional<String>,
    credential: Optional<String>,
    environment: &FromEnvironment,
) -> Option<MasterKeySource> {
    let given = [file.is_some(), credential.is_some(), environment.master_key.is_some()];
    if given.into_iter().filter(|given| *given).count() > 1 {
        problems.absent(
            "there is more than one master key: set one of the file, the credential and ASSAY_MASTER_KEY",
        );
    }
    if let Some(file) = file {
        return Some(MasterKeySource::File(file.value.into()));
    }
    let credential = problems.checked(credential, |name| {
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            return Err(format!("`{name}` is not the name of a credential"));
        }
        let folder = environment.credentials.as_ref();
        let folder = folder.ok_or("systemd gave no credentials: CREDENTIALS_DIRECTORY is not set")?;
        Ok(MasterKeySource::Credential(PathBuf::from(folder).join(name)))
    });
    credential.or_else(|| environment.master_key.clone().map(MasterKeySource::Environment))
}

fn issuers(problems: &mut Problems, raw: Vec<RawIssuer>, public_url: &str) -> Vec<IssuerConfig> {
    let mut issuers: Vec<IssuerConfig> = Vec::new();
    for one in raw {
        let origin = one.issuer.origin.clone();
        if let Err(message) = issuer_url(&one.issuer.value) {
            problems.add(origin.clone(), message);
        }
        if is_below(&one.issuer.value, public_url) {
            // An attestation token must never open an administrator's door.
            problems.add(origin.clone(), "the service's own address cannot be an issuer of bearer tokens");
        }
        if issuers.iter().any(|other| other.issuer == one.issuer.value) {
            problems.add(origin, "the issuer is configured twice");
        }
        if one.audiences.value.iter().all(String::is_empty) {
            problems.add(one.audiences.origin.clone(), "`audiences` must name at least one audience");
        }
        let roles = roles(problems, one.role, one.admin_roles);
        issuers.push(IssuerConfig {
            issuer: one.issuer.value,
            audiences: one.audiences.value,
            roles_claim: one.roles_claim.map_or_else(|| "roles".to_owned(), |claim| claim.value),
            ca_file: one.ca_file.map(|path| PathBuf::from(path.value)),
            roles,
        });
    }
    issuers
}

fn roles(
    problems: &mut Problems,
    raw: Vec<super::raw::RawRole>,
    admin_roles: Vec<String>,
) -> Vec<RoleConfig> {
    let everywhere = |value| RoleConfig { value, provider: "*".to_owned(), grants: Grant::Admin };
    let mut roles: Vec<RoleConfig> = admin_roles.into_iter().map(everywhere).collect();
    for role in raw {
        let name = role.provider.value.to_ascii_lowercase();
        if name != "*" && name != crate::registry::DEFAULT_PROVIDER && check_name(&name).is_err() {
            problems.add(role.provider.origin, format!("`{name}` is neither `*` nor the name of a provider"));
        }
        roles.push(RoleConfig { value: role.value, provider: name, grants: role.grants });
    }
    roles
}

fn issuer_url(text: &str) -> Result<(), String> {
    let wrong = || format!("`{text}` is not an https address of an issuer");
    let uri: http::Uri = text.parse().map_err(|_| wrong())?;
    let plain = uri.scheme_str() == Some("https") && uri.query().is_none();
    let authority = uri.authority().ok_or_else(wrong)?;
    if plain && !authority.as_str().contains('@') { Ok(()) } else { Err(wrong()) }
}

/// Whether an address is the service's own, or below it.
pub(crate) fn is_below(address: &str, public_url: &str) -> bool {
    let rest = address.strip_prefix(public_url);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn limits(problems: &mut Problems, raw: RawLimits) -> LimitsConfig {
    let mut number = |name, setting: Optional<u32>, default, max| {
        problems.checked(setting, |value| within(name, value, 1, max)).unwrap_or(default)
    };
    let requests_per_second_per_source =
        number("requests_per_second_per_source", raw.requests_per_second_per_source, 200, 1_000_000);
    let burst = number("burst", raw.burst, 400, 1_000_000);
    let drafts = number("drafts_per_minute_per_source", raw.drafts_per_minute_per_source, 60, 1_000_000);
    let header_timeout_seconds =
        number("header_timeout_seconds", raw.header_timeout_seconds, 10, TIMEOUT_MAX);
    let body_timeout_seconds = number("body_timeout_seconds", raw.body_timeout_seconds, 20, TIMEOUT_MAX);
    let idle_timeout_seconds = number("idle_timeout_seconds", raw.idle_timeout_seconds, 60, TIMEOUT_MAX);
    let mut size = |name, setting: Optional<usize>, default, min, max| {
        problems.checked(setting, |value| within(name, value, min, max)).unwrap_or(default)
    };
    LimitsConfig {
        body_bytes: size("body_bytes", raw.body_bytes, BODY_BYTES, 1024, BODY_BYTES_MAX),
        requests_per_second_per_source,
        burst,
        drafts_per_minute_per_source: drafts,
        header_timeout_seconds,
        body_timeout_seconds,
        idle_timeout_seconds,
        connections: size("connections", raw.connections, 4096, 1, 1_000_000),
    }
}

pub(super) fn within<T: PartialOrd + std::fmt::Display>(
    name: &str,
    value: T,
    min: T,
    max: T,
) -> Result<T, String> {
    if value >= min && value <= max {
        return Ok(value);
    }
    Err(format!("`{name}` is {value}; it must be from {min} to {max}"))
}

fn baseline(
    problems: &mut Problems,
    accepted: Optional<Vec<String>>,
    minimum: Optional<u32>,
    snp: SnpBaseline,
) -> Baseline {
    let service = Baseline::default();
    Baseline {
        accepted: problems
            .checked(accepted, |names| tcb_statuses(&names).map(|()| names))
            .unwrap_or(service.accepted),
        minimum_evaluation_number: minimum.map_or(service.minimum_evaluation_number, |number| number.value),
        snp,
    }
}

/// Names of statuses that a baseline may accept: `Revoked` never is.
pub(crate) fn tcb_statuses(names: &[String]) -> Result<(), String> {
    let acceptable = |name: &str| {
        TcbStatus::ALL.into_iter().any(|status| status != TcbStatus::Revoked && status.as_str() == name)
    };
    match names.iter().find(|name| !acceptable(name)) {
        Some(name) => Err(format!("`{name}` is not a TCB status that can be accepted")),
        None if names.is_empty() => Err("at least one TCB status must be accepted".to_owned()),
        None => Ok(()),
    }
}

fn allow(entries: &[String]) -> Result<Vec<AllowEntry>, String> {
    entries.iter().map(|entry| entry.parse::<AllowEntry>().map_err(|error| error.to_string())).collect()
}

fn test_clock(
    problems: &mut Problems,
    environment: Option<Setting<String>>,
    overrides: &Overrides,
) -> Option<UnixTime> {
    let option = overrides.test_clock.clone();
    let option = option.map(|value| Setting { value, origin: Origin::CommandLine("--test-clock") });
    let setting = option.or(environment)?;
    if !overrides.dev {
        problems.add(setting.origin.clone(), "a test clock exists only with `--dev`");
    }
    problems.checked(Some(setting), |text| {
        UnixTime::parse_rfc3339(&text)
            .ok_or_else(|| format!("`{text}` is not a time such as `2026-01-01T00:00:00Z`"))
    })
}
