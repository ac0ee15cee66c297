//! JSON with comments, as RapidJSON reads it for the library, with the place of everything.

use std::ops::Range;

/// Objects and arrays inside each other; real files have three.
const MAX_DEPTH: usize = 16;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) span: Range<usize>,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// A number without fraction and exponent that fits into 32 bits: RapidJSON's `IsInt`.
    Int(i32),
    /// A number with fraction or exponent: `IsDouble`.
    Double(f64),
    /// An integer beyond 32 bits: neither of the two.
    Large,
    Text(String),
    List,
    Object(Vec<Member>),
}

impl Value {
    /// What a person calls it.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Double(_) | Self::Large => "a number",
            Self::Text(_) => "a string",
            Self::List => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) name_span: Range<usize>,
    pub(super) node: Node,
}

/// Where reading ends, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) at: Range<usize>,
    pub(super) problem: &'static str,
}

/// Whether a file is meant as JSON: the first that is no comment is a brace.
pub(super) fn is_json(text: &str) -> bool {
    let mut reader = Reader { text, at: 0 };
    reader.skip().is_ok() && reader.peek() == Some('{')
}

/// Reads a document.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut reader = Reader { text, at: 0 };
    reader.skip()?;
    let root = reader.value(0)?;
    reader.skip()?;
    if reader.at < text.len() {
        return Err(reader.error("something follows after the end"));
    }
    Ok(root)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes).min(self.text.len());
    }

    fn eat(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        if found {
            self.advance(expected.len_utf8());
        }
        found
    }

    /// The error is shown at the next character.
    fn error(&self, problem: &'static str) -> SyntaxError {
        let end = self.at.saturating_add(self.peek().map_or(0, char::len_utf8));
        SyntaxError { at: self.at..end, problem }
    }

    /// White space and comments.
    fn skip(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = self.rest();
            let space = rest.len().saturating_sub(rest.trim_start_matches([' ', '\t', '\r', '\n']).len());
            self.advance(space);
            let rest = self.rest();
            if let Some(comment) = rest.strip_prefix("//") {
                self.advance(comment.find('\n').unwrap_or(comment.len()).saturating_add(2));
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let end = comment.find("*/").ok_or_else(|| self.error("a comment does not end"))?;
                self.advance(end.saturating_add(4));
            } else {
                return Ok(());
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(self.error("objects and lists are too deep inside each other"));
        }
        let start = self.at;
        let value = match self.peek() {
            Some('{') => Value::Object(self.object(depth)?),
            Some('[') => self.list(depth)?,
            Some('"') => Value::Text(self.string()?),
            Some('-' | '0'..='9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node { value, span: start..self.at })
    }

    fn word(&mut self) -> Result<Value, SyntaxError> {
        let words = [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)];
        for (word, value) in words {
            if self.rest().starts_with(word) {
                self.advance(word.len());
                return Ok(value);
            }
        }
        Err(self.error("a value is missing here"))
    }

    fn object(&mut self, depth: usize) -> Result<Vec<Member>, SyntaxError> {
        let mut members = Vec::new();
        self.advance(1);
        self.skip()?;
        if self.eat('}') {
            return Ok(members);
        }
        loop {
            self.skip()?;
            let start = self.at;
            if self.peek() != Some('"') {
                let after_comma = self.peek() == Some('}') && !members.is_empty();
                let problem = if after_comma {
                    "a comma stands before the end"
                } else {
                    "a name in quotes is missing here"
                };
                return Err(self.error(problem));
            }
            let name = self.string()?;
            let name_span = start..self.at;
            self.skip()?;
            if !self.eat(':') {
                return Err(self.error("a colon is missing here"));
            }
            self.skip()?;
            let node = self.value(depth.saturating_add(1))?;
            members.push(Member { name, name_span, node });
            self.skip()?;
            if self.eat('}') {
                return Ok(members);
            }
            if !self.eat(',') {
                return Err(self.error("a comma is missing here"));
            }
        }
    }

    /// No setting is a list: what is in it does not matter.
    fn list(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        self.advance(1);
        self.skip()?;
        if self.eat(']') {
            return Ok(Value::List);
        }
        loop {
            self.skip()?;
            self.value(depth.saturating_add(1))?;
            self.skip()?;
            if self.eat(']') {
                return Ok(Value::List);
            }
            if !self.eat(',') {
                return Err(self.error("a comma is missing here"));
            }
        }
    }

    fn string(&mut self) -> Result<String, SyntaxError> {
        let start = self.at;
        self.advance(1);
        let mut escaped = false;
        for character in self.rest().chars() {
            if !escaped && matches!(character, '\n' | '\r') {
                break;
            }
            self.advance(character.len_utf8());
            match character {
                '"' if !escaped => {
                    let quoted = self.text.get(start..self.at).unwrap_or_default();
                    let wrong = SyntaxError {
                        at: start..self.at,
                        problem: "the string has a bad escape or character",
                    };
                    return serde_json::from_str(quoted).map_err(|_| wrong);
                }
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        Err(SyntaxError { at: start..self.at, problem: "a string does not end on its line" })
    }

    fn number(&mut self) -> Result<Value, SyntaxError> {
        let start = self.at;
        let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let rest = self.rest();
        self.advance(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
        let text = self.text.get(start..self.at).unwrap_or_default();
        let wrong = SyntaxError { at: start..self.at, problem: "this is not a number" };
        match serde_json::from_str::<serde_json::Number>(text) {
            Err(_) => Err(wrong),
            Ok(number) if text.contains(['.', 'e', 'E']) => number.as_f64().map(Value::Double).ok_or(wrong),
            Ok(number) => {
                let small = number.as_i64().and_then(|number| i32::try_from(number).ok());
                Ok(small.map_or(Value::Large, Value::Int))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_stand_wherever_space_may() {
        let text = "/* a */ { // b\n \"x\" /*c*/ : 1 , \"y\": \"\\u0041//no\" /**/ } // end";
        let Value::Object(members) = parse(text).unwrap().value else { panic!() };
        let values: Vec<_> = members.iter().map(|one| (one.name.as_str(), &one.node.value)).collect();
        assert_eq!(values, [("x", &Value::Int(1)), ("y", &Value::Text("A//no".to_owned()))]);
        assert_eq!(text.get(members[0].name_span.clone()), Some("\"x\""));
        assert_eq!(text.get(members[1].node.span.clone()), Some("\"\\u0041//no\""));
    }

    #[test]
    fn numbers_have_rapidjsons_kinds() {
        let value = |text: &str| parse(text).unwrap().value;
        assert_eq!(value("6"), Value::Int(6));
        assert_eq!(value("-6"), Value::Int(-6));
        assert_eq!(value("6.0"), Value::Double(6.0));
        assert_eq!(value("1e2"), Value::Double(100.0));
        assert_eq!(value("2147483648"), Value::Large);
        assert_eq!((value("[1, [true]]"), value("null")), (Value::List, Value::Null));
    }

    #[test]
    fn broken_text_is_shown_where_it_breaks() {
        let deep = "[".repeat(40);
        let cases = [
            ("", 0, "a value is missing here"),
            ("{\"a\": 1,}", 8, "a comma stands before the end"),
            ("{\"a\" 1}", 5, "a colon is missing here"),
            ("{\"a\": 1 \"b\": 2}", 8, "a comma is missing here"),
            ("{'a': 1}", 1, "a name in quotes is missing here"),
            ("{\"a\": yes}", 6, "a value is missing here"),
            ("{\"a\": \"b\n\"}", 6, "a string does not end on its line"),
            ("{\"a\": \"\\q\"}", 6, "the string has a bad escape or character"),
            ("{\"a\": 1} x", 9, "something follows after the end"),
            ("{ /* \"a\": 1}", 2, "a comment does not end"),
            ("{\"a\": 01}", 6, "this is not a number"),
            (&deep, 17, "objects and lists are too deep inside each other"),
        ];
        for (text, at, problem) in cases {
            let error = parse(text).unwrap_err();
            assert_eq!((error.at.start, error.problem), (at, problem), "{text}");
        }
    }

    #[test]
    fn whatever_the_bytes_nothing_breaks() {
        let text = "{ // é\n \"é\": [\"\\\\\", 1.5e3], \"b\": {\"c\": null} }";
        for cut in (0..text.len()).filter_map(|end| text.get(..end)) {
            assert!(parse(cut).is_err(), "{cut}");
        }
        assert!(parse(text).is_ok());
    }
}
