//! One service, its store, and the simulated vendors over TLS.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use assay_silicon::amd;
use assay_silicon::intel::{Intel, PckId, PlatformSpec, TcbStatus};
use assay_silicon::upstream::{FaultOrder, VendorRequest, VendorService};
use assay_store::{Digest, StoreError};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

use super::table::{Kind, Trouble};
use super::*;
use crate::dev::server_certificate;
use crate::identity::platforms::Registration;
use crate::server::{Listener, ServerCertificate};
use crate::simulated_vendors::SimulatedVendors;
use crate::upstream;

const NOON: &str = "2026-11-01T12:00:00Z";
/// Simulated servers.
const FAMILY: &str = "53494D000002";
/// How long an upstream may take here, and how much longer a slow one does.
const TIMEOUT_SECONDS: u64 = 30;
const SLOW_MS: u32 = 3_600_000;
/// Longer than an upstream is left alone that says nothing.
const REST: Duration = Duration::from_secs(45);
/// Longer than a question that failed is not asked again.
const PAUSE: i64 = 120;

/// Vendors, a platform and a chip: made once, as keys of AMD's take seconds.
pub(super) struct Ground {
    folder: TempDir,
    certificate: (PathBuf, PathBuf),
    platform: PckId,
    chip: String,
}

impl Ground {
    pub(super) fn make() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let now = UnixTime::parse_rfc3339(NOON).unwrap().0;
        let silicon = DevFolder::new(folder.path()).silicon();
        std::fs::create_dir_all(&silicon).unwrap();
        let mut spec = PlatformSpec::with_status(TcbStatus::UpToDate);
        // The update that the newest evaluation asks for.
        spec.cpu_svn_components[0] += 1;
        spec.cpu_svn_components[1] += 1;
        let direct = assay_silicon::intel::Registration::Direct;
        // Authorities that were there before anything that is issued here.
        Intel::load_or_generate(&silicon, now - 100 * DAY).unwrap();
        let platform = Intel::enroll(&silicon, &spec, direct, now).unwrap().pck_id(false);
        let guest = amd::simulate(&silicon, &amd::SimulateOptions::default(), now).unwrap();
        // Every authority that any answer needs, also wrong ones.
        for path in ["/vcek/v1/Genoa/crl", "/vlek/v1/Milan/crl", "/vlek/v1/Genoa/crl"] {
            let answer = VendorService::of_folder(&silicon).answer(&VendorRequest::get(path, ""), now);
            assert_eq!(answer.status, 200, "{path}");
        }
        let certificate = server_certificate(folder.path()).unwrap();
        let chip = super::super::amd::name_for(&Self::anchors(&folder), &guest.vek).path();
        Self { folder, certificate, platform, chip }
    }

    fn config(folder: &TempDir, upstreams: &str) -> Config {
        let overrides =
            Overrides { dev: true, data_dir: Some(folder.path().to_owned()), ..Overrides::default() };
        let config = Config::from_text(None, upstreams, [], &overrides).unwrap();
        // Without the simulated vendors in this process, who would answer in the place of those over TLS.
        Config { dev: true, ..config }
    }

    fn anchors(folder: &TempDir) -> assay_verify::TrustAnchors {
        let clock = Clock::fixed_offset(UnixTime::parse_rfc3339(NOON).unwrap());
        let trust = TrustHolder::open(&Self::config(folder, ""), &clock).unwrap();
        trust.current().anchors.clone()
    }
}

/// A service and its vendors.
pub(super) struct Scene<'g> {
    ground: &'g Ground,
    vendors: Arc<VendorService>,
    clock: Clock,
    store: Arc<MemoryStore>,
    address: SocketAddr,
    /// What the vendors do wrong now.
    order: Option<String>,
    serving: Option<JoinHandle<()>>,
    /// Of the port while nobody listens on it, so that nobody else does.
    reserved: Option<TcpSocket>,
    pub(super) identity: Arc<HardwareIdentity>,
}

impl<'g> Scene<'g> {
    pub(super) async fn start(ground: &'g Ground) -> Self {
        let clock = Clock::fixed_offset(UnixTime::parse_rfc3339(NOON).unwrap());
        let silicon = DevFolder::new(ground.folder.path()).silicon();
        let reserved = reserve("127.0.0.1:0".parse().unwrap());
        let address = reserved.local_addr().unwrap();
        let store = Arc::new(MemoryStore::new());
        let mut scene = Self {
            ground,
            vendors: Arc::new(VendorService::of_folder(&silicon)),
            identity: identity(ground, address, &store, &clock),
            clock,
            store,
            address,
            order: None,
            serving: None,
            reserved: Some(reserved),
        };
        scene.open();
        scene
    }

