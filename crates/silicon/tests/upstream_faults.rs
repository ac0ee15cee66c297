//! Every fault does what it says, and nothing else.
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

use assay_silicon::SiliconError;
use assay_silicon::amd::{SimulateOptions, simulate};
use assay_silicon::intel::{Platform, PlatformSpec, Registration};
use assay_silicon::upstream::{Fault, FaultOrder, VendorAnswer, VendorRequest, VendorService};
use assay_verify::UnixTime;
use assay_verify::intel::Collateral;
use assay_verify::snp::{AmdCrl, verify_vek};
use der::Decode;
use serde_json::Value;
use vendors::{
    DAY, NOW, PCS, SERVER, TDX, Vendors, amd_anchors, amd_folder, certificates, codes, collateral, json,
    judge, pck_query,
};
use x509_cert::crl::CertificateList;

const MIB: usize = 1024 * 1024;

/// A service with one fault, and the same service without it.
struct Pair {
    vendors: Vendors,
    faulty: VendorService,
    platform: Platform,
}

impl Pair {
    fn new(fault: Fault) -> Self {
        let vendors = Vendors::new();
        let platform = vendors.enroll(&PlatformSpec::default(), Registration::Direct);
        let faulty =
            VendorService::of_folder(vendors.folder.path()).with_faults(vec![FaultOrder::always(fault)]);
        Self { vendors, faulty, platform }
    }

    fn get(&self, path: &str, query: &str) -> VendorAnswer {
        self.faulty.answer(&VendorRequest::get(path, query), NOW)
    }

    fn tcb(&self) -> VendorAnswer {
        self.get(&format!("{PCS}/tcb"), &format!("fmspc={SERVER}"))
    }

    fn good_tcb(&self) -> VendorAnswer {
        self.vendors.found(&format!("{PCS}/tcb"), &format!("fmspc={SERVER}"))
    }

    /// The codes with which a quote is refused whose whole set is of the faulty service.
    fn refused_with(&self) -> Vec<&'static str> {
        let qe = self.get(&format!("{PCS}/qe/identity"), "");
        let list = self.get(&format!("{PCS}/pckcrl"), "ca=platform&encoding=der");
        let root = self.get("/IntelSGXRootCA.der", "");
        let raw = collateral(&self.tcb(), &qe, &list, &root);
        codes(&judge(&self.platform, &raw, &self.vendors.anchors()))
    }

    fn pck(&self) -> VendorAnswer {
        self.get(&format!("{PCS}/pckcert"), &pck_query(&self.platform.pck_id(false)))
    }
}

fn without_id(answer: &VendorAnswer) -> Vec<(String, String)> {
    answer.headers.iter().filter(|(name, _)| name != "Request-ID").cloned().collect()
}

fn time(value: &Value) -> i64 {
    UnixTime::parse_rfc3339(value.as_str().unwrap()).unwrap().0
}

