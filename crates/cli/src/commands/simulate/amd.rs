//! Simulated AMD: guests under SEV-SNP, and the maker of their images.

use std::path::Path;
use std::str::FromStr;

use assay_silicon::amd::{
    self, Amd, ChipSpec, Form, Product, ReportSpec, SimulateOptions, VekKind, simulate,
};
use assay_silicon::hcl;
use assay_silicon::uvm::{self, EndorsementSpec, UvmSigner};
use assay_token::base64url;
use assay_verify::UnixTime;
use serde_json::{Value, json};

use super::{Arguments, Made, row, silicon_folder};
use crate::commands::kind::{AMD, refuse_foreign};
use crate::failure::Failure;
use crate::input;
use crate::output::Output;

const ATTEST_ROUTE: &str = "/attest/SevSnpVm";
/// Of a simulated image: what Azure's container instances demand.
const IMAGE_SVN: u64 = 100;

/// Options of AMD's kinds.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of snp and azure-cvm")]
pub(super) struct AmdOptions {
    /// Generation of the processor: `milan` (unless given), `genoa` or `turin`
    #[arg(long, value_parser = product)]
    product: Option<Product>,
    /// Who signs the report: `vcek` (the chip, unless given) or `vlek` (a cloud provider's key)
    #[arg(long, value_parser = key)]
    key: Option<VekKind>,
    /// Hardware of the confidential VM, of `azure-cvm` only: `snp` (unless given) or `tdx`, whose report nobody outside of
    /// its machine can verify
    #[arg(long, value_parser = hardware)]
    hardware: Option<Hardware>,
    /// Version of the report: 2 to 5; that of the processor's current firmware unless given
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(2..=5))]
    report_version: Option<u32>,
    /// Privilege level that asks for the report: 0 (the highest) to 3
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=3))]
    vmpl: Option<u32>,
    /// Measurement of the guest at launch
    #[arg(long, value_name = "HEX", value_parser = input::digits::<48>)]
    pub(super) measurement: Option<[u8; 48]>,
    /// What the host says of the guest at launch: of containers, the hash of their policy
    #[arg(long, value_name = "HEX", value_parser = input::digits::<32>)]
    host_data: Option<[u8; 32]>,
    /// Security version of the guest
    #[arg(long, value_name = "NUMBER")]
    guest_svn: Option<u32>,
    /// Add an endorsement of the image, as confidential containers have: uvm-endorsement.cose, and evidence.json with
    /// report, certificates and endorsement
    #[arg(long)]
    endorsed: bool,
}

pub(super) fn make(arguments: &Arguments, form: Form, output: &Output) -> Result<Made, Failure> {
    arguments.intel.refuse(form.name())?;
    let (silicon, now) = (silicon_folder(&arguments.data), arguments.now());
    let defect = arguments.defect::<Defect>(form.name())?.map(|defect| defect.of(form)).transpose()?;
    let options = arguments.amd.simulate_options(arguments, form, defect)?;
    if !has_authority(&silicon, &options)? {
        output.talk("making the simulated AMD's keys, once for this folder; some seconds");
    }
    let mut made = simulate(&silicon, &options, now.0)?;
    if options.kind == VekKind::Vlek {
        let provider = ChipSpec::new(options.product, options.kind).csp_id;
        output.talk(format!("a service believes this VLEK if `snp.vlek_providers` lists `{provider}`"));
    }
    let mut files = Vec::new();
    let image_defect = match defect {
        Some(Defect::Image(defect)) => Some(defect),
        _ => None,
    };
    if arguments.amd.endorsed || image_defect.is_some() {
        let measurement = options.measurement;
        let endorsed = endorse(&mut made.request, measurement, image_defect, &silicon, now)?;
        files.push(("uvm-endorsement.cose", endorsed.message));
        files.push(("evidence.json", super::json(&endorsed.report)?));
    }
    files.extend([
        ("evidence.bin", made.evidence),
        ("runtime-data.bin", made.runtime_data),
        ("vek.der", made.vek),
        ("chain.pem", made.chain_pem.into_bytes()),
        ("crl.der", made.crl),
        ("request.json", super::json(&made.request)?),
    ]);
    Ok(Made { files, attest_route: Some(ATTEST_ROUTE) })
}

