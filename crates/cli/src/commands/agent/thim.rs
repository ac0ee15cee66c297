//! `assay agent thim`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use assay_evidence::snp::{Product, TcbVersion};
use assay_service::clock::Clock;
use assay_service::config::{LogConfig, LogFormat};
use assay_service::egress::Roots;
use assay_service::serve::stop_signal;
use assay_service::thim::agent::{
    self, AgentConfig, AgentError, DEFAULT_ADDRESS, SgxSource, SnpIdentity, SnpSource, TSM_FOLDER, Upstream,
};
use assay_verify::TrustAnchors;

use crate::commands::{serve, verify};
use crate::failure::{BAD_CONFIGURATION, Failure, NOT_GOOD};
use crate::input::{self, Hex};
use crate::output::{Format, Output};

/// Give guests the certificates of this machine's processor, as Azure's metadata service does
///
/// Answers GET /metadata/THIM/amd/certification and /metadata/THIM/sgx/certification/v4/pckcert, for this machine alone.
/// Certificates come from a central service, are verified against the vendors' roots, and are kept in a folder, so that
/// guests get them while that service is away. SIGHUP asks the machine anew what it is, and the service for what is
/// missing; SIGTERM lets requests finish.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: on a node without a metadata service of a cloud:
  ip addr add 169.254.169.254/32 dev lo
  assay agent thim --upstream https://assay.example --cache /var/cache/assay-agent-thim
  curl -H Metadata:true http://169.254.169.254/metadata/THIM/amd/certification

Example: for a host, whose kernel makes no reports of itself:
  assay agent thim --upstream https://assay.example --product Milan --chip-id HEX --tcb 7308000000000003

Example: for SGX and TDX, with what Intel's PCK ID retrieval tool says of the platform:
  PCKIDRetrievalTool -f pckid.csv
  assay agent thim --upstream https://assay.example --pckid pckid.csv --listen 127.0.0.1:8080

Example: does somebody answer at the address already? Exit code 1 if so:
  assay agent thim --probe")]
pub(super) struct Arguments {
    /// Address of the central service: https, host, and port if it is not 443
    #[arg(long, value_name = "URL", required_unless_present = "probe")]
    upstream: Option<String>,
    /// Certification authorities of the central service, PEM, instead of those of the web
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Folder to keep certificates in, for this user alone; without it nothing outlives a restart
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Address and port to answer at. A network interface must have the address already
    #[arg(long, value_name = "ADDR:PORT", default_value_t = DEFAULT_ADDRESS)]
    listen: SocketAddr,
    #[command(flatten)]
    machine: Machine,
    /// Seconds between two looks at the machine: after an update of its firmware its keys are others
    #[arg(long, value_name = "SECONDS", default_value_t = agent::REREAD.as_secs(),
          value_parser = clap::value_parser!(u64).range(10..=86_400))]
    reread: u64,
    /// Seconds that the central service may take for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 20,
          value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    /// Only look whether somebody answers at `--listen`: exit code 0 if nobody does, 1 if somebody does
    #[arg(long)]
    probe: bool,
    /// Development: also believe the simulated hardware of `--data`, on a loopback address only
    #[arg(long, requires = "data")]
    dev: bool,
    /// Data folder of a service under --dev: its simulated hardware and its authority
    #[arg(long, value_name = "DIR", requires = "dev")]
    data: Option<PathBuf>,
    /// Level of the log: error, warn, info, debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: String,
    /// Form of the log
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: Format,
}

