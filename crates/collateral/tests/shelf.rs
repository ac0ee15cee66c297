//! What may stand on the shelf, and that nothing on it goes backwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;

use assay_collateral::document::{Document, DocumentError, RawDocument, Trust};
use assay_collateral::shelf::{Backwards, Held, Placed, Shelf};
use assay_collateral::state::{Schedule, State};
use assay_collateral::subject::{Selection, Subject, Track};
use assay_silicon::intel::{Collateral, CollateralSpec, Intel, TcbLevel};
use assay_verify::cache::ChainCache;
use assay_verify::intel::PckCa;
use assay_verify::intel::single::{Enclave, Tee};
use assay_verify::{AnchorOrigin, TrustAnchors, UnixTime};
use bytes::Bytes;

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

struct Vendor {
    intel: Intel,
    anchors: TrustAnchors,
    cache: ChainCache,
}

impl Vendor {
    fn new() -> Self {
        let intel = Intel::generate(NOW).unwrap();
        let anchors =
            TrustAnchors::vendor().with_intel_root(intel.root_public_key(), AnchorOrigin::Simulated);
        Self { intel, anchors, cache: ChainCache::new(8) }
    }

    fn collateral(&self, number: u32, issue: i64) -> Collateral {
        let spec =
            CollateralSpec { evaluation_number: number, issue: Some(issue), ..CollateralSpec::default() };
        self.intel.collateral(&spec, issue).unwrap()
    }

    fn verify(&self, subject: Subject, raw: &RawDocument) -> Result<Document, DocumentError> {
        let trust = Trust { anchors: &self.anchors, cache: &self.cache, root_crl: None };
        Document::verify(subject, raw, &trust)
    }

    fn tcb_info(&self, number: u32, issue: i64) -> Document {
        self.verify(tcb(), &raw_tcb_info(&self.collateral(number, issue))).unwrap()
    }
}

fn tcb() -> Subject {
    Subject::TcbInfo { tee: Tee::Sgx, fmspc: CollateralSpec::default().fmspc }
}

fn raw_tcb_info(set: &Collateral) -> RawDocument {
    let body = format!("{{\"tcbInfo\":{},\"signature\":\"{}\"}}", set.tcb_info, set.tcb_info_signature);
    RawDocument { body: body.into(), chain: Some(set.tcb_info_issuer_chain.clone()) }
}

fn root_crl(set: &Collateral) -> RawDocument {
    RawDocument { body: Bytes::from(hex::decode(&set.root_ca_crl).unwrap()), chain: None }
}

fn pck_crl(set: &Collateral) -> RawDocument {
    let body = Bytes::from(hex::decode(&set.pck_crl).unwrap());
    RawDocument { body, chain: Some(set.pck_crl_issuer_chain.clone()) }
}

fn held(document: Document) -> Held {
    Held { document: Arc::new(document), checked: UnixTime(NOW), source: "test".into() }
}

const EARLY: Selection = Selection::Track(Track::Early);
const STANDARD: Selection = Selection::Track(Track::Standard);

#[test]
fn tracks_and_numbers_lead_to_versions() {
    let vendor = Vendor::new();
    let mut shelf = Shelf::default();
    assert!(shelf.get(tcb(), STANDARD).is_none());
    assert_eq!(shelf.put(held(vendor.tcb_info(18, NOW)), STANDARD), Ok(Placed::New));
    assert_eq!(shelf.put(held(vendor.tcb_info(19, NOW)), EARLY), Ok(Placed::New));
    assert_eq!(shelf.put(held(vendor.tcb_info(17, NOW)), Selection::Number(17)), Ok(Placed::New));
    let number = |selection| shelf.get(tcb(), selection).and_then(|held| held.document.evaluation_number);
    assert_eq!([number(STANDARD), number(EARLY)], [Some(18), Some(19)]);
    assert_eq!([17, 18, 19, 20].map(|n| number(Selection::Number(n))), [Some(17), Some(18), Some(19), None]);
    assert_eq!(shelf.len(), 3);
    let standing: Vec<_> =
        shelf.iter().map(|(_, tracks, held)| (held.document.evaluation_number, tracks)).collect();
    assert_eq!(
        standing,
        [(Some(17), vec![]), (Some(18), vec![Track::Standard]), (Some(19), vec![Track::Early])]
    );
}

#[test]
fn nothing_goes_backwards() {
    let vendor = Vendor::new();
    let mut shelf = Shelf::default();
    let first = vendor.tcb_info(18, NOW);
    shelf.put(held(first.clone()), STANDARD).unwrap();
    assert_eq!(shelf.put(held(first), STANDARD), Ok(Placed::Confirmed));
    let older = shelf.put(held(vendor.tcb_info(18, NOW - DAY)), STANDARD);
    assert_eq!(older, Err(Backwards::Older { held: UnixTime(NOW), found: UnixTime(NOW - DAY) }));
    // ECDSA signatures are random: the same content signed again is another document of the same date.
    let differs = shelf.put(held(vendor.tcb_info(18, NOW)), STANDARD);
    assert_eq!(differs, Err(Backwards::Differs { issued: UnixTime(NOW) }));
    let lower = shelf.put(held(vendor.tcb_info(17, NOW + DAY)), STANDARD);
    assert_eq!(lower, Err(Backwards::LowerNumber { held: 18, found: 17 }));
    // What an operator asks for by its number moves no track.
    assert_eq!(shelf.put(held(vendor.tcb_info(17, NOW + DAY)), Selection::Number(17)), Ok(Placed::New));
    assert_eq!(shelf.get(tcb(), STANDARD).unwrap().document.evaluation_number, Some(18));
    assert_eq!(shelf.put(held(vendor.tcb_info(18, NOW + DAY)), STANDARD), Ok(Placed::New));
    assert_eq!(shelf.put(held(vendor.tcb_info(20, NOW)), STANDARD), Ok(Placed::New));
}

