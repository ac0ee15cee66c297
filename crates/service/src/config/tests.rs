#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

mod collateral;

use super::*;
use crate::keys::MasterKeySource;

const GOOD: &str = r#"
listen = "0.0.0.0:443"
public_url = "https://attest.example.org"
data_dir = "/var/lib/assay"

[tls]
cert = "/etc/assay/server.pem"
key = "/etc/assay/server.key"

[keys]
master_key_file = "/etc/assay/master.key"
"#;

fn load(text: &str, variables: &[(&str, &str)], overrides: &Overrides) -> Result<Config, Vec<String>> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_text(Some("assay.toml"), text, variables, overrides).map_err(|error| error.lines().to_vec())
}

fn production(text: &str) -> Result<Config, Vec<String>> {
    load(text, &[], &Overrides::default())
}

fn dev() -> Overrides {
    Overrides { dev: true, ..Overrides::default() }
}

#[test]
fn a_short_file_is_enough() {
    let config = production(GOOD).unwrap();
    assert_eq!(config.store_dir, Path::new("/var/lib/assay/store"));
    assert_eq!(config.collateral_dirs, [Path::new("/var/lib/assay/collateral")]);
    assert_eq!((config.keys.rotation_days, config.keys.publish_before_hours), (90, 24));
    assert!(config.audit_durable && config.default_provider.enabled && !config.default_provider.writable);
    assert!(!config.baseline.accepted.contains(&"OutOfDate".to_owned()));
}

#[test]
fn what_is_missing_is_named_at_once() {
    let expected = [
        "assay.toml: `data_dir` is missing: the folder where the service keeps its files",
        "assay.toml: `listen` is missing: the address and port to serve HTTPS on",
        "assay.toml: `public_url` is missing: the https address that clients use, which becomes the issuer",
        "assay.toml: `tls.cert` and `tls.key` are missing: the PEM files of the server's certificate",
        "assay.toml: there is no master key: set `keys.master_key_file`, `keys.master_key_credential` or the variable \
         ASSAY_MASTER_KEY",
    ];
    assert_eq!(production("").unwrap_err(), expected);
}

/// Each line is added to a good file; the error names it.
#[test]
fn errors_name_the_line() {
    let line = GOOD.lines().count() + 1;
    let issuer = "[[auth.issuers]]\nissuer = \"https://login.example.org\"\n";
    let own =
        "[[auth.issuers]]\naudiences = [\"assay\"]\nissuer = \"https://attest.example.org/providers/a\"\n";
    let twice = format!("{issuer}audiences = [\"a\"]\n{issuer}audiences = [\"a\"]\n");
    let cases: Vec<(&str, usize, &str)> = vec![
        (
            "lissen = 1",
            0,
            "unknown field `lissen`, expected one of `master_key_file`, `master_key_credential`, \
                           `rotation_days`, `publish_before_hours`",
        ),
        ("rotation_days = 0", 0, "`rotation_days` is 0; it must be from 1 to 730"),
        ("rotation_days = \"x\"", 0, "invalid type: string \"x\", expected u32"),
        ("publish_before_hours = 1", 0, "`publish_before_hours` must be at least 24 outside `--dev`"),
        ("[limits]\nbody_bytes = 1", 1, "`body_bytes` is 1; it must be from 1024 to 67108864"),
        ("[log]\nformat = \"xml\"", 1, "unknown variant `xml`, expected `text` or `json`"),
        (
            "[baseline]\naccepted_tcb_statuses = [\"Revoked\"]",
            1,
            "`Revoked` is not a TCB status that can be accepted",
        ),
        ("[baseline]\naccepted_tcb_statuses = []", 1, "at least one TCB status must be accepted"),
        (
            "[egress]\nallow = [\"10.0.0.1/8\"]",
            1,
            "`10.0.0.1/8` is neither a network such as `10.1.0.0/16` nor a host with a port such as \
             `login.example.internal:443`",
        ),
        ("[operations]\nlisten = \"x\"", 1, "`x` is not an address and port such as `0.0.0.0:443`"),
        (
            "[operations]\nmetrics_token_sha512 = \"secret\"",
            1,
            "a token is given by its SHA-512, 128 hexadecimal digits: `printf %s TOKEN | sha512sum`",
        ),
        (issuer, 0, "missing field `audiences`"),
        (own, 2, "the service's own address cannot be an issuer of bearer tokens"),
        (&twice, 4, "the issuer is configured twice"),
    ];
    for (added, offset, expected) in cases {
        let errors = production(&format!("{GOOD}{added}")).unwrap_err();
        assert_eq!(errors, [format!("assay.toml:{}: {expected}", line + offset)], "{added}");
    }
}

