//! The hardware identity service as the vendors' clients meet it: the real binary over TLS, and simulated vendors.
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

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use assay_service::egress::Response;
use assay_verify::UnixTime;
use common::run_in;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore};
use serde_json::{Value, json};
use served::{Service, Vendors, write_config};
use tempfile::TempDir;

/// Families of the simulated Intel: servers, and machines with one processor.
const SERVERS: &str = "53494D000002";
const DESKTOPS: &str = "53494D000001";
/// Where Intel's certificates say that the list of the root is.
const ROOT_CRL: &str = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";
const CHAINS: [&str; 5] = [
    "sgx-pck-certificate-issuer-chain",
    "sgx-pck-crl-issuer-chain",
    "tcb-info-issuer-chain",
    "sgx-enclave-identity-issuer-chain",
    "tcb-evaluation-data-numbers-issuer-chain",
];

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers.get(name).unwrap_or_else(|| panic!("{name} is missing")).to_str().unwrap()
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

/// As Intel's client decodes: a plus sign stands for itself.
fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        decoded.extend(hex::decode(&part[..2]).unwrap());
        decoded.extend(part[2..].bytes());
    }
    String::from_utf8(decoded).unwrap()
}

/// The chain in an answer: two certificates in the one header that this answer has for it.
fn chain(response: &Response, name: &str) -> String {
    let found: Vec<&str> = CHAINS.into_iter().filter(|name| response.headers.contains_key(*name)).collect();
    assert_eq!(found, [name]);
    assert_eq!(response.headers.get_all(name).iter().count(), 1);
    let encoded = header(response, name);
    assert!(!encoded.contains(['+', ' ', '/']), "{encoded}");
    let pem = percent_decoded(encoded);
    assert_eq!(pem.matches("-----BEGIN CERTIFICATE-----\n").count(), 2, "{pem}");
    assert!(pem.ends_with("-----END CERTIFICATE-----\n"));
    pem
}

/// Every answer with a document.
fn assert_document(what: &str, response: &Response, media_type: &str) {
    assert_eq!(response.status, 200, "{what}: {}", String::from_utf8_lossy(&response.body));
    assert_eq!(
        (header(response, "content-type"), header(response, "server")),
        (media_type, "assay"),
        "{what}"
    );
    assert!(!header(response, "request-id").is_empty(), "{what}");
    let age: u32 = header(response, "cache-control").strip_prefix("max-age=").unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&age), "{what}: {age}");
    let tag = header(response, "etag");
    assert!(tag.len() == 66 && tag.starts_with('"') && tag.ends_with('"'), "{what}: {tag}");
    assert!(!response.headers.contains_key("warning"), "{what}");
}

fn assert_refused(what: &str, response: &Response, status: u16, code: &str) {
    assert_eq!((response.status.as_u16(), header(response, "error-code")), (status, code), "{what}");
    assert_eq!(header(response, "error-message"), text(response), "{what}");
}

/// The signed text in an answer, and its signature.
fn signed<'a>(response: &'a Response, member: &str) -> (&'a str, &'a str) {
    let inner = text(response).strip_prefix(&format!("{{\"{member}\":")).unwrap();
    let (signed, signature) = inner.split_once(",\"signature\":\"").unwrap();
    (signed, signature.strip_suffix("\"}").unwrap())
}

/// What Intel's client asks with for a machine: `pckid.csv` of `assay simulate pckid`.
struct Machine {
    query: String,
    manifest: Option<String>,
}

impl Machine {
    fn make(service: &Service, options: &str) -> Self {
        service.done(&format!("simulate pckid --data d --out p {options}"));
        let line = std::fs::read_to_string(service.path("p/pckid.csv")).unwrap().to_uppercase();
        let mut fields = line.trim_end().split(',');
        let mut field = || fields.next().unwrap();
        let (ppid, pce_id, cpu_svn, pce_svn, qe_id) = (field(), field(), field(), field(), field());
        let query =
            format!("qeid={qe_id}&encrypted_ppid={ppid}&cpusvn={cpu_svn}&pcesvn={pce_svn}&pceid={pce_id}");
        Self { query, manifest: fields.next().map(str::to_owned) }
    }
}

