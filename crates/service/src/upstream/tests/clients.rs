//! What the clients ask, and what they make of every kind of answer.

use super::*;

const TCB_CHAIN: (&str, &str) = ("TCB-Info-Issuer-Chain", ENCODED);
const PCK_CHAIN: (&str, &str) = ("sgx-pck-certificate-issuer-chain", ENCODED);

#[tokio::test]
async fn intels_documents_and_where_they_are() {
    let scene = Scene::start().await;
    let chain = pcs(&scene);
    let json: &[u8] = br#"{"a":1}"#;
    let document_of = |subject, selection| Wanted::Document(subject, selection);
    let cases = [
        (tcb_info(), "tcb?fmspc=00606A0000AB&update=standard", "TCB-INFO-ISSUER-CHAIN", json),
        (
            document_of(Subject::Identity(Enclave::Qve), Selection::Number(17)),
            "qve/identity?tcbEvaluationDataNumber=17",
            "SGX-Enclave-Identity-Issuer-Chain",
            json,
        ),
        (
            document_of(Subject::EvaluationNumbers(Tee::Sgx), Selection::Track(Track::Early)),
            "tcbevaluationdatanumbers",
            "TCB-Evaluation-Data-Numbers-Issuer-Chain",
            json,
        ),
        (pck_crl(), "pckcrl?ca=platform&encoding=der", "SGX-PCK-CRL-Issuer-Chain", DER),
    ];
    for (wanted, path, header, body) in cases {
        scene.answers(Scripted::new(200, &[(header, ENCODED)], body));
        assert_eq!(ask(&chain, &wanted).await, document(body, Some(CHAIN)));
        assert_eq!(scene.last().line, format!("GET /sgx/certification/v4/{path}"));
    }
    scene.answers(Scripted::new(200, &[], DER));
    assert_eq!(ask(&chain, &root_crl()).await, document(DER, None));
    assert_eq!(scene.last().line, "GET /root.der");
    for amd in [vcek(1), amd_crl(SigningKey::Vcek)] {
        assert_eq!(ask(&chain, &amd).await, Err(UpstreamError::NotOffered));
    }
    assert_eq!(scene.asked(), 5);
}

/// Status, headers, and what it means.
fn statuses() -> Vec<(Scripted, UpstreamError)> {
    let unavailable =
        |status: u16| UpstreamError::Unavailable { problem: format!("it answers with the status {status}") };
    let elsewhere =
        |status: u16| bad(&format!("the status {status} leads elsewhere, and nothing follows it"));
    let strange = |status: u16| bad(&format!("the status {status} is none that it should have"));
    let throttled =
        |seconds: Option<u64>| UpstreamError::Throttled { retry_after: seconds.map(Duration::from_secs) };
    let date = "Sun, 06 Nov 1994 09:49:36 GMT";
    let detail = Some("InvalidRequestSyntax".to_owned());
    let plain = Scripted::status;
    vec![
        (plain(404), UpstreamError::Unknown { status: 404, detail: None }),
        (
            Scripted::new(400, &[("Error-Code", "InvalidRequestSyntax")], "x"),
            UpstreamError::Unknown { status: 400, detail },
        ),
        (plain(410), UpstreamError::Gone),
        (plain(401), UpstreamError::Unauthorized { status: 401 }),
        (plain(403), UpstreamError::Unauthorized { status: 403 }),
        (plain(429), throttled(None)),
        (Scripted::new(429, &[("retry-after", "7")], ""), throttled(Some(7))),
        (Scripted::new(429, &[("retry-after", "86400")], ""), throttled(Some(3600))),
        (Scripted::new(429, &[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], ""), throttled(Some(0))),
        (Scripted::new(429, &[("retry-after", "later")], date), throttled(None)),
        (plain(500), unavailable(500)),
        (plain(502), unavailable(502)),
        (plain(503), unavailable(503)),
        (plain(599), unavailable(599)),
        (plain(302), elsewhere(302)),
        (plain(304), elsewhere(304)),
        (plain(201), strange(201)),
        (plain(204), strange(204)),
        (plain(413), strange(413)),
    ]
}

