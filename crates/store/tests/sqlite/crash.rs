//! A process killed at any moment loses nothing that it had acknowledged, and leaves no half of a change.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use assay_store::{
    Change, ChangeId, ChangeMark, NewRecord, RecordId, SqliteOptions, SqliteStore, Store, StoreError,
};

use super::conformance::{chain, head};

const FOLDER: &str = "ASSAY_STORE_CRASH_FOLDER";
const WRITERS: u8 = 4;
const ROUNDS: u32 = 30;
/// Each writer moves its head with its first record, and again after so many.
const STRIDE: u64 = 4;

#[test]
fn nothing_acknowledged_is_lost_when_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<Acknowledged> = Vec::new();
    for round in 0..ROUNDS {
        let new = one_life(folder.path(), round);
        assert_ne!(new, [], "round {round}");
        acknowledged.extend(new);
        let store = open(folder.path()).unwrap();
        for record in &acknowledged {
            assert!(store.record(&record.id()).unwrap().is_some(), "round {round}: {record:?} is lost");
        }
        heads_and_records_agree(&store, &acknowledged);
        let report = store.check().unwrap();
        assert_eq!(report.faults, [], "round {round}");
    }
}

/// A record that the child said was durable.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Acknowledged {
    life: u64,
    writer: u8,
    number: u64,
}

impl Acknowledged {
    fn id(&self) -> RecordId {
        RecordId::from_bytes(id(self.life, self.writer, self.number))
    }
}

/// Runs a child until it has acknowledged a random number of records, kills it, and returns all that it acknowledged.
fn one_life(folder: &Path, round: u32) -> Vec<Acknowledged> {
    let mut child = start_child(folder);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let wanted = usize::try_from(random() % 60).unwrap() + 1;
    let mut acknowledged = Vec::new();
    while acknowledged.len() < wanted {
        let line = lines.next().expect("the child writes until it is killed").unwrap();
        acknowledged.extend(parse(&line));
    }
    if round.is_multiple_of(6) {
        work_beside_it(folder);
    }
    // Anywhere within the next transactions.
    for _ in 0..random() % 200_000 {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged.extend(lines.map_while(Result::ok).filter_map(|line| parse(&line)));
    acknowledged
}

/// A second process reads, checks and writes while the first one writes.
fn work_beside_it(folder: &Path) {
    let store = open(folder).unwrap();
    assert_ne!(store.poll_changes(ChangeMark::default()).unwrap(), None, "the other process changed heads");
    store.verify_chain(&chain("decisions"), None).unwrap();
    let id = RecordId::from_bytes(id(random(), 255, 0));
    let record = NewRecord { chain: chain("decisions"), id, time: 1, body: b"{}".to_vec() };
    store.append_wait(record).unwrap();
    let reader = SqliteStore::open_read_only(&SqliteStore::file_in(folder)).unwrap();
    assert!(reader.record(&id).unwrap().is_some());
}

/// A head names the number of the change that moved it last: that change's record is there, and no later one of that writer is.
fn heads_and_records_agree(store: &SqliteStore, acknowledged: &[Acknowledged]) {
    let mut last: BTreeMap<(u64, u8), u64> = BTreeMap::new();
    for record in acknowledged.iter().filter(|record| record.number % STRIDE == 1) {
        let number = last.entry((record.life, record.writer)).or_default();
        *number = record.number.max(*number);
    }
    for ((life, writer), acknowledged) in last {
        let found = store.head(&name(life, writer)).unwrap().expect("an acknowledged head");
        let body = String::from_utf8(store.blob(&found.digest).unwrap().unwrap()).unwrap();
        let number: u64 = body.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(number >= acknowledged, "{number} is older than {acknowledged}");
        let has = |number| store.record(&RecordId::from_bytes(id(life, writer, number))).unwrap().is_some();
        assert!(has(number) && !has(number + STRIDE), "half of a change");
    }
}

fn start_child(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test of its own: what the killed process does.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let store = open(&folder).unwrap();
    let life = random();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || write_for_ever(store, life, writer));
        }
    });
}

fn write_for_ever(store: &SqliteStore, life: u64, writer: u8) {
    for number in 1.. {
        let id = id(life, writer, number);
        let body = format!("{{\"n\":{number}}}").into_bytes();
        let mut change = Change::new(ChangeId::from_bytes(id));
        change.records.push(NewRecord {
            chain: chain("decisions"),
            id: RecordId::from_bytes(id),
            time: 1,
            body,
        });
        if number % STRIDE == 1 {
            let expected = store.head(&name(life, writer)).unwrap().map(|head| head.revision);
            let digest = change.put_blob(format!("{life:x} {writer} {number}").into_bytes());
            change.set_head(name(life, writer), expected, Some(digest));
        }
        store.commit(change).unwrap();
        writeln!(std::io::stdout().lock(), "durable {life} {writer} {number} .").unwrap();
    }
}

/// The full stop shows that the line is whole.
fn parse(line: &str) -> Option<Acknowledged> {
    let words: Vec<&str> = line.split(' ').collect();
    let &["durable", life, writer, number, "."] = words.as_slice() else { return None };
    Some(Acknowledged {
        life: life.parse().unwrap(),
        writer: writer.parse().unwrap(),
        number: number.parse().unwrap(),
    })
}

fn open(folder: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(folder, &SqliteOptions::default())
}

fn name(life: u64, writer: u8) -> assay_store::HeadName {
    head(&format!("provider/{life:x}-{writer}"))
}

fn id(life: u64, writer: u8, number: u64) -> [u8; 16] {
    let number = (u128::from(writer) << 56) | u128::from(number);
    ((u128::from(life) << 64) | number).to_be_bytes()
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    u64::from_be_bytes(bytes)
}
