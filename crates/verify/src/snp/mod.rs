//! SEV-SNP reports: evidence and endorsements to claims.
//!
//! Checks, in the order in which they are reported: 1 layout, version and fixed fields; 2 the processor's generation; 3 the
//! endorsement key (VEK) certificate: issued by a pinned authority of AMD, for its role, in date, its authority not revoked;
//! 4 the certificate is of this report's kind of key, TCB and chip; 5 report signed by that key; 6 TCB versions consistent;
//! 7 the guest policy's fixed bits; debug, migration, privilege level and platform as warnings; 8 report data and host data
//! bind the caller's data; 9 the launched image is endorsed. Every check of the report is made that can be made, whatever
//! failed before; endorsements of images are looked at only beside a genuine report.
//!
//! Trusted: anchors, requirements and time. Not trusted: the report and every certificate that comes with it. (AMD SEV-SNP
//! Firmware ABI, document 56860; VCEK and VLEK certificate specifications, documents 57230 and 58369.)

mod authority;
mod checks;
mod crl;
mod error;
mod fields;
mod rules;
mod vek;

use std::sync::Arc;

use assay_evidence::ParseError;
use assay_evidence::snp::{Product, Report as SnpReport, SigningKey, Tcb, TcbVersion};

use crate::binding::Binding;
use crate::cache::ChainCache;
use crate::claims::SnpClaims;
use crate::crypto::sha256;
use crate::error::{CertificateRole, VerifyError};
use crate::report::{Check, Outcome, Report};
use crate::time::UnixTime;
use crate::trust::{AnchorOrigin, TrustAnchors, Verified};
use crate::uvm::{self, TrustedIssuers, UvmClaims};
use rules::{
    CHAIN_HINT, CRL, IMAGES, LAYOUT, NONCE, RUNTIME_DATA, UNREAD, VEK, VEK_CHAIN, VEK_EXTENSIONS, VEK_ROLE,
};

pub use authority::AmdAuthority;
pub use crl::AmdCrl;
pub use error::SnpError;
pub use rules::RULES;
pub use vek::{VekCertificate, VekExtensions, VerifiedVek};

/// A VEK and the two certificates above it, twice, in case both kinds of chains are sent.
pub const MAX_CERTIFICATES: usize = 6;
/// One endorsement in each of the two published forms.
pub const MAX_ENDORSEMENTS: usize = 2;

/// What an attester sends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// The report, 1184 bytes.
    pub report: &'a [u8],
    /// Certificates, DER: the VEK first, or no VEK at all. The others are hints.
    pub certificates: &'a [Vec<u8>],
    /// Endorsements of the launched image (COSE).
    pub endorsements: &'a [Vec<u8>],
}

/// Which VEK certificate a report needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VekKey {
    /// The processors, where the report says so.
    pub product: Option<Product>,
    /// The kind of key.
    pub kind: SigningKey,
    /// The chip, followed by zeros. Never log it, never store it in the clear.
    pub chip_id: [u8; 64],
    /// The TCB from which the key was derived.
    pub reported_tcb: [u8; 8],
}

impl VekKey {
    /// Whether a certificate is the one.
    #[must_use]
    pub fn fits(&self, vek: &VerifiedVek) -> bool {
        let (tcb, _) = TcbVersion(self.reported_tcb).read(vek.product().tcb_layout());
        self.product.is_none_or(|product| product == vek.product())
            && self.kind == vek.kind()
            && tcb == vek.tcb
            && vek.chip_id.is_none_or(|chip_id| chip_id == self.chip_id)
    }
}

/// How much it matters that AMD has revoked nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CrlMode {
    /// A current revocation list must be there.
    Require,
    /// A list that is there counts; without a current one, the check warns.
    #[default]
    SoftFail,
    /// Lists are not looked at.
    Off,
}

impl CrlMode {
    /// Every mode with its name in configurations and records.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Require, "require"), (Self::SoftFail, "soft-fail"), (Self::Off, "off")];

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::SoftFail => "soft-fail",
            Self::Off => "off",
        }
    }
}

