//! Writes a configuration.

use std::process::ExitCode;

use assay_service::egress::check_url;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;
use crate::remote::trimmed;

/// The `api-version` that Azure's configurations have; services of this kind pass over it.
const AZURE_API_VERSION: &str = "2021-07-22-preview";
/// The agent of the node.
const AGENT: &str = "http://169.254.169.254/metadata/THIM/sgx/certification";

/// What the configuration is to say.
#[derive(Debug, clap::Args)]
pub(super) struct Wanted {
    /// Address of the service: https, host, and port if it is not 443
    #[arg(long, required_unless_present = "check")]
    url: Option<String>,
    /// Version of the interface; v3 has no TDX, and Intel has ended it
    #[arg(long, value_enum, default_value_t = Api::V4)]
    api: Api,
    /// Where certificates of this node are asked for first: an agent on the node, or a cloud's metadata service
    #[arg(long, value_name = "URL")]
    local_pck_url: Option<String>,
    /// Where collateral comes from, if not from the service
    #[arg(long, value_name = "URL")]
    collateral_service: Option<String>,
    /// Do not check the service's certificate: for tests
    #[arg(long)]
    insecure: bool,
    /// Hours that the library keeps certificates and collateral
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u16).range(0..=2160))]
    cache_hours: u16,
    /// The shape of Azure's configurations: certificates from the metadata address of the node first
    #[arg(long)]
    azure: bool,
}

/// A version of Intel's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Api {
    V3,
    V4,
}

impl Api {
    const fn as_str(self) -> &'static str {
        match self {
            Self::V3 => "v3",
            Self::V4 => "v4",
        }
    }
}

pub(super) fn run(wanted: &Wanted, output: &mut Output) -> Result<ExitCode, Failure> {
    let text = wanted.to_text()?;
    output.data(&text);
    if wanted.insecure {
        output.talk(
            "warning: the service's certificate is not checked; install its authority on the node instead, and leave out `--insecure`",
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// In the order in which a person reads it.
#[derive(Serialize)]
struct Configuration {
    pccs_url: String,
    use_secure_cert: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    collateral_service: Option<String>,
    pccs_api_version: &'static str,
    retry_times: u8,
    retry_delay: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_pck_url: Option<String>,
    pck_cache_expire_hours: u16,
    verify_collateral_cache_expire_hours: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_request_options: Option<Value>,
}

impl Wanted {
    pub(super) fn to_text(&self) -> Result<String, Failure> {
        let json = serde_json::to_string_pretty(&self.configuration()?);
        let json = json.map_err(|error| Failure::new(format!("could not write JSON: {error}")))?;
        // The library takes a file that begins with anything else for the old form, if there is a mistake in it.
        let comment = "{\n  // Where Intel's quote provider library asks. Upper and lower case matter, and numbers and\n  \
                       // booleans have no quotes: what is written otherwise is ignored without a word.\n";
        Ok(format!("{}\n", json.replacen("{\n", comment, 1)))
    }

    fn configuration(&self) -> Result<Configuration, Failure> {
        let collateral = match (&self.collateral_service, self.azure) {
            (Some(collateral), _) => Some(collateral.as_str()),
            (None, true) => self.url.as_deref(),
            (None, false) => None,
        };
        let agent = || format!("{AGENT}/{}/", self.api.as_str());
        let local = self.local_pck_url.as_deref().map(with_slash).or_else(|| self.azure.then(agent));
        let needs_header = local.as_ref().is_some_and(|local| self.azure || local.contains("/metadata/"));
        Ok(Configuration {
            pccs_url: self.base(self.url.as_deref().unwrap_or_default())?,
            use_secure_cert: !self.insecure,
            collateral_service: collateral.map(|url| self.base(url)).transpose()?,
            pccs_api_version: "3.1",
            retry_times: 6,
            retry_delay: 5,
            local_pck_url: local,
            pck_cache_expire_hours: self.cache_hours,
            verify_collateral_cache_expire_hours: self.cache_hours,
            custom_request_options: needs_header.then(metadata_options),
        })
    }

    /// An address with the path of the interface, unless it has one.
    fn base(&self, url: &str) -> Result<String, Failure> {
        check_url(url).map_err(|error| Failure::new(error.to_string()))?;
        if url.contains("/sgx/certification/") {
            return Ok(with_slash(url));
        }
        Ok(format!("{}/sgx/certification/{}/", trimmed(url), self.api.as_str()))
    }
}

fn with_slash(url: &str) -> String {
    format!("{}/", trimmed(url))
}

fn metadata_options() -> Value {
    json!({"get_cert": {"headers": {"metadata": "true"}, "params": {"api-version": AZURE_API_VERSION}}})
}