/// An image's endorsement, and the report with everything that came along, as Azure's clients send it.
pub(crate) struct Endorsed {
    pub(crate) message: Vec<u8>,
    pub(crate) report: Value,
}

/// Adds an endorsement of the image to the body of a request.
pub(crate) fn endorse(
    request: &mut Value,
    measurement: Option<[u8; 48]>,
    defect: Option<uvm::Defect>,
    silicon: &Path,
    now: UnixTime,
) -> Result<Endorsed, Failure> {
    let measurement = measurement.unwrap_or_else(|| ReportSpec::default().measurement);
    let signer = UvmSigner::load_or_generate(silicon, now.0)?;
    let spec = EndorsementSpec::new(measurement, IMAGE_SVN);
    let message = match defect {
        Some(defect) => signer.broken(defect, &spec, now.0)?,
        None => signer.endorsement(&spec, now.0)?,
    };
    let mut report = report_of(request)?;
    let images = json!({ "Uvm": [base64url::encode(&message)] });
    put(&mut report, "Endorsements", images.to_string().as_bytes());
    put(request, "report", report.to_string().as_bytes());
    Ok(Endorsed { message, report })
}

/// The JSON inside of a request's member `report`.
pub(crate) fn report_of(request: &Value) -> Result<Value, Failure> {
    let text = request.get("report").and_then(Value::as_str).unwrap_or_default();
    let bytes = base64url::decode_lenient(text).unwrap_or_default();
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(format!("the simulated report is not JSON: {error}")))
}

fn put(object: &mut Value, name: &str, bytes: &[u8]) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), base64url::encode(bytes).into());
    }
}

impl AmdOptions {
    /// Other kinds have none of these.
    pub(super) fn refuse(&self, kind: &str) -> Result<(), Failure> {
        let given = [("--hardware", self.hardware.is_some()), ("--measurement", self.measurement.is_some())];
        refuse_foreign(kind, AMD, &given)?;
        refuse_foreign(kind, AMD, &self.given_of_snp())
    }

