//! The service put together: everything that a request needs, and what runs beside requests.

use std::sync::{Arc, Weak};
use std::time::Duration;

use assay_collateral::state::Schedule;
use assay_collateral::{CollateralFolder, Reload};
use assay_silicon::SiliconError;
use assay_silicon::amd::Amd;
use assay_silicon::intel::Intel;
use assay_store::{SqliteOptions, SqliteStore, Store, StoreError};
use assay_token::wrap::MasterKey;
use assay_verify::cache::ChainCache;
use assay_verify::{TrustAnchors, UnixTime};

use crate::attest::HeldCollateral;
use crate::audit::Audit;
use crate::auth::{AuthSetupError, Authenticator};
use crate::bundle::{PinnedSigner, Sequences, SignedBundleError};
use crate::challenge::Challenges;
use crate::clock::Clock;
use crate::config::{CollateralMode, Config};
use crate::counters::Counters;
use crate::dev::{self, DevFolder, FolderError};
use crate::files;
use crate::identity::HardwareIdentity;
use crate::identity::library::{Foundation, LibraryOptions, Mode};
use crate::keys::{self, MasterKeyError};
use crate::registry::{Registry, RegistryError};
use crate::trust::TrustHolder;
use crate::upstream::{self, UpstreamSetupError};
use crate::vendor_date::VendorDate;

/// Changes of other processes count within a second.
const POLL: Duration = Duration::from_secs(1);
/// Keys rotate in days; under `--dev` a minute is a short wait.
const KEY_PASS: Duration = Duration::from_secs(60);
/// Documents are due after a day; a failed refresh is tried again with the next pass.
const REFRESH_PASS: Duration = Duration::from_secs(300);
/// Simulated collateral is a day old at most.
const SILICON_PASS: Duration = Duration::from_secs(600);

/// Everything that requests share.
pub struct App {
    /// The time.
    pub clock: Clock,
    /// The configuration.
    pub config: Arc<Config>,
    /// Providers, policies, signers, keys.
    pub registry: Registry,
    /// Vendor collateral.
    pub collateral: HeldCollateral,
    /// Decisions.
    pub audit: Audit,
    /// Callers.
    pub auth: Authenticator,
    /// Challenges.
    pub challenges: Challenges,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// Chains verified before.
    pub chain_cache: Arc<ChainCache>,
    /// What is believed.
    pub trust: Arc<TrustHolder>,
    /// The vendors' certificates and documents.
    pub identity: HardwareIdentity,
    /// The store, for reading records.
    pub store: Arc<dyn Store>,
    /// Whose bundles are taken.
    pub bundles: BundleIntake,
    vendor_date: VendorDate,
}

/// Whose bundles a running service takes, and how far they came.
#[derive(Clone, Debug)]
pub struct BundleIntake {
    /// The one key whose bundles are taken; none are without it.
    pub signer: Option<PinnedSigner>,
    /// What is remembered of signers.
    pub sequences: Sequences,
}

/// Why the service does not start.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error("{0}")]
    Folder(FolderError),
    /// The master key.
    #[error("{0}")]
    MasterKey(MasterKeyError),
    /// The store.
    #[error("the store: {0}")]
    Store(StoreError),
    /// The simulated vendor.
    #[error("{0}")]
    Silicon(SiliconError),
    /// The registry.
    #[error("{0}")]
    Registry(RegistryError),
    /// Authentication.
    #[error("{0}")]
    Auth(AuthSetupError),
    /// An upstream.
    #[error("{0}")]
    Upstream(UpstreamSetupError),
    /// The key of the signer of bundles.
    #[error("`collateral.administration.bundle_signer`: {0}")]
    BundleSigner(SignedBundleError),
    /// The clock stands behind what a vendor signed.
    #[error("the clock shows {now}, which is before {vendor}, the date of verified vendor collateral")]
    ClockBehind {
        /// What the clock shows.
        now: UnixTime,
        /// The newest verified vendor date.
        vendor: UnixTime,
    },
    /// A task of the start was lost.
    #[error("the start was interrupted")]
    Interrupted,
}