/// The revocation lists to judge with.
#[derive(Clone, Copy, Debug)]
pub enum Crls<'a> {
    /// Nobody gave any, and nobody demands any: offline.
    NotGiven,
    /// Verified lists, of any product, under a mode.
    Held(CrlMode, &'a [Arc<AmdCrl>]),
    /// A list that the caller gave and that is no good.
    Refused(&'a SnpError),
}

/// Which providers' VLEKs are good.
#[derive(Clone, Copy, Debug)]
pub enum VlekProviders<'a> {
    /// Listed ones pass, others warn: for callers who judge themselves.
    Warn(&'a [String]),
    /// Listed ones pass, others fail.
    Only(&'a [String]),
}

/// What is demanded beyond signatures.
#[derive(Clone, Copy, Debug)]
pub struct Requirements<'a> {
    /// Revocation.
    pub crls: Crls<'a>,
    /// Providers of VLEKs.
    pub vlek_providers: VlekProviders<'a>,
    /// Who may endorse images.
    pub image_issuers: &'a TrustedIssuers,
    /// Who may say when that was: SHA-256 of their public keys (`SubjectPublicKeyInfo`).
    pub time_stamp_authorities: &'a [[u8; 32]],
}

/// What verification depends on besides evidence and endorsements.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The roots that are believed.
    pub anchors: &'a TrustAnchors,
    /// The time to judge at.
    pub now: UnixTime,
    /// What is demanded.
    pub requirements: Requirements<'a>,
}

/// What came of verifying a report.
#[derive(Debug)]
pub struct Verification {
    /// Every check.
    pub report: Report,
    /// The claims, if no check failed.
    pub claims: Option<Verified<SnpClaims>>,
}

/// Verifies a VEK certificate, DER, but for dates and revocation.
///
/// # Errors
/// Why it is not one that a pinned authority issued; every reason.
pub fn verify_vek(der: &[u8], anchors: &TrustAnchors) -> Result<VerifiedVek, Vec<VerifyError>> {
    vek::verify(der, anchors).map_err(|failures| failures.into_iter().map(|(_, error)| error).collect())
}

/// The verification of evidence in which no report could be found.
#[must_use]
pub fn unreadable(error: ParseError) -> Verification {
    let mut report = Report::with_capacity(RULES.len());
    report.fail(&LAYOUT, VerifyError::Parse(error));
    report.skip_missing(&[RULES]);
    Verification { report, claims: None }
}

/// Adds that proofs came along which this release does not read: nobody shall take them for checked.
#[must_use]
pub fn note_unread(mut verification: Verification, names: &[&'static str]) -> Verification {
    if !names.is_empty() {
        let detail = format!("this release does not look at: {}", names.join(", "));
        verification.report.note(&UNREAD, Outcome::Skipped, detail);
    }
    verification
}

/// Evidence whose report was read and whose VEK certificate was looked at.
#[derive(Debug)]
pub struct Opened<'a> {
    evidence: Evidence<'a>,
    report: Result<SnpReport, ParseError>,
    /// `None` if no certificate came along.
    vek: Option<Result<Arc<VerifiedVek>, Vec<vek::Failure>>>,
    hints: Hints,
}

/// What the certificates beside the VEK are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hints {
    None,
    Pinned,
    Unknown,
    TooMany(usize),
}

impl<'a> Opened<'a> {
    /// Reads the report and verifies the VEK certificate but for time and revocation.
    #[must_use]
    pub fn new(evidence: Evidence<'a>, anchors: &TrustAnchors, cache: &ChainCache) -> Self {
        let report = SnpReport::parse(evidence.report);
        let count = evidence.certificates.len();
        if count > MAX_CERTIFICATES {
            return Self { evidence, report, vek: None, hints: Hints::TooMany(count) };
        }
        // A chain without a VEK is how clients send the answer of AMD's `cert_chain`.
        let is_pinned = |der: &Vec<u8>| anchors.has_amd_certificate(der);
        let (vek, rest) = match evidence.certificates.split_first() {
            Some((first, _)) if is_pinned(first) => (None, evidence.certificates),
            Some((first, rest)) => (Some(Self::vek(first, anchors, cache)), rest),
            None => (None, evidence.certificates),
        };
        let is_expected = |der: &Vec<u8>| match &vek {
            Some(Ok(vek)) => vek.authority.has_certificate(der),
            _ => is_pinned(der),
        };
        let hints = match (rest.is_empty(), rest.iter().all(is_expected)) {
            (true, _) => Hints::None,
            (false, true) => Hints::Pinned,
            (false, false) => Hints::Unknown,
        };
        Self { evidence, report, vek, hints }
    }