#[tokio::test]
async fn every_status_of_every_vendor_has_its_meaning() {
    let scene = Scene::start().await;
    for (scripted, expected) in statuses() {
        scene.answers(scripted.clone());
        for (chain, wanted) in [(pcs(&scene), tcb_info()), (pccs(&scene), tcb_info()), (kds(&scene), vcek(1))]
        {
            assert_eq!(ask(&chain, &wanted).await, Err(expected.clone()), "{scripted:?}");
        }
    }
    scene.answers(Scripted::status(461));
    let strange = bad("the status 461 is none that it should have");
    assert_eq!(ask(&pcs(&scene), &tcb_info()).await, Err(strange), "a status of PCCS alone");
}

#[tokio::test]
async fn answers_that_are_none() {
    let scene = Scene::start().await;
    let large = vec![b' '; 256 * 1024 + 1];
    let no_chain = "it has no header `TCB-Info-Issuer-Chain`";
    let twice = "it has the header `TCB-Info-Issuer-Chain` twice";
    let no_pem = "the header `TCB-Info-Issuer-Chain` is not a chain of certificates, percent-encoded";
    let cases: Vec<(Wanted, Scripted, &str)> = vec![
        (tcb_info(), Scripted::new(200, &[], "{}"), no_chain),
        (tcb_info(), Scripted::new(200, &[("SGX-TCB-Info-Issuer-Chain", ENCODED)], "{}"), no_chain),
        (tcb_info(), Scripted::new(200, &[TCB_CHAIN, TCB_CHAIN], "{}"), twice),
        (tcb_info(), Scripted::new(200, &[("TCB-Info-Issuer-Chain", "%zz")], "{}"), no_pem),
        (tcb_info(), Scripted::new(200, &[TCB_CHAIN], "<html>"), "it is not JSON: json-syntax"),
        (
            tcb_info(),
            Scripted::new(200, &[TCB_CHAIN], r#"{"a":1,"a":2}"#),
            "it is not JSON: json-duplicate-key",
        ),
        (tcb_info(), Scripted::new(200, &[TCB_CHAIN], large), "it is larger than 262144 bytes"),
        (root_crl(), Scripted::new(200, &[], hex::encode(DER)), "it is not DER"),
        (root_crl(), Scripted::new(200, &[], "-----BEGIN X509 CRL-----"), "it is not DER"),
        (Wanted::Families, Scripted::new(200, &[], "{}"), "it is not the expected list: json-shape"),
    ];
    for (wanted, scripted, problem) in cases {
        scene.answers(scripted);
        assert_eq!(ask(&pcs(&scene), &wanted).await, Err(bad(problem)));
    }
    scene.answers(Scripted::new(200, &[], vec![0x30; 16 * 1024 + 1]));
    assert_eq!(ask(&kds(&scene), &vcek(1)).await, Err(bad("it is larger than 16384 bytes")));
    scene.answers(Scripted::new(200, &[], "<html>"));
    assert_eq!(ask(&kds(&scene), &vcek(1)).await, Err(bad("it is not DER")));
}

fn pck_list() -> String {
    let tcbm = "05".repeat(18);
    let entry = |cert: &str| format!(r#"{{"tcb":{{"pcesvn":13}},"tcbm":"{tcbm}","cert":"{cert}"}}"#);
    format!("[{},{}]", entry(ENCODED), entry("Not available"))
}

#[tokio::test]
async fn certificates_of_platforms_need_the_key_and_the_platform() {
    let scene = Scene::start().await;
    let key = scene.folder.path().join("key");
    crate::files::write_private(&key, b"0123456789abcdef\n").unwrap();
    let text =
        "[[collateral.upstreams]]\nkind = \"pcs\"\nurl = \"URL/api/\"\nkey_file = \"DIR/key\"\nCOMMON\n";
    let chain = scene.chain(text).unwrap();
    scene.answers(Scripted::new(200, &[PCK_CHAIN], pck_list()));
    let expected = Fetched::Pcks(RawPcks {
        certificates: vec![CHAIN.to_owned()],
        chain: CHAIN.to_owned(),
        incomplete: true,
        is_list: true,
    });
    assert_eq!(ask(&chain, &Wanted::Pcks(platform(0xab, None))).await, Ok(expected.clone()));
    let seen = scene.last();
    let ppid = "AB".repeat(384);
    assert_eq!(seen.line, format!("GET /api/sgx/certification/v4/pckcerts?encrypted_ppid={ppid}&pceid=0001"));
    assert_eq!(seen.headers["ocp-apim-subscription-key"], "0123456789abcdef");
    assert_eq!(seen.headers["ppid-encryption-key"], "RSA-3072");

    assert_eq!(ask(&chain, &Wanted::Pcks(platform(1, Some(vec![0xcd; 4])))).await, Ok(expected));
    let seen = scene.last();
    assert_eq!(seen.line, "POST /api/sgx/certification/v4/pckcerts");
    assert_eq!(seen.body, r#"{"platformManifest":"CDCDCDCD","pceid":"0001"}"#);
    assert_eq!(
        (&*seen.headers["content-type"], seen.headers.contains_key("ppid-encryption-key")),
        ("application/json", false)
    );

    let zeros = PckRequest { encrypted_ppid: Some(vec![0; 384]), ..platform(1, None) };
    let none = PckRequest { encrypted_ppid: None, ..platform(1, None) };
    let short = PckRequest { encrypted_ppid: Some(vec![1; 383]), ..platform(1, None) };
    let large = PckRequest { encrypted_ppid: None, ..platform(1, Some(vec![1; 53_001])) };
    for request in [zeros, none, short, large] {
        assert_eq!(ask(&chain, &Wanted::Pcks(request)).await, Err(UpstreamError::NotOffered));
    }
    let _ = ask(&chain, &tcb_info()).await;
    assert!(!scene.last().headers.contains_key("ocp-apim-subscription-key"), "it is for platforms alone");
    assert!(!format!("{chain:?}").contains("0123456789abcdef"));
}

#[tokio::test]
async fn intels_families() {
    let scene = Scene::start().await;
    scene.answers(Scripted::new(200, &[], r#"[{"fmspc":"00606A0000AB","platform":"E5"}]"#));
    let expected = Fetched::Families(vec![Family { fmspc: FMSPC, platform: "E5".to_owned() }]);
    for chain in [pcs(&scene), pccs(&scene)] {
        assert_eq!(ask(&chain, &Wanted::Families).await, Ok(expected.clone()));
        assert_eq!(scene.last().line, "GET /sgx/certification/v4/fmspcs?platform=all");
    }
}

#[tokio::test]
async fn a_cache_answers_in_its_own_ways() {
    let scene = Scene::start().await;
    let key = scene.folder.path().join("token");
    crate::files::write_private(&key, b"user").unwrap();
    let text = "[[collateral.upstreams]]\nkind = \"pccs\"\nurl = \"URL\"\nkey_file = \"DIR/token\"\nCOMMON\n";
    let chain = scene.chain(text).unwrap();
    for body in [hex::encode(DER).into_bytes(), hex::encode_upper(DER).into_bytes(), DER.to_vec()] {
        scene.answers(Scripted::new(200, &[("SGX-PCK-CRL-Issuer-Chain", ENCODED)], body.clone()));
        assert_eq!(ask(&chain, &pck_crl()).await, document(DER, Some(CHAIN)));
        scene.answers(Scripted::new(200, &[], body));
        assert_eq!(ask(&chain, &root_crl()).await, document(DER, None));
        assert_eq!(scene.last().line, "GET /sgx/certification/v4/rootcacrl");
        assert_eq!(scene.last().headers["user-token"], "user");
    }
    scene.answers(Scripted::new(200, &[PCK_CHAIN], CHAIN));
    let expected = Fetched::Pcks(RawPcks {
        certificates: vec![CHAIN.to_owned()],
        chain: CHAIN.to_owned(),
        incomplete: false,
        is_list: false,
    });
    assert_eq!(ask(&chain, &Wanted::Pcks(platform(0xab, None))).await, Ok(expected));
    let (qe_id, ppid, svn) = ("AB".repeat(16), "AB".repeat(384), "05".repeat(16));
    assert_eq!(
        scene.last().line,
        format!(
            "GET /sgx/certification/v4/pckcert?qeid={qe_id}&encrypted_ppid={ppid}&cpusvn={svn}&pcesvn=0D00&pceid=0001"
        )
    );
    scene.answers(Scripted::new(200, &[PCK_CHAIN], "no certificate"));
    assert_eq!(ask(&chain, &Wanted::Pcks(platform(2, None))).await, Err(bad("it is not a certificate")));
    let without = PckRequest { raw_tcb: None, ..platform(1, None) };
    assert_eq!(ask(&chain, &Wanted::Pcks(without)).await, Err(UpstreamError::NotOffered));
}

#[tokio::test]
async fn what_a_cache_does_not_know_and_what_it_does_not_have() {
    let scene = Scene::start().await;
    let numbers = Wanted::Document(Subject::EvaluationNumbers(Tee::Sgx), Selection::default());
    scene.answers(Scripted::status(404));
    for wanted in [numbers, Wanted::Families, amd_crl(SigningKey::Vlek), vcek(1)] {
        assert_eq!(ask(&pccs(&scene), &wanted).await, Err(UpstreamError::NotOffered), "{wanted:?}");
    }
    scene.answers(Scripted::new(404, &[("Error-Code", "NotFound")], ""));
    let known_path = UpstreamError::Unknown { status: 404, detail: Some("NotFound".to_owned()) };
    assert_eq!(ask(&pccs(&scene), &vcek(1)).await, Err(known_path));
    for status in [404, 461, 462] {
        scene.answers(Scripted::status(status));
        let expected = UpstreamError::Unknown { status, detail: None };
        assert_eq!(ask(&pccs(&scene), &Wanted::Pcks(platform(1, None))).await, Err(expected));
    }
    scene.answers(Scripted::status(460));
    let strange = bad("the status 460 is none that it should have");
    assert_eq!(ask(&pccs(&scene), &tcb_info()).await, Err(strange));
}

#[tokio::test]
async fn amds_certificates_and_lists() {
    let scene = Scene::start().await;
    scene.answers(Scripted::new(200, &[], DER));
    for chain in [kds(&scene), pccs(&scene)] {
        assert_eq!(ask(&chain, &vcek(0xab)).await, Ok(Fetched::Vcek(Bytes::from_static(DER))));
        let hwid = "ab".repeat(64);
        assert_eq!(
            scene.last().line,
            format!("GET /vcek/v1/Milan/{hwid}?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219")
        );
        for (kind, name) in [(SigningKey::Vcek, "vcek"), (SigningKey::Vlek, "vlek")] {
            assert_eq!(ask(&chain, &amd_crl(kind)).await, document(DER, None));
            assert_eq!(scene.last().line, format!("GET /{name}/v1/Milan/crl"));
        }
    }
    for intel in [tcb_info(), Wanted::Families, Wanted::Pcks(platform(1, None))] {
        assert_eq!(ask(&kds(&scene), &intel).await, Err(UpstreamError::NotOffered));
    }
}

#[tokio::test]
async fn a_mirror_helps_out() {
    let (scene, mirror) = (Scene::start().await, Scene::start().await);
    let both = |order: &str| {
        let text = format!("[[collateral.upstreams]]\nkind = \"kds\"\nurl = {order}\nCOMMON\n");
        let text = text.replace("MIRROR", &mirror.server.url("/amd"));
        let mut config = scene.config(&text);
        let ca = scene.server.ca_pem.clone() + &mirror.server.ca_pem;
        std::fs::write(scene.folder.path().join("ca.pem"), ca).unwrap();
        let port = mirror.server.address.port();
        config.egress.allow.push(format!("localhost:{port}").parse().unwrap());
        build(&config, &Clock::system(), &sequences()).unwrap()
    };
    let chain = || both("[\"URL\", \"MIRROR\"]");
    mirror.answers(Scripted::new(200, &[], DER));
    for status in [404, 429, 500] {
        scene.answers(Scripted::status(status));
        assert_eq!(ask(&chain(), &vcek(1)).await, Ok(Fetched::Vcek(Bytes::from_static(DER))));
    }
    assert!(mirror.last().line.starts_with("GET /amd/vcek/v1/Milan/"));
    mirror.answers(Scripted::status(404));
    scene.answers(Scripted::status(500));
    let error = ask(&chain(), &vcek(1)).await.unwrap_err();
    assert_eq!(error.code(), "upstream-unavailable", "that the mirror does not know it says little");
    scene.answers(Scripted::status(404));
    mirror.answers(Scripted::status(500));
    assert_eq!(ask(&chain(), &vcek(1)).await.unwrap_err().code(), "upstream-unavailable");
    mirror.answers(Scripted::status(404));
    assert_eq!(ask(&chain(), &vcek(1)).await.unwrap_err().code(), "upstream-unknown");
}

#[tokio::test]
async fn servers_that_cannot_be_reached_or_believed() {
    let scene = Scene::start().await;
    let text = "[[collateral.upstreams]]\nkind = \"kds\"\nurl = \"URL\"\nretries = 0\n";
    let error = ask(&scene.chain(text).unwrap(), &vcek(1)).await.unwrap_err();
    assert!(
        matches!(&error, UpstreamError::Unavailable { problem } if problem.contains("UnknownIssuer")),
        "{error}"
    );
    let mut config = scene.config("[[collateral.upstreams]]\nkind = \"kds\"\nurl = \"URL\"\nCOMMON\n");
    config.egress.allow.clear();
    let refused = build(&config, &Clock::system(), &sequences()).unwrap_err();
    assert_eq!(refused.code(), "upstream-not-public");
    assert_eq!(scene.asked(), 0);
}

const PPID: &str = "00112233445566778899aabbccddeeff";

fn manifest() -> Wanted {
    Wanted::Registration(RegistrationRequest::Platform(Bytes::from_static(b"manifest")))
}

fn packages() -> Wanted {
    Wanted::Registration(RegistrationRequest::Packages(Bytes::from_static(b"packages")))
}

#[tokio::test]
async fn registrations_go_to_their_own_address() {
    let scene = Scene::start().await;
    crate::files::write_private(&scene.folder.path().join("key"), b"0123456789abcdef").unwrap();
    let text = "[[collateral.upstreams]]\nkind = \"pcs\"\nurl = \"https://pcs.example.org\"\nregistration_url = \"URL/intel\"\n\
                key_file = \"DIR/key\"\nCOMMON\n";
    let chain = scene.chain(text).unwrap();
    scene.answers(Scripted::new(201, &[], PPID.to_uppercase()));
    let mut ppid = [0; 16];
    hex::decode_to_slice(PPID, &mut ppid).unwrap();
    let registered = Fetched::Registered(Registered::Platform { ppid });
    assert_eq!(ask(&chain, &manifest()).await, Ok(registered));
    let seen = scene.last();
    assert_eq!((&*seen.line, &*seen.body), ("POST /intel/sgx/registration/v1/platform", "manifest"));
    assert_eq!(seen.headers["content-type"], "application/octet-stream");
    assert!(!seen.headers.contains_key("ocp-apim-subscription-key"), "not needed, so not told");

    scene.answers(Scripted::new(200, &[("Certificate-Count", "2")], "certificates"));
    let certificates = Bytes::from_static(b"certificates");
    assert_eq!(
        ask(&chain, &packages()).await,
        Ok(Fetched::Registered(Registered::Packages { count: 2, certificates }))
    );
    let seen = scene.last();
    assert_eq!((&*seen.line, &*seen.body), ("POST /intel/sgx/registration/v1/package", "packages"));
    assert_eq!(seen.headers["ocp-apim-subscription-key"], "0123456789abcdef");
    for foreign in [pccs(&scene), kds(&scene)] {
        assert_eq!(ask(&foreign, &manifest()).await, Err(UpstreamError::NotOffered));
    }
}

#[tokio::test]
async fn what_the_registration_service_answers() {
    let scene = Scene::start().await;
    let declined = |status, code: Option<&str>, message: Option<&str>| UpstreamError::Declined {
        status,
        code: code.map(str::to_owned),
        message: message.map(str::to_owned),
    };
    let page = "<html>".repeat(1000);
    let coded = [("Error-Code", "InvalidPlatformManifest"), ("Error-Message", "It is not authentic.")];
    let strange = [("Error-Code", "<b>"), ("Error-Message", "tab\tinside")];
    let not_a_ppid = "it is not a PPID of 32 hexadecimal digits";
    let cases = [
        (Scripted::new(400, &coded, ""), declined(400, Some(coded[0].1), Some(coded[1].1))),
        (Scripted::new(400, &strange, &*page), declined(400, None, None)),
        (Scripted::status(404), declined(404, None, None)),
        (Scripted::status(413), declined(413, None, None)),
        (Scripted::status(415), declined(415, None, None)),
        (Scripted::status(401), UpstreamError::Unauthorized { status: 401 }),
        (
            Scripted::new(503, &coded, "x"),
            UpstreamError::Unavailable { problem: "it answers with the status 503".to_owned() },
        ),
        (Scripted::new(200, &[], PPID), bad("the status 200 is none that it should have")),
        (Scripted::status(302), bad("the status 302 leads elsewhere, and nothing follows it")),
        (Scripted::new(201, &[], PPID.trim_start_matches("00")), bad(not_a_ppid)),
        (Scripted::new(201, &[], ""), bad(not_a_ppid)),
        (Scripted::new(201, &[], vec![b'a'; 64 * 1024 + 1]), bad("it is larger than 65536 bytes")),
    ];
    for (scripted, expected) in cases {
        scene.answers(scripted);
        // A new chain each: after failures an upstream is left alone.
        assert_eq!(ask(&pcs(&scene), &manifest()).await, Err(expected));
    }
    for count in [None, Some(""), Some("0"), Some("-1"), Some("70000"), Some("1x")] {
        let headers: Vec<_> = count.iter().map(|count| ("Certificate-Count", *count)).collect();
        scene.answers(Scripted::new(200, &headers, "certificates"));
        let expected = bad("it has no header `Certificate-Count` with a number");
        assert_eq!(ask(&pcs(&scene), &packages()).await, Err(expected), "{count:?}");
    }
}

#[tokio::test]
async fn what_was_declined_may_be_sent_again() {
    let scene = Scene::start().await;
    let chain = pcs(&scene);
    scene.answers(Scripted::new(400, &[("Error-Code", "PackageNotFound")], ""));
    assert!(ask(&chain, &manifest()).await.is_err());
    scene.answers(Scripted::new(201, &[], PPID));
    assert!(ask(&chain, &manifest()).await.is_ok(), "no memory of what Intel did not know stands before it");
    assert_eq!(scene.asked(), 2);
}
