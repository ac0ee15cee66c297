//! What `--dev` makes: a marker, a local certification authority with a server certificate, an administrator's token, a
//! master key and simulated silicon.
//!
//! ```text
//! DIR/dev/marker         born under --dev: refused without it
//! DIR/dev/admin.token    the administrator's bearer token, 0600
//! DIR/dev/master.key     0600
//! DIR/tls/ca.pem         what clients trust
//! DIR/tls/server.pem     for localhost, 127.0.0.1 and ::1
//! DIR/silicon            the simulated vendor
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};

use assay_silicon::SiliconError;
use assay_silicon::intel::Intel;
use assay_verify::UnixTime;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::clock::Clock;
use crate::config::Config;
use crate::files::{self, FileError};
use crate::random::{self, NoRandomness};

const MARKER: &str = "This folder was made by `assay serve --dev`. Nothing in it is to be trusted.\n";
const PEM_MAX: u64 = 64 * 1024;
const TOKEN_MAX: u64 = 1024;
const DAY: i64 = 24 * 60 * 60;
const CA_DAYS: i64 = 3650;
/// Longer than 398 days and browsers refuse it.
const SERVER_DAYS: i64 = 365;
/// The server's certificate is made anew when it has less than this.
const RENEW_DAYS: i64 = 30;

/// Why a data folder cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FolderError {
    /// A file.
    #[error("{0}")]
    File(FileError),
    /// A folder of `--dev` without `--dev`.
    #[error("`{}` was made by `--dev` and is not used without it", .0.display())]
    Development(PathBuf),
    /// A production folder with `--dev`.
    #[error("`{}` is the data of a production service and is not used with `--dev`", .0.display())]
    Production(PathBuf),
    /// Certificates cannot be made.
    #[error("the development certificates cannot be made: {0}")]
    Certificate(String),
    /// No randomness.
    #[error("{0}")]
    Random(NoRandomness),
    /// The simulated vendor.
    #[error("{0}")]
    Silicon(SiliconError),
}

impl From<FileError> for FolderError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// Where things are in a folder of `--dev`.
#[derive(Clone, Debug)]
pub struct DevFolder {
    data: PathBuf,
}

impl DevFolder {
    /// The layout of a data folder.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// The simulated vendor.
    #[must_use]
    pub fn silicon(&self) -> PathBuf {
        self.data.join("silicon")
    }

    /// The administrator's bearer token.
    #[must_use]
    pub fn admin_token(&self) -> PathBuf {
        self.data.join("dev/admin.token")
    }

    /// The master key.
    #[must_use]
    pub fn master_key(&self) -> PathBuf {
        self.data.join("dev/master.key")
    }

    /// The certificate that clients trust.
    #[must_use]
    pub fn ca_certificate(&self) -> PathBuf {
        self.data.join("tls/ca.pem")
    }

    fn marker(&self) -> PathBuf {
        self.data.join("dev/marker")
    }

    fn tls(&self, name: &str) -> PathBuf {
        self.data.join("tls").join(name)
    }
}

/// Makes the data folder, for its owner alone, and refuses one of the other kind.
///
/// # Errors
/// [`FolderError`].
pub fn check_folder(config: &Config) -> Result<(), FolderError> {
    let folder = DevFolder::new(&config.data_dir);
    files::private_folder(&config.data_dir)?;
    let (marked, used) = (folder.marker().exists(), config.store_dir.exists());
    match (config.dev, marked) {
        (false, true) => Err(FolderError::Development(config.data_dir.clone())),
        (true, false) if used => Err(FolderError::Production(config.data_dir.clone())),
        (true, false) => {
            files::private_folder(&config.data_dir.join("dev"))?;
            Ok(files::write_private(&folder.marker(), MARKER.as_bytes())?)
        }
        _ => Ok(()),
    }
}

/// Makes whatever is missing in a folder of `--dev`, and gives the administrator's token.
///
/// # Errors
/// [`FolderError`].
pub fn prepare(config: &Config, clock: &Clock) -> Result<String, FolderError> {
    let folder = DevFolder::new(&config.data_dir);
    files::private_folder(&config.data_dir.join("dev"))?;
    // Certificates are checked by clients with clocks of their own, so a test clock does not count here.
    tls(&folder, Clock::system().now())?;
    Intel::publish(&folder.silicon(), clock.now().0).map_err(FolderError::Silicon)?;
    admin_token(&folder)
}

