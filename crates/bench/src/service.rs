//! The service as its users meet it: processor time per request, time to start, memory.

use std::path::Path;
use std::time::{Duration, SystemTime};

use assay_silicon::intel::{Intel, PlatformSpec};
use assay_token::{Algorithm, Expectations, Jwks, verify};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::Failure;
use crate::measure::{Plan, micros};
use crate::report::{Goal, Row, Table};
use crate::samples::{Evidence, evidence};
use crate::server::Server;
use crate::token::bare_signature;

const ES256: &str = "attest-https-sgx-es256";
const RS256: &str = "attest-https-sgx-rs256";
const START: &str = "start-dev";
const START_FRESH: &str = "start-dev-fresh";
const RSS: &str = "idle-rss";
pub(crate) const CASES: [&str; 5] = [ES256, RS256, START, START_FRESH, RSS];

/// Axum with a body of 16 KiB: measured once for the design, not in this run.
const HTTP_MICROS: f64 = 18.0;
/// Connections at once: enough to keep the service busy, so that it is measured at work and not at waking up.
const CONNECTIONS: usize = 16;
const QUOTES: usize = 512;
const ROUTE: &str = "/attest/SgxEnclave?api-version=2022-08-01";
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
    if wants(ES256) || wants(RS256) {
        let [es256, rs256] = runtime.block_on(attest(plan, program))?;
        rows.push(attest_row(plan, ES256, es256, Algorithm::Es256, table)?);
        rows.push(attest_row(plan, RS256, rs256, Algorithm::Rs256, table)?);
    }
    if wants(START) || wants(START_FRESH) || wants(RSS) {
        rows.extend(runtime.block_on(starts(plan, program))?);
    }
    Ok(rows)
}

fn attest_row(
    plan: Plan,
    case: &'static str,
    assay: f64,
    algorithm: Algorithm,
    table: &Table,
) -> Result<Row, Failure> {
    let row = Row::new(case, "us", assay);
    // Without the case that measures verification there is no floor, and so no judgement.
    let Some(verification) = table.row("sgx-verify-warm") else { return Ok(row) };
    let floor = verification.assay + bare_signature(plan, algorithm)? + HTTP_MICROS;
    Ok(row
        .above("sgx-verify-warm of this run + the bare signature + 18 us for HTTP", floor)
        .promised(&[Goal::FloorTimes(1.3)]))
}

/// Processor time per request with ES256 and with RS256, in turns.
async fn attest(plan: Plan, program: &Path) -> Result<[f64; 2], Failure> {
    let mut services = Vec::new();
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        services.push(Service::start(program, algorithm).await?);
    }
    let mut best = [f64::INFINITY; 2];
    for service in &services {
        // The first requests fill caches and the allocator's pools.
        service.cpu_per_request(plan.requests.div_euclid(4).max(1)).await?;
    }
    for _ in 0..plan.service_rounds {
        for (service, best) in services.iter().zip(&mut best) {
            *best = best.min(service.cpu_per_request(plan.requests).await?);
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
    requests: Vec<(Evidence, Bytes)>,
    algorithm: Algorithm,
    _folder: tempfile::TempDir,
}

impl Service {
    async fn start(program: &Path, algorithm: Algorithm) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let server = Server::start(program, folder.path(), Some(algorithm)).await?;
        let now = now()?;
        let intel = Intel::load_or_generate(&folder.path().join("silicon"), now)?;
        let platform = intel.platform(&PlatformSpec::default(), now)?;
        let request = |number| {
            let evidence = evidence(&platform, number)?;
            let body = body(&evidence);
            Ok::<_, Failure>((evidence, body))
        };
        let requests = (0..QUOTES).map(request).collect::<Result<_, _>>()?;
        let service = Self { server, requests, algorithm, _folder: folder };
        service.check().await?;
        Ok(service)
    }

    /// Sends so many requests over all connections. Gives microseconds of the service's processor time for each.
    async fn cpu_per_request(&self, requests: u32) -> Result<f64, Failure> {
        let each = requests.div_ceil(u32::try_from(CONNECTIONS)?);
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            // Handshakes are done before the clock starts.
            connections.push(self.server.connect().await?);
        }
        let before = self.server.cpu_time()?;
        let mut clients = tokio::task::JoinSet::new();
        for (number, mut connection) in connections.into_iter().enumerate() {
            let own = self.requests.iter().skip(number).step_by(CONNECTIONS);
            let bodies: Vec<Bytes> = own.map(|(_, body)| body.clone()).collect();
            clients.spawn(async move {
                let mut answered: u32 = 0;
                for body in bodies.into_iter().cycle().take(usize::try_from(each).unwrap_or(0)) {
                    let (status, answer) =
                        connection.post(ROUTE, body).await.map_err(|error| error.to_string())?;
                    if status != StatusCode::OK {
                        return Err(refused(status, &answer));
                    }
                    answered = answered.saturating_add(1);
                }
                Ok(answered)
            });
        }
        let mut answered: u32 = 0;
        while let Some(client) = clients.join_next().await {
            answered = answered.saturating_add(client??);
        }
        let taken = self.server.cpu_time()?.saturating_sub(before);
        Ok(micros(taken) / f64::from(answered))
    }

    /// One request as a relying party sees it: the token verifies with the published keys and speaks of this quote.
    async fn check(&self) -> Result<(), Failure> {
        let mut connection = self.server.connect().await?;
        let (_, keys) = connection.get("/certs").await?;
        let keys = Jwks::from_json(&keys)?;
        let (evidence, body) = self.requests.first().ok_or("there is no request")?;
        let (status, answer) = connection.post(ROUTE, body.clone()).await?;
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
        let reported = verified.claims().get("x-ms-sgx-report-data").and_then(Value::as_str);
        if reported.map(str::to_owned) != evidence.report_data().map(hex::encode) {
            return Err("the token does not speak of the quote that was sent".into());
        }
        Ok(())
    }
}

fn refused(status: StatusCode, answer: &[u8]) -> String {
    format!("the service answered {status}: {}", String::from_utf8_lossy(answer))
}

fn body(evidence: &Evidence) -> Bytes {
    let request = json!({
        "quote": URL_SAFE_NO_PAD.encode(&evidence.quote),
        "runtimeData": {"data": URL_SAFE_NO_PAD.encode(&evidence.runtime_data), "dataType": "JSON"},
    });
    Bytes::from(request.to_string())
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
fn now() -> Result<i64, Failure> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(i64::try_from(since.as_secs())?)
}
