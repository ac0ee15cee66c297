//! Intel's registration service behind this one: the real binary over TLS, and the simulated vendors.
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
#[path = "common/served.rs"]
mod served;

use std::fmt::Write as _;
use std::net::TcpListener;

use assay_service::egress::Response;
use common::run_in;
use serde_json::{Value, json};
use served::{Service, Vendors, client, runtime, write_config};
use tempfile::TempDir;

const OCTETS: &str = "application/octet-stream";
const PLATFORM: &str = "/sgx/registration/v1/platform";
const PACKAGE: &str = "/sgx/registration/v1/package";
/// As the command line's help makes them: `printf %s user | sha512sum`.
const USER: &str = "b14361404c078ffd549c03db443c3fede2f3e534d73f78f77301ed97d4a436a9fd9db05ee8b325c0ad36438b43fec8510c204fc1c1edb21d0941c00e9e2c1ce2";
const ADMIN: &str = "c7ad44cbad762a5da0a452f9e854fdc1e0e7a52a38015f23f3eab1d80b931dd472634dfac71cd34ebc35d16ab7fb8a90c81f975113d6c7538dc69dd8de9077ec";

/// A machine of several packages, as the retrieval tool reads it.
struct Machine {
    manifest: Vec<u8>,
    query: String,
    registration: Value,
}

impl Machine {
    fn make(folder: &TempDir, out: &str) -> Self {
        let made = run_in(folder.path(), &format!("simulate pckid --data d --out {out}"));
        assert_eq!(made.code, 0, "{made:?}");
        let line = std::fs::read_to_string(folder.path().join(out).join("pckid.csv")).unwrap();
        let [ppid, pce_id, cpu_svn, pce_svn, qe_id, manifest] =
            line.trim().split(',').collect::<Vec<_>>()[..]
        else {
            panic!("{line}")
        };
        let query =
            format!("qeid={qe_id}&encrypted_ppid={ppid}&cpusvn={cpu_svn}&pcesvn={pce_svn}&pceid={pce_id}");
        let registration = json!({
            "qe_id": qe_id, "pce_id": pce_id, "cpu_svn": cpu_svn, "pce_svn": pce_svn, "enc_ppid": ppid,
        });
        Self { manifest: hex::decode(manifest).unwrap(), query, registration }
    }

    /// As its firmware would ask for more packages.
    fn add_request(&self, packages: u8) -> Vec<u8> {
        [b"SIMULADD", &self.manifest[8..24], &[packages]].concat()
    }
}

/// A service, the vendors that it asks, and the address of its administration.
struct World {
    service: Service,
    vendors: Vendors,
    administration: String,
}

impl World {
    fn start(folder: TempDir, faults: &[&str], settings: &[(&str, &str)]) -> Self {
        let faults: Vec<&str> = faults.iter().flat_map(|fault| ["--fault", fault]).collect();
        let vendors = Vendors::start_with(folder.path(), &faults);
        let config = write_config(folder.path(), &vendors);
        // Nobody else takes it in the moment between.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut text = std::fs::read_to_string(&config).unwrap();
        write!(
            text,
            "[collateral.administration]\nlisten = \"{address}\"\nuser_token_sha512 = \"{USER}\"\n\
             admin_token_sha512 = \"{ADMIN}\"\n"
        )
        .unwrap();
        std::fs::write(&config, text).unwrap();
        let settings: Vec<_> = settings.iter().copied().chain([("ASSAY_CONFIG", config.as_str())]).collect();
        let service = Service::start_in(folder, &settings);
        Self { service, vendors, administration: format!("https://localhost:{}", address.port()) }
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let client = client(&self.service.path("d/tls/ca.pem"));
        let (url, body) = (format!("{}{path}", self.administration), body.to_vec());
        runtime().block_on(async { client.post(&url, headers, body.into()).await }).unwrap()
    }

    /// As a host that may register.
    fn send(&self, path: &str, body: &[u8]) -> Response {
        self.post(path, &[("user-token", "user"), ("content-type", OCTETS)], body)
    }

    fn asked(&self, path: &str) -> u64 {
        self.vendors.asked(&self.service, &format!("POST {path}"))
    }

