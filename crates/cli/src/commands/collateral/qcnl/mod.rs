//! `assay collateral qcnl-config`: the configuration of Intel's quote provider library, written and checked.
//!
//! What the library makes of a file is told by its source (Intel SGX DCAP, QuoteGeneration/qcnl: `qcnl_config.cpp`,
//! `linux/qcnl_config_impl.cpp`, `certification_service.cpp`, `network_wrapper.cpp`). It reports nothing of what it ignores.

mod finding;
mod json;
mod keyvalue;
mod rules;
mod settings;
mod write;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use assay_policy::{Diagnostic, Severity};
use serde_json::json;

use self::finding::Code;
use crate::commands::policy::render;
use crate::failure::{Failure, NOT_GOOD};
use crate::input;
use crate::output::{Format, Output};
use crate::style::{Mark, Style};

/// Largest file; real ones have 3 KiB, mostly comments.
const MAX_FILE: usize = 256 * 1024;
/// What says how a file is to be written.
const WRITING: [&str; 7] =
    ["url", "api", "local_pck_url", "collateral_service", "insecure", "cache_hours", "azure"];
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Write or check the configuration of Intel's quote provider library (sgx_default_qcnl.conf)
///
/// The library ignores what it does not understand without a word. `--check` says what it makes of a file, as JSON with
/// comments or in the old form of KEY=VALUE lines: exit code 0 if it can work with it, 1 if not.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: a node asks a service, which has a certificate that the node knows:
  assay collateral qcnl-config --url https://assay.example > /etc/sgx_default_qcnl.conf
  systemctl restart aesmd qgsd

Example: what does the library make of a file?
  assay collateral qcnl-config --check /etc/sgx_default_qcnl.conf

Example: certificates from the agent on the node, everything else from the service:
  assay collateral qcnl-config --url https://assay.example --azure")]
pub(super) struct Arguments {
    /// Check this file instead of writing one; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = WRITING)]
    check: Option<PathBuf>,
    #[command(flatten)]
    wanted: write::Wanted,
    /// Form of the findings; text on a terminal, else JSON
    #[arg(long, requires = "check", conflicts_with = "url")]
    format: Option<Format>,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    match &arguments.check {
        Some(path) => check(path, arguments.format, output),
        None => write::run(&arguments.wanted, output),
    }
}

fn check(path: &Path, format: Option<Format>, output: &mut Output) -> Result<ExitCode, Failure> {
    let text = input::read_text(path)?;
    if text.len() > MAX_FILE {
        return Err(Failure::new(format!("`{}` is larger than {MAX_FILE} bytes", path.display())));
    }
    let diagnostics = diagnose(&text);
    match output.format(format) {
        Format::Json => output.json(&json!({ "diagnostics": diagnostics }))?,
        Format::Text => {
            output.data(&render(&text, path, &diagnostics, output.style));
            let summary = summary(&diagnostics, output.style);
            output.line(&summary);
        }
    }
    Ok(if count(&diagnostics, Severity::Error) > 0 { ExitCode::from(NOT_GOOD) } else { ExitCode::SUCCESS })
}

/// Everything that the library does differently from what the author may have meant, in the order of the text.
fn diagnose(text: &str) -> Vec<Diagnostic> {
    let mut findings = finding::Findings::default();
    if text.starts_with(BYTE_ORDER_MARK) {
        let message = "the file begins with a byte order mark, behind which the library finds nothing";
        findings.add(Code::Syntax, &(0..BYTE_ORDER_MARK.len_utf8()), message, "save it as UTF-8 without one");
        return findings.located(text);
    }
    let settings = if json::is_json(text) {
        settings::of_json(text, &mut findings)
    } else {
        keyvalue::read(text, &mut findings)
    };
    if let Some(settings) = settings {
        rules::judge(&settings, &mut findings);
    }
    findings.located(text)
}

fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

fn summary(diagnostics: &[Diagnostic], style: Style) -> String {
    let plural = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let (errors, warnings) = (count(diagnostics, Severity::Error), count(diagnostics, Severity::Warning));
    let counts = format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"));
    match errors {
        0 => format!("{} the library can work with this: {counts}", style.mark(Mark::Good)),
        _ => format!("{} the library cannot work with this: {counts}", style.mark(Mark::Bad)),
    }
}

#[cfg(test)]
mod tests;
