//! `assay policy check`, `eval` and `hash`.
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

use common::{run, run_in, vectors};
use serde_json::{Value, json};
use tempfile::TempDir;

fn folder_with(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// A sample of 2020 for VBS, good in its language, that issues a name which the service has taken for itself since.
const RESERVED_NAME: &str = "067-vbs-no-security-2020.txt";

#[test]
fn the_corpus_is_accepted_and_refused_as_labelled() {
    let Some(folder) = vectors() else { return };
    let folder = folder.join("policies");
    let table = std::fs::read_to_string(folder.join("PROVENANCE.md")).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for row in table.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        if cells.len() < 5 || !folder.join(cells[1]).is_file() || cells[3] == "1.2" {
            continue;
        }
        let checked = run(["policy", "check", folder.join(cells[1]).to_str().unwrap(), "--format", "json"]);
        let answer = checked.json();
        let errors =
            answer["diagnostics"].as_array().unwrap().iter().filter(|one| one["severity"] == "error");
        let errors = errors.count();
        if cells[1] == RESERVED_NAME {
            let expected = [("reserved-claim", "`aas-ehd` is a name of the service")];
            let found = answer["diagnostics"].as_array().unwrap().iter();
            let found = found.filter(|one| one["severity"] == "error");
            let found: Vec<_> =
                found.map(|one| (one["code"].as_str().unwrap(), one["message"].as_str().unwrap())).collect();
            assert_eq!((checked.code, found.as_slice()), (1, &expected[..]));
        } else if cells[4] == "accept" {
            assert_eq!((checked.code, errors), (0, 0), "{}: {answer}", cells[1]);
            accepted += 1;
        } else if cells[4].starts_with("reject") {
            assert_eq!(checked.code, 1, "{}: {answer}", cells[1]);
            assert!(errors > 0, "{}", cells[1]);
            refused += 1;
        }
    }
    assert!(accepted >= 20 && refused >= 4, "{accepted} accepted, {refused} refused");
}

#[test]
fn diagnostics_have_their_fixed_shape_and_place() {
    let text = "version=1.0;\nauthorizationrules\n{\n  [type=\"a\"] => permit();\n};\n";
    let folder = folder_with(&[("p", text)]);
    let checked = run_in(folder.path(), "policy check p --format json");
    let expected = json!({"diagnostics": [{
        "severity": "error", "code": "single-equals", "message": "`=` does not compare", "help": "write `==`",
        "line": 4, "column": 8, "end_line": 4, "end_column": 9,
    }]});
    assert_eq!((checked.code, checked.json()), (1, expected));

    let text = run_in(folder.path(), "policy check p --format text");
    assert_eq!(text.code, 1);
    assert!(text.stdout.contains("error[single-equals]: `=` does not compare"), "{}", text.stdout);
    assert!(text.stdout.contains("p:4:8"), "{}", text.stdout);
    assert!(text.stdout.ends_with("✗ the policy cannot be used: 1 error, 0 warnings\n"), "{}", text.stdout);
}

#[test]
fn warnings_alone_are_no_failure_and_types_are_checked_only_when_given() {
    let text = "version=1.0; authorizationrules { [type==\"x-ms-sgx-svm\"] => permit(); };";
    let folder = folder_with(&[("p", text)]);
    let untyped = run_in(folder.path(), "policy check p --format json");
    assert_eq!((untyped.code, untyped.json()), (0, json!({"diagnostics": []})));
    let typed = run_in(folder.path(), "policy check p --format json --type sgxenclave");
    let answer = typed.json();
    assert_eq!(typed.code, 0);
    assert_eq!(answer["diagnostics"][0]["code"], "unknown-claim");
    assert_eq!(answer["diagnostics"][0]["severity"], "warning");
    // Reserved names and properties need no type.
    let rules = "=> issue(type=\"x-ms-mine\", value=1); => issue(type=\"exp\", value=1);";
    let reserved =
        format!("version=1.0; authorizationrules {{ => permit(); }}; issuancerules {{ {rules} }};");
    std::fs::write(folder.path().join("r"), reserved).unwrap();
    for line in ["policy check r --format json", "policy check r --format json --type Tpm"] {
        let answer = run_in(folder.path(), line);
        let diagnostics = answer.json()["diagnostics"].clone();
        let found: Vec<(&str, &str)> = diagnostics
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["severity"].as_str().unwrap(), one["code"].as_str().unwrap()))
            .collect();
        let expected = [("error", "reserved-claim"), ("error", "reserved-claim")];
        assert_eq!((answer.code, found.as_slice()), (1, &expected[..]), "{line}");
    }
    std::fs::write(folder.path().join("c"), "{}").unwrap();
    let refused = run_in(folder.path(), "policy eval r --claims c");
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
    assert!(refused.stderr.contains("reserved-claim"), "{}", refused.stderr);
    let wrong = run_in(folder.path(), "policy check p --type Abacus");
    assert_eq!((wrong.code, wrong.stdout.as_str()), (2, ""));
    assert_eq!(run_in(folder.path(), "policy check missing").code, 2);
}

