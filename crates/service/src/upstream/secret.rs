//! A key or token that an upstream demands.

use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::files::{self, FileError};

/// Intel's keys have 32 characters.
const SECRET_MAX: u64 = 256;

/// A secret that goes into a header. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(Zeroizing<String>);

impl Secret {
    /// Reads a file that only its owner may read: one line of printable characters.
    pub(super) fn read(path: &Path) -> Result<Self, FileError> {
        let bytes = Zeroizing::new(files::read_private(path, SECRET_MAX)?);
        let text = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(FileError::new(path, "must hold one line of printable characters without spaces"));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        files::write_private(&path, b"abc-123\n").unwrap();
        let secret = Secret::read(&path).unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}").as_str()), ("abc-123", "Secret(..)"));
        for bad in [&b""[..], b" \n", b"a b", b"a\nb", b"\xff"] {
            files::write_private(&path, bad).unwrap();
            let expected = FileError::new(&path, "must hold one line of printable characters without spaces");
            assert_eq!(Secret::read(&path), Err(expected));
        }
        files::write_public(&path, b"abc").unwrap();
        assert!(Secret::read(&path).unwrap_err().problem.contains("it must be 0600"));
    }
}
