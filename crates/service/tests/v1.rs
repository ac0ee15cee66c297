//! Assay's own routes.

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

use assay_service::config::Overrides;
use assay_service::dev::DevFolder;
use assay_silicon::amd;
use assay_silicon::intel::{Ca, CollateralSpec, Intel, Kind, PlatformSpec, SimulateOptions, TcbStatus};
use assay_token::base64url;
use common::TestService;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

const VERSION: &str = "?api-version=2022-08-01";

/// A self-signed certificate and its key, as a policy signer has it.
fn signer() -> (assay_token::SoftwareKey, Vec<u8>) {
    let key = assay_token::SoftwareKey::generate(assay_token::Algorithm::Rs256).unwrap();
    let certificate =
        assay_token::self_signed_certificate(&key, "Policy signer", 1_500_000_000, 4_000_000_000).unwrap();
    (key, certificate)
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_live_and_die() {
    let service = TestService::start().await;
    let (_, certificate) = signer();
    let body = json!({
        "name": "One-Iso",
        "trustModel": "Isolated",
        "policySigningCertificates": [base64_standard(&certificate)],
        "acceptedTcbStatuses": ["UpToDate", "OutOfDate"],
        "explainToAnonymous": true,
    });
    let made = service.as_admin("POST", "/v1/providers", body.to_string()).await;
    assert_eq!((made.status, made.header("location")), (201, "/v1/providers/one-iso"));
    let issuer = format!("{}/providers/one-iso", service.app.config.public_url);
    assert_eq!(made.json()["issuer"], issuer);
    assert_eq!(made.json()["trustModel"], "Isolated");
    let again = service.as_admin("POST", "/v1/providers", body.to_string()).await;
    assert_eq!(again.problem(), (409, "Conflict".into(), "provider-exists".into()));

    let listed = service.get_as_admin("/v1/providers").await.ok();
    let names: Vec<&str> =
        listed["providers"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["default", "One-Iso"]);
    assert_eq!(service.get_as_admin("/v1/providers/ONE-ISO").await.ok(), made.json());

    let simulated = service.simulate(Kind::Sgx, &SimulateOptions::default());
    let path = format!("/providers/One-ISO/attest/SgxEnclave{VERSION}");
    assert_eq!(service.post(&path, simulated.request.to_string()).await.claims()["iss"], issuer);
    let policy = format!("/providers/one-iso/policies/SgxEnclave{VERSION}");
    let unsigned = service.as_admin("PUT", &policy, "eyJhbGciOiJub25lIn0.e30.").await;
    assert_eq!(unsigned.problem(), (400, "InvalidOperation".into(), "policy-unsigned".into()));
    assert!(
        unsigned
            .message()
            .starts_with("Unsigned JWS specified but enclave is configured with signing certificates.")
    );
    let certificates =
        service.get_as_admin(&format!("/providers/one-iso/certificates{VERSION}")).await.claims();
    let jwk = &certificates["x-ms-policy-certificates"]["keys"][0];
    assert_eq!((&jwk["alg"], &jwk["kty"], &jwk["use"]), (&json!("RS256"), &json!("RSA"), &json!("sig")));

    assert_eq!(service.as_admin("DELETE", "/v1/providers/one-iso", "").await.status, 204);
    assert_eq!(service.get("/providers/one-iso/certs").await.problem().2, "provider-unknown");
    let unknown = service.as_admin("DELETE", "/v1/providers/one-iso", "").await;
    assert_eq!(unknown.problem(), (404, "NotFound".into(), "provider-unknown".into()));
}

fn base64_standard(bytes: &[u8]) -> String {
    let padded = base64url::encode(bytes).replace('-', "+").replace('_', "/");
    let padding = (4 - padded.len() % 4) % 4;
    padded + &"=".repeat(padding)
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_that_are_refused() {
    let service = TestService::start().await;
    for (body, code, reason) in [
        ("{}".to_owned(), "InvalidParameter", "json-shape"),
        (json!({"name": "x1"}).to_string(), "InvalidParameter", "provider-name"),
        (json!({"name": "certs"}).to_string(), "InvalidParameter", "provider-name"),
        (json!({"name": "one", "colour": "red"}).to_string(), "InvalidParameter", "json-shape"),
        (json!({"name": "one", "trustModel": "Isolated"}).to_string(), "InvalidParameter", "trust-model"),
        (json!({"name": "one", "trustModel": "Shared"}).to_string(), "InvalidParameter", "trust-model"),
        (
            json!({"name": "one", "policySigningCertificates": ["?"]}).to_string(),
            "InvalidParameter",
            "signer-certificate",
        ),
        (
            json!({"name": "one", "policySigningCertificates": ["YWJj"]}).to_string(),
            "InvalidParameter",
            "signer-certificate",
        ),
        (
            json!({"name": "one", "acceptedTcbStatuses": ["Fine"]}).to_string(),
            "InvalidParameter",
            "provider-option",
        ),
    ] {
        let reply = service.as_admin("POST", "/v1/providers", body.clone()).await;
        assert_eq!(reply.problem(), (400, code.into(), reason.into()), "{body}");
    }
    let anonymous = service.post("/v1/providers", json!({"name": "one"}).to_string()).await;
    assert_eq!(anonymous.problem(), (401, "Unauthorized".into(), String::new()));
    for path in
        ["/v1/providers", "/v1/providers/default", "/v1/providers/default/keys", "/v1/providers/nobody"]
    {
        assert_eq!(service.get(path).await.problem().0, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_and_are_revoked() {
    let service = TestService::start().await;
    let signing = |keys: &Value| -> String {
        let active = |key: &&Value| key["state"] == "active" && key["purpose"] == "attestation-token";
        keys["keys"].as_array().unwrap().iter().find(active).unwrap()["kid"].as_str().unwrap().to_owned()
    };
    let keys = "/v1/providers/default/keys";
    let first = signing(&service.get_as_admin(keys).await.ok());
    let changed = service.as_admin("POST", &format!("{keys}:rotate"), r#"{"emergency":true}"#).await.ok();
    assert_ne!(changed["signing"], first);
    let body = service.simulate(Kind::Sgx, &SimulateOptions::default()).request.to_string();
    let token = service.post(&format!("/attest/SgxEnclave{VERSION}"), body).await.ok();
    let header =
        base64url::decode_strict(token["token"].as_str().unwrap().split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["kid"], changed["signing"]);

    let kid =
        changed["signing"].as_str().unwrap().replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
    let revoked = service.as_admin("POST", &format!("{keys}/{kid}:revoke"), "").await.ok();
    assert_ne!(revoked["signing"], changed["signing"]);
    let published = service.get("/certs").await.ok().to_string();
    assert!(!published.contains(changed["signing"].as_str().unwrap()));
    let unknown = service.as_admin("POST", &format!("{keys}/nothing:revoke"), "").await;
    assert_eq!(unknown.problem(), (404, "NotFound".into(), "key-unknown".into()));
    let bad = service.as_admin("POST", &format!("{keys}:rotate"), r#"{"purpose":"challenge"}"#).await;
    assert_eq!(bad.problem(), (400, "InvalidParameter".into(), "key-purpose".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn appraisals_are_verdicts_for_readers() {
    let service = TestService::start().await;
    let simulated = service.simulate(Kind::Sgx, &SimulateOptions::default());
    let mut body = json!({
        "kind": "sgx",
        "evidence": base64url::encode(&simulated.evidence),
        "runtimeData": base64url::encode(&simulated.runtime_data),
        "policy": "version=1.0; authorizationrules{=> deny();}; issuancerules{};",
    });
    let anonymous = service.post("/v1/appraisals", body.to_string()).await;
    assert_eq!(anonymous.problem(), (401, "Unauthorized".into(), String::new()));
    let verdict = service.as_admin("POST", "/v1/appraisals", body.to_string()).await.ok();
    assert_eq!((&verdict["outcome"], &verdict["kind"]), (&json!("genuine"), &json!("sgx")));
    assert_eq!(verdict["policy"]["decision"], "deny");
    assert!(verdict["checks"].as_array().unwrap().len() > 10);
    body["collateral"] = serde_json::to_value(&simulated.collateral).unwrap();
    let under = service.as_admin("POST", "/providers/default/v1/appraisals", body.to_string()).await.ok();
    assert_eq!(under["outcome"], "genuine");
    // A revocation list of two months ago might miss this very platform.
    let now = service.app.clock.now().0;
    let silicon = DevFolder::new(&service.data()).silicon();
    let (intel, ()) = Intel::update(&silicon, now, |_| Ok(())).unwrap();
    let mut spec = CollateralSpec::for_platform(&PlatformSpec::new(Ca::Platform, TcbStatus::UpToDate));
    spec.issue = Some(now - 60 * 24 * 60 * 60);
    body["collateral"]["pck_crl"] = intel.collateral(&spec, now).unwrap().pck_crl.into();
    let older = service.as_admin("POST", "/v1/appraisals", body.to_string()).await;
    assert_eq!(older.problem(), (400, "InvalidParameter".into(), "collateral-older".into()));
    body["collateral"] = serde_json::to_value(&simulated.collateral).unwrap();
    // Runtime data as the attest routes take it, with and without a type.
    let data = body["runtimeData"].clone();
    for (data_type, claim) in [("JSON", "x-ms-runtime"), ("Binary", "x-ms-sgx-ehd")] {
        body["runtimeData"] = json!({"data": data, "dataType": data_type});
        let verdict = service.as_admin("POST", "/v1/appraisals", body.to_string()).await.ok();
        assert_eq!(verdict["outcome"], "genuine");
        let named = ["x-ms-runtime", "x-ms-sgx-ehd"].map(|name| verdict["claims"].get(name).is_some());
        assert_eq!(named, [claim == "x-ms-runtime", claim == "x-ms-sgx-ehd"], "{data_type}");
    }
    body["runtimeData"] = json!({"data": data, "dataType": "Text"});
    let wrong = service.as_admin("POST", "/v1/appraisals", body.to_string()).await;
    assert_eq!(wrong.problem(), (400, "InvalidParameter".into(), "data-type".into()));
    body["runtimeData"] = data;
    for (name, value, reason) in [
        ("kind", json!("toaster"), "attestation-type-unknown"),
        ("kind", json!("tdx"), "attestation-type-not-supported"),
        ("evidence", json!(null), "evidence-missing"),
        ("collateral", json!({}), "collateral"),
        ("policy", json!("version=1"), "draft-policy"),
    ] {
        let mut body = body.clone();
        body[name] = value;
        let reply = service.as_admin("POST", "/v1/appraisals", body.to_string()).await;
        assert_eq!((reply.problem().0, reply.problem().2.as_str()), (400, reason), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appraisal_says_what_became_of_its_challenge() {
    let service = TestService::start().await;
    let issued = service.post("/v1/challenges", "").await.ok();
    let challenge = issued["challenge"].as_str().unwrap();
    let inside = Some(json!({"challenge": challenge}).to_string().into_bytes());
    let (with, without) = (inside.clone(), None);
    for (runtime_data, named, outcome, error) in [
        (with, challenge, "genuine", None),
        (without, challenge, "rejected", Some("challenge-not-bound")),
        (inside, "garbage-not-a-challenge", "rejected", Some("challenge-not-ours")),
    ] {
        let simulated =
            service.simulate(Kind::Sgx, &SimulateOptions { runtime_data, ..SimulateOptions::default() });
        let body = json!({
            "kind": "sgx",
            "evidence": base64url::encode(&simulated.evidence),
            "runtimeData": base64url::encode(&simulated.runtime_data),
            "challenge": named,
        });
        let verdict = service.as_admin("POST", "/v1/appraisals", body.to_string()).await.ok();
        assert_eq!((&verdict["outcome"], verdict["error"]["code"].as_str()), (&json!(outcome), error));
        let check = verdict["checks"].as_array().unwrap().last().unwrap().clone();
        let came = if error.is_none() { "pass" } else { "fail" };
        assert_eq!((&check["id"], &check["outcome"]), (&json!("appraisal.challenge"), &json!(came)));
        assert_eq!(verdict["claims"].is_null(), error.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_inside_the_evidence_makes_it_fresh() {
    let service = TestService::start().await;
    let issued = service.post("/v1/challenges", "").await.ok();
    let challenge = issued["challenge"].as_str().unwrap();
    assert!(issued["expiresAt"].as_str().unwrap().ends_with('Z'));
    let runtime_data = Some(json!({"challenge": challenge}).to_string().into_bytes());
    let options = SimulateOptions { runtime_data, ..SimulateOptions::default() };
    let fresh = service.simulate(Kind::Sgx, &options).request.to_string();
    let path = format!("/attest/SgxEnclave{VERSION}");
    assert_eq!(service.post(&path, fresh).await.claims()["x-assay-freshness"], "challenge");
    let stale = service.simulate(Kind::Sgx, &SimulateOptions::default()).request.to_string();
    assert_eq!(service.post(&path, stale).await.claims()["x-assay-freshness"], "unbound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_can_be_read_by_its_token() {
    let service = TestService::start().await;
    let body = service.simulate(Kind::Sgx, &SimulateOptions::default()).request.to_string();
    let claims = service.post(&format!("/attest/SgxEnclave{VERSION}"), body).await.claims();
    let path = format!("/v1/providers/default/audit/records/{}", claims["jti"].as_str().unwrap());
    let record = service.get_as_admin(&path).await.ok();
    assert_eq!(
        record["record"]["tokenId"].as_str().or(record["record"]["token_id"].as_str()),
        claims["jti"].as_str()
    );
    assert_eq!(service.get(&path).await.problem().0, 401);
    service.as_admin("POST", "/v1/providers", json!({"name": "other"}).to_string()).await;
    let foreign = service.get_as_admin(&path.replace("default", "other")).await;
    assert_eq!(foreign.problem(), (404, "NotFound".into(), "record-unknown".into()));
    let bad = service.get_as_admin("/v1/providers/default/audit/records/7").await;
    assert_eq!(bad.problem(), (400, "InvalidParameter".into(), "record-id".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_name_providers() {
    let settings = "service_domain = \"attest.example\"";
    let service = TestService::with(settings, &Overrides::default()).await;
    service.as_admin("POST", "/v1/providers", json!({"name": "one"}).to_string()).await;
    let get = async |host: &str, path: &str| {
        let request = Request::get(path).header("host", host).body(Full::default()).unwrap();
        service.send(request).await
    };
    let configuration = "/.well-known/openid-configuration";
    let url = service.app.config.public_url.clone();
    assert_eq!(
        get("ONE.attest.example:8443", configuration).await.ok()["issuer"],
        format!("{url}/providers/one")
    );
    assert_eq!(get("attest.example", configuration).await.ok()["issuer"], url);
    assert_eq!(get("elsewhere.example", configuration).await.ok()["issuer"], url);
    assert_eq!(get("one.attest.example", "/providers/ONE/certs").await.status, 200);
    for (host, path, expected) in [
        ("two.attest.example", "/certs", (404, "provider-unknown")),
        ("a.one.attest.example", "/certs", (404, "provider-unknown")),
        ("one.attest.example", "/providers/default/certs", (421, "provider-contradiction")),
    ] {
        let problem = get(host, path).await.problem();
        assert_eq!((problem.0, problem.2.as_str()), expected, "{host} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_and_the_operators_pages_are_served() {
    let overrides =
        Overrides { operations_listen: Some("127.0.0.1:0".parse().unwrap()), ..Overrides::default() };
    let service = TestService::with("", &overrides).await;
    assert_eq!(service.get("/openapi.json").await.ok()["openapi"], "3.1.0");
    assert_eq!(service.get("/readyz").await.ok()["status"], "ready");
    let body = service.simulate(Kind::Sgx, &SimulateOptions::default()).request.to_string();
    service.post(&format!("/attest/SgxEnclave{VERSION}"), body).await.ok();
    let page = async |path: &str| {
        let stream = tokio::net::TcpStream::connect(service.operations.unwrap()).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get(path).header("host", "x").body(Full::<bytes::Bytes>::default()).unwrap();
        common::Reply::read(sender.send_request(request).await.unwrap()).await
    };
    assert_eq!(
        (page("/healthz").await.status, page("/readyz").await.status, page("/x").await.status),
        (200, 200, 404)
    );
    let metrics = page("/metrics").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    for line in [
        "assay_requests_total{route=\"/attest/{type}\",status=\"2xx\"} 1",
        "assay_attestations_total{kind=\"SgxEnclave\",provider=\"default\",outcome=\"permitted\"} 1",
        "assay_chain_cache_misses_total 1",
        "assay_ready 1",
    ] {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n") && metrics.matches("# EOF").count() == 1);
    assert!(metrics.contains("assay_collateral_expiry_seconds{fmspc="));
    assert!(
        metrics.contains("assay_signing_key_age_seconds{provider=\"default\",purpose=\"attestation-token\"}")
    );
    // AMD's list is there once there is an AMD.
    let snp = service.simulate_snp(&amd::SimulateOptions::default()).request.to_string();
    service.post(&format!("/attest/SevSnpVm{VERSION}"), snp).await.ok();
    let metrics = String::from_utf8(page("/metrics").await.body.to_vec()).unwrap();
    assert!(metrics.contains("assay_revocation_list_expiry_seconds{product=\"Milan\"} "), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn signers_of_an_isolated_provider_change_over_the_wire() {
    let service = TestService::start().await;
    let ((first_key, first), (_, second)) = (signer(), signer());
    let body = json!({"name": "iso", "policySigningCertificates": [base64_standard(&first)]});
    assert_eq!(service.as_admin("POST", "/v1/providers", body.to_string()).await.status, 201);
    let signed = |payload: Value| {
        let header = json!({"alg": "RS256", "x5c": [base64_standard(&first)]}).to_string();
        let input = format!(
            "{}.{}",
            base64url::encode(header.as_bytes()),
            base64url::encode(payload.to_string().as_bytes())
        );
        let signature = assay_token::Signer::sign(&first_key, input.as_bytes()).unwrap();
        format!("{input}.{}", base64url::encode(&signature))
    };
    let request = signed(json!({"policyCertificate": {"kty": "RSA", "x5c": [base64_standard(&second)]}}));
    let path = |act: &str| format!("/providers/iso/certificates{act}{VERSION}");
    let thumbprint = assay_token::certificate_thumbprint_sha1_hex(&second);
    let in_object = json!({"PolicyCertificateToRemove": request}).to_string();
    for (act, body, result, count) in [
        (":add", json!(request).to_string(), "IsPresent", 2),
        (":add", request.clone(), "IsPresent", 2),
        (":remove", in_object.clone(), "IsAbsent", 1),
        (":remove", in_object, "IsAbsent", 1),
    ] {
        let claims = service.as_admin("POST", &path(act), body).await.claims();
        assert_eq!(claims["x-ms-certificate-thumbprint"], thumbprint);
        assert_eq!(claims["x-ms-policycertificates-result"], result, "{act}");
        let listed = service.get_as_admin(&path("")).await.claims();
        assert_eq!(listed["x-ms-policy-certificates"]["keys"].as_array().unwrap().len(), count, "{act}");
    }
    let last = signed(json!({"policyCertificate": {"kty": "RSA", "x5c": [base64_standard(&first)]}}));
    let refused = service.as_admin("POST", &path(":remove"), last).await;
    assert_eq!(refused.problem(), (400, "InvalidOperation".into(), "signer-last".into()));
}