fn assert_certificate(what: &str, response: &Response) {
    assert_eq!(response.status, 200, "{what}: {}", String::from_utf8_lossy(&response.body));
    assert_eq!(header(response, "content-type"), "application/x-pem-file", "{what}");
    chain(response, "sgx-pck-certificate-issuer-chain");
    let tcbm = header(response, "sgx-tcbm");
    assert!(tcbm.len() == 36 && tcbm.bytes().all(|byte| byte.is_ascii_hexdigit()), "{what}: {tcbm}");
    assert_eq!(header(response, "sgx-fmspc"), SERVERS, "{what}");
    assert_eq!(header(response, "sgx-pck-certificate-ca-type"), "platform", "{what}");
    // The chain is put right behind it.
    assert!(text(response).starts_with("-----BEGIN CERTIFICATE-----\n"), "{what}");
    assert!(text(response).ends_with("-----END CERTIFICATE-----\n"), "{what}");
}

#[test]
fn intels_client_gets_certificates_and_lists() {
    let service = Service::start();
    let machine = Machine::make(&service, "--registered");
    let sgx = |rest: &str| service.get(&format!("/sgx/certification/v4/{rest}"));
    assert_certificate("pckcert", &sgx(&format!("pckcert?{}", machine.query)));
    assert_certificate("custom", &sgx(&format!("pckcert?{}&region=a%2Fb&token=x+y", machine.query)));

    let hexadecimal = sgx("pckcrl?ca=platform");
    assert_document("pckcrl", &hexadecimal, "application/x-pem-file");
    let der = sgx("pckcrl?ca=platform&encoding=der");
    assert_document("pckcrl, DER", &der, "application/pkix-crl");
    assert_eq!(hex::decode(text(&hexadecimal)).unwrap(), der.body);
    for list in [&hexadecimal, &der] {
        chain(list, "sgx-pck-crl-issuer-chain");
    }

    let root = sgx("rootcacrl");
    assert_document("rootcacrl", &root, "application/x-pem-file");
    let by_address = sgx(&format!("crl?uri={ROOT_CRL}"));
    assert_document("crl", &by_address, "application/pkix-crl");
    assert_eq!(hex::decode(text(&root)).unwrap(), by_address.body);
    // As Azure's client wants it, with the root alone.
    assert_eq!(header(&root, "sgx-pck-crl-issuer-chain").matches("BEGIN%20CERTIFICATE").count(), 1);
    let sources = service.sources();
    let known = ["files", "simulated"];
    assert!(sources.iter().all(|(_, source)| known.contains(&source.as_str())), "{sources:?}");
}

#[test]
fn intels_client_gets_signed_documents() {
    let service = Service::start();
    let get = |tee: &str, rest: &str| service.get(&format!("/{tee}/certification/v4/{rest}"));
    for (tee, id) in [("sgx", "SGX"), ("tdx", "TDX")] {
        let info = get(tee, &format!("tcb?fmspc={SERVERS}&update=standard"));
        assert_document(tee, &info, "application/json");
        chain(&info, "tcb-info-issuer-chain");
        let read: Value = serde_json::from_str(signed(&info, "tcbInfo").0).unwrap();
        assert_eq!((&read["id"], &read["fmspc"]), (&id.into(), &SERVERS.into()));
    }
    for (tee, rest, id) in [("sgx", "qe", "QE"), ("tdx", "qe", "TD_QE"), ("sgx", "qve", "QVE")] {
        let identity = get(tee, &format!("{rest}/identity?update=standard"));
        assert_document(id, &identity, "application/json");
        chain(&identity, "sgx-enclave-identity-issuer-chain");
        let read: Value = serde_json::from_str(signed(&identity, "enclaveIdentity").0).unwrap();
        assert_eq!(read["id"], id);
    }
    let plain = get("sgx", &format!("tcb?fmspc={SERVERS}&update=standard"));
    let custom = get("sgx", &format!("tcb?fmspc={SERVERS}&update=standard&customParameter=dGNi%2B%2F%3D"));
    assert_eq!((custom.status.as_u16(), custom.body), (200, plain.body.clone()));
    let path = format!("/sgx/certification/v4/tcb?fmspc={SERVERS}");
    let known = service.get_with(&path, &[("if-none-match", header(&plain, "etag"))]);
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
}

