//! Files: who may read them, copies, damage, other versions, other processes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use assay_store::{
    ChainFault, ChangeMark, CheckReport, Digest, SqliteOptions, SqliteStore, Store, StoreError,
};

use super::Folder;
use super::conformance::{Backend, Tampering, append, chain, head, length, point, record};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn open(directory: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(directory, &SqliteOptions::default())
}

fn not_a_store<T>(path: &Path) -> Result<T, StoreError> {
    Err(StoreError::NotAStore { path: path.display().to_string() })
}

/// A store with two heads and a chain of five records.
fn filled(folder: &Folder) -> SqliteStore {
    let store = folder.store(&SqliteOptions::default());
    for n in 1..=2 {
        store.commit(point(n, &format!("provider/{n}"), None, &n.to_string())).unwrap();
    }
    (1..=5).for_each(|n| append(&store, "decisions/a", n));
    store
}

#[test]
fn files_are_closed_to_others() {
    let folder = Folder::fresh();
    let directory = folder.0.path().join("data/store");
    let store = open(&directory).unwrap();
    store.append_wait(record("c", 1)).unwrap();
    assert_eq!((mode(&directory), mode(directory.parent().unwrap())), (0o700, 0o700));
    let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");

    // What someone opened up is closed again.
    drop(store);
    set_mode(&directory, 0o755);
    set_mode(&SqliteStore::file_in(&directory), 0o644);
    drop(open(&directory).unwrap());
    assert_eq!((mode(&directory), mode(&SqliteStore::file_in(&directory))), (0o700, 0o600));
}

#[test]
fn a_folder_of_others_is_left_alone() {
    let folder = Folder::fresh();
    let directory = folder.0.path();
    fs::write(directory.join("letter.txt"), "dear").unwrap();
    set_mode(directory, 0o755);
    assert_eq!(open(directory).map(drop), not_a_store(directory));
    assert_eq!((mode(directory), fs::read_dir(directory).unwrap().count()), (0o755, 1));
}

#[test]
fn a_database_of_others_is_left_alone() {
    let folder = Folder::fresh();
    let file = SqliteStore::file_in(folder.0.path());
    folder.foreign().execute_batch("CREATE TABLE theirs (a TEXT)").unwrap();
    let before = fs::read(&file).unwrap();
    assert_eq!(open(folder.0.path()).map(drop), not_a_store(&file));
    assert_eq!(SqliteStore::open_read_only(&file).map(drop), not_a_store(&file));
    assert_eq!(fs::read(&file).unwrap(), before);

    let text = folder.0.path().join("text");
    fs::write(&text, "not a database at all".repeat(100)).unwrap();
    assert_eq!(SqliteStore::open_read_only(&text).map(drop), not_a_store(&text));
    assert_eq!(SqliteStore::open_read_only(folder.0.path()).map(drop), not_a_store(folder.0.path()));
    let absent = folder.0.path().join("absent");
    assert_eq!(SqliteStore::open_read_only(&absent).map(drop), not_a_store(&absent));
    assert!(!absent.exists());
}

#[test]
fn databases_of_other_releases_are_refused() {
    let folder = Folder::fresh();
    drop(filled(&folder));
    let file = SqliteStore::file_in(folder.0.path());
    let refused = |expected: &StoreError| {
        assert_eq!(open(folder.0.path()).map(drop).as_ref(), Err(expected));
        assert_eq!(SqliteStore::open_read_only(&file).map(drop).as_ref(), Err(expected));
    };
    let edit = |sql| folder.foreign().execute_batch(sql).unwrap();
    edit("INSERT INTO migrations (version, name, hash) SELECT 2, '0002_later', hash FROM migrations");
    refused(&StoreError::NewerDatabase { found: 2, known: 1 });
    edit("DELETE FROM migrations WHERE version = 2; UPDATE migrations SET hash = zeroblob(32)");
    refused(&StoreError::MigrationChanged { version: 1 });
    edit("DELETE FROM migrations");
    let older = StoreError::OlderDatabase { found: 0, known: 1 };
    assert_eq!(SqliteStore::open_read_only(&file).map(drop), Err(older));
}

