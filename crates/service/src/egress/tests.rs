#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Mutex;

use http::Response as HttpResponse;
use hyper::body::Incoming;
use hyper::service::service_fn;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// An HTTPS server on loopback with an authority of its own.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) ca_pem: String,
    /// Every path that was asked for.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
    accepting: tokio::task::JoinHandle<()>,
}

/// Status, headers and body.
pub(crate) type TestAnswer = (u16, Vec<(&'static str, String)>, Vec<u8>);

impl TestServer {
    pub(crate) async fn start(answer: impl Fn(&str) -> (u16, Vec<u8>) + Send + Sync + 'static) -> Self {
        Self::start_with(move |request| {
            let (status, body) = answer(request.uri().path());
            let response = HttpResponse::builder().status(status).header("location", "https://example.org/");
            response.body(Bytes::from(body)).unwrap()
        })
        .await
    }

    /// Nobody is there any more.
    pub(crate) fn stop(&self) {
        self.accepting.abort();
    }

    /// As [`Self::start`], but the answer sees the query, and says its headers.
    pub(crate) async fn start_with_headers(
        answer: impl Fn(&str) -> TestAnswer + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(move |request| {
            let whole = request.uri().path_and_query().map_or("", |whole| whole.as_str());
            let (status, headers, body) = answer(whole);
            let response = HttpResponse::builder().status(status);
            let response = headers.into_iter().fold(response, |made, (name, value)| made.header(name, value));
            response.body(Bytes::from(body)).unwrap()
        })
        .await
    }

    /// As [`TestServer::start`], with everything of a request and of its answer.
    pub(crate) async fn start_with(
        answer: impl Fn(http::Request<Bytes>) -> HttpResponse<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (acceptor, answer, log) =
            (TlsAcceptor::from(Arc::new(config)), Arc::new(answer), Arc::clone(&requests));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answer, log) = (acceptor.clone(), Arc::clone(&answer), Arc::clone(&log));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request: http::Request<Incoming>| {
                        log.lock().unwrap().push(request.uri().path().to_owned());
                        let answer = Arc::clone(&answer);
                        async move {
                            let (parts, body) = request.into_parts();
                            let body = body.collect().await.unwrap().to_bytes();
                            let response = answer(http::Request::from_parts(parts, body));
                            Ok::<_, Infallible>(response.map(Full::new))
                        }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, ca_pem, requests, accepting }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    fn client(&self, policy: EgressPolicy) -> Client {
        Client::new(policy, Roots::none().with_pem(self.ca_pem.as_bytes()).unwrap()).unwrap()
    }
}

fn loopback() -> EgressPolicy {
    EgressPolicy { allow_loopback: true, ..EgressPolicy::default() }
}

#[tokio::test]
async fn an_exchange_over_tls() {
    let server = TestServer::start(|path| (200, format!("you asked for {path}").into_bytes())).await;
    let client = server.client(loopback());
    let answer = client.get(&server.url("/a?b=c"), &[("accept", "text/plain")]).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, &b"you asked for /a"[..]));
    let answer = client.put(&server.url("/p"), &[], Bytes::from_static(b"body")).await.unwrap();
    assert_eq!(answer.status.as_u16(), 200);
    let refused = client.get(&server.url("/"), &[("bad header", "x")]).await.unwrap_err();
    assert_eq!(refused, EgressError::Header { name: "bad header".to_owned() });
}

#[tokio::test]
async fn redirections_are_not_followed() {
    let server = TestServer::start(|_| (302, Vec::new())).await;
    let answer = server.client(loopback()).get(&server.url("/x"), &[]).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), server.requests.lock().unwrap().as_slice()),
        (302, &["/x".to_owned()][..])
    );
}

#[tokio::test]
async fn addresses_are_judged_before_anything_is_sent() {
    let server = TestServer::start(|_| (200, Vec::new())).await;
    let refused = server.client(EgressPolicy::default()).get(&server.url("/"), &[]).await.unwrap_err();
    assert!(matches!(&refused, EgressError::Address { host, .. } if host == "localhost"), "{refused:?}");
    assert!(server.requests.lock().unwrap().is_empty());
    let entry = format!("localhost:{}", server.address.port()).parse().unwrap();
    let policy = EgressPolicy { allow: vec![entry], ..EgressPolicy::default() };
    assert_eq!(server.client(policy).get(&server.url("/"), &[]).await.unwrap().status.as_u16(), 200);
}

#[tokio::test]
async fn answers_are_bounded() {
    let server = TestServer::start(|_| (200, vec![b'x'; 2000])).await;
    let client = server.client(loopback()).with_bounds(1000, Duration::from_secs(30));
    let expected = EgressError::TooLarge { host: "localhost".to_owned(), limit: 1000 };
    assert_eq!(client.get(&server.url("/"), &[]).await.unwrap_err(), expected);
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let client = Client::new(loopback(), Roots::none()).unwrap().with_bounds(1000, Duration::from_millis(50));
    let expected = EgressError::Timeout { host: "localhost".to_owned(), seconds: 0 };
    assert_eq!(client.get(&url, &[]).await.unwrap_err(), expected);
}

#[tokio::test]
async fn strangers_are_not_believed() {
    let server = TestServer::start(|_| (200, Vec::new())).await;
    let client = Client::new(loopback(), Roots::web()).unwrap();
    let refused = client.get(&server.url("/"), &[]).await.unwrap_err();
    assert!(
        matches!(&refused, EgressError::Tls { cause, .. } if cause.contains("UnknownIssuer")),
        "{refused:?}"
    );
    assert!(server.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn only_https_without_credentials() {
    let client = Client::new(loopback(), Roots::none()).unwrap();
    let long = format!("https://localhost/{}", "a".repeat(3000));
    let cases = [
        ("http://localhost/", "its scheme is another"),
        ("ftp://localhost/", "its scheme is another"),
        ("/path", "its scheme is another"),
        ("https://u:p@localhost/", "it carries credentials"),
        ("https://local host/", "it cannot be read"),
        (&long, "it is too long"),
    ];
    for (url, rule) in cases {
        let expected = EgressError::Url { url: url.chars().take(80).collect(), rule };
        assert_eq!(client.get(url, &[]).await.unwrap_err(), expected);
    }
}

#[test]
fn roots_must_be_certificates() {
    let expected = EgressError::Roots { problem: "there is no certificate in it".to_owned() };
    assert_eq!(Roots::none().with_pem(b"nothing").unwrap_err(), expected);
}
