//! Keys and key sets in JSON (RFC 7517).

use assay_json::Limits as JsonLimits;
use serde_json::{Map, Value};

use crate::certificate::MAX_CHAIN;
use crate::error::shown;
use crate::{Algorithm, PublicKey, TokenError, base64url};

/// Azure's sets have 6 keys; ours a few per purpose.
const MAX_KEYS: usize = 128;
/// The recorded sets have 40 kB, because of the evidence inside the certificates.
const MAX_SET_BYTES: usize = 1 << 20;

/// One key of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    kid: Option<String>,
    algorithm: Option<String>,
    /// Whether `use` and `key_ops` allow signatures.
    usable: Result<(), TokenError>,
    /// DER, leaf first.
    certificates: Vec<Vec<u8>>,
    key: Result<PublicKey, TokenError>,
}

/// A set of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

/// The certificates in the `x5c` of a JWK or JOSE header, DER, leaf first; none if there is no `x5c`.
///
/// # Errors
/// [`TokenError::HeaderMember`] unless `x5c` is a list of strings with at least one, [`TokenError::ChainTooLong`]
/// beyond 6, [`TokenError::Base64`].
pub fn certificates_from_jwk(jwk: &Value) -> Result<Vec<Vec<u8>>, TokenError> {
    decode_x5c(jwk.get("x5c"))
}

pub(crate) fn decode_x5c(member: Option<&Value>) -> Result<Vec<Vec<u8>>, TokenError> {
    let malformed = TokenError::HeaderMember { name: "x5c" };
    let Some(member) = member else { return Ok(Vec::new()) };
    let list = member.as_array().filter(|list| !list.is_empty()).ok_or(malformed.clone())?;
    if list.len() > MAX_CHAIN {
        return Err(TokenError::ChainTooLong { limit: MAX_CHAIN });
    }
    list.iter()
        .map(|item| base64url::decode_standard(item.as_str().ok_or_else(|| malformed.clone())?))
        .collect()
}

/// `x5c` for certificates in DER.
pub(crate) fn x5c(certificates: &[Vec<u8>]) -> Value {
    certificates.iter().map(|der| Value::String(base64url::encode_standard(der))).collect()
}

impl Jwk {
    /// An entry for one of our keys. `certificates` are DER, leaf first, and may be empty.
    ///
    /// # Errors
    /// [`TokenError::KeyMismatch`] if the first certificate has another key, [`TokenError::AlgorithmMismatch`] if
    /// the algorithm is not for this type of key, [`TokenError::ChainTooLong`] beyond 6 certificates.
    pub fn new(
        kid: &str,
        key: PublicKey,
        algorithm: Algorithm,
        certificates: Vec<Vec<u8>>,
    ) -> Result<Self, TokenError> {
        if !key.algorithms().contains(&algorithm) {
            return Err(key.mismatch(algorithm.as_str()));
        }
        if certificates.len() > MAX_CHAIN {
            return Err(TokenError::ChainTooLong { limit: MAX_CHAIN });
        }
        if let Some(leaf) = certificates.first()
            && PublicKey::from_certificate_der(leaf)? != key
        {
            return Err(TokenError::KeyMismatch);
        }
        let algorithm = Some(algorithm.as_str().to_owned());
        Ok(Self { kid: Some(kid.to_owned()), algorithm, usable: Ok(()), certificates, key: Ok(key) })
    }

    /// The key's name; absent only in sets of others.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The certificates of the key, DER, leaf first.
    #[must_use]
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// The key itself.
    ///
    /// # Errors
    /// Why the entry's key cannot be used at all: a set may hold keys of types that Assay does not know.
    pub fn key(&self) -> Result<&PublicKey, TokenError> {
        self.key.as_ref().map_err(Clone::clone)
    }

    /// The key, if the entry allows to verify this algorithm with it.
    pub(crate) fn key_for(&self, algorithm: Algorithm) -> Result<&PublicKey, TokenError> {
        self.usable.clone()?;
        if self.algorithm.as_deref().is_some_and(|name| name != algorithm.as_str()) {
            return Err(TokenError::KeyUse { member: "alg" });
        }
        self.key()
    }

