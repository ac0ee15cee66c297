//! `assay collateral bundle`: keys for bundles, and what is in one.

use std::path::PathBuf;
use std::process::ExitCode;

use assay_collateral::bundle::{Examination, Terms};
use assay_collateral::shelf::Shelf;
use assay_service::bundle::{
    PinnedSigner, Report, open, public_jwk, read_file, thumbprint, write_file, write_key,
};
use assay_verify::UnixTime;
use assay_verify::cache::ChainCache;
use clap::Subcommand;

use super::Roots;
use super::report;
use crate::failure::{Failure, NOT_GOOD};
use crate::input;
use crate::output::{Format, Output};

/// Make keys for bundles, and look into bundles
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: a key for bundles, and a look into one:
  assay collateral bundle keygen --out bundle-key.pem
  assay collateral bundle verify weekly.bundle --signer bundle-key.jwk")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Verify(VerifyArguments),
    Keygen(KeygenArguments),
}

/// Say what is in a bundle, until when it lasts and what would be refused: exit code 0 when it can be imported, 1 when not
///
/// Nothing is changed, and no network is used.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: before the bundle is carried away:
  assay collateral bundle verify weekly.bundle --signer bundle-key.jwk --format text

Example: will it still do in three weeks?
  assay collateral bundle verify weekly.bundle --signer bundle-key.jwk --at 2026-12-12T00:00:00Z")]
struct VerifyArguments {
    /// The bundle
    file: PathBuf,
    /// Public key of whoever must have signed it, JWK
    #[arg(long, value_name = "FILE")]
    signer: PathBuf,
    #[command(flatten)]
    roots: Roots,
    /// Time to judge at, RFC 3339 or unix seconds; now unless given
    #[arg(long, value_name = "TIME", value_parser = input::time)]
    at: Option<UnixTime>,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

/// Make a key that signs bundles
///
/// The private half, PKCS #8 as PEM, is readable by you alone and stays on the connected machine. The public half stands
/// beside it with the ending `.jwk`: importers pin it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: once, on the connected machine:
  assay collateral bundle keygen --out bundle-key.pem

Keys of P-256 or P-384 that were made elsewhere do as well:
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out bundle-key.pem")]
struct KeygenArguments {
    /// File to make; one that is there is not written over
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    match &arguments.action {
        Action::Verify(arguments) => arguments.run(output),
        Action::Keygen(arguments) => arguments.run(output),
    }
}

impl VerifyArguments {
    fn run(&self, output: &mut Output) -> Result<ExitCode, Failure> {
        let signer = PinnedSigner::read(&self.signer)?;
        let anchors = self.roots.anchors()?;
        let now = self.at.unwrap_or_else(crate::commands::now);
        let file = read_file(&self.file)?;
        let bundle = match open(&file, &signer, None, now) {
            Ok(bundle) => bundle,
            Err(error) => {
                return report::write(&Report::refused(&error, now).to_json(), self.format, output);
            }
        };
        let cache = ChainCache::new(ChainCache::DEFAULT_CAPACITY);
        let terms = Terms { anchors: &anchors, cache: &cache, now, source: "bundle" };
        let examination = Examination::new(&bundle.entries, &Shelf::default(), &terms);
        let import = examination.import().clone();
        let error = examination.accept().err();
        let judged = Report::of(&bundle, signer.name(), &import, now).with_error(error);
        report::write(&judged.to_json(), self.format, output)
    }
}

impl KeygenArguments {
    fn run(&self, output: &mut Output) -> Result<ExitCode, Failure> {
        let public = self.out.with_extension("jwk");
        if public.exists() {
            let failure = Failure::new(format!("`{}` is there already", public.display()));
            return Err(failure.help("it may be pinned somewhere; choose another name"));
        }
        if public == self.out {
            return Err(Failure::new("the ending `.jwk` is for the public half").help("use `.pem`"));
        }
        let key = write_key(&self.out)?;
        write_file(&public, &public_jwk(&key))?;
        output.talk(format!("wrote `{}`: keep it on this machine", self.out.display()));
        output.talk(format!("wrote `{}`: pin it where bundles are imported", public.display()));
        output.line(&thumbprint(&key));
        Ok(ExitCode::SUCCESS)
    }
}

/// The exit code of a judgement.
pub(super) fn exit(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::from(NOT_GOOD) }
}
