//! Defects of the message and of what it says.

use super::Done;
use crate::uvm::cbor::Cbor;
use crate::uvm::keys::{Key, Kind};
use crate::uvm::message::{
    ALGORITHM, CONTENT_TYPE, COSE_SHA256, CWT_CLAIMS, Draft, PAYLOAD_HASH_ALGORITHM, PREIMAGE_CONTENT_TYPE,
    Signed, X5CHAIN, X5T,
};

/// Deeper than any parser that recurses can go, and still only 10 KB.
const BOMB_DEPTH: usize = 10_000;

// The envelope, before signing.

pub(super) fn algorithm_pkcs1(draft: &mut Draft) {
    draft.set(ALGORITHM, Cbor::Int(-257)); // RS256
}

pub(super) fn algorithm_es512(draft: &mut Draft) {
    draft.set(ALGORITHM, Cbor::Int(-36));
}

pub(super) fn algorithm_missing(draft: &mut Draft) {
    draft.remove(&ALGORITHM);
}

pub(super) fn algorithm_unprotected(draft: &mut Draft) {
    draft.remove(&ALGORITHM);
    draft.unprotected.push((ALGORITHM, Cbor::Int(draft.algorithm.number())));
}

pub(super) fn critical(draft: &mut Draft) {
    draft.set(Cbor::Int(2), Cbor::Array(vec![Cbor::text("moon")]));
    draft.set(Cbor::text("moon"), Cbor::text("full"));
}

pub(super) fn duplicate_label(draft: &mut Draft) {
    draft.protected.push((Cbor::text("moon"), Cbor::Int(1)));
    draft.protected.push((Cbor::text("moon"), Cbor::Int(2)));
}

pub(super) fn label_in_both(draft: &mut Draft) {
    draft.unprotected.push((X5T, Cbor::Int(1)));
}

pub(super) fn headers_many(draft: &mut Draft) {
    draft.unprotected.extend((1000..1100).map(|label| (Cbor::Int(label), Cbor::Int(0))));
}

/// A `COSE_Signature` without headers.
fn counter_signature() -> Cbor {
    Cbor::Array(vec![Cbor::Bytes(Vec::new()), Cbor::Map(Vec::new()), Cbor::Bytes(vec![0; 96])])
}

pub(super) fn counter_signed(draft: &mut Draft) {
    draft.set(Cbor::Int(11), counter_signature());
}

pub(super) fn counter_signed_unprotected(draft: &mut Draft) {
    draft.unprotected.push((Cbor::Int(7), counter_signature()));
}

pub(super) fn context(draft: &mut Draft) {
    draft.context = "Signature";
}

pub(super) fn external_data(draft: &mut Draft) {
    draft.external = b"moon".to_vec();
}

pub(super) fn other_key(draft: &mut Draft) -> Done {
    draft.key = Key::generate(Kind::P384)?;
    Ok(())
}

// The chain as it stands in the message.

pub(super) fn chain_missing(draft: &mut Draft) {
    draft.remove(&X5CHAIN);
}

pub(super) fn chain_unprotected(draft: &mut Draft) {
    draft.remove(&X5CHAIN);
    let chain = draft.chain.iter().cloned().map(Cbor::Bytes).collect();
    draft.unprotected.push((X5CHAIN, Cbor::Array(chain)));
}

pub(super) fn chain_text(draft: &mut Draft) {
    draft.set(X5CHAIN, Cbor::text("moon"));
}

pub(super) fn chain_of_text(draft: &mut Draft) {
    draft.set(X5CHAIN, Cbor::Array(vec![Cbor::text("moon"), Cbor::text("sun")]));
}

pub(super) fn chain_leaf_alone(draft: &mut Draft) {
    draft.chain.truncate(1);
    draft.set_chain();
}

pub(super) fn chain_single(draft: &mut Draft) {
    let leaf = draft.chain.first().cloned().unwrap_or_default();
    draft.set(X5CHAIN, Cbor::Bytes(leaf));
}

pub(super) fn chain_long(draft: &mut Draft) {
    let root = draft.chain.last().cloned().unwrap_or_default();
    draft.chain.resize(9, root);
    draft.set_chain();
}

pub(super) fn chain_without_root(draft: &mut Draft) {
    draft.chain.pop();
    draft.set_chain();
}

pub(super) fn chain_garbage(draft: &mut Draft) {
    if let Some(last) = draft.chain.last_mut() {
        last.truncate(100);
    }
    draft.set_chain();
}

pub(super) fn thumbprint_of_other(draft: &mut Draft) {
    draft.set(X5T, Cbor::Array(vec![Cbor::Int(COSE_SHA256), Cbor::Bytes(vec![0; 32])]));
}

pub(super) fn thumbprint_hash(draft: &mut Draft) {
    draft.set(X5T, Cbor::Array(vec![Cbor::Int(-14), Cbor::Bytes(vec![0; 20])])); // SHA-1
}

