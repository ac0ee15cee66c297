//! Signed bundles: whose are taken, in which order, and that an import happens as a whole or not at all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use assay_collateral::CollateralFolder;
use assay_collateral::bundle::{Bundle, Entries, Imported, Terms, gather};
use assay_service::bundle::{
    PinnedSigner, SKEW, SignedBundleError, TYPE, import, open, public_jwk, read_key, sign, thumbprint,
    write_key,
};
use assay_silicon::intel::{CollateralSpec, Intel};
use assay_token::{
    Algorithm, Expectations, Header, Jwk, Jwks, Signer, SoftwareKey, base64url, issue, open_policy_jws,
    verify,
};
use assay_verify::cache::ChainCache;
use assay_verify::{AnchorOrigin, TrustAnchors, UnixTime};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

fn key(algorithm: Algorithm) -> SoftwareKey {
    SoftwareKey::generate(algorithm).unwrap()
}

fn pin(key: &SoftwareKey) -> PinnedSigner {
    PinnedSigner::from_jwk(public_jwk(key.public_key()).as_bytes()).unwrap()
}

fn bundle(sequence: u64, created: i64, entries: Entries) -> Bundle {
    Bundle { issuer: "test".to_owned(), sequence, created: UnixTime(created), entries }
}

fn empty() -> Bundle {
    bundle(5, NOW, Entries::default())
}

fn open_at(file: &str, key: &SoftwareKey, last: Option<u64>, now: i64) -> Result<Bundle, SignedBundleError> {
    open(file, &pin(key), last, UnixTime(now))
}

fn code(result: Result<Bundle, SignedBundleError>) -> &'static str {
    let error = result.unwrap_err();
    assert!(!error.help().is_empty());
    error.code()
}

#[test]
fn what_the_pinned_key_signed_is_opened() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384] {
        let key = key(algorithm);
        let file = sign(&empty(), &key).unwrap();
        assert_eq!(open_at(&file, &key, None, NOW), Ok(empty()));
        assert_eq!(open_at(&format!("\n{file}\n"), &key, Some(4), NOW), Ok(empty()));
    }
    assert_eq!(sign(&empty(), &key(Algorithm::Rs256)), Err(SignedBundleError::KeyType));
}

#[test]
fn nobody_elses_bundle_is() {
    let (ours, theirs) = (key(Algorithm::Es256), key(Algorithm::Es256));
    let file = sign(&empty(), &theirs).unwrap();
    assert_eq!(code(open_at(&file, &ours, None, NOW)), "bundle-other-signer");
    // One that claims to be ours.
    let kid = thumbprint(ours.public_key());
    let header = Header { kid: &kid, jku: "", typ: TYPE, x5c: &[] };
    let forged = issue(&header, &empty().write().unwrap(), &theirs).unwrap();
    assert_eq!(code(open_at(&forged, &ours, None, NOW)), "token-bad-signature");
}

#[test]
fn every_changed_character_is_noticed() {
    let key = key(Algorithm::Es256);
    let file = sign(&empty(), &key).unwrap();
    for place in 0..file.len() {
        let mut bytes = file.clone().into_bytes();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(open_at(&changed, &key, None, NOW).is_err(), "at {place}");
    }
    let (rest, _) = file.rsplit_once('.').unwrap();
    assert_eq!(code(open_at(&format!("{rest}."), &key, None, NOW)), "token-signature-missing");
    let unsigned = json!({ "alg": "none", "kid": thumbprint(key.public_key()), "typ": TYPE }).to_string();
    let unsigned = base64url::encode(unsigned.as_bytes());
    let payload = rest.split_once('.').unwrap().1;
    assert_eq!(code(open_at(&format!("{unsigned}.{payload}."), &key, None, NOW)), "token-unsecured");
}

#[test]
fn no_token_passes_as_a_bundle_and_no_bundle_as_a_token() {
    let key = key(Algorithm::Es256);
    let kid = thumbprint(key.public_key());
    let content = empty().write().unwrap();
    // Even with a bundle's content: only the type tells.
    let token = issue(&Header::jwt(&kid, ""), &content, &key).unwrap();
    assert_eq!(open_at(&token, &key, None, NOW), Err(SignedBundleError::Type { found: "JWT".to_owned() }));
    let file = sign(&empty(), &key).unwrap();
    let jwk = Jwk::new(&kid, key.public_key().clone(), Algorithm::Es256, vec![]).unwrap();
    let expectations = Expectations::at(u64::try_from(NOW).unwrap());
    let errors = verify(&file, &Jwks::new(vec![jwk]), &expectations).unwrap_err();
    assert_eq!(errors.iter().map(|error| error.code()).collect::<Vec<_>>(), ["token-claim-missing"]);
    let policy = open_policy_jws(&file, &assay_token::Limits::default()).unwrap();
    assert_eq!(policy.verify_signature().unwrap_err().code(), "token-certificate-missing");
}

