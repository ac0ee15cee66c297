//! Bundles of collateral as files: signed by an operator on a connected machine, taken by one that has no network.
//!
//! A bundle's content proves itself: every document is verified to its vendor's root ([`assay_collateral::bundle`]). The
//! operator's signature is for what no vendor signs: that the selection is the operator's, that it is no older than the one
//! before, and which track stands where.
//!
//! The file is a JWS (RFC 7515) in compact form with a type of its own. Its payload has no `exp`, which every token must
//! have, and its type is the only one that is read here, so neither ever passes as the other.

mod error;
mod folder;
mod key;
mod report;
mod sequences;

use assay_collateral::bundle::{Bundle, MAX_CONTENT};
use assay_token::{Header, Limits, Signer, issue, parse};
use assay_verify::UnixTime;

pub use error::SignedBundleError;
pub use folder::{ImportedBundle, import, read_file, write_file};
pub use key::{PinnedSigner, public_jwk, read_key, thumbprint, write_key};
pub use report::Report;
pub use sequences::{Sequences, Taken};

/// The header's `typ`.
pub const TYPE: &str = "assay-collateral-bundle";
/// Seconds by which the clocks of two machines may differ.
pub const SKEW: i64 = 5 * 60;
/// Largest file: the content in base64, and a header and signature.
pub const MAX_FILE: usize = MAX_CONTENT.div_ceil(3).saturating_mul(4).saturating_add(16 * 1024);

/// Signs a bundle.
///
/// # Errors
/// [`SignedBundleError::Content`] for one that nobody would take, [`SignedBundleError::KeyType`] for a key that is not of
/// P-256 or P-384, and whatever the signer fails with.
pub fn sign(bundle: &Bundle, signer: &dyn Signer) -> Result<String, SignedBundleError> {
    key::check_type(signer.public_key())?;
    let content = bundle.write()?;
    let kid = thumbprint(signer.public_key());
    Ok(issue(&Header { kid: &kid, jku: "", typ: TYPE, x5c: &[] }, &content, signer)?)
}

/// Opens a file that this signer must have signed: the only key that is tried is the pinned one, whatever the file says.
///
/// # Errors
/// [`SignedBundleError`]; the content is not looked at before the signature is good.
pub fn open(
    file: &str,
    signer: &PinnedSigner,
    last_sequence: Option<u64>,
    now: UnixTime,
) -> Result<Bundle, SignedBundleError> {
    let jws = parse(file.trim(), &Limits { max_bytes: MAX_FILE, ..Limits::default() })?;
    let found = jws.header().get("typ").and_then(serde_json::Value::as_str).unwrap_or_default();
    if found != TYPE {
        return Err(SignedBundleError::Type { found: shown(found) });
    }
    let found = jws.kid().unwrap_or_default();
    if found != signer.name() {
        return Err(SignedBundleError::OtherSigner { pinned: signer.name().to_owned(), found: shown(found) });
    }
    jws.verify(signer.key(), signer.key().algorithms())?;
    let bundle = Bundle::read(jws.payload())?;
    check_order(&bundle, last_sequence, now)?;
    Ok(bundle)
}

/// That it is newer than the last one, and not from the future.
fn check_order(bundle: &Bundle, last: Option<u64>, now: UnixTime) -> Result<(), SignedBundleError> {
    let (found, created) = (bundle.sequence, bundle.created);
    if let Some(last) = last.filter(|last| found <= *last) {
        return Err(SignedBundleError::Sequence { last, found });
    }
    if created.0 > now.0.saturating_add(SKEW) {
        return Err(SignedBundleError::FromFuture { created, now });
    }
    Ok(())
}

/// A piece of a file, for a message.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}
