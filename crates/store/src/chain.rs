//! Chains of records: what links them, and how the links are checked.

use crate::catalog::PAGE_MAX;
use crate::id::Hasher;
use crate::{ChainFault, ChainName, Digest, NewRecord, RecordId, RecordReceipt, Store, StoreError};

/// A record as it stands in its chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// Its chain.
    pub chain: ChainName,
    /// Its place; the first is 1.
    pub sequence: u64,
    /// Its name.
    pub id: RecordId,
    /// When it happened, in unix seconds, as the caller said.
    pub time: u64,
    /// The hash of the record before it; [`Digest::ZERO`] for the first.
    pub prev: Digest,
    /// Its own hash.
    pub hash: Digest,
    /// Canonical JSON, as the caller gave it.
    pub body: Vec<u8>,
}

/// The last record of a chain. Noted elsewhere, it proves later that nothing before it was altered or removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChainTip {
    /// The place of the record.
    pub sequence: u64,
    /// Its hash.
    pub hash: Digest,
}

/// The proof that a chain held together when it was checked; only the check makes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VerifiedChain {
    tip: Option<ChainTip>,
    checked: u64,
}

impl VerifiedChain {
    /// The last record that was checked; `None` for a chain without records.
    #[must_use]
    pub const fn tip(&self) -> Option<ChainTip> {
        self.tip
    }

    /// How many records were checked.
    #[must_use]
    pub const fn checked(&self) -> u64 {
        self.checked
    }
}

impl Record {
    /// The record that `new` becomes behind `tip`.
    pub(crate) fn behind(tip: Option<ChainTip>, new: &NewRecord) -> Result<Self, StoreError> {
        let (last, prev) = tip.map_or((0, Digest::ZERO), |tip| (tip.sequence, tip.hash));
        let sequence = last
            .checked_add(1)
            .ok_or_else(|| StoreError::Corrupt { what: "chain", name: new.chain.to_string() })?;
        let mut record = Self {
            chain: new.chain.clone(),
            sequence,
            id: new.id,
            time: new.time,
            prev,
            hash: Digest::ZERO,
            body: new.body.clone(),
        };
        record.hash = record.computed_hash();
        Ok(record)
    }

    /// The hash that the content gives; a sound record has the same in `hash`.
    ///
    /// SHA-256 of: `assay-store record v1` and a zero byte, the length of the chain's name (8 bytes, most significant first)
    /// and the name, the sequence (8), the identifier (16), the time (8), `prev` (32), and the SHA-256 of the body (32).
    #[must_use]
    pub fn computed_hash(&self) -> Digest {
        let mut hasher = Hasher::default();
        hasher.raw(b"assay-store record v1\0");
        hasher.field(self.chain.as_str().as_bytes());
        hasher.number(self.sequence);
        hasher.raw(self.id.as_bytes());
        hasher.number(self.time);
        hasher.raw(self.prev.as_bytes());
        hasher.raw(Digest::of(&self.body).as_bytes());
        hasher.finish()
    }

    /// Where it stands.
    #[must_use]
    pub const fn receipt(&self) -> RecordReceipt {
        RecordReceipt { id: self.id, sequence: self.sequence, hash: self.hash }
    }

    /// The tip of the chain when this record was the last.
    #[must_use]
    pub const fn tip(&self) -> ChainTip {
        ChainTip { sequence: self.sequence, hash: self.hash }
    }
}

/// Checks one chain record by record, in order, from a store or from an exported log.
#[derive(Clone, Debug)]
pub struct ChainCheck {
    chain: ChainName,
    /// The last record found good, or the one the caller noted.
    last: Option<ChainTip>,
    checked: u64,
}

impl ChainCheck {
    /// Starts behind a record that the caller noted earlier, or with the first record.
    #[must_use]
    pub const fn behind(chain: ChainName, noted: Option<ChainTip>) -> Self {
        Self { chain, last: noted, checked: 0 }
    }

    /// Checks the next record.
    ///
    /// # Errors
    /// `chain-broken`, with the first sequence that is wrong.
    pub fn next(&mut self, record: &Record) -> Result<(), StoreError> {
        let (last, prev) = self.last.map_or((0, Digest::ZERO), |tip| (tip.sequence, tip.hash));
        let expected = last.saturating_add(1);
        if record.sequence != expected || record.chain != self.chain {
            return Err(self.broken(expected, ChainFault::Missing));
        }
        if record.computed_hash() != record.hash {
            return Err(self.broken(expected, ChainFault::WrongHash));
        }
        if record.prev != prev {
            return Err(self.broken(expected, ChainFault::WrongPrevious));
        }
        self.last = Some(record.tip());
        self.checked = self.checked.saturating_add(1);
        Ok(())
    }

    /// Ends the check: the last record must be the one that the tip names.
    ///
    /// # Errors
    /// `chain-broken`.
    pub fn finish(self, tip: Option<ChainTip>) -> Result<VerifiedChain, StoreError> {
        if self.last == tip {
            return Ok(VerifiedChain { tip, checked: self.checked });
        }
        let last = self.last.map_or(0, |last| last.sequence);
        match tip {
            Some(tip) if tip.sequence > last => Err(self.broken(last.saturating_add(1), ChainFault::Missing)),
            Some(_) => Err(self.broken(last, ChainFault::NotTheTip)),
            None => Err(self.broken(last, ChainFault::NoTip)),
        }
    }

