//! Outgoing requests, all of them: https only, no redirects, and only to addresses that the policy permits.
//!
//! A name is resolved here and the connection goes to an address that was judged, so that a second answer of the name
//! server cannot lead elsewhere. Sizes and times are bounded.

mod address;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{HOST, HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use address::{AllowEntry, AllowError, EgressPolicy};

/// Discovery documents and key sets have a few KiB, 40 kB at Azure; an administrator's listing may be larger.
const MAX_RESPONSE: usize = 8 * 1024 * 1024;
/// For a whole exchange, name resolution included.
const TIMEOUT: Duration = Duration::from_secs(20);
/// What a name resolves to: more are not tried.
const MAX_ADDRESSES: usize = 16;
/// Longest URL; browsers and proxies agree on about this.
const MAX_URL: usize = 2048;

/// Which certification authorities a client trusts.
#[derive(Clone, Debug)]
pub struct Roots(RootCertStore);

impl Roots {
    /// The authorities of the web (Mozilla's list, built in).
    #[must_use]
    pub fn web() -> Self {
        Self(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }

    /// Nobody yet.
    #[must_use]
    pub fn none() -> Self {
        Self(RootCertStore::empty())
    }

    /// Also the certificates of a PEM text.
    ///
    /// # Errors
    /// [`EgressError::Roots`] for a text without certificates, or with one that is not usable.
    pub fn with_pem(mut self, pem: &[u8]) -> Result<Self, EgressError> {
        let before = self.0.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate =
                certificate.map_err(|error| EgressError::Roots { problem: error.to_string() })?;
            self.0.add(certificate).map_err(|error| EgressError::Roots { problem: error.to_string() })?;
        }
        if self.0.len() == before {
            return Err(EgressError::Roots { problem: "there is no certificate in it".to_owned() });
        }
        Ok(self)
    }
}

/// Why a request did not get an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// The URL is not one this client uses.
    #[error("`{url}` is not an https address: {rule}")]
    Url {
        /// The URL, shortened.
        url: String,
        /// Which rule it breaks.
        rule: &'static str,
    },
    /// A header cannot be sent.
    #[error("the header `{name}` cannot be sent")]
    Header {
        /// Its name.
        name: String,
    },
    /// The roots cannot be read.
    #[error("the file of certification authorities cannot be used: {problem}")]
    Roots {
        /// What is wrong.
        problem: String,
    },
    /// The name has no address.
    #[error("the name `{host}` cannot be resolved")]
    Resolve {
        /// The name.
        host: String,
    },
    /// The name leads only to addresses that may not be connected to.
    #[error("`{host}` leads to {address}, which must not be connected to")]
    Address {
        /// The name.
        host: String,
        /// The first address that was refused.
        address: String,
    },
    /// No connection.
    #[error("no connection to `{host}`: {cause}")]
    Connect {
        /// The name.
        host: String,
        /// What the system says.
        cause: String,
    },
    /// The other side did not prove who it is.
    #[error("no secure connection to `{host}`: {cause}")]
    Tls {
        /// The name.
        host: String,
        /// What is wrong.
        cause: String,
    },
    /// The answer did not come whole.
    #[error("the exchange with `{host}` failed: {cause}")]
    Exchange {
        /// The name.
        host: String,
        /// What went wrong.
        cause: String,
    },
    /// The answer is too large.
    #[error("the answer of `{host}` is larger than {limit} bytes")]
    TooLarge {
        /// The name.
        host: String,
        /// The limit.
        limit: usize,
    },
    /// It took too long.
    #[error("`{host}` did not answer within {seconds} seconds")]
    Timeout {
        /// The name.
        host: String,
        /// The limit.
        seconds: u64,
    },
}

/// Whether this client would use such an address: https, a host, no credentials.
///
/// # Errors
/// [`EgressError::Url`].
pub fn check_url(url: &str) -> Result<(), EgressError> {
    Target::parse(url).map(|_| ())
}

/// An answer. Redirections are answers like any other: nothing follows them.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Bytes,
}

/// A request to send.
#[derive(Clone, Debug)]
pub struct OutgoingRequest<'a> {
    /// The method.
    pub method: Method,
    /// The absolute address.
    pub url: &'a str,
    /// Headers besides `host` and `user-agent`.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; empty for none.
    pub body: Bytes,
}

/// A client with a policy and roots of its own.
#[derive(Clone)]
pub struct Client {
    policy: EgressPolicy,
    tls: TlsConnector,
    max_response: usize,
    timeout: Duration,
}

