#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

mod amd;
mod archive;
mod baselines;
mod faults;
mod lent;
mod operator;
mod platforms;
mod quotes;
mod registration;
mod unregistered;

use std::collections::HashMap;
use std::time::Duration;

use assay_collateral::document::RawDocument;
use assay_collateral::filed::Filed;
use assay_collateral::shelf::Backwards;
use assay_collateral::state::State;
use assay_collateral::subject::Track;
use assay_collateral::upstream::{Answer, Upstream, UpstreamError};
use assay_silicon::intel::{Collateral, CollateralSpec, Intel};
use assay_store::{MemoryStore, Store};
use assay_verify::cache::ChainCache;
use assay_verify::intel::single::{Enclave, Tee};
use assay_verify::intel::{PckCa, PlatformKey};
use bytes::Bytes;
use http::{HeaderMap, Method};
use tempfile::TempDir;

use super::library::{NotServed, TakeError};
use super::*;
use crate::config::{Config, Overrides};
use crate::dev::DevFolder;
use crate::trust::TrustHolder;
use crate::upstream::{Bounds, Guarded, stranger};

const DAY: i64 = 86_400;
/// Asked for until they are held.
const AMD_LISTS: usize = 6;
/// The beginning of a day, so that ages are whole.
const START: &str = "2026-11-01T00:00:00Z";

/// An upstream that says what the test wants.
#[derive(Debug, Default)]
struct Scripted {
    answers: Mutex<HashMap<Wanted, Result<Fetched, UpstreamError>>>,
    asked: Mutex<Vec<Wanted>>,
}

impl Scripted {
    fn says(&self, wanted: Wanted, answer: Result<Fetched, UpstreamError>) {
        self.answers.lock().unwrap().insert(wanted, answer);
    }

    fn times_asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

/// No limits, no patience.
const BOUNDS: Bounds = Bounds {
    timeout: Duration::from_secs(10),
    retries: 0,
    interval: Duration::ZERO,
    burst: 1,
    is_remote: false,
};

#[derive(Debug)]
struct Shared(Arc<Scripted>);

impl Upstream for Shared {
    fn name(&self) -> &str {
        "scripted"
    }

    fn offers(&self, _: &Wanted) -> bool {
        true
    }

    fn fetch<'a>(&'a self, wanted: &'a Wanted) -> Answer<'a> {
        self.0.asked.lock().unwrap().push(wanted.clone());
        let unknown = Err(UpstreamError::Unknown { status: 404, detail: None });
        let answer = self.0.answers.lock().unwrap().get(wanted).cloned().unwrap_or(unknown);
        Box::pin(async move {
            tokio::task::yield_now().await;
            answer
        })
    }
}

/// A vendor, an upstream that has its documents, and a service.
struct World {
    folder: TempDir,
    intel: Intel,
    upstream: Arc<Scripted>,
    store: Arc<dyn Store>,
    clock: Clock,
    now: i64,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let start = UnixTime::parse_rfc3339(START).unwrap();
        let silicon = DevFolder::new(folder.path()).silicon();
        std::fs::create_dir_all(&silicon).unwrap();
        let intel = Intel::load_or_generate(&silicon, start.0).unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let clock = Clock::fixed_offset(start);
        Self { folder, intel, upstream: Arc::default(), store, clock, now: start.0 }
    }

    fn service(&self, options: LibraryOptions) -> HardwareIdentity {
        self.service_at(options, self.clock.clone())
    }

    fn service_at(&self, options: LibraryOptions, clock: Clock) -> HardwareIdentity {
        let upstream = Guarded::new(Box::new(Shared(Arc::clone(&self.upstream))), BOUNDS).unwrap();
        self.service_over(options, clock, Chain::new(vec![upstream]))
    }

    fn service_over(&self, options: LibraryOptions, clock: Clock, upstream: Chain) -> HardwareIdentity {
        let overrides =
            Overrides { dev: true, data_dir: Some(self.folder.path().to_owned()), ..Overrides::default() };
        let config = Config::from_text(None, "", [], &overrides).unwrap();
        let foundation = Foundation {
            store: Arc::clone(&self.store),
            upstream: Arc::new(upstream),
            trust: Arc::new(TrustHolder::open(&config, &clock).unwrap()),
            cache: Arc::new(ChainCache::new(8)),
            clock,
        };
        let identity =
            HardwareIdentity::new(foundation, Arc::new(MasterKey::from_bytes(&[7; 32]).unwrap()), options);
        identity.load().unwrap();
        identity
    }

