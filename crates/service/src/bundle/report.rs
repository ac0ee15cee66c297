//! What is in a bundle and what became of it, for programs: the answer of a service, and what the commands print.

use assay_collateral::bundle::{Bundle, BundleError, Import, RefusedEntry, TakenEntry};
use assay_verify::UnixTime;
use serde_json::{Value, json};

use super::SignedBundleError;

/// A judgement over a bundle.
#[derive(Clone, Debug)]
pub struct Report {
    now: UnixTime,
    /// What a good outcome is called.
    good: &'static str,
    /// Who made and signed it, its sequence and time; unknown where the signature is not good.
    head: Option<Head>,
    import: Import,
    lost: Vec<RefusedEntry>,
    /// Platforms for which there is no place.
    left_out: usize,
    error: Option<Reason>,
}

#[derive(Clone, Debug)]
struct Head {
    issuer: String,
    signer: String,
    sequence: u64,
    created: UnixTime,
}

#[derive(Clone, Debug)]
struct Reason {
    code: &'static str,
    message: String,
    help: &'static str,
}

impl Report {
    /// Of a bundle whose signature is good.
    #[must_use]
    pub fn of(bundle: &Bundle, signer: &str, import: &Import, now: UnixTime) -> Self {
        let head = Head {
            issuer: bundle.issuer.clone(),
            signer: signer.to_owned(),
            sequence: bundle.sequence,
            created: bundle.created,
        };
        let import = import.clone();
        Self { now, good: "usable", head: Some(head), import, lost: Vec::new(), left_out: 0, error: None }
    }

    /// Of a file that was refused before anything in it was looked at.
    #[must_use]
    pub fn refused(error: &SignedBundleError, now: UnixTime) -> Self {
        let error = Reason { code: error.code(), message: error.to_string(), help: error.help() };
        let import = Import::default();
        Self { now, good: "usable", head: None, import, lost: Vec::new(), left_out: 0, error: Some(error) }
    }

    /// With the reason why its content is not taken, if there is one.
    #[must_use]
    pub fn with_error(mut self, error: Option<BundleError>) -> Self {
        self.error =
            error.map(|error| Reason { code: error.code(), message: error.to_string(), help: error.help() });
        self
    }

    /// As it is after an import.
    #[must_use]
    pub const fn taken(mut self) -> Self {
        self.good = "taken";
        self
    }

    /// As it is after an import into a folder, which has no place for platforms.
    #[must_use]
    pub fn into_folder(mut self, lost: &[RefusedEntry]) -> Self {
        self.lost = lost.to_vec();
        self.left_out = self.import.platforms.len();
        self.taken()
    }

    /// Whether something stands against the bundle.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.error.is_some()
    }

    /// The report as JSON: `outcome` is `usable`, `taken` or `refused`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let list = |entries: &[RefusedEntry]| entries.iter().map(refused).collect::<Vec<Value>>();
        let error = self.error.as_ref();
        let last = self.import.lasts_until();
        json!({
            "outcome": if error.is_some() { "refused" } else { self.good },
            "evaluated_at": self.now.to_string(),
            "bundle": self.head.as_ref().map(|head| json!({
                "issuer": head.issuer,
                "signer": head.signer,
                "sequence": head.sequence,
                "created": head.created.to_string(),
            })),
            "lasts_until": last.map(|entry| entry.expires.to_string()),
            "first_to_expire": last.map(|entry| entry.path.clone()),
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
}

fn taken(entry: &TakenEntry) -> Value {
    json!({
        "path": entry.path,
        "state": entry.placed.to_string(),
        "issued": entry.issued.to_string(),
        "expires": entry.expires.to_string(),
    })
}

fn refused(entry: &RefusedEntry) -> Value {
    json!({ "path": entry.path, "code": entry.error.code(), "message": entry.error.to_string() })
}
