//! What to make: platforms, quotes, collateral. Every default is genuine and up to date.

use std::fmt;
use std::str::FromStr;

use assay_evidence::sgx::{FLAG_DEBUG, FLAG_INIT, FLAG_KSS, FLAG_MODE64, FLAG_PROVISION_KEY};

use crate::error::SiliconError;

/// The certification authority of a platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ca {
    /// For processors of one package; its certificates have no platform instance and no configuration.
    Processor,
    /// For servers of several packages.
    #[default]
    Platform,
}

impl Ca {
    /// Both authorities.
    pub const ALL: [Self; 2] = [Self::Processor, Self::Platform];

    /// The name in URLs: `processor` or `platform`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Platform => "platform",
        }
    }

    /// The common name of its certificate.
    #[must_use]
    pub const fn common_name(self) -> &'static str {
        match self {
            Self::Processor => "Intel SGX PCK Processor CA",
            Self::Platform => "Intel SGX PCK Platform CA",
        }
    }

    /// The FMSPC of simulated platforms under this authority: `SIM` in ASCII, which no processor has, so that simulated
    /// collateral never stands in the place of real collateral.
    #[must_use]
    pub const fn simulated_fmspc(self) -> [u8; 6] {
        match self {
            Self::Processor => *b"SIM\x00\x00\x01",
            Self::Platform => *b"SIM\x00\x00\x02",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Processor => Self::Platform,
            Self::Platform => Self::Processor,
        }
    }
}

/// The kind of SGX memory protection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SgxType {
    /// With an integrity tree.
    Standard,
    /// Without integrity.
    #[default]
    Scalable,
    /// With MAC-based integrity.
    ScalableWithIntegrity,
}

impl SgxType {
    /// The number in the certificate.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Standard => 0,
            Self::Scalable => 1,
            Self::ScalableWithIntegrity => 2,
        }
    }
}

/// Configuration of a platform under the Platform CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Packages can be added later.
    pub dynamic_platform: bool,
    /// Intel keeps the platform's root keys.
    pub cached_keys: bool,
    /// Hyper-threading is on.
    pub smt_enabled: bool,
}

/// A TCB status that a simulated platform can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TcbStatus {
    /// Nothing to do.
    #[default]
    UpToDate,
    /// Enclaves need software mitigations.
    SWHardeningNeeded,
    /// The platform's configuration needs a change.
    ConfigurationNeeded,
    /// Both.
    ConfigurationAndSWHardeningNeeded,
    /// The platform lacks updates.
    OutOfDate,
    /// The platform lacks updates and its configuration needs a change.
    OutOfDateConfigurationNeeded,
    /// The TCB is no longer trusted.
    Revoked,
    /// Older than every level of the TCB information.
    Unsupported,
}

