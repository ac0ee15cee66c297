//! `assay collateral import`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use assay_collateral::bundle::Terms;
use assay_service::bundle::{PinnedSigner, Report, SignedBundleError, import, read_file};
use assay_verify::UnixTime;
use assay_verify::cache::ChainCache;
use http::Method;

use super::{BUNDLE_PATIENCE, Roots, report};
use crate::failure::Failure;
use crate::input;
use crate::output::{Format, Output};
use crate::remote::{AdministrationArguments, Body};
use crate::style::Mark;

/// Take a signed bundle into a folder of collateral or a running service: exit code 0 when it was taken, 1 when it was refused
///
/// Everything in it is verified to the vendors' roots, and nothing goes backwards: neither a document nor the sequence of
/// the signer. The folder changes as a whole (one file, `imported.json`) or not at all, also when the command is killed. A
/// service that has it in `dir` of `[collateral]` sees the change within a second.
///
/// A running service takes bundles of the signer that its own configuration pins, with platforms, and answers when all that
/// it took is durable. An import that was cut off is sent again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: on the isolated machine:
  assay collateral import weekly.bundle --signer bundle-key.jwk --to collateral

Example: into a running service, with its admin-token in a file:
  assay collateral import weekly.bundle --url https://assay.example:8081 --token-file admin.token")]
pub(super) struct Arguments {
    /// The bundle
    file: PathBuf,
    /// Public key of whoever must have signed it, JWK
    #[arg(long, value_name = "FILE", required_unless_present = "url", conflicts_with = "url")]
    signer: Option<PathBuf>,
    /// Folder to take it into; made if it is not there
    #[arg(long, value_name = "DIR", required_unless_present = "url", conflicts_with = "url")]
    to: Option<PathBuf>,
    /// Address of the administrators' listener of a running service to take it into
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    administration: AdministrationArguments,
    #[command(flatten)]
    roots: Roots,
    /// Time to judge at, RFC 3339 or unix seconds; now unless given
    #[arg(long, value_name = "TIME", value_parser = input::time, conflicts_with = "url")]
    at: Option<UnixTime>,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let (signer, to) = match (&arguments.url, &arguments.signer, &arguments.to) {
        (Some(url), ..) => return arguments.send(url, output),
        (None, Some(signer), Some(to)) => (PinnedSigner::read(signer)?, to),
        // The parser wants both where there is no address.
        _ => return Err(Failure::new("where to? give `--to` with `--signer`, or `--url`")),
    };
    let anchors = arguments.roots.anchors()?;
    let now = arguments.at.unwrap_or_else(crate::commands::now);
    let file = read_file(&arguments.file)?;
    let cache = ChainCache::new(ChainCache::DEFAULT_CAPACITY);
    let terms = Terms { anchors: &anchors, cache: &cache, now, source: "bundle" };
    let progress = output.progress("verifying the bundle");
    let imported = import(&file, &signer, to, &terms);
    drop(progress);
    match imported {
        Ok(imported) => {
            warn_others(to, output);
            let done = Report::of(&imported.bundle, signer.name(), &imported.import, now);
            report::write(&done.into_folder(&imported.lost).to_json(), arguments.format, output)
        }
        Err(error) if error.is_refusal() => {
            let refused = Report::refused(&error, now);
            // Which entries were refused, and why, says more than that nothing was taken.
            let details = details(&error, &file, &signer, &terms);
            report::write(&details.unwrap_or(refused).to_json(), arguments.format, output)
        }
        Err(error) => Err(error.into()),
    }
}

impl Arguments {
    /// Sends the file as it is: the service verifies it.
    fn send(&self, url: &str, output: &mut Output) -> Result<ExitCode, Failure> {
        let file = read_file(&self.file)?;
        let remote = self.administration.connect(url, self.roots.data.as_deref(), BUNDLE_PATIENCE)?;
        let progress = output.progress("the service verifies the bundle");
        let answered = remote.judge(Method::PUT, "/v1/collateral/bundle", Body::Text(file.trim()));
        drop(progress);
        report::write(&answered?, self.format, output)
    }
}

/// The file is for the folder's owner alone. Where others may enter, one of them may be the service.
fn warn_others(folder: &Path, output: &Output) {
    let Ok(metadata) = folder.metadata() else { return };
    if metadata.mode() & 0o005 == 0o005 {
        let (mark, owner) = (output.talk_style().mark(Mark::Caution), metadata.uid());
        let folder = folder.display();
        output.talk(format!(
            "{mark} `imported.json` is for the owner of `{folder}` alone (user {owner}); a service of another user cannot read it"
        ));
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
