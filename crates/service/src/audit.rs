//! The log of decisions: one chain of records for each provider, and what is needed to decide again.
//!
//! ```text
//! chain decisions/{provider}   {"blobs":{"collateral":digest,"policy":digest,"policy-signer":digest},"format":1,"record":{decision record}}
//! ```
//!
//! The collateral set, the policy text and the key of who signed the policy are kept as documents beside a decision, once
//! however many decisions used them. Evidence is not kept: whoever has it can replay the decision.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use assay_appraisal::{AmdEndorsements, DecisionRecord, RawEndorsements, RawIntelWithPck};
use assay_store::{
    ChainName, Change, ChangeId, Digest, NewRecord, Receipt, Record, RecordId, Store, StoreError,
    VerifiedChain, catalog,
};
use assay_verify::intel::RawCollateral;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::counters::Counters;
use crate::files::{self, FileError};

const FORMAT: u32 = 1;
/// Digests of documents known to be stored; forgetting them costs a write, nothing else.
const KNOWN_MAX: usize = 10_000;
/// The kind of the document that says who signed the policy.
const SIGNER: &str = "policy-signer";

/// Writes decisions.
#[derive(Clone)]
pub struct Audit {
    store: Arc<dyn Store>,
    durable: bool,
    counters: Arc<Counters>,
    /// Documents that this process knows to be in the store, by what names them in a record: where they are stored.
    known: Arc<Mutex<HashMap<Named, Digest>>>,
}

/// A document as records name it: its kind, and the collateral digest, the policy hash or the
/// signer's digest (two signers may sign one text).
type Named = (&'static str, String);

/// What a decision was made from, besides the evidence.
#[derive(Clone, Debug, Default)]
pub(crate) struct Materials<'a> {
    /// What the record names as its collateral: a set of Intel's, or certificates and lists of AMD's.
    pub(crate) endorsements: Option<Judged<'a>>,
    /// The text of the policy that the record names.
    pub(crate) policy: Option<&'a str>,
    /// JWK of who signed that policy.
    pub(crate) policy_signer: Option<&'a Value>,
}

/// Endorsements that judged, before they are written out: most are in the store already.
#[derive(Clone, Debug)]
pub(crate) enum Judged<'a> {
    Intel(Arc<RawCollateral>),
    /// With the name of a PCK certificate that did not come with the quote.
    IntelWithPck([u8; 32], Option<Arc<RawCollateral>>),
    Amd(&'a AmdEndorsements),
}

impl Judged<'_> {
    fn to_raw(&self) -> RawEndorsements {
        match self {
            Self::Intel(raw) => RawEndorsements::Intel(Arc::clone(raw)),
            Self::IntelWithPck(pck, raw) => RawEndorsements::IntelWithPck(RawIntelWithPck {
                pck_sha256: hex::encode(pck),
                collateral: raw.clone(),
            }),
            Self::Amd(amd) => RawEndorsements::Amd(amd.to_raw()),
        }
    }
}

impl Materials<'_> {
    /// Each document with its name; the bytes are made only for those that are not stored yet.
    fn documents(&self, record: &DecisionRecord) -> Vec<(Named, Document<'_>)> {
        let mut documents = Vec::with_capacity(2);
        if let (Some(judged), Some(name)) = (&self.endorsements, &record.collateral) {
            documents.push((("collateral", name.clone()), Document::Endorsements(judged)));
        }
        if let (Some(text), Some(name)) = (self.policy, &record.policy_hash) {
            documents.push((("policy", name.clone()), Document::Text(text.into())));
            if let Some(signer) = self.policy_signer {
                let text = assay_json::to_canonical(signer);
                let name = Digest::of(text.as_bytes()).to_string();
                documents.push(((SIGNER, name), Document::Text(text.into())));
            }
        }
        documents
    }
}

/// A document that a decision was made from.
enum Document<'a> {
    Endorsements(&'a Judged<'a>),
    Text(Cow<'a, str>),
}

impl Document<'_> {
    fn bytes(&self) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Endorsements(judged) => serde_json::to_vec(&judged.to_raw()).map_err(|_| NOT_WRITABLE),
            Self::Text(text) => Ok(text.as_bytes().to_vec()),
        }
    }
}

/// What has no JSON form is not recorded, and so not answered.
const NOT_WRITABLE: StoreError =
    StoreError::InvalidChange { rule: "a decision and its documents have a JSON form" };