/// Where it comes from what the machine is. By default the kernel is asked for a report.
#[derive(Debug, clap::Args)]
struct Machine {
    /// The kernel's folder for attestation reports; the usual one if nothing says what the machine is
    #[arg(long, value_name = "DIR", conflicts_with_all = ["report", "chip_id"])]
    tsm: Option<PathBuf>,
    /// File with an attestation report of this machine, alone or with the host's certificates behind it
    #[arg(long, value_name = "FILE", conflicts_with = "chip_id")]
    report: Option<PathBuf>,
    /// The processor: Milan, Genoa or Turin. Reports from version 3 on say it themselves
    #[arg(long, value_parser = product)]
    product: Option<Product>,
    /// The chip's id: 128 hexadecimal digits, for a Turin 16
    #[arg(long, value_name = "HEX", requires_all = ["tcb", "product"])]
    chip_id: Option<Hex>,
    /// The reported TCB in the form of `tcbm`: 16 hexadecimal digits, the microcode's first
    #[arg(long, value_name = "HEX", requires = "chip_id", value_parser = tcb)]
    tcb: Option<TcbVersion>,
    /// File of Intel's PCK ID retrieval tool, for SGX and TDX; alone, the machine has no SEV-SNP
    #[arg(long, value_name = "FILE")]
    pckid: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, Failure> {
    if arguments.probe {
        return probe(arguments.listen, output);
    }
    let format = match arguments.log_format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    };
    let log = LogConfig { format, level: arguments.log_level.clone() };
    assay_service::log::init(&log).map_err(Failure::configuration)?;
    let config = arguments.config()?;
    serve::runtime()?.block_on(async {
        let stop = stop_signal()?;
        let listener = agent::bind(arguments.listen, arguments.dev).await?;
        agent::serve(config, listener, Clock::system(), stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn probe(address: SocketAddr, output: &Output) -> Result<ExitCode, Failure> {
    let answered = serve::runtime()?.block_on(agent::is_answered(address));
    let (word, code) =
        if answered { ("somebody", ExitCode::from(NOT_GOOD)) } else { ("nobody", ExitCode::SUCCESS) };
    output.talk(format!("{word} answers at {address}"));
    Ok(code)
}

impl Arguments {
    fn config(&self) -> Result<AgentConfig, Failure> {
        // The parser wants it unless there is only a look to take.
        let base = self.upstream.as_deref().unwrap_or_default();
        let timeout = Duration::from_secs(self.timeout);
        Ok(AgentConfig {
            snp: self.machine.snp()?,
            sgx: self.machine.pckid.clone().map(SgxSource),
            upstream: Upstream::new(base, self.roots()?, timeout)?,
            cache: self.cache.clone(),
            anchors: match &self.data {
                Some(data) => verify::anchors(None, Some(data))?,
                None => TrustAnchors::vendor(),
            },
            reread: Duration::from_secs(self.reread),
        })
    }

    fn roots(&self) -> Result<Roots, Failure> {
        let of_folder = || self.data.as_ref().map(|data| data.join("tls").join("ca.pem"));
        let Some(path) = self.ca.clone().or_else(of_folder) else { return Ok(Roots::web()) };
        let pem = input::read(&path)?;
        Roots::none().with_pem(&pem).map_err(|error| Failure::file("use", &path, error))
    }
}

impl Machine {
    fn snp(&self) -> Result<Option<SnpSource>, Failure> {
        let product = self.product;
        Ok(Some(match (&self.tsm, &self.report, &self.chip_id, self.tcb) {
            (Some(folder), ..) => SnpSource::Tsm { folder: folder.clone(), product },
            (None, Some(file), ..) => SnpSource::Report { file: file.clone(), product },
            (None, None, Some(Hex(chip_id)), Some(tcb)) => SnpSource::Given(given(product, chip_id, tcb)?),
            _ if self.pckid.is_some() => return Ok(None),
            _ => SnpSource::Tsm { folder: Path::new(TSM_FOLDER).to_owned(), product },
        }))
    }
}

fn given(product: Option<Product>, chip_id: &[u8], tcb: TcbVersion) -> Result<SnpIdentity, Failure> {
    // The parser wants all three together.
    let product = product.ok_or_else(|| Failure::new("which processor is it?").help("give `--product`"))?;
    SnpIdentity::new(product, chip_id, tcb).map_err(|error| AgentError::from(error).into())
}

fn product(name: &str) -> Result<Product, String> {
    Product::from_name(name)
        .ok_or_else(|| format!("expected one of {}", Product::ALL.map(Product::as_str).join(", ")))
}

fn tcb(text: &str) -> Result<TcbVersion, String> {
    input::digits::<8>(text).map(|digits| TcbVersion(u64::from_be_bytes(digits).to_le_bytes()))
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        let help = error.help();
        // What another try cannot better must not be tried for ever by whoever supervises the agent.
        let exit = match &error {
            AgentError::Occupied(_)
            | AgentError::EveryAddress(_)
            | AgentError::NotLoopback(_)
            | AgentError::Upstream(_) => BAD_CONFIGURATION,
            _ => crate::failure::NOT_DONE,
        };
        Self { exit, help, ..Self::new(error.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tcb_is_written_with_the_microcode_first() {
        assert_eq!(tcb("7308000000000003"), Ok(TcbVersion([3, 0, 0, 0, 0, 0, 8, 0x73])));
        assert_eq!(tcb("73"), Err("expected 16 hexadecimal digits".to_owned()));
        assert_eq!(product("milan"), Ok(Product::Milan));
        assert_eq!(product("Rome"), Err("expected one of Milan, Genoa, Turin".to_owned()));
    }
}
