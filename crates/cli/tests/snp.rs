//! SEV-SNP on the command line: `assay verify snp|azure-cvm` over real and simulated evidence, and `assay simulate`.
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

use std::path::{Path, PathBuf};

use assay_silicon::amd::{VekKind, certificate_table};
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

/// Checks the shape, whatever the judgement; AMD says nothing of a TCB, and there is no collateral set.
fn assert_shape(run: &Run) {
    let at = |name: &str| run.stdout.find(&format!("\n  \"{name}\": ")).unwrap_or_else(|| panic!("{run:?}"));
    assert!(MEMBERS.map(at).is_sorted(), "{}", run.stdout);
    let verdict = run.json();
    assert_eq!(verdict.as_object().unwrap().len(), MEMBERS.len());
    assert_eq!((&verdict["tcb_status"], &verdict["advisories"]), (&Value::Null, &json!([])));
    assert_eq!(verdict["collateral"], Value::Null);
    for check in verdict["checks"].as_array().unwrap() {
        assert!(["pass", "fail", "warn", "skipped"].contains(&check["outcome"].as_str().unwrap()), "{check}");
        for required in ["id", "detail", "reference"] {
            assert!(!check[required].as_str().unwrap().is_empty(), "{check}");
        }
    }
}

/// The outcome of one check.
fn outcome(verdict: &Value, id: &str) -> String {
    let checks = verdict["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == id);
    check.map_or_else(|| "absent".to_owned(), |check| check["outcome"].as_str().unwrap().to_owned())
}

fn outcomes(verdict: &Value, outcome: &str) -> Vec<String> {
    let checks = verdict["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["outcome"] == outcome)
        .map(|check| check["id"].as_str().unwrap().into())
        .collect()
}

/// The codes of what failed.
fn error_codes(verdict: &Value) -> Vec<String> {
    let checks = verdict["checks"].as_array().unwrap().iter();
    let failed = checks.filter(|check| check["outcome"] == "fail");
    failed.map(|check| check["code"].as_str().unwrap().to_owned()).collect()
}

/// The simulated AMD of all tests here: its keys take seconds to make.
fn data() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-data")
}

/// A folder with simulated evidence in `e`.
fn simulated(options: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let made = run_in(folder.path(), &format!("simulate {options} --out e --data {}", data().display()));
    assert_eq!((made.code, made.stdout.as_str()), (0, ""), "{made:?}");
    assert!(made.stderr.contains("its attest route is /attest/SevSnpVm"), "{}", made.stderr);
    folder
}

fn verify(folder: &TempDir, rest: &str) -> Run {
    run_in(folder.path(), &format!("verify {rest} --data {}", data().display()))
}

#[test]
fn real_reports_of_every_generation_are_judged_as_expected() {
    let Some(folder) = vectors() else { return };
    let expected: Value =
        serde_json::from_slice(&std::fs::read(folder.join("snp/expected.json")).unwrap()).unwrap();
    let mut products = Vec::new();
    for case in expected["cases"].as_array().unwrap() {
        let (Some(report), Some(vek)) = (case["report_file"].as_str(), case["vek_file"].as_str()) else {
            continue;
        };
        let mut bytes = std::fs::read(folder.join("snp").join(report)).unwrap();
        if let Some(offset) = case["tamper_offset"].as_u64() {
            bytes[usize::try_from(offset).unwrap()] ^= 1;
        }
        let vek = folder.join("snp").join(vek);
        let judged = run_with_input(["verify", "snp", "-", "--vek", vek.to_str().unwrap()], &bytes);
        assert_shape(&judged);
        let (verdict, id) = (judged.json(), &case["id"]);
        let genuine = case["accept"] == true;
        assert_eq!(judged.code, if genuine { 0 } else { 1 }, "{id}: {}", judged.stdout);
        assert_eq!(verdict["outcome"], if genuine { "genuine" } else { "rejected" }, "{id}");
        assert_eq!(verdict["kind"], "snp", "{id}");
        if !genuine {
            assert_eq!(verdict["claims"], Value::Null, "{id}");
            assert!(verdict["error"]["code"].is_string(), "{id}");
            continue;
        }
        assert_eq!(verdict["error"], Value::Null, "{id}");
        let claims = &verdict["claims"];
        assert_eq!(claims["x-ms-sevsnpvm-launchmeasurement"], case["report"]["measurement"], "{id}");
        assert_eq!(claims["x-ms-sevsnpvm-snpfw-svn"], case["report"]["reported_tcb"]["snp"], "{id}");
        assert_eq!(claims["x-ms-sevsnpvm-is-debuggable"], case["report"]["debug"], "{id}");
        // Debugging is for policy to judge: genuine all the same, with a warning.
        let debug = if case["report"]["debug"] == true { "warn" } else { "pass" };
        assert_eq!(outcome(&verdict, "snp.debug"), debug, "{id}");
        assert_eq!(outcome(&verdict, "snp.crl"), "skipped", "{id}");
        products.push(claims["x-assay-snp-product"].as_str().unwrap().to_owned());
    }
    for product in ["Milan", "Genoa", "Turin"] {
        assert!(products.iter().any(|seen| seen == product), "{product} was not seen: {products:?}");
    }
}

#[test]
fn without_a_certificate_the_checks_that_need_none_still_run() {
    let Some(folder) = vectors() else { return };
    let report = folder.join("snp/milan/mstav-report.bin");
    let judged = run(["verify", "snp", report.to_str().unwrap()]);
    assert_shape(&judged);
    let verdict = judged.json();
    assert_eq!((judged.code, &verdict["error"]["code"]), (1, &json!("vek-missing")));
    assert_eq!(outcomes(&verdict, "fail"), ["snp.vek"]);
    for id in ["snp.layout", "snp.reserved", "snp.guest-policy", "snp.product", "snp.tcb-order"] {
        assert_eq!(outcome(&verdict, id), "pass", "{id}");
    }
    assert_eq!(outcome(&verdict, "snp.report-signature"), "skipped");

    // What follows from one failure is one line, so that it does not hide the others.
    let text = run(["verify", "snp", report.to_str().unwrap(), "--format", "text"]).stdout;
    assert_eq!(text.lines().filter(|line| line.contains("that it builds on failed")).count(), 1, "{text}");
    assert!(!text.contains("TCB status"), "{text}");
}

#[test]
fn chains_may_come_beside_and_are_compared_with_amds() {
    let Some(folder) = vectors() else { return };
    let path = |name: &str| folder.join("snp").join(name).to_str().unwrap().to_owned();
    let (report, vek) = (path("milan/mstav-report.bin"), path("milan/mstav-vcek.pem"));
    for (chain, hint) in [("chains/ask_ark_milan.pem", "pass"), ("chains/ask_ark_genoa.pem", "warn")] {
        let judged = run(["verify", "snp", &report, "--vek", &vek, "--chain", &path(chain)]);
        let verdict = judged.json();
        assert_eq!((judged.code, outcome(&verdict, "snp.chain-hint").as_str()), (0, hint), "{chain}");
    }
    // A certificate of a key that is not of this report's chip.
    let judged = run(["verify", "snp", &report, "--vek", &path("milan/coco-vcek.der")]);
    assert_eq!(judged.code, 1);
    assert!(outcomes(&judged.json(), "fail").contains(&"snp.chip-id".to_owned()), "{}", judged.stdout);
    // Judged before the certificate was issued.
    let judged = run(["verify", "snp", &report, "--vek", &vek, "--at", "2025-01-01T00:00:00Z"]);
    assert_eq!(judged.code, 1);
    assert_eq!(outcomes(&judged.json(), "fail"), ["snp.vek-dates"]);
}

#[test]
fn real_confidential_vms_of_azure_are_judged_in_every_form() {
    let Some(folder) = vectors() else { return };
    let path = |name: &str| folder.join("azcvm").join(name).to_str().unwrap().to_owned();
    let vek = path("coco-snp/vcek.pem");
    let judged = run(["verify", "azure-cvm", &path("coco-snp/hcl-report.bin"), "--vek", &vek]);
    assert_shape(&judged);
    let verdict = judged.json();
    assert_eq!((judged.code, &verdict["kind"]), (0, &json!("azure-cvm")));
    assert_eq!(outcome(&verdict, "hcl.claims-binding"), "pass");
    assert_eq!(verdict["claims"]["x-ms-runtime"]["keys"][0]["kid"], "HCLAkPub");
    for form in ["evidence-v0.json", "evidence-v1.json", "evidence-v2.json", "evidence-genoa.json"] {
        let judged = run(["verify", "azure-cvm", &path(&format!("coco-snp/{form}"))]);
        assert_eq!(judged.code, 0, "{form}: {}", judged.stdout);
    }
    let missing = run(["verify", "azure-cvm", &path("coco-snp/hcl-report.bin")]);
    assert_eq!((missing.code, &missing.json()["error"]["code"]), (1, &json!("vek-missing")));
    let kinvolk = run([
        "verify",
        "azure-cvm",
        &path("kinvolk/hcl-report-snp.bin"),
        "--vek",
        &path("kinvolk/certs.pem"),
    ]);
    assert_eq!((kinvolk.code, &kinvolk.json()["error"]["code"]), (1, &json!("chip-id-mismatch")));
    let tdx = run(["verify", "azure-cvm", &path("kinvolk/hcl-report-tdx.bin")]);
    assert_eq!((tdx.code, &tdx.json()["error"]["code"]), (1, &json!("td-quote-missing")));
    // Each kind says of the other's evidence what it is.
    let other = run(["verify", "snp", &path("coco-snp/hcl-report.bin"), "--vek", &vek]);
    assert_eq!(other.code, 1);
    assert!(other.stdout.contains("have it judged as `azure-cvm`"), "{}", other.stdout);
}

#[test]
fn simulated_evidence_is_genuine_for_its_own_folder_only() {
    for (kind, product, key) in [
        ("snp", "milan", "vcek"),
        ("snp", "turin", "vcek"),
        ("snp", "milan", "vlek"),
        ("azure-cvm", "milan", "vcek"),
    ] {
        let folder = simulated(&format!("{kind} --product {product} --key {key}"));
        let read = |name: &str| std::fs::read(folder.path().join("e").join(name)).unwrap();
        assert!(!folder.path().join("e/collateral.json").exists());
        assert!(String::from_utf8(read("chain.pem")).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
        let line = format!("{kind} e/evidence.bin --runtime-data e/runtime-data.bin --crl e/crl.der");
        for vouching in ["--vek e/chain.pem", "--vek e/vek.der", "--vek e/vek.der --chain e/chain.pem"] {
            let judged = verify(&folder, &format!("{line} {vouching}"));
            assert_shape(&judged);
            let verdict = judged.json();
            assert_eq!(judged.code, 0, "{kind} {product} {key} {vouching}: {verdict}");
            assert_eq!(verdict["claims"]["x-assay-simulated"], true);
            assert_eq!(verdict["claims"]["x-assay-snp-product"].as_str().unwrap().to_lowercase(), product);
            assert_eq!(verdict["claims"]["x-assay-snp-signing-key"].as_str().unwrap().to_lowercase(), key);
            assert_eq!(outcome(&verdict, "snp.crl"), "pass");
            // Nobody listed the simulated provider.
            let provider = if key == "vlek" { "warn" } else { "skipped" };
            assert_eq!(outcome(&verdict, "snp.vlek-provider"), provider);
            let runtime: Value = serde_json::from_slice(&read("runtime-data.bin")).unwrap();
            assert_eq!(verdict["claims"]["x-ms-runtime"], runtime);
        }
        let stranger = run_in(folder.path(), &format!("verify {kind} e/evidence.bin --vek e/chain.pem"));
        assert_eq!(stranger.code, 1, "{kind}: {}", stranger.stdout);
        assert_eq!(outcome(&stranger.json(), "snp.vek-chain"), "fail");
    }
}

#[test]
fn what_is_simulated_is_what_is_judged() {
    let (measurement, host_data) = ("0a".repeat(48), "0b".repeat(32));
    let folder = simulated(&format!(
        "snp --measurement {measurement} --host-data {host_data} --guest-svn 7 --vmpl 1 --debug"
    ));
    let judged = verify(&folder, "snp e/evidence.bin --vek e/chain.pem");
    let verdict = judged.json();
    assert_eq!((judged.code, &verdict["outcome"]), (0, &json!("genuine")));
    for (claim, expected) in [
        ("x-ms-sevsnpvm-launchmeasurement", json!(measurement)),
        ("x-ms-sevsnpvm-hostdata", json!(host_data)),
        ("x-ms-sevsnpvm-guestsvn", json!(7)),
        ("x-ms-sevsnpvm-vmpl", json!(1)),
        ("x-ms-sevsnpvm-is-debuggable", json!(true)),
    ] {
        assert_eq!(verdict["claims"][claim], expected, "{claim}");
    }
    assert_eq!(outcomes(&verdict, "warn"), ["snp.debug", "snp.vmpl"]);
    let text = verify(&folder, "snp e/evidence.bin --vek e/chain.pem --format text").stdout;
    assert!(text.contains("\nprocessor: Milan, its report signed by a VCEK\n"), "{text}");
    assert!(text.contains("\nreported TCB: bootloader 4, tee 0, snp 24, microcode 219\n"), "{text}");

    for (defect, failed) in
        [("signature-r-bit-flipped", "snp.report-signature"), ("policy-bit-17", "snp.guest-policy")]
    {
        let folder = simulated(&format!("snp --defect {defect}"));
        let judged = verify(&folder, "snp e/evidence.bin --vek e/chain.pem");
        assert_eq!((judged.code, outcomes(&judged.json(), "fail")), (1, vec![failed.to_owned()]), "{defect}");
    }
}

#[test]
fn reports_of_every_version_can_be_made() {
    for (options, version) in [
        ("--report-version 2", 2),
        ("--report-version 3", 3),
        ("--report-version 4", 4),
        ("--report-version 5", 5),
        ("--product turin --report-version 3", 3),
        ("", 3),
        ("--product turin", 5),
    ] {
        let folder = simulated(&format!("snp {options}"));
        let judged = verify(&folder, "snp e/evidence.bin --vek e/chain.pem");
        assert_eq!(judged.code, 0, "{options}: {}", judged.stdout);
        let shown = run_in(folder.path(), "inspect snp e/evidence.bin").json();
        assert_eq!(shown["report"]["version"], version, "{options}");
        assert_eq!(shown["report"]["cpuid"].is_null(), version < 3, "{options}");
        assert_eq!(shown["report"].get("launch_mitigations").is_some(), version == 5, "{options}");
    }
    let folder = TempDir::new().unwrap();
    for version in [1, 6] {
        let refused = run_in(folder.path(), &format!("simulate snp --report-version {version} --out e"));
        assert_eq!(refused.code, 2, "{version}");
    }
}

#[test]
fn a_confidential_vm_with_tdx_lacks_its_quote_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let made = run_in(folder.path(), "simulate azure-cvm --hardware tdx --out e --data d");
    assert_eq!((made.code, made.stdout.as_str()), (0, ""), "{made:?}");
    assert!(made.stderr.contains("no attest route takes it"), "{}", made.stderr);
    let mut files: Vec<_> =
        std::fs::read_dir(folder.path().join("e")).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort_unstable();
    assert_eq!(files, ["evidence.bin", "runtime-data.bin"]);
    let judged = run_in(folder.path(), "verify azure-cvm e/evidence.bin --runtime-data e/runtime-data.bin");
    assert_shape(&judged);
    let verdict = judged.json();
    assert_eq!((judged.code, error_codes(&verdict)), (1, vec!["td-quote-missing".to_owned()]), "{verdict}");
    for id in ["hcl.layout", "hcl.claims-binding", "hcl.claims", "hcl.attestation-key", "hcl.runtime-data"] {
        assert_eq!(outcome(&verdict, id), "pass", "{id}");
    }
    let shown = run_in(folder.path(), "inspect hcl-report e/evidence.bin").json();
    assert_eq!((&shown["hardware"], &shown["header"]["version"]), (&json!("TDX"), &json!(2)));
    assert_eq!(shown["runtime_claims_bound"], true);

    for (line, problem) in [
        ("azure-cvm --hardware tdx --product turin", "`--product` belongs to evidence of SEV-SNP"),
        ("azure-cvm --hardware tdx --defect hcl-truncated", "`--defect` belongs to evidence of SEV-SNP"),
        ("azure-cvm --hardware tdx --report-version 3", "`--report-version` belongs to evidence of SEV-SNP"),
        ("azure-cvm --hardware sgx", "expected `snp` or `tdx`"),
        ("snp --hardware tdx", "`--hardware` belongs to `azure-cvm`, and not to `snp`"),
        ("sgx --hardware tdx", "`--hardware` belongs to `snp` and `azure-cvm`, and not to `sgx`"),
    ] {
        let refused = run_in(folder.path(), &format!("simulate {line} --out f --data d"));
        assert_eq!(refused.code, 2, "{line}");
        assert!(refused.stderr.contains(problem), "{line}: {}", refused.stderr);
    }
}

/// A defect per stage at which one can strike, by its name on the command line.
#[test]
fn what_stands_around_a_report_can_be_broken_too() {
    for (defect, code) in [
        ("hcl-claims-not-bound", "hcl-claims-binding"),
        ("hcl-claims-changed", "hcl-claims-binding"),
        ("hcl-claims-not-json", "hcl-claims-not-json"),
        ("hcl-claims-two-attestation-keys", "hcl-attestation-key"),
        ("hcl-truncated", "evidence-truncated"),
        ("signature-r-bit-flipped", "report-signature"),
    ] {
        let folder = simulated(&format!("azure-cvm --defect {defect}"));
        let judged = verify(&folder, "azure-cvm e/evidence.bin --vek e/chain.pem");
        assert_eq!(judged.code, 1, "{defect}");
        assert!(error_codes(&judged.json()).contains(&code.to_owned()), "{defect}: {}", judged.stdout);
    }
    for (defect, code) in
        [("uvm-measurement-other", "uvm-measurement"), ("uvm-signature-bit", "uvm-signature")]
    {
        let folder = simulated(&format!("snp --defect {defect}"));
        let judged = verify(&folder, "snp e/evidence.json");
        assert_eq!((judged.code, error_codes(&judged.json())), (1, vec![code.to_owned()]), "{defect}");
    }
    let folder = TempDir::new().unwrap();
    for line in ["snp --defect hcl-claims-changed", "azure-cvm --defect uvm-measurement-other"] {
        let refused = run_in(folder.path(), &format!("simulate {line} --out e"));
        assert_eq!(refused.code, 2, "{line}");
        assert!(refused.stderr.contains("does not have what this defect breaks"), "{}", refused.stderr);
    }
}

#[test]
fn runtime_data_nonce_and_policy_are_judged() {
    let folder = simulated("snp");
    std::fs::write(folder.path().join("other"), b"other").unwrap();
    let line = "snp e/evidence.bin --vek e/vek.der";
    let judged = verify(&folder, &format!("{line} --runtime-data other"));
    assert_eq!((judged.code, outcomes(&judged.json(), "fail")), (1, vec!["snp.runtime-data".to_owned()]));
    let data = std::fs::read(folder.path().join("e/runtime-data.bin")).unwrap();
    let inside = hex::encode(&data[10..30]);
    let judged = verify(&folder, &format!("{line} --runtime-data e/runtime-data.bin --nonce {inside}"));
    assert_eq!((judged.code, &judged.json()["claims"]["x-assay-freshness"]), (0, &json!("caller-bound")));
    let judged = verify(&folder, &format!("{line} --nonce 00112233445566778899"));
    assert_eq!((judged.code, outcomes(&judged.json(), "fail")), (1, vec!["snp.nonce".to_owned()]));

    let policy = |text: &str| std::fs::write(folder.path().join("p"), text).unwrap();
    policy(
        "version=1.0; authorizationrules { [type==\"x-assay-snp-product\", value==\"Milan\"] => permit(); }; issuancerules {};",
    );
    let judged = verify(&folder, &format!("{line} --policy p"));
    assert_eq!((judged.code, &judged.json()["policy"]["decision"]), (0, &json!("permit")));
    policy("version=1.0; authorizationrules { => deny(); }; issuancerules {};");
    let judged = verify(&folder, &format!("{line} --policy p"));
    assert_eq!((judged.code, &judged.json()["outcome"]), (1, &json!("genuine")));
}

#[test]
fn revocation_lists_and_files_that_are_none() {
    let folder = simulated("snp");
    std::fs::write(folder.path().join("garbage"), [0xff; 600]).unwrap();
    let judged = verify(&folder, "snp e/evidence.bin --vek e/vek.der --crl garbage");
    assert_eq!((judged.code, outcomes(&judged.json(), "fail")), (1, vec!["snp.crl".to_owned()]));
    let judged = verify(&folder, "snp garbage --vek e/vek.der");
    assert_shape(&judged);
    assert_eq!((judged.code, outcomes(&judged.json(), "fail")), (1, vec!["snp.layout".to_owned()]));
    let judged = verify(&folder, "azure-cvm garbage --vek e/vek.der");
    assert_eq!((judged.code, outcomes(&judged.json(), "fail")), (1, vec!["hcl.layout".to_owned()]));
    let two = "verify snp - --vek -";
    assert!(run_in(folder.path(), two).stderr.contains("only one input can come from standard input"));
}

#[test]
fn an_endorsed_image_is_believed_with_its_folder() {
    let folder = simulated("snp --endorsed");
    let request: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("e/request.json")).unwrap()).unwrap();
    let decode = |value: &Value| assay_token::base64url::decode_lenient(value.as_str().unwrap()).unwrap();
    let report: Value = serde_json::from_slice(&decode(&request["report"])).unwrap();
    let images: Value = serde_json::from_slice(&decode(&report["Endorsements"])).unwrap();
    let message = std::fs::read(folder.path().join("e/uvm-endorsement.cose")).unwrap();
    assert_eq!(decode(&images["Uvm"][0]), message);
    let evidence = std::fs::read(folder.path().join("e/evidence.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&evidence).unwrap(), report);

    let judged = verify(&folder, "snp e/evidence.json --runtime-data e/runtime-data.bin");
    let verdict = judged.json();
    assert_eq!(judged.code, 0, "{verdict}");
    assert_eq!(verdict["claims"]["x-assay-uvm-feed"], "ContainerPlat-AMD-UVM");
    assert_eq!(outcome(&verdict, "uvm.issuer"), "pass");
    let text = verify(&folder, "snp e/evidence.json --format text").stdout;
    assert!(
        text.contains("\nimage: ContainerPlat-AMD-UVM, security version 100, endorsed by did:x509:"),
        "{text}"
    );
    let shown = run_in(folder.path(), "inspect snp e/evidence.json").json();
    assert_eq!(shown["image_endorsements"][0]["feed"], "ContainerPlat-AMD-UVM");
    assert_eq!(shown["certificates"].as_array().unwrap().len(), 3);

    // Who believes the hardware need not believe the maker of the image.
    let judged = run_in(folder.path(), "verify snp e/evidence.json --trust-root e/chain.pem");
    assert_eq!(
        (judged.code, outcome(&judged.json(), "uvm.issuer").as_str()),
        (1, "fail"),
        "{}",
        judged.stdout
    );
}

#[test]
fn an_authority_can_be_named_by_its_certificates() {
    let folder = simulated("snp");
    let pem = std::fs::read_to_string(folder.path().join("e/chain.pem")).unwrap();
    let end = "-----END CERTIFICATE-----\n";
    let parts: Vec<String> = pem.split_inclusive(end).map(str::to_owned).collect();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let (ask, ark) = (&parts[1], &parts[2]);
    write("both", &format!("{ask}{ark}"));
    write("turned", &format!("{ark}{ask}"));
    let line = "verify snp e/evidence.bin --vek e/vek.der --trust-root";
    for root in ["both", "turned", "e/chain.pem"] {
        let judged = run_in(folder.path(), &format!("{line} {root}"));
        assert_eq!(judged.code, 0, "{root}: {judged:?}");
        assert_eq!(judged.json()["claims"]["x-assay-simulated"], Value::Null, "the operator named it");
    }
    write("ask", ask);
    write("ark", ark);
    for (root, problem) in [
        ("ask", "the root (`ARK-...`) of an intermediate certificate is missing"),
        ("ark", "the intermediate certificate (`SEV-...`) is missing"),
        ("e/vek.der", "the intermediate certificate (`SEV-...`) is missing"),
        ("e/evidence.bin", "is neither a certificate nor a public key"),
    ] {
        let refused = run_in(folder.path(), &format!("{line} {root}"));
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{root}");
        assert!(refused.stderr.contains(problem), "{root}: {}", refused.stderr);
    }
}

#[test]
fn certificates_may_follow_the_report() {
    let folder = simulated("snp");
    let read = |name: &str| std::fs::read(folder.path().join("e").join(name)).unwrap();
    let chain = assay_evidence::pem::certificates(&read("chain.pem")).unwrap();
    let table = certificate_table(VekKind::Vcek, &chain[0], &chain[1..]);
    std::fs::write(folder.path().join("extended"), [read("evidence.bin"), table].concat()).unwrap();
    let judged = verify(&folder, "snp extended");
    assert_eq!((judged.code, outcome(&judged.json(), "snp.chain-hint").as_str()), (0, "pass"), "{judged:?}");
    let shown = run_in(folder.path(), "inspect snp extended").json();
    let subjects: Vec<&str> = shown["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["subject"].as_str().unwrap())
        .collect();
    assert_eq!(subjects.len(), 3);
    for (subject, name) in subjects.iter().zip(["CN=SEV-VCEK", "CN=SEV-Milan", "CN=ARK-Milan"]) {
        assert!(subject.contains(name), "{subject}");
    }

    // What the host adds is shown, and nobody shall take it for checked.
    let crl = read("crl.der");
    let (list, other) = (0x92f81bc3_5811_4d3d_97ff_d19f88dc67ea_u128.to_be_bytes(), [0xab; 16]);
    let number = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let entries =
        [&list[..], &number(72), &number(crl.len()), &other, &number(72 + crl.len()), &number(2), &[0; 24]];
    let table = [&entries.concat(), &crl, &b"hi"[..]].concat();
    std::fs::write(folder.path().join("more"), [read("evidence.bin"), table].concat()).unwrap();
    let shown = run_in(folder.path(), "inspect snp more").json();
    let (list, other) = (&shown["other_table_entries"][0], &shown["other_table_entries"][1]);
    assert_eq!(
        (&list["name"], &list["size"], &list["revoked"]),
        (&json!("CRL"), &json!(crl.len()), &json!(0))
    );
    assert!(list["issuer"].as_str().unwrap().contains("CN=ARK-Milan"), "{list}");
    assert!(list["this_update"].as_str() < list["next_update"].as_str(), "{list}");
    assert_eq!((&other["name"], &other["size"]), (&json!("abababab-abab-abab-abab-abababababab"), &json!(2)));
    assert_eq!(other["sha256"], hex::encode(assay_token::sha256(b"hi")));
    let judged = verify(&folder, "snp more --vek e/chain.pem").json();
    let unread =
        judged["checks"].as_array().unwrap().iter().find(|check| check["id"] == "evidence.unread").unwrap();
    assert_eq!(unread["outcome"], "skipped");
    assert!(unread["detail"].as_str().unwrap().contains("the host's revocation list"), "{unread}");

    std::fs::write(folder.path().join("short"), [2, 0, 0, 0]).unwrap();
    let refused = run_in(folder.path(), "inspect snp short");
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
}

#[test]
fn the_first_use_of_a_folder_says_what_takes_so_long() {
    let folder = TempDir::new().unwrap();
    let line = "simulate snp --out e --data d";
    let notice = "making the simulated AMD's keys, once for this folder; some seconds";
    assert!(run_in(folder.path(), line).stderr.starts_with(notice));
    assert!(!run_in(folder.path(), line).stderr.contains(notice));
    let vlek = run_in(folder.path(), "simulate snp --key vlek --out v --data d");
    assert!(vlek.stderr.contains("`snp.vlek_providers` lists `CN="), "{}", vlek.stderr);
    // A folder of AMD's alone is as good as one of Intel's alone.
    assert!(!folder.path().join("d/silicon/intel").exists());
    let judged = run_in(folder.path(), "verify snp e/evidence.bin --vek e/vek.der --data d");
    assert_eq!(judged.code, 0, "{judged:?}");
}
