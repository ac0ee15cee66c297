//! The attest flow over simulated silicon: what is issued, refused, recorded and replayed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::sync::Arc;

use assay_appraisal::{
    ActivePolicy, Appraisal, AttachedData, AttestationType, Baseline, ChallengeCheck, CollateralSource,
    DataType, DecisionRecord, Moment, Outcome, Provider, RawEndorsements, Refusal, RefusalClass,
    ReplayInputs, Request, SnpTrust, Verifier, appraise, default_policy, replay,
};
use assay_silicon::intel::{
    CollateralSpec, Intel, Kss, PlatformSpec, QuoteSpec, TcbStatus, open_enclave_report,
};
use assay_verify::cache::ChainCache;
use assay_verify::intel::{Collateral, PlatformKey, RawCollateral};
use assay_verify::snp::{AmdCrl, VekCertificate, VekKey};
use assay_verify::{AnchorOrigin, TrustAnchors, UnixTime};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;
const RUNTIME: &[u8] = br#"{ "key" : "public",  "nonce":"a-challenge-of-ours" }"#;

/// A simulated vendor, one quote and its collateral.
struct Rig {
    anchors: TrustAnchors,
    raw: RawCollateral,
    quote: Vec<u8>,
}

struct Known(Option<Arc<Collateral>>);

impl CollateralSource for Known {
    fn find(&self, _platform: &PlatformKey) -> Option<Arc<Collateral>> {
        self.0.clone()
    }

    fn find_veks(&self, _key: &VekKey) -> Vec<VekCertificate> {
        Vec::new()
    }

    fn amd_crls(&self) -> Vec<Arc<AmdCrl>> {
        Vec::new()
    }
}