#[test]
fn what_intels_client_gets_judges_a_quote() {
    let service = Service::start();
    service.done("simulate sgx --data d --out e");
    let sgx = |rest: &str| service.get(&format!("/sgx/certification/v4/{rest}"));
    let (pck_crl, root) = (sgx("pckcrl?ca=platform"), sgx("rootcacrl"));
    let (info, identity) = (sgx(&format!("tcb?fmspc={SERVERS}")), sgx("qe/identity"));
    let (tcb_info, tcb_info_signature) = signed(&info, "tcbInfo");
    let (qe_identity, qe_identity_signature) = signed(&identity, "enclaveIdentity");
    let collateral = json!({
        "pck_crl_issuer_chain": chain(&pck_crl, "sgx-pck-crl-issuer-chain"),
        "pck_crl": text(&pck_crl),
        "root_ca_crl": text(&root),
        "tcb_info_issuer_chain": chain(&info, "tcb-info-issuer-chain"),
        "tcb_info": tcb_info,
        "tcb_info_signature": tcb_info_signature,
        "qe_identity_issuer_chain": chain(&identity, "sgx-enclave-identity-issuer-chain"),
        "qe_identity": qe_identity,
        "qe_identity_signature": qe_identity_signature,
    });
    std::fs::write(service.path("collateral.json"), collateral.to_string()).unwrap();
    let judged = service.run("verify sgx e/evidence.bin --collateral collateral.json --data d --format json");
    assert_eq!((judged.code, &judged.json()["outcome"]), (0, &json!("genuine")), "{judged:?}");
}

#[test]
fn what_intels_client_must_not_have_is_refused() {
    let service = Service::start();
    let sgx = |rest: &str| service.get(&format!("/sgx/certification/v4/{rest}"));
    let machine = Machine::make(&service, "");
    // Intel has not seen its manifest, and this service was not given it either.
    assert_refused("unregistered", &sgx(&format!("pckcert?{}", machine.query)), 461, "PlatformUnknown");
    let part = |name: &str| {
        let mut pairs = machine.query.split('&').map(|pair| pair.split_once('=').unwrap());
        pairs.find(|(known, _)| *known == name).unwrap().1
    };
    let body = json!({
        "platformManifest": machine.manifest.as_deref().unwrap(),
        "cpusvn": part("cpusvn"), "pcesvn": part("pcesvn"), "pceid": part("pceid"),
    });
    assert_certificate("manifest", &service.post("/sgx/certification/v4/pckcert", &body));
    let cases = [
        ("pckcert?qeid=00", 400, "InvalidRequestSyntax"),
        ("tcb?fmspc=00606A000000&update=standard", 404, "NotFound"),
        (
            &format!("tcb?fmspc={SERVERS}&update=standard&tcbEvaluationDataNumber=1"),
            400,
            "InvalidRequestSyntax",
        ),
        (&format!("tcb?fmspc={SERVERS}&tcbEvaluationDataNumber=1"), 410, "Gone"),
        ("pckcrl?ca=other", 400, "InvalidRequestSyntax"),
        ("crl?uri=https://example.org/IntelSGXRootCA.der", 400, "InvalidRequestSyntax"),
        ("other", 404, "NotFound"),
    ];
    for (rest, status, code) in cases {
        assert_refused(rest, &sgx(rest), status, code);
    }
    let old = service.get(&format!("/sgx/certification/v3/tcb?fmspc={SERVERS}"));
    assert_refused("version 3", &old, 410, "Gone");
}