/// An [`Envelope`] on its way out.
#[derive(Serialize)]
struct EnvelopeRef<'a> {
    blobs: BTreeMap<&'static str, String>,
    format: u32,
    record: &'a DecisionRecord,
}

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// Digests of the documents beside the record, by their kind: `collateral`, `policy`, `policy-signer`.
    pub blobs: BTreeMap<String, String>,
    /// The layout of this envelope.
    pub format: u32,
    /// The decision.
    pub record: DecisionRecord,
}

/// Why the log cannot be read or written out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The store.
    #[error("{0}")]
    Store(StoreError),
    /// The identifier is not one.
    #[error("the text `{id}` is not the id of a decision: 32 hexadecimal digits")]
    Id {
        /// What was given, shortened.
        id: String,
    },
    /// There is no such decision.
    #[error("there is no decision `{id}`")]
    Unknown {
        /// The id.
        id: String,
    },
    /// The record is not a decision, or not one this release knows.
    #[error("the record `{id}` cannot be read: {problem}")]
    Unreadable {
        /// The id.
        id: String,
        /// What is wrong.
        problem: String,
    },
    /// A file cannot be written.
    #[error("{0}")]
    File(FileError),
}

impl From<StoreError> for AuditError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The chain of a provider's decisions.
///
/// # Errors
/// `invalid-name`.
pub fn decision_chain(provider: &str) -> Result<ChainName, StoreError> {
    ChainName::join(&["decisions", provider])
}

impl Audit {
    pub(crate) fn new(store: Arc<dyn Store>, durable: bool, counters: Arc<Counters>) -> Self {
        Self { store, durable, counters, known: Arc::default() }
    }

    /// Appends a decision. When decisions are durable this waits until it is on disk, together with others of the same
    /// moment; else only until it is handed in.
    ///
    /// # Errors
    /// The decision is not recorded: it must not be answered.
    pub(crate) async fn append(
        &self,
        record: &DecisionRecord,
        materials: Materials<'_>,
    ) -> Result<(), StoreError> {
        let written = self.try_append(record, materials).await;
        let counter = if written.is_ok() { &self.counters.records } else { &self.counters.record_failures };
        counter.increment();
        written
    }

    async fn try_append(&self, record: &DecisionRecord, materials: Materials<'_>) -> Result<(), StoreError> {
        let id: RecordId = record.id.parse()?;
        let mut change = Change::new(ChangeId::from_bytes(*id.as_bytes()));
        let mut blobs = BTreeMap::new();
        let mut news = Vec::new();
        for (name, document) in materials.documents(record) {
            let digest = match self.stored(&name) {
                Some(digest) => digest,
                None => {
                    let digest = change.put_blob(document.bytes()?);
                    news.push((name.clone(), digest));
                    digest
                }
            };
            blobs.insert(name.0, digest.to_string());
        }
        let body =
            serde_json::to_vec(&EnvelopeRef { blobs, format: FORMAT, record }).map_err(|_| NOT_WRITABLE)?;
        change.records.push(NewRecord {
            chain: decision_chain(&record.provider)?,
            id,
            time: u64::try_from(record.time).unwrap_or(0),
            body,
        });
        self.finish(self.store.submit(change)?, news).await
    }

    async fn finish(&self, receipt: Receipt, news: Vec<(Named, Digest)>) -> Result<(), StoreError> {
        if self.durable {
            receipt.await?;
            self.keep(news);
            return Ok(());
        }
        let audit = self.clone();
        tokio::spawn(async move {
            match receipt.await {
                Ok(_) => audit.keep(news),
                Err(error) => {
                    audit.counters.record_failures.increment();
                    tracing::error!(%error, cause = error.cause(), "a decision was not recorded");
                }
            }
        });
        Ok(())
    }

    /// A document counts as stored only once it is: until then others send it along, too.
    fn keep(&self, news: Vec<(Named, Digest)>) {
        if news.is_empty() {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.extend(news);
    }

    fn stored(&self, name: &Named) -> Option<Digest> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }
}

/// A chain and what came of checking it.
pub type CheckedChain = (ChainName, Result<VerifiedChain, StoreError>);

