//! Another cache: Intel's PCCS, Azure's, or another Assay, which has AMD's certificates as well.

use std::fmt;

use assay_collateral::document::{MAX_BODY, RawDocument};
use assay_collateral::subject::{Selection, Subject};
use assay_collateral::upstream::{Answer, Fetched, PckRequest, Upstream, UpstreamError, Wanted};

use super::exchange::{Exchange, Question};
use super::secret::Secret;
use super::{intel, kds, pcs, read};
use crate::identity::LEARNED;

/// Beside Intel's, the statuses of PCCS for a platform that it does not know, and for one without certificates.
pub(super) const UNKNOWN: &[u16] = &[400, 404, 461, 462];
/// One certificate has 1.7 KiB.
const PCK_MAX: usize = 16 * 1024;
const TOKEN_HEADER: &str = "user-token";

/// A client of a cache.
pub(super) struct Pccs {
    pub(super) name: String,
    /// `https://host[:port][/path]`, without a slash at its end.
    pub(super) base: String,
    pub(super) token: Option<Secret>,
    pub(super) exchange: Exchange,
}

impl fmt::Debug for Pccs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pccs").field("name", &self.name).field("base", &self.base).finish_non_exhaustive()
    }
}

/// Whether every cache has such things. Of the others 404 may mean that the cache has no such path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    Always,
    OfSome,
}

impl Upstream for Pccs {
    fn name(&self) -> &str {
        &self.name
    }

    fn offers(&self, wanted: &Wanted) -> bool {
        // It keeps certificates under the QE ID: one of zeros would mix up platforms there.
        match wanted {
            Wanted::Pcks(PckRequest { raw_tcb, id, .. }) => raw_tcb.is_some() && id.qe_id != [0; 16],
            // Caches take registrations on other addresses, if at all.
            Wanted::Registration(_) => false,
            _ => true,
        }
    }

    fn fetch<'a>(&'a self, wanted: &'a Wanted) -> Answer<'a> {
        Box::pin(async move {
            match wanted {
                Wanted::Document(subject, selection) => self.document(*subject, *selection).await,
                Wanted::Families => {
                    let answer = self.get(intel::FAMILIES, MAX_BODY, Offer::OfSome).await?;
                    read::families(&answer.body).map(Fetched::Families)
                }
                Wanted::Pcks(request) => self.pck(request).await,
                Wanted::Registration(_) => Err(UpstreamError::NotOffered),
                Wanted::Vcek(name) => {
                    let answer = self.get(&name.path(), kds::VCEK_MAX, Offer::OfSome).await?;
                    read::der(answer.body).map(Fetched::Vcek)
                }
            }
        })
    }
}

impl Pccs {
    async fn document(&self, subject: Subject, selection: Selection) -> Result<Fetched, UpstreamError> {
        let Some(place) = intel::place(subject, selection) else { return self.list(subject).await };
        let offer = match subject {
            Subject::EvaluationNumbers(_) => Offer::OfSome,
            _ => Offer::Always,
        };
        let answer = self.get(&place.path, MAX_BODY, offer).await?;
        let chain = Some(read::chain(&answer.headers, place.chain)?);
        let body = match subject {
            Subject::PckCrl(_) => read::der_or_hex(answer.body)?,
            _ => read::json(answer.body)?,
        };
        Ok(Fetched::Document(RawDocument { body, chain }))
    }

    /// Lists that come without a chain.
    async fn list(&self, subject: Subject) -> Result<Fetched, UpstreamError> {
        let answer = match subject {
            Subject::AmdCrl(key) => self.get(&kds::crl_path(key), MAX_BODY, Offer::OfSome).await?,
            _ => self.get("/sgx/certification/v4/rootcacrl", MAX_BODY, Offer::Always).await?,
        };
        Ok(Fetched::Document(RawDocument { body: read::der_or_hex(answer.body)?, chain: None }))
    }

    /// A cache chooses the certificate itself, so it must be told the TCB.
    async fn pck(&self, request: &PckRequest) -> Result<Fetched, UpstreamError> {
        let path = pck_path(request).ok_or(UpstreamError::NotOffered)?;
        let answer = self.get(&path, PCK_MAX, Offer::Always).await?;
        if answer.headers.contains_key(LEARNED) {
            let problem =
                "it cannot ask the vendor now, and only remembers who was asked for with this QE ID";
            return Err(UpstreamError::Unavailable { problem: problem.to_owned() });
        }
        read::one_pck(&answer.headers, &answer.body).map(Fetched::Pcks)
    }

    async fn get(
        &self,
        path: &str,
        limit: usize,
        offer: Offer,
    ) -> Result<crate::egress::Response, UpstreamError> {
        let url = format!("{}{path}", self.base);
        let token = self.token.as_ref().map(|token| (TOKEN_HEADER, token.expose()));
        let question = Question { url: &url, headers: token.as_slice(), body: None, limit };
        self.exchange.ask(question).await.map_err(|error| match error {
            UpstreamError::Unknown { status: 404, detail: None } if offer == Offer::OfSome => {
                UpstreamError::NotOffered
            }
            error => error,
        })
    }
}

fn pck_path(request: &PckRequest) -> Option<String> {
    let tcb = intel::raw_tcb_query(request.raw_tcb.as_ref()?);
    let (qe_id, pce_id) = (hex::encode_upper(request.id.qe_id), hex::encode_upper(request.id.pce_id));
    let ppid = pcs::ppid(request);
    let ppid = ppid.map(|ppid| format!("&encrypted_ppid={}", hex::encode_upper(ppid))).unwrap_or_default();
    Some(format!("/sgx/certification/v4/pckcert?qeid={qe_id}{ppid}&{tcb}&pceid={pce_id}"))
}
