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
/// Keys rotate some times a year; retired ones are kept for the record.
const KEYS_MAX: usize = 2000;

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
    /// Where the wrapped private half is; gone once the key can never sign again.
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
        if document.keys.len() > KEYS_MAX {
            return Err(format!("it has more than {KEYS_MAX} keys"));
        }
        Ok(document)
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }

    pub(crate) fn records(&self) -> Vec<KeyRecord> {
        self.keys.iter().map(|key| key.record.clone()).collect()
    }

    /// Takes over the states of `records`, and forgets the private half of whoever can never sign again.
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
        let digest = self.wrapped.as_deref().ok_or_else(|| named("its private half is gone".to_owned()))?;
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
