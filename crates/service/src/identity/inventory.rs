//! What is held and what is missing, for those who run the service.

use std::collections::BTreeSet;
use std::sync::Arc;

use assay_collateral::document::Document;
use assay_collateral::shelf;
use assay_collateral::state::State;
use assay_collateral::subject::{Selection, Subject, Track};
use assay_verify::UnixTime;

use super::HardwareIdentity;
use super::library::Library;
use super::options::Mode;

/// A document that is held, as it is listed.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) subject: Subject,
    pub(crate) tracks: Vec<Track>,
    pub(crate) state: State,
    pub(crate) document: Arc<Document>,
    pub(crate) checked: UnixTime,
    pub(crate) source: Arc<str>,
}

/// A document that should be held and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) subject: Subject,
    /// The version, where there are several.
    pub(crate) selection: Option<Selection>,
    /// A stable code: why it should be there, or why it did not come.
    pub(crate) reason: String,
}

impl Held {
    /// Whether anybody gets it who names no version, or evidence is judged by it: what is not is an earlier evaluation.
    pub(crate) fn is_in_use(&self, in_use: &[Selection]) -> bool {
        let number = self.document.evaluation_number.map(Selection::Number);
        !self.subject.is_numbered()
            || !self.tracks.is_empty()
            || number.is_some_and(|number| in_use.contains(&number))
    }
}

impl Library {
    /// Everything that is held, with its state now.
    pub(crate) fn inventory(&self) -> Vec<Held> {
        let (shelf, now) = (self.shelf(), self.now());
        let entry = |(subject, tracks, held): (Subject, Vec<Track>, &shelf::Held)| Held {
            subject,
            tracks,
            state: State::of(Some((&held.document, held.checked)), now, &self.options().schedule),
            document: Arc::clone(&held.document),
            checked: held.checked,
            source: Arc::clone(&held.source),
        };
        shelf.iter().map(entry).collect()
    }
}

impl HardwareIdentity {
    /// What counts now, still, or next, for the fleet and for each provider that has pins of its own.
    pub(crate) fn selections_in_use(&self) -> Vec<Selection> {
        let (baselines, now) = (self.baselines(), self.now());
        let (pins, mut selections) = (baselines.pins(), Vec::new());
        let providers: BTreeSet<Option<&str>> =
            pins.all().iter().map(|pin| pin.provider.as_deref()).chain([None]).collect();
        for provider in providers {
            let effective = baselines.effective(provider, now);
            let later =
                [effective.also, effective.next].into_iter().flatten().map(|(selection, _)| selection);
            selections.extend(std::iter::once(effective.counts).chain(later));
        }
        selections.sort_by_key(|selection| match selection {
            Selection::Track(_) => 0,
            Selection::Number(number) => *number,
        });
        selections.dedup();
        selections
    }

    /// What was asked for and did not come, and what the pins want that is not held. Where strangers' questions lead to no
    /// upstream, also what the standard track lacks of families that are known: nobody else would ask for it.
    pub(crate) fn missing(&self, in_use: &[Selection]) -> Vec<Missing> {
        let shelf = self.library.shelf();
        let mut missing: Vec<Missing> = Vec::new();
        for ((subject, selection), failure) in self.library.failed() {
            if shelf.get(subject, selection).is_none() {
                let selection = Some(selection).filter(|_| subject.is_numbered());
                missing.push(Missing { subject, selection, reason: failure.code });
            }
        }
        let wanted = in_use.iter().filter(|selection| {
            matches!(selection, Selection::Number(_)) || self.library.options().mode != Mode::Lazy
        });
        for selection in wanted {
            // Of the old form there are archives alone.
            let numbered =
                |subject: &Subject| subject.is_numbered() && !matches!(subject, Subject::TcbInfoV2 { .. });
            let mut subjects: Vec<Subject> =
                shelf.iter().map(|(subject, ..)| subject).filter(numbered).collect();
            subjects.dedup();
            let lacks = |subject: &Subject| {
                shelf.get(*subject, *selection).is_none()
                    && !missing.iter().any(|one| one.subject == *subject && one.selection == Some(*selection))
            };
            let lacking: Vec<Subject> = subjects.into_iter().filter(lacks).collect();
            missing.extend(lacking.into_iter().map(|subject| Missing {
                subject,
                selection: Some(*selection),
                reason: "counts-and-is-not-held".to_owned(),
            }));
        }
        missing.sort_by_key(|one| one.subject);
        missing
    }
}
