//! PCK certificates of one platform, and which of them fits its present TCB.
//!
//! Intel issues a certificate for each TCB level that a platform can reach. Its quoting enclave certifies its key under
//! exactly one TCB, so a certificate that is merely valid will not do: quotes made with it do not verify.

use std::fmt;
use std::sync::Arc;

use assay_verify::cache::ChainCache;
use assay_verify::intel::single::{Refused, verify_pck};
use assay_verify::intel::{PckCa, TcbInfo, VerifiedPck, is_at_least};
use assay_verify::{TrustAnchors, UnixTime, VerifyError, sha256};

/// Certificates of one platform: one for each level of its TCB info, of which there are about twenty.
pub const MAX_CERTIFICATES: usize = 128;
/// A PCK certificate has 1.7 KiB as PEM.
const MAX_PEM: usize = 8 * 1024;

/// Which platform, as its quoting enclave names it. Never log it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlatformId {
    /// Of the quoting enclave.
    pub qe_id: [u8; 16],
    /// Of the provisioning certification enclave.
    pub pce_id: [u8; 2],
}

impl PlatformId {
    /// Names the platform where its identifiers must not stand: 16 digits of SHA-256 over both.
    #[must_use]
    pub fn hashed(&self) -> String {
        let digest = hex::encode(sha256(&[&self.qe_id, &self.pce_id]));
        digest.get(..16).unwrap_or_default().to_owned()
    }
}

impl fmt::Debug for PlatformId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlatformId(..)")
    }
}

/// What a platform runs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawTcb {
    /// Security versions of the processor's parts.
    pub cpu_svn: [u8; 16],
    /// Security version of the provisioning certification enclave.
    pub pce_svn: u16,
}

impl RawTcb {
    /// Whether this TCB may use a certificate of that one. For TCB type 0, the only one, the bytes of CPUSVN are the
    /// components themselves (Intel, *PCS API*, "Get TCB Info", `tcbType`).
    fn reaches(&self, components: &[u8; 16], pce_svn: u16) -> bool {
        is_at_least(&self.cpu_svn, components) && self.pce_svn >= pce_svn
    }
}

/// A genuine PCK certificate.
#[derive(Clone)]
pub struct PckCertificate {
    /// As it came, ending with a line break: clients append the chain to it.
    pub pem: Arc<str>,
    /// What it says, and its dates.
    pub verified: Arc<VerifiedPck>,
}

impl fmt::Debug for PckCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PckCertificate").field("fmspc", &hex::encode(self.fmspc())).finish_non_exhaustive()
    }
}

/// Why certificates of a platform are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PckError {
    /// A certificate is not genuine.
    #[error("a PCK certificate is not genuine: {}", .0.first().map(ToString::to_string).unwrap_or_default())]
    NotGenuine(Refused),
    /// It is larger than certificates are.
    #[error("a PCK certificate is larger than {MAX_PEM} bytes")]
    TooLarge,
    /// There are none, or too many.
    #[error("there are {found} PCK certificates; 1 to {MAX_CERTIFICATES} are accepted")]
    Count {
        /// How many.
        found: usize,
    },
    /// They are of several platforms.
    #[error("the PCK certificates are of different platforms")]
    Mixed,
    /// They are of another provisioning certification enclave than the one asked for.
    #[error("the PCK certificates are of another provisioning certification enclave")]
    OtherPceId,
    /// None is valid any more.
    #[error("the PCK certificates have expired")]
    Expired,
    /// None is valid yet.
    #[error("the PCK certificates are not valid yet")]
    NotYetValid,
}

impl PckError {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotGenuine(errors) => errors.first().map_or("not-genuine", VerifyError::code),
            Self::TooLarge => "pck-too-large",
            Self::Count { .. } => "pck-count",
            Self::Mixed => "pck-mixed-platforms",
            Self::OtherPceId => "pck-other-pce-id",
            Self::Expired => "pck-expired",
            Self::NotYetValid => "pck-not-yet-valid",
        }
    }
}

