//! Why the registry refuses a change.

use assay_policy::Diagnostic;
use assay_store::StoreError;
use assay_token::TokenError;
use assay_token::lifecycle::Purpose;

use crate::random::NoRandomness;

/// Why a change of providers, policies, signers or keys is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RegistryError {
    /// There is no such provider.
    #[error("there is no provider `{name}`")]
    UnknownProvider {
        /// The name asked for.
        name: String,
    },
    /// The name is taken.
    #[error("a provider `{name}` exists already")]
    ProviderExists {
        /// The name.
        name: String,
    },
    /// The name breaks the rule for names.
    #[error("the name `{name}` cannot be given to a provider: {rule}")]
    ProviderName {
        /// The name.
        name: String,
        /// The rule.
        rule: &'static str,
    },
    /// The default provider comes from the configuration.
    #[error("the default provider cannot be deleted")]
    DefaultProvider,
    /// An option has a value that it cannot have.
    #[error("the option `{option}` has the value `{value}`, which it cannot have")]
    Option {
        /// The option.
        option: &'static str,
        /// The value.
        value: String,
    },
    /// The provider serves everyone with the default policies.
    #[error("a shared provider cannot be changed")]
    Shared,
    /// The document is not a JWS, or its signature is not good.
    #[error("the document is refused: {0}")]
    Document(TokenError),
    /// The payload is not acceptable JSON.
    #[error("the payload of the document is refused: {problem}")]
    Payload {
        /// What is wrong.
        problem: String,
    },
    /// The payload lacks the member that the call is about.
    #[error("the payload of the document has no member `{member}`")]
    MemberMissing {
        /// The member.
        member: &'static str,
    },
    /// The policy is not base64url of UTF-8.
    #[error("the member `AttestationPolicy` is not base64url of UTF-8 text")]
    PolicyEncoding,
    /// The payload of a reset must be empty.
    #[error("a reset takes a document with an empty payload")]
    ResetPayload,
    /// The policy does not compile.
    #[error("the policy is not valid")]
    PolicyParsing {
        /// Every finding, with line and column.
        diagnostics: Vec<Diagnostic>,
    },
    /// The policy names a baseline that this service does not know.
    #[error("the policy names the baseline `{name}`, which is not known here")]
    UnknownBaseline {
        /// The name.
        name: String,
    },
    /// The provider has signers and the document is not signed.
    #[error("the document is not signed, but the provider accepts only documents of its policy signers")]
    Unsigned,
    /// The document is signed by someone else than a registered signer.
    #[error("the signer of the document is not a policy signer of the provider: {0}")]
    SignerNotTrusted(TokenError),
    /// The certificate to add or remove cannot be used.
    #[error("the policy signer is refused: {0}")]
    SignerCertificate(TokenError),
    /// An isolated provider keeps at least one signer.
    #[error("the last policy signer of an isolated provider cannot be removed")]
    LastSigner,
    /// More signers than are kept.
    #[error("a provider has at most {limit} policy signers")]
    TooManySigners {
        /// The limit.
        limit: usize,
    },
    /// The provider has no key of that name and purpose.
    #[error("there is no {} key `{kid}`", purpose.as_str())]
    UnknownKey {
        /// The key.
        kid: String,
        /// Its purpose.
        purpose: Purpose,
    },
    /// A key could not be made, wrapped or used.
    #[error("the signing keys cannot be used: {0}")]
    Key(TokenError),
    /// So many keys were made that no more fit into the key set.
    #[error("the key set is full: {limit} keys whose tokens are still valid")]
    TooManyKeys {
        /// The limit.
        limit: usize,
    },
    /// The store was born under `--dev`, wherever it lies now.
    #[error("the store was made by `--dev` and is not used without it")]
    Development,
    /// The store was born without `--dev`.
    #[error("the store is that of a production service and is not used with `--dev`")]
    Production,
    /// Someone else changed the same thing again and again.
    #[error("someone else changes the same thing at this moment")]
    Conflict,
    /// The store refuses.
    #[error("{0}")]
    Store(StoreError),
    /// What is stored cannot be understood.
    #[error("what is stored as `{head}` cannot be used: {problem}")]
    Corrupt {
        /// Where it is stored.
        head: String,
        /// What is wrong.
        problem: String,
    },
    /// The system gives no randomness.
    #[error("{0}")]
    Random(NoRandomness),
    /// The service is going down.
    #[error("the service is stopping")]
    Stopping,
}