/// Checks every chain of the store: decisions and administration.
///
/// # Errors
/// Only if the list of chains cannot be read; what is wrong with a chain stands beside its name.
pub fn verify(store: &dyn Store) -> Result<Vec<CheckedChain>, StoreError> {
    let mut checked = Vec::new();
    let mut after = None;
    loop {
        let page = store.chains(after.as_ref(), catalog::PAGE_MAX)?;
        for chain in page.items {
            let result = store.verify_chain(&chain, None);
            checked.push((chain, result));
        }
        after = page.next;
        if after.is_none() {
            return Ok(checked);
        }
    }
}

/// Finds a decision by the id in its record: the first half of the token's `jti`; a whole `jti` will do.
///
/// # Errors
/// [`AuditError`].
pub fn find(store: &dyn Store, id: &str) -> Result<(Record, Envelope), AuditError> {
    let malformed = || AuditError::Id { id: id.chars().take(80).collect() };
    let short = match id.len() {
        32 => id,
        64 => id.get(..32).unwrap_or_default(),
        _ => return Err(malformed()),
    };
    let record_id: RecordId = short.parse().map_err(|_| malformed())?;
    let record = store.record(&record_id)?.ok_or_else(|| AuditError::Unknown { id: short.to_owned() })?;
    let unreadable = |problem| AuditError::Unreadable { id: short.to_owned(), problem };
    let envelope: Envelope =
        serde_json::from_slice(&record.body).map_err(|error| unreadable(error.to_string()))?;
    if envelope.format != FORMAT {
        return Err(unreadable(format!("its format is {}, this release knows {FORMAT}", envelope.format)));
    }
    Ok((record, envelope))
}

/// The newest decisions of a provider, newest first.
///
/// # Errors
/// [`AuditError`].
pub fn latest(
    store: &dyn Store,
    provider: &str,
    limit: usize,
) -> Result<Vec<(Record, Envelope)>, AuditError> {
    let chain = decision_chain(provider)?;
    let Some(tip) = store.chain_tip(&chain)? else { return Ok(Vec::new()) };
    let limit = limit.clamp(1, catalog::PAGE_MAX);
    let back = u64::try_from(limit).unwrap_or(1).saturating_sub(1);
    let mut records = store.records(&chain, tip.sequence.saturating_sub(back).max(1), limit)?;
    records.reverse();
    let read = |record: Record| {
        let problem = |error: serde_json::Error| AuditError::Unreadable {
            id: record.id.to_string(),
            problem: error.to_string(),
        };
        let envelope = serde_json::from_slice(&record.body).map_err(problem)?;
        Ok((record, envelope))
    };
    records.into_iter().map(read).collect()
}

/// The documents beside a record: their kinds, and the files they are exported to.
pub const EXPORTED: [(&str, &str); 3] =
    [("collateral", "collateral.json"), ("policy", "policy.txt"), (SIGNER, "policy-signer.json")];

/// Writes a decision and what it was made from into a folder: `record.json`, `chain.json` (where it stands in its chain),
/// `collateral.json`, `policy.txt` and, if it was signed, `policy-signer.json`. A new folder and all files are for their
/// owner alone. Gives the files.
///
/// # Errors
/// [`AuditError`].
pub fn export(store: &dyn Store, id: &str, out: &Path) -> Result<Vec<PathBuf>, AuditError> {
    let (record, envelope) = find(store, id)?;
    // Decisions name platforms and tenants: for their owner alone, like the store they come from.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(out);
    made.map_err(|error| AuditError::File(FileError::io(out, "made", &error)))?;
    let place = json!({
        "chain": record.chain.as_str(),
        "sequence": record.sequence,
        "id": record.id.to_string(),
        "time": record.time,
        "prev": record.prev.to_string(),
        "hash": record.hash.to_string(),
        // The exact bytes that the hash covers.
        "body": String::from_utf8_lossy(&record.body),
    });
    let mut files = vec![
        (out.join("record.json"), envelope.record.to_canonical_json().into_bytes()),
        (out.join("chain.json"), assay_json::to_canonical(&place).into_bytes()),
    ];
    for (kind, name) in EXPORTED {
        let Some(digest) = envelope.blobs.get(kind) else { continue };
        let missing = || StoreError::NotFound { what: "document", name: digest.clone() };
        let bytes = store.blob(&digest.parse()?)?.ok_or_else(missing)?;
        files.push((out.join(name), bytes));
    }
    for (path, content) in &files {
        files::write_private(path, content).map_err(AuditError::File)?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}
