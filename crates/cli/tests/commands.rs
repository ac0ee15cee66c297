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

    let defects = run(["simulate", "--list-defects"]);
    assert_eq!(defects.code, 0);
    assert!(defects.stdout.lines().count() > 30, "{}", defects.stdout);
    for line in ["simulate sgx", "simulate sgx --out e --defect abacus", "simulate sgx --out e --status Fine"]
    {
        assert_eq!(run_in(folder.path(), line).code, 2, "{line}");
    }
}
