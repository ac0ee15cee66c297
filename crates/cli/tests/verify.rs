//! `assay verify` over real and simulated evidence: outcome, exit code and the exact shape of the JSON.
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

use common::{Run, run, run_in, run_with_input, vectors};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The members of the answer, in their order.
const MEMBERS: [&str; 10] = [
    "outcome",
    "kind",
    "evaluated_at",
    "tcb_status",
    "advisories",
    "checks",
    "error",
    "claims",
    "collateral",
    "policy",
];

fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn sorted<const N: usize>(mut names: [&str; N]) -> [&str; N] {
    names.sort_unstable();
    names
}

/// Checks the shape, whatever the judgement.
fn assert_shape(verdict: &Value) {
    assert_eq!(members(verdict), sorted(MEMBERS));
    for check in verdict["checks"].as_array().unwrap() {
        let outcome = check["outcome"].as_str().unwrap();
        assert!(["pass", "fail", "warn", "skipped"].contains(&outcome), "{check}");
        for member in members(check) {
            assert!(
                ["id", "outcome", "code", "detail", "expected", "actual", "reference"].contains(&member),
                "{check}"
            );
        }
        for required in ["id", "detail", "reference"] {
            assert!(!check[required].as_str().unwrap().is_empty(), "{check}");
        }
    }
    if !verdict["error"].is_null() {
        assert_eq!(members(&verdict["error"]), ["code", "help", "message"]);
    }
    if !verdict["collateral"].is_null() {
        let names = ["earliest_expiration", "earliest_issue", "tcb_evaluation_data_number"];
        assert_eq!(members(&verdict["collateral"]), names);
    }
}

#[test]
fn every_real_quote_with_collateral_is_genuine_in_time_and_rejected_after() {
    let Some(folder) = vectors() else { return };
    let expected: Value =
        serde_json::from_slice(&std::fs::read(folder.join("intel-expected.json")).unwrap()).unwrap();
    let mut pairs = 0;
    for vector in expected["vectors"].as_array().unwrap().iter().filter(|vector| vector["tee"] == "sgx") {
        let quote = folder.join(vector["file"].as_str().unwrap());
        for pair in vector["collateral"].as_array().into_iter().flatten() {
            let name = pair["file"].as_str().unwrap();
            let judge = |at: i64| {
                let collateral = folder.join(name);
                let (quote, collateral) = (quote.to_str().unwrap(), collateral.to_str().unwrap());
                run(["verify", "sgx", quote, "--collateral", collateral, "--at", &at.to_string()])
            };
            let (from, to) = (pair["valid_from"].as_i64().unwrap(), pair["valid_to"].as_i64().unwrap());

            let inside = judge(from + (to - from) / 2);
            let verdict = inside.json();
            assert_shape(&verdict);
            assert_eq!((inside.code, &verdict["outcome"]), (0, &json!("genuine")), "{name}");
            assert_eq!(verdict["kind"], "sgx", "{name}");
            let reference = &pair["reference_qvl_rule"];
            assert_eq!(verdict["tcb_status"], reference["status"], "{name}");
            assert_eq!(verdict["advisories"], reference["advisory_ids"], "{name}");
            assert_eq!(verdict["collateral"]["tcb_evaluation_data_number"], pair["tcb_eval"], "{name}");
            assert_eq!(verdict["claims"]["x-ms-sgx-mrenclave"], vector["mrenclave"], "{name}");
            assert_eq!(verdict["claims"]["x-ms-sgx-is-debuggable"], vector["debug"], "{name}");
            assert_eq!((&verdict["error"], &verdict["policy"]), (&Value::Null, &Value::Null), "{name}");

            let outside = judge(to + 86_400);
            let verdict = outside.json();
            assert_shape(&verdict);
            assert_eq!((outside.code, &verdict["outcome"]), (1, &json!("rejected")), "{name}");
            assert_eq!(verdict["error"]["code"], "collateral-expired", "{name}");
            assert_eq!(verdict["claims"], Value::Null, "{name}");
            pairs += 1;
        }
    }
    assert!(pairs >= 10, "only {pairs} pairs");
}

