//! Documents, heads, leases, and changes as a whole.

use assay_store::catalog::{
    BLOB_MAX, CHANGE_BYTES_MAX, CHANGE_PARTS_MAX, CHANGE_RECORDS_MAX, HOLDER_MAX, LEASE_MAX, RECORD_MAX,
    TIME_MAX,
};
use assay_store::{Change, ChangeMark, Digest, Revision, StoreError};

use super::{Backend, chain, change_id, conflict, head, length, point, record, record_id, revision_of};

pub fn heads_move_by_compare_and_swap(backend: &dyn Backend) {
    let store = backend.open();
    assert_eq!(store.head(&head("provider/a")).unwrap(), None);
    let first = revision_of(&store.commit(point(1, "provider/a", None, "one")).unwrap());
    assert_eq!(store.commit(point(2, "provider/a", None, "two")), conflict("provider/a", first));
    let second = revision_of(&store.commit(point(3, "provider/a", first, "two")).unwrap());
    assert_ne!(first, second);
    assert_eq!(store.commit(point(4, "provider/a", first, "three")), conflict("provider/a", second));
    let found = backend.open().head(&head("provider/a")).unwrap().unwrap();
    assert_eq!((found.digest, Some(found.revision)), (Digest::of(b"two"), second));

    let mut removal = Change::new(change_id(5));
    removal.set_head(head("provider/a"), second, None);
    assert_eq!(store.commit(removal).unwrap().heads, [None]);
    assert_eq!(store.head(&head("provider/a")).unwrap(), None);
    assert_eq!(store.commit(point(6, "provider/a", second, "two")), conflict("provider/a", None));
    // Made anew with the same document it is not what it was.
    let anew = revision_of(&store.commit(point(7, "provider/a", None, "two")).unwrap());
    assert!(![first, second, None].contains(&anew));
}

pub fn a_change_is_all_or_nothing(backend: &dyn Backend) {
    let store = backend.open();
    let taken = revision_of(&store.commit(point(1, "policy/a/tpm", None, "taken")).unwrap());
    let mark = store.poll_changes(ChangeMark::default()).unwrap().unwrap();
    let mut change = point(2, "policy/a/sgx", None, "new");
    let digest = change.put_blob(b"other".to_vec());
    change.set_head(head("policy/a/tpm"), None, Some(digest));
    change.records.push(record("administration", 1));
    assert_eq!(store.commit(change.clone()), conflict("policy/a/tpm", taken));
    assert_eq!(store.blob(&Digest::of(b"new")).unwrap(), None);
    assert_eq!(store.blob(&digest).unwrap(), None);
    assert_eq!(store.head(&head("policy/a/sgx")).unwrap(), None);
    assert_eq!(length(&*store, "administration"), 0);
    assert_eq!(store.record(&record_id(1)).unwrap(), None);
    assert_eq!(store.poll_changes(mark).unwrap(), None);

    // A refusal is not remembered: corrected, the change goes through under the same name.
    change.heads[1].expected = taken;
    let outcome = store.commit(change).unwrap();
    assert_eq!((outcome.heads.len(), outcome.records[0].sequence), (2, 1));
    assert_eq!(store.blob(&digest).unwrap().unwrap(), b"other");
}

pub fn a_head_needs_its_document(backend: &dyn Backend) {
    let store = backend.open();
    let digest = Digest::of(b"nowhere");
    let mut change = Change::new(change_id(1));
    change.set_head(head("provider/a"), None, Some(digest));
    let expected = StoreError::NotFound { what: "document", name: digest.to_string() };
    assert_eq!(store.commit(change.clone()), Err(expected));
    assert_eq!(store.put_blob(b"nowhere".to_vec()).unwrap(), digest);
    store.commit(change).unwrap();
}

