//! SGX quotes: evidence and collateral to claims.
//!
//! Checks, in order: 1 layout and reserved fields; 2 PCK chain to a pinned root, in date, not revoked; 3 collateral signed
//! by Intel, in date, for this platform; 4 quoting enclave report signed by the PCK, of Intel's enclave, not debuggable;
//! 5 attestation key bound to that report; 6 quote signed by the attestation key; 7 TCB level and status; 8 debug as a
//! warning; 9 report data and configuration id bind the caller's data. Every check is made that can be made, whatever
//! failed before.
//!
//! Trusted: anchors and time. Not trusted: the quote, its certificates, the collateral. (Intel SGX DCAP Quote Generation
//! Library reference, appendix A; Intel Quote Verification Library.)

mod looked_up;

use std::sync::Arc;

use assay_evidence::open_enclave;
use assay_evidence::sgx::{CertificationData, INTEL_QE_VENDOR_ID, Quote};

use crate::binding::{Binding, carries_nonce, is_hash_then_zeros};
use crate::cache::ChainCache;
use crate::claims::{SgxClaims, TcbVerdict};
use crate::crypto::{P256Key, sha256};
use crate::error::{CertificateRole, VerifyError};
use crate::intel::{
    ChainFailure, Collateral, CollateralVerification, PlatformKey, TcbStatus, VerifiedPck, converge,
    read_pck_chain, rule as intel, verify_pck_chain,
};
use crate::report::{Check, CheckDef, Outcome, Report};
use crate::time::{UnixTime, Window};
use crate::trust::{TrustAnchors, Verified};

pub use looked_up::PckKey;

/// The rules on the quote itself.
pub const RULES: &[&CheckDef] = &[
    &LAYOUT,
    &RESERVED,
    &QE_VENDOR,
    &QE_REPORT_SIGNATURE,
    &KEY_BINDING,
    &QE_IDENTITY,
    &QE_NOT_DEBUG,
    &QUOTE_SIGNATURE,
    &TCB_LEVEL,
    &QE_LEVEL,
    &QE_STATUS,
    &TCB_STATUS,
    &DEBUG,
    &RUNTIME_DATA,
    &NONCE,
    &INIT_TIME_DATA,
];

const QUOTE_FORMAT: &str = "Intel SGX DCAP Quote Generation Library API, appendix A.4";
const PCS_TCB: &str = "Intel PCS API v4, \"Get TCB Info\", determination of the TCB level";

macro_rules! rules {
    ($($name:ident: $id:literal, $title:literal, $reference:expr;)*) => {
        $(static $name: CheckDef = CheckDef { id: $id, title: $title, reference: $reference };)*
    };
}

rules! {
    LAYOUT: "sgx.layout", "the quote is whole, of version 3 and signed with ECDSA P-256", QUOTE_FORMAT;
    RESERVED: "sgx.reserved", "reserved bytes are zero", "Intel SDM volume 3D, section 37.15";
    QE_VENDOR: "sgx.qe-vendor", "the quoting enclave is Intel's", QUOTE_FORMAT;
    QE_REPORT_SIGNATURE: "sgx.qe-report-signature", "the PCK signed the quoting enclave's report", QUOTE_FORMAT;
    KEY_BINDING: "sgx.attestation-key-binding", "the quoting enclave vouches for the attestation key", QUOTE_FORMAT;
    QE_IDENTITY: "sgx.qe-identity", "the quoting enclave is the one Intel describes",
        "Intel PCS API v4, \"Get Enclave Identity\", enclave identity verification";
    QE_NOT_DEBUG: "sgx.qe-debug", "the quoting enclave cannot be debugged", "Intel SDM volume 3D, section 37.7.1";
    QUOTE_SIGNATURE: "sgx.quote-signature", "the attestation key signed the quote", QUOTE_FORMAT;
    TCB_LEVEL: "sgx.tcb-level", "the platform reaches a TCB level that Intel lists", PCS_TCB;
    QE_LEVEL: "sgx.qe-tcb-level", "the quoting enclave reaches a level that Intel lists", PCS_TCB;
    QE_STATUS: "sgx.qe-tcb-status", "the quoting enclave's level has a status that components can have", PCS_TCB;
    TCB_STATUS: "sgx.tcb-status", "platform and quoting enclave are up to date", PCS_TCB;
    DEBUG: "sgx.debug", "the enclave cannot be debugged", "Intel SDM volume 3D, section 37.7.1";
    RUNTIME_DATA: "sgx.runtime-data", "the report data is the hash of the runtime data, then zeros",
        "Azure Attestation, AttestSgxEnclave, runtimeData";
    NONCE: "sgx.nonce", "the evidence is bound to the nonce", "RFC 9334, section 10.2";
    INIT_TIME_DATA: "sgx.init-time-data", "the configuration id is the hash of the init-time data, then zeros",
        "Azure Attestation, AttestSgxEnclave, initTimeData";
}