#[test]
fn errors_in_demands_on_sev_snp_name_the_line() {
    let line = GOOD.lines().count() + 1;
    let cases: Vec<(&str, usize, &str)> = vec![
        (
            "[snp]\ncrl = \"hard\"",
            1,
            "`hard` is not a way to treat revocation lists; the ways are `require`, `soft-fail` and `off`",
        ),
        (
            "[snp]\nvlek_providers = [\"\"]",
            1,
            "a provider of VLEKs must have 1 to 256 characters, none of them control characters",
        ),
        (
            "[snp]\nimage_issuers = [{ did = \"did:web:x\", feed = \"f\" }]",
            1,
            "`did:web:x` is not a did:x509 of version 0",
        ),
        ("[snp]\ntime_stamp_authorities = [\"ab\"]", 1, "`ab` is not a SHA-256: 64 hexadecimal digits"),
        (
            "[snp]\ncompliant = [{ measurement = \"ab\", status = \"s\" }]",
            1,
            "`measurement` must have 96 hexadecimal digits",
        ),
        ("[snp]\ncompliant = [{ status = \"s\" }]", 1, "an image needs `measurement` or `id_key_digest`"),
        (
            "[baseline.snp.rome]\nmicrocode = 1",
            0,
            "unknown field `rome`, expected one of `milan`, `genoa`, `turin`",
        ),
    ];
    for (added, offset, expected) in cases {
        let errors = production(&format!("{GOOD}{added}")).unwrap_err();
        assert_eq!(errors, [format!("assay.toml:{}: {expected}", line + offset)], "{added}");
    }
}

#[test]
fn demands_on_sev_snp_are_read_and_printed_again() {
    let text = format!(
        "{GOOD}\n[baseline.snp.milan]\nbootloader = 4\nmicrocode = 219\n[snp]\ncrl = \"require\"\n\
         vlek_providers = [\"CN=cc-us-east-2.amazonaws.com\"]\ntime_stamp_authorities = []\n\
         [[snp.image_issuers]]\ndid = \"did:x509:0:sha256:abc::eku:1.2.3\"\nfeed = \"images\"\nminimum_svn = 7\n\
         [[snp.compliant]]\nid_key_digest = \"{}\"\nstatus = \"ours\"\n",
        "ab".repeat(48)
    );
    let config = production(&text).unwrap();
    let minimum = config.baseline.snp.milan.unwrap();
    assert_eq!((minimum.bootloader, minimum.tee, minimum.microcode), (4, 0, 219));
    assert_eq!(config.snp.crl_mode, assay_verify::snp::CrlMode::Require);
    assert_eq!(config.snp.vlek_providers, ["CN=cc-us-east-2.amazonaws.com"]);
    assert_eq!(config.snp.image_issuers.issuers().len(), 1, "a list takes the place of the built-in one");
    assert_eq!((config.snp.time_stamp_authorities.len(), config.snp.compliant.len()), (0, 1));
    let again = production(&config.to_redacted_toml()).unwrap();
    assert_eq!((&again.snp, again.baseline), (&config.snp, config.baseline));
    let usual = production(GOOD).unwrap().snp;
    assert_eq!(
        (usual.crl_mode, usual.image_issuers.issuers().len()),
        (assay_verify::snp::CrlMode::SoftFail, 2)
    );
}

