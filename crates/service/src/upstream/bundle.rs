//! A signed bundle as an upstream: what somebody with a network collected and carried here.
//!
//! The signature and the sequence say whose collection it is and that it is not an older one; the documents in it are
//! verified by whoever asked, as those of any upstream.

use std::collections::HashMap;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use assay_collateral::bundle::{Bundle, DocumentEntry, Entries, PlatformEntry};
use assay_collateral::pck::PlatformId;
use assay_collateral::subject::{Selection, Subject};
use assay_collateral::upstream::{Answer, Fetched, RawPcks, Upstream, UpstreamError, VcekName, Wanted};
use assay_evidence::snp::{Product, SigningKey};
use assay_verify::UnixTime;
use assay_verify::snp::VekExtensions;
use bytes::Bytes;

use crate::bundle::{PinnedSigner, Sequences, SignedBundleError, Taken, open, read_file};
use crate::clock::Clock;

/// Seconds after which a file that could not be used now is looked at again. To read one takes a second.
const AGAIN: i64 = 10;
/// What a web server would say of what is not in it.
const NOT_IN_IT: UpstreamError = UpstreamError::Unknown { status: 404, detail: None };

/// A file that one signer signs.
#[derive(Debug)]
pub(super) struct SignedFile {
    name: String,
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    signer: PinnedSigner,
    sequences: Sequences,
    clock: Clock,
    seen: Mutex<Seen>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What the last look at the file found.
#[derive(Default)]
struct Seen {
    stamp: Option<Stamp>,
    /// When the same file is looked at again, where another time may find it good.
    again: Option<UnixTime>,
    /// Why the file that is there now is not the one that answers.
    refused: Option<(&'static str, String)>,
    content: Option<Arc<Index>>,
}

/// Tells whether a file is the one that was read.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Seen {
    fn knows(&self, stamp: Stamp, now: UnixTime) -> bool {
        self.stamp == Some(stamp) && self.again.is_none_or(|again| now < again)
    }

    fn problem(&self) -> Option<String> {
        let (code, problem) = self.refused.as_ref()?;
        Some(format!("the bundle is not taken ({code}): {problem}"))
    }
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        let changed = (file.ctime(), file.ctime_nsec());
        Self { device: file.dev(), inode: file.ino(), size: file.size(), changed }
    }
}

impl SignedFile {
    pub(super) fn new(
        name: String,
        path: PathBuf,
        signer: PinnedSigner,
        sequences: Sequences,
        clock: Clock,
    ) -> Self {
        let seen = Mutex::default();
        Self { name, shared: Arc::new(Shared { path, signer, sequences, clock, seen }) }
    }
}

impl Upstream for SignedFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn offers(&self, wanted: &Wanted) -> bool {
        !matches!(wanted, Wanted::Families)
    }

    /// A bundle that is not taken while the one before it still answers is worth a line.
    fn problem(&self) -> Option<String> {
        // While the file is read nobody waits to hear what was wrong with it.
        self.shared.seen.try_lock().ok()?.problem()
    }

    fn fetch<'a>(&'a self, wanted: &'a Wanted) -> Answer<'a> {
        let (shared, wanted, name) = (Arc::clone(&self.shared), wanted.clone(), self.name.clone());
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || shared.content(&name)?.find(&wanted)).await;
            read.map_err(|_| UpstreamError::Unavailable {
                problem: "the reading was interrupted".to_owned(),
            })?
        })
    }
}

