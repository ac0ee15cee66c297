//! Recorded dialogues of Azure Attestation: tokens, key sets and policy documents as they really are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr,
    clippy::string_slice,
    reason = "tests"
)]

use std::path::PathBuf;
use std::{env, fs};

use assay_token::{
    Algorithm, Expectations, Jwks, Limits, PublicKey, TokenError, base64url, certificate_thumbprint_sha1_hex,
    key_id, open_policy_jws, parse, sha256, verify,
};
use der::{Decode, Encode};
use serde_json::Value;

/// The folder of real evidence, or `None` with a loud word.
fn vectors(folder: &str) -> Option<PathBuf> {
    let Some(root) = env::var_os("ASSAY_VECTORS") else {
        eprintln!("SKIPPED: set ASSAY_VECTORS to the folder of real evidence to run this test");
        return None;
    };
    Some(PathBuf::from(root).join(folder))
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let Some(folder) = vectors(folder) else { return Vec::new() };
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn json(path: &PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn recorded_tokens_verify_with_the_recorded_keys() {
    let (mut signed, mut drafts) = (0, 0);
    for path in files("maa/exchanges", ".json") {
        let calls = json(&path);
        let calls = calls.as_array().unwrap();
        let body = |call: &Value| call["respBody"].as_str().unwrap().to_owned();
        let sets: Vec<Jwks> = calls
            .iter()
            .filter(|call| call["uri"].as_str().unwrap().contains("/certs"))
            .map(|call| Jwks::from_json(body(call).as_bytes()).unwrap())
            .collect();
        for call in calls {
            let Ok(answer) = serde_json::from_str::<Value>(&body(call)) else { continue };
            let Some(token) = answer["token"].as_str() else { continue };
            let jws = parse(token, &Limits::default()).unwrap();
            let kid = jws.kid().unwrap();
            let set = sets.iter().find(|set| set.find(kid).is_ok()).expect("a key set with the key");
            let claims: Value = serde_json::from_slice(jws.payload()).unwrap();
            let iat = claims["iat"].as_u64().unwrap();
            let issuer = claims["iss"].as_str().unwrap();
            let expect =
                Expectations { issuer: Some(issuer), token_type: Some("JWT"), ..Expectations::at(iat) };
            if jws.algorithm_name() == "none" {
                assert_eq!(verify(token, set, &expect).unwrap_err(), [TokenError::Unsecured]);
                drafts += 1;
                continue;
            }
            let verified = verify(token, set, &expect).unwrap();
            assert_eq!(verified.algorithm(), Algorithm::Rs256);
            assert_eq!(verified.kid(), kid);
            assert_eq!(verified.header()["jku"], format!("{issuer}/certs"));
            let exp = claims["exp"].as_u64().unwrap();
            let late = Expectations { now: exp, ..expect };
            assert_eq!(verify(token, set, &late).unwrap_err(), [TokenError::Expired { exp, now: exp }]);
            // The same claims under another signature.
            let (input, signature) = token.rsplit_once('.').unwrap();
            let mut bytes = base64url::decode_strict(signature).unwrap();
            bytes[17] ^= 0x10;
            let forged = format!("{input}.{}", base64url::encode(&bytes));
            assert_eq!(verify(&forged, set, &expect).unwrap_err(), [TokenError::BadSignature]);
            signed += 1;
        }
    }
    eprintln!("{signed} recorded tokens verified, {drafts} drafts refused");
    assert!(vectors("").is_none() || (signed, drafts) == (46, 3));
}

#[test]
fn the_key_id_is_the_one_azure_publishes() {
    let Some(folder) = vectors("maa/certs") else { return };
    let set = json(&folder.join("jwks.aad.json"));
    for index in [0, 5] {
        let der = fs::read(folder.join(format!("aad.key{index}.der"))).unwrap();
        let certificate = x509_cert::Certificate::from_der(&der).unwrap();
        let spki = certificate.tbs_certificate().subject_public_key_info().to_der().unwrap();
        assert_eq!(set["keys"][index]["kid"], key_id(&spki));
    }
    let key = PublicKey::from_jwk(&set["keys"][0]).unwrap();
    assert_eq!(set["keys"][0]["kid"], key_id(key.spki_der()));
    // Keys with certificates from a CA have another kind of id: SHA-1 of the certificate.
    let der = fs::read(folder.join("aad.key1.der")).unwrap();
    let thumbprint = hex::decode(certificate_thumbprint_sha1_hex(&der)).unwrap();
    assert_eq!(set["keys"][1]["kid"], base64url::encode(&thumbprint));
}

#[test]
fn a_key_set_survives_being_written_again() {
    let Some(folder) = vectors("maa/certs") else { return };
    let set = Jwks::from_json(&fs::read(folder.join("jwks.aad.json")).unwrap()).unwrap();
    assert_eq!(set.keys().len(), 6);
    // The last one is of 2020 and too small; it does not spoil the others.
    let small = TokenError::KeySize { bits: 1024, min: 2048, max: 8192 };
    let usable: Vec<_> = set.keys().iter().map(|entry| entry.key().map(|_| ())).collect();
    assert_eq!(usable, [Ok(()), Ok(()), Ok(()), Ok(()), Ok(()), Err(small)]);
    let again = Jwks::from_json(set.to_json().as_bytes()).unwrap();
    for (one, other) in set.keys().iter().zip(again.keys()) {
        assert_eq!((one.kid(), one.key()), (other.kid(), other.key()));
        assert_eq!(one.certificates(), other.certificates());
    }
}

#[test]
fn a_key_of_1024_bits_is_refused() {
    let Some(folder) = vectors("maa/certs") else { return };
    let pem = fs::read_to_string(folder.join("maa.prod.uks.signing.cert.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let error = PublicKey::from_jwk(&serde_json::json!({"kty": "RSA", "x5c": [body]})).unwrap_err();
    assert_eq!(error, TokenError::KeySize { bits: 1024, min: 2048, max: 8192 });
}

#[test]
fn recorded_policy_documents_open() {
    let (mut signed, mut unsigned, mut empty) = (0, 0, 0);
    for path in [files("maa/policies", ".jws"), files("policies", ".jws")].concat() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let raw = fs::read_to_string(&path).unwrap();
        let raw = raw.trim_end();
        let document = open_policy_jws(raw, &Limits::default()).unwrap();
        assert_eq!(document.token_hash(), base64url::encode(&sha256(raw.as_bytes())));
        if document.payload().is_empty() {
            assert_eq!(raw, "eyJhbGciOiJub25lIn0..", "{name}");
            empty += 1;
        }
        if document.is_unsecured() {
            assert_eq!(document.certificates(), None);
            assert_eq!(document.verify_signature(), Err(TokenError::Unsecured), "{name}");
            unsigned += 1;
            continue;
        }
        assert_eq!(document.header()["alg"], "RSA256", "{name}");
        let proof = document.verify_signature().unwrap();
        assert_eq!(proof.algorithm(), Algorithm::Rs256);
        let trusted = vec![b"another".to_vec(), proof.leaf_der().to_vec()];
        // Long after the certificate expired: it is pinned.
        assert_eq!(proof.signed_by(&trusted, 4_000_000_000).unwrap(), proof.leaf_der());
        let error = proof.signed_by(&[], 0).unwrap_err();
        assert_eq!(error, TokenError::SignerNotTrusted { subject: proof.subject().to_owned() });
        signed += 1;
    }
    eprintln!("{signed} signed and {unsigned} unsigned policies, {empty} empty");
    assert!(vectors("").is_none() || (signed, unsigned, empty) == (4, 7, 1));
}

#[test]
fn recorded_uploads_have_the_recorded_hash_and_signer() {
    let mut seen = 0;
    for path in files("maa/exchanges", "set_policy_secured.json") {
        for call in json(&path).as_array().unwrap() {
            if call["method"] != "PUT" {
                continue;
            }
            let document = open_policy_jws(call["reqBody"].as_str().unwrap(), &Limits::default()).unwrap();
            let answer: Value = serde_json::from_str(call["respBody"].as_str().unwrap()).unwrap();
            let jws = parse(answer["token"].as_str().unwrap(), &Limits::default()).unwrap();
            let claims: Value = serde_json::from_slice(jws.payload()).unwrap();
            assert_eq!(claims["x-ms-policy-token-hash"], document.token_hash());
            let proof = document.verify_signature().unwrap();
            assert_eq!(claims["x-ms-policy-signer"]["x5c"], proof.signer_jwk()["x5c"]);
            seen += 1;
        }
    }
    assert!(vectors("").is_none() || seen > 0);
}