/// Whose fault an error is, for the status of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request is refused.
    Request,
    /// What the request names does not exist.
    NotFound,
    /// It collides with what exists.
    Conflict,
    /// The service cannot do it now.
    Unavailable,
    /// The service has a problem.
    Internal,
}

impl RegistryError {
    /// The stable code, in kebab-case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownProvider { .. } => "provider-unknown",
            Self::ProviderExists { .. } => "provider-exists",
            Self::ProviderName { .. } => "provider-name",
            Self::DefaultProvider => "provider-default",
            Self::Option { .. } => "provider-option",
            Self::Shared => "provider-shared",
            Self::Document(error) | Self::SignerCertificate(error) | Self::Key(error) => error.code(),
            Self::Payload { .. } => "policy-payload",
            Self::MemberMissing { .. } => "policy-member-missing",
            Self::PolicyEncoding => "policy-encoding",
            Self::ResetPayload => "policy-reset-payload",
            Self::PolicyParsing { .. } => "policy-parsing",
            Self::UnknownBaseline { .. } => "policy-unknown-baseline",
            Self::Unsigned => "policy-unsigned",
            Self::SignerNotTrusted(_) => "policy-signer-not-trusted",
            Self::LastSigner => "signer-last",
            Self::TooManySigners { .. } => "signer-count",
            Self::UnknownKey { .. } => "key-unknown",
            Self::TooManyKeys { .. } => "key-count",
            Self::Development => "store-development",
            Self::Production => "store-production",
            Self::Conflict => "registry-conflict",
            Self::Store(error) => error.code(),
            Self::Corrupt { .. } => "registry-corrupt",
            Self::Random(_) => "no-randomness",
            Self::Stopping => "stopping",
        }
    }

    /// What the caller can do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::UnknownProvider { .. } => "list the providers and choose one of them",
            Self::ProviderExists { .. } | Self::ProviderName { .. } => "choose another name",
            Self::DefaultProvider => "set `default_provider.enabled = false` in the configuration",
            Self::Option { .. } => "leave the option out, or see its values in the documentation",
            Self::Shared => "create a provider of your own",
            Self::Document(error)
            | Self::SignerNotTrusted(error)
            | Self::SignerCertificate(error)
            | Self::Key(error) => error.help(),
            Self::Payload { .. } | Self::MemberMissing { .. } | Self::PolicyEncoding => {
                "send the payload {\"AttestationPolicy\": base64url of the policy text}; `assay policy hash --format json` shows the unsigned document"
            }
            Self::ResetPayload => {
                "send the header {\"alg\":\"none\"} with an empty payload, or sign an empty payload"
            }
            Self::PolicyParsing { .. } => "correct the policy; `assay policy check` shows every error",
            Self::UnknownBaseline { .. } => "use a baseline that `/tcbbaselines/SgxEnclave` lists",
            Self::Unsigned => "sign the document with the key of a policy signer",
            Self::LastSigner => "add the new signer before you remove the old one",
            Self::TooManySigners { .. } => "remove a signer first",
            Self::UnknownKey { .. } => "list the keys of the provider",
            Self::TooManyKeys { .. } => "wait until tokens of older keys have expired",
            Self::Development => "start with `--dev`, or use another store",
            Self::Production => "start without `--dev`, or use another store",
            Self::Conflict | Self::Stopping | Self::Random(_) => "try again in a moment",
            Self::Store(error) => error.help(),
            Self::Corrupt { .. } => "check the store with `assay audit verify`, and restore from a backup",
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::UnknownProvider { .. } | Self::UnknownKey { .. } => Fault::NotFound,
            Self::ProviderExists { .. } | Self::Conflict | Self::TooManyKeys { .. } => Fault::Conflict,
            Self::Stopping | Self::Store(StoreError::Busy | StoreError::Full | StoreError::Closed) => {
                Fault::Unavailable
            }
            Self::Key(_) | Self::Corrupt { .. } | Self::Random(_) | Self::Store(_) => Fault::Internal,
            Self::Development | Self::Production => Fault::Internal,
            _ => Fault::Request,
        }
    }
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<NoRandomness> for RegistryError {
    fn from(error: NoRandomness) -> Self {
        Self::Random(error)
    }
}