impl Shared {
    /// What the file has. One that is refused does not push out the one before it, which was good.
    fn content(&self, upstream: &str) -> Result<Arc<Index>, UpstreamError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match self.path.metadata() {
            // A pipe would block.
            Ok(file) if !file.is_file() => {
                seen.refused = Some(("bundle-file", "it is not a file".to_owned()))
            }
            Ok(file) if seen.knows(Stamp::of(&file), self.clock.now()) => {}
            Ok(file) => self.look(upstream, Stamp::of(&file), &mut seen),
            Err(error) => seen.refused = Some(("bundle-file", error.to_string())),
        }
        let problem = || seen.problem().unwrap_or_else(|| "there is no bundle".to_owned());
        seen.content.clone().ok_or_else(|| UpstreamError::Unavailable { problem: problem() })
    }

    fn look(&self, upstream: &str, stamp: Stamp, seen: &mut Seen) {
        match self.read() {
            Ok((sequence, index)) => {
                tracing::info!(upstream, sequence, "a bundle was read");
                let content = Some(Arc::new(index));
                *seen = Seen { stamp: Some(stamp), again: None, refused: None, content };
            }
            Err(error) => {
                tracing::error!(upstream, code = error.code(), %error, help = error.help(), "a bundle is not taken");
                let passes = matches!(error, SignedBundleError::FromFuture { .. }) || !error.is_refusal();
                let again = UnixTime(self.clock.now().0.saturating_add(AGAIN));
                (seen.stamp, seen.again) = (Some(stamp), passes.then_some(again));
                seen.refused = Some((error.code(), error.to_string()));
            }
        }
    }

    /// Opens the file; its sequence is remembered before anything of it is given out.
    fn read(&self) -> Result<(u64, Index), SignedBundleError> {
        let file = read_file(&self.path)?;
        // The order is judged with the file's digest, as the same file is read by each start and each instance.
        let Bundle { sequence, entries, .. } = open(&file, &self.signer, None, self.clock.now())?;
        self.sequences.advance(&self.signer, Taken::of(sequence, &file))?;
        Ok((sequence, Index::new(entries)))
    }
}

/// What a bundle has, by what is asked for.
struct Index {
    documents: HashMap<(Subject, Selection), DocumentEntry>,
    veks: HashMap<VcekName, Bytes>,
    platforms: HashMap<PlatformId, PlatformEntry>,
}

impl Index {
    fn new(entries: Entries) -> Self {
        let mut documents = HashMap::new();
        for entry in entries.documents {
            let Some(subject) = entry.subject() else { continue };
            let by_number = entry.number.map_or_else(Selection::default, Selection::Number);
            documents.insert((subject, by_number), entry.clone());
            for track in &entry.tracks {
                documents.insert((subject, Selection::Track(*track)), entry.clone());
            }
        }
        let veks = entries.veks.into_iter().flat_map(|der| {
            let der = Bytes::from(der);
            names(&der).into_iter().map(move |name| (name, der.clone())).collect::<Vec<_>>()
        });
        let platforms = entries.platforms.into_iter().map(|platform| (platform.id, platform));
        Self { documents, veks: veks.collect(), platforms: platforms.collect() }
    }

    fn find(&self, wanted: &Wanted) -> Result<Fetched, UpstreamError> {
        let found = match wanted {
            Wanted::Document(subject, selection) => {
                let selection = if subject.is_numbered() { *selection } else { Selection::default() };
                let entry = self.documents.get(&(*subject, selection));
                entry.map(|entry| Fetched::Document(entry.raw.clone()))
            }
            Wanted::Vcek(name) => self.veks.get(name).cloned().map(Fetched::Vcek),
            Wanted::Pcks(asked) => self.platforms.get(&asked.id).map(|platform| {
                let PlatformEntry { pcks, chain, .. } = platform.clone();
                Fetched::Pcks(RawPcks { is_list: false, certificates: pcks, chain, incomplete: false })
            }),
            Wanted::Families | Wanted::Registration(_) => return Err(UpstreamError::NotOffered),
        };
        found.ok_or(NOT_IN_IT)
    }
}

/// What a certificate claims to be of. Nothing is verified: a false claim is found out by whoever asked.
fn names(der: &[u8]) -> Vec<VcekName> {
    let name = |product: Product| {
        let claims = VekExtensions::parse(der, product, SigningKey::Vcek).ok()?;
        let hwid = claims.chip_id()?.get(..product.chip_id_size())?.to_vec();
        Some(VcekName { product, hwid, tcb: claims.tcb })
    };
    Product::ALL.into_iter().filter_map(name).collect()
}
