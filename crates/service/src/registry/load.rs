//! From what the store holds to a snapshot. What did not change is taken over from the snapshot before.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, PoisonError};

use assay_appraisal::{ActivePolicy, AttestationType, Baseline, default_policy};
use assay_store::{Head, HeadName, StoreError, catalog};
use assay_token::{Limits, VerifiedSignature, base64url, open_policy_jws};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;

use super::document::{
    PolicyDocument, ProviderDocument, SignersDocument, deployment_head, policy_head, read,
};
use super::policies::{is_reset, policy_text};
use super::signers::signer_entry;
use super::{
    DEFAULT_PROVIDER, HOUR, Inner, PolicySnapshot, ProviderId, ProviderOptions, ProviderSnapshot,
    RegistryError, SignerEntry, Snapshot, TrustModel,
};
use crate::keys::{DEPLOYMENT, KeyDocument, KeySet};

/// How often a listing that changed while it was read is read again; then the next refresh takes care of it.
const CONSISTENT_ATTEMPTS: usize = 10;

type Heads = BTreeMap<HeadName, Head>;

impl Inner {
    /// Reads everything anew.
    pub(super) fn reload(&self) -> Result<(), RegistryError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.load()
    }

    pub(super) fn refresh(&self) -> Result<bool, RegistryError> {
        if self.store.poll_changes(self.snapshot.load().mark)?.is_none() {
            return Ok(false);
        }
        let before = self.snapshot.load_full();
        self.reload()?;
        self.counters.registry_reloads.increment();
        Ok(before.heads != self.snapshot.load().heads)
    }

    /// For callers that hold `writing`.
    pub(super) fn load(&self) -> Result<(), RegistryError> {
        let before = self.snapshot.load_full();
        let mut mark = self.store.poll_changes(before.mark)?.unwrap_or(before.mark);
        let mut heads = self.heads()?;
        for _ in 0..CONSISTENT_ATTEMPTS {
            let Some(newer) = self.store.poll_changes(mark)? else { break };
            mark = newer;
            heads = self.heads()?;
        }
        let snapshot = self.build(mark, heads, &before)?;
        self.snapshot.store(Arc::new(snapshot));
        Ok(())
    }

    fn heads(&self) -> Result<Heads, RegistryError> {
        let mut heads = Heads::new();
        for folder in [catalog::PROVIDER, catalog::POLICY, catalog::SIGNERS, catalog::KEYS, DEPLOYMENT] {
            let folder = HeadName::new(folder)?;
            let mut after = None;
            loop {
                let page = self.store.heads(Some(&folder), after.as_ref(), catalog::PAGE_MAX)?;
                heads.extend(page.items.into_iter().map(|head| (head.name.clone(), head)));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(heads)
    }

    fn build(
        &self,
        mark: assay_store::ChangeMark,
        heads: Heads,
        before: &Snapshot,
    ) -> Result<Snapshot, RegistryError> {
        let deployment = deployment_head()?;
        let deployment = match heads.get(&deployment) {
            Some(head) if before.heads.get(&deployment) == Some(head) => Arc::clone(&before.deployment),
            Some(head) => Arc::new(self.keys(head, Some(&before.deployment))?),
            None => Arc::default(),
        };
        let mut providers = BTreeMap::new();
        let folder = HeadName::new(catalog::PROVIDER)?;
        for head in heads.values().filter(|head| head.name.is_below(&folder)) {
            let Some((_, name)) = head.name.as_str().split_once('/') else { continue };
            if name == DEFAULT_PROVIDER && !self.settings.default_provider.enabled {
                continue;
            }
            let known = before.providers.get(name);
            let unchanged = known.filter(|_| same(&heads, &before.heads, name));
            let provider = match unchanged {
                Some(known) => Ok(Arc::clone(known)),
                None => self.provider(name, head, &heads, known, &before.heads).map(Arc::new),
            };
            match provider {
                Ok(provider) => drop(providers.insert(name.to_owned(), provider)),
                // Damage to one tenant must not stop the others; he is not served until it is repaired.
                Err(error @ RegistryError::Corrupt { .. }) => {
                    self.counters.registry_failures.increment();
                    tracing::error!(provider = name, %error, "provider is not served");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Snapshot { mark, heads, providers, deployment })
    }

    fn provider(
        &self,
        name: &str,
        head: &Head,
        heads: &Heads,
        known: Option<&Arc<ProviderSnapshot>>,
        known_heads: &Heads,
    ) -> Result<ProviderSnapshot, RegistryError> {
        let document: ProviderDocument = self.document(head, read)?;
        let signers = self.signers(name, heads)?;
        let keys = match heads.get(&catalog::keys(name)?) {
            Some(head) => self.keys(head, known.map(|known| known.keys.as_ref()))?,
            None => return Err(corrupt(head, "it has no keys")),
        };
        let owner = Owner { name, trust_model: document.trust_model, signers: &signers };
        let policies = self.policies(owner, heads, known, known_heads)?;
        // Clocks of nodes differ: published an hour early does no harm, published late does.
        let published = keys.jwks(self.clock.now_seconds().saturating_add(HOUR));
        let jwks = published.map_err(|error| corrupt(head, &error.to_string()))?.to_json();
        let issuer = self.issuer(name);
        Ok(ProviderSnapshot {
            id: ProviderId(name.to_owned()),
            name: document.name,
            jku: format!("{issuer}/certs"),
            issuer,
            trust_model: document.trust_model,
            policies,
            signers,
            baseline: self.baseline(&document.options),
            options: document.options,
            keys: Arc::new(keys),
            jwks: Bytes::from(jwks),
            development: self.settings.dev,
        })
    }

    /// From the record's name and the configured address, never from a request.
    pub(super) fn issuer(&self, name: &str) -> String {
        match name {
            DEFAULT_PROVIDER => self.settings.public_url.clone(),
            name => format!("{}/providers/{name}", self.settings.public_url),
        }
    }

    fn baseline(&self, options: &ProviderOptions) -> Baseline {
        let service = &self.settings.baseline;
        Baseline {
            accepted: options.accepted_tcb_statuses.clone().unwrap_or_else(|| service.accepted.clone()),
            minimum_evaluation_number: options
                .minimum_evaluation_number
                .unwrap_or(service.minimum_evaluation_number),
            snp: options.minimum_snp_tcb.unwrap_or(service.snp),
        }
    }

    fn signers(&self, name: &str, heads: &Heads) -> Result<Vec<SignerEntry>, RegistryError> {
        let Some(head) = heads.get(&catalog::signers(name)?) else { return Ok(Vec::new()) };
        let document: SignersDocument = self.document(head, read)?;
        let entries = document.keys.iter().map(signer_entry).collect::<Result<_, _>>();
        entries.map_err(|error| corrupt(head, &error.to_string()))
    }

    fn keys(&self, head: &Head, known: Option<&KeySet>) -> Result<KeySet, RegistryError> {
        let document = self.key_document(head)?;
        document.open(self.store.as_ref(), &self.master, known).map_err(|problem| corrupt(head, &problem))
    }

    pub(super) fn key_document(&self, head: &Head) -> Result<KeyDocument, RegistryError> {
        self.document(head, KeyDocument::read)
    }

    /// A document that fails leaves its kind of evidence without a policy, which is answered with an error.
    fn policies(
        &self,
        owner: Owner<'_>,
        heads: &Heads,
        known: Option<&Arc<ProviderSnapshot>>,
        known_heads: &Heads,
    ) -> Result<BTreeMap<AttestationType, Arc<PolicySnapshot>>, RegistryError> {
        let mut policies = BTreeMap::new();
        for kind in AttestationType::ALL {
            let head = policy_head(owner.name, kind)?;
            let unchanged = known.filter(|_| heads.get(&head) == known_heads.get(&head));
            let policy = match (unchanged.and_then(|known| known.policies.get(&kind)), heads.get(&head)) {
                (Some(policy), _) => Arc::clone(policy),
                (None, None) => default_snapshot(kind)?,
                (None, Some(head)) => match self.policy(kind, head, owner) {
                    Err(error @ RegistryError::Corrupt { .. }) => {
                        self.counters.registry_failures.increment();
                        tracing::error!(provider = owner.name, kind = kind.as_str(), %error, "policy is not served");
                        continue;
                    }
                    policy => policy?,
                },
            };
            policies.insert(kind, policy);
        }
        Ok(policies)
    }

    /// Text and signer come from the document that was sent, and its signature is verified again: what the store holds is
    /// not believed more than what a client sends.
    fn policy(
        &self,
        kind: AttestationType,
        head: &Head,
        owner: Owner<'_>,
    ) -> Result<Arc<PolicySnapshot>, RegistryError> {
        let document: PolicyDocument = self.document(head, read)?;
        let refused = |error: RegistryError| corrupt(head, &error.to_string());
        let jws = open_policy_jws(&document.document, &Limits::default());
        let jws = jws.map_err(|error| corrupt(head, &error.to_string()))?;
        let signature = match jws.is_unsecured() {
            true => None,
            false => Some(jws.verify_signature().map_err(|error| corrupt(head, &error.to_string()))?),
        };
        if owner.trust_model == TrustModel::Isolated {
            check_vouched(&document, signature.as_ref(), owner.signers).map_err(refused)?;
        }
        let text = if is_reset(&jws) { None } else { Some(policy_text(&jws).map_err(refused)?) };
        if text != document.text {
            return Err(corrupt(head, "its text is not that of the document that was sent"));
        }
        let Some(text) = text else { return default_snapshot(kind) };
        let active = ActivePolicy::compile(kind, &text, signature.map(|signature| signature.signer_jwk()))
            .map_err(|_| corrupt(head, "its policy does not compile"))?;
        let (jws, document) = (document.document.clone(), Some(document.document));
        Ok(Arc::new(PolicySnapshot { active, document, is_default: false, jws }))
    }

    /// Reads the document that a head names.
    pub(super) fn document<T>(
        &self,
        head: &Head,
        read: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<T, RegistryError> {
        let bytes = self.store.blob(&head.digest).map_err(|error| match error {
            // Damage to one document, which must not stop the others.
            StoreError::Corrupt { .. } => corrupt(head, &error.to_string()),
            other => other.into(),
        })?;
        let bytes = bytes.ok_or_else(|| corrupt(head, "the document is missing"))?;
        read(&bytes).map_err(|problem| corrupt(head, &problem))
    }
}

/// Whose policies are read.
#[derive(Clone, Copy)]
struct Owner<'a> {
    name: &'a str,
    trust_model: TrustModel,
    signers: &'a [SignerEntry],
}

/// As at the upload, with the signers of today and the one who vouched then: his removal takes back nothing that was
/// set. The time is that of the upload, as a policy stays in force when certificates expire.
fn check_vouched(
    document: &PolicyDocument,
    signature: Option<&VerifiedSignature>,
    signers: &[SignerEntry],
) -> Result<(), RegistryError> {
    let signature = signature.ok_or(RegistryError::Unsigned)?;
    let mut trusted: Vec<Vec<u8>> = signers.iter().map(|signer| signer.der.clone()).collect();
    trusted.extend(document.voucher.as_ref().and_then(|text| STANDARD.decode(text).ok()));
    let vouched = signature.signed_by(&trusted, document.time);
    vouched.map(|_| ()).map_err(RegistryError::SignerNotTrusted)
}

fn corrupt(head: &Head, problem: &str) -> RegistryError {
    RegistryError::Corrupt { head: head.name.to_string(), problem: problem.to_owned() }
}

/// Whether nothing that belongs to a provider moved.
fn same(heads: &Heads, before: &Heads, name: &str) -> bool {
    let of_provider = |heads: &Heads| -> Option<Vec<Option<Head>>> {
        let mut names =
            vec![catalog::provider(name).ok()?, catalog::signers(name).ok()?, catalog::keys(name).ok()?];
        for kind in AttestationType::ALL {
            names.push(policy_head(name, kind).ok()?);
        }
        Some(names.iter().map(|name| heads.get(name).cloned()).collect())
    };
    of_provider(heads).is_some() && of_provider(heads) == of_provider(before)
}

type Defaults = BTreeMap<AttestationType, Arc<PolicySnapshot>>;

/// Compiled once for all providers.
static DEFAULTS: LazyLock<Defaults> = LazyLock::new(|| {
    let compiled = |kind: AttestationType| {
        let text = default_policy(kind);
        let active = ActivePolicy::compile(kind, text, None).ok()?;
        let snapshot =
            PolicySnapshot { active, document: None, is_default: true, jws: unsigned_document(text) };
        Some((kind, Arc::new(snapshot)))
    };
    AttestationType::ALL.into_iter().filter_map(compiled).collect()
});

fn default_snapshot(kind: AttestationType) -> Result<Arc<PolicySnapshot>, RegistryError> {
    DEFAULTS.get(&kind).cloned().ok_or_else(|| RegistryError::Corrupt {
        head: kind.as_str().to_owned(),
        problem: "the default policy does not compile".to_owned(),
    })
}

/// The form in which all of Azure's SDKs send unsigned policies.
fn unsigned_document(text: &str) -> String {
    let payload = json!({ "AttestationPolicy": base64url::encode(text.as_bytes()) }).to_string();
    format!("{}.{}.", base64url::encode(br#"{"alg":"none"}"#), base64url::encode(payload.as_bytes()))
}
