//! Intel's provisioning certification service, version 4 of its API.

use std::fmt;

use assay_collateral::document::{MAX_BODY, RawDocument};
use assay_collateral::subject::{Selection, Subject};
use assay_collateral::upstream::{Answer, Fetched, PckRequest, Upstream, UpstreamError, Wanted};

use super::exchange::{Body, Exchange, Question};
use super::secret::Secret;
use super::{intel, read};

/// Statuses with which it says that there is no such thing.
pub(super) const UNKNOWN: &[u16] = &[400, 404];
/// A few dozen certificates with 4 KiB each, percent-encoded and with their TCBs.
const PCK_LIST_MAX: usize = 1024 * 1024;
/// Largest manifest that Intel's registration accepts.
const MANIFEST_MAX: usize = 53_000;
/// The PPID, encrypted with RSA-3072.
const ENCRYPTED_PPID: usize = 384;
const KEY_HEADER: &str = "Ocp-Apim-Subscription-Key";
/// How the PPID is encrypted, if it stands in the query.
const PPID_KEY: (&str, &str) = ("PPID-Encryption-Key", "RSA-3072");

/// A client of Intel's service.
pub(super) struct Pcs {
    pub(super) name: String,
    /// `https://host[:port][/path]`, without a slash at its end.
    pub(super) base: String,
    pub(super) root_crl_url: String,
    /// Where the registration service is, likewise.
    pub(super) registration_url: String,
    /// Needed for certificates of platforms and for packages that are added.
    pub(super) key: Option<Secret>,
    pub(super) exchange: Exchange,
}

impl fmt::Debug for Pcs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pcs").field("name", &self.name).field("base", &self.base).finish_non_exhaustive()
    }
}

impl Upstream for Pcs {
    fn name(&self) -> &str {
        &self.name
    }

    fn offers(&self, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::Document(subject, _) => !matches!(subject, Subject::AmdCrl(_)),
            Wanted::Families | Wanted::Registration(_) => true,
            Wanted::Pcks(request) => manifest(request).is_some() || ppid(request).is_some(),
            Wanted::Vcek(_) => false,
        }
    }

    fn fetch<'a>(&'a self, wanted: &'a Wanted) -> Answer<'a> {
        Box::pin(async move {
            match wanted {
                Wanted::Document(subject, selection) => self.document(*subject, *selection).await,
                Wanted::Families => self.families().await,
                Wanted::Pcks(request) => self.pcks(request).await,
                Wanted::Registration(request) => self.register(request).await,
                Wanted::Vcek(_) => Err(UpstreamError::NotOffered),
            }
        })
    }
}

impl Pcs {
    async fn document(&self, subject: Subject, selection: Selection) -> Result<Fetched, UpstreamError> {
        if subject == Subject::RootCrl {
            let answer = self.exchange.ask(Question::get(&self.root_crl_url, MAX_BODY)).await?;
            return Ok(Fetched::Document(RawDocument { body: read::der(answer.body)?, chain: None }));
        }
        let place = intel::place(subject, selection).ok_or(UpstreamError::NotOffered)?;
        let url = format!("{}{}", self.base, place.path);
        let answer = self.exchange.ask(Question::get(&url, MAX_BODY)).await?;
        let chain = Some(read::chain(&answer.headers, place.chain)?);
        let body = match subject {
            Subject::PckCrl(_) => read::der(answer.body)?,
            _ => read::json(answer.body)?,
        };
        Ok(Fetched::Document(RawDocument { body, chain }))
    }

    /// The subscription key, if there is one.
    pub(super) fn key_header(&self) -> Vec<(&str, &str)> {
        self.key.iter().map(|key| (KEY_HEADER, key.expose())).collect()
    }

    async fn families(&self) -> Result<Fetched, UpstreamError> {
        let url = format!("{}{}", self.base, intel::FAMILIES);
        let answer = self.exchange.ask(Question::get(&url, MAX_BODY)).await?;
        read::families(&answer.body).map(Fetched::Families)
    }

    async fn pcks(&self, request: &PckRequest) -> Result<Fetched, UpstreamError> {
        let (path, body) = pck_question(request).ok_or(UpstreamError::NotOffered)?;
        let url = format!("{}{path}", self.base);
        let mut headers = self.key_header();
        if body.is_none() {
            headers.push(PPID_KEY);
        }
        let body = body.as_deref().map(Body::json);
        let question = Question { url: &url, headers: &headers, body, limit: PCK_LIST_MAX };
        let answer = self.exchange.ask(question).await?;
        read::pck_list(&answer.headers, &answer.body).map(Fetched::Pcks)
    }
}

/// Path and body; nothing where neither a manifest nor a PPID says which platform it is.
fn pck_question(request: &PckRequest) -> Option<(String, Option<String>)> {
    const PATH: &str = "/sgx/certification/v4/pckcerts";
    let pce_id = hex::encode_upper(request.id.pce_id);
    if let Some(manifest) = manifest(request) {
        let manifest = hex::encode_upper(manifest);
        let body = format!(r#"{{"platformManifest":"{manifest}","pceid":"{pce_id}"}}"#);
        return Some((PATH.to_owned(), Some(body)));
    }
    let ppid = hex::encode_upper(ppid(request)?);
    Some((format!("{PATH}?encrypted_ppid={ppid}&pceid={pce_id}"), None))
}

fn manifest(request: &PckRequest) -> Option<&[u8]> {
    request.manifest.as_deref().filter(|bytes| (1..=MANIFEST_MAX).contains(&bytes.len()))
}

/// Clients that do not know it send zeros.
pub(super) fn ppid(request: &PckRequest) -> Option<&[u8]> {
    let is_ppid = |bytes: &&[u8]| bytes.len() == ENCRYPTED_PPID && bytes.iter().any(|byte| *byte != 0);
    request.encrypted_ppid.as_deref().filter(is_ppid)
}
