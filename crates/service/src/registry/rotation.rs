//! Keys over time: by schedule, by request, in an emergency.

use assay_store::{HeadName, catalog};
use assay_token::lifecycle::{KeyRecord, Purpose, State};
use assay_token::{Algorithm, TokenError};
use assay_verify::UnixTime;

use super::change::{Decision, Draft};
use super::document::deployment_head;
use super::{Actor, Inner, KeyChange, Registry, RegistryError, Snapshot};
use crate::clock::seconds;
use crate::keys::{
    DEPLOYMENT, DEPLOYMENT_PURPOSES, KEYS_MAX, KeyDocument, MadeKey, PROVIDER_PURPOSES, Ring, advance,
    rotate_now,
};

/// Making keys for some hundred providers takes a minute; then another process may go on.
const LEASE_SECONDS: u64 = 300;

impl Registry {
    /// Makes a new key now. It signs after the usual time of publication; in an emergency the keys of that purpose are
    /// revoked at once and the new one signs at once.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn rotate_key(
        &self,
        actor: &Actor,
        provider: &str,
        purpose: Purpose,
        emergency: bool,
    ) -> Result<KeyChange, RegistryError> {
        let (actor, provider) = (actor.clone(), provider.to_owned());
        let rotation = move |inner: &Inner, snapshot: &Snapshot, now: UnixTime| {
            let act = if emergency { "key-rotate-emergency" } else { "key-rotate" };
            inner.change_keys(snapshot, now, (&actor, act, &provider, purpose), |records, now| {
                if emergency {
                    records.iter_mut().filter(|record| in_use(record)).for_each(|record| record.revoke(now));
                }
                Ok(!emergency)
            })
        };
        self.change(rotation).await
    }

    /// Revokes one key: it leaves the key set at once, and with it every token it signed. Another takes its place.
    ///
    /// # Errors
    /// [`RegistryError::UnknownKey`]; see [`RegistryError`].
    pub async fn revoke_key(
        &self,
        actor: &Actor,
        provider: &str,
        purpose: Purpose,
        kid: &str,
    ) -> Result<KeyChange, RegistryError> {
        let (actor, provider, kid) = (actor.clone(), provider.to_owned(), kid.to_owned());
        let revocation = move |inner: &Inner, snapshot: &Snapshot, now: UnixTime| {
            inner.change_keys(snapshot, now, (&actor, "key-revoke", &provider, purpose), |records, now| {
                let record = records.iter_mut().find(|record| record.kid == kid);
                let unknown = || RegistryError::UnknownKey { kid: kid.chars().take(80).collect(), purpose };
                record.ok_or_else(unknown)?.revoke(now);
                Ok(false)
            })
        };
        self.change(revocation).await
    }
}

fn in_use(record: &KeyRecord) -> bool {
    matches!(record.state, State::Published | State::Active | State::Retiring)
}

impl Inner {
    /// Changes the keys of one purpose. `edit` changes the records and says whether a new key is asked for.
    fn change_keys(
        &self,
        snapshot: &Snapshot,
        now: UnixTime,
        (actor, act, provider, purpose): (&Actor, &str, &str, Purpose),
        edit: impl FnOnce(&mut [KeyRecord], u64) -> Result<bool, RegistryError>,
    ) -> Decision<KeyChange> {
        let now = seconds(now);
        let owner = self.owner(snapshot, provider, purpose)?;
        let mut document = self.stored_keys(snapshot, &owner.head)?;
        let mut records: Vec<_> =
            document.records().into_iter().filter(|record| record.purpose == purpose).collect();
        let wants_another = edit(&mut records, now)?;
        document.set_records(&records);
        let ring = Ring {
            master: &self.master,
            provider: &owner.id,
            purpose,
            algorithm: owner.algorithm,
            issuer: &owner.issuer,
            policy: &self.settings.rotation,
            now,
        };
        let made =
            if wants_another { rotate_now(&mut document, &ring) } else { advance(&mut document, &ring) };
        let made = made.map_err(RegistryError::Key)?;
        let signing = newest_active(&document, purpose)?;
        let mut draft = Draft::new(now)?;
        put_keys(&mut draft, snapshot, owner.head, document, &made)?;
        let created = made.iter().map(|key| key.record.kid.clone()).collect();
        Ok((Some(draft.record(actor, act, &owner.id)?), KeyChange { created, signing }))
    }

