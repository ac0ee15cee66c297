//! The signature algorithms that exist for this crate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::TokenError;
use crate::error::shown;

/// A JWS signature algorithm (RFC 7518 section 3.1). `none` and the symmetric ones are not members, so no value of
/// this type can ever mean "unsigned" or "the public key is the secret".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256; what Azure's tokens use.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and 32 bytes of salt.
    #[serde(rename = "PS256")]
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
}

impl Algorithm {
    /// Every member.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::Es384];

    /// The name in the JOSE header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = TokenError;

    /// Names are case-sensitive (RFC 7515 section 4.1.1); `none` in any spelling has its own error.
    fn from_str(name: &str) -> Result<Self, TokenError> {
        if name.eq_ignore_ascii_case("none") {
            return Err(TokenError::Unsecured);
        }
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
            .ok_or_else(|| TokenError::AlgorithmNotAllowed { algorithm: shown(name) })
    }
}
