//! The configuration of Intel's quote provider library, written and checked by the binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{run, run_with_input};
use serde_json::Value;

const CHECK: [&str; 4] = ["collateral", "qcnl-config", "--check", "-"];

fn codes(answer: &Value) -> Vec<&str> {
    answer["diagnostics"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

#[test]
fn what_is_written_passes_the_check() {
    let written = run(["collateral", "qcnl-config", "--url", "https://assay.example"]);
    assert_eq!((written.code, written.stderr.as_str()), (0, ""));
    let checked = run_with_input(CHECK, written.stdout.as_bytes());
    assert_eq!((checked.code, checked.json()), (0, serde_json::json!({"diagnostics": []})));
    let insecure = run(["collateral", "qcnl-config", "--url", "https://localhost:8443", "--insecure"]);
    assert!(insecure.stderr.starts_with("warning: the service's certificate is not checked"), "{insecure:?}");
    let checked = run_with_input(CHECK, insecure.stdout.as_bytes());
    assert_eq!((checked.code, codes(&checked.json())), (0, vec!["certificate-not-checked"]));
}

#[test]
fn findings_have_the_shape_of_a_policys() {
    let text =
        "{\n  \"pccs_url\": \"https://assay.example/sgx/certification/v4\",\n  \"retry_times\": \"6\"\n}\n";
    let checked = run_with_input(CHECK, text.as_bytes());
    assert_eq!(checked.code, 1, "{checked:?}");
    let answer = checked.json();
    let slash =
        answer["diagnostics"].as_array().unwrap().iter().find(|one| one["severity"] == "error").unwrap();
    let expected = serde_json::json!({
        "severity": "error",
        "code": "url-trailing-slash",
        "message": "there is no slash at the end, so the library asks for `v4pckcert`",
        "help": "write `https://assay.example/sgx/certification/v4/`",
        "line": 2, "column": 15, "end_line": 2, "end_column": 59,
    });
    assert_eq!(slash, &expected);
    let shown = run_with_input(CHECK.into_iter().chain(["--format", "text"]), text.as_bytes());
    assert_eq!(shown.code, 1);
    assert!(
        shown.stdout.contains("error[url-trailing-slash]") && shown.stdout.contains("1 error, 3 warnings")
    );
}

#[test]
fn unreadable_files_and_bad_addresses_are_not_done() {
    for line in [
        &["collateral", "qcnl-config"][..],
        &["collateral", "qcnl-config", "--check", "/nonexistent/qcnl.conf"],
        &["collateral", "qcnl-config", "--url", "http://assay.example"],
        &["collateral", "qcnl-config", "--check", "-", "--azure"],
        &["collateral", "qcnl-config", "--url", "https://assay.example", "--format", "json"],
    ] {
        let refused = run(line);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{line:?}: {refused:?}");
    }
    assert_eq!(run_with_input(CHECK, &[0xff, 0xfe]).code, 2);
    assert_eq!(run_with_input(CHECK, &vec![b' '; 300 * 1024]).code, 2);
}
