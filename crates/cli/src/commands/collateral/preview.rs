//! `assay collateral preview`.

use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use super::answer::{count, entries, members, several, text};
use super::bundle::exit;
use crate::failure::Failure;
use crate::output::{Format, Output};
use crate::remote::{Body, ServiceArguments};
use crate::style::{Mark, Style};

/// Tell beforehand which registered platforms another evaluation puts out of date: exit code 1 when there are any
///
/// By family: how many fall behind, what they need, and which advisories come to apply. Nothing is changed. The documents of
/// both evaluations are fetched if they are not held. The token is one that may read all providers.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: before evaluation 19 is pinned in the place of 18:
  assay collateral preview --number 19 --against 18 --url https://localhost:8443 --data assay-dev")]
pub(super) struct Arguments {
    /// The evaluation to look at: its `tcbEvaluationDataNumber`
    #[arg(long, value_name = "N")]
    number: u32,
    /// The evaluation to compare with; the one that counts now unless given
    #[arg(long, value_name = "N")]
    against: Option<u32>,
    #[command(flatten)]
    service: ServiceArguments,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let mut question = json!({ "number": arguments.number });
    if let (Some(against), Some(question)) = (arguments.against, question.as_object_mut()) {
        question.insert("against".to_owned(), against.into());
    }
    let remote = arguments.service.connect()?;
    let answer = remote.send_json(Method::POST, "/v1/baselines/preview", Body::Json(&question))?;
    match output.format(arguments.format) {
        Format::Json => output.json(&answer)?,
        Format::Text => {
            let text = to_text(&answer, output.style);
            output.data(&text);
        }
    }
    // What is not said is not good.
    Ok(exit(answer.get("worse").and_then(Value::as_u64) == Some(0)))
}

fn to_text(answer: &Value, style: Style) -> String {
    let worse = count(answer, "/worse");
    let known =
        entries(answer, "families").fold(0, |all: u64, one| all.saturating_add(count(one, "/platforms")));
    let mark = if worse == 0 { Mark::Good } else { Mark::Bad };
    let said = format!("{worse} of {} behind", several(known, "platform falls", "platforms fall"));
    let (number, against) = (text(answer, "/number"), text(answer, "/against"));
    let mut lines = vec![format!(
        "{} {} with evaluation {number}, compared with {against}",
        style.mark(mark),
        style.bold(&style.coloured(mark, &said))
    )];
    for family in entries(answer, "families") {
        lines.extend(family_lines(family, style));
    }
    match count(answer, "/uncounted") {
        0 => {}
        more => lines.push(format!(
            "{} {more} platforms of further families were not counted",
            style.mark(Mark::Caution)
        )),
    }
    lines.join("\n") + "\n"
}

fn family_lines(family: &Value, style: Style) -> Vec<String> {
    let (platforms, worse) = (count(family, "/platforms"), count(family, "/worse"));
    let mark = if worse == 0 { Mark::Good } else { Mark::Bad };
    let fmspc = text(family, "/fmspc").to_uppercase();
    let of = several(platforms, "platform", "platforms");
    let mut lines = vec![format!("{} {fmspc}: {worse} of {of} behind", style.mark(mark))];
    lines.extend(entries(family, "changes").map(|change| {
        let (before, after) = (text(change, "/before"), text(change, "/after"));
        let of = several(count(change, "/platforms"), "platform", "platforms");
        if before == after {
            format!("    stays {before}: {of}")
        } else {
            format!("    {before} -> {after}: {of}")
        }
    }));
    lines.extend(entries(family, "missing").map(|missing| {
        let (part, needs, lowest) =
            (text(missing, "/part"), text(missing, "/needs"), text(missing, "/lowest"));
        let of = several(count(missing, "/platforms"), "platform needs", "platforms need");
        format!("    {of} {part} at {needs}; the lowest has {lowest}")
    }));
    let listed = |name, words| {
        let all: Vec<String> =
            members(family, name).map(|(name, count)| format!("{name} ({count})")).collect();
        (!all.is_empty()).then(|| format!("    {words}: {}", all.join(", ")))
    };
    lines.extend(listed("advisories", "advisories"));
    lines.extend(listed("tcbDates", "their levels are of"));
    if count(family, "/assumed") > 0 {
        let of = several(count(family, "/assumed"), "platform", "platforms");
        lines.push(format!("    {of} counted by the best certificate: nobody said what it runs"));
    }
    let examples: Vec<&str> = entries(family, "examples").filter_map(Value::as_str).collect();
    if !examples.is_empty() {
        lines.push(format!("    such as {}", crate::style::visible(&examples.join(", "))));
    }
    lines
}
