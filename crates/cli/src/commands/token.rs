//! `assay token`: verifies tokens as a relying party does.

use std::path::PathBuf;
use std::process::ExitCode;

use assay_token::{Expectations, Jwks, TokenError, verify};
use assay_verify::UnixTime;
use clap::Subcommand;
use serde_json::Value;

use crate::failure::{Failure, NOT_GOOD};
use crate::input;
use crate::output::Output;
use crate::remote::{Http, trimmed};
use crate::style::{Mark, visible};

/// Check tokens
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: check a token of a service under --dev:
  assay token verify \"$TOKEN\" --issuer https://localhost:8443 --ca assay-dev/tls/ca.pem")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Verify(VerifyArguments),
}

/// Verify a token and print its claims: exit code 0 when it is valid, 1 when not
///
/// The keys come from the issuer that you name, never from an address in the token.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: a token of a service under --dev, read from a file:
  assay token verify answer.json --issuer https://localhost:8443 --ca assay-dev/tls/ca.pem

Example: without a network, with keys that were fetched before:
  assay token verify \"$TOKEN\" --issuer https://attest.example.org --jwks certs.json")]
struct VerifyArguments {
    /// The token, or a file that holds it or the answer of an attest route; `-` reads standard input
    token: PathBuf,
    /// Who must have issued it
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// Certification authorities to trust instead of those of the web, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Key set of the issuer; without it, it is fetched from the issuer
    #[arg(long, value_name = "FILE", conflicts_with = "ca")]
    jwks: Option<PathBuf>,
    /// A name that the token must be meant for; may be repeated
    #[arg(long, value_name = "NAME")]
    audience: Vec<String>,
    /// Seconds by which clocks may differ
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    leeway: u64,
    /// Time to judge at, RFC 3339 or unix seconds; now unless given
    #[arg(long, value_name = "TIME", value_parser = input::time)]
    at: Option<UnixTime>,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    match &arguments.action {
        Action::Verify(arguments) => arguments.run(output),
    }
}

impl VerifyArguments {
    fn run(&self, output: &mut Output) -> Result<ExitCode, Failure> {
        let token = input::token(&self.token)?;
        let keys = match &self.jwks {
            Some(path) => key_set(&input::read(path)?, &path.display().to_string())?,
            None => self.fetch_keys(output)?,
        };
        let audience: Vec<&str> = self.audience.iter().map(String::as_str).collect();
        let now = self.at.unwrap_or_else(super::now);
        let expectations = Expectations {
            issuer: Some(trimmed(&self.issuer)),
            audience: (!audience.is_empty()).then_some(audience.as_slice()),
            leeway: self.leeway,
            ..Expectations::at(u64::try_from(now.0).unwrap_or_default())
        };
        match verify(&token, &keys, &expectations) {
            Ok(token) => {
                output.json(token.claims())?;
                mention_development(token.claims().get("x-assay-dev"), output);
                Ok(ExitCode::SUCCESS)
            }
            Err(reasons) => {
                explain(&reasons, output);
                Ok(ExitCode::from(NOT_GOOD))
            }
        }
    }

    /// OpenID Connect Discovery 1.0, section 4: the metadata of an issuer are below it, and must name it.
    fn fetch_keys(&self, output: &Output) -> Result<Jwks, Failure> {
        let issuer = trimmed(&self.issuer);
        let http = Http::new(self.ca.as_deref())?;
        let _progress = output.progress("fetching the issuer's keys");
        let url = format!("{issuer}/.well-known/openid-configuration");
        let metadata = assay_json::parse(&http.get(&url)?, &assay_json::Limits::default());
        let metadata = metadata.map_err(|error| Failure::new(format!("`{url}` is not metadata: {error}")))?;
        let member = |name: &str| {
            let found = metadata.get(name).and_then(Value::as_str);
            found.ok_or_else(|| Failure::new(format!("`{url}` has no `{name}`")))
        };
        let named = member("issuer")?;
        if trimmed(named) != issuer {
            return Err(Failure::new(format!("`{url}` is of the issuer `{}`", visible(named))));
        }
        let keys = member("jwks_uri")?;
        key_set(&http.get(keys)?, keys)
    }
}

fn key_set(json: &[u8], source: &str) -> Result<Jwks, Failure> {
    Jwks::from_json(json)
        .map_err(|error| Failure::new(format!("`{}` is not a key set: {error}", visible(source))))
}

fn explain(reasons: &[TokenError], output: &Output) {
    let style = output.talk_style();
    output.talk(format!("{} the token is not valid", style.mark(Mark::Bad)));
    for reason in reasons {
        let name = style.bold(&style.red(&format!("error[{}]", reason.code())));
        output.talk(format!("{name}: {}", visible(&reason.to_string())));
        output.talk(format!("  {}: {}", style.bold("hint"), reason.help()));
    }
}

/// Valid is not the same as trustworthy: whoever runs a service under `--dev` believes simulated hardware.
fn mention_development(claim: Option<&Value>, output: &Output) {
    if claim == Some(&Value::Bool(true)) {
        let mark = output.talk_style().mark(Mark::Caution);
        output.talk(format!("{mark} the token is of a service under --dev, which trusts simulated hardware"));
    }
}
