//! A simulated vendor in a folder, shared by every process that uses the folder.
//!
//! ```text
//! DIR/intel/vendor.json            keys, certificates, revoked serials
//! DIR/intel/lock                   held while vendor.json is read and changed
//! DIR/collateral/sgx-<ca>.json     collateral for the simulated platforms of each authority
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::pki::Template;
use super::spec::{Ca, CollateralSpec, PlatformSpec, TcbStatus};
use super::vendor::{Authority, DAY, Intel, Keys, Revoked};
use crate::error::SiliconError;
use crate::folder::{self, Lock};
use crate::keys::SigningKey;

const FORMAT: u32 = 1;

impl Intel {
    /// Reads the vendor of a folder, or makes one there. Processes may call this at the same time: they all get the
    /// same vendor.
    ///
    /// # Errors
    /// [`SiliconError::Folder`] or [`SiliconError::CorruptFolder`]; else as [`Self::generate`].
    pub fn load_or_generate(dir: &Path, now: i64) -> Result<Self, SiliconError> {
        let folder = LockedFolder::open(dir)?;
        Ok(folder.load_or_generate(now)?.0)
    }

    /// Reads the vendor of a folder (or makes one), changes it, stores it, and publishes collateral where it is due.
    /// No other process changes it meanwhile. Gives the vendor after the change, and what `change` gave.
    ///
    /// `change` must not use the same folder: it would wait for itself.
    ///
    /// # Errors
    /// Those of `change`; then nothing is stored. Else as [`Self::load_or_generate`]; a change that was stored but could
    /// not be published is published by the next call.
    pub fn update<T>(
        dir: &Path,
        now: i64,
        change: impl FnOnce(&mut Self) -> Result<T, SiliconError>,
    ) -> Result<(Self, T), SiliconError> {
        let folder = LockedFolder::open(dir)?;
        let (mut intel, published) = folder.load_or_generate(now)?;
        let before = intel.revision;
        let result = change(&mut intel)?;
        if intel.revision != before {
            folder.store(&intel, published)?;
        }
        folder.publish_if_due(&intel, published, now)?;
        Ok((intel, result))
    }

    /// Writes `DIR/collateral/*.json`: collateral for the simulated platforms of both authorities. It is written anew
    /// when it is older than a day, or when something was revoked since.
    ///
    /// # Errors
    /// As [`Self::load_or_generate`].
    pub fn publish(dir: &Path, now: i64) -> Result<(), SiliconError> {
        Self::update(dir, now, |_| Ok(())).map(|_| ())
    }
}

/// When collateral was last written, and after how many revocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Published {
    at: i64,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    created: i64,
    revision: u64,
    root: StoredAuthority,
    processor_ca: StoredAuthority,
    platform_ca: StoredAuthority,
    tcb_signer: StoredAuthority,
    revoked_by_root: Vec<String>,
    revoked_by_processor_ca: Vec<String>,
    revoked_by_platform_ca: Vec<String>,
    published: Option<Published>,
}

/// Hex of PKCS#8 and of DER.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredAuthority {
    key: String,
    certificate: String,
}

/// A folder while this process alone may change it. The lock ends with the value, and with the process.
struct LockedFolder {
    dir: PathBuf,
    _lock: Lock,
}

