//! What can be wrong with a token, a key or a certificate.

use assay_json::JsonError;

use crate::lifecycle::State;

/// Longest piece of foreign text that an error repeats.
const SHOWN_CHARS: usize = 80;

/// Foreign text cut to the length that errors repeat.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

/// Why a token, key, certificate or wrapped key is refused.
///
/// Strings in the fields come from outside and are cut to 80 characters. Times are unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    // The text.
    /// More bytes than allowed.
    #[error("the {part} is larger than {limit} bytes")]
    TooLarge {
        /// What is too large.
        part: &'static str,
        /// Most bytes allowed.
        limit: usize,
    },
    /// Not three parts between two dots.
    #[error("a compact JWS has three parts, this text has {found}")]
    PartCount {
        /// Parts found, counted up to 5.
        found: usize,
    },
    /// A part is not base64url (or, for certificates, base64).
    #[error("the {part} is not valid base64")]
    Base64 {
        /// Which part.
        part: &'static str,
    },
    /// A part is not acceptable JSON.
    #[error("the {part} is refused: {error}")]
    Json {
        /// Which part.
        part: &'static str,
        /// What is wrong with it.
        error: JsonError,
    },
    /// A member of the header is missing or has the wrong type.
    #[error("the header member `{name}` is missing or malformed")]
    HeaderMember {
        /// Its name.
        name: &'static str,
    },
    /// The header asks for processing that Assay does not do.
    #[error("the header member `{name}` is not supported")]
    HeaderUnsupported {
        /// Its name.
        name: &'static str,
    },
    /// The token is of another type than expected.
    #[error("expected a token of type `{expected}`, found `{actual}`")]
    Type {
        /// The expected `typ`.
        expected: String,
        /// The found `typ`; empty if there is none.
        actual: String,
    },

    // Algorithm, key and signature.
    /// The algorithm is `none`.
    #[error("the token is not signed: its algorithm is `none`")]
    Unsecured,
    /// The algorithm is `none`, and yet there is a signature.
    #[error("the algorithm is `none` but a signature is present")]
    UnsecuredWithSignature,
    /// The algorithm asks for a signature, and there is none.
    #[error("the signature is missing")]
    SignatureMissing,
    /// The algorithm is unknown or not among those allowed here.
    #[error("the algorithm `{algorithm}` is not allowed")]
    AlgorithmNotAllowed {
        /// The name in the header.
        algorithm: String,
    },
    /// The algorithm does not fit the type of the key.
    #[error("the algorithm `{algorithm}` cannot be used with a key of type {key}")]
    AlgorithmMismatch {
        /// The name in the header.
        algorithm: String,
        /// The type of the key: `RSA`, `P-256` or `P-384`.
        key: &'static str,
    },
    /// This build has no implementation of the algorithm.
    #[error("the algorithm `{algorithm}` is not available in this build")]
    AlgorithmUnavailable {
        /// Its name.
        algorithm: &'static str,
    },
    /// The signature is not one of this key over these bytes.
    #[error("the signature is not valid")]
    BadSignature,
    /// The header names no key.
    #[error("the header has no `kid`")]
    KidMissing,
    /// No key of the set has this name.
    #[error("no key with the id `{kid}` is known")]
    KidUnknown {
        /// The wanted name.
        kid: String,
    },
    /// More than one key of the set has this name.
    #[error("{count} keys share the id `{kid}`")]
    KidAmbiguous {
        /// The wanted name.
        kid: String,
        /// How many have it.
        count: usize,
    },
    /// The set has too many keys.
    #[error("the key set has more than {limit} keys")]
    TooManyKeys {
        /// Most keys allowed.
        limit: usize,
    },
    /// A public or private key cannot be read.
    #[error("the key is malformed: {reason}")]
    KeyMalformed {
        /// What is wrong.
        reason: &'static str,
    },
    /// A key of a type or curve that Assay does not use.
    #[error("keys of type `{kind}` are not supported")]
    KeyUnsupported {
        /// Type, curve or object identifier.
        kind: String,
    },
    /// An RSA key is too small to be trusted or too large to be affordable.
    #[error("an RSA key must have {min} to {max} bits, this one has {bits}")]
    KeySize {
        /// Bits of the modulus.
        bits: usize,
        /// Fewest allowed.
        min: usize,
        /// Most allowed.
        max: usize,
    },
    /// The plain members of a JWK are not the key of its certificate.
    #[error("the key and its certificate do not belong together")]
    KeyMismatch,
    /// The JWK says that the key is for something else.
    #[error("the key must not be used here: its `{member}` says otherwise")]
    KeyUse {
        /// `use`, `key_ops` or `alg`.
        member: &'static str,
    },
    /// A cryptographic operation failed inside the library.
    #[error("the operation `{operation}` failed")]
    Crypto {
        /// Which operation.
        operation: &'static str,
    },

    // Certificates.
    /// A certificate cannot be read.
    #[error("the certificate is malformed: {reason}")]
    CertificateMalformed {
        /// What is wrong.
        reason: &'static str,
    },
    /// A signed document names no certificate.
    #[error("the document is signed but carries no certificate")]
    CertificateMissing,
    /// The header names two different signers.
    #[error("the header members `x5c` and `jwk` name different signers")]
    SignerMismatch,
    /// Too many certificates.
    #[error("the certificate chain has more than {limit} certificates")]
    ChainTooLong {
        /// Most allowed.
        limit: usize,
    },
    /// Nothing leads from the signer to a trusted certificate.
    #[error("the signer `{subject}` is not trusted")]
    SignerNotTrusted {
        /// Subject of the signer's certificate.
        subject: String,
    },
    /// A certificate that issued another is not allowed to.
    #[error("the certificate `{subject}` must not issue certificates: {reason}")]
    NotAnIssuer {
        /// Its subject.
        subject: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// The leaf may not sign documents.
    #[error("the certificate `{subject}` is not for digital signatures")]
    KeyUsage {
        /// Its subject.
        subject: String,
    },
    /// A certificate's validity has not begun.
    #[error("the certificate `{subject}` is not valid before {not_before}, it is {now}")]
    CertificateNotYetValid {
        /// Its subject.
        subject: String,
        /// Begin of validity.
        not_before: u64,
        /// The time of the check.
        now: u64,
    },
    /// A certificate's validity has ended.
    #[error("the certificate `{subject}` expired at {not_after}, it is {now}")]
    CertificateExpired {
        /// Its subject.
        subject: String,
        /// End of validity.
        not_after: u64,
        /// The time of the check.
        now: u64,
    },
    /// A certificate has a critical extension that Assay does not understand.
    #[error("the certificate `{subject}` has the unknown critical extension `{oid}`")]
    CriticalExtension {
        /// Its subject.
        subject: String,
        /// The extension.
        oid: String,
    },
    /// A certificate cannot be made for this name.
    #[error("the common name is not usable: {reason}")]
    CommonName {
        /// What is wrong.
        reason: &'static str,
    },
    /// A certificate cannot be made for this validity.
    #[error("the validity from {not_before} to {not_after} is not usable")]
    Validity {
        /// Begin.
        not_before: u64,
        /// End.
        not_after: u64,
    },

    // Claims.
    /// A required claim is absent.
    #[error("the claim `{name}` is missing")]
    ClaimMissing {
        /// Its name.
        name: &'static str,
    },
    /// A claim has the wrong type.
    #[error("the claim `{name}` must be {expected}")]
    ClaimType {
        /// Its name.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The token has expired.
    #[error("the token expired at {exp}, it is {now}")]
    Expired {
        /// Its `exp`.
        exp: u64,
        /// The time of the check.
        now: u64,
    },
    /// The token is not valid yet.
    #[error("the token is not valid before {nbf}, it is {now}")]
    NotYetValid {
        /// Its `nbf`.
        nbf: u64,
        /// The time of the check.
        now: u64,
    },
    /// The token comes from the future.
    #[error("the token was issued at {iat}, which is after {now}")]
    IssuedInFuture {
        /// Its `iat`.
        iat: u64,
        /// The time of the check.
        now: u64,
    },
    /// The token is older than the caller wants.
    #[error("the token was issued at {iat}, more than {max_age} seconds before {now}")]
    TooOld {
        /// Its `iat`.
        iat: u64,
        /// Greatest age in seconds.
        max_age: u64,
        /// The time of the check.
        now: u64,
    },
    /// Another issuer than expected.
    #[error("expected the issuer `{expected}`, found `{actual}`")]
    Issuer {
        /// The expected `iss`.
        expected: String,
        /// The found one.
        actual: String,
    },
    /// The token is for somebody else.
    #[error("the token is for another audience: `{actual}`")]
    Audience {
        /// The found `aud`, joined by commas.
        actual: String,
    },

    // The life of keys.
    /// There is no key to sign with.
    #[error("there is no active signing key")]
    NoSigningKey,
    /// Keys of different providers or purposes where one ring was expected.
    #[error("the keys belong to different providers or purposes")]
    MixedRing,
    /// A key cannot go from one state to the other.
    #[error("the key `{kid}` cannot go from {from} to {to}")]
    IllegalTransition {
        /// The key.
        kid: String,
        /// Its state.
        from: State,
        /// The wanted state.
        to: State,
    },

    // Wrapping.
    /// A master key of the wrong size.
    #[error("a master key has 32 bytes, this one has {found}")]
    MasterKeyLength {
        /// Its length in bytes.
        found: usize,
    },
    /// A master key that is all zeros.
    #[error("the master key is all zeros")]
    MasterKeyZero,
    /// Not an envelope of this version.
    #[error("the wrapped key is malformed")]
    EnvelopeMalformed,
    /// The envelope was made under another master key.
    #[error("the key is wrapped under the master key {expected}, not {given}")]
    WrongMasterKey {
        /// Id of the master key in the envelope, hexadecimal.
        expected: String,
        /// Id of the given master key, hexadecimal.
        given: String,
    },
    /// The envelope was altered, or stands in the place of another key; the cipher cannot tell which.
    #[error("the wrapped key was altered or belongs to another provider, key or purpose")]
    EnvelopeRejected,
}

impl TokenError {
    /// A stable name in kebab-case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.row().0
    }

    /// What the caller can do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        self.row().1
    }

    #[expect(clippy::too_many_lines, reason = "a table with one row per error")]
    const fn row(&self) -> (&'static str, &'static str) {
        match self {
            Self::TooLarge { .. } => ("token-too-large", "Send a smaller document."),
            Self::PartCount { .. } => {
                ("token-part-count", "Send the compact form: header, payload and signature.")
            }
            Self::Base64 { .. } => ("token-base64", "Encode the part as base64url without padding."),
            Self::Json { error, .. } => ("token-json", error.help()),
            Self::HeaderMember { .. } => {
                ("token-header-member", "Set the header member as RFC 7515 describes it.")
            }
            Self::HeaderUnsupported { .. } => ("token-header-unsupported", "Leave the header member out."),
            Self::Type { .. } => ("token-type", "Send the kind of token that this place expects."),
            Self::Unsecured => {
                ("token-unsecured", "Only signed tokens are accepted; answers for drafts are not.")
            }
            Self::UnsecuredWithSignature => {
                ("token-unsecured-with-signature", "Name the algorithm of the signature.")
            }
            Self::SignatureMissing => ("token-signature-missing", "Sign the document."),
            Self::AlgorithmNotAllowed { .. } => {
                ("token-algorithm-not-allowed", "Use RS256, PS256, ES256 or ES384.")
            }
            Self::AlgorithmMismatch { .. } => (
                "token-algorithm-mismatch",
                "Use RS256 or PS256 with RSA, ES256 with P-256, ES384 with P-384.",
            ),
            Self::AlgorithmUnavailable { .. } => {
                ("token-algorithm-unavailable", "Verify with a native build.")
            }
            Self::BadSignature => {
                ("token-bad-signature", "The bytes changed after signing, or another key signed.")
            }
            Self::KidMissing => ("token-kid-missing", "Name the signing key in the header."),
            Self::KidUnknown { .. } => {
                ("token-kid-unknown", "Fetch the issuer's key set again; keys rotate.")
            }
            Self::KidAmbiguous { .. } => ("token-kid-ambiguous", "Give every key of the set its own id."),
            Self::TooManyKeys { .. } => ("token-too-many-keys", "Publish only the keys that are in use."),
            Self::KeyMalformed { .. } => ("token-key-malformed", "Export the key again."),
            Self::KeyUnsupported { .. } => ("token-key-unsupported", "Use RSA, P-256 or P-384."),
            Self::KeySize { .. } => ("token-key-size", "Use an RSA key of 2048, 3072 or 4096 bits."),
            Self::KeyMismatch => ("token-key-mismatch", "Publish the key that the certificate certifies."),
            Self::KeyUse { .. } => ("token-key-use", "Use a key that is meant for signatures."),
            Self::Crypto { .. } => ("token-crypto", "Try again; if it persists, look at the service's log."),
            Self::CertificateMalformed { .. } => {
                ("token-certificate-malformed", "Send X.509 in base64 of DER.")
            }
            Self::CertificateMissing => {
                ("token-certificate-missing", "Put the certificate into the header's `x5c`.")
            }
            Self::SignerMismatch => ("token-signer-mismatch", "Name the signer once."),
            Self::ChainTooLong { .. } => {
                ("token-chain-too-long", "Send only the certificates up to the trusted one.")
            }
            Self::SignerNotTrusted { .. } => {
                ("token-signer-not-trusted", "Sign with a registered certificate.")
            }
            Self::NotAnIssuer { .. } => {
                ("token-not-an-issuer", "Register a CA certificate, or the signer's own.")
            }
            Self::KeyUsage { .. } => {
                ("token-key-usage", "Sign with a certificate made for digital signatures.")
            }
            Self::CertificateNotYetValid { .. } => (
                "token-certificate-not-yet-valid",
                "Check the clocks, or wait until the certificate is valid.",
            ),
            Self::CertificateExpired { .. } => ("token-certificate-expired", "Renew the certificate."),
            Self::CriticalExtension { .. } => ("token-critical-extension", "Use a certificate without it."),
            Self::CommonName { .. } => ("token-common-name", "Use the provider's issuer URL."),
            Self::Validity { .. } => {
                ("token-validity", "End the validity after its begin and before the year 10000.")
            }
            Self::ClaimMissing { .. } => ("token-claim-missing", "Ask for a new token."),
            Self::ClaimType { .. } => ("token-claim-type", "Issue the claim as RFC 7519 describes it."),
            Self::Expired { .. } => ("token-expired", "Attest again."),
            Self::NotYetValid { .. } => ("token-not-yet-valid", "Check the clocks of both sides."),
            Self::IssuedInFuture { .. } => ("token-issued-in-future", "Check the clocks of both sides."),
            Self::TooOld { .. } => ("token-too-old", "Attest again."),
            Self::Issuer { .. } => ("token-issuer", "Use a token of the expected provider."),
            Self::Audience { .. } => ("token-audience", "Ask for a token for this service."),
            Self::NoSigningKey => ("token-no-signing-key", "Create a key for this provider and purpose."),
            Self::MixedRing => ("token-mixed-ring", "Pass the keys of one provider and purpose."),
            Self::IllegalTransition { .. } => {
                ("token-illegal-transition", "Plan again with the stored states.")
            }
            Self::MasterKeyLength { .. } => ("token-master-key-length", "Give 32 random bytes."),
            Self::MasterKeyZero => ("token-master-key-zero", "Give 32 random bytes."),
            Self::EnvelopeMalformed => ("token-envelope-malformed", "Restore the key from a backup."),
            Self::WrongMasterKey { .. } => {
                ("token-wrong-master-key", "Start with the master key that wrapped it.")
            }
            Self::EnvelopeRejected => ("token-envelope-rejected", "Restore the key record from a backup."),
        }
    }
}
