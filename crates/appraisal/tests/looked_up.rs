//! Quotes that carry no PCK certificate: what is looked up judges, is named by the record, and is needed to decide again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;

use assay_appraisal::{
    ActivePolicy, Appraisal, AttestationType, Baseline, ChallengeCheck, CollateralSource, Endorsements,
    Moment, Provider, RawEndorsements, RawIntelWithPck, Refusal, ReplayInputs, Request, SnpTrust, Verifier,
    appraise, default_policy, replay,
};
use assay_silicon::intel::{CertificationType, CollateralSpec, Intel, PlatformSpec, QuoteSpec};
use assay_verify::cache::ChainCache;
use assay_verify::intel::{Collateral, PlatformKey, RawCollateral};
use assay_verify::sgx::PckKey;
use assay_verify::snp::{AmdCrl, VekCertificate, VekKey};
use assay_verify::{AnchorOrigin, TrustAnchors, UnixTime, VerifyError};

const NOW: i64 = 1_800_000_000;

/// A service that holds a set, and the chains of one platform.
struct Held {
    qe_id: [u8; 16],
    set: Option<Arc<Collateral>>,
    chains: Vec<Arc<str>>,
}

impl CollateralSource for Held {
    fn find(&self, _: &PlatformKey) -> Option<Arc<Collateral>> {
        self.set.clone()
    }

    fn find_pcks(&self, key: &PckKey) -> Vec<Arc<str>> {
        if key.qe_id == self.qe_id { self.chains.clone() } else { Vec::new() }
    }

    fn find_veks(&self, _: &VekKey) -> Vec<VekCertificate> {
        Vec::new()
    }

    fn amd_crls(&self) -> Vec<Arc<AmdCrl>> {
        Vec::new()
    }
}

struct NoChallenge;

impl ChallengeCheck for NoChallenge {
    fn is_ours(&self, _: &str, _: UnixTime) -> bool {
        false
    }
}

struct Rig {
    anchors: TrustAnchors,
    raw: Arc<RawCollateral>,
    set: Arc<Collateral>,
    qe_id: [u8; 16],
    own: Arc<str>,
    foreign: Arc<str>,
    policy: ActivePolicy,
    request: Request,
}

impl Rig {
    fn new() -> Self {
        let intel = Intel::generate(NOW).unwrap();
        let anchors =
            TrustAnchors::vendor().with_intel_root(intel.root_public_key(), AnchorOrigin::Simulated);
        let spec = PlatformSpec::default();
        let (platform, other) = (intel.platform(&spec, NOW).unwrap(), intel.platform(&spec, NOW).unwrap());
        let certification = CertificationType::PpidRsa3072;
        let quote = platform.quote(&QuoteSpec { certification, ..QuoteSpec::default() }).unwrap();
        let made = intel.collateral(&CollateralSpec::for_platform(&spec), NOW).unwrap();
        let raw: RawCollateral = serde_json::from_value(serde_json::to_value(made).unwrap()).unwrap();
        let set = Collateral::verify(&raw, &anchors).collateral.unwrap();
        let kind = AttestationType::SgxEnclave;
        Self {
            anchors,
            raw: Arc::new(raw),
            set: Arc::new(set),
            qe_id: platform.qe_id(),
            own: platform.pck_certificate_chain_pem().into(),
            foreign: other.pck_certificate_chain_pem().into(),
            policy: ActivePolicy::compile(kind, default_policy(kind), None).unwrap(),
            request: Request {
                kind,
                evidence: quote,
                runtime_data: None,
                init_time_data: None,
                nonce: None,
                challenge: None,
                draft_policy: None,
            },
        }
    }

    fn appraise(&self, chains: &[&Arc<str>], with_set: bool) -> Appraisal {
        let chains = chains.iter().map(|chain| Arc::clone(chain)).collect();
        let held = Held { qe_id: self.qe_id, set: with_set.then(|| Arc::clone(&self.set)), chains };
        let cache = ChainCache::default();
        let verifier = Verifier {
            anchors: &self.anchors,
            cache: &cache,
            collateral: &held,
            snp: &SnpTrust::default(),
            challenges: &NoChallenge,
        };
        let provider = Provider {
            name: "default",
            issuer: "https://assay.example",
            policy: &self.policy,
            baseline: &Baseline::default(),
            development: true,
        };
        appraise(&self.request, &provider, &verifier, &Moment { now: UnixTime(NOW), token_id: [7; 32] })
    }

    /// Members that come out differently when it is decided again with this chain.
    fn replayed(&self, appraisal: &Appraisal, pck: Option<&str>) -> Vec<String> {
        let Endorsements::IntelWithPck(used, set) = &appraisal.endorsements else { panic!() };
        let collateral = set.as_ref().map(|_| Arc::clone(&self.raw));
        let kept = RawIntelWithPck { pck_sha256: hex::encode(used.digest), collateral };
        // As it is kept and read again.
        let kept = serde_json::to_string(&RawEndorsements::IntelWithPck(kept)).unwrap();
        let line_of_leaf = self.own.lines().nth(3).unwrap();
        assert!(!kept.contains(line_of_leaf), "only its name is kept");
        let kept: RawEndorsements = serde_json::from_str(&kept).unwrap();
        let inputs = ReplayInputs {
            request: &self.request,
            policy: Some(self.policy.text()),
            policy_signer: None,
            endorsements: Some(&kept),
            vek: None,
            pck,
            anchors: &self.anchors,
        };
        let replay = replay(&appraisal.record, &inputs);
        replay.differences.into_iter().map(|difference| difference.member).collect()
    }
}

#[test]
fn a_decision_with_a_certificate_that_was_looked_up_can_be_made_again() {
    let rig = Rig::new();
    let appraisal = rig.appraise(&[&rig.foreign, &rig.own], true);
    assert!(appraisal.answer.is_ok(), "{:?}", appraisal.answer);
    let digest = appraisal.endorsements.digest().map(hex::encode);
    assert_eq!(appraisal.record.collateral, digest, "the record names certificate and set together");
    assert_ne!(digest, Some(hex::encode(rig.set.digest)));
    assert!(rig.replayed(&appraisal, Some(&rig.own)).is_empty());
    // However the PEM is written.
    let spaced = rig.own.replace("-----BEGIN", "\n\n-----BEGIN");
    assert!(rig.replayed(&appraisal, Some(&spaced)).is_empty());
    for other in [None, Some(&*rig.foreign), Some("")] {
        assert!(rig.replayed(&appraisal, other).contains(&"outcome".to_owned()), "{other:?}");
    }
    assert!(!format!("{:?}", appraisal.endorsements).contains("BEGIN"));
}

#[test]
fn refusals_say_what_was_missing_and_can_be_made_again() {
    let rig = Rig::new();
    let code = |appraisal: &Appraisal| match &appraisal.answer {
        Err(Refusal::Evidence(error)) => error.code(),
        other => panic!("{other:?}"),
    };
    let nothing = rig.appraise(&[], true);
    assert_eq!(code(&nothing), VerifyError::CertificationData { found: 3 }.code());
    assert_eq!(nothing.record.collateral, None);
    let foreign = rig.appraise(&[&rig.foreign], true);
    assert_eq!(code(&foreign), "qe-report-signature");
    assert!(rig.replayed(&foreign, Some(&rig.foreign)).is_empty());
    let no_set = rig.appraise(&[&rig.own], false);
    assert_eq!(code(&no_set), "collateral-missing");
    assert!(rig.replayed(&no_set, Some(&rig.own)).is_empty());
}
