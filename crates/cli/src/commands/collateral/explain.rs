//! `assay collateral explain`.

use std::path::PathBuf;
use std::process::ExitCode;

use assay_service::thim::agent::SgxSource;
use clap::ArgGroup;
use http::Method;
use serde_json::{Map, Value, json};

use super::answer::{count, entries, text};
use super::bundle::exit;
use crate::failure::Failure;
use crate::input::{self, Hex};
use crate::output::{Format, Output};
use crate::remote::{Body, ServiceArguments};
use crate::style::{Mark, Style};

/// Say why a client gets what it gets for a platform, a family or a chip: exit code 1 when there is nothing to give
///
/// What was looked for, what is known of it, and what to do. Identifiers go into the body of a request, not into an address
/// that logs would keep. The token is one that may read all providers.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("what").required(true).args(["qe_id", "pckid", "fmspc", "chip_id"])))]
#[command(after_help = "Example: why does a platform get no certificate?
  assay simulate pckid --data assay-dev --out platform
  assay collateral explain --pckid platform/pckid.csv --url https://localhost:8443 --data assay-dev

Example: a family, and a chip:
  assay collateral explain --fmspc 00606A000000 --tee tdx --url https://localhost:8443 --data assay-dev
  assay collateral explain --chip-id $CHIP --tcb 7308000000000003 --url https://localhost:8443 --data assay-dev")]
pub(super) struct Arguments {
    /// Platform: id of its quoting enclave, 32 hexadecimal digits
    #[arg(long, value_name = "HEX", requires = "pce_id")]
    qe_id: Option<Hex>,
    /// Id of its provisioning certification enclave, 4 digits
    #[arg(long, value_name = "HEX", requires = "qe_id")]
    pce_id: Option<Hex>,
    /// What the platform runs: its CPUSVN, 32 digits
    #[arg(long, value_name = "HEX", requires_all = ["qe_id", "pce_svn"])]
    cpu_svn: Option<Hex>,
    /// and its PCE ISVSVN, 4 digits, the lower byte first
    #[arg(long, value_name = "HEX", requires = "cpu_svn")]
    pce_svn: Option<Hex>,
    /// Platform: the line of Intel's PCK ID retrieval tool, which says all four
    #[arg(long, value_name = "FILE")]
    pckid: Option<PathBuf>,
    /// Family of platforms, 12 digits
    #[arg(long, value_name = "HEX")]
    fmspc: Option<Hex>,
    /// Architecture of the family: `sgx` or `tdx`
    #[arg(long, value_name = "NAME", requires = "fmspc", value_parser = ["sgx", "tdx"])]
    tee: Option<String>,
    /// Chip of AMD's: its id, 128 digits, for a Turin 16
    #[arg(long, value_name = "HEX", requires = "tcb")]
    chip_id: Option<Hex>,
    /// Reported TCB of the chip in the form of `tcbm`: 16 digits, the microcode's first
    #[arg(long, value_name = "HEX", requires = "chip_id", value_parser = input::digits::<8>)]
    tcb: Option<[u8; 8]>,
    /// Processor of the chip: Milan, Genoa or Turin
    #[arg(long, value_name = "NAME", requires = "chip_id")]
    product: Option<String>,
    #[command(flatten)]
    service: ServiceArguments,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let question = arguments.question()?;
    let remote = arguments.service.connect()?;
    let answer = remote.send_json(Method::POST, "/v1/collateral/explain", Body::Json(&question))?;
    match output.format(arguments.format) {
        Format::Json => output.json(&answer)?,
        Format::Text => {
            let text = to_text(&answer, output.style);
            output.data(&text);
        }
    }
    Ok(exit(count(&answer, "/status") == 200))
}

impl Arguments {
    fn question(&self) -> Result<Value, Failure> {
        let mut question = Map::new();
        let mut say = |name: &str, value: String| question.insert(name.to_owned(), json!(value));
        if let Some(file) = &self.pckid {
            let platform = SgxSource(file.clone()).read();
            let platform = platform.map_err(|error| Failure::new(error.to_string()))?;
            say("qeId", hex::encode(platform.qe_id));
            say("pceId", hex::encode(platform.pce_id));
            say("cpuSvn", hex::encode(platform.cpu_svn));
            say("pceSvn", hex::encode(platform.pce_svn));
        }
        for (name, value) in [
            ("qeId", &self.qe_id),
            ("pceId", &self.pce_id),
            ("cpuSvn", &self.cpu_svn),
            ("pceSvn", &self.pce_svn),
            ("fmspc", &self.fmspc),
        ] {
            if let Some(Hex(bytes)) = value {
                say(name, hex::encode(bytes));
            }
        }
        if let (Some(Hex(chip)), Some(tcb)) = (&self.chip_id, self.tcb) {
            // A report has the chip followed by zeros, and the number with its lowest byte first.
            say("chipId", format!("{:0<128}", hex::encode(chip)));
            say("tcb", hex::encode(u64::from_be_bytes(tcb).to_le_bytes()));
        }
        for (name, value) in [("tee", &self.tee), ("product", &self.product)] {
            if let Some(value) = value {
                say(name, value.clone());
            }
        }
        Ok(Value::Object(question))
    }
}

fn to_text(answer: &Value, style: Style) -> String {
    let status = count(answer, "/status");
    // A client's question is not an explanation's: it may lead to an upstream.
    let asks = entries(answer, "findings").any(|finding| text(finding, "/code") == "mode-lazy");
    let (mark, said) = match (status, asks) {
        (200, _) => (Mark::Good, "clients get it".to_owned()),
        (status, false) => (Mark::Bad, format!("clients get nothing: status {status}")),
        (status, true) => (Mark::Bad, format!("nothing is held: status {status}, unless an upstream has it")),
    };
    let mut lines = vec![format!("{} {}", style.mark(mark), style.bold(&style.coloured(mark, &said)))];
    for finding in entries(answer, "findings") {
        let help = text(finding, "/help");
        let mark = if help.is_empty() { Mark::Good } else { Mark::Caution };
        let (message, code) = (text(finding, "/message"), text(finding, "/code"));
        lines.push(format!("{} {message} ({code})", style.mark(mark)));
        if !help.is_empty() {
            lines.push(format!("  {}: {help}", style.bold("hint")));
        }
    }
    lines.join("\n") + "\n"
}
