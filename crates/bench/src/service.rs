//! The service as its users meet it: processor time per request, time to start, memory.

use std::path::Path;
use std::time::{Duration, SystemTime};

use assay_silicon::amd::{Amd, ChipSpec};
use assay_silicon::intel::{Intel, PlatformSpec};
use assay_token::{Algorithm, Expectations, Jwks, verify};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::Failure;
use crate::load::{CONNECTIONS, Calls, Speed, refused, speed};
use crate::measure::Plan;
use crate::report::{Goal, Row, Table};
use crate::samples::{Evidence, evidence};
use crate::server::Server;
use crate::snp_samples;
use crate::token::bare_signature;

const START: &str = "start-dev";
const START_FRESH: &str = "start-dev-fresh";
const RSS: &str = "idle-rss";
pub(crate) const CASES: [&str; 7] = [SGX.es256, SGX.rs256, SNP.es256, SNP.rs256, START, START_FRESH, RSS];

/// A kind of evidence that the service attests.
struct Kind {
    es256: &'static str,
    rs256: &'static str,
    route: &'static str,
    /// The claim with the report data.
    claim: &'static str,
    requests: fn(&Path) -> Result<Vec<Sent>, Failure>,
    /// The row that says what verification takes.
    verification: &'static str,
    floor: &'static str,
    /// What another service takes, and which.
    peer: Option<(f64, &'static str)>,
}

const SGX: Kind = Kind {
    es256: "attest-https-sgx-es256",
    rs256: "attest-https-sgx-rs256",
    route: "/attest/SgxEnclave?api-version=2022-08-01",
    claim: "x-ms-sgx-report-data",
    requests: sgx_requests,
    verification: "sgx-verify-warm",
    floor: "sgx-verify-warm of this run + the bare signature + 18 us for HTTP",
    peer: None,
};
const SNP: Kind = Kind {
    es256: "attest-https-snp-es256",
    rs256: "attest-https-snp-rs256",
    route: "/attest/SevSnpVm?api-version=2022-08-01",
    claim: "x-ms-sevsnpvm-reportdata",
    requests: snp_requests,
    verification: "snp-verify-warm",
    floor: "snp-verify-warm of this run + the bare signature + 18 us for HTTP",
    // Measured once for the design (section 5), on a machine of this kind; not in this run.
    peer: Some((
        6000.0,
        "an open-source attestation service: 6 ms for the same report, measured once and not in this run",
    )),
};

/// A request, and the report data that its token must name.
struct Sent {
    report_data: String,
    body: Bytes,
}

/// Axum with a body of 16 KiB: measured once for the design, not in this run.
const HTTP_MICROS: f64 = 18.0;
/// Quotes or reports.
const COUNT: usize = 512;
/// Memory is read when the work of starting is over.
const SETTLE: Duration = Duration::from_millis(500);

pub(crate) fn rows(
    plan: Plan,
    program: &Path,
    table: &Table,
    wants: impl Fn(&str) -> bool,
) -> Result<Vec<Row>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rows = Vec::new();
    for kind in [SGX, SNP].iter().filter(|kind| wants(kind.es256) || wants(kind.rs256)) {
        let [es256, rs256] = runtime.block_on(attest(plan, program, kind))?;
        for (case, speed) in [(kind.es256, es256), (kind.rs256, rs256)] {
            speed.note(case)?;
        }
        rows.push(attest_row(plan, kind, es256.cpu_micros, Algorithm::Es256, table)?);
        rows.push(attest_row(plan, kind, rs256.cpu_micros, Algorithm::Rs256, table)?);
    }
    if wants(START) || wants(START_FRESH) || wants(RSS) {
        rows.extend(runtime.block_on(starts(plan, program))?);
    }
    Ok(rows)
}

fn attest_row(
    plan: Plan,
    kind: &Kind,
    assay: f64,
    algorithm: Algorithm,
    table: &Table,
) -> Result<Row, Failure> {
    let case = if algorithm == Algorithm::Es256 { kind.es256 } else { kind.rs256 };
    let mut row = Row::new(case, "us", assay);
    if let Some((peer, name)) = kind.peer {
        row = row.beside(name, peer);
    }
    // Without the case that measures verification there is no floor, and so no judgement.
    let Some(verification) = table.row(kind.verification) else { return Ok(row) };
    let floor = verification.assay + bare_signature(plan, algorithm)? + HTTP_MICROS;
    Ok(row.above(kind.floor, floor).promised(&[Goal::FloorTimes(1.3)]))
}

/// Processor time per request with ES256 and with RS256, in turns.
async fn attest(plan: Plan, program: &Path, kind: &'static Kind) -> Result<[Speed; 2], Failure> {
    let mut services = Vec::new();
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        services.push(Service::start(program, kind, algorithm).await?);
    }
    let mut best = [Speed::NONE; 2];
    for service in &services {
        // The first requests fill caches and the allocator's pools.
        service.speed(plan.requests.div_euclid(4).max(1)).await?;
    }
    for _ in 0..plan.service_rounds {
        for (service, best) in services.iter().zip(&mut best) {
            *best = best.best(service.speed(plan.requests).await?);
        }
    }
    for service in &services {
        service.check().await?;
    }
    Ok(best)
}

