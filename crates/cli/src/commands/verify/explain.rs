//! A verdict for people: what failed comes first, with what was expected, what was found and what to do.

use std::fmt::Write;

use assay_appraisal::verdict::{PolicyVerdict, Verdict};
use assay_verify::{Check, Outcome};
use serde_json::{Map, Value};

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
    // Genuine evidence that the policy denies must not read as good at first sight.
    let denied = verdict.is_genuine() && !verdict.is_good();
    let said = if denied { "denied by the policy, though genuine" } else { verdict.outcome };
    let outcome = style.bold(&style.coloured(mark, said));
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
    let mut told: Vec<&str> = Vec::new();
    for check in &checks {
        let alike = alike(&checks, check);
        if alike.len() < FEW {
            write_check(check, style, text)?;
        } else if !told.contains(&check.detail.as_ref()) {
            told.push(&check.detail);
            let ids = alike.iter().map(|check| check.rule.id).collect::<Vec<_>>().join(", ");
            let mark = style.mark(Mark::Skipped);
            writeln!(text, "{mark} {}, so not made: {}", visible(&check.detail), style.dim(&ids))?;
        }
    }
    Ok(())
}

/// Up to so many checks that were skipped for the same reason have a line each.
const FEW: usize = 3;

/// The checks that were skipped for the same reason as this one, which would only hide the others.
fn alike<'a>(checks: &[&'a Check], check: &Check) -> Vec<&'a Check> {
    let is_alike = |other: &&&Check| {
        check.outcome == Outcome::Skipped && other.outcome == Outcome::Skipped && other.detail == check.detail
    };
    checks.iter().filter(is_alike).copied().collect()
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
    if let Some(claims) = &verdict.claims {
        platform(claims, style, text)?;
    }
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

/// The processor under a virtual machine, and what runs beside the guest's own software.
fn platform(claims: &Map<String, Value>, style: Style, text: &mut String) -> std::fmt::Result {
    let claim = |name: &str| claims.get(name).map(plain);
    let Some(product) = claim("x-assay-snp-product") else { return Ok(()) };
    let key = claim("x-assay-snp-signing-key").unwrap_or_default();
    let provider = claim("x-assay-snp-vlek-provider");
    let provider = provider.map(|name| format!(" of {name}")).unwrap_or_default();
    writeln!(text, "{}: {product}, its report signed by a {key}{provider}", style.bold("processor"))?;
    let part = |(name, claim_name)| Some(format!("{name} {}", claim(claim_name)?));
    let parts: Vec<String> = REPORTED_TCB.into_iter().filter_map(part).collect();
    writeln!(text, "{}: {}", style.bold("reported TCB"), parts.join(", "))?;
    if let (Some(feed), Some(svn)) = (claim("x-assay-uvm-feed"), claim("x-assay-uvm-svn")) {
        let issuer = claim("x-assay-uvm-issuer").unwrap_or_default();
        writeln!(text, "{}: {feed}, security version {svn}, endorsed by {issuer}", style.bold("image"))?;
    }
    Ok(())
}

/// Components as AMD's key server calls them, and the claims that hold them.
const REPORTED_TCB: [(&str, &str); 5] = [
    ("fmc", "x-assay-snp-fmc-svn"),
    ("bootloader", "x-ms-sevsnpvm-bootloader-svn"),
    ("tee", "x-ms-sevsnpvm-tee-svn"),
    ("snp", "x-ms-sevsnpvm-snpfw-svn"),
    ("microcode", "x-ms-sevsnpvm-microcode-svn"),
];

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), visible)
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
