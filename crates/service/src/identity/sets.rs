//! Documents put together as verification takes them: a collateral set for a family of platforms.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use assay_collateral::shelf::{Held, Shelf};
use assay_collateral::subject::{Selection, Subject};
use assay_verify::cache::ChainCache;
use assay_verify::intel::single::{Enclave, Tee, envelope};
use assay_verify::intel::{Collateral, PlatformKey, RawCollateral};
use assay_verify::{TrustAnchors, sha256};

/// Families with two authorities each: there are a few hundred.
const MAX_SETS: usize = 1024;

/// A set and what it was put together from.
#[derive(Clone, Debug)]
struct Made {
    /// Digests of the documents.
    from: [u8; 32],
    raw: Arc<RawCollateral>,
    set: Arc<Collateral>,
}

/// Sets that were put together.
#[derive(Debug, Default)]
pub(super) struct Sets(Mutex<HashMap<(PlatformKey, Selection), Made>>);

impl Sets {
    /// The set for a family, from what the shelf has now.
    pub(super) fn find(
        &self,
        shelf: &Shelf,
        platform: &PlatformKey,
        selection: Selection,
        anchors: &TrustAnchors,
        cache: &ChainCache,
    ) -> Option<Arc<Collateral>> {
        let parts = Parts::find(shelf, platform, selection)?;
        let from = parts.digest();
        let known =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(*platform, selection)).cloned();
        if let Some(made) = known.filter(|made| made.from == from) {
            return Some(made.set);
        }
        let raw = Arc::new(parts.assemble()?);
        let set = Arc::new(Collateral::verify_with(&raw, anchors, cache).collateral?);
        let mut sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.len() >= MAX_SETS {
            sets.clear();
        }
        sets.insert((*platform, selection), Made { from, raw, set: Arc::clone(&set) });
        Some(set)
    }

    /// The documents of a set, by its digest.
    pub(super) fn raw(&self, digest: &[u8; 32]) -> Option<Arc<RawCollateral>> {
        let sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sets.values().find(|made| made.set.digest == *digest).map(|made| Arc::clone(&made.raw))
    }
}

/// The documents of a set.
struct Parts<'a> {
    tcb_info: &'a Held,
    qe_identity: &'a Held,
    pck_crl: &'a Held,
    root_crl: &'a Held,
}

/// What a set of this family is made of.
pub(super) fn subjects(platform: &PlatformKey) -> [Subject; 4] {
    [
        Subject::RootCrl,
        Subject::TcbInfo { tee: Tee::Sgx, fmspc: platform.fmspc },
        Subject::Identity(Enclave::Qe),
        Subject::PckCrl(platform.ca),
    ]
}

impl<'a> Parts<'a> {
    fn find(shelf: &'a Shelf, platform: &PlatformKey, selection: Selection) -> Option<Self> {
        let found = subjects(platform).map(|subject| shelf.get(subject, selection));
        let [root_crl, tcb_info, qe_identity, pck_crl] = found;
        Some(Self { tcb_info: tcb_info?, qe_identity: qe_identity?, pck_crl: pck_crl?, root_crl: root_crl? })
    }

    fn digest(&self) -> [u8; 32] {
        let parts = [self.tcb_info, self.qe_identity, self.pck_crl, self.root_crl];
        sha256(&parts.map(|held| &held.document.digest[..]))
    }

    fn assemble(&self) -> Option<RawCollateral> {
        let (tcb_info, tcb_info_signature) = envelope(&self.tcb_info.document.body, "tcbInfo").ok()?;
        let (qe_identity, qe_signature) =
            envelope(&self.qe_identity.document.body, "enclaveIdentity").ok()?;
        let chain = |held: &Held| held.document.chain.as_deref().map(str::to_owned);
        Some(RawCollateral {
            pck_crl_issuer_chain: chain(self.pck_crl)?,
            root_ca_crl: hex::encode(&self.root_crl.document.body),
            pck_crl: hex::encode(&self.pck_crl.document.body),
            tcb_info_issuer_chain: chain(self.tcb_info)?,
            tcb_info: tcb_info.to_owned(),
            tcb_info_signature: hex::encode(tcb_info_signature),
            qe_identity_issuer_chain: chain(self.qe_identity)?,
            qe_identity: qe_identity.to_owned(),
            qe_identity_signature: hex::encode(qe_signature),
        })
    }
}
