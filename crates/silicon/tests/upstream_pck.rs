//! The simulated Intel as an online service: PCK certificates and the registration of platforms.
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

use std::collections::BTreeSet;

use assay_silicon::intel::{
    Ca, CertificationType, Kind, PlatformSpec, QuoteSpec, Registration, SimulateOptions, TcbStatus, simulate,
};
use assay_silicon::upstream::{VendorAnswer, VendorRequest, VendorService};
use aws_lc_rs::digest::{SHA256, digest};
use der::Encode;
use serde_json::{Value, json};
use vendors::{NOW, PCS, SERVER, Vendors, certificates, chain, json, pck_query, public_key, unescaped};

const JSON: &str = "application/json";
const OCTETS: &str = "application/octet-stream";

fn names(answer: &VendorAnswer) -> Vec<&str> {
    answer.headers.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_platform_gets_the_certificate_of_its_highest_level() {
    let vendors = Vendors::new();
    let platform = vendors.enroll(&PlatformSpec::default(), Registration::Direct);
    let answer = vendors.found(&format!("{PCS}/pckcert"), &pck_query(&platform.pck_id(false)));
    assert_eq!(
        names(&answer),
        [
            "Content-Type",
            "Request-ID",
            "SGX-TCBm",
            "SGX-PCK-Certificate-Issuer-Chain",
            "SGX-PCK-Certificate-CA-Type",
            "SGX-FMSPC"
        ]
    );
    assert_eq!(answer.header("SGX-TCBm"), Some("0C0C0303FF01010100000000000000000D00"));
    assert_eq!(answer.header("SGX-FMSPC"), Some(SERVER));
    assert_eq!(answer.header("SGX-PCK-Certificate-CA-Type"), Some("platform"));
    let pem = String::from_utf8(answer.body.clone()).unwrap();
    assert!(pem.ends_with("-----END CERTIFICATE-----\n"));
    let chain = pem + &chain(&answer, "SGX-PCK-Certificate-Issuer-Chain");
    let quoted = certificates(&platform.pck_certificate_chain_pem());
    let served = certificates(&chain);
    assert_eq!(served.len(), 3);
    assert_eq!(served[1..], quoted[1..]);
    // Key and serial number are those of the certificate in the platform's quotes.
    assert_eq!(
        served[0].tbs_certificate().subject_public_key_info(),
        quoted[0].tbs_certificate().subject_public_key_info()
    );
    assert_eq!(served[0].tbs_certificate().serial_number(), quoted[0].tbs_certificate().serial_number());
    assert_eq!(served[0].tbs_certificate().extensions(), quoted[0].tbs_certificate().extensions());
}

#[test]
fn a_machine_whose_firmware_changed_gets_another_certificate() {
    let vendors = Vendors::new();
    let platform = vendors.enroll(&PlatformSpec::default(), Registration::Direct);
    let with = |cpu_svn: &str, pce_svn: &str| {
        let id = platform.pck_id(false);
        let query = pck_query(&id);
        let query = query.replace(&hex::encode_upper(id.cpu_svn), cpu_svn).replace("pcesvn=0D00", pce_svn);
        let answer = vendors.get(&format!("{PCS}/pckcert"), &query);
        (answer.status, answer.header("SGX-TCBm").map(str::to_owned))
    };
    let known = |tcbm: &str| (200, Some(tcbm.to_owned()));
    assert_eq!(
        with("0D0D0303FF0101010000000000000000", "pcesvn=0D00"),
        known("0D0D0303FF01010100000000000000000D00")
    );
    // Between levels: the highest one that it reaches.
    assert_eq!(
        with("0B0B0303FF0101010000000000000000", "pcesvn=0D00"),
        known("0A0A0303FF01000100000000000000000B00")
    );
    assert_eq!(
        with("0D0D0303FF0101010000000000000000", "pcesvn=0c00"),
        known("0A0A0303FF01000100000000000000000B00")
    );
    assert_eq!(with("01010000000000000000000000000000", "pcesvn=0100"), (404, None));
}

#[test]
fn all_certificates_are_listed_and_those_out_of_reach_are_not_available() {
    let vendors = Vendors::new();
    let platform = vendors.enroll(&PlatformSpec::default(), Registration::Direct);
    let id = platform.pck_id(false);
    let query = format!("encrypted_ppid={}&pceid=0000", hex::encode(&id.encrypted_ppid));
    let answer = vendors.found(&format!("{PCS}/pckcerts"), &query);
    assert_eq!(
        names(&answer)[2..],
        ["SGX-PCK-Certificate-Issuer-Chain", "SGX-PCK-Certificate-CA-Type", "SGX-FMSPC"]
    );
    let entries = json(&answer);
    let entries = entries.as_array().unwrap();
    let (missing, there) = entries.split_at(4);
    assert_eq!((missing.len(), there.len()), (4, 7));
    assert!(missing.iter().all(|entry| entry["cert"] == "Not available"));
    let mut keys = BTreeSet::new();
    for entry in there {
        let pem = unescaped(entry["cert"].as_str().unwrap());
        keys.insert(public_key(&certificates(&pem)[0].to_der().unwrap()));
    }
    assert_eq!(keys.len(), 7, "each level has a key of its own");
    let first = &there[0];
    assert_eq!(first["tcbm"], "0C0C0303FF01010100000000000000000D00");
    let tcb = first["tcb"].as_object().unwrap();
    assert_eq!(tcb.len(), 17);
    assert_eq!(
        (&tcb["sgxtcbcomp01svn"], &tcb["sgxtcbcomp05svn"], &tcb["pcesvn"]),
        (&json!(12), &json!(255), &json!(13))
    );
    // With another configuration other levels are in reach.
    let updated = format!("{query}&cpusvn=0D0D0303FF0101010000000000000000");
    let all = json(&vendors.found(&format!("{PCS}/pckcerts/config"), &updated));
    assert!(all.as_array().unwrap().iter().all(|entry| entry["cert"] != "Not available"));
}

#[test]
fn a_quote_names_its_platform_as_the_service_knows_it() {
    let vendors = Vendors::new();
    let platform = vendors.enroll(&PlatformSpec::default(), Registration::Direct);
    let spec = QuoteSpec { certification: CertificationType::PpidRsa3072, ..QuoteSpec::default() };
    let quote = platform.quote(&spec).unwrap();
    let encrypted = platform.pck_id(false).encrypted_ppid;
    assert!(quote.windows(encrypted.len()).any(|window| window == encrypted));
}

/// What the manual says that the encrypted PPID of a simulated platform is.
fn encrypted_ppid(ppid: &[u8]) -> Vec<u8> {
    let hash = |parts: &[&[u8]]| digest(&SHA256, &parts.concat()).as_ref().to_vec();
    let name = hash(&[b"PPID", ppid])[..16].to_vec();
    let blocks = (0..12_u32).flat_map(|counter| hash(&[&name, &counter.to_le_bytes()]));
    name.iter().copied().chain(blocks).take(384).collect()
}

#[test]
fn the_platform_of_a_simulated_enclave_is_known() {
    let vendors = Vendors::new();
    let options = SimulateOptions::default();
    let enclave = simulate(vendors.folder.path(), Kind::Sgx, &options, NOW).unwrap();
    let start = enclave.evidence.windows(10).position(|window| window == b"-----BEGIN").unwrap();
    let pem = std::str::from_utf8(&enclave.evidence[start..]).unwrap().trim_end_matches('\0');
    let der = certificates(pem)[0].to_der().unwrap();
    // 1.2.840.113741.1.13.1.1, then an octet string of 16 bytes.
    let oid = [0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01, 0x01, 0x04, 0x10];
    let at = der.windows(oid.len()).position(|window| window == oid).unwrap() + oid.len();
    let query = format!("encrypted_ppid={}&pceid=0000", hex::encode(encrypted_ppid(&der[at..at + 16])));
    vendors.found(&format!("{PCS}/pckcerts"), &query);
}

/// CachedKeys (1.2.840.113741.1.13.1.7.2) of the PCK certificate in an answer.
fn cached_keys(answer: &VendorAnswer) -> bool {
    let pem = String::from_utf8(answer.body.clone()).unwrap();
    let der = certificates(&pem)[0].to_der().unwrap();
    let oid = [0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01, 0x07, 0x02];
    let at = der.windows(oid.len()).position(|window| window == oid).expect("it has a configuration");
    let value = &der[at + oid.len()..];
    assert_eq!(value[..2], [1, 1]);
    value[2] != 0
}

fn manifest_body(platform: &assay_silicon::intel::Platform) -> Value {
    let id = platform.pck_id(true);
    json!({
        "platformManifest": hex::encode(id.manifest.unwrap()),
        "cpusvn": hex::encode(id.cpu_svn),
        "pcesvn": "0D00",
        "pceid": "0000",
    })
}

#[test]
fn a_manifest_with_a_request_leaves_no_keys_behind() {
    let vendors = Vendors::new();
    let platform = vendors.enroll(&PlatformSpec::default(), Registration::Missing);
    let by_ppid = || vendors.get(&format!("{PCS}/pckcert"), &pck_query(&platform.pck_id(false)));
    assert_eq!(by_ppid().status, 404, "nobody knows it yet");
    let body = manifest_body(&platform).to_string();
    for _ in 0..2 {
        let answer = vendors.post(&format!("{PCS}/pckcert"), JSON, body.clone());
        assert_eq!(answer.status, 200);
        assert!(!cached_keys(&answer));
    }
    assert_eq!(by_ppid().status, 404, "only its manifest names it");
    let mut list = manifest_body(&platform);
    list.as_object_mut().unwrap().retain(|name, _| name == "platformManifest" || name == "pceid");
    assert_eq!(vendors.post(&format!("{PCS}/pckcerts"), JSON, list.to_string()).status, 200);
    list["cpusvn"] = json!("0D0D0303FF0101010000000000000000");
    assert_eq!(vendors.post(&format!("{PCS}/pckcerts/config"), JSON, list.to_string()).status, 200);
    let manifest = platform.pck_id(true).manifest.unwrap();
    let refused = vendors.post("/sgx/registration/v1/platform", OCTETS, manifest);
    assert_eq!((refused.status, refused.header("Error-Code")), (400, Some("CachedKeysPolicyViolation")));
}

#[test]
fn a_registered_manifest_has_the_platform_found_by_its_ppid() {
    let vendors = Vendors::new();
    let platform = vendors.enroll(&PlatformSpec::default(), Registration::Missing);
    let manifest = platform.pck_id(true).manifest.unwrap();
    for _ in 0..2 {
        let answer = vendors.post("/sgx/registration/v1/platform", OCTETS, manifest.clone());
        assert_eq!((answer.status, answer.body), (201, hex::encode_upper(platform.ppid()).into_bytes()));
    }
    let answer = vendors.found(&format!("{PCS}/pckcert"), &pck_query(&platform.pck_id(false)));
    assert!(cached_keys(&answer));
    let answer = vendors.post(&format!("{PCS}/pckcert"), JSON, manifest_body(&platform).to_string());
    assert!(cached_keys(&answer), "its keys are kept whichever way it is asked for");
    let restarted = VendorService::of_folder(vendors.folder.path());
    let request = VendorRequest::get(&format!("{PCS}/pckcert"), &pck_query(&platform.pck_id(false)));
    assert_eq!(restarted.answer(&request, NOW).status, 200, "the folder remembers");
}

#[test]
fn packages_are_added_to_registered_platforms() {
    let vendors = Vendors::with(|service| service.with_api_key("secret"));
    let platform = vendors.enroll(&PlatformSpec::default(), Registration::Direct);
    let path = "/sgx/registration/v1/package";
    let add = |body: Vec<u8>| {
        let request =
            VendorRequest::post(path, OCTETS, body).with_header("Ocp-Apim-Subscription-Key", "secret");
        vendors.service.answer(&request, NOW)
    };
    let answer = add(platform.add_request(2));
    assert_eq!((answer.status, answer.header("Certificate-Count")), (200, Some("2")));
    assert_eq!(answer.body.len(), 8 * 1024);
    assert!(answer.body[1024] != 0 && answer.body[2 * 1024..].iter().all(|byte| *byte == 0));
    let other = vendors.enroll(&PlatformSpec::default(), Registration::Missing);
    for (body, code) in [
        (other.add_request(1), "PlatformNotFound"),
        (platform.add_request(0), "InvalidAddRequest"),
        (platform.add_request(9), "InvalidAddRequest"),
        (platform.add_request(1)[..20].to_vec(), "InvalidAddRequest"),
        (b"what?".to_vec(), "InvalidRequestSyntax"),
    ] {
        let answer = add(body);
        assert_eq!((answer.status, answer.header("Error-Code")), (400, Some(code)));
        assert!(answer.header("Error-Message").is_some() && answer.body.is_empty());
    }
    assert_eq!(vendors.post(path, OCTETS, platform.add_request(1)).status, 401);
}

#[test]
fn a_key_is_demanded_for_pck_certificates_alone() {
    let vendors = Vendors::with(|service| service.with_api_key("secret"));
    let platform = vendors.enroll(&PlatformSpec::default(), Registration::Direct);
    let query = pck_query(&platform.pck_id(false));
    for (key, status) in [(None, 401), (Some("wrong"), 401), (Some("secret"), 200)] {
        for (path, query) in [
            (format!("{PCS}/pckcert"), query.clone()),
            (format!("{PCS}/pckcerts"), query.clone()),
            (format!("{PCS}/pckcerts/config"), query.clone()),
        ] {
            let mut request = VendorRequest::get(&path, &query);
            if let Some(key) = key {
                request = request.with_header("ocp-apim-subscription-key", key);
            }
            assert_eq!(vendors.service.answer(&request, NOW).status, status, "{path} {key:?}");
        }
    }
    vendors.found(&format!("{PCS}/tcb"), &format!("fmspc={SERVER}"));
    vendors.found(&format!("{PCS}/pckcrl"), "ca=platform");
}

#[test]
fn requests_for_pck_certificates_are_refused_with_the_right_status() {
    let vendors = Vendors::new();
    let platform = vendors.enroll(&PlatformSpec::default(), Registration::Direct);
    let good = pck_query(&platform.pck_id(false));
    let encrypted = hex::encode_upper(platform.pck_id(false).encrypted_ppid);
    let table = [
        (good.replace("&pceid=0000", ""), 400),
        (good.replace("&pceid=0000", "&pceid=000"), 400),
        (good.replace("&pceid=0000", "&pceid=0100"), 404),
        (good.replace("pcesvn=0D00", "pcesvn=13"), 400),
        (good.replace("cpusvn=0C", "cpusvn="), 400),
        (good.replace(&encrypted, &encrypted[2..]), 400),
        (good.replace(&encrypted, &"0".repeat(768)), 404),
        (format!("{good}&pceid=0000"), 400),
        (good.clone(), 200),
    ];
    for (query, status) in table {
        assert_eq!(vendors.get(&format!("{PCS}/pckcert"), &query).status, status, "{query}");
    }
    let with_key_type = VendorRequest::get(&format!("{PCS}/pckcert"), &good);
    for (kind, status) in [("RSA-3072", 200), ("RSA-2048", 400)] {
        let request = with_key_type.clone().with_header("PPID-Encryption-Key", kind);
        assert_eq!(vendors.service.answer(&request, NOW).status, status, "{kind}");
    }
}

#[test]
fn manifests_are_refused_with_a_code() {
    let vendors = Vendors::new();
    let platform = vendors.enroll(&PlatformSpec::default(), Registration::Missing);
    let desktop =
        vendors.enroll(&PlatformSpec::new(Ca::Processor, TcbStatus::UpToDate), Registration::NotNeeded);
    let stranger = Vendors::new().enroll(&PlatformSpec::default(), Registration::Missing);
    let manifest = |platform: &assay_silicon::intel::Platform| platform.pck_id(true).manifest.unwrap();
    let mut damaged = manifest(&platform);
    damaged[5000] ^= 1;
    for (manifest, code) in [
        (damaged, "InvalidPlatformManifest"),
        (manifest(&desktop), "InvalidPlatformManifest"),
        (manifest(&stranger), "PackageNotFound"),
        (vec![b'x'; 8431], "InvalidRequestSyntax"),
    ] {
        let registered = vendors.post("/sgx/registration/v1/platform", OCTETS, manifest.clone());
        assert_eq!((registered.status, registered.header("Error-Code")), (400, Some(code)));
        let mut body = manifest_body(&platform);
        body["platformManifest"] = json!(hex::encode(manifest));
        let asked = vendors.post(&format!("{PCS}/pckcert"), JSON, body.to_string());
        assert_eq!((asked.status, asked.header("Error-Code")), (400, Some(code)));
    }
    let good = manifest_body(&platform).to_string();
    let short = json!({"platformManifest": "00", "pceid": "0000", "cpusvn": "", "pcesvn": ""}).to_string();
    for body in ["", "{}", "[]", &good.replace("pceid", "pceID"), &good[1..], &short] {
        let asked = vendors.post(&format!("{PCS}/pckcert"), JSON, body);
        assert_eq!(
            (asked.status, asked.header("Error-Code")),
            (400, Some("InvalidRequestSyntax")),
            "{body:.40}"
        );
    }
    // Members that this request does not have.
    let asked = vendors.post(&format!("{PCS}/pckcerts"), JSON, good.clone());
    assert_eq!((asked.status, asked.header("Error-Code")), (400, Some("InvalidRequestSyntax")));
    assert_eq!(vendors.post(&format!("{PCS}/pckcert"), "text/plain", good.clone()).status, 400);
    let other_pce = good.replace("\"0000\"", "\"0100\"");
    assert_eq!(vendors.post(&format!("{PCS}/pckcert"), JSON, other_pce).status, 404);
    assert_eq!(vendors.post("/sgx/registration/v1/platform", JSON, manifest(&platform)).status, 415);
    assert_eq!(vendors.get("/sgx/registration/v1/platform", "").status, 404);
    // Nothing of all this has registered it, either way.
    assert_eq!(vendors.get(&format!("{PCS}/pckcert"), &pck_query(&platform.pck_id(false))).status, 404);
    assert_eq!(vendors.post("/sgx/registration/v1/platform", OCTETS, manifest(&platform)).status, 201);
}

#[test]
fn the_tool_writes_one_line_per_machine() {
    let vendors = Vendors::new();
    let platform = vendors.enroll(&PlatformSpec::default(), Registration::Missing);
    let line = platform.pck_id(true).csv_line();
    let fields: Vec<&str> = line.strip_suffix('\n').unwrap().split(',').collect();
    let lengths: Vec<usize> = fields.iter().map(|field| field.len()).collect();
    assert_eq!(lengths, [768, 4, 32, 4, 32, 16862]);
    assert_eq!(fields[3], "0d00");
    assert_eq!(fields[4], hex::encode(platform.qe_id()));
    assert_eq!(platform.pck_id(false).csv_line().split(',').count(), 5);
}
