//! The agent of a node beside a central service that comes and goes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod common;

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use assay_service::clock::Clock;
use assay_service::config::{Config, Overrides};
use assay_service::dev;
use assay_service::server::{Limits, Listener, Server, ServerCertificate, Service};
use assay_silicon::amd::{Amd, Chip, ChipSpec, ReportSpec, Tcb};
use bytes::Bytes;
use common::{command, run_in, vectors};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

const AMD: &str = "/metadata/THIM/amd/certification";

/// A central service that knows some paths.
struct Central {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    ended: Receiver<()>,
}

struct Paths(Vec<(String, Vec<u8>)>);

impl Service for Paths {
    async fn answer(&self, request: Request<Incoming>, _: IpAddr) -> Response<Full<Bytes>> {
        let asked = request.uri().path_and_query().unwrap().as_str();
        let known = self.0.iter().find(|(path, _)| path == asked);
        let status = if known.is_some() { 200 } else { 404 };
        let body = known.map(|(_, body)| body.clone()).unwrap_or_default();
        Response::builder().status(status).body(Full::new(body.into())).unwrap()
    }
}

impl Central {
    /// With the certificate of the data folder.
    fn start(data: &Path, paths: Vec<(String, Vec<u8>)>) -> Self {
        let certificate =
            ServerCertificate::load(&data.join("tls/server.pem"), &data.join("tls/server.key")).unwrap();
        let second = Duration::from_secs(1);
        let limits =
            Limits { connections: 64, header_timeout: second, idle_timeout: second, drain_timeout: second };
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell_port, port) = channel();
        let (tell_end, ended) = channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
                tell_port.send(listener.address().port()).unwrap();
                let server = Server::secure(listener, &certificate, Arc::new(Paths(paths)), limits).unwrap();
                server.run(async { drop(stopped.await) }).await;
            });
            let _ = tell_end.send(());
        });
        Self { url: format!("https://localhost:{}", port.recv().unwrap()), stop: Some(stop), ended }
    }

    fn kill(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.ended.recv_timeout(Duration::from_secs(10)).unwrap();
    }
}

/// A folder with a central service's certificate and simulated silicon in `d`.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let data_dir = Some(folder.path().join("d"));
    let overrides = Overrides { dev: true, data_dir, ..Overrides::default() };
    let config = Config::from_text(None, "", [], &overrides).unwrap();
    dev::check_folder(&config).unwrap();
    dev::prepare(&config, &Clock::system()).unwrap();
    folder
}

/// Chips of a simulated AMD that all tests here share: its keys take seconds to make.
fn chips(folder: &TempDir, specs: &[ChipSpec]) -> Vec<Chip> {
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-agent");
    let now = Clock::system().now().0;
    let make = |amd: &mut Amd| specs.iter().map(|spec| amd.chip(spec, now)).collect();
    let (_, chips) = Amd::update(&shared, now, make).unwrap();
    let own = folder.path().join("d/silicon/amd");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&own).unwrap();
    std::fs::copy(shared.join("amd/vendor.json"), own.join("vendor.json")).unwrap();
    chips
}

fn report(chip: &Chip) -> Vec<u8> {
    chip.report(&ReportSpec::default()).unwrap()
}

/// AMD's path for a chip, as its documents say it (57230, section 4.1): nothing of ours makes it.
fn path(chip_id: &[u8], tcb: Tcb) -> String {
    format!(
        "/vcek/v1/Milan/{}?blSPL={:02}&teeSPL={:02}&snpSPL={:02}&ucodeSPL={:02}",
        hex::encode(chip_id),
        tcb.boot_loader,
        tcb.tee,
        tcb.snp,
        tcb.microcode
    )
}

fn known(chip: &Chip) -> (String, Vec<u8>) {
    (path(&chip.chip_id(), chip.spec().tcb), chip.vek().to_vec())
}