/// How the quote is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The bare quote.
    Quote,
    /// An Open Enclave remote report.
    OpenEnclave,
}

/// What verification depends on besides evidence and collateral.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The roots that are believed.
    pub anchors: &'a TrustAnchors,
    /// The time to judge at.
    pub now: UnixTime,
    /// Chains verified before.
    pub cache: &'a ChainCache,
}

/// The collateral to judge with.
#[derive(Clone, Copy, Debug)]
pub enum CollateralInput<'a> {
    /// A set that was verified before.
    Verified(&'a Collateral),
    /// A set that was just verified, with its checks for the report.
    Fresh(&'a CollateralVerification),
    /// There is none.
    Missing,
}

/// What came of verifying a quote.
#[derive(Debug)]
pub struct Verification {
    /// Every check.
    pub report: Report,
    /// What is known of the TCB, even where another check failed.
    pub tcb: Option<TcbVerdict>,
    /// The claims, if no check failed.
    pub claims: Option<Verified<SgxClaims>>,
}

/// Evidence whose layout and PCK chain were looked at; says which collateral it needs.
#[derive(Debug)]
pub struct Opened<'a> {
    bytes: &'a [u8],
    quote: Result<Quote<'a>, VerifyError>,
    pck: Result<Arc<VerifiedPck>, Vec<ChainFailure>>,
}

impl<'a> Opened<'a> {
    /// Reads the evidence and verifies its PCK chain but for time and revocation.
    #[must_use]
    pub fn new(bytes: &'a [u8], format: Format, anchors: &TrustAnchors, cache: &ChainCache) -> Self {
        let quote = match format {
            Format::Quote => Quote::parse(bytes),
            Format::OpenEnclave => {
                open_enclave::Report::parse(bytes).and_then(|report| Quote::parse(report.quote))
            }
        };
        let quote = quote.map_err(VerifyError::Parse);
        let pck = match &quote {
            Ok(quote) => pck_of(quote, anchors, cache),
            Err(_) => Err(Vec::new()),
        };
        Self { bytes, quote, pck }
    }

    /// Which collateral the quote needs; `None` if its chain does not say so credibly.
    #[must_use]
    pub fn platform(&self) -> Option<PlatformKey> {
        self.pck.as_ref().ok().map(|pck| PlatformKey { fmspc: pck.extension.fmspc, ca: pck.ca_kind })
    }

