//! `assay demo --once`.
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

mod common;

use common::{Run, command};
use tempfile::TempDir;

#[test]
fn the_demonstration_succeeds_and_leaves_nothing_behind() {
    let scratch = TempDir::new().unwrap();
    let mut demo = command(["demo", "--once"]);
    let output = demo.env("TMPDIR", scratch.path()).current_dir(scratch.path()).output().unwrap();
    let run = Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert_eq!(run.code, 0, "{run:?}");
    let rows: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("✓ ")).collect();
    assert_eq!(rows.len(), 10, "{}", run.stdout);
    for (row, words) in rows.iter().zip([
        ["sgx", "up to date", "token issued, verified offline"],
        ["open-enclave", "up to date", "token issued, verified offline"],
        ["sgx", "lacks updates", "refused (400 below-baseline)"],
        ["sgx", "can be debugged", "refused (400 policy-denied)"],
        ["snp", "Milan", "token issued, verified offline"],
        ["snp", "Turin", "token issued, verified offline"],
        ["snp", "Milan, endorsed image", "token issued, verified offline"],
        ["snp", "Milan, can be debugged", "refused (400 policy-denied)"],
        ["azure-cvm", "Milan, with paravisor", "token issued, verified offline"],
    ]) {
        for word in words {
            assert!(row.contains(word), "{row}: {word}");
        }
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "the folder was not removed");
}