struct OurChallenge(&'static str);

impl ChallengeCheck for OurChallenge {
    fn is_ours(&self, challenge: &str, _now: UnixTime) -> bool {
        challenge == self.0
    }
}

/// What differs from test to test.
struct Setting {
    request: Request,
    policy: ActivePolicy,
    baseline: Baseline,
    with_collateral: bool,
    development: bool,
}

impl Rig {
    fn new(status: TcbStatus, spec: QuoteSpec) -> Self {
        let intel = Intel::generate(NOW).unwrap();
        let platform = PlatformSpec::with_status(status);
        let collateral = CollateralSpec::for_platform(&platform);
        let sample = intel.sample(&platform, &spec, &collateral, NOW).unwrap();
        Self {
            anchors: TrustAnchors::vendor().with_intel_root(intel.root_public_key(), AnchorOrigin::Simulated),
            raw: serde_json::from_value(serde_json::to_value(sample.collateral).unwrap()).unwrap(),
            quote: sample.quote,
        }
    }

    fn good() -> Self {
        Self::new(TcbStatus::UpToDate, bound_to(RUNTIME))
    }

    fn setting(&self) -> Setting {
        let kind = AttestationType::SgxEnclave;
        Setting {
            request: Request {
                kind,
                evidence: self.quote.clone(),
                runtime_data: Some(AttachedData { data: RUNTIME.to_vec(), data_type: DataType::Json }),
                init_time_data: None,
                nonce: None,
                challenge: None,
                draft_policy: None,
            },
            policy: policy(default_policy(kind)),
            baseline: Baseline::default(),
            with_collateral: true,
            development: true,
        }
    }

    fn appraise(&self, setting: &Setting) -> Appraisal {
        let set = Collateral::verify(&self.raw, &self.anchors).collateral.map(Arc::new);
        let (cache, collateral) = (ChainCache::default(), Known(set.filter(|_| setting.with_collateral)));
        let challenges = OurChallenge("a-challenge-of-ours");
        let verifier = Verifier {
            anchors: &self.anchors,
            cache: &cache,
            collateral: &collateral,
            snp: &SnpTrust::default(),
            challenges: &challenges,
        };
        let provider = Provider {
            name: "default",
            issuer: "https://assay.example",
            policy: &setting.policy,
            baseline: &setting.baseline,
            development: setting.development,
        };
        let moment = Moment { now: UnixTime(NOW), token_id: [0xab; 32] };
        appraise(&setting.request, &provider, &verifier, &moment)
    }

    fn replay(&self, record: &DecisionRecord, setting: &Setting) -> assay_appraisal::Replay {
        let endorsements =
            setting.with_collateral.then(|| RawEndorsements::Intel(Arc::new(self.raw.clone())));
        replay(
            record,
            &ReplayInputs {
                request: &setting.request,
                policy: Some(setting.policy.text()),
                policy_signer: None,
                endorsements: endorsements.as_ref(),
                vek: None,
                pck: None,
                anchors: &self.anchors,
            },
        )
    }
}

fn bound_to(data: &[u8]) -> QuoteSpec {
    let mut report_data = [0; 64];
    report_data[..32].copy_from_slice(&assay_verify::sha256(&[data]));
    QuoteSpec { report_data, ..QuoteSpec::default() }
}

fn policy(text: &str) -> ActivePolicy {
    ActivePolicy::compile(AttestationType::SgxEnclave, text, None).unwrap()
}

fn body(appraisal: &Appraisal) -> Value {
    serde_json::from_str(&appraisal.answer.as_ref().expect("a token").payload).unwrap()
}

fn names(body: &Value) -> Vec<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_genuine_quote_gets_every_claim_and_nothing_else() {
    let rig = Rig::good();
    let appraisal = rig.appraise(&rig.setting());
    let body = body(&appraisal);
    // The claims of a recorded token of a shared provider of Azure, and Assay's own.
    let recorded = "exp iat is-debuggable iss jti maa-attestationcollateral nbf product-id sgx-mrenclave sgx-mrsigner \
                    svn tee x-ms-attestation-type x-ms-policy-hash x-ms-runtime x-ms-sgx-collateral \
                    x-ms-sgx-is-debuggable x-ms-sgx-mrenclave x-ms-sgx-mrsigner x-ms-sgx-product-id \
                    x-ms-sgx-report-data x-ms-sgx-svn x-ms-ver";
    let own = "x-assay-advisories x-assay-dev x-assay-freshness x-assay-simulated x-assay-tcb-eval-number x-assay-tcb-status";
    let mut expected: Vec<&str> = recorded.split_whitespace().chain(own.split_whitespace()).collect();
    expected.sort_unstable();
    assert_eq!(names(&body), expected);
    assert_eq!(body["iss"], "https://assay.example");
    assert_eq!(body["iat"], NOW);
    assert_eq!(body["nbf"], NOW - 5);
    assert_eq!(body["exp"], NOW + 28_800);
    assert_eq!(body["jti"], "ab".repeat(32));
    assert_eq!(body["x-ms-runtime"], json!({"key": "public", "nonce": "a-challenge-of-ours"}));
    assert_eq!(body["x-ms-policy-hash"], "bROrN897ZfWmWY2V0FLUlu3uwk5xatGnKYHn3zBbSlw");
    assert_eq!(body["tee"], "sgx");
    assert_eq!(body["x-assay-tcb-status"], "UpToDate");
    assert_eq!(body["x-ms-sgx-collateral"]["quotehash"], hex::encode(assay_verify::sha256(&[&rig.quote])));
    // Compact, members sorted.
    let payload = &appraisal.answer.as_ref().unwrap().payload;
    assert_eq!(*payload, serde_json::to_string(&body).unwrap());
    assert_eq!(appraisal.deciding_rule.unwrap().line, 1);
}

#[test]
fn binary_runtime_data_stands_under_its_three_names_and_development_shows() {
    let rig = Rig::good();
    let mut setting = rig.setting();
    setting.request.runtime_data = Some(AttachedData { data: RUNTIME.to_vec(), data_type: DataType::Binary });
    setting.request.nonce = Some("17".to_owned());
    let body = body(&rig.appraise(&setting));
    assert!(body.get("x-ms-runtime").is_none());
    for name in ["x-ms-sgx-ehd", "maa-ehd", "aas-ehd"] {
        assert_eq!(body[name], body["x-ms-sgx-ehd"]);
    }
    assert_eq!(body["nonce"], "17");
    assert_eq!(body["x-assay-dev"], true);
}

#[test]
fn an_open_enclave_report_hashes_with_its_header() {
    let rig = Rig::good();
    let mut setting = rig.setting();
    setting.request.kind = AttestationType::OpenEnclave;
    setting.request.evidence = open_enclave_report(&rig.quote);
    let body = body(&rig.appraise(&setting));
    let hash = hex::encode(assay_verify::sha256(&[&setting.request.evidence]));
    assert_eq!(body["x-ms-sgx-collateral"]["quotehash"], hash);
    assert_eq!(body["maa-attestationcollateral"], body["x-ms-sgx-collateral"]);
}

#[test]
fn kss_claims_and_init_time_data() {
    let mut config_id = [0; 64];
    config_id[..32].copy_from_slice(&assay_verify::sha256(&[b"{\"a\":1}"]));
    let kss = Kss { config_id, config_svn: 7, isv_ext_prod_id: [2; 16], isv_family_id: [3; 16] };
    let rig = Rig::new(TcbStatus::UpToDate, QuoteSpec { kss: Some(kss), ..bound_to(RUNTIME) });
    let mut setting = rig.setting();
    setting.request.init_time_data =
        Some(AttachedData { data: b"{\"a\":1}".to_vec(), data_type: DataType::Json });
    let body = body(&rig.appraise(&setting));
    assert_eq!(body["x-ms-inittime"], json!({"a": 1}));
    assert_eq!(body["x-ms-sgx-config-svn"], 7);
    assert_eq!(body["x-ms-sgx-config-id"], hex::encode(config_id));
    assert_eq!(body["x-ms-sgx-isv-extended-product-id"], "02".repeat(16));
    assert_eq!(body["x-ms-sgx-isv-family-id"], "03".repeat(16));
}

#[test]
fn simulated_silicon_is_trusted_in_development_only() {
    let rig = Rig::good();
    let mut setting = rig.setting();
    setting.development = false;
    assert_eq!(rig.appraise(&setting).answer.unwrap_err().code(), "untrusted-root");
}

#[test]
fn a_large_integer_in_runtime_data_is_refused_rather_than_altered() {
    for (number, kept) in [("18446744073709551615", true), ("0.5", true), ("12345678901234567890123", false)]
    {
        let data = format!("{{\"n\":{number}}}").into_bytes();
        let rig = Rig::new(TcbStatus::UpToDate, bound_to(&data));
        let mut setting = rig.setting();
        setting.request.runtime_data = Some(AttachedData { data, data_type: DataType::Json });
        let answer = rig.appraise(&setting).answer;
        assert_eq!(answer.is_ok(), kept, "{number}: {answer:?}");
        assert!(answer.is_err() || answer.unwrap().payload.contains(number), "{number}");
    }
}

/// Each way to be refused, with its class, code, and what the record says.
#[test]
fn refusals() {
    let rig = Rig::good();
    let deny = "version=1.0; authorizationrules{ => permit(); [type==\"tee\"] => deny(); \
                [type==\"x-ms-sgx-svn\", value>=0] => deny(); }; issuancerules{};";
    type Change = fn(&mut Setting);
    let cases: [(Change, RefusalClass, &str, Outcome); 9] = [
        (|s| s.with_collateral = false, RefusalClass::Evidence, "collateral-missing", Outcome::Refused),
        (|s| s.request.evidence[100] ^= 1, RefusalClass::Evidence, "quote-signature", Outcome::Refused),
        (
            |s| s.request.evidence.truncate(500),
            RefusalClass::Evidence,
            "evidence-truncated",
            Outcome::Refused,
        ),
        (|s| s.request.evidence.clear(), RefusalClass::Evidence, "evidence-truncated", Outcome::Refused),
        (
            |s| s.request.runtime_data.as_mut().unwrap().data.push(b' '),
            RefusalClass::Evidence,
            "binding-mismatch",
            Outcome::Refused,
        ),
        (
            |s| s.request.runtime_data.as_mut().unwrap().data = b"{\"a\":1,\"a\":2}".to_vec(),
            RefusalClass::Request,
            "data-not-json",
            Outcome::Refused,
        ),
        (
            |s| s.baseline.minimum_evaluation_number = 10_000,
            RefusalClass::Baseline,
            "below-baseline",
            Outcome::Refused,
        ),
        (
            |s| s.request.kind = AttestationType::Tpm,
            RefusalClass::NotSupported,
            "not-supported",
            Outcome::Refused,
        ),
        (
            |s| s.request.draft_policy = Some("version=1.0".to_owned()),
            RefusalClass::DraftPolicy,
            "draft-policy",
            Outcome::Refused,
        ),
    ];
    for (change, class, code, outcome) in cases {
        let mut setting = rig.setting();
        change(&mut setting);
        let appraisal = rig.appraise(&setting);
        let refusal = appraisal.answer.unwrap_err();
        assert_eq!((refusal.class(), refusal.code()), (class, code));
        assert_eq!((appraisal.record.outcome, appraisal.record.error.as_deref()), (outcome, Some(code)));
        assert_eq!(appraisal.record.answer, None);
    }
    let mut setting = rig.setting();
    setting.policy = policy(deny);
    let appraisal = rig.appraise(&setting);
    assert_eq!(appraisal.answer, Err(Refusal::Denied));
    assert_eq!(appraisal.record.outcome, Outcome::Denied);
    assert_eq!(appraisal.record.rule.unwrap().text, "[type==\"x-ms-sgx-svn\", value>=0] => deny();");
}

#[test]
fn the_baseline_refuses_platforms_that_need_an_update_unless_the_provider_accepts_them() {
    for status in [TcbStatus::OutOfDate, TcbStatus::OutOfDateConfigurationNeeded] {
        let rig = Rig::new(status, bound_to(RUNTIME));
        let mut setting = rig.setting();
        assert_eq!(rig.appraise(&setting).answer.unwrap_err().code(), "below-baseline");
        setting.baseline.accepted.push(status.name().to_owned());
        assert_eq!(body(&rig.appraise(&setting))["x-assay-tcb-status"], status.name());
    }
    for status in [TcbStatus::SWHardeningNeeded, TcbStatus::ConfigurationNeeded] {
        let rig = Rig::new(status, bound_to(RUNTIME));
        assert_eq!(body(&rig.appraise(&rig.setting()))["x-assay-tcb-status"], status.name());
    }
}

#[test]
fn a_draft_is_marked_short_lived_and_not_to_be_signed() {
    let rig = Rig::good();
    let mut setting = rig.setting();
    setting.request.draft_policy =
        Some("version=1.0; authorizationrules{=> permit();}; issuancerules{};".to_owned());
    let appraisal = rig.appraise(&setting);
    let body = body(&appraisal);
    assert!(appraisal.answer.as_ref().unwrap().draft);
    assert!(appraisal.record.draft);
    assert_eq!(body["x-assay-draft"], true);
    assert_eq!(body["exp"], NOW + 300);
    assert_eq!(body["x-ms-policy-hash"], "z0FRjKS0ssQTNur1V6BV8WIrh9M3fzgTo0EfHRvapWU");
}

#[test]
fn freshness_is_what_the_evidence_is_bound_to() {
    let appraised = |runtime: Option<&[u8]>, report: &[u8], nonce: Option<&str>, challenge: Option<&str>| {
        let rig = Rig::new(TcbStatus::UpToDate, bound_to(report));
        let mut setting = rig.setting();
        setting.request.runtime_data =
            runtime.map(|data| AttachedData { data: data.to_vec(), data_type: DataType::Binary });
        setting.request.nonce = nonce.map(str::to_owned);
        setting.request.challenge = challenge.map(str::to_owned);
        rig.appraise(&setting)
    };
    let freshness = |runtime: Option<&[u8]>, report: &[u8], nonce: Option<&str>, challenge: Option<&str>| {
        body(&appraised(runtime, report, nonce, challenge))["x-assay-freshness"].as_str().unwrap().to_owned()
    };
    let refused = |data: &[u8], nonce: Option<&str>, challenge: &str| {
        let refusal = appraised(Some(data), data, nonce, Some(challenge)).answer.unwrap_err();
        (refusal.class(), refusal)
    };
    let with_challenge: &[u8] = b"key a-challenge-of-ours";
    // A challenge counts wherever the caller names it, but only if the evidence carries it.
    assert_eq!(freshness(Some(RUNTIME), RUNTIME, None, None), "challenge");
    assert_eq!(
        freshness(Some(with_challenge), with_challenge, None, Some("a-challenge-of-ours")),
        "challenge"
    );
    assert_eq!(
        freshness(Some(with_challenge), with_challenge, Some("a-challenge-of-ours"), None),
        "challenge"
    );
    assert_eq!(freshness(None, b"a-challenge-of-ours", None, Some("a-challenge-of-ours")), "challenge");
    // Who names one is told when it does not count.
    assert_eq!(
        refused(b"other", None, "a-challenge-of-ours"),
        (RefusalClass::Request, Refusal::ChallengeNotBound)
    );
    assert_eq!(freshness(Some(with_challenge), with_challenge, None, None), "unbound");
    // A challenge that is not ours is nothing: pieces of old evidence could be named as one, beside a fresh nonce.
    let old: &[u8] = b"x somebody-elses";
    assert_eq!(
        refused(old, Some("fresh-nonce"), "somebody-elses"),
        (RefusalClass::Request, Refusal::ChallengeNotOurs)
    );
    assert_eq!(freshness(Some(old), old, Some("somebody-els"), None), "caller-bound");
    assert_eq!(freshness(Some(b"n 12345678"), b"n 12345678", Some("12345678"), None), "caller-bound");
    // Too short to mean anything, or merely sent along.
    assert_eq!(freshness(Some(b"n 1234567"), b"n 1234567", Some("1234567"), None), "unbound");
    assert_eq!(freshness(Some(b"data"), b"data", Some("12345678"), None), "unbound");
}

#[test]
fn a_policy_sees_assays_claims_and_the_older_names() {
    let rig = Rig::good();
    let mut setting = rig.setting();
    let text = "version=1.0; authorizationrules{ \
                [type==\"x-assay-tcb-status\", value==\"UpToDate\"] && [type==\"x-assay-freshness\", value==\"challenge\"] \
                && c:[type==\"$svn\"] && [type==\"x-ms-sgx-svn\", value==c.value] && [type==\"$tee\", value==\"sgx\"] \
                => permit(); }; issuancerules{ c:[type==\"$sgx-mrsigner\"] => issue(type=\"signer\", value=c.value); };";
    setting.policy = policy(text);
    let body = body(&rig.appraise(&setting));
    assert_eq!(body["signer"], body["x-ms-sgx-mrsigner"]);
}

#[test]
fn no_policy_can_write_a_claim_of_the_service() {
    for name in
        ["iss", "exp", "jti", "cnf", "nonce", "x-ms-sgx-mrsigner", "x-ms-runtime", "x-assay-freshness"]
    {
        let text = format!(
            "version=1.0; authorizationrules{{=> permit();}}; issuancerules{{=> issue(type=\"{name}\", value=\"x\");}};"
        );
        let diagnostics = ActivePolicy::compile(AttestationType::SgxEnclave, &text, None).unwrap_err();
        assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), ["reserved-claim"], "{name}");
    }
}

