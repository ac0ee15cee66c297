//! Collateral of simulated silicon in folders: what is held, what is refused, and that nothing goes back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

use std::fs;
use std::path::Path;

use assay_collateral::{CollateralFolder, FileProblem, Limits};
use assay_silicon::intel::{Ca, Collateral, CollateralSpec, Intel, PlatformSpec, TcbStatus};
use assay_verify::intel::{PckCa, PlatformKey};
use assay_verify::{AnchorOrigin, TrustAnchors, UnixTime};
use tempfile::TempDir;

const NOW: i64 = 1_780_000_000;
const DAY: i64 = 24 * 60 * 60;

struct Fixture {
    intel: Intel,
    dir: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { intel: Intel::generate(NOW).unwrap(), dir: TempDir::new().unwrap() }
    }

    fn folder(&self) -> CollateralFolder {
        self.folder_with(Limits::default())
    }

    fn folder_with(&self, limits: Limits) -> CollateralFolder {
        let anchors = TrustAnchors::vendor();
        let anchors = anchors.with_intel_root(self.intel.root_public_key(), AnchorOrigin::Simulated);
        CollateralFolder::with_limits(vec![self.dir.path().to_owned()], anchors, limits)
    }

    fn set(&self, ca: Ca, issue: i64, evaluation: u32) -> Collateral {
        let mut spec = CollateralSpec::for_platform(&PlatformSpec::new(ca, TcbStatus::UpToDate));
        (spec.issue, spec.evaluation_number) = (Some(issue), evaluation);
        self.intel.collateral(&spec, NOW).unwrap()
    }

    fn write(&self, name: &str, content: &str) -> std::path::PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn write_set(&self, name: &str, set: &Collateral) {
        self.write(name, &json(set));
    }
}

fn json(set: &Collateral) -> String {
    serde_json::to_string(set).unwrap()
}

fn key(ca: Ca) -> PlatformKey {
    let pck = match ca {
        Ca::Processor => PckCa::Processor,
        Ca::Platform => PckCa::Platform,
    };
    PlatformKey { fmspc: ca.simulated_fmspc(), ca: pck }
}

fn issued(folder: &CollateralFolder, ca: Ca) -> Option<i64> {
    folder.find(&key(ca)).map(|set| set.tcb_info.window.from.0)
}

#[test]
fn one_file_per_set_or_a_bundle() {
    let fixture = Fixture::new();
    let (one, other) = (fixture.set(Ca::Processor, NOW - DAY, 18), fixture.set(Ca::Platform, NOW - DAY, 18));
    let folder = fixture.folder();
    assert!(folder.find(&key(Ca::Processor)).is_none());
    fixture.write_set("one.json", &one);
    assert!(folder.reload().changed);
    assert_eq!((issued(&folder, Ca::Processor), issued(&folder, Ca::Platform)), (Some(NOW - DAY), None));
    fixture.write("bundle.json", &format!(" [{},\n{}]", json(&one), json(&other)));
    let reload = folder.reload();
    assert!(reload.changed && reload.problems.is_empty(), "{:?}", reload.problems);
    assert_eq!(issued(&folder, Ca::Platform), Some(NOW - DAY));
    assert_eq!(folder.inventory().len(), 2);
    let held = folder.find(&key(Ca::Platform)).unwrap();
    assert_eq!(folder.raw(&held.digest).unwrap().tcb_info, other.tcb_info);
    assert!(!folder.reload().changed, "nothing changed since");
}

#[test]
fn nothing_goes_back() {
    let fixture = Fixture::new();
    let folder = fixture.folder();
    fixture.write_set("set.json", &fixture.set(Ca::Platform, NOW - DAY, 18));
    folder.reload();
    // Older, the same age with a lower evaluation, and gone altogether.
    for step in [Some((NOW - 2 * DAY, 18)), Some((NOW - DAY, 17)), None] {
        match step {
            Some((issue, evaluation)) => {
                fixture.write_set("set.json", &fixture.set(Ca::Platform, issue, evaluation))
            }
            None => fs::remove_file(fixture.dir.path().join("set.json")).unwrap(),
        }
        assert!(folder.reload().changed);
        let held = folder.find(&key(Ca::Platform)).unwrap();
        assert_eq!((held.tcb_info.window.from.0, held.evaluation_number()), (NOW - DAY, 18), "{step:?}");
    }
    fixture.write_set("set.json", &fixture.set(Ca::Platform, NOW - 100, 18));
    folder.reload();
    assert_eq!(issued(&folder, Ca::Platform), Some(NOW - 100));
    assert_eq!(folder.newest_vendor_date(), Some(UnixTime(NOW - 100)));
}

