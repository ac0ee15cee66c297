//! `assay collateral export`.

use std::path::PathBuf;
use std::process::ExitCode;

use assay_collateral::CollateralFolder;
use assay_collateral::bundle::{Bundle, Entries, Examination, Gathered, Terms, gather};
use assay_collateral::shelf::Shelf;
use assay_service::bundle::{read_key, sign, thumbprint, write_file};
use assay_token::Signer;
use assay_verify::cache::ChainCache;
use assay_verify::{TrustAnchors, UnixTime};
use http::Method;

use super::report::{refusals, summary};
use super::{BUNDLE_PATIENCE, Roots};
use crate::failure::Failure;
use crate::output::Output;
use crate::remote::{AdministrationArguments, Body};
use crate::style::{Mark, visible};

/// Make a signed bundle of the collateral in folders, or of what a running service holds
///
/// It carries what vendors signed: documents of Intel's, revocation lists, and VEK certificates of AMD's. It never carries
/// roots, policies, providers or keys. What has expired stays behind, and without current revocation lists nothing is
/// exported. A service signs nothing: what it holds is fetched from its administrators' listener, verified here, and signed
/// here.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: everything in the folder of a service:
  assay collateral export --from collateral --key bundle-key.pem --out weekly.bundle

Example: everything that a running service holds, with its admin-token in a file:
  assay collateral export --url https://assay.example:8081 --token-file admin.token --key bundle-key.pem --out weekly.bundle")]
pub(super) struct Arguments {
    /// Folder of collateral; may be repeated
    #[arg(long, value_name = "DIR", required_unless_present = "url")]
    from: Vec<PathBuf>,
    /// Address of the administrators' listener of a running service, in the place of folders
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    url: Option<String>,
    /// With the platforms that registered with the service, and their PCK certificates: these name the platforms
    #[arg(long, requires = "url")]
    platforms: bool,
    #[command(flatten)]
    administration: AdministrationArguments,
    /// Private key that signs it, PKCS #8 as PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Number of the bundle, above that of the last one; `auto` counts the seconds since 1970
    #[arg(long, value_name = "N", default_value = "auto", value_parser = sequence)]
    sequence: Sequence,
    /// Name of this machine or team, for whoever imports the bundle
    #[arg(long, value_name = "NAME", default_value = "assay collateral export")]
    issuer: String,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    roots: Roots,
}

#[derive(Clone, Copy, Debug)]
enum Sequence {
    /// It rises by itself and needs no memory.
    Auto,
    Number(u64),
}

fn sequence(text: &str) -> Result<Sequence, String> {
    match text {
        "auto" => Ok(Sequence::Auto),
        text => text.parse().map(Sequence::Number).map_err(|_| "expected `auto` or a number".to_owned()),
    }
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let key = read_key(&arguments.key)?;
    let anchors = arguments.roots.anchors()?;
    let now = crate::commands::now();
    let cache = ChainCache::new(ChainCache::DEFAULT_CAPACITY);
    let terms = Terms { anchors: &anchors, cache: &cache, now, source: "folder" };
    let entries = match &arguments.url {
        Some(url) => arguments.fetch(url, output)?,
        None => arguments.gather(&anchors, &terms, output),
    };
    let bundle = arguments.bundle(entries, now);
    // Whoever imports it begins with nothing, for all that is known here.
    let examination = Examination::new(&bundle.entries, &Shelf::default(), &terms);
    if arguments.url.is_some() {
        refusals(&examination.import().refused, output);
    }
    let import = examination.accept();
    let import = import.map_err(|error| Failure::refused(error.to_string()).help(error.help()))?;
    let file = sign(&bundle, &key)?;
    write_file(&arguments.out, &file)?;
    output.talk(format!(
        "wrote `{}`: bundle {} signed by {}; {}",
        arguments.out.display(),
        bundle.sequence,
        thumbprint(key.public_key()),
        summary(&import)
    ));
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn gather(&self, anchors: &TrustAnchors, terms: &Terms<'_>, output: &Output) -> Entries {
        let folder = CollateralFolder::open(self.from.clone(), anchors.clone());
        let caution = output.talk_style().mark(Mark::Caution);
        for problem in folder.reload().problems {
            output.talk(format!("{caution} {}", visible(&problem.to_string())));
        }
        let Gathered { entries, refused } = gather(&folder, terms);
        refusals(&refused, output);
        entries
    }

    /// What a service holds. It is believed no more than a folder is.
    fn fetch(&self, url: &str, output: &Output) -> Result<Entries, Failure> {
        let remote = self.administration.connect(url, self.roots.data.as_deref(), BUNDLE_PATIENCE)?;
        let path =
            if self.platforms { "/v1/collateral/bundle?platforms=true" } else { "/v1/collateral/bundle" };
        let _progress = output.progress("the service collects what it holds");
        let content = remote.send(Method::GET, path, Body::None)?.body;
        let bundle = Bundle::read(&content).map_err(|error| {
            Failure::new(format!("the service's answer is not taken: {error}")).help(error.help())
        })?;
        Ok(bundle.entries)
    }

    fn bundle(&self, entries: Entries, now: UnixTime) -> Bundle {
        let sequence = match self.sequence {
            Sequence::Auto => u64::try_from(now.0).unwrap_or_default(),
            Sequence::Number(number) => number,
        };
        Bundle { issuer: self.issuer.clone(), sequence, created: now, entries }
    }
}
