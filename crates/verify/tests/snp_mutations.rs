//! How to break a good SEV-SNP sample, and the exact errors it must give.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests"
)]

mod simulated;

use assay_evidence::snp::SigningKey;
use assay_silicon::amd::{ChipSpec, Defect, Product, ReportSpec, Tcb, VekKind};
use assay_verify::snp::VekKey;
use assay_verify::{AnchorOrigin, Binding, Outcome};
use simulated::{Judge, NOW, codes, vendor};

type Mutation = (
    Defect,
    // The errors it must give, in any order.
    &'static [&'static str],
    // Errors that it gives for some chips beside them.
    &'static [&'static str],
    // A rule that fails.
    &'static str,
    // The one line that implements the refusal.
    &'static str,
    &'static str,
);

#[rustfmt::skip]
const MUTATIONS: &[Mutation] = &[
    (Defect::ReportVersion0, &["unsupported-version"], &[], "snp.layout", "../../evidence/src/snp/mod.rs", "if !VERSIONS.contains(&version)"),
    (Defect::ReportVersion1, &["unsupported-version"], &[], "snp.layout", "../../evidence/src/snp/mod.rs", "if !VERSIONS.contains(&version)"),
    (Defect::ReportVersion6, &["unsupported-version"], &[], "snp.layout", "../../evidence/src/snp/mod.rs", "if !VERSIONS.contains(&version)"),
    (Defect::ReportVersion7, &["unsupported-version"], &[], "snp.layout", "../../evidence/src/snp/mod.rs", "if !VERSIONS.contains(&version)"),
    (Defect::ReportVersionMax, &["unsupported-version"], &[], "snp.layout", "../../evidence/src/snp/mod.rs", "if !VERSIONS.contains(&version)"),
    (Defect::SignatureAlgorithm0, &["signature-algorithm"], &[], "snp.signature-algorithm", "snp/fields.rs", "let known = found == ECDSA_P384_SHA384;"),
    (Defect::SignatureAlgorithm2, &["signature-algorithm"], &[], "snp.signature-algorithm", "snp/fields.rs", "let known = found == ECDSA_P384_SHA384;"),
    (Defect::KeyInfoBit5, &["reserved-not-zero"], &[], "snp.key-info", "snp/fields.rs", "SnpError::KeyInfoReserved { found: reserved }"),
    (Defect::KeyInfoBit31, &["reserved-not-zero"], &[], "snp.key-info", "snp/fields.rs", "SnpError::KeyInfoReserved { found: reserved }"),
    (Defect::ChipKeyMasked, &["chip-key-masked"], &[], "snp.key-info", "snp/fields.rs", "SnpError::ChipKeyMasked"),
    (Defect::ChipKeyMaskedUnsigned, &["chip-key-masked", "signing-key", "signature-range"], &[], "snp.key-info", "snp/fields.rs", "SnpError::ChipKeyMasked"),
    (Defect::SigningKeyNone, &["signing-key"], &[], "snp.key-info", "snp/fields.rs", "let unknown = SnpError::SigningKey"),
    (Defect::SigningKeyUnknown, &["signing-key"], &[], "snp.key-info", "snp/fields.rs", "let unknown = SnpError::SigningKey"),
    (Defect::SigningKeyOfOtherKind, &["vek-kind"], &[], "snp.vek-kind", "snp/checks.rs", "Some(expected) if expected != vek.kind()"),
    (Defect::Reserved04c, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::Reserved04f, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::Reserved18b, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::Reserved19f, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::Reserved1eb, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::Reserved1ef, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::Reserved208, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::Reserved29f, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::CpuidInVersion2, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::MitigationsInVersion4, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::PolicyBit17, &["guest-policy"], &[], "snp.guest-policy", "snp/fields.rs", "policy.0 & fixed == GuestPolicy::MUST_BE_ONE"),
    (Defect::PolicyBit26, &["guest-policy"], &[], "snp.guest-policy", "snp/fields.rs", "policy.0 & fixed == GuestPolicy::MUST_BE_ONE"),
    (Defect::PolicyBit63, &["guest-policy"], &[], "snp.guest-policy", "snp/fields.rs", "policy.0 & fixed == GuestPolicy::MUST_BE_ONE"),
    (Defect::Vmpl4, &["vmpl"], &[], "snp.vmpl", "snp/fields.rs", "level if level > LAST_VMPL"),
    (Defect::VmplHost, &["host-requested"], &[], "snp.vmpl", "snp/fields.rs", "VMPL_HOST => "),
    (Defect::ChipIdMasked, &["chip-id-masked"], &[], "snp.chip-id", "snp/checks.rs", "Some(_) if report.is_chip_id_masked()"),
    (Defect::ChipIdOfOtherChip, &["chip-id-mismatch"], &[], "snp.chip-id", "snp/checks.rs", "Some(chip_id) if *chip_id != report.chip_id"),
    (Defect::ChipIdTail, &["chip-id-mismatch"], &[], "snp.chip-id", "snp/checks.rs", "Some(chip_id) if *chip_id != report.chip_id"),
    (Defect::CpuidOfOtherProduct, &["product-mismatch"], &[], "snp.product", "snp/fields.rs", "if report != certificate"),
    (Defect::CpuidFamilyUnknown, &["product-unknown"], &[], "snp.product", "snp/fields.rs", "SnpError::ProductUnknown { family, model }"),
    (Defect::CpuidModelUnknown, &["product-unknown"], &[], "snp.product", "snp/fields.rs", "SnpError::ProductUnknown { family, model }"),
    (Defect::ReportedTcbAboveCurrent, &["tcb-order"], &[], "snp.tcb-order", "snp/fields.rs", "SnpError::TcbOrder { higher, component }"),
    (Defect::CommittedTcbAboveCurrent, &["tcb-order"], &[], "snp.tcb-order", "snp/fields.rs", "SnpError::TcbOrder { higher, component }"),
    (Defect::ReportedTcbReserved, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::TcbReserved { tcb }"),
    (Defect::CurrentTcbReserved, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::TcbReserved { tcb }"),
    (Defect::CommittedTcbReserved, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::TcbReserved { tcb }"),
    (Defect::LaunchTcbReserved, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::TcbReserved { tcb }"),
    (Defect::GuestSvnBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::PolicyBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::FamilyIdBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::ImageIdBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::VmplBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::PlatformInfoBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::ReportDataBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::MeasurementBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::HostDataBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::IdKeyDigestBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::AuthorKeyDigestBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::ReportIdBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::ReportIdMaBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::SteppingBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::CurrentFirmwareBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::CommittedFirmwareBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::LaunchTcbBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::CurrentTcbBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::CommittedTcbBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::LaunchMitigationsBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::CurrentMitigationsBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::SignatureRBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::SignatureRZero, &["signature-range"], &[], "snp.report-signature", "snp/fields.rs", "SnpError::SignatureRange { part }"),
    (Defect::SignatureROrder, &["signature-range"], &[], "snp.report-signature", "snp/fields.rs", "SnpError::SignatureRange { part }"),
    (Defect::SignatureRByte48, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::SignatureRByte71, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::SignatureSBitFlipped, &["report-signature"], &[], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::SignatureSZero, &["signature-range"], &[], "snp.report-signature", "snp/fields.rs", "SnpError::SignatureRange { part }"),
    (Defect::SignatureSOrder, &["signature-range"], &[], "snp.report-signature", "snp/fields.rs", "SnpError::SignatureRange { part }"),
    (Defect::SignatureSByte48, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::SignatureSByte71, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::Reserved330, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::Reserved49f, &["reserved-not-zero"], &[], "snp.reserved", "snp/fields.rs", "SnpError::Reserved { offset, area }"),
    (Defect::Truncated, &["bad-length"], &[], "snp.layout", "../../evidence/src/snp/mod.rs", "expected: LengthRule::Exactly(REPORT_SIZE)"),
    (Defect::TrailingData, &["bad-length"], &[], "snp.layout", "../../evidence/src/snp/mod.rs", "expected: LengthRule::Exactly(REPORT_SIZE)"),
    (Defect::Empty, &["bad-length"], &[], "snp.layout", "../../evidence/src/snp/mod.rs", "expected: LengthRule::Exactly(REPORT_SIZE)"),
    (Defect::VekIssuerName, &["untrusted-root"], &[], "snp.vek-chain", "snp/vek.rs", "if named.peek().is_none()"),
    (Defect::VekSignedByOther, &["certificate-signature"], &[], "snp.vek-chain", "snp/vek.rs", "certificate.is_signed_by(&known.key)"),
    (Defect::VekPkcs1, &["certificate-malformed"], &[], "snp.vek-chain", "snp/vek.rs", "certificate.algorithm() != SignatureAlgorithm::RsaPssSha384"),
    (Defect::VekPssSha256, &["certificate-malformed"], &[], "snp.vek-chain", "snp/vek.rs", "certificate.algorithm() != SignatureAlgorithm::RsaPssSha384"),
    (Defect::VekPssSalt32, &["certificate-malformed"], &[], "snp.vek", "x509/algorithm.rs", "salt == length).then_some(algorithm)"),
    (Defect::VekExpired, &["certificate-expired"], &[], "snp.vek-dates", "snp/checks.rs", "VerifyError::CertificateExpired { role, until }"),
    (Defect::VekNotYetValid, &["certificate-not-yet-valid"], &[], "snp.vek-dates", "snp/checks.rs", "VerifyError::CertificateNotYetValid { role, from }"),
    (Defect::VekBootLoaderTooHigh, &["vek-tcb-mismatch"], &[], "snp.vek-tcb", "snp/checks.rs", "SnpError::VekTcb { component, certificate, report }"),
    (Defect::VekWithoutBootLoader, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", r#"component("blSPL""#),
    (Defect::VekTeeTooHigh, &["vek-tcb-mismatch"], &[], "snp.vek-tcb", "snp/checks.rs", "SnpError::VekTcb { component, certificate, report }"),
    (Defect::VekWithoutTee, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", r#"component("teeSPL""#),
    (Defect::VekSnpTooHigh, &["vek-tcb-mismatch"], &[], "snp.vek-tcb", "snp/checks.rs", "SnpError::VekTcb { component, certificate, report }"),
    (Defect::VekWithoutSnp, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", r#"component("snpSPL""#),
    (Defect::VekMicrocodeTooHigh, &["vek-tcb-mismatch"], &[], "snp.vek-tcb", "snp/checks.rs", "SnpError::VekTcb { component, certificate, report }"),
    (Defect::VekWithoutMicrocode, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", r#"component("ucodeSPL""#),
    (Defect::VekFmcTooHigh, &["vek-tcb-mismatch"], &[], "snp.vek-tcb", "snp/checks.rs", "SnpError::VekTcb { component, certificate, report }"),
    (Defect::VekWithoutFmc, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", r#"component("fmcSPL""#),
    (Defect::VekMicrocodeNegative, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", r#""it is not a number from 0 to 255""#),
    (Defect::VekStructVersionOther, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", r#""it is not the one of this product""#),
    (Defect::VekWithoutStructVersion, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", r#"error("structVersion", MISSING)"#),
    (Defect::VekProductOther, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", r#""it names another product than the issuer""#),
    (Defect::VekWithoutProduct, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", r#"error("productName", MISSING)"#),
    (Defect::VcekWithoutHwid, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", "(SigningKey::Vcek, None) => return Err(MISSING)"),
    (Defect::VcekHwidOfOtherChip, &["chip-id-mismatch"], &[], "snp.chip-id", "snp/checks.rs", "Some(chip_id) if *chip_id != report.chip_id"),
    (Defect::VcekHwidShort, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", r#""it has the wrong length""#),
    (Defect::VekExtensionTwice, &["certificate-malformed"], &[], "snp.vek", "x509/mod.rs", r#""it has the same extension twice""#),
    (Defect::VcekWithCspId, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", r#""a VCEK is of no provider""#),
    (Defect::VlekWithoutCspId, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", "(Some(SigningKey::Vlek), None) => Err(MISSING)"),
    (Defect::VlekWithHwid, &["vek-extension"], &[], "snp.vek-extensions", "snp/vek.rs", r#""a VLEK is of no chip""#),
    (Defect::VekNameShort, &["certificate-name"], &[], "snp.vek-role", "snp/vek.rs", "VerifyError::CertificateName { role: ROLE"),
    (Defect::VekNameOfOtherKind, &["vek-kind", "vek-extension", "vek-extension"], &[], "snp.vek-role", "snp/vek.rs", "&& authority.issues != kind"),
    (Defect::VekP256, &["certificate-malformed"], &[], "snp.vek-role", "snp/vek.rs", r#""its public key is not a point on P-384""#),
    (Defect::VekIsAuthority, &["certificate-constraints"], &[], "snp.vek-role", "snp/vek.rs", r#""it is a CA""#),
    (Defect::VekUnknownCriticalExtension, &["unknown-critical-extension"], &[], "snp.vek-role", "snp/vek.rs", "VerifyError::UnknownCriticalExtension { role: ROLE"),
    (Defect::VekOfOtherProduct, &["product-mismatch", "crl-product"], &[], "snp.product", "snp/fields.rs", "if report != certificate"),
    (Defect::VcekIssuedByAsvk, &["vek-kind"], &[], "snp.vek-role", "snp/vek.rs", "&& authority.issues != kind"),
    (Defect::VlekIssuedByAsk, &["vek-kind"], &[], "snp.vek-role", "snp/vek.rs", "&& authority.issues != kind"),
    (Defect::VekIssuedByArk, &["untrusted-root"], &[], "snp.vek-chain", "snp/vek.rs", "if named.peek().is_none()"),
    (Defect::SelfMadeChain, &["untrusted-root"], &[], "snp.vek-chain", "snp/mod.rs", "VerifyError::UntrustedRoot { role: *role }"),
    (Defect::SelfMadeChainCopied, &["untrusted-root"], &[], "snp.vek-chain", "snp/mod.rs", "VerifyError::UntrustedRoot { role: *role }"),
    (Defect::SelfMadeIntermediate, &["untrusted-root"], &[], "snp.vek-chain", "snp/mod.rs", "VerifyError::UntrustedRoot { role: *role }"),
    (Defect::IntermediateRevoked, &["certificate-revoked"], &[], "snp.crl", "snp/checks.rs", "list.lists(&vek.authority)"),
    (Defect::CrlExpired, &["crl-expired"], &[], "snp.crl", "snp/crl.rs", "SnpError::CrlExpired { until }"),
    (Defect::CrlFromFuture, &["crl-not-yet-valid"], &[], "snp.crl", "snp/crl.rs", "SnpError::CrlNotYetValid { from }"),
    (Defect::CrlSignedByIntermediate, &["crl-signature"], &[], "snp.crl", "snp/crl.rs", "ok_or(SnpError::CrlSignature)"),
    (Defect::CrlOfOtherProduct, &["crl-product"], &[], "snp.crl", "snp/checks.rs", "SnpError::CrlProduct { found: list.product"),
    (Defect::ReportedTcbBitFlipped, &["report-signature", "vek-tcb-mismatch"], &["tcb-order"], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::ChipIdBitFlipped, &["report-signature"], &["chip-id-mismatch"], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
    (Defect::VekOfOtherChip, &["report-signature"], &["chip-id-mismatch"], "snp.report-signature", "snp/checks.rs", "vek.key.verify(report.signed(), &report.signature())"),
];

fn chips() -> impl Iterator<Item = ChipSpec> {
    Product::ALL.into_iter().flat_map(|product| VekKind::ALL.map(|kind| ChipSpec::new(product, kind)))
}

#[test]
fn genuine_samples_of_every_generation_key_and_version_are_accepted() {
    let mut amd = vendor();
    let judge = Judge::of(&amd);
    for chip in chips() {
        for version in 2..=5 {
            let spec = ReportSpec { version: Some(version), ..ReportSpec::default() };
            let sample = amd.sample(&chip, &spec, NOW).unwrap();
            let verification = judge.verify(&sample);
            assert_eq!(codes(&verification), Vec::<&str>::new(), "{chip:?} {version}");
            let claims = verification.claims.unwrap();
            assert_eq!(claims.product.as_str(), chip.product.vendor_name());
            assert_eq!(claims.signing_key == SigningKey::Vlek, chip.kind == VekKind::Vlek);
            assert_eq!(claims.report.version, version);
            assert!(claims.revocation_checked && claims.origin() == AnchorOrigin::Simulated);
        }
    }
}

#[test]
fn each_mutation_fails_with_exactly_its_errors() {
    let mut amd = vendor();
    let judge = Judge::of(&amd);
    for (defect, errors, also, rule, ..) in MUTATIONS {
        let mut applied = 0;
        for chip in chips().filter(|chip| defect.applies(chip)) {
            let sample = amd.broken(*defect, &chip, &ReportSpec::default(), NOW).unwrap();
            let verification = judge.verify(&sample);
            assert!(verification.claims.is_none(), "{defect} of {chip:?} is accepted");
            let mut found = codes(&verification);
            found.retain(|code| errors.contains(code) || !also.contains(code));
            let (mut found, mut expected) = (found, errors.to_vec());
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{defect} of {chip:?}");
            let failed = verification.report.checks().iter().filter(|check| check.error.is_some());
            assert!(failed.map(|check| check.rule.id).any(|id| id == *rule), "{defect}: {rule}");
            applied += 1;
        }
        assert!(applied > 0, "{defect} applies to no chip");
    }
}

/// Certificates beside the key are hints: a wrong one changes nothing, and is named.
#[test]
fn a_hint_of_another_product_is_a_warning() {
    let mut amd = vendor();
    let judge = Judge::of(&amd);
    for chip in chips() {
        let sample =
            amd.broken(Defect::IntermediateOfOtherProduct, &chip, &ReportSpec::default(), NOW).unwrap();
        let verification = judge.verify(&sample);
        assert!(verification.claims.is_some(), "{chip:?}");
        let checks = verification.report.checks();
        let hint = checks.iter().find(|check| check.rule.id == "snp.chain-hint").unwrap();
        assert_eq!(hint.outcome, Outcome::Warn);
    }
}

#[test]
fn the_table_has_every_defect_once() {
    for defect in Defect::ALL.iter().filter(|defect| **defect != Defect::IntermediateOfOtherProduct) {
        assert_eq!(MUTATIONS.iter().filter(|row| row.0 == *defect).count(), 1, "{defect}");
    }
}

#[test]
fn each_mutation_names_the_one_line_that_implements_its_refusal() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (defect, .., file, text) in MUTATIONS {
        let source = std::fs::read_to_string(sources.join(file)).unwrap();
        let lines = source.lines().filter(|line| line.contains(text)).count();
        assert_eq!(lines, 1, "{defect}: `{text}` stands on {lines} lines of {file}");
    }
}

/// In development the roots of simulated and of real silicon have the same names; only those of the folder are believed.
#[test]
fn simulated_evidence_is_not_genuine_without_its_roots() {
    let mut amd = vendor();
    let mut judge = Judge::of(&amd);
    judge.anchors = assay_verify::TrustAnchors::vendor();
    for chip in chips() {
        let sample = amd.sample(&chip, &ReportSpec::default(), NOW).unwrap();
        let verification = judge.verify(&sample);
        assert!(verification.claims.is_none());
        assert_eq!(codes(&verification), ["untrusted-root"], "{chip:?}");
    }
}

#[test]
fn runtime_and_init_time_data_and_nonces_must_be_bound() {
    let mut amd = vendor();
    let judge = Judge::of(&amd);
    let hash = |text: &[u8]| assay_verify::sha256(&[text]);
    let mut report_data = [0; 64];
    report_data[..32].copy_from_slice(&hash(b"the runtime data"));
    let plain = ReportSpec { report_data, host_data: hash(b"init"), ..ReportSpec::default() };
    let mut tail = plain.clone();
    tail.report_data[63] = 1;
    type Case<'a> = (&'a ReportSpec, Option<&'a [u8]>, Option<&'a [u8]>, Option<&'a [u8]>, &'a [&'a str]);
    let cases: [Case<'_>; 8] = [
        (&plain, Some(b"the runtime data"), Some(b"init"), None, &[]),
        (&plain, Some(b"the runtime data "), None, None, &["binding-mismatch"]),
        (&plain, Some(b""), None, None, &["binding-mismatch"]),
        (&tail, Some(b"the runtime data"), None, None, &["binding-mismatch"]),
        (&plain, None, Some(b"other"), None, &["binding-mismatch"]),
        (&plain, None, None, Some(b"the runtime data"), &[]),
        (&plain, Some(b"the runtime data"), None, Some(b"runtime data"), &[]),
        (&plain, Some(b"the runtime data"), None, Some(b"another nonce"), &["binding-mismatch"]),
    ];
    for (spec, runtime_data, init_time_data, nonce, expected) in cases {
        let sample = amd.sample(&ChipSpec::default(), spec, NOW).unwrap();
        let binding = Binding { runtime_data, init_time_data, nonce };
        assert_eq!(codes(&judge.verify_bound(&sample, &binding)), expected, "{binding:?}");
    }
}

#[test]
fn a_vlek_of_a_provider_that_is_not_listed_is_refused() {
    let mut amd = vendor();
    let mut judge = Judge::of(&amd);
    let chip = ChipSpec::new(Product::Milan, VekKind::Vlek);
    let sample = amd.sample(&chip, &ReportSpec::default(), NOW).unwrap();
    judge.providers = vec!["CN=somebody-else.example".to_owned()];
    assert_eq!(codes(&judge.verify(&sample)), ["vlek-provider"]);
}

/// What looks like a higher number is no better TCB: components count one by one.
#[test]
fn a_key_of_another_tcb_does_not_fit() {
    let mut amd = vendor();
    let judge = Judge::of(&amd);
    for product in Product::ALL {
        let chip = ChipSpec::new(product, VekKind::Vcek);
        let sample = amd.sample(&chip, &ReportSpec::default(), NOW).unwrap();
        let vek = assay_verify::snp::verify_vek(&sample.vek, &judge.anchors).unwrap();
        let wanted = VekKey {
            product: Some(vek.product()),
            kind: SigningKey::Vcek,
            chip_id: *vek.chip_id().unwrap(),
            reported_tcb: chip.tcb.to_bytes(product),
        };
        assert!(wanted.fits(&vek));
        let higher = Tcb { microcode: chip.tcb.microcode + 1, ..chip.tcb };
        assert!(!VekKey { reported_tcb: higher.to_bytes(product), ..wanted }.fits(&vek));
        assert!(!VekKey { chip_id: [7; 64], ..wanted }.fits(&vek));
        assert!(!VekKey { kind: SigningKey::Vlek, ..wanted }.fits(&vek));
    }
}
