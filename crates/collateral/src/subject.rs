//! What documents of the vendors are about, and which of several versions is meant.

use std::fmt;

use assay_evidence::snp::{Product, SigningKey};
use assay_verify::intel::PckCa;
use assay_verify::intel::single::{Enclave, Tee};

/// What a document is about. Of most subjects there are several versions, of different dates and evaluations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The TCB levels of a family of Intel's platforms.
    TcbInfo {
        /// The architecture.
        tee: Tee,
        /// Family, model, stepping, platform type and custom SKU.
        fmspc: [u8; 6],
    },
    /// The same in the form of the third version of Intel's interface, which Intel no longer issues: from archives alone.
    TcbInfoV2 {
        /// Family, model, stepping, platform type and custom SKU.
        fmspc: [u8; 6],
    },
    /// The identity of an enclave of Intel's.
    Identity(Enclave),
    /// Intel's list of evaluations.
    EvaluationNumbers(Tee),
    /// Platform certificates that an authority of Intel's revoked.
    PckCrl(PckCa),
    /// Authorities that Intel's root revoked.
    RootCrl,
    /// Authorities that a root of AMD's revoked.
    AmdCrl(AmdCrlKey),
}

/// AMD publishes the list of a root in two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AmdCrlKey {
    /// Whose root it is.
    pub product: Product,
    /// Beside which authority's certificates it is published.
    pub kind: SigningKey,
}

impl Subject {
    /// What SGX TCB info is about, by the version that its signed text claims. Nothing is verified.
    #[must_use]
    pub fn of_sgx_tcb_info(signed: &str, fmspc: [u8; 6]) -> Self {
        #[derive(serde::Deserialize)]
        struct Versioned {
            version: u32,
        }
        match serde_json::from_str::<Versioned>(signed) {
            Ok(Versioned { version: 2 }) => Self::TcbInfoV2 { fmspc },
            _ => Self::TcbInfo { tee: Tee::Sgx, fmspc },
        }
    }

    /// The family that it is about, if it is about one.
    #[must_use]
    pub const fn family(self) -> Option<[u8; 6]> {
        match self {
            Self::TcbInfo { fmspc, .. } | Self::TcbInfoV2 { fmspc } => Some(fmspc),
            _ => None,
        }
    }

    /// Whether Intel evaluates it anew for each recovery event, so that versions have a number.
    #[must_use]
    pub const fn is_numbered(self) -> bool {
        matches!(self, Self::TcbInfo { .. } | Self::TcbInfoV2 { .. } | Self::Identity(_))
    }