// The older form.

pub(super) fn both_forms(draft: &mut Draft) {
    let other = vec![(Cbor::Int(1), Cbor::text("did:x509:0:sha256:moon::eku:1.2.3"))];
    draft.set(CWT_CLAIMS, Cbor::Map(other));
}

pub(super) fn issuer_missing(draft: &mut Draft) {
    draft.remove(&Cbor::text("iss"));
}

pub(super) fn issuer_no_text(draft: &mut Draft) {
    draft.set(Cbor::text("iss"), Cbor::Int(1));
}

pub(super) fn feed_missing(draft: &mut Draft) {
    draft.remove(&Cbor::text("feed"));
}

pub(super) fn feed_other(draft: &mut Draft) {
    draft.set(Cbor::text("feed"), Cbor::text("Moon-UVM"));
}

pub(super) fn time_untagged(draft: &mut Draft) {
    draft.set(Cbor::text("signingtime"), Cbor::Int(draft.signed_at));
}

pub(super) fn time_text(draft: &mut Draft) {
    draft.set(Cbor::text("signingtime"), Cbor::Tag(1, Box::new(Cbor::text("now"))));
}

pub(super) fn time_future(draft: &mut Draft) {
    let tomorrow = draft.signed_at.saturating_add(24 * 60 * 60);
    draft.set(Cbor::text("signingtime"), Cbor::Tag(1, Box::new(Cbor::Int(tomorrow))));
}

pub(super) fn content_type(draft: &mut Draft) {
    draft.set(CONTENT_TYPE, Cbor::text("application/octet-stream"));
}

pub(super) fn content_type_missing(draft: &mut Draft) {
    draft.remove(&CONTENT_TYPE);
}

/// The JSON of the payload, changed.
fn edit(draft: &mut Draft, change: fn(String) -> String) {
    draft.payload = change(String::from_utf8_lossy(&draft.payload).into_owned()).into_bytes();
}

/// The JSON with another value for the security version.
fn set_svn(draft: &mut Draft, svn: &str) {
    let text = String::from_utf8_lossy(&draft.payload).into_owned();
    let (before, rest) = text.split_once("guestsvn\": ").unwrap_or_default();
    let (_, after) = rest.split_once(',').unwrap_or_default();
    draft.payload = format!("{before}guestsvn\": {svn},{after}").into_bytes();
}

pub(super) fn json_broken(draft: &mut Draft) {
    draft.payload.pop();
}

pub(super) fn json_large(draft: &mut Draft) {
    draft.payload.extend([b' '; 5000]);
}

pub(super) fn json_duplicate(draft: &mut Draft) {
    edit(draft, |text| text.replacen('{', "{\"x-ms-sevsnpvm-guestsvn\":\"999\",", 1));
}

pub(super) fn json_array(draft: &mut Draft) {
    edit(draft, |text| format!("[{text}]"));
}

pub(super) fn svn_missing(draft: &mut Draft) {
    edit(draft, |text| text.replace("guestsvn", "moonsvn"));
}

pub(super) fn svn_signed(draft: &mut Draft) {
    set_svn(draft, "\"+100\"");
}

pub(super) fn svn_negative(draft: &mut Draft) {
    set_svn(draft, "-1");
}

pub(super) fn svn_fraction(draft: &mut Draft) {
    set_svn(draft, "100.5");
}

pub(super) fn svn_empty(draft: &mut Draft) {
    set_svn(draft, "\"\"");
}

pub(super) fn svn_large(draft: &mut Draft) {
    set_svn(draft, "\"18446744073709551616\"");
}

pub(super) fn svn_zero(draft: &mut Draft) {
    set_svn(draft, "\"0\"");
}

pub(super) fn svn_two(draft: &mut Draft) {
    edit(draft, |text| text.replacen('{', "{\"x-ms-sevsnpvm-guestsvn-int\":999999,", 1));
}

pub(super) fn measurement_long(draft: &mut Draft) {
    edit(draft, |text| text.replacen("measurement\": \"", "measurement\": \"00", 1));
}

pub(super) fn measurement_no_hex(draft: &mut Draft) {
    edit(draft, |text| {
        let (before, after) = text.split_once("measurement\": \"").unwrap_or_default();
        let rest: String = after.chars().skip(2).collect();
        format!("{before}measurement\": \"zz{rest}")
    });
}

pub(super) fn measurement_missing(draft: &mut Draft) {
    edit(draft, |text| text.replace("launchmeasurement", "lunchmeasurement"));
}

pub(super) fn measurement_other(draft: &mut Draft) {
    let other = "00".repeat(48);
    draft.set_json("\"100\"", &other, "");
}

// The newer form.

fn set_claim(draft: &mut Draft, label: &Cbor, value: Option<Cbor>) {
    if let Some(claims) = draft.claims() {
        claims.retain(|(other, _)| other != label);
        claims.extend(value.map(|value| (label.clone(), value)));
    }
}

