//! The SEV-SNP attestation report.
//!
//! AMD, *SEV Secure Nested Paging Firmware ABI Specification* (document 56860, revision 1.58), table 23. 1184 bytes, all
//! integers little-endian:
//!
//! ```text
//! 000   4 version          0C0  32 host data          1E0   8 committed TCB
//! 004   4 guest SVN        0E0  48 id key digest      1E8   3 current firmware: build, minor, major
//! 008   8 policy           110  48 author key digest  1EC   3 committed firmware
//! 010  16 family id        140  32 report id          1F0   8 launch TCB
//! 020  16 image id         160  32 report id of MA    1F8   8 launch mitigation vector (version 5)
//! 030   4 VMPL             180   8 reported TCB       200   8 current mitigation vector (version 5)
//! 034   4 signature alg.   188   3 CPUID (version 3)  2A0  72 r, little-endian
//! 038   8 current TCB      1A0  64 chip id            2E8  72 s, little-endian
//! 040   8 platform info                               330 368 reserved
//! 048   4 key info
//! 050  64 report data
//! 090  48 measurement
//! ```
//!
//! What lies between is reserved and must be zero. The signature covers bytes 0 to 2A0.

mod certificate_table;
mod tcb;

use crate::ParseError;
use crate::error::LengthRule;

pub use certificate_table::{CertificateTable, MAX_TABLE_SIZE, TableEntry};
pub use tcb::{Product, Tcb, TcbLayout, TcbVersion};

/// Size of a report.
pub const REPORT_SIZE: usize = 0x4a0;
/// What the endorsement key signs.
pub const SIGNED_SIZE: usize = 0x2a0;
/// The versions whose layout is known. A later one may give a meaning to bytes that are reserved today.
pub const VERSIONS: std::ops::RangeInclusive<u32> = 2..=5;
/// `SIGNATURE_ALGO`: ECDSA P-384 with SHA-384, the only one there is.
pub const ECDSA_P384_SHA384: u32 = 1;
/// VMPL of a report that the host asked for: its report data is not the guest's.
pub const VMPL_HOST: u32 = 0xffff_ffff;

/// An attestation report.
#[derive(Clone, Debug)]
pub struct Report {
    /// The whole report, as received.
    bytes: [u8; REPORT_SIZE],
    /// Version of the layout.
    pub version: u32,
    /// Security version of the guest.
    pub guest_svn: u32,
    /// What the guest's owner demanded of the platform.
    pub policy: GuestPolicy,
    /// Family id that the guest's owner chose.
    pub family_id: [u8; 16],
    /// Image id that the guest's owner chose.
    pub image_id: [u8; 16],
    /// Privilege level that asked for the report: 0 is the highest.
    pub vmpl: u32,
    /// How it is signed.
    pub signature_algorithm: u32,
    /// What the platform runs.
    pub current_tcb: TcbVersion,
    /// How the platform is configured.
    pub platform_info: PlatformInfo,
    /// Which key signs.
    pub key_info: KeyInfo,
    /// What the guest wants to say.
    pub report_data: [u8; 64],
    /// Measurement of the guest at launch.
    pub measurement: [u8; 48],
    /// What the host said of the guest at launch.
    pub host_data: [u8; 32],
    /// Digest of the key that signed the guest's id block.
    pub id_key_digest: [u8; 48],
    /// Digest of the key that certified that key.
    pub author_key_digest: [u8; 48],
    /// Names this guest, for as long as it runs.
    pub report_id: [u8; 32],
    /// Names its migration agent.
    pub report_id_ma: [u8; 32],
    /// What the endorsement key is derived from.
    pub reported_tcb: TcbVersion,
    /// The processor, from version 3 on.
    pub cpuid: Option<Cpuid>,
    /// Identifies the processor: never log it, never store it in the clear.
    pub chip_id: [u8; 64],
    /// Below this the platform cannot go back.
    pub committed_tcb: TcbVersion,
    /// Firmware that runs.
    pub current_firmware: FirmwareVersion,
    /// Firmware below which the platform cannot go back.
    pub committed_firmware: FirmwareVersion,
    /// What the platform ran when the guest was launched.
    pub launch_tcb: TcbVersion,
    /// Mitigations, from version 5 on.
    pub mitigations: Option<Mitigations>,
}

/// `GUEST_POLICY` (ABI table 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestPolicy(pub u64);

impl GuestPolicy {
    /// Bit 17, which must be one.
    pub const MUST_BE_ONE: u64 = 1 << 17;
    /// Bits 26 and up, which must be zero.
    pub const RESERVED: u64 = !0x03ff_ffff;

    const fn bit(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }

    /// The lowest firmware ABI that the guest accepts: major and minor version.
    #[must_use]
    pub const fn minimum_abi(self) -> (u8, u8) {
        let [minor, major, ..] = self.0.to_le_bytes();
        (major, minor)
    }

    /// Simultaneous multithreading is allowed.
    #[must_use]
    pub const fn is_smt_allowed(self) -> bool {
        self.bit(16)
    }

