#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

mod bundle;
mod clients;
mod mirror;
mod real;
mod set_up;
mod simulated;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use assay_collateral::document::RawDocument;
use assay_collateral::pck::{PlatformId, RawTcb};
use assay_collateral::subject::{AmdCrlKey, Selection, Subject, Track};
use assay_collateral::upstream::{
    Family, Fetched, PckRequest, RawPcks, Registered, RegistrationRequest, UpstreamError, VcekName, Wanted,
};
use assay_evidence::snp::{Product, SigningKey, Tcb};
use assay_verify::intel::PckCa;
use assay_verify::intel::single::{Enclave, Tee};
use bytes::Bytes;

use super::*;
use crate::egress::tests::TestServer;

/// A chain as it stands in headers, and as it is.
const ENCODED: &str = "-----BEGIN%20CERTIFICATE-----%0Aab%2Bc%0A-----END%20CERTIFICATE-----%0A";
const CHAIN: &str = "-----BEGIN CERTIFICATE-----\nab+c\n-----END CERTIFICATE-----\n";
const DER: &[u8] = &[0x30, 3, 1, 2, 3];
const FMSPC: [u8; 6] = [0, 0x60, 0x6a, 0, 0, 0xab];

/// An empty memory of signers.
fn sequences() -> Sequences {
    Sequences::new(Arc::new(assay_store::MemoryStore::new()))
}

/// An answer to give.
#[derive(Clone, Debug)]
struct Scripted {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Scripted {
    fn new(status: u16, headers: &[(&'static str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { status, headers, body: body.into() }
    }

    fn status(status: u16) -> Self {
        Self::new(status, &[], "")
    }
}

/// A question as the server saw it: `GET /path?query`, headers, body.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// A server that gives one answer to everything until it is told another, and writes down what it was asked.
struct Scene {
    server: TestServer,
    answer: Arc<Mutex<Scripted>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn start() -> Self {
        let answer = Arc::new(Mutex::new(Scripted::status(404)));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (script, log) = (Arc::clone(&answer), Arc::clone(&seen));
        let server = TestServer::start_with(move |request| {
            let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
            log.lock().unwrap().push(Seen {
                line: format!("{} {}", request.method(), request.uri()),
                headers: request
                    .headers()
                    .iter()
                    .map(|(name, value)| (name.to_string(), text(value)))
                    .collect(),
                body: String::from_utf8(request.body().to_vec()).unwrap(),
            });
            let Scripted { status, headers, body } = script.lock().unwrap().clone();
            let mut response = http::Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Bytes::from(body)).unwrap()
        })
        .await;
        Self { server, answer, seen, folder: tempfile::tempdir().unwrap() }
    }

    fn answers(&self, scripted: Scripted) {
        *self.answer.lock().unwrap() = scripted;
    }

    /// The last question.
    fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }

    fn asked(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The upstreams of a configuration in which `URL` is this server, `DIR` a folder and `COMMON` what every upstream
    /// here needs.
    fn chain(&self, upstreams: &str) -> Result<Chain, UpstreamSetupError> {
        build(
            &self.config(upstreams),
            &Clock::fixed_offset(assay_verify::UnixTime(784_111_777)),
            &sequences(),
        )
    }

    fn config(&self, upstreams: &str) -> Config {
        let dir = self.folder.path().display().to_string();
        std::fs::write(self.folder.path().join("ca.pem"), &self.server.ca_pem).unwrap();
        let common =
            format!("ca_file = \"{dir}/ca.pem\"\nretries = 0\nrequests_per_second = 1000\nburst = 1000");
        let upstreams = upstreams.replace("COMMON", &common).replace("URL", &self.server.url(""));
        let port = self.server.address.port();
        let text = format!("[egress]\nallow = [\"localhost:{port}\"]\n{}", upstreams.replace("DIR", &dir));
        let overrides = crate::config::Overrides { dev: true, ..crate::config::Overrides::default() };
        // Without the simulated vendors, who answer in the place of one that does not.
        Config { dev: false, ..Config::from_text(None, &text, [], &overrides).unwrap() }
    }
}

fn pcs(scene: &Scene) -> Chain {
    let text =
        "[[collateral.upstreams]]\nkind = \"pcs\"\nurl = \"URL\"\nroot_crl_url = \"URL/root.der\"\nCOMMON\n";
    scene.chain(text).unwrap()
}

fn pccs(scene: &Scene) -> Chain {
    scene.chain("[[collateral.upstreams]]\nkind = \"pccs\"\nurl = \"URL\"\nCOMMON\n").unwrap()
}

fn kds(scene: &Scene) -> Chain {
    scene.chain("[[collateral.upstreams]]\nkind = \"kds\"\nurl = \"URL\"\nCOMMON\n").unwrap()
}

/// What the one upstream of a chain says.
async fn ask(chain: &Chain, wanted: &Wanted) -> Result<Fetched, UpstreamError> {
    let answer = chain.ask(wanted, Asker::Own, |_, fetched| Ok(fetched)).await;
    answer.map(|found| found.value).map_err(|mut failures| failures.0.remove(0).error)
}

fn tcb_info() -> Wanted {
    Wanted::Document(Subject::TcbInfo { tee: Tee::Sgx, fmspc: FMSPC }, Selection::default())
}

fn pck_crl() -> Wanted {
    Wanted::Document(Subject::PckCrl(PckCa::Platform), Selection::default())
}

fn root_crl() -> Wanted {
    Wanted::Document(Subject::RootCrl, Selection::default())
}

fn amd_crl(kind: SigningKey) -> Wanted {
    Wanted::Document(Subject::AmdCrl(AmdCrlKey { product: Product::Milan, kind }), Selection::default())
}

fn vcek(number: u8) -> Wanted {
    let tcb = Tcb { boot_loader: 4, snp: 24, microcode: 219, ..Tcb::default() };
    Wanted::Vcek(VcekName { product: Product::Milan, hwid: vec![number; 64], tcb })
}

/// A platform with a PPID, and with a manifest if it is asked for.
fn platform(number: u8, manifest: Option<Vec<u8>>) -> PckRequest {
    PckRequest {
        id: PlatformId { qe_id: [number; 16], pce_id: [0, 1] },
        encrypted_ppid: Some(vec![number; 384]),
        manifest,
        raw_tcb: Some(RawTcb { cpu_svn: [5; 16], pce_svn: 13 }),
    }
}

fn document(body: &[u8], chain: Option<&str>) -> Result<Fetched, UpstreamError> {
    let body = Bytes::copy_from_slice(body);
    Ok(Fetched::Document(RawDocument { body, chain: chain.map(str::to_owned) }))
}

fn bad(problem: &str) -> UpstreamError {
    UpstreamError::BadAnswer { problem: problem.to_owned() }
}
