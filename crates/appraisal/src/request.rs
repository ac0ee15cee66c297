//! What a client asks for, whatever wire it came over.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Refusal;

/// A kind of evidence as Azure's routes name it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum AttestationType {
    /// A bare SGX quote.
    SgxEnclave,
    /// An SGX quote in an Open Enclave report.
    OpenEnclave,
    /// A virtual machine or container under SEV-SNP.
    SevSnpVm,
    /// A virtual machine under TDX.
    TdxVm,
    /// A TPM and its event log.
    Tpm,
}

impl AttestationType {
    /// Every kind this release knows.
    pub const ALL: [Self; 5] = [Self::SgxEnclave, Self::OpenEnclave, Self::SevSnpVm, Self::TdxVm, Self::Tpm];

    /// The name in Azure's routes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SgxEnclave => "SgxEnclave",
            Self::OpenEnclave => "OpenEnclave",
            Self::SevSnpVm => "SevSnpVm",
            Self::TdxVm => "TdxVm",
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
    /// Bound by an enclave's configuration id, or a virtual machine's host data.
    pub init_time_data: Option<AttachedData>,
    /// Echoed into the token; counts as freshness only if the evidence is bound to it.
    pub nonce: Option<String>,
    /// A challenge of this service that the caller says is inside the evidence.
    pub challenge: Option<String>,
    /// A policy to try instead of the provider's; the token is then unsecured.
    pub draft_policy: Option<String>,
}

/// Attached JSON becomes a claim in the token, so it is bounded like one: 256 KiB, and 8192 values (an object of one member
/// takes about 600 bytes of memory, so 5 MiB).
const ATTACHED_LIMITS: assay_json::Limits =
    assay_json::Limits { max_bytes: 256 * 1024, max_depth: assay_json::Limits::MAX_DEPTH, max_items: 8192 };
/// From 2^53 on a floating-point number no longer holds every integer (RFC 8259 section 6), and a bound claim must not be
/// altered. Integers of up to 64 bits are kept as integers.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

impl AttachedData {
    /// Whether data declared JSON is JSON that a token can carry unaltered; builds nothing.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.data_type {
            DataType::Json => {
                assay_json::check(&self.data, &ATTACHED_LIMITS).map_err(|error| error.to_string())
            }
            DataType::Binary => Ok(()),
        }
    }

    /// The data as JSON, if it is JSON, whatever it is declared.
    pub(crate) fn guess_json(&self) -> Option<Value> {
        assay_json::parse(&self.data, &ATTACHED_LIMITS).ok()
    }

    /// The data as JSON, if it is declared so.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn json(&self) -> Result<Option<Value>, String> {
        if self.data_type == DataType::Binary {
            return Ok(None);
        }
        let json = assay_json::parse(&self.data, &ATTACHED_LIMITS).map_err(|error| error.to_string())?;
        if has_inexact_number(&json) {
            return Err(
                "it has an integer beyond 2^53, which JSON readers alter; send it as a string".to_owned()
            );
        }
        Ok(Some(json))
    }
}

/// Depth is bounded by the limits, so the recursion is.
fn has_inexact_number(json: &Value) -> bool {
    match json {
        // Integers of 64 bits are kept as they are; only what became a float can have changed.
        Value::Number(number) if number.is_f64() => {
            number.as_f64().is_none_or(|float| float.abs() >= MAX_EXACT)
        }
        Value::Array(items) => items.iter().any(has_inexact_number),
        Value::Object(members) => members.values().any(has_inexact_number),
        _ => false,
    }
}

/// Attached data as it goes into policy and token, read once.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    /// Runtime data of type JSON.
    pub(crate) runtime: Option<Arc<Value>>,
    /// Runtime data of type Binary, base64url.
    pub(crate) held: Option<String>,
    /// Init-time data: JSON, or a base64url string.
    pub(crate) init_time: Option<Arc<Value>>,
}

impl Attached {
    pub(crate) fn of(request: &Request) -> Result<Self, Refusal> {
        let not_json = |data: &'static str| move |problem| Refusal::DataNotJson { data, problem };
        let mut attached = Self::default();
        if let Some(data) = &request.runtime_data {
            match data.json().map_err(not_json("runtime data"))? {
                Some(json) => attached.runtime = Some(Arc::new(json)),
                None => attached.held = Some(URL_SAFE_NO_PAD.encode(&data.data)),
            }
        }
        if let Some(data) = &request.init_time_data {
            let json = data.json().map_err(not_json("init-time data"))?;
            attached.init_time =
                Some(Arc::new(json.unwrap_or_else(|| URL_SAFE_NO_PAD.encode(&data.data).into())));
        }
        Ok(attached)
    }

    /// The claims that attached JSON becomes, and init-time data of either kind.
    pub(crate) fn json_claims(&self) -> Vec<(&'static str, Arc<Value>)> {
        let mut claims = Vec::with_capacity(5);
        claims.extend(self.runtime.as_ref().map(|json| ("x-ms-runtime", Arc::clone(json))));
        claims.extend(self.init_time.as_ref().map(|json| ("x-ms-inittime", Arc::clone(json))));
        claims
    }
}