#[test]
fn what_came_must_be_what_was_asked_for() {
    let vendor = Vendor::new();
    let set = vendor.collateral(18, NOW);
    let other = Subject::TcbInfo { tee: Tee::Sgx, fmspc: [9; 6] };
    let error = vendor.verify(other, &raw_tcb_info(&set)).unwrap_err();
    assert_eq!(error, DocumentError::OtherSubject { wanted: other, found: tcb() });
    let wanted = Subject::TcbInfo { tee: Tee::Tdx, fmspc: CollateralSpec::default().fmspc };
    assert_eq!(vendor.verify(wanted, &raw_tcb_info(&set)).unwrap_err().code(), "other-subject");
    let wanted = Subject::PckCrl(PckCa::Processor);
    assert_eq!(vendor.verify(wanted, &pck_crl(&set)).unwrap_err().code(), "other-subject");
    let chainless = RawDocument { chain: None, ..raw_tcb_info(&set) };
    assert_eq!(vendor.verify(tcb(), &chainless).unwrap_err(), DocumentError::NoChain);
    let huge = RawDocument { body: vec![b' '; 300_000].into(), ..raw_tcb_info(&set) };
    assert_eq!(vendor.verify(tcb(), &huge).unwrap_err().code(), "too-large");
    let stranger = Vendor::new();
    assert_eq!(stranger.verify(tcb(), &raw_tcb_info(&set)).unwrap_err().code(), "untrusted-root");
    let wanted = Subject::Identity(Enclave::Qe);
    assert_eq!(vendor.verify(wanted, &raw_tcb_info(&set)).unwrap_err().code(), "collateral-malformed");
}

#[test]
fn dates_count_at_each_use() {
    let vendor = Vendor::new();
    let document = vendor.tcb_info(18, NOW);
    assert!(document.check_dates(UnixTime(NOW)).is_ok() && document.check_dates(document.expires).is_ok());
    assert_eq!(
        document.check_dates(UnixTime(NOW - 1)),
        Err(DocumentError::NotYetValid { issued: UnixTime(NOW) })
    );
    let after = UnixTime(document.expires.0 + 1);
    assert_eq!(document.check_dates(after), Err(DocumentError::Expired { expired: document.expires }));
}

#[test]
fn states_name_what_there_is_to_do() {
    let vendor = Vendor::new();
    let document = vendor.tcb_info(18, NOW);
    let schedule = Schedule::default();
    let state =
        |checked: i64, now: i64| State::of(Some((&document, UnixTime(checked))), UnixTime(now), &schedule);
    let end = document.expires.0;
    assert_eq!(State::of(None, UnixTime(NOW), &schedule), State::Missing);
    assert_eq!(state(NOW, NOW + DAY - 1), State::Fresh);
    assert_eq!(state(NOW, NOW + DAY), State::Due);
    assert_eq!(state(end - 8 * DAY, end - 8 * DAY), State::Fresh);
    assert_eq!(state(end - 8 * DAY, end - 8 * DAY + 1), State::Stale);
    assert_eq!([state(end, end), state(end, end + 1)], [State::Stale, State::Expired]);
}

#[test]
fn a_revoked_signer_takes_its_documents_along() {
    let mut vendor = Vendor::new();
    let mut shelf = Shelf::default();
    let before = vendor.collateral(18, NOW);
    shelf.put(held(vendor.verify(tcb(), &raw_tcb_info(&before)).unwrap()), STANDARD).unwrap();
    shelf.put(held(vendor.verify(Subject::RootCrl, &root_crl(&before)).unwrap()), STANDARD).unwrap();
    let pck = Subject::PckCrl(PckCa::Platform);
    shelf.put(held(vendor.verify(pck, &pck_crl(&before)).unwrap()), STANDARD).unwrap();
    assert_eq!(shelf.drop_revoked(), []);
    vendor.intel.revoke_tcb_signer();
    let after = vendor.collateral(18, NOW + DAY);
    let list = vendor.verify(Subject::RootCrl, &root_crl(&after)).unwrap();
    // New documents of that signer are refused, too.
    let trust = Trust { anchors: &vendor.anchors, cache: &vendor.cache, root_crl: list.crl() };
    let refused = Document::verify(tcb(), &raw_tcb_info(&after), &trust).unwrap_err();
    assert_eq!(refused, DocumentError::SignerRevoked);
    shelf.put(held(list), STANDARD).unwrap();
    assert_eq!(shelf.drop_revoked(), [(tcb(), 18)]);
    assert!(shelf.get(tcb(), STANDARD).is_none() && shelf.get(pck, STANDARD).is_some());
}

#[test]
fn a_level_of_its_own_makes_no_other_subject() {
    let vendor = Vendor::new();
    let level = TcbLevel {
        components: [1; 16],
        pce_svn: 1,
        status: "NoSuchStatus".to_owned(),
        date: "2024-01-01T00:00:00Z".to_owned(),
        advisories: vec![],
    };
    let spec = CollateralSpec { tcb_levels: vec![level], ..CollateralSpec::default() };
    let set = vendor.intel.collateral(&spec, NOW).unwrap();
    // What a status means is for those who judge by it; the document is genuine.
    assert!(vendor.verify(tcb(), &raw_tcb_info(&set)).is_ok());
}