    fn at(&self, days: i64) -> Clock {
        Clock::fixed_offset(UnixTime(self.now + days * DAY))
    }

    fn collateral(&self, number: u32, issue: i64) -> Collateral {
        let spec =
            CollateralSpec { evaluation_number: number, issue: Some(issue), ..CollateralSpec::default() };
        self.intel.collateral(&spec, issue).unwrap()
    }

    /// Upstream has the documents of a set.
    fn publish(&self, set: &Collateral, track: Track) {
        let selection = Selection::Track(track);
        let default = Selection::default();
        for (subject, raw) in documents(set) {
            let selection = if subject.is_numbered() { selection } else { default };
            self.upstream.says(Wanted::Document(subject, selection), Ok(Fetched::Document(raw)));
        }
    }
}

fn tcb() -> Subject {
    Subject::TcbInfo { tee: Tee::Sgx, fmspc: CollateralSpec::default().fmspc }
}

fn documents(set: &Collateral) -> [(Subject, RawDocument); 4] {
    let json = |member: &str, text: &str, signature: &str, chain: &str| RawDocument {
        body: format!("{{\"{member}\":{text},\"signature\":\"{signature}\"}}").into(),
        chain: Some(chain.to_owned()),
    };
    let der = |text: &str, chain: Option<&String>| RawDocument {
        body: Bytes::from(hex::decode(text).unwrap()),
        chain: chain.cloned(),
    };
    let (tcb_chain, qe_chain) = (&set.tcb_info_issuer_chain, &set.qe_identity_issuer_chain);
    [
        (tcb(), json("tcbInfo", &set.tcb_info, &set.tcb_info_signature, tcb_chain)),
        (
            Subject::Identity(Enclave::Qe),
            json("enclaveIdentity", &set.qe_identity, &set.qe_identity_signature, qe_chain),
        ),
        (Subject::PckCrl(PckCa::Platform), der(&set.pck_crl, Some(&set.pck_crl_issuer_chain))),
        (Subject::RootCrl, der(&set.root_ca_crl, None)),
    ]
}

/// The path on which a document is asked for.
fn path_of(subject: Subject) -> String {
    let fmspc = hex::encode_upper(CollateralSpec::default().fmspc);
    match subject {
        Subject::TcbInfo { .. } => format!("/sgx/certification/v4/tcb?fmspc={fmspc}"),
        Subject::Identity(_) => "/sgx/certification/v4/qe/identity".to_owned(),
        Subject::PckCrl(_) => "/sgx/certification/v4/pckcrl?ca=platform&encoding=der".to_owned(),
        Subject::RootCrl => {
            "/sgx/certification/v4/crl?uri=https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
                .to_owned()
        }
        other => panic!("{other} has no path here"),
    }
}

async fn get(identity: &HardwareIdentity, url: &str) -> Reply {
    get_with(identity, url, &HeaderMap::new()).await
}