/// A sequence, the last one, and whether it is taken.
#[test]
fn a_sequence_only_rises() {
    let key = key(Algorithm::Es256);
    for (sequence, last, taken) in [
        (0, None, true),
        (1, Some(0), true),
        (5, Some(5), false),
        (4, Some(5), false),
        (u64::MAX, Some(5), true),
    ] {
        let file = sign(&bundle(sequence, NOW, Entries::default()), &key).unwrap();
        let opened = open_at(&file, &key, last, NOW);
        assert_eq!(opened.is_ok(), taken, "{sequence} after {last:?}");
        if let (Err(error), Some(last)) = (opened, last) {
            assert_eq!(error, SignedBundleError::Sequence { last, found: sequence });
        }
    }
}

#[test]
fn a_bundle_of_the_future_is_refused() {
    let key = key(Algorithm::Es256);
    let file = sign(&empty(), &key).unwrap();
    assert!(open_at(&file, &key, None, NOW - SKEW).is_ok());
    let error = open_at(&file, &key, None, NOW - SKEW - 1).unwrap_err();
    let (created, now) = (UnixTime(NOW), UnixTime(NOW - SKEW - 1));
    assert_eq!(error, SignedBundleError::FromFuture { created, now });
}

#[test]
fn only_a_public_key_of_the_right_type_can_be_pinned() {
    let key = key(Algorithm::Es256);
    let jwk: Value = serde_json::from_str(&public_jwk(key.public_key())).unwrap();
    let with = |name: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        PinnedSigner::from_jwk(jwk.to_string().as_bytes()).map_err(|error| error.code())
    };
    assert_eq!(with("use", json!("sig")).unwrap().name(), thumbprint(key.public_key()));
    assert_eq!(with("d", json!("AA")), Err("bundle-key"));
    assert_eq!(with("use", json!("enc")), Err("bundle-key"));
    assert_eq!(with("x", jwk["y"].clone()), Err("bundle-key"), "no point of the curve");
    let rsa = public_jwk(SoftwareKey::generate(Algorithm::Rs256).unwrap().public_key());
    assert_eq!(PinnedSigner::from_jwk(rsa.as_bytes()), Err(SignedBundleError::KeyType));
    assert_eq!(PinnedSigner::from_jwk(b"[]").unwrap_err().code(), "bundle-key");
}

/// RFC 7638, section 3.1, does it for RSA; the members and their order are what matters.
#[test]
fn the_thumbprint_is_that_of_the_standard() {
    let key = key(Algorithm::Es256);
    let members = key.public_key().jwk_members();
    let text = format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":{},\"y\":{}}}", members["x"], members["y"]);
    assert_eq!(thumbprint(key.public_key()), base64url::encode(&assay_token::sha256(text.as_bytes())));
}

#[test]
fn a_key_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let public = write_key(&path).unwrap();
    assert_eq!(read_key(&path).unwrap().public_key(), &public);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&path).unwrap();
    assert_eq!(write_key(&path).unwrap_err().code(), "bundle-file", "never written over");
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(read_key(&path).unwrap_err().code(), "bundle-file");
    let other = folder.path().join("other.pem");
    fs::write(&other, "hello").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(read_key(&other).unwrap_err().code(), "bundle-key");
}

/// A connected machine with collateral, and an isolated one.
struct Two {
    intel: Intel,
    key: SoftwareKey,
    cache: ChainCache,
    to: tempfile::TempDir,
}

impl Two {
    fn new() -> Self {
        let (intel, to) = (Intel::generate(NOW).unwrap(), tempfile::tempdir().unwrap());
        Self { intel, key: key(Algorithm::Es256), cache: ChainCache::new(8), to }
    }

    fn anchors(&self) -> TrustAnchors {
        TrustAnchors::vendor().with_intel_root(self.intel.root_public_key(), AnchorOrigin::Simulated)
    }

    fn entries(&self, number: u32, issue: i64) -> Entries {
        let from = tempfile::tempdir().unwrap();
        let spec =
            CollateralSpec { evaluation_number: number, issue: Some(issue), ..CollateralSpec::default() };
        let set = serde_json::to_vec(&self.intel.collateral(&spec, issue).unwrap()).unwrap();
        fs::write(from.path().join("set.json"), set).unwrap();
        let anchors = self.anchors();
        let folder = CollateralFolder::open(vec![from.path().to_owned()], anchors.clone());
        folder.reload();
        let now = UnixTime(issue);
        gather(&folder, &Terms { anchors: &anchors, cache: &self.cache, now, source: "folder" }).entries
    }

