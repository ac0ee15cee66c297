//! `assay collateral refresh`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use http::Method;
use serde_json::{Map, Value};

use super::answer::{count, entries, text};
use super::bundle::exit;
use crate::failure::Failure;
use crate::output::{Format, Output};
use crate::remote::{AdministrationArguments, Body, Patience, Remote};
use crate::style::{Mark, Style};

/// A service asks ten times a second; so long it takes for all that it can hold.
const PATIENCE: Patience = Patience { most: 16 * 1024 * 1024, timeout: Duration::from_secs(60 * 60) };

/// Have a running service ask the vendors for everything again: exit code 1 when not all came
///
/// Documents that are held, due or not, and those that pins want; then the certificates of every registered platform. What
/// did not come is named, and what was held stays. The address is that of `collateral.administration`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: after the vendor published a recovery, with the token in a file:
  assay collateral refresh --url https://assay.example:8081 --token-file /etc/assay/admin.token

Example: documents alone, with the token in the environment:
  ASSAY_ADMIN_TOKEN=$(cat admin.token) assay collateral refresh documents --url https://localhost:8081 --data assay-dev")]
pub(super) struct Arguments {
    /// What to ask for; both unless given
    what: Option<What>,
    /// Address of the administrators' listener of the service
    #[arg(long, value_name = "URL")]
    url: String,
    #[command(flatten)]
    administration: AdministrationArguments,
    /// Data folder of a service under --dev: its authority is there
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Documents of the vendors.
    Documents,
    /// Certificates of registered platforms.
    Certificates,
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Certificates => "certificates",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Documents => "/v1/collateral/refresh",
            Self::Certificates => "/v1/collateral/refresh?type=certs",
        }
    }
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let remote = arguments.administration.connect(&arguments.url, arguments.data.as_deref(), PATIENCE)?;
    let format = output.format(arguments.format);
    let both = [What::Documents, What::Certificates];
    let wanted = both.into_iter().filter(|what| arguments.what.is_none_or(|only| only == *what));
    let (mut all, mut good) = (Map::new(), true);
    for what in wanted {
        let answer = ask(&remote, what, output)?;
        good &= is_whole(&answer);
        if format == Format::Text {
            let text = to_text(what, &answer, output.style);
            output.data(&text);
        }
        all.insert(what.name().to_owned(), answer);
    }
    if format == Format::Json {
        output.json(&Value::Object(all))?;
    }
    Ok(exit(good))
}

fn ask(remote: &Remote, what: What, output: &Output) -> Result<Value, Failure> {
    let _progress = output.progress(&format!("the service asks for {}", what.name()));
    remote.send_json(Method::POST, what.path(), Body::None)
}

/// What nobody has any more, or nobody has in a newer form, is not missed. What is not said is not good.
fn is_whole(answer: &Value) -> bool {
    let parts = ["/done", "/gone", "/older"].map(|part| count(answer, part));
    let wanted = answer.get("wanted").and_then(Value::as_u64);
    wanted.is_some_and(|wanted| parts.into_iter().fold(0, u64::saturating_add) >= wanted)
}

fn to_text(what: What, answer: &Value, style: Style) -> String {
    let (wanted, done) = (count(answer, "/wanted"), count(answer, "/done"));
    let mark = if is_whole(answer) { Mark::Good } else { Mark::Bad };
    let of = match what {
        What::Documents => "documents",
        What::Certificates => "platforms",
    };
    let more = [("/gone", "no longer published"), ("/older", "older there than what is held")];
    let more =
        more.map(|(part, words)| (count(answer, part), words)).into_iter().filter(|(count, _)| *count > 0);
    let more: String = more.map(|(count, words)| format!(", {count} {words}")).collect();
    let mut lines = vec![format!("{} {of}: {done} of {wanted} came{more}", style.mark(mark))];
    lines.extend(entries(answer, "failures").map(|failure| {
        let (subject, code, at) = (text(failure, "/subject"), text(failure, "/code"), text(failure, "/at"));
        let mark = if code == "older-document" { Mark::Caution } else { Mark::Bad };
        format!("{} {subject}  {code} at {at}", style.mark(mark))
    }));
    lines.join("\n") + "\n"
}