async fn get_with(identity: &HardwareIdentity, url: &str, headers: &HeaderMap) -> Reply {
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let path = find(path).unwrap();
    answer(identity, Asked { method: &Method::GET, path, query, headers, asker: stranger(1), body: None })
        .await
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

/// A set of yesterday must not judge once a list of today is known: that list may revoke.
#[tokio::test]
async fn a_newer_list_puts_older_sets_aside() {
    for newer in [Subject::RootCrl, Subject::PckCrl(PckCa::Platform)] {
        let world = World::new();
        let identity = world.service(LibraryOptions::default());
        let take = async |set: &Collateral, wanted: &dyn Fn(Subject) -> bool| {
            let mut parts = documents(set);
            parts.reverse();
            for (subject, raw) in parts.into_iter().filter(|(subject, _)| wanted(*subject)) {
                identity.library.take(subject, Selection::default(), raw, "test").await.unwrap();
            }
        };
        take(&world.collateral(18, world.now - DAY), &|_| true).await;
        let platform = PlatformKey { fmspc: CollateralSpec::default().fmspc, ca: PckCa::Platform };
        let old = identity.set(&platform, Selection::default()).unwrap();
        assert!(!identity.has_newer_lists(&old) && !identity.has_newer_part(&old), "{newer}");
        take(&world.collateral(18, world.now), &|subject| subject == newer).await;
        assert!(identity.has_newer_lists(&old) && identity.has_newer_part(&old), "{newer}");
    }
}

/// Beside Intel's there may be simulated authorities: the dates of one say nothing about what the other issued.
#[tokio::test]
async fn lists_of_another_authority_are_neither_newer_nor_older() {
    let (world, other) = (World::new(), World::new());
    let identity = world.service(LibraryOptions::default());
    let mut parts = documents(&world.collateral(18, world.now));
    parts.reverse();
    for (subject, raw) in parts {
        identity.library.take(subject, Selection::default(), raw, "test").await.unwrap();
    }
    let believed = other.service(LibraryOptions::default()).library.trust().anchors.clone();
    let old = |world: &World, anchors| {
        let set = world.collateral(18, world.now - DAY);
        assay_verify::intel::Collateral::verify(&raw(&set), anchors).collateral.unwrap()
    };
    let (ours, theirs) = (old(&world, &identity.library.trust().anchors), old(&other, &believed));
    assert_eq!(ours.platform(), theirs.platform());
    assert!(identity.has_newer_lists(&ours) && identity.has_newer_part(&ours));
    assert!(!identity.has_newer_lists(&theirs) && !identity.has_newer_part(&theirs));
}

fn raw(set: &Collateral) -> RawCollateral {
    serde_json::from_value(serde_json::to_value(set).unwrap()).unwrap()
}

#[tokio::test]
async fn documents_come_byte_for_byte_with_their_chains() {
    let world = World::new();
    let set = world.collateral(18, world.now);
    world.publish(&set, Track::Standard);
    let identity = world.service(LibraryOptions::default());
    for (subject, raw) in documents(&set) {
        let reply = get(&identity, &path_of(subject)).await;
        assert_eq!((reply.status.as_u16(), &reply.body), (200, &raw.body), "{subject}");
        assert_eq!(header(&reply, "cache-control"), "max-age=86400");
        assert!(header(&reply, "etag").len() == 66);
    }
    let fmspc = hex::encode_upper(CollateralSpec::default().fmspc);
    let reply =
        get(&identity, &format!("/sgx/certification/v4/tcb?fmspc={fmspc}&update=standard&clientid=x")).await;
    let chain = header(&reply, "tcb-info-issuer-chain");
    assert!(chain.starts_with("-----BEGIN%20CERTIFICATE-----%0A") && !chain.contains(['+', ' ', '\n']));
    assert_eq!(header(&reply, "content-type"), "application/json");
    let identity_reply = get(&identity, "/sgx/certification/v4/qe/identity").await;
    assert!(!header(&identity_reply, "sgx-enclave-identity-issuer-chain").is_empty());
    let list = get(&identity, "/sgx/certification/v4/pckcrl?ca=platform").await;
    assert_eq!(list.body, hex::encode(hex::decode(&set.pck_crl).unwrap()), "PCCS gives hexadecimal");
    assert!(!header(&list, "sgx-pck-crl-issuer-chain").is_empty());
    let pem = get(&identity, "/sgx/certification/v4/pckcrl?ca=platform&encoding=pem").await;
    assert!(pem.body.starts_with(b"-----BEGIN X509 CRL-----\n"));
    let root = get(&identity, "/sgx/certification/v4/rootcacrl").await;
    assert_eq!(root.body, set.root_ca_crl);
}

#[tokio::test]
async fn upstream_is_asked_once_and_a_restart_needs_it_no_more() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let identity = world.service(LibraryOptions::default());
    let ask = || identity.library.document(tcb(), Selection::default(), stranger(1));
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    // The list of the root, and the document.
    assert_eq!(world.upstream.times_asked(), 2);
    assert_eq!(get(&identity, &path_of(tcb())).await.status, 200);
    let again = world.service(LibraryOptions { mode: Mode::Offline, ..LibraryOptions::default() });
    let served = again.library.document(tcb(), Selection::default(), stranger(1)).await.unwrap();
    assert_eq!((served.state, served.document.evaluation_number), (State::Fresh, Some(18)));
    assert_eq!(world.upstream.times_asked(), 2);
}

