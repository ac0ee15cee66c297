//! Keys, certificates and their encodings.
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
    Algorithm, Header, Jwk, Jwks, PublicKey, Signer, SoftwareKey, TokenError, base64url,
    certificates_from_jwk, issue, self_signed_certificate, sha256,
};
use der::{Decode, Encode};
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, SubjectAltName, SubjectKeyIdentifier};

const BEGIN: u64 = 1_700_000_000;
/// 2060: beyond what UTCTime can say.
const END: u64 = 2_840_000_000;

fn malformed(reason: &'static str) -> TokenError {
    TokenError::KeyMalformed { reason }
}

#[test]
fn keys_survive_export() {
    for algorithm in Algorithm::ALL {
        let key = SoftwareKey::generate(algorithm).unwrap();
        let again = SoftwareKey::from_pkcs8(algorithm, &key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        let signature = again.sign(b"message").unwrap();
        assert_eq!(key.public_key().verify(algorithm, b"message", &signature), Ok(()));
        assert_eq!(PublicKey::from_spki_der(key.public_key().spki_der()).as_ref(), Ok(key.public_key()));
        assert_eq!(format!("{key:?}"), format!("SoftwareKey({algorithm}, [redacted])"));
    }
}

#[test]
fn keys_serve_their_own_algorithm_only() {
    let refused = malformed("not a PKCS #8 private key of the algorithm");
    let p256 = SoftwareKey::generate(Algorithm::Es256).unwrap().to_pkcs8().unwrap();
    for algorithm in [Algorithm::Es384, Algorithm::Rs256, Algorithm::Ps256] {
        assert_eq!(SoftwareKey::from_pkcs8(algorithm, &p256).unwrap_err(), refused);
    }
    assert_eq!(SoftwareKey::from_pkcs8(Algorithm::Es256, b"").unwrap_err(), refused);
    let rsa = SoftwareKey::generate(Algorithm::Ps256).unwrap();
    let signature = rsa.sign(b"m").unwrap();
    assert_eq!(rsa.public_key().verify(Algorithm::Rs256, b"m", &signature), Err(TokenError::BadSignature));
    assert_eq!(
        rsa.public_key().verify(Algorithm::Es256, b"m", &signature),
        Err(TokenError::AlgorithmMismatch { algorithm: "ES256".into(), key: "RSA" })
    );
}

#[test]
fn names_of_algorithms() {
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.as_str());
    }
    assert_eq!("none".parse::<Algorithm>(), Err(TokenError::Unsecured));
    assert!(serde_json::from_value::<Algorithm>(json!("none")).is_err());
}

/// Standard base64 with padding, as `x5c` has it.
fn standard(der: &[u8]) -> String {
    let mut text = base64url::encode(der).replace('-', "+").replace('_', "/");
    text.push_str(&"=".repeat((4 - text.len() % 4) % 4));
    text
}

