//! JSON as Assay accepts it: bounded in size, depth and count, and without duplicate keys.
//!
//! Two readers that disagree about a document with a repeated member (one takes the first, one the last) are a
//! classical way around a signature or a policy check, so such documents are refused at every depth
//! (RFC 8725 section 2.4 asks the same of JWTs). Keys are compared after unescaping: `"a"` and `"\u0061"` are
//! one key. Invalid UTF-8, lone surrogates and anything after the document are refused as well.
//!
//! Numbers stay as `serde_json` gives them: `u64`, `i64`, else `f64`; a number beyond `f64` is a syntax error.

mod error;
mod walk;

pub use error::JsonError;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// What one document may cost its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of text.
    pub max_bytes: usize,
    /// Most arrays and objects inside each other; a lone scalar has depth 0. Values above
    /// [`Limits::DEPTH_CEILING`] mean that ceiling.
    pub max_depth: usize,
    /// Most values in the document: every scalar, array, object and member value counts one.
    pub max_items: usize,
}

impl Limits {
    /// 1 MiB. The largest real request seen, a guest attestation with its measured-boot log, has 132 kB;
    /// logs grow to a few times that.
    pub const MAX_BYTES: usize = 1 << 20;
    /// The deepest real documents (nested attestation tokens, TCB information) stay under 10.
    pub const MAX_DEPTH: usize = 32;
    /// A `serde_json::Value` with its key takes about 100 bytes, so one document stays under 7 MB of memory; the
    /// largest TCB information has about 3000 values.
    pub const MAX_ITEMS: usize = 65_536;
    /// `serde_json` itself stops at 128 levels with an error that says nothing of depth; staying well below keeps
    /// the refusal ours.
    pub const DEPTH_CEILING: usize = 100;

    /// The default limits with another size.
    #[must_use]
    pub const fn bytes(max_bytes: usize) -> Self {
        Self { max_bytes, max_depth: Self::MAX_DEPTH, max_items: Self::MAX_ITEMS }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::bytes(Self::MAX_BYTES)
    }
}

/// Reads the whole document once, building nothing, and says whether Assay accepts it.
///
/// # Errors
/// The first thing in the text that breaks a rule of this crate; never [`JsonError::Shape`].
pub fn check(bytes: &[u8], limits: &Limits) -> Result<(), JsonError> {
    if bytes.len() > limits.max_bytes {
        return Err(JsonError::TooLarge { limit: limits.max_bytes });
    }
    walk::walk(bytes, limits)
}

/// [`check`]s the text and gives it as a tree.
///
/// # Errors
/// As [`check`].
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, JsonError> {
    from_slice(bytes, limits)
}

/// [`check`]s the text and reads it into `T`.
///
/// # Errors
/// As [`check`], and [`JsonError::Shape`] for accepted JSON that is not a `T`.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8], limits: &Limits) -> Result<T, JsonError> {
    check(bytes, limits)?;
    serde_json::from_slice(bytes).map_err(|error| JsonError::from_typed(&error))
}

/// Compact text with the keys of every object in ascending order of their UTF-8 bytes.
///
/// Equal trees give equal text. It is the style of the service's tokens and not RFC 8785,
/// which orders by UTF-16 units and rewrites numbers.
#[must_use]
pub fn to_canonical(value: &Value) -> String {
    // `serde_json` keeps objects sorted, unless some crate of the build turns on its `preserve_order`.
    if is_sorted(value) {
        return value.to_string();
    }
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    sorted.to_string()
}

fn is_sorted(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(is_sorted),
        Value::Object(members) => members.keys().is_sorted() && members.values().all(is_sorted),
        _ => true,
    }
}