#[test]
fn a_new_store_may_be_opened_by_many_at_once() {
    for _ in 0..10 {
        let folder = Folder::fresh();
        thread::scope(|scope| {
            for n in 0..6 {
                let directory = folder.0.path();
                scope.spawn(move || append(&open(directory).unwrap(), "c", n));
            }
        });
        assert_eq!(length(&open(folder.0.path()).unwrap(), "c"), 6);
    }
}

#[test]
fn an_auditor_reads_while_the_service_writes() {
    let folder = Folder::fresh();
    let store = filled(&folder);
    let auditor = SqliteStore::open_read_only(&SqliteStore::file_in(folder.0.path())).unwrap();
    assert_eq!(auditor.verify_chain(&chain("decisions/a"), None).unwrap().checked(), 5);
    store.append_wait(record("decisions/a", 6)).unwrap();
    assert_eq!(auditor.verify_chain(&chain("decisions/a"), None).unwrap().checked(), 6);
    assert_ne!(auditor.poll_changes(ChangeMark::default()).unwrap(), None);
    assert_eq!(auditor.append_wait(record("decisions/a", 7)), Err(StoreError::ReadOnly));
    assert_eq!(auditor.acquire_lease(&head("a"), "auditor", 1, 2), Err(StoreError::ReadOnly));
    assert_eq!(auditor.release_lease(&head("a"), "auditor"), Err(StoreError::ReadOnly));
}

#[test]
fn a_backup_while_writing_is_whole() {
    let folder = Folder::fresh();
    let store = filled(&folder);
    let stop = AtomicBool::new(false);
    let targets: Vec<_> = (0..4).map(|n| folder.0.path().join(format!("{n}.backup"))).collect();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let numbers = (100..).take_while(|_| !stop.load(Ordering::Relaxed));
            numbers.for_each(|n| {
                let mut change = point(n, &format!("policy/{n}/tpm"), None, &n.to_string());
                change.records.push(record("decisions/a", n));
                store.commit(change).unwrap();
            });
        });
        for target in &targets {
            let before = length(&store, "decisions/a");
            store.backup(target).unwrap();
            let copy = SqliteStore::open_read_only(target).unwrap();
            let report = copy.check().unwrap();
            assert_eq!((report.faults, report.chains), (Vec::new(), 1));
            assert!(report.records >= before);
            // Each change brought a record and a head; the copy has both or neither.
            assert_eq!(report.records - 5, report.heads - 2);
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    });
    assert!(targets.iter().all(|target| mode(target) == 0o600));
    let names: Vec<_> =
        fs::read_dir(folder.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("partial")), "{names:?}");
}

#[test]
fn a_backup_goes_to_a_new_file_only() {
    let folder = Folder::fresh();
    let store = filled(&folder);
    let target = folder.0.path().join("a.backup");
    fs::write(&target, "precious").unwrap();
    let exists = |path: &Path| Err(StoreError::Exists { path: path.display().to_string() });
    assert_eq!(store.backup(&target), exists(&target));
    assert_eq!(fs::read(&target).unwrap(), b"precious");
    let link = folder.0.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    assert_eq!(store.backup(&link), exists(&link));
    let busy = folder.0.path().join("b.backup.partial");
    fs::write(&busy, "").unwrap();
    assert_eq!(store.backup(&folder.0.path().join("b.backup")), exists(&busy));
    let error = store.backup(&folder.0.path().join("absent/c.backup")).unwrap_err();
    assert_eq!(error.code(), "store-io");
}

#[test]
fn a_backup_is_restored_into_a_new_folder() {
    let folder = Folder::fresh();
    let store = filled(&folder);
    let backup = folder.0.path().join("a.backup");
    store.backup(&backup).unwrap();
    let directory = folder.0.path().join("restored");
    let report = SqliteStore::restore(&backup, &directory).unwrap();
    assert_eq!(report, CheckReport { blobs: 2, heads: 2, chains: 1, records: 5, faults: Vec::new() });
    assert_eq!((mode(&directory), mode(&SqliteStore::file_in(&directory))), (0o700, 0o600));
    let restored = open(&directory).unwrap();
    assert_eq!(restored.chain_tip(&chain("decisions/a")), store.chain_tip(&chain("decisions/a")));
    assert_eq!(restored.heads(None, None, 10), store.heads(None, None, 10));
    assert_eq!(restored.append_wait(record("decisions/a", 6)).unwrap().sequence, 6);
    let path = SqliteStore::file_in(&directory).display().to_string();
    assert_eq!(SqliteStore::restore(&backup, &directory), Err(StoreError::Exists { path }));
}

