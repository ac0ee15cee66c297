//! A signed bundle as an upstream.

use std::path::PathBuf;

use assay_collateral::bundle::{Bundle, DocumentEntry, Entries, PlatformEntry};
use assay_silicon::amd::{self as simulated, Amd, ChipSpec};
use assay_store::{MemoryStore, Store};
use assay_token::{Algorithm, Signer, SoftwareKey};
use assay_verify::UnixTime;
use assay_verify::snp::VekExtensions;

use super::*;
use crate::bundle::{public_jwk, sign};

const NOW: i64 = 1_800_000_000;

struct Stick {
    folder: tempfile::TempDir,
    key: SoftwareKey,
    store: Arc<dyn Store>,
}

impl Stick {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SoftwareKey::generate(Algorithm::Es256).unwrap();
        std::fs::write(folder.path().join("key.jwk"), public_jwk(key.public_key())).unwrap();
        Self { folder, key, store: Arc::new(MemoryStore::new()) }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("a.bundle")
    }

    fn write(&self, sequence: u64, created: i64, entries: Entries) {
        self.write_signed(sequence, created, entries, &self.key);
    }

    fn write_signed(&self, sequence: u64, created: i64, entries: Entries, key: &SoftwareKey) {
        let bundle = Bundle { issuer: "t".to_owned(), sequence, created: UnixTime(created), entries };
        // As a copy does that is moved into place.
        let partial = self.folder.path().join("partial");
        std::fs::write(&partial, sign(&bundle, key).unwrap()).unwrap();
        std::fs::rename(partial, self.file()).unwrap();
    }

    /// The chain of a service that just started.
    fn chain(&self) -> Chain {
        self.try_chain(NOW).unwrap()
    }

    fn try_chain(&self, now: i64) -> Result<Chain, UpstreamSetupError> {
        let dir = self.folder.path().display();
        let text = format!(
            "[collateral]\nmode = \"offline\"\n[[collateral.upstreams]]\nkind = \"bundle\"\npath = \"{dir}/a.bundle\"\nsigner = \"{dir}/key.jwk\"\n"
        );
        let overrides = crate::config::Overrides { dev: true, ..crate::config::Overrides::default() };
        let config = Config::from_text(None, &text, [], &overrides).unwrap();
        build(&config, &Clock::fixed_offset(UnixTime(now)), &Sequences::new(Arc::clone(&self.store)))
    }
}

fn tdx(body: &'static [u8]) -> Entries {
    let document = DocumentEntry {
        path: "intel/tdx-tcb/00606a0000ab".to_owned(),
        number: Some(18),
        tracks: vec![Track::Standard],
        raw: RawDocument { body: Bytes::from_static(body), chain: Some(CHAIN.to_owned()) },
    };
    Entries { documents: vec![document], ..Entries::default() }
}

fn wanted(selection: Selection) -> Wanted {
    Wanted::Document(Subject::TcbInfo { tee: Tee::Tdx, fmspc: FMSPC }, selection)
}

const NOT_IN_IT: UpstreamError = UpstreamError::Unknown { status: 404, detail: None };