impl TcbStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::UpToDate,
        Self::SWHardeningNeeded,
        Self::ConfigurationNeeded,
        Self::ConfigurationAndSWHardeningNeeded,
        Self::OutOfDate,
        Self::OutOfDateConfigurationNeeded,
        Self::Revoked,
        Self::Unsupported,
    ];

    /// The name in TCB information; `Unsupported` stands in none.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UpToDate => "UpToDate",
            Self::SWHardeningNeeded => "SWHardeningNeeded",
            Self::ConfigurationNeeded => "ConfigurationNeeded",
            Self::ConfigurationAndSWHardeningNeeded => "ConfigurationAndSWHardeningNeeded",
            Self::OutOfDate => "OutOfDate",
            Self::OutOfDateConfigurationNeeded => "OutOfDateConfigurationNeeded",
            Self::Revoked => "Revoked",
            Self::Unsupported => "Unsupported",
        }
    }

    /// Components and PCESVN of the default level with this status. Component 7 stands for a software hardening in the
    /// firmware, component 8 for a setting of it.
    const fn level(self) -> ([u8; 16], u16) {
        match self {
            Self::UpToDate => ([12, 12, 3, 3, 255, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0], 13),
            Self::SWHardeningNeeded => ([12, 12, 3, 3, 255, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], 13),
            Self::ConfigurationNeeded => ([12, 12, 3, 3, 255, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], 13),
            Self::ConfigurationAndSWHardeningNeeded => {
                ([12, 12, 3, 3, 255, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 13)
            }
            Self::OutOfDate => ([10, 10, 3, 3, 255, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], 11),
            Self::OutOfDateConfigurationNeeded => ([10, 10, 3, 3, 255, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 11),
            Self::Revoked => ([5, 5, 2, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 5),
            Self::Unsupported => ([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1),
        }
    }
}

impl fmt::Display for TcbStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for TcbStatus {
    type Err = SiliconError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || SiliconError::UnknownName { what: "TCB status", name: text.to_owned() };
        Self::ALL.into_iter().find(|status| status.name() == text).ok_or_else(unknown)
    }
}

/// A platform to make. The default is an up-to-date server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformSpec {
    /// Who certifies it.
    pub ca: Ca,
    /// Family, model, stepping, platform, custom SKU.
    pub fmspc: [u8; 6],
    /// The provisioning certification enclave.
    pub pce_id: [u8; 2],
    /// The security versions of the CPU's parts; CPUSVN has the same bytes.
    pub cpu_svn_components: [u8; 16],
    /// Security version of the provisioning certification enclave.
    pub pce_svn: u16,
    /// Platform provisioning id; random when `None`.
    pub ppid: Option<[u8; 16]>,
    /// Random when `None`; under the Processor CA there is none.
    pub platform_instance_id: Option<[u8; 16]>,
    /// Kind of memory protection.
    pub sgx_type: SgxType,
    /// Left out of the certificate when `None`; under the Processor CA there is none.
    pub configuration: Option<Configuration>,
    /// The quoting enclave.
    pub qe: QeSpec,
}

impl Default for PlatformSpec {
    fn default() -> Self {
        Self::new(Ca::default(), TcbStatus::default())
    }
}

impl PlatformSpec {
    /// A platform under an authority, with the status that the default collateral gives it.
    #[must_use]
    pub const fn new(ca: Ca, status: TcbStatus) -> Self {
        let (cpu_svn_components, pce_svn) = status.level();
        Self {
            ca,
            fmspc: ca.simulated_fmspc(),
            pce_id: [0; 2],
            cpu_svn_components,
            pce_svn,
            ppid: None,
            platform_instance_id: None,
            // As genuine certificates have it: the type says which fields follow it, and parsers demand those.
            sgx_type: match ca {
                Ca::Platform => SgxType::Scalable,
                Ca::Processor => SgxType::Standard,
            },
            configuration: Some(Configuration {
                dynamic_platform: false,
                cached_keys: true,
                smt_enabled: true,
            }),
            qe: QeSpec::GENUINE,
        }
    }

    /// A platform of the default authority to which the default collateral gives this status.
    #[must_use]
    pub fn with_status(status: TcbStatus) -> Self {
        Self::new(Ca::default(), status)
    }
}

/// The quoting enclave of a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QeSpec {
    /// Its security version.
    pub isv_svn: u16,
    /// The hash of the key that signed it.
    pub mr_signer: [u8; 32],
    /// Its product id.
    pub isv_prod_id: u16,
    /// Extended features.
    pub misc_select: u32,
    /// Flags and XFRM, 8 bytes each.
    pub attributes: [u8; 16],
    /// Sets the debug flag on top of `attributes`.
    pub debug: bool,
}

impl QeSpec {
    /// The quoting enclave that the default collateral describes, with Intel's signer and product id.
    pub const GENUINE: Self = Self {
        isv_svn: 8,
        mr_signer: [
            0x8c, 0x4f, 0x57, 0x75, 0xd7, 0x96, 0x50, 0x3e, 0x96, 0x13, 0x7f, 0x77, 0xc6, 0x8a, 0x82, 0x9a,
            0x00, 0x56, 0xac, 0x8d, 0xed, 0x70, 0x14, 0x0b, 0x08, 0x1b, 0x09, 0x44, 0x90, 0xc5, 0x7b, 0xff,
        ],
        isv_prod_id: 1,
        misc_select: 0,
        attributes: attributes(FLAG_INIT | FLAG_MODE64 | FLAG_PROVISION_KEY),
        debug: false,
    };
}

impl Default for QeSpec {
    fn default() -> Self {
        Self::GENUINE
    }
}

/// Key separation and sharing: the fields of a report body that mean nothing without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kss {
    /// Configuration id.
    pub config_id: [u8; 64],
    /// Configuration security version.
    pub config_svn: u16,
    /// Extended product id.
    pub isv_ext_prod_id: [u8; 16],
    /// Family id.
    pub isv_family_id: [u8; 16],
}

/// How a quote names or carries the PCK certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificationType {
    /// Type 1: the clear PPID and the raw TCB.
    PpidClear,
    /// Type 2: the PPID encrypted with RSA-2048 (here: random bytes) and the raw TCB.
    PpidRsa2048,
    /// Type 3: the PPID encrypted with RSA-3072 (here: as in [`super::PckId`]) and the raw TCB.
    PpidRsa3072,
    /// Type 4: the PCK certificate alone.
    PckCertificate,
    /// Type 5: the PCK certificate chain.
    #[default]
    PckChain,
}

