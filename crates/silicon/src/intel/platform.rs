//! A simulated platform: its PCK key and certificate chain, and its quoting enclave.

use super::pck_extension::{self, Entry, Identity, SGX_EXTENSION};
use super::pki::{self, Extension, Template, Window};
use super::quote::QuoteDraft;
use super::spec::{Ca, PlatformSpec, QuoteSpec};
use super::vendor::{DAY, Intel};
use crate::error::SiliconError;
use crate::keys::{Secret, SigningKey, random};

const PCK_LIFE: i64 = 10 * 365 * DAY;

/// A simulated platform, which makes quotes.
#[derive(Clone, Debug)]
pub struct Platform {
    pub(super) spec: PlatformSpec,
    pub(super) identity: Identity,
    /// What its PCK keys follow from, together with its TCB.
    pub(super) secret: Secret,
    pub(super) pck_key: SigningKey,
    /// The PCK certificate before it was signed.
    pub(super) pck: Template,
    /// DER, leaf first.
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) attestation_key: SigningKey,
    /// Identifies the quoting enclave on this platform.
    pub(super) qe_id: [u8; 16],
}

impl Platform {
    pub(super) fn make(intel: &Intel, spec: &PlatformSpec, now: i64) -> Result<Self, SiliconError> {
        let platform_instance_id = match (spec.ca, spec.platform_instance_id) {
            (Ca::Processor, _) => None,
            (Ca::Platform, Some(id)) => Some(id),
            (Ca::Platform, None) => Some(random()?),
        };
        let ppid = spec.ppid.map_or_else(random, Ok)?;
        let identity = Identity { ppid, platform_instance_id };
        let secret = Secret::generate()?;
        let PckCertificate { key, template, der } = pck_certificate(intel, spec, &identity, &secret, now)?;
        let ca = intel.authority(spec.ca);
        let chain = vec![der, ca.certificate.clone(), intel.root.certificate.clone()];
        Ok(Self {
            spec: spec.clone(),
            identity,
            secret,
            pck_key: key,
            pck: template,
            chain,
            attestation_key: SigningKey::generate()?,
            qe_id: random()?,
        })
    }

    /// Makes a quote.
    ///
    /// # Errors
    /// [`SiliconError::InvalidSpec`] for data too long for its length field; [`SiliconError::Crypto`].
    pub fn quote(&self, spec: &QuoteSpec) -> Result<Vec<u8>, SiliconError> {
        QuoteDraft::new(self, spec)?.finish(self)
    }

    /// The specification it was made from.
    #[must_use]
    pub const fn spec(&self) -> &PlatformSpec {
        &self.spec
    }

    /// Who certified it.
    #[must_use]
    pub const fn ca(&self) -> Ca {
        self.spec.ca
    }

    /// Family, model, stepping, platform, custom SKU.
    #[must_use]
    pub const fn fmspc(&self) -> [u8; 6] {
        self.spec.fmspc
    }

    /// The provisioning certification enclave.
    #[must_use]
    pub const fn pce_id(&self) -> [u8; 2] {
        self.spec.pce_id
    }

    /// Platform provisioning id.
    #[must_use]
    pub const fn ppid(&self) -> [u8; 16] {
        self.identity.ppid
    }

    /// Identifies the quoting enclave on this platform; part of the quote's header.
    #[must_use]
    pub const fn qe_id(&self) -> [u8; 16] {
        self.qe_id
    }

    /// The serial number of the PCK certificate, big-endian.
    #[must_use]
    pub const fn serial(&self) -> [u8; 20] {
        self.pck.serial
    }

    /// The PCK certificate, DER.
    #[must_use]
    pub fn pck_certificate_der(&self) -> &[u8] {
        self.chain.first().map_or(&[], Vec::as_slice)
    }

    /// PCK certificate, its authority and the root, PEM.
    #[must_use]
    pub fn pck_certificate_chain_pem(&self) -> String {
        pki::pem(&self.chain)
    }

    /// The pairs of the SGX extension.
    pub(super) fn sgx_entries(&self) -> Vec<Entry> {
        pck_extension::entries(&self.spec, &self.identity)
    }
}

/// A PCK certificate, with its key and what it was before it was signed.
pub(super) struct PckCertificate {
    pub(super) key: SigningKey,
    pub(super) template: Template,
    pub(super) der: Vec<u8>,
}

/// The PCK certificate of a platform for the TCB in `spec`. Key and serial number follow from the platform's secret and
/// that TCB, as real keys do, so the same certificate can be made again.
pub(super) fn pck_certificate(
    intel: &Intel,
    spec: &PlatformSpec,
    identity: &Identity,
    secret: &Secret,
    now: i64,
) -> Result<PckCertificate, SiliconError> {
    let tcb = [&spec.cpu_svn_components[..], &spec.pce_svn.to_le_bytes()].concat();
    let key = SigningKey::derived(secret, &tcb)?;
    let ca = intel.authority(spec.ca);
    let validity = pck_validity(ca.template.validity, now);
    // As random as the key is.
    let serial = pki::key_id(key.public());
    let mut template = Template::pck(spec.ca, key.public(), ca.key.public(), validity, serial);
    let sgx = pck_extension::encode(&pck_extension::entries(spec, identity));
    template.extensions.push(Extension::new(SGX_EXTENSION, false, sgx));
    let der = template.sign(&ca.key)?;
    Ok(PckCertificate { key, template, der })
}

/// From a day ago for ten years, within the validity of the authority. One whose life ended before that began is for no time.
fn pck_validity(authority: Window, now: i64) -> Window {
    let from = now.saturating_sub(DAY);
    let to = from.saturating_add(PCK_LIFE).min(authority.to);
    Window { from: from.max(authority.from).min(to), to }
}
