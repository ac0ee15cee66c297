//! Bundles for machines without a network: their one form, and what of them is believed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "tests"
)]

use std::fs;
use std::path::Path;

use assay_collateral::CollateralFolder;
use assay_collateral::bundle::{
    Bundle, BundleError, DocumentEntry, Entries, Examination, Import, Imported, MAX_CONTENT, MAX_VEKS,
    PlatformEntry, Terms, gather,
};
use assay_collateral::document::RawDocument;
use assay_collateral::pck::PlatformId;
use assay_collateral::shelf::{Placed, Shelf};
use assay_collateral::subject::{Selection, Subject, Track};
use assay_silicon::amd::{Amd, ChipSpec, Product, VekKind};
use assay_silicon::intel::{Ca, Collateral, CollateralSpec, Intel, Platform, PlatformSpec, TcbStatus};
use assay_verify::cache::ChainCache;
use assay_verify::intel::single::{Enclave, Tee};
use assay_verify::intel::{PckCa, PlatformKey};
use assay_verify::snp::AmdAuthority;
use assay_verify::{AnchorOrigin, TrustAnchors, UnixTime};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

struct Vendor {
    intel: Intel,
    amd: Amd,
    cache: ChainCache,
}

impl Vendor {
    fn new() -> Self {
        // Keys of AMD's kind take seconds to make, so tests share them.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("silicon");
        let make =
            |amd: &mut Amd| VekKind::ALL.into_iter().try_for_each(|kind| amd.require(Product::Milan, kind));
        let amd = Amd::update(&folder, NOW, make).unwrap().0;
        Self { intel: Intel::generate(NOW).unwrap(), amd, cache: ChainCache::new(64) }
    }

    fn anchors(&self) -> TrustAnchors {
        let intel = self.intel.root_public_key();
        let anchors = TrustAnchors::vendor().with_intel_root(intel, AnchorOrigin::Simulated);
        self.amd.authorities().into_iter().fold(anchors, |anchors, known| {
            let (intermediate, root) = (&known.intermediate, &known.root);
            let known = AmdAuthority::from_certificates(intermediate, root, AnchorOrigin::Simulated);
            anchors.with_amd_authority(known.unwrap())
        })
    }

    fn set(&self, number: u32, issue: i64) -> Collateral {
        let spec =
            CollateralSpec { evaluation_number: number, issue: Some(issue), ..CollateralSpec::default() };
        self.intel.collateral(&spec, issue).unwrap()
    }

    fn platform(&self) -> Platform {
        self.intel.platform(&PlatformSpec::default(), NOW).unwrap()
    }

    /// Everything that a bundle can carry of Intel's and AMD's.
    fn entries(&mut self) -> Entries {
        let set = self.set(18, NOW);
        let chip = self.amd.chip(&ChipSpec::new(Product::Milan, VekKind::Vcek), NOW).unwrap();
        let mut documents = of_set(&set, 18);
        documents.push(amd_list(&self.amd, NOW));
        let platforms = vec![platform_entry(&self.platform())];
        Entries { documents, veks: vec![chip.vek().to_vec()], platforms }.sorted()
    }

    fn examine(&self, entries: &Entries, held: &Shelf, now: i64) -> Examination {
        let anchors = self.anchors();
        let now = UnixTime(now);
        Examination::new(entries, held, &Terms { anchors: &anchors, cache: &self.cache, now, source: "t" })
    }

    fn import(&self, entries: &Entries, held: &Shelf, now: i64) -> Import {
        self.examine(entries, held, now).accept().unwrap()
    }
}

fn entry(
    path: &str,
    number: Option<u32>,
    body: impl Into<bytes::Bytes>,
    chain: Option<&str>,
) -> DocumentEntry {
    let raw = RawDocument { body: body.into(), chain: chain.map(str::to_owned) };
    let tracks = number.map(|_| Track::Standard).into_iter().collect();
    DocumentEntry { path: path.to_owned(), number, tracks, raw }
}

fn tcb() -> Subject {
    Subject::TcbInfo { tee: Tee::Sgx, fmspc: CollateralSpec::default().fmspc }
}