    /// A migration agent may be associated.
    #[must_use]
    pub const fn is_migration_allowed(self) -> bool {
        self.bit(18)
    }

    /// The host may debug the guest, so the guest's memory is not secret.
    #[must_use]
    pub const fn is_debug_allowed(self) -> bool {
        self.bit(19)
    }

    /// The guest runs on one socket only.
    #[must_use]
    pub const fn is_single_socket(self) -> bool {
        self.bit(20)
    }

    /// CXL devices are allowed.
    #[must_use]
    pub const fn is_cxl_allowed(self) -> bool {
        self.bit(21)
    }

    /// Memory must be encrypted with AES-256-XTS.
    #[must_use]
    pub const fn is_aes_256_xts_required(self) -> bool {
        self.bit(22)
    }

    /// Running average power limit must be off.
    #[must_use]
    pub const fn is_rapl_off_required(self) -> bool {
        self.bit(23)
    }

    /// Ciphertext must be hidden from the host.
    #[must_use]
    pub const fn is_ciphertext_hiding_required(self) -> bool {
        self.bit(24)
    }

    /// Page swapping by the host must be off.
    #[must_use]
    pub const fn is_page_swap_off_required(self) -> bool {
        self.bit(25)
    }
}

/// `PLATFORM_INFO` (ABI table 24). Informative: bits that are not known here are reported, not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformInfo(pub u64);

impl PlatformInfo {
    /// The bits with a meaning, from bit 0 on; bit 6 is reserved, and real Turin reports have it set.
    pub const NAMES: [(u32, &'static str); 7] = [
        (0, "smt-enabled"),
        (1, "tsme-enabled"),
        (2, "ecc-enabled"),
        (3, "rapl-disabled"),
        (4, "ciphertext-hiding-enabled"),
        (5, "alias-check-complete"),
        (7, "sev-tio-enabled"),
    ];

    /// The bits that have no known meaning.
    #[must_use]
    pub const fn unknown(self) -> u64 {
        self.0 & !0b1011_1111
    }

    /// The names of the bits that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(bit, _)| self.0 >> bit & 1 == 1).map(|(_, name)| name)
    }
}

/// `KEY_INFO`: which key signs (ABI table 23, offset 48h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyInfo(pub u32);

/// The key that signs a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SigningKey {
    /// The chip's own key.
    Vcek,
    /// A key that the cloud provider loaded.
    Vlek,
}

impl SigningKey {
    /// The name of the key in AMD's documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vcek => "VCEK",
            Self::Vlek => "VLEK",
        }
    }
}

impl KeyInfo {
    /// Bits 5 and up, which must be zero.
    pub const RESERVED: u32 = !0x1f;

    /// The author key's digest is in the report.
    #[must_use]
    pub const fn has_author_key(self) -> bool {
        self.0 & 1 == 1
    }

    /// The chip's identity is masked, and the signature with it.
    #[must_use]
    pub const fn is_chip_key_masked(self) -> bool {
        self.0 >> 1 & 1 == 1
    }

    /// `SIGNING_KEY`: 0 is the VCEK, 1 the VLEK, 7 none.
    #[must_use]
    pub const fn signing_key_number(self) -> u32 {
        self.0 >> 2 & 7
    }

    /// The key that signs, if it is one that can.
    #[must_use]
    pub const fn signing_key(self) -> Option<SigningKey> {
        match self.signing_key_number() {
            0 => Some(SigningKey::Vcek),
            1 => Some(SigningKey::Vlek),
            _ => None,
        }
    }
}

/// The processor's combined family, model and stepping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpuid {
    /// Family.
    pub family: u8,
    /// Model.
    pub model: u8,
    /// Stepping.
    pub stepping: u8,
}

/// Version of the SEV firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FirmwareVersion {
    /// Major version of the ABI.
    pub major: u8,
    /// Minor version of the ABI.
    pub minor: u8,
    /// Build.
    pub build: u8,
}

impl std::fmt::Display for FirmwareVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.build)
    }
}

/// Mitigation vectors: which vulnerabilities the firmware has dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mitigations {
    /// When the guest was launched.
    pub launch: u64,
    /// Now.
    pub current: u64,
}

