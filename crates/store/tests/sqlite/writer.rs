//! The writing thread: groups, a full queue, trouble, and the end.

use std::thread;
use std::time::Duration;

use assay_store::catalog::BLOB_MAX;
use assay_store::{Change, Digest, Receipt, SqliteOptions, Store, StoreError};

use super::Folder;
use super::conformance::{append, chain, change_id, conflict, head, length, point, record, revision_of};

#[test]
fn what_waits_together_is_committed_together() {
    let folder = Folder::fresh();
    let store = folder.store(&SqliteOptions::default());
    let lock = folder.foreign();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let receipts: Vec<Receipt> = thread::scope(|scope| {
        let submit = |n| store.submit(Change::of_record(record("c", n))).unwrap();
        let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || submit(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    lock.execute_batch("COMMIT").unwrap();
    receipts.into_iter().for_each(|receipt| drop(receipt.wait().unwrap()));
    assert_eq!(store.commits(), 1);
    assert_eq!(length(&store, "c"), 8);
}

#[test]
fn concurrent_submitters_share_commits() {
    let folder = Folder::fresh();
    let store = folder.store(&SqliteOptions::default());
    thread::scope(|scope| {
        for n in 0..8 {
            let store = &store;
            scope.spawn(move || (0..50).for_each(|i| append(store, "c", n * 50 + i)));
        }
    });
    assert_eq!(length(&store, "c"), 400);
    assert!(store.commits() < 400, "{} commits", store.commits());
}

#[test]
fn a_refused_request_leaves_its_group_alone() {
    let folder = Folder::fresh();
    let store = folder.store(&SqliteOptions::default());
    let lock = folder.foreign();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut both = point(1, "provider/a", None, "one");
    both.records.push(record("c", 1));
    let mut loser = point(2, "provider/a", None, "two");
    loser.records.push(record("c", 2));
    let receipts =
        [both, loser, Change::of_record(record("c", 3))].map(|change| store.submit(change).unwrap());
    lock.execute_batch("COMMIT").unwrap();
    let [first, second, third] = receipts.map(Receipt::wait);
    assert_eq!(second, conflict("provider/a", revision_of(&first.unwrap())));
    assert_eq!(third.unwrap().records[0].sequence, 2);
    assert_eq!(store.commits(), 1);
}

/// The damage shows only once the head was moved and the document kept: both are undone, and only they.
#[test]
fn a_request_that_fails_halfway_leaves_its_group_alone() {
    let folder = Folder::fresh();
    let store = folder.store(&SqliteOptions::default());
    store.append_wait(record("damaged", 1)).unwrap();
    let other = folder.foreign();
    other.execute_batch("PRAGMA ignore_check_constraints = ON; UPDATE chains SET hash = x'00'").unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut halfway = point(1, "provider/a", None, "one");
    halfway.records = vec![record("good", 2), record("damaged", 3)];
    let [before, after] = [record("good", 4), record("good", 5)].map(Change::of_record);
    let receipts = [before, halfway, after].map(|change| store.submit(change).unwrap());
    other.execute_batch("COMMIT").unwrap();
    let [before, halfway, after] = receipts.map(Receipt::wait);
    assert_eq!(halfway.unwrap_err().code(), "store-corrupt");
    assert_eq!((before.unwrap().records[0].sequence, after.unwrap().records[0].sequence), (1, 2));
    assert_eq!(store.head(&head("provider/a")).unwrap(), None);
    assert_eq!(store.blob(&Digest::of(b"one")).unwrap(), None);
    assert_eq!(store.verify_chain(&chain("good"), None).unwrap().checked(), 2);
}

#[test]
fn a_full_queue_is_busy() {
    let folder = Folder::fresh();
    let store = folder.store(&SqliteOptions { queue: 8, ..patient() });
    let lock = folder.foreign();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let submit = |n| store.submit(Change::of_record(record("c", n)));
    let receipts: Vec<Receipt> = (0..8).map(|n| submit(n).unwrap()).collect();
    assert_eq!(submit(8).map(drop), Err(StoreError::Busy));
    lock.execute_batch("COMMIT").unwrap();
    receipts.into_iter().for_each(|receipt| drop(receipt.wait().unwrap()));
    submit(9).unwrap().wait().unwrap();
    assert_eq!(length(&store, "c"), 9);
}

#[test]
fn a_heavy_queue_is_busy() {
    let folder = Folder::fresh();
    let store = folder.store(&patient());
    let lock = folder.foreign();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let submit = |n: u8| {
        let mut change = Change::new(change_id(1));
        change.blobs = (0..3).map(|i| vec![n * 3 + i; BLOB_MAX]).collect();
        store.submit(change)
    };
    // 12 MiB each, 64 MiB in all.
    let receipts: Vec<Receipt> = (0..5).map(|n| submit(n).unwrap()).collect();
    assert_eq!(submit(5).map(drop), Err(StoreError::Busy));
    lock.execute_batch("COMMIT").unwrap();
    receipts.into_iter().for_each(|receipt| drop(receipt.wait().unwrap()));
    submit(5).unwrap().wait().unwrap();
    assert!(store.commits() >= 3, "a transaction takes about 16 MiB");
}

#[test]
fn a_database_locked_for_long_is_busy() {
    let folder = Folder::fresh();
    let store =
        folder.store(&SqliteOptions { busy_timeout: Duration::from_millis(20), ..SqliteOptions::default() });
    let lock = folder.foreign();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(store.append_wait(record("c", 1)), Err(StoreError::Busy));
    assert_eq!(length(&store, "c"), 0, "readers go on");
    lock.execute_batch("COMMIT").unwrap();
    assert_eq!(store.append_wait(record("c", 1)).unwrap().sequence, 1);
}

/// The trigger stands for an error of the disk: SQLite undoes the whole transaction by itself.
#[test]
fn trouble_fails_the_group_as_a_whole_and_passes() {
    let folder = Folder::fresh();
    let store = folder.store(&SqliteOptions::default());
    let other = folder.foreign();
    let trouble = "CREATE TRIGGER trouble BEFORE INSERT ON records WHEN NEW.chain = 'trouble'
                   BEGIN SELECT RAISE(ROLLBACK, 'no disk'); END";
    other.execute_batch(trouble).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let changes = [record("good", 1), record("trouble", 2), record("good", 3)].map(Change::of_record);
    let receipts = changes.map(|change| store.submit(change).unwrap());
    other.execute_batch("COMMIT").unwrap();
    let failed = Err(StoreError::Io { cause: "no disk".to_owned() });
    assert_eq!(receipts.map(Receipt::wait), [failed.clone(), failed.clone(), failed]);
    assert_eq!((length(&store, "good"), store.commits()), (0, 0));

    store.append_wait(record("good", 1)).unwrap();
    other.execute_batch("DROP TRIGGER trouble").unwrap();
    store.append_wait(record("trouble", 2)).unwrap();
    store.verify_chain(&chain("good"), None).unwrap();
}

#[test]
fn a_full_disk_loses_nothing_acknowledged() {
    let folder = Folder::fresh();
    let store = folder.store(&SqliteOptions { max_pages: Some(100), ..SqliteOptions::default() });
    let large = |n| {
        let mut change = point(n, &format!("provider/{n}"), None, &n.to_string());
        change.put_blob(vec![u8::try_from(n % 256).unwrap(); 20_000]);
        change.records.push(record("administration", n));
        change
    };
    let mut done = 0;
    let error = loop {
        match store.commit(large(done)) {
            Ok(_) => done += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, StoreError::Full);
    assert!(done > 5, "{done}");
    assert_eq!(store.commit(large(done)), Err(StoreError::Full), "until there is space");
    drop(store);
    let store = folder.store(&SqliteOptions::default());
    assert_eq!(length(&store, "administration"), done, "no half of the refused change");
    store.commit(large(done)).unwrap();
    let report = store.check().unwrap();
    assert_eq!((report.records, report.heads, report.faults), (done + 1, done + 1, Vec::new()));
}

#[test]
fn what_waits_is_written_before_the_end() {
    let folder = Folder::fresh();
    let store = folder.store(&SqliteOptions::default());
    let receipts: Vec<Receipt> =
        (0..300).map(|n| store.submit(Change::of_record(record("c", n))).unwrap()).collect();
    drop(store);
    receipts.into_iter().for_each(|receipt| drop(receipt.wait().unwrap()));
    assert_eq!(length(&folder.store(&SqliteOptions::default()), "c"), 300);
}

fn patient() -> SqliteOptions {
    SqliteOptions { busy_timeout: Duration::from_secs(60), ..SqliteOptions::default() }
}
