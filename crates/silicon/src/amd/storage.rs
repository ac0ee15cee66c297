//! A simulated vendor in a folder, shared by every process that uses the folder.
//!
//! ```text
//! DIR/amd/vendor.json                keys, certificates, what is revoked
//! DIR/amd/lock                       held while vendor.json is read and changed
//! DIR/collateral/amd-<product>.crl   the revocation list of each product that was simulated, DER
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::keys::RsaKey;
use super::pki::Template;
use super::spec::{Product, VekKind};
use super::vendor::{Amd, DAY, Issuer};
use crate::error::SiliconError;
use crate::folder::{self, Lock};

const FORMAT: u32 = 1;

impl Amd {
    /// Reads the vendor of a folder; `None` if it has none.
    ///
    /// # Errors
    /// [`SiliconError::Folder`] or [`SiliconError::CorruptFolder`].
    pub fn load(dir: &Path) -> Result<Option<Self>, SiliconError> {
        Ok(read(dir)?.map(|(amd, _)| amd))
    }

    /// Reads the vendor of a folder (or makes one), changes it, stores it, and publishes its revocation lists where they
    /// are due. No other process changes it meanwhile. Gives the vendor after the change, and what `change` gave.
    ///
    /// `change` must not use the same folder: it would wait for itself.
    ///
    /// # Errors
    /// Those of `change`; then nothing is stored. Else as [`Self::load`]; a change that was stored but could not be
    /// published is published by the next call.
    pub fn update<T>(
        dir: &Path,
        now: i64,
        change: impl FnOnce(&mut Self) -> Result<T, SiliconError>,
    ) -> Result<(Self, T), SiliconError> {
        let _lock = Lock::of(&dir.join("amd"))?;
        let (mut amd, published) = read(dir)?.unwrap_or_else(|| (Self::new(now), None));
        let before = amd.revision;
        let result = change(&mut amd)?;
        if amd.revision != before {
            store(dir, &amd, published)?;
        }
        publish_if_due(dir, &amd, published, now)?;
        Ok((amd, result))
    }

    /// Writes `DIR/collateral/amd-<product>.crl` where it is older than a day, or when something changed since.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub fn publish(dir: &Path, now: i64) -> Result<(), SiliconError> {
        Self::update(dir, now, |_| Ok(())).map(|_| ())
    }
}

/// When the lists were last written, and after how many changes.
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
    /// By the name of the product.
    roots: BTreeMap<String, StoredIssuer>,
    intermediates: Vec<StoredIntermediate>,
    /// Hex of PKCS#8.
    stranger: Option<String>,
    published: Option<Published>,
}

/// Hex of PKCS#8 and of DER.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredIssuer {
    key: String,
    certificate: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredIntermediate {
    product: String,
    kind: String,
    revoked: bool,
    key: String,
    certificate: String,
}

fn vendor_path(dir: &Path) -> PathBuf {
    dir.join("amd").join("vendor.json")
}

fn crl_path(dir: &Path, product: Product) -> PathBuf {
    dir.join("collateral").join(format!("amd-{}.crl", product.name()))
}

fn read(dir: &Path) -> Result<Option<(Amd, Option<Published>)>, SiliconError> {
    let path = vendor_path(dir);
    let Some(stored) = folder::read_json::<Stored>(&path)? else { return Ok(None) };
    let amd = stored.read().map_err(|reason| folder::corrupt(&path, reason))?;
    Ok(Some((amd, stored.published)))
}

fn store(dir: &Path, amd: &Amd, published: Option<Published>) -> Result<(), SiliconError> {
    folder::write_json(&vendor_path(dir), &Stored::write(amd, published)?)
}

