//! What is believed: the vendors' roots and the operator's lists; under `--dev` also the simulated silicon of the folder.
//!
//! Simulated AMD keys take seconds to make, so they are made when they are first needed, by whoever simulates. The service
//! therefore looks for them again before it judges evidence of that kind.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::{ArcSwap, Guard};
use assay_appraisal::SnpTrust;
use assay_silicon::SiliconError;
use assay_silicon::amd::Amd;
use assay_silicon::intel::Intel;
use assay_silicon::uvm::UvmSigner;
use assay_verify::snp::AmdAuthority;
use assay_verify::uvm::Issuer;
use assay_verify::{AnchorOrigin, TrustAnchors};

use crate::clock::Clock;
use crate::config::Config;
use crate::dev::DevFolder;

/// What one judgement believes.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The roots.
    pub anchors: TrustAnchors,
    /// What is demanded of SEV-SNP evidence.
    pub snp: SnpTrust,
}

/// Holds [`Trust`] and keeps it current.
#[derive(Debug)]
pub struct TrustHolder {
    current: ArcSwap<Trust>,
    /// Under `--dev`.
    silicon: Option<Simulated>,
}

/// The simulated silicon of a folder.
#[derive(Debug)]
struct Simulated {
    folder: PathBuf,
    /// What is believed without it.
    plain: Trust,
    seen: Mutex<Stamps>,
}

/// When the files of simulated vendors were last written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamps {
    amd: Option<SystemTime>,
    images: Option<SystemTime>,
    /// The folder of lists and collateral: they are written after the keys.
    lists: Option<SystemTime>,
}

impl TrustHolder {
    /// What a service of this configuration believes.
    ///
    /// # Errors
    /// The simulated vendor cannot be made or read.
    pub(crate) fn open(config: &Config, clock: &Clock) -> Result<Self, SiliconError> {
        let mut plain = Trust { anchors: TrustAnchors::vendor(), snp: config.snp.clone() };
        if !config.dev {
            return Ok(Self { current: ArcSwap::from_pointee(plain), silicon: None });
        }
        let folder = DevFolder::new(&config.data_dir).silicon();
        let intel = Intel::load_or_generate(&folder, clock.now().0)?;
        plain.anchors = plain.anchors.with_intel_root(intel.root_public_key(), AnchorOrigin::Simulated);
        let silicon = Simulated { folder, plain: plain.clone(), seen: Mutex::default() };
        let holder = Self { current: ArcSwap::from_pointee(plain), silicon: Some(silicon) };
        holder.look_again()?;
        Ok(holder)
    }

    /// What is believed now.
    pub fn current(&self) -> Guard<Arc<Trust>> {
        self.current.load()
    }

    /// Looks whether simulated silicon was made since the last look, and believes it. Gives what is believed now if that is news.
    ///
    /// # Errors
    /// The simulated vendor cannot be read; then nothing changes.
    pub(crate) fn look_again(&self) -> Result<Option<Arc<Trust>>, SiliconError> {
        let Some(silicon) = &self.silicon else { return Ok(None) };
        let mut seen = silicon.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = Stamps::of(&silicon.folder);
        if *seen == stamps {
            return Ok(None);
        }
        let trust = Arc::new(silicon.read()?);
        self.current.store(Arc::clone(&trust));
        *seen = stamps;
        Ok(Some(trust))
    }
}

impl Simulated {
    fn read(&self) -> Result<Trust, SiliconError> {
        let mut trust = self.plain.clone();
        for authority in Amd::load(&self.folder)?.iter().flat_map(Amd::authorities) {
            let (intermediate, root) = (&authority.intermediate, &authority.root);
            let authority = AmdAuthority::from_certificates(intermediate, root, AnchorOrigin::Simulated);
            match authority {
                Ok(authority) => trust.anchors = trust.anchors.with_amd_authority(authority),
                Err(problem) => tracing::warn!(problem, "a simulated authority is not believed"),
            }
        }
        if let Some(signer) = UvmSigner::load(&self.folder)? {
            let (did, feed) = (signer.did(), signer.feed().to_owned());
            let status = "simulated-uvm".to_owned();
            let issuer = Issuer { did, feed, minimum_svn: 0, status, origin: AnchorOrigin::Simulated };
            trust.snp.image_issuers = trust.snp.image_issuers.with(issuer);
            trust.snp.time_stamp_authorities.push(signer.time_stamp_authority());
        }
        Ok(trust)
    }
}

impl Stamps {
    fn of(folder: &Path) -> Self {
        let modified = |path: PathBuf| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        Self {
            amd: modified(folder.join("amd").join("vendor.json")),
            images: modified(folder.join("uvm").join("signer.json")),
            lists: modified(folder.join("collateral")),
        }
    }
}
