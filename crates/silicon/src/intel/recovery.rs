//! TCB recoveries: what Intel says of the same platforms before and after one. Three evaluations are published at a time:
//!
//! | number | a platform of `PlatformSpec::with_status(UpToDate)` | one of `with_status(OutOfDate)` |
//! |---|---|---|
//! | 17 | `UpToDate` | `UpToDate` |
//! | 18, `update=standard`, the default of `CollateralSpec` | `UpToDate` | `OutOfDate` |
//! | 19, `update=early` | `OutOfDate` | `OutOfDate` |

use super::spec::{TcbLevel, TcbStatus, default_levels};

/// One evaluation of all platforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Evaluation {
    /// `tcbEvaluationDataNumber`.
    pub(crate) number: u32,
    /// When what it is about became public; RFC 3339.
    pub(super) event_date: &'static str,
    /// The date of its highest level; RFC 3339.
    pub(super) tcb_date: &'static str,
}

/// The ones that are published, newest first. The dates of the older two are those in [`default_levels`].
pub(crate) const EVALUATIONS: [Evaluation; 3] = [
    Evaluation { number: 19, event_date: "2025-05-13T00:00:00Z", tcb_date: "2025-05-14T00:00:00Z" },
    Evaluation { number: 18, event_date: "2024-03-12T00:00:00Z", tcb_date: "2024-03-13T00:00:00Z" },
    Evaluation { number: 17, event_date: "2023-02-14T00:00:00Z", tcb_date: "2023-02-15T00:00:00Z" },
];

/// What `update=early` is for.
pub(crate) const EARLY: u32 = 19;
/// What `update=standard` is for, and requests that ask for none.
pub(crate) const STANDARD: u32 = 18;

/// How many of the default levels are of platforms with all updates.
const CURRENT: usize = 4;
/// What the newest recovery is about.
const ADVISORY: &str = "INTEL-SA-01245";

/// The levels of an evaluation, highest first.
pub(crate) fn levels(number: u32) -> Vec<TcbLevel> {
    let levels = default_levels();
    match number {
        EARLY => with_update(&levels),
        STANDARD => levels,
        _ => before_update(levels),
    }
}

/// New levels for platforms with the update; those that were current lack it.
fn with_update(levels: &[TcbLevel]) -> Vec<TcbLevel> {
    let date = EVALUATIONS.first().map_or("", |evaluation| evaluation.tcb_date);
    let updated = levels.iter().take(CURRENT).map(|level| {
        let mut level = TcbLevel { date: date.to_owned(), ..level.clone() };
        for component in level.components.iter_mut().take(2) {
            *component = component.saturating_add(1);
        }
        level
    });
    let lacking = levels.iter().enumerate().map(|(index, level)| {
        let mut level = level.clone();
        level.advisories.push(ADVISORY.to_owned());
        if index < CURRENT {
            level.status = outdated(&level.status).name().to_owned();
        }
        level
    });
    updated.chain(lacking).collect()
}

/// The levels before the update that the default levels ask for: what now lacks it was current.
fn before_update(levels: Vec<TcbLevel>) -> Vec<TcbLevel> {
    let mut levels: Vec<TcbLevel> = levels.into_iter().skip(CURRENT).collect();
    for level in &mut levels {
        if level.status == TcbStatus::OutOfDate.name() {
            (level.status, level.advisories) = (TcbStatus::UpToDate.name().to_owned(), vec![]);
        }
        if level.status == TcbStatus::OutOfDateConfigurationNeeded.name() {
            level.status = TcbStatus::ConfigurationNeeded.name().to_owned();
        }
    }
    levels
}

/// What a status becomes when an update is missing.
fn outdated(status: &str) -> TcbStatus {
    let configuration = [TcbStatus::ConfigurationNeeded, TcbStatus::ConfigurationAndSWHardeningNeeded];
    if configuration.iter().any(|known| known.name() == status) {
        TcbStatus::OutOfDateConfigurationNeeded
    } else {
        TcbStatus::OutOfDate
    }
}
