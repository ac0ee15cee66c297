//! What a simulated guest or enclave says, and how a report is bound to it.

use aws_lc_rs::digest;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::json;

use crate::asn1;
use crate::error::SiliconError;
use crate::keys::{SigningKey, random};

/// JSON with a public key, as one would hand out to receive secrets. Its private half is gone.
pub(crate) fn with_new_key(now: i64) -> Result<Vec<u8>, SiliconError> {
    let point = SigningKey::generate()?.point();
    let (x, y) = point.split_at(32);
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let kid = encode(&random::<12>()?);
    let key = json!({"kty": "EC", "crv": "P-256", "use": "enc", "kid": kid, "x": encode(x), "y": encode(y)});
    Ok(json!({"keys": [key], "created": asn1::rfc3339(now)?}).to_string().into_bytes())
}

/// SHA-256, then 32 zero bytes: how data of any length goes into the 64 bytes of report data.
pub(crate) fn digest_and_zeros(data: &[u8]) -> [u8; 64] {
    digest_of(&digest::SHA256, data)
}

/// The digest, then zero bytes.
pub(crate) fn digest_of(algorithm: &'static digest::Algorithm, data: &[u8]) -> [u8; 64] {
    let mut out = [0; 64];
    for (to, from) in out.iter_mut().zip(digest::digest(algorithm, data).as_ref()) {
        *to = *from;
    }
    out
}

/// The member `runtimeData` of a request.
pub(crate) fn member(runtime_data: &[u8]) -> serde_json::Value {
    let is_json = serde_json::from_slice::<serde_json::Value>(runtime_data).is_ok();
    json!({
        "data": BASE64_URL_SAFE_NO_PAD.encode(runtime_data),
        "dataType": if is_json { "JSON" } else { "Binary" },
    })
}
