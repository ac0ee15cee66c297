//! The simulated vendor: its authorities and what they have revoked.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use super::chip::Chip;
use super::keys::RsaKey;
use super::pki::{self, CrlTemplate, Template};
use super::spec::{ChipSpec, Product, ReportSpec, VekKind};
use super::{Defect, Sample};
use crate::asn1;
use crate::error::SiliconError;
use crate::x509::Window;

pub(super) const DAY: i64 = 24 * 60 * 60;
/// Some clocks are behind, so lists are issued a little before they are made.
const ISSUED_BEFORE: i64 = 60 * 60;
/// Of a revocation list. How long AMD's live was not to be seen.
const CRL_LIFE: i64 = 365 * DAY;
/// AMD's authorities live 25 years. These were made some years ago, so that they end before 2050, where the form of
/// dates changes.
const AUTHORITY_YEARS: i64 = 25;
const AUTHORITY_AGE: i64 = 4 * 365 * DAY;

/// An authority: its key, and its certificate before and after signing.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    pub(super) key: RsaKey,
    pub(super) template: Template,
    pub(super) certificate: Vec<u8>,
}

/// What a verifier pins to trust a simulated product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The product it is for.
    pub product: Product,
    /// The kind of endorsement key that the intermediate issues.
    pub kind: VekKind,
    /// The ASK or ASVK, DER.
    pub intermediate: Vec<u8>,
    /// The ARK, DER.
    pub root: Vec<u8>,
}

/// A simulated AMD: for each product a root (ARK) and the issuers of VCEKs (ASK) and VLEKs (ASVK), as far as they were
/// needed so far, and which of these are revoked.
#[derive(Clone, Debug)]
pub struct Amd {
    /// Unix seconds.
    pub(super) created: i64,
    pub(super) roots: BTreeMap<Product, Issuer>,
    pub(super) intermediates: BTreeMap<(Product, VekKind), Issuer>,
    pub(super) revoked: BTreeSet<(Product, VekKind)>,
    /// A key that no authority of this vendor has, for forgeries; made when it is first needed.
    pub(super) stranger: Option<RsaKey>,
    /// Grows with every change; one more is the number of the revocation lists.
    pub(super) revision: u64,
}

impl Amd {
    /// A vendor without authorities: they are made when they are first needed. Their certificates are valid from some
    /// years before `now` (unix seconds) for 25 years.
    #[must_use]
    pub const fn new(now: i64) -> Self {
        Self {
            created: now,
            roots: BTreeMap::new(),
            intermediates: BTreeMap::new(),
            revoked: BTreeSet::new(),
            stranger: None,
            revision: 0,
        }
    }

    /// Makes the authorities for one kind of endorsement key of a product, unless there are any. A key of RSA-4096 takes
    /// 1 to 3 seconds; the two of a new product are made at the same time.
    ///
    /// # Errors
    /// [`SiliconError::Crypto`], or [`SiliconError::TimeOutOfRange`].
    pub fn require(&mut self, product: Product, kind: VekKind) -> Result<(), SiliconError> {
        if self.intermediates.contains_key(&(product, kind)) {
            return Ok(());
        }
        let (root, key) = match self.roots.get(&product) {
            Some(root) => (root.clone(), RsaKey::generate()?),
            None => {
                let (ark, key) = two_keys()?;
                (self.root_of(product, ark)?, key)
            }
        };
        let template = Template::intermediate(product, kind, &key, &root.key, self.authority_validity()?);
        let certificate = template.sign(&root.key)?;
        self.intermediates.insert((product, kind), Issuer { key, template, certificate });
        self.roots.insert(product, root);
        self.changed();
        Ok(())
    }

    fn root_of(&self, product: Product, key: RsaKey) -> Result<Issuer, SiliconError> {
        let template = Template::ark(product, &key, self.authority_validity()?);
        let certificate = template.sign(&key)?;
        Ok(Issuer { key, template, certificate })
    }

    /// The authorities there are: what a verifier pins.
    #[must_use]
    pub fn authorities(&self) -> Vec<Authority> {
        let authority = |(&(product, kind), issuer): (&(Product, VekKind), &Issuer)| {
            let root = self.roots.get(&product)?.certificate.clone();
            Some(Authority { product, kind, intermediate: issuer.certificate.clone(), root })
        };
        self.intermediates.iter().filter_map(authority).collect()
    }