impl LockedFolder {
    fn open(dir: &Path) -> Result<Self, SiliconError> {
        let lock = Lock::of(&dir.join("intel"))?;
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    fn vendor_path(&self) -> PathBuf {
        self.dir.join("intel").join("vendor.json")
    }

    fn collateral_path(&self, ca: Ca) -> PathBuf {
        self.dir.join("collateral").join(format!("sgx-{}.json", ca.name()))
    }

    fn load_or_generate(&self, now: i64) -> Result<(Intel, Option<Published>), SiliconError> {
        let path = self.vendor_path();
        if let Some(stored) = folder::read_json::<Stored>(&path)? {
            let intel = stored.read().map_err(|reason| folder::corrupt(&path, reason))?;
            return Ok((intel, stored.published));
        }
        let intel = Intel::generate(now)?;
        self.store(&intel, None)?;
        Ok((intel, None))
    }

    fn store(&self, intel: &Intel, published: Option<Published>) -> Result<(), SiliconError> {
        folder::write_json(&self.vendor_path(), &Stored::write(intel, published)?)
    }

    fn publish_if_due(&self, intel: &Intel, last: Option<Published>, now: i64) -> Result<(), SiliconError> {
        let written = Ca::ALL.iter().all(|ca| self.collateral_path(*ca).exists());
        // A clock that went back makes collateral from the future, which no verifier takes.
        let current = |last: Published| {
            last.revision == intel.revision && last.at <= now && now.saturating_sub(last.at) < DAY
        };
        if written && last.is_some_and(current) {
            return Ok(());
        }
        folder::make_private(&self.dir.join("collateral"))?;
        for ca in Ca::ALL {
            let spec = CollateralSpec::for_platform(&PlatformSpec::new(ca, TcbStatus::UpToDate));
            folder::write_json(&self.collateral_path(ca), &intel.collateral(&spec, now)?)?;
        }
        // Last, so that a crash before this line has the collateral written again.
        self.store(intel, Some(Published { at: now, revision: intel.revision }))
    }
}

impl Stored {
    fn write(intel: &Intel, published: Option<Published>) -> Result<Self, SiliconError> {
        let authority = |authority: &Authority| -> Result<StoredAuthority, SiliconError> {
            let key = hex::encode(authority.key.to_pkcs8()?);
            Ok(StoredAuthority { key, certificate: hex::encode(&authority.certificate) })
        };
        let serials = |serials: &[[u8; 20]]| serials.iter().map(hex::encode).collect();
        Ok(Self {
            format: FORMAT,
            created: intel.created,
            revision: intel.revision,
            root: authority(&intel.root)?,
            processor_ca: authority(&intel.processor_ca)?,
            platform_ca: authority(&intel.platform_ca)?,
            tcb_signer: authority(&intel.tcb_signer)?,
            revoked_by_root: serials(&intel.revoked.by_root),
            revoked_by_processor_ca: serials(&intel.revoked.by_processor_ca),
            revoked_by_platform_ca: serials(&intel.revoked.by_platform_ca),
            published,
        })
    }

    /// The error says what is wrong with the file.
    fn read(&self) -> Result<Intel, String> {
        if self.format != FORMAT {
            return Err(format!("its format is {}, this program knows {FORMAT}", self.format));
        }
        let keys = Keys {
            root: key(&self.root)?,
            processor_ca: key(&self.processor_ca)?,
            platform_ca: key(&self.platform_ca)?,
            tcb_signer: key(&self.tcb_signer)?,
        };
        let templates = keys.templates(self.created);
        Ok(Intel {
            created: self.created,
            root: authority(&self.root, keys.root, templates.root)?,
            processor_ca: authority(&self.processor_ca, keys.processor_ca, templates.processor_ca)?,
            platform_ca: authority(&self.platform_ca, keys.platform_ca, templates.platform_ca)?,
            tcb_signer: authority(&self.tcb_signer, keys.tcb_signer, templates.tcb_signer)?,
            revoked: Revoked {
                by_root: serials(&self.revoked_by_root)?,
                by_processor_ca: serials(&self.revoked_by_processor_ca)?,
                by_platform_ca: serials(&self.revoked_by_platform_ca)?,
            },
            revision: self.revision,
        })
    }
}

fn key(stored: &StoredAuthority) -> Result<SigningKey, String> {
    let der = hex::decode(&stored.key).map_err(|error| format!("a key is not hex: {error}"))?;
    SigningKey::from_pkcs8(&der).map_err(|error| error.to_string())
}

fn authority(stored: &StoredAuthority, key: SigningKey, template: Template) -> Result<Authority, String> {
    let certificate =
        hex::decode(&stored.certificate).map_err(|error| format!("a certificate is not hex: {error}"))?;
    Ok(Authority { key, template, certificate })
}

fn serials(stored: &[String]) -> Result<Vec<[u8; 20]>, String> {
    let serial = |text: &String| {
        let mut bytes = [0; 20];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|error| format!("a serial is not 20 bytes of hex: {error}"))?;
        Ok(bytes)
    };
    stored.iter().map(serial).collect()
}
