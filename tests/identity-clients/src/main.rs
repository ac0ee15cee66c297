//! Public clients of Intel's services, unmodified, against a running Assay that asks simulated vendors.
//!
//! Usage: assay-identity-clients CASE.json, with `SSL_CERT_FILE` naming the authority of the service's certificate: none of the
//! clients needs its verification of TLS turned off. `tests/clients/run.py` starts what is asked, writes the case and runs this.

mod dcap_artifact_retrieval;
mod dcap_qvl;
mod intel_dcap_api;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::Deserialize;
use table::Table;

/// What is asked, and what the simulated vendors made.
#[derive(Deserialize)]
struct Case {
    /// The service, without a slash at the end.
    base: String,
    /// Certificate of the simulated root, DER.
    root: PathBuf,
    /// Quotes of a server and of a desktop.
    quotes: [PathBuf; 2],
    /// What Intel's PCK ID retrieval tool says of a desktop, whose certificates need no manifest.
    desktop: PathBuf,
    /// Likewise of a server, with its manifest.
    server: PathBuf,
}

/// Families of `docs/simulated-vendors.md`.
const SERVERS: &str = "53494D000002";
const DESKTOPS: &str = "53494D000001";
/// The evaluations that the simulated vendors publish: the oldest one, and what `update` selects.
const OLDEST: u16 = 17;
const STANDARD: u16 = 18;
const EARLY: u16 = 19;
/// Published once, and not there any more.
const GONE: u16 = 16;
/// Not there yet.
const LATER: u16 = 99;

fn main() -> ExitCode {
    let mut table = Table::default();
    match run(&mut table) {
        Ok(()) if table.print() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("FAIL: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(table: &mut Table) -> Result<()> {
    let file = std::env::args_os().nth(1).context("usage: assay-identity-clients CASE.json")?;
    let case: Case = serde_json::from_slice(&std::fs::read(file)?)?;
    let root = std::fs::read(&case.root)?;
    // Before any runtime: these clients block, and bring a runtime of their own.
    dcap_artifact_retrieval::run(&case, &root, table)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        intel_dcap_api::run(&case, &root, table).await?;
        dcap_qvl::run(&case, &root, table).await
    })
}

/// A member of the JSON that a client gave as text.
fn member(text: &str, path: &str) -> Result<serde_json::Value> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    value.pointer(path).cloned().with_context(|| format!("no `{path}`"))
}
