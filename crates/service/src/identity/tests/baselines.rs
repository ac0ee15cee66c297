//! Pinned evaluations: what nodes get, what judges, and what a change would do.

use assay_collateral::baseline::{Pin, Pins};
use assay_collateral::pck::PlatformId;
use assay_silicon::intel::TcbLevel;

use super::*;
use crate::identity::baselines::SetError;
use crate::registry::Actor;

fn actor() -> Actor {
    Actor::bearer("https://issuer.example", "somebody")
}

fn pin(number: u32, from: i64, grace: u32, provider: Option<&str>) -> Pin {
    Pin { number, from: UnixTime(from), grace, provider: provider.map(str::to_owned) }
}

impl World {
    fn publish_number(&self, number: u32) {
        for (subject, raw) in documents(&self.collateral(number, self.now)) {
            if subject.is_numbered() {
                let wanted = Wanted::Document(subject, Selection::Number(number));
                self.upstream.says(wanted, Ok(Fetched::Document(raw)));
            }
        }
    }
}

#[tokio::test]
async fn a_pin_decides_what_nodes_get_and_what_judges() {
    let world = World::new();
    world.publish(&world.collateral(19, world.now), Track::Standard);
    for number in [17, 18, 19] {
        world.publish_number(number);
    }
    let identity = world.service(LibraryOptions::default());
    let number = async |identity: &HardwareIdentity| {
        let reply = get(identity, &path_of(tcb())).await;
        String::from_utf8_lossy(&reply.body).split("EvaluationDataNumber\":").nth(1).unwrap()[..2].to_owned()
    };
    assert_eq!(number(&identity).await, "19");
    let pins = Pins::new(vec![
        pin(17, world.now - DAY, 0, None),
        pin(18, world.now + DAY, u32::try_from(7 * DAY).unwrap(), None),
        pin(19, world.now - DAY, 0, Some("eager")),
    ]);
    identity.baselines().set(&actor(), pins.unwrap(), None, UnixTime(world.now)).unwrap();
    assert_eq!(number(&identity).await, "17");
    let told = super::super::explain::document(&identity, tcb());
    assert!(told.findings[0].message.contains(" of evaluation 17 is held"), "{told:?}");
    assert_eq!(identity.judging_selection("other"), Selection::Number(17));
    assert_eq!(identity.judging_selection("eager"), Selection::Number(19));
    // After a restart, two days later: nodes get the next one, and evidence is judged by the former for a week.
    let later = world.service_at(LibraryOptions::default(), world.at(2));
    assert_eq!(number(&later).await, "18");
    assert_eq!(later.judging_selection("other"), Selection::Number(17));
    let over = world.service_at(LibraryOptions::default(), world.at(9));
    assert_eq!(over.judging_selection("other"), Selection::Number(18));
    let platform = PlatformKey { fmspc: CollateralSpec::default().fmspc, ca: PckCa::Platform };
    for selection in [Selection::Number(17), Selection::Number(18), Selection::default()] {
        assert_eq!(identity.bring_set(&platform, selection, stranger(1)).await, Ok(()), "{selection:?}");
        let set = identity.set(&platform, selection).unwrap();
        let expected = if let Selection::Number(number) = selection { number } else { 19 };
        assert_eq!(set.evaluation_number(), expected);
        assert!(identity.raw_set(&set.digest).is_some());
    }
    assert!(identity.bring_set(&platform, Selection::Number(12), stranger(1)).await.is_err());
    let chain = crate::registry::administration_chain("hardware-identity").unwrap();
    assert_eq!(world.store.chain_tip(&chain).unwrap().unwrap().sequence, 1, "a change leaves its record");
}

#[tokio::test]
async fn a_preview_counts_who_falls_behind_and_why() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    world.publish_number(18);
    // Under 19 the first component must be one higher.
    let raised = |level: &TcbLevel| {
        let mut level = level.clone();
        level.components[0] = 13;
        level
    };
    let usual = CollateralSpec::default();
    let mut levels: Vec<TcbLevel> = usual.tcb_levels.iter().take(1).map(raised).collect();
    levels.extend(usual.tcb_levels.iter().skip(4).cloned());
    let spec = CollateralSpec { evaluation_number: 19, issue: Some(world.now), tcb_levels: levels, ..usual };
    let [(subject, raw), ..] = documents(&world.intel.collateral(&spec, world.now).unwrap());
    let identity = world.service(LibraryOptions::default());
    identity.library.take(subject, Selection::Number(19), raw, "test").await.unwrap();
    identity.library.document(tcb(), Selection::Number(18), stranger(1)).await.unwrap();
    for number in 0..3_u8 {
        let id = PlatformId { qe_id: [number; 16], pce_id: [0; 2] };
        identity.platforms.bring(id, world.pcks(&[assay_silicon::intel::TcbStatus::UpToDate])).await.unwrap();
    }
    let tally = identity.preview(18, 19).await.unwrap();
    assert_eq!((tally.worse(), tally.uncounted()), (3, 0));
    let shown = tally.to_json();
    assert!(shown["families"][0].to_string().contains("OutOfDate"), "{shown}");
    assert_eq!(identity.preview(18, 18).await.unwrap().worse(), 0);
}

/// Two administrators who read the same pins do not undo each other's work, and other instances see it.
#[tokio::test]
async fn pins_are_set_only_on_those_that_were_seen() {
    let world = World::new();
    let (one, two) = (world.service(LibraryOptions::default()), world.service(LibraryOptions::default()));
    let now = UnixTime(world.now);
    let set = |identity: &HardwareIdentity, number: u32, expected: &str| {
        let pins = Pins::new(vec![pin(number, world.now - DAY, 0, None)]).unwrap();
        identity.baselines().set(&actor(), pins, Some(expected), now)
    };
    let first = two.baselines().version();
    assert_eq!(first, "none");
    set(&one, 17, "none").unwrap();
    assert_eq!(set(&two, 18, &first), Err(SetError::Changed), "somebody else was faster");
    two.load().unwrap();
    assert_eq!(two.judging_selection("any"), Selection::Number(17));
    let seen = two.baselines().version();
    assert_eq!((seen.clone(), seen.len()), (one.baselines().version(), 64));
    set(&two, 18, &seen).unwrap();
    // What the library read of the store says nothing about what was read of the pins.
    one.library.load().unwrap();
    one.load().unwrap();
    assert_eq!(one.judging_selection("any"), Selection::Number(18));
}
