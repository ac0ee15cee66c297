//! `POST /attest/{type}`.

use assay_appraisal::{AttestationType, Request};
use assay_token::{base64url, sha256};
use http::header::{AUTHORIZATION, CONTENT_TYPE};

use super::tpm::{self, Message};
use super::{body, refusal};
use crate::answer::Answer;
use crate::attest::{Attested, attest};
use crate::auth::{Caller, Permission};
use crate::endorsements::{self, Brought};
use crate::front::{Exchange, bearer_needed};
use crate::problem::Problem;
use crate::registry::ProviderSnapshot;
use crate::upstream::Asker;

/// What is brought for one piece of evidence: a certificate, and then the documents of its family.
const MOST_BROUGHT: usize = 2;

/// Attests, for everybody, but in the wire's first version for identified callers; TPMs only for readers, unless the
/// provider says otherwise.
pub(super) async fn answer(
    mut exchange: Exchange<'_>,
    provider: &ProviderSnapshot,
) -> Result<Answer, Problem> {
    let kind = super::kind(&exchange)?;
    check_content_type(&exchange)?;
    if super::is_first_version(exchange.parts.uri.query())
        && !matches!(exchange.identified().await?, Caller::Bearer(_))
    {
        return Err(bearer_needed());
    }
    if kind == AttestationType::Tpm {
        if provider.options.tpm_authentication {
            exchange.require(provider.id.as_str(), Permission::Read).await?;
        }
        let body = exchange.body().await?;
        return tpm_message(&exchange, &body);
    }
    if kind == AttestationType::TdxVm {
        return Err(super::unsupported(kind.as_str()));
    }
    let body = exchange.body().await?;
    evidence(&exchange, provider, body::parse(kind, &body)?).await
}

/// No content type at all is taken for JSON.
fn check_content_type(exchange: &Exchange<'_>) -> Result<(), Problem> {
    let Some(given) = exchange.parts.headers.get(CONTENT_TYPE) else { return Ok(()) };
    let given = given.to_str().unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    let json = ["application/json", "text/json"].iter().any(|json| essence.eq_ignore_ascii_case(json));
    if json { Ok(()) } else { Err(Problem::unsupported_media_type("application/json")) }
}

async fn evidence(
    exchange: &Exchange<'_>,
    provider: &ProviderSnapshot,
    request: Request,
) -> Result<Answer, Problem> {
    let kind = request.kind;
    let draft = request.draft_policy.is_some();
    if draft {
        exchange.take_draft()?;
    }
    // SDKs send a bearer with everything. It is looked at only where it matters: whose draft this is, whose evidence was
    // refused, and who may read why there is no token.
    let caller = if draft { reader(exchange, provider).await } else { Caller::Anonymous };
    let mut attested = attempt(exchange, provider, &request, &caller).await?;
    // Upstream is waited for without keeping others from the processor; a draft is not worth the question.
    for _ in 0..MOST_BROUGHT {
        let (Err(_), Some(missing), false) = (&attested.token, &attested.missing, draft) else { break };
        match endorsements::bring(exchange.app, missing, Asker::Stranger(exchange.source)).await {
            Brought::Here => attested = attempt(exchange, provider, &request, &caller).await?,
            Brought::Nowhere => break,
            // To call the evidence refused would say that it is its fault.
            Brought::Later => return Err(not_now()),
        }
    }
    let caller = match (&attested.token, caller) {
        (Err(_), Caller::Anonymous) if !draft => reader(exchange, provider).await,
        (_, known) => known,
    };
    attested.record_for(exchange.app, &caller).await.map_err(|error| refusal::failed(&error))?;
    let refused = attested.token.as_ref().err();
    if !draft {
        let outcome = exchange.front.metrics.attestation(kind, provider.id.as_str(), refused);
        exchange.tell_outcome(outcome);
    }
    match &attested.token {
        Ok(token) => Ok(Answer::token(token)),
        Err(refused) => {
            let explain = provider.options.explain_to_anonymous || matches!(caller, Caller::Bearer(_));
            Err(refusal::refused(refused, attested.deciding_rule.as_ref(), explain))
        }
    }
}

fn not_now() -> Problem {
    let message = "What the vendor says of this platform cannot be had at this moment. Send the evidence again in a moment.";
    Problem::unavailable("endorsements-unavailable", message)
}

async fn attempt(
    exchange: &Exchange<'_>,
    provider: &ProviderSnapshot,
    request: &Request,
    caller: &Caller,
) -> Result<Attested, Problem> {
    let _turn =
        exchange.front.processor.enter().await.ok_or_else(|| Problem::too_many("at this moment", 1))?;
    attest(exchange.app, provider, request, caller).await.map_err(|error| refusal::failed(&error))
}

/// Who is calling, if that is a reader of this provider: a good token of the issuer without a role here is as good as
/// none, so that it neither fills the provider's log nor sees rule texts and claim values.
async fn reader(exchange: &Exchange<'_>, provider: &ProviderSnapshot) -> Caller {
    if !exchange.parts.headers.contains_key(AUTHORIZATION) {
        return Caller::Anonymous;
    }
    let caller = exchange.caller().await;
    let may = exchange.app.auth.may(&caller, provider.id.as_str(), Permission::Read);
    if may { caller } else { Caller::Anonymous }
}

fn tpm_message(exchange: &Exchange<'_>, body: &[u8]) -> Result<Answer, Problem> {
    match tpm::parse(body)? {
        Message::Init => {
            exchange.take_challenge()?;
            let issued = exchange.app.challenges.issue().map_err(|error| {
                tracing::error!(%error, "no challenge could be made");
                Problem::internal()
            })?;
            // The signed text carries the randomness and the time; the 16 bytes are its digest, so that the second leg
            // can tell that they belong together without anything being kept.
            let [challenge, _] = halves(sha256(issued.text.as_bytes()));
            let context = base64url::encode(issued.text.as_bytes());
            Ok(Answer::json(tpm::init_answer(&challenge, &context)))
        }
        Message::Evidence => Err(super::unsupported(AttestationType::Tpm.as_str())),
    }
}

fn halves(digest: [u8; 32]) -> [[u8; 16]; 2] {
    let mut halves = [[0; 16]; 2];
    for (half, bytes) in halves.iter_mut().zip(digest.chunks_exact(16)) {
        half.copy_from_slice(bytes);
    }
    halves
}
