#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use assay_appraisal::AttestationType;
use assay_store::{MemoryStore, catalog};
use assay_token::lifecycle::State;
use assay_token::{
    Algorithm, Expectations, Jwks, SoftwareKey, base64url, certificate_thumbprint_sha1_hex, issue,
    self_signed_certificate, verify,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;
use crate::config::Overrides;

mod stored;

const NOW: i64 = 1_800_000_000;
const SGX: AttestationType = AttestationType::SgxEnclave;
const DENY: &str = "version= 1.0;authorizationrules{=> deny();};issuancerules{};";
const RESET: &str = "eyJhbGciOiJub25lIn0..";

/// A store, and registries that are opened on it at different times.
struct World {
    store: Arc<MemoryStore>,
    master: Arc<MasterKey>,
    config: Config,
}

impl World {
    fn new() -> Self {
        Self::with("")
    }

    /// ES256 makes keys in no time.
    fn with(text: &str) -> Self {
        let text = format!("default_provider.signing_algorithm = \"ES256\"\n{text}");
        let overrides = Overrides { dev: true, ..Overrides::default() };
        Self {
            store: Arc::new(MemoryStore::new()),
            master: Arc::new(MasterKey::from_bytes(&[7; 32]).unwrap()),
            config: Config::from_text(None, &text, [], &overrides).unwrap(),
        }
    }

    fn try_open(&self, now: i64) -> Result<Registry, RegistryError> {
        let store: Arc<dyn Store> = self.store.clone();
        let clock = Clock::fixed_offset(UnixTime(now));
        Registry::open(store, Arc::clone(&self.master), &self.config, clock, Arc::default())
    }

    fn open(&self) -> Registry {
        self.try_open(NOW).unwrap()
    }
}

/// Somebody who signs policies.
struct Author {
    key: SoftwareKey,
    certificate: Vec<u8>,
}

impl Author {
    fn new(name: &str) -> Self {
        let key = SoftwareKey::generate(Algorithm::Es256).unwrap();
        let certificate = self_signed_certificate(&key, name, 1_700_000_000, 1_900_000_000).unwrap();
        Self { key, certificate }
    }

    fn jwk(&self) -> Value {
        json!({ "kty": "EC", "alg": "ES256", "use": "sig", "x5c": [STANDARD.encode(&self.certificate)] })
    }

    fn sign(&self, payload: &str) -> String {
        let certificates = [self.certificate.clone()];
        let header = Header { kid: "k", jku: "", typ: "JWT", x5c: &certificates };
        issue(&header, payload, &self.key).unwrap()
    }

    fn policy(&self, text: &str) -> String {
        self.sign(&payload_of(text))
    }

    /// A request to add or remove `other`.
    fn signer_request(&self, member: &str, other: &Self) -> String {
        self.sign(&json!({ member: other.jwk() }).to_string())
    }

    fn thumbprint(&self) -> String {
        certificate_thumbprint_sha1_hex(&self.certificate)
    }
}

fn payload_of(text: &str) -> String {
    json!({ "AttestationPolicy": base64url::encode(text.as_bytes()) }).to_string()
}

fn unsigned(payload: &str) -> String {
    format!("eyJhbGciOiJub25lIn0.{}.", base64url::encode(payload.as_bytes()))
}

fn actor() -> Actor {
    Actor::bearer("https://login.example.org", "alice")
}

async fn isolated(registry: &Registry, author: &Author) -> Arc<ProviderSnapshot> {
    let new = NewProvider {
        name: "Contoso".to_owned(),
        policy_signers: vec![author.jwk()],
        options: ProviderOptions { algorithm: Algorithm::Es256, ..ProviderOptions::default() },
    };
    registry.create_provider(&actor(), new).await.unwrap()
}

fn acts(world: &World, provider: &str) -> Vec<String> {
    let chain = change::administration_chain(provider).unwrap();
    let records = world.store.records(&chain, 1, 1000).unwrap();
    let act =
        |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["act"].as_str().unwrap().to_owned();
    records.iter().map(|record| act(&record.body)).collect()
}

#[tokio::test]
async fn every_refusal_of_a_policy_is_exact_and_changes_nothing() {
    let world = World::new();
    let registry = world.open();
    let (author, stranger) = (Author::new("author"), Author::new("stranger"));
    isolated(&registry, &author).await;
    let good = author.policy(DENY);
    registry.set_policy(&actor(), "contoso", SGX, &good).await.unwrap();
    let tampered = {
        let (input, _) = good.rsplit_once('.').unwrap();
        let (_, other) =
            stranger.policy(DENY).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        format!("{input}.{other}")
    };
    let untrusted = TokenError::SignerNotTrusted { subject: "CN=stranger".to_owned() };
    let broken = "version= 1.0;\nauthorizationrules{=> permit()};";
    let baseline = "version=1.1;configurationrules{=> issueproperty(type=\"x-ms-sgx-tcbidentifier\", value=\"99\");};\
                    authorizationrules{=> permit();};issuancerules{};";
    let payload = |problem: &str| RegistryError::Payload { problem: problem.to_owned() };
    let missing = RegistryError::MemberMissing { member: "AttestationPolicy" };
    let cases: Vec<(&str, String, RegistryError)> = vec![
        ("contoso", unsigned(&payload_of(DENY)), RegistryError::Unsigned),
        ("contoso", stranger.policy(DENY), RegistryError::SignerNotTrusted(untrusted)),
        ("contoso", tampered, RegistryError::Document(TokenError::BadSignature)),
        ("default", "hello".to_owned(), RegistryError::Document(TokenError::PartCount { found: 1 })),
        ("default", unsigned("{\"AttestationPolicy\":1}"), RegistryError::PolicyEncoding),
        ("default", unsigned("{\"AttestationPolicy\":\"!\"}"), RegistryError::PolicyEncoding),
        ("default", unsigned("{\"AttestationPolicy\":\"_w\"}"), RegistryError::PolicyEncoding),
        ("default", unsigned("{\"attestationPolicy\":\"\"}"), missing.clone()),
        ("default", unsigned("{}"), missing),
        ("default", unsigned("[]"), payload("invalid type: sequence, expected a map")),
        (
            "default",
            unsigned(&payload_of(baseline)),
            RegistryError::UnknownBaseline { name: "99".to_owned() },
        ),
        ("nobody", good.clone(), RegistryError::UnknownProvider { name: "nobody".to_owned() }),
    ];
    for (provider, jws, expected) in cases {
        let refused = registry.set_policy(&actor(), provider, SGX, &jws).await.unwrap_err();
        match (&refused, &expected) {
            // The parser's own words about JSON are not ours to hold.
            (RegistryError::Payload { .. }, RegistryError::Payload { .. }) => {}
            _ => assert_eq!(refused, expected, "{jws}"),
        }
    }
    let refused =
        registry.set_policy(&actor(), "default", SGX, &unsigned(&payload_of(broken))).await.unwrap_err();
    let problem = crate::maa::refusal::registry(&refused);
    assert!(
        problem.message.starts_with("Invalid policy was specified: Line: '2', Column: '"),
        "{}",
        problem.message
    );
    assert_eq!((problem.code, problem.details[0].code.as_str()), ("PolicyParsingError", "missing-semicolon"));
    let provider = registry.provider("contoso").unwrap();
    assert_eq!(provider.policy(SGX).unwrap().jws(), good);
    assert!(registry.default_provider().unwrap().policy(SGX).unwrap().is_default);
    assert_eq!(acts(&world, "contoso"), ["provider-create", "policy-set"]);
}

#[tokio::test]
async fn a_policy_document_is_kept_byte_for_byte() {
    let world = World::new();
    let registry = world.open();
    let author = Author::new("anyone");
    // Pretty JSON, padded base64: whatever was sent is what is shown and hashed.
    let jws = format!("eyJhbGciOiJub25lIn0=.{}.", STANDARD.encode(format!(" {} ", payload_of(DENY))));
    let change = registry.set_policy(&actor(), "default", SGX, &jws).await.unwrap();
    assert_eq!(change.token_hash, base64url::encode(&assay_token::sha256(jws.as_bytes())));
    assert_eq!(change.signer, None);
    let policy = |registry: &Registry| Arc::clone(registry.default_provider().unwrap().policy(SGX).unwrap());
    assert_eq!((policy(&registry).jws(), policy(&registry).active.text()), (jws.as_str(), DENY));
    // Signed by anyone: accepted, and the signer is named in results and tokens.
    let signed = author.policy(DENY);
    let change = registry.set_policy(&actor(), "default", SGX, &signed).await.unwrap();
    assert_eq!(change.signer, Some(author.jwk()));
    let signer = json!({ "kty": "EC", "x5c": author.jwk()["x5c"] });
    assert_eq!(policy(&registry).active.signer(), Some(&signer));
    assert_eq!(policy(&world.open()).active.signer(), Some(&signer), "also after a restart");
    // The history is linked.
    let head = world.store.head(&catalog::policy("default", "sgxenclave").unwrap()).unwrap().unwrap();
    let newest: Value = serde_json::from_slice(&world.store.blob(&head.digest).unwrap().unwrap()).unwrap();
    let previous = newest["previous"].as_str().unwrap().parse().unwrap();
    let before: Value = serde_json::from_slice(&world.store.blob(&previous).unwrap().unwrap()).unwrap();
    assert_eq!((before["document"].as_str(), &before["previous"]), (Some(jws.as_str()), &Value::Null));
}

#[tokio::test]
async fn a_reset_brings_the_default_back() {
    let world = World::new();
    let registry = world.open();
    let author = Author::new("author");
    isolated(&registry, &author).await;
    registry.set_policy(&actor(), "contoso", SGX, &author.policy(DENY)).await.unwrap();
    let refused = registry.reset_policy(&actor(), "contoso", SGX, RESET).await;
    assert_eq!(refused, Err(RegistryError::Unsigned));
    let refused = registry.reset_policy(&actor(), "contoso", SGX, &author.policy(DENY)).await;
    assert_eq!(refused, Err(RegistryError::ResetPayload));
    let change = registry.reset_policy(&actor(), "contoso", SGX, &author.sign("null")).await.unwrap();
    assert_eq!(change.signer, Some(author.jwk()));
    let provider = registry.provider("contoso").unwrap();
    let policy = provider.policy(SGX).unwrap();
    assert!(policy.is_default && policy.document.is_none());
    assert!(policy.jws().starts_with("eyJhbGciOiJub25lIn0.") && policy.jws().ends_with('.'));
    assert!(
        registry.reset_policy(&actor(), "default", SGX, RESET).await.is_ok(),
        "what is default may be reset"
    );
    assert!(world.open().provider("contoso").unwrap().policy(SGX).unwrap().is_default);
    assert_eq!(acts(&world, "contoso"), ["provider-create", "policy-set", "policy-reset"]);
}

#[tokio::test]
async fn signers_of_an_isolated_provider_admit_each_other() {
    let world = World::new();
    let registry = world.open();
    let (first, second, stranger) = (Author::new("first"), Author::new("second"), Author::new("stranger"));
    isolated(&registry, &first).await;
    let add = |jws: String| {
        let registry = registry.clone();
        async move { registry.add_signer(&actor(), "contoso", &jws).await }
    };
    let remove = |jws: String| {
        let registry = registry.clone();
        async move { registry.remove_signer(&actor(), "contoso", &jws).await }
    };
    let untrusted = TokenError::SignerNotTrusted { subject: "CN=stranger".to_owned() };
    assert_eq!(
        add(stranger.signer_request("policyCertificate", &stranger)).await,
        Err(RegistryError::SignerNotTrusted(untrusted))
    );
    let request = json!({ "policyCertificate": second.jwk() }).to_string();
    assert_eq!(add(unsigned(&request)).await, Err(RegistryError::Unsigned));
    assert_eq!(
        add(first.sign("{}")).await,
        Err(RegistryError::MemberMissing { member: "policyCertificate" })
    );
    assert_eq!(
        add(first.sign("{\"policyCertificate\":{\"kty\":\"EC\"}}")).await,
        Err(RegistryError::SignerCertificate(TokenError::CertificateMissing))
    );
    assert_eq!(
        remove(first.signer_request("policyCertificate", &first)).await,
        Err(RegistryError::LastSigner)
    );
    let present = SignerChange { thumbprint: second.thumbprint(), present: true };
    for member in ["policyCertificate", "maa-policyCertificate", "x-ms-policyCertificate"] {
        assert_eq!(add(first.signer_request(member, &second)).await, Ok(present.clone()), "{member}");
    }
    let signers = || registry.provider("contoso").unwrap().signers.clone();
    assert_eq!(
        signers().iter().map(|signer| signer.jwk.clone()).collect::<Vec<_>>(),
        [first.jwk(), second.jwk()]
    );
    assert!(registry.set_policy(&actor(), "contoso", SGX, &second.policy(DENY)).await.is_ok());
    let absent = SignerChange { thumbprint: first.thumbprint(), present: false };
    for _ in 0..2 {
        assert_eq!(remove(second.signer_request("policyCertificate", &first)).await, Ok(absent.clone()));
    }
    let untrusted = TokenError::SignerNotTrusted { subject: "CN=first".to_owned() };
    let refused = registry.set_policy(&actor(), "contoso", SGX, &first.policy(DENY)).await;
    assert_eq!(refused, Err(RegistryError::SignerNotTrusted(untrusted)));
    assert_eq!(acts(&world, "contoso"), ["provider-create", "signer-add", "policy-set", "signer-remove"]);
}

#[tokio::test]
async fn signers_elsewhere_only_inform() {
    let world = World::new();
    let registry = world.open();
    let (one, other) = (Author::new("one"), Author::new("other"));
    let unsecured = unsigned(&json!({ "policyCertificate": one.jwk() }).to_string());
    let refused = registry.add_signer(&actor(), "default", &unsecured).await;
    assert_eq!(refused, Err(RegistryError::Document(TokenError::Unsecured)));
    let added =
        registry.add_signer(&actor(), "default", &one.signer_request("policyCertificate", &one)).await;
    assert_eq!(added, Ok(SignerChange { thumbprint: one.thumbprint(), present: true }));
    assert!(registry.set_policy(&actor(), "default", SGX, &other.policy(DENY)).await.is_ok());
    let removed =
        registry.remove_signer(&actor(), "default", &other.signer_request("policyCertificate", &one)).await;
    assert_eq!(removed, Ok(SignerChange { thumbprint: one.thumbprint(), present: false }));
    assert!(registry.default_provider().unwrap().signers.is_empty());
}

#[tokio::test]
async fn a_shared_provider_stays_as_it_is() {
    let world = World::with("default_provider.writable = false");
    let registry = world.open();
    assert_eq!(registry.default_provider().unwrap().trust_model, TrustModel::Shared);
    let author = Author::new("author");
    let request = author.signer_request("policyCertificate", &author);
    let shared = RegistryError::Shared;
    assert_eq!(
        registry.set_policy(&actor(), "default", SGX, &author.policy(DENY)).await,
        Err(shared.clone())
    );
    assert_eq!(registry.reset_policy(&actor(), "default", SGX, RESET).await, Err(shared.clone()));
    assert_eq!(registry.add_signer(&actor(), "default", &request).await, Err(shared.clone()));
    assert_eq!(registry.remove_signer(&actor(), "default", &request).await, Err(shared));
    assert_eq!(acts(&world, "default"), ["provider-create"]);
}

#[tokio::test]
async fn providers_come_and_go() {
    let world = World::new();
    let registry = world.open();
    let author = Author::new("author");
    let made = isolated(&registry, &author).await;
    assert_eq!(
        (made.name.as_str(), made.id.as_str(), made.trust_model),
        ("Contoso", "contoso", TrustModel::Isolated)
    );
    assert_eq!(made.issuer, "https://localhost:8443/providers/contoso");
    assert_eq!(made.jku, "https://localhost:8443/providers/contoso/certs");
    let again = NewProvider { name: "CONTOSO".to_owned(), ..NewProvider::default() };
    let exists = RegistryError::ProviderExists { name: "CONTOSO".to_owned() };
    assert_eq!(registry.create_provider(&actor(), again).await.unwrap_err(), exists);
    let accepted_tcb_statuses = Some(vec!["Revoked".to_owned()]);
    let options = ProviderOptions { accepted_tcb_statuses, ..ProviderOptions::default() };
    let bad = NewProvider { name: "fabrikam".to_owned(), options, ..NewProvider::default() };
    let option = RegistryError::Option { option: "acceptedTcbStatuses", value: "Revoked".to_owned() };
    assert_eq!(registry.create_provider(&actor(), bad).await.unwrap_err(), option);
    assert_eq!(registry.delete_provider(&actor(), "default").await, Err(RegistryError::DefaultProvider));
    assert_eq!(registry.list().len(), 2);
    registry.delete_provider(&actor(), "Contoso").await.unwrap();
    assert!(registry.provider("contoso").is_none());
    let unknown = RegistryError::UnknownProvider { name: "contoso".to_owned() };
    assert_eq!(registry.delete_provider(&actor(), "contoso").await, Err(unknown));
    // A new provider of the same name has other keys, and nothing of the old one.
    let next = isolated(&registry, &Author::new("next")).await;
    assert_ne!(next.jwks, made.jwks);
    assert!(next.policy(SGX).unwrap().is_default);
    assert_eq!(acts(&world, "contoso"), ["provider-create", "provider-delete", "provider-create"]);
    world.store.verify_chain(&change::administration_chain("contoso").unwrap(), None).unwrap();
}

#[tokio::test]
async fn other_processes_see_changes() {
    let world = World::new();
    let (here, there) = (world.open(), world.open());
    isolated(&here, &Author::new("author")).await;
    here.set_policy(&actor(), "default", SGX, &unsigned(&payload_of(DENY))).await.unwrap();
    assert!(there.provider("contoso").is_none());
    assert_eq!(there.refresh(), Ok(true));
    assert_eq!(there.refresh(), Ok(false));
    assert_eq!(there.provider("contoso").unwrap().jwks, here.provider("contoso").unwrap().jwks);
    assert_eq!(there.default_provider().unwrap().policy(SGX).unwrap().active.text(), DENY);
    // Decided on a stale snapshot: the newest state counts.
    here.delete_provider(&actor(), "contoso").await.unwrap();
    let refused = there.set_policy(&actor(), "contoso", SGX, RESET).await;
    assert_eq!(refused, Err(RegistryError::UnknownProvider { name: "contoso".to_owned() }));
}

#[tokio::test]
async fn nothing_changes_when_the_store_refuses() {
    let world = World::new();
    let registry = world.open();
    world.store.refuse_writes(Some(assay_store::StoreError::Full));
    let refused =
        registry.set_policy(&actor(), "default", SGX, &unsigned(&payload_of(DENY))).await.unwrap_err();
    assert_eq!(
        (refused.clone(), refused.fault()),
        (RegistryError::Store(assay_store::StoreError::Full), Fault::Unavailable)
    );
    assert!(registry.default_provider().unwrap().policy(SGX).unwrap().is_default);
    world.store.refuse_writes(None);
    assert!(registry.set_policy(&actor(), "default", SGX, &unsigned(&payload_of(DENY))).await.is_ok());
}

#[tokio::test]
async fn a_damaged_provider_is_not_served_and_the_others_are() {
    let world = World::new();
    let registry = world.open();
    isolated(&registry, &Author::new("author")).await;
    let head = world.store.head(&catalog::keys("contoso").unwrap()).unwrap().unwrap();
    world.store.damage_blob(&head.digest, b"{}".to_vec());
    let registry = world.open();
    assert!(registry.provider("contoso").is_none() && registry.default_provider().is_some());
}

#[tokio::test]
async fn another_master_key_opens_nothing() {
    let world = World::new();
    drop(world.open());
    let other = World {
        master: Arc::new(MasterKey::from_bytes(&[8; 32]).unwrap()),
        store: Arc::clone(&world.store),
        config: world.config.clone(),
    };
    let error = other.try_open(NOW).map(|_| ()).unwrap_err();
    let RegistryError::Corrupt { head, problem } = &error else { panic!("{error:?}") };
    assert_eq!(head, "deployment/keys");
    assert!(problem.contains("the key is wrapped under the master key"), "{problem}");
}

#[tokio::test]
async fn results_are_signed_by_the_management_key() {
    let registry = World::new().open();
    let provider = registry.default_provider().unwrap();
    let claims = json!({ "x-ms-policy-result": "Updated" }).as_object().unwrap().clone();
    let token = provider.sign_result(claims, UnixTime(NOW)).unwrap();
    let keys = Jwks::from_json(&provider.jwks).unwrap();
    let now = u64::try_from(NOW).unwrap();
    let verified =
        verify(&token, &keys, &Expectations { issuer: Some(&provider.issuer), ..Expectations::at(now) })
            .unwrap();
    let expected = json!({
        "exp": NOW + 3600, "iat": NOW, "iss": "https://localhost:8443", "nbf": NOW,
        "x-assay-dev": true, "x-ms-policy-result": "Updated",
    });
    assert_eq!(&Value::Object(verified.claims().clone()), &expected);
    let record = provider.keys.records().iter().find(|record| record.kid == verified.kid()).unwrap();
    assert_eq!(record.purpose, Purpose::ManagementResult);
}

/// Kids of a purpose by state.
fn kids(registry: &Registry, purpose: Purpose, state: State) -> Vec<String> {
    let provider = registry.default_provider().unwrap();
    let ring = provider.keys.ring(purpose);
    ring.into_iter().filter(|record| record.state == state).map(|record| record.kid).collect()
}

fn published(registry: &Registry) -> Vec<String> {
    let keys = Jwks::from_json(&registry.default_provider().unwrap().jwks).unwrap();
    keys.keys().iter().filter_map(|key| key.kid().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_new_key_is_published_a_day_before_it_signs() {
    const TOKEN: Purpose = Purpose::AttestationToken;
    const HOURS: i64 = 3600;
    let world = World::with("keys.publish_before_hours = 24");
    let registry = world.open();
    let old = kids(&registry, TOKEN, State::Active);
    let change = registry.rotate_key(&actor(), "default", TOKEN, false).await.unwrap();
    assert_eq!((change.created.len(), &change.signing), (1, &old[0]));
    let new = change.created[0].clone();
    assert!(published(&registry).contains(&new) && published(&registry).len() == 3);
    assert_eq!(
        world
            .try_open(NOW + 23 * HOURS)
            .unwrap()
            .default_provider()
            .unwrap()
            .keys
            .signing_key(TOKEN, u64::try_from(NOW + 23 * HOURS).unwrap())
            .unwrap()
            .kid,
        old[0]
    );
    // A day later the new key signs; the old one stays until its last token has expired.
    let later = world.try_open(NOW + 24 * HOURS + 10).unwrap();
    assert_eq!(
        (kids(&later, TOKEN, State::Active), kids(&later, TOKEN, State::Retiring)),
        (vec![new.clone()], old.clone())
    );
    assert!(published(&later).contains(&old[0]));
    let gone = world.try_open(NOW + 33 * HOURS).unwrap();
    assert_eq!(kids(&gone, TOKEN, State::Retired), old);
    assert!(!published(&gone).contains(&old[0]) && published(&gone).contains(&new));
    // By schedule: three months on another key is there before this one stops.
    let scheduled = world.try_open(NOW + 24 * HOURS + 10 + 89 * 24 * HOURS + HOURS).unwrap();
    assert_eq!(
        (kids(&scheduled, TOKEN, State::Active), kids(&scheduled, TOKEN, State::Published).len()),
        (vec![new], 1)
    );
    let acts = acts(&world, "default");
    assert_eq!(acts.iter().filter(|act| *act == "keys-advance").count(), acts.len() - 2, "{acts:?}");
}

#[tokio::test]
async fn an_emergency_waits_for_nothing() {
    let world = World::with("keys.publish_before_hours = 24");
    let registry = world.open();
    for purpose in [Purpose::AttestationToken, Purpose::ManagementResult] {
        let old = kids(&registry, purpose, State::Active);
        let change = registry.rotate_key(&actor(), "default", purpose, true).await.unwrap();
        assert_eq!(change.created, std::slice::from_ref(&change.signing));
        assert_eq!(kids(&registry, purpose, State::Revoked), old);
        assert!(!published(&registry).contains(&old[0]) && published(&registry).contains(&change.signing));
    }
    let signing = kids(&registry, Purpose::AttestationToken, State::Active).remove(0);
    let unknown = RegistryError::UnknownKey { kid: "x".to_owned(), purpose: Purpose::AttestationToken };
    let revoke = |kid: String| {
        let registry = registry.clone();
        async move { registry.revoke_key(&actor(), "default", Purpose::AttestationToken, &kid).await }
    };
    assert_eq!(revoke("x".to_owned()).await, Err(unknown));
    let change = revoke(signing.clone()).await.unwrap();
    assert_ne!(change.signing, signing);
    assert!(!published(&registry).contains(&signing));
    // Other processes have it a poll later, and after a restart it is still gone.
    assert!(!published(&world.open()).contains(&signing));
}

#[tokio::test]
async fn every_purpose_has_keys_of_its_own() {
    let registry = World::new().open();
    let provider = registry.default_provider().unwrap();
    let mut all: Vec<String> = provider.keys.records().iter().map(|record| record.kid.clone()).collect();
    assert_eq!(published(&registry).len(), all.len());
    let deployment = registry.deployment_keys();
    assert!(deployment.records().iter().all(|record| !published(&registry).contains(&record.kid)));
    all.extend(deployment.records().iter().map(|record| record.kid.clone()));
    all.sort();
    let count = all.len();
    all.dedup();
    assert_eq!((count, all.len()), (4, 4));
    for entry in serde_json::from_slice::<Value>(&provider.jwks).unwrap()["keys"].as_array().unwrap() {
        let members: Vec<&String> = entry.as_object().unwrap().keys().collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "x5c", "y"]);
    }
}