impl PckCertificate {
    /// Verifies a certificate with the chain above it.
    ///
    /// # Errors
    /// [`PckError::NotGenuine`] or [`PckError::TooLarge`].
    pub fn verify(
        pem: &str,
        chain: &str,
        anchors: &TrustAnchors,
        cache: &ChainCache,
    ) -> Result<Self, PckError> {
        if pem.len() > MAX_PEM {
            return Err(PckError::TooLarge);
        }
        let verified = verify_pck(pem, chain, anchors, cache).map_err(PckError::NotGenuine)?;
        let pem = format!("{}\n", pem.trim_end_matches(|c: char| c == '\0' || c.is_ascii_whitespace()));
        Ok(Self { pem: pem.into(), verified: Arc::new(verified) })
    }

    /// Family, model, stepping, platform type and custom SKU.
    #[must_use]
    pub fn fmspc(&self) -> [u8; 6] {
        self.verified.extension.fmspc
    }

    /// The value of `SGX-TCBm`: CPUSVN, then PCESVN little-endian, hexadecimal in capitals (PCS API, "Get PCK
    /// Certificate").
    #[must_use]
    pub fn tcbm(&self) -> String {
        let extension = &self.verified.extension;
        let mut bytes = extension.cpu_svn.to_vec();
        bytes.extend_from_slice(&extension.pce_svn.to_le_bytes());
        hex::encode_upper(bytes)
    }

    /// Whether it was issued for exactly this TCB.
    #[must_use]
    pub fn is_for(&self, raw: &RawTcb) -> bool {
        let own = &self.verified.extension;
        own.components == raw.cpu_svn && own.pce_svn == raw.pce_svn
    }

    /// Whether it and all above it are valid at a time.
    #[must_use]
    pub fn is_valid_at(&self, now: UnixTime) -> bool {
        let window = self.verified.window();
        window.from <= now && now <= window.until
    }

    fn issued(&self) -> UnixTime {
        self.verified.window().from
    }

    fn is_at_least(&self, components: &[u8; 16], pce_svn: u16) -> bool {
        let own = &self.verified.extension;
        is_at_least(&own.components, components) && own.pce_svn >= pce_svn
    }

    fn covers(&self, other: &Self) -> bool {
        let other = &other.verified.extension;
        self.is_at_least(&other.components, other.pce_svn)
    }
}

/// All certificates of one platform.
#[derive(Clone, Debug)]
pub struct PckSet {
    /// Never empty; in the order in which they came.
    certificates: Vec<PckCertificate>,
    /// PEM of the authority and the root.
    pub chain: Arc<str>,
    /// Whether there are TCBs of the platform for which Intel says that it has no certificate; nobody signs that.
    pub incomplete: bool,
    /// Whether it is Intel's list, of every TCB. Single certificates that came one by one are none, however many they are.
    pub is_list: bool,
}

impl PckSet {
    /// Verifies the certificates of a platform.
    ///
    /// # Errors
    /// [`PckError`].
    pub fn verify(
        pems: &[String],
        chain: &str,
        pce_id: [u8; 2],
        anchors: &TrustAnchors,
        cache: &ChainCache,
    ) -> Result<Self, PckError> {
        if pems.is_empty() || pems.len() > MAX_CERTIFICATES {
            return Err(PckError::Count { found: pems.len() });
        }
        let verify = |pem: &String| PckCertificate::verify(pem, chain, anchors, cache);
        let certificates = pems.iter().map(verify).collect::<Result<Vec<_>, _>>()?;
        let platform = |pck: &PckCertificate| {
            let extension = &pck.verified.extension;
            (extension.ppid, extension.fmspc, extension.pce_id)
        };
        let first = certificates.first().map(platform);
        if certificates.iter().any(|pck| Some(platform(pck)) != first) {
            return Err(PckError::Mixed);
        }
        // The certificate has the id as it is written in documents, the other way round than in identifiers of a platform.
        if first.is_some_and(|(_, _, found)| found != pce_id && found != reversed(pce_id)) {
            return Err(PckError::OtherPceId);
        }
        let chain = format!("{}\n", chain.trim_end()).into();
        Ok(Self { certificates, chain, incomplete: false, is_list: true })
    }