    /// The quote, if its layout is right.
    #[must_use]
    pub fn quote(&self) -> Option<&Quote<'a>> {
        self.quote.as_ref().ok()
    }

    /// Makes every remaining check.
    #[must_use]
    pub fn verify(
        &self,
        collateral: CollateralInput<'_>,
        binding: &Binding<'_>,
        context: &Context<'_>,
    ) -> Verification {
        let mut report = Report::with_capacity(40);
        let quote = match &self.quote {
            Ok(quote) => quote,
            Err(error) => {
                report.fail(&LAYOUT, error.clone());
                report.skip_missing(&[crate::intel::RULES, RULES]);
                return Verification { report, tcb: None, claims: None };
            }
        };
        report.pass(&LAYOUT);
        check_fields(quote, &mut report);
        let pck = self.check_pck(quote, context, &mut report);
        let collateral = take_collateral(collateral, context, &mut report);
        if let (Some(pck), Some(collateral)) = (pck, collateral) {
            check_platform(pck, collateral, &mut report);
        }
        check_signatures(quote, pck, &mut report);
        check_qe(quote, collateral, &mut report);
        let tcb = check_tcb(quote, pck, collateral, &mut report);
        check_debug(quote, &mut report);
        check_binding(quote, binding, &mut report);
        report.skip_missing(&[crate::intel::RULES, RULES]);
        let claims = self.claims(quote, pck, collateral, tcb.as_ref(), binding, context, &report);
        Verification { report, tcb, claims }
    }

    fn check_pck(
        &self,
        quote: &Quote<'_>,
        context: &Context<'_>,
        report: &mut Report,
    ) -> Option<&VerifiedPck> {
        match &self.pck {
            // Opened under other anchors than it is judged under: its chain says nothing here.
            Ok(pck) if pck.ca.anchors != *context.anchors.id() => {
                report.fail(&intel::PCK_ROOT, VerifyError::UntrustedRoot { role: CertificateRole::Pck });
                None
            }
            Ok(pck) => {
                let mismatches = looked_up::mismatches(quote, pck);
                if mismatches.is_empty() {
                    report.pass(&intel::PCK_CHAIN);
                }
                mismatches.into_iter().for_each(|error| report.fail(&intel::PCK_CHAIN, error));
                for rule in
                    [&intel::PCK_ROOT, &intel::PCK_SIGNATURES, &intel::PCK_ROLES, &intel::PCK_EXTENSION]
                {
                    report.pass(rule);
                }
                check_pck_dates(pck, context.now, report);
                Some(pck)
            }
            Err(failures) => {
                failures.iter().for_each(|(rule, error)| report.fail(rule, error.clone()));
                None
            }
        }
    }

    /// The one place where a quote becomes [`Verified`]: nothing failed, and everything that judges was there.
    #[expect(clippy::too_many_arguments, reason = "one private step that gathers what the others found")]
    fn claims(
        &self,
        quote: &Quote<'_>,
        pck: Option<&VerifiedPck>,
        collateral: Option<&Collateral>,
        tcb: Option<&TcbVerdict>,
        binding: &Binding<'_>,
        context: &Context<'_>,
        report: &Report,
    ) -> Option<Verified<SgxClaims>> {
        let (pck, collateral, tcb) = (pck?, collateral?, tcb?);
        if report.has_failed() {
            return None;
        }
        let claims = SgxClaims {
            report: quote.report,
            evidence_hash: sha256(&[self.bytes]),
            collateral_hashes: collateral.hashes,
            collateral_digest: collateral.digest,
            tcb: tcb.clone(),
            runtime_data_bound: binding.runtime_data.is_some(),
            init_time_data_bound: binding.init_time_data.is_some(),
        };
        Some(Verified::new(claims, pck.ca.origin.max(collateral.origin()), context.now))
    }
}

/// Finds or verifies the chain that the quote carries.
fn pck_of(
    quote: &Quote<'_>,
    anchors: &TrustAnchors,
    cache: &ChainCache,
) -> Result<Arc<VerifiedPck>, Vec<ChainFailure>> {
    match &quote.certification {
        CertificationData::PckChain(pem) => verified_chain(pem, anchors, cache),
        // Whoever judges may look it up, and gives it to [`Opened::look_up`].
        other => {
            let found = other.type_number();
            Err(vec![(&intel::PCK_CHAIN, VerifyError::CertificationData { found })])
        }
    }
}

/// A chain that was verified before, or is now.
fn verified_chain(
    pem: &[u8],
    anchors: &TrustAnchors,
    cache: &ChainCache,
) -> Result<Arc<VerifiedPck>, Vec<ChainFailure>> {
    // Keys are made from the certificates, not from how the PEM around them is spelled: that is not signed, and its
    // spellings could push honest entries out.
    let chain = read_pck_chain(pem)?;
    let [leaf, ca, root] = [&chain.leaf, &chain.ca, &chain.root].map(|der| sha256(&[der]));
    let key = sha256(&[b"intel-pck-chain", anchors.id(), &leaf, &ca, &root]);
    if let Some(pck) = cache.pck(&key) {
        return Ok(pck);
    }
    let pck = Arc::new(verify_pck_chain(&chain, anchors, cache)?);
    cache.keep_pck(key, Arc::clone(&pck));
    Ok(pck)
}