fn of_set(set: &Collateral, number: u32) -> Vec<DocumentEntry> {
    let signed = |member: &str, text: &str, signature: &str| {
        format!("{{\"{member}\":{text},\"signature\":\"{signature}\"}}")
    };
    let info = signed("tcbInfo", &set.tcb_info, &set.tcb_info_signature);
    let identity = signed("enclaveIdentity", &set.qe_identity, &set.qe_identity_signature);
    let der = |digits: &str| hex::decode(digits).unwrap();
    vec![
        entry("intel/root-crl", None, der(&set.root_ca_crl), None),
        entry("intel/pck-crl/platform", None, der(&set.pck_crl), Some(&set.pck_crl_issuer_chain)),
        entry(&tcb().path(), Some(number), info, Some(&set.tcb_info_issuer_chain)),
        entry("intel/identity/qe", Some(number), identity, Some(&set.qe_identity_issuer_chain)),
    ]
}

fn amd_list(amd: &Amd, at: i64) -> DocumentEntry {
    entry("amd/vcek-crl/milan", None, amd.crl(Product::Milan, at).unwrap(), None)
}

fn platform_entry(platform: &Platform) -> PlatformEntry {
    let pem = platform.pck_certificate_chain_pem();
    let end = pem.find("-----END CERTIFICATE-----").unwrap() + 26;
    let id = PlatformId { qe_id: [3; 16], pce_id: [0; 2] };
    PlatformEntry { id, pcks: vec![pem[..end].to_owned()], chain: pem[end..].to_owned() }
}

fn bundle(entries: Entries) -> Bundle {
    Bundle { issuer: "connected".to_owned(), sequence: 7, created: UnixTime(NOW), entries }
}

fn refused(import: &Import) -> Vec<(String, &'static str)> {
    import.refused.iter().map(|entry| (entry.path.clone(), entry.error.code())).collect()
}

fn taken(import: &Import) -> Vec<&str> {
    let mut paths: Vec<&str> = import.taken.iter().map(|entry| entry.path.as_str()).collect();
    paths.sort_unstable();
    paths
}

#[test]
fn the_same_content_has_the_same_bytes() {
    let entries = Vendor::new().entries();
    let text = bundle(entries.clone()).write().unwrap();
    let mut shuffled = entries.clone();
    shuffled.documents.reverse();
    shuffled.veks.push(shuffled.veks[0].clone());
    assert_eq!(bundle(shuffled).write().unwrap(), text);
    assert_eq!(Bundle::read(text.as_bytes()).unwrap(), bundle(entries));
    assert!(text.starts_with(
        "{\"version\":1,\"issuer\":\"connected\",\"sequence\":7,\"created\":\"2027-01-15T08:00:00Z\","
    ));
}

/// How a bundle is broken, and what it is refused with.
type Row = (&'static str, fn(&mut Value), &'static str);

const BROKEN: [Row; 18] = [
    ("anchors", |b| b["trustAnchors"] = json!([]), "bundle-json"),
    ("policies", |b| b["policies"] = json!([]), "bundle-json"),
    ("a key in a document", |b| b["documents"][0]["key"] = json!("x"), "bundle-json"),
    ("no issuer", |b| drop(b.as_object_mut().unwrap().remove("issuer")), "bundle-json"),
    ("another version", |b| b["version"] = json!(2), "bundle-version"),
    ("a negative sequence", |b| b["sequence"] = json!(-1), "bundle-json"),
    ("a time that is none", |b| b["created"] = json!("yesterday"), "bundle-malformed"),
    ("a long issuer", |b| b["issuer"] = json!("x".repeat(129)), "bundle-malformed"),
    ("an issuer that steers terminals", |b| b["issuer"] = json!("\u{1b}[2J"), "bundle-malformed"),
    ("a subject in capitals", |b| b["documents"][0]["subject"] = json!("INTEL"), "bundle-malformed"),
    (
        "two bodies",
        |b| (b["documents"][0]["json"], b["documents"][0]["der"]) = (json!("{}"), json!("AA==")),
        "bundle-malformed",
    ),
    ("no body", |b| drop(b["documents"][0].as_object_mut().unwrap().remove("der")), "bundle-malformed"),
    ("a track without a number", |b| b["documents"][0]["tracks"] = json!(["early"]), "bundle-malformed"),
    ("a track that is none", |b| b["documents"][1]["tracks"] = json!(["late"]), "bundle-malformed"),
    ("base64 without padding", |b| b["veks"] = json!(["AA"]), "bundle-malformed"),
    ("an id of another length", |b| b["platforms"][0]["qeId"] = json!("00"), "bundle-malformed"),
    (
        "a document twice",
        |b| {
            let one = b["documents"][0].clone();
            b["documents"].as_array_mut().unwrap().push(one);
        },
        "bundle-duplicate-entry",
    ),
    (
        "a platform twice",
        |b| {
            let one = b["platforms"][0].clone();
            b["platforms"].as_array_mut().unwrap().push(one);
        },
        "bundle-duplicate-entry",
    ),
];

