//! Certificates for quotes that carry none: of platforms that registered, found by the ids in the quote.

use std::sync::Arc;

use assay_collateral::pck::{PckCertificate, PlatformId, RawTcb};
use assay_verify::intel::is_at_least;
use assay_verify::sgx::PckKey;

use super::super::library::NotServed;
use super::super::reply::Refusal;
use super::{Platforms, Registration};
use crate::upstream::Asker;

/// Certificates that are tried for one quote: each costs a signature check, and a platform has about twenty.
const MOST_TRIED: usize = 24;

/// What is held for a quote.
pub(crate) struct PckChains {
    /// Certificate, authority and root, PEM; the likeliest first.
    pub(crate) chains: Vec<Arc<str>>,
    /// Whether the first is for exactly the TCB that the quote names.
    pub(crate) exact: bool,
}

impl Platforms {
    /// The certificates of a platform that could have signed for a quote. Blocks for as long as the store reads.
    pub(crate) fn chains_for(&self, key: &PckKey) -> PckChains {
        let none = PckChains { chains: Vec::new(), exact: false };
        let held = self.look_up_blocking(id(key)).unwrap_or_else(|error| {
            tracing::error!(%error, "a platform was not read");
            None
        });
        let Some(set) = held.and_then(|held| held.set) else { return none };
        let raw = raw(key);
        let reaches = |pck: &&PckCertificate| {
            let own = &pck.verified.extension;
            is_at_least(&raw.cpu_svn, &own.components) && raw.pce_svn >= own.pce_svn
        };
        let mut fitting: Vec<&PckCertificate> = set.certificates().iter().filter(reaches).collect();
        // Stable: the others stay in Intel's order.
        fitting.sort_by_key(|pck| !pck.is_for(&raw));
        let exact = fitting.first().is_some_and(|pck| pck.is_for(&raw));
        let chain = |pck: &PckCertificate| format!("{}{}", pck.pem, set.chain).into();
        PckChains { chains: fitting.into_iter().take(MOST_TRIED).map(chain).collect(), exact }
    }

    /// Asks upstream for the certificates of a platform that is known, and lacks the one for a quote. One that is not known is
    /// asked for nowhere: nothing shows that a quote is of the platform that it names before its certificate is there.
    ///
    /// # Errors
    /// [`NotServed`].
    pub(crate) async fn bring_for(self: &Arc<Self>, key: &PckKey, asker: Asker) -> Result<(), NotServed> {
        let asked = Registration { raw_tcb: Some(raw(key)), ..Registration::nothing(id(key)) };
        match self.certificate(&asked, raw(key), asker).await {
            Ok(_) => Ok(()),
            Err(Refusal::Passing | Refusal::Internal) => Err(NotServed::Passing { code: "upstream-failed" }),
            Err(_) => Err(NotServed::Unknown),
        }
    }
}

const fn id(key: &PckKey) -> PlatformId {
    PlatformId { qe_id: key.qe_id, pce_id: key.pce_id }
}

const fn raw(key: &PckKey) -> RawTcb {
    RawTcb { cpu_svn: key.cpu_svn, pce_svn: key.pce_svn }
}
