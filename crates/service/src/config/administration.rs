//! The section `collateral.administration`: where platforms register and collateral is brought, and with which tokens.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::{Table, Value};

use super::build::{Problems, address};
use super::raw::{Optional, RawAdministration};
use super::token::TokenDigest;
use crate::identity::administration::Tokens;

/// A listener for PCCS's registration and administration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdministrationConfig {
    /// Where it listens; with the service's own certificate.
    pub listen: SocketAddr,
    /// SHA-512 of the tokens, as PCCS keeps them.
    pub tokens: Tokens,
    /// The file with the public key of whoever signs bundles that are taken here; none are without it.
    pub bundle_signer: Option<PathBuf>,
}

/// All of it, or nothing: a listener without tokens would be open to everybody.
pub(super) fn build(problems: &mut Problems, raw: RawAdministration) -> Option<AdministrationConfig> {
    let RawAdministration { listen, user_token_sha512, admin_token_sha512, bundle_signer } = raw;
    let signer_origin = bundle_signer.as_ref().map(|signer| signer.origin.clone());
    let given = [&listen, &user_token_sha512, &admin_token_sha512];
    let origin =
        given.into_iter().flatten().next().map(|setting| setting.origin.clone()).or(signer_origin)?;
    let names = ["listen", "user_token_sha512", "admin_token_sha512"];
    let missing: Vec<&str> =
        given.into_iter().zip(names).filter(|(setting, _)| setting.is_none()).map(|(_, name)| name).collect();
    if !missing.is_empty() {
        let message = format!("`[collateral.administration]` lacks `{}`", missing.join("` and `"));
        problems.add(origin, message);
        return None;
    }
    let listen = problems.checked(listen, |text| address(&text));
    let mut token = |setting: Optional<String>| problems.checked(setting, |text| TokenDigest::parse(&text));
    let (user, admin) = (token(user_token_sha512), token(admin_token_sha512));
    let bundle_signer = bundle_signer.map(|file| file.value.into());
    Some(AdministrationConfig {
        listen: listen?,
        tokens: Tokens { user: user?, admin: admin? },
        bundle_signer,
    })
}

pub(super) fn to_toml(config: &AdministrationConfig) -> Value {
    let redacted = || Value::from("[redacted]");
    let mut table = Table::new();
    table.insert("listen".to_owned(), config.listen.to_string().into());
    table.insert("user_token_sha512".to_owned(), redacted());
    table.insert("admin_token_sha512".to_owned(), redacted());
    if let Some(signer) = &config.bundle_signer {
        table.insert("bundle_signer".to_owned(), signer.display().to_string().into());
    }
    Value::Table(table)
}
