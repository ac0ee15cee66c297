//! Why an SEV-SNP report is not genuine.

use assay_evidence::snp::Product;
use thiserror::Error;

use crate::time::UnixTime;

/// A rule on SEV-SNP reports that this evidence breaks. What certificates of any vendor can break stands in
/// [`crate::VerifyError`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SnpError {
    /// The report is signed in a way that is not known.
    #[error("the report's signature algorithm is {found}, not 1 (ECDSA P-384 with SHA-384)")]
    SignatureAlgorithm {
        /// The number found.
        found: u32,
    },
    /// The chip's identity is masked, and with it the signature.
    #[error("the platform masks its chip key, so nothing vouches for the report")]
    ChipKeyMasked,
    /// The report is signed by no key, or one that is not known.
    #[error("the report's signing key is of type {found}, neither VCEK (0) nor VLEK (1)")]
    SigningKey {
        /// The number found.
        found: u32,
    },
    /// Reserved bits of the key information.
    #[error("reserved bits of the key information are set: {found:#x}")]
    KeyInfoReserved {
        /// The bits.
        found: u32,
    },
    /// Reserved bytes.
    #[error("reserved bytes {area}, from offset {offset:#x}, are not zero")]
    Reserved {
        /// Where the area begins.
        offset: usize,
        /// Where it stands.
        area: &'static str,
    },
    /// Reserved bytes of a TCB version.
    #[error("reserved bytes of the {tcb} TCB version are not zero")]
    TcbReserved {
        /// `current`, `reported`, `committed` or `launch`.
        tcb: &'static str,
    },
    /// Reserved bits of the guest policy, or its bit 17, which is always one.
    #[error("the guest policy {found:#x} has reserved bits that are not as they must be")]
    GuestPolicy {
        /// The policy.
        found: u64,
    },
    /// A privilege level that does not exist.
    #[error("the report is for VMPL {found}, which does not exist")]
    Vmpl {
        /// The level found.
        found: u32,
    },
    /// The host asked for the report, so its report data is not the guest's.
    #[error("the host asked for this report, not the guest")]
    HostRequested,
    /// `r` or `s` of the signature is zero or not below the order of the curve.
    #[error("the report's signature is not one: {part} is out of range")]
    SignatureRange {
        /// `r` or `s`.
        part: &'static str,
    },
    /// A processor whose layout of TCB versions is not known.
    #[error("the processor of family {family:#x}, model {model:#x} is not known")]
    ProductUnknown {
        /// Family.
        family: u8,
        /// Model.
        model: u8,
    },
    /// The report is of another generation than the certificate.
    #[error("the report is of a {report} processor, the endorsement key certificate of a {certificate}")]
    ProductMismatch {
        /// The report's.
        report: Product,
        /// The certificate's.
        certificate: Product,
    },
    /// No endorsement key certificate.
    #[error("there is no endorsement key certificate (VCEK or VLEK) to verify this report with")]
    VekMissing,
    /// A VCEK certificate for a report that a VLEK signed, or the reverse.
    #[error("a {expected} signed the report, but the certificate is of a {found}")]
    VekKind {
        /// What the certificate is.
        found: &'static str,
        /// What the report says.
        expected: &'static str,
    },
    /// AMD's extensions cannot be read, or do not belong to this kind of certificate.
    #[error("the endorsement key certificate's extension {extension}: {problem}")]
    VekExtension {
        /// Which one, by AMD's name.
        extension: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// The certificate is for another TCB than the report states.
    #[error("the endorsement key is of {component} {certificate}, the report states {report}")]
    VekTcb {
        /// The component.
        component: &'static str,
        /// Its version in the certificate.
        certificate: u8,
        /// Its version in the report.
        report: u8,
    },
    /// The certificate is of another chip.
    #[error("the endorsement key is of another chip than the report")]
    ChipId,
    /// Without the chip id nothing ties the certificate to the report's chip.
    #[error("the report does not say which chip it is of")]
    ChipIdMasked,
    /// A VLEK of a provider that is not listed.
    #[error("the VLEK belongs to `{found}`, which is not a trusted provider")]
    VlekProvider {
        /// The provider's name in the certificate, cut to 64 characters.
        found: String,
    },
    /// The report was changed or not made by this key.
    #[error("the report's signature is not valid")]
    ReportSignature,
    /// TCB versions that contradict each other.
    #[error("the {higher} TCB is above the current one in {component}")]
    TcbOrder {
        /// `reported` or `committed`.
        higher: &'static str,
        /// The component.
        component: &'static str,
    },
    /// More certificates than a chain has.
    #[error("{found} certificates came along, at most {limit} are accepted")]
    TooManyCertificates {
        /// How many.
        found: usize,
        /// How many are accepted.
        limit: usize,
    },
    /// More endorsements of the image than there are forms.
    #[error("{found} endorsements of the image came along, at most {limit} are accepted")]
    TooManyEndorsements {
        /// How many.
        found: usize,
        /// How many are accepted.
        limit: usize,
    },
    /// No revocation list where one is demanded.
    #[error("there is no revocation list for {product}")]
    CrlMissing {
        /// The product.
        product: Product,
    },
    /// A revocation list that cannot be read.
    #[error("the revocation list cannot be read: {problem}")]
    CrlMalformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A revocation list that no pinned root signed.
    #[error("no trusted root signed the revocation list")]
    CrlSignature,
    /// A revocation list of another product.
    #[error("the revocation list is for {found}, not for {expected}")]
    CrlProduct {
        /// The list's.
        found: Product,
        /// The report's.
        expected: Product,
    },
    /// A revocation list that has expired.
    #[error("the revocation list expired at {until}")]
    CrlExpired {
        /// Its last second.
        until: UnixTime,
    },
    /// The host named other data at launch than the caller.
    #[error("the host data is not the SHA-256 of the init-time data")]
    InitTimeData,
    /// A revocation list from the future.
    #[error("the revocation list was issued at {from}, after the time of verification")]
    CrlNotYetValid {
        /// Its first second.
        from: UnixTime,
    },
}

