//! Why evidence is not genuine.

use std::fmt;

use assay_evidence::ParseError;
use thiserror::Error;

use crate::hcl::HclError;
use crate::snp::SnpError;
use crate::time::UnixTime;
use crate::uvm::UvmError;

/// A certificate's part in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateRole {
    /// The pinned root.
    Root,
    /// Intel's platform or processor CA.
    PckCa,
    /// The platform's provisioning certification key.
    Pck,
    /// The signer of TCB info and enclave identities.
    TcbSigner,
    /// AMD's root.
    Ark,
    /// AMD's authority for endorsement keys: ASK or ASVK.
    VekCa,
    /// An endorsement key of an SEV-SNP platform: VCEK or VLEK.
    Vek,
}

impl fmt::Display for CertificateRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::PckCa => "PCK CA",
            Self::Pck => "PCK",
            Self::TcbSigner => "TCB signing",
            Self::Ark => "ARK",
            Self::VekCa => "ASK or ASVK",
            Self::Vek => "VEK",
        })
    }
}

/// A document of a collateral set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// TCB info.
    TcbInfo,
    /// QE identity, or that of another enclave of Intel's.
    QeIdentity,
    /// The list of TCB evaluation data numbers.
    EvaluationNumbers,
    /// Revocation list of the root CA.
    RootCrl,
    /// Revocation list of the platform or processor CA.
    PckCrl,
    /// The chain that signs the TCB info.
    TcbInfoChain,
    /// The chain that signs the QE identity.
    QeIdentityChain,
    /// The chain that signs the PCK CRL.
    PckCrlChain,
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TcbInfo => "TCB info",
            Self::QeIdentity => "QE identity",
            Self::EvaluationNumbers => "list of TCB evaluation data numbers",
            Self::RootCrl => "root CA CRL",
            Self::PckCrl => "PCK CRL",
            Self::TcbInfoChain => "TCB info issuer chain",
            Self::QeIdentityChain => "QE identity issuer chain",
            Self::PckCrlChain => "PCK CRL issuer chain",
        })
    }
}

