//! `assay provider`: administers the providers of a running service.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use http::Method;
use serde_json::{Map, Value, json};

use super::inspect;
use crate::document::Node;
use crate::failure::Failure;
use crate::input;
use crate::output::{Format, Output};
use crate::remote::{Body, ServiceArguments};

/// Administer the providers of a running service
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: a provider of a service under --dev:
  assay provider create payments --url https://localhost:8443 --data assay-dev
  assay provider list --url https://localhost:8443 --data assay-dev")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Create(CreateArguments),
    List(ListArguments),
    Show(ShowArguments),
    Delete(DeleteArguments),
    Keys(KeysArguments),
    RotateKey(RotateArguments),
    RevokeKey(RevokeArguments),
}

/// Make a provider
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: a provider whose policies must be signed with the key of a certificate:
  assay provider create payments --isolated signer.pem --url https://localhost:8443 --data assay-dev")]
struct CreateArguments {
    /// Its name: 3 to 24 letters, digits and hyphens
    #[arg(value_parser = name)]
    name: String,
    /// Certificate of a policy signer, PEM or DER; policies must then be signed. May be repeated
    #[arg(long, value_name = "CERT")]
    isolated: Vec<PathBuf>,
    /// How its tokens are signed: RS256, PS256, ES256 or ES384
    #[arg(long, value_name = "ALGORITHM")]
    algorithm: Option<String>,
    /// TCB statuses that are good enough, with commas between them
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    accept_status: Vec<String>,
    /// Lowest TCB evaluation data number that may judge
    #[arg(long, value_name = "NUMBER")]
    minimum_evaluation: Option<u32>,
    #[command(flatten)]
    common: Common,
}

/// List the providers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the providers of a service under --dev:
  assay provider list --url https://localhost:8443 --data assay-dev")]
struct ListArguments {
    #[command(flatten)]
    common: Common,
}

/// Show a provider
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the default provider of a service under --dev:
  assay provider show default --url https://localhost:8443 --data assay-dev")]
struct ShowArguments {
    /// Its name
    #[arg(value_parser = name)]
    name: String,
    #[command(flatten)]
    common: Common,
}

/// Delete a provider
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: its tokens can no longer be verified afterwards:
  assay provider delete payments --url https://localhost:8443 --data assay-dev")]
struct DeleteArguments {
    /// Its name
    #[arg(value_parser = name)]
    name: String,
    #[command(flatten)]
    common: Common,
}

/// Show the signing keys of a provider
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: which key signs, and which comes next:
  assay provider keys payments --url https://localhost:8443 --data assay-dev")]
struct KeysArguments {
    /// Its name
    #[arg(value_parser = name)]
    name: String,
    #[command(flatten)]
    common: Common,
}

/// Make a new signing key for a provider
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: the old key was stolen; tokens it signed are worthless at once:
  assay provider rotate-key payments --emergency --url https://localhost:8443 --data assay-dev")]
struct RotateArguments {
    /// Its name
    #[arg(value_parser = name)]
    name: String,
    /// Remove the old keys at once, instead of when their last token has expired
    #[arg(long)]
    emergency: bool,
    /// What the key is for: `attestation-token` or `management-result`
    #[arg(long, value_name = "PURPOSE", default_value = "attestation-token")]
    purpose: String,
    #[command(flatten)]
    common: Common,
}

/// Take a signing key of a provider out of its key set at once
///
/// Tokens it signed no longer verify. Where it was the key that signs, another takes its place.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: `assay provider keys payments` shows the names of the keys:
  assay provider revoke-key payments Lq3s0zT9 --url https://localhost:8443 --data assay-dev")]
struct RevokeArguments {
    /// Name of the provider
    #[arg(value_parser = name)]
    name: String,
    /// Name of the key: its `kid`
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new(), allow_hyphen_values = true)]
    kid: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    service: ServiceArguments,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    match &arguments.action {
        Action::Create(create) => {
            let body = create.body()?;
            create.common.call(Method::POST, PROVIDERS, Body::Json(&body), output)
        }
        Action::List(list) => list.common.call(Method::GET, PROVIDERS, Body::None, output),
        Action::Show(show) => show.common.call(Method::GET, &path(&show.name, ""), Body::None, output),
        Action::Keys(keys) => keys.common.call(Method::GET, &path(&keys.name, "/keys"), Body::None, output),
        Action::Delete(delete) => {
            delete.common.service.connect()?.send(Method::DELETE, &path(&delete.name, ""), Body::None)?;
            output.talk(format!("deleted the provider `{}`", delete.name));
            Ok(ExitCode::SUCCESS)
        }
        Action::RotateKey(rotate) => {
            let body = json!({"purpose": rotate.purpose, "emergency": rotate.emergency});
            rotate.common.call(Method::POST, &path(&rotate.name, "/keys:rotate"), Body::Json(&body), output)
        }
        Action::RevokeKey(revoke) => {
            let path = path(&revoke.name, &format!("/keys/{}:revoke", segment(&revoke.kid)));
            revoke.common.call(Method::POST, &path, Body::None, output)
        }
    }
}

const PROVIDERS: &str = "/v1/providers";

fn path(name: &str, rest: &str) -> String {
    format!("{PROVIDERS}/{name}{rest}")
}

/// A text as one segment of a path: all but the unreserved characters are percent-encoded (RFC 3986, section 2.1).
fn segment(text: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A name that can stand in a path as it is; the service judges the rest.
pub(super) fn name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (3..=24).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err("expected 3 to 24 letters, digits and hyphens".to_owned())
}

impl Common {
    fn call(
        &self,
        method: Method,
        path: &str,
        body: Body<'_>,
        output: &mut Output,
    ) -> Result<ExitCode, Failure> {
        let answer = self.service.connect()?.send_json(method, path, body)?;
        inspect::show(&Node::from(answer), self.format, output)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl CreateArguments {
    fn body(&self) -> Result<Value, Failure> {
        let mut body = Map::new();
        body.insert("name".to_owned(), json!(self.name));
        if !self.isolated.is_empty() {
            let signers = self.isolated.iter().map(|path| signer(path)).collect::<Result<Vec<_>, _>>()?;
            body.insert("policySigningCertificates".to_owned(), json!(signers));
        }
        if let Some(algorithm) = &self.algorithm {
            body.insert("signingAlgorithm".to_owned(), json!(algorithm));
        }
        if !self.accept_status.is_empty() {
            body.insert("acceptedTcbStatuses".to_owned(), json!(self.accept_status));
        }
        if let Some(minimum) = self.minimum_evaluation {
            body.insert("minimumTcbEvaluationNumber".to_owned(), json!(minimum));
        }
        Ok(Value::Object(body))
    }
}

/// The certificate of a policy signer as the service wants it: PEM, or base64 of DER.
fn signer(path: &Path) -> Result<String, Failure> {
    let bytes = input::read(path)?;
    Ok(match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN") => text.to_owned(),
        _ => STANDARD.encode(&bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_is_one_segment_whatever_it_holds() {
        assert_eq!(segment("aZ0-._~"), "aZ0-._~");
        assert_eq!(segment("a/b+c=?:é"), "a%2Fb%2Bc%3D%3F%3A%C3%A9");
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        assert_eq!(name("Payments-1"), Ok("Payments-1".to_owned()));
        for bad in ["ab", "a/b", "..%2f", "a b c", "ümlaut", "abcdefghijklmnopqrstuvwxy"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
