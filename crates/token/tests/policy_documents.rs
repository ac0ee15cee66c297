//! Policy documents: their forms, and who is trusted to sign them.
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

use assay_token::{
    Algorithm, Limits, Signer, SoftwareKey, TokenError, VerifiedSignature, base64url, open_policy_jws, sha256,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, date_time_ymd,
};
use serde_json::{Value, json};

const PAYLOAD: &str = r#"{"AttestationPolicy":"dmVyc2lvbj0xLjA7"}"#;
/// 2025-01-01, inside the validity of every certificate made here.
const NOW: u64 = 1_735_689_600;

/// A certificate with its key.
struct Party {
    params: CertificateParams,
    pair: KeyPair,
    der: Vec<u8>,
    name: &'static str,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2026, 1, 1);
    params
}

fn with(mut params: CertificateParams, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    change(&mut params);
    params
}

fn ca(name: &str) -> CertificateParams {
    with(params(name), |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))
}

fn root(name: &'static str, params: CertificateParams) -> Party {
    let pair = KeyPair::generate().unwrap();
    let der = params.self_signed(&pair).unwrap().der().to_vec();
    Party { params, pair, der, name }
}

fn issued(issuer: &Party, name: &'static str, params: CertificateParams) -> Party {
    let pair = KeyPair::generate().unwrap();
    let issuer = Issuer::from_params(&issuer.params, &issuer.pair);
    let der = params.signed_by(&pair, &issuer).unwrap().der().to_vec();
    Party { params, pair, der, name }
}

impl Party {
    fn key(&self) -> SoftwareKey {
        SoftwareKey::from_pkcs8(Algorithm::Es256, &self.pair.serialize_der()).unwrap()
    }

    /// A document signed by this party, with these certificates in `x5c`.
    fn signs(&self, chain: &[&Self]) -> VerifiedSignature {
        let x5c: Vec<String> = chain.iter().map(|party| standard(&party.der)).collect();
        let text = document(&json!({"alg": "ES256", "x5c": x5c}), &self.key());
        open_policy_jws(&text, &Limits::default()).unwrap().verify_signature().unwrap()
    }

    fn subject(&self) -> String {
        format!("CN={}", self.name)
    }
}

fn standard(der: &[u8]) -> String {
    let mut text = base64url::encode(der).replace('-', "+").replace('_', "/");
    text.push_str(&"=".repeat((4 - text.len() % 4) % 4));
    text
}

fn document(header: &Value, signer: &dyn Signer) -> String {
    let input = format!(
        "{}.{}",
        base64url::encode(header.to_string().as_bytes()),
        base64url::encode(PAYLOAD.as_bytes())
    );
    let signature = signer.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(&signature))
}

fn error_of(text: &str) -> TokenError {
    match open_policy_jws(text, &Limits::default()) {
        Ok(document) => document.verify_signature().unwrap_err(),
        Err(error) => error,
    }
}

fn algorithm_of(text: &str) -> Algorithm {
    open_policy_jws(text, &Limits::default()).unwrap().verify_signature().unwrap().algorithm()
}

