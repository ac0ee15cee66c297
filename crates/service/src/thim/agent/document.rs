//! What is kept for a machine: the certificate of its SEV-SNP endorsement key, or of its SGX provisioning key.

use std::time::Duration;

use assay_evidence::pem;
use assay_verify::cache::ChainCache;
use assay_verify::intel::single::verify_pck;
use assay_verify::intel::{PckExtension, is_at_least};
use assay_verify::snp::{VerifiedVek, verify_vek};
use assay_verify::{TrustAnchors, UnixTime, VerifyError, Window};
use serde::{Deserialize, Serialize};

use super::cache;
use super::identity::SnpIdentity;
use super::pckid::SgxIdentity;
use crate::egress::Response;
use crate::percent;
use crate::thim::answer::{AmdCertification, CACHE_SECONDS, ISSUER_CHAIN, PckCertification, TCBM};

/// What PCK certificates are asked for anew after: the platform may have been registered again, or revoked.
const PCK_REFRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// A kind of document. What comes from the network becomes the bytes that the cache keeps, and these are verified each time
/// they are taken into use, wherever they come from.
pub(super) trait Document: Sized + Send + Sync + 'static {
    /// What it is about.
    type Identity: Clone + PartialEq + Send + Sync + 'static;
    /// Its name in the log.
    const NAME: &'static str;
    /// How often it is asked for anew; `None` for one that never changes.
    const REFRESH: Option<Duration>;

    /// Where the central service has it.
    fn path(identity: &Self::Identity) -> String;
    /// Where the cache has it.
    fn file(identity: &Self::Identity) -> String;
    /// What is kept of an answer.
    fn pack(response: &Response) -> Result<Vec<u8>, String>;
    /// Verifies what was kept. The error is a sentence that names no platform.
    fn open(kept: &[u8], identity: &Self::Identity, anchors: &TrustAnchors) -> Result<Self, String>;
    /// When it is valid.
    fn window(&self) -> Window;
}

/// A machine's VCEK.
#[derive(Debug)]
pub(super) struct Vcek {
    verified: VerifiedVek,
    der: Vec<u8>,
    identity: SnpIdentity,
}

impl Document for Vcek {
    type Identity = SnpIdentity;
    const NAME: &'static str = "vcek";
    const REFRESH: Option<Duration> = None;

    fn path(identity: &SnpIdentity) -> String {
        identity.vcek_path()
    }

    fn file(identity: &SnpIdentity) -> String {
        let product = identity.product.as_str().as_bytes();
        cache::name(Self::NAME, &[product, &identity.chip_id, &identity.reported_tcb.0])
    }

    fn pack(response: &Response) -> Result<Vec<u8>, String> {
        Ok(response.body.to_vec())
    }

    fn open(kept: &[u8], identity: &SnpIdentity, anchors: &TrustAnchors) -> Result<Self, String> {
        let verified = verify_vek(kept, anchors).map_err(|errors| codes(&errors))?;
        if !identity.vek_key().fits(&verified) {
            return Err("it is the key of another chip or TCB".to_owned());
        }
        Ok(Self { verified, der: kept.to_vec(), identity: *identity })
    }

    fn window(&self) -> Window {
        self.verified.window()
    }
}

impl Vcek {
    /// What a guest is told.
    pub(super) fn answer(&self, now: UnixTime) -> AmdCertification<'_> {
        let [intermediate, root] = self.verified.authority().certificates();
        AmdCertification {
            vcek: &self.der,
            intermediate,
            root,
            reported_tcb: self.identity.reported_tcb,
            cache_seconds: cache_seconds(self.window(), now),
        }
    }
}

/// A platform's PCK certificate.
#[derive(Debug)]
pub(super) struct Pck {
    certification: PckCertification,
    window: Window,
}

/// What is kept of Intel's answer: its body, and the headers without which it cannot be verified and served.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PckKept {
    certificate: String,
    issuer_chain: String,
    tcbm: String,
}

impl Document for Pck {
    type Identity = SgxIdentity;
    const NAME: &'static str = "pck";
    const REFRESH: Option<Duration> = Some(PCK_REFRESH);

    fn path(identity: &SgxIdentity) -> String {
        identity.pckcert_path()
    }

