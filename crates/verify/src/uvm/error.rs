//! Why an endorsement of a utility VM does not count.

use thiserror::Error;

use crate::time::UnixTime;

/// A rule that genuine endorsements keep and this one breaks. Certificates are numbered from the leaf, which is 0.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UvmError {
    /// More bytes than any endorsement has.
    #[error("the endorsement has {size} bytes, at most {limit} are read")]
    TooLarge {
        /// Bytes found.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not a COSE_Sign1 message.
    #[error("the endorsement is not a COSE_Sign1 message: {problem}")]
    Cose {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A header label that occurs twice means different things to different readers.
    #[error("a header label of the endorsement occurs more than once")]
    DuplicateLabel,
    /// A header that must be understood, and that nobody here understands.
    #[error("the endorsement demands that headers are understood which are not known")]
    CriticalHeader,
    /// The payload is somewhere else.
    #[error("the endorsement does not carry its payload")]
    Detached,
    /// A signature algorithm that is not accepted.
    #[error("the endorsement is signed with `{found}`, which is not accepted")]
    Algorithm {
        /// The algorithm's COSE number, or `none`.
        found: String,
    },
    /// The header with the certificates cannot be read.
    #[error("the endorsement's certificate chain cannot be read: {problem}")]
    ChainMalformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Too few or too many certificates.
    #[error("the endorsement's chain has {found} certificates, 2 to {limit} are accepted")]
    ChainLength {
        /// Certificates found.
        found: usize,
        /// Certificates allowed.
        limit: usize,
    },
    /// A certificate cannot be read.
    #[error("certificate {index} of the endorsement's chain cannot be read: {problem}")]
    CertificateMalformed {
        /// Which certificate.
        index: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A certificate names another issuer than the one above it.
    #[error(
        "certificate {index} of the endorsement's chain was issued by another authority than the next one"
    )]
    CertificateIssuer {
        /// Which certificate.
        index: usize,
    },
    /// A certificate was not signed by the one above it.
    #[error("the signature of certificate {index} of the endorsement's chain is not valid")]
    CertificateSignature {
        /// Which certificate.
        index: usize,
    },
    /// `basicConstraints` or `keyUsage` do not allow the role.
    #[error("certificate {index} of the endorsement's chain may not be used so: {problem}")]
    CertificateConstraints {
        /// Which certificate.
        index: usize,
        /// Which rule.
        problem: &'static str,
    },
    /// A critical extension that is not understood.
    #[error(
        "certificate {index} of the endorsement's chain has the critical extension {oid}, which is not known"
    )]
    CriticalExtension {
        /// Which certificate.
        index: usize,
        /// The extension.
        oid: String,
    },
    /// `x5t` is for another certificate.
    #[error("the endorsement's certificate thumbprint is not that of its leaf certificate")]
    Thumbprint,
    /// The issuer is not a did:x509 of version 0.
    #[error("the endorsement's issuer is not a did:x509: {problem}")]
    DidMalformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The issuer names an authority that did not issue the leaf.
    #[error("the issuer names an authority that is not in the endorsement's chain above the leaf")]
    DidFingerprint,
    /// The issuer names a policy that is not known.
    #[error("the issuer names the policy `{policy}`, which is not known")]
    DidPolicyUnknown {
        /// The policy's name, cut to 64 characters.
        policy: String,
    },
    /// The leaf certificate is not what the issuer says.
    #[error("the leaf certificate does not fulfil the issuer's policy `{policy}`")]
    DidPolicy {
        /// The policy's name.
        policy: &'static str,
    },
    /// The leaf's key does not make such signatures.
    #[error("the leaf certificate's key does not fit the endorsement's signature algorithm")]
    KeyType,
    /// The endorsement was changed or not made by this key.
    #[error("the endorsement's signature is not valid")]
    Signature,
    /// What is endorsed cannot be read.
    #[error("the endorsement's content cannot be read: {problem}")]
    Content {
        /// What is wrong with it.
        problem: String,
    },
    /// Two issuers are as good as none.
    #[error("the endorsement names its issuer both in CWT claims and in headers of its own")]
    BothForms,
    /// The endorsement is for another image.
    #[error("the endorsement is for the measurement {found}, the report has {expected}")]
    Measurement {
        /// Measurement of the endorsement, hexadecimal.
        found: String,
        /// Measurement of the report, hexadecimal.
        expected: String,
    },
    /// The endorsement was signed after the time of verification.
    #[error("the endorsement was signed at {at}, after the time of verification")]
    SignedInFuture {
        /// The time of signing.
        at: UnixTime,
    },
    /// A certificate had expired at the time of signing.
    #[error("certificate {index} of the endorsement's chain expired at {until}, before it was signed with")]
    CertificateExpired {
        /// Which certificate.
        index: usize,
        /// Its last second.
        until: UnixTime,
    },
    /// A certificate was not valid yet at the time of signing.
    #[error(
        "certificate {index} of the endorsement's chain is valid only from {from}, after it was signed with"
    )]
    CertificateNotYetValid {
        /// Which certificate.
        index: usize,
        /// Its first second.
        from: UnixTime,
    },
    /// Nobody here trusts this issuer for this feed.
    #[error("the issuer `{issuer}` is not trusted for the feed `{feed}`")]
    IssuerUntrusted {
        /// The issuer, cut to 256 characters.
        issuer: String,
        /// The feed, cut to 256 characters.
        feed: String,
    },
    /// An image that is too old.
    #[error("the endorsed image has the security version {found}, at least {minimum} is demanded")]
    SvnTooLow {
        /// The version found.
        found: u64,
        /// The version demanded.
        minimum: u64,
    },
}

