//! `assay collateral pins`.

use std::process::ExitCode;

use assay_verify::UnixTime;
use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use super::answer::{entries, members, text};
use crate::commands::provider::name;
use crate::failure::Failure;
use crate::input;
use crate::output::{Format, Output};
use crate::remote::{Body, Remote, ServiceArguments};
use crate::style::{Mark, Style};

/// Show and change which evaluation of Intel's counts
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: evaluation 18 from the new year on, and the former one for a week more:
  assay collateral pins set 18 --from 2027-01-01T00:00:00Z --grace 7d --url https://localhost:8443 --data assay-dev
  assay collateral pins show --url https://localhost:8443 --data assay-dev")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Show(ShowArguments),
    Set(SetArguments),
    Remove(RemoveArguments),
}

/// Show the pins, and what counts by them
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: a service under --dev:
  assay collateral pins show --url https://localhost:8443 --data assay-dev")]
struct ShowArguments {
    #[command(flatten)]
    common: Common,
}

/// Add a pin, or change the one that begins at the same time
///
/// The other pins stay. The token is an administrator's.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: for one provider, from now on:
  assay collateral pins set 18 --provider payments --url https://localhost:8443 --data assay-dev")]
struct SetArguments {
    /// The evaluation: its `tcbEvaluationDataNumber`
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    number: u32,
    /// From when it counts, RFC 3339 or unix seconds; now unless given
    #[arg(long, value_name = "TIME", value_parser = input::time)]
    from: Option<UnixTime>,
    /// For how long after that evidence is still judged by the former evaluation: seconds, or such as 12h and 7d
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0")]
    grace: u32,
    /// For this provider alone; for the whole fleet unless given
    #[arg(long, value_name = "NAME", value_parser = name)]
    provider: Option<String>,
    /// Pin it although it is not held and no upstream has it: evidence is refused until it is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: Common,
}

/// Remove the pins of an evaluation
///
/// The token is an administrator's. Without any pin Intel's standard track counts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: back to Intel's standard track:
  assay collateral pins remove 18 --url https://localhost:8443 --data assay-dev")]
struct RemoveArguments {
    /// The evaluation: its `tcbEvaluationDataNumber`
    #[arg(value_name = "NUMBER")]
    number: u32,
    /// Those of this provider; those of the whole fleet unless given
    #[arg(long, value_name = "NAME", value_parser = name)]
    provider: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    service: ServiceArguments,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

const BASELINES: &str = "/v1/baselines";

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let (common, answer) = match &arguments.action {
        Action::Show(show) => (&show.common, fetch(&show.common.service.connect()?)?),
        Action::Set(set) => (&set.common, set.run()?),
        Action::Remove(remove) => (&remove.common, remove.run()?),
    };
    match output.format(common.format) {
        Format::Json => output.json(&answer)?,
        Format::Text => {
            let text = to_text(&answer, output.style);
            output.data(&text);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn fetch(remote: &Remote) -> Result<Value, Failure> {
    remote.send_json(Method::GET, BASELINES, Body::None)
}

/// Replaces the pins, unless somebody else changed them since `before` was read.
fn replace(remote: &Remote, before: &Value, pins: &[Value], force: bool) -> Result<Value, Failure> {
    let path = format!("{BASELINES}?version={}&force={force}", text(before, "/version"));
    remote.send_json(Method::PUT, &path, Body::Json(&json!(pins)))
}

/// The pins of an answer, as they are sent back. Without them the next step would remove them all.
fn pins(answer: &Value) -> Result<Vec<Value>, Failure> {
    let pins = answer.get("pins").and_then(Value::as_array).cloned();
    pins.ok_or_else(|| Failure::new("the service's answer has no list of pins"))
}

fn is_for(pin: &Value, provider: Option<&str>) -> bool {
    pin.get("provider").and_then(Value::as_str) == provider
}

impl SetArguments {
    fn run(&self) -> Result<Value, Failure> {
        let remote = self.common.service.connect()?;
        let from = self.from.unwrap_or_else(crate::commands::now).to_string();
        let before = fetch(&remote)?;
        let mut pins = pins(&before)?;
        pins.retain(|pin| !(is_for(pin, self.provider.as_deref()) && text(pin, "/from") == from));
        pins.push(json!({"number": self.number, "from": from, "graceSeconds": self.grace, "provider": self.provider}));
        replace(&remote, &before, &pins, self.force)
    }
}

impl RemoveArguments {
    fn run(&self) -> Result<Value, Failure> {
        let remote = self.common.service.connect()?;
        let read = fetch(&remote)?;
        let before = pins(&read)?;
        let is_meant = |pin: &Value| {
            is_for(pin, self.provider.as_deref())
                && pin.get("number").and_then(Value::as_u64) == Some(self.number.into())
        };
        let left: Vec<Value> = before.iter().filter(|pin| !is_meant(pin)).cloned().collect();
        if left.len() == before.len() {
            let whom = self.provider.as_deref().unwrap_or("the whole fleet");
            let failure = Failure::refused(format!("evaluation {} is not pinned for {whom}", self.number));
            return Err(failure.help("`assay collateral pins show` lists the pins"));
        }
        replace(&remote, &read, &left, false)
    }
}

/// Seconds, or a number with `s`, `m`, `h` or `d`.
fn duration(text: &str) -> Result<u32, String> {
    let expected = || "expected seconds, or such as 90m, 12h or 7d".to_owned();
    let (digits, factor) = match text.char_indices().next_back() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 60 * 60),
        Some((at, 'd')) => (text.get(..at), 24 * 60 * 60),
        _ => (Some(text), 1),
    };
    let count: u32 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(expected)?;
    count.checked_mul(factor).ok_or_else(expected)
}

fn to_text(answer: &Value, style: Style) -> String {
    let mut lines = vec![format!("{} fleet: {}", style.mark(Mark::Good), text(answer, "/fleet/explanation"))];
    lines.extend(
        members(answer, "providers")
            .map(|(name, effective)| format!("  provider {name}: {}", text(effective, "/explanation"))),
    );
    if entries(answer, "pins").next().is_none() {
        lines.push("  no pins: Intel's standard track counts".to_owned());
    }
    lines.extend(entries(answer, "pins").map(|pin| {
        let (number, from, grace) = (text(pin, "/number"), text(pin, "/from"), text(pin, "/graceSeconds"));
        let whom = match text(pin, "/provider") {
            name if name.is_empty() => "the whole fleet".to_owned(),
            name => format!("the provider {name}"),
        };
        format!("  pin: evaluation {number} from {from} for {whom}, the former one for {grace} seconds more")
    }));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, seconds) in
            [("0", 0), ("90", 90), ("90s", 90), ("2m", 120), ("12h", 43_200), ("7d", 604_800)]
        {
            assert_eq!(duration(text), Ok(seconds), "{text}");
        }
        for wrong in ["", "d", "-1", "7 d", "7w", "99999999d", "1.5h", "\u{663}d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_without_pins_is_none_to_build_on() {
        assert_eq!(pins(&json!({"pins": [1]})).unwrap(), [1]);
        for wrong in [json!({}), json!({"pins": null}), json!({"pins": {}})] {
            assert!(pins(&wrong).is_err(), "{wrong}");
        }
    }
}
