//! Asking again for what is held, before it expires.

use std::collections::BTreeSet;
use std::sync::Arc;

use assay_collateral::state::State;
use assay_collateral::subject::{Selection, Subject, amd_lists};

use super::library::{Library, NotServed, needs_root_list};
use crate::upstream::Asker;

/// The code of a document that is older than the one that is held.
const OLDER: &str = "older-document";

/// How much was asked for anew, and how much of it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Asked for, or to be asked for.
    pub wanted: usize,
    /// What came.
    pub done: usize,
    /// What no upstream has any more: earlier evaluations, of which what is held is the last that there was.
    pub gone: usize,
    /// What upstream had an older one of, or, being a folder or a bundle, none, while what is held will do for long enough: there was nothing to bring.
    pub older: usize,
}

impl Refreshed {
    /// Both together.
    pub(super) const fn and(self, other: Self) -> Self {
        Self {
            wanted: self.wanted.saturating_add(other.wanted),
            done: self.done.saturating_add(other.done),
            gone: self.gone.saturating_add(other.gone),
            older: self.older.saturating_add(other.older),
        }
    }

    /// Whether all came that can be had.
    pub const fn is_whole(self) -> bool {
        self.done.saturating_add(self.gone).saturating_add(self.older) >= self.wanted
    }
}

impl Library {
    /// Asks again for whatever is due, one after the other. Gives how many were asked for.
    pub async fn refresh(self: &Arc<Self>) -> usize {
        if self.is_silent() {
            return 0;
        }
        let mut due = self.due();
        // Attestation needs them, and nobody asks for them.
        let missing = |subject: &Subject| self.held(*subject, Selection::default()).is_none();
        due.extend(amd_lists().filter(missing).map(|subject| (subject, Selection::default())));
        for (subject, selection) in &due {
            // What failed is in the log and in the list of failures.
            let _ = self.fetch(*subject, *selection, Asker::Own).await;
        }
        due.len()
    }

    /// Asks again for everything that is held, due or not, or for the TCB info of some families. Gives how many came.
    pub(crate) async fn refresh_all(self: &Arc<Self>, of: Option<&BTreeSet<[u8; 6]>>) -> Refreshed {
        let mut all = self.questions(|_| true);
        all.retain(|(subject, _)| {
            of.is_none_or(|of| subject.family().is_some_and(|fmspc| of.contains(&fmspc)))
        });
        self.ask_for(all).await
    }

    /// Asks for these, one after the other.
    pub(super) async fn ask_for(self: &Arc<Self>, questions: Vec<(Subject, Selection)>) -> Refreshed {
        if self.is_silent() {
            return Refreshed::default();
        }
        let mut refreshed = Refreshed { wanted: questions.len(), ..Refreshed::default() };
        for (subject, selection) in questions {
            match (self.fetch(subject, selection, Asker::Own).await, selection) {
                (Ok(_), _) => refreshed.done = refreshed.done.saturating_add(1),
                (Err(NotServed::Gone), Selection::Number(_)) => {
                    refreshed.gone = refreshed.gone.saturating_add(1);
                }
                (Err(NotServed::Refused { code }), _)
                    if code == OLDER && self.will_do(subject, selection) =>
                {
                    refreshed.older = refreshed.older.saturating_add(1);
                }
                // A folder or a bundle need not have everything, where what is held lasts.
                (Err(NotServed::Unknown | NotServed::NotHeld), _)
                    if self.is_local() && self.will_do(subject, selection) =>
                {
                    refreshed.older = refreshed.older.saturating_add(1);
                }
                // What failed is in the log and in the list of failures.
                (Err(_), _) => {}
            }
        }
        refreshed
    }

    fn will_do(&self, subject: Subject, selection: Selection) -> bool {
        self.held(subject, selection).is_some_and(|held| held.state < State::Stale)
    }

    /// What upstream should be asked for: lists of revoked certificates first.
    fn due(&self) -> Vec<(Subject, Selection)> {
        self.questions(State::wants_refresh)
    }

    fn questions(&self, counts: impl Fn(State) -> bool) -> Vec<(Subject, Selection)> {
        let (shelf, now) = (self.shelf(), self.now());
        let mut due: Vec<(Subject, Selection)> = Vec::new();
        for (subject, tracks, held) in shelf.iter() {
            let state = State::of(Some((&held.document, held.checked)), now, &self.options().schedule);
            if !counts(state) {
                continue;
            }
            let number = held.document.evaluation_number.map(Selection::Number);
            let of_tracks = tracks.into_iter().map(Selection::Track);
            let selections: Vec<Selection> = of_tracks.chain(number).collect();
            // One question is enough for a document; that of a track also moves the track.
            due.extend(selections.first().map(|selection| (subject, *selection)));
        }
        due.sort_by_key(|(subject, _)| (*subject != Subject::RootCrl, needs_root_list(*subject)));
        due
    }
}
