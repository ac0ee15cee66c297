//! `assay simulate pckid`: how a simulated platform names itself to Intel.

use std::path::PathBuf;
use std::process::ExitCode;

use assay_silicon::intel::{Ca, Intel, PlatformSpec, Registration, TcbStatus};

use super::{DEFAULT_DATA, intel, silicon_folder, write_files};
use crate::failure::Failure;
use crate::input;
use crate::output::Output;

/// Make a platform, and write what Intel's PCK ID retrieval tool would read from it
///
/// Writes pckid.csv, one line with encrypted PPID, PCE id, CPUSVN, PCE ISVSVN, QE id and, where Intel needs it, the platform
/// manifest, in hexadecimal; and that manifest as manifest.bin. `assay simulate upstream` on the same data folder knows the
/// platform.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: a server whose manifest nobody has seen yet:
  assay simulate pckid --out platform

Example: a desktop, which needs no manifest:
  assay simulate pckid --ca processor --out platform")]
pub(super) struct Arguments {
    /// Folder to write into; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Data folder whose simulated Intel makes the platform
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// Certification authority of the platform: `platform` (servers) or `processor`
    #[arg(long, value_parser = intel::authority, default_value = Ca::Platform.name())]
    ca: Ca,
    /// TCB status of the platform in Intel's standard evaluation
    #[arg(long, value_parser = intel::status, default_value = TcbStatus::UpToDate.name())]
    status: TcbStatus,
    /// Intel has the platform's manifest already, and keeps its keys
    #[arg(long)]
    registered: bool,
    /// Time of the simulation, RFC 3339 or unix seconds; now unless given
    #[arg(long, value_name = "TIME", value_parser = input::time)]
    at: Option<assay_verify::UnixTime>,
}

pub(super) fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let spec = PlatformSpec::new(arguments.ca, arguments.status);
    let registration = match (Registration::of_new(arguments.ca), arguments.registered) {
        (Registration::Missing, true) => Registration::Direct,
        (of_new, _) => of_new,
    };
    let now = arguments.at.unwrap_or_else(crate::commands::now);
    let platform = Intel::enroll(&silicon_folder(&arguments.data), &spec, registration, now.0)?;
    let id = platform.pck_id(registration == Registration::Missing);
    let mut files = vec![("pckid.csv", id.csv_line().into_bytes())];
    files.extend(id.manifest.map(|manifest| ("manifest.bin", manifest)));
    write_files(&arguments.out, &files)?;
    output.talk(format!("wrote the identity of a platform to `{}`", arguments.out.display()));
    Ok(ExitCode::SUCCESS)
}
