//! The section `collateral.administration`: where platforms register and collateral is brought, and with which tokens.

use std::net::SocketAddr;

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
}

/// All of it, or nothing: a listener without tokens would be open to everybody.
pub(super) fn build(problems: &mut Problems, raw: RawAdministration) -> Option<AdministrationConfig> {
    let RawAdministration { listen, user_token_sha512, admin_token_sha512 } = raw;
    let given = [&listen, &user_token_sha512, &admin_token_sha512];
    let origin = given.into_iter().flatten().next()?.origin.clone();
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
    Some(AdministrationConfig { listen: listen?, tokens: Tokens { user: user?, admin: admin? } })
}

pub(super) fn to_toml(config: &AdministrationConfig) -> Value {
    let redacted = || Value::from("[redacted]");
    let mut table = Table::new();
    table.insert("listen".to_owned(), config.listen.to_string().into());
    table.insert("user_token_sha512".to_owned(), redacted());
    table.insert("admin_token_sha512".to_owned(), redacted());
    Value::Table(table)
}
