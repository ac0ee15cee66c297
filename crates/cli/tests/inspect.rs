//! `assay inspect`: decodes everything, judges nothing.
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

use common::{run, run_in, run_with_input, vectors};
use serde_json::json;
use tempfile::TempDir;

#[test]
fn a_quote_is_decoded_field_by_field() {
    let folder = TempDir::new().unwrap();
    let mrenclave = "0123456789abcdef".repeat(4);
    let line =
        format!("simulate sgx --out e --data d --mrenclave {mrenclave} --product-id 7 --svn 9 --debug");
    assert_eq!(run_in(folder.path(), &line).code, 0);
    let shown = run_in(folder.path(), "inspect sgx e/evidence.bin --format json");
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    let tree = shown.json();
    assert_eq!(tree["kind"], "sgx");
    let header = json!({
        "version": 3, "attestation_key_type": 2, "attestation_key_type_name": "ECDSA P-256", "reserved": "00000000",
        "qe_svn": 8, "pce_svn": 13, "qe_vendor_id": "939a7233f79c4ca9940a0db3957f0607", "qe_vendor_name": "Intel",
        "user_data": tree["header"]["user_data"],
    });
    assert_eq!(tree["header"], header);
    let report = &tree["report"];
    assert_eq!(report["mrenclave"], mrenclave);
    assert_eq!((&report["isv_prod_id"], &report["isv_svn"]), (&json!(7), &json!(9)));
    assert_eq!(report["attribute_flags"], json!(["INIT", "DEBUG", "MODE64BIT"]));
    assert_eq!(report["debug"], true);
    assert_eq!(report["report_data"].as_str().unwrap().len(), 128);
    assert_eq!(
        tree["qe_report"]["mrsigner"],
        "8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff"
    );
    assert_eq!(tree["certification_data"]["type"], 5);
    let certificates = tree["certification_data"]["certificates"].as_array().unwrap();
    assert_eq!(certificates.len(), 3);
    assert!(certificates[0]["subject"].as_str().unwrap().ends_with("CN=Intel SGX PCK Certificate"));
    // Fields come in the order of the bytes, which is not that of the alphabet.
    assert!(shown.stdout.find("\"header\"").unwrap() < shown.stdout.find("\"attestation_key\"").unwrap());

    let text = run_in(folder.path(), "inspect sgx e/evidence.bin --format text").stdout;
    assert!(text.contains(&format!("  mrenclave:        {mrenclave}\n")), "{text}");
}

#[test]
fn an_open_enclave_report_shows_its_header_and_its_quote() {
    let folder = TempDir::new().unwrap();
    assert_eq!(run_in(folder.path(), "simulate open-enclave --out e --data d").code, 0);
    let tree = run_in(folder.path(), "inspect open-enclave e/evidence.bin").json();
    assert_eq!(tree["open_enclave_header"]["version"], 1);
    assert_eq!(tree["open_enclave_header"]["report_size"], tree["quote"]["size"]);
    let wrong = run_in(folder.path(), "inspect sgx e/evidence.bin");
    assert_eq!((wrong.code, wrong.stdout.as_str()), (2, ""));
    assert!(wrong.stderr.contains("`e/evidence.bin`: "), "{}", wrong.stderr);
}

#[test]
fn every_real_quote_can_be_inspected() {
    let Some(folder) = vectors() else { return };
    let mut quotes = 0;
    for entry in std::fs::read_dir(folder.join("sgx")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "bin") {
            let shown = run([std::ffi::OsStr::new("inspect"), "sgx".as_ref(), path.as_os_str()]);
            assert_eq!(shown.code, 0, "{}: {}", path.display(), shown.stderr);
            assert_eq!(shown.json()["header"]["version"], 3);
            quotes += 1;
        }
    }
    assert!(quotes >= 15, "only {quotes} quotes");
}

#[test]
fn the_sgx_extension_of_a_certificate_is_decoded() {
    let Some(folder) = vectors() else { return };
    let quote = folder.join("sgx/sgx_v3_dcap-qvl_f8b81014.bin");
    let tree = run(["inspect", "sgx", quote.to_str().unwrap()]).json();
    let leaf = &tree["certification_data"]["certificates"][0];
    let extensions = leaf["extensions"].as_array().unwrap();
    let sgx = extensions.iter().find(|extension| extension["id"] == "1.2.840.113741.1.13.1").unwrap();
    assert_eq!(sgx["name"], "Intel SGX");
    assert_eq!(sgx["value"]["fmspc"], "00a067110000");
    assert_eq!(sgx["value"]["tcb_components"].as_array().unwrap().len(), 16);
}