    /// Verifies a VEK certificate, DER, unless that was done before for the same bytes and anchors.
    ///
    /// # Errors
    /// The checks that failed.
    fn vek(
        der: &[u8],
        anchors: &TrustAnchors,
        cache: &ChainCache,
    ) -> Result<Arc<VerifiedVek>, Vec<vek::Failure>> {
        let key = sha256(&[b"amd-vek", anchors.id(), &sha256(&[der])]);
        if let Some(known) = cache.vek(&key) {
            return Ok(known);
        }
        let verified = Arc::new(vek::verify(der, anchors)?);
        cache.keep_vek(key, Arc::clone(&verified));
        Ok(verified)
    }

    /// The VEK certificate that is needed and did not come along.
    #[must_use]
    pub fn wanted_vek(&self) -> Option<VekKey> {
        if self.vek.is_some() || matches!(self.hints, Hints::TooMany(_)) {
            return None;
        }
        let report = self.report.as_ref().ok()?;
        Some(VekKey {
            product: fields::product(report).and_then(Result::ok),
            kind: report.key_info.signing_key()?,
            chip_id: report.chip_id,
            reported_tcb: report.reported_tcb.0,
        })
    }

    /// Whether this key signed the report: how the right one of several certificates is found, of which no more can be said
    /// without trying. Nothing but the choice follows from it.
    #[must_use]
    pub fn is_signed_by(&self, vek: &VerifiedVek) -> bool {
        self.report.as_ref().is_ok_and(|report| checks::is_signed(report, vek))
    }

    /// The report, if its layout is right.
    #[must_use]
    pub const fn report(&self) -> Option<&SnpReport> {
        match &self.report {
            Ok(report) => Some(report),
            Err(_) => None,
        }
    }

    /// Makes every remaining check. `held` is the VEK certificate that stands in for one that did not come along.
    #[must_use]
    pub fn verify(
        &self,
        held: Option<&Arc<VerifiedVek>>,
        binding: &Binding<'_>,
        context: &Context<'_>,
    ) -> Verification {
        let report = match &self.report {
            Ok(report) => report,
            Err(error) => return unreadable(error.clone()),
        };
        let mut checks = Report::with_capacity(40);
        checks.pass(&LAYOUT);
        fields::check(report, &mut checks);
        let vek = self.check_vek(held, context, &mut checks);
        let certified = vek.map(|vek| vek.product());
        let product = fields::check_product(fields::product(report), certified, &mut checks);
        if let Some(vek) = vek {
            checks::dates(vek, context.now, &mut checks);
            checks::revocation(vek, context, &mut checks);
            checks::vek_fits(report, vek, context, &mut checks);
        }
        checks::signature(report, vek, &mut checks);
        if let Some(product) = product {
            fields::check_tcb(report, product.tcb_layout(), &mut checks);
        }
        checks::binding(report, binding, &mut checks);
        let images = self.check_images(report, context, &mut checks);
        checks.skip_missing(&[RULES]);
        checks.order(RULES);
        let claims = self.claims(report, vek, product, images, binding, context, &checks);
        Verification { report: checks, claims }
    }

