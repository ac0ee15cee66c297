//! Another master key: every private half is opened with the old one and wrapped under the new one.
//!
//! The wrapped halves are stored first, where nothing names them yet; then the key sets of up to [`CHANGE_PARTS_MAX`] owners
//! are moved in one transaction, with its administrative record. Larger deployments take several. Where one of them fails,
//! the same call goes on from there: an envelope says which master key it was made under.

use assay_store::catalog::{self, CHANGE_PARTS_MAX};
use assay_store::{
    ChainName, Change, ChangeId, Digest, Head, HeadName, NewRecord, RecordId, Store, StoreError,
};
use assay_token::TokenError;
use assay_token::lifecycle::KeyRecord;
use assay_token::wrap::{self, Binding, MasterKey, master_key_id};
use serde_json::{Map, Value, json};

use super::{DEPLOYMENT, KeyDocument};
use crate::clock::unix_time;
use crate::random::{self, NoRandomness};

/// The lease under which a service rotates signing keys: neither may run while the other does.
const LEASE: &str = "lease/key-rotation";
const LEASE_SECONDS: u64 = 300;

/// What was wrapped anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// How many keys.
    pub keys: usize,
    /// How many owners they have: providers, and the deployment itself.
    pub owners: usize,
}

/// Why keys are not, or not all, under the new master key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewrapError {
    /// Keys are wrapped under a master key that was not given.
    #[error("this is another master key: the stored keys are wrapped under {expected}, this one is {given}")]
    OtherMasterKey {
        /// Id of the master key in the envelope, hexadecimal.
        expected: String,
        /// Id of the given master key, hexadecimal.
        given: String,
    },
    /// Old and new are the same.
    #[error("the old and the new master key are the same")]
    SameKey,
    /// A service rotates keys at this moment.
    #[error("a service works on the keys of this store")]
    InUse,
    /// A wrapped key cannot be used.
    #[error("the key `{kid}`: {error}")]
    Key {
        /// Its name.
        kid: String,
        /// What is wrong.
        error: TokenError,
    },
    /// A key set, or something it names, cannot be read.
    #[error("`{head}`: {problem}")]
    Damaged {
        /// Where the key set is.
        head: String,
        /// What is wrong.
        problem: String,
    },
    /// The store.
    #[error("the store: {0}")]
    Store(StoreError),
    /// No randomness.
    #[error("{0}")]
    Randomness(NoRandomness),
}

impl RewrapError {
    /// What the operator can do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::OtherMasterKey { .. } => {
                "give the master key that this store was used with before; none that is made now can open its keys"
            }
            Self::SameKey => "make a new one, for instance with `openssl rand -hex 32`",
            Self::InUse => "stop the service first",
            Self::Key { .. } | Self::Damaged { .. } => "restore the store from a backup",
            Self::Store(error) => error.help(),
            Self::Randomness(_) => "try again",
        }
    }
}

impl From<StoreError> for RewrapError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Whether a master key is the one that the keys of a store are wrapped under. A store without keys takes any. Blocks.
///
/// # Errors
/// [`RewrapError::OtherMasterKey`]; see [`RewrapError`].
pub fn check_master_key(store: &dyn Store, master: &MasterKey) -> Result<(), RewrapError> {
    for head in key_heads(store)? {
        let mut owner = Owner::read(store, head)?;
        for (record, place) in wrapped(&owner.records, &mut owner.tree) {
            let found = envelope_id(record, &envelope(store, &owner.head, place)?)?;
            if found != master.id() {
                return Err(RewrapError::OtherMasterKey { expected: found, given: master.id() });
            }
        }
    }
    Ok(())
}

/// Wraps every key of a store under another master key. No service may run on the store meanwhile: it would go on to wrap
/// new keys under the old one. What already is under the new one stays. Blocks.
///
/// # Errors
/// [`RewrapError`]; where a store of many owners was done in part, the same call does the rest.
pub fn rotate_master_key(
    store: &dyn Store,
    old: &MasterKey,
    new: &MasterKey,
    now: u64,
) -> Result<Rewrapped, RewrapError> {
    if old.id() == new.id() {
        return Err(RewrapError::SameKey);
    }
    let (lease, holder) = (HeadName::new(LEASE)?, hex::encode(random_bytes()?));
    if !store.acquire_lease(&lease, &holder, now, now.saturating_add(LEASE_SECONDS))? {
        return Err(RewrapError::InUse);
    }
    // Platforms first: each is sealed under either key for itself, and a service needs its signing keys to start at all.
    let resealed = crate::identity::sealed::reseal(store, old, new).map_err(RewrapError::Store);
    let done = resealed.and_then(|_| rewrap_all(store, old, new, now));
    store.release_lease(&lease, &holder)?;
    done
}