/// A rule that genuine evidence keeps and this evidence breaks.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum VerifyError {
    /// The bytes do not have the shape of evidence.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// An SEV-SNP report breaks a rule of its own.
    #[error(transparent)]
    Snp(#[from] SnpError),
    /// A paravisor's report breaks a rule of its own.
    #[error(transparent)]
    Hcl(#[from] HclError),
    /// The quoting enclave is not Intel's.
    #[error("the quoting enclave's vendor is `{}`, not Intel", hex::encode(found))]
    QeVendor {
        /// The vendor id found.
        found: [u8; 16],
    },
    /// Reserved bytes must be zero.
    #[error("reserved bytes of the {part} are not zero")]
    ReservedNotZero {
        /// Where they stand.
        part: &'static str,
    },
    /// The quote does not carry its PCK certificate chain.
    #[error("certification data of type {found} does not carry the PCK certificate chain")]
    CertificationData {
        /// The type found.
        found: u16,
    },
    /// The PCK certificate that was looked up is of another platform than the quote names.
    #[error("the PCK certificate is of another platform than the quote names")]
    PckOtherPlatform,
    /// The PCK certificate that was looked up is for a TCB that the platform had not reached.
    #[error("the PCK certificate is for a higher TCB than the quote names")]
    PckOtherTcb,
    /// A certificate cannot be read.
    #[error("the {role} certificate cannot be read: {problem}")]
    CertificateMalformed {
        /// Which certificate.
        role: CertificateRole,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A chain cannot be read at all.
    #[error("the {chain} cannot be read: {problem}")]
    ChainMalformed {
        /// Which chain.
        chain: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The chain has too few or too many certificates.
    #[error("the {chain} has {found} certificates, {expected} were expected")]
    ChainLength {
        /// Which chain.
        chain: &'static str,
        /// Certificates found.
        found: usize,
        /// Certificates expected.
        expected: usize,
    },
    /// The chain ends at a root nobody here trusts, whatever its name.
    #[error("the chain of the {role} certificate ends at a root that is not trusted")]
    UntrustedRoot {
        /// The certificate whose chain it is.
        role: CertificateRole,
    },
    /// A certificate was not signed by the one above it.
    #[error("the signature of the {role} certificate is not valid")]
    CertificateSignature {
        /// Which certificate.
        role: CertificateRole,
    },
    /// A certificate names another issuer than the one above it.
    #[error("the {role} certificate was issued by another authority than the next in its chain")]
    IssuerMismatch {
        /// Which certificate.
        role: CertificateRole,
    },
    /// A certificate's name does not belong to its role.
    #[error("the {role} certificate is named `{found}`")]
    CertificateName {
        /// Which certificate.
        role: CertificateRole,
        /// The common name found, cut to 64 characters.
        found: String,
    },
    /// `basicConstraints` or `keyUsage` do not allow the role.
    #[error("the {role} certificate may not be used so: {problem}")]
    CertificateConstraints {
        /// Which certificate.
        role: CertificateRole,
        /// Which rule.
        problem: &'static str,
    },
    /// A critical extension that is not understood.
    #[error("the {role} certificate has the critical extension {oid}, which is not known")]
    UnknownCriticalExtension {
        /// Which certificate.
        role: CertificateRole,
        /// The extension.
        oid: String,
    },
    /// A certificate has expired.
    #[error("the {role} certificate expired at {until}")]
    CertificateExpired {
        /// Which certificate.
        role: CertificateRole,
        /// Its last second.
        until: UnixTime,
    },
    /// A certificate is not valid yet.
    #[error("the {role} certificate is valid only from {from}")]
    CertificateNotYetValid {
        /// Which certificate.
        role: CertificateRole,
        /// Its first second.
        from: UnixTime,
    },
    /// A certificate was revoked.
    #[error("the {role} certificate was revoked")]
    CertificateRevoked {
        /// Which certificate.
        role: CertificateRole,
    },
    /// The PCK certificate's SGX extension cannot be read.
    #[error("the SGX extension of the PCK certificate cannot be read: {problem}")]
    PckExtension {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is no collateral for this platform.
    #[error("there is no collateral to verify this quote with")]
    CollateralMissing,
    /// A document of the collateral cannot be read.
    #[error("the {document} cannot be read: {problem}")]
    CollateralMalformed {
        /// Which document.
        document: Document,
        /// What is wrong with it.
        problem: String,
    },
    /// A document of the collateral is not signed by its issuer.
    #[error("the signature of the {document} is not valid")]
    CollateralSignature {
        /// Which document.
        document: Document,
    },
    /// A document of the collateral has expired.
    #[error("the {document} expired at {until}")]
    CollateralExpired {
        /// Which document.
        document: Document,
        /// Its last second.
        until: UnixTime,
    },
    /// A document of the collateral was issued in the future.
    #[error("the {document} was issued at {from}, after the time of verification")]
    CollateralNotYetValid {
        /// Which document.
        document: Document,
        /// Its first second.
        from: UnixTime,
    },
    /// A CRL of another authority.
    #[error("the {document} was issued by another authority than the one whose certificates it should list")]
    CrlIssuer {
        /// Which list.
        document: Document,
    },
    /// Parts of a set that different roots vouch for.
    #[error("the chains of the collateral end at different roots")]
    CollateralRoots,
    /// A document made for another kind of evidence.
    #[error("the {document} is for `{found}`, not for `{expected}`")]
    CollateralKind {
        /// Which document.
        document: Document,
        /// The id found.
        found: String,
        /// The id needed.
        expected: &'static str,
    },
    /// A document version that is not known.
    #[error("the {document} has version {found}, which is not supported")]
    CollateralVersion {
        /// Which document.
        document: Document,
        /// The version found.
        found: u32,
    },
    /// TCB info of another platform family.
    #[error("the TCB info is for the platform family {found}, the PCK certificate for {expected}")]
    FmspcMismatch {
        /// FMSPC of the TCB info.
        found: String,
        /// FMSPC of the PCK certificate.
        expected: String,
    },
    /// TCB info of another provisioning enclave.
    #[error("the TCB info is for the PCE {found}, the PCK certificate for {expected}")]
    PceIdMismatch {
        /// PCE id of the TCB info.
        found: String,
        /// PCE id of the PCK certificate.
        expected: String,
    },
    /// The PCK did not sign the quoting enclave's report.
    #[error("the PCK's signature over the quoting enclave's report is not valid")]
    QeReportSignature,
    /// The attestation key is not the one the quoting enclave vouches for.
    #[error("the quoting enclave's report does not vouch for the attestation key")]
    AttestationKeyBinding,
    /// The attestation key is not a point on P-256.
    #[error("the attestation key is not a point on P-256")]
    AttestationKey,
    /// The quoting enclave is not the one Intel describes.
    #[error("the quoting enclave's {field} is `{found}`, Intel's is `{expected}`")]
    QeIdentityMismatch {
        /// The field that differs.
        field: &'static str,
        /// Its value.
        found: String,
        /// Intel's value.
        expected: String,
    },
    /// A quoting enclave that can be debugged signs anything.
    #[error("the quoting enclave can be debugged")]
    QeDebug,
    /// The quote was changed or not made by this key.
    #[error("the quote's signature is not valid")]
    QuoteSignature,
    /// The platform is below every TCB level Intel lists.
    #[error("no TCB level matches this platform")]
    TcbLevelNotFound,
    /// The quoting enclave is below every level Intel lists.
    #[error("no level of the QE identity matches the quoting enclave's security version {isv_svn}")]
    QeLevelNotFound {
        /// The quoting enclave's security version.
        isv_svn: u16,
    },
    /// Intel revoked this TCB level.
    #[error("the {part}'s TCB level is revoked")]
    TcbRevoked {
        /// `platform` or `quoting enclave`.
        part: &'static str,
    },
    /// A status this version does not know must not count as good.
    #[error("the TCB status `{found}` is not known")]
    TcbStatusUnknown {
        /// The status found, cut to 64 characters.
        found: String,
    },
    /// The report data is not what the caller's data demands.
    #[error("the report data does not match the {data}")]
    BindingMismatch {
        /// `runtime data`, `init-time data` or `nonce`.
        data: &'static str,
    },
    /// Init-time data needs an enclave with key separation and sharing.
    #[error("this enclave has no configuration id (KSS) to bind init-time data to")]
    InitTimeDataUnsupported,
    /// An endorsement of a utility VM does not count.
    #[error(transparent)]
    Uvm(#[from] UvmError),
}

impl VerifyError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Parse(error) => error.code(),
            Self::Snp(error) => error.code(),
            Self::Hcl(error) => error.code(),
            Self::QeVendor { .. } => "qe-vendor",
            Self::ReservedNotZero { .. } => "reserved-not-zero",
            Self::CertificationData { .. } => "certification-data-unsupported",
            Self::PckOtherPlatform => "pck-other-platform",
            Self::PckOtherTcb => "pck-other-tcb",
            Self::CertificateMalformed { .. } => "certificate-malformed",
            Self::ChainMalformed { .. } => "chain-malformed",
            Self::ChainLength { .. } => "chain-length",
            Self::UntrustedRoot { .. } => "untrusted-root",
            Self::CertificateSignature { .. } => "certificate-signature",
            Self::IssuerMismatch { .. } => "issuer-mismatch",
            Self::CertificateName { .. } => "certificate-name",
            Self::CertificateConstraints { .. } => "certificate-constraints",
            Self::UnknownCriticalExtension { .. } => "unknown-critical-extension",
            Self::CertificateExpired { .. } => "certificate-expired",
            Self::CertificateNotYetValid { .. } => "certificate-not-yet-valid",
            Self::CertificateRevoked { .. } => "certificate-revoked",
            Self::PckExtension { .. } => "pck-extension",
            Self::CollateralMissing => "collateral-missing",
            Self::CollateralMalformed { .. } => "collateral-malformed",
            Self::CollateralSignature { .. } => "collateral-signature",
            Self::CollateralExpired { .. } => "collateral-expired",
            Self::CollateralNotYetValid { .. } => "collateral-not-yet-valid",
            Self::CrlIssuer { .. } => "crl-issuer",
            Self::CollateralRoots => "collateral-roots",
            Self::CollateralKind { .. } => "collateral-kind",
            Self::CollateralVersion { .. } => "collateral-version",
            Self::FmspcMismatch { .. } => "fmspc-mismatch",
            Self::PceIdMismatch { .. } => "pce-id-mismatch",
            Self::QeReportSignature => "qe-report-signature",
            Self::AttestationKeyBinding => "attestation-key-binding",
            Self::AttestationKey => "attestation-key",
            Self::QeIdentityMismatch { .. } => "qe-identity-mismatch",
            Self::QeDebug => "qe-debug",
            Self::QuoteSignature => "quote-signature",
            Self::TcbLevelNotFound => "tcb-level-not-found",
            Self::QeLevelNotFound { .. } => "qe-level-not-found",
            Self::TcbRevoked { .. } => "tcb-revoked",
            Self::TcbStatusUnknown { .. } => "tcb-status-unknown",
            Self::BindingMismatch { .. } => "binding-mismatch",
            Self::InitTimeDataUnsupported => "init-time-data-unsupported",
            Self::Uvm(error) => error.code(),
        }
    }

    /// What the reader can do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Parse(error) => error.help(),
            Self::Snp(error) => error.help(),
            Self::Hcl(error) => error.help(),
            Self::Uvm(error) => error.help(),
            Self::CertificationData { .. } => {
                "let the quoting library fetch the PCK certificate, so that the quote carries type 5, or register the platform"
            }
            Self::PckOtherPlatform | Self::PckOtherTcb => {
                "register the platform anew, so that its certificates are those of what it runs"
            }
            Self::UntrustedRoot { .. } => {
                "only the vendors' pinned roots are trusted; simulated evidence needs a service started with --dev on its folder"
            }
            Self::CertificateExpired { .. } | Self::CertificateNotYetValid { .. } => {
                "check the clock, or judge the quote at its own time with --at"
            }
            Self::CertificateRevoked { .. } => "the vendor withdrew this key; do not trust the platform",
            Self::CollateralMissing => {
                "give collateral for this platform family (--collateral, or `collateral.dir`)"
            }
            Self::CollateralExpired { .. } | Self::CollateralNotYetValid { .. } => {
                "refresh the collateral, check the clock, or judge at another time with --at"
            }
            Self::CollateralMalformed { .. }
            | Self::CollateralSignature { .. }
            | Self::CollateralKind { .. }
            | Self::CollateralVersion { .. }
            | Self::CollateralRoots
            | Self::CrlIssuer { .. } => {
                "fetch the document again and keep its bytes exactly as received; signatures cover the bytes"
            }
            Self::FmspcMismatch { .. } | Self::PceIdMismatch { .. } => {
                "use the collateral of this quote's platform family"
            }
            Self::TcbLevelNotFound | Self::TcbRevoked { .. } | Self::QeLevelNotFound { .. } => {
                "update the platform's microcode and the SGX platform software"
            }
            Self::BindingMismatch { .. } => {
                "SHA-256 of the data must stand in the first 32 bytes, and zeros in the rest; send the exact bytes that were hashed"
            }
            Self::InitTimeDataUnsupported => "leave init-time data out, or build the enclave with KSS",
            _ => "the evidence was changed on its way, or is not genuine",
        }
    }
}
