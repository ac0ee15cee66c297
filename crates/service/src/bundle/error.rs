//! Why a bundle's file is not taken.

use assay_collateral::bundle::BundleError;
use assay_store::StoreError;
use assay_token::TokenError;
use assay_verify::UnixTime;

use crate::files::FileError;

/// Why a file, or a key for one, is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignedBundleError {
    /// It is no signed document, or the signature is not the pinned key's.
    #[error("the bundle is not signed as it should be: {0}")]
    Signature(#[from] TokenError),
    /// It is a signed document of another kind.
    #[error("it is no bundle of collateral, but of the type `{found}`")]
    Type {
        /// The type on it.
        found: String,
    },
    /// Somebody else signed it.
    #[error("it is signed by `{found}`, and `{pinned}` is expected")]
    OtherSigner {
        /// Thumbprint of the pinned key.
        pinned: String,
        /// What the file says.
        found: String,
    },
    /// It is not newer than the last one.
    #[error("its sequence is {found}, and {last} was taken before")]
    Sequence {
        /// The last one that was taken.
        last: u64,
        /// The one on it.
        found: u64,
    },
    /// It was made in the future.
    #[error("it was made at {created}, and it is {now}")]
    FromFuture {
        /// The time on it.
        created: UnixTime,
        /// The time here.
        now: UnixTime,
    },
    /// Its content is not taken.
    #[error("{0}")]
    Content(#[from] BundleError),
    /// A key is not of a kind that signs bundles.
    #[error("bundles are signed with keys of P-256 or P-384")]
    KeyType,
    /// A key cannot be read.
    #[error("the key cannot be used: {problem}")]
    Key {
        /// What is wrong, as the end of a sentence.
        problem: String,
    },
    /// A file or folder cannot be used.
    #[error("{0}")]
    File(#[from] FileError),
    /// What earlier imports left cannot be read, so it is not known what came before.
    #[error("what earlier imports left in the folder cannot be read: {0}")]
    Left(BundleError),
    /// The store of the service, which remembers what came before, cannot be used.
    #[error("what came before is not known: {0}")]
    Store(#[from] StoreError),
}

impl SignedBundleError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Signature(error) => error.code(),
            Self::Type { .. } => "bundle-type",
            Self::OtherSigner { .. } => "bundle-other-signer",
            Self::Sequence { .. } => "bundle-sequence",
            Self::FromFuture { .. } => "bundle-from-future",
            Self::Content(error) => error.code(),
            Self::KeyType => "bundle-key-type",
            Self::Key { .. } => "bundle-key",
            Self::File(_) => "bundle-file",
            Self::Left(_) => "bundle-left-unreadable",
            Self::Store(_) => "bundle-store",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Signature(_) => "Copy the file again; if it stays so, it was changed on its way.",
            Self::Type { .. } => "Give a file that `assay collateral export` made.",
            Self::OtherSigner { .. } => {
                "Pin the key that signed it, if you trust it: compare the thumbprint on both machines."
            }
            Self::Sequence { .. } => "Take the newest bundle of this signer, or export again.",
            Self::FromFuture { .. } => "Set the clock of this machine, or of the one that exported.",
            Self::Content(error) => error.help(),
            Self::KeyType | Self::Key { .. } => "Make one with `assay collateral bundle keygen`.",
            Self::File(_) => "See that the file or folder is there, and whose it is.",
            Self::Left(_) => {
                "Put back the file `imported.json` from a backup. Without it, sequences begin anew."
            }
            Self::Store(error) => error.help(),
        }
    }

    /// Whether the file was read and refused, and not just out of reach.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        !matches!(self, Self::KeyType | Self::Key { .. } | Self::File(_) | Self::Left(_) | Self::Store(_))
    }
}
