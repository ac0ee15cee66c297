//! How to break a good token, and the exact error that each break must give.
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

use assay_json::JsonError;
use assay_token::{
    Algorithm, Expectations, Header, Jwk, Jwks, Limits, PublicKey, Signer, SoftwareKey, TokenError,
    base64url, issue, issue_unsecured, parse, parse_lenient, verify,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const NOW: u64 = 1_700_000_000;
const ISSUER: &str = "https://localhost:8443";
const JKU: &str = "https://localhost:8443/certs";

/// Two keys of different types in one set, as `rsa` and `ec`.
struct Service {
    rsa: SoftwareKey,
    ec: SoftwareKey,
    keys: Jwks,
}

impl Service {
    fn new() -> Self {
        let rsa = SoftwareKey::generate(Algorithm::Rs256).unwrap();
        let ec = SoftwareKey::generate(Algorithm::Es256).unwrap();
        let keys = Jwks::new(vec![entry("rsa", &rsa), entry("ec", &ec)]);
        Self { rsa, ec, keys }
    }

    fn token(&self) -> String {
        issue(&Header::jwt("ec", JKU), &claims().to_string(), &self.ec).unwrap()
    }

    /// A token with another header, properly signed by the EC key.
    fn with_header(&self, header: &str) -> String {
        sign_parts(header.as_bytes(), claims().to_string().as_bytes(), &self.ec)
    }

    /// A token with other claims, properly signed by the EC key.
    fn with_claims(&self, claims: &str) -> String {
        issue(&Header::jwt("ec", JKU), claims, &self.ec).unwrap()
    }

    fn failures(&self, token: &str) -> Vec<TokenError> {
        verify(token, &self.keys, &expect()).unwrap_err()
    }
}

fn entry(kid: &str, signer: &SoftwareKey) -> Jwk {
    // Without `alg`, so that an RSA key may serve both of its algorithms.
    let mut members = signer.public_key().jwk_members();
    members.insert("kid".into(), kid.into());
    let set = json!({"keys": [members]}).to_string();
    Jwks::from_json(set.as_bytes()).unwrap().keys()[0].clone()
}

fn sign_parts(header: &[u8], payload: &[u8], signer: &dyn Signer) -> String {
    let input = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
    let signature = signer.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(&signature))
}

fn claims() -> Value {
    json!({"iss": ISSUER, "iat": NOW - 10, "nbf": NOW - 15, "exp": NOW + 300, "aud": ["one", "two"], "x": 1})
}

fn with(name: &str, value: Value) -> String {
    let mut all = claims();
    all[name] = value;
    all.to_string()
}

fn without(name: &str) -> String {
    let mut all = claims();
    all.as_object_mut().unwrap().remove(name);
    all.to_string()
}

fn expect() -> Expectations<'static> {
    Expectations {
        issuer: Some(ISSUER),
        audience: Some(&["two", "three"]),
        token_type: Some("JWT"),
        leeway: 5,
        max_age: Some(60),
        ..Expectations::at(NOW)
    }
}

