//! Must-reject cases: each way to break a good sample, and exactly the errors it must give.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use assay_evidence::sgx::{CertificationData, Quote};
use assay_silicon::intel::{
    Ca, CollateralSpec, Defect, Intel, Kss, PlatformSpec, QuoteSpec, Sample, TcbStatus,
};
use assay_verify::Binding;
use assay_verify::cache::ChainCache;
use assay_verify::intel::{Collateral, RawCollateral};
use assay_verify::sgx::{CollateralInput, Context, Format, Opened, Verification};
use assay_verify::{AnchorOrigin, TrustAnchors, UnixTime};

const NOW: i64 = 1_800_000_000;

fn verify(intel: &Intel, sample: &Sample) -> Verification {
    verify_bound(intel, sample, &Binding::default())
}

fn verify_bound(intel: &Intel, sample: &Sample, binding: &Binding<'_>) -> Verification {
    let anchors = TrustAnchors::vendor().with_intel_root(intel.root_public_key(), AnchorOrigin::Simulated);
    let cache = ChainCache::new(0);
    let raw: RawCollateral =
        serde_json::from_value(serde_json::to_value(&sample.collateral).unwrap()).unwrap();
    let collateral = Collateral::verify(&raw, &anchors);
    let context = Context { anchors: &anchors, now: UnixTime(NOW), cache: &cache };
    Opened::new(&sample.quote, Format::Quote, &anchors, &cache).verify(
        CollateralInput::Fresh(&collateral),
        binding,
        &context,
    )
}

fn codes(verification: &Verification) -> Vec<&'static str> {
    verification.report.errors().map(assay_verify::VerifyError::code).collect()
}

/// One must-reject case: the defect, every error it gives, the rule that reports the first one, and the file (from
/// `crates/verify/src`) and line that implement the refusal.
type Row = (Defect, &'static [&'static str], &'static str, &'static str, &'static str);

