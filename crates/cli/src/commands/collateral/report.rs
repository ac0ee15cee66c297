//! What is in a bundle and what became of it, for people and programs.

use std::process::ExitCode;

use assay_collateral::bundle::{Import, RefusedEntry};
use serde_json::Value;

use super::answer::{entries, text};
use super::bundle::exit;
use crate::failure::Failure;
use crate::output::{Format, Output};
use crate::style::{Mark, Style, visible};

/// Writes the JSON of a report, which this program or a service made; the exit code says whether it is good.
pub(super) fn write(
    report: &Value,
    format: Option<Format>,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    match output.format(format) {
        Format::Json => output.json(report)?,
        Format::Text => {
            let text = to_text(report, output.style);
            output.data(&text);
        }
    }
    Ok(exit(is_good(report)))
}

/// Whether nothing stands against the bundle. What is not said is not good.
fn is_good(report: &Value) -> bool {
    matches!(text(report, "/outcome").as_str(), "usable" | "taken")
}

fn to_text(report: &Value, style: Style) -> String {
    let mut lines = vec![headline(report, style)];
    if report.pointer("/bundle").is_some_and(Value::is_object) {
        let of = |name: &str| text(report, &format!("/bundle/{name}"));
        lines.push(format!("  bundle {} of {}, made by {}", of("sequence"), of("created"), of("issuer")));
        lines.push(format!("  signed by {}", of("signer")));
    }
    if report.pointer("/error").is_some_and(Value::is_object) {
        lines.push(format!("  {} ({})", text(report, "/error/message"), text(report, "/error/code")));
        lines.push(format!("  {}: {}", style.bold("hint"), text(report, "/error/help")));
    } else {
        lines.push(format!("  {}", summary_of(report)));
    }
    lines.extend(entries(report, "taken").map(|entry| {
        let (path, state, expires) = (text(entry, "/path"), text(entry, "/state"), text(entry, "/expires"));
        format!("{} {path}  {state}, until {expires}", style.mark(Mark::Good))
    }));
    lines.extend(entries(report, "refused").chain(entries(report, "lost")).map(|entry| {
        let (path, message, code) = (text(entry, "/path"), text(entry, "/message"), text(entry, "/code"));
        refused_line(&path, &message, &code, style)
    }));
    let caution = style.mark(Mark::Caution);
    lines.extend(entries(report, "dropped").map(|path| {
        let path = visible(path.as_str().unwrap_or_default());
        format!("{caution} {path}  was held; a new list revokes its signer")
    }));
    match report.pointer("/platforms_left_out").and_then(Value::as_u64) {
        None | Some(0) => {}
        Some(count) => lines.push(format!("{caution} {count} platforms left out: a folder serves none")),
    }
    lines.join("\n") + "\n"
}

fn headline(report: &Value, style: Style) -> String {
    let mark = if is_good(report) { Mark::Good } else { Mark::Bad };
    let (said, at) = (text(report, "/outcome"), text(report, "/evaluated_at"));
    format!("{} {}, judged at {at}", style.mark(mark), style.bold(&style.coloured(mark, &said)))
}

fn summary_of(report: &Value) -> String {
    let (taken, refused) = (entries(report, "taken").count(), entries(report, "refused").count());
    let last = report.pointer("/first_to_expire").and_then(Value::as_str);
    count(taken, refused, last.map(|path| (path, text(report, "/lasts_until"))))
}

/// How much there is, and until when.
pub(super) fn summary(import: &Import) -> String {
    let last = import.lasts_until().map(|entry| (entry.path.as_str(), entry.expires.to_string()));
    count(import.taken.len(), import.refused.len(), last)
}

fn count(taken: usize, refused: usize, last: Option<(&str, String)>) -> String {
    let last = last
        .map(|(path, until)| format!(", all of it usable until {until} (`{}` ends first)", visible(path)));
    format!("{taken} entries, {refused} refused{}", last.unwrap_or_default())
}

/// Says what was not taken.
pub(super) fn refusals(refused: &[RefusedEntry], output: &Output) {
    for entry in refused {
        let (path, message) = (visible(&entry.path), visible(&entry.error.to_string()));
        output.talk(refused_line(&path, &message, entry.error.code(), output.talk_style()));
    }
}

fn refused_line(path: &str, message: &str, code: &str, style: Style) -> String {
    format!("{} {path}  refused: {message} ({code})", style.mark(Mark::Bad))
}
