//! AMD's key distribution service, or mirrors of it.

use std::fmt;

use assay_collateral::document::{MAX_BODY, RawDocument};
use assay_collateral::subject::{AmdCrlKey, Subject, kind_name};
use assay_collateral::upstream::{Answer, Fetched, Upstream, UpstreamError, Wanted};

use super::exchange::{Exchange, Question};
use super::read;

/// Statuses with which it says that there is no such thing.
pub(super) const UNKNOWN: &[u16] = &[400, 404];
/// A VCEK certificate has 1.4 KiB.
pub(super) const VCEK_MAX: usize = 16 * 1024;

/// A client of AMD's service.
pub(super) struct Kds {
    pub(super) name: String,
    /// `https://host[:port][/path]`, without a slash at its end; asked in this order.
    pub(super) bases: Vec<String>,
    pub(super) exchange: Exchange,
}

impl fmt::Debug for Kds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kds").field("name", &self.name).field("bases", &self.bases).finish_non_exhaustive()
    }
}

impl Upstream for Kds {
    fn name(&self) -> &str {
        &self.name
    }

    fn offers(&self, wanted: &Wanted) -> bool {
        matches!(wanted, Wanted::Document(Subject::AmdCrl(_), _) | Wanted::Vcek(_))
    }

    fn fetch<'a>(&'a self, wanted: &'a Wanted) -> Answer<'a> {
        Box::pin(async move {
            match wanted {
                Wanted::Document(Subject::AmdCrl(key), _) => {
                    let body = self.get(&crl_path(*key), MAX_BODY).await?;
                    Ok(Fetched::Document(RawDocument { body, chain: None }))
                }
                Wanted::Vcek(name) => self.get(&name.path(), VCEK_MAX).await.map(Fetched::Vcek),
                _ => Err(UpstreamError::NotOffered),
            }
        })
    }
}

impl Kds {
    /// Asks one after the other. That a mirror does not know something says little while another cannot be asked.
    async fn get(&self, path: &str, limit: usize) -> Result<bytes::Bytes, UpstreamError> {
        let mut kept: Option<UpstreamError> = None;
        for base in &self.bases {
            let url = format!("{base}{path}");
            let answer = self.exchange.ask(Question::get(&url, limit)).await;
            match answer.and_then(|answer| read::der(answer.body)) {
                Ok(body) => return Ok(body),
                Err(error) if kept.as_ref().is_none_or(|kept| !kept.is_passing()) => kept = Some(error),
                Err(_) => {}
            }
        }
        Err(kept.unwrap_or(UpstreamError::NotOffered))
    }
}

/// Where the list of a root is (AMD 57230, *VCEK Certificate and KDS Interface Specification*).
pub(super) fn crl_path(AmdCrlKey { product, kind }: AmdCrlKey) -> String {
    format!("/{}/v1/{}/crl", kind_name(kind), product.as_str())
}