pub(super) fn cwt_no_map(draft: &mut Draft) {
    draft.set(CWT_CLAIMS, Cbor::Array(Vec::new()));
}

pub(super) fn cwt_twice(draft: &mut Draft) {
    if let Some(claims) = draft.claims() {
        claims.push((Cbor::text("svn"), Cbor::Int(999)));
    }
}

pub(super) fn cwt_many(draft: &mut Draft) {
    if let Some(claims) = draft.claims() {
        claims.extend((100..200).map(|label| (Cbor::Int(label), Cbor::Int(0))));
    }
}

pub(super) fn cwt_issuer_missing(draft: &mut Draft) {
    set_claim(draft, &Cbor::Int(1), None);
}

pub(super) fn cwt_subject_missing(draft: &mut Draft) {
    set_claim(draft, &Cbor::Int(2), None);
}

pub(super) fn cwt_time_fraction(draft: &mut Draft) {
    set_claim(draft, &Cbor::Int(6), Some(Cbor::Raw(vec![0xf9, 0x3e, 0x00]))); // 1.5
}

pub(super) fn cwt_time_future(draft: &mut Draft) {
    let tomorrow = Cbor::Int(draft.signed_at.saturating_add(24 * 60 * 60));
    set_claim(draft, &Cbor::Int(6), Some(tomorrow));
}

pub(super) fn cwt_svn_missing(draft: &mut Draft) {
    set_claim(draft, &Cbor::text("svn"), None);
}

pub(super) fn cwt_svn_negative(draft: &mut Draft) {
    set_claim(draft, &Cbor::text("svn"), Some(Cbor::Int(-1)));
}

pub(super) fn cwt_svn_text(draft: &mut Draft) {
    set_claim(draft, &Cbor::text("svn"), Some(Cbor::text("100")));
}

pub(super) fn cwt_svn_zero(draft: &mut Draft) {
    set_claim(draft, &Cbor::text("svn"), Some(Cbor::Int(0)));
}

pub(super) fn cwt_payload_short(draft: &mut Draft) {
    draft.payload.pop();
}

pub(super) fn cwt_measurement_other(draft: &mut Draft) {
    draft.payload = vec![0; 48];
}

pub(super) fn cwt_preimage_type(draft: &mut Draft) {
    draft.set(PREIMAGE_CONTENT_TYPE, Cbor::text("application/json"));
}

pub(super) fn cwt_preimage_missing(draft: &mut Draft) {
    draft.remove(&PREIMAGE_CONTENT_TYPE);
}

pub(super) fn cwt_hash(draft: &mut Draft) {
    draft.set(PAYLOAD_HASH_ALGORITHM, Cbor::Int(COSE_SHA256));
}

// After signing.

pub(super) fn detached(signed: &mut Signed) {
    signed.payload = Cbor::Raw(vec![0xf6]); // null
}

/// The same headers in another order, which is what a reader that encodes them again might make of them.
pub(super) fn reencoded(signed: &mut Signed) {
    let mut headers = signed.headers.clone();
    headers.reverse();
    signed.protected = Cbor::Map(headers).encode();
}

/// White space in the JSON, or a measurement with one bit flipped: the same length, and readable.
pub(super) fn payload_changed(signed: &mut Signed) {
    if let Cbor::Bytes(payload) = &mut signed.payload {
        payload.iter_mut().skip(1).take(1).for_each(|byte| *byte = b' ');
    }
}

pub(super) fn signature_bit(signed: &mut Signed) {
    signed.signature.iter_mut().skip(20).take(1).for_each(|byte| *byte ^= 1);
}

pub(super) fn signature_empty(signed: &mut Signed) {
    signed.signature.clear();
}

pub(super) fn signature_zero(signed: &mut Signed) {
    signed.signature.fill(0);
}

pub(super) fn signature_long(signed: &mut Signed) {
    signed.signature.push(0);
}

pub(super) fn tag_other(signed: &mut Signed) {
    signed.tag = Some(98); // COSE_Sign
}

pub(super) fn trailing(signed: &mut Signed) {
    signed.trailing.push(0);
}

pub(super) fn payload_text(signed: &mut Signed) {
    signed.payload = Cbor::text("moon");
}

// The bytes.

pub(super) fn truncated(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.pop();
    bytes
}

pub(super) fn empty(_: Vec<u8>) -> Vec<u8> {
    Vec::new()
}

pub(super) fn tagged_twice(bytes: Vec<u8>) -> Vec<u8> {
    Cbor::Tag(55799, Box::new(Cbor::Raw(bytes))).encode()
}

pub(super) fn oversize(bytes: Vec<u8>) -> Vec<u8> {
    [bytes, vec![0; 64 * 1024]].concat()
}

pub(super) fn bomb(_: Vec<u8>) -> Vec<u8> {
    [vec![0x84], vec![0x81; BOMB_DEPTH]].concat()
}
