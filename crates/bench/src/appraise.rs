//! The whole attest use case but for the signature: verification, policy, token body and decision record.

use std::sync::Arc;

use assay_appraisal::{
    ActivePolicy, Appraisal, AttachedData, AttestationType, Baseline, ChallengeCheck, CollateralSource,
    DataType, Moment, Provider, Request, SnpTrust, Verifier, appraise, default_policy,
};
use assay_verify::Binding;
use assay_verify::cache::ChainCache;
use assay_verify::intel::{Collateral, PlatformKey};
use assay_verify::sgx::{self, CollateralInput, Format};
use assay_verify::snp::{self, AmdCrl, CrlMode, VekCertificate, VekKey};
use assay_verify::{TrustAnchors, UnixTime};

use crate::Failure;
use crate::measure::{Contender, Plan, interleave};
use crate::report::{Goal, Row};
use crate::samples::{Cycle, NOW, Silicon, evidence};
use crate::snp_samples;

const SGX: &str = "sgx-appraise-warm";
const SNP: &str = "snp-appraise-warm";
pub(crate) const CASES: [&str; 2] = [SGX, SNP];
/// Quotes or reports.
const COUNT: usize = 512;
/// What the service may take beside verification and the signature.
const OVERHEAD_MICROS: f64 = 30.0;

pub(crate) fn rows(plan: Plan, wants: impl Fn(&str) -> bool) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    if wants(SGX) {
        rows.push(sgx_row(plan)?);
    }
    if wants(SNP) {
        rows.push(snp_row(plan)?);
    }
    Ok(rows)
}

/// The payload of a token, as large as one is.
pub(crate) fn token_payload() -> Result<String, Failure> {
    let silicon = Silicon::new()?;
    let world = World::sgx(&silicon)?;
    let requests = sgx_requests(&silicon, 1)?;
    let request = requests.first().ok_or("there is no request")?;
    let answer = world.appraise(request).answer;
    Ok(answer.map_err(|refusal| refusal.code().to_owned())?.payload)
}

fn sgx_row(plan: Plan) -> Result<Row, Failure> {
    let silicon = Silicon::new()?;
    let (world, requests) = (World::sgx(&silicon)?, sgx_requests(&silicon, COUNT)?);
    let collateral = silicon.collateral()?;
    let mut same = Cycle::new(&requests);
    let alone = Contender::new("verification", || {
        let request = same.next()?;
        let opened = sgx::Opened::new(&request.evidence, Format::Quote, &world.anchors, &world.cache);
        let context = sgx::Context { anchors: &world.anchors, now: NOW, cache: &world.cache };
        let verification =
            opened.verify(CollateralInput::Verified(&collateral), &binding_of(request), &context);
        verification.claims.is_some().then_some(verification)
    });
    world.row(plan, SGX, &requests, alone)
}

fn snp_row(plan: Plan) -> Result<Row, Failure> {
    let silicon = snp_samples::Silicon::new()?;
    let (world, evidence) = (World::snp(&silicon)?, silicon.evidence(COUNT)?);
    let requests: Vec<Request> = evidence.iter().map(|evidence| snp_request(&silicon, evidence)).collect();
    let mut same = Cycle::new(&evidence);
    let alone = Contender::new("verification", || {
        let evidence = same.next()?;
        let sent = silicon.with_certificates(evidence);
        let opened = snp::Opened::new(sent, &world.anchors, &world.cache);
        let binding = Binding { runtime_data: Some(&evidence.runtime_data), ..Binding::default() };
        let verification = opened.verify(None, &binding, &silicon.context());
        verification.claims.is_some().then_some(verification)
    });
    world.row(plan, SNP, &requests, alone)
}

fn sgx_requests(silicon: &Silicon, count: usize) -> Result<Vec<Request>, Failure> {
    let platform = silicon.platform()?;
    let request = |number| {
        let evidence = evidence(&platform, number)?;
        Ok(request(AttestationType::SgxEnclave, evidence.quote, evidence.runtime_data))
    };
    (0..count).map(request).collect()
}

