//! The answer of `assay verify` and `POST /v1/appraisals`: a judgement with every check, for people and scripts.

use std::sync::Arc;

use assay_policy::{ClaimSet, Limits};
use assay_verify::cache::ChainCache;
use assay_verify::intel::{Collateral, CollateralVerification, RawCollateral};
use assay_verify::sgx::CollateralInput;
use assay_verify::snp::{AmdCrl, CrlMode, Crls, Requirements, SnpError, VlekProviders};
use assay_verify::{Binding, Check, CheckDef, Outcome as CheckOutcome, TrustAnchors, UnixTime, VerifyError};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::appraise::check_baseline;
use crate::evidence::{Beside, Endorsed, EvidenceClaims, Opened, Outcome, Parsed, Wanted};
use crate::freshness::Bound;
use crate::request::Attached;
use crate::token_body::origin_claim;
use crate::{
    ActivePolicy, AmdEndorsements, AttachedData, Baseline, ChallengeCheck, DataType, EvidenceKind, Freshness,
    Refusal, Request, SnpTrust,
};

/// Verification knows nothing of challenges: only the service that gave one out can tell it from others.
static CHALLENGE: CheckDef = CheckDef {
    id: "appraisal.challenge",
    title: "the evidence is bound to a challenge of this service that has not expired",
    reference: "Assay, docs/http.md, challenges",
};

/// What a provider demands beyond genuine evidence is no part of verification either.
static BASELINE: CheckDef = CheckDef {
    id: "appraisal.baseline",
    title: "the platform is not below the provider's baseline",
    reference: "Assay, docs/running.md, baselines",
};

/// What to judge, and with what.
#[derive(Clone, Copy)]
pub struct JudgeInput<'a> {
    /// What the evidence is.
    pub kind: EvidenceKind,
    /// The evidence.
    pub evidence: &'a [u8],
    /// Certificates beside it; of Intel's evidence the PCK certificate chain, for a quote that carries none.
    pub beside: Beside<'a>,
    /// The data whose hash the report data must be.
    pub runtime_data: Option<&'a [u8]>,
    /// What that data is declared to be; undeclared, it counts as JSON if it is JSON.
    pub runtime_data_type: Option<DataType>,
    /// The data whose hash the host must have named at launch.
    pub init_time_data: Option<&'a [u8]>,
    /// A nonce to which the evidence must be bound.
    pub nonce: Option<&'a [u8]>,
    /// A challenge of this service to which the evidence must be bound.
    pub challenge: Option<&'a str>,
    /// Tells whether the challenge is ours.
    pub challenges: Option<&'a dyn ChallengeCheck>,
    /// The collateral.
    pub collateral: JudgeCollateral<'a>,
    /// What is demanded of SEV-SNP evidence.
    pub snp: JudgeSnp<'a>,
    /// A policy to evaluate over the claims.
    pub policy: Option<&'a str>,
    /// What the provider demands of platforms; offline there is none.
    pub baseline: Option<&'a Baseline>,
    /// The time to judge at.
    pub now: UnixTime,
    /// The roots that are believed.
    pub anchors: &'a TrustAnchors,
}

/// The collateral to judge with.
#[derive(Clone, Copy)]
pub enum JudgeCollateral<'a> {
    /// There is none.
    Missing,
    /// A set as it is carried.
    Raw(&'a RawCollateral),
    /// A set that was verified for this judgement.
    Checked(&'a CollateralVerification),
    /// A source of verified sets.
    Source(&'a dyn crate::CollateralSource),
}

/// What is demanded of SEV-SNP evidence.
#[derive(Clone, Copy)]
pub enum JudgeSnp<'a> {
    /// Judged for somebody who sees the checks: what is a matter of trust in a provider warns, and revocation is checked only
    /// with a list that the caller gives.
    Offline {
        /// A revocation list, DER or PEM.
        crl: Option<&'a [u8]>,
        /// Issuers of images, and the rest.
        trust: &'a SnpTrust,
    },
    /// As a service demands it.
    Service {
        /// Issuers of images, and the rest.
        trust: &'a SnpTrust,
        /// What the service holds: certificates, and lists, which judge whatever the caller brings.
        held: &'a dyn crate::CollateralSource,
    },
}

/// A judgement. Its JSON form is fixed.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// `genuine` or `rejected`.
    pub outcome: &'static str,
    /// The kind as the command line names it.
    pub kind: &'static str,
    /// The time it was judged at, RFC 3339.
    pub evaluated_at: String,
    /// What the vendor says of the platform, if that is known.
    pub tcb_status: Option<&'static str>,
    /// Security advisories that apply.
    pub advisories: Vec<String>,
    /// Every check.
    pub checks: Vec<Check>,
    /// The error that explains a rejection best.
    pub error: Option<VerdictError>,
    /// The claims of genuine evidence.
    pub claims: Option<Map<String, Value>>,
    /// The collateral that judged.
    pub collateral: Option<CollateralFacts>,
    /// What the policy made of the claims.
    pub policy: Option<PolicyVerdict>,
}

