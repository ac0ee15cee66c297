#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use assay_store::{Change, ChangeId, MemoryStore, Store};
use assay_token::Algorithm;
use assay_token::lifecycle::{RotationPolicy, signing_key};
use assay_token::wrap::MasterKey;

use super::*;

const NOW: u64 = 1_800_000_000;

struct Keys {
    store: MemoryStore,
    master: MasterKey,
    document: KeyDocument,
    policy: RotationPolicy,
}

impl Keys {
    fn new() -> Self {
        let master = MasterKey::from_bytes(&[7; 32]).unwrap();
        let policy = RotationPolicy::default();
        Self { store: MemoryStore::new(), master, document: KeyDocument::empty(), policy }
    }

    /// One pass of the schedule, as the registry does it.
    fn advance(&mut self, provider: &str, purpose: Purpose, now: u64) -> usize {
        let ring = Ring {
            master: &self.master,
            provider,
            purpose,
            algorithm: Algorithm::Es256,
            issuer: "https://attest.example.org",
            policy: &self.policy,
            now,
        };
        let made = advance(&mut self.document, &ring).unwrap();
        let mut change = Change::new(ChangeId::from_bytes([0; 16]));
        for key in &made {
            change.put_blob(key.wrapped.clone());
        }
        self.store.commit(change).unwrap();
        made.len()
    }

    fn open(&self) -> Result<KeySet, String> {
        self.document.open(&self.store, &self.master, None)
    }
}

const TOKEN: Purpose = Purpose::AttestationToken;

#[test]
fn the_signing_key_is_the_one_that_the_lifecycle_names() {
    let mut keys = Keys::new();
    keys.advance("contoso", TOKEN, NOW);
    // Every few days for a year: whatever the state, both say the same, and there is always one.
    for day in 0..120 {
        let now = NOW + day * 3 * 24 * 3600;
        keys.advance("contoso", TOKEN, now);
        let set = keys.open().unwrap();
        let ring = set.ring(TOKEN);
        for at in [now, now - 3600, 0] {
            let expected = &signing_key(&ring, at).unwrap().kid;
            assert_eq!(set.signing_key(TOKEN, at).unwrap().kid, expected);
        }
        let kid = set.signing_key(TOKEN, now).unwrap().kid.to_owned();
        assert!(set.jwks(now).unwrap().find(&kid).is_ok(), "what signs is published");
        assert!(set.certificate(&kid).is_some());
    }
    assert!(keys.document.keys.len() >= 4);
    assert_eq!(
        keys.open().unwrap().signing_key(Purpose::Challenge, NOW).unwrap_err(),
        TokenError::NoSigningKey
    );
}

#[test]
fn private_halves_do_not_open_elsewhere() {
    let mut keys = Keys::new();
    keys.advance("contoso", TOKEN, NOW);
    let kid = keys.document.keys[0].record.kid.clone();
    let refused =
        format!("key `{kid}`: the wrapped key was altered or belongs to another provider, key or purpose");
    keys.document.keys[0].record.provider = "fabrikam".to_owned();
    assert_eq!(keys.open().unwrap_err(), refused);
    keys.document.keys[0].record.provider = "contoso".to_owned();
    keys.document.keys[0].record.purpose = Purpose::ManagementResult;
    assert_eq!(keys.open().unwrap_err(), refused);
    keys.document.keys[0].record.purpose = TOKEN;
    assert!(keys.open().is_ok());
}

#[test]
fn who_can_never_sign_again_has_no_private_half() {
    let mut keys = Keys::new();
    keys.advance("contoso", TOKEN, NOW);
    let mut records = keys.document.records();
    records[0].revoke(NOW);
    keys.document.set_records(&records);
    keys.advance("contoso", TOKEN, NOW);
    let text = String::from_utf8(keys.document.to_bytes().unwrap()).unwrap();
    assert_eq!(text.matches("\"wrapped\":null").count(), 1);
    assert_eq!(KeyDocument::read(text.as_bytes()).unwrap(), keys.document);
    let newer = text.replace("\"format\":1", "\"format\":2");
    assert_eq!(KeyDocument::read(newer.as_bytes()).unwrap_err(), "its format is 2, this release knows 1");
}