    /// What administrators see of platforms with certificates.
    fn platforms(&self) -> Vec<Value> {
        let client = client(&self.service.path("d/tls/ca.pem"));
        let url = format!("{}/sgx/certification/v4/platforms?source=%5B%5D", self.administration);
        let answer =
            runtime().block_on(async { client.get(&url, &[("admin-token", "admin")]).await }).unwrap();
        assert_eq!(answer.status, 200);
        serde_json::from_slice(&answer.body).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.service.path("log")).unwrap()
    }
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.get(name).map(|value| value.to_str().unwrap())
}

fn refused(response: &Response) -> (u16, Option<&str>) {
    assert_eq!(header(response, "error-message").map(str::as_bytes), Some(&response.body[..]));
    (response.status.as_u16(), header(response, "error-code"))
}

#[test]
fn a_platform_is_registered_with_intel_and_its_manifest_is_kept() {
    let folder = TempDir::new().unwrap();
    let (machine, other) = (Machine::make(&folder, "one"), Machine::make(&folder, "two"));
    let world = World::start(folder, &[], &[]);
    let pckcert = format!("/sgx/certification/v4/pckcert?{}", machine.query);
    assert_eq!(world.service.get(&pckcert).status, 461, "Intel does not know its keys");

    let first = world.send(PLATFORM, &machine.manifest);
    assert_eq!(first.status, 201, "{}", String::from_utf8_lossy(&first.body));
    let ppid = String::from_utf8(first.body.to_vec()).unwrap();
    assert!(ppid.len() == 32 && ppid.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{ppid}");
    assert!(header(&first, "request-id").is_some_and(|id| !id.is_empty()));
    assert_eq!(header(&first, "x-assay-manifest"), Some("not-kept"), "nobody registered it here");

    // Registered here, by its PPID alone: then the manifest has a place.
    let json = [("user-token", "user"), ("content-type", "application/json")];
    let here =
        world.post("/sgx/certification/v4/platforms", &json, machine.registration.to_string().as_bytes());
    assert_eq!(here.status, 200, "{}", String::from_utf8_lossy(&here.body));
    assert_eq!(world.platforms()[0]["platform_manifest"], "");
    let again = world.send(PLATFORM, &machine.manifest);
    assert_eq!((again.status.as_u16(), &again.body[..]), (201, ppid.as_bytes()));
    assert_eq!(header(&again, "x-assay-manifest"), Some("kept"));
    let manifest = hex::encode_upper(&machine.manifest);
    assert_eq!(world.platforms()[0]["platform_manifest"], manifest.as_str());
    assert_eq!(world.service.get(&pckcert).status, 200);

    // One that says to be a platform that it is not, is not kept there.
    let id = |name: &str| machine.registration[name].as_str().unwrap();
    let named = format!("{PLATFORM}?qeid={}&pceid={}", id("qe_id"), id("pce_id"));
    let foreign = world.send(&named, &other.manifest);
    assert_eq!((foreign.status.as_u16(), header(&foreign, "x-assay-manifest")), (201, Some("not-kept")));
    assert_eq!(world.platforms()[0]["platform_manifest"], manifest.as_str());
    let log = world.log();
    for secret in [&ppid, &manifest[..64], &manifest.to_lowercase()[..64], id("qe_id")] {
        assert!(!log.to_lowercase().contains(&secret.to_lowercase()), "{secret}");
    }
}

#[test]
fn a_platform_that_waits_is_named_by_who_sends_its_manifest() {
    let folder = TempDir::new().unwrap();
    let machine = Machine::make(&folder, "one");
    let world = World::start(folder, &[], &[]);
    let json = [("user-token", "user"), ("content-type", "application/json")];
    let platforms = "/sgx/certification/v4/platforms";
    let waits = world.post(platforms, &json, machine.registration.to_string().as_bytes());
    assert_eq!(waits.status, 404, "Intel has nothing for it yet");
    let id = |name: &str| machine.registration[name].as_str().unwrap();
    let sent =
        world.send(&format!("{PLATFORM}?qeid={}&pceid={}", id("qe_id"), id("pce_id")), &machine.manifest);
    assert_eq!((sent.status.as_u16(), header(&sent, "x-assay-manifest")), (201, Some("kept")));
    // What Intel did not know a moment ago is asked for again, as the question is another one now.
    let pckcert = format!("/sgx/certification/v4/pckcert?{}", machine.query);
    assert_eq!(world.service.get(&pckcert).status, 200);
    assert_eq!(world.platforms()[0]["platform_manifest"], hex::encode_upper(&machine.manifest).as_str());
    let half = world.send(&format!("{PLATFORM}?qeid={}", id("qe_id")), &machine.manifest);
    assert_eq!(refused(&half), (400, Some("InvalidRequestSyntax")));
}

#[test]
fn packages_are_added() {
    let folder = TempDir::new().unwrap();
    let machine = Machine::make(&folder, "one");
    let world = World::start(folder, &[], &[]);
    let early = world.send(PACKAGE, &machine.add_request(2));
    assert_eq!(refused(&early), (400, Some("PlatformNotFound")), "in Intel's words");
    assert_eq!(world.send(PLATFORM, &machine.manifest).status, 201);
    let added = world.send(PACKAGE, &machine.add_request(2));
    assert_eq!((added.status.as_u16(), header(&added, "certificate-count")), (200, Some("2")));
    assert_eq!((header(&added, "content-type"), added.body.len()), (Some(OCTETS), 8 * 1024));
    assert!(added.body.starts_with(b"SIMULMEM\x01"), "as Intel gives it");
    assert_eq!(refused(&world.send(PACKAGE, b"other")), (400, Some("InvalidRequestSyntax")));
}

#[test]
fn what_is_malformed_or_not_permitted_is_refused() {
    let folder = TempDir::new().unwrap();
    let machine = Machine::make(&folder, "one");
    let world = World::start(folder, &[], &[]);
    let mut damaged = machine.manifest.clone();
    damaged[100] ^= 1;
    assert_eq!(refused(&world.send(PLATFORM, &damaged)), (400, Some("InvalidPlatformManifest")));
    assert_eq!(refused(&world.send(PLATFORM, b"nothing")), (400, Some("InvalidRequestSyntax")));
    let asked = world.asked(PLATFORM);
    assert_eq!(asked, 2);

    // What follows costs Intel no question.
    assert_eq!(refused(&world.send(PLATFORM, b"")), (400, Some("InvalidRequestSyntax")));
    assert_eq!(refused(&world.send(PLATFORM, &vec![0; 53_001])), (413, Some("RequestTooLarge")));
    let json = [("user-token", "user"), ("content-type", "application/json")];
    assert_eq!(refused(&world.post(PLATFORM, &json, &machine.manifest)), (415, Some("UnsupportedMediaType")));
    for token in [&[][..], &[("user-token", "other")], &[("admin-token", "admin")], &[("user-token", "")]] {
        let headers: Vec<_> = token.iter().copied().chain([("content-type", OCTETS)]).collect();
        for path in [PLATFORM, PACKAGE] {
            let answer = world.post(path, &headers, &machine.manifest);
            assert_eq!(refused(&answer), (401, Some("Unauthorized")), "{token:?}");
        }
    }
    assert_eq!(refused(&world.send("/sgx/registration/v1/other", b"x")), (404, Some("NotFound")));
    let client = client(&world.service.path("d/tls/ca.pem"));
    let url = format!("{}{PLATFORM}", world.administration);
    let got = runtime().block_on(async { client.get(&url, &[("user-token", "user")]).await }).unwrap();
    assert_eq!((got.status.as_u16(), header(&got, "allow")), (405, Some("POST")));
    // The nodes' address has no such path, whatever comes along.
    let public = format!("{}{PLATFORM}", world.service.url);
    let headers = [("user-token", "user"), ("content-type", OCTETS)];
    let answer =
        runtime().block_on(async { client.post(&public, &headers, machine.manifest.clone().into()).await });
    assert_eq!(answer.unwrap().status, 404);
    assert_eq!(world.asked(PLATFORM), asked);
}

#[test]
fn an_upstream_in_trouble_does_not_stand_before_the_next() {
    let folder = TempDir::new().unwrap();
    let machine = Machine::make(&folder, "one");
    let faults = ["unavailable-with-body", "garbage", "redirect", "too-many-requests"];
    let orders: Vec<String> = faults.iter().map(|fault| format!("{fault}@{PLATFORM}*1")).collect();
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    let world = World::start(folder, &orders, &[]);
    // The simulated vendors in the same process come after those that were configured.
    for _ in faults {
        let answer = world.send(PLATFORM, &machine.manifest);
        assert_eq!((answer.status.as_u16(), answer.body.len()), (201, 32));
    }
    assert_eq!(world.asked(PLATFORM), 4);
}

/// The chain in a header, as Intel's client decodes it.
fn decoded(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        decoded.extend(hex::decode(&part[..2]).unwrap());
        decoded.extend(part[2..].bytes());
    }
    decoded
}

