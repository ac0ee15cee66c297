//! One pass over the text that keeps nothing but the keys of the objects that are open.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::{JsonError, Limits};

/// `serde_json` reads an object whose first key is `$serde_json::private::RawValue` as JSON text inside a string: its
/// contents would come into a [`serde_json::Value`] without having been checked here.
const RESERVED: &str = "$serde_json::private::";

pub(crate) fn walk(bytes: &[u8], limits: &Limits) -> Result<(), JsonError> {
    let mut state = State {
        max_depth: limits.max_depth.min(Limits::DEPTH_CEILING),
        max_items: limits.max_items,
        items: 0,
        refusal: None,
    };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = Node { state: &mut state, depth: 0 }.deserialize(&mut reader);
    if let Err(error) = read {
        return Err(state.refusal.unwrap_or_else(|| JsonError::from_syntax(&error)));
    }
    reader.end().map_err(|error| JsonError::TrailingData { line: error.line(), column: error.column() })
}

struct State {
    max_depth: usize,
    max_items: usize,
    items: usize,
    /// `serde` errors carry text only, so the reason waits here.
    refusal: Option<JsonError>,
}

impl State {
    fn refuse<E: serde::de::Error>(&mut self, reason: JsonError) -> E {
        self.refusal = Some(reason);
        E::custom("refused")
    }
}

/// A value that stands inside `depth` arrays and objects.
struct Node<'s> {
    state: &'s mut State,
    depth: usize,
}

impl Node<'_> {
    /// Enters an array or object and gives the depth of what is in it.
    fn enter<E: serde::de::Error>(&mut self) -> Result<usize, E> {
        if self.depth >= self.state.max_depth {
            let limit = self.state.max_depth;
            return Err(self.state.refuse(JsonError::TooDeep { limit }));
        }
        Ok(self.depth.saturating_add(1))
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.state.items = self.state.items.saturating_add(1);
        if self.state.items > self.state.max_items {
            let limit = self.state.max_items;
            return Err(self.state.refuse(JsonError::TooManyItems { limit }));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let depth = self.enter()?;
        while items.next_element_seed(Node { state: self.state, depth })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let depth = self.enter()?;
        let mut seen = BTreeSet::new();
        while let Some(key) = members.next_key_seed(Key)? {
            if key.starts_with(RESERVED) {
                return Err(self.state.refuse(JsonError::reserved(&key)));
            }
            if seen.contains(&key) {
                return Err(self.state.refuse(JsonError::duplicate(&key)));
            }
            seen.insert(key);
            members.next_value_seed(Node { state: self.state, depth })?;
        }
        Ok(())
    }
}

/// A key, borrowed from the text unless it has escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
