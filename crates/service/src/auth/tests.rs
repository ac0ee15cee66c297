#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use std::sync::Mutex;

use assay_token::{Algorithm, Header, Jwk, Signer, SoftwareKey, issue};
use serde_json::{Map, Value, json};

use super::*;
use crate::config::Overrides;
use crate::egress::tests::TestServer;

const NOW: i64 = 1_800_000_000;

/// What the issuer answers; a test may change it.
#[derive(Default)]
struct State {
    /// Set once the server's address is known.
    issuer: String,
    keys: Vec<Value>,
    down: bool,
}

struct Fixture {
    server: TestServer,
    state: Arc<Mutex<State>>,
    auth: Authenticator,
    key: SoftwareKey,
    _folder: tempfile::TempDir,
}

fn published(kid: &str, key: &SoftwareKey) -> Value {
    Jwk::new(kid, key.public_key().clone(), key.algorithm(), Vec::new()).unwrap().to_value()
}

impl Fixture {
    async fn new() -> Self {
        Self::at(Clock::fixed_offset(UnixTime(NOW))).await
    }

    async fn at(clock: Clock) -> Self {
        let key = SoftwareKey::generate(Algorithm::Es256).unwrap();
        let state = Arc::new(Mutex::new(State { keys: vec![published("one", &key)], ..State::default() }));
        let answers = Arc::clone(&state);
        let server = TestServer::start(move |path| {
            let state = answers.lock().unwrap();
            let discovery = || {
                json!({ "issuer": state.issuer, "jwks_uri": format!("{}/keys", state.issuer) })
                    .to_string()
                    .into_bytes()
            };
            match path {
                _ if state.down => (503, Vec::new()),
                "/.well-known/openid-configuration" => (200, discovery()),
                "/keys" => (200, json!({ "keys": state.keys }).to_string().into_bytes()),
                _ => (404, Vec::new()),
            }
        })
        .await;
        let issuer = server.url("");
        state.lock().unwrap().issuer.clone_from(&issuer);
        let folder = tempfile::tempdir().unwrap();
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, &server.ca_pem).unwrap();
        let text = format!(
            r#"
[egress]
allow = ["localhost:{port}"]
[[auth.issuers]]
issuer = "{issuer}"
audiences = ["assay", "other"]
ca_file = "{ca}"
admin_roles = ["Owner"]
[[auth.issuers.role]]
value = "Writer"
provider = "contoso"
grants = "contributor"
[[auth.issuers.role]]
value = "Reader"
provider = "*"
grants = "reader"
"#,
            port = server.address.port(),
            ca = ca_file.display(),
        );
        let overrides = Overrides { dev: true, ..Overrides::default() };
        let config = Config::from_text(None, &text, [], &overrides).unwrap();
        let auth = Authenticator::new(&config, Some("dev-token"), clock, Arc::default()).unwrap();
        Self { server, state, auth, key, _folder: folder }
    }

    fn claims(&self) -> Map<String, Value> {
        let issuer = self.server.url("");
        let claims = json!({
            "iss": issuer, "aud": "assay", "sub": "alice", "exp": NOW + 600, "nbf": NOW - 5, "iat": NOW - 5,
            "roles": ["Writer", "Unknown"],
        });
        claims.as_object().unwrap().clone()
    }

    fn token(&self, change: impl FnOnce(&mut Map<String, Value>)) -> String {
        self.token_by("one", &self.key, change)
    }

    fn token_by(&self, kid: &str, key: &SoftwareKey, change: impl FnOnce(&mut Map<String, Value>)) -> String {
        let mut claims = self.claims();
        change(&mut claims);
        issue(&Header::jwt(kid, ""), &Value::Object(claims).to_string(), key).unwrap()
    }

    async fn ask(&self, header: &str) -> Result<Caller, AuthError> {
        let header = HeaderValue::from_str(header).unwrap();
        self.auth.authenticate(Some(&header), UnixTime(NOW)).await
    }

    async fn bearer(&self, token: &str) -> Result<Caller, AuthError> {
        self.ask(&format!("Bearer {token}")).await
    }

    fn fetches(&self) -> usize {
        self.server.requests.lock().unwrap().iter().filter(|path| *path == "/keys").count()
    }
}

