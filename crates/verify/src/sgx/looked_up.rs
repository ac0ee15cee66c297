//! PCK certificates for quotes that carry none: certification data of the types 1 to 3 name the platform and the TCB under
//! which the quoting enclave's key was certified, and whoever verifies has to have the certificate.
//!
//! The chain is an argument like collateral is: it is verified here as one that stands in the quote, and must be of the
//! platform and TCB that the quote names. Nothing signs what the quote says there, so that it only ever refuses; what
//! proves that the certificate is the right one is its signature over the quoting enclave's report.

use std::fmt;
use std::sync::Arc;

use assay_evidence::sgx::{NamedPlatform, Ppid, Quote};

use super::{Opened, verified_chain};
use crate::cache::ChainCache;
use crate::error::VerifyError;
use crate::intel::{VerifiedPck, is_at_least};
use crate::trust::TrustAnchors;

/// What names the PCK certificate of a quote that carries none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PckKey {
    /// The platform, as its quoting enclave names it (the first 16 bytes of the header's user data): never log it.
    pub qe_id: [u8; 16],
    /// The provisioning certification enclave, in the order of its bytes in memory.
    pub pce_id: [u8; 2],
    /// The TCB under which the quoting enclave's key was certified.
    pub cpu_svn: [u8; 16],
    /// Likewise.
    pub pce_svn: u16,
}

/// Without what identifies the platform.
impl fmt::Debug for PckKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PckKey").field("pce_svn", &self.pce_svn).finish_non_exhaustive()
    }
}

impl Opened<'_> {
    /// Which PCK certificate has to be looked up; `None` for a quote that carries its own, or cannot be read.
    #[must_use]
    pub fn wanted_pck(&self) -> Option<PckKey> {
        let quote = self.quote()?;
        let named = quote.named_platform()?.ok()?;
        let [qe_id @ .., _, _, _, _] = quote.header.user_data;
        let NamedPlatform { cpu_svn, pce_svn, pce_id, .. } = named;
        Some(PckKey { qe_id, pce_id, cpu_svn, pce_svn })
    }

    /// Takes one of several chains for the quote's: PEM, leaf first. It is the one whose key signed the quoting enclave's
    /// report, or, where none did, the first, so that the report says what is wrong with it. Gives its position; `None` if
    /// there is none, or the quote wants none.
    pub fn look_up<C: AsRef<[u8]>>(
        &mut self,
        chains: &[C],
        anchors: &TrustAnchors,
        cache: &ChainCache,
    ) -> Option<usize> {
        self.wanted_pck()?;
        let quote = self.quote()?;
        let mut taken = None;
        for (position, chain) in chains.iter().enumerate() {
            let pck = verified_chain(chain.as_ref(), anchors, cache);
            if pck.as_ref().is_ok_and(|pck| signed(quote, pck)) {
                taken = Some((position, pck));
                break;
            }
            taken.get_or_insert((position, pck));
        }
        let (position, pck) = taken?;
        self.pck = pck;
        Some(position)
    }
}

fn signed(quote: &Quote<'_>, pck: &Arc<VerifiedPck>) -> bool {
    pck.key.verify(quote.qe_report_bytes, quote.qe_report_signature)
}

/// In what a certificate differs from what the quote names; nothing for a quote that carries its own.
pub(super) fn mismatches(quote: &Quote<'_>, pck: &VerifiedPck) -> Vec<VerifyError> {
    let Some(Ok(named)) = quote.named_platform() else { return Vec::new() };
    let own = &pck.extension;
    let mut found = Vec::new();
    let [low, high] = own.pce_id;
    // Documents write the id the other way round than memory has it.
    let same_pce = named.pce_id == own.pce_id || named.pce_id == [high, low];
    // An encrypted PPID is for Intel alone; there the signature tells.
    let same_ppid = !matches!(named.ppid, Ppid::Clear(ppid) if *ppid != own.ppid);
    if !same_pce || !same_ppid {
        found.push(VerifyError::PckOtherPlatform);
    }
    // For TCB type 0, the only one, the bytes of CPUSVN are the components themselves (Intel PCS API, "Get TCB Info").
    if !is_at_least(&named.cpu_svn, &own.components) || named.pce_svn < own.pce_svn {
        found.push(VerifyError::PckOtherTcb);
    }
    found
}