#[test]
fn the_good_sample_is_good() {
    let service = Service::new();
    let verified = verify(&service.token(), &service.keys, &expect()).unwrap();
    assert_eq!(Value::Object(verified.claims().clone()), claims());
    assert_eq!((verified.algorithm(), verified.kid()), (Algorithm::Es256, "ec"));
    for (algorithm, signer) in [(Algorithm::Rs256, &service.rsa), (Algorithm::Es256, &service.ec)] {
        let kid = if algorithm == Algorithm::Rs256 { "rsa" } else { "ec" };
        let token = issue(&Header::jwt(kid, JKU), &claims().to_string(), signer).unwrap();
        let jws = parse(&token, &Limits::default()).unwrap();
        let header = format!(r#"{{"alg":"{algorithm}","jku":"{JKU}","kid":"{kid}","typ":"JWT"}}"#);
        assert!(
            token.starts_with(&base64url::encode(header.as_bytes())),
            "the order of members is part of the wire"
        );
        assert_eq!(jws.payload(), claims().to_string().as_bytes());
    }
}

#[test]
fn texts() {
    let service = Service::new();
    let good = service.token();
    let parts: Vec<_> = good.split('.').collect();
    let base64 = |part| vec![TokenError::Base64 { part }];
    let count = |found| vec![TokenError::PartCount { found }];
    let json = |part, error| vec![TokenError::Json { part, error }];
    let header = |text: &str| format!("{}.{}.{}", base64url::encode(text.as_bytes()), parts[1], parts[2]);
    let table = [
        (String::new(), count(1)),
        ("..".to_owned(), json("header", JsonError::Syntax { line: 1, column: 0 })),
        (format!("{good}."), count(4)),
        (format!("{good}.x.y.z"), count(5)),
        (format!("{}.{}", parts[0], parts[1]), count(2)),
        (format!("{}=.{}.{}", parts[0], parts[1], parts[2]), base64("header")),
        (format!("{}.{} .{}", parts[0], parts[1], parts[2]), base64("payload")),
        (format!("{good}\n"), base64("signature")),
        // The last character carries two bits; `B` sets one of the four that must be zero.
        (format!("{}B", &good[..good.len() - 1]), base64("signature")),
        ("a".repeat((1 << 20) + 1), vec![TokenError::TooLarge { part: "token", limit: 1 << 20 }]),
        (header(&"{".repeat(65_537)), vec![TokenError::TooLarge { part: "header", limit: 65_536 }]),
        (
            header(r#"{"alg":"ES256","kid":"ec","alg":"ES256"}"#),
            json("header", JsonError::DuplicateKey { key: "alg".into() }),
        ),
        (
            header("[]"),
            json(
                "header",
                JsonError::Shape {
                    message: "invalid type: sequence, expected a map at line 1 column 0".into(),
                },
            ),
        ),
        (header("{}"), vec![TokenError::HeaderMember { name: "alg" }]),
        (header(r#"{"alg":1}"#), vec![TokenError::HeaderMember { name: "alg" }]),
        (header(r#"{"alg":"ES256","kid":7}"#), vec![TokenError::HeaderMember { name: "kid" }]),
        (header(r#"{"alg":"ES256","typ":null}"#), vec![TokenError::HeaderMember { name: "typ" }]),
    ];
    for (text, expected) in table {
        assert_eq!(service.failures(&text), expected, "{text:.80}");
    }
}

#[test]
fn signed_headers() {
    let service = Service::new();
    let header = |members: &str| service.with_header(&format!(r#"{{"typ":"JWT",{members}}}"#));
    let unsupported = |name| vec![TokenError::HeaderUnsupported { name }];
    let not_allowed = |name: &str| vec![TokenError::AlgorithmNotAllowed { algorithm: name.into() }];
    let mismatch = |name: &str, key| vec![TokenError::AlgorithmMismatch { algorithm: name.into(), key }];
    let table = [
        (r#""alg":"ES256","kid":"ec","crit":["exp"]"#, unsupported("crit")),
        (r#""alg":"ES256","kid":"ec","crit":[]"#, unsupported("crit")),
        (r#""alg":"ES256","kid":"ec","b64":false"#, unsupported("b64")),
        (r#""alg":"ES256","kid":"ec","b64":"true""#, unsupported("b64")),
        (r#""alg":"none","kid":"ec""#, vec![TokenError::Unsecured]),
        (r#""alg":"NoNe","kid":"ec""#, vec![TokenError::Unsecured]),
        (r#""alg":"HS256","kid":"ec""#, not_allowed("HS256")),
        (r#""alg":"es256","kid":"ec""#, not_allowed("es256")),
        (r#""alg":"RSA256","kid":"rsa""#, not_allowed("RSA256")),
        (r#""alg":"","kid":"ec""#, not_allowed("")),
        (r#""alg":"RS256","kid":"ec""#, mismatch("RS256", "P-256")),
        (r#""alg":"PS256","kid":"ec""#, mismatch("PS256", "P-256")),
        (r#""alg":"ES384","kid":"ec""#, mismatch("ES384", "P-256")),
        (r#""alg":"ES256","kid":"rsa""#, mismatch("ES256", "RSA")),
        (r#""alg":"RS256","kid":"rsa""#, vec![TokenError::BadSignature]),
        (r#""alg":"PS256","kid":"rsa""#, vec![TokenError::BadSignature]),
        (r#""alg":"ES256""#, vec![TokenError::KidMissing]),
        (r#""alg":"ES256","kid":"""#, vec![TokenError::KidUnknown { kid: String::new() }]),
        (r#""alg":"ES256","kid":"EC""#, vec![TokenError::KidUnknown { kid: "EC".into() }]),
        // The sender's own key and places are never looked at.
        (
            r#""alg":"ES256","kid":"x","jwk":{"kty":"oct","k":"AA"},"jku":"https://evil.example/certs""#,
            vec![TokenError::KidUnknown { kid: "x".into() }],
        ),
    ];
    for (members, expected) in table {
        assert_eq!(service.failures(&header(members)), expected, "{members}");
    }
    let wrong_type = service.with_header(r#"{"alg":"ES256","kid":"ec","typ":"challenge"}"#);
    let expected = TokenError::Type { expected: "JWT".into(), actual: "challenge".into() };
    assert_eq!(service.failures(&wrong_type), [expected]);
}

#[test]
fn a_public_key_is_no_secret() {
    // The classical confusion: an HMAC with the published key as its secret. No such algorithm exists here.
    let service = Service::new();
    let secret = service.rsa.public_key().spki_der();
    let input = format!(
        "{}.{}",
        base64url::encode(br#"{"alg":"HS256","kid":"rsa","typ":"JWT"}"#),
        base64url::encode(claims().to_string().as_bytes())
    );
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let tag = aws_lc_rs::hmac::sign(&key, input.as_bytes());
    let token = format!("{input}.{}", base64url::encode(tag.as_ref()));
    assert_eq!(service.failures(&token), [TokenError::AlgorithmNotAllowed { algorithm: "HS256".into() }]);
}

#[test]
fn unsecured_answers_are_refused() {
    let service = Service::new();
    let draft = issue_unsecured(JKU, "ec", &claims().to_string());
    let header = format!(r#"{{"alg":"none","jku":"{JKU}","kid":"ec","typ":"JWT"}}"#);
    assert!(draft.starts_with(&base64url::encode(header.as_bytes())) && draft.ends_with('.'));
    assert_eq!(service.failures(&draft), [TokenError::Unsecured]);
}

#[test]
fn signatures() {
    let service = Service::new();
    let good = service.token();
    let (input, text) = good.rsplit_once('.').unwrap();
    let signature = base64url::decode_strict(text).unwrap();
    let mut swapped = signature.clone();
    swapped.rotate_left(32);
    let broken: [Vec<u8>; 6] = [
        signature[..63].to_vec(),
        signature[..32].to_vec(),
        [&signature[..], &[0]].concat(),
        [&[0; 32], &signature[32..]].concat(),
        [&signature[..32], &[0; 32]].concat(),
        swapped,
    ];
    for signature in broken {
        let token = format!("{input}.{}", base64url::encode(&signature));
        assert_eq!(service.failures(&token), [TokenError::BadSignature]);
    }
    assert_eq!(service.failures(&format!("{input}.")), [TokenError::SignatureMissing]);
    let other = SoftwareKey::generate(Algorithm::Es256).unwrap();
    let forged = issue(&Header::jwt("ec", JKU), &claims().to_string(), &other).unwrap();
    assert_eq!(service.failures(&forged), [TokenError::BadSignature]);
}

#[test]
fn every_bit_of_a_token_counts() {
    let signer = SoftwareKey::generate(Algorithm::Es256).unwrap();
    let keys = Jwks::new(vec![entry("k", &signer)]);
    let expect = Expectations::at(1);
    let good = sign_parts(br#"{"alg":"ES256","kid":"k"}"#, br#"{"exp":9}"#, &signer);
    verify(&good, &keys, &expect).unwrap();
    let mut refused = 0;
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(broken) = String::from_utf8(bytes) else { continue };
        let failures = verify(&broken, &keys, &expect).unwrap_err();
        assert!(!failures.is_empty());
        refused += 1;
    }
    assert_eq!(refused, good.len() * 7, "seven bits of each character stay ASCII");
}

#[test]
fn times_and_names() {
    let service = Service::new();
    let seconds = "a whole number of seconds since 1970";
    let kind = |name, expected| vec![TokenError::ClaimType { name, expected }];
    let missing = |name| vec![TokenError::ClaimMissing { name }];
    let list = "a string or a list of strings";
    let table = [
        (without("exp"), missing("exp")),
        (with("exp", json!(NOW - 5)), vec![TokenError::Expired { exp: NOW - 5, now: NOW }]),
        (with("exp", json!(1.7e9)), kind("exp", seconds)),
        (with("exp", json!(-1)), kind("exp", seconds)),
        (with("exp", json!("1800000000")), kind("exp", seconds)),
        (with("nbf", json!(NOW + 6)), vec![TokenError::NotYetValid { nbf: NOW + 6, now: NOW }]),
        (with("nbf", json!(null)), kind("nbf", seconds)),
        (with("iat", json!(NOW + 6)), vec![TokenError::IssuedInFuture { iat: NOW + 6, now: NOW }]),
        (with("iat", json!(NOW - 66)), vec![TokenError::TooOld { iat: NOW - 66, max_age: 60, now: NOW }]),
        (with("iat", json!([1])), kind("iat", seconds)),
        (without("iat"), missing("iat")),
        (without("iss"), missing("iss")),
        (with("iss", json!([ISSUER])), kind("iss", "a string")),
        (
            with("iss", json!("https://localhost:8443/")),
            vec![TokenError::Issuer { expected: ISSUER.into(), actual: "https://localhost:8443/".into() }],
        ),
        (without("aud"), missing("aud")),
        (with("aud", json!("one")), vec![TokenError::Audience { actual: "one".into() }]),
        (with("aud", json!([])), vec![TokenError::Audience { actual: String::new() }]),
        (with("aud", json!(["two", 3])), kind("aud", list)),
        (with("aud", json!({"two": 1})), kind("aud", list)),
    ];
    for (claims, expected) in table {
        assert_eq!(service.failures(&service.with_claims(&claims)), expected, "{claims}");
    }
    for claims in [
        with("exp", json!(NOW - 4)),
        with("nbf", json!(NOW + 5)),
        with("iat", json!(NOW + 5)),
        with("iat", json!(NOW - 65)),
        with("aud", json!("three")),
        with("exp", json!(u64::MAX)),
        without("nbf"),
    ] {
        verify(&service.with_claims(&claims), &service.keys, &expect()).unwrap();
    }
}

#[test]
fn payloads() {
    let service = Service::new();
    let json = |error| vec![TokenError::Json { part: "payload", error }];
    let syntax = |line, column| json(JsonError::Syntax { line, column });
    let twice = r#"{"exp":1,"a":{"b":1,"b":2}}"#;
    assert_eq!(service.failures(&service.with_claims("")), syntax(1, 0));
    assert_eq!(service.failures(&service.with_claims("{")), syntax(1, 1));
    assert_eq!(
        service.failures(&service.with_claims(twice)),
        json(JsonError::DuplicateKey { key: "b".into() })
    );
    assert_eq!(
        service.failures(&service.with_claims("7")),
        json(JsonError::Shape {
            message: "invalid type: integer `7`, expected a map at line 1 column 1".into()
        })
    );
}

#[test]
fn every_failing_check_is_reported() {
    let service = Service::new();
    let token = sign_parts(br#"{"alg":"HS256","kid":"nobody"}"#, br#"{"nbf":1800000000}"#, &service.ec);
    assert_eq!(
        service.failures(&token),
        [
            TokenError::Type { expected: "JWT".into(), actual: String::new() },
            TokenError::AlgorithmNotAllowed { algorithm: "HS256".into() },
            TokenError::KidUnknown { kid: "nobody".into() },
            TokenError::ClaimMissing { name: "exp" },
            TokenError::NotYetValid { nbf: 1_800_000_000, now: NOW },
            TokenError::ClaimMissing { name: "iat" },
            TokenError::ClaimMissing { name: "iss" },
            TokenError::ClaimMissing { name: "aud" },
        ]
    );
}

#[test]
fn key_sets() {
    let service = Service::new();
    let token = service.token();
    let ec = Value::Object(service.ec.public_key().jwk_members());
    let other = Value::Object(service.rsa.public_key().jwk_members());
    let set = |entries: &[(&Value, Value)]| {
        let keys: Vec<Value> = entries
            .iter()
            .map(|(key, extra)| {
                let mut members: Map<String, Value> = key.as_object().unwrap().clone();
                members.extend(extra.as_object().unwrap().clone());
                Value::Object(members)
            })
            .collect();
        Jwks::from_json(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    };
    let named = json!({"kid": "ec"});
    let used = |member| Err(vec![TokenError::KeyUse { member }]);
    let ambiguous = Err(vec![TokenError::KidAmbiguous { kid: "ec".into(), count: 2 }]);
    let unknown = Err(vec![TokenError::KidUnknown { kid: "ec".into() }]);
    let table = [
        (set(&[(&ec, named.clone())]), Ok(())),
        (set(&[(&json!({"kty": "oct", "k": "AA"}), json!({"kid": "x"})), (&ec, named.clone())]), Ok(())),
        (set(&[]), unknown.clone()),
        (set(&[(&ec, json!({}))]), unknown),
        (set(&[(&ec, named.clone()), (&other, named.clone())]), ambiguous.clone()),
        (set(&[(&ec, named.clone()), (&ec, named.clone())]), ambiguous),
        (set(&[(&ec, json!({"kid": "ec", "use": "enc"}))]), used("use")),
        (set(&[(&ec, json!({"kid": "ec", "key_ops": ["sign"]}))]), used("key_ops")),
        (set(&[(&ec, json!({"kid": "ec", "key_ops": ["verify"], "use": "sig"}))]), Ok(())),
        (set(&[(&ec, json!({"kid": "ec", "alg": "ES384"}))]), used("alg")),
        (set(&[(&ec, json!({"kid": "ec", "alg": "ES256"}))]), Ok(())),
        (
            set(&[(&json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}), named.clone())]),
            Err(vec![TokenError::KeyUnsupported { kind: "OKP".into() }]),
        ),
        (
            set(&[(&other, named)]),
            Err(vec![TokenError::AlgorithmMismatch { algorithm: "ES256".into(), key: "RSA" }]),
        ),
    ];
    for (keys, expected) in table {
        assert_eq!(verify(&token, &keys, &expect()).map(|_| ()), expected, "{}", keys.to_json());
    }
    let many = json!({"keys": vec![ec; 129]}).to_string();
    assert_eq!(Jwks::from_json(many.as_bytes()), Err(TokenError::TooManyKeys { limit: 128 }));
    let twice = br#"{"keys":[],"keys":[]}"#;
    let error = JsonError::DuplicateKey { key: "keys".into() };
    assert_eq!(Jwks::from_json(twice), Err(TokenError::Json { part: "key set", error }));
}

#[test]
fn algorithms_can_be_narrowed() {
    let service = Service::new();
    let narrow = Expectations { algorithms: &[Algorithm::Rs256], ..expect() };
    assert_eq!(
        verify(&service.token(), &service.keys, &narrow).unwrap_err(),
        [TokenError::AlgorithmNotAllowed { algorithm: "ES256".into() }]
    );
}

#[test]
fn keys_chosen_by_other_means() {
    // As in TPM attestation, where the key stands in the payload.
    let signer = SoftwareKey::generate(Algorithm::Ps256).unwrap();
    let text = sign_parts(br#"{"alg":"PS256","typ":"attReq"}"#, b"{}", &signer);
    let jws = parse(&text, &Limits::default()).unwrap();
    let key = PublicKey::from_jwk(&Value::Object(signer.public_key().jwk_members())).unwrap();
    assert_eq!(jws.verify(&key, &[Algorithm::Ps256]), Ok(Algorithm::Ps256));
    let other = SoftwareKey::generate(Algorithm::Ps256).unwrap();
    assert_eq!(jws.verify(other.public_key(), &[Algorithm::Ps256]), Err(TokenError::BadSignature));
}

proptest! {
    #[test]
    fn any_text_gives_an_answer(text in "[A-Za-z0-9_=+/.{}\":-]{0,80}") {
        let strict = parse(&text, &Limits::default());
        let lenient = parse_lenient(&text, &Limits::default());
        if let Ok(strict) = strict {
            prop_assert_eq!(Ok(strict), lenient);
        }
    }

    #[test]
    fn any_header_and_payload_give_an_answer(header in ".{0,60}", payload in ".{0,60}", signature in ".{0,8}") {
        let [header, payload, signature] = [header, payload, signature].map(|part| base64url::encode(part.as_bytes()));
        let text = format!("{header}.{payload}.{signature}");
        let failures = verify(&text, &Jwks::default(), &Expectations::at(NOW)).unwrap_err();
        prop_assert!(!failures.is_empty());
    }
}
