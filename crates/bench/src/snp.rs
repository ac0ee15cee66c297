//! SEV-SNP reports to claims and report: with a known endorsement key, and with nothing known.

use assay_verify::Binding;
use assay_verify::cache::ChainCache;
use assay_verify::snp::{Opened, Verification};
use sev::certs::snp::{Chain, Verifiable};
use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser;

use crate::Failure;
use crate::floor::{P384, VekSignature};
use crate::measure::{Contender, Plan, interleave};
use crate::report::{Goal, Row};
use crate::samples::Cycle;
use crate::snp_samples::{Evidence, Silicon};

const WARM: &str = "snp-verify-warm";
const COLD: &str = "snp-verify-cold";
pub(crate) const CASES: [&str; 2] = [WARM, COLD];

const PEER: &str = "sev 8.0.0 with OpenSSL of the system, on the same simulated reports and chain; it pins and keeps nothing, and \
                    compares no fields";
const REPORTS: usize = 512;

pub(crate) fn rows(plan: Plan) -> Result<Vec<Row>, Failure> {
    let silicon = Silicon::new()?;
    let reports = silicon.evidence(REPORTS)?;
    Ok(vec![warm(plan, &silicon, &reports)?, cold(plan, &silicon, &reports)?])
}

fn warm(plan: Plan, silicon: &Silicon, reports: &[Evidence]) -> Result<Row, Failure> {
    let cache = ChainCache::default();
    let mut own = Cycle::new(reports);
    let assay = Contender::new("assay", || verify(own.next()?, silicon, &cache));
    let mut p384 = P384::new()?;
    let floor = Contender::new("a P-384 verification", || p384.verify());
    let [assay, peer, floor] = interleave(plan, [assay, peer(silicon, reports)?, floor])?;
    Ok(Row::new(WARM, "us", assay)
        .beside(PEER, peer)
        .above("1 P-384 verification", floor)
        .promised(&[Goal::FloorTimes(1.15), Goal::Ratio(3.7)]))
}

fn cold(plan: Plan, silicon: &Silicon, reports: &[Evidence]) -> Result<Row, Failure> {
    let mut own = Cycle::new(reports);
    let assay = Contender::new("assay", || verify(own.next()?, silicon, &ChainCache::new(8)));
    let (mut p384, rsa) = (P384::new()?, VekSignature::new()?);
    let floor = Contender::new("P-384 and RSA-PSS", || rsa.verify().and_then(|()| p384.verify_of_new_key()));
    let [assay, peer, floor] = interleave(plan, [assay, peer(silicon, reports)?, floor])?;
    Ok(Row::new(COLD, "us", assay)
        .beside(PEER, peer)
        .above("1 P-384 verification by a new key + RSA-4096-PSS of its certificate", floor)
        .promised(&[Goal::Ratio(2.5)]))
}

/// Verifies as the service does; `None` unless there are claims, and they are those of this report.
fn verify(evidence: &Evidence, silicon: &Silicon, cache: &ChainCache) -> Option<Verification> {
    let opened = Opened::new(silicon.with_certificates(evidence), &silicon.anchors, cache);
    let verification = opened.verify(None, &Binding::default(), &silicon.context());
    let claims = verification.claims.as_ref()?;
    (evidence.report_data == claims.report.report_data).then_some(verification)
}

/// As the users of `sev` do: report and chain are read, then the chain verifies itself and the report.
fn peer<'a>(silicon: &'a Silicon, reports: &'a [Evidence]) -> Result<Contender<'a>, Failure> {
    let [vek, ask, ark] = silicon.certificates.as_slice() else {
        return Err("a chain has three certificates".into());
    };
    let mut reports = Cycle::new(reports);
    Ok(Contender::new("sev", move || {
        let evidence = reports.next()?;
        let report = AttestationReport::from_bytes(&evidence.report).ok()?;
        let chain = Chain::from_der(ark, ask, vek).ok()?;
        (&chain, &report).verify().ok()?;
        (evidence.report_data == report.report_data).then_some(report)
    }))
}
