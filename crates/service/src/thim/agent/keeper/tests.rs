use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use assay_silicon::amd::{Chip, ChipSpec};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::super::document::{Pck, Vcek};
use super::super::identity::SnpIdentity;
use super::super::tests::{anchors, central, chip, identity, platform, sgx_identity, upstream};
use super::*;
use crate::egress::tests::TestServer;

const LONG: Duration = Duration::from_secs(20);

fn tools(server: &TestServer, cache: Option<&Path>, clock: Clock) -> Tools {
    Tools {
        upstream: upstream(server),
        cache: cache.map(|folder| Cache::open(folder).unwrap()),
        anchors: Arc::new(anchors()),
        clock,
    }
}

/// A keeper at work; it ends with the sender.
fn start<D: Document>(
    tools: Tools,
    identity: D::Identity,
) -> (watch::Receiver<State<D>>, watch::Sender<D::Identity>, JoinHandle<()>) {
    let (keeper, state) = Keeper::<D>::new(tools);
    let (sender, receiver) = watch::channel(identity);
    (state, sender, tokio::spawn(keeper.run(receiver)))
}

fn known(chip: &Chip) -> [(SnpIdentity, Vec<u8>); 1] {
    [(identity(chip), chip.vek().to_vec())]
}

#[tokio::test]
async fn many_guests_make_one_request() {
    let chip = chip(&ChipSpec::default());
    let server = central(&known(&chip), None).await;
    let (state, _machine, _) = start::<Vcek>(tools(&server, None, Clock::system()), identity(&chip));
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let state = state.clone();
            tokio::spawn(async move { wait(&state, LONG).await.is_ok() })
        })
        .collect();
    for guest in waiting {
        assert!(guest.await.unwrap());
    }
    assert_eq!(server.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_cache_outlives_service_and_restart() {
    let chip = chip(&ChipSpec::default());
    let platform = platform();
    let server = central(&known(&chip), Some(&platform)).await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("cache");
    for round in 0..2 {
        let (vcek, _a, _) = start::<Vcek>(tools(&server, Some(&path), Clock::system()), identity(&chip));
        let (pck, _b, _) =
            start::<Pck>(tools(&server, Some(&path), Clock::system()), sgx_identity(&platform));
        assert_eq!(wait(&vcek, LONG).await.ok().unwrap().identity, identity(&chip), "round {round}");
        assert!(wait(&pck, LONG).await.is_ok(), "round {round}");
        server.stop();
    }
    assert_eq!(server.requests.lock().unwrap().len(), 2);
    for entry in fs::read_dir(&path).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn what_is_in_the_cache_is_not_believed() {
    let (own, other) = (chip(&ChipSpec::default()), chip(&ChipSpec::default()));
    let server = central(&known(&own), None).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join(Vcek::file(&identity(&own)));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    for (number, bad) in [other.vek(), b"damaged", b""].into_iter().enumerate() {
        Cache::open(folder.path()).unwrap().write(&Vcek::file(&identity(&own)), bad).unwrap();
        let (state, _machine, _) =
            start::<Vcek>(tools(&server, Some(folder.path()), Clock::system()), identity(&own));
        assert!(wait(&state, LONG).await.is_ok());
        assert_eq!(server.requests.lock().unwrap().len(), number + 1, "it is fetched again");
        assert_eq!(fs::read(&file).unwrap(), own.vek());
    }
}

#[tokio::test]
async fn another_chips_certificate_is_neither_served_nor_kept() {
    let (own, other) = (chip(&ChipSpec::default()), chip(&ChipSpec::default()));
    let server = central(&[(identity(&own), other.vek().to_vec())], None).await;
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let (state, _machine, _) =
        start::<Vcek>(tools(&server, Some(folder.path()), Clock::system()), identity(&own));
    let wait = wait(&state, LONG).await.err().unwrap();
    assert!(wait <= Duration::from_secs(2), "{wait:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_failure_is_tried_again_and_what_was_there_is_served() {
    let chip = chip(&ChipSpec::default());
    let (path, vek) = (identity(&chip).vcek_path(), chip.vek().to_vec());
    let failures = std::sync::atomic::AtomicU32::new(0);
    let server = TestServer::start_with_headers(move |asked| {
        let first = failures.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        match first {
            true => (503, Vec::new(), Vec::new()),
            false if asked == path => (200, Vec::new(), vek.clone()),
            false => (404, Vec::new(), Vec::new()),
        }
    })
    .await;
    let (mut state, machine, _) = start::<Vcek>(tools(&server, None, Clock::system()), identity(&chip));
    assert!(wait(&state, LONG).await.is_err());
    let ready = state.wait_for(|state| matches!(state, State::Ready(_)));
    assert!(tokio::time::timeout(LONG, ready).await.unwrap().is_ok());
    assert_eq!(server.requests.lock().unwrap().len(), 2);
    // A machine that is another one now is not told of the old one.
    let other = SnpIdentity { chip_id: [7; 64], ..identity(&chip) };
    machine.send(other).unwrap();
    let gone = state.wait_for(|state| !matches!(state, State::Ready(_)));
    assert!(tokio::time::timeout(LONG, gone).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_hint_ends_the_pause() {
    let chip = chip(&ChipSpec::default());
    let server = central(&[], None).await;
    let (state, machine, _) = start::<Vcek>(tools(&server, None, Clock::system()), identity(&chip));
    let left = wait(&state, LONG).await.err().unwrap();
    assert!(left > Duration::from_secs(590), "a machine that the service does not know: {left:?}");
    machine.send_replace(identity(&chip));
    for _ in 0..100 {
        if server.requests.lock().unwrap().len() == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody asked again");
}

#[tokio::test]
async fn certificates_have_their_time() {
    let chip = chip(&ChipSpec::default());
    let server = central(&known(&chip), None).await;
    for years in [-1, 8] {
        let then = UnixTime(super::super::tests::now() + years * 365 * 24 * 60 * 60);
        let clock = Clock::fixed_offset(then);
        let (state, _machine, _) = start::<Vcek>(tools(&server, None, clock), identity(&chip));
        assert!(wait(&state, LONG).await.is_err(), "{years}");
    }
}

#[test]
fn pck_certificates_are_asked_for_daily() {
    let platform = platform();
    let (_, headers, body) = super::super::tests::pckcert(&platform);
    let kept = serde_json::json!({
        "certificate": String::from_utf8(body).unwrap(), "issuer_chain": headers[0].1, "tcbm": headers[1].1,
    });
    let id = sgx_identity(&platform);
    let document = Pck::open(kept.to_string().as_bytes(), &id, &anchors()).unwrap();
    let now = super::super::tests::now();
    let held = Held { identity: id, document, fetched: UnixTime(now) };
    let left = |later: i64| not_due_for(&held, UnixTime(now + later)).map(|left| left.as_secs());
    assert_eq!((left(0), left(86_399), left(86_400)), (Some(86_400), Some(1), None));
    // Written by a clock that was ahead.
    assert_eq!(left(-1_000_000), Some(86_400));
}
