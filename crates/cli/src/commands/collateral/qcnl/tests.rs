use clap::Parser;

use super::*;

/// Severity, code, line and column of everything that is found.
fn found(text: &str) -> Vec<(String, u32, u32)> {
    let place = |one: &Diagnostic| (one.code.to_owned(), one.start.line, one.start.column);
    diagnose(text).iter().map(place).collect()
}

fn codes(text: &str) -> Vec<&'static str> {
    diagnose(text).iter().map(|one| one.code).collect()
}

const GOOD: &str = r#"{ // as it should be
  "pccs_url": "https://assay.example/sgx/certification/v4/",
  "use_secure_cert": true,
  "pccs_api_version": "3.1",
  "retry_times": 6,
  "retry_delay": 5,
  "pck_cache_expire_hours": 24,
  "verify_collateral_cache_expire_hours": 24.5
}
"#;

/// The good file with one line replaced.
fn with(name: &str, line: &str) -> String {
    let is_it = |text: &str| text.trim_start().starts_with(&format!("\"{name}\""));
    let lines = GOOD.lines().map(|known| if is_it(known) { line } else { known });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_good_file_has_no_findings() {
    assert_eq!(found(GOOD), []);
    assert_eq!(with("nothing", ""), GOOD.trim_end());
}

#[test]
fn every_setting_that_the_library_takes_otherwise_is_found() {
    let url = |url: &str| format!("  \"pccs_url\": \"{url}\",");
    let cases = [
        ("retry_times", "  \"retry_times\": \"6\",", &["no-retries", "value-ignored"][..]),
        ("retry_times", "  \"retry_times\": 6.0,", &["no-retries", "value-ignored"]),
        ("retry_times", "  \"retry_times\": 0,", &["no-retries"]),
        ("retry_times", "  \"retry_times\": -1,", &["value-range"]),
        ("retry_times", "", &["no-retries"]),
        ("retry_delay", "  \"retry_delay\": 0,", &["retry-delay-zero"]),
        ("retry_delay", "", &["retry-delay-zero"]),
        ("use_secure_cert", "  \"use_secure_cert\": \"false\",", &["value-ignored"]),
        ("use_secure_cert", "  \"use_secure_cert\": false,", &["certificate-not-checked"]),
        ("use_secure_cert", "  \"USE_SECURE_CERT\": false,", &["key-case"]),
        ("use_secure_cert", "  \"use_secure_certs\": false,", &["unknown-key"]),
        ("use_secure_cert", "  \"tcb_update_type\": \"late\",", &["value-range"]),
        ("use_secure_cert", "  \"tcb_update_type\": \"early\",", &[]),
        ("use_secure_cert", "  \"local_cache_only\": true,", &["local-cache-only"]),
        ("pccs_api_version", "", &["api-version-missing"]),
        ("pccs_api_version", "  \"pccs_api_version\": 3.1,", &["api-version-missing", "value-ignored"]),
        ("pccs_api_version", "  \"pccs_api_version\": \"4.0\",", &["api-version-unknown"]),
        ("pccs_api_version", "  \"pccs_api_version\": \"3.0\",", &[]),
        ("pccs_url", "", &["url-missing"]),
        ("pccs_url", &url("assay.example"), &["url-invalid"]),
        ("pccs_url", &url("https://assay.example"), &["url-trailing-slash", "url-path"]),
        ("pccs_url", &url("https://assay.example/"), &["url-path"]),
        ("pccs_url", &url("https://assay.example/sgx/certification/v4"), &["url-trailing-slash"]),
        ("pccs_url", &url("https://assay.example/sgx/certification/v3/"), &["url-version-old"]),
        ("pccs_url", &url("https://assay.example/sgx/certification/v5/"), &["url-version"]),
        ("pccs_url", &url("http://assay.example/sgx/certification/v4/"), &["url-not-https"]),
        ("pccs_url", "  \"pccs_url\": 4,", &["url-missing", "value-ignored"]),
        ("pck_cache_expire_hours", "  \"pck_cache_expire_hours\": 3000,", &["value-range"]),
        ("pck_cache_expire_hours", "  \"pck_cache_expire_hours\": \"24\",", &["value-ignored"]),
        ("pck_cache_expire_hours", "  \"custom_request_options\": 1,", &["value-ignored"]),
        ("retry_delay", "  \"retry_delay\": 5, \"retry_delay\": 9,", &["duplicate-key"]),
    ];
    for (name, line, expected) in cases {
        let text = with(name, line);
        assert_eq!(codes(&text), expected, "{text}");
    }
    let week = GOOD.replace("24.5", "168");
    assert_eq!(found(&week), [("cache-week".to_owned(), 8, 43)]);
    let unset = with("use_secure_cert", "").replace("assay.example", "10.0.0.1:8081");
    assert_eq!(codes(&unset), ["certificate-checked-by-default"]);
}

#[test]
fn an_address_on_the_node_is_judged_with_what_it_needs() {
    let local = |options: &str| {
        let url = "http://169.254.169.254/metadata/THIM/sgx/certification/v4/";
        with("retry_delay", &format!("\"retry_delay\": 5, \"local_pck_url\": \"{url}\" {options},"))
    };
    let options = |header: &str| {
        format!(", \"custom_request_options\": {{\"get_cert\": {{\"headers\": {{{header}}}}}}}")
    };
    let first = ["local-pck-url-first"];
    let both = ["metadata-header-missing", "local-pck-url-first"];
    assert_eq!(codes(&local("")), both);
    assert_eq!(codes(&local(&options("\"Metadata\": \"true\""))), first);
    assert_eq!(codes(&local(&options("\"metadata\": true"))), [&both[..], &["value-ignored"]].concat());
    let finding = diagnose(&local("")).remove(1);
    assert!(finding.message.contains("30 seconds"), "{}", finding.message);
}

#[test]
fn help_says_what_was_meant() {
    let help = |text: &str| diagnose(text).into_iter().filter_map(|one| one.help).next_back().unwrap();
    assert_eq!(help(&with("retry_times", "  \"retry_time\": 6,")), "did you mean `retry_times`?");
    assert_eq!(
        help(&with("use_secure_cert", "  \"use_secure_cert\": \"false\",")),
        "write it without quotes"
    );
    assert_eq!(help(&with("use_secure_cert", "  \"Use_Secure_Cert\": false,")), "write `use_secure_cert`");
}

#[test]
fn what_the_library_cannot_read_is_an_error() {
    assert_eq!(found("{ \"pccs_url\": \"x\",\n}"), [("syntax".to_owned(), 2, 1)]);
    assert_eq!(found("// a comment\n{ pccs_url: 1 }"), [("syntax".to_owned(), 2, 3)]);
    assert_eq!(found(&format!("\u{feff}{GOOD}")), [("syntax".to_owned(), 1, 1)]);
    assert_eq!(codes("[]"), ["no-settings", "line-ignored"]);
    assert_eq!(codes(""), ["no-settings"]);
    assert_eq!(codes("# nothing\n\n"), ["no-settings"]);
}

#[test]
fn the_old_form_is_read_as_the_library_reads_it() {
    let good = "# old\nPCCS_URL = https://assay.example/sgx/certification/v4/\nUSE_SECURE_CERT=TRUE\n\
                PCCS_API_VERSION=3.1\nRETRY_TIMES=6\nRETRY_DELAY=5\nVERIFY_COLLATERAL_CACHE_EXPIRE_HOURS=24\n";
    assert_eq!(codes(good), ["old-form"]);
    let cases = [
        ("USE_SECURE_CERT=TRUE", "USE_SECURE_CERT=False", "value-ignored", 3, 17),
        ("USE_SECURE_CERT=TRUE", "USE_SECURE_CERT=false", "certificate-not-checked", 3, 17),
        ("USE_SECURE_CERT=TRUE", "use_secure_cert=FALSE", "key-case", 3, 1),
        ("USE_SECURE_CERT=TRUE", "  PCCS_URI=x", "unknown-key", 3, 3),
        ("USE_SECURE_CERT=TRUE", "LOCAL_CACHE_ONLY=yes", "value-ignored", 3, 18),
        ("USE_SECURE_CERT=TRUE", "LOCAL_CACHE_ONLY", "line-ignored", 3, 1),
        ("USE_SECURE_CERT=TRUE", "RETRY_TIMES=2", "duplicate-key", 5, 1),
        ("RETRY_TIMES=6", "RETRY_TIMES=6x", "value-ignored", 5, 13),
        ("EXPIRE_HOURS=24", "EXPIRE_HOURS=168", "cache-week", 7, 38),
        ("RETRY_DELAY=5", "RETRY_DELAY=5 # seconds", "comment-in-value", 6, 13),
    ];
    for (old, new, code, line, column) in cases {
        let text = good.replace(old, new);
        assert!(found(&text).contains(&(code.to_owned(), line, column)), "{new}: {:?}", found(&text));
    }
    let wrong = good.replace("RETRY_TIMES=6", "RETRY_TIMES=many");
    assert_eq!(codes(&wrong), ["old-form", "no-retries", "value-ignored"]);
}

/// The arguments alone, as clap reads them.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn written(line: &str) -> Result<String, String> {
    let words = ["qcnl-config"].into_iter().chain(line.split_whitespace());
    let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
    line.arguments.wanted.to_text().map_err(|failure| failure.message)
}

