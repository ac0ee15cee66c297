//! What verified evidence says, typed. JSON names are given in one place, the claim table of the appraisal.

use assay_evidence::sgx::ReportBody;
use assay_evidence::snp::{Product, Report as SnpReport, SigningKey, Tcb};

use crate::hcl::ParavisorClaims;
use crate::intel::{CollateralHashes, TcbStatus};
use crate::time::UnixTime;
use crate::uvm::UvmClaims;

/// Claims of an SGX enclave.
#[derive(Clone, Debug)]
pub struct SgxClaims {
    /// The enclave's report.
    pub report: ReportBody,
    /// SHA-256 over all evidence bytes as received (with the Open Enclave header, where there is one).
    pub evidence_hash: [u8; 32],
    /// Digests of the collateral that was used.
    pub collateral_hashes: CollateralHashes,
    /// Digest that names the collateral set.
    pub collateral_digest: [u8; 32],
    /// The platform's TCB.
    pub tcb: TcbVerdict,
    /// Whether runtime data was bound by the report data.
    pub runtime_data_bound: bool,
    /// Whether init-time data was bound by the configuration id.
    pub init_time_data_bound: bool,
}

/// What Intel says of the platform's TCB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcbVerdict {
    /// Platform and quoting enclave together.
    pub status: TcbStatus,
    /// The platform alone.
    pub platform_status: TcbStatus,
    /// The quoting enclave alone.
    pub qe_status: TcbStatus,
    /// The earlier of the two levels' dates.
    pub date: UnixTime,
    /// Security advisories of both, sorted, each once.
    pub advisories: Vec<String>,
    /// The lower of the two evaluation numbers.
    pub evaluation_number: u32,
}

/// Claims of a virtual machine under SEV-SNP.
#[derive(Clone, Debug)]
pub struct SnpClaims {
    /// The processor's generation.
    pub product: Product,
    /// The kind of key that signed.
    pub signing_key: SigningKey,
    /// The provider that a VLEK belongs to.
    pub provider: Option<String>,
    /// The TCB that the endorsement key is of.
    pub reported_tcb: Tcb,
    /// What the platform runs.
    pub current_tcb: Tcb,
    /// Below this the platform cannot go back.
    pub committed_tcb: Tcb,
    /// What the platform ran when the guest was launched.
    pub launch_tcb: Tcb,
    /// What the image's maker says of it.
    pub image: Option<UvmClaims>,
    /// What the paravisor says of the machine, where there is one.
    pub paravisor: Option<Box<ParavisorClaims>>,
    /// Whether runtime data was bound by the report data.
    pub runtime_data_bound: bool,
    /// Whether init-time data was bound by the host data.
    pub init_time_data_bound: bool,
    /// Whether a current revocation list was consulted.
    pub revocation_checked: bool,
    /// The report.
    pub report: SnpReport,
}
