//! What this machine is: chip and TCB of an SEV-SNP processor, platform and TCB of an SGX one.

use std::fmt;
use std::path::PathBuf;

use assay_evidence::bundle::{self, Body, Bundle};
use assay_evidence::snp::{Product, Report, SigningKey, TcbVersion};
use assay_verify::snp::VekKey;

use super::error::IdentityError;
use super::tsm;

/// Where chip and TCB come from.
#[derive(Clone, Debug)]
pub enum SnpSource {
    /// The kernel's folder for reports, `/sys/kernel/config/tsm/report`.
    Tsm {
        /// The folder.
        folder: PathBuf,
        /// The processor, for reports that do not name it.
        product: Option<Product>,
    },
    /// A file with a report, in any form that guests' tools write.
    Report {
        /// The file.
        file: PathBuf,
        /// The processor, for reports that do not name it.
        product: Option<Product>,
    },
    /// As the operator says.
    Given(SnpIdentity),
}

/// An SEV-SNP machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SnpIdentity {
    /// The processor.
    pub product: Product,
    /// The chip, followed by zeros. Never log it, never store it in the clear.
    pub chip_id: [u8; 64],
    /// REPORTED_TCB: what the endorsement key is derived from.
    pub reported_tcb: TcbVersion,
}

impl fmt::Debug for SnpIdentity {
    /// Leaves out what identifies the machine.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnpIdentity").field("product", &self.product).finish_non_exhaustive()
    }
}

impl SnpSource {
    /// Reads anew what the machine is.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn read(&self) -> Result<SnpIdentity, IdentityError> {
        match self {
            Self::Tsm { folder, product } => SnpIdentity::of_report(&tsm::report(folder)?, *product),
            Self::Report { file, product } => SnpIdentity::of_report(&read_report(file)?, *product),
            Self::Given(identity) => Ok(*identity),
        }
    }
}

fn read_report(file: &std::path::Path) -> Result<Vec<u8>, IdentityError> {
    let size = u64::try_from(bundle::MAX_SIZE).unwrap_or(u64::MAX);
    let bytes = crate::files::read(file, size)
        .map_err(|error| IdentityError::File { path: error.path, problem: error.problem })?;
    let bundle = Bundle::parse(&bytes).map_err(|error| IdentityError::Report(error.to_string()))?;
    match bundle.body {
        Body::Snp(report) => Ok(report),
        Body::Hcl(_) => Err(IdentityError::Report("it is a paravisor's".to_owned())),
    }
}

impl SnpIdentity {
    /// An identity from its parts. `chip_id` has the bytes that the processor's ids have, or 64 with zeros behind them.
    ///
    /// # Errors
    /// [`IdentityError::ChipMasked`] and [`IdentityError::Reserved`].
    pub fn new(product: Product, chip_id: &[u8], reported_tcb: TcbVersion) -> Result<Self, IdentityError> {
        let wrong = |what| IdentityError::Reserved(what, product.as_str());
        let (id, rest) =
            chip_id.split_at_checked(product.chip_id_size()).ok_or_else(|| wrong("the chip id"))?;
        if chip_id.len() > 64 || rest.iter().any(|byte| *byte != 0) {
            return Err(wrong("the chip id"));
        }
        if id.iter().all(|byte| *byte == 0) {
            return Err(IdentityError::ChipMasked);
        }
        let (_, reserved_are_zero) = reported_tcb.read(product.tcb_layout());
        if !reserved_are_zero {
            return Err(wrong("the TCB version"));
        }
        let mut whole = [0; 64];
        whole.iter_mut().zip(id).for_each(|(to, from)| *to = *from);
        Ok(Self { product, chip_id: whole, reported_tcb })
    }

