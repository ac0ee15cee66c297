//! The documents that heads name. All are JSON with a format number; unknown members are refused, so that a release never
//! acts on a document that says more than it understands.

use assay_appraisal::AttestationType;
use assay_store::{HeadName, catalog};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ProviderOptions, RegistryError, TrustModel};
use crate::keys::DEPLOYMENT;

pub(super) const FORMAT: u32 = 1;

/// `provider/{name}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderDocument {
    pub(super) format: u32,
    pub(super) name: String,
    pub(super) trust_model: TrustModel,
    pub(super) options: ProviderOptions,
    pub(super) created: u64,
}

/// `policy/{name}/{type}`. A reset leaves a document without a text, so that the history has no gap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyDocument {
    pub(super) format: u32,
    /// Exactly as it was sent.
    pub(super) document: String,
    /// What the document says, for people: the policy in force comes from the signed document alone.
    pub(super) text: Option<String>,
    /// Of an isolated provider: the signer's certificate that vouched for it at that time (DER, base64).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) voucher: Option<String>,
    /// Digest of the document before it.
    pub(super) previous: Option<String>,
    pub(super) time: u64,
}

/// `signers/{name}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignersDocument {
    pub(super) format: u32,
    pub(super) keys: Vec<Value>,
}

/// `deployment`. Beside the identity of a deployment, so that it goes wherever that goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeploymentDocument {
    pub(super) format: u32,
    /// Whether the store was born under `--dev`.
    pub(super) development: bool,
}

/// Documents that carry a format number.
pub(super) trait Formatted {
    fn format(&self) -> u32;
}

macro_rules! formatted {
    ($($document:ident),+) => {
        $(impl Formatted for $document {
            fn format(&self) -> u32 {
                self.format
            }
        })+
    };
}

formatted!(ProviderDocument, PolicyDocument, SignersDocument, DeploymentDocument);

pub(super) fn read<T: DeserializeOwned + Formatted>(bytes: &[u8]) -> Result<T, String> {
    let document: T = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    match document.format() {
        FORMAT => Ok(document),
        other => Err(format!("its format is {other}, this release knows {FORMAT}")),
    }
}

/// What is written is read back: a document that this release could not read must not be committed.
pub(super) fn write<T>(head: &HeadName, document: &T) -> Result<Vec<u8>, RegistryError>
where
    T: Serialize + DeserializeOwned + Formatted + PartialEq,
{
    let corrupt = |problem: String| RegistryError::Corrupt { head: head.to_string(), problem };
    let bytes = serde_json::to_vec(document).map_err(|error| corrupt(error.to_string()))?;
    match read::<T>(&bytes).map_err(corrupt)? == *document {
        true => Ok(bytes),
        false => Err(corrupt("it reads otherwise than it was written".to_owned())),
    }
}

pub(super) fn policy_head(provider: &str, kind: AttestationType) -> Result<HeadName, RegistryError> {
    Ok(catalog::policy(provider, &kind.as_str().to_ascii_lowercase())?)
}

/// The head that says what kind of deployment it is.
pub(super) fn mark_head() -> Result<HeadName, RegistryError> {
    Ok(HeadName::new(DEPLOYMENT)?)
}

/// The head of the deployment's own keys; outside `keys/`, where providers' are.
pub(super) fn deployment_head() -> Result<HeadName, RegistryError> {
    Ok(HeadName::join(&[DEPLOYMENT, catalog::KEYS])?)
}
