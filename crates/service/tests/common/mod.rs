//! A service under `--dev` in this process, on a free port of the loopback interface, and a small client.

#![allow(dead_code, unreachable_pub, clippy::print_stderr, reason = "each test uses its part")]

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use assay_service::app::App;
use assay_service::config::{Config, Overrides};
use assay_service::dev::DevFolder;
use assay_service::serve::{Listeners, serve};
use assay_silicon::amd::{self, Amd, VekKind};
use assay_silicon::intel::{Kind, SimulateOptions, Simulated, simulate};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A running service.
pub struct TestService {
    pub app: Arc<App>,
    pub address: SocketAddr,
    pub operations: Option<SocketAddr>,
    pub administration: Option<SocketAddr>,
    pub admin: String,
    pub folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

/// An answer, read completely.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl TestService {
    pub async fn start() -> Self {
        Self::with("", &Overrides::default()).await
    }

    /// `settings`: more of the configuration file.
    pub async fn with(settings: &str, overrides: &Overrides) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::prepared(folder, settings, overrides).await
    }

    pub async fn prepared(folder: TempDir, settings: &str, overrides: &Overrides) -> Self {
        let overrides = Overrides {
            dev: true,
            data_dir: Some(folder.path().join("data")),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            ..overrides.clone()
        };
        let config = Config::from_text(None, settings, [], &overrides).unwrap();
        let listeners = Listeners::bind(&config).await.unwrap();
        let (address, operations) = (listeners.address(), listeners.operations_address());
        let administration = listeners.administration_address();
        let app = App::start(config.bound_to(address)).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = Arc::clone(&app);
        let running = tokio::spawn(async move {
            let stop = async { drop(stopped.await) };
            serve(served, listeners, stop).await.unwrap();
        });
        let admin = std::fs::read_to_string(dev(&folder).admin_token()).unwrap().trim().to_owned();
        Self {
            app,
            address,
            operations,
            administration,
            admin,
            folder,
            stop: Some(stop),
            running: Some(running),
        }
    }

    /// With a simulated AMD that all tests share: its keys take seconds to make.
    pub async fn with_amd(settings: &str) -> Self {
        let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("silicon");
        let make = |amd: &mut Amd| {
            VekKind::ALL
                .into_iter()
                .try_for_each(|kind| amd.require(assay_silicon::amd::Product::Milan, kind))
        };
        Amd::update(&shared, 1_780_000_000, make).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let own = dev(&folder).silicon().join("amd");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&own).unwrap();
        std::fs::copy(shared.join("amd").join("vendor.json"), own.join("vendor.json")).unwrap();
        Self::prepared(folder, settings, &Overrides::default()).await
    }

    pub fn simulate_snp(&self, options: &amd::SimulateOptions) -> amd::Simulated {
        amd::simulate(&dev(&self.folder).silicon(), options, self.app.clock.now().0).unwrap()
    }

    /// Tells the service to stop, and gives what ends when it has.
    pub fn stop(&mut self) -> JoinHandle<()> {
        self.stop.take().unwrap().send(()).unwrap();
        self.running.take().unwrap()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn simulate(&self, kind: Kind, options: &SimulateOptions) -> Simulated {
        simulate(&dev(&self.folder).silicon(), kind, options, self.app.clock.now().0).unwrap()
    }

    pub async fn tls(&self, http2: bool) -> TlsStream<TcpStream> {
        connect(self.address, &dev(&self.folder).ca_certificate(), http2).await.unwrap()
    }

    /// One request on a connection of its own.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Reply {
        Reply::read(exchange(self.tls(false).await, request).await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Full::default()).unwrap()).await
    }

    pub async fn get_as_admin(&self, path: &str) -> Reply {
        let request = Request::get(path).header("authorization", self.bearer());
        self.send(request.body(Full::default()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        let request = Request::post(path).header("content-type", "application/json");
        self.send(request.body(Full::new(body.into())).unwrap()).await
    }

    pub async fn as_admin(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Reply {
        let request = Request::builder().method(method).uri(path).header("authorization", self.bearer());
        self.send(request.body(Full::new(body.into())).unwrap()).await
    }

    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.admin)
    }
}

fn dev(folder: &TempDir) -> DevFolder {
    DevFolder::new(&folder.path().join("data"))
}

pub async fn connect(address: SocketAddr, ca: &Path, http2: bool) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = if http2 { vec![b"h2".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Sends one request over HTTP/1.1.
pub async fn exchange(
    stream: TlsStream<TcpStream>,
    mut request: Request<Full<Bytes>>,
) -> hyper::Result<Response<Incoming>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    request.headers_mut().entry("host").or_insert(http::HeaderValue::from_static("localhost"));
    sender.send_request(request).await
}

/// Sends one request over HTTP/2.
pub async fn exchange_http2(
    stream: TlsStream<TcpStream>,
    request: Request<Full<Bytes>>,
) -> hyper::Result<Response<Incoming>> {
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    sender.send_request(request).await
}

impl Reply {
    pub async fn read(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let read = tokio::time::timeout(Duration::from_secs(30), body.collect()).await;
        let body = read.expect("the answer comes").expect("the answer is whole").to_bytes();
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The body, if the status is 200.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status, Azure's code, Assay's code, of an error in the envelope with all its headers.
    pub fn problem(&self) -> (u16, String, String) {
        let error = self.json()["error"].clone();
        assert!(error.is_object(), "not the envelope: {self:?}");
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8");
        assert_eq!(self.header("x-ms-error-code"), error["code"]);
        assert_eq!(self.header("x-ms-request-id").len(), 55);
        let message = error["message"].as_str().unwrap();
        assert!(
            message.ends_with('.') && message.starts_with(|first: char| first.is_uppercase() || first == '`'),
            "{message}"
        );
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (self.status, text(&error["code"]), text(&error["innererror"]["code"]))
    }

    pub fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap().to_owned()
    }

    /// The claims of the answer's token; signatures are checked where the test says so.
    pub fn claims(&self) -> Value {
        claims(self.ok()["token"].as_str().unwrap())
    }
}

pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&assay_token::base64url::decode_strict(payload).unwrap()).unwrap()
}

/// Where the real vectors are; a loud word where they are not.
pub fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("ASSAY_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: ASSAY_VECTORS is not set, so nothing is compared with real recordings");
    }
    folder
}

pub const OK: StatusCode = StatusCode::OK;
