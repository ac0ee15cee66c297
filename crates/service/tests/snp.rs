//! `/attest/SevSnpVm` and judgements of SEV-SNP evidence over HTTP.
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

use assay_service::config::Overrides;
use assay_silicon::amd::{Defect, Form, SimulateOptions, Simulated, VekKind};
use assay_silicon::hcl::{self, HclSpec};
use assay_silicon::uvm::{EndorsementSpec, UvmSigner};
use assay_token::base64url;
use common::{TestService, vectors};
use serde_json::{Value, json};

const ATTEST: &str = "/attest/SevSnpVm?api-version=2022-08-01";

fn without_certificates(request: &Value) -> Value {
    let mut request = request.clone();
    let report = base64url::decode_lenient(request["report"].as_str().unwrap()).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let bare = json!({ "SnpReport": report["SnpReport"] });
    request["report"] = json!(base64url::encode(bare.to_string().as_bytes()));
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_machines_get_tokens_and_broken_ones_do_not() {
    let service = TestService::with_amd("").await;
    let simulated = service.simulate_snp(&SimulateOptions::default());
    let claims = service.post(ATTEST, simulated.request.to_string()).await.claims();
    assert_eq!(claims["x-ms-attestation-type"], "sevsnpvm");
    assert_eq!((&claims["x-assay-dev"], &claims["x-assay-simulated"]), (&json!(true), &json!(true)));
    let runtime: Value = serde_json::from_slice(&simulated.runtime_data).unwrap();
    assert_eq!(claims["x-ms-runtime"], runtime);
    // Azure's clients spell the route in several ways.
    for path in ["/attest/sevsnpvm", "/attest/SevSnpVM"] {
        service.post(&format!("{path}?api-version=2020-10-01"), simulated.request.to_string()).await.ok();
    }
    let cases = [
        (
            SimulateOptions { debug: true, ..SimulateOptions::default() },
            "PolicyEvaluationError",
            "policy-denied",
        ),
        (
            SimulateOptions { vmpl: Some(2), ..SimulateOptions::default() },
            "PolicyEvaluationError",
            "policy-denied",
        ),
        (
            SimulateOptions { defect: Some(Defect::MeasurementBitFlipped), ..SimulateOptions::default() },
            "InvalidParameter",
            "report-signature",
        ),
        (
            SimulateOptions { defect: Some(Defect::SelfMadeChain), ..SimulateOptions::default() },
            "InvalidParameter",
            "untrusted-root",
        ),
        // Nobody listed the provider.
        (
            SimulateOptions { kind: VekKind::Vlek, ..SimulateOptions::default() },
            "InvalidParameter",
            "vlek-provider",
        ),
    ];
    for (options, code, reason) in cases {
        let request = service.simulate_snp(&options).request;
        let reply = service.post(ATTEST, request.to_string()).await;
        assert_eq!(reply.problem(), (400, code.to_owned(), reason.to_owned()), "{options:?}");
    }
}

/// The Go sidecar pads base64url, sends a number as nonce, and always sends init-time data.
#[tokio::test(flavor = "multi_thread")]
async fn the_wire_of_the_sidecar_is_understood() {
    let service = TestService::with_amd("").await;
    let simulated = service.simulate_snp(&SimulateOptions::default());
    let mut request = simulated.request;
    request["nonce"] = json!(3_413_764_049_005_270_139_u64);
    request["initTimeData"] = json!({ "data": "", "dataType": "" });
    request["draftPolicyForAttestation"] = Value::Null;
    let padded = format!(
        "{}{}",
        request["report"].as_str().unwrap(),
        "=".repeat((4 - request["report"].as_str().unwrap().len() % 4) % 4)
    );
    request["report"] = json!(padded);
    let claims = service.post(ATTEST, request.to_string()).await.claims();
    assert_eq!(claims["nonce"], "3413764049005270139");
    request["runtimeData"]["data"] = json!(base64url::encode(b"{\"keys\":[]}"));
    let reply = service.post(ATTEST, request.to_string()).await;
    assert_eq!(reply.problem().2, "binding-mismatch");
    request["runtimeData"]["dataType"] = json!("Binary");
    assert_eq!(service.post(ATTEST, request.to_string()).await.problem().2, "binding-mismatch");
    for (body, reason) in [
        (json!({}), "evidence-missing"),
        (json!({ "quote": "AAAA" }), "contradictory-members"),
        (json!({ "report": "AAAA" }), "bad-length"),
        (json!({ "report": base64url::encode(b"{}") }), "evidence-document"),
        (json!({ "report": base64url::encode(b"{\"SnpReport\":") }), "evidence-document"),
    ] {
        assert_eq!(service.post(ATTEST, body.to_string()).await.problem().2, reason, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_demands_is_demanded() {
    let settings = "[snp]\nvlek_providers = [\"CN=simulated.example\"]\ncrl = \"require\"\n\
                    [baseline.snp.milan]\nmicrocode = 255\n";
    let service = TestService::with_amd(settings).await;
    let reply =
        service.post(ATTEST, service.simulate_snp(&SimulateOptions::default()).request.to_string()).await;
    assert_eq!(reply.problem().2, "below-baseline");
    let body = json!({ "name": "lenient", "minimumSnpTcb": {} });
    let made = service.as_admin("POST", "/v1/providers", body.to_string()).await;
    assert_eq!((made.status, &made.json()["minimumSnpTcb"]), (201, &json!({})));
    let request = service.simulate_snp(&SimulateOptions::default()).request;
    let reply = service.post(&format!("/providers/lenient{ATTEST}"), request.to_string()).await;
    assert_eq!(
        reply.claims()["x-assay-snp-revocation-checked"],
        true,
        "the simulated AMD publishes its list"
    );
    let body = json!({ "name": "odd", "minimumSnpTcb": { "rome": {} } });
    assert_eq!(service.as_admin("POST", "/v1/providers", body.to_string()).await.problem().2, "json-shape");
}

/// Nobody needs to send a certificate that the operator has put into the folder.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_come_from_the_folder() {
    let service = TestService::with_amd("[collateral]\nmode = \"offline\"").await;
    let simulated = service.simulate_snp(&SimulateOptions::default());
    let bare = without_certificates(&simulated.request).to_string();
    let reply = service.post(ATTEST, bare.clone()).await;
    assert_eq!(reply.problem().2, "vek-missing");
    assert!(!reply.message().contains("--vek"), "{}", reply.message());
    std::fs::write(service.data().join("collateral").join("node-7.der"), &simulated.vek).unwrap();
    service.app.collateral.0.reload();
    let reply = service.post(ATTEST, bare).await;
    let id = &reply.claims()["jti"].as_str().unwrap()[..32].to_owned();
    // What judged is kept, so that the decision can be made again.
    let (_, envelope) = assay_service::audit::find(service.app.store.as_ref(), id).unwrap();
    assert_eq!(envelope.blobs.keys().collect::<Vec<_>>(), ["collateral", "policy"]);
    assert_eq!(envelope.record.snp.unwrap().crl, "soft-fail");
    // Nowhere under the data folder but in the operator's own file does the chip's id stand.
    let chip_id = &simulated.evidence[0x1a0..0x1e0];
    let holds = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        [hex::encode(chip_id).as_bytes(), chip_id]
            .iter()
            .any(|id| bytes.windows(id.len()).any(|window| window == *id))
    };
    assert!(holds(&service.data().join("collateral").join("node-7.der")));
    let store = service.data().join("store");
    let files: Vec<_> = std::fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty() && !files.iter().any(|file| holds(file)), "{files:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endorsed_container_shows_its_endorsement() {
    let service = TestService::with_amd("").await;
    let measurement = [0x5a; 48];
    let options = SimulateOptions { measurement: Some(measurement), ..SimulateOptions::default() };
    let simulated = service.simulate_snp(&options);
    let now = service.app.clock.now().0;
    let signer = UvmSigner::load_or_generate(&service.data().join("silicon"), now).unwrap();
    let endorsed = |measurement| {
        let endorsement = signer.endorsement(&EndorsementSpec::new(measurement, 103), now).unwrap();
        let report = base64url::decode_lenient(simulated.request["report"].as_str().unwrap()).unwrap();
        let mut report: Value = serde_json::from_slice(&report).unwrap();
        let list = json!({ "Uvm": [base64url::encode(&endorsement)] });
        report["Endorsements"] = json!(base64url::encode(list.to_string().as_bytes()));
        let mut request = simulated.request.clone();
        request["report"] = json!(base64url::encode(report.to_string().as_bytes()));
        request.to_string()
    };
    let claims = service.post(ATTEST, endorsed(measurement)).await.claims();
    assert_eq!(claims["x-ms-compliance-status"], "simulated-uvm");
    assert_eq!(claims["x-ms-sevsnpvm-uvm-endorsement"]["x-ms-sevsnpvm-launchmeasurement"], "5a".repeat(48));
    assert_eq!(claims["x-assay-uvm-svn"], 103);
    assert_eq!(claims["x-assay-uvm-signed-at"], now);
    let reply = service.post(ATTEST, endorsed([0x5b; 48])).await;
    assert_eq!(reply.problem().2, "uvm-measurement");
}

/// Simulated keys are made when they are first needed: while the service runs.
#[tokio::test(flavor = "multi_thread")]
async fn silicon_made_while_the_service_runs_is_believed_at_once() {
    let service = TestService::start().await;
    let simulated = service.simulate_snp(&SimulateOptions::default());
    service.post(ATTEST, simulated.request.to_string()).await.ok();
    // What was believed before is believed still.
    let quote =
        service.simulate(assay_silicon::intel::Kind::Sgx, &assay_silicon::intel::SimulateOptions::default());
    service.post("/attest/SgxEnclave?api-version=2022-08-01", quote.request.to_string()).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_every_check() {
    let service = TestService::with_amd("").await;
    let simulated = service.simulate_snp(&SimulateOptions::default());
    let judge = async |body: Value| service.as_admin("POST", "/v1/appraisals", body.to_string()).await.ok();
    let evidence = base64url::encode(&simulated.evidence);
    let verdict = judge(json!({ "kind": "snp", "evidence": evidence, "vek": simulated.chain_pem })).await;
    assert_eq!((&verdict["outcome"], &verdict["kind"]), (&json!("genuine"), &json!("snp")));
    assert_eq!((&verdict["tcb_status"], &verdict["collateral"]), (&Value::Null, &Value::Null));
    let verdict = judge(json!({ "kind": "snp", "evidence": evidence })).await;
    assert_eq!((&verdict["outcome"], &verdict["error"]["code"]), (&json!("rejected"), &json!("vek-missing")));
    let help = verdict["error"]["help"].as_str().unwrap();
    assert!(!help.contains("--"), "{help}");
    // The JSON of a guest's tool, as it is.
    let wrapped = json!({ "attestation_report": simulated.evidence, "cert_chain": [{ "cert_type": "VCEK", "data": simulated.vek }] });
    let verdict = judge(json!({ "kind": "SevSnpVm", "evidence": wrapped })).await;
    assert_eq!(verdict["outcome"], "genuine");
    let cvm = service.simulate_snp(&SimulateOptions { form: Form::AzureCvm, ..SimulateOptions::default() });
    let body =
        json!({ "kind": "azure-cvm", "evidence": base64url::encode(&cvm.evidence), "vek": cvm.chain_pem });
    let verdict = judge(body).await;
    assert_eq!(verdict["outcome"], "genuine", "{verdict}");
    assert!(verdict["claims"]["x-ms-runtime"]["vm-configuration"].is_object());
    let reply = service
        .as_admin("POST", "/v1/appraisals", json!({ "kind": "tdx", "evidence": "AAAA" }).to_string())
        .await;
    assert_eq!(reply.problem(), (400, "NotSupported".into(), "attestation-type-not-supported".into()));
}

/// Whatever the caller brings, what the service holds judges.
#[tokio::test(flavor = "multi_thread")]
async fn members_of_other_kinds_do_not_switch_off_what_the_service_holds() {
    let service = TestService::with_amd("").await;
    let snp = service.simulate_snp(&SimulateOptions::default());
    let judge = async |body: Value| service.as_admin("POST", "/v1/appraisals", body.to_string()).await;
    let evidence = base64url::encode(&snp.evidence);
    let body = json!({ "kind": "snp", "evidence": evidence, "vek": snp.chain_pem, "collateral": {} });
    assert_eq!(judge(body).await.problem(), (400, "InvalidParameter".into(), "collateral".into()));
    let body = json!({ "kind": "sgx", "evidence": "AAAA", "vek": snp.chain_pem });
    assert_eq!(judge(body).await.problem(), (400, "InvalidParameter".into(), "vek".into()));

    let revoked = SimulateOptions { defect: Some(Defect::IntermediateRevoked), ..SimulateOptions::default() };
    std::fs::write(service.data().join("collateral").join("a.crl"), service.simulate_snp(&revoked).crl)
        .unwrap();
    service.app.collateral.0.reload();
    let body = json!({ "kind": "snp", "evidence": evidence, "vek": snp.chain_pem });
    let verdict = judge(body).await.ok();
    assert_eq!(verdict["error"]["code"], "certificate-revoked");
}

/// A judgement is made by what the provider demands, and shows what the attest routes would do.
#[tokio::test(flavor = "multi_thread")]
async fn judgements_show_the_baseline_and_what_the_host_named() {
    let service = TestService::with_amd("[baseline.snp.milan]\nmicrocode = 255\n").await;
    let policy = b"package policy";
    let host_data = assay_verify::sha256(&[policy]);
    let options = SimulateOptions { host_data: Some(host_data), ..SimulateOptions::default() };
    let snp = service.simulate_snp(&options);
    let judge = async |init_time: &[u8]| {
        let body = json!({
            "kind": "snp", "evidence": base64url::encode(&snp.evidence), "vek": snp.chain_pem,
            "initTimeData": { "data": base64url::encode(init_time), "dataType": "Binary" },
            "policy": "version=1.0; authorizationrules { => permit(); }; issuancerules {};",
        });
        service.as_admin("POST", "/v1/appraisals", body.to_string()).await.ok()
    };
    let verdict = judge(policy).await;
    let check = |verdict: &Value, id: &str| {
        verdict["checks"].as_array().unwrap().iter().find(|check| check["id"] == id).unwrap().clone()
    };
    assert_eq!((&verdict["outcome"], &verdict["policy"]["decision"]), (&json!("genuine"), &json!("deny")));
    assert_eq!(check(&verdict, "snp.init-time-data")["outcome"], "pass");
    let baseline = check(&verdict, "appraisal.baseline");
    assert_eq!(baseline["outcome"], "warn");
    assert!(baseline["detail"].as_str().unwrap().contains("microcode 255"), "{baseline}");
    assert_eq!(judge(b"another policy").await["error"]["code"], "binding-mismatch");
}

/// 64 bytes are what a guest can hand to its paravisor: the hash of a challenge fits.
#[tokio::test(flavor = "multi_thread")]
async fn confidential_vms_carry_a_challenge_through_their_paravisor() {
    let service = TestService::with_amd("").await;
    let challenge =
        service.post("/v1/challenges", String::new()).await.ok()["challenge"].as_str().unwrap().to_owned();
    let machine = |data: &[u8]| {
        let mut user_data = [0; 64];
        user_data[..32].copy_from_slice(&assay_verify::sha256(&[data]));
        let claims = hcl::runtime_claims(&HclSpec { user_data, ..HclSpec::default() }).unwrap();
        let options = SimulateOptions {
            form: Form::AzureCvm,
            runtime_data: Some(claims),
            ..SimulateOptions::default()
        };
        service.simulate_snp(&options)
    };
    // The runtime data of the guest holds it, and is hashed into the user data.
    let runtime = json!({ "challenge": challenge, "key": "of the guest" }).to_string();
    let cvm = machine(runtime.as_bytes());
    let judge = async |runtime: &str, evidence: &[u8]| {
        let body = json!({
            "kind": "azure-cvm", "evidence": base64url::encode(evidence), "vek": cvm.chain_pem,
            "runtimeData": base64url::encode(runtime.as_bytes()), "challenge": challenge,
        });
        service.as_admin("POST", "/v1/appraisals", body.to_string()).await.ok()
    };
    let verdict = judge(&runtime, &cvm.evidence).await;
    assert_eq!(verdict["claims"]["x-assay-freshness"], "challenge", "{verdict}");
    assert_eq!(judge("{}", &cvm.evidence).await["error"]["code"], "binding-mismatch");
    // On Azure's route the claims are the runtime data, and the challenge is the nonce.
    let attest = async |cvm: &Simulated| {
        let mut request = cvm.request.clone();
        request["nonce"] = json!(challenge);
        service.post(ATTEST, request.to_string()).await.claims()["x-assay-freshness"].clone()
    };
    assert_eq!(attest(&machine(challenge.as_bytes())).await, "challenge");
    assert_eq!(attest(&machine(b"another")).await, "unbound");
}

/// Who vouches for the image is simulated, and so is what the token says.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_a_simulated_signer_endorsed_is_marked() {
    let Some(vectors) = vectors() else { return };
    let service = TestService::with_amd("").await;
    let now = service.app.clock.now().0;
    let signer = UvmSigner::load_or_generate(&service.data().join("silicon"), now).unwrap();
    let read = |name: &str| std::fs::read(vectors.join("snp/milan").join(name)).unwrap();
    let (report, vek) = (read("mstav-report.bin"), read("mstav-vcek.pem"));
    let measurement = report[0x90..0xc0].try_into().unwrap();
    let endorsement = signer.endorsement(&EndorsementSpec::new(measurement, 103), now).unwrap();
    let images = json!({ "Uvm": [base64url::encode(&endorsement)] }).to_string();
    for (endorsements, simulated) in [(Some(images), json!(true)), (None, Value::Null)] {
        let mut wrapped =
            json!({ "SnpReport": base64url::encode(&report), "VcekCertChain": base64url::encode(&vek) });
        if let Some(images) = endorsements {
            wrapped["Endorsements"] = json!(base64url::encode(images.as_bytes()));
        }
        let body = json!({
            "report": base64url::encode(wrapped.to_string().as_bytes()),
            "draftPolicyForAttestation": "version=1.0; authorizationrules { => permit(); }; issuancerules {};",
        });
        let claims = service.post(ATTEST, body.to_string()).await.claims();
        assert_eq!(claims["x-assay-simulated"], simulated);
    }
}

/// The route of Azure's confidential VMs: hardware report and runtime claims of the paravisor's report.
#[tokio::test(flavor = "multi_thread")]
async fn real_reports_get_tokens() {
    let Some(vectors) = vectors() else { return };
    let overrides = Overrides { test_clock: Some("2026-03-01T00:00:00Z".to_owned()), ..Overrides::default() };
    let service = TestService::with("", &overrides).await;
    let read = |name: &str| std::fs::read(vectors.join(name)).unwrap();
    let hcl = read("azcvm/coco-snp/hcl-report.bin");
    let size = u32::from_le_bytes(hcl[1232..1236].try_into().unwrap()) as usize;
    let cvm =
        (hcl[32..1216].to_vec(), read("azcvm/coco-snp/vcek.pem"), Some(hcl[1236..1236 + size].to_vec()));
    let container =
        (read("snp/milan/sidecar-caci-report.bin"), read("snp/milan/sidecar-thim-chain.pem"), None);
    let turin = (read("snp/turin/mstav-report.bin"), read("snp/turin/mstav-vcek.pem"), None);
    for (report, chain, runtime) in [cvm, container, turin] {
        let inner =
            json!({ "SnpReport": base64url::encode(&report), "VcekCertChain": base64url::encode(&chain) });
        let mut body = json!({ "report": base64url::encode(inner.to_string().as_bytes()) });
        if let Some(runtime) = &runtime {
            body["runtimeData"] = json!({ "data": base64url::encode(runtime), "dataType": "JSON" });
        }
        let claims = service.post(ATTEST, body.to_string()).await.claims();
        assert_eq!(claims["x-ms-sevsnpvm-launchmeasurement"], hex::encode(&report[0x90..0xc0]));
        assert!(claims.get("x-assay-simulated").is_none());
        let shown = claims.get("x-ms-runtime").cloned();
        assert_eq!(shown, runtime.map(|runtime| serde_json::from_slice(&runtime).unwrap()));
    }
}

/// A real container group: report, certificates of the metadata service, the container policy, Microsoft's endorsement.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_container_gets_its_status_if_the_operator_takes_its_version() {
    let Some(vectors) = vectors() else { return };
    let read = |name: &str| std::fs::read(vectors.join("maa/aci").join(name)).unwrap();
    let did = "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.3.6.1.4.1.311.76.59.1.2";
    let lenient = format!(
        "[[snp.image_issuers]]\ndid = \"{did}\"\nfeed = \"ContainerPlat-AMD-UVM\"\nminimum_svn = 22\nstatus = \"mine\"\n"
    );
    let images = json!({ "Uvm": [base64url::encode(&read("body.uvm_reference_info.bin"))] }).to_string();
    let report = json!({
        "SnpReport": base64url::encode(&read("snp_report.bin")),
        "VcekCertChain": base64url::encode(&read("uvm_host_amd_certificate.pem")),
        "Endorsements": base64url::encode(images.as_bytes()),
    });
    let policy = String::from_utf8(read("uvm_security_policy.base64")).unwrap();
    let policy = base64url::decode_lenient(policy.trim()).unwrap();
    let body = |policy: &[u8]| {
        json!({
            "report": base64url::encode(report.to_string().as_bytes()),
            "initTimeData": { "data": base64url::encode(policy), "dataType": "Binary" },
        })
        .to_string()
    };
    let overrides = Overrides { test_clock: Some("2026-03-01T00:00:00Z".to_owned()), ..Overrides::default() };
    let service = TestService::with("", &overrides).await;
    assert_eq!(service.post(ATTEST, body(&policy)).await.problem().2, "uvm-svn-too-low");
    let service = TestService::with(&lenient, &overrides).await;
    let claims = service.post(ATTEST, body(&policy)).await.claims();
    assert_eq!((&claims["x-ms-compliance-status"], &claims["x-assay-uvm-svn"]), (&json!("mine"), &json!(22)));
    assert_eq!(claims["x-ms-sevsnpvm-hostdata"], hex::encode(assay_verify::sha256(&[&policy])));
    assert!(claims.get("x-assay-anchor").is_none(), "Microsoft's issuer is built in");
    assert_eq!(service.post(ATTEST, body(b"{}")).await.problem().2, "binding-mismatch");
}

/// Runtime data that hashes right and is not what it is declared to be.
#[tokio::test(flavor = "multi_thread")]
async fn runtime_data_that_is_no_json_is_refused() {
    let service = TestService::with_amd("").await;
    for data in [&b"{\"a\":1"[..], b"{\"a\":1,\"a\":2}", b"\xff", b"hello"] {
        let options = SimulateOptions { runtime_data: Some(data.to_vec()), ..SimulateOptions::default() };
        let mut request = service.simulate_snp(&options).request;
        request["runtimeData"]["dataType"] = json!("JSON");
        assert_eq!(service.post(ATTEST, request.to_string()).await.problem().2, "data-not-json");
        request["runtimeData"]["dataType"] = json!("Binary");
        service.post(ATTEST, request.to_string()).await.claims();
    }
}

/// The list of the simulated Milan says nothing of AMD's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_list_is_not_taken_for_amds_own() {
    let Some(vectors) = vectors() else { return };
    let overrides = Overrides { test_clock: Some("2026-03-01T00:00:00Z".to_owned()), ..Overrides::default() };
    let service = TestService::with("[snp]\ncrl = \"require\"\n", &overrides).await;
    let simulated = service.simulate_snp(&SimulateOptions::default());
    service.post(ATTEST, simulated.request.to_string()).await.claims();
    let read = |name: &str| base64url::encode(&std::fs::read(vectors.join("snp/milan").join(name)).unwrap());
    let real = json!({ "SnpReport": read("mstav-report.bin"), "VcekCertChain": read("mstav-vcek.pem") });
    let body = json!({ "report": base64url::encode(real.to_string().as_bytes()) });
    assert_eq!(service.post(ATTEST, body.to_string()).await.problem().2, "crl-missing");
}
