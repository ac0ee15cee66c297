//! Simulated SEV-SNP reports, in the form that each contender takes.

use std::sync::Arc;

use assay_silicon::amd::{Amd, Chip, ChipSpec, ReportSpec};
use assay_verify::snp::{
    AmdAuthority, AmdCrl, Context, CrlMode, Crls, Evidence as SnpEvidence, Requirements, VlekProviders,
};
use assay_verify::uvm::TrustedIssuers;
use assay_verify::{AnchorOrigin, TrustAnchors};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::Failure;
use crate::samples::{NOW, runtime_data};

/// A chip, and what trusts it. Its keys take seconds to make.
pub(crate) struct Silicon {
    pub(crate) chip: Chip,
    pub(crate) anchors: TrustAnchors,
    /// DER: the endorsement key, the intermediate, the root.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// The vendor's revocation list, verified, as a service holds it.
    pub(crate) crls: Vec<Arc<AmdCrl>>,
    issuers: TrustedIssuers,
}

/// A report and the data whose hash it carries.
pub(crate) struct Evidence {
    pub(crate) report: Vec<u8>,
    pub(crate) runtime_data: Vec<u8>,
    pub(crate) report_data: [u8; 64],
}

impl Silicon {
    /// A Milan with a chip key of its own (VCEK).
    pub(crate) fn new() -> Result<Self, Failure> {
        let mut amd = Amd::new(NOW.0);
        let spec = ChipSpec::default();
        let chip = amd.chip(&spec, NOW.0)?;
        let mut anchors = TrustAnchors::vendor();
        for authority in amd.authorities() {
            let (intermediate, root) = (&authority.intermediate, &authority.root);
            let authority = AmdAuthority::from_certificates(intermediate, root, AnchorOrigin::Simulated)?;
            anchors = anchors.with_amd_authority(authority);
        }
        let crl = AmdCrl::verify(&amd.crl(spec.product, NOW.0)?, &anchors)?;
        let certificates = [vec![chip.vek().to_vec()], chip.chain().to_vec()].concat();
        Ok(Self {
            chip,
            anchors,
            certificates,
            crls: vec![Arc::new(crl)],
            issuers: TrustedIssuers::default(),
        })
    }

    /// So many reports, each with its own report data, and so its own signature.
    pub(crate) fn evidence(&self, count: usize) -> Result<Vec<Evidence>, Failure> {
        (0..count).map(|number| evidence(&self.chip, number)).collect()
    }

    /// What a report is sent with.
    pub(crate) fn with_certificates<'a>(&'a self, evidence: &'a Evidence) -> SnpEvidence<'a> {
        SnpEvidence { report: &evidence.report, certificates: &self.certificates, endorsements: &[] }
    }

    /// The strictest demands: a current revocation list must be there.
    pub(crate) fn context(&self) -> Context<'_> {
        let requirements = Requirements {
            crls: Crls::Held(CrlMode::Require, &self.crls),
            vlek_providers: VlekProviders::Only(&[]),
            image_issuers: &self.issuers,
            time_stamp_authorities: &[],
        };
        Context { anchors: &self.anchors, now: NOW, requirements }
    }
}

/// A report that differs from all others.
pub(crate) fn evidence(chip: &Chip, number: usize) -> Result<Evidence, Failure> {
    let (runtime_data, report_data) = runtime_data(number);
    let report = chip.report(&ReportSpec { report_data, ..ReportSpec::default() })?;
    Ok(Evidence { report, runtime_data, report_data })
}

/// Report and certificates as clients of Azure Attestation send them.
pub(crate) fn document(chip: &Chip, evidence: &Evidence) -> Value {
    let chain = URL_SAFE_NO_PAD.encode(chip.chain_pem());
    json!({"SnpReport": URL_SAFE_NO_PAD.encode(&evidence.report), "VcekCertChain": chain})
}