    /// What kind of document it is, for metrics: without the family or product.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::TcbInfo { tee: Tee::Sgx, .. } => "sgx-tcb",
            Self::TcbInfo { tee: Tee::Tdx, .. } => "tdx-tcb",
            Self::TcbInfoV2 { .. } => "sgx-tcb-v2",
            Self::Identity(_) => "identity",
            Self::EvaluationNumbers(_) => "evaluation-numbers",
            Self::PckCrl(_) => "pck-crl",
            Self::RootCrl => "root-crl",
            Self::AmdCrl(_) => "amd-crl",
        }
    }

    /// A name in `a`-`z`, `0`-`9`, `-` and `/`: for stores, bundles and metrics. It names no single platform.
    #[must_use]
    pub fn path(self) -> String {
        match self {
            Self::TcbInfo { tee, fmspc } => format!("intel/{}-tcb/{}", tee.as_str(), hex::encode(fmspc)),
            Self::TcbInfoV2 { fmspc } => format!("intel/sgx-tcb-v2/{}", hex::encode(fmspc)),
            Self::Identity(enclave) => format!("intel/identity/{}", identity_name(enclave)),
            Self::EvaluationNumbers(tee) => format!("intel/{}-evaluation-numbers", tee.as_str()),
            Self::PckCrl(ca) => format!("intel/pck-crl/{}", ca.as_str()),
            Self::RootCrl => "intel/root-crl".to_owned(),
            Self::AmdCrl(AmdCrlKey { product, kind }) => {
                format!("amd/{}-crl/{}", kind_name(kind), product.as_str().to_ascii_lowercase())
            }
        }
    }

    /// Reads what [`Self::path`] writes.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').collect();
        let tees = [Tee::Sgx, Tee::Tdx];
        match parts.as_slice() {
            ["intel", "root-crl"] => Some(Self::RootCrl),
            ["intel", "pck-crl", name] => [PckCa::Processor, PckCa::Platform]
                .into_iter()
                .find(|ca| ca.as_str() == *name)
                .map(Self::PckCrl),
            ["intel", "identity", name] => {
                Enclave::ALL.into_iter().find(|enclave| identity_name(*enclave) == *name).map(Self::Identity)
            }
            ["intel", name] => tees
                .into_iter()
                .map(Self::EvaluationNumbers)
                .find(|subject| subject.path().strip_prefix("intel/") == Some(name)),
            ["intel", "sgx-tcb-v2", fmspc] => {
                let mut bytes = [0; 6];
                hex::decode_to_slice(fmspc, &mut bytes).ok()?;
                Some(Self::TcbInfoV2 { fmspc: bytes })
            }
            ["intel", name, fmspc] => {
                let tee = tees.into_iter().find(|tee| name.strip_suffix("-tcb") == Some(tee.as_str()))?;
                let mut bytes = [0; 6];
                hex::decode_to_slice(fmspc, &mut bytes).ok()?;
                Some(Self::TcbInfo { tee, fmspc: bytes })
            }
            ["amd", ..] => amd_lists().find(|subject| subject.path() == path),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// Every list of AMD's.
pub fn amd_lists() -> impl Iterator<Item = Subject> {
    let kinds = [SigningKey::Vcek, SigningKey::Vlek];
    let products = [Product::Milan, Product::Genoa, Product::Turin];
    products
        .into_iter()
        .flat_map(move |product| kinds.map(|kind| Subject::AmdCrl(AmdCrlKey { product, kind })))
}

const fn identity_name(enclave: Enclave) -> &'static str {
    match enclave {
        Enclave::Qe => "qe",
        Enclave::Qve => "qve",
        Enclave::Qae => "qae",
        Enclave::TdQe => "td-qe",
    }
}

/// `vcek` or `vlek`, as in AMD's paths.
#[must_use]
pub const fn kind_name(kind: SigningKey) -> &'static str {
    match kind {
        SigningKey::Vcek => "vcek",
        SigningKey::Vlek => "vlek",
    }
}

/// Which version of a numbered document is asked for (Intel, *PCS API v4*, `update` and `tcbEvaluationDataNumber`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selection {
    /// One of Intel's two tracks.
    Track(Track),
    /// A certain evaluation.
    Number(u32),
}

/// How soon a new evaluation counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    /// As soon as Intel publishes it.
    Early,
    /// About six weeks later, when updates had time to reach platforms.
    #[default]
    Standard,
}

impl Track {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Early, Self::Standard];

    /// The value of `update`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Early => "early",
            Self::Standard => "standard",
        }
    }

    /// Reads the value of `update`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|track| track.as_str() == name)
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self::Track(Track::Standard)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn paths_lead_back_to_their_subjects() {
        let mut subjects: Vec<Subject> = amd_lists().collect();
        subjects.extend(Enclave::ALL.map(Subject::Identity));
        subjects.extend([PckCa::Processor, PckCa::Platform].map(Subject::PckCrl));
        subjects.extend([Tee::Sgx, Tee::Tdx].map(Subject::EvaluationNumbers));
        subjects
            .extend([Tee::Sgx, Tee::Tdx].map(|tee| Subject::TcbInfo { tee, fmspc: [0, 1, 2, 3, 4, 0xab] }));
        subjects.push(Subject::TcbInfoV2 { fmspc: [9, 1, 2, 3, 4, 5] });
        subjects.push(Subject::RootCrl);
        let paths: std::collections::BTreeSet<String> =
            subjects.iter().map(|subject| subject.path()).collect();
        assert_eq!(paths.len(), subjects.len(), "{paths:?}");
        for subject in subjects {
            assert_eq!(Subject::from_path(&subject.path()), Some(subject));
        }
        for foreign in
            ["", "intel", "intel/tcb/00", "intel/sgx-tcb/0011", "amd/vcek-crl/rome", "intel/identity/x"]
        {
            assert_eq!(Subject::from_path(foreign), None, "{foreign}");
        }
    }
}
