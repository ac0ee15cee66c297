//! Certificates for quotes that carry none.

use assay_collateral::pck::{PckCertificate, PlatformId, RawTcb};
use assay_collateral::upstream::{PckRequest, RawPcks};
use assay_silicon::intel::{PlatformSpec, TcbStatus};
use assay_verify::sgx::PckKey;

use super::platforms::by_ppid;
use super::*;
use crate::identity::platforms::Registration;

fn key(status: TcbStatus) -> PckKey {
    let PlatformSpec { cpu_svn_components: cpu_svn, pce_svn, .. } = PlatformSpec::with_status(status);
    let PlatformId { qe_id, pce_id } = by_ppid().id;
    PckKey { qe_id, pce_id, cpu_svn, pce_svn }
}

fn wanted(registration: &Registration, raw_tcb: RawTcb) -> Wanted {
    let Registration { id, encrypted_ppid, manifest, .. } = registration.clone();
    Wanted::Pcks(PckRequest { id, encrypted_ppid, manifest, raw_tcb: Some(raw_tcb) })
}

/// For which TCB a chain is.
fn tcbm(world: &World, chain: &str) -> String {
    let end = chain.find("-----END CERTIFICATE-----").unwrap() + 26;
    let trust = world.service(LibraryOptions::default()).library.trust().anchors.clone();
    PckCertificate::verify(&chain[..end], &chain[end..], &trust, &ChainCache::default()).unwrap().tcbm()
}

#[tokio::test]
async fn the_certificate_of_the_named_tcb_comes_first_and_none_above_it() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let identity = world.service(LibraryOptions::default());
    let pcks = world.pcks(&[TcbStatus::UpToDate, TcbStatus::OutOfDate]);
    world.knows(&by_ppid(), &pcks);
    assert!(identity.platforms.chains_for(&key(TcbStatus::UpToDate)).chains.is_empty(), "not registered");
    identity.platforms.register(by_ppid()).await.unwrap();
    for (status, count) in [(TcbStatus::UpToDate, 2), (TcbStatus::OutOfDate, 1)] {
        let found = identity.platforms.chains_for(&key(status));
        assert_eq!((found.chains.len(), found.exact), (count, true), "{status}");
        let PckKey { cpu_svn, pce_svn, .. } = key(status);
        let expected = hex::encode_upper([&cpu_svn[..], &pce_svn.to_le_bytes()].concat());
        assert_eq!(tcbm(&world, &found.chains[0]), expected);
    }
    let mut above = key(TcbStatus::UpToDate);
    above.pce_svn += 1;
    let found = identity.platforms.chains_for(&above);
    assert_eq!((found.chains.len(), found.exact), (2, false));
    let none = PckKey { cpu_svn: [0; 16], ..key(TcbStatus::UpToDate) };
    assert!(identity.platforms.chains_for(&none).chains.is_empty());
    for other in [PckKey { qe_id: [1; 16], ..above }, PckKey { pce_id: [1, 0], ..above }] {
        assert!(identity.platforms.chains_for(&other).chains.is_empty(), "another platform");
    }
}

#[tokio::test]
async fn what_is_missing_of_a_known_platform_is_asked_for() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let identity = world.service(LibraryOptions::default());
    let key = key(TcbStatus::UpToDate);
    let asked = world.upstream.times_asked();
    assert_eq!(identity.platforms.bring_for(&key, stranger(1)).await, Err(NotServed::Unknown));
    assert_eq!(world.upstream.times_asked(), asked, "nobody is asked for a platform that is not known");
    identity.platforms.remember(by_ppid()).await.unwrap();
    assert_eq!(
        identity.platforms.bring_for(&key, stranger(1)).await,
        Err(NotServed::Unknown),
        "Intel does not know it"
    );
    let wanted = wanted(&by_ppid(), RawTcb { cpu_svn: key.cpu_svn, pce_svn: key.pce_svn });
    let trouble = UpstreamError::Unavailable { problem: "x".to_owned() };
    world.upstream.says(wanted.clone(), Err(trouble));
    let passing = identity.platforms.bring_for(&key, stranger(1)).await;
    assert!(matches!(passing, Err(NotServed::Passing { .. })), "{passing:?}");
    let pcks: RawPcks = world.pcks(&[TcbStatus::UpToDate]);
    world.upstream.says(wanted, Ok(Fetched::Pcks(pcks)));
    assert_eq!(identity.platforms.bring_for(&key, stranger(1)).await, Ok(()));
    assert!(identity.platforms.chains_for(&key).exact);
}