async fn code(chain: &Chain, wanted: &Wanted) -> String {
    match ask(chain, wanted).await {
        Err(UpstreamError::Unavailable { problem }) => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_has_what_the_bundle_has() {
    let stick = Stick::new();
    let id = platform(1, None).id;
    let entry = PlatformEntry { id, pcks: vec!["pem".to_owned()], chain: CHAIN.to_owned() };
    stick.write(1, NOW, Entries { platforms: vec![entry], ..tdx(b"{}") });
    let chain = stick.chain();
    for selection in [Selection::default(), Selection::Number(18)] {
        assert_eq!(ask(&chain, &wanted(selection)).await, document(b"{}", Some(CHAIN)));
    }
    for absent in [
        wanted(Selection::Track(Track::Early)),
        wanted(Selection::Number(17)),
        root_crl(),
        vcek(0xab),
        Wanted::Pcks(platform(2, None)),
    ] {
        assert_eq!(ask(&chain, &absent).await, Err(NOT_IN_IT), "{absent:?}");
    }
    let pcks = RawPcks {
        certificates: vec!["pem".to_owned()],
        chain: CHAIN.to_owned(),
        incomplete: false,
        is_list: false,
    };
    assert_eq!(ask(&chain, &Wanted::Pcks(platform(1, None))).await, Ok(Fetched::Pcks(pcks)));
    assert_eq!(ask(&chain, &Wanted::Families).await, Err(UpstreamError::NotOffered));
    assert!(chain.is_local() && chain.iter().next().unwrap().problem().is_none());
}

#[tokio::test]
async fn a_vcek_is_found_by_what_it_says_of_itself() {
    let stick = Stick::new();
    let mut amd = Amd::new(NOW);
    for (sequence, product) in (1..).zip([simulated::Product::Milan, simulated::Product::Turin]) {
        let made = amd.chip(&ChipSpec { product, ..ChipSpec::default() }, NOW).unwrap();
        let der = made.vek().to_vec();
        let named = Product::from_name(product.name()).unwrap();
        let claims = VekExtensions::parse(&der, named, SigningKey::Vcek).unwrap();
        let hwid = claims.chip_id().unwrap()[..named.chip_id_size()].to_vec();
        let name = VcekName { product: named, hwid, tcb: claims.tcb };
        let veks = vec![der.clone(), b"no certificate".to_vec()];
        stick.write(sequence, NOW, Entries { veks, ..Entries::default() });
        let chain = stick.chain();
        assert_eq!(ask(&chain, &Wanted::Vcek(name.clone())).await, Ok(Fetched::Vcek(der.into())));
        let tcb = Tcb { microcode: claims.tcb.microcode ^ 1, ..claims.tcb };
        let hwid = vec![0xac; named.chip_id_size()];
        for other in [VcekName { tcb, ..name.clone() }, VcekName { hwid, ..name.clone() }] {
            assert_eq!(ask(&chain, &Wanted::Vcek(other)).await, Err(NOT_IN_IT));
        }
    }
}

#[tokio::test]
async fn a_newer_file_is_read_and_an_older_one_is_not() {
    let stick = Stick::new();
    let chain = stick.chain();
    let asked = wanted(Selection::default());
    assert!(code(&chain, &asked).await.contains("(bundle-file)"), "it may come later");
    stick.write(5, NOW, tdx(b"[5]"));
    assert_eq!(ask(&chain, &asked).await, document(b"[5]", Some(CHAIN)));
    stick.write(6, NOW, tdx(b"[6]"));
    assert_eq!(ask(&chain, &asked).await, document(b"[6]", Some(CHAIN)));
    let problem = |chain: &Chain| chain.iter().next().unwrap().problem();
    assert_eq!(problem(&chain), None);
    // An older one, or another of the same number, does not push out the one before it.
    for (sequence, body) in [(5, &b"[5]"[..]), (6, b"[other]")] {
        stick.write(sequence, NOW, tdx(body));
        assert_eq!(ask(&chain, &asked).await, document(b"[6]", Some(CHAIN)));
        assert!(problem(&chain).unwrap().contains("bundle-sequence"));
        // After a start there is nothing before it, and still no way back.
        assert!(code(&stick.chain(), &asked).await.contains("(bundle-sequence)"));
    }
    // The last one counts again: every start and every instance reads it.
    stick.write(7, NOW, tdx(b"[7]"));
    for _ in 0..2 {
        assert_eq!(ask(&stick.chain(), &asked).await, document(b"[7]", Some(CHAIN)));
    }
    std::fs::remove_file(stick.file()).unwrap();
    assert_eq!(ask(&chain, &asked).await, document(b"[6]", Some(CHAIN)), "what was read stays in memory");
}

#[tokio::test]
async fn what_others_sign_is_not_taken() {
    let stick = Stick::new();
    let asked = wanted(Selection::default());
    let other = SoftwareKey::generate(Algorithm::Es256).unwrap();
    stick.write_signed(1, NOW, tdx(b"{}"), &other);
    assert!(code(&stick.chain(), &asked).await.contains("(bundle-other-signer)"));
    stick.write(2, NOW + 1000, tdx(b"{}"));
    assert!(code(&stick.chain(), &asked).await.contains("(bundle-from-future)"));
    for (content, problem) in [("{}", "(token-part-count)"), ("\u{e4}", "(token-part-count)")] {
        std::fs::write(stick.file(), content).unwrap();
        assert!(code(&stick.chain(), &asked).await.contains(problem), "{content}");
    }
    std::fs::remove_file(stick.file()).unwrap();
    std::fs::create_dir(stick.file()).unwrap();
    assert!(code(&stick.chain(), &asked).await.contains("it is not a file"));
    // A refused bundle is not remembered as taken.
    std::fs::remove_dir(stick.file()).unwrap();
    stick.write(1, NOW, tdx(b"{}"));
    assert_eq!(ask(&stick.chain(), &asked).await, document(b"{}", Some(CHAIN)));
}

#[tokio::test]
async fn without_the_key_of_the_signer_the_service_does_not_start() {
    let stick = Stick::new();
    std::fs::write(stick.folder.path().join("key.jwk"), "{}").unwrap();
    let error = stick.try_chain(NOW).unwrap_err();
    assert_eq!(error.code(), "upstream-signer");
    assert!(error.to_string().starts_with("the upstream `bundle`: the key cannot be used"), "{error}");
    assert!(error.help().contains(".jwk"));
}