impl StartError {
    /// What the operator can do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Folder(FolderError::Development(_)) => "use another folder, or start with `--dev`",
            Self::Folder(FolderError::Production(_)) => "give `--dev` a folder of its own with `--data`",
            Self::Folder(_) => "correct the owner and the mode of the file or folder",
            // Never "make a new one": an old store needs its old key, and a file that was written over is gone.
            Self::MasterKey(_) => {
                "give the service alone access to the key (mode 0600); only a first start needs a new one: \
                 `(umask 077; openssl rand -hex 32 > master.key)`"
            }
            Self::Store(error) => error.help(),
            Self::Silicon(_) => "remove the folder of simulated silicon; it is made again",
            Self::Registry(error) => error.help(),
            Self::Auth(_) => "correct the file of certification authorities",
            Self::Upstream(error) => error.help(),
            Self::BundleSigner(_) => {
                "give the public half of the key that signs the bundles, the file that ends in `.jwk`"
            }
            Self::ClockBehind { .. } => "set the clock, or set `clock.refuse_behind = false`",
            Self::Interrupted => "start again",
        }
    }
}

impl App {
    /// Opens the store, makes what is missing, and starts what runs beside requests, until the last [`Arc`] is dropped.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Arc<Self>, StartError> {
        let app = tokio::task::spawn_blocking(move || Self::assemble(config)).await;
        let app = Arc::new(app.map_err(|_| StartError::Interrupted)??);
        app.start_tasks();
        Ok(app)
    }

    fn assemble(config: Config) -> Result<Self, StartError> {
        let clock = config.clock.test_start.map_or_else(Clock::system, Clock::fixed_offset);
        dev::check_folder(&config).map_err(StartError::Folder)?;
        let dev_token = match config.dev {
            true => Some(dev::prepare(&config, &clock).map_err(StartError::Folder)?),
            false => None,
        };
        let master = Arc::new(master_key(&config).map_err(StartError::MasterKey)?);
        let store =
            SqliteStore::open(&config.store_dir, &SqliteOptions::default()).map_err(StartError::Store)?;
        Self::with_store(config, clock, master, Arc::new(store), dev_token.as_deref())
    }

    /// The parts over any store.
    pub(crate) fn with_store(
        config: Config,
        clock: Clock,
        master: Arc<MasterKey>,
        store: Arc<dyn Store>,
        dev_token: Option<&str>,
    ) -> Result<Self, StartError> {
        let counters = Arc::new(Counters::default());
        let trust = Arc::new(TrustHolder::open(&config, &clock).map_err(StartError::Silicon)?);
        let chain_cache = Arc::new(ChainCache::default());
        let collateral = open_collateral(&config, &trust.current().anchors);
        report_collateral(&collateral, &collateral.reload(), &counters);
        let vendor_date = VendorDate::new(Arc::clone(&store));
        let newest = vendor_date.advance(collateral.newest_vendor_date()).map_err(StartError::Store)?;
        check_clock(&config, &clock, newest, &counters)?;
        let sequences = Sequences::new(Arc::clone(&store));
        let signer = bundle_signer(&config).map_err(StartError::BundleSigner)?;
        let upstream = upstream::build(&config, &clock, &sequences).map_err(StartError::Upstream)?;
        let upstream = Arc::new(upstream);
        let identity = HardwareIdentity::new(
            Foundation {
                store: Arc::clone(&store),
                upstream,
                trust: Arc::clone(&trust),
                cache: Arc::clone(&chain_cache),
                clock: clock.clone(),
            },
            Arc::clone(&master),
            library_options(&config),
        );
        identity.load().map_err(StartError::Store)?;
        identity.library.lend(assay_collateral::filed::documents(&collateral));
        let registry =
            Registry::open(Arc::clone(&store), master, &config, clock.clone(), Arc::clone(&counters));
        let registry = registry.map_err(StartError::Registry)?;
        let auth = Authenticator::new(&config, dev_token, clock.clone(), Arc::clone(&counters));
        Ok(Self {
            audit: Audit::new(Arc::clone(&store), config.audit_durable, Arc::clone(&counters)),
            challenges: Challenges::new(registry.clone(), clock.clone(), config.public_url.clone()),
            auth: auth.map_err(StartError::Auth)?,
            collateral: HeldCollateral(Arc::new(collateral)),
            identity,
            chain_cache,
            config: Arc::new(config),
            clock,
            registry,
            counters,
            trust,
            vendor_date,
            store,
            bundles: BundleIntake { signer, sequences },
        })
    }

    /// Whether the service can answer: it has a provider whose keys sign.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let now = self.clock.now_seconds();
        let signs = |provider: &Arc<crate::registry::ProviderSnapshot>| {
            provider.keys.signing_key(assay_token::lifecycle::Purpose::AttestationToken, now).is_ok()
        };
        match self.config.default_provider.enabled {
            true => self.registry.default_provider().as_ref().is_some_and(signs),
            false => self.registry.list().iter().all(signs),
        }
    }

    fn start_tasks(self: &Arc<Self>) {
        every(POLL, Arc::downgrade(self), Self::poll);
        every(KEY_PASS, Arc::downgrade(self), Self::advance_keys);
        refresh_every(REFRESH_PASS, Arc::downgrade(self));
        if self.config.dev {
            every(SILICON_PASS, Arc::downgrade(self), Self::publish_silicon);
        }
    }

    /// Takes note of simulated silicon that was made since the last look: before evidence of that kind is judged or what AMD
    /// signs is fetched, and every second. Does nothing but under `--dev`.
    pub(crate) fn look_for_silicon(&self) {
        match self.trust.look_again() {
            Ok(None) => {}
            Ok(Some(trust)) => {
                let reload = self.collateral.0.believe(trust.anchors.clone());
                report_collateral(&self.collateral.0, &reload, &self.counters);
            }
            Err(error) => tracing::error!(%error, "simulated silicon was not read"),
        }
    }

    fn poll(&self) {
        self.look_for_silicon();
        if let Err(error) = self.registry.refresh() {
            self.counters.registry_failures.increment();
            tracing::error!(%error, code = error.code(), "changes were not read");
        }
        if let Err(error) = self.identity.load() {
            tracing::error!(%error, "documents of other instances were not read");
        }
        let reload = self.collateral.0.reload();
        if reload.changed {
            self.identity.library.lend(assay_collateral::filed::documents(&self.collateral.0));
            report_collateral(&self.collateral.0, &reload, &self.counters);
        }
        let newest = self.collateral.0.newest_vendor_date().max(self.identity.library.newest_issue());
        match self.vendor_date.advance(newest) {
            // A running service is not stopped for it; the metric and the log say so.
            Ok(newest) => drop(check_clock(&self.config, &self.clock, newest, &self.counters)),
            Err(error) => tracing::error!(%error, "the newest vendor date was not kept"),
        }
    }

    fn advance_keys(&self) {
        if let Err(error) = self.registry.advance_keys() {
            tracing::error!(%error, code = error.code(), "keys were not rotated");
        }
    }

    fn publish_silicon(&self) {
        let silicon = DevFolder::new(&self.config.data_dir).silicon();
        let now = self.clock.now().0;
        if let Err(error) = Intel::publish(&silicon, now).and_then(|()| Amd::publish(&silicon, now)) {
            tracing::error!(%error, "simulated collateral was not published");
        }
    }
}

