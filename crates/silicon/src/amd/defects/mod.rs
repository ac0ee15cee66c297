//! Every named way to break a sample, one rule at a time.

mod certificates;
mod report;
mod signature;
mod table;

use super::chip::Chip;
use super::keys::{ChipKey, RsaKey};
use super::pki::{CrlTemplate, Template};
use super::report::Body;
use super::spec::{ChipSpec, Product, ReportSpec, VekKind};
use super::vendor::Amd;
use crate::error::SiliconError;

pub use table::Defect;

/// A report with all that vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The report: 1184 bytes, but of some defects.
    pub report: Vec<u8>,
    /// The certificate of the endorsement key, DER.
    pub vek: Vec<u8>,
    /// DER: the ASK or ASVK, then the ARK.
    pub chain: Vec<Vec<u8>>,
    /// The revocation list of the product, DER.
    pub crl: Vec<u8>,
}

type Done = Result<(), SiliconError>;

/// When a defect strikes, and of which chips it can be asked.
#[derive(Clone, Copy)]
enum Fault {
    /// Before anything is signed: all signatures are valid in the end, unless the fault is in who signs.
    Before(fn(&mut Draft<'_>) -> Done),
    /// After everything is signed.
    After(fn(&mut Sample)),
    /// As `Before`, of these chips alone.
    Of(fn(&ChipSpec) -> bool, fn(&mut Draft<'_>) -> Done),
    /// As `After`, of these chips alone.
    AfterOf(fn(&ChipSpec) -> bool, fn(&mut Sample)),
}

/// A sample before it is signed.
struct Draft<'a> {
    amd: &'a mut Amd,
    now: i64,
    chip: Chip,
    /// Signed by `chip.key`.
    report: Body,
    /// Signs `chip.template`.
    vek_issuer: RsaKey,
    crl: CrlTemplate,
    /// Signs `crl`.
    crl_issuer: RsaKey,
}

impl<'a> Draft<'a> {
    fn new(amd: &'a mut Amd, spec: &ChipSpec, report: &ReportSpec, now: i64) -> Result<Self, SiliconError> {
        let chip = amd.chip(spec, now)?;
        Ok(Self {
            now,
            report: Body::new(&chip, report),
            vek_issuer: amd.intermediate(spec.product, spec.kind)?.key.clone(),
            crl: amd.crl_template(spec.product, now)?,
            crl_issuer: amd.root(spec.product)?.key.clone(),
            chip,
            amd,
        })
    }

    const fn product(&self) -> Product {
        self.chip.spec.product
    }

    const fn kind(&self) -> VekKind {
        self.chip.spec.kind
    }

    /// The certificate of the chip, to change.
    const fn vek(&mut self) -> &mut Template {
        &mut self.chip.template
    }

    /// Gives the chip another key, with a certificate for it.
    fn set_key(&mut self, key: ChipKey) {
        self.chip.template.public_key = super::pki::chip_public_key(&key);
        self.chip.key = key;
    }

    fn finish(self) -> Result<Sample, SiliconError> {
        Ok(Sample {
            report: self.report.sign(&self.chip.key)?,
            vek: self.chip.template.sign(&self.vek_issuer)?,
            chain: self.chip.chain,
            crl: self.crl.sign(&self.crl_issuer)?,
        })
    }
}

impl Defect {
    /// Whether this can be broken with such a chip: some components, extensions and rules are of one product or one kind
    /// of endorsement key alone.
    #[must_use]
    pub fn applies(self, chip: &ChipSpec) -> bool {
        match self.fault() {
            Fault::Before(_) | Fault::After(_) => true,
            Fault::Of(applies, _) | Fault::AfterOf(applies, _) => applies(chip),
        }
    }

    /// A sample of a new chip that breaks the rule.
    pub(super) fn apply(
        self,
        amd: &mut Amd,
        chip: &ChipSpec,
        report: &ReportSpec,
        now: i64,
    ) -> Result<Sample, SiliconError> {
        if !self.applies(chip) {
            let value = format!("{}, {}", chip.product.name(), chip.kind.name());
            return Err(SiliconError::InvalidSpec { field: "the chip for this defect", value });
        }
        let mut draft = Draft::new(amd, chip, report, now)?;
        match self.fault() {
            Fault::Before(strike) | Fault::Of(_, strike) => {
                strike(&mut draft)?;
                draft.finish()
            }
            Fault::After(strike) | Fault::AfterOf(_, strike) => {
                let mut sample = draft.finish()?;
                strike(&mut sample);
                Ok(sample)
            }
        }
    }
}

fn is_vcek(chip: &ChipSpec) -> bool {
    chip.kind == VekKind::Vcek
}

fn is_vlek(chip: &ChipSpec) -> bool {
    chip.kind == VekKind::Vlek
}

fn is_turin(chip: &ChipSpec) -> bool {
    chip.product == Product::Turin
}

fn is_not_turin(chip: &ChipSpec) -> bool {
    !is_turin(chip)
}

fn is_turin_vcek(chip: &ChipSpec) -> bool {
    is_turin(chip) && is_vcek(chip)
}

/// Its microcode takes two bytes as an INTEGER.
fn has_large_microcode(chip: &ChipSpec) -> bool {
    chip.tcb.microcode >= 128
}

/// There may be newer microcode than its own.
fn has_older_microcode(chip: &ChipSpec) -> bool {
    chip.tcb.microcode < u8::MAX
}

/// There may be an older boot loader than its own, with newer microcode.
fn has_older_boot_loader(chip: &ChipSpec) -> bool {
    has_older_microcode(chip) && chip.tcb.boot_loader > 0
}

/// There may be a newer boot loader than its own, and newer microcode.
fn has_newer_boot_loader(chip: &ChipSpec) -> bool {
    has_older_microcode(chip) && chip.tcb.boot_loader < u8::MAX
}
