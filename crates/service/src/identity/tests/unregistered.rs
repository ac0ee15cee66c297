//! Platforms that nobody registered: what is learned of them, and when it is used.

use assay_collateral::pck::PlatformId;
use assay_collateral::upstream::{PckRequest, RawPcks, UpstreamError};
use assay_silicon::intel::{PlatformSpec, TcbStatus};
use assay_store::HeadName;

use super::platforms::{QE_ID, raw, registration, url};
use super::*;
use crate::identity::platforms::Registration;

const LEARNED: &str = "collateral/learned";
const ASKERS: &str = "collateral/learned-asker";
const PPID_ONE: u8 = 9;

/// A world with the documents of the family.
fn world() -> World {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    world
}

/// What a node sends: its encrypted PPID is `ppid` over and over.
fn asks(qe_id: [u8; 16], ppid: u8) -> String {
    let url = url(TcbStatus::UpToDate).replace(&"00".repeat(384), &hex::encode([ppid; 384]));
    url.replace(&hex::encode_upper(QE_ID), &hex::encode_upper(qe_id))
}

impl World {
    fn answers(&self, qe_id: [u8; 16], ppid: u8, answer: Result<RawPcks, UpstreamError>) {
        let Registration { raw_tcb, .. } = registration(TcbStatus::UpToDate);
        let (id, encrypted_ppid) = (PlatformId { qe_id, pce_id: [0; 2] }, Some(vec![ppid; 384]));
        let wanted = Wanted::Pcks(PckRequest { id, encrypted_ppid, manifest: None, raw_tcb });
        self.upstream.says(wanted, answer.map(Fetched::Pcks));
    }

    /// Certificates of another platform than [`World::pcks`] has.
    fn others(&self) -> RawPcks {
        let spec = PlatformSpec { ppid: Some([8; 16]), ..PlatformSpec::default() };
        let pem = self.intel.platform(&spec, self.now).unwrap().pck_certificate_chain_pem();
        let end = pem.find("-----END CERTIFICATE-----").unwrap() + 26;
        RawPcks {
            certificates: vec![pem[..end].to_owned()],
            chain: pem[end..].to_owned(),
            incomplete: false,
            is_list: false,
        }
    }

    fn rows(&self, folder: &str) -> usize {
        self.store.heads(Some(&HeadName::new(folder).unwrap()), None, 100).unwrap().items.len()
    }

    fn offline(&self) -> HardwareIdentity {
        self.service(LibraryOptions { mode: Mode::Offline, ..LibraryOptions::default() })
    }
}

fn down() -> UpstreamError {
    UpstreamError::Unavailable { problem: "down".to_owned() }
}

#[tokio::test]
async fn what_the_vendor_said_stands_in_while_it_is_away() {
    let world = world();
    world.answers(QE_ID, PPID_ONE, Ok(world.pcks(&[TcbStatus::UpToDate])));
    let first = get(&world.service(LibraryOptions::default()), &asks(QE_ID, PPID_ONE)).await;
    assert_eq!(first.status, 200);
    // A PPID is encrypted with new randomness each time, so that the question is another one.
    world.answers(QE_ID, 10, Err(down()));
    for identity in [world.service(LibraryOptions::default()), world.offline()] {
        let reply = get(&identity, &asks(QE_ID, 10)).await;
        assert_eq!((reply.status, reply.body), (first.status, first.body.clone()));
    }
    assert_eq!(get(&world.offline(), &asks([0xcd; 16], 10)).await.status.as_u16(), 461, "another QE ID");
    // What the vendor says now counts.
    world.answers(QE_ID, 11, Err(UpstreamError::Unknown { status: 404, detail: None }));
    let again = world.service(LibraryOptions::default());
    assert_eq!(get(&again, &asks(QE_ID, 11)).await.status.as_u16(), 461);
}

#[tokio::test]
async fn a_qe_id_of_two_platforms_is_nobodys() {
    let world = world();
    let identity = world.service(LibraryOptions::default());
    world.answers(QE_ID, PPID_ONE, Ok(world.pcks(&[TcbStatus::UpToDate])));
    assert_eq!(get(&identity, &asks(QE_ID, PPID_ONE)).await.status, 200);
    world.answers(QE_ID, 12, Ok(world.others()));
    assert_eq!(get(&identity, &asks(QE_ID, 12)).await.status, 200, "for who can be asked about");
    world.answers(QE_ID, 13, Err(down()));
    let again = world.service(LibraryOptions::default());
    assert_eq!(get(&again, &asks(QE_ID, 13)).await.status, 503, "either would be a guess");
}

