//! `ASSAY_*` variables over the file.
//!
//! A misspelt setting is an error, as an unknown key in the file is. Other names with our prefix are left alone: container
//! platforms set `ASSAY_PORT`, `ASSAY_SERVICE_HOST` and the like in every container beside a service named `assay`.

use std::str::FromStr;

use zeroize::Zeroizing;

use super::raw::{OneOrMany, Optional, Raw, Setting};
use super::{LogFormat, Origin, Problem};

/// Settings that only the environment has.
#[derive(Debug, Default)]
pub(crate) struct FromEnvironment {
    pub(crate) master_key: Option<Zeroizing<String>>,
    pub(crate) test_clock: Option<Setting<String>>,
    /// `CREDENTIALS_DIRECTORY`, set by systemd.
    pub(crate) credentials: Option<String>,
}

/// Variables with our prefix that belong to tests and tools, not to the service.
const NOT_OURS: &[&str] = &["ASSAY_VECTORS", "ASSAY_CONFIG"];

type Set = fn(&mut Raw, Setting<String>) -> Result<(), String>;

const TABLE: &[(&str, Set)] = &[
    ("ASSAY_LISTEN", |raw, text| set(&mut raw.listen, text)),
    ("ASSAY_PUBLIC_URL", |raw, text| set(&mut raw.public_url, text)),
    ("ASSAY_SERVICE_DOMAIN", |raw, text| set(&mut raw.service_domain, text)),
    ("ASSAY_DATA_DIR", |raw, text| set(&mut raw.data_dir, text)),
    ("ASSAY_TLS_CERT", |raw, text| set(&mut raw.tls.cert, text)),
    ("ASSAY_TLS_KEY", |raw, text| set(&mut raw.tls.key, text)),
    ("ASSAY_TLS_DISABLED", |raw, text| set(&mut raw.tls.disabled, text)),
    ("ASSAY_TLS_BEHIND_PROXY", |raw, text| set(&mut raw.tls.behind_proxy, text)),
    ("ASSAY_OPERATIONS_LISTEN", |raw, text| set(&mut raw.operations.listen, text)),
    ("ASSAY_OPERATIONS_METRICS_TOKEN_SHA512", |raw, text| {
        set(&mut raw.operations.metrics_token_sha512, text)
    }),
    ("ASSAY_COLLATERAL_DIR", |raw, text| {
        raw.collateral.dir = Some(Setting { value: OneOrMany::Many(list(&text.value)), origin: text.origin });
        Ok(())
    }),
    ("ASSAY_COLLATERAL_MODE", |raw, text| set(&mut raw.collateral.mode, text)),
    ("ASSAY_COLLATERAL_SERVE_EXPIRED", |raw, text| set(&mut raw.collateral.serve_expired, text)),
    ("ASSAY_COLLATERAL_REFRESH_HOURS", |raw, text| set(&mut raw.collateral.refresh_hours, text)),
    ("ASSAY_COLLATERAL_ARCHIVE_EVALUATIONS", |raw, text| set(&mut raw.collateral.archive_evaluations, text)),
    ("ASSAY_COLLATERAL_ADMINISTRATION_LISTEN", |raw, text| {
        set(&mut raw.collateral.administration.listen, text)
    }),
    ("ASSAY_COLLATERAL_ADMINISTRATION_USER_TOKEN_SHA512", |raw, text| {
        set(&mut raw.collateral.administration.user_token_sha512, text)
    }),
    ("ASSAY_COLLATERAL_ADMINISTRATION_ADMIN_TOKEN_SHA512", |raw, text| {
        set(&mut raw.collateral.administration.admin_token_sha512, text)
    }),
    ("ASSAY_COLLATERAL_ADMINISTRATION_BUNDLE_SIGNER", |raw, text| {
        set(&mut raw.collateral.administration.bundle_signer, text)
    }),
    ("ASSAY_STORE_PATH", |raw, text| set(&mut raw.store.path, text)),
    ("ASSAY_KEYS_MASTER_KEY_FILE", |raw, text| set(&mut raw.keys.master_key_file, text)),
    ("ASSAY_KEYS_MASTER_KEY_CREDENTIAL", |raw, text| set(&mut raw.keys.master_key_credential, text)),
    ("ASSAY_KEYS_ROTATION_DAYS", |raw, text| set(&mut raw.keys.rotation_days, text)),
    ("ASSAY_KEYS_PUBLISH_BEFORE_HOURS", |raw, text| set(&mut raw.keys.publish_before_hours, text)),
    ("ASSAY_LIMITS_BODY_BYTES", |raw, text| set(&mut raw.limits.body_bytes, text)),
    ("ASSAY_LIMITS_REQUESTS_PER_SECOND_PER_SOURCE", |raw, text| {
        set(&mut raw.limits.requests_per_second_per_source, text)
    }),
    ("ASSAY_LIMITS_BURST", |raw, text| set(&mut raw.limits.burst, text)),
    ("ASSAY_LIMITS_DRAFTS_PER_MINUTE_PER_SOURCE", |raw, text| {
        set(&mut raw.limits.drafts_per_minute_per_source, text)
    }),
    ("ASSAY_LIMITS_HEADER_TIMEOUT_SECONDS", |raw, text| set(&mut raw.limits.header_timeout_seconds, text)),
    ("ASSAY_LIMITS_BODY_TIMEOUT_SECONDS", |raw, text| set(&mut raw.limits.body_timeout_seconds, text)),
    ("ASSAY_LIMITS_IDLE_TIMEOUT_SECONDS", |raw, text| set(&mut raw.limits.idle_timeout_seconds, text)),
    ("ASSAY_LIMITS_CONNECTIONS", |raw, text| set(&mut raw.limits.connections, text)),
    ("ASSAY_BASELINE_ACCEPTED_TCB_STATUSES", |raw, text| {
        set_list(&mut raw.baseline.accepted_tcb_statuses, text)
    }),
    ("ASSAY_BASELINE_MINIMUM_EVALUATION_NUMBER", |raw, text| {
        set(&mut raw.baseline.minimum_evaluation_number, text)
    }),
    ("ASSAY_SNP_CRL", |raw, text| set(&mut raw.snp.crl, text)),
    ("ASSAY_SNP_VLEK_PROVIDERS", |raw, text| set_list(&mut raw.snp.vlek_providers, text)),
    ("ASSAY_SNP_TIME_STAMP_AUTHORITIES", |raw, text| set_list(&mut raw.snp.time_stamp_authorities, text)),
    ("ASSAY_AUDIT_DURABLE", |raw, text| set(&mut raw.audit.durable, text)),
    ("ASSAY_LOG_FORMAT", |raw, text| {
        let value = match text.value.as_str() {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            other => return Err(format!("`{other}` is not a log format; the formats are `text` and `json`")),
        };
        raw.log.format = Some(Setting { value, origin: text.origin });
        Ok(())
    }),
    ("ASSAY_LOG_LEVEL", |raw, text| set(&mut raw.log.level, text)),
    ("ASSAY_DEFAULT_PROVIDER_ENABLED", |raw, text| set(&mut raw.default_provider.enabled, text)),
    ("ASSAY_DEFAULT_PROVIDER_WRITABLE", |raw, text| set(&mut raw.default_provider.writable, text)),
    ("ASSAY_DEFAULT_PROVIDER_SIGNING_ALGORITHM", |raw, text| {
        set(&mut raw.default_provider.signing_algorithm, text)
    }),
    ("ASSAY_EGRESS_ALLOW", |raw, text| set_list(&mut raw.egress.allow, text)),
    ("ASSAY_EGRESS_CA_FILE", |raw, text| set(&mut raw.egress.ca_file, text)),
    ("ASSAY_CLOCK_REFUSE_BEHIND", |raw, text| set(&mut raw.clock.refuse_behind, text)),
];