#[test]
fn a_quote_without_certificate_is_attested_replayed_and_verified_with_that_of_its_platform() {
    let folder = TempDir::new().unwrap();
    let made = run_in(folder.path(), "simulate sgx --defect certification-ppid-rsa-3072 --data d --out e");
    assert_eq!(made.code, 0, "{made:?}");
    let world = World::start(folder, &[], &[]);
    let quote = std::fs::read(world.service.path("e/evidence.bin")).unwrap();
    let data = &quote[quote.len() - 404..];
    let part = |range: std::ops::Range<usize>| hex::encode_upper(&data[range]);
    let (ppid, cpu_svn, pce_svn, pce_id) = (part(0..384), part(384..400), part(400..402), part(402..404));
    let qe_id = hex::encode_upper(&quote[28..44]);
    let request: Value =
        serde_json::from_slice(&std::fs::read(world.service.path("e/request.json")).unwrap()).unwrap();
    let attest = || world.service.post("/attest/SgxEnclave?api-version=2022-08-01", &request);
    assert_eq!(attest().status, 400, "nobody registered the platform");
    let platform =
        json!({"qe_id": qe_id, "pce_id": pce_id, "cpu_svn": cpu_svn, "pce_svn": pce_svn, "enc_ppid": ppid});
    let json = [("user-token", "user"), ("content-type", "application/json")];
    let registered = world.post("/sgx/certification/v4/platforms", &json, platform.to_string().as_bytes());
    assert_eq!(registered.status, 200, "{}", String::from_utf8_lossy(&registered.body));
    let attested = attest();
    assert_eq!(attested.status, 200, "{}", String::from_utf8_lossy(&attested.body));

    // What the service gives nodes is what an auditor needs.
    let query = format!("qeid={qe_id}&cpusvn={cpu_svn}&pcesvn={pce_svn}&pceid={pce_id}");
    let pck = world.service.get(&format!("/sgx/certification/v4/pckcert?{query}"));
    let chain = decoded(header(&pck, "sgx-pck-certificate-issuer-chain").unwrap());
    std::fs::write(world.service.path("pck.pem"), [&pck.body[..], &chain].concat()).unwrap();
    let verify = "verify sgx e/evidence.bin --collateral e/collateral.json --data d --format json";
    let refused = world.service.run(verify);
    assert_eq!(
        (refused.code, &refused.json()["error"]["code"]),
        (1, &json!("certification-data-unsupported"))
    );
    let judged = world.service.run(&format!("{verify} --pck pck.pem"));
    assert_eq!((judged.code, &judged.json()["outcome"]), (0, &json!("genuine")), "{judged:?}");

    let token: Value = serde_json::from_slice(&attested.body).unwrap();
    let claims = token["token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value =
        serde_json::from_slice(&assay_token::base64url::decode_strict(claims).unwrap()).unwrap();
    let id = claims["jti"].as_str().unwrap();
    world.service.done(&format!("audit export {id} --out decision --data d"));
    let kept = std::fs::read_to_string(world.service.path("decision/collateral.json")).unwrap();
    assert!(kept.contains("pck_sha256"), "the certificate names the platform: {kept:.200}");
    let replay = "audit replay decision --request e/request.json --trust-data d --format json";
    assert_eq!(world.service.run(replay).code, 2, "the certificate is missing");
    let replayed = world.service.run(&format!("{replay} --pck pck.pem"));
    assert_eq!((replayed.code, &replayed.json()["same"]), (0, &json!(true)), "{replayed:?}");
    let log = world.log().to_uppercase();
    assert!(!log.contains(&qe_id) && !log.contains(&ppid[..32]));
}

#[test]
fn offline_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let machine = Machine::make(&folder, "one");
    let world = World::start(folder, &[], &[("ASSAY_COLLATERAL_MODE", "offline")]);
    for path in [PLATFORM, PACKAGE] {
        let answer = world.send(path, &machine.manifest);
        assert_eq!(refused(&answer), (501, Some("NotOffered")));
        assert!(String::from_utf8_lossy(&answer.body).contains("`offline`"));
    }
    assert_eq!(world.asked(PLATFORM), 0);
}
