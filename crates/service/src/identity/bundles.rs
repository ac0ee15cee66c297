//! Bundles out of a running service and into it.
//!
//! Out goes what vendors signed, unsigned by anybody else: whoever fetches it verifies it and signs with a key of his own,
//! so that this service signs nothing for others. In comes what the pinned signer signed, with a sequence that only rises;
//! each entry is verified here like an answer of an upstream, and durable before the import is acknowledged.

use std::sync::Arc;

use assay_collateral::CollateralFolder;
use assay_collateral::bundle::{
    Bundle, BundleError, DocumentEntry, Entries, EntryError, Examination, Import, MAX_PLATFORMS, MAX_VEKS,
    PlatformEntry, RefusedEntry, Terms,
};
use assay_collateral::pck::PlatformId;
use assay_collateral::shelf::Shelf;
use assay_collateral::subject::{Selection, Subject, Track};
use assay_collateral::upstream::RawPcks;
use assay_store::StoreError;
use assay_verify::UnixTime;

use super::HardwareIdentity;
use super::library::TakeError;
use super::platforms::BringError;
use crate::bundle::{PinnedSigner, Report, Sequences, SignedBundleError, Taken, open};

/// Where documents come from that a bundle brought, in explanations.
const SOURCE: &str = "bundle";

/// Everything that a bundle could carry, as the content of one.
///
/// Platforms are in it only if they are asked for: their ids leave the service with it.
///
/// # Errors
/// [`SignedBundleError::Content`] where there is more than a bundle carries, and [`SignedBundleError::Store`].
pub(super) async fn content(
    identity: &HardwareIdentity,
    folder: Arc<CollateralFolder>,
    with_platforms: bool,
) -> Result<String, SignedBundleError> {
    let (veks, platforms) = (Arc::clone(&identity.veks), Arc::clone(&identity.platforms));
    let (shelf, now) = (Arc::clone(&identity.library.shelf()), identity.now());
    let gather = move || {
        let mut entries = documents(&shelf, now);
        entries.veks.extend(folder.veks().iter().map(|held| held.der.to_vec()));
        veks.for_each(|der| push(&mut entries.veks, der.to_vec(), MAX_VEKS))?;
        if with_platforms {
            platforms.for_each_raw(|id, RawPcks { certificates: pcks, chain, .. }| {
                push(&mut entries.platforms, PlatformEntry { id, pcks, chain }, MAX_PLATFORMS);
            })?;
        }
        let bundle = Bundle { issuer: String::new(), sequence: 0, created: now, entries };
        bundle.write().map_err(SignedBundleError::from)
    };
    tokio::task::spawn_blocking(gather).await.unwrap_or_else(|_| Err(interrupted()))
}

/// What is valid now. Nobody could use the rest.
fn documents(shelf: &Shelf, now: UnixTime) -> Entries {
    let mut entries = Entries::of_shelf(shelf);
    entries.documents.retain(|entry| {
        let by_number = entry.number.map_or_else(Selection::default, Selection::Number);
        let held = entry.subject().and_then(|subject| shelf.get(subject, by_number));
        held.is_some_and(|held| held.document.check_dates(now).is_ok())
    });
    entries
}

/// One more than there may be says that there are too many, without keeping them all.
fn push<T>(list: &mut Vec<T>, item: T, limit: usize) {
    if list.len() <= limit {
        list.push(item);
    }
}

/// Takes a bundle in. What is refused of it is named; the rest is taken. An import that was cut off is sent again: the
/// sequence counts as taken only after everything else is durable.
///
/// # Errors
/// [`SignedBundleError`]: nothing is acknowledged; of an import that broke off in the store, entries may have been taken.
pub(super) async fn import(
    identity: &HardwareIdentity,
    signer: &PinnedSigner,
    sequences: &Sequences,
    file: Arc<str>,
) -> Result<Report, SignedBundleError> {
    // Two at once would need the memory of two.
    let _one_at_a_time = identity.importing.lock().await;
    let (bundle, mut import, error) = examine(identity, signer, sequences, Arc::clone(&file)).await?;
    if error.is_some() {
        // Which entries were refused, and why, says more than that nothing was taken.
        return Ok(Report::of(&bundle, signer.name(), &import, identity.now()).with_error(error));
    }
    let mut refused = Vec::new();
    for entry in order(&bundle.entries.documents) {
        if import.taken.iter().any(|taken| taken.path == entry.label()) {
            refused.extend(take(identity, entry).await?);
        }
    }
    keep_veks(identity, &mut import).await?;
    for (id, set) in std::mem::take(&mut import.platforms) {
        let entry = bundle.entries.platforms.iter().find(|entry| entry.id == id);
        // It was verified, and nothing else than that is brought.
        let pcks = set.certificates().iter().map(|pck| pck.pem.to_string()).collect();
        refused.extend(bring(identity, id, pcks, entry).await?);
    }
    import.taken.retain(|taken| refused.iter().all(|entry| entry.path != taken.path));
    import.refused.extend(refused);
    remember(signer, sequences, Taken::of(bundle.sequence, &file)).await?;
    tracing::info!(
        sequence = bundle.sequence,
        taken = import.taken.len(),
        refused = import.refused.len(),
        "a bundle was taken in"
    );
    Ok(Report::of(&bundle, signer.name(), &import, identity.now()).taken())
}