#[test]
fn azures_client_gets_what_it_asks_for() {
    let service = Service::start();
    let machine = Machine::make(&service, "--registered");
    let get = |rest: &str| service.get(&format!("/sgx/certification/v4/{rest}"));
    let client = "clientid=production_client";
    let certificate = get(&format!("pckcert?{}&{client}&api-version=2021-07-22-preview", machine.query));
    assert_eq!(certificate.status, 200, "{}", text(&certificate));
    assert_eq!(header(&certificate, "content-type"), "application/json; charset=utf-8");
    let read: Value = serde_json::from_slice(&certificate.body).unwrap();
    let old =
        format!("/sgx/certification/v3/pckcert?{}&{client}&api-version=2020-02-12-preview", machine.query);
    let old = service.get(&old);
    assert_certificate("pckcert of version 3", &old);
    assert_eq!(read["pckCert"], text(&old));

    let root =
        get(&format!("pckcrl?uri={}&{client}&api-version=2020-02-12-preview", ROOT_CRL.replace('/', "%2F")));
    assert_document("root", &root, "application/x-pem-file");
    assert!(text(&root).starts_with("-----BEGIN X509 CRL-----\n"));
    let api =
        "https%3A%2F%2Fapi.trustedservices.intel.com%2Fsgx%2Fcertification%2Fv4%2Fpckcrl%3Fca%3Dplatform";
    let pem = get(&format!("pckcrl?uri={api}&{client}&api-version=2020-02-12-preview"));
    assert_document("pckcrl", &pem, "application/x-pem-file");
    chain(&pem, "sgx-pck-crl-issuer-chain");
    let der = get(&format!("pckcrl?uri={api}&{client}"));
    assert_document("pckcrl, no version", &der, "application/pkix-crl");
    let old = get(&format!("pckcrl?uri={api}&{client}&api-version=2018-10-01-preview"));
    assert_eq!((old.status, old.body), (der.status, der.body.clone()));
    let hexadecimal = get(&format!("pckcrl?ca=platform&{client}"));
    assert_eq!(hex::decode(text(&hexadecimal)).unwrap(), der.body);
    assert_document("rootcacrl", &get(&format!("rootcacrl?{client}")), "application/x-pem-file");
    assert_document("tcb", &get(&format!("tcb?fmspc={SERVERS}&{client}&region=westus")), "application/json");
}

/// What a report says of its chip: product, hardware id, patch levels as AMD's clients send them, the TCB as a number.
fn chip(product: &str, report: &[u8]) -> (String, String) {
    let (id, tcb) = (&report[0x1a0..0x1e0], &report[0x180..0x188]);
    let (id, levels) = match product {
        "Turin" => {
            let names = [("fmc", 0), ("bl", 1), ("tee", 2), ("snp", 3), ("ucode", 7)];
            (&id[..8], names.to_vec())
        }
        _ => (id, vec![("bl", 0), ("tee", 1), ("snp", 6), ("ucode", 7)]),
    };
    let levels: Vec<String> = levels.iter().map(|(name, at)| format!("{name}SPL={:02}", tcb[*at])).collect();
    let number: Vec<u8> = tcb.iter().rev().copied().collect();
    let id = hex::encode(id);
    let azure = format!(
        "/SevSnpVM/certificates/{id}/{}?api-version=2020-10-15-preview&clientId=a",
        hex::encode(number)
    );
    (format!("/vcek/v1/{product}/{id}?{}", levels.join("&")), azure)
}

