//! What would become of a fleet if another evaluation counted.
//!
//! Each known platform is judged with the TCB info of both evaluations, as a quote of it would be: the certificate that
//! Intel's order selects, and the first level that it reaches (Intel PCS API, "Get TCB Info"). Where the status gets worse,
//! [`Gap`] says which parts of the TCB must rise, and to what. The quoting enclave's own level is not looked at: it stands
//! in quotes, not in certificates.
//!
//! One platform at a time is judged and counted ([`Tally`]), so the size of a fleet costs time and no memory.

mod tally;

use std::collections::BTreeMap;
use std::fmt;

use assay_verify::UnixTime;
use assay_verify::intel::single::Tee;
use assay_verify::intel::{TcbInfo, TcbLevel, TcbStatus};

pub use tally::{Family, Missing, Tally};

use crate::pck::{PckSet, PlatformId, RawTcb};
use crate::shelf::Shelf;
use crate::subject::{Selection, Subject};

/// TCB info of two evaluations, by family.
#[derive(Clone, Debug)]
pub struct Preview<'a> {
    tee: Tee,
    infos: BTreeMap<[u8; 6], Pair<'a>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Pair<'a> {
    before: Option<&'a TcbInfo>,
    after: Option<&'a TcbInfo>,
}

/// A platform as the service knows it.
#[derive(Clone, Copy, Debug)]
pub struct KnownPlatform<'a> {
    /// Which platform.
    pub id: PlatformId,
    /// Its certificates.
    pub pcks: &'a PckSet,
    /// What it ran when it last asked for a certificate, if that is known.
    pub raw_tcb: Option<RawTcb>,
}

/// What a platform is under one evaluation, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// What Intel says of the level that it reaches.
    Status(TcbStatus),
    /// Intel says something of its level that this version does not know.
    UnknownStatus,
    /// It reaches no level: its quotes are refused.
    NoLevel,
    /// It cannot be said.
    Undecided(Undecided),
}

/// Why it cannot be said what a platform is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Undecided {
    /// There is no TCB info of its family and this evaluation.
    NoTcbInfo,
    /// It has no certificate that its TCB may use.
    NoCertificate,
    /// The TCB of a trust domain stands in its quotes; certificates do not say it.
    TdxTcb,
}

/// A part of the TCB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A component, counted from 1 as in Intel's documents.
    Component(u8),
    /// The provisioning certification enclave.
    PceSvn,
}

/// A part that is too low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// Which part.
    pub part: Part,
    /// Its security version.
    pub has: u16,
    /// The one asked for.
    pub needs: u16,
}

/// What keeps a platform from a better level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The date of the level that the platform reaches; `None` if it reaches none.
    pub tcb_date: Option<UnixTime>,
    /// What applies to that level.
    pub advisories: Vec<String>,
    /// The status of the nearest better level; `None` if there is no better one.
    pub wanted: Option<TcbStatus>,
    /// The date of that level.
    pub wanted_date: Option<UnixTime>,
    /// What must rise to reach it.
    pub shortfalls: Vec<Shortfall>,
}

/// One platform under both evaluations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Names the platform by a hash.
    pub platform: String,
    /// Its family.
    pub fmspc: [u8; 6],
    /// Whether its best certificate was taken for what it runs, as that is not known.
    pub assumed: bool,
    /// Under the one evaluation.
    pub before: Standing,
    /// Under the other.
    pub after: Standing,
    /// Where it gets worse.
    pub gap: Option<Gap>,
}

impl<'a> Preview<'a> {
    /// Compares two evaluations of which a shelf has TCB info.
    #[must_use]
    pub fn of_shelf(shelf: &'a Shelf, tee: Tee, before: u32, after: u32) -> Self {
        let infos = |number| {
            shelf.iter().filter_map(move |(subject, _, held)| match subject {
                Subject::TcbInfo { tee: found, .. } if found == tee => shelf
                    .get(subject, Selection::Number(number))
                    .filter(|wanted| wanted.document.digest == held.document.digest)
                    .and_then(|held| held.document.tcb_info()),
                _ => None,
            })
        };
        Self::new(tee, infos(before), infos(after))
    }

    /// Compares TCB info; of several for one family the last counts.
    #[must_use]
    pub fn new(
        tee: Tee,
        before: impl IntoIterator<Item = &'a TcbInfo>,
        after: impl IntoIterator<Item = &'a TcbInfo>,
    ) -> Self {
        let mut infos: BTreeMap<[u8; 6], Pair<'a>> = BTreeMap::new();
        for info in before {
            infos.entry(info.fmspc).or_default().before = Some(info);
        }
        for info in after {
            infos.entry(info.fmspc).or_default().after = Some(info);
        }
        Self { tee, infos }
    }

