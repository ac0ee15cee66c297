//! Documents of the operator's files beside those of upstreams.

use super::*;

fn filed(set: &Collateral, tracks: &[Track]) -> Vec<Filed> {
    let filed = |(subject, raw): (Subject, RawDocument)| {
        let tracks = if subject.is_numbered() { tracks.to_vec() } else { Vec::new() };
        Filed { subject, raw, tracks }
    };
    let mut filed: Vec<Filed> = documents(set).into_iter().map(filed).collect();
    filed.reverse();
    filed
}

fn number(identity: &HardwareIdentity, selection: Selection) -> Option<u32> {
    identity.library.held(tcb(), selection).and_then(|served| served.document.evaluation_number)
}

/// An early document is not what judges, because its number is higher.
#[tokio::test]
async fn documents_stand_at_the_tracks_that_their_signer_named() {
    let world = World::new();
    let identity = world.service(LibraryOptions::default());
    let standard = filed(&world.collateral(18, world.now), &[Track::Standard]);
    let early = filed(&world.collateral(19, world.now), &[Track::Early]);
    let old = filed(&world.collateral(17, world.now), &[]);
    identity.library.lend(standard.into_iter().chain(early).chain(old));
    let of = |selection| number(&identity, selection);
    assert_eq!(of(Selection::Track(Track::Standard)), Some(18));
    assert_eq!(of(Selection::Track(Track::Early)), Some(19));
    assert_eq!(of(Selection::Number(17)), Some(17));
    let platform = PlatformKey { fmspc: CollateralSpec::default().fmspc, ca: PckCa::Platform };
    let judging = identity.set(&platform, Selection::default()).unwrap();
    assert_eq!(judging.evaluation_number(), 18);
}

#[tokio::test]
async fn a_list_in_a_file_revokes_what_is_held() {
    let mut world = World::new();
    let set = world.collateral(18, world.now - DAY);
    let identity = world.service(LibraryOptions::default());
    let mut parts = documents(&set);
    parts.reverse();
    for (subject, raw) in parts {
        identity.library.take(subject, Selection::default(), raw, "test").await.unwrap();
    }
    assert_eq!(get(&identity, &path_of(tcb())).await.status, 200);
    world.intel.revoke_tcb_signer();
    let newer = filed(&world.collateral(18, world.now), &[]);
    identity.library.lend(newer.into_iter().filter(|filed| filed.subject == Subject::RootCrl));
    assert_eq!(number(&identity, Selection::default()), None);
    assert_ne!(get(&identity, &path_of(tcb())).await.status, 200);
}

/// A file that is read again does not keep the service from looking for something newer.
#[tokio::test]
async fn what_came_from_upstream_keeps_its_date_and_source() {
    let world = World::new();
    let set = world.collateral(18, world.now - DAY);
    let identity = world.service_at(LibraryOptions::default(), world.at(-1));
    world.publish(&set, Track::Standard);
    identity.library.document(tcb(), Selection::default(), stranger(1)).await.unwrap();
    let later = world.service_at(LibraryOptions::default(), world.at(2));
    later.load().unwrap();
    later.library.lend(filed(&set, &[Track::Standard]));
    let held = later.library.inventory().into_iter().find(|held| held.subject == tcb()).unwrap();
    assert_eq!((&*held.source, held.state), ("scripted", State::Due));
}

#[tokio::test]
async fn forged_and_expired_files_are_left_out() {
    let (world, strange) = (World::new(), World::new());
    let identity = world.service(LibraryOptions::default());
    identity.library.lend(filed(&strange.collateral(18, strange.now), &[Track::Standard]));
    assert_eq!(number(&identity, Selection::default()), None);
    let late = world.service_at(LibraryOptions::default(), world.at(400));
    late.library.lend(filed(&world.collateral(18, world.now), &[Track::Standard]));
    assert_eq!(number(&late, Selection::default()), None);
}

/// A file that calls an early evaluation standard does not do so any more when it is gone.
#[tokio::test]
async fn what_a_file_lent_does_not_outlive_it() {
    let world = World::new();
    let set = world.collateral(19, world.now);
    let identity = world.service(LibraryOptions::default());
    identity.library.lend(filed(&set, &[Track::Standard]));
    let [(subject, raw), ..] = documents(&set);
    let early = Selection::Track(Track::Early);
    identity.library.take(subject, early, raw, "scripted").await.unwrap();
    assert_eq!(number(&identity, Selection::default()), Some(19), "while the file is there");
    let again = world.service(LibraryOptions::default());
    assert_eq!((number(&again, Selection::default()), number(&again, early)), (None, Some(19)));
}
