//! Runs the real binary.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run of the binary gave.
#[derive(Debug)]
pub(crate) struct Run {
    /// Its exit code.
    pub(crate) code: i32,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The binary, with an environment of its own.
pub(crate) fn command<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
    for variable in ["NO_COLOR", "ASSAY_TOKEN", "ASSAY_CONFIG"] {
        command.env_remove(variable);
    }
    command.env("LC_ALL", "C.UTF-8").args(arguments);
    command
}

/// Runs the binary to its end.
pub(crate) fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    finish(command(arguments).stdin(Stdio::null()).output().unwrap())
}

/// Runs the binary with standard input.
pub(crate) fn run_with_input<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>, input: &[u8]) -> Run {
    let mut command = command(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that ends before it has read everything closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input);
    finish(child.wait_with_output().unwrap())
}

/// Runs a command line given as words with spaces between them, in a folder.
pub(crate) fn run_in(folder: &Path, line: &str) -> Run {
    finish(command(line.split_whitespace()).current_dir(folder).stdin(Stdio::null()).output().unwrap())
}

fn finish(output: std::process::Output) -> Run {
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The folder of real evidence, if there is one.
pub(crate) fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("ASSAY_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: set ASSAY_VECTORS to the folder of real evidence to run this test");
    }
    folder
}
