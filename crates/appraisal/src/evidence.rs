//! Evidence of every kind, from bytes to verified claims: what the attest flow and a judgement have in common.

use std::sync::Arc;

use assay_evidence::ParseError;
use assay_evidence::bundle::{self, Body, Bundle};
use assay_policy::ClaimSet;
use assay_verify::cache::ChainCache;
use assay_verify::claims::{SgxClaims, SnpClaims, TcbVerdict};
use assay_verify::error::CertificateRole;
use assay_verify::intel::PlatformKey;
use assay_verify::sgx::{self, CollateralInput, Format};
use assay_verify::snp::{self, VekCertificate, VekKey, VerifiedVek};
use assay_verify::{AnchorOrigin, Binding, Report, TrustAnchors, UnixTime, Verified, hcl};
use serde_json::Value;

use crate::baseline::Shortfall;
use crate::claims::{sgx_attached, sgx_incoming, sgx_service_claims, snp_incoming, snp_service_claims};
use crate::request::Attached;
use crate::{AttestationType, Baseline, CollateralSource, Freshness, LookedUpPck, Refusal, SnpTrust};

/// What evidence is, for verification. Several kinds may be attested under one type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EvidenceKind {
    /// A bare SGX quote.
    Sgx,
    /// An SGX quote in an Open Enclave report.
    OpenEnclave,
    /// An SEV-SNP report, bare or with what clouds and tools put around it.
    Snp,
    /// The paravisor's report of an Azure-style confidential VM.
    AzureCvm,
}

impl EvidenceKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Sgx, Self::OpenEnclave, Self::Snp, Self::AzureCvm];

    /// Reads the name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Under which type policies for it are written.
    #[must_use]
    pub const fn attestation_type(self) -> AttestationType {
        match self {
            Self::Sgx => AttestationType::SgxEnclave,
            Self::OpenEnclave => AttestationType::OpenEnclave,
            Self::Snp | Self::AzureCvm => AttestationType::SevSnpVm,
        }
    }

    /// The name on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sgx => "sgx",
            Self::OpenEnclave => "open-enclave",
            Self::Snp => "snp",
            Self::AzureCvm => "azure-cvm",
        }
    }
}

/// Evidence taken apart, where its bytes hold several things.
pub(crate) enum Parsed<'a> {
    Quote(&'a [u8], Format),
    Bundle(Box<Bundle>),
    Unreadable(EvidenceKind, ParseError),
}

/// Certificates that came beside the evidence, in files of their own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// The VEK certificate: DER, or PEM whose first certificate it is.
    pub vek: Option<&'a [u8]>,
    /// The certificates above it: DER or PEM. Of Intel's: PCK certificate, authority and root, PEM.
    pub chain: Option<&'a [u8]>,
}

impl<'a> Parsed<'a> {
    pub(crate) fn of(kind: EvidenceKind, bytes: &'a [u8], beside: Beside<'_>) -> Self {
        match kind {
            EvidenceKind::Sgx => Self::Quote(bytes, Format::Quote),
            EvidenceKind::OpenEnclave => Self::Quote(bytes, Format::OpenEnclave),
            EvidenceKind::Snp | EvidenceKind::AzureCvm => match read_bundle(kind, bytes, beside) {
                Ok(bundle) => Self::Bundle(Box::new(bundle)),
                Err(error) => Self::Unreadable(kind, error),
            },
        }
    }

    pub(crate) fn open(&self, anchors: &TrustAnchors, cache: &ChainCache) -> Opened<'_> {
        match self {
            Self::Quote(bytes, format) => {
                Opened::Sgx(Box::new(sgx::Opened::new(bytes, *format, anchors, cache)))
            }
            Self::Bundle(bundle) => match &bundle.body {
                Body::Snp(report) => {
                    let (certificates, endorsements) = (&bundle.certificates, &bundle.endorsements);
                    let evidence = snp::Evidence { report, certificates, endorsements };
                    Opened::Snp(Box::new(snp::Opened::new(evidence, anchors, cache)), &bundle.unread)
                }
                Body::Hcl(report) => {
                    let opened = hcl::Opened::new(report, &bundle.certificates, anchors, cache);
                    Opened::Hcl(Box::new(opened), &bundle.unread)
                }
            },
            Self::Unreadable(kind, error) => Opened::Unreadable(*kind, error),
        }
    }
}