#[tokio::test]
async fn a_good_token_says_who_and_what() {
    let fixture = Fixture::new().await;
    let caller = fixture.bearer(&fixture.token(|_| {})).await.unwrap();
    let Caller::Bearer(principal) = &caller else { panic!("{caller:?}") };
    assert_eq!((principal.subject.as_str(), principal.roles.len()), ("alice", 2));
    let may = |provider, permission| fixture.auth.may(&caller, provider, permission);
    for permission in [Permission::Read, Permission::Write, Permission::Delete] {
        assert!(may("contoso", permission) && may("CONTOSO", permission) && !may("default", permission));
    }
    assert!(!may("contoso", Permission::Admin));
    let reader =
        fixture.bearer(&fixture.token(|claims| drop(claims.insert("roles".into(), "Reader".into())))).await;
    let reader = reader.unwrap();
    assert!(fixture.auth.may(&reader, "anything", Permission::Read));
    assert!(!fixture.auth.may(&reader, "anything", Permission::Write));
    let owner =
        fixture.bearer(&fixture.token(|claims| drop(claims.insert("roles".into(), json!(["Owner"]))))).await;
    assert!(fixture.auth.may(&owner.unwrap(), "anything", Permission::Admin));
    assert!(!fixture.auth.may(&Caller::Anonymous, "contoso", Permission::Read));
    assert_eq!(fixture.fetches(), 1, "the key set is kept");
}

#[tokio::test]
async fn claims_must_fit() {
    let fixture = Fixture::new().await;
    let own = "https://localhost:8443";
    let cases: Vec<(&str, Value, AuthError)> = vec![
        ("exp", json!(NOW - 61), AuthError::Expired),
        ("exp", json!("soon"), AuthError::Claims),
        ("nbf", json!(NOW + 61), AuthError::NotYetValid),
        ("iat", json!(NOW + 61), AuthError::NotYetValid),
        ("aud", json!("someone"), AuthError::Audience),
        ("aud", json!(["a", "b"]), AuthError::Audience),
        ("aud", Value::Null, AuthError::Audience),
        ("iss", json!("https://login.example.org"), AuthError::Issuer),
        ("iss", json!(own), AuthError::Issuer),
        ("iss", json!(format!("{own}/providers/contoso")), AuthError::Issuer),
        ("iss", Value::Null, AuthError::Claims),
        ("sub", Value::Null, AuthError::Claims),
        ("sub", json!(""), AuthError::Claims),
    ];
    for (name, value, expected) in cases {
        let token = fixture.token(|claims| match value.is_null() {
            true => drop(claims.remove(name)),
            false => drop(claims.insert(name.to_owned(), value.clone())),
        });
        assert_eq!(fixture.bearer(&token).await, Err(expected), "{name} {value}");
    }
    for (name, value) in [("exp", NOW - 59), ("nbf", NOW + 59)] {
        let token = fixture.token(|claims| drop(claims.insert(name.to_owned(), value.into())));
        assert!(fixture.bearer(&token).await.is_ok(), "{name} within the leeway");
    }
    let without = fixture.token(|claims| drop(claims.remove("exp")));
    assert_eq!(fixture.bearer(&without).await, Err(AuthError::Claims));
}

