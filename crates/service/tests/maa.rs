//! Azure Attestation's wire, from attestation to policy management, over HTTPS.

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

use assay_service::audit::latest;
use assay_service::config::Overrides;
use assay_service::dev::DevFolder;
use assay_silicon::intel::{Kind, SimulateOptions};
use assay_token::lifecycle::Purpose;
use assay_token::{Algorithm, Expectations, Header, Jwks, base64url, issue, verify};
use bytes::Bytes;
use common::{Reply, TestService, claims};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

const VERSION: &str = "?api-version=2022-08-01";
const PERMIT: &str = "version=1.0; authorizationrules{=> permit();}; issuancerules{};";

fn unsigned(policy: &str) -> String {
    let payload = json!({"AttestationPolicy": base64url::encode(policy.as_bytes())}).to_string();
    format!("eyJhbGciOiJub25lIn0.{}.", base64url::encode(payload.as_bytes()))
}

/// Verifies with the key set that the provider publishes.
async fn verified(service: &TestService, token: &str, provider: &str) -> Value {
    let keys = Jwks::from_json(&service.get(&format!("{provider}/certs")).await.body).unwrap();
    let issuer = format!("{}{provider}", service.app.config.public_url);
    let expectations = Expectations {
        issuer: Some(&issuer),
        algorithms: &[Algorithm::Rs256],
        ..Expectations::at(service.app.clock.now_seconds())
    };
    let token = verify(token, &keys, &expectations).expect("the token verifies with the published keys");
    Value::Object(token.claims().clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn simulated_enclaves_get_tokens() {
    let service = TestService::start().await;
    for kind in Kind::ALL {
        let simulated = service.simulate(kind, &SimulateOptions::default());
        let reply =
            service.post(&format!("{}{VERSION}", kind.attest_route()), simulated.request.to_string()).await;
        let token = reply.ok()["token"].as_str().unwrap().to_owned();
        let claims = verified(&service, &token, "").await;
        assert_eq!(claims["x-ms-attestation-type"], "sgx");
        assert_eq!(claims["x-assay-simulated"], true);
        assert_eq!(claims["x-assay-tcb-status"], "UpToDate");
        assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
        assert_eq!(reply.header("x-ms-maa-service-version"), concat!(env!("CARGO_PKG_VERSION"), ".0"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_and_names_have_no_case_and_ids_come_back() {
    let service = TestService::start().await;
    let mut body = service.simulate(Kind::Sgx, &SimulateOptions::default()).request;
    let members = body.as_object_mut().unwrap();
    let quote = members.remove("quote").unwrap();
    let quote = quote.as_str().unwrap();
    members.insert("QUOTE".into(), format!("{quote}{}", "=".repeat((4 - quote.len() % 4) % 4)).into());
    members.insert("initTimeData".into(), json!({"data": "", "dataType": ""}));
    members.insert("nonce".into(), 18_446_744_073_709_551_615_u64.into());
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = Request::post("/ATTEST/sgxenclave?API-Version=2026-03-11-preview")
        .header("content-type", "application/json; charset=utf-8")
        .header("traceparent", parent)
        .header("authorization", "Bearer this-is-ignored")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    let reply = service.send(request).await;
    assert_eq!(reply.claims()["nonce"], "18446744073709551615");
    assert_eq!(reply.header("x-ms-request-id"), parent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_set_read_and_reset() {
    let service = TestService::start().await;
    let path = format!("/policies/SgxEnclave{VERSION}");
    let default = service.get_as_admin(&path).await.claims()["x-ms-policy"].as_str().unwrap().to_owned();
    assert!(default.starts_with("eyJhbGciOiJub25lIn0.") && default.ends_with('.'), "{default}");

    let document = unsigned(PERMIT);
    for body in [document.clone(), json!(document).to_string()] {
        let reply = service.as_admin("PUT", &path, body).await;
        let token = reply.ok()["token"].as_str().unwrap().to_owned();
        let result = verified(&service, &token, "").await;
        assert_eq!(result["x-ms-policy-result"], "Updated");
        let hash = base64url::encode(&assay_token::sha256(document.as_bytes()));
        assert_eq!(result["x-ms-policy-token-hash"], hash);
        assert_eq!(result["exp"].as_u64().unwrap() - result["iat"].as_u64().unwrap(), 3600);
    }
    assert_eq!(service.get_as_admin(&path).await.claims()["x-ms-policy"], document);

    let simulated = service.simulate(Kind::Sgx, &SimulateOptions::default());
    let reply = service.post(&format!("/attest/SgxEnclave{VERSION}"), simulated.request.to_string()).await;
    assert_eq!(reply.claims()["x-ms-policy-hash"], "z0FRjKS0ssQTNur1V6BV8WIrh9M3fzgTo0EfHRvapWU");

    let reset = format!("/policies/sgxenclave:reset{VERSION}");
    let result = service.as_admin("POST", &reset, "eyJhbGciOiJub25lIn0..").await.claims();
    assert_eq!(result["x-ms-policy-result"], "Removed");
    assert_eq!(result.get("x-ms-policy-token-hash"), None);
    assert_eq!(service.get_as_admin(&path).await.claims()["x-ms-policy"], default);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_policy_is_refused_with_its_place_and_the_old_one_stays() {
    let service = TestService::start().await;
    let path = format!("/policies/SgxEnclave{VERSION}");
    service.as_admin("PUT", &path, unsigned(PERMIT)).await.ok();
    let broken = "version=1.0;\nauthorizationrules{ => permit() };\nissuancerules{};";
    let reply = service.as_admin("PUT", &path, unsigned(broken)).await;
    assert_eq!(reply.problem(), (400, "PolicyParsingError".into(), "policy-parsing".into()));
    assert!(reply.message().contains("Line: '2', Column: '"), "{}", reply.message());
    assert_eq!(
        reply.json()["error"]["details"][0]["target"].as_str().unwrap().split(',').next(),
        Some("line 2")
    );
    assert_eq!(service.get_as_admin(&path).await.claims()["x-ms-policy"], unsigned(PERMIT));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_explained_to_readers_only() {
    let service = TestService::start().await;
    let policy = "version=1.0;\nauthorizationrules{\n  [type==\"x-ms-sgx-svn\", value>=0] => deny();\n  => permit();\n};\nissuancerules{};";
    service.as_admin("PUT", &format!("/policies/SgxEnclave{VERSION}"), unsigned(policy)).await.ok();
    let body = service.simulate(Kind::Sgx, &SimulateOptions::default()).request.to_string();
    let path = format!("/attest/SgxEnclave{VERSION}");
    let anonymous = service.post(&path, body.clone()).await;
    let denied = (400, "PolicyEvaluationError".to_owned(), "policy-denied".to_owned());
    assert_eq!(anonymous.problem(), denied);
    assert!(!anonymous.message().contains("x-ms-sgx-svn"), "{}", anonymous.message());
    let request = |bearer: String| {
        let request =
            Request::post(&path).header("authorization", bearer).header("content-type", "application/json");
        request.body(Full::new(Bytes::from(body.clone()))).unwrap()
    };
    let stranger = service.send(request("Bearer nobody".to_owned())).await;
    assert_eq!((stranger.problem(), stranger.message()), (denied.clone(), anonymous.message()));
    let reader = service.send(request(service.bearer())).await;
    assert_eq!(reader.problem(), denied);
    assert!(reader.message().contains("line 3, column 3"), "{}", reader.message());
    assert!(reader.message().contains("x-ms-sgx-svn"), "{}", reader.message());
}

/// A bearer with these roles, of a deployment that serves as somebody else's OpenID Connect issuer here.
fn bearer_of(issuer: &TestService, roles: &[&str]) -> String {
    let provider = issuer.app.registry.default_provider().unwrap();
    let now = u64::try_from(issuer.app.clock.now().0).unwrap();
    let key = provider.keys.signing_key(Purpose::AttestationToken, now).unwrap();
    let claims = json!({
        "iss": issuer.app.config.public_url, "aud": "assay", "sub": "alice",
        "iat": now, "nbf": now, "exp": now + 600, "roles": roles,
    });
    format!("Bearer {}", issue(&Header::jwt(key.kid, ""), &claims.to_string(), key.signer).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_without_a_role_at_the_provider_leaves_no_row() {
    let issuer = TestService::start().await;
    let settings = format!(
        "[egress]\nallow = [\"{host}\"]\n[[auth.issuers]]\nissuer = \"{url}\"\naudiences = [\"assay\"]\n\
         ca_file = \"{ca}\"\n[[auth.issuers.role]]\nvalue = \"Here\"\nprovider = \"default\"\ngrants = \"reader\"\n\
         [[auth.issuers.role]]\nvalue = \"Elsewhere\"\nprovider = \"other\"\ngrants = \"admin\"\n",
        host = issuer.app.config.public_url.trim_start_matches("https://"),
        url = issuer.app.config.public_url,
        ca = DevFolder::new(&issuer.data()).ca_certificate().display(),
    );
    let service = TestService::with(&settings, &Overrides::default()).await;
    let path = format!("/attest/SgxEnclave{VERSION}");
    let rows = || latest(service.app.store.as_ref(), "default", 100).unwrap().len();
    let good = service.simulate(Kind::Sgx, &SimulateOptions::default()).request;
    let mut broken = good.clone();
    broken["quote"] = base64url::encode(&[3; 5000]).into();
    let mut draft = good;
    draft["draftPolicyForAttestation"] = PERMIT.into();
    for (roles, expected) in [(&["Here"], 1), (&["Elsewhere"], 0), (&["Unknown"], 0)] {
        for (body, status) in [(&broken, 400), (&draft, 200)] {
            let before = rows();
            let request = Request::post(&path)
                .header("authorization", bearer_of(&issuer, roles))
                .header("content-type", "application/json");
            let reply = service.send(request.body(Full::new(body.to_string().into())).unwrap()).await;
            assert_eq!(reply.status, status, "{}", reply.message());
            assert_eq!(rows() - before, expected, "{roles:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_are_unsigned_and_broken_ones_refused() {
    let service = TestService::start().await;
    let path = format!("/attest/SgxEnclave{VERSION}");
    let mut body = service.simulate(Kind::Sgx, &SimulateOptions::default()).request;
    body["draftPolicyForAttestation"] = PERMIT.into();
    let reply = service.post(&path, body.to_string()).await;
    let token = reply.ok()["token"].as_str().unwrap().to_owned();
    assert!(token.ends_with('.'));
    assert_eq!(claims(&token)["x-assay-draft"], true);
    body["draftPolicyForAttestation"] = "version=9;".into();
    let reply = service.post(&path, body.to_string()).await;
    assert_eq!(reply.problem(), (400, "PolicyParsingError".into(), "draft-policy".into()));
    assert!(reply.message().contains("Line: '1', Column: '"), "{}", reply.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn tpm_gets_a_challenge_and_then_a_clear_no() {
    let service = TestService::start().await;
    let path = format!("/attest/Tpm{VERSION}");
    let message = |inner: Value| json!({"data": base64url::encode(inner.to_string().as_bytes())}).to_string();
    let init = message(json!({"payload": {"type": "aikcert"}}));
    assert_eq!(service.post(&path, init.clone()).await.problem().0, 401);
    let as_admin = async |body: String| {
        let request = Request::post(&path).header("authorization", service.bearer());
        service.send(request.body(Full::new(body.into())).unwrap()).await
    };
    let reply = as_admin(init).await.ok();
    let inner = base64url::decode_strict(reply["data"].as_str().unwrap()).unwrap();
    let inner: Value = serde_json::from_slice(&inner).unwrap();
    let challenge = base64url::decode_strict(inner["payload"]["challenge"].as_str().unwrap()).unwrap();
    assert_eq!(challenge.len(), 16);
    let context = base64url::decode_strict(inner["payload"]["service_context"].as_str().unwrap()).unwrap();
    assert_eq!(challenge, assay_token::sha256(&context)[..16], "the context vouches for the challenge");
    let second: Reply = as_admin(message(json!({"payload": {"request": "a.b.c"}}))).await;
    assert_eq!(second.problem(), (400, "NotSupported".into(), "attestation-type-not-supported".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_is_for_everybody_and_consistent() {
    let service = TestService::start().await;
    let url = service.app.config.public_url.clone();
    let document = service.get("/.well-known/openid-configuration").await.ok();
    assert_eq!(document["issuer"], url);
    assert_eq!(document["jwks_uri"], format!("{url}/certs"));
    let keys = service.get("/certs").await;
    assert_eq!(keys.header("content-type"), "application/json; charset=utf-8");
    for key in keys.ok()["keys"].as_array().unwrap() {
        for member in ["kid", "kty", "n", "e"] {
            assert!(key[member].is_string(), "{member}");
        }
        assert!(key["x5c"][0].is_string());
    }
    let baselines = service.get_as_admin(&format!("/tcbbaselines/SgxEnclave{VERSION}")).await.ok();
    assert_eq!(baselines["tcbBaselines"][0]["tcbIdentifier"], "azuredefault");
    let claims = document["claims_supported"].as_array().unwrap();
    for name in ["cnf", "nonce", "x-ms-sgx-mrenclave", "is-debuggable", "tee"] {
        assert_eq!(claims.iter().filter(|claim| *claim == name).count(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_baseline_that_the_policy_names_is_selected() {
    let service = TestService::start().await;
    let selected = async || -> Vec<String> {
        let path = format!("/tcbbaselines/SgxEnclave{VERSION}");
        let baselines = service.get_as_admin(&path).await.ok()["tcbBaselines"].as_array().unwrap().clone();
        assert!(baselines.iter().all(|one| one["isSelectedTcb"].is_boolean()));
        let chosen = baselines.iter().filter(|one| one["isSelectedTcb"] == true);
        chosen.map(|one| one["tcbIdentifier"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(selected().await, ["azuredefault"]);
    let policy = "version=1.1; configurationrules{=> issueproperty(type=\"x-ms-sgx-tcbidentifier\", value=\"12\");}; \
         authorizationrules{=> permit();}; issuancerules{};";
    service.as_admin("PUT", &format!("/policies/SgxEnclave{VERSION}"), unsigned(policy)).await.ok();
    assert_eq!(selected().await, ["12"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_version_attests_for_identified_callers() {
    let service = TestService::start().await;
    let body = service.simulate(Kind::Sgx, &SimulateOptions::default()).request.to_string();
    let path = "/attest/SgxEnclave?api-version=2018-09-01-preview";
    let anonymous = service.post(path, body.clone()).await;
    assert_eq!(anonymous.problem(), (401, "Unauthorized".into(), String::new()));
    assert_eq!(anonymous.header("www-authenticate"), "Bearer");
    assert_eq!(service.as_admin("POST", path, body).await.claims()["x-ms-attestation-type"], "sgx");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_that_does_not_count_is_refused() {
    let service = TestService::start().await;
    let issued = service.post("/v1/challenges", "").await.ok();
    let challenge = issued["challenge"].as_str().unwrap();
    let path = format!("/attest/SgxEnclave{VERSION}");
    let mut body = service.simulate(Kind::Sgx, &SimulateOptions::default()).request;
    for (text, reason) in [(challenge, "challenge-not-bound"), ("not-a-challenge", "challenge-not-ours")] {
        body["challenge"] = json!(text);
        let refused = service.post(&path, body.to_string()).await;
        assert_eq!(refused.problem(), (400, "InvalidParameter".into(), reason.into()));
    }
    let runtime_data = Some(json!({"challenge": challenge}).to_string().into_bytes());
    let mut body =
        service.simulate(Kind::Sgx, &SimulateOptions { runtime_data, ..Default::default() }).request;
    body["challenge"] = json!(challenge);
    assert_eq!(service.post(&path, body.to_string()).await.claims()["x-assay-freshness"], "challenge");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_evidence_of_identified_callers_is_recorded() {
    let service = TestService::start().await;
    let mut body = service.simulate(Kind::Sgx, &SimulateOptions::default()).request;
    body["runtimeData"]["data"] = json!(base64url::encode(b"other"));
    body["runtimeData"]["dataType"] = json!("Binary");
    let path = format!("/attest/SgxEnclave{VERSION}");
    let recorded = || assay_service::audit::latest(service.app.store.as_ref(), "default", 10).unwrap();
    let anonymous = service.post(&path, body.to_string()).await;
    assert_eq!((anonymous.problem().0, recorded().len()), (400, 0));
    let identified = service.as_admin("POST", &path, body.to_string()).await;
    assert_eq!(identified.problem(), anonymous.problem());
    let records = recorded();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].1.record.error.as_deref(), Some(anonymous.problem().2.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn management_needs_a_bearer() {
    let service = TestService::start().await;
    for (method, path) in [
        ("GET", "/policies/SgxEnclave"),
        ("PUT", "/policies/SgxEnclave"),
        ("POST", "/policies/SgxEnclave:reset"),
        ("GET", "/certificates"),
        ("POST", "/certificates:add"),
        ("POST", "/certificates:remove"),
        ("GET", "/tcbbaselines/SgxEnclave"),
    ] {
        let request = |bearer: Option<&str>| {
            let mut request = Request::builder().method(method).uri(format!("{path}{VERSION}"));
            if let Some(bearer) = bearer {
                request = request.header("authorization", bearer);
            }
            request.body(Full::new(Bytes::from("x"))).unwrap()
        };
        let reply = service.send(request(None)).await;
        assert_eq!(reply.problem(), (401, "Unauthorized".into(), String::new()), "{method} {path}");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        let reply = service.send(request(Some("Bearer wrong"))).await;
        assert_eq!(reply.problem(), (401, "Unauthorized".into(), String::new()), "{method} {path}");
        assert!(reply.header("www-authenticate").starts_with("Bearer error=\"invalid_token\""));
    }
}
