//! Which of the vendors' routes a request is for: one table, which also names routes in metrics and logs.

use assay_evidence::snp::SigningKey;
use assay_verify::intel::single::{Enclave, Tee};
use bytes::Bytes;
use http::{HeaderMap, Method};

use super::pcs::{self, Encoding, Version};
use super::query::Query;
use super::reply::{Refusal, Reply};
use super::{HardwareIdentity, kds, pckcert, thim};
use crate::upstream::Asker;

/// A document, whatever version of the interface it is asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Tcb(Tee),
    Enclave(Enclave),
    EvaluationNumbers(Tee),
    PckCrl,
    RootCrl,
    CrlByAddress,
    Families,
    PckCertificate,
    PckCertificates,
    PckCertificatesOfConfiguration,
    AppraisalPolicy,
    RootCrlFile(Encoding),
    AmdChain(SigningKey),
    AmdCrl(SigningKey),
    Vcek,
    VlekNotOffered,
    AzureCache,
    ThimAmd,
    ThimSgx,
}

impl Endpoint {
    const fn takes_post(self) -> bool {
        matches!(self, Self::PckCertificate | Self::PckCertificates | Self::PckCertificatesOfConfiguration)
    }

    const fn is_amds(self) -> bool {
        matches!(
            self,
            Self::AmdChain(_)
                | Self::AmdCrl(_)
                | Self::Vcek
                | Self::VlekNotOffered
                | Self::AzureCache
                | Self::ThimAmd
        )
    }
}

/// Paths with their parameters in braces; `{v}` is `v3` or `v4`.
const ROUTES: [(&str, Endpoint); 27] = [
    ("/sgx/certification/{v}/pckcert", Endpoint::PckCertificate),
    ("/sgx/certification/{v}/pckcerts", Endpoint::PckCertificates),
    ("/sgx/certification/{v}/pckcerts/config", Endpoint::PckCertificatesOfConfiguration),
    ("/sgx/certification/{v}/appraisalpolicy", Endpoint::AppraisalPolicy),
    ("/IntelSGXRootCA.der", Endpoint::RootCrlFile(Encoding::Der)),
    ("/IntelSGXRootCA.crl", Endpoint::RootCrlFile(Encoding::Pem)),
    ("/sgx/certification/{v}/tcb", Endpoint::Tcb(Tee::Sgx)),
    ("/tdx/certification/{v}/tcb", Endpoint::Tcb(Tee::Tdx)),
    ("/sgx/certification/{v}/qe/identity", Endpoint::Enclave(Enclave::Qe)),
    ("/sgx/certification/{v}/qve/identity", Endpoint::Enclave(Enclave::Qve)),
    ("/sgx/certification/{v}/qae/identity", Endpoint::Enclave(Enclave::Qae)),
    ("/tdx/certification/{v}/qe/identity", Endpoint::Enclave(Enclave::TdQe)),
    ("/sgx/certification/{v}/tcbevaluationdatanumbers", Endpoint::EvaluationNumbers(Tee::Sgx)),
    ("/tdx/certification/{v}/tcbevaluationdatanumbers", Endpoint::EvaluationNumbers(Tee::Tdx)),
    ("/sgx/certification/{v}/pckcrl", Endpoint::PckCrl),
    ("/sgx/certification/{v}/rootcacrl", Endpoint::RootCrl),
    ("/sgx/certification/{v}/crl", Endpoint::CrlByAddress),
    ("/sgx/certification/{v}/fmspcs", Endpoint::Families),
    ("/vcek/v1/{product}/cert_chain", Endpoint::AmdChain(SigningKey::Vcek)),
    ("/vcek/v1/{product}/crl", Endpoint::AmdCrl(SigningKey::Vcek)),
    ("/vcek/v1/{product}/{hwid}", Endpoint::Vcek),
    ("/vlek/v1/{product}/cert_chain", Endpoint::AmdChain(SigningKey::Vlek)),
    ("/vlek/v1/{product}/crl", Endpoint::AmdCrl(SigningKey::Vlek)),
    ("/vlek/v1/{product}/cert", Endpoint::VlekNotOffered),
    ("/SevSnpVM/certificates/{chip}/{tcb}", Endpoint::AzureCache),
    ("/metadata/THIM/amd/certification", Endpoint::ThimAmd),
    ("/metadata/THIM/sgx/certification/{v}/pckcert", Endpoint::ThimSgx),
];
/// What begins so is the vendors', known or not.
const PREFIXES: [&str; 7] =
    ["/sgx/", "/tdx/", "/IntelSGXRootCA.", "/vcek/", "/vlek/", "/SevSnpVM/", "/metadata/"];

