//! Public policies, from the folder that `ASSAY_VECTORS` names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr,
    clippy::string_slice,
    reason = "tests"
)]

use std::path::PathBuf;

use assay_policy::{
    ClaimSet, Issuer, Limits, Policy, Severity, Version, Vocabulary, compile, evaluate, evaluate_traced,
};
use serde_json::{Value as Json, json};

fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("ASSAY_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: ASSAY_VECTORS is not set, so no real policy is tested");
    }
    folder
}

struct Row {
    file: String,
    version: String,
    expect: String,
}

/// The rows of the corpus table.
fn rows(provenance: &str) -> Vec<Row> {
    let table = provenance.lines().filter(|line| line.starts_with("| 0"));
    table
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            Row { file: cells[1].to_owned(), version: cells[3].to_owned(), expect: cells[4].to_owned() }
        })
        .collect()
}

fn error_codes(text: &str) -> Vec<&'static str> {
    let compiled = compile(text, &Vocabulary::UNTYPED);
    compiled.diagnostics.iter().filter(|d| d.severity == Severity::Error).map(|d| d.code).collect()
}

#[test]
fn the_corpus_is_accepted_and_refused_as_labelled() {
    let Some(folder) = vectors() else { return };
    let folder = folder.join("policies");
    let rows = rows(&std::fs::read_to_string(folder.join("PROVENANCE.md")).unwrap());
    let (mut accepted, mut parsed, mut refused) = (0, 0, 0);
    for row in &rows {
        let Ok(text) = std::fs::read_to_string(folder.join(&row.file)) else { continue };
        let codes = error_codes(&text);
        match (row.expect.as_str(), row.version.as_str()) {
            ("accept", "1.2") => {
                assert_eq!(codes, ["version-unsupported"], "{}", row.file);
                parsed += 1;
            }
            ("accept", _) => {
                assert_eq!(codes, [""; 0], "{}", row.file);
                accepted += 1;
            }
            (expect, _) => {
                assert!(expect.starts_with("reject"), "{}: {expect}", row.file);
                let other = codes.iter().filter(|code| **code != "version-unsupported").count();
                assert!(other > 0, "{} has no error of its own", row.file);
                refused += 1;
            }
        }
    }
    eprintln!("corpus: {accepted} accepted, {parsed} of version 1.2 parsed, {refused} refused");
    assert!(accepted >= 20 && parsed >= 20 && refused >= 5, "the corpus is smaller than it was");
}

/// What each broken sample of Microsoft's pages is told.
#[test]
fn broken_samples_get_the_reason_that_helps() {
    let Some(folder) = vectors() else { return };
    let cases: [(&str, &[&str]); 6] = [
        ("001-sgx-sample-custom-placeholders.txt", &["placeholder"]),
        ("009-tpm-v12-sample-sb-elam.txt", &["version-unsupported", "positional-argument"]),
        (
            "010-author-sign-overview-broken.txt",
            &[
                "single-equals",
                "missing-semicolon",
                "single-equals",
                "missing-semicolon",
                "single-equals",
                "missing-semicolon",
            ],
        ),
        (
            "023-tpm-v12-key-attest-authz.txt",
            &["version-unsupported", "action-not-allowed", "action-not-allowed"],
        ),
        ("028-sgx-custom-tcb-11-smartquote.txt", &["curly-quote", "keyword-case"]),
        (
            "069-docs2020-broken-sections.txt",
            &[
                "unknown-section",
                "single-equals",
                "missing-semicolon",
                "single-equals",
                "missing-semicolon",
                "single-equals",
                "missing-semicolon",
            ],
        ),
    ];
    for (file, expected) in cases {
        let text = std::fs::read_to_string(folder.join("policies").join(file)).unwrap();
        assert_eq!(error_codes(&text), expected, "{file}");
    }
}

fn policy(path: &str) -> Option<Policy> {
    let text = std::fs::read_to_string(vectors()?.join(path)).unwrap();
    let compiled = compile(&text, &Vocabulary::UNTYPED);
    assert_eq!(compiled.diagnostics, [], "{path}");
    compiled.policy
}

fn sgx_claims() -> ClaimSet {
    let claims = json!({
        "x-ms-sgx-is-debuggable": false,
        "x-ms-sgx-mrsigner": "2c1a44952ae8207135c6c29b75b8c029372ee94b677e15c20bd42340f10d41aa",
        "x-ms-sgx-mrenclave": "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90",
        "x-ms-sgx-product-id": 1,
        "x-ms-sgx-svn": 3,
        "x-ms-attestation-type": "sgx",
    });
    ClaimSet::from_json_object(&claims, Issuer::AttestationService).unwrap()
}

