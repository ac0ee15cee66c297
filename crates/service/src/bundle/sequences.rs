//! The last bundle of each signer that a service took, in its store: sequences only rise, for all instances of it.
//!
//! ```text
//! head collateral/bundle-signer/{SHA-256 of the thumbprint}   {"format":1,"sequence":7,"file":"SHA-256 of the file"}
//! ```

use std::fmt;
use std::sync::Arc;

use assay_store::{Change, Head, HeadName, Store, StoreError};
use assay_verify::sha256;
use serde::{Deserialize, Serialize};

use super::{PinnedSigner, SignedBundleError};
use crate::identity::change_id;

const FORMAT: u32 = 1;
const FOLDER: &str = "collateral/bundle-signer";
/// Whoever wins against us this often imports faster than we can.
const ATTEMPTS: usize = 4;

/// What is remembered of the signers of bundles.
#[derive(Clone)]
pub struct Sequences {
    store: Arc<dyn Store>,
}

impl fmt::Debug for Sequences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sequences(..)")
    }
}

/// A bundle that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its sequence.
    pub sequence: u64,
    /// SHA-256 of its file.
    pub file: [u8; 32],
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    format: u32,
    sequence: u64,
    file: String,
}

impl Taken {
    /// A bundle that was opened from this file.
    #[must_use]
    pub fn of(sequence: u64, file: &str) -> Self {
        Self { sequence, file: sha256(&[file.trim().as_bytes()]) }
    }

    /// Whether it may come after another one: a later one, or the same again.
    fn follows(self, last: Self) -> bool {
        self.sequence > last.sequence || self == last
    }
}

impl Sequences {
    /// Those that this store remembers.
    #[must_use]
    pub const fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The last bundle of a signer that was taken. Blocks.
    ///
    /// # Errors
    /// [`SignedBundleError::Store`], also where what is stored is not what was written: no memory is not an empty one.
    pub fn last(&self, signer: &PinnedSigner) -> Result<Option<Taken>, SignedBundleError> {
        Ok(self.read(signer)?.map(|(_, taken)| taken))
    }

    /// Remembers a bundle; durable when this returns. The last one may be remembered again. Blocks.
    ///
    /// # Errors
    /// [`SignedBundleError::Sequence`] if a later one, or another of this sequence, was taken before, and
    /// [`SignedBundleError::Store`].
    pub fn advance(&self, signer: &PinnedSigner, taken: Taken) -> Result<(), SignedBundleError> {
        for _ in 0..ATTEMPTS {
            let before = self.read(signer)?;
            if let Some((_, last)) = &before {
                if !taken.follows(*last) {
                    return Err(SignedBundleError::Sequence { last: last.sequence, found: taken.sequence });
                }
                if taken == *last {
                    return Ok(());
                }
            }
            match self.write(signer, taken, before.map(|(head, _)| head)) {
                Err(StoreError::Conflict { .. }) => {}
                done => return Ok(done?),
            }
        }
        Err(StoreError::Busy.into())
    }

    fn read(&self, signer: &PinnedSigner) -> Result<Option<(Head, Taken)>, SignedBundleError> {
        let Some(head) = self.store.head(&name(signer)?)? else { return Ok(None) };
        let unreadable = || StoreError::Io { cause: format!("`{}` is not what was written", head.name) };
        let text = self.store.blob(&head.digest)?.ok_or_else(unreadable)?;
        let entry = serde_json::from_slice::<Entry>(&text).ok().filter(|entry| entry.format == FORMAT);
        let entry = entry.ok_or_else(unreadable)?;
        let mut file = [0; 32];
        hex::decode_to_slice(&entry.file, &mut file).map_err(|_| unreadable())?;
        Ok(Some((head, Taken { sequence: entry.sequence, file })))
    }

    fn write(&self, signer: &PinnedSigner, taken: Taken, before: Option<Head>) -> Result<(), StoreError> {
        let entry = Entry { format: FORMAT, sequence: taken.sequence, file: hex::encode(taken.file) };
        let text = serde_json::to_vec(&entry)
            .map_err(|_| StoreError::InvalidChange { rule: "a sequence has a JSON form" })?;
        let mut change = Change::new(change_id()?);
        let digest = change.put_blob(text);
        change.set_head(name(signer)?, before.map(|head| head.revision), Some(digest));
        self.store.commit(change).map(drop)
    }
}

fn name(signer: &PinnedSigner) -> Result<HeadName, StoreError> {
    HeadName::new(&format!("{FOLDER}/{}", hex::encode(sha256(&[signer.name().as_bytes()]))))
}

#[cfg(test)]
mod tests {
    use assay_store::MemoryStore;
    use assay_token::{Algorithm, Signer, SoftwareKey};

    use super::*;
    use crate::bundle::public_jwk;

    fn signer() -> PinnedSigner {
        let key = SoftwareKey::generate(Algorithm::Es256).unwrap();
        PinnedSigner::from_jwk(public_jwk(key.public_key()).as_bytes()).unwrap()
    }

    #[test]
    fn sequences_only_rise_for_each_signer() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let (sequences, one, other) = (Sequences::new(Arc::clone(&store)), signer(), signer());
        assert_eq!(sequences.last(&one), Ok(None));
        let fifth = Taken::of(5, "a");
        for taken in [Taken::of(4, "b"), fifth, fifth] {
            sequences.advance(&one, taken).unwrap();
        }
        // Another process on the same store.
        let again = Sequences::new(store);
        assert_eq!(again.last(&one), Ok(Some(fifth)));
        for (lower, file) in [(4, "a"), (5, "other"), (0, "a")] {
            let refused = again.advance(&one, Taken::of(lower, file)).unwrap_err();
            assert_eq!(refused, SignedBundleError::Sequence { last: 5, found: lower });
        }
        assert_eq!(again.last(&one), Ok(Some(fifth)));
        again.advance(&other, Taken::of(1, "a")).unwrap();
    }

    #[test]
    fn what_cannot_be_read_is_no_empty_memory() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let (sequences, one) = (Sequences::new(Arc::clone(&store)), signer());
        let mut change = Change::new(change_id().unwrap());
        let digest = change.put_blob(b"{}".to_vec());
        change.set_head(name(&one).unwrap(), None, Some(digest));
        store.commit(change).unwrap();
        for error in
            [sequences.last(&one).unwrap_err(), sequences.advance(&one, Taken::of(1, "a")).unwrap_err()]
        {
            assert_eq!(error.code(), "bundle-store");
        }
    }
}
