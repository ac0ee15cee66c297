//! Every named way to break evidence or collateral, one rule at a time.

mod certificates;
mod collateral;
mod quote;
mod table;

use super::collateral::{Collateral, CollateralDraft};
use super::pki::Template;
use super::platform::Platform;
use super::quote::QuoteDraft;
use super::spec::{CollateralSpec, QuoteSpec};
use super::vendor::Intel;
use crate::error::SiliconError;
use crate::keys::SigningKey;

pub use table::Defect;

/// A quote and its collateral.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The quote.
    pub quote: Vec<u8>,
    /// Its collateral.
    pub collateral: Collateral,
}

/// When a defect strikes.
#[derive(Clone, Copy)]
enum Fault {
    /// Before anything is signed: all signatures are valid in the end, unless the fault is in who signs.
    Before(fn(&mut Draft) -> Result<(), SiliconError>),
    /// After everything is signed.
    After(fn(&mut Sample)),
}

/// A sample before it is signed.
struct Draft {
    intel: Intel,
    now: i64,
    /// Its chain is made from the templates and keys below.
    platform: Platform,
    quote_spec: QuoteSpec,
    /// Signs the PCK certificate.
    pck_issuer: SigningKey,
    /// The authority of the PCK certificate, as it stands in the quote.
    ca: Template,
    /// The root's certificate, DER, as it stands in the quote.
    root: Vec<u8>,
    /// Stands in the place of the whole chain.
    chain: Option<Vec<Vec<u8>>>,
    quote: QuoteDraft,
    collateral: CollateralDraft,
}

impl Draft {
    fn new(
        intel: Intel,
        platform: Platform,
        quote: &QuoteSpec,
        collateral: &CollateralSpec,
        now: i64,
    ) -> Result<Self, SiliconError> {
        let ca = intel.authority(platform.ca());
        Ok(Self {
            now,
            quote_spec: quote.clone(),
            pck_issuer: ca.key.clone(),
            ca: ca.template.clone(),
            root: intel.root.certificate.clone(),
            chain: None,
            quote: QuoteDraft::new(&platform, quote)?,
            collateral: CollateralDraft::new(&intel, collateral, now)?,
            platform,
            intel,
        })
    }

    fn finish(mut self) -> Result<Sample, SiliconError> {
        self.platform.chain = match self.chain {
            Some(chain) => chain,
            None => {
                vec![
                    self.platform.pck.sign(&self.pck_issuer)?,
                    self.ca.sign(&self.intel.root.key)?,
                    self.root,
                ]
            }
        };
        Ok(Sample { quote: self.quote.finish(&self.platform)?, collateral: self.collateral.finish()? })
    }
}

impl Defect {
    /// A sample of this platform that breaks the rule.
    pub(super) fn apply(
        self,
        intel: &Intel,
        platform: Platform,
        quote: &QuoteSpec,
        collateral: &CollateralSpec,
        now: i64,
    ) -> Result<Sample, SiliconError> {
        let mut draft = Draft::new(intel.clone(), platform, quote, collateral, now)?;
        match self.fault() {
            Fault::Before(strike) => {
                strike(&mut draft)?;
                draft.finish()
            }
            Fault::After(strike) => {
                let mut sample = draft.finish()?;
                strike(&mut sample);
                Ok(sample)
            }
        }
    }
}

/// Flips one bit of one byte.
fn flip(bytes: &mut [u8], offset: usize) {
    if let Some(byte) = bytes.get_mut(offset) {
        *byte ^= 1;
    }
}

/// Replaces the last digit of a hex string by another one.
fn change_last_digit(text: &mut String) {
    let other = if text.pop() == Some('0') { '1' } else { '0' };
    text.push(other);
}
