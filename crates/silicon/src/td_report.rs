//! TDREPORT, which a TDX module gives to a guest: what the quoting enclave of the same machine makes a quote from (Intel,
//! *TDX Module ABI Specification*, document 348551, sections 4.7.1 to 4.7.5).
//!
//! ```text
//!    0   16  REPORTMACSTRUCT: type (0x81, TDX), reserved
//!   16   16  CPUSVN
//!   32   48  SHA-384 of TEE_TCB_INFO
//!   80   48  SHA-384 of TDINFO
//!  128   64  report data
//!  192   64  32 reserved, then the MAC
//!  256  239  TEE_TCB_INFO: valid, TEE_TCB_SVN, MRSEAM, MRSIGNERSEAM, attributes, TEE_TCB_SVN2, reserved
//!  495   17  reserved
//!  512  512  TDINFO: attributes, XFAM, MRTD, and measurements that Azure's paravisor leaves zero
//! ```
//!
//! The MAC is random: its key never leaves a processor, so nobody elsewhere could tell.

use aws_lc_rs::digest::{SHA384, digest};

use crate::error::SiliconError;
use crate::keys::random;

/// The whole report.
pub(crate) const SIZE: usize = 1024;
const TCB_INFO: std::ops::Range<usize> = 256..495;
const TD_INFO: std::ops::Range<usize> = 512..1024;
/// ATTRIBUTES.DEBUG of a guest.
const ATTRIBUTE_DEBUG: u8 = 1;

/// A TDREPORT to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TdReportSpec {
    /// What the guest says.
    pub(crate) report_data: [u8; 64],
    /// MRTD: the guest at launch.
    pub(crate) measurement: [u8; 48],
    /// Whether the host may read the guest's memory.
    pub(crate) debug: bool,
}

/// Makes a report: [`SIZE`] bytes, as a current TDX module would.
///
/// # Errors
/// [`SiliconError::Crypto`].
pub(crate) fn td_report(spec: &TdReportSpec) -> Result<Vec<u8>, SiliconError> {
    let mut report = vec![0; SIZE];
    let mut put = |offset: usize, bytes: &[u8]| {
        report.iter_mut().skip(offset).zip(bytes).for_each(|(to, from)| *to = *from);
    };
    put(0, &[0x81]);
    put(16, &[6, 6, 2, 3, 3, 0xff, 0, 3]);
    put(128, &spec.report_data);
    put(224, &random::<32>()?);
    // Which of the fields that follow are there; version 1.5 of the module; its measurement.
    put(256, &[0xff, 1, 3, 0, 0, 0, 0, 0, 7, 1, 6]);
    put(280, &[0x5a; 48]);
    put(384, &[7, 1, 6]);
    put(512, &[if spec.debug { ATTRIBUTE_DEBUG } else { 0 }]);
    // XFAM: x87, SSE, AVX, AVX-512, PKRU, CET and AMX.
    put(520, &[0xe7, 0x18, 6]);
    put(528, &spec.measurement);
    for (offset, part) in [(32, TCB_INFO), (80, TD_INFO)] {
        let hash = digest(&SHA384, report.get(part).unwrap_or_default());
        report.iter_mut().skip(offset).zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    }
    Ok(report)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]
mod tests {
    use std::path::PathBuf;

    use crate::hcl::{HclSpec, tdx_report};

    use super::*;

    fn real() -> Vec<Vec<u8>> {
        let Some(folder) = std::env::var_os("ASSAY_VECTORS").map(PathBuf::from) else {
            println!("SKIPPED: ASSAY_VECTORS is not set, so there is no real evidence to test with");
            return Vec::new();
        };
        let names = ["coco-tdx/hcl-report.bin", "kinvolk/hcl-report-tdx.bin"];
        names.map(|name| std::fs::read(folder.join("azcvm").join(name)).unwrap()).into()
    }

    /// In real and simulated reports alike, the hashes inside are those of the parts.
    #[test]
    fn simulated_reports_are_like_real_ones() {
        let simulated = |debug| tdx_report([3; 48], debug, &HclSpec::tdx()).unwrap().0;
        for sample in [vec![simulated(false), simulated(true)], real()].concat() {
            let (header, report) = (&sample[..32], &sample[32..32 + SIZE]);
            let number = |at: usize| u32::from_le_bytes(sample[at..at + 4].try_into().unwrap());
            assert_eq!((sample.len(), number(4), number(12), number(1224)), (2600, 2, 2, 4));
            assert_eq!((number(8), number(1216)), (number(1216) + 1216, number(1232) + 20));
            assert_eq!((&header[16..], report[0], &report[1..16]), (&[0; 16][..], 0x81, &[0; 15][..]));
            for (hash, part) in [(&report[32..80], TCB_INFO), (&report[80..128], TD_INFO)] {
                assert_eq!(hash, digest(&SHA384, &report[part]).as_ref());
            }
            assert_eq!((&report[192..224], &report[495..512]), (&[0; 32][..], &[0; 17][..]));
            assert_ne!(report[224..256], [0; 32]);
        }
        let differs = simulated(true)[32 + 512] ^ simulated(false)[32 + 512];
        assert_eq!(differs, ATTRIBUTE_DEBUG);
    }
}
