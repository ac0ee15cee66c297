//! The simulated Intel as an online service: documents and lists that verify, and every refusal.
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

mod vendors;

use assay_silicon::intel::{Ca, Intel, PlatformSpec, Registration, TcbStatus};
use assay_silicon::upstream::{VendorAnswer, VendorRequest};
use assay_verify::UnixTime;
use assay_verify::intel::Collateral;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use der::{Decode, Encode};
use serde_json::{Value, json};
use vendors::{
    DAY, DESKTOP, NOW, PCS, SERVER, TDX, Vendors, certificates, chain, codes, json, judge, public_key, signed,
};
use x509_cert::crl::CertificateList;

const JSON: &str = "application/json";

fn names(answer: &VendorAnswer) -> Vec<&str> {
    answer.headers.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn sets_verify_and_an_update_makes_platforms_outdated() {
    let vendors = Vendors::new();
    let anchors = vendors.anchors();
    let expected = [
        (TcbStatus::UpToDate, ["UpToDate", "UpToDate", "OutOfDate"]),
        (TcbStatus::SWHardeningNeeded, ["UpToDate", "SWHardeningNeeded", "OutOfDate"]),
        (
            TcbStatus::ConfigurationNeeded,
            ["ConfigurationNeeded", "ConfigurationNeeded", "OutOfDateConfigurationNeeded"],
        ),
        (TcbStatus::OutOfDate, ["UpToDate", "OutOfDate", "OutOfDate"]),
    ];
    for (ca, fmspc) in [(Ca::Platform, SERVER), (Ca::Processor, DESKTOP)] {
        for (status, expected) in expected {
            let platform = vendors.enroll(&PlatformSpec::new(ca, status), Registration::of_new(ca));
            for (selector, number, expected) in [
                ("tcbEvaluationDataNumber=17", 17, expected[0]),
                ("update=standard", 18, expected[1]),
                ("update=early", 19, expected[2]),
            ] {
                let raw = vendors.collateral(fmspc, selector);
                let set = Collateral::verify(&raw, &anchors).collateral.expect("the set verifies");
                assert_eq!(set.evaluation_number(), number);
                let judged = judge(&platform, &raw, &anchors);
                assert_eq!(codes(&judged), [""; 0], "{ca:?} {status} {selector}");
                let tcb = judged.tcb.expect("there is a verdict");
                assert_eq!(tcb.status.as_str(), expected, "{ca:?} {status} {selector}");
            }
        }
    }
}

#[test]
fn an_unselected_request_is_for_the_standard_evaluation() {
    let vendors = Vendors::new();
    let tcb =
        |selector: &str| vendors.found(&format!("{PCS}/tcb"), &format!("fmspc={SERVER}{selector}")).body;
    assert_eq!(tcb(""), tcb("&update=standard"));
    assert_eq!(tcb(""), tcb("&tcbEvaluationDataNumber=18"));
    assert_ne!(tcb(""), tcb("&update=early"));
    assert_eq!(tcb("&update=early"), tcb("&tcbEvaluationDataNumber=19"));
}

#[test]
fn documents_are_issued_at_midnight_and_stay_for_the_day() {
    let vendors = Vendors::new();
    let at = |now| vendors.service.answer(&VendorRequest::get(&format!("{PCS}/qe/identity"), ""), now);
    assert_eq!(at(NOW).body, at(NOW + 3600).body);
    assert_ne!(at(NOW).body, at(NOW + DAY).body);
    let document = |now| json(&at(now))["enclaveIdentity"].clone();
    let midnight = NOW - NOW % DAY;
    let time = |value: &Value| UnixTime::parse_rfc3339(value.as_str().unwrap()).unwrap().0;
    assert_eq!(time(&document(NOW)["issueDate"]), midnight);
    assert_eq!(time(&document(NOW)["nextUpdate"]), midnight + 30 * DAY);
    assert_eq!(time(&document(NOW + DAY)["issueDate"]), midnight + DAY);
}

#[test]
fn every_signed_document_is_signed_by_the_signer_in_its_header() {
    let vendors = Vendors::new();
    let signers =
        chain(&vendors.found(&format!("{PCS}/qe/identity"), ""), "SGX-Enclave-Identity-Issuer-Chain");
    assert_eq!(certificates(&signers).len(), 2);
    let identity = "SGX-Enclave-Identity-Issuer-Chain";
    let number = "TCB-Evaluation-Data-Numbers-Issuer-Chain";
    for (base, path, query, member, header, id) in [
        (PCS, "/tcb", format!("fmspc={SERVER}"), "tcbInfo", "TCB-Info-Issuer-Chain", "SGX"),
        (TDX, "/tcb", format!("fmspc={SERVER}"), "tcbInfo", "TCB-Info-Issuer-Chain", "TDX"),
        (PCS, "/qe/identity", String::new(), "enclaveIdentity", identity, "QE"),
        (PCS, "/qve/identity", String::new(), "enclaveIdentity", identity, "QVE"),
        (PCS, "/qae/identity", String::new(), "enclaveIdentity", identity, "QAE"),
        (TDX, "/qe/identity", String::new(), "enclaveIdentity", identity, "TD_QE"),
        (PCS, "/tcbevaluationdatanumbers", String::new(), "tcbEvaluationDataNumbers", number, "SGX"),
        (TDX, "/tcbevaluationdatanumbers", String::new(), "tcbEvaluationDataNumbers", number, "TDX"),
    ] {
        let answer = vendors.found(&format!("{base}{path}"), &query);
        assert_eq!(names(&answer), ["Content-Type", "Request-ID", header], "{path}");
        assert_eq!(answer.header("Content-Type"), Some(JSON));
        assert_eq!(chain(&answer, header), signers, "{path}");
        let (text, signature) = signed(&answer, member);
        let key = public_key(&certificates(&signers)[0].to_der().unwrap());
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
        key.verify(text.as_bytes(), &hex::decode(signature).unwrap()).expect(path);
        assert_eq!(json(&answer)[member]["id"], id, "{path}");
    }
}

#[test]
fn the_published_evaluations_are_listed_newest_first() {
    let vendors = Vendors::new();
    let list = json(&vendors.found(&format!("{PCS}/tcbevaluationdatanumbers"), ""));
    let list = &list["tcbEvaluationDataNumbers"];
    assert_eq!(list["version"], 1);
    let entries = list["tcbEvalNumbers"].as_array().unwrap();
    let numbers: Vec<_> = entries.iter().map(|entry| entry["tcbEvaluationDataNumber"].clone()).collect();
    assert_eq!(numbers, [19, 18, 17]);
    for entry in entries {
        let number = &entry["tcbEvaluationDataNumber"];
        let query = format!("fmspc={SERVER}&tcbEvaluationDataNumber={number}");
        let tcb = json(&vendors.found(&format!("{PCS}/tcb"), &query));
        assert_eq!(tcb["tcbInfo"]["tcbEvaluationDataNumber"], *number);
        assert_eq!(tcb["tcbInfo"]["tcbLevels"][0]["tcbDate"], entry["tcbDate"], "the highest level's date");
    }
}

#[test]
fn lists_come_in_both_encodings_and_with_their_issuer() {
    let vendors = Vendors::new();
    for ca in Ca::ALL {
        let path = format!("{PCS}/pckcrl");
        let der = vendors.found(&path, &format!("ca={}&encoding=der", ca.name()));
        assert_eq!(names(&der), ["Content-Type", "Request-ID", "SGX-PCK-CRL-Issuer-Chain"]);
        assert_eq!(der.header("Content-Type"), Some("application/pkix-crl"));
        let list: CertificateList = CertificateList::from_der(&der.body).unwrap();
        let issuers = certificates(&chain(&der, "SGX-PCK-CRL-Issuer-Chain"));
        assert_eq!(list.tbs_cert_list.issuer, *issuers[0].tbs_certificate().subject());
        for query in [format!("ca={}", ca.name()), format!("ca={}&encoding=pem", ca.name())] {
            let pem = vendors.found(&path, &query);
            assert_eq!(pem.header("Content-Type"), Some("application/x-pem-file"));
            let text = String::from_utf8(pem.body).unwrap();
            assert!(
                text.starts_with("-----BEGIN X509 CRL-----\n") && text.ends_with("-----END X509 CRL-----\n")
            );
            assert_eq!(der::pem::decode_vec(text.as_bytes()).unwrap(), ("X509 CRL", der.body.clone()));
        }
    }
    let root = vendors.found("/IntelSGXRootCA.cer", "");
    assert_eq!(root.header("Content-Type"), Some("application/pkix-cert"));
    let intel = Intel::load_or_generate(vendors.folder.path(), NOW).unwrap();
    assert_eq!(public_key(&root.body), intel.root_public_key());
}

#[test]
fn what_is_revoked_while_the_service_runs_is_in_the_next_list() {
    let vendors = Vendors::new();
    let revoked = || {
        let list = vendors.found(&format!("{PCS}/pckcrl"), "ca=platform&encoding=der").body;
        let list: CertificateList = CertificateList::from_der(&list).unwrap();
        list.tbs_cert_list.revoked_certificates.map_or(0, |revoked| revoked.len())
    };
    assert_eq!(revoked(), 0);
    let platform = vendors.enroll(&PlatformSpec::default(), Registration::Direct);
    Intel::update(vendors.folder.path(), NOW, |intel| {
        intel.revoke_pck(&platform);
        Ok(())
    })
    .unwrap();
    assert_eq!(revoked(), 1);
}

#[test]
fn families_are_listed_by_class() {
    let vendors = Vendors::new();
    let listed = |query: &str| json(&vendors.found(&format!("{PCS}/fmspcs"), query));
    let desktop = json!({"fmspc": DESKTOP, "platform": "E3"});
    let server = json!({"fmspc": SERVER, "platform": "E5"});
    assert_eq!(listed(""), json!([desktop, server]));
    assert_eq!(listed("platform=all"), json!([desktop, server]));
    assert_eq!(listed("platform=E5"), json!([server]));
    assert_eq!(listed("platform=client"), json!([]));
}

#[test]
fn requests_for_documents_are_refused_with_the_right_status() {
    let vendors = Vendors::new();
    let tcb = |query: &str| (format!("{PCS}/tcb"), query.to_owned());
    let qe = |query: &str| (format!("{PCS}/qe/identity"), query.to_owned());
    let table = [
        (tcb(""), 400),
        (tcb("fmspc=53494D0000"), 400),
        (tcb("fmspc=53494D00000Z"), 400),
        (tcb(&format!("fmspc={SERVER}&fmspc={SERVER}")), 400),
        (tcb("fmspc=00606A000000"), 404),
        (tcb(&format!("fmspc={SERVER}&update=late")), 400),
        (tcb(&format!("fmspc={SERVER}&update=")), 400),
        (tcb(&format!("fmspc={SERVER}&update=early&tcbEvaluationDataNumber=19")), 400),
        (tcb(&format!("fmspc={SERVER}&tcbEvaluationDataNumber=x")), 400),
        (tcb(&format!("fmspc={SERVER}&tcbEvaluationDataNumber=")), 400),
        (tcb(&format!("fmspc={SERVER}&tcbEvaluationDataNumber=+19")), 400),
        (tcb(&format!("fmspc={SERVER}&tcbEvaluationDataNumber=99999999999")), 400),
        (tcb(&format!("fmspc={SERVER}&tcbEvaluationDataNumber=16")), 410),
        (tcb(&format!("fmspc={SERVER}&tcbEvaluationDataNumber=20")), 404),
        (tcb(&format!("fmspc={}", SERVER.to_lowercase())), 200),
        ((format!("{TDX}/tcb"), format!("fmspc={DESKTOP}")), 404),
        (qe("update=early&tcbEvaluationDataNumber=19"), 400),
        (qe("update=EARLY"), 400),
        (qe("tcbEvaluationDataNumber=16"), 410),
        (qe("tcbEvaluationDataNumber=20"), 404),
        ((format!("{TDX}/qve/identity"), String::new()), 404),
        ((format!("{PCS}/pckcrl"), String::new()), 400),
        ((format!("{PCS}/pckcrl"), "ca=root".to_owned()), 400),
        ((format!("{PCS}/pckcrl"), "ca=platform&encoding=hex".to_owned()), 400),
        ((format!("{PCS}/fmspcs"), "platform=E7".to_owned()), 400),
        (("/sgx/certification/v3/tcb".to_owned(), format!("fmspc={SERVER}")), 404),
        (("/".to_owned(), String::new()), 404),
        ((String::new(), String::new()), 404),
    ];
    for ((path, query), status) in table {
        let answer = vendors.get(&path, &query);
        assert_eq!(answer.status, status, "{path}?{query}");
        assert_eq!(answer.header("Request-ID").map(str::len), Some(32));
        assert_eq!(answer.body.is_empty(), status != 200, "{path}?{query}");
    }
    assert_eq!(vendors.post(&format!("{PCS}/tcb"), JSON, "{}").status, 404);
}

#[test]
fn a_folder_that_cannot_be_read_is_the_services_fault() {
    let vendors = Vendors::new();
    std::fs::create_dir(vendors.folder.path().join("intel")).unwrap();
    std::fs::write(vendors.folder.path().join("intel/vendor.json"), "{}").unwrap();
    let answer = vendors.get("/IntelSGXRootCA.der", "");
    assert_eq!((answer.status, answer.header("Error-Code")), (500, Some("simulation-folder-corrupt")));
    assert!(answer.body.is_empty());
}
