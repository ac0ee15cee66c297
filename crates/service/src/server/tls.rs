//! The server's certificate: read at start, read again on SIGHUP.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::files;

/// Largest certificate or key file: a chain of a few RSA-4096 certificates has under 16 KiB.
const MAX_FILE: u64 = 256 * 1024;

/// A certificate that cannot be served.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the TLS file `{}` {problem}", path.display())]
pub struct TlsError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong, as the end of a sentence.
    pub problem: String,
}

impl TlsError {
    fn new(path: &Path, problem: impl fmt::Display) -> Self {
        Self { path: path.to_owned(), problem: problem.to_string() }
    }
}

/// The certificate that is served now, and where the next one comes from.
#[derive(Debug)]
pub struct ServerCertificate {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
}

impl ServerCertificate {
    /// Reads a PEM chain (leaf first) and its PEM key.
    ///
    /// # Errors
    /// A file that cannot be read, holds nothing usable, or a key that does not belong to the certificate.
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(default_provider());
        let current = ArcSwap::from_pointee(read(certificate, key, &provider)?);
        Ok(Arc::new(Self { certificate: certificate.to_owned(), key: key.to_owned(), provider, current }))
    }

    /// Reads both files again. New connections get the new certificate, running ones go on.
    ///
    /// # Errors
    /// As [`Self::load`]; the old certificate is then served on.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = read(&self.certificate, &self.key, &self.provider)?;
        self.current.store(Arc::new(fresh));
        Ok(())
    }

    /// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, sessions resumed by ticket.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, TlsError> {
        let broken = |error: &dyn fmt::Display| TlsError::new(&self.certificate, error);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| broken(&error))?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = Ticketer::new().map_err(|error| broken(&error))?;
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let text =
        files::read(certificate, MAX_FILE).map_err(|error| TlsError::new(certificate, error.problem))?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| TlsError::new(certificate, format!("is not PEM: {error}")))?;
    if chain.is_empty() {
        return Err(TlsError::new(certificate, "has no certificate; it must be PEM, the server's own first"));
    }
    let text = files::read(key, MAX_FILE).map_err(|error| TlsError::new(key, error.problem))?;
    let private = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| TlsError::new(key, format!("has no private key in PEM: {error}")))?;
    CertifiedKey::from_der(chain, private, provider)
        .map_err(|error| TlsError::new(key, format!("does not go with the certificate: {error}")))
}