/// A path of the vendors'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path<'p> {
    /// The route, if there is one; also the label of metrics and logs.
    route: Option<(&'static str, Endpoint)>,
    parameters: [&'p str; 2],
    /// Of a metadata service, whose errors are JSON.
    is_metadata: bool,
}

impl Path<'_> {
    /// Whether a body may come along.
    pub(crate) fn takes_body(&self) -> bool {
        self.route.is_some_and(|(_, endpoint)| endpoint.takes_post())
    }

    /// Whether what is asked for is signed by AMD.
    pub(crate) fn is_amds(&self) -> bool {
        self.route.is_some_and(|(_, endpoint)| endpoint.is_amds())
    }

    /// The route as metrics and logs name it.
    pub(crate) const fn label(&self) -> Option<&'static str> {
        match self.route {
            Some((label, _)) => Some(label),
            None => None,
        }
    }
}

/// Whether a path is one of the vendors', and which.
pub(crate) fn find(path: &str) -> Option<Path<'_>> {
    let begins = |prefix: &&str| {
        path.split_at_checked(prefix.len()).is_some_and(|(head, _)| head.eq_ignore_ascii_case(prefix))
    };
    if !PREFIXES.iter().any(begins) {
        return None;
    }
    let is_metadata = begins(&"/metadata/");
    let found = ROUTES.iter().find_map(|(pattern, endpoint)| {
        matched(pattern, path).map(|parameters| (*pattern, *endpoint, parameters))
    });
    Some(match found {
        Some((pattern, endpoint, parameters)) => {
            Path { route: Some((pattern, endpoint)), parameters, is_metadata }
        }
        None => Path { route: None, parameters: [""; 2], is_metadata },
    })
}

fn matched<'p>(pattern: &str, path: &'p str) -> Option<[&'p str; 2]> {
    let mut parameters = [""; 2];
    let mut free = parameters.iter_mut();
    let (mut patterns, mut segments) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), segments.next()) {
            (None, None) => return Some(parameters),
            (Some(pattern), Some(segment)) if pattern.starts_with('{') => {
                *free.next()? = Some(segment).filter(|segment| !segment.is_empty())?;
            }
            (Some(pattern), Some(segment)) if pattern.eq_ignore_ascii_case(segment) => {}
            _ => return None,
        }
    }
}

/// A request on a vendor's route.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: Path<'a>,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    /// Whose share of the vendors' answers it takes.
    pub(crate) asker: Asker,
    /// The body of a POST; `None` if it is too large or did not come.
    pub(crate) body: Option<Bytes>,
}

/// Answers a request on a vendor's route.
pub(crate) async fn answer(identity: &HardwareIdentity, asked: Asked<'_>) -> Reply {
    let is_metadata = asked.path.is_metadata;
    match try_answer(identity, asked).await {
        Ok(reply) => reply,
        Err(refusal) if is_metadata => thim::told(Err(refusal)),
        Err(refusal) => refusal.into(),
    }
}

async fn try_answer(identity: &HardwareIdentity, asked: Asked<'_>) -> Result<Reply, Refusal> {
    let Some((_, endpoint)) = asked.path.route else { return Err(pcs::no_such_path()) };
    let query = Query::parse(asked.query)?;
    let asker = asked.asker;
    let [first, second] = asked.path.parameters;
    if endpoint.takes_post() && asked.method == Method::POST {
        let version = version(first).ok_or_else(pcs::no_such_path)?;
        let body = asked.body.ok_or(Refusal::TooLarge)?;
        return match endpoint {
            Endpoint::PckCertificate => pckcert::certificate_for_manifest(identity, &body, asker).await,
            Endpoint::PckCertificates => {
                pckcert::certificates_for_manifest(identity, version, pckcert::Which::All, &body, asker).await
            }
            _ => {
                let which = pckcert::Which::OfConfiguration;
                pckcert::certificates_for_manifest(identity, version, which, &body, asker).await
            }
        };
    }
    if asked.method != Method::GET && asked.method != Method::HEAD {
        return Err(Refusal::Method(if endpoint.takes_post() { "GET, POST" } else { "GET" }));
    }
    match endpoint {
        Endpoint::AmdChain(kind) => kds::cert_chain(identity, first, kind),
        Endpoint::AmdCrl(kind) => kds::crl(identity, first, kind, asked.headers, asker).await,
        Endpoint::Vcek => kds::vcek(identity, first, second, &query, asker).await,
        Endpoint::AzureCache => kds::azure_cache(identity, first, second, asker).await,
        Endpoint::ThimAmd => Ok(thim::amd(identity, asked.headers, &query, asker).await),
        Endpoint::ThimSgx if version(first).is_some() => {
            Ok(thim::sgx(identity, asked.headers, &query, asker).await)
        }
        // AMD gives it to the cloud provider whose key it is, over TLS with the provider's certificate.
        Endpoint::VlekNotOffered => Err(Refusal::NotFound(
            "VLEK certificates come from the cloud provider that loaded the key, with the evidence."
                .to_owned(),
        )),
        // Its own address at Intel has no version.
        Endpoint::RootCrlFile(encoding) => {
            let asked = pcs::Asked { identity, version: Version::V4, query, headers: asked.headers, asker };
            asked.root_crl(encoding).await
        }
        intel => {
            let version = version(first).ok_or_else(pcs::no_such_path)?;
            intel_document(pcs::Asked { identity, version, query, headers: asked.headers, asker }, intel)
                .await
        }
    }
}