    fn file(identity: &SgxIdentity) -> String {
        let SgxIdentity { qe_id, cpu_svn, pce_svn, pce_id, .. } = identity;
        cache::name(Self::NAME, &[qe_id, cpu_svn, pce_svn, pce_id])
    }

    fn pack(response: &Response) -> Result<Vec<u8>, String> {
        let header = |name| {
            let value = response.headers.get(&name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned).ok_or_else(|| format!("the header `{name}` is missing"))
        };
        let certificate = String::from_utf8(response.body.to_vec());
        let kept = PckKept {
            certificate: certificate.map_err(|_| "the certificate is not text".to_owned())?,
            issuer_chain: header(ISSUER_CHAIN)?,
            tcbm: header(TCBM)?,
        };
        serde_json::to_vec(&kept).map_err(|error| error.to_string())
    }

    fn open(kept: &[u8], identity: &SgxIdentity, anchors: &TrustAnchors) -> Result<Self, String> {
        let limits = assay_json::Limits::bytes(cache::MAX_DOCUMENT);
        let kept: PckKept = assay_json::from_slice(kept, &limits).map_err(|error| error.to_string())?;
        let chain = percent::decode(&kept.issuer_chain).ok_or("its issuer chain is not URL-encoded")?;
        let mut certificates = pem::certificates(kept.certificate.as_bytes())?;
        certificates.extend(pem::certificates(chain.as_bytes())?);
        let verified = verify_pck(&kept.certificate, &chain, anchors, &ChainCache::new(0));
        let verified = verified.map_err(|errors| codes(&errors))?;
        let tcbm = tcbm(&verified.extension.cpu_svn, verified.extension.pce_svn);
        if !hex::encode(tcbm).eq_ignore_ascii_case(&kept.tcbm) {
            return Err("its TCB is not the one that the answer says".to_owned());
        }
        check_platform(&verified.extension, identity)?;
        let mut certificates = certificates.into_iter();
        let certification = PckCertification {
            certificate: certificates.next().unwrap_or_default(),
            issuer_chain: certificates.collect(),
            tcbm,
            fmspc: verified.extension.fmspc,
            ca: verified.ca_kind.as_str(),
        };
        Ok(Self { certification, window: verified.window() })
    }

    fn window(&self) -> Window {
        self.window
    }
}

impl Pck {
    /// What a guest is told, and how long it may keep it.
    pub(super) fn answer(&self, now: UnixTime) -> (&PckCertification, u32) {
        (&self.certification, cache_seconds(self.window, now))
    }
}

/// What a certificate tells of its platform and this node knows of itself. PPIDs cannot be compared: the node has its own only
/// encrypted for Intel.
fn check_platform(pck: &PckExtension, own: &SgxIdentity) -> Result<(), String> {
    let [a, b] = pck.pce_id;
    // Certificates and identifiers write it in either order.
    if own.pce_id != [a, b] && own.pce_id != [b, a] {
        return Err("it is of another provisioning certification enclave".to_owned());
    }
    if !is_at_least(&own.cpu_svn, &pck.components) || u16::from_le_bytes(own.pce_svn) < pck.pce_svn {
        return Err("it is for a TCB that this platform does not reach".to_owned());
    }
    Ok(())
}

/// CPUSVN, then PCESVN with its low byte first (Intel PCS API v4, header `SGX-TCBm`).
fn tcbm(cpu_svn: &[u8; 16], pce_svn: u16) -> [u8; 18] {
    let mut tcbm = [0; 18];
    let bytes = cpu_svn.iter().copied().chain(pce_svn.to_le_bytes());
    tcbm.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    tcbm
}

/// A day, or what is left of the certificate's life.
fn cache_seconds(window: Window, now: UnixTime) -> u32 {
    let left = window.until.0.saturating_sub(now.0).max(0);
    u32::try_from(left).unwrap_or(u32::MAX).min(CACHE_SECONDS)
}

/// Codes alone: messages may repeat what is in the certificate.
fn codes(errors: &[VerifyError]) -> String {
    let codes: Vec<&str> = errors.iter().map(VerifyError::code).collect();
    format!("it is not genuine ({})", codes.join(", "))
}

#[cfg(test)]
mod tests;
