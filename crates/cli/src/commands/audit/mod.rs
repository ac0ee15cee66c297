//! `assay audit`: the log of decisions, read from the store or from a backup of it, while the service runs or not.

mod replay;

use std::path::PathBuf;
use std::process::ExitCode;

use assay_service::audit::{self, AuditError};
use assay_store::{SqliteStore, StoreError};
use clap::Subcommand;
use serde_json::{Value, json};

use super::inspect;
use super::provider::name;
use super::simulate::DEFAULT_DATA;
use crate::document::Node;
use crate::failure::{Failure, NOT_GOOD};
use crate::output::{Format, Output};
use crate::style::Mark;

/// Check, list, export and replay decisions
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: has anybody altered the log?\n  assay audit verify --data assay-dev")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Verify(VerifyArguments),
    List(ListArguments),
    Export(ExportArguments),
    Replay(replay::Arguments),
}

/// Where the log is.
#[derive(Debug, clap::Args)]
struct Place {
    /// Data folder of the service
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// Database file, such as a backup, instead of the data folder
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    store: Option<PathBuf>,
}

/// Check every record of every log: exit code 1 when one was altered or removed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: check the log inside a backup:\n  assay audit verify --store backup.db")]
struct VerifyArguments {
    #[command(flatten)]
    place: Place,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

/// List the newest decisions of a provider
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: the last decision of the default provider:\n  assay audit list --data assay-dev --limit 1"
)]
struct ListArguments {
    #[command(flatten)]
    place: Place,
    /// The provider
    #[arg(long, value_name = "NAME", value_parser = name, default_value = "default")]
    provider: String,
    /// Most decisions listed
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

/// Write a decision, and what it was made from, into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: by the id of the decision, or the `jti` of its token:
  assay audit export 0123456789abcdef0123456789abcdef --out decision --data assay-dev")]
struct ExportArguments {
    /// The id: 32 hexadecimal digits, or the 64 of the token's `jti`
    id: String,
    /// Folder to write into; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    match &arguments.action {
        Action::Verify(arguments) => verify(arguments, output),
        Action::List(arguments) => list(arguments, output),
        Action::Export(arguments) => export(arguments, output),
        Action::Replay(arguments) => replay::run(arguments, output),
    }
}

impl Place {
    fn open(&self) -> Result<SqliteStore, Failure> {
        let file = self.store.clone().unwrap_or_else(|| SqliteStore::file_in(&self.data.join("store")));
        Ok(SqliteStore::open_read_only(&file)?)
    }
}

fn verify(arguments: &VerifyArguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let store = arguments.place.open()?;
    let checked = {
        let _progress = output.progress("checking every record");
        audit::verify(&store)?
    };
    let chains: Vec<Value> = checked
        .iter()
        .map(|(chain, result)| match result {
            Ok(sound) => json!({
                "chain": chain.as_str(),
                "sound": true,
                "records": sound.checked(),
                "tip": sound.tip().map(|tip| tip.hash.to_string()),
            }),
            Err(error) => json!({
                "chain": chain.as_str(),
                "sound": false,
                "error": {"code": error.code(), "message": error.to_string()},
            }),
        })
        .collect();
    let sound = checked.iter().all(|(_, result)| result.is_ok());
    inspect::show(&Node::from(json!({"sound": sound, "chains": chains})), arguments.format, output)?;
    if sound {
        return Ok(ExitCode::SUCCESS);
    }
    output.talk(format!("{} the log is not as it was written", output.talk_style().mark(Mark::Bad)));
    Ok(ExitCode::from(NOT_GOOD))
}

fn list(arguments: &ListArguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let store = arguments.place.open()?;
    let decisions = audit::latest(&store, &arguments.provider.to_ascii_lowercase(), arguments.limit)?;
    match output.format(arguments.format) {
        Format::Json => {
            let records: Vec<_> = decisions.iter().map(|(_, envelope)| &envelope.record).collect();
            output.json(&json!({"decisions": records}))?;
        }
        Format::Text => {
            for (_, envelope) in &decisions {
                let record = &envelope.record;
                let time = assay_verify::UnixTime(record.time);
                let why = record.error.as_deref().unwrap_or("permitted");
                output.line(&format!("{}  {time}  {}  {why}", record.id, record.kind.as_str()));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn export(arguments: &ExportArguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let store = arguments.place.open()?;
    for file in audit::export(&store, &arguments.id, &arguments.out)? {
        output.line(&file.display().to_string());
    }
    Ok(ExitCode::SUCCESS)
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.to_string()).help(error.help())
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Store(error) => error.into(),
            other => Self::new(other.to_string()),
        }
    }
}