fn check_fields(quote: &Quote<'_>, report: &mut Report) {
    let before = report.errors().count();
    for (part, zero) in [
        ("quote header", quote.header.reserved == 0),
        ("enclave's report", quote.report.reserved_is_zero),
        ("quoting enclave's report", quote.qe_report.reserved_is_zero),
    ] {
        if !zero {
            report.fail(&RESERVED, VerifyError::ReservedNotZero { part });
        }
    }
    if report.errors().count() == before {
        report.pass(&RESERVED);
    }
    let found = quote.header.qe_vendor_id;
    let vendor = if found == INTEL_QE_VENDOR_ID { Ok(()) } else { Err(VerifyError::QeVendor { found }) };
    report.check(&QE_VENDOR, vendor);
}

fn check_pck_dates(pck: &VerifiedPck, now: UnixTime, report: &mut Report) {
    let roles = [
        (CertificateRole::Pck, pck.window),
        (CertificateRole::PckCa, pck.ca.window),
        (CertificateRole::Root, pck.ca.root_window),
    ];
    let before = report.errors().count();
    for (role, Window { from, until }) in roles {
        if now < from {
            report.fail(&intel::PCK_DATES, VerifyError::CertificateNotYetValid { role, from });
        } else if now > until {
            report.fail(&intel::PCK_DATES, VerifyError::CertificateExpired { role, until });
        }
    }
    if report.errors().count() == before {
        report.pass(&intel::PCK_DATES);
    }
}

/// Takes a set into use: its own checks into the report, its dates judged now.
fn take_collateral<'a>(
    input: CollateralInput<'a>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<&'a Collateral> {
    let collateral = match input {
        CollateralInput::Missing => {
            report.fail(&intel::COLLATERAL_PRESENT, VerifyError::CollateralMissing);
            return None;
        }
        CollateralInput::Verified(collateral) => {
            report.pass(&intel::COLLATERAL_PRESENT);
            report.extend(COLLATERAL_PASSES.map(passed));
            collateral
        }
        CollateralInput::Fresh(verification) => {
            report.pass(&intel::COLLATERAL_PRESENT);
            report.extend(verification.checks.iter().cloned());
            verification.collateral.as_ref()?
        }
    };
    if collateral.pck_crl_ca.anchors != *context.anchors.id() {
        report
            .fail(&intel::COLLATERAL_CHAINS, VerifyError::UntrustedRoot { role: CertificateRole::TcbSigner });
        return None;
    }
    collateral.check_dates(context.now, report);
    collateral.check_consistency(report);
    Some(collateral)
}

/// What every [`Collateral`] has passed.
const COLLATERAL_PASSES: [&CheckDef; 10] = [
    &intel::COLLATERAL_READABLE,
    &intel::COLLATERAL_CHAINS,
    &intel::COLLATERAL_ROOT_CRL,
    &intel::COLLATERAL_PCK_CRL,
    &intel::TCB_INFO_SIGNATURE,
    &intel::TCB_INFO_KIND,
    &intel::QE_IDENTITY_SIGNATURE,
    &intel::QE_IDENTITY_KIND,
    &intel::COLLATERAL_REVOCATION,
    &intel::PCK_CRL_CA,
];

fn passed(rule: &'static CheckDef) -> Check {
    Check {
        rule,
        outcome: Outcome::Pass,
        detail: rule.title.into(),
        expected: None,
        actual: None,
        error: None,
    }
}

/// Does the collateral speak of this platform, and does it revoke it?
fn check_platform(pck: &VerifiedPck, collateral: &Collateral, report: &mut Report) {
    let crl_ca = &collateral.pck_crl_ca;
    let same_ca = crl_ca.subject == pck.ca.subject
        && crl_ca.public_key == pck.ca.public_key
        && crl_ca.root_key == pck.ca.root_key;
    let document = crate::error::Document::PckCrl;
    report.check(
        &intel::PCK_CRL_ISSUER,
        if same_ca { Ok(()) } else { Err(VerifyError::CrlIssuer { document }) },
    );
    let revoked = [
        (CertificateRole::PckCa, is_listed(&collateral.root_revoked, &pck.ca.serial)),
        (CertificateRole::Pck, same_ca && is_listed(&collateral.pck_revoked, &pck.serial)),
    ];
    for (role, _) in revoked.iter().filter(|(_, listed)| *listed) {
        report.fail(&intel::PCK_REVOCATION, VerifyError::CertificateRevoked { role: *role });
    }
    if revoked.iter().all(|(_, listed)| !listed) {
        report.pass(&intel::PCK_REVOCATION);
    }
    let (info, extension) = (&collateral.tcb_info, &pck.extension);
    let before = report.errors().count();
    if info.fmspc != extension.fmspc {
        let (found, expected) = (hex::encode(info.fmspc), hex::encode(extension.fmspc));
        report.fail(&intel::TCB_INFO_PLATFORM, VerifyError::FmspcMismatch { found, expected });
    }
    if info.pce_id != extension.pce_id {
        let (found, expected) = (hex::encode(info.pce_id), hex::encode(extension.pce_id));
        report.fail(&intel::TCB_INFO_PLATFORM, VerifyError::PceIdMismatch { found, expected });
    }
    if report.errors().count() == before {
        report.pass(&intel::TCB_INFO_PLATFORM);
    }
}

