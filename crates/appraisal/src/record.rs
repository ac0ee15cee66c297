//! The decision record: what was decided, from which inputs, so that anyone who has the inputs can decide again.
//!
//! Inputs stand in it as SHA-256 digests, so it holds no evidence and no platform identifier.

use std::sync::Arc;

use assay_policy::RuleRef;
use assay_verify::cache::ChainCache;
use assay_verify::claims::TcbVerdict;
use assay_verify::intel::{Collateral, PlatformKey};
use assay_verify::sgx::PckKey;
use assay_verify::snp::{AmdCrl, VekCertificate, VekKey};
use assay_verify::{Report, TrustAnchors, UnixTime, sha256};
use serde::{Deserialize, Serialize};

use crate::appraise::Decided;
use crate::hexadecimal::hexadecimal;
use crate::{
    ActivePolicy, Appraisal, AttachedData, AttestationType, Baseline, ChallengeCheck, CollateralSource,
    Endorsements, Freshness, Moment, Provider, RawEndorsements, Refusal, Request, SnpTrustRecord, TokenBody,
    Verifier, appraise,
};

/// Characters of the deciding rule that a record keeps; the whole policy is kept once, by its digest.
const MAX_RULE_TEXT: usize = 512;
/// Layout of the record; raised when a member changes its meaning.
const RECORD_VERSION: u32 = 1;

/// What was decided.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A token was issued.
    Permitted,
    /// The policy denied, or could not decide.
    Denied,
    /// The evidence is not genuine, or the platform below the baseline.
    Refused,
}

/// One decision.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DecisionRecord {
    /// Layout of this record.
    pub version: u32,
    /// Names the record: the first half of the token id.
    pub id: String,
    /// When it was decided, in seconds since 1970.
    pub time: i64,
    /// What kind of evidence it was.
    pub kind: AttestationType,
    /// The provider that was asked.
    pub provider: String,
    /// Its issuer.
    pub issuer: String,
    /// Digests of the request.
    pub inputs: InputDigests,
    /// `x-ms-policy-hash` of the policy that decided.
    pub policy_hash: Option<String>,
    /// Whether that policy was a draft of the caller's.
    pub draft: bool,
    /// Digest that names the collateral set, or AMD's certificates and lists.
    pub collateral: Option<String>,
    /// Names the set of root keys that were believed.
    pub anchors: String,
    /// What the provider demanded of the platform.
    pub baseline: Baseline,
    /// What was demanded of SEV-SNP evidence; only in decisions on such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snp: Option<SnpTrustRecord>,
    /// Whether the service was in development mode.
    pub development: bool,
    /// How fresh the evidence was.
    pub freshness: Option<Freshness>,
    /// What the vendor said of the platform.
    pub tcb_status: Option<String>,
    /// What came of the checks.
    pub checks: CheckSummary,
    /// What was decided.
    pub outcome: Outcome,
    /// Why there is no token.
    pub error: Option<String>,
    /// The rule of the policy that decided.
    pub rule: Option<DecidingRule>,
    /// 64 hexadecimal digits; the `jti` of the token, if there is one.
    pub token_id: String,
    /// SHA-256 of the token's body.
    pub answer: Option<String>,
    /// The key that signed, and how.
    pub signed_with: Option<SignedWith>,
    /// The version of Assay.
    pub software: String,
}

/// SHA-256 of each input, in hexadecimal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct InputDigests {
    /// The evidence.
    pub evidence: String,
    /// Runtime data with its type in front.
    pub runtime_data: Option<String>,
    /// Init-time data with its type in front.
    pub init_time_data: Option<String>,
    /// The nonce.
    pub nonce: Option<String>,
    /// The challenge.
    pub challenge: Option<String>,
    /// The draft policy.
    pub draft_policy: Option<String>,
}