#[test]
fn jwks_of_others() {
    let rsa = SoftwareKey::generate(Algorithm::Rs256).unwrap();
    let ec = SoftwareKey::generate(Algorithm::Es384).unwrap();
    let other = SoftwareKey::generate(Algorithm::Es384).unwrap();
    let certificate = self_signed_certificate(&ec, "CN", BEGIN, END).unwrap();
    let edit = |key: &SoftwareKey, name: &str, value: Value| {
        let mut members = key.public_key().jwk_members();
        members.insert(name.into(), value);
        Value::Object(members)
    };
    let ec_plain = Value::Object(ec.public_key().jwk_members());
    assert_eq!(PublicKey::from_jwk(&ec_plain).as_ref(), Ok(ec.public_key()));
    let both = edit(&ec, "x5c", json!([standard(&certificate)]));
    assert_eq!(PublicKey::from_jwk(&both).as_ref(), Ok(ec.public_key()));
    let only = json!({"x5c": [standard(&certificate)]});
    assert_eq!(PublicKey::from_jwk(&only).as_ref(), Ok(ec.public_key()));

    let x = ec_plain["x"].as_str().unwrap();
    let point = "not an uncompressed point of the curve's size";
    let small = base64url::encode(&[0xff; 128]);
    let zeros = base64url::encode(&[&[0][..], &[0xff; 256]].concat());
    let even = base64url::encode(&[0xfe; 256]);
    let numbers = malformed("implausible RSA numbers");
    let table = [
        (json!({}), malformed("the JWK has no key")),
        (json!([]), malformed("the JWK has no key")),
        (json!({"kty": "EC"}), malformed("the JWK has no key")),
        (json!({"kty": 1}), TokenError::KeyUnsupported { kind: String::new() }),
        (json!({"kty": "oct", "k": "AAAA"}), TokenError::KeyUnsupported { kind: "oct".into() }),
        (edit(&ec, "crv", json!("secp256k1")), TokenError::KeyUnsupported { kind: "secp256k1".into() }),
        (edit(&ec, "crv", json!("P-256")), malformed(point)),
        (edit(&ec, "y", json!(x)), malformed("not a point on the curve")),
        (edit(&ec, "y", json!("AAAA")), malformed("coordinates of different sizes")),
        (edit(&ec, "y", json!(null)), malformed("a member of the JWK is missing")),
        (edit(&ec, "y", json!(format!("{x}="))), TokenError::Base64 { part: "key" }),
        (edit(&rsa, "n", json!(small)), TokenError::KeySize { bits: 1024, min: 2048, max: 8192 }),
        (edit(&rsa, "n", json!(zeros)), malformed("a number with leading zeros")),
        (edit(&rsa, "n", json!(even)), numbers.clone()),
        (edit(&rsa, "n", json!("")), TokenError::KeySize { bits: 0, min: 2048, max: 8192 }),
        (edit(&rsa, "e", json!("AQ")), numbers.clone()),
        (edit(&rsa, "e", json!("")), numbers.clone()),
        (edit(&rsa, "e", json!("Ag")), numbers.clone()),
        (edit(&rsa, "e", json!("AQAAAAE")), numbers),
        (edit(&rsa, "x5c", json!([standard(&certificate)])), TokenError::KeyMismatch),
        (edit(&other, "x5c", json!([standard(&certificate)])), TokenError::KeyMismatch),
        (json!({"kty": "RSA", "x5c": [standard(&certificate)]}), TokenError::KeyMismatch),
        (edit(&ec, "x5c", json!([])), TokenError::HeaderMember { name: "x5c" }),
        (edit(&ec, "x5c", json!("MII")), TokenError::HeaderMember { name: "x5c" }),
        (edit(&ec, "x5c", json!([7])), TokenError::HeaderMember { name: "x5c" }),
        (edit(&ec, "x5c", json!(["!"])), TokenError::Base64 { part: "x5c" }),
        (edit(&ec, "x5c", json!(vec!["AA=="; 7])), TokenError::ChainTooLong { limit: 6 }),
        (edit(&ec, "x5c", json!(["AA=="])), TokenError::CertificateMalformed { reason: "not X.509 in DER" }),
    ];
    for (jwk, expected) in table {
        assert_eq!(PublicKey::from_jwk(&jwk), Err(expected), "{jwk:.200}");
    }
    assert_eq!(certificates_from_jwk(&only), Ok(vec![certificate]));
}

#[test]
fn spki_of_others() {
    let ec = SoftwareKey::generate(Algorithm::Es256).unwrap();
    let spki = ec.public_key().spki_der().to_vec();
    let not = malformed("not a SubjectPublicKeyInfo");
    assert_eq!(PublicKey::from_spki_der(&[]), Err(not.clone()));
    assert_eq!(PublicKey::from_spki_der(&[&spki[..], &[0]].concat()), Err(not.clone()));
    assert_eq!(PublicKey::from_spki_der(&spki[..spki.len() - 1]), Err(not));
    // The last arc of id-ecPublicKey, then of the curve; then explicit parameters instead of a curve.
    let replaced = |from: &[u8], to: &[u8]| {
        let at = spki.windows(from.len()).position(|window| window == from).unwrap();
        [&spki[..at], to, &spki[at + from.len()..]].concat()
    };
    let unsupported = |kind: &str| Err(TokenError::KeyUnsupported { kind: kind.into() });
    let key_type = replaced(&[0xce, 0x3d, 2, 1], &[0xce, 0x3d, 2, 2]);
    assert_eq!(PublicKey::from_spki_der(&key_type), unsupported("1.2.840.10045.2.2"));
    let curve = replaced(&[0xce, 0x3d, 3, 1, 7], &[0xce, 0x3d, 3, 1, 1]);
    assert_eq!(PublicKey::from_spki_der(&curve), unsupported("1.2.840.10045.3.1.1"));
    let explicit =
        replaced(&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], &[0x30, 8, 2, 6, 1, 2, 3, 4, 5, 6]);
    assert_eq!(
        PublicKey::from_spki_der(&explicit),
        Err(malformed("the curve must be named by its identifier"))
    );
    // A compressed point in the place of an uncompressed one.
    let compressed = replaced(&[0, 4], &[0, 2]);
    assert_eq!(
        PublicKey::from_spki_der(&compressed),
        Err(malformed("not an uncompressed point of the curve's size"))
    );
}