#[tokio::test]
async fn only_good_signatures_count() {
    let fixture = Fixture::new().await;
    let stranger = SoftwareKey::generate(Algorithm::Es256).unwrap();
    let forged = fixture.token_by("one", &stranger, |_| {});
    assert_eq!(fixture.bearer(&forged).await, Err(AuthError::Signature));
    let good = fixture.token(|_| {});
    let (_, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let header = |text: &str| assay_token::base64url::encode(text.as_bytes());
    let none = header(r#"{"alg":"none","kid":"one"}"#);
    let symmetric = header(r#"{"alg":"HS256","kid":"one"}"#);
    let unnamed = header(r#"{"alg":"ES256"}"#);
    for token in [
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{symmetric}.{payload}.{signature}"),
        format!("{unnamed}.{payload}.{signature}"),
        format!("{}.{payload}.", good.split('.').next().unwrap()),
    ] {
        assert_eq!(fixture.bearer(&token).await, Err(AuthError::Signature), "{token}");
    }
    for malformed in ["abc", "a.b", "a.b.c.d", "é.é.é"] {
        let header = HeaderValue::from_bytes(format!("Bearer {malformed}").as_bytes()).unwrap();
        let expected = if malformed.is_ascii() { AuthError::Malformed } else { AuthError::Header };
        assert_eq!(fixture.auth.authenticate(Some(&header), UnixTime(NOW)).await, Err(expected));
    }
}

#[tokio::test]
async fn headers_have_one_form() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.auth.authenticate(None, UnixTime(NOW)).await, Ok(Caller::Anonymous));
    for header in ["Basic abc", "Bearer", "Bearer ", "abc"] {
        assert_eq!(fixture.ask(header).await, Err(AuthError::Header), "{header}");
    }
    assert!(fixture.ask(&format!("bearer {}", fixture.token(|_| {}))).await.is_ok());
    let long = "a".repeat(MAX_TOKEN + 1);
    assert_eq!(fixture.bearer(&long).await, Err(AuthError::Malformed));
    let challenge = "Bearer error=\"invalid_token\", error_description=\"the token has expired\"";
    assert_eq!(AuthError::Expired.challenge(), challenge);
    assert_eq!(AuthError::Header.code(), "invalid_request");
}

#[tokio::test]
async fn the_development_token_may_everything() {
    let fixture = Fixture::new().await;
    let caller = fixture.bearer("dev-token").await.unwrap();
    assert!(fixture.auth.may(&caller, "anything", Permission::Admin));
    assert_eq!(fixture.bearer("dev-toke").await, Err(AuthError::Malformed));
    assert_eq!(fixture.fetches(), 0);
}

#[tokio::test]
async fn rotated_keys_are_found_without_flooding_the_issuer() {
    let fixture = Fixture::new().await;
    assert!(fixture.bearer(&fixture.token(|_| {})).await.is_ok());
    let next = SoftwareKey::generate(Algorithm::Rs256).unwrap();
    // Unknown to the issuer, too: asked once, and then not again for half a minute.
    for _ in 0..3 {
        assert_eq!(fixture.bearer(&fixture.token_by("two", &next, |_| {})).await, Err(AuthError::Signature));
    }
    assert_eq!(fixture.fetches(), 1, "tried within the last 30 seconds");
    // The issuer has rotated: half a minute later the new key is found, and the old one is gone.
    fixture.state.lock().unwrap().keys = vec![published("two", &next)];
    let at = UnixTime(NOW + 31);
    let (issuer, clock, counters) = (&fixture.auth.issuers[0], Clock::fixed_offset(at), Counters::default());
    let new = fixture.token_by("two", &next, |_| {});
    assert!(issuer.verify(&new, at, LEEWAY, &clock, &counters).await.is_ok());
    let old = fixture.token(|_| {});
    assert_eq!(
        issuer.verify(&old, at, LEEWAY, &clock, &counters).await.map(|_| ()),
        Err(AuthError::Signature)
    );
    assert_eq!(fixture.fetches(), 2);
}

/// Even if the configuration trusted the service's own issuer, and the signature is good.
#[tokio::test]
async fn tokens_of_the_service_open_nothing() {
    let mut fixture = Fixture::new().await;
    let token = fixture.token(|_| {});
    assert!(fixture.bearer(&token).await.is_ok());
    fixture.auth.public_url = fixture.server.url("");
    assert_eq!(fixture.bearer(&token).await, Err(AuthError::Issuer));
    // A longer host name that begins alike is another issuer.
    fixture.auth.public_url =
        fixture.server.url("").trim_end_matches(|last: char| last.is_ascii_digit()).to_owned();
    assert!(fixture.bearer(&token).await.is_ok());
}

#[tokio::test]
async fn many_requests_are_one_fetch() {
    let fixture = Arc::new(Fixture::new().await);
    let token = fixture.token(|_| {});
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let (fixture, token) = (Arc::clone(&fixture), token.clone());
            tokio::spawn(async move { fixture.bearer(&token).await.is_ok() })
        })
        .collect();
    for task in asked {
        assert!(task.await.unwrap());
    }
    assert_eq!(fixture.fetches(), 1);
}

