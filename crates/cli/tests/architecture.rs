//! The arrows between the crates, as `docs/architecture.md` draws them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What each crate may know of ours. A crate that is missing here fails the test, so a new one is a decision.
const MAY_USE: &[(&str, &[&str])] = &[
    ("json", &[]),
    ("evidence", &["json"]),
    ("policy", &[]),
    ("store", &[]),
    ("silicon", &["evidence"]),
    ("token", &["json"]),
    ("verify", &["json", "evidence"]),
    ("collateral", &["json", "evidence", "verify"]),
    ("appraisal", &["json", "evidence", "verify", "policy"]),
    (
        "service",
        &["json", "evidence", "verify", "policy", "appraisal", "token", "collateral", "store", "silicon"],
    ),
    (
        "cli",
        &[
            "json",
            "evidence",
            "verify",
            "policy",
            "appraisal",
            "token",
            "collateral",
            "store",
            "silicon",
            "service",
        ],
    ),
    ("bench", &["json", "evidence", "verify", "policy", "appraisal", "token", "silicon", "service"]),
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo metadata runs");
    serde_json::from_slice(&output.stdout).expect("cargo metadata gives JSON")
}

/// Each crate of ours with the crates of ours that it is built from (not those that only its tests use).
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let ours = |name: &Value| name.as_str().unwrap().strip_prefix("assay-").map(str::to_owned);
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let normal = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
            let uses = normal.filter_map(|dependency| ours(&dependency["name"])).collect();
            (ours(&package["name"]).expect("crates are named assay-*"), uses)
        })
        .collect()
}

#[test]
fn no_crate_uses_what_it_must_not_know() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let arrows = arrows();
    assert_eq!(arrows.keys().map(String::as_str).collect::<BTreeSet<_>>(), allowed.keys().copied().collect());
    for (from, uses) in arrows {
        for to in uses {
            assert!(allowed[from.as_str()].contains(&to.as_str()), "`{from}` must not use `{to}`");
        }
    }
}

#[test]
fn the_verifying_crates_use_no_clock_network_or_files() {
    let forbidden =
        ["std::fs", "std::net", "std::env::var", "SystemTime::now", "Instant::now", "tokio::", "println!"];
    for name in ["json", "evidence", "verify", "policy", "appraisal"] {
        let folder = format!("{}/../{name}/src", env!("CARGO_MANIFEST_DIR"));
        for (path, text) in sources(std::path::Path::new(&folder)) {
            let production = text.split("#[cfg(test)]").next().unwrap();
            for word in forbidden {
                assert!(!production.contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

fn sources(folder: &std::path::Path) -> Vec<(std::path::PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}
