//! The fake in memory does what a real store does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::string_slice,
    unreachable_pub,
    reason = "tests"
)]

mod conformance;

use assay_store::{ChainName, Digest, MemoryStore, Store, StoreError};
use conformance::{Backend, Tampering, conformance, length, record};

impl Backend for MemoryStore {
    fn open(&self) -> Box<dyn Store> {
        Box::new(self.clone())
    }

    fn damage_blob(&self, digest: &Digest) {
        let mut bytes = self.blob(digest).unwrap().unwrap();
        bytes[0] ^= 1;
        Self::damage_blob(self, digest, bytes);
    }

    fn tamper(&self, chain: &ChainName, tampering: Tampering) {
        Self::tamper(self, chain, |records| match tampering {
            Tampering::AlterBody(n) => records.get_mut(&n).unwrap().body.push(b' '),
            Tampering::AlterTime(n) => records.get_mut(&n).unwrap().time += 1,
            Tampering::Remove(n) => drop(records.remove(&n).unwrap()),
            Tampering::Swap(a, b) => {
                let (mut one, mut two) = (records.remove(&a).unwrap(), records.remove(&b).unwrap());
                (one.sequence, two.sequence) = (b, a);
                records.extend([(b, one), (a, two)]);
            }
            Tampering::Relink(n) => {
                let record = records.get_mut(&n).unwrap();
                record.prev = Digest::of(b"elsewhere");
                record.hash = record.computed_hash();
            }
        });
    }
}

conformance!(MemoryStore::new());

#[test]
fn refused_writes_play_a_store_in_trouble() {
    let store = MemoryStore::new();
    store.refuse_writes(Some(StoreError::Full));
    assert_eq!(store.append_wait(record("c", 1)), Err(StoreError::Full));
    store.refuse_writes(None);
    store.append_wait(record("c", 1)).unwrap();
    assert_eq!(length(&store, "c"), 1);
    let error = store.backup(std::path::Path::new("x")).unwrap_err();
    assert_eq!(error, StoreError::Unsupported { verb: "backup to a file" });
}
