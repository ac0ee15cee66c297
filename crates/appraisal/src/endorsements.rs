//! What judged evidence besides what came with it: a vendor's collateral, certificates and revocation lists.

use std::sync::Arc;

use assay_verify::intel::{Collateral, PlatformKey, RawCollateral};
use assay_verify::sgx::PckKey;
use assay_verify::snp::{AmdCrl, VekCertificate, VekKey, verify_vek};
use assay_verify::{TrustAnchors, sha256};
use serde::{Deserialize, Serialize};

use crate::evidence::{Opened, Wanted};
use crate::hexadecimal::hexadecimal;

/// Where verified endorsements come from.
pub trait CollateralSource: Send + Sync {
    /// The best set for a platform family; one that has expired is better than none, as the report can then say so.
    fn find(&self, platform: &PlatformKey) -> Option<Arc<Collateral>>;

    /// The PCK certificate chains, PEM, that a quote could mean that carries none; the likeliest first.
    fn find_pcks(&self, _key: &PckKey) -> Vec<Arc<str>> {
        Vec::new()
    }

    /// The certificates that fit a report; VLEKs of several providers can.
    fn find_veks(&self, key: &VekKey) -> Vec<VekCertificate>;

    /// Every revocation list of AMD that is held.
    fn amd_crls(&self) -> Vec<Arc<AmdCrl>>;
}

/// The endorsements of one decision.
#[derive(Clone, Debug)]
pub enum Endorsements {
    /// None: everything came with the evidence, or nothing could be found.
    None,
    /// A collateral set of Intel.
    Intel(Arc<Collateral>),
    /// A PCK certificate chain of Intel that did not come with the quote, and the set, if there was one.
    IntelWithPck(LookedUpPck, Option<Arc<Collateral>>),
    /// Certificates and lists of AMD.
    Amd(AmdEndorsements),
}

/// A PCK certificate chain that was looked up for a quote that carries none.
#[derive(Clone)]
pub struct LookedUpPck {
    /// PEM, leaf first.
    pub chain: Arc<str>,
    /// Names it.
    pub digest: [u8; 32],
}

/// Without the certificate, which names the platform.
impl std::fmt::Debug for LookedUpPck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LookedUpPck(..)")
    }
}

impl LookedUpPck {
    /// A chain with its name, which is that of its certificates, however the PEM around them is written.
    #[must_use]
    pub fn new(chain: Arc<str>) -> Self {
        let certificates = assay_evidence::pem::certificates(chain.as_bytes()).unwrap_or_default();
        let hashes: Vec<[u8; 32]> = certificates.iter().map(|der| sha256(&[der])).collect();
        let parts: Vec<&[u8]> =
            [&b"pck"[..]].into_iter().chain(hashes.iter().map(|hash| &hash[..])).collect();
        Self { digest: sha256(&parts), chain }
    }
}

/// Certificates and lists of AMD that judged a report.
#[derive(Clone, Debug, Default)]
pub struct AmdEndorsements {
    /// The VEK certificate, if it did not come with the evidence.
    pub vek: Option<VekCertificate>,
    /// Revocation lists.
    pub crls: Vec<Arc<AmdCrl>>,
}

impl Endorsements {
    /// Names what judged; `None` if nothing was added to what came with the evidence.
    #[must_use]
    pub fn digest(&self) -> Option<[u8; 32]> {
        match self {
            Self::None => None,
            Self::Intel(collateral) => Some(collateral.digest),
            Self::IntelWithPck(pck, None) => Some(pck.digest),
            Self::IntelWithPck(pck, Some(collateral)) => {
                Some(sha256(&[b"intel-with-pck", &pck.digest, &collateral.digest]))
            }
            Self::Amd(amd) => amd.digest(),
        }
    }

    /// The collateral set, if it is one of Intel.
    #[must_use]
    pub fn intel(&self) -> Option<&Arc<Collateral>> {
        match self {
            Self::Intel(collateral) | Self::IntelWithPck(_, Some(collateral)) => Some(collateral),
            _ => None,
        }
    }

    /// With the certificate chain that was looked up for the quote.
    pub(crate) fn with_pck(self, pck: Option<LookedUpPck>) -> Self {
        match (self, pck) {
            (Self::Intel(collateral), Some(pck)) => Self::IntelWithPck(pck, Some(collateral)),
            (Self::None, Some(pck)) => Self::IntelWithPck(pck, None),
            (other, _) => other,
        }
    }