#[tokio::test]
async fn two_instances_on_one_store_see_each_others_documents() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let (one, other) = (world.service(LibraryOptions::default()), world.service(LibraryOptions::default()));
    one.library.document(tcb(), Selection::default(), stranger(1)).await.unwrap();
    assert!(other.library.held(tcb(), Selection::default()).is_none());
    other.library.load().unwrap();
    assert!(other.library.held(tcb(), Selection::default()).is_some());
}

#[tokio::test]
async fn versions_are_chosen_by_track_or_number() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    world.publish(&world.collateral(19, world.now), Track::Early);
    let number = Wanted::Document(tcb(), Selection::Number(17));
    world.upstream.says(number, Err(UpstreamError::Gone));
    let identity = world.service(LibraryOptions::default());
    let url = path_of(tcb());
    let ask = async |more: &str| {
        let reply = get(&identity, &format!("{url}{more}")).await;
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        let number = text.split("EvaluationDataNumber\":").nth(1).map(|rest| rest[..2].to_owned());
        (reply.status.as_u16(), number.unwrap_or_default())
    };
    assert_eq!(ask("").await, (200, "18".to_owned()));
    assert_eq!(ask("&update=early").await, (200, "19".to_owned()));
    assert_eq!(ask("&tcbEvaluationDataNumber=19").await, (200, "19".to_owned()));
    assert_eq!(ask("&tcbEvaluationDataNumber=17").await.0, 410);
    assert_eq!(ask("&tcbEvaluationDataNumber=16").await.0, 404);
    for bad in ["&update=early&tcbEvaluationDataNumber=18", "&update=late", "&tcbEvaluationDataNumber=x"] {
        assert_eq!(ask(bad).await.0, 400, "{bad}");
    }
}

/// What an upstream says that vendors have no fault for; `faults` has the others.
#[tokio::test]
async fn what_an_upstream_does_not_have() {
    let answers = [
        (Err(UpstreamError::Unknown { status: 404, detail: None }), 404),
        (Err(UpstreamError::Gone), 410),
        (Err(UpstreamError::Unauthorized { status: 401 }), 503),
        (Err(UpstreamError::NotAsked { reason: "x" }), 503),
        (Ok(RawDocument { body: Bytes::new(), chain: Some("x".to_owned()) }), 503),
    ];
    let world = World::new();
    let set = world.collateral(18, world.now);
    for (answer, status) in answers {
        for (subject, _) in documents(&set) {
            let world =
                World { store: Arc::new(MemoryStore::new()), upstream: Arc::default(), ..world.again() };
            world.publish(&set, Track::Standard);
            let wanted = Wanted::Document(subject, Selection::default());
            world.upstream.says(wanted, answer.clone().map(Fetched::Document));
            let identity = world.service(LibraryOptions::default());
            let reply = get(&identity, &path_of(subject)).await;
            assert_eq!(reply.status.as_u16(), status, "{answer:?}: {subject}");
            assert!(identity.library.held(subject, Selection::default()).is_none(), "{answer:?}: {subject}");
            if status == 503 {
                let data = reply.headers.keys().any(|header| header.as_str().contains("chain"));
                assert!(reply.body.is_empty() && !data, "{answer:?}: {subject}");
            }
        }
    }
}

impl World {
    /// The same vendor.
    fn again(&self) -> Self {
        let silicon = DevFolder::new(self.folder.path()).silicon();
        let folder = TempDir::new().unwrap();
        let copy = DevFolder::new(folder.path()).silicon();
        std::fs::create_dir_all(&copy).unwrap();
        for entry in std::fs::read_dir(silicon.join("intel")).unwrap() {
            let entry = entry.unwrap();
            std::fs::create_dir_all(copy.join("intel")).unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), copy.join("intel").join(entry.file_name())).unwrap();
            }
        }
        let intel = Intel::load_or_generate(&copy, self.now).unwrap();
        Self {
            folder,
            intel,
            upstream: Arc::default(),
            store: Arc::new(MemoryStore::new()),
            clock: self.clock.clone(),
            now: self.now,
        }
    }
}