#[test]
fn unsigned_documents() {
    for raw in ["eyJhbGciOiJub25lIn0..", "eyJhbGciOiJub25lIn0=.."] {
        let reset = open_policy_jws(raw, &Limits::default()).unwrap();
        assert!(reset.is_unsecured());
        assert_eq!((reset.payload(), reset.raw(), reset.certificates()), (&b""[..], raw, None));
        assert_eq!(reset.token_hash(), base64url::encode(&sha256(raw.as_bytes())));
        assert_eq!(reset.verify_signature(), Err(TokenError::Unsecured));
    }
    assert_eq!(error_of("eyJhbGciOiJub25lIn0..AAAA"), TokenError::UnsecuredWithSignature);
    // `NONE` is no algorithm at all.
    let shouted = format!("{}..", base64url::encode(br#"{"alg":"NONE"}"#));
    assert_eq!(error_of(&shouted), TokenError::SignatureMissing);
}

#[test]
fn every_form_that_clients_send() {
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let certificate = standard(params("rsa").self_signed(&rsa).unwrap().der());
    let pkcs1 = SoftwareKey::from_pkcs8(Algorithm::Rs256, &rsa.serialize_der()).unwrap();
    let pss = SoftwareKey::from_pkcs8(Algorithm::Ps256, &rsa.serialize_der()).unwrap();
    // Python, the documentation, JavaScript, and RSASSA-PSS.
    let python = document(&json!({"alg": "RSA256", "jwk": {"x5c": [certificate]}}), &pkcs1);
    assert_eq!(algorithm_of(&python), Algorithm::Rs256);
    let with_type = json!({"alg": "RSA256", "jwk": {"kty": "RSA", "x5c": [certificate]}});
    assert_eq!(algorithm_of(&document(&with_type, &pkcs1)), Algorithm::Rs256);
    let direct = json!({"alg": "RS256", "x5c": [certificate]});
    assert_eq!(algorithm_of(&document(&direct, &pkcs1)), Algorithm::Rs256);
    assert_eq!(
        algorithm_of(&document(&json!({"alg": "PS256", "x5c": [certificate]}), &pss)),
        Algorithm::Ps256
    );
    let twice = json!({"alg": "RS256", "x5c": [certificate], "jwk": {"x5c": [certificate]}});
    assert_eq!(algorithm_of(&document(&twice, &pkcs1)), Algorithm::Rs256);
    // One way of RSA under the name of the other.
    assert_eq!(error_of(&document(&direct, &pss)), TokenError::BadSignature);

    for algorithm in [Algorithm::Es256, Algorithm::Es384] {
        let signer = SoftwareKey::generate(algorithm).unwrap();
        let der = assay_token::self_signed_certificate(&signer, "ec", NOW, NOW + 1).unwrap();
        let text = document(&json!({"alg": algorithm.as_str(), "x5c": [standard(&der)]}), &signer);
        assert_eq!(algorithm_of(&text), algorithm);
    }
}

#[test]
fn headers_that_lie() {
    let party = root("signer", params("signer"));
    let other = root("other", params("other"));
    let key = party.key();
    let [mine, theirs] = [standard(&party.der), standard(&other.der)];
    let text = |header: Value| error_of(&document(&header, &key));
    let mismatch =
        |algorithm: &str| TokenError::AlgorithmMismatch { algorithm: algorithm.into(), key: "P-256" };
    let plain = Value::Object(other.key().public_key().jwk_members());
    assert_eq!(text(json!({"alg": "ES256"})), TokenError::CertificateMissing);
    assert_eq!(text(json!({"alg": "ES256", "jwk": {"kty": "EC"}})), TokenError::CertificateMissing);
    assert_eq!(text(json!({"alg": "ES256", "x5c": [theirs]})), TokenError::BadSignature);
    assert_eq!(
        text(json!({"alg": "ES256", "x5c": [mine], "jwk": {"x5c": [theirs]}})),
        TokenError::SignerMismatch
    );
    assert_eq!(text(json!({"alg": "ES256", "x5c": [mine], "jwk": plain})), TokenError::SignerMismatch);
    // Two certificates of one key are two signers: which of them is meant to be trusted?
    let again = standard(params("again").self_signed(&party.pair).unwrap().der());
    assert_eq!(
        text(json!({"alg": "ES256", "x5c": [mine], "jwk": {"x5c": [again]}})),
        TokenError::SignerMismatch
    );
    for algorithm in ["RS256", "RSA256", "PS256", "HS256", "ES384", "es256", "None"] {
        assert_eq!(text(json!({"alg": algorithm, "x5c": [mine]})), mismatch(algorithm));
    }
    assert_eq!(text(json!({"alg": "none", "x5c": [mine]})), TokenError::UnsecuredWithSignature);
    assert_eq!(text(json!({"x5c": [mine]})), TokenError::HeaderMember { name: "alg" });
    assert_eq!(text(json!({"alg": "ES256", "x5c": []})), TokenError::HeaderMember { name: "x5c" });
    assert_eq!(text(json!({"alg": "ES256", "x5c": vec!["AA=="; 7]})), TokenError::ChainTooLong { limit: 6 });
    let malformed = TokenError::CertificateMalformed { reason: "not X.509 in DER" };
    assert_eq!(text(json!({"alg": "ES256", "x5c": ["AA=="]})), malformed);
    let good = document(&json!({"alg": "ES256", "x5c": [mine]}), &key);
    let (input, signature) = good.rsplit_once('.').unwrap();
    assert_eq!(error_of(&format!("{input}.")), TokenError::SignatureMissing);
    let (header, _) = input.split_once('.').unwrap();
    assert_eq!(error_of(&format!("{header}..{signature}")), TokenError::BadSignature);
}

#[test]
fn pinned_signers() {
    let party = root("signer", params("signer"));
    let other = root("other", params("other"));
    let proof = party.signs(&[&party]);
    let trusted = [other.der.clone(), party.der.clone()];
    // Dates of a pinned certificate do not count.
    for now in [0, NOW, u64::MAX] {
        assert_eq!(proof.signed_by(&trusted, now), Ok(&party.der[..]));
    }
    let untrusted = TokenError::SignerNotTrusted { subject: "CN=signer".into() };
    assert_eq!(proof.signed_by(&[other.der], NOW), Err(untrusted.clone()));
    assert_eq!(proof.signed_by(&[], NOW), Err(untrusted));
    assert_eq!(proof.leaf_der(), party.der);
    assert_eq!(proof.chain(), std::slice::from_ref(&party.der));
    assert_eq!(proof.signer_jwk(), json!({"kty": "EC", "x5c": [standard(&party.der)]}));
}

#[test]
fn signers_under_a_trusted_authority() {
    let top = root("top", ca("top"));
    let middle = issued(&top, "middle", ca("middle"));
    let leaf = issued(&middle, "leaf", params("leaf"));
    let trusted_top = [top.der.clone()];
    let trusted_middle = [b"rubbish".to_vec(), middle.der.clone()];
    // With the root in the chain, without it, and with only what the trusted certificate does not say itself.
    assert_eq!(leaf.signs(&[&leaf, &middle, &top]).signed_by(&trusted_top, NOW), Ok(&top.der[..]));
    assert_eq!(leaf.signs(&[&leaf, &middle]).signed_by(&trusted_top, NOW), Ok(&top.der[..]));
    assert_eq!(leaf.signs(&[&leaf]).signed_by(&trusted_middle, NOW), Ok(&middle.der[..]));
    assert_eq!(leaf.signs(&[&leaf, &middle, &top]).signed_by(&trusted_middle, NOW), Ok(&middle.der[..]));

    let untrusted = Err(TokenError::SignerNotTrusted { subject: leaf.subject() });
    let impostor = root("middle", ca("middle"));
    let broken_chains: [&[&Party]; 4] =
        [&[&leaf], &[&leaf, &top], &[&leaf, &impostor, &top], &[&leaf, &leaf, &middle]];
    for chain in broken_chains {
        assert_eq!(leaf.signs(chain).signed_by(&trusted_top, NOW), untrusted);
    }
    // The same name and another key.
    assert_eq!(leaf.signs(&[&leaf]).signed_by(&[impostor.der], NOW), untrusted);
    // The right key under another name.
    let pair = KeyPair::try_from(middle.pair.serialize_der()).unwrap();
    let renamed = ca("renamed").self_signed(&pair).unwrap().der().to_vec();
    assert_eq!(leaf.signs(&[&leaf]).signed_by(&[renamed], NOW), untrusted);
    // A chain proves nothing about a certificate that stands in it without having signed anything.
    let stranger = root("stranger", params("stranger"));
    assert_eq!(
        stranger.signs(&[&stranger, &middle, &top]).signed_by(&trusted_top, NOW),
        Err(TokenError::SignerNotTrusted { subject: stranger.subject() })
    );
}

#[test]
fn authorities_without_authority() {
    let top = root("top", ca("top"));
    let trusted = [top.der.clone()];
    let not_an_issuer =
        |party: &Party, reason| Err(TokenError::NotAnIssuer { subject: party.subject(), reason });

    // A leaf that issues: CA:FALSE, then no basic constraints at all.
    for kind in [IsCa::ExplicitNoCa, IsCa::NoCa] {
        let middle = issued(&top, "middle", with(params("middle"), |params| params.is_ca = kind));
        let leaf = issued(&middle, "leaf", params("leaf"));
        let answer = leaf.signs(&[&leaf, &middle]).signed_by(&trusted, NOW).map(<[u8]>::to_vec);
        assert_eq!(answer, not_an_issuer(&middle, "it is not a certificate authority"));
        // Trusted itself, it vouches for itself only.
        let alone =
            leaf.signs(&[&leaf]).signed_by(std::slice::from_ref(&middle.der), NOW).map(<[u8]>::to_vec);
        assert_eq!(alone, Err(TokenError::SignerNotTrusted { subject: leaf.subject() }));
    }

    let usage = with(ca("middle"), |params| params.key_usages = vec![KeyUsagePurpose::CrlSign]);
    let middle = issued(&top, "middle", usage);
    let leaf = issued(&middle, "leaf", params("leaf"));
    let answer = leaf.signs(&[&leaf, &middle]).signed_by(&trusted, NOW).map(<[u8]>::to_vec);
    assert_eq!(answer, not_an_issuer(&middle, "its key usage forbids it"));

    let short =
        root("short", with(ca("short"), |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))));
    let direct = issued(&short, "direct", params("direct"));
    assert_eq!(direct.signs(&[&direct]).signed_by(std::slice::from_ref(&short.der), NOW), Ok(&short.der[..]));
    let middle = issued(&short, "middle", ca("middle"));
    let leaf = issued(&middle, "leaf", params("leaf"));
    let answer =
        leaf.signs(&[&leaf, &middle]).signed_by(std::slice::from_ref(&short.der), NOW).map(<[u8]>::to_vec);
    assert_eq!(answer, not_an_issuer(&short, "too many certificates below it"));
}