/// Why evidence is rejected.
#[derive(Clone, Debug, Serialize)]
pub struct VerdictError {
    /// Stable name.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// What can be done.
    pub help: &'static str,
}

/// When collateral is valid.
#[derive(Clone, Debug, Serialize)]
pub struct CollateralFacts {
    /// The lower of the two TCB evaluation numbers.
    pub tcb_evaluation_data_number: u32,
    /// The earliest issue date of anything in the set.
    pub earliest_issue: String,
    /// The earliest expiry of anything in the set.
    pub earliest_expiration: String,
}

/// What a policy decided.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyVerdict {
    /// `permit` or `deny`.
    pub decision: &'static str,
    /// The rule that decided; none if no rule permitted.
    pub rule: Option<Value>,
    /// What the policy would put into a token.
    pub issued: Map<String, Value>,
    /// Why no rule was asked: the platform is below the baseline that the policy names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Verdict {
    /// Whether the evidence is genuine.
    #[must_use]
    pub fn is_genuine(&self) -> bool {
        self.outcome == "genuine"
    }

    /// Whether it is genuine and, where a policy was given, permitted.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.is_genuine() && self.policy.as_ref().is_none_or(|policy| policy.decision == "permit")
    }
}

/// Judges evidence without issuing anything.
///
/// # Errors
/// [`Refusal::DraftPolicy`] if the policy does not compile, [`Refusal::PolicyEvaluation`] if it cannot be evaluated,
/// [`Refusal::NotSupported`] for kinds of later releases.
pub fn judge(input: &JudgeInput<'_>) -> Result<Verdict, Refusal> {
    let kind = input.kind.attestation_type();
    let policy =
        input.policy.map(|text| ActivePolicy::compile(kind, text, None).map_err(Refusal::DraftPolicy));
    let policy = policy.transpose()?;
    // Nothing outlives this judgement; within it, a chain that quote and collateral share is verified once.
    let cache = ChainCache::new(8);
    let parsed = Parsed::of(input.kind, input.evidence, input.beside);
    let mut evidence = parsed.open(input.anchors, &cache);
    match (input.snp, input.beside.chain) {
        (JudgeSnp::Service { held, .. }, _) => drop(evidence.look_up(held, input.anchors, &cache)),
        (JudgeSnp::Offline { .. }, Some(chain)) => evidence.take_chain(chain, input.anchors, &cache),
        (JudgeSnp::Offline { .. }, None) => {}
    }
    let judged_with = JudgedWith::find(&evidence, input, &cache);
    let binding = input.binding();
    let endorsed = judged_with.endorsed(input.snp.trust());
    let outcome = evidence.verify(&endorsed, &binding, (input.anchors, &cache, input.now));
    let facts = judged_with.collateral.verified().map(CollateralFacts::of);
    conclude(input, evidence.own_runtime_data(), outcome, facts, policy.as_ref())
}

fn conclude(
    input: &JudgeInput<'_>,
    own_runtime_data: Option<&[u8]>,
    outcome: Outcome,
    collateral: Option<CollateralFacts>,
    policy: Option<&ActivePolicy>,
) -> Result<Verdict, Refusal> {
    let Outcome { report, tcb, claims } = outcome;
    let request = input.as_request(own_runtime_data);
    let trust = input.snp.trust();
    let (mut shown, mut decided) = (None, None);
    let mut error = report.first_error().map(VerdictError::of);
    let mut checks = report.checks().to_vec();
    let mut challenge = Err(None);
    if let Some(claims) = &claims {
        let attached = Attached::of(&request)?;
        match freshness(input, &request, &attached, claims) {
            Ok(freshness) => {
                shown = Some(all_claims(claims, &attached, freshness, trust));
                checks.extend(input.baseline.map(|baseline| baseline_check(baseline, claims)));
                let incoming = claims.incoming(&attached, freshness, trust);
                decided =
                    policy.map(|policy| evaluate(policy, claims, &incoming, input.baseline)).transpose()?;
                challenge = Ok(());
            }
            Err(refusal) => {
                error = Some(VerdictError::of_refusal(&refusal));
                challenge = Err(Some(refusal));
            }
        }
    }
    checks.extend(input.challenge.map(|_| challenge_check(challenge)));
    Ok(Verdict {
        outcome: if shown.is_some() { "genuine" } else { "rejected" },
        kind: input.kind.as_str(),
        evaluated_at: input.now.to_string(),
        tcb_status: tcb.as_ref().map(|tcb| tcb.status.as_str()),
        advisories: tcb.map(|tcb| tcb.advisories).unwrap_or_default(),
        error,
        checks,
        claims: shown,
        collateral,
        policy: decided,
    })
}

