//! What folders of collateral hold, one document at a time.

use assay_evidence::snp::SigningKey;
use assay_verify::intel::single::Enclave;
use assay_verify::intel::{PlatformKey, RawCollateral};
use bytes::Bytes;

use crate::CollateralFolder;
use crate::document::RawDocument;
use crate::subject::{AmdCrlKey, Subject, Track};

/// A document of a folder, before it is believed.
#[derive(Clone, Debug)]
pub struct Filed {
    /// What it is about.
    pub subject: Subject,
    /// As it came, or put together again from a set.
    pub raw: RawDocument,
    /// The tracks that stand at it.
    pub tracks: Vec<Track>,
}

/// Every document of a folder: lists first, as they decide about the others.
///
/// Sets do not say which track they were fetched from; they are taken to be of the standard one, as Intel's service answers where
/// nothing else is asked for. What was imported stands at the tracks that its signer named.
#[must_use]
pub fn documents(folder: &CollateralFolder) -> Vec<Filed> {
    let mut found = Vec::new();
    // As it came, a document is better than one that was put together again.
    for entry in folder.imported_documents().iter() {
        if let Some(subject) = entry.subject() {
            found.push(Filed { subject, raw: entry.raw.clone(), tracks: entry.tracks.clone() });
        }
    }
    for entry in folder.inventory() {
        if let Some(raw) = folder.raw(&entry.digest) {
            found.extend(of_set(&raw, entry.platform));
        }
    }
    found.extend(amd(folder));
    found.sort_by_key(|filed| !matches!(filed.subject, Subject::RootCrl | Subject::PckCrl(_)));
    found
}

fn of_set(set: &RawCollateral, platform: PlatformKey) -> Vec<Filed> {
    let standard = vec![Track::Standard];
    let document = |subject, body: Bytes, chain: Option<&String>, tracks: &[Track]| Filed {
        subject,
        raw: RawDocument { body, chain: chain.cloned() },
        tracks: tracks.to_vec(),
    };
    let tcb_info = Subject::of_sgx_tcb_info(&set.tcb_info, platform.fmspc);
    let der = |digits: &String| Bytes::from(hex::decode(digits.trim()).unwrap_or_default());
    vec![
        document(Subject::RootCrl, der(&set.root_ca_crl), None, &[]),
        document(Subject::PckCrl(platform.ca), der(&set.pck_crl), Some(&set.pck_crl_issuer_chain), &[]),
        document(
            tcb_info,
            signed("tcbInfo", &set.tcb_info, &set.tcb_info_signature),
            Some(&set.tcb_info_issuer_chain),
            &standard,
        ),
        document(
            Subject::Identity(Enclave::Qe),
            signed("enclaveIdentity", &set.qe_identity, &set.qe_identity_signature),
            Some(&set.qe_identity_issuer_chain),
            &standard,
        ),
    ]
}

/// The envelope of Intel's service around the exact signed text.
fn signed(member: &str, text: &str, signature: &str) -> Bytes {
    format!("{{\"{member}\":{text},\"signature\":\"{}\"}}", signature.trim()).into()
}

/// A file does not say beside which authority a list was published. Of two of one root the older stands in the first place:
/// it names what the newer does not, or it would not be held any more.
fn amd(folder: &CollateralFolder) -> Vec<Filed> {
    let mut lists = folder.amd_crls();
    lists.sort_by_key(|list| (list.product.as_str(), list.window.from));
    let (mut found, mut before) = (Vec::new(), None);
    for list in lists {
        let kind = if before == Some(list.product) { SigningKey::Vlek } else { SigningKey::Vcek };
        before = Some(list.product);
        let subject = Subject::AmdCrl(AmdCrlKey { product: list.product, kind });
        let raw = RawDocument { body: Bytes::copy_from_slice(list.der()), chain: None };
        found.push(Filed { subject, raw, tracks: Vec::new() });
    }
    found
}