#[test]
fn certificates_are_read_as_pem_and_der() {
    let Some(folder) = vectors() else { return };
    let pem = folder.join("collateral/tcb_signing_0.pem");
    let list = run(["inspect", "certificate", pem.to_str().unwrap()]).json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(list[1]["subject"], "C=US,ST=CA,L=Santa Clara,O=Intel Corporation,CN=Intel SGX Root CA");
    assert_eq!(list[1]["not_after"], "2049-12-31T23:59:59Z");
    assert_eq!(list[1]["public_key"]["curve"], "P-256");
    assert_eq!(list[1]["serial"], "22650cd65a9d3489f383b49552bf501b392706ac");

    let scratch = TempDir::new().unwrap();
    let text = std::fs::read_to_string(&pem).unwrap();
    let body: String = text.lines().skip(1).take_while(|line| !line.starts_with("-----END")).collect();
    let der = decode_base64(&body);
    std::fs::write(scratch.path().join("one.der"), &der).unwrap();
    let single = run_in(scratch.path(), "inspect certificate one.der").json();
    assert_eq!(single[0], list[0]);
    std::fs::write(scratch.path().join("one.der"), &der[1..]).unwrap();
    let broken = run_in(scratch.path(), "inspect certificate one.der");
    assert_eq!(broken.code, 2);
    assert!(broken.stderr.contains("it is not a certificate"), "{}", broken.stderr);
}

fn decode_base64(text: &str) -> Vec<u8> {
    assay_token::base64url::decode_lenient(text).unwrap()
}

#[test]
fn a_real_report_is_decoded_field_by_field() {
    let Some(folder) = vectors() else { return };
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("snp/expected.json")).unwrap()).unwrap();
    let mut seen = 0;
    for case in expected["cases"].as_array().unwrap().iter().filter(|case| case["accept"] == true) {
        let Some(name) = case["report_file"].as_str() else { continue };
        let file = folder.join("snp").join(name);
        let shown = run(["inspect", "snp", file.to_str().unwrap()]);
        assert_eq!(shown.code, 0, "{name}: {}", shown.stderr);
        let (report, expected) = (&shown.json()["report"], &case["report"]);
        for field in
            ["version", "guest_svn", "vmpl", "report_data", "measurement", "host_data", "id_key_digest"]
        {
            assert_eq!(report[field], expected[field], "{name} {field}");
        }
        for field in ["author_key_digest", "report_id", "chip_id", "family_id", "image_id"] {
            assert_eq!(report[field], expected[field], "{name} {field}");
        }
        assert_eq!(report["policy"]["debug_allowed"], expected["debug"], "{name}");
        assert_eq!(report["policy"]["migration_agent_allowed"], expected["migrate"], "{name}");
        assert_eq!(report["policy"]["smt_allowed"], expected["smt"], "{name}");
        assert_eq!(report["key_info"]["signing_key_name"], "VCEK", "{name}");
        assert_eq!(report["reserved_not_zero"], json!([]), "{name}");
        let tcb = &expected["reported_tcb"];
        let shown = match report["version"].as_u64() {
            // The processor is not in the report, so both readings are there, and the bytes.
            Some(2) => {
                assert_eq!(report["cpuid"], json!(null), "{name}");
                assert_eq!(report["reported_tcb"]["bytes"].as_str().unwrap().len(), 16, "{name}");
                assert!(report["reported_tcb"]["on_turin"]["fmc"].is_u64(), "{name}");
                &report["reported_tcb"]["on_milan_or_genoa"]
            }
            _ => {
                assert_eq!(report["cpuid"]["product"], expected["generation"], "{name}");
                &report["reported_tcb"]
            }
        };
        for (component, short) in
            [("bootloader", "bl"), ("tee", "tee"), ("snp", "snp"), ("microcode", "ucode")]
        {
            assert_eq!(shown[component], tcb[short], "{name} {component}");
        }
        seen += 1;
    }
    assert!(seen >= 6, "only {seen} reports");
}

