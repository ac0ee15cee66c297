//! The examples of RFC 7515, appendix A.
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

use assay_token::{Algorithm, Limits, PublicKey, TokenError, parse};
use serde_json::json;

/// The payload of both examples: `{"iss":"joe",` CR LF ` "exp":1300819380,` ...
const PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

#[test]
fn a2_rs256() {
    let key = PublicKey::from_jwk(&json!({
        "kty": "RSA",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
              T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB\
              dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia\
              GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        "e": "AQAB"
    }))
    .unwrap();
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujG\
                     bds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7\
                     K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8n\
                     p6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let token = format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}.{signature}");
    let jws = parse(&token, &Limits::default()).unwrap();
    assert_eq!(jws.verify(&key, &Algorithm::ALL), Ok(Algorithm::Rs256));
    assert_eq!(
        jws.verify(&key, &[Algorithm::Ps256]),
        Err(TokenError::AlgorithmNotAllowed { algorithm: "RS256".into() })
    );
}

#[test]
fn a3_es256() {
    let key = PublicKey::from_jwk(&json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    }))
    .unwrap();
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let token = format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}.{signature}");
    let jws = parse(&token, &Limits::default()).unwrap();
    assert_eq!(jws.verify(&key, &Algorithm::ALL), Ok(Algorithm::Es256));
    assert_eq!(jws.payload().len(), 70);
    let other = token.replace("eyJpc3M", "eyJpc3N");
    let jws = parse(&other, &Limits::default()).unwrap();
    assert_eq!(jws.verify(&key, &Algorithm::ALL), Err(TokenError::BadSignature));
}

#[test]
fn a5_unsecured() {
    let token = format!("eyJhbGciOiJub25lIn0.{PAYLOAD}.");
    let jws = parse(&token, &Limits::default()).unwrap();
    assert_eq!(jws.algorithm_name(), "none");
    assert_eq!(jws.signature(), b"");
    assert_eq!(jws.algorithm(&Algorithm::ALL), Err(TokenError::Unsecured));
}