#[test]
fn signing_certificates() {
    let name = "https://localhost:8443/providers/contoso";
    for algorithm in Algorithm::ALL {
        let signer = SoftwareKey::generate(algorithm).unwrap();
        let der = self_signed_certificate(&signer, name, BEGIN, END).unwrap();
        assert_eq!(PublicKey::from_certificate_der(&der).as_ref(), Ok(signer.public_key()));
        let certificate = Certificate::from_der(&der).unwrap();
        let tbs = certificate.tbs_certificate();
        assert_eq!(tbs.version(), x509_cert::Version::V3);
        assert_eq!(tbs.subject().to_string(), format!("CN={name}"));
        assert_eq!(tbs.subject(), tbs.issuer());
        assert_eq!(tbs.serial_number().as_bytes().len(), 16);
        assert_eq!(tbs.serial_number().as_bytes()[0] & 0xc0, 0x40, "positive and of full length");
        assert_eq!(tbs.validity().not_before.to_unix_duration().as_secs(), BEGIN);
        assert_eq!(tbs.validity().not_after.to_unix_duration().as_secs(), END);
        let oids: Vec<_> = tbs.extensions().unwrap().iter().map(|one| one.extn_id.to_string()).collect();
        assert_eq!(oids, ["2.5.29.19", "2.5.29.14", "2.5.29.35"], "in Azure's order");
        let (_, constraints) = tbs.get_extension::<BasicConstraints>().unwrap().unwrap();
        assert!(!constraints.ca);
        let (_, subject) = tbs.get_extension::<SubjectKeyIdentifier>().unwrap().unwrap();
        let (_, authority) = tbs.get_extension::<AuthorityKeyIdentifier>().unwrap().unwrap();
        assert_eq!(subject.0.as_bytes(), &sha256(signer.public_key().spki_der())[..20]);
        assert_eq!(Some(subject.0), authority.key_identifier);
        // Another library agrees byte for byte on every structure.
        assert_eq!(certificate.to_der().unwrap(), der);
        check_signature(algorithm, &signer, &certificate);
    }
}

/// The signature, with the encoding undone for ECDSA.
fn check_signature(algorithm: Algorithm, signer: &SoftwareKey, certificate: &Certificate) {
    let tbs = certificate.tbs_certificate().to_der().unwrap();
    let signature = certificate.signature().raw_bytes();
    let plain = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 => signature.to_vec(),
        Algorithm::Es256 => p256::ecdsa::Signature::from_der(signature).unwrap().to_bytes().to_vec(),
        Algorithm::Es384 => p384::ecdsa::Signature::from_der(signature).unwrap().to_bytes().to_vec(),
    };
    assert_eq!(signer.public_key().verify(algorithm, &tbs, &plain), Ok(()));
}

#[test]
fn certificates_of_others() {
    let signer = SoftwareKey::generate(Algorithm::Es256).unwrap();
    let der = self_signed_certificate(&signer, "CN", BEGIN, END).unwrap();
    let malformed = |reason| Err(TokenError::CertificateMalformed { reason });
    assert_eq!(PublicKey::from_certificate_der(b""), malformed("not X.509 in DER"));
    assert_eq!(PublicKey::from_certificate_der(&[&der[..], &[0]].concat()), malformed("not X.509 in DER"));
    assert_eq!(
        PublicKey::from_certificate_der(&[0x30; 65_537]),
        Err(TokenError::TooLarge { part: "certificate", limit: 65_536 })
    );
    // The algorithm inside the signed part against the one outside: ecdsa-with-SHA256 becomes -SHA384.
    let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let at = der.windows(oid.len()).position(|window| window == oid).unwrap();
    let mut two = der;
    two[at + 7] = 3;
    assert_eq!(PublicKey::from_certificate_der(&two), malformed("two different signature algorithms"));
}