fn admin_token(folder: &DevFolder) -> Result<String, FolderError> {
    let path = folder.admin_token();
    if !path.exists() {
        let token = hex::encode(random::bytes::<32>().map_err(FolderError::Random)?);
        files::write_private(&path, format!("{token}\n").as_bytes())?;
    }
    let token = files::read_private(&path, TOKEN_MAX)?;
    let token = String::from_utf8_lossy(&token).trim().to_owned();
    if token.len() < 32 {
        return Err(FileError::new(&path, "is shorter than 32 characters").into());
    }
    Ok(token)
}

/// Certificate and key of a server on this machine, made if they are missing: for what stands beside a service under `--dev` on
/// the same folder, before or after the service itself.
///
/// # Errors
/// [`FolderError`]; [`FolderError::Production`] for the data of a production service.
pub fn server_certificate(data: &Path) -> Result<(PathBuf, PathBuf), FolderError> {
    let folder = DevFolder::new(data);
    files::private_folder(data)?;
    if !folder.marker().exists() && data.join("store").exists() {
        return Err(FolderError::Production(data.to_owned()));
    }
    tls(&folder, Clock::system().now())?;
    Ok((folder.tls("server.pem"), folder.tls("server.key")))
}

/// The authority is made once; the server's certificate again before it expires. Of several processes one makes them.
fn tls(folder: &DevFolder, now: UnixTime) -> Result<(), FolderError> {
    files::private_folder(&folder.data.join("tls"))?;
    let _lock = lock(&folder.tls("lock"))?;
    let (ca_key, ca) = (folder.tls("ca.key"), folder.ca_certificate());
    if !ca_key.exists() || !ca.exists() {
        let key = KeyPair::generate().map_err(certificate)?;
        let authority = ca_params(now)?.self_signed(&key).map_err(certificate)?;
        files::write_private(&ca_key, key.serialize_pem().as_bytes())?;
        files::write_public(&ca, authority.pem().as_bytes())?;
    }
    let renewal = folder.tls("server.renew");
    if !is_due(&renewal, now) && folder.tls("server.pem").exists() && folder.tls("server.key").exists() {
        return Ok(());
    }
    let issuer_key = KeyPair::from_pem(&text(&ca_key)?).map_err(certificate)?;
    // Name and key are what links a certificate to its issuer; they are those of `ca.pem`.
    let issuer = Issuer::new(ca_params(now)?, issuer_key);
    let key = KeyPair::generate().map_err(certificate)?;
    let server = server_params(now)?.signed_by(&key, &issuer).map_err(certificate)?;
    files::write_private(&folder.tls("server.key"), key.serialize_pem().as_bytes())?;
    files::write_public(&folder.tls("server.pem"), server.pem().as_bytes())?;
    let renew_at = now.0.saturating_add(SERVER_DAYS.saturating_sub(RENEW_DAYS).saturating_mul(DAY));
    files::write_private(&renewal, format!("{}\n", UnixTime(renew_at)).as_bytes())?;
    Ok(())
}

/// Waits for a lock, which ends with the file.
fn lock(path: &Path) -> Result<File, FolderError> {
    let file = File::create(path).and_then(|file| file.lock().map(|()| file));
    file.map_err(|error| FileError::io(path, "locked", &error).into())
}

fn is_due(renewal: &Path, now: UnixTime) -> bool {
    let at = text(renewal).ok().and_then(|text| UnixTime::parse_rfc3339(text.trim()));
    at.is_none_or(|at| at <= now)
}

fn text(path: &Path) -> Result<String, FolderError> {
    Ok(String::from_utf8_lossy(&files::read(path, PEM_MAX)?).into_owned())
}

fn ca_params(now: UnixTime) -> Result<CertificateParams, FolderError> {
    let mut params = CertificateParams::new(Vec::<String>::new()).map_err(certificate)?;
    params.distinguished_name.push(DnType::CommonName, "Assay development CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    validity(&mut params, now, CA_DAYS);
    Ok(params)
}

fn server_params(now: UnixTime) -> Result<CertificateParams, FolderError> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let mut params = CertificateParams::new(names).map_err(certificate)?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    validity(&mut params, now, SERVER_DAYS);
    Ok(params)
}

/// Whole days are exact enough, and begin the day before, for clients whose clock is behind.
fn validity(params: &mut CertificateParams, now: UnixTime, days: i64) {
    let date = |seconds: i64| {
        let day = jiff::Timestamp::from_second(seconds)
            .unwrap_or_default()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date();
        let part = |value: i8| u8::try_from(value).unwrap_or(1);
        rcgen::date_time_ymd(i32::from(day.year()), part(day.month()), part(day.day()))
    };
    params.not_before = date(now.0.saturating_sub(DAY));
    params.not_after = date(now.0.saturating_add(days.saturating_mul(DAY)));
}

fn certificate(error: rcgen::Error) -> FolderError {
    FolderError::Certificate(error.to_string())
}