#[tokio::test]
async fn what_is_held_outlives_upstream_and_what_expired_is_not_given_out() {
    let world = World::new();
    let set = world.collateral(18, world.now);
    world.publish(&set, Track::Standard);
    let identity = world.service(LibraryOptions::default());
    for (subject, _) in documents(&set) {
        assert_eq!(get(&identity, &path_of(subject)).await.status, 200);
        let down = Err(UpstreamError::Unavailable { problem: "gone for weeks".to_owned() });
        world.upstream.says(Wanted::Document(subject, Selection::default()), down);
    }
    let options = LibraryOptions::default();
    let serve_expired = LibraryOptions { serve_expired: true, ..options };
    for (subject, _) in documents(&set) {
        let status = async |days, options| {
            let reply = get(&world.service_at(options, world.at(days)), &path_of(subject)).await;
            (reply.status.as_u16(), header(&reply, "warning").to_owned())
        };
        let none = String::new();
        // A week without upstream changes nothing, and three weeks neither.
        assert_eq!(status(7, options).await, (200, none.clone()), "{subject}");
        assert_eq!(status(25, options).await, (200, none.clone()), "{subject}");
        assert_eq!(status(31, options).await, (503, none.clone()), "{subject}");
        let (code, warning) = status(31, serve_expired).await;
        assert_eq!((code, warning.as_str()), (200, "110 assay \"Response is Stale\""), "{subject}");
        // And it is counted, under the kind.
        for (days, expected) in [(25, None), (31, Some(1))] {
            let service = world.service_at(serve_expired, world.at(days));
            get(&service, &path_of(subject)).await;
            let counted = service.expired_served.get();
            assert_eq!(counted.get(subject.kind()).copied(), expected, "{subject}, {days} days");
            assert!(counted.len() <= 1, "{counted:?}");
        }
    }
}

#[tokio::test]
async fn a_refresh_takes_newer_documents_and_refuses_older_ones() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let identity = world.service(LibraryOptions::default());
    identity.library.document(tcb(), Selection::default(), stranger(1)).await.unwrap();
    assert_eq!(identity.library.refresh().await, AMD_LISTS, "everything is fresh");
    let issued = |identity: &HardwareIdentity| {
        identity.library.held(tcb(), Selection::default()).unwrap().document.window.from.0
    };
    let later = world.service_at(LibraryOptions::default(), world.at(2));
    // Upstream goes backwards: nothing changes.
    world.publish(&world.collateral(18, world.now - DAY), Track::Standard);
    assert_eq!(later.library.refresh().await, 2 + AMD_LISTS);
    assert_eq!(issued(&later), world.now);
    assert_eq!(later.library.failure(tcb(), Selection::default()).unwrap().code, "older-document");
    world.publish(&world.collateral(18, world.now + DAY), Track::Standard);
    let later = world.service_at(LibraryOptions::default(), world.at(2));
    assert_eq!(later.library.refresh().await, 2 + AMD_LISTS);
    assert_eq!(issued(&later), world.now + DAY);
    // And a lower evaluation on the same track.
    world.publish(&world.collateral(17, world.now + 3 * DAY), Track::Standard);
    let later = world.service_at(LibraryOptions::default(), world.at(4));
    later.library.refresh().await;
    assert_eq!(later.library.failure(tcb(), Selection::default()).unwrap().code, "evaluation-went-back");
    assert_eq!(issued(&later), world.now + DAY);
}

#[tokio::test]
async fn what_is_taken_in_by_hand_obeys_the_same_rules() {
    let world = World::new();
    let set = world.collateral(18, world.now);
    let identity = world.service(LibraryOptions { mode: Mode::Offline, ..LibraryOptions::default() });
    let [(subject, raw), ..] = documents(&set);
    let absent = identity.library.document(subject, Selection::default(), stranger(1)).await.unwrap_err();
    assert_eq!(absent, NotServed::NotHeld);
    identity.library.take(subject, Selection::default(), raw, "by hand").await.unwrap();
    let [(_, older), ..] = documents(&world.collateral(18, world.now - DAY));
    let error = identity.library.take(subject, Selection::default(), older, "by hand").await.unwrap_err();
    assert!(matches!(error, TakeError::Backwards(Backwards::Older { .. })), "{error}");
    let [(_, future), ..] = documents(&world.collateral(18, world.now + 10 * DAY));
    let error = identity.library.take(subject, Selection::default(), future, "by hand").await.unwrap_err();
    assert_eq!(error.code(), "collateral-not-yet-valid");
    let [(_, expired), ..] = documents(&world.collateral(18, world.now - 40 * DAY));
    let error = identity.library.take(subject, Selection::Number(18), expired, "by hand").await.unwrap_err();
    assert_eq!(error.code(), "collateral-expired");
}

