//! Sets that quotes are judged with, put together from single documents.

use std::collections::BTreeMap;

use assay_verify::intel::RawCollateral;
use assay_verify::intel::single::{Enclave, Tee, envelope};

use super::DocumentEntry;
use crate::subject::{Subject, Track};

/// One set for each family of SGX platforms and each authority whose list is there: TCB info does not say which authority
/// certifies its platforms, and a set of the other one is never asked for. Nothing is verified.
///
/// Of several evaluations the one counts that the standard track stands at, else the highest.
#[must_use]
pub fn sets(documents: &[DocumentEntry]) -> Vec<RawCollateral> {
    let (mut root_crl, mut pck_crls, mut identities) = (None, Vec::new(), Vec::new());
    let mut families: BTreeMap<[u8; 6], &DocumentEntry> = BTreeMap::new();
    for entry in documents {
        match entry.subject() {
            Some(Subject::RootCrl) => root_crl = Some(entry),
            Some(Subject::PckCrl(_)) => pck_crls.push(entry),
            Some(Subject::Identity(Enclave::Qe)) => identities.push(entry),
            Some(Subject::TcbInfo { tee: Tee::Sgx, fmspc } | Subject::TcbInfoV2 { fmspc }) => {
                let counts = families.entry(fmspc).or_insert(entry);
                if preference(entry) > preference(counts) {
                    *counts = entry;
                }
            }
            _ => {}
        }
    }
    let Some(root_crl) = root_crl else { return Vec::new() };
    let mut sets = Vec::new();
    for tcb_info in families.into_values() {
        let fits = |entry: &&&DocumentEntry| (entry.number == tcb_info.number, preference(entry));
        let Some(identity) = identities.iter().max_by_key(fits) else { continue };
        sets.extend(pck_crls.iter().filter_map(|pck_crl| set(tcb_info, identity, root_crl, pck_crl)));
    }
    sets
}

/// The standard track before others, then the highest number, then the newer form.
fn preference(entry: &DocumentEntry) -> (bool, Option<u32>, bool) {
    let is_old = matches!(entry.subject(), Some(Subject::TcbInfoV2 { .. }));
    (entry.tracks.contains(&Track::Standard), entry.number, !is_old)
}

fn set(
    tcb_info: &DocumentEntry,
    identity: &DocumentEntry,
    root_crl: &DocumentEntry,
    pck_crl: &DocumentEntry,
) -> Option<RawCollateral> {
    let (info, info_signature) = envelope(&tcb_info.raw.body, "tcbInfo").ok()?;
    let (qe_identity, identity_signature) = envelope(&identity.raw.body, "enclaveIdentity").ok()?;
    Some(RawCollateral {
        pck_crl_issuer_chain: pck_crl.raw.chain.clone()?,
        root_ca_crl: hex::encode(&root_crl.raw.body),
        pck_crl: hex::encode(&pck_crl.raw.body),
        tcb_info_issuer_chain: tcb_info.raw.chain.clone()?,
        tcb_info: info.to_owned(),
        tcb_info_signature: hex::encode(info_signature),
        qe_identity_issuer_chain: identity.raw.chain.clone()?,
        qe_identity: qe_identity.to_owned(),
        qe_identity_signature: hex::encode(identity_signature),
    })
}