#[test]
fn what_is_not_of_the_one_form_is_refused() {
    let text = bundle(Vendor::new().entries()).write().unwrap();
    let good: Value = serde_json::from_str(&text).unwrap();
    // The rows speak of a list first, and of something numbered second.
    assert!(good["documents"][0]["der"].is_string() && good["documents"][1]["number"].is_number());
    for (name, break_it, code) in BROKEN {
        let mut broken = good.clone();
        break_it(&mut broken);
        let error = Bundle::read(broken.to_string().as_bytes()).expect_err(name);
        assert_eq!(error.code(), code, "{name}: {error}");
        assert!(!error.help().is_empty());
    }
    let twice = text.replacen("\"sequence\":7", "\"sequence\":7,\"sequence\":8", 1);
    assert_eq!(Bundle::read(twice.as_bytes()).unwrap_err().code(), "bundle-json");
}

/// What is changed on its way is refused as a whole, or by its vendor's signature; nothing panics.
#[test]
fn no_changed_byte_makes_anything_genuine() {
    let vendor = Vendor::new();
    let documents = of_set(&vendor.set(18, NOW), 18);
    let text = bundle(Entries { documents, ..Entries::default() }).write().unwrap();
    for place in (0..text.len()).step_by(61) {
        let mut bytes = text.clone().into_bytes();
        bytes[place] ^= 1;
        let Ok(changed) = Bundle::read(&bytes) else { continue };
        let import = vendor.examine(&changed.entries, &Shelf::default(), NOW).import().clone();
        for (_, _, held) in import.shelf.iter() {
            let genuine = of_set_bodies(&text).contains(&held.document.body.to_vec());
            assert!(genuine, "a body that was changed at {place} was taken");
        }
    }
}

fn of_set_bodies(text: &str) -> Vec<Vec<u8>> {
    let bundle = Bundle::read(text.as_bytes()).unwrap();
    bundle.entries.documents.into_iter().map(|entry| entry.raw.body.to_vec()).collect()
}

#[test]
fn size_and_counts_are_bounded() {
    let large = vec![b' '; MAX_CONTENT + 1];
    assert_eq!(Bundle::read(&large), Err(BundleError::TooLarge { limit: MAX_CONTENT }));
    let veks = (0..=MAX_VEKS).map(|number| number.to_be_bytes().to_vec()).collect();
    let error = bundle(Entries { veks, ..Entries::default() }).write().unwrap_err();
    assert_eq!(error, BundleError::TooMany { what: "VEK certificates", found: 10_001, limit: MAX_VEKS });
    let id = PlatformId { qe_id: [0; 16], pce_id: [0; 2] };
    let platform = PlatformEntry { id, pcks: vec![String::new(); 129], chain: String::new() };
    let error = bundle(Entries { platforms: vec![platform], ..Entries::default() }).write().unwrap_err();
    assert_eq!(error.code(), "bundle-too-many-entries");
}

#[test]
fn of_one_subject_a_track_stands_at_one_evaluation() {
    let vendor = Vendor::new();
    let mut documents = of_set(&vendor.set(18, NOW), 18);
    documents.push(of_set(&vendor.set(19, NOW), 19).remove(2));
    let mut entries = Entries { documents, ..Entries::default() };
    let error = bundle(entries.clone()).write().unwrap_err();
    assert_eq!(error, BundleError::Twice { path: format!("{}@19", tcb().path()) });
    entries.documents[4].tracks = vec![Track::Early];
    assert!(bundle(entries).write().is_ok());
}

