//! What holds for every command: help with examples, completions, streams and exit codes.
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

use std::process::Stdio;

use common::{command, run, run_in};
use tempfile::TempDir;

/// The names of the commands below one, from its help.
fn subcommands(help: &str) -> Vec<String> {
    let Some((_, after)) = help.split_once("Commands:\n") else { return Vec::new() };
    let lines = after.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn check_help(path: &[String], seen: &mut Vec<String>) {
    let arguments = path.iter().map(String::as_str).chain(["--help"]);
    let help = run(arguments);
    assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{path:?}");
    assert!(help.stdout.contains("Example"), "{path:?} has no example:\n{}", help.stdout);
    assert!(!help.stdout.contains('\x1b'), "{path:?} is coloured in a pipe");
    seen.push(path.join(" "));
    for name in subcommands(&help.stdout) {
        let below: Vec<String> = path.iter().cloned().chain([name]).collect();
        check_help(&below, seen);
    }
}

#[test]
fn every_help_has_an_example() {
    let mut seen = Vec::new();
    check_help(&[], &mut seen);
    for expected in [
        "serve",
        "demo",
        "verify",
        "inspect",
        "policy check",
        "policy eval",
        "policy set",
        "token verify",
        "simulate",
        "provider rotate-key",
        "audit replay",
        "agent thim",
        "collateral qcnl-config",
        "collateral status",
        "collateral explain",
        "collateral refresh",
        "collateral preview",
        "collateral pins set",
        "config check",
        "backup",
        "restore",
        "completions",
    ] {
        assert!(seen.iter().any(|path| path == expected), "{expected} is missing: {seen:?}");
    }
}

#[test]
fn there_are_completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(["completions", shell]);
        assert_eq!((script.code, script.stderr.as_str()), (0, ""));
        assert!(script.stdout.contains("assay") && script.stdout.contains("simulate"), "{shell}");
    }
    assert_eq!(run(["completions", "abacus"]).code, 2);
}

#[test]
fn version_and_usage() {
    let version = run(["--version"]);
    assert_eq!((version.code, version.stdout), (0, format!("assay {}\n", env!("CARGO_PKG_VERSION"))));
    let nothing = run([""; 0]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (2, ""));
    assert!(nothing.stderr.contains("Usage: assay"), "{}", nothing.stderr);
}

#[test]
fn a_reader_that_stops_reading_is_no_error() {
    let mut child =
        command(["completions", "zsh"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn evidence_is_simulated_into_four_files() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("runtime"), b"hello").unwrap();
    let made = run_in(folder.path(), "simulate open-enclave --out new/e --data d --runtime-data runtime");
    assert_eq!((made.code, made.stdout.as_str()), (0, ""));
    assert!(made.stderr.contains("/attest/OpenEnclave"), "{}", made.stderr);
    let read = |name: &str| std::fs::read(folder.path().join("new/e").join(name)).unwrap();
    assert_eq!(read("runtime-data.bin"), b"hello");
    let request: serde_json::Value = serde_json::from_slice(&read("request.json")).unwrap();
    assert_eq!(request["report"], assay_token::base64url::encode(&read("evidence.bin")));
    let collateral: serde_json::Value = serde_json::from_slice(&read("collateral.json")).unwrap();
    assert!(collateral["tcb_info"].as_str().unwrap().contains("tcbLevels"));
}

#[test]
fn defects_are_listed_by_kind() {
    let all = run(["simulate", "--list-defects"]);
    assert_eq!(all.code, 0);
    for (kind, name) in [
        ("sgx", "quote-signature-bit-flipped"),
        ("azure-cvm", "signature-r-bit-flipped"),
        ("azure-cvm", "hcl-claims-not-bound"),
        ("snp", "uvm-measurement-"),
    ] {
        let listed = run(["simulate", kind, "--list-defects"]);
        assert!(listed.code == 0 && listed.stdout.lines().count() > 30, "{}", listed.stdout);
        assert!(listed.stdout.contains(name), "{}", listed.stdout);
        assert!(listed.stdout.lines().all(|line| all.stdout.contains(line.split(' ').next().unwrap())));
    }
}

#[test]
fn options_of_another_kind_are_usage_errors() {
    let folder = TempDir::new().unwrap();
    let amd = "belongs to `snp` and `azure-cvm`, and not to `sgx`";
    let intel = "belongs to `sgx` and `open-enclave`, and not to";
    let zeros = "00".repeat(48);
    let cases = [
        ("simulate sgx".to_owned(), "--out <DIR>"),
        ("simulate sgx --out e --defect abacus".to_owned(), "`abacus` is not a defect of `sgx` evidence"),
        ("simulate snp --out e --defect revoked".to_owned(), "`revoked` is not a defect of `snp` evidence"),
        ("simulate sgx --out e --status Fine".to_owned(), "expected one of UpToDate"),
        ("simulate snp --out e --product rome".to_owned(), "expected one of milan, genoa, turin"),
        ("simulate snp --out e --key ark".to_owned(), "expected `vcek` or `vlek`"),
        ("simulate snp --out e --vmpl 4".to_owned(), "4 is not in 0..=3"),
        ("simulate snp --out e --measurement 00".to_owned(), "expected 96 hexadecimal digits"),
        ("simulate tdx --out e".to_owned(), "`tdx` is not supported yet in this release"),
        ("simulate sgx --out e --product milan".to_owned(), amd),
        ("simulate sgx --out e --key vlek".to_owned(), amd),
        ("simulate sgx --out e --vmpl 0".to_owned(), amd),
        (format!("simulate sgx --out e --measurement {zeros}"), amd),
        (format!("simulate sgx --out e --host-data {}", &zeros[..64]), amd),
        ("simulate sgx --out e --guest-svn 1".to_owned(), amd),
        ("simulate sgx --out e --endorsed".to_owned(), amd),
        ("simulate snp --out e --status UpToDate".to_owned(), intel),
        ("simulate snp --out e --ca platform".to_owned(), intel),
        ("simulate snp --out e --revoked".to_owned(), intel),
        (format!("simulate snp --out e --mrenclave {}", &zeros[..64]), intel),
        (format!("simulate azure-cvm --out e --mrsigner {}", &zeros[..64]), intel),
        ("simulate snp --out e --product-id 1".to_owned(), intel),
        ("simulate snp --out e --svn 1".to_owned(), intel),
    ];
    for (line, problem) in cases {
        let refused = run_in(folder.path(), &line);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{line}");
        assert!(refused.stderr.contains(problem), "{line}: {}", refused.stderr);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}
