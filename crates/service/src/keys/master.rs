//! Where the master key comes from.

use std::fmt;
use std::path::{Path, PathBuf};

use assay_token::TokenError;
use assay_token::wrap::MasterKey;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::files::{self, FileError};

/// 32 bytes take 64 characters in hexadecimal; the rest is white space.
const FILE_MAX: u64 = 256;

/// Where the master key comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum MasterKeySource {
    /// A file that only its owner may read.
    File(PathBuf),
    /// A systemd credential: the file of this name in `$CREDENTIALS_DIRECTORY`, which systemd protects.
    Credential(PathBuf),
    /// The environment variable `ASSAY_MASTER_KEY`.
    Environment(Zeroizing<String>),
}

/// Why there is no master key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be used.
    #[error("the master key file {0}")]
    File(FileError),
    /// The text is neither 64 hexadecimal digits nor base64 of 32 bytes.
    #[error("the master key must be 32 bytes, 64 hexadecimal digits, or 32 bytes in base64")]
    Encoding,
    /// The key itself cannot be used.
    #[error("{0}")]
    Key(TokenError),
}

impl MasterKeySource {
    /// Reads the key.
    ///
    /// # Errors
    /// [`MasterKeyError`].
    pub fn read(&self) -> Result<MasterKey, MasterKeyError> {
        let bytes = match self {
            Self::File(path) => files::read_private(path, FILE_MAX),
            Self::Credential(path) => files::read(path, FILE_MAX),
            Self::Environment(text) => Ok(text.as_bytes().to_vec()),
        };
        parse(&Zeroizing::new(bytes.map_err(MasterKeyError::File)?))
    }

    /// What to print instead of the secret.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::File(path) => format!("file {}", path.display()),
            Self::Credential(path) => format!("credential {}", path.display()),
            Self::Environment(_) => "environment ASSAY_MASTER_KEY".to_owned(),
        }
    }
}

impl fmt::Debug for MasterKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

/// Reads the master key of a file, or makes one there.
pub(crate) fn load_or_generate(path: &Path) -> Result<MasterKey, MasterKeyError> {
    if !path.exists() {
        let key = MasterKey::generate().map_err(MasterKeyError::Key)?;
        let text = Zeroizing::new(format!("{}\n", hex::encode(key.as_bytes())));
        files::write_private(path, text.as_bytes()).map_err(MasterKeyError::File)?;
    }
    MasterKeySource::File(path.to_owned()).read()
}

fn parse(bytes: &[u8]) -> Result<MasterKey, MasterKeyError> {
    let key = |bytes: &[u8]| MasterKey::from_bytes(bytes).map_err(MasterKeyError::Key);
    let text = std::str::from_utf8(bytes).map(str::trim).unwrap_or_default();
    if text.len() == 64 {
        let decoded = hex::decode(text).map(Zeroizing::new).map_err(|_| MasterKeyError::Encoding)?;
        return key(&decoded);
    }
    if text.len() == 44 {
        let decoded = STANDARD.decode(text).map(Zeroizing::new).map_err(|_| MasterKeyError::Encoding)?;
        return key(&decoded);
    }
    if bytes.len() == 32 { key(bytes) } else { Err(MasterKeyError::Encoding) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_spellings_of_one_key() {
        let id = parse(&[7; 32]).unwrap().id();
        assert_eq!(parse(format!("{}\n", hex::encode([7; 32])).as_bytes()).unwrap().id(), id);
        assert_eq!(parse(STANDARD.encode([7; 32]).as_bytes()).unwrap().id(), id);
        assert_eq!(parse(b"short").unwrap_err(), MasterKeyError::Encoding);
        assert_eq!(parse(&[0; 32]).unwrap_err(), MasterKeyError::Key(TokenError::MasterKeyZero));
    }

    #[test]
    fn the_key_of_a_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let made = load_or_generate(&path).unwrap();
        assert_eq!(load_or_generate(&path).unwrap().id(), made.id());
        assert!(files::check_private(&path).is_ok());
    }

    #[test]
    fn the_secret_is_not_printed() {
        let source = MasterKeySource::Environment(Zeroizing::new("secret".to_owned()));
        assert_eq!(format!("{source:?}"), "environment ASSAY_MASTER_KEY");
    }
}
