//! `assay simulate upstream`: the simulated vendors as online services.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use assay_service::clock::Clock;
use assay_service::dev::{DevFolder, FolderError, server_certificate};
use assay_service::serve::stop_signal;
use assay_service::server::{Listener, ServerCertificate};
use assay_service::simulated_vendors::SimulatedVendors;
use assay_silicon::upstream::{Fault, FaultOrder, VendorService};
use serde_json::json;

use super::{DEFAULT_DATA, silicon_folder};
use crate::commands::serve::runtime;
use crate::failure::Failure;
use crate::input;
use crate::output::{Format, Output};

/// Serve what Intel and AMD serve, of simulated hardware: certificates, TCB information, revocation lists, registration
///
/// Answers as Intel's provisioning certification service (version 4), its registration service and AMD's key distribution
/// service do, over HTTPS on this machine, with a certificate of tls/ca.pem in the data folder. It knows the platforms and chips
/// that `assay simulate` makes in the same data folder, also while it runs. `GET /requests` says how often what was asked for.
/// SIGTERM and SIGINT end it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: TCB information of simulated servers:
  assay simulate upstream --data data --listen 127.0.0.1:9443
  curl --cacert data/tls/ca.pem 'https://localhost:9443/sgx/certification/v4/tcb?fmspc=53494D000002'

Example: Intel is overloaded twice, and AMD always answers with lists that have expired:
  assay simulate upstream --fault 'unavailable@/sgx*2' --fault stale@/vcek/v1/Milan/crl")]
pub(super) struct Arguments {
    /// Data folder whose simulated vendors answer
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// Address and port, of this machine alone; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Go wrong, see --list-faults. Of several that fit a request the first counts
    #[arg(long = "fault", value_name = "NAME[=MILLISECONDS][@PATH_PREFIX][*COUNT]")]
    faults: Vec<String>,
    /// List what can go wrong, and stop
    #[arg(long)]
    list_faults: bool,
    /// Demand this subscription key for PCK certificates
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// Answer requests for VCEKs only so often, and refuse others
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    vcek_interval: u32,
    /// Time to start from, RFC 3339 or unix seconds; now unless given
    #[arg(long, value_name = "TIME", value_parser = input::time)]
    at: Option<assay_verify::UnixTime>,
    /// Form of the address on standard output
    #[arg(long)]
    format: Option<Format>,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    if arguments.list_faults {
        list_faults(output);
        return Ok(ExitCode::SUCCESS);
    }
    if !arguments.listen.ip().is_loopback() {
        let message = format!("`{}` is not an address of this machine alone", arguments.listen);
        return Err(Failure::new(message).help("simulated vendors are for tests: give 127.0.0.1 or [::1]"));
    }
    let vendors = arguments.vendors()?;
    let (certificate, key) = server_certificate(&arguments.data)?;
    let certificate =
        ServerCertificate::load(&certificate, &key).map_err(|error| Failure::new(error.to_string()))?;
    let clock = arguments.at.map_or_else(Clock::system, Clock::fixed_offset);
    runtime()?
        .block_on(async {
            let stop = stop_signal()?;
            let listener = Listener::bind(arguments.listen).await?;
            announce(arguments, listener.address(), output);
            Ok(SimulatedVendors::new(vendors, clock).serve(listener, &certificate, stop).await?)
        })
        .map(|()| ExitCode::SUCCESS)
}

impl Arguments {
    fn vendors(&self) -> Result<VendorService, Failure> {
        let order = |text: &String| {
            let order = text.parse::<FaultOrder>();
            order.map_err(|error| Failure::new(error.to_string()).help("`--list-faults` shows the names"))
        };
        let faults = self.faults.iter().map(order).collect::<Result<_, _>>()?;
        let vendors = VendorService::of_folder(&silicon_folder(&self.data))
            .with_faults(faults)
            .with_vcek_interval(self.vcek_interval);
        Ok(match &self.api_key {
            Some(key) => vendors.with_api_key(key),
            None => vendors,
        })
    }
}

/// One line, from which scripts take the address.
fn announce(arguments: &Arguments, address: SocketAddr, output: &mut Output) {
    let url = format!("https://localhost:{}", address.port());
    let authority = DevFolder::new(&arguments.data).ca_certificate();
    match output.format(arguments.format) {
        Format::Text => output.line(&format!("{url} (authority to trust: {})", authority.display())),
        Format::Json => output.line(&json!({"url": url, "authority": authority}).to_string()),
    }
}

fn list_faults(output: &mut Output) {
    let width = Fault::ALL.iter().map(|fault| fault.name().len()).max().unwrap_or_default();
    for fault in Fault::ALL {
        output.line(&format!("{:width$}  {}", fault.name(), fault.description()));
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        Self::new(error.to_string())
    }
}
