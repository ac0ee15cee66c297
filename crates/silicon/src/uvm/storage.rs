//! A simulated image signer in a folder, shared by every process that uses the folder.
//!
//! ```text
//! DIR/uvm/signer.json    keys and the root's certificate
//! DIR/uvm/lock           held while signer.json is read or made
//! ```

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::UvmSigner;
use super::keys::{Key, Kind};
use crate::error::SiliconError;
use crate::folder::{self, Lock};

const FORMAT: u32 = 1;

impl UvmSigner {
    /// Reads the signer of a folder, if there is one.
    ///
    /// # Errors
    /// [`SiliconError::Folder`] or [`SiliconError::CorruptFolder`].
    pub fn load(dir: &Path) -> Result<Option<Self>, SiliconError> {
        let path = dir.join("uvm").join("signer.json");
        let stored = folder::read_json::<Stored>(&path)?;
        stored.map(|stored| stored.read().map_err(|reason| folder::corrupt(&path, reason))).transpose()
    }

    /// Reads the signer of a folder, or makes one there. Processes may call this at the same time: they all get the same
    /// signer.
    ///
    /// # Errors
    /// [`SiliconError::Folder`] or [`SiliconError::CorruptFolder`]; else as [`Self::generate`].
    pub fn load_or_generate(dir: &Path, now: i64) -> Result<Self, SiliconError> {
        let dir = dir.join("uvm");
        let _lock = Lock::of(&dir)?;
        let path = dir.join("signer.json");
        if let Some(stored) = folder::read_json::<Stored>(&path)? {
            return stored.read().map_err(|reason| folder::corrupt(&path, reason));
        }
        let signer = Self::generate(now)?;
        folder::write_json(&path, &Stored::write(&signer)?)?;
        Ok(signer)
    }
}

/// Keys are hex of PKCS#8, the certificate hex of DER.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    created: i64,
    root_key: String,
    ca_key: String,
    leaf_key: String,
    pca_key: String,
    tsa_key: String,
    root: String,
}

impl Stored {
    fn write(signer: &UvmSigner) -> Result<Self, SiliconError> {
        let key = |key: &Key| Ok::<_, SiliconError>(hex::encode(key.to_pkcs8()?));
        Ok(Self {
            format: FORMAT,
            created: signer.created,
            root_key: key(&signer.root_key)?,
            ca_key: key(&signer.ca_key)?,
            leaf_key: key(&signer.leaf_key)?,
            pca_key: key(&signer.pca_key)?,
            tsa_key: key(&signer.tsa_key)?,
            root: hex::encode(&signer.root),
        })
    }

    /// The error says what is wrong with the file.
    fn read(&self) -> Result<UvmSigner, String> {
        if self.format != FORMAT {
            return Err(format!("its format is {}, this program knows {FORMAT}", self.format));
        }
        let root = hex::decode(&self.root).map_err(|error| format!("the certificate is not hex: {error}"))?;
        Ok(UvmSigner {
            created: self.created,
            root_key: key(Kind::P384, &self.root_key)?,
            ca_key: key(Kind::P384, &self.ca_key)?,
            leaf_key: key(Kind::P384, &self.leaf_key)?,
            pca_key: key(Kind::Rsa2048, &self.pca_key)?,
            tsa_key: key(Kind::Rsa2048, &self.tsa_key)?,
            root,
        })
    }
}

fn key(kind: Kind, stored: &str) -> Result<Key, String> {
    let der = hex::decode(stored).map_err(|error| format!("a key is not hex: {error}"))?;
    Key::from_pkcs8(kind, &der).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_signer_and_a_foreign_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let made = UvmSigner::load_or_generate(dir.path(), 1_780_000_000).unwrap();
        let read = UvmSigner::load_or_generate(dir.path(), 1_790_000_000).unwrap();
        assert_eq!(made.did(), read.did());
        assert_eq!(made.time_stamp_authority(), read.time_stamp_authority());
        assert_eq!(made.created, read.created);
        let path = dir.path().join("uvm").join("signer.json");
        std::fs::write(&path, "{}").unwrap();
        let refused = UvmSigner::load_or_generate(dir.path(), 0).unwrap_err();
        assert_eq!(refused.code(), "simulation-folder-corrupt");
    }
}
