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

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

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

/// The example, with the files that it names in a folder: made by a service under `--dev` that ends at once.
fn example(folder: &Path) -> String {
    let mut serve = command(["serve", "--dev", "--data", "made", "--listen", "127.0.0.1:0"]);
    let mut child = serve.current_dir(folder).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..600 {
        if folder.join("made/dev/url").exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let _ = child.kill();
    let _ = child.wait();
    let key = run([
        "collateral",
        "bundle",
        "keygen",
        "--out",
        &folder.join("made/bundle-key.pem").display().to_string(),
    ]);
    assert_eq!(key.code, 0, "{key:?}");
    let made = |name: &str| folder.join("made").join(name).display().to_string();
    let text = run(["config", "example"]).stdout;
    text.replace("/etc/assay/tls/server.pem", &made("tls/server.pem"))
        .replace("/etc/assay/tls/server.key", &made("tls/server.key"))
        .replace("/etc/assay/master.key", &made("dev/master.key"))
        .replace("/etc/assay/login-ca.pem", &made("tls/ca.pem"))
        .replace("/etc/assay/egress-ca.pem", &made("tls/ca.pem"))
        .replace("/etc/assay/pccs-ca.pem", &made("tls/ca.pem"))
        .replace("/etc/assay/bundle-key.jwk", &made("bundle-key.jwk"))
        // Any secret will do as the key of an upstream.
        .replace("/etc/assay/pcs.key", &made("dev/admin.token"))
        .replace("/var/lib/assay", &folder.join("data").display().to_string())
}

#[test]
fn the_example_is_a_configuration_that_can_be_used() {
    let folder = TempDir::new().unwrap();
    let example = example(folder.path());
    let checked = check(folder.path(), &example, &[]);
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""), "{checked:?}");
    assert!(checked.stdout.contains("public_url = \"https://attest.example.org\""), "{}", checked.stdout);

    // What is commented out is right, too: only one source of the master key may be left, and TLS or none.
    let alternatives = ["master_key_credential", "#disabled", "#behind_proxy"];
    let lines = example.lines().filter(|line| alternatives.iter().all(|other| !line.contains(other)));
    let uncommented: Vec<&str> =
        lines.map(|line| line.strip_prefix('#').filter(is_setting).unwrap_or(line)).collect();
    let uncommented = uncommented.join("\n").replace("<128 hexadecimal digits>", &"5a".repeat(64));
    let checked = check(folder.path(), &uncommented, &[]);
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""), "{checked:?}");
    assert!(checked.stdout.contains("service_domain") && checked.stdout.contains("Payments.Attestation"));
    let secret = std::fs::read_to_string(folder.path().join("made/dev/admin.token")).unwrap();
    assert!(checked.stdout.contains("key_file = ") && !checked.stdout.contains(secret.trim()));
}

fn is_setting(line: &&str) -> bool {
    !line.starts_with(' ') && !line.is_empty()
}

#[test]
fn what_is_effective_is_printed_and_can_be_given_again() {
    let folder = TempDir::new().unwrap();
    let example = example(folder.path());
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
    let example = example(folder.path()).replace("master_key_file", "#master_key_file");
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

#[test]
fn the_files_it_names_are_read() {
    let folder = TempDir::new().unwrap();
    let good = example(folder.path()).replace("#[egress]", "[egress]\nca_file = \"ca.pem\"");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let ca = std::fs::read_to_string(folder.path().join("made/tls/ca.pem")).unwrap();
    write("ca.pem", &ca);
    assert_eq!(check(folder.path(), &good, &[]).code, 0);

    // Each problem alone, then all of them at once.
    let key = folder.path().join("made/dev/master.key");
    let mode = |mode: u32| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    let problems = |text: &str| {
        let checked = check(folder.path(), text, &[]);
        assert_eq!((checked.code, checked.stdout.as_str()), (78, ""), "{checked:?}");
        checked.stderr
    };
    mode(0o644);
    assert!(problems(&good).contains("master.key` has the mode 0644"));
    mode(0o600);
    write("made/dev/master.key", "too short");
    assert!(problems(&good).contains("the master key must be 32 bytes"));
    write("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    // The key of the authority does not belong to the certificate of the server.
    let other = good.replace("tls/server.key", "tls/server.pem");
    let all = problems(&other);
    for problem in ["has no private key in PEM", "the master key must be 32 bytes", "egress.ca_file"] {
        assert!(all.contains(problem), "{problem}: {all}");
    }
    assert!(
        problems(&good.replace("tls/server.pem", "tls/missing.pem")).contains("missing.pem` cannot be read")
    );
    let upstream = "[[collateral.upstreams]]\nkind = \"pcs\"\nkey_file = \"made/tls/ca.pem\"\n";
    let open = problems(&format!("{good}\n{upstream}"));
    assert!(open.contains("the upstream `pcs`: `made/tls/ca.pem` has the mode 0644"), "{open}");
}

#[test]
fn a_credential_is_checked_where_systemd_gives_it() {
    let folder = TempDir::new().unwrap();
    let text = example(folder.path())
        .replace("master_key_file", "#master_key_file")
        .replace("#master_key_credential", "master_key_credential");
    let outside = check(folder.path(), &text, &[]);
    assert_eq!(outside.code, 0, "{outside:?}");
    let note =
        "the master key was not checked: systemd gives the credential `master-key` to the service alone\n";
    assert_eq!(outside.stderr, note);
    assert!(outside.stdout.contains("master_key_credential = \"master-key\""), "{}", outside.stdout);

    let credentials = folder.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let environment = [("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap())];
    let missing = check(folder.path(), &text, &environment);
    assert_eq!(missing.code, 78, "{missing:?}");
    assert!(missing.stderr.contains("master-key` cannot be read"), "{}", missing.stderr);
    assert!(!missing.stderr.contains("there is no master key"), "{}", missing.stderr);
    std::fs::write(credentials.join("master-key"), "ab".repeat(32)).unwrap();
    let given = check(folder.path(), &text, &environment);
    assert_eq!((given.code, given.stderr.as_str()), (0, ""), "{given:?}");

    // The unit gives it under the name that the example asks for.
    let unit = include_str!("../../../deploy/systemd/assay.service");
    assert!(unit.contains("LoadCredentialEncrypted=master-key:") && unit.contains("--name=master-key "));
}