fn is_listed(revoked: &[Vec<u8>], serial: &[u8]) -> bool {
    revoked.binary_search_by(|listed| listed.as_slice().cmp(serial)).is_ok()
}

/// The two signatures that differ from quote to quote, and what binds them. Never cached.
fn check_signatures(quote: &Quote<'_>, pck: Option<&VerifiedPck>, report: &mut Report) {
    match pck {
        Some(pck) => {
            let genuine = pck.key.verify(quote.qe_report_bytes, quote.qe_report_signature);
            report.check(
                &QE_REPORT_SIGNATURE,
                if genuine { Ok(()) } else { Err(VerifyError::QeReportSignature) },
            );
        }
        None => {
            report.note(&QE_REPORT_SIGNATURE, Outcome::Skipped, "there is no verified PCK to check it with")
        }
    }
    // Both halves count: the second one must be zero.
    let bound = sha256(&[quote.attestation_key, quote.qe_auth_data]);
    let binds = is_hash_then_zeros(&quote.qe_report.report_data, &bound);
    report.check(&KEY_BINDING, if binds { Ok(()) } else { Err(VerifyError::AttestationKeyBinding) });
    report.check(&QUOTE_SIGNATURE, check_quote_signature(quote));
}

fn check_quote_signature(quote: &Quote<'_>) -> Result<(), VerifyError> {
    let mut point = [4; 65];
    point.iter_mut().skip(1).zip(quote.attestation_key).for_each(|(to, from)| *to = *from);
    let key = P256Key::new(&point).ok_or(VerifyError::AttestationKey)?;
    if key.verify(quote.signed, quote.signature) { Ok(()) } else { Err(VerifyError::QuoteSignature) }
}

fn check_qe(quote: &Quote<'_>, collateral: Option<&Collateral>, report: &mut Report) {
    match collateral.map(|collateral| collateral.qe_identity.mismatches(&quote.qe_report)) {
        Some(mismatches) if mismatches.is_empty() => report.pass(&QE_IDENTITY),
        Some(mismatches) => mismatches.into_iter().for_each(|error| report.fail(&QE_IDENTITY, error)),
        None => report.note(&QE_IDENTITY, Outcome::Skipped, "there is no QE identity to compare with"),
    }
    let debug = quote.qe_report.is_debuggable();
    report.check(&QE_NOT_DEBUG, if debug { Err(VerifyError::QeDebug) } else { Ok(()) });
}

fn check_tcb(
    quote: &Quote<'_>,
    pck: Option<&VerifiedPck>,
    collateral: Option<&Collateral>,
    report: &mut Report,
) -> Option<TcbVerdict> {
    let (Some(pck), Some(collateral)) = (pck, collateral) else {
        report.note(&TCB_STATUS, Outcome::Skipped, "it takes a verified PCK and collateral to tell");
        return None;
    };
    let isv_svn = quote.qe_report.isv_svn;
    let level = collateral.tcb_info.level_of(&pck.extension.components, pck.extension.pce_svn);
    let level = report.check(&TCB_LEVEL, level.ok_or(VerifyError::TcbLevelNotFound));
    let qe_level = collateral.qe_identity.level_of(isv_svn);
    let qe_level = report.check(&QE_LEVEL, qe_level.ok_or(VerifyError::QeLevelNotFound { isv_svn }));
    let (level, qe_level) = (level?, qe_level?);
    let platform_status = known_status(&level.status, &TCB_LEVEL, report)?;
    let qe_status = known_status(&qe_level.status, &QE_LEVEL, report)?;
    let qe_status = report.check(&QE_STATUS, component_status(qe_status))?;
    let mut advisories = [level.advisories.as_slice(), qe_level.advisories.as_slice()].concat();
    advisories.sort_unstable();
    advisories.dedup();
    let verdict = TcbVerdict {
        status: converge(platform_status, qe_status),
        platform_status,
        qe_status,
        date: level.date.min(qe_level.date),
        advisories,
        evaluation_number: collateral.evaluation_number(),
    };
    report_status(&verdict, report);
    Some(verdict)
}

