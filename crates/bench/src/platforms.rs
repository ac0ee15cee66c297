//! What the service takes of memory when it knows a hundred thousand platforms of Intel's.
//!
//! The platforms differ in their QE ID alone and share the three PCK certificates of one simulated platform: nothing binds a
//! QE ID to a certificate, and the service keeps, seals, verifies and caches them for each platform as if they were its own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use assay_silicon::intel::{Intel, PlatformSpec, TcbStatus};
use aws_lc_rs::digest::{SHA512, digest};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::Failure;
use crate::client::{Connection, Dialer};
use crate::load::refused;
use crate::report::Row;
use crate::server::{Server, free_address};
use crate::service::now;

const RSS: &str = "platforms-100k-rss";
pub(crate) const CASES: [&str; 1] = [RSS];

const PLATFORMS: u32 = 100_000;
/// In one request: half of the largest body that the service takes.
const BATCH: u32 = 2_500;
/// Platforms that ask afterwards: more than the service keeps in memory.
const ASKING: u32 = 10_000;
const TOKEN: &str = "of administrators";
/// Until what was used for a moment is given back.
const SETTLE: Duration = Duration::from_secs(2);

pub(crate) fn rows(program: &Path) -> Result<Vec<Row>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (none, all) = runtime.block_on(async {
        let none = memory(program, 0).await?;
        Ok::<_, Failure>((none, memory(program, PLATFORMS).await?))
    })?;
    let megabytes = |bytes: u32| f64::from(bytes) / 1e6;
    let floor = "the same service that knows no platform, asked as often";
    Ok(vec![Row::new(RSS, "MB", megabytes(all)).above(floor, megabytes(none))])
}

/// Resident memory of a service that knows so many platforms, started anew, after many of them asked.
async fn memory(program: &Path, platforms: u32) -> Result<u32, Failure> {
    let folder = tempfile::tempdir()?;
    let administration = free_address()?;
    let settings = settings(administration);
    let start = || Server::start_with(program, folder.path(), &settings);
    let before = Instant::now();
    let server = start().await?;
    // After the first start, which makes the vendor.
    let machine = Machine::make(&folder.path().join("silicon"))?;
    let dialer = Dialer::new(administration, &folder.path().join("tls").join("ca.pem"))?;
    let mut first = 0;
    while first < platforms {
        let last = first.saturating_add(BATCH).min(platforms);
        machine.bring(&mut dialer.connect().await?, first..last).await?;
        first = last;
    }
    let took = Instant::now().saturating_duration_since(before).as_secs();
    crate::note(&format!("{RSS}: {platforms} platforms were brought within {took} s"))?;
    // What bringing them took is not what knowing them takes.
    drop(server);
    let server = start().await?;
    let expected = if platforms == 0 { 461 } else { 200 };
    let mut connection = server.connect().await?;
    for number in 0..ASKING {
        let (status, body) = connection.get(&machine.url(number)).await?;
        if status.as_u16() != expected {
            return Err(refused(status, &body).into());
        }
    }
    tokio::time::sleep(SETTLE).await;
    server.resident_bytes()
}

fn settings(administration: SocketAddr) -> [(&'static str, String); 3] {
    let token = hex::encode(digest(&SHA512, TOKEN.as_bytes()));
    [
        ("ASSAY_COLLATERAL_ADMINISTRATION_LISTEN", administration.to_string()),
        ("ASSAY_COLLATERAL_ADMINISTRATION_USER_TOKEN_SHA512", token.clone()),
        ("ASSAY_COLLATERAL_ADMINISTRATION_ADMIN_TOKEN_SHA512", token),
    ]
}

/// The platform whose certificates all have.
struct Machine {
    certificates: Vec<String>,
    chain: String,
    cpu_svn: [u8; 16],
    pce_svn: u16,
}

impl Machine {
    fn make(silicon: &Path) -> Result<Self, Failure> {
        let (now, mut leaves, mut chain) = (now()?, Vec::new(), String::new());
        let intel = Intel::load_or_generate(silicon, now)?;
        let newest = PlatformSpec::with_status(TcbStatus::UpToDate);
        for status in [TcbStatus::UpToDate, TcbStatus::ConfigurationNeeded, TcbStatus::OutOfDate] {
            let spec = PlatformSpec {
                ppid: Some([7; 16]),
                platform_instance_id: Some([1; 16]),
                ..PlatformSpec::with_status(status)
            };
            let pem = intel.platform(&spec, now)?.pck_certificate_chain_pem();
            let parts =
                pem.split_once("-----END CERTIFICATE-----\n").ok_or("a chain has several certificates")?;
            leaves.push(format!("{}-----END CERTIFICATE-----\n", parts.0));
            parts.1.clone_into(&mut chain);
        }
        let PlatformSpec { cpu_svn_components: cpu_svn, pce_svn, .. } = newest;
        Ok(Self { certificates: leaves, chain, cpu_svn, pce_svn })
    }

    /// What an administrator sends for these platforms.
    async fn bring(&self, connection: &mut Connection, numbers: std::ops::Range<u32>) -> Result<(), Failure> {
        let certs: Vec<Value> = self.certificates.iter().map(|cert| json!({"cert": cert})).collect();
        let one = |number| json!({"qe_id": qe_id(number), "pce_id": "0000", "certs": certs});
        let body = json!({
            "platforms": [],
            "collaterals": {
                "pck_certs": numbers.map(one).collect::<Vec<_>>(),
                "certificates": {"SGX-PCK-Certificate-Issuer-Chain": {"PLATFORM": self.chain}},
            },
        });
        let (path, header) = ("/sgx/certification/v4/platformcollateral", ("admin-token", TOKEN));
        let answer =
            connection.answer_to(Method::PUT, path, Some(header), Bytes::from(body.to_string())).await?;
        match answer.status() {
            StatusCode::OK => Ok(()),
            status => Err(refused(status, answer.body()).into()),
        }
    }

    fn url(&self, number: u32) -> String {
        let (cpu_svn, pce_svn) = (hex::encode(self.cpu_svn), hex::encode(self.pce_svn.to_le_bytes()));
        let qe_id = qe_id(number);
        format!("/sgx/certification/v4/pckcert?qeid={qe_id}&pceid=0000&cpusvn={cpu_svn}&pcesvn={pce_svn}")
    }
}

fn qe_id(number: u32) -> String {
    // A QE ID of zeros names nobody.
    format!("{:032x}", u64::from(number).saturating_add(1))
}