impl JudgeInput<'_> {
    const fn binding(&self) -> Binding<'_> {
        Binding { runtime_data: self.runtime_data, init_time_data: self.init_time_data, nonce: self.nonce }
    }

    /// The input in the shape that claims and freshness are made from. What the evidence binds by itself is its runtime data.
    fn as_request(&self, own_runtime_data: Option<&[u8]>) -> Request {
        let runtime_data = own_runtime_data.or(self.runtime_data);
        Request {
            kind: self.kind.attestation_type(),
            evidence: Vec::new(),
            runtime_data: runtime_data.map(|data| attached(data, self.runtime_data_type)),
            init_time_data: self.init_time_data.map(|data| attached(data, None)),
            nonce: None,
            challenge: self.challenge.map(str::to_owned),
            draft_policy: None,
        }
    }
}

fn attached(data: &[u8], declared: Option<DataType>) -> AttachedData {
    let json = AttachedData { data: data.to_vec(), data_type: DataType::Json };
    let guessed = || if json.json().is_ok() { DataType::Json } else { DataType::Binary };
    AttachedData { data_type: declared.unwrap_or_else(guessed), ..json }
}

/// Below it, the attest routes refuse the platform; here it is shown with everything else.
fn baseline_check(baseline: &Baseline, claims: &EvidenceClaims) -> Check {
    let (outcome, detail) = match claims.check_baseline(baseline, None) {
        Ok(()) => (CheckOutcome::Pass, BASELINE.title.into()),
        Err(refusal) => (CheckOutcome::Warn, refusal.message().into()),
    };
    Check { rule: &BASELINE, outcome, detail, expected: None, actual: None, error: None }
}

fn freshness(
    input: &JudgeInput<'_>,
    request: &Request,
    attached: &Attached,
    claims: &EvidenceClaims,
) -> Result<Freshness, Refusal> {
    let none = NoChallenges;
    let challenges: &dyn ChallengeCheck = input.challenges.unwrap_or(&none);
    let bound = Bound::new(request, attached, claims).beside(input.runtime_data);
    Ok(match Freshness::of(request, &bound, challenges, input.now)? {
        // Verification has refused evidence that is not bound to the nonce.
        Freshness::Unbound if input.nonce.is_some() => Freshness::CallerBound,
        freshness => freshness,
    })
}

/// The check of an explicit challenge; `Err(None)` if verification failed before it.
fn challenge_check(result: Result<(), Option<Refusal>>) -> Check {
    let (outcome, detail) = match result {
        Ok(()) => (CheckOutcome::Pass, CHALLENGE.title.into()),
        Err(None) => (CheckOutcome::Skipped, "a check that it builds on failed".into()),
        Err(Some(refusal)) => (CheckOutcome::Fail, refusal.message().into()),
    };
    // The error of this check is none of verification's; it stands in the verdict.
    Check { rule: &CHALLENGE, outcome, detail, expected: None, actual: None, error: None }
}

fn all_claims(
    claims: &EvidenceClaims,
    attached: &Attached,
    freshness: Freshness,
    trust: &SnpTrust,
) -> Map<String, Value> {
    let service = claims.service_claims(freshness, trust).into_iter().chain(origin_claim(claims.origin()));
    let attached =
        claims.attached_claims(attached).into_iter().map(|(name, value)| (name, value.as_ref().clone()));
    service.chain(attached).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn evaluate(
    policy: &ActivePolicy,
    claims: &EvidenceClaims,
    incoming: &ClaimSet,
    baseline: Option<&Baseline>,
) -> Result<PolicyVerdict, Refusal> {
    // Offline there is no provider whose baseline would hold; one that the policy names holds all the same.
    let accept_all = Baseline::accept_all();
    if let Err(refusal) = check_baseline(policy, incoming, baseline.unwrap_or(&accept_all), claims) {
        return match refusal {
            Refusal::Baseline { .. } => Ok(PolicyVerdict {
                decision: "deny",
                rule: None,
                issued: Map::new(),
                reason: Some(refusal.message()),
            }),
            other => Err(other),
        };
    }
    let evaluation = assay_policy::evaluate(policy.program(), incoming, &Limits::default())
        .map_err(Refusal::PolicyEvaluation)?;
    let rule = evaluation.decision.rule();
    let rule =
        rule.map(|rule| json!({ "line": rule.line, "column": rule.column, "text": rule.text.to_string() }));
    let decision = evaluation.decision.name();
    Ok(PolicyVerdict { decision, rule, issued: evaluation.issued_json(), reason: None })
}

impl<'a> JudgeSnp<'a> {
    const fn trust(&self) -> &'a SnpTrust {
        match self {
            Self::Offline { trust, .. } | Self::Service { trust, .. } => trust,
        }
    }
}

