//! What to simulate: products, chips and reports. Everything has a plausible default.

use std::str::FromStr;

use crate::error::SiliconError;

/// A generation of processors, by the name of its certificate authority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// EPYC 7003.
    #[default]
    Milan,
    /// EPYC 9004, with Bergamo and Siena.
    Genoa,
    /// EPYC 9005.
    Turin,
}

impl Product {
    /// Every product.
    pub const ALL: [Self; 3] = [Self::Milan, Self::Genoa, Self::Turin];

    /// The name on the command line: `milan`, `genoa` or `turin`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Milan => "milan",
            Self::Genoa => "genoa",
            Self::Turin => "turin",
        }
    }

    /// The name in AMD's certificates and addresses: `Milan`, `Genoa` or `Turin`.
    #[must_use]
    pub const fn vendor_name(self) -> &'static str {
        match self {
            Self::Milan => "Milan",
            Self::Genoa => "Genoa",
            Self::Turin => "Turin",
        }
    }

    /// Family, model and stepping, as in a report of version 3 or later.
    #[must_use]
    pub const fn cpuid(self) -> [u8; 3] {
        match self {
            Self::Milan => [0x19, 0x01, 0x01],
            Self::Genoa => [0x19, 0x11, 0x01],
            Self::Turin => [0x1a, 0x02, 0x01],
        }
    }

    /// A TCB of 2026.
    #[must_use]
    pub const fn current_tcb(self) -> Tcb {
        match self {
            Self::Milan => Tcb { fmc: 0, boot_loader: 4, tee: 0, snp: 24, microcode: 219 },
            Self::Genoa => Tcb { fmc: 0, boot_loader: 10, tee: 0, snp: 23, microcode: 84 },
            Self::Turin => Tcb { fmc: 1, boot_loader: 1, tee: 1, snp: 4, microcode: 81 },
        }
    }

    /// The report version of current firmware on the product.
    #[must_use]
    pub const fn report_version(self) -> u32 {
        match self {
            Self::Milan | Self::Genoa => 3,
            Self::Turin => 5,
        }
    }

    /// How many bytes of a chip id count; the rest is zero.
    #[must_use]
    pub const fn chip_id_size(self) -> usize {
        match self {
            Self::Milan | Self::Genoa => 64,
            Self::Turin => 8,
        }
    }

    /// The product after this one, the first after the last.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Milan => Self::Genoa,
            Self::Genoa => Self::Turin,
            Self::Turin => Self::Milan,
        }
    }
}

impl FromStr for Product {
    type Err = SiliconError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || SiliconError::UnknownName { what: "AMD product", name: text.to_owned() };
        Self::ALL.into_iter().find(|product| product.name() == text).ok_or_else(unknown)
    }
}

/// Who a report is signed by: a versioned chip endorsement key, or a versioned loaded one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VekKind {
    /// Derived from a secret of the chip; issued by the ASK.
    #[default]
    Vcek,
    /// Loaded by a cloud provider into its machines; issued by the ASVK.
    Vlek,
}

impl VekKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Vcek, Self::Vlek];

    /// The name on the command line and in AMD's addresses: `vcek` or `vlek`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vcek => "vcek",
            Self::Vlek => "vlek",
        }
    }

    /// The common name of its certificates.
    pub(super) const fn common_name(self) -> &'static str {
        match self {
            Self::Vcek => "SEV-VCEK",
            Self::Vlek => "SEV-VLEK",
        }
    }

    /// SIGNING_KEY in KEY_INFO.
    pub(super) const fn signing_key(self) -> u32 {
        match self {
            Self::Vcek => 0,
            Self::Vlek => 1,
        }
    }

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Vcek => Self::Vlek,
            Self::Vlek => Self::Vcek,
        }
    }
}

impl FromStr for VekKind {
    type Err = SiliconError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || SiliconError::UnknownName { what: "kind of endorsement key", name: text.to_owned() };
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(unknown)
    }
}

/// Security versions of a chip's firmware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tcb {
    /// Of the firmware's first component; on Turin alone.
    pub fmc: u8,
    /// Of the boot loader.
    pub boot_loader: u8,
    /// Of the trusted execution environment.
    pub tee: u8,
    /// Of the SNP firmware.
    pub snp: u8,
    /// Patch level of the microcode.
    pub microcode: u8,
}

impl Tcb {
    /// TCB_VERSION as in the reports of a product.
    #[must_use]
    pub const fn to_bytes(self, product: Product) -> [u8; 8] {
        let Self { fmc, boot_loader, tee, snp, microcode } = self;
        match product {
            Product::Milan | Product::Genoa => [boot_loader, tee, 0, 0, 0, 0, snp, microcode],
            Product::Turin => [fmc, boot_loader, tee, snp, 0, 0, 0, microcode],
        }
    }
}

