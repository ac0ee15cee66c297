//! A vendor in a folder: stable, private, shared by processes; and `simulate` on top of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

mod view;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use assay_evidence::open_enclave::Report;
use assay_evidence::sgx::Quote;
use assay_silicon::SiliconError;
use assay_silicon::intel::{
    Ca, Collateral, Defect, Intel, Kind, PlatformSpec, Sample, SimulateOptions, TcbStatus, simulate,
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use tempfile::TempDir;
use view::{Fact, broken_facts, collateral_facts, crl};

const NOW: i64 = 1_780_000_000;
const DAY: i64 = 86_400;

fn published(dir: &Path, ca: Ca) -> Collateral {
    let path = dir.join("collateral").join(format!("sgx-{}.json", ca.name()));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn revoked_count(list: &str) -> usize {
    crl(list).tbs_cert_list.revoked_certificates.map_or(0, |revoked| revoked.len())
}

#[test]
fn a_folder_keeps_its_vendor_and_what_it_revoked() {
    let dir = TempDir::new().unwrap();
    let first = Intel::load_or_generate(dir.path(), NOW).unwrap();
    let again = Intel::load_or_generate(dir.path(), NOW + DAY).unwrap();
    assert_eq!(first.root_public_key(), again.root_public_key());
    assert_eq!(first.root_certificate_pem(), again.root_certificate_pem());
    let other = TempDir::new().unwrap();
    let elsewhere = Intel::load_or_generate(other.path(), NOW).unwrap();
    assert_ne!(first.root_public_key(), elsewhere.root_public_key());

    let (changed, ()) = Intel::update(dir.path(), NOW, |intel| {
        let platform = intel.platform(&PlatformSpec::default(), NOW)?;
        intel.revoke_pck(&platform);
        intel.revoke_processor_ca();
        Ok(())
    })
    .unwrap();
    let loaded = Intel::load_or_generate(dir.path(), NOW).unwrap();
    assert_eq!(format!("{changed:?}"), format!("{loaded:?}"));
    assert_ne!(format!("{first:?}"), format!("{loaded:?}"));
    // What was loaded signs as before.
    let sample = Sample {
        quote: loaded.platform(&PlatformSpec::default(), NOW).unwrap().quote(&Default::default()).unwrap(),
        collateral: published(dir.path(), Ca::Platform),
    };
    assert_eq!(broken_facts(&sample, &first.root_public_key()), BTreeSet::new());
}

#[test]
fn a_failed_change_is_not_stored() {
    let dir = TempDir::new().unwrap();
    let before = Intel::load_or_generate(dir.path(), NOW).unwrap();
    let error = SiliconError::Crypto { operation: "test" };
    let result: Result<(Intel, ()), _> = Intel::update(dir.path(), NOW, |intel| {
        intel.revoke_tcb_signer();
        Err(error.clone())
    });
    assert_eq!(result.unwrap_err(), error);
    let after = Intel::load_or_generate(dir.path(), NOW).unwrap();
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
}

#[test]
fn a_revocation_is_kept_though_it_cannot_be_published() {
    let dir = TempDir::new().unwrap();
    let before = Intel::load_or_generate(dir.path(), NOW).unwrap();
    let blocked = dir.path().join("collateral");
    fs::write(&blocked, "in the way").unwrap();
    let result = Intel::update(dir.path(), NOW, |intel| {
        intel.revoke_tcb_signer();
        Ok(())
    });
    let reason = std::io::ErrorKind::AlreadyExists;
    let error = SiliconError::Folder { operation: "create", path: blocked, reason };
    assert_eq!(result.unwrap_err(), error);
    let after = Intel::load_or_generate(dir.path(), NOW).unwrap();
    assert_ne!(format!("{before:?}"), format!("{after:?}"));
}

#[test]
fn everything_in_a_folder_is_private() {
    let parent = TempDir::new().unwrap();
    let dir = parent.path().join("silicon");
    Intel::publish(&dir, NOW).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut files = 0;
    for folder in [dir.clone(), dir.join("intel"), dir.join("collateral")] {
        assert_eq!(mode(&folder), 0o700, "{folder:?}");
        for entry in
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
        {
            assert_eq!(mode(&entry), 0o600, "{entry:?}");
            files += 1;
        }
    }
    assert_eq!(files, 4, "vendor, lock, and collateral of two authorities");
}

#[test]
fn a_damaged_file_is_named() {
    let dir = TempDir::new().unwrap();
    Intel::load_or_generate(dir.path(), NOW).unwrap();
    let path = dir.path().join("intel").join("vendor.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"format\": 1", "\"format\": 2", 1)).unwrap();
    let reason = "its format is 2, this program knows 1".to_owned();
    let error = SiliconError::CorruptFolder { path: path.clone(), reason };
    assert_eq!(Intel::load_or_generate(dir.path(), NOW).unwrap_err(), error);
    assert_eq!(error.code(), "simulation-folder-corrupt");
    fs::write(&path, "{").unwrap();
    let error = Intel::load_or_generate(dir.path(), NOW).unwrap_err();
    assert!(matches!(&error, SiliconError::CorruptFolder { path: named, .. } if *named == path), "{error:?}");

    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Intel::load_or_generate(&file, NOW).unwrap_err();
    assert_eq!(error.code(), "simulation-folder-unusable");
}

#[test]
fn threads_share_one_vendor_and_lose_no_revocation() {
    let dir = TempDir::new().unwrap();
    let roots: BTreeSet<[u8; 65]> = thread::scope(|scope| {
        let work = || {
            for _ in 0..5 {
                let options = SimulateOptions { revoked: true, ..SimulateOptions::default() };
                simulate(dir.path(), Kind::Sgx, &options, NOW).unwrap();
            }
            Intel::load_or_generate(dir.path(), NOW).unwrap().root_public_key()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(roots.len(), 1);
    assert_eq!(revoked_count(&published(dir.path(), Ca::Platform).pck_crl), 20);
}

const CHILD_FOLDER: &str = "ASSAY_SILICON_TEST_FOLDER";

/// Does nothing by itself: the test below runs it in processes of its own.
#[test]
fn child_process() {
    let Some(dir) = std::env::var_os(CHILD_FOLDER) else { return };
    let options = SimulateOptions { revoked: true, ca: Ca::Processor, ..SimulateOptions::default() };
    for _ in 0..5 {
        simulate(Path::new(&dir), Kind::Sgx, &options, NOW).unwrap();
    }
}

#[test]
fn processes_share_one_vendor_and_lose_no_revocation() {
    let dir = TempDir::new().unwrap();
    let spawn = || {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child_process"]).env(CHILD_FOLDER, dir.path()).spawn().unwrap()
    };
    let children: Vec<_> = (0..4).map(|_| spawn()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(revoked_count(&published(dir.path(), Ca::Processor).pck_crl), 20);
}

#[test]
fn collateral_is_published_daily_and_after_revocations() {
    let dir = TempDir::new().unwrap();
    Intel::publish(dir.path(), NOW).unwrap();
    let root = Intel::load_or_generate(dir.path(), NOW).unwrap().root_public_key();
    let first = Ca::ALL.map(|ca| published(dir.path(), ca));
    for collateral in &first {
        assert_eq!(collateral_facts(collateral, &root), BTreeSet::new());
    }
    assert!(first[0].tcb_info.contains("\"fmspc\":\"53494D000001\""));
    assert!(first[1].tcb_info.contains("\"fmspc\":\"53494D000002\""));

    let now = || Ca::ALL.map(|ca| published(dir.path(), ca));
    Intel::publish(dir.path(), NOW + DAY - 1).unwrap();
    assert_eq!(now(), first, "still current");
    Intel::publish(dir.path(), NOW + DAY).unwrap();
    let second = now();
    assert_ne!(second, first, "a day old");
    Intel::publish(dir.path(), NOW + DAY - 1).unwrap();
    let third = now();
    assert_ne!(third, second, "from the future");

    let options = SimulateOptions { revoked: true, ..SimulateOptions::default() };
    simulate(dir.path(), Kind::Sgx, &options, NOW + DAY).unwrap();
    let fourth = now();
    assert_eq!(revoked_count(&fourth[1].pck_crl), 1);
    simulate(dir.path(), Kind::Sgx, &SimulateOptions::default(), NOW + DAY).unwrap();
    assert_eq!(now(), fourth, "nothing new");
    fs::remove_file(dir.path().join("collateral").join("sgx-platform.json")).unwrap();
    Intel::publish(dir.path(), NOW + DAY).unwrap();
    assert_ne!(now(), fourth, "one was gone");
}

#[test]
fn simulated_evidence_is_bound_to_its_runtime_data() {
    let dir = TempDir::new().unwrap();
    let root = Intel::load_or_generate(dir.path(), NOW).unwrap().root_public_key();
    let cases = [(None, "JSON"), (Some(b"{\"a\":1}".to_vec()), "JSON"), (Some(vec![0xff, 0]), "Binary")];
    for (runtime_data, data_type) in cases {
        for kind in Kind::ALL {
            let options =
                SimulateOptions { runtime_data: runtime_data.clone(), ..SimulateOptions::default() };
            let simulated = simulate(dir.path(), kind, &options, NOW).unwrap();
            if let Some(given) = &runtime_data {
                assert_eq!(simulated.runtime_data, *given);
            }
            let (bytes, member, route) = match kind {
                Kind::Sgx => (&simulated.evidence[..], "quote", "/attest/SgxEnclave"),
                Kind::OpenEnclave => {
                    (Report::parse(&simulated.evidence).unwrap().quote, "report", "/attest/OpenEnclave")
                }
            };
            assert_eq!(kind.attest_route(), route);
            let quote = Quote::parse(bytes).unwrap();
            let bound = [digest(&SHA256, &simulated.runtime_data).as_ref(), &[0; 32]].concat();
            assert_eq!(quote.report.report_data[..], bound);
            let expected = serde_json::json!({
                member: BASE64_URL_SAFE_NO_PAD.encode(&simulated.evidence),
                "runtimeData": {
                    "data": BASE64_URL_SAFE_NO_PAD.encode(&simulated.runtime_data),
                    "dataType": data_type,
                },
            });
            assert_eq!(simulated.request, expected);
            let sample = Sample { quote: bytes.to_vec(), collateral: simulated.collateral };
            assert_eq!(broken_facts(&sample, &root), BTreeSet::new());
        }
    }
}

#[test]
fn runtime_data_is_new_each_time() {
    let dir = TempDir::new().unwrap();
    let make = || simulate(dir.path(), Kind::Sgx, &SimulateOptions::default(), NOW).unwrap().runtime_data;
    let (first, second) = (make(), make());
    assert_ne!(first, second);
    let value: serde_json::Value = serde_json::from_slice(&first).unwrap();
    assert_eq!(value["created"], "2026-05-28T20:26:40Z");
    assert_eq!(value["keys"][0]["crv"], "P-256");
}

#[test]
fn options_reach_the_quote() {
    let dir = TempDir::new().unwrap();
    let options = SimulateOptions {
        ca: Ca::Processor,
        status: TcbStatus::OutOfDate,
        debug: true,
        mr_enclave: Some([1; 32]),
        mr_signer: Some([2; 32]),
        isv_prod_id: Some(3),
        isv_svn: Some(4),
        ..SimulateOptions::default()
    };
    let simulated = simulate(dir.path(), Kind::Sgx, &options, NOW).unwrap();
    let report = Quote::parse(&simulated.evidence).unwrap().report;
    assert_eq!((report.is_debuggable(), report.mr_enclave, report.mr_signer), (true, [1; 32], [2; 32]));
    assert_eq!((report.isv_prod_id, report.isv_svn), (3, 4));
    assert_eq!(report.cpu_svn[..2], [10, 10]);
    assert!(simulated.collateral.tcb_info.contains("\"fmspc\":\"53494D000001\""));
}

#[test]
fn a_defect_and_a_revocation_go_together() {
    let dir = TempDir::new().unwrap();
    let root = Intel::load_or_generate(dir.path(), NOW).unwrap().root_public_key();
    let options = SimulateOptions {
        revoked: true,
        defect: Some(Defect::QeReportBitFlipped),
        ..SimulateOptions::default()
    };
    let simulated = simulate(dir.path(), Kind::Sgx, &options, NOW).unwrap();
    assert_eq!(revoked_count(&simulated.collateral.pck_crl), 1);
    let sample = Sample { quote: simulated.evidence, collateral: simulated.collateral };
    assert_eq!(broken_facts(&sample, &root), BTreeSet::from([Fact::QeReportSignature]));
}

#[test]
fn kinds_have_names() {
    for kind in Kind::ALL {
        assert_eq!(kind.name().parse::<Kind>().unwrap(), kind);
    }
    let error = SiliconError::UnknownName { what: "kind of simulated evidence", name: "snp".to_owned() };
    assert_eq!("snp".parse::<Kind>().unwrap_err(), error);
}
