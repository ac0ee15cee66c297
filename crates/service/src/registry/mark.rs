//! What kind of deployment a store belongs to: one of `--dev`, or one to be trusted.

use assay_store::{Head, Store};

use super::change::Draft;
use super::document::{DeploymentDocument, FORMAT, mark_head, read, write};
use super::{Actor, Inner, RegistryError, Snapshot};
use crate::clock::seconds;
use crate::keys::DEPLOYMENT;

/// Refuses a store of the other kind. The mark lies beside the keys, so that no copying or renaming of folders makes an
/// identity of `--dev` one to be trusted. True when there is a mark.
pub(crate) fn check_mark(store: &dyn Store, dev: bool) -> Result<bool, RegistryError> {
    let Some(head) = store.head(&mark_head()?)? else { return Ok(false) };
    match (stored(store, &head)?.development, dev) {
        (true, false) => Err(RegistryError::Development),
        (false, true) => Err(RegistryError::Production),
        _ => Ok(true),
    }
}

fn stored(store: &dyn Store, head: &Head) -> Result<DeploymentDocument, RegistryError> {
    let corrupt = |problem: String| RegistryError::Corrupt { head: head.name.to_string(), problem };
    let bytes = store.blob(&head.digest)?.ok_or_else(|| corrupt("the document is missing".to_owned()))?;
    read(&bytes).map_err(corrupt)
}

impl Inner {
    /// Marks a store of an earlier release; a new one has its mark with its first keys.
    pub(super) fn ensure_mark(&self) -> Result<(), RegistryError> {
        self.change(|inner, snapshot, now| {
            let mut draft = Draft::new(seconds(now))?;
            match inner.put_mark(&mut draft, snapshot)? {
                true => Ok((Some(draft.record(&Actor::service(), "deployment-mark", DEPLOYMENT)?), ())),
                false => Ok((None, ())),
            }
        })
    }

    /// Adds the mark to a change, unless there is one. Asked in every attempt to commit: another process may have begun
    /// the same store meanwhile, and as the other kind.
    pub(super) fn put_mark(&self, draft: &mut Draft, snapshot: &Snapshot) -> Result<bool, RegistryError> {
        if check_mark(self.store.as_ref(), self.settings.dev)? {
            return Ok(false);
        }
        let head = mark_head()?;
        let document = DeploymentDocument { format: FORMAT, development: self.settings.dev };
        let bytes = write(&head, &document)?;
        // The snapshot holds only heads below folders, so this one is set only where there is none.
        draft.put(snapshot, head, bytes);
        Ok(true)
    }
}