/// Signature, order, and what of it could be taken beside what is held.
async fn examine(
    identity: &HardwareIdentity,
    signer: &PinnedSigner,
    sequences: &Sequences,
    file: Arc<str>,
) -> Result<(Bundle, Import, Option<BundleError>), SignedBundleError> {
    let (signer, sequences, now) = (signer.clone(), sequences.clone(), identity.now());
    let (library, cache) = (Arc::clone(&identity.library), Arc::clone(&identity.cache));
    let work = move || {
        let last = sequences.last(&signer)?.map(|last| last.sequence);
        let bundle = open(&file, &signer, last, now)?;
        let trust = library.trust();
        let terms = Terms { anchors: &trust.anchors, cache: &cache, now, source: SOURCE };
        let examination = Examination::new(&bundle.entries, &library.shelf(), &terms);
        let import = examination.import().clone();
        Ok((bundle, import, examination.accept().err()))
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(interrupted()))
}

/// Lists first: they decide about the rest. Lower evaluations before higher ones, so that tracks only rise.
fn order(documents: &[DocumentEntry]) -> Vec<&DocumentEntry> {
    let mut ordered: Vec<&DocumentEntry> = documents.iter().collect();
    ordered.sort_by_key(|entry| {
        let rank = match entry.subject() {
            Some(Subject::RootCrl) => 0,
            Some(Subject::PckCrl(_) | Subject::AmdCrl(_)) => 1,
            _ => 2,
        };
        (rank, entry.number)
    });
    ordered
}

/// Takes a document in for each track that stands at it, else for its number.
async fn take(
    identity: &HardwareIdentity,
    entry: &DocumentEntry,
) -> Result<Vec<RefusedEntry>, SignedBundleError> {
    let Some(subject) = entry.subject() else { return Ok(Vec::new()) };
    let mut refused = Vec::new();
    let mut tracks: Vec<Option<Track>> = entry.tracks.iter().copied().map(Some).collect();
    if tracks.is_empty() {
        tracks.push(None);
    }
    for track in tracks {
        let by_number = entry.number.map_or_else(Selection::default, Selection::Number);
        let selection = track.map_or(by_number, Selection::Track);
        let error = match identity.library.take(subject, selection, entry.raw.clone(), SOURCE).await {
            Ok(_) => continue,
            Err(TakeError::Document(error)) => EntryError::Document(error),
            Err(TakeError::Backwards(error)) => match track {
                Some(track) => EntryError::Track { track, error },
                None => EntryError::Backwards(error),
            },
            Err(TakeError::Store(error)) => return Err(error.into()),
            Err(TakeError::Interrupted) => return Err(interrupted()),
        };
        refused.push(RefusedEntry { path: entry.label(), error });
    }
    // One that stands at one of its tracks is there.
    Ok(if refused.len() < entry.tracks.len() { Vec::new() } else { refused })
}

async fn keep_veks(identity: &HardwareIdentity, import: &mut Import) -> Result<(), SignedBundleError> {
    let (veks, brought) = (Arc::clone(&identity.veks), std::mem::take(&mut import.veks));
    let keep = move || brought.iter().try_for_each(|held| veks.bring(held).map(drop));
    Ok(tokio::task::spawn_blocking(keep).await.unwrap_or_else(|_| Err(lost()))?)
}

async fn bring(
    identity: &HardwareIdentity,
    id: PlatformId,
    certificates: Vec<String>,
    entry: Option<&PlatformEntry>,
) -> Result<Option<RefusedEntry>, SignedBundleError> {
    let Some(entry) = entry else { return Ok(None) };
    match identity
        .platforms
        .bring(
            id,
            RawPcks {
                certificates,
                chain: entry.chain.clone(),
                incomplete: false,
                // A bundle does not say whether they came one by one; for one that is no list Intel is asked.
                is_list: false,
            },
        )
        .await
    {
        Ok(()) => Ok(None),
        Err(BringError::Pck(error)) => Ok(Some(RefusedEntry { path: entry.label(), error: error.into() })),
        Err(BringError::Store(error)) => Err(error.into()),
    }
}

async fn remember(
    signer: &PinnedSigner,
    sequences: &Sequences,
    taken: Taken,
) -> Result<(), SignedBundleError> {
    let (signer, sequences) = (signer.clone(), sequences.clone());
    let advance = tokio::task::spawn_blocking(move || sequences.advance(&signer, taken));
    advance.await.unwrap_or_else(|_| Err(interrupted()))
}

fn interrupted() -> SignedBundleError {
    lost().into()
}

fn lost() -> StoreError {
    StoreError::Io { cause: "the work was interrupted".to_owned() }
}