    fn check_vek<'v>(
        &'v self,
        held: Option<&'v Arc<VerifiedVek>>,
        context: &Context<'_>,
        checks: &mut Report,
    ) -> Option<&'v VerifiedVek> {
        self.check_hints(checks);
        let vek = match (&self.vek, held) {
            (Some(Ok(vek)), _) | (None, Some(vek)) => vek,
            (Some(Err(failures)), _) => {
                failures.iter().for_each(|(rule, error)| checks.fail(rule, self.sharpen(error)));
                return None;
            }
            (None, None) => {
                if !matches!(self.hints, Hints::TooMany(_)) {
                    checks.fail(&VEK, SnpError::VekMissing.into());
                }
                return None;
            }
        };
        // Verified under other anchors than it is judged under: its chain says nothing here.
        if vek.anchors != *context.anchors.id() {
            checks.fail(&VEK_CHAIN, VerifyError::UntrustedRoot { role: CertificateRole::Vek });
            return None;
        }
        for rule in [&VEK, &VEK_CHAIN, &VEK_ROLE, &VEK_EXTENSIONS] {
            checks.pass(rule);
        }
        Some(vek)
    }

    fn check_hints(&self, checks: &mut Report) {
        match self.hints {
            Hints::None => {}
            Hints::Pinned => checks.pass(&CHAIN_HINT),
            Hints::Unknown => {
                let detail = "certificates came along that are not those above this key; they were not used";
                checks.note(&CHAIN_HINT, Outcome::Warn, detail);
            }
            Hints::TooMany(found) => {
                let error = SnpError::TooManyCertificates { found, limit: MAX_CERTIFICATES };
                checks.fail(&CHAIN_HINT, error.into());
            }
        }
    }

    /// A certificate that no pinned authority signed, beside authorities that nobody knows, comes from those.
    fn sharpen(&self, error: &VerifyError) -> VerifyError {
        match error {
            VerifyError::CertificateSignature { role } if self.hints == Hints::Unknown => {
                VerifyError::UntrustedRoot { role: *role }
            }
            error => error.clone(),
        }
    }

    /// Endorsements of the image: `Err` if one of them failed.
    fn check_images(
        &self,
        report: &SnpReport,
        context: &Context<'_>,
        checks: &mut Report,
    ) -> Result<Option<UvmClaims>, ()> {
        let mut first = None;
        let endorsements = self.evidence.endorsements;
        if endorsements.len() > MAX_ENDORSEMENTS {
            let (found, limit) = (endorsements.len(), MAX_ENDORSEMENTS);
            checks.fail(&IMAGES, SnpError::TooManyEndorsements { found, limit }.into());
            return Err(());
        }
        // Endorsements are long and dear to verify, and say nothing of a report that is not genuine.
        if !endorsements.is_empty() && checks.has_failed() {
            checks.note(
                &IMAGES,
                Outcome::Skipped,
                "endorsements were not looked at, as another check failed",
            );
            return Err(());
        }
        for endorsement in endorsements {
            let input = uvm::Input {
                endorsement,
                measurement: &report.measurement,
                issuers: context.requirements.image_issuers,
                time_stamp_authorities: context.requirements.time_stamp_authorities,
                now: context.now,
            };
            // Several are several forms of one statement; each must hold.
            let claims = uvm::verify(&input, checks).ok_or(())?;
            first.get_or_insert(claims);
        }
        Ok(first)
    }

    /// The one place where a report becomes [`Verified`]: nothing failed, and everything that judges was there.
    #[expect(clippy::too_many_arguments, reason = "one private step that gathers what the others found")]
    fn claims(
        &self,
        report: &SnpReport,
        vek: Option<&VerifiedVek>,
        product: Option<Product>,
        images: Result<Option<UvmClaims>, ()>,
        binding: &Binding<'_>,
        context: &Context<'_>,
        checks: &Report,
    ) -> Option<Verified<SnpClaims>> {
        let (vek, product, image) = (vek?, product?, images.ok()?);
        if checks.has_failed() {
            return None;
        }
        let tcb = |version: TcbVersion| -> Tcb { version.read(product.tcb_layout()).0 };
        // Claims are worth as much as the least of those who vouch for a part of them.
        let origins = image.iter().map(|image| image.origin).chain([vek.authority.origin]);
        let origin = origins.max().unwrap_or(AnchorOrigin::Simulated);
        let claims = SnpClaims {
            product,
            signing_key: vek.kind(),
            provider: vek.provider.clone(),
            reported_tcb: tcb(report.reported_tcb),
            current_tcb: tcb(report.current_tcb),
            committed_tcb: tcb(report.committed_tcb),
            launch_tcb: tcb(report.launch_tcb),
            image,
            paravisor: None,
            runtime_data_bound: binding.runtime_data.is_some(),
            init_time_data_bound: binding.init_time_data.is_some(),
            revocation_checked: is_revocation_checked(checks),
            report: report.clone(),
        };
        Some(Verified::new(claims, origin, context.now))
    }
}

/// The checks but for those on the report data, for verifiers whose own data the report binds.
pub(crate) fn without_report_data(report: Report) -> impl Iterator<Item = Check> {
    let kept = |check: &Check| check.rule != &RUNTIME_DATA && check.rule != &NONCE;
    report.into_checks().into_iter().filter(kept)
}

fn is_revocation_checked(checks: &Report) -> bool {
    checks.checks().iter().any(|check| check.rule == &CRL && check.outcome == Outcome::Pass)
}
