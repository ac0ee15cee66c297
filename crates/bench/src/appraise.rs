//! The whole attest use case but for the signature: verification, policy, token body and decision record.

use std::sync::Arc;

use assay_appraisal::{
    ActivePolicy, Appraisal, AttachedData, AttestationType, Baseline, ChallengeCheck, CollateralSource,
    DataType, Moment, Provider, Request, Verifier, appraise, default_policy,
};
use assay_verify::Binding;
use assay_verify::cache::ChainCache;
use assay_verify::intel::{Collateral, PlatformKey};
use assay_verify::sgx::{CollateralInput, Context, Format, Opened};
use assay_verify::{TrustAnchors, UnixTime};

use crate::Failure;
use crate::measure::{Contender, Plan, interleave};
use crate::report::{Goal, Row};
use crate::samples::{Cycle, Evidence, NOW, Silicon, evidence};

const CASE: &str = "sgx-appraise-warm";
pub(crate) const CASES: [&str; 1] = [CASE];
const QUOTES: usize = 512;
/// What the service may take beside verification and the signature.
const OVERHEAD_MICROS: f64 = 30.0;

pub(crate) fn rows(plan: Plan) -> Result<Vec<Row>, Failure> {
    let world = World::new()?;
    let requests = requests(&world.silicon, QUOTES)?;
    let mut own = Cycle::new(&requests);
    let whole = Contender::new("appraise", || {
        let appraisal = world.appraise(own.next()?);
        appraisal.answer.is_ok().then_some(appraisal)
    });
    let mut same = Cycle::new(&requests);
    let alone = Contender::new("verification", || world.verify(same.next()?));
    let [whole, alone] = interleave(plan, [whole, alone])?;
    let row = Row::new(CASE, "us", whole)
        .above("verification of the same evidence, measured here", alone)
        .promised(&[Goal::FloorPlus(OVERHEAD_MICROS)]);
    Ok(vec![row])
}

/// The payload of a token, as large as one is.
pub(crate) fn token_payload() -> Result<String, Failure> {
    let world = World::new()?;
    let requests = requests(&world.silicon, 1)?;
    let request = requests.first().ok_or("there is no request")?;
    let answer = world.appraise(request).answer;
    Ok(answer.map_err(|refusal| refusal.code().to_owned())?.payload)
}

fn requests(silicon: &Silicon, count: usize) -> Result<Vec<Request>, Failure> {
    let platform = silicon.platform()?;
    (0..count).map(|number| Ok(request(evidence(&platform, number)?))).collect()
}

fn request(evidence: Evidence) -> Request {
    Request {
        kind: AttestationType::SgxEnclave,
        evidence: evidence.quote,
        runtime_data: Some(AttachedData { data: evidence.runtime_data, data_type: DataType::Json }),
        init_time_data: None,
        nonce: None,
        challenge: None,
        draft_policy: None,
    }
}

/// What stands around a request.
struct World {
    silicon: Silicon,
    cache: ChainCache,
    collateral: Arc<Collateral>,
    policy: ActivePolicy,
    baseline: Baseline,
}

impl World {
    fn new() -> Result<Self, Failure> {
        let silicon = Silicon::new()?;
        let kind = AttestationType::SgxEnclave;
        let policy = ActivePolicy::compile(kind, default_policy(kind), None)
            .map_err(|_| "the default policy does not compile")?;
        let collateral = silicon.collateral()?;
        Ok(Self { silicon, cache: ChainCache::default(), collateral, policy, baseline: Baseline::default() })
    }

    fn anchors(&self) -> &TrustAnchors {
        &self.silicon.anchors
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
        let verifier =
            Verifier { anchors: self.anchors(), cache: &self.cache, collateral: self, challenges: self };
        appraise(request, &provider, &verifier, &Moment { now: NOW, token_id: [7; 32] })
    }

    fn verify(&self, request: &Request) -> Option<assay_verify::sgx::Verification> {
        let opened = Opened::new(&request.evidence, Format::Quote, self.anchors(), &self.cache);
        let runtime_data = request.runtime_data.as_ref().map(|attached| attached.data.as_slice());
        let binding = Binding { runtime_data, ..Binding::default() };
        let context = Context { anchors: self.anchors(), now: NOW, cache: &self.cache };
        let verification = opened.verify(CollateralInput::Verified(&self.collateral), &binding, &context);
        verification.claims.is_some().then_some(verification)
    }
}

impl CollateralSource for World {
    fn find(&self, _platform: &PlatformKey) -> Option<Arc<Collateral>> {
        Some(Arc::clone(&self.collateral))
    }
}

impl ChallengeCheck for World {
    fn is_ours(&self, _challenge: &str, _now: UnixTime) -> bool {
        false
    }
}
