//! The agent on loopback, beside a central service of simulated silicon.
#![allow(clippy::arithmetic_side_effects, clippy::print_stderr, reason = "tests")]

use std::sync::{Mutex, OnceLock};

use assay_silicon::amd::{Amd, Chip, ChipSpec, ReportSpec, VekKind};
use assay_silicon::intel::{Intel, Platform, PlatformSpec};
use assay_verify::AnchorOrigin;
use assay_verify::snp::AmdAuthority;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;
use crate::egress::Roots;
use crate::egress::tests::{TestAnswer, TestServer};
use crate::percent;

/// One simulated AMD for all tests: its keys take seconds to make.
fn amd() -> &'static Mutex<Amd> {
    static AMD: OnceLock<Mutex<Amd>> = OnceLock::new();
    AMD.get_or_init(|| Mutex::new(Amd::new(now())))
}

/// One simulated Intel for all tests.
fn intel() -> &'static Intel {
    static INTEL: OnceLock<Intel> = OnceLock::new();
    INTEL.get_or_init(|| Intel::generate(now()).unwrap())
}

pub(super) fn now() -> i64 {
    Clock::system().now().0
}

/// A new chip.
pub(super) fn chip(spec: &ChipSpec) -> Chip {
    amd().lock().unwrap().chip(spec, now()).unwrap()
}

/// A VLEK is no answer to the question for a chip's own key.
pub(super) fn vlek() -> Chip {
    chip(&ChipSpec::new(assay_silicon::amd::Product::Milan, VekKind::Vlek))
}

pub(super) fn identity(chip: &Chip) -> SnpIdentity {
    SnpIdentity::of_report(&chip.report(&ReportSpec::default()).unwrap(), None).unwrap()
}

/// The vendors and the simulated ones; call it after the chips are made.
pub(super) fn anchors() -> TrustAnchors {
    let anchors = TrustAnchors::vendor().with_intel_root(intel().root_public_key(), AnchorOrigin::Simulated);
    amd().lock().unwrap().authorities().iter().fold(anchors, |anchors, known| {
        let (intermediate, root) = (&known.intermediate, &known.root);
        let authority = AmdAuthority::from_certificates(intermediate, root, AnchorOrigin::Simulated);
        anchors.with_amd_authority(authority.unwrap())
    })
}

pub(super) fn platform() -> Platform {
    intel().platform(&PlatformSpec::default(), now()).unwrap()
}

pub(super) fn sgx_identity(platform: &Platform) -> SgxIdentity {
    let spec = platform.spec();
    SgxIdentity {
        encrypted_ppid: vec![0xe0; 384],
        pce_id: spec.pce_id,
        cpu_svn: spec.cpu_svn_components,
        pce_svn: spec.pce_svn.to_le_bytes(),
        qe_id: platform.qe_id(),
    }
}

/// Intel's answer for a platform.
pub(super) fn pckcert(platform: &Platform) -> TestAnswer {
    let pem = platform.pck_certificate_chain_pem();
    let end = "-----END CERTIFICATE-----\n";
    let (leaf, chain) = pem.split_at(pem.find(end).unwrap() + end.len());
    let spec = platform.spec();
    let svn = [&spec.cpu_svn_components[..], &spec.pce_svn.to_le_bytes()].concat();
    let headers =
        vec![("sgx-pck-certificate-issuer-chain", percent::encode(chain)), ("sgx-tcbm", hex::encode(svn))];
    (200, headers, leaf.as_bytes().to_vec())
}

/// A central service that knows these machines and no others.
pub(super) async fn central(chips: &[(SnpIdentity, Vec<u8>)], platform: Option<&Platform>) -> TestServer {
    let veks: Vec<(String, Vec<u8>)> = chips.iter().map(|(id, vek)| (id.vcek_path(), vek.clone())).collect();
    let pck = platform.map(|platform| (sgx_identity(platform).pckcert_path(), pckcert(platform)));
    TestServer::start_with_headers(move |path| {
        if let Some((_, vek)) = veks.iter().find(|(known, _)| known == path) {
            return (200, Vec::new(), vek.clone());
        }
        match &pck {
            Some((known, answer)) if known == path => answer.clone(),
            _ => (404, Vec::new(), Vec::new()),
        }
    })
    .await
}

pub(super) fn upstream(server: &TestServer) -> Upstream {
    let roots = Roots::none().with_pem(server.ca_pem.as_bytes()).unwrap();
    Upstream::new(&server.url(""), roots, Duration::from_secs(5)).unwrap()
}

/// The line of Intel's tool for a platform.
fn pckid_line(identity: &SgxIdentity) -> String {
    let SgxIdentity { encrypted_ppid, pce_id, cpu_svn, pce_svn, qe_id } = identity;
    [&encrypted_ppid[..], pce_id, cpu_svn, pce_svn, qe_id].map(hex::encode).join(",")
}

struct TestAgent {
    address: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
}