/// The checks by outcome.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CheckSummary {
    /// How many passed.
    pub passed: usize,
    /// The ids of those that warn.
    pub warned: Vec<String>,
    /// The ids of those that failed.
    pub failed: Vec<String>,
    /// The ids of those that were skipped.
    pub skipped: Vec<String>,
}

/// Where the deciding rule stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DecidingRule {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// The rule as it stands in the policy, cut to 512 characters.
    pub text: String,
}

/// The key behind a token.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SignedWith {
    /// `kid` of the key.
    pub key_id: String,
    /// JWS algorithm.
    pub algorithm: String,
}

impl DecisionRecord {
    /// Completes the record with the key that signed the token.
    #[must_use]
    pub fn signed_with(mut self, key_id: &str, algorithm: &str) -> Self {
        self.signed_with = Some(SignedWith { key_id: key_id.to_owned(), algorithm: algorithm.to_owned() });
        self
    }

    /// The record as it is hashed and kept: compact JSON, members sorted.
    #[must_use]
    pub fn to_canonical_json(&self) -> String {
        serde_json::to_value(self).map(|value| assay_json::to_canonical(&value)).unwrap_or_default()
    }
}

/// A record in the making, together with what the appraisal hands out.
pub(crate) struct RecordDraft {
    record: DecisionRecord,
    report: Report,
    tcb: Option<TcbVerdict>,
    endorsements: Endorsements,
}

