//! The simulated vendor: its authorities and what they have revoked.

use super::collateral::{Collateral, CollateralDraft};
use super::pki::{self, Template, Window};
use super::platform::Platform;
use super::quote::QuoteDraft;
use super::spec::{Ca, CollateralSpec, PlatformSpec, QuoteSpec};
use super::{Defect, Sample};
use crate::error::SiliconError;
use crate::keys::SigningKey;

pub(super) const DAY: i64 = 24 * 60 * 60;
/// Intel's root lives 31 years; this one stays below 2050, where the form of dates changes.
const ROOT_LIFE: i64 = 20 * 365 * DAY;
const AUTHORITY_LIFE: i64 = 15 * 365 * DAY;

/// An authority: its key, and its certificate before and after signing.
#[derive(Clone, Debug)]
pub(super) struct Authority {
    pub(super) key: SigningKey,
    pub(super) template: Template,
    pub(super) certificate: Vec<u8>,
}

/// Serials of revoked certificates, by who issued them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Revoked {
    pub(super) by_root: Vec<[u8; 20]>,
    pub(super) by_processor_ca: Vec<[u8; 20]>,
    pub(super) by_platform_ca: Vec<[u8; 20]>,
}

/// A simulated Intel: a root, the two PCK authorities, the signer of TCB information, and what is revoked.
#[derive(Clone, Debug)]
pub struct Intel {
    /// Unix seconds.
    pub(super) created: i64,
    pub(super) root: Authority,
    pub(super) processor_ca: Authority,
    pub(super) platform_ca: Authority,
    pub(super) tcb_signer: Authority,
    pub(super) revoked: Revoked,
    /// Grows with every revocation; one more is the number of the revocation lists.
    pub(super) revision: u64,
}

/// The keys of a vendor.
pub(super) struct Keys {
    pub(super) root: SigningKey,
    pub(super) processor_ca: SigningKey,
    pub(super) platform_ca: SigningKey,
    pub(super) tcb_signer: SigningKey,
}

/// The certificate templates of a vendor: they follow from the keys and the time of creation alone.
pub(super) struct Templates {
    pub(super) root: Template,
    pub(super) processor_ca: Template,
    pub(super) platform_ca: Template,
    pub(super) tcb_signer: Template,
}

impl Keys {
    fn generate() -> Result<Self, SiliconError> {
        Ok(Self {
            root: SigningKey::generate()?,
            processor_ca: SigningKey::generate()?,
            platform_ca: SigningKey::generate()?,
            tcb_signer: SigningKey::generate()?,
        })
    }

    pub(super) fn templates(&self, created: i64) -> Templates {
        let from = created.saturating_sub(DAY);
        let life = |seconds| Window { from, to: from.saturating_add(seconds) };
        let root = self.root.public();
        let ca = |ca, key: &SigningKey| Template::pck_ca(ca, key.public(), root, life(AUTHORITY_LIFE));
        Templates {
            root: Template::root(root, life(ROOT_LIFE)),
            processor_ca: ca(Ca::Processor, &self.processor_ca),
            platform_ca: ca(Ca::Platform, &self.platform_ca),
            tcb_signer: Template::tcb_signer(self.tcb_signer.public(), root, life(AUTHORITY_LIFE)),
        }
    }
}

impl Intel {
    /// Makes a vendor with new random keys. Its certificates are valid from a day before `now` (unix seconds) for more
    /// than ten years.
    ///
    /// # Errors
    /// [`SiliconError::Crypto`], or [`SiliconError::TimeOutOfRange`].
    pub fn generate(now: i64) -> Result<Self, SiliconError> {
        let keys = Keys::generate()?;
        let templates = keys.templates(now);
        let root = keys.root.clone();
        let issue = |key: SigningKey, template: Template| -> Result<Authority, SiliconError> {
            let certificate = template.sign(&root)?;
            Ok(Authority { key, template, certificate })
        };
        Ok(Self {
            created: now,
            root: issue(keys.root, templates.root)?,
            processor_ca: issue(keys.processor_ca, templates.processor_ca)?,
            platform_ca: issue(keys.platform_ca, templates.platform_ca)?,
            tcb_signer: issue(keys.tcb_signer, templates.tcb_signer)?,
            revoked: Revoked::default(),
            revision: 0,
        })
    }