pub fn a_change_sent_again_is_done_once(backend: &dyn Backend) {
    let mut change = point(1, "provider/a", None, "one");
    change.records.push(record("administration", 1));
    let store = backend.open();
    // The acknowledgement is lost, and with it the handle.
    drop(store.submit(change.clone()).unwrap());
    drop(store);
    let store = backend.open();
    let outcome = store.commit(change.clone()).unwrap();
    let found = store.head(&head("provider/a")).unwrap().unwrap();
    assert_eq!(revision_of(&outcome), Some(found.revision));
    assert_eq!(outcome.records[0].sequence, 1);

    // Later changes do not alter the answer, and the answer alters nothing.
    let next = revision_of(&store.commit(point(2, "provider/a", Some(found.revision), "two")).unwrap());
    let mark = store.poll_changes(ChangeMark::default()).unwrap().unwrap();
    change.records[0].time += 60;
    assert_eq!(store.commit(change.clone()).unwrap(), outcome);
    assert_eq!(store.head(&head("provider/a")).unwrap().map(|head| head.revision), next);
    assert_eq!(length(&*store, "administration"), 1);
    assert_eq!(store.poll_changes(mark).unwrap(), None);

    let reuses: [fn(&mut Change); 8] = [
        |change| change.blobs[0].push(b' '),
        |change| change.blobs.clear(),
        |change| change.heads[0].name = head("provider/b"),
        |change| change.heads[0].expected = Some(Revision::from_bytes([1; 16])),
        |change| change.heads[0].digest = Some(Digest::of(b"two")),
        |change| change.records[0].body.push(b' '),
        |change| change.records[0].chain = chain("elsewhere"),
        |change| change.records[0].id = record_id(2),
    ];
    for (n, reuse) in reuses.iter().enumerate() {
        let mut other = change.clone();
        reuse(&mut other);
        assert_eq!(store.commit(other), Err(StoreError::ChangeConflict { change: change_id(1) }), "{n}");
    }
}

pub fn a_record_sent_again_is_done_once(backend: &dyn Backend) {
    let store = backend.open();
    let receipt = store.append_wait(record("decisions/a", 1)).unwrap();
    store.append_wait(record("decisions/a", 2)).unwrap();
    let mut again = record("decisions/a", 1);
    again.time += 5;
    assert_eq!(backend.open().append_wait(again).unwrap(), receipt);
    assert_eq!(store.record(&record_id(1)).unwrap().unwrap().time, 1_700_000_001);
    assert_eq!(length(&*store, "decisions/a"), 2);

    let conflict = Err(StoreError::RecordConflict { record: record_id(1) });
    let mut altered = record("decisions/a", 1);
    altered.body.push(b' ');
    assert_eq!(store.append_wait(altered), conflict);
    let mut moved = record("decisions/b", 1);
    moved.body = record("decisions/a", 1).body;
    assert_eq!(store.append_wait(moved), conflict);

    // Among others: the known one keeps its place, the new ones follow.
    let mut several = Change::new(change_id(9));
    several.records = vec![record("decisions/a", 3), record("decisions/a", 1), record("decisions/a", 4)];
    let places: Vec<u64> =
        store.commit(several).unwrap().records.iter().map(|receipt| receipt.sequence).collect();
    assert_eq!(places, [3, 1, 4]);
}

pub fn an_act_needs_a_record_of_its_own(backend: &dyn Backend) {
    let store = backend.open();
    store.append_wait(record("administration", 1)).unwrap();
    let mut change = point(1, "provider/a", None, "one");
    change.records.push(record("administration", 1));
    assert_eq!(store.commit(change), Err(StoreError::RecordConflict { record: record_id(1) }));
    assert_eq!(store.head(&head("provider/a")).unwrap(), None);
}

