//! What ties evidence to the data that came with it.

use crate::crypto::sha256;

/// What the evidence must be bound to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Binding<'a> {
    /// Must hash to the first half of the report data.
    pub runtime_data: Option<&'a [u8]>,
    /// Must hash to the first half of an enclave's configuration id, or to a virtual machine's host data.
    pub init_time_data: Option<&'a [u8]>,
    /// Must stand in the runtime data (as it is, or in hexadecimal), or be the report data itself or what it is the hash
    /// of, with zeros after it.
    pub nonce: Option<&'a [u8]>,
}

/// Shortest nonce that says anything: 64 bits, as EAT demands (RFC 9711 section 4.1).
const MIN_NONCE: usize = 8;

pub(crate) fn carries_nonce(report_data: &[u8; 64], runtime_data: Option<&[u8]>, nonce: &[u8]) -> bool {
    // A few bytes, or zeros, occur anywhere by chance.
    if nonce.len() < MIN_NONCE || nonce.iter().all(|b| *b == 0) {
        return false;
    }
    // Runtime data is bound by its own check; a nonce inside it is bound through it.
    let inside = runtime_data.is_some_and(|data| {
        let within = |needle: &[u8]| data.windows(needle.len()).any(|window| window == needle);
        // Paravisors write capital letters.
        let hexadecimal = [hex::encode(nonce), hex::encode_upper(nonce)];
        within(nonce) || hexadecimal.iter().any(|text| within(text.as_bytes()))
    });
    let plain = report_data.strip_prefix(nonce).is_some_and(|rest| rest.iter().all(|b| *b == 0));
    inside || plain || is_hash_then_zeros(report_data, &sha256(&[nonce]))
}

/// Whether a field begins with this hash and has zeros after it.
pub(crate) fn is_hash_then_zeros(field: &[u8], hash: &[u8]) -> bool {
    field.strip_prefix(hash).is_some_and(|rest| rest.iter().all(|b| *b == 0))
}
