//! The platforms that a simulated Intel has made in a folder, so that its services can certify them.
//!
//! ```text
//! DIR/intel/platforms/<name>.json    one platform: what it is, the secret its keys follow from, how it is registered
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::pck_extension::Identity;
use super::pck_id::Name;
use super::platform::{Platform, pck_certificate};
use super::spec::{Ca, Configuration, PlatformSpec, TcbLevel, TcbStatus};
use super::vendor::Intel;
use crate::error::SiliconError;
use crate::folder::{self, Lock};
use crate::keys::Secret;

const FORMAT: u32 = 1;

/// How Intel knows the keys of a platform (Intel, *PCS API*, "Get PCK Certificate").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Registration {
    /// Of one package: Intel knows its keys since it was made.
    NotNeeded,
    /// Of several packages, and nobody has sent its manifest yet.
    Missing,
    /// Its manifest went to the registration service, which keeps its keys: it is found by its PPID.
    Direct,
    /// Its manifest went along with a request for certificates: its keys are not kept, and every request needs the manifest.
    Indirect,
}

impl Registration {
    /// What a new platform of this authority has.
    #[must_use]
    pub const fn of_new(ca: Ca) -> Self {
        match ca {
            Ca::Processor => Self::NotNeeded,
            Ca::Platform => Self::Missing,
        }
    }
}

/// A platform as its vendor knows it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) spec: PlatformSpec,
    pub(crate) registration: Registration,
    identity: Identity,
    secret: Secret,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    ca: String,
    fmspc: String,
    pce_id: String,
    cpu_svn: String,
    pce_svn: u16,
    ppid: String,
    platform_instance_id: Option<String>,
    secret: String,
    registration: Registration,
}

impl Intel {
    /// Makes a platform of the vendor in `dir`, which its services then know.
    ///
    /// # Errors
    /// As [`Self::load_or_generate`] and [`Self::platform`].
    pub fn enroll(
        dir: &Path,
        spec: &PlatformSpec,
        registration: Registration,
        now: i64,
    ) -> Result<Platform, SiliconError> {
        let (_, platform) = Self::update(dir, now, |intel| intel.platform(spec, now))?;
        remember(dir, &platform, registration)?;
        Ok(platform)
    }

    /// The PCK certificate of a known platform for a TCB level, DER.
    pub(crate) fn certify(
        &self,
        known: &Known,
        level: &TcbLevel,
        issued: i64,
    ) -> Result<Vec<u8>, SiliconError> {
        let keys_kept = known.registration != Registration::Indirect;
        let configuration = known.spec.configuration.map(|it| Configuration { cached_keys: keys_kept, ..it });
        let spec = PlatformSpec {
            cpu_svn_components: level.components,
            pce_svn: level.pce_svn,
            configuration,
            ..known.spec.clone()
        };
        Ok(pck_certificate(self, &spec, &known.identity, &known.secret, issued)?.der)
    }
}

impl Known {
    /// Its platform provisioning id.
    pub(crate) const fn ppid(&self) -> [u8; 16] {
        self.identity.ppid
    }

    /// A platform that does not exist, of the other authority.
    pub(crate) fn other(&self) -> Self {
        let ca = self.spec.ca.other();
        let spec = PlatformSpec { ca, fmspc: ca.simulated_fmspc(), ..self.spec.clone() };
        let identity = Identity {
            ppid: self.identity.ppid.map(|byte| !byte),
            platform_instance_id: Some(self.identity.platform_instance_id.unwrap_or([0x0e; 16])),
        };
        Self { spec, identity, ..self.clone() }
    }
}

/// Has the services of a folder know a platform.
pub(super) fn remember(
    dir: &Path,
    platform: &Platform,
    registration: Registration,
) -> Result<(), SiliconError> {
    let (spec, identity) = (&platform.spec, &platform.identity);
    let stored = Stored {
        format: FORMAT,
        ca: spec.ca.name().to_owned(),
        fmspc: hex::encode(spec.fmspc),
        pce_id: hex::encode(spec.pce_id),
        cpu_svn: hex::encode(spec.cpu_svn_components),
        pce_svn: spec.pce_svn,
        ppid: hex::encode(identity.ppid),
        platform_instance_id: identity.platform_instance_id.map(hex::encode),
        secret: platform.secret.to_hex(),
        registration,
    };
    let _lock = Lock::of(&dir.join("intel"))?;
    folder::make_private(&dir.join("intel").join("platforms"))?;
    folder::write_json(&path(dir, Name::of_ppid(&identity.ppid)), &stored)
}

/// The platform of this name; `None` if the folder has none.
pub(crate) fn find(dir: &Path, name: Name) -> Result<Option<Known>, SiliconError> {
    let path = path(dir, name);
    let Some(stored) = folder::read_json::<Stored>(&path)? else { return Ok(None) };
    let unreadable = || folder::corrupt(&path, "it is not a platform of this program".to_owned());
    stored.read().map(Some).ok_or_else(unreadable)
}

/// Changes how a platform is registered, unless the change is refused; gives the platform after it.
pub(crate) fn register<E>(
    dir: &Path,
    name: Name,
    change: impl FnOnce(Registration) -> Result<Registration, E>,
) -> Result<Option<Result<Known, E>>, SiliconError> {
    let _lock = Lock::of(&dir.join("intel"))?;
    let path = path(dir, name);
    let Some(mut stored) = folder::read_json::<Stored>(&path)? else { return Ok(None) };
    let registration = match change(stored.registration) {
        Ok(registration) => registration,
        Err(refusal) => return Ok(Some(Err(refusal))),
    };
    if registration != stored.registration {
        stored.registration = registration;
        folder::write_json(&path, &stored)?;
    }
    let known = find(dir, name)?;
    Ok(known.map(Ok))
}

fn path(dir: &Path, name: Name) -> PathBuf {
    dir.join("intel").join("platforms").join(format!("{}.json", name.to_hex()))
}

impl Stored {
    fn read(&self) -> Option<Known> {
        let ca = Ca::ALL.into_iter().find(|ca| ca.name() == self.ca)?;
        let platform_instance_id = match &self.platform_instance_id {
            Some(id) => Some(bytes(id)?),
            None => None,
        };
        let spec = PlatformSpec {
            fmspc: bytes(&self.fmspc)?,
            pce_id: bytes(&self.pce_id)?,
            cpu_svn_components: bytes(&self.cpu_svn)?,
            pce_svn: self.pce_svn,
            ..PlatformSpec::new(ca, TcbStatus::UpToDate)
        };
        let identity = Identity { ppid: bytes(&self.ppid)?, platform_instance_id };
        let secret = Secret::from_hex(&self.secret)?;
        (self.format == FORMAT).then_some(Known { spec, registration: self.registration, identity, secret })
    }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}