    /// Serves on the reserved port.
    fn open(&mut self) {
        let Some(socket) = self.reserved.take() else { return };
        let listener = Listener::of(socket.listen(64).unwrap());
        let (certificate, key) = &self.ground.certificate;
        let certificate = ServerCertificate::load(certificate, key).unwrap();
        let vendors = SimulatedVendors::new(Arc::clone(&self.vendors), self.clock.clone());
        self.serving = Some(tokio::spawn(async move {
            vendors.serve(listener, &certificate, std::future::pending()).await.unwrap();
        }));
    }

    /// Nobody listens there any more.
    async fn shut(&mut self) {
        let Some(serving) = self.serving.take() else { return };
        serving.abort();
        let _ = serving.await;
        self.reserved = Some(reserve(self.address));
    }

    /// The trouble begins, for this kind alone.
    pub(super) async fn strike(&mut self, trouble: Trouble, kind: Kind) {
        let path = kind.vendor_path(self.ground).0;
        let order = match trouble {
            Trouble::Vendor(assay_silicon::upstream::Fault::Slow) | Trouble::Killed => {
                format!("slow={SLOW_MS}@{path}")
            }
            Trouble::Vendor(fault) => format!("{fault}@{path}"),
            Trouble::ConnectionRefused => return self.shut().await,
            Trouble::DiskFull => return self.store.refuse_writes(Some(StoreError::Full)),
        };
        self.order = Some(order);
        self.place_order();
        // Vendors that nobody trusts are made when they are first asked, which takes seconds.
        let (path, query) = kind.vendor_path(self.ground);
        let _ = self.vendors.answer(&VendorRequest::get(&path, &query), self.clock.now().0);
    }

    fn place_order(&self) {
        self.vendors.order(self.order.iter().map(|order| order.parse::<FaultOrder>().unwrap()).collect());
    }

    /// The trouble is over.
    pub(super) fn calm(&mut self) {
        self.order = None;
        self.place_order();
        self.store.refuse_writes(None);
        self.open();
    }

    /// Time goes by, for the service, its vendors, and what waits in the service.
    pub(super) async fn pass(&self, seconds: i64) {
        self.clock.advance(seconds);
        advance(REST).await;
    }

    /// As long as nobody asks again.
    pub(super) async fn rest(&self) {
        self.pass(PAUSE).await;
    }

    /// What the service needs beside this kind, so that nothing else is asked for.
    pub(super) async fn prepare(&self, kind: Kind) {
        if kind.subject() != Some(Subject::RootCrl) {
            self.identity.library.bring(Subject::RootCrl, Selection::default()).await;
        }
        if kind == Kind::PckCertificates {
            for subject in [Kind::SgxTcbInfo, Kind::PlatformCrl].map(|kind| kind.subject().unwrap()) {
                self.identity.library.bring(subject, Selection::default()).await;
            }
            self.identity.platforms.remember(self.registration()).await.unwrap();
        }
    }

    fn registration(&self) -> Registration {
        let PckId { encrypted_ppid, pce_id, cpu_svn, pce_svn, qe_id, .. } = self.ground.platform.clone();
        let raw_tcb = Some(assay_collateral::pck::RawTcb { cpu_svn, pce_svn });
        let id = assay_collateral::pck::PlatformId { qe_id, pce_id };
        Registration { id, encrypted_ppid: Some(encrypted_ppid), manifest: None, raw_tcb }
    }

    /// Asks as a client does.
    pub(super) async fn get(&self, kind: Kind) -> Reply {
        self.patiently(get(&self.identity, &kind.url(self.ground))).await
    }