    fn import(&self, bundle: &Bundle, now: i64) -> Result<usize, &'static str> {
        let file = sign(bundle, &self.key).unwrap();
        self.import_file(&file, now)
    }

    fn import_file(&self, file: &str, now: i64) -> Result<usize, &'static str> {
        let anchors = self.anchors();
        let now = UnixTime(now);
        let terms = Terms { anchors: &anchors, cache: &self.cache, now, source: "bundle" };
        let imported = import(file, &pin(&self.key), self.to.path(), &terms);
        imported.map(|imported| imported.import.taken.len()).map_err(|error| error.code())
    }

    fn file(&self) -> std::path::PathBuf {
        self.to.path().join(Imported::FILE_NAME)
    }

    fn served(&self) -> Option<u32> {
        let folder = CollateralFolder::open(vec![self.to.path().to_owned()], self.anchors());
        assert_eq!(folder.reload().problems, []);
        folder.inventory().first().map(|entry| entry.evaluation_number)
    }
}

#[test]
fn imports_build_on_each_other() {
    let two = Two::new();
    assert_eq!(two.import(&bundle(1, NOW, two.entries(18, NOW)), NOW), Ok(4));
    assert_eq!(two.served(), Some(18));
    let next = bundle(2, NOW + DAY, two.entries(19, NOW + DAY));
    assert_eq!(two.import(&next, NOW + DAY), Ok(4));
    assert_eq!(two.served(), Some(19));
    assert_eq!(two.import(&next, NOW + DAY), Err("bundle-sequence"));
    let imported = Imported::read(&fs::read(two.file()).unwrap()).unwrap();
    assert_eq!(imported.last_sequence(&thumbprint(two.key.public_key())), Some(2));
    assert_eq!(imported.entries().documents.len(), 6, "the former evaluation stays");
}

/// Certificates of chips are in it.
#[test]
fn what_is_imported_is_for_the_owner_of_the_folder_alone() {
    let two = Two::new();
    let (root, service) = (0, 1234);
    // Only root can give files away, and whoever is not root owns the folder already.
    let is_root = fs::metadata(two.to.path()).unwrap().uid() == root;
    if is_root {
        chown(two.to.path(), Some(service), Some(service)).unwrap();
    }
    two.import(&bundle(1, NOW, two.entries(18, NOW)), NOW).unwrap();
    let file = fs::metadata(two.file()).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    assert_eq!(file.uid(), fs::metadata(two.to.path()).unwrap().uid());
}

#[test]
fn a_refused_bundle_leaves_everything_as_it_was() {
    let two = Two::new();
    two.import(&bundle(1, NOW, two.entries(18, NOW)), NOW).unwrap();
    let before = fs::read(two.file()).unwrap();
    let mut incomplete = two.entries(19, NOW + DAY);
    incomplete.documents.retain(|entry| entry.path != "intel/root-crl");
    let later = NOW + DAY;
    assert_eq!(two.import(&bundle(2, later, incomplete), later), Err("bundle-lists-missing"));
    assert_eq!(two.import(&bundle(3, later, Entries::default()), later), Err("bundle-nothing-usable"));
    assert_eq!(
        two.import(&bundle(4, later + 2 * SKEW, two.entries(19, later)), later),
        Err("bundle-from-future")
    );
    assert_eq!(two.import_file("a.b.c", later), Err("token-base64"));
    assert_eq!(fs::read(two.file()).unwrap(), before);
    // The sequences of refused bundles are not remembered.
    assert_eq!(two.import(&bundle(2, later, two.entries(19, later)), later), Ok(4));
}

#[test]
fn what_a_killed_import_leaves_is_not_read() {
    let two = Two::new();
    two.import(&bundle(1, NOW, two.entries(18, NOW)), NOW).unwrap();
    // Killed while it wrote: the new content stands beside the old one, cut off.
    let partial = two.to.path().join("imported.json.partial");
    let text = fs::read_to_string(two.file()).unwrap();
    fs::write(&partial, &text[..text.len() / 2]).unwrap();
    assert_eq!(two.served(), Some(18));
    let later = NOW + DAY;
    assert_eq!(two.import(&bundle(2, later, two.entries(19, later)), later), Ok(4));
    assert_eq!((two.served(), partial.exists()), (Some(19), false));
}

#[test]
fn without_what_came_before_nothing_is_taken() {
    let two = Two::new();
    two.import(&bundle(1, NOW, two.entries(18, NOW)), NOW).unwrap();
    fs::write(two.file(), "{}").unwrap();
    assert_eq!(two.import(&bundle(2, NOW, two.entries(19, NOW)), NOW), Err("bundle-left-unreadable"));
    assert_eq!(fs::read_to_string(two.file()).unwrap(), "{}");
}

#[test]
fn a_folder_is_made_where_there_is_none() {
    let mut two = Two::new();
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("a").join("b");
    fs::create_dir_all(&inner).unwrap();
    two.to = tempfile::tempdir_in(&inner).unwrap();
    fs::remove_dir(two.to.path()).unwrap();
    assert_eq!(two.import(&bundle(1, NOW, two.entries(18, NOW)), NOW), Ok(4));
    assert!(Path::new(&two.file()).is_file());
}