#[test]
fn a_check_reports_all_that_is_wrong() {
    let folder = Folder::fresh();
    let store = filled(&folder);
    store.append_wait(record("lost", 10)).unwrap();
    folder.damage_blob(&Digest::of(b"1"));
    folder.tamper(&chain("decisions/a"), Tampering::Remove(4));
    let intruder = folder.intrude();
    intruder.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM chains WHERE name = 'lost'").unwrap();
    intruder.execute("DELETE FROM blobs WHERE digest = ?1", [Digest::of(b"2").as_bytes()]).unwrap();
    let broken = |name, sequence, fault| StoreError::ChainBroken { chain: chain(name), sequence, fault };
    let expected = vec![
        StoreError::Corrupt { what: "document", name: Digest::of(b"1").to_string() },
        StoreError::NotFound { what: "document", name: Digest::of(b"2").to_string() },
        broken("decisions/a", 4, ChainFault::Missing),
        broken("lost", 1, ChainFault::NoTip),
    ];
    assert_eq!(store.check().unwrap().faults, expected);

    // Such a copy is not restored.
    let backup = folder.0.path().join("a.backup");
    store.backup(&backup).unwrap();
    let directory = folder.0.path().join("restored");
    assert_eq!(SqliteStore::restore(&backup, &directory).unwrap().faults, expected);
    assert!(!directory.exists());
}

#[test]
fn a_damaged_file_is_found() {
    let folder = Folder::fresh();
    let store = filled(&folder);
    let whole = folder.0.path().join("whole.backup");
    store.backup(&whole).unwrap();
    let bytes = fs::read(&whole).unwrap();
    let pages = bytes.len() / 4096;
    // Each page but the first, which holds the header, wiped out in turn; then the end cut off.
    for page in 1..pages {
        let mut damaged = bytes.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0);
        check_damaged(&folder, page, &damaged);
    }
    check_damaged(&folder, 0, &bytes[..(pages - 1) * 4096]);
}

fn check_damaged(folder: &Folder, page: usize, bytes: &[u8]) {
    let file = folder.0.path().join(format!("damaged-{page}"));
    fs::write(&file, bytes).unwrap();
    let checked = SqliteStore::open_read_only(&file).and_then(|store| store.check());
    match checked {
        Ok(report) => assert_ne!(report.faults, [], "page {page}"),
        // The page with the versions: the file is not recognised at all.
        Err(error) => {
            assert!(["store-corrupt", "older-database"].contains(&error.code()), "page {page}: {error:?}")
        }
    }
}

#[test]
fn rows_written_past_the_schema_are_damage() {
    let folder = Folder::fresh();
    let store = filled(&folder);
    let intruder = folder.intrude();
    intruder.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    intruder
        .execute_batch(
            "UPDATE records SET hash = x'00' WHERE sequence = 2;
             UPDATE heads SET revision = x'00' WHERE name = 'provider/1';
             UPDATE mark SET value = -1",
        )
        .unwrap();
    let damaged = |what, name: &str| StoreError::Corrupt { what, name: name.to_owned() };
    assert_eq!(store.verify_chain(&chain("decisions/a"), None), Err(damaged("record", "decisions/a 2")));
    assert_eq!(store.head(&head("provider/1")), Err(damaged("head", "provider/1")));
    assert_eq!(store.poll_changes(ChangeMark::default()).unwrap_err().code(), "store-corrupt");
    // Only who touches the damaged row is refused.
    let refused = store.commit(point(8, "provider/1", None, "x"));
    assert_eq!(refused, Err(damaged("head", "provider/1")));
    store.append_wait(record("decisions/b", 9)).unwrap();
}

#[test]
fn the_schema_keeps_what_is_immutable() {
    let folder = Folder::fresh();
    let _store = filled(&folder);
    let connection = folder.foreign();
    for sql in ["UPDATE records SET time = 0", "DELETE FROM records", "UPDATE blobs SET body = x''"] {
        let error = connection.execute(sql, []).unwrap_err().to_string();
        assert!(["documents are immutable", "records are append-only"].contains(&error.as_str()), "{error}");
    }
}
