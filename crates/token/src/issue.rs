//! Issuing tokens.

use serde_json::{Map, Value};

use crate::jwk::x5c;
use crate::{Signer, TokenError, base64url};

/// The header members of a token besides `alg`, which the signer decides.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// The name of the signing key in the set that `jku` points to.
    pub kid: &'a str,
    /// The address of the key set: the issuer and `/certs`. Left out if empty.
    pub jku: &'a str,
    /// The type of the token.
    pub typ: &'a str,
    /// Certificates in DER, leaf first; left out if there are none.
    pub x5c: &'a [Vec<u8>],
}

impl<'a> Header<'a> {
    /// The header of an attestation token: `alg`, `jku`, `kid` and `typ: JWT` (RFC 7515, section 4.1).
    #[must_use]
    pub const fn jwt(kid: &'a str, jku: &'a str) -> Self {
        Self { kid, jku, typ: "JWT", x5c: &[] }
    }
}

/// Signs a payload, which should be canonical JSON: its bytes are signed as they are.
///
/// The header is compact JSON with its keys in alphabetical order.
///
/// # Errors
/// Whatever the signer fails with.
pub fn issue(header: &Header<'_>, payload: &str, signer: &dyn Signer) -> Result<String, TokenError> {
    let mut token = signing_input(header, signer.algorithm().as_str(), payload);
    let signature = signer.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&base64url::encode(&signature));
    Ok(token)
}

/// The answer for a **draft** policy: `alg: none` and an empty signature, as Azure's are.
///
/// It proves nothing, anybody can make one, and [`crate::verify`] refuses it. It must never stand where an
/// attestation is expected.
#[must_use]
pub fn issue_unsecured(jku: &str, kid: &str, payload: &str) -> String {
    let mut token = signing_input(&Header::jwt(kid, jku), "none", payload);
    token.push('.');
    token
}

fn signing_input(header: &Header<'_>, algorithm: &str, payload: &str) -> String {
    let mut members = Map::new();
    members.insert("alg".into(), algorithm.into());
    members.insert("kid".into(), header.kid.into());
    members.insert("typ".into(), header.typ.into());
    if !header.jku.is_empty() {
        members.insert("jku".into(), header.jku.into());
    }
    if !header.x5c.is_empty() {
        members.insert("x5c".into(), x5c(header.x5c));
    }
    let header = assay_json::to_canonical(&Value::Object(members));
    format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(payload.as_bytes()))
}
