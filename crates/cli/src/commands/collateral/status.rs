//! `assay collateral status`.

use std::process::ExitCode;

use assay_verify::UnixTime;
use http::Method;
use serde_json::Value;

use super::answer::{count, entries, members, several, text};
use super::bundle::exit;
use crate::failure::Failure;
use crate::output::{Format, Output};
use crate::remote::{Body, ServiceArguments};
use crate::style::{Mark, Style};

const DAY: i64 = 24 * 60 * 60;

/// Show what a running service holds of the vendors' documents: exit code 1 when something in use is expired or missing
///
/// Each document has a state: fresh; due, when it is time to ask for a newer one; stale, when it is valid for less than
/// eight days; expired. Missing is what was asked for and did not come, and what the pins want that is not held. Other
/// evaluations than those that count are listed, and are no reason for it. Stale documents alone are exit code 0. The token is one that may read all
/// providers.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: a service under --dev:
  assay collateral status --url https://localhost:8443 --data assay-dev

Example: from a timer, with mail when it fails:
  ASSAY_TOKEN=$(cat /etc/assay/reader.token) assay collateral status --url https://assay.example --format json")]
pub(super) struct Arguments {
    #[command(flatten)]
    service: ServiceArguments,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let answer = arguments.service.connect()?.send_json(Method::GET, "/v1/collateral", Body::None)?;
    let found = Found::of(&answer);
    match output.format(arguments.format) {
        Format::Json => output.json(&answer)?,
        Format::Text => {
            let text = found.to_text(&answer, output.style);
            output.data(&text);
        }
    }
    Ok(exit(found.is_good()))
}

/// How much there is of each state.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    in_use: u64,
    fresh: u64,
    due: u64,
    stale: u64,
    expired: u64,
    missing: u64,
    other: u64,
    archived: u64,
}

impl Found {
    fn of(answer: &Value) -> Self {
        let mut found = Self { missing: counted(entries(answer, "missing")), ..Self::default() };
        for document in entries(answer, "documents") {
            let counter = match (is(document, "inUse"), text(document, "/state").as_str()) {
                (false, _) => {
                    found.archived = found.archived.saturating_add(u64::from(is(document, "archived")));
                    &mut found.other
                }
                (true, "fresh") => &mut found.fresh,
                (true, "due") => &mut found.due,
                (true, "stale") => &mut found.stale,
                // What this command does not know is not good.
                (true, _) => &mut found.expired,
            };
            *counter = counter.saturating_add(1);
            found.in_use = found.in_use.saturating_add(u64::from(is(document, "inUse")));
        }
        found
    }

    const fn is_good(&self) -> bool {
        self.expired == 0 && self.missing == 0
    }

    fn to_text(&self, answer: &Value, style: Style) -> String {
        let mut lines = vec![self.headline(answer, style)];
        lines.push(format!("  mode {}; {}", text(answer, "/mode"), upstreams(answer)));
        lines.push(format!(
            "  {} fresh, {} due, {} stale, {} expired, {} missing; {} of other evaluations, {} of them in the archive",
            self.fresh, self.due, self.stale, self.expired, self.missing, self.other, self.archived
        ));
        let problems = entries(answer, "upstreams").filter(|upstream| is_problem(upstream));
        lines.extend(problems.map(|upstream| {
            let (mark, name) = (style.mark(Mark::Caution), text(upstream, "/name"));
            format!("{mark} upstream {name}: {}", text(upstream, "/problem"))
        }));
        lines.extend(entries(answer, "missing").map(|missing| {
            let (mark, name, reason) = (style.mark(Mark::Bad), named(missing), text(missing, "/reason"));
            format!("{mark} {:<8}  {name}  ({reason})", "missing")
        }));
        let at = UnixTime::parse_rfc3339(&text(answer, "/evaluatedAt"));
        let mut documents: Vec<&Value> = entries(answer, "documents").collect();
        documents.sort_by_key(|document| rank(document));
        lines.extend(documents.into_iter().map(|document| line(document, at, style)));
        if !self.is_good() {
            let help =
                "`assay collateral explain` says why; `assay collateral refresh` asks the vendors again";
            lines.push(format!("{}: {help}", style.bold("hint")));
        }
        lines.join("\n") + "\n"
    }

    fn headline(&self, answer: &Value, style: Style) -> String {
        let said = match (self.is_good(), self.in_use) {
            (true, 0) => "nothing is held yet".to_owned(),
            (true, count) => {
                format!("{} in use, none expired or missing", several(count, "document", "documents"))
            }
            (false, count) => format!(
                "of {} in use {} expired, and {} missing",
                several(count, "document", "documents"),
                several(self.expired, "is", "are"),
                several(self.missing, "is", "are")
            ),
        };
        let mark = match (self.is_good(), self.stale) {
            (false, _) => Mark::Bad,
            (true, 0) if self.in_use > 0 => Mark::Good,
            (true, _) => Mark::Caution,
        };
        let at = text(answer, "/evaluatedAt");
        format!("{} {}, at {at}", style.mark(mark), style.bold(&style.coloured(mark, &said)))
    }
}

fn counted<'a>(items: impl Iterator<Item = &'a Value>) -> u64 {
    items.fold(0, |count, _| count.saturating_add(1))
}

