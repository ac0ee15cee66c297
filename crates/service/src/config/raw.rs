//! What a configuration file may hold. Every setting knows where it came from.

use assay_appraisal::{CompliantImage, SnpBaseline};
use assay_token::Algorithm;
use serde::{Deserialize, Deserializer, Serialize};
use toml::Spanned;

use super::{Grant, LogFormat, Origin, Problem};

/// A value and its origin.
#[derive(Clone, Debug)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Setting<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        let origin = Origin::File(Some(spanned.span().start));
        Ok(Self { value: spanned.into_inner(), origin })
    }
}

pub(crate) type Optional<T> = Option<Setting<T>>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Raw {
    pub(crate) listen: Optional<String>,
    pub(crate) public_url: Optional<String>,
    pub(crate) service_domain: Optional<String>,
    pub(crate) data_dir: Optional<String>,
    pub(crate) tls: RawTls,
    pub(crate) operations: RawOperations,
    pub(crate) collateral: RawCollateral,
    pub(crate) store: RawStore,
    pub(crate) keys: RawKeys,
    pub(crate) auth: RawAuth,
    pub(crate) limits: RawLimits,
    pub(crate) baseline: RawBaseline,
    pub(crate) snp: RawSnp,
    pub(crate) audit: RawAudit,
    pub(crate) log: RawLog,
    pub(crate) default_provider: RawDefaultProvider,
    pub(crate) egress: RawEgress,
    pub(crate) clock: RawClock,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawTls {
    pub(crate) cert: Optional<String>,
    pub(crate) key: Optional<String>,
    pub(crate) disabled: Optional<bool>,
    pub(crate) behind_proxy: Optional<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawOperations {
    pub(crate) listen: Optional<String>,
    pub(crate) metrics_token_sha512: Optional<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawCollateral {
    pub(crate) dir: Optional<OneOrMany>,
    pub(crate) mode: Optional<String>,
    pub(crate) serve_expired: Optional<bool>,
    pub(crate) refresh_hours: Optional<u32>,
    pub(crate) archive_evaluations: Optional<u32>,
    pub(crate) upstreams: Vec<RawUpstream>,
    pub(crate) administration: RawAdministration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawAdministration {
    pub(crate) listen: Optional<String>,
    pub(crate) user_token_sha512: Optional<String>,
    pub(crate) admin_token_sha512: Optional<String>,
    pub(crate) bundle_signer: Optional<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawUpstream {
    pub(crate) kind: Setting<String>,
    pub(crate) name: Optional<String>,
    pub(crate) url: Optional<OneOrMany>,
    pub(crate) root_crl_url: Optional<String>,
    pub(crate) registration_url: Optional<String>,
    pub(crate) path: Optional<String>,
    pub(crate) signer: Optional<String>,
    pub(crate) key_file: Optional<String>,
    pub(crate) ca_file: Optional<String>,
    pub(crate) timeout_seconds: Optional<u32>,
    pub(crate) retries: Optional<u32>,
    pub(crate) requests_per_second: Optional<f64>,
    pub(crate) burst: Optional<u32>,
}

/// `"a"` or `["a", "b"]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a string or a list of strings")]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawStore {
    pub(crate) path: Optional<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawKeys {
    pub(crate) master_key_file: Optional<String>,
    pub(crate) master_key_credential: Optional<String>,
    pub(crate) rotation_days: Optional<u32>,
    pub(crate) publish_before_hours: Optional<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawAuth {
    pub(crate) issuers: Vec<RawIssuer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawIssuer {
    pub(crate) issuer: Setting<String>,
    pub(crate) audiences: Setting<Vec<String>>,
    pub(crate) roles_claim: Optional<String>,
    pub(crate) ca_file: Optional<String>,
    #[serde(default)]
    pub(crate) admin_roles: Vec<String>,
    #[serde(default)]
    pub(crate) role: Vec<RawRole>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRole {
    pub(crate) value: String,
    pub(crate) provider: Setting<String>,
    pub(crate) grants: Grant,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLimits {
    pub(crate) body_bytes: Optional<usize>,
    pub(crate) requests_per_second_per_source: Optional<u32>,
    pub(crate) burst: Optional<u32>,
    pub(crate) drafts_per_minute_per_source: Optional<u32>,
    pub(crate) header_timeout_seconds: Optional<u32>,
    pub(crate) body_timeout_seconds: Optional<u32>,
    pub(crate) idle_timeout_seconds: Optional<u32>,
    pub(crate) connections: Optional<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawBaseline {
    pub(crate) accepted_tcb_statuses: Optional<Vec<String>>,
    pub(crate) minimum_evaluation_number: Optional<u32>,
    pub(crate) snp: SnpBaseline,
}

/// What is demanded of SEV-SNP evidence. Lists that are given take the place of the built-in ones.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawSnp {
    pub(crate) crl: Optional<String>,
    pub(crate) vlek_providers: Optional<Vec<String>>,
    pub(crate) image_issuers: Optional<Vec<RawImageIssuer>>,
    pub(crate) time_stamp_authorities: Optional<Vec<String>>,
    pub(crate) compliant: Optional<Vec<CompliantImage>>,
}

/// Who may endorse images of utility VMs.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawImageIssuer {
    pub(crate) did: String,
    pub(crate) feed: String,
    #[serde(default)]
    pub(crate) minimum_svn: u64,
    #[serde(default)]
    pub(crate) status: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawAudit {
    pub(crate) durable: Optional<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLog {
    pub(crate) format: Optional<LogFormat>,
    pub(crate) level: Optional<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawDefaultProvider {
    pub(crate) enabled: Optional<bool>,
    pub(crate) writable: Optional<bool>,
    pub(crate) signing_algorithm: Optional<Algorithm>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawEgress {
    pub(crate) allow: Optional<Vec<String>>,
    pub(crate) ca_file: Optional<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawClock {
    pub(crate) refuse_behind: Optional<bool>,
}

pub(crate) fn parse(text: &str) -> Result<Raw, Problem> {
    toml::from_str(text).map_err(|error| Problem {
        origin: Origin::File(error.span().map(|span| span.start)),
        message: error.message().replace('\n', ", "),
    })
}
