//! Certificates of platforms that merely asked, as the vendor gave them: for the time when no vendor can be asked.
//!
//! ```text
//! head collateral/learned/{sha-256 of a PPID}      sealed: {"format":1,"askers":[..],"certificates":[..],"chain":..}
//! head collateral/learned-asker/{sha-256 of ids}   sealed: {"format":1,"platforms":[..]}
//! ```
//!
//! Nothing proves that who asks is the platform of the QE ID that it names. So a platform has one document, whatever it is
//! asked for with, and a QE ID with which two platforms were asked for has none, and never gets one again. A stranger
//! can thus have a platform that did not register told to come again; and one that never asked before gets, while vendors are
//! away, what he asked for in its name: quotes that no verifier takes.

use std::sync::Arc;

use assay_collateral::pck::{MAX_CERTIFICATES, PckSet, PlatformId};
use assay_collateral::upstream::RawPcks;
use assay_store::{Store, StoreError};
use assay_token::wrap::MasterKey;
use assay_verify::sha256;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::sealed::{LEARNED, LEARNED_ASKERS, Sealed};
use super::{Key, key};

const FORMAT: u32 = 1;
const LABEL: &[u8] = b"assay learned platform name v1\0";
/// At about 30 KiB each. Fleets register; this is for machines that come by.
const MAX_LEARNED: usize = 4096;
/// QE IDs of one platform: it gets another one when its firmware is reset.
const MAX_ASKERS: usize = 4;

/// What was learned of platforms.
pub(super) struct Learned {
    platforms: Sealed,
    askers: Sealed,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Platform {
    format: u32,
    /// Names of the QE IDs that it was asked for with.
    askers: Vec<String>,
    certificates: Vec<String>,
    #[serde(default)]
    is_list: bool,
    chain: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asker {
    format: u32,
    /// Names of platforms; with more than one nobody knows which it is.
    platforms: Vec<String>,
}

impl Learned {
    pub(super) fn new(store: &Arc<dyn Store>, master: &Arc<MasterKey>) -> Self {
        let sealed = |kind| Sealed { store: Arc::clone(store), master: Arc::clone(master), kind };
        Self { platforms: sealed(LEARNED), askers: sealed(LEARNED_ASKERS) }
    }

    /// Keeps what the vendor answered; durable when this returns. Blocks.
    pub(super) fn keep(&self, id: PlatformId, set: &PckSet) -> Result<(), StoreError> {
        let (platform, asker) = (sha256(&[LABEL, &set.ppid()]), hex::encode(key(id)));
        if self.platforms.head(&platform)?.is_none() && self.platforms.count(MAX_LEARNED)? >= MAX_LEARNED {
            tracing::warn!(
                "certificates of a platform that is not registered are not kept: there are too many"
            );
            return Ok(());
        }
        let mut is_known = false;
        self.platforms.change(&platform, |before| {
            let mut record: Platform = read(before)?;
            is_known = record.add_asker(&asker);
            record.merge(set);
            written(&record)
        })?;
        if !is_known {
            return Ok(());
        }
        self.askers.change(&key(id), |before| {
            let mut record: Asker = read(before)?;
            record.add(hex::encode(platform));
            written(&record)
        })
    }

    /// The certificates of the one platform that was asked for with these ids. Blocks.
    pub(super) fn find(&self, id: PlatformId) -> Result<Option<RawPcks>, StoreError> {
        let asker: Asker = self.stored(&self.askers, &key(id))?;
        let [platform] = &*asker.platforms else { return Ok(None) };
        let Some(platform) = digest(platform) else { return Ok(None) };
        let Platform { certificates, chain, is_list, .. } = self.stored(&self.platforms, &platform)?;
        let raw = RawPcks { certificates, chain, incomplete: false, is_list };
        Ok(Some(raw).filter(|raw| !raw.certificates.is_empty()))
    }

    fn stored<T: Versioned>(&self, sealed: &Sealed, key: &Key) -> Result<T, StoreError> {
        let text = sealed.head(key)?.map(|head| sealed.open(&head)).transpose()?.flatten();
        text.map_or_else(|| Ok(T::default()), |text| read(Some(&text)))
    }
}

impl Platform {
    /// Whether it is asked for with this QE ID: the first few count, or whoever asks with ever new ones would fill the store.
    fn add_asker(&mut self, asker: &str) -> bool {
        let is_new = self.askers.iter().all(|known| known != asker);
        if is_new && self.askers.len() < MAX_ASKERS {
            self.askers.push(asker.to_owned());
        }
        self.askers.iter().any(|known| known == asker)
    }

    /// Another cache gives the certificate of one TCB; those of other TCBs stay beside it.
    fn merge(&mut self, set: &PckSet) {
        let mut certificates: Vec<String> =
            set.certificates().iter().map(|pck| pck.pem.to_string()).collect();
        if !set.is_whole() && *self.chain == *set.chain {
            let others = self.certificates.iter().filter(|pem| !certificates.contains(pem));
            let others: Vec<String> = others.cloned().collect();
            certificates.extend(others);
        }
        certificates.truncate(MAX_CERTIFICATES);
        self.certificates = certificates;
        self.is_list = set.is_whole() || (self.is_list && *self.chain == *set.chain);
        self.chain = set.chain.to_string();
    }
}

impl Asker {
    fn add(&mut self, platform: String) {
        if !self.platforms.contains(&platform) && self.platforms.len() < 2 {
            self.platforms.push(platform);
        }
    }
}

/// A stored form that says which it is.
trait Versioned: Default + Serialize + DeserializeOwned {
    fn format(&mut self) -> &mut u32;
}

impl Versioned for Platform {
    fn format(&mut self) -> &mut u32 {
        &mut self.format
    }
}

impl Versioned for Asker {
    fn format(&mut self) -> &mut u32 {
        &mut self.format
    }
}

fn read<T: Versioned>(text: Option<&[u8]>) -> Result<T, StoreError> {
    let Some(text) = text else {
        let mut new = T::default();
        *new.format() = FORMAT;
        return Ok(new);
    };
    let known = serde_json::from_slice::<T>(text).ok().and_then(|mut record| {
        let known = *record.format() == FORMAT;
        known.then_some(record)
    });
    known.ok_or(StoreError::InvalidChange { rule: "what was learned is of a format that this release knows" })
}

fn written(record: &impl Versioned) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(record)
        .map_err(|_| StoreError::InvalidChange { rule: "what was learned has a JSON form" })
}

fn digest(name: &str) -> Option<Key> {
    let mut key = [0; 32];
    hex::decode_to_slice(name, &mut key).ok().map(|()| key)
}
