//! Documents as Intel's PCS and PCCS serve them (Intel, *PCS API*, versions 3 and 4; PCCS 1.27, `README`).

use std::sync::Arc;

use assay_collateral::subject::{Selection, Subject, Track};
use assay_evidence::pem;
use assay_verify::intel::PckCa;
use assay_verify::intel::single::{Enclave, Tee};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::json;

use super::HardwareIdentity;
use super::library::Served;
use super::query::Query;
use super::reply::{Refusal, Reply};
use crate::percent;
use crate::upstream::Asker;

const JSON: &str = "application/json";
const CRL_CHAIN: &str = "SGX-PCK-CRL-Issuer-Chain";
/// PCCS calls its hexadecimal so, too.
const PEM: &str = "application/x-pem-file";
const DER: &str = "application/pkix-crl";

/// Which version of Intel's interface is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V3,
    V4,
}

/// What Azure's client asks with when it wants a list as PEM.
const PEM_API_VERSION: &str = "2020-02-12-preview";
const ROOT_CRL_NAMES: [&str; 2] = ["/intelsgxrootca.der", "/intelsgxrootca.crl"];
/// Kinds of platforms in Intel's list of families (PCS API version 4, "Get FMSPCs").
const PLATFORMS: [&str; 3] = ["client", "E3", "E5"];
/// Names of early certificates.
const PCK_CRL_NAMES: [(&str, PckCa); 2] =
    [("/intelsgxpckprocessor.crl", PckCa::Processor), ("/intelsgxpckplatform.crl", PckCa::Platform)];
/// Hosts of Intel's whose addresses stand in certificates as the place of revocation lists; nothing is fetched from what a
/// client names, an address is only read as the name of a list.
const HOSTS: [&str; 4] = [
    "certificates.trustedservices.intel.com",
    "api.trustedservices.intel.com",
    "sbx-certificates.trustedservices.intel.com",
    "sbx.api.trustedservices.intel.com",
];

/// A request for one of Intel's documents.
pub(crate) struct Asked<'a> {
    pub(crate) identity: &'a HardwareIdentity,
    pub(crate) version: Version,
    pub(crate) query: Query<'a>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) asker: Asker,
}

