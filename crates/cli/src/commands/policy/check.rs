//! `assay policy check`.

use std::path::Path;
use std::process::ExitCode;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use assay_policy::{Diagnostic, Severity};
use serde_json::json;

use crate::failure::{Failure, NOT_GOOD};
use crate::output::{Format, Output};
use crate::style::{Mark, Style, visible};

/// Check a policy: exit code 0 when it can be uploaded, 1 when not
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: check a policy for SGX enclaves:
  assay policy check policy.txt --type SgxEnclave

Example: for an editor or a pipeline:
  assay policy check policy.txt --format json")]
pub(super) struct Arguments {
    #[command(flatten)]
    source: super::Source,
    #[command(flatten)]
    options: super::Options,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let path = &arguments.source.file;
    let text = super::read_policy(path)?;
    let diagnostics = super::compile(&text, arguments.options.kind).diagnostics;
    match output.format(arguments.options.format) {
        Format::Json => output.json(&json!({"diagnostics": diagnostics}))?,
        Format::Text => {
            output.data(&render(&text, path, &diagnostics, output.style));
            let summary = summary(&diagnostics, output.style);
            output.line(&summary);
        }
    }
    Ok(if has_errors(&diagnostics) { ExitCode::from(NOT_GOOD) } else { ExitCode::SUCCESS })
}

fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    count(diagnostics, Severity::Error) > 0
}

fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

fn summary(diagnostics: &[Diagnostic], style: Style) -> String {
    let plural = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let counts = format!(
        "{}, {}",
        plural(count(diagnostics, Severity::Error), "error"),
        plural(count(diagnostics, Severity::Warning), "warning")
    );
    if has_errors(diagnostics) {
        format!("{} the policy cannot be used: {counts}", style.mark(Mark::Bad))
    } else {
        format!("{} the policy can be used: {counts}", style.mark(Mark::Good))
    }
}

/// Every finding under the lines it is about.
pub(in crate::commands) fn render(
    text: &str,
    path: &Path,
    diagnostics: &[Diagnostic],
    style: Style,
) -> String {
    let renderer = if style.colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(if style.unicode { DecorStyle::Unicode } else { DecorStyle::Ascii });
    let path = visible(&path.display().to_string());
    diagnostics
        .iter()
        .map(|diagnostic| format!("{}\n\n", render_one(text, &path, diagnostic, &renderer)))
        .collect()
}

fn render_one(text: &str, path: &str, diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let annotation = AnnotationKind::Primary.span(diagnostic.span.clone());
    let snippet = Snippet::source(text).path(path).annotation(annotation);
    let group = level.primary_title(visible(&diagnostic.message)).id(diagnostic.code).element(snippet);
    let group = match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(visible(help))),
        None => group,
    };
    renderer.render(&[group])
}
