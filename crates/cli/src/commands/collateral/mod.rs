//! `assay collateral`: what vendors vouch for, those who ask for it, and machines without a network.

mod answer;
mod bundle;
mod explain;
mod export;
mod import;
mod pins;
mod preview;
mod qcnl;
mod refresh;
mod report;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use assay_collateral::bundle::MAX_CONTENT;
use assay_service::bundle::SignedBundleError;
use assay_verify::TrustAnchors;
use clap::Subcommand;

use crate::commands::verify::anchors;
use crate::failure::{Failure, NOT_DONE, NOT_GOOD};
use crate::output::Output;
use crate::remote::Patience;

/// Work with vendors' collateral and its clients
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what a running service holds, and why a client gets nothing:
  assay collateral status --url https://localhost:8443 --data assay-dev
  assay collateral explain --fmspc 00606A000000 --url https://localhost:8443 --data assay-dev
Example: point the quote provider library of a node at a service:
  assay collateral qcnl-config --url https://assay.example > /etc/sgx_default_qcnl.conf
Example: from a connected machine to an isolated one:
  assay collateral bundle keygen --out bundle-key.pem         # once; gives bundle-key.jwk, too
  assay collateral export --from collateral --key bundle-key.pem --out weekly.bundle
  assay collateral import weekly.bundle --signer bundle-key.jwk --to collateral")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Status(status::Arguments),
    Explain(explain::Arguments),
    Refresh(refresh::Arguments),
    Preview(preview::Arguments),
    Pins(pins::Arguments),
    QcnlConfig(qcnl::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Bundle(bundle::Arguments),
}

/// The largest bundle, and time for a service to verify it.
const BUNDLE_PATIENCE: Patience = Patience { most: MAX_CONTENT, timeout: Duration::from_secs(10 * 60) };

/// Whom to believe besides the vendors.
#[derive(Debug, clap::Args)]
struct Roots {
    /// Another root to believe, as `assay verify` takes it
    #[arg(long, value_name = "FILE")]
    trust_root: Option<PathBuf>,
    /// Believe the simulated hardware of this data folder, too
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Roots {
    fn anchors(&self) -> Result<TrustAnchors, Failure> {
        anchors(self.trust_root.as_deref(), self.data.as_deref())
    }
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    match &arguments.action {
        Action::Status(arguments) => status::run(arguments, output),
        Action::Explain(arguments) => explain::run(arguments, output),
        Action::Refresh(arguments) => refresh::run(arguments, output),
        Action::Preview(arguments) => preview::run(arguments, output),
        Action::Pins(arguments) => pins::run(arguments, output),
        Action::QcnlConfig(arguments) => qcnl::run(arguments, output),
        Action::Export(arguments) => export::run(arguments, output),
        Action::Import(arguments) => import::run(arguments, output),
        Action::Bundle(arguments) => bundle::run(arguments, output),
    }
}

impl From<SignedBundleError> for Failure {
    fn from(error: SignedBundleError) -> Self {
        let exit = if error.is_refusal() { NOT_GOOD } else { NOT_DONE };
        let message = format!("{error} ({})", error.code());
        Self { exit, ..Self::new(message).help(error.help()) }
    }
}
