//! `make bench`: every benchmark beside its peers and its floor.
//!
//! Contenders of a case run in turns, round by round, so that a busy neighbour hits all of them, and of many rounds the
//! quickest counts. No number is printed for work whose result was wrong: every call says whether it came out as it had
//! to, and a single one that did not ends the run. How to read the numbers: `docs/performance.md`.

#![expect(
    clippy::float_arithmetic,
    reason = "measured times are divided; nothing is decided by their last digit"
)]

mod appraise;
mod bare;
mod client;
mod collateral;
mod floor;
mod load;
mod measure;
mod platforms;
mod policy;
mod report;
mod samples;
mod server;
mod service;
mod snp;
mod snp_samples;
mod token;
mod verify;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::measure::Plan;
use crate::report::{Row, Table};

/// The allocator of the shipped program, for both sides of every comparison.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever ends a run.
pub(crate) type Failure = Box<dyn std::error::Error>;

/// Measure Assay beside its peers and the floor that the hardware sets
#[derive(Debug, Parser)]
struct Arguments {
    /// A smoke test: few rounds, and no service unless --assay names its program
    #[arg(long)]
    quick: bool,
    /// Measure only the cases whose name begins so; may be repeated
    #[arg(long, value_name = "PREFIX")]
    only: Vec<String>,
    /// The program to measure as a service; built with `cargo build --release` unless given
    #[arg(long, value_name = "FILE")]
    assay: Option<PathBuf>,
    /// Rounds of each contender
    #[arg(long, value_name = "NUMBER")]
    rounds: Option<u32>,
    /// Where the numbers go
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    out: PathBuf,
    /// Serve as the floor of `collateral-get`; what started this process ends it
    #[arg(long, value_name = "ADDR:PORT", requires = "bare_folder", hide = true)]
    bare_listen: Option<SocketAddr>,
    /// The folder of the service whose answer is repeated
    #[arg(long, value_name = "DIR", requires = "bare_listen", hide = true)]
    bare_folder: Option<PathBuf>,
}

impl Arguments {
    fn wants(&self, case: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|prefix| case.starts_with(prefix.as_str()))
    }

    /// Whether any of these cases is wanted, so that what they need must be made.
    fn wants_any(&self, cases: &[&str]) -> bool {
        cases.iter().any(|case| self.wants(case))
    }

    fn plan(&self) -> Plan {
        let plan = if self.quick { Plan::QUICK } else { Plan::DEFAULT };
        Plan { rounds: self.rounds.unwrap_or(plan.rounds).max(1), ..plan }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed terminal is no reason to fail differently.
            let _ = writeln!(std::io::stderr().lock(), "bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures group by group. A group that fails does not hide the numbers of the others, but the run fails.
fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let (Some(address), Some(folder)) = (arguments.bare_listen, &arguments.bare_folder) {
        return bare::serve(address, folder);
    }
    let mut table = Table::default();
    let mut failures = Vec::new();
    for group in GROUPS {
        if !arguments.wants_any(group.cases) {
            continue;
        }
        note(&format!("measuring {} ...", group.title))?;
        match (group.run)(arguments, &table) {
            Ok(rows) => table.rows.extend(rows.into_iter().filter(|row| arguments.wants(row.case))),
            Err(error) => failures.push(format!("{}: {error}", group.title)),
        }
    }
    table.print(&mut std::io::stdout().lock())?;
    table.write_json(&arguments.out)?;
    note(&format!("wrote {}", arguments.out.display()))?;
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\nbench: ").into()) }
}

/// Cases that share what they are measured with.
struct Group {
    title: &'static str,
    cases: &'static [&'static str],
    run: fn(&Arguments, &Table) -> Result<Vec<Row>, Failure>,
}

const GROUPS: [Group; 8] = [
    Group {
        title: "quote verification",
        cases: &verify::CASES,
        run: |arguments, _| verify::rows(arguments.plan()),
    },
    Group {
        title: "SEV-SNP report verification",
        cases: &snp::CASES,
        run: |arguments, _| snp::rows(arguments.plan()),
    },
    Group { title: "policies", cases: &policy::CASES, run: |arguments, _| policy::rows(arguments.plan()) },
    Group {
        title: "appraisal",
        cases: &appraise::CASES,
        run: |arguments, _| appraise::rows(arguments.plan(), |case| arguments.wants(case)),
    },
    Group { title: "tokens", cases: &token::CASES, run: |arguments, _| token::rows(arguments.plan()) },
    Group { title: "the service", cases: &service::CASES, run: service_rows },
    Group { title: "the hardware identity service", cases: &collateral::CASES, run: collateral_rows },
    Group { title: "a hundred thousand platforms", cases: &platforms::CASES, run: platform_rows },
];

fn service_rows(arguments: &Arguments, table: &Table) -> Result<Vec<Row>, Failure> {
    let Some(program) = program(arguments)? else { return Ok(Vec::new()) };
    service::rows(arguments.plan(), &program, table, |case| arguments.wants(case))
}

fn collateral_rows(arguments: &Arguments, _: &Table) -> Result<Vec<Row>, Failure> {
    let Some(program) = program(arguments)? else { return Ok(Vec::new()) };
    collateral::rows(arguments.plan(), &program)
}

fn platform_rows(arguments: &Arguments, _: &Table) -> Result<Vec<Row>, Failure> {
    if arguments.quick {
        note("SKIPPED: --quick brings no hundred thousand platforms")?;
        return Ok(Vec::new());
    }
    let Some(program) = program(arguments)? else { return Ok(Vec::new()) };
    platforms::rows(&program)
}

/// The program to measure as a service, if it is to be measured.
fn program(arguments: &Arguments) -> Result<Option<PathBuf>, Failure> {
    match (&arguments.assay, arguments.quick) {
        (Some(program), _) => Ok(Some(program.clone())),
        (None, false) => server::build().map(Some),
        (None, true) => {
            note("SKIPPED: --quick measures the service only if --assay names its program")?;
            Ok(None)
        }
    }
}

/// Talk goes to standard error; the table is data.
pub(crate) fn note(text: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stderr().lock(), "{text}")?)
}
