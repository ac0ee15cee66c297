//! Carrying out what [`lifecycle::plan`] asks for.

use assay_token::lifecycle::{self, KeyRecord, Purpose, RotationPolicy, Schedule, Transition};
use assay_token::wrap::MasterKey;
use assay_token::{Algorithm, TokenError};

use super::{KeyDocument, MadeKey, StoredKey, make_key};

/// Each call of `plan` can only lead to a few more steps; a hundred mean that it does not come to rest.
const STEPS_MAX: usize = 100;

/// A ring of keys and what is needed to make more of them.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    pub(crate) master: &'a MasterKey,
    pub(crate) provider: &'a str,
    pub(crate) purpose: Purpose,
    pub(crate) algorithm: Algorithm,
    pub(crate) issuer: &'a str,
    pub(crate) policy: &'a RotationPolicy,
    pub(crate) now: u64,
}

/// Brings the ring to where it should be at `now`. The keys that were made are in the document already; their wrapped
/// halves have to be stored with it. Nothing to do gives an empty list and an unchanged document.
pub(crate) fn advance(document: &mut KeyDocument, ring: &Ring<'_>) -> Result<Vec<MadeKey>, TokenError> {
    let mut made = Vec::new();
    for _ in 0..STEPS_MAX {
        let mut records = ring.records(document);
        let steps = lifecycle::plan(&records, ring.policy, ring.now)?;
        if steps.is_empty() {
            return Ok(made);
        }
        for step in &steps {
            lifecycle::apply(&mut records, step, ring.now)?;
        }
        document.set_records(&records);
        for step in &steps {
            if let Transition::Create(schedule) = step {
                made.push(ring.create(document, *schedule)?);
            }
        }
    }
    Ok(made)
}

/// Asks for a new key now: it is published at once and signs after the usual time of publication.
pub(crate) fn rotate_now(document: &mut KeyDocument, ring: &Ring<'_>) -> Result<Vec<MadeKey>, TokenError> {
    let waiting = ring.records(document).iter().any(|key| key.state == lifecycle::State::Published);
    let mut made = Vec::new();
    if !waiting {
        let activate_at = ring.now.saturating_add(ring.policy.publish_before);
        let retire_at = activate_at.saturating_add(ring.policy.max_age);
        made.push(ring.create(document, Schedule { publish_at: ring.now, activate_at, retire_at })?);
    }
    made.extend(advance(document, ring)?);
    Ok(made)
}

impl Ring<'_> {
    fn records(&self, document: &KeyDocument) -> Vec<KeyRecord> {
        document.records().into_iter().filter(|record| record.purpose == self.purpose).collect()
    }

    fn create(&self, document: &mut KeyDocument, schedule: Schedule) -> Result<MadeKey, TokenError> {
        let made = make_key(
            self.master,
            self.provider,
            self.purpose,
            self.algorithm,
            self.issuer,
            schedule,
            self.now,
        )?;
        document.keys.push(StoredKey::new(&made));
        Ok(made)
    }
}