#[tokio::test]
async fn a_stranger_cannot_settle_whose_a_qe_id_is() {
    let world = world();
    let identity = world.service(LibraryOptions::default());
    world.answers(QE_ID, PPID_ONE, Ok(world.pcks(&[TcbStatus::UpToDate])));
    assert_eq!(get(&identity, &asks(QE_ID, PPID_ONE)).await.status, 200);
    // He asks for his own platform in its name, then pushes that question out with others, and asks again.
    for (number, qe_id) in [QE_ID, [1; 16], [2; 16], [3; 16], [4; 16], QE_ID].into_iter().enumerate() {
        let ppid = 20 + u8::try_from(number).unwrap();
        world.answers(qe_id, ppid, Ok(world.others()));
        assert_eq!(get(&identity, &asks(qe_id, ppid)).await.status, 200);
    }
    assert_eq!(get(&world.offline(), &asks(QE_ID, 30)).await.status.as_u16(), 461);
}

#[tokio::test]
async fn one_platform_leaves_few_rows_whatever_it_is_asked_for_with() {
    let world = world();
    let identity = world.service(LibraryOptions::default());
    let pcks = world.pcks(&[TcbStatus::UpToDate]);
    for number in 0..9_u8 {
        world.answers([number; 16], number, Ok(pcks.clone()));
        let status = get(&identity, &asks([number; 16], number)).await.status;
        assert_eq!(status.as_u16(), if number == 0 { 400 } else { 200 }, "zeros name nobody: {number}");
    }
    assert_eq!((world.rows(LEARNED), world.rows(ASKERS)), (1, 4));
    let offline = world.offline();
    let status = async |number: u8| get(&offline, &asks([number; 16], 99)).await.status.as_u16();
    assert_eq!([status(1).await, status(4).await, status(5).await], [200, 200, 461], "the first are kept");
    // Asking again writes nothing: the store keeps every document that it ever had.
    let heads = || world.store.heads(Some(&HeadName::new("collateral").unwrap()), None, 100).unwrap().items;
    let before = heads();
    for number in 1..9_u8 {
        let again = world.service(LibraryOptions::default());
        assert_eq!(get(&again, &asks([number; 16], number)).await.status, 200);
    }
    assert_eq!(heads(), before);
}

#[tokio::test]
async fn certificates_of_other_tcbs_stay_beside_a_single_one() {
    let world = world();
    let identity = world.service(LibraryOptions::default());
    let both = world.pcks(&[TcbStatus::OutOfDate, TcbStatus::UpToDate]);
    let mut pcks = RawPcks { is_list: false, ..both };
    let newer = pcks.certificates.pop().unwrap();
    world.answers(QE_ID, 1, Ok(pcks.clone()));
    assert_eq!(get(&identity, &asks(QE_ID, 1)).await.status, 200);
    world.answers(QE_ID, 2, Ok(RawPcks { certificates: vec![newer], ..pcks }));
    assert_eq!(get(&identity, &asks(QE_ID, 2)).await.status, 200);
    let older = asks(QE_ID, 3).replace(
        &hex::encode_upper(raw(TcbStatus::UpToDate).cpu_svn),
        &hex::encode_upper(raw(TcbStatus::OutOfDate).cpu_svn),
    );
    let offline = world.offline();
    let both = [get(&offline, &older).await, get(&offline, &asks(QE_ID, 3)).await];
    assert_eq!(both.each_ref().map(|reply| reply.status.as_u16()), [200, 200]);
    assert_ne!(header(&both[0], "sgx-tcbm"), header(&both[1], "sgx-tcbm"));
}

