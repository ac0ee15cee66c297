//! What the real binary keeps when it is killed while vendors keep it waiting.
#![allow(
    dead_code,
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

use std::thread::JoinHandle;
use std::time::Duration;

use assay_service::egress::{EgressError, Response};
use common::run_in;
use serde_json::json;
use served::{Service, Vendors, runtime, write_config};
use tempfile::TempDir;

const SERVERS: &str = "53494D000002";
const DESKTOPS: &str = "53494D000001";
const TOKEN: &str = "of hosts";
/// SHA-512 of it.
const TOKEN_SHA512: &str = "3341bf67146d2246f450b77f581e7638a5cfba273542a9843635dc351aab4a92\
    32fc3858d865531610cf096e8c4f541917270f49faccf79f6f7fc5d11f536bc3";

/// Evidence of a chip, whose id a client asks with, and a machine of Intel's.
fn silicon() -> (TempDir, Vec<String>) {
    let folder = TempDir::new().unwrap();
    for line in [
        "simulate snp --key vlek --data d --out vlek",
        "simulate snp --data d --out snp",
        "simulate pckid --data d --out p --registered",
    ] {
        let made = run_in(folder.path(), line);
        assert_eq!(made.code, 0, "{made:?}");
    }
    // What simulations publish in files would be served beside what vendors gave.
    for file in std::fs::read_dir(folder.path().join("d/silicon/collateral")).unwrap() {
        let path = file.unwrap().path();
        match path.extension().unwrap().to_str() {
            // What is missing of Intel's is published anew by the start of the service.
            Some("json") => std::fs::write(path, "{}").unwrap(),
            _ => std::fs::remove_file(path).unwrap(),
        }
    }
    let line = std::fs::read_to_string(folder.path().join("p/pckid.csv")).unwrap();
    (folder, line.trim_end().split(',').map(str::to_owned).collect())
}

/// A configuration with these vendors, and an address for hosts.
fn configure(folder: &std::path::Path, vendors: &Vendors) -> (String, String) {
    let file = write_config(folder, vendors);
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let more = format!(
        "[collateral.administration]\nlisten = \"{address}\"\n\
         user_token_sha512 = \"{TOKEN_SHA512}\"\nadmin_token_sha512 = \"{TOKEN_SHA512}\"\n"
    );
    std::fs::write(&file, text + &more).unwrap();
    (file, format!("https://localhost:{}", address.port()))
}

fn register(service: &Service, url: &str, machine: &[String]) {
    let [encrypted_ppid, pce_id, cpu_svn, pce_svn, qe_id] = machine else { panic!("{}", machine.len()) };
    let body = json!({
        "enc_ppid": encrypted_ppid, "pce_id": pce_id, "cpu_svn": cpu_svn, "pce_svn": pce_svn, "qe_id": qe_id,
        "platform_manifest": "",
    });
    let (client, url) = (service.client(), format!("{url}/sgx/certification/v4/platforms"));
    let headers = [("user-token", TOKEN), ("content-type", "application/json")];
    let answer = runtime().block_on(async { client.post(&url, &headers, body.to_string().into()).await });
    assert_eq!(answer.unwrap().status, 200);
}

/// Asks the service to ask for everything again, and waits for its answer elsewhere.
fn refresh(service: &Service, url: &str) -> JoinHandle<Result<Response, EgressError>> {
    let (client, url) = (service.client(), format!("{url}/sgx/certification/v4/refresh"));
    let headers = [("admin-token", TOKEN)];
    std::thread::spawn(move || {
        runtime().block_on(async { client.post(&url, &headers, bytes::Bytes::new()).await })
    })
}

/// Every kind that is stored; Intel's directory of families is not, and AMD's chains are built in.
fn paths(folder: &std::path::Path, machine: &[String]) -> Vec<String> {
    let report = std::fs::read(folder.join("snp/evidence.bin")).unwrap();
    let (chip, tcb) = (hex::encode(&report[0x1a0..0x1e0]), &report[0x180..0x188]);
    let levels =
        format!("blSPL={:02}&teeSPL={:02}&snpSPL={:02}&ucodeSPL={:02}", tcb[0], tcb[1], tcb[6], tcb[7]);
    let (pce_id, cpu_svn, pce_svn, qe_id) = (&machine[1], &machine[2], &machine[3], &machine[4]);
    let sgx = |rest: &str| format!("/sgx/certification/v4/{rest}");
    let tdx = |rest: &str| format!("/tdx/certification/v4/{rest}");
    vec![
        sgx(&format!("tcb?fmspc={SERVERS}")),
        tdx(&format!("tcb?fmspc={SERVERS}")),
        sgx("qe/identity"),
        tdx("qe/identity"),
        sgx("qve/identity"),
        sgx("qae/identity"),
        sgx("tcbevaluationdatanumbers"),
        tdx("tcbevaluationdatanumbers"),
        sgx("pckcrl?ca=processor"),
        sgx("pckcrl?ca=platform"),
        sgx("rootcacrl"),
        sgx(&format!("pckcert?qeid={qe_id}&pceid={pce_id}&cpusvn={cpu_svn}&pcesvn={pce_svn}")),
        format!("/vcek/v1/Milan/{chip}?{levels}"),
        "/vcek/v1/Milan/crl".to_owned(),
        "/vlek/v1/Milan/crl".to_owned(),
    ]
}

#[test]
fn a_kill_while_vendors_are_slow_leaves_every_kind_as_it_was() {
    let (folder, machine) = silicon();
    let paths = paths(folder.path(), &machine);
    let vendors = Vendors::start(folder.path());
    let (config, hosts) = configure(folder.path(), &vendors);
    let mut service = Service::start_in(folder, &[("ASSAY_CONFIG", &config)]);
    register(&service, &hosts, &machine);
    let answers = |service: &Service| -> Vec<(u16, Vec<u8>)> {
        let one = |path: &String| {
            let answer = service.get(path);
            (answer.status.as_u16(), answer.body.to_vec())
        };
        paths.iter().map(one).collect()
    };
    let before = answers(&service);
    for ((status, body), path) in before.iter().zip(&paths) {
        assert_eq!((*status, body.is_empty()), (200, false), "{path}");
    }
    drop(vendors);

    // The vendors take every question and keep the answer.
    let slow = Vendors::start_with(&service.path(""), &["--fault", "slow=600000"]);
    let (config, hosts) = configure(&service.path(""), &slow);
    service.restart(&[("ASSAY_CONFIG", &config)]);
    let asking = refresh(&service, &hosts);
    let is_asked = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(25));
        slow.counts(&service).as_object().unwrap().keys().any(|route| route.contains("IntelSGXRootCA"))
    });
    assert!(is_asked, "nothing was refreshed");
    // Killed, and started where nobody can be asked.
    service.restart(&[("ASSAY_COLLATERAL_MODE", "offline")]);
    assert!(asking.join().unwrap().is_err(), "the refresh ended before the process did");
    for ((after, before), path) in answers(&service).iter().zip(&before).zip(&paths) {
        assert!(after == before, "{path}: {} instead of {}", after.0, before.0);
    }

    // When the vendors are themselves again, they are asked again.
    drop(slow);
    let vendors = Vendors::start(&service.path(""));
    let (config, _) = configure(&service.path(""), &vendors);
    service.restart(&[("ASSAY_CONFIG", &config)]);
    let other = format!("/sgx/certification/v4/tcb?fmspc={DESKTOPS}");
    assert_eq!(service.get(&other).status, 200);
    assert_eq!(vendors.asked(&service, "GET /sgx/certification/v4/tcb"), 1);
}
