//! Wrapped keys open in their own place, under their own master key, unaltered; and in no other way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

use assay_token::TokenError;
use assay_token::lifecycle::Purpose;
use assay_token::wrap::{Binding, MasterKey, master_key_id, open_sealed, rewrap, seal, unwrap, wrap};
use proptest::prelude::*;

const HERE: Binding<'static> = Binding { provider: "contoso", kid: "k1", purpose: Purpose::AttestationToken };

fn master(byte: u8) -> MasterKey {
    MasterKey::from_bytes(&[byte; 32]).unwrap()
}

#[test]
fn there_and_back() {
    let key = MasterKey::generate().unwrap();
    for plaintext in [&b""[..], b"secret", &[7; 5000]] {
        let envelope = wrap(&key, plaintext, &HERE).unwrap();
        assert_eq!(envelope.len(), 4 + 8 + 12 + plaintext.len() + 16);
        assert_eq!(envelope[..4], *b"AKW\x01");
        assert_eq!(master_key_id(&envelope), Ok(key.id()));
        assert_eq!(*unwrap(&key, &envelope, &HERE).unwrap(), plaintext);
        assert_ne!(wrap(&key, plaintext, &HERE).unwrap(), envelope, "a new nonce each time");
    }
}

#[test]
fn ids_of_master_keys_are_stable() {
    // SHA-256 over "assay master key id v1", a NUL byte and 32 bytes of 01, the first 8 bytes.
    assert_eq!(master(1).id(), "d0e2baf6b161cb7e");
    assert_eq!(format!("{:?}", master(1)), "MasterKey(d0e2baf6b161cb7e, [redacted])");
    assert_ne!(master(1).id(), master(2).id());
    assert_eq!(master(1).as_bytes(), &[1; 32]);
}

#[test]
fn envelopes_of_today_open_tomorrow() {
    // Made with another implementation of AES-GCM from the description of the format: "secret", nonce 00 to 0b.
    let envelope = hex::decode(
        "414b5701d0e2baf6b161cb7e000102030405060708090a0bc8c3f654458a4b12f79bcc9c27a3b6e9fa7ca4aa5391",
    );
    assert_eq!(*unwrap(&master(1), &envelope.unwrap(), &HERE).unwrap(), b"secret");
}

#[test]
fn master_keys_that_are_none() {
    assert_eq!(MasterKey::from_bytes(&[1; 31]).unwrap_err(), TokenError::MasterKeyLength { found: 31 });
    assert_eq!(MasterKey::from_bytes(&[]).unwrap_err(), TokenError::MasterKeyLength { found: 0 });
    assert_eq!(MasterKey::from_bytes(&[0; 32]).unwrap_err(), TokenError::MasterKeyZero);
}

#[test]
fn other_places() {
    let key = master(1);
    let envelope = wrap(&key, b"secret", &HERE).unwrap();
    let places = [
        Binding { provider: "fabrikam", ..HERE },
        Binding { kid: "k2", ..HERE },
        Binding { purpose: Purpose::ManagementResult, ..HERE },
        // The same letters, divided otherwise.
        Binding { provider: "contos", kid: "ok1", ..HERE },
        Binding { provider: "contosok1", kid: "", ..HERE },
    ];
    for place in places {
        assert_eq!(unwrap(&key, &envelope, &place), Err(TokenError::EnvelopeRejected), "{place:?}");
    }
}

#[test]
fn other_master_keys() {
    let (old, new) = (master(1), master(2));
    let envelope = wrap(&old, b"secret", &HERE).unwrap();
    let wrong = TokenError::WrongMasterKey { expected: old.id(), given: new.id() };
    assert_eq!(unwrap(&new, &envelope, &HERE), Err(wrong.clone()));
    let renewed = rewrap(&old, &new, &envelope, &HERE).unwrap();
    assert_eq!(*unwrap(&new, &renewed, &HERE).unwrap(), b"secret");
    assert_eq!(rewrap(&new, &old, &envelope, &HERE), Err(wrong));
    // The id of the new key on an envelope of the old one.
    let mut relabelled = envelope;
    relabelled[4..12].copy_from_slice(&renewed[4..12]);
    assert_eq!(unwrap(&new, &relabelled, &HERE), Err(TokenError::EnvelopeRejected));
}

#[test]
fn every_bit_counts() {
    let key = master(1);
    let envelope = wrap(&key, b"secret", &HERE).unwrap();
    for bit in 0..envelope.len() * 8 {
        let mut broken = envelope.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        let error = unwrap(&key, &broken, &HERE).unwrap_err();
        match bit / 8 {
            0..4 => assert_eq!(error, TokenError::EnvelopeMalformed),
            4..12 => assert!(matches!(error, TokenError::WrongMasterKey { .. }), "{error}"),
            _ => assert_eq!(error, TokenError::EnvelopeRejected),
        }
    }
    for length in 0..envelope.len() {
        let expected = if length < 40 { TokenError::EnvelopeMalformed } else { TokenError::EnvelopeRejected };
        assert_eq!(unwrap(&key, &envelope[..length], &HERE), Err(expected), "{length}");
    }
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        prop_assert!(unwrap(&master(1), &bytes, &HERE).is_err());
        let mut envelope = b"AKW\x01".to_vec();
        envelope.extend(bytes);
        prop_assert!(unwrap(&master(1), &envelope, &HERE).is_err());
    }
}

#[test]
fn sealed_data_opens_only_where_it_belongs() {
    let (master, other) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
    let sealed = seal(&master, b"an identifier", "platform", "one").unwrap();
    assert_eq!(open_sealed(&master, &sealed, "platform", "one").unwrap().as_slice(), b"an identifier");
    let opened = |purpose, name| open_sealed(&master, &sealed, purpose, name).map(drop);
    assert_eq!(opened("platform", "two"), Err(TokenError::EnvelopeRejected));
    assert_eq!(opened("manifest", "one"), Err(TokenError::EnvelopeRejected));
    let error = open_sealed(&other, &sealed, "platform", "one").unwrap_err();
    assert!(matches!(error, TokenError::WrongMasterKey { .. }));
    // A wrapped key is no sealed data, nor the reverse.
    let binding = Binding { provider: "platform", kid: "one", purpose: Purpose::AttestationToken };
    assert_eq!(unwrap(&master, &sealed, &binding).map(drop), Err(TokenError::EnvelopeMalformed));
    let wrapped = wrap(&master, b"a key", &binding).unwrap();
    assert_eq!(
        open_sealed(&master, &wrapped, "platform", "one").map(drop),
        Err(TokenError::EnvelopeMalformed)
    );
    for at in 0..sealed.len() {
        let mut broken = sealed.clone();
        broken[at] ^= 1;
        assert!(open_sealed(&master, &broken, "platform", "one").is_err(), "byte {at}");
    }
}
