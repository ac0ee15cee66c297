//! Attestation as the service does it: appraise, sign, record, and only then answer.

use std::sync::Arc;

use assay_appraisal::{
    ActivePolicy, Appraisal, AttestationType, DecisionRecord, Endorsements, Moment, Provider, Refusal,
    RefusalClass, Request, TokenBody, Verifier, appraise,
};
use assay_collateral::CollateralFolder;
use assay_policy::RuleRef;
use assay_store::StoreError;
use assay_token::lifecycle::Purpose;
use assay_token::{Header, TokenError, issue, issue_unsecured};
use assay_verify::Report;
use assay_verify::claims::TcbVerdict;

use crate::app::App;
use crate::audit::{Judged, Materials};
use crate::auth::Caller;
use crate::clock::{Clock, seconds};
use crate::endorsements::{Missing, Sources};
use crate::random::{self, NoRandomness};
use crate::registry::ProviderSnapshot;

/// What came of a request.
#[derive(Debug)]
pub struct Attested {
    /// The token, or why there is none.
    pub token: Result<String, Refusal>,
    /// The id of the decision record, where one was written.
    pub record_id: Option<String>,
    /// Every check of verification.
    pub report: Report,
    /// What is known of the platform's TCB.
    pub tcb: Option<TcbVerdict>,
    /// The rule that decided; for readers of the provider only.
    pub deciding_rule: Option<RuleRef>,
    /// What nobody here has and would have been needed.
    pub(crate) missing: Option<Missing>,
    /// The decision on evidence that is not genuine, which is recorded only once the caller is known.
    unrecorded: Option<Box<Unrecorded>>,
}

/// A decision that has no record yet.
#[derive(Debug)]
struct Unrecorded {
    record: DecisionRecord,
    endorsements: Endorsements,
}

impl Attested {
    /// Records the refusal of evidence after all, if the caller has turned out to be identified. Whoever sends a bearer
    /// with everything is not asked who that is unless it matters.
    ///
    /// # Errors
    /// [`AttestError::Recording`].
    pub async fn record_for(&mut self, app: &App, caller: &Caller) -> Result<(), AttestError> {
        if !is_identified(caller) {
            return Ok(());
        }
        let Some(unrecorded) = self.unrecorded.take() else { return Ok(()) };
        let Unrecorded { record, endorsements } = *unrecorded;
        self.record_id = Some(append(app, &record, &endorsements, None).await?);
        Ok(())
    }
}

/// Why the service has no answer, whatever the evidence is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttestError {
    /// The provider has no policy for this kind of evidence.
    #[error("this provider attests no such evidence")]
    Kind,
    /// The token could not be signed.
    #[error("the token could not be signed")]
    Signing(TokenError),
    /// The decision could not be recorded, so it is not given out.
    #[error("the decision could not be recorded")]
    Recording(StoreError),
    /// The system gives no randomness.
    #[error("{0}")]
    Random(NoRandomness),
}

/// Verified collateral of files.
#[derive(Clone, Debug)]
pub struct HeldCollateral(pub Arc<CollateralFolder>);

/// Appraises a request, signs the answer and records the decision. With durable decisions the record is on disk when this
/// returns.
///
/// # Errors
/// [`AttestError`], when the service itself is in trouble; a refusal is an answer.
pub async fn attest(
    app: &App,
    provider: &ProviderSnapshot,
    request: &Request,
    caller: &Caller,
) -> Result<Attested, AttestError> {
    let moment = Moment { now: app.clock.now(), token_id: token_id(&app.clock)? };
    let policy = provider.policy(request.kind).ok_or(AttestError::Kind)?;
    let name = provider.id.as_str();
    let asked = Provider {
        name,
        issuer: &provider.issuer,
        policy: &policy.active,
        baseline: &provider.baseline,
        development: provider.development,
    };
    if request.kind == AttestationType::SevSnpVm {
        app.look_for_silicon();
    }
    let trust = app.trust.current();
    let sources = Sources::new(app, name);
    let verifier = Verifier {
        anchors: &trust.anchors,
        cache: &app.chain_cache,
        collateral: &sources,
        snp: &trust.snp,
        challenges: &app.challenges,
    };
    // A tenth of a millisecond, and with RSA-2048 two more for the signature (docs/performance.md): less than a hand-over
    // to another thread and back would add to the answer while others wait for this one's core anyway.
    let appraisal = appraise(request, &asked, &verifier, &moment);
    drop(trust);
    let (answer, appraisal) = sign(provider, appraisal, seconds(moment.now))?;
    if request.draft_policy.is_some() {
        app.counters.drafts.increment();
    }
    let missing = sources.missing();
    let record_id = match is_recorded(&answer, request, caller) {
        true => {
            // A draft's text came with the request, and its digest is in the record.
            let policy = request.draft_policy.is_none().then_some(&policy.active);
            Some(append(app, &appraisal.record, &appraisal.endorsements, policy).await?)
        }
        false => None,
    };
    let Appraisal { report, tcb, deciding_rule, record, endorsements, .. } = appraisal;
    let refused = record_id.is_none() && is_of(&answer, &[RefusalClass::Evidence]);
    let unrecorded = refused.then(|| Box::new(Unrecorded { record, endorsements }));
    Ok(Attested { token: answer, record_id, report, tcb, deciding_rule, missing, unrecorded })
}