impl RecordDraft {
    pub(crate) fn new(
        request: &Request,
        provider: &Provider<'_>,
        verifier: &Verifier<'_>,
        moment: &Moment,
    ) -> Self {
        let token_id = hexadecimal(moment.token_id);
        let record = DecisionRecord {
            version: RECORD_VERSION,
            id: token_id.chars().take(32).collect(),
            time: moment.now.0,
            kind: request.kind,
            provider: provider.name.to_owned(),
            issuer: provider.issuer.to_owned(),
            inputs: InputDigests::of(request),
            policy_hash: None,
            draft: request.draft_policy.is_some(),
            collateral: None,
            anchors: hexadecimal(verifier.anchors.id()),
            baseline: provider.baseline.clone(),
            snp: (request.kind == AttestationType::SevSnpVm).then(|| verifier.snp.to_record()),
            development: provider.development,
            freshness: None,
            tcb_status: None,
            checks: CheckSummary::default(),
            outcome: Outcome::Refused,
            error: None,
            rule: None,
            token_id,
            answer: None,
            signed_with: None,
            software: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Self { record, report: Report::default(), tcb: None, endorsements: Endorsements::None }
    }

    pub(crate) fn verified(
        mut self,
        report: Report,
        tcb: Option<TcbVerdict>,
        endorsements: Endorsements,
    ) -> Self {
        self.record.checks = CheckSummary::of(&report);
        self.record.tcb_status = tcb.as_ref().map(|tcb| tcb.status.as_str().to_owned());
        self.record.collateral = endorsements.digest().map(hexadecimal);
        Self { report, tcb, endorsements, ..self }
    }

    /// Verification failed: the first failed check says why.
    pub(crate) fn not_genuine(self) -> Appraisal {
        let error = self.report.first_error().cloned();
        // Verification gives no claims only when a check failed; should that ever be untrue, this still refuses.
        let error = error.unwrap_or(assay_verify::VerifyError::CollateralMissing);
        self.refused(Refusal::Evidence(error))
    }

    pub(crate) fn refused(self, refusal: Refusal) -> Appraisal {
        self.finish(None, Err(refusal))
    }

    pub(crate) fn decided(mut self, decided: Decided) -> Appraisal {
        self.record.freshness = Some(decided.freshness);
        self.record.policy_hash = Some(decided.policy_hash);
        self.finish(decided.rule, decided.answer)
    }

    fn finish(mut self, rule: Option<RuleRef>, answer: Result<TokenBody, Refusal>) -> Appraisal {
        self.record.rule = rule.as_ref().map(DecidingRule::of);
        match &answer {
            Ok(body) => {
                self.record.outcome = Outcome::Permitted;
                self.record.answer = Some(hexadecimal(sha256(&[body.payload.as_bytes()])));
            }
            Err(refusal) => {
                self.record.outcome = match refusal {
                    Refusal::Denied | Refusal::PolicyEvaluation(_) => Outcome::Denied,
                    _ => Outcome::Refused,
                };
                self.record.error = Some(refusal.code().to_owned());
            }
        }
        let Self { record, report, tcb, endorsements } = self;
        Appraisal { answer, report, tcb, deciding_rule: rule, record, endorsements }
    }
}

impl InputDigests {
    fn of(request: &Request) -> Self {
        let text = |text: &Option<String>| text.as_ref().map(|text| hexadecimal(sha256(&[text.as_bytes()])));
        Self {
            evidence: hexadecimal(sha256(&[&request.evidence])),
            runtime_data: request.runtime_data.as_ref().map(digest_attached),
            init_time_data: request.init_time_data.as_ref().map(digest_attached),
            nonce: text(&request.nonce),
            challenge: text(&request.challenge),
            draft_policy: text(&request.draft_policy),
        }
    }
}

fn digest_attached(attached: &AttachedData) -> String {
    let kind: &[u8] = match attached.data_type {
        crate::DataType::Binary => b"Binary\0",
        crate::DataType::Json => b"JSON\0",
    };
    hexadecimal(sha256(&[kind, &attached.data]))
}

impl CheckSummary {
    fn of(report: &Report) -> Self {
        let mut summary = Self::default();
        for check in report.checks() {
            let id = check.rule.id.to_owned();
            match check.outcome {
                assay_verify::Outcome::Pass => summary.passed = summary.passed.saturating_add(1),
                assay_verify::Outcome::Warn => summary.warned.push(id),
                assay_verify::Outcome::Fail => summary.failed.push(id),
                assay_verify::Outcome::Skipped => summary.skipped.push(id),
            }
        }
        summary
    }
}

impl DecidingRule {
    fn of(rule: &RuleRef) -> Self {
        Self { line: rule.line, column: rule.column, text: rule.text.chars().take(MAX_RULE_TEXT).collect() }
    }
}

/// What a replay needs besides the record.
#[derive(Clone, Copy, Debug)]
pub struct ReplayInputs<'a> {
    /// The request, which only its sender and the auditor have.
    pub request: &'a Request,
    /// The text of the policy that decided (not needed for a draft, which is in the request).
    pub policy: Option<&'a str>,
    /// JWK of who signed the policy document.
    pub policy_signer: Option<&'a serde_json::Value>,
    /// What judged besides what came with the evidence.
    pub endorsements: Option<&'a RawEndorsements>,
    /// The VEK certificate, DER, if the service held it: a record names it by its digest only.
    pub vek: Option<&'a [u8]>,
    /// The PCK certificate chain, PEM, if the quote carried none: a record names it by its digest only.
    pub pck: Option<&'a str>,
    /// The roots that are believed.
    pub anchors: &'a TrustAnchors,
}

/// What came of a replay.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replay {
    /// Members of the record that came out differently; none if the decision is the same.
    pub differences: Vec<Difference>,
    /// Members that were taken from the record and not decided again.
    pub assumed: Vec<&'static str>,
}

/// A member that came out differently.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Difference {
    /// The member's name.
    pub member: String,
    /// What the record says.
    pub recorded: serde_json::Value,
    /// What the replay gave.
    pub replayed: serde_json::Value,
}