fn known_status(
    status: &Result<TcbStatus, String>,
    rule: &'static CheckDef,
    report: &mut Report,
) -> Option<TcbStatus> {
    let unknown = |name: &String| VerifyError::TcbStatusUnknown { found: name.chars().take(64).collect() };
    status.as_ref().map_err(|name| report.fail(rule, unknown(name))).ok().copied()
}

/// Intel gives a component one of three statuses; another one would be lost when statuses converge, so it is refused.
fn component_status(status: TcbStatus) -> Result<TcbStatus, VerifyError> {
    match status {
        TcbStatus::UpToDate | TcbStatus::OutOfDate | TcbStatus::Revoked => Ok(status),
        other => Err(VerifyError::TcbStatusUnknown { found: other.as_str().to_owned() }),
    }
}

fn report_status(verdict: &TcbVerdict, report: &mut Report) {
    for (part, status) in [("platform", verdict.platform_status), ("quoting enclave", verdict.qe_status)] {
        if status == TcbStatus::Revoked {
            report.fail(&TCB_STATUS, VerifyError::TcbRevoked { part });
        }
    }
    match verdict.status {
        TcbStatus::Revoked => return,
        TcbStatus::UpToDate => report.pass(&TCB_STATUS),
        status => {
            let detail = format!(
                "the TCB status is {}: platform {}, quoting enclave {}",
                status.as_str(),
                verdict.platform_status.as_str(),
                verdict.qe_status.as_str()
            );
            report.note(&TCB_STATUS, Outcome::Warn, detail);
        }
    }
    report.compare(TcbStatus::UpToDate.as_str(), verdict.status.as_str());
}

/// Debug is for policy to judge: it is a claim, and a warning here.
fn check_debug(quote: &Quote<'_>, report: &mut Report) {
    if quote.report.is_debuggable() {
        report.note(
            &DEBUG,
            Outcome::Warn,
            "the enclave can be debugged: whoever runs it can read its memory",
        );
    } else {
        report.pass(&DEBUG);
    }
}

fn check_binding(quote: &Quote<'_>, binding: &Binding<'_>, report: &mut Report) {
    match binding.runtime_data {
        Some(data) if is_hash_then_zeros(&quote.report.report_data, &sha256(&[data])) => {
            report.pass(&RUNTIME_DATA)
        }
        Some(_) => report.fail(&RUNTIME_DATA, VerifyError::BindingMismatch { data: "runtime data" }),
        None => report.note(&RUNTIME_DATA, Outcome::Skipped, "no runtime data was given"),
    }
    match binding.nonce {
        Some(nonce) if carries_nonce(&quote.report.report_data, binding.runtime_data, nonce) => {
            report.pass(&NONCE)
        }
        Some(_) => report.fail(&NONCE, VerifyError::BindingMismatch { data: "nonce" }),
        None => report.note(&NONCE, Outcome::Skipped, "no nonce was given"),
    }
    match binding.init_time_data {
        Some(_) if !quote.report.has_kss() => {
            report.fail(&INIT_TIME_DATA, VerifyError::InitTimeDataUnsupported)
        }
        Some(data) if is_hash_then_zeros(&quote.report.config_id, &sha256(&[data])) => {
            report.pass(&INIT_TIME_DATA)
        }
        Some(_) => report.fail(&INIT_TIME_DATA, VerifyError::BindingMismatch { data: "init-time data" }),
        None => report.note(&INIT_TIME_DATA, Outcome::Skipped, "no init-time data was given"),
    }
}
