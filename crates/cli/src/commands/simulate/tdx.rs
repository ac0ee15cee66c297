//! Azure-style confidential VMs on Intel TDX: a TDREPORT in the paravisor's report. No collateral belongs to it, as nobody
//! outside of its machine can verify it.

use assay_silicon::hcl::{HclSpec, tdx_report};

use super::{Arguments, Made};
use crate::failure::Failure;

/// Of the guest, unless another is given: as under SEV-SNP.
const MEASUREMENT: [u8; 48] = [0x5e; 48];

pub(super) fn make(arguments: &Arguments) -> Result<Made, Failure> {
    arguments.intel.refuse("azure-cvm")?;
    arguments.amd.refuse_for_tdx(arguments.defect.is_some())?;
    let spec = HclSpec { runtime_claims: arguments.runtime_data()?, ..HclSpec::tdx() };
    let measurement = arguments.amd.measurement.unwrap_or(MEASUREMENT);
    let (evidence, runtime_data) = tdx_report(measurement, arguments.debug, &spec)?;
    let files = vec![("evidence.bin", evidence), ("runtime-data.bin", runtime_data)];
    Ok(Made { files, attest_route: None })
}
