//! The effective configuration for people, as a file that could be given again.

use toml::{Table, Value};

use super::{Config, IssuerConfig};
use crate::keys::MasterKeySource;

pub(crate) fn to_toml(config: &Config) -> String {
    let mut table = Table::new();
    let mut put = |name: &str, value: Value| table.insert(name.to_owned(), value);
    put("listen", config.listen.to_string().into());
    put("public_url", config.public_url.clone().into());
    if let Some(domain) = &config.service_domain {
        put("service_domain", domain.clone().into());
    }
    put("data_dir", path(&config.data_dir));
    put("tls", tls(config));
    let listen = config.operations_listen.map(|listen| ("listen", listen.to_string()));
    let token = config.metrics_token.as_ref().map(|_| ("metrics_token_sha512", "[redacted]".to_owned()));
    let operations = listen.into_iter().chain(token).map(|(name, value)| (name.to_owned(), value.into()));
    let operations: Table = operations.collect();
    if !operations.is_empty() {
        put("operations", Value::Table(operations));
    }
    put("collateral", super::collateral::to_toml(config));
    put("store", section([("path", path(&config.store_dir))]));
    put("keys", keys(config));
    put("auth", section([("issuers", list(config.auth.issuers.iter().map(issuer)))]));
    put("limits", limits(config));
    let accepted = list(config.baseline.accepted.iter().cloned().map(Value::from));
    let minimum = i64::from(config.baseline.minimum_evaluation_number).into();
    let snp = serialized(&config.baseline.snp);
    put(
        "baseline",
        section([("accepted_tcb_statuses", accepted), ("minimum_evaluation_number", minimum), ("snp", snp)]),
    );
    put("snp", super::snp::to_toml(config));
    put("audit", section([("durable", config.audit_durable.into())]));
    let format = serialized(&config.log.format);
    put("log", section([("format", format), ("level", config.log.level.clone().into())]));
    put("default_provider", default_provider(config));
    put("egress", egress(config));
    put("clock", section([("refuse_behind", config.clock.refuse_behind.into())]));
    table.to_string()
}

fn tls(config: &Config) -> Value {
    if !config.plain_http {
        return section([("cert", path(&config.tls.cert)), ("key", path(&config.tls.key))]);
    }
    // Needed only where it was given: on an address that others reach.
    let proxied = !config.listen.ip().is_loopback();
    section([("disabled", true.into()), ("behind_proxy", proxied.into())])
}

fn section<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Table(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn list(items: impl Iterator<Item = Value>) -> Value {
    Value::Array(items.collect())
}

fn path(path: &std::path::Path) -> Value {
    Value::String(path.display().to_string())
}

/// The name that an enum has in the file.
fn serialized(value: &impl serde::Serialize) -> Value {
    Value::try_from(value).unwrap_or_else(|_| Value::String(String::new()))
}

fn number(value: usize) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn keys(config: &Config) -> Value {
    let mut table = Table::new();
    match &config.keys.master_key {
        MasterKeySource::File(file) => drop(table.insert("master_key_file".to_owned(), path(file))),
        MasterKeySource::Credential(file) => {
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            table.insert("master_key_credential".to_owned(), name.into());
        }
        // The secret stays out; the variable has to be set again.
        MasterKeySource::Environment(_) => {}
    }
    table.insert("rotation_days".to_owned(), i64::from(config.keys.rotation_days).into());
    table.insert("publish_before_hours".to_owned(), i64::from(config.keys.publish_before_hours).into());
    Value::Table(table)
}

fn issuer(issuer: &IssuerConfig) -> Value {
    let role = |role: &super::RoleConfig| {
        section([
            ("value", role.value.clone().into()),
            ("provider", role.provider.clone().into()),
            ("grants", serialized(&role.grants)),
        ])
    };
    let mut table = Table::new();
    table.insert("issuer".to_owned(), issuer.issuer.clone().into());
    table.insert("audiences".to_owned(), list(issuer.audiences.iter().cloned().map(Value::from)));
    table.insert("roles_claim".to_owned(), issuer.roles_claim.clone().into());
    if let Some(file) = &issuer.ca_file {
        table.insert("ca_file".to_owned(), path(file));
    }
    table.insert("role".to_owned(), list(issuer.roles.iter().map(role)));
    Value::Table(table)
}

fn limits(config: &Config) -> Value {
    let limits = &config.limits;
    let small = |value: u32| Value::Integer(i64::from(value));
    section([
        ("body_bytes", number(limits.body_bytes)),
        ("requests_per_second_per_source", small(limits.requests_per_second_per_source)),
        ("burst", small(limits.burst)),
        ("drafts_per_minute_per_source", small(limits.drafts_per_minute_per_source)),
        ("header_timeout_seconds", small(limits.header_timeout_seconds)),
        ("body_timeout_seconds", small(limits.body_timeout_seconds)),
        ("idle_timeout_seconds", small(limits.idle_timeout_seconds)),
        ("connections", number(limits.connections)),
    ])
}

fn default_provider(config: &Config) -> Value {
    let provider = &config.default_provider;
    section([
        ("enabled", provider.enabled.into()),
        ("writable", provider.writable.into()),
        ("signing_algorithm", provider.signing_algorithm.as_str().into()),
    ])
}

fn egress(config: &Config) -> Value {
    let mut table = Table::new();
    let allow = list(config.egress.allow.iter().map(|entry| Value::String(entry.to_string())));
    table.insert("allow".to_owned(), allow);
    if let Some(file) = &config.egress.ca_file {
        table.insert("ca_file".to_owned(), path(file));
    }
    Value::Table(table)
}
