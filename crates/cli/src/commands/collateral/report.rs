//! What is in a bundle and what became of it, for people and programs.

use std::process::ExitCode;

use assay_collateral::bundle::{Bundle, BundleError, Import, RefusedEntry, TakenEntry};
use assay_service::bundle::SignedBundleError;
use assay_verify::UnixTime;
use serde_json::{Value, json};

use super::bundle::exit;
use crate::failure::Failure;
use crate::output::{Format, Output};
use crate::style::{Mark, Style, visible};

/// A judgement over a bundle.
#[derive(Debug)]
pub(super) struct Report {
    now: UnixTime,
    /// What a good outcome is called.
    good: &'static str,
    /// Who made and signed it, its sequence and time; unknown where the signature is not good.
    head: Option<Head>,
    import: Import,
    lost: Vec<RefusedEntry>,
    /// Platforms that a folder has no place for.
    left_out: usize,
    error: Option<Reason>,
}

#[derive(Debug)]
struct Head {
    issuer: String,
    signer: String,
    sequence: u64,
    created: UnixTime,
}

#[derive(Debug)]
struct Reason {
    code: &'static str,
    message: String,
    help: &'static str,
}

impl Report {
    pub(super) fn of(bundle: &Bundle, signer: &str, import: &Import, now: UnixTime) -> Self {
        let head = Head {
            issuer: bundle.issuer.clone(),
            signer: signer.to_owned(),
            sequence: bundle.sequence,
            created: bundle.created,
        };
        let import = import.clone();
        Self { now, good: "usable", head: Some(head), import, lost: Vec::new(), left_out: 0, error: None }
    }

    pub(super) fn refused(error: &SignedBundleError, now: UnixTime) -> Self {
        let error = Reason { code: error.code(), message: error.to_string(), help: error.help() };
        let import = Import::default();
        Self { now, good: "usable", head: None, import, lost: Vec::new(), left_out: 0, error: Some(error) }
    }

    pub(super) fn with_error(mut self, error: Option<BundleError>) -> Self {
        self.error =
            error.map(|error| Reason { code: error.code(), message: error.to_string(), help: error.help() });
        self
    }

    /// As it is after an import into a folder.
    pub(super) fn into_folder(mut self, lost: &[RefusedEntry]) -> Self {
        self.good = "taken";
        self.lost = lost.to_vec();
        self.left_out = self.import.platforms.len();
        self
    }

    pub(super) fn write(&self, format: Option<Format>, output: &mut Output) -> Result<ExitCode, Failure> {
        match output.format(format) {
            Format::Json => output.json(&self.to_json())?,
            Format::Text => {
                let text = self.to_text(output.style);
                output.data(&text);
            }
        }
        Ok(exit(self.error.is_none()))
    }

    fn to_json(&self) -> Value {
        let taken = |entry: &TakenEntry| {
            json!({
                "path": entry.path,
                "state": entry.placed.to_string(),
                "issued": entry.issued.to_string(),
                "expires": entry.expires.to_string(),
            })
        };
        let refused = |entry: &RefusedEntry| {
            let (code, message) = (entry.error.code(), entry.error.to_string());
            json!({ "path": entry.path, "code": code, "message": message })
        };
        let list = |entries: &[RefusedEntry]| entries.iter().map(refused).collect::<Vec<Value>>();
        let error = self.error.as_ref();
        json!({
            "outcome": if error.is_some() { "refused" } else { self.good },
            "evaluated_at": self.now.to_string(),
            "bundle": self.head.as_ref().map(|head| json!({
                "issuer": head.issuer,
                "signer": head.signer,
                "sequence": head.sequence,
                "created": head.created.to_string(),
            })),
            "lasts_until": self.import.lasts_until().map(|entry| entry.expires.to_string()),
            "first_to_expire": self.import.lasts_until().map(|entry| entry.path.clone()),
            "taken": self.import.taken.iter().map(taken).collect::<Vec<Value>>(),
            "refused": list(&self.import.refused),
            "dropped": self.import.dropped,
            "lost": list(&self.lost),
            "platforms_left_out": self.left_out,
            "error": error.map(|error| json!({
                "code": error.code,
                "message": error.message,
                "help": error.help,
            })),
        })
    }

    fn to_text(&self, style: Style) -> String {
        let mut lines = vec![self.headline(style)];
        if let Some(head) = &self.head {
            let issuer = visible(&head.issuer);
            lines.push(format!("  bundle {} of {}, made by {issuer}", head.sequence, head.created));
            lines.push(format!("  signed by {}", head.signer));
        }
        if let Some(error) = &self.error {
            lines.push(format!("  {} ({})", visible(&error.message), error.code));
            lines.push(format!("  {}: {}", style.bold("hint"), error.help));
        } else {
            lines.push(format!("  {}", summary(&self.import)));
        }
        lines.extend(self.import.taken.iter().map(|entry| {
            let (mark, placed) = (style.mark(Mark::Good), entry.placed);
            format!("{mark} {}  {placed}, until {}", visible(&entry.path), entry.expires)
        }));
        lines.extend(self.import.refused.iter().chain(&self.lost).map(|entry| refusal(entry, style)));
        for path in &self.import.dropped {
            let mark = style.mark(Mark::Caution);
            lines.push(format!("{mark} {path}  was held; a new list revokes its signer"));
        }
        if self.left_out > 0 {
            let mark = style.mark(Mark::Caution);
            lines.push(format!("{mark} {} platforms left out: a folder serves none", self.left_out));
        }
        lines.join("\n") + "\n"
    }

    fn headline(&self, style: Style) -> String {
        let (mark, said) = match self.error {
            Some(_) => (Mark::Bad, "refused"),
            None => (Mark::Good, self.good),
        };
        format!("{} {}, judged at {}", style.mark(mark), style.bold(&style.coloured(mark, said)), self.now)
    }
}

/// How much there is, and until when.
pub(super) fn summary(import: &Import) -> String {
    let taken = import.taken.len();
    let refused = import.refused.len();
    let last = import.lasts_until().map(|entry| {
        format!(", all of it usable until {} (`{}` ends first)", entry.expires, visible(&entry.path))
    });
    format!("{taken} entries, {refused} refused{}", last.unwrap_or_default())
}

/// Says what was not taken.
pub(super) fn refusals(refused: &[RefusedEntry], output: &Output) {
    refused.iter().for_each(|entry| output.talk(refusal(entry, output.talk_style())));
}

fn refusal(entry: &RefusedEntry, style: Style) -> String {
    let (mark, message) = (style.mark(Mark::Bad), entry.error.to_string());
    format!("{mark} {}  refused: {} ({})", visible(&entry.path), visible(&message), entry.error.code())
}