/// A quote to make. The default is of a 64-bit production enclave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteSpec {
    /// Flags and XFRM, 8 bytes each.
    pub attributes: [u8; 16],
    /// Sets the debug flag on top of `attributes`.
    pub debug: bool,
    /// Measurement of the enclave.
    pub mr_enclave: [u8; 32],
    /// Hash of the key that signed the enclave.
    pub mr_signer: [u8; 32],
    /// Product id.
    pub isv_prod_id: u16,
    /// Security version.
    pub isv_svn: u16,
    /// What the enclave says.
    pub report_data: [u8; 64],
    /// Sets the KSS flag and these fields.
    pub kss: Option<Kss>,
    /// Extended features.
    pub misc_select: u32,
    /// CPUSVN of the report; that of the platform when `None`.
    pub cpu_svn: Option<[u8; 16]>,
    /// Zero bytes after the quote.
    pub padding: usize,
    /// What the quoting enclave hashes with its attestation key; Intel's writes 0 to 31.
    pub qe_auth_data: Vec<u8>,
    /// How the PCK certificate is given.
    pub certification: CertificationType,
}

impl Default for QuoteSpec {
    fn default() -> Self {
        Self {
            attributes: attributes(FLAG_INIT | FLAG_MODE64),
            debug: false,
            mr_enclave: [0xe1; 32],
            mr_signer: [0x51; 32],
            isv_prod_id: 1,
            isv_svn: 1,
            report_data: [0; 64],
            kss: None,
            misc_select: 0,
            cpu_svn: None,
            padding: 0,
            qe_auth_data: (0..32).collect(),
            certification: CertificationType::PckChain,
        }
    }
}

/// Flags, and the XFRM of a processor with AVX-512 (x87, SSE, AVX, opmask, ZMM: bits 0-2 and 5-7).
const fn attributes(flags: u64) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h] = flags.to_le_bytes();
    [a, b, c, d, e, f, g, h, 0xe7, 0, 0, 0, 0, 0, 0, 0]
}

/// `attributes` with the debug and KSS flags that a specification asks for.
pub(super) fn with_flags(attributes: [u8; 16], debug: bool, kss: bool) -> [u8; 16] {
    let extra = (if debug { FLAG_DEBUG } else { 0 }) | (if kss { FLAG_KSS } else { 0 });
    (u128::from_le_bytes(attributes) | u128::from(extra)).to_le_bytes()
}

/// A level of TCB information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcbLevel {
    /// The least security versions of the CPU's parts.
    pub components: [u8; 16],
    /// The least PCESVN.
    pub pce_svn: u16,
    /// The status as text, so that it can be one that does not exist.
    pub status: String,
    /// RFC 3339.
    pub date: String,
    /// Security advisories, such as `INTEL-SA-00615`.
    pub advisories: Vec<String>,
}

impl TcbLevel {
    /// The level to which [`PlatformSpec::with_status`] belongs.
    fn with_status(status: TcbStatus, date: &str, advisories: &[&str]) -> Self {
        let (components, pce_svn) = status.level();
        Self {
            components,
            pce_svn,
            status: status.name().to_owned(),
            date: date.to_owned(),
            advisories: advisories.iter().map(|id| (*id).to_owned()).collect(),
        }
    }
}

/// A level of an enclave identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QeLevel {
    /// The least security version.
    pub isv_svn: u16,
    /// The status as text.
    pub status: String,
    /// RFC 3339.
    pub date: String,
    /// Security advisories.
    pub advisories: Vec<String>,
}

/// The enclave identity to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QeIdentitySpec {
    /// `QE`, `QVE`, `QAE` or `TD_QE`.
    pub id: String,
    /// Extended features where the mask is set.
    pub misc_select: u32,
    /// Which bits of `misc_select` count.
    pub misc_select_mask: u32,
    /// Flags and XFRM where the mask is set.
    pub attributes: [u8; 16],
    /// Which bits of `attributes` count.
    pub attributes_mask: [u8; 16],
    /// Hash of the key that signed the enclave.
    pub mr_signer: [u8; 32],
    /// Product id.
    pub isv_prod_id: u16,
    /// Descending.
    pub levels: Vec<QeLevel>,
}

impl QeIdentitySpec {
    /// The quoting enclave of trust domains, with the signer and product id of Intel's.
    #[must_use]
    pub fn td_qe() -> Self {
        let mr_signer = [
            0xdc, 0x9e, 0x2a, 0x7c, 0x6f, 0x94, 0x8f, 0x17, 0x47, 0x4e, 0x34, 0xa7, 0xfc, 0x43, 0xed, 0x03,
            0x0f, 0x7c, 0x15, 0x63, 0xf1, 0xba, 0xbd, 0xdf, 0x63, 0x40, 0xc8, 0x2e, 0x0e, 0x54, 0xa8, 0xc5,
        ];
        Self { mr_signer, ..Self::signed_alike("TD_QE", 2, 4) }
    }