/// Runs `work` again and again where blocking is allowed, until the app is gone.
fn every(period: Duration, app: Weak<App>, work: fn(&App)) {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(period).await;
            let Some(app) = app.upgrade() else { return };
            if tokio::task::spawn_blocking(move || work(&app)).await.is_err() {
                tracing::error!("a background task failed");
            }
        }
    });
}

/// Asks upstreams for what is due, again and again, until the app is gone.
fn refresh_every(period: Duration, app: Weak<App>) {
    tokio::spawn(async move {
        loop {
            let Some(app) = app.upgrade() else { return };
            app.look_for_silicon();
            app.identity.library.refresh().await;
            if let Err(error) = app.identity.platforms.refresh().await {
                tracing::error!(%error, "platforms were not looked through");
            }
            drop(app);
            tokio::time::sleep(period).await;
        }
    });
}

/// The key whose bundles are taken while the service runs.
///
/// # Errors
/// It is configured and cannot be used.
pub fn bundle_signer(config: &Config) -> Result<Option<PinnedSigner>, SignedBundleError> {
    let file = config.collateral.administration.as_ref().and_then(|one| one.bundle_signer.as_deref());
    file.map(PinnedSigner::read).transpose()
}

/// How the library behaves, as configured.
fn library_options(config: &Config) -> LibraryOptions {
    let collateral = &config.collateral;
    let mode = match collateral.mode {
        CollateralMode::Lazy => Mode::Lazy,
        CollateralMode::Registration => Mode::Registration,
        CollateralMode::Offline => Mode::Offline,
    };
    let refresh_every = i64::from(collateral.refresh_hours).saturating_mul(60 * 60);
    let schedule = Schedule { refresh_every, ..Schedule::default() };
    let (serve_expired, archive_evaluations) = (collateral.serve_expired, collateral.archive_evaluations);
    LibraryOptions { mode, schedule, serve_expired, archive_evaluations }
}

