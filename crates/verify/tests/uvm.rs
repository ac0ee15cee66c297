//! Endorsements of utility VMs: real ones, each way to break a simulated one with exactly the errors it must give, and bytes
//! that are no endorsement at all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stderr,
    reason = "tests"
)]

use std::path::PathBuf;

use assay_silicon::uvm::{Algorithm, Defect, EndorsementSpec, Form, UvmSigner};
use assay_verify::uvm::{
    Input, Issuer, MICROSOFT_TIME_STAMP_PCA_2010, RULES, TimeSource, TrustedIssuers, UvmClaims, verify_alone,
};
use assay_verify::{AnchorOrigin, Outcome, Report, UnixTime};
use base64::Engine;

/// 2026-11-21, long after the leaf of the real endorsements expired.
const NOW: i64 = 1_795_000_000;
const MICROSOFT: &[[u8; 32]] = &[MICROSOFT_TIME_STAMP_PCA_2010];
const SVN_22: &str =
    "51068107cdc7ee3d89c7821b05bca6147eb77b2005ae759050fc049b65a1b0beabc65a9d857acecf23225f5ec76849f5";
const SVN_100: &str =
    "03fea02823189b25d0623a5c81f97c8ba4d2fbc48c914a55ce525f90454ddcec303743dac2fc013f0846912d1412f6df";

fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("ASSAY_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: set ASSAY_VECTORS to the folder of real evidence to run this test");
    }
    folder
}

/// The real endorsements of versions 22 and 100.
fn real() -> Option<(Vec<u8>, Vec<u8>)> {
    let folder = vectors()?.join("snp/milan");
    let old = std::fs::read(folder.join("sidecar-uvm-endorsement.cose")).unwrap();
    let text = std::fs::read_to_string(folder.join("sidecar-secctx-reference-info.b64")).unwrap();
    Some((old, base64::engine::general_purpose::STANDARD.decode(text.trim()).unwrap()))
}

fn measurement(hexadecimal: &str) -> [u8; 48] {
    hex::decode(hexadecimal).unwrap().try_into().unwrap()
}

/// Microsoft's issuers with another floor.
fn microsoft_from(minimum_svn: u64) -> TrustedIssuers {
    let issuers = TrustedIssuers::default().issuers().to_vec();
    TrustedIssuers::new(issuers.into_iter().map(|issuer| Issuer { minimum_svn, ..issuer }).collect())
}

fn judge(
    endorsement: &[u8],
    measured: &str,
    issuers: &TrustedIssuers,
    authorities: &[[u8; 32]],
    now: i64,
) -> (Report, Option<UvmClaims>) {
    let (report, claims) = verify_alone(&Input {
        endorsement,
        measurement: &measurement(measured),
        issuers,
        time_stamp_authorities: authorities,
        now: UnixTime(now),
    });
    // Every rule has an outcome, and there are claims if and only if nothing failed.
    for rule in RULES {
        assert!(report.checks().iter().any(|check| check.rule == *rule), "{} is silent", rule.id);
    }
    assert_eq!(claims.is_none(), report.has_failed());
    (report, claims)
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.errors().map(assay_verify::VerifyError::code).collect()
}

/// The outcome of a rule, and what was said of it.
fn outcome<'a>(report: &'a Report, rule: &str) -> (Outcome, &'a str) {
    let check = report.checks().iter().find(|check| check.rule.id == rule).unwrap();
    (check.outcome, &check.detail)
}

#[test]
fn real_endorsements_are_genuine_long_after_their_leaf_expired() {
    let Some((old, new)) = real() else { return };
    let issuers = TrustedIssuers::default();
    let (report, claims) = judge(&new, SVN_100, &issuers, MICROSOFT, NOW);
    assert_eq!(codes(&report), [""; 0], "{report:#?}");
    assert!(report.checks().iter().all(|check| check.outcome == Outcome::Pass), "{report:#?}");
    let claims = claims.unwrap();
    assert_eq!((claims.svn, claims.feed.as_str()), (100, "ContainerPlat-AMD-UVM"));
    assert_eq!(claims.measurement, measurement(SVN_100));
    assert_eq!(claims.status.as_deref(), Some("azure-compliant-uvm"));
    assert_eq!(claims.signed_at.unwrap().to_string(), "2023-04-20T23:48:39Z");
    assert_eq!(claims.signed_at_source, TimeSource::TimeStamp);
    let payload = serde_json::json!({
        "x-ms-sevsnpvm-guestsvn": "100",
        "x-ms-sevsnpvm-launchmeasurement": SVN_100,
    });
    assert_eq!(claims.payload, payload);

    let (report, _) = judge(&old, SVN_22, &issuers, MICROSOFT, NOW);
    assert_eq!(codes(&report), ["uvm-svn-too-low"]);
    let (_, claims) = judge(&old, SVN_22, &microsoft_from(22), MICROSOFT, NOW);
    assert_eq!(claims.unwrap().signed_at.unwrap().to_string(), "2023-02-08T05:42:23Z");
    assert_eq!(codes(&judge(&old, SVN_22, &microsoft_from(23), MICROSOFT, NOW).0), ["uvm-svn-too-low"]);
}

