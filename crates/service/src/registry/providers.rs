//! Making and deleting providers.

use std::sync::Arc;

use assay_appraisal::AttestationType;
use assay_store::catalog;
use assay_verify::UnixTime;
use serde_json::Value;

use super::change::{Decision, Draft};
use super::document::{FORMAT, ProviderDocument, SignersDocument, deployment_head, policy_head, read, write};
use super::rotation::put_keys;
use super::signers::{SIGNERS_MAX, kept};
use super::{
    Actor, DEFAULT_PROVIDER, Inner, NewProvider, ProviderOptions, ProviderSnapshot, Registry, RegistryError,
    Snapshot, TrustModel, check_name,
};
use crate::clock::seconds;
use crate::config::tcb_statuses;
use crate::keys::{DEPLOYMENT, DEPLOYMENT_PURPOSES, KeyDocument, PROVIDER_PURPOSES};
use assay_token::Algorithm;

/// A provider before it is stored.
struct Plan {
    id: String,
    name: String,
    trust_model: TrustModel,
    options: ProviderOptions,
    signers: Vec<Value>,
}

impl Registry {
    /// Makes a provider with keys of its own. With policy signers it is isolated, for good.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn create_provider(
        &self,
        actor: &Actor,
        new: NewProvider,
    ) -> Result<Arc<ProviderSnapshot>, RegistryError> {
        let actor = actor.clone();
        let name =
            self.change(move |inner, snapshot, now| create(inner, snapshot, now, &actor, &new)).await?;
        self.provider(&name).ok_or(RegistryError::UnknownProvider { name })
    }

    /// Deletes a provider: its tokens can no longer be verified. Its history stays in the store.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn delete_provider(&self, actor: &Actor, name: &str) -> Result<(), RegistryError> {
        let (actor, name) = (actor.clone(), name.to_owned());
        self.change(move |_, snapshot, now| delete(snapshot, now, &actor, &name)).await
    }
}

fn create(
    inner: &Inner,
    snapshot: &Snapshot,
    now: UnixTime,
    actor: &Actor,
    new: &NewProvider,
) -> Decision<String> {
    let id = check_name(&new.name)?;
    let signers = new.policy_signers.iter().map(kept).collect::<Result<Vec<_>, _>>()?;
    if signers.len() > SIGNERS_MAX {
        return Err(RegistryError::TooManySigners { limit: SIGNERS_MAX });
    }
    if let Some(names) = &new.options.accepted_tcb_statuses {
        let option = "acceptedTcbStatuses";
        tcb_statuses(names).map_err(|_| RegistryError::Option { option, value: names.join(", ") })?;
    }
    let plan = Plan {
        id: id.as_str().to_owned(),
        name: new.name.clone(),
        trust_model: if signers.is_empty() { TrustModel::Aad } else { TrustModel::Isolated },
        options: new.options.clone(),
        signers,
    };
    let change = store_new(inner, snapshot, now, actor, &plan)?;
    Ok((Some(change), plan.id))
}

fn store_new(
    inner: &Inner,
    snapshot: &Snapshot,
    now: UnixTime,
    actor: &Actor,
    plan: &Plan,
) -> Result<assay_store::Change, RegistryError> {
    let head = catalog::provider(&plan.id)?;
    if snapshot.heads.contains_key(&head) {
        return Err(RegistryError::ProviderExists { name: plan.name.clone() });
    }
    let document = ProviderDocument {
        format: FORMAT,
        name: plan.name.clone(),
        trust_model: plan.trust_model,
        options: plan.options.clone(),
        created: seconds(now),
    };
    let mut draft = Draft::new(seconds(now))?;
    let bytes = write(&head, &document)?;
    draft.put(snapshot, head, bytes);
    if !plan.signers.is_empty() {
        let head = catalog::signers(&plan.id)?;
        let bytes = write(&head, &SignersDocument { format: FORMAT, keys: plan.signers.clone() })?;
        draft.put(snapshot, head, bytes);
    }
    let mut keys = KeyDocument::empty();
    let issuer = inner.issuer(&plan.id);
    let rings = PROVIDER_PURPOSES.map(|purpose| (purpose, plan.options.algorithm));
    let made = inner.advance_rings(&mut keys, &rings, &plan.id, &issuer, seconds(now))?;
    put_keys(&mut draft, snapshot, catalog::keys(&plan.id)?, keys, &made)?;
    draft.record(actor, "provider-create", &plan.id)
}