#[test]
fn the_policy_can_name_a_baseline() {
    let rig = Rig::good();
    let named = |id: &str| {
        format!(
            "version=1.1; configurationrules{{ => issueproperty(type=\"x-ms-sgx-tcbidentifier\", value=\"{id}\"); }}; \
             authorizationrules{{=> permit();}}; issuancerules{{}};"
        )
    };
    for (id, permitted) in [("azuredefault", true), ("10", true), ("15", true), ("99", false)] {
        let mut setting = rig.setting();
        setting.policy = policy(&named(id));
        let answer = rig.appraise(&setting).answer;
        assert_eq!(answer.is_ok(), permitted, "{id}: {answer:?}");
    }
}

#[test]
fn a_policy_that_does_not_name_one_baseline_is_no_baseline() {
    let rig = Rig::good();
    let naming = |values: &[&str]| {
        let issue =
            |value: &&str| format!("=> issueproperty(type=\"x-ms-sgx-tcbidentifier\", value={value});");
        let rules: String = values.iter().map(issue).collect();
        format!(
            "version=1.1; configurationrules{{ {rules} }}; authorizationrules{{=> permit();}}; issuancerules{{}};"
        )
    };
    let answer = |values: &[&str]| {
        let mut setting = rig.setting();
        setting.policy = policy(&naming(values));
        rig.appraise(&setting).answer
    };
    assert!(answer(&["\"10\"", "\"10\""]).is_ok());
    // Neither the first nor the last of several wins, as the platform might be above one and below the other.
    for values in [&["\"99\"", "\"10\""], &["\"10\"", "\"99\""], &["\"10\"", "\"15\""]] {
        let refusal = answer(values).unwrap_err();
        assert_eq!(refusal.code(), "below-baseline");
    }
    for value in ["10", "true"] {
        assert_eq!(answer(&[value]).unwrap_err().code(), "below-baseline", "{value}");
    }
}

