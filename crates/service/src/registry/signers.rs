//! The policy signers of a provider.
//!
//! With an isolated provider they decide who may set policies, and only one of them may change the set. With others the set
//! starts empty and only informs: Microsoft's clients add and remove certificates there too, so a request signed by any
//! certificate is accepted if its signature is good.

use assay_store::catalog;
use assay_token::{
    Limits, PublicKey, TokenError, certificate_thumbprint_sha1_hex, certificates_from_jwk, open_policy_jws,
};
use assay_verify::UnixTime;
use serde_json::{Map, Value};

use super::change::{Decision, Draft};
use super::document::{FORMAT, SignersDocument, write};
use super::policies::{check_signer, payload, writable};
use super::{
    Actor, ProviderSnapshot, Registry, RegistryError, SignerChange, SignerEntry, Snapshot, TrustModel,
};
use crate::clock::seconds;

/// Every signer is shown with its certificates in one token; a hundred of 2 KiB are still a token that clients read.
pub(super) const SIGNERS_MAX: usize = 100;

/// Names of the member that holds the certificate; the later ones are those of older versions of the protocol.
const MEMBERS: [&str; 3] = ["policyCertificate", "maa-policyCertificate", "x-ms-policyCertificate"];

impl Registry {
    /// Adds the certificate in a signed request. One that is there already is no error.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub async fn add_signer(
        &self,
        actor: &Actor,
        provider: &str,
        jws: &str,
    ) -> Result<SignerChange, RegistryError> {
        let (actor, provider, raw) = (actor.clone(), provider.to_owned(), jws.to_owned());
        self.change(move |_, snapshot, now| add(snapshot, now, &actor, &provider, &raw)).await
    }

    /// Removes the certificate in a signed request. One that is not there is no error.
    ///
    /// # Errors
    /// See [`RegistryError`]; [`RegistryError::LastSigner`] for the last one of an isolated provider.
    pub async fn remove_signer(
        &self,
        actor: &Actor,
        provider: &str,
        jws: &str,
    ) -> Result<SignerChange, RegistryError> {
        let (actor, provider, raw) = (actor.clone(), provider.to_owned(), jws.to_owned());
        self.change(move |_, snapshot, now| remove(snapshot, now, &actor, &provider, &raw)).await
    }
}

fn add(snapshot: &Snapshot, now: UnixTime, actor: &Actor, name: &str, raw: &str) -> Decision<SignerChange> {
    let provider = writable(snapshot, name)?;
    let entry = requested(provider, raw, now)?;
    let change = SignerChange { thumbprint: certificate_thumbprint_sha1_hex(&entry.der), present: true };
    if provider.signers.iter().any(|signer| signer.der == entry.der) {
        return Ok((None, change));
    }
    if provider.signers.len() >= SIGNERS_MAX {
        return Err(RegistryError::TooManySigners { limit: SIGNERS_MAX });
    }
    let signers = provider.signers.iter().chain([&entry]);
    Ok((Some(replace(snapshot, now, actor, "signer-add", provider, signers)?), change))
}

fn remove(
    snapshot: &Snapshot,
    now: UnixTime,
    actor: &Actor,
    name: &str,
    raw: &str,
) -> Decision<SignerChange> {
    let provider = writable(snapshot, name)?;
    let entry = requested(provider, raw, now)?;
    let change = SignerChange { thumbprint: certificate_thumbprint_sha1_hex(&entry.der), present: false };
    if provider.signers.iter().all(|signer| signer.der != entry.der) {
        return Ok((None, change));
    }
    if provider.trust_model == TrustModel::Isolated && provider.signers.len() <= 1 {
        return Err(RegistryError::LastSigner);
    }
    let signers = provider.signers.iter().filter(|signer| signer.der != entry.der);
    Ok((Some(replace(snapshot, now, actor, "signer-remove", provider, signers)?), change))
}

/// The certificate that a request is about, once it is clear that who sent it may ask.
fn requested(provider: &ProviderSnapshot, raw: &str, now: UnixTime) -> Result<SignerEntry, RegistryError> {
    let jws = open_policy_jws(raw, &Limits::default()).map_err(RegistryError::Document)?;
    if jws.is_unsecured() && provider.trust_model == TrustModel::Isolated {
        return Err(RegistryError::Unsigned);
    }
    let signature = jws.verify_signature().map_err(RegistryError::Document)?;
    if provider.trust_model == TrustModel::Isolated {
        check_signer(provider, &signature, now)?;
    }
    let payload = payload(&jws)?;
    let jwk = MEMBERS.iter().find_map(|member| payload.get(*member));
    let jwk = jwk.ok_or(RegistryError::MemberMissing { member: "policyCertificate" })?;
    signer_entry(&kept(jwk)?).map_err(RegistryError::SignerCertificate)
}

/// The members of a JWK that are kept, as they were given; `kty` is added where a client leaves it out.
pub(super) fn kept(jwk: &Value) -> Result<Value, RegistryError> {
    let entry = signer_entry(jwk).map_err(RegistryError::SignerCertificate)?;
    let key = PublicKey::from_certificate_der(&entry.der).map_err(RegistryError::SignerCertificate)?;
    let mut members = Map::new();
    for name in ["alg", "kty", "use", "x5c"] {
        let given = jwk.get(name).filter(|value| name == "x5c" || value.is_string()).cloned();
        let value = match name {
            "kty" => given.or_else(|| key.jwk_members().remove("kty")),
            _ => given,
        };
        members.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(Value::Object(members))
}

/// Reads a JWK with a certificate whose key Assay can verify with.
pub(super) fn signer_entry(jwk: &Value) -> Result<SignerEntry, TokenError> {
    let der = certificates_from_jwk(jwk)?.into_iter().next().ok_or(TokenError::CertificateMissing)?;
    PublicKey::from_jwk(jwk)?;
    Ok(SignerEntry { jwk: jwk.clone(), der })
}

fn replace<'s>(
    snapshot: &Snapshot,
    now: UnixTime,
    actor: &Actor,
    act: &str,
    provider: &ProviderSnapshot,
    signers: impl Iterator<Item = &'s SignerEntry>,
) -> Result<assay_store::Change, RegistryError> {
    let head = catalog::signers(provider.id.as_str())?;
    let document =
        SignersDocument { format: FORMAT, keys: signers.map(|signer| signer.jwk.clone()).collect() };
    let mut draft = Draft::new(seconds(now))?;
    let bytes = write(&head, &document)?;
    draft.put(snapshot, head, bytes);
    draft.record(actor, act, provider.id.as_str())
}
