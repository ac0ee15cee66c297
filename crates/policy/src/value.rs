//! Claims: what evidence says, what clients send and what rules produce.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use crate::error::EvalError;
use crate::limits::MAX_CLAIMS;

/// The value of one claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text; compared by its bytes, upper and lower case are different.
    String(Arc<str>),
    /// Signed 64-bit integer.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// A JSON object (or an array inside an array). It equals no literal; rules can copy and issue it.
    Json(Arc<Json>),
}

impl Value {
    /// The type of this value.
    pub const fn kind(&self) -> ValueKind {
        match self {
            Self::String(_) => ValueKind::String,
            Self::Integer(_) => ValueKind::Integer,
            Self::Boolean(_) => ValueKind::Boolean,
            Self::Json(_) => ValueKind::Json,
        }
    }

    /// The value as it stands in a token.
    pub fn to_json(&self) -> Json {
        match self {
            Self::String(text) => Json::String(text.as_ref().to_owned()),
            Self::Integer(number) => Json::from(*number),
            Self::Boolean(truth) => Json::Bool(*truth),
            Self::Json(json) => json.as_ref().clone(),
        }
    }
}

impl Value {
    /// What is left of a budget of bytes after this value is written as JSON; `None` as soon as it does not suffice, so
    /// that a huge value costs no more than the budget.
    pub(crate) fn charge(&self, left: usize) -> Option<usize> {
        match self {
            Self::String(text) => left.checked_sub(text.len()),
            // The longest integer has 20 characters.
            Self::Integer(_) | Self::Boolean(_) => left.checked_sub(20),
            Self::Json(json) => charge_json(json, left),
        }
    }
}

/// JSON from outside has bounded depth, so the recursion has too.
fn charge_json(json: &Json, left: usize) -> Option<usize> {
    let left = left.checked_sub(2)?;
    match json {
        Json::String(text) => left.checked_sub(text.len()),
        Json::Array(items) => items.iter().try_fold(left, |left, item| charge_json(item, left)),
        Json::Object(members) => members.iter().try_fold(left, |left, (name, value)| {
            left.checked_sub(name.len().checked_add(4)?).and_then(|left| charge_json(value, left))
        }),
        Json::Number(_) => left.checked_sub(20),
        Json::Null | Json::Bool(_) => left.checked_sub(5),
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(Arc::from(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::String(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Boolean(truth) => serializer.serialize_bool(*truth),
            Self::Json(json) => json.serialize(serializer),
        }
    }
}

/// The type of a value; its name is what `valueType` compares with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ValueKind {
    /// `"String"`
    String,
    /// `"Integer"`
    Integer,
    /// `"Boolean"`
    Boolean,
    /// `"JSON"`: not a type of the policy language, so that no documented `valueType` equals it.
    Json,
}

impl ValueKind {
    /// The name as the language spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Integer => "Integer",
            Self::Boolean => "Boolean",
            Self::Json => "JSON",
        }
    }

    /// The kind a policy may name in `valueType`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::String, Self::Integer, Self::Boolean].into_iter().find(|kind| kind.name() == name)
    }
}

/// Who vouches for a claim.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Issuer {
    /// Read from verified evidence.
    AttestationService,
    /// Produced by a rule of the policy.
    AttestationPolicy,
    /// Sent by the client, unverified.
    CustomClaim,
}

impl Issuer {
    pub(crate) const ALL: [Self; 3] = [Self::AttestationService, Self::AttestationPolicy, Self::CustomClaim];

    /// The name as `issuer` compares with it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AttestationService => "AttestationService",
            Self::AttestationPolicy => "AttestationPolicy",
            Self::CustomClaim => "CustomClaim",
        }
    }
}

/// One claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Its name, for example `x-ms-sgx-mrsigner`.
    pub claim_type: Arc<str>,
    /// Its value; a claim with several values is several claims.
    pub value: Value,
    /// Who vouches for it.
    pub issuer: Issuer,
}

/// Claims in the order in which they were added; equal claims may occur more than once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClaimSet {
    claims: Vec<Claim>,
}

impl ClaimSet {
    /// An empty set.
    pub const fn new() -> Self {
        Self { claims: Vec::new() }
    }

    /// An empty set with room for `capacity` claims.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { claims: Vec::with_capacity(capacity) }
    }

    /// Adds a claim at the end.
    pub fn push(&mut self, claim: Claim) {
        self.claims.push(claim);
    }

    /// The claims, first added first.
    pub fn iter(&self) -> std::slice::Iter<'_, Claim> {
        self.claims.iter()
    }

    /// The number of claims.
    pub fn len(&self) -> usize {
        self.claims.len()
    }

    /// Whether there is no claim.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    pub(crate) fn as_slice(&self) -> &[Claim] {
        &self.claims
    }

    /// Reads claims from a JSON object: one claim for each scalar, one for each element of an array, a JSON
    /// claim for an object, none for `null`.
    ///
    /// # Errors
    /// [`EvalError::ClaimsNotAnObject`], [`EvalError::NumberNotAnInteger`] for fractions and numbers outside
    /// the signed 64-bit range, [`EvalError::TooManyClaims`].
    pub fn from_json_object(json: &Json, issuer: Issuer) -> Result<Self, EvalError> {
        let object = json.as_object().ok_or(EvalError::ClaimsNotAnObject)?;
        let mut set = Self::with_capacity(object.len().min(MAX_CLAIMS));
        for (name, value) in object {
            let claim_type: Arc<str> = Arc::from(name.as_str());
            match value {
                Json::Array(elements) => {
                    for element in elements {
                        set.push_json(&claim_type, element, issuer)?;
                    }
                }
                single => set.push_json(&claim_type, single, issuer)?,
            }
        }
        Ok(set)
    }

    fn push_json(&mut self, claim_type: &Arc<str>, json: &Json, issuer: Issuer) -> Result<(), EvalError> {
        let value =
            match json {
                Json::Null => return Ok(()),
                Json::Bool(truth) => Value::Boolean(*truth),
                Json::Number(number) => Value::Integer(number.as_i64().ok_or_else(|| {
                    EvalError::NumberNotAnInteger { claim: claim_type.as_ref().to_owned() }
                })?),
                Json::String(text) => Value::String(Arc::from(text.as_str())),
                Json::Array(_) | Json::Object(_) => Value::Json(Arc::new(json.clone())),
            };
        if self.claims.len() >= MAX_CLAIMS {
            return Err(EvalError::TooManyClaims { limit: MAX_CLAIMS });
        }
        self.push(Claim { claim_type: Arc::clone(claim_type), value, issuer });
        Ok(())
    }
}

impl FromIterator<Claim> for ClaimSet {
    fn from_iter<I: IntoIterator<Item = Claim>>(claims: I) -> Self {
        Self { claims: claims.into_iter().collect() }
    }
}

impl<'a> IntoIterator for &'a ClaimSet {
    type Item = &'a Claim;
    type IntoIter = std::slice::Iter<'a, Claim>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
