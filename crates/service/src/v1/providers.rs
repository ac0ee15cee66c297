//! `/v1/providers`: making, listing and deleting providers.

use std::sync::Arc;

use assay_appraisal::SnpBaseline;
use assay_token::{Algorithm, PublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::auth::{Caller, Permission};
use crate::front::Exchange;
use crate::maa::members::Members;
use crate::maa::refusal;
use crate::problem::Problem;
use crate::registry::{NewProvider, ProviderOptions, ProviderSnapshot, TrustModel};

/// The body of `POST /v1/providers`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    name: String,
    trust_model: Option<TrustModel>,
    #[serde(default)]
    policy_signing_certificates: Vec<String>,
    signing_algorithm: Option<Algorithm>,
    accepted_tcb_statuses: Option<Vec<String>>,
    minimum_tcb_evaluation_number: Option<u32>,
    minimum_snp_tcb: Option<SnpBaseline>,
    #[serde(default)]
    explain_to_anonymous: bool,
    tpm_authentication: Option<bool>,
}

/// Every provider that the caller may read.
pub(super) async fn list(exchange: &Exchange<'_>) -> Result<Answer, Problem> {
    let caller = exchange.signed_in().await?;
    let auth = &exchange.app.auth;
    let may_read =
        |provider: &Arc<ProviderSnapshot>| auth.may(&caller, provider.id.as_str(), Permission::Read);
    let providers: Vec<Value> = exchange
        .app
        .registry
        .list()
        .iter()
        .filter(|provider| may_read(provider))
        .map(|one| shown(one))
        .collect();
    Answer::of(&json!({"providers": providers}))
}

/// One provider.
pub(super) async fn get(exchange: &Exchange<'_>) -> Result<Answer, Problem> {
    let provider = named(exchange, Permission::Read).await?;
    Answer::of(&shown(&provider))
}

/// Makes a provider.
pub(super) async fn create(mut exchange: Exchange<'_>) -> Result<Answer, Problem> {
    let principal = exchange.require("*", Permission::Admin).await?;
    let body = exchange.body().await?;
    let provider = exchange.app.registry.create_provider(&principal.actor(), read(&body)?).await;
    let provider = provider.map_err(|error| refusal::registry(&error))?;
    let location = Some(format!("/v1/providers/{}", provider.id));
    Ok(Answer { status: StatusCode::CREATED, location, ..Answer::of(&shown(&provider))? })
}

/// Deletes a provider: its policies, signers and keys no longer count; its decisions stay.
pub(super) async fn delete(exchange: &Exchange<'_>) -> Result<Answer, Problem> {
    let name = exchange.parameter(0);
    let principal = exchange.require(name, Permission::Admin).await?;
    let deleted = exchange.app.registry.delete_provider(&principal.actor(), name).await;
    deleted.map(|()| Answer::nothing()).map_err(|error| refusal::registry(&error))
}

/// The provider that the path names, to callers with this permission. Others learn nothing, not even whether it exists.
pub(super) async fn named(
    exchange: &Exchange<'_>,
    permission: Permission,
) -> Result<Arc<ProviderSnapshot>, Problem> {
    let name = exchange.parameter(0);
    exchange.require(name, permission).await?;
    exchange.app.registry.provider(name).ok_or_else(crate::front::unknown_provider)
}

fn shown(provider: &ProviderSnapshot) -> Value {
    let certificates: Vec<String> =
        provider.signers.iter().map(|signer| STANDARD.encode(&signer.der)).collect();
    json!({
        "name": provider.name,
        "issuer": provider.issuer,
        "jwksUri": provider.jku,
        "trustModel": provider.trust_model,
        "policySigningCertificates": certificates,
        "signingAlgorithm": provider.options.algorithm,
        "acceptedTcbStatuses": provider.baseline.accepted,
        "minimumTcbEvaluationNumber": provider.baseline.minimum_evaluation_number,
        "minimumSnpTcb": provider.baseline.snp,
        "explainToAnonymous": provider.options.explain_to_anonymous,
        "tpmAuthentication": provider.options.tpm_authentication,
    })
}

fn read(body: &[u8]) -> Result<NewProvider, Problem> {
    // Refuses what the typed reading would not: duplicates, and too much of anything.
    Members::parse(body)?;
    let wanted: Wanted = serde_json::from_slice(body).map_err(|error| {
        let problem: String = error.to_string().chars().take(200).collect();
        let message = format!("The provider cannot be read: {problem}. `/openapi.json` lists the members.");
        Problem::invalid_parameter("json-shape", message)
    })?;
    let signers: Vec<Value> =
        wanted.policy_signing_certificates.iter().map(|text| signer(text)).collect::<Result<_, _>>()?;
    check_trust_model(wanted.trust_model, signers.len())?;
    let usual = ProviderOptions::default();
    let options = ProviderOptions {
        algorithm: wanted.signing_algorithm.unwrap_or(usual.algorithm),
        accepted_tcb_statuses: wanted.accepted_tcb_statuses,
        minimum_evaluation_number: wanted.minimum_tcb_evaluation_number,
        minimum_snp_tcb: wanted.minimum_snp_tcb,
        explain_to_anonymous: wanted.explain_to_anonymous,
        tpm_authentication: wanted.tpm_authentication.unwrap_or(usual.tpm_authentication),
    };
    Ok(NewProvider { name: wanted.name, policy_signers: signers, options })
}

/// The trust model follows from the certificates, as with Azure; naming it may not contradict.
fn check_trust_model(model: Option<TrustModel>, signers: usize) -> Result<(), Problem> {
    let message = match (model, signers) {
        (Some(TrustModel::Isolated), 0) => {
            "An isolated provider needs signers. Send at least one certificate in `policySigningCertificates`."
        }
        (Some(TrustModel::Aad), 1..) => {
            "A provider with policy signing certificates is isolated. Send `\"trustModel\":\"Isolated\"`, or no certificates."
        }
        (Some(TrustModel::Shared), _) => {
            "Shared providers come from the configuration only. Send `AAD` or `Isolated` as `trustModel`."
        }
        _ => return Ok(()),
    };
    Err(Problem::invalid_parameter("trust-model", message))
}

/// A certificate, PEM or base64 of DER, as the JWK that Azure's command line makes of it.
fn signer(text: &str) -> Result<Value, Problem> {
    let der = if text.contains("-----BEGIN") {
        CertificateDer::from_pem_slice(text.as_bytes()).ok().map(|der| der.to_vec())
    } else {
        STANDARD.decode(text.trim()).ok()
    };
    let refused = |problem: &str| {
        let message = format!(
            "A certificate in `policySigningCertificates` is refused: {problem}. Send X.509 certificates, as PEM or base64 of DER."
        );
        Problem::invalid_parameter("signer-certificate", message)
    };
    let der = der.ok_or_else(|| refused("it is neither PEM nor base64"))?;
    let key = PublicKey::from_certificate_der(&der).map_err(|error| refused(&error.to_string()))?;
    let algorithm = key.algorithms().first().map(|algorithm| algorithm.as_str());
    Ok(json!({
        "alg": algorithm,
        "kty": key.jwk_members().get("kty"),
        "use": "sig",
        "x5c": [STANDARD.encode(&der)],
    }))
}

impl Exchange<'_> {
    /// The caller, who must be somebody.
    async fn signed_in(&self) -> Result<Caller, Problem> {
        match self.identified().await? {
            Caller::Anonymous => Err(crate::front::bearer_needed()),
            caller @ Caller::Bearer(_) => Ok(caller),
        }
    }
}