fn delete(snapshot: &Snapshot, now: UnixTime, actor: &Actor, name: &str) -> Decision<()> {
    let provider = snapshot.provider(name)?;
    let id = provider.id.as_str();
    if id == DEFAULT_PROVIDER {
        return Err(RegistryError::DefaultProvider);
    }
    let mut draft = Draft::new(seconds(now))?;
    for head in [catalog::provider(id)?, catalog::signers(id)?, catalog::keys(id)?] {
        draft.remove(snapshot, head);
    }
    for kind in AttestationType::ALL {
        draft.remove(snapshot, policy_head(id, kind)?);
    }
    Ok((Some(draft.record(actor, "provider-delete", id)?), ()))
}

impl Inner {
    /// The default provider is as the configuration says, also after the configuration changed.
    pub(super) fn ensure_default_provider(&self) -> Result<(), RegistryError> {
        if !self.settings.default_provider.enabled {
            return Ok(());
        }
        self.change(|inner, snapshot, now| inner.default_provider(snapshot, now))
    }

    fn default_provider(&self, snapshot: &Snapshot, now: UnixTime) -> Decision<()> {
        let wanted = &self.settings.default_provider;
        let trust_model = if wanted.writable { TrustModel::Aad } else { TrustModel::Shared };
        let options = ProviderOptions { algorithm: wanted.signing_algorithm, ..ProviderOptions::default() };
        let head = catalog::provider(DEFAULT_PROVIDER)?;
        let Some(stored) = snapshot.heads.get(&head) else {
            let name = DEFAULT_PROVIDER.to_owned();
            let plan = Plan { id: name.clone(), name, trust_model, options, signers: Vec::new() };
            let change = store_new(self, snapshot, now, &Actor::service(), &plan)?;
            return Ok((Some(change), ()));
        };
        // Not in the snapshot although stored: damaged, and the service would have nothing at its root.
        let mut document: ProviderDocument = self.document(stored, read)?;
        if !snapshot.providers.contains_key(DEFAULT_PROVIDER) {
            let problem = "the default provider cannot be read; the log says why".to_owned();
            return Err(RegistryError::Corrupt { head: head.to_string(), problem });
        }
        if document.trust_model == trust_model && document.options.algorithm == options.algorithm {
            return Ok((None, ()));
        }
        document.trust_model = trust_model;
        document.options.algorithm = options.algorithm;
        let mut draft = Draft::new(seconds(now))?;
        let bytes = write(&head, &document)?;
        draft.put(snapshot, head, bytes);
        Ok((Some(draft.record(&Actor::service(), "provider-configure", DEFAULT_PROVIDER)?), ()))
    }

    pub(super) fn ensure_deployment_keys(&self) -> Result<(), RegistryError> {
        self.change(|inner, snapshot, now| {
            let head = deployment_head()?;
            if snapshot.heads.contains_key(&head) {
                return Ok((None, ()));
            }
            let mut keys = KeyDocument::empty();
            let rings = DEPLOYMENT_PURPOSES.map(|purpose| (purpose, Algorithm::Es256));
            let issuer = &inner.settings.public_url;
            let made = inner.advance_rings(&mut keys, &rings, DEPLOYMENT, issuer, seconds(now))?;
            let mut draft = Draft::new(seconds(now))?;
            inner.put_mark(&mut draft, snapshot)?;
            put_keys(&mut draft, snapshot, head, keys, &made)?;
            Ok((Some(draft.record(&Actor::service(), "keys-create", DEPLOYMENT)?), ()))
        })
    }
}
