//! Simulated AMD: guests under SEV-SNP, and the maker of their images.

use std::path::Path;

use assay_silicon::amd::{
    Amd, ChipSpec, Defect, Form, Product, ReportSpec, SimulateOptions, VekKind, simulate,
};
use assay_silicon::uvm::{EndorsementSpec, UvmSigner};
use assay_token::base64url;
use assay_verify::UnixTime;
use serde_json::{Value, json};

use super::{Arguments, Made, silicon_folder};
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
    /// Privilege level that asks for the report: 0 (the highest) to 3
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=3))]
    vmpl: Option<u32>,
    /// Measurement of the guest at launch
    #[arg(long, value_name = "HEX", value_parser = input::digits::<48>)]
    measurement: Option<[u8; 48]>,
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
    let options = arguments.amd.simulate_options(arguments, form)?;
    if !has_authority(&silicon, &options)? {
        output.talk("making the simulated AMD's keys, once for this folder; some seconds");
    }
    let mut made = simulate(&silicon, &options, now.0)?;
    if options.kind == VekKind::Vlek {
        let provider = ChipSpec::new(options.product, options.kind).csp_id;
        output.talk(format!("a service believes this VLEK if `snp.vlek_providers` lists `{provider}`"));
    }
    let mut files = Vec::new();
    if arguments.amd.endorsed {
        let endorsed = endorse(&mut made.request, options.measurement, &silicon, now)?;
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
    Ok(Made { files, attest_route: ATTEST_ROUTE })
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
    silicon: &Path,
    now: UnixTime,
) -> Result<Endorsed, Failure> {
    let measurement = measurement.unwrap_or_else(|| ReportSpec::default().measurement);
    let signer = UvmSigner::load_or_generate(silicon, now.0)?;
    let message = signer.endorsement(&EndorsementSpec::new(measurement, IMAGE_SVN), now.0)?;
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
        let given = [
            ("--product", self.product.is_some()),
            ("--key", self.key.is_some()),
            ("--vmpl", self.vmpl.is_some()),
            ("--measurement", self.measurement.is_some()),
            ("--host-data", self.host_data.is_some()),
            ("--guest-svn", self.guest_svn.is_some()),
            ("--endorsed", self.endorsed),
        ];
        refuse_foreign(kind, AMD, &given)
    }

    fn simulate_options(&self, arguments: &Arguments, form: Form) -> Result<SimulateOptions, Failure> {
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
            defect: arguments.defect::<Defect>(form.name())?,
        })
    }
}

/// Whether the folder has an authority for the chip: if not, it takes seconds to make one.
fn has_authority(silicon: &Path, options: &SimulateOptions) -> Result<bool, Failure> {
    let authorities = Amd::load(silicon)?.map(|amd| amd.authorities()).unwrap_or_default();
    Ok(authorities.iter().any(|known| known.product == options.product && known.kind == options.kind))
}

/// Whose defects, and each with how it breaks which rule.
pub(super) fn defects() -> (&'static str, Vec<[&'static str; 3]>) {
    let all = Defect::ALL.iter().map(|defect| [defect.name(), defect.description(), defect.rule()]);
    (AMD, all.collect())
}

fn product(name: &str) -> Result<Product, String> {
    name.parse().map_err(|_| format!("expected one of {}", Product::ALL.map(Product::name).join(", ")))
}

fn key(name: &str) -> Result<VekKind, String> {
    name.parse().map_err(|_| "expected `vcek` or `vlek`".to_owned())
}