impl Client {
    /// A client.
    ///
    /// # Errors
    /// [`EgressError::Roots`] if the TLS library refuses its own defaults, which a test would show.
    pub fn new(policy: EgressPolicy, roots: Roots) -> Result<Self, EgressError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| EgressError::Roots { problem: error.to_string() })?;
        let mut tls = builder.with_root_certificates(roots.0).with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            policy,
            tls: TlsConnector::from(Arc::new(tls)),
            max_response: MAX_RESPONSE,
            timeout: TIMEOUT,
        })
    }

    /// The same client with other bounds.
    #[must_use]
    pub const fn with_bounds(mut self, max_response: usize, timeout: Duration) -> Self {
        self.max_response = max_response;
        self.timeout = timeout;
        self
    }

    /// `GET`.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Response, EgressError> {
        self.send(OutgoingRequest { method: Method::GET, url, headers, body: Bytes::new() }).await
    }

    /// `POST`.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response, EgressError> {
        self.send(OutgoingRequest { method: Method::POST, url, headers, body }).await
    }

    /// `PUT`.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn put(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response, EgressError> {
        self.send(OutgoingRequest { method: Method::PUT, url, headers, body }).await
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn delete(&self, url: &str, headers: &[(&str, &str)]) -> Result<Response, EgressError> {
        self.send(OutgoingRequest { method: Method::DELETE, url, headers, body: Bytes::new() }).await
    }

    /// Sends a request over a connection of its own and reads the whole answer.
    ///
    /// # Errors
    /// [`EgressError`]; an answer with an error status is an answer.
    pub async fn send(&self, request: OutgoingRequest<'_>) -> Result<Response, EgressError> {
        let target = Target::parse(request.url)?;
        let host = target.host.clone();
        let exchange = self.exchange(&target, request);
        let seconds = self.timeout.as_secs();
        tokio::time::timeout(self.timeout, exchange)
            .await
            .map_err(|_| EgressError::Timeout { host, seconds })?
    }

    async fn exchange(&self, target: &Target, request: OutgoingRequest<'_>) -> Result<Response, EgressError> {
        let message = target.message(&request)?;
        let stream = self.connect(target).await?;
        let failed = |error: hyper::Error| EgressError::Exchange {
            host: target.host.clone(),
            cause: error.to_string(),
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let answer = async {
            let response = sender.send_request(message).await.map_err(failed)?;
            let (parts, mut incoming) = response.into_parts();
            let mut body = BytesMut::new();
            while let Some(frame) = incoming.frame().await {
                let Ok(data) = frame.map_err(failed)?.into_data() else { continue };
                if body.len().saturating_add(data.len()) > self.max_response {
                    return Err(EgressError::TooLarge {
                        host: target.host.clone(),
                        limit: self.max_response,
                    });
                }
                body.extend_from_slice(&data);
            }
            Ok(Response { status: parts.status, headers: parts.headers, body: body.freeze() })
        };
        // The connection must be driven while the answer is read; it ends with this call.
        let mut connection = std::pin::pin!(connection);
        let mut answer = std::pin::pin!(answer);
        let mut open = true;
        loop {
            tokio::select! {
                answer = &mut answer => return answer,
                closed = &mut connection, if open => {
                    open = false;
                    closed.map_err(failed)?;
                }
            }
        }
    }

    async fn connect(&self, target: &Target) -> Result<TlsStream<TcpStream>, EgressError> {
        let addresses = self.resolve(target).await?;
        let mut last = EgressError::Resolve { host: target.host.clone() };
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    let tls = self.tls.connect(target.server_name.clone(), stream).await;
                    return tls.map_err(|error| EgressError::Tls {
                        host: target.host.clone(),
                        cause: error.to_string(),
                    });
                }
                Err(error) => {
                    last = EgressError::Connect { host: target.host.clone(), cause: error.to_string() }
                }
            }
        }
        Err(last)
    }

    /// The addresses of the name that may be connected to; at least one.
    async fn resolve(&self, target: &Target) -> Result<Vec<SocketAddr>, EgressError> {
        let unknown = || EgressError::Resolve { host: target.host.clone() };
        let found =
            tokio::net::lookup_host((target.host.as_str(), target.port)).await.map_err(|_| unknown())?;
        let found: Vec<SocketAddr> = found.take(MAX_ADDRESSES).collect();
        let first = found.first().copied().ok_or_else(unknown)?;
        let permits = |address: &SocketAddr| self.policy.permits(&target.host, target.port, address.ip());
        let permitted: Vec<SocketAddr> = found.into_iter().filter(permits).collect();
        if permitted.is_empty() {
            let address = first.ip().to_string();
            return Err(EgressError::Address { host: target.host.clone(), address });
        }
        Ok(permitted)
    }
}

/// A URL taken apart.
struct Target {
    host: String,
    port: u16,
    authority: String,
    path: Uri,
    server_name: ServerName<'static>,
}

impl Target {
    fn parse(url: &str) -> Result<Self, EgressError> {
        let wrong = |rule| EgressError::Url { url: url.chars().take(80).collect(), rule };
        if url.len() > MAX_URL {
            return Err(wrong("it is too long"));
        }
        let uri: Uri = url.parse().map_err(|_| wrong("it cannot be read"))?;
        if uri.scheme_str() != Some("https") {
            return Err(wrong("its scheme is another"));
        }
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("it carries credentials"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let server_name =
            ServerName::try_from(host.clone()).map_err(|_| wrong("its host is not a name or address"))?;
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let path = path.parse().map_err(|_| wrong("it cannot be read"))?;
        let port = authority.port_u16().unwrap_or(443);
        Ok(Self { host, port, authority: authority.as_str().to_owned(), path, server_name })
    }

    fn message(&self, request: &OutgoingRequest<'_>) -> Result<http::Request<Full<Bytes>>, EgressError> {
        let mut message = http::Request::new(Full::new(request.body.clone()));
        *message.method_mut() = request.method.clone();
        *message.uri_mut() = self.path.clone();
        let headers = message.headers_mut();
        for (name, value) in request.headers {
            let refused = || EgressError::Header { name: (*name).to_owned() };
            let value = HeaderValue::from_str(value).map_err(|_| refused())?;
            headers.append(HeaderName::try_from(*name).map_err(|_| refused())?, value);
        }
        let host = HeaderValue::from_str(&self.authority);
        headers.insert(HOST, host.map_err(|_| EgressError::Header { name: "host".to_owned() })?);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("assay/", env!("CARGO_PKG_VERSION"))));
        Ok(message)
    }
}

#[cfg(test)]
pub(crate) mod tests;
