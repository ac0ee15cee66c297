//! The simulated vendors of `--dev` in the same process.

use assay_silicon::amd::{self, Amd, ChipSpec};
use assay_silicon::intel::{Ca, Intel, PlatformSpec, Registration};
use assay_verify::UnixTime;

use super::*;
use crate::config::{CollateralMode, Overrides};
use crate::dev::DevFolder;

const NOW: i64 = 1_780_000_000;
/// Of simulated servers.
const SERVERS: [u8; 6] = [0x53, 0x49, 0x4d, 0, 0, 2];

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn silicon(&self) -> std::path::PathBuf {
        DevFolder::new(self.folder.path()).silicon()
    }

    fn config(&self) -> Config {
        let data_dir = Some(self.folder.path().to_owned());
        let overrides = Overrides { dev: true, data_dir, ..Overrides::default() };
        Config::from_text(None, "", [], &overrides).unwrap()
    }

    fn chain(&self) -> Chain {
        build(&self.config(), &Clock::fixed_offset(UnixTime(NOW)), &sequences()).unwrap()
    }
}

fn milan_list() -> Wanted {
    amd_crl(SigningKey::Vcek)
}

#[tokio::test]
async fn everything_of_intels_is_answered() {
    let world = World::new();
    let chain = world.chain();
    let tcb_info = |tee| Subject::TcbInfo { tee, fmspc: SERVERS };
    let subjects = [
        tcb_info(Tee::Sgx),
        tcb_info(Tee::Tdx),
        Subject::Identity(Enclave::Qe),
        Subject::Identity(Enclave::TdQe),
        Subject::EvaluationNumbers(Tee::Sgx),
        Subject::PckCrl(PckCa::Platform),
        Subject::RootCrl,
    ];
    for subject in subjects {
        let wanted = Wanted::Document(subject, Selection::default());
        let found = chain.ask(&wanted, stranger(1), |_, fetched| Ok(fetched)).await.unwrap();
        assert_eq!(found.source, "simulated", "{subject}");
        let Fetched::Document(raw) = found.value else { panic!("{subject}") };
        assert!(!raw.body.is_empty());
        assert_eq!(raw.chain.is_none(), subject == Subject::RootCrl, "{subject}");
    }
    let Ok(Fetched::Families(families)) = ask(&chain, &Wanted::Families).await else { panic!() };
    assert!(families.iter().any(|family| family.fmspc == SERVERS));
    assert_eq!(
        ask(&chain, &self::tcb_info()).await,
        Err(UpstreamError::Unknown { status: 404, detail: None })
    );
}

#[tokio::test]
async fn platforms_that_are_made_later_are_found() {
    let world = World::new();
    let chain = world.chain();
    let spec = PlatformSpec::new(Ca::Platform, assay_silicon::intel::TcbStatus::UpToDate);
    let made = Intel::enroll(&world.silicon(), &spec, Registration::Direct, NOW).unwrap().pck_id(false);
    let wanted = |encrypted_ppid: Vec<u8>| {
        let id = PlatformId { qe_id: [1; 16], pce_id: [0, 0] };
        let encrypted_ppid = Some(encrypted_ppid);
        Wanted::Pcks(PckRequest { id, encrypted_ppid, manifest: None, raw_tcb: None })
    };
    let Ok(Fetched::Pcks(pcks)) = ask(&chain, &wanted(made.encrypted_ppid)).await else { panic!() };
    assert!(!pcks.certificates.is_empty());
    let other = ask(&chain, &wanted(vec![7; 384])).await;
    assert!(matches!(other, Err(UpstreamError::Unknown { .. })), "{other:?}");
}

#[tokio::test]
async fn questions_make_no_authorities_of_amds() {
    let world = World::new();
    let chain = world.chain();
    let unknown = Err(UpstreamError::Unknown { status: 404, detail: None });
    assert_eq!(ask(&chain, &milan_list()).await, unknown);
    assert_eq!(ask(&chain, &vcek(1)).await, unknown);
    assert_eq!(Amd::load(&world.silicon()).unwrap().map(|amd| amd.authorities().len()), None);
    // Somebody simulates a chip, and nothing keeps the answers of before.
    let make = |amd: &mut Amd| amd.chip(&ChipSpec::default(), NOW);
    let (made, _) = Amd::update(&world.silicon(), NOW, make).unwrap();
    let list = ask(&chain, &milan_list()).await.unwrap();
    let midnight = NOW - NOW.rem_euclid(24 * 60 * 60);
    let expected = made.crl(amd::Product::Milan, midnight).unwrap();
    let Fetched::Document(raw) = list else { panic!() };
    // Signatures of the same bytes by the same key differ; everything before them does not.
    let size = expected.len() - 512;
    assert_eq!(raw.body[..size], expected[..size]);
}

#[test]
fn they_are_there_only_under_dev_and_not_offline() {
    let world = World::new();
    let offline = |mut config: Config| {
        config.collateral.mode = CollateralMode::Offline;
        config
    };
    let without = [Config { dev: false, ..world.config() }, offline(world.config())];
    for config in without {
        assert!(build(&config, &Clock::system(), &sequences()).unwrap().is_empty());
    }
}

#[tokio::test]
async fn answers_have_a_limit_in_this_process_too() {
    let world = World::new();
    let vendors = assay_silicon::upstream::VendorService::of_folder(&world.silicon());
    let clock = Clock::fixed_offset(UnixTime(NOW));
    let way = exchange::Way::Simulated(crate::simulated_vendors::InProcess::new(vendors, clock.clone()));
    let exchange = Exchange { way, timeout: std::time::Duration::from_secs(1), clock, unknown: pcs::UNKNOWN };
    let ask = |limit| exchange.ask(exchange::Question::get("/IntelSGXRootCA.der", limit));
    let size = ask(4096).await.unwrap().body.len();
    assert_eq!(ask(size).await.unwrap().body.len(), size);
    let smaller = ask(size - 1).await.map(|answer| answer.body);
    assert_eq!(smaller, Err(bad(&format!("it is larger than {} bytes", size - 1))));
}