pub fn impossible_changes_are_refused_at_once(backend: &dyn Backend) {
    let store = backend.open();
    let refused = |change: Change| store.submit(change).map(drop);
    let too_large = |what, limit, actual| Err(StoreError::TooLarge { what, limit, actual });
    let invalid = |rule| Err(StoreError::InvalidChange { rule });

    assert_eq!(store.put_blob(vec![0; BLOB_MAX]).unwrap(), Digest::of(&vec![0; BLOB_MAX]));
    let mut change = Change::new(change_id(1));
    change.put_blob(vec![0; BLOB_MAX + 1]);
    assert_eq!(refused(change), too_large("document", BLOB_MAX, BLOB_MAX + 1));
    let mut change = Change::new(change_id(1));
    change.blobs = vec![vec![0; BLOB_MAX]; 5];
    assert_eq!(refused(change), too_large("change", CHANGE_BYTES_MAX, 5 * BLOB_MAX));
    let mut change = Change::new(change_id(1));
    change.blobs = vec![vec![]; CHANGE_PARTS_MAX + 1];
    assert_eq!(refused(change), too_large("list of documents", CHANGE_PARTS_MAX, CHANGE_PARTS_MAX + 1));
    let mut change = Change::new(change_id(1));
    for n in 0..=CHANGE_PARTS_MAX {
        change.set_head(head(&format!("provider/{n}")), None, Some(Digest::ZERO));
    }
    assert_eq!(refused(change), too_large("list of heads", CHANGE_PARTS_MAX, CHANGE_PARTS_MAX + 1));
    let mut change = Change::new(change_id(1));
    change.records = (0..=CHANGE_RECORDS_MAX).map(|n| record("c", n.try_into().unwrap())).collect();
    assert_eq!(refused(change), too_large("list of records", CHANGE_RECORDS_MAX, CHANGE_RECORDS_MAX + 1));
    let mut large = record("c", 1);
    large.body = vec![b' '; RECORD_MAX + 1];
    assert_eq!(refused(Change::of_record(large)), too_large("record", RECORD_MAX, RECORD_MAX + 1));

    let mut late = record("c", 1);
    late.time = TIME_MAX + 1;
    assert_eq!(refused(Change::of_record(late)), invalid("times end with the year 9999"));
    let mut change = point(1, "provider/a", None, "one");
    change.heads.push(change.heads[0].clone());
    assert_eq!(refused(change), invalid("a head may be changed once only"));
    let mut change = Change::new(change_id(1));
    change.set_head(head("provider/a"), None, None);
    assert_eq!(refused(change), invalid("a head that must not exist cannot be removed"));
    let mut change = Change::new(change_id(1));
    change.records = vec![record("c", 1), record("d", 1)];
    assert_eq!(refused(change), invalid("a record may be appended once only"));
    assert_eq!(length(&*store, "c"), 0);
}

pub fn documents_are_checked_when_read(backend: &dyn Backend) {
    let store = backend.open();
    let digest = store.put_blob(b"policy text".to_vec()).unwrap();
    assert_eq!(store.put_blob(b"policy text".to_vec()).unwrap(), digest);
    assert_eq!(backend.open().blob(&digest).unwrap().unwrap(), b"policy text");
    let empty = store.put_blob(Vec::new()).unwrap();
    assert_eq!(store.blob(&empty).unwrap().unwrap(), b"");
    assert_eq!(store.blob(&Digest::ZERO).unwrap(), None);
    backend.damage_blob(&digest);
    let expected = StoreError::Corrupt { what: "document", name: digest.to_string() };
    assert_eq!(store.blob(&digest), Err(expected.clone()));
    assert_eq!(backend.open().blob(&digest), Err(expected));
}

pub fn heads_are_listed_in_pages(backend: &dyn Backend) {
    let store = backend.open();
    let names = [
        "policy/a/sgx",
        "policy/a/tpm",
        "policy/a.b/tpm",
        "policy/ab/sgx",
        "policy/a",
        "provider/a",
        "keys/a",
    ];
    for (n, name) in (1..).zip(names) {
        store.commit(point(n, name, None, name)).unwrap();
    }
    let list = |below: Option<&str>, limit: usize| {
        let below = below.map(head);
        let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = store.heads(below.as_ref(), after.as_ref(), limit).unwrap();
            assert!(page.items.len() <= limit.max(1));
            found.extend(page.items.iter().map(|head| head.name.as_str().to_owned()));
            pages += 1;
            after = page.next;
            if after.is_none() {
                return (found, pages);
            }
        }
    };
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    for (limit, pages) in [(0, 7), (1, 7), (3, 3), (7, 1), (usize::MAX, 1)] {
        assert_eq!(list(None, limit), (sorted.iter().map(ToString::to_string).collect(), pages), "{limit}");
    }
    // By whole segments, and not the folder itself: providers cannot see each other's.
    assert_eq!(list(Some("policy/a"), 1).0, ["policy/a/sgx", "policy/a/tpm"]);
    assert_eq!(list(Some("policy"), 2).0.len(), 5);
    assert_eq!(list(Some("nothing"), 2), (Vec::new(), 1));
    let found = store.heads(Some(&head("provider")), None, 1).unwrap().items.remove(0);
    assert_eq!(store.head(&head("provider/a")).unwrap(), Some(found));
}

