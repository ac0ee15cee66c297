//! What somebody who can write to the store, or very many requests, may bring about.

use assay_store::{Change, ChangeId, HeadName};

use super::*;
use crate::keys::KEYS_MAX;

const PERMIT: &str = "version= 1.0;authorizationrules{=> permit();};issuancerules{};";

/// Puts another document in the place of one, as somebody would who has the store's file.
fn forge(world: &World, head: &HeadName, edit: impl FnOnce(&mut Value)) {
    let known = world.store.head(head).unwrap().unwrap();
    let mut document = serde_json::from_slice(&world.store.blob(&known.digest).unwrap().unwrap()).unwrap();
    edit(&mut document);
    let mut change = Change::new(ChangeId::from_bytes(crate::random::bytes().unwrap()));
    let digest = change.put_blob(serde_json::to_vec(&document).unwrap());
    change.set_head(head.clone(), Some(known.revision), Some(digest));
    world.store.commit(change).unwrap();
}

fn served(registry: &Registry, provider: &str, kind: AttestationType) -> Option<String> {
    let provider = registry.provider(provider).unwrap();
    provider.policy(kind).map(|policy| policy.active.text().to_owned())
}

#[tokio::test]
async fn a_policy_that_was_not_signed_as_it_is_stored_is_not_served() {
    let world = World::new();
    let registry = world.open();
    let (author, stranger) = (Author::new("author"), Author::new("stranger"));
    isolated(&registry, &author).await;
    registry.set_policy(&actor(), "default", SGX, &unsigned(&payload_of(DENY))).await.unwrap();
    let good = author.policy(DENY);
    let parts: Vec<&str> = good.split('.').collect();
    let (header, signature) = (parts[0], parts[2]);
    let other_payload = format!("{header}.{}.{signature}", base64url::encode(payload_of(PERMIT).as_bytes()));
    let forgeries = [
        (good.clone(), Some(PERMIT)),
        (good.clone(), None),
        (other_payload, Some(PERMIT)),
        (stranger.policy(PERMIT), Some(PERMIT)),
        (unsigned(&payload_of(PERMIT)), Some(PERMIT)),
        (RESET.to_owned(), None),
    ];
    let head = catalog::policy("contoso", "sgxenclave").unwrap();
    for (document, text) in forgeries {
        registry.set_policy(&actor(), "contoso", SGX, &good).await.unwrap();
        assert_eq!(served(&registry, "contoso", SGX).as_deref(), Some(DENY), "an upload repairs it");
        forge(&world, &head, |stored| {
            stored["document"] = document.clone().into();
            stored["text"] = text.into();
        });
        assert_eq!(registry.refresh(), Ok(true));
        for registry in [&registry, &world.open()] {
            assert_eq!(served(registry, "contoso", SGX), None, "{document} {text:?}");
            assert!(served(registry, "contoso", AttestationType::OpenEnclave).is_some());
            assert_eq!(served(registry, "default", SGX).as_deref(), Some(DENY));
        }
    }
}

#[tokio::test]
async fn a_policy_outlives_the_registration_of_its_signer() {
    let world = World::new();
    let registry = world.open();
    let (first, second) = (Author::new("first"), Author::new("second"));
    isolated(&registry, &first).await;
    let request = first.signer_request("policyCertificate", &second);
    registry.add_signer(&actor(), "contoso", &request).await.unwrap();
    registry.set_policy(&actor(), "contoso", SGX, &second.policy(DENY)).await.unwrap();
    registry.remove_signer(&actor(), "contoso", &request).await.unwrap();
    assert_eq!(served(&world.open(), "contoso", SGX).as_deref(), Some(DENY));
    let head = catalog::policy("contoso", "sgxenclave").unwrap();
    forge(&world, &head, |stored| drop(stored.as_object_mut().unwrap().remove("voucher").unwrap()));
    assert_eq!(served(&world.open(), "contoso", SGX), None);
}

#[tokio::test]
async fn emergencies_without_end_leave_a_provider_that_works() {
    let world = World::new();
    let registry = world.open();
    for _ in 0..110 {
        registry.rotate_key(&actor(), "default", Purpose::AttestationToken, true).await.unwrap();
    }
    // A hundred of the past, and one for each of two purposes.
    let records = world.open().default_provider().unwrap().keys.records().to_vec();
    assert_eq!(records.len(), 102);
    assert!(records.iter().any(|record| record.purpose == Purpose::ManagementResult));
}

#[tokio::test]
async fn a_full_key_set_is_refused_before_it_is_written() {
    let world = World::new();
    drop(world.open());
    let head = catalog::keys("default").unwrap();
    forge(&world, &head, |stored| {
        let keys = stored["keys"].as_array_mut().unwrap();
        let mut past = keys[0].clone();
        past["wrapped"] = Value::Null;
        past["record"]["state"] = "retired".into();
        past["record"]["last_token_expiry"] = (NOW + 3600).into();
        // One more than fits, as earlier releases left it.
        for number in keys.len()..=KEYS_MAX {
            past["record"]["kid"] = format!("past-{number}").into();
            keys.insert(0, past.clone());
        }
    });
    let registry = world.open();
    let before = world.store.head(&head).unwrap();
    let refused = registry.rotate_key(&actor(), "default", Purpose::AttestationToken, true).await;
    assert_eq!(refused, Err(RegistryError::TooManyKeys { limit: KEYS_MAX }));
    assert_eq!(world.store.head(&head).unwrap(), before);
    // Once the tokens of the past have expired, their keys are forgotten.
    let later = world.try_open(NOW + 3600).unwrap();
    later.rotate_key(&actor(), "default", Purpose::AttestationToken, true).await.unwrap();
    assert_eq!(later.default_provider().unwrap().keys.records().len(), 102);
}

#[test]
fn a_store_keeps_its_kind_wherever_it_is() {
    let text = "listen = \"127.0.0.1:0\"\ndata_dir = \"/nowhere\"\npublic_url = \"https://a.example.org\"\ndefault_provider.signing_algorithm = \"ES256\"\n\
                [tls]\ncert = \"c\"\nkey = \"k\"";
    let master = [("ASSAY_MASTER_KEY".to_owned(), "07".repeat(32))];
    let production = Config::from_text(None, text, master, &Overrides::default()).unwrap();
    let development = World::new().config;
    let on = |store: &Arc<MemoryStore>, config: &Config| {
        let world = World { store: Arc::clone(store), config: config.clone(), ..World::new() };
        world.try_open(NOW).map(drop)
    };
    let head = document::mark_head().unwrap();
    for (born, other, refusal) in [
        (&development, &production, RegistryError::Development),
        (&production, &development, RegistryError::Production),
    ] {
        let store = Arc::new(MemoryStore::new());
        assert_eq!(on(&store, born), Ok(()));
        assert_eq!(on(&store, other), Err(refusal.clone()));
        assert_eq!(on(&store, born), Ok(()));
        // One of an earlier release has no mark until it is opened.
        let known = store.head(&head).unwrap().unwrap();
        let mut change = Change::new(ChangeId::from_bytes([1; 16]));
        change.set_head(head.clone(), Some(known.revision), None);
        store.commit(change).unwrap();
        assert_eq!(on(&store, born), Ok(()));
        assert_eq!(on(&store, other), Err(refusal));
    }
}
