//! JSON Web Signatures for an attestation service: issue and verify tokens, the certificates and key sets that go
//! with them, the life of signing keys, and their wrapping at rest.
//!
//! | module or item | what it does |
//! |---|---|
//! | [`issue`], [`issue_unsecured`] | header and payload to compact text |
//! | [`parse`], [`parse_lenient`] | compact text to a [`Jws`], judging nothing |
//! | [`verify`] | a token against a key set and [`Expectations`]: the only way to a [`VerifiedToken`] |
//! | [`open_policy_jws`] | a signed (or unsigned) policy document as Microsoft's SDKs make them |
//! | [`Jwks`], [`PublicKey`], [`key_id`] | keys as others publish and see them |
//! | [`Signer`], [`SoftwareKey`] | keys that sign |
//! | [`self_signed_certificate`] | the certificate that `x5c` carries |
//! | [`lifecycle`] | when a key is made, published, used, retired |
//! | [`wrap`] | private keys at rest |
//!
//! Nothing here reads a clock, a file or the network. Cryptography sits behind one seam, the private module
//! `crypto`, chosen by target: `aws-lc-rs` natively, pure Rust for `wasm32` (which verifies ECDSA only).

mod algorithm;
pub mod base64url;
mod certificate;
mod claims;
mod crypto;
mod error;
mod issue;
mod jwk;
mod jws;
mod key;
pub mod lifecycle;
mod policy;
mod signer;
mod signing_certificate;
#[cfg(not(target_arch = "wasm32"))]
mod software;
mod verify;
#[cfg(not(target_arch = "wasm32"))]
pub mod wrap;

pub use algorithm::Algorithm;
#[cfg(not(target_arch = "wasm32"))]
pub use certificate::certificate_thumbprint_sha1_hex;
pub use crypto::sha256;
pub use error::TokenError;
pub use issue::{Header, issue, issue_unsecured};
pub use jwk::{Jwk, Jwks, certificates_from_jwk};
pub use jws::{Jws, Limits, parse, parse_lenient};
pub use key::{PublicKey, key_id};
pub use policy::{PolicyJws, VerifiedSignature, open_policy_jws};
pub use signer::Signer;
pub use signing_certificate::self_signed_certificate;
#[cfg(not(target_arch = "wasm32"))]
pub use software::SoftwareKey;
pub use verify::{Expectations, VerifiedToken, verify};