#[test]
fn real_endorsements_are_refused_for_another_image_issuer_or_time() {
    let Some((_, new)) = real() else { return };
    let issuers = TrustedIssuers::default();
    let (report, _) = judge(&new, SVN_22, &issuers, MICROSOFT, NOW);
    assert_eq!(codes(&report), ["uvm-measurement"]);
    let check = report.checks().iter().find(|check| check.rule.id == "uvm.measurement").unwrap();
    assert_eq!((check.expected.as_deref(), check.actual.as_deref()), (Some(SVN_22), Some(SVN_100)));
    let nobody = TrustedIssuers::new(Vec::new());
    assert_eq!(codes(&judge(&new, SVN_100, &nobody, MICROSOFT, NOW).0), ["uvm-issuer-untrusted"]);
    let mut kubernetes = TrustedIssuers::default().issuers().to_vec();
    kubernetes.retain(|issuer| issuer.feed == "ConfAKS-AMD-UVM");
    kubernetes[0].feed = "ContainerPlat-AMD-UVM".to_owned();
    let other_name = TrustedIssuers::new(kubernetes);
    assert_eq!(codes(&judge(&new, SVN_100, &other_name, MICROSOFT, NOW).0), ["uvm-issuer-untrusted"]);
    // Before it was signed, and a second before and at the time-stamp.
    assert_eq!(codes(&judge(&new, SVN_100, &issuers, MICROSOFT, 1_682_034_517).0), ["uvm-signed-in-future"]);
    let (report, claims) = judge(&new, SVN_100, &issuers, MICROSOFT, 1_682_034_518);
    assert_eq!(claims.unwrap().signed_at_source, TimeSource::Signer, "{report:#?}");
    let (_, claims) = judge(&new, SVN_100, &issuers, MICROSOFT, 1_682_034_519);
    assert_eq!(claims.unwrap().signed_at_source, TimeSource::TimeStamp);
}

#[test]
fn a_time_stamp_of_an_unknown_authority_leaves_the_signers_word() {
    let Some((_, new)) = real() else { return };
    let (report, claims) = judge(&new, SVN_100, &TrustedIssuers::default(), &[[0; 32]], NOW);
    let claims = claims.unwrap();
    assert_eq!(claims.signed_at_source, TimeSource::Signer);
    assert_eq!(claims.signed_at, Some(UnixTime(1_682_034_518)));
    let (outcome, detail) = outcome(&report, "uvm.time-stamp");
    assert_eq!(outcome, Outcome::Warn);
    assert!(detail.contains("authority is not known"), "{detail}");
}

/// What a simulated signer is judged by.
fn simulated(signer: &UvmSigner) -> (TrustedIssuers, [[u8; 32]; 1]) {
    let issuer = Issuer {
        did: signer.did(),
        feed: signer.feed().to_owned(),
        minimum_svn: 100,
        status: "simulated".to_owned(),
        origin: AnchorOrigin::Simulated,
    };
    (TrustedIssuers::default().with(issuer), [signer.time_stamp_authority()])
}

const MEASURED: &str =
    "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";

fn spec() -> EndorsementSpec {
    EndorsementSpec::new(measurement(MEASURED), 100)
}

#[test]
fn simulated_endorsements_of_every_form_and_algorithm_are_genuine() {
    let signer = UvmSigner::generate(NOW).unwrap();
    let (issuers, authorities) = simulated(&signer);
    for form in [Form::Legacy, Form::Cwt] {
        for algorithm in Algorithm::ALL {
            for standard_header in [false, true] {
                let spec = EndorsementSpec { form, algorithm, standard_header, ..spec() };
                let endorsement = signer.endorsement(&spec, NOW).unwrap();
                // Long after, when every leaf has expired.
                let later = NOW + 5 * 365 * 86_400;
                let (report, claims) = judge(&endorsement, MEASURED, &issuers, &authorities, later);
                assert!(report.checks().iter().all(|check| check.outcome == Outcome::Pass), "{report:#?}");
                let claims = claims.unwrap();
                assert_eq!((claims.svn, claims.measurement), (100, measurement(MEASURED)));
                assert_eq!((&claims.issuer, claims.feed.as_str()), (&signer.did(), signer.feed()));
                assert_eq!(claims.signed_at_source, TimeSource::TimeStamp);
                assert_eq!(claims.signed_at, Some(UnixTime(NOW)));
                assert_eq!(claims.status.as_deref(), Some("simulated"));
                let payload = serde_json::json!({
                    "x-ms-sevsnpvm-guestsvn": "100",
                    "x-ms-sevsnpvm-launchmeasurement": MEASURED,
                });
                assert_eq!(claims.payload, payload);
            }
        }
    }
}

/// Encoding the header again would make other bytes of it, over which the signature is not valid.
#[test]
fn what_is_signed_is_the_protected_header_as_received() {
    let signer = UvmSigner::generate(NOW).unwrap();
    let (issuers, authorities) = simulated(&signer);
    for form in [Form::Legacy, Form::Cwt] {
        let spec = EndorsementSpec { form, indefinite_length: true, ..spec() };
        let endorsement = signer.endorsement(&spec, NOW).unwrap();
        let (report, _) = judge(&endorsement, MEASURED, &issuers, &authorities, NOW);
        assert_eq!(codes(&report), [""; 0]);
        let reencoded = signer.broken(Defect::Reencoded, &spec, NOW).unwrap();
        assert_eq!(codes(&judge(&reencoded, MEASURED, &issuers, &authorities, NOW).0), ["uvm-signature"]);
    }
}

