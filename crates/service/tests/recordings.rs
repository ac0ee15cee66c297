//! The recorded dialogues of Azure Attestation, replayed: same requests, same statuses, shapes, claim names and values,
//! but for keys, times, identifiers, and digests of collateral that nobody recorded.

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

use std::collections::BTreeSet;
use std::path::Path;

use assay_service::config::Overrides;
use assay_token::base64url;
use bytes::Bytes;
use common::{Reply, TestService, claims, vectors};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

/// What differs between any two answers of any two services.
const VOLATILE: [&str; 5] = ["exp", "iat", "iss", "jti", "nbf"];
/// Of the collateral's digests, only that of the quote can be the same.
const COLLATERAL: [&str; 2] = ["x-ms-sgx-collateral", "maa-attestationcollateral"];
const EMPTY_POLICY: &str = "eyJhbGciOiJub25lIn0..";

#[tokio::test(flavor = "multi_thread")]
async fn recorded_dialogues_have_the_same_answers() {
    let Some(vectors) = vectors() else { return };
    let service = service(&vectors).await;
    let mut replayed = 0;
    let mut files: Vec<_> =
        std::fs::read_dir(vectors.join("maa/exchanges")).unwrap().map(|one| one.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 11);
    for file in files {
        set_recorded_policies(&service, &vectors).await;
        let exchanges: Vec<Value> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let mut provider = "aad";
        for exchange in &exchanges {
            let answer: Value = serde_json::from_str(exchange["respBody"].as_str().unwrap()).unwrap();
            provider = provider_of(exchange, &answer).unwrap_or(provider);
            let reply = replay(&service, provider, exchange).await;
            let what = format!("{name}: {} {}", exchange["method"], exchange["uri"]);
            compare(&what, exchange, &answer, &reply);
            replayed += 1;
        }
    }
    assert_eq!(replayed, 83, "every recorded exchange");
}

