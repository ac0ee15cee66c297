//! A simulated guest of a folder: what `assay simulate` runs.

use std::path::Path;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::json;

use super::chip::{Chip, chain_pem};
use super::fleet;
use super::spec::{ChipSpec, POLICY_DEBUG, Product, ReportSpec, VekKind};
use super::vendor::Amd;
use super::{Defect, Sample};
use crate::error::SiliconError;
use crate::hcl::{self, HclReport, HclSpec};
use crate::runtime_data;

/// What the evidence is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// The attestation report alone.
    #[default]
    Report,
    /// A report as Azure's paravisor gives it to a confidential virtual machine; see [`crate::hcl`].
    AzureCvm,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 2] = [Self::Report, Self::AzureCvm];

    /// The name on the command line: `snp` or `azure-cvm`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Report => "snp",
            Self::AzureCvm => "azure-cvm",
        }
    }
}

/// What to simulate. The default is a production guest on an up-to-date Milan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimulateOptions {
    /// What the evidence is.
    pub form: Form,
    /// What the guest says; a small JSON object with a new public key when `None`. Of [`Form::AzureCvm`] the runtime
    /// claims, which are those of [`HclSpec`] when `None`.
    pub runtime_data: Option<Vec<u8>>,
    /// The generation of the chip.
    pub product: Product,
    /// Which key signs.
    pub kind: VekKind,
    /// Whether the guest can be debugged.
    pub debug: bool,
    /// The privilege level that asks for the report.
    pub vmpl: Option<u32>,
    /// Measurement of the guest.
    pub measurement: Option<[u8; 48]>,
    /// What the host said at launch.
    pub host_data: Option<[u8; 32]>,
    /// Security version of the guest.
    pub guest_svn: Option<u32>,
    /// Version of the report; that of the product's current firmware when `None`.
    pub report_version: Option<u32>,
    /// A rule of reports and certificates to break.
    pub defect: Option<Defect>,
    /// A rule to break of what stands around the report; of [`Form::AzureCvm`] only.
    pub hcl_defect: Option<hcl::Defect>,
}

/// Simulated evidence with all that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// The report, or the HCL report around it.
    pub evidence: Vec<u8>,
    /// What the report data is the SHA-256 of.
    pub runtime_data: Vec<u8>,
    /// The certificate of the endorsement key, DER.
    pub vek: Vec<u8>,
    /// PEM: the endorsement key, the ASK or ASVK, the ARK.
    pub chain_pem: String,
    /// The revocation list of the product, DER.
    pub crl: Vec<u8>,
    /// The body of the request for `/attest/SevSnpVm`; of an HCL report with the hardware's report inside.
    pub request: serde_json::Value,
}

/// Makes evidence of a new chip of the vendor in `dir`, and keeps the folder's published revocation lists current.
///
/// # Errors
/// As [`Amd::update`], [`Amd::broken`] and [`hcl::broken`]; [`SiliconError::InvalidSpec`] for runtime claims that are too
/// long, and for a defect that the form does not have.
pub fn simulate(dir: &Path, options: &SimulateOptions, now: i64) -> Result<Simulated, SiliconError> {
    let runtime_data = runtime_data_of(options, now)?;
    let (_, made) = Amd::update(dir, now, |amd| match options.hcl_defect {
        Some(defect) => broken_hcl(amd, defect, options, runtime_data, now),
        None => made(amd, options, runtime_data, now),
    })?;
    let Made { evidence, runtime_data, sample: Sample { report, vek, chain, crl }, chip } = made;
    if let Some(chip) = chip {
        fleet::remember(dir, &chip)?;
    }
    let chain_pem = chain_pem(&vek, &chain);
    let request = request(&report, &chain_pem, &runtime_data);
    Ok(Simulated { evidence, runtime_data, vek, chain_pem, crl, request })
}

/// Evidence, with what it was made of.
struct Made {
    evidence: Vec<u8>,
    runtime_data: Vec<u8>,
    sample: Sample,
    /// None if the hardware's part of the evidence is broken.
    chip: Option<Chip>,
}

fn made(
    amd: &mut Amd,
    options: &SimulateOptions,
    runtime_data: Vec<u8>,
    now: i64,
) -> Result<Made, SiliconError> {
    let (chip, report) = (ChipSpec::new(options.product, options.kind), report_spec(options, &runtime_data));
    let (sample, chip) = match options.defect {
        Some(defect) => (amd.broken(defect, &chip, &report, now)?, None),
        None => {
            let chip = amd.chip(&chip, now)?;
            (sample_of(amd, &chip, chip.report(&report)?, now)?, Some(chip))
        }
    };
    let report = sample.report.clone();
    let evidence = match options.form {
        Form::Report => report,
        Form::AzureCvm => HclReport::around(report, runtime_data.clone(), &HclSpec::default()).to_bytes()?,
    };
    Ok(Made { evidence, runtime_data, sample, chip })
}

/// A genuine report of the hardware, in a report of the paravisor that is broken.
fn broken_hcl(
    amd: &mut Amd,
    defect: hcl::Defect,
    options: &SimulateOptions,
    runtime_data: Vec<u8>,
    now: i64,
) -> Result<Made, SiliconError> {
    if options.form != Form::AzureCvm || options.defect.is_some() {
        return Err(SiliconError::InvalidSpec { field: "defect", value: defect.name().to_owned() });
    }
    let chip = amd.chip(&ChipSpec::new(options.product, options.kind), now)?;
    let report = report_spec(options, &runtime_data);
    let spec = HclSpec { runtime_claims: Some(runtime_data), ..HclSpec::default() };
    let (hcl, evidence) = hcl::broken_parts(defect, &chip, &report, &spec)?;
    let sample = sample_of(amd, &chip, hcl.hardware_report, now)?;
    Ok(Made { evidence, runtime_data: hcl.runtime_claims, sample, chip: Some(chip) })
}

/// A report with what vouches for it.
fn sample_of(amd: &Amd, chip: &Chip, report: Vec<u8>, now: i64) -> Result<Sample, SiliconError> {
    let (vek, chain) = (chip.vek().to_vec(), chip.chain().to_vec());
    Ok(Sample { report, vek, chain, crl: amd.crl(chip.spec().product, now)? })
}

fn runtime_data_of(options: &SimulateOptions, now: i64) -> Result<Vec<u8>, SiliconError> {
    match (&options.runtime_data, options.form) {
        (Some(data), _) => Ok(data.clone()),
        (None, Form::Report) => runtime_data::with_new_key(now),
        (None, Form::AzureCvm) => hcl::runtime_claims(&HclSpec::default()),
    }
}

fn report_spec(options: &SimulateOptions, runtime_data: &[u8]) -> ReportSpec {
    let default = ReportSpec::default();
    ReportSpec {
        version: options.report_version,
        policy: if options.debug { default.policy | POLICY_DEBUG } else { default.policy },
        vmpl: options.vmpl.unwrap_or(default.vmpl),
        measurement: options.measurement.unwrap_or(default.measurement),
        host_data: options.host_data.unwrap_or(default.host_data),
        guest_svn: options.guest_svn.unwrap_or(default.guest_svn),
        report_data: runtime_data::digest_and_zeros(runtime_data),
        ..default
    }
}

fn request(report: &[u8], chain_pem: &str, runtime_data: &[u8]) -> serde_json::Value {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let report = json!({"SnpReport": encode(report), "VcekCertChain": encode(chain_pem.as_bytes())});
    json!({
        "report": encode(report.to_string().as_bytes()),
        "runtimeData": runtime_data::member(runtime_data),
    })
}
