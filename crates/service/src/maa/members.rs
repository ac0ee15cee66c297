//! JSON objects as Azure's clients send them: names in any case.
//!
//! The guest client writes `AttestationInfo`, a performance tool `Report` and `RuntimeData`, the specification camelCase
//!. A name given twice in different case is a duplicate: of two values one would silently win.

use std::borrow::Cow;
use std::fmt;

use assay_json::{JsonError, Limits};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::problem::{Problem, sentences};

/// The largest real request, a guest attestation, has three levels; ours leave room for runtime data in appraisals.
const MAX_DEPTH: usize = 16;
/// Requests have a dozen members at most.
const MAX_ITEMS: usize = 1024;

/// The members of one object, not yet taken apart: strings are borrowed from the body.
#[derive(Debug)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A JSON string without a copy, where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Members<'a> {
    /// Reads a request body, which must be an object.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Problem> {
        Self::parse_within(body, MAX_ITEMS)
    }

    /// As [`Self::parse`], for identified callers whose documents hold bytes as lists of numbers.
    pub(crate) fn parse_large(body: &'a [u8]) -> Result<Self, Problem> {
        Self::parse_within(body, Limits::MAX_ITEMS)
    }

    fn parse_within(body: &'a [u8], max_items: usize) -> Result<Self, Problem> {
        let limits = Limits { max_bytes: usize::MAX, max_depth: MAX_DEPTH, max_items };
        assay_json::check(body, &limits).map_err(|error| json_problem(&error))?;
        let members: Self = serde_json::from_slice(body).map_err(|_| {
            Problem::invalid_parameter(
                "json-shape",
                "The request body is not a JSON object. Send one: `{...}`.",
            )
        })?;
        members.refuse_duplicates()?;
        Ok(members)
    }

    /// A member that is an object; absent and `null` are the same.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Self>, Problem> {
        let Some(raw) = self.get(name) else { return Ok(None) };
        let inner: Self = serde_json::from_str(raw.get()).map_err(|_| wrong_type(name, "an object"))?;
        inner.refuse_duplicates()?;
        Ok(Some(inner))
    }

    /// A member that is a string; absent and `null` are the same.
    pub(crate) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, Problem> {
        let Some(raw) = self.get(name) else { return Ok(None) };
        let text: Text<'a> = serde_json::from_str(raw.get()).map_err(|_| wrong_type(name, "a string"))?;
        Ok(Some(text.0))
    }

    /// As [`Self::text`], with the empty string as absent.
    pub(crate) fn non_empty(&self, name: &str) -> Result<Option<Cow<'a, str>>, Problem> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    /// A member that is a string or a number; a number stands for its digits.
    pub(crate) fn text_or_number(&self, name: &str) -> Result<Option<Cow<'a, str>>, Problem> {
        let Some(raw) = self.get(name) else { return Ok(None) };
        if raw.get().bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Some(Cow::Borrowed(raw.get())));
        }
        self.text(name).map_err(|_| wrong_type(name, "a string or a whole number"))
    }

    /// A member of any type.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let (_, raw) = self.0.iter().find(|(given, _)| given.eq_ignore_ascii_case(name))?;
        (raw.get() != "null").then_some(*raw)
    }

    fn refuse_duplicates(&self) -> Result<(), Problem> {
        let mut names: Vec<String> = self.0.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort_unstable();
        let twice = names.array_windows().find_map(|[one, next]| (one == next).then_some(one));
        let Some(name) = twice else { return Ok(()) };
        let error = JsonError::DuplicateKey { key: name.chars().take(64).collect() };
        Err(Problem::invalid_parameter(
            error.code(),
            sentences(
                &error.to_string(),
                "names differ here by more than upper and lower case; remove one of them",
            ),
        ))
    }
}

/// What is wrong with a body as JSON.
pub(crate) fn json_problem(error: &JsonError) -> Problem {
    Problem::invalid_parameter(error.code(), sentences(&error.to_string(), error.help()))
}

fn wrong_type(name: &str, expected: &str) -> Problem {
    Problem::invalid_parameter(
        "json-shape",
        format!("The member `{name}` is not {expected}. Send {expected}."),
    )
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case() {
        let members =
            Members::parse(br#"{"Quote":"a\u0062","RUNTIMEDATA":{"DataType":"x"},"nonce":7,"z":null}"#)
                .unwrap();
        assert_eq!(members.text("quote").unwrap().unwrap(), "ab");
        assert_eq!(members.object("runtimeData").unwrap().unwrap().text("dataType").unwrap().unwrap(), "x");
        assert_eq!(members.text_or_number("nonce").unwrap().unwrap(), "7");
        assert!(members.text("z").unwrap().is_none());
        assert!(members.text("absent").unwrap().is_none());
    }

    #[test]
    fn strings_are_borrowed() {
        let body = br#"{"quote":"abc"}"#;
        let members = Members::parse(body).unwrap();
        assert!(matches!(members.text("quote").unwrap(), Some(Cow::Borrowed("abc"))));
    }

    #[test]
    fn what_is_refused() {
        let reason = |body: &str| Members::parse(body.as_bytes()).unwrap_err().reason.unwrap();
        assert_eq!(reason(r#"{"quote":"","Quote":""}"#), "json-duplicate-key");
        assert_eq!(reason(r#"{"quote":"","quote":""}"#), "json-duplicate-key");
        assert_eq!(reason("[]"), "json-shape");
        assert_eq!(reason(""), "json-syntax");
        assert_eq!(reason("{} x"), "json-trailing-data");
        assert_eq!(reason(&"[".repeat(100)), "json-too-deep");
        assert_eq!(reason(&format!("[{}1]", "1,".repeat(2000))), "json-too-many-items");
        let members = Members::parse(br#"{"a":{"b":1,"B":2},"n":1.5,"m":-1,"t":true}"#).unwrap();
        assert_eq!(members.object("a").unwrap_err().reason, Some("json-duplicate-key"));
        for name in ["n", "m", "t", "a"] {
            assert_eq!(members.text_or_number(name).unwrap_err().reason, Some("json-shape"), "{name}");
        }
        assert_eq!(
            members.object("n").unwrap_err().message,
            "The member `n` is not an object. Send an object."
        );
    }
}