#[test]
fn dates_and_extensions_of_chains() {
    let top = root("top", ca("top"));
    let leaf = issued(&top, "leaf", params("leaf"));
    let trusted = [top.der.clone()];
    let (begin, end) = (1_704_067_200, 1_767_225_600);
    let proof = leaf.signs(&[&leaf]);
    for now in [begin, end] {
        assert_eq!(proof.signed_by(&trusted, now), Ok(&top.der[..]));
    }
    assert_eq!(
        proof.signed_by(&trusted, begin - 1),
        Err(TokenError::CertificateNotYetValid {
            subject: leaf.subject(),
            not_before: begin,
            now: begin - 1
        })
    );
    assert_eq!(
        proof.signed_by(&trusted, end + 1),
        Err(TokenError::CertificateExpired { subject: leaf.subject(), not_after: end, now: end + 1 })
    );
    // The root's own date counts too.
    let long = with(params("long"), |params| params.not_after = date_time_ymd(2040, 1, 1));
    let leaf = issued(&top, "long", long);
    assert_eq!(
        leaf.signs(&[&leaf]).signed_by(&trusted, end + 1),
        Err(TokenError::CertificateExpired { subject: top.subject(), not_after: end, now: end + 1 })
    );

    let mut strange = params("strange");
    let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
    extension.set_criticality(true);
    strange.custom_extensions.push(extension);
    let leaf = issued(&top, "strange", strange);
    assert_eq!(
        leaf.signs(&[&leaf]).signed_by(&trusted, NOW),
        Err(TokenError::CriticalExtension { subject: leaf.subject(), oid: "1.2.3.4".into() })
    );

    let usage = with(params("usage"), |params| params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]);
    let leaf = issued(&top, "usage", usage);
    assert_eq!(
        leaf.signs(&[&leaf]).signed_by(&trusted, NOW),
        Err(TokenError::KeyUsage { subject: leaf.subject() })
    );
    let usage = with(params("usage"), |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]);
    let leaf = issued(&top, "usage", usage);
    assert_eq!(leaf.signs(&[&leaf]).signed_by(&trusted, NOW), Ok(&top.der[..]));
}

#[test]
fn every_bit_of_a_certificate_counts() {
    let top = root("top", ca("top"));
    let leaf = issued(&top, "leaf", params("leaf"));
    let trusted = [top.der];
    leaf.signs(&[&leaf]).signed_by(&trusted, NOW).unwrap();
    for bit in 0..leaf.der.len() * 8 {
        let mut der = leaf.der.clone();
        der[bit / 8] ^= 1 << (bit % 8);
        let text = document(&json!({"alg": "ES256", "x5c": [standard(&der)]}), &leaf.key());
        let document = open_policy_jws(&text, &Limits::default()).unwrap();
        // Either the key changed, or the certificate no longer reads, or nobody vouches for it.
        if let Ok(proof) = document.verify_signature() {
            assert!(proof.signed_by(&trusted, NOW).is_err(), "bit {bit}");
        }
    }
}
