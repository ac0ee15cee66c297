//! The library of vendors' documents: what is held, what is asked of upstreams, and what may be given out.
//!
//! A document is given out only after it was verified and is durable. Readers take an immutable shelf and never wait for
//! a refresh; a miss waits for upstream, together with everybody else who asks for the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use assay_collateral::document::{self, CLIENT_WARNING, Document, DocumentError, RawDocument};
use assay_collateral::filed::Filed;
use assay_collateral::shelf::{self, Backwards, Placed, Shelf};
use assay_collateral::state::State;
use assay_collateral::subject::{Selection, Subject, Track};
use assay_collateral::upstream::{Fetched, Wanted};
use assay_store::{ChangeMark, Revision, Store, StoreError};
use assay_verify::UnixTime;
use assay_verify::cache::ChainCache;
use assay_verify::intel::single::Tee;

pub use super::options::{LibraryOptions, Mode};
pub(super) use super::outcome::not_served;
pub use super::outcome::{Failure, NotServed, TakeError};
use super::persist::{Archive, Stored};
use crate::clock::Clock;
use crate::flight::Flights;
use crate::trust::{Trust, TrustHolder};
use crate::upstream::{Asker, Chain, Standing};

/// The source of what the operator's files have.
const FILES: &str = "files";
/// After a failure upstream is left alone for so many seconds, for the same document.
pub(super) const RETRY_AFTER: i64 = 60;
/// Whoever wins against us this often writes faster than we can read.
const ATTEMPTS: usize = 4;
/// Documents that are asked for at once.
pub(super) const MOST_UNDER_WAY: usize = 256;
/// Failures that are remembered: as many as there can be subjects in use.
const MAX_FAILURES: usize = 4096;

/// A document that may be given out.
#[derive(Clone, Debug)]
pub struct Served {
    /// The document.
    pub document: Arc<Document>,
    /// How current it is.
    pub state: State,
}

/// Everything of the vendors' that is held.
pub struct Library {
    shelf: ArcSwap<Shelf>,
    archive: Archive,
    upstream: Arc<Chain>,
    trust: Arc<TrustHolder>,
    cache: Arc<ChainCache>,
    clock: Clock,
    options: LibraryOptions,
    /// One change at a time; what was read of the store.
    writing: Mutex<Seen>,
    flights: Flights<(Subject, Selection, Standing), Result<Served, NotServed>>,
    failures: Mutex<HashMap<(Subject, Selection), Failure>>,
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library").field("options", &self.options).finish_non_exhaustive()
    }
}

/// What was read of the store.
#[derive(Debug, Default)]
struct Seen {
    mark: ChangeMark,
    revisions: HashMap<String, Revision>,
}

/// What a library is built on.
#[derive(Clone)]
pub(crate) struct Foundation {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) upstream: Arc<Chain>,
    pub(crate) trust: Arc<TrustHolder>,
    pub(crate) cache: Arc<ChainCache>,
    pub(crate) clock: Clock,
}

impl Library {
    pub(crate) fn new(foundation: Foundation, options: LibraryOptions) -> Self {
        let Foundation { store, upstream, trust, cache, clock } = foundation;
        Self {
            shelf: ArcSwap::default(),
            archive: Archive::new(store),
            upstream,
            trust,
            cache,
            clock,
            options,
            writing: Mutex::default(),
            flights: Flights::default(),
            failures: Mutex::default(),
        }
    }

    /// How it behaves.
    pub const fn options(&self) -> &LibraryOptions {
        &self.options
    }

    /// What is held.
    pub fn shelf(&self) -> Guard<Arc<Shelf>> {
        self.shelf.load()
    }

    /// The last failure of asking for this.
    pub fn failure(&self, subject: Subject, selection: Selection) -> Option<Failure> {
        lock(&self.failures).get(&(subject, selection)).cloned()
    }

    /// Every failure that was not made good.
    pub fn failures(&self) -> Vec<(Subject, Failure)> {
        self.failed().into_iter().map(|((subject, _), failure)| (subject, failure)).collect()
    }

    /// The same, with the version that was asked for.
    pub(super) fn failed(&self) -> Vec<((Subject, Selection), Failure)> {
        lock(&self.failures).iter().map(|(asked, failure)| (*asked, failure.clone())).collect()
    }