    /// Judges one platform.
    #[must_use]
    pub fn judge(&self, platform: &KnownPlatform<'_>) -> Judgement {
        let fmspc = platform.pcks.fmspc();
        let pair = self.infos.get(&fmspc).copied().unwrap_or_default();
        let (before, _) = self.stand(platform, pair.before);
        let (after, gap) = self.stand(platform, pair.after);
        let gap = gap.filter(|_| is_worse(before, after));
        let assumed = platform.raw_tcb.is_none();
        Judgement { platform: platform.id.hashed(), fmspc, assumed, before, after, gap }
    }

    fn stand(&self, platform: &KnownPlatform<'_>, info: Option<&TcbInfo>) -> (Standing, Option<Gap>) {
        let undecided = |why| (Standing::Undecided(why), None);
        if self.tee == Tee::Tdx {
            return undecided(Undecided::TdxTcb);
        }
        let Some(info) = info else { return undecided(Undecided::NoTcbInfo) };
        // Nothing is higher, so the best certificate is selected.
        let raw = platform.raw_tcb.unwrap_or(RawTcb { cpu_svn: [u8::MAX; 16], pce_svn: u16::MAX });
        let Some(pck) = platform.pcks.select(&raw, info) else { return undecided(Undecided::NoCertificate) };
        let extension = &pck.verified.extension;
        let (standing, gap) = reach(&extension.components, extension.pce_svn, info);
        (standing, Some(gap))
    }
}

/// Whether a platform is worse off.
fn is_worse(before: Standing, after: Standing) -> bool {
    let decided = |standing| !matches!(standing, Standing::Undecided(_));
    decided(before) && decided(after) && after > before
}

/// The level that a TCB reaches, and what is above it.
fn reach(components: &[u8; 16], pce_svn: u16, info: &TcbInfo) -> (Standing, Gap) {
    let reached = info.level_of(components, pce_svn);
    let standing = reached.map_or(Standing::NoLevel, standing);
    let place = reached.and_then(|reached| info.levels.iter().position(|level| std::ptr::eq(level, reached)));
    // Levels stand highest first, so the nearest better one is the last before the one that is reached.
    let above = info.levels.get(..place.unwrap_or(info.levels.len())).unwrap_or_default();
    let is_better = |level: &&TcbLevel| {
        let better = self::standing(level);
        better < standing && better != Standing::Status(TcbStatus::Revoked)
    };
    let wanted = above.iter().rev().find(is_better);
    let gap = Gap {
        tcb_date: reached.map(|level| level.date),
        advisories: reached.map(|level| level.advisories.clone()).unwrap_or_default(),
        wanted: wanted.and_then(|level| level.status.clone().ok()),
        wanted_date: wanted.map(|level| level.date),
        shortfalls: wanted.map(|level| shortfalls(components, pce_svn, level)).unwrap_or_default(),
    };
    (standing, gap)
}

fn standing(level: &TcbLevel) -> Standing {
    level.status.as_ref().map_or(Standing::UnknownStatus, |status| Standing::Status(*status))
}

fn shortfalls(components: &[u8; 16], pce_svn: u16, level: &TcbLevel) -> Vec<Shortfall> {
    let parts = components.iter().zip(&level.components).zip(1..);
    let parts = parts.map(|((has, needs), index)| Shortfall {
        part: Part::Component(index),
        has: u16::from(*has),
        needs: u16::from(*needs),
    });
    let pce = Shortfall { part: Part::PceSvn, has: pce_svn, needs: level.pce_svn };
    parts.chain([pce]).filter(|part| part.has < part.needs).collect()
}

impl Judgement {
    /// Whether the platform is worse off under the second evaluation.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        is_worse(self.before, self.after)
    }
}

impl Standing {
    /// Intel's name of the status, or a stable name for what else there is.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status(status) => status.as_str(),
            Self::UnknownStatus => "unknown-status",
            Self::NoLevel => "no-level",
            Self::Undecided(Undecided::NoTcbInfo) => "undecided-no-tcb-info",
            Self::Undecided(Undecided::NoCertificate) => "undecided-no-certificate",
            Self::Undecided(Undecided::TdxTcb) => "undecided-tdx-tcb-not-in-certificates",
        }
    }
}

impl fmt::Display for Part {
    /// As TCB info of version 2 names them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component(index) => write!(f, "sgxtcbcomp{index:02}svn"),
            Self::PceSvn => f.write_str("pcesvn"),
        }
    }
}
