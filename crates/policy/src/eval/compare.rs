//! Comparison of claim properties, without any conversion, within a budget.

use serde_json::Value as Json;

use crate::syntax::{Operator, Property};
use crate::value::{Claim, Value};

/// The budget is used up.
#[derive(Debug, PartialEq)]
pub(super) struct Exhausted;

/// Bytes of text that are compared in the time of a step.
const BYTES_PER_STEP: usize = 64;

pub(super) struct Steps {
    left: u64,
}

impl Steps {
    pub(super) const fn new(limit: u64) -> Self {
        Self { left: limit }
    }

    fn charge(&mut self, steps: u64) -> Result<(), Exhausted> {
        self.left = self.left.checked_sub(steps).ok_or(Exhausted)?;
        Ok(())
    }

    /// One step for each claim that is looked at, more if the names compared are long.
    pub(super) fn charge_scan(&mut self, claims: usize, claim_type: Option<&str>) -> Result<(), Exhausted> {
        let each = claim_type.map_or(0, str::len).div_euclid(BYTES_PER_STEP).saturating_add(1);
        self.charge(u64::try_from(claims.saturating_mul(each)).unwrap_or(u64::MAX))
    }

    /// Looking a member up compares its name with one on each level of the map's tree.
    fn charge_lookup(&mut self, name: &str, members: usize) -> Result<(), Exhausted> {
        let each = name.len().div_euclid(BYTES_PER_STEP).saturating_add(1);
        let levels = members.checked_ilog2().unwrap_or(0).saturating_add(1);
        self.charge(u64::try_from(each).unwrap_or(u64::MAX).saturating_mul(u64::from(levels)))
    }

    /// Equal bytes cost time, so long equal strings cost more steps.
    fn charge_text(&mut self, length: usize) -> Result<(), Exhausted> {
        if length < BYTES_PER_STEP {
            return Ok(());
        }
        self.charge(u64::try_from(length.div_euclid(BYTES_PER_STEP)).unwrap_or(u64::MAX))
    }
}

/// One side of a comparison.
#[derive(Clone, Copy)]
pub(super) enum Term<'a> {
    Text(&'a str),
    Integer(i64),
    Boolean(bool),
    Json(&'a Json),
}

impl<'a> From<&'a Value> for Term<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            Value::Integer(number) => Self::Integer(*number),
            Value::Boolean(truth) => Self::Boolean(*truth),
            Value::Json(json) => Self::Json(json),
        }
    }
}

pub(super) fn term(claim: &Claim, property: Property) -> Term<'_> {
    match property {
        Property::Type => Term::Text(&claim.claim_type),
        Property::Value => Term::from(&claim.value),
        Property::ValueType => Term::Text(claim.value.kind().name()),
        Property::Issuer => Term::Text(claim.issuer.name()),
    }
}

/// [P]: values of different types are unequal and have no order.
pub(super) fn compare(
    left: Term<'_>,
    operator: Operator,
    right: Term<'_>,
    steps: &mut Steps,
) -> Result<bool, Exhausted> {
    steps.charge(1)?;
    Ok(match (operator, left, right) {
        (Operator::Equal, _, _) => equal(left, right, steps)?,
        (Operator::NotEqual, _, _) => !equal(left, right, steps)?,
        (Operator::Less, Term::Integer(left), Term::Integer(right)) => left < right,
        (Operator::LessOrEqual, Term::Integer(left), Term::Integer(right)) => left <= right,
        (Operator::Greater, Term::Integer(left), Term::Integer(right)) => left > right,
        (Operator::GreaterOrEqual, Term::Integer(left), Term::Integer(right)) => left >= right,
        _ => false,
    })
}

/// Whether two values are one: same type and same contents.
pub(super) fn equal_values(left: &Value, right: &Value, steps: &mut Steps) -> Result<bool, Exhausted> {
    steps.charge(1)?;
    equal(left.into(), right.into(), steps)
}

fn equal(left: Term<'_>, right: Term<'_>, steps: &mut Steps) -> Result<bool, Exhausted> {
    Ok(match (left, right) {
        (Term::Text(left), Term::Text(right)) => equal_text(left, right, steps)?,
        (Term::Integer(left), Term::Integer(right)) => left == right,
        (Term::Boolean(left), Term::Boolean(right)) => left == right,
        (Term::Json(left), Term::Json(right)) => equal_json(left, right, steps)?,
        _ => false,
    })
}