    pub(crate) const fn last(&self) -> Option<ChainTip> {
        self.last
    }

    pub(crate) fn broken(&self, sequence: u64, fault: ChainFault) -> StoreError {
        StoreError::ChainBroken { chain: self.chain.clone(), sequence, fault }
    }
}

/// Checks what `store` holds of a chain, page by page: records do not change, so that pages need no common transaction.
pub(crate) fn verify<S: Store + ?Sized>(
    store: &S,
    chain: &ChainName,
    noted: Option<ChainTip>,
) -> Result<VerifiedChain, StoreError> {
    let mut check = ChainCheck::behind(chain.clone(), noted);
    let tip = present_tip(store, &check)?;
    if let Some(noted) = noted {
        confirm_noted(store, &check, noted)?;
    }
    let end = tip.map_or(0, |tip| tip.sequence);
    loop {
        let last = check.last().map_or(0, |last| last.sequence);
        if last >= end {
            break;
        }
        let page = store.records(chain, last.saturating_add(1), PAGE_MAX)?;
        if page.is_empty() {
            break;
        }
        // Records behind the tip that was read were appended while this runs.
        for record in page.iter().take_while(|record| record.sequence <= end) {
            check.next(record)?;
        }
        if page.iter().all(|record| record.sequence > end) {
            break;
        }
    }
    check.finish(tip)
}

/// The tip; a chain with records but none was tampered with, unless its first record came just now.
fn present_tip<S: Store + ?Sized>(store: &S, check: &ChainCheck) -> Result<Option<ChainTip>, StoreError> {
    let tip = store.chain_tip(&check.chain)?;
    if tip.is_some() || store.records(&check.chain, 0, 1)?.is_empty() {
        return Ok(tip);
    }
    match store.chain_tip(&check.chain)? {
        None => Err(check.broken(1, ChainFault::NoTip)),
        tip => Ok(tip),
    }
}

/// A store that was rolled back, or written anew with fitting hashes, does not have the record that someone noted.
fn confirm_noted<S: Store + ?Sized>(
    store: &S,
    check: &ChainCheck,
    noted: ChainTip,
) -> Result<(), StoreError> {
    let page = store.records(&check.chain, noted.sequence, 1)?;
    match page.first().filter(|record| record.sequence == noted.sequence) {
        None => Err(check.broken(noted.sequence, ChainFault::Missing)),
        Some(record) if record.hash != noted.hash => {
            Err(check.broken(noted.sequence, ChainFault::NotAsNoted))
        }
        Some(record) if record.computed_hash() != record.hash => {
            Err(check.broken(noted.sequence, ChainFault::WrongHash))
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// The hash is a format that auditors implement: this one was computed with Python's `hashlib` from the description
    /// at `computed_hash`.
    #[test]
    fn hash_is_as_described() {
        let new = NewRecord {
            chain: ChainName::new("decisions/contoso").unwrap(),
            id: RecordId::from_bytes([7; 16]),
            time: 1_700_000_000,
            body: br#"{"a":1}"#.to_vec(),
        };
        let tip = ChainTip { sequence: 41, hash: Digest::from_bytes([9; 32]) };
        let record = Record::behind(Some(tip), &new).unwrap();
        assert_eq!((record.sequence, record.prev), (42, tip.hash));
        assert_eq!(
            record.hash.to_string(),
            "9a799d4ae7e606a8c8f382217f534f7503b230af078b3a50cd92257a9fef43b8"
        );
    }

    #[test]
    fn an_exported_log_is_checked_without_a_store() {
        let chain = ChainName::new("c").unwrap();
        let new =
            |n| NewRecord { chain: chain.clone(), id: RecordId::from_bytes([n; 16]), time: 1, body: vec![n] };
        let first = Record::behind(None, &new(1)).unwrap();
        let second = Record::behind(Some(first.tip()), &new(2)).unwrap();
        let mut check = ChainCheck::behind(chain.clone(), None);
        check.next(&first).unwrap();
        check.next(&second).unwrap();
        let verified = check.clone().finish(Some(second.tip())).unwrap();
        assert_eq!((verified.tip(), verified.checked()), (Some(second.tip()), 2));
        let broken = |sequence, fault| StoreError::ChainBroken { chain: chain.clone(), sequence, fault };
        assert_eq!(check.clone().finish(Some(first.tip())), Err(broken(2, ChainFault::NotTheTip)));
        assert_eq!(check.finish(None), Err(broken(2, ChainFault::NoTip)));
        // Rewritten with a fitting hash of its own: only the link shows it.
        let other = Record::behind(None, &new(3)).unwrap();
        let mut check = ChainCheck::behind(chain.clone(), None);
        check.next(&other).unwrap();
        assert_eq!(check.next(&second), Err(broken(2, ChainFault::WrongPrevious)));
    }
}