#[test]
fn bits_are_shown_by_name_and_unknown_ones_as_they_are() {
    let Some(folder) = vectors() else { return };
    let turin = folder.join("snp/turin/mstav-report.bin");
    let report = &run(["inspect", "snp", turin.to_str().unwrap()]).json()["report"];
    assert_eq!(
        report["platform_info"],
        json!({
            "value": "0000000000000065", "set": ["smt-enabled", "ecc-enabled", "alias-check-complete"],
            "unknown_bits": "0000000000000040",
        })
    );
    assert_eq!(report["reported_tcb"]["fmc"], 1);
    assert_eq!(
        (&report["current_firmware"], &report["policy"]["minimum_abi"]),
        (&json!("1.55.65"), &json!("0.31"))
    );
    assert!(report["current_mitigations"].is_string());
    // Fields come in the order of the bytes.
    let text = run(["inspect", "snp", turin.to_str().unwrap(), "--format", "text"]).stdout;
    assert!(text.find("measurement").unwrap() < text.find("chip_id").unwrap(), "{text}");

    // JSON around a report, with certificates.
    let wrapped = folder.join("azcvm/coco-snp/evidence-v1.json");
    let refused = run(["inspect", "snp", wrapped.to_str().unwrap()]);
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
    assert!(refused.stderr.contains("its kind is `hcl-report`"), "{}", refused.stderr);
    let tree = run(["inspect", "hcl-report", wrapped.to_str().unwrap()]).json();
    assert!(tree["certificates"][0]["subject"].as_str().unwrap().starts_with("CN=SEV-VCEK"), "{tree}");
    assert!(!tree["not_decoded"].as_array().unwrap().is_empty(), "the TPM's quote came along");
}

#[test]
fn a_paravisors_report_shows_its_claims_and_whether_they_are_bound() {
    let Some(folder) = vectors() else { return };
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("azcvm/expected.json")).unwrap()).unwrap();
    let mut seen = 0;
    for (name, expected) in expected.as_object().unwrap() {
        let file = folder.join("azcvm").join(name);
        if expected["signature"] != "HCLA" || !file.is_file() || !name.ends_with("bin") {
            continue;
        }
        let shown = run(["inspect", "hcl-report", file.to_str().unwrap()]);
        assert_eq!(shown.code, 0, "{name}: {}", shown.stderr);
        let tree = shown.json();
        let header = &tree["header"];
        assert_eq!((&header["version"], &header["status"]), (&expected["version"], &expected["status"]));
        assert_eq!(header["request_type"], expected["request_type"], "{name}");
        assert_eq!(tree["hardware"], if expected["report_type"] == 2 { "SEV-SNP" } else { "TDX" }, "{name}");
        assert_eq!(
            (&tree["hash"], &tree["runtime_claims_bound"]),
            (&json!("SHA-256"), &expected["binding_ok"])
        );
        assert_eq!(tree["hardware_report"]["report_data"], expected["report_data"], "{name}");
        assert_eq!(tree["runtime_claims"]["vm-configuration"], expected["vm_configuration"], "{name}");
        // Members are in the order of the report: keys come first.
        assert!(shown.stdout.find("\"keys\"").unwrap() < shown.stdout.find("\"vm-configuration\"").unwrap());

        let scratch = TempDir::new().unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[1300] ^= 1;
        std::fs::write(scratch.path().join("changed"), &bytes).unwrap();
        let tree = run_in(scratch.path(), "inspect hcl-report changed").json();
        assert_eq!(tree["runtime_claims_bound"], false, "{name}");
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} reports");
}

#[test]
fn certificates_of_amd_show_chip_and_tcb_by_name() {
    let Some(folder) = vectors() else { return };
    let value = |tree: &serde_json::Value, name: &str| {
        let extensions = tree["extensions"].as_array().unwrap().iter();
        extensions.filter(|extension| extension["name"] == name).map(|found| found["value"].clone()).next()
    };
    let file = folder.join("snp/turin/mstav-vcek.pem");
    let vcek = &run(["inspect", "certificate", file.to_str().unwrap()]).json()[0];
    for (name, expected) in [
        ("AMD structVersion", json!(1)),
        ("AMD productName", json!("Turin")),
        ("AMD fmcSPL", json!(1)),
        ("AMD blSPL", json!(1)),
        ("AMD teeSPL", json!(1)),
        ("AMD snpSPL", json!(4)),
        ("AMD ucodeSPL", json!(81)),
        ("AMD HWID", json!("59790fb1c39f35c1")),
    ] {
        assert_eq!(value(vcek, name), Some(expected), "{name}");
    }
    assert_eq!(vcek["public_key"]["curve"], "P-384");
    assert_eq!(vcek["signature_algorithm"], "RSA-PSS");
    let parameters = json!({"hash": "SHA-384", "mask_generation": "MGF1", "salt_length": 48});
    assert_eq!(vcek["signature_parameters"], parameters);
    let file = folder.join("snp/milan/mstav-vcek.pem");
    let milan = &run(["inspect", "certificate", file.to_str().unwrap()]).json()[0];
    assert_eq!(value(milan, "AMD ucodeSPL"), Some(json!(219)), "a number of two bytes");
    assert_eq!(value(milan, "AMD HWID").unwrap().as_str().unwrap().len(), 128);
    let file = folder.join("snp/chains/ask_ark_milan.pem");
    let ask = &run(["inspect", "certificate", file.to_str().unwrap()]).json()[0];
    assert_eq!((&ask["public_key"]["bits"], &ask["public_key"]["exponent"]), (&json!(4096), &json!(65537)));
    assert_eq!(ask["signature_parameters"]["trailer"], 1);
}