/// 48 bits of time, then 208 of chance (as in RFC 9562, section 5.7). The half of it that names the record stands in an index: names
/// of one moment stand together there, and a group of records changes one page of it instead of one each.
fn token_id(clock: &Clock) -> Result<[u8; 32], AttestError> {
    let mut id: [u8; 32] = random::bytes().map_err(AttestError::Random)?;
    let time = clock.now_milliseconds().to_be_bytes();
    for (to, from) in id.iter_mut().zip(time.into_iter().skip(2)) {
        *to = from;
    }
    Ok(id)
}

/// Signs what was permitted; the record learns with which key.
fn sign(
    provider: &ProviderSnapshot,
    mut appraisal: Appraisal,
    now: u64,
) -> Result<(Result<String, Refusal>, Appraisal), AttestError> {
    let body = match &appraisal.answer {
        Ok(body) => body,
        Err(refusal) => return Ok((Err(refusal.clone()), appraisal)),
    };
    let key = provider.keys.signing_key(Purpose::AttestationToken, now).map_err(AttestError::Signing)?;
    let TokenBody { payload, draft, .. } = body;
    if *draft {
        return Ok((Ok(issue_unsecured(&provider.jku, key.kid, payload)), appraisal));
    }
    let token =
        issue(&Header::jwt(key.kid, &provider.jku), payload, key.signer).map_err(AttestError::Signing)?;
    appraisal.record = appraisal.record.signed_with(key.kid, key.signer.algorithm().as_str());
    Ok((Ok(token), appraisal))
}

/// Whether a decision becomes a row. Anonymous callers leave one only with genuine evidence of a real device; drafts are no
/// attestations, and those of identified callers are kept as the traces of an administrator's work, as is whatever
/// evidence of theirs is refused.
fn is_recorded(answer: &Result<String, Refusal>, request: &Request, caller: &Caller) -> bool {
    const VERDICTS: [RefusalClass; 3] =
        [RefusalClass::Baseline, RefusalClass::Denied, RefusalClass::PolicyEvaluation];
    if is_of(answer, &[RefusalClass::Evidence]) {
        return is_identified(caller);
    }
    let reached_verdict = answer.is_ok() || is_of(answer, &VERDICTS);
    reached_verdict && (request.draft_policy.is_none() || is_identified(caller))
}

fn is_of(answer: &Result<String, Refusal>, classes: &[RefusalClass]) -> bool {
    answer.as_ref().is_err_and(|refusal| classes.contains(&refusal.class()))
}

const fn is_identified(caller: &Caller) -> bool {
    matches!(caller, Caller::Bearer(_))
}

async fn append(
    app: &App,
    record: &DecisionRecord,
    endorsements: &Endorsements,
    policy: Option<&ActivePolicy>,
) -> Result<String, AttestError> {
    let materials = Materials {
        endorsements: judged(app, endorsements),
        policy: policy.map(ActivePolicy::text),
        policy_signer: policy.and_then(ActivePolicy::signer),
    };
    app.audit.append(record, materials).await.map_err(AttestError::Recording)?;
    Ok(record.id.clone())
}

/// What judged and is kept beside the decision.
fn judged<'a>(app: &App, endorsements: &'a Endorsements) -> Option<Judged<'a>> {
    match endorsements {
        Endorsements::Intel(_) => crate::endorsements::raw(app, endorsements).map(Judged::Intel),
        Endorsements::IntelWithPck(pck, _) => {
            Some(Judged::IntelWithPck(pck.digest, crate::endorsements::raw(app, endorsements)))
        }
        Endorsements::Amd(amd) => endorsements.digest().map(|_| Judged::Amd(amd)),
        Endorsements::None => None,
    }
}
