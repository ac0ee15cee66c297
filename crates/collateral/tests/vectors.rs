//! Every document and chain of the vendors' in the collection, verified one by one as the service does it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assay_collateral::document::{Document, RawDocument, Trust};
use assay_collateral::subject::Subject;
use assay_evidence::pem;
use assay_evidence::snp::{Product, SigningKey};
use assay_verify::TrustAnchors;
use assay_verify::cache::ChainCache;
use assay_verify::intel::PckCa;
use assay_verify::intel::single::{Enclave, Tee};
use serde_json::Value;

/// What is not Intel's: samples of its verification library under a root of their own, and one that was spoilt on purpose. The
/// collection's own account has the same count: 52 of 60 documents verify under Intel's key.
const NOT_INTELS: [&str; 12] = [
    "qe_QE_x_2019-09-05_daa82e.json: collateral-signature",
    "qe_QE_x_2020-05-12_e63bc6.json: collateral-signature",
    "qe_QVE_x_2019-09-09_41d246.json: collateral-signature",
    "qe_TD_QE_x_2021-08-06_778039.json: collateral-signature",
    "tcb_SGX_f9c71eb1d129_2021-03-02_a3fedd.json: collateral-signature",
    "tcb_SGXv2_00707f000000_2019-09-05_c07100.json: collateral-signature",
    "tcb_SGXv2_f9c71eb1d129_2021-03-02_9d2d25.json: collateral-malformed",
    "tcb_TDX_ed742af8adf5_2021-08-06_a2fa31.json: collateral-signature",
    "crl_processor_2019-09-05_1c9f37.der: collateral-signature",
    "crl_processor_2021-08-06_feddc2.der: collateral-signature",
    "crl_root_2019-08-28_de1e42.der: collateral-signature",
    "crl_root_2021-08-06_52b3b5.der: collateral-signature",
];

fn vectors() -> Option<PathBuf> {
    let vectors = std::env::var_os("ASSAY_VECTORS").map(PathBuf::from);
    if vectors.is_none() {
        eprintln!("SKIPPED: ASSAY_VECTORS is not set, so no real document is tried");
    }
    vectors
}

fn names(folder: &Path, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort();
    names
}

/// What a file is about, by its name: `kind_id_fmspc_date_hash`.
fn subject_of(name: &str) -> Subject {
    let parts: Vec<&str> = name.split('_').collect();
    let mut fmspc = [0; 6];
    if let ["tcb", _, digits, ..] = parts[..] {
        hex::decode_to_slice(digits, &mut fmspc).unwrap();
    }
    match parts[..] {
        ["tcb", "SGX", ..] => Subject::TcbInfo { tee: Tee::Sgx, fmspc },
        ["tcb", "TDX", ..] => Subject::TcbInfo { tee: Tee::Tdx, fmspc },
        ["tcb", "SGXv2", ..] => Subject::TcbInfoV2 { fmspc },
        ["qe", "QE", ..] => Subject::Identity(Enclave::Qe),
        ["qe", "QVE", ..] => Subject::Identity(Enclave::Qve),
        ["qe", "TD", "QE", ..] => Subject::Identity(Enclave::TdQe),
        ["crl", "platform", ..] => Subject::PckCrl(PckCa::Platform),
        ["crl", "processor", ..] => Subject::PckCrl(PckCa::Processor),
        ["crl", "root", ..] => Subject::RootCrl,
        _ => panic!("{name} is of no known kind"),
    }
}

/// Issuer chains of the lists, which the collection keeps beside quotes.
fn list_chains(vectors: &Path) -> BTreeMap<Subject, String> {
    let mut chains = BTreeMap::new();
    for name in names(&vectors.join("sgx"), ".collateral.0.json") {
        let text = std::fs::read(vectors.join("sgx").join(&name)).unwrap();
        let set: Value = serde_json::from_slice(&text).unwrap();
        let chain = set["pck_crl_issuer_chain"].as_str().unwrap_or_default().to_owned();
        for ca in [PckCa::Platform, PckCa::Processor] {
            let subject = Subject::PckCrl(ca);
            let Some(list) = set["pck_crl"].as_str() else { continue };
            let Ok(body) = hex::decode(list) else { continue };
            let raw = RawDocument { body: body.into(), chain: Some(chain.clone()) };
            if verify(subject, &raw).is_ok() {
                chains.insert(subject, chain.clone());
            }
        }
    }
    chains
}

fn verify(subject: Subject, raw: &RawDocument) -> Result<Document, String> {
    let (anchors, cache) = (TrustAnchors::vendor(), ChainCache::new(8));
    let trust = Trust { anchors: &anchors, cache: &cache, root_crl: None };
    Document::verify(subject, raw, &trust).map_err(|error| error.code().to_owned())
}

#[test]
fn every_document_of_intels_is_genuine_and_nothing_else_is() {
    let Some(vectors) = vectors() else { return };
    let folder = vectors.join("collateral");
    let signers: Vec<String> = names(&folder, ".pem")
        .iter()
        .map(|name| std::fs::read_to_string(folder.join(name)).unwrap())
        .collect();
    assert_eq!(signers.len(), 3, "all three issues of the signer's certificate");
    let chains = list_chains(&vectors);
    let mut refused = Vec::new();
    let mut genuine = 0;
    for name in [names(&folder, ".json"), names(&folder, ".der")].concat() {
        let subject = subject_of(&name);
        let body = std::fs::read(folder.join(&name)).unwrap();
        let under = |chain: Option<&String>| {
            verify(subject, &RawDocument { body: body.clone().into(), chain: chain.cloned() })
        };
        let results = match subject {
            Subject::RootCrl => vec![under(None)],
            Subject::PckCrl(_) => vec![under(chains.get(&subject))],
            // One key under three certificates: each of them is good for every document.
            _ => signers.iter().map(|chain| under(Some(chain))).collect(),
        };
        let [first, others @ ..] = &results[..] else { panic!() };
        assert!(others.iter().all(|other| other.is_ok() == first.is_ok()), "{name}");
        match first {
            Ok(document) => {
                genuine += 1;
                assert!(document.window.from < document.window.until, "{name}");
                assert_eq!(document.raw().body, body, "{name}");
            }
            Err(code) => refused.push(format!("{name}: {code}")),
        }
    }
    assert_eq!(refused, NOT_INTELS);
    assert_eq!(genuine, 75);
}

#[test]
fn every_chain_of_amds_is_the_one_that_is_pinned() {
    let Some(vectors) = vectors() else { return };
    let folder = vectors.join("snp/chains");
    let anchors = TrustAnchors::vendor();
    let mut seen = 0;
    for name in names(&folder, ".pem") {
        let product = Product::ALL
            .into_iter()
            .find(|product| name.split(['_', '.']).any(|part| part.eq_ignore_ascii_case(product.as_str())));
        let product = product.unwrap_or_else(|| panic!("{name} names no product"));
        let certificates = pem::certificates(&std::fs::read(folder.join(&name)).unwrap()).unwrap();
        let of = |kind| anchors.amd_authority(product, kind).unwrap().certificates().clone();
        let (vcek, vlek) = (of(SigningKey::Vcek), of(SigningKey::Vlek));
        let pinned = [&vcek[0], &vcek[1], &vlek[0], &vlek[1]];
        for certificate in &certificates {
            assert!(pinned.contains(&certificate), "{name} has a certificate that is not pinned");
        }
        let chain = if name.contains("vlek") { vec![&vlek[0], &vlek[1]] } else { vec![&vcek[0], &vcek[1]] };
        assert!(chain.into_iter().all(|certificate| certificates.contains(certificate)), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 9);
}
