//! Key sets as the store holds them.

use std::collections::HashMap;
use std::sync::Arc;

use assay_store::{Digest, Store};
use assay_token::lifecycle::{KeyRecord, State};
use assay_token::wrap::{Binding, MasterKey, unwrap};
use assay_token::{Signer, SoftwareKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{KeySet, MadeKey};

const FORMAT: u32 = 1;
/// Keys rotate some times a year; these are many emergencies within the life of a token.
pub(crate) const KEYS_MAX: usize = 2000;
/// How many keys of the past are kept for the record: decades of rotation.
const ENDED_MAX: usize = 100;
/// Earlier releases wrote a key or two above their limit; such a set can be read, and is cut with its next change.
const KEYS_READ_MAX: usize = KEYS_MAX + 10;

/// All keys of one provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyDocument {
    format: u32,
    pub(crate) keys: Vec<StoredKey>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredKey {
    pub(crate) record: KeyRecord,
    certificate: String,
    /// Where the wrapped private half is; no longer named once the key can never sign again. The store deletes no
    /// documents: the wrapped bytes stay in it and in its backups, for whoever has the master key of that time.
    wrapped: Option<String>,
}

impl StoredKey {
    pub(crate) fn new(made: &MadeKey) -> Self {
        Self {
            record: made.record.clone(),
            certificate: STANDARD.encode(&made.certificate),
            wrapped: Some(Digest::of(&made.wrapped).to_string()),
        }
    }
}

impl KeyDocument {
    pub(crate) const fn empty() -> Self {
        Self { format: FORMAT, keys: Vec::new() }
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let document: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if document.format != FORMAT {
            return Err(format!("its format is {}, this release knows {FORMAT}", document.format));
        }
        if document.keys.len() > KEYS_READ_MAX {
            return Err(format!("it has more than {KEYS_READ_MAX} keys"));
        }
        Ok(document)
    }

    /// The document to commit. It is read back: what this release cannot read would stop its owner for ever.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let bytes = serde_json::to_vec(self).map_err(|error| error.to_string())?;
        match Self::read(&bytes)? == *self {
            true => Ok(bytes),
            false => Err("it reads otherwise than it was written".to_owned()),
        }
    }

    /// Drops the oldest keys that ended: of the retired and revoked ones the newest 100 stay. A retired key stays in any
    /// case while a token of it may be valid; a revoked one took its tokens with it, and an emergency must find room.
    pub(crate) fn forget_ended(&mut self, now: u64) {
        let ended = |key: &StoredKey| match key.record.state {
            State::Retired => key.record.last_token_expiry <= now,
            State::Revoked => true,
            State::Published | State::Active | State::Retiring => false,
        };
        // Keys are in the order in which they were made.
        let mut surplus = self.keys.iter().filter(|key| ended(key)).count().saturating_sub(ENDED_MAX);
        self.keys.retain(|key| {
            let drop = surplus > 0 && ended(key);
            surplus = surplus.saturating_sub(usize::from(drop));
            !drop
        });
    }

    pub(crate) fn records(&self) -> Vec<KeyRecord> {
        self.keys.iter().map(|key| key.record.clone()).collect()
    }

    /// Takes over the states of `records`, and no longer names the private half of whoever can never sign again.
    pub(crate) fn set_records(&mut self, records: &[KeyRecord]) {
        for stored in &mut self.keys {
            if let Some(record) = records.iter().find(|record| record.kid == stored.record.kid) {
                stored.record = record.clone();
            }
            if matches!(stored.record.state, State::Retired | State::Revoked) {
                stored.wrapped = None;
            }
        }
    }

    /// Opens every key that signs or will sign. Private halves that `known` has open are taken from there.
    pub(crate) fn open(
        &self,
        store: &dyn Store,
        master: &MasterKey,
        known: Option<&KeySet>,
    ) -> Result<KeySet, String> {
        let mut certificates = HashMap::new();
        let mut signers: HashMap<String, Arc<dyn Signer>> = HashMap::new();
        for key in &self.keys {
            let kid = &key.record.kid;
            let der = STANDARD
                .decode(&key.certificate)
                .map_err(|_| format!("the certificate of `{kid}` is not base64"))?;
            certificates.insert(kid.clone(), der);
            if !matches!(key.record.state, State::Published | State::Active) {
                continue;
            }
            let signer = match known.and_then(|set| set.signers.get(kid)) {
                Some(signer) => Arc::clone(signer),
                None => key.open(store, master)?,
            };
            signers.insert(kid.clone(), signer);
        }
        Ok(KeySet::new(self.records(), certificates, signers))
    }
}

impl StoredKey {
    fn open(&self, store: &dyn Store, master: &MasterKey) -> Result<Arc<dyn Signer>, String> {
        let KeyRecord { kid, provider, purpose, algorithm, .. } = &self.record;
        let named = |problem: String| format!("key `{kid}`: {problem}");
        let digest =
            self.wrapped.as_deref().ok_or_else(|| named("its private half is no longer named".to_owned()))?;
        let digest: Digest =
            digest.parse().map_err(|_| named("the place of its private half is malformed".to_owned()))?;
        let envelope = store.blob(&digest).map_err(|error| named(error.to_string()))?;
        let envelope = envelope.ok_or_else(|| named("its private half is missing".to_owned()))?;
        let binding = Binding { provider, kid, purpose: *purpose };
        let pkcs8 = unwrap(master, &envelope, &binding).map_err(|error| named(error.to_string()))?;
        let key = SoftwareKey::from_pkcs8(*algorithm, &pkcs8).map_err(|error| named(error.to_string()))?;
        Ok(Arc::new(key))
    }
}
