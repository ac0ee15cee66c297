//! What every kind of store must do, written against the trait. A kind of store runs it by implementing [`Backend`] and
//! calling the macro `conformance!`.

mod chains;
mod changes;
mod races;

use assay_store::{
    ChainName, Change, ChangeId, Digest, HeadName, NewRecord, Outcome, RecordId, Revision, Store, StoreError,
};

pub use chains::*;
pub use changes::*;
pub use races::*;

/// One store, to be opened as often as a check likes.
pub trait Backend: Sync {
    /// Another handle on the same state, as another node would have.
    fn open(&self) -> Box<dyn Store>;
    /// Flips a bit of a stored document behind the store's back.
    fn damage_blob(&self, digest: &Digest);
    /// Does to a chain what an intruder would.
    fn tamper(&self, chain: &ChainName, tampering: Tampering);
}

#[derive(Clone, Copy, Debug)]
pub enum Tampering {
    /// Alters the content of a record and leaves its hash.
    AlterBody(u64),
    /// Alters the time of a record and leaves its hash.
    AlterTime(u64),
    Remove(u64),
    Swap(u64, u64),
    /// Puts other bytes into `prev`, and the hash that fits them into `hash`.
    Relink(u64),
}

/// Declares one test for each check of the suite; `$fresh` makes a new [`Backend`].
macro_rules! conformance {
    ($fresh:expr; $($check:ident),* $(,)?) => {
        $(#[test]
        fn $check() {
            conformance::$check(&$fresh);
        })*
    };
    ($fresh:expr) => {
        conformance! { $fresh;
            heads_move_by_compare_and_swap, a_change_is_all_or_nothing, a_head_needs_its_document,
            a_change_sent_again_is_done_once, a_record_sent_again_is_done_once, an_act_needs_a_record_of_its_own,
            impossible_changes_are_refused_at_once, documents_are_checked_when_read, heads_are_listed_in_pages,
            changes_of_heads_are_seen_by_others, a_lease_has_one_holder, impossible_leases_are_refused,
            records_are_chained, records_are_listed_in_pages, chains_are_listed_in_pages, tampering_is_located,
            a_noted_tip_proves_what_came_before, an_empty_chain_is_whole,
            one_of_two_writers_wins_each_round, a_chain_with_two_writers_stays_whole,
            one_change_sent_by_many_is_done_once, a_receipt_is_a_future, a_chain_is_checked_while_it_grows,
        }
    };
}
pub(crate) use conformance;

pub fn head(name: &str) -> HeadName {
    HeadName::new(name).unwrap()
}

pub fn chain(name: &str) -> ChainName {
    ChainName::new(name).unwrap()
}

pub fn change_id(n: u64) -> ChangeId {
    ChangeId::from_bytes(numbered(n))
}

pub fn record_id(n: u64) -> RecordId {
    RecordId::from_bytes(numbered(n))
}

fn numbered(n: u64) -> [u8; 16] {
    u128::from(n).to_be_bytes()
}

pub fn record(chain_name: &str, n: u64) -> NewRecord {
    let body = format!("{{\"n\":{n}}}").into_bytes();
    NewRecord { chain: chain(chain_name), id: record_id(n), time: 1_700_000_000 + n, body }
}

/// Appends `record(chain_name, n)`.
pub fn append(store: &dyn Store, chain_name: &str, n: u64) {
    store.append_wait(record(chain_name, n)).unwrap();
}

/// A change of one head to a document that holds `text`.
pub fn point(id: u64, name: &str, expected: Option<Revision>, text: &str) -> Change {
    let mut change = Change::new(change_id(id));
    let digest = change.put_blob(text.as_bytes().to_vec());
    change.set_head(head(name), expected, Some(digest));
    change
}

pub fn revision_of(outcome: &Outcome) -> Option<Revision> {
    outcome.heads[0]
}

pub fn conflict(name: &str, actual: Option<Revision>) -> Result<Outcome, StoreError> {
    Err(StoreError::Conflict { head: head(name), actual })
}

/// How many records a chain has, by its tip.
pub fn length(store: &dyn Store, name: &str) -> u64 {
    store.chain_tip(&chain(name)).unwrap().map_or(0, |tip| tip.sequence)
}