#[test]
fn amds_clients_get_what_they_ask_for() {
    let service = Service::start();
    for path in [
        "/vcek/v1/Milan/crl",
        &format!("/vcek/v1/Milan/{}?blSPL=1&teeSPL=0&snpSPL=1&ucodeSPL=1", "0".repeat(128)),
    ] {
        assert_refused(path, &service.get(path), 404, "NotFound");
    }
    assert!(!service.path("d/silicon/amd").exists(), "questions make no keys");
    for product in ["Milan", "Turin"] {
        let simulated = product.to_lowercase();
        service.done(&format!("simulate snp --product {simulated} --data d --out {simulated}"));
        let report = std::fs::read(service.path(&format!("{simulated}/evidence.bin"))).unwrap();
        let (path, azure) = chip(product, &report);
        let vcek = service.get(&path);
        assert_eq!(vcek.status, 200, "{product}: {}", String::from_utf8_lossy(&vcek.body));
        assert_eq!(header(&vcek, "content-type"), "application/pkix-cert");
        assert_eq!(header(&vcek, "cache-control"), "max-age=31536000, immutable");
        let chain = service.get(&format!("/vcek/v1/{product}/cert_chain"));
        assert_eq!((chain.status.as_u16(), text(&chain).matches("BEGIN CERTIFICATE").count()), (200, 2));
        let crl = service.get(&format!("/vcek/v1/{product}/crl"));
        assert_document("crl", &crl, "application/pkix-crl");
        for (name, body) in [("vek.der", &vcek.body), ("chain.pem", &chain.body), ("crl.der", &crl.body)] {
            std::fs::write(service.path(name), body).unwrap();
        }
        let judged = service.run(&format!(
            "verify snp {simulated}/evidence.bin --vek vek.der --chain chain.pem --data d --format json"
        ));
        assert_eq!((judged.code, &judged.json()["outcome"]), (0, &json!("genuine")), "{judged:?}");

        let bundle = service.get(&azure);
        assert_eq!(bundle.status, 200, "{product}: {}", String::from_utf8_lossy(&bundle.body));
        assert_eq!(text(&bundle).matches("BEGIN CERTIFICATE").count(), 3);
        assert!(text(&bundle).ends_with(text(&chain)), "{product}");
        let without = path.split_once('&').unwrap().0;
        assert_refused("levels missing", &service.get(without), 400, "InvalidRequestSyntax");
    }
    assert_refused("VLEK", &service.get("/vlek/v1/Milan/cert"), 404, "NotFound");
}

/// A folder with evidence in `sgx` and `snp`, and nothing published that could judge it: only the hardware identity
/// service can have that.
fn with_evidence() -> TempDir {
    let folder = TempDir::new().unwrap();
    for kind in ["sgx", "snp"] {
        let made = run_in(folder.path(), &format!("simulate {kind} --data d --out {kind}"));
        assert_eq!(made.code, 0, "{made:?}");
    }
    for file in std::fs::read_dir(folder.path().join("d/silicon/collateral")).unwrap() {
        let path = file.unwrap().path();
        match path.extension().unwrap().to_str() {
            // What is missing of Intel's is published anew by the start of the service.
            Some("json") => std::fs::write(path, "{}").unwrap(),
            _ => std::fs::remove_file(path).unwrap(),
        }
    }
    folder
}

#[test]
fn evidence_is_judged_by_what_is_fetched_for_it() {
    let service = Service::start_in(with_evidence(), &[]);
    service.attest();
    let sources = service.sources();
    let of =
        |kind: &str| sources.iter().find(|(subject, _)| subject.contains(kind)).map(|(_, source)| &**source);
    assert_eq!((of("sgx-tcb"), of("vcek-crl")), (Some("simulated"), Some("simulated")), "{sources:?}");
}

