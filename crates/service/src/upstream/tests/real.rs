//! Documents that Intel signed, through the clients to the verifier.

use std::path::PathBuf;

use assay_collateral::document::{Document, Trust};
use assay_verify::TrustAnchors;
use assay_verify::cache::ChainCache;
use serde_json::Value;

use super::*;

fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("ASSAY_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: ASSAY_VECTORS is not set, so there are no real documents to test with");
    }
    folder
}

/// The files of a folder whose names end so.
fn files(folder: PathBuf, ending: &str) -> Vec<Vec<u8>> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// As Intel's service encodes chains: everything but letters, digits and `-._~`.
fn percent_encoded(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

/// A document of a set: what it is about, its body, and the header and text of its chain.
struct Sample {
    subject: Subject,
    body: Vec<u8>,
    chain: Option<(&'static str, String)>,
}

fn samples(set: &Value) -> [Sample; 4] {
    let text = |name: &str| set[name].as_str().unwrap().to_owned();
    let signed = |member: &str, name: &str| {
        let (document, signature) = (text(name), text(&format!("{name}_signature")));
        format!(r#"{{"{member}":{document},"signature":"{signature}"}}"#).into_bytes()
    };
    let info: Value = serde_json::from_str(&text("tcb_info")).unwrap();
    let mut fmspc = [0; 6];
    hex::decode_to_slice(info["fmspc"].as_str().unwrap(), &mut fmspc).unwrap();
    let (tee, enclave) =
        if info["id"] == "TDX" { (Tee::Tdx, Enclave::TdQe) } else { (Tee::Sgx, Enclave::Qe) };
    let crl_chain = text("pck_crl_issuer_chain");
    // The name of the authority stands in its certificate as DER, which base64 hides; the CRL has it in clear.
    let crl = hex::decode(text("pck_crl")).unwrap();
    let is_platform = crl.windows(15).any(|window| window == b"PCK Platform CA");
    let ca = if is_platform { PckCa::Platform } else { PckCa::Processor };
    [
        Sample {
            subject: Subject::TcbInfo { tee, fmspc },
            body: signed("tcbInfo", "tcb_info"),
            chain: Some(("TCB-Info-Issuer-Chain", text("tcb_info_issuer_chain"))),
        },
        Sample {
            subject: Subject::Identity(enclave),
            body: signed("enclaveIdentity", "qe_identity"),
            chain: Some(("SGX-Enclave-Identity-Issuer-Chain", text("qe_identity_issuer_chain"))),
        },
        Sample {
            subject: Subject::PckCrl(ca),
            body: crl,
            chain: Some(("SGX-PCK-CRL-Issuer-Chain", crl_chain)),
        },
        Sample { subject: Subject::RootCrl, body: hex::decode(text("root_ca_crl")).unwrap(), chain: None },
    ]
}

/// Asks for a document and lets the verifier judge it.
async fn verified(chain: &Chain, subject: Subject) -> Result<Found<Document>, Failures> {
    let (anchors, cache) = (TrustAnchors::vendor(), ChainCache::new(8));
    let trust = Trust { anchors: &anchors, cache: &cache, root_crl: None };
    let wanted = Wanted::Document(subject, Selection::default());
    chain
        .ask(&wanted, Asker::Own, |_, fetched| match fetched {
            Fetched::Document(raw) => {
                Document::verify(subject, &raw, &trust).map_err(|error| error.code().to_owned())
            }
            _ => Err("no document".to_owned()),
        })
        .await
}

#[tokio::test]
async fn documents_of_intels_come_through_whole() {
    let Some(vectors) = vectors() else { return };
    let scene = Scene::start().await;
    let sets = ["sgx", "tdx"].into_iter().flat_map(|kind| files(vectors.join(kind), ".collateral.0.json"));
    let sets = sets.map(|set| serde_json::from_slice::<Value>(&set).unwrap());
    // The old form is no document that upstreams are asked for.
    let sets = sets.filter(|set| !set["tcb_info"].as_str().unwrap().contains("\"version\":2,"));
    let mut count = 0;
    for set in sets.take(8) {
        for Sample { subject, body, chain } in samples(&set) {
            let headers: Vec<(&'static str, String)> =
                chain.iter().map(|(name, text)| (*name, percent_encoded(text))).collect();
            let is_crl = matches!(subject, Subject::PckCrl(_) | Subject::RootCrl);
            let forms =
                if is_crl { vec![body.clone(), hex::encode(&body).into_bytes()] } else { vec![body.clone()] };
            for (form, sent) in forms.into_iter().enumerate() {
                scene.answers(Scripted { status: 200, headers: headers.clone(), body: sent });
                let found = verified(&pccs(&scene), subject).await.unwrap();
                assert_eq!(found.value.body, body, "{subject}");
                if form == 0 {
                    assert_eq!(verified(&pcs(&scene), subject).await.unwrap().value.body, body, "{subject}");
                }
            }
            let mut broken = body.clone();
            *broken.last_mut().unwrap() ^= 1;
            scene.answers(Scripted { status: 200, headers, body: broken });
            let failures = verified(&pcs(&scene), subject).await.unwrap_err();
            assert_eq!(failures.code(), "upstream-bad-answer", "{subject}");
            count += 1;
        }
    }
    assert!(count >= 16, "{count}");
}

#[test]
fn revocation_lists_are_der() {
    let Some(vectors) = vectors() else { return };
    let lists = files(vectors.join("collateral"), ".der");
    assert!(lists.len() > 20, "{}", lists.len());
    for list in lists {
        let body = Bytes::from(list);
        assert_eq!(read::der(body.clone()), Ok(body.clone()));
        assert!(read::der(body.slice(..body.len() - 1)).is_err());
    }
}