#[tokio::test]
async fn what_was_learned_is_sealed() {
    let world = world();
    world.answers(QE_ID, PPID_ONE, Ok(world.pcks(&[TcbStatus::UpToDate])));
    assert_eq!(get(&world.service(LibraryOptions::default()), &asks(QE_ID, PPID_ONE)).await.status, 200);
    let below = HeadName::new("collateral").unwrap();
    let heads = world.store.heads(Some(&below), None, 100).unwrap().items;
    let learned: Vec<_> = heads.iter().filter(|head| head.name.as_str().contains("learned")).collect();
    assert_eq!(learned.len(), 2);
    for head in learned {
        let bytes = world.store.blob(&head.digest).unwrap().unwrap();
        for secret in [&QE_ID[..], b"BEGIN CERTIFICATE", b"certificates", b"platforms"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }
}

/// It registered with nothing that Intel could be asked with; what comes for a stranger's PPID is his own affair.
#[tokio::test]
async fn a_stranger_fills_no_platform_that_registered() {
    let world = world();
    let identity = world.service(LibraryOptions::default());
    let id = PlatformId { qe_id: QE_ID, pce_id: [0; 2] };
    let bare = Registration { id, encrypted_ppid: None, manifest: None, ..registration(TcbStatus::UpToDate) };
    assert!(identity.platforms.register(bare).await.is_err(), "nobody can be asked about it");
    world.answers(QE_ID, 12, Ok(world.others()));
    assert_eq!(get(&identity, &asks(QE_ID, 12)).await.status, 200, "for who asks");
    let known = identity.platforms.known(id).await.unwrap().unwrap();
    assert!(known.waiting && known.set.is_none(), "nothing of it is believed");
}

/// One platform whose answer cannot be used does not keep the others from being renewed.
#[tokio::test]
async fn a_refresh_goes_on_after_an_answer_that_cannot_be_used() {
    let world = world();
    let identity = world.service(LibraryOptions::default());
    let pcks = world.pcks(&[TcbStatus::UpToDate]);
    for number in 1..=4_u8 {
        world.answers([number; 16], number, Ok(pcks.clone()));
        let id = PlatformId { qe_id: [number; 16], pce_id: [0; 2] };
        let asked = registration(TcbStatus::UpToDate);
        let asked = Registration { id, encrypted_ppid: Some(vec![number; 384]), manifest: None, ..asked };
        identity.platforms.register(asked).await.unwrap();
    }
    for number in [2, 3] {
        world.answers(
            [number; 16],
            number,
            Err(UpstreamError::BadAnswer { problem: "not a list".to_owned() }),
        );
    }
    let refreshed = identity.platforms.refresh_all(None).await.unwrap();
    assert_eq!((refreshed.wanted, refreshed.done), (4, 2));
}

/// That the vendor was not asked, or said something that cannot be used, is no reason to guess.
#[tokio::test]
async fn what_was_learned_is_not_used_while_the_vendor_is_there() {
    let world = world();
    world.answers(QE_ID, PPID_ONE, Ok(world.pcks(&[TcbStatus::UpToDate])));
    assert_eq!(get(&world.service(LibraryOptions::default()), &asks(QE_ID, PPID_ONE)).await.status, 200);
    let errors = [
        UpstreamError::NotAsked { reason: "this service has spent its questions" },
        UpstreamError::BadAnswer { problem: "not a certificate".to_owned() },
        UpstreamError::Throttled { retry_after: None },
        UpstreamError::Unauthorized { status: 401 },
    ];
    for (number, error) in (30_u8..).zip(errors) {
        world.answers(QE_ID, number, Err(error.clone()));
        let reply = get(&world.service(LibraryOptions::default()), &asks(QE_ID, number)).await;
        assert_ne!(reply.status, 200, "{error}");
        assert!(reply.body.is_empty() || reply.status.as_u16() == 461, "{error}");
    }
    world.answers(QE_ID, 40, Err(down()));
    let reply = get(&world.service(LibraryOptions::default()), &asks(QE_ID, 40)).await;
    assert_eq!((reply.status.as_u16(), header(&reply, "x-assay-learned")), (200, "true"));
}

/// A cache gives the certificate of one TCB. Two of them are not the list of all.
#[tokio::test]
async fn single_certificates_never_become_the_whole_list() {
    let world = world();
    let identity = world.service(LibraryOptions::default());
    let asked = Registration { manifest: None, ..registration(TcbStatus::OutOfDate) };
    let one = |status| RawPcks { is_list: false, ..world.pcks(&[status]) };
    world.answers(QE_ID, 9, Ok(one(TcbStatus::OutOfDate)));
    let older = Registration { raw_tcb: Some(raw(TcbStatus::OutOfDate)), ..asked.clone() };
    let wanted = |asked: &Registration| {
        let Registration { id, encrypted_ppid, manifest, raw_tcb } = asked.clone();
        Wanted::Pcks(PckRequest { id, encrypted_ppid, manifest, raw_tcb })
    };
    world.upstream.says(wanted(&older), Ok(Fetched::Pcks(one(TcbStatus::OutOfDate))));
    identity.platforms.register(older.clone()).await.unwrap();
    let set = |known: Option<crate::identity::platforms::Known>| known.unwrap().set.unwrap();
    assert!(!set(identity.platforms.known(older.id).await.unwrap()).is_whole());
    let newer = Registration { raw_tcb: Some(raw(TcbStatus::UpToDate)), ..asked };
    world.upstream.says(wanted(&newer), Ok(Fetched::Pcks(one(TcbStatus::UpToDate))));
    assert_eq!(get(&identity, &url(TcbStatus::UpToDate)).await.status, 200);
    let both = set(identity.platforms.known(newer.id).await.unwrap());
    assert_eq!((both.certificates().len(), both.is_whole()), (2, false));
}