impl SnpError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SignatureAlgorithm { .. } => "signature-algorithm",
            Self::ChipKeyMasked => "chip-key-masked",
            Self::SigningKey { .. } => "signing-key",
            Self::KeyInfoReserved { .. } | Self::Reserved { .. } | Self::TcbReserved { .. } => {
                "reserved-not-zero"
            }
            Self::GuestPolicy { .. } => "guest-policy",
            Self::Vmpl { .. } => "vmpl",
            Self::HostRequested => "host-requested",
            Self::SignatureRange { .. } => "signature-range",
            Self::ProductUnknown { .. } => "product-unknown",
            Self::ProductMismatch { .. } => "product-mismatch",
            Self::VekMissing => "vek-missing",
            Self::VekKind { .. } => "vek-kind",
            Self::VekExtension { .. } => "vek-extension",
            Self::VekTcb { .. } => "vek-tcb-mismatch",
            Self::ChipId => "chip-id-mismatch",
            Self::ChipIdMasked => "chip-id-masked",
            Self::VlekProvider { .. } => "vlek-provider",
            Self::ReportSignature => "report-signature",
            Self::TcbOrder { .. } => "tcb-order",
            Self::TooManyCertificates { .. } => "too-many-certificates",
            Self::TooManyEndorsements { .. } => "too-many-endorsements",
            Self::CrlMissing { .. } => "crl-missing",
            Self::CrlMalformed { .. } => "crl-malformed",
            Self::CrlSignature => "crl-signature",
            Self::CrlProduct { .. } => "crl-product",
            Self::CrlExpired { .. } => "crl-expired",
            Self::CrlNotYetValid { .. } => "crl-not-yet-valid",
            // As of every kind of evidence.
            Self::InitTimeData => "binding-mismatch",
        }
    }

    /// What the reader can do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::ChipKeyMasked | Self::ChipIdMasked => {
                "let the host configure the platform without MASK_CHIP_KEY and MASK_CHIP_ID"
            }
            Self::ProductUnknown { .. } => "this release knows Milan, Genoa (Bergamo, Siena) and Turin",
            Self::VekMissing => {
                "give the certificate (--vek, or with the evidence), as AMD's key server or the cloud's metadata service hand it out"
            }
            Self::VekKind { .. } | Self::VekTcb { .. } | Self::ChipId | Self::ProductMismatch { .. } => {
                "fetch the certificate for this chip and its reported TCB anew; after a firmware update it is another one"
            }
            Self::VlekProvider { .. } => "if you trust this cloud provider, list it in `snp.vlek_providers`",
            Self::CrlMissing { .. } | Self::CrlExpired { .. } | Self::CrlNotYetValid { .. } => {
                "fetch AMD's revocation list for this product anew, and check the clock"
            }
            Self::CrlMalformed { .. } | Self::CrlSignature | Self::CrlProduct { .. } => {
                "fetch AMD's revocation list for this product again and keep its bytes as received"
            }
            Self::InitTimeData => {
                "send the exact bytes that were hashed at launch: of a container group, its decoded policy"
            }
            Self::HostRequested => "ask for the report inside the guest",
            Self::TooManyCertificates { .. } => "send the VEK certificate, the ASK or ASVK, and the ARK",
            _ => "the evidence was changed on its way, or is not genuine",
        }
    }
}