impl Report {
    /// Reads a report of exactly 1184 bytes, of a version whose layout is known.
    ///
    /// # Errors
    /// [`ParseError::BadLength`] or [`ParseError::UnsupportedVersion`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let bytes: &[u8; REPORT_SIZE] = bytes.try_into().map_err(|_| ParseError::BadLength {
            field: "SEV-SNP report",
            found: bytes.len(),
            expected: LengthRule::Exactly(REPORT_SIZE),
        })?;
        let version = u32::from_le_bytes(at::<0, 4>(bytes));
        if !VERSIONS.contains(&version) {
            return Err(ParseError::UnsupportedVersion { format: "SEV-SNP report", found: version });
        }
        Ok(Self::read(bytes, version))
    }

    fn read(bytes: &[u8; REPORT_SIZE], version: u32) -> Self {
        let [family, model, stepping] = at::<0x188, 3>(bytes);
        let vector = |bytes| u64::from_le_bytes(bytes);
        let (launch, current) = (vector(at::<0x1f8, 8>(bytes)), vector(at::<0x200, 8>(bytes)));
        Self {
            bytes: *bytes,
            version,
            guest_svn: u32::from_le_bytes(at::<0x04, 4>(bytes)),
            policy: GuestPolicy(u64::from_le_bytes(at::<0x08, 8>(bytes))),
            family_id: at::<0x10, 16>(bytes),
            image_id: at::<0x20, 16>(bytes),
            vmpl: u32::from_le_bytes(at::<0x30, 4>(bytes)),
            signature_algorithm: u32::from_le_bytes(at::<0x34, 4>(bytes)),
            current_tcb: TcbVersion(at::<0x38, 8>(bytes)),
            platform_info: PlatformInfo(u64::from_le_bytes(at::<0x40, 8>(bytes))),
            key_info: KeyInfo(u32::from_le_bytes(at::<0x48, 4>(bytes))),
            report_data: at::<0x50, 64>(bytes),
            measurement: at::<0x90, 48>(bytes),
            host_data: at::<0xc0, 32>(bytes),
            id_key_digest: at::<0xe0, 48>(bytes),
            author_key_digest: at::<0x110, 48>(bytes),
            report_id: at::<0x140, 32>(bytes),
            report_id_ma: at::<0x160, 32>(bytes),
            reported_tcb: TcbVersion(at::<0x180, 8>(bytes)),
            cpuid: (version >= 3).then_some(Cpuid { family, model, stepping }),
            chip_id: at::<0x1a0, 64>(bytes),
            committed_tcb: TcbVersion(at::<0x1e0, 8>(bytes)),
            current_firmware: firmware(at::<0x1e8, 3>(bytes)),
            committed_firmware: firmware(at::<0x1ec, 3>(bytes)),
            launch_tcb: TcbVersion(at::<0x1f0, 8>(bytes)),
            mitigations: (version >= 5).then_some(Mitigations { launch, current }),
        }
    }

    /// The whole report, as received.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; REPORT_SIZE] {
        &self.bytes
    }

    /// What the endorsement key signs, as received.
    #[must_use]
    pub const fn signed(&self) -> &[u8; SIGNED_SIZE] {
        part::<0, SIGNED_SIZE>(&self.bytes)
    }

    /// The areas that must be zero in this version and are not: first offset and name.
    pub fn nonzero_reserved(&self) -> impl Iterator<Item = (usize, &'static str)> + '_ {
        let (cpuid, mitigations) = (self.cpuid.is_some(), self.mitigations.is_some());
        let cpuid_end = if cpuid { 0x18b } else { 0x188 };
        let launch_end = if mitigations { 0x208 } else { 0x1f8 };
        let areas = [
            (0x4c, 0x50, "after the key information"),
            (cpuid_end, 0x1a0, "before the chip id"),
            (0x1eb, 0x1ec, "after the current firmware version"),
            (0x1ef, 0x1f0, "after the committed firmware version"),
            (launch_end, SIGNED_SIZE, "before the signature"),
            // A number of 384 bits fills 48 of the 72 bytes.
            (0x2d0, 0x2e8, "of the signature's r"),
            (0x318, 0x330, "of the signature's s"),
            (0x330, REPORT_SIZE, "after the signature"),
        ];
        areas.into_iter().filter_map(|(start, end, name)| {
            let area = self.bytes.get(start..end)?;
            area.iter().any(|byte| *byte != 0).then_some((start, name))
        })
    }

    /// `r || s`, big-endian, as cryptographic libraries take it. What `r` and `s` have above 384 bits is not in it.
    #[must_use]
    pub fn signature(&self) -> [u8; 96] {
        let mut signature = [0; 96];
        let r = part::<0x2a0, 48>(&self.bytes).iter().rev();
        let numbers = r.chain(part::<0x2e8, 48>(&self.bytes).iter().rev());
        signature.iter_mut().zip(numbers).for_each(|(to, from)| *to = *from);
        signature
    }

    /// Whether the chip's identity is left out.
    #[must_use]
    pub fn is_chip_id_masked(&self) -> bool {
        self.chip_id.iter().all(|byte| *byte == 0)
    }
}

fn firmware([build, minor, major]: [u8; 3]) -> FirmwareVersion {
    FirmwareVersion { major, minor, build }
}

/// `N` bytes at `OFFSET`; that they are inside the report is proved when this is compiled.
const fn part<const OFFSET: usize, const N: usize>(bytes: &[u8; REPORT_SIZE]) -> &[u8; N] {
    const { assert!(OFFSET + N <= REPORT_SIZE) };
    match bytes.split_at(OFFSET).1.first_chunk::<N>() {
        Some(part) => part,
        None => &[0; N],
    }
}

const fn at<const OFFSET: usize, const N: usize>(bytes: &[u8; REPORT_SIZE]) -> [u8; N] {
    *part::<OFFSET, N>(bytes)
}