    /// Whether it is Intel's list, of every TCB, and not the one certificate that another cache gave for one TCB.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.is_list
    }

    /// Whether both are of one platform: certificates name it by its PPID.
    #[must_use]
    pub fn is_of_same_platform(&self, other: &Self) -> bool {
        self.ppid() == other.ppid()
    }

    /// The platform's name in its certificates. Never log it.
    #[must_use]
    pub fn ppid(&self) -> [u8; 16] {
        self.certificates.first().map(|pck| pck.verified.extension.ppid).unwrap_or_default()
    }

    /// Those of its certificates that `wanted` says.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(&PckCertificate) -> bool) -> Self {
        let certificates = self.certificates.iter().filter(|pck| wanted(pck)).cloned().collect();
        Self {
            certificates,
            chain: Arc::clone(&self.chain),
            incomplete: self.incomplete,
            is_list: self.is_list,
        }
    }

    /// Those of its certificates that are valid at a time.
    ///
    /// # Errors
    /// [`PckError::Expired`] and [`PckError::NotYetValid`] if none is.
    pub fn valid_at(&self, now: UnixTime) -> Result<Self, PckError> {
        let valid = self.only(|pck| pck.is_valid_at(now));
        if !valid.certificates.is_empty() {
            return Ok(valid);
        }
        let is_early = self.certificates.iter().any(|pck| now < pck.verified.window().from);
        Err(if is_early { PckError::NotYetValid } else { PckError::Expired })
    }

    /// What is kept of a platform when this set comes and `held` was there before: for each TCB the newer certificate, so
    /// that a vendor that goes backwards takes nothing away. Sets under different authorities are not mixed; of those the
    /// newer one counts.
    #[must_use]
    pub fn renewing(mut self, held: &Self) -> Self {
        if !self.is_of_same_platform(held) {
            return self;
        }
        if self.chain != held.chain {
            return if self.newest() < held.newest() { held.clone() } else { self };
        }
        self.is_list |= held.is_list;
        for before in &held.certificates {
            let (tcbm, room) = (before.tcbm(), self.certificates.len() < MAX_CERTIFICATES);
            match self.certificates.iter_mut().find(|pck| pck.tcbm() == tcbm) {
                Some(own) if own.issued() <= before.issued() => *own = before.clone(),
                None if room => self.certificates.push(before.clone()),
                _ => {}
            }
        }
        self
    }

    /// When the newest of them was issued.
    fn newest(&self) -> Option<UnixTime> {
        self.certificates.iter().map(PckCertificate::issued).max()
    }

    /// The certificates.
    #[must_use]
    pub fn certificates(&self) -> &[PckCertificate] {
        &self.certificates
    }

    /// The family of the platform.
    #[must_use]
    pub fn fmspc(&self) -> [u8; 6] {
        self.certificates.first().map(PckCertificate::fmspc).unwrap_or_default()
    }

    /// Who issued them.
    #[must_use]
    pub fn ca(&self) -> PckCa {
        self.certificates.first().map_or(PckCa::Platform, |pck| pck.verified.ca_kind)
    }

    /// The certificate that a platform of this TCB uses, by Intel's order (Intel DCAP, *PCK Certificate Selection
    /// Library*, `pck_sorter`): certificates stand in the first level of the TCB info that they reach, those of one level
    /// the greater before the lesser; the first that the platform reaches is the one.
    #[must_use]
    pub fn select(&self, raw: &RawTcb, info: &TcbInfo) -> Option<&PckCertificate> {
        let mut buckets: Vec<Vec<&PckCertificate>> = vec![Vec::new(); info.levels.len().saturating_add(1)];
        for pck in &self.certificates {
            let reached =
                |level: &assay_verify::intel::TcbLevel| pck.is_at_least(&level.components, level.pce_svn);
            let place = info.levels.iter().position(reached).unwrap_or(info.levels.len());
            let Some(bucket) = buckets.get_mut(place) else { continue };
            let before = bucket.iter().position(|other| pck.covers(other)).unwrap_or(bucket.len());
            bucket.insert(before, pck);
        }
        buckets.into_iter().flatten().find(|pck| {
            let extension = &pck.verified.extension;
            raw.reaches(&extension.components, extension.pce_svn)
        })
    }
}

const fn reversed([a, b]: [u8; 2]) -> [u8; 2] {
    [b, a]
}