impl UvmError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "uvm-too-large",
            Self::Cose { .. } => "uvm-cose-malformed",
            Self::DuplicateLabel => "uvm-duplicate-label",
            Self::CriticalHeader => "uvm-critical-header",
            Self::Detached => "uvm-payload-detached",
            Self::Algorithm { .. } => "uvm-algorithm",
            Self::ChainMalformed { .. } => "uvm-chain-malformed",
            Self::ChainLength { .. } => "uvm-chain-length",
            Self::CertificateMalformed { .. } => "uvm-certificate-malformed",
            Self::CertificateIssuer { .. } => "uvm-certificate-issuer",
            Self::CertificateSignature { .. } => "uvm-certificate-signature",
            Self::CertificateConstraints { .. } => "uvm-certificate-constraints",
            Self::CriticalExtension { .. } => "uvm-critical-extension",
            Self::Thumbprint => "uvm-thumbprint",
            Self::DidMalformed { .. } => "uvm-did-malformed",
            Self::DidFingerprint => "uvm-did-fingerprint",
            Self::DidPolicyUnknown { .. } => "uvm-did-policy-unknown",
            Self::DidPolicy { .. } => "uvm-did-policy",
            Self::KeyType => "uvm-key-type",
            Self::Signature => "uvm-signature",
            Self::Content { .. } => "uvm-content",
            Self::BothForms => "uvm-both-forms",
            Self::Measurement { .. } => "uvm-measurement",
            Self::SignedInFuture { .. } => "uvm-signed-in-future",
            Self::CertificateExpired { .. } => "uvm-certificate-expired",
            Self::CertificateNotYetValid { .. } => "uvm-certificate-not-yet-valid",
            Self::IssuerUntrusted { .. } => "uvm-issuer-untrusted",
            Self::SvnTooLow { .. } => "uvm-svn-too-low",
        }
    }

    /// What the reader can do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::Cose { .. } | Self::Detached => {
                "send the bytes of the container's reference info (`reference-info-base64`) decoded once, and nothing else"
            }
            Self::Measurement { .. } => {
                "send the endorsement that came with the image which the VM was started from"
            }
            Self::SignedInFuture { .. } => {
                "check the clock, or judge the endorsement at a later time with --at"
            }
            Self::IssuerUntrusted { .. } => {
                "only the configured issuers and feeds are trusted; simulated endorsements need a service started with --dev on its folder"
            }
            Self::SvnTooLow { .. } => "start the container on a current image, or lower the issuer's minimum",
            _ => "the endorsement was changed on its way, or is not genuine",
        }
    }
}
