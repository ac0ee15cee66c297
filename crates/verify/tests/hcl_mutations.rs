//! How to break a good report of a paravisor, and the exact errors it must give.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod simulated;

use assay_silicon::amd::{Chip, ChipSpec, ReportSpec};
use assay_silicon::hcl::{Defect, HclSpec, broken, snp_report};
use assay_verify::hcl::{Opened, RULES};
use assay_verify::snp::{Context, Crls, Requirements, Verification, VlekProviders};
use assay_verify::{AnchorOrigin, Binding, Outcome, UnixTime};
use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
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

/// A simulated machine, and who judges what it says.
struct Machine {
    judge: Judge,
    chip: Chip,
    certificates: Vec<Vec<u8>>,
}

impl Machine {
    fn new() -> Self {
        let mut amd = vendor();
        let judge = Judge::of(&amd);
        let chip = amd.chip(&ChipSpec::default(), NOW).unwrap();
        let certificates = [vec![chip.vek().to_vec()], chip.chain().to_vec()].concat();
        Self { judge, chip, certificates }
    }

    fn verify(&self, report: &[u8], binding: &Binding<'_>) -> Verification {
        let requirements = Requirements {
            crls: Crls::NotGiven,
            vlek_providers: VlekProviders::Warn(&[]),
            image_issuers: &self.judge.issuers,
            time_stamp_authorities: &[],
        };
        let context = Context { anchors: &self.judge.anchors, now: UnixTime(NOW), requirements };
        let opened = Opened::new(report, &self.certificates, &self.judge.anchors, &self.judge.cache);
        opened.verify(None, binding, &context)
    }
}

#[test]
fn each_mutation_fails_with_exactly_its_errors() {
    let machine = Machine::new();
    let chip = &machine.chip;
    let good = snp_report(chip, &ReportSpec::default(), &HclSpec::default()).unwrap();
    let good = machine.verify(&good, &Binding::default());
    assert_eq!(codes(&good), Vec::<&str>::new());
    let key = good.claims.unwrap().vtpm_key().unwrap();
    assert_eq!((key.modulus.len(), key.origin()), (256, AnchorOrigin::Simulated));
    for (defect, errors, rule, ..) in MUTATIONS {
        let report = broken(*defect, chip, &ReportSpec::default(), &HclSpec::default()).unwrap();
        let verification = machine.verify(&report, &Binding::default());
        assert!(verification.claims.is_none(), "{defect} is accepted");
        assert_eq!(codes(&verification), *errors, "{defect}");
        let mut failed = verification.report.checks().iter().filter(|check| check.error.is_some());
        assert!(failed.any(|check| check.rule.id == *rule), "{defect}: {rule}");
        assert_every_rule_has_an_outcome(&verification);
    }
}

fn assert_every_rule_has_an_outcome(verification: &Verification) {
    for rule in RULES {
        assert!(verification.report.checks().iter().any(|check| check.rule == *rule), "{}", rule.id);
    }
}

/// What nobody could read is not said to be good.
#[test]
fn the_privilege_level_of_a_report_that_cannot_be_read_is_not_judged() {
    let machine = Machine::new();
    let mut report = snp_report(&machine.chip, &ReportSpec::default(), &HclSpec::default()).unwrap();
    report[32] = 6;
    let verification = machine.verify(&report, &Binding::default());
    let outcome =
        |id: &str| verification.report.checks().iter().find(|check| check.rule.id == id).unwrap().outcome;
    assert_eq!((outcome("hcl.vmpl"), outcome("snp.layout")), (Outcome::Skipped, Outcome::Fail));
    assert_every_rule_has_an_outcome(&verification);
}

/// Whoever runs below the paravisor can ask for a report with report data of its own, and so name a key of its own.
#[test]
fn only_the_highest_privilege_level_speaks_for_the_paravisor() {
    let machine = Machine::new();
    for (vmpl, errors) in
        [(0, &[][..]), (1, &["hcl-vmpl"]), (3, &["hcl-vmpl"]), (u32::MAX, &["hcl-vmpl", "host-requested"])]
    {
        let report = ReportSpec { vmpl, ..ReportSpec::default() };
        let report = snp_report(&machine.chip, &report, &HclSpec::default()).unwrap();
        assert_eq!(codes(&machine.verify(&report, &Binding::default())), errors, "VMPL {vmpl}");
    }
}

#[test]
fn every_hash_that_tools_use_binds_data_through_the_user_data() {
    let machine = Machine::new();
    let user_data = |hash: &'static Algorithm| {
        let mut data = [0; 64];
        let hash = digest(hash, b"the guest's own");
        data[..hash.as_ref().len()].copy_from_slice(hash.as_ref());
        data
    };
    let mut tail = user_data(&SHA256);
    tail[63] = 1;
    for (user_data, data, errors) in [
        (user_data(&SHA256), &b"the guest's own"[..], &[][..]),
        (user_data(&SHA384), b"the guest's own", &[]),
        (user_data(&SHA512), b"the guest's own", &[]),
        (user_data(&SHA384), b"another's", &["binding-mismatch"]),
        (tail, b"the guest's own", &["binding-mismatch"]),
        ([0; 64], b"", &["binding-mismatch"]),
    ] {
        let spec = HclSpec { user_data, ..HclSpec::default() };
        let report = snp_report(&machine.chip, &ReportSpec::default(), &spec).unwrap();
        let binding = Binding { runtime_data: Some(data), ..Binding::default() };
        let verification = machine.verify(&report, &binding);
        assert_eq!(codes(&verification), errors);
        let mut messages = verification.report.errors().map(ToString::to_string);
        assert!(
            messages.all(|message| message.contains("`user-data`")),
            "the report data is the paravisor's"
        );
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
