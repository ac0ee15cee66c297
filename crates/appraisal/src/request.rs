//! What a client asks for, whatever wire it came over.

use serde::{Deserialize, Serialize};

/// A kind of evidence as Azure's routes name it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum AttestationType {
    /// A bare SGX quote.
    SgxEnclave,
    /// An SGX quote in an Open Enclave report.
    OpenEnclave,
    /// A TPM and its event log.
    Tpm,
}

impl AttestationType {
    /// Every kind this release knows.
    pub const ALL: [Self; 3] = [Self::SgxEnclave, Self::OpenEnclave, Self::Tpm];

    /// The name in Azure's routes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SgxEnclave => "SgxEnclave",
            Self::OpenEnclave => "OpenEnclave",
            Self::Tpm => "Tpm",
        }
    }

    /// Reads a name in any case, as Azure does.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

/// Whether attached data is opaque or JSON that goes into the token.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum DataType {
    /// Bytes.
    Binary,
    /// A JSON text.
    #[serde(rename = "JSON")]
    Json,
}

/// Data that the evidence must be bound to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AttachedData {
    /// The exact bytes that were hashed.
    pub data: Vec<u8>,
    /// How they appear in the token.
    pub data_type: DataType,
}

/// A request for attestation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// What the evidence is.
    pub kind: AttestationType,
    /// The evidence, decoded.
    pub evidence: Vec<u8>,
    /// Bound by the report data.
    pub runtime_data: Option<AttachedData>,
    /// Bound by the configuration id.
    pub init_time_data: Option<AttachedData>,
    /// Echoed into the token; counts as freshness only if the evidence is bound to it.
    pub nonce: Option<String>,
    /// A challenge of this service that the caller says is inside the evidence.
    pub challenge: Option<String>,
    /// A policy to try instead of the provider's; the token is then unsecured.
    pub draft_policy: Option<String>,
}

/// Attached JSON becomes a claim in the token, so it is bounded like one: 256 KiB.
const MAX_ATTACHED_JSON: usize = 256 * 1024;

impl AttachedData {
    /// The data as JSON, if it is declared so and is.
    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        match self.data_type {
            DataType::Json => self.parse().ok(),
            DataType::Binary => None,
        }
    }

    /// Whether data declared JSON is JSON.
    pub(crate) fn check(&self) -> Result<(), assay_json::JsonError> {
        match self.data_type {
            DataType::Json => self.parse().map(drop),
            DataType::Binary => Ok(()),
        }
    }

    fn parse(&self) -> Result<serde_json::Value, assay_json::JsonError> {
        assay_json::parse(&self.data, &assay_json::Limits::bytes(MAX_ATTACHED_JSON))
    }
}