fn read_bundle(kind: EvidenceKind, bytes: &[u8], beside: Beside<'_>) -> Result<Bundle, ParseError> {
    let mut bundle = Bundle::parse(bytes)?;
    if (kind == EvidenceKind::AzureCvm) != matches!(bundle.body, Body::Hcl(_)) {
        let problem = match kind {
            EvidenceKind::AzureCvm => "it holds no paravisor's report (`HCLA`)",
            _ => {
                "it holds a paravisor's report: send the hardware's report inside of it (bytes 32 to 1216) with its claims as \
                 runtime data, or have it judged as `azure-cvm`"
            }
        };
        return Err(ParseError::Document { problem: problem.to_owned() });
    }
    let read = |file: Option<&[u8]>| file.map_or_else(|| Ok(Vec::new()), bundle::certificates);
    let (vek, chain) = (read(beside.vek)?, read(beside.chain)?);
    // A certificate given on purpose counts more than one that came along.
    match (vek.is_empty(), chain.is_empty()) {
        (false, _) => bundle.certificates = [vek, chain].concat(),
        (true, false) => bundle.certificates.extend(chain),
        (true, true) => {}
    }
    Ok(bundle)
}

/// Evidence whose layout was read, and whose own certificates were looked at.
pub(crate) enum Opened<'a> {
    Sgx(Box<sgx::Opened<'a>>),
    /// With the names of what came along and is not read.
    Snp(Box<snp::Opened<'a>>, &'a [&'static str]),
    /// With the same.
    Hcl(Box<hcl::Opened<'a>>, &'a [&'static str]),
    Unreadable(EvidenceKind, &'a ParseError),
}

/// What evidence needs to be judged, beyond what came along.
pub(crate) enum Wanted {
    Intel(PlatformKey),
    /// A VEK certificate, if none came along; revocation lists.
    Amd(Option<VekKey>),
    Nothing,
}

/// What judges evidence, as verification takes it.
#[derive(Clone, Copy)]
pub(crate) struct Endorsed<'a> {
    pub(crate) intel: CollateralInput<'a>,
    pub(crate) vek: Option<&'a Arc<VerifiedVek>>,
    pub(crate) amd: snp::Requirements<'a>,
}

/// What came of verification.
pub(crate) struct Outcome {
    pub(crate) report: Report,
    pub(crate) tcb: Option<TcbVerdict>,
    pub(crate) claims: Option<EvidenceClaims>,
}

impl Opened<'_> {
    pub(crate) fn wanted(&self) -> Wanted {
        match self {
            Self::Sgx(opened) => opened.platform().map_or(Wanted::Nothing, Wanted::Intel),
            Self::Snp(opened, _) => Wanted::Amd(opened.wanted_vek()),
            Self::Hcl(opened, _) => Wanted::Amd(opened.wanted_vek()),
            Self::Unreadable(..) => Wanted::Nothing,
        }
    }

    /// Looks up the PCK certificate of a quote that carries none. What the source has is verified like one that came along.
    pub(crate) fn look_up(
        &mut self,
        source: &dyn CollateralSource,
        anchors: &TrustAnchors,
        cache: &ChainCache,
    ) -> Option<LookedUpPck> {
        let Self::Sgx(opened) = self else { return None };
        let mut chains = source.find_pcks(&opened.wanted_pck()?);
        let texts: Vec<&[u8]> = chains.iter().map(|chain| chain.as_bytes()).collect();
        let taken = opened.look_up(&texts, anchors, cache)?;
        (taken < chains.len()).then(|| LookedUpPck::new(chains.swap_remove(taken)))
    }

    /// Takes the PCK certificate chain that came beside a quote that carries none.
    pub(crate) fn take_chain(&mut self, chain: &[u8], anchors: &TrustAnchors, cache: &ChainCache) {
        if let Self::Sgx(opened) = self {
            opened.look_up(&[chain], anchors, cache);
        }
    }

    /// The data that evidence of this kind carries and binds by itself.
    pub(crate) fn own_runtime_data(&self) -> Option<&[u8]> {
        match self {
            Self::Hcl(opened, _) => opened.runtime_claims(),
            _ => None,
        }
    }

    /// Of several certificates that fit, the one whose key signed; the first if there is none.
    pub(crate) fn choose(&self, mut candidates: Vec<VekCertificate>) -> Option<VekCertificate> {
        let signed = |held: &VekCertificate| match self {
            Self::Snp(opened, _) => opened.is_signed_by(&held.vek),
            Self::Hcl(opened, _) => opened.is_signed_by(&held.vek),
            _ => false,
        };
        // The usual case costs no signature check here.
        let chosen = if candidates.len() > 1 { candidates.iter().position(signed).unwrap_or(0) } else { 0 };
        (chosen < candidates.len()).then(|| candidates.swap_remove(chosen))
    }

    pub(crate) fn verify(
        &self,
        endorsed: &Endorsed<'_>,
        binding: &Binding<'_>,
        (anchors, cache, now): (&TrustAnchors, &ChainCache, UnixTime),
    ) -> Outcome {
        let context = snp::Context { anchors, now, requirements: endorsed.amd };
        let verified = match self {
            Self::Sgx(opened) => {
                let context = sgx::Context { anchors, now, cache };
                let sgx::Verification { report, tcb, claims } =
                    opened.verify(endorsed.intel, binding, &context);
                let claims = claims.map(|claims| EvidenceClaims::Sgx(Box::new(claims)));
                return Outcome { report, tcb, claims };
            }
            Self::Snp(opened, unread) => {
                snp::note_unread(opened.verify(endorsed.vek, binding, &context), unread)
            }
            Self::Hcl(opened, unread) => {
                let verified = opened.verify(endorsed.vek, binding, &context);
                snp::note_unread(verified, unread)
            }
            Self::Unreadable(EvidenceKind::AzureCvm, error) => hcl::unreadable((*error).clone()),
            Self::Unreadable(_, error) => snp::unreadable((*error).clone()),
        };
        let claims = verified.claims.map(|claims| EvidenceClaims::Snp(Box::new(claims)));
        Outcome { report: verified.report, tcb: None, claims }
    }
}

/// Claims that were verified, of whatever kind.
pub(crate) enum EvidenceClaims {
    Sgx(Box<Verified<SgxClaims>>),
    Snp(Box<Verified<SnpClaims>>),
}

impl EvidenceClaims {
    pub(crate) fn origin(&self) -> AnchorOrigin {
        match self {
            Self::Sgx(claims) => claims.origin(),
            Self::Snp(claims) => claims.origin(),
        }
    }

    /// The certificate at the end of the chain.
    pub(crate) const fn leaf(&self) -> CertificateRole {
        match self {
            Self::Sgx(_) => CertificateRole::Pck,
            Self::Snp(_) => CertificateRole::Vek,
        }
    }

    /// The 64 bytes that the attester put into its evidence.
    pub(crate) fn report_data(&self) -> &[u8; 64] {
        match self {
            Self::Sgx(claims) => &claims.report.report_data,
            Self::Snp(claims) => &claims.report.report_data,
        }
    }

    /// Whether the platform is at what a provider demands and, of Intel's, at the baseline of this name.
    pub(crate) fn check_baseline(&self, baseline: &Baseline, named: Option<&str>) -> Result<(), Refusal> {
        let checked = match self {
            Self::Sgx(claims) => baseline.check(&claims.tcb, named),
            Self::Snp(claims) => baseline.snp.check(claims),
        };
        checked.map_err(|Shortfall { found, demanded }| Refusal::Baseline { found, demanded })
    }

    /// What a policy can read.
    pub(crate) fn incoming(&self, attached: &Attached, freshness: Freshness, trust: &SnpTrust) -> ClaimSet {
        match self {
            Self::Sgx(claims) => sgx_incoming(claims, attached, freshness),
            Self::Snp(claims) => snp_incoming(claims, trust.compliance(claims), attached, freshness),
        }
    }

    /// What a token says of the evidence.
    pub(crate) fn service_claims(
        &self,
        freshness: Freshness,
        trust: &SnpTrust,
    ) -> Vec<(&'static str, Value)> {
        match self {
            Self::Sgx(claims) => sgx_service_claims(claims, freshness),
            Self::Snp(claims) => snp_service_claims(claims, trust.compliance(claims), freshness),
        }
    }

    /// What attached data becomes in a token.
    pub(crate) fn attached_claims(&self, attached: &Attached) -> Vec<(&'static str, Arc<Value>)> {
        match self {
            Self::Sgx(_) => sgx_attached(attached),
            Self::Snp(_) => attached.json_claims(),
        }
    }
}
