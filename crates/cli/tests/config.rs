//! `assay config`: the effective configuration, and errors with the line that is wrong.
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

use std::path::Path;

use common::{Run, command, run, run_in};
use tempfile::TempDir;

fn check(folder: &Path, text: &str, environment: &[(&str, &str)]) -> Run {
    std::fs::write(folder.join("assay.toml"), text).unwrap();
    let mut command = command(["config", "check", "--config", "assay.toml"]);
    let output = command.current_dir(folder).envs(environment.iter().copied()).output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn the_example_is_a_configuration_that_can_be_used() {
    let folder = TempDir::new().unwrap();
    let example = run(["config", "example"]);
    assert_eq!((example.code, example.stderr.as_str()), (0, ""));
    let checked = check(folder.path(), &example.stdout, &[]);
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""), "{checked:?}");
    assert!(checked.stdout.contains("public_url = \"https://attest.example.org\""), "{}", checked.stdout);

    // What is commented out is right, too: only one source of the master key may be left.
    let lines = example.stdout.lines().filter(|line| !line.contains("master_key_credential"));
    let uncommented: Vec<&str> =
        lines.map(|line| line.strip_prefix('#').filter(is_setting).unwrap_or(line)).collect();
    let checked = check(folder.path(), &uncommented.join("\n"), &[]);
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""), "{checked:?}");
    assert!(checked.stdout.contains("service_domain") && checked.stdout.contains("Payments.Attestation"));
}

fn is_setting(line: &&str) -> bool {
    !line.starts_with(' ') && !line.is_empty()
}

#[test]
fn what_is_effective_is_printed_and_can_be_given_again() {
    let folder = TempDir::new().unwrap();
    let example = run(["config", "example"]).stdout;
    let environment = [("ASSAY_LISTEN", "127.0.0.1:4433"), ("ASSAY_TOKEN", "a-secret-of-the-caller")];
    let first = check(folder.path(), &example, &environment);
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.stdout.contains("listen = \"127.0.0.1:4433\"") && !first.stdout.contains("secret"));
    let second = check(folder.path(), &first.stdout, &[]);
    assert_eq!((second.code, second.stdout), (0, first.stdout));
}

#[test]
fn secrets_are_not_printed() {
    let folder = TempDir::new().unwrap();
    let example = run(["config", "example"]).stdout.replace("master_key_file", "#master_key_file");
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let checked = check(folder.path(), &example, &[("ASSAY_MASTER_KEY", key)]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(!checked.stdout.contains(key) && !checked.stderr.contains(key));
}

#[test]
fn a_bad_configuration_exits_with_78_and_names_the_line() {
    let folder = TempDir::new().unwrap();
    let example = run(["config", "example"]).stdout;
    let line_of = |text: &str| 1 + example.lines().position(|line| line.starts_with(text)).unwrap();
    let cases = [
        ("listen = \"0.0.0.0:443\"", "listen = \"everywhere\"", "`everywhere` is not an address and port"),
        ("data_dir = ", "data_dri = ", "unknown field `data_dri`"),
        ("public_url = \"https://attest", "public_url = \"http://attest", "is not an address such as"),
    ];
    for (good, bad, problem) in cases {
        let broken = check(folder.path(), &example.replacen(good, bad, 1), &[]);
        assert_eq!((broken.code, broken.stdout.as_str()), (78, ""), "{bad}: {broken:?}");
        let place = format!("assay.toml:{}: ", line_of(good));
        assert!(
            broken.stderr.contains(&place) && broken.stderr.contains(problem),
            "{bad}: {}",
            broken.stderr
        );
    }
    // The line of the syntax error, and the name of the variable.
    let broken = check(folder.path(), "listen = \n", &[]);
    assert!(broken.code == 78 && broken.stderr.contains("assay.toml:1: "), "{broken:?}");
    let broken = check(folder.path(), &example, &[("ASSAY_LIMITS_CONNECTIONS", "many")]);
    assert!(broken.code == 78 && broken.stderr.contains("ASSAY_LIMITS_CONNECTIONS: "), "{broken:?}");
    // All problems at once.
    let broken = check(folder.path(), "[tls]\ncert = \"c\"\n", &[]);
    assert_eq!(broken.code, 78);
    for problem in
        ["`listen` is missing", "`data_dir` is missing", "assay.toml:2: `tls.cert` needs `tls.key`"]
    {
        assert!(broken.stderr.contains(problem), "{}", broken.stderr);
    }
    assert_eq!(run_in(folder.path(), "config check --config missing.toml").code, 78);
    assert_eq!(run_in(folder.path(), "serve --config missing.toml").code, 78);
    let serve = run_in(folder.path(), "serve --dev --listen 0.0.0.0:8443");
    assert_eq!(serve.code, 78, "{serve:?}");
    assert!(serve.stderr.contains("--listen: with `--dev` the service listens on a loopback address only"));
}
