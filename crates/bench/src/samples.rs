//! Simulated evidence, in the form that each contender takes.

use std::sync::Arc;

use assay_silicon::intel::{CollateralSpec, Intel, Platform, PlatformSpec, QuoteSpec};
use assay_verify::intel::{Collateral, RawCollateral};
use assay_verify::{AnchorOrigin, TrustAnchors, UnixTime, sha256};
use dcap_qvl::QuoteCollateralV3;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::Failure;

/// The time at which everything that is not a running service is judged.
pub(crate) const NOW: UnixTime = UnixTime(1_780_000_000);

/// A vendor, the collateral for its default platforms, and what trusts it.
pub(crate) struct Silicon {
    pub(crate) intel: Intel,
    pub(crate) anchors: TrustAnchors,
    pub(crate) raw: RawCollateral,
}

/// A quote and the data whose hash it carries.
pub(crate) struct Evidence {
    pub(crate) quote: Vec<u8>,
    pub(crate) runtime_data: Vec<u8>,
}

impl Silicon {
    pub(crate) fn new() -> Result<Self, Failure> {
        let intel = Intel::generate(NOW.0)?;
        // Both sides take the root as a certificate, as they do Intel's own.
        let root = root_der(&intel)?;
        let anchors = TrustAnchors::vendor().with_intel_root_certificate(&root, AnchorOrigin::Simulated)?;
        let collateral = intel.collateral(&CollateralSpec::for_platform(&PlatformSpec::default()), NOW.0)?;
        let raw =
            RawCollateral::from_json(&serde_json::to_vec(&collateral)?).map_err(|error| error.to_string())?;
        Ok(Self { intel, anchors, raw })
    }

    pub(crate) fn platform(&self) -> Result<Platform, Failure> {
        Ok(self.intel.platform(&PlatformSpec::default(), NOW.0)?)
    }

    /// The verified set.
    pub(crate) fn collateral(&self) -> Result<Arc<Collateral>, Failure> {
        let verified = Collateral::verify(&self.raw, &self.anchors).collateral;
        Ok(Arc::new(verified.ok_or("the simulated collateral is not genuine")?))
    }

    /// The root as `dcap-qvl` takes it.
    pub(crate) fn root_der(&self) -> Result<Vec<u8>, Failure> {
        root_der(&self.intel)
    }

    /// The collateral as `dcap-qvl` takes it: the same documents, already decoded from hexadecimal.
    pub(crate) fn collateral_for_dcap_qvl(&self) -> Result<QuoteCollateralV3, Failure> {
        let raw = self.raw.clone();
        Ok(QuoteCollateralV3 {
            pck_crl_issuer_chain: raw.pck_crl_issuer_chain,
            root_ca_crl: hex::decode(raw.root_ca_crl)?,
            pck_crl: hex::decode(raw.pck_crl)?,
            tcb_info_issuer_chain: raw.tcb_info_issuer_chain,
            tcb_info: raw.tcb_info,
            tcb_info_signature: hex::decode(raw.tcb_info_signature)?,
            qe_identity_issuer_chain: raw.qe_identity_issuer_chain,
            qe_identity: raw.qe_identity,
            qe_identity_signature: hex::decode(raw.qe_identity_signature)?,
            pck_certificate_chain: None,
        })
    }
}

impl Evidence {
    /// The report data as it stands in the quote: 48 bytes of header, then 320 bytes into the report body.
    pub(crate) fn report_data(&self) -> Option<[u8; 64]> {
        self.quote.get(368..)?.first_chunk().copied()
    }
}

/// A quote that differs from all others in its report data, and so in its signatures.
pub(crate) fn evidence(platform: &Platform, number: usize) -> Result<Evidence, Failure> {
    let (runtime_data, report_data) = runtime_data(number);
    let quote = platform.quote(&QuoteSpec { report_data, ..QuoteSpec::default() })?;
    Ok(Evidence { quote, runtime_data })
}

/// What the device of this number says, and the report data that binds it.
pub(crate) fn runtime_data(number: usize) -> (Vec<u8>, [u8; 64]) {
    let key = hex::encode(sha256(&[b"key", &number.to_le_bytes()]));
    let runtime_data = format!(r#"{{"keys":[{{"kid":"{number}","kty":"oct","k":"{key}"}}]}}"#).into_bytes();
    let mut report_data = [0; 64];
    report_data.iter_mut().zip(sha256(&[&runtime_data])).for_each(|(to, from)| *to = from);
    (runtime_data, report_data)
}

/// Goes through a list again and again.
pub(crate) struct Cycle<'a, T> {
    items: &'a [T],
    next: usize,
}

impl<'a, T> Cycle<'a, T> {
    pub(crate) const fn new(items: &'a [T]) -> Self {
        Self { items, next: 0 }
    }

    pub(crate) fn next(&mut self) -> Option<&'a T> {
        let item = self.items.get(self.next)?;
        self.next = self.next.checked_add(1).filter(|next| *next < self.items.len()).unwrap_or(0);
        Some(item)
    }
}

fn root_der(intel: &Intel) -> Result<Vec<u8>, Failure> {
    let pem = intel.root_certificate_pem();
    Ok(CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string())?.to_vec())
}