/// The keys stay in use while the issuer is down, for a day; an unknown key leads to a new look after half a minute.
#[tokio::test]
async fn an_outage_of_the_issuer_is_not_ours() {
    let fixture = Fixture::new().await;
    assert!(fixture.bearer(&fixture.token(|_| {})).await.is_ok());
    let issuer = &fixture.auth.issuers[0];
    let verify = |at: i64| {
        let token = fixture.token(|claims| drop(claims.insert("exp".into(), (NOW + 10_000_000).into())));
        let clock = Clock::fixed_offset(UnixTime(at));
        async move { issuer.verify(&token, UnixTime(at), LEEWAY, &clock, &Counters::default()).await.map(|_| ()) }
    };
    fixture.state.lock().unwrap().down = true;
    assert_eq!(verify(NOW + 16 * 60).await, Ok(()));
    assert_eq!(verify(NOW + 25 * 60 * 60).await, Err(AuthError::Unavailable));
    fixture.state.lock().unwrap().down = false;
    assert_eq!(verify(NOW + 25 * 60 * 60 + 31).await, Ok(()));
}

/// One request fetches newer keys; the others go on with those in hand, however long the issuer takes.
#[tokio::test]
async fn nobody_waits_for_the_issuer_with_keys_in_hand() {
    let fixture = Fixture::new().await;
    assert!(fixture.bearer(&fixture.token(|_| {})).await.is_ok());
    let at = UnixTime(NOW + 16 * 60);
    let (issuer, clock, counters) = (&fixture.auth.issuers[0], Clock::fixed_offset(at), Counters::default());
    let token = fixture.token(|claims| drop(claims.insert("exp".into(), (NOW + 10_000_000).into())));
    let fetching = issuer.attempt.lock().await;
    let asked = issuer.verify(&token, at, LEEWAY, &clock, &counters);
    let answered = tokio::time::timeout(std::time::Duration::from_secs(5), asked).await;
    assert!(answered.expect("nobody is waited for").is_ok());
    assert_eq!((fixture.fetches(), counters.issuer_fetches.get()), (1, 0));
    drop(fetching);
    assert!(issuer.verify(&token, at, LEEWAY, &clock, &counters).await.is_ok());
    assert_eq!((fixture.fetches(), counters.issuer_fetches.get()), (2, 1));
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_refused() {
    let fixture = Fixture::new().await;
    let token = fixture.token(|_| {});
    fixture.state.lock().unwrap().issuer = "https://evil.example.org".to_owned();
    assert_eq!(fixture.bearer(&token).await, Err(AuthError::Unavailable));
    assert_eq!(fixture.fetches(), 0);
}

/// Somebody who may read everything.
pub(crate) fn principal_for_tests() -> Principal {
    let grants = vec![("*".to_owned(), Grant::Reader)];
    Principal { subject: "reader".to_owned(), issuer: "test".to_owned(), roles: Vec::new(), grants }
}
