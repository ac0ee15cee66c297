//! Simulated Intel: SGX enclaves.

use assay_silicon::intel::{Ca, Defect, Kind, SimulateOptions, TcbStatus, simulate};

use super::{Arguments, Made, json, row, silicon_folder};
use crate::commands::kind::{INTEL, refuse_foreign};
use crate::failure::Failure;
use crate::input;

/// Options of Intel's kinds.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of sgx and open-enclave")]
pub(super) struct IntelOptions {
    /// TCB status of the platform; UpToDate unless given
    #[arg(long, value_parser = status)]
    status: Option<TcbStatus>,
    /// Certification authority of the platform: `platform` (servers, unless given) or `processor`
    #[arg(long, value_parser = authority)]
    ca: Option<Ca>,
    /// Revoke the platform's certificate
    #[arg(long)]
    revoked: bool,
    /// Measurement of the enclave
    #[arg(long, value_name = "HEX", value_parser = input::digits::<32>)]
    mrenclave: Option<[u8; 32]>,
    /// Hash of the key that signed the enclave
    #[arg(long, value_name = "HEX", value_parser = input::digits::<32>)]
    mrsigner: Option<[u8; 32]>,
    /// Product id of the enclave
    #[arg(long, value_name = "NUMBER")]
    product_id: Option<u16>,
    /// Security version of the enclave
    #[arg(long, value_name = "NUMBER")]
    svn: Option<u16>,
}

pub(super) fn make(arguments: &Arguments, kind: Kind) -> Result<Made, Failure> {
    arguments.amd.refuse(kind.name())?;
    let intel = &arguments.intel;
    let options = SimulateOptions {
        runtime_data: arguments.runtime_data()?,
        ca: intel.ca.unwrap_or_default(),
        status: intel.status.unwrap_or_default(),
        debug: arguments.debug,
        revoked: intel.revoked,
        mr_enclave: intel.mrenclave,
        mr_signer: intel.mrsigner,
        isv_prod_id: intel.product_id,
        isv_svn: intel.svn,
        defect: arguments.defect::<Defect>(kind.name())?,
    };
    let made = simulate(&silicon_folder(&arguments.data), kind, &options, arguments.now().0)?;
    let (request, collateral) = (json(&made.request)?, json(&made.collateral)?);
    let files = vec![
        ("evidence.bin", made.evidence),
        ("runtime-data.bin", made.runtime_data),
        ("collateral.json", collateral),
        ("request.json", request),
    ];
    Ok(Made { files, attest_route: Some(kind.attest_route()) })
}

impl IntelOptions {
    /// Other kinds have none of these.
    pub(super) fn refuse(&self, kind: &str) -> Result<(), Failure> {
        let given = [
            ("--status", self.status.is_some()),
            ("--ca", self.ca.is_some()),
            ("--revoked", self.revoked),
            ("--mrenclave", self.mrenclave.is_some()),
            ("--mrsigner", self.mrsigner.is_some()),
            ("--product-id", self.product_id.is_some()),
            ("--svn", self.svn.is_some()),
        ];
        refuse_foreign(kind, INTEL, &given)
    }
}

/// Whose defects, and each with how it breaks which rule.
pub(super) fn defects() -> (&'static str, Vec<[String; 3]>) {
    (INTEL, Defect::ALL.iter().map(|it| row("", it.name(), it.description(), it.rule())).collect())
}

pub(super) fn status(name: &str) -> Result<TcbStatus, String> {
    let names = TcbStatus::ALL.map(TcbStatus::name).join(", ");
    name.parse().map_err(|_| format!("expected one of {names}"))
}

pub(super) fn authority(name: &str) -> Result<Ca, String> {
    Ca::ALL
        .into_iter()
        .find(|ca| ca.name() == name)
        .ok_or_else(|| "expected `platform` or `processor`".to_owned())
}
