//! What operators see and ask for.

use assay_collateral::baseline::Pins;
use assay_collateral::pck::PlatformId;

use super::*;
use crate::identity::inventory::Missing;
use crate::identity::platforms::{Registered, Registration};
use crate::registry::Actor;

#[tokio::test]
async fn a_refresh_counts_what_came_and_what_did_not() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let identity = world.service(LibraryOptions::default());
    for (subject, _) in documents(&world.collateral(18, world.now)) {
        identity.library.document(subject, Selection::default(), stranger(1)).await.unwrap();
    }
    let counts = async |identity: &HardwareIdentity| {
        let refreshed = identity.refresh_all(None, None).await.unwrap();
        (refreshed.wanted, refreshed.done, refreshed.older, refreshed.is_whole())
    };
    assert_eq!(counts(&identity).await, (4, 4, 0, true));
    // Upstream stands still a day behind what is held: there is nothing to bring.
    world.publish(&world.collateral(18, world.now - DAY), Track::Standard);
    assert_eq!(counts(&identity).await, (4, 0, 4, true));
    // When what is held will not do for long, that is a failure.
    assert_eq!(counts(&world.service_at(LibraryOptions::default(), world.at(25))).await, (4, 0, 0, false));
    let down = Err(UpstreamError::Unavailable { problem: "down".to_owned() });
    world.upstream.says(Wanted::Document(tcb(), Selection::default()), down);
    assert_eq!(counts(&identity).await, (4, 0, 3, false));
    assert!(identity.refresh_all(Some("other"), None).await.is_err());
}

/// Folders and bundles need not have everything: an isolated service is whole while what it holds lasts.
#[tokio::test]
async fn an_isolated_service_misses_nothing_that_lasts() {
    let world = World::new();
    let upstream = || Guarded::new(Box::new(Shared(Arc::clone(&world.upstream))), BOUNDS).unwrap();
    let at = |days| {
        let options = LibraryOptions { mode: Mode::Offline, ..LibraryOptions::default() };
        world.service_over(options, world.at(days), Chain::local(vec![upstream()]))
    };
    let mut parts = documents(&world.collateral(18, world.now));
    parts.reverse();
    for (subject, raw) in parts {
        at(0).library.take(subject, Selection::default(), raw, "test").await.unwrap();
    }
    let refreshed = at(0).refresh_all(None, None).await.unwrap();
    assert!(refreshed.is_whole() && refreshed.older == 4, "{refreshed:?}");
    let late = at(25).refresh_all(None, None).await.unwrap();
    assert!(!late.is_whole(), "{late:?}");
}

#[tokio::test]
async fn what_is_missing_is_what_failed_and_what_pins_want() {
    let world = World::new();
    let set = world.collateral(18, world.now);
    world.publish(&set, Track::Standard);
    let identity = world.service(LibraryOptions::default());
    let missing = |identity: &HardwareIdentity| identity.missing(&identity.selections_in_use());
    assert!(missing(&identity).is_empty(), "nobody asked for anything");
    identity.library.document(tcb(), Selection::default(), stranger(1)).await.unwrap();
    let qe = Subject::Identity(Enclave::Qe);
    let down = || Err(UpstreamError::Unavailable { problem: "down".to_owned() });
    world.upstream.says(Wanted::Document(qe, Selection::default()), down());
    identity.library.document(qe, Selection::default(), stranger(1)).await.unwrap_err();
    let standard = Some(Selection::default());
    let failed = Missing { subject: qe, selection: standard, reason: "upstream-unavailable".to_owned() };
    assert_eq!(missing(&identity), std::slice::from_ref(&failed));

    let pins =
        Pins::from_json(br#"[{"number":17,"from":"2026-01-01T00:00:00Z","graceSeconds":0,"provider":"a"}]"#);
    let actor = Actor { kind: "test", subject: None };
    identity.baselines().set(&actor, pins.unwrap(), None, identity.now()).unwrap();
    let wanted = Missing {
        subject: tcb(),
        selection: Some(Selection::Number(17)),
        reason: "counts-and-is-not-held".to_owned(),
    };
    assert_eq!(missing(&identity), [wanted, failed]);
    // A refresh brings both.
    let documents = documents(&world.collateral(17, world.now));
    let (subject, raw) = documents[0].clone();
    world.upstream.says(Wanted::Document(subject, Selection::Number(17)), Ok(Fetched::Document(raw)));
    world.publish(&set, Track::Standard);
    assert!(identity.refresh_all(None, None).await.unwrap().is_whole());
    let qe_17 = Missing {
        subject: qe,
        selection: Some(Selection::Number(17)),
        reason: "counts-and-is-not-held".to_owned(),
    };
    assert_eq!(missing(&identity), [qe_17], "it became known with the refresh");
}

/// A chain of files is asked in every mode; of others it is not.
#[tokio::test]
async fn files_are_asked_where_a_network_may_not_be() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let offline = LibraryOptions { mode: Mode::Offline, ..LibraryOptions::default() };
    let guarded = || vec![Guarded::new(Box::new(Shared(Arc::clone(&world.upstream))), BOUNDS).unwrap()];
    for (chain, status) in [(Chain::new(guarded()), 404), (Chain::local(guarded()), 200)] {
        let identity = world.service_over(offline, world.clock.clone(), chain);
        assert_eq!(get(&identity, &path_of(tcb())).await.status, status);
        assert_eq!(identity.mode(), Mode::Offline);
        // What files do not have, somebody may bring.
        let registered = identity.platforms.register(registration()).await.unwrap();
        assert_eq!(registered, Registered::Waiting);
    }
}

const fn registration() -> Registration {
    let id = PlatformId { qe_id: [1; 16], pce_id: [0; 2] };
    Registration { id, encrypted_ppid: None, manifest: None, raw_tcb: None }
}
