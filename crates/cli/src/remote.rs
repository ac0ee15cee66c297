//! A running service, reached over HTTPS.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assay_service::egress::{Client, EgressError, EgressPolicy, OutgoingRequest, Response, Roots};
use bytes::Bytes;
use http::Method;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;
use crate::input;

/// Key sets have 40 kB where each key carries evidence; an exported decision has the collateral of its time inside.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// What is shown of a refusal without JSON.
const MAX_SENTENCE: usize = 300;
/// For one exchange.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The environment variable with the bearer token.
pub(crate) const TOKEN_VARIABLE: &str = "ASSAY_TOKEN";
/// The environment variable with the token of the administrators' listener.
pub(crate) const ADMIN_TOKEN_VARIABLE: &str = "ASSAY_ADMIN_TOKEN";

/// Which service to administer, and as whom.
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceArguments {
    /// Address of the service
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Certification authorities to trust instead of those of the web, PEM
    #[arg(long, visible_alias = "ca-file", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// File with the bearer token; else the variable ASSAY_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Data folder of a service under --dev: its authority and its administrator's token are there
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// The listener of a service on which its hardware identity service is administered, and the token for it.
#[derive(Debug, clap::Args)]
pub(crate) struct AdministrationArguments {
    /// Certification authorities of the service to trust instead of those of the web, PEM
    #[arg(long, visible_alias = "ca-file", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// File with the admin-token of `collateral.administration`; else the variable ASSAY_ADMIN_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// How much is waited for, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Bytes of an answer.
    pub(crate) most: usize,
    /// For one exchange.
    pub(crate) timeout: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { most: MAX_ANSWER, timeout: TIMEOUT }
    }
}

/// A service, and the caller's right to administer it.
pub(crate) struct Remote {
    http: Http,
    base: String,
    credential: Option<Credential>,
}

/// How the caller shows who he is.
enum Credential {
    Bearer(String),
    AdminToken(String),
}

impl Credential {
    fn header(&self) -> (&'static str, String) {
        match self {
            Self::Bearer(token) => ("authorization", format!("Bearer {token}")),
            Self::AdminToken(token) => ("admin-token", token.clone()),
        }
    }
}

impl AdministrationArguments {
    /// Gets ready to talk to the listener at `url`; `data` is the folder of a service under `--dev`, whose authority it has.
    pub(crate) fn connect(
        &self,
        url: &str,
        data: Option<&Path>,
        patience: Patience,
    ) -> Result<Remote, Failure> {
        let ca = self.ca.clone().or_else(|| data.map(|data| data.join("tls").join("ca.pem")));
        let token = match (&self.token_file, std::env::var(ADMIN_TOKEN_VARIABLE)) {
            (Some(file), _) => input::read_text(file)?,
            (None, Ok(token)) => token,
            (None, Err(_)) => {
                let failure = Failure::new("the admin-token of the service is missing");
                return Err(failure.help("give it with `--token-file`, or in ASSAY_ADMIN_TOKEN"));
            }
        };
        Ok(Remote {
            http: Http::with_patience(ca.as_deref(), patience)?,
            base: trimmed(url).to_owned(),
            credential: Some(Credential::AdminToken(token.trim().to_owned())),
        })
    }
}

/// HTTPS from code that is not asynchronous.
pub(crate) struct Http {
    client: Client,
    runtime: Runtime,
}

impl ServiceArguments {
    /// Gets ready to talk to the service.
    pub(crate) fn connect(&self) -> Result<Remote, Failure> {
        let ca = self.ca.clone().or_else(|| self.data.as_ref().map(|data| data.join("tls").join("ca.pem")));
        let base = self.url.clone().or_else(|| self.recorded_url());
        let base = base.ok_or_else(|| {
            Failure::new("which service? its address is missing").help("give `--url https://localhost:8443`")
        })?;
        Ok(Remote {
            http: Http::new(ca.as_deref())?,
            base: trimmed(&base).to_owned(),
            credential: self.bearer()?.map(Credential::Bearer),
        })
    }

    /// A service under `--dev` leaves its address in its folder.
    fn recorded_url(&self) -> Option<String> {
        let file = recorded_url_file(self.data.as_ref()?);
        std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned())
    }

    fn bearer(&self) -> Result<Option<String>, Failure> {
        let file = self.token_file.clone();
        let file = match (file, std::env::var(TOKEN_VARIABLE)) {
            (Some(file), _) => file,
            (None, Ok(token)) => return Ok(Some(token.trim().to_owned())),
            (None, Err(_)) => match &self.data {
                Some(data) => data.join("dev").join("admin.token"),
                None => return Ok(None),
            },
        };
        Ok(Some(input::read_text(&file)?.trim().to_owned()))
    }
}

impl Http {
    /// A client that trusts the authorities in `ca`, or those of the web.
    pub(crate) fn new(ca: Option<&Path>) -> Result<Self, Failure> {
        Self::with_patience(ca, Patience::default())
    }