#[test]
fn the_default_sgx_policies_issue_exactly_the_six_claims() {
    for path in [
        "maa/policies/sharedwus.SgxEnclave.policy.txt",
        "maa/policies/sharedwus.OpenEnclave.policy.txt",
        "policies/002-sgx-default.txt",
        "policies/073-jssdk-test-policy.txt",
    ] {
        let Some(policy) = policy(path) else { return };
        let evaluation = evaluate(&policy, &sgx_claims(), &Limits::default()).unwrap();
        assert_eq!(evaluation.decision.name(), "permit");
        let issued = Json::Object(evaluation.issued_json());
        let expected = json!({
            "is-debuggable": false,
            "sgx-mrsigner": "2c1a44952ae8207135c6c29b75b8c029372ee94b677e15c20bd42340f10d41aa",
            "sgx-mrenclave": "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90",
            "product-id": 1,
            "svn": 3,
            "tee": "sgx",
        });
        assert_eq!(issued, expected, "{path}");
        let names: Vec<&str> = evaluation.issued.iter().map(|(name, _)| name.as_ref()).collect();
        let order = ["is-debuggable", "sgx-mrsigner", "sgx-mrenclave", "product-id", "svn", "tee"];
        assert_eq!(names, order, "{path}");
    }
}

#[test]
fn the_default_policy_names_its_baseline_before_verification() {
    let Some(policy) = policy("policies/002-sgx-default.txt") else { return };
    assert_eq!(policy.version(), Version::V1_1);
    let properties = policy.configuration(&ClaimSet::new()).unwrap();
    let [baseline] = properties.as_slice() else { panic!("{properties:?}") };
    assert_eq!(baseline.claim_type.as_ref(), "x-ms-sgx-tcbidentifier");
    assert_eq!(baseline.value, assay_policy::Value::from("azuredefault"));
    assert_eq!(baseline.issuer, Issuer::AttestationPolicy);
}

#[test]
fn recorded_policies_permit_everything_and_issue_nothing() {
    for provider in ["pylarryoattestationaad", "pylarryoattestationiso"] {
        for kind in ["SgxEnclave", "OpenEnclave", "Tpm"] {
            let Some(policy) = policy(&format!("maa/policies/{provider}.{kind}.policy.txt")) else { return };
            let evaluation = evaluate(&policy, &sgx_claims(), &Limits::default()).unwrap();
            let rule = evaluation.decision.rule().unwrap();
            assert_eq!((rule.line, rule.column, rule.text.as_ref()), (1, 33, "=> permit();"));
            assert_eq!(evaluation.issued, []);
        }
    }
}

#[test]
fn sample_policies_decide_over_sgx_claims() {
    let cases = [
        (
            "policies/071-pysdk-set-policy.txt",
            "permit",
            json!({"My-MrSigner": "2c1a44952ae8207135c6c29b75b8c029372ee94b677e15c20bd42340f10d41aa"}),
        ),
        ("policies/003-sgx-multiple-mrsigners.txt", "deny", json!({})),
        ("policies/077-ipexllm-mrenclave.txt", "deny", json!({})),
        ("policies/053-sample-deny-all.txt", "deny", json!({})),
        ("policies/013-author-sign-issue-const.txt", "deny", json!({})),
        ("policies/067-vbs-no-security-2020.txt", "permit", json!({})),
    ];
    for (path, decision, issued) in cases {
        let Some(policy) = policy(path) else { return };
        let evaluation = evaluate_traced(&policy, &sgx_claims(), &Limits::default()).unwrap();
        assert_eq!(evaluation.decision.name(), decision, "{path}");
        assert_eq!(Json::Object(evaluation.issued_json()), issued, "{path}");
    }
}

/// `author-sign-policy.md` prints the claim that `issue(type="SecurityLevelValue", value=100)` makes.
#[test]
fn a_constant_is_issued_as_documented() {
    let Some(policy) = policy("policies/013-author-sign-issue-const.txt") else { return };
    let claims = json!({"secureBootEnabled": true});
    let claims = ClaimSet::from_json_object(&claims, Issuer::AttestationService).unwrap();
    let evaluation = evaluate_traced(&policy, &claims, &Limits::default()).unwrap();
    assert_eq!(Json::Object(evaluation.issued_json()), json!({"SecurityLevelValue": 100}));
    let trace = evaluation.trace.unwrap();
    let produced = serde_json::to_value(&trace.entries[1].produced).unwrap();
    assert_eq!(
        produced,
        json!([{"type": "SecurityLevelValue", "value": 100, "issuer": "AttestationPolicy"}])
    );
}
