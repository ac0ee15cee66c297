//! What identifies machines, in the store: sealed under the master key, under names that are digests.

use std::sync::Arc;

use assay_store::{Change, Head, HeadName, Store, StoreError, catalog};
use assay_token::wrap::{MasterKey, open_sealed, seal};
use zeroize::Zeroizing;

use super::persist::change_id;

/// Whoever wins against us this often has written what we would have.
const ATTEMPTS: usize = 4;

/// One kind of sealed documents.
#[derive(Clone)]
pub(super) struct Sealed {
    pub(super) store: Arc<dyn Store>,
    pub(super) master: Arc<MasterKey>,
    pub(super) kind: Kind,
}

/// What is sealed, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// What the seal is bound to.
    purpose: &'static str,
    folder: &'static str,
}

/// Platforms of Intel's.
pub(super) const PLATFORMS: Kind = Kind { purpose: "platform", folder: "collateral/platform" };
/// VCEK certificates, which carry the id of their chip.
pub(super) const VCEKS: Kind = Kind { purpose: "vcek", folder: "collateral/vcek" };
/// Certificates of platforms that are not registered.
pub(super) const LEARNED: Kind = Kind { purpose: "learned-platform", folder: "collateral/learned" };
/// With which ids those were asked for.
pub(super) const LEARNED_ASKERS: Kind = Kind { purpose: "learned-asker", folder: "collateral/learned-asker" };
const KINDS: [Kind; 4] = [PLATFORMS, VCEKS, LEARNED, LEARNED_ASKERS];

impl Sealed {
    /// Where the document of a key stands, if there is one.
    pub(super) fn head(&self, key: &[u8; 32]) -> Result<Option<Head>, StoreError> {
        self.store.head(&self.name(key)?)
    }

    /// A document; `None` for one that this master key does not open.
    pub(super) fn open(&self, head: &Head) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let Some(sealed) = self.store.blob(&head.digest)? else { return Ok(None) };
        let opened = open_sealed(&self.master, &sealed, self.kind.purpose, head.name.as_str()).ok();
        if opened.is_none() {
            tracing::error!(name = %head.name, "what is stored of a machine cannot be opened");
        }
        Ok(opened)
    }

    /// Changes a document; durable when this returns. What cannot be opened is not written over: it may be another master
    /// key's. Where somebody else wrote meanwhile, the change is made to what they wrote.
    pub(super) fn change(
        &self,
        key: &[u8; 32],
        mut work: impl FnMut(Option<&[u8]>) -> Result<Vec<u8>, StoreError>,
    ) -> Result<(), StoreError> {
        let name = self.name(key)?;
        for _ in 0..ATTEMPTS {
            let before = self.store.head(&name)?;
            let opened = before.as_ref().map(|head| self.open(head)).transpose()?;
            if matches!(opened, Some(None)) {
                let rule = "what is stored of a machine can be opened with this master key";
                return Err(StoreError::InvalidChange { rule });
            }
            let opened = opened.flatten();
            let text = work(opened.as_deref().map(Vec::as_slice))?;
            // Sealed anew, the same text would be another document, and the store keeps them all.
            if opened.is_some_and(|before| *before == text) {
                return Ok(());
            }
            let sealed = seal(&self.master, &text, self.kind.purpose, name.as_str());
            let mut change = Change::new(change_id()?);
            let digest =
                change.put_blob(sealed.map_err(|error| StoreError::Io { cause: error.to_string() })?);
            change.set_head(name.clone(), before.map(|head| head.revision), Some(digest));
            match self.store.commit(change) {
                Err(StoreError::Conflict { .. }) => {}
                done => return done.map(drop),
            }
        }
        Err(StoreError::Busy)
    }

    /// How many documents have names that begin so, counted as far as `most`, which is less than a page.
    pub(super) fn count_below(&self, beginning: &[u8], most: usize) -> Result<usize, StoreError> {
        let folder = HeadName::new(self.kind.folder)?;
        let beginning = HeadName::new(&format!("{}/{}", self.kind.folder, hex::encode(beginning)))?;
        let page = self.store.heads(Some(&folder), Some(&beginning), most)?;
        let begins = |head: &&Head| head.name.as_str().starts_with(beginning.as_str());
        Ok(page.items.iter().take_while(begins).count())
    }

    /// How many documents there are, counted as far as `most`.
    pub(super) fn count(&self, most: usize) -> Result<usize, StoreError> {
        let folder = HeadName::new(self.kind.folder)?;
        let (mut count, mut after) = (0_usize, None);
        while count < most {
            let page = self.store.heads(Some(&folder), after.as_ref(), catalog::PAGE_MAX)?;
            count = count.saturating_add(page.items.len());
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(count)
    }

    /// Every document, a page after the other.
    pub(super) fn for_each(&self, mut work: impl FnMut(&Head, &[u8])) -> Result<(), StoreError> {
        heads(&*self.store, self.kind, |head| {
            if let Some(text) = self.open(&head)? {
                work(&head, &text);
            }
            Ok(())
        })
    }

    fn name(&self, key: &[u8; 32]) -> Result<HeadName, StoreError> {
        HeadName::new(&format!("{}/{}", self.kind.folder, hex::encode(key)))
    }
}

fn heads(
    store: &dyn Store,
    kind: Kind,
    mut work: impl FnMut(Head) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let folder = HeadName::new(kind.folder)?;
    let mut after = None;
    loop {
        let page = store.heads(Some(&folder), after.as_ref(), catalog::PAGE_MAX)?;
        page.items.into_iter().try_for_each(&mut work)?;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Seals everything anew under another master key. No service may run on the store meanwhile. Blocks; gives how many there
/// are. What is under the new key already stays, so that the same call goes on where one broke off.
///
/// # Errors
/// The store, or a document that neither key opens.
pub(crate) fn reseal(store: &dyn Store, old: &MasterKey, new: &MasterKey) -> Result<usize, StoreError> {
    let mut count = 0_usize;
    for kind in KINDS {
        heads(store, kind, |head| {
            let (name, sealed) = (head.name.as_str(), store.blob(&head.digest)?.unwrap_or_default());
            count = count.saturating_add(1);
            if open_sealed(new, &sealed, kind.purpose, name).is_ok() {
                return Ok(());
            }
            let failed =
                |error: assay_token::TokenError| StoreError::Io { cause: format!("{name}: {error}") };
            let plain = open_sealed(old, &sealed, kind.purpose, name).map_err(failed)?;
            let mut change = Change::new(change_id()?);
            let digest = change.put_blob(seal(new, &plain, kind.purpose, name).map_err(failed)?);
            change.set_head(head.name.clone(), Some(head.revision), Some(digest));
            store.commit(change).map(drop)
        })?;
    }
    Ok(count)
}
