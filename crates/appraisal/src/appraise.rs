//! The attest flow.

use std::borrow::Cow;
use std::collections::BTreeSet;

use assay_policy::{ClaimSet, Decision, DenyReason, Limits, RuleRef};
use assay_verify::cache::ChainCache;
use assay_verify::claims::TcbVerdict;
use assay_verify::sgx::CollateralInput;
use assay_verify::{AnchorOrigin, Binding, Report, TrustAnchors, UnixTime, VerifyError};

use crate::claims::TCB_IDENTIFIER;
use crate::evidence::{Beside, Endorsed, EvidenceClaims, Opened, Outcome, Parsed, Wanted};
use crate::freshness::Bound;
use crate::record::RecordDraft;
use crate::request::Attached;
use crate::token_body::Parts;
use crate::{
    ActivePolicy, AmdEndorsements, AttestationType, Baseline, CollateralSource, DecisionRecord, Endorsements,
    EvidenceKind, Freshness, Refusal, Request, SnpTrust, TokenBody,
};

/// A snapshot of the provider that is asked.
#[derive(Clone, Copy, Debug)]
pub struct Provider<'a> {
    /// Its name.
    pub name: &'a str,
    /// The `iss` of its tokens; from its record, never from a request.
    pub issuer: &'a str,
    /// The active policy for the kind of evidence.
    pub policy: &'a ActivePolicy,
    /// What it demands of platforms.
    pub baseline: &'a Baseline,
    /// Everything made in development mode says so.
    pub development: bool,
}

/// Tells challenges of this deployment from other texts.
pub trait ChallengeCheck: Send + Sync {
    /// Whether the text is a challenge that this deployment signed and that has not expired.
    fn is_ours(&self, challenge: &str, now: UnixTime) -> bool;
}

/// What verification builds on.
#[derive(Clone, Copy)]
pub struct Verifier<'a> {
    /// The roots that are believed.
    pub anchors: &'a TrustAnchors,
    /// Chains verified before.
    pub cache: &'a ChainCache,
    /// What vendors say of platforms.
    pub collateral: &'a dyn CollateralSource,
    /// What is demanded of SEV-SNP evidence.
    pub snp: &'a SnpTrust,
    /// Challenges.
    pub challenges: &'a dyn ChallengeCheck,
}

/// Time and randomness of one decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// The time to judge at.
    pub now: UnixTime,
    /// 32 random bytes that name the token.
    pub token_id: [u8; 32],
}

/// What came of a request.
#[derive(Debug)]
pub struct Appraisal {
    /// What to sign, or why not.
    pub answer: Result<TokenBody, Refusal>,
    /// Every check of verification.
    pub report: Report,
    /// What is known of the platform's TCB.
    pub tcb: Option<TcbVerdict>,
    /// The rule of the policy that decided.
    pub deciding_rule: Option<RuleRef>,
    /// What to append to the log.
    pub record: DecisionRecord,
    /// What judged besides what came with the evidence.
    pub endorsements: Endorsements,
}

/// Appraises a request: parse, collateral, verify, policy, token body, record.
#[must_use]
pub fn appraise(
    request: &Request,
    provider: &Provider<'_>,
    verifier: &Verifier<'_>,
    moment: &Moment,
) -> Appraisal {
    let record = RecordDraft::new(request, provider, verifier, moment);
    let kind = match check_request(request) {
        Ok(kind) => kind,
        Err(refusal) => return record.refused(refusal),
    };
    let parsed = Parsed::of(kind, &request.evidence, Beside::default());
    let mut evidence = parsed.open(verifier.anchors, verifier.cache);
    let pck = evidence.look_up(verifier.collateral, verifier.anchors, verifier.cache);
    let endorsements = find(&evidence, verifier).with_pck(pck);
    let verified = verify(&evidence, &endorsements, request, verifier, moment.now);
    let record = record.verified(verified.report, verified.tcb, endorsements);
    let Some(claims) = verified.claims else { return record.not_genuine() };
    match decide(request, provider, &claims, verifier, moment) {
        Ok(decided) => record.decided(decided),
        Err(refusal) => record.refused(refusal),
    }
}

fn check_request(request: &Request) -> Result<EvidenceKind, Refusal> {
    let (runtime, init_time) = (&request.runtime_data, &request.init_time_data);
    for (data, attached) in [("runtime data", runtime), ("init-time data", init_time)] {
        if let Some(Err(error)) = attached.as_ref().map(crate::AttachedData::check) {
            return Err(Refusal::DataNotJson { data, problem: error });
        }
    }
    match request.kind {
        AttestationType::SgxEnclave => Ok(EvidenceKind::Sgx),
        AttestationType::OpenEnclave => Ok(EvidenceKind::OpenEnclave),
        AttestationType::SevSnpVm => Ok(EvidenceKind::Snp),
        AttestationType::TdxVm | AttestationType::Tpm => {
            Err(Refusal::NotSupported { kind: request.kind.as_str() })
        }
    }
}