#[test]
fn without_a_time_stamp_the_signers_word_decides_on_dates() {
    let signer = UvmSigner::generate(NOW).unwrap();
    let (issuers, authorities) = simulated(&signer);
    for form in [Form::Legacy, Form::Cwt] {
        let spec = EndorsementSpec { form, time_stamped: false, ..spec() };
        let endorsement = signer.endorsement(&spec, NOW).unwrap();
        let later = NOW + 5 * 365 * 86_400;
        let (report, claims) = judge(&endorsement, MEASURED, &issuers, &authorities, later);
        let claims = claims.unwrap();
        assert_eq!((claims.signed_at, claims.signed_at_source), (Some(UnixTime(NOW)), TimeSource::Signer));
        let said = "there is no time-stamp; the time of signing is the signer's own word";
        assert_eq!(outcome(&report, "uvm.time-stamp"), (Outcome::Warn, said));
        // The word of a signer whose certificate had not begun or had ended.
        for (shift, code) in [(-3, "uvm-certificate-not-yet-valid"), (366, "uvm-certificate-expired")] {
            let spec = EndorsementSpec { signed_at: Some(NOW + shift * 86_400), ..spec.clone() };
            let endorsement = signer.endorsement(&spec, NOW).unwrap();
            let (report, _) = judge(&endorsement, MEASURED, &issuers, &authorities, later);
            let mut found = codes(&report);
            found.dedup();
            assert_eq!(found, [code], "{form:?} {shift}");
        }
    }
}

#[test]
fn each_policy_of_the_issuers_name_must_hold() {
    let signer = UvmSigner::generate(NOW).unwrap();
    let (issuers, authorities) = simulated(&signer);
    let cases: [(&str, &[&str]); 21] = [
        ("subject:C:US:O:Assay", &[]),
        ("subject:CN:Assay%20Simulated%20ContainerPlat", &[]),
        ("subject:2.5.4.10:Assay", &[]),
        ("subject:C:US::eku:1.3.6.1.4.1.311.76.59.1.1", &[]),
        ("san:email:signer%40example.com", &[]),
        ("san:dns:example.com", &[]),
        ("san:uri:https%3A%2F%2Fexample.com%2fsigner", &[]),
        ("fulcio-issuer:accounts.example.com::san:dns:example.com", &[]),
        ("subject:O:assay", &["uvm-did-policy"]),
        ("subject:OU:Assay", &["uvm-did-policy"]),
        ("subject:O", &["uvm-did-policy"]),
        ("subject:moon:full", &["uvm-did-policy"]),
        ("subject:O:Assay:C", &["uvm-did-policy"]),
        ("san:dns:EXAMPLE.com", &["uvm-did-policy"]),
        ("san:email:example.com", &["uvm-did-policy"]),
        ("san:dn:example.com", &["uvm-did-policy"]),
        ("san:dns:example.com:moon", &["uvm-did-policy"]),
        ("fulcio-issuer:example.com", &["uvm-did-policy"]),
        ("fulcio-issuer:https%3A%2F%2Faccounts.example.com", &["uvm-did-policy"]),
        ("eku:1.3.6.1.4.1.311.76.59.1.02", &["uvm-did-policy"]),
        ("eku:1.2.3::san:dns:moon::moon:1", &["uvm-did-policy", "uvm-did-policy", "uvm-did-policy-unknown"]),
    ];
    for (policies, errors) in cases {
        let endorsement = signer
            .endorsement(&EndorsementSpec { policies: Some(policies.to_owned()), ..spec() }, NOW)
            .unwrap();
        let did = signer.did().split_once("::").unwrap().0.to_owned() + "::" + policies;
        let issuer = Issuer { did, ..issuers.issuers()[2].clone() };
        let (report, _) =
            judge(&endorsement, MEASURED, &TrustedIssuers::new(vec![issuer]), &authorities, NOW);
        assert_eq!(codes(&report), errors, "{policies}");
    }
}

/// One must-reject case: the defect, every error it gives, the rule that reports the first one, and the file (from
/// `crates/verify/src`) and line that implement the refusal.
type Row = (Defect, &'static [&'static str], &'static str, &'static str, &'static str);