    /// Reads what the store has and this process does not know yet; whether anything in the store changed. Blocks.
    ///
    /// # Errors
    /// The store cannot be read; then everything stays as it is.
    pub fn load(&self) -> Result<bool, StoreError> {
        self.load_into(&mut lock(&self.writing))
    }

    fn load_into(&self, seen: &mut Seen) -> Result<bool, StoreError> {
        let Some(news) = self.archive.changes_since(seen.mark)? else { return Ok(false) };
        let mut heads = self.archive.documents()?;
        heads.retain(|head| seen.revisions.get(head.name.as_str()) != Some(&head.revision));
        let mut shelf = Shelf::clone(&self.shelf.load());
        // The root's list first: it decides about the others.
        heads.sort_by_key(|head| !head.name.as_str().contains("/root-crl/"));
        for head in heads {
            match self.archive.read(&head)? {
                Some(stored) => self.restore(&mut shelf, &stored),
                None => tracing::warn!(name = %head.name, "a stored document cannot be read"),
            }
            seen.revisions.insert(head.name.as_str().to_owned(), head.revision);
        }
        report_dropped(&shelf.drop_revoked());
        self.shelf.store(Arc::new(shelf));
        seen.mark = news;
        Ok(true)
    }

    fn restore(&self, shelf: &mut Shelf, stored: &Stored) {
        let subject = stored.subject;
        let document = match self.verify(subject, &stored.raw, shelf) {
            Ok(document) => Arc::new(document),
            Err(error) => {
                return tracing::warn!(%subject, code = error.code(), "a stored document is not used");
            }
        };
        let number = Selection::Number(document.evaluation_number.unwrap_or(0));
        let tracks = stored.tracks.iter().map(|track| Selection::Track(*track));
        for selection in tracks.chain([number]) {
            let held = shelf::Held {
                document: Arc::clone(&document),
                checked: stored.checked,
                source: Arc::clone(&stored.source),
            };
            match shelf.put(held, selection) {
                // The track has moved on since this one was written.
                Ok(_) | Err(Backwards::LowerNumber { .. }) => {}
                Err(error) => tracing::warn!(%subject, code = error.code(), "a stored document is not used"),
            }
        }
    }

    fn verify(&self, subject: Subject, raw: &RawDocument, shelf: &Shelf) -> Result<Document, DocumentError> {
        let trust = self.trust.current();
        let list = shelf.get(Subject::RootCrl, Selection::default()).map(|held| Arc::clone(&held.document));
        let root_crl = list.as_ref().and_then(|document| document.crl());
        Document::verify(
            subject,
            raw,
            &document::Trust { anchors: &trust.anchors, cache: &self.cache, root_crl },
        )
    }

    /// A document, from the shelf or from upstream.
    ///
    /// # Errors
    /// [`NotServed`].
    pub async fn document(
        self: &Arc<Self>,
        subject: Subject,
        selection: Selection,
        asker: Asker,
    ) -> Result<Served, NotServed> {
        let held = self.held(subject, selection);
        match &held {
            Some(served) if served.state < State::Expired => return Ok(served.clone()),
            None if !self.may_ask(subject) => return Err(NotServed::NotHeld),
            _ => {}
        }
        let fetched = match self.options.mode {
            Mode::Offline => Err(NotServed::NotHeld),
            _ => self.fetch(subject, selection, asker).await,
        };
        match (fetched, held) {
            (Ok(served), _) => Ok(served),
            (Err(_), Some(served)) if self.options.serve_expired => Ok(served),
            (Err(NotServed::Gone), Some(_)) => Err(NotServed::Gone),
            (Err(_), Some(served)) => Err(NotServed::Expired { expired: served.document.expires }),
            (Err(error), None) => Err(error),
        }
    }

    /// The newest version of a document that is held and valid at least by its signature: what archives are for.
    pub(crate) fn archived(&self, subject: Subject) -> Option<Served> {
        let shelf = self.shelf.load();
        let held = shelf.versions(subject).last()?;
        let state = State::of(Some((&held.document, held.checked)), self.clock.now(), &self.options.schedule);
        Some(Served { document: Arc::clone(&held.document), state })
    }

    /// A version that is held, expired or not, if the archive has it: for who named its number himself, and for nobody else.
    pub(super) fn kept(&self, subject: Subject, selection: Selection) -> Option<Served> {
        self.held(subject, selection).filter(|_| self.is_archived(subject, selection))
    }

