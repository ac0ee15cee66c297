//! A client of the service: HTTP/1.1 over TLS, one connection that is kept.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Failure;

/// What it takes to connect.
#[derive(Clone)]
pub(crate) struct Dialer {
    address: SocketAddr,
    tls: TlsConnector,
}

impl Dialer {
    /// Trusts the authority of this PEM file, which the service makes when it starts.
    pub(crate) fn new(address: SocketAddr, authority: &Path) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authority).map_err(|error| error.to_string())? {
            roots.add(certificate.map_err(|error| error.to_string())?)?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { address, tls: TlsConnector::from(Arc::new(config)) })
    }

    pub(crate) async fn connect(&self) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let stream = self.tls.connect(name, stream).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends when the sender is dropped; what goes wrong on it is seen by the sender.
        tokio::spawn(connection);
        Ok(Connection { sender, host: format!("localhost:{}", self.address.port()) })
    }
}

/// A connection that is kept.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    pub(crate) async fn get(&mut self, path: &str) -> Result<(StatusCode, Bytes), Failure> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: Bytes) -> Result<(StatusCode, Bytes), Failure> {
        self.send(Method::POST, path, body).await
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let (head, body) = self.answer(method, path, body).await?.into_parts();
        Ok((head.status, body))
    }

    /// The whole answer.
    pub(crate) async fn answer(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Bytes>, Failure> {
        self.answer_to(method, path, None, body).await
    }

    /// The whole answer to a request that may have one more header.
    pub(crate) async fn answer_to(
        &mut self,
        method: Method,
        path: &str,
        more: Option<(&str, &str)>,
        body: Bytes,
    ) -> Result<Response<Bytes>, Failure> {
        let request = Request::builder().method(method).uri(path).header(header::HOST, &self.host);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let request = more.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = request.body(Full::new(body))?;
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    }
}