#[test]
fn everything_genuine_is_taken() {
    let mut vendor = Vendor::new();
    let entries = vendor.entries();
    let import = vendor.import(&entries, &Shelf::default(), NOW);
    assert_eq!((refused(&import), import.taken.len()), (vec![], 7));
    assert!(import.taken.iter().all(|entry| entry.placed == Placed::New));
    assert_eq!((import.shelf.len(), import.veks.len(), import.platforms.len()), (5, 1, 1));
    let first = import.lasts_until().unwrap();
    assert!(import.taken.iter().all(|entry| entry.expires >= first.expires));
    let again = vendor.import(&entries, &import.shelf, NOW);
    let documents = again
        .taken
        .iter()
        .filter(|entry| entry.path.starts_with("intel/") && !entry.path.contains("platform/"));
    assert!(documents.into_iter().all(|entry| entry.placed == Placed::Confirmed));
}

#[test]
fn chips_and_platforms_are_named_by_hashes() {
    let mut vendor = Vendor::new();
    let entries = vendor.entries();
    let import = vendor.import(&entries, &Shelf::default(), NOW);
    let name = PlatformId { qe_id: [3; 16], pce_id: [0; 2] }.hashed();
    assert!(taken(&import).contains(&format!("intel/platform/{name}").as_str()));
    assert!(!format!("{:?}", import.taken).contains("0303"));
    let debug = format!("{:?}", bundle(entries.clone()));
    assert!(!debug.contains(entries.platforms[0].pcks[0].lines().nth(1).unwrap()), "{debug}");
}

/// Which entry is left out, and which list is said to be missing.
#[test]
fn without_the_lists_that_judge_it_nothing_is_taken() {
    let mut vendor = Vendor::new();
    let entries = vendor.entries();
    let amd = "amd/vcek-crl/milan or amd/vlek-crl/milan";
    let pck = "intel/pck-crl/processor or intel/pck-crl/platform";
    let rows: [(&str, &[&str]); 3] = [
        ("intel/root-crl", &["intel/root-crl"]),
        ("intel/pck-crl/platform", &["intel/pck-crl/platform", pck]),
        ("amd/vcek-crl/milan", &[amd]),
    ];
    for (path, lists) in rows {
        let mut without = entries.clone();
        without.documents.retain(|entry| entry.path != path);
        let error = vendor.examine(&without, &Shelf::default(), NOW).accept().unwrap_err();
        let lists = lists.iter().map(|list| (*list).to_owned()).collect();
        assert_eq!(error, BundleError::ListsMissing { lists }, "{path}");
        // That they are held does not make the bundle complete.
        let held = vendor.import(&entries, &Shelf::default(), NOW).shelf;
        assert!(vendor.examine(&without, &held, NOW).accept().is_err(), "{path}");
    }
    let after = NOW + 40 * DAY;
    let expired = vendor.examine(&entries, &Shelf::default(), after);
    assert!(refused(expired.import()).contains(&("intel/root-crl".to_owned(), "collateral-expired")));
    assert_eq!(expired.accept().unwrap_err().code(), "bundle-lists-missing");
    let nothing = vendor.examine(&Entries::default(), &Shelf::default(), NOW).accept();
    assert_eq!(nothing.unwrap_err(), BundleError::NothingTaken);
}

#[test]
fn an_authority_of_platforms_needs_its_own_list() {
    let vendor = Vendor::new();
    let processor = PlatformSpec::new(Ca::Processor, TcbStatus::UpToDate);
    let platform = vendor.intel.platform(&processor, NOW).unwrap();
    let platforms = vec![platform_entry(&platform)];
    let entries = Entries { documents: of_set(&vendor.set(18, NOW), 18), platforms, ..Entries::default() };
    let error = vendor.examine(&entries, &Shelf::default(), NOW).accept().unwrap_err();
    assert_eq!(error, BundleError::ListsMissing { lists: vec!["intel/pck-crl/processor".to_owned()] });
}