fn rewrap_all(
    store: &dyn Store,
    old: &MasterKey,
    new: &MasterKey,
    now: u64,
) -> Result<Rewrapped, RewrapError> {
    let (mut total, mut moved) = (Rewrapped::default(), Vec::new());
    for head in key_heads(store)? {
        let mut owner = Owner::read(store, head)?;
        let keys = owner.rewrap(store, old, new)?;
        if keys > 0 {
            let document = serde_json::to_vec(&owner.tree).map_err(|error| owner.damaged(&error))?;
            moved.push((owner.head, store.put_blob(document)?));
            total.keys = total.keys.saturating_add(keys);
            total.owners = total.owners.saturating_add(1);
        }
    }
    // Nothing names the new documents until here, so everything up to here can be left and begun again.
    for part in moved.chunks(CHANGE_PARTS_MAX) {
        store.commit(change(part, old, new, now)?)?;
    }
    Ok(total)
}

/// Moves the heads to their new documents, and records who wraps them now.
fn change(
    moved: &[(Head, Digest)],
    old: &MasterKey,
    new: &MasterKey,
    now: u64,
) -> Result<Change, RewrapError> {
    let mut change = Change::new(ChangeId::from_bytes(random_bytes()?));
    let mut digests = Map::new();
    for (head, digest) in moved {
        digests.insert(head.name.to_string(), digest.to_string().into());
        change.set_head(head.name.clone(), Some(head.revision), Some(*digest));
    }
    let body = json!({
        "act": "master-key-rotate",
        "actor": { "kind": "operator", "subject": null },
        "digests": digests,
        "format": 1,
        "masterKey": { "from": old.id(), "to": new.id() },
        "provider": DEPLOYMENT,
        "time": unix_time(now).to_string(),
    });
    change.records.push(NewRecord {
        chain: ChainName::join(&["administration", DEPLOYMENT])?,
        id: RecordId::from_bytes(random_bytes()?),
        time: now,
        body: assay_json::to_canonical(&body).into_bytes(),
    });
    Ok(change)
}

/// The key sets of all providers, also of those that are not served now, and of the deployment.
fn key_heads(store: &dyn Store) -> Result<Vec<Head>, RewrapError> {
    let mut heads: Vec<Head> =
        store.head(&HeadName::join(&[DEPLOYMENT, catalog::KEYS])?)?.into_iter().collect();
    let (folder, mut after) = (HeadName::new(catalog::KEYS)?, None);
    loop {
        let page = store.heads(Some(&folder), after.as_ref(), catalog::PAGE_MAX)?;
        heads.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(heads);
        }
    }
}

/// One key set. Only the places of wrapped halves change in it; all else stays as it was written.
struct Owner {
    head: Head,
    records: Vec<KeyRecord>,
    tree: Value,
}

impl Owner {
    fn read(store: &dyn Store, head: Head) -> Result<Self, RewrapError> {
        let damaged = |problem: String| RewrapError::Damaged { head: head.name.to_string(), problem };
        let bytes = store.blob(&head.digest)?.ok_or_else(|| damaged("the document is missing".to_owned()))?;
        let records = KeyDocument::read(&bytes).map_err(damaged)?.records();
        let tree = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        Ok(Self { records, tree, head })
    }

    fn rewrap(&mut self, store: &dyn Store, old: &MasterKey, new: &MasterKey) -> Result<usize, RewrapError> {
        let mut count = 0_usize;
        for (record, place) in wrapped(&self.records, &mut self.tree) {
            let envelope = envelope(store, &self.head, place)?;
            let under = envelope_id(record, &envelope)?;
            if under == new.id() {
                continue;
            }
            if under != old.id() {
                return Err(RewrapError::OtherMasterKey { expected: under, given: old.id() });
            }
            let binding = Binding { provider: &record.provider, kid: &record.kid, purpose: record.purpose };
            let fresh = wrap::rewrap(old, new, &envelope, &binding).map_err(|error| key(record, error))?;
            *place = store.put_blob(fresh)?.to_string().into();
            count = count.saturating_add(1);
        }
        Ok(count)
    }

    fn damaged(&self, problem: &impl ToString) -> RewrapError {
        RewrapError::Damaged { head: self.head.name.to_string(), problem: problem.to_string() }
    }
}

/// Every key whose private half is still kept, and where its place is written.
fn wrapped<'a>(
    records: &'a [KeyRecord],
    tree: &'a mut Value,
) -> impl Iterator<Item = (&'a KeyRecord, &'a mut Value)> {
    let keys = tree.get_mut("keys").and_then(Value::as_array_mut).into_iter().flatten();
    let places = keys.map(|key| key.get_mut("wrapped").filter(|place| place.is_string()));
    records.iter().zip(places).filter_map(|(record, place)| Some((record, place?)))
}

fn envelope(store: &dyn Store, head: &Head, place: &Value) -> Result<Vec<u8>, RewrapError> {
    let damaged =
        |problem: &str| RewrapError::Damaged { head: head.name.to_string(), problem: problem.to_owned() };
    let digest = place.as_str().and_then(|text| text.parse::<Digest>().ok());
    let digest = digest.ok_or_else(|| damaged("the place of a private half is malformed"))?;
    store.blob(&digest)?.ok_or_else(|| damaged("a private half is missing"))
}

