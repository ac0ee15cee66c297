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

use assay_verify::uvm::{
    Input, Issuer, MICROSOFT_TIME_STAMP_PCA_2010, RULES, TimeSource, TrustedIssuers, UvmClaims, verify_alone,
};
use assay_verify::{Outcome, Report, UnixTime};
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
