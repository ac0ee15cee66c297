//! The newest date that a vendor put on verified collateral, kept over restarts: it cannot be earlier than that,
//! whatever the clock says and whichever files are taken away.

use std::sync::{Arc, Mutex, PoisonError};

use assay_store::{Change, ChangeId, HeadName, Store, StoreError};
use assay_verify::UnixTime;

use crate::random;

const HEAD: &str = "collateral/newest-vendor-date";
/// Whoever wins against us this often has kept a newer date.
const ATTEMPTS: usize = 4;

pub(crate) struct VendorDate {
    store: Arc<dyn Store>,
    /// What is stored, as far as this process knows.
    known: Mutex<Option<UnixTime>>,
}

impl VendorDate {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: Mutex::default() }
    }

    /// Takes note of a date and gives the newest there ever was. Blocks; costs nothing when there is no news.
    pub(crate) fn advance(&self, seen: Option<UnixTime>) -> Result<Option<UnixTime>, StoreError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() || *known < seen {
            *known = self.keep(seen)?;
        }
        Ok(*known)
    }

    fn keep(&self, seen: Option<UnixTime>) -> Result<Option<UnixTime>, StoreError> {
        let name = HeadName::new(HEAD)?;
        for _ in 0..ATTEMPTS {
            let head = self.store.head(&name)?;
            let bytes = head.as_ref().map(|head| self.store.blob(&head.digest)).transpose()?.flatten();
            let stored = bytes.and_then(|bytes| UnixTime::parse_rfc3339(&String::from_utf8_lossy(&bytes)));
            let Some(newer) = seen.filter(|seen| stored.is_none_or(|stored| *seen > stored)) else {
                return Ok(stored);
            };
            let id = random::bytes().map_err(|error| StoreError::Io { cause: error.to_string() })?;
            let mut change = Change::new(ChangeId::from_bytes(id));
            let digest = change.put_blob(newer.to_string().into_bytes());
            change.set_head(name.clone(), head.map(|head| head.revision), Some(digest));
            match self.store.commit(change) {
                Ok(_) => return Ok(Some(newer)),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Busy)
    }
}

#[cfg(test)]
mod tests {
    use assay_store::MemoryStore;

    use super::*;

    #[test]
    fn the_date_only_goes_forward() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let (one, other) = (VendorDate::new(Arc::clone(&store)), VendorDate::new(Arc::clone(&store)));
        let date = |seconds| Some(UnixTime(seconds));
        assert_eq!(one.advance(None), Ok(None));
        assert_eq!(one.advance(date(100)), Ok(date(100)));
        assert_eq!(one.advance(date(90)), Ok(date(100)));
        assert_eq!(other.advance(date(50)), Ok(date(100)), "another process wrote it");
        assert_eq!(other.advance(date(200)), Ok(date(200)));
        assert_eq!(one.advance(date(150)), Ok(date(200)));
        assert_eq!(VendorDate::new(store).advance(None), Ok(date(200)), "after a restart");
    }
}