/// A chip to make. The default is a Milan with a VCEK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChipSpec {
    /// Its generation.
    pub product: Product,
    /// Which key signs its reports.
    pub kind: VekKind,
    /// Its reported TCB, for which its endorsement key is made.
    pub tcb: Tcb,
    /// The cloud provider, in the certificate of a VLEK.
    pub csp_id: String,
    /// Random when `None`. Of a Turin the first 8 bytes count and the others must be zero.
    pub chip_id: Option<[u8; 64]>,
    /// Put the chip id into an OCTET STRING in the certificate of a VCEK. AMD's own have it bare.
    pub wrapped_hwid: bool,
}

impl ChipSpec {
    /// A chip of this product with a current TCB.
    #[must_use]
    pub fn new(product: Product, kind: VekKind) -> Self {
        Self {
            product,
            kind,
            tcb: product.current_tcb(),
            csp_id: "CN=simulated-region-1.cloud.example".to_owned(),
            chip_id: None,
            wrapped_hwid: false,
        }
    }
}

impl Default for ChipSpec {
    fn default() -> Self {
        Self::new(Product::default(), VekKind::default())
    }
}

/// Bit of the policy: simultaneous multithreading is allowed.
pub const POLICY_SMT: u64 = 1 << 16;
/// Bit of the policy that is always one.
pub const POLICY_RESERVED_ONE: u64 = 1 << 17;
/// Bit of the policy: a migration agent is allowed.
pub const POLICY_MIGRATE_MA: u64 = 1 << 18;
/// Bit of the policy: the host may read and change the guest's memory.
pub const POLICY_DEBUG: u64 = 1 << 19;

/// A report to make. The default is that of a confidential guest in a cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportSpec {
    /// 2 to 5; that of the product's current firmware when `None`.
    pub version: Option<u32>,
    /// Security version of the guest.
    pub guest_svn: u32,
    /// What the guest allows. The ABI 0.31, multithreading, no debugging.
    pub policy: u64,
    /// Set by the guest's owner.
    pub family_id: [u8; 16],
    /// Set by the guest's owner.
    pub image_id: [u8; 16],
    /// The privilege level that asked for the report: 0 to 3.
    pub vmpl: u32,
    /// What the platform has switched on.
    pub platform_info: u64,
    /// What the guest says.
    pub report_data: [u8; 64],
    /// Of the guest at launch.
    pub measurement: [u8; 48],
    /// What the host said at launch.
    pub host_data: [u8; 32],
    /// Hash of the key that signed the guest's identity.
    pub id_key_digest: [u8; 48],
    /// Hash of the key that signed that key. AUTHOR_KEY_EN is set when this is not zero.
    pub author_key_digest: [u8; 48],
    /// Of the guest.
    pub report_id: [u8; 32],
    /// Of the guest's migration agent; all ones when there is none.
    pub report_id_ma: [u8; 32],
    /// What runs; the chip's TCB when `None`.
    pub current_tcb: Option<Tcb>,
    /// What cannot be rolled back; the chip's TCB when `None`.
    pub committed_tcb: Option<Tcb>,
    /// What ran when the guest was launched; the chip's TCB when `None`.
    pub launch_tcb: Option<Tcb>,
    /// Family, model, stepping; those of the product when `None`. Versions below 3 have none.
    pub cpuid: Option<[u8; 3]>,
    /// Build, minor and major version of the running firmware.
    pub current_firmware: [u8; 3],
    /// Build, minor and major version of the committed firmware.
    pub committed_firmware: [u8; 3],
    /// Mitigations that were active when the guest was launched. Versions below 5 have none.
    pub launch_mitigations: u64,
    /// Mitigations that are active. Versions below 5 have none.
    pub current_mitigations: u64,
}

impl Default for ReportSpec {
    fn default() -> Self {
        Self {
            version: None,
            guest_svn: 2,
            policy: POLICY_RESERVED_ONE | POLICY_SMT | 31,
            family_id: number(1),
            image_id: number(2),
            vmpl: 0,
            // Multithreading, error correction, alias check complete.
            platform_info: 0x25,
            report_data: [0; 64],
            measurement: [0x5e; 48],
            host_data: [0; 32],
            id_key_digest: [0x1d; 48],
            author_key_digest: [0; 48],
            report_id: [0x1e; 32],
            report_id_ma: [0xff; 32],
            current_tcb: None,
            committed_tcb: None,
            launch_tcb: None,
            cpuid: None,
            current_firmware: [0x1d, 0x37, 0x01],
            committed_firmware: [0x1d, 0x37, 0x01],
            launch_mitigations: 0x3f,
            current_mitigations: 0x3f,
        }
    }
}

const fn number(value: u128) -> [u8; 16] {
    value.to_le_bytes()
}