    /// Makes a chip: an endorsement key with its certificate.
    ///
    /// # Errors
    /// [`SiliconError::InvalidSpec`] for a chip id that the product cannot have; else as [`Self::require`].
    pub fn chip(&mut self, spec: &ChipSpec, now: i64) -> Result<Chip, SiliconError> {
        self.require(spec.product, spec.kind)?;
        Chip::make(spec, self.intermediate(spec.product, spec.kind)?, self.root(spec.product)?, now)
    }

    /// The revocation list of a product, DER: issued by the ARK, for its ASK and ASVK.
    ///
    /// # Errors
    /// [`SiliconError::InvalidSpec`] when the product has no authorities yet; [`SiliconError::Crypto`] or
    /// [`SiliconError::TimeOutOfRange`].
    pub fn crl(&self, product: Product, now: i64) -> Result<Vec<u8>, SiliconError> {
        self.crl_template(product, now)?.sign(&self.root(product)?.key)
    }

    pub(super) fn crl_template(&self, product: Product, now: i64) -> Result<CrlTemplate, SiliconError> {
        let serial = |kind| pki::intermediate_serial(product, kind);
        let is_revoked = |kind: &VekKind| self.revoked.contains(&(product, *kind));
        let from = now.saturating_sub(ISSUED_BEFORE);
        Ok(CrlTemplate {
            issuer: pki::ark_name(product),
            issuer_key: pki::key_id(&self.root(product)?.key),
            validity: Window { from, to: from.saturating_add(CRL_LIFE) },
            number: self.revision.saturating_add(1),
            revoked: VekKind::ALL.into_iter().filter(is_revoked).map(serial).collect(),
        })
    }

    /// Revokes the ASK or ASVK of a product. Lists made from now on contain it.
    pub fn revoke_intermediate(&mut self, product: Product, kind: VekKind) {
        if self.revoked.insert((product, kind)) {
            self.changed();
        }
    }

    /// Makes a new genuine chip, a report of it, and the revocation list of its product.
    ///
    /// # Errors
    /// As [`Self::chip`].
    pub fn sample(&mut self, chip: &ChipSpec, report: &ReportSpec, now: i64) -> Result<Sample, SiliconError> {
        let made = self.chip(chip, now)?;
        let crl = self.crl(chip.product, now)?;
        Ok(Sample { report: made.report(report)?, vek: made.vek, chain: made.chain, crl })
    }

    /// Makes a sample that breaks one rule and keeps all others: whatever must stay validly signed is signed again. The
    /// vendor changes only in that keys are made which the defect needs. See [`Defect::applies`] for what can be asked
    /// of which chip.
    ///
    /// # Errors
    /// [`SiliconError::InvalidSpec`] when the defect does not apply to the chip; else as [`Self::sample`].
    pub fn broken(
        &mut self,
        defect: Defect,
        chip: &ChipSpec,
        report: &ReportSpec,
        now: i64,
    ) -> Result<Sample, SiliconError> {
        defect.apply(self, chip, report, now)
    }

    pub(super) fn root(&self, product: Product) -> Result<&Issuer, SiliconError> {
        self.roots.get(&product).ok_or_else(|| missing(product))
    }

    pub(super) fn intermediate(&self, product: Product, kind: VekKind) -> Result<&Issuer, SiliconError> {
        self.intermediates.get(&(product, kind)).ok_or_else(|| missing(product))
    }

    /// The key for forgeries.
    pub(super) fn stranger(&mut self) -> Result<RsaKey, SiliconError> {
        if let Some(key) = &self.stranger {
            return Ok(key.clone());
        }
        let key = RsaKey::generate()?;
        self.stranger = Some(key.clone());
        self.changed();
        Ok(key)
    }

    pub(super) fn authority_validity(&self) -> Result<Window, SiliconError> {
        let from = self.created.saturating_sub(AUTHORITY_AGE);
        Ok(Window { from, to: asn1::years_after(from, AUTHORITY_YEARS)? })
    }

    const fn changed(&mut self) {
        self.revision = self.revision.saturating_add(1);
    }
}

fn missing(product: Product) -> SiliconError {
    SiliconError::InvalidSpec {
        field: "an AMD product without authorities",
        value: product.name().to_owned(),
    }
}

/// Two keys take the time of one.
fn two_keys() -> Result<(RsaKey, RsaKey), SiliconError> {
    thread::scope(|scope| {
        let other = scope.spawn(RsaKey::generate);
        let key = RsaKey::generate()?;
        let failed = |_| SiliconError::Crypto { operation: "generate an RSA key" };
        Ok((key, other.join().map_err(failed)??))
    })
}