/// A service, and requests about one platform of its silicon.
struct Service {
    server: Server,
    kind: &'static Kind,
    requests: Vec<Sent>,
    algorithm: Algorithm,
    _folder: tempfile::TempDir,
}

impl Service {
    async fn start(program: &Path, kind: &'static Kind, algorithm: Algorithm) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let server = Server::start(program, folder.path(), Some(algorithm)).await?;
        let requests = (kind.requests)(&folder.path().join("silicon"))?;
        let service = Self { server, kind, requests, algorithm, _folder: folder };
        service.check().await?;
        Ok(service)
    }

    async fn speed(&self, requests: u32) -> Result<Speed, Failure> {
        let calls = |number| {
            let own = self.requests.iter().skip(number).step_by(CONNECTIONS);
            let bodies = own.map(|sent| sent.body.clone()).collect();
            Calls { method: Method::POST, path: self.kind.route.to_owned(), bodies, answer: None }
        };
        speed(&self.server, requests, calls).await
    }

    /// One request as a relying party sees it: the token verifies with the published keys and speaks of this evidence.
    async fn check(&self) -> Result<(), Failure> {
        let mut connection = self.server.connect().await?;
        let (_, keys) = connection.get("/certs").await?;
        let keys = Jwks::from_json(&keys)?;
        let sent = self.requests.first().ok_or("there is no request")?;
        let (status, answer) = connection.post(self.kind.route, sent.body.clone()).await?;
        if status != StatusCode::OK {
            return Err(refused(status, &answer).into());
        }
        let answer: Value = serde_json::from_slice(&answer)?;
        let token = answer.get("token").and_then(Value::as_str).ok_or("the answer has no token")?;
        let algorithms = [self.algorithm];
        let now = u64::try_from(now()?)?;
        let expectations = Expectations { algorithms: &algorithms, leeway: 5, ..Expectations::at(now) };
        let verified = verify(token, &keys, &expectations)
            .map_err(|failures| format!("the token does not verify: {failures:?}"))?;
        let reported = verified.claims().get(self.kind.claim).and_then(Value::as_str);
        if reported != Some(sent.report_data.as_str()) {
            return Err("the token does not speak of the evidence that was sent".into());
        }
        Ok(())
    }
}

fn sgx_requests(silicon: &Path) -> Result<Vec<Sent>, Failure> {
    let now = now()?;
    let platform = Intel::load_or_generate(silicon, now)?.platform(&PlatformSpec::default(), now)?;
    let sent = |number| {
        let evidence = evidence(&platform, number)?;
        let report_data = evidence.report_data().map(hex::encode).ok_or("a quote has no report data")?;
        Ok(Sent { report_data, body: sgx_body(&evidence) })
    };
    (0..COUNT).map(sent).collect()
}

fn sgx_body(evidence: &Evidence) -> Bytes {
    let quote = URL_SAFE_NO_PAD.encode(&evidence.quote);
    Bytes::from(json!({"quote": quote, "runtimeData": attached(&evidence.runtime_data)}).to_string())
}

/// All reports are of one chip: a chip keeps its key, and only what its guests say differs.
fn snp_requests(silicon: &Path) -> Result<Vec<Sent>, Failure> {
    let now = now()?;
    let (_, chip) = Amd::update(silicon, now, |amd| amd.chip(&ChipSpec::default(), now))?;
    let sent = |number| {
        let evidence = snp_samples::evidence(&chip, number)?;
        let report = URL_SAFE_NO_PAD.encode(snp_samples::document(&chip, &evidence).to_string());
        let body = json!({"report": report, "runtimeData": attached(&evidence.runtime_data)});
        Ok(Sent { report_data: hex::encode(evidence.report_data), body: Bytes::from(body.to_string()) })
    };
    (0..COUNT).map(sent).collect()
}

fn attached(runtime_data: &[u8]) -> Value {
    json!({"data": URL_SAFE_NO_PAD.encode(runtime_data), "dataType": "JSON"})
}

/// Quickest starts in a fresh folder and in one that was served before, and the greatest memory after one.
async fn starts(plan: Plan, program: &Path) -> Result<[Row; 3], Failure> {
    let (mut fresh, mut again, mut memory) = (f64::INFINITY, f64::INFINITY, 0_u32);
    for _ in 0..plan.service_rounds {
        let folder = tempfile::tempdir()?;
        for best in [&mut fresh, &mut again] {
            let server = Server::start(program, folder.path(), None).await?;
            *best = best.min(server.started_in().as_secs_f64());
            tokio::time::sleep(SETTLE).await;
            memory = memory.max(server.resident_bytes()?);
        }
    }
    let second = [Goal::AtMost(1.0)];
    Ok([
        Row::new(START, "s", again).promised(&second),
        Row::new(START_FRESH, "s", fresh).promised(&second),
        Row::new(RSS, "MB", f64::from(memory) / 1e6).promised(&[Goal::AtMost(40.0)]),
    ])
}

/// Unix seconds.
#[expect(
    clippy::disallowed_methods,
    reason = "a running service judges by the real time, so evidence for it must have it"
)]
pub(crate) fn now() -> Result<i64, Failure> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_secs())?)
}
