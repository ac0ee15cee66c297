//! The least that can answer over TLS: hyper with the same certificate, headers and body as the service, in a process of its
//! own, so that its processor time is counted in the same way.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Failure;

/// What every request is answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Puts it where [`serve`] looks for it.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let own = |name: &&HeaderName| **name != header::CONTENT_LENGTH && **name != header::DATE;
        let mut lines = String::new();
        for name in self.headers.keys().filter(own) {
            let value = self.headers.get(name).ok_or("a header has no value")?.to_str()?;
            lines.push_str(&format!("{name}: {value}\n"));
        }
        std::fs::write(headers_file(folder), lines)?;
        Ok(std::fs::write(body_file(folder), &self.body)?)
    }

    fn read(folder: &Path) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        for line in std::fs::read_to_string(headers_file(folder))?.lines() {
            let (name, value) = line.split_once(": ").ok_or("a header is not `name: value`")?;
            headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        Ok(Self { headers, body: std::fs::read(body_file(folder))?.into() })
    }

    fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body.clone()));
        response.headers_mut().clone_from(&self.headers);
        response
    }
}

fn headers_file(folder: &Path) -> PathBuf {
    folder.join("bare.headers")
}

fn body_file(folder: &Path) -> PathBuf {
    folder.join("bare.body")
}

/// Answers until the process is ended. The folder is that of a service for development.
pub(crate) fn serve(address: SocketAddr, folder: &Path) -> Result<(), Failure> {
    let (answer, tls) = (Arc::new(Answer::read(folder)?), acceptor(folder)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(connection(tls.clone(), stream, Arc::clone(&answer)));
        }
    })
}

async fn connection(tls: TlsAcceptor, stream: TcpStream, answer: Arc<Answer>) {
    // What goes wrong is seen by the client.
    let Ok(stream) = tls.accept(stream).await else { return };
    let service =
        service_fn(move |_| std::future::ready(Ok::<_, std::convert::Infallible>(answer.response())));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn acceptor(folder: &Path) -> Result<TlsAcceptor, Failure> {
    let file = |name: &str| folder.join("tls").join(name);
    let chain = CertificateDer::pem_file_iter(file("server.pem")).map_err(|error| error.to_string())?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::from_pem_file(file("server.key")).map_err(|error| error.to_string())?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