#[test]
fn real_quotes_that_are_not_genuine_exit_with_1_and_say_why() {
    let Some(folder) = vectors() else { return };
    let cases = [
        ("sgx_v3_openenclave_4e3f9fa7", "issuer-mismatch"),
        ("sgx_v3_openenclave_f4f27469", "untrusted-root"),
        ("sgx_v3_rust-sgx_7d63357d", "untrusted-root"),
        ("sgx_v3_rust-sgx_2f59d4cb", "certification-data-unsupported"),
        ("sgx_v3_confidential-computing_8cc428aa", "certification-data-unsupported"),
        // Genuine as far as can be told, but nothing vouches for the platform.
        ("sgx_v3_openenclave_ad730280", "collateral-missing"),
        ("sgx_v3_rust-sgx_e9794f00", "collateral-missing"),
    ];
    for (name, code) in cases {
        let file = folder.join(format!("sgx/{name}.bin"));
        let judged = run(["verify", "sgx", file.to_str().unwrap(), "--at", "1700000000"]);
        let verdict = judged.json();
        assert_shape(&verdict);
        assert_eq!(judged.code, 1, "{name}");
        assert_eq!(verdict["outcome"], "rejected", "{name}");
        assert_eq!(verdict["error"]["code"], code, "{name}");
        assert_eq!(verdict["evaluated_at"], "2023-11-14T22:13:20Z", "{name}");
        // Checks that need no collateral ran all the same.
        let checks = verdict["checks"].as_array().unwrap();
        let signature = checks.iter().find(|check| check["id"] == "sgx.quote-signature").unwrap();
        assert_eq!(signature["outcome"], "pass", "{name}");
        let failed = checks.iter().filter(|check| check["outcome"] == "fail");
        assert!(failed.clone().any(|check| check["id"] == "intel.collateral"), "{name}");
    }
}

/// A folder with simulated evidence in `e` and its vendor in `d`.
fn simulated(options: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let made = run_in(folder.path(), &format!("simulate {options} --out e --data d"));
    assert_eq!(made.code, 0, "{made:?}");
    folder
}

const VERIFY: &str =
    "e/evidence.bin --collateral e/collateral.json --runtime-data e/runtime-data.bin --data d";

fn verify(folder: &TempDir, kind: &str, more: &str) -> Run {
    run_in(folder.path(), &format!("verify {kind} {VERIFY} {more}"))
}