pub(crate) fn apply(
    raw: &mut Raw,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<FromEnvironment, Vec<Problem>> {
    let mut own = FromEnvironment::default();
    let mut problems = Vec::new();
    let mut variables: Vec<_> = variables.into_iter().collect();
    variables.sort();
    for (name, value) in variables {
        let setting = Setting { value, origin: Origin::Environment(name.clone()) };
        if let Err(message) = apply_one(raw, &mut own, &name, setting) {
            problems.push(Problem { origin: Origin::Environment(name), message });
        }
    }
    if problems.is_empty() { Ok(own) } else { Err(problems) }
}

fn apply_one(
    raw: &mut Raw,
    own: &mut FromEnvironment,
    name: &str,
    setting: Setting<String>,
) -> Result<(), String> {
    match name {
        "CREDENTIALS_DIRECTORY" => own.credentials = Some(setting.value),
        "ASSAY_MASTER_KEY" => own.master_key = Some(Zeroizing::new(setting.value)),
        "ASSAY_TEST_CLOCK" => own.test_clock = Some(setting),
        name if !name.starts_with("ASSAY_") || NOT_OURS.contains(&name) => {}
        name => match TABLE.iter().find(|(known, _)| *known == name) {
            Some((_, set)) => set(raw, setting)?,
            None if is_misspelt(name) => return Err("there is no such setting".to_owned()),
            None => {}
        },
    }
    Ok(())
}

/// The sections of the file: whatever begins so is meant as a setting.
const SECTIONS: &[&str] = &[
    "ASSAY_AUDIT_",
    "ASSAY_AUTH_",
    "ASSAY_BASELINE_",
    "ASSAY_SNP_",
    "ASSAY_CLOCK_",
    "ASSAY_COLLATERAL_",
    "ASSAY_DEFAULT_PROVIDER_",
    "ASSAY_EGRESS_",
    "ASSAY_KEYS_",
    "ASSAY_LIMITS_",
    "ASSAY_LOG_",
    "ASSAY_OPERATIONS_",
    "ASSAY_STORE_",
    "ASSAY_TLS_",
];

/// Whether an unknown name was meant as a setting: it names a section, or is a slip or two away from a setting.
fn is_misspelt(name: &str) -> bool {
    SECTIONS.iter().any(|section| name.starts_with(section))
        || TABLE.iter().any(|(known, _)| distance(known, name) <= 2)
}

/// Levenshtein distance: the fewest letters to insert, delete or replace.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i.saturating_add(1);
        for (b, above) in other.bytes().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(a != b));
            diagonal = *above;
            left = replaced.min(left.saturating_add(1)).min(above.saturating_add(1));
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i.saturating_add(1);
        }
    }
    row.last().copied().unwrap_or_default()
}

