//! What judges evidence beside what came with it: files of the operator's, and the hardware identity service in the same
//! process. What is held nowhere is asked of upstream, once, before evidence is refused for it.

use std::sync::{Arc, Mutex, PoisonError};

use assay_appraisal::{CollateralSource, Endorsements};
use assay_collateral::subject::Selection;
use assay_verify::UnixTime;
use assay_verify::intel::{Collateral, PlatformKey, RawCollateral};
use assay_verify::sgx::PckKey;
use assay_verify::snp::{AmdCrl, VekCertificate, VekKey};

use crate::app::App;
use crate::identity::library::NotServed;
use crate::identity::platforms::PckChains;
use crate::upstream::Asker;

/// What an appraisal needed and nobody here has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A collateral set, of an evaluation.
    Intel(PlatformKey, Selection),
    /// The certificate of a chip.
    Vek(Box<VekKey>),
    /// The certificate of a platform, for a quote that carries none.
    Pck(Box<PckKey>),
}

/// Every source for one appraisal; remembers what none of them had.
pub(crate) struct Sources<'a> {
    app: &'a App,
    now: UnixTime,
    /// Which evaluation judges.
    selection: Selection,
    missing: Mutex<Option<Missing>>,
}

impl<'a> Sources<'a> {
    pub(crate) fn new(app: &'a App, provider: &str) -> Self {
        let selection = app.identity.judging_selection(provider);
        Self { app, now: app.clock.now(), selection, missing: Mutex::default() }
    }

    /// What was looked for in vain.
    pub(crate) fn missing(&self) -> Option<Missing> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where an evaluation is pinned, no other one judges.
    fn is_pinned(&self, set: &Collateral) -> bool {
        match self.selection {
            Selection::Number(number) => set.evaluation_number() == number,
            Selection::Track(_) => true,
        }
    }

    fn miss(&self, missing: Missing) {
        *self.missing.lock().unwrap_or_else(PoisonError::into_inner) = Some(missing);
    }
}

impl CollateralSource for Sources<'_> {
    fn find(&self, platform: &PlatformKey) -> Option<Arc<Collateral>> {
        let filed = self.app.collateral.0.find(platform).filter(|set| self.is_pinned(set));
        // What a newer list revokes must count, whichever source has the list.
        let filed = filed.filter(|set| !self.app.identity.has_newer_lists(set));
        let best = newer(filed, self.app.identity.set(platform, self.selection));
        // One that has expired is given: the report then says so. A newer one may be had all the same.
        if best.as_ref().is_none_or(|set| set.earliest_expiration() < self.now) {
            self.miss(Missing::Intel(*platform, self.selection));
        }
        best
    }

    fn find_pcks(&self, key: &PckKey) -> Vec<Arc<str>> {
        let PckChains { chains, exact } = self.app.identity.platforms.chains_for(key);
        // Without one for exactly this TCB a newer list of the platform's may have it.
        if !exact {
            self.miss(Missing::Pck(Box::new(*key)));
        }
        chains
    }

    fn find_veks(&self, key: &VekKey) -> Vec<VekCertificate> {
        let mut found = self.app.collateral.0.find_veks(key);
        found.extend(self.app.identity.veks.held_for(key));
        if found.is_empty() {
            self.miss(Missing::Vek(Box::new(*key)));
        }
        found
    }

    fn amd_crls(&self) -> Vec<Arc<AmdCrl>> {
        let mut lists = self.app.collateral.0.amd_crls();
        for list in self.app.identity.amd_crls() {
            // As in folders: a list counts unless another one names all that it names and is as new.
            if !lists.iter().any(|held| held.supersedes(&list)) {
                lists.retain(|held| !list.supersedes(held));
                lists.push(list);
            }
        }
        lists
    }
}

/// No source makes another one's newer evaluation or documents go back.
fn newer(filed: Option<Arc<Collateral>>, held: Option<Arc<Collateral>>) -> Option<Arc<Collateral>> {
    let (filed, held) = match (filed, held) {
        (Some(filed), Some(held)) => (filed, held),
        (one, other) => return one.or(other),
    };
    let age = |set: &Collateral| (set.evaluation_number(), set.newest_issue());
    Some(if age(&held) > age(&filed) { held } else { filed })
}

/// The documents of the set that judged.
pub(crate) fn raw(app: &App, endorsements: &Endorsements) -> Option<Arc<RawCollateral>> {
    let digest = &endorsements.intel()?.digest;
    app.collateral.0.raw(digest).or_else(|| app.identity.raw_set(digest))
}

/// What came of asking for what was missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brought {
    /// It is here now.
    Here,
    /// Nobody has it.
    Nowhere,
    /// It may be had a little later.
    Later,
}

/// Asks upstream for what was missing, for who brought the evidence.
pub(crate) async fn bring(app: &App, missing: &Missing, asker: Asker) -> Brought {
    let brought = match missing {
        Missing::Intel(platform, selection) => app.identity.bring_set(platform, *selection, asker).await,
        Missing::Vek(key) => app.identity.veks.get_for(key, asker).await.map(drop),
        Missing::Pck(key) => app.identity.platforms.bring_for(key, asker).await,
    };
    match brought {
        Ok(()) => Brought::Here,
        Err(NotServed::Away | NotServed::Passing { .. } | NotServed::Refused { .. }) => Brought::Later,
        Err(_) => Brought::Nowhere,
    }
}