    /// The quote verification enclave.
    #[must_use]
    pub fn qve() -> Self {
        Self::signed_alike("QVE", 2, 3)
    }

    /// The quote appraisal enclave.
    #[must_use]
    pub fn qae() -> Self {
        Self::signed_alike("QAE", 3, 1)
    }

    /// An enclave of the signer of the quoting enclave, with one security version that counts.
    fn signed_alike(id: &str, isv_prod_id: u16, isv_svn: u16) -> Self {
        let default = Self::default();
        let levels = default.levels.iter().take(1).map(|level| QeLevel { isv_svn, ..level.clone() });
        Self { id: id.to_owned(), isv_prod_id, levels: levels.collect(), ..default }
    }
}

impl Default for QeIdentitySpec {
    fn default() -> Self {
        let level = |isv_svn, status: &str, date: &str, advisories: &[&str]| QeLevel {
            isv_svn,
            status: status.to_owned(),
            date: date.to_owned(),
            advisories: advisories.iter().map(|id| (*id).to_owned()).collect(),
        };
        Self {
            id: "QE".to_owned(),
            misc_select: 0,
            misc_select_mask: u32::MAX,
            // Intel's mask leaves out MODE64 (bit 2) and XFRM.
            attributes: [0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            attributes_mask: [0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0],
            mr_signer: QeSpec::GENUINE.mr_signer,
            isv_prod_id: QeSpec::GENUINE.isv_prod_id,
            levels: vec![
                level(8, "UpToDate", "2024-03-13T00:00:00Z", &[]),
                level(6, "OutOfDate", "2021-11-10T00:00:00Z", &["INTEL-SA-00615"]),
                level(5, "OutOfDate", "2020-11-11T00:00:00Z", &["INTEL-SA-00477", "INTEL-SA-00615"]),
                level(2, "Revoked", "2019-05-15T00:00:00Z", &["INTEL-SA-00219", "INTEL-SA-00615"]),
            ],
        }
    }
}

/// Collateral to make. The default makes a default platform `UpToDate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollateralSpec {
    /// The platforms it is for.
    pub fmspc: [u8; 6],
    /// The provisioning certification enclave it is for.
    pub pce_id: [u8; 2],
    /// Whose revocation list it has.
    pub ca: Ca,
    /// 2 or 3.
    pub tcb_info_version: u8,
    /// Descending.
    pub tcb_levels: Vec<TcbLevel>,
    /// `tcbEvaluationDataNumber` of the TCB information.
    pub evaluation_number: u32,
    /// That of the enclave identity; the same when `None`.
    pub qe_evaluation_number: Option<u32>,
    /// The identity of the quoting enclave.
    pub qe_identity: QeIdentitySpec,
    /// Unix seconds at which documents and lists were issued; an hour ago when `None`.
    pub issue: Option<i64>,
    /// Unix seconds at which they expire; 30 days after they were issued when `None`.
    pub next_update: Option<i64>,
}

impl Default for CollateralSpec {
    fn default() -> Self {
        Self::for_platform(&PlatformSpec::default())
    }
}

impl CollateralSpec {
    /// The default levels, for this platform.
    #[must_use]
    pub fn for_platform(platform: &PlatformSpec) -> Self {
        Self {
            fmspc: platform.fmspc,
            pce_id: platform.pce_id,
            ca: platform.ca,
            tcb_info_version: 3,
            tcb_levels: default_levels(),
            evaluation_number: 18,
            qe_evaluation_number: None,
            qe_identity: QeIdentitySpec::default(),
            issue: None,
            next_update: None,
        }
    }
}

pub(super) fn default_levels() -> Vec<TcbLevel> {
    let (hardening, configuration, update) = ("INTEL-SA-00615", "INTEL-SA-00289", "INTEL-SA-00828");
    let (current, old, oldest) = ("2024-03-13T00:00:00Z", "2023-02-15T00:00:00Z", "2018-01-04T00:00:00Z");
    let level = TcbLevel::with_status;
    vec![
        level(TcbStatus::UpToDate, current, &[]),
        level(TcbStatus::SWHardeningNeeded, current, &[hardening]),
        level(TcbStatus::ConfigurationNeeded, current, &[configuration]),
        level(TcbStatus::ConfigurationAndSWHardeningNeeded, current, &[configuration, hardening]),
        level(TcbStatus::OutOfDate, old, &[update, hardening]),
        level(TcbStatus::OutOfDateConfigurationNeeded, old, &[configuration, update, hardening]),
        level(TcbStatus::Revoked, oldest, &["INTEL-SA-00106", configuration, update, hardening]),
    ]
}
