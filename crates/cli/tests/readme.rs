//! The walk in the README prints what the README says, word for word.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a reader types, and what the README says it prints.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    typed: String,
    printed: String,
}

fn walk() -> Vec<Step> {
    let readme = include_str!("../../../README.md");
    let walk = readme.split("<!-- walk").nth(1).unwrap().split("<!-- end of walk -->").next().unwrap();
    let blocks = walk.split("```console\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut steps: Vec<Step> = Vec::new();
    let mut continues = false;
    for line in blocks.flat_map(str::lines) {
        if let Some(typed) = line.strip_prefix("$ ") {
            steps.push(Step { typed: format!("{typed}\n"), printed: String::new() });
            continues = typed.ends_with('\\');
        } else if let Some(typed) = line.strip_prefix("> ") {
            steps.last_mut().unwrap().typed.push_str(&format!("{typed}\n"));
        } else if continues {
            steps.last_mut().unwrap().typed.push_str(&format!("{line}\n"));
            continues = line.ends_with('\\');
        } else {
            steps.last_mut().unwrap().printed.push_str(&format!("{line}\n"));
        }
    }
    steps
}

#[test]
fn the_walk_prints_what_the_readme_says() {
    let steps = walk();
    assert!(steps.len() >= 12, "the walk was not found");
    let mut printed = type_in(&steps);
    if printed.contains(NOT_STARTED) {
        printed = type_in(&steps);
    }
    let printed: Vec<&str> = printed.split("\n=====\n").collect();
    for (step, printed) in steps.iter().zip(&printed) {
        assert_eq!(printed.trim_end(), step.printed.trim_end(), "of `{}`", step.typed.trim_end());
    }
    assert_eq!(printed.len(), steps.len() + 1, "the walk broke off");
}

/// Printed instead of waiting for ever: most likely someone else took the port after it was chosen.
const NOT_STARTED: &str = "the service did not start";

/// Types the walk into a shell, in a new folder, and with a free port: that of the README may be taken here.
fn type_in(steps: &[Step]) -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let mut script = String::from("set -m; exec 2>&1; trap 'kill %1 2>/dev/null' EXIT\n");
    // The walk sleeps only while it waits for the service, its first job.
    let gone = format!("kill -0 %1 2>/dev/null || {{ echo '{NOT_STARTED}'; cat serve.log; exit 1; }}");
    script.push_str(&format!("sleep() {{ command sleep \"$1\"; {gone}; }}\n"));
    for step in steps {
        script.push_str(&step.typed);
        script.push_str("printf '\\n=====\\n'\n");
    }
    let binaries = Path::new(env!("CARGO_BIN_EXE_assay")).parent().unwrap().to_owned();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &script.replace("8443", &port)])
        .current_dir(&folder)
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().replace(&port, "8443")
}