#[test]
fn a_list_in_the_bundle_revokes_at_once() {
    let mut vendor = Vendor::new();
    let before = vendor.entries();
    let held = vendor.import(&before, &Shelf::default(), NOW).shelf;
    vendor.intel.revoke_tcb_signer();
    let documents = of_set(&vendor.set(19, NOW + DAY), 19);
    let import = vendor.import(&Entries { documents, ..Entries::default() }, &held, NOW + DAY);
    let signer = "certificate-revoked";
    assert_eq!(
        refused(&import),
        [(format!("{}@19", tcb().path()), signer), ("intel/identity/qe@19".to_owned(), signer)]
    );
    assert_eq!(import.dropped.len(), 2, "{:?}", import.dropped);
    assert!(import.shelf.get(tcb(), Selection::Number(18)).is_none());
}

#[test]
fn revoked_certificates_of_platforms_and_chips_are_refused() {
    let mut vendor = Vendor::new();
    let platform = vendor.platform();
    vendor.intel.revoke_pck(&platform);
    vendor.amd.revoke_intermediate(Product::Milan, VekKind::Vcek);
    let chip = |vendor: &mut Vendor, kind| {
        vendor.amd.chip(&ChipSpec::new(Product::Milan, kind), NOW).unwrap().vek().to_vec()
    };
    let veks = vec![chip(&mut vendor, VekKind::Vcek), chip(&mut vendor, VekKind::Vlek)];
    let mut documents = of_set(&vendor.set(18, NOW), 18);
    documents.push(amd_list(&vendor.amd, NOW));
    let platforms = vec![platform_entry(&platform)];
    let import = vendor.import(&Entries { documents, veks, platforms }, &Shelf::default(), NOW);
    let codes: Vec<_> = import.refused.iter().map(|entry| entry.error.code()).collect();
    assert_eq!(codes, ["certificate-revoked"; 2], "{:?}", import.refused);
    assert_eq!((import.veks.len(), import.platforms.len()), (1, 0), "the other authority is not revoked");
}

#[test]
fn nothing_goes_backwards() {
    let vendor = Vendor::new();
    let of = |number, issue| Entries {
        documents: of_set(&vendor.set(number, issue), number),
        ..Entries::default()
    };
    let (older, newer, lower) = (of(18, NOW), of(18, NOW + DAY), of(17, NOW + 2 * DAY));
    let held = vendor.import(&newer, &Shelf::default(), NOW + DAY).shelf;
    let examined = vendor.examine(&older, &held, NOW + DAY);
    let codes: Vec<_> = examined.import().refused.iter().map(|entry| entry.error.code()).collect();
    assert_eq!(codes, ["older-document"; 4]);
    assert_eq!(examined.accept().unwrap_err(), BundleError::NothingTaken);
    let import = vendor.import(&lower, &held, NOW + 2 * DAY);
    let codes: Vec<_> = import.refused.iter().map(|entry| entry.error.code()).collect();
    assert_eq!(codes, ["evaluation-went-back"; 2], "the track stays where it is");
    let standing = import.shelf.get(tcb(), Selection::default()).unwrap();
    assert_eq!(standing.document.evaluation_number, Some(18));
}

