//! `assay simulate`: evidence of simulated silicon, good or broken in a named way; and what a fleet of it needs: identities of
//! platforms, and the vendors as online services.

mod amd;
mod intel;
mod pckid;
mod tdx;
mod upstream;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::kind::KindParser;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;

pub(crate) use amd::{endorse, report_of};

/// The folder of a development service unless another is given.
pub(crate) const DEFAULT_DATA: &str = "assay-dev";

/// What can be simulated, by vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Intel(assay_silicon::intel::Kind),
    Amd(assay_silicon::amd::Form),
}

const KINDS: KindParser<Kind> = KindParser {
    known: &[
        ("sgx", Kind::Intel(assay_silicon::intel::Kind::Sgx)),
        ("open-enclave", Kind::Intel(assay_silicon::intel::Kind::OpenEnclave)),
        ("snp", Kind::Amd(assay_silicon::amd::Form::Report)),
        ("azure-cvm", Kind::Amd(assay_silicon::amd::Form::AzureCvm)),
    ],
    later: &["tdx", "tpm", "vbs"],
};

/// Make evidence with simulated hardware
///
/// Writes evidence.bin, runtime-data.bin and request.json (the body of the attest request) into a folder, and what
/// vouches for the evidence: collateral.json for Intel's kinds; vek.der, chain.pem and crl.der for AMD's. Of a confidential
/// VM with TDX, evidence and runtime data only. The simulated vendors live in the data folder; `assay serve --dev --data DIR` trusts those of its own.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    override_usage = "assay simulate --out <DIR> <KIND> [OPTIONS]\n       assay simulate <COMMAND> [OPTIONS]"
)]
#[command(after_help = "Example: an enclave's evidence, and what Assay says of it:
  assay simulate sgx --out evidence
  assay verify sgx evidence/evidence.bin --collateral evidence/collateral.json --data assay-dev

Example: a confidential VM's evidence, on a Turin:
  assay simulate snp --product turin --out evidence
  assay verify snp evidence/evidence.bin --vek evidence/chain.pem --data assay-dev

Example: a confidential container, whose image is endorsed:
  assay simulate snp --endorsed --out evidence
  assay verify snp evidence/evidence.json --data assay-dev

Example: every way in which evidence can be broken:
  assay simulate snp --list-defects")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    surroundings: Option<Surroundings>,
    /// What to simulate
    #[arg(value_parser = KINDS, required_unless_present = "list_defects")]
    kind: Option<Kind>,
    /// Folder to write into; made if it is not there
    #[arg(long, value_name = "DIR", required_unless_present = "list_defects")]
    out: Option<PathBuf>,
    /// Data folder of the service that shall trust the evidence
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// File with what the attester says; a small JSON object with a new public key unless given. For `azure-cvm` the
    /// paravisor's claims
    #[arg(long, value_name = "FILE")]
    runtime_data: Option<PathBuf>,
    /// Make the enclave or the guest debuggable
    #[arg(long)]
    debug: bool,
    /// Break one rule; see --list-defects. `uvm-...` adds an endorsement of the image, and breaks that
    #[arg(long, value_name = "NAME")]
    defect: Option<String>,
    /// List every way in which evidence can be broken, and stop
    #[arg(long)]
    list_defects: bool,
    /// Time of the simulation, RFC 3339 or unix seconds; now unless given
    #[arg(long, value_name = "TIME", value_parser = input::time)]
    at: Option<assay_verify::UnixTime>,
    #[command(flatten)]
    intel: intel::IntelOptions,
    #[command(flatten)]
    amd: amd::AmdOptions,
}

/// What is simulated besides evidence.
#[derive(Debug, clap::Subcommand)]
enum Surroundings {
    Pckid(pckid::Arguments),
    Upstream(upstream::Arguments),
}

