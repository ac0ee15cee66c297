//! What the registry gives out: snapshots that do not change while a request uses them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use assay_appraisal::{ActivePolicy, AttestationType, Baseline, SnpBaseline};
use assay_token::Algorithm;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::keys::KeySet;

/// A provider's name in lower case: 3 to 24 letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ProviderId(pub(crate) String);

impl ProviderId {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who may change a provider's policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrustModel {
    /// Whoever has the role; policies may be unsigned.
    #[serde(rename = "AAD")]
    Aad,
    /// Whoever has the role and a signature of a registered signer.
    Isolated,
    /// Nobody: the provider serves everyone with the default policies.
    Shared,
}

impl TrustModel {
    /// The name in Azure's control plane.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aad => "AAD",
            Self::Isolated => "Isolated",
            Self::Shared => "Shared",
        }
    }
}

/// What can be set for a provider. Names in documents are in camel case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderOptions {
    /// How its tokens are signed.
    #[serde(default = "default_algorithm")]
    pub algorithm: Algorithm,
    /// TCB statuses that are good enough; `None`: those of the service.
    #[serde(default)]
    pub accepted_tcb_statuses: Option<Vec<String>>,
    /// The lowest TCB evaluation data number that may judge; `None`: that of the service.
    #[serde(default)]
    pub minimum_evaluation_number: Option<u32>,
    /// The lowest TCB of SEV-SNP platforms; `None`: that of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_snp_tcb: Option<SnpBaseline>,
    /// Whether callers without a role see rule texts and claim values of refusals.
    #[serde(default)]
    pub explain_to_anonymous: bool,
    /// Whether `/attest/Tpm` asks for a bearer token.
    #[serde(default = "yes")]
    pub tpm_authentication: bool,
}

/// Microsoft's SDKs read RSA keys only.
const fn default_algorithm() -> Algorithm {
    Algorithm::Rs256
}

const fn yes() -> bool {
    true
}

impl Default for ProviderOptions {
    fn default() -> Self {
        Self {
            algorithm: default_algorithm(),
            accepted_tcb_statuses: None,
            minimum_evaluation_number: None,
            minimum_snp_tcb: None,
            explain_to_anonymous: false,
            tpm_authentication: true,
        }
    }
}

/// A certificate whose holder may set policies.
#[derive(Clone, Debug, PartialEq)]
pub struct SignerEntry {
    /// As it was given: `kty` and `x5c`, perhaps `alg` and `use`.
    pub jwk: Value,
    /// The first certificate of `x5c`.
    pub der: Vec<u8>,
}

/// The policy of one kind of evidence.
#[derive(Debug)]
pub struct PolicySnapshot {
    /// The compiled policy.
    pub active: ActivePolicy,
    /// The document exactly as it was sent; `None` for a default policy.
    pub document: Option<String>,
    /// Whether nobody set a policy here.
    pub is_default: bool,
    /// `document`, or the default text in an unsigned document.
    pub(crate) jws: String,
}

impl PolicySnapshot {
    /// The value of `x-ms-policy`: the document exactly as it was sent, or the default policy in an unsigned one.
    #[must_use]
    pub fn jws(&self) -> &str {
        &self.jws
    }
}

/// A provider at one moment.
#[derive(Debug)]
pub struct ProviderSnapshot {
    /// Its name in lower case.
    pub id: ProviderId,
    /// Its name as it was given.
    pub name: String,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Where its keys are: the issuer and `/certs`.
    pub jku: String,
    /// Who may change its policies.
    pub trust_model: TrustModel,
    /// One policy for each kind of evidence.
    pub policies: BTreeMap<AttestationType, Arc<PolicySnapshot>>,
    /// The policy signers, in the order they were added.
    pub signers: Vec<SignerEntry>,
    /// What is set for it.
    pub options: ProviderOptions,
    /// What it demands of platforms: its options over those of the service.
    pub baseline: Baseline,
    /// Its signing keys.
    pub keys: Arc<KeySet>,
    /// The key set as JSON, ready to send.
    pub jwks: Bytes,
    /// Whether the service runs under `--dev`: whatever is signed then says so.
    pub development: bool,
}

impl ProviderSnapshot {
    /// The policy in force for a kind of evidence. Every kind of this release has one.
    #[must_use]
    pub fn policy(&self, kind: AttestationType) -> Option<&Arc<PolicySnapshot>> {
        self.policies.get(&kind)
    }
}

/// What a provider is made from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewProvider {
    /// Its name.
    pub name: String,
    /// JWKs of its policy signers; with at least one the provider is isolated.
    #[serde(default)]
    pub policy_signers: Vec<Value>,
    /// Its options.
    #[serde(default)]
    pub options: ProviderOptions,
}

/// What a policy upload or reset did.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyChange {
    /// base64url of SHA-256 over the document as it was sent.
    pub token_hash: String,
    /// Who signed it, as policy results show it: `alg`, `kty`, `use`, `x5c`.
    pub signer: Option<Value>,
    /// What the checker warned of.
    pub warnings: Vec<assay_policy::Diagnostic>,
}

/// What a change of the signers did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerChange {
    /// SHA-1 of the certificate, upper-case hexadecimal.
    pub thumbprint: String,
    /// Whether the certificate is registered now.
    pub present: bool,
}

/// What a key rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The keys that were made.
    pub created: Vec<String>,
    /// The key that signs now.
    pub signing: String,
}

/// Who did something, for the administrative log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub(crate) kind: &'static str,
    /// SHA-256 of issuer and subject, for people with tokens.
    pub(crate) subject: Option<String>,
}

impl Actor {
    /// The holder of a bearer token; the log keeps a hash of who that is.
    #[must_use]
    pub fn bearer(issuer: &str, subject: &str) -> Self {
        let digest = assay_token::sha256([issuer.as_bytes(), &[0], subject.as_bytes()].concat().as_slice());
        Self { kind: "bearer", subject: Some(hex::encode(digest)) }
    }

    /// The service itself.
    #[must_use]
    pub const fn service() -> Self {
        Self { kind: "service", subject: None }
    }
}
