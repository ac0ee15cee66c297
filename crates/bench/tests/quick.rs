//! The smoke test of the benchmarks: they run, their results are right, and `bench.json` has its shape.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

use std::process::Command;

use serde_json::Value;

fn bench(folder: &tempfile::TempDir, arguments: &[&str]) -> (bool, String, String, Vec<Value>) {
    let out = folder.path().join("new").join("bench.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay-bench"));
    let output = command.args(["--quick", "--out"]).arg(&out).args(arguments).output().unwrap();
    let rows = std::fs::read(&out).map(|text| serde_json::from_slice(&text).unwrap()).unwrap_or_default();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr), rows)
}

#[test]
fn every_case_without_a_service_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (success, table, talk, rows) = bench(&folder, &[]);
    assert!(success, "{talk}");
    let cases: Vec<&str> = rows.iter().map(|row| row["case"].as_str().unwrap()).collect();
    let expected = [
        "sgx-verify-warm",
        "sgx-verify-new-platform",
        "sgx-verify-cold",
        "snp-verify-warm",
        "snp-verify-cold",
        "policy-eval",
        "policy-parse",
        "sgx-appraise-warm",
        "snp-appraise-warm",
        "token-sign-es256",
        "token-sign-es384",
        "token-sign-rs256",
        "token-sign-ps256",
        "token-verify-es256",
        "token-verify-es384",
        "token-verify-rs256",
        "token-verify-ps256",
    ];
    assert_eq!(cases, expected);
    for row in &rows {
        check_shape(row);
        assert!(table.contains(row["case"].as_str().unwrap()));
    }
    assert!(talk.contains("SKIPPED: --quick measures the service only if --assay names its program"));
}

fn check_shape(row: &Value) {
    assert_eq!(row["unit"], "us");
    let assay = row["assay"].as_f64().unwrap();
    assert!(assay > 0.0 && assay.is_finite());
    for (value, name) in [("peer", "peer_name"), ("floor", "floor_name")] {
        assert_eq!(row[value].is_null(), row[name].is_null());
        assert!(row[value].is_null() || row[value].as_f64().unwrap() > 0.0);
    }
    match row["peer"].as_f64() {
        Some(peer) => assert!((row["ratio"].as_f64().unwrap() - peer / assay).abs() < 1e-9),
        None => assert!(row["ratio"].is_null()),
    }
    assert_eq!(row["goal"].is_null(), row["goal_met"].is_null());
}

#[test]
fn cases_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let (success, _, talk, rows) = bench(&folder, &["--only", "policy-parse", "--rounds", "1"]);
    assert!(success, "{talk}");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["case"], "policy-parse");
}

#[test]
fn a_service_that_does_not_start_fails_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (success, _, talk, rows) = bench(&folder, &["--only", "start-dev", "--assay", "/bin/false"]);
    assert!(!success);
    assert!(
        talk.contains("bench: the service: the service ended before it was ready: exit status: 1"),
        "{talk}"
    );
    assert_eq!(rows, Vec::<Value>::new());
}