fn publish_if_due(dir: &Path, amd: &Amd, last: Option<Published>, now: i64) -> Result<(), SiliconError> {
    let written = amd.roots.keys().all(|product| crl_path(dir, *product).exists());
    // A clock that went back makes lists from the future, which no verifier takes.
    let current = |last: Published| {
        last.revision == amd.revision && last.at <= now && now.saturating_sub(last.at) < DAY
    };
    if written && (amd.roots.is_empty() || last.is_some_and(current)) {
        return Ok(());
    }
    folder::make_private(&dir.join("collateral"))?;
    for product in amd.roots.keys() {
        folder::write(&crl_path(dir, *product), &amd.crl(*product, now)?)?;
    }
    // Last, so that a crash before this line has the lists written again.
    store(dir, amd, Some(Published { at: now, revision: amd.revision }))
}

impl Stored {
    fn write(amd: &Amd, published: Option<Published>) -> Result<Self, SiliconError> {
        let root = |(product, issuer): (&Product, &Issuer)| {
            Ok((product.name().to_owned(), StoredIssuer::write(issuer)?))
        };
        let intermediate = |(&(product, kind), issuer): (&(Product, VekKind), &Issuer)| {
            let StoredIssuer { key, certificate } = StoredIssuer::write(issuer)?;
            Ok(StoredIntermediate {
                product: product.name().to_owned(),
                kind: kind.name().to_owned(),
                revoked: amd.revoked.contains(&(product, kind)),
                key,
                certificate,
            })
        };
        Ok(Self {
            format: FORMAT,
            created: amd.created,
            revision: amd.revision,
            roots: amd.roots.iter().map(root).collect::<Result<_, SiliconError>>()?,
            intermediates: amd.intermediates.iter().map(intermediate).collect::<Result<_, SiliconError>>()?,
            stranger: amd.stranger.as_ref().map(RsaKey::to_pkcs8).transpose()?.map(hex::encode),
            published,
        })
    }

    /// The error says what is wrong with the file.
    fn read(&self) -> Result<Amd, String> {
        if self.format != FORMAT {
            return Err(format!("its format is {}, this program knows {FORMAT}", self.format));
        }
        let mut amd = Amd::new(self.created);
        amd.revision = self.revision;
        amd.stranger = self.stranger.as_deref().map(key).transpose()?;
        let validity = amd.authority_validity().map_err(|error| error.to_string())?;
        for (name, stored) in &self.roots {
            let product = name.parse::<Product>().map_err(|error| error.to_string())?;
            let template = |key: &RsaKey| Template::ark(product, key, validity);
            amd.roots.insert(product, issuer(&stored.key, &stored.certificate, template)?);
        }
        for stored in &self.intermediates {
            let product = stored.product.parse::<Product>().map_err(|error| error.to_string())?;
            let kind = stored.kind.parse::<VekKind>().map_err(|error| error.to_string())?;
            let root = amd.root(product).map_err(|error| error.to_string())?.key.clone();
            let template = |key: &RsaKey| Template::intermediate(product, kind, key, &root, validity);
            let made = issuer(&stored.key, &stored.certificate, template)?;
            amd.intermediates.insert((product, kind), made);
            amd.revoked.extend(stored.revoked.then_some((product, kind)));
        }
        Ok(amd)
    }
}

impl StoredIssuer {
    fn write(issuer: &Issuer) -> Result<Self, SiliconError> {
        Ok(Self { key: hex::encode(issuer.key.to_pkcs8()?), certificate: hex::encode(&issuer.certificate) })
    }
}

fn issuer(
    key_hex: &str,
    certificate: &str,
    template: impl FnOnce(&RsaKey) -> Template,
) -> Result<Issuer, String> {
    let key = key(key_hex)?;
    let certificate =
        hex::decode(certificate).map_err(|error| format!("a certificate is not hex: {error}"))?;
    let template = template(&key);
    Ok(Issuer { key, template, certificate })
}

fn key(stored: &str) -> Result<RsaKey, String> {
    let der = hex::decode(stored).map_err(|error| format!("a key is not hex: {error}"))?;
    RsaKey::from_pkcs8(&der).map_err(|error| error.to_string())
}