    fn with_patience(ca: Option<&Path>, patience: Patience) -> Result<Self, Failure> {
        let roots = match ca {
            None => Roots::web(),
            Some(path) => {
                let pem = input::read(path)?;
                Roots::none().with_pem(&pem).map_err(|error| Failure::file("use", path, error))?
            }
        };
        // The user names the service himself, so it may be on this machine or in a private network.
        let policy = EgressPolicy { allow_loopback: true, allow_private: true, ..EgressPolicy::default() };
        let client = Client::new(policy, roots).map_err(|error| unreachable_service(&error))?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("could not start: {error}")))?;
        Ok(Self { client: client.with_bounds(patience.most, patience.timeout), runtime })
    }

    /// Fetches a document that must be there.
    pub(crate) fn get(&self, url: &str) -> Result<Bytes, Failure> {
        let response = self.wait(self.client.get(url, &[]))?;
        if response.status.is_success() {
            return Ok(response.body);
        }
        Err(Failure::new(format!("`{url}` answered with status {}", response.status.as_u16())))
    }

    fn wait(
        &self,
        exchange: impl Future<Output = Result<Response, EgressError>>,
    ) -> Result<Response, Failure> {
        self.runtime.block_on(exchange).map_err(|error| unreachable_service(&error))
    }
}

impl Remote {
    /// A service whose authority is in `ca`, with or without the right to administer it.
    pub(crate) fn new(base: &str, ca: &Path, bearer: Option<String>) -> Result<Self, Failure> {
        let credential = bearer.map(Credential::Bearer);
        Ok(Self { http: Http::new(Some(ca))?, base: trimmed(base).to_owned(), credential })
    }

    /// Sends a request with the caller's bearer token; an answer that is not a success is a failure.
    pub(crate) fn send(&self, method: Method, path: &str, body: Body<'_>) -> Result<Response, Failure> {
        let response = self.request(method, path, body)?;
        if response.status.is_success() { Ok(response) } else { Err(self.refusal(&response)) }
    }

    /// As [`Remote::send`], for answers that are JSON.
    pub(crate) fn send_json(&self, method: Method, path: &str, body: Body<'_>) -> Result<Value, Failure> {
        let response = self.send(method, path, body)?;
        json(&response.body)
            .map_err(|error| Failure::new(format!("the service's answer is not JSON: {error}")))
    }

    /// Sends a request and gives status and JSON of the answer, whatever they are.
    pub(crate) fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Body<'_>,
    ) -> Result<(u16, Value), Failure> {
        let response = self.request(method, path, body)?;
        Ok((response.status.as_u16(), json(&response.body).unwrap_or_default()))
    }

    /// As [`Remote::send_json`], for answers with an `outcome`, which may also be a refusal.
    pub(crate) fn judge(&self, method: Method, path: &str, body: Body<'_>) -> Result<Value, Failure> {
        let response = self.request(method, path, body)?;
        match json(&response.body) {
            Ok(judged) if judged.get("outcome").is_some() => Ok(judged),
            _ => Err(self.refusal(&response)),
        }
    }

    fn request(&self, method: Method, path: &str, body: Body<'_>) -> Result<Response, Failure> {
        let url = format!("{}{path}", self.base);
        let credential = self.credential.as_ref().map(Credential::header);
        let mut headers = Vec::new();
        headers.extend(credential.as_ref().map(|(name, value)| (*name, value.as_str())));
        headers.extend(body.content_type().map(|value| ("content-type", value)));
        let request = OutgoingRequest { method, url: &url, headers: &headers, body: body.bytes() };
        self.http.wait(self.http.client.send(request))
    }

    fn refusal(&self, response: &Response) -> Failure {
        let envelope = json(&response.body).unwrap_or_default();
        let text = |name: &str| envelope.pointer(name).and_then(Value::as_str).map(crate::style::visible);
        let (code, message) = (text("/error/code"), text("/error/message"));
        let status = response.status.as_u16();
        // Routes of the vendors' kind answer with a sentence.
        let plain = std::str::from_utf8(&response.body).ok().filter(|_| envelope.is_null());
        let plain =
            plain.map(|text| crate::style::visible(&text.chars().take(MAX_SENTENCE).collect::<String>()));
        let words = [code, message, plain].into_iter().flatten().collect::<Vec<_>>().join(": ");
        let failure = Failure::refused(format!("the service refused with status {status}: {words}"));
        match (status, &self.credential) {
            (401 | 403, None) => {
                failure.help("give the bearer token with `--token-file`, ASSAY_TOKEN or `--data`")
            }
            (401, Some(Credential::AdminToken(_))) => failure.help(
                "the administrators' listener wants the token whose SHA-512 is `collateral.administration.admin_token_sha512`",
            ),
            _ => failure,
        }
    }
}

fn json(body: &[u8]) -> Result<Value, assay_json::JsonError> {
    assay_json::parse(body, &assay_json::Limits::bytes(MAX_ANSWER))
}

/// The body of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body<'a> {
    None,
    Json(&'a Value),
    Text(&'a str),
}

impl Body<'_> {
    const fn content_type(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Json(_) => Some("application/json"),
            Self::Text(_) => Some("text/plain"),
        }
    }

    fn bytes(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::Json(value) => Bytes::from(value.to_string()),
            Self::Text(text) => Bytes::from(text.to_owned()),
        }
    }
}

/// Where a service under `--dev` leaves its address.
pub(crate) fn recorded_url_file(data: &Path) -> PathBuf {
    data.join("dev").join("url")
}

/// An address without the slash at its end.
pub(crate) fn trimmed(url: &str) -> &str {
    url.trim_end_matches('/')
}

fn unreachable_service(error: &EgressError) -> Failure {
    let failure = Failure::new(crate::style::visible(&error.to_string()));
    match error {
        EgressError::Tls { .. } => failure.help("give the service's certification authority with `--ca`"),
        _ => failure,
    }
}