    /// The certificate chain that was looked up for the quote.
    pub(crate) const fn pck(&self) -> Option<&LookedUpPck> {
        match self {
            Self::IntelWithPck(pck, _) => Some(pck),
            _ => None,
        }
    }

    pub(crate) fn amd(&self) -> AmdEndorsements {
        match self {
            Self::Amd(amd) => amd.clone(),
            _ => AmdEndorsements::default(),
        }
    }
}

impl AmdEndorsements {
    /// What a source holds for this evidence.
    pub(crate) fn find(evidence: &Opened<'_>, source: &dyn CollateralSource) -> Self {
        let vek = match evidence.wanted() {
            Wanted::Amd(Some(key)) => evidence.choose(source.find_veks(&key)),
            _ => None,
        };
        Self { vek, crls: source.amd_crls() }
    }

    fn digest(&self) -> Option<[u8; 32]> {
        let vek = self.vek.iter().map(|held| sha256(&[b"vek", &held.der]));
        let hashes: Vec<[u8; 32]> = vek.chain(self.crls.iter().map(|crl| crl.digest)).collect();
        let parts: Vec<&[u8]> = hashes.iter().map(|hash| &hash[..]).collect();
        (!parts.is_empty()).then(|| sha256(&parts))
    }

    /// The bytes, for the log.
    #[must_use]
    pub fn to_raw(&self) -> RawAmd {
        RawAmd {
            vek_sha256: self.vek.as_ref().map(|held| hexadecimal(sha256(&[&held.der]))),
            crls: self.crls.iter().map(|crl| hexadecimal(crl.der())).collect(),
        }
    }
}

/// Endorsements as they are kept beside a decision.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum RawEndorsements {
    /// A collateral set of Intel, with Intel's names.
    Intel(Arc<RawCollateral>),
    /// The same, and a PCK certificate chain that did not come with the quote.
    IntelWithPck(RawIntelWithPck),
    /// Certificates and lists of AMD.
    Amd(RawAmd),
}

/// A set of Intel's with a PCK certificate chain. The chain names the platform, so only its digest is kept: whoever replays
/// brings it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawIntelWithPck {
    /// SHA-256 over `pck` and the SHA-256 of each certificate, leaf first; hexadecimal.
    pub pck_sha256: String,
    /// The set, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collateral: Option<Arc<RawCollateral>>,
}

/// Certificates and lists of AMD. A VEK certificate names the chip, so only its digest is kept: whoever replays brings it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawAmd {
    /// SHA-256 of the VEK certificate, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vek_sha256: Option<String>,
    /// Revocation lists, hexadecimal of DER.
    pub crls: Vec<String>,
}

impl RawEndorsements {
    /// Verifies them again, with the VEK or PCK certificate of whoever replays; what does not verify is left out, and shows
    /// as a difference.
    #[must_use]
    pub fn verify(&self, vek: Option<&[u8]>, pck: Option<&str>, anchors: &TrustAnchors) -> Endorsements {
        let intel = |raw: &RawCollateral| {
            let collateral = Collateral::verify(raw, anchors).collateral;
            collateral.map_or(Endorsements::None, |set| Endorsements::Intel(Arc::new(set)))
        };
        match self {
            Self::Intel(raw) => intel(raw),
            Self::IntelWithPck(raw) => {
                let pck = pck.map(|chain| LookedUpPck::new(chain.into()));
                let pck = pck.filter(|pck| hex::encode(pck.digest) == raw.pck_sha256);
                raw.collateral.as_deref().map_or(Endorsements::None, intel).with_pck(pck)
            }
            Self::Amd(raw) => Endorsements::Amd(raw.verify(vek, anchors)),
        }
    }
}

impl RawAmd {
    fn verify(&self, vek: Option<&[u8]>, anchors: &TrustAnchors) -> AmdEndorsements {
        let held = |der: &[u8]| {
            let is_named = self.vek_sha256.as_deref() == Some(hexadecimal(sha256(&[der])).as_str());
            let vek = Arc::new(verify_vek(der, anchors).ok().filter(|_| is_named)?);
            Some(VekCertificate { vek, der: der.into() })
        };
        let crl = |text: &String| AmdCrl::verify(&hex::decode(text).ok()?, anchors).ok().map(Arc::new);
        AmdEndorsements { vek: vek.and_then(held), crls: self.crls.iter().filter_map(crl).collect() }
    }
}
