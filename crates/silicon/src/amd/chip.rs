//! A simulated chip: its endorsement key with the certificate, and the reports it signs.

use super::keys::ChipKey;
use super::pki::Template;
use super::report::Body;
use super::spec::{ChipSpec, Product, ReportSpec, VekKind};
use super::vek;
use super::vendor::{DAY, Issuer};
use crate::asn1;
use crate::error::SiliconError;
use crate::keys::{Secret, random};
use crate::x509::{self, Window};

/// A simulated chip, which makes reports.
#[derive(Clone, Debug)]
pub struct Chip {
    pub(super) spec: ChipSpec,
    pub(super) chip_id: [u8; 64],
    /// What its keys follow from, together with its security versions.
    pub(super) secret: Secret,
    pub(super) key: ChipKey,
    /// The certificate of the key before it was signed.
    pub(super) template: Template,
    pub(super) vek: Vec<u8>,
    /// DER: the ASK or ASVK, then the ARK.
    pub(super) chain: Vec<Vec<u8>>,
}

impl Chip {
    pub(super) fn make(
        spec: &ChipSpec,
        intermediate: &Issuer,
        root: &Issuer,
        now: i64,
    ) -> Result<Self, SiliconError> {
        let chip_id = match spec.chip_id {
            Some(id) => checked(spec.product, id)?,
            None => random_chip_id(spec.product)?,
        };
        Self::with_secret(spec, chip_id, Secret::generate()?, intermediate, root, now)
    }

    /// A chip that may have been made before, with other security versions: its keys follow from its secret.
    pub(super) fn with_secret(
        spec: &ChipSpec,
        chip_id: [u8; 64],
        secret: Secret,
        intermediate: &Issuer,
        root: &Issuer,
        now: i64,
    ) -> Result<Self, SiliconError> {
        let key = ChipKey::derived(&secret, spec.tcb)?;
        let extensions = vek::extensions(spec, &chip_id);
        let template = Template::vek(spec.product, spec.kind, &key, extensions, validity(spec.kind, now)?);
        let vek = template.sign(&intermediate.key)?;
        let chain = vec![intermediate.certificate.clone(), root.certificate.clone()];
        Ok(Self { spec: spec.clone(), chip_id, secret, key, template, vek, chain })
    }

    /// Makes a report.
    ///
    /// # Errors
    /// [`SiliconError::Crypto`].
    pub fn report(&self, spec: &ReportSpec) -> Result<Vec<u8>, SiliconError> {
        Body::new(self, spec).sign(&self.key)
    }

    /// The specification it was made from.
    #[must_use]
    pub const fn spec(&self) -> &ChipSpec {
        &self.spec
    }

    /// The certificate of its endorsement key, DER.
    #[must_use]
    pub fn vek(&self) -> &[u8] {
        &self.vek
    }

    /// DER: the ASK or ASVK, then the ARK.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// PEM: the endorsement key, the ASK or ASVK, the ARK.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        chain_pem(&self.vek, &self.chain)
    }

    /// CHIP_ID of its reports.
    #[must_use]
    pub const fn chip_id(&self) -> [u8; 64] {
        self.chip_id
    }
}

/// PEM: the endorsement key, then its chain.
pub(super) fn chain_pem(vek: &[u8], chain: &[Vec<u8>]) -> String {
    x509::pem(&[vek]) + &x509::pem(chain)
}

/// A new chip id: no two chips have the same.
pub(super) fn random_chip_id(product: Product) -> Result<[u8; 64], SiliconError> {
    let mut id = random::<64>()?;
    for byte in id.iter_mut().skip(product.chip_id_size()) {
        *byte = 0;
    }
    Ok(id)
}

fn checked(product: Product, id: [u8; 64]) -> Result<[u8; 64], SiliconError> {
    if id.iter().skip(product.chip_id_size()).any(|byte| *byte != 0) {
        return Err(SiliconError::InvalidSpec { field: "the chip id of a Turin", value: hex::encode(id) });
    }
    Ok(id)
}

/// A VCEK lives seven years and a VLEK one, to the second.
fn validity(kind: VekKind, now: i64) -> Result<Window, SiliconError> {
    let years = match kind {
        VekKind::Vcek => 7,
        VekKind::Vlek => 1,
    };
    let from = now.saturating_sub(DAY);
    Ok(Window { from, to: asn1::years_after(from, years)? })
}