#[tokio::test]
async fn modes_say_when_upstream_is_asked() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    for mode in [Mode::Registration, Mode::Offline] {
        let identity = world.service(LibraryOptions { mode, ..LibraryOptions::default() });
        assert_eq!(get(&identity, &path_of(tcb())).await.status, 404);
        assert_eq!(world.upstream.times_asked(), 0);
    }
}

#[tokio::test]
async fn after_a_failure_upstream_is_left_alone_for_a_while() {
    let world = World::new();
    let down = || Err(UpstreamError::Unavailable { problem: "x".to_owned() });
    world.upstream.says(Wanted::Document(tcb(), Selection::default()), down());
    let identity = world.service(LibraryOptions::default());
    for _ in 0..5 {
        assert_eq!(get(&identity, &path_of(tcb())).await.status, 503);
    }
    let of_tcb = world
        .upstream
        .asked
        .lock()
        .unwrap()
        .iter()
        .filter(|wanted| matches!(wanted, Wanted::Document(Subject::TcbInfo { .. }, _)))
        .count();
    assert_eq!(of_tcb, 1);
}

#[tokio::test]
async fn caches_between_learn_that_nothing_changed() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let identity = world.service(LibraryOptions::default());
    let first = get(&identity, &path_of(tcb())).await;
    let mut headers = HeaderMap::new();
    headers.insert("if-none-match", first.headers["etag"].clone());
    let second = get_with(&identity, &path_of(tcb()), &headers).await;
    assert_eq!((second.status.as_u16(), second.body.len()), (304, 0));
}

#[tokio::test]
async fn the_third_version_has_no_tcb_info_without_an_archive() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let identity = world.service(LibraryOptions::default());
    let url = path_of(tcb()).replace("/v4/", "/v3/");
    let reply = get(&identity, &url).await;
    assert_eq!(reply.status, 410);
    assert!(String::from_utf8_lossy(&reply.body).contains("archive"));
    // An archive: a document of that form, taken in by hand while it was valid.
    let spec = CollateralSpec { tcb_info_version: 2, issue: Some(world.now), ..CollateralSpec::default() };
    let [(_, raw), ..] = documents(&world.intel.collateral(&spec, world.now).unwrap());
    let subject = Subject::TcbInfoV2 { fmspc: spec.fmspc };
    identity.library.take(subject, Selection::default(), raw.clone(), "archive").await.unwrap();
    let reply = get(&identity, &url).await;
    assert_eq!((reply.status.as_u16(), &reply.body), (200, &raw.body));
    assert!(!header(&reply, "sgx-tcb-info-issuer-chain").is_empty());
    assert_eq!(get(&identity, "/tdx/certification/v3/tcb?fmspc=000000000000").await.status, 404);
}

#[tokio::test]
async fn families_are_those_that_are_listed_and_those_that_are_held() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let identity = world.service(LibraryOptions::default());
    identity.library.document(tcb(), Selection::default(), stranger(1)).await.unwrap();
    let held = hex::encode_upper(CollateralSpec::default().fmspc);
    let list = async |query: &str| {
        let reply = get(&identity, &format!("/sgx/certification/v4/fmspcs{query}")).await;
        String::from_utf8_lossy(&reply.body).into_owned()
    };
    assert_eq!(list("").await, format!("[{{\"fmspc\":\"{held}\",\"platform\":\"unknown\"}}]"));
    let family = Family { fmspc: [1; 6], platform: "E5".to_owned() };
    world.upstream.says(Wanted::Families, Ok(Fetched::Families(vec![family])));
    assert!(list("?platform=all").await.contains("010101010101"));
    assert_eq!(list("?platform=e5").await, "[{\"fmspc\":\"010101010101\",\"platform\":\"E5\"}]");
}
