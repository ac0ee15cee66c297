//! What would become of a fleet under another evaluation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "tests"
)]

use std::sync::Arc;

use assay_collateral::document::{Document, RawDocument, Trust};
use assay_collateral::pck::{PckSet, PlatformId, RawTcb};
use assay_collateral::preview::{
    Judgement, KnownPlatform, Missing, Part, Preview, Shortfall, Standing, Tally, Undecided,
};
use assay_collateral::shelf::{Held, Shelf};
use assay_collateral::subject::{Selection, Subject};
use assay_silicon::intel::{CollateralSpec, Intel, PlatformSpec, TcbLevel, TcbStatus as Simulated};
use assay_verify::cache::ChainCache;
use assay_verify::intel::TcbStatus;
use assay_verify::intel::single::Tee;
use assay_verify::{AnchorOrigin, TrustAnchors, UnixTime};

const NOW: i64 = 1_800_000_000;

struct Fleet {
    intel: Intel,
    anchors: TrustAnchors,
    cache: ChainCache,
    shelf: Shelf,
}

impl Fleet {
    /// A shelf with the default levels as evaluation 18, and those with a new one on top as 19.
    fn new() -> Self {
        let intel = Intel::generate(NOW).unwrap();
        let anchors =
            TrustAnchors::vendor().with_intel_root(intel.root_public_key(), AnchorOrigin::Simulated);
        let mut fleet = Self { intel, anchors, cache: ChainCache::new(8), shelf: Shelf::default() };
        fleet.hold(18, CollateralSpec::default().tcb_levels);
        fleet.hold(19, levels_of_19());
        fleet
    }

    fn hold(&mut self, number: u32, tcb_levels: Vec<TcbLevel>) {
        let spec = CollateralSpec {
            tcb_levels,
            evaluation_number: number,
            issue: Some(NOW),
            ..CollateralSpec::default()
        };
        let set = self.intel.collateral(&spec, NOW).unwrap();
        let body = format!("{{\"tcbInfo\":{},\"signature\":\"{}\"}}", set.tcb_info, set.tcb_info_signature);
        let raw = RawDocument { body: body.into(), chain: Some(set.tcb_info_issuer_chain) };
        let trust = Trust { anchors: &self.anchors, cache: &self.cache, root_crl: None };
        let subject = Subject::TcbInfo { tee: Tee::Sgx, fmspc: spec.fmspc };
        let document = Arc::new(Document::verify(subject, &raw, &trust).unwrap());
        let held = Held { document, checked: UnixTime(NOW), source: "test".into() };
        self.shelf.put(held, Selection::Number(number)).unwrap();
    }

    fn pcks(&self, spec: &PlatformSpec) -> PckSet {
        let pem = self.intel.platform(spec, NOW).unwrap().pck_certificate_chain_pem();
        let end = pem.find("-----END CERTIFICATE-----").unwrap() + 26;
        PckSet::verify(&[pem[..end].to_owned()], &pem[end..], [0; 2], &self.anchors, &self.cache).unwrap()
    }

    fn judge(&self, pcks: &PckSet, raw_tcb: Option<RawTcb>) -> Judgement {
        let preview = Preview::of_shelf(&self.shelf, Tee::Sgx, 18, 19);
        preview.judge(&KnownPlatform { id: ID, pcks, raw_tcb })
    }
}

const ID: PlatformId = PlatformId { qe_id: [0xab; 16], pce_id: [0; 2] };

/// A microcode update: what was up to date needs components 1 and 2 at 14 and PCESVN 15.
fn levels_of_19() -> Vec<TcbLevel> {
    let mut levels = CollateralSpec::default().tcb_levels;
    let mut top = levels[0].clone();
    (top.components[0], top.components[1], top.pce_svn) = (14, 14, 15);
    top.date = "2026-11-11T00:00:00Z".to_owned();
    levels[0].status = "OutOfDate".to_owned();
    levels[0].advisories = vec!["INTEL-SA-01234".to_owned()];
    levels.insert(0, top);
    levels
}

fn known(spec: &PlatformSpec) -> RawTcb {
    RawTcb { cpu_svn: spec.cpu_svn_components, pce_svn: spec.pce_svn }
}

#[test]
fn what_gets_worse_says_what_must_rise() {
    let fleet = Fleet::new();
    let spec = PlatformSpec::default();
    let found = fleet.judge(&fleet.pcks(&spec), Some(known(&spec)));
    assert_eq!(
        (found.before, found.after),
        (Standing::Status(TcbStatus::UpToDate), Standing::Status(TcbStatus::OutOfDate))
    );
    assert!(found.is_worse() && !found.assumed);
    let gap = found.gap.unwrap();
    let short = |part, has, needs| Shortfall { part, has, needs };
    assert_eq!(
        gap.shortfalls,
        [short(Part::Component(1), 12, 14), short(Part::Component(2), 12, 14), short(Part::PceSvn, 13, 15)]
    );
    assert_eq!(
        (gap.wanted, gap.wanted_date.unwrap().to_string().as_str()),
        (Some(TcbStatus::UpToDate), "2026-11-11T00:00:00Z")
    );
    assert_eq!(gap.advisories, ["INTEL-SA-01234"]);
    let own = &CollateralSpec::default().tcb_levels[0].date;
    assert_eq!(gap.tcb_date, UnixTime::parse_rfc3339(own));
    assert!(!found.platform.contains("abab") && found.platform.len() == 16, "only a hash");
}

