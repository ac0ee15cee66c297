//! `kill -9` at random moments during policy writes and attestations: nothing acknowledged is lost, the chain verifies.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assay_service::egress::{Client, EgressPolicy, Roots};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::Value;

/// How often the service is killed; the environment can ask for fewer while working on the test.
fn rounds() -> u64 {
    std::env::var("KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

/// A service that is killed when it is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(data: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = common::command(["serve", "--dev", "--data"])
            .arg(data)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL: nothing of the service runs any more after this.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What the service acknowledged, over all rounds.
#[derive(Default)]
struct Acknowledged {
    tokens: Mutex<BTreeSet<String>>,
    /// The number in the last policy that was acknowledged, and in the last one that was sent.
    policy: AtomicU64,
    sent: AtomicU64,
}

struct Caller {
    client: Client,
    base: String,
    bearer: String,
    request: Bytes,
}

impl Caller {
    fn new(data: &Path, port: u16, request: &Bytes) -> Self {
        let ca = std::fs::read(data.join("tls/ca.pem")).unwrap();
        let policy = EgressPolicy { allow_loopback: true, ..EgressPolicy::default() };
        let token = std::fs::read_to_string(data.join("dev/admin.token")).unwrap();
        Self {
            client: Client::new(policy, Roots::none().with_pem(&ca).unwrap()).unwrap(),
            base: format!("https://localhost:{port}"),
            bearer: format!("Bearer {}", token.trim()),
            request: request.clone(),
        }
    }

    /// Whether the service came to answer. It ends at once where someone else took its port.
    async fn is_ready(&self, server: &mut Server) -> bool {
        for _ in 0..400 {
            let ready = self.client.get(&format!("{}/readyz", self.base), &[]).await;
            if ready.is_ok_and(|response| response.status == 200) {
                return true;
            }
            if server.child.try_wait().unwrap().is_some() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the service is not ready after 10 seconds");
    }

    async fn attest(&self) -> Option<String> {
        let url = format!("{}/attest/SgxEnclave?api-version=2020-10-01", self.base);
        let headers = [("content-type", "application/json")];
        let response = self.client.post(&url, &headers, self.request.clone()).await.ok()?;
        assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        Some(claims(answer["token"].as_str().unwrap())["jti"].as_str().unwrap().to_owned())
    }

    async fn set_policy(&self, number: u64) -> Option<()> {
        let text = format!(
            "version=1.0; authorizationrules{{=> permit();}}; issuancerules{{=> issue(type=\"number\", value={number});}};"
        );
        let payload = serde_json::json!({ "AttestationPolicy": URL_SAFE_NO_PAD.encode(text) }).to_string();
        let jws = format!("eyJhbGciOiJub25lIn0.{}.", URL_SAFE_NO_PAD.encode(payload));
        let headers = [("content-type", "text/plain"), ("authorization", self.bearer.as_str())];
        let response = self.client.put(&self.policy_url(), &headers, jws.into()).await.ok()?;
        assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
        Some(())
    }

    /// The number in the active policy.
    async fn active_policy(&self) -> u64 {
        let response =
            self.client.get(&self.policy_url(), &[("authorization", self.bearer.as_str())]).await.unwrap();
        let answer: Value = serde_json::from_slice(&response.body).unwrap();
        let claims = claims(answer["token"].as_str().unwrap());
        let document = crate::claims(claims["x-ms-policy"].as_str().unwrap());
        let text = URL_SAFE_NO_PAD.decode(document["AttestationPolicy"].as_str().unwrap()).unwrap();
        let text = String::from_utf8(text).unwrap();
        let number = text.split("value=").nth(1).map(|rest| rest.split(')').next().unwrap().to_owned());
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    fn policy_url(&self) -> String {
        format!("{}/policies/SgxEnclave?api-version=2020-10-01", self.base)
    }
}

/// The payload of a compact JWS.
fn claims(jws: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jws.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// Attests and sets policies until the service dies.
async fn keep_busy(caller: Arc<Caller>, acknowledged: Arc<Acknowledged>, alive: Arc<AtomicBool>) {
    let attest = async {
        while alive.load(Ordering::Relaxed) {
            if let Some(id) = caller.attest().await {
                acknowledged.tokens.lock().unwrap().insert(id);
            }
        }
    };
    let write = async {
        while alive.load(Ordering::Relaxed) {
            let number = acknowledged.sent.fetch_add(1, Ordering::Relaxed) + 1;
            if caller.set_policy(number).await.is_some() {
                acknowledged.policy.store(number, Ordering::Relaxed);
            }
        }
    };
    tokio::join!(attest, write);
}

#[test]
fn killing_the_service_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let sample = folder.path().join("sample");
    let simulated =
        common::run(["simulate", "sgx", "--out", sample.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    assert_eq!(simulated.code, 0, "{simulated:?}");
    let request = Bytes::from(std::fs::read(sample.join("request.json")).unwrap());
    let acknowledged = Arc::new(Acknowledged::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // Moments from 0 to 60 ms after the first answer, in an order that looks random and is the same each time.
    for round in 0..rounds() {
        runtime.block_on(async {
            let (server, caller) = match start_ready(&data, &request).await {
                Some(started) => started,
                None => start_ready(&data, &request).await.expect("the service starts on a second port"),
            };
            let active = caller.active_policy().await;
            let (kept, sent) =
                (acknowledged.policy.load(Ordering::Relaxed), acknowledged.sent.load(Ordering::Relaxed));
            assert!(
                (kept..=sent).contains(&active),
                "round {round}: policy {active}, acknowledged {kept}, sent {sent}"
            );
            let alive = Arc::new(AtomicBool::new(true));
            let busy =
                tokio::spawn(keep_busy(Arc::clone(&caller), Arc::clone(&acknowledged), Arc::clone(&alive)));
            tokio::time::sleep(Duration::from_millis(round.wrapping_mul(0x9e37_79b9) % 61)).await;
            drop(server);
            alive.store(false, Ordering::Relaxed);
            busy.await.unwrap();
        });
    }
    check_everything_is_there(&data, &acknowledged);
}

/// A service that answers, and a caller of it.
async fn start_ready(data: &Path, request: &Bytes) -> Option<(Server, Arc<Caller>)> {
    let mut server = Server::start(data);
    wait_for_files(data, &mut server).await?;
    let caller = Caller::new(data, server.port, request);
    caller.is_ready(&mut server).await.then(|| (server, Arc::new(caller)))
}

async fn wait_for_files(data: &Path, server: &mut Server) -> Option<()> {
    for _ in 0..400 {
        if data.join("tls/ca.pem").exists() && data.join("dev/admin.token").exists() {
            return Some(());
        }
        if server.child.try_wait().unwrap().is_some() {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the service did not make its files");
}

fn check_everything_is_there(data: &Path, acknowledged: &Acknowledged) {
    let verified = common::run(["audit", "verify", "--data", data.to_str().unwrap()]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let tokens = acknowledged.tokens.lock().unwrap();
    assert!(tokens.len() >= usize::try_from(rounds() / 2).unwrap(), "only {} tokens", tokens.len());
    assert!(acknowledged.policy.load(Ordering::Relaxed) >= rounds() / 4, "too few policies were written");
    let out = data.join("exported");
    // Every token of the last rounds, and a sample of the others: each look-up opens the store anew.
    let step = (tokens.len() / 50).max(1);
    for (index, id) in tokens.iter().enumerate().filter(|(index, _)| index % step == 0) {
        let out = out.join(index.to_string());
        let exported = common::run([
            "audit",
            "export",
            &id[..32],
            "--out",
            out.to_str().unwrap(),
            "--data",
            data.to_str().unwrap(),
        ]);
        assert_eq!(exported.code, 0, "the record of token {id} is lost: {exported:?}");
    }
}
