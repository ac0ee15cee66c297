//! Reading what a service answered, for people. What is not there is shown as nothing.

use serde_json::Value;

use crate::style::visible;

/// A text or number, safe to show.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::String(text)) => visible(text),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// A count.
pub(super) fn count(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// The items of a list.
pub(super) fn entries<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// The members of an object.
pub(super) fn members<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = (String, &'a Value)> {
    let found = value.get(name).and_then(Value::as_object).into_iter().flatten();
    found.map(|(name, value)| (visible(name), value))
}

/// `1 document is`, `2 documents are`.
pub(super) fn several(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
