//! The chips that a simulated AMD has made in a folder, so that its key distribution service can certify them.
//!
//! ```text
//! DIR/amd/chips/<chip id>.json    one chip: its product, and the secret its keys follow from
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::chip::Chip;
use super::spec::{ChipSpec, Product, Tcb, VekKind};
use super::vek::hwid;
use super::vendor::Amd;
use crate::error::SiliconError;
use crate::folder::{self, Lock};
use crate::keys::Secret;

const FORMAT: u32 = 1;

/// A chip as its vendor knows it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    chip_id: [u8; 64],
    secret: Secret,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    product: String,
    secret: String,
}

impl Amd {
    /// The VCEK of a known chip for a TCB, DER.
    pub(crate) fn certify(
        &self,
        product: Product,
        known: &Known,
        tcb: Tcb,
        issued: i64,
    ) -> Result<Vec<u8>, SiliconError> {
        let spec = ChipSpec { tcb, ..ChipSpec::new(product, VekKind::Vcek) };
        let (issuer, root) = (self.intermediate(product, spec.kind)?, self.root(product)?);
        Ok(Chip::with_secret(&spec, known.chip_id, known.secret.clone(), issuer, root, issued)?.vek)
    }

    /// Grows with every change.
    pub(crate) const fn revision(&self) -> u64 {
        self.revision
    }

    /// DER: the ASK or ASVK of a product, then its ARK.
    pub(crate) fn chain(&self, product: Product, kind: VekKind) -> Result<[&[u8]; 2], SiliconError> {
        Ok([&self.intermediate(product, kind)?.certificate, &self.root(product)?.certificate])
    }
}

impl Known {
    /// A chip that does not exist.
    pub(crate) fn other(mut self) -> Self {
        if let Some(first) = self.chip_id.first_mut() {
            *first = !*first;
        }
        self
    }
}

/// Has the service of a folder know a chip. A VLEK is not of its chip, so a chip with one is of no use to the service.
pub(super) fn remember(dir: &Path, chip: &Chip) -> Result<(), SiliconError> {
    if chip.spec.kind != VekKind::Vcek {
        return Ok(());
    }
    let product = chip.spec.product;
    let stored = Stored { format: FORMAT, product: product.name().to_owned(), secret: chip.secret.to_hex() };
    let _lock = Lock::of(&dir.join("amd"))?;
    folder::make_private(&dir.join("amd").join("chips"))?;
    folder::write_json(&path(dir, hwid(product, &chip.chip_id)), &stored)
}

/// The chip of this product with this id; `None` if the folder has none.
pub(crate) fn find(dir: &Path, product: Product, hwid: &[u8]) -> Result<Option<Known>, SiliconError> {
    let path = path(dir, hwid);
    let Some(stored) = folder::read_json::<Stored>(&path)? else { return Ok(None) };
    let secret = Secret::from_hex(&stored.secret).filter(|_| stored.format == FORMAT);
    let unreadable = || folder::corrupt(&path, "it is not a chip of this program".to_owned());
    let secret = secret.ok_or_else(unreadable)?;
    let mut chip_id = [0; 64];
    for (to, from) in chip_id.iter_mut().zip(hwid) {
        *to = *from;
    }
    Ok((stored.product == product.name()).then_some(Known { chip_id, secret }))
}

fn path(dir: &Path, hwid: &[u8]) -> PathBuf {
    dir.join("amd").join("chips").join(format!("{}.json", hex::encode(hwid)))
}
