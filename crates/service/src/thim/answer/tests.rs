#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use serde_json::Value;

use super::*;

/// The answer of Azure's own service, remade from what is in it.
#[test]
fn the_answer_is_that_of_azure() {
    let Some(vectors) = std::env::var_os("ASSAY_VECTORS").map(std::path::PathBuf::from) else {
        eprintln!("SKIPPED: ASSAY_VECTORS is not set, so nothing is compared with Azure's answer");
        return;
    };
    let text = std::fs::read(vectors.join("snp/milan/sidecar-thim.json")).unwrap();
    let azure: Value = serde_json::from_slice(&text).unwrap();
    let member = |name: &str| azure[name].as_str().unwrap();
    let vcek = pem::certificates(member("vcekCert").as_bytes()).unwrap();
    let chain = pem::certificates(member("certificateChain").as_bytes()).unwrap();
    let report = std::fs::read(vectors.join("snp/milan/sidecar-caci-report.bin")).unwrap();
    let ours = AmdCertification {
        vcek: &vcek[0],
        intermediate: &chain[0],
        root: &chain[1],
        reported_tcb: assay_evidence::snp::Report::parse(&report).unwrap().reported_tcb,
        cache_seconds: CACHE_SECONDS,
    };
    let ours: Value = serde_json::from_slice(&ours.to_json()).unwrap();
    assert_eq!(ours, azure);
}

#[test]
fn tcbm_begins_with_the_microcode() {
    assert_eq!(tcbm(TcbVersion([3, 0, 0, 0, 0, 0, 8, 0x73])), "7308000000000003");
    assert_eq!(tcbm(TcbVersion([1, 2, 3, 4, 0, 0, 0, 0xab])), "AB00000004030201");
}

#[test]
fn intels_headers_and_azures_members_say_the_same() {
    let answer = PckCertification {
        certificate: vec![1, 2, 3],
        issuer_chain: vec![vec![4], vec![5]],
        tcbm: [0xab; 18],
        fmspc: [0, 0x90, 0x6e, 0xd1, 0, 0],
        ca: "platform",
    };
    let body: Value = serde_json::from_slice(&answer.to_json()).unwrap();
    let headers = answer.headers();
    let header = |name: HeaderName| {
        headers.iter().find(|(known, _)| *known == name).unwrap().1.to_str().unwrap().to_owned()
    };
    assert_eq!(body["sgx-Tcbm"], "AB".repeat(18));
    assert_eq!(header(TCBM), "AB".repeat(18));
    assert_eq!(body["sgx-Pck-Certificate-Issuer-Chain"], header(ISSUER_CHAIN));
    assert_eq!((header(FMSPC), header(CA_TYPE)), ("00906ED10000".to_owned(), "platform".to_owned()));
    assert!(body["pckCert"].as_str().unwrap().ends_with("-----END CERTIFICATE-----\n"));
    let header = header(ISSUER_CHAIN);
    let chain = percent::decode(&header).unwrap();
    assert_eq!(chain, pem::encode([&[4][..], &[5][..]]));
}

#[test]
fn errors_are_flat() {
    assert_eq!(&error("Not \"found\"")[..], br#"{"error":"Not \"found\""}"#);
}
