//! Where documents and certificates come from when they are not held: what can be asked for, and what can come of it.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use assay_evidence::snp::{Product, Tcb};
use bytes::Bytes;

use crate::document::RawDocument;
use crate::pck::{PlatformId, RawTcb};
use crate::subject::{Selection, Subject};

/// What is asked of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// A document, in a version.
    Document(Subject, Selection),
    /// The families of Intel's platforms.
    Families,
    /// All PCK certificates of a platform.
    Pcks(PckRequest),
    /// The certificate of an AMD chip for one TCB.
    Vcek(VcekName),
    /// What Intel's registration service makes of something that is passed on to it.
    Registration(RegistrationRequest),
}

/// What is passed on to Intel's registration service (Intel, *PCS API*, "Register Platform" and "Add Package").
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum RegistrationRequest {
    /// The manifest of a platform whose keys Intel is to keep.
    Platform(Bytes),
    /// A request to add packages to a platform that is registered.
    Packages(Bytes),
}

/// Without what identifies the platform.
impl fmt::Debug for RegistrationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Platform(_) => "Platform(..)",
            Self::Packages(_) => "Packages(..)",
        })
    }
}

/// A platform whose certificates are asked for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PckRequest {
    /// Which platform.
    pub id: PlatformId,
    /// The PPID, encrypted for Intel (384 bytes), if the platform's node sent it.
    pub encrypted_ppid: Option<Vec<u8>>,
    /// The manifest: needed where Intel does not keep the platform's keys.
    pub manifest: Option<Vec<u8>>,
    /// The TCB that the platform runs: another cache answers for this one alone.
    pub raw_tcb: Option<RawTcb>,
}

impl fmt::Debug for PckRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PckRequest").field("manifest", &self.manifest.is_some()).finish_non_exhaustive()
    }
}

/// A VCEK as AMD's key distribution service names it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VcekName {
    /// The processors.
    pub product: Product,
    /// The chip: 64 bytes, of Turin 8.
    pub hwid: Vec<u8>,
    /// The TCB.
    pub tcb: Tcb,
}

impl fmt::Debug for VcekName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VcekName")
            .field("product", &self.product)
            .field("tcb", &self.tcb)
            .finish_non_exhaustive()
    }
}

impl VcekName {
    /// The path and query of AMD's service (AMD 57230, *VCEK Certificate and KDS Interface Specification*).
    #[must_use]
    pub fn path(&self) -> String {
        let Tcb { fmc, boot_loader, tee, snp, microcode } = self.tcb;
        let fmc = fmc.map(|fmc| format!("fmcSPL={fmc:02}&")).unwrap_or_default();
        format!(
            "/vcek/v1/{}/{}?{fmc}blSPL={boot_loader:02}&teeSPL={tee:02}&snpSPL={snp:02}&ucodeSPL={microcode:02}",
            self.product.as_str(),
            hex::encode(&self.hwid),
        )
    }
}

/// What came, unverified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// A document.
    Document(RawDocument),
    /// Families.
    Families(Vec<Family>),
    /// PCK certificates of a platform.
    Pcks(RawPcks),
    /// A certificate, DER.
    Vcek(Bytes),
    /// What the registration service took.
    Registered(Registered),
}

/// What Intel's registration service answers. Intel signs neither.
#[derive(Clone, PartialEq, Eq)]
pub enum Registered {
    /// The platform is registered; it is named by its PPID.
    Platform {
        /// Identifies the processor: never log it.
        ppid: [u8; 16],
    },
    /// The packages belong to the platform.
    Packages {
        /// How many certificates of membership there are.
        count: u16,
        /// As they came.
        certificates: Bytes,
    },
}

/// Without what identifies the platform.
impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform { .. } => f.write_str("Platform(..)"),
            Self::Packages { count, .. } => write!(f, "Packages({count})"),
        }
    }
}

/// A family of platforms, as Intel's list has it. Intel does not sign this list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family {
    /// Family, model, stepping, platform type and custom SKU.
    pub fmspc: [u8; 6],
    /// `client`, `E3`, `E5`: Intel's name of the kind of processor.
    pub platform: String,
}

/// PCK certificates of a platform, unverified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPcks {
    /// PEM, each.
    pub certificates: Vec<String>,
    /// PEM of the authority and the root.
    pub chain: String,
    /// Whether there are TCBs of the platform for which Intel says that it has none.
    pub incomplete: bool,
    /// Whether this is the vendor's list for the platform, and not the certificate of one TCB.
    pub is_list: bool,
}

/// Why an upstream gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// This upstream does not serve such things.
    #[error("it does not serve this")]
    NotOffered,
    /// It does not know what was asked for.
    #[error("it does not know this: status {status}{}", .detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
    Unknown {
        /// The status of its answer.
        status: u16,
        /// `Error-Code` of its answer.
        detail: Option<String>,
    },
    /// It looked at what was passed on, and does not take it.
    #[error("it does not take this: status {status}{}", .code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Declined {
        /// The status of its answer.
        status: u16,
        /// `Error-Code` of its answer.
        code: Option<String>,
        /// `Error-Message` of its answer, for whoever asked.
        message: Option<String>,
    },
    /// It no longer serves this version.
    #[error("it no longer serves this version")]
    Gone,
    /// It demands a key, or another one.
    #[error("it demands an access key, or another one: status {status}")]
    Unauthorized {
        /// The status of its answer.
        status: u16,
    },
    /// It asks to be left alone for a while.
    #[error("it asks to wait{}", .retry_after.map(|wait| format!(" {} seconds", wait.as_secs())).unwrap_or_default())]
    Throttled {
        /// How long.
        retry_after: Option<Duration>,
    },
    /// It is in trouble, or not reached.
    #[error("it cannot be used now: {problem}")]
    Unavailable {
        /// What happened.
        problem: String,
    },
    /// Its answer is not one.
    #[error("its answer cannot be used: {problem}")]
    BadAnswer {
        /// What is wrong with it.
        problem: String,
    },
    /// It was not asked: it failed too often just now, or this service has spent its share of questions.
    #[error("it was not asked: {reason}")]
    NotAsked {
        /// Why.
        reason: &'static str,
    },
}

impl UpstreamError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOffered => "upstream-not-offered",
            Self::Unknown { .. } => "upstream-unknown",
            Self::Declined { .. } => "upstream-declined",
            Self::Gone => "upstream-gone",
            Self::Unauthorized { .. } => "upstream-unauthorized",
            Self::Throttled { .. } => "upstream-throttled",
            Self::Unavailable { .. } => "upstream-unavailable",
            Self::BadAnswer { .. } => "upstream-bad-answer",
            Self::NotAsked { .. } => "upstream-not-asked",
        }
    }

    /// Whether the same question may be answered a little later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Throttled { .. }
                | Self::Unavailable { .. }
                | Self::BadAnswer { .. }
                | Self::NotAsked { .. }
        )
    }
}

/// An answer under way.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Fetched, UpstreamError>> + Send + 'a>>;

/// Somebody who may have what is not held. What it gives is not believed before it is verified.
pub trait Upstream: Send + Sync + fmt::Debug {
    /// Its name in explanations, logs and metrics: of the configuration, without secrets.
    fn name(&self) -> &str;

    /// Whether asking makes sense at all: what is not offered costs no question.
    fn offers(&self, wanted: &Wanted) -> bool;

    /// What is wrong with it that no answer says, for the operator: one sentence, without secrets.
    fn problem(&self) -> Option<String> {
        None
    }

    /// Asks.
    fn fetch<'a>(&'a self, wanted: &'a Wanted) -> Answer<'a>;
}
