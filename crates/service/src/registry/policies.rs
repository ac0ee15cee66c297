//! Setting and resetting policies.

use assay_appraisal::{ActivePolicy, AttestationType};
use assay_store::Digest;
use assay_token::{Limits, PolicyJws, VerifiedSignature, base64url, open_policy_jws};
use assay_verify::UnixTime;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::change::{Decision, Draft};
use super::document::{FORMAT, PolicyDocument, policy_head, write};
use super::{Actor, PolicyChange, ProviderSnapshot, Registry, RegistryError, Snapshot, TrustModel};
use crate::clock::seconds;

impl Registry {
    /// Sets the policy for one kind of evidence from a document in one of the forms that Azure's SDKs send.
    ///
    /// # Errors
    /// The policy before stays active; see [`RegistryError`].
    pub async fn set_policy(
        &self,
        actor: &Actor,
        provider: &str,
        kind: AttestationType,
        jws: &str,
    ) -> Result<PolicyChange, RegistryError> {
        let (actor, provider, raw) = (actor.clone(), provider.to_owned(), jws.to_owned());
        self.change(move |_, snapshot, now| set_policy(snapshot, now, &actor, &provider, kind, &raw)).await
    }

    /// Puts the default policy back. The document has an empty payload (or `null`), signed where the provider asks for it.
    ///
    /// # Errors
    /// As [`Registry::set_policy`].
    pub async fn reset_policy(
        &self,
        actor: &Actor,
        provider: &str,
        kind: AttestationType,
        jws: &str,
    ) -> Result<PolicyChange, RegistryError> {
        let (actor, provider, raw) = (actor.clone(), provider.to_owned(), jws.to_owned());
        self.change(move |_, snapshot, now| reset_policy(snapshot, now, &actor, &provider, kind, &raw)).await
    }
}

fn set_policy(
    snapshot: &Snapshot,
    now: UnixTime,
    actor: &Actor,
    name: &str,
    kind: AttestationType,
    raw: &str,
) -> Decision<PolicyChange> {
    let provider = writable(snapshot, name)?;
    let Opened { jws, signature, voucher } = open(provider, raw, now)?;
    let text = policy_text(&jws)?;
    let signer = signature.as_ref().map(VerifiedSignature::signer_jwk);
    let active = ActivePolicy::compile(kind, &text, signer);
    let active = active.map_err(|diagnostics| RegistryError::PolicyParsing { diagnostics })?;
    check_baseline(&active)?;
    let warnings = active.warnings().to_vec();
    let act = ("policy-set", provider, kind);
    let change = replace(snapshot, now, actor, act, (&jws, voucher), Some(text))?;
    Ok((Some(change), result(&jws, signature.as_ref(), warnings)))
}

fn reset_policy(
    snapshot: &Snapshot,
    now: UnixTime,
    actor: &Actor,
    name: &str,
    kind: AttestationType,
    raw: &str,
) -> Decision<PolicyChange> {
    let provider = writable(snapshot, name)?;
    let Opened { jws, signature, voucher } = open(provider, raw, now)?;
    if !is_reset(&jws) {
        return Err(RegistryError::ResetPayload);
    }
    let act = ("policy-reset", provider, kind);
    let change = replace(snapshot, now, actor, act, (&jws, voucher), None)?;
    Ok((Some(change), result(&jws, signature.as_ref(), Vec::new())))
}

/// One of Microsoft's samples signs `null`.
pub(super) fn is_reset(jws: &PolicyJws) -> bool {
    matches!(jws.payload().trim_ascii(), b"" | b"null")
}

pub(super) fn writable<'s>(
    snapshot: &'s Snapshot,
    name: &str,
) -> Result<&'s ProviderSnapshot, RegistryError> {
    let provider = snapshot.provider(name)?;
    match provider.trust_model {
        TrustModel::Shared => Err(RegistryError::Shared),
        TrustModel::Aad | TrustModel::Isolated => Ok(provider),
    }
}

/// A document whose sender may set it.
struct Opened {
    jws: PolicyJws,
    signature: Option<VerifiedSignature>,
    /// The certificate of the isolated provider that vouches for the signer.
    voucher: Option<Vec<u8>>,
}

