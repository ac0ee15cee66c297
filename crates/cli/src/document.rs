//! A decoded document: one tree, shown as JSON or as indented text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::style::{Style, visible};

/// A part of a decoded document. Members keep their order, which is that of the bytes they were read from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// A text, number, flag or `null`.
    Scalar(Value),
    List(Vec<Self>),
    Section(Vec<(String, Self)>),
}

impl Node {
    /// Hexadecimal digits.
    pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> Self {
        Self::Scalar(Value::String(hex::encode(bytes)))
    }

    pub(crate) fn section<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Section(members.into_iter().map(|(name, node)| (name.to_owned(), node)).collect())
    }

    /// Adds a member at the end; only sections have members.
    pub(crate) fn with(mut self, name: &str, node: impl Into<Self>) -> Self {
        if let Self::Section(members) = &mut self {
            members.push((name.to_owned(), node.into()));
        }
        self
    }

    /// The tree as indented text. Everything in it may come from outside, so it is made harmless.
    pub(crate) fn to_text(&self, style: Style) -> String {
        let mut text = String::new();
        match self {
            Self::Scalar(value) => text.push_str(&scalar(value)),
            node => node.write(style, 0, &mut text),
        }
        text
    }

    fn write(&self, style: Style, depth: usize, text: &mut String) {
        match self {
            Self::Scalar(_) => {}
            Self::List(items) => {
                for (number, item) in items.iter().enumerate() {
                    item.write_member(style, depth, &format!("[{number}]"), 0, text);
                }
            }
            Self::Section(members) => {
                let width =
                    members.iter().filter(|(_, node)| node.is_short()).map(|(name, _)| name.chars().count());
                let width = width.max().unwrap_or_default();
                for (name, node) in members {
                    node.write_member(style, depth, &visible(name), width, text);
                }
            }
        }
    }

    fn write_member(&self, style: Style, depth: usize, name: &str, width: usize, text: &mut String) {
        let indent = "  ".repeat(depth);
        if let Some(short) = self.short() {
            // Padding is outside the paint: escape codes have no width.
            let padding = " ".repeat(width.saturating_sub(name.chars().count()));
            text.push_str(&format!("{indent}{}:{padding} {short}\n", style.dim(name)));
        } else {
            text.push_str(&format!("{indent}{}\n", style.bold(name)));
            self.write(style, depth.saturating_add(1), text);
        }
    }

    fn is_short(&self) -> bool {
        self.short().is_some()
    }

    /// The text of what fits beside its name.
    fn short(&self) -> Option<String> {
        match self {
            Self::Scalar(value) => Some(scalar(value)),
            Self::List(items) if items.is_empty() => Some("(none)".to_owned()),
            Self::List(items) if items.iter().all(|item| matches!(item, Self::Scalar(_))) => {
                Some(items.iter().filter_map(Self::short).collect::<Vec<_>>().join(", "))
            }
            Self::Section(members) if members.is_empty() => Some("(none)".to_owned()),
            Self::List(_) | Self::Section(_) => None,
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => visible(text),
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scalar(value) => value.serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Section(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, node) in members {
                    map.serialize_entry(name, node)?;
                }
                map.end()
            }
        }
    }
}

/// JSON whose members keep their order.
impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::from(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::from(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::from(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::from(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut section = Vec::new();
        while let Some(member) = members.next_entry()? {
            section.push(member);
        }
        Ok(Node::Section(section))
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Value::Object(members) => {
                Self::Section(members.into_iter().map(|(name, value)| (name, Self::from(value))).collect())
            }
            scalar => Self::Scalar(scalar),
        }
    }
}

macro_rules! from_scalar {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Node {
            fn from(scalar: $kind) -> Self {
                Self::Scalar(Value::from(scalar))
            }
        })*
    };
}

from_scalar!(&str, String, bool, u16, u32, u64, i64, usize);

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { colour: false, unicode: true };

    #[test]
    fn a_tree_is_text_and_json_in_the_same_order() {
        let tree = Node::section([
            ("z", Node::from("one\x1b[2J")),
            ("long", Node::List(vec![Node::from(1_u16), Node::from(true)])),
            ("inner", Node::section([("bytes", Node::hex([0xab])), ("none", Node::Scalar(Value::Null))])),
            ("items", Node::List(vec![Node::section([("a", Node::from(1_u16))])])),
        ]);
        assert_eq!(
            tree.to_text(PLAIN),
            "z:    one\\u{1b}[2J\nlong: 1, yes\ninner\n  bytes: ab\n  none:  -\nitems\n  [0]\n    a: 1\n"
        );
        assert_eq!(
            serde_json::to_string(&tree).unwrap(),
            r#"{"z":"one\u001b[2J","long":[1,true],"inner":{"bytes":"ab","none":null},"items":[{"a":1}]}"#
        );
    }

    #[test]
    fn json_keeps_its_order_and_its_numbers() {
        let text = r#"{"z":[1,-2,0.5,18446744073709551615],"a":{"c":null,"b":true},"y":"\u00e9"}"#;
        let tree: Node = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&tree).unwrap(), text.replace("\\u00e9", "é"));
    }
}
