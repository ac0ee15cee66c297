//! Documents of the operator's files, as the library takes them: the newest part of each kind judges, wherever it came from.

use assay_collateral::CollateralFolder;
use assay_collateral::document::RawDocument;
use assay_collateral::subject::{AmdCrlKey, Subject};
use assay_evidence::snp::SigningKey;
use assay_verify::intel::single::Enclave;
use assay_verify::intel::{PlatformKey, RawCollateral};

/// Every document of a folder.
pub(crate) fn documents(folder: &CollateralFolder) -> Vec<(Subject, RawDocument)> {
    let sets = folder.inventory().into_iter();
    let of_sets = sets.filter_map(|entry| Some((entry.platform, folder.raw(&entry.digest)?)));
    let mut documents: Vec<_> = of_sets.flat_map(|(platform, raw)| of_set(&platform, &raw)).collect();
    // Lists first: they decide about the others.
    documents.sort_by_key(|(subject, _)| !matches!(subject, Subject::RootCrl | Subject::PckCrl(_)));
    for entry in folder.imported_documents().iter() {
        documents.extend(Subject::from_path(&entry.path).map(|subject| (subject, entry.raw.clone())));
    }
    for list in folder.amd_crls() {
        let subject = Subject::AmdCrl(AmdCrlKey { product: list.product, kind: SigningKey::Vcek });
        documents.push((subject, RawDocument { body: list.der().to_vec().into(), chain: None }));
    }
    documents
}

fn of_set(platform: &PlatformKey, raw: &RawCollateral) -> Vec<(Subject, RawDocument)> {
    let envelope = |member: &str, text: &str, signature: &str, chain: &str| RawDocument {
        body: format!("{{\"{member}\":{text},\"signature\":\"{}\"}}", signature.trim()).into(),
        chain: Some(chain.to_owned()),
    };
    let list = |text: &str, chain: Option<&String>| {
        let body = hex::decode(text.trim()).ok()?;
        Some(RawDocument { body: body.into(), chain: chain.cloned() })
    };
    let tcb_info = envelope("tcbInfo", &raw.tcb_info, &raw.tcb_info_signature, &raw.tcb_info_issuer_chain);
    let identity = envelope(
        "enclaveIdentity",
        &raw.qe_identity,
        &raw.qe_identity_signature,
        &raw.qe_identity_issuer_chain,
    );
    let mut documents = vec![
        (Subject::of_sgx_tcb_info(&raw.tcb_info, platform.fmspc), tcb_info),
        (Subject::Identity(Enclave::Qe), identity),
    ];
    documents.extend(list(&raw.root_ca_crl, None).map(|list| (Subject::RootCrl, list)));
    let pck_crl = list(&raw.pck_crl, Some(&raw.pck_crl_issuer_chain));
    documents.extend(pck_crl.map(|list| (Subject::PckCrl(platform.ca), list)));
    documents
}
