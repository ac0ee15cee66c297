//! Intel's chains, collateral and TCB rules (SGX now; TDX uses the same).

mod chain;
mod collateral;
mod pck;
mod qe_identity;
mod rules;
mod tcb;
mod tcb_info;

pub use chain::{PckCa, VerifiedPck};
pub use collateral::{
    Collateral, CollateralHashes, CollateralVerification, MAX_COLLATERAL_SIZE, RawCollateral,
};
pub use pck::{PckExtension, SgxType};
pub use qe_identity::{QeIdentity, QeLevel};
pub use rules::RULES;
pub use tcb::{TcbStatus, converge, is_at_least};
pub use tcb_info::{TcbInfo, TcbLevel};

pub(crate) use chain::{CaChain, ChainFailure, read_pck_chain, verify_pck_chain};
pub(crate) use rules::rule;

/// Public key of the Intel SGX Root CA: an uncompressed P-256 point. Both root certificates that Intel issued (valid until
/// 2033 and until 2049) carry it.
pub const INTEL_SGX_ROOT_KEY: [u8; 65] = [
    0x04, 0x0b, 0xa9, 0xc4, 0xc0, 0xc0, 0xc8, 0x61, 0x93, 0xa3, 0xfe, 0x23, 0xd6, 0xb0, 0x2c, 0xda, 0x10,
    0xa8, 0xbb, 0xd4, 0xe8, 0x8e, 0x48, 0xb4, 0x45, 0x85, 0x61, 0xa3, 0x6e, 0x70, 0x55, 0x25, 0xf5, 0x67,
    0x91, 0x8e, 0x2e, 0xdc, 0x88, 0xe4, 0x0d, 0x86, 0x0b, 0xd0, 0xcc, 0x4e, 0xe2, 0x6a, 0xac, 0xc9, 0x88,
    0xe5, 0x05, 0xa9, 0x53, 0x55, 0x8c, 0x45, 0x3f, 0x6b, 0x09, 0x04, 0xae, 0x73, 0x94,
];

/// What decides which collateral a platform needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlatformKey {
    /// Family, model, stepping, platform type and custom SKU.
    pub fmspc: [u8; 6],
    /// Which CA issued the platform's PCK certificate.
    pub ca: PckCa,
}