pub fn changes_of_heads_are_seen_by_others(backend: &dyn Backend) {
    let (store, other) = (backend.open(), backend.open());
    assert_eq!(other.poll_changes(ChangeMark::default()).unwrap(), None);
    let revision = revision_of(&store.commit(point(1, "provider/a", None, "one")).unwrap());
    let first = other.poll_changes(ChangeMark::default()).unwrap().unwrap();
    assert_eq!(other.poll_changes(first).unwrap(), None);
    // What happens at every request must not make every node read everything again.
    store.append_wait(record("decisions/a", 1)).unwrap();
    store.put_blob(b"loose".to_vec()).unwrap();
    store.acquire_lease(&head("collateral"), "node-1", 10, 20).unwrap();
    assert_eq!(other.poll_changes(first).unwrap(), None);
    let mut removal = Change::new(change_id(2));
    removal.set_head(head("provider/a"), revision, None);
    store.commit(removal).unwrap();
    let second = other.poll_changes(first).unwrap().unwrap();
    assert_eq!(store.poll_changes(second).unwrap(), None);
    assert_eq!(store.poll_changes(first).unwrap(), Some(second));
}

pub fn a_lease_has_one_holder(backend: &dyn Backend) {
    let (one, two) = (backend.open(), backend.open());
    let name = head("collateral/refresh");
    assert!(one.acquire_lease(&name, "node-1", 100, 200).unwrap());
    assert!(!two.acquire_lease(&name, "node-2", 150, 250).unwrap());
    assert!(two.acquire_lease(&head("collateral/other"), "node-2", 150, 250).unwrap());
    assert!(one.acquire_lease(&name, "node-1", 150, 300).unwrap(), "extended by its holder");
    assert!(!two.acquire_lease(&name, "node-2", 299, 400).unwrap());
    assert!(two.acquire_lease(&name, "node-2", 300, 400).unwrap(), "over at its end");
    assert!(!one.release_lease(&name, "node-1").unwrap(), "not its own any more");
    assert!(!one.acquire_lease(&name, "node-1", 350, 450).unwrap());
    assert!(two.release_lease(&name, "node-2").unwrap());
    assert!(!two.release_lease(&name, "node-2").unwrap());
    assert!(one.acquire_lease(&name, "node-1", 350, 450).unwrap());
}

pub fn impossible_leases_are_refused(backend: &dyn Backend) {
    let store = backend.open();
    let name = head("collateral");
    let invalid = |rule| Err(StoreError::InvalidChange { rule });
    assert_eq!(store.acquire_lease(&name, "n", 10, 10), invalid("a lease must end after now"));
    assert_eq!(store.acquire_lease(&name, "n", 10, 9), invalid("a lease must end after now"));
    assert_eq!(store.acquire_lease(&name, "n", 0, LEASE_MAX + 1), invalid("a lease may last a day at most"));
    assert_eq!(store.acquire_lease(&name, "n", 0, u64::MAX), invalid("times end with the year 9999"));
    let long = "n".repeat(HOLDER_MAX + 1);
    let actual = HOLDER_MAX + 1;
    let expected = Err(StoreError::TooLarge { what: "name of the holder", limit: HOLDER_MAX, actual });
    assert_eq!(store.acquire_lease(&name, &long, 0, 1), expected);
    assert!(store.acquire_lease(&name, "n", 0, LEASE_MAX).unwrap());
}