fn set<T: FromStr<Err: std::fmt::Display>>(
    field: &mut Optional<T>,
    text: Setting<String>,
) -> Result<(), String> {
    let value = text.value.parse().map_err(|error| format!("`{}` cannot be used: {error}", text.value))?;
    *field = Some(Setting { value, origin: text.origin });
    Ok(())
}

fn set_list(field: &mut Optional<Vec<String>>, text: Setting<String>) -> Result<(), String> {
    *field = Some(Setting { value: list(&text.value), origin: text.origin });
    Ok(())
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_meant_as_a_setting_is_refused() {
        for name in [
            "ASSAY_LISSEN",
            "ASSAY_LISTENN",
            "ASSAY_LIMITS_BRUST",
            "ASSAY_TLS_CERTIFICATE",
            "ASSAY_PUBLC_URL",
        ] {
            assert!(is_misspelt(name), "{name}");
        }
        for name in [
            "ASSAY_PORT",
            "ASSAY_PORT_8443_TCP",
            "ASSAY_SERVICE_HOST",
            "ASSAY_SERVICE_PORT",
            "ASSAY_TOKEN",
            "ASSAY_BIN",
        ] {
            assert!(!is_misspelt(name), "{name}");
        }
    }

    #[test]
    fn distances() {
        for (one, other, expected) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "abd", 1), ("abc", "acb", 2), ("a", "abc", 2)]
        {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }
}
