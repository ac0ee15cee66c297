//! Must-reject cases: each way to break a good sample, and exactly the errors it must give.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

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