/// The service of May 2022, with one provider for each that was recorded.
async fn service(vectors: &Path) -> TestService {
    let folder = tempfile::tempdir().unwrap();
    let collateral = folder.path().join("collateral");
    std::fs::create_dir(&collateral).unwrap();
    let set = vectors.join("sgx/sgx_v3_microsoft-azure-attest_c3819d79.collateral.0.json");
    std::fs::copy(set, collateral.join("2022-05.json")).unwrap();
    let settings = format!("[collateral]\ndir = \"{}\"", collateral.display());
    let overrides = Overrides { test_clock: Some("2022-05-10T00:00:00Z".to_owned()), ..Overrides::default() };
    let service = TestService::prepared(folder, &settings, &overrides).await;
    let signers = recorded_signers(vectors);
    let statuses = [
        "UpToDate",
        "SWHardeningNeeded",
        "ConfigurationNeeded",
        "ConfigurationAndSWHardeningNeeded",
        "OutOfDate",
        "OutOfDateConfigurationNeeded",
    ];
    for (name, certificates) in [("aad", vec![]), ("iso", signers), ("sharedwus", vec![])] {
        let body =
            json!({"name": name, "acceptedTcbStatuses": statuses, "policySigningCertificates": certificates});
        let made = service.as_admin("POST", "/v1/providers", body.to_string()).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    service
}

/// The certificates that the recorded isolated provider had, from its answer.
fn recorded_signers(vectors: &Path) -> Vec<String> {
    let file = "maa/exchanges/test_policy_getset.test_get_policy_management_certificates.json";
    let exchanges: Vec<Value> = serde_json::from_slice(&std::fs::read(vectors.join(file)).unwrap()).unwrap();
    let signers = exchanges.iter().flat_map(|exchange| {
        let answer: Value = serde_json::from_str(exchange["respBody"].as_str().unwrap()).unwrap();
        let token = answer["token"].as_str().map(claims).unwrap_or_default();
        token["x-ms-policy-certificates"]["keys"].as_array().cloned().unwrap_or_default()
    });
    signers.map(|key| key["x5c"][0].as_str().unwrap().to_owned()).collect()
}

fn recorded_policy(vectors: &Path, name: &str) -> String {
    let path = vectors.join(format!("maa/policies/{name}.policy.jws"));
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

async fn set_recorded_policies(service: &TestService, vectors: &Path) {
    for provider in ["aad", "iso"] {
        for kind in ["SgxEnclave", "OpenEnclave", "Tpm"] {
            let document = recorded_policy(vectors, &format!("pylarryoattestation{provider}.{kind}"));
            let path = format!("/providers/{provider}/policies/{kind}?api-version=2020-10-01");
            service.as_admin("PUT", &path, document).await.ok();
        }
    }
}

/// By the issuer of the recorded token; a key set belongs to the exchange before it.
fn provider_of(exchange: &Value, answer: &Value) -> Option<&'static str> {
    let issuer = match answer["token"].as_str() {
        Some(token) => claims(token)["iss"].as_str().unwrap().to_owned(),
        None => exchange["uri"].as_str().unwrap().to_owned(),
    };
    ["aad", "iso", "sharedwus"].into_iter().find(|name| issuer.contains(&format!("{name}.wus")))
}

async fn replay(service: &TestService, provider: &str, exchange: &Value) -> Reply {
    let uri: http::Uri = exchange["uri"].as_str().unwrap().parse().unwrap();
    let path = format!("/providers/{provider}{}", uri.path_and_query().unwrap());
    let mut request = Request::builder().method(exchange["method"].as_str().unwrap()).uri(path);
    for (name, value) in exchange["reqHeaders"].as_object().unwrap() {
        if !["content-length", "connection"].contains(&name.to_ascii_lowercase().as_str()) {
            request = request.header(name, value.as_str().unwrap());
        }
    }
    // The recordings leave the bearer out, which the SDK sends with every call.
    let request = request.header("authorization", service.bearer());
    let body = Bytes::from(exchange["reqBody"].as_str().unwrap().to_owned());
    service.send(request.body(Full::new(body)).unwrap()).await
}

fn compare(what: &str, exchange: &Value, recorded: &Value, reply: &Reply) {
    assert_eq!(
        u64::from(reply.status),
        exchange["status"].as_u64().unwrap(),
        "{what}: {}",
        String::from_utf8_lossy(&reply.body)
    );
    assert_eq!(reply.header("content-type"), exchange["respHeaders"]["content-type"], "{what}");
    for name in exchange["respHeaders"].as_object().unwrap().keys() {
        // How a body is framed is for each server to choose.
        if name == "transfer-encoding" {
            continue;
        }
        assert!(reply.headers.contains_key(name), "{what}: no header {name}");
    }
    let ours = reply.json();
    assert_eq!(names(&ours), names(recorded), "{what}");
    if let Some(token) = recorded["token"].as_str() {
        compare_tokens(what, token, ours["token"].as_str().unwrap());
    } else if let Some(data) = recorded["data"].as_str() {
        compare_messages(what, data, ours["data"].as_str().unwrap());
    } else {
        for key in ours["keys"].as_array().unwrap() {
            assert!(names(&recorded["keys"][0]).is_subset(&names(key)), "{what}: {key}");
        }
    }
}

fn names(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

fn part(token: &str, place: usize) -> Value {
    let part = token.split('.').nth(place).unwrap();
    serde_json::from_slice(&base64url::decode_strict(part).unwrap()).unwrap()
}

fn compare_tokens(what: &str, recorded: &str, ours: &str) {
    let (their_header, our_header) = (part(recorded, 0), part(ours, 0));
    assert_eq!(names(&our_header), names(&their_header), "{what}");
    assert_eq!(
        (&our_header["alg"], &our_header["typ"]),
        (&their_header["alg"], &their_header["typ"]),
        "{what}"
    );
    assert_eq!(recorded.ends_with('.'), ours.ends_with('.'), "{what}: both signed or both not");
    let (theirs, ours) = (claims(recorded), claims(ours));
    let own: BTreeSet<String> =
        names(&ours).into_iter().filter(|name| !name.starts_with("x-assay-")).collect();
    assert_eq!(own, names(&theirs), "{what}");
    for (name, value) in theirs.as_object().unwrap() {
        match name.as_str() {
            name if VOLATILE.contains(&name) => {
                assert_eq!(ours[name].is_string(), value.is_string(), "{what}: {name}")
            }
            name if COLLATERAL.contains(&name) => {
                assert_eq!(names(&ours[name]), names(value), "{what}");
                assert_eq!(ours[name]["quotehash"], value["quotehash"], "{what}");
            }
            "x-ms-policy" => compare_policies(what, value.as_str().unwrap(), ours[name].as_str().unwrap()),
            name => assert_eq!(&ours[name], value, "{what}: {name}"),
        }
    }
    let life = |claims: &Value| claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    if ours.get("x-assay-draft").is_none() {
        assert_eq!(life(&ours), life(&theirs), "{what}");
    }
}

/// Documents that were set come back to the byte. Default policies have the same text in a document of ours, and a TPM, for
/// which the recorded service had none, gets one that denies.
fn compare_policies(what: &str, recorded: &str, ours: &str) {
    if recorded == EMPTY_POLICY {
        assert_ne!(ours, EMPTY_POLICY, "{what}");
    } else if recorded != ours {
        let text = |document: &str| {
            let encoded = part(document, 1)["AttestationPolicy"].as_str().unwrap().to_owned();
            String::from_utf8(base64url::decode_lenient(&encoded).unwrap()).unwrap()
        };
        assert!(what.contains("sharedwus"), "{what}: {ours}");
        assert_eq!(text(ours), text(recorded), "{what}");
    }
}

fn compare_messages(what: &str, recorded: &str, ours: &str) {
    let read =
        |data: &str| -> Value { serde_json::from_slice(&base64url::decode_lenient(data).unwrap()).unwrap() };
    let (theirs, ours) = (read(recorded), read(ours));
    assert_eq!(names(&ours["payload"]), names(&theirs["payload"]), "{what}");
    let challenge = ours["payload"]["challenge"].as_str().unwrap();
    assert_eq!(challenge.len(), theirs["payload"]["challenge"].as_str().unwrap().len(), "{what}");
}