    /// Whether a version is one of the earlier evaluations that the operator keeps.
    pub(crate) fn is_archived(&self, subject: Subject, selection: Selection) -> bool {
        let Selection::Number(number) = selection else { return false };
        let behind = self.shelf.load().behind(subject, number);
        behind.is_some_and(|behind| behind > 0 && behind <= self.options.archive_evaluations)
    }

    /// Whether strangers' questions for what is not held lead to upstream. Where platforms register, their verifiers need
    /// the documents of their families, and those that all families share.
    fn may_ask(&self, subject: Subject) -> bool {
        match (self.options.mode, subject) {
            (Mode::Lazy, _) => true,
            (Mode::Offline, _) => false,
            (Mode::Registration, Subject::TcbInfo { fmspc, .. } | Subject::TcbInfoV2 { fmspc }) => {
                let known = Subject::TcbInfo { tee: Tee::Sgx, fmspc };
                self.held(known, Selection::default()).is_some()
            }
            (Mode::Registration, _) => true,
        }
    }

    /// What the shelf has, whatever its state.
    pub fn held(&self, subject: Subject, selection: Selection) -> Option<Served> {
        let shelf = self.shelf.load();
        let held = shelf.get(subject, selection)?;
        let state = State::of(Some((&held.document, held.checked)), self.clock.now(), &self.options.schedule);
        Some(Served { document: Arc::clone(&held.document), state })
    }

    /// Has a document brought for a platform that registered, also where strangers' questions lead to no upstream.
    pub(crate) async fn bring(self: &Arc<Self>, subject: Subject, selection: Selection) {
        if self.options.mode != Mode::Offline {
            // What failed is in the log and in the list of failures.
            let _ = self.fetch(subject, selection, Asker::Own).await;
        }
    }

