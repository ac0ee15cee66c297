//! One simulated device: what it sends, and what anyone needs to judge that again.

use std::path::Path;

use assay_appraisal::EvidenceKind;
use assay_silicon::amd::{self, Amd, Form, VekKind};
use assay_silicon::intel;
use assay_silicon::uvm::UvmSigner;
use assay_verify::UnixTime;
use assay_verify::intel::RawCollateral;
use serde_json::Value;

use super::cases::{AMD_PRODUCTS, Silicon, amd_options, intel_options};
use crate::commands::simulate::{endorse, report_of};
use crate::failure::Failure;

/// A device's evidence with all that belongs to it.
pub(super) struct Device {
    pub(super) kind: EvidenceKind,
    pub(super) evidence: Vec<u8>,
    pub(super) runtime_data: Vec<u8>,
    /// Of Intel's kinds.
    pub(super) collateral: Option<RawCollateral>,
    /// PEM, the endorsement key's first. Of AMD's kinds.
    pub(super) chain: Option<String>,
    /// The body of the attest request.
    pub(super) request: Value,
    /// Whether the token must speak of an endorsed image.
    pub(super) endorsed: bool,
}

impl Device {
    pub(super) fn make(silicon: &Silicon, folder: &Path, now: UnixTime) -> Result<Self, Failure> {
        match *silicon {
            Silicon::Intel { kind, status, debug } => {
                let made = intel::simulate(folder, kind, &intel_options(status, debug), now.0)?;
                Self::of_intel(kind, made)
            }
            Silicon::Amd { form, product, debug, endorsed } => {
                let mut made = amd::simulate(folder, &amd_options(form, product, debug), now.0)?;
                if endorsed {
                    endorse(&mut made.request, None, None, folder, now)?;
                }
                Self::of_amd(form, made, endorsed)
            }
        }
    }

    fn of_intel(kind: intel::Kind, made: intel::Simulated) -> Result<Self, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::new(error.to_string());
        let json = serde_json::to_vec(&made.collateral).map_err(|error| failed(&error))?;
        let collateral = RawCollateral::from_json(&json).map_err(|error| failed(&error))?;
        Ok(Self {
            kind: match kind {
                intel::Kind::Sgx => EvidenceKind::Sgx,
                intel::Kind::OpenEnclave => EvidenceKind::OpenEnclave,
            },
            evidence: made.evidence,
            runtime_data: made.runtime_data,
            collateral: Some(collateral),
            chain: None,
            request: made.request,
            endorsed: false,
        })
    }

    /// What a guest sends is judged as it is sent; a paravisor's report as the guest reads it from its TPM.
    fn of_amd(form: Form, made: amd::Simulated, endorsed: bool) -> Result<Self, Failure> {
        let (kind, evidence) = match form {
            Form::Report => (EvidenceKind::Snp, report_of(&made.request)?.to_string().into_bytes()),
            Form::AzureCvm => (EvidenceKind::AzureCvm, made.evidence),
        };
        Ok(Self {
            kind,
            evidence,
            runtime_data: made.runtime_data,
            collateral: None,
            chain: Some(made.chain_pem),
            request: made.request,
            endorsed,
        })
    }
}

/// Makes the keys of the simulated AMD, and those of the maker of images: seconds of work, which nothing else has to wait for.
pub(super) fn make_amd(folder: &Path, now: UnixTime) -> Result<(), Failure> {
    let require =
        |amd: &mut Amd| AMD_PRODUCTS.into_iter().try_for_each(|product| amd.require(product, VekKind::Vcek));
    Amd::update(folder, now.0, require)?;
    UvmSigner::load_or_generate(folder, now.0)?;
    Ok(())
}
