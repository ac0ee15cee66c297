//! Records and their chains.

use assay_store::catalog::RECORD_MAX;
use assay_store::{ChainFault, ChainTip, Change, Digest, Record, StoreError};

use super::{Backend, Tampering, chain, change_id, record, record_id};

pub fn records_are_chained(backend: &dyn Backend) {
    let store = backend.open();
    let mut change = Change::new(change_id(1));
    change.records = vec![record("decisions/a", 1), record("decisions/b", 2), record("decisions/a", 3)];
    let receipts = store.commit(change).unwrap().records;
    assert_eq!(receipts.iter().map(|receipt| receipt.sequence).collect::<Vec<_>>(), [1, 1, 2]);

    let records = store.records(&chain("decisions/a"), 0, 10).unwrap();
    let first = store.record(&record_id(1)).unwrap().unwrap();
    let new = record("decisions/a", 1);
    assert_eq!((first.chain.clone(), first.time, first.body.clone()), (new.chain, new.time, new.body));
    assert_eq!((first.sequence, first.prev, first.hash), (1, Digest::ZERO, first.computed_hash()));
    assert_eq!(first.hash, receipts[0].hash);
    assert_eq!(records[0], first);
    assert_eq!((records[1].id, records[1].prev, records[1].sequence), (record_id(3), first.hash, 2));
    let tip = store.chain_tip(&chain("decisions/a")).unwrap();
    assert_eq!(tip, Some(ChainTip { sequence: 2, hash: receipts[2].hash }));
    let verified = store.verify_chain(&chain("decisions/a"), None).unwrap();
    assert_eq!((verified.tip(), verified.checked()), (tip, 2));
    assert_eq!(store.record(&record_id(9)).unwrap(), None);
}

pub fn records_are_listed_in_pages(backend: &dyn Backend) {
    let store = backend.open();
    let mut change = Change::new(change_id(1));
    change.records = (1..=25).map(|n| record("c", n)).collect();
    store.commit(change).unwrap();
    let sequences = |from, limit| -> Vec<u64> {
        store.records(&chain("c"), from, limit).unwrap().iter().map(|record| record.sequence).collect()
    };
    assert_eq!(sequences(1, 3), [1, 2, 3]);
    assert_eq!(sequences(24, 3), [24, 25]);
    assert_eq!(sequences(26, 3), [] as [u64; 0]);
    assert_eq!(sequences(u64::MAX, 3), [] as [u64; 0]);
    assert_eq!(sequences(2, 0), [2]);

    // Large records end a page before its count does, but the check reads them all.
    for n in 100..120 {
        let mut large = record("large", n);
        large.body = vec![b' '; RECORD_MAX];
        store.append_wait(large).unwrap();
    }
    assert_eq!(store.records(&chain("large"), 1, 1000).unwrap().len(), 16);
    assert_eq!(store.verify_chain(&chain("large"), None).unwrap().checked(), 20);
}

pub fn chains_are_listed_in_pages(backend: &dyn Backend) {
    let store = backend.open();
    for (n, name) in (1..).zip(["decisions/b", "decisions/a", "administration"]) {
        store.append_wait(record(name, n)).unwrap();
    }
    let page = store.chains(None, 2).unwrap();
    assert_eq!(page.items, [chain("administration"), chain("decisions/a")]);
    let page = store.chains(page.next.as_ref(), 2).unwrap();
    assert_eq!((page.items, page.next), (vec![chain("decisions/b")], None));
}

pub fn tampering_is_located(backend: &dyn Backend) {
    use Tampering::{AlterBody, AlterTime, Relink, Remove, Swap};
    let cases = [
        (AlterBody(1), 1, ChainFault::WrongHash),
        (AlterBody(7), 7, ChainFault::WrongHash),
        (AlterBody(10), 10, ChainFault::WrongHash),
        (AlterTime(4), 4, ChainFault::WrongHash),
        (Remove(1), 1, ChainFault::Missing),
        (Remove(5), 5, ChainFault::Missing),
        (Remove(10), 10, ChainFault::Missing),
        (Swap(3, 4), 3, ChainFault::WrongHash),
        (Swap(2, 9), 2, ChainFault::WrongHash),
        (Relink(6), 6, ChainFault::WrongPrevious),
    ];
    let store = backend.open();
    for (n, (tampering, sequence, fault)) in (1_u64..).zip(cases) {
        let name = format!("chain-{n}");
        let mut change = Change::new(change_id(n));
        change.records = (1..=10).map(|i| record(&name, n * 100 + i)).collect();
        store.commit(change).unwrap();
        backend.tamper(&chain(&name), tampering);
        let broken = Err(StoreError::ChainBroken { chain: chain(&name), sequence, fault });
        assert_eq!(store.verify_chain(&chain(&name), None), broken, "{tampering:?}");
        assert_eq!(backend.open().verify_chain(&chain(&name), None), broken, "{tampering:?}");
    }
    // A record read alone is checked, too.
    let altered = StoreError::Corrupt { what: "record", name: record_id(207).to_string() };
    assert_eq!(store.record(&record_id(207)), Err(altered));
    // Appending behind an altered record does not hide it.
    store.append_wait(record("chain-2", 999)).unwrap();
    let fault = ChainFault::WrongHash;
    let broken = StoreError::ChainBroken { chain: chain("chain-2"), sequence: 7, fault };
    assert_eq!(store.verify_chain(&chain("chain-2"), None), Err(broken));
}

pub fn a_noted_tip_proves_what_came_before(backend: &dyn Backend) {
    let store = backend.open();
    let mut change = Change::new(change_id(1));
    change.records = (1..=6).map(|n| record("c", n)).collect();
    store.commit(change).unwrap();
    let tip_of = |record: &Record| ChainTip { sequence: record.sequence, hash: record.hash };
    let records = store.records(&chain("c"), 1, 10).unwrap();
    let (third, sixth) = (tip_of(&records[2]), tip_of(&records[5]));
    let verified = store.verify_chain(&chain("c"), Some(third)).unwrap();
    assert_eq!((verified.checked(), verified.tip()), (3, Some(sixth)));
    assert_eq!(store.verify_chain(&chain("c"), Some(sixth)).unwrap().checked(), 0);

    let broken = |name, sequence, fault| Err(StoreError::ChainBroken { chain: chain(name), sequence, fault });
    let other = ChainTip { sequence: 3, hash: Digest::ZERO };
    assert_eq!(store.verify_chain(&chain("c"), Some(other)), broken("c", 3, ChainFault::NotAsNoted));
    // A store that was rolled back holds together and yet lacks what was noted.
    let beyond = ChainTip { sequence: 7, hash: Digest::ZERO };
    assert_eq!(store.verify_chain(&chain("c"), Some(beyond)), broken("c", 7, ChainFault::Missing));
    assert_eq!(store.verify_chain(&chain("none"), Some(sixth)), broken("none", 6, ChainFault::Missing));
    backend.tamper(&chain("c"), Tampering::AlterBody(3));
    assert_eq!(store.verify_chain(&chain("c"), Some(third)), broken("c", 3, ChainFault::WrongHash));
}

pub fn an_empty_chain_is_whole(backend: &dyn Backend) {
    let verified = backend.open().verify_chain(&chain("none"), None).unwrap();
    assert_eq!((verified.tip(), verified.checked()), (None, 0));
}
