//! Bad input of every sort: each gets the error envelope with a code, within bounds, and the service goes on.

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
use assay_silicon::intel::{Kind, SimulateOptions};
use assay_token::base64url;
use common::TestService;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SGX: &str = "/attest/SgxEnclave?api-version=2022-08-01";
const POLICY: &str = "/policies/SgxEnclave?api-version=2022-08-01";

type Expected = (u16, &'static str, &'static str);
const INVALID: &str = "InvalidParameter";

async fn check(service: &TestService, what: &str, request: Request<Full<bytes::Bytes>>, expected: Expected) {
    let (status, code, reason) = service.send(request).await.problem();
    assert_eq!((status, code.as_str(), reason.as_str()), expected, "{what}");
}

fn post(path: &str, body: impl Into<bytes::Bytes>) -> Request<Full<bytes::Bytes>> {
    let request = Request::post(path).header("content-type", "application/json");
    request.body(Full::new(body.into())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_attest() {
    let service = TestService::start().await;
    let good = service.simulate(Kind::Sgx, &SimulateOptions::default()).request;
    let cut = good.to_string()[..500].to_owned();
    let table: Vec<(&str, String, Expected)> = vec![
        ("empty", String::new(), (400, INVALID, "json-syntax")),
        ("not JSON", "quote=abc".to_owned(), (400, INVALID, "json-syntax")),
        ("cut short", cut, (400, INVALID, "json-syntax")),
        ("trailing data", format!("{good} {{}}"), (400, INVALID, "json-trailing-data")),
        ("an array", "[]".to_owned(), (400, INVALID, "json-shape")),
        ("deep", "[".repeat(10_000), (400, INVALID, "json-too-deep")),
        ("many items", format!("[{}0]", "0,".repeat(2_000)), (400, INVALID, "json-too-many-items")),
        ("a key twice", r#"{"quote":"YQ","quote":"YQ"}"#.to_owned(), (400, INVALID, "json-duplicate-key")),
        (
            "a key in two cases",
            r#"{"quote":"YQ","QUOTE":"YQ"}"#.to_owned(),
            (400, INVALID, "json-duplicate-key"),
        ),
        ("no quote", "{}".to_owned(), (400, INVALID, "evidence-missing")),
        ("empty quote", r#"{"quote":""}"#.to_owned(), (400, INVALID, "evidence-missing")),
        ("a number as quote", r#"{"quote":7}"#.to_owned(), (400, INVALID, "json-shape")),
        ("not base64", r#"{"quote":"a b?"}"#.to_owned(), (400, INVALID, "base64")),
        ("a report here", r#"{"report":"YQ"}"#.to_owned(), (400, INVALID, "contradictory-members")),
    ];
    for (what, body, expected) in table {
        check(&service, what, post(SGX, body), expected).await;
    }
    let reply = service.post(SGX, good.to_string()).await;
    assert_eq!(reply.claims()["x-ms-attestation-type"], "sgx", "the service goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_and_quotes() {
    let service = TestService::start().await;
    let good = service.simulate(Kind::Sgx, &SimulateOptions::default()).request;
    let quote = base64url::decode_lenient(good["quote"].as_str().unwrap()).unwrap();
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body.to_string()
    };
    let with_quote = |bytes: &[u8]| with("quote", base64url::encode(bytes).into());
    let flipped = |place: usize| {
        let mut bytes = quote.clone();
        bytes[place] ^= 1;
        with_quote(&bytes)
    };
    let data = |data_type: &str| json!({"data": "YQ", "dataType": data_type});
    let table: Vec<(&str, String, Expected)> = vec![
        ("no type", with("runtimeData", json!({"data": "YQ"})), (400, INVALID, "data-type")),
        ("odd type", with("runtimeData", data("XML")), (400, INVALID, "data-type")),
        ("data as text", with("runtimeData", "YQ".into()), (400, INVALID, "json-shape")),
        ("JSON that is none", with("runtimeData", data("JSON")), (400, INVALID, "data-not-json")),
        ("other data", with("runtimeData", data("Binary")), (400, INVALID, "binding-mismatch")),
        ("a long nonce", with("nonce", "n".repeat(4000).into()), (400, INVALID, "nonce-too-long")),
        ("a nonce that is a list", with("nonce", json!([1])), (400, INVALID, "json-shape")),
        ("one byte", with_quote(&[3]), (400, INVALID, "evidence-truncated")),
        ("half a quote", with_quote(&quote[..quote.len() / 2]), (400, INVALID, "evidence-truncated")),
        ("version 9", with_quote(&[&[9], &quote[1..]].concat()), (400, INVALID, "unsupported-version")),
        ("trailing bytes", with_quote(&[&quote[..], &[1]].concat()), (400, INVALID, "trailing-data")),
        ("a flipped bit of the body", flipped(48 + 64), (400, INVALID, "quote-signature")),
        ("a flipped bit of the signature", flipped(436), (400, INVALID, "quote-signature")),
    ];
    for (what, body, expected) in table {
        check(&service, what, post(SGX, body), expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_methods_versions_and_types() {
    let service = TestService::start().await;
    let request =
        |method: &str, path: &str| Request::builder().method(method).uri(path).body(Full::default()).unwrap();
    let unsupported = "attestation-type-not-supported";
    for (method, path, expected) in [
        ("GET", "/", (404, "NotFound", "route-unknown")),
        ("GET", "/attest", (404, "NotFound", "route-unknown")),
        ("POST", "/certs/", (404, "NotFound", "route-unknown")),
        ("GET", "/providers/nobody/certs", (404, "NotFound", "provider-unknown")),
        ("GET", "/providers/one/v1/providers", (404, "NotFound", "route-unknown")),
        ("GET", SGX, (405, "MethodNotAllowed", "method")),
        ("DELETE", POLICY, (405, "MethodNotAllowed", "method")),
        ("POST", "/certs", (405, "MethodNotAllowed", "method")),
        ("TRACE", "/certs", (405, "MethodNotAllowed", "method")),
        ("POST", "/attest/SgxEnclave", (400, INVALID, "api-version-missing")),
        ("POST", "/attest/SgxEnclave?api-version=latest", (400, INVALID, "api-version")),
        ("POST", "/attest/TdxVm?api-version=2022-08-01", (400, "NotSupported", unsupported)),
        ("POST", "/attest/tdxvm?api-version=2023-04-01-preview", (400, "NotSupported", unsupported)),
        ("POST", "/attest/AzureGuest?api-version=2020-10-01", (400, "NotSupported", unsupported)),
        ("POST", "/attest/Toaster?api-version=2020-10-01", (404, "NotFound", "attestation-type-unknown")),
    ] {
        check(&service, &format!("{method} {path}"), request(method, path), expected).await;
    }
    assert_eq!(service.send(request("DELETE", POLICY)).await.header("allow"), "GET, PUT");
    let text = Request::post(SGX).header("content-type", "text/plain").body(Full::from("{}")).unwrap();
    check(&service, "text", text, (415, "UnsupportedMediaType", "content-type")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_heads() {
    let settings = "public_url = \"https://attest.example.org\"\nservice_domain = \"example.org\"";
    let service = TestService::with(settings, &Overrides::default()).await;
    let get = |headers: &[(&str, &str)]| {
        let request = Request::get("/certs");
        let add =
            |request: http::request::Builder, (name, value): &(&str, &str)| request.header(*name, *value);
        headers.iter().fold(request, add).body(Full::default()).unwrap()
    };
    let bearer = service.bearer();
    let bad_host = (400, INVALID, "host-header");
    check(&service, "two hosts", get(&[("host", "a"), ("host", "a")]), bad_host).await;
    let unknown = (404, "NotFound", "provider-unknown");
    check(&service, "a name", get(&[("host", "nobody.example.org")]), unknown).await;
    check(&service, "with root", get(&[("host", "nobody.example.org.")]), unknown).await;
    check(&service, "and port", get(&[("host", "nobody.example.org.:443")]), unknown).await;
    let coding = (415, "UnsupportedMediaType", "content-encoding");
    for value in ["gzip", "identity, gzip", "deflate"] {
        check(&service, value, get(&[("content-encoding", value)]), coding).await;
    }
    service.send(get(&[("content-encoding", "Identity")])).await.ok();
    let reply = service.send(get(&[("authorization", &bearer), ("authorization", &bearer)])).await;
    assert_eq!((reply.status, reply.problem().1.as_str()), (401, "Unauthorized"));
    assert!(reply.header("www-authenticate").starts_with("Bearer error=\"invalid_request\""), "{reply:?}");

    // The client library does not leave the host out.
    let mut stream = service.tls(false).await;
    stream.write_all(b"GET /certs HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("host-header"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_documents() {
    let service = TestService::start().await;
    let unsigned = |payload: &str| format!("eyJhbGciOiJub25lIn0.{}.", base64url::encode(payload.as_bytes()));
    let policy = |text: &[u8]| unsigned(&json!({"AttestationPolicy": base64url::encode(text)}).to_string());
    let operation = "InvalidOperation";
    let table: Vec<(&str, Vec<u8>, Expected)> = vec![
        ("empty", Vec::new(), (400, INVALID, "body-empty")),
        ("not UTF-8", vec![0xff, 0xfe], (400, INVALID, "not-utf-8")),
        ("broken JSON string", b"\"abc".to_vec(), (400, INVALID, "json-syntax")),
        ("no dots", b"abc".to_vec(), (400, operation, "token-part-count")),
        ("not base64", b"a!.b.c".to_vec(), (400, operation, "token-base64")),
        ("no such member", unsigned("{}").into_bytes(), (400, operation, "policy-member-missing")),
        ("not an object", unsigned("[]").into_bytes(), (400, operation, "policy-payload")),
        (
            "not base64url",
            unsigned(r#"{"AttestationPolicy":"?"}"#).into_bytes(),
            (400, operation, "policy-encoding"),
        ),
        ("not text", policy(&[0xff]).into_bytes(), (400, operation, "policy-encoding")),
        ("no policy", policy(b"hello").into_bytes(), (400, "PolicyParsingError", "policy-parsing")),
        ("an empty policy", policy(b"").into_bytes(), (400, "PolicyParsingError", "policy-parsing")),
    ];
    for (what, body, expected) in table {
        let request = Request::put(POLICY).header("authorization", service.bearer());
        check(&service, what, request.body(Full::from(body)).unwrap(), expected).await;
    }
    let reply = service.as_admin("PUT", POLICY, "abc").await;
    assert!(
        reply.message().starts_with("Malformed JWT: Could not find first period in the token."),
        "{}",
        reply.message()
    );
}