fn is(document: &Value, member: &str) -> bool {
    document.get(member).and_then(Value::as_bool).unwrap_or_default()
}

fn is_problem(upstream: &Value) -> bool {
    upstream.get("problem").is_some_and(Value::is_string)
}

fn upstreams(answer: &Value) -> String {
    let one = |upstream: &Value| {
        let failures: Vec<String> =
            members(upstream, "failures").map(|(code, n)| format!("{n} {code}")).collect();
        let state = match text(upstream, "/state").as_str() {
            "closed" => "asked",
            "half-open" => "tried again",
            _ => "left alone",
        };
        let failures = if failures.is_empty() { String::new() } else { format!(", {}", failures.join(", ")) };
        let (name, times) = (text(upstream, "/name"), count(upstream, "/asked"));
        format!("{name} ({state}, {}{failures})", several(times, "question", "questions"))
    };
    let all: Vec<String> = entries(answer, "upstreams").map(one).collect();
    if all.is_empty() { "no upstream".to_owned() } else { format!("upstreams: {}", all.join("; ")) }
}

/// What needs attention first.
fn rank(document: &Value) -> (bool, u8, String) {
    let state = match text(document, "/state").as_str() {
        "fresh" => 3,
        "due" => 2,
        "stale" => 1,
        _ => 0,
    };
    (!is(document, "inUse"), state, named(document))
}

fn line(document: &Value, at: Option<UnixTime>, style: Style) -> String {
    let state = text(document, "/state");
    let (mark, word) = match (is(document, "inUse"), state.as_str()) {
        (false, _) if is(document, "archived") => (Mark::Skipped, "archived"),
        (false, _) => (Mark::Skipped, "other"),
        (true, "fresh" | "due") => (Mark::Good, state.as_str()),
        (true, "stale") => (Mark::Caution, state.as_str()),
        (true, _) => (Mark::Bad, state.as_str()),
    };
    let until = text(document, "/expires");
    let left = UnixTime::parse_rfc3339(&until).zip(at).map(|(until, at)| left(until, at)).unwrap_or_default();
    let (name, source) = (named(document), text(document, "/source"));
    format!("{} {word:<8}  {name}  until {until}{left}, from {source}", style.mark(mark))
}

fn left(until: UnixTime, at: UnixTime) -> String {
    match until.0.saturating_sub(at.0) {
        seconds if seconds < 0 => ", which is over".to_owned(),
        seconds if seconds < DAY => " (less than a day)".to_owned(),
        seconds => {
            let days = u64::try_from(seconds.div_euclid(DAY)).unwrap_or_default();
            format!(" ({})", several(days, "day", "days"))
        }
    }
}

/// `intel/sgx-tcb/00606a000000@18 standard`
fn named(document: &Value) -> String {
    let (subject, number) = (text(document, "/subject"), text(document, "/tcbEvaluationDataNumber"));
    // What is missing of a track has no number yet; what never has one stands on no track that matters.
    if number.is_empty() {
        let track = text(document, "/track");
        return if track.is_empty() { subject } else { format!("{subject} {track}") };
    }
    let tracks = entries(document, "tracks").filter_map(Value::as_str);
    let tracks: String = tracks.map(|track| format!(" {}", crate::style::visible(track))).collect();
    format!("{subject}@{number}{tracks}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(state: &str, in_use: bool) -> Value {
        json!({"subject": "intel/root-crl", "tcbEvaluationDataNumber": null, "tracks": [], "state": state, "inUse": in_use,
               "archived": false, "expires": "2026-01-31T00:00:00Z", "source": "pcs"})
    }

    fn answer(documents: &[Value], missing: &[Value]) -> Value {
        json!({"evaluatedAt": "2026-01-01T00:00:00Z", "mode": "lazy", "upstreams": [], "documents": documents,
               "missing": missing, "failures": []})
    }

    #[test]
    fn what_is_expired_or_missing_is_not_good() {
        let missing = json!({"subject": "a", "tcbEvaluationDataNumber": 18, "track": null, "reason": "x"});
        for (documents, missing, good) in [
            (vec![], vec![], true),
            (vec![document("stale", true), document("due", true)], vec![], true),
            (vec![document("expired", true)], vec![], false),
            (vec![document("expired", false)], vec![], true),
            (vec![document("of another release", true)], vec![], false),
            (vec![document("fresh", true)], vec![missing], false),
        ] {
            assert_eq!(Found::of(&answer(&documents, &missing)).is_good(), good, "{documents:?}");
        }
    }

    #[test]
    fn the_worst_stands_first() {
        let answer =
            answer(&[document("fresh", true), document("expired", true), document("fresh", false)], &[]);
        let text = Found::of(&answer).to_text(&answer, Style { colour: false, unicode: false });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "x of 2 documents in use 1 is expired, and 0 are missing, at 2026-01-01T00:00:00Z"
        );
        assert_eq!(lines[3], "x expired   intel/root-crl  until 2026-01-31T00:00:00Z (30 days), from pcs");
        assert!(lines[4].starts_with("+ fresh") && lines[5].starts_with("- other"), "{text}");
        assert!(lines[6].starts_with("hint: "), "{text}");
    }
}
