//! The metrics of the hardware identity service, and who may read them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use std::net::{SocketAddr, TcpListener};

use assay_service::config::Overrides;
use bytes::Bytes;
use common::{Reply, TestService};
use http::Request;
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use serde_json::json;

/// Simulations publish none.
const QVE: &str = "/sgx/certification/v4/qve/identity";
const TOKEN: &str = "of Prometheus";

fn operations() -> Overrides {
    Overrides { operations_listen: Some("127.0.0.1:0".parse().unwrap()), ..Overrides::default() }
}

async fn scrape(address: SocketAddr, token: Option<&str>) -> Reply {
    let stream = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::get("/metrics").header("host", "x");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    Reply::read(sender.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap()).await
}

async fn page(service: &TestService) -> String {
    let reply = scrape(service.operations.unwrap(), None).await;
    assert_eq!(reply.status, 200);
    String::from_utf8(reply.body.to_vec()).unwrap()
}

fn has(page: &str, line: &str) {
    assert!(page.lines().any(|found| found == line), "{line}\n{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_tell_how_they_are() {
    // Taken, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    drop(silent);
    let settings = format!(
        "[egress]\nallow = [\"localhost:{port}\"]\n[[collateral.upstreams]]\nkind = \"pccs\"\nname = \"cache\"\n\
         url = \"https://localhost:{port}\"\nretries = 0\nrequests_per_second = 0.001\nburst = 100\n"
    );
    let service = TestService::with(&settings, &operations()).await;
    assert_eq!(service.get(QVE).await.status, 200, "the simulated vendors have it");
    let state = |asker: &str, upstream: &str, state: &str, value: u8| {
        let labels = format!("upstream=\"{upstream}\",asker=\"{asker}\",state=\"{state}\"");
        format!("assay_identity_upstream_state{{{labels}}} {value}")
    };
    // The service asks for AMD's lists by itself, and five failures in a row are enough.
    let mut page = String::new();
    for _ in 0..400 {
        page = self::page(&service).await;
        if page.contains(&state("own", "cache", "open", 1)) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for (name, expected) in [("closed", 0), ("half-open", 0), ("open", 1)] {
        has(&page, &state("own", "cache", name, expected));
        has(&page, &state("own", "simulated", name, u8::from(name == "closed")));
        has(&page, &state("stranger", "simulated", name, u8::from(name == "closed")));
    }
    let value = |name: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name}\n{page}")).trim().parse().unwrap()
    };
    let failures =
        value("assay_identity_upstream_failures_total{upstream=\"cache\",code=\"upstream-unavailable\"}");
    let asked = value("assay_identity_upstream_asked_total{upstream=\"cache\"}");
    // The service asks for lists meanwhile.
    assert!(failures >= 1.0 && failures <= asked, "{failures} of {asked}");
    let left = value("assay_identity_upstream_questions_left{upstream=\"cache\"}");
    assert!((50.0..100.0).contains(&left), "{left} after {asked}");
    assert!(!page.contains("questions_left{upstream=\"simulated\"}"), "files and simulations have no limit");
    has(&page, "assay_identity_upstream_throttled_seconds{upstream=\"cache\"} 0");
    assert!(value("assay_identity_upstream_answered_total{upstream=\"simulated\"}") >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn baselines_tell_their_dates() {
    let service = TestService::with("", &operations()).await;
    assert!(!page(&service).await.contains("assay_identity_baseline_number{"), "nothing is pinned");
    let now = service.app.clock.now();
    let (from, next) = (assay_verify::UnixTime(now.0 - 100), assay_verify::UnixTime(now.0 + 1000));
    let pins = json!([
        {"number": 17, "from": from.to_string(), "graceSeconds": 600, "provider": null},
        {"number": 18, "from": next.to_string(), "graceSeconds": 0, "provider": null},
    ]);
    let request = Request::put("/v1/baselines")
        .header("authorization", format!("Bearer {}", service.admin))
        .header("content-type", "application/json");
    let request = request.body(Full::from(pins.to_string())).unwrap();
    assert_eq!(service.send(request).await.status, 200);
    let page = page(&service).await;
    has(&page, "assay_identity_baseline_number{provider=\"*\"} 17");
    let line = |name: &str, time: i64| {
        format!("assay_identity_baseline_{name}_timestamp_seconds{{provider=\"*\"}} {time}")
    };
    has(&page, &line("effective", from.0));
    has(&page, &line("grace_until", from.0 + 600));
    has(&page, &line("expiry", next.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_a_token_of_their_own() {
    // SHA-512 of the token.
    let settings = "[operations]\nmetrics_token_sha512 = \"d2d851d906d19718c200f7730bef27fb9455b4b3cbd5e7efd0b5a33e7bf47434f52e595e23b55cde05ddb63f2dc5213b4607c40cd40a1f006f32a177813fdcb3\"\n";
    let service = TestService::with(settings, &operations()).await;
    let address = service.operations.unwrap();
    assert_eq!(scrape(address, Some(TOKEN)).await.status, 200);
    for other in [None, Some("other"), Some(&*service.admin)] {
        let reply = scrape(address, other).await;
        assert_eq!(reply.status, 401);
        assert!(!String::from_utf8_lossy(&reply.body).contains("assay_"), "{other:?}");
    }
    assert_eq!(service.get("/metrics").await.status, 404, "not where nodes ask");
}