/// How one entry is changed, and what it is refused with.
#[test]
fn each_entry_is_verified_again() {
    let mut vendor = Vendor::new();
    let entries = vendor.entries();
    let place = entries.documents.iter().position(|entry| entry.path == tcb().path()).unwrap();
    type Change = fn(&mut DocumentEntry);
    let rows: [(&str, Change); 8] = [
        ("other-evaluation-number", |entry| entry.number = Some(19)),
        ("entry-number", |entry| (entry.number, entry.tracks) = (None, vec![])),
        ("other-subject", |entry| entry.path = "intel/sgx-tcb/000000000000".to_owned()),
        ("other-subject", |entry| entry.path = entry.path.replace("sgx", "tdx")),
        ("unknown-subject", |entry| entry.path = "intel/policy/x".to_owned()),
        ("no-chain", |entry| entry.raw.chain = None),
        ("too-large", |entry| entry.raw.body = vec![b' '; 300_000].into()),
        ("collateral-signature", |entry| {
            let text = String::from_utf8(entry.raw.body.to_vec()).unwrap();
            entry.raw.body = text.replacen("UpToDate", "Upt0Date", 1).into();
        }),
    ];
    for (code, change) in rows {
        let mut changed = entries.clone();
        change(&mut changed.documents[place]);
        let import = vendor.import(&changed, &Shelf::default(), NOW);
        let label = changed.documents[place].label();
        assert_eq!(refused(&import), [(label, code)], "{code}");
        assert_eq!(import.taken.len(), 6);
    }
    let stranger = Vendor::new();
    let examined = stranger.examine(&entries, &Shelf::default(), NOW);
    let codes: Vec<_> = examined.import().refused.iter().map(|entry| entry.error.code()).collect();
    assert!(codes.contains(&"untrusted-root") && codes.contains(&"collateral-signature"), "{codes:?}");
    assert!(!examined.import().taken.iter().any(|entry| entry.path.starts_with("intel/")));
}

#[test]
fn certificates_have_dates_too() {
    let mut vendor = Vendor::new();
    let entries = vendor.entries();
    let early = vendor.examine(&entries, &Shelf::default(), NOW - 400 * DAY);
    let codes: Vec<_> = early.import().refused.iter().map(|entry| entry.error.code()).collect();
    assert_eq!(early.import().taken, []);
    assert_eq!(codes.iter().filter(|code| **code == "certificate-not-yet-valid").count(), 2, "{codes:?}");
}

#[test]
fn a_folder_travels() {
    let mut vendor = Vendor::new();
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = |name: &str, bytes: &[u8]| fs::write(from.path().join(name), bytes).unwrap();
    write("old.json", &serde_json::to_vec(&vendor.set(18, NOW - DAY)).unwrap());
    let mut spec = CollateralSpec::for_platform(&PlatformSpec::new(Ca::Processor, TcbStatus::UpToDate));
    (spec.issue, spec.evaluation_number) = (Some(NOW), 18);
    write("new.json", &serde_json::to_vec(&vendor.intel.collateral(&spec, NOW).unwrap()).unwrap());
    let chip = vendor.amd.chip(&ChipSpec::new(Product::Milan, VekKind::Vcek), NOW).unwrap();
    write("vek.der", chip.vek());
    write("milan.crl", &vendor.amd.crl(Product::Milan, NOW).unwrap());

    let anchors = vendor.anchors();
    let terms = Terms { anchors: &anchors, cache: &vendor.cache, now: UnixTime(NOW), source: "test" };
    let open = |dir: &Path| {
        let folder = CollateralFolder::open(vec![dir.to_owned()], anchors.clone());
        assert_eq!(folder.reload().problems, []);
        folder
    };
    let source = open(from.path());
    let gathered = gather(&source, &terms);
    assert_eq!(gathered.refused, []);
    let labels: Vec<String> = gathered.entries.documents.iter().map(DocumentEntry::label).collect();
    let family = |ca: Ca| format!("intel/sgx-tcb/{}@18", hex::encode(ca.simulated_fmspc()));
    let mut expected = vec!["amd/vcek-crl/milan".to_owned(), "intel/identity/qe@18".to_owned()];
    expected
        .extend(["intel/pck-crl/platform", "intel/pck-crl/processor", "intel/root-crl"].map(str::to_owned));
    expected.extend([family(Ca::Platform), family(Ca::Processor)]);
    expected.sort();
    assert_eq!(labels, expected);

    let import = vendor.import(&gathered.entries, &Shelf::default(), NOW);
    let imported = Imported::default().after("signer", 7, &import);
    assert_eq!((imported.last_sequence("signer"), imported.last_sequence("other")), (Some(7), None));
    let text = imported.write().unwrap();
    assert!(Imported::is_one(text.as_bytes()) && !Imported::is_one(b"{}"));
    assert_eq!(Imported::read(text.as_bytes()).unwrap(), imported);
    fs::write(to.path().join(Imported::FILE_NAME), &text).unwrap();

    let target = open(to.path());
    for (ca, kind) in [(Ca::Platform, PckCa::Platform), (Ca::Processor, PckCa::Processor)] {
        let key = PlatformKey { fmspc: ca.simulated_fmspc(), ca: kind };
        let (before, after) = (source.find(&key).unwrap(), target.find(&key).unwrap());
        assert_eq!(before.tcb_info, after.tcb_info);
        assert_eq!(after.evaluation_number(), 18);
    }
    assert_eq!((target.vek_count(), target.amd_crls().len()), (1, 1));
    // From one isolated machine to the next it is still the same.
    let relayed = gather(&target, &terms);
    assert_eq!((relayed.entries, relayed.refused), (gathered.entries, vec![]));
    let (shelf, lost) = imported.shelf(&terms);
    assert_eq!((shelf.len(), lost), (7, vec![]));
}

