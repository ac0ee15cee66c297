//! What must hold of a report by itself, whoever signed it.

use assay_evidence::snp::{
    ECDSA_P384_SHA384, GuestPolicy, KeyInfo, Product, Report as SnpReport, TcbLayout, VMPL_HOST,
};

use super::SnpError;
use super::rules::{
    DEBUG, GUEST_POLICY, KEY_INFO, MIGRATION, PLATFORM_INFO, PRODUCT, REPORT_SIGNATURE, RESERVED,
    SIGNATURE_ALGORITHM, TCB_ORDER, VMPL,
};
use crate::report::{CheckDef, Outcome, Report};

/// Order of P-384, big-endian (SEC 2, section 2.5.1).
const P384_ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a,
    0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];
/// The highest privilege level number of a guest.
const LAST_VMPL: u32 = 3;

/// Checks every field that has only some values, except those of the TCB, whose layout depends on the product.
pub(super) fn check(report: &SnpReport, checks: &mut Report) {
    let found = report.signature_algorithm;
    let known = found == ECDSA_P384_SHA384;
    checks.check(
        &SIGNATURE_ALGORITHM,
        known.then_some(()).ok_or(SnpError::SignatureAlgorithm { found }.into()),
    );
    all(&KEY_INFO, key_info(report.key_info), checks);
    let areas = report.nonzero_reserved();
    all(&RESERVED, areas.map(|(offset, area)| SnpError::Reserved { offset, area }).collect(), checks);
    check_policy(report.policy, checks);
    check_vmpl(report.vmpl, checks);
    check_platform_info(report, checks);
}

/// A rule with several ways to break it: every one of them is reported.
pub(super) fn all(rule: &'static CheckDef, errors: Vec<SnpError>, checks: &mut Report) {
    if errors.is_empty() {
        checks.pass(rule);
    }
    errors.into_iter().for_each(|error| checks.fail(rule, error.into()));
}

fn key_info(info: KeyInfo) -> Vec<SnpError> {
    let reserved = info.0 & KeyInfo::RESERVED;
    let mut errors = Vec::new();
    errors.extend((reserved != 0).then_some(SnpError::KeyInfoReserved { found: reserved }));
    errors.extend(info.is_chip_key_masked().then_some(SnpError::ChipKeyMasked));
    let unknown = SnpError::SigningKey { found: info.signing_key_number() };
    errors.extend(info.signing_key().is_none().then_some(unknown));
    errors
}

fn check_policy(policy: GuestPolicy, checks: &mut Report) {
    let fixed = GuestPolicy::MUST_BE_ONE | GuestPolicy::RESERVED;
    let known = policy.0 & fixed == GuestPolicy::MUST_BE_ONE;
    checks.check(&GUEST_POLICY, known.then_some(()).ok_or(SnpError::GuestPolicy { found: policy.0 }.into()));
    match policy.is_debug_allowed() {
        true => checks.note(&DEBUG, Outcome::Warn, "the host can debug the guest and read its memory"),
        false => checks.pass(&DEBUG),
    }
    match policy.is_migration_allowed() {
        true => {
            checks.note(&MIGRATION, Outcome::Warn, "a migration agent can move the guest to other platforms")
        }
        false => checks.pass(&MIGRATION),
    }
}

fn check_vmpl(vmpl: u32, checks: &mut Report) {
    match vmpl {
        0 => checks.pass(&VMPL),
        VMPL_HOST => checks.fail(&VMPL, SnpError::HostRequested.into()),
        level if level > LAST_VMPL => checks.fail(&VMPL, SnpError::Vmpl { found: level }.into()),
        level => {
            let detail =
                format!("VMPL {level} asked for the report: what runs at a higher level is not shown");
            checks.note(&VMPL, Outcome::Warn, detail);
        }
    }
}

fn check_platform_info(report: &SnpReport, checks: &mut Report) {
    match report.platform_info.unknown() {
        0 => checks.pass(&PLATFORM_INFO),
        unknown => {
            let detail = format!("the platform information has bits without a known meaning: {unknown:#x}");
            checks.note(&PLATFORM_INFO, Outcome::Warn, detail);
        }
    }
}

/// The product that the report's CPUID names; versions before 3 have none.
pub(super) fn product(report: &SnpReport) -> Option<Result<Product, SnpError>> {
    let cpuid = report.cpuid?;
    let (family, model) = (cpuid.family, cpuid.model);
    Some(Product::from_cpuid(cpuid).ok_or(SnpError::ProductUnknown { family, model }))
}

/// The generation by which the rest of the report is read. Only AMD's word counts where the report has none.
pub(super) fn check_product(
    named: Option<Result<Product, SnpError>>,
    certified: Option<Product>,
    checks: &mut Report,
) -> Option<Product> {
    match (named, certified) {
        (Some(Err(error)), _) => {
            checks.fail(&PRODUCT, error.into());
            None
        }
        (Some(Ok(report)), Some(certificate)) if report != certificate => {
            checks.fail(&PRODUCT, SnpError::ProductMismatch { report, certificate }.into());
            None
        }
        (Some(Ok(product)), _) | (None, Some(product)) => {
            checks.pass(&PRODUCT);
            Some(product)
        }
        (None, None) => {
            let detail =
                "a report of version 2 does not name its processor, and no verified certificate does";
            checks.note(&PRODUCT, Outcome::Skipped, detail);
            None
        }
    }
}

/// Reserved bytes of the TCB versions, and which may be above which. It is no rule that reported, committed and current are
/// equal: real platforms run newer firmware than they report.
pub(super) fn check_tcb(report: &SnpReport, layout: TcbLayout, checks: &mut Report) {
    let versions = [
        ("current", report.current_tcb),
        ("reported", report.reported_tcb),
        ("committed", report.committed_tcb),
        ("launch", report.launch_tcb),
    ];
    let reserved = versions.iter().filter(|(_, version)| !version.read(layout).1);
    for (tcb, _) in reserved {
        checks.fail(&RESERVED, SnpError::TcbReserved { tcb }.into());
    }
    let (current, _) = report.current_tcb.read(layout);
    let ordered = [("reported", report.reported_tcb), ("committed", report.committed_tcb)];
    let above = ordered.into_iter().filter_map(|(higher, version)| {
        let component = version.read(layout).0.component_above(&current)?;
        Some(SnpError::TcbOrder { higher, component })
    });
    all(&TCB_ORDER, above.collect(), checks);
}

/// A signature's numbers are above zero and below the order of the curve (FIPS 186-5, section 6.4.2).
pub(super) fn check_signature_range(report: &SnpReport, checks: &mut Report) -> bool {
    let signature = report.signature();
    let (r, s) = signature.split_at(48);
    let in_range = |number: &[u8]| number.iter().any(|byte| *byte != 0) && number < &P384_ORDER[..];
    let wrong = [("r", r), ("s", s)].into_iter().find(|(_, number)| !in_range(number));
    if let Some((part, _)) = wrong {
        checks.fail(&REPORT_SIGNATURE, SnpError::SignatureRange { part }.into());
    }
    wrong.is_none()
}