    /// What only SEV-SNP has.
    fn given_of_snp(&self) -> [(&'static str, bool); 7] {
        [
            ("--product", self.product.is_some()),
            ("--key", self.key.is_some()),
            ("--report-version", self.report_version.is_some()),
            ("--vmpl", self.vmpl.is_some()),
            ("--host-data", self.host_data.is_some()),
            ("--guest-svn", self.guest_svn.is_some()),
            ("--endorsed", self.endorsed),
        ]
    }

    pub(super) fn refuse_for_tdx(&self, has_defect: bool) -> Result<(), Failure> {
        let (kind, owners) = ("azure-cvm --hardware tdx", "evidence of SEV-SNP");
        refuse_foreign(kind, owners, &self.given_of_snp())?;
        refuse_foreign(kind, owners, &[("--defect", has_defect)])
    }

    /// Whether a TDREPORT is asked for. A form without a paravisor has no choice of hardware.
    pub(super) fn is_tdx(&self, form: Form) -> Result<bool, Failure> {
        if form == Form::Report {
            refuse_foreign(form.name(), "`azure-cvm`", &[("--hardware", self.hardware.is_some())])?;
        }
        Ok(self.hardware == Some(Hardware::Tdx))
    }

    fn simulate_options(
        &self,
        arguments: &Arguments,
        form: Form,
        defect: Option<Defect>,
    ) -> Result<SimulateOptions, Failure> {
        let (report_defect, hcl_defect) = match defect {
            Some(Defect::Report(defect)) => (Some(defect), None),
            Some(Defect::Hcl(defect)) => (None, Some(defect)),
            Some(Defect::Image(_)) | None => (None, None),
        };
        Ok(SimulateOptions {
            form,
            runtime_data: arguments.runtime_data()?,
            product: self.product.unwrap_or_default(),
            kind: self.key.unwrap_or_default(),
            debug: arguments.debug,
            vmpl: self.vmpl,
            measurement: self.measurement,
            host_data: self.host_data,
            guest_svn: self.guest_svn,
            report_version: self.report_version,
            defect: report_defect,
            hcl_defect,
        })
    }
}

/// Whether the folder has an authority for the chip: if not, it takes seconds to make one.
fn has_authority(silicon: &Path, options: &SimulateOptions) -> Result<bool, Failure> {
    let authorities = Amd::load(silicon)?.map(|amd| amd.authorities()).unwrap_or_default();
    Ok(authorities.iter().any(|known| known.product == options.product && known.kind == options.kind))
}

/// What can be broken: the report with its certificates, what the paravisor puts around it, or what endorses the image.
#[derive(Clone, Copy)]
enum Defect {
    Report(amd::Defect),
    Hcl(hcl::Defect),
    Image(uvm::Defect),
}

const OF_HCL: &str = "hcl-";
const OF_IMAGES: &str = "uvm-";

impl FromStr for Defect {
    type Err = assay_silicon::SiliconError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if let Some(name) = name.strip_prefix(OF_HCL) {
            return name.parse().map(Self::Hcl);
        }
        if let Some(name) = name.strip_prefix(OF_IMAGES) {
            return name.parse().map(Self::Image);
        }
        name.parse().map(Self::Report)
    }
}

impl Defect {
    /// Only what a form has can be broken in it.
    fn of(self, form: Form) -> Result<Self, Failure> {
        match (self, form) {
            (Self::Hcl(_), Form::Report) | (Self::Image(_), Form::AzureCvm) => {
                let kind = if form == Form::Report { Form::AzureCvm } else { Form::Report };
                Err(Failure::new(format!("`{}` evidence does not have what this defect breaks", form.name()))
                    .help(format!("`assay simulate {}` makes evidence with it", kind.name())))
            }
            _ => Ok(self),
        }
    }
}

/// Whose defects, and each with how it breaks which rule: of one form, or of both.
pub(super) fn defects(form: Option<Form>) -> (&'static str, Vec<[String; 3]>) {
    let mut all: Vec<_> =
        amd::Defect::ALL.iter().map(|it| row("", it.name(), it.description(), it.rule())).collect();
    if form != Some(Form::Report) {
        all.extend(hcl::Defect::ALL.iter().map(|it| row(OF_HCL, it.name(), it.description(), it.rule())));
    }
    if form != Some(Form::AzureCvm) {
        all.extend(uvm::Defect::ALL.iter().copied().map(image_row));
    }
    (AMD, all)
}

/// Without its time-stamp an endorsement still holds, as whoever passes it on could have taken that away.
fn image_row(defect: uvm::Defect) -> [String; 3] {
    let rule = match defect.is_of_time_stamp() {
        true => format!("{} (the endorsement holds; the date does not)", defect.rule()),
        false => defect.rule().to_owned(),
    };
    row(OF_IMAGES, defect.name(), defect.description(), &rule)
}

/// What a confidential VM runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hardware {
    Snp,
    Tdx,
}

fn hardware(name: &str) -> Result<Hardware, String> {
    match name {
        "snp" => Ok(Hardware::Snp),
        "tdx" => Ok(Hardware::Tdx),
        _ => Err("expected `snp` or `tdx`".to_owned()),
    }
}

fn product(name: &str) -> Result<Product, String> {
    name.parse().map_err(|_| format!("expected one of {}", Product::ALL.map(Product::name).join(", ")))
}

fn key(name: &str) -> Result<VekKind, String> {
    name.parse().map_err(|_| "expected `vcek` or `vlek`".to_owned())
}
