//! How to break a good report of a paravisor, and the exact errors it must give.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod simulated;

use assay_silicon::amd::{ChipSpec, ReportSpec};
use assay_silicon::hcl::{Defect, HclSpec, broken, snp_report};
use assay_verify::hcl::Opened;
use assay_verify::snp::{Context, Crls, Requirements, VlekProviders};
use assay_verify::{AnchorOrigin, Binding, UnixTime};
use simulated::{Judge, NOW, codes, vendor};

/// Defect, errors, a rule that fails, the one line that implements the refusal.
type Mutation = (Defect, &'static [&'static str], &'static str, &'static str, &'static str);

#[rustfmt::skip]
const MUTATIONS: &[Mutation] = &[
    (Defect::SignatureWrong, &["bad-field"], "hcl.layout", "../../evidence/src/hcl.rs", "if *signature != SIGNATURE"),
    (Defect::ReportTypeUnknown, &["bad-field"], "hcl.layout", "../../evidence/src/hcl.rs", r#"field: "report type""#),
    // Read as a TDREPORT, which has its report data elsewhere.
    (Defect::ReportTypeTdx, &["hcl-claims-binding", "td-quote-missing"], "hcl.hardware", "hcl.rs", "HclError::TdQuoteMissing.into()"),
    (Defect::HashTypeUnknown, &["bad-field"], "hcl.layout", "../../evidence/src/hcl.rs", r#"field: "hash type""#),
    (Defect::HashTypeOther, &["hcl-claims-binding"], "hcl.claims-binding", "hcl.rs", "Err(HclError::ClaimsBinding.into())"),
    (Defect::ClaimsNotBound, &["hcl-claims-binding"], "hcl.claims-binding", "hcl.rs", "Err(HclError::ClaimsBinding.into())"),
    (Defect::ClaimsChanged, &["hcl-claims-binding"], "hcl.claims-binding", "hcl.rs", "Err(HclError::ClaimsBinding.into())"),
    (Defect::ReportDataTail, &["hcl-claims-binding"], "hcl.claims-binding", "hcl.rs", "Err(HclError::ClaimsBinding.into())"),
    (Defect::DataSizeWrong, &["bad-length"], "hcl.layout", "../../evidence/src/hcl.rs", "if data_size != expected"),
    (Defect::ClaimsSizeBeyondEnd, &["evidence-truncated"], "hcl.layout", "../../evidence/src/hcl.rs", r#"cursor.slice(size, "runtime claims")"#),
    (Defect::PaddingNotZero, &["trailing-data"], "hcl.layout", "../../evidence/src/hcl.rs", "rest.iter().all(|byte| *byte == 0)"),
    (Defect::ClaimsNotJson, &["hcl-claims-not-json"], "hcl.claims", "hcl.rs", "HclError::ClaimsNotJson { problem: error.to_string() }"),
    (Defect::ClaimsWithoutAttestationKey, &["hcl-attestation-key"], "hcl.attestation-key", "hcl.rs", r#"ok_or("it is missing")"#),
    (Defect::ClaimsTwoAttestationKeys, &["hcl-attestation-key"], "hcl.attestation-key", "hcl.rs", r#"Err("it occurs twice")"#),
    (Defect::AttestationKeyNotRsa, &["hcl-attestation-key"], "hcl.attestation-key", "hcl.rs", r#"Err("it is not an RSA key")"#),
    (Defect::ClaimsDuplicateMember, &["hcl-claims-not-json"], "hcl.claims", "hcl.rs", "HclError::ClaimsNotJson { problem: error.to_string() }"),
    (Defect::Truncated, &["evidence-truncated"], "hcl.layout", "../../evidence/src/hcl.rs", r#"cursor.slice(size, "runtime claims")"#),
    (Defect::Empty, &["evidence-truncated"], "hcl.layout", "../../evidence/src/hcl.rs", r#"cursor.array::<4>("HCL signature")"#),
];

#[test]
fn each_mutation_fails_with_exactly_its_errors() {
    let mut amd = vendor();
    let judge = Judge::of(&amd);
    let chip = amd.chip(&ChipSpec::default(), NOW).unwrap();
    let certificates = [vec![chip.vek().to_vec()], chip.chain().to_vec()].concat();
    let requirements = Requirements {
        crls: Crls::NotGiven,
        vlek_providers: VlekProviders::Warn(&[]),
        image_issuers: &judge.issuers,
        time_stamp_authorities: &[],
    };
    let context = Context { anchors: &judge.anchors, now: UnixTime(NOW), requirements };
    let verify = |report: &[u8]| {
        let opened = Opened::new(report, &certificates, &judge.anchors, &judge.cache);
        opened.verify(None, &Binding::default(), &context)
    };
    let good = snp_report(&chip, &ReportSpec::default(), &HclSpec::default()).unwrap();
    let good = verify(&good);
    assert_eq!(codes(&good), Vec::<&str>::new());
    let key = good.claims.unwrap().vtpm_key().unwrap();
    assert_eq!((key.modulus.len(), key.origin()), (256, AnchorOrigin::Simulated));
    for (defect, errors, rule, ..) in MUTATIONS {
        let report = broken(*defect, &chip, &ReportSpec::default(), &HclSpec::default()).unwrap();
        let verification = verify(&report);
        assert!(verification.claims.is_none(), "{defect} is accepted");
        assert_eq!(codes(&verification), *errors, "{defect}");
        let mut failed = verification.report.checks().iter().filter(|check| check.error.is_some());
        assert!(failed.any(|check| check.rule.id == *rule), "{defect}: {rule}");
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
    for (defect, .., file, text) in MUTATIONS {
        let source = std::fs::read_to_string(sources.join(file)).unwrap();
        let lines = source.lines().filter(|line| line.contains(text)).count();
        assert_eq!(lines, 1, "{defect}: `{text}` stands on {lines} lines of {file}");
    }
}