impl Asked<'_> {
    /// `tcb`: TCB info of a family.
    pub(crate) async fn tcb(&self, tee: Tee) -> Result<Reply, Refusal> {
        let fmspc = self.query.required_hex::<6>("fmspc")?;
        let selection = self.selection()?;
        let (subject, header) = match (self.version, tee) {
            (Version::V4, tee) => (Subject::TcbInfo { tee, fmspc }, "TCB-Info-Issuer-Chain"),
            (Version::V3, Tee::Sgx) => (Subject::TcbInfoV2 { fmspc }, "SGX-TCB-Info-Issuer-Chain"),
            (Version::V3, Tee::Tdx) => return Err(no_such_path()),
        };
        if self.version == Version::V3 {
            // Intel's signature is over the bytes of the old form: nobody can make it from the new one.
            let archived = match self.identity.library.archived(subject) {
                Some(archived) => archived,
                None => self
                    .identity
                    .library
                    .document(subject, selection, self.asker)
                    .await
                    .map_err(|_| v3_is_gone())?,
            };
            return Ok(self.document(&archived, header));
        }
        Ok(self.document(&self.version_of(subject, selection).await?, header))
    }

    /// A document in the version that is meant. What the archive has goes to who named its number, not to who is given a
    /// pinned one.
    async fn version_of(&self, subject: Subject, selection: Selection) -> Result<Served, Refusal> {
        let library = &self.identity.library;
        let named = self.query.number::<u32>("tcbEvaluationDataNumber")?.is_some();
        match library.document(subject, selection, self.asker).await {
            Err(error) if named => library.kept(subject, selection).ok_or_else(|| error.into()),
            served => Ok(served?),
        }
    }

    /// `qe/identity`, `qve/identity`, `qae/identity`.
    pub(crate) async fn enclave(&self, enclave: Enclave) -> Result<Reply, Refusal> {
        let selection = self.selection()?;
        let served = self.version_of(Subject::Identity(enclave), selection).await?;
        let reply = self.document(&served, "SGX-Enclave-Identity-Issuer-Chain");
        Ok(match self.version {
            // The name that Azure's older clients look for.
            Version::V3 => reply.with_chain("SGX-QE-Identity-Issuer-Chain", &served.document),
            Version::V4 => reply,
        })
    }

    /// `tcbevaluationdatanumbers`.
    pub(crate) async fn evaluation_numbers(&self, tee: Tee) -> Result<Reply, Refusal> {
        let subject = Subject::EvaluationNumbers(tee);
        let served = self.identity.library.document(subject, Selection::default(), self.asker).await?;
        Ok(self.document(&served, "TCB-Evaluation-Data-Numbers-Issuer-Chain"))
    }

    /// `pckcrl`: by the authority, or, as Azure's client asks, by the address in certificates.
    pub(crate) async fn pck_crl(&self) -> Result<Reply, Refusal> {
        if let Some(uri) = self.query.get("uri")? {
            let as_pem = self.query.get("api-version")?.is_some_and(|version| version == PEM_API_VERSION);
            return self.crl_of(uri, if as_pem { Encoding::Pem } else { Encoding::Der }).await;
        }
        let ca = match self.query.get("ca")? {
            Some(name) if name.eq_ignore_ascii_case("platform") => PckCa::Platform,
            Some(name) if name.eq_ignore_ascii_case("processor") => PckCa::Processor,
            _ => return Err(Refusal::Malformed("`ca` must be `platform` or `processor`.")),
        };
        let encoding = match self.query.get("encoding")? {
            None => Encoding::Hexadecimal,
            Some(name) if name.eq_ignore_ascii_case("der") => Encoding::Der,
            Some(name) if name.eq_ignore_ascii_case("pem") => Encoding::Pem,
            Some(_) => return Err(Refusal::Malformed("`encoding` must be `pem` or `der`.")),
        };
        self.crl(Subject::PckCrl(ca), encoding).await
    }

    /// `rootcacrl` of PCCS, hexadecimal; and the file at Intel's own address.
    pub(crate) async fn root_crl(&self, encoding: Encoding) -> Result<Reply, Refusal> {
        self.crl(Subject::RootCrl, encoding).await
    }

    /// `appraisalpolicy` of PCCS: what the platform's owner wants Intel's library to judge a family by.
    pub(crate) async fn appraisal_policy(&self) -> Result<Reply, Refusal> {
        let fmspc = self.query.required_hex::<6>("fmspc")?;
        let policies = Arc::clone(&self.identity.policies);
        let found = tokio::task::spawn_blocking(move || policies.default_of(fmspc)).await;
        let found = found.map_err(|_| Refusal::Internal)?.map_err(|error| {
            tracing::error!(%error, "an appraisal policy was not read");
            Refusal::Passing
        })?;
        let policy = found.ok_or_else(|| {
            Refusal::NotFound("There is no default appraisal policy for this family.".to_owned())
        })?;
        Ok(Reply::of("text/plain; charset=utf-8", policy))
    }

    /// `crl` of PCCS: the list at an address that stands in Intel's certificates.
    pub(crate) async fn crl_by_address(&self) -> Result<Reply, Refusal> {
        let uri = self.query.get("uri")?.ok_or(Refusal::Malformed("`uri` is missing."))?;
        self.crl_of(uri, Encoding::Der).await
    }

    async fn crl_of(&self, uri: &str, encoding: Encoding) -> Result<Reply, Refusal> {
        let subject = named_list(uri).ok_or(Refusal::Malformed(
            "`uri` must be the address of a revocation list on a host of Intel's trusted services.",
        ))?;
        self.crl(subject, encoding).await
    }

    async fn crl(&self, subject: Subject, encoding: Encoding) -> Result<Reply, Refusal> {
        let served = self.identity.library.document(subject, Selection::default(), self.asker).await?;
        let body = &served.document.body;
        let (content_type, body) = match encoding {
            Encoding::Der => (DER, body.clone()),
            Encoding::Hexadecimal => (PEM, Bytes::from(hex::encode(body))),
            Encoding::Pem => (PEM, Bytes::from(pem::encode_revocation_list(body))),
        };
        let reply = self.identity.dated(Reply::of(content_type, body), &served, self.headers);
        // Azure's client wants the header beside the root's list, too, whose issuer is the root.
        if served.document.chain.is_some() {
            return Ok(reply.with_chain(CRL_CHAIN, &served.document));
        }
        Ok(match self.root_certificate() {
            Some(chain) => reply.with(CRL_CHAIN, &percent::encode(&chain)),
            None => reply,
        })
    }

    /// The root's certificate, from a chain of any document.
    fn root_certificate(&self) -> Option<String> {
        let shelf = self.identity.library.shelf();
        let chain = shelf.iter().find_map(|(_, _, held)| held.document.chain.clone())?;
        let begin = chain.rfind("-----BEGIN CERTIFICATE-----")?;
        chain.get(begin..).map(str::to_owned)
    }

    /// `fmspcs`: the families that are known here.
    pub(crate) async fn families(&self) -> Result<Reply, Refusal> {
        let wanted = self.query.get("platform")?.filter(|name| !name.eq_ignore_ascii_case("all"));
        if wanted.is_some_and(|wanted| !PLATFORMS.iter().any(|name| name.eq_ignore_ascii_case(wanted))) {
            return Err(Refusal::Malformed("`platform` must be `all`, `client`, `E3` or `E5`."));
        }
        let families = self.identity.families(self.asker).await?;
        let listed = families
            .iter()
            .filter(|family| wanted.is_none_or(|wanted| family.platform.eq_ignore_ascii_case(wanted)));
        let listed: Vec<_> = listed
            .map(|family| json!({"fmspc": hex::encode_upper(family.fmspc), "platform": family.platform}))
            .collect();
        Ok(Reply::of(JSON, json!(listed).to_string()))
    }

    fn document(&self, served: &Served, header: &'static str) -> Reply {
        let reply = Reply::of(JSON, served.document.body.clone());
        self.identity.dated(reply, served, self.headers).with_chain(header, &served.document)
    }

    /// `update` or `tcbEvaluationDataNumber`, not both (PCS API version 4).
    fn selection(&self) -> Result<Selection, Refusal> {
        let number = self.query.number::<u32>("tcbEvaluationDataNumber")?;
        let track = match self.query.get("update")? {
            None => None,
            Some(name) => Some(
                Track::from_name(&name.to_ascii_lowercase())
                    .ok_or(Refusal::Malformed("`update` must be `early` or `standard`."))?,
            ),
        };
        match (number, track) {
            (Some(_), Some(_)) => {
                Err(Refusal::Malformed("Use either `update` or `tcbEvaluationDataNumber`, not both."))
            }
            (Some(number), None) => Ok(Selection::Number(number)),
            (None, Some(Track::Early)) => Ok(Selection::Track(Track::Early)),
            // Intel's client names the standard track in each question: what an operator pins is the standard of his fleet.
            (None, Some(Track::Standard) | None) => Ok(self.identity.default_selection()),
        }
    }
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Der,
    Pem,
    /// What PCCS gives to who asks for nothing else.
    Hexadecimal,
}