fn equal_text(left: &str, right: &str, steps: &mut Steps) -> Result<bool, Exhausted> {
    if left.len() != right.len() {
        return Ok(false);
    }
    steps.charge_text(left.len())?;
    Ok(left == right)
}

/// Structural equality. `serde_json` reads no deeper than 128 levels, which bounds the recursion.
fn equal_json(left: &Json, right: &Json, steps: &mut Steps) -> Result<bool, Exhausted> {
    steps.charge(1)?;
    match (left, right) {
        (Json::String(left), Json::String(right)) => equal_text(left, right, steps),
        (Json::Array(left), Json::Array(right)) => {
            let mut same = left.len() == right.len();
            for (left, right) in left.iter().zip(right) {
                same = same && equal_json(left, right, steps)?;
            }
            Ok(same)
        }
        (Json::Object(left), Json::Object(right)) => {
            let mut same = left.len() == right.len();
            if !same {
                return Ok(false);
            }
            for (name, left) in left {
                steps.charge_lookup(name, right.len())?;
                let Some(right) = right.get(name) else { return Ok(false) };
                same = same && equal_json(left, right, steps)?;
            }
            Ok(same)
        }
        (Json::Null | Json::Bool(_) | Json::Number(_), _) => Ok(left == right),
        (Json::String(_) | Json::Array(_) | Json::Object(_), _) => Ok(false),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(left: &Value, operator: Operator, right: &Value) -> bool {
        compare(left.into(), operator, right.into(), &mut Steps::new(1_000)).unwrap()
    }

    /// Long names with a common beginning make each lookup expensive, and each costs accordingly.
    #[test]
    fn comparing_objects_costs_what_their_names_cost() {
        let object: Json = (0..300)
            .map(|n| (format!("{}{n:05}", "p".repeat(775)), json!(1)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let value = Value::Json(std::sync::Arc::new(object));
        let run = |limit| compare((&value).into(), Operator::Equal, (&value).into(), &mut Steps::new(limit));
        // 300 members, 9 levels, 13 times 64 bytes.
        assert_eq!(run(35_000), Err(Exhausted));
        assert_eq!(run(40_000), Ok(true));
    }

    #[test]
    fn nothing_is_converted() {
        let one = [Value::from(1), Value::from("1"), Value::from(true)];
        for (index, left) in one.iter().enumerate() {
            for (other, right) in one.iter().enumerate() {
                assert_eq!(holds(left, Operator::Equal, right), index == other);
                assert_eq!(holds(left, Operator::NotEqual, right), index != other);
                for operator in [Operator::LessOrEqual, Operator::GreaterOrEqual] {
                    assert_eq!(holds(left, operator, right), index == 0 && other == 0);
                }
            }
        }
    }

    #[test]
    fn integers_have_an_order() {
        let (low, high) = (Value::from(i64::MIN), Value::from(i64::MAX));
        assert!(holds(&low, Operator::Less, &high));
        assert!(!holds(&low, Operator::Less, &low));
        assert!(holds(&high, Operator::Greater, &low));
        assert!(!holds(&low, Operator::Greater, &low));
        assert!(holds(&low, Operator::LessOrEqual, &low));
        assert!(holds(&low, Operator::GreaterOrEqual, &low));
    }

    #[test]
    fn json_is_equal_only_to_the_same_json() {
        let json = |value| Value::Json(std::sync::Arc::new(value));
        let object = json(json!({"a": [1, "x"], "b": null}));
        assert!(holds(&object, Operator::Equal, &json(json!({"b": null, "a": [1, "x"]}))));
        assert!(!holds(&object, Operator::Equal, &json(json!({"a": [1, "y"], "b": null}))));
        assert!(!holds(&object, Operator::Equal, &json(json!({"a": [1], "b": null}))));
        assert!(!holds(&object, Operator::Equal, &json(json!({"a": [1, "x"], "c": null}))));
        assert!(holds(&json(json!("x")), Operator::NotEqual, &Value::from("x")));
    }

    #[test]
    fn long_strings_cost_more_steps() {
        let long = Value::from("x".repeat(640).as_str());
        assert_eq!(equal_values(&long, &long, &mut Steps::new(11)), Ok(true));
        assert_eq!(equal_values(&long, &long, &mut Steps::new(10)), Err(Exhausted));
        assert_eq!(equal_values(&long, &Value::from("x"), &mut Steps::new(1)), Ok(false));
    }
}
