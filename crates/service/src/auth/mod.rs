//! Who is calling: bearer tokens of the configured OpenID Connect issuers, and under `--dev` the administrator's token.

mod issuer;

use std::sync::Arc;

use assay_token::{Limits, TokenError, parse, sha256};
use assay_verify::UnixTime;
use http::HeaderValue;
use serde_json::Value;

use crate::clock::Clock;
use crate::config::{Config, Grant, IssuerConfig};
use crate::counters::Counters;
use crate::egress::{Client, EgressError, EgressPolicy, Roots};
use crate::files;

use issuer::Issuer;

/// Tokens of real issuers have 1 to 3 kB; hundreds of groups make ten times that.
const MAX_TOKEN: usize = 64 * 1024;
/// By how much the clocks of issuers may differ from ours.
const LEEWAY: u64 = 60;
/// PEM of a few hundred authorities.
const CA_FILE_MAX: u64 = 4 * 1024 * 1024;
const DEV_ISSUER: &str = "dev";
const DEV_SUBJECT: &str = "administrator";

/// A caller, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody said who it is.
    Anonymous,
    /// The holder of a token that was checked.
    Bearer(Principal),
}

/// Who a checked token is about. Only [`Authenticator::authenticate`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The `sub` of the token.
    pub subject: String,
    /// The `iss` of the token.
    pub issuer: String,
    /// The roles in the token.
    pub roles: Vec<String>,
    /// What the roles allow: provider or `*`, and how much.
    grants: Vec<(String, Grant)>,
}

impl Principal {
    /// For the administrative log.
    #[must_use]
    pub fn actor(&self) -> crate::registry::Actor {
        crate::registry::Actor::bearer(&self.issuer, &self.subject)
    }
}

/// What a caller wants to do with a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Read policies, signers and decisions.
    Read,
    /// Set policies and add signers.
    Write,
    /// Reset policies and remove signers.
    Delete,
    /// Make and delete providers, rotate keys.
    Admin,
}

impl Permission {
    /// The least that a role must grant.
    #[must_use]
    pub const fn needs(self) -> Grant {
        match self {
            Self::Read => Grant::Reader,
            Self::Write | Self::Delete => Grant::Contributor,
            Self::Admin => Grant::Admin,
        }
    }
}

/// Why a bearer token is refused: for `WWW-Authenticate`, so it says little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The header is not one bearer token.
    #[error("the Authorization header is not a bearer token")]
    Header,
    /// The token is not a signed JWT.
    #[error("the token is malformed")]
    Malformed,
    /// Its issuer is not configured, or is this service itself.
    #[error("the issuer is not accepted")]
    Issuer,
    /// It is for somebody else.
    #[error("the audience is wrong")]
    Audience,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// It is not valid yet.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// No key, wrong key, wrong algorithm, or a bad signature.
    #[error("the signature is not valid")]
    Signature,
    /// A claim is missing or malformed.
    #[error("a claim is missing or malformed")]
    Claims,
    /// The issuer's keys cannot be fetched now.
    #[error("the issuer's keys are not available")]
    Unavailable,
}

impl AuthError {
    /// The error code of RFC 6750, section 3.1.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Header => "invalid_request",
            _ => "invalid_token",
        }
    }

    /// The value of `WWW-Authenticate`.
    #[must_use]
    pub fn challenge(self) -> String {
        format!("Bearer error=\"{}\", error_description=\"{self}\"", self.code())
    }
}

/// Why authentication cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthSetupError {
    /// A file with certification authorities cannot be read.
    #[error("{0}")]
    File(files::FileError),
    /// What is in it cannot be used.
    #[error("the issuer `{issuer}`: {error}")]
    Egress {
        /// The issuer it is for.
        issuer: String,
        /// What is wrong.
        error: EgressError,
    },
}

/// Tells who is calling, and what that allows.
pub struct Authenticator {
    public_url: String,
    issuers: Vec<Issuer>,
    /// SHA-256 of the administrator's token of `--dev`.
    dev_token: Option<[u8; 32]>,
    counters: Arc<Counters>,
    clock: Clock,
}

impl Authenticator {
    /// Sets up the issuers of the configuration. `dev_token` is the administrator's token of `--dev`.
    ///
    /// # Errors
    /// A file with certification authorities cannot be used.
    pub fn new(
        config: &Config,
        dev_token: Option<&str>,
        clock: Clock,
        counters: Arc<Counters>,
    ) -> Result<Self, AuthSetupError> {
        let roots = match &config.egress.ca_file {
            Some(file) => with_file(Roots::web(), file, "egress.ca_file")?,
            None => Roots::web(),
        };
        let issuers = config.auth.issuers.iter();
        let issuers =
            issuers.map(|issuer| set_up(issuer, config, roots.clone())).collect::<Result<_, _>>()?;
        let dev_token = dev_token.map(|token| sha256(token.as_bytes()));
        Ok(Self { public_url: config.public_url.clone(), issuers, dev_token, counters, clock })
    }