fn v3_is_gone() -> Refusal {
    Refusal::Gone(
        "Intel no longer issues TCB info in the form of version 3, and nobody can derive it from the one of version 4. \
         Use version 4, or give this service an archive."
            .to_owned(),
    )
}

pub(super) fn no_such_path() -> Refusal {
    Refusal::NotFound("There is no such path.".to_owned())
}

/// Which list an address in Intel's certificates names. Azure's client sends it in lower case, and escaped once more than the
/// query is.
fn named_list(uri: &str) -> Option<Subject> {
    let uri = percent::decode(uri)?.to_ascii_lowercase();
    let rest = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"))?;
    let (host, path) = rest.split_at_checked(rest.find('/')?)?;
    if !HOSTS.contains(&host) {
        return None;
    }
    if ROOT_CRL_NAMES.contains(&path) {
        return Some(Subject::RootCrl);
    }
    if let Some((_, ca)) = PCK_CRL_NAMES.iter().find(|(name, _)| *name == path) {
        return Some(Subject::PckCrl(*ca));
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let is_list = path.starts_with("/sgx/certification/v") && path.ends_with("/pckcrl");
    let ca = query.split('&').find_map(|pair| pair.strip_prefix("ca="))?;
    match ca {
        "platform" if is_list => Some(Subject::PckCrl(PckCa::Platform)),
        "processor" if is_list => Some(Subject::PckCrl(PckCa::Processor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_lists_of_intels_and_lead_nowhere() {
        let api = "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl";
        let root = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";
        assert_eq!(named_list(root), Some(Subject::RootCrl));
        assert_eq!(
            named_list(&format!("{api}?ca=platform&encoding=der")),
            Some(Subject::PckCrl(PckCa::Platform))
        );
        assert_eq!(
            named_list(&format!("{api}?encoding=der&ca=processor")),
            Some(Subject::PckCrl(PckCa::Processor))
        );
        for foreign in [
            "",
            "file:///etc/passwd",
            "https://169.254.169.254/metadata",
            "https://certificates.trustedservices.intel.com.example/IntelSGXRootCA.der",
            "https://certificates.trustedservices.intel.com@example/IntelSGXRootCA.der",
            "https://certificates.trustedservices.intel.com:8443/IntelSGXRootCA.der",
            "https://certificates.trustedservices.intel.com/other.der",
            "https://api.trustedservices.intel.com/sgx/certification/v4/tcb?ca=platform",
            "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=other",
        ] {
            assert_eq!(named_list(foreign), None, "{foreign}");
        }
    }
}