fn snp_request(silicon: &snp_samples::Silicon, evidence: &snp_samples::Evidence) -> Request {
    let document = snp_samples::document(&silicon.chip, evidence).to_string().into_bytes();
    request(AttestationType::SevSnpVm, document, evidence.runtime_data.clone())
}

fn request(kind: AttestationType, evidence: Vec<u8>, runtime_data: Vec<u8>) -> Request {
    Request {
        kind,
        evidence,
        runtime_data: Some(AttachedData { data: runtime_data, data_type: DataType::Json }),
        init_time_data: None,
        nonce: None,
        challenge: None,
        draft_policy: None,
    }
}

fn binding_of(request: &Request) -> Binding<'_> {
    let runtime_data = request.runtime_data.as_ref().map(|attached| attached.data.as_slice());
    Binding { runtime_data, ..Binding::default() }
}

/// What stands around a request.
struct World {
    anchors: TrustAnchors,
    cache: ChainCache,
    collateral: Option<Arc<Collateral>>,
    crls: Vec<Arc<AmdCrl>>,
    policy: ActivePolicy,
    baseline: Baseline,
    snp: SnpTrust,
}

impl World {
    fn sgx(silicon: &Silicon) -> Result<Self, Failure> {
        let world = Self::new(AttestationType::SgxEnclave, silicon.anchors.clone())?;
        Ok(Self { collateral: Some(silicon.collateral()?), ..world })
    }

    fn snp(silicon: &snp_samples::Silicon) -> Result<Self, Failure> {
        let world = Self::new(AttestationType::SevSnpVm, silicon.anchors.clone())?;
        Ok(Self { crls: silicon.crls.clone(), ..world })
    }

    fn new(kind: AttestationType, anchors: TrustAnchors) -> Result<Self, Failure> {
        let policy = ActivePolicy::compile(kind, default_policy(kind), None)
            .map_err(|_| "the default policy does not compile")?;
        Ok(Self {
            anchors,
            cache: ChainCache::default(),
            collateral: None,
            crls: Vec::new(),
            policy,
            baseline: Baseline::default(),
            snp: SnpTrust { crl_mode: CrlMode::Require, ..SnpTrust::default() },
        })
    }

    /// The whole use case above verification alone.
    fn row(
        &self,
        plan: Plan,
        case: &'static str,
        requests: &[Request],
        alone: Contender<'_>,
    ) -> Result<Row, Failure> {
        let mut own = Cycle::new(requests);
        let whole = Contender::new("appraise", || {
            let appraisal = self.appraise(own.next()?);
            appraisal.answer.is_ok().then_some(appraisal)
        });
        let [whole, alone] = interleave(plan, [whole, alone])?;
        Ok(Row::new(case, "us", whole)
            .above("verification of the same evidence, measured here", alone)
            .promised(&[Goal::FloorPlus(OVERHEAD_MICROS)]))
    }

    fn appraise(&self, request: &Request) -> Appraisal {
        let provider = Provider {
            name: "default",
            issuer: "https://attest.example.org",
            policy: &self.policy,
            baseline: &self.baseline,
            // Only then is simulated silicon trusted.
            development: true,
        };
        let verifier = Verifier {
            anchors: &self.anchors,
            cache: &self.cache,
            collateral: self,
            snp: &self.snp,
            challenges: self,
        };
        appraise(request, &provider, &verifier, &Moment { now: NOW, token_id: [7; 32] })
    }
}

impl CollateralSource for World {
    fn find(&self, _platform: &PlatformKey) -> Option<Arc<Collateral>> {
        self.collateral.clone()
    }

    fn find_veks(&self, _key: &VekKey) -> Vec<VekCertificate> {
        Vec::new()
    }

    fn amd_crls(&self) -> Vec<Arc<AmdCrl>> {
        self.crls.clone()
    }
}

impl ChallengeCheck for World {
    fn is_ours(&self, _challenge: &str, _now: UnixTime) -> bool {
        false
    }
}