    /// Asks upstream, once for all who ask at the same time.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        subject: Subject,
        selection: Selection,
        asker: Asker,
    ) -> Result<Served, NotServed> {
        // What goes wrong for strangers keeps the service itself from nothing.
        if asker.is_stranger()
            && let Some(failure) = self.failure(subject, selection)
            && self.clock.now().0.saturating_sub(failure.at.0) < RETRY_AFTER
        {
            return Err(NotServed::Passing { code: "upstream-failed-just-now" });
        }
        let library = Arc::clone(self);
        let work = || async move { library.fetch_now(subject, selection, asker).await };
        let Some(waiter) = self.flights.join((subject, selection, asker.standing()), MOST_UNDER_WAY, work)
        else {
            return Err(NotServed::Passing { code: "too-many-questions" });
        };
        waiter.wait().await.unwrap_or(Err(NotServed::Passing { code: "interrupted" }))
    }

    async fn fetch_now(
        self: Arc<Self>,
        subject: Subject,
        selection: Selection,
        asker: Asker,
    ) -> Result<Served, NotServed> {
        // The list of the root decides whether other documents count.
        let has_root = self.held(Subject::RootCrl, Selection::default()).is_some();
        if needs_root_list(subject) && !has_root {
            let _ = Box::pin(self.ask(Subject::RootCrl, Selection::default(), asker)).await;
        }
        let result = self.ask(subject, selection, asker).await;
        let mut failures = lock(&self.failures);
        match &result {
            Ok(_) => drop(failures.remove(&(subject, selection))),
            // That the vendor does not know a family is no failure.
            Err(NotServed::Unknown | NotServed::Gone) => {}
            // Nobody was asked, so nothing failed.
            Err(NotServed::Passing { code: "upstream-not-asked" }) => {}
            Err(error) if make_room(&mut failures, self.clock.now()) => {
                let failure = Failure { at: self.clock.now(), code: error.code() };
                failures.insert((subject, selection), failure);
            }
            Err(_) => {}
        }
        result
    }

    async fn ask(
        self: &Arc<Self>,
        subject: Subject,
        selection: Selection,
        asker: Asker,
    ) -> Result<Served, NotServed> {
        if self.upstream.is_empty() {
            return Err(NotServed::NotHeld);
        }
        let mut refused = None;
        let accept = |source: &str, fetched| {
            let Fetched::Document(raw) = fetched else { return Err("other-kind".to_owned()) };
            match self.place(subject, selection, &raw, source.into()) {
                Ok(_) => Ok(raw),
                Err(error) => {
                    tracing::warn!(%subject, source, code = error.code(), %error, "a document was refused");
                    refused = Some(error.code());
                    Err(error.code())
                }
            }
        };
        let found = self.upstream.ask(&Wanted::Document(subject, selection), asker, accept).await;
        let found = found.map_err(|failures| {
            let error = refused.map_or_else(|| not_served(&failures), |code| NotServed::Refused { code });
            match error {
                // Anybody can ask for what does not exist.
                NotServed::Unknown => tracing::debug!(%subject, %failures, "no upstream knows a document"),
                _ => tracing::warn!(%subject, %failures, "no upstream gave a document"),
            }
            error
        })?;
        let taken = self.take(subject, selection, found.value, &found.source).await;
        taken.map_err(|error| {
            tracing::error!(%subject, %error, "a document was not kept");
            NotServed::Passing { code: "store" }
        })
    }

    fn valid(&self, subject: Subject, raw: &RawDocument, shelf: &Shelf) -> Result<Document, TakeError> {
        let document = self.verify(subject, raw, shelf).map_err(TakeError::Document)?;
        // Archives of the old form are of documents that Intel stopped to issue: they are given out as what they are.
        match (document.check_dates(self.clock.now()), subject) {
            (Err(DocumentError::Expired { .. }), Subject::TcbInfoV2 { .. }) | (Ok(()), _) => Ok(document),
            (Err(error), _) => Err(TakeError::Document(error)),
        }
    }

    /// The shelf as it would be with this document, and the document.
    fn place(
        &self,
        subject: Subject,
        selection: Selection,
        raw: &RawDocument,
        source: Arc<str>,
    ) -> Result<(Shelf, shelf::Held, Placed), TakeError> {
        let now = self.clock.now();
        let mut shelf = Shelf::clone(&self.shelf.load());
        let document = self.valid(subject, raw, &shelf)?;
        if let (Selection::Number(wanted), Some(found)) = (selection, document.evaluation_number)
            && wanted != found
        {
            return Err(TakeError::Document(DocumentError::OtherNumber { wanted, found }));
        }
        let held = shelf::Held { document: Arc::new(document), checked: now, source };
        let placed = shelf.put(held.clone(), selection).map_err(TakeError::Backwards)?;
        Ok((shelf, held, placed))
    }

    /// Verifies a document, makes it durable, and only then puts it on the shelf.
    ///
    /// # Errors
    /// [`TakeError`]; then everything is as it was.
    pub async fn take(
        self: &Arc<Self>,
        subject: Subject,
        selection: Selection,
        raw: RawDocument,
        source: &str,
    ) -> Result<Served, TakeError> {
        let (library, source) = (Arc::clone(self), Arc::from(source));
        let work = move || library.take_blocking(subject, selection, &raw, source);
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(TakeError::Interrupted))
    }

    fn take_blocking(
        &self,
        subject: Subject,
        selection: Selection,
        raw: &RawDocument,
        source: Arc<str>,
    ) -> Result<Served, TakeError> {
        let mut seen = lock(&self.writing);
        let (mut shelf, held, placed, number) = self.write(subject, selection, raw, source, &mut seen)?;
        report_dropped(&shelf.drop_revoked());
        self.shelf.store(Arc::new(shelf));
        drop(seen);
        if raw.client_size(subject) > CLIENT_WARNING {
            let size = raw.client_size(subject);
            tracing::error!(%subject, size, "a document is close to the 65535 bytes that Intel's client takes");
        }
        if placed == Placed::New {
            let (issued, expires) = (held.document.window.from, held.document.expires);
            tracing::info!(%subject, number, %issued, %expires, source = &*held.source, "a document was taken in");
        }
        let state = State::of(Some((&held.document, held.checked)), held.checked, &self.options.schedule);
        Ok(Served { document: held.document, state })
    }

    /// The tracks that a stored document stands at. Those that a file lent it are the file's, and go with it.
    fn tracks_to_keep(
        &self,
        shelf: &Shelf,
        subject: Subject,
        number: u32,
        selection: Selection,
    ) -> Vec<Track> {
        let before = self.shelf.load();
        let is_lent = before
            .versions(subject)
            .any(|held| held.document.evaluation_number.unwrap_or(0) == number && &*held.source == FILES);
        match selection {
            Selection::Track(track) if is_lent => vec![track],
            Selection::Number(_) if is_lent => Vec::new(),
            _ => tracks_at(shelf, subject, number),
        }
    }

    /// Places a document beside what all instances have stored, and writes it. Whoever was faster is read first, so that
    /// nobody's newer document is lost.
    fn write(
        &self,
        subject: Subject,
        selection: Selection,
        raw: &RawDocument,
        source: Arc<str>,
        seen: &mut Seen,
    ) -> Result<(Shelf, shelf::Held, Placed, u32), TakeError> {
        for _ in 0..ATTEMPTS {
            self.load_into(seen).map_err(TakeError::Store)?;
            let (shelf, held, placed) = self.place(subject, selection, raw, Arc::clone(&source))?;
            let number = held.document.evaluation_number.unwrap_or(0);
            let name = Archive::name(subject, number).map_err(TakeError::Store)?;
            let expected = seen.revisions.get(name.as_str()).copied();
            match self.archive.write(
                &name,
                &held,
                &self.tracks_to_keep(&shelf, subject, number, selection),
                expected,
            ) {
                Ok(()) => return Ok((shelf, held, placed, number)),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(TakeError::Store(error)),
            }
        }
        Err(TakeError::Store(StoreError::Busy))
    }

    /// The newest date that a vendor put on anything here.
    pub(crate) fn newest_issue(&self) -> Option<UnixTime> {
        self.shelf.load().iter().map(|(_, _, held)| held.document.window.from).max()
    }

    /// Puts documents of the operator's files beside the others, at the tracks that they stand at. They are durable where
    /// they are, and verified here like any other.
    pub(crate) fn lend(&self, documents: impl IntoIterator<Item = Filed>) {
        let _one_at_a_time = lock(&self.writing);
        let mut shelf = Shelf::clone(&self.shelf.load());
        for Filed { subject, raw, tracks } in documents {
            if let Err(error) = self.lend_one(&mut shelf, subject, &raw, &tracks) {
                tracing::debug!(%subject, code = error.code(), "a document of a file is not used");
            }
        }
        report_dropped(&shelf.drop_revoked());
        self.shelf.store(Arc::new(shelf));
    }

    fn lend_one(
        &self,
        shelf: &mut Shelf,
        subject: Subject,
        raw: &RawDocument,
        tracks: &[Track],
    ) -> Result<(), TakeError> {
        let document = Arc::new(self.valid(subject, raw, shelf)?);
        let number = document.evaluation_number.map_or_else(Selection::default, Selection::Number);
        // What came from upstream stays what it is: a file does not say that it was looked for today.
        let known =
            shelf.get(subject, number).filter(|known| known.document.digest == document.digest).cloned();
        let new = || shelf::Held { document, checked: self.clock.now(), source: FILES.into() };
        let held = known.unwrap_or_else(new);
        for selection in tracks.iter().map(|track| Selection::Track(*track)).chain([number]) {
            let placed = shelf.put(held.clone(), selection).map_err(TakeError::Backwards);
            // A track that moved on elsewhere says nothing against the document.
            if !matches!(placed, Err(TakeError::Backwards(Backwards::LowerNumber { .. }))) {
                placed?;
            }
        }
        Ok(())
    }

    /// The time.
    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// Whether only folders and bundles are asked.
    pub(super) fn is_local(&self) -> bool {
        self.upstream.is_local()
    }

    /// Whether there is nobody to ask, or nobody may be.
    pub(super) fn is_silent(&self) -> bool {
        self.options.mode == Mode::Offline || self.upstream.is_empty()
    }

    /// What is believed now.
    pub(crate) fn trust(&self) -> Guard<Arc<Trust>> {
        self.trust.current()
    }
}

/// Forgets old failures where there are too many; whether there is room for one more.
fn make_room<K: Eq + std::hash::Hash>(failures: &mut HashMap<K, Failure>, now: UnixTime) -> bool {
    if failures.len() >= MAX_FAILURES {
        failures.retain(|_, failure| now.0.saturating_sub(failure.at.0) < RETRY_AFTER);
    }
    failures.len() < MAX_FAILURES
}

fn tracks_at(shelf: &Shelf, subject: Subject, number: u32) -> Vec<Track> {
    let found = shelf
        .iter()
        .find(|(other, _, held)| *other == subject && held.document.evaluation_number.unwrap_or(0) == number);
    found.map(|(_, tracks, _)| tracks).unwrap_or_default()
}

pub(super) const fn needs_root_list(subject: Subject) -> bool {
    !matches!(subject, Subject::RootCrl | Subject::AmdCrl(_))
}

fn report_dropped(dropped: &[(Subject, u32)]) {
    for (subject, number) in dropped {
        tracing::error!(%subject, number, "the root revoked the signer of a document; it is no longer given out");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
