//! What the rest of the service knows of a private key.

use std::fmt::Debug;

use crate::{Algorithm, PublicKey, TokenError};

/// A private key that signs and never shows itself: in memory, wrapped, or in hardware.
///
/// `Debug` of an implementation must not show secrets.
pub trait Signer: Send + Sync + Debug {
    /// The one algorithm that this key signs with.
    fn algorithm(&self) -> Algorithm;

    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// Signs the message (not a digest of it); ECDSA signatures come as `r || s`.
    ///
    /// # Errors
    /// [`TokenError::Crypto`] if the key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TokenError>;
}