fn master_key(config: &Config) -> Result<MasterKey, MasterKeyError> {
    let made = DevFolder::new(&config.data_dir).master_key();
    match &config.keys.master_key {
        keys::MasterKeySource::File(path) if config.dev && *path == made => keys::load_or_generate(path),
        source => source.read(),
    }
}

fn open_collateral(config: &Config, anchors: &TrustAnchors) -> CollateralFolder {
    let mut dirs = config.collateral_dirs.clone();
    // The usual place is made, so that it can be filled; a configured one that is missing is a problem to report.
    let usual = config.data_dir.join("collateral");
    if dirs.contains(&usual)
        && let Err(error) = files::private_folder(&usual)
    {
        tracing::warn!(%error, "folder for collateral");
    }
    if config.dev {
        dirs.push(DevFolder::new(&config.data_dir).silicon().join("collateral"));
    }
    CollateralFolder::open(dirs, anchors.clone())
}

fn report_collateral(folder: &CollateralFolder, reload: &Reload, counters: &Counters) {
    for problem in &reload.new_problems {
        tracing::warn!(%problem, "collateral not used");
    }
    let inventory = folder.inventory();
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    counters.collateral_sets.set(count(inventory.len()));
    counters.collateral_problems.set(count(reload.problems.len()));
    for entry in inventory {
        let (fmspc, ca) = (hex::encode(entry.platform.fmspc), entry.platform.ca.as_str());
        tracing::info!(fmspc, ca, issued = %entry.issued, expires = %entry.expires, "collateral held");
    }
    let veks = folder.vek_count();
    counters.vek_certificates.set(count(veks));
    for list in folder.amd_crls() {
        let (product, issued, expires) = (list.product.as_str(), list.window.from, list.window.until);
        tracing::info!(product, %issued, %expires, veks, "revocation list held");
    }
}

/// It cannot be earlier than what a vendor signed.
fn check_clock(
    config: &Config,
    clock: &Clock,
    newest: Option<UnixTime>,
    counters: &Counters,
) -> Result<(), StartError> {
    let now = clock.now();
    let behind = newest.filter(|vendor| *vendor > now);
    let before = counters.clock_behind_seconds.get();
    counters.clock_behind_seconds.set(behind.map_or(0, |vendor| vendor.0.saturating_sub(now.0)));
    let Some(vendor) = behind else { return Ok(()) };
    if before == 0 {
        tracing::warn!(%now, %vendor, "the clock stands behind the newest verified vendor date");
    }
    if config.clock.refuse_behind { Err(StartError::ClockBehind { now, vendor }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