impl Replay {
    /// Whether the decision is the same in every respect.
    #[must_use]
    pub const fn is_same(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Decides again, from the inputs, and compares.
///
/// Whether a challenge was genuine is taken from the record: the key that made it may be gone by now. Everything else is
/// computed anew by the same function that the service calls.
#[must_use]
pub fn replay(record: &DecisionRecord, inputs: &ReplayInputs<'_>) -> Replay {
    let source = Replayed::new(record, inputs);
    let cache = ChainCache::new(0);
    let snp = record.snp.as_ref().map(SnpTrustRecord::to_trust).unwrap_or_default();
    let verifier = Verifier {
        anchors: inputs.anchors,
        cache: &cache,
        collateral: &source,
        snp: &snp,
        challenges: &source,
    };
    let text = inputs.policy.unwrap_or_else(|| crate::default_policy(record.kind));
    let policy = match ActivePolicy::compile(record.kind, text, inputs.policy_signer.cloned()) {
        Ok(policy) => policy,
        Err(diagnostics) => {
            let replayed = serde_json::json!(diagnostics);
            let difference =
                Difference { member: "policy".into(), recorded: serde_json::Value::Null, replayed };
            return Replay { differences: vec![difference], assumed: Vec::new() };
        }
    };
    let provider = Provider {
        name: &record.provider,
        issuer: &record.issuer,
        policy: &policy,
        baseline: &record.baseline,
        development: record.development,
    };
    let moment = Moment { now: UnixTime(record.time), token_id: token_id(record) };
    let again = appraise(inputs.request, &provider, &verifier, &moment).record;
    // Whether a challenge was genuine cannot be decided again without the key of that time.
    let assumed = if source.challenge_was_genuine { vec!["freshness"] } else { Vec::new() };
    Replay { differences: differences(record, &again), assumed }
}

/// A token id that is not 64 hexadecimal digits becomes zeros, which then shows as a difference.
fn token_id(record: &DecisionRecord) -> [u8; 32] {
    let mut id = [0; 32];
    if hex::decode_to_slice(&record.token_id, &mut id).is_err() {
        return [0; 32];
    }
    id
}

fn differences(recorded: &DecisionRecord, replayed: &DecisionRecord) -> Vec<Difference> {
    // Who signed does not come out of a replay, and another version of Assay may well decide the same.
    const NOT_COMPARED: [&str; 2] = ["signedWith", "software"];
    let members = |record: &DecisionRecord| match serde_json::to_value(record) {
        Ok(serde_json::Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    };
    let mut replayed = members(replayed);
    members(recorded)
        .into_iter()
        .filter(|(name, _)| !NOT_COMPARED.contains(&name.as_str()))
        .filter_map(|(member, recorded)| {
            let replayed = replayed.remove(&member).unwrap_or_default();
            (recorded != replayed).then_some(Difference { member, recorded, replayed })
        })
        .collect()
}

/// The inputs of a replay as the sources that an appraisal asks.
struct Replayed {
    endorsements: Endorsements,
    challenge_was_genuine: bool,
}

impl Replayed {
    fn new(record: &DecisionRecord, inputs: &ReplayInputs<'_>) -> Self {
        let endorsements = inputs.endorsements.map(|raw| raw.verify(inputs.vek, inputs.pck, inputs.anchors));
        Self {
            endorsements: endorsements.unwrap_or(Endorsements::None),
            challenge_was_genuine: record.freshness == Some(Freshness::Challenge),
        }
    }
}

impl CollateralSource for Replayed {
    fn find(&self, _platform: &PlatformKey) -> Option<Arc<Collateral>> {
        self.endorsements.intel().cloned()
    }

    fn find_pcks(&self, _key: &PckKey) -> Vec<Arc<str>> {
        self.endorsements.pck().map(|pck| Arc::clone(&pck.chain)).into_iter().collect()
    }

    fn find_veks(&self, _key: &VekKey) -> Vec<VekCertificate> {
        self.endorsements.amd().vek.into_iter().collect()
    }

    fn amd_crls(&self) -> Vec<Arc<AmdCrl>> {
        self.endorsements.amd().crls
    }
}

impl ChallengeCheck for Replayed {
    fn is_ours(&self, _challenge: &str, _now: UnixTime) -> bool {
        self.challenge_was_genuine
    }
}