#[test]
fn what_stays_or_gets_better_has_no_gap() {
    let fleet = Fleet::new();
    let mut ready = PlatformSpec::default();
    (ready.cpu_svn_components[0], ready.cpu_svn_components[1], ready.pce_svn) = (14, 14, 15);
    let up_to_date = Standing::Status(TcbStatus::UpToDate);
    let found = fleet.judge(&fleet.pcks(&ready), Some(known(&ready)));
    assert_eq!((found.before, found.after, found.gap), (up_to_date, up_to_date, None));
    let old = PlatformSpec::with_status(Simulated::Revoked);
    let found = fleet.judge(&fleet.pcks(&old), Some(known(&old)));
    let revoked = Standing::Status(TcbStatus::Revoked);
    assert_eq!((found.before, found.after, found.gap), (revoked, revoked, None));
    // Backwards, the same platform gets better.
    let (pcks, preview) =
        (fleet.pcks(&PlatformSpec::default()), Preview::of_shelf(&fleet.shelf, Tee::Sgx, 19, 18));
    let found = preview.judge(&KnownPlatform { id: ID, pcks: &pcks, raw_tcb: None });
    assert!(!found.is_worse() && found.gap.is_none() && found.assumed);
}

#[test]
fn a_level_that_is_gone_leaves_the_lowest_as_the_next() {
    let mut fleet = Fleet::new();
    let spec = PlatformSpec::with_status(Simulated::OutOfDate);
    // Only what is up to date has a level, and one that is withdrawn stands below.
    let mut levels = CollateralSpec::default().tcb_levels;
    levels.retain(|level| level.status == "UpToDate");
    let mut withdrawn = levels[0].clone();
    (withdrawn.status, withdrawn.components[0]) = ("Revoked".to_owned(), 11);
    levels.push(withdrawn);
    fleet.hold(20, levels);
    let preview = Preview::of_shelf(&fleet.shelf, Tee::Sgx, 18, 20);
    let pcks = fleet.pcks(&spec);
    let found = preview.judge(&KnownPlatform { id: ID, pcks: &pcks, raw_tcb: None });
    assert_eq!((found.before, found.after), (Standing::Status(TcbStatus::OutOfDate), Standing::NoLevel));
    let gap = found.gap.unwrap();
    assert_eq!(
        (gap.tcb_date, gap.wanted),
        (None, Some(TcbStatus::UpToDate)),
        "nobody wants a withdrawn level"
    );
    assert!(gap.shortfalls.iter().any(|short| short.part == Part::PceSvn));
}

#[test]
fn a_status_that_is_not_known_is_worse_than_any() {
    let mut fleet = Fleet::new();
    let mut levels = CollateralSpec::default().tcb_levels;
    levels[0].status = "BrandNew".to_owned();
    fleet.hold(21, levels);
    let preview = Preview::of_shelf(&fleet.shelf, Tee::Sgx, 18, 21);
    let pcks = fleet.pcks(&PlatformSpec::default());
    let found = preview.judge(&KnownPlatform { id: ID, pcks: &pcks, raw_tcb: None });
    assert_eq!(found.after, Standing::UnknownStatus);
    assert!(found.is_worse() && found.gap.unwrap().wanted.is_none(), "there is no level above");
}

#[test]
fn what_cannot_be_said_is_said() {
    let fleet = Fleet::new();
    let pcks = fleet.pcks(&PlatformSpec::default());
    let standing = |preview: &Preview<'_>, raw_tcb| {
        let found = preview.judge(&KnownPlatform { id: ID, pcks: &pcks, raw_tcb });
        assert!(!found.is_worse() && found.gap.is_none());
        found.after
    };
    let missing = Preview::of_shelf(&fleet.shelf, Tee::Sgx, 18, 99);
    assert_eq!(standing(&missing, None), Standing::Undecided(Undecided::NoTcbInfo));
    let sgx = Preview::of_shelf(&fleet.shelf, Tee::Sgx, 18, 19);
    let low = RawTcb { cpu_svn: [0; 16], pce_svn: 0 };
    assert_eq!(standing(&sgx, Some(low)), Standing::Undecided(Undecided::NoCertificate));
    let tdx = Preview::of_shelf(&fleet.shelf, Tee::Tdx, 18, 19);
    assert_eq!(standing(&tdx, None), Standing::Undecided(Undecided::TdxTcb));
}

#[test]
fn a_fleet_is_counted_by_family() {
    let fleet = Fleet::new();
    let (current, old) = (PlatformSpec::default(), PlatformSpec::with_status(Simulated::Revoked));
    let mut lower = current.clone();
    lower.cpu_svn_components[1] = 13;
    let sets = [(&current, 60_000), (&lower, 30_000), (&old, 10_000)];
    let mut tally = Tally::default();
    for (spec, count) in sets {
        let judgement = fleet.judge(&fleet.pcks(spec), None);
        (0..count).for_each(|_| tally.add(&judgement));
    }
    let family = &tally.families()[&current.fmspc];
    assert_eq!((family.platforms, family.assumed, family.worse), (100_000, 100_000, 90_000));
    assert_eq!((tally.worse(), tally.uncounted(), family.examples.len()), (90_000, 0, 5));
    let missing = |part, needs| family.missing[&(part, needs)];
    assert_eq!(missing(Part::Component(1), 14), Missing { platforms: 90_000, lowest: 12 });
    assert_eq!(missing(Part::Component(2), 14), Missing { platforms: 90_000, lowest: 12 });
    assert_eq!((family.missing.len(), family.advisories["INTEL-SA-01234"]), (3, 90_000));
    let json = tally.to_json();
    let revoked = Standing::Status(TcbStatus::Revoked).as_str();
    let change = json["families"][0]["changes"].as_array().unwrap();
    assert!(change.iter().any(|one| one["before"] == revoked && one["platforms"] == 10_000));
    assert_eq!(json["families"][0]["missing"][0]["part"], "sgxtcbcomp01svn");
    assert_eq!(json["families"][0]["tcbDates"].as_object().unwrap().len(), 1);
}