/// What is held for this evidence.
fn find(evidence: &Opened<'_>, verifier: &Verifier<'_>) -> Endorsements {
    match evidence.wanted() {
        Wanted::Intel(platform) => {
            verifier.collateral.find(&platform).map_or(Endorsements::None, Endorsements::Intel)
        }
        Wanted::Amd(_) => Endorsements::Amd(AmdEndorsements::find(evidence, verifier.collateral)),
        Wanted::Nothing => Endorsements::None,
    }
}

fn verify(
    evidence: &Opened<'_>,
    endorsements: &Endorsements,
    request: &Request,
    verifier: &Verifier<'_>,
    now: UnixTime,
) -> Outcome {
    let binding = Binding {
        runtime_data: request.runtime_data.as_ref().map(|attached| attached.data.as_slice()),
        init_time_data: request.init_time_data.as_ref().map(|attached| attached.data.as_slice()),
        // The wire's nonce is an echo; whether the evidence is bound to it is a claim, not a condition.
        nonce: None,
    };
    let amd = endorsements.amd();
    let intel = endorsements.intel();
    let endorsed = Endorsed {
        intel: intel.map_or(CollateralInput::Missing, |set| CollateralInput::Verified(set)),
        vek: amd.vek.as_ref().map(|held| &held.vek),
        amd: verifier.snp.requirements(&amd.crls),
    };
    evidence.verify(&endorsed, &binding, (verifier.anchors, verifier.cache, now))
}

/// What policy made of genuine evidence.
pub(crate) struct Decided {
    pub(crate) freshness: Freshness,
    pub(crate) policy_hash: String,
    pub(crate) rule: Option<RuleRef>,
    pub(crate) answer: Result<TokenBody, Refusal>,
}

fn decide(
    request: &Request,
    provider: &Provider<'_>,
    claims: &EvidenceClaims,
    verifier: &Verifier<'_>,
    moment: &Moment,
) -> Result<Decided, Refusal> {
    // Trust in simulated silicon ends with development, whatever anchors were configured.
    if claims.origin() == AnchorOrigin::Simulated && !provider.development {
        return Err(Refusal::Evidence(VerifyError::UntrustedRoot { role: claims.leaf() }));
    }
    let policy = policy_in_force(request, provider)?;
    let attached = Attached::of(request)?;
    let bound = Bound::new(request, &attached, claims);
    let freshness = Freshness::of(request, &bound, verifier.challenges, moment.now)?;
    let incoming = claims.incoming(&attached, freshness, verifier.snp);
    let mut rule = None;
    let answer = check_baseline(&policy, &incoming, provider.baseline, claims).and_then(|()| {
        let limits = Limits::default();
        let evaluation = assay_policy::evaluate(policy.program(), &incoming, &limits)
            .map_err(Refusal::PolicyEvaluation)?;
        rule = deciding_rule(&evaluation.decision);
        match &evaluation.decision {
            Decision::Permit { .. } => {
                let issued = evaluation.issued_json();
                let (attached, policy, trust) = (&attached, policy.as_ref(), verifier.snp);
                let parts =
                    Parts { request, attached, provider, policy, claims, trust, issued, freshness, moment };
                Ok(parts.write())
            }
            Decision::Deny { .. } => Err(Refusal::Denied),
        }
    });
    Ok(Decided { freshness, policy_hash: policy.hash().to_owned(), rule, answer })
}

fn policy_in_force<'a>(request: &Request, provider: &Provider<'a>) -> Result<Cow<'a, ActivePolicy>, Refusal> {
    match &request.draft_policy {
        Some(text) => {
            ActivePolicy::compile(request.kind, text, None).map(Cow::Owned).map_err(Refusal::DraftPolicy)
        }
        None => Ok(Cow::Borrowed(provider.policy)),
    }
}

/// Checks a platform against the provider's baseline and the one that the policy names.
pub(crate) fn check_baseline(
    policy: &ActivePolicy,
    incoming: &ClaimSet,
    baseline: &Baseline,
    claims: &EvidenceClaims,
) -> Result<(), Refusal> {
    let named = match claims {
        EvidenceClaims::Sgx(_) => named_baseline(policy, incoming)?,
        // Policies name baselines of Intel's platforms only.
        EvidenceClaims::Snp(_) => None,
    };
    claims.check_baseline(baseline, named.as_deref())
}

/// The baseline that the policy's configuration rules name. Several names are read as one that nobody knows, as is a value
/// that is no text: a platform could be above the one that wins and below the one that was meant.
pub(crate) fn named_baseline(policy: &ActivePolicy, incoming: &ClaimSet) -> Result<Option<String>, Refusal> {
    let properties = policy.program().configuration(incoming).map_err(Refusal::PolicyEvaluation)?;
    let named = properties.iter().filter(|property| property.claim_type.as_ref() == TCB_IDENTIFIER);
    let names: BTreeSet<String> = named
        .map(|property| match &property.value {
            assay_policy::Value::String(name) => name.as_ref().to_owned(),
            other => format!("{other:?}"),
        })
        .collect();
    Ok((!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join(", ")))
}

fn deciding_rule(decision: &Decision) -> Option<RuleRef> {
    match decision {
        Decision::Permit { rule } | Decision::Deny { reason: DenyReason::Rule(rule) } => Some(rule.clone()),
        Decision::Deny { .. } => None,
    }
}