#[rustfmt::skip]
const MUTATIONS: &[Row] = &[
    (Defect::LeafSignature, &["uvm-certificate-signature"], "uvm.chain", "uvm/chain.rs", "UvmError::CertificateSignature { index:"),
    (Defect::CaSignature, &["uvm-certificate-signature"], "uvm.chain", "uvm/chain.rs", "UvmError::CertificateSignature { index:"),
    (Defect::LeafIssuerName, &["uvm-certificate-issuer"], "uvm.chain", "uvm/chain.rs", "UvmError::CertificateIssuer { index }"),
    (Defect::LeafIsCa, &["uvm-certificate-constraints"], "uvm.chain", "uvm/chain.rs", r#"constraint("it is a CA")"#),
    (Defect::LeafKeyUsage, &["uvm-certificate-constraints"], "uvm.chain", "uvm/chain.rs", r#"constraint("its key may not sign documents")"#),
    (Defect::LeafWithoutKeyUsage, &["uvm-certificate-constraints"], "uvm.chain", "uvm/chain.rs", r#"constraint("its key may not sign documents")"#),
    (Defect::CaIsNoCa, &["uvm-certificate-constraints"], "uvm.chain", "uvm/chain.rs", r#"problems.push("it is not a CA")"#),
    (Defect::CaKeyUsage, &["uvm-certificate-constraints"], "uvm.chain", "uvm/chain.rs", r#"problems.push("its key may not sign certificates")"#),
    (Defect::PathLength, &["uvm-certificate-constraints"], "uvm.chain", "uvm/chain.rs", "usize::from(most) < below"),
    (Defect::LeafCriticalExtension, &["uvm-critical-extension"], "uvm.chain", "uvm/chain.rs", "Some(UvmError::CriticalExtension"),
    (Defect::CaCriticalExtension, &["uvm-critical-extension"], "uvm.chain", "uvm/chain.rs", "Some(UvmError::CriticalExtension"),
    (Defect::ChainMissing, &["uvm-chain-malformed"], "uvm.chain", "uvm/chain.rs", "there is none in the protected header"),
    (Defect::ChainUnprotected, &["uvm-chain-malformed"], "uvm.chain", "uvm/chain.rs", "there is none in the protected header"),
    (Defect::ChainText, &["uvm-chain-malformed"], "uvm.chain", "uvm/chain.rs", "it is no list of byte strings"),
    (Defect::ChainOfText, &["uvm-chain-malformed"], "uvm.chain", "uvm/chain.rs", "a certificate is no byte string"),
    (Defect::ChainLeafAlone, &["uvm-chain-length"], "uvm.chain", "uvm/chain.rs", "Err(UvmError::ChainLength"),
    (Defect::ChainSingle, &["uvm-chain-length"], "uvm.chain", "uvm/chain.rs", "Err(UvmError::ChainLength"),
    (Defect::ChainLong, &["uvm-chain-length"], "uvm.chain", "uvm/chain.rs", "Err(UvmError::ChainLength"),
    (Defect::ChainGarbage, &["uvm-certificate-malformed"], "uvm.chain", "uvm/chain.rs", "UvmError::CertificateMalformed"),
    (Defect::LeafLarge, &["uvm-certificate-malformed"], "uvm.chain", "uvm/chain.rs", "Err(CERTIFICATE_TOO_LARGE)"),
    (Defect::ThumbprintOfOther, &["uvm-thumbprint"], "uvm.chain", "uvm/chain.rs", "problems.push(UvmError::Thumbprint)"),
    (Defect::ThumbprintHash, &["uvm-thumbprint"], "uvm.chain", "uvm/chain.rs", "problems.push(UvmError::Thumbprint)"),
    (Defect::LeafExpired, &["uvm-certificate-expired"], "uvm.dates", "uvm/chain.rs", "Some(UvmError::CertificateExpired"),
    (Defect::CaExpired, &["uvm-certificate-expired"], "uvm.dates", "uvm/chain.rs", "Some(UvmError::CertificateExpired"),
    (Defect::LeafNotYetValid, &["uvm-certificate-not-yet-valid"], "uvm.dates", "uvm/chain.rs", "Some(UvmError::CertificateNotYetValid"),
    (Defect::SignedInFuture, &["uvm-signed-in-future"], "uvm.dates", "uvm/mod.rs", "UvmError::SignedInFuture"),
    (Defect::CwtSignedInFuture, &["uvm-signed-in-future"], "uvm.dates", "uvm/mod.rs", "UvmError::SignedInFuture"),
    (Defect::OtherPurpose, &["uvm-did-policy"], "uvm.did", "uvm/did.rs", "Some(UvmError::DidPolicy { policy })"),
    (Defect::PurposesMany, &["uvm-did-policy"], "uvm.did", "uvm/did.rs", "items.len() < MAX_ITEMS"),
    (Defect::NoPurpose, &["uvm-did-policy"], "uvm.did", "uvm/did.rs", "Some(UvmError::DidPolicy { policy })"),
    (Defect::OtherRoot, &["uvm-did-fingerprint"], "uvm.did", "uvm/did.rs", "problems.push(UvmError::DidFingerprint)"),
    (Defect::ChainWithoutRoot, &["uvm-did-fingerprint"], "uvm.did", "uvm/did.rs", "problems.push(UvmError::DidFingerprint)"),
    (Defect::FingerprintOfLeaf, &["uvm-did-fingerprint", "uvm-issuer-untrusted"], "uvm.did", "uvm/did.rs", "problems.push(UvmError::DidFingerprint)"),
    (Defect::PolicyUnknown, &["uvm-did-policy-unknown", "uvm-issuer-untrusted"], "uvm.did", "uvm/did.rs", "UvmError::DidPolicyUnknown"),
    (Defect::PolicySubjectTwice, &["uvm-did-policy", "uvm-issuer-untrusted"], "uvm.did", "uvm/did.rs", "if seen.contains(&id)"),
    (Defect::PolicySubject, &["uvm-did-policy", "uvm-issuer-untrusted"], "uvm.did", "uvm/did.rs", "Some(UvmError::DidPolicy { policy })"),
    (Defect::PolicySan, &["uvm-did-policy", "uvm-issuer-untrusted"], "uvm.did", "uvm/did.rs", "Some(UvmError::DidPolicy { policy })"),
    (Defect::PolicyFulcio, &["uvm-did-policy", "uvm-issuer-untrusted"], "uvm.did", "uvm/did.rs", "Some(UvmError::DidPolicy { policy })"),
    (Defect::PolicySecond, &["uvm-did-policy", "uvm-issuer-untrusted"], "uvm.did", "uvm/did.rs", "Some(UvmError::DidPolicy { policy })"),
    (Defect::PolicyNone, &["uvm-did-malformed", "uvm-issuer-untrusted"], "uvm.did", "uvm/did.rs", r#"Err("it has no policy")"#),
    (Defect::DidVersion, &["uvm-did-malformed", "uvm-issuer-untrusted"], "uvm.did", "uvm/did.rs", r#"ok_or("its version is not 0")"#),
    (Defect::DidHash, &["uvm-did-malformed", "uvm-issuer-untrusted"], "uvm.did", "uvm/did.rs", r#"ok_or("its fingerprint's hash is not known")"#),
    (Defect::DidMethod, &["uvm-did-malformed", "uvm-issuer-untrusted"], "uvm.did", "uvm/did.rs", r#"ok_or("it does not begin with `did:x509:`")"#),
    (Defect::PoliciesMany, &["uvm-did-malformed", "uvm-issuer-untrusted"], "uvm.did", "uvm/did.rs", r#"return Err("it has too many policies")"#),
    (Defect::DidLong, &["uvm-did-malformed", "uvm-issuer-untrusted"], "uvm.did", "uvm/did.rs", r#"Err("it is too long")"#),
    (Defect::SelfMade, &["uvm-issuer-untrusted"], "uvm.issuer", "uvm/mod.rs", "issuers::untrusted("),
    (Defect::FeedOther, &["uvm-issuer-untrusted"], "uvm.issuer", "uvm/mod.rs", "issuers::untrusted("),
    (Defect::AlgorithmPkcs1, &["uvm-algorithm"], "uvm.cose", "uvm/cose.rs", "Err(UvmError::Algorithm"),
    (Defect::AlgorithmEs512, &["uvm-algorithm"], "uvm.cose", "uvm/cose.rs", "Err(UvmError::Algorithm"),
    (Defect::AlgorithmMissing, &["uvm-algorithm"], "uvm.cose", "uvm/cose.rs", "Err(UvmError::Algorithm"),
    (Defect::AlgorithmUnprotected, &["uvm-algorithm"], "uvm.cose", "uvm/cose.rs", "Err(UvmError::Algorithm"),
    (Defect::CriticalHeader, &["uvm-critical-header"], "uvm.cose", "uvm/cose.rs", "problems.push(UvmError::CriticalHeader)"),
    (Defect::DuplicateLabel, &["uvm-duplicate-label"], "uvm.cose", "uvm/cose.rs", "CoseError::DuplicateMapKey =>"),
    (Defect::LabelInBoth, &["uvm-duplicate-label"], "uvm.cose", "uvm/cose.rs", "problems.push(UvmError::DuplicateLabel)"),
    (Defect::HeadersMany, &["uvm-cose-malformed"], "uvm.cose", "uvm/cose.rs", "it has too many headers"),
    (Defect::CounterSigned, &["uvm-cose-malformed"], "uvm.cose", "uvm/cose.rs", "it has a counter-signature"),
    (Defect::CounterSignedUnprotected, &["uvm-cose-malformed"], "uvm.cose", "uvm/cose.rs", "it has a counter-signature"),
    (Defect::Detached, &["uvm-payload-detached"], "uvm.cose", "uvm/cose.rs", "problems.push(UvmError::Detached)"),
    (Defect::PayloadText, &["uvm-cose-malformed"], "uvm.cose", "uvm/cose.rs", "a part of it is not of the kind"),
    (Defect::TagOther, &["uvm-cose-malformed"], "uvm.cose", "uvm/cose.rs", "a part of it is not of the kind"),
    (Defect::TaggedTwice, &["uvm-cose-malformed"], "uvm.cose", "uvm/cose.rs", "a part of it is not of the kind"),
    (Defect::Trailing, &["uvm-cose-malformed"], "uvm.cose", "uvm/cose.rs", "something stands after it"),
    (Defect::Truncated, &["uvm-cose-malformed"], "uvm.cose", "uvm/cose.rs", "it is not CBOR"),
    (Defect::Empty, &["uvm-cose-malformed"], "uvm.cose", "uvm/cose.rs", "it is not CBOR"),
    (Defect::NestingBomb, &["uvm-cose-malformed"], "uvm.cose", "uvm/cose.rs", "it has too many items"),
    (Defect::Oversize, &["uvm-too-large"], "uvm.cose", "uvm/cose.rs", "Err(UvmError::TooLarge"),
    (Defect::KeyOfOtherKind, &["uvm-key-type"], "uvm.signature", "uvm/signatures.rs", "_ => return Err(UvmError::KeyType)"),
    (Defect::KeyOnOtherCurve, &["uvm-key-type"], "uvm.signature", "uvm/signatures.rs", "_ => return Err(UvmError::KeyType)"),
    (Defect::SignedByOtherKey, &["uvm-signature"], "uvm.signature", "uvm/signatures.rs", "Err(UvmError::Signature)"),
    (Defect::SignedAsOther, &["uvm-signature"], "uvm.signature", "uvm/signatures.rs", "Err(UvmError::Signature)"),
    (Defect::SignedWithExternalData, &["uvm-signature"], "uvm.signature", "uvm/signatures.rs", "Err(UvmError::Signature)"),
    (Defect::Reencoded, &["uvm-signature"], "uvm.signature", "uvm/signatures.rs", "Err(UvmError::Signature)"),
    (Defect::PayloadChanged, &["uvm-signature"], "uvm.signature", "uvm/signatures.rs", "Err(UvmError::Signature)"),
    (Defect::SignatureBit, &["uvm-signature"], "uvm.signature", "uvm/signatures.rs", "Err(UvmError::Signature)"),
    (Defect::SignatureEmpty, &["uvm-signature"], "uvm.signature", "uvm/signatures.rs", "Err(UvmError::Signature)"),
    (Defect::SignatureZero, &["uvm-signature"], "uvm.signature", "uvm/signatures.rs", "Err(UvmError::Signature)"),
    (Defect::SignatureLong, &["uvm-signature"], "uvm.signature", "uvm/signatures.rs", "Err(UvmError::Signature)"),
    (Defect::BothForms, &["uvm-both-forms"], "uvm.content", "uvm/content.rs", "vec![UvmError::BothForms]"),
    (Defect::IssuerMissing, &["uvm-content"], "uvm.content", "uvm/content.rs", r#""there is no `iss`""#),
    (Defect::IssuerNoText, &["uvm-content"], "uvm.content", "uvm/content.rs", r#""there is no `iss`""#),
    (Defect::FeedMissing, &["uvm-content"], "uvm.content", "uvm/content.rs", r#""there is no `feed`""#),
    (Defect::TimeUntagged, &["uvm-content"], "uvm.content", "uvm/content.rs", r#"Some(_) => return Err("`signingtime`"#),
    (Defect::TimeText, &["uvm-content"], "uvm.content", "uvm/content.rs", r#"Some(seconds(value).ok_or("`signingtime`"#),
    (Defect::ContentType, &["uvm-content"], "uvm.content", "uvm/content.rs", "its content type is not"),
    (Defect::ContentTypeMissing, &["uvm-content"], "uvm.content", "uvm/content.rs", "its content type is not"),
    (Defect::JsonBroken, &["uvm-content"], "uvm.content", "uvm/content.rs", "assay_json::parse("),
    (Defect::JsonLarge, &["uvm-content"], "uvm.content", "uvm/content.rs", "assay_json::parse("),
    (Defect::JsonDuplicate, &["uvm-content"], "uvm.content", "uvm/content.rs", "assay_json::parse("),
    (Defect::JsonArray, &["uvm-content"], "uvm.content", "uvm/content.rs", "is no security version"),
    (Defect::SvnMissing, &["uvm-content"], "uvm.content", "uvm/content.rs", "is no security version"),
    (Defect::SvnSigned, &["uvm-content"], "uvm.content", "uvm/content.rs", "is no security version"),
    (Defect::SvnNegative, &["uvm-content"], "uvm.content", "uvm/content.rs", "is no security version"),
    (Defect::SvnFraction, &["uvm-content"], "uvm.content", "uvm/content.rs", "is no security version"),
    (Defect::SvnEmpty, &["uvm-content"], "uvm.content", "uvm/content.rs", "is no security version"),
    (Defect::SvnLarge, &["uvm-content"], "uvm.content", "uvm/content.rs", "is no security version"),
    (Defect::SvnTwo, &["uvm-content"], "uvm.content", "uvm/content.rs", r#"is not `{SVN}`""#),
    (Defect::MeasurementLong, &["uvm-content"], "uvm.content", "uvm/content.rs", "is not 48 bytes in hexadecimal"),
    (Defect::MeasurementNoHex, &["uvm-content"], "uvm.content", "uvm/content.rs", "is not 48 bytes in hexadecimal"),
    (Defect::MeasurementMissing, &["uvm-content"], "uvm.content", "uvm/content.rs", "is not 48 bytes in hexadecimal"),
    (Defect::CwtTwice, &["uvm-content"], "uvm.content", "uvm/content.rs", "a CWT claim stands there twice"),
    (Defect::CwtMany, &["uvm-content"], "uvm.content", "uvm/content.rs", "there are too many CWT claims"),
    (Defect::CwtIssuerMissing, &["uvm-content"], "uvm.content", "uvm/content.rs", "there is no CWT claim `iss`"),
    (Defect::CwtSubjectMissing, &["uvm-content"], "uvm.content", "uvm/content.rs", "there is no CWT claim `sub`"),
    (Defect::CwtTimeFraction, &["uvm-content"], "uvm.content", "uvm/content.rs", "the CWT claim `iat` is no time"),
    (Defect::CwtSvnMissing, &["uvm-content"], "uvm.content", "uvm/content.rs", "there is no CWT claim `svn`"),
    (Defect::CwtSvnNegative, &["uvm-content"], "uvm.content", "uvm/content.rs", "there is no CWT claim `svn`"),
    (Defect::CwtSvnText, &["uvm-content"], "uvm.content", "uvm/content.rs", "there is no CWT claim `svn`"),
    (Defect::CwtPayloadShort, &["uvm-content"], "uvm.content", "uvm/content.rs", "its payload is not a measurement of 48 bytes"),
    (Defect::CwtPreimageType, &["uvm-content"], "uvm.content", "uvm/content.rs", "its preimage content type is not"),
    (Defect::CwtPreimageMissing, &["uvm-content"], "uvm.content", "uvm/content.rs", "its preimage content type is not"),
    (Defect::CwtHash, &["uvm-content"], "uvm.content", "uvm/content.rs", "its payload is not a SHA-384 hash"),
    (Defect::CwtNoMap, &["uvm-content", "uvm-content"], "uvm.content", "uvm/content.rs", "the CWT claims are not a map"),
    (Defect::SvnZero, &["uvm-svn-too-low"], "uvm.svn", "uvm/mod.rs", "UvmError::SvnTooLow"),
    (Defect::CwtSvnZero, &["uvm-svn-too-low"], "uvm.svn", "uvm/mod.rs", "UvmError::SvnTooLow"),
    (Defect::MeasurementOther, &["uvm-measurement"], "uvm.measurement", "uvm/mod.rs", "UvmError::Measurement"),
    (Defect::CwtMeasurementOther, &["uvm-measurement"], "uvm.measurement", "uvm/mod.rs", "UvmError::Measurement"),
];

/// Defects of the time-stamp, which could as well be left out: what the warning says.
#[rustfmt::skip]
const WARNINGS: &[(Defect, &str)] = &[
    (Defect::StampOfOther, "is for another signature"),
    (Defect::StampFuture, "its time is after the time of verification"),
    (Defect::StampVersion, "its statement has a version that is not known"),
    (Defect::StampImprintHash, "its imprint is made with a hash that is not accepted"),
    (Defect::StampExtensions, "its statement has extensions"),
    (Defect::StampAuthority, "its signer's authority is not known"),
    (Defect::StampServiceSignature, "its signer's authority is not known"),
    (Defect::StampAuthorityNoCa, "an authority of its signer may not issue certificates"),
    (Defect::StampNoPurpose, "its signer's certificate is not for time-stamps alone"),
    (Defect::StampMorePurposes, "its signer's certificate is not for time-stamps alone"),
    (Defect::StampKeyUsage, "its signer's key may not sign documents"),
    (Defect::StampCritical, "a certificate of its chain has a critical extension that is not known"),
    (Defect::StampServiceExpired, "a certificate of its chain was not valid at its time"),
    (Defect::StampAuthorityExpired, "a certificate of its chain was not valid at its time"),
    (Defect::StampEcdsa, "its signer's key is no RSA key"),
    (Defect::StampOtherKey, "its signature is not valid"),
    (Defect::StampSignature, "its signature is not valid"),
    (Defect::StampDigest, "its signer signed another statement"),
    (Defect::StampContentType, "its signer did not sign the kind of its content"),
    (Defect::StampCertificate, "its signer named another certificate"),
    (Defect::StampCertificateSha1, "it names its signer's certificate by a SHA-1 hash"),
    (Defect::StampNoCertificates, "it does not carry its signer's certificate"),
    (Defect::StampNoAttributes, "it has no signed attributes"),
    (Defect::StampTwoSigners, "it does not have exactly one signer"),
    (Defect::StampNoSigner, "it does not have exactly one signer"),
    (Defect::StampTrailing, "it is not CMS signed data"),
    (Defect::StampText, "it is no byte string"),
    (Defect::StampEmpty, "it is not CMS signed data"),
];

#[test]
fn each_mutation_fails_with_exactly_its_errors_and_rule() {
    let signer = UvmSigner::generate(NOW).unwrap();
    let (issuers, authorities) = simulated(&signer);
    for form in [Form::Legacy, Form::Cwt] {
        for (defect, errors, rule, ..) in MUTATIONS {
            // What stands there in white space of the older form is the measurement in the newer one.
            if form == Form::Cwt && *defect == Defect::PayloadChanged {
                continue;
            }
            let endorsement = signer.broken(*defect, &EndorsementSpec { form, ..spec() }, NOW).unwrap();
            let (report, claims) = judge(&endorsement, MEASURED, &issuers, &authorities, NOW);
            assert!(claims.is_none(), "{defect} of {form:?} is accepted");
            assert_eq!(codes(&report), *errors, "{defect} of {form:?}");
            let first = report.checks().iter().find(|check| check.error.is_some());
            assert_eq!(first.unwrap().rule.id, *rule, "{defect}");
        }
    }
}

#[test]
fn each_broken_time_stamp_leaves_the_signers_word_and_a_warning() {
    let signer = UvmSigner::generate(NOW).unwrap();
    let (issuers, authorities) = simulated(&signer);
    for (defect, problem) in WARNINGS {
        assert!(defect.is_of_time_stamp());
        let endorsement = signer.broken(*defect, &spec(), NOW).unwrap();
        let (report, claims) = judge(&endorsement, MEASURED, &issuers, &authorities, NOW);
        assert_eq!(claims.unwrap().signed_at_source, TimeSource::Signer, "{defect}");
        let (outcome, detail) = outcome(&report, "uvm.time-stamp");
        assert_eq!(outcome, Outcome::Warn, "{defect}");
        assert!(detail.contains(problem), "{defect}: {detail}");
    }
}

#[test]
fn the_tables_have_every_defect_once() {
    for defect in Defect::ALL {
        let warned = WARNINGS.iter().filter(|row| row.0 == *defect).count();
        let refused = MUTATIONS.iter().filter(|row| row.0 == *defect).count();
        assert_eq!((refused, warned), if defect.is_of_time_stamp() { (0, 1) } else { (1, 0) }, "{defect}");
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

/// Where a part stands in the whole.
fn position(whole: &[u8], part: &[u8]) -> usize {
    whole.windows(part.len()).position(|window| window == part).unwrap()
}

#[test]
fn each_byte_of_a_real_endorsement_counts_but_for_the_time_stamp() {
    let Some((_, real)) = real() else { return };
    let issuers = TrustedIssuers::default();
    let (_, good) = judge(&real, SVN_100, &issuers, MICROSOFT, NOW);
    let good = good.unwrap();
    // The map with its one header, up to the head of the payload's byte string.
    let unprotected = position(&real, b"\xa1\x69timestamp")..position(&real, b"{\n") - 2;
    let mut harmless = 0;
    for at in 0..real.len() {
        let mut flipped = real.clone();
        flipped[at] ^= 1 << (at % 8);
        let (report, claims) = judge(&flipped, SVN_100, &issuers, MICROSOFT, NOW);
        let Some(claims) = claims else { continue };
        assert!(unprotected.contains(&at), "the flip of byte {at} is accepted");
        harmless += 1;
        // Either the token still stands, or the signer's word is in its place, with a warning.
        let (outcome, _) = outcome(&report, "uvm.time-stamp");
        let stamped = claims.signed_at_source == TimeSource::TimeStamp;
        assert_eq!(outcome, if stamped { Outcome::Pass } else { Outcome::Warn }, "byte {at}");
        let expected = UvmClaims {
            signed_at: if stamped { good.signed_at } else { Some(UnixTime(1_682_034_518)) },
            signed_at_source: claims.signed_at_source,
            ..good.clone()
        };
        assert_eq!(claims, expected, "byte {at}");
    }
    assert!(harmless > 5000, "{harmless}");
}

#[test]
fn each_prefix_of_a_real_endorsement_is_refused() {
    let Some((real, _)) = real() else { return };
    for length in (0..real.len()).step_by(7) {
        let (_, claims) = judge(&real[..length], SVN_22, &microsoft_from(1), MICROSOFT, NOW);
        assert!(claims.is_none(), "{length} bytes are accepted");
    }
}

proptest::proptest! {
    #[test]
    fn random_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(0_u8.., 0..400)) {
        let issuers = TrustedIssuers::default();
        proptest::prop_assert!(judge(&bytes, SVN_100, &issuers, MICROSOFT, NOW).1.is_none());
        // As the parts of a message: both headers, payload and signature.
        let part = u8::try_from(bytes.len() % 24).unwrap();
        let message = [&[0x84, 0x40 | part][..], &bytes].concat();
        proptest::prop_assert!(judge(&message, SVN_100, &issuers, MICROSOFT, NOW).1.is_none());
    }

    #[test]
    fn random_changes_never_panic_and_change_no_claim(
        changes in proptest::collection::vec((0_usize.., 0_u8..), 1..8), form in proptest::bool::ANY,
    ) {
        static SIGNER: std::sync::LazyLock<(UvmSigner, [Vec<u8>; 2])> = std::sync::LazyLock::new(|| {
            let signer = UvmSigner::generate(NOW).unwrap();
            let made = [Form::Legacy, Form::Cwt]
                .map(|form| signer.endorsement(&EndorsementSpec { form, ..spec() }, NOW).unwrap());
            (signer, made)
        });
        let (signer, made) = &*SIGNER;
        let (issuers, authorities) = simulated(signer);
        let mut bytes = made[usize::from(form)].clone();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let (_, claims) = judge(&bytes, MEASURED, &issuers, &authorities, NOW);
        if let Some(claims) = claims {
            proptest::prop_assert_eq!(claims.signed_at, Some(UnixTime(NOW)));
            proptest::prop_assert_eq!((claims.svn, claims.issuer), (100, signer.did()));
        }
    }
}