    /// Says who sent an `Authorization` header. None at all is an anonymous caller.
    ///
    /// # Errors
    /// [`AuthError`], for an answer with 401.
    pub async fn authenticate(
        &self,
        header: Option<&HeaderValue>,
        now: UnixTime,
    ) -> Result<Caller, AuthError> {
        let Some(header) = header else { return Ok(Caller::Anonymous) };
        let token = bearer(header)?;
        if self.is_dev_token(token) {
            return Ok(Caller::Bearer(dev_administrator()));
        }
        let claimed = claimed_issuer(token)?;
        // Whatever the configuration says: an attestation result must never pass for an administrator.
        if crate::config::is_below(&claimed, &self.public_url) {
            return Err(AuthError::Issuer);
        }
        let issuer =
            self.issuers.iter().find(|issuer| issuer.config.issuer == claimed).ok_or(AuthError::Issuer)?;
        let verified = issuer.verify(token, now, LEEWAY, &self.clock, &self.counters).await?;
        principal(&issuer.config, verified.claims()).map(Caller::Bearer)
    }

    /// Whether a caller may do something with a provider.
    #[must_use]
    pub fn may(&self, caller: &Caller, provider: &str, permission: Permission) -> bool {
        let Caller::Bearer(principal) = caller else { return false };
        let covers = |name: &str| name == "*" || name.eq_ignore_ascii_case(provider);
        principal.grants.iter().any(|(name, grant)| covers(name) && *grant >= permission.needs())
    }

    /// Digests are compared, in constant time, so that neither time nor length tells anything.
    fn is_dev_token(&self, token: &str) -> bool {
        self.dev_token.is_some_and(|expected| {
            aws_lc_rs::constant_time::verify_slices_are_equal(&expected, &sha256(token.as_bytes())).is_ok()
        })
    }
}

fn dev_administrator() -> Principal {
    Principal {
        subject: DEV_SUBJECT.to_owned(),
        issuer: DEV_ISSUER.to_owned(),
        roles: Vec::new(),
        grants: vec![("*".to_owned(), Grant::Admin)],
    }
}

fn set_up(config: &IssuerConfig, settings: &Config, roots: Roots) -> Result<Issuer, AuthSetupError> {
    let roots = match &config.ca_file {
        Some(file) => with_file(roots, file, &config.issuer)?,
        None => roots,
    };
    let policy = EgressPolicy { allow: settings.egress.allow.clone(), ..EgressPolicy::default() };
    let failed = |error| AuthSetupError::Egress { issuer: config.issuer.clone(), error };
    let client = Client::new(policy, roots).map_err(failed)?;
    Ok(Issuer::new(config.clone(), client))
}

fn with_file(roots: Roots, file: &std::path::Path, issuer: &str) -> Result<Roots, AuthSetupError> {
    let pem = files::read(file, CA_FILE_MAX).map_err(AuthSetupError::File)?;
    roots.with_pem(&pem).map_err(|error| AuthSetupError::Egress { issuer: issuer.to_owned(), error })
}

/// RFC 6750, section 2.1; the scheme's name in any case (RFC 9110, section 11.1).
fn bearer(header: &HeaderValue) -> Result<&str, AuthError> {
    let (scheme, token) =
        header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(AuthError::Header)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(AuthError::Header);
    }
    if token.len() > MAX_TOKEN { Err(AuthError::Malformed) } else { Ok(token) }
}

/// The `iss` that the token claims, only to choose the key set that must then confirm it.
fn claimed_issuer(token: &str) -> Result<String, AuthError> {
    let limits = Limits { max_bytes: MAX_TOKEN, ..Limits::default() };
    let jws = parse(token, &limits).map_err(|_| AuthError::Malformed)?;
    let claims: serde_json::Map<String, Value> =
        assay_json::from_slice(jws.payload(), &assay_json::Limits::bytes(MAX_TOKEN))
            .map_err(|_| AuthError::Malformed)?;
    claims.get("iss").and_then(Value::as_str).map(str::to_owned).ok_or(AuthError::Claims)
}

fn principal(config: &IssuerConfig, claims: &serde_json::Map<String, Value>) -> Result<Principal, AuthError> {
    let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| !subject.is_empty());
    let subject = subject.ok_or(AuthError::Claims)?.to_owned();
    let roles: Vec<String> = match claims.get(&config.roles_claim) {
        Some(Value::String(role)) => vec![role.clone()],
        Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let granted = config.roles.iter().filter(|role| roles.contains(&role.value));
    let grants = granted.map(|role| (role.provider.clone(), role.grants)).collect();
    Ok(Principal { subject, issuer: config.issuer.clone(), roles, grants })
}

/// What of a verification error the caller is told.
fn described(errors: &[TokenError]) -> AuthError {
    match errors.first() {
        Some(TokenError::Expired { .. }) => AuthError::Expired,
        Some(TokenError::NotYetValid { .. } | TokenError::IssuedInFuture { .. }) => AuthError::NotYetValid,
        Some(TokenError::Audience { .. }) => AuthError::Audience,
        Some(TokenError::Issuer { .. }) => AuthError::Issuer,
        Some(TokenError::ClaimMissing { name: "aud" }) => AuthError::Audience,
        Some(TokenError::ClaimMissing { .. } | TokenError::ClaimType { .. }) => AuthError::Claims,
        Some(
            TokenError::TooLarge { .. }
            | TokenError::PartCount { .. }
            | TokenError::Base64 { .. }
            | TokenError::Json { .. }
            | TokenError::HeaderMember { .. }
            | TokenError::HeaderUnsupported { .. },
        ) => AuthError::Malformed,
        _ => AuthError::Signature,
    }
}

#[cfg(test)]
pub(crate) mod tests;
