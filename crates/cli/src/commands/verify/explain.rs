//! A verdict for people: what failed comes first, with what was expected, what was found and what to do.

use std::fmt::Write;

use assay_appraisal::verdict::{PolicyVerdict, Verdict};
use assay_verify::{Check, Outcome};
use serde_json::Value;

use crate::document::Node;
use crate::style::{Mark, Style, visible};

pub(super) fn text(verdict: &Verdict, style: Style) -> String {
    let mut text = String::new();
    let _ = headline(verdict, style, &mut text)
        .and_then(|()| checks(verdict, style, &mut text))
        .and_then(|()| facts(verdict, style, &mut text));
    if let Some(claims) = &verdict.claims {
        text.push_str(&format!("\n{}\n", style.bold("claims")));
        text.push_str(&Node::from(Value::Object(claims.clone())).to_text(style));
    }
    text
}

fn headline(verdict: &Verdict, style: Style, text: &mut String) -> std::fmt::Result {
    let mark = if verdict.is_good() { Mark::Good } else { Mark::Bad };
    let outcome = style.bold(&style.coloured(mark, verdict.outcome));
    writeln!(
        text,
        "{} {outcome}: {} evidence, judged at {}",
        style.mark(mark),
        verdict.kind,
        verdict.evaluated_at
    )?;
    if let Some(error) = &verdict.error {
        writeln!(text, "  {} ({})", visible(&error.message), error.code)?;
    }
    writeln!(text)
}

fn checks(verdict: &Verdict, style: Style, text: &mut String) -> std::fmt::Result {
    // A stable sort: within an outcome, checks stay in the order in which they were made.
    let mut checks: Vec<&Check> = verdict.checks.iter().collect();
    checks.sort_by_key(|check| match check.outcome {
        Outcome::Fail => 0,
        Outcome::Warn => 1,
        Outcome::Skipped => 2,
        Outcome::Pass => 3,
    });
    checks.into_iter().try_for_each(|check| write_check(check, style, text))
}

fn write_check(check: &Check, style: Style, text: &mut String) -> std::fmt::Result {
    let mark = match check.outcome {
        Outcome::Pass => Mark::Good,
        Outcome::Fail => Mark::Bad,
        Outcome::Warn => Mark::Caution,
        Outcome::Skipped => Mark::Skipped,
    };
    writeln!(text, "{} {}  {}", style.mark(mark), visible(&check.detail), style.dim(check.rule.id))?;
    if matches!(check.outcome, Outcome::Pass | Outcome::Skipped) {
        return Ok(());
    }
    for (name, value) in [("expected", &check.expected), ("actual", &check.actual)] {
        if let Some(value) = value {
            writeln!(text, "    {name}: {}", visible(value))?;
        }
    }
    if let Some(error) = &check.error {
        writeln!(text, "    help: {}", error.help())?;
    }
    writeln!(text, "    rule: {}", check.rule.reference)
}

fn facts(verdict: &Verdict, style: Style, text: &mut String) -> std::fmt::Result {
    writeln!(text)?;
    if let Some(status) = verdict.tcb_status {
        writeln!(text, "{}: {status}", style.bold("TCB status"))?;
    }
    if !verdict.advisories.is_empty() {
        writeln!(text, "{}: {}", style.bold("advisories"), visible(&verdict.advisories.join(", ")))?;
    }
    if let Some(collateral) = &verdict.collateral {
        writeln!(
            text,
            "{}: TCB evaluation {}, valid from {} to {}",
            style.bold("collateral"),
            collateral.tcb_evaluation_data_number,
            collateral.earliest_issue,
            collateral.earliest_expiration
        )?;
    }
    let Some(policy) = &verdict.policy else { return Ok(()) };
    let mark = if policy.decision == "permit" { Mark::Good } else { Mark::Bad };
    writeln!(text, "{}: {}{}", style.bold("policy"), style.coloured(mark, policy.decision), deciding(policy))
}

/// What decided: a rule, or the reason why none was asked.
fn deciding(policy: &PolicyVerdict) -> String {
    if let Some(reason) = &policy.reason {
        return format!(" ({})", visible(reason));
    }
    let Some(rule) = &policy.rule else { return " (no rule permits)".to_owned() };
    let line = rule.get("line").and_then(Value::as_u64).unwrap_or_default();
    let text = rule.get("text").and_then(Value::as_str).unwrap_or_default();
    format!(" (line {line}: {})", visible(text))
}
