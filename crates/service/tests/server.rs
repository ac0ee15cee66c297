//! The server itself: slow and large clients, HTTP/2, limits, the orderly end, new certificates.

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

use std::time::Duration;

use assay_service::config::Overrides;
use assay_service::server::ServerCertificate;
use assay_silicon::intel::{Kind, SimulateOptions};
use bytes::Bytes;
use common::{Reply, TestService, exchange, exchange_http2};
use http::Request;
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SGX: &str = "/attest/SgxEnclave?api-version=2022-08-01";
const QUICK: &str =
    "[limits]\nheader_timeout_seconds = 1\nbody_timeout_seconds = 1\nidle_timeout_seconds = 1\n";

const PLAIN: &str = "public_url = \"https://attest.example.org\"\n[tls]\ndisabled = true\n";

/// Long enough for a loaded machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

async fn read_to_end(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut answer = Vec::new();
    // A server that hangs up without TLS's farewell is fine here.
    let _ =
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server hangs up");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_not_waited_for() {
    let service = TestService::with(QUICK, &Overrides::default()).await;
    let mut silent = tokio::net::TcpStream::connect(service.address).await.unwrap();
    assert_eq!(read_to_end(&mut silent).await, "", "no TLS handshake");
    let mut slow_head = service.tls(false).await;
    slow_head.write_all(b"GET /certs HTTP/1.1\r\nHo").await.unwrap();
    assert_eq!(read_to_end(&mut slow_head).await, "", "half a head");
    let mut slow_body = service.tls(false).await;
    let head = format!("POST {SGX} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{{");
    slow_body.write_all(head.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut slow_body).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.contains(r#""code":"RequestTimeout""#), "{answer}");
    let mut idle = service.tls(true).await;
    assert_ne!(idle.read_u8().await.unwrap(), 255, "the server's settings come");
    read_to_end(&mut idle).await;
    assert_eq!(service.get("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_head_must_end_under_http2_as_well() {
    let settings = "[limits]\nheader_timeout_seconds = 1\nidle_timeout_seconds = 300";
    let service = TestService::with(settings, &Overrides::default()).await;
    let mut stream = service.tls(true).await;
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // HEADERS of stream 1 with `:method: GET`, without END_HEADERS.
    let headers = [0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82];
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    stream.write_all(&[preface, &settings, &headers].concat()).await.unwrap();
    read_to_end(&mut stream).await;
    assert_eq!(service.get("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_get_all_connections() {
    let settings = format!("{PLAIN}[limits]\nconnections = 32\nheader_timeout_seconds = 300");
    let service = TestService::with(&settings, &Overrides::default()).await;
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(tokio::net::TcpStream::connect(service.address).await.unwrap());
    }
    let mut excess = tokio::net::TcpStream::connect(service.address).await.unwrap();
    assert_eq!(read_to_end(&mut excess).await, "", "closed at once");
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(service.address).await.unwrap();
    let request = b"GET /certs HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    other.write_all(request).await.unwrap();
    let answer = read_to_end(&mut other).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "another address is served: {answer}");
    held[0].write_all(request).await.unwrap();
    let answer = read_to_end(&mut held[0]).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "what was open is served on: {answer}");
    post_blanks_until(&service, "400", "json-syntax").await;
}

/// Sends small bodies without TLS until one gets this answer: the server sees what others do when it gets to it.
async fn post_blanks_until(service: &TestService, status: &str, reason: &str) -> String {
    let blanks = [b' '; 100];
    let head = format!("POST {SGX} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 100\r\n\r\n");
    let answered = async {
        loop {
            let mut stream = tokio::net::TcpStream::connect(service.address).await.unwrap();
            // Where there is no room the server has hung up already.
            let _ = stream.write_all(&[head.as_bytes(), &blanks].concat()).await;
            let answer = read_to_end(&mut stream).await;
            if answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(reason) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.expect("the expected answer comes")
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_share_their_memory() {
    const SIZE: usize = 64 << 20;
    let settings = format!("{PLAIN}[limits]\nbody_bytes = {SIZE}\nbody_timeout_seconds = 300");
    let service = TestService::with(&settings, &Overrides::default()).await;
    let head = format!(
        "PUT /policies/SgxEnclave?api-version=2022-08-01 HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\
         content-length: {SIZE}\r\n\r\n",
        service.bearer()
    );
    let mut hogs = Vec::new();
    for _ in 0..2 {
        let mut hog = tokio::net::TcpStream::connect(service.address).await.unwrap();
        hog.write_all(head.as_bytes()).await.unwrap();
        hogs.push(hog);
    }
    // What is announced costs nothing; what has come does.
    post_blanks_until(&service, "400", "json-syntax").await;
    for hog in &mut hogs {
        hog.write_all(&vec![b' '; SIZE - 1]).await.unwrap();
    }
    let answer = post_blanks_until(&service, "503", "bodies-busy").await;
    assert!(answer.contains("retry-after: 5") && answer.contains("ServiceUnavailable"), "{answer}");
    drop(hogs);
    post_blanks_until(&service, "400", "json-syntax").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_send_a_mebibyte() {
    let service = TestService::start().await;
    let body = vec![b' '; (1 << 20) + 1];
    let reply = service.post(SGX, body.clone()).await;
    assert_eq!(reply.problem(), (413, "RequestEntityTooLarge".to_owned(), "body-too-large".to_owned()));
    assert!(reply.message().contains("1048576 bytes"), "{}", reply.message());
    let syntax = (400, "InvalidParameter".to_owned(), "json-syntax".to_owned());
    assert_eq!(service.as_admin("POST", SGX, body.clone()).await.problem(), syntax);
    assert_eq!(service.post(SGX, body[1..].to_vec()).await.problem(), syntax);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_get_their_answer() {
    let service = TestService::with("[limits]\nbody_bytes = 1048576", &Overrides::default()).await;
    let too_large = (413, "RequestEntityTooLarge".to_owned(), "body-too-large".to_owned());
    let nine_mebibytes = vec![b'x'; 9 << 20];
    let reply = service.post(SGX, nine_mebibytes.clone()).await;
    assert_eq!(reply.problem(), too_large);
    assert!(reply.message().contains("1048576 bytes"), "{}", reply.message());
    let request = Request::post(format!("https://localhost{SGX}")).body(Full::from(nine_mebibytes)).unwrap();
    let response = exchange_http2(service.tls(true).await, request).await.unwrap();
    assert_eq!(Reply::read(response).await.problem(), too_large);

    // A length announced but not sent costs nothing.
    let mut liar = service.tls(false).await;
    let head = format!("POST {SGX} HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n");
    liar.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    liar.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");

    // Chunks without an announced length are counted as they come.
    let mut chunked = service.tls(false).await;
    chunked
        .write_all(format!("POST {SGX} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let chunk = [b"100000\r\n".to_vec(), vec![b' '; 1 << 20], b"\r\n".to_vec()].concat();
    for _ in 0..2 {
        chunked.write_all(&chunk).await.unwrap();
    }
    chunked.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
    assert_eq!(service.get("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_bounded() {
    let service = TestService::start().await;
    let mut stream = service.tls(false).await;
    let head = format!("GET /certs HTTP/1.1\r\nhost: x\r\nbig: {}\r\n\r\n", "y".repeat(40_000));
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 431");
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_serves_many_at_once() {
    let service = TestService::start().await;
    let body = Bytes::from(service.simulate(Kind::Sgx, &SimulateOptions::default()).request.to_string());
    let io = hyper_util::rt::TokioIo::new(service.tls(true).await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (mut sender, body) = (sender.clone(), body.clone());
            tokio::spawn(async move {
                let request = Request::post(format!("https://localhost{SGX}")).body(Full::new(body)).unwrap();
                Reply::read(sender.send_request(request).await.unwrap()).await.claims()["jti"].to_string()
            })
        })
        .collect();
    let mut ids = std::collections::HashSet::new();
    for task in tasks {
        ids.insert(task.await.unwrap());
    }
    assert_eq!(ids.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_end_in_429_with_retry_after() {
    let settings =
        "[limits]\nrequests_per_second_per_source = 1\nburst = 5\ndrafts_per_minute_per_source = 1";
    let overrides =
        Overrides { operations_listen: Some("127.0.0.1:0".parse().unwrap()), ..Overrides::default() };
    let service = TestService::with(settings, &overrides).await;
    let mut body = service.simulate(Kind::Sgx, &SimulateOptions::default()).request;
    body["draftPolicyForAttestation"] =
        "version=1.0; authorizationrules{=> permit();}; issuancerules{};".into();
    service.post(SGX, body.to_string()).await.ok();
    let reply = service.post(SGX, body.to_string()).await;
    assert_eq!(reply.problem(), (429, "TooManyRequests".into(), "rate-limited".into()));
    assert!(reply.message().contains("draft policies"), "{}", reply.message());
    let seconds: u32 = reply.header("retry-after").parse().unwrap();
    assert!((30..=60).contains(&seconds), "{seconds}");
    let mut limited = None;
    for _ in 0..100 {
        let reply = service.get("/certs").await;
        if reply.status == 429 {
            limited = Some(reply);
            break;
        }
    }
    let limited = limited.expect("the budget of the source ends");
    assert_eq!((limited.header("retry-after"), limited.problem().2.as_str()), ("1", "rate-limited"));
    assert_eq!(service.get("/readyz").await.status, 200, "health is not limited");
    // Whoever is turned away is counted under the route that was meant.
    let metrics = get_plain(service.operations.unwrap(), "/metrics").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(metrics.contains("assay_requests_total{route=\"/certs\",status=\"4xx\"} 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_has_a_budget_of_its_own() {
    let service = TestService::with(PLAIN, &Overrides::default()).await;
    let (mut answers, mut requests) =
        tokio::net::TcpStream::connect(service.address).await.unwrap().into_split();
    let many = "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n".repeat(5_000)
        + "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let (sent, answers) = tokio::join!(requests.write_all(many.as_bytes()), read_to_end(&mut answers));
    sent.unwrap();
    let (ready, limited) =
        (answers.matches("HTTP/1.1 200 ").count(), answers.matches("HTTP/1.1 429 ").count());
    assert!(ready >= 1_000, "{ready}");
    assert!(limited > 0);
    assert_eq!(ready + limited, 5_001);
    get_plain(service.address, "/certs").await.ok();
}

/// One request without TLS.
async fn get_plain(address: std::net::SocketAddr, path: &str) -> Reply {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(path).header("host", "x").body(Full::<Bytes>::default()).unwrap();
    Reply::read(sender.send_request(request).await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_http_is_plain() {
    let settings = "public_url = \"https://attest.example.org\"\n[tls]\ndisabled = true";
    let service = TestService::with(settings, &Overrides::default()).await;
    let configuration = get_plain(service.address, "/.well-known/openid-configuration").await;
    assert_eq!(configuration.ok()["issuer"], "https://attest.example.org");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_running_requests_finish() {
    let mut service = TestService::start().await;
    let body = service.simulate(Kind::Sgx, &SimulateOptions::default()).request.to_string();
    let mut stream = service.tls(false).await;
    let head = format!("POST {SGX} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    let (first, rest) = body.split_at(100);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    // The server has the request in hand once another connection was answered after it.
    service.get("/certs").await.ok();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stopped = service.stop();
    while tokio::net::TcpStream::connect(service.address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stream.write_all(rest.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains(r#"{"token":"#), "{answer}");
    tokio::time::timeout(PATIENCE, stopped).await.expect("the server ends").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hangup_brings_a_new_certificate_and_a_broken_one_changes_nothing() {
    let service = TestService::start().await;
    let serial = async || {
        let stream = service.tls(false).await;
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let tls = service.app.config.tls.clone();
    let before = serial().await;
    let (old_certificate, old_key) = (std::fs::read(&tls.cert).unwrap(), std::fs::read(&tls.key).unwrap());

    std::fs::write(&tls.cert, "no certificate").unwrap();
    hang_up();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(serial().await, before, "the old one is served on");

    // A fresh one from another service's authority: the client does not trust it, so look at it alone.
    let other = TestService::start().await;
    std::fs::copy(&other.app.config.tls.cert, &tls.cert).unwrap();
    std::fs::copy(&other.app.config.tls.key, &tls.key).unwrap();
    hang_up();
    let ca = other.data().join("tls/ca.pem");
    let mut changed = false;
    for _ in 0..100 {
        changed = common::connect(service.address, &ca, false).await.is_ok();
        if changed {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(changed, "the new certificate is served");
    let request = Request::get("/certs").body(Full::default()).unwrap();
    let stream = common::connect(service.address, &ca, false).await.unwrap();
    Reply::read(exchange(stream, request).await.unwrap()).await.ok();
    std::fs::write(&tls.cert, old_certificate).unwrap();
    std::fs::write(&tls.key, old_key).unwrap();
}

/// Every service of this process reads its files anew; those of other tests find theirs unchanged.
fn hang_up() {
    let status = std::process::Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status();
    assert!(status.unwrap().success());
}

#[test]
fn certificates_that_cannot_be_served() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    let problem = || ServerCertificate::load(&certificate, &key).unwrap_err().to_string();
    assert!(problem().contains("c.pem` cannot be read"), "{}", problem());
    std::fs::write(&certificate, "").unwrap();
    assert!(
        problem().ends_with("has no certificate; it must be PEM, the server's own first"),
        "{}",
        problem()
    );
    let signing = assay_token::SoftwareKey::generate(assay_token::Algorithm::Es256).unwrap();
    let der = assay_token::self_signed_certificate(&signing, "localhost", 1, 2).unwrap();
    std::fs::write(&certificate, pem("CERTIFICATE", &der)).unwrap();
    std::fs::write(&key, "").unwrap();
    assert!(problem().contains("k.pem` has no private key in PEM"), "{}", problem());
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}
