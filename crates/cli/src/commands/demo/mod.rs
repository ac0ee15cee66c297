//! `assay demo`: a service with simulated hardware, from the evidence to the verified token.

mod attest;
mod cases;
mod device;
mod folder;
mod service;
mod table;

use std::path::Path;
use std::process::ExitCode;

use assay_token::Jwks;
use http::Method;

use self::attest::{RelyingParty, Row};
use self::folder::TemporaryFolder;
use self::service::RunningService;
use super::simulate::silicon_folder;
use super::verify::{anchors, snp_trust};
use crate::failure::{Failure, NOT_GOOD};
use crate::output::Output;
use crate::remote::{Body, Remote};
use crate::style::{Mark, Style};

/// Show everything at work: a service, simulated devices, their tokens
///
/// Starts a service in a temporary folder, attests one simulated device of every kind over HTTPS (and some that must be
/// refused), verifies every token offline against the published keys, and stays up until it is interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: show it and stop, with exit code 0 only if all was well:
  assay demo --once")]
pub(crate) struct Arguments {
    /// Stop after the table; exit code 0 only if all was well
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let folder = TemporaryFolder::new()?;
    let service = start(folder.path(), output)?;
    let rows = attest_all(folder.path(), &service, output)?;
    let text = table::render(&rows, output.style);
    output.data(&text);
    let good = rows.iter().all(|row| row.is_expected);
    let summary = summary(good, output.style);
    output.line(&summary);
    if !arguments.once {
        output.data(&hints(&service, folder.path(), output.style));
        service.wait_for_interrupt()?;
    }
    service.stop()?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(NOT_GOOD) })
}

/// Starts the service while the keys of the simulated AMD are made.
fn start(folder: &Path, output: &Output) -> Result<RunningService, Failure> {
    let silicon = silicon_folder(folder);
    std::thread::scope(|scope| {
        let amd = scope.spawn(|| device::make_amd(&silicon, super::now()));
        let service = RunningService::start(folder, output)?;
        let _progress = output.progress("making the keys of the simulated AMD");
        let made = amd.join().map_err(|_| Failure::new("the simulated AMD could not be made"));
        made.flatten().map(|()| service)
    })
}

/// Attests every device. What a relying party needs is fetched once, before it sees a token.
fn attest_all(folder: &Path, service: &RunningService, output: &Output) -> Result<Vec<Row>, Failure> {
    let _progress = output.progress("attesting simulated devices");
    let ca = folder.join("tls").join("ca.pem");
    let client = Remote::new(service.issuer(), &ca, None)?;
    set_policy(folder, service, &ca)?;
    let silicon = silicon_folder(folder);
    let relying_party = RelyingParty {
        issuer: service.issuer().to_owned(),
        keys: published_keys(&client)?,
        anchors: anchors(None, Some(folder))?,
        trust: snp_trust(Some(folder))?,
    };
    cases::CASES.iter().map(|case| relying_party.try_out(case, &silicon, &client)).collect()
}

/// As an administrator, with the token of the folder.
fn set_policy(folder: &Path, service: &RunningService, ca: &Path) -> Result<(), Failure> {
    let token = crate::input::read_text(&folder.join("dev").join("admin.token"))?;
    let administrator = Remote::new(service.issuer(), ca, Some(token.trim().to_owned()))?;
    let document = super::policy::unsigned_document(cases::POLICY);
    let path = format!("/policies/SgxEnclave?{}", attest::API_VERSION);
    administrator.send(Method::PUT, &path, Body::Text(&document))?;
    Ok(())
}

fn published_keys(client: &Remote) -> Result<Jwks, Failure> {
    let keys = client.send(Method::GET, "/certs", Body::None)?;
    Jwks::from_json(&keys.body)
        .map_err(|error| Failure::new(format!("the published keys cannot be read: {error}")))
}

fn summary(good: bool, style: Style) -> String {
    if good {
        format!("\n{} every device got the answer it must get", style.mark(Mark::Good))
    } else {
        format!("\n{} a device got an answer it must not get", style.mark(Mark::Bad))
    }
}

/// Command lines that work while the demonstration runs.
fn hints(service: &RunningService, folder: &Path, style: Style) -> String {
    let (url, folder) = (service.issuer(), folder.display());
    format!(
        "
{title}  {url}  (folder {folder})

The keys, and what the service says of itself:
  curl --cacert {folder}/tls/ca.pem {url}/certs
  curl --cacert {folder}/tls/ca.pem {url}/.well-known/openid-configuration

Another device, and its token:
  assay simulate sgx --data {folder} --out evidence
  curl --cacert {folder}/tls/ca.pem -H 'content-type: application/json' --data @evidence/request.json \\
      '{url}/attest/SgxEnclave?{version}'

A confidential VM, and its token:
  assay simulate snp --data {folder} --out guest
  curl --cacert {folder}/tls/ca.pem -H 'content-type: application/json' --data @guest/request.json \\
      '{url}/attest/SevSnpVm?{version}'

The policy that decided:
  assay policy get SgxEnclave --url {url} --data {folder}

Ctrl-C stops the service and removes the folder.
",
        title = style.bold("running at"),
        version = attest::API_VERSION,
    )
}