/// What was made: files by name, and where the request goes.
struct Made {
    files: Vec<(&'static str, Vec<u8>)>,
    /// None if nobody would believe the evidence alone.
    attest_route: Option<&'static str>,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    match &arguments.surroundings {
        Some(Surroundings::Pckid(arguments)) => return pckid::run(arguments, output),
        Some(Surroundings::Upstream(arguments)) => return upstream::run(arguments, output),
        None => (),
    }
    let (Some(kind), Some(out), false) = (arguments.kind, &arguments.out, arguments.list_defects) else {
        list_defects(arguments.kind, output);
        return Ok(ExitCode::SUCCESS);
    };
    let made = match kind {
        Kind::Intel(kind) => intel::make(arguments, kind)?,
        Kind::Amd(form) if arguments.amd.is_tdx(form)? => tdx::make(arguments)?,
        Kind::Amd(form) => amd::make(arguments, form, output)?,
    };
    write_files(out, &made.files)?;
    let route = made.attest_route.map_or_else(
        || "no attest route takes it, as it cannot be verified outside of its machine".to_owned(),
        |route| format!("its attest route is {route}"),
    );
    output.talk(format!("wrote {} evidence to `{}`; {route}", kind.name(), out.display()));
    Ok(ExitCode::SUCCESS)
}

/// Writes files by name into a folder, which is made if it is not there.
fn write_files(out: &Path, files: &[(&str, Vec<u8>)]) -> Result<(), Failure> {
    fs::create_dir_all(out).map_err(|error| Failure::file("create", out, error))?;
    for (name, bytes) in files {
        let path = out.join(name);
        fs::write(&path, bytes).map_err(|error| Failure::file("write", &path, error))?;
    }
    Ok(())
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Intel(kind) => kind.name(),
            Self::Amd(form) => form.name(),
        }
    }
}

impl Arguments {
    fn now(&self) -> assay_verify::UnixTime {
        self.at.unwrap_or_else(super::now)
    }

    fn runtime_data(&self) -> Result<Option<Vec<u8>>, Failure> {
        self.runtime_data.as_deref().map(input::read).transpose()
    }

    /// The defect that was asked for, if there is one of that name.
    fn defect<T: std::str::FromStr>(&self, kind: &str) -> Result<Option<T>, Failure> {
        let Some(name) = &self.defect else { return Ok(None) };
        name.parse().map(Some).map_err(|_| {
            Failure::new(format!("`{name}` is not a defect of `{kind}` evidence"))
                .help(format!("`assay simulate {kind} --list-defects` shows the names"))
        })
    }
}

/// Where a data folder keeps its simulated silicon.
pub(crate) fn silicon_folder(data: &Path) -> PathBuf {
    data.join("silicon")
}

/// Of one kind, or of all.
fn list_defects(kind: Option<Kind>, output: &mut Output) {
    let lists = match kind {
        Some(Kind::Intel(_)) => vec![intel::defects()],
        Some(Kind::Amd(form)) => vec![amd::defects(Some(form))],
        None => vec![intel::defects(), amd::defects(None)],
    };
    let (several, style) = (lists.len() > 1, output.style);
    for (number, (owners, defects)) in lists.into_iter().enumerate() {
        if several {
            let space = if number == 0 { "" } else { "\n" };
            output.line(&format!("{space}{}", style.bold(&format!("Defects of {owners}:"))));
        }
        let width = defects.iter().map(|[name, ..]| name.len()).max().unwrap_or_default();
        for [name, how, rule] in defects {
            output.line(&format!("{name:width$}  {how}; breaks: {rule}"));
        }
    }
}

/// A defect in a list: its name after a prefix, how the sample is broken, and which rule that breaks.
fn row(prefix: &str, name: &str, how: &str, rule: &str) -> [String; 3] {
    [format!("{prefix}{name}"), how.to_owned(), rule.to_owned()]
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, Failure> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| format!("{text}\n").into_bytes()).map_err(|error| Failure::new(error.to_string()))
}