#[rustfmt::skip]
const MUTATIONS: &[Row] = &[
    (Defect::HeaderBitFlipped, &["quote-signature"], "sgx.quote-signature", "sgx.rs", "Err(VerifyError::QuoteSignature)"),
    (Defect::ReportBitFlipped, &["quote-signature"], "sgx.quote-signature", "sgx.rs", "Err(VerifyError::QuoteSignature)"),
    (Defect::QuoteSignatureBitFlipped, &["quote-signature"], "sgx.quote-signature", "sgx.rs", "Err(VerifyError::QuoteSignature)"),
    (Defect::QuoteSignatureZero, &["quote-signature"], "sgx.quote-signature", "sgx.rs", "Err(VerifyError::QuoteSignature)"),
    (Defect::QeReportBitFlipped, &["qe-report-signature"], "sgx.qe-report-signature", "sgx.rs", "Err(VerifyError::QeReportSignature)"),
    (Defect::QeReportSignatureBitFlipped, &["qe-report-signature"], "sgx.qe-report-signature", "sgx.rs", "Err(VerifyError::QeReportSignature)"),
    (Defect::AttestationKeyNotBound, &["attestation-key-binding"], "sgx.attestation-key-binding", "sgx.rs", "Err(VerifyError::AttestationKeyBinding)"),
    (Defect::AttestationKeyOffCurve, &["attestation-key"], "sgx.quote-signature", "sgx.rs", "VerifyError::AttestationKey)?"),
    (Defect::QeAuthDataChanged, &["attestation-key-binding"], "sgx.attestation-key-binding", "sgx.rs", "Err(VerifyError::AttestationKeyBinding)"),
    (Defect::QeAuthDataTooLong, &["bad-length"], "sgx.layout", "../../evidence/src/sgx.rs", "if qe_auth_length > MAX_QE_AUTH_SIZE"),
    (Defect::QeReportDataTail, &["attestation-key-binding"], "sgx.attestation-key-binding", "sgx.rs", "Err(VerifyError::AttestationKeyBinding)"),
    (Defect::QeReportOfOtherPck, &["qe-report-signature"], "sgx.qe-report-signature", "sgx.rs", "Err(VerifyError::QeReportSignature)"),
    (Defect::PckChainOfOtherPlatform, &["qe-report-signature"], "sgx.qe-report-signature", "sgx.rs", "Err(VerifyError::QeReportSignature)"),
    (Defect::HeaderReservedNonzero, &["reserved-not-zero"], "sgx.reserved", "sgx.rs", "VerifyError::ReservedNotZero"),
    (Defect::ReportReservedNonzero, &["reserved-not-zero"], "sgx.reserved", "sgx.rs", "VerifyError::ReservedNotZero"),
    (Defect::QeReportReservedNonzero, &["reserved-not-zero"], "sgx.reserved", "sgx.rs", "VerifyError::ReservedNotZero"),
    (Defect::QeVendorUnknown, &["qe-vendor"], "sgx.qe-vendor", "sgx.rs", "VerifyError::QeVendor"),
    (Defect::QuoteVersion2, &["unsupported-version"], "sgx.layout", "../../evidence/src/sgx.rs", "if version != VERSION_3"),
    (Defect::QuoteVersion4, &["unsupported-version"], "sgx.layout", "../../evidence/src/sgx.rs", "if version != VERSION_3"),
    (Defect::AttestationKeyTypeUnknown, &["unsupported-key-type"], "sgx.layout", "../../evidence/src/sgx.rs", "if attestation_key_type != ECDSA_P256"),
    (Defect::Truncated, &["evidence-truncated"], "sgx.layout", "../../evidence/src/cursor.rs", "split_at_checked(len)"),
    (Defect::SignatureDataLengthOversized, &["evidence-truncated"], "sgx.layout", "../../evidence/src/cursor.rs", "split_at_checked(len)"),
    (Defect::SignatureDataLengthOffByOne, &["bad-length"], "sgx.layout", "../../evidence/src/sgx.rs", "if !cursor.rest().is_empty()"),
    (Defect::QeAuthDataLengthOversized, &["bad-length"], "sgx.layout", "../../evidence/src/sgx.rs", "if qe_auth_length > MAX_QE_AUTH_SIZE"),
    (Defect::CertificationDataLengthOversized, &["evidence-truncated"], "sgx.layout", "../../evidence/src/cursor.rs", "split_at_checked(len)"),
    (Defect::TrailingData, &["trailing-data"], "sgx.layout", "../../evidence/src/sgx.rs", "if rest.iter().any(|b| *b != 0)"),
    (Defect::CertificationPpidClear, &["certification-data-unsupported"], "intel.pck-chain", "sgx.rs", "VerifyError::CertificationData"),
    (Defect::CertificationPpidRsa2048, &["certification-data-unsupported"], "intel.pck-chain", "sgx.rs", "VerifyError::CertificationData"),
    (Defect::CertificationPpidRsa3072, &["certification-data-unsupported"], "intel.pck-chain", "sgx.rs", "VerifyError::CertificationData"),
    (Defect::CertificationPckOnly, &["certification-data-unsupported"], "intel.pck-chain", "sgx.rs", "VerifyError::CertificationData"),
    (Defect::CertificationNested, &["unknown-certification-data"], "sgx.layout", "../../evidence/src/sgx.rs", "ParseError::UnknownCertificationData"),
    (Defect::CertificationManifest, &["certification-data-unsupported"], "intel.pck-chain", "sgx.rs", "VerifyError::CertificationData"),
    (Defect::CertificationChainEmpty, &["chain-length"], "intel.pck-chain", "intel/chain.rs", "found: ders.len(), expected: 3"),
    (Defect::QeDebug, &["qe-debug"], "sgx.qe-debug", "sgx.rs", "Err(VerifyError::QeDebug)"),
    (Defect::QeAttributesMismatch, &["qe-identity-mismatch"], "sgx.qe-identity", "intel/qe_identity.rs", r#""attributes", &attributes"#),
    (Defect::QeMiscSelectMismatch, &["qe-identity-mismatch"], "sgx.qe-identity", "intel/qe_identity.rs", r#""miscselect", &misc_select"#),
    (Defect::QeMrSignerMismatch, &["qe-identity-mismatch"], "sgx.qe-identity", "intel/qe_identity.rs", r#""mrsigner", &report.mr_signer"#),
    (Defect::QeProductMismatch, &["qe-identity-mismatch"], "sgx.qe-identity", "intel/qe_identity.rs", "if report.isv_prod_id != self.isv_prod_id"),
    (Defect::SelfMadeRoot, &["untrusted-root", "untrusted-root", "untrusted-root", "untrusted-root"], "intel.pck-root", "intel/chain.rs", "if origin.is_none()"),
    (Defect::SelfMadeRootInQuote, &["untrusted-root"], "intel.pck-root", "intel/chain.rs", "if origin.is_none()"),
    (Defect::TcbSignerAsPck, &["chain-length"], "intel.pck-chain", "intel/chain.rs", "found: ders.len(), expected: 3"),
    (Defect::PckIssuedByRoot, &["chain-length"], "intel.pck-chain", "intel/chain.rs", "found: ders.len(), expected: 3"),
    (Defect::PckSignatureInvalid, &["certificate-signature"], "intel.pck-signatures", "intel/chain.rs", "certificate.is_signed_by(&key)"),
    (Defect::PckCaSignatureInvalid, &["certificate-signature"], "intel.pck-signatures", "intel/chain.rs", "certificate.is_signed_by(&key)"),
    (Defect::PckRevoked, &["certificate-revoked"], "intel.pck-revocation", "sgx.rs", "is_listed(&collateral.pck_revoked"),
    (Defect::PckCaRevoked, &["certificate-revoked"], "intel.collateral-revocation", "intel/collateral.rs", "root_crl.revoked.binary_search"),
    (Defect::TcbSignerRevoked, &["certificate-revoked", "certificate-revoked"], "intel.collateral-revocation", "intel/collateral.rs", "root_crl.revoked.binary_search"),
    (Defect::PckExpired, &["certificate-expired"], "intel.pck-dates", "sgx.rs", "VerifyError::CertificateExpired"),
    (Defect::PckNotYetValid, &["certificate-not-yet-valid"], "intel.pck-dates", "sgx.rs", "VerifyError::CertificateNotYetValid"),
    (Defect::PckCaExpired, &["certificate-expired"], "intel.pck-dates", "sgx.rs", "VerifyError::CertificateExpired"),
    (Defect::PckCaNotYetValid, &["certificate-not-yet-valid"], "intel.pck-dates", "sgx.rs", "VerifyError::CertificateNotYetValid"),
    (Defect::RootExpired, &["certificate-expired"], "intel.pck-dates", "sgx.rs", "VerifyError::CertificateExpired"),
    (Defect::TcbSignerExpired, &["certificate-expired", "certificate-expired"], "intel.collateral-dates", "intel/collateral.rs", "Dated::Certificate(role) if now > until"),
    (Defect::PckIsAuthority, &["certificate-constraints"], "intel.pck-roles", "intel/chain.rs", r#"constraint("it is a CA")"#),
    (Defect::PckCaIsNoAuthority, &["certificate-constraints"], "intel.pck-roles", "intel/chain.rs", r#"constraint("it is not a CA")"#),
    (Defect::PckCaWithoutCertSign, &["certificate-constraints"], "intel.pck-roles", "intel/chain.rs", r#""its key may not sign certificates""#),
    (Defect::PckWithoutDigitalSignature, &["certificate-constraints"], "intel.pck-roles", "intel/chain.rs", r#""its key may not sign documents""#),
    (Defect::PckUnknownCriticalExtension, &["unknown-critical-extension"], "intel.pck-roles", "intel/chain.rs", "VerifyError::UnknownCriticalExtension"),
    (Defect::PckCaUnknownCriticalExtension, &["unknown-critical-extension"], "intel.pck-roles", "intel/chain.rs", "VerifyError::UnknownCriticalExtension"),
    (Defect::PckNameWrong, &["certificate-name"], "intel.pck-roles", "intel/chain.rs", r#"name.contains("Intel SGX PCK Certificate")"#),
    (Defect::PckCaNameWrong, &["certificate-name", "certificate-name"], "intel.pck-roles", "intel/chain.rs", "if ca_kind.is_none()"),
    (Defect::PckWithoutSgxExtension, &["pck-extension"], "intel.pck-extension", "intel/pck.rs", r#""the certificate does not have it""#),
    (Defect::PckSgxExtensionTwice, &["certificate-malformed"], "intel.pck-chain", "x509/mod.rs", r#""it has the same extension twice""#),
    (Defect::PckDuplicateFmspc, &["pck-extension"], "intel.pck-extension", "intel/pck.rs", r#""an entry occurs twice""#),
    (Defect::PckWithoutFmspc, &["pck-extension"], "intel.pck-extension", "intel/pck.rs", r#""the FMSPC is missing""#),
    (Defect::PckComponentTooLarge, &["pck-extension"], "intel.pck-extension", "intel/pck.rs", r#""a TCB component is not 0 to 255""#),
    (Defect::PckCrlOfOtherCa, &["crl-issuer"], "intel.pck-crl-issuer", "sgx.rs", "Err(VerifyError::CrlIssuer"),
    (Defect::PckCrlOfOtherRoot, &["untrusted-root"], "intel.collateral-chains", "intel/chain.rs", "if origin.is_none()"),
    (Defect::PckCrlWrongSigner, &["collateral-signature"], "intel.pck-crl", "intel/collateral.rs", "crl.is_signed_by(&key)"),
    (Defect::PckCrlExpired, &["collateral-expired"], "intel.collateral-dates", "intel/collateral.rs", "Some(VerifyError::CollateralExpired"),
    (Defect::PckCrlFromFuture, &["collateral-not-yet-valid"], "intel.collateral-dates", "intel/collateral.rs", "Some(VerifyError::CollateralNotYetValid"),
    (Defect::PckCrlUnknownCriticalExtension, &["collateral-malformed"], "intel.collateral-readable", "x509/crl.rs", r#""it has a critical extension that is not known""#),
    (Defect::RootCrlWrongSigner, &["collateral-signature"], "intel.root-crl", "intel/collateral.rs", "crl.is_signed_by(&key)"),
    (Defect::RootCrlExpired, &["collateral-expired"], "intel.collateral-dates", "intel/collateral.rs", "Some(VerifyError::CollateralExpired"),
    (Defect::RootCrlFromFuture, &["collateral-not-yet-valid"], "intel.collateral-dates", "intel/collateral.rs", "Some(VerifyError::CollateralNotYetValid"),
    (Defect::TcbInfoForTdx, &["collateral-kind"], "intel.tcb-info-kind", "intel/tcb_info.rs", "VerifyError::CollateralKind"),
    (Defect::TcbInfoVersionUnknown, &["collateral-version"], "intel.tcb-info-kind", "intel/tcb_info.rs", "VerifyError::CollateralVersion"),
    (Defect::FmspcMismatch, &["fmspc-mismatch"], "intel.tcb-info-platform", "sgx.rs", "if info.fmspc != extension.fmspc"),
    (Defect::PceIdMismatch, &["pce-id-mismatch"], "intel.tcb-info-platform", "sgx.rs", "if info.pce_id != extension.pce_id"),
    (Defect::TcbInfoReserialized, &["collateral-signature"], "intel.tcb-info-signature", "intel/collateral.rs", "Err(VerifyError::CollateralSignature { document })"),
    (Defect::TcbInfoSignatureInvalid, &["collateral-signature"], "intel.tcb-info-signature", "intel/collateral.rs", "Err(VerifyError::CollateralSignature { document })"),
    (Defect::TcbInfoSignedByPck, &["collateral-signature"], "intel.tcb-info-signature", "intel/collateral.rs", "Err(VerifyError::CollateralSignature { document })"),
    (Defect::TcbInfoIssuerIsPck, &["chain-length"], "intel.collateral-chains", "intel/collateral.rs", "found: ders.len(), expected: 2"),
    (Defect::TcbSignerOfOtherRoot, &["untrusted-root"], "intel.collateral-chains", "intel/chain.rs", "if origin.is_none()"),
    (Defect::TcbInfoExpired, &["collateral-expired"], "intel.collateral-dates", "intel/collateral.rs", "Some(VerifyError::CollateralExpired"),
    (Defect::TcbInfoFromFuture, &["collateral-not-yet-valid"], "intel.collateral-dates", "intel/collateral.rs", "Some(VerifyError::CollateralNotYetValid"),
    (Defect::TcbInfoDuplicateKey, &["collateral-malformed"], "intel.collateral-readable", "../../json/src/walk.rs", "JsonError::duplicate"),
    (Defect::TcbInfoNestingBomb, &["collateral-malformed"], "intel.collateral-readable", "../../json/src/walk.rs", "JsonError::TooDeep"),
    (Defect::TcbComponentsShort, &["collateral-malformed"], "intel.collateral-readable", "intel/tcb_info.rs", "entries, not 16"),
    (Defect::TcbComponentMissing, &["collateral-malformed"], "intel.collateral-readable", "intel/tcb_info.rs", "an entry of `sgxtcbcomponents` has no `svn`"),
    (Defect::TcbNoMatchingLevel, &["tcb-level-not-found"], "sgx.tcb-level", "sgx.rs", "VerifyError::TcbLevelNotFound"),
    (Defect::TcbStatusUnknown, &["tcb-status-unknown"], "sgx.tcb-level", "sgx.rs", "VerifyError::TcbStatusUnknown { found: name.chars()"),
    (Defect::TcbRevoked, &["tcb-revoked"], "sgx.tcb-status", "sgx.rs", "VerifyError::TcbRevoked"),
    (Defect::QeIdentityForQve, &["collateral-kind"], "intel.qe-identity-kind", "intel/qe_identity.rs", r#"if self.id != "QE""#),
    (Defect::QeIdentityForTdQe, &["collateral-kind"], "intel.qe-identity-kind", "intel/qe_identity.rs", r#"if self.id != "QE""#),
    (Defect::QeIdentityReserialized, &["collateral-signature"], "intel.qe-identity-signature", "intel/collateral.rs", "Err(VerifyError::CollateralSignature { document })"),
    (Defect::QeIdentitySignatureInvalid, &["collateral-signature"], "intel.qe-identity-signature", "intel/collateral.rs", "Err(VerifyError::CollateralSignature { document })"),
    (Defect::QeIdentitySignerOfOtherRoot, &["untrusted-root"], "intel.collateral-chains", "intel/chain.rs", "if origin.is_none()"),
    (Defect::QeIdentityIssuerIsPck, &["chain-length"], "intel.collateral-chains", "intel/collateral.rs", "found: ders.len(), expected: 2"),
    (Defect::QeIdentityExpired, &["collateral-expired"], "intel.collateral-dates", "intel/collateral.rs", "Some(VerifyError::CollateralExpired"),
    (Defect::QeIdentityFromFuture, &["collateral-not-yet-valid"], "intel.collateral-dates", "intel/collateral.rs", "Some(VerifyError::CollateralNotYetValid"),
    (Defect::QeIdentityDuplicateKey, &["collateral-malformed"], "intel.collateral-readable", "../../json/src/walk.rs", "JsonError::duplicate"),
    (Defect::QeIdentityNestingBomb, &["collateral-malformed"], "intel.collateral-readable", "../../json/src/walk.rs", "JsonError::TooDeep"),
    (Defect::QeNoMatchingLevel, &["qe-level-not-found"], "sgx.qe-tcb-level", "sgx.rs", "VerifyError::QeLevelNotFound"),
    (Defect::QeStatusUnknown, &["tcb-status-unknown"], "sgx.qe-tcb-level", "sgx.rs", "VerifyError::TcbStatusUnknown { found: name.chars()"),
    (Defect::QeRevoked, &["tcb-revoked"], "sgx.tcb-status", "sgx.rs", "VerifyError::TcbRevoked"),
];

#[test]
fn each_mutation_fails_with_exactly_its_errors_and_rule() {
    let intel = Intel::generate(NOW).unwrap();
    let quote = QuoteSpec::default();
    for ca in Ca::ALL {
        let platform = PlatformSpec::new(ca, TcbStatus::UpToDate);
        let collateral = CollateralSpec::for_platform(&platform);
        let good = verify(&intel, &intel.sample(&platform, &quote, &collateral, NOW).unwrap());
        assert_eq!(codes(&good), Vec::<&str>::new());
        assert!(good.claims.is_some_and(|claims| claims.origin() == AnchorOrigin::Simulated));
        for (defect, errors, rule, ..) in MUTATIONS {
            let sample = intel.broken(*defect, &platform, &quote, &collateral, NOW).unwrap();
            let verification = verify(&intel, &sample);
            assert!(verification.claims.is_none(), "{defect} of a {ca:?} platform is accepted");
            assert_eq!(codes(&verification), *errors, "{defect} of a {ca:?} platform");
            let first = verification.report.checks().iter().find(|check| check.error.is_some());
            assert_eq!(first.unwrap().rule.id, *rule, "{defect}");
        }
    }
}

#[test]
fn the_table_has_every_defect_once() {
    for defect in Defect::ALL {
        assert_eq!(MUTATIONS.iter().filter(|row| row.0 == *defect).count(), 1, "{defect}");
    }
}

#[test]
fn each_mutation_names_the_one_line_that_implements_its_refusal() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (defect, _, _, file, text) in MUTATIONS {
        let source = std::fs::read_to_string(sources.join(file)).unwrap();
        let lines = source.lines().filter(|line| line.contains(text)).count();
        assert_eq!(lines, 1, "{defect}: `{text}` stands on {lines} lines of {file}");
    }
}

/// A CA that the root revoked, in a quote whose collateral brings another certificate of that CA's name and key.
#[test]
fn a_revoked_ca_is_refused_although_the_collateral_brings_its_own() {
    let mut intel = Intel::generate(NOW).unwrap();
    let platform = PlatformSpec::default();
    let collateral = CollateralSpec::for_platform(&platform);
    let good = intel.sample(&platform, &QuoteSpec::default(), &collateral, NOW).unwrap();
    intel.revoke_platform_ca();
    let revoked = intel.collateral(&collateral, NOW).unwrap();
    let sample = Sample { quote: good.quote, collateral: revoked };
    assert_eq!(codes(&verify(&intel, &sample)), ["certificate-revoked"]);
}

#[test]
fn runtime_and_init_time_data_must_be_what_the_enclave_hashed() {
    let intel = Intel::generate(NOW).unwrap();
    let platform = PlatformSpec::default();
    let collateral = CollateralSpec::for_platform(&platform);
    let field = |text: &[u8]| {
        let mut field = [0; 64];
        field[..32].copy_from_slice(&assay_verify::sha256(&[text]));
        field
    };
    const RUNTIME: &[u8] = b"the runtime data";
    let plain = QuoteSpec { report_data: field(RUNTIME), ..QuoteSpec::default() };
    let mut tail = plain.clone();
    tail.report_data[63] = 1;
    let kss = QuoteSpec {
        kss: Some(Kss {
            config_id: field(b"init"),
            config_svn: 1,
            isv_ext_prod_id: [2; 16],
            isv_family_id: [3; 16],
        }),
        ..plain.clone()
    };
    type Case<'a> = (&'a QuoteSpec, Option<&'a [u8]>, Option<&'a [u8]>, Option<&'a [u8]>, &'a [&'a str]);
    let cases: [Case<'_>; 13] = [
        (&plain, Some(RUNTIME), None, None, &[]),
        (&plain, Some(b"the runtime data "), None, None, &["binding-mismatch"]),
        (&plain, Some(b""), None, None, &["binding-mismatch"]),
        (&tail, Some(RUNTIME), None, None, &["binding-mismatch"]),
        (&plain, None, Some(b"init"), None, &["init-time-data-unsupported"]),
        (&kss, Some(RUNTIME), Some(b"init"), None, &[]),
        (&kss, None, Some(b"other"), None, &["binding-mismatch"]),
        (&plain, None, None, Some(RUNTIME), &[]),
        (&plain, Some(RUNTIME), None, Some(b"runtime data"), &[]),
        (&plain, Some(RUNTIME), None, Some(b"a clock-time"), &["binding-mismatch"]),
        (&plain, None, None, Some(b""), &["binding-mismatch"]),
        // Too short to mean anything, and zeros, which any report data ends with.
        (&plain, Some(RUNTIME), None, Some(b"runtime"), &["binding-mismatch"]),
        (&plain, None, None, Some(&[0; 32]), &["binding-mismatch"]),
    ];
    for (spec, runtime_data, init_time_data, nonce, expected) in cases {
        let sample = intel.sample(&platform, spec, &collateral, NOW).unwrap();
        let binding = Binding { runtime_data, init_time_data, nonce };
        assert_eq!(codes(&verify_bound(&intel, &sample, &binding)), *expected, "{binding:?}");
    }
}

#[test]
fn every_status_of_the_platform_is_reported_and_only_revoked_is_an_error() {
    let intel = Intel::generate(NOW).unwrap();
    for status in TcbStatus::ALL {
        let platform = PlatformSpec::with_status(status);
        let collateral = CollateralSpec::for_platform(&platform);
        let verification =
            verify(&intel, &intel.sample(&platform, &QuoteSpec::default(), &collateral, NOW).unwrap());
        let expected: &[&str] = match status {
            TcbStatus::Revoked => &["tcb-revoked"],
            TcbStatus::Unsupported => &["tcb-level-not-found"],
            _ => &[],
        };
        assert_eq!(codes(&verification), *expected, "{status}");
        if let Some(claims) = verification.claims {
            assert_eq!(claims.tcb.status.as_str(), status.name());
        }
    }
}

const PPID: [u8; 16] = [7; 16];

/// The quote as it would be with certification data of another type, and the chain that it carried.
fn without_chain(quote: &[u8], kind: u16, platform: &PlatformSpec) -> Option<(Vec<u8>, Vec<u8>)> {
    let CertificationData::PckChain(chain) = Quote::parse(quote).ok()?.certification else { return None };
    let ppid = match kind {
        1 => PPID.to_vec(),
        2 => vec![0xe1; 256],
        _ => vec![0xe2; 384],
    };
    let tcb = [&platform.cpu_svn_components[..], &platform.pce_svn.to_le_bytes(), &platform.pce_id].concat();
    let data = [ppid, tcb].concat();
    Some((with_certification(quote, kind, &data), chain.to_vec()))
}

fn with_certification(quote: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let auth_data = usize::from(u16::from_le_bytes([quote[1012], quote[1013]]));
    let length = u32::try_from(data.len()).unwrap();
    let mut quote = [&quote[..1014 + auth_data], &kind.to_le_bytes(), &length.to_le_bytes(), data].concat();
    let length = u32::try_from(quote.len() - 436).unwrap();
    quote[432..436].copy_from_slice(&length.to_le_bytes());
    quote
}

/// Judges a quote with chains that somebody looked up, or none.
fn verify_with(
    intel: &Intel,
    sample: &Sample,
    chains: &[Vec<u8>],
    now: i64,
) -> (Verification, Option<usize>) {
    let anchors = TrustAnchors::vendor().with_intel_root(intel.root_public_key(), AnchorOrigin::Simulated);
    let cache = ChainCache::default();
    let raw: RawCollateral =
        serde_json::from_value(serde_json::to_value(&sample.collateral).unwrap()).unwrap();
    let collateral = Collateral::verify(&raw, &anchors);
    let context = Context { anchors: &anchors, now: UnixTime(now), cache: &cache };
    let mut opened = Opened::new(&sample.quote, Format::Quote, &anchors, &cache);
    let taken = opened.look_up(chains, &anchors, &cache);
    (opened.verify(CollateralInput::Fresh(&collateral), &Binding::default(), &context), taken)
}

fn named() -> PlatformSpec {
    PlatformSpec { ppid: Some(PPID), ..PlatformSpec::default() }
}

/// Whatever is wrong with a quote is wrong with it however its chain came.
#[test]
fn a_chain_that_is_looked_up_is_judged_as_one_in_the_quote() {
    let intel = Intel::generate(NOW).unwrap();
    let (platform, quote) = (named(), QuoteSpec::default());
    let collateral = CollateralSpec::for_platform(&platform);
    let mut judged = 0;
    for kind in 1..=3 {
        let good = intel.sample(&platform, &quote, &collateral, NOW).unwrap();
        let (bytes, chain) = without_chain(&good.quote, kind, &platform).unwrap();
        let good = Sample { quote: bytes, ..good };
        let (verification, taken) = verify_with(&intel, &good, std::slice::from_ref(&chain), NOW);
        assert_eq!((codes(&verification), taken), (vec![], Some(0)), "{kind}");
        assert!(verification.claims.is_some());
        let (without, taken) = verify_with(&intel, &good, &[], NOW);
        assert_eq!((codes(&without), taken), (vec!["certification-data-unsupported"], None));
        for (defect, errors, ..) in MUTATIONS {
            let broken = intel.broken(*defect, &platform, &quote, &collateral, NOW).unwrap();
            let Some((bytes, chain)) = without_chain(&broken.quote, kind, &platform) else { continue };
            let broken = Sample { quote: bytes, ..broken };
            let (verification, _) = verify_with(&intel, &broken, &[chain], NOW);
            assert!(verification.claims.is_none(), "{kind} {defect}");
            assert_eq!(codes(&verification), *errors, "{kind} {defect}");
            judged += 1;
        }
    }
    assert!(judged > 3 * 60, "{judged}");
}

/// A chain that is not the quote's, and the errors that it gives where the PPID is in the clear, and where it is not.
type Foreign = (&'static str, Vec<u8>, &'static [&'static str], &'static [&'static str]);

/// Chains that are genuine, and not those of the quote.
#[test]
fn certificates_of_others_do_not_fit() {
    let intel = Intel::generate(NOW).unwrap();
    let platform = named();
    let collateral = CollateralSpec::for_platform(&platform);
    let sample = intel.sample(&platform, &QuoteSpec::default(), &collateral, NOW).unwrap();
    let chain =
        |spec: &PlatformSpec| intel.platform(spec, NOW).unwrap().pck_certificate_chain_pem().into_bytes();
    let higher = |spec: &PlatformSpec| {
        let mut cpu_svn_components = spec.cpu_svn_components;
        cpu_svn_components[3] += 1;
        PlatformSpec { cpu_svn_components, ..spec.clone() }
    };
    let other = PlatformSpec { ppid: Some([8; 16]), ..named() };
    let lower = TcbStatus::OutOfDate;
    let lower = PlatformSpec { ppid: Some(PPID), ..PlatformSpec::with_status(lower) };
    let newer_pce = PlatformSpec { pce_svn: platform.pce_svn + 1, ..named() };
    let cases: [Foreign; 5] = [
        (
            "of another platform",
            chain(&other),
            &["pck-other-platform", "qe-report-signature"],
            &["qe-report-signature"],
        ),
        ("of a lower TCB", chain(&lower), &["qe-report-signature"], &["qe-report-signature"]),
        (
            "of a higher TCB",
            chain(&higher(&platform)),
            &["pck-other-tcb", "qe-report-signature"],
            &["pck-other-tcb", "qe-report-signature"],
        ),
        (
            "of a later PCE",
            chain(&newer_pce),
            &["pck-other-tcb", "qe-report-signature"],
            &["pck-other-tcb", "qe-report-signature"],
        ),
        ("none at all", b"nothing".to_vec(), &["chain-malformed"], &["chain-malformed"]),
    ];
    for kind in 1..=3 {
        let (bytes, own) = without_chain(&sample.quote, kind, &platform).unwrap();
        let quote = Sample { quote: bytes, ..sample.clone() };
        for (what, foreign, clear, encrypted) in &cases {
            let expected = if kind == 1 { clear } else { encrypted };
            let (refused, taken) = verify_with(&intel, &quote, std::slice::from_ref(foreign), NOW);
            assert!(refused.claims.is_none(), "{kind} {what}");
            assert_eq!((codes(&refused), taken), (expected.to_vec(), Some(0)), "{kind} {what}");
            // It does not stand before the right one.
            let (found, taken) = verify_with(&intel, &quote, &[foreign.clone(), own.clone()], NOW);
            assert_eq!((codes(&found), taken), (vec![], Some(1)), "{kind} {what}");
        }
        // In a quote that carries its own, nothing is looked up.
        let (own_chain, taken) = verify_with(&intel, &sample, &[cases[0].1.clone()], NOW);
        assert_eq!((codes(&own_chain), taken), (vec![], None));
    }
}

/// What the quote names must be what the certificate says, although its key signed.
#[test]
fn what_the_quote_names_must_fit_the_certificate() {
    let intel = Intel::generate(NOW).unwrap();
    let platform = named();
    let collateral = CollateralSpec::for_platform(&platform);
    let sample = intel.sample(&platform, &QuoteSpec::default(), &collateral, NOW).unwrap();
    let (quote, chain) = without_chain(&sample.quote, 1, &platform).unwrap();
    let data = quote[quote.len() - 36..].to_vec();
    // PPID, CPUSVN, PCESVN, PCE id: a byte of each.
    for (at, error) in
        [(0, "pck-other-platform"), (16, "pck-other-tcb"), (32, "pck-other-tcb"), (34, "pck-other-platform")]
    {
        let mut data = data.clone();
        data[at] = if at == 34 { 0xa5 } else { 0 };
        let quote = with_certification(&sample.quote, 1, &data);
        let (refused, _) =
            verify_with(&intel, &Sample { quote, ..sample.clone() }, std::slice::from_ref(&chain), NOW);
        assert_eq!(codes(&refused), [error], "{at}");
    }
    for kind in 1..=3 {
        for length in [0, 35, 37, 275, 277, 403, 405] {
            let quote = with_certification(&sample.quote, kind, &vec![0; length]);
            let (refused, taken) =
                verify_with(&intel, &Sample { quote, ..sample.clone() }, std::slice::from_ref(&chain), NOW);
            let expected = vec!["certification-data-unsupported"];
            assert_eq!(
                (codes(&refused), taken),
                (expected, None),
                "{kind} {length}: what is no name names nothing"
            );
        }
    }
}
