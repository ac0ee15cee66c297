//! A simulated device of a folder: what `assay simulate` runs.

use std::path::Path;
use std::str::FromStr;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::json;

use super::collateral::Collateral;
use super::fleet::{self, Registration};
use super::quote::open_enclave_report;
use super::spec::{Ca, CollateralSpec, PlatformSpec, QuoteSpec, TcbStatus};
use super::vendor::Intel;
use super::{Defect, Sample};
use crate::error::SiliconError;
use crate::runtime_data;

/// A kind of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An SGX quote.
    Sgx,
    /// An Open Enclave remote report: an SGX quote with a header.
    OpenEnclave,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Sgx, Self::OpenEnclave];

    /// The name on the command line: `sgx` or `open-enclave`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sgx => "sgx",
            Self::OpenEnclave => "open-enclave",
        }
    }

    /// Where its request goes.
    #[must_use]
    pub const fn attest_route(self) -> &'static str {
        match self {
            Self::Sgx => "/attest/SgxEnclave",
            Self::OpenEnclave => "/attest/OpenEnclave",
        }
    }

    /// The member of the request that holds the evidence.
    const fn request_member(self) -> &'static str {
        match self {
            Self::Sgx => "quote",
            Self::OpenEnclave => "report",
        }
    }
}

impl FromStr for Kind {
    type Err = SiliconError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown =
            || SiliconError::UnknownName { what: "kind of simulated evidence", name: text.to_owned() };
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(unknown)
    }
}

/// What to simulate. The default is an up-to-date server with a production enclave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimulateOptions {
    /// What the enclave says; a small JSON object with a new public key when `None`.
    pub runtime_data: Option<Vec<u8>>,
    /// The certification authority of the platform.
    pub ca: Ca,
    /// The TCB status of the platform.
    pub status: TcbStatus,
    /// Whether the enclave can be debugged.
    pub debug: bool,
    /// Revokes the platform's PCK certificate; the published collateral of the folder says so at once.
    pub revoked: bool,
    /// Measurement of the enclave.
    pub mr_enclave: Option<[u8; 32]>,
    /// Hash of the key that signed the enclave.
    pub mr_signer: Option<[u8; 32]>,
    /// Product id.
    pub isv_prod_id: Option<u16>,
    /// Security version.
    pub isv_svn: Option<u16>,
    /// A rule to break.
    pub defect: Option<Defect>,
}

/// Simulated evidence with all that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// The quote or report.
    pub evidence: Vec<u8>,
    /// What the report data is the SHA-256 of.
    pub runtime_data: Vec<u8>,
    /// The collateral of the platform.
    pub collateral: Collateral,
    /// The body of the request for [`Kind::attest_route`].
    pub request: serde_json::Value,
}

/// Makes evidence of a new platform of the vendor in `dir`, and keeps the folder's published collateral current.
///
/// # Errors
/// As [`Intel::update`] and [`Intel::broken`].
pub fn simulate(
    dir: &Path,
    kind: Kind,
    options: &SimulateOptions,
    now: i64,
) -> Result<Simulated, SiliconError> {
    let spec = PlatformSpec::new(options.ca, options.status);
    let (intel, platform) = Intel::update(dir, now, |intel| {
        let platform = intel.platform(&spec, now)?;
        if options.revoked {
            intel.revoke_pck(&platform);
        }
        Ok(platform)
    })?;
    // Its machine was set up with care: Intel has its manifest already.
    let registration = match options.ca {
        Ca::Processor => Registration::NotNeeded,
        Ca::Platform => Registration::Direct,
    };
    fleet::remember(dir, &platform, registration)?;
    let runtime_data = match &options.runtime_data {
        Some(data) => data.clone(),
        None => runtime_data::with_new_key(now)?,
    };
    let quote_spec = quote_spec(options, &runtime_data);
    let collateral_spec = CollateralSpec::for_platform(&spec);
    let Sample { quote, collateral } = match options.defect {
        Some(defect) => defect.apply(&intel, platform, &quote_spec, &collateral_spec, now)?,
        None => Sample {
            quote: platform.quote(&quote_spec)?,
            collateral: intel.collateral(&collateral_spec, now)?,
        },
    };
    let evidence = match kind {
        Kind::Sgx => quote,
        Kind::OpenEnclave => open_enclave_report(&quote),
    };
    let request = request(kind, &evidence, &runtime_data);
    Ok(Simulated { evidence, runtime_data, collateral, request })
}

fn quote_spec(options: &SimulateOptions, runtime_data: &[u8]) -> QuoteSpec {
    let default = QuoteSpec::default();
    QuoteSpec {
        debug: options.debug,
        mr_enclave: options.mr_enclave.unwrap_or(default.mr_enclave),
        mr_signer: options.mr_signer.unwrap_or(default.mr_signer),
        isv_prod_id: options.isv_prod_id.unwrap_or(default.isv_prod_id),
        isv_svn: options.isv_svn.unwrap_or(default.isv_svn),
        report_data: runtime_data::digest_and_zeros(runtime_data),
        ..default
    }
}

fn request(kind: Kind, evidence: &[u8], runtime_data: &[u8]) -> serde_json::Value {
    json!({
        kind.request_member(): BASE64_URL_SAFE_NO_PAD.encode(evidence),
        "runtimeData": runtime_data::member(runtime_data),
    })
}