impl TestAgent {
    async fn start(config: AgentConfig) -> Self {
        let listener = bind("127.0.0.1:0".parse().unwrap(), true).await.unwrap();
        let address = listener.address();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let stop = async { drop(stopped.await) };
            serve(config, listener, Clock::system(), stop).await.unwrap();
        });
        Self { address, stop: Some(stop) }
    }

    /// Sends these lines, and gives status and whole answer.
    async fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = request.replace("HOST", &self.address.to_string());
        stream.write_all(format!("{request}\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: HOST\r\nMetadata: true")).await
    }
}

fn config(upstream: Upstream, snp: Option<SnpSource>, sgx: Option<SgxSource>) -> AgentConfig {
    AgentConfig { snp, sgx, upstream, cache: None, anchors: anchors(), reread: REREAD }
}

const AMD: &str = "/metadata/THIM/amd/certification";

#[tokio::test]
async fn guests_get_their_own_certificate_and_nothing_else() {
    let chip = chip(&ChipSpec::default());
    let server = central(&[(identity(&chip), chip.vek().to_vec())], None).await;
    let agent =
        TestAgent::start(config(upstream(&server), Some(SnpSource::Given(identity(&chip))), None)).await;
    let (status, answer) = agent.get(AMD).await;
    assert_eq!(status, 200, "{answer}");
    let body: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    assert_eq!(text("vcekCert") + &text("certificateChain"), chip.chain_pem());
    let tcb: Vec<u8> = identity(&chip).reported_tcb.0.into_iter().rev().collect();
    assert_eq!((text("tcbm"), text("cacheControl")), (hex::encode_upper(tcb), "86400".to_owned()));
    assert!(answer.contains("content-type: application/json; charset=utf-8\r\n"), "{answer}");

    let head = "HTTP/1.1\r\nHost: HOST\r\nMetadata: true";
    let cases = [
        (format!("GET {} {head}", AMD.to_lowercase()), 200, "vcekCert"),
        (format!("GET {AMD}?api-version=1&x={} {head}", "y".repeat(500)), 200, "vcekCert"),
        (format!("GET {AMD} HTTP/1.1\r\nHost: HOST\r\nmetadata: True"), 200, "vcekCert"),
        (format!("GET {AMD} HTTP/1.1\r\nHost: localhost\r\nMetadata: true"), 200, "vcekCert"),
        (
            format!("GET {AMD} HTTP/1.1\r\nHost: HOST"),
            400,
            r#"{"error":"Bad request. Required metadata header not specified"}"#,
        ),
        (format!("GET {AMD} {head}\r\nX-Forwarded-For: 10.0.0.1"), 400, "through a proxy"),
        (format!("GET {AMD} {head}\r\nVia: 1.1 p"), 400, "through a proxy"),
        (format!("GET http://HOST{AMD} {head}"), 400, "through a proxy"),
        (format!("GET {AMD} HTTP/1.1\r\nHost: evil.example\r\nMetadata: true"), 400, "Host header"),
        (format!("GET {AMD} HTTP/1.0\r\nMetadata: true"), 400, "Host header"),
        (format!("POST {AMD} {head}\r\nContent-Length: 0"), 405, "allow: GET"),
        (format!("GET /metadata/instance {head}"), 404, r#"{"error":"Not found"}"#),
        (format!("GET /metadata/THIM/sgx/certification/v4/pckcert {head}"), 404, "no SGX certificate"),
        ("GET /readyz HTTP/1.1\r\nHost: HOST".to_owned(), 200, "ready"),
    ];
    for (request, expected, part) in cases {
        let (status, answer) = agent.ask(&request).await;
        assert_eq!(status, expected, "{request}\n{answer}");
        assert!(answer.contains(part), "{request}\n{answer}");
    }
    assert_eq!(server.requests.lock().unwrap().len(), 1, "guests make no requests to the central service");
    drop(agent.stop);
}

#[tokio::test]
async fn platforms_get_intels_headers_and_azures_members() {
    let platform = platform();
    let own = sgx_identity(&platform);
    let server = central(&[], Some(&platform)).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pckid.csv");
    std::fs::write(&file, pckid_line(&own)).unwrap();
    let agent = TestAgent::start(config(upstream(&server), None, Some(SgxSource(file)))).await;
    let query = format!(
        "qeid={}&encrypted_ppid={}&cpusvn={}&pcesvn={}&pceid={}&api-version=2021-07-22-preview",
        hex::encode_upper(own.qe_id),
        "00".repeat(384),
        hex::encode_upper(own.cpu_svn),
        hex::encode_upper(own.pce_svn),
        hex::encode_upper(own.pce_id)
    );
    let (_, headers, _) = pckcert(&platform);
    for version in ["v3", "v4"] {
        let (status, answer) =
            agent.get(&format!("/metadata/THIM/sgx/certification/{version}/pckcert?{query}")).await;
        assert_eq!(status, 200, "{answer}");
        let body = answer.split("\r\n\r\n").nth(1).unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert!(body["pckCert"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----\n"));
        assert!(body["sgx-Tcbm"].as_str().unwrap().eq_ignore_ascii_case(&headers[1].1));
        assert_eq!(body["sgx-Pck-Certificate-Issuer-Chain"], headers[0].1);
        for part in [
            format!("sgx-pck-certificate-issuer-chain: {}\r\n", headers[0].1),
            format!("sgx-fmspc: {}\r\n", hex::encode_upper(platform.fmspc())),
            format!("sgx-pck-certificate-ca-type: {}\r\n", platform.ca().name()),
            "cache-control: max-age=86400\r\n".to_owned(),
        ] {
            assert!(answer.contains(&part), "{part} is not in {answer}");
        }
    }
    let other = query.replacen(&hex::encode_upper(own.qe_id), &"00".repeat(16), 1);
    let (status, answer) = agent.get(&format!("/metadata/THIM/sgx/certification/v4/pckcert?{other}")).await;
    assert_eq!(status, 404, "{answer}");
    assert_eq!(server.requests.lock().unwrap().len(), 1);
    drop(agent.stop);
}

#[tokio::test]
async fn without_a_certificate_guests_are_told_to_come_back() {
    let chip = chip(&ChipSpec::default());
    let platform = platform();
    let server =
        TestServer::start_with_headers(|_| (503, vec![("retry-after", "77".to_owned())], b"no".to_vec()))
            .await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pckid.csv");
    std::fs::write(&file, pckid_line(&sgx_identity(&platform))).unwrap();
    let snp = SnpSource::Given(identity(&chip));
    let agent = TestAgent::start(config(upstream(&server), Some(snp), Some(SgxSource(file)))).await;
    let (status, answer) = agent.get(AMD).await;
    assert_eq!(status, 503, "{answer}");
    let wait = answer.split("retry-after: ").nth(1).unwrap().split('\r').next().unwrap();
    assert!((70..=97).contains(&wait.parse::<u32>().unwrap()), "{wait}");
    assert!(answer.contains(r#"{"error":"The certificate is not available yet. Try again later"}"#));
    // Intel's library retries only an empty 503 without a trace of a success in it.
    let (status, answer) = agent.get("/metadata/THIM/sgx/certification/v4/pckcert?qeid=00").await;
    assert_eq!(status, 503, "{answer}");
    assert!(answer.ends_with("\r\n\r\n") && !answer.contains("sgx-"), "{answer}");
    let (status, _) = agent.ask("GET /readyz HTTP/1.1\r\nHost: HOST").await;
    assert_eq!(status, 503);
    drop(agent.stop);
}

#[tokio::test]
async fn a_machine_that_cannot_say_what_it_is_is_not_served() {
    let server = central(&[], None).await;
    let nowhere = SnpSource::Tsm { folder: "/nonexistent/tsm".into(), product: None };
    let listener = bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
    let served = serve(
        config(upstream(&server), Some(nowhere), None),
        listener,
        Clock::system(),
        std::future::pending(),
    );
    let error = served.await.unwrap_err();
    assert_eq!(error.code(), "identity-file");
    assert!(error.help().unwrap().contains("configfs"));
}

#[tokio::test]
async fn one_source_has_its_budget() {
    let chip = chip(&ChipSpec::default());
    let server = central(&[(identity(&chip), chip.vek().to_vec())], None).await;
    let agent =
        TestAgent::start(config(upstream(&server), Some(SnpSource::Given(identity(&chip))), None)).await;
    let mut statuses = Vec::new();
    for _ in 0..260 {
        statuses.push(agent.get("/nothing").await.0);
    }
    let (status, answer) = agent.get(AMD).await;
    assert_eq!(statuses[..200], [404; 200]);
    assert!(statuses.contains(&429) || status == 429, "{answer}");
    drop(agent.stop);
}

#[tokio::test]
async fn a_firmware_update_changes_the_certificate() {
    let spec = ChipSpec::default();
    let old = chip(&spec);
    let tcb = assay_silicon::amd::Tcb { snp: spec.tcb.snp + 1, ..spec.tcb };
    let new = chip(&ChipSpec { tcb, chip_id: Some(old.chip_id()), ..spec });
    let known = [(identity(&old), old.vek().to_vec()), (identity(&new), new.vek().to_vec())];
    let server = central(&known, None).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("report.bin");
    let report = |chip: &Chip| chip.report(&ReportSpec::default()).unwrap();
    std::fs::write(&file, report(&old)).unwrap();
    let source = SnpSource::Report { file: file.clone(), product: None };
    let config =
        AgentConfig { reread: Duration::from_millis(50), ..config(upstream(&server), Some(source), None) };
    let agent = TestAgent::start(config).await;
    let tcbm = |chip: &Chip| crate::thim::answer::tcbm(identity(chip).reported_tcb);
    assert!(agent.get(AMD).await.1.contains(&tcbm(&old)));
    // As the guest device gives it, with a page for the host's certificates behind it.
    std::fs::write(&file, [report(&new), vec![0; 4096]].concat()).unwrap();
    for _ in 0..100 {
        if agent.get(AMD).await.1.contains(&tcbm(&new)) {
            assert_eq!(server.requests.lock().unwrap().len(), 2);
            drop(agent.stop);
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the agent serves the old certificate");
}
