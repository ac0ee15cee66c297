//! `assay collateral import`.

use std::path::PathBuf;
use std::process::ExitCode;

use assay_collateral::bundle::Terms;
use assay_service::bundle::{PinnedSigner, SignedBundleError, import, read_file};
use assay_verify::UnixTime;
use assay_verify::cache::ChainCache;

use super::Roots;
use super::report::Report;
use crate::failure::Failure;
use crate::input;
use crate::output::{Format, Output};

/// Take a signed bundle into a folder of collateral: exit code 0 when it was taken, 1 when it was refused
///
/// Everything in it is verified to the vendors' roots, and nothing goes backwards: neither a document nor the sequence of
/// the signer. The folder changes as a whole (one file, `imported.json`) or not at all, also when the command is killed. A
/// service that has it in `dir` of `[collateral]` sees the change within a second.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: on the isolated machine:
  assay collateral import weekly.bundle --signer bundle-key.jwk --to collateral")]
pub(super) struct Arguments {
    /// The bundle
    file: PathBuf,
    /// Public key of whoever must have signed it, JWK
    #[arg(long, value_name = "FILE")]
    signer: PathBuf,
    /// Folder to take it into; made if it is not there
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    roots: Roots,
    /// Time to judge at, RFC 3339 or unix seconds; now unless given
    #[arg(long, value_name = "TIME", value_parser = input::time)]
    at: Option<UnixTime>,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let signer = PinnedSigner::read(&arguments.signer)?;
    let anchors = arguments.roots.anchors()?;
    let now = arguments.at.unwrap_or_else(crate::commands::now);
    let file = read_file(&arguments.file)?;
    let cache = ChainCache::new(ChainCache::DEFAULT_CAPACITY);
    let terms = Terms { anchors: &anchors, cache: &cache, now, source: "bundle" };
    let progress = output.progress("verifying the bundle");
    let imported = import(&file, &signer, &arguments.to, &terms);
    drop(progress);
    match imported {
        Ok(imported) => {
            let report = Report::of(&imported.bundle, signer.name(), &imported.import, now);
            report.into_folder(&imported.lost).write(arguments.format, output)
        }
        Err(error) if error.is_refusal() => {
            let report = Report::refused(&error, now);
            // Which entries were refused, and why, says more than that nothing was taken.
            let details = details(&error, &file, &signer, &terms);
            details.unwrap_or(report).write(arguments.format, output)
        }
        Err(error) => Err(error.into()),
    }
}

/// What is in a bundle whose signature is good and whose content was refused.
fn details(
    error: &SignedBundleError,
    file: &str,
    signer: &PinnedSigner,
    terms: &Terms<'_>,
) -> Option<Report> {
    let SignedBundleError::Content(content) = error else { return None };
    let bundle = assay_service::bundle::open(file, signer, None, terms.now).ok()?;
    let shelf = assay_collateral::shelf::Shelf::default();
    let examination = assay_collateral::bundle::Examination::new(&bundle.entries, &shelf, terms);
    let report = Report::of(&bundle, signer.name(), examination.import(), terms.now);
    Some(report.with_error(Some(content.clone())))
}