const POLICY: &str = "version=1.0;\nauthorizationrules {\n  [type==\"debug\", value==true] => deny();\n  => permit();\n};\n\
    issuancerules {\n  c:[type==\"svn\"] => issue(type=\"svn\", value=c.value);\n};\n";

#[test]
fn claims_are_evaluated_to_a_decision() {
    let folder = folder_with(&[
        ("p", POLICY),
        ("good", r#"{"debug": false, "svn": [1, 2]}"#),
        ("bad", r#"{"debug": true, "svn": 1}"#),
    ]);
    let permitted = run_in(folder.path(), "policy eval p --claims good --format json");
    let answer = permitted.json();
    assert_eq!((permitted.code, &answer["decision"]), (0, &json!("permit")));
    assert_eq!(answer["issued"], json!({"svn": [1, 2]}));
    assert_eq!(answer["properties"], json!({}));
    let fired: Vec<&Value> =
        answer["trace"].as_array().unwrap().iter().map(|entry| &entry["fired"]).collect();
    assert_eq!(fired, [false, true, true]);

    let denied = run_in(folder.path(), "policy eval p --claims bad --format json");
    let answer = denied.json();
    assert_eq!((denied.code, &answer["decision"], &answer["issued"]), (1, &json!("deny"), &json!({})));
    assert_eq!(answer["rule"]["line"], 3);

    let text = run_in(folder.path(), "policy eval p --claims bad --format text").stdout;
    assert!(text.starts_with("✗ deny (line 3: [type==\"debug\", value==true] => deny();)\n"), "{text}");
}

#[test]
fn an_evaluation_that_fails_permits_nothing() {
    let policy = "version=1.0; authorizationrules { => permit(); };\n\
        issuancerules { c:[type==\"name\"] => issue(type=c.value, value=1); };";
    let folder = folder_with(&[("p", policy), ("claims", r#"{"name": 5}"#)]);
    let failed = run_in(folder.path(), "policy eval p --claims claims --format json");
    let answer = failed.json();
    assert_eq!((failed.code, &answer["decision"], &answer["issued"]), (1, &json!("deny"), &json!({})));
    assert_eq!(answer["error"]["code"], "type-not-string");
}

#[test]
fn what_cannot_be_evaluated_exits_with_2() {
    let folder = folder_with(&[
        ("p", POLICY),
        ("broken", "version=1.0;"),
        ("list", "[]"),
        ("twice", r#"{"a":1,"a":2}"#),
        ("fraction", r#"{"a":1.5}"#),
    ]);
    for (line, problem) in [
        ("policy eval broken --claims list", "`broken` is not a policy that can be evaluated"),
        ("policy eval p --claims list", "`list`: the claims are not a JSON object"),
        ("policy eval p --claims twice", "`twice`: "),
        ("policy eval p --claims fraction", "is not a signed 64-bit integer"),
        ("policy eval - --claims -", "policy and claims cannot both come from standard input"),
    ] {
        let failed = run_in(folder.path(), line);
        assert_eq!((failed.code, failed.stdout.as_str()), (2, ""), "{line}");
        assert!(failed.stderr.contains(problem), "{line}: {}", failed.stderr);
    }
}

#[test]
fn hashes_are_those_that_tokens_carry() {
    let text = "version=1.0; authorizationrules{=> permit();}; issuancerules{};";
    let folder = folder_with(&[("p", text)]);
    let hashed = run_in(folder.path(), "policy hash p --format json").json();
    // Recorded from Azure Attestation.
    assert_eq!(hashed["x-ms-policy-hash"], "z0FRjKS0ssQTNur1V6BV8WIrh9M3fzgTo0EfHRvapWU");
    let document = hashed["document"].as_str().unwrap();
    assert!(document.starts_with("eyJhbGciOiJub25lIn0.") && document.ends_with('.'), "{document}");
    // The same document as a file has the same hashes.
    std::fs::write(folder.path().join("jws"), document).unwrap();
    assert_eq!(run_in(folder.path(), "policy hash jws --format json").json(), hashed);
    assert_eq!(run_in(folder.path(), "policy check jws --type SgxEnclave").code, 0);
}
