//! The sets held, and which of several is the best.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use assay_verify::error::Document;
use assay_verify::intel::{Collateral, PlatformKey, RawCollateral};
use assay_verify::{TrustAnchors, UnixTime};

/// A verified set with the bytes it was made from.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub(crate) platform: PlatformKey,
    pub(crate) collateral: Arc<Collateral>,
    pub(crate) raw: Arc<RawCollateral>,
    age: Age,
}

/// What may not go back when a set takes the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Age {
    tcb_info: UnixTime,
    qe_identity: UnixTime,
    root_crl: UnixTime,
    pck_crl: UnixTime,
    tcb_evaluation: u32,
    qe_evaluation: u32,
}

/// How a set fits beside the one that is held for its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It is the best now.
    Best,
    /// Nothing in it is newer.
    NotNewer,
    /// Newer in one part and older in another: nobody publishes such a thing in order to go forward.
    Mixed,
}

impl Set {
    /// Verifies a set; the error says which checks failed.
    pub(crate) fn verify(raw: RawCollateral, anchors: &TrustAnchors) -> Result<Self, String> {
        let verification = Collateral::verify(&raw, anchors);
        let Some(collateral) = verification.collateral else {
            let failed = verification.checks.iter().filter_map(|check| check.error.as_ref());
            let failed: Vec<String> = failed.map(|error| format!("{}: {error}", error.code())).collect();
            return Err(failed.join("; "));
        };
        let age = Age::of(&collateral);
        Ok(Self {
            platform: collateral.platform(),
            collateral: Arc::new(collateral),
            raw: Arc::new(raw),
            age,
        })
    }
}

/// The best set for each platform family, and every set by its digest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sets {
    by_platform: HashMap<PlatformKey, Set>,
    by_digest: HashMap<[u8; 32], Set>,
}

impl Sets {
    pub(crate) fn len(&self) -> usize {
        self.by_digest.len()
    }

    pub(crate) fn find(&self, platform: &PlatformKey) -> Option<&Set> {
        self.by_platform.get(platform)
    }

    /// The held set of the same family, if a part of this one is older than that.
    pub(crate) fn newer_than(&self, given: &Collateral) -> Option<&Set> {
        let held = self.find(&given.platform())?;
        held.age.is_newer_somewhere(Age::of(given)).then_some(held)
    }

    pub(crate) fn by_digest(&self, digest: &[u8; 32]) -> Option<&Set> {
        self.by_digest.get(digest)
    }

    pub(crate) fn best(&self) -> impl Iterator<Item = &Set> {
        self.by_platform.values()
    }

    /// Takes a set in; as the best for its family only if it is newer in some part and older in none.
    pub(crate) fn add(&mut self, set: Set) -> Fit {
        let platform = set.platform;
        self.by_digest.insert(set.collateral.digest, set.clone());
        let fit = self.by_platform.get(&platform).map_or(Fit::Best, |held| set.age.beside(held.age));
        if fit == Fit::Best {
            self.by_platform.insert(platform, set);
        }
        fit
    }
}

impl Age {
    fn of(collateral: &Collateral) -> Self {
        // Without a date it is older than anything.
        let issued = |document| collateral.issued(document).unwrap_or(UnixTime(i64::MIN));
        Self {
            tcb_info: issued(Document::TcbInfo),
            qe_identity: issued(Document::QeIdentity),
            root_crl: issued(Document::RootCrl),
            pck_crl: issued(Document::PckCrl),
            tcb_evaluation: collateral.tcb_info.evaluation_number,
            qe_evaluation: collateral.qe_identity.evaluation_number,
        }
    }

    fn is_newer_somewhere(self, other: Self) -> bool {
        matches!(self.beside(other), Fit::Best | Fit::Mixed)
    }

    fn beside(self, held: Self) -> Fit {
        let dates = |age: Self| [age.tcb_info, age.qe_identity, age.root_crl, age.pck_crl];
        let evaluations = |age: Self| [age.tcb_evaluation, age.qe_evaluation];
        let pairs = dates(self).into_iter().zip(dates(held)).map(|(new, old)| new.cmp(&old));
        let pairs =
            pairs.chain(evaluations(self).into_iter().zip(evaluations(held)).map(|(new, old)| new.cmp(&old)));
        let orders: Vec<Ordering> = pairs.collect();
        match (orders.contains(&Ordering::Greater), orders.contains(&Ordering::Less)) {
            (true, false) => Fit::Best,
            (true, true) => Fit::Mixed,
            (false, _) => Fit::NotNewer,
        }
    }
}