fn envelope_id(record: &KeyRecord, envelope: &[u8]) -> Result<String, RewrapError> {
    master_key_id(envelope).map_err(|error| key(record, error))
}

fn key(record: &KeyRecord, error: TokenError) -> RewrapError {
    RewrapError::Key { kid: record.kid.clone(), error }
}

fn random_bytes() -> Result<[u8; 16], RewrapError> {
    random::bytes().map_err(RewrapError::Randomness)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use assay_store::MemoryStore;
    use assay_token::lifecycle::Purpose;
    use assay_verify::UnixTime;

    use super::*;
    use crate::clock::Clock;
    use crate::config::{Config, Overrides};
    use crate::registry::{Actor, NewProvider, ProviderOptions, Registry, RegistryError};

    const NOW: u64 = 1_800_000_000;

    fn master(byte: u8) -> MasterKey {
        MasterKey::from_bytes(&[byte; 32]).unwrap()
    }

    fn open(store: &Arc<MemoryStore>, byte: u8) -> Result<Registry, RegistryError> {
        let text = "default_provider.signing_algorithm = \"ES256\"";
        let overrides = Overrides { dev: true, ..Overrides::default() };
        let config = Config::from_text(None, text, [], &overrides).unwrap();
        let store: Arc<dyn Store> = Arc::<MemoryStore>::clone(store);
        let clock = Clock::fixed_offset(UnixTime(1_800_000_000));
        Registry::open(store, Arc::new(master(byte)), &config, clock, Arc::default())
    }

    fn kids(registry: &Registry) -> Vec<String> {
        let sets = registry.list();
        sets.iter().flat_map(|one| one.keys.records().iter().map(|key| key.kid.clone())).collect()
    }

    #[tokio::test]
    async fn keys_stay_the_same_under_another_master_key() {
        let store = Arc::new(MemoryStore::new());
        assert_eq!(check_master_key(store.as_ref(), &master(9)), Ok(()));
        let before = open(&store, 7).unwrap();
        let options =
            ProviderOptions { algorithm: assay_token::Algorithm::Es256, ..ProviderOptions::default() };
        // More owners than one transaction takes.
        for number in 0..CHANGE_PARTS_MAX {
            let name = format!("provider{number}");
            let wanted = NewProvider { name, policy_signers: Vec::new(), options: options.clone() };
            before.create_provider(&Actor::service(), wanted).await.unwrap();
        }
        before.rotate_key(&Actor::service(), "provider1", Purpose::AttestationToken, true).await.unwrap();
        let names = kids(&before);
        drop(before);

        let done = rotate_master_key(store.as_ref(), &master(7), &master(8), NOW).unwrap();
        // The deployment and the default provider besides; each has a key for either of two purposes.
        let owners = CHANGE_PARTS_MAX.saturating_add(2);
        assert_eq!(done, Rewrapped { keys: owners.saturating_mul(2), owners });
        assert_eq!(check_master_key(store.as_ref(), &master(8)), Ok(()));
        assert_eq!(kids(&open(&store, 8).unwrap()), names);
        assert!(matches!(open(&store, 7), Err(RegistryError::Corrupt { .. })));
        let chain = ChainName::join(&["administration", DEPLOYMENT]).unwrap();
        store.verify_chain(&chain, None).unwrap();
        let records = store.records(&chain, 1, 100).unwrap();
        let acts = records.iter().filter(|record| {
            serde_json::from_slice::<Value>(&record.body).unwrap()["act"] == "master-key-rotate"
        });
        assert_eq!(acts.count(), 2);

        // Once more there is nothing left to do, and nothing is recorded.
        let again = rotate_master_key(store.as_ref(), &master(7), &master(8), NOW);
        assert_eq!(again, Ok(Rewrapped::default()));
        assert_eq!(store.records(&chain, 1, 100).unwrap().len(), records.len());
    }

    #[test]
    fn a_foreign_master_key_changes_nothing() {
        let store = Arc::new(MemoryStore::new());
        drop(open(&store, 7).unwrap());
        let other = RewrapError::OtherMasterKey { expected: master(7).id(), given: master(9).id() };
        assert_eq!(check_master_key(store.as_ref(), &master(9)), Err(other.clone()));
        assert_eq!(rotate_master_key(store.as_ref(), &master(9), &master(8), NOW), Err(other));
        let same = rotate_master_key(store.as_ref(), &master(7), &master(7), NOW);
        assert_eq!(same, Err(RewrapError::SameKey));
        assert_eq!(check_master_key(store.as_ref(), &master(7)), Ok(()));

        let lease = HeadName::new(LEASE).unwrap();
        assert!(store.acquire_lease(&lease, "a service", NOW, NOW.saturating_add(60)).unwrap());
        let held = rotate_master_key(store.as_ref(), &master(7), &master(8), NOW);
        assert_eq!(held, Err(RewrapError::InUse));
    }
}