/// `assay agent thim` on a free port of loopback.
struct Agent {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Agent {
    fn start(folder: &TempDir, arguments: &str) -> Self {
        let log = folder.path().join("agent.log");
        let words = "agent thim --listen 127.0.0.1:0 --log-format json --log-level debug --cache cache";
        let mut command = command(words.split(' ').chain(arguments.split_whitespace()));
        let file = std::fs::File::create(&log).unwrap();
        let mut child = command.current_dir(folder.path()).stdin(Stdio::null()).stderr(file).spawn().unwrap();
        for _ in 0..400 {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            if let Some(rest) = text.split("\"listen\":\"").nth(1) {
                let address = rest.split('"').next().unwrap().to_owned();
                return Self { child, address, log };
            }
            assert!(child.try_wait().unwrap().is_none(), "{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = child.kill();
        panic!("the agent did not start");
    }

    /// Sends a request's lines, and gives status and body.
    fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let request = request.replace("HOST", &self.address);
        stream.write_all(format!("{request}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn certification(&self) -> (u16, Value) {
        let (status, body) = self.ask(&format!("GET {AMD} HTTP/1.1\r\nHost: HOST\r\nMetadata: true"));
        (status, serde_json::from_str(&body).unwrap())
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Ends it as a supervisor does, and gives its log.
    fn stop(mut self) -> String {
        self.signal("-TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn assert_is_of(answer: &(u16, Value), chip: &Chip) {
    assert_eq!(answer.0, 200, "{answer:?}");
    let text = |name: &str| answer.1[name].as_str().unwrap();
    assert_eq!(text("vcekCert").to_owned() + text("certificateChain"), chip.chain_pem());
    assert_eq!(text("certificateChain").matches("BEGIN CERTIFICATE").count(), 2);
    let tcb: Vec<u8> = report(chip)[0x180..0x188].iter().rev().copied().collect();
    assert_eq!((text("tcbm"), text("cacheControl")), (hex::encode_upper(tcb).as_str(), "86400"));
}

#[test]
fn certificates_outlive_the_central_service() {
    let folder = folder();
    let [own] = &chips(&folder, &[ChipSpec::default()])[..] else { panic!() };
    let mut central = Central::start(&folder.path().join("d"), vec![known(own)]);
    std::fs::write(folder.path().join("report"), report(own)).unwrap();
    let arguments = format!("--dev --data d --report report --upstream {}", central.url);
    let agent = Agent::start(&folder, &arguments);
    assert_is_of(&agent.certification(), own);
    for (request, status, part) in [
        (format!("GET {AMD} HTTP/1.1\r\nHost: HOST\r\nmetadata:True"), 200, "vcekCert"),
        (format!("GET {AMD} HTTP/1.1\r\nHost: localhost\r\nMETADATA: TRUE"), 200, "vcekCert"),
        (format!("GET {AMD} HTTP/1.1\r\nHost: HOST"), 400, "Required metadata header not specified"),
        (
            format!("GET {AMD} HTTP/1.1\r\nHost: HOST\r\nMetadata: true\r\nX-Forwarded-For: 1.2.3.4"),
            400,
            "proxy",
        ),
        (format!("GET {AMD} HTTP/1.1\r\nHost: rebound.example\r\nMetadata: true"), 400, "Host"),
        (format!("DELETE {AMD} HTTP/1.1\r\nHost: HOST\r\nMetadata: true"), 405, "GET"),
        ("GET / HTTP/1.1\r\nHost: HOST\r\nMetadata: true".to_owned(), 404, "Not found"),
    ] {
        let (found, body) = agent.ask(&request);
        assert_eq!(found, status, "{request}: {body}");
        assert!(body.contains(part), "{request}: {body}");
    }

    central.kill();
    assert_is_of(&agent.certification(), own);
    let log = agent.stop();
    assert!(log.contains("fetched and verified"), "{log}");
    assert!(!log.contains(&hex::encode(&own.chip_id()[..8])), "the log names the chip");

    let again = Agent::start(&folder, &arguments);
    assert_is_of(&again.certification(), own);
    assert!(again.stop().contains("taken from the cache"));
}

#[test]
fn a_wrong_certificate_is_never_served() {
    let folder = folder();
    let [own, other] = &chips(&folder, &[ChipSpec::default(), ChipSpec::default()])[..] else { panic!() };
    let wrong = (known(own).0, other.vek().to_vec());
    let central = Central::start(&folder.path().join("d"), vec![wrong]);
    let tcb: Vec<u8> = own.spec().tcb.to_bytes(own.spec().product).into_iter().rev().collect();
    let arguments = format!(
        "--dev --data d --upstream {} --product milan --chip-id {} --tcb {}",
        central.url,
        hex::encode(own.chip_id()),
        hex::encode(tcb)
    );
    let agent = Agent::start(&folder, &arguments);
    let (status, body) = agent.certification();
    assert_eq!(
        (status, &body["error"]),
        (503, &Value::from("The certificate is not available yet. Try again later"))
    );
    assert_eq!(agent.ask("GET /readyz HTTP/1.1\r\nHost: HOST").0, 503);
    let log = agent.stop();
    assert!(log.contains("it is the key of another chip or TCB"), "{log}");
    assert_eq!(std::fs::read_dir(folder.path().join("cache")).unwrap().count(), 0);
}

#[test]
fn a_hangup_has_the_machine_asked_again() {
    let folder = folder();
    let spec = ChipSpec::default();
    let [old] = &chips(&folder, std::slice::from_ref(&spec))[..] else { panic!() };
    let tcb = Tcb { microcode: spec.tcb.microcode.wrapping_add(1), ..spec.tcb };
    let [new] = &chips(&folder, &[ChipSpec { tcb, chip_id: Some(old.chip_id()), ..spec }])[..] else {
        panic!()
    };
    let central = Central::start(&folder.path().join("d"), vec![known(old), known(new)]);
    // The kernel's folder, as the agent finds it after it has made its entry.
    let entry = folder.path().join("tsm/assay-agent-thim");
    std::fs::create_dir_all(&entry).unwrap();
    let write = |name: &str, content: &[u8]| std::fs::write(entry.join(name), content).unwrap();
    write("inblob", b"");
    write("provider", b"sev_guest\n");
    write("generation", b"1\n");
    write("outblob", &report(old));
    let agent = Agent::start(&folder, &format!("--dev --data d --tsm tsm --upstream {}", central.url));
    assert_is_of(&agent.certification(), old);
    write("outblob", &report(new));
    agent.signal("-HUP");
    for _ in 0..100 {
        let answer = agent.certification();
        if answer.0 == 200
            && answer.1["tcbm"].as_str().unwrap().starts_with(&hex::encode_upper([tcb.microcode]))
        {
            return assert_is_of(&answer, new);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the agent serves the old certificate");
}

#[test]
fn what_cannot_be_served_is_not_started() {
    let folder = folder();
    let missing = "agent thim --upstream https://assay.example --tsm nowhere --listen";
    for (line, code, words) in [
        (format!("{missing} 0.0.0.0:0"), 78, "every address"),
        (format!("{missing} 192.0.2.7:80"), 2, "`ip addr add 192.0.2.7/32 dev lo`"),
        (format!("{missing} 127.0.0.1:0"), 2, "configfs"),
        (format!("{missing} 192.0.2.7:80 --dev --data d"), 78, "not a loopback address"),
        ("agent thim --upstream http://assay.example".to_owned(), 78, "not an https address"),
        ("agent thim".to_owned(), 2, "--upstream"),
        ("agent thim --upstream https://a.example --dev".to_owned(), 2, "--data"),
        ("agent thim --upstream https://a.example --chip-id ab".to_owned(), 2, "--tcb"),
    ] {
        let refused = run_in(folder.path(), &line);
        assert_eq!((refused.code, refused.stdout.as_str()), (code, ""), "{line}: {refused:?}");
        assert!(refused.stderr.contains(words), "{line}: {}", refused.stderr);
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(run_in(folder.path(), &format!("agent thim --probe --listen {address}")).code, 1);
    drop(listener);
    assert_eq!(run_in(folder.path(), &format!("agent thim --probe --listen {address}")).code, 0);
}

/// In a network of its own: what is typed where a machine has no metadata service yet.
const SCRIPT: &str = r#"
assay="$1"; shift
ip link set lo up
"$assay" agent thim "$@" 2>missing.log; echo "missing=$?"
ip addr add 169.254.169.254/32 dev lo
"$assay" agent thim "$@" 2>first.log & first=$!
for _ in $(seq 200); do curl -sf -o ready http://169.254.169.254/readyz && break; sleep 0.05; done
curl -sf -H Metadata:true http://169.254.169.254/metadata/THIM/amd/certification -o answer; echo "curl=$?"
sh -ec "$JOB" >job.log; echo "job=$?"
curl -s -o refused -w 'bare=%{http_code}\n' http://169.254.169.254/metadata/THIM/amd/certification
"$assay" agent thim "$@" 2>second.log; echo "second=$?"
"$assay" agent thim --probe 2>probe.log; echo "probe=$?"
kill -TERM $first; wait $first; echo "first=$?"
sh -ec "$JOB" 2>jobless.log; echo "jobless=$?"
"#;

/// What the job of `deploy/kubernetes` runs in its container.
fn job() -> String {
    let text = include_str!("../../../deploy/kubernetes/thim-curl-job.yaml");
    let script =
        text.split("            - |\n").nth(1).unwrap().split("          securityContext:").next().unwrap();
    script.lines().map(|line| format!("{}\n", line.trim_start())).collect()
}

fn has_network_namespaces() -> bool {
    let works = |line: &[&str]| {
        let mut command = Command::new(line[0]);
        let command =
            command.args(&line[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    works(&["unshare", "-rn", "ip", "link", "set", "lo", "up"]) && works(&["curl", "--version"])
}

/// With a real report and AMD's real certificate, which the agent got before the central service went away.
#[test]
fn the_metadata_address_answers_curl() {
    let Some(vectors) = vectors() else { return };
    if !has_network_namespaces() {
        eprintln!("SKIPPED: without unshare, ip and curl there is no network with 169.254.169.254 to try");
        return;
    }
    let folder = folder();
    let report = std::fs::read(vectors.join("snp/milan/coco-report.bin")).unwrap();
    let vek = std::fs::read(vectors.join("snp/milan/coco-vcek.der")).unwrap();
    let tcb = Tcb {
        fmc: 0,
        boot_loader: report[0x180],
        tee: report[0x181],
        snp: report[0x186],
        microcode: report[0x187],
    };
    let central = Central::start(&folder.path().join("d"), vec![(path(&report[0x1a0..0x1e0], tcb), vek)]);
    std::fs::write(folder.path().join("report"), &report).unwrap();
    let machine = format!("--report report --product Milan --ca d/tls/ca.pem --upstream {}", central.url);
    let agent = Agent::start(&folder, &machine);
    assert_eq!(agent.certification().0, 200);
    agent.stop();

    let mut script = Command::new("unshare");
    script.args(["-rn", "bash", "-c", SCRIPT, "script", env!("CARGO_BIN_EXE_assay")]);
    script.args(machine.split(' ')).args(["--cache", "cache"]).current_dir(folder.path());
    script.env("JOB", job());
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        script.env_remove(proxy);
    }
    let done = script.stdin(Stdio::null()).output().unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    let expected =
        ["missing=2", "curl=0", "job=0", "bare=400", "second=78", "probe=1", "first=0", "jobless=7"];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{}", read("first.log"));
    assert_eq!(read("job.log"), "vcekCert is there\ntcbm is there\ncertificateChain is there\n");
    assert!(read("missing.log").contains("ip addr add 169.254.169.254/32 dev lo"), "{}", read("missing.log"));
    assert!(read("second.log").contains("somebody answers at `169.254.169.254:80` already"));
    assert_eq!(read("refused"), r#"{"error":"Bad request. Required metadata header not specified"}"#);
    let answer: Value = serde_json::from_str(&read("answer")).unwrap();
    let tcbm: Vec<u8> = report[0x180..0x188].iter().rev().copied().collect();
    assert_eq!(answer["tcbm"], hex::encode_upper(tcbm));
    let real = std::fs::read_to_string(vectors.join("snp/milan/gosev-ask_ark.pem")).unwrap();
    assert_eq!(answer["certificateChain"].as_str().unwrap().trim_end(), real.trim_end());
}