    /// What a report says of its machine. `named` is the processor that the operator names, if he does.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn of_report(report: &[u8], named: Option<Product>) -> Result<Self, IdentityError> {
        let report = Report::parse(report).map_err(|error| IdentityError::Report(error.to_string()))?;
        if report.is_chip_id_masked() || report.key_info.is_chip_key_masked() {
            return Err(IdentityError::ChipMasked);
        }
        match report.key_info.signing_key() {
            Some(SigningKey::Vcek) => {}
            Some(SigningKey::Vlek) => return Err(IdentityError::ProviderKey),
            None => return Err(IdentityError::Report("it is signed by no known kind of key".to_owned())),
        }
        let found = match report.cpuid {
            Some(cpuid) => Some(
                Product::from_cpuid(cpuid)
                    .ok_or_else(|| IdentityError::Report("its processor is not known".to_owned()))?,
            ),
            None => None,
        };
        let product = match (found, named) {
            (Some(found), Some(named)) if found != named => {
                return Err(IdentityError::ProductDiffers {
                    found: found.as_str(),
                    expected: named.as_str(),
                });
            }
            (found, named) => found.or(named).ok_or(IdentityError::ProductUnknown)?,
        };
        Self::new(product, &report.chip_id, report.reported_tcb)
    }

    /// The key that the machine's reports are signed with.
    #[must_use]
    pub const fn vek_key(&self) -> VekKey {
        VekKey {
            product: Some(self.product),
            kind: SigningKey::Vcek,
            chip_id: self.chip_id,
            reported_tcb: self.reported_tcb.0,
        }
    }

    /// The path at AMD's key distribution service, or at a service of its shape (AMD document 57230, section 4).
    #[must_use]
    pub fn vcek_path(&self) -> String {
        let id = self.chip_id.get(..self.product.chip_id_size()).unwrap_or_default();
        let (tcb, _) = self.reported_tcb.read(self.product.tcb_layout());
        let fmc = tcb.fmc.map(|fmc| format!("fmcSPL={fmc:02}&")).unwrap_or_default();
        format!(
            "/vcek/v1/{}/{}?{fmc}blSPL={:02}&teeSPL={:02}&snpSPL={:02}&ucodeSPL={:02}",
            self.product,
            hex::encode(id),
            tcb.boot_loader,
            tcb.tee,
            tcb.snp,
            tcb.microcode
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests")]

    use super::*;

    const MILAN: TcbVersion = TcbVersion([3, 0, 0, 0, 0, 0, 8, 115]);
    const TURIN: TcbVersion = TcbVersion([1, 2, 3, 4, 0, 0, 0, 72]);

    /// A report of zeros but for these bytes.
    fn report(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut report = vec![0; 0x4a0];
        for (offset, bytes) in parts {
            report[*offset..*offset + bytes.len()].copy_from_slice(bytes);
        }
        report
    }

    fn milan() -> Vec<u8> {
        report(&[(0, &[3]), (0x180, &MILAN.0), (0x188, &[0x19, 1, 1]), (0x1a0, &[0xab; 64])])
    }

    fn with(mut report: Vec<u8>, offset: usize, bytes: &[u8]) -> Vec<u8> {
        report[offset..offset + bytes.len()].copy_from_slice(bytes);
        report
    }

    #[test]
    fn a_report_says_chip_and_reported_tcb() {
        let expected = SnpIdentity { product: Product::Milan, chip_id: [0xab; 64], reported_tcb: MILAN };
        assert_eq!(SnpIdentity::of_report(&milan(), None), Ok(expected));
        assert_eq!(SnpIdentity::of_report(&milan(), Some(Product::Milan)), Ok(expected));
        // CURRENT_TCB, which is another one here, is not asked.
        let newer = with(milan(), 0x38, &[9; 8]);
        assert_eq!(SnpIdentity::of_report(&newer, None), Ok(expected));
        // Version 2 has no CPUID.
        let old = with(with(milan(), 0, &[2]), 0x188, &[0; 3]);
        assert_eq!(SnpIdentity::of_report(&old, Some(Product::Milan)), Ok(expected));
    }

    #[test]
    fn reports_that_name_no_chip_key_are_refused() {
        let cases: [(&str, Vec<u8>, Option<Product>, &str); 10] = [
            ("short", milan()[1..].to_vec(), None, "identity-report"),
            ("version", with(milan(), 0, &[9]), None, "identity-report"),
            ("processor", with(milan(), 0x188, &[0x17, 1, 1]), None, "identity-report"),
            ("masked id", with(milan(), 0x1a0, &[0; 64]), None, "identity-chip-masked"),
            ("masked key", with(milan(), 0x48, &[2]), None, "identity-chip-masked"),
            ("VLEK", with(milan(), 0x48, &[4]), None, "identity-provider-key"),
            ("no key", with(milan(), 0x48, &[7 << 2]), None, "identity-report"),
            ("version 2", with(milan(), 0, &[2]), None, "identity-product-unknown"),
            ("other product", milan(), Some(Product::Genoa), "identity-product-differs"),
            ("reserved TCB", with(milan(), 0x183, &[1]), None, "identity-reserved"),
        ];
        for (name, report, named, code) in cases {
            assert_eq!(SnpIdentity::of_report(&report, named).unwrap_err().code(), code, "{name}");
        }
    }

    #[test]
    fn the_path_is_that_of_amd() {
        let milan = SnpIdentity::new(Product::Milan, &[0xab; 64], MILAN).unwrap();
        let expected =
            format!("/vcek/v1/Milan/{}?blSPL=03&teeSPL=00&snpSPL=08&ucodeSPL=115", "ab".repeat(64));
        assert_eq!(milan.vcek_path(), expected);
        let turin = SnpIdentity::new(Product::Turin, &[0xcd; 8], TURIN).unwrap();
        let expected = "/vcek/v1/Turin/cdcdcdcdcdcdcdcd?fmcSPL=01&blSPL=02&teeSPL=03&snpSPL=04&ucodeSPL=72";
        assert_eq!(turin.vcek_path(), expected);
    }

    #[test]
    fn chip_ids_are_as_long_as_the_processors() {
        let mut turin = [0; 64];
        turin[..8].fill(0xcd);
        assert!(SnpIdentity::new(Product::Turin, &turin, TURIN).is_ok());
        let refused = |product, id: &[u8], tcb| SnpIdentity::new(product, id, tcb).unwrap_err().code();
        assert_eq!(refused(Product::Turin, &[0xcd; 64], TURIN), "identity-reserved");
        assert_eq!(refused(Product::Turin, &[0xcd; 7], TURIN), "identity-reserved");
        assert_eq!(refused(Product::Milan, &[0xab; 8], MILAN), "identity-reserved");
        assert_eq!(refused(Product::Milan, &[0xab; 65], MILAN), "identity-reserved");
        assert_eq!(refused(Product::Milan, &[0; 64], MILAN), "identity-chip-masked");
        assert_eq!(refused(Product::Milan, &[0xab; 64], TURIN), "identity-reserved");
        assert!(!format!("{:?}", SnpIdentity::new(Product::Milan, &[0xab; 64], MILAN)).contains("171"));
    }
}