#[test]
fn an_endorsement_of_an_image_is_shown_without_being_believed() {
    let Some(folder) = vectors() else { return };
    let file = folder.join("snp/milan/sidecar-uvm-endorsement.cose");
    let tree = run(["inspect", "uvm", file.to_str().unwrap()]).json();
    assert_eq!((&tree["verified"], &tree["feed"]), (&json!(false), &json!("ContainerPlat-AMD-UVM")));
    assert!(tree["issuer"].as_str().unwrap().starts_with("did:x509:0:sha256:"), "{}", tree["issuer"]);
    assert_eq!(tree["signed_at"], "2023-02-08T05:42:23Z");
    assert_eq!(tree["payload"]["x-ms-sevsnpvm-guestsvn"], "22");
    assert_eq!(tree["time_stamp"]["time"], "20230208054223.572Z");
    assert_eq!(tree["certificates"].as_array().unwrap().len(), 3);
    assert!(tree["certificates"][0]["subject"].as_str().unwrap().starts_with("CN=ContainerPlat"));
    // As clouds hand it out, in base64.
    let file = folder.join("snp/milan/sidecar-secctx-reference-info.b64");
    let tree = run(["inspect", "uvm", file.to_str().unwrap()]).json();
    assert_eq!(tree["payload"]["x-ms-sevsnpvm-guestsvn"], "100");

    let broken = run_with_input(["inspect", "uvm", "-"], b"\xd2nonsense");
    assert_eq!((broken.code, broken.stdout.as_str()), (2, ""));
    assert!(broken.stderr.contains("the endorsement is not a COSE_Sign1 message"), "{}", broken.stderr);
}

#[test]
fn tokens_are_shown_without_being_believed() {
    let folder = TempDir::new().unwrap();
    let token = |header: &str, payload: &str, signature: &str| {
        let encode = |text: &str| assay_token::base64url::encode(text.as_bytes());
        format!("{}.{}.{}", encode(header), encode(payload), encode(signature))
    };
    let unsigned = token(r#"{"alg":"none"}"#, r#"{"iss":"https://x","exp":1651012765}"#, "");
    std::fs::write(folder.path().join("t"), format!("{unsigned}\n")).unwrap();
    let tree = run_in(folder.path(), "inspect token t").json();
    assert_eq!((&tree["verified"], &tree["signed"]), (&json!(false), &json!(false)));
    assert_eq!(tree["claims"], json!({"iss": "https://x", "exp": 1_651_012_765}));
    assert_eq!(tree["times"], json!({"expires": "2022-04-26T22:39:25Z"}));

    // As `token verify` reads it: the token itself, the answer of an attest route, standard input.
    assert_eq!(run(["inspect", "token", &unsigned]).json(), tree);
    let answer = json!({"token": unsigned}).to_string();
    std::fs::write(folder.path().join("answer.json"), &answer).unwrap();
    assert_eq!(run_in(folder.path(), "inspect token answer.json").json(), tree);
    for input in [&unsigned, &answer] {
        assert_eq!(run_with_input(["inspect", "token", "-"], input.as_bytes()).json(), tree);
    }
    let broken = run(["inspect", "token", "a.b.c"]);
    assert_eq!((broken.code, broken.stdout.as_str()), (2, ""));
    assert!(broken.stderr.contains("the token: ") && !broken.stderr.contains("a.b.c"), "{}", broken.stderr);
    let missing = run_in(folder.path(), "inspect token missing");
    assert!(missing.stderr.contains("could not read `missing`"), "{}", missing.stderr);

    let policy = assay_token::base64url::encode(b"version=1.0;");
    let document = token(r#"{"alg":"RSA256"}"#, &format!(r#"{{"AttestationPolicy":"{policy}"}}"#), "s");
    std::fs::write(folder.path().join("t"), document).unwrap();
    let tree = run_in(folder.path(), "inspect token t").json();
    assert_eq!((&tree["signed"], &tree["policy"]), (&json!(true), &json!("version=1.0;")));

    std::fs::write(folder.path().join("t"), "a.b").unwrap();
    let broken = run_in(folder.path(), "inspect token t");
    assert_eq!((broken.code, broken.stdout.as_str()), (2, ""));
}
