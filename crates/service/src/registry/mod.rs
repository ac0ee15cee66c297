//! Providers, their policies, signers and keys: what the store holds, as a snapshot in memory.
//!
//! ```text
//! provider/{name}        name, trust model, options
//! policy/{name}/{type}   the policy document as it was sent, its text, and the document before it
//! signers/{name}         JWKs of the policy signers
//! keys/{name}            key records, certificates, and where the wrapped private halves are
//! deployment             whether it was born under `--dev`
//! deployment/keys        the keys of the deployment itself
//! ```
//!
//! Heads name immutable documents. Every change moves heads by compare-and-swap and appends its administrative record in
//! the same transaction. Requests read a snapshot without waiting; changes of other processes are seen by [`Registry::refresh`].

mod change;
mod document;
mod error;
mod load;
mod mark;
mod name;
mod policies;
mod providers;
mod rotation;
mod signers;
mod types;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use assay_appraisal::Baseline;
use assay_store::{ChangeMark, Head, HeadName, Store};
use assay_token::lifecycle::{Purpose, RotationPolicy};
use assay_token::wrap::MasterKey;
use assay_token::{Header, TokenError};
use serde_json::{Map, Value};

use crate::clock::{Clock, seconds};
use crate::config::{Config, DefaultProviderConfig};
use crate::counters::Counters;
use crate::keys::KeySet;

pub(crate) use change::administration_chain;
pub use error::{Fault, RegistryError};
pub(crate) use mark::check_mark;
pub use name::{DEFAULT_PROVIDER, check_name};
pub use types::{
    Actor, KeyChange, NewProvider, PolicyChange, PolicySnapshot, ProviderId, ProviderOptions,
    ProviderSnapshot, SignerChange, SignerEntry, TrustModel,
};

use assay_verify::UnixTime;

/// Policy results live for an hour.
const RESULT_LIFE: i64 = 3600;
const HOUR: u64 = 3600;

/// All providers. Clones share one state.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    master: Arc<MasterKey>,
    settings: Settings,
    clock: Clock,
    counters: Arc<Counters>,
    snapshot: ArcSwap<Snapshot>,
    /// Held while this process decides and commits a change, and while it reads a new snapshot.
    writing: Mutex<()>,
    /// Names this process in leases.
    holder: String,
}

/// What the configuration says to the registry.
#[derive(Clone, Debug)]
struct Settings {
    public_url: String,
    dev: bool,
    baseline: Baseline,
    rotation: RotationPolicy,
    default_provider: DefaultProviderConfig,
}

/// Everything at one moment.
#[derive(Debug, Default)]
struct Snapshot {
    mark: ChangeMark,
    heads: BTreeMap<HeadName, Head>,
    providers: BTreeMap<String, Arc<ProviderSnapshot>>,
    deployment: Arc<KeySet>,
}

impl Registry {
    /// Reads the registry; makes the default provider and the keys of the deployment where they are missing. Blocks.
    ///
    /// # Errors
    /// What the store holds cannot be used, or nothing can be written.
    pub fn open(
        store: Arc<dyn Store>,
        master: Arc<MasterKey>,
        config: &Config,
        clock: Clock,
        counters: Arc<Counters>,
    ) -> Result<Self, RegistryError> {
        let settings = Settings {
            public_url: config.public_url.clone(),
            dev: config.dev,
            baseline: config.baseline.clone(),
            rotation: RotationPolicy {
                publish_before: u64::from(config.keys.publish_before_hours).saturating_mul(HOUR),
                max_age: u64::from(config.keys.rotation_days).saturating_mul(24).saturating_mul(HOUR),
                ..RotationPolicy::default()
            },
            default_provider: config.default_provider.clone(),
        };
        let holder = hex::encode(crate::random::bytes::<16>()?);
        let (snapshot, writing) = (ArcSwap::from_pointee(Snapshot::default()), Mutex::new(()));
        let inner = Inner { store, master, settings, clock, counters, snapshot, writing, holder };
        let registry = Self { inner: Arc::new(inner) };
        check_mark(registry.inner.store.as_ref(), config.dev)?;
        registry.inner.reload()?;
        registry.inner.ensure_deployment_keys()?;
        registry.inner.ensure_mark()?;
        registry.inner.ensure_default_provider()?;
        registry.inner.advance_keys()?;
        Ok(registry)
    }

    /// A provider by its name, in any case.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<Arc<ProviderSnapshot>> {
        self.inner.snapshot.load().providers.get(&name.to_ascii_lowercase()).cloned()
    }

    /// The provider at the root, if the configuration has one.
    #[must_use]
    pub fn default_provider(&self) -> Option<Arc<ProviderSnapshot>> {
        self.provider(DEFAULT_PROVIDER)
    }

    /// All providers in the order of their names.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<ProviderSnapshot>> {
        self.inner.snapshot.load().providers.values().cloned().collect()
    }

    /// The keys of the deployment: challenges and administration.
    #[must_use]
    pub fn deployment_keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.inner.snapshot.load().deployment)
    }

    /// Takes over changes of other processes. Blocks; cheap when there are none. True when there were some.
    ///
    /// # Errors
    /// What the store holds cannot be used; the snapshot stays as it was.
    pub fn refresh(&self) -> Result<bool, RegistryError> {
        self.inner.refresh()
    }

    /// Makes, activates and retires keys as their schedule says. Blocks. One process at a time does it.
    ///
    /// # Errors
    /// A key cannot be made or stored.
    pub fn advance_keys(&self) -> Result<(), RegistryError> {
        self.inner.advance_keys()
    }
}

impl Snapshot {
    fn provider(&self, name: &str) -> Result<&Arc<ProviderSnapshot>, RegistryError> {
        let found = self.providers.get(&name.to_ascii_lowercase());
        found.ok_or_else(|| RegistryError::UnknownProvider { name: name.chars().take(80).collect() })
    }
}

impl ProviderSnapshot {
    /// Signs the result of a management call: the claims and `exp`, `iat`, `iss`, `nbf`.
    ///
    /// # Errors
    /// [`TokenError::NoSigningKey`], or what the key fails with.
    pub fn sign_result(&self, mut claims: Map<String, Value>, now: UnixTime) -> Result<String, TokenError> {
        claims.insert("iss".to_owned(), self.issuer.clone().into());
        claims.insert("iat".to_owned(), now.0.into());
        claims.insert("nbf".to_owned(), now.0.into());
        claims.insert("exp".to_owned(), now.0.saturating_add(RESULT_LIFE).into());
        if self.development {
            // Rule 18: whatever is signed in development says so.
            claims.insert("x-assay-dev".to_owned(), true.into());
        }
        let key = self.keys.signing_key(Purpose::ManagementResult, seconds(now))?;
        let payload = assay_json::to_canonical(&Value::Object(claims));
        assay_token::issue(&Header::jwt(key.kid, &self.jku), &payload, key.signer)
    }
}

#[cfg(test)]
mod tests;