#[test]
fn long_names_are_shortened_and_kept_in_full() {
    let signer = SoftwareKey::generate(Algorithm::Es256).unwrap();
    let short = "x".repeat(64);
    let long = format!("https://attestation.example.com/providers/{}", "y".repeat(60));
    let certificate = |name: &str| {
        Certificate::from_der(&self_signed_certificate(&signer, name, BEGIN, END).unwrap()).unwrap()
    };
    let exact = certificate(&short);
    assert_eq!(exact.tbs_certificate().subject().to_string(), format!("CN={short}"));
    assert!(exact.tbs_certificate().get_extension::<SubjectAltName>().unwrap().is_none());
    let shortened = certificate(&long);
    let digest = hex::encode(&sha256(long.as_bytes())[..8]);
    let subject = shortened.tbs_certificate().subject().to_string();
    assert_eq!(subject, format!("CN={}~{digest}", &long[..47]));
    assert_eq!(subject.len(), 67);
    let (_, names) = shortened.tbs_certificate().get_extension::<SubjectAltName>().unwrap().unwrap();
    let [GeneralName::UniformResourceIdentifier(uri)] = names.0.as_slice() else { panic!("one URI") };
    assert_eq!(uri.as_str(), long);
    let umlauts = certificate("\u{fc}ber");
    assert_eq!(umlauts.tbs_certificate().subject().to_string(), "CN=\u{fc}ber");
}

#[test]
fn certificates_that_cannot_be_made() {
    let signer = SoftwareKey::generate(Algorithm::Es256).unwrap();
    let name = |reason| Err(TokenError::CommonName { reason });
    let make = |name: &str, begin, end| self_signed_certificate(&signer, name, begin, end);
    assert_eq!(make("", BEGIN, END), name("it is empty"));
    assert_eq!(make("a\0b", BEGIN, END), name("it has control characters"));
    assert_eq!(make(&"\u{fc}".repeat(65), BEGIN, END), name("it is longer than 64 characters and not ASCII"));
    assert_eq!(make(&"x".repeat(2049), BEGIN, END), name("it is longer than 2048 bytes"));
    let validity = |not_before, not_after| Err(TokenError::Validity { not_before, not_after });
    assert_eq!(make("x", END, END), validity(END, END));
    assert_eq!(make("x", BEGIN, u64::MAX), validity(BEGIN, u64::MAX));
}

#[test]
fn our_key_sets() {
    let signer = SoftwareKey::generate(Algorithm::Rs256).unwrap();
    let certificate = self_signed_certificate(&signer, "https://localhost:8443", BEGIN, END).unwrap();
    let key = signer.public_key().clone();
    let entry = Jwk::new("k1", key.clone(), Algorithm::Rs256, vec![certificate.clone()]).unwrap();
    let set = Jwks::new(vec![entry.clone()]);
    let json: Value = serde_json::from_str(&set.to_json()).unwrap();
    let members: Vec<_> = json["keys"][0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use", "x5c"]);
    assert_eq!(Jwks::from_json(set.to_json().as_bytes()).as_ref(), Ok(&set));
    assert_eq!(set.find("k1"), Ok(&entry));

    let other = SoftwareKey::generate(Algorithm::Es256).unwrap();
    assert_eq!(
        Jwk::new("k", other.public_key().clone(), Algorithm::Es256, vec![certificate.clone()]),
        Err(TokenError::KeyMismatch)
    );
    assert_eq!(
        Jwk::new("k", key.clone(), Algorithm::Es256, vec![]),
        Err(TokenError::AlgorithmMismatch { algorithm: "ES256".into(), key: "RSA" })
    );
    assert_eq!(
        Jwk::new("k", key, Algorithm::Rs256, vec![certificate; 7]),
        Err(TokenError::ChainTooLong { limit: 6 })
    );
}

#[test]
fn headers_may_carry_certificates() {
    let signer = SoftwareKey::generate(Algorithm::Es256).unwrap();
    let certificate = self_signed_certificate(&signer, "CN", BEGIN, END).unwrap();
    let chain = [certificate];
    let header = Header { x5c: &chain, jku: "", typ: "challenge", ..Header::jwt("k", "") };
    let token = issue(&header, "{}", &signer).unwrap();
    let jws = assay_token::parse(&token, &assay_token::Limits::default()).unwrap();
    let members: Vec<_> = jws.header().keys().cloned().collect();
    assert_eq!(members, ["alg", "kid", "typ", "x5c"]);
    assert_eq!(certificates_from_jwk(&Value::Object(jws.header().clone())), Ok(chain.to_vec()));
}