#[test]
fn the_standard_track_is_what_a_folder_serves() {
    let vendor = Vendor::new();
    let mut documents = of_set(&vendor.set(18, NOW), 18);
    let mut early = of_set(&vendor.set(19, NOW), 19).split_off(2);
    early.iter_mut().for_each(|entry| entry.tracks = vec![Track::Early]);
    documents.extend(early);
    let import = vendor.import(&Entries { documents, ..Entries::default() }, &Shelf::default(), NOW);
    let imported = Imported::default().after("s", 1, &import);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("imported.json"), imported.write().unwrap()).unwrap();
    let folder = CollateralFolder::open(vec![dir.path().to_owned()], vendor.anchors());
    assert_eq!(folder.reload().problems, []);
    let inventory = folder.inventory();
    assert_eq!(inventory.len(), 1);
    assert_eq!(inventory[0].evaluation_number, 18);
    assert_eq!(folder.imported_documents().len(), 6, "the early evaluation travels along");
    let identity = Subject::Identity(Enclave::Qe);
    assert!(import.shelf.get(identity, Selection::Track(Track::Early)).is_some());
}

/// Intel's own documents, each set judged when it was new.
#[test]
fn real_documents_travel() {
    let Some(vectors) = std::env::var_os("ASSAY_VECTORS") else {
        eprintln!("SKIPPED: set ASSAY_VECTORS to the folder of real evidence to run this test");
        return;
    };
    let files = fs::read_dir(Path::new(&vectors).join("sgx")).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.to_string_lossy().ends_with(".collateral.0.json"));
    let (anchors, cache) = (TrustAnchors::vendor(), ChainCache::new(64));
    let mut travelled = 0;
    for path in files {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::copy(&path, from.path().join("set.json")).unwrap();
        let open = |dir: &Path| CollateralFolder::open(vec![dir.to_owned()], anchors.clone());
        let source = open(from.path());
        source.reload();
        let Some(entry) = source.inventory().pop() else { continue };
        let before = source.find(&entry.platform).unwrap();
        let now = before.newest_issue();
        if now > before.earliest_expiration() {
            continue;
        }
        let terms = Terms { anchors: &anchors, cache: &cache, now, source: "test" };
        let gathered = gather(&source, &terms);
        assert_eq!((gathered.entries.documents.len(), gathered.refused), (4, vec![]), "{}", path.display());
        let carried = Bundle { created: now, ..bundle(gathered.entries) }.write().unwrap();
        let carried = Bundle::read(carried.as_bytes()).unwrap();
        let import = Examination::new(&carried.entries, &Shelf::default(), &terms).accept().unwrap();
        assert_eq!((import.taken.len(), refused(&import)), (4, vec![]), "{}", path.display());
        let imported = Imported::default().after("s", 1, &import).write().unwrap();
        fs::write(to.path().join("imported.json"), imported).unwrap();
        let target = open(to.path());
        assert_eq!(target.reload().problems, []);
        let after = target.find(&entry.platform).unwrap();
        assert_eq!(
            (after.tcb_info.clone(), after.hashes.tcb_info),
            (before.tcb_info.clone(), before.hashes.tcb_info)
        );
        travelled += 1;
    }
    assert!(travelled > 0, "none of the real sets could be used");
}
