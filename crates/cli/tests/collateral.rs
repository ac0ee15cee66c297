//! `assay collateral`: from a connected machine to an isolated one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use common::{Run, command, run_in};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with simulated hardware, a key, and collateral in `from`.
fn prepared() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("from")).unwrap();
    collect(dir.path());
    let made = run_in(dir.path(), "collateral bundle keygen --out key.pem");
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(made.stdout.trim().len(), 43, "the thumbprint");
    dir
}

/// Fetches collateral, as it were.
fn collect(dir: &Path) {
    let made = run_in(dir, "simulate sgx --out sample --data dev");
    assert_eq!(made.code, 0, "{made:?}");
    fs::copy(dir.join("sample/collateral.json"), dir.join("from/sgx.json")).unwrap();
}

fn export(dir: &Path, sequence: &str) -> Run {
    let line = format!(
        "collateral export --from from --key key.pem --sequence {sequence} --out a.bundle --data dev --issuer rack-1"
    );
    run_in(dir, &line)
}

fn import(dir: &Path) -> Run {
    run_in(dir, "collateral import a.bundle --signer key.jwk --to to --data dev")
}

fn code(run: &Run) -> Value {
    run.json()["error"]["code"].clone()
}

#[test]
fn collateral_travels_and_serves() {
    let dir = prepared();
    let dir = dir.path();
    let exported = export(dir, "auto");
    assert_eq!((exported.code, exported.stdout.as_str()), (0, ""), "{exported:?}");
    assert!(exported.stderr.contains("4 entries, 0 refused"), "{exported:?}");
    let verified = run_in(dir, "collateral bundle verify a.bundle --signer key.jwk --data dev");
    let report = verified.json();
    assert_eq!((verified.code, &report["outcome"]), (0, &json!("usable")), "{report}");
    assert_eq!(
        (&report["bundle"]["issuer"], report["taken"].as_array().unwrap().len()),
        (&json!("rack-1"), 4)
    );
    assert!(!dir.join("to").exists(), "looking changes nothing");
    let imported = import(dir);
    assert_eq!((imported.code, &imported.json()["outcome"]), (0, &json!("taken")), "{imported:?}");
    let left: Vec<_> = fs::read_dir(dir.join("to")).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the file and its lock: {left:?}");
    // From there to the next machine.
    let relayed = run_in(dir, "collateral export --from to --key key.pem --out b.bundle --data dev");
    assert!(relayed.stderr.contains("4 entries, 0 refused"), "{relayed:?}");
    let again = import(dir);
    assert_eq!((again.code, code(&again)), (1, json!("bundle-sequence")));
}

#[test]
fn people_read_what_is_in_a_bundle_and_until_when() {
    let dir = prepared();
    let dir = dir.path();
    export(dir, "3");
    let line = "collateral bundle verify a.bundle --signer key.jwk --data dev --format text";
    let shown = run_in(dir, line);
    assert_eq!(shown.code, 0, "{shown:?}");
    for words in
        ["usable, judged at", "bundle 3 of", "rack-1", "all of it usable until", "intel/root-crl  new, until"]
    {
        assert!(shown.stdout.contains(words), "{words}: {}", shown.stdout);
    }
    // In a few weeks it is of no use any more.
    let late = run_in(dir, &format!("{line} --at 2100-01-01T00:00:00Z"));
    assert_eq!(late.code, 1, "{late:?}");
    for words in ["refused, judged at 2100", "nothing in it can be used", "collateral-expired"] {
        assert!(late.stdout.contains(words), "{words}: {}", late.stdout);
    }
}

/// How the command is used wrongly, its exit code, and what it says.
#[test]
fn refusals_have_codes() {
    let dir = prepared();
    let dir = dir.path();
    export(dir, "3");
    run_in(dir, "collateral bundle keygen --out other.pem");
    let verify = "collateral bundle verify a.bundle --signer";
    for (line, expected) in [
        (format!("{verify} other.jwk --data dev"), "bundle-other-signer"),
        // Without its folder, simulated hardware is nobody's.
        (format!("{verify} key.jwk"), "bundle-nothing-usable"),
        (format!("{verify} key.jwk --data dev --at 2020-01-01T00:00:00Z"), "bundle-from-future"),
        ("collateral import key.jwk --signer key.jwk --to to --data dev".to_owned(), "token-part-count"),
    ] {
        let run = run_in(dir, &line);
        assert_eq!((run.code, code(&run)), (1, json!(expected)), "{line}: {run:?}");
    }
    for (line, said) in [
        ("collateral bundle verify none --signer key.jwk", "cannot be read"),
        ("collateral bundle verify a.bundle --signer key.pem", "it is no JWK"),
        ("collateral bundle keygen --out key.pem", "is there already"),
        ("collateral export --from from --key key.jwk --out x --data dev", "must be 0600"),
        ("collateral export --from from --key key.pem --out x --sequence many", "expected `auto`"),
    ] {
        let run = run_in(dir, line);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{line}: {run:?}");
        assert!(run.stderr.contains(said), "{line}: {}", run.stderr);
    }
    let nothing = run_in(dir, "collateral export --from from --key key.pem --out x");
    assert_eq!((nothing.code, dir.join("x").exists()), (1, false), "{nothing:?}");
    assert!(!dir.join("to/imported.json").exists());
}

/// An import that is killed at any moment leaves a folder of before or after.
#[test]
fn a_killed_import_changes_nothing_or_everything() {
    let dir = prepared();
    let dir = dir.path();
    export(dir, "1");
    assert_eq!(import(dir).code, 0);
    let file = dir.join("to/imported.json");
    let before = fs::read(&file).unwrap();
    export(dir, "2");
    let mut outcomes = (0, 0);
    for round in 0..30 {
        fs::write(&file, &before).unwrap();
        let line = "collateral import a.bundle --signer key.jwk --to to --data dev";
        let mut child = command(line.split_whitespace())
            .current_dir(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(round * 2));
        child.kill().unwrap();
        child.wait().unwrap();
        let after: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let sequence = after["sequences"].as_object().unwrap().values().next().unwrap().as_u64();
        match sequence {
            Some(1) => outcomes.0 += 1,
            Some(2) => outcomes.1 += 1,
            other => panic!("{other:?}"),
        }
        assert_eq!(after["documents"].as_array().unwrap().len(), 4);
    }
    assert!(outcomes.0 > 0, "some were killed before the end: {outcomes:?}");
}
