//! Counting what becomes of platforms, by family.

use std::collections::BTreeMap;

use assay_verify::UnixTime;
use serde_json::{Value, json};

use super::{Judgement, Part, Standing};

/// Families counted apart: as many as a shelf has subjects. Platforms of others are counted together.
const MAX_FAMILIES: usize = 4096;
/// Platforms named for each family: enough to look at some.
const MAX_EXAMPLES: usize = 5;

/// What becomes of a fleet. Its size follows from the number of families and levels, not from that of platforms.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    families: BTreeMap<[u8; 6], Family>,
    /// Platforms of families for which there was no room.
    uncounted: u64,
}

/// What becomes of the platforms of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Family {
    /// How many there are.
    pub platforms: u64,
    /// Of how many it is not known what they run.
    pub assumed: u64,
    /// How many are worse off.
    pub worse: u64,
    /// How many go from one standing to the other.
    pub changes: BTreeMap<(Standing, Standing), u64>,
    /// What those need that are worse off, and to which security version.
    pub missing: BTreeMap<(Part, u16), Missing>,
    /// How many of those each advisory applies to.
    pub advisories: BTreeMap<String, u64>,
    /// How many of those reach a level of each date.
    pub tcb_dates: BTreeMap<UnixTime, u64>,
    /// Some of those, by their hashes.
    pub examples: Vec<String>,
}

/// A part of the TCB that platforms must raise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// How many platforms.
    pub platforms: u64,
    /// The lowest security version among them.
    pub lowest: u16,
}

impl Tally {
    /// Counts one platform.
    pub fn add(&mut self, judgement: &Judgement) {
        if !self.families.contains_key(&judgement.fmspc) && self.families.len() >= MAX_FAMILIES {
            count(&mut self.uncounted);
            return;
        }
        self.families.entry(judgement.fmspc).or_default().add(judgement);
    }

    /// The families, by FMSPC.
    #[must_use]
    pub const fn families(&self) -> &BTreeMap<[u8; 6], Family> {
        &self.families
    }

    /// Platforms of families for which there was no room.
    #[must_use]
    pub const fn uncounted(&self) -> u64 {
        self.uncounted
    }

    /// How many platforms are worse off.
    #[must_use]
    pub fn worse(&self) -> u64 {
        self.families.values().map(|family| family.worse).fold(0, u64::saturating_add)
    }

    /// For programs: `{"worse","uncounted","families":[{"fmspc",...}]}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let families = self.families.iter().map(|(fmspc, family)| family.to_json(*fmspc));
        let families: Vec<Value> = families.collect();
        json!({ "worse": self.worse(), "uncounted": self.uncounted, "families": families })
    }
}

impl Family {
    fn add(&mut self, judgement: &Judgement) {
        count(&mut self.platforms);
        if judgement.assumed {
            count(&mut self.assumed);
        }
        count(self.changes.entry((judgement.before, judgement.after)).or_default());
        let Some(gap) = &judgement.gap else { return };
        count(&mut self.worse);
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(judgement.platform.clone());
        }
        if let Some(date) = gap.tcb_date {
            count(self.tcb_dates.entry(date).or_default());
        }
        for advisory in &gap.advisories {
            count(self.advisories.entry(advisory.clone()).or_default());
        }
        for short in &gap.shortfalls {
            let missing = self.missing.entry((short.part, short.needs));
            let missing = missing.or_insert(Missing { platforms: 0, lowest: short.has });
            count(&mut missing.platforms);
            missing.lowest = missing.lowest.min(short.has);
        }
    }

    fn to_json(&self, fmspc: [u8; 6]) -> Value {
        let changes = self.changes.iter().map(|((before, after), platforms)| {
            json!({ "before": before.as_str(), "after": after.as_str(), "platforms": platforms })
        });
        let missing = self.missing.iter().map(|((part, needs), missing)| {
            json!({
                "part": part.to_string(),
                "needs": needs,
                "lowest": missing.lowest,
                "platforms": missing.platforms,
            })
        });
        let dates = self.tcb_dates.iter().map(|(date, count)| (date.to_string(), json!(count)));
        json!({
            "fmspc": hex::encode(fmspc),
            "platforms": self.platforms,
            "assumed": self.assumed,
            "worse": self.worse,
            "changes": changes.collect::<Vec<Value>>(),
            "missing": missing.collect::<Vec<Value>>(),
            "advisories": self.advisories,
            "tcbDates": dates.collect::<serde_json::Map<String, Value>>(),
            "examples": self.examples,
        })
    }
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