    /// `alg`, `kid`, `use`, `x5c` and the plain members; those that exist.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut members = self.key.as_ref().map(PublicKey::jwk_members).unwrap_or_default();
        members.insert("use".into(), "sig".into());
        if let Some(kid) = &self.kid {
            members.insert("kid".into(), kid.clone().into());
        }
        if let Some(algorithm) = &self.algorithm {
            members.insert("alg".into(), algorithm.clone().into());
        }
        if !self.certificates.is_empty() {
            members.insert("x5c".into(), x5c(&self.certificates));
        }
        Value::Object(members)
    }

    fn from_value(jwk: &Value) -> Self {
        let text = |name| jwk.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            kid: text("kid"),
            algorithm: text("alg"),
            usable: check_use(jwk),
            certificates: certificates_from_jwk(jwk).unwrap_or_default(),
            key: PublicKey::from_jwk(jwk),
        }
    }
}

/// RFC 7517 sections 4.2 and 4.3; Azure's entries have neither member.
fn check_use(jwk: &Value) -> Result<(), TokenError> {
    if jwk.get("use").is_some_and(|purpose| purpose != "sig") {
        return Err(TokenError::KeyUse { member: "use" });
    }
    let verifies = |operations: &Value| {
        operations.as_array().is_some_and(|list| list.iter().any(|operation| operation == "verify"))
    };
    if jwk.get("key_ops").is_some_and(|operations| !verifies(operations)) {
        return Err(TokenError::KeyUse { member: "key_ops" });
    }
    Ok(())
}

impl Jwks {
    /// A set of these keys, in this order.
    #[must_use]
    pub const fn new(keys: Vec<Jwk>) -> Self {
        Self { keys }
    }

    /// Reads a set. Entries that Assay cannot use do not spoil the others: they fail when they are chosen.
    ///
    /// # Errors
    /// [`TokenError::Json`] if it is not a set at all, [`TokenError::TooManyKeys`] beyond 128 entries.
    pub fn from_json(text: &[u8]) -> Result<Self, TokenError> {
        #[derive(serde::Deserialize)]
        struct Set {
            keys: Vec<Map<String, Value>>,
        }
        let set: Set = assay_json::from_slice(text, &JsonLimits::bytes(MAX_SET_BYTES))
            .map_err(|error| TokenError::Json { part: "key set", error })?;
        if set.keys.len() > MAX_KEYS {
            return Err(TokenError::TooManyKeys { limit: MAX_KEYS });
        }
        Ok(Self { keys: set.keys.into_iter().map(|key| Jwk::from_value(&Value::Object(key))).collect() })
    }

    /// The set as compact JSON with sorted keys. `kid`, `kty` and `x5c` are what Microsoft's SDKs read; the plain
    /// members serve ordinary OIDC libraries.
    #[must_use]
    pub fn to_json(&self) -> String {
        let keys = self.keys.iter().map(Jwk::to_value).collect();
        assay_json::to_canonical(&Value::Object(Map::from_iter([("keys".to_owned(), keys)])))
    }

    /// The one key of this name.
    ///
    /// # Errors
    /// [`TokenError::KidUnknown`] or [`TokenError::KidAmbiguous`]: a first match would let whoever adds a key to the
    /// set decide which one counts.
    pub fn find(&self, kid: &str) -> Result<&Jwk, TokenError> {
        let mut matches = self.keys.iter().filter(|key| key.kid() == Some(kid));
        let first = matches.next().ok_or_else(|| TokenError::KidUnknown { kid: shown(kid) })?;
        match matches.count() {
            0 => Ok(first),
            more => Err(TokenError::KidAmbiguous { kid: shown(kid), count: more.saturating_add(1) }),
        }
    }

    /// The entries in their order.
    #[must_use]
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }
}