    /// Who owns the keys of a purpose: the provider, or the deployment.
    fn owner(&self, snapshot: &Snapshot, provider: &str, purpose: Purpose) -> Result<Owner, RegistryError> {
        if DEPLOYMENT_PURPOSES.contains(&purpose) {
            let issuer = self.settings.public_url.clone();
            let (id, algorithm) = (DEPLOYMENT.to_owned(), Algorithm::Es256);
            return Ok(Owner { head: deployment_head()?, id, issuer, algorithm });
        }
        let provider = snapshot.provider(provider)?;
        let id = provider.id.as_str().to_owned();
        let (head, issuer) = (catalog::keys(&id)?, provider.issuer.clone());
        Ok(Owner { head, id, issuer, algorithm: provider.options.algorithm })
    }

    fn stored_keys(&self, snapshot: &Snapshot, head: &HeadName) -> Result<KeyDocument, RegistryError> {
        let missing =
            || RegistryError::Corrupt { head: head.to_string(), problem: "there are no keys".to_owned() };
        self.key_document(snapshot.heads.get(head).ok_or_else(missing)?)
    }

    /// Brings the rings of one owner to where they should be; gives the keys that were made.
    pub(super) fn advance_rings(
        &self,
        document: &mut KeyDocument,
        rings: &[(Purpose, Algorithm)],
        provider: &str,
        issuer: &str,
        now: u64,
    ) -> Result<Vec<MadeKey>, RegistryError> {
        let mut made = Vec::new();
        for (purpose, algorithm) in rings {
            let ring = Ring {
                master: &self.master,
                provider,
                purpose: *purpose,
                algorithm: *algorithm,
                issuer,
                policy: &self.settings.rotation,
                now,
            };
            made.extend(advance(document, &ring).map_err(RegistryError::Key)?);
        }
        Ok(made)
    }

    /// One pass over all keys. Of many processes one does it; what keeps it correct is the compare-and-swap.
    pub(super) fn advance_keys(&self) -> Result<(), RegistryError> {
        let lease = HeadName::new("lease/key-rotation")?;
        let now = self.now();
        if !self.store.acquire_lease(&lease, &self.holder, now, now.saturating_add(LEASE_SECONDS))? {
            return Ok(());
        }
        let providers = self.snapshot.load().providers.keys().cloned().collect::<Vec<_>>();
        let mut result = self.advance_owner(None);
        for provider in providers {
            // One that fails must not keep the others from rotating.
            result = result.and(self.advance_owner(Some(&provider)));
        }
        self.store.release_lease(&lease, &self.holder)?;
        result
    }

    fn advance_owner(&self, provider: Option<&str>) -> Result<(), RegistryError> {
        self.change(|inner, snapshot, now| {
            let now = seconds(now);
            let purposes = if provider.is_some() { PROVIDER_PURPOSES } else { DEPLOYMENT_PURPOSES };
            let owner = match inner.owner(snapshot, provider.unwrap_or_default(), purposes[0]) {
                // Deleted meanwhile.
                Err(RegistryError::UnknownProvider { .. }) => return Ok((None, ())),
                owner => owner?,
            };
            let mut document = inner.stored_keys(snapshot, &owner.head)?;
            let before = document.clone();
            let rings = purposes.map(|purpose| (purpose, owner.algorithm));
            let made = inner.advance_rings(&mut document, &rings, &owner.id, &owner.issuer, now)?;
            if document == before {
                return Ok((None, ()));
            }
            let mut draft = Draft::new(now)?;
            put_keys(&mut draft, snapshot, owner.head, document, &made)?;
            Ok((Some(draft.record(&Actor::service(), "keys-advance", &owner.id)?), ()))
        })
    }
}

struct Owner {
    head: HeadName,
    id: String,
    issuer: String,
    algorithm: Algorithm,
}

fn newest_active(document: &KeyDocument, purpose: Purpose) -> Result<String, RegistryError> {
    let records = document.records();
    let active = records.iter().filter(|record| record.purpose == purpose && record.state == State::Active);
    let newest = active.max_by_key(|record| (record.activate_at, &record.kid));
    newest.map(|record| record.kid.clone()).ok_or(RegistryError::Key(TokenError::NoSigningKey))
}

/// Everything that would make the document unreadable is refused here, before it is committed.
pub(super) fn put_keys(
    draft: &mut Draft,
    snapshot: &Snapshot,
    head: HeadName,
    mut document: KeyDocument,
    made: &[MadeKey],
) -> Result<(), RegistryError> {
    for key in made {
        draft.blob(key.wrapped.clone());
    }
    document.forget_ended(draft.now());
    if document.keys.len() > KEYS_MAX {
        return Err(RegistryError::TooManyKeys { limit: KEYS_MAX });
    }
    let corrupt = |problem| RegistryError::Corrupt { head: head.to_string(), problem };
    let bytes = document.to_bytes().map_err(corrupt)?;
    if bytes.len() > catalog::BLOB_MAX {
        return Err(RegistryError::TooManyKeys { limit: document.keys.len().saturating_sub(1) });
    }
    draft.put(snapshot, head, bytes);
    Ok(())
}