/// Takes the document apart and checks who signed it: an isolated provider asks for one of its signers; elsewhere any
/// certificate will do, if the signature is good.
fn open(provider: &ProviderSnapshot, raw: &str, now: UnixTime) -> Result<Opened, RegistryError> {
    let jws = open_policy_jws(raw, &Limits::default()).map_err(RegistryError::Document)?;
    if jws.is_unsecured() {
        return match provider.trust_model {
            TrustModel::Isolated => Err(RegistryError::Unsigned),
            TrustModel::Aad | TrustModel::Shared => Ok(Opened { jws, signature: None, voucher: None }),
        };
    }
    let signature = jws.verify_signature().map_err(RegistryError::Document)?;
    let voucher = match provider.trust_model {
        TrustModel::Isolated => Some(check_signer(provider, &signature, now)?),
        TrustModel::Aad | TrustModel::Shared => None,
    };
    Ok(Opened { jws, signature: Some(signature), voucher })
}

/// The signer of the provider that vouches for a signature, DER.
pub(super) fn check_signer(
    provider: &ProviderSnapshot,
    signature: &VerifiedSignature,
    now: UnixTime,
) -> Result<Vec<u8>, RegistryError> {
    let trusted: Vec<Vec<u8>> = provider.signers.iter().map(|signer| signer.der.clone()).collect();
    signature.signed_by(&trusted, seconds(now)).map(<[u8]>::to_vec).map_err(RegistryError::SignerNotTrusted)
}

/// The payload as a JSON object.
pub(super) fn payload(jws: &PolicyJws) -> Result<Map<String, Value>, RegistryError> {
    let limits = assay_json::Limits::bytes(Limits::default().max_bytes);
    assay_json::from_slice(jws.payload(), &limits)
        .map_err(|error| RegistryError::Payload { problem: error.to_string() })
}

pub(super) fn policy_text(jws: &PolicyJws) -> Result<String, RegistryError> {
    const MEMBER: &str = "AttestationPolicy";
    let payload = payload(jws)?;
    let encoded = payload.get(MEMBER).ok_or(RegistryError::MemberMissing { member: MEMBER })?;
    let encoded = encoded.as_str().ok_or(RegistryError::PolicyEncoding)?;
    let bytes = base64url::decode_lenient(encoded).map_err(|_| RegistryError::PolicyEncoding)?;
    String::from_utf8(bytes).map_err(|_| RegistryError::PolicyEncoding)
}

/// The checker only warns of a baseline it does not know, as a policy may be written for another service; here it would
/// refuse every platform.
fn check_baseline(policy: &ActivePolicy) -> Result<(), RegistryError> {
    match policy.unknown_baseline() {
        None => Ok(()),
        Some(name) => Err(RegistryError::UnknownBaseline { name: name.chars().take(80).collect() }),
    }
}

fn replace(
    snapshot: &Snapshot,
    now: UnixTime,
    actor: &Actor,
    (act, provider, kind): (&str, &ProviderSnapshot, AttestationType),
    (jws, voucher): (&PolicyJws, Option<Vec<u8>>),
    text: Option<String>,
) -> Result<assay_store::Change, RegistryError> {
    let now = seconds(now);
    let head = policy_head(provider.id.as_str(), kind)?;
    let document = PolicyDocument {
        format: FORMAT,
        document: jws.raw().to_owned(),
        text,
        voucher: voucher.as_ref().map(|der| STANDARD.encode(der)),
        previous: snapshot.heads.get(&head).map(|head| head.digest.to_string()),
        time: now,
    };
    let mut draft = Draft::new(now)?;
    draft.note("document", Digest::of(jws.raw().as_bytes()));
    if let Some(der) = &voucher {
        draft.note("voucher", Digest::of(der));
    }
    let bytes = write(&head, &document)?;
    draft.put(snapshot, head, bytes);
    draft.record(actor, act, provider.id.as_str())
}

fn result(
    jws: &PolicyJws,
    signature: Option<&VerifiedSignature>,
    warnings: Vec<assay_policy::Diagnostic>,
) -> PolicyChange {
    // Policy results show more of the signer than attestation tokens do.
    let signer = signature.map(|signature| {
        let mut jwk = signature.signer_jwk();
        if let Some(members) = jwk.as_object_mut() {
            members.insert("alg".to_owned(), signature.algorithm().as_str().into());
            members.insert("use".to_owned(), "sig".into());
        }
        jwk
    });
    PolicyChange { token_hash: jws.token_hash(), signer, warnings }
}
