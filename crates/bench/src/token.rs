//! Tokens: what making and checking one costs beside its bare signature.

use assay_token::{Algorithm, Expectations, Header, Jwk, Jwks, Signer, SoftwareKey, issue, verify};

use crate::Failure;
use crate::appraise::token_payload;
use crate::floor::TokenKey;
use crate::measure::{Contender, Plan, interleave};
use crate::report::Row;
use crate::samples::NOW;

pub(crate) const CASES: [&str; 8] = [
    "token-sign-es256",
    "token-sign-es384",
    "token-sign-rs256",
    "token-sign-ps256",
    "token-verify-es256",
    "token-verify-es384",
    "token-verify-rs256",
    "token-verify-ps256",
];
const ALGORITHMS: [Algorithm; 4] = [Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256, Algorithm::Ps256];
const KID: &str = "bench-key";
const JKU: &str = "https://attest.example.org/certs";

pub(crate) fn rows(plan: Plan) -> Result<Vec<Row>, Failure> {
    let payload = token_payload()?;
    let [e2, e3, r2, p2, e2v, e3v, r2v, p2v] = CASES;
    let names = [(e2, e2v), (e3, e3v), (r2, r2v), (p2, p2v)];
    let (mut signing, mut verifying) = (Vec::new(), Vec::new());
    for (algorithm, (sign_case, verify_case)) in ALGORITHMS.into_iter().zip(names) {
        let [sign, raw_sign, verify, raw_verify] = measure(plan, algorithm, &payload)?;
        signing.push(Row::new(sign_case, "us", sign).above("the bare signature", raw_sign));
        verifying.push(Row::new(verify_case, "us", verify).above("the bare verification", raw_verify));
    }
    signing.append(&mut verifying);
    Ok(signing)
}

/// Signing, the bare signature, verifying, the bare verification.
fn measure(plan: Plan, algorithm: Algorithm, payload: &str) -> Result<[f64; 4], Failure> {
    let key = SoftwareKey::generate(algorithm)?;
    let header = Header::jwt(KID, JKU);
    let token = issue(&header, payload, &key)?;
    let keys = Jwks::new(vec![Jwk::new(KID, key.public_key().clone(), algorithm, Vec::new())?]);
    let (signed, _) = token.rsplit_once('.').ok_or("a token has no signature")?;
    let raw = TokenKey::generate(algorithm)?;
    let signature = raw.sign(signed.as_bytes()).ok_or("the bare key does not sign")?;
    let now = u64::try_from(NOW.0)?;
    let expectations = Expectations {
        issuer: Some("https://attest.example.org"),
        algorithms: &[algorithm],
        ..Expectations::at(now)
    };
    let signing = Contender::new("token signing", || {
        issue(&header, payload, &key).ok().filter(|made| made.len() == token.len())
    });
    let raw_signing = Contender::new("bare signing", || raw.sign(signed.as_bytes()));
    let verifying = Contender::new("token verification", || verify(&token, &keys, &expectations).ok());
    let raw_verifying = Contender::new("bare verification", || raw.verify(signed.as_bytes(), &signature));
    interleave(plan, [signing, raw_signing, verifying, raw_verifying])
}

/// What the bare signature of a token costs.
pub(crate) fn bare_signature(plan: Plan, algorithm: Algorithm) -> Result<f64, Failure> {
    let raw = TokenKey::generate(algorithm)?;
    let payload = token_payload()?;
    let [signature] = interleave(plan, [Contender::new("bare signing", || raw.sign(payload.as_bytes()))])?;
    Ok(signature)
}