/// What each fault does to the TCB information, if that can be said of the answer alone. The rest is below.
fn does_what_it_says(fault: Fault, pair: &Pair) {
    let (good, bad) = (pair.good_tcb(), pair.tcb());
    let unavailable = |status, headers: usize| {
        assert_eq!((bad.status, bad.headers.len()), (status, headers), "{fault}");
        assert!(bad.body.is_empty(), "{fault}");
    };
    match fault {
        Fault::TooManyRequests => {
            unavailable(429, 1);
            assert_eq!(bad.header("Retry-After"), Some("1"));
        }
        Fault::TooManyRequestsBare => unavailable(429, 0),
        Fault::ServerError => unavailable(500, 0),
        Fault::Unavailable => unavailable(503, 0),
        Fault::UnavailableWithBody => {
            assert_eq!((bad.status, bad.header("Content-Type")), (503, Some("text/html")));
            assert!(bad.body.starts_with(b"<html>"));
        }
        Fault::Redirect => {
            unavailable(302, 1);
            let location = bad.header("Location").unwrap();
            let (path, query) = location.split_once('?').unwrap();
            assert_eq!(pair.get(path, query).body.len(), good.body.len(), "it is there");
        }
        Fault::Closed => assert!(bad.hang_up && !good.hang_up),
        Fault::Slow => {
            assert_eq!((bad.delay_ms, good.delay_ms), (2000, 0));
            assert_eq!(without_id(&bad), without_id(&good));
        }
        Fault::Truncated => {
            assert_eq!((bad.status, bad.body.len()), (200, good.body.len() / 2));
            assert_eq!(without_id(&bad), without_id(&good));
            assert!(serde_json::from_slice::<Value>(&bad.body).is_err());
        }
        Fault::Huge => {
            assert_eq!(bad.body.len(), good.body.len() + 32 * MIB);
            assert!(serde_json::from_slice::<Value>(&bad.body).is_ok(), "only its size is wrong");
        }
        Fault::Large => assert_eq!(bad.body.len(), good.body.len() + 72 * 1024),
        Fault::Html => {
            assert_eq!((bad.status, bad.body.starts_with(b"<html>")), (200, true));
            assert_eq!(without_id(&bad), without_id(&good));
        }
        Fault::Garbage => {
            assert_eq!((bad.status, bad.body.len()), (200, 4096));
            assert!(std::str::from_utf8(&bad.body).is_err());
            assert_eq!(without_id(&bad), without_id(&good));
        }
        Fault::WithoutChain => {
            assert_eq!(bad.headers.len() + 1, good.headers.len());
            assert_eq!(bad.header("TCB-Info-Issuer-Chain"), None);
        }
        _ => documents_are_as_it_says(fault, pair, &good, &bad),
    }
}

/// What the faults do that change how documents are made.
fn documents_are_as_it_says(fault: Fault, pair: &Pair, good: &VendorAnswer, bad: &VendorAnswer) {
    let (good_info, info) = (json(good)["tcbInfo"].clone(), json(bad)["tcbInfo"].clone());
    match fault {
        Fault::Stale => {
            assert!(time(&info["nextUpdate"]) < NOW);
            assert_eq!(pair.refused_with(), ["collateral-expired"; 4]);
        }
        Fault::Future => {
            assert!(time(&info["issueDate"]) > NOW);
            assert_eq!(pair.refused_with(), ["collateral-not-yet-valid"; 4]);
        }
        Fault::Older | Fault::LowerEvaluation | Fault::RolledBack => {
            let age = if fault == Fault::LowerEvaluation { 0 } else { 7 * DAY };
            assert_eq!(time(&good_info["issueDate"]) - time(&info["issueDate"]), age);
            let number = if fault == Fault::Older { 18 } else { 17 };
            let numbers = (&good_info["tcbEvaluationDataNumber"], &info["tcbEvaluationDataNumber"]);
            assert_eq!(numbers, (&18.into(), &number.into()));
            assert_eq!(pair.refused_with(), [""; 0], "nothing is wrong with it but its age");
        }
        Fault::WrongSignature => {
            assert_eq!(without_id(bad), without_id(good));
            assert_eq!(info.as_object().unwrap().len(), 9);
            assert_eq!(pair.refused_with(), ["collateral-signature"; 4]);
        }
        Fault::WrongChain => {
            assert!(pair.refused_with().contains(&"untrusted-root"), "{:?}", pair.refused_with())
        }
        Fault::WrongDocument => {
            assert_eq!(info["fmspc"], vendors::DESKTOP);
            assert!(!pair.refused_with().is_empty());
        }
        _ => panic!("`{fault}` has no test"),
    }
}

#[test]
fn every_fault_does_what_it_says() {
    for fault in Fault::ALL {
        does_what_it_says(*fault, &Pair::new(*fault));
    }
}