#[test]
fn plain_http_is_for_proxies() {
    let files = "cert = \"/etc/assay/server.pem\"\nkey = \"/etc/assay/server.key\"";
    let with = |listen: &str, tls: &str| production(&GOOD.replace("0.0.0.0:443", listen).replace(files, tls));
    let good = [
        ("127.0.0.1:8080", "disabled = true", true),
        ("[::1]:8080", "disabled = true", true),
        ("0.0.0.0:8080", "disabled = true\nbehind_proxy = true", true),
        ("0.0.0.0:443", &format!("disabled = false\n{files}"), false),
    ];
    for (listen, tls, plain) in good {
        let config = with(listen, tls).unwrap();
        assert_eq!(config.plain_http, plain, "{listen} {tls}");
        let printed = Config::from_text(
            None,
            &config.to_redacted_toml(),
            [("ASSAY_MASTER_KEY".to_owned(), "07".repeat(32))],
            &Overrides::default(),
        );
        // The file of the master key is printed, too.
        assert_eq!(printed.unwrap_err().lines().len(), 1);
    }
    let needs =
        "assay.toml:7: `tls.disabled` needs a loopback address in `listen`, or `tls.behind_proxy = true`";
    assert_eq!(with("0.0.0.0:8080", "disabled = true").unwrap_err(), [needs]);
    assert_eq!(with("10.0.0.1:8080", "disabled = true\nbehind_proxy = false").unwrap_err(), [needs]);
    assert_eq!(
        with("127.0.0.1:8080", &format!("disabled = true\n{files}")).unwrap_err(),
        [
            "assay.toml:8: `tls.disabled` leaves no use for `tls.cert` and `tls.key`",
            "assay.toml:9: `tls.disabled` leaves no use for `tls.cert` and `tls.key`",
        ]
    );
    assert_eq!(
        load("tls.disabled = true", &[], &dev()).unwrap_err(),
        ["assay.toml:1: `tls.disabled` needs `public_url`: the https address of the proxy"]
    );
    let url = ("ASSAY_PUBLIC_URL", "https://attest.example.org");
    assert!(load("", &[url, ("ASSAY_TLS_DISABLED", "true")], &dev()).unwrap().plain_http);
}

#[test]
fn addresses_have_one_form() {
    let with = |url: &str| production(&GOOD.replace("https://attest.example.org", url));
    assert_eq!(
        with("https://attest.example.org:8443").unwrap().public_url,
        "https://attest.example.org:8443"
    );
    for bad in [
        "http://attest.example.org",
        "https://attest.example.org/",
        "https://attest.example.org/x",
        "https://Attest.example.org",
        "https://u@attest.example.org",
        "attest.example.org",
        "https://attest.example.org:443x",
    ] {
        let expected = format!(
            "assay.toml:3: `{bad}` is not an address such as `https://attest.example.org`, without a path"
        );
        assert_eq!(with(bad).unwrap_err(), [expected]);
    }
}

#[test]
fn variables_are_over_the_file() {
    let variables = [
        ("ASSAY_LISTEN", "127.0.0.1:9"),
        ("ASSAY_KEYS_ROTATION_DAYS", "30"),
        ("ASSAY_AUDIT_DURABLE", "false"),
        ("ASSAY_COLLATERAL_DIR", "/a, /b"),
        ("ASSAY_VECTORS", "/elsewhere"),
        ("PATH", "/bin"),
    ];
    let config = load(GOOD, &variables, &Overrides::default()).unwrap();
    assert_eq!((config.listen.to_string().as_str(), config.keys.rotation_days), ("127.0.0.1:9", 30));
    assert!(!config.audit_durable);
    assert_eq!(config.collateral_dirs, [Path::new("/a"), Path::new("/b")]);
    let wrong = [("ASSAY_LISSEN", "x"), ("ASSAY_KEYS_ROTATION_DAYS", "x"), ("ASSAY_LOG_FORMAT", "xml")];
    let expected = [
        "ASSAY_KEYS_ROTATION_DAYS: `x` cannot be used: invalid digit found in string",
        "ASSAY_LISSEN: there is no such setting",
        "ASSAY_LOG_FORMAT: `xml` is not a log format; the formats are `text` and `json`",
    ];
    assert_eq!(load(GOOD, &wrong, &Overrides::default()).unwrap_err(), expected);
    let bound = load(GOOD, &[("ASSAY_KEYS_ROTATION_DAYS", "900")], &Overrides::default()).unwrap_err();
    assert_eq!(bound, ["ASSAY_KEYS_ROTATION_DAYS: `rotation_days` is 900; it must be from 1 to 730"]);
}

#[test]
fn one_master_key() {
    let two = load(GOOD, &[("ASSAY_MASTER_KEY", "secret")], &Overrides::default()).unwrap_err();
    let more = "assay.toml: there is more than one master key: set one of the file, the credential and ASSAY_MASTER_KEY";
    assert_eq!(two, [more]);
    let text =
        GOOD.replace("master_key_file = \"/etc/assay/master.key\"", "master_key_credential = \"assay\"");
    let variables = [("CREDENTIALS_DIRECTORY", "/run/credentials/assay")];
    let config = load(&text, &variables, &Overrides::default()).unwrap();
    assert_eq!(config.keys.master_key, MasterKeySource::Credential("/run/credentials/assay/assay".into()));
    let expected = ["assay.toml:11: systemd gave no credentials: CREDENTIALS_DIRECTORY is not set"];
    let without = production(&text).unwrap_err();
    assert_eq!(without.first().map(String::as_str), Some(expected[0]));
}

