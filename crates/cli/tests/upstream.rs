//! `assay simulate pckid` and `assay simulate upstream`, over TLS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use assay_service::egress::{Client, EgressError, EgressPolicy, Response, Roots};
use bytes::Bytes;
use common::{command, run_in};
use serde_json::{Value, json};
use tempfile::TempDir;

const SERVER: &str = "53494D000002";

/// `assay simulate upstream` in a folder of its own; its data are in `d`.
struct Upstream {
    folder: TempDir,
    child: Child,
    stdout: BufReader<ChildStdout>,
    url: String,
    ca: String,
}

impl Upstream {
    fn start(options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut child = command(["simulate", "upstream", "--data", "d"])
            .args(options)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).expect("one line of JSON");
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        Self { url: text("url"), ca: text("authority"), folder, child, stdout }
    }

    fn client(&self) -> Client {
        let ca = std::fs::read(self.folder.path().join(&self.ca)).unwrap();
        let policy = EgressPolicy { allow_loopback: true, ..EgressPolicy::default() };
        Client::new(policy, Roots::none().with_pem(&ca).unwrap()).unwrap()
    }

    fn try_get(&self, path: &str) -> Result<Response, EgressError> {
        let url = format!("{}{path}", self.url);
        runtime().block_on(async { self.client().get(&url, &[]).await })
    }

    fn get(&self, path: &str) -> Response {
        self.try_get(path).unwrap()
    }

    fn post(&self, path: &str, media_type: &str, body: Vec<u8>) -> Response {
        let url = format!("{}{path}", self.url);
        let headers = [("content-type", media_type)];
        runtime().block_on(async { self.client().post(&url, &headers, Bytes::from(body)).await }).unwrap()
    }

    /// Asks it to stop, and gives its exit code and what else it wrote to standard output.
    fn stop(mut self) -> (i32, String) {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let code = self.child.wait().unwrap().code().unwrap();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (code, rest)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn tcb() -> String {
    format!("/sgx/certification/v4/tcb?fmspc={SERVER}")
}

#[test]
fn a_machine_is_registered_and_certified() {
    let upstream = Upstream::start(&[]);
    let made = run_in(upstream.folder.path(), "simulate pckid --data d --out p");
    assert_eq!((made.code, made.stdout.as_str()), (0, ""), "{made:?}");
    let line = std::fs::read_to_string(upstream.folder.path().join("p/pckid.csv")).unwrap();
    let fields: Vec<&str> = line.trim_end().split(',').collect();
    let [encrypted_ppid, pce_id, cpu_svn, pce_svn, qe_id, manifest] = fields[..] else {
        panic!("{line:.80}")
    };
    assert_eq!((encrypted_ppid.len(), qe_id.len()), (768, 32));
    let pckcert = format!(
        "/sgx/certification/v4/pckcert?encrypted_ppid={encrypted_ppid}&cpusvn={cpu_svn}&pcesvn={pce_svn}&pceid={pce_id}"
    );
    assert_eq!(upstream.get(&pckcert).status, 404, "its manifest is missing");
    let bytes = std::fs::read(upstream.folder.path().join("p/manifest.bin")).unwrap();
    assert_eq!(hex::encode(&bytes), manifest);
    let registered = upstream.post("/sgx/registration/v1/platform", "application/octet-stream", bytes);
    assert_eq!((registered.status.as_u16(), registered.body.len()), (201, 32));
    let certificate = upstream.get(&pckcert);
    assert_eq!(certificate.status, 200);
    assert!(certificate.body.starts_with(b"-----BEGIN CERTIFICATE-----\n"));
    for name in ["sgx-tcbm", "sgx-fmspc", "sgx-pck-certificate-ca-type", "sgx-pck-certificate-issuer-chain"] {
        assert!(certificate.headers.contains_key(name), "{name}");
    }
    let counts: Value = serde_json::from_slice(&upstream.get("/requests").body).unwrap();
    let expected = json!({"GET /sgx/certification/v4/pckcert": 2, "POST /sgx/registration/v1/platform": 1});
    assert_eq!(counts, expected);
    assert_eq!(upstream.stop(), (0, String::new()));
}

#[test]
fn other_machines_need_no_manifest() {
    let folder = TempDir::new().unwrap();
    for options in ["--ca processor", "--registered"] {
        let made = run_in(folder.path(), &format!("simulate pckid --data d --out p {options}"));
        assert_eq!(made.code, 0, "{made:?}");
        let line = std::fs::read_to_string(folder.path().join("p/pckid.csv")).unwrap();
        assert_eq!(line.split(',').count(), 5, "{options}");
        assert!(!folder.path().join("p/manifest.bin").exists());
    }
}

#[test]
fn the_chip_of_a_simulated_guest_is_certified() {
    let upstream = Upstream::start(&["--vcek-interval", "60"]);
    let made = run_in(upstream.folder.path(), "simulate snp --data d --out g");
    assert_eq!(made.code, 0, "{made:?}");
    let report = std::fs::read(upstream.folder.path().join("g/evidence.bin")).unwrap();
    let hwid = hex::encode(&report[0x1a0..0x1e0]);
    let path = format!("/vcek/v1/Milan/{hwid}?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219");
    let vcek = upstream.get(&path);
    assert_eq!(
        (vcek.status.as_u16(), &vcek.headers["content-type"]),
        (200, &"application/pkix-cert".parse().unwrap())
    );
    let chain = upstream.get("/vcek/v1/Milan/cert_chain");
    // What `assay verify` makes of the certificates that were fetched.
    std::fs::write(upstream.folder.path().join("vek.der"), &vcek.body).unwrap();
    std::fs::write(upstream.folder.path().join("chain.pem"), &chain.body).unwrap();
    let judged = run_in(
        upstream.folder.path(),
        "verify snp g/evidence.bin --vek vek.der --chain chain.pem --data d --format json",
    );
    assert_eq!((judged.code, &judged.json()["outcome"]), (0, &json!("genuine")), "{judged:?}");
    let throttled = upstream.get(&path);
    assert_eq!(throttled.status, 429);
    assert!(throttled.headers.contains_key("retry-after"));
    let counts = upstream.get("/requests").body;
    assert!(!String::from_utf8_lossy(&counts).contains(&hwid), "chips are not named");
}

#[test]
fn faults_are_done_by_the_transport_too() {
    let upstream = Upstream::start(&[
        "--fault",
        "closed@/sgx/certification/v4/tcb*1",
        "--fault",
        "slow=300@/sgx/certification/v4/qe",
        "--fault",
        "unavailable@/sgx/certification/v4/tcb*1",
        "--fault",
        "huge@/IntelSGXRootCA.der",
    ]);
    let closed = upstream.try_get(&tcb()).unwrap_err();
    assert!(matches!(closed, EgressError::Exchange { .. }), "{closed:?}");
    let unavailable = upstream.get(&tcb());
    assert_eq!((unavailable.status.as_u16(), unavailable.body.len()), (503, 0));
    assert_eq!(upstream.get(&tcb()).status, 200);
    let start = Instant::now();
    assert_eq!(upstream.get("/sgx/certification/v4/qe/identity").status, 200);
    assert!(Instant::now().duration_since(start) >= Duration::from_millis(300));
    let huge = upstream.try_get("/IntelSGXRootCA.der").unwrap_err();
    assert!(matches!(huge, EgressError::TooLarge { .. }), "{huge:?}");
}

#[test]
fn a_key_and_a_time_are_heeded() {
    let upstream = Upstream::start(&["--api-key", "k", "--at", "2026-05-04T03:02:01Z"]);
    let document: Value = serde_json::from_slice(&upstream.get(&tcb()).body).unwrap();
    assert_eq!(document["tcbInfo"]["issueDate"], "2026-05-04T00:00:00Z");
    assert_eq!(upstream.get("/sgx/certification/v4/pckcerts").status, 401);
}

#[test]
fn what_cannot_be_served_is_refused() {
    let folder = TempDir::new().unwrap();
    let run = |line: &str| run_in(folder.path(), &format!("simulate upstream --data d {line}"));
    let elsewhere = run("--listen 0.0.0.0:0");
    assert_eq!(elsewhere.code, 2);
    assert!(
        elsewhere.stderr.contains("`0.0.0.0:0` is not an address of this machine alone"),
        "{elsewhere:?}"
    );
    let unknown = run("--fault late");
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("`late` is not a known fault"), "{unknown:?}");
    let listed = run("--list-faults");
    assert_eq!((listed.code, listed.stdout.lines().count()), (0, 22));
    assert!(!folder.path().join("d").exists(), "nothing was made for all that");
    std::fs::create_dir_all(folder.path().join("d/store")).unwrap();
    std::fs::set_permissions(folder.path().join("d"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let production = run("");
    assert_eq!(production.code, 2);
    assert!(production.stderr.contains("production"), "{production:?}");
}

#[test]
fn a_service_under_dev_starts_in_the_same_folder() {
    let upstream = Upstream::start(&[]);
    let mut serve = command(["serve", "--dev", "--data", "d", "--listen", "127.0.0.1:0"])
        .current_dir(upstream.folder.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let url = upstream.folder.path().join("d/dev/url");
    let started = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        url.exists()
    });
    serve.kill().unwrap();
    serve.wait().unwrap();
    assert!(started);
    assert_eq!(upstream.get(&tcb()).status, 200, "and the vendors are still there");
}