    /// The root's public key, an uncompressed point: what to pin.
    #[must_use]
    pub const fn root_public_key(&self) -> [u8; 65] {
        *self.root.key.public()
    }

    /// The root's certificate, PEM.
    #[must_use]
    pub fn root_certificate_pem(&self) -> String {
        pki::pem(&[&self.root.certificate])
    }

    /// Makes a platform: a PCK key with its certificate, and a quoting enclave with its attestation key.
    ///
    /// # Errors
    /// [`SiliconError::Crypto`], or [`SiliconError::TimeOutOfRange`].
    pub fn platform(&self, spec: &PlatformSpec, now: i64) -> Result<Platform, SiliconError> {
        Platform::make(self, spec, now)
    }

    /// Makes collateral with what is revoked now.
    ///
    /// # Errors
    /// [`SiliconError::InvalidSpec`] for an unknown version; [`SiliconError::Crypto`] or
    /// [`SiliconError::TimeOutOfRange`].
    pub fn collateral(&self, spec: &CollateralSpec, now: i64) -> Result<Collateral, SiliconError> {
        CollateralDraft::new(self, spec, now)?.finish()
    }

    /// Makes a genuine platform, a quote of it and its collateral.
    ///
    /// # Errors
    /// As [`Self::platform`], [`Platform::quote`] and [`Self::collateral`].
    pub fn sample(
        &self,
        platform: &PlatformSpec,
        quote: &QuoteSpec,
        collateral: &CollateralSpec,
        now: i64,
    ) -> Result<Sample, SiliconError> {
        let platform = self.platform(platform, now)?;
        let quote = QuoteDraft::new(&platform, quote)?.finish(&platform)?;
        Ok(Sample { quote, collateral: self.collateral(collateral, now)? })
    }

    /// Makes a sample that breaks one rule and keeps all others: whatever must stay validly signed is signed again.
    /// The vendor itself is not changed.
    ///
    /// # Errors
    /// As [`Self::sample`].
    pub fn broken(
        &self,
        defect: Defect,
        platform: &PlatformSpec,
        quote: &QuoteSpec,
        collateral: &CollateralSpec,
        now: i64,
    ) -> Result<Sample, SiliconError> {
        let platform = self.platform(platform, now)?;
        defect.apply(self, platform, quote, collateral, now)
    }

    /// Revokes the PCK certificate of a platform. Lists made from now on contain it.
    pub fn revoke_pck(&mut self, platform: &Platform) {
        let serial = platform.serial();
        match platform.ca() {
            Ca::Processor => self.revoked.by_processor_ca.push(serial),
            Ca::Platform => self.revoked.by_platform_ca.push(serial),
        }
        self.revision = self.revision.saturating_add(1);
    }

    /// Revokes the Platform CA.
    pub fn revoke_platform_ca(&mut self) {
        self.revoke_by_root(self.platform_ca.template.serial);
    }

    /// Revokes the Processor CA.
    pub fn revoke_processor_ca(&mut self) {
        self.revoke_by_root(self.processor_ca.template.serial);
    }

    /// Revokes the signer of TCB information.
    pub fn revoke_tcb_signer(&mut self) {
        self.revoke_by_root(self.tcb_signer.template.serial);
    }

    fn revoke_by_root(&mut self, serial: [u8; 20]) {
        self.revoked.by_root.push(serial);
        self.revision = self.revision.saturating_add(1);
    }

    pub(super) const fn authority(&self, ca: Ca) -> &Authority {
        match ca {
            Ca::Processor => &self.processor_ca,
            Ca::Platform => &self.platform_ca,
        }
    }

    pub(super) fn revoked_by(&self, ca: Ca) -> &[[u8; 20]] {
        match ca {
            Ca::Processor => &self.revoked.by_processor_ca,
            Ca::Platform => &self.revoked.by_platform_ca,
        }
    }
}