async fn intel_document(asked: pcs::Asked<'_>, endpoint: Endpoint) -> Result<Reply, Refusal> {
    match endpoint {
        Endpoint::Tcb(tee) => asked.tcb(tee).await,
        Endpoint::Enclave(enclave) => asked.enclave(enclave).await,
        Endpoint::EvaluationNumbers(tee) => asked.evaluation_numbers(tee).await,
        Endpoint::PckCrl => asked.pck_crl().await,
        Endpoint::RootCrl => asked.root_crl(Encoding::Hexadecimal).await,
        Endpoint::CrlByAddress => asked.crl_by_address().await,
        Endpoint::Families => asked.families().await,
        Endpoint::PckCertificate => pckcert::certificate(asked.identity, &asked.query, asked.asker).await,
        Endpoint::PckCertificates => {
            pckcert::certificates(
                asked.identity,
                asked.version,
                pckcert::Which::All,
                &asked.query,
                asked.asker,
            )
            .await
        }
        Endpoint::PckCertificatesOfConfiguration => {
            let which = pckcert::Which::OfConfiguration;
            pckcert::certificates(asked.identity, asked.version, which, &asked.query, asked.asker).await
        }
        Endpoint::AppraisalPolicy => asked.appraisal_policy().await,
        Endpoint::RootCrlFile(_)
        | Endpoint::AmdChain(_)
        | Endpoint::AmdCrl(_)
        | Endpoint::Vcek
        | Endpoint::VlekNotOffered
        | Endpoint::AzureCache
        | Endpoint::ThimAmd
        | Endpoint::ThimSgx => Err(pcs::no_such_path()),
    }
}

fn version(segment: &str) -> Option<Version> {
    match segment {
        "v3" | "V3" => Some(Version::V3),
        "v4" | "V4" => Some(Version::V4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_routes() {
        let route = |path| find(path).and_then(|path| path.route).map(|(_, endpoint)| endpoint);
        assert_eq!(route("/sgx/certification/v4/tcb"), Some(Endpoint::Tcb(Tee::Sgx)));
        assert_eq!(route("/TDX/certification/v4/qe/identity"), Some(Endpoint::Enclave(Enclave::TdQe)));
        assert_eq!(route("/vcek/v1/Milan/cert_chain"), Some(Endpoint::AmdChain(SigningKey::Vcek)));
        assert_eq!(route("/vcek/v1/Milan/0011"), Some(Endpoint::Vcek));
        assert_eq!(route("/IntelSGXRootCA.der"), Some(Endpoint::RootCrlFile(Encoding::Der)));
        assert_eq!(find("/vcek/v1/Milan/0011").unwrap().parameters, ["Milan", "0011"]);
        for unknown in [
            "/sgx/",
            "/sgx/certification/v4",
            "/vcek/v1/Milan/",
            "/vcek/v1//crl",
            "/sgx/certification/v4/tcb/",
            "/IntelSGXRootCA.cer",
        ] {
            assert_eq!(
                find(unknown),
                Some(Path { route: None, parameters: [""; 2], is_metadata: false }),
                "{unknown}"
            );
        }
        for foreign in ["/", "/certs", "/sgxx/certification/v4/tcb", ""] {
            assert_eq!(find(foreign), None, "{foreign}");
        }
    }
}