fn failed(verdict: &Value) -> Vec<&str> {
    let checks = verdict["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["outcome"] == "fail").map(|check| check["id"].as_str().unwrap()).collect()
}

#[test]
fn simulated_evidence_of_every_kind_is_genuine_for_its_own_folder_only() {
    for kind in ["sgx", "open-enclave"] {
        let folder = simulated(kind);
        let judged = verify(&folder, kind, "");
        let verdict = judged.json();
        assert_shape(&verdict);
        assert_eq!(
            (judged.code, &verdict["outcome"], &verdict["kind"]),
            (0, &json!("genuine"), &json!(kind))
        );
        assert_eq!(verdict["claims"]["x-assay-simulated"], true);
        assert!(verdict["claims"]["x-ms-runtime"]["keys"].is_array(), "{verdict}");

        // Without the folder, nobody believes simulated hardware.
        let line = VERIFY.replace("--data d", "");
        let judged = run_in(folder.path(), &format!("verify {kind} {line}"));
        assert_eq!((judged.code, &judged.json()["error"]["code"]), (1, &json!("untrusted-root")));
    }
}

#[test]
fn a_root_can_be_named_by_its_certificate() {
    let folder = simulated("sgx");
    let tree = run_in(folder.path(), "inspect sgx e/evidence.bin --format json").json();
    let key = tree["certification_data"]["certificates"][2]["public_key"]["key"].as_str().unwrap().to_owned();
    // SubjectPublicKeyInfo of a P-256 key, DER (RFC 5480 section 2).
    let spki = format!("3059301306072a8648ce3d020106082a8648ce3d030107034200{key}");
    std::fs::write(folder.path().join("root.der"), hex::decode(spki).unwrap()).unwrap();
    let line = VERIFY.replace("--data d", "--trust-root root.der");
    let judged = run_in(folder.path(), &format!("verify sgx {line}"));
    assert_eq!(judged.code, 0, "{judged:?}");
    assert_eq!(judged.json()["claims"]["x-assay-simulated"], Value::Null, "the operator named the root");
    std::fs::write(folder.path().join("root.der"), b"nonsense").unwrap();
    let judged = run_in(folder.path(), &format!("verify sgx {line}"));
    assert_eq!(judged.code, 2);
    assert!(judged.stderr.contains("is neither a certificate nor a public key"), "{judged:?}");
}

#[test]
fn what_is_simulated_is_what_is_judged() {
    let cases = [
        ("sgx --status OutOfDate", 0, "OutOfDate", json!(null)),
        ("sgx --debug", 0, "UpToDate", json!(null)),
        ("sgx --revoked", 1, "UpToDate", json!("certificate-revoked")),
        ("sgx --status Revoked", 1, "Revoked", json!("tcb-revoked")),
        ("sgx --defect quote-signature-bit-flipped", 1, "UpToDate", json!("quote-signature")),
    ];
    for (options, code, status, error) in cases {
        let judged = verify(&simulated(options), "sgx", "");
        let verdict = judged.json();
        assert_eq!(judged.code, code, "{options}: {verdict}");
        assert_eq!(verdict["error"]["code"], error, "{options}");
        assert_eq!(verdict["tcb_status"], status, "{options}");
    }
}

#[test]
fn data_and_nonce_must_be_bound() {
    let folder = simulated("sgx");
    std::fs::write(folder.path().join("other"), b"other").unwrap();
    let line = VERIFY.replace("e/runtime-data.bin", "other");
    let judged = run_in(folder.path(), &format!("verify sgx {line}"));
    assert_eq!((judged.code, failed(&judged.json())), (1, vec!["sgx.runtime-data"]));

    let data = std::fs::read(folder.path().join("e/runtime-data.bin")).unwrap();
    let inside = hex::encode(&data[10..30]);
    let judged = verify(&folder, "sgx", &format!("--nonce {inside}"));
    assert_eq!((judged.code, &judged.json()["claims"]["x-assay-freshness"]), (0, &json!("caller-bound")));
    let judged = verify(&folder, "sgx", "--nonce 00112233445566778899");
    assert_eq!((judged.code, &judged.json()["outcome"]), (1, &json!("rejected")));
}

#[test]
fn a_policy_permits_or_denies() {
    let folder = simulated("sgx --svn 3");
    let policy = |text: &str| std::fs::write(folder.path().join("p"), text).unwrap();
    policy(
        "version=1.0;\nauthorizationrules {\n  [type==\"x-ms-sgx-svn\", value==3] => permit();\n};\nissuancerules { => issue(type=\"ok\", value=true); };",
    );
    let judged = verify(&folder, "sgx", "--policy p");
    let rule = json!({"line": 3, "column": 3, "text": "[type==\"x-ms-sgx-svn\", value==3] => permit();"});
    let expected = json!({"decision": "permit", "rule": rule, "issued": {"ok": true}});
    assert_eq!((judged.code, &judged.json()["policy"]), (0, &expected));

    policy("version=1.0; authorizationrules { => deny(); }; issuancerules {};");
    let judged = verify(&folder, "sgx", "--policy p");
    let verdict = judged.json();
    assert_eq!((judged.code, &verdict["outcome"]), (1, &json!("genuine")));
    assert_eq!(verdict["policy"]["decision"], "deny");

    // A policy that cannot be evaluated permits nothing, and that is a judgement.
    policy(
        "version=1.0; authorizationrules { => permit(); };\n\
         issuancerules { c:[type==\"x-ms-sgx-svn\"] => issue(type=c.value, value=1); };",
    );
    let judged = verify(&folder, "sgx", "--policy p");
    let verdict = judged.json();
    assert_shape(&verdict);
    assert_eq!((judged.code, &verdict["outcome"]), (1, &json!("genuine")));
    assert_eq!((&verdict["policy"]["decision"], &verdict["policy"]["rule"]), (&json!("deny"), &Value::Null));
    assert_eq!(verdict["error"]["code"], "type-not-string");
    let text = verify(&folder, "sgx", "--policy p --format text").stdout;
    assert!(text.contains("policy: deny (the policy could not be evaluated: "), "{text}");

    policy("version=1.0; authorizationrules { => allow(); };");
    let judged = verify(&folder, "sgx", "--policy p");
    assert_eq!((judged.code, judged.stdout.as_str()), (2, ""));
    assert!(judged.stderr.contains("error[unknown-action]"), "{}", judged.stderr);
}

#[test]
fn standard_input_can_hold_the_evidence() {
    let folder = simulated("sgx");
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let evidence = std::fs::read(folder.path().join("e/evidence.bin")).unwrap();
    let (collateral, data) = (path("e/collateral.json"), path("d"));
    let arguments = ["verify", "sgx", "-", "--collateral", &collateral, "--data", &data];
    assert_eq!(run_with_input(arguments, &evidence).code, 0);
    let arguments = ["verify", "sgx", "-", "--collateral", "-"];
    let judged = run_with_input(arguments, &evidence);
    assert_eq!((judged.code, judged.stdout.as_str()), (2, ""));
    assert!(judged.stderr.contains("only one input can come from standard input"));
}

#[test]
fn what_cannot_be_judged_exits_with_2_and_writes_no_data() {
    let folder = simulated("sgx");
    std::fs::write(folder.path().join("text"), "not json").unwrap();
    let cases = [
        ("verify sgx missing.bin", "could not read `missing.bin`"),
        ("verify sgx e", "could not read `e`"),
        ("verify sgx e/evidence.bin --collateral text", "`text` is not collateral"),
        ("verify sgx e/evidence.bin --at yesterday", "expected a time such as"),
        ("verify sgx e/evidence.bin --nonce xyz", "expected hexadecimal digits"),
        ("verify sgx e/evidence.bin --data nowhere", "`nowhere` has no simulated hardware"),
        ("verify sgx e/evidence.bin --vek e", "`--vek` belongs to `snp` and `azure-cvm`, and not to `sgx`"),
        ("verify open-enclave e/evidence.bin --chain e", "`--chain` belongs to"),
        ("verify sgx e/evidence.bin --crl e", "`--crl` belongs to"),
        ("verify snp e/evidence.bin --pck e", "`--pck` belongs to `sgx` and `open-enclave`, and not"),
        ("verify sgx e/evidence.bin --pck missing.pem", "could not read `missing.pem`"),
        (
            "verify snp e/evidence.bin --collateral e",
            "`--collateral` belongs to `sgx` and `open-enclave`, and not",
        ),
        ("verify azure-cvm e/evidence.bin --collateral e", "`--collateral` belongs to"),
        ("verify snp e/evidence.bin --vek missing.der", "could not read `missing.der`"),
        ("verify tdx e/evidence.bin", "`tdx` is not supported yet in this release"),
        ("verify abacus e/evidence.bin", "[possible values: sgx, open-enclave, snp, azure-cvm]"),
        ("verify sgx", "required arguments were not provided"),
        ("verify tpm e/evidence.bin", "`tpm` is not supported yet in this release"),
        ("verify vbs e/evidence.bin", "`vbs` is not supported yet in this release"),
        ("inspect event-log e/evidence.bin", "`event-log` is not supported yet in this release"),
    ];
    for (line, problem) in cases {
        let judged = run_in(folder.path(), line);
        assert_eq!((judged.code, judged.stdout.as_str()), (2, ""), "{line}: {judged:?}");
        assert!(judged.stderr.contains(problem), "{line}: {}", judged.stderr);
    }
    assert!(!folder.path().join("nowhere").exists(), "asking for a root must not make one");
}

#[test]
fn garbage_is_rejected_with_a_verdict() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("garbage"), [0xff; 600]).unwrap();
    let judged = run_in(folder.path(), "verify sgx garbage");
    let verdict = judged.json();
    assert_shape(&verdict);
    assert_eq!((judged.code, failed(&verdict)), (1, vec!["sgx.layout"]));
    assert_eq!(verdict["error"]["code"], "unsupported-version");
}

#[test]
fn text_shows_what_failed_first_and_no_colour_in_a_pipe() {
    let folder = simulated("sgx --revoked");
    let judged = verify(&folder, "sgx", "--format text");
    assert_eq!(judged.code, 1);
    let lines: Vec<&str> = judged.stdout.lines().collect();
    assert!(lines[0].starts_with("✗ rejected: sgx evidence, judged at "), "{}", lines[0]);
    assert!(lines[1].contains("(certificate-revoked)"), "{}", lines[1]);
    assert!(lines[3].starts_with("✗ ") && lines[3].ends_with("  intel.pck-revocation"), "{}", lines[3]);
    assert!(lines[4].starts_with("    help: "), "{}", lines[4]);
    assert!(!judged.stdout.contains('\x1b'));

    let line = format!("verify sgx {VERIFY} --format text");
    let plain = common::command(line.split_whitespace())
        .env("LC_ALL", "C")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let plain = String::from_utf8(plain.stdout).unwrap();
    assert!(plain.starts_with("x rejected") && plain.is_ascii(), "{plain}");
}