#[test]
fn records_replay_to_the_same_answer_and_show_what_was_changed() {
    let rig = Rig::good();
    let setting = rig.setting();
    let record = rig.appraise(&setting).record.signed_with("kid", "RS256");
    let same = rig.replay(&record, &setting);
    assert!(same.is_same(), "{same:?}");
    // The challenge's key is gone by then: a replay says what it takes on trust.
    assert_eq!(same.assumed, ["freshness"]);
    // Through its JSON form too.
    let record: DecisionRecord = serde_json::from_str(&record.to_canonical_json()).unwrap();
    assert!(rig.replay(&record, &setting).is_same());

    let differing = |change: fn(&mut Setting), record: &DecisionRecord| {
        let mut other = rig.setting();
        change(&mut other);
        let mut members: Vec<String> =
            rig.replay(record, &other).differences.into_iter().map(|d| d.member).collect();
        members.sort_unstable();
        members
    };
    assert_eq!(differing(|s| s.request.nonce = Some("other".to_owned()), &record), ["answer", "inputs"]);
    let other = "version=1.0; authorizationrules{=> permit();}; issuancerules{};";
    let changed = differing(
        |s| s.policy = policy("version=1.0; authorizationrules{=> permit();}; issuancerules{};"),
        &record,
    );
    assert!(changed.contains(&"policyHash".to_owned()), "{other}: {changed:?}");
    // Members that the record does not have are refused.
    let extra = record.to_canonical_json().replacen('{', "{\"extra\":1,", 1);
    assert!(serde_json::from_str::<DecisionRecord>(&extra).is_err());
    // A record that claims another answer is found out.
    let mut forged = record;
    forged.outcome = Outcome::Denied;
    forged.answer = None;
    assert_eq!(differing(|_| {}, &forged), ["answer", "outcome"]);
    // Refusals replay as well.
    let mut refused = rig.setting();
    refused.request.evidence[60] ^= 4;
    let record = rig.appraise(&refused).record;
    assert!(rig.replay(&record, &refused).is_same());
}

#[test]
fn records_hold_no_evidence() {
    let rig = Rig::good();
    let mut setting = rig.setting();
    setting.request.nonce = Some("a-secret-nonce".to_owned());
    let text = rig.appraise(&setting).record.to_canonical_json();
    for secret in ["a-secret-nonce", "a-challenge-of-ours", "BEGIN CERTIFICATE"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.len() < 4096, "{} bytes", text.len());
}