/// What one judgement is made with.
struct JudgedWith<'a> {
    collateral: JudgedCollateral<'a>,
    amd: AmdEndorsements,
    crl: Given,
}

/// The revocation list of the caller.
enum Given {
    /// There is none, and nobody demands one.
    Nothing,
    /// One that is to be believed.
    List,
    /// One that cannot be used.
    Refused(SnpError),
    /// A service judges, with its own.
    Service(CrlMode),
}

/// The collateral of one judgement.
enum JudgedCollateral<'a> {
    Missing,
    Checked(&'a CollateralVerification),
    Fresh(Box<CollateralVerification>),
    Known(Arc<Collateral>),
}

impl<'a> JudgedWith<'a> {
    fn find(evidence: &Opened<'_>, input: &JudgeInput<'a>, cache: &ChainCache) -> Self {
        let mut found = Self {
            collateral: JudgedCollateral::find(&evidence.wanted(), input, cache),
            amd: AmdEndorsements::default(),
            crl: Given::Nothing,
        };
        match input.snp {
            JudgeSnp::Service { trust, held } => {
                found.amd = AmdEndorsements::find(evidence, held);
                found.crl = Given::Service(trust.crl_mode);
            }
            JudgeSnp::Offline { crl: Some(list), .. } => match AmdCrl::verify_file(list, input.anchors) {
                Ok(list) => (found.amd.crls, found.crl) = (vec![Arc::new(list)], Given::List),
                Err(error) => found.crl = Given::Refused(error),
            },
            JudgeSnp::Offline { crl: None, .. } => {}
        }
        found
    }

    fn endorsed<'s>(&'s self, trust: &'s SnpTrust) -> Endorsed<'s> {
        let crls = match &self.crl {
            Given::Nothing => Crls::NotGiven,
            Given::List => Crls::Held(CrlMode::Require, &self.amd.crls),
            Given::Refused(error) => Crls::Refused(error),
            Given::Service(mode) => Crls::Held(*mode, &self.amd.crls),
        };
        let listed = &trust.vlek_providers;
        let vlek_providers = match self.crl {
            Given::Service(_) => VlekProviders::Only(listed),
            _ => VlekProviders::Warn(listed),
        };
        let (image_issuers, authorities) = (&trust.image_issuers, &trust.time_stamp_authorities);
        let amd = Requirements { crls, vlek_providers, image_issuers, time_stamp_authorities: authorities };
        Endorsed { intel: self.collateral.input(), vek: self.amd.vek.as_ref().map(|held| &held.vek), amd }
    }
}

impl<'a> JudgedCollateral<'a> {
    fn find(wanted: &Wanted, input: &JudgeInput<'a>, cache: &ChainCache) -> Self {
        match (input.collateral, wanted) {
            (JudgeCollateral::Missing, _) => Self::Missing,
            (JudgeCollateral::Raw(raw), _) => {
                Self::Fresh(Box::new(Collateral::verify_with(raw, input.anchors, cache)))
            }
            (JudgeCollateral::Checked(verification), _) => Self::Checked(verification),
            (JudgeCollateral::Source(source), Wanted::Intel(platform)) => {
                source.find(platform).map_or(Self::Missing, Self::Known)
            }
            (JudgeCollateral::Source(_), _) => Self::Missing,
        }
    }

    fn input(&self) -> CollateralInput<'_> {
        match self {
            Self::Missing => CollateralInput::Missing,
            Self::Fresh(verification) => CollateralInput::Fresh(verification),
            Self::Checked(verification) => CollateralInput::Fresh(verification),
            Self::Known(collateral) => CollateralInput::Verified(collateral),
        }
    }

    fn verified(&self) -> Option<&Collateral> {
        match self {
            Self::Missing => None,
            Self::Fresh(verification) => verification.collateral.as_ref(),
            Self::Checked(verification) => verification.collateral.as_ref(),
            Self::Known(collateral) => Some(collateral),
        }
    }
}

impl CollateralFacts {
    fn of(collateral: &Collateral) -> Self {
        Self {
            tcb_evaluation_data_number: collateral.evaluation_number(),
            earliest_issue: collateral.earliest_issue().to_string(),
            earliest_expiration: collateral.earliest_expiration().to_string(),
        }
    }
}

impl VerdictError {
    fn of(error: &VerifyError) -> Self {
        Self { code: error.code(), message: error.to_string(), help: error.help() }
    }

    fn of_refusal(refusal: &Refusal) -> Self {
        Self { code: refusal.code(), message: refusal.message(), help: refusal.help() }
    }
}

/// Offline there is no key to check a challenge with.
struct NoChallenges;

impl ChallengeCheck for NoChallenges {
    fn is_ours(&self, _challenge: &str, _now: UnixTime) -> bool {
        false
    }
}