#[test]
fn faults_have_distinct_names_and_can_be_ordered_by_them() {
    for fault in Fault::ALL {
        assert_eq!(fault.name().parse::<Fault>(), Ok(*fault));
        assert!(fault.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
        assert!(!fault.description().is_empty() && !fault.description().ends_with('.'));
    }
    let names: std::collections::BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    assert_eq!(names.len(), Fault::ALL.len());
}

#[test]
fn pck_certificates_are_faulty_too() {
    let key = |answer: &VendorAnswer| {
        let pem = std::str::from_utf8(&answer.body).unwrap().to_owned();
        let certificate = &certificates(&pem)[0];
        (certificate.tbs_certificate().subject_public_key_info().clone(), certificate.signature().clone())
    };
    let quoted = |pair: &Pair| {
        let chain = certificates(&pair.platform.pck_certificate_chain_pem());
        chain[0].tbs_certificate().subject_public_key_info().clone()
    };
    let wrong = Pair::new(Fault::WrongDocument);
    let answer = wrong.pck();
    assert_eq!(answer.header("SGX-FMSPC"), Some(vendors::DESKTOP));
    assert_eq!(answer.header("SGX-PCK-Certificate-CA-Type"), Some("processor"));
    let unsigned = Pair::new(Fault::WrongSignature);
    assert_eq!(key(&unsigned.pck()).0, quoted(&unsigned), "the certificate can be read");
    let strange = Pair::new(Fault::WrongChain);
    let good = strange.vendors.found(&format!("{PCS}/pckcert"), &pck_query(&strange.platform.pck_id(false)));
    let name = "SGX-PCK-Certificate-Issuer-Chain";
    let until = |pair: &Pair| {
        let pem = String::from_utf8(pair.pck().body).unwrap();
        certificates(&pem)[0].tbs_certificate().validity().not_after.to_unix_duration().as_secs()
    };
    let now = u64::try_from(NOW).unwrap();
    assert!(until(&Pair::new(Fault::Stale)) < now && until(&Pair::new(Fault::Older)) > now);
    assert_ne!(strange.pck().header(name), good.header(name));
    assert_eq!(strange.pck().header(name), strange.pck().header(name), "it is one other root, not many");
}

#[test]
fn wrong_documents_are_genuine_and_of_the_same_kind() {
    let pair = Pair::new(Fault::WrongDocument);
    let id = |path: &str, member: &str| json(&pair.get(path, ""))[member]["id"].clone();
    assert_eq!(id(&format!("{PCS}/qe/identity"), "enclaveIdentity"), "QVE");
    assert_eq!(id(&format!("{TDX}/qe/identity"), "enclaveIdentity"), "QE");
    assert_eq!(id(&format!("{PCS}/tcbevaluationdatanumbers"), "tcbEvaluationDataNumbers"), "TDX");
    let list = |service: &VendorService, ca: &str| {
        let query = format!("ca={ca}&encoding=der");
        let list = service.answer(&VendorRequest::get(&format!("{PCS}/pckcrl"), &query), NOW).body;
        let list: CertificateList = CertificateList::from_der(&list).unwrap();
        list.tbs_cert_list.issuer
    };
    assert_eq!(list(&pair.faulty, "platform"), list(&pair.vendors.service, "processor"));
    let raw = pair.vendors.collateral(SERVER, "");
    assert!(
        Collateral::verify(&raw, &pair.vendors.anchors()).collateral.is_some(),
        "the other service is whole"
    );
}

#[test]
fn amd_has_faults_as_well() {
    let folder = amd_folder();
    let anchors = amd_anchors(&folder);
    let guest = simulate(&folder, &SimulateOptions::default(), NOW).unwrap();
    let hwid = hex::encode(&guest.evidence[0x1a0..0x1e0]);
    let path = format!("/vcek/v1/Milan/{hwid}");
    let query = "blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219";
    let with = |fault| VendorService::of_folder(&folder).with_faults(vec![FaultOrder::always(fault)]);
    let get = |service: &VendorService, path: &str, query: &str| {
        let answer = service.answer(&VendorRequest::get(path, query), NOW);
        assert_eq!(answer.status, 200);
        answer.body
    };
    let good = VendorService::of_folder(&folder);
    let crl = |service: &VendorService| AmdCrl::verify(&get(service, "/vcek/v1/Milan/crl", ""), &anchors);
    let window = |service: &VendorService| crl(service).unwrap().window;
    assert!(window(&good).from <= UnixTime(NOW) && UnixTime(NOW) <= window(&good).until);

    let stale = with(Fault::Stale);
    assert!(window(&stale).until < UnixTime(NOW));
    let vek = verify_vek(&get(&stale, &path, query), &anchors).unwrap();
    assert!(vek.window().until < UnixTime(NOW));

    assert_eq!(window(&good).from.0 - window(&with(Fault::RolledBack)).from.0, 7 * DAY);
    assert!(window(&with(Fault::Future)).from > UnixTime(NOW));

    let unsigned = with(Fault::WrongSignature);
    assert!(crl(&unsigned).is_err());
    assert!(verify_vek(&get(&unsigned, &path, query), &anchors).is_err());

    let other = with(Fault::WrongDocument);
    assert_eq!(format!("{:?}", crl(&other).unwrap().product), "Genoa");
    let vek = get(&other, &path, query);
    verify_vek(&vek, &anchors).expect("it is genuine");
    let names_chip = |vek: &[u8]| vek.windows(64).any(|window| window == &guest.evidence[0x1a0..0x1e0]);
    assert!(names_chip(&guest.vek) && !names_chip(&vek), "it is of another chip");
    let chain = |service: &VendorService| get(service, "/vcek/v1/Milan/cert_chain", "");
    assert_eq!(chain(&other), get(&good, "/vlek/v1/Milan/cert_chain", ""));

    let strange = with(Fault::WrongChain);
    assert!(crl(&strange).is_err());
    assert!(verify_vek(&get(&strange, &path, query), &anchors).is_err());
    assert_ne!(chain(&strange), chain(&good));
}

#[test]
fn orders_are_limited_by_path_and_count() {
    let vendors = Vendors::with(|service| {
        let order = |text: &str| text.parse::<FaultOrder>().unwrap();
        service.with_faults(vec![
            order(&format!("unavailable@{PCS}/tcb*2")),
            order("slow=50@/IntelSGX"),
            order(&format!("garbage@{PCS}/tcb*1")),
        ])
    });
    let tcb = || vendors.get(&format!("{PCS}/tcb"), &format!("fmspc={SERVER}"));
    // Evaluation numbers begin with the same letters.
    assert_eq!(vendors.get(&format!("{PCS}/qe/identity"), "").status, 200);
    assert_eq!([tcb().status, tcb().status], [503, 503]);
    assert_eq!(tcb().body.len(), 4096, "the next order's turn");
    assert!(json(&tcb())["tcbInfo"].is_object());
    assert_eq!(vendors.get("/IntelSGXRootCA.der", "").delay_ms, 50);
    assert_eq!(vendors.get("/IntelSGXRootCA.cer", "").delay_ms, 50);
}

#[test]
fn orders_that_mean_nothing_are_refused() {
    let error = |text: &str| text.parse::<FaultOrder>().unwrap_err();
    let unknown = |name: &str| SiliconError::UnknownName { what: "fault", name: name.to_owned() };
    let invalid = |field, value: &str| SiliconError::InvalidSpec { field, value: value.to_owned() };
    assert_eq!(error(""), unknown(""));
    assert_eq!(error("late"), unknown("late"));
    assert_eq!(error("Slow"), unknown("Slow"));
    assert_eq!(error("slow=x"), invalid("the delay of a fault", "x"));
    assert_eq!(error("stale=5"), invalid("the delay of a fault", "5"));
    assert_eq!(error("stale@sgx"), invalid("the path prefix of a fault", "sgx"));
    assert_eq!(error("stale*"), invalid("the count of a fault", ""));
    assert_eq!(error("stale@/sgx*-1"), invalid("the count of a fault", "-1"));
}
