//! Every rule of the crate, with the exact refusal.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

use assay_json::{JsonError, Limits, check, from_slice, parse, to_canonical};
use proptest::prelude::*;
use serde_json::{Value, json};

const LIMITS: Limits = Limits { max_bytes: 200, max_depth: 3, max_items: 8 };

fn duplicate(key: &str) -> JsonError {
    JsonError::DuplicateKey { key: key.into() }
}

#[test]
fn refusals() {
    let at = |line, column| JsonError::Syntax { line, column };
    let reserved = |key: &str| JsonError::ReservedKey { key: key.into() };
    let deep = JsonError::TooDeep { limit: 3 };
    let many = JsonError::TooManyItems { limit: 8 };
    let table: &[(&[u8], JsonError)] = &[
        (br#"{"a":1,"a":1}"#, duplicate("a")),
        (br#"{"a":1,"\u0061":2}"#, duplicate("a")),
        (br#"[{"b":{"x":1,"y":2,"x":3}}]"#, duplicate("x")),
        (br#"{"":1,"":1}"#, duplicate("")),
        (
            br#"{"$serde_json::private::RawValue":"{\"a\":1,\"a\":2}"}"#,
            reserved("$serde_json::private::RawValue"),
        ),
        (br#"{"\u0024serde_json::private::Number":"1"}"#, reserved("$serde_json::private::Number")),
        (b"[[[[]]]]", deep.clone()),
        (br#"{"a":{"b":{"c":{}}}}"#, deep),
        (b"[1,2,3,4,5,6,7,8]", many),
        (b"", at(1, 0)),
        (b"{\"a\":1,}", at(1, 8)),
        (b"{\n\"a\":\n01}", at(3, 2)),
        (b"\"\xff\"", at(1, 2)),
        (b"{\"\xc3\":1}", at(1, 3)),
        (b"\"\\ud800\"", at(1, 8)),
        (b"\xef\xbb\xbf{}", at(1, 1)),
        (b"1e400", at(1, 5)),
        (b"NaN", at(1, 1)),
        (b"{1:2}", at(1, 2)),
        (b"[1", at(1, 2)),
        (b"{} {}", JsonError::TrailingData { line: 1, column: 4 }),
        (b"{}\0", JsonError::TrailingData { line: 1, column: 3 }),
        (&[b' '; 201], JsonError::TooLarge { limit: 200 }),
    ];
    for (text, expected) in table {
        let shown = String::from_utf8_lossy(text);
        assert_eq!(check(text, &LIMITS).unwrap_err(), *expected, "check {shown}");
        assert_eq!(parse(text, &LIMITS).unwrap_err(), *expected, "parse {shown}");
    }
}

#[test]
fn accepted_at_the_limits() {
    for text in ["[[[]]]", "[1,2,3,4,5,6,7]", " {} \n", "null", "18446744073709551615", "-1", "1.5", "1e30"] {
        let value = parse(text.as_bytes(), &LIMITS).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
    }
    assert_eq!(check(&[&[b' '; 198][..], b"{}"].concat(), &LIMITS), Ok(()));
    // The same key in two objects is not a duplicate.
    assert_eq!(check(br#"{"a":{"a":1},"b":{"a":1}}"#, &LIMITS), Ok(()));
}

#[test]
fn a_generous_depth_is_cut_to_the_ceiling() {
    let limits = Limits { max_depth: usize::MAX, ..Limits::default() };
    let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    assert_eq!(check(nested(100).as_bytes(), &limits), Ok(()));
    assert_eq!(check(nested(101).as_bytes(), &limits), Err(JsonError::TooDeep { limit: 100 }));
    assert_eq!(check("[".repeat(100_000).as_bytes(), &limits), Err(JsonError::TooDeep { limit: 100 }));
}

#[test]
fn long_keys_are_cut_in_the_error() {
    let key = "\u{e9}".repeat(70);
    let text = format!(r#"{{"{key}":1,"{key}":2}}"#);
    assert_eq!(check(text.as_bytes(), &Limits::default()), Err(duplicate(&"\u{e9}".repeat(64))));
}

#[test]
fn typed_reading() {
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Point {
        x: u8,
    }
    assert_eq!(from_slice(br#"{"x":7}"#, &LIMITS), Ok(Point { x: 7 }));
    assert_eq!(
        from_slice::<Point>(br#"{"x":"seven"}"#, &LIMITS),
        Err(JsonError::Shape {
            message: r#"invalid type: string "seven", expected u8 at line 1 column 12"#.into()
        })
    );
    // An ignored member is checked as well.
    assert_eq!(from_slice::<Point>(br#"{"x":7,"y":{"z":1,"z":2}}"#, &LIMITS), Err(duplicate("z")));
}

#[test]
fn canonical_text_is_compact_and_sorted() {
    let value = json!({"b": [1, {"d": 1, "c": "\u{e9}\n"}], "a": null, "B": 1.5});
    assert_eq!(to_canonical(&value), "{\"B\":1.5,\"a\":null,\"b\":[1,{\"c\":\"\u{e9}\\n\",\"d\":1}]}");
}

#[test]
fn every_error_has_a_code_and_help() {
    let error = duplicate("a");
    assert_eq!(error.code(), "json-duplicate-key");
    assert_eq!(error.to_string(), "the key `a` stands twice in one JSON object");
    assert!(error.help().ends_with('.'));
}

/// A tree of the sizes that requests have.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_canonical_writes_parse_reads(value in tree()) {
        let text = to_canonical(&value);
        let read = parse(text.as_bytes(), &Limits::default()).unwrap();
        prop_assert_eq!(to_canonical(&read), text);
        prop_assert_eq!(read, value);
    }

    #[test]
    fn any_bytes_give_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        // What is accepted, `serde_json` accepts; the reverse need not hold.
        if check(&bytes, &Limits::default()).is_ok() {
            prop_assert!(serde_json::from_slice::<Value>(&bytes).is_ok());
        }
    }
}