    /// Waits, and has the time go by where the vendor is slow.
    async fn patiently<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let is_slow = self.order.as_deref().is_some_and(|order| order.starts_with("slow"));
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(Duration::from_millis(20)), if is_slow => {
                    advance(Duration::from_secs(TIMEOUT_SECONDS)).await;
                }
            }
        }
    }

    /// Asks for it anew, as the refresh does.
    pub(super) async fn refresh(&self, kind: Kind) {
        self.patiently(refresh(&self.identity, kind)).await;
    }

    /// Somebody who may says again which platform it is.
    pub(super) async fn register_again(&self) {
        self.identity.platforms.register(self.registration()).await.unwrap();
    }

    /// The process ends while it asks, and another one starts on the same store. Gives whether the vendor was asked.
    pub(super) async fn kill(&mut self, kind: Kind, is_refresh: bool) -> bool {
        let (identity, url) = (Arc::clone(&self.identity), kind.url(self.ground));
        let before = asked(&identity);
        let process =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        process.spawn(async move {
            match is_refresh {
                true => refresh(&identity, kind).await,
                false => drop(get(&identity, &url).await),
            }
        });
        let mut is_asked = false;
        for _ in 0..200 {
            is_asked = asked(&self.identity) > before;
            if is_asked {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        process.shutdown_background();
        self.identity = identity_of(self);
        is_asked
    }

    /// What is stored: names and digests.
    pub(super) fn stored(&self) -> Vec<(String, Digest)> {
        let heads = self.store.heads(None, None, 1000).unwrap().items;
        heads.into_iter().map(|head| (head.name.as_str().to_owned(), head.digest)).collect()
    }

    /// What the vendor has now, when nothing is wrong.
    pub(super) fn vendors_own(&self, kind: Kind) -> Vec<u8> {
        let (path, query) = kind.vendor_path(self.ground);
        self.vendors.order(Vec::new());
        let answer = self.vendors.answer(&VendorRequest::get(&path, &query), self.clock.now().0);
        self.place_order();
        assert_eq!(answer.status, 200, "{kind:?}");
        answer.body
    }

    /// How often questions came to nothing with this code.
    pub(super) fn failed(&self, code: &str) -> u64 {
        let states = self.identity.upstream.states();
        states.filter_map(|state| state.counters.failures().get(code).copied()).sum()
    }
}

/// For what waits in this process.
async fn advance(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

async fn refresh(identity: &Arc<HardwareIdentity>, kind: Kind) {
    match kind.subject() {
        Some(subject) => identity.library.bring(subject, Selection::default()).await,
        None if kind == Kind::PckCertificates => {
            let _ = identity.platforms.refresh_all(None).await;
        }
        None => {}
    }
}

fn asked(identity: &HardwareIdentity) -> u64 {
    identity.upstream.states().map(|state| state.counters.asked.get()).sum()
}

fn reserve(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

fn identity_of(scene: &Scene<'_>) -> Arc<HardwareIdentity> {
    identity(scene.ground, scene.address, &scene.store, &scene.clock)
}

fn identity(
    ground: &Ground,
    address: SocketAddr,
    store: &Arc<MemoryStore>,
    clock: &Clock,
) -> Arc<HardwareIdentity> {
    let (port, ca) = (address.port(), DevFolder::new(ground.folder.path()).ca_certificate());
    let network = format!(
        "url = \"https://localhost:{port}\"\nca_file = {ca:?}\ntimeout_seconds = {TIMEOUT_SECONDS}\nretries = 0\n\
         requests_per_second = 1000\nburst = 1000\n"
    );
    let text = format!(
        "[egress]\nallow = [\"localhost:{port}\"]\n\
         [[collateral.upstreams]]\nkind = \"pcs\"\nroot_crl_url = \"https://localhost:{port}/IntelSGXRootCA.der\"\n{network}\
         [[collateral.upstreams]]\nkind = \"kds\"\n{network}"
    );
    let config = Ground::config(&ground.folder, &text);
    let trust = Arc::new(TrustHolder::open(&config, clock).unwrap());
    let alone = Config { dev: false, ..config };
    let foundation = Foundation {
        store: Arc::<MemoryStore>::clone(store),
        upstream: Arc::new(
            upstream::build(&alone, clock, &crate::bundle::Sequences::new(Arc::<MemoryStore>::clone(store)))
                .unwrap(),
        ),
        trust,
        cache: Arc::new(ChainCache::new(8)),
        clock: clock.clone(),
    };
    let master = Arc::new(MasterKey::from_bytes(&[7; 32]).unwrap());
    let identity = HardwareIdentity::new(foundation, master, LibraryOptions::default());
    identity.load().unwrap();
    Arc::new(identity)
}

impl Kind {
    /// Documents on the shelf; the others are kept elsewhere.
    pub(super) fn subject(self) -> Option<Subject> {
        let mut fmspc = [0; 6];
        hex::decode_to_slice(FAMILY, &mut fmspc).unwrap();
        let list = |kind| {
            let product = assay_evidence::snp::Product::Milan;
            Subject::AmdCrl(assay_collateral::subject::AmdCrlKey { product, kind })
        };
        Some(match self {
            Self::SgxTcbInfo => Subject::TcbInfo { tee: Tee::Sgx, fmspc },
            Self::TdxTcbInfo => Subject::TcbInfo { tee: Tee::Tdx, fmspc },
            Self::QeIdentity => Subject::Identity(Enclave::Qe),
            Self::TdQeIdentity => Subject::Identity(Enclave::TdQe),
            Self::QveIdentity => Subject::Identity(Enclave::Qve),
            Self::QaeIdentity => Subject::Identity(Enclave::Qae),
            Self::SgxEvaluations => Subject::EvaluationNumbers(Tee::Sgx),
            Self::TdxEvaluations => Subject::EvaluationNumbers(Tee::Tdx),
            Self::ProcessorCrl => Subject::PckCrl(PckCa::Processor),
            Self::PlatformCrl => Subject::PckCrl(PckCa::Platform),
            Self::RootCrl => Subject::RootCrl,
            Self::VcekCrl => list(assay_evidence::snp::SigningKey::Vcek),
            Self::VlekCrl => list(assay_evidence::snp::SigningKey::Vlek),
            Self::Families | Self::PckCertificates | Self::Vcek | Self::VcekChain | Self::VlekChain => {
                return None;
            }
        })
    }

    /// Whether it is asked for again once it is held: what never changes is not.
    pub(super) const fn is_refreshed(self) -> bool {
        !matches!(self, Self::Vcek | Self::VcekChain | Self::VlekChain)
    }

    /// Where the vendor has it: path and query.
    fn vendor_path(self, ground: &Ground) -> (String, String) {
        let intel = |rest: &str| format!("/sgx/certification/v4/{rest}");
        let fmspc = format!("fmspc={FAMILY}&update=standard");
        let (path, query) = match self {
            Self::SgxTcbInfo => (intel("tcb"), fmspc),
            Self::TdxTcbInfo => ("/tdx/certification/v4/tcb".to_owned(), fmspc),
            Self::QeIdentity => (intel("qe/identity"), String::new()),
            Self::TdQeIdentity => ("/tdx/certification/v4/qe/identity".to_owned(), String::new()),
            Self::QveIdentity => (intel("qve/identity"), String::new()),
            Self::QaeIdentity => (intel("qae/identity"), String::new()),
            Self::SgxEvaluations => (intel("tcbevaluationdatanumbers"), String::new()),
            Self::TdxEvaluations => {
                ("/tdx/certification/v4/tcbevaluationdatanumbers".to_owned(), String::new())
            }
            Self::Families => (intel("fmspcs"), String::new()),
            Self::ProcessorCrl => (intel("pckcrl"), "ca=processor&encoding=der".to_owned()),
            Self::PlatformCrl => (intel("pckcrl"), "ca=platform&encoding=der".to_owned()),
            Self::RootCrl => ("/IntelSGXRootCA.der".to_owned(), String::new()),
            Self::PckCertificates => (intel("pckcerts"), String::new()),
            Self::Vcek => {
                let (path, query) = ground.chip.split_once('?').unwrap();
                (path.to_owned(), query.to_owned())
            }
            Self::VcekChain => ("/vcek/v1/Milan/cert_chain".to_owned(), String::new()),
            Self::VlekChain => ("/vlek/v1/Milan/cert_chain".to_owned(), String::new()),
            Self::VcekCrl => ("/vcek/v1/Milan/crl".to_owned(), String::new()),
            Self::VlekCrl => ("/vlek/v1/Milan/crl".to_owned(), String::new()),
        };
        (path, query)
    }

    /// What a client asks this service.
    pub(super) fn url(self, ground: &Ground) -> String {
        match self {
            Self::RootCrl => path_of(Subject::RootCrl),
            Self::PckCertificates => {
                let PckId { pce_id, cpu_svn, pce_svn, qe_id, .. } = &ground.platform;
                let (qe_id, pce_id) = (hex::encode(qe_id), hex::encode(pce_id));
                let (cpu_svn, pce_svn) = (hex::encode(cpu_svn), hex::encode(pce_svn.to_le_bytes()));
                format!(
                    "/sgx/certification/v4/pckcert?qeid={qe_id}&pceid={pce_id}&cpusvn={cpu_svn}&pcesvn={pce_svn}"
                )
            }
            other => {
                let (path, query) = other.vendor_path(ground);
                format!("{path}?{query}")
            }
        }
    }
}