#[test]
fn what_came_from_vendors_that_are_gone_is_served_on() {
    let folder = with_evidence();
    let vendors = Vendors::start(folder.path());
    let config = write_config(folder.path(), &vendors);
    let mut service = Service::start_in(folder, &[("ASSAY_CONFIG", &config)]);
    let report = std::fs::read(service.path("snp/evidence.bin")).unwrap();
    let (vcek, _) = chip("Milan", &report);
    let v4 = "/sgx/certification/v4";
    let paths = [
        format!("{v4}/tcb?fmspc={SERVERS}&update=standard"),
        format!("{v4}/qe/identity?update=standard"),
        format!("{v4}/pckcrl?ca=platform"),
        format!("{v4}/rootcacrl"),
        vcek,
        "/vcek/v1/Milan/crl".to_owned(),
    ];
    let answers = |service: &Service| -> Vec<(u16, Option<String>, Vec<u8>)> {
        let tag = |answer: &Response| answer.headers.get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        let one = |path: &String| {
            let answer = service.get(path);
            (answer.status.as_u16(), tag(&answer), answer.body.to_vec())
        };
        paths.iter().map(one).collect()
    };
    let first = answers(&service);
    let statuses: Vec<u16> = first.iter().map(|(status, _, _)| *status).collect();
    assert_eq!(statuses, [200; 6]);
    service.attest();
    for (subject, source) in service.sources() {
        assert_eq!(source, if subject.starts_with("amd") { "kds" } else { "pcs" }, "{subject}");
    }
    assert_eq!(vendors.asked(&service, "GET /vcek/v1/Milan/{hwid}"), 1, "certificates of chips never change");

    drop(vendors);
    assert_eq!(answers(&service), first);
    service.attest();
    // Neither the vendors outside nor those in the process can be asked any more.
    service.restart(&[("ASSAY_CONFIG", &config), ("ASSAY_COLLATERAL_MODE", "offline")]);
    assert_eq!(answers(&service), first);
    service.attest();
    let other = service.get(&format!("{v4}/tcb?fmspc={DESKTOPS}&update=standard"));
    assert_refused("not held", &other, 404, "NotFound");
}

#[test]
fn a_crash_during_a_refresh_loses_nothing() {
    /// Seconds: of 25 hours, after which everything is looked for anew, and of their number.
    const LATER: i64 = 25 * 60 * 60;
    const ROUNDS: i64 = 8;
    let mut service = Service::start();
    let tcb = format!("/sgx/certification/v4/tcb?fmspc={SERVERS}");
    let paths = [
        tcb.clone(),
        "/sgx/certification/v4/qe/identity".to_owned(),
        "/sgx/certification/v4/pckcrl?ca=platform".to_owned(),
        "/sgx/certification/v4/rootcacrl".to_owned(),
    ];
    for path in &paths {
        assert_eq!(service.get(path).status, 200, "{path}");
    }
    let issued = |answer: &Response| -> Option<String> {
        let document: Value = serde_json::from_slice(&answer.body).ok()?;
        Some(document["tcbInfo"]["issueDate"].as_str()?.to_owned())
    };
    let now = assay_service::clock::Clock::system().now().0;
    let begin = issued(&service.get(&tcb)).unwrap();
    let mut newest = begin.clone();
    for round in 1..=ROUNDS {
        let time = UnixTime(now + round * LATER).to_string();
        service.restart(&[("ASSAY_TEST_CLOCK", &time)]);
        // Everything is due at once, so the refresh runs now; it is cut off a little later each time.
        std::thread::sleep(Duration::from_millis(u64::try_from(round * round).unwrap()));
        newest = newest.max(issued(&service.get(&tcb)).unwrap());
        service.restart(&[("ASSAY_TEST_CLOCK", &time), ("ASSAY_COLLATERAL_MODE", "offline")]);
        for path in &paths {
            assert_eq!(service.get(path).status, 200, "round {round}: {path}");
        }
        let kept = issued(&service.get(&tcb)).unwrap();
        assert!(kept >= newest, "round {round}: {kept} is older than {newest}, which was given out");
        newest = kept;
    }
    assert!(newest > begin, "nothing was refreshed in any round");
}

/// Opens a connection, asks for `/readyz` over it, and says how it was secured.
fn connect(config: &Arc<ClientConfig>, url: &str) -> HandshakeKind {
    let address = url.strip_prefix("https://localhost:").unwrap();
    let mut socket = TcpStream::connect(format!("127.0.0.1:{address}")).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut stream = rustls::Stream::new(&mut connection, &mut socket);
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    connection.handshake_kind().unwrap()
}

#[test]
fn tls_sessions_are_resumed() {
    // Intel's client opens a connection for each question.
    let service = Service::start();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(service.path("d/tls/ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(&[version]).unwrap();
        let config = Arc::new(builder.with_root_certificates(roots.clone()).with_no_client_auth());
        assert_eq!(connect(&config, &service.url), HandshakeKind::Full);
        for _ in 0..3 {
            assert_eq!(connect(&config, &service.url), HandshakeKind::Resumed);
        }
    }
}
