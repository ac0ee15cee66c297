//! `assay simulate`: evidence of simulated silicon, good or broken in a named way.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use assay_silicon::intel::{Ca, Defect, Kind, SimulateOptions, TcbStatus, simulate};

use super::kind::KindParser;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;

/// The folder of a development service unless another is given.
pub(crate) const DEFAULT_DATA: &str = "assay-dev";

const KINDS: KindParser<Kind> = KindParser {
    known: &[("sgx", Kind::Sgx), ("open-enclave", Kind::OpenEnclave)],
    later: &["tdx", "snp", "azure-cvm", "tpm", "vbs"],
};

/// Make evidence with simulated hardware
///
/// Writes evidence.bin, runtime-data.bin, collateral.json and request.json (the body of the attest request) into a
/// folder. The simulated vendor lives in the data folder; `assay serve --dev --data DIR` trusts the one of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: evidence, and what Assay says of it:
  assay simulate sgx --out evidence
  assay verify sgx evidence/evidence.bin --collateral evidence/collateral.json --data assay-dev

Example: every way in which evidence can be broken:
  assay simulate --list-defects")]
pub(crate) struct Arguments {
    /// What to simulate
    #[arg(value_parser = KINDS, required_unless_present = "list_defects")]
    kind: Option<Kind>,
    /// Folder to write into; made if it is not there
    #[arg(long, value_name = "DIR", required_unless_present = "list_defects")]
    out: Option<PathBuf>,
    /// Data folder of the service that shall trust the evidence
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// File with what the enclave says; a small JSON object with a new public key unless given
    #[arg(long, value_name = "FILE")]
    runtime_data: Option<PathBuf>,
    /// TCB status of the platform
    #[arg(long, default_value = "UpToDate", value_parser = status)]
    status: TcbStatus,
    /// Certification authority of the platform: `platform` (servers) or `processor`
    #[arg(long, default_value = "platform", value_parser = authority)]
    ca: Ca,
    /// Make the enclave debuggable
    #[arg(long)]
    debug: bool,
    /// Revoke the platform's certificate
    #[arg(long)]
    revoked: bool,
    /// Break one rule; see --list-defects
    #[arg(long, value_name = "NAME", value_parser = defect)]
    defect: Option<Defect>,
    /// List every way in which evidence can be broken, and stop
    #[arg(long)]
    list_defects: bool,
    /// Measurement of the enclave
    #[arg(long, value_name = "HEX", value_parser = input::measurement)]
    mrenclave: Option<[u8; 32]>,
    /// Hash of the key that signed the enclave
    #[arg(long, value_name = "HEX", value_parser = input::measurement)]
    mrsigner: Option<[u8; 32]>,
    /// Product id of the enclave
    #[arg(long, value_name = "NUMBER")]
    product_id: Option<u16>,
    /// Security version of the enclave
    #[arg(long, value_name = "NUMBER")]
    svn: Option<u16>,
    /// Time of the simulation, RFC 3339 or unix seconds; now unless given
    #[arg(long, value_name = "TIME", value_parser = input::time)]
    at: Option<assay_verify::UnixTime>,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let (Some(kind), Some(out), false) = (arguments.kind, &arguments.out, arguments.list_defects) else {
        list_defects(output);
        return Ok(ExitCode::SUCCESS);
    };
    let now = arguments.at.unwrap_or_else(super::now);
    let simulated = simulate(&silicon_folder(&arguments.data), kind, &arguments.options()?, now.0)?;
    let request = json(&simulated.request)?;
    fs::create_dir_all(out).map_err(|error| Failure::file("create", out, error))?;
    for (name, bytes) in [
        ("evidence.bin", simulated.evidence.as_slice()),
        ("runtime-data.bin", &simulated.runtime_data),
        ("collateral.json", &json(&simulated.collateral)?),
        ("request.json", &request),
    ] {
        write(&out.join(name), bytes)?;
    }
    output.talk(format!(
        "wrote {} evidence to `{}`; its attest route is {}",
        kind.name(),
        out.display(),
        kind.attest_route()
    ));
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn options(&self) -> Result<SimulateOptions, Failure> {
        Ok(SimulateOptions {
            runtime_data: self.runtime_data.as_deref().map(input::read).transpose()?,
            ca: self.ca,
            status: self.status,
            debug: self.debug,
            revoked: self.revoked,
            mr_enclave: self.mrenclave,
            mr_signer: self.mrsigner,
            isv_prod_id: self.product_id,
            isv_svn: self.svn,
            defect: self.defect,
        })
    }
}

/// Where a data folder keeps its simulated silicon.
pub(crate) fn silicon_folder(data: &Path) -> PathBuf {
    data.join("silicon")
}

fn list_defects(output: &mut Output) {
    let width = Defect::ALL.iter().map(|defect| defect.name().len()).max().unwrap_or_default();
    for defect in Defect::ALL {
        output.line(&format!(
            "{:width$}  {}; breaks: {}",
            defect.name(),
            defect.description(),
            defect.rule()
        ));
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, Failure> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| format!("{text}\n").into_bytes()).map_err(|error| Failure::new(error.to_string()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| Failure::file("write", path, error))
}

fn status(name: &str) -> Result<TcbStatus, String> {
    let names = TcbStatus::ALL.map(TcbStatus::name).join(", ");
    name.parse().map_err(|_| format!("expected one of {names}"))
}

fn authority(name: &str) -> Result<Ca, String> {
    Ca::ALL
        .into_iter()
        .find(|ca| ca.name() == name)
        .ok_or_else(|| "expected `platform` or `processor`".to_owned())
}

fn defect(name: &str) -> Result<Defect, String> {
    name.parse().map_err(|_| "`assay simulate --list-defects` shows the names".to_owned())
}