#[test]
fn what_is_written_has_no_findings() {
    let plain = written("--url https://assay.example:8443").unwrap();
    assert_eq!(found(&plain), [], "{plain}");
    assert!(plain.starts_with('{'));
    assert!(plain.contains("\"pccs_url\": \"https://assay.example:8443/sgx/certification/v4/\""), "{plain}");
    let azure = written("--url https://assay.example --azure").unwrap();
    assert_eq!(codes(&azure), ["local-pck-url-first"], "{azure}");
    for part in [
        "\"local_pck_url\": \"http://169.254.169.254/metadata/THIM/sgx/certification/v4/\"",
        "\"collateral_service\": \"https://assay.example/sgx/certification/v4/\"",
        "\"pccs_api_version\": \"3.1\"",
        "\"metadata\": \"true\"",
        "\"api-version\": \"2021-07-22-preview\"",
        "\"verify_collateral_cache_expire_hours\": 24",
    ] {
        assert!(azure.contains(part), "{part} is not in {azure}");
    }
    let insecure = written("--url https://localhost:8443/ --insecure --cache-hours 200").unwrap();
    assert_eq!(codes(&insecure), ["certificate-not-checked", "cache-week"], "{insecure}");
    let own = written("--url https://a.example/sgx/certification/v4 --local-pck-url http://127.0.0.1:8080/sgx/certification/v4")
        .unwrap();
    assert_eq!(codes(&own), ["local-pck-url-first"], "{own}");
    assert!(!own.contains("metadata"));
    let old = written("--url https://assay.example --api v3").unwrap();
    assert_eq!(codes(&old), ["url-version-old"], "{old}");
}

#[test]
fn bad_arguments_are_refused() {
    assert!(written("--url http://assay.example").unwrap_err().contains("not an https address"));
    assert!(written("").unwrap_err().contains("--url"));
    assert!(written("--url https://a.example --cache-hours 9999").unwrap_err().contains("9999"));
    assert!(written("--url https://a.example --check file").unwrap_err().contains("cannot be used with"));
}
