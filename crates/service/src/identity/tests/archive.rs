//! Evaluations that the vendor no longer publishes.

use assay_collateral::baseline::Pins;

use super::*;
use crate::registry::Actor;

const WARNING: &str = "110 assay \"Response is Stale\"";

fn archive(archive_evaluations: u32) -> LibraryOptions {
    LibraryOptions { archive_evaluations, ..LibraryOptions::default() }
}

/// A world in which the standard track went through these evaluations, a day each, and upstream has the last one alone.
async fn after(numbers: &[u32]) -> World {
    let world = World::new();
    for (day, number) in (0..).zip(numbers) {
        let issue = world.now + day * DAY;
        world.publish(&world.collateral(*number, issue), Track::Standard);
        let identity = world.service_at(LibraryOptions::default(), world.at(day + 1));
        identity.library.refresh_all(None).await;
        identity.library.document(tcb(), Selection::default(), stranger(1)).await.unwrap();
        if Some(number) != numbers.last() {
            world
                .upstream
                .says(Wanted::Document(tcb(), Selection::Number(*number)), Err(UpstreamError::Gone));
        }
    }
    world
}

async fn ask(identity: &HardwareIdentity, number: u32) -> (u16, String) {
    let reply = get(identity, &format!("{}&tcbEvaluationDataNumber={number}", path_of(tcb()))).await;
    (reply.status.as_u16(), header(&reply, "warning").to_owned())
}

#[tokio::test]
async fn what_is_gone_and_expired_is_given_out_where_the_operator_keeps_it() {
    let world = after(&[15, 16, 17, 18]).await;
    let none = String::new();
    // While it is valid nothing is said about it, with or without an archive.
    let soon = world.service_at(archive(0), world.at(5));
    assert_eq!(ask(&soon, 16).await, (200, none.clone()));
    let late = |options| world.service_at(options, world.at(35));
    assert_eq!(ask(&late(archive(0)), 16).await, (410, none.clone()));
    // The archive has the two before the standard one, and no more.
    let kept = late(archive(2));
    assert_eq!(ask(&kept, 17).await, (200, WARNING.to_owned()));
    assert_eq!(ask(&kept, 16).await, (200, WARNING.to_owned()));
    assert_eq!(ask(&kept, 15).await, (410, none.clone()));
    // Who names no number never gets one of them: the standard track has its own rule.
    let standard = get(&kept, &path_of(tcb())).await;
    assert_eq!(standard.status, 503);
    assert_eq!(ask(&kept, 18).await.0, 503, "the standard one is no earlier evaluation");
}

#[tokio::test]
async fn an_archive_needs_no_upstream() {
    let world = after(&[17, 18]).await;
    let offline = LibraryOptions { mode: Mode::Offline, ..archive(1) };
    let asked = world.upstream.times_asked();
    let identity = world.service_at(offline, world.at(40));
    assert_eq!(ask(&identity, 17).await, (200, WARNING.to_owned()));
    assert_eq!((ask(&identity, 16).await.0, world.upstream.times_asked()), (404, asked));
}

#[tokio::test]
async fn what_is_gone_is_no_failure_of_a_refresh() {
    let world = after(&[17, 18]).await;
    let later = world.service_at(archive(1), world.at(3));
    let refreshed = later.library.refresh_all(None).await;
    assert_eq!((refreshed.gone, refreshed.is_whole()), (1, true), "{refreshed:?}");
    assert!(later.library.failures().is_empty());
    let in_use = later.selections_in_use();
    let listed = later.library.inventory();
    let of = |number| {
        listed
            .iter()
            .find(|held| held.subject == tcb() && held.document.evaluation_number == Some(number))
            .unwrap()
    };
    assert!(!of(17).is_in_use(&in_use) && later.library.is_archived(tcb(), Selection::Number(17)));
    assert!(of(18).is_in_use(&in_use) && !later.library.is_archived(tcb(), Selection::Number(18)));
    assert!(later.missing(&in_use).is_empty());
}

#[tokio::test]
async fn who_is_given_a_pinned_evaluation_did_not_name_it() {
    let world = after(&[17, 18]).await;
    let identity = world.service_at(archive(1), world.at(35));
    let pins =
        Pins::from_json(br#"[{"number":17,"from":"2026-01-01T00:00:00Z","graceSeconds":0,"provider":null}]"#);
    let actor = Actor { kind: "test", subject: None };
    identity.baselines().set(&actor, pins.unwrap(), None, identity.now()).unwrap();
    assert_eq!(ask(&identity, 17).await, (200, WARNING.to_owned()));
    let pinned = get(&identity, &path_of(tcb())).await;
    assert_eq!((pinned.status.as_u16(), header(&pinned, "warning")), (410, ""));
    let platform = PlatformKey { fmspc: CollateralSpec::default().fmspc, ca: PckCa::Platform };
    let judged = identity.bring_set(&platform, identity.judging_selection("default"), stranger(1)).await;
    assert!(judged.is_err(), "evidence is never judged by what has expired");
}