#[test]
fn development_needs_nothing_and_stays_on_this_machine() {
    let config = load("", &[], &dev()).unwrap();
    assert_eq!(
        (config.public_url.as_str(), config.default_provider.writable),
        ("https://localhost:8443", true)
    );
    assert_eq!((config.keys.publish_before_hours, config.operations_listen), (0, None));
    let moved = config.bound_to("127.0.0.1:12345".parse().unwrap());
    assert_eq!(moved.public_url, "https://localhost:12345");
    let given = load("public_url = \"https://dev.example.org\"", &[], &dev()).unwrap();
    assert_eq!(given.bound_to("127.0.0.1:1".parse().unwrap()).public_url, "https://dev.example.org");
    let outside = Overrides { listen: Some("0.0.0.0:1".parse().unwrap()), ..dev() };
    let expected = ["--listen: with `--dev` the service listens on a loopback address only"];
    assert_eq!(load("", &[], &outside).unwrap_err(), expected);
}

#[test]
fn a_test_clock_only_in_development() {
    let clock =
        |text: &str, dev| Overrides { dev, test_clock: Some(text.to_owned()), ..Overrides::default() };
    let config = load("", &[], &clock("2022-01-01T00:00:00Z", true)).unwrap();
    assert_eq!(config.clock.test_start, Some(UnixTime(1_640_995_200)));
    let expected = ["--test-clock: a test clock exists only with `--dev`"];
    assert_eq!(load(GOOD, &[], &clock("2022-01-01T00:00:00Z", false)).unwrap_err(), expected);
    let variable = [("ASSAY_TEST_CLOCK", "2022-01-01T00:00:00Z")];
    let expected = ["ASSAY_TEST_CLOCK: a test clock exists only with `--dev`"];
    assert_eq!(load(GOOD, &variable, &Overrides::default()).unwrap_err(), expected);
    let expected = ["--test-clock: `noon` is not a time such as `2026-01-01T00:00:00Z`"];
    assert_eq!(load("", &[], &clock("noon", true)).unwrap_err(), expected);
}

#[test]
fn roles_name_providers() {
    let roles = r#"
[[auth.issuers]]
issuer = "https://login.example.org/tenant"
audiences = ["api://assay"]
admin_roles = ["Owner"]
[[auth.issuers.role]]
value = "Reader"
provider = "Contoso"
grants = "reader"
[[auth.issuers.role]]
value = "Everything"
provider = "*"
grants = "contributor"
"#;
    let config = production(&format!("{GOOD}{roles}")).unwrap();
    let role = |value: &str, provider: &str, grants| RoleConfig {
        value: value.to_owned(),
        provider: provider.to_owned(),
        grants,
    };
    let expected = [
        role("Owner", "*", Grant::Admin),
        role("Reader", "contoso", Grant::Reader),
        role("Everything", "*", Grant::Contributor),
    ];
    assert_eq!(config.auth.issuers[0].roles, expected);
    let wrong = production(&format!("{GOOD}{}", roles.replace("Contoso", "a/b"))).unwrap_err();
    let expected =
        format!("assay.toml:{}: `a/b` is neither `*` nor the name of a provider", GOOD.lines().count() + 8);
    assert_eq!(wrong, [expected]);
}

#[test]
fn the_printed_configuration_can_be_given_again() {
    let rest = r#"
[[auth.issuers]]
issuer = "https://login.example.org"
audiences = ["a"]
admin_roles = ["Owner"]
[egress]
allow = ["10.0.0.0/8", "login.internal:8443"]
[clock]
refuse_behind = true
"#;
    let config = production(&format!("{GOOD}{rest}")).unwrap();
    assert_eq!(production(&config.to_redacted_toml()).unwrap(), config);
    let text = GOOD.replace("master_key_file = \"/etc/assay/master.key\"", "");
    let secret = load(&text, &[("ASSAY_MASTER_KEY", "supersecret")], &Overrides::default()).unwrap();
    assert!(
        !secret.to_redacted_toml().contains("supersecret") && !format!("{secret:?}").contains("supersecret")
    );
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no.toml");
    let error = Config::load(Some(&path), [], &Overrides::default()).unwrap_err();
    assert_eq!(
        error.lines(),
        [format!("{}: cannot be read: No such file or directory (os error 2)", path.display())]
    );
    assert_eq!(ConfigError::EXIT_CODE, 78);
}