#[test]
fn a_set_is_older_if_any_part_of_it_is() {
    let fixture = Fixture::new();
    let folder = fixture.folder();
    let verified = |set: &Collateral| {
        let raw = assay_verify::intel::RawCollateral::from_json(json(set).as_bytes()).unwrap();
        let anchors = TrustAnchors::vendor();
        let anchors = anchors.with_intel_root(fixture.intel.root_public_key(), AnchorOrigin::Simulated);
        assay_verify::intel::Collateral::verify(&raw, &anchors).collateral.unwrap()
    };
    let (held, older) =
        (fixture.set(Ca::Platform, NOW - DAY, 18), fixture.set(Ca::Platform, NOW - 2 * DAY, 18));
    assert!(folder.newer_than(&verified(&older)).is_none(), "nothing is held");
    fixture.write_set("set.json", &held);
    folder.reload();
    let with = |change: fn(&mut Collateral, &Collateral)| {
        let mut set = held.clone();
        change(&mut set, &older);
        folder.newer_than(&verified(&set)).is_some()
    };
    assert!(!with(|_, _| ()), "the same");
    assert!(with(|set, old| set.pck_crl.clone_from(&old.pck_crl)));
    assert!(with(|set, old| set.root_ca_crl.clone_from(&old.root_ca_crl)));
    assert!(with(|set, old| {
        set.tcb_info.clone_from(&old.tcb_info);
        set.tcb_info_signature.clone_from(&old.tcb_info_signature);
    }));
    assert!(with(|set, old| {
        set.qe_identity.clone_from(&old.qe_identity);
        set.qe_identity_signature.clone_from(&old.qe_identity_signature);
    }));
    assert!(folder.newer_than(&verified(&fixture.set(Ca::Platform, NOW - DAY, 17))).is_some());
    assert!(folder.newer_than(&verified(&fixture.set(Ca::Platform, NOW - 100, 18))).is_none());
    assert!(folder.newer_than(&verified(&fixture.set(Ca::Processor, NOW - 2 * DAY, 18))).is_none());
}

#[test]
fn newer_and_older_at_once_is_not_used() {
    let fixture = Fixture::new();
    let folder = fixture.folder();
    let held = fixture.set(Ca::Platform, NOW - DAY, 18);
    fixture.write_set("set.json", &held);
    folder.reload();
    // Newer documents beside the revocation list of the day before.
    let (newer, older) =
        (fixture.set(Ca::Platform, NOW - 100, 18), fixture.set(Ca::Platform, NOW - 2 * DAY, 18));
    let mixed = Collateral { pck_crl: older.pck_crl, ..newer };
    fixture.write_set("set.json", &mixed);
    let problem =
        "it is newer in one part and older in another than the set held for its family; it is not used";
    let path = fixture.dir.path().join("set.json");
    assert_eq!(folder.reload().problems, [FileProblem { path, set: 0, problem: problem.to_owned() }]);
    assert_eq!(issued(&folder, Ca::Platform), Some(NOW - DAY));
}

#[test]
fn broken_files_are_problems_and_the_others_count() {
    let fixture = Fixture::new();
    let folder = fixture.folder();
    let good = fixture.set(Ca::Platform, NOW - DAY, 18);
    let mut forged = fixture.set(Ca::Processor, NOW - DAY, 18);
    forged.tcb_info = forged.tcb_info.replace("UpToDate", "OutOfDat");
    let stranger = Intel::generate(NOW).unwrap().collateral(&CollateralSpec::default(), NOW).unwrap();
    fixture.write_set("good.json", &good);
    fixture.write("bundle.json", &format!("[{},{},3]", json(&forged), json(&stranger)));
    let bad = fixture.write("bad.json", "{\"tcb_info\":1,\"tcb_info\":2}");
    fixture.write("ignored.txt", "no");
    fixture.write(".hidden.json", "no");
    let reload = folder.reload();
    let found: Vec<(&Path, usize)> =
        reload.problems.iter().map(|problem| (problem.path.as_path(), problem.set)).collect();
    let bundle = fixture.dir.path().join("bundle.json");
    assert_eq!(found, [(bad.as_path(), 0), (&bundle, 1), (&bundle, 2), (&bundle, 3)]);
    let text = |index: usize| reload.problems[index].problem.clone();
    assert!(text(0).starts_with("it is not collateral: "), "{}", text(0));
    assert!(text(1).contains("collateral-signature"), "{}", text(1));
    assert!(text(2).contains("untrusted-root"), "{}", text(2));
    assert!(text(3).starts_with("it is not collateral: "), "{}", text(3));
    assert_eq!(reload.new_problems, reload.problems);
    assert_eq!(folder.inventory().len(), 1);
    let again = folder.reload();
    assert_eq!((again.changed, again.problems.len(), again.new_problems.len()), (false, 4, 0));
}

#[test]
fn limits_hold() {
    let fixture = Fixture::new();
    let set = json(&fixture.set(Ca::Platform, NOW - DAY, 18));
    let other = json(&fixture.set(Ca::Processor, NOW - DAY, 18));
    fixture.write("a.json", &format!("[{set},{other}]"));
    fixture.write("b.json", &other);
    let problems = |limits: Limits| -> Vec<String> {
        let folder = fixture.folder_with(limits);
        folder.reload().problems.into_iter().map(|problem| problem.problem).collect()
    };
    let standard = Limits::default();
    assert_eq!(problems(standard), Vec::<String>::new());
    assert_eq!(
        problems(Limits { files: 1, ..standard }),
        ["there are more than 1 files; the others are not read"]
    );
    assert_eq!(
        problems(Limits { sets_per_file: 1, ..standard }),
        ["it has more than 1 sets; the others are not read"]
    );
    assert_eq!(
        problems(Limits { sets: 1, ..standard }),
        ["more than 1 sets; this one is not held", "more than 1 sets; this one is not held"]
    );
    assert_eq!(problems(Limits { file_bytes: 10, ..standard }), vec!["it is larger than 10 bytes"; 2]);
}

#[test]
fn a_missing_folder_is_a_problem() {
    let fixture = Fixture::new();
    let missing = fixture.dir.path().join("missing");
    let folder = CollateralFolder::open(vec![missing.clone()], TrustAnchors::vendor());
    let problems = folder.reload().problems;
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].path.as_path(), problems[0].set), (missing.as_path(), 0));
    assert!(problems[0].problem.starts_with("the folder cannot be read: "));
}
